-- alerting/backtest.sql: what a rule would have done in the past, by the evaluator itself on stored samples.
-- Owns find_times_to_evaluate, replayed_peaks_at, replayed_episodes, replay_rule, backtest_rule. Writes nothing that
-- stays. Concurrency: any number of callers; a replay works on copies: it waits for nobody, nobody waits for it.

-- The times at which a plain rule can find anything but health: in reach of a sample beyond a threshold, or of a gap.
-- Null for rules of which that cannot be told from single samples: those are evaluated at each step.
-- A window whose samples are all on the good side has its mean, least, greatest and last on that side too; one without
-- gaps longer than one and a half spacings holds more samples than a min_coverage of 0.6 asks for.
create or replace function monitoring_internal.find_times_to_evaluate(
    p_start_at timestamptz, p_end_at timestamptz, p_rule_no integer, p_step interval)
returns tstzmultirange
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with rule as materialized (
        select rule.*, state.spacing
        from monitoring.alert_rules as rule
        inner join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
        where rule.rule_no = p_rule_no and rule.condition_type = 'threshold' and rule.min_coverage <= 0.6
            and rule.aggregate in ('avg', 'min', 'max', 'last') and rule.comparison_operator not in ('eq', 'ne')
            and (rule.group_by is null or rule.group_aggregate in ('avg', 'min', 'max'))
            and not rule.condition_definition ? 'guard' and state.spacing is not null
    ),
    seen as (
        select binding.series_id, sample.sampled_at, sample.value,
            lead(sample.sampled_at, 1, p_end_at)
                over (partition by binding.series_id order by sample.sampled_at) as next_at
        from rule
        inner join monitoring.alert_bindings as binding on binding.rule_no = rule.rule_no and binding.operand = 0
        cross join monitoring_internal.setting_interval('alerting.forget_series_after') as forget (after)
        cross join lateral monitoring_internal.read_points(
            array[binding.series_id],
            p_start_at - rule.evaluation_delay - rule.evaluation_window - forget.after,
            p_end_at + interval '1 us') as sample
        where sample.sampled_at > p_start_at - rule.evaluation_delay - rule.evaluation_window - forget.after
    ),
    reach as (
        select tstzrange(
            seen.sampled_at - p_step,
            case when seen.next_at > seen.sampled_at + 1.5 * rule.spacing then seen.next_at else seen.sampled_at end
                + rule.evaluation_delay + rule.evaluation_window + p_step) as times
        from seen
        cross join rule
        where seen.next_at > seen.sampled_at + 1.5 * rule.spacing
            or monitoring_internal.alert_level(
                seen.value, rule.comparison_operator, rule.warning_threshold, rule.critical_threshold, 0) > 0
    )
    select case when exists (select 1 from rule)
        then coalesce((select range_agg(reach.times) from reach), '{}'::tstzmultirange) end;
$$;

comment on function monitoring_internal.find_times_to_evaluate(timestamptz, timestamptz, integer, interval) is
    'Times at which a rule can find anything but health; null where that cannot be told from single samples.';

-- The greatest value of each open alert, or the least where less is worse: those so far, and the one of this step.
create or replace function monitoring_internal.replayed_peaks_at(p_now timestamptz, p_rule_no integer, p_peaks jsonb)
returns jsonb
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_object_agg(open.alert_id::text, case
        when rule.comparison_operator in ('lt', 'lte')
        then least((p_peaks ->> open.alert_id::text)::double precision, reading.value)
        else greatest((p_peaks ->> open.alert_id::text)::double precision, reading.value) end)
        filter (where reading.value is not null), '{}')
    from monitoring.alert_rules as rule
    inner join monitoring.alert_conditions as open on open.rule_no = rule.rule_no and open.alert_id is not null
    inner join monitoring_internal.read_alert_rules_at(p_now, rule.condition_type, array[p_rule_no]) as reading
        on reading.label_key = open.label_key
    where rule.rule_no = p_rule_no;
$$;

comment on function monitoring_internal.replayed_peaks_at(timestamptz, integer, jsonb) is
    'Worst values of the open alerts of a copy of a rule.';

-- What became of copies of a rule in a replay: an object for each alert. p_peaks: greatest values by alert.
create or replace function monitoring_internal.replayed_episodes(p_rule_no integer, p_peaks jsonb)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'tenant_id', alert.tenant_id, 'labels', alert.labels, 'severity', alert.max_severity,
        'first_breach_at', alert.first_breach_at, 'fired_at', alert.triggered_at, 'resolved_at', alert.resolved_at,
        'resolution_reason', alert.resolution_reason, 'reopened', alert.reopen_count,
        'peak_value', coalesce((p_peaks ->> alert.id::text)::double precision, alert.trigger_value),
        'notifications', told.count, 'recipients', told.recipients,
        'night_share', told.nights::double precision / nullif(told.count, 0))
        order by alert.triggered_at, alert.tenant_id, alert.labels), '[]')
    from monitoring.alerts as alert
    inner join monitoring.tenants as tenant on tenant.tenant_id = alert.tenant_id
    cross join lateral (
        select count(*) as count, coalesce(jsonb_agg(distinct channel.channel_name), '[]') as recipients,
            count(*) filter (where (decision.decided_at at time zone tenant.time_zone)::time
                not between '07:00' and '21:59:59.999999') as nights
        from monitoring.notification_decisions as decision
        left join monitoring.notification_channels as channel on channel.id = decision.channel_id
        where decision.alert_id = alert.id and decision.decision = 'sent'
    ) as told
    where alert.rule_no = p_rule_no;
