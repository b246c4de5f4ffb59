-- alerting/read_threshold.sql: what the rules of one window measure.
-- Owns fold_rule_series, measure_plain_rules, measure_compound_rules. Writes nothing.
-- Any number of callers at once. Rules of one window share one look at each series, whatever their aggregates.

-- Fold the samples of every series that rules read, in a window. One look-up a series by the key of samples, whose
-- cost does not depend on how full a day's partition is.
create or replace function monitoring_internal.fold_rule_series(
    p_rules integer[], p_start_at timestamptz, p_end_at timestamptz)
returns setof monitoring_internal.sample_fold
language plpgsql stable parallel restricted rows 100000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
    -- A step belongs to the window it ends in: it may have begun one distance before.
    v_before constant timestamptz := p_start_at - coalesce((
        select 1.5 * max(level.spacing) from monitoring_internal.alert_rule_levels as level
        where level.rule_no = any (p_rules) and level.is_stepwise), '0');
begin
    return query
        select wanted.series_id, basic.samples, basic.mean, basic.least, basic.most, basic.total, basic.deviation,
            basic.first, basic.last, step.increase, step.seconds::double precision, basic.last_at
        from (
            select binding.series_id, bool_or(rule.is_stepwise) as is_stepwise
            from monitoring.alert_bindings as binding
            inner join monitoring_internal.alert_rule_levels as rule on rule.rule_no = binding.rule_no
            where rule.rule_no = any (p_rules)
            group by binding.series_id
            order by binding.series_id -- Neighbours share pages: so it takes half the time.
        ) as wanted
        cross join lateral (
            select count(*)::integer as samples, avg(sample.value) as mean, min(sample.value) as least,
                max(sample.value) as most, sum(sample.value) as total, stddev_pop(sample.value) as deviation,
                (array_agg(sample.value))[1] as first, (array_agg(sample.value))[count(*)] as last,
                max(sample.sampled_at) as last_at
            from (
                select point.value, point.sampled_at
                from monitoring_internal.sample_points as point
                where point.series_id = wanted.series_id
                    and point.sampled_at > p_start_at and point.sampled_at <= p_end_at
                order by point.sampled_at
            ) as sample
        ) as basic
        left join lateral (
            select
                coalesce(sum(case
                    when walk.value >= walk.value_before then walk.value - walk.value_before
                    when walk.value_before is not null then walk.value -- It began anew, from zero.
                end), 0) as increase,
                extract(epoch from max(walk.sampled_at) - min(coalesce(walk.before_at, walk.sampled_at))) as seconds
            from (
                select point.*, lag(point.value) over in_order as value_before,
                    lag(point.sampled_at) over in_order as before_at
                from monitoring_internal.sample_points as point
                where point.series_id = wanted.series_id
                    and point.sampled_at > v_before and point.sampled_at <= p_end_at and wanted.is_stepwise
                window in_order as (order by point.sampled_at)
            ) as walk
            where walk.sampled_at > p_start_at
        ) as step on true;
end;
$$;

comment on function monitoring_internal.fold_rule_series(integer[], timestamptz, timestamptz) is
    'What the samples of each series that rules read come to in a window; counters begun anew are seen through.';

-- Threshold rules whose label sets are single series: the many. Of the healthy only those that were not are returned.
create or replace function monitoring_internal.measure_plain_rules(
    p_rules integer[], p_start_at timestamptz, p_end_at timestamptz)
