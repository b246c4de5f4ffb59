-- Alert rules: what is refused and why, templates, label sets, levels, bindings.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

select monitoring.create_tenant('acme');
select monitoring.create_tenant('globex');
create temporary table tenant as
select name, tenant_id from monitoring.tenants where name in ('acme', 'globex', 'system');
insert into monitoring.metric_families (name, kind, unit) values
    ('load', 'gauge', ''), ('requests_total', 'counter', ''), ('errors_total', 'counter', ''), ('slow', 'gauge', 'bytes');

-- Samples every five minutes of slow, every minute of load.
create function pg_temp.store(p_metric text, p_labels jsonb, p_tenant text, p_values float8[], p_every interval default '1 min')
returns void language sql as $$
    select monitoring_internal.ingest_samples_at(
        array_agg(p_metric), array_agg(p_labels), array_agg(v.value),
        array_agg(timestamptz '2026-05-04 12:00+00' - p_every * (cardinality(p_values) - v.ordinal)),
        (select t.tenant_id from tenant as t where t.name = p_tenant), '2026-05-04 12:00+00')
    from unnest(p_values) with ordinality as v (value, ordinal)
$$;
select pg_temp.store('load', '{"host": "a"}', 'acme', '{1,2,3,4}');
select pg_temp.store('slow', '{"host": "a"}', 'acme', '{1,2,3,4}', '5 min');

-- What is refused ---------------------------------------------------------------------------------
create function pg_temp.fault(p_definition text) returns text language plpgsql as $$
declare
    v_message text;
begin
    perform monitoring.create_alert_rule('{"rule_name": "r", "metric_name": "load", "comparison_operator": "gt",
        "critical_threshold": 5}'::jsonb || p_definition::jsonb);
    raise exception 'accepted';
exception when others then
    get stacked diagnostics v_message = message_text;
    return v_message;
end $$;
create function pg_temp.refuses(p_definition text, p_pattern text, p_name text) returns text language sql as $$
    select matches(pg_temp.fault(p_definition), p_pattern, p_name)
$$;
select is(pg_temp.fault('{}'), 'accepted', 'a rule without faults is taken');
select pg_temp.refuses('{"comparison_operator": null}', 'comparison_operator is missing', 'A-01: a rule without an operator is refused');
select pg_temp.refuses('{"comparison_operator": "above"}', '"above" is unknown', 'A-01: a rule with an unknown operator is refused');
select throws_ok(
    $$ alter table monitoring.alert_rules disable trigger alert_rules_check;
        insert into monitoring.alert_rules (rule_name, metric_name, critical_threshold) values ('r', 'load', 1) $$,
    '23514', null, 'A-01: the table itself takes no rule without an operator');
alter table monitoring.alert_rules enable trigger alert_rules_check;
select pg_temp.refuses('{"metric_name": "lod"}', 'metric "lod" is unknown', 'a metric that nobody knows is refused');
select is(pg_temp.fault('{"metric_name": "lod", "condition_definition": {"allow_unknown_metric": true}}'), 'accepted',
    'and taken when that is said to be meant');
select pg_temp.refuses('{"metric_name": "slow", "evaluation_window": "5 min"}', 'shorter than two intervals',
    'A-10: a window that may hold no sample is refused');
select is(pg_temp.fault('{"metric_name": "slow", "evaluation_window": "10 min"}'), 'accepted',
    'A-10: a window of two intervals is taken');
select pg_temp.refuses('{"metric_name": "pg_up", "evaluation_window": "1 s"}', 'is collected every',
    'A-10: the interval of a metric is its collector''s');
select pg_temp.refuses('{"warning_threshold": 6}', 'beyond critical_threshold', 'a warning beyond the critical level is refused');
select pg_temp.refuses('{"comparison_operator": "lt", "warning_threshold": 4}', 'must be the higher|beyond critical_threshold',
    'and for lt the other way round');
select is(pg_temp.fault('{"comparison_operator": "lte", "warning_threshold": 6}'), 'accepted', 'where the higher one is the milder');
select pg_temp.refuses('{"critical_recovery": 6}', 'critical_recovery 6 is on the bad side', 'a recovery on the bad side is refused');
select pg_temp.refuses('{"comparison_operator": "eq", "critical_recovery": 6}', 'no meaning for eq', 'and one of an equality');
select pg_temp.refuses('{"metric_name": "requests_total"}', 'is a counter', 'a counter compared as it stands is refused');
select is(pg_temp.fault('{"metric_name": "requests_total", "aggregate": "rate"}'), 'accepted', 'its rate is taken');
select pg_temp.refuses('{"condition_type": "ratio", "aggregate": "rate", "metric_name": "errors_total",
    "condition_definition": {"denominator": ["requests_total", "nothing_total"]}}', '"nothing_total" is unknown',
    'so is each metric that a ratio divides by');
