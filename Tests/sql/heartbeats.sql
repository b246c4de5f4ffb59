-- Dead man's switches: sent while the whole chain works, withheld with the reason when it does not; their URLs sealed.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create function pg_temp.at(p_seconds numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_seconds * interval '1 second' $$;
create function pg_temp.service(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-a000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create function pg_temp.broken(p_at timestamptz) returns text language sql as $$
    select string_agg(c.link, ' ' order by c.link) from monitoring_internal.heartbeat_chain_at(p_at) as c where not c.is_whole $$;
-- What the rest of the chain leaves behind as of a time: a collection, an evaluation.
create function pg_temp.works(p_at timestamptz) returns void language sql as $$
    update monitoring.collector_states set last_ok_at = p_at where target_database_id = 0 and collector_id = (
        select min(s.collector_id) from monitoring.collector_states as s where s.target_database_id = 0);
    insert into monitoring.alert_passes (started_at, duration) values (p_at, '1 s') $$;
insert into monitoring.collector_states (collector_id, target_database_id)
select c.collector_id, 0 from monitoring.collectors as c order by c.collector_id limit 1
on conflict do nothing;
create role pgvigil_test_admin login in role monitoring_admin;
create role pgvigil_test_service login in role monitoring_service;
create role pgvigil_test_reader login in role monitoring_reader;
grant usage on schema tap to public;

-- Setting up --------------------------------------------------------------------------------------------------------
select is(monitoring_internal.heartbeat_seal_context(pg_temp.service(1)), 'heartbeat ' || pg_temp.service(1), 'a URL is sealed for its row');
set local role pgvigil_test_admin;
select throws_ok(
    $$ select monitoring.set_heartbeat('00000000-0000-4000-a000-000000000001', 'outside', 'https://hc.example/ping/secret') $$,
    'PV960', 'heartbeat "outside" holds a URL that is not sealed', 'a URL in clear is refused (check_heartbeat)');
select lives_ok(
    $$ select monitoring.set_heartbeat('00000000-0000-4000-a000-000000000001', 'outside', 'pgvigil:v1:0a1b2c3d:QUJDRA==') $$,
    'an administrator makes a heartbeat');
select throws_ok('select sealed_url from monitoring.heartbeats', '42501', null, 'and reads no sealed URL');
select is(monitoring_internal.heartbeat_id_of('outside'), '00000000-0000-4000-a000-000000000001', 'it is known by its name');
select throws_ok($$ select monitoring.remove_heartbeat('inside') $$, 'PV988', 'there is no heartbeat "inside"', 'an unknown one is named');
select throws_ok($$ select monitoring_internal.claim_heartbeats('00000000-0000-4000-a000-000000000001') $$, '42501', null,
    'an administrator sends none');
set local role pgvigil_test_reader;
select throws_ok('select from monitoring.heartbeat_status', '42501', null, 'readers see none');
reset role;

-- The chain ---------------------------------------------------------------------------------------------------------
select results_eq($$ select m.link from monitoring_internal.measuring_links_at(pg_temp.at(0)) as m
        union all select d.link from monitoring_internal.delivering_links_at(pg_temp.at(0)) as d $$,
    $$ values ('collection'), ('evaluation'), ('claims'), ('arrivals') $$, 'the chain has four links');
select is(pg_temp.broken(pg_temp.at(0)), 'collection evaluation', 'before anything was measured and judged, the chain is broken');
select is_empty($$ select from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(0)) $$, 'so that nothing is sent');
select results_eq('select withheld_at, withheld_reason from monitoring.heartbeats',
    $$ values (pg_temp.at(0), 'collection: nothing was measured on this server yet; evaluation: the rules were not evaluated within a day') $$,
    'and why is kept');
select is((select state from monitoring.heartbeat_status), 'withheld', 'and shown');
select pg_temp.works(pg_temp.at(10));
select is(pg_temp.broken(pg_temp.at(11)), null, 'once all has worked it is whole');
create temporary table claimed as select * from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(11));
select results_eq('select heartbeat_id, fence, name, method, sealed_url, seal_context, timeout_ms from claimed',
    $$ values (pg_temp.service(1), 1::bigint, 'outside', 'POST', 'pgvigil:v1:0a1b2c3d:QUJDRA==', 'heartbeat ' || pg_temp.service(1),
        10000::bigint) $$, 'and the heartbeat is sent');
select is_empty($$ select from monitoring_internal.claim_heartbeats_at(pg_temp.service(2), pg_temp.at(12)) $$, 'by one service');
select is(monitoring_internal.ack_heartbeat_at(pg_temp.service(2), pg_temp.service(1), 1, 200, null, pg_temp.at(12)), null,
    'what another one reports is not believed');
select ok(monitoring_internal.ack_heartbeat_at(pg_temp.service(1), pg_temp.service(1), 1, 200, null, pg_temp.at(12)), 'its report is');
select results_eq('select sent_at, sent_total, consecutive_failures, withheld_at from monitoring.heartbeats',
    'values (pg_temp.at(12), 1::bigint, 0, null::timestamptz)', 'it arrived');
select is_empty($$ select from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(70)) $$, 'the next goes when it is due');
select is((select fence from monitoring_internal.claim_heartbeats_at(pg_temp.service(2), pg_temp.at(71))), 2::bigint, 'by any service');
select is((select fence from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(131))), null,
    'the chain breaks: two minutes without an evaluation');
