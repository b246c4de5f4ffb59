-- people/on_call_shifts.sql: the calendar of a schedule, and its holes.
-- Owns on_call_boundaries, on_call_intervals, visible_on_call_intervals, on_call_shifts, on_call_gaps. Writes nothing.
-- Concurrency: reads at one snapshot.

-- Moments in a span at which it may change who is on call; more than it does change at is no harm.
create or replace function monitoring_internal.on_call_boundaries(
    p_schedule_id integer, p_from timestamptz, p_until timestamptz)
returns setof timestamptz
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    with zone as (
        select schedule.time_zone as name
        from monitoring.on_call_schedules as schedule
        where schedule.on_call_schedule_id = p_schedule_id
    ),
    day as (
        select (generate_series(p_from::date - 2, p_until::date + 2, '1 day'))::date as day
    ),
    wall as (
        select day.day + layer.hand_over_time as clock
        from monitoring.on_call_layers as layer
        cross join day
        where layer.on_call_schedule_id = p_schedule_id
        union
        select day.day + bound.hour
        from monitoring.on_call_layers as layer
        inner join monitoring.on_call_restrictions as hours using (on_call_layer_id)
        cross join lateral (values (hours.from_time), (hours.until_time)) as bound (hour)
        cross join day
        where layer.on_call_schedule_id = p_schedule_id
    )
    select p_from
    union
    select p_until
    union
    -- A local time that comes twice is meant the first time or the second.
    select wall.clock at time zone zone.name - earlier.by
    from wall
    cross join zone
    cross join (values (interval '0'), (interval '1 hour')) as earlier (by)
    union
    -- Days on which clocks are changed: each quarter of an hour may be the one.
    select generate_series(changed.midnight, changed.midnight + interval '1 day', '15 min')
    from zone
    cross join day
    cross join lateral (select day.day::timestamp at time zone 'UTC' as midnight) as changed
    where (changed.midnight at time zone zone.name) + interval '1 day'
        <> (changed.midnight + interval '24 hours') at time zone zone.name
    union
    select first.turn_at + number * layer.turn_length * interval '1 hour'
    from monitoring.on_call_layers as layer
    cross join zone
    cross join lateral (
        select (layer.start_day + layer.hand_over_time) at time zone zone.name as turn_at) as first
    cross join lateral generate_series(
        floor(extract(epoch from p_from - first.turn_at) / (3600 * layer.turn_length))::bigint,
        ceil(extract(epoch from p_until - first.turn_at) / (3600 * layer.turn_length))::bigint) as number
    where layer.on_call_schedule_id = p_schedule_id and layer.turn = 'hourly'
    union
    select bound.at
    from monitoring.on_call_assignments as assignment
    cross join lateral (values (assignment.start_at), (assignment.end_at)) as bound (at)
    where assignment.on_call_schedule_id = p_schedule_id;
$$;

comment on function monitoring_internal.on_call_boundaries(integer, timestamptz, timestamptz) is
    'All moments of a span, and some around it, at which another may come on call.';

-- The span cut into intervals with the same people; between two boundaries nothing changes, so that its middle tells.
create or replace function monitoring_internal.on_call_intervals(
    p_schedule_id integer, p_from timestamptz, p_until timestamptz)
returns table (start_at timestamptz, end_at timestamptz, person_ids uuid[])
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    with piece as materialized (
        select cut.at as start_at, lead(cut.at) over (order by cut.at) as end_at
        from monitoring_internal.on_call_boundaries(p_schedule_id, p_from, p_until) as cut (at)
        where cut.at between p_from and p_until
    ),
    manned as (
        select resolved.moment, array_agg(resolved.person_id order by resolved.person_id) as person_ids
        from monitoring_internal.resolve_on_call(p_schedule_id, array(
            select piece.start_at + (piece.end_at - piece.start_at) / 2 from piece where piece.end_at is not null
        )) as resolved
        group by resolved.moment
    ),
    filled as (
        select piece.start_at, piece.end_at, coalesce(manned.person_ids, '{}') as person_ids
        from piece
        left join manned on manned.moment = piece.start_at + (piece.end_at - piece.start_at) / 2
        where piece.end_at is not null
    ),
    changed as (
        select filled.*,
            filled.person_ids is distinct from lag(filled.person_ids) over (order by filled.start_at) as is_new
        from filled
    ),
    numbered as (
        select changed.*, count(*) filter (where changed.is_new) over (order by changed.start_at) as number
        from changed
    )
    select min(numbered.start_at), max(numbered.end_at), numbered.person_ids
    from numbered
    group by numbered.number, numbered.person_ids
    order by 1;
$$;

comment on function monitoring_internal.on_call_intervals(integer, timestamptz, timestamptz) is
    'Who is on call from when to when, without a hole: an interval with nobody has no people.';

-- The same for a schedule that the caller sees, with names.
-- Raises: PV950, PV951, PV952 a span that is empty, endless or longer than ten years.
create or replace function monitoring_internal.visible_on_call_intervals(
    p_schedule text, p_from timestamptz, p_until timestamptz)
returns table (start_at timestamptz, end_at timestamptz, person_ids uuid[], people text[])
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_from is null or p_until is null or not isfinite(p_from) or not isfinite(p_until)
        or p_until <= p_from or p_until > p_from + interval '10 years'
    then
        raise exception using
            errcode = 'PV952',
            message = format('there are no shifts from %s until %s', p_from, p_until),
            hint = 'Give two times, the first before the second and not more than ten years.';
    end if;
    return query
        select span.start_at, span.end_at, span.person_ids, array(
            select person.name
            from monitoring.people as person
            where person.person_id = any (span.person_ids)
            order by person.name)
        from monitoring_internal.on_call_intervals(
            monitoring_internal.visible_schedule_id(p_schedule), p_from, p_until) as span;
end;
$$;

comment on function monitoring_internal.visible_on_call_intervals(text, timestamptz, timestamptz) is
    'Who is on call from when to when in a schedule that the caller sees.';

-- The calendar.
-- Raises: PV950, PV951, PV952.
create or replace function monitoring.on_call_shifts(schedule text, start_from timestamptz, until timestamptz)
returns table (start_at timestamptz, end_at timestamptz, person_ids uuid[], people text[])
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select span.start_at, span.end_at, span.person_ids, span.people
    from monitoring_internal.visible_on_call_intervals(
        on_call_shifts.schedule, on_call_shifts.start_from, on_call_shifts.until) as span
    where cardinality(span.person_ids) > 0;
$$;

comment on function monitoring.on_call_shifts(text, timestamptz, timestamptz) is
    'Who is on call from when to when in a span, found by the function that pages: the calendar cannot disagree.';

-- Where nobody is on call.
-- Raises: PV950, PV951, PV952.
create or replace function monitoring.on_call_gaps(schedule text, start_from timestamptz, until timestamptz)
returns table (start_at timestamptz, end_at timestamptz)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select span.start_at, span.end_at
    from monitoring_internal.visible_on_call_intervals(
        on_call_gaps.schedule, on_call_gaps.start_from, on_call_gaps.until) as span
    where cardinality(span.person_ids) = 0;
$$;

comment on function monitoring.on_call_gaps(text, timestamptz, timestamptz) is
    'When in a span nobody is on call in a schedule.';
