-- From transition to message: what may be stored, routing, grouping, reasons, withholding, bodies.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

-- What may be stored ----------------------------------------------------------------------------------------------
select results_eq(
    $$ select v.configuration, monitoring_internal.clear_secret(v.configuration::jsonb, v.is_url_secret)
        from (values
            ('{"to": ["ops@example.org"], "subject": "alert"}', false),
            ('{"host": "smtp.example.org", "smtp": {"port": 587, "password": "x"}}', false),
            ('{"headers": [{"Authorization": "x"}]}', false),
            ('{"apiKey": "x"}', false), ('{"routing_key": "x"}', false), ('{"token": ""}', false),
            ('{"to": "https://user:x@example.org/"}', false), ('{"to": "https://example.org/?a=1&token=x"}', false),
            ('{"to": "https://hooks.slack.com/services/T/B/x"}', false), ('{"header": "Bearer x"}', false),
            ('{"url": "https://chat.example.org/x"}', true), ('{"url": "https://chat.example.org/x"}', false)
        ) as v (configuration, is_url_secret) $$,
    $$ values
        ('{"to": ["ops@example.org"], "subject": "alert"}', null::text),
        ('{"host": "smtp.example.org", "smtp": {"port": 587, "password": "x"}}', 'key "password"'),
        ('{"headers": [{"Authorization": "x"}]}', 'key "Authorization"'),
        ('{"apiKey": "x"}', 'key "apiKey"'), ('{"routing_key": "x"}', 'key "routing_key"'),
        ('{"token": ""}', 'key "token"'),
        ('{"to": "https://user:x@example.org/"}', 'a URL with a user or password'),
        ('{"to": "https://example.org/?a=1&token=x"}', 'a URL with a token'),
        ('{"to": "https://hooks.slack.com/services/T/B/x"}', 'a URL that is a secret by itself'),
        ('{"header": "Bearer x"}', 'a value that is a token'),
        ('{"url": "https://chat.example.org/x"}', 'key "url"'), ('{"url": "https://chat.example.org/x"}', null) $$,
    'a secret in clear is known by its key or its form, however deep');
select throws_ok(
    $$ insert into monitoring.notification_channels (channel_name, channel_type, configuration)
        values ('pager', 'pagerduty', '{"routing_key": "0123456789"}') $$,
    'PV960', 'the configuration of channel "pager" holds key "routing_key"',
    'a channel with a secret in clear is refused, and the error does not show it');
select throws_ok(
    $$ insert into monitoring.notification_channels (channel_name, channel_type, sealed_secret)
        values ('pager', 'pagerduty', '0123456789') $$,
    'PV960', 'the configuration of channel "pager" holds a secret that is not sealed',
    'so is a secret that is called sealed and is not');
select throws_ok(
    $$ insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url, sealed_secret)
        values (monitoring.system_tenant_id(), 'hook', 'https://hook.example/', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') $$,
    'PV960', 'webhook endpoint "hook" holds a secret that is not sealed',
    'an endpoint''s key is stored sealed only');
select throws_ok(
    format($$ insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url)
        values (monitoring.system_tenant_id(), 'hook', %L) $$, v.url), v.code, null, v.url)
from (values ('https://me:secret@hook.example/', 'PV960'), ('https://hook.example/?token=abc', 'PV960'),
    ('ftp://hook.example/', 'PV963'), ('file:///etc/passwd', 'PV963'), ('https:///nothing', 'PV963'),
    ('https://hook.example/a b', 'PV963')) as v (url, code);
select lives_ok(
    $$ insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url, sealed_secret, event_types)
        values (monitoring.system_tenant_id(), 'hook', 'https://hook.example/in?source=pgvigil',
            'pgvigil:v1:0a1b2c3d:QUJDRA==', '["alert.fired", "kpi.*"]') $$,
    'a URL without secrets and a sealed key are taken');
select throws_ok(
    $$ update monitoring.webhook_endpoints set event_types = '["alert fired"]' where endpoint_name = 'hook' $$,
    'PV963', null, 'event types that nothing can be of are refused');
