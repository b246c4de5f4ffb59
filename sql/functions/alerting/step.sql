-- alerting/step.sql: writes what a pass changes: alerts, conditions, transitions.
-- Owns step_alerts_at, take_alert_changes_at, open_alerts_at, move_alerts_at, keep_alert_conditions_at,
-- alert_condition_rows_at, tell_transitions_at, alert_texts.
-- Writes alerts, alert_conditions, alert_transitions, alert_rules, alert_rule_states.
-- Concurrency: for the evaluator, behind its lock; an alert that a person is changing is left to the next pass.

-- The changes of a pass, each with the alert it is about. An alert whose row somebody holds is left for the next pass:
-- nobody who forgets to commit stops the evaluator.
create or replace function monitoring_internal.take_alert_changes_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns setof monitoring_internal.alert_change
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with change as materialized (
        select * from monitoring_internal.conclude_alerts_at(p_now, p_condition_type, p_rules)
    ), taken as materialized (
        select alert.id
        from monitoring.alerts as alert
        inner join change on alert.tenant_id = (change.pair).tenant_id and alert.id = change.alert_id
            and alert.created_at = change.alert_created_at
        for update of alert skip locked
    )
    select change.pair, change.action, change.state, change.level, change.severity, change.events, change.reason,
        change.changes, change.is_flapping,
        coalesce(change.alert_id, case change.action when 'fire' then gen_random_uuid() end),
        coalesce(change.alert_created_at, case change.action when 'fire' then p_now end), change.is_reopened
    from change
    left join taken on taken.id = change.alert_id
    where change.alert_id is null or taken.id is not null
    order by (change.pair).rule_no, (change.pair).label_key;
end;
$$;

comment on function monitoring_internal.take_alert_changes_at(timestamptz, text, integer[]) is
    'The changes of a pass, without those of alerts that somebody is changing right now.';

-- Title and message of an alert. Not in sql: what that calls would be planned anew for each alert.
create or replace function monitoring_internal.alert_texts(
    p_rule monitoring.alert_rules, p_pair monitoring_internal.alert_pair, p_level smallint)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_values jsonb;
begin
    if p_pair.kind = 'storm' then
        return array[
            left(format('%s: %s at once', p_rule.rule_name, p_pair.storm_count), 200),
            format('%s label sets breach at once; more than %s are one alert. The worst are in its evidence.',
                p_pair.storm_count, p_rule.max_instances)];
    elsif p_pair.kind = 'error' then
        return array[
            left(format('%s cannot be evaluated', p_rule.rule_name), 200),
            format('It failed %s times in a row: %s. Its alerts stay as they were.',
                p_pair.value, p_pair.evidence ->> 'error')];
    end if;
    v_values := monitoring_internal.alert_text_values(p_rule, row(
        p_pair.rule_no, p_pair.label_key, p_pair.tenant_id, p_pair.labels, p_pair.value, p_level, p_level,
        case p_level when 2 then p_pair.critical_since else p_pair.warning_since end, p_pair.sampled_at,
        p_pair.sample_count, null, p_pair.threshold,
        case when p_pair.sees in ('no_data', 'missing') then 'no_data' else 'data' end,
        null)::monitoring_internal.alert_reading);
    return array[
        monitoring_internal.alert_title(p_rule, v_values), monitoring_internal.alert_message(p_rule, v_values)];
end;
$$;

comment on function monitoring_internal.alert_texts(
    monitoring.alert_rules, monitoring_internal.alert_pair, smallint) is 'Title and message of an alert.';

