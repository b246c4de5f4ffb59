-- alerting/people.sql: what a person does with an alert, and what a change of its rule does.
-- Owns acknowledge_alert_at, unacknowledge_alert_at, resolve_alert_at, close_alert_rules_at,
-- close_alerts_of_dropped_rules, close_alerts_of_changed_rules.
-- Writes alerts, alert_conditions, alert_transitions. Concurrency: the row of the alert is locked first; the evaluator
-- passes by alerts that are locked, and takes them up in its next pass.

-- Take an open alert: nobody is reminded of it until the time given, else for as long as its severity says.
-- An alert that is suppressed stays so and is acknowledged behind it. False: it is not open.
create or replace function monitoring_internal.acknowledge_alert_at(
    p_alert_id uuid, p_now timestamptz, p_person uuid, p_role text, p_note text, p_until timestamptz)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with taken as materialized (
        select * from monitoring.alerts as alert
        where alert.id = p_alert_id and alert.status <> 'resolved'
        for update
    ), moved as (
        update monitoring.alerts as alert
        set status = case taken.status when 'suppressed' then 'suppressed' else 'acknowledged' end,
            first_acknowledged_at = coalesce(taken.first_acknowledged_at, p_now), acknowledged_at = p_now,
            acknowledged_by = p_person, acknowledged_role = p_role,
            acknowledged_until = coalesce(p_until, p_now + monitoring_internal.setting_interval(
                case when taken.severity in ('high', 'critical') then 'alerting.acknowledged_for_critical'
                    else 'alerting.acknowledged_for_other' end))
        from taken
        where alert.tenant_id = taken.tenant_id and alert.id = taken.id and alert.created_at = taken.created_at
        returning alert.*, taken.status as former_status
    ), told as (
        insert into monitoring.alert_transitions (
            occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
            threshold, actor, reason, evidence)
        select p_now, moved.tenant_id, moved.rule_no, moved.label_key, moved.id, 'acknowledged', moved.former_status,
            moved.status, moved.severity, moved.last_value, moved.threshold_value, p_role, p_note,
            jsonb_build_object('person', p_person, 'until', moved.acknowledged_until)
        from moved
        returning 1
    )
    select exists (select from told);
$$;

comment on function monitoring_internal.acknowledge_alert_at(uuid, timestamptz, uuid, text, text, timestamptz) is
    'Acknowledges an open alert as of a time, for a person; false when it is not open.';

-- Give it back. False: it was not acknowledged.
create or replace function monitoring_internal.unacknowledge_alert_at(
    p_alert_id uuid, p_now timestamptz, p_person uuid, p_role text, p_note text)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with taken as materialized (
        select * from monitoring.alerts as alert
        where alert.id = p_alert_id and alert.status <> 'resolved' and alert.acknowledged_until is not null
        for update
    ), moved as (
        update monitoring.alerts as alert
        set status = case taken.status when 'suppressed' then 'suppressed' else 'active' end, acknowledged_until = null
        from taken
        where alert.tenant_id = taken.tenant_id and alert.id = taken.id and alert.created_at = taken.created_at
        returning alert.*, taken.status as former_status
    ), told as (
        insert into monitoring.alert_transitions (
            occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
            threshold, actor, reason, evidence)
        select p_now, moved.tenant_id, moved.rule_no, moved.label_key, moved.id, 'unacknowledged', moved.former_status,
            moved.status, moved.severity, moved.last_value, moved.threshold_value, p_role, p_note,
            jsonb_build_object('person', p_person)
        from moved
        returning 1
    )
    select exists (select from told);
$$;

comment on function monitoring_internal.unacknowledge_alert_at(uuid, timestamptz, uuid, text, text) is
    'Takes an acknowledgement back as of a time; false when there is none.';

-- Resolve an open alert by hand. A condition that holds is left alone for the rule's cooldown, unless it gets worse;
-- if it holds then, the same alert is opened again. False: it is not open.
create or replace function monitoring_internal.resolve_alert_at(
    p_alert_id uuid, p_now timestamptz, p_person uuid, p_role text, p_notes text)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert monitoring.alerts;
    v_cooldown interval;