select results_eq(
    $$ select m, monitoring_internal.are_matchers(m::jsonb) from unnest(array['{}', '{"a": "b"}', '{"a": {"re": "x|y"}}',
        '{"a": {"nre": "x", "ne": "z"}}', '{"a": {"re": "("}}', '{"a": {"like": "x"}}', '{"a": 1}', '{"a": {}}']) as m $$,
    $$ values ('{}', true), ('{"a": "b"}', true), ('{"a": {"re": "x|y"}}', true), ('{"a": {"nre": "x", "ne": "z"}}', true),
        ('{"a": {"re": "("}}', false), ('{"a": {"like": "x"}}', false), ('{"a": 1}', false), ('{"a": {}}', false) $$,
    'matchers have two forms, and expressions that can be read');
select throws_ok(
    $$ insert into monitoring.notification_routes (route_name, matchers) values ('odd', '{"a": {"re": "("}}') $$,
    'PV961', 'notification route "odd" has malformed matchers', 'a route with an expression that is none is refused');
select throws_ok(
    $$ insert into monitoring.notification_routes (route_name, channel_ids) values ('odd', array[gen_random_uuid()]) $$,
    'PV961', null, 'so is one to a channel that is not there');
insert into monitoring.notification_routes (route_name) values ('upper');
insert into monitoring.notification_routes (route_name, parent_id)
select 'lower', route_id from monitoring.notification_routes where route_name = 'upper';
select throws_ok(
    $$ update monitoring.notification_routes set parent_id = (select route_id from monitoring.notification_routes
        where route_name = 'lower') where route_name = 'upper' $$,
    'PV961', 'notification route "upper" is below itself', 'and a circle');
delete from monitoring.notification_routes;
select monitoring.create_tenant('acme'), monitoring.create_tenant('globex');
create function pg_temp.tenant(p_name text) returns uuid language sql as $$
    select t.tenant_id from monitoring.tenants as t where t.name = p_name $$;
insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url)
values (pg_temp.tenant('globex'), 'theirs', 'https://hook.example/');
select throws_ok(
    $$ insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, webhook_endpoint_id)
        select pg_temp.tenant('acme'), 'borrowed', 'webhook', e.id
        from monitoring.webhook_endpoints as e where e.endpoint_name = 'theirs' $$,
    'PV962', null, 'a tenant''s channel does not send through another''s endpoint');
select results_eq(
    $$ select t.tgfoid::regproc::text from pg_trigger as t
        where t.tgrelid::regclass::text ~ '^monitoring\.(notification|webhook)_' and t.tgname ~ '_check$' order by 1 $$,
    $$ values ('monitoring_internal.check_notification_channel'), ('monitoring_internal.check_notification_route'),
        ('monitoring_internal.check_webhook_endpoint') $$,
    'each of the three is checked by its trigger');
select results_eq(
    $$ select monitoring_internal.is_sealed(t) from unnest(array['pgvigil:v1:0a1b2c3d:QUJDRA==', 'QUJDRA==', '']) as t $$,
    $$ values (true), (false), (false) $$, 'sealed is what has the form');

-- A world of alerts ----------------------------------------------------------------------------------------------
insert into monitoring.alert_rules
    (tenant_id, rule_name, rule_category, metric_name, comparison_operator, critical_threshold, labels,
        condition_definition)
values (null, 'disk', 'storage', 'disk_free', 'lt', 10, '{"team": "infra"}', '{"allow_unknown_metric": true}'),
    (null, 'sales', 'business', 'orders', 'lt', 1, '{"team": "shop"}', '{"allow_unknown_metric": true}');
