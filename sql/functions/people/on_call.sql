-- people/on_call.sql: who is on call at given moments.
-- Owns on_call_turn, on_call_layers_of, on_call_matches, resolve_on_call. Writes nothing.
-- Concurrency: reads at one snapshot. In plpgsql, so that their plans are kept.

-- The number of the turn at a moment, from 0. Days, weeks and months are counted by the wall clock, hours truly.
create or replace function monitoring_internal.on_call_turn(
    p_turn text, p_length integer, p_begins timestamp, p_clock timestamp, p_seconds double precision)
returns bigint
language sql immutable parallel safe
begin atomic
    select case p_turn
        when 'hourly' then floor(p_seconds / (3600 * p_length))
        when 'daily' then floor(extract(epoch from p_clock - p_begins)::double precision / (86400 * p_length))
        when 'weekly' then floor(extract(epoch from p_clock - p_begins)::double precision / (604800 * p_length))
        else floor((
            date_part('year', p_clock) * 12 + date_part('month', p_clock)
                - date_part('year', p_begins) * 12 - date_part('month', p_begins)
                - case
                    when p_begins + make_interval(months => (
                        date_part('year', p_clock) * 12 + date_part('month', p_clock)
                        - date_part('year', p_begins) * 12 - date_part('month', p_begins))::integer) > p_clock
                    then 1
                    else 0
                end) / p_length)
    end::bigint;
end;

comment on function monitoring_internal.on_call_turn(text, integer, timestamp, timestamp, double precision) is
    'Number of the turn: the begin of the first and the moment on the wall clock, and the true seconds between.';

-- The layers of a schedule that have people, with all that a look-up needs.
create or replace function monitoring_internal.on_call_layers_of(
    p_schedule_id integer, out layer_id integer, out priority integer, out turn text, out turn_length integer,
    out time_zone text, out begins timestamp, out ends timestamp, out people uuid[], out hours jsonb,
    out counted_days integer[])
returns setof record
language plpgsql stable parallel restricted rows 4
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select layer.on_call_layer_id, layer.priority, layer.turn, layer.turn_length::integer, schedule.time_zone,
            layer.start_day + layer.hand_over_time, layer.end_day + layer.hand_over_time,
            rotation.people, restriction.hours,
            -- Days from the first turn to the first of each day of the week that counts.
            case when layer.is_counting_eligible_days then array(
                select ((day - extract(isodow from layer.start_day)::integer) + 7) % 7
                from (
                    select distinct unnest(allowed.days)::integer
                    from monitoring.on_call_restrictions as allowed
                    where allowed.on_call_layer_id = layer.on_call_layer_id) as counted (day))
            end
        from monitoring.on_call_schedules as schedule
        inner join monitoring.on_call_layers as layer using (on_call_schedule_id)
        cross join lateral (
            select array_agg(case when person.is_active then person.person_id end order by member.position) as people
            from monitoring.on_call_layer_people as member
            inner join monitoring.people as person using (person_id)
            where member.on_call_layer_id = layer.on_call_layer_id) as rotation
        cross join lateral (
            select jsonb_agg(allowed.on_call_restriction_id) as hours
            from monitoring.on_call_restrictions as allowed
            where allowed.on_call_layer_id = layer.on_call_layer_id) as restriction
        where schedule.on_call_schedule_id = p_schedule_id and rotation.people is not null;
end;
$$;

comment on function monitoring_internal.on_call_layers_of(integer) is
    'Layers of a schedule: begin and end on the wall clock, people in order (null for who is not active).';

