-- Trend, anomaly, pattern and composite rules: what they find, when they say nothing, and what is refused.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

-- A rule from the keys of an object; its number.
create function pg_temp.rule(p_definition jsonb) returns integer language plpgsql as $$
declare
    v_columns constant text := (select string_agg(quote_ident(key), ', ') from jsonb_object_keys(p_definition) as key);
    v_rule_no integer;
begin
    execute format(
        'insert into monitoring.alert_rules (%1$s) select %1$s from jsonb_populate_record(null::monitoring.alert_rules, $1)
        returning rule_no', v_columns) into v_rule_no using p_definition;
    return v_rule_no;
end
$$;
create function pg_temp.rule_no(p_name text) returns integer language sql as
    $$ select rule_no from monitoring.alert_rules where rule_name = p_name $$;
-- Samples of a series, one a minute, the last of them at 2026-03-02 12:00.
create function pg_temp.seed(p_metric text, p_labels jsonb, p_values double precision[], p_tenant text default 'system',
    p_step interval default '1 min', p_end timestamptz default '2026-03-02 12:00+00')
returns void language plpgsql as $$
declare
    v_series_id integer;
begin
    insert into monitoring.metric_families (name, kind) values (p_metric, 'gauge') on conflict do nothing;
    insert into monitoring.series (tenant_id, metric_family_id, labels)
    select t.tenant_id, f.metric_family_id, p_labels
    from monitoring.tenants as t, monitoring.metric_families as f
    where f.name = p_metric and (t.name = p_tenant or p_tenant = 'system' and t.is_system)
    returning series_id into v_series_id;
    insert into monitoring.samples (series_id, sampled_at, value)
    select v_series_id, p_end - (cardinality(p_values) - g.i) * p_step, p_values[g.i]
    from generate_subscripts(p_values, 1) as g (i)
    where p_values[g.i] is not null;
end
$$;
create function pg_temp.readings(p_name text, p_at timestamptz default '2026-03-02 12:00+00')
returns setof monitoring_internal.alert_reading language plpgsql as $$
declare
    v_rules constant integer[] := array[pg_temp.rule_no(p_name)];
begin
    perform monitoring_internal.refresh_rule_bindings_at(p_at);
    return query
    select * from monitoring_internal.trend_readings_at(p_at, v_rules, true)
    union all
    select * from monitoring_internal.anomaly_readings_at(p_at, v_rules, true)
    union all
    select * from monitoring_internal.pattern_readings_at(p_at, v_rules, true)
    union all
    select * from monitoring_internal.composite_readings_at(p_at, v_rules, true);
end
$$;
create function pg_temp.said(p_name text, p_at timestamptz default '2026-03-02 12:00+00') returns text language sql as $$
    select string_agg(format('%s %s/%s%s', coalesce(round(r.value::numeric, 3)::text, '-'), r.breached, r.held,
        case when r.state = 'no_data' then ' no data' else '' end), ', ' order by r.labels)
    from pg_temp.readings(p_name, p_at) as r
$$;

-- Trend: slopes --------------------------------------------------------------------------------------
select pg_temp.seed('disk_used', '{"d": "a"}', array(select 100 + 0.5 * i from generate_series(1, 120) as i));
select pg_temp.seed('disk_used', '{"d": "b"}', array(select 100 from generate_series(1, 120) as i));
select pg_temp.rule('{"rule_name": "slope", "metric_name": "disk_used", "condition_type": "trend",
    "condition_definition": {"trend": "slope"}, "trend_period": "2 hours", "comparison_operator": "gt",
    "warning_threshold": 20, "critical_threshold": 29}');
select is(pg_temp.said('slope'), '30.000 2/2, 0.000 0/0', 'a slope is that of an hour');
select results_eq(
    $$ select labels, breached, state from monitoring_internal.read_trend_rules_at(
        '2026-03-02 12:00+00', array[pg_temp.rule_no('slope')]) $$,
    $$ values ('{"d": "a"}'::jsonb, 2::smallint, 'data') $$, 'healthy ones are not returned');
select is(
    pg_temp.said('slope', '2026-03-02 12:04:30+00') || '; ' || pg_temp.said('slope', '2026-03-02 12:05+00'),
    '30.000 2/2, 0.000 0/0; - 0/2 no data, - 0/2 no data', 'a series that ended has no data once the window is past it');
select is(
    pg_temp.said('slope', '2026-03-02 10:30+00'), '- 0/2, - 0/2',
    'half an hour of two tells no slope, and what fires keeps firing');

-- Any series: the slope is the one the server's own regression gives on plain numbers.
select setseed(0.42);
select pg_temp.seed('walk', jsonb_build_object('n', n::text),
    array(select 1e6 * random() + 50 * i * random() + n from generate_series(1, 60) as i))
from generate_series(1, 40) as n;
select pg_temp.rule('{"rule_name": "walk", "metric_name": "walk", "condition_type": "trend", "trend_period": "1 hour",
    "condition_definition": {"trend": "slope"}, "comparison_operator": "gt", "warning_threshold": 1e12}');
select is(
    (select count(*) from pg_temp.readings('walk') as r
    inner join (
        select s.labels, regr_slope(p.value::numeric::float8, extract(epoch from p.sampled_at - '2026-03-02 11:00+00')::float8 / 3600)
            as slope
        from monitoring.series as s inner join monitoring.samples as p using (series_id)
        where s.labels ? 'n' group by s.series_id
    ) as plain on plain.labels = r.labels and abs(plain.slope - r.value) <= 1e-9 * abs(plain.slope)),
    40::bigint, 'slopes of random series are those of regr_slope');
select is(
    (select array_agg(r order by r.label_key)::text from pg_temp.readings('walk') as r),
    (select array_agg(r order by r.label_key)::text from pg_temp.readings('walk') as r), 'twice is the same to the digit');

-- Trend: change ---------------------------------------------------------------------------------------
select pg_temp.seed('orders', '{"s": "1"}', array_cat(array_fill(100.0::float8, array[60]), array_fill(40.0::float8, array[10])));
select pg_temp.seed('orders', '{"s": "2"}', array_cat(array_fill(0.0::float8, array[60]), array_fill(0.0::float8, array[10])));
select pg_temp.seed('orders', '{"s": "3"}', array_cat(array_fill(0.0::float8, array[60]), array_fill(5.0::float8, array[10])));
select pg_temp.seed('orders', '{"s": "4"}', array_fill(5.0::float8, array[10]));
select pg_temp.rule('{"rule_name": "change", "metric_name": "orders", "condition_type": "trend", "trend_period": "30 min",
    "condition_definition": {"trend": "change"}, "comparison_operator": "lt", "critical_threshold": -50}');
select pg_temp.rule('{"rule_name": "percent", "metric_name": "orders", "condition_type": "trend",
    "trend_period": "30 min", "condition_definition": {"trend": "change_percent"}, "comparison_operator": "lt",
    "warning_threshold": -20, "critical_threshold": -60}');
select is(pg_temp.said('change'), '-60.000 2/2, 0.000 0/0, 5.000 0/0, - 0/2', 'a change is against the earlier window');
select is(pg_temp.said('percent'), '-60.000 1/2, 0.000 0/0, - 0/2, - 0/2',
    'and in percent; from zero there is none, and nothing is divided by it');

-- Trend: time to a limit --------------------------------------------------------------------------------
select pg_temp.rule('{"rule_name": "full", "metric_name": "disk_used", "condition_type": "trend",
    "condition_definition": {"trend": "time_to", "limit": 175}, "trend_period": "2 hours",
    "comparison_operator": "lt", "warning_threshold": 7200, "critical_threshold": 3600}');
select is(pg_temp.said('full'), '1800.000 2/2, Infinity 0/0', 'the time to a limit is in seconds; a flat one never meets it');
select pg_temp.rule('{"rule_name": "empty", "metric_name": "disk_used", "condition_type": "trend",
    "condition_definition": {"trend": "time_to", "limit": 0}, "trend_period": "2 hours",
    "comparison_operator": "lt", "warning_threshold": 7200}');
select is(pg_temp.said('empty'), 'Infinity 0/0, Infinity 0/0', 'and one that leads away from it neither');
select pg_temp.seed('noisy', '{}', array(select i + 8 * sin(i * 7) from generate_series(1, 120) as i));
select pg_temp.seed('pure_noise', '{}', array(select 8 * sin(i * 7) from generate_series(1, 120) as i));
select pg_temp.rule(format('{"rule_name": "%1$s", "metric_name": "%1$s", "condition_type": "trend",
    "condition_definition": {"trend": "time_to", "limit": 200, "confidence": 0.95}, "trend_period": "2 hours",
    "comparison_operator": "lt", "warning_threshold": 1e6}', metric)::jsonb)
from unnest(array['noisy', 'pure_noise']) as metric;
-- By hand: the prediction bound at the time it gives meets the limit.
select is(
    (with s as (
        select regr_slope(p.value, x.h) as b, regr_intercept(p.value, x.h) as a, count(*) as n, avg(x.h) as m,
            regr_sxx(p.value, x.h) as sxx,
            sqrt((regr_syy(p.value, x.h) - regr_slope(p.value, x.h) ^ 2 * regr_sxx(p.value, x.h)) / (count(*) - 2)) as s
        from monitoring.samples as p inner join monitoring.series using (series_id)
        inner join monitoring.metric_families as f using (metric_family_id)
        cross join lateral (select extract(epoch from p.sampled_at - '2026-03-02 10:00+00')::float8 / 3600) as x (h)
        where f.name = 'noisy')
    select round((s.a + s.b * t.h + 1.98027 * s.s * sqrt(1 + 1.0 / s.n + (t.h - s.m) ^ 2 / s.sxx))::numeric, 1)
    from s cross join (select 2 + r.value / 3600 as h from pg_temp.readings('noisy') as r) as t), 200.0,
    'it is the edge of the prediction bound that counts');
select is(pg_temp.said('pure_noise'), 'Infinity 0/0', 'noise around a level leads nowhere');
select is(
    array(select round(monitoring_internal.student_factor(0.95, df)::numeric, 2) from unnest(array[5, 10, 30, 1000]) as df),
    array[2.57, 2.23, 2.04, 1.96], 'Student''s factors are those of the tables');
select is(
    array[monitoring_internal.hours_to_limit(10, 2, 0, 5, 9), monitoring_internal.hours_to_limit(10, 0, 0, 5, 9),
        monitoring_internal.hours_to_limit(10, 2, 1, 0, 9), monitoring_internal.hours_to_limit(10, null, null, null, 9)],
    array[5, null, null, null]::float8[], 'a line without slope or width meets nothing');

-- Anomaly ------------------------------------------------------------------------------------------------
select pg_temp.seed('latency', '{"q": "1 up"}', array(
    select case when i > 285 then 160 else 100 + 10 * (-1) ^ i end from generate_series(1, 290) as i),
    p_step => '10 min', p_end => '2026-03-02 12:50+00');
select pg_temp.seed('latency', '{"q": "2 down"}', array(
    select case when i > 285 then 30 else 100 + 10 * (-1) ^ i end from generate_series(1, 290) as i),
    p_step => '10 min', p_end => '2026-03-02 12:50+00');
select pg_temp.seed('latency', '{"q": "3 flat"}', array(
    select case when i > 285 then 100.5 else 100 end from generate_series(1, 290) as i),
    p_step => '10 min', p_end => '2026-03-02 12:50+00');
select pg_temp.seed('latency', '{"q": "4 zero"}', array(
    select case when i > 285 then 5 else 0 end from generate_series(1, 290) as i),
    p_step => '10 min', p_end => '2026-03-02 12:50+00');
select pg_temp.seed('latency', '{"q": "5 new"}', array(select 5 from generate_series(1, 20) as i),
    p_step => '10 min', p_end => '2026-03-02 12:50+00');
select pg_temp.rule('{"rule_name": "odd", "metric_name": "latency", "evaluation_window": "20 min", "condition_type": "anomaly", "trend_period": "2 days",
    "condition_definition": {"min_deviation": 1}}');
select pg_temp.rule('{"rule_name": "odd above", "metric_name": "latency", "evaluation_window": "20 min", "condition_type": "anomaly",
    "trend_period": "2 days", "anomaly_sensitivity": 0.75, "condition_definition": {"direction": "above"}}');
select pg_temp.rule('{"rule_name": "odd at last", "metric_name": "latency", "evaluation_window": "20 min", "condition_type": "anomaly",
    "trend_period": "2 days", "condition_definition": {"min_deviation": 1000}}');
select monitoring.set_setting('alerting.norm_min_samples', '200');
select is(
    pg_temp.said('odd', '2026-03-02 12:51+00'), '5.993 1/2, -6.984 2/2, 0.500 0/0, 1000000.000 2/2, - 0/2',
    'z of the window against the norm: up, down, flat, from nothing, and too new to say');
select is(
    pg_temp.said('odd above', '2026-03-02 12:51+00'), '5.993 2/2, -6.984 0/0, 0.500 0/0, 1000000.000 2/2, - 0/2',
    'sensitivity moves the levels, the direction leaves out a side');
select is(
    pg_temp.said('odd at last', '2026-03-02 12:51+00'), '5.993 0/0, -6.984 0/0, 0.500 0/0, 1000000.000 0/0, - 0/2',
    'what is off by less than it matters is none');
select is(
    (select evidence ->> 'no_verdict' from pg_temp.readings('odd', '2026-03-02 12:51+00') where labels @> '{"q": "5 new"}'),
    'warming up: only 15 samples in the norm', 'and says why it says nothing');
select is(
    (select count(*) from monitoring.alert_norms where rule_no = pg_temp.rule_no('odd')), 5::bigint, 'norms are kept');
select is(
    array[monitoring_internal.refresh_alert_norms_at('2026-03-02 12:59+00', array[pg_temp.rule_no('odd')]),
        monitoring_internal.refresh_alert_norms_at('2026-03-02 13:00+00', array[pg_temp.rule_no('odd')]),
        monitoring_internal.refresh_alert_norms_at('2026-03-02 12:51+00', array[pg_temp.rule_no('odd')])],
    array[0, 5, 5], 'for an hour; another time has another norm, also an earlier one');
select is(
    pg_temp.said('odd', '2026-03-02 12:51+00'), '5.993 1/2, -6.984 2/2, 0.500 0/0, 1000000.000 2/2, - 0/2',
    'and a replay of the earlier time gives what it gave');
select is(
    (select count(*) from monitoring_internal.anomaly_findings_at('2026-03-02 12:51+00', array[pg_temp.rule_no('odd')])),
    5::bigint, 'there is a finding for each series that has samples');

-- Patterns -----------------------------------------------------------------------------------------------
select pg_temp.seed('shape', '{"w": "1"}', array[1, 9, 1, 9, 1, 9, 9, 1, 9, 1]);
select pg_temp.seed('shape', '{"w": "2"}', array[1, 1, 1, 1, 5, 9, 9, 5, 1, 1]);
select pg_temp.seed('shape', '{"w": "3"}', array[1, 1, 9, 9, 9, 9, 9, 9, 9, 9]);
select pg_temp.rule('{"rule_name": "kofn", "metric_name": "shape", "condition_type": "pattern", "evaluation_window": "10 min",
    "pattern_definition": {"pattern": "k_of_n", "k": 3, "n": 5}, "comparison_operator": "gt",
    "warning_threshold": 4, "critical_threshold": 8}');
select is(pg_temp.said('kofn'), '3.000 2/2, 3.000 1/1, 5.000 2/2', 'k of the last n');
select results_eq(
    $$ select breached_since from pg_temp.readings('kofn') order by labels $$,
    $$ values ('2026-03-02 11:56+00'::timestamptz), ('2026-03-02 11:56+00'), ('2026-03-02 11:56+00') $$,
    'it began with the first of them that breached');
select pg_temp.rule('{"rule_name": "buckets", "metric_name": "shape", "condition_type": "pattern",
    "evaluation_window": "10 min", "pattern_definition": {"pattern": "k_of_n", "k": 2, "n": 3, "bucket": "2 min"},
    "comparison_operator": "gte", "critical_threshold": 5}');
select is(pg_temp.said('buckets'), '3.000 2/2, 2.000 2/2, 3.000 2/2', 'or of the last n buckets, by their means');
select pg_temp.rule('{"rule_name": "flap", "metric_name": "shape", "condition_type": "pattern", "evaluation_window": "10 min",
    "pattern_definition": {"pattern": "flapping", "level": 5}, "warning_threshold": 2, "critical_threshold": 6}');
select is(pg_temp.said('flap'), '8.000 2/2, 2.000 1/1, 1.000 0/0', 'changes of side are counted');
select pg_temp.rule('{"rule_name": "peaks", "metric_name": "shape", "condition_type": "pattern",
    "evaluation_window": "10 min",
    "pattern_definition": {"pattern": "sequence", "levels": ["low", "high", "low"], "low": 2, "high": 8}}');
select is(pg_temp.said('peaks'), '4.000 2/2, 1.000 2/2, 0.000 0/0', 'a sequence may share its ends with the next');
select pg_temp.rule('{"rule_name": "slow peaks", "metric_name": "shape", "condition_type": "pattern",
    "evaluation_window": "10 min",
    "pattern_definition": {"pattern": "sequence", "levels": ["low", "mid", "high", "mid"], "low": 2, "high": 8}}');
select is(pg_temp.said('slow peaks'), '0.000 0/0, 1.000 2/2, 0.000 0/0', 'and name what lies between');
select pg_temp.rule('{"rule_name": "still", "metric_name": "shape", "condition_type": "pattern", "evaluation_window": "10 min",
    "pattern_definition": {"pattern": "flat"}, "warning_threshold": 60, "critical_threshold": 400}');
select is(pg_temp.said('still'), '0.000 0/0, 60.000 1/1, 420.000 2/2', 'seconds since it moved');
select is(pg_temp.said('still', '2026-03-02 12:10+00'), '- 0/2 no data, - 0/2 no data, - 0/2 no data',
    'one that is gone is not flat');
select is_empty(
    $$ select * from monitoring_internal.read_pattern_rules_at('2026-03-04 12:10+00', array[pg_temp.rule_no('still')]) $$,
    'one that is long gone is nothing');
-- Counters, and groups.
select pg_temp.seed('requests_total', '{"h": "1"}', array[100, 160, 220, 10, 70, 130]);
select pg_temp.seed('requests_total', '{"h": "2"}', array[0, 60, 120, 180, 240, 300]);
select pg_temp.rule('{"rule_name": "steps", "metric_name": "requests_total", "condition_type": "pattern", "aggregate": "rate",
    "evaluation_window": "10 min", "pattern_definition": {"pattern": "flat", "tolerance": 0.5},
    "warning_threshold": 240}');
select is(pg_temp.said('steps'), '60.000 0/0, 240.000 1/1', 'points of counters are rates; a reset is no fall');
select pg_temp.rule('{"rule_name": "together", "metric_name": "requests_total", "condition_type": "trend",
    "aggregate": "rate", "group_by": [], "group_aggregate": "sum", "condition_definition": {"trend": "change"},
    "evaluation_window": "2 min", "trend_period": "2 min", "comparison_operator": "gt", "warning_threshold": 0.3}');
select is(pg_temp.said('together'), '0.833 1/1', 'a group is added up before it is judged');

-- Composite ----------------------------------------------------------------------------------------------
select monitoring.create_tenant('acme');
select pg_temp.rule(jsonb_build_object('rule_name', name, 'metric_name', 'shape', 'comparison_operator', 'gt',
    'critical_threshold', 1)) from unnest(array['one', 'two', 'three']) as name;
select pg_temp.rule(format('{"rule_name": "%s", "condition_type": "composite", "condition_definition": %s}', v.name, v.tree)::jsonb)
from (values
    ('both', '{"all": [{"rule": "one"}, {"rule": "two"}], "on": ["host"]}'),
    ('grave', '{"all": [{"rule": "one", "at_least": "critical"}, {"not": {"rule": "two"}}], "on": ["host"]}'),
    ('either', '{"any": [{"rule": "one"}, {"rule": "three", "pending": true}]}'),
    ('lacks', '{"not": {"rule": "one"}}'),
    ('alone', '{"rule": "one", "on": ["host"]}')) as v (name, tree);
create function pg_temp.condition(p_rule text, p_labels jsonb, p_state text, p_level integer, p_tenant text default 'acme')
returns void language sql as $$
    insert into monitoring.alert_conditions
        (rule_no, label_key, tenant_id, labels, state, level, warning_since, alert_id, alert_created_at)
    select pg_temp.rule_no(p_rule), gen_random_uuid(), t.tenant_id, p_labels, p_state, p_level, now(),
        case when p_level > 0 then gen_random_uuid() end, case when p_level > 0 then now() end
    from monitoring.tenants as t where t.name = p_tenant
$$;
select pg_temp.condition('one', '{"host": "a", "disk": "1"}', 'firing', 1);
select pg_temp.condition('one', '{"host": "a", "disk": "2"}', 'recovering', 2);
select pg_temp.condition('two', '{"host": "a"}', 'firing', 1);
select pg_temp.condition('one', '{"host": "b"}', 'firing', 2);
select pg_temp.condition('two', '{"host": "c"}', 'firing', 2);
select pg_temp.condition('three', '{}', 'pending', 0);
create function pg_temp.composite(p_name text) returns text language sql as $$
    select string_agg(format('%s %s %s', t.name, coalesce(r.labels ->> 'host', 'all'), r.breached), ', '
        order by t.name, r.labels)
    from pg_temp.readings(p_name) as r inner join monitoring.tenants as t using (tenant_id)
$$;
select is(pg_temp.composite('both'), 'acme a 1, acme b 0, acme c 0', 'all is the least of its parts, by shared labels');
select is(pg_temp.composite('grave'), 'acme a 0, acme b 2, acme c 0', 'a rule may have to be critical, or not to fire');
select is(pg_temp.composite('either'), 'acme all 2, system all 0', 'any is the greatest, of a whole tenant; tenants are never mixed');
select is(pg_temp.composite('lacks'), 'acme all 0, system all 2', 'what does not fire can be asked for');
select is(pg_temp.composite('alone'), 'acme a 2, acme b 2', 'a lone rule is a tree');
select pg_temp.condition('two', '{"disk": "9"}', 'firing', 2);
select is(pg_temp.composite('both'), 'acme a 2, acme b 2, acme c 0', 'a condition without the shared label speaks for all');
select is(
    (select count(*) from monitoring_internal.read_composite_rules_at(now(), array[pg_temp.rule_no('both')])), 2::bigint,
    'healthy ones are not returned');
delete from monitoring.alert_rules where rule_name = 'three';
select is(
    (select string_agg(format('%s %s %s/%s', t.name, r.evidence ->> 'no_verdict', r.breached, r.held), ', ' order by t.name)
    from pg_temp.readings('either') as r inner join monitoring.tenants as t using (tenant_id)),
    'acme  2/2, system a rule it names is not there 0/2', 'a rule that is gone is neither yes nor no');
select is(
    array[monitoring_internal.composite_level('{"all": [{"rule": "x"}, {"rule": "y"}]}', '{"{\"rule\": \"x\"}": 0}'),
        monitoring_internal.composite_level('{"any": [{"rule": "x"}, {"rule": "y"}]}', '{"{\"rule\": \"x\"}": 1}'),
        monitoring_internal.composite_level('{"not": {"rule": "y"}}', '{}')],
    array[0, null, null]::smallint[], 'what cannot change the answer does not have to be known');

-- What is refused -----------------------------------------------------------------------------------------
create function pg_temp.faults(p_definition jsonb) returns text language sql as $$
    select string_agg(fault, '; ' order by fault) from monitoring_internal.check_condition_definition(
        jsonb_populate_record(jsonb_populate_record(null::monitoring.alert_rules,
            '{"id": "00000000-0000-0000-0000-000000000001", "rule_name": "x", "metric_name": "m", "condition_definition": {},
            "pattern_definition": {}, "evaluation_window": "5 min"}'), p_definition)) as fault
$$;
select is(pg_temp.faults(v.definition), v.fault, v.name)
from (values
    ('a trend of no kind', '{"condition_type": "trend", "comparison_operator": "gt", "warning_threshold": 1}'::jsonb,
        '"trend" of condition_definition is none of slope, change, change_percent, time_to'),
    ('a trend without operator and threshold', '{"condition_type": "trend", "condition_definition": {"trend": "slope"}}',
        'comparison_operator is missing; there is no threshold'),
    ('a limit that is no number', '{"condition_type": "trend", "comparison_operator": "lt", "warning_threshold": 1,
        "condition_definition": {"trend": "time_to", "limit": "x"}}',
        '"limit" of condition_definition is not a number from -1e300 to 1e300'),
    ('a number beyond all bounds', '{"condition_type": "trend", "comparison_operator": "lt", "warning_threshold": 1,
        "condition_definition": {"trend": "time_to", "limit": 1e400}}',
        '"limit" of condition_definition is not a number from -1e300 to 1e300'),
    ('a time to nothing', '{"condition_type": "trend", "comparison_operator": "gt", "warning_threshold": 1,
        "condition_definition": {"trend": "time_to", "confidence": 0.85}}',
        '"confidence" of condition_definition is none of 0.8, 0.9, 0.95, 0.99; comparison_operator is neither lt nor lte: '
        'thresholds of time_to are seconds that remain; condition_definition has no "limit" that the time to is asked for'),
    ('an unknown key', '{"condition_type": "anomaly", "condition_definition": {"sensitivty": 1}}',
        'condition_definition has "sensitivty", which is none of allow_unknown_metric, direction, min_deviation, min_relative_deviation, min_samples'),
    ('an anomaly to no side', '{"condition_type": "anomaly", "comparison_operator": "lt", "trend_period": "6 min",
        "condition_definition": {"direction": "up"}, "warning_threshold": -1}',
        '"direction" of condition_definition is none of above, below, both; comparison_operator has no place in an anomaly '
        'rule: its direction says which side counts; thresholds of an anomaly rule are deviations above zero; trend_period, '
        'from which the norm is made, is shorter than two evaluation windows'),
    ('a pattern of no kind', '{"condition_type": "pattern"}',
        '"pattern" of pattern_definition is none of k_of_n, flapping, sequence, flat'),
    ('more of fewer', '{"condition_type": "pattern", "comparison_operator": "gt", "warning_threshold": 1,
        "pattern_definition": {"pattern": "k_of_n", "k": 5, "n": 3, "bucket": "soon"}}',
        '"bucket" of pattern_definition is not an interval from 1 second to 31 days; "k" of pattern_definition is greater than "n"'),
    ('a sequence of nothing', '{"condition_type": "pattern",
        "pattern_definition": {"pattern": "sequence", "levels": ["low"], "low": 3, "high": 2}}',
        '"levels" of pattern_definition is not a list of 2 to 20 out of low, mid, high; "low" of pattern_definition is greater '
        'than "high"'),
    ('a sequence of other levels', '{"condition_type": "pattern",
        "pattern_definition": {"pattern": "sequence", "levels": ["low", ".*"], "low": 1, "high": 2}}',
        '"levels" of pattern_definition is not a list of 2 to 20 out of low, mid, high'),
    ('a flat line longer than is looked at', '{"condition_type": "pattern", "critical_threshold": 300,
        "pattern_definition": {"pattern": "flat"}}',
        'a threshold, in seconds, is not below evaluation_window: the line could never be seen to be so long'),
    ('an empty tree', '{"condition_type": "composite"}',
        'a part of condition_definition has not exactly one of the keys all, any, not, rule'),
    ('a tree of two kinds', '{"condition_type": "composite", "condition_definition": {"all": [{"rule": "one"}], "any": []}}',
        'a part of condition_definition has not exactly one of the keys all, any, not, rule'),
    ('no parts', '{"condition_type": "composite", "condition_definition": {"any": []}}', '"any" is not a list of 1 to 100 parts'),
    ('a part that is a text', '{"condition_type": "composite", "condition_definition": {"any": ["one or two"]}}',
        'a part of condition_definition is no object'),
    ('a leaf with more', '{"condition_type": "composite", "condition_definition": {"rule": "one", "sql": "drop"}}',
        'a part with "rule" has other keys than at_least and pending'),
    ('an unknown rule', '{"condition_type": "composite", "condition_definition": {"rule": "nobody"}}',
        'there is no rule "nobody"'),
    ('itself', '{"condition_type": "composite", "condition_definition": {"rule": "x"}}', 'it names itself, or rules that name it'),
    ('shared labels that are none', '{"condition_type": "composite", "condition_definition": {"rule": "one", "on": [1]}}',
        '"on" is not a list of labels'),
    ('all that is well', '{"condition_type": "composite", "condition_definition": {"not": {"rule": "one"}, "on": ["host"]}}',
        'it is met where nothing fires, and "on" cannot say for which labels'),
    ('a sound trend', '{"condition_type": "trend", "comparison_operator": "lt", "warning_threshold": 86400,
        "condition_definition": {"trend": "time_to", "limit": 100, "direction": "up", "confidence": 0.9}}', null),
    ('a sound anomaly', '{"condition_type": "anomaly"}', null),
    ('a threshold rule is none of these', '{"condition_type": "threshold"}', null)) as v (name, definition, fault);
