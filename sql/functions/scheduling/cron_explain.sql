-- scheduling/cron_explain.sql: the coming slots of a schedule, each with the rule that made it.
-- Owns cron_explain, slot_rule. Writes nothing.
-- Concurrency: pure functions of their arguments and the server's zone data.

-- The rule that made a slot, and the local time that the schedule names for it.
-- A slot whose own local time the schedule does not name came out of the gap that ends there.
-- Called by: cron_explain.
create or replace function monitoring_internal.slot_rule(
    p_schedule bigint[], p_slot timestamptz, p_time_zone text, out rule text, out named_at timestamp)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_local constant timestamp := p_slot at time zone p_time_zone;
begin
    named_at := v_local;
    if p_schedule[1] > 0 then
        rule := 'period';
    elsif monitoring_internal.next_local_slot(p_schedule, v_local) <> v_local then
        rule := 'moved out of gap';
        named_at := monitoring_internal.next_local_slot(p_schedule,
            ((p_slot - interval '1 second') at time zone p_time_zone) + interval '1 second');
    elsif p_slot < v_local at time zone p_time_zone then
        rule := 'first of two';
    elsif p_slot > monitoring_internal.first_occurrence(v_local, p_time_zone) then
        rule := 'second of two';
    else
        rule := 'regular';
    end if;
end
$$;

comment on function monitoring_internal.slot_rule(bigint[], timestamptz, text) is
    'The rule that made a slot of a schedule, and the local time that the schedule names for it.';

-- The next n slots of a schedule strictly after "after", with local time and rule: regular, period,
-- moved out of gap, first of two, second of two (schedules that follow elapsed time).
-- Raises: PV110-PV117. Called by: users, pgvigil jobs next.
create or replace function monitoring.cron_explain(
    expression text, after timestamptz, time_zone text default 'UTC', dst text default 'once',
    n integer default 5)
returns table (
    slot_at timestamptz, local_at timestamp, named_at timestamp, utc_offset interval, rule text)
language plpgsql stable parallel unsafe strict
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schedule constant bigint[] := monitoring_internal.parse_cron(cron_explain.expression);
begin
    perform monitoring_internal.check_time_zone(cron_explain.time_zone);
    perform monitoring_internal.check_slot_options(cron_explain.after, cron_explain.dst);
    if cron_explain.n not between 1 and 1000 then
        raise exception using
            errcode = 'PV117',
            message = format('cannot list %s slots', cron_explain.n),
            hint = 'Ask for 1 to 1000 slots.';
    end if;
    slot_at := cron_explain.after;
    -- One at a time: each slot is where the search for the next begins.
    for i in 1..cron_explain.n loop
        slot_at := monitoring_internal.next_slot(v_schedule, slot_at, cron_explain.time_zone);
        exit when slot_at is null;
        local_at := slot_at at time zone cron_explain.time_zone;
        utc_offset := local_at - (slot_at at time zone 'UTC');
        select r.rule, r.named_at
        into cron_explain.rule, cron_explain.named_at
        from monitoring_internal.slot_rule(v_schedule, slot_at, cron_explain.time_zone) as r;
        return next;
    end loop;
end
$$;

comment on function monitoring.cron_explain(text, timestamptz, text, text, integer) is
    'The next slots of a schedule, each with its local time, the local time the schedule names, and '
    'the rule that made it: regular, period, moved out of gap, first of two, second of two.';
