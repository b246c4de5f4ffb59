-- alerting/list.sql: what pgvigil alerts shows, and how it reads what was typed.
-- Owns find_alert, find_alert_rule, list_alerts with its _at form, describe_alert, alert_timeline, label_words,
-- matchers_of, changes_of. Writes nothing.
-- Concurrency: reads with the caller's rights, so each role sees what it may.

-- The alert that a name means: its id, or the first characters of it.
-- Raises: PV132 none, PV133 several.
create or replace function monitoring_internal.find_alert(p_name text)
returns uuid
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_start constant text := replace(lower(p_name), '-', '');
    v_ids uuid[];
begin
    if v_start ~ '^[0-9a-f]{4,32}$' then
        v_ids := array(
            select alert.id
            from monitoring.alerts as alert
            where alert.id between rpad(v_start, 32, '0')::uuid and rpad(v_start, 32, 'f')::uuid
            limit 2);
    end if;
    if coalesce(cardinality(v_ids), 0) = 0 then
        raise exception using
            errcode = 'PV132',
            message = format('no alert begins with "%s"', left(p_name, 100)),
            hint = 'Give four characters of its id or more: pgvigil alerts list';
    elsif cardinality(v_ids) > 1 then
        raise exception using
            errcode = 'PV133',
            message = format('several alerts begin with "%s"', p_name),
            hint = 'Give more of the id.';
    end if;
    return v_ids[1];
end;
$$;

comment on function monitoring_internal.find_alert(text) is
    'The alert that an id, or the first characters of one, means; PV132 none, PV133 several.';

-- The rule that a name means: its name, tenant/name where several tenants have one, or its id.
-- Raises: PV134 none, PV135 several.
create or replace function monitoring_internal.find_alert_rule(p_name text)
returns uuid
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ids constant uuid[] := array(
        select rule.id
        from monitoring.alert_rules as rule
        left join monitoring.tenants as tenant on tenant.tenant_id = rule.tenant_id
        where p_name in (rule.rule_name, tenant.name || '/' || rule.rule_name, rule.id::text)
        limit 2);
begin
    if cardinality(v_ids) = 0 then
        raise exception using
            errcode = 'PV134',
            message = format('there is no alert rule "%s"', left(p_name, 200)),
            hint = 'Names are in monitoring.alert_rules.';
    elsif cardinality(v_ids) > 1 then
        raise exception using
            errcode = 'PV135',
            message = format('several tenants have an alert rule "%s"', p_name),
            hint = 'Write the tenant before it: tenant/rule.';
    end if;
    return v_ids[1];
end;
$$;

comment on function monitoring_internal.find_alert_rule(text) is
    'The rule that a name, tenant/name or id means; PV134 none, PV135 several.';

-- Labels as words: key=value, in the order of the keys.
create or replace function monitoring_internal.label_words(p_labels jsonb)
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(string_agg(label.key || '=' || label.value, ' ' order by label.key), '')
    from jsonb_each_text(p_labels) as label;
end;

comment on function monitoring_internal.label_words(jsonb) is 'Labels as words: key=value.';

-- Alerts as of p_now, the gravest and newest first; open ones unless all are asked for.
create or replace function monitoring_internal.list_alerts_at(
    p_is_all boolean, p_severity text, p_rule text, p_limit integer, p_now timestamptz)
