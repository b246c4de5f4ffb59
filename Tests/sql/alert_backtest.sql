-- Rules before they are trusted: tests on samples that are data, the past replayed, an alert explained.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

-- The values of a test ------------------------------------------------------------------------------
select is(
    array(select coalesce(value::text, '_') from monitoring_internal.expand_test_values(p.text) order by number),
    string_to_array(p.wanted, ' '), 'values: ' || p.text)
from (values
    ('5', '5'), ('1x3', '1 1 1'), ('1+2x3 _', '1 3 5 _'), ('5-1x3', '5 4 3'), ('10~2x3', '12 8 12'),
    ('_x2 -1.5x2  1e3', '_ _ -1.5 -1.5 1000'), ('-2--1x2', '-2 -1'), ('7x0 1', '1')) as p (text, wanted);
select throws_ok(
    format('select * from monitoring_internal.expand_test_values(%L)', p.text), 'PV930', null, 'no value: ' || coalesce(p.text, 'null'))
from unnest(array['1y3', '', 'x3', '5+x3', '1x9999999', null]) as p (text);

-- A rule with its tests -----------------------------------------------------------------------------
insert into monitoring.metric_families (name, kind) values ('queue', 'gauge'), ('lag', 'gauge');
create temporary table made as
select r.name, monitoring.create_alert_rule(r.definition::jsonb || jsonb_build_object('rule_name', r.name, 'evaluation_interval', '1 min')) as id
from (values
    ('deep', '{"metric_name": "queue", "comparison_operator": "gt", "warning_threshold": 50, "critical_threshold": 90,
        "critical_for": "2 min", "keep_firing_for": "1 min", "evaluation_window": "2 min", "aggregate": "last", "flap_detection": false}'),
    ('late', '{"metric_name": "lag", "comparison_operator": "gt", "critical_threshold": 10, "evaluation_window": "2 min",
        "keep_firing_for": "0"}'),
    ('rising', '{"metric_name": "queue", "condition_type": "trend", "condition_definition": {"trend": "slope"},
        "trend_period": "10 min", "evaluation_window": "2 min", "comparison_operator": "gt", "warning_threshold": 100}'))
    as r (name, definition);
insert into made select 'both', monitoring.create_alert_rule('{"rule_name": "both", "condition_type": "composite",
    "keep_firing_for": "0", "condition_definition": {"all": [{"rule": "deep"}, {"rule": "late"}], "on": ["host"]}}');
insert into monitoring.alert_rule_tests (alert_rule_id, test_name, definition)
select made.id, t.name, t.definition::jsonb from made
inner join (values
    ('deep', '1 fires and ends', '{"series": [{"metric": "queue", "labels": {"host": "a"}, "values": "10x5 95x6 10x10"},
            {"metric": "queue", "labels": {"host": "b"}, "values": "10x21"}],
        "expect": [{"at": "4 min", "state": "ok"}, {"at": "6 min 59 s", "level": "warning", "count": 1},
            {"at": "7 min", "state": "firing", "level": "critical", "severity": "critical", "value": 95, "labels": {"host": "a"}},
            {"at": "7 min", "labels": {"host": "b"}, "state": "ok"},
            {"at": "7 min", "transition": "severity_raised"},
            {"at": "20 min", "state": "ok"}]}'),
    ('deep', '2 wrong on purpose', '{"series": [{"metric": "queue", "values": "10x5"}],
        "expect": [{"at": "3 min", "state": "firing"}, {"at": "4 min", "transition": "fired"}, {"at": "4 min"}]}'),
    ('deep', '3 no values', '{"series": [{"metric": "queue", "values": "10x"}], "expect": [{"at": "3 min", "state": "ok"}]}'),
    ('both', 'needs both', '{"series": [{"metric": "queue", "labels": {"host": "a"}, "values": "95x10"},
            {"metric": "queue", "labels": {"host": "b"}, "values": "95x10"},
            {"metric": "lag", "labels": {"host": "a"}, "values": "1x5 20x5"}],
        "expect": [{"at": "4 min", "state": "ok"}, {"at": "9 min", "state": "firing", "count": 1, "labels": {"host": "a"}},
            {"at": "9 min", "state": "firing", "count": 1}]}'),
    ('rising', 'rises', '{"series": [{"metric": "queue", "values": "10x10 10+3x10"}],
        "expect": [{"at": "9 min", "state": "ok"}, {"at": "19 min", "level": "warning"}]}')) as t (rule, name, definition)
    on t.rule = made.name;