begin
    select * into v_alert from monitoring.alerts as alert
    where alert.id = p_alert_id and alert.status <> 'resolved'
    for update;
    if not found then
        return false;
    end if;
    update monitoring.alerts as alert
    set status = 'resolved', resolved_at = p_now, resolved_by = p_person, resolved_role = p_role,
        resolved_value = alert.last_value, resolution_reason = 'manual', resolution_notes = p_notes,
        acknowledged_until = null, suppressed_by = '[]', suppressed_since = null, is_flapping = false
    where alert.tenant_id = v_alert.tenant_id and alert.id = v_alert.id and alert.created_at = v_alert.created_at;
    insert into monitoring.alert_transitions (
        occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
        threshold, actor, reason, evidence)
    values (p_now, v_alert.tenant_id, v_alert.rule_no, v_alert.label_key, v_alert.id, 'resolved', v_alert.status,
        'resolved', v_alert.severity, v_alert.last_value, v_alert.threshold_value, p_role, 'manual',
        jsonb_build_object('person', p_person, 'notes', p_notes));
    select rule.cooldown_period into v_cooldown from monitoring.alert_rules as rule
    where rule.rule_no = v_alert.rule_no;
    delete from monitoring.alert_conditions as condition
    where condition.alert_id = v_alert.id and condition.rule_no = v_alert.rule_no
        and condition.label_key = v_alert.label_key and (condition.state = 'recovering' or v_cooldown is null);
    update monitoring.alert_conditions as condition
    set state = 'pending', level = 0, alert_id = null, alert_created_at = null, lowering_since = null,
        recovering_since = null, is_flapping = false, changes = '{}', dismissed_until = p_now + v_cooldown,
        dismissed_alert_id = v_alert.id, dismissed_level = condition.level
    where condition.alert_id = v_alert.id and condition.rule_no = v_alert.rule_no
        and condition.label_key = v_alert.label_key;
    return true;
end;
$$;

comment on function monitoring_internal.resolve_alert_at(uuid, timestamptz, uuid, text, text) is
    'Resolves an open alert by hand as of a time, for a person; false when it is not open.';

-- End what is open of rules that are dropped, switched off, or ask for something else now.
create or replace function monitoring_internal.close_alert_rules_at(
    p_now timestamptz, p_rules integer[], p_reason text)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with gone as (
        delete from monitoring.alert_conditions as condition
        where condition.rule_no in (select unnest(p_rules))
        returning condition.*
    ), closed as (
        update monitoring.alerts as alert
        set status = 'resolved', resolved_at = p_now, resolved_value = alert.last_value,
            resolution_reason = p_reason, acknowledged_until = null, suppressed_by = '[]', suppressed_since = null,
            is_flapping = false, changes = gone.changes
        from gone
        where alert.tenant_id = gone.tenant_id and alert.id = gone.alert_id and alert.created_at = gone.alert_created_at
            and alert.status <> 'resolved'
        returning alert.id, alert.severity
    )
    insert into monitoring.alert_transitions (
        occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
        threshold, reason)
    select p_now, gone.tenant_id, gone.rule_no, gone.label_key, gone.alert_id,
        case when gone.alert_id is null then 'cleared' else 'resolved' end, gone.state, 'ok', closed.severity,
        gone.value, gone.threshold, p_reason
    from gone
    left join closed on closed.id = gone.alert_id
    order by gone.rule_no, gone.label_key;
$$;

comment on function monitoring_internal.close_alert_rules_at(timestamptz, integer[], text) is
    'Resolves every open alert of some rules as of a time, and forgets their conditions.';

-- Trigger, once a statement: rules that were dropped, switched off, or group or read otherwise now.
create or replace function monitoring_internal.close_alerts_of_dropped_rules()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.close_alert_rules_at(
        now(), array(select rule.rule_no from former as rule), 'rule_disabled');
    return null;
end;
$$;

comment on function monitoring_internal.close_alerts_of_dropped_rules() is
    'Trigger: resolves what is open of rules that are dropped.';

-- Trigger, once a statement: rules that were switched off, or group or read otherwise now.
create or replace function monitoring_internal.close_alerts_of_changed_rules()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.close_alert_rules_at(now(), array_agg(changed.rule_no), changed.reason)
    from (
        select later.rule_no,
            case
                when former.is_active and not later.is_active then 'rule_disabled'
                when (former.group_by, former.metric_name, former.condition_type, former.tenant_id)
                    is distinct from (later.group_by, later.metric_name, later.condition_type, later.tenant_id)
                    then 'rule_changed'
            end as reason
        from later
        inner join former on former.id = later.id
    ) as changed
    where changed.reason is not null
    group by changed.reason;
    return null;
end;
$$;

comment on function monitoring_internal.close_alerts_of_changed_rules() is
    'Trigger: resolves what is open of rules that are switched off, or group or read otherwise than before.';
