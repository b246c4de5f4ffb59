-- alerting/rule_templates.sql: the words of an alert.
-- Owns render_template, template_names, template_faults, comparison_words, format_alert_value, alert_text_values,
-- alert_title, alert_message. Writes nothing. Any number of callers at once.

-- Put values in the place of {{ names }}. Values are data: what stands in them is not looked at again.
create or replace function monitoring_internal.render_template(p_template text, p_values jsonb)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select string_agg(
            case
                when piece.ordinal = 1 then piece.text
                when strpos(piece.text, '}}') = 0 then '{{' || piece.text
                else coalesce(
                        case
                            when p_values ? wanted.name then case
                                when jsonb_typeof(p_values -> wanted.name) in ('object', 'array') then (
                                    select string_agg(format('%s=%s', pair.key, pair.value), ', ' order by pair.key)
                                    from jsonb_each_text(case when jsonb_typeof(p_values -> wanted.name) = 'object'
                                        then p_values -> wanted.name else '{}' end) as pair)
                                else p_values ->> wanted.name end
                            when wanted.name like 'labels.%' then p_values -> 'labels' ->> substr(wanted.name, 8)
                        end, '')
                    || substr(piece.text, strpos(piece.text, '}}') + 2)
            end, '' order by piece.ordinal)
        from unnest(string_to_array(p_template, '{{')) with ordinality as piece (text, ordinal)
        cross join lateral (select btrim(split_part(piece.text, '}}', 1), E' \t\n') as name) as wanted);
end;
$$;

comment on function monitoring_internal.render_template(text, jsonb) is
    'Replaces {{ name }} and {{ labels.NAME }} by values. A value is never taken for a template or for code.';

-- The names that a template may use.
create or replace function monitoring_internal.template_names()
returns text[]
language sql immutable parallel safe
begin atomic
    select array['value', 'threshold', 'comparison', 'rule_name', 'rule_category', 'metric', 'aggregate', 'window',
        'level', 'severity', 'state', 'labels', 'unit', 'since', 'sampled_at', 'sample_count', 'runbook_url'];
end;

comment on function monitoring_internal.template_names() is 'Names that a template may use, besides labels.NAME.';

