-- The states of a condition and of its alert, each transition by its name. Readings are staged: what is tested is what
-- becomes of them, not how they are read. Times are minutes of one day; the evaluation interval is a minute.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary table staged (
    rule_no integer, label text, value double precision, breached smallint, held smallint, since timestamptz,
    sampled_at timestamptz, state text, tenant_id uuid);
grant select on staged to monitoring_owner;

-- Stands in for the readers: what is staged for the time of the pass.
create or replace function monitoring_internal.read_alert_rules_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns setof monitoring_internal.alert_reading
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select staged.rule_no, md5(staged.label)::uuid, staged.tenant_id,
        jsonb_build_object('label', staged.label), staged.value, staged.breached, staged.held, staged.since,
        staged.sampled_at, 1 / (staged.label <> 'divides by zero')::integer, 1, 90.0::double precision, staged.state, jsonb_build_object('window', '5 minutes')
    from pg_temp.staged as staged
    where staged.rule_no = any (p_rules);
$$;

create function pg_temp.at(p_minute numeric) returns timestamptz language sql
as $$ select timestamptz '2026-03-01 00:00:00Z' + p_minute * interval '1 minute' $$;

-- A rule: warning at 80, critical at 90, both recovered 10 % below; no waiting and no lingering unless asked for.
create function pg_temp.rule(p_name text, p_changes jsonb default '{}') returns integer language plpgsql
as $$
begin
    perform monitoring.create_alert_rule(jsonb_build_object(
        'rule_name', p_name, 'metric_name', 'load', 'aggregate', 'last', 'evaluation_window', '2 minutes',
        'condition_definition', '{"allow_unknown_metric": true}'::jsonb, 'comparison_operator', 'gte',
        'warning_threshold', 80, 'critical_threshold', 90, 'keep_firing_for', '0', 'cooldown_period', '0',
        'suggested_actions', '["look"]'::jsonb, 'evaluation_interval', '1 minute', 'labels', '{"team": "dba"}'::jsonb)
        || p_changes);
    return (select rule_no from monitoring.alert_rules where rule_name = p_name);
end
$$;

-- Evaluate a rule with one label set at a value, null for no data; returns the condition, its alert, what was told.
create function pg_temp.tick(p_rule text, p_minute numeric, p_value double precision, p_since numeric default null)
returns text language plpgsql
as $$
declare
    v_rule_no constant integer := (select rule_no from monitoring.alert_rules where rule_name = p_rule);
    v_now constant timestamptz := pg_temp.at(p_minute);
begin
    delete from pg_temp.staged;
    insert into pg_temp.staged values (
        v_rule_no, 'a', p_value, case when p_value >= 90 then 2 when p_value >= 80 then 1 else 0 end,
        case when p_value > 81 then 2 when p_value > 72 then 1 else 0 end,
        case when p_value >= 80 then pg_temp.at(coalesce(p_since, p_minute)) end, v_now,
        case when p_value is null then 'no_data' else 'data' end, monitoring.system_tenant_id());
    perform monitoring_internal.evaluate_alerts_at(v_now, array[v_rule_no]);
    return pg_temp.told(v_rule_no, v_now);
end
$$;

create function pg_temp.told(p_rule_no integer, p_now timestamptz) returns text language sql
as $$
    select concat_ws(' | ',
        coalesce((
            select string_agg(concat_ws(' ', c.state, a.status, a.severity), ', ' order by c.kind, c.label_key)
            from monitoring.alert_conditions as c
            left join monitoring.alerts as a on a.id = c.alert_id
            where c.rule_no = p_rule_no), 'ok'),
        (select string_agg(t.transition || coalesce(' (' || t.reason || ')', ''), ', ' order by t.transition_id)
            from monitoring.alert_transitions as t where t.rule_no = p_rule_no and t.occurred_at = p_now))
$$;

create function pg_temp.alert(p_rule text) returns monitoring.alerts language sql
as $$ select * from monitoring.alerts where rule_name = p_rule order by created_at desc, triggered_at desc limit 1 $$;

