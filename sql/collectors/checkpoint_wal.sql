-- checkpoint_wal.sql: checkpoints, background writing, WAL written and kept, archiving.
--! collector checkpoint_wal
--! every 30s
--! scope instance
--! tier normal
--! cap 10
--! needs role pg_monitor

--! query bgwriter
--! metric checkpoints_timed pg_stat_bgwriter_checkpoints_timed_total counter checkpoints
--!     Checkpoints that were due by time.
--! metric checkpoints_req pg_stat_bgwriter_checkpoints_req_total counter checkpoints
--!     Checkpoints that were requested, by WAL volume or by command.
--! metric checkpoint_write_time pg_stat_bgwriter_checkpoint_write_time_total counter milliseconds
--!     Time checkpoints spent writing, in milliseconds, as the view has it.
--! metric checkpoint_sync_time pg_stat_bgwriter_checkpoint_sync_time_total counter milliseconds
--!     Time checkpoints spent syncing, in milliseconds, as the view has it.
--! metric buffers_checkpoint pg_stat_bgwriter_buffers_checkpoint_total counter buffers Buffers written by checkpoints.
--! metric buffers_backend pg_stat_bgwriter_buffers_backend_total counter buffers
--!     Buffers written by backends themselves.
--! metric buffers_backend_fsync pg_stat_bgwriter_buffers_backend_fsync_total counter calls
--!     Times that a backend had to sync a file itself.
--! metric buffers_clean pg_stat_bgwriter_buffers_clean_total counter buffers Buffers written by the background writer.
--! metric maxwritten_clean pg_stat_bgwriter_maxwritten_clean_total counter stops
--!     Times that the background writer stopped at its limit.
--! metric buffers_alloc pg_stat_bgwriter_buffers_alloc_total counter buffers Buffers allocated.
--! metric stats_reset pg_stat_bgwriter_stats_reset_total counter seconds
--!     Time at which these statistics were last reset, as Unix time.
--! version 15-16
select
    stat.checkpoints_timed,
    stat.checkpoints_req,
    stat.checkpoint_write_time,
    stat.checkpoint_sync_time,
    stat.buffers_checkpoint,
    stat.buffers_backend,
    stat.buffers_backend_fsync,
    stat.buffers_clean,
    stat.maxwritten_clean,
    stat.buffers_alloc,
    extract(epoch from stat.stats_reset) as stats_reset
from pg_stat_bgwriter as stat
--! version 17-
select
    stat.buffers_clean,
    stat.maxwritten_clean,
    stat.buffers_alloc,
    extract(epoch from stat.stats_reset) as stats_reset
from pg_stat_bgwriter as stat

--! query checkpointer
--! metric num_timed pg_stat_checkpointer_num_timed_total counter checkpoints Checkpoints that were due by time.
--! metric num_requested pg_stat_checkpointer_num_requested_total counter checkpoints Checkpoints that were requested.
--! metric num_done pg_stat_checkpointer_num_done_total counter checkpoints Checkpoints performed.
--! metric restartpoints_timed pg_stat_checkpointer_restartpoints_timed_total counter restartpoints
--!     Restartpoints that were due by time.
--! metric restartpoints_req pg_stat_checkpointer_restartpoints_req_total counter restartpoints
--!     Restartpoints that were requested.
--! metric restartpoints_done pg_stat_checkpointer_restartpoints_done_total counter restartpoints
--!     Restartpoints performed.
--! metric write_time pg_stat_checkpointer_write_time_total counter milliseconds
--!     Time spent writing, in milliseconds, as the view has it.
--! metric sync_time pg_stat_checkpointer_sync_time_total counter milliseconds
--!     Time spent syncing, in milliseconds, as the view has it.
--! metric buffers_written pg_stat_checkpointer_buffers_written_total counter buffers
--!     Buffers written by checkpoints and restartpoints.
--! metric slru_written pg_stat_checkpointer_slru_written_total counter buffers SLRU buffers written by them.
--! metric stats_reset pg_stat_checkpointer_stats_reset_total counter seconds
--!     Time at which these statistics were last reset, as Unix time.
--! version 17-
select
    stat.num_timed,
    stat.num_requested,
    stat.num_done, --! 18-
    stat.slru_written, --! 18-
    stat.restartpoints_timed,
    stat.restartpoints_req,
    stat.restartpoints_done,
    stat.write_time,
    stat.sync_time,
    stat.buffers_written,
    extract(epoch from stat.stats_reset) as stats_reset
