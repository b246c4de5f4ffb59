-- A thousand databases in one cluster: found, claimed, passed over and retired without reading them all each time.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.report(p_databases integer) returns void language sql as $$
    select monitoring_internal.report_target_facts(
        monitoring_internal.main_target_database('big'), null,
        jsonb_build_object(
            'server_version_num', 150004, 'system_identifier', '5', 'in_recovery', false, 'timeline', 1, 'user', 'watch',
            'clock', extract(epoch from now()), 'extensions', '{}'::jsonb, 'roles', '["pg_monitor"]'::jsonb,
            'settings', '{}'::jsonb, 'databases', (
                select jsonb_agg(jsonb_build_object('name', 'db' || g, 'connectable', true))
                from generate_series(1, p_databases) as g)))
$$;
select monitoring.add_target('big', 'host=big.example', max_connections => 4);
select monitoring.add_target('small', 'host=small.example');
select pg_temp.report(1000);
select is((select databases from monitoring.target_status where name = 'big'), 1001::bigint, 'all are found');
select is(
    (select count(*) from monitoring.collector_states inner join monitoring.targets using (target_id) where name = 'big'),
    (select count(*) filter (where scope <> 'home') + 1000 * count(*) filter (where scope = 'database') from monitoring.collectors),
    'each has its collections, and the server its own once');
select cmp_ok(
    (select count(distinct next_due_at) from monitoring.collector_states where target_database_id <> 0), '>', 500::bigint,
    'which do not all begin at once');
create temporary table before as
select xmin as version, target_database_id from monitoring.target_databases where not is_main
union all select xmin, target_database_id from monitoring.collector_states where target_database_id <> 0;
select pg_temp.report(1000);
select is_empty(
    $$ (select xmin, target_database_id from monitoring.target_databases where not is_main
        union all select xmin, target_database_id from monitoring.collector_states where target_database_id <> 0)
        except all table before $$, 'asked again they change nothing');

create temporary table claimed as
select claim.* from monitoring_internal.claim_target_collections_at(null, 100, now() + interval '2 min') as claim;
select results_eq('select target_name, count(*) from claimed group by 1 order by 1', $$ values ('big', 4::bigint), ('small', 2) $$,
    'a large one leaves room for a small one');

-- What is read when little is due ----------------------------------------------------------------------
update monitoring.collector_states set next_due_at = now() + interval '1 hour', lease_expires_at = null
where target_database_id <> 0;
update monitoring.collector_states set next_due_at = now() - interval '1 second'
where target_database_id = monitoring_internal.main_target_database('small')
    and collector_id = (select collector_id from monitoring.collectors where name = 'instance');
analyze monitoring.collector_states;
analyze monitoring.targets;
create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
    v_line text;
    v_plan text = '';
begin
    for v_line in execute 'explain (costs off) ' || p_query loop
        v_plan := v_plan || v_line || E'\n';
    end loop;
    return v_plan;
end;
$$;
-- The body of a function of one statement, with the time in place of p_now.
create function pg_temp.body(p_function text) returns text language sql as $$
    select replace(replace(replace(prosrc, 'p_limit', '1'), 'p_now', 'now()'), 'v_at', 'p_now')
    from pg_proc where oid = p_function::regprocedure
$$;
select matches(pg_temp.plan(pg_temp.body('monitoring_internal.lock_due_targets_at(integer, timestamptz)')),
    'collector_states_target_id_next_due_at_idx', 'a claim looks where something is due, by an index');
select doesnt_match(pg_temp.plan(pg_temp.body('monitoring_internal.lock_due_targets_at(integer, timestamptz)')),
    'Seq Scan on collector_states', 'and reads no state that is not due');
select doesnt_match(pg_temp.plan(pg_temp.body('monitoring_internal.next_target_collection_delay_at(timestamptz)')),
    'Seq Scan on collector_states', 'nor is every state read to know how long to sleep');
select results_eq('select target_name from monitoring_internal.claim_target_collections(null, 10)', $$ values ('small') $$,
    'what is due is found');
select cmp_ok(monitoring_internal.next_target_collection_delay(), '>', 3000::double precision, 'then nothing is for an hour');

select pg_temp.report(10);
select is((select databases from monitoring.target_status where name = 'big'), 11::bigint, 'dropped ones are retired');
select is(
    (select count(*) from monitoring.collector_states inner join monitoring.targets using (target_id) where name = 'big'),
    (select count(*) filter (where scope <> 'home') + 10 * count(*) filter (where scope = 'database') from monitoring.collectors), 'with their collections');
select monitoring.remove_target('big');
select is((select count(*) from monitoring.target_databases where datname ~ '^db'), 0::bigint, 'and the rest with their server');

select * from finish();
rollback;