-- T1, T2, T3: waiting ------------------------------------------------------------------------------------------------
select pg_temp.rule('waits', '{"warning_for": "5 min", "critical_for": "2 min"}');
select is(pg_temp.tick('waits', 0, 50), 'ok', 'a healthy reading leaves no row and tells nothing');
select is(pg_temp.tick('waits', 1, 85), 'pending | pending', 'T1: a breach that must last is pending');
select is(pg_temp.tick('waits', 2, 85), 'pending', 'T1: and stays so without a word');
select is(pg_temp.tick('waits', 3, 50), 'ok | cleared', 'T3: one good evaluation ends it');
select is(pg_temp.tick('waits', 10, 85, 6), 'pending | pending', 'T1: its clock starts at the first bad sample');
select is(pg_temp.tick('waits', 11, 85, 9), 'firing active medium | fired',
    'T2: so that a slow evaluator does not lengthen the wait');
select is(pg_temp.tick('waits', 12, 50), 'ok | resolved (cleared)', 'T8: it ends when it is good');
select is(pg_temp.tick('waits', 20, 85), 'pending | pending', 'T2: a warning waits');
select is(pg_temp.tick('waits', 22, 85), 'pending', 'T2: and waits');
select is(pg_temp.tick('waits', 24, 95), 'pending', 'T2: a critical value later has a clock of its own');
select is(pg_temp.tick('waits', 25, 95), 'firing active medium | fired', 'T2: the warning''s time comes first');
select is(pg_temp.tick('waits', 26, 95), 'firing active critical | severity_raised', 'T4: then the critical one''s');
select is(pg_temp.tick('waits', 27, 50), 'ok | resolved (cleared)', 'and all is well');
select is(pg_temp.tick('waits', 30, 95, 28), 'firing active critical | fired', 'T2: critical at once when its time is up');

-- T4, T5: severity moves inside the open alert --------------------------------------------------------------------------
select pg_temp.rule('moves', '{"keep_firing_for": "2 min"}');
select is(pg_temp.tick('moves', 0, 85), 'firing active medium | fired', 'a warning fires with its severity');
select is(pg_temp.tick('moves', 1, 85), 'firing active medium', 'what persists tells nothing');
select is(pg_temp.tick('moves', 2, 95), 'firing active critical | severity_raised', 'T4: raised at once');
select is(pg_temp.tick('moves', 3, 85), 'firing active critical', 'hysteresis: 85 has not recovered from 90');
select is(pg_temp.tick('moves', 4, 80), 'firing active critical', 'T5: below the recovery it is held a while');
select is(pg_temp.tick('moves', 5, 85), 'firing active critical', 'T5: and back in the band the while is forgotten');
select is(pg_temp.tick('moves', 6, 80), 'firing active critical', 'T5: again below');
select is(pg_temp.tick('moves', 8, 80), 'firing active medium | severity_lowered', 'T5: lowered after keep_firing_for');
select is(pg_temp.tick('moves', 9, 75), 'firing active medium', 'hysteresis: 75 is no breach, and has not recovered');
select is(pg_temp.tick('moves', 10, 50), 'recovering active medium | recovering', 'T6: good, but not for long enough');
select is(pg_temp.tick('moves', 11, 85), 'firing active medium | refired', 'T7: bad again: the same alert');
select is(pg_temp.tick('moves', 12, 50), 'recovering active medium | recovering', 'T6: good again');
select is(pg_temp.tick('moves', 13, 75), 'firing active medium | refired (held)', 'in the band it does not recover');
select is(pg_temp.tick('moves', 14, 50), 'recovering active medium | recovering', 'good');
select is(pg_temp.tick('moves', 15, 49), 'recovering active medium', 'still good');
select is(pg_temp.tick('moves', 16, 48), 'ok | resolved (cleared)', 'T8: resolved after keep_firing_for');
select is((select count(*) from monitoring.alerts where rule_name = 'moves'), 1::bigint, 'it was one alert');
select results_eq(
    $$ select status, severity, max_severity, trigger_value, last_value, resolved_value, resolution_reason, resolved_at
        from pg_temp.alert('moves') $$,
    $$ values ('resolved', 'medium', 'critical', 85::double precision, 48::double precision, 48::double precision,
        'cleared', pg_temp.at(16)) $$,
    'T8: with the value it ended with, and the worst it was');
select is(pg_temp.rule('lingers', '{"keep_firing_for": null}') is not null, true, 'a rule that leaves it open');
select pg_temp.tick('lingers', 0, 85) \g /dev/null
select is(pg_temp.tick('lingers', 1, 50), 'recovering active medium | recovering', 'T6: lingers');
select is(pg_temp.tick('lingers', 2, 50), 'recovering active medium', 'for two evaluation intervals');
select is(pg_temp.tick('lingers', 3, 50), 'ok | resolved (cleared)', 'T8: by default');

