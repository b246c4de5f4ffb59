-- scheduling/cron_parse.sql: turn the text of a schedule into its parsed form.
-- Owns parse_cron and its parts parse_cron_*, cron_value, refuse_cron*. Writes nothing.
-- Concurrency: pure functions of their arguments.
--
-- The parsed form is bigint[9]: [1] period in microseconds (0 for a calendar schedule), then one bit
-- mask a field, bit n for value n: [2] seconds, [3] minutes, [4] hours, [5] days of month, and bit
-- 62-n for L-n, [6] months, [7] weekdays (0 = Sunday), bit 7n+d for d#n and 42+d for dL, [8] flags:
-- 1 = a day must match both day fields (one of them starts with * or ?), 2 = follows elapsed time,
-- [9] days of month whose nearest weekday it is, bits as in [5]: n for nW, 62-n for L-nW.

-- Refuse an expression as a whole.
-- Raises: p_code, always. Called by: refuse_cron_shape, parse_cron, parse_cron_period.
create or replace function monitoring_internal.refuse_cron(
    p_code text, p_expression text, p_reason text, p_hint text)
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = p_code,
        message = format('schedule "%s": %s', left(p_expression, 80), p_reason),
        hint = p_hint;
end
$$;

comment on function monitoring_internal.refuse_cron(text, text, text, text) is
    'Raises the error of a schedule that is refused as a whole.';

-- Refuse an expression that is not five or six fields nor one of the @ words.
-- Raises: PV110, PV112, PV113. Called by: parse_cron.
create or replace function monitoring_internal.refuse_cron_shape(p_expression text, p_fields text[])
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count constant integer := cardinality(p_fields);
    v_hint constant text :=
        'Write minute, hour, day-of-month, month and day-of-week (seconds may come first), or '
        '@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or @every with a '
        'duration such as 10s.';
begin
    if v_count = 0 then
        perform monitoring_internal.refuse_cron('PV110', p_expression, 'it is empty', v_hint);
    elsif p_fields[1] = '@reboot' then
        perform monitoring_internal.refuse_cron('PV112', p_expression, '@reboot is not supported', v_hint);
    elsif p_fields[1] = '@every' then
        perform monitoring_internal.refuse_cron('PV113', p_expression, '@every takes one duration', v_hint);
    elsif p_fields[1] like '@%' then
        perform monitoring_internal.refuse_cron('PV110', p_expression,
            format('"%s" is not a known word', left(p_fields[1], 40)), v_hint);
    elsif v_count in (5, 6) then
        perform monitoring_internal.refuse_cron('PV110', p_expression, 'it is longer than 250 characters', v_hint);
    else
        perform monitoring_internal.refuse_cron(
            'PV110', p_expression, format('it has %s fields, not 5 or 6', v_count), v_hint);
    end if;
end
$$;

comment on function monitoring_internal.refuse_cron_shape(text, text[]) is
    'Raises the error of a schedule that is neither five or six fields nor an @ word.';

-- Refuse one field of an expression: names the field, the token, where it stands and what the field takes.
-- Raises: p_code, always. Called by: parse_cron_item, parse_cron_special.
create or replace function monitoring_internal.refuse_cron_field(
    p_code text, p_field integer, p_token text, p_expression text, p_reason text)
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_name constant text := (array[
        'second', 'minute', 'hour', 'day-of-month', 'month', 'day-of-week'])[p_field];
    v_values constant text := (array[
        '0-59', '0-59', '0-23', '1-31', '1-12 or jan-dec', '0-7 (0 and 7 are Sunday) or sun-sat'])[p_field];
    v_special constant text := (array[
        '', '', '', '; L for the last day, L-3 for three before it, 15W for the weekday nearest to the 15th, LW for '
        'the last weekday', '', '; friL for the last Friday, fri#2 for the second'])[p_field];
    v_count constant integer := regexp_count(p_expression, '[^ \t\r\n]+');
    -- With five fields the first is the minute.
    v_number constant integer := p_field - (v_count = 5)::integer;
    v_field constant text := regexp_substr(p_expression, '[^ \t\r\n]+', 1, v_number);
begin
    raise exception using
        errcode = p_code,
        message = format('%s field "%s": %s', v_name, left(p_token, 40), p_reason),
        detail = format(
            'Field %s of %s, at character %s of the schedule "%s".', v_number, v_count,
            regexp_instr(p_expression, '[^ \t\r\n]+', 1, v_number)
                + strpos(format(',%s,', lower(v_field)), format(',%s,', p_token)) - 1,
            left(p_expression, 200)),
        hint = format(
            'The %s field takes %s; ranges a-b, steps */n, a-b/n or a/n, lists a,b; or * for all%s.',
            v_name, v_values, v_special);
