-- One part of a pass that cannot work: the others do their work, nothing that changed is lost, and what was not told is
-- told once it works again. Clocks are arguments.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
-- What a failing part says to the log is wanted here.
set local log_min_messages = error;
select no_plan();

delete from monitoring.alert_rules;
create function pg_temp.at(p_minute numeric) returns timestamptz language sql
as $$ select timestamptz '2026-03-01 00:00:00Z' + p_minute * interval '1 minute' $$;
-- One minute: the value of each host is stored and a pass made.
create function pg_temp.minute(p_minute integer, p_values double precision[]) returns integer language plpgsql
as $$
begin
    perform monitoring_internal.ingest_samples_at(
        array_agg('load'::text), array_agg(jsonb_build_object('host', host.no::text)), array_agg(host.value),
        array_agg(pg_temp.at(p_minute)), monitoring.system_tenant_id(), pg_temp.at(p_minute))
    from unnest(p_values) with ordinality as host (value, no);
    return monitoring_internal.evaluate_alerts_at(pg_temp.at(p_minute));
end
$$;
create function pg_temp.told() returns setof text language sql
as $$
    select concat_ws(' ', extract(epoch from m.created_at - pg_temp.at(0)) / 60, m.reason, cardinality(m.alert_ids))
    from monitoring.outbox_messages as m
    where m.created_at < pg_temp.at(10000)
    order by m.created_at, m.reason
$$;
create function pg_temp.pass(p_minute integer) returns monitoring.alert_passes language sql
as $$ select * from monitoring.alert_passes where started_at = pg_temp.at(p_minute) $$;

-- A part that breaks when it is told to.
create temporary table broken (name text);
grant select on broken to monitoring_owner;
do $$
begin
    execute replace(
        pg_get_functiondef('monitoring_internal.fails_alert_part_at(timestamptz,bigint,integer[],text)'::regprocedure),
        'return false;',
        'if exists (select from pg_temp.broken where broken.name = p_part) then raise division_by_zero; end if;
        return false;');
end
$$;

select pg_temp.minute(minute, '{1,1}') from generate_series(0, 1) as minute;
select monitoring.create_alert_rule('{"rule_name": "each", "metric_name": "load", "aggregate": "last",
    "comparison_operator": "gt", "critical_threshold": 90, "keep_firing_for": "0", "evaluation_window": "2 minutes",
    "evaluation_interval": "1 minute"}');
insert into monitoring.notification_channels (channel_name, channel_type, configuration)
values ('ops', 'email', '{"to": ["ops@example.org"]}');
insert into monitoring.notification_routes (route_name, channel_ids, group_by)
select 'all', array_agg(id), '{host}' from monitoring.notification_channels where channel_name = 'ops';
-- A route that changed has every open alert looked at again, which is not what is tested.
alter table monitoring.notification_routes disable trigger notification_routes_update_updated_at;
update monitoring.notification_routes set updated_at = pg_temp.at(-1000);

-- Each part by itself ----------------------------------------------------------------------------------------------------
select is(pg_temp.minute(2, '{95,1}'), 1, 'a whole pass raises an alert');
select is((pg_temp.pass(2)).pairs, 1, 'and says how many rules and label sets moved');
insert into broken values ('bindings'), ('acknowledgements'), ('suppression'), ('escalation'), ('silences'),
    ('correlations');
select is(pg_temp.minute(3, '{95,95}'), 1, 'with every other part broken, alerts rise');
select is((pg_temp.pass(3)).errors, 6, 'and the failures are counted in the pass');
select is((pg_temp.pass(3)).duration, null, 'which is not done');
select results_eq('select pg_temp.told()', array['2.0000000000000000 first 1', '3.0000000000000000 first 1'],
    'people are told of them');

-- Messages ---------------------------------------------------------------------------------------------------------------
delete from broken;
select is(pg_temp.minute(4, '{1,1}'), 0, 'both are over');
insert into broken values ('notifications');
select is(pg_temp.minute(30, '{95,1}'), 1, 'with messages broken, an alert still rises');
select is(pg_temp.minute(31, '{95,95}'), 1, 'and another');
select is_empty('select told from pg_temp.told() as told where told ~ ''^3[01]''',
    'nobody is told of them yet');
select is((select count(*) from monitoring.alert_transitions where rule_no in (select rule_no from monitoring.alert_rules)
    and occurred_at >= pg_temp.at(30)), 2::bigint, 'the transitions are kept');
delete from broken;
select is(pg_temp.minute(32, '{95,95}'), 0, 'once messages work, no alert rises anew');
select results_eq('select told from pg_temp.told() as told where told like ''32%''',
    array['32.0000000000000000 first 1', '32.0000000000000000 first 1'], 'and people are told of both, once');
insert into broken values ('notifications');
select pg_temp.minute(33, '{1,95}');
delete from broken;
select pg_temp.minute(minute, '{1,95}') from generate_series(34, 36) as minute;
select results_eq('select told from pg_temp.told() as told where told ~ ''^3[3456]''',
    array['34.0000000000000000 all_resolved 1'], 'an end that was not told is told in the next pass, once');
select isnt((pg_temp.pass(36)).duration, null, 'a pass whose parts all work is done');

-- Zones ------------------------------------------------------------------------------------------------------------------
select throws_ok(
    $$ update monitoring.tenants set time_zone = 'Mars/Olympus' $$, 'PV115', null,
    'a tenant has a zone that the server knows: its business hours are read in it');
set local session_replication_role = replica;
update monitoring.tenants set time_zone = 'Mars/Olympus' where is_system;
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
values (monitoring.system_tenant_id(), 1, '09:00', '17:00');
update monitoring.alert_rules set business_hours_only = true;
set local session_replication_role = origin;
select is(pg_temp.minute(60, '{95,95}'), 1, 'a zone that vanished from the server does not stop alerting');
select is(
    (select count(*) from monitoring.outbox_messages where created_at = pg_temp.at(60) and reason = 'first'), 1::bigint,
    'whom nobody can find to be at work is told');

select * from finish();
rollback;