-- T9: recurrence -------------------------------------------------------------------------------------------------------
select pg_temp.rule('returns', '{"cooldown_period": "15 min"}');
select pg_temp.tick('returns', 0, 85) \g /dev/null
select pg_temp.tick('returns', 1, 50) \g /dev/null
select is(pg_temp.tick('returns', 10, 85), 'firing active medium | reopened', 'T9: within the cooldown the same alert returns');
select pg_temp.tick('returns', 11, 50) \g /dev/null
select is(pg_temp.tick('returns', 12, 95), 'firing active critical | reopened (severity_raised)', 'T9: and says when it is worse');
select results_eq(
    $$ select reopen_count, triggered_at, resolved_at from pg_temp.alert('returns') $$,
    $$ values (2, pg_temp.at(0), null::timestamptz) $$, 'T9: its begin stays: how long it took goes on counting');
select pg_temp.tick('returns', 13, 50) \g /dev/null
select is(pg_temp.tick('returns', 28, 85), 'firing active medium | fired', 'T9: after the cooldown it is another');
select is((select count(*) from monitoring.alerts where rule_name = 'returns'), 2::bigint, 'two alerts in all');

-- T10, T11: acknowledgement ---------------------------------------------------------------------------------------------
select pg_temp.rule('taken');
select pg_temp.tick('taken', 0, 85) \g /dev/null
select ok(monitoring_internal.acknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(1), null, 'anna', 'on it', pg_temp.at(60)), 'T10: somebody takes it');
select is(pg_temp.tick('taken', 2, 85), 'firing acknowledged medium', 'A-13: what is acknowledged does not fire again');
select is(pg_temp.tick('taken', 59, 85), 'firing acknowledged medium', 'and stays so');
select is(pg_temp.tick('taken', 60, 85), 'firing active medium | unacknowledged (expired)', 'T11: until its time is up');
select ok(monitoring_internal.acknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(61), null, 'anna', null, null), 'T10: taken again, for as long as usual');
select is((pg_temp.alert('taken')).acknowledged_until, pg_temp.at(61) + interval '24 hours', 'a day for a medium one');
select is(pg_temp.tick('taken', 62, 95), 'firing active critical | severity_raised, unacknowledged (severity_raised)',
    'T11: what gets worse is everybody''s again');
select ok(monitoring_internal.acknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(63), null, 'anna', null, null), 'taken');
select is((pg_temp.alert('taken')).acknowledged_until, pg_temp.at(63) + interval '4 hours', 'four hours for a critical one');
select ok(monitoring_internal.unacknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(64), null, 'anna', 'no time'), 'and given back');
select ok(not monitoring_internal.unacknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(64), null, 'anna', null), 'once');
select is((pg_temp.alert('taken')).status, 'active', 'to everybody');
select pg_temp.tick('taken', 65, 50) \g /dev/null
select ok(not monitoring_internal.acknowledge_alert_at(
    (pg_temp.alert('taken')).id, pg_temp.at(66), null, 'anna', null, null), 'T10: what has ended cannot be taken');
select is((pg_temp.alert('taken')).first_acknowledged_at, pg_temp.at(1), 'when it was first taken is kept');

-- Resolved by hand -----------------------------------------------------------------------------------------------------
select pg_temp.rule('by hand', '{"cooldown_period": "10 min"}');
select pg_temp.tick('by hand', 0, 85) \g /dev/null
select ok(monitoring_internal.resolve_alert_at((pg_temp.alert('by hand')).id, pg_temp.at(1), null, 'anna', 'restarted'),
    'an open alert is resolved by hand');
select is(pg_temp.tick('by hand', 2, 85), 'pending', 'that its condition goes on raises nothing at once');
select is(pg_temp.tick('by hand', 10, 85), 'pending', 'for the cooldown');
select is(pg_temp.tick('by hand', 11, 85), 'firing active medium | reopened (persisting)', 'then the same alert is open again');
select ok(monitoring_internal.resolve_alert_at((pg_temp.alert('by hand')).id, pg_temp.at(12), null, 'anna', null), 'again');
select is(pg_temp.tick('by hand', 13, 95), 'firing active critical | reopened (persisting)', 'what gets worse is not waited for');
select ok(monitoring_internal.resolve_alert_at((pg_temp.alert('by hand')).id, pg_temp.at(14), null, 'anna', null), 'and again');
select is(pg_temp.tick('by hand', 15, 50), 'ok | cleared', 'a condition that ends meanwhile ends');
select results_eq(
    $$ select resolution_reason, resolved_role, resolved_at from pg_temp.alert('by hand') $$,
    $$ values ('manual', 'anna', pg_temp.at(14)) $$, 'and the alert was resolved by hand');
