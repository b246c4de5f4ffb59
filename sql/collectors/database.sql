-- database.sql: what each database did: transactions, blocks, rows, temporary files, deadlocks, sessions, conflicts.
--! collector database
--! every 30s
--! scope instance
--! tier normal
--! cap 1000

-- The row with datid 0 stands for the shared catalogues: of it only checksum failures are of use.
--! query databases
--! label datid
--! label datname
--! metric numbackends pg_stat_database_numbackends gauge sessions
--!     Sessions connected to this database, own ones included.
--! metric xact_commit pg_stat_database_xact_commit counter transactions Transactions committed.
--! metric xact_rollback pg_stat_database_xact_rollback counter transactions Transactions rolled back.
--! metric blks_read pg_stat_database_blks_read counter blocks Blocks read from outside of shared buffers.
--! metric blks_hit pg_stat_database_blks_hit counter blocks Blocks found in shared buffers.
--! metric tup_returned pg_stat_database_tup_returned counter rows
--!     Rows read by scans of tables and index entries by scans of indexes.
--! metric tup_fetched pg_stat_database_tup_fetched counter rows Rows fetched by index scans.
--! metric tup_inserted pg_stat_database_tup_inserted counter rows Rows inserted.
--! metric tup_updated pg_stat_database_tup_updated counter rows Rows updated.
--! metric tup_deleted pg_stat_database_tup_deleted counter rows Rows deleted.
--! metric conflicts pg_stat_database_conflicts counter queries Queries cancelled by conflicts with recovery.
--! metric temp_files pg_stat_database_temp_files counter files Temporary files created.
--! metric temp_bytes pg_stat_database_temp_bytes counter bytes Bytes written to temporary files.
--! metric deadlocks pg_stat_database_deadlocks counter deadlocks Deadlocks detected.
--! metric blk_read_time pg_stat_database_blk_read_time counter milliseconds
--!     Time spent reading blocks, in milliseconds, as the view has it.
--! metric blk_write_time pg_stat_database_blk_write_time counter milliseconds
--!     Time spent writing blocks, in milliseconds, as the view has it.
--! metric stats_reset pg_stat_database_stats_reset counter seconds
--!     Time at which these statistics were last reset, as Unix time.
--! metric active_time pg_stat_database_active_time_seconds_total counter seconds Time spent executing statements.
--! metric session_time pg_stat_database_session_time_seconds_total counter seconds Time that sessions were connected.
--! metric idle_in_transaction_time pg_stat_database_idle_in_transaction_time_seconds_total counter seconds
--!     Time that sessions sat idle in a transaction.
--! metric sessions pg_stat_database_sessions_total counter sessions Sessions established.
--! metric sessions_abandoned pg_stat_database_sessions_abandoned_total counter sessions
--!     Sessions ended because the client was lost.
--! metric sessions_fatal pg_stat_database_sessions_fatal_total counter sessions Sessions ended by a fatal error.
--! metric sessions_killed pg_stat_database_sessions_killed_total counter sessions Sessions ended by an operator.
--! metric checksum_failures pg_stat_database_checksum_failures_total counter pages
--!     Pages whose checksum was wrong; no value while checksums are off.
--! metric checksum_last_failure pg_stat_database_checksum_last_failure_timestamp_seconds gauge seconds
--!     Time of the last wrong checksum, as Unix time.
--! metric parallel_workers_to_launch pg_stat_database_parallel_workers_to_launch_total counter workers
--!     Parallel workers planned.
--! metric parallel_workers_launched pg_stat_database_parallel_workers_launched_total counter workers
--!     Parallel workers started.
--! metric confl_tablespace pg_stat_database_conflicts_confl_tablespace counter queries
--!     Queries cancelled on a standby because of dropped tablespaces.
--! metric confl_lock pg_stat_database_conflicts_confl_lock counter queries
--!     Queries cancelled on a standby because of locks.
--! metric confl_snapshot pg_stat_database_conflicts_confl_snapshot counter queries
--!     Queries cancelled on a standby because of old snapshots.
--! metric confl_bufferpin pg_stat_database_conflicts_confl_bufferpin counter queries
--!     Queries cancelled on a standby because of pinned buffers.
--! metric confl_deadlock pg_stat_database_conflicts_confl_deadlock counter queries
--!     Queries cancelled on a standby because of deadlocks.
--! metric confl_active_logicalslot pg_stat_database_conflicts_confl_active_logicalslot counter queries
--!     Uses of logical slots ended on a standby because their rows were removed.
--! version 15-
select
    stat.datid,
    stat.datname,
    own.numbackends,
    own.xact_commit,
    own.xact_rollback,
    own.blks_read,
    own.blks_hit,
    own.tup_returned,
    own.tup_fetched,
    own.tup_inserted,
    own.tup_updated,
    own.tup_deleted,
    own.conflicts,
    own.temp_files,
    own.temp_bytes,
    own.deadlocks,
    own.blk_read_time,
    own.blk_write_time,
    extract(epoch from own.stats_reset) as stats_reset,
    own.active_time / 1000 as active_time,
    own.session_time / 1000 as session_time,
    own.idle_in_transaction_time / 1000 as idle_in_transaction_time,
    own.sessions,
    own.sessions_abandoned,
    own.sessions_fatal,
    own.sessions_killed,
    own.parallel_workers_to_launch, --! 18-
    own.parallel_workers_launched, --! 18-
    stat.checksum_failures,
    extract(epoch from stat.checksum_last_failure) as checksum_last_failure,
    conflict.confl_tablespace,
    conflict.confl_lock,
    conflict.confl_snapshot,
    conflict.confl_bufferpin,
    conflict.confl_active_logicalslot, --! 16-
    conflict.confl_deadlock
from pg_stat_database as stat
left join pg_stat_database as own on own.datid = stat.datid and own.datid <> 0
left join pg_stat_database_conflicts as conflict on conflict.datid = stat.datid
order by stat.datid

--! query conflicts
--! label datname
--! label type
--! metric conflicts pg_stat_database_conflicts_total counter queries
--!     Queries cancelled by conflicts with recovery, by what they conflicted about.
--! version 15-
select stat.datname, conflict.type, conflict.conflicts
from pg_stat_database_conflicts as stat
cross join lateral (
    values
        ('active_logicalslot', stat.confl_active_logicalslot), --! 16-
        ('tablespace', stat.confl_tablespace),
        ('lock', stat.confl_lock),
        ('snapshot', stat.confl_snapshot),
        ('bufferpin', stat.confl_bufferpin),
        ('deadlock', stat.confl_deadlock)
) as conflict (type, conflicts)
where pg_is_in_recovery() or conflict.conflicts > 0
