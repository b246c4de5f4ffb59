-- One pass of the evaluator as a whole: which rules are due, broken rules, history replayed, whose the parts are.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- The parts -------------------------------------------------------------------------------------------------------------
select is_empty(
    $$ select p.oid::regprocedure
        from unnest(array[
            'due_alert_rules_at', 'read_alert_rules_at', 'run_alert_rules_at', 'note_alert_rules_at',
            'finish_alert_pass', 'group_alert_rules', 'has_alert_part_work_at',
            'fails_alert_part_at', 'follow_alert_parts_at', 'evaluate_alerts_at', 'alert_terms_at', 'see_alert',
            'alert_clocks_at', 'pair_alerts_at', 'alert_action_at', 'decide_alerts_at', 'alert_events',
            'conclude_alerts_at', 'storm_label_key', 'gather_alert_storms_at', 'alert_storm_pair',
            'alert_flapping_at', 'flapping_ratio', 'reopenable_alerts_at', 'take_alert_changes_at', 'alert_texts',
            'open_alerts_at', 'move_alerts_at', 'keep_alert_conditions_at', 'alert_condition_rows_at',
            'tell_transitions_at', 'step_alerts_at', 'raise_rule_errors_at', 'rule_error_changes_at',
            'expire_acknowledgements_at', 'alert_withholders_at', 'suppress_alerts_at', 'close_alert_rules_at',
            'close_alerts_of_dropped_rules', 'close_alerts_of_changed_rules']) as part (name)
        left join pg_proc as p on p.proname = part.name and p.pronamespace = 'monitoring_internal'::regnamespace
        cross join unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_reader']) as role_name
        where p.oid is null or has_function_privilege(role_name, p.oid, 'execute') $$,
    'the parts of a pass are the owner''s alone');
select ok(has_function_privilege('monitoring_service', 'monitoring.evaluate_alerts()', 'execute'),
    'the service evaluates');

-- History -----------------------------------------------------------------------------------------------------------------
-- Rules that come with pgvigil are left out: what they find is of the machine that the test runs on.
delete from monitoring.alert_rules;
create function pg_temp.at(p_minute numeric) returns timestamptz language sql
as $$ select timestamptz '2026-03-01 00:00:00Z' + p_minute * interval '1 minute' $$;
create function pg_temp.value(p_host integer, p_minute integer) returns double precision language sql
as $$ select (case when p_host = 4 and p_minute between 20 and 32 then null
    else 75 + 20 * sin((p_minute + 7 * p_host) / 9.0) + (p_minute * 31 % 7) end)::double precision $$;
create procedure pg_temp.sampled(p_minute integer) language plpgsql
as $$
begin
    perform monitoring_internal.ingest_samples_at(
        array_agg('load'::text), array_agg(jsonb_build_object('host', host::text)), array_agg(pg_temp.value(host, p_minute)),
        array_agg(pg_temp.at(p_minute)), monitoring.system_tenant_id(), pg_temp.at(p_minute))
    from generate_series(1, 5) as host where pg_temp.value(host, p_minute) is not null;
end
$$;
call pg_temp.sampled(0);
call pg_temp.sampled(1);
create procedure pg_temp.rules() language plpgsql
as $$
declare
    v_common constant jsonb := '{"metric_name": "load", "comparison_operator": "gt", "evaluation_window": "3 minutes",
        "evaluation_interval": "1 minute"}';
begin
    perform monitoring.create_alert_rule(v_common || '{"rule_name": "each", "aggregate": "avg",
        "warning_threshold": 80, "critical_threshold": 90, "warning_for": "2 min", "keep_firing_for": "1 min"}');
    perform monitoring.create_alert_rule(v_common || '{"rule_name": "group", "aggregate": "max", "group_by": [],
        "group_aggregate": "avg", "critical_threshold": 85, "cooldown_period": "1 hour"}');
    perform monitoring.create_alert_rule(v_common || '{"rule_name": "silent", "aggregate": "last",
        "warning_threshold": 95, "no_data_policy": "alert"}');