returns table (
    alert text, severity text, status text, rule text, about text, fired text, value double precision, title text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_severity not in ('low', 'medium', 'high', 'critical') then
        raise exception using
            errcode = 'PV136',
            message = format('there is no severity "%s"', left(p_severity, 100)),
            hint = 'Write low, medium, high or critical.';
    end if;
    return query
    select left(open.id::text, 8), open.severity, open.status, open.rule_name,
        monitoring_internal.label_words(open.labels), monitoring_internal.brief_distance(p_now, open.triggered_at),
        coalesce(open.last_value, open.trigger_value), open.alert_title
    from monitoring.alerts as open
    where (p_is_all or open.status <> 'resolved')
        and open.severity = coalesce(p_severity, open.severity)
        and open.rule_name = coalesce(p_rule, open.rule_name)
    order by open.status = 'resolved', array_position(array['critical', 'high', 'medium', 'low'], open.severity),
        open.triggered_at desc, open.id
    limit p_limit;
end;
$$;

comment on function monitoring_internal.list_alerts_at(boolean, text, text, integer, timestamptz) is
    'Alerts for a table, as of a time.';

-- Alerts now.
-- Raises: PV136.
create or replace function monitoring_internal.list_alerts(
    p_is_all boolean, p_severity text, p_rule text, p_limit integer)
returns table (
    alert text, severity text, status text, rule text, about text, fired text, value double precision, title text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select listed.*
    from monitoring_internal.list_alerts_at(p_is_all, p_severity, p_rule, p_limit, clock_timestamp()) as listed;
end;
$$;

comment on function monitoring_internal.list_alerts(boolean, text, text, integer) is 'Alerts for a table.';

-- All that is known of one alert, as pairs; what does not apply is left out.
-- Raises: PV132, PV133.
create or replace function monitoring_internal.describe_alert(p_name text)
returns table (field text, value text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert monitoring.alerts;
begin
    select alert.* into v_alert
    from monitoring.alerts as alert
    where alert.id = monitoring_internal.find_alert(p_name);
    return query
    select pair.field, pair.value
    from (values
        (1, 'alert', v_alert.id::text),
        (2, 'title', v_alert.alert_title),
        (3, 'message', v_alert.alert_message),
        (4, 'rule', v_alert.rule_name),
        (5, 'about', nullif(monitoring_internal.label_words(v_alert.labels), '')),
        (6, 'status', v_alert.status || case when v_alert.is_flapping then ', flapping' else '' end),
        (7, 'severity', v_alert.severity
            || case when v_alert.max_severity <> v_alert.severity then ', was ' || v_alert.max_severity else '' end),
        (8, 'metric', v_alert.metric_name),
        (9, 'value', format('%s when it fired, %s last', v_alert.trigger_value, v_alert.last_value)),
        (10, 'threshold', v_alert.threshold_value::text),
        (11, 'breached since', v_alert.first_breach_at::text),
        (12, 'fired', v_alert.triggered_at::text),
        (13, 'acknowledged', case when v_alert.status = 'acknowledged' then format(
            'by %s at %s until %s', v_alert.acknowledged_role, v_alert.acknowledged_at,
            v_alert.acknowledged_until) end),
        (14, 'withheld by', nullif((
            select string_agg(concat_ws(' ', cause.value ->> 'kind', cause.value ->> 'name'), ', ')
            from jsonb_array_elements(v_alert.suppressed_by) as cause), '')),
        (15, 'resolved', case when v_alert.resolved_at is not null then
            concat_ws(' ', v_alert.resolved_at::text, '(' || v_alert.resolution_reason || ')', v_alert.resolution_notes)
            end),
        (16, 'reopened', nullif(v_alert.reopen_count, 0)::text),
        (17, 'told', nullif(v_alert.notification_count, 0)::text),
        (18, 'to do', nullif((
            select string_agg(action.value, E'\n' order by action.place)
            from jsonb_array_elements_text(v_alert.suggested_actions) with ordinality as action (value, place)), '')),
        (19, 'runbook', v_alert.runbook_url)
    ) as pair (position, field, value)
    where pair.value is not null
    order by pair.position;
end;
$$;

comment on function monitoring_internal.describe_alert(text) is 'All that is known of one alert, as pairs.';

-- What became of an alert, in order.
-- Raises: PV132, PV133.
create or replace function monitoring_internal.alert_timeline(p_name text)
returns table (
    at timestamptz, transition text, state text, severity text, value double precision, actor text, reason text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert_id constant uuid := monitoring_internal.find_alert(p_name);
begin
    return query
    select step.occurred_at, step.transition, step.to_state, step.severity, step.value, step.actor, step.reason
    from monitoring.alert_transitions as step
    where step.alert_id = v_alert_id
    order by step.occurred_at, step.transition_id;
end;
$$;

comment on function monitoring_internal.alert_timeline(text) is 'What became of an alert, in order.';

-- Matchers as words make them: label=value, label!=value, label=~expression, label!~expression.
-- Raises: PV136.
create or replace function monitoring_internal.matchers_of(p_words jsonb)
returns jsonb
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_matchers jsonb := jsonb_build_object();
    v_word text;
    v_part text[];
begin
    -- A loop: each word is refused by itself.
    for v_word in select word.value from jsonb_array_elements_text(p_words) as word (value) loop
        v_part := regexp_match(v_word, '^([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)(.*)$');
        if v_part is null or v_matchers ? v_part[1] then
            raise exception using
                errcode = 'PV136',
                message = format(
                    case when v_part is null then '"%s" is no matcher' else 'the label of "%s" is given twice' end,
                    left(v_word, 200)),
                hint = 'Write label=value, label!=value, label=~expression or label!~expression, each label once.';
        end if;
        v_matchers := v_matchers || jsonb_build_object(v_part[1], case v_part[2]
            when '=' then to_jsonb(v_part[3])
            when '!=' then jsonb_build_object('ne', v_part[3])
            when '=~' then jsonb_build_object('re', v_part[3])
            else jsonb_build_object('nre', v_part[3])
        end);
    end loop;
    return v_matchers;
end;
$$;

comment on function monitoring_internal.matchers_of(jsonb) is
    'Matchers as words make them: label=value, label!=value, label=~expression, label!~expression.';

-- Changes to a rule as words make them: key=value, where a value that is JSON is taken as such.
-- Raises: PV136.
create or replace function monitoring_internal.changes_of(p_words jsonb)
returns jsonb
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_changes jsonb := jsonb_build_object();
    v_word text;
    v_part text[];
begin
    -- A loop: each word is refused by itself.
    for v_word in select word.value from jsonb_array_elements_text(p_words) as word (value) loop
        v_part := regexp_match(v_word, '^([a-z_]+)=(.*)$');
        if v_part is null then
            raise exception using
                errcode = 'PV136',
                message = format('"%s" is no change to a rule', left(v_word, 200)),
                hint = 'Write key=value, such as critical_threshold=0.9.';
        end if;
        v_changes := v_changes || jsonb_build_object(v_part[1], case
            when v_part[2] ~ '^(-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?|true|false|null|[[{].*[]}])$'
            then v_part[2]::jsonb else to_jsonb(v_part[2]) end);
    end loop;
    return v_changes;
end;
$$;

comment on function monitoring_internal.changes_of(jsonb) is 'Changes to a rule as words make them: key=value.';
