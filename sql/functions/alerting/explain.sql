-- alerting/explain.sql: why an alert is there, and why one is not.
-- Owns explained_samples, explain_alert(_at), complete_readings_at, why_not_fired(_at), fire_stages_at.
-- Writes nothing that stays. Concurrency: any number of callers.

-- The samples that an alert was raised by, the newest hundred.
create or replace function monitoring_internal.explained_samples(
    p_alert monitoring.alerts, p_rule monitoring.alert_rules)
returns table (section text, at timestamptz, line text, detail jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'sample', recent.sampled_at, recent.value::text, recent.labels
    from (
        select sample.sampled_at, sample.value, series.labels
        from monitoring.alert_bindings as binding
        inner join monitoring.series as series on series.series_id = binding.series_id
        cross join lateral monitoring_internal.window_points(
            binding.series_id, p_alert.triggered_at - p_rule.evaluation_delay - p_rule.evaluation_window,
            p_alert.triggered_at - p_rule.evaluation_delay, false) as sample
        where binding.rule_no = p_alert.rule_no and binding.label_key = p_alert.label_key
            and series.tenant_id = p_alert.tenant_id
        order by sample.sampled_at desc
        limit 100
    ) as recent
    order by recent.sampled_at;
$$;

comment on function monitoring_internal.explained_samples(monitoring.alerts, monitoring.alert_rules) is
    'Samples in the window an alert was raised by.';

-- All that is known of an alert, line by line: rule, samples, transitions, what withholds it, what was told.
-- Raises: PV932.
create or replace function monitoring_internal.explain_alert_at(p_now timestamptz, p_alert_id uuid)
returns table (section text, at timestamptz, line text, detail jsonb)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert monitoring.alerts;
    v_rule monitoring.alert_rules;
begin
    select alert.* into v_alert
    from monitoring.alerts as alert
    where alert.id = p_alert_id and alert.tenant_id = any (monitoring.visible_tenant_ids());
    if not found then
        raise exception using
            errcode = 'PV932', message = 'there is no such alert', hint = 'Those you see are in monitoring.alerts.';
    end if;
    select rule.* into v_rule from monitoring.alert_rules as rule where rule.rule_no = v_alert.rule_no;
    return query values
        ('alert', v_alert.triggered_at, format('%s: %s, %s', v_alert.alert_title, v_alert.severity, v_alert.status),
            jsonb_build_object('labels', v_alert.labels, 'message', v_alert.alert_message)),
        ('compared', v_alert.first_breach_at, format('%s against %s', v_alert.trigger_value, v_alert.threshold_value),
            v_alert.evidence);
    if v_rule.id is not null then
        return query values ('rule', v_rule.updated_at,
            format('%s (%s): %s of %s over %s, %s warning %s, critical %s; held for %s and %s', v_rule.rule_name,
                v_rule.condition_type, v_rule.aggregate, coalesce(v_rule.metric_name, 'other rules'),
                v_rule.evaluation_window, coalesce(v_rule.comparison_operator, 'by its own measure,'),
                coalesce(v_rule.warning_threshold::text, '-'), coalesce(v_rule.critical_threshold::text, '-'),
                v_rule.warning_for, v_rule.critical_for), v_rule.condition_definition || v_rule.pattern_definition);
    end if;
    return query select * from monitoring_internal.explained_samples(v_alert, v_rule);
    return query
    select 'transition', moved.occurred_at, concat_ws(' ', moved.transition, moved.severity, 'at ' || moved.value,
            'against ' || moved.threshold, 'for ' || moved.reason, 'by ' || moved.actor), moved.evidence
    from monitoring.alert_transitions as moved
    where moved.tenant_id = v_alert.tenant_id and moved.rule_no = v_alert.rule_no
        and moved.label_key = v_alert.label_key and moved.occurred_at >= v_alert.first_breach_at - interval '1 minute'
        and moved.occurred_at <= coalesce(v_alert.resolved_at, 'infinity')
    order by moved.occurred_at, moved.transition_id;
    return query
    select 'withheld by', p_now, concat_ws(' ', cause.entry ->> 'kind', cause.entry ->> 'name'), cause.entry
    from monitoring_internal.alert_suppressors_at(p_now, array[p_alert_id]) as quiet
    cross join lateral jsonb_array_elements(quiet.suppressed_by) as cause (entry);
    return query
    select 'notification', decision.decided_at, concat_ws(' ', decision.decision, 'to ' || channel.channel_name,
            'for ' || decision.reason), to_jsonb(decision.detail)
    from monitoring.notification_decisions as decision
    left join monitoring.notification_channels as channel on channel.id = decision.channel_id
    where decision.alert_id = p_alert_id and decision.tenant_id = v_alert.tenant_id
    order by decision.decided_at, decision.decision_id;
end;
$$;

comment on function monitoring_internal.explain_alert_at(timestamptz, uuid) is
    'What is known of an alert as of a time, line by line; PV932 when the caller does not see it.';

-- The same now.
create or replace function monitoring.explain_alert(alert_id uuid)
returns table (section text, at timestamptz, line text, detail jsonb)
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.explain_alert_at(clock_timestamp(), explain_alert.alert_id);
$$;

comment on function monitoring.explain_alert(uuid) is
    'Why an alert is there: what was compared, its rule, samples and transitions, what withholds it now, what was told '
    'to whom and what was not, and why. For everybody, of alerts of their own tenants.';

-- What a rule finds, healthy label sets included; nothing is kept of it.
create or replace function monitoring_internal.complete_readings_at(p_now timestamptz, p_rule_no integer)
returns monitoring_internal.alert_reading[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_readings monitoring_internal.alert_reading[];
begin
    begin
        v_readings := array(
            select reading from monitoring_internal.trend_readings_at(p_now, array[p_rule_no], true) as reading
            union all
            select reading from monitoring_internal.anomaly_readings_at(p_now, array[p_rule_no], true) as reading
            union all
            select reading from monitoring_internal.pattern_readings_at(p_now, array[p_rule_no], true) as reading
            union all
            select reading from monitoring_internal.composite_readings_at(p_now, array[p_rule_no], true) as reading
            union all
            select reading from monitoring_internal.read_threshold_rules_at(p_now, array[p_rule_no]) as reading);
        raise exception using errcode = 'PV931', message = 'norms made for this are undone';
    exception when sqlstate 'PV931' then
        return v_readings;
    end;
end;
$$;

comment on function monitoring_internal.complete_readings_at(timestamptz, integer) is
    'Readings of a rule; of threshold, ratio and absence rules only those that matter.';

-- The steps from a rule to a message, as of a time, up to the first that is not taken.
-- Raises: PV932.
create or replace function monitoring_internal.why_not_fired_at(p_now timestamptz, p_rule_id uuid, p_labels jsonb)
returns table (step text, passed boolean, detail text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenants constant uuid[] := monitoring.visible_tenant_ids();
    v_rule record;
    v_found record;
    v_last record;
begin
    select rule.*, state.last_status, state.last_error into v_rule
    from monitoring.alert_rules as rule
    left join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
    where rule.id = p_rule_id and coalesce(rule.tenant_id, monitoring.system_tenant_id()) = any (v_tenants);
    if not found then
        raise exception using
            errcode = 'PV932', message = 'there is no such alert rule',
            hint = 'Those you see are in monitoring.alert_rules.';
    end if;
    select array_agg(distinct binding.label_key) as keys, count(distinct binding.series_id) as series,
        count(sample.*) as samples, max(sample.sampled_at) as sampled_at, avg(sample.value) as mean into v_found
    from monitoring.alert_bindings as binding
    inner join monitoring.series as series on series.series_id = binding.series_id
    left join lateral monitoring_internal.window_points(binding.series_id, p_now - v_rule.evaluation_delay
        - v_rule.evaluation_window, p_now - v_rule.evaluation_delay, false) as sample on true
    where binding.rule_no = v_rule.rule_no and binding.operand = 0 and series.tenant_id = any (v_tenants)
        and series.labels @> coalesce(p_labels, '{}');
    select reading.* into v_last
    from unnest(monitoring_internal.complete_readings_at(p_now, v_rule.rule_no)) as reading
    where reading.tenant_id = any (v_tenants) and reading.labels @> coalesce(p_labels, '{}')
    order by reading.breached desc, reading.value desc nulls last
    limit 1;
    return query
    with stage as (
        select * from monitoring_internal.fire_stages_at(p_now, v_rule.rule_no, v_tenants, v_found.keys, p_labels)
    ),
    listed (number, step, passed, detail) as (
        values
            (1, 'the rule is active', v_rule.is_active, v_rule.rule_name),
            (2, 'its evaluation succeeds', v_rule.last_status is distinct from 'failed', v_rule.last_error),
            (3, 'it is bound to series', v_found.series > 0 or v_rule.condition_type in ('composite', 'absence'),
                v_found.series || ' series'),
            (4, 'they have samples in the window',
                v_found.samples > 0 or v_rule.condition_type in ('composite', 'absence'),
                format('%s samples, the last at %s', v_found.samples, v_found.sampled_at)),
            (5, 'they tell enough for a verdict', v_last.evidence ->> 'no_verdict' is null,
                v_last.evidence ->> 'no_verdict'),
            (6, 'the value is beyond a threshold', coalesce(v_last.breached, 0) > 0,
                format('value %s, threshold %s; mean of the samples %s', v_last.value, v_last.threshold, v_found.mean))
        union all
        select stage.number, stage.step, stage.passed, stage.detail from stage
    )
    select listed.step, listed.passed, listed.detail
    from listed
    where listed.number <= coalesce((select min(first.number) from listed as first where not first.passed), 100)
    order by listed.number;
end;
$$;

comment on function monitoring_internal.why_not_fired_at(timestamptz, uuid, jsonb) is
    'Steps from a rule to an alert that is told of, as of a time, up to the first that is not taken.';

-- What follows a breach: held long enough, an open alert, nothing that withholds it.
create or replace function monitoring_internal.fire_stages_at(
    p_now timestamptz, p_rule_no integer, p_tenants uuid[], p_keys uuid[], p_labels jsonb)
returns table (number integer, step text, passed boolean, detail text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with latest as (
        select moved.transition, moved.to_state, moved.occurred_at, moved.reason, moved.alert_id
        from monitoring.alert_transitions as moved
        where moved.rule_no = p_rule_no and moved.occurred_at <= p_now and moved.tenant_id = any (p_tenants)
            and (p_keys is null or moved.label_key = any (p_keys))
        order by moved.occurred_at desc, moved.transition_id desc
        limit 1
    ),
    open as (
        select alert.alert_title, alert.status, alert.suppressed_by, alert.notification_count
        from monitoring.alerts as alert
        where alert.rule_no = p_rule_no and alert.tenant_id = any (p_tenants)
            and alert.labels @> coalesce(p_labels, '{}') and alert.triggered_at <= p_now
            and (alert.resolved_at is null or alert.resolved_at > p_now)
        order by alert.triggered_at desc
        limit 1
    )
    select 7, 'it has been so for long enough', (select count(*) from open) > 0, (
        select format('since %s: %s %s; it must hold for %s (warning) or %s (critical)', latest.occurred_at,
            latest.transition, latest.reason, rule.warning_for, rule.critical_for)
        from monitoring.alert_rules as rule
        left join latest on true
        where rule.rule_no = p_rule_no)
    union all
    select 8, 'nothing withholds it', open.suppressed_by = '[]', open.suppressed_by::text from open
    union all
    select 9, 'somebody was told', open.notification_count > 0, open.notification_count || ' messages' from open;
$$;

comment on function monitoring_internal.fire_stages_at(timestamptz, integer, uuid[], uuid[], jsonb) is
    'Steps from a breach to an alert that is told of.';

-- The same now, or at another time.
create or replace function monitoring.why_not_fired(
    rule_id uuid, labels jsonb default '{}', at timestamptz default null)
returns table (step text, passed boolean, detail text)
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.why_not_fired_at(
        coalesce(why_not_fired.at, clock_timestamp()), why_not_fired.rule_id, why_not_fired.labels);
$$;

comment on function monitoring.why_not_fired(uuid, jsonb, timestamptz) is
    'Why a rule raises no alert: each step from the rule to a message, up to the first that is not taken. With labels: '
    'for label sets that have these. For everybody, of rules and series of their own tenants.';
