-- What rules find in samples: aggregates, levels, groups, ratios, guards, missing data, tenants.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

select monitoring.create_tenant('acme') as acme \gset
select monitoring.create_tenant('globex') as globex \gset
insert into monitoring.metric_families (name, kind, unit) values
    ('load', 'gauge', ''), ('requests_total', 'counter', ''), ('errors_total', 'counter', ''), ('slots', 'gauge', ''),
    ('used', 'gauge', ''), ('alive', 'gauge', '');

-- Samples a minute apart, the last one at the given time; null leaves one out.
create function pg_temp.store(p_metric text, p_labels jsonb, p_values float8[], p_tenant uuid default null,
    p_until timestamptz default '2026-05-04 12:00+00')
returns bigint language sql as $$
    select (monitoring_internal.ingest_samples_at(
        array_agg(p_metric), array_agg(p_labels), array_agg(v.value),
        array_agg(p_until - interval '1 min' * (cardinality(p_values) - v.ordinal)), p_tenant, p_until)).accepted
    from unnest(p_values) with ordinality as v (value, ordinal) where v.value is not null
$$;
create function pg_temp.rule(p_name text, p_definition jsonb) returns uuid language sql as $$
    select monitoring.create_alert_rule(jsonb_build_object('rule_name', p_name, 'metric_name', 'load',
        'comparison_operator', 'gt', 'evaluation_window', '5 min') || p_definition)
$$;
create function pg_temp.read(p_pattern text default '%', p_now timestamptz default '2026-05-04 12:00+00')
returns table (rule text, labels text, value numeric, breached int, held int, state text, since text, samples int, threshold float8)
language plpgsql as $$
begin
    perform monitoring_internal.refresh_rule_bindings_at(p_now);
    return query
    select r.rule_name, g.labels::text, round(g.value::numeric, 4), g.breached::int, g.held::int, g.state,
        to_char(g.breached_since at time zone 'UTC', 'HH24:MI'), g.sample_count, g.threshold
    from monitoring_internal.read_threshold_rules_at(p_now,
        array(select b.rule_no from monitoring.alert_rules as b where b.rule_name like p_pattern)) as g
    join monitoring.alert_rules as r on r.rule_no = g.rule_no;
end $$;
create function pg_temp.condition(p_rule text, p_labels jsonb, p_tenant uuid) returns void language sql as $$
    insert into monitoring.alert_conditions (rule_no, label_key, tenant_id, labels, state)
    select r.rule_no, monitoring_internal.alert_label_key(p_tenant, p_labels), p_tenant, p_labels, 'pending'
    from monitoring.alert_rules as r where r.rule_name = p_rule
$$;

-- Each of ten minutes; the window of five holds the last five.
select pg_temp.store('load', '{"host": "a"}', '{1,1,1,1,1,2,4,6,8,10}', :'acme');
select pg_temp.store('load', '{"host": "b"}', '{1,1,1,1,1,1,1,1,1,1}', :'acme');
select pg_temp.store('load', '{"host": "a"}', '{9,9,9,9,9,9,9,9,9,9}', :'globex');

-- Aggregates and operators ----------------------------------------------------------------------------
select pg_temp.rule('agg ' || a, jsonb_build_object('aggregate', a, 'critical_threshold', -1, 'matchers', '{"host": "a"}'::jsonb,
    'tenant_id', :'acme')) is not null as ok from unnest('{avg,min,max,sum,count,last,delta,stddev}'::text[]) as a \g /dev/null
select bag_eq($$ select rule, value from pg_temp.read('agg %') $$,
    $$ values ('agg avg', 6.0), ('agg min', 2), ('agg max', 10), ('agg sum', 30), ('agg count', 5), ('agg last', 10), ('agg delta', 8),
        ('agg stddev', 2.8284) $$, 'each aggregate is that of the samples in the window');
select pg_temp.rule('op ' || o || ' ' || t, jsonb_build_object('comparison_operator', o, 'critical_threshold', t, 'tenant_id', :'acme',
    'matchers', '{"host": "a"}'::jsonb)) is not null as ok