-- Open the alerts that fire for the first time.
create or replace function monitoring_internal.open_alerts_at(
    p_now timestamptz, p_changes monitoring_internal.alert_change[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.alerts (
        id, tenant_id, alert_rule_id, rule_no, rule_name, label_key, labels, alert_title, alert_message, severity,
        max_severity, metric_name, trigger_value, threshold_value, last_value, affected_components, related_metrics,
        suggested_actions, runbook_url, first_breach_at, triggered_at, is_flapping, is_storm, storm_count, evidence,
        created_at)
    select change.alert_id, (change.pair).tenant_id, rule.id, rule.rule_no, rule.rule_name, (change.pair).label_key,
        rule.labels || (change.pair).labels, texts.list[1], texts.list[2], change.severity, change.severity,
        rule.metric_name, (change.pair).value, (change.pair).threshold, (change.pair).value,
        case when (change.pair).labels = '{}' then '[]' else jsonb_build_array((change.pair).labels) end,
        rule.related_metrics, rule.suggested_actions, rule.runbook_url,
        coalesce(
            case change.level when 2 then (change.pair).critical_since end, (change.pair).warning_since,
            (change.pair).no_data_since, p_now),
        p_now, change.is_flapping, (change.pair).kind = 'storm', (change.pair).storm_count, (change.pair).evidence,
        change.alert_created_at
    from unnest(p_changes) as change
    inner join monitoring.alert_rules as rule on rule.rule_no = (change.pair).rule_no
    -- Offset 0: written out, it would be called for each of the two.
    cross join lateral (
        select monitoring_internal.alert_texts(rule, change.pair, change.level) as list offset 0
    ) as texts
    where change.action = 'fire' and not change.is_reopened
    order by rule.rule_no, (change.pair).label_key;
$$;

comment on function monitoring_internal.open_alerts_at(timestamptz, monitoring_internal.alert_change[]) is
    'Opens the alerts that fire for the first time.';

-- Bring the alerts that are known up to date: raised, lowered, resolved, opened again. A higher severity ends an
-- acknowledgement: who took it had something lesser in mind.
create or replace function monitoring_internal.move_alerts_at(
    p_now timestamptz, p_changes monitoring_internal.alert_change[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.alerts as alert
    set severity = change.severity,
        max_severity = case when array_position(scale.severities, change.severity)
            > array_position(scale.severities, alert.max_severity) then change.severity else alert.max_severity end,
        status = case
            when change.action = 'resolve' then 'resolved'
            when change.action = 'fire' then 'active'
            when 'severity_raised' = any (change.events) and alert.status = 'acknowledged' then 'active'
            else alert.status
        end,
        acknowledged_until = case when change.action not in ('resolve', 'fire')
            and not 'severity_raised' = any (change.events) then alert.acknowledged_until end,
        resolved_at = case change.action when 'resolve' then p_now end,
        resolved_value = case change.action when 'resolve' then (change.pair).value end,
        resolution_reason = case change.action when 'resolve' then change.reason end,
        resolved_by = null, resolved_role = null, resolution_notes = null,
        suppressed_by = case when change.action in ('resolve', 'fire') then '[]' else alert.suppressed_by end,
        suppressed_since = case when change.action not in ('resolve', 'fire') then alert.suppressed_since end,
        reopen_count = alert.reopen_count + (change.action = 'fire')::integer,
        is_flapping = change.is_flapping and change.action <> 'resolve',
        storm_count = (change.pair).storm_count,
        last_value = (change.pair).value,
        threshold_value = coalesce((change.pair).threshold, alert.threshold_value),
        alert_title = coalesce(texts.list[1], alert.alert_title),
        alert_message = coalesce(texts.list[2], alert.alert_message),
        changes = change.changes
    from unnest(p_changes) as change
    inner join monitoring.alert_rules as rule on rule.rule_no = (change.pair).rule_no
    cross join (select array['low', 'medium', 'high', 'critical'] as severities) as scale
    left join lateral (
        select monitoring_internal.alert_texts(rule, change.pair, change.level) as list offset 0
    ) as texts on change.action = 'fire' or 'severity_raised' = any (change.events)
    where alert.tenant_id = (change.pair).tenant_id and alert.id = change.alert_id
        and alert.created_at = change.alert_created_at
        and (change.action <> 'fire' or change.is_reopened)
        and (cardinality(change.events) > 0 or (change.pair).kind = 'storm');
$$;

comment on function monitoring_internal.move_alerts_at(timestamptz, monitoring_internal.alert_change[]) is
    'Brings alerts that were open, or are opened again, up to date.';

-- Add, change and remove the rows of conditions.
create or replace function monitoring_internal.keep_alert_conditions_at(
    p_now timestamptz, p_changes monitoring_internal.alert_change[])
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from monitoring.alert_conditions as condition
    using unnest(p_changes) as change
    where condition.rule_no = (change.pair).rule_no and condition.label_key = (change.pair).label_key
        and change.action in ('drop', 'resolve');
    -- No conflict clause: a second row for a label set would be a second open alert, and must be an error.
    insert into monitoring.alert_conditions
    select kept.*
    from monitoring_internal.alert_condition_rows_at(p_now, p_changes) as kept
    inner join unnest(p_changes) as change
        on (change.pair).rule_no = kept.rule_no and (change.pair).label_key = kept.label_key
    where (change.pair).state is null;
    update monitoring.alert_conditions as condition
    set state = kept.state, level = kept.level, warning_since = kept.warning_since,
        critical_since = kept.critical_since, lowering_since = kept.lowering_since,
        recovering_since = kept.recovering_since, no_data_since = kept.no_data_since, alert_id = kept.alert_id,
        alert_created_at = kept.alert_created_at, dismissed_until = kept.dismissed_until,
        dismissed_alert_id = kept.dismissed_alert_id, dismissed_level = kept.dismissed_level,
        is_flapping = kept.is_flapping, changes = kept.changes, value = kept.value, threshold = kept.threshold,
        sampled_at = kept.sampled_at
    from monitoring_internal.alert_condition_rows_at(p_now, p_changes) as kept
    where condition.rule_no = kept.rule_no and condition.label_key = kept.label_key
        and condition is distinct from kept;
end;
$$;

comment on function monitoring_internal.keep_alert_conditions_at(timestamptz, monitoring_internal.alert_change[]) is
    'Adds, changes and removes the rows of conditions that a pass changes.';

-- The rows that conditions have after a pass; those that end are not among them.
create or replace function monitoring_internal.alert_condition_rows_at(
    p_now timestamptz, p_changes monitoring_internal.alert_change[])
returns setof monitoring.alert_conditions
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select (change.pair).rule_no, (change.pair).label_key, (change.pair).kind, (change.pair).tenant_id,
        (change.pair).labels, change.state,
        case when change.alert_id is null then 0::smallint else change.level end,
        (change.pair).warning_since, (change.pair).critical_since, (change.pair).lowering_since,
        case
            when change.action = 'recover' and (change.pair).state = 'recovering' then (change.pair).recovering_since
            when change.action = 'recover' then p_now
            when change.action = 'wait' then (change.pair).recovering_since
        end,
        (change.pair).no_data_since, change.alert_id, change.alert_created_at,
        case change.action when 'pend' then (change.pair).dismissed_until end,
        case change.action when 'pend' then (change.pair).dismissed_alert_id end,
        case change.action when 'pend' then (change.pair).dismissed_level end,
        change.is_flapping, change.changes, (change.pair).value, (change.pair).threshold, (change.pair).sampled_at
    from unnest(p_changes) as change
    where change.action not in ('drop', 'resolve', 'note');
end;
$$;

comment on function monitoring_internal.alert_condition_rows_at(timestamptz, monitoring_internal.alert_change[]) is
    'The rows that conditions have after the changes of a pass.';

-- Keep each transition with the values that made it. Called before the alerts change: it tells what they were.
create or replace function monitoring_internal.tell_transitions_at(
    p_now timestamptz, p_pass_id bigint, p_changes monitoring_internal.alert_change[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.alert_transitions (
        occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
        threshold, pass_id, reason, evidence)
    select p_now, (change.pair).tenant_id, rule.rule_no, (change.pair).label_key, change.alert_id, event.name,
        coalesce((change.pair).state, 'ok'), coalesce(change.state, 'ok'),
        coalesce(change.severity,
            case (change.pair).breached when 2 then rule.severity when 1 then rule.warning_severity end),
        (change.pair).value, (change.pair).threshold, p_pass_id,
        case
            when event.name = 'unacknowledged' then 'severity_raised'
            when event.name in ('fired', 'reopened', 'refired', 'storm', 'resolved', 'cleared', 'error')
                then change.reason
        end,
        (change.pair).evidence
    from unnest(p_changes) as change
    inner join monitoring.alert_rules as rule on rule.rule_no = (change.pair).rule_no
    left join monitoring.alerts as alert on 'severity_raised' = any (change.events) and alert.status = 'acknowledged'
        and alert.tenant_id = (change.pair).tenant_id and alert.id = change.alert_id
        and alert.created_at = change.alert_created_at
    cross join lateral unnest(
        change.events || case when alert.id is not null then array['unacknowledged'] end)
        with ordinality as event (name, place)
    order by rule.rule_no, (change.pair).label_key, event.place;
$$;

comment on function monitoring_internal.tell_transitions_at(
    timestamptz, bigint, monitoring_internal.alert_change[]) is
    'Keeps each transition of a pass with the values that made it.';

-- One step of the state machine for rules of one type; returns how many readings and conditions were looked at.
create or replace function monitoring_internal.step_alerts_at(
    p_now timestamptz, p_pass_id bigint, p_condition_type text, p_rules integer[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_changes constant monitoring_internal.alert_change[] := array(
        select change from monitoring_internal.take_alert_changes_at(p_now, p_condition_type, p_rules) as change);
    v_fired constant integer[] := array(
        select distinct (change.pair).rule_no from unnest(v_changes) as change where change.action = 'fire');
begin
    if cardinality(v_changes) > 0 then
        perform monitoring_internal.tell_transitions_at(p_now, p_pass_id, v_changes);
        perform monitoring_internal.move_alerts_at(p_now, v_changes);
        perform monitoring_internal.open_alerts_at(p_now, v_changes);
        perform monitoring_internal.keep_alert_conditions_at(p_now, v_changes);
        update monitoring.alert_rules as rule set last_triggered = p_now where rule.rule_no = any (v_fired);
        update monitoring.alert_rule_states as state set last_triggered = p_now where state.rule_no = any (v_fired);
    end if;
    return cardinality(v_changes);
end;
$$;

comment on function monitoring_internal.step_alerts_at(timestamptz, bigint, text, integer[]) is
    'One step of the state machine for rules of one type as of a time; returns how many conditions changed.';
