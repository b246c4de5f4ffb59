-- Receivers of messages: made, changed, tried and removed, with their secrets sealed.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

insert into monitoring.tenants (tenant_id, name) values ('00000000-0000-4000-8000-00000000b001', 'north');
create role pgvigil_admin login;
grant monitoring_admin to pgvigil_admin;
create role pgvigil_reader login;
grant monitoring_reader to pgvigil_reader;
create function pg_temp.id(p_number integer) returns uuid language sql as $$
    select ('00000000-0000-4000-8000-0000000000' || lpad(p_number::text, 2, '0'))::uuid;
$$;
create function pg_temp.sealed(p_text text) returns text language sql as $$
    select 'pgvigil:v1:0123abcd:' || encode(p_text::bytea, 'base64');
$$;

-- Contexts ------------------------------------------------------------------------------------------------------------
select isnt(
    monitoring_internal.endpoint_seal_context(pg_temp.id(1), 'https://a.example/'),
    monitoring_internal.endpoint_seal_context(pg_temp.id(1), 'https://b.example/'),
    'a webhook''s secret is sealed for its URL: whoever changes that makes the secret useless');
select isnt(
    monitoring_internal.channel_seal_context(pg_temp.id(1), 'slack', null),
    monitoring_internal.channel_seal_context(pg_temp.id(2), 'slack', null), 'a channel''s for its row');
select is(
    monitoring_internal.named_or_system_tenant(null), monitoring.system_tenant_id(), 'no name means the system tenant');
select throws_ok($$ select monitoring_internal.named_or_system_tenant('nobody') $$, 'PV001', null, 'an unknown one is refused');

-- Adding ---------------------------------------------------------------------------------------------------------------
set local role pgvigil_admin;
select is(
    monitoring.add_endpoint(pg_temp.id(1), 'ops', 'webhook', 'https://ops.example/hook', pg_temp.sealed('a'),
        event_types => '["alert.*"]', rate_limit_per_hour => 20), true, 'the first endpoint is told so');
reset role;
select results_eq(
    $$ select endpoint.webhook_url, endpoint.event_types, endpoint.sealed_secret, channel.channel_type,
            channel.configuration, channel.sealed_secret, channel.rate_limit_per_hour, channel.webhook_endpoint_id
        from monitoring.webhook_endpoints as endpoint
        inner join monitoring.notification_channels as channel on channel.channel_name = endpoint.endpoint_name $$,
    $$ values ('https://ops.example/hook', '["alert.*"]'::jsonb, pg_temp.sealed('a'), 'webhook', '{}'::jsonb, null::text,
        20, pg_temp.id(1)) $$, 'a webhook is an endpoint and a channel of the same name');
select results_eq(
    $$ select channel_ids, tenant_id, parent_id from monitoring.notification_routes $$,
    $$ values (array[pg_temp.id(1)], monitoring.system_tenant_id(), null::integer) $$,
    'the first one of a tenant gets a route for all its alerts');
select is((select retry_attempts from monitoring.webhook_endpoints where id = pg_temp.id(1)), 20,
    'an endpoint made so gets an alert through hours of its receiver''s silence');
select is(monitoring.add_endpoint(pg_temp.id(2), 'pager', 'pagerduty', null, pg_temp.sealed('b')), false,
    'a second one changes no route');
select is((select count(*) from monitoring.notification_routes), 1::bigint, 'and makes none');
select is(monitoring.add_endpoint(pg_temp.id(3), 'ops', 'alertmanager', 'https://am.example', null, 'north'), true,
    'another tenant may have one of the same name');
select is((select configuration from monitoring.notification_channels where id = pg_temp.id(3)),
    '{"url": "https://am.example"}'::jsonb, 'a URL that is no secret is the channel''s configuration');
select throws_ok(
    $$ select monitoring.add_endpoint(pg_temp.id(4), 'chat', 'slack', null, 'https://hooks.slack.com/services/T/B/x') $$,
    'PV960', null, 'a secret in clear is refused');

select results_eq(
    $$ select * from monitoring_internal.endpoint_identity('ops', null) $$,
    $$ values (pg_temp.id(1), 'webhook', 'https://ops.example/hook') $$, 'a receiver is known by its name');

-- Changing --------------------------------------------------------------------------------------------------------------
select monitoring.rotate_endpoint_secret('ops', pg_temp.sealed('c'), keep_old_for => '1 hour');
select results_eq(
    $$ select sealed_secret, previous_sealed_secret, previous_secret_until between clock_timestamp() + interval '59 minutes'
            and clock_timestamp() + interval '1 hour'
        from monitoring.webhook_endpoints where id = pg_temp.id(1) $$,
    $$ values (pg_temp.sealed('c'), pg_temp.sealed('a'), true) $$, 'a rotated webhook signs with the old secret too, for a while');
select monitoring.rotate_endpoint_secret('ops', pg_temp.sealed('d'), keep_old_for => '0');
select results_eq(
    $$ select sealed_secret, previous_sealed_secret, previous_secret_until from monitoring.webhook_endpoints
        where id = pg_temp.id(1) $$, $$ values (pg_temp.sealed('d'), null::text, null::timestamptz) $$, 'or not at all');
select monitoring_internal.rotate_endpoint_secret_at('pager', pg_temp.sealed('e'), null, '0', now());
select is((select sealed_secret from monitoring.notification_channels where id = pg_temp.id(2)), pg_temp.sealed('e'),
    'another channel has just the new one');