end
$$;
create function pg_temp.history() returns setof text language sql
as $$
    select format('%s %s %s %s %s>%s %s %s %s', to_char(t.occurred_at, 'HH24:MI'), r.rule_name, t.label_key,
        t.transition, t.from_state, t.to_state, t.severity, t.value, coalesce(t.reason, ''))
    from monitoring.alert_transitions as t join monitoring.alert_rules as r on r.rule_no = t.rule_no
    order by t.transition_id
$$;
call pg_temp.rules();
-- Live: each minute's samples come, and are evaluated.
do $$
begin
    for minute in 2..44 loop
        call pg_temp.sampled(minute);
        perform monitoring_internal.evaluate_alerts_at(pg_temp.at(minute));
    end loop;
end
$$;
create temporary table live as select row_number() over () as place, line from pg_temp.history() as line;
select cmp_ok(count(*), '>', 30::bigint, 'three quarters of an hour of five hosts has its transitions') from live;
select cmp_ok(count(distinct split_part(line, ' ', 4)), '>=', 8::bigint, 'of many kinds') from live;
-- Replayed: the same rules again, over what is stored.
delete from monitoring.alert_rules;
delete from monitoring.alert_transitions;
delete from monitoring.alerts;
call pg_temp.rules();
do $$
begin
    for minute in 2..44 loop
        perform monitoring_internal.evaluate_alerts_at(
            pg_temp.at(minute), array(select rule_no from monitoring.alert_rules order by rule_no));
    end loop;
end
$$;
create temporary table replayed as select row_number() over () as place, line from pg_temp.history() as line;
select is_empty(
    $$ select coalesce(live.line, 'missing') || ' / ' || coalesce(replayed.line, 'missing')
        from live full join replayed using (place) where live.line is distinct from replayed.line $$,
    'history replayed gives the same transitions, row by row');

-- What persists is one alert -----------------------------------------------------------------------------------------------
select monitoring.create_alert_rule('{"rule_name": "steady", "metric_name": "load", "comparison_operator": "gt",
    "evaluation_window": "3 minutes", "evaluation_interval": "1 minute", "aggregate": "avg", "group_by": [],
    "critical_threshold": -1}');
do $$
begin
    for minute in 91..150 loop
        call pg_temp.sampled(minute);
        continue when minute % 5 > 0;
        perform monitoring_internal.evaluate_alerts_at(
            pg_temp.at(minute), array(select rule_no from monitoring.alert_rules where rule_name = 'steady'));
        perform monitoring_internal.acknowledge_alert_at(id, pg_temp.at(minute), null, 'anna', null, null)
        from monitoring.alerts where rule_name = 'steady' and minute = 120;
    end loop;
end
$$;
select results_eq(
    $$ select count(*), max(status), max(reopen_count) from monitoring.alerts where rule_name = 'steady' $$,
    $$ values (1::bigint, 'acknowledged', 0) $$, 'A-13: an hour of one condition is one alert, acknowledged or not');
select results_eq(
    $$ select t.transition from monitoring.alert_transitions as t join monitoring.alerts as a on a.id = t.alert_id
        where a.rule_name = 'steady' order by t.transition_id $$,
    array['fired', 'acknowledged'], 'A-21: told when it fires, however many samples come');

-- When rules are due -------------------------------------------------------------------------------------------------------
delete from monitoring.alert_rules;
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'due ' || every, 'metric_name', 'load',
    'comparison_operator', 'gt', 'evaluation_window', '10 minutes', 'aggregate', 'avg', 'critical_threshold', 1000,
    'evaluation_interval', every))
from unnest(array['1 minute', '5 minutes']) as every;
create function pg_temp.due(p_at timestamptz) returns text language sql
as $$ select string_agg(rule_name, ', ' order by rule_name) from monitoring.alert_rules
    where rule_no = any (monitoring_internal.due_alert_rules_at(p_at)) $$;