create function pg_temp.at(p_minutes numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_minutes * interval '1 minute' $$;
-- Fire an alert: what the evaluator writes.
create function pg_temp.fire(p_no integer, p_rule text, p_host text, p_severity text, p_pass bigint, p_at timestamptz,
    p_tenant text default 'acme') returns void language sql as $$
    with made as (
        insert into monitoring.alerts (id, tenant_id, alert_rule_id, rule_no, rule_name, label_key, labels, alert_title,
            alert_message, severity, max_severity, metric_name, trigger_value, threshold_value, last_value,
            first_breach_at, triggered_at, created_at)
        select ('00000000-0000-4000-9000-' || lpad(p_no::text, 12, '0'))::uuid, pg_temp.tenant(p_tenant), r.id, r.rule_no,
            r.rule_name, md5(p_host)::uuid, jsonb_build_object('host', p_host), p_rule || ' on ' || p_host, 'it is bad',
            p_severity, p_severity, r.metric_name, 5, 10, 5, p_at - interval '1 min', p_at, p_at
        from monitoring.alert_rules as r where r.rule_name = p_rule
        returning *)
    insert into monitoring.alert_transitions
        (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, to_state, severity, pass_id)
    select p_at, m.tenant_id, m.rule_no, m.label_key, m.id, 'fired', 'firing', p_severity, p_pass from made as m $$;
create function pg_temp.alert(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-9000-' || lpad(p_no::text, 12, '0'))::uuid $$;
-- Change an alert; p_pass null: by a person, between two passes.
create function pg_temp.change(p_no integer, p_transition text, p_pass bigint, p_at timestamptz, p_severity text default null)
returns void language sql as $$
    update monitoring.alerts as a set
        status = case p_transition when 'resolved' then 'resolved' when 'acknowledged' then 'acknowledged'
            when 'suppressed' then 'suppressed' else 'active' end,
        resolved_at = case p_transition when 'resolved' then p_at end,
        resolution_reason = case p_transition when 'resolved' then 'cleared' end,
        suppressed_by = case p_transition when 'suppressed'
            then '[{"kind": "maintenance", "id": 1, "name": "disks are changed"}]'::jsonb else '[]' end,
        is_flapping = case p_transition when 'flapping' then true when 'steady' then false else a.is_flapping end,
        reopen_count = a.reopen_count + (p_transition = 'reopened')::integer,
        severity = coalesce(p_severity, a.severity)
    where a.id = pg_temp.alert(p_no);
    insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, severity, pass_id)
    select p_at, a.tenant_id, a.rule_no, a.label_key, a.id, p_transition, a.severity, p_pass
    from monitoring.alerts as a where a.id = pg_temp.alert(p_no) $$;
-- A pass, and what it sent: reason, channel and the alerts it tells.
create function pg_temp.pass(p_pass bigint, p_at timestamptz) returns setof text language plpgsql as $$
begin
    insert into monitoring.alert_passes (started_at) values (p_at);
    perform monitoring_internal.notify_transitions_at(p_at, p_pass);
    return query
    select format('%s %s %s', m.reason, c.channel_name, (
        select string_agg(ltrim(right(id::text, 4), '0'), ',' order by id) from unnest(m.alert_ids) as id))
    from monitoring.outbox_messages as m left join monitoring.notification_channels as c on c.id = m.channel_id
    where m.created_at = p_at order by 1;
end $$;
create function pg_temp.withheld(p_no integer) returns setof text language sql as $$
    select d.reason from monitoring.notification_decisions as d
    where d.alert_id = pg_temp.alert(p_no) and d.decision = 'withheld' order by d.decision_id $$;
create function pg_temp.channel(p_name text) returns uuid language sql as $$
    select c.id from monitoring.notification_channels as c where c.channel_name = p_name $$;

-- Nothing leads anywhere ------------------------------------------------------------------------------------------
select pg_temp.fire(1, 'disk', 'a', 'critical', 1, pg_temp.at(0));
select is_empty($$ select * from pg_temp.pass(1, pg_temp.at(0)) $$, 'without routes nothing is sent');
select results_eq($$ select pg_temp.withheld(1) $$, $$ values ('no_route'::text) $$, 'and that is recorded with the alert');

insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, rate_limit_per_hour)
values (null, 'desk', 'webhook', null), (null, 'pager', 'pagerduty', null), (null, 'shop', 'slack', null),
    (pg_temp.tenant('globex'), 'theirs', 'email', null);
-- Routes that are newer than the last pass take open alerts: so when they were made is said.
insert into monitoring.notification_routes (route_name, channel_ids, updated_at)
values ('root', array[pg_temp.channel('desk')], pg_temp.at(0.5));
insert into monitoring.notification_routes
    (route_name, parent_id, ordinal, matchers, minimum_severity, is_continuing, channel_ids, group_by, tenant_id, updated_at)
