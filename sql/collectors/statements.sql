-- statements.sql: what every statement did, from pg_stat_statements, numbers without texts.
--! collector statements
--! every 1min
--! scope instance
--! tier normal
--! cap 99999
--! sink statements
--! needs role pg_read_all_stats
--! needs extension pg_stat_statements 1.8

-- The function is called with showtext = false: with true it reads its file of texts, whatever columns are asked for.
-- The variants go by the extension's version, which may be older than the server: the first that has its columns runs.
--! query entries
--! column summary
--! column queryid
--! column userid
--! column dbid
--! column is_toplevel
--! column calls
--! column total_exec_time
--! column min_exec_time
--! column max_exec_time
--! column stddev_exec_time
--! column rows_processed
--! column shared_blks_hit
--! column shared_blks_read
--! column shared_blks_dirtied
--! column shared_blks_written
--! column local_blks_hit
--! column local_blks_read
--! column local_blks_dirtied
--! column local_blks_written
--! column temp_blks_read
--! column temp_blks_written
--! column blk_read_time
--! column blk_write_time
--! column temp_blk_time
--! column plans
--! column total_plan_time
--! column wal_records
--! column wal_fpi
--! column wal_bytes
--! column jit_functions
--! column jit_time
--! column stats_since_at
--! column minmax_since_at
--! excluded hidden

-- Extension 1.11 and newer.
--! version 15-
with entry as materialized (
    select * from :"pg_stat_statements".pg_stat_statements(false)
), summary as (
    select jsonb_build_object(
        'captured_at', clock_timestamp(),
        'server_started_at', pg_postmaster_start_time(),
        'identity', concat_ws(
            ' ', current_setting('server_version_num')::integer / 10000, (
                select extension.extversion from pg_extension as extension
                where extension.extname = 'pg_stat_statements')),
        'entries', (select count(*) from entry),
        'rows', (select count(*) from entry where entry.queryid is not null and entry.calls > 0),
        'hidden', (select count(*) from entry where entry.queryid is null),
        'max_entries', current_setting('pg_stat_statements.max', true)::bigint,
        'stats_reset_at', info.stats_reset,
        'dealloc', info.dealloc,
        'has_io_timing', current_setting('track_io_timing')::boolean,
        'users', (
            select jsonb_object_agg(role.oid, role.rolname) from pg_roles as role
            where role.oid in (select entry.userid from entry)),
        'databases', (
            select jsonb_object_agg(database.oid, database.datname) from pg_database as database
            where database.oid in (select entry.dbid from entry))) as summary
    from :"pg_stat_statements".pg_stat_statements_info as info
)
-- The summary comes first, in a row of its own.
select
    summary.summary,
    (summary.summary ->> 'hidden')::bigint as hidden,
    entry.queryid, entry.userid, entry.dbid,
    entry.toplevel as is_toplevel,
    entry.calls, entry.total_exec_time,
    entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
    entry.rows as rows_processed,
    entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied, entry.shared_blks_written,
    entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied, entry.local_blks_written,
    entry.temp_blks_read, entry.temp_blks_written,
    entry.plans, entry.total_plan_time, entry.wal_records, entry.wal_fpi,
    least(entry.wal_bytes, 9223372036854775807)::bigint as wal_bytes,
    entry.shared_blk_read_time + entry.local_blk_read_time as blk_read_time,
    entry.shared_blk_write_time + entry.local_blk_write_time as blk_write_time,
    entry.temp_blk_read_time + entry.temp_blk_write_time as temp_blk_time,
    entry.jit_functions,
    entry.jit_generation_time + entry.jit_inlining_time + entry.jit_optimization_time + entry.jit_emission_time
        + entry.jit_deform_time as jit_time,
    entry.stats_since as stats_since_at,
    entry.minmax_stats_since as minmax_since_at
from summary
full join (select * from entry where entry.queryid is not null and entry.calls > 0) as entry on false

