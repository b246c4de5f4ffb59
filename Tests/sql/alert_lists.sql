-- What pgvigil alerts and oncall show, and how they read what was typed.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

insert into monitoring.alerts (
    id, tenant_id, rule_no, rule_name, label_key, labels, alert_title, alert_message, severity, max_severity, status,
    metric_name, trigger_value, threshold_value, last_value, first_breach_at, triggered_at, resolved_at,
    resolution_reason, suggested_actions)
select given.id::uuid, tenant.tenant_id, given.rule_no, given.rule, gen_random_uuid(), given.labels::jsonb, given.rule || ' fired',
    'message', given.severity, 'critical', given.status, 'pg_up', 1, 2, 3, given.at::timestamptz, given.at::timestamptz,
    case when given.status = 'resolved' then given.at::timestamptz end,
    case when given.status = 'resolved' then 'cleared' end, '["look", "think"]'
from monitoring.tenants as tenant
cross join (values
    ('aaaa0000-0000-4000-8000-000000000001', 900001, 'disk', '{"server": "north", "datname": "shop"}', 'high', 'active', '2030-01-01 00:00Z'),
    ('aaaa0000-0000-4000-8000-000000000002', 900002, 'load', '{}', 'critical', 'active', '2030-01-01 00:10Z'),
    ('bbbb0000-0000-4000-8000-000000000003', 900003, 'gone', '{}', 'critical', 'resolved', '2030-01-01 00:20Z')
) as given (id, rule_no, rule, labels, severity, status, at)
where tenant.is_system;
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, to_state, severity, value)
select '2030-01-01 00:00Z', alert.tenant_id, alert.rule_no, alert.label_key, alert.id, 'fired', 'firing', 'high', 1
from monitoring.alerts as alert where alert.rule_name = 'disk';

select is(monitoring_internal.find_alert('bbbb'), 'bbbb0000-0000-4000-8000-000000000003'::uuid, 'find_alert takes the beginning of an id');
select is(monitoring_internal.find_alert('AAAA0000-0000-4000-8000-000000000001'), 'aaaa0000-0000-4000-8000-000000000001'::uuid, 'and all of it');
select throws_ok($$ select monitoring_internal.find_alert('cccc') $$, 'PV132', null, 'one that is not there is refused');
select throws_ok($$ select monitoring_internal.find_alert('aaaa') $$, 'PV133', null, 'so are several');
select throws_ok($$ select monitoring_internal.find_alert('disk') $$, 'PV132', null, 'and what is no id');
select throws_ok($$ select monitoring_internal.find_alert_rule('no such rule') $$, 'PV134', null, 'find_alert_rule refuses a rule that is none');
select is(monitoring_internal.find_alert_rule(rule.rule_name), rule.id, 'and finds one by its name')
from (select * from monitoring.alert_rules order by rule_no limit 1) as rule;
insert into monitoring.alert_rules overriding system value
select (jsonb_populate_record(null::monitoring.alert_rules, to_jsonb(rule) || jsonb_build_object(
    'id', gen_random_uuid(), 'rule_no', 900009, 'tenant_id', tenant.tenant_id))).*
from (select * from monitoring.alert_rules order by rule_no limit 1) as rule
cross join (select monitoring.create_tenant('alert_lists_tenant') as tenant_id) as tenant;
select throws_ok(format('select monitoring_internal.find_alert_rule(%L)', rule.rule_name), 'PV135', null, 'of several tenants'' rules none is guessed')
from (select * from monitoring.alert_rules order by rule_no limit 1) as rule;
select is(monitoring_internal.find_alert_rule('alert_lists_tenant/' || rule.rule_name), rule.id, 'tenant/rule tells them apart')
from monitoring.alert_rules as rule where rule.rule_no = 900009;

select is(monitoring_internal.label_words('{"b": "2", "a": "1"}'), 'a=1 b=2', 'label_words');
select results_eq(
    $$ select alert, severity, rule, about, fired, value from monitoring_internal.list_alerts_at(false, null, null, 10, '2030-01-01 00:15Z') $$,
    $$ values ('aaaa0000', 'critical', 'load', '', '5m ago', 3.0::float8),
        ('aaaa0000', 'high', 'disk', 'datname=shop server=north', '15m ago', 3.0) $$,
    'list_alerts_at has the open ones, the gravest first');
select is((select count(*) from monitoring_internal.list_alerts(true, null, null, 10)), 3::bigint, 'list_alerts has all of them');
select is((select string_agg(rule, ',') from monitoring_internal.list_alerts(true, 'critical', 'gone', 10)), 'gone', 'by severity and rule');
select throws_ok($$ select * from monitoring_internal.list_alerts(true, 'bad', null, 10) $$, 'PV136', null, 'of severities that there are');
select results_eq(
    $$ select field, value from monitoring_internal.describe_alert('aaaa0000-0000-4000-8000-000000000001')
       where field in ('about', 'severity', 'to do', 'resolved', 'status') $$,
    $$ values ('about', 'datname=shop server=north'), ('status', 'active'), ('severity', 'high, was critical'),
        ('to do', E'look\nthink') $$, 'describe_alert tells what applies');
select is((select string_agg(transition, ',') from monitoring_internal.alert_timeline('aaaa0000-0000-4000-8000-000000000001')), 'fired',
    'alert_timeline tells what became of it');

select is(monitoring_internal.matchers_of('["server=north", "datname!=a", "queryid=~1.*", "mode!~x|y"]'),
    '{"server": "north", "datname": {"ne": "a"}, "queryid": {"re": "1.*"}, "mode": {"nre": "x|y"}}', 'matchers_of reads words');
select is(monitoring_internal.matchers_of('["a=b=c", "d="]'), '{"a": "b=c", "d": ""}', 'as they are');
select throws_ok(format('select monitoring_internal.matchers_of(%L)', given.words), 'PV136', null, given.words)
from (values ('["north"]'), ('["=x"]'), ('["a=1", "a=2"]')) as given (words);
select is(monitoring_internal.changes_of('["critical_threshold=0.9", "warning_for=5 min", "is_active=true", "group_by=[\"a\"]"]'),
    '{"critical_threshold": 0.9, "warning_for": "5 min", "is_active": true, "group_by": ["a"]}', 'changes_of reads words');
select throws_ok($$ select monitoring_internal.changes_of('["0.9"]') $$, 'PV136', null, 'and refuses what is none');

insert into monitoring.people (name) values ('list anna');
select monitoring.define_on_call_schedule('{"name": "list-primary", "time_zone": "UTC", "layers": [
    {"name": "weeks", "people": ["list anna"], "turn": "weekly", "start": "2030-01-07", "hand_over": "09:00"}]}');
select results_eq(
    $$ select start_at, people from monitoring_internal.on_call_calendar_at('list-primary', 14, '2030-01-01 00:00Z') $$,
    $$ values ('2030-01-01 00:00Z'::timestamptz, 'nobody'), ('2030-01-07 09:00Z', 'list anna') $$,
    'on_call_calendar_at has turns, and times when nobody is on call');
select is((select count(*) > 0 from monitoring_internal.on_call_calendar('list-primary', 7)), true, 'on_call_calendar begins now');

select results_eq($$ select schedule, on_call from monitoring_internal.list_on_call() where schedule = 'list-primary' $$,
    $$ values ('list-primary', 'nobody') $$, 'list_on_call names each schedule') where now() < '2030-01-01';
select ok('list-primary' in (select monitoring_internal.known_names('schedule')), 'known_names has schedules');
select ok(exists (select from monitoring_internal.known_names('rule')), 'and rules');

select * from finish();
rollback;