from unnest('{gt,gte,lt,lte,eq,ne}'::text[]) as o cross join unnest('{5,6,7}'::int[]) as t \g /dev/null
select bag_eq($$ select rule from pg_temp.read('op %') where breached = 2 $$,
    '{op gt 5,op gte 5,op gte 6,op lt 7,op lte 7,op lte 6,op eq 6,op ne 5,op ne 7}'::text[], 'all six operators compare');

-- Levels ------------------------------------------------------------------------------------------
select pg_temp.rule('levels', jsonb_build_object('aggregate', 'last', 'warning_threshold', 5, 'critical_threshold', 9.5));
select bag_eq($$ select labels, value, breached, held, since, threshold from pg_temp.read('levels') $$,
    $$ values ('{"host": "a"}', 10.0, 2, 2, '12:00', 9.5::float8), ('{"host": "a"}', 9.0, 1, 2, '11:56', 5) $$,
    'A-03: warning and critical are told apart, each with the first sample that passed it');
select is((select count(distinct tenant_id) from monitoring_internal.read_threshold_rules_at('2026-05-04 12:00+00',
    array(select rule_no from monitoring.alert_rules where rule_name = 'levels'))), 2::bigint,
    'A-11: a rule of every tenant reads each by itself');
select is_empty($$ select * from pg_temp.read('levels') where labels = '{"host": "b"}' $$, 'A-16: a host that is well is not taken for one that is not');
select pg_temp.store('load', '{"host": "a"}', '{4.8}', :'acme', '2026-05-04 12:01+00');
select is_empty(format($$ select * from pg_temp.read('levels', '2026-05-04 12:01+00') where value = 4.8 $$), 'what is well again is not told');
select pg_temp.condition('levels', '{"host": "a"}', :'acme');
select results_eq($$ select value, breached, held, since, state, threshold from pg_temp.read('levels', '2026-05-04 12:01+00') where value = 4.8 $$,
    $$ values (4.8, 0, 1, null::text, 'data', 5::float8) $$, 'but where a condition stands it is, with the level it holds');
select pg_temp.store('load', '{"host": "a"}', '{4.5}', :'acme', '2026-05-04 12:02+00');
select results_eq($$ select breached, held from pg_temp.read('levels', '2026-05-04 12:02+00') where value = 4.5 $$,
    $$ values (0, 0) $$, 'until it is a tenth below');

-- Counters ----------------------------------------------------------------------------------------
select pg_temp.store('requests_total', '{"host": "a"}', '{100,160,220,280,340,10,70,130,190,250,310}', :'acme');
select pg_temp.store('errors_total', '{"host": "a"}', '{0,0,0,0,0,0,3,6,9,12,15}', :'acme');
select pg_temp.rule('counter ' || a, jsonb_build_object('metric_name', 'requests_total', 'aggregate', a, 'critical_threshold', -1))
is not null as ok from unnest('{rate,increase}'::text[]) as a \g /dev/null
select pg_temp.rule('counter restart', '{"metric_name": "requests_total", "aggregate": "increase", "critical_threshold": -1,
    "evaluation_window": "8 min"}');
select bag_eq($$ select rule, value from pg_temp.read('counter %') $$,
    $$ values ('counter rate', 1.0), ('counter increase', 300), ('counter restart', 430) $$,
    'rate and increase take each step that ends in the window, and a counter begun anew from zero');

-- Nested windows ----------------------------------------------------------------------------------
-- Five windows that end together, so two nests; one series is read in a short one only. (window_measures, fold_rule_steps)
select pg_temp.rule(format('nested %s %s', a, w), jsonb_build_object('aggregate', a, 'critical_threshold', -1000, 'evaluation_window', w,
    'metric_name', m, 'tenant_id', :'acme', 'matchers', h, 'condition_definition', '{"allow_raw_counter": true}'::jsonb)) is not null as ok
from unnest('{2 min,3 min,5 min,8 min,10 min}'::text[]) as w,
    (values ('requests_total', '{"host": "a"}'::jsonb), ('load', '{"host": "a"}')) as over (m, h),
    unnest('{avg,min,max,sum,count,last,delta,stddev,increase,rate}'::text[]) as a
