-- views/statements.sql: statement statistics for people: every interval, and the slow queries of the last hour.

create or replace view monitoring.query_performance with (security_invoker = true) as
select
    md5(concat_ws(
        ' ', part.target_database_id, part.queryid, part.userid, part.dbid, part.is_toplevel,
        extract(epoch from part.collected_at)))::uuid as id,
    part.tenant_id as business_id,
    part.queryid as query_id,
    coalesce(statement.query_hash, md5(format('queryid %s', part.queryid))) as query_hash,
    case when part.queryid = 0 then format('all others: %s statements', part.entries)
        else statement.normalized_query end as normalized_query,
    part.calls as execution_count,
    part.total_exec_time,
    part.total_exec_time / part.calls as mean_exec_time,
    part.min_exec_time,
    part.max_exec_time,
    part.stddev_exec_time,
    part.rows_processed,
    part.shared_blks_hit,
    part.shared_blks_read,
    part.shared_blks_dirtied,
    part.shared_blks_written,
    part.local_blks_hit,
    part.local_blks_read,
    part.temp_blks_read,
    part.temp_blks_written,
    part.blk_read_time,
    part.blk_write_time,
    part.performance_category,
    part.optimization_suggestions,
    part.is_problematic,
    statement.optimized_at as last_optimized,
    part.collected_at,
    part.collected_at as created_at,
    part.started_at,
    part.target_database_id,
    target.name as server,
    part.database_name,
    part.user_name,
    part.is_toplevel,
    part.exec_time_share,
    part.shape,
    part.wal_bytes,
    part.total_plan_time,
    part.jit_time,
    part.max_exec_time_bound,
    part.is_new,
    part.is_lossy,
    part.entries
from monitoring.statement_intervals as part
left join monitoring.statements as statement
    on statement.target_database_id = part.target_database_id
        and statement.queryid = part.queryid and statement.dbid = part.dbid
left join monitoring.target_databases as database on database.target_database_id = part.target_database_id
left join monitoring.targets as target on target.target_id = database.target_id;

comment on view monitoring.query_performance is
    'What each statement did in each interval between two snapshots, times in milliseconds; counts are of that '
    'interval alone. A row with query_id 0 adds up the statements that have no row of their own in it.';
comment on column monitoring.query_performance.id is 'Key of the row, the same each time it is read.';
comment on column monitoring.query_performance.business_id is 'The tenant whose server it ran on.';
comment on column monitoring.query_performance.query_id is 'The server''s identifier of the statement.';
comment on column monitoring.query_performance.query_hash is 'md5 of the masked text: the same on every server.';
comment on column monitoring.query_performance.normalized_query is
    'The text without literals and comments; null until it was read.';
comment on column monitoring.query_performance.max_exec_time is
    'Longest execution, where it is known to be of this interval; max_exec_time_bound is what none was above.';
comment on column monitoring.query_performance.min_exec_time is
    'Shortest execution, where it is known to be of this interval.';
comment on column monitoring.query_performance.server is
    'The monitored server''s name, local for this one; null once it was removed.';
comment on column monitoring.query_performance.is_problematic is
    'Mean above setting statements.problem_mean with at least statements.problem_calls executions.';
comment on column monitoring.query_performance.is_lossy is
    'The server threw entries out in this interval, so that some work is counted nowhere.';

-- One row a query and tenant: the hour's sums decide, not a single interval. A limit for each tenant.
create or replace view monitoring.slow_queries_dashboard with (security_invoker = true) as
with recent as (
    select
        part.tenant_id,
        coalesce(statement.query_hash, md5(format('queryid %s', part.queryid))) as query_hash,
        max(statement.normalized_query) as normalized_query,
        sum(part.calls)::bigint as calls,
        sum(part.total_exec_time) / sum(part.calls) as mean,
        max(part.max_exec_time) as largest,
        max(part.max_exec_time_bound) as bound,
        max(part.collected_at) as collected_at,
        bool_and(source.collected_at < now() - collector.stale_after) as is_stale
    from monitoring.statement_intervals as part
    left join monitoring.statements as statement
        on statement.target_database_id = part.target_database_id
            and statement.queryid = part.queryid and statement.dbid = part.dbid
    left join monitoring.statement_sources as source on source.target_database_id = part.target_database_id
    left join monitoring.collectors as collector on collector.name = 'statements'
    where part.collected_at > now() - interval '1 hour' and part.queryid <> 0
        -- What began long before the hour says little about it.
        and part.started_at > now() - interval '2 hours'
    group by part.tenant_id, coalesce(statement.query_hash, md5(format('queryid %s', part.queryid)))
), ranked as (
    select
        recent.*,
        row_number() over (partition by recent.tenant_id order by recent.mean desc, recent.query_hash) as place
    from recent
    where recent.mean
        > extract(epoch from (select monitoring_internal.setting_interval('statements.slow_mean'))) * 1000
)
select
    ranked.tenant_id as business_id,
    ranked.query_hash,
    left(regexp_replace(ranked.normalized_query, '\s+', ' ', 'g'), 100) as query_preview,
    ranked.calls as execution_count,
    round(ranked.mean::numeric, 3) as avg_time_ms,
    round(coalesce(ranked.bound, ranked.largest)::numeric, 3) as max_time_ms,
    monitoring_internal.statement_category(ranked.mean) as performance_category,
    ranked.mean > extract(epoch from (select monitoring_internal.setting_interval('statements.problem_mean'))) * 1000
        and ranked.calls >= (select monitoring_internal.setting_integer('statements.problem_calls')) as is_problematic,
    ranked.collected_at,
    ranked.place as slowness_rank,
    coalesce(ranked.largest >= ranked.bound, false) as is_max_exact,
    coalesce(ranked.is_stale, true) as is_stale
from ranked
where ranked.place <= 50;

comment on view monitoring.slow_queries_dashboard is
    'The slowest queries of the last hour, at most 50 of each tenant, one row a query: order by slowness_rank. '
    'Times in milliseconds, over all executions of the hour, whichever user ran them on whichever server.';
comment on column monitoring.slow_queries_dashboard.business_id is 'The tenant whose server it ran on.';
comment on column monitoring.slow_queries_dashboard.query_hash is 'md5 of the masked text.';
comment on column monitoring.slow_queries_dashboard.query_preview is
    'First 100 characters of the masked text; null until it was read.';
comment on column monitoring.slow_queries_dashboard.execution_count is 'Executions in the hour.';
comment on column monitoring.slow_queries_dashboard.avg_time_ms is 'Mean time of an execution.';
comment on column monitoring.slow_queries_dashboard.max_time_ms is
    'Longest execution, or what none was above where is_max_exact is false.';
comment on column monitoring.slow_queries_dashboard.performance_category is 'Category of that mean.';
comment on column monitoring.slow_queries_dashboard.is_problematic is
    'Mean above setting statements.problem_mean with at least statements.problem_calls executions.';
comment on column monitoring.slow_queries_dashboard.collected_at is 'End of the newest interval in which it ran.';
comment on column monitoring.slow_queries_dashboard.slowness_rank is 'Place among those of the tenant, 1 the slowest.';
comment on column monitoring.slow_queries_dashboard.is_max_exact is 'Whether max_time_ms was measured.';
comment on column monitoring.slow_queries_dashboard.is_stale is
    'Whether none of its servers was read within the collector''s stale time: the hour is not complete.';