select is(
    pg_temp.faults(jsonb_build_object('condition_type', 'composite', 'condition_definition',
        (repeat('{"not": ', 30) || '{"rule": "one"}' || repeat('}', 30))::jsonb)),
    'condition_definition is nested deeper than 20', 'a deep tree is refused before it is walked');
select throws_like(
    $$ insert into monitoring.alert_rules (rule_name, metric_name, condition_type, condition_definition)
        values ('y', 'shape', 'trend', '{"trend": "upwards"}') $$,
    '%"trend" of condition_definition is none of slope%', 'and a rule is checked for it when it is made');
update monitoring.alert_rules set condition_definition = '{"rule": "both"}' where rule_name = 'alone';
select is(
    (select string_agg(fault, '; ') from monitoring.alert_rules as r
    cross join lateral monitoring_internal.check_condition_definition(jsonb_populate_record(r,
        '{"condition_definition": {"any": [{"rule": "alone"}, {"rule": "one"}]}}')) as fault
    where r.rule_name = 'both'), 'it names itself, or rules that name it', 'rules cannot name each other in a circle');

-- Every kind is evaluated -------------------------------------------------------------------------------
-- The defect's own form: a loop over rules that knows thresholds alone, whatever their type.
create function pg_temp.threshold_loop() returns setof text language sql as $$
    select r.rule_name from monitoring.alert_rules as r
    inner join monitoring.alert_bindings as b using (rule_no)
    inner join monitoring.samples as s on s.series_id = b.series_id and s.sampled_at > '2026-03-02 11:55+00'
    where r.condition_type = 'threshold' or r.critical_threshold is not null
    group by r.rule_no, r.rule_name, r.comparison_operator, r.critical_threshold
    having case r.comparison_operator when 'gt' then avg(s.value) > r.critical_threshold
        when 'lt' then avg(s.value) < r.critical_threshold else false end