select pg_temp.refuses('{"condition_type": "ratio"}', 'has no denominator', 'a ratio needs a denominator');
select pg_temp.refuses('{"matchers": {"host": {"re": "("}}}', 'malformed expression', 'a bad expression is refused');
select pg_temp.refuses('{"matchers": {"host": {"like": "a"}}}', 'unknown operator "like"', 'an unknown operator of matchers too');
select pg_temp.refuses('{"matchers": {"host": 5}}', 'has number to match', 'and a matcher that is no text');
select pg_temp.refuses('{"condition_definition": {"windw": 5}}', 'unknown key "windw"', 'an unknown key of a definition is refused');
select pg_temp.refuses('{"condition_definition": {"epsilon": "x"}}', 'wrong kind for "epsilon"', 'and a value of another kind');
select pg_temp.refuses('{"condition_definition": {"guard": {"metric": "load", "min": 1}}}', 'guard has the unknown key "min"',
    'and in a guard');
select pg_temp.refuses('{"condition_definition": {"guard": {"metric": "lod", "at_least": 1}}}', 'metric "lod" is unknown',
    'a guard''s metric must be known');
select pg_temp.refuses('{"title_template": "{{ valu }}"}', 'unknown "valu"', 'A-22: an unknown name in a template is refused');
select pg_temp.refuses('{"message_template": "a {{ value"}', 'is not closed', 'and one that is not closed');
select pg_temp.refuses('{"condition_type": "trend", "condition_definition": {"trnd": "slope"}}', 'trnd', 'each type has its own keys');
select pg_temp.refuses('{"anomaly_sensitivity": 1.5}', 'outside 0 to 1', 'a sensitivity beyond 1 is refused');
select pg_temp.refuses('{"warning_threshold": 9, "metric_name": "lod"}', 'beyond .*; metric "lod" is unknown', 'all faults are named at once');
select pg_temp.refuses('{"severty": "high"}', 'no such key to set: severty', 'a key that is no column is refused');
select pg_temp.refuses('{"rule_no": 5}', 'no such key to set: rule_no', 'and one that is not to be set');
select throws_ok($$ select monitoring.create_alert_rule('[]') $$, 'PV902', null, 'a definition is an object');
select pg_temp.refuses('{"severity": "urgent"}', 'severity', 'and an unknown severity');
select throws_ok(
    $$ insert into monitoring.alert_rules (rule_name, metric_name, comparison_operator, critical_threshold)
        values ('r', 'lod', 'gt', 1) $$, 'PV901', null, 'a plain row is checked alike');
select is(monitoring_internal.is_regular_expression('a(b'), false, 'an expression is tried');
select is(monitoring_internal.metric_spacing('slow'), interval '5 min', 'the distance of samples is seen from them');

-- Each kind of fault by itself, as check_alert_rule joins them.
create function pg_temp.rule(p_definition text) returns monitoring.alert_rules language sql as $$
    select jsonb_populate_record(null::monitoring.alert_rules, '{"rule_name": "r", "metric_name": "load", "aggregate": "avg",
        "condition_type": "threshold", "comparison_operator": "gt", "condition_definition": {}}'::jsonb || p_definition::jsonb)
$$;
select is_empty($$ select * from monitoring_internal.rule_metric_faults(pg_temp.rule('{"evaluation_window": "5 min"}')) $$,
    'a metric that is there is no fault');
select is_empty($$ select * from monitoring_internal.rule_level_faults(pg_temp.rule('{"warning_threshold": 5}')) $$,
    'nor is one level alone');
select is_empty($$ select * from monitoring_internal.rule_matcher_faults('{"a": {"re": "x+", "ne": "xx"}}', 'matchers') $$,
    'nor are operators that are known');
select is_empty($$ select * from monitoring_internal.rule_definition_faults(pg_temp.rule('{"condition_definition": {"epsilon": 1}}')) $$,
    'nor are known keys');