select ok(not monitoring_internal.resolve_alert_at((pg_temp.alert('by hand')).id, pg_temp.at(16), null, 'anna', null),
    'what has ended cannot be resolved');

-- T14, T15: no data -----------------------------------------------------------------------------------------------------
select pg_temp.rule('keeps');
select is(pg_temp.tick('keeps', 0, null), 'ok', 'T14: keep: no data of what was well is no condition');
select pg_temp.tick('keeps', 1, 85) \g /dev/null
select is(pg_temp.tick('keeps', 2, null), 'firing active medium', 'T14: keep: one gap says nothing');
select is(pg_temp.tick('keeps', 3, null), 'no_data active medium | no_data', 'T14: keep: no data is told, and nothing resolved');
select is(pg_temp.tick('keeps', 30, null), 'no_data active medium', 'T14: keep: for as long as it takes');
select is(pg_temp.tick('keeps', 31, 85), 'firing active medium | data_back', 'T14: keep: data comes back bad');
select pg_temp.tick('keeps', 32, null) \g /dev/null
select pg_temp.tick('keeps', 33, null) \g /dev/null
select is(pg_temp.tick('keeps', 34, 50), 'ok | data_back, resolved (cleared)', 'T14: keep: or good');
select pg_temp.rule('gap while pending', '{"warning_for": "10 min"}');
select pg_temp.tick('gap while pending', 0, 85) \g /dev/null
select is(pg_temp.tick('gap while pending', 1, null), 'pending', 'T14: one gap does not end the waiting');
select is(pg_temp.tick('gap while pending', 2, null), 'ok | cleared (no_data)', 'T14: no data does');
select pg_temp.rule('resolves', '{"no_data_policy": "resolve"}');
select pg_temp.tick('resolves', 0, 85) \g /dev/null
select is(pg_temp.tick('resolves', 1, null), 'firing active medium', 'T14: resolve: not at one gap');
select is(pg_temp.tick('resolves', 2, null), 'ok | resolved (no_data)', 'T14: resolve: no data resolves, and is said to be why');
select pg_temp.rule('is ok', '{"no_data_policy": "ok", "keep_firing_for": "1 min"}');
select pg_temp.tick('is ok', 0, 85) \g /dev/null
select is(pg_temp.tick('is ok', 1, null), 'recovering active medium | recovering', 'T14: ok: no data is a good value');
select is(pg_temp.tick('is ok', 2, null), 'ok | resolved (cleared)', 'T14: ok: that resolves');
select pg_temp.rule('alerts', '{"no_data_policy": "alert"}');
select is(pg_temp.tick('alerts', 0, null), 'no_data', 'T14: alert: not at one gap');
select is(pg_temp.tick('alerts', 1, null), 'no_data active critical | fired (no_data)', 'T14: alert: no data is an alert');
select matches((pg_temp.alert('alerts')).alert_message, 'has no data', 'T14: alert: that says so');
select is(pg_temp.tick('alerts', 2, 50), 'ok | data_back, resolved (cleared)', 'T14: alert: until data is back');
select is(pg_temp.tick('alerts', 3, null), 'no_data', 'T14: alert: a gap');
select is(pg_temp.tick('alerts', 4, 50), 'ok | data_back', 'T14: alert: that was short');
select pg_temp.rule('goes');
select pg_temp.tick('goes', 0, 85) \g /dev/null
delete from staged;
select monitoring_internal.evaluate_alerts_at(pg_temp.at(1), array[(pg_temp.alert('goes')).rule_no]);
select is(pg_temp.told((pg_temp.alert('goes')).rule_no, pg_temp.at(1)), 'firing active medium', 'T15: a series that is gone is waited for');
select monitoring_internal.evaluate_alerts_at(pg_temp.at(2), array[(pg_temp.alert('goes')).rule_no]);
select is(pg_temp.told((pg_temp.alert('goes')).rule_no, pg_temp.at(2)), 'ok | resolved (missing_series)',
    'T15: and when it does not come back, its alert ends for that reason');