returns setof monitoring_internal.rule_value
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '128MB'
as $$
begin
    return query
        with rule as materialized (
            select level.* from monitoring_internal.alert_rule_levels as level where level.rule_no = any (p_rules)
        ),
        pair as (
            select binding.rule_no, binding.label_key, binding.series_id, fold.samples, fold.last_at,
                rule.comparison_operator, rule.warning_threshold, rule.critical_threshold, rule.mildest_threshold,
                rule.epsilon, rule.expected_count, rule.minimum_count, rule.aggregate,
                case rule.aggregate
                    when 'avg' then fold.mean
                    when 'max' then fold.most
                    when 'min' then fold.least
                    when 'last' then fold.last
                    when 'sum' then fold.total
                    when 'count' then fold.samples
                    when 'rate' then fold.increase / nullif(fold.seconds, 0)
                    when 'increase' then fold.increase
                    when 'delta' then fold.last - fold.first
                    else fold.deviation
                end as value
            from monitoring.alert_bindings as binding
            inner join rule on rule.rule_no = binding.rule_no
            inner join monitoring_internal.fold_rule_series(p_rules, p_start_at, p_end_at) as fold
                on fold.series_id = binding.series_id
        )
        select pair.rule_no, pair.label_key, array[pair.series_id], pair.value, pair.samples, pair.expected_count,
            pair.last_at, false
        from pair
        where case pair.comparison_operator
                when 'gt' then pair.value > pair.mildest_threshold
                when 'lt' then pair.value < pair.mildest_threshold
                when 'gte' then pair.value >= pair.mildest_threshold
                when 'lte' then pair.value <= pair.mildest_threshold
                else monitoring_internal.alert_level(
                    pair.value, pair.comparison_operator, pair.warning_threshold, pair.critical_threshold,
                    pair.epsilon) > 0
            end
            or pair.samples < pair.minimum_count or pair.value is null
            or (pair.rule_no, pair.label_key) in (
                select condition.rule_no, condition.label_key from monitoring.alert_conditions as condition);
end;
$$;

comment on function monitoring_internal.measure_plain_rules(integer[], timestamptz, timestamptz) is
    'What rules found for the series that breach, that lack samples, or that were not well before.';

-- Rules over groups, ratios, and rules with a guard.
create or replace function monitoring_internal.measure_compound_rules(
    p_rules integer[], p_start_at timestamptz, p_end_at timestamptz)
returns setof monitoring_internal.rule_value
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
begin
    return query
        with rule as materialized (
            select level.* from monitoring_internal.alert_rule_levels as level where level.rule_no = any (p_rules)
        ),
        part as (
            select binding.rule_no, binding.label_key, binding.operand, fold.series_id, fold.samples, fold.last_at,
                case case binding.operand when 2 then rule.guard_aggregate else rule.aggregate end
                    when 'avg' then fold.mean
                    when 'max' then fold.most
                    when 'min' then fold.least
                    when 'last' then fold.last
                    when 'sum' then fold.total
                    when 'count' then fold.samples
                    when 'rate' then fold.increase / nullif(fold.seconds, 0)
                    when 'increase' then fold.increase
                    when 'delta' then fold.last - fold.first
                    else fold.deviation
                end as value
            from monitoring.alert_bindings as binding
            inner join rule on rule.rule_no = binding.rule_no
            inner join monitoring_internal.fold_rule_series(p_rules, p_start_at, p_end_at) as fold
                on fold.series_id = binding.series_id
        ),
        label_set as (
            select part.rule_no, part.label_key,
                array_agg(part.series_id) filter (where part.operand = 0) as series_ids,
                avg(part.value) filter (where part.operand = 0) as mean,
                min(part.value) filter (where part.operand = 0) as least,
                max(part.value) filter (where part.operand = 0) as most,
                sum(part.value) filter (where part.operand = 0) as total,
                (count(*) filter (where part.operand = 0 and part.samples > 0))::integer as live,
                coalesce(sum(part.samples) filter (where part.operand = 0), 0)::integer as samples,
                sum(part.value) filter (where part.operand = 1) as divisor,
                sum(part.value) filter (where part.operand = 2) as guard,
                max(part.last_at) filter (where part.operand = 0) as last_at
            from part
            group by part.rule_no, part.label_key
        )
        select label_set.rule_no, label_set.label_key, label_set.series_ids,
            monitoring_internal.combine_label_set(
                rule.condition_type, rule.group_aggregate, label_set.mean, label_set.least, label_set.most,
                label_set.total, label_set.live, label_set.divisor, rule.scale),
            label_set.samples, rule.expected_count * greatest(label_set.live, 1), label_set.last_at,
            coalesce(rule.least_activity is not null and coalesce(label_set.guard < rule.least_activity, true), false)
                or coalesce(label_set.divisor < rule.least_divisor, false)
        from label_set
        inner join rule on rule.rule_no = label_set.rule_no;
end;
$$;

comment on function monitoring_internal.measure_compound_rules(integer[], timestamptz, timestamptz) is
    'What rules over groups, ratios and rules with a guard found for their label sets.';
