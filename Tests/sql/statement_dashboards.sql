-- What is thought of statements, and the list of slow ones.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Categories and problems -------------------------------------------------------------------------------
select results_eq(
    $$ select mean, monitoring_internal.statement_category(mean)
        from unnest(array[0, 9.99, 10, 49.99, 50, 199.99, 200, 999.99, 1000, 1e12, null]::float8[]) as mean $$,
    $$ values (0::float8, 'excellent'), (9.99, 'excellent'), (10, 'good'), (49.99, 'good'), (50, 'acceptable'),
        (199.99, 'acceptable'), (200, 'poor'), (999.99, 'poor'), (1000, 'critical'), (1e12, 'critical'), (null, null) $$,
    'each mean is in the category that its boundaries say');

-- An interval's row of a statement that did nothing else.
create function pg_temp.part(p_calls bigint, p_total float8, p_more jsonb default '{}')
returns monitoring.statement_intervals language sql as $$
    select jsonb_populate_record(null::monitoring.statement_intervals, jsonb_build_object(
        'target_database_id', 500, 'queryid', 1, 'userid', 10, 'dbid', 5, 'is_toplevel', true, 'calls', p_calls,
        'total_exec_time', p_total, 'rows_processed', p_calls, 'shared_blks_hit', 100, 'shared_blks_read', 0,
        'temp_blks_written', 0, 'wal_bytes', 0, 'stddev_exec_time', 0, 'tenant_id', monitoring.system_tenant_id(),
        'started_at', now() - interval '1 minute', 'collected_at', now(), 'entries', 1, 'is_new', false,
        'is_lossy', false, 'is_problematic', false, 'optimization_suggestions', '[]'::jsonb) || p_more);
$$;
create function pg_temp.judged(p_calls bigint, p_total float8, p_more jsonb default '{}', p_all float8 default null)
returns monitoring.statement_intervals language sql as $$
    select monitoring_internal.judge_statement(
        pg_temp.part(p_calls, p_total, p_more), coalesce(p_all, p_total), 1e8, 200, 5);
$$;
select results_eq(
    $$ select calls, mean, (pg_temp.judged(calls, calls * mean)).is_problematic
        from (values (1, 5000), (4, 5000), (5, 201), (5, 200), (100000, 199), (100000, 0.01)) as t (calls, mean) $$,
    $$ values (1, 5000::numeric, false), (4, 5000, false), (5, 201, true), (5, 200, false), (100000, 199, false),
        (100000, 0.01, false) $$,
    'L-04: a problem is slow and ran often enough, and neither alone');
create function pg_temp.codes(p_calls bigint, p_total float8, p_more jsonb default '{}', p_all float8 default null)
returns text language sql as $$
    select concat_ws(' ', judged.shape || ':', (
        select string_agg(suggestion ->> 'code', ',')
        from jsonb_array_elements(judged.optimization_suggestions) as suggestion
        where length(suggestion ->> 'advice') > 20 and suggestion -> 'evidence' <> '{}'))
    from pg_temp.judged(p_calls, p_total, p_more, p_all) as judged;
$$;
select is(pg_temp.codes(10, 5000, '{"shared_blks_read": 20000, "blk_read_time": 4000}'),
    'io_bound: heavy_disk_reads,low_hit_ratio', 'what reads from disk is told so');