-- T16: a rule that fails -----------------------------------------------------------------------------------------------
select pg_temp.rule('breaks');
select pg_temp.tick('breaks', 0, 85) \g /dev/null
create function pg_temp.fail(p_minute numeric) returns text language plpgsql
as $$
declare
    v_rule_no constant integer := (select rule_no from monitoring.alert_rules where rule_name = 'breaks');
begin
    delete from pg_temp.staged;
    insert into pg_temp.staged values (
        v_rule_no, 'divides by zero', 1, 1, 1, null, null, 'data', monitoring.system_tenant_id());
    perform monitoring_internal.evaluate_alerts_at(pg_temp.at(p_minute), array[v_rule_no]);
    return pg_temp.told(v_rule_no, pg_temp.at(p_minute));
end
$$;
select is(pg_temp.fail(1), 'firing active medium | error (division by zero (22012))',
    'T16: the first failure of a rule is told, and its conditions stay as they were');
select is(pg_temp.fail(2), 'firing active medium', 'T16: the second is counted');
select is(pg_temp.fail(3), 'error active medium, firing active medium | fired (rule_error)',
    'T16: the third raises an alert about the rule');
select is(pg_temp.fail(4), 'error active medium, firing active medium', 'T16: one, however long it fails');
select results_eq(
    $$ select last_status, last_error, failures from monitoring.alert_rule_states
        where rule_no = (select rule_no from monitoring.alert_rules where rule_name = 'breaks') $$,
    $$ values ('failed', 'division by zero (22012)', 4) $$, 'T16: the error is kept with the rule');
select is(
    (select alert_title || ': ' || alert_message from monitoring.alerts
     where rule_name = 'breaks' order by triggered_at desc limit 1),
    'breaks cannot be evaluated: It failed 3 times in a row: division by zero (22012). Its alerts stay as they were.',
    'T16: and told with the alert');
select is(pg_temp.tick('breaks', 5, 85), 'firing active medium | resolved (cleared)', 'T16: a success ends it');

-- T12, T13, T17: flapping ------------------------------------------------------------------------------------------------
select pg_temp.rule('flaps', '{"cooldown_period": "1 hour"}');
create temporary table flapped as
select minute, pg_temp.tick('flaps', minute, case when minute % 2 = 0 then 85 else 50 end) as told
from generate_series(0, 11) as minute;
select is(told, 'firing active medium | reopened', 'T9: at first each recurrence is told') from flapped where minute = 4;
select matches(told, 'flapping', 'T17: then it is told to flap') from flapped where minute = 8;
select is(count(*), 1::bigint, 'T17: once') from flapped where told ~ 'flapping';
select is(told, 'recovering suppressed medium | recovering', 'T12: from then on nobody is told, and nothing resolved')
from flapped where minute = 9;
select is(status || ': ' || (suppressed_by -> 0 ->> 'kind'), 'suppressed: flapping', 'T12: the reason is kept')
from pg_temp.alert('flaps');
select is(pg_temp.tick('flaps', 12, 85), 'firing suppressed medium | refired', 'T12: its condition goes on behind that');
select is(pg_temp.tick('flaps', 20, 85), 'firing suppressed medium', 'T17: quiet for eight evaluations is not quiet yet');
select is(pg_temp.tick('flaps', 28, 85), 'firing active medium | steady, unsuppressed', 'T13: it is told again when it is');
select pg_temp.rule('may flap', '{"flap_detection": false}');
select is(
    (select count(*) from generate_series(0, 30) as minute
     where pg_temp.tick('may flap', minute, case when minute % 2 = 0 then 85 else 50 end) ~ 'flapping'), 0::bigint,
    'T17: not where the rule does not ask for it');
select is(monitoring_internal.flapping_ratio(
    array(select pg_temp.at(minute) from generate_series(0, 19) as minute), pg_temp.at(19), '1 minute'),
    1::double precision, 'T17: twenty changes in twenty steps are all there can be');
select ok(
    monitoring_internal.flapping_ratio(array[pg_temp.at(19)], pg_temp.at(19), '1 minute')
        > monitoring_internal.flapping_ratio(array[pg_temp.at(0)], pg_temp.at(19), '1 minute'),
    'T17: recent ones weigh more');