end
$$;

comment on function monitoring_internal.refuse_cron_field(text, integer, text, text, text) is
    'Raises the error of one field of a schedule, naming the field, the token, its place and what is allowed.';

-- The number that a token of a field stands for; null for a name that the field does not know.
-- Called by: parse_cron_item.
create or replace function monitoring_internal.cron_value(p_field integer, p_token text)
returns integer
language sql immutable parallel safe
begin atomic
    select case
        when p_token ~ '^[0-9]' then p_token::integer
        when p_field = 5 then array_position(
            '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'::text[], p_token)
        when p_field = 6 then array_position('{sun,mon,tue,wed,thu,fri,sat}'::text[], p_token) - 1
    end;
end;

comment on function monitoring_internal.cron_value(integer, text) is
    'The number of a value or name in field 5 (month) or 6 (day of week) of a schedule.';

-- The bit mask of one list item that is not a plain number in range, in lower case.
-- A range of names may wrap (fri-mon); one of numbers that runs backwards is more likely a slip
-- and is refused.
-- Raises: PV111. Called by: parse_cron_field.
create or replace function monitoring_internal.parse_cron_item(
    p_field integer, p_item text, p_expression text)
returns bigint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_low constant integer := (array[0, 0, 0, 1, 1, 0])[p_field];
    v_high constant integer := (array[59, 59, 23, 31, 12, 7])[p_field];
    -- How many values there are before they start again; both 0 and 7 are Sunday.
    v_span constant integer := (array[60, 60, 24, 31, 12, 7])[p_field];
    v_part constant text[] := regexp_match(
        p_item, '^(?:([*?])|([a-z]{3}|[0-9]{1,4})(?:-([a-z]{3}|[0-9]{1,4}))?)(?:/([0-9]{1,4}))?$');
    v_first integer := coalesce(monitoring_internal.cron_value(p_field, v_part[2]), v_low);
    v_last integer := case
        when v_part[3] is not null then monitoring_internal.cron_value(p_field, v_part[3])
        when v_part[2] is null or v_part[4] is not null then v_low + v_span - 1
        else v_first
    end;
    v_step constant integer := coalesce(v_part[4]::integer, 1);
    v_reason text;
begin
    if v_part is null and p_item ~ '[lw#]' then
        return monitoring_internal.parse_cron_special(p_field, p_item, p_expression);
    end if;
    v_reason := case
        when v_part is null then 'neither a value nor a range nor a step'
        when monitoring_internal.cron_value(p_field, v_part[2]) is null and v_part[2] is not null
            then format('"%s" is not a name that this field knows', v_part[2])
        when v_last is null then format('"%s" is not a name that this field knows', v_part[3])
        when v_first not between v_low and v_high
            then format('%s is outside %s-%s', v_first, v_low, v_high)
        when v_last not between v_low and v_high
            then format('%s is outside %s-%s', v_last, v_low, v_high)
        when v_last < v_first and concat(v_part[2], v_part[3]) ~ '[0-9]'
            then 'the range runs backwards, write it as two ranges'
        when v_step not between 1 and v_high - v_low
            then format('a step of %s is outside 1-%s', v_step, v_high - v_low)
    end;
    if v_reason is not null then
        perform monitoring_internal.refuse_cron_field(
            'PV111', p_field, p_item, p_expression, v_reason);
    end if;
    if v_last < v_first then
        v_last := v_last + v_span;
    end if;
    return (
        select bit_or(1::bigint << ((n.value - v_low) % v_span + v_low))
        from generate_series(v_first, v_last, v_step) as n (value));
end
$$;

comment on function monitoring_internal.parse_cron_item(integer, text, text) is
    'The bit mask of one list item of a schedule''s field.';

-- The bit mask of one field, in lower case.
-- Raises: as parse_cron_item. Called by: parse_cron.
create or replace function monitoring_internal.parse_cron_field(
    p_field integer, p_text text, p_expression text)
returns bigint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_low constant integer := (array[0, 0, 0, 1, 1, 0])[p_field];
    v_high constant integer := (array[59, 59, 23, 31, 12, 6])[p_field];
    v_mask bigint := 0::bigint;
    v_item text;
begin
    -- One list item at a time: each may be refused in words of its own.
    foreach v_item in array string_to_array(p_text, ',') loop
        v_mask := v_mask | case
            when v_item ~ '^[0-9]{1,2}$' and v_item::integer between v_low and v_high
                then 1::bigint << v_item::integer
            else monitoring_internal.parse_cron_item(p_field, v_item, p_expression)
        end;
    end loop;
    return v_mask;
end
$$;

comment on function monitoring_internal.parse_cron_field(integer, text, text) is
    'The bit mask of one field of a schedule.';

