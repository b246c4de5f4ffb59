-- alerting/read_rules.sql: the readings of threshold, ratio and absence rules in one pass.
-- Owns absence_ages_at, read_absence_rules_at, read_threshold_rules_at. Writes nothing.
-- Any number of callers at once.

-- The newest sample of each label set of absence rules, and none for what has to be there and has no series.
create or replace function monitoring_internal.absence_ages_at(p_now timestamptz, p_rules integer[])
returns table (rule_no integer, tenant_id uuid, labels jsonb, last_at timestamptz)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set enable_bitmapscan = off
as $$
declare v_raw_from constant timestamptz := monitoring_internal.raw_from();
begin
    return query
        with rule as materialized (
            select base.rule_no, base.tenant_id, base.group_by, base.matchers, base.condition_definition,
                p_now - base.evaluation_delay as end_at,
                coalesce((base.condition_definition ->> 'lookback')::interval, interval '7 days') as lookback
            from monitoring.alert_rules as base
            where base.rule_no = any (p_rules) and base.condition_type = 'absence'
        ),
        known as materialized (
            select rule.rule_no, series.tenant_id, grouped.labels, max(latest.sampled_at) as last_at
            from rule
            inner join monitoring.alert_bindings as binding on binding.rule_no = rule.rule_no and binding.operand = 0
            inner join monitoring.series as series on series.series_id = binding.series_id
            left join monitoring_internal.appended_windows(
                monitoring_internal.bound_series(p_rules), '-infinity', p_now) as tail
                on tail.series_id = binding.series_id
            cross join lateral monitoring_internal.alert_group_labels(series.labels, rule.group_by) as grouped (labels)
            left join lateral (
                select sample.sampled_at from monitoring.samples as sample
                where sample.series_id = binding.series_id
                    and sample.sampled_at > rule.end_at - rule.lookback and sample.sampled_at <= rule.end_at
                order by sample.sampled_at desc limit 1) as recent on true
            cross join lateral ( -- In blocks, where samples does not show it any more, or not alone.
                select coalesce((select max(item.at) from unnest(tail.times) as item (at)
                        where item.at > rule.end_at - rule.lookback and item.at <= rule.end_at),
                    case when recent.sampled_at >= v_raw_from then recent.sampled_at end,
                    monitoring_internal.newest_sample_time(
                        binding.series_id, rule.end_at - rule.lookback, rule.end_at)) as sampled_at) as latest
            where latest.sampled_at is not null
            group by rule.rule_no, series.tenant_id, grouped.labels
        ),
        wanted as (
            select rule.rule_no, coalesce(rule.tenant_id, monitoring.system_tenant_id()) as tenant_id, expected.labels
            from rule
            cross join lateral jsonb_array_elements(rule.condition_definition -> 'expected') as expected (labels)
            union all
            -- A tenant's own rule expects what its matchers say.
            select rule.rule_no, rule.tenant_id, coalesce(jsonb_object_agg(matcher.key, matcher.value) filter (
                where jsonb_typeof(matcher.value) = 'string' and matcher.value <> '""'), '{}')
            from rule left join lateral jsonb_each(rule.matchers) as matcher on true
            where rule.tenant_id is not null and not rule.condition_definition ? 'expected'
            group by rule.rule_no, rule.tenant_id
        )
        select known.* from known union all select wanted.*, null from wanted
        where not exists (
            select 1 from known
            where known.rule_no = wanted.rule_no and known.tenant_id = wanted.tenant_id
                and known.labels @> wanted.labels);
end;
$$;

comment on function monitoring_internal.absence_ages_at(timestamptz, integer[]) is
    'The newest sample of each label set of absence rules, as of a time; null where one is expected and there is none.';

