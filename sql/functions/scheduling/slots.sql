-- scheduling/slots.sql: where a schedule stands, and how far it moved while nobody looked.
-- Owns start_delay, shortest_gap, advance_slots, next_slots. Writes nothing.
-- Concurrency: pure functions of their arguments.

-- The share of a spread that falls to a job: always the same for the same name, even over all names.
create or replace function monitoring_internal.start_delay(p_name text, p_spread interval)
returns interval
language sql immutable parallel safe
begin atomic
    select case
        when p_spread <= interval '0' then interval '0'
        else make_interval(secs => (
            (hashtextextended(p_name, 0) & 1048575) * extract(epoch from p_spread) / 1048576)::double precision)
    end;
end;

comment on function monitoring_internal.start_delay(text, interval) is
    'Delay of a job''s starts after its slots: a share of the spread chosen by its name.';

-- The shortest time between the next few slots after p_after.
-- Raises: what cron_next raises for an expression or zone that is wrong.
create or replace function monitoring_internal.shortest_gap(
    p_schedule text, p_time_zone text, p_dst text, p_after timestamptz)
returns interval
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_slot timestamptz := monitoring.cron_next(p_schedule, p_after, p_time_zone, p_dst);
    v_next timestamptz;
    v_shortest interval;
begin
    -- A loop: each slot is known only from the one before it.
    for v_step in 1..3 loop
        v_next := monitoring.cron_next(p_schedule, v_slot, p_time_zone, p_dst);
        v_shortest := least(v_shortest, make_interval(secs => extract(epoch from v_next - v_slot)::double precision));
        v_slot := v_next;
    end loop;
    return v_shortest;
end;
$$;

comment on function monitoring_internal.shortest_gap(text, text, text, timestamptz) is
    'Shortest time between a schedule''s next few slots.';

-- All slots from p_first_slot_at up to p_until: the last, the one before it, how many, and the first after p_until.
-- A schedule that asks for the calendar is walked for p_limit slots at most; is_complete tells whether that sufficed.
-- An error of the schedule is returned, not raised: one broken job must not stop the tick of the others.
-- Called by: tick_at.
create or replace function monitoring_internal.advance_slots(
    p_schedule text, p_time_zone text, p_dst text, p_fixed_period interval,
    p_first_slot_at timestamptz, p_until timestamptz, p_limit integer,
    out last_slot_at timestamptz, out previous_slot_at timestamptz, out slot_count bigint, out next_slot_at timestamptz,
    out is_complete boolean, out error_code text, out error_message text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schedule bigint[];
begin
    last_slot_at := p_first_slot_at;
    slot_count := 1;
    is_complete := true;
    if p_fixed_period is not null then
        slot_count := 1 + floor(extract(epoch from p_until - p_first_slot_at) / extract(epoch from p_fixed_period));
        if slot_count > 1 then
            last_slot_at := p_first_slot_at + (slot_count - 1) * p_fixed_period;
            previous_slot_at := last_slot_at - p_fixed_period;
        end if;
        next_slot_at := last_slot_at + p_fixed_period;
        return;
    end if;
    begin
        v_schedule := monitoring_internal.parse_cron(p_schedule);
        next_slot_at := monitoring_internal.next_slot(v_schedule, p_first_slot_at, p_time_zone, p_dst);
        -- A loop: each slot is known only from the one before it.
        while next_slot_at <= p_until and slot_count < p_limit loop
            previous_slot_at := last_slot_at;
            last_slot_at := next_slot_at;
            slot_count := slot_count + 1;
            next_slot_at := monitoring_internal.next_slot(v_schedule, last_slot_at, p_time_zone, p_dst);
        end loop;
        is_complete := next_slot_at > p_until;
    exception
        -- Isolation of one job of the tick: the caller stores the error and goes on.
        when others then
            get stacked diagnostics error_code = returned_sqlstate, error_message = message_text;
            slot_count := 0;
    end;
end;
$$;

comment on function monitoring_internal.advance_slots(
    text, text, text, interval, timestamptz, timestamptz, integer) is
    'Slots of a schedule that passed between two moments: the last, the one before it, their number, the next.';

-- The coming slots of a job in force, each with its local time and the rule that made it.
-- Raises: PV105. Called by: next_slots.
create or replace function monitoring_internal.next_slots_at(p_name text, p_count integer, p_now timestamptz)
returns table (
    slot_at timestamptz, planned_at timestamptz, local_at timestamp, utc_offset interval, named_at timestamp,
    rule text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
begin
    return query
    select slot.slot_at, slot.slot_at + v_job.start_delay, slot.local_at, slot.utc_offset, slot.named_at,
        slot.rule
    from monitoring.cron_explain(v_job.schedule, p_now, v_job.time_zone, v_job.dst, p_count) as slot;
end;
$$;

comment on function monitoring_internal.next_slots_at(text, integer, timestamptz) is
    'The slots of a job after p_now, each with its local time and the rule that made it.';

-- The coming slots of a job.
-- Raises: PV105. Called by: pgvigil jobs next --explain.
create or replace function monitoring_internal.next_slots(p_name text, p_count integer)
returns table (
    slot_at timestamptz, planned_at timestamptz, local_at timestamp, utc_offset interval, named_at timestamp,
    rule text)
language plpgsql stable parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select slot.* from monitoring_internal.next_slots_at(p_name, p_count, clock_timestamp()) as slot;
end;
$$;

comment on function monitoring_internal.next_slots(text, integer) is
    'The coming slots of a job, each with its local time and the rule that made it.';
