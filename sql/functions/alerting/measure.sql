-- alerting/measure.sql: what threshold and ratio rules measure for their label sets.
-- Owns measure_plain_rules, measure_compound_rules. Writes nothing.
-- Any number of callers at once. Rules of nested windows that end together are measured at once.

-- Threshold rules whose label sets are single series: the many. Of the healthy only those that were not are returned.
create or replace function monitoring_internal.measure_plain_rules(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns setof monitoring_internal.rule_value
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '128MB'
as $$
begin
    return query
        with pair as (
            select binding.rule_no, binding.label_key, binding.series_id, fold.last_at,
                fold.measures[rule.place][1]::integer as samples,
                fold.measures[rule.place][rule.aggregate_no] as value,
                rule.comparison_operator, rule.warning_threshold, rule.critical_threshold, rule.mildest_threshold,
                rule.epsilon, rule.expected_count, rule.minimum_count
            from monitoring.alert_bindings as binding
            -- Distinct they are as it is: so the planner knows, and does not hash the bindings instead.
            inner join (
                select distinct on (level.rule_no) level.*,
                    array_position(p_starts, p_end_at - level.evaluation_window) as place
                from monitoring_internal.alert_rule_levels as level
                where level.rule_no = any (p_rules)
            ) as rule on rule.rule_no = binding.rule_no
            inner join (
                select distinct on (series.series_id) series.*
                from monitoring_internal.fold_rule_series(p_rules, p_starts, p_end_at) as series
            ) as fold on fold.series_id = binding.series_id
        )
        select pair.rule_no, pair.label_key, array[pair.series_id], pair.value, pair.samples, pair.expected_count,
            case when pair.samples > 0 then pair.last_at end, false
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

comment on function monitoring_internal.measure_plain_rules(integer[], timestamptz[], timestamptz) is
    'What rules found for the series that breach, that lack samples, or that were not well before.';

-- Rules over groups, ratios, and rules with a guard.
create or replace function monitoring_internal.measure_compound_rules(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns setof monitoring_internal.rule_value
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
begin
    return query
        with rule as materialized (
            select level.*, array_position(p_starts, p_end_at - level.evaluation_window) as place
            from monitoring_internal.alert_rule_levels as level
            where level.rule_no = any (p_rules)
        ),
        part as (
            select binding.rule_no, binding.label_key, binding.operand, fold.series_id, fold.last_at,
                fold.measures[rule.place][1]::integer as samples,
                fold.measures[rule.place][
                    case binding.operand when 2 then rule.guard_no else rule.aggregate_no end] as value
            from monitoring.alert_bindings as binding
            -- Distinct for the planner, as above.
            inner join (select distinct on (known.rule_no) known.* from rule as known) as rule
                on rule.rule_no = binding.rule_no
            inner join (
                select distinct on (series.series_id) series.*
                from monitoring_internal.fold_rule_series(p_rules, p_starts, p_end_at) as series
            ) as fold on fold.series_id = binding.series_id
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
                max(part.last_at) filter (where part.operand = 0 and part.samples > 0) as last_at
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

comment on function monitoring_internal.measure_compound_rules(integer[], timestamptz[], timestamptz) is
    'What rules over groups, ratios and rules with a guard found for their label sets.';
