-- The roles that collect can do all of their work, with their own rights and no more.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_service, monitoring_collector;
select monitoring.add_target('prod', 'host=prod.example user=watch');
update monitoring.collectors set is_enabled = name = 'instance';
create role pgvigil_test_service login in role monitoring_service;
create role pgvigil_test_sender login in role monitoring_collector;
select monitoring.add_tenant_member('pgvigil_test_sender', 'system');

-- A collection elsewhere, step by step, as the service's login ------------------------------------------
set local role pgvigil_test_service;
create temporary table claim as select * from monitoring_internal.claim_target_collections(null, 1);
select results_eq('select name, target_name from claim', $$ values ('instance', 'prod') $$, 'X-08: the service claims');
select results_eq(
    $$ select t.target_name, conninfo, datname, sealed_secret from claim as c
        cross join lateral monitoring_internal.open_target(c.target_database_id) as t $$,
    $$ values ('prod', 'host=prod.example user=watch', 'postgres', null::text) $$, 'X-08: is told where');
create temporary table answer (facts jsonb);
do $$ begin execute 'insert into answer ' || monitoring_internal.target_facts_query(); end $$;
select isnt((select facts ->> 'system_identifier' from answer), null, 'X-08: knows what to ask');
select lives_ok(
    $$ select monitoring_internal.report_target_facts(target_database_id, fence, facts) from claim, answer $$, 'X-08: reports it');
create temporary table plan as
select p.* from claim cross join lateral monitoring_internal.plan_collection(collector_id, target_database_id, fence) as p;
select is((select bool_and(statement is null and body ~ 'select') from plan), true, 'X-08: is given what to describe');
select lives_ok(
    $$ select monitoring_internal.report_candidate(collector_id, target_database_id, fence, query, candidate,
        array['up', 'version', 'short_version', 'system_identifier', 'present'], null, null) from claim, plan $$,
    'X-08: says what it found');
select is(
    (select count(*) from claim cross join lateral monitoring_internal.plan_collection(collector_id, target_database_id, fence) as p
        where p.statement is not null), (select count(*) from plan), 'X-08: is given what to run');
select results_eq(
    $$ select run.status, run.samples from claim cross join lateral monitoring_internal.store_collection(
        collector_id, target_database_id, fence, '{1}', '{0}', '{0}', '{"[]"}', '{"{pg_up}"}', '{"{\"{}\"}"}', '{"{1}"}',
        '{null}') as run $$,
    $$ values ('ok', 1::bigint) $$, 'X-08: stores it');
select is((select count(*) from monitoring_internal.claim_target_collections(null, 10)), 0::bigint, 'X-08: and is done');
select cmp_ok((select monitoring_internal.next_target_collection_delay()), '>', 0::double precision, 'X-08: until then');
select throws_ok('select * from monitoring_internal.collector_statements', '42501', null, 'it reads no table of the inside');
select throws_ok('delete from monitoring.targets', '42501', null, 'nor does it change targets but by these functions');
reset role;

-- Sending samples, as a client ---------------------------------------------------------------------------
set local role pgvigil_test_sender;
select results_eq(
    $$ select (monitoring.ingest_samples(array['t_sent'], '{"{}"}', array[1.0], array[now()])).accepted $$,
    $$ values (1::bigint) $$, 'X-08: who sends samples can');
select throws_ok('select monitoring_internal.claim_target_collections(null, 1)', '42501', null, 'and cannot collect');
select throws_ok($$ select monitoring_internal.open_target(1) $$, '42501', null, 'nor be given a secret');
reset role;

select * from finish();
rollback;