where (m = 'load') = (a in ('avg', 'min', 'stddev')) \g /dev/null
select pg_temp.rule('nested short', jsonb_build_object('aggregate', 'increase', 'critical_threshold', -1, 'evaluation_window', '2 min',
    'metric_name', 'errors_total'));
select monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00') is not null as ok \g /dev/null
create temp table together as
select g.rule_no, g.labels, g.value, g.sample_count, g.sampled_at, g.breached_since from monitoring_internal.read_threshold_rules_at(
    '2026-05-04 12:00+00', array(select rule_no from monitoring.alert_rules where rule_name like 'nested %')) as g;
select is((select count(*) from together), 51::bigint, 'rules of nested windows all find their values');
select bag_eq('table together', $$ select g.rule_no, g.labels, g.value, g.sample_count, g.sampled_at, g.breached_since
    from monitoring.alert_rules as r, monitoring_internal.read_threshold_rules_at('2026-05-04 12:00+00', array[r.rule_no]) as g
    where r.rule_name like 'nested %' $$, 'each to the last bit what it finds when it is read alone');
select bag_eq($$ select r.rule_name, round(t.value::numeric, 4) from together as t join monitoring.alert_rules as r using (rule_no)
    where r.rule_name ~ '^nested (count|delta|increase|rate|last|short)' and r.evaluation_window in ('2 min', '8 min') $$,
    $$ values ('nested count 2 min', 2), ('nested count 8 min', 8), ('nested delta 2 min', 60), ('nested delta 8 min', 30),
        ('nested increase 2 min', 120), ('nested increase 8 min', 430), ('nested rate 2 min', 1), ('nested rate 8 min', 0.8958),
        ('nested last 2 min', 310), ('nested last 8 min', 310), ('nested short', 6) $$, 'and what it should');

-- Ratios ------------------------------------------------------------------------------------------
select pg_temp.store('requests_total', '{"host": "idle"}', '{5,5,5,5,5,5,5,5,5,5,5}', :'acme');
select pg_temp.store('errors_total', '{"host": "idle"}', '{5,5,5,5,5,5,5,5,5,5,5}', :'acme');
select pg_temp.rule('ratio', '{"metric_name": "errors_total", "aggregate": "increase", "condition_type": "ratio", "critical_threshold": 0.01,
    "condition_definition": {"denominator": ["requests_total"]}}');
select bag_eq($$ select labels, value, breached, state from pg_temp.read('ratio') $$,
    $$ values ('{"host": "a"}', 0.05, 2, 'data'), ('{"host": "idle"}', null, 0, 'no_data') $$,
    'a ratio is of equal labels; by zero it is no data, and no error');
select monitoring.update_alert_rule(id, '{"condition_definition": {"denominator": "requests_total", "min_denominator": 10, "scale": 100}}')
from monitoring.alert_rules where rule_name = 'ratio';
select bag_eq($$ select labels, value, breached, state from pg_temp.read('ratio') $$,
    $$ values ('{"host": "a"}', 5.0, 2, 'data') $$, 'below its least divisor it is well');
select pg_temp.store('used', '{"server": "a", "state": "idle"}', '{30,30,30}', :'acme');
select pg_temp.store('used', '{"server": "a", "state": "active"}', '{60,60,60}', :'acme');
select pg_temp.store('slots', '{"server": "a"}', '{100,100,100}', :'acme');
select pg_temp.rule('share', '{"metric_name": "used", "aggregate": "last", "condition_type": "ratio", "critical_threshold": 0.8,
    "group_by": ["server"], "condition_definition": {"denominator": "slots"}}');
select results_eq($$ select labels, value from pg_temp.read('share') $$, $$ values ('{"server": "a"}', 0.9) $$,
    'the series of a group are added up');

-- Groups and guards -------------------------------------------------------------------------------
select pg_temp.rule('group ' || g, jsonb_build_object('aggregate', 'last', 'group_by', '{}'::text[], 'group_aggregate', g,
    'critical_threshold', 0, 'tenant_id', :'acme')) is not null as ok from unnest('{avg,min,max,sum,count}'::text[]) as g \g /dev/null