-- Readings of absence rules: the value is how many seconds there has been no sample.
create or replace function monitoring_internal.read_absence_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    return query
        select found.rule_no, key.label_key, found.tenant_id, found.labels, age.seconds,
            judged.breached, greatest(judged.breached, judged.held),
            case when judged.breached > 0 then coalesce(found.last_at + make_interval(secs => chosen.threshold), p_now)
                end,
            found.last_at, (found.last_at is not null)::integer, null::integer, chosen.threshold, 'data',
            case when judged.breached > 0 then jsonb_build_object(
                'metric', rule.metric_name, 'window', rule.evaluation_window, 'last_sample', found.last_at) end
        from monitoring_internal.absence_ages_at(p_now, p_rules) as found
        inner join monitoring.alert_rules as rule on rule.rule_no = found.rule_no
        inner join monitoring.tenants as tenant on tenant.tenant_id = found.tenant_id and tenant.is_active
        cross join lateral (
            select extract(epoch from p_now - rule.evaluation_delay - found.last_at)::double precision as seconds
        ) as age
        cross join lateral (
            select rule.warning_threshold as warning, case
                when rule.warning_threshold is null and rule.critical_threshold is null
                    then extract(epoch from rule.evaluation_window)::double precision
                else rule.critical_threshold end as critical
        ) as level
        cross join lateral (
            -- What never was is later than anything.
            select
                monitoring_internal.alert_level(
                    coalesce(age.seconds, 'Infinity'), 'gt', level.warning, level.critical, 0) as breached,
                monitoring_internal.alert_held_level(
                    coalesce(age.seconds, 'Infinity'), 'gt', level.warning, level.critical, rule.warning_recovery,
                    rule.critical_recovery, 0) as held
        ) as judged
        cross join lateral (
            select case when judged.breached = 2 then level.critical else coalesce(level.warning, level.critical) end
                as threshold
        ) as chosen
        cross join lateral (
            select monitoring_internal.alert_label_key(found.tenant_id, found.labels) as label_key) as key
        where judged.breached > 0 or (found.rule_no, key.label_key) in (
            select condition.rule_no, condition.label_key from monitoring.alert_conditions as condition);
end;
$$;

comment on function monitoring_internal.read_absence_rules_at(timestamptz, integer[]) is
    'Readings of absence rules at a time: label sets that are late, or were.';

-- Readings of the threshold, ratio and absence rules among those given (null: all that are active) that matter: what
-- breaches, lacks data, or was not well before.
create or replace function monitoring_internal.read_threshold_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set plan_cache_mode = auto
as $$
declare
    v_rules constant integer[] := coalesce(p_rules, array(
        select rule.rule_no from monitoring.alert_rules as rule where rule.is_active));
    v_nest record;
begin
    -- Few pairs: plans are kept, as planning would take longer than reading. Many: each nest is planned with its
    -- bounds and its numbers. The setting ends with the function.
    perform set_config('plan_cache_mode', case
        when coalesce(sum(state.series_matched), 0) > 10000 then 'force_custom_plan'
        else 'force_generic_plan' end, true)
    from monitoring.alert_rule_states as state
    where state.rule_no = any (v_rules);
    -- A loop over nests of windows, of which there are few: three that end together are read at once.
    for v_nest in
        select p_now - span.evaluation_delay as end_at,
            array_agg(distinct p_now - span.evaluation_delay - span.evaluation_window) as starts,
            array_agg(span.rule_no) filter (where span.is_plain) as plain,
            array_agg(span.rule_no) filter (where not span.is_plain) as compound
        from (
            select level.*, (dense_rank() over (
                partition by level.evaluation_delay order by level.evaluation_window desc) - 1) / 3 as nest
            from monitoring_internal.alert_rule_levels as level
            where level.rule_no = any (v_rules) and level.condition_type in ('threshold', 'ratio')
        ) as span
        group by span.evaluation_delay, span.nest
        order by span.evaluation_delay, span.nest
    loop
        if v_nest.plain is not null then
            return query
                select reading.*
                from monitoring_internal.judge_rule_values(
                    array(
                        select measured
                        from monitoring_internal.measure_plain_rules(
                            v_nest.plain, v_nest.starts, v_nest.end_at) as measured),
                    v_nest.end_at) as reading;
        end if;
        if v_nest.compound is not null then
            return query
                select reading.*
                from monitoring_internal.judge_rule_values(
                    array(
                        select measured
                        from monitoring_internal.measure_compound_rules(
                            v_nest.compound, v_nest.starts, v_nest.end_at) as measured),
                    v_nest.end_at) as reading;
        end if;
    end loop;
    return query select reading.* from monitoring_internal.read_absence_rules_at(p_now, v_rules) as reading;
end;
$$;

comment on function monitoring_internal.read_threshold_rules_at(timestamptz, integer[]) is
    'What threshold, ratio and absence rules find at a time: breaches, missing data, and what was not well before.';
