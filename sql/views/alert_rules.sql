-- views/alert_rules.sql: alert rules as evaluation reads them.

create or replace view monitoring_internal.alert_rule_operands as
select rule.rule_no, rule.tenant_id, 0::smallint as operand, rule.metric_name as metric, rule.matchers,
    rule.group_by, null::text[] as matched_on
from monitoring.alert_rules as rule
where rule.metric_name is not null
union all
select rule.rule_no, rule.tenant_id, 1::smallint, divisor.metric,
    coalesce(rule.condition_definition -> 'denominator_matchers', '{}'), rule.group_by, matched.labels
from monitoring.alert_rules as rule
cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(rule.condition_definition -> 'denominator')
        when 'array' then rule.condition_definition -> 'denominator'
        else jsonb_build_array(rule.condition_definition -> 'denominator')
    end) as divisor (metric)
cross join lateral (
    select case when rule.condition_definition ? 'on' then array(
        select label.name
        from jsonb_array_elements_text(rule.condition_definition -> 'on') as label (name)) end as labels
) as matched
where rule.condition_type = 'ratio'
union all
select rule.rule_no, rule.tenant_id, 2::smallint, guard.definition ->> 'metric',
    coalesce(guard.definition -> 'matchers', '{}'), rule.group_by, matched.labels
from monitoring.alert_rules as rule
cross join lateral (select rule.condition_definition -> 'guard') as guard (definition)
cross join lateral (
    select case when guard.definition ? 'on' then array(
        select label.name
        from jsonb_array_elements_text(guard.definition -> 'on') as label (name)) end as labels
) as matched
where jsonb_typeof(guard.definition) = 'object' and rule.condition_type in ('threshold', 'ratio');

comment on view monitoring_internal.alert_rule_operands is
    'The metrics that each rule reads: 0 its own, 1 what a ratio divides by, 2 that of its guard. '
    'matched_on: labels that must be equal to those of the label set; null for all that the series has.';

create or replace view monitoring_internal.alert_rule_levels as
select
    rule.rule_no,
    rule.tenant_id,
    rule.condition_type,
    rule.metric_name,
    rule.aggregate,
    rule.group_by,
    rule.group_aggregate,
    rule.evaluation_window,
    rule.evaluation_delay,
    rule.condition_definition,
    coalesce(rule.comparison_operator, 'gt') as comparison_operator,
    rule.warning_threshold,
    rule.critical_threshold,
    rule.warning_recovery,
    rule.critical_recovery,
    coalesce((rule.condition_definition ->> 'epsilon')::double precision, 1e-6) as epsilon,
    case
        when rule.comparison_operator in ('gt', 'gte') then least(rule.warning_threshold, rule.critical_threshold)
        when rule.comparison_operator in ('lt', 'lte') then greatest(rule.warning_threshold, rule.critical_threshold)
    end as mildest_threshold,
    state.spacing,
    expected.samples as expected_count,
    greatest(1, ceil(rule.min_coverage * coalesce(expected.samples, 1)))::integer as minimum_count,
    rule.min_coverage,
    -- None is a count too.
    rule.aggregate = 'count' or rule.group_by is not null and rule.group_aggregate = 'count' as is_counting,
    coalesce((rule.condition_definition ->> 'scale')::double precision, 1) as scale,
    array_position(place.names, rule.aggregate) as aggregate_no,
    array_position(place.names, coalesce(rule.condition_definition #>> '{guard,aggregate}', 'last')) as guard_no,
    (rule.condition_definition #>> '{guard,at_least}')::double precision as least_activity,
    (rule.condition_definition ->> 'min_denominator')::double precision as least_divisor,
    rule.condition_type = 'threshold' and rule.group_by is null
        and not rule.condition_definition ? 'guard' as is_plain,
    rule.aggregate in ('rate', 'increase')
        or rule.condition_definition #>> '{guard,aggregate}' in ('rate', 'increase') as is_stepwise
from monitoring.alert_rules as rule
inner join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
cross join lateral (
    select greatest(1, floor(
        extract(epoch from rule.evaluation_window) / extract(epoch from state.spacing)))::integer as samples
    where state.spacing > interval '0'
    union all
    select null
    where state.spacing is null or state.spacing <= interval '0'
) as expected
cross join (
    select array['count', 'avg', 'min', 'max', 'sum', 'last', 'delta', 'stddev', 'increase', 'rate'] as names
) as place;

comment on view monitoring_internal.alert_rule_levels is
    'Rules as a reading needs them: thresholds, how many samples are expected in the window, how many are enough.';