select is((select count(*) from monitoring_internal.rule_definition_keys('absence') as k where k.key = 'lookback'), 1::bigint,
    'each type has keys of its own');
select is(monitoring_internal.rule_columns('{"severity": "x", "labels": 1}'), '{labels,severity}'::text[], 'keys are columns');
select throws_ok(
    format($$ select monitoring_internal.require_rule_tenant(%L) $$, gen_random_uuid()), 'PV002', null,
    'a rule for a tenant needs the right to act for it');

-- Making, changing, dropping ----------------------------------------------------------------------
create temporary table made as
select monitoring.create_alert_rule('{"rule_name": "load is high", "metric_name": "load", "comparison_operator": "gt",
    "warning_threshold": 5, "critical_threshold": 9, "group_by": ["host"], "evaluation_window": "10 min"}') as id;
select results_eq(
    $$ select r.warning_threshold, r.group_by, r.evaluation_window, r.cooldown_period, r.source, s.is_bound
        from monitoring.alert_rules as r join made using (id) join monitoring.alert_rule_states as s using (rule_no) $$,
    $$ values (5::float8, '{host}'::text[], interval '10 min', interval '15 min', 'user', false) $$,
    'a rule made has what was given, defaults for the rest, and a state');
select throws_ok($$ select monitoring.create_alert_rule('{"rule_name": "load is high", "metric_name": "load",
    "comparison_operator": "gt", "critical_threshold": 9}') $$, '23505', null,
    'A-02, A-19: of rules for every tenant too only one has a name');
select lives_ok($$ select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'load is high', 'metric_name', 'load',
    'comparison_operator', 'gt', 'critical_threshold', 9, 'tenant_id', (select tenant_id from tenant where name = 'acme'))) $$,
    'a tenant may give the name to a rule of its own');
select lives_ok($$ select monitoring.update_alert_rule((select id from made), '{"warning_threshold": 6, "labels": {"team": "db"}}') $$,
    'a rule is changed');
select results_eq($$ select r.warning_threshold, r.critical_threshold, r.labels from monitoring.alert_rules as r join made using (id) $$,
    $$ values (6::float8, 9::float8, '{"team": "db"}'::jsonb) $$, 'in what is named, and in nothing else');
select throws_ok($$ select monitoring.update_alert_rule((select id from made), '{"warning_threshold": 60}') $$, 'PV901', null,
    'a change is checked');
select throws_ok($$ select monitoring.update_alert_rule(gen_random_uuid(), '{}') $$, 'PV903', null, 'of a rule that is there');
select throws_ok($$ select monitoring.drop_alert_rule(gen_random_uuid()) $$, 'PV903', null, 'so is a drop');
update monitoring.alert_rules set updated_at = '2000-01-01', last_triggered = '2026-01-01' where id = (select id from made);
select is((select updated_at from monitoring.alert_rules where id = (select id from made)), '2000-01-01'::timestamptz,
    'that it fired does not change a rule');
create role pgvigil_test_admin;
grant monitoring_admin to pgvigil_test_admin;
set local role pgvigil_test_admin;
select lives_ok($$ insert into monitoring.alert_rules (rule_name, metric_name, comparison_operator, critical_threshold)
    values ('by hand', 'load', 'gt', 1) $$, 'an administrator writes rules as rows');
reset role;
select is((select created_by from monitoring.alert_rules where rule_name = 'by hand'), 'pgvigil_test_admin',
    'and is noted as their author');
select lives_ok($$ insert into monitoring.alert_rules (rule_name, metric_name, comparison_operator, critical_threshold, source)
    values ('from a pack', 'load', 'gt', 1, 'pack') $$, 'A-17: a rule that came along needs no author');
select is((select created_by from monitoring.alert_rules where rule_name = 'from a pack'), null, 'A-17: and has none');

-- Templates ---------------------------------------------------------------------------------------
create function pg_temp.render(p_template text, p_values jsonb) returns text language sql as
    $$ select monitoring_internal.render_template(p_template, p_values) $$;