select v.name, r.route_id, v.ordinal, v.matchers::jsonb, v.severity, v.continues, v.channels, v.group_by::text[],
    pg_temp.tenant(v.tenant), pg_temp.at(0.5)
from monitoring.notification_routes as r
cross join (values
    ('page', 1, '{}', 'critical', true, array[pg_temp.channel('pager')], '{host}', null),
    ('shop', 2, '{"team": {"re": "shop|till"}}', null, false, array[pg_temp.channel('shop')], null, null),
    ('globex', 3, '{"team": {"nre": "shop"}}', null, false, array[pg_temp.channel('theirs')], null, 'globex')
) as v (name, ordinal, matchers, severity, continues, channels, group_by, tenant)
where r.route_name = 'root';

select results_eq(
    $$ select monitoring_internal.severity_level(s), monitoring_internal.iso_time('2026-03-02 11:00+01'),
            monitoring_internal.notification_event_type(r), monitoring_internal.wants_event(w::jsonb, 'alert.fired')
        from (values ('low', 'first', '[]'), ('medium', 'some_resolved', '["alert.fired"]'),
            ('high', 'all_resolved', '["alert.*"]'), ('critical', 'escalation_exhausted', '["alert.resolved", "kpi.*"]')
        ) as v (s, r, w) $$,
    $$ values (1::smallint, '2026-03-02T10:00:00.000Z', 'alert.fired', true), (2::smallint, '2026-03-02T10:00:00.000Z',
        'alert.updated', true), (3::smallint, '2026-03-02T10:00:00.000Z', 'alert.resolved', true),
        (4::smallint, '2026-03-02T10:00:00.000Z', 'alert.escalated', false) $$,
    'severities, times and types of events are written as receivers read them');

-- Routing ---------------------------------------------------------------------------------------------------------
select results_eq(
    $$ select v.labels, monitoring_internal.labels_match(v.labels::jsonb, v.matchers::jsonb) from (values
        ('{"a": "bc"}', '{"a": "bc"}'), ('{"a": "bc"}', '{"a": {"re": "b"}}'), ('{"a": "bc"}', '{"a": {"re": "b."}}'),
        ('{}', '{"a": ""}'), ('{}', '{"a": {"ne": "x"}}'), ('{"a": "x"}', '{"a": {"ne": "x"}}'),
        ('{"a": "x"}', '{"a": {"nre": "x|y"}}'), ('{"a": "x"}', '{"b": "x"}')) as v (labels, matchers) $$,
    $$ values ('{"a": "bc"}', true), ('{"a": "bc"}', false), ('{"a": "bc"}', true), ('{}', true), ('{}', true),
        ('{"a": "x"}', false), ('{"a": "x"}', false), ('{"a": "x"}', false) $$,
    'expressions match whole values, and a label that is not there is empty');
select results_eq(
    $$ select t.name, cardinality(t.stoppers), cardinality(t.children), t.group_by::text
        from monitoring.notification_route_tree as t order by t.place $$,
    $$ values ('root', 0, 3, null::text), ('root / page', 0, 0, '{host}'), ('root / shop', 0, 0, null),
        ('root / globex', 1, 0, null) $$,
    'the tree says who comes before whom: one that continues stops nobody');
select pg_temp.fire(2, 'sales', 'b', 'critical', 2, pg_temp.at(1)), pg_temp.fire(3, 'disk', 'c', 'medium', 2, pg_temp.at(1)),
    pg_temp.fire(4, 'disk', 'd', 'critical', 2, pg_temp.at(1), 'globex');
select results_eq($$ select pg_temp.pass(2, pg_temp.at(1)) $$,
    $$ values ('first pager 1'), ('first pager 2'), ('first pager 4'), ('first shop 2'), ('first theirs 4') $$,
    'depth first: the pager by severity and on, the shop by its team, a tenant by itself; routes made later take open alerts');
select results_eq($$ select pg_temp.withheld(3) $$, $$ values ('group_wait'::text) $$,
    'one that matches no child stays with the root, and waits for others to join it');