select is(pg_temp.broken(pg_temp.at(131)), 'evaluation', 'which is named');
select pg_temp.works(pg_temp.at(130));
select is((select fence from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(132))), 3::bigint,
    'what a lost service had, another sends');
select monitoring_internal.ack_heartbeat_at(pg_temp.service(1), pg_temp.service(1), 3, 503, null, pg_temp.at(132));
select results_eq('select last_error, consecutive_failures, failed_total from monitoring.heartbeats', $$ values ('status 503', 1, 1::bigint) $$,
    'one that is refused did not arrive');
select is((select count(*) from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(141))), 0::bigint, 'and is not');
select is((select count(*) from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), pg_temp.at(142))), 1::bigint, 'but ten seconds later tried again');
select monitoring_internal.ack_heartbeat_at(pg_temp.service(1), pg_temp.service(1), 4, null, 'timed_out', pg_temp.at(143));
select results_eq('select state, reason from monitoring.heartbeat_status', $$ values ('failing', 'timed_out') $$, 'and why is shown');

-- Its links -----------------------------------------------------------------------------------------------------------
select pg_temp.works(pg_temp.at(1010));
select monitoring.add_endpoint(gen_random_uuid(), name, 'webhook', 'https://' || name || '.example/in', 'pgvigil:v1:0a1b2c3d:QUJDRA==')
from unnest(array['one', 'two']) as name;
select monitoring_internal.send_webhook_notification_at(id, 'order.made', '{}', pg_temp.at(1000)) from monitoring.webhook_endpoints
where endpoint_name = 'one';
select is(pg_temp.broken(pg_temp.at(1060)), null, 'a message that is due for a minute breaks nothing');
select is(pg_temp.broken(pg_temp.at(1120)), 'claims', 'one that nobody has tried to send for two does');
select is((select detail from monitoring_internal.heartbeat_chain_at(pg_temp.at(1120)) where link = 'claims'),
    'messages are due and nobody tries to send them: one', 'and whose it is is said');
update monitoring.destination_states set last_failure_at = pg_temp.at(1100), consecutive_failures = 3;
select is(pg_temp.broken(pg_temp.at(1120)), null, 'where it is tried and fails, somebody does');
select pg_temp.works(pg_temp.at(1900));
update monitoring.destination_states set last_failure_at = pg_temp.at(1899);
select is(pg_temp.broken(pg_temp.at(1901)), 'arrivals', 'until messages have waited for a quarter of an hour and no receiver works');
insert into monitoring.destination_states (destination_id, last_success_at)
select id, pg_temp.at(500) from monitoring.webhook_endpoints where endpoint_name = 'two';
select is(pg_temp.broken(pg_temp.at(1901)), null, 'one of two that does not is a matter of an alert, which the other gets');
select monitoring.set_endpoint_active('two', false);
select is(pg_temp.broken(pg_temp.at(1901)), 'arrivals', 'not if the other is disabled');
select monitoring.set_endpoint_active('one', false);
select is(pg_temp.broken(pg_temp.at(1901)), null, 'what is held by hand waits for nobody');
select pg_temp.works(pg_temp.at(5000));
update monitoring.collector_states set last_ok_at = pg_temp.at(4000);
select is(pg_temp.broken(pg_temp.at(5001)), 'collection', 'without measurements there is nothing to judge');

-- On and off ----------------------------------------------------------------------------------------------------------
select pg_temp.works(clock_timestamp());
set local role pgvigil_test_admin;
select is((select count(*) from monitoring.heartbeat_chain), 4::bigint, 'operators see the chain');
select results_eq($$ select id, context from monitoring_internal.heartbeat_identity('outside') $$,
    $$ values ('00000000-0000-4000-a000-000000000001'::uuid, 'heartbeat 00000000-0000-4000-a000-000000000001') $$,
    'know what a URL is sealed for');
select results_eq($$ select name, state, failed from monitoring_internal.list_heartbeats() $$, $$ values ('outside', 'failing', 2::bigint) $$, 'list it');
select results_eq($$ select is_over, has_arrived, error, broken from monitoring_internal.heartbeat_progress('outside', 3) $$,
    $$ values (true, false, 'timed_out', null::text) $$, 'see what became of it');
select is(monitoring.hurry_heartbeat('outside'), 4::bigint, 'and have one sent at once');
set local role pgvigil_test_service;
select is((select fence from monitoring_internal.claim_heartbeats('00000000-0000-4000-a000-000000000001')), 5::bigint, 'a service does');
select ok(monitoring_internal.ack_heartbeat('00000000-0000-4000-a000-000000000001', '00000000-0000-4000-a000-000000000001', 5, 204, null),
    'and reports');
reset role;
select is((select state from monitoring.heartbeat_status), 'beating', 'it beats');
update monitoring.heartbeats set sent_at = now() - interval '5 minutes';
select is((select reason from monitoring.heartbeat_status), 'no service sends it: start pgvigil serve, with the key that sealed its URL',
    'until nobody sends it');
select is((select count(*) from monitoring_internal.heartbeat_chain()), 4::bigint, 'who operates pgvigil sees its links');
update monitoring.heartbeats set is_active = false, attempted_at = null;
select is_empty($$ select from monitoring_internal.claim_heartbeats_at(pg_temp.service(1), clock_timestamp()) $$, 'one that is off is not sent');
select monitoring.remove_heartbeat('outside');
select is_empty('select from monitoring.heartbeats', 'a removed one is forgotten');

select * from finish();
rollback;