select is(pg_temp.render('{{ value }}/{{threshold}} on {{ labels.host }}{{ labels.none }}!', '{"value": 5, "threshold": "7",
    "labels": {"host": "a"}}'), '5/7 on a!', 'names are replaced, those without a value by nothing');
select is(pg_temp.render('{{ labels.host }}', '{"labels": {"host": "{{ value }}\\1 %s $$ ''; drop"}, "value": "secret"}'),
    '{{ value }}\1 %s $$ ''; drop', 'A-22: a value is data: neither a template, nor a format, nor code');
select is(pg_temp.render('100 % {done} }} {{', '{}'), '100 % {done} }} {{', 'what is no name stays');
select is(pg_temp.render(null, '{}'), null, 'and no template gives no text');
select bag_eq($$ select fault from monitoring_internal.template_faults('t', '{{ value }} {{ labels.a-b }}') $$,
    array['t names the unknown "labels.a-b"'], 'a label''s name is one');
select cmp_ok(cardinality(monitoring_internal.template_names()), '>', 5, 'there are names to use');
select results_eq(
    $$ select o.operator, monitoring_internal.comparison_words(o.operator, true)
        from unnest('{gt,lt,gte,lte,eq,ne}'::text[]) as o (operator) $$,
    $$ values ('gt', 'above'), ('lt', 'below'), ('gte', 'at or above'), ('lte', 'at or below'), ('eq', 'equal to'),
        ('ne', 'different from') $$,
    'A-12: each operator has words of its own');
select results_eq(
    $$ select monitoring_internal.format_alert_value(v.value, v.unit) from (values (0.1 + 0.2, ''), (1234567.891, ''), (5e9, 'bytes'),
        (90, 'seconds'), (0, ''), (-2.5, ''), (1e-9, ''), (95.123456789, '')) as v (value, unit) $$,
    array['0.3', '1234568', '4768 MB', '90 seconds', '0', '-2.5', '1e-09', '95.1235'], 'numbers are for people');

create function pg_temp.message(p_operator text, p_value float8, p_threshold float8, p_breached int, p_state text default 'data')
returns text language sql as $$
    select monitoring_internal.alert_message(rule, monitoring_internal.alert_text_values(rule, reading))
    from (select (jsonb_populate_record(null::monitoring.alert_rules, jsonb_build_object('rule_name', 'r', 'metric_name', 'load',
            'condition_type', 'threshold', 'aggregate', 'avg', 'evaluation_window', '5 min', 'comparison_operator', p_operator,
            'severity', 'critical', 'warning_severity', 'medium'))).*) as rule
    cross join (select (jsonb_populate_record(null::monitoring_internal.alert_reading, jsonb_build_object('value', p_value,
            'threshold', p_threshold, 'breached', p_breached, 'held', 2, 'labels', '{"host": "a"}'::jsonb, 'state', p_state,
            'sample_count', 1))).*) as reading
$$;
select is(pg_temp.message('lt', 3, 5, 2), 'load is 3 (avg of 00:05:00), below 5.', 'A-12: a value that is too low is said to be below');
select is(pg_temp.message('gt', 7, 5, 2), 'load is 7 (avg of 00:05:00), above 5.', 'A-12: one too high above');
select is(pg_temp.message('gt', 4.9, 5, 0), 'load is 4.9 (avg of 00:05:00), no longer above 5.',
    'A-12: one that has not recovered yet is not said to be above');
select is(pg_temp.message('gt', null, 5, 0, 'no_data'), 'load has no data: 1 samples in the last 00:05:00.', 'no data is said so');
select is(
    monitoring_internal.alert_title(jsonb_populate_record(null::monitoring.alert_rules, '{"rule_name": "r"}'),
        '{"rule_name": "r", "labels": {"host": "a", "db": "x"}}'), 'r (db=x, host=a)', 'a title names the labels');
select is(
    length(monitoring_internal.alert_title(jsonb_populate_record(null::monitoring.alert_rules, '{"title_template": "{{ labels.a }}"}'),
        jsonb_build_object('labels', jsonb_build_object('a', repeat('x', 500))))), 200, 'and has 200 characters at most');

-- Levels ------------------------------------------------------------------------------------------
select results_eq(
    $$ select o.operator, string_agg(monitoring_internal.alert_level(v.value, o.operator, 5,
            case when o.operator in ('lt', 'lte') then 3 else 7 end, 1e-6)::text, '' order by v.value)
        from unnest('{gt,gte,lt,lte,eq,ne}'::text[]) as o (operator) cross join generate_series(2, 8) as v (value) group by 1 order by 1 $$,
    $$ values ('eq', '0001020'), ('gt', '0000112'), ('gte', '0001122'), ('lt', '2110000'), ('lte', '2211000'), ('ne', '2222212') $$,
    'A-03: both levels of all six operators');
select is(monitoring_internal.alert_level(null, 'gt', 5, 7, 1e-6), 0::smallint, 'no value passes nothing');
select is(monitoring_internal.alert_level(0.1 + 0.2, 'eq', null, 0.3, 1e-6), 2::smallint, 'equality has a tolerance');
select results_eq(
    $$ select v.value, monitoring_internal.alert_held_level(v.value, 'gt', 50, 90, null, 70, 1e-6)::int
        from unnest('{91,71,70,46,45}'::float8[]) as v (value) $$,
    $$ values (91::float8, 2), (71, 2), (70, 1), (46, 1), (45, 0) $$,
    'a level is held until its recovery: as given, or a tenth to the good side');
select results_eq(
    $$ select v.value, monitoring_internal.alert_held_level(v.value, 'lte', null, 10, null, null, 1e-6)::int
        from unnest('{10,10.9,11,12}'::float8[]) as v (value) $$,
    $$ values (10::float8, 2), (10.9, 2), (11, 0), (12, 0) $$, 'for those below too');

-- Labels and bindings -----------------------------------------------------------------------------
select is(monitoring_internal.alert_label_key((select tenant_id from tenant where name = 'acme'), '{"b": "1", "a": "2"}'),
    monitoring_internal.alert_label_key((select tenant_id from tenant where name = 'acme'), '{"a": "2", "b": "1"}'),
    'labels in another order are the same label set');
select isnt(monitoring_internal.alert_label_key((select tenant_id from tenant where name = 'acme'), '{}'),
    monitoring_internal.alert_label_key((select tenant_id from tenant where name = 'globex'), '{}'), 'A-11: of another tenant they are not');
select results_eq(
    $$ select monitoring_internal.alert_group_labels('{"a": "1", "b": "2"}', g.labels)
        from (values (null::text[]), ('{}'), ('{b,c}')) as g (labels) $$,
    $$ values ('{"a": "1", "b": "2"}'::jsonb), ('{}'), ('{"b": "2"}') $$, 'a group has its labels only');
select bag_eq(
    $$ select m.matchers, string_agg(l.labels ->> 'h', '' order by l.labels ->> 'h')
        from (values ('{"h": "a"}'::jsonb), ('{"h": {"re": "a|bc"}}'), ('{"h": {"nre": "a.*"}}'), ('{"h": {"ne": "a"}}'),
            ('{"x": ""}'), ('{"x": {"re": "y?"}, "h": {"re": ".*", "ne": "bc"}}'), ('{}')) as m (matchers)
        cross join (values ('{"h": "a"}'::jsonb), ('{"h": "ab", "x": "y"}'), ('{"h": "bc"}')) as l (labels)
        where monitoring_internal.matches_labels(l.labels, m.matchers) group by 1 $$,
    $$ values ('{"h": "a"}'::jsonb, 'a'), ('{"h": {"ne": "a"}}', 'abbc'), ('{"h": {"nre": "a.*"}}', 'bc'),
        ('{"h": {"re": "a|bc"}}', 'abc'), ('{"x": ""}', 'abc'), ('{"h": {"ne": "bc", "re": ".*"}, "x": {"re": "y?"}}', 'aab'),
        ('{}', 'aabbc') $$,
    'matchers: equality, whole expressions, their contraries, missing labels');

select pg_temp.store('load', '{"host": "a"}', 'globex', '{1,2,3}');
select pg_temp.store('load', '{"host": "b", "disk": "x"}', 'acme', '{1,2,3}');
select pg_temp.store('load', '{"host": "b", "disk": "y"}', 'acme', '{1,2,3}');
select pg_temp.store('load', '{}', 'system', '{1,2,3}');
delete from monitoring.alert_rules where source = 'user' or source = 'pack';
insert into monitoring.alert_rules (rule_name, tenant_id, metric_name, matchers, group_by, comparison_operator, critical_threshold)
select v.name, t.tenant_id, 'load', v.matchers, v.group_by, 'gt', 1
from (values ('all', null, '{}'::jsonb, null::text[]), ('of acme', 'acme', '{}', null), ('by host', null, '{"host": {"re": ".+"}}', '{host}'),
    ('one', null, '{}', '{}'), ('none', null, '{"host": "z"}', null)) as v (name, tenant, matchers, group_by)
left join tenant as t on t.name = v.tenant;
select monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00');
create function pg_temp.bound() returns table (rule text, series bigint, sets bigint, matched int) language sql as $$
    select r.rule_name, count(b.series_id), count(distinct b.label_key), s.series_matched
    from monitoring.alert_rules as r join monitoring.alert_rule_states as s using (rule_no)
    left join monitoring.alert_bindings as b using (rule_no) group by 1, 4
$$;
select bag_eq('select * from pg_temp.bound()',
    $$ values ('all', 5::bigint, 5::bigint, 5), ('of acme', 3, 3, 3), ('by host', 4, 3, 4), ('one', 5, 3, 5), ('none', 0, 0, 0) $$,
    'A-11, A-16: each series of each tenant is by itself, and a group holds one tenant only');
select is((select s.spacing from monitoring.alert_rule_states as s join monitoring.alert_rules as r using (rule_no) where r.rule_name = 'all'),
    interval '1 min', 'the distance of samples is noted');
select is(monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00'), 0, 'nothing new is nothing to do');
select pg_temp.store('load', '{"host": "z"}', 'acme', '{1,2,3}');
select is((select count(*) from monitoring_internal.unbound_series), 1::bigint, 'a new series is noted as it is made');
-- Done by enqueue_series, track_alert_rule, bind_rules, bind_operands and measure_spacing_at.
select is(monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00'), 5, 'and bound to the rules it matches');
select is((select matched from pg_temp.bound() where rule = 'none'), 1, 'which are counted');
update monitoring.alert_rules set matchers = '{"host": "a"}' where rule_name = 'all';
select monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00');
select is((select series from pg_temp.bound() where rule = 'all'), 2::bigint, 'a changed rule is bound anew');
delete from monitoring.alert_rules where rule_name = 'one';
select is((select count(*) from monitoring.alert_bindings as b where not exists (
    select 1 from monitoring.alert_rules as r where r.rule_no = b.rule_no)), 0::bigint, 'A-17: a rule goes with its bindings');

-- Operands: what a ratio divides by, what a guard watches.
select pg_temp.store('requests_total', '{"host": "a", "code": "200"}', 'acme', '{1,2,3}');
select pg_temp.store('errors_total', '{"host": "a", "code": "200", "path": "/"}', 'acme', '{1,2,3}');
select pg_temp.store('errors_total', '{"host": "b", "code": "200", "path": "/"}', 'acme', '{1,2,3}');
select pg_temp.store('requests_total', '{"host": "a", "code": "200"}', 'globex', '{1,2,3}');
insert into monitoring.alert_rules (rule_name, metric_name, aggregate, condition_type, condition_definition, comparison_operator, critical_threshold)
values ('ratio', 'errors_total', 'rate', 'ratio', '{"denominator": "requests_total",
    "guard": {"metric": "load", "at_least": 1, "on": ["host"]}}', 'gt', 1);
select monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00');
select bag_eq(
    $$ select b.operand, v.labels ->> 'host', (select f.name from monitoring.metric_families as f
            where f.metric_family_id = s.metric_family_id), s.labels
        from monitoring.alert_bindings as b join monitoring.alert_rules as r using (rule_no)
        join monitoring.series as s using (series_id)
        join monitoring.alert_bindings as vb on vb.rule_no = b.rule_no and vb.label_key = b.label_key and vb.operand = 0
        join monitoring.series as v on v.series_id = vb.series_id where r.rule_name = 'ratio' and b.operand > 0 $$,
    $$ values (1::smallint, 'a', 'requests_total', '{"host": "a", "code": "200"}'::jsonb),
        (2, 'a', 'load', '{"host": "a"}'), (2, 'b', 'load', '{"host": "b", "disk": "x"}'), (2, 'b', 'load', '{"host": "b", "disk": "y"}') $$,
    'A-11, A-16: operands are those of the same tenant whose labels are equal');
select pg_temp.store('requests_total', '{"host": "b", "code": "200"}', 'acme', '{1,2,3}');
select monitoring_internal.refresh_rule_bindings_at('2026-05-04 12:00+00');
select is((select count(*) from monitoring.alert_bindings as b join monitoring.alert_rules as r using (rule_no)
    where r.rule_name = 'ratio' and b.operand = 1), 2::bigint, 'a new operand is found');

select * from finish();
rollback;