-- The parsed form of "@every 1h30m".
-- Raises: PV113. Called by: parse_cron.
create or replace function monitoring_internal.parse_cron_period(p_duration text, p_expression text)
returns bigint[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_part constant bigint[] := regexp_match(p_duration,
        '^(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?'
        '(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?$')::bigint[];
    v_period constant bigint := 1000 * (
        coalesce(v_part[1], 0) * 86400000 + coalesce(v_part[2], 0) * 3600000
        + coalesce(v_part[3], 0) * 60000 + coalesce(v_part[4], 0) * 1000 + coalesce(v_part[5], 0));
begin
    if v_part is null then
        perform monitoring_internal.refuse_cron('PV113', p_expression,
            format('"%s" is not a duration', left(p_duration, 40)),
            'Write numbers with units from long to short, such as 10s, 5m, 1h30m, 2d or 1500ms.');
    elsif v_period not between 1000000 and 31622400000000 then
        perform monitoring_internal.refuse_cron('PV113', p_expression,
            'the period is outside 1s to 366d',
            'The shortest period is one second, the longest 366 days.');
    end if;
    return array[v_period, 0, 0, 0, 0, 0, 0, 2, 0];
end
$$;

comment on function monitoring_internal.parse_cron_period(text, text) is
    'The parsed form of an @every schedule.';

-- The parsed form of a schedule: five fields, six with seconds first, @daily and its like, @every.
-- Raises: PV110 shape, PV111 a field, PV112 @reboot, PV113 a period, PV114 no day ever matches.
-- Called by: cron_next, cron_explain, the scheduler.
create or replace function monitoring_internal.parse_cron(p_expression text)
returns bigint[]
language plpgsql immutable parallel safe strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_text constant text := lower(btrim(translate(p_expression, E'\t\r\n', '   ')) collate "C");
    v_fields text[] := array_remove(string_to_array(case
        when v_text not like '@%' then v_text
        when v_text = '@hourly' then '0 * * * *'
        when v_text in ('@daily', '@midnight') then '0 0 * * *'
        when v_text = '@weekly' then '0 0 * * 0'
        when v_text = '@monthly' then '0 0 1 * *'
        when v_text in ('@yearly', '@annually') then '0 0 1 1 *'
        else v_text
    end, ' '), '');
    v_every constant bigint[] :=
        '{1152921504606846975,1152921504606846975,16777215,4294967294,8190,127}'::bigint[];
    v_schedule bigint[] := array[0::bigint];
    v_is_starred boolean;
    v_follows_elapsed_time boolean;
begin
    if v_fields[1] = '@every' and cardinality(v_fields) = 2 then
        return monitoring_internal.parse_cron_period(v_fields[2], p_expression);
    elsif length(v_text) > 250 or v_fields[1] like '@%' or cardinality(v_fields) not in (5, 6) then
        perform monitoring_internal.refuse_cron_shape(p_expression, v_fields);
    elsif cardinality(v_fields) = 5 then
        v_fields := array_prepend('0', v_fields);
    end if;
    -- One field at a time: a star and a plain 0 are most of them and cost nothing.
    for i in 1..6 loop
        v_schedule := v_schedule || case v_fields[i]
            when '*' then v_every[i]
            else monitoring_internal.parse_cron_field(i, v_fields[i], p_expression)
        end;
    end loop;
    v_is_starred := v_fields[4] ~ '^[*?]' or v_fields[6] ~ '^[*?]';
    v_follows_elapsed_time := v_fields[3] ~ '[*?/]' or v_schedule[4] = v_every[3];
    v_schedule := v_schedule || array[
        v_is_starred::integer + 2 * v_follows_elapsed_time::integer,
        case when v_fields[4] like '%w%' then monitoring_internal.parse_cron_nearest(v_fields[4]) else 0 end];
    -- A day up to the 28th, or 27 days before the last, is in every month: the search is for the others, and for
    -- those that must be a day of both fields.
    if v_is_starred
        and v_schedule[5] <> v_every[4]
        and (v_schedule[7] <> v_every[6] or (v_schedule[5] | v_schedule[9]) & 9223372003031908350 = 0)
        and monitoring_internal.next_local_slot(v_schedule, timestamp '2000-01-01') is null
    then
        perform monitoring_internal.refuse_cron(
            'PV114', p_expression, 'it never fires: no such day in these months',
            'Use a day that exists, such as 28, or L for the last; day 29 of February fires in leap years.');
    end if;
    return v_schedule;
end
$$;

comment on function monitoring_internal.parse_cron(text) is
    'The parsed form of a schedule, bigint[9]: period in microseconds or 0, six bit masks, flags, nearest weekdays.';
