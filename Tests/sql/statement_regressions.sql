-- Queries that have become slower than they used to be.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Intervals of query p_queryid, each of p_calls executions with a mean and a deviation, at ages such as '5 min'.
create function pg_temp.ran(p_queryid bigint, p_calls bigint, p_mean float8, p_stddev float8, variadic p_ages interval[])
returns void language sql as $$
    insert into monitoring.statement_intervals (target_database_id, queryid, userid, dbid, is_toplevel, calls,
        total_exec_time, stddev_exec_time, tenant_id, started_at, collected_at, entries, is_new, is_lossy)
    select 0, p_queryid, 10, 5, true, p_calls, p_calls * p_mean, p_stddev, monitoring.system_tenant_id(),
        now() - age - interval '1 minute', now() - age, 1, false, false
    from unnest(p_ages) as age;
$$;
create function pg_temp.found() returns text language sql as $$
    select string_agg(format('%s by the %s', query_id, baseline), ', ' order by regression_rank)
    from monitoring.query_regressions;
$$;
-- Twice as slow as the day before, in many executions: 1 by much, 2 by less.
select pg_temp.ran(1, 200, 40, 5, '5 min', '20 min'), pg_temp.ran(1, 200, 20, 5, '3 hours', '20 hours');
select pg_temp.ran(2, 100, 40, 5, '5 min'), pg_temp.ran(2, 100, 20, 5, '3 hours');
select is(pg_temp.found(), '1 by the day before, 2 by the day before', 'a query slower than the day before is found');
select results_eq(
    $$ select execution_count, baseline_execution_count, mean_exec_time, baseline_mean_exec_time, ratio, added_seconds,
        t > 50 and t < 60 from monitoring.query_regressions where query_id = 1 $$,
    $$ values (400::numeric, 400::numeric, 40::float8, 20::float8, 2::float8, 8::float8, true) $$,
    'with its figures, and Welch''s t over all intervals');
-- Not: too few executions, too little slower, too small a difference, noise, a small share of all, no past, all others.
select pg_temp.ran(11, 49, 40, 0, '5 min'), pg_temp.ran(11, 100, 20, 0, '3 hours'),
    pg_temp.ran(12, 100, 40, 0, '5 min'), pg_temp.ran(12, 100, 28, 0, '3 hours'),
    pg_temp.ran(13, 1000, 8, 0, '5 min'), pg_temp.ran(13, 100, 4, 0, '3 hours'),
    pg_temp.ran(14, 100, 40, 60, '5 min'), pg_temp.ran(14, 100, 20, 60, '3 hours'),
    pg_temp.ran(15, 50, 7, 0, '5 min'), pg_temp.ran(15, 100, 1, 0, '3 hours'),
    pg_temp.ran(16, 100, 40, 0, '5 min'), pg_temp.ran(16, 100, 20, 0, '26 hours'),
    pg_temp.ran(0, 100, 40, 0, '5 min'), pg_temp.ran(0, 100, 20, 0, '3 hours');
select is(pg_temp.found(), '1 by the day before, 2 by the day before', 'what is no regression is not');
-- Slow at this hour every week, whatever the day before was like; and one that is not.
select pg_temp.ran(1, 100, 39, 5, '7 days 10 min', '14 days 10 min', '21 days 10 min');
select is(pg_temp.found(), '2 by the day before', 'what is usual at this hour of the week is no regression');
select pg_temp.ran(2, 100, 10, 5, '7 days 10 min', '14 days 10 min', '28 days 10 min', '28 days 2 hours');
select results_eq(
    $$ select baseline, baseline_execution_count, ratio from monitoring.query_regressions $$,
    $$ values ('same hour of the week', 300::numeric, 4::float8) $$, 'three weeks that have the hour are what counts');
select monitoring.set_setting('statements.regression_ratio', '5');
select is(pg_temp.found(), null, 'how much slower is a setting');

select * from finish();
rollback;
