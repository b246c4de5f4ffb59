-- Rules that take too long: the others are evaluated, the slow one is found, named and tried ever more rarely.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
set local log_min_messages = error;
select no_plan();

delete from monitoring.alert_rules;
create function pg_temp.at(p_minute numeric) returns timestamptz language sql
as $$ select timestamptz '2026-03-01 00:00:00Z' + p_minute * interval '1 minute' $$;
create function pg_temp.minute(p_minute integer) returns void language sql as $$
    select monitoring_internal.ingest_samples_at(
        array_agg('load'::text), array_agg(jsonb_build_object('host', no::text)), array_agg(95.0::double precision),
        array_agg(pg_temp.at(p_minute)), monitoring.system_tenant_id(), pg_temp.at(p_minute))
    from generate_series(1, 3) as host (no)
$$;
select pg_temp.minute(minute) from generate_series(0, 1) as minute;
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'rule ' || no, 'metric_name', 'load', 'aggregate', 'last',
    'comparison_operator', 'gt', 'critical_threshold', 90, 'evaluation_window', '2 minutes', 'evaluation_interval', '1 minute',
    'condition_type', case no when 6 then 'pattern' else 'threshold' end, 'keep_firing_for', '0',
    'pattern_definition', case no when 6 then '{"pattern": "k_of_n", "k": 1, "n": 2}'::jsonb else '{}' end))
from generate_series(1, 6) as no;
create function pg_temp.rule_no(p_name text) returns integer language sql
as $$ select rule_no from monitoring.alert_rules where rule_name = p_name $$;
create function pg_temp.evaluated(p_minute numeric) returns text language sql
as $$ select string_agg(rule_name, ', ' order by rule_name) from monitoring.alert_rules
    join monitoring.alert_rule_states using (rule_no) where last_evaluated_at between pg_temp.at(p_minute) and pg_temp.at(p_minute + 0.5) $$;
create function pg_temp.apart() returns text language sql
as $$ select string_agg(rules, ' | ' order by apart_group) from (
    select apart_group, string_agg(rule_name, ', ' order by rule_name) as rules from monitoring.alert_rules
    join monitoring.alert_rule_states using (rule_no) where apart_group is not null group by apart_group) as grouped $$;