create temporary table before_tests as select
    (select count(*) from monitoring.alert_rules) as rules, (select count(*) from monitoring.tenants) as tenants,
    (select count(*) from monitoring.samples) as samples, (select count(*) from monitoring.alert_passes) as passes,
    (select count(*) from monitoring.alert_rule_states where last_evaluated_at is not null) as evaluated,
    (select count(*) from monitoring_internal.unbound_series) as unbound,
    (select count(*) from monitoring.alert_bindings) as bindings, (select count(*) from monitoring.alerts) as alerts;
select results_eq(
    $$ select rule, test, passed, detail from monitoring.test_alert_rules(source => 'user') $$,
    $$ values ('both'::text, 'needs both'::text, true, null::text), ('deep', '1 fires and ends', true, null),
        ('deep', '2 wrong on purpose', false, 'at 3 min expected {"state": "firing"}, found ok; at 4 min expected '
            '{"transition": "fired"}, found none; it expects nothing'),
        ('deep', '3 no values', false, '"10x" is no value of a test (PV930)'),
        ('rising', 'rises', true, null) $$,
    'tests of rules run with the evaluator itself, in a tenant of their own; a bad one says why');
select is(
    (select count(*) from monitoring.test_alert_rules(rule_id => (select id from made where name = 'rising'))), 1::bigint,
    'those of one rule can be asked for');
create function pg_temp.traces() returns bigint language sql as $$
    select count(*) from before_tests as b where (b.rules, b.tenants, b.samples, b.passes, b.evaluated, b.unbound, b.bindings, b.alerts)
        is distinct from ((select count(*) from monitoring.alert_rules), (select count(*) from monitoring.tenants),
        (select count(*) from monitoring.samples), (select count(*) from monitoring.alert_passes),
        (select count(*) from monitoring.alert_rule_states where last_evaluated_at is not null),
        (select count(*) from monitoring_internal.unbound_series),
        (select count(*) from monitoring.alert_bindings), (select count(*) from monitoring.alerts))
        or current_setting('pgvigil.is_replay', true) = 'on'
$$;
select is(pg_temp.traces(), 0::bigint, 'and nothing of them stays');

-- The past ------------------------------------------------------------------------------------------
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), f.metric_family_id, h.labels::jsonb
from monitoring.metric_families as f, unnest(array['{"host": "a"}', '{"host": "b"}']) as h (labels) where f.name in ('queue', 'lag');
insert into monitoring.samples (series_id, sampled_at, value)
select s.series_id, '2026-03-02 21:00+00'::timestamptz + g.i * interval '1 min',
    case when s.labels = '{"host": "a"}' and g.i % 60 between 40 and 48 then 80 + g.i % 60 - 30 else 10 end
from monitoring.series as s inner join monitoring.metric_families as f using (metric_family_id)
cross join generate_series(0, 200) as g (i)
-- One of them has a gap.
where f.name = 'queue' and not (s.labels = '{"host": "b"}' and g.i between 70 and 80);
insert into monitoring.samples (series_id, sampled_at, value)
select s.series_id, '2026-03-02 21:00+00'::timestamptz + g.i * interval '1 min', case when g.i > 90 then 50 else 1 end
from monitoring.series as s inner join monitoring.metric_families as f using (metric_family_id)
cross join generate_series(0, 200) as g (i) where f.name = 'lag';
update before_tests set samples = (select count(*) from monitoring.samples),
    unbound = (select count(*) from monitoring_internal.unbound_series);
select results_eq(
    $$ select labels, severity, first_breach_at, fired_at, resolved_at, resolution_reason, peak_value, reopened
        from monitoring.backtest_rule(
            (select id from made where name = 'deep'), '2026-03-02 21:10+00', '2026-03-03 00:15+00') $$,
    $$ select '{"host": "a"}'::jsonb, 'critical', h.at + interval '40 min', h.at + interval '40 min', h.at + interval '50 min',
        'cleared', 98::float8, 0 from generate_series('2026-03-02 21:00+00', '2026-03-02 23:00+00', interval '1 hour') as h (at) $$,
    'a backtest tells each alert there would have been: from when to when, how grave, how far it went');
