-- alerting/read_threshold.sql: what the samples of series come to in nested windows.
-- Owns window_measures, fold_rule_series, fold_rule_steps. Writes nothing.
-- Any number of callers at once. Rules share one look at each series, whatever their windows and aggregates.

-- What a window of a series comes to, in the order of alert_rule_levels.aggregate_no: count, avg, min, max, sum, last,
-- delta, stddev, increase, rate. The window is the last p_samples of the p_read points.
create or replace function monitoring_internal.window_measures(
    p_points double precision[], p_read bigint, p_samples bigint, p_mean double precision, p_least double precision,
    p_most double precision, p_total double precision, p_deviation double precision, p_increase double precision,
    p_span interval)
returns double precision[]
language sql immutable parallel safe
begin atomic
    select array[
        p_samples, p_mean, p_least, p_most, p_total, case when p_samples > 0 then p_points[p_read] end,
        p_points[p_read] - p_points[p_read - p_samples + 1], p_deviation, p_increase,
        p_increase / nullif(extract(epoch from p_span), 0)::double precision];
end;

comment on function monitoring_internal.window_measures(
    double precision[], bigint, bigint, double precision, double precision, double precision, double precision,
    double precision, double precision, interval) is
    'What a window of a series comes to: count, avg, min, max, sum, last, delta, stddev, increase, rate.';

