-- scheduling/cron_zone.sql: is this a time zone, and when do its clocks change.
-- Owns check_time_zone, check_slot_options, zone_change_within, first_occurrence. Writes nothing.
-- Concurrency: pure functions of their arguments and the server's zone data.
--
-- "local at time zone zone" maps a local time in a gap forward by the gap's length, and one that
-- occurs twice to its second occurrence. A local time exists if it survives the way to an instant
-- and back.

-- Refuse a name that is no time zone of the server, or that only looks like one.
-- PostgreSQL also takes abbreviations, which know no daylight saving (CEST), and POSIX rules, which
-- make a zone of a misspelt name that ends in a number; both are refused. A POSIX rule needs a digit, so
-- that a name without one is a zone file or an abbreviation. The view pg_timezone_names would tell too,
-- but reads every zone file for it (30 ms).
-- Raises: PV115. Called by: cron_next, cron_explain, the scheduler.
create or replace function monitoring_internal.check_time_zone(p_time_zone text)
returns void
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_time_zone !~ '^[A-Za-z_]+(/[A-Za-z_-]+)+$'
        and p_time_zone !~* '^(posix/)?(UTC|GMT|Etc/GMT[+-]?(0|1?[0-9]))$'
        and (
            p_time_zone !~* '^(posix/)?([a-z]+(-[a-z]+)?|gmt[+-]?0|est5edt|cst6cdt|mst7mdt|pst8pdt)$'
            or exists (select from pg_timezone_abbrevs as a where a.abbrev = upper(p_time_zone)))
    then
        raise invalid_parameter_value;
    end if;
    perform timestamptz 'epoch' at time zone p_time_zone;
exception
    when invalid_parameter_value then
        raise exception using
            errcode = 'PV115',
            message = format('unknown time zone "%s"', left(p_time_zone, 60)),
            hint = 'Use UTC or a region and city as in pg_timezone_names, such as Europe/Berlin.';
end
$$;

comment on function monitoring_internal.check_time_zone(text) is
    'Raises PV115 unless the name is UTC or a time zone of the server with its own rules.';

-- Refuse a daylight saving rule or an instant from which no next slot can be told.
-- Raises: PV116 the rule, PV117 the instant. Called by: cron_next, cron_explain.
create or replace function monitoring_internal.check_slot_options(p_after timestamptz, p_dst text)
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_dst not in ('once', 'skip', 'twice') then
        raise exception using
            errcode = 'PV116',
            message = format('unknown daylight saving rule "%s"', left(p_dst, 40)),
            hint = 'Use once (a local time in a gap runs after the gap, one that occurs twice runs the first time), '
                'skip (one in a gap does not run) or twice (one that occurs twice runs both times).';
    elsif not isfinite(p_after) then
        raise exception using
            errcode = 'PV117',
            message = 'no slot follows an infinite time',
            hint = 'Pass a finite time as after.';
    end if;
end
$$;

comment on function monitoring_internal.check_slot_options(timestamptz, text) is
    'Raises PV116 or PV117 unless the daylight saving rule and the instant are usable.';

-- The instant after p_low and not after p_high from which the zone has the offset it has at p_high.
-- Zone changes fall on whole seconds: 17 halvings find one within a day.
-- Called by: next_slot_near_change, cron_explain.
create or replace function monitoring_internal.zone_change_within(
    p_low timestamptz, p_high timestamptz, p_time_zone text)
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_offset constant interval := (p_high at time zone p_time_zone) - (p_high at time zone 'UTC');
    v_before integer := 0;
    v_after integer := extract(epoch from p_high - p_low)::integer;
    v_middle integer;
    v_at timestamptz;
begin
    while v_after - v_before > 1 loop
        v_middle := (v_before + v_after) / 2;
        v_at := p_low + make_interval(secs => v_middle);
        if (v_at at time zone p_time_zone) - (v_at at time zone 'UTC') = v_offset then
            v_after := v_middle;
        else
            v_before := v_middle;
        end if;
    end loop;
    return p_low + make_interval(secs => v_after);
end
$$;

comment on function monitoring_internal.zone_change_within(timestamptz, timestamptz, text) is
    'The instant within a span at which a time zone changes its offset.';

-- The first instant that shows a local time; for one in a gap, what the server makes of it.
-- A change of offset at most a day before is what makes a local time occur twice.
-- Called by: next_slot_near_change, slot_rule.
create or replace function monitoring_internal.first_occurrence(p_local timestamp, p_time_zone text)
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last constant timestamptz := p_local at time zone p_time_zone;
    v_day_before constant timestamptz := v_last - interval '24 hours';
    v_first constant timestamptz := v_last - (
        (v_day_before at time zone p_time_zone) + interval '24 hours'
        - (v_last at time zone p_time_zone));
begin
    return case
        when v_first < v_last and v_first at time zone p_time_zone = p_local then v_first
        else v_last
    end;
end
$$;

comment on function monitoring_internal.first_occurrence(timestamp, text) is
    'The first instant at which a time zone shows a local time.';
