-- What an operator does about deliveries and sees of the queue: list, show, retry, dead letters, replay, causes.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create function pg_temp.at(p_seconds numeric) returns timestamptz language sql as $$
    select now() - interval '1 hour' + p_seconds * interval '1 second' $$;
create function pg_temp.service(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-a000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create function pg_temp.endpoint(p_name text) returns uuid language sql as $$
    select e.id from monitoring.webhook_endpoints as e where e.endpoint_name = p_name $$;
select monitoring.create_tenant('acme');
create role pgvigil_test_admin login in role monitoring_admin;
create role pgvigil_test_reader login in role monitoring_reader;
create role pgvigil_test_acme login in role monitoring_reader;
select monitoring.add_tenant_member('pgvigil_test_acme', 'acme'), monitoring.add_tenant_member('pgvigil_test_reader', 'system');
select monitoring.add_endpoint(gen_random_uuid(), name, 'webhook', 'https://' || name || '.example/in',
    'pgvigil:v1:0a1b2c3d:QUJDRA==') from unnest(array['ops', 'spare', 'other']) as name;
create function pg_temp.send(p_name text, p_n text, p_at timestamptz) returns bigint language sql as $$
    select monitoring_internal.send_webhook_notification_at(pg_temp.endpoint(p_name), 'order.made', jsonb_build_object('n', p_n), p_at);
    select max(d.delivery_id) from monitoring.deliveries as d $$;
create function pg_temp.claim(p_at timestamptz) returns setof bigint language sql as $$
    select c.delivery_id from monitoring_internal.claim_deliveries_at(pg_temp.service(1), 100, p_at) as c order by 1 $$;
create function pg_temp.ack(p_status integer, p_class text, p_at timestamptz, p_retry_after text default null) returns integer
language sql as $$
    select monitoring_internal.ack_deliveries_at(pg_temp.service(1), array_agg(d.delivery_id), array_agg(d.fence),
        array_agg(p_status), array_agg(p_class), array_agg(p_retry_after), array_agg('answer'::text), array_agg(0.1::float8), p_at)
    from monitoring.deliveries as d where d.lease_instance_id = pg_temp.service(1) $$;
create function pg_temp.cause(p_name text) returns text language sql as $$
    select h.cause_name from monitoring.delivery_health as h where h.name = p_name $$;
create function pg_temp.hint(p_statement text) returns text language plpgsql as $$
declare v_hint text;
begin
    execute p_statement;
    return 'it was not refused';
exception when others then
    get stacked diagnostics v_hint = pg_exception_hint;
    return v_hint;
end $$;

-- Names -------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.named_destination('ops', null), pg_temp.endpoint('ops'), 'a receiver is known by its name');
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type) values (null, 'everybody', 'slack');
select isnt(monitoring_internal.named_destination('everybody', null), null, 'everybody''s too');
select throws_ok($$ select monitoring_internal.named_destination('opps', null) $$, 'PV982', null, 'an unknown one is named');
select throws_ok($$ select monitoring_internal.named_destination('ops', 'acme') $$, 'PV982', null, 'so is one of another tenant');
select is(monitoring_internal.destination_name(pg_temp.endpoint('ops')), 'ops', 'and named by its key');
select is(monitoring_internal.destination_name(pg_temp.service(9)), pg_temp.service(9)::text, 'one that was removed keeps its key');

-- List and show -----------------------------------------------------------------------------------------------------
select pg_temp.send('ops', 'a', pg_temp.at(0)) as a \gset
select pg_temp.send('ops', 'b', pg_temp.at(1)) as b \gset
select pg_temp.send('spare', 'c', pg_temp.at(2)) as c \gset
update monitoring.deliveries as d set ordering_hash = 7 where d.delivery_id in (:a, :b);
select results_eq(
    $$ select l.delivery, l.receiver, l.event, l.state, l.tries, l.due, l.queued from monitoring_internal.list_deliveries_at(
        null, null, null, null, 10, pg_temp.at(10)) as l $$,
    format($$ values (%s::bigint, 'ops', 'order.made', 'pending', 0, '10s ago', '10s ago'), (%s, 'ops', 'order.made', 'pending', 0,
        '9s ago', '9s ago'), (%s, 'spare', 'order.made', 'pending', 0, '8s ago', '8s ago') $$, :a, :b, :c),
    'what is open is listed, the oldest first');
