-- alerting/read_packed.sql: what rules read of days that are packed, or about to be, or of append mode.
-- Owns bound_series, fold_packed_series, fold_packed_steps: read_threshold.sql's own words over another source.
-- Writes nothing. Concurrency: any number of callers; reads one snapshot.

-- The series that some rules look at.
create or replace function monitoring_internal.bound_series(p_rules integer[])
returns integer[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(distinct binding.series_id), '{}')
    from monitoring.alert_bindings as binding where binding.rule_no = any (p_rules);
$$;

comment on function monitoring_internal.bound_series(integer[]) is 'Series of the bindings of some rules.';

-- fold_rule_series where windows begin before raw_from(), or have samples of append mode. Apart from it, since its plan
-- costs the many series of a live evaluation a tenth more, even where it finds no block to look at.
create or replace function monitoring_internal.fold_packed_series(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns setof monitoring_internal.sample_fold
language plpgsql stable parallel restricted rows 100000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
declare
    v_1 constant timestamptz := p_starts[1];
    -- No sample lies in a window that is not asked for.
    v_2 constant timestamptz := coalesce(p_starts[2], 'infinity');
    v_3 constant timestamptz := coalesce(p_starts[3], 'infinity');
begin
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
        left join monitoring_internal.appended_windows(monitoring_internal.bound_series(p_rules), v_1, p_end_at)
            as tail on tail.series_id = wanted.series_id
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
                from monitoring_internal.joined_points(wanted.series_id, greatest(wanted.from_at, v_1), p_end_at,
                    tail.times, tail.point_values) as point
                order by point.sampled_at) as sample
        ) as read
        left join monitoring_internal.fold_packed_steps(p_rules, p_starts, p_end_at) as step
            on step.series_id = wanted.series_id;
end;
$$;

comment on function monitoring_internal.fold_packed_series(integer[], timestamptz[], timestamptz) is
    'What the samples of each series that rules read come to in nested windows, whatever form samples have.';

-- fold_rule_steps, likewise.
create or replace function monitoring_internal.fold_packed_steps(
    p_rules integer[], p_starts timestamptz[], p_end_at timestamptz)
returns table (series_id integer, rise double precision[], spans interval[])
language plpgsql stable parallel restricted rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
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
        left join monitoring_internal.appended_windows(monitoring_internal.bound_series(p_rules), v_from, p_end_at)
            as tail on tail.series_id = wanted.series_id
        cross join lateral (
            select array[
                    coalesce(sum(step) filter (where at > v_1 and before_at > v_1 - distance), 0),
                    coalesce(sum(step) filter (where at > v_2 and before_at > v_2 - distance), 0),
                    coalesce(sum(step) filter (where at > v_3 and before_at > v_3 - distance), 0)] as rise,
                array[
                    max(at) - min(case when before_at > v_1 - distance then before_at else at end)
                        filter (where at > v_1),
                    max(at) - min(case when before_at > v_2 - distance then before_at else at end)
                        filter (where at > v_2),
                    max(at) - min(case when before_at > v_3 - distance then before_at else at end)
                        filter (where at > v_3)] as spans
            from (
                select point.sampled_at as at, lag(point.sampled_at) over in_order as before_at,
                    -- What is less than before began anew, from zero.
                    point.value - case when point.value >= lag(point.value) over in_order
                        then lag(point.value) over in_order else 0 end as step
                from monitoring_internal.joined_points(wanted.series_id,
                    greatest(wanted.from_at - wanted.distance, v_from), p_end_at,
                    tail.times, tail.point_values) as point
                window in_order as (order by point.sampled_at)) as walk
        ) as walked;
end;
$$;

comment on function monitoring_internal.fold_packed_steps(integer[], timestamptz[], timestamptz) is
    'By how much counters rose in each window, and in what time, whatever form samples have.';