-- A reader that never ends for the rules that are named, and is slow for others.
create temporary table slow (name text, seconds double precision);
grant select on slow to monitoring_owner;
do $$
begin
    execute replace(
        pg_get_functiondef('monitoring_internal.read_threshold_rules_at(timestamptz,integer[])'::regprocedure),
        '-- Few pairs',
        'perform pg_sleep(slow.seconds) from pg_temp.slow join monitoring.alert_rules as r on r.rule_name = slow.name
            where r.rule_no = any (v_rules);
        -- Few pairs');
end
$$;

-- Out of time ---------------------------------------------------------------------------------------------------------------
insert into slow values ('rule 3', 600);
-- Who reads most is the first to be alone.
select monitoring_internal.refresh_rule_bindings_at(pg_temp.at(2)) \g /dev/null
update monitoring.alert_rule_states set series_matched = 1000 where rule_no = pg_temp.rule_no('rule 3');
set local statement_timeout = '4s';
select is(monitoring_internal.evaluate_alerts_at(pg_temp.at(2)), 3, 'a pass whose time is up keeps what it did before');
set local statement_timeout = 0;
select is(pg_temp.evaluated(2), 'rule 6', 'that is the rules of other types');
select is((select (duration, errors) from monitoring.alert_passes where started_at = pg_temp.at(2)), row(null::interval, 1),
    'it is not done, and says so');
select is(pg_temp.apart(), 'rule 1, rule 2, rule 4, rule 5 | rule 3',
    'the rules among which the slow one is are parted by their work');
select pg_temp.minute(3);
set local statement_timeout = '4s';
select monitoring_internal.evaluate_alerts_at(pg_temp.at(3)) \g /dev/null
set local statement_timeout = 0;
select is(pg_temp.evaluated(3), 'rule 1, rule 2, rule 3, rule 4, rule 5, rule 6', 'the next pass evaluates all others');
select isnt((select duration from monitoring.alert_passes where started_at = pg_temp.at(3)), null, 'and is done');
select is(pg_temp.apart(), 'rule 3', 'those that were quick are with the others again, the slow one is alone');
select matches((select last_error from monitoring.alert_rule_states where rule_no = pg_temp.rule_no('rule 3')),
    '^it took longer than the [0-9.]+ s that its pass had left \(57014\); shorten its window', 'it has failed, with what to do about it');
select is((select string_agg(transition || ' ' || reason, ', ') from monitoring.alert_transitions
    where rule_no = pg_temp.rule_no('rule 3') and transition = 'error') ~ '^error it took longer', true, 'which is told');
select is((select count(*) from monitoring.alert_rule_states where failures > 0), 1::bigint, 'no other has');
select is((select count(*) from monitoring.alert_conditions where state = 'firing' and rule_no <> pg_temp.rule_no('rule 3')), 15::bigint,
    'every other rule fires for its hosts');
select ok((select next_evaluation_at between pg_temp.at(3) + interval '10 s' and pg_temp.at(3) + interval '1 min'
    from monitoring.alert_rule_states where rule_no = pg_temp.rule_no('rule 3')), 'it is left alone for ten times what it took');
update monitoring.alert_rule_states set failures = 3 where rule_no = pg_temp.rule_no('rule 3');
select monitoring_internal.settle_apart_rules_at(pg_temp.at(6), 0, array[pg_temp.rule_no('rule 3')], '30s', true);
select is((select next_evaluation_at from monitoring.alert_rule_states where rule_no = pg_temp.rule_no('rule 3')),
    pg_temp.at(6 + 5 * 8), 'and twice as long after each failure');
select is((select string_agg((pg_temp.rule_no('rule 3') = any (monitoring_internal.due_alert_rules_at(pg_temp.at(minute), true)))::text,
    ' ' order by minute) from unnest('{7,45,46}'::integer[]) as minute), 'false false true', 'it is not due before');
select is((select alert_title from monitoring.alerts where rule_no = pg_temp.rule_no('rule 3') and evidence ? 'error'),
    'rule 3 cannot be evaluated', 'after some failures there is an alert about it');
-- Halving: by equal work, until each is alone.
select monitoring_internal.part_slow_rules(1000000, array(select rule_no from monitoring.alert_rules where rule_name ~ '[1245]'));
select is(pg_temp.apart(), 'rule 3 | rule 1, rule 2 | rule 4, rule 5', 'rules of equal work are parted in the middle');
select monitoring_internal.settle_apart_rules_at(pg_temp.at(6), 2000000, array[pg_temp.rule_no('rule 1'), pg_temp.rule_no('rule 2')], '30s', true);
select is(pg_temp.apart(), 'rule 3 | rule 4, rule 5 | rule 1 | rule 2', 'and halved again, when they are tried after the others');
select is((select failures from monitoring.alert_rule_states where rule_no = pg_temp.rule_no('rule 1')), 0, 'none of several has failed');
select monitoring_internal.settle_apart_rules_at(pg_temp.at(6), 3000000, array[rule_no], '0.1s', false) from monitoring.alert_rules
where rule_name ~ '[1245]';
select is(pg_temp.apart(), 'rule 3', 'what is quick is with the others again');

-- Whose time is up
create function pg_temp.time_up(p_replay text) returns boolean language plpgsql as $$
begin
    -- The limit of this statement was set before it began: this one only looks as if it were over.
    perform set_config('statement_timeout', '5ms', true), set_config('pgvigil.is_replay', p_replay, true), pg_sleep(0.02);
    return monitoring_internal.is_time_up();
end $$;
set local statement_timeout = 0;
select ok(pg_temp.time_up(''), 'a live pass runs into its limit');
set local statement_timeout = 0;
select ok(not pg_temp.time_up('on'), 'a replay has none of its own: who set one is told');
set local statement_timeout = 0;
set local pgvigil.is_replay = '';
select ok(not monitoring_internal.is_time_up(), 'without a limit time is never up');

-- Slow, but it ends ----------------------------------------------------------------------------------------------------------
update monitoring.settings set value = '1s' where name = 'alerting.pass_budget';
update slow set seconds = 0.5;
select pg_temp.minute(60);
select monitoring_internal.evaluate_alerts_at(pg_temp.at(60)) \g /dev/null
select is((select count(*)::integer from monitoring.alerts where rule_name = 'rule 3' and not evidence ? 'error'), 3, 'a slow rule that ends raises its alerts');
select results_eq($$ select last_status, failures, next_evaluation_at > pg_temp.at(60) + interval '5 s', took > interval '0.5 s'
    from monitoring.alert_rule_states where rule_no = pg_temp.rule_no('rule 3') $$, $$ values ('ok', 0, true, true) $$,
    'is well, and comes again when ten times as long has gone by');
delete from slow;
update monitoring.settings set value = '20s' where name = 'alerting.pass_budget';
select pg_temp.minute(70);
select monitoring_internal.evaluate_alerts_at(pg_temp.at(70)) \g /dev/null
select is(pg_temp.apart(), null, 'once it is quick it is with the others again');
insert into slow values ('rule 2', 0.3);
update monitoring.settings set value = '100ms' where name = 'alerting.pass_budget';
update monitoring.alert_rule_states set series_matched = case rule_no when pg_temp.rule_no('rule 2') then 1000 else 3 end;
select pg_temp.minute(71);
select monitoring_internal.evaluate_alerts_at(pg_temp.at(71)) \g /dev/null
select matches(pg_temp.apart(), ' \| rule 2$', 'a pass that ends but takes too long parts its rules as well');
delete from slow;
update monitoring.settings set value = '20s' where name = 'alerting.pass_budget';

-- Binding -------------------------------------------------------------------------------------------------------------------
select pg_temp.minute(72);
select monitoring_internal.evaluate_alerts_at(pg_temp.at(72)) \g /dev/null
create function pg_temp.bound() returns text language sql
as $$ select string_agg(rule_name, ', ' order by rule_name) from monitoring.alert_rules join monitoring.alert_rule_states using (rule_no)
    where is_bound $$;
do $$
begin
    execute replace(
        pg_get_functiondef('monitoring_internal.bind_rules(integer[],integer[])'::regprocedure), 'with rule as materialized',
        'perform pg_sleep(slow.seconds) from pg_temp.slow join monitoring.alert_rules as r on r.rule_name = slow.name
            where r.rule_no = any (p_rules);
        with rule as materialized');
end
$$;
insert into slow values ('rule 5', 600);
update monitoring.alert_rule_states set is_bound = false where rule_no = pg_temp.rule_no('rule 5');
set local statement_timeout = '4s';
select monitoring_internal.evaluate_alerts_at(pg_temp.at(73)) \g /dev/null
select monitoring_internal.evaluate_alerts_at(pg_temp.at(74)) \g /dev/null
set local statement_timeout = 0;
select is(pg_temp.evaluated(74), 'rule 1, rule 2, rule 3, rule 4, rule 5, rule 6', 'a rule whose binding does not end stops no other');
select is(pg_temp.apart() || ': ' || pg_temp.bound(), 'rule 5: rule 1, rule 2, rule 3, rule 4, rule 6', 'it is alone, and not bound');
delete from slow;

-- A storm -------------------------------------------------------------------------------------------------------------------
delete from monitoring.alert_rules;
select monitoring_internal.ingest_samples_at(
    array_agg('crowd'::text), array_agg(jsonb_build_object('host', no::text)), array_agg(95.0::double precision),
    array_agg(pg_temp.at(100) - minute * interval '1 minute'), monitoring.system_tenant_id(), pg_temp.at(100))
from generate_series(1, 5000) as host (no), generate_series(0, 1) as minute;
select monitoring.create_alert_rule('{"rule_name": "crowd", "metric_name": "crowd", "aggregate": "last", "comparison_operator": "gt",
    "critical_threshold": 90, "evaluation_window": "5 minutes", "evaluation_interval": "1 minute", "max_instances": 100}');
select is(monitoring_internal.evaluate_alerts_at(pg_temp.at(100)), 1, 'five thousand label sets that breach at once raise one alert');
select is((select count(*) from monitoring.alert_conditions join monitoring.alert_rules using (rule_no) where rule_name = 'crowd'), 1::bigint,
    'and leave one row behind');
select is((select (storm_count, is_storm)::text from monitoring.alerts where rule_name = 'crowd'), '(5000,t)', 'with their number');
-- (statement_age, is_time_up, part_slow_rules, part_unbound_rules, try_alert_rules_at, evaluate_apart_rules_at)

select * from finish();
rollback;