select results_eq(
    $$ select l.delivery from monitoring_internal.list_deliveries_at(pg_temp.endpoint('ops'), null, 'pending', '9.5 s', 10, pg_temp.at(10)) as l $$,
    format('values (%s::bigint)', :b), 'of one receiver, in a state, since a time');
select is_empty($$ select from monitoring_internal.list_deliveries('spare', null, 'failed', null, 10) $$, 'or none');
select throws_ok($$ select monitoring_internal.list_deliveries(null, null, 'lost', null, 10) $$, 'PV987', 'there is no state "lost"',
    'an unknown state is refused');
select is(monitoring_internal.find_delivery((select 'msg_' || replace(d.message_id::text, '-', '') from monitoring.deliveries as d
    where d.delivery_id = :b)), :b::bigint, 'a delivery is found by the id that its receiver saw');
select is(monitoring_internal.find_delivery(:'a'), :a::bigint, 'and by its number');
select throws_ok($$ select monitoring_internal.find_delivery('nonsense') $$, 'PV983', 'there is no delivery nonsense', 'nothing else is one');

-- Retry -------------------------------------------------------------------------------------------------------------
select pg_temp.claim(pg_temp.at(20));
select throws_ok(format('select monitoring_internal.retry_delivery_at(%s, pg_temp.at(21))', :a), 'PV984', null,
    'what a service has in hand is not tried beside it');
select is(pg_temp.hint(format('select monitoring_internal.refuse_retry_at(%s, pg_temp.at(21))', :a)),
    'Wait: it is tried again when that fails.', 'and what to do is said');
select pg_temp.ack(503, null, pg_temp.at(22), '600');
select is_empty('select pg_temp.claim(pg_temp.at(23))', 'after a failure, and a wish to be left alone, they wait');
select is(monitoring_internal.retry_delivery_at(:b, pg_temp.at(23)), 2, 'tried now, a delivery takes along what must arrive before it');
select results_eq('select pg_temp.claim(pg_temp.at(23))', format('values (%s::bigint)', :a), 'which goes first');
select pg_temp.ack(200, null, pg_temp.at(24));
select results_eq('select pg_temp.claim(pg_temp.at(24))', format('values (%s::bigint)', :b), 'then itself');
select pg_temp.ack(200, null, pg_temp.at(25));
select throws_ok(format('select monitoring.retry_delivery(%s)', :a), 'PV984',
    format('delivery %s cannot be tried now: it is over: delivered', :a), 'what is over is not tried');
select throws_ok('select monitoring.retry_delivery(0)', 'PV983', 'there is no delivery 0', 'nor what never was');
select is(monitoring_internal.retry_deliveries_at('spare', null, pg_temp.at(26)), 1, 'all that failed at a receiver is tried at once');
select results_eq('select pg_temp.claim(pg_temp.at(26))', format('values (%s::bigint)', :c), 'without waiting for its time');
select is(monitoring.retry_deliveries('spare'), 0, 'what is on its way is left alone');
select pg_temp.ack(null, 'tls', pg_temp.at(27));
select monitoring.set_endpoint_active('spare', false);
select is(pg_temp.hint(format('select monitoring.retry_delivery(%s)', :c)), 'Let it be sent again: pgvigil endpoints enable NAME',
    'what is held is released by its receiver');
select results_eq($$ select value from monitoring_internal.describe_delivery($$ || quote_literal(:c) || $$) as d
        where d.field in ('receiver', 'state', 'tries', 'last error', 'waits since', 'mend') $$,
    $$ values ('spare'), ('held'), ('2'), ('tls'), ('inactive: by hand'), ('pgvigil endpoints enable ''spare''') $$,
    'a delivery is described, with what keeps it and what mends that');