$$;

comment on function monitoring_internal.replayed_episodes(integer, jsonb) is
    'The alerts of a copy of a rule, with what was told of them.';

-- Run a copy of a rule, and of those it names, step by step; returns its alerts, and how many steps were evaluated.
-- Leaves all it made: the caller undoes it. p_is_complete: evaluate each step, also those that can find nothing.
create or replace function monitoring_internal.replay_rule(
    p_start_at timestamptz, p_end_at timestamptz, p_rule_no integer, p_step interval, p_changes jsonb,
    p_is_complete boolean)
returns jsonb
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_suffix constant text := ' ~' || gen_random_uuid();
    v_rules integer[];
    v_rule_no integer;
    v_times tstzmultirange;
    v_peaks jsonb := '{}'::jsonb;
    v_busy_until timestamptz := timestamptz '-infinity';
    v_at timestamptz;
    v_steps integer := 0;
begin
    perform set_config('pgvigil.is_replay', 'on', true);
    perform monitoring_internal.clone_alert_rule(p_rule_no, null, p_changes, v_suffix);
    v_rules := monitoring_internal.replayed_rules(v_suffix);
    v_rule_no := v_rules[cardinality(v_rules)];
    perform monitoring_internal.bind_replayed_rules_at(p_end_at, v_rules, null);
    if not p_is_complete then
        v_times := monitoring_internal.find_times_to_evaluate(p_start_at, p_end_at, v_rule_no, p_step);
    end if;
    -- A loop: each step is a pass of the evaluator, and knows what the one before left.
    for v_at in select generate_series(p_start_at, p_end_at, p_step) loop
        continue when not v_at <@ v_times and v_at > v_busy_until;
        continue when not monitoring_internal.replay_step_at(v_at, v_rules, p_step, p_is_complete);
        v_steps := v_steps + 1;
        v_busy_until := v_at + p_step;
        v_peaks := v_peaks || monitoring_internal.replayed_peaks_at(v_at, v_rule_no, v_peaks);
    end loop;
    return jsonb_build_object(
        'steps', v_steps, 'episodes', monitoring_internal.replayed_episodes(v_rule_no, v_peaks));
end;
$$;

comment on function monitoring_internal.replay_rule(
    timestamptz, timestamptz, integer, interval, jsonb, boolean) is
    'Runs copies of a rule over stored samples and leaves them; returns the alerts as jsonb.';

-- What a rule, changed or as it is, would have done in a period. Nothing of it stays.
-- Raises: PV002, PV932.
create or replace function monitoring.backtest_rule(
    rule_id uuid, start_at timestamptz, end_at timestamptz, step interval default null, changes jsonb default '{}')
returns table (
    tenant_id uuid, labels jsonb, severity text, first_breach_at timestamptz, fired_at timestamptz,
    resolved_at timestamptz, resolution_reason text, peak_value double precision, reopened integer,
    notifications integer, recipients jsonb, night_share double precision)
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
    v_rule record;
    v_result jsonb;
begin
    select rule.rule_no, rule.tenant_id, coalesce(backtest_rule.step, rule.evaluation_interval,
        monitoring_internal.setting_interval('alerting.evaluation_interval')) as step into v_rule
    from monitoring.alert_rules as rule
    where rule.id = backtest_rule.rule_id;
    if not found then
        raise exception using
            errcode = 'PV932', message = 'there is no such alert rule', hint = 'Rules are in monitoring.alert_rules.';
    end if;
    perform monitoring_internal.require_rule_tenant(v_rule.tenant_id);
    if (start_at < end_at and v_rule.step >= interval '1 second' and (end_at - start_at) / 1000000 <= v_rule.step) is
        not true
    then
        raise exception using
            errcode = 'PV932',
            message = 'this period cannot be replayed in such steps',
            hint = 'Give a start before the end, and a step from 1 second on that makes at most a million of them.';
    end if;
    begin
        v_result := monitoring_internal.replay_rule(
            start_at, end_at, v_rule.rule_no, v_rule.step, coalesce(changes, '{}'), false);
        raise exception using errcode = 'PV931', message = 'the replay is undone';
    exception when sqlstate 'PV931' then
        null;
    end;
    return query
    select episode.*
    from jsonb_to_recordset(v_result -> 'episodes') as episode (
        tenant_id uuid, labels jsonb, severity text, first_breach_at timestamptz, fired_at timestamptz,
        resolved_at timestamptz, resolution_reason text, peak_value double precision, reopened integer,
        notifications integer, recipients jsonb, night_share double precision)
    where episode.tenant_id = any (monitoring.visible_tenant_ids());
end;
$$;

comment on function monitoring.backtest_rule(uuid, timestamptz, timestamptz, interval, jsonb) is
    'Alerts that a rule would have raised in a period, by the evaluator itself on stored samples, with what would have '
    'been told of each; of the rule as it is, or with changes such as {"critical_threshold": 0.9}. Night is from 22 to '
    '7 in the tenant''s zone. Nothing of it stays. For monitoring_admin.';
