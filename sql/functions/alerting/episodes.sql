-- alerting/episodes.sql: what a pass does with alerts besides their conditions: failing rules, time, suppression.
-- Owns raise_rule_errors_at, rule_error_changes_at, expire_acknowledgements_at, alert_withholders_at,
-- suppress_alerts_at. Writes alerts, alert_conditions, alert_transitions.
-- Concurrency: for the evaluator, behind its lock; passes by alerts that somebody is changing.

-- A rule that fails again and again raises an alert about itself; its conditions stay as they were meanwhile.
create or replace function monitoring_internal.raise_rule_errors_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[])
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_changes constant monitoring_internal.alert_change[] := array(
        select change from monitoring_internal.rule_error_changes_at(p_now, p_rules) as change);
begin
    if cardinality(v_changes) > 0 then
        perform monitoring_internal.tell_transitions_at(p_now, p_pass_id, v_changes);
        perform monitoring_internal.move_alerts_at(p_now, v_changes);
        perform monitoring_internal.open_alerts_at(p_now, v_changes);
        perform monitoring_internal.keep_alert_conditions_at(p_now, v_changes);
    end if;
end;
$$;

comment on function monitoring_internal.raise_rule_errors_at(timestamptz, bigint, integer[]) is
    'Raises, keeps and resolves the alerts about rules that cannot be evaluated.';

-- What that changes: the first failure is told, some more raise the alert, a success resolves it.
create or replace function monitoring_internal.rule_error_changes_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_change
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select row(
            rule.rule_no, monitoring_internal.storm_label_key(rule.id), 'error', owner.tenant_id, '{}'::jsonb,
            state.failures::double precision, setting.failures::double precision, p_now, null::integer,
            jsonb_build_object('error', state.last_error, 'failures', state.failures),
            case when state.failures > 0 then 'breach' else 'clear' end, 1::smallint, 1::smallint, 1::smallint, false,
            false, null::integer, known.state, known.level, known.alert_id, known.alert_created_at,
            known.dismissed_until, known.dismissed_alert_id, known.dismissed_level, false, '{}'::timestamptz[],
            coalesce(known.warning_since, p_now), null::timestamptz, null::timestamptz, null::timestamptz,
            null::timestamptz)::monitoring_internal.alert_pair,
        todo.action, case todo.action when 'fire' then 'error' end, 1::smallint, rule.warning_severity,
        array[case todo.action when 'note' then 'error' when 'resolve' then 'resolved' when 'drop' then 'cleared'
            else case when known.dismissed_alert_id is null then 'fired' else 'reopened' end end],
        case todo.action when 'note' then state.last_error when 'fire' then 'rule_error'
            when 'resolve' then 'cleared' end,
        '{}'::timestamptz[], false,
        case todo.action when 'fire' then coalesce(known.dismissed_alert_id, gen_random_uuid()) else known.alert_id end,
        case todo.action when 'fire' then coalesce(former.created_at, p_now) else known.alert_created_at end,
        former.id is not null
    from monitoring.alert_rules as rule
    inner join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
    cross join (
        select monitoring_internal.setting_integer('alerting.failures_before_alert') as failures
        offset 0
    ) as setting
    cross join lateral (select coalesce(rule.tenant_id, monitoring.system_tenant_id()) as tenant_id) as owner
    left join monitoring.alert_conditions as known
        on known.rule_no = rule.rule_no and known.label_key = monitoring_internal.storm_label_key(rule.id)
    left join monitoring.alerts as former on former.id = known.dismissed_alert_id
    cross join lateral (
        select case
            when known.alert_id is not null then case when state.failures = 0 then 'resolve' end
            when known.rule_no is not null and state.failures = 0 then 'drop'
            when known.dismissed_until > p_now then null
            when state.failures >= setting.failures then 'fire'
            when state.failures = 1 then 'note'
        end as action
    ) as todo
    where rule.rule_no in (select unnest(p_rules)) and (state.failures > 0 or known.rule_no is not null)
        and todo.action is not null
    order by rule.rule_no;
end;
$$;

comment on function monitoring_internal.rule_error_changes_at(timestamptz, integer[]) is
    'What failures and successes of rules change about the alerts on them.';