-- Grouping and reasons --------------------------------------------------------------------------------------------
select pg_temp.fire(5, 'disk', 'e', 'low', 3, pg_temp.at(1.4));
select is_empty($$ select pg_temp.pass(3, pg_temp.at(1.4)) $$, 'while it waits nothing is sent');
select results_eq($$ select pg_temp.pass(4, pg_temp.at(2)) $$, $$ values ('first desk 3,5') $$,
    'alerts of one rule and tenant are told in one message');
select pg_temp.fire(6, 'disk', 'f', 'medium', 5, pg_temp.at(3));
select is_empty($$ select pg_temp.pass(5, pg_temp.at(3)) $$, 'the next one waits for the group''s interval');
select results_eq($$ select pg_temp.withheld(6) $$, $$ values ('group_interval'::text) $$, 'which is recorded');
select results_eq($$ select pg_temp.pass(6, pg_temp.at(7)) $$, $$ values ('new_alerts desk 6') $$, 'and then it is told');
select is_empty($$ select pg_temp.pass(7, pg_temp.at(7.5)) $$, 'once');
select pg_temp.change(3, 'severity_raised', 8, pg_temp.at(8), 'critical');
select results_eq($$ select pg_temp.pass(8, pg_temp.at(8)) $$, $$ values ('first pager 3'), ('severity_raised desk 3') $$,
    'a raised severity waits for nothing, and reaches those whom it now concerns');
select pg_temp.change(3, 'severity_lowered', 9, pg_temp.at(9), 'medium');
select is_empty($$ select pg_temp.pass(9, pg_temp.at(9)) $$, 'one that falls is not told');
select pg_temp.change(3, 'severity_raised', 10, pg_temp.at(10), 'critical');
select is_empty($$ select pg_temp.pass(10, pg_temp.at(10)) $$, 'nor that it rises again to what was told before');
select pg_temp.change(5, 'resolved', 11, pg_temp.at(11));
select is_empty($$ select pg_temp.pass(11, pg_temp.at(11)) $$, 'the end of one of several waits for the interval');
select results_eq($$ select pg_temp.pass(12, pg_temp.at(13.1)) $$, $$ values ('some_resolved desk 5') $$, 'and is told');
select pg_temp.change(3, 'resolved', 13, pg_temp.at(14)), pg_temp.change(6, 'resolved', 13, pg_temp.at(14));
select results_eq($$ select pg_temp.pass(13, pg_temp.at(14)) $$,
    $$ values ('all_resolved desk 3,6'), ('all_resolved pager 3') $$, 'the end of all is told at once');
select is_empty(
    $$ select m.* from monitoring.notification_members as m where m.alert_id in (pg_temp.alert(3), pg_temp.alert(5), pg_temp.alert(6)) $$,
    'who is over and told is forgotten');
select is_empty(
    $$ select g.* from monitoring.notification_groups as g
        where not exists (select from monitoring.notification_members as m where m.group_id = g.group_id) $$,
    'so are groups without alerts');

-- Withholding -----------------------------------------------------------------------------------------------------
select pg_temp.change(1, 'acknowledged', null, pg_temp.at(15));
select is_empty($$ select pg_temp.pass(14, pg_temp.at(15)) $$, 'an acknowledgement sends nothing');
select results_eq($$ select pg_temp.pass(15, pg_temp.at(1 + 240)) $$,
    $$ values ('repeat pager 2'), ('repeat pager 4'), ('repeat shop 2'), ('repeat theirs 4') $$,
    'after four hours critical alerts are told again, but for those that somebody has taken');
select pg_temp.change(2, 'resolved', null, pg_temp.at(242)), pg_temp.change(4, 'resolved', null, pg_temp.at(242)),
    pg_temp.change(1, 'resolved', null, pg_temp.at(242));
select results_eq($$ select pg_temp.pass(16, pg_temp.at(242.2)) $$,
    $$ values ('all_resolved pager 1'), ('all_resolved pager 2'), ('all_resolved pager 4'), ('all_resolved shop 2'),
        ('all_resolved theirs 4') $$, 'what people resolve between passes is told by the next');
