-- alerting/read_judge.sql: from what rules measured to readings.
-- Owns combine_label_set, had_samples, judge_rule_values.
-- Writes nothing. Any number of callers at once.

-- The value of a label set: of its series by the group's aggregate, or the sum of a ratio by that of its divisors.
create or replace function monitoring_internal.combine_label_set(
    p_condition_type text, p_group_aggregate text, p_mean double precision, p_least double precision,
    p_most double precision, p_total double precision, p_live integer, p_divisor double precision,
    p_scale double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        -- Nothing by nothing is no number, and no error.
        when p_condition_type = 'ratio' then p_total / nullif(p_divisor, 0) * p_scale
        when p_group_aggregate = 'avg' then p_mean
        when p_group_aggregate = 'min' then p_least
        when p_group_aggregate = 'max' then p_most
        when p_group_aggregate = 'sum' then p_total
        else p_live
    end;
end;

comment on function monitoring_internal.combine_label_set(
    text, text, double precision, double precision, double precision, double precision, integer, double precision,
    double precision) is 'The value of a label set from what its series came to; null for a divisor of zero.';

-- Whether any of some series had a sample in a stretch before a time.
create or replace function monitoring_internal.had_samples(
    p_series_ids integer[], p_before timestamptz, p_stretch interval)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select 1
        from unnest(p_series_ids) as member (series_id)
        cross join lateral (
            select 1
            from monitoring_internal.read_points(
                array[member.series_id], p_before - p_stretch, p_before + interval '1 us') as sample
            where sample.sampled_at > p_before - p_stretch
            limit 1
        ) as earlier);
$$;

comment on function monitoring_internal.had_samples(integer[], timestamptz, interval) is
    'Whether any of the series has a sample in the stretch before a time.';

-- Judge what was measured, and leave out what is well and was before.
-- Too few samples are no data only where there were samples before the window: what is new is judged by what there is.
create or replace function monitoring_internal.judge_rule_values(
    p_values monitoring_internal.rule_value[], p_end_at timestamptz)
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
    v_forget constant interval := monitoring_internal.setting_interval('alerting.forget_series_after');
    v_raw_from constant timestamptz := monitoring_internal.raw_from();
begin
    return query -- Offset 0: what others stand on is reckoned once.
        select found.rule_no, found.label_key, series.tenant_id, case when level.group_by is null then series.labels
                else monitoring_internal.alert_group_labels(series.labels, level.group_by) end,
            found.value, judged.breached, judged.held,
            case when judged.breached > 0 then coalesce(
                -- Where single values are compared: the first sample after the last that did not pass.
                case when level.is_plain and level.aggregate in ('avg', 'min', 'max', 'last') then (
                    select min(walk.at)
                    from (
                        select point.sampled_at as at, max(point.sampled_at) filter (
                            where monitoring_internal.alert_level(point.value, level.comparison_operator, null,
                                chosen.threshold, level.epsilon) = 0) over () as sound_at
                        from monitoring_internal.window_points(found.series_ids[1], p_end_at - level.evaluation_window,
                            p_end_at, p_end_at - level.evaluation_window >= v_raw_from) as point) as walk
                    where walk.at > coalesce(walk.sound_at, '-infinity')) end, found.last_at) end,
            found.last_at, found.samples, found.expected, chosen.threshold,
            case when verdict.is_missing then 'no_data' else 'data' end,
            case when judged.breached > 0 or verdict.is_missing then jsonb_build_object(
                'metric', level.metric_name, 'aggregate', level.aggregate, 'window', level.evaluation_window,
                'operator', level.comparison_operator, 'series', cardinality(found.series_ids),
                'from', p_end_at - level.evaluation_window, 'until', p_end_at) end
        from unnest(p_values) as found
        inner join monitoring_internal.alert_rule_levels as level on level.rule_no = found.rule_no
        inner join monitoring.series as series on series.series_id = found.series_ids[1]
        inner join monitoring.tenants as tenant on tenant.tenant_id = series.tenant_id and tenant.is_active
        cross join lateral (
            select not found.is_quiet and case when found.value is null or not level.is_counting
                    and found.samples < ceil(level.min_coverage * coalesce(found.expected, 1))
                then monitoring_internal.had_samples(found.series_ids, p_end_at - level.evaluation_window, v_forget)
                else false end as is_missing
            offset 0) as verdict
        cross join lateral (select case when verdict.is_missing or found.is_quiet then null else found.value end
            offset 0) as counted (value)
        cross join lateral (
            select monitoring_internal.alert_level(counted.value, level.comparison_operator, level.warning_threshold,
                    level.critical_threshold, level.epsilon) as breached,
                monitoring_internal.alert_held_level(counted.value, level.comparison_operator,
                    level.warning_threshold, level.critical_threshold, level.warning_recovery,
                    level.critical_recovery, level.epsilon) as held
            offset 0) as judged
        cross join lateral (
            select case when coalesce(nullif(judged.breached, 0), judged.held) = 2 then level.critical_threshold
                else coalesce(level.warning_threshold, level.critical_threshold) end as threshold
            offset 0) as chosen
        where judged.breached > 0 or verdict.is_missing
            or (found.value is not null or found.is_quiet) and (found.rule_no, found.label_key) in (
                select condition.rule_no, condition.label_key from monitoring.alert_conditions as condition);
end;
$$;

comment on function monitoring_internal.judge_rule_values(monitoring_internal.rule_value[], timestamptz) is
    'Readings of what was measured: levels, no data, since when; only those that matter.';