-- An acknowledgement ends when its time is up; the alert is everybody's again.
create or replace function monitoring_internal.expire_acknowledgements_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with ended as materialized (
        select alert.tenant_id, alert.id, alert.created_at, alert.status
        from monitoring.alerts as alert
        where alert.status in ('acknowledged', 'suppressed') and alert.acknowledged_until <= p_now
            and (p_rules is null or alert.rule_no in (select unnest(p_rules)))
        for update skip locked
    ), moved as (
        update monitoring.alerts as alert
        set status = case when alert.status = 'acknowledged' then 'active' else alert.status end,
            acknowledged_until = null
        from ended
        where alert.tenant_id = ended.tenant_id and alert.id = ended.id and alert.created_at = ended.created_at
        returning alert.*, ended.status as former_status
    )
    insert into monitoring.alert_transitions (
        occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
        threshold, pass_id, reason)
    select p_now, moved.tenant_id, moved.rule_no, moved.label_key, moved.id, 'unacknowledged', moved.former_status,
        moved.status, moved.severity, moved.last_value, moved.threshold_value, p_pass_id, 'expired'
    from moved
    order by moved.rule_no, moved.label_key;
$$;

comment on function monitoring_internal.expire_acknowledgements_at(timestamptz, bigint, integer[]) is
    'Makes acknowledged alerts active again whose time is up; with numbers of rules only theirs.';

-- Why nobody is told of open alerts now.
create or replace function monitoring_internal.alert_withholders_at(p_now timestamptz)
returns table (alert_id uuid, suppressed_by jsonb)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select coalesce(held.alert_id, flapping.alert_id),
        coalesce(held.suppressed_by, '[]') || coalesce(flapping.suppressed_by, '[]')
    from monitoring_internal.alert_suppressors_at(p_now) as held
    full join (
        select alert.id as alert_id,
            jsonb_build_array(jsonb_build_object('kind', 'flapping', 'id', alert.id, 'name', alert.rule_name))
                as suppressed_by
        from monitoring.alerts as alert
        where alert.status <> 'resolved' and alert.is_flapping
    ) as flapping on flapping.alert_id = held.alert_id;
end;
$$;

comment on function monitoring_internal.alert_withholders_at(timestamptz) is
    'Of open alerts, those nobody is told of now, and why.';

-- Suppress what is withheld now, and bring back what no longer is.
create or replace function monitoring_internal.suppress_alerts_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with wanted as materialized (
        select * from monitoring_internal.alert_withholders_at(p_now)
    ), differing as materialized (
        select alert.tenant_id, alert.id, alert.created_at, alert.status,
            coalesce(wanted.suppressed_by, '[]') as reasons
        from monitoring.alerts as alert
        left join wanted on wanted.alert_id = alert.id
        where alert.status <> 'resolved'
            and alert.suppressed_by <> coalesce(wanted.suppressed_by, '[]')
            and (p_rules is null or alert.rule_no in (select unnest(p_rules)))
        for update of alert skip locked
    ), moved as (
        update monitoring.alerts as alert
        set suppressed_by = differing.reasons,
            suppressed_since = case when differing.reasons <> '[]' then coalesce(alert.suppressed_since, p_now) end,
            status = case
                when differing.reasons <> '[]' then 'suppressed'
                when alert.acknowledged_until > p_now then 'acknowledged'
                else 'active'
            end
        from differing
        where alert.tenant_id = differing.tenant_id and alert.id = differing.id
            and alert.created_at = differing.created_at
        returning alert.*, differing.status as former_status
    )
    insert into monitoring.alert_transitions (
        occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
        threshold, pass_id, reason, evidence)
    select p_now, moved.tenant_id, moved.rule_no, moved.label_key, moved.id,
        case when moved.status = 'suppressed' then 'suppressed' else 'unsuppressed' end, moved.former_status,
        moved.status, moved.severity, moved.last_value, moved.threshold_value, p_pass_id,
        (select string_agg(distinct item ->> 'kind', ', ') from jsonb_array_elements(moved.suppressed_by) as item),
        nullif(moved.suppressed_by, '[]')
    from moved
    where (moved.status = 'suppressed') <> (moved.former_status = 'suppressed')
    order by moved.rule_no, moved.label_key;
$$;

comment on function monitoring_internal.suppress_alerts_at(timestamptz, bigint, integer[]) is
    'Suppresses open alerts that are withheld now and brings back those that no longer are.';
