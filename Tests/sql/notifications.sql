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

select * from finish();
rollback;