select monitoring.set_endpoint_active('ops', false);
select results_eq(
    $$ select channel.is_active, endpoint.is_active from monitoring.notification_channels as channel
        inner join monitoring.webhook_endpoints as endpoint on endpoint.id = channel.webhook_endpoint_id $$,
    $$ values (false, false) $$, 'a receiver is turned off');
select monitoring.set_endpoint_active('ops', true);
select throws_ok($$ select monitoring.set_endpoint_active('opps', true) $$, 'PV982', 'there is no endpoint "opps"',
    'an unknown name is named');
select throws_ok($$ select monitoring_internal.require_channel('pager', 'north') $$, 'PV982', null,
    'a name is looked for in its tenant alone');

-- Trying ----------------------------------------------------------------------------------------------------------------
create temporary table tried as select monitoring.test_endpoint('ops') as message_id;
select results_eq(
    $$ select message.event_type, message.destination_id, message.body::jsonb #>> '{data,channel}', delivery.state
        from monitoring.outbox_messages as message inner join monitoring.deliveries as delivery using (message_id)
        where message.message_id = (select message_id from tried) $$,
    $$ values ('pgvigil.test', pg_temp.id(1), 'ops', 'pending') $$, 'a test is a message like any other');
insert into monitoring.delivery_attempts (delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome,
    status_code, duration_seconds, finished_at)
select 1, 1, 1, tried.message_id, monitoring.system_tenant_id(), pg_temp.id(1), 'delivered', 204, 0.0123, now() from tried;
select results_eq(
    $$ select attempt, outcome, status_code, milliseconds from monitoring_internal.message_attempts(
        (select message_id from tried)) $$, $$ values (1, 'delivered', 204, 12::bigint) $$, 'whose attempts are shown');
select isnt(monitoring_internal.test_endpoint_at('ops', 'north', now()), null, 'and so for another tenant''s');
select results_eq(
    $$ select body::jsonb #>> '{0,labels,alertname}', body::jsonb -> 0 ? 'endsAt' from monitoring.outbox_messages
        where channel_id = pg_temp.id(3) $$,
    $$ values ('pgvigil_test', true) $$, 'in the form of its kind, and as one that is over where it might wake somebody');
select is(
    monitoring_internal.test_event_at(channel, pg_temp.id(9), now()) #>> '{data,status}', 'resolved', 'as for pagers')
from monitoring.notification_channels as channel where channel.channel_type = 'pagerduty';
select results_eq(
    $$ select name, kind, tenant, "to", is_active, waiting from monitoring_internal.list_endpoints() order by "to" collate "C" $$,
    $$ values ('pager', 'pagerduty', 'system', '(sealed)', true, 0::bigint), ('ops', 'alertmanager', 'north', 'https://am.example', true, 1),
        ('ops', 'webhook', 'system', 'https://ops.example/hook', true, 1) $$, 'the list shows each and what waits for it');

-- Back again ------------------------------------------------------------------------------------------------------------
alter table monitoring.notification_routes disable trigger user;
update monitoring.notification_routes set updated_at = '2026-01-01 00:00+00';
alter table monitoring.notification_routes enable trigger user;
select monitoring.set_endpoint_active('ops', false);
select is((select max(updated_at) from monitoring.notification_routes), '2026-01-01 00:00+00', 'turning one off moves no route');
select monitoring.set_endpoint_active('ops', true);
select is((select max(updated_at) from monitoring.notification_routes), now(),
    'on again it counts as a change of routes, so that alerts which fired meanwhile and are open are told (renew_routes)');

-- Removing --------------------------------------------------------------------------------------------------------------
select monitoring.remove_endpoint('ops');
select is_empty($$ select from monitoring.webhook_endpoints $$, 'a removed webhook''s endpoint is gone');
select results_eq(
    $$ select event_type, reason, destination_id from monitoring.dead_letters where destination_id = pg_temp.id(1) $$,
    $$ values ('pgvigil.test', 'its receiver was removed', pg_temp.id(1)) $$,
    'and what waited for it is dead, not left without a receiver (bury_deliveries)');
select is_empty($$ select from monitoring.destination_states where destination_id = pg_temp.id(1) $$, 'nothing of it is left');
select results_eq($$ select channel_ids from monitoring.notification_routes where tenant_id = monitoring.system_tenant_id() $$,
    $$ values ('{}'::uuid[]) $$, 'and no route names it');
set local role pgvigil_reader;
select throws_ok($$ select monitoring.remove_endpoint('pager') $$, '42501', null, 'readers change nothing');
select throws_ok($$ select monitoring.test_endpoint('pager') $$, '42501', null, 'and send nothing');
reset role;

reset role;
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, configuration)
values (monitoring.system_tenant_id(), 'by an admin', 'slack', '{}');
grant usage on schema tap to monitoring_admin;
set local role monitoring_admin;
select lives_ok($$ select monitoring.set_endpoint_active('by an admin', false) $$, 'an administrator disables a receiver');
select lives_ok($$ select * from monitoring_internal.endpoint_identity('by an admin', null) $$, 'asks what its secret is sealed for');
select lives_ok($$ select monitoring.remove_endpoint('by an admin') $$, 'and removes it');
reset role;

select * from finish();
rollback;
