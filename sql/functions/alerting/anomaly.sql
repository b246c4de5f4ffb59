-- alerting/anomaly.sql: rules on how far a series is from its own norm.
-- Owns refresh_alert_norms_at, anomaly_findings_at, anomaly_readings_at, read_anomaly_rules_at. Writes alert_norms.
-- Concurrency: the evaluator's lock keeps others from the same rules; a replay works on rules of its own.

-- Norms that are due: of label sets without one, and of all once the time passes a multiple of alerting.norm_refresh.
-- What makes a norm is in here alone. Returns how many were made.
create or replace function monitoring_internal.refresh_alert_norms_at(p_now timestamptz, p_rules integer[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_every constant interval := monitoring_internal.setting_interval('alerting.norm_refresh');
    v_period constant interval := monitoring_internal.setting_interval('alerting.norm_period');
    v_due record;
    v_made integer;
begin
    select array_agg(distinct due.rule_no) as rules, array_agg(distinct due.label_key) as keys into v_due
    from (
        select binding.rule_no, binding.label_key
        from monitoring.alert_rules as rule
        inner join monitoring.alert_bindings as binding on binding.rule_no = rule.rule_no and binding.operand = 0
        left join monitoring.alert_norms as norm
            on norm.rule_no = binding.rule_no and norm.label_key = binding.label_key
        where rule.rule_no = any (p_rules) and rule.condition_type = 'anomaly'
            and (norm.norm_at, norm.period) is distinct from (
                date_bin(v_every, p_now - rule.evaluation_delay, 'epoch'), coalesce(rule.trend_period, v_period))
    ) as due;
    if v_due.rules is null then
        return 0;
    end if;
    with span as (
        select rule.rule_no, date_bin(v_every, p_now - rule.evaluation_delay, 'epoch') as until_at,
            coalesce(rule.trend_period, v_period) as period
        from monitoring.alert_rules as rule
        where rule.rule_no = any (v_due.rules)
    ),
    folded as (
        select point.rule_no, point.label_key, min(point.sampled_at) as first_sample_at, count(*) as sample_count,
            avg(point.value) as mean, stddev_samp(point.value) as deviation
        from (
            select array_agg(span.rule_no) as rules, array_agg(span.until_at - span.period) as from_at,
                array_agg(span.until_at) as until_at
            from span
        ) as wanted
        cross join lateral monitoring_internal.rule_points(
            wanted.rules, wanted.from_at, wanted.until_at, v_due.keys) as point
        group by point.rule_no, point.label_key
    )
    insert into monitoring.alert_norms
        (rule_no, label_key, norm_at, period, first_sample_at, sample_count, mean, deviation)
    select distinct binding.rule_no, binding.label_key, span.until_at, span.period, folded.first_sample_at,
        coalesce(folded.sample_count, 0), folded.mean, folded.deviation
    from span
    inner join monitoring.alert_bindings as binding on binding.rule_no = span.rule_no and binding.operand = 0
    left join folded on folded.rule_no = binding.rule_no and folded.label_key = binding.label_key
    where binding.label_key = any (v_due.keys)
    on conflict (rule_no, label_key) do update set
        norm_at = excluded.norm_at, period = excluded.period, first_sample_at = excluded.first_sample_at,
        sample_count = excluded.sample_count, mean = excluded.mean, deviation = excluded.deviation;
    get diagnostics v_made = row_count;
    return v_made;
end;
$$;

comment on function monitoring_internal.refresh_alert_norms_at(timestamptz, integer[]) is
    'Makes the norms of anomaly rules that are due; returns how many.';

-- What anomaly rules find: how many deviations the window's mean is off the norm. The deviation has a floor of one
-- percent of the mean, so that a flat series gives no huge numbers; what is off by less than the rule's least
-- deviations, absolute and relative, is no anomaly whatever its number.
create or replace function monitoring_internal.anomaly_findings_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with span as materialized (
        select rule.rule_no, rule.condition_definition as definition, p_now - rule.evaluation_delay as until_at,
            rule.evaluation_window
        from monitoring.alert_rules as rule
        where rule.rule_no = any (p_rules) and rule.condition_type = 'anomaly'
    ),
    present as (
        select point.rule_no, point.label_key, avg(point.value) as mean, count(*)::integer as sample_count,
            max(point.sampled_at) as sampled_at
        from (
            select array_agg(span.rule_no) as rules, array_agg(span.until_at - span.evaluation_window) as from_at,
                array_agg(span.until_at) as until_at
            from span
        ) as wanted
        cross join lateral monitoring_internal.rule_points(wanted.rules, wanted.from_at, wanted.until_at) as point
        group by point.rule_no, point.label_key
    )
    select present.rule_no, present.label_key, null::uuid, null::jsonb,
        case when fault.reason is null then least(greatest(off.by / off.scale, -1e6), 1e6) end,
        case when not off.is_enough then 0 end::smallint, case when not off.is_enough then 0 end::smallint,
        null::timestamptz, present.sampled_at, present.sample_count, null::integer, null::double precision, null::text,
        jsonb_strip_nulls(jsonb_build_object(
            'mean', present.mean, 'norm', norm.mean, 'deviation', norm.deviation, 'scale', off.scale,
            'norm_samples', norm.sample_count, 'norm_until', norm.norm_at, 'off_by_enough', off.is_enough,
            'no_verdict', fault.reason))
    from present
    inner join span on span.rule_no = present.rule_no
    left join monitoring.alert_norms as norm
        on norm.rule_no = present.rule_no and norm.label_key = present.label_key
    cross join lateral (
        select present.mean - norm.mean as by,
            greatest(norm.deviation, 0.01 * abs(norm.mean), 1e-9) as scale,
            abs(present.mean - norm.mean) >= coalesce((span.definition ->> 'min_deviation')::double precision, 0)
            and abs(present.mean - norm.mean) >= abs(norm.mean)
                * coalesce((span.definition ->> 'min_relative_deviation')::double precision, 0.05) as is_enough
    ) as off
    cross join lateral (
        select case
            when coalesce(norm.sample_count, 0) < coalesce((span.definition ->> 'min_samples')::numeric,
                monitoring_internal.setting_integer('alerting.norm_min_samples'))
            then 'warming up: only ' || coalesce(norm.sample_count, 0) || ' samples in the norm'
            when norm.norm_at - norm.first_sample_at < least(norm.period / 2, interval '1 day')
            then 'warming up: the norm knows only ' || (norm.norm_at - norm.first_sample_at)
        end as reason
    ) as fault;
end;
$$;

comment on function monitoring_internal.anomaly_findings_at(timestamptz, integer[]) is
    'How many deviations the means of windows are off their norms, by label set.';

-- Readings of anomaly rules, after their norms have been seen to: all of them when complete.
create or replace function monitoring_internal.anomaly_readings_at(
    p_now timestamptz, p_rules integer[], p_is_complete boolean)
returns setof monitoring_internal.alert_reading
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.refresh_alert_norms_at(p_now, p_rules);
    return query
    select * from monitoring_internal.judge_findings(p_now, p_rules, 'anomaly', array(
        select finding from monitoring_internal.anomaly_findings_at(p_now, p_rules) as finding), p_is_complete);
end;
$$;

comment on function monitoring_internal.anomaly_readings_at(timestamptz, integer[], boolean) is
    'Readings of anomaly rules; makes the norms that are due.';

-- Those that matter, for the evaluator.
create or replace function monitoring_internal.read_anomaly_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.anomaly_readings_at(p_now, p_rules, false);
$$;

comment on function monitoring_internal.read_anomaly_rules_at(timestamptz, integer[]) is
    'Readings of anomaly rules that matter to the evaluator.';
