-- scheduling/cron_next.sql: when a schedule fires next.
-- Owns cron_next, next_slot and its parts next_*, cron_days, lowest_bit. Writes nothing.
-- Concurrency: pure functions of their arguments and the server's zone data.
--
-- A schedule with a fixed hour names local times. With dst once, one skipped by the clocks runs at the
-- first instant after the gap, and one that occurs twice at its first occurrence; with skip, the one
-- in the gap does not run; with twice, the one that occurs twice runs both times. A schedule whose hour
-- field is a wildcard or has a step follows elapsed time under each of them: it matches what the clocks
-- show, in a repeated hour again, and in a gap not at all.

-- The number of the lowest bit that is set.
-- Called by: next_local_slot.
create or replace function monitoring_internal.lowest_bit(p_mask bigint)
returns integer
language sql immutable parallel safe
begin atomic
    select bit_count(((p_mask & -p_mask) - 1)::bit(64))::integer;
end;

comment on function monitoring_internal.lowest_bit(bigint) is
    'The number of the lowest bit that is set.';

-- The days of a month that a parsed calendar schedule names, bit n for day n; null when some are counted.
-- Units: p_month is the first of the month.
-- The weekdays are one 7-bit pattern, turned to the weekday of the first and repeated five times.
-- L, W and # are for cron_special_days. Called by: next_local_slot.
create or replace function monitoring_internal.cron_days(p_schedule bigint[], p_month date)
returns bigint
language sql immutable parallel safe
begin atomic
    select case
        when p_schedule[9] <> 0 or p_schedule[7] > 127 or p_schedule[5] > 4294967295 then null
        when p_schedule[6] >> extract(month from p_month)::integer & 1 = 0 then 0
        when p_schedule[8] & 1 = 1 then p_schedule[5] & d.by_weekday & d.existing
        else (p_schedule[5] | d.by_weekday) & d.existing
    end
    from (
        select
            (((p_schedule[7] >> f.weekday) | (p_schedule[7] << 7 - f.weekday)) & 127)
                * 270549121 << 1,
            (1::bigint << (p_month + interval '1 month')::date - p_month + 1) - 2
        from (select extract(dow from p_month)::integer) as f (weekday)
    ) as d (by_weekday, existing);
end;

comment on function monitoring_internal.cron_days(bigint[], date) is
    'The days of a month that a schedule without L, W and # names, as a bit mask.';

-- The first local time at or after p_from that a parsed calendar schedule names; null when there is
-- none in 100 years. Jumps from field to field, at most 1,200 months.
-- Units: p_from in whole seconds.
-- Called by: next_slot, next_slot_near_change, slot_rule, parse_cron.
create or replace function monitoring_internal.next_local_slot(
    p_schedule bigint[], p_from timestamp)
returns timestamp
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_date constant date := p_from::date;
    v_day constant integer := extract(day from v_date)::integer;
    v_hour constant integer := extract(hour from p_from)::integer;
    v_minute constant integer := extract(minute from p_from)::integer;
    v_month date := v_date - (v_day - 1);
    v_days bigint;
    v_bits bigint;
begin
    v_days := (-1::bigint << v_day) & coalesce(
        monitoring_internal.cron_days(p_schedule, v_month), monitoring_internal.cron_special_days(p_schedule, v_month));
    if v_days >> v_day & 1 = 1 then
        if p_schedule[4] >> v_hour & 1 = 1 then
            if p_schedule[3] >> v_minute & 1 = 1 then
                v_bits := p_schedule[2] & (-1::bigint << extract(second from p_from)::integer);
                if v_bits <> 0 then
                    return v_date + make_time(
                        v_hour, v_minute, monitoring_internal.lowest_bit(v_bits));
                end if;
            end if;
            v_bits := p_schedule[3] & (-2::bigint << v_minute);
            if v_bits <> 0 then
                return v_date + make_time(
                    v_hour, monitoring_internal.lowest_bit(v_bits),
                    monitoring_internal.lowest_bit(p_schedule[2]));
            end if;
        end if;
        v_bits := p_schedule[4] & (-2::bigint << v_hour);
        if v_bits <> 0 then
            return v_date + make_time(
                monitoring_internal.lowest_bit(v_bits),
                monitoring_internal.lowest_bit(p_schedule[3]),
                monitoring_internal.lowest_bit(p_schedule[2]));
        end if;
        v_days := v_days & (-2::bigint << v_day);
    end if;
    -- Month by month: the longest wait of a schedule that fires at all is 40 years (a 29 February
    -- on one weekday).
    while v_days = 0 loop
        v_month := (v_month + interval '1 month')::date;
        if v_month > v_date + 36525 then
            return null;
        elsif p_schedule[6] >> extract(month from v_month)::integer & 1 = 1 then
            v_days := coalesce(
                monitoring_internal.cron_days(p_schedule, v_month),
                monitoring_internal.cron_special_days(p_schedule, v_month));
        end if;
    end loop;
    return v_month + (monitoring_internal.lowest_bit(v_days) - 1) + make_time(
        monitoring_internal.lowest_bit(p_schedule[4]),
        monitoring_internal.lowest_bit(p_schedule[3]),
        monitoring_internal.lowest_bit(p_schedule[2]));
end
$$;