-- Fold the samples of every series that rules read, in up to three windows that end together, the longest first. One
-- look-up a series by the key of samples, whose cost does not depend on how full a day's partition is: nothing else
-- can hold these windows, or fold_packed_series reads them. What a window
-- comes to does not depend on which others are read beside it: a replay of one rule finds the same.
create or replace function monitoring_internal.fold_rule_series(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns setof monitoring_internal.sample_fold
language plpgsql stable parallel restricted rows 100000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
    v_1 constant timestamptz := p_starts[1];
    -- No sample lies in a window that is not asked for.
    v_2 constant timestamptz := coalesce(p_starts[2], 'infinity');
    v_3 constant timestamptz := coalesce(p_starts[3], 'infinity');
begin
    if v_1 < monitoring_internal.raw_from() or p_end_at >= monitoring_internal.appended_since() then
        return query select * from monitoring_internal.fold_packed_series(p_rules, p_starts, p_end_at);
        return;
    end if;
    return query
        select wanted.series_id, read.last_at, array[
            monitoring_internal.window_measures(
                points, n_1, n_1, mean_1, least_1, most_1, total_1, deviation_1, step.rise[1], step.spans[1]),
            monitoring_internal.window_measures(
                points, n_1, n_2, mean_2, least_2, most_2, total_2, deviation_2, step.rise[2], step.spans[2]),
            monitoring_internal.window_measures(
                points, n_1, n_3, mean_3, least_3, most_3, total_3, deviation_3, step.rise[3], step.spans[3])]
        from (
            select binding.series_id, p_end_at - max(rule.evaluation_window) as from_at
            from monitoring.alert_bindings as binding
            inner join monitoring.alert_rules as rule on rule.rule_no = binding.rule_no
            where rule.rule_no = any (p_rules)
            group by binding.series_id
            order by binding.series_id -- Neighbours share pages: so it takes half the time.
        ) as wanted
        cross join lateral (
            select array_agg(v) as points, max(at) as last_at, count(*) as n_1, avg(v) as mean_1, min(v) as least_1,
                max(v) as most_1, sum(v) as total_1, stddev_pop(v) as deviation_1,
                count(*) filter (where is_2) as n_2, avg(v) filter (where is_2) as mean_2,
                min(v) filter (where is_2) as least_2, max(v) filter (where is_2) as most_2,
                sum(v) filter (where is_2) as total_2, stddev_pop(v) filter (where is_2) as deviation_2,
                count(*) filter (where is_3) as n_3, avg(v) filter (where is_3) as mean_3,
                min(v) filter (where is_3) as least_3, max(v) filter (where is_3) as most_3,
                sum(v) filter (where is_3) as total_3, stddev_pop(v) filter (where is_3) as deviation_3
            from (
                select point.value as v, point.sampled_at as at, point.sampled_at > v_2 as is_2,
                    point.sampled_at > v_3 as is_3
                from monitoring.samples as point
                where point.series_id = wanted.series_id and point.sampled_at > wanted.from_at
                    and point.sampled_at > v_1 and point.sampled_at <= p_end_at
                order by point.sampled_at) as sample
        ) as read
        left join monitoring_internal.fold_rule_steps(p_rules, p_starts, p_end_at) as step
            on step.series_id = wanted.series_id;
end;
$$;

comment on function monitoring_internal.fold_rule_series(integer[], timestamptz[], timestamptz) is
    'What the samples of each series that rules read come to in nested windows.';

-- By how much the counters among these series rose in the same windows, and in what time. A step belongs to the window
-- it ends in: it may have begun one distance before.
create or replace function monitoring_internal.fold_rule_steps(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns table (series_id integer, rise double precision[], spans interval[])
language plpgsql stable parallel restricted rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
set enable_bitmapscan = off
set enable_seqscan = off
as $$
declare
    v_1 constant timestamptz := p_starts[1];
    v_2 constant timestamptz := coalesce(p_starts[2], 'infinity');
    v_3 constant timestamptz := coalesce(p_starts[3], 'infinity');
    v_from timestamptz;
    v_stepwise integer[];
begin
    select v_1 - coalesce(1.5 * max(level.spacing), '0'), array_agg(level.rule_no) into v_from, v_stepwise
    from monitoring_internal.alert_rule_levels as level
    where level.rule_no = any (p_rules) and level.is_stepwise;
    if v_stepwise is null then
        return;
    elsif v_from < monitoring_internal.raw_from() or p_end_at >= monitoring_internal.appended_since() then
        return query select * from monitoring_internal.fold_packed_steps(p_rules, p_starts, p_end_at);
        return;
    end if;
    return query
        select wanted.series_id, walked.rise, walked.spans
        from (
            select binding.series_id, p_end_at - max(rule.evaluation_window) as from_at,
                coalesce(1.5 * max(state.spacing), '0') as distance
            from monitoring.alert_bindings as binding
            inner join monitoring.alert_rules as rule on rule.rule_no = binding.rule_no
            inner join monitoring.alert_rule_states as state on state.rule_no = binding.rule_no
            where rule.rule_no = any (v_stepwise)
            group by binding.series_id
            order by binding.series_id
        ) as wanted
        cross join lateral (
            select array[
                    coalesce(sum(step) filter (where at > v_1 and before_at > v_1 - distance), 0),
                    coalesce(sum(step) filter (where at > v_2 and before_at > v_2 - distance), 0),
                    coalesce(sum(step) filter (where at > v_3 and before_at > v_3 - distance), 0)] as rise,
                array[
                max(at) - min(case when before_at > v_1 - distance then before_at else at end) filter (where at > v_1),
                max(at) - min(case when before_at > v_2 - distance then before_at else at end) filter (where at > v_2),
                max(at) - min(case when before_at > v_3 - distance then before_at else at end) filter (where at > v_3)
                ] as spans
            from (
                select point.sampled_at as at, lag(point.sampled_at) over in_order as before_at,
                    -- What is less than before began anew, from zero.
                    point.value - case when point.value >= lag(point.value) over in_order
                        then lag(point.value) over in_order else 0 end as step
                from monitoring.samples as point
                where point.series_id = wanted.series_id and point.sampled_at > wanted.from_at - wanted.distance
                    and point.sampled_at > v_from and point.sampled_at <= p_end_at
                window in_order as (order by point.sampled_at)) as walk
        ) as walked;
end;
$$;

comment on function monitoring_internal.fold_rule_steps(integer[], timestamptz[], timestamptz) is
    'By how much counters rose in each window, and in what time; those begun anew are seen through.';