-- Extension 1.10.
--! version 15-
with entry as materialized (
    select * from :"pg_stat_statements".pg_stat_statements(false)
), summary as (
    select jsonb_build_object(
        'captured_at', clock_timestamp(),
        'server_started_at', pg_postmaster_start_time(),
        'identity', concat_ws(
            ' ', current_setting('server_version_num')::integer / 10000, (
                select extension.extversion from pg_extension as extension
                where extension.extname = 'pg_stat_statements')),
        'entries', (select count(*) from entry),
        'rows', (select count(*) from entry where entry.queryid is not null and entry.calls > 0),
        'hidden', (select count(*) from entry where entry.queryid is null),
        'max_entries', current_setting('pg_stat_statements.max', true)::bigint,
        'stats_reset_at', info.stats_reset,
        'dealloc', info.dealloc,
        'has_io_timing', current_setting('track_io_timing')::boolean,
        'users', (
            select jsonb_object_agg(role.oid, role.rolname) from pg_roles as role
            where role.oid in (select entry.userid from entry)),
        'databases', (
            select jsonb_object_agg(database.oid, database.datname) from pg_database as database
            where database.oid in (select entry.dbid from entry))) as summary
    from :"pg_stat_statements".pg_stat_statements_info as info
)
-- The summary comes first, in a row of its own.
select
    summary.summary,
    (summary.summary ->> 'hidden')::bigint as hidden,
    entry.queryid, entry.userid, entry.dbid,
    entry.toplevel as is_toplevel,
    entry.calls, entry.total_exec_time,
    entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
    entry.rows as rows_processed,
    entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied, entry.shared_blks_written,
    entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied, entry.local_blks_written,
    entry.temp_blks_read, entry.temp_blks_written,
    entry.plans, entry.total_plan_time, entry.wal_records, entry.wal_fpi,
    least(entry.wal_bytes, 9223372036854775807)::bigint as wal_bytes,
    entry.blk_read_time,
    entry.blk_write_time,
    entry.temp_blk_read_time + entry.temp_blk_write_time as temp_blk_time,
    entry.jit_functions,
    entry.jit_generation_time + entry.jit_inlining_time + entry.jit_optimization_time + entry.jit_emission_time
        as jit_time
from summary
full join (select * from entry where entry.queryid is not null and entry.calls > 0) as entry on false

-- Extension 1.9.
--! version 15-
with entry as materialized (
    select * from :"pg_stat_statements".pg_stat_statements(false)
), summary as (
    select jsonb_build_object(
        'captured_at', clock_timestamp(),
        'server_started_at', pg_postmaster_start_time(),
        'identity', concat_ws(
            ' ', current_setting('server_version_num')::integer / 10000, (
                select extension.extversion from pg_extension as extension
                where extension.extname = 'pg_stat_statements')),
        'entries', (select count(*) from entry),
        'rows', (select count(*) from entry where entry.queryid is not null and entry.calls > 0),
        'hidden', (select count(*) from entry where entry.queryid is null),
        'max_entries', current_setting('pg_stat_statements.max', true)::bigint,
        'stats_reset_at', info.stats_reset,
        'dealloc', info.dealloc,
        'has_io_timing', current_setting('track_io_timing')::boolean,
        'users', (
            select jsonb_object_agg(role.oid, role.rolname) from pg_roles as role
            where role.oid in (select entry.userid from entry)),
        'databases', (
            select jsonb_object_agg(database.oid, database.datname) from pg_database as database
            where database.oid in (select entry.dbid from entry))) as summary
    from :"pg_stat_statements".pg_stat_statements_info as info
)
-- The summary comes first, in a row of its own.
select
    summary.summary,
    (summary.summary ->> 'hidden')::bigint as hidden,
    entry.queryid, entry.userid, entry.dbid,
    entry.toplevel as is_toplevel,
    entry.calls, entry.total_exec_time,
    entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
    entry.rows as rows_processed,
    entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied, entry.shared_blks_written,
    entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied, entry.local_blks_written,
    entry.temp_blks_read, entry.temp_blks_written,
    entry.plans, entry.total_plan_time, entry.wal_records, entry.wal_fpi,
    least(entry.wal_bytes, 9223372036854775807)::bigint as wal_bytes,
    entry.blk_read_time,
    entry.blk_write_time