-- Faults of a template: a brace that is not closed, a name that nothing gives.
create or replace function monitoring_internal.template_faults(p_place text, p_template text)
returns table (fault text, hint text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format('%s: "{{" is not closed', p_place), 'Write {{ name }}.'
    from unnest(string_to_array(p_template, '{{')) with ordinality as piece (text, ordinal)
    where piece.ordinal > 1 and strpos(piece.text, '}}') = 0
    union all
    select format('%s names the unknown "%s"', p_place, wanted.name),
        format('Known are %s and labels.NAME.', array_to_string(monitoring_internal.template_names(), ', '))
    from unnest(string_to_array(p_template, '{{')) with ordinality as piece (text, ordinal)
    cross join lateral (select btrim(split_part(piece.text, '}}', 1), E' \t\n') as name) as wanted
    where piece.ordinal > 1 and strpos(piece.text, '}}') > 0
        and wanted.name !~ '^labels\.[a-zA-Z_][a-zA-Z0-9_]*$'
        and not wanted.name = any (monitoring_internal.template_names());
$$;

comment on function monitoring_internal.template_faults(text, text) is
    'What is wrong with a template; the first text names it.';

-- How a value stands to its threshold, in words. One that no longer passes it, yet has not recovered, is said to be so.
create or replace function monitoring_internal.comparison_words(p_operator text, p_is_passed boolean)
returns text
language sql immutable parallel safe
begin atomic
    select case when p_is_passed then '' else 'no longer ' end || case p_operator
        when 'gt' then 'above'
        when 'lt' then 'below'
        when 'gte' then 'at or above'
        when 'lte' then 'at or below'
        when 'eq' then 'equal to'
        when 'ne' then 'different from'
        else 'beyond'
    end;
end;

comment on function monitoring_internal.comparison_words(text, boolean) is
    'The words for an operator: above, below, at or above, at or below, equal to, different from.';

-- A number for people: bytes in their multiples, ratios in percent, others with six digits that count, and the unit.
create or replace function monitoring_internal.format_alert_value(p_value double precision, p_unit text)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return case
        when p_unit = 'ratio' then trim_scale(round((p_value * 100)::numeric, 2)) || ' %'
        when p_unit = 'bytes' and abs(p_value) < 9e18 then pg_size_pretty(p_value::bigint)
        when p_value = 0 then '0' || coalesce(' ' || nullif(p_unit, ''), '')
        when abs(p_value) between 1e-6 and 1e15 then
            trim_scale(round(p_value::numeric, greatest(0, 5 - floor(log(abs(p_value)))::integer)))::text
                || coalesce(' ' || nullif(p_unit, ''), '')
        else p_value::text || coalesce(' ' || nullif(p_unit, ''), '')
    end;
end;
$$;

comment on function monitoring_internal.format_alert_value(double precision, text) is
    'A measured value with its unit, as a message shows it.';

-- What a template can show of a reading.
create or replace function monitoring_internal.alert_text_values(
    p_rule monitoring.alert_rules, p_reading monitoring_internal.alert_reading)
returns jsonb
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select jsonb_build_object(
            'value', coalesce(monitoring_internal.format_alert_value(p_reading.value, unit.name), 'unknown'),
            'threshold', coalesce(monitoring_internal.format_alert_value(p_reading.threshold, unit.name), 'none'),
            'comparison', monitoring_internal.comparison_words(
                case
                    when p_rule.condition_type in ('threshold', 'ratio', 'trend') then p_rule.comparison_operator
                    when p_rule.condition_type = 'absence' then 'gt'
                end,
                p_reading.breached > 0 or p_reading.threshold is null),
            'rule_name', p_rule.rule_name, 'rule_category', p_rule.rule_category,
            'metric', coalesce(p_rule.metric_name, p_rule.rule_name), 'aggregate', p_rule.aggregate,
            'window', p_rule.evaluation_window::text,
            'level', case greatest(p_reading.breached, p_reading.held)
                when 2 then 'critical' when 1 then 'warning' else 'none' end,
            'severity', case greatest(p_reading.breached, p_reading.held)
                when 2 then p_rule.severity when 1 then p_rule.warning_severity else 'none' end,
            'state', p_reading.state, 'labels', p_reading.labels, 'unit', unit.name,
            'since', to_char(p_reading.breached_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
            'sampled_at', to_char(p_reading.sampled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
            'sample_count', p_reading.sample_count, 'runbook_url', p_rule.runbook_url)
        from (
            select case
                when p_rule.condition_type = 'absence' then 'seconds'
                when p_rule.aggregate in ('count', 'rate') or p_rule.condition_type <> 'threshold' then ''
                else coalesce((
                    select family.unit
                    from monitoring.metric_families as family
                    where family.name = p_rule.metric_name), '')
            end as name
        ) as unit);
end;
$$;

comment on function monitoring_internal.alert_text_values(monitoring.alert_rules, monitoring_internal.alert_reading) is
    'The values that the templates of a rule may show of a reading.';

-- The title of an alert, cut to 200 characters.
create or replace function monitoring_internal.alert_title(p_rule monitoring.alert_rules, p_values jsonb)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case when length(title.text) <= 200 then title.text else left(title.text, 199) || '…' end
        from (
            -- Without labels the parentheses around them go too.
            select replace(
                monitoring_internal.render_template(
                    coalesce(p_rule.title_template, '{{ rule_name }} ({{ labels }})'), p_values),
                ' ()', '') as text
        ) as title);
end;
$$;

comment on function monitoring_internal.alert_title(monitoring.alert_rules, jsonb) is
    'Title of an alert from its rule''s template, or the common one; at most 200 characters.';

-- The message of an alert.
create or replace function monitoring_internal.alert_message(p_rule monitoring.alert_rules, p_values jsonb)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select monitoring_internal.render_template(
            coalesce(p_rule.message_template, case
                when p_values ->> 'state' = 'no_data' then
                    '{{ metric }} has no data: {{ sample_count }} samples in the last {{ window }}.'
                when p_rule.condition_type = 'absence' then
                    '{{ metric }} has had no sample for {{ value }}, {{ comparison }} {{ threshold }}.'
                when p_rule.condition_type = 'threshold' then
                    '{{ metric }} is {{ value }} ({{ aggregate }} of {{ window }}), {{ comparison }} {{ threshold }}.'
                else '{{ rule_name }}: {{ value }}, {{ comparison }} {{ threshold }}.'
            end), p_values));
end;
$$;

comment on function monitoring_internal.alert_message(monitoring.alert_rules, jsonb) is
    'Message of an alert from its rule''s template, or the common one for its type.';
