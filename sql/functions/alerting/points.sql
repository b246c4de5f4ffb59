-- alerting/points.sql: the samples that trend, anomaly and pattern rules judge, and by which levels.
-- Owns rule_points, effective_levels. Writes nothing.
-- Concurrency: any number of callers; reads one snapshot.

-- The points of each rule and label set in (from, until]: samples, or the steps between them for rate, increase and
-- delta; a grouped rule's are made of minutes. Rules that look at a series over one window share its scan.
create or replace function monitoring_internal.rule_points(
    p_rules integer[], p_from timestamptz[], p_until timestamptz[], p_keys uuid[] default null)
returns table (rule_no integer, label_key uuid, until_at timestamptz, sampled_at timestamptz, value double precision)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare v_is_raw constant boolean := monitoring_internal.raw_from() <= all (p_from)
    and monitoring_internal.appended_since() > all (p_until);
begin return query
    with wanted as materialized (
        select rule.rule_no, rule.aggregate, rule.group_by is not null as is_grouped, rule.group_aggregate,
            binding.label_key, binding.series_id, span.from_at, span.until_at
        from unnest(p_rules, p_from, p_until) as span (rule_no, from_at, until_at)
        inner join monitoring.alert_rules as rule on rule.rule_no = span.rule_no
        inner join monitoring.alert_bindings as binding on binding.rule_no = rule.rule_no and binding.operand = 0
            and (p_keys is null or binding.label_key = any (p_keys))
    ),
    scanned as (
        select shared.series_id, shared.from_at, shared.until_at, point.*
        from (select distinct wanted.series_id, wanted.from_at, wanted.until_at from wanted) as shared
        left join monitoring_internal.appended_windows(monitoring_internal.bound_series(p_rules),
            (select min(span.at) from unnest(p_from) as span (at)),
            (select max(span.at) from unnest(p_until) as span (at))) as tail on tail.series_id = shared.series_id
        cross join lateral (
            select sample.sampled_at, sample.value, lag(sample.value) over earlier as previous,
                extract(epoch from sample.sampled_at - lag(sample.sampled_at) over earlier)::double precision as seconds
            from monitoring_internal.known_window_points(shared.series_id, shared.from_at,
                shared.until_at, v_is_raw, tail.times, tail.point_values) as sample
            window earlier as (order by sample.sampled_at)) as point
    ), point as (
        select wanted.rule_no, wanted.label_key, wanted.until_at, wanted.is_grouped, wanted.group_aggregate,
            wanted.series_id, scanned.sampled_at,
            case wanted.aggregate
                when 'delta' then scanned.value - scanned.previous
                when 'increase' then scanned.value - scanned.previous * (scanned.value >= scanned.previous)::integer
                when 'rate' then
                    (scanned.value - scanned.previous * (scanned.value >= scanned.previous)::integer) / scanned.seconds
                else scanned.value
            end as value
        from wanted
        inner join scanned on scanned.series_id = wanted.series_id and scanned.from_at = wanted.from_at
            and scanned.until_at = wanted.until_at
    ),
    minute as (
        select point.rule_no, point.label_key, point.until_at, point.group_aggregate, point.series_id,
            floor(extract(epoch from point.until_at - point.sampled_at) / 60) as number,
            max(point.sampled_at) as sampled_at, avg(point.value) as value
        from point where point.is_grouped and point.value is not null
        group by 1, 2, 3, 4, 5, 6
    )
    select point.rule_no, point.label_key, point.until_at, point.sampled_at, point.value
    from point where not point.is_grouped and point.value is not null
    union all
    select minute.rule_no, minute.label_key, minute.until_at, max(minute.sampled_at), case minute.group_aggregate
        when 'avg' then avg(minute.value) when 'min' then min(minute.value) when 'max' then max(minute.value)
        when 'sum' then sum(minute.value) else count(*) end
    from minute
    group by minute.rule_no, minute.label_key, minute.until_at, minute.group_aggregate, minute.number;
end;
$$;

comment on function monitoring_internal.rule_points(integer[], timestamptz[], timestamptz[], uuid[]) is
    'Points of rules after one time and up to another, by label set; of all label sets, or of those given.';

-- By what the value of a trend, anomaly or pattern rule is judged: operator and thresholds, with their defaults.
create or replace function monitoring_internal.effective_levels(p_rule monitoring.alert_rules,
    out operator text, out warning double precision, out critical double precision)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        case when p_rule.condition_type = 'anomaly' then 'gte'
            else coalesce(p_rule.comparison_operator, 'gte') end,
        case when p_rule.condition_type <> 'anomaly' then p_rule.warning_threshold
            when p_rule.warning_threshold is null and p_rule.critical_threshold is null then norm.factor
            else p_rule.warning_threshold end,
        case when p_rule.condition_type = 'anomaly' and p_rule.warning_threshold is null
                and p_rule.critical_threshold is null then 1.5 * norm.factor
            when p_rule.pattern_definition ->> 'pattern' = 'sequence' and p_rule.warning_threshold is null
            then coalesce(p_rule.critical_threshold, 1)
            else p_rule.critical_threshold end
    from (select 2 + 4 * (1 - coalesce(p_rule.anomaly_sensitivity, 0.5))) as norm (factor);
$$;

comment on function monitoring_internal.effective_levels(monitoring.alert_rules) is
    'Operator and thresholds by which a rule''s value is judged, with their defaults.';
