-- Alerts as dashboards, reports and searches see them, and where closed ones go.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

insert into monitoring.tenants (tenant_id, name) values
    ('00000000-0000-4000-8000-00000000a001', 'north'), ('00000000-0000-4000-8000-00000000a002', 'south');
create role pgvigil_north login;
grant monitoring_reader to pgvigil_north;
select monitoring.add_tenant_member('pgvigil_north', 'north');

-- One alert; what is not named is as of an open one of tenant north.
create function pg_temp.alert(p_name text, p_more jsonb default '{}') returns uuid language sql as $$
    insert into monitoring.alerts
    select (jsonb_populate_record(null::monitoring.alerts, jsonb_build_object(
        'id', gen_random_uuid(), 'tenant_id', '00000000-0000-4000-8000-00000000a001', 'rule_no', 0, 'rule_name', p_name,
        'label_key', gen_random_uuid(), 'labels', '{}'::jsonb, 'alert_title', p_name, 'alert_message', p_name || ' is high',
        'severity', 'medium', 'max_severity', 'medium', 'status', 'active', 'metric_name', 'm_' || p_name,
        'trigger_value', 5, 'threshold_value', 3, 'affected_components', '[]'::jsonb, 'related_metrics', '[]'::jsonb,
        'suggested_actions', '[]'::jsonb, 'first_breach_at', now(), 'triggered_at', now(), 'suppressed_by', '[]'::jsonb,
        'reopen_count', 0, 'is_flapping', false, 'is_storm', false, 'changes', '{}'::timestamptz[],
        'notifications_sent', '[]'::jsonb, 'notification_count', 0, 'created_at', now(), 'updated_at', now()) || p_more)).*
    returning id;
$$;
create function pg_temp.closed(p_ago interval) returns jsonb language sql as $$
    select jsonb_build_object('status', 'resolved', 'resolution_reason', 'cleared', 'resolved_at', now() - p_ago,
        'triggered_at', now() - p_ago - interval '10 minutes', 'created_at', now() - p_ago - interval '10 minutes',
        'acknowledged_at', now() - p_ago - interval '5 minutes', 'first_acknowledged_at', now() - p_ago - interval '5 minutes');
$$;

-- The dashboard -------------------------------------------------------------------------------------------------
create temporary table made as select
    pg_temp.alert('disk', '{"severity": "critical"}') as disk,
    pg_temp.alert('load', jsonb_build_object('severity', 'critical', 'status', 'acknowledged', 'acknowledged_at', now(),
        'first_acknowledged_at', now(), 'triggered_at', now() - interval '1 hour')) as load,
    pg_temp.alert('swap', jsonb_build_object('severity', 'critical', 'status', 'suppressed', 'suppressed_since', now(),
        'metric_name', 'm_disk')) as swap,
    pg_temp.alert('lag', '{"labels": {"server": "db7.example.com", "slot": "orders"}}') as lag,
    pg_temp.alert('other', '{"tenant_id": "00000000-0000-4000-8000-00000000a002"}') as other,
    pg_temp.alert('past', pg_temp.closed('2 days')) as past;
select results_eq(
    $$ select severity, alert_count, unacknowledged_count, affected_metrics, oldest_alert, newest_alert
        from monitoring.alerts_dashboard where business_id = '00000000-0000-4000-8000-00000000a001' order by severity $$,
    $$ values ('critical', 3::bigint, 2::bigint, '{m_disk,m_load}'::text[], now() - interval '1 hour', now()),
        ('medium', 1, 1, '{m_lag}', now(), now()) $$,
    'L-16: acknowledged and suppressed alerts stay on the dashboard, and only those that nobody took are unacknowledged');
select results_eq(
    $$ select rule_id, system_id, metric_name, actual_value, threshold_value, is_acknowledged, resolved_at is null
        from monitoring.alert_logs where alert_id in (select lag from made union select past from made)
        order by metric_name $$,
    $$ values (null::uuid, 'db7.example.com', 'm_lag', 5::float8, 3::float8, false, true),
        (null, null, 'm_past', 5, 3, true, false) $$, 'alert_logs shows the life of each alert');

-- Events --------------------------------------------------------------------------------------------------------
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, severity)
select now() - interval '2 days' - past.ago, '00000000-0000-4000-8000-00000000a001', 0, gen_random_uuid(), made.past,
    past.transition, 'medium'
from made, (values (interval '10 minutes', 'fired'), ('8 minutes', 'escalated'), ('6 minutes', 'escalated'),
    ('5 minutes', 'acknowledged'), ('0 minutes', 'resolved')) as past (ago, transition);
select results_eq(
    $$ select status, transition, duration, escalation_level, acknowledged from monitoring.alert_events
        where alert_id = (select past from made) order by "time" $$,
    $$ values ('firing', 'fired', 0::float8, 0::bigint, 0), ('firing', 'escalated', 120, 1, 0),
        ('firing', 'escalated', 240, 2, 0), ('acknowledged', 'acknowledged', 300, 2, 1), ('resolved', 'resolved', 600, 2, 1) $$,
    'alert_events tells what happened to an alert, how long after it fired, and how far it had escalated');

