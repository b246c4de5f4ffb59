-- What a login that only sends measurements can do: all of its work, and nothing else.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create role pgvigil_test_sender login;
grant monitoring_collector to pgvigil_test_sender;
select monitoring.create_tenant('acme');
select monitoring.create_tenant('globex');
select monitoring.add_tenant_member('pgvigil_test_sender', 'acme');
create function pg_temp.id(p_name text) returns uuid language sql as
    'select tenant_id from monitoring.tenants where name = p_name';
create temporary table tenant as select pg_temp.id('acme') as acme, pg_temp.id('globex') as globex;
grant select on tenant to pgvigil_test_sender;

set local role pgvigil_test_sender;
select ok(
    monitoring.ingest_sample('lab_session_open', '{"machine": "one"}', 1, now() - interval '1 min', (select acme from tenant)),
    'X-08: it opens what is new, schema, sequences and all');
select ok(
    monitoring.ingest_sample('lab_session_open', '{"machine": "one"}', 0, now(), (select acme from tenant)),
    'X-08: and closes it: nothing has to be updated');
select is(
    (monitoring.ingest_samples(array['lab_seen_seconds', 'lab_seen_seconds'], array['{"machine": "one"}', '{"machine": "two"}']::jsonb[],
        array[1.0, 2.0], array[now(), now()], (select acme from tenant))).accepted, 2::bigint,
    'X-08: batches too');
select lives_ok(
    $$ insert into monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at, tenant_id)
        select '00000000-0000-0000-0000-000000000001', 'lab_load', '{}', 1, now(), acme from tenant $$,
    'X-08: what it copies in is staged');
select is(
    (monitoring_internal.ingest_staged('00000000-0000-0000-0000-000000000001')).accepted, 1::bigint,
    'X-08: and taken when it asks');
select throws_ok(
    $$ select monitoring.ingest_sample('lab_load', '{}', 1, now(), (select globex from tenant)) $$, 'PV002', null,
    'for another tenant it sends nothing');
select throws_ok($$ select * from monitoring.tenant_members $$, '42501', null, 'who is a member is none of its business');
select throws_ok($$ select * from monitoring.latest_samples $$, '42501', null, 'nor what others measured');
select throws_ok($$ update monitoring.series set labels = '{}' $$, '42501', null, 'it changes nothing');
reset role;

select * from finish();
rollback;
