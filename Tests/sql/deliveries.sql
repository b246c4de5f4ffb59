-- Deliveries: claims, fences, order, retries, breakers, Retry-After, dead letters, replay, statistics of endpoints.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create function pg_temp.at(p_seconds numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_seconds * interval '1 second' $$;
create function pg_temp.service(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-a000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create function pg_temp.endpoint(p_name text) returns uuid language sql as $$
    select e.id from monitoring.webhook_endpoints as e where e.endpoint_name = p_name $$;
insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url, event_types, retry_attempts, sealed_secret)
select monitoring.system_tenant_id(), v.name, 'https://' || v.name || '.example/in', v.types::jsonb, v.retries,
    'pgvigil:v1:0a1b2c3d:QUJDRA=='
from (values ('good', '[]', 3), ('picky', '["order.*"]', 3), ('slow', '[]', 3), ('down', '[]', 100)) as v (name, types, retries);
-- Claim, and report one result for all that was claimed.
create function pg_temp.claim(p_service integer, p_limit integer, p_at timestamptz) returns setof text language sql as $$
    select d.body::jsonb #>> '{data,n}' from monitoring_internal.claim_deliveries_at(pg_temp.service(p_service), p_limit, p_at) as d
    order by d.delivery_id $$;
create function pg_temp.ack(p_service integer, p_status integer, p_class text, p_at timestamptz, p_retry_after text default null)
returns integer language sql as $$
    select monitoring_internal.ack_deliveries_at(pg_temp.service(p_service), array_agg(d.delivery_id), array_agg(d.fence),
        array_agg(p_status), array_agg(p_class), array_agg(p_retry_after), array_agg('answer'::text), array_agg(0.1::float8), p_at)
    from monitoring.deliveries as d where d.lease_instance_id = pg_temp.service(p_service) $$;
create function pg_temp.send(p_name text, p_type text, p_n text, p_at timestamptz) returns boolean language sql as $$
    select monitoring_internal.send_webhook_notification_at(pg_temp.endpoint(p_name), p_type, jsonb_build_object('n', p_n), p_at) $$;

-- What is queued ----------------------------------------------------------------------------------------------------
select results_eq(
    $$ select pg_temp.send('good', 'order.made', '1', pg_temp.at(0)), pg_temp.send('picky', 'order.made', '2', pg_temp.at(0)),
        pg_temp.send('picky', 'alert.fired', '3', pg_temp.at(0)),
        monitoring_internal.send_webhook_notification_at(gen_random_uuid(), 'order.made', '{}', pg_temp.at(0)) $$,
    $$ values (true, true, false, false) $$, 'row 76, E-03, E-04: an event is queued where it is wanted, and for nobody else');
select results_eq(
    $$ select d.channel_type, d.url, d.message_id ~ '^msg_[0-9a-f]{32}$', d.timeout_ms, d.attempt, d.sealed_secret, d.content_type,
            d.seal_context = format('webhook %s https://good.example/in', pg_temp.endpoint('good')), d.body::jsonb ->> 'type'
        from monitoring_internal.claim_deliveries_at(pg_temp.service(1), 1, pg_temp.at(1)) as d $$,
    $$ values ('webhook'::text, 'https://good.example/in'::text, true, 30000::bigint, 1, 'pgvigil:v1:0a1b2c3d:QUJDRA=='::text,
        'application/json'::text, true, 'order.made'::text) $$,
    'a claim has all that a request is made of, the sealed key included');
select results_eq($$ select pg_temp.claim(2, 10, pg_temp.at(2)) $$, $$ values ('2'::text) $$,
    'what one service has, no other gets');
select is(pg_temp.ack(1, 200, null, pg_temp.at(3)) + pg_temp.ack(2, 204, null, pg_temp.at(3)), 2, 'both are delivered');
select is((select count(*) from monitoring.deliveries), 0::bigint, 'and leave the queue');
select results_eq(
    $$ select e.endpoint_name, e.total_calls, e.successful_calls, e.failed_calls, e.last_success_at from monitoring.webhook_endpoints as e
        where e.total_calls > 0 order by 1 $$,
    $$ values ('good'::text, 1::bigint, 1::bigint, 0::bigint, pg_temp.at(3)), ('picky', 1, 1, 0, pg_temp.at(3)) $$,
    'row 74, E-02, E-05: calls are counted, in bigint');

-- Fences ------------------------------------------------------------------------------------------------------------
select pg_temp.send('good', 'order.made', '4', pg_temp.at(10));
create temporary table lost as
select d.* from monitoring_internal.claim_deliveries_at(pg_temp.service(1), 10, pg_temp.at(10)) as d;
select is_empty($$ select pg_temp.claim(2, 10, pg_temp.at(49)) $$, 'a lease holds for the time limit and a grace');
create temporary table again as
select d.* from monitoring_internal.claim_deliveries_at(pg_temp.service(2), 10, pg_temp.at(51)) as d;
select results_eq($$ select a.message_id = l.message_id, a.attempt, a.fence - l.fence from again as a, lost as l $$,
    $$ values (true, 2, 1::bigint) $$, 'what a lost service had, another gets: the same id, another attempt');
select results_eq($$ select t.outcome, t.attempt from monitoring.delivery_attempts as t where t.error_class = 'lost' $$,
    $$ values ('unknown'::text, 1) $$, 'that the first may have arrived is recorded');
select is((select monitoring_internal.ack_deliveries_at(pg_temp.service(1), array[l.delivery_id], array[l.fence], array[200],
        array[null::text], array[null::text], array['late'], array[0.1], pg_temp.at(52)) from lost as l), 0,
    'the report of the lost one changes nothing');
select is(pg_temp.ack(2, 200, null, pg_temp.at(53)), 1, 'that of the other does');
select pg_temp.send('good', 'order.made', '5', pg_temp.at(60));
select pg_temp.claim(1, 10, pg_temp.at(60));
select is(monitoring_internal.release_deliveries(pg_temp.service(1)), 1, 'a service that stops gives back what it has not sent');
select results_eq($$ select d.attempt, d.state from monitoring.deliveries as d $$, $$ values (0, 'pending'::text) $$,
    'and no attempt is counted');
select pg_temp.claim(1, 10, pg_temp.at(61));
select is(pg_temp.ack(1, null, 'cancelled', pg_temp.at(61)), 1, 'nor for one that was cut off');
select results_eq($$ select d.attempt, d.state from monitoring.deliveries as d $$, $$ values (0, 'pending'::text) $$, 'it waits again');
select pg_temp.claim(1, 10, pg_temp.at(62)), pg_temp.ack(1, 200, null, pg_temp.at(62));

-- Retries and the end of them ---------------------------------------------------------------------------------------
select results_eq(
    $$ select n, monitoring_internal.retry_delay(n, 7) between least('30 min', '5s'::interval * 3 ^ (least(n, 20) - 1)) * 0.8
            and least('30 min', '5s'::interval * 3 ^ (least(n, 20) - 1)) * 1.2,
        monitoring_internal.retry_delay(n, 7) = monitoring_internal.retry_delay(n, 7)
        from unnest(array[1, 2, 3, 5, 8, 1000]) as n $$,
    $$ select n, true, true from unnest(array[1, 2, 3, 5, 8, 1000]) as n $$,
    'waits grow threefold up to half an hour, spread alike for a seed');
select cmp_ok((select count(distinct monitoring_internal.retry_delay(3, n)) from generate_series(1, 100) as n), '>', 50::bigint,
    'and differently for others');
select results_eq(
    $$ select h, monitoring_internal.retry_after(h, pg_temp.at(0)) from unnest(array['120', ' 5 ', '0', '-5', 'soon', '99999999',
        'Mon, 02 Mar 2026 10:10:00 GMT', 'Mon, 02 Mar 2026 09:00:00 GMT', 'Mon, 99 Foo 2026 10:10:00 GMT',
        '99999999999', 'Monday, 02-Mar-26 10:10:00 GMT', 'Mon Mar  2 10:10:00 2026', 'Mon Mar 02 10:10:00 2026', null]) as h $$,
    $$ values ('120', '2 min'::interval), (' 5 ', '5s'), ('0', null), ('-5', null), ('soon', null), ('99999999', '1 hour'),
        ('Mon, 02 Mar 2026 10:10:00 GMT', '10 min'), ('Mon, 02 Mar 2026 09:00:00 GMT', null),
        ('Mon, 99 Foo 2026 10:10:00 GMT', null), ('99999999999', '1 hour'), ('Monday, 02-Mar-26 10:10:00 GMT', '10 min'),
        ('Mon Mar  2 10:10:00 2026', '10 min'), ('Mon Mar 02 10:10:00 2026', '10 min'), (null, null) $$,
    'Retry-After is seconds or a date, an hour at most, and nothing when it is neither');
select results_eq(
    $$ select v.status, v.class, v.attempt, monitoring_internal.delivery_outcome(v.status, v.class, v.attempt, 3, false)
        from (values (200, null, 1), (204, null, 1), (301, null, 1), (301, null, 3), (404, null, 2), (404, null, 3),
            (410, null, 1), (408, null, 3), (429, null, 3), (500, null, 3), (500, null, 4), (null, 'timed_out', 1),
            (null, 'forbidden_address', 1), (null, 'malformed', 1), (null, 'tls', 1), (null, 'cancelled', 9))
        as v (status, class, attempt) $$,
    $$ values (200, null, 1, 'delivered'), (204, null, 1, 'delivered'), (301, null, 1, 'failed'), (301, null, 3, 'dead'),
        (404, null, 2, 'failed'), (404, null, 3, 'dead'), (410, null, 1, 'dead'), (408, null, 3, 'failed'),
        (429, null, 3, 'failed'), (500, null, 3, 'failed'), (500, null, 4, 'dead'), (null, 'timed_out', 1, 'failed'),
        (null, 'forbidden_address', 1, 'dead'), (null, 'malformed', 1, 'dead'), (null, 'tls', 1, 'failed'),
        (null, 'cancelled', 9, 'released') $$,
    'what is refused for good is not tried for ever, what may pass is tried again');
select pg_temp.send('slow', 'order.made', '6', pg_temp.at(100));
create temporary table tried (n integer, waited interval, outcome text);
do $$
declare
    v_at timestamptz := pg_temp.at(100);
begin
    -- Each attempt fails; the next is made when it is due.
    for v_n in 1..4 loop
        perform pg_temp.claim(1, 10, v_at);
        perform pg_temp.ack(1, 500, null, v_at);
        insert into tried select v_n, (select d.due_at - v_at from monitoring.deliveries as d),
            (select a.outcome from monitoring.delivery_attempts as a order by a.finished_at desc limit 1);
        select coalesce(d.due_at, v_at) into v_at from monitoring.deliveries as d;
    end loop;
end $$;
select results_eq(
    $$ select n, waited between least('30 min', '5s'::interval * 3 ^ (least(n, 20) - 1)) * 0.8 and '5s'::interval * 3 ^ (n - 1) * 1.2, outcome
        from tried order by n $$,
    $$ values (1, true, 'failed'), (2, true, 'failed'), (3, true, 'failed'), (4, null, 'dead') $$,
    'E-03: after its retry_attempts, with growing waits, a delivery is dead');
select results_eq(
    $$ select d.attempts, d.reason, d.status_code, d.event_type from monitoring.dead_letters as d $$,
    $$ values (4, 'status 500'::text, 500, 'order.made'::text) $$, 'E-05: and kept as such');
select results_eq($$ select e.total_calls, e.failed_calls from monitoring.webhook_endpoints as e where e.endpoint_name = 'slow' $$,
    $$ values (4::bigint, 4::bigint) $$, 'E-02: each failure is counted');
select isnt((select monitoring_internal.replay_delivery_at(d.delivery_id, pg_temp.at(900)) from monitoring.dead_letters as d), null,
    'it can be queued again');
select results_eq(
    $$ select c.message_id = 'msg_' || replace(d.message_id::text, '-', ''), c.attempt, d.replayed_as = c.delivery_id, d.replayed_at
        from monitoring.dead_letters as d,
            lateral (select * from monitoring_internal.claim_deliveries_at(pg_temp.service(1), 10, pg_temp.at(900))) as c $$,
    $$ values (true, 1, true, pg_temp.at(900)) $$, 'with the same id');
select is(pg_temp.ack(1, 200, null, pg_temp.at(901)), 1, 'and arrives');
select throws_ok('select monitoring.replay_delivery(-1)', 'PV965', null, 'what is not dead cannot be queued again');
update monitoring.dead_letters set message_created_at = pg_temp.at(-1);
select throws_ok('select monitoring.replay_delivery(delivery_id) from monitoring.dead_letters', 'PV966', null,
    'nor what is kept no longer');

-- Order -------------------------------------------------------------------------------------------------------------
select pg_temp.send('good', 'order.made', n::text, pg_temp.at(1000 + n)) from generate_series(1, 3) as n;
update monitoring.deliveries as d set ordering_hash = 1 from monitoring.outbox_messages as m
where m.message_id = d.message_id and m.body::jsonb #>> '{data,n}' in ('1', '3');
select results_eq($$ select pg_temp.claim(1, 10, pg_temp.at(1010)) $$, $$ values ('1'::text), ('2') $$,
    'of one ordering key only the first may leave');
select pg_temp.ack(1, 503, null, pg_temp.at(1010));
select is_empty($$ select pg_temp.claim(1, 10, pg_temp.at(1011)) $$, 'not even while that waits to be tried again');
select results_eq($$ select pg_temp.claim(1, 10, pg_temp.at(1030)) $$, $$ values ('1'::text), ('2') $$, 'which comes first');
select pg_temp.ack(1, 200, null, pg_temp.at(1030));
select results_eq($$ select pg_temp.claim(1, 10, pg_temp.at(1031)) $$, $$ values ('3'::text) $$, 'then comes the next');
select pg_temp.ack(1, 200, null, pg_temp.at(1031));

-- Breakers ----------------------------------------------------------------------------------------------------------
select pg_temp.send('down', 'order.made', n::text, pg_temp.at(2000)) from generate_series(1, 40) as n;
select pg_temp.send('good', 'order.made', 'g', pg_temp.at(2000));
select is((select count(*) from pg_temp.claim(1, 100, pg_temp.at(2001))), 17::bigint,
    'an endpoint is asked for no more at once than it takes, and others are not kept waiting');
select is((select count(*) from pg_temp.claim(2, 100, pg_temp.at(2001))), 0::bigint, 'by several services together');
update monitoring.deliveries set lease_instance_id = pg_temp.service(9) where destination_id = pg_temp.endpoint('good');
select pg_temp.ack(1, null, 'unreachable', pg_temp.at(2002)), pg_temp.ack(9, 200, null, pg_temp.at(2002));
select results_eq(
    $$ select s.breaker, s.in_flight_limit, s.open_until > pg_temp.at(2002), s.open_since_at from monitoring.destination_states as s
        where s.destination_id = pg_temp.endpoint('down') $$,
    $$ values ('open'::text, 1, true, pg_temp.at(2002)) $$, 'after failures in a row it is left alone');
select is_empty($$ select pg_temp.claim(1, 100, pg_temp.at(2003)) $$, 'which costs what waits no attempt');
select cmp_ok(monitoring_internal.next_delivery_delay_at(pg_temp.at(2003)), '>', interval '1s', 'a service may sleep meanwhile');
create temporary table reopened as select s.open_until as at from monitoring.destination_states as s
where s.destination_id = pg_temp.endpoint('down');
select is((select count(*) from pg_temp.claim(1, 100, (select r.at from reopened as r))), 1::bigint, 'then one is sent to find out');
select pg_temp.ack(1, 200, null, (select r.at from reopened as r));
select results_eq(
    $$ select s.breaker, s.in_flight_limit, s.consecutive_failures, s.open_since_at from monitoring.destination_states as s
        where s.destination_id = pg_temp.endpoint('down') $$,
    $$ values ('closed'::text, 2, 0, null::timestamptz) $$, 'when that arrives, two are sent, then four: it is not overrun');
select is((select count(*) from pg_temp.claim(1, 100, pg_temp.at(2100))), 2::bigint, 'two at first');
select pg_temp.ack(1, 429, null, pg_temp.at(2100), '90');
select is_empty($$ select pg_temp.claim(1, 100, pg_temp.at(2189)) $$, 'who asks for time is given it');
select is((select s.consecutive_failures from monitoring.destination_states as s where s.destination_id = pg_temp.endpoint('down')),
    0, 'and is not taken to be down');
select pg_temp.claim(1, 1, pg_temp.at(2300)), pg_temp.ack(1, 410, null, pg_temp.at(2300));
select results_eq($$ select e.is_active, e.disabled_reason from monitoring.webhook_endpoints as e where e.endpoint_name = 'down' $$,
    $$ values (false, 'it answered 410 Gone'::text) $$, 'one that is gone is disabled');
select results_eq($$ select distinct d.state from monitoring.deliveries as d $$, $$ values ('held'::text) $$, 'and what waits for it is held');
update monitoring.webhook_endpoints set is_active = true where endpoint_name = 'down';
select is((select count(*) from monitoring.deliveries as d where d.state = 'held'), 0::bigint, 'until it is active again');
delete from monitoring.deliveries;
select pg_temp.send('slow', 'order.made', 'on its way', pg_temp.at(2400));
select pg_temp.claim(1, 1, pg_temp.at(2400));
update monitoring.webhook_endpoints set is_active = false where endpoint_name = 'slow';
select is(pg_temp.ack(1, 500, null, pg_temp.at(2401)), 1, 'what was on its way when an endpoint was disabled may fail');
select is_empty($$ select pg_temp.claim(1, 100, pg_temp.at(2500)) $$, 'and is not sent again');
select is(bool_or(monitoring_internal.is_sent_to(e.id)), false, 'nothing is sent to it') from monitoring.webhook_endpoints as e
where e.endpoint_name = 'slow';
select is(monitoring_internal.next_delivery_delay_at(pg_temp.at(2500)), null, 'nor does a service wait for it');
update monitoring.webhook_endpoints set is_active = true where endpoint_name = 'slow';
update monitoring.deliveries set due_at = pg_temp.at(2500);
select results_eq($$ select pg_temp.claim(1, 100, pg_temp.at(2500)) $$, $$ values ('on its way'::text) $$, 'before the endpoint is enabled');
delete from monitoring.deliveries;
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, sealed_secret)
select monitoring.system_tenant_id(), 'chat', 'slack', 'pgvigil:v1:0a1b2c3d:QUJDRA==';
insert into monitoring.destination_states (destination_id, tenant_id, in_flight_limit)
select c.id, c.tenant_id, 16 from monitoring.notification_channels as c where c.channel_name = 'chat';
insert into monitoring.deliveries (message_id, message_created_at, tenant_id, destination_id, ordering_hash, due_at, deadline_at)
select gen_random_uuid(), pg_temp.at(2500), c.tenant_id, c.id, 1, pg_temp.at(2500), pg_temp.at(9000)
from monitoring.notification_channels as c where c.channel_name = 'chat';
update monitoring.notification_channels set is_active = false where channel_name = 'chat';
select results_eq($$ select d.state, d.due_at from monitoring.deliveries as d $$, $$ values ('held'::text, 'infinity'::timestamptz) $$,
    'what waits for a channel is held while that is disabled');