$$;
create temporary table kind_of as select * from (values
    ('slope', timestamptz '2026-03-02 12:00+00'), ('percent', '2026-03-02 12:00+00'), ('full', '2026-03-02 12:00+00'),
    ('odd', '2026-03-02 12:51+00'), ('kofn', '2026-03-02 12:00+00'), ('flap', '2026-03-02 12:00+00'),
    ('peaks', '2026-03-02 12:00+00'), ('still', '2026-03-02 12:00+00'), ('both', '2026-03-02 12:00+00')) as k (rule, at);
do $$
begin
    perform monitoring_internal.evaluate_alerts_at(k.at, array[pg_temp.rule_no(k.rule)]) from kind_of as k;
end
$$;
select is(
    array(select k.rule from kind_of as k where not exists (
        select 1 from monitoring.alerts as a where a.rule_no = pg_temp.rule_no(k.rule) and a.status <> 'resolved')),
    '{}'::text[], 'A-04: one pass of the evaluator fires rules of every kind');
select isnt(
    array(select k.rule from kind_of as k where k.rule not in (select * from pg_temp.threshold_loop()) order by 1), '{}'::text[],
    'A-04: a loop that knows thresholds alone does not');

-- What these functions are: readers of one snapshot, but for the norms that are kept.
select is(
    array(select p.proname::text from pg_proc as p
        where p.pronamespace = 'monitoring_internal'::regnamespace and p.provolatile = 'v' and p.proname in (
            'rule_points', 'effective_levels', 'condition_measure', 'judge_findings', 'trend_fits_at', 'trend_slopes_at',
            'trend_changes_at', 'read_anomaly_rules_at', 'pattern_points_at', 'pattern_counts_at', 'pattern_sequences_at',
            'pattern_flats_at', 'composite_leaves', 'composite_votes', 'composite_parts', 'composite_fault',
            'composite_faults', 'composite_name_faults', 'definition_faults', 'trend_faults', 'anomaly_faults',
            'pattern_faults')),
    array['read_anomaly_rules_at'], 'none but the reader of anomalies writes');

select * from finish();
rollback;