-- Archive -------------------------------------------------------------------------------------------------------
create temporary table old as select
    pg_temp.alert('ancient', pg_temp.closed('366 days')) as ancient,
    pg_temp.alert('firing', jsonb_build_object('created_at', now() - interval '3 years',
        'triggered_at', now() - interval '3 years')) as firing,
    pg_temp.alert('long', pg_temp.closed('364 days') || jsonb_build_object('created_at', now() - interval '5 years')) as long;
select is(monitoring_internal.archive_alerts_at(now()), 1::bigint, 'one alert was closed over a year ago');
select results_eq(
    $$ select alert.rule_name, alert.archived_at is not null from monitoring.alert_history as alert, old
        where alert.id in (old.ancient, old.firing, old.long) order by alert.rule_name $$,
    $$ values ('ancient', true), ('firing', false), ('long', false) $$,
    'A-20: only alerts that were closed over a year ago move: by when they were closed, never those that fire');
select results_eq(
    $$ select to_jsonb(moved) - 'archived_at' from monitoring.alerts_archive as moved $$,
    $$ select to_jsonb(jsonb_populate_record(null::monitoring.alerts, to_jsonb(moved))) from monitoring.alerts_archive as moved $$,
    'an archived alert has every column of the alert');
select is(monitoring.archive_alerts(), 0::bigint, 'S-12: the second run finds its table and moves nothing twice');
select throws_ok(
    $$ insert into monitoring.alerts_archive select alert.*, now() from monitoring.alerts as alert where alert.status = 'active' $$,
    '23514', null, 'and the archive refuses an alert that is open');
update monitoring.settings set value = '1day' where name = 'alerting.archive_after';
select is(monitoring_internal.archive_alerts_at(now()), 2::bigint, 'the time is a setting');
select is(current_setting('pgvigil.archiving', true), '', 'what tells the audit so ends with the call');

-- Words ---------------------------------------------------------------------------------------------------------
select results_eq(
    $$ select rule_name, is_archived from monitoring.search_alerts('high -swap', severity => 'medium') order by rule_name $$,
    $$ values ('ancient', true), ('firing', false), ('lag', false), ('long', true), ('other', false), ('past', true) $$,
    'alerts are found by words of their message, without excluded ones, archived ones too');
select results_eq(
    $$ select rule_name from monitoring.search_alerts('orders db7.example.com') $$, $$ values ('lag') $$,
    'by the values of their labels');
select results_eq(
    $$ select rule_name from monitoring.search_alerts('high', start_at => now() - interval '3 days', status => 'resolved') $$,
    $$ values ('past') $$, 'within a time and by status');
select is((select count(*) from monitoring.search_alerts('high', max_rows => 2)), 2::bigint, 'no more than asked for');
select throws_ok($$ select * from monitoring.search_alerts(' !! ') $$, 'PV981', 'there is no word to look for',
    'a search without words is refused');
select throws_ok($$ select * from monitoring.search_alerts(null) $$, 'PV981', null, 'so is one without a query');
set local role pgvigil_north;
select is_empty($$ select * from monitoring.search_alerts('other') $$, 'nobody finds another tenant''s alerts');
select is((select count(*) from monitoring.search_alerts('disk')), 1::bigint, 'and everybody his own');
select is((select count(*) from monitoring.alert_logs), 8::bigint, 'views show a tenant its own alerts alone');
reset role;

-- Plans of a tenant's role ------------------------------------------------------------------------------------------
insert into monitoring.alerts
select (jsonb_populate_record(null::monitoring.alerts, to_jsonb(alert) || jsonb_build_object(
    'id', gen_random_uuid(), 'alert_title', format('title%s', n), 'alert_message', format('message%s', n),
    'triggered_at', now() - n * interval '1 minute'))).*
from monitoring.alerts as alert, generate_series(1, 5000) as n
where alert.id = (select lag from made);
analyze monitoring.alerts;
create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare v_line text; v_plan text := '';
begin
    for v_line in execute 'explain (costs off) ' || p_query loop v_plan := v_plan || v_line || E'\n'; end loop;
    return v_plan;
end;
$$;
set local enable_seqscan = on;
set local role pgvigil_north;
select matches(
    pg_temp.plan($$ select * from monitoring.alerts where status <> 'resolved' and triggered_at > now() - interval '1 hour'
        order by triggered_at desc limit 50 $$), 'Index Scan.*tenant_id_triggered_at',
    'the newest alerts of a tenant come by an index under the row policy');
reset role;
select matches(
    pg_temp.plan($$ select id from monitoring.alerts as alert where to_tsvector(
            'simple', alert.alert_title || ' ' || alert.alert_message || ' ' || coalesce(alert.resolution_notes, ''))
        || to_tsvector('simple', alert.labels) @@ websearch_to_tsquery('simple', 'title77') $$),
    'Bitmap Index Scan', 'and words by theirs');

select * from finish();
rollback;
