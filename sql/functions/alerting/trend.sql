-- alerting/trend.sql: rules on slopes, on change against an earlier window, and on the time left to a limit.
-- Owns student_factor, hours_to_limit, trend_fits_at, trend_slopes_at, trend_changes_at, trend_readings_at,
-- read_trend_rules_at. Writes nothing. Concurrency: any number of callers; reads one snapshot.

-- The factor of Student's distribution for a confidence of 0.8, 0.9, 0.95 or 0.99, within half a percent from four
-- degrees of freedom on.
create or replace function monitoring_internal.student_factor(p_confidence double precision, p_freedom double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select normal.z + (normal.z ^ 3 + normal.z) / (4 * p_freedom)
        + (5 * normal.z ^ 5 + 16 * normal.z ^ 3 + 3 * normal.z) / (96 * p_freedom ^ 2)
        + (3 * normal.z ^ 7 + 19 * normal.z ^ 5 + 17 * normal.z ^ 3 - 15 * normal.z) / (384 * p_freedom ^ 3)
    from (
        select case p_confidence when 0.8 then 1.281552 when 0.9 then 1.644854 when 0.99 then 2.575829
            else 1.959964 end::double precision
    ) as normal (z);
end;

comment on function monitoring_internal.student_factor(double precision, double precision) is
    'Two-sided factor of Student''s distribution, for confidence 0.8, 0.9, 0.95 or 0.99.';

-- Hours from the mean of the times until the nearer edge of the prediction bound meets a limit; null when the slope
-- does not lead there, or cannot be told from none.
-- The edge is where (d - b u)^2 = k^2 (1 + 1/n + u^2/sxx): d the way to the limit, b the slope, both taken upwards.
create or replace function monitoring_internal.hours_to_limit(
    p_distance double precision, p_slope double precision, p_spread double precision, p_sxx double precision,
    p_count double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case when p_slope > 0 and p_sxx > 0 and p_slope ^ 2 > p_spread ^ 2 / p_sxx then
        (p_distance * p_slope - sqrt(greatest(
            p_spread ^ 2 / p_sxx * p_distance ^ 2
                + p_spread ^ 2 * (1 + 1 / p_count) * (p_slope ^ 2 - p_spread ^ 2 / p_sxx), 0)))
        / (p_slope ^ 2 - p_spread ^ 2 / p_sxx)
    end;
end;

comment on function monitoring_internal.hours_to_limit(
    double precision, double precision, double precision, double precision, double precision) is
    'Hours from the mean of the times to where the nearer edge of a prediction bound meets a limit; null for never.';

-- Lines through the points of each label set. Times are hours since the window began: seconds since 1970 squared would
-- cost the digits that matter.
create or replace function monitoring_internal.trend_fits_at(p_now timestamptz, p_rules integer[])
returns table (
    rule_no integer, label_key uuid, definition jsonb, sampled_at timestamptz, sample_count integer,
    slope double precision, mean double precision, mean_hours double precision, sxx double precision,
    sigma double precision, span_hours double precision, period_hours double precision)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with span as materialized (
        select rule.rule_no, rule.condition_definition as definition, p_now - rule.evaluation_delay as until_at,
            p_now - rule.evaluation_delay - coalesce(rule.trend_period, rule.evaluation_window) as from_at
        from monitoring.alert_rules as rule
        where rule.rule_no = any (p_rules) and rule.condition_type = 'trend'
            and rule.condition_definition ->> 'trend' in ('slope', 'time_to')
    ),
    fitted as (
        select point.rule_no, point.label_key, max(point.sampled_at) as sampled_at, count(*) as sample_count,
            regr_slope(point.value, hour.number) as slope, avg(point.value) as mean, avg(hour.number) as mean_hours,
            regr_sxx(point.value, hour.number) as sxx, regr_syy(point.value, hour.number) as syy,
            max(hour.number) - min(hour.number) as span_hours
        from (
            select array_agg(span.rule_no) as rules, array_agg(span.from_at) as from_at,
                array_agg(span.until_at) as until_at
            from span
        ) as wanted
        cross join lateral monitoring_internal.rule_points(wanted.rules, wanted.from_at, wanted.until_at) as point
        inner join span on span.rule_no = point.rule_no
        cross join lateral (
            select extract(epoch from point.sampled_at - span.from_at)::double precision / 3600) as hour (number)
        group by point.rule_no, point.label_key
    )
    select fitted.rule_no, fitted.label_key, span.definition, fitted.sampled_at, fitted.sample_count::integer,
        fitted.slope, fitted.mean, fitted.mean_hours, fitted.sxx,
        case when fitted.sample_count > 2 then
            sqrt(greatest(fitted.syy - fitted.slope ^ 2 * fitted.sxx, 0) / (fitted.sample_count - 2)) end,
        fitted.span_hours, period.hours
    from fitted
    inner join span on span.rule_no = fitted.rule_no
    cross join lateral (
        select extract(epoch from span.until_at - span.from_at)::double precision / 3600) as period (hours);
end;
$$;

comment on function monitoring_internal.trend_fits_at(timestamptz, integer[]) is
    'Line through the points of each label set of the rules on slopes and on the time to a limit.';

-- What rules on slopes and on the time to a limit find. Too few points, or points over less than half of the window,
-- are no verdict.
create or replace function monitoring_internal.trend_slopes_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select fit.rule_no, fit.label_key, null::uuid, null::jsonb,
        case when fault.reason is not null then null
            when kind.is_slope then fit.slope
            when left_over.hours is null then 'Infinity'
            else greatest(left_over.hours * 3600, 0) end,
        null::smallint, null::smallint, null::timestamptz, fit.sampled_at, fit.sample_count, null::integer,
        null::double precision, null::text,
        jsonb_strip_nulls(jsonb_build_object(
            'trend', fit.definition ->> 'trend', 'slope_per_hour', fit.slope, 'residual', fit.sigma,
            'points', fit.sample_count, 'span_hours', round(fit.span_hours::numeric, 4),
            'value_by_trend', fit.mean + fit.slope * (fit.period_hours - fit.mean_hours),
            'limit', fit.definition -> 'limit', 'no_verdict', fault.reason))
    from monitoring_internal.trend_fits_at(p_now, p_rules) as fit
    cross join lateral (
        select fit.definition ->> 'trend' = 'slope' as is_slope,
            (fit.definition ->> 'limit')::double precision as limit_value,
            case coalesce(fit.definition ->> 'direction',
                case when (fit.definition ->> 'limit')::double precision = 0 then 'down' else 'up' end)
                when 'down' then -1 else 1 end as sign
    ) as kind
    cross join lateral (
        select case
            when fit.sample_count < coalesce((fit.definition ->> 'min_samples')::numeric, 5)
            then 'only ' || fit.sample_count || ' samples'
            when fit.span_hours < fit.period_hours / 2 then 'samples over less than half of the window'
            when fit.slope is null then 'all samples of one moment'
        end as reason
    ) as fault
    cross join lateral (
        select case when kind.sign * fit.slope >= coalesce((fit.definition ->> 'min_rise')::double precision, 0) then
            monitoring_internal.hours_to_limit(
                kind.sign * (kind.limit_value - fit.mean), kind.sign * fit.slope,
                fit.sigma * monitoring_internal.student_factor(
                    coalesce((fit.definition ->> 'confidence')::double precision, 0.95),
                    greatest(fit.sample_count - 2, 1)),
                fit.sxx, fit.sample_count)
            - (fit.period_hours - fit.mean_hours) end as hours
    ) as left_over;
end;
$$;

comment on function monitoring_internal.trend_slopes_at(timestamptz, integer[]) is
    'Slopes per hour, or seconds to a limit, by label set.';

-- What rules on change find: the window's aggregate against that of the window which ended trend_period before.
create or replace function monitoring_internal.trend_changes_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with span as materialized (
        select rule.rule_no, rule.aggregate, rule.condition_definition ->> 'trend' as trend, earlier.is_earlier,
            bound.until_at, bound.until_at - rule.evaluation_window as from_at
        from monitoring.alert_rules as rule
        cross join (values (false), (true)) as earlier (is_earlier)
        cross join lateral (
            select p_now - rule.evaluation_delay - case when earlier.is_earlier
                then coalesce(rule.trend_period, rule.evaluation_window) else interval '0' end as until_at) as bound
        where rule.rule_no = any (p_rules) and rule.condition_type = 'trend'
            and rule.condition_definition ->> 'trend' in ('change', 'change_percent')
    ),
    folded as (
        select point.rule_no, point.label_key, span.trend, span.is_earlier, max(point.sampled_at) as sampled_at,
            count(*) as sample_count,
            case span.aggregate
                when 'min' then min(point.value) when 'max' then max(point.value)
                when 'count' then count(*) when 'stddev' then stddev_samp(point.value)
                when 'last' then (array_agg(point.value order by point.sampled_at desc))[1]
                when 'avg' then avg(point.value) when 'rate' then avg(point.value) else sum(point.value)
            end as value
        from (
            select array_agg(span.rule_no) as rules, array_agg(span.from_at) as from_at,
                array_agg(span.until_at) as until_at
            from span
        ) as wanted
        cross join lateral monitoring_internal.rule_points(wanted.rules, wanted.from_at, wanted.until_at) as point
        inner join span on span.rule_no = point.rule_no and span.until_at = point.until_at
        group by point.rule_no, point.label_key, span.trend, span.is_earlier, span.aggregate
    )
    select present.rule_no, present.label_key, null::uuid, null::jsonb,
        case when present.trend = 'change' then present.value - earlier.value
            when present.value = earlier.value then 0
            when earlier.value <> 0 then (present.value - earlier.value) / abs(earlier.value) * 100 end,
        null::smallint, null::smallint, null::timestamptz, present.sampled_at, present.sample_count::integer,
        null::integer, null::double precision, null::text,
        jsonb_strip_nulls(jsonb_build_object(
            'trend', present.trend, 'now', present.value, 'before', earlier.value, 'no_verdict', case
                when earlier.value is null then 'no samples in the earlier window'
                when present.trend = 'change_percent' and earlier.value = 0 and present.value <> 0
                then 'it was zero before: no percentage' end))
    from folded as present
    left join folded as earlier
        on earlier.rule_no = present.rule_no and earlier.label_key = present.label_key and earlier.is_earlier
    where not present.is_earlier;
end;
$$;

comment on function monitoring_internal.trend_changes_at(timestamptz, integer[]) is
    'Change against an earlier window, by label set.';

-- Readings of trend rules: all of them when complete, else those that matter.
create or replace function monitoring_internal.trend_readings_at(
    p_now timestamptz, p_rules integer[], p_is_complete boolean)
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select * from monitoring_internal.judge_findings(p_now, p_rules, 'trend', array(
        select finding from monitoring_internal.trend_slopes_at(p_now, p_rules) as finding
        union all
        select finding from monitoring_internal.trend_changes_at(p_now, p_rules) as finding), p_is_complete);
end;
$$;

comment on function monitoring_internal.trend_readings_at(timestamptz, integer[], boolean) is
    'Readings of trend rules.';

-- Those that matter, for the evaluator.
create or replace function monitoring_internal.read_trend_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select * from monitoring_internal.trend_readings_at(p_now, p_rules, false);
end;
$$;

comment on function monitoring_internal.read_trend_rules_at(timestamptz, integer[]) is
    'Readings of trend rules that matter to the evaluator.';