select is(pg_temp.due(pg_temp.at(200)), 'due 1 minute, due 5 minutes', 'a new rule is due');
select monitoring_internal.evaluate_alerts_at(pg_temp.at(200.5));
select is(pg_temp.due(pg_temp.at(200.9)), null, 'then at the next mark of its grid');
select is(pg_temp.due(pg_temp.at(201)), 'due 1 minute', 'each by its own');
select is(pg_temp.due(pg_temp.at(205)), 'due 1 minute, due 5 minutes', 'interval');
select monitoring_internal.evaluate_alerts_at(pg_temp.at(208));
select results_eq(
    $$ select rule_name, missed_ticks from monitoring.alert_rule_states join monitoring.alert_rules using (rule_no)
        order by rule_name $$,
    $$ values ('due 1 minute', 7::bigint), ('due 5 minutes', 0::bigint) $$, 'what was left out is counted');
select is((select skipped_ticks from monitoring.alert_passes order by pass_id desc limit 1), 7::bigint, 'with the pass');
select is(pg_temp.due(pg_temp.at(-1000)), 'due 1 minute, due 5 minutes', 'a clock set back does not make them wait');

-- Broken rules -------------------------------------------------------------------------------------------------------------
delete from monitoring.alert_rules;
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'rule ' || n, 'metric_name', 'load',
    'comparison_operator', 'gt', 'evaluation_window', '10 minutes', 'aggregate', 'avg', 'critical_threshold', 1000))
from generate_series(1, 40) as n;
-- A reader that divides by zero for two of them, whoever they are read with.
create or replace function monitoring_internal.read_threshold_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading language sql volatile set search_path = pg_catalog, pg_temp
as $$
    select rule.rule_no, md5(rule.rule_name)::uuid, monitoring.system_tenant_id(), '{}'::jsonb,
        (1.0 / case when rule.rule_name in ('rule 7', 'rule 31') then 0 else 1 end)::double precision, 2::smallint,
        2::smallint, p_now, p_now, 1, 1, 0::double precision, 'data', '{}'::jsonb
    from monitoring.alert_rules as rule where rule.rule_no = any (p_rules);
$$;
select is(monitoring_internal.evaluate_alerts_at(pg_temp.at(300)), 38, 'A-01: with two broken rules the others fire');
select results_eq(
    $$ select rule_name, last_status, last_error, failures
        from monitoring.alert_rule_states join monitoring.alert_rules using (rule_no)
        where last_status = 'failed' order by rule_name $$,
    $$ values ('rule 31', 'failed', 'division by zero (22012)', 1), ('rule 7', 'failed', 'division by zero (22012)', 1) $$,
    'A-01: the broken ones are marked, with their error');
select is((select errors from monitoring.alert_passes order by pass_id desc limit 1), 2, 'and counted with the pass');

-- Alerts and what they are kept in, and where health shows them -------------------------------------------------------------
select is(
    (select string_agg(p.relkind::text || ' ' || k.partstrat::text, ', ' order by p.relname) from pg_class as p
     join pg_partitioned_table as k on k.partrelid = p.oid
     where p.oid in ('monitoring.alerts'::regclass, 'monitoring.alert_transitions'::regclass)), 'p r, p r',
    'S-10: alerts and their transitions are partitioned by range');
create table alerts_y2026m01 partition of monitoring.alerts for values from ('2020-01-01') to ('2020-02-01');
select is(
    (select count(*) from pg_inherits where inhrelid = 'alerts_y2026m01'::regclass), 1::bigint,
    'S-10: so that a month attaches');
select is(
    (select active from monitoring_internal.component_alerts_at(
        pg_temp.at(300), monitoring.system_tenant_id(), 'server', 'local', null)), 38, 'health counts them');
select is(
    (select active from monitoring_internal.component_alerts_at(
        pg_temp.at(9000), monitoring.system_tenant_id(), 'server', 'local', null)), null,
    'and says nothing when nobody evaluates');

select * from finish();
rollback;
