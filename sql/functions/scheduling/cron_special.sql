-- scheduling/cron_special.sql: the days of a schedule that are counted: L, L-3, 15W, LW, fri#2, friL.
-- Owns parse_cron_special, parse_cron_nearest, cron_special_days, repeat_weekdays. Writes nothing.
-- Concurrency: pure functions of their arguments.

-- The bit mask of one list item with L, W or #, in lower case: see the parsed form in cron_parse.sql.
-- A W counts for parse_cron_nearest and is only checked here.
-- Raises: PV111. Called by: parse_cron_item.
create or replace function monitoring_internal.parse_cron_special(
    p_field integer, p_item text, p_expression text)
returns bigint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Before the last day; the day or the days before the last that a W is near to.
    v_last constant text[] := regexp_match(p_item, '^l(?:-([0-9]{1,4}))?(w)?$');
    v_near constant text[] := regexp_match(p_item, '^([0-9]{1,4})w$');
    v_weekday constant text[] := regexp_match(p_item, '^([a-z]{3}|[0-9]{1,4})(?:l|#([0-9]{1,4}))$');
    v_day constant integer := monitoring_internal.cron_value(p_field, v_weekday[1]);
    v_reason constant text := case
        when p_field not in (4, 6) and coalesce(v_last, v_near, v_weekday) is null
            then 'neither a value nor a range nor a step'
        when p_field not in (4, 6) then 'L, W and # are for days, and belong in the day-of-month or day-of-week field'
        when p_field = 4 and v_last is null and v_near is null and v_weekday[2] is not null
            then '# counts weekdays, and belongs in the day-of-week field'
        when p_field = 4 and v_last is null and v_near is null and v_weekday is not null
            then 'the last of a weekday belongs in the day-of-week field, the last day is L'
        when p_field = 4 and v_last[1]::integer not between 1 and 30
            then format('L-%s is outside L-1 to L-30', v_last[1])
        when p_field = 4 and v_near[1]::integer not between 1 and 31 then format('%s is outside 1-31', v_near[1])
        when p_field = 6 and p_item = 'l' then 'L alone is the last of no weekday in particular, write sat or friL'
        when p_field = 6 and coalesce(v_last, v_near) is not null
            then 'W and L-n count days of the month, and belong in the day-of-month field'
        when p_field = 6 and v_weekday is not null and v_day is null
            then format('"%s" is not a name that this field knows', v_weekday[1])
        when p_field = 6 and v_day > 7 then format('%s is outside 0-7', v_day)
        when p_field = 6 and v_weekday[2]::integer not between 1 and 5
            then format('%s is outside 1-5, as often as a weekday is in a month', v_weekday[2])
        when coalesce(v_last, v_near, v_weekday) is null then 'L, W and # take neither range nor step'
    end;
begin
    if v_reason is not null then
        perform monitoring_internal.refuse_cron_field('PV111', p_field, p_item, p_expression, v_reason);
    end if;
    return case
        when p_field = 6 then 1::bigint << v_day % 7 + 7 * coalesce(v_weekday[2]::integer, 6)
        when p_item like '%w' then 0
        else 1::bigint << 62 - coalesce(v_last[1]::integer, 0)
    end;
end
$$;

comment on function monitoring_internal.parse_cron_special(integer, text, text) is
    'The bit mask of one list item of a schedule''s day field that counts with L, W or #.';

-- The bit mask of the items of a day-of-month field that end in W; parse_cron_special has checked them.
-- Called by: parse_cron.
create or replace function monitoring_internal.parse_cron_nearest(p_text text)
returns bigint
language sql immutable parallel safe
begin atomic
    select coalesce(
        bit_or(1::bigint << case
            when i.item like 'l%' then 62 - coalesce(substring(i.item, '[0-9]+')::integer, 0)
            else substring(i.item, '[0-9]+')::integer
        end), 0)
    from string_to_table(p_text, ',') as i (item)
    where i.item like '%w';
end;

comment on function monitoring_internal.parse_cron_nearest(text) is
    'The bit mask of the days of a schedule whose nearest weekday is meant.';

-- Five weeks of weekday masks, seven bits each from Sunday, turned to start with another weekday, at bit 1 and up.
-- Called by: cron_special_days.
create or replace function monitoring_internal.repeat_weekdays(p_weeks bigint, p_weekday integer)
returns bigint
language sql immutable parallel safe
begin atomic
    select (
        ((p_weeks >> p_weekday) & ((127 >> p_weekday) * 270549121::bigint))
        | ((p_weeks << 7 - p_weekday) & ((127 & (127 << 7 - p_weekday)) * 270549121::bigint))
    ) << 1;
end;

comment on function monitoring_internal.repeat_weekdays(bigint, integer) is
    'Five weeks of weekday masks as days of a month that begins with a weekday.';

-- The days of a month that a schedule with counted days names, bit n for day n.
-- Units: p_month is the first of the month. Called by: next_local_slot.
create or replace function monitoring_internal.cron_special_days(p_schedule bigint[], p_month date)
returns bigint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_weekday constant integer := extract(dow from p_month)::integer;
    v_last constant integer := (p_month + interval '1 month')::date - p_month;
    v_existing constant bigint := (1::bigint << v_last + 1) - 2;
    v_last_bit constant bigint := 1::bigint << v_last;
    v_sundays constant bigint := monitoring_internal.repeat_weekdays(270549121, v_weekday);
    v_saturdays constant bigint := monitoring_internal.repeat_weekdays(270549121::bigint << 6, v_weekday);
    -- Bit 62-n is n days before the last: one shift puts all of them in their places.
    v_near constant bigint := (p_schedule[9] | (p_schedule[9] >> 32 << 1 >> 31 - v_last)) & v_existing;
    v_days bigint;
    v_weekdays bigint;
begin
    if p_schedule[6] >> extract(month from p_month)::integer & 1 = 0 then
        return 0;
    end if;
    v_days := (p_schedule[5] & 4294967295) | (p_schedule[5] >> 32 << 1 >> 31 - v_last)
        | (v_near & ~(v_saturdays | v_sundays))
        -- The nearest weekday is one of the same month, be it two days away.
        | ((v_near & v_saturdays & -4) >> 1) | ((v_near & v_saturdays & 2) << 2)
        | ((v_near & v_sundays & ~v_last_bit) << 1) | ((v_near & v_sundays & v_last_bit) >> 2);
    v_weekdays := monitoring_internal.repeat_weekdays(
            ((p_schedule[7] & 127) * 270549121) | (p_schedule[7] >> 7 & 34359738367), v_weekday)
        | ((monitoring_internal.repeat_weekdays(p_schedule[7] >> 42, (v_weekday + v_last) % 7) & 254) << v_last - 7);
    return v_existing & case
        when p_schedule[8] & 1 = 1 then v_days & v_weekdays
        else v_days | v_weekdays
    end;
end
$$;

comment on function monitoring_internal.cron_special_days(bigint[], date) is
    'The days of a month that a schedule with L, W or # names, as a bit mask.';