select is(pg_temp.codes(10, 5000, '{"temp_blks_written": 500}'), 'temp_spill: temp_spill', 'what spills is told so');
select is(pg_temp.codes(10, 5000, '{"wal_bytes": 90000000}'), 'wal_heavy: wal_heavy', 'what writes most of the WAL');
select is(pg_temp.codes(10, 5000, '{"jit_time": 1500, "jit_functions": 60}'), 'jit_heavy: jit_heavy', 'what compiles');
select is(pg_temp.codes(10, 5000, '{"total_plan_time": 6000, "plans": 10}'), 'plan_heavy: plan_heavy', 'what plans');
select is(pg_temp.codes(100000, 5000), 'chatty: chatty', 'what runs too often');
select is(pg_temp.codes(10, 500, '{"rows_processed": 100000}'), 'wide: wide', 'what gives too many rows');
select is(pg_temp.codes(10, 500, '{"stddev_exec_time": 151}'), 'erratic: erratic', 'what varies');
select is(pg_temp.codes(10, 500, '{"is_toplevel": false}'), 'nested:', 'what functions run');
select is(pg_temp.codes(10, 500), 'cpu_bound:', 'a statement without a finding gets no advice');
select is(pg_temp.codes(10, 5000), 'cpu_bound: cpu_bound', 'but a problematic one always gets some');
select is(pg_temp.codes(10, 5, '{"temp_blks_written": 500}', 100000), 'cpu_bound:',
    'what neither is slow nor takes a share gets none');
select is((pg_temp.judged(10, 30, '{}', 120)).exec_time_share, 0.25::float8, 'the share is that of the interval''s time');
select is(
    (select array[part.performance_category, part.shape, part.exec_time_share::text]
        from pg_temp.judged(10, 30, '{"queryid": 0}') as part), array[null, null, '1'],
    'the row of all others has a share and nothing else');
select results_eq(
    $$ select code, evidence from monitoring_internal.statement_findings(
        pg_temp.part(10, 5000, '{"temp_blks_written": 500}'), 5000, 0) $$,
    $$ values ('temp_spill', '{"temp_blocks_written_per_call": 50}'::jsonb) $$, 'a finding has its figures');
select is(monitoring_internal.statement_shape(pg_temp.part(1, 0), 0, 0), 'cpu_bound', 'no time at all is no fault');
select is(
    (select array_agg((ranked.delta).queryid order by (ranked.delta).queryid)
        from monitoring_internal.rank_statements(array[
            pg_temp.part(9, 10, '{"queryid": 1}'), pg_temp.part(8, 90, '{"queryid": 2}'),
            pg_temp.part(1, 5, '{"queryid": 3}'), pg_temp.part(1, 50, '{"queryid": 4}')], 1) as ranked
        where ranked.is_kept), array[1, 2, 4]::bigint[], 'the first by calls, by time and by mean are kept');
select is(
    (select array_agg(kept.queryid::text || ' ' || kept.calls order by kept.queryid)
        from monitoring_internal.keep_statements(array[
            pg_temp.part(9, 90, '{"queryid": 1}'), pg_temp.part(1, 5, '{"queryid": 2}'),
            pg_temp.part(1, 4, '{"queryid": 3}')], 1) as kept), array['0 2', '1 9'], 'all others are one row');

-- The slow queries of the last hour ---------------------------------------------------------------------
select monitoring.create_tenant('acme');
insert into monitoring.statement_sources
    (target_database_id, tenant_id, collected_at, captured_at, identity, entries, hidden, is_complete)
select source.id, coalesce(tenant.tenant_id, monitoring.system_tenant_id()), now() - source.age, now(), '15 1.10', 1, 0, true
from (values (500, 'system', interval '30 seconds'), (501, 'acme', interval '20 minutes')) as source (id, name, age)
left join monitoring.tenants as tenant on tenant.name = source.name and not tenant.is_system;
insert into monitoring.statements
    (target_database_id, queryid, dbid, tenant_id, query_hash, normalized_query, first_seen_at, last_seen_at)
select 500, 1, 5, monitoring.system_tenant_id(), md5('slow'), E'select slow\n  ' || repeat('x', 200), now(), now();
-- Twelve intervals of one query, slow in some; by the hour's sums (60 executions, 18 s) its mean is 300 ms.
insert into monitoring.statement_intervals
select part.*
from generate_series(1, 12) as n
cross join lateral pg_temp.part(5, 500 + 1000 * (n % 3), jsonb_build_object(
    'started_at', now() - n * interval '4 minutes' - interval '1 minute', 'collected_at', now() - n * interval '4 minutes',
    'max_exec_time', case when n % 3 = 2 then 900.12345 end, 'max_exec_time_bound', case when n % 3 = 2 then 900.12345 else 700 end)) as part;