comment on function monitoring_internal.next_local_slot(bigint[], timestamp) is
    'The first local time at or after another that a parsed calendar schedule names.';

-- The first slot at or after p_from, with every care for clocks that change.
-- Units: p_from in whole seconds.
-- Called by: next_slot.
create or replace function monitoring_internal.next_slot_near_change(
    p_schedule bigint[], p_from timestamptz, p_time_zone text, p_dst text default 'once')
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_repeats constant boolean := p_schedule[8] & 2 = 2 or p_dst = 'twice';
    v_leaves_gaps constant boolean := p_schedule[8] & 2 = 2 or p_dst = 'skip';
    v_from timestamptz := p_from;
    v_local timestamp := p_from at time zone p_time_zone;
    v_twin constant timestamptz := case
        when v_repeats then v_local at time zone p_time_zone
        else monitoring_internal.first_occurrence(v_local, p_time_zone)
    end;
    v_next timestamp;
    v_slot timestamptz;
    v_change timestamptz;
begin
    if v_twin > p_from then
        -- The first pass of a repeated hour: to its end, then through it again.
        v_change := monitoring_internal.zone_change_within(p_from, v_twin, p_time_zone);
        v_next := monitoring_internal.next_local_slot(p_schedule, v_local);
        if v_next - v_local < v_change - p_from then
            return p_from + (v_next - v_local);
        end if;
        v_from := v_change;
        v_local := v_change at time zone p_time_zone;
    elsif v_twin < p_from then
        -- The second pass: all its local times have had their turn.
        v_change := monitoring_internal.zone_change_within(v_twin, p_from, p_time_zone);
        v_local := ((v_change - interval '1 second') at time zone p_time_zone)
            + interval '1 second';
    end if;
    -- One pass, and one more for each gap to step over.
    loop
        v_next := monitoring_internal.next_local_slot(p_schedule, v_local);
        v_slot := monitoring_internal.first_occurrence(v_next, p_time_zone);
        exit when v_slot is null or v_slot at time zone p_time_zone = v_next;
        v_change := monitoring_internal.zone_change_within(
            v_slot - ((v_slot at time zone p_time_zone) - v_next), v_slot, p_time_zone);
        if not v_leaves_gaps then
            return v_change;
        end if;
        v_from := v_change;
        v_local := v_change at time zone p_time_zone;
    end loop;
    return case when v_slot < v_from then v_next at time zone p_time_zone else v_slot end;
end
$$;

comment on function monitoring_internal.next_slot_near_change(bigint[], timestamptz, text, text) is
    'The first slot of a parsed schedule at or after an instant, where clocks may change.';

-- The first slot of a parsed schedule strictly after p_after; null when there is none in 100 years.
-- Nearly every call takes the short way: the slot exists, and no clock changed the day before.
-- Called by: cron_next, cron_explain, the scheduler (which parses once and checked the zone).
create or replace function monitoring_internal.next_slot(
    p_schedule bigint[], p_after timestamptz, p_time_zone text default 'UTC', p_dst text default 'once')
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_from timestamptz;
    v_local timestamp;
    v_next timestamp;
    v_slot timestamptz;
    v_rest bigint;
begin
    if p_schedule[1] > 0 then
        v_rest := (extract(epoch from p_after) * 1000000)::bigint % p_schedule[1];
        -- Before 1970 the remainder is negative, and already the way to the next slot.
        return p_after + interval '1 microsecond'
            * (case when v_rest < 0 then 0 else p_schedule[1] end - v_rest);
    end if;
    v_from := date_trunc('second', p_after) + interval '1 second';
    v_local := v_from at time zone p_time_zone;
    v_next := monitoring_internal.next_local_slot(p_schedule, v_local);
    v_slot := v_next at time zone p_time_zone;
    if p_time_zone = 'UTC'
        or v_slot at time zone p_time_zone = v_next
        and (v_slot - interval '24 hours') at time zone p_time_zone = v_next - interval '24 hours'
        and v_local at time zone p_time_zone = v_from
    then
        return v_slot;
    end if;
    return monitoring_internal.next_slot_near_change(p_schedule, v_from, p_time_zone, p_dst);
end
$$;

comment on function monitoring_internal.next_slot(bigint[], timestamptz, text, text) is
    'The first slot of a parsed schedule strictly after an instant.';

-- The first instant strictly after "after" at which a schedule fires.
-- Raises: PV110-PV116. Called by: users, schedule_job.
create or replace function monitoring.cron_next(
    expression text, after timestamptz, time_zone text default 'UTC', dst text default 'once')
returns timestamptz
language plpgsql stable parallel unsafe strict
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if cron_next.time_zone <> 'UTC' then
        perform monitoring_internal.check_time_zone(cron_next.time_zone);
    end if;
    if cron_next.dst <> 'once' or not isfinite(cron_next.after) then
        perform monitoring_internal.check_slot_options(cron_next.after, cron_next.dst);
    end if;
    return monitoring_internal.next_slot(
        monitoring_internal.parse_cron(cron_next.expression), cron_next.after, cron_next.time_zone,
        cron_next.dst);
end
$$;

comment on function monitoring.cron_next(text, timestamptz, text, text) is
    'The first instant strictly after another at which a schedule fires: five cron fields, six with '
    'seconds first, @hourly to @yearly, or @every 1h30m.';