select results_eq($$ select t.receiver, t.try, t.outcome, t.status, t.error, t.ms, t.answer from monitoring_internal.delivery_timeline($$
        || quote_literal(:c) || ') as t', $$ values ('spare', 1, 'failed', 503, 'status', 100::bigint, 'answer'),
        ('spare', 2, 'failed', null, 'tls', 100, 'answer') $$, 'its attempts with what was answered');
select monitoring.set_endpoint_active('spare', true);
set local role pgvigil_test_reader;
select results_eq(format($$ select t.outcome, t.answer from monitoring_internal.delivery_timeline('%s') as t $$, :c),
    $$ values ('failed', null::text), ('failed', null) $$, 'readers see how they ended, and not what was answered (attempt_answer)');
select lives_ok(format($$ select * from monitoring_internal.describe_delivery('%s') $$, :c), 'and a delivery described');
select throws_ok('select response from monitoring.delivery_attempts', '42501', null, 'an answer may repeat a body: readers read none');
set local role pgvigil_test_admin;
select is((select count(*) from monitoring.delivery_attempts as a where a.response = 'answer') > 0, true, 'administrators do');
select is((select t.answer from monitoring_internal.delivery_timeline(:'c') as t limit 1), 'answer', 'in a timeline too');
reset role;
delete from monitoring.deliveries;

-- Deadlines and fallbacks -------------------------------------------------------------------------------------------
update monitoring.webhook_endpoints set fallback_endpoint_id = pg_temp.endpoint('spare'), retry_attempts = 0 where endpoint_name = 'ops';
update monitoring.webhook_endpoints set fallback_endpoint_id = pg_temp.endpoint('ops'), retry_attempts = 0 where endpoint_name = 'spare';
update monitoring.destination_states set open_until = '-infinity', consecutive_failures = 0, open_since_at = null, breaker = 'closed';
select pg_temp.send('ops', 'd', pg_temp.at(100)) as d \gset
update monitoring.deliveries set deadline_at = pg_temp.at(110);
select is_empty('select pg_temp.claim(pg_temp.at(111))', 'what is past its deadline is not sent');
select results_eq(
    $$ select a.outcome, a.attempt, a.error_class, a.response, l.reason, l.attempts
        from monitoring.delivery_attempts as a join monitoring.dead_letters as l using (delivery_id) $$,
    $$ values ('dead', 0, 'expired', 'not delivered until its deadline', 'not delivered until its deadline', 0) $$,
    'it is dead, and counted as such (expire_deliveries_at)');
select results_eq($$ select d.destination_id, d.state from monitoring.deliveries as d $$,
    $$ select pg_temp.endpoint('spare'), 'pending' $$, 'and goes to the fallback, as all that is dead does (pass_to_fallbacks_at)');
select pg_temp.claim(pg_temp.at(112)), pg_temp.ack(500, null, pg_temp.at(112));
select is_empty('select from monitoring.deliveries',
    'of two that are each other''s fallback, neither is given again what it has given up');
select results_eq($$ select l.delivery, l.receiver, l.reason, l.tries from monitoring_internal.list_dead_letters_at(
        null, null, null, false, 10, pg_temp.at(120)) as l $$,
    format($$ values ((select max(delivery_id) from monitoring.dead_letters), 'spare', 'status 500', 1), (%s, 'ops',
        'not delivered until its deadline', 0) $$, :d), 'dead letters are listed with their reasons, the newest first');
select is(pg_temp.hint(format('select monitoring.retry_delivery(%s)', :d)), format('Queue it again: pgvigil deliveries replay %s', :d),
    'what is dead is not retried but replayed');

-- Replay ------------------------------------------------------------------------------------------------------------
select monitoring_internal.replay_delivery_at(:d, pg_temp.at(130)) as again \gset
select results_eq($$ select d.delivery_id, d.message_id = l.message_id, d.state from monitoring.deliveries as d
        cross join monitoring.dead_letters as l where l.delivery_id = $$ || :d, format($$ values (%s::bigint, true, 'pending') $$, :again),
    'a dead delivery is queued again, the same message');
select throws_ok(format('select monitoring.replay_delivery(%s)', :d), 'PV986',
    format('delivery %s is queued again already, as %s', :d, :again), 'while it waits, not twice');
select is(pg_temp.hint(format('select monitoring.replay_delivery(%s)', :again)),
    format('It still waits; have it tried now: pgvigil deliveries retry %s', :again), 'what waits is not dead');
select is((select count(*) from monitoring_internal.list_dead_letters('ops', null, null, false, 10)), 0::bigint,
    'what was queued again is no longer listed');
select is((select l.replayed from monitoring_internal.list_dead_letters('ops', null, null, true, 10) as l) ~ ('as ' || :again), true,
    'unless it is asked for');
select pg_temp.send('other', n::text, pg_temp.at(140)) from generate_series(1, 5) as n;
update monitoring.webhook_endpoints set retry_attempts = 0 where endpoint_name = 'other';
select pg_temp.claim(pg_temp.at(141)), pg_temp.ack(500, null, pg_temp.at(141));
update monitoring.dead_letters set message_created_at = pg_temp.at(-1) where delivery_id = (
    select max(l.delivery_id) from monitoring.dead_letters as l where l.destination_id = pg_temp.endpoint('other'));
select results_eq($$ select * from monitoring_internal.replay_deliveries_at('other', null, '1 s', pg_temp.at(150)) $$, 'values (0, 0)',
    'all of a receiver, of those that died since');
select results_eq($$ select * from monitoring_internal.replay_deliveries_at('other', null, null, pg_temp.at(150)) $$, 'values (4, 1)',
    'those whose message is no longer kept stay dead');
select results_eq($$ select d.delivery_id - min(d.delivery_id) over (), m.body::jsonb #>> '{data,n}' from monitoring.deliveries as d
        join monitoring.outbox_messages as m using (message_id) where d.destination_id = pg_temp.endpoint('other') order by 1 $$,
    $$ values (0::bigint, '1'), (1, '2'), (2, '3'), (3, '4') $$, 'in their order');
select results_eq($$ select * from monitoring.replay_deliveries('other') $$, 'values (0, 1)', 'and not twice (requeue_dead_at)');
select throws_ok($$ select monitoring_internal.refuse_replay(1, (select row(l.*)::monitoring.dead_letters from monitoring.dead_letters as l
    where l.replayed_as is null and l.destination_id = pg_temp.endpoint('other'))) $$, 'PV966', null, 'a message that is gone is said to be');
select monitoring.set_endpoint_active('other', false);
delete from monitoring.deliveries where destination_id = pg_temp.endpoint('other');
update monitoring.dead_letters set replayed_at = null where replayed_as is not null and destination_id = pg_temp.endpoint('other');
select monitoring.replay_deliveries('other');
select is((select count(*) from monitoring.deliveries as d where d.state = 'held' and d.due_at = 'infinity'), 4::bigint,
    'for a receiver that is disabled they are held');
select monitoring.remove_endpoint('other');
select throws_ok($$ select monitoring.replay_delivery(max(l.delivery_id)) from monitoring.dead_letters as l
    where l.reason = 'its receiver was removed' $$, 'PV985', null, 'for one that was removed, refused');

-- Causes ------------------------------------------------------------------------------------------------------------
delete from monitoring.deliveries;
update monitoring.destination_states set open_until = '-infinity', consecutive_failures = 0, open_since_at = null, breaker = 'closed';
select is(pg_temp.cause('ops'), 'nothing_waits', 'nothing waits');
select pg_temp.send('ops', 'e', now());
select is(pg_temp.cause('ops'), 'moving', 'what was just queued is on its way');
update monitoring.deliveries set due_at = now() - interval '2 min';
select is(monitoring_internal.live_services(), 0::bigint, 'no service runs');
select is(pg_temp.cause('ops'), 'no_service', 'so that nobody claims');
update monitoring.deliveries set due_at = now() + interval '1 min', state = 'failed', attempt = 1, last_status = 404, last_error = 'status';
select results_eq($$ select h.cause_name, h.cause from monitoring.delivery_health as h where h.name = 'ops' $$,
    $$ values ('failing', '1 of 1 failed last: status 404') $$, 'what a receiver refused is no breaker''s matter, but it failed');
update monitoring.deliveries set last_status = 429;
select results_eq($$ select h.cause, h.detail from monitoring.queue_health as h where h.cause in ('failing', 'moving') $$,
    $$ values ('failing', 'ops: 1 of 1 failed last: status 429') $$, 'and the queue''s health says so too');
update monitoring.deliveries set last_status = null, last_error = 'cancelled';
select is(pg_temp.cause('ops'), 'moving', 'what a service gave back has not failed');
update monitoring.deliveries set due_at = now() - interval '2 min', state = 'pending', attempt = 0, last_error = null;
insert into monitoring.service_instances (instance_id, host_name, process_id, version, seen_at)
values (pg_temp.service(1), 'here', 1, '1', clock_timestamp());
select is(pg_temp.cause('ops'), 'not_claimed', 'one runs, and does not claim');
update monitoring.destination_states set consecutive_failures = 2, last_error = 'tls' where destination_id = pg_temp.endpoint('ops');
select is(pg_temp.cause('ops'), 'failing', 'it failed last');
update monitoring.destination_states set open_since_at = now(), open_until = now() + interval '1 min', breaker = 'open'
where destination_id = pg_temp.endpoint('ops');
select is(pg_temp.cause('ops'), 'breaker_open', 'its breaker is open');
update monitoring.destination_states set open_since_at = now() - interval '11 min' where destination_id = pg_temp.endpoint('ops');
select is(pg_temp.cause('ops'), 'dead_receiver', 'for ten minutes');
update monitoring.destination_states set open_since_at = null, breaker = 'closed' where destination_id = pg_temp.endpoint('ops');
select is(pg_temp.cause('ops'), 'asked_to_wait', 'it asked to be left alone');
update monitoring.destination_states set open_until = '-infinity' where destination_id = pg_temp.endpoint('ops');
select pg_temp.claim(now() - interval '2 min');
select is(pg_temp.cause('ops'), 'service_lost', 'the service that had it is lost');
update monitoring.webhook_endpoints set is_active = false, disabled_reason = 'it answered 410 Gone' where endpoint_name = 'ops';
select is(pg_temp.cause('ops'), 'gone', 'it is gone');
select monitoring.set_endpoint_active('ops', false);
select is(pg_temp.cause('ops'), 'inactive', 'it is disabled');
select monitoring.set_endpoint_active('ops', true);
insert into monitoring.held_notifications (channel_id, alert_id, tenant_id, reason, held_at, held_until)
select channel.id, gen_random_uuid(), channel.tenant_id, 'first', now(), now() from monitoring.notification_channels as channel
where channel.channel_name = 'spare';
select results_eq(
    $$ select h.cause, h.receivers, h.messages, h.detail from monitoring.queue_health as h order by h.cause collate "C" $$,
    $$ values ('rate_limited', 1::bigint, 1::bigint, 'spare: its limit of 10 an hour is used up'),
        ('service_lost', 1, 1, 'ops: the service that had some in hand was lost') $$,
    'the queue''s health is the causes there are');
select results_eq($$ select b.receiver, b.in_flight, b.waiting, b.cause from monitoring_internal.delivery_backlog('ops', null) as b $$,
    $$ values ('ops', 1::bigint, 0::bigint, 'the service that had some in hand was lost') $$, 'and what is left is told by receiver');
select is_empty($$ select from monitoring_internal.delivery_backlog_at(pg_temp.endpoint('spare'), null, now()) $$, 'where something is left');
select is(monitoring_internal.listed_tenant_id(null, null), null, 'for no tenant the lists are of all');
select results_eq($$ select count(*) from monitoring_internal.list_deliveries(null, 'acme', 'all', null, 10)
    union all select count(*) from monitoring_internal.list_dead_letters(null, 'acme', null, true, 10)
    union all select count(*) from monitoring_internal.delivery_backlog(null, 'acme')
    union all select least(count(*), 1) from monitoring_internal.list_deliveries(null, 'system', 'all', null, 10)
    union all select least(count(*), 1) from monitoring_internal.list_dead_letters(null, 'system', null, true, 10)
    union all select count(*) from monitoring_internal.delivery_backlog(null, 'system') $$,
    $$ values (0::bigint), (0), (0), (1), (1), (1) $$, 'for one, of its messages');
select throws_ok(q, 'PV001', 'tenant "nope" does not exist', 'one that is not there is refused: ' || q) from unnest(array[
    $$ select monitoring_internal.list_deliveries(null, 'nope', null, null, 10) $$,
    $$ select monitoring_internal.list_dead_letters(null, 'nope', null, false, 10) $$,
    $$ select monitoring_internal.delivery_backlog(null, 'nope') $$]) as q;
select is_empty($$ select from monitoring_internal.delivery_horizon() $$, 'nobody keeps the table from being cleaned');
select is_empty($$ select from monitoring_internal.delivery_horizon_at(1000000000, '0', now()) $$, 'or it does not matter');

select has_trigger('monitoring', 'webhook_endpoints', 'webhook_endpoints_wake_services', 'services are told at once (wake_services)');

-- A demonstration -----------------------------------------------------------------------------------------------------
delete from monitoring.notification_routes;
select monitoring_internal.prepare_demo(pg_temp.service(30), 'http://127.0.0.1:1/', 'pgvigil:v1:0a1b2c3d:QUJDRA==');
select monitoring_internal.prepare_demo(pg_temp.service(30), 'http://127.0.0.1:2/', 'pgvigil:v1:0a1b2c3d:QUJERQ==');
select results_eq($$ select e.webhook_url, e.sealed_secret, r.is_continuing, r.channel_ids = array[e.id],
        (select count(*) from monitoring.alert_rules as a where a.rule_name = 'demo_forgotten_transaction')
    from monitoring.webhook_endpoints as e join monitoring.notification_routes as r on r.route_name = 'demo' where e.endpoint_name = 'demo' $$,
    $$ values ('http://127.0.0.1:2/', 'pgvigil:v1:0a1b2c3d:QUJERQ==', true, true, 1::bigint) $$,
    'a demonstration has its receiver and its rule, once, at its latest address');
select is((select count(*) from monitoring.notification_routes), 1::bigint, 'that are told of by one route');
select ok(monitoring.add_endpoint(gen_random_uuid(), 'mine', 'webhook', 'https://mine.example/', null),
    'and the first receiver of one''s own gets every alert beside it');

-- Rights ------------------------------------------------------------------------------------------------------------
grant usage on schema tap to public;
set local role pgvigil_test_acme;
select is_empty($$ select from monitoring_internal.list_deliveries(null, null, 'all', null, 10) $$, 'a tenant lists no other''s deliveries');
select is_empty($$ select from monitoring_internal.list_dead_letters(null, null, null, true, 10) $$, 'nor dead letters');
select is_empty($$ select from monitoring_internal.list_deliveries(null, 'acme', 'all', null, 10) $$, 'it may name itself');
select throws_ok($$ select monitoring_internal.list_deliveries(null, 'system', 'all', null, 10) $$, 'PV001', null, 'another is not there for it');
select is_empty($$ select from monitoring.queue_health $$, 'nor sees what keeps them');
select throws_ok('select monitoring.retry_delivery(1)', '42501', null, 'readers retry nothing');
select throws_ok($$ select monitoring.replay_deliveries('ops') $$, '42501', null, 'and replay nothing');
set local role pgvigil_test_admin;
select lives_ok($$ select monitoring.retry_deliveries('ops') $$, 'an administrator does');
select lives_ok($$ select * from monitoring_internal.delivery_backlog(null, null) $$, 'and sees what is left');
select lives_ok($$ select * from monitoring_internal.describe_delivery_at((select max(delivery_id)::text from monitoring.deliveries), now()) $$,
    'and all of a delivery');
reset role;

select * from finish();
rollback;