from pg_stat_checkpointer as stat

--! query checkpoints
--! metric checkpoints pg_checkpoints_total counter checkpoints Checkpoints, due by time or requested, of any version.
--! metric requested pg_checkpoints_requested_total counter checkpoints
--!     Checkpoints requested: by WAL that filled max_wal_size, by a backup, by hand.
--! version 15-16
select stat.checkpoints_timed + stat.checkpoints_req as checkpoints, stat.checkpoints_req as requested
from pg_stat_bgwriter as stat
--! version 17-
select stat.num_timed + stat.num_requested as checkpoints, stat.num_requested as requested
from pg_stat_checkpointer as stat

--! query wal
--! metric records pg_stat_wal_records_total counter records WAL records generated.
--! metric fpi pg_stat_wal_fpi_total counter pages Full page images generated.
--! metric fpi_bytes pg_stat_wal_fpi_bytes_total counter bytes Bytes of full page images generated.
--! metric bytes pg_stat_wal_bytes_total counter bytes Bytes of WAL generated.
--! metric buffers_full pg_stat_wal_buffers_full_total counter writes
--!     Times that WAL was written because its buffers were full.
--! metric writes pg_stat_wal_write_total counter writes Writes of WAL.
--! metric syncs pg_stat_wal_sync_total counter syncs Syncs of WAL files.
--! metric write_seconds pg_stat_wal_write_seconds_total counter seconds
--!     Time spent writing WAL; grows only with track_wal_io_timing.
--! metric sync_seconds pg_stat_wal_sync_seconds_total counter seconds
--!     Time spent syncing WAL; grows only with track_wal_io_timing.
--! version 15-17
select
    stat.wal_records as records,
    stat.wal_fpi as fpi,
    stat.wal_bytes as bytes,
    stat.wal_buffers_full as buffers_full,
    stat.wal_write as writes,
    stat.wal_sync as syncs,
    stat.wal_write_time / 1000 as write_seconds,
    stat.wal_sync_time / 1000 as sync_seconds
from pg_stat_wal as stat
--! version 18-
select
    stat.wal_records as records,
    stat.wal_fpi as fpi,
    stat.wal_fpi_bytes as fpi_bytes, --! 19-
    stat.wal_bytes as bytes,
    stat.wal_buffers_full as buffers_full,
    file.writes,
    file.syncs,
    file.write_seconds,
    file.sync_seconds
from pg_stat_wal as stat
cross join (
    select
        sum(io.writes) as writes,
        sum(io.fsyncs) as syncs,
        sum(io.write_time) / 1000 as write_seconds,
        sum(io.fsync_time) / 1000 as sync_seconds
    from pg_stat_io as io
    where io.object = 'wal'
) as file

--! query files
--! metric segments pg_wal_segments gauge files WAL segments in pg_wal.
--! metric size pg_wal_size_bytes gauge bytes Their total size.
--! metric location pg_xlog_location_bytes gauge bytes WAL position: written here, or replayed on a standby.
--! version 15-
select
    count(*) as segments,
    sum(file.size) as size,
    pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0') as location
from pg_ls_waldir() as file
where file.name ~ '^[0-9A-F]{24}$'

--! query archiver
--! metric archived_count pg_stat_archiver_archived_count counter files WAL files archived.
--! metric failed_count pg_stat_archiver_failed_count counter files Failed attempts to archive.
--! metric last_archive_age pg_stat_archiver_last_archive_age gauge seconds Time since a WAL file was last archived.
--! metric last_failed_at pg_stat_archiver_last_failed_timestamp_seconds gauge seconds
--!     Time of the last failed attempt, as Unix time.
--! metric is_failing pg_archiver_is_failing gauge boolean
--!     Whether the last attempt to archive failed; no value without archiving.
--! metric ready_files pg_archive_ready_files gauge files WAL files that wait to be archived.
--! version 15-
select
    stat.archived_count,
    stat.failed_count,
    extract(epoch from clock_timestamp() - stat.last_archived_time) as last_archive_age,
    extract(epoch from stat.last_failed_time) as last_failed_at,
    case
        when current_setting('archive_mode') <> 'off'
            then coalesce(stat.last_failed_time > coalesce(stat.last_archived_time, '-infinity'), false)::integer
    end as is_failing,
    (
        select count(*)
        from pg_ls_archive_statusdir() as file
        where file.name like '%.ready'
    ) as ready_files
from pg_stat_archiver as stat
