-- alerting/judge.sql: from what a rule found for each label set to the readings that matter.
-- Owns condition_measure, judge_findings. Writes nothing.
-- Concurrency: any number of callers; reads one snapshot.

-- What of a value is compared with the thresholds: of an anomaly, how far it is off to the side that counts.
create or replace function monitoring_internal.condition_measure(
    p_condition_type text, p_definition jsonb, p_value double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_condition_type <> 'anomaly' then p_value
        when p_definition ->> 'direction' = 'above' then p_value
        when p_definition ->> 'direction' = 'below' then -p_value
        else abs(p_value)
    end;
end;

comment on function monitoring_internal.condition_measure(text, jsonb, double precision) is
    'The part of a rule''s value that is compared with its thresholds.';

-- Readings out of findings. A finding without a value but with samples is no verdict: what fires keeps firing. A label
-- set without finding has no data, unless its last sample is forgotten. p_is_complete: the healthy ones too.
create or replace function monitoring_internal.judge_findings(
    p_now timestamptz, p_rules integer[], p_type text, p_findings monitoring_internal.alert_reading[],
    p_is_complete boolean)
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with judged_rule as materialized (
        select rule.rule_no, rule.condition_type, rule.condition_definition as definition, rule.group_by, level.*,
            rule.warning_recovery, rule.critical_recovery, rule.evaluation_window,
            p_now - rule.evaluation_delay as until_at,
            floor(extract(epoch from rule.evaluation_window) / extract(epoch from state.spacing))::integer as expected
        from monitoring.alert_rules as rule
        left join monitoring.alert_rule_states as state using (rule_no)
        cross join lateral monitoring_internal.effective_levels(rule) as level
        where rule.rule_no = any (p_rules) and rule.condition_type = p_type),
    judged as (
        select rule.*, binding.label_key, binding.series_id, finding.value, finding.breached_since, finding.sampled_at,
            finding.sample_count, finding.evidence, coalesce(finding.breached, monitoring_internal.alert_level(
                measure.value, rule.operator, rule.warning, rule.critical, 0)) as breached,
            case when measure.value is null then 2 else coalesce(finding.held, monitoring_internal.alert_held_level(
                measure.value, rule.operator, rule.warning, rule.critical,
                rule.warning_recovery, rule.critical_recovery, 0)) end as held
        from judged_rule as rule
        inner join (
            select bound.rule_no, bound.label_key, min(bound.series_id) as series_id
            from monitoring.alert_bindings as bound
            where bound.rule_no = any (p_rules) and bound.operand = 0
            group by bound.rule_no, bound.label_key) as binding on binding.rule_no = rule.rule_no
        left join unnest(p_findings) as finding
            on finding.rule_no = rule.rule_no and finding.label_key = binding.label_key
            and finding.sampled_at > rule.until_at - rule.evaluation_window
        cross join lateral monitoring_internal.condition_measure(
            rule.condition_type, rule.definition, finding.value) as measure (value))
    select judged.rule_no, judged.label_key, series.tenant_id,
        monitoring_internal.alert_group_labels(series.labels, judged.group_by), judged.value, judged.breached,
        greatest(judged.held, judged.breached)::smallint,
        case when judged.breached > 0 then coalesce(judged.breached_since, judged.sampled_at) end, judged.sampled_at,
        coalesce(judged.sample_count, 0), judged.expected,
        case when judged.breached = 2 or judged.warning is null then judged.critical else judged.warning end,
        case when judged.sample_count is null then 'no_data' else 'data' end,
        case when p_is_complete or judged.breached > 0 then jsonb_build_object(
            'type', judged.condition_type, 'operator', judged.operator, 'warning', judged.warning,
            'critical', judged.critical) || coalesce(judged.evidence, '{}') end
    from judged
    inner join monitoring.series as series using (series_id)
    where p_is_complete or judged.breached > 0
        or exists (
            select 1 from monitoring.alert_conditions as condition
            where condition.rule_no = judged.rule_no and condition.label_key = judged.label_key)
        or judged.sample_count is null and exists (
            select 1 from monitoring.alert_bindings as binding
            where binding.rule_no = judged.rule_no and binding.label_key = judged.label_key
                and monitoring_internal.had_samples(array[binding.series_id], judged.until_at,
                    judged.evaluation_window + monitoring_internal.setting_interval('alerting.forget_series_after')));
end;
$$;

comment on function monitoring_internal.judge_findings(
    timestamptz, integer[], text, monitoring_internal.alert_reading[], boolean) is
    'Readings that matter out of what rules of one type found; all of them when complete.';