-- Sixty slow ones of another tenant, and some that are not to be shown: fast, all others, older, of a long gap.
insert into monitoring.statement_intervals
select part.*
from generate_series(1, 60) as n
cross join lateral pg_temp.part(2, 2000 * n, jsonb_build_object(
    'queryid', n, 'target_database_id', 501, 'collected_at', now() - interval '20 minutes',
    'started_at', now() - interval '21 minutes', 'max_exec_time_bound', 90000,
    'tenant_id', (select tenant_id from monitoring.tenants where name = 'acme'))) as part
union all select part.* from pg_temp.part(10, 900, '{"queryid": 2}') as part
union all select part.* from pg_temp.part(10, 90000, '{"queryid": 0}') as part
union all select part.* from pg_temp.part(10, 90000, jsonb_build_object(
    'queryid', 3, 'collected_at', now() - interval '61 minutes', 'started_at', now() - interval '62 minutes')) as part
union all select part.* from pg_temp.part(10, 90000, jsonb_build_object(
    'queryid', 4, 'started_at', now() - interval '3 hours')) as part;
grant usage on schema tap to monitoring_reader, monitoring_admin;
set local role monitoring_admin;
select results_eq(
    $$ select query_hash, execution_count, avg_time_ms, max_time_ms, is_max_exact, performance_category, is_problematic,
        collected_at, slowness_rank, is_stale, query_preview
        from monitoring.slow_queries_dashboard where business_id = monitoring.system_tenant_id() $$,
    $$ values (md5('slow'), 60::bigint, 300.000, 900.123, true, 'poor', true, now() - interval '4 minutes',
        1::bigint, false, 'select slow ' || repeat('x', 88)) $$,
    'L-13, L-06: a query is one row, with the hour''s mean and its greatest maximum filled in');
select results_eq(
    $$ select count(*), min(slowness_rank), max(slowness_rank), min(avg_time_ms), bool_and(is_stale),
            bool_or(is_max_exact), max(collected_at), count(query_preview)
        from monitoring.slow_queries_dashboard where business_id <> monitoring.system_tenant_id() $$,
    $$ values (50::bigint, 1::bigint, 50::bigint, 11000.000, true, false, now() - interval '20 minutes', 0::bigint) $$,
    'L-13, L-14: fifty of each tenant, stamped with their newest interval, and marked when it is stale');
select is(
    (select array_agg(query_hash order by slowness_rank) from monitoring.slow_queries_dashboard where is_stale),
    (select array_agg(query_hash order by avg_time_ms desc) from monitoring.slow_queries_dashboard where is_stale),
    'L-25: the order is a column, not a promise of the view');
select is_empty(
    $$ select 1 from monitoring.slow_queries_dashboard as slow
        where not exists (select 1 from monitoring.tenants where tenant_id = slow.business_id)
        union all
        select 1 from monitoring.query_performance as part
        where not exists (select 1 from monitoring.tenants where tenant_id = part.business_id) $$,
    'L-15: every row belongs to a tenant that exists');
reset role;
select is(
    (select count(*) from monitoring.query_performance as part where part.execution_count is null
        or part.query_hash is null or part.total_exec_time is null or part.mean_exec_time is null
        or part.business_id is null or part.id is null), 0::bigint, 'what the documents call mandatory is never null');
select is(
    (select count(distinct id) from monitoring.query_performance where target_database_id in (500, 501)),
    (select count(*) from monitoring.statement_intervals where target_database_id in (500, 501)), 'each row has its own id');
select monitoring.set_setting('statements.slow_mean', '400ms');
select is_empty(
    $$ select 1 from monitoring.slow_queries_dashboard where business_id = monitoring.system_tenant_id() $$,
    'from which mean a query is slow is a setting');

select * from finish();
rollback;