update monitoring.notification_channels set is_active = true where channel_name = 'chat';
select results_eq($$ select d.state, d.deadline_at > now() from monitoring.deliveries as d $$, $$ values ('pending'::text, true) $$,
    'and has all its time when it is enabled');
delete from monitoring.deliveries;

-- Deadlines, fallbacks ------------------------------------------------------------------------------------------------
select pg_temp.send('good', 'order.made', 'old', pg_temp.at(3000));
select is_empty($$ select pg_temp.claim(1, 100, pg_temp.at(3000 + 86401)) $$, 'what is past its deadline is not sent');
select is((select d.reason from monitoring.dead_letters as d where d.died_at = pg_temp.at(3000 + 86401)), 'not delivered until its deadline',
    'it is dead');
update monitoring.webhook_endpoints set fallback_endpoint_id = pg_temp.endpoint('good'), retry_attempts = 0 where endpoint_name = 'slow';
select pg_temp.send('slow', 'order.made', 'f', pg_temp.at(4000));
update monitoring.destination_states set open_until = '-infinity';
select pg_temp.claim(1, 100, pg_temp.at(4001)), pg_temp.ack(1, 500, null, pg_temp.at(4001));
select results_eq($$ select d.destination_id from monitoring.deliveries as d $$, $$ select pg_temp.endpoint('good') $$,
    'what one endpoint does not take goes to its fallback');