select pg_temp.change(2, 'reopened', 17, pg_temp.at(245));
select is_empty($$ select pg_temp.pass(17, pg_temp.at(245)) $$, 'one that comes back soon pages nobody');
select results_eq($$ select distinct pg_temp.withheld(2) $$, $$ values ('cooldown'::text) $$, 'as is recorded');
select results_eq($$ select pg_temp.pass(18, pg_temp.at(242.2 + 15)) $$, $$ values ('first pager 2'), ('first shop 2') $$,
    'unless it lasts for longer than that');
select pg_temp.fire(7, 'sales', 'g', 'critical', 19, pg_temp.at(260));
select pg_temp.change(7, 'suppressed', 19, pg_temp.at(260));
select is_empty($$ select pg_temp.pass(19, pg_temp.at(260)) $$, 'what is suppressed is not told');
select results_eq(
    $$ select distinct d.reason, d.detail from monitoring.notification_decisions as d
        where d.alert_id = pg_temp.alert(7) and d.decision = 'withheld' $$,
    $$ values ('suppressed'::text, 'maintenance disks are changed'::text) $$, 'and by what is recorded');
select pg_temp.change(7, 'unsuppressed', 20, pg_temp.at(270));
select results_eq($$ select pg_temp.pass(20, pg_temp.at(270)) $$, $$ values ('first pager 7'), ('new_alerts shop 7') $$,
    'once nothing suppresses it, it is told');
select pg_temp.change(7, 'suppressed', 21, pg_temp.at(271)), pg_temp.change(7, 'resolved', 21, pg_temp.at(272));
select results_eq($$ select pg_temp.pass(21, pg_temp.at(280)) $$, $$ values ('all_resolved pager 7'), ('some_resolved shop 7') $$,
    'its end is told, since its beginning was');
select pg_temp.fire(8, 'sales', 'h', 'critical', 22, pg_temp.at(290)), pg_temp.change(8, 'suppressed', 22, pg_temp.at(290));
select pg_temp.change(8, 'resolved', 22, pg_temp.at(290));
select is_empty($$ select pg_temp.pass(22, pg_temp.at(290)) $$, 'the end of what was never told is not told either');
select pg_temp.change(2, 'flapping', 23, pg_temp.at(300));
select results_eq($$ select pg_temp.pass(23, pg_temp.at(300)) $$, $$ values ('flapping pager 2'), ('flapping shop 2') $$,
    'that an alert is flapping is told once');
select is_empty($$ select pg_temp.pass(24, pg_temp.at(1000)) $$, 'and then it is silent, repeats included');
select pg_temp.change(2, 'steady', 25, pg_temp.at(1001));
select results_eq($$ select pg_temp.pass(25, pg_temp.at(1001)) $$, $$ values ('repeat pager 2'), ('repeat shop 2') $$,
    'until it is steady');

select pg_temp.fire(9, 'sales', 'i', 'critical', 26, pg_temp.at(1010));
update monitoring.alert_transitions set reason = 'no_data' where alert_id = pg_temp.alert(9);
select results_eq($$ select pg_temp.pass(26, pg_temp.at(1010)) $$, $$ values ('no_data pager 9'), ('no_data shop 9') $$,
    'an alert for want of data says so');
select pg_temp.fire(10, 'disk', 'k', 'high', 27, pg_temp.at(1011));
update monitoring.alerts set is_storm = true, storm_count = 500 where id = pg_temp.alert(10);
select pg_temp.pass(27, pg_temp.at(1011));
select results_eq($$ select pg_temp.pass(28, pg_temp.at(1012)) $$, $$ values ('storm desk 10') $$,
    'one that stands for many is told as a storm');

-- Books -----------------------------------------------------------------------------------------------------------
select results_eq(
    $$ select a.notification_count, jsonb_array_length(a.notifications_sent), a.last_notification_at,
        a.notifications_sent -> -1 ->> 'reason' from monitoring.alerts as a where a.id = pg_temp.alert(3) $$,
    $$ values (5, 5, pg_temp.at(14), 'all_resolved') $$,
    'A-07: each alert knows what was sent of it');