select is(pg_temp.traces(), 0::bigint, 'and leaves nothing');
select results_eq(
    $$ select count(*), max(severity), min(fired_at) from monitoring.backtest_rule(
        (select id from made where name = 'deep'), '2026-03-02 21:10+00', '2026-03-03 00:15+00',
        changes => '{"warning_threshold": 95, "critical_threshold": null}') $$,
    $$ values (3::bigint, 'medium', '2026-03-02 21:46+00'::timestamptz) $$, 'and what an edit would make of it, before it is made');
select throws_ok(
    $$ select * from monitoring.backtest_rule((select id from made where name = 'deep'), '2026-03-02 21:10+00',
        '2026-03-03 00:15+00', changes => '{"comparison_operator": null}') $$, 'PV901', null, 'an edit that is no rule is refused');
select results_eq(
    $$ select labels, fired_at, resolved_at from monitoring.backtest_rule(
        (select id from made where name = 'both'), '2026-03-02 21:10+00', '2026-03-03 00:15+00', '1 min') $$,
    $$ select '{"host": "a"}'::jsonb, h.at + interval '40 min', h.at + interval '50 min'
        from generate_series('2026-03-02 22:00+00', '2026-03-02 23:00+00', interval '1 hour') as h (at) $$,
    'rules that a composite one names are replayed with it');
-- Steps that can find nothing are left out; leaving none out gives the same.
create function pg_temp.replay(p_rule text, p_is_complete boolean, p_changes jsonb default '{}') returns jsonb language plpgsql as $$
declare
    v_result jsonb;
begin
    begin
        v_result := monitoring_internal.replay_rule('2026-03-02 21:10+00', '2026-03-03 00:15+00',
            (select r.rule_no from monitoring.alert_rules as r where r.rule_name = p_rule), '1 min', p_changes, p_is_complete);
        raise exception using errcode = 'PV931';
    exception when sqlstate 'PV931' then
        return v_result;
    end;
end
$$;
create temporary table replayed as
select r.rule, r.is_complete, pg_temp.replay(r.rule, r.is_complete, r.changes) as result, r.changes
from (values ('deep', '{"no_data_policy": "alert"}'::jsonb), ('rising', '{}')) as v (rule, changes)
cross join lateral (values (v.rule, true, v.changes), (v.rule, false, v.changes)) as r (rule, is_complete, changes);
select is(
    (select result -> 'episodes' from replayed as r where r.rule = v.rule and not is_complete),
    (select result -> 'episodes' from replayed as r where r.rule = v.rule and is_complete), 'leaving out what can find nothing: ' || v.rule)
from (values ('deep'), ('rising')) as v (rule);
select ok(
    (select (result -> 'steps')::integer from replayed where rule = 'deep' and not is_complete) < 80
    and (select (result -> 'steps')::integer from replayed where rule = 'deep' and is_complete) = 186
    and (select jsonb_array_length(result -> 'episodes') from replayed where rule = 'deep' and is_complete) = 4,
    'is much less work');
select is(pg_temp.traces(), 0::bigint, 'none of these left anything');
select throws_ok(
    format($$ select * from monitoring.backtest_rule(%s, %L, %L, %L) $$, p.rule, p.start_at, p.end_at, p.step), 'PV932', null, p.name)
from (values
    ('gen_random_uuid()', '2026-03-01', '2026-03-02', '1 min', 'no backtest of no rule'),
    ('(select id from made where name = ''deep'')', '2026-03-02', '2026-03-01', '1 min', 'nor backwards'),
    ('(select id from made where name = ''deep'')', '2026-03-01', '2026-03-02', '0', 'nor without steps'),
    ('(select id from made where name = ''deep'')', '2020-03-01', '2026-03-02', '1 s', 'nor of too many')) as p (rule, start_at, end_at, step, name);