-- T18: nobody evaluated ------------------------------------------------------------------------------------------------
select pg_temp.rule('gap', '{"warning_for": "10 min"}');
select pg_temp.tick('gap', 0, 85) \g /dev/null
select is(pg_temp.tick('gap', 20, 85, 18), 'pending', 'T18: what no sample shows and nobody saw is not counted');
select is(pg_temp.tick('gap', 21, 85, 18), 'pending', 'T18: two minutes of it are');
select is(pg_temp.tick('gap', 22, 85), 'pending', 'T18: and so on');
select is(pg_temp.tick('gap', 24, 85), 'pending', 'T18: until');
select is(pg_temp.tick('gap', 26, 85), 'pending', 'T18: ten minutes');
select is(pg_temp.tick('gap', 28, 85), 'firing active medium | fired', 'T18: were seen');
select is(pg_temp.tick('gap', 90, 85), 'firing active medium', 'T18: what fires stays firing through a gap');
select pg_temp.rule('no gap', '{"warning_for": "10 min"}');
select pg_temp.tick('no gap', 0, 85) \g /dev/null
select is(pg_temp.tick('no gap', 20, 85, 0), 'firing active medium | fired', 'T18: samples without a break prove the whole time');
select is(pg_temp.tick('no gap', 5, 85), 'firing active medium', 'a clock that steps backwards changes nothing');
select is(pg_temp.tick('no gap', 4, 50), 'ok | resolved (cleared)', 'and what ends, ends');
select pg_temp.rule('back', '{"warning_for": "2 min"}');
select pg_temp.tick('back', 1000, 85) \g /dev/null
select is(pg_temp.tick('back', 0, 85), 'pending', 'a clock set back by hours');
select is(pg_temp.tick('back', 2, 85), 'firing active medium | fired', 'does not make a condition wait for hours');

-- T19, T20: changed, switched off, dropped rules -------------------------------------------------------------------------
select pg_temp.rule('edited');
select pg_temp.tick('edited', 0, 85) \g /dev/null
select monitoring.update_alert_rule(id, '{"warning_for": "10 min"}') from monitoring.alert_rules where rule_name = 'edited';
select is(pg_temp.tick('edited', 1, 85), 'firing active medium', 'T19: a longer wait does not send back what fires');
select monitoring.update_alert_rule(id, '{"group_by": ["label"]}') from monitoring.alert_rules where rule_name = 'edited';
select is((pg_temp.alert('edited')).resolution_reason, 'rule_changed', 'T19: another grouping ends what was found by the old one');
select pg_temp.rule('switched off');
select pg_temp.tick('switched off', 0, 85) \g /dev/null
select pg_temp.rule('pending then off', '{"warning_for": "10 min"}');
select pg_temp.tick('pending then off', 0, 85) \g /dev/null
update monitoring.alert_rules set is_active = false where rule_name in ('switched off', 'pending then off');
select is((pg_temp.alert('switched off')).resolution_reason, 'rule_disabled', 'T20: so does switching a rule off');
select is(
    (select count(*) from monitoring.alert_conditions join monitoring.alert_rules using (rule_no)
     where rule_name in ('switched off', 'pending then off')), 0::bigint, 'T20: nothing of it stays');
select pg_temp.rule('dropped');
select pg_temp.tick('dropped', 0, 95) \g /dev/null
delete from monitoring.alert_rules where rule_name = 'dropped';
select results_eq(
    $$ select status, resolution_reason, alert_rule_id, rule_name from pg_temp.alert('dropped') $$,
    $$ values ('resolved', 'rule_disabled', null::uuid, 'dropped') $$,
    'T20: a rule that has alerts can be dropped: they end, and stay on record');
select is(
    (select string_agg(transition || ' ' || reason, ', ') from monitoring.alert_transitions
     where alert_id = (pg_temp.alert('dropped')).id and pass_id is null), 'resolved rule_disabled', 'T20: which is told');

-- T21: storms ----------------------------------------------------------------------------------------------------------
create function pg_temp.storm(p_rule text, p_minute numeric, p_count integer) returns text language plpgsql
as $$
declare
    v_rule_no constant integer := (select rule_no from monitoring.alert_rules where rule_name = p_rule);