select is((select count(*) from monitoring.notification_decisions as d where d.decision = 'sent'),
    (select sum(cardinality(m.alert_ids)) from monitoring.outbox_messages as m)::bigint,
    'and each message is a decision with each of its alerts');
select is((select count(*) from monitoring.deliveries), (select count(*) from monitoring.outbox_messages),
    'each message has its delivery, in the same transaction');
select results_eq(
    $$ select m.event_type, m.severity, b ->> 'type', b ->> 'timestamp', b #>> '{data,status}', b #>> '{data,tenant}',
            b #>> '{data,alerts,0,title}', b #>> '{data,alerts,0,labels,host}', b #>> '{data,alerts,0,triggered_at}'
        from monitoring.outbox_messages as m cross join lateral (select m.body::jsonb) as v (b)
        where m.created_at = pg_temp.at(2) $$,
    $$ values ('alert.fired'::text, 'medium'::text, 'alert.fired'::text, '2026-03-02T10:02:00.000Z'::text, 'firing'::text,
        'acme'::text, 'disk on c'::text, 'c'::text, '2026-03-02T10:01:00.000Z'::text) $$,
    'a body has its type, its time and what the alerts are about, the worst first');
select throws_ok($$ insert into monitoring.outbox_messages select (m).* from
    (select m from monitoring.outbox_messages as m limit 1) as copy
    cross join lateral (select (copy.m).*) as v $$, '23505', null, 'no message is written twice');

-- The whole way: samples, a rule, a pass of the evaluator, a message --------------------------------------------------
select monitoring.ingest_samples(array_agg('app_queue_depth'::text), array_agg('{"host": "q"}'::jsonb), array_agg(90.0::float8),
    array_agg(g.at), pg_temp.tenant('acme'))
from generate_series(now() - interval '10 min', now(), '1 min') as g (at);
select monitoring.create_alert_rule(jsonb_build_object('tenant_id', pg_temp.tenant('acme'), 'rule_name', 'queue', 'rule_category', 'app',
    'metric_name', 'app_queue_depth', 'comparison_operator', 'gt', 'critical_threshold', 50, 'aggregate', 'avg',
    'evaluation_window', '5 min'));
select monitoring_internal.evaluate_alerts_at(now() + interval '1 second', array(
    select r.rule_no from monitoring.alert_rules as r where r.rule_name = 'queue'));
select results_eq(
    $$ select m.reason, c.channel_name, m.severity, m.body::jsonb #>> '{payload,summary}'
        from monitoring.outbox_messages as m join monitoring.notification_channels as c on c.id = m.channel_id
        join monitoring.alerts as a on m.alert_ids = array[a.id] where a.rule_name = 'queue' $$,
    $$ select 'first'::text, 'pager'::text, 'critical'::text, 'Critical: ' || a.alert_title
        from monitoring.alerts as a where a.rule_name = 'queue' $$,
    'A-07: an alert that the evaluator raises is a message in the same transaction');

-- Rights ----------------------------------------------------------------------------------------------------------
select is_empty(
    $$ select p.oid::regprocedure, r.name from pg_proc as p
        cross join unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst', 'monitoring_reader']) as r (name)
        where p.pronamespace = 'monitoring_internal'::regnamespace and has_function_privilege(r.name, p.oid, 'execute')
            and p.proname in (
                'alerts_to_route', 'channels_of_rule', 'routes_of_alerts', 'group_labels', 'grouped_alerts', 'group_alerts_at',
                'touch_groups_at', 'notification_pairs_at', 'notification_needs_at', 'notification_sends_at', 'turn_hour_at',
                'held_sends_at', 'judge_sends_at', 'hold_notifications_at', 'event_bodies_at', 'alert_facts',
                'write_messages_at', 'queue_deliveries_at', 'log_sends_at', 'record_sends_at', 'collapse_deliveries_at',
                'send_notifications_at', 'record_withheld_at', 'tidy_groups_at', 'notify_transitions_at', 'notify_alerts_at', 'notify_alert_at') $$,
    'nobody but the evaluator tells anybody anything');

select * from finish();
rollback;