-- Whose turn it is in each layer that holds at each moment. Times are compared by the wall clock of the schedule, so
-- that a hand-over keeps its local time; in the hour that comes twice, a turn that has begun goes on.
create or replace function monitoring_internal.on_call_matches(p_schedule_id integer, p_times timestamptz[])
returns table (moment timestamptz, person_id uuid, priority integer, layer_id integer)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        with holding as (
            select layer.*, given.moment, wall.clock,
                case
                    when (given.moment - interval '1 hour') at time zone layer.time_zone = wall.clock
                    then date_trunc('hour', wall.clock) + interval '00:59:59.999999'
                    else wall.clock
                end as turn_clock
            from (select distinct unnest(p_times)) as given (moment)
            cross join monitoring_internal.on_call_layers_of(p_schedule_id) as layer
            cross join lateral (select given.moment at time zone layer.time_zone) as wall (clock)
            where wall.clock >= layer.begins and (layer.ends is null or wall.clock < layer.ends)
                and (layer.hours is null or exists (
                    select 1
                    from monitoring.on_call_restrictions as hours
                    cross join lateral (select wall.clock::time, extract(isodow from wall.clock)::smallint)
                        as local (hour, day)
                    where hours.on_call_layer_id = layer.layer_id
                        and case
                            when hours.from_time < hours.until_time
                            then local.hour >= hours.from_time and local.hour < hours.until_time
                                and local.day = any (hours.days)
                            else local.hour >= hours.from_time and local.day = any (hours.days)
                                -- What began the day before goes on over midnight.
                                or local.hour < hours.until_time
                                    and (local.day + 5)::smallint % 7 + 1 = any (hours.days)
                        end))
        )
        select holding.moment, turn.person_id, holding.priority, holding.layer_id
        from holding
        cross join lateral (
            select case
                when holding.counted_days is null then monitoring_internal.on_call_turn(
                    holding.turn, holding.turn_length, holding.begins, holding.turn_clock,
                    extract(epoch from holding.moment - holding.begins at time zone holding.time_zone)
                        ::double precision)
                else (
                    select sum((extract(day from holding.turn_clock - holding.begins)::integer - counted.day + 6) / 7)
                    from unnest(holding.counted_days) as counted (day)) / holding.turn_length
            end as number) as counted
        cross join lateral (
            select holding.people[1 + mod(greatest(counted.number, 0), cardinality(holding.people))::integer]
                as person_id) as turn
        where turn.person_id is not null;
end;
$$;

comment on function monitoring_internal.on_call_matches(integer, timestamptz[]) is
    'Who has the turn in each layer of a schedule at each moment, without overrides.';

-- Who is on call at each moment: overrides of the whole schedule first, else the layers of the highest priority that
-- have somebody; then those whose turns another took are replaced, along the chain of swaps. Paging, calendars and gaps
-- all ask this.
create or replace function monitoring_internal.resolve_on_call(p_schedule_id integer, p_times timestamptz[])
returns table (moment timestamptz, person_id uuid, source text)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        with recursive override as materialized (
            select given.moment, assignment.person_id, assignment.replaces_person_id
            from monitoring.on_call_assignments as assignment
            inner join monitoring.people as person using (person_id)
            inner join (select distinct unnest(p_times)) as given (moment)
                on given.moment >= assignment.start_at and given.moment < assignment.end_at
            where assignment.on_call_schedule_id = p_schedule_id and person.is_active
                and assignment.end_at > (select min(asked) from unnest(p_times) as asked)
        ),
        base as (
            select whole.moment, whole.person_id, 'override' as source
            from override as whole
            where whole.replaces_person_id is null
            union all
            select ranked.moment, ranked.person_id, 'layer'
            from (
                select matching.*,
                    matching.priority = max(matching.priority) over (partition by matching.moment) as is_highest
                from monitoring_internal.on_call_matches(p_schedule_id, p_times) as matching
            ) as ranked
            where ranked.is_highest
                and ranked.moment not in (select o.moment from override as o where o.replaces_person_id is null)
        ),
        swapped as (
            select base.moment, base.person_id, base.source, array[base.person_id] as path
            from base
            union all
            select swapped.moment, swap.person_id, 'override', swapped.path || swap.person_id
            from swapped
            inner join override as swap
                on swap.moment = swapped.moment and swap.replaces_person_id = swapped.person_id
            where not swap.person_id = any (swapped.path)
        )
        select swapped.moment, swapped.person_id, min(swapped.source)
        from swapped
        where not exists (
            select 1
            from override as swap
            where swap.moment = swapped.moment and swap.replaces_person_id = swapped.person_id
                and not swap.person_id = any (swapped.path))
        group by swapped.moment, swapped.person_id;
end;
$$;

comment on function monitoring_internal.resolve_on_call(integer, timestamptz[]) is
    'Who is on call at each moment, overrides included; no row for a moment at which nobody is.';