select bag_eq($$ select rule, labels, value from pg_temp.read('group %') $$,
    $$ values ('group avg', '{}', 5.5), ('group min', '{}', 1), ('group max', '{}', 10), ('group sum', '{}', 11), ('group count', '{}', 2) $$,
    'a group is one tenant''s, by its aggregate');
select pg_temp.rule('guarded ' || n, jsonb_build_object('aggregate', 'last', 'critical_threshold', 5, 'tenant_id', :'acme',
    'condition_definition', jsonb_build_object('guard', jsonb_build_object('metric', 'requests_total', 'aggregate', 'increase',
        'at_least', n)))) is not null as ok from unnest('{300,301}'::int[]) as n \g /dev/null
select bag_eq($$ select rule, labels, value, breached from pg_temp.read('guarded %') $$,
    $$ values ('guarded 300', '{"host": "a"}', 10.0, 2) $$, 'a guard holds back what too little happens in');
select pg_temp.condition('guarded 301', '{"host": "a"}', :'acme');
select bag_eq($$ select rule, breached, held, state from pg_temp.read('guarded 301') $$,
    $$ values ('guarded 301', 0, 0, 'data') $$, 'so that it is well again');

-- Missing data ------------------------------------------------------------------------------------
select pg_temp.store('alive', '{"host": "steady"}', '{1,1,1,1,1,1,1,1,1,1,1,1}', :'acme');
select pg_temp.store('alive', '{"host": "gone"}', '{1,1,1,1}', :'acme', '2026-05-04 11:50+00');
select pg_temp.store('alive', '{"host": "thin"}', '{1,1,1,1,1,1,1,1,1,null,null,null}', :'acme', '2026-05-04 12:00+00');
select pg_temp.store('alive', '{"host": "new"}', '{1}', :'acme');
select pg_temp.rule('alive', '{"metric_name": "alive", "comparison_operator": "lt", "critical_threshold": 0.5}');
select bag_eq($$ select labels, value, samples, state, breached from pg_temp.read('alive') $$,
    $$ values ('{"host": "gone"}', null::numeric, 0, 'no_data', 0), ('{"host": "thin"}', 1, 2, 'no_data', 0) $$,
    'A-09: samples that stop are no data, and what is new is not missing');
select is_empty($$ select * from pg_temp.read('alive', '2026-05-06 12:00+00') where labels = '{"host": "gone"}' $$,
    'a series that has been silent for a day is not told of for ever');
select monitoring.update_alert_rule(id, '{"min_coverage": 0}') from monitoring.alert_rules where rule_name = 'alive';
select bag_eq($$ select labels from pg_temp.read('alive') $$, array['{"host": "gone"}'], 'any sample is enough where that is said');
select pg_temp.rule('heads', '{"metric_name": "alive", "comparison_operator": "lt", "critical_threshold": 1, "aggregate": "count"}');
select results_eq($$ select labels, value, breached, state from pg_temp.read('heads') $$,
    $$ values ('{"host": "gone"}', 0.0, 2, 'data') $$, 'none is a count as well');
-- The document''s form (fold_rule_series, measure_plain_rules, measure_compound_rules, combine_label_set,
-- had_samples, judge_rule_values, read_absence_rules_at, absence_ages_at, series_spacing_at do otherwise): an average over a window without rows is null, and null is compared with the threshold.
select is((select avg(value) < 0.5 from monitoring_internal.sample_points where false), null, 'A-09: where nothing is, nothing compares');

-- Absence -----------------------------------------------------------------------------------------
select pg_temp.rule('absent', '{"metric_name": "alive", "condition_type": "absence", "comparison_operator": null}');
select bag_eq($$ select labels, value, breached, since, threshold from pg_temp.read('absent') $$,
    $$ values ('{"host": "gone"}', 600.0, 2, '11:55', 300::float8) $$, 'A-09: a series that stopped is absent once the window has passed');
select pg_temp.rule('absent levels', '{"metric_name": "alive", "condition_type": "absence", "comparison_operator": null,
    "warning_threshold": 100, "critical_threshold": 900}');
select bag_eq($$ select labels, breached from pg_temp.read('absent levels') $$,
    $$ values ('{"host": "gone"}', 1), ('{"host": "thin"}', 1) $$, 'or by its age in seconds, with two levels');