from summary
full join (select * from entry where entry.queryid is not null and entry.calls > 0) as entry on false

-- Extension 1.8.
--! version 15-
with entry as materialized (
    -- Before 1.9 a statement that clients and functions run has two rows without a column that tells them apart.
    select
        s.userid, s.dbid, s.queryid, true as toplevel, sum(s.calls)::bigint as calls,
        sum(s.total_exec_time) as total_exec_time, min(s.min_exec_time) as min_exec_time,
        max(s.max_exec_time) as max_exec_time,
        sqrt(greatest(sum(s.calls * (s.stddev_exec_time ^ 2 + s.mean_exec_time ^ 2)) / nullif(sum(s.calls), 0)
            - (sum(s.total_exec_time) / nullif(sum(s.calls), 0)) ^ 2, 0)) as stddev_exec_time,
        sum(s.rows)::bigint as rows,
        sum(s.shared_blks_hit)::bigint as shared_blks_hit, sum(s.shared_blks_read)::bigint as shared_blks_read,
        sum(s.shared_blks_dirtied)::bigint as shared_blks_dirtied,
        sum(s.shared_blks_written)::bigint as shared_blks_written,
        sum(s.local_blks_hit)::bigint as local_blks_hit, sum(s.local_blks_read)::bigint as local_blks_read,
        sum(s.local_blks_dirtied)::bigint as local_blks_dirtied,
        sum(s.local_blks_written)::bigint as local_blks_written,
        sum(s.temp_blks_read)::bigint as temp_blks_read, sum(s.temp_blks_written)::bigint as temp_blks_written,
        sum(s.blk_read_time) as blk_read_time, sum(s.blk_write_time) as blk_write_time,
        sum(s.plans)::bigint as plans, sum(s.total_plan_time) as total_plan_time,
        sum(s.wal_records)::bigint as wal_records, sum(s.wal_fpi)::bigint as wal_fpi, sum(s.wal_bytes) as wal_bytes
    from :"pg_stat_statements".pg_stat_statements(false) as s
    group by s.userid, s.dbid, s.queryid
), summary as (
    select jsonb_build_object(
        'captured_at', clock_timestamp(),
        'server_started_at', pg_postmaster_start_time(),
        'identity', concat_ws(
            ' ', current_setting('server_version_num')::integer / 10000, (
                select extension.extversion from pg_extension as extension
                where extension.extname = 'pg_stat_statements')),
        'entries', (select count(*) from entry),
        'rows', (select count(*) from entry where entry.queryid is not null and entry.calls > 0),
        'hidden', (select count(*) from entry where entry.queryid is null),
        'max_entries', current_setting('pg_stat_statements.max', true)::bigint,
        'stats_reset_at', info.stats_reset,
        'dealloc', info.dealloc,
        'has_io_timing', current_setting('track_io_timing')::boolean,
        'users', (
            select jsonb_object_agg(role.oid, role.rolname) from pg_roles as role
            where role.oid in (select entry.userid from entry)),
        'databases', (
            select jsonb_object_agg(database.oid, database.datname) from pg_database as database
            where database.oid in (select entry.dbid from entry))) as summary
    from (values (null::timestamptz, null::bigint)) as info (stats_reset, dealloc)
)
-- The summary comes first, in a row of its own.
select
    summary.summary,
    (summary.summary ->> 'hidden')::bigint as hidden,
    entry.queryid, entry.userid, entry.dbid,
    entry.toplevel as is_toplevel,
    entry.calls, entry.total_exec_time,
    entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
    entry.rows as rows_processed,
    entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied, entry.shared_blks_written,
    entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied, entry.local_blks_written,
    entry.temp_blks_read, entry.temp_blks_written,
    entry.plans, entry.total_plan_time, entry.wal_records, entry.wal_fpi,
    least(entry.wal_bytes, 9223372036854775807)::bigint as wal_bytes,
    entry.blk_read_time,
    entry.blk_write_time
from summary
full join (select * from entry where entry.queryid is not null and entry.calls > 0) as entry on false