select pg_temp.send('slow', 'order.made', 'g', pg_temp.at(4001));
update monitoring.deliveries as d set ordering_hash = 7 where d.destination_id = pg_temp.endpoint('slow');
update monitoring.deliveries as d set ordering_hash = 7 where d.destination_id = pg_temp.endpoint('good');
update monitoring.webhook_endpoints set webhook_url = 'https://fallback.example/in', timeout = '7 seconds',
    sealed_secret = 'pgvigil:v1:0a1b2c3d:RkFMTA==' where endpoint_name = 'good';
select results_eq(
    $$ select d.url, d.sealed_secret, d.timeout_ms, d.body::jsonb #>> '{data,n}',
            d.seal_context = format('webhook %s https://fallback.example/in', pg_temp.endpoint('good'))
        from monitoring_internal.claim_deliveries_at(pg_temp.service(1), 100, pg_temp.at(4002)) as d
        where d.destination_id = pg_temp.endpoint('good') $$,
    $$ values ('https://fallback.example/in'::text, 'pgvigil:v1:0a1b2c3d:RkFMTA=='::text, 7000::bigint, 'f'::text, true) $$,
    'and is sent to the fallback''s URL, signed with its key, within its time');
select is(pg_temp.ack(1, 500, null, pg_temp.at(4002)), 2, 'it and what came after it both fail');
select results_eq(
    $$ select d.ordering_hash from monitoring.deliveries as d where d.destination_id = pg_temp.endpoint('good') order by d.delivery_id $$,
    $$ values (7::bigint), (7) $$, 'a fallback gets what has one ordering key in its order too');