select pg_temp.rule('absent tenant', jsonb_build_object('metric_name', 'alive', 'condition_type', 'absence', 'comparison_operator', null,
    'tenant_id', :'globex', 'matchers', '{"host": "x"}'::jsonb));
select bag_eq($$ select labels, value, breached from pg_temp.read('absent tenant') $$,
    $$ values ('{"host": "x"}', null::numeric, 2) $$, 'A-09: what a tenant has to have and never had is absent too');
select pg_temp.rule('absent expected', '{"metric_name": "alive", "condition_type": "absence", "comparison_operator": null,
    "condition_definition": {"expected": [{"host": "y"}]}}');
select bag_eq($$ select labels, breached from pg_temp.read('absent expected') $$,
    $$ values ('{"host": "gone"}', 2), ('{"host": "y"}', 2) $$, 'and what is expected by name');

-- Time and tenants --------------------------------------------------------------------------------
select pg_temp.rule('late', '{"aggregate": "last", "critical_threshold": 7, "evaluation_delay": "1 min", "matchers": {"host": "a"}}');
select bag_eq($$ select value from pg_temp.read('late') $$, array[8.0, 9.0], 'samples younger than the delay are left to the next pass');
select bag_eq($$ select rule, labels, value, breached from pg_temp.read('levels', '2026-05-04 11:58+00') $$,
    $$ values ('levels', '{"host": "a"}', 6.0, 1), ('levels', '{"host": "a"}', 9, 1) $$, 'no sample after the time asked for is seen');
update monitoring.tenants set is_active = false where tenant_id = :'globex';
select is((select count(*) from pg_temp.read('levels')), 1::bigint, 'a tenant that has left is not read');
update monitoring.alert_rules set is_active = false where rule_name = 'levels';
select is((select count(*) from monitoring_internal.read_threshold_rules_at('2026-05-04 12:00+00', null) as g
    join monitoring.alert_rules as r using (rule_no) where r.rule_name = 'levels'), 0::bigint, 'nor is a rule that is not active');

-- Packed days -------------------------------------------------------------------------------------
-- What rules read of samples and of whatever form they have, by each of the two ways.
create temporary table every as
select array_agg(rule_no) as rules, '{2026-05-04 11:50+00,2026-05-04 11:55+00,2026-05-04 11:57+00}'::timestamptz[] as starts
from monitoring.alert_rules;
select bag_eq($$ select fold::text from every, monitoring_internal.fold_rule_series(rules, starts, '2026-05-04 12:00+00') as fold $$,
    $$ select fold::text from every, monitoring_internal.fold_packed_series(rules, starts, '2026-05-04 12:00+00') as fold $$,
    'the two ways to read windows are one');
select bag_eq($$ select fold::text from every, monitoring_internal.fold_rule_steps(rules, starts, '2026-05-04 12:00+00') as fold $$,
    $$ select fold::text from every, monitoring_internal.fold_packed_steps(rules, starts, '2026-05-04 12:00+00') as fold $$,
    'and those to read steps');
create temporary table before_packing as
select * from pg_temp.read('%');
update monitoring.partition_holds set covered_until = 'infinity' where name = 'rollups';
select isnt((select string_agg(monitoring_internal.pack_next_at('2026-05-10 12:00+00'), ' ') from generate_series(1, 30)), null,
    'the day is packed');
select is(monitoring_internal.packed_until(), '2026-05-05 00:00+00', 'all of it');
select bag_eq('select * from pg_temp.read(''%'')', 'select * from before_packing', 'rules read of blocks what they read of samples');

-- A rule that fails does so by itself: the others are read without it.
alter table monitoring.alert_rules disable trigger alert_rules_check;
update monitoring.alert_rules set condition_definition = '{"epsilon": "x"}' where rule_name = 'op gt 5';
alter table monitoring.alert_rules enable trigger alert_rules_check;
select throws_ok($$ select * from pg_temp.read('op gt%') $$, '22P02', null, 'a rule that cannot be read raises its error');
select lives_ok($$ select * from pg_temp.read('op lt%') $$, 'and can be left out');

select * from finish();
rollback;