begin
    delete from pg_temp.staged;
    insert into pg_temp.staged
    select v_rule_no, 'host ' || n, case when n <= p_count then 90 + n else 50 end,
        case when n <= p_count then 2 else 0 end, case when n <= p_count then 2 else 0 end, pg_temp.at(p_minute),
        pg_temp.at(p_minute), 'data', monitoring.system_tenant_id()
    from generate_series(1, 30) as n;
    perform monitoring_internal.evaluate_alerts_at(pg_temp.at(p_minute), array[v_rule_no]);
    return (
        select format('%s alerts, %s of them storms, %s open', count(*), count(*) filter (where is_storm),
            count(*) filter (where status <> 'resolved'))
        from monitoring.alerts where rule_no = v_rule_no);
end
$$;
select pg_temp.rule('storms', '{"max_instances": 5, "keep_firing_for": "1 min"}');
select is(pg_temp.storm('storms', 0, 3), '3 alerts, 0 of them storms, 3 open', 'T21: a few are alerts each');
select is(pg_temp.storm('storms', 1, 30), '4 alerts, 1 of them storms, 4 open', 'T21: many more are one');
select is(pg_temp.storm('storms', 2, 30), '4 alerts, 1 of them storms, 4 open', 'T21: for as long as it lasts');
select is(storm_count || ' ' || severity || ' ' || alert_title || ' ' || (evidence ->> 'breaching') || ' '
    || jsonb_array_length(evidence -> 'worst') || ' ' || (evidence #>> '{worst,0,value}'),
    '30 critical storms: 30 at once 30 20 120', 'T21: with their number and the twenty worst')
from monitoring.alerts where is_storm;
select is((select count(*) from monitoring.alert_transitions where transition = 'storm'), 1::bigint, 'T21: told once');
select is(pg_temp.storm('storms', 3, 5), '6 alerts, 1 of them storms, 6 open', 'T21: when few are left they are told each');
select is(pg_temp.storm('storms', 4, 5), '6 alerts, 1 of them storms, 5 open', 'T21: and the storm is over');
select is(pg_temp.storm('storms', 5, 0), '6 alerts, 1 of them storms, 5 open', 'all of them recover');
select is(pg_temp.storm('storms', 6, 0), '6 alerts, 1 of them storms, 0 open', 'and end');
select pg_temp.rule('tenants storm', '{"max_instances": 1}');
select monitoring.create_tenant('stormy');
delete from staged;
insert into staged
select (select rule_no from monitoring.alert_rules where rule_name = 'tenants storm'), t.name || n, 95, 2, 2,
    pg_temp.at(0), pg_temp.at(0), 'data', t.tenant_id
from (select tenant_id, name, row_number() over (order by tenant_id) as place from monitoring.tenants) as t
cross join generate_series(1, 2) as n where n <= t.place;
select monitoring_internal.evaluate_alerts_at(pg_temp.at(0), array(
    select rule_no from monitoring.alert_rules where rule_name = 'tenants storm'));
select is(
    (select string_agg(is_storm::text, ',' order by is_storm) from monitoring.alerts where rule_name = 'tenants storm'),
    'false,true', 'T21: one tenant''s storm is not another''s');

-- What holds whatever happened -----------------------------------------------------------------------------------------
select is_empty(
    $$ select rule_no, label_key from monitoring.alerts where status <> 'resolved'
        group by rule_no, label_key having count(*) > 1 $$, 'A-15: one open alert a rule and label set');
select is_empty(
    $$ select alert.id from monitoring.alerts as alert
        full join (select * from monitoring.alert_conditions where alert_id is not null) as condition
            on condition.alert_id = alert.id and condition.alert_created_at = alert.created_at
        where coalesce(alert.status, 'none') <> 'resolved' and (alert.id is null or condition.alert_id is null)
            or alert.status = 'resolved' and condition.alert_id is not null $$,
    'an alert is open exactly when a condition names it');
select throws_ok(
    $$ insert into monitoring.alert_conditions select * from monitoring.alert_conditions limit 1 $$, '23505', null,
    'A-15: a second condition for a rule and label set, and with it a second open alert, is refused');
select is_empty(
    $$ select t.transition_id from monitoring.alert_transitions as t
        where t.transition in ('fired', 'resolved', 'severity_raised') and t.evidence is null and t.reason is null $$,
    'every transition has its evidence');
select isnt((select last_triggered from monitoring.alert_rules where rule_name = 'moves'), null,
    'A-18: a rule tells when it fired last');
select is((pg_temp.alert('moves')).labels, '{"team": "dba", "label": "a"}'::jsonb,
    'an alert has the labels of what it is about and of its rule');

select * from finish();
rollback;