-- An alert explained -------------------------------------------------------------------------------
select monitoring_internal.refresh_rule_bindings_at('2026-03-02 21:30+00');
select monitoring_internal.evaluate_alerts_at(at, array[(select rule_no from monitoring.alert_rules where rule_name = 'deep')])
from generate_series(timestamptz '2026-03-02 21:38+00', '2026-03-02 21:45+00', interval '1 min') as at;
create temporary table raised as
select a.id from monitoring.alerts as a where a.rule_name = 'deep';
create temporary table explained as
select e.* from raised cross join lateral monitoring_internal.explain_alert_at('2026-03-02 21:46+00', raised.id) as e;
grant select on raised, made to public;
select results_eq(
    $$ select section, count(*) from explained where section <> 'notification' group by 1 order by 1 $$,
    $$ values ('alert'::text, 1::bigint), ('compared', 1), ('rule', 1), ('sample', 2), ('transition', 2) $$,
    'an alert is explained by what was compared, its rule, its samples and its transitions');
select results_eq(
    $$ select at, line from explained where section = 'sample' $$,
    $$ values ('2026-03-02 21:39+00'::timestamptz, '10'), ('2026-03-02 21:40+00', '90') $$, 'samples are those of the window');
select results_eq(
    $$ select at, line from explained where section = 'transition' $$,
    $$ values ('2026-03-02 21:40+00'::timestamptz, 'fired medium at 90 against 50'),
        ('2026-03-02 21:43+00', 'severity_raised critical at 93 against 90') $$, 'transitions have their values');
create function pg_temp.why(p_name text, p_at timestamptz, p_labels jsonb default '{}') returns text language sql as $$
    select string_agg(format('%s: %s', w.step, w.passed), ', ')
    from (select * from monitoring_internal.why_not_fired_at(
        p_at, (select id from monitoring.alert_rules where rule_name = p_name), p_labels) where not passed) as w
$$;
select is(pg_temp.why(v.rule, v.at, v.labels), v.answer, 'why not: ' || v.answer)
from (values
    ('deep', timestamptz '2026-03-02 21:45+00', '{"host": "b"}'::jsonb, 'the value is beyond a threshold: f'),
    ('deep', '2026-03-02 21:45+00', '{"host": "a"}', 'somebody was told: f'),
    ('deep', '2026-03-02 21:45+00', '{"host": "c"}', 'it is bound to series: f'),
    ('deep', '2026-03-05 21:45+00', '{}', 'they have samples in the window: f'),
    ('rising', '2026-03-02 21:03+00', '{}', 'they tell enough for a verdict: f'),
    ('late', '2026-03-02 22:45+00', '{"host": "a"}', 'it has been so for long enough: f')) as v (rule, at, labels, answer);
create role pgvigil_test_reader;
grant monitoring_reader to pgvigil_test_reader;
select monitoring.create_tenant('acme');
select monitoring.add_tenant_member('pgvigil_test_reader', 'acme');
set local role pgvigil_test_reader;
select throws_ok('select * from monitoring.explain_alert((select id from raised))', 'PV932', null, 'only to those who see its tenant');
select throws_ok($$ select * from monitoring.why_not_fired((select id from made where name = 'deep')) $$, 'PV932', null,
    'nor of rules one does not see');
reset role;
select is(
    (select count(*) from monitoring.explain_alert((select id from raised))) > 5
        and (select count(*) from monitoring.why_not_fired((select id from made where name = 'deep'))) >= 4, true, 'others are told');

-- What makes this up, by name, for those who look for its tests.
select is(
    (select count(*) from pg_proc where pronamespace = 'monitoring_internal'::regnamespace and proname in (
        'seed_rule_test', 'expectation_fault', 'run_rule_test', 'suffix_rule_names', 'clone_alert_rule', 'replayed_rules',
        'bind_replayed_rules_at', 'replay_step_at', 'find_times_to_evaluate', 'replayed_episodes', 'replayed_peaks_at', 'complete_readings_at', 'explained_samples',
        'fire_stages_at')
        and not has_function_privilege('monitoring_reader', oid, 'execute')), 14::bigint, 'none of it is for readers');

select * from finish();
rollback;
