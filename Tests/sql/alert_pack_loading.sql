-- The loading of the rule pack: new rules come, unchanged ones follow it, and what somebody changed stays theirs.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.given(p_name text, p_change jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object(
        'rule_name', p_name, 'rule_category', 'made', 'metric_name', 'pg_up', 'aggregate', 'last',
        'evaluation_window', '90 seconds', 'comparison_operator', 'lt', 'critical_threshold', 1,
        'group_by', jsonb_build_array('server'), 'suggested_actions', jsonb_build_array('Look.'),
        'tests', jsonb '[{"name": "a test", "series": [], "expect": []}]') || p_change
$$;
create function pg_temp.load(p_name text, p_change jsonb default '{}') returns text language sql as $$
    select monitoring_internal.load_alert_rule(pg_temp.given(p_name, p_change))
$$;
create temporary view made as
select pack.rule_name, pack.state, pack.changed_columns, rule.critical_threshold, rule.evaluation_window, rule.is_active
from monitoring.alert_pack as pack
left join monitoring.alert_rules as rule on rule.id = pack.rule_id
where pack.rule_category = 'made';
create temporary table shipped as select count(*) as rules from monitoring.alert_rules where source = 'pack';

select is(pg_temp.load('made_one'), 'added', 'a rule that is new comes');
select results_eq(
    $$ select source, tenant_id, evaluation_window, group_by, warning_threshold, cooldown_period, pack_hash is not null
        from monitoring.alert_rules where rule_name = 'made_one' $$,
    $$ values ('pack', null::uuid, interval '90s', array['server'], null::double precision, interval '15min', true) $$,
    'with what its definition says, and for the rest the columns'' defaults');
select results_eq(
    $$ select t.test_name, t.definition from monitoring.alert_rule_tests as t
        inner join monitoring.alert_rules as r on r.id = t.alert_rule_id where r.rule_name = 'made_one' $$,
    $$ values ('a test', jsonb '{"series": [], "expect": []}') $$, 'and with its tests');
select is(
    (select pack.loaded from monitoring.alert_pack_rules as pack where pack.rule_name = 'made_one'),
    (select monitoring_internal.alert_pack_columns(rule) from monitoring.alert_rules as rule
        where rule.rule_name = 'made_one'), 'note_pack_rule notes what it left there');
select is(pg_temp.load('made_one'), 'unchanged', 'loading it again changes nothing');
set local intervalstyle = 'iso_8601';
set local extra_float_digits = 0;
select is((select state from made where rule_name = 'made_one'), 'as shipped', 'whatever the session shows times as');
reset intervalstyle;
reset extra_float_digits;
select is(pg_temp.load('made_one', '{"critical_threshold": 0.5, "evaluation_window": "2 min"}'), 'updated',
    'a new release brings a rule that nobody changed up to date');
select results_eq(
    $$ select state, critical_threshold, evaluation_window from made where rule_name = 'made_one' $$,
    $$ values ('as shipped', 0.5::double precision, interval '2min') $$, 'with its new values');
select is(pg_temp.load('made_one', '{"tests": []}'), 'updated', 'also back');
select is_empty(
    $$ select 1 from monitoring.alert_rule_tests as t
        inner join monitoring.alert_rules as r on r.id = t.alert_rule_id where r.rule_name = 'made_one' $$,
    'a test that left the pack is gone');

-- What somebody changed --------------------------------------------------------------------------------
update monitoring.alert_rules set critical_threshold = 7, warning_for = '5min' where rule_name = 'made_one';
select results_eq(
    $$ select state, changed_columns from made where rule_name = 'made_one' $$,
    $$ values ('customised', array['critical_threshold', 'warning_for']) $$, 'a changed rule is reported, by columns');
select is(pg_temp.load('made_one', '{"critical_threshold": 0.1}'), 'kept', 'and a new release leaves it alone');
select is((select critical_threshold from made where rule_name = 'made_one'), 7::double precision, 'as it is');
select isnt(monitoring.reset_alert_rule('made_one'), null, 'it can be given back');
select results_eq(
    $$ select state, critical_threshold from made where rule_name = 'made_one' $$,
    $$ values ('as shipped', 0.1::double precision) $$, 'as the newest release has it');

update monitoring.alert_rules set is_active = false where rule_name = 'made_one';
select is((select state from made where rule_name = 'made_one'), 'disabled', 'a disabled rule is not a changed one');
select is(pg_temp.load('made_one', '{"critical_threshold": 0.2}'), 'updated', 'a new release brings it up to date');
select results_eq(
    $$ select critical_threshold, is_active from made where rule_name = 'made_one' $$,
    $$ values (0.2::double precision, false) $$, 'and leaves it disabled');

delete from monitoring.alert_rules where rule_name = 'made_one';
select is(pg_temp.load('made_one', '{"critical_threshold": 0.3}'), 'kept', 'a deleted rule does not come back');
select results_eq($$ select state from made where rule_name = 'made_one' $$, $$ values ('deleted') $$, 'and is reported');
select isnt(monitoring.reset_alert_rule('made_one'), null, 'unless it is asked for');
select results_eq(
    $$ select state, is_active from made where rule_name = 'made_one' $$, $$ values ('as shipped', true) $$,
    'then it is there and active');
select throws_ok($$ select monitoring.reset_alert_rule('nobody') $$, 'PV971',
    'no rule "nobody" is in the pack', 'only rules of the pack can be given back');

-- Names that are taken, keys that are wrong, an installation whose record is lost ------------------------
insert into monitoring.alert_rules (rule_name, metric_name, comparison_operator, critical_threshold)
values ('made_two', 'pg_up', 'lt', 3);
select is(pg_temp.load('made_two'), 'kept', 'a rule of ours that has the name stays');
select is((select state from made where rule_name = 'made_two'), 'own rule of that name', 'and is reported');
select throws_ok($$ select pg_temp.load('made_three', '{"treshold": 1, "Unit": 2}') $$, 'PV970',
    'rule "made_three" of the pack: no column Unit, treshold', 'a key that is no column is named');
delete from monitoring.alert_pack_rules where rule_name = 'made_one';
select is(pg_temp.load('made_one'), 'updated', 'a rule whose record is lost is known by its hash');
delete from monitoring.alert_pack_rules where rule_name = 'made_one';
update monitoring.alert_rules set warning_threshold = 2 where rule_name = 'made_one';
select is(pg_temp.load('made_one'), 'kept', 'and so is that somebody changed it');

-- What leaves the pack -----------------------------------------------------------------------------------
select is(pg_temp.load('made_four'), 'added', 'two rules that will leave');
select is(pg_temp.load('made_five'), 'added', 'the second');
update monitoring.alert_rules set critical_threshold = 9 where rule_name = 'made_five';
update monitoring.alert_pack_rules set loaded_in = '3' where rule_name in ('made_four', 'made_five');
update monitoring.alert_pack_rules set loaded_in = pg_current_xact_id()
where rule_name not in ('made_four', 'made_five');
select is(monitoring_internal.retire_alert_rules(), 1, 'a rule that no file names any longer is disabled');
select results_eq(
    $$ select rule_name, state, is_active from made where rule_name in ('made_four', 'made_five') order by 1 $$,
    $$ values ('made_five', 'left the pack', true), ('made_four', 'left the pack', false) $$,
    'and not deleted; one that somebody changed goes on');
select is(monitoring_internal.retire_alert_rules(), 0, 'once');
select is(pg_temp.load('made_four'), 'updated', 'one that comes back');
select is((select is_active from made where rule_name = 'made_four'), true, 'is active again');
select is((select count(*) from monitoring.alert_rules as r inner join monitoring.alert_pack as p on p.rule_id = r.id
    where r.source = 'pack' and p.state = 'as shipped' and p.rule_category <> 'made'), (select rules from shipped),
    'the rules that are shipped did not mind');
select * from finish();
rollback;