-- Rights --------------------------------------------------------------------------------------------------------------
select monitoring.create_tenant('acme');
select throws_ok($$ insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url)
    select t.tenant_id, 'hook', 'https://acme.example/in' from monitoring.tenants as t where t.tenant_id <> monitoring.system_tenant_id();
    update monitoring.webhook_endpoints set fallback_endpoint_id = (select e.id from monitoring.webhook_endpoints as e
        where e.endpoint_name = 'hook') where endpoint_name = 'good' $$, 'PV962', null,
    'what one tenant''s endpoint does not take goes to no other tenant''s');
create role pgvigil_test_admin login;
create role pgvigil_test_service login;
grant monitoring_admin to pgvigil_test_admin;
grant monitoring_service to pgvigil_test_service;
grant usage on schema tap to public;
set local role pgvigil_test_admin;
select lives_ok($$ insert into monitoring.notification_channels (tenant_id, channel_name, channel_type)
    values (null, 'everybody''s', 'email') $$, 'an administrator makes channels');
select ok(monitoring.send_webhook_notification((select e.id from monitoring.webhook_endpoints as e where e.endpoint_name = 'good'),
    'order.made', '{}'), 'and sends events');
select throws_ok('select sealed_secret from monitoring.webhook_endpoints', '42501', null, 'but reads no sealed secret');
select throws_ok($$ select monitoring_internal.claim_deliveries('00000000-0000-4000-a000-000000000001', 1) $$, '42501', null,
    'nor claims deliveries');
set local role pgvigil_test_service;
select is((select count(*) from monitoring_internal.claim_deliveries('00000000-0000-4000-a000-000000000001', 10)), 1::bigint,
    'a service claims');
select is(monitoring_internal.ack_deliveries('00000000-0000-4000-a000-000000000001', '{1}', '{1}', '{200}', '{null}', '{null}', '{x}', '{1}'),
    0, 'and reports');
select is(monitoring_internal.release_deliveries('00000000-0000-4000-a000-000000000001'), 1, 'gives back');
select is(monitoring_internal.next_delivery_delay(), interval '0', 'and asks when to come again');
reset role;
select is_empty(
    $$ select p.oid::regprocedure from pg_proc as p
        cross join unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst', 'monitoring_reader']) as r (name)
        where p.pronamespace = 'monitoring_internal'::regnamespace and has_function_privilege(r.name, p.oid, 'execute')
            and p.proname in ('lease_deliveries_at', 'expire_deliveries_at', 'delivery_ends_at', 'end_deliveries_at',
                'tell_destinations_at', 'count_calls_at', 'follow_webhook_endpoint') $$, 'the rest is nobody''s');

select * from finish();
rollback;
