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
    elsif p_schedule[8] & 2 = 2 then
        rule := 'elapsed time';
    elsif monitoring_internal.next_local_slot(p_schedule, v_local) <> v_local then
        rule := 'gap moved';
        named_at := monitoring_internal.next_local_slot(p_schedule,
            ((p_slot - interval '1 second') at time zone p_time_zone) + interval '1 second');
    elsif p_slot < v_local at time zone p_time_zone then
        rule := 'overlap first';
    elsif p_slot > monitoring_internal.first_occurrence(v_local, p_time_zone) then
        rule := 'overlap second';
    else
        rule := 'regular';
    end if;
end
$$;

comment on function monitoring_internal.slot_rule(bigint[], timestamptz, text) is
    'The rule that made a slot of a schedule, and the local time that the schedule names for it.';

-- The next n slots of a schedule strictly after "after", with local time and rule: regular, period, elapsed
-- time (the hour field is a wildcard or has a step), gap moved, gap skipped, overlap first, overlap second.
-- A local time that dst skip leaves out is a row too, without a slot.
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
    v_dst constant text := replace(cron_explain.dst, 'skip', 'once');
    v_slot timestamptz := cron_explain.after;
begin
    perform monitoring_internal.check_time_zone(cron_explain.time_zone);
    perform monitoring_internal.check_slot_options(cron_explain.after, cron_explain.dst);
    if cron_explain.n not between 1 and 1000 then
        raise exception using
            errcode = 'PV117',
            message = format('cannot list %s slots', cron_explain.n),
            hint = 'Ask for 1 to 1000 slots.';
    end if;
    -- One at a time: each slot is where the search for the next begins. What skip leaves out, once moves.
    for i in 1..cron_explain.n loop
        v_slot := monitoring_internal.next_slot(v_schedule, v_slot, cron_explain.time_zone, v_dst);
        exit when v_slot is null;
        slot_at := v_slot;
        local_at := v_slot at time zone cron_explain.time_zone;
        utc_offset := local_at - (v_slot at time zone 'UTC');
        select r.rule, r.named_at
        into cron_explain.rule, cron_explain.named_at
        from monitoring_internal.slot_rule(v_schedule, v_slot, cron_explain.time_zone) as r;
        if rule = 'gap moved' and cron_explain.dst = 'skip' then
            rule := 'gap skipped';
            slot_at := null;
            local_at := null;
            utc_offset := null;
        end if;
        return next;
    end loop;
end
$$;

comment on function monitoring.cron_explain(text, timestamptz, text, text, integer) is
    'The next slots of a schedule, each with its local time, the local time the schedule names, and '
    'the rule that made it: regular, period, elapsed time, gap moved, overlap first, overlap second, '
    'or gap skipped, which has no slot.';
