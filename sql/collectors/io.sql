-- io.sql: reads, writes and their times by kind of backend, object and context, as pg_stat_io has them.
--! collector io
--! every 30s
--! scope instance
--! tier normal
--! cap 300

-- A null in the view says that such a thing cannot happen there: it is no sample. Combinations in which nothing ever
-- happened are left out whole.
--! query io
--! label backend_type
--! label object
--! label context
--! metric reads pg_stat_io_reads_total counter operations Read operations.
--! metric read_bytes pg_stat_io_read_bytes_total counter bytes Bytes read.
--! metric read_seconds pg_stat_io_read_seconds_total counter seconds
--!     Time spent reading; no value while track_io_timing is off.
--! metric writes pg_stat_io_writes_total counter operations Write operations.
--! metric write_bytes pg_stat_io_write_bytes_total counter bytes Bytes written.
--! metric write_seconds pg_stat_io_write_seconds_total counter seconds
--!     Time spent writing; no value while track_io_timing is off.
--! metric writebacks pg_stat_io_writebacks_total counter operations
--!     Requests to the kernel to write out.
--! metric writeback_seconds pg_stat_io_writeback_seconds_total counter seconds
--!     Time spent on these requests; no value while track_io_timing is off.
--! metric extends pg_stat_io_extends_total counter operations Extensions of relations.
--! metric extend_bytes pg_stat_io_extend_bytes_total counter bytes Bytes by which relations were extended.
--! metric extend_seconds pg_stat_io_extend_seconds_total counter seconds
--!     Time spent extending; no value while track_io_timing is off.
--! metric hits pg_stat_io_hits_total counter blocks Blocks found in buffers.
--! metric evictions pg_stat_io_evictions_total counter blocks Blocks pushed out of buffers to make room.
--! metric reuses pg_stat_io_reuses_total counter blocks Buffers reused within a ring of their own.
--! metric fsyncs pg_stat_io_fsyncs_total counter operations Calls of fsync.
--! metric fsync_seconds pg_stat_io_fsync_seconds_total counter seconds
--!     Time spent in fsync; no value while track_io_timing is off.
--! version 16-
select
    stat.backend_type,
    stat.object,
    stat.context,
    stat.reads,
    stat.writes,
    stat.writebacks,
    stat.extends,
    stat.hits,
    stat.evictions,
    stat.reuses,
    stat.fsyncs,
    stat.reads * stat.op_bytes as read_bytes, --! 16-17
    stat.writes * stat.op_bytes as write_bytes, --! 16-17
    stat.extends * stat.op_bytes as extend_bytes, --! 16-17
    stat.read_bytes, --! 18-
    stat.write_bytes, --! 18-
    stat.extend_bytes, --! 18-
    case when timing.is_on or stat.read_time > 0 then stat.read_time / 1000 end as read_seconds,
    case when timing.is_on or stat.write_time > 0 then stat.write_time / 1000 end as write_seconds,
    case when timing.is_on or stat.writeback_time > 0 then stat.writeback_time / 1000 end as writeback_seconds,
    case when timing.is_on or stat.extend_time > 0 then stat.extend_time / 1000 end as extend_seconds,
    case when timing.is_on or stat.fsync_time > 0 then stat.fsync_time / 1000 end as fsync_seconds
from pg_stat_io as stat
cross join (select current_setting('track_io_timing')::boolean as is_on) as timing
where coalesce(stat.reads, 0) + coalesce(stat.writes, 0) + coalesce(stat.writebacks, 0) + coalesce(stat.extends, 0)
    + coalesce(stat.hits, 0) + coalesce(stat.evictions, 0) + coalesce(stat.reuses, 0) + coalesce(stat.fsyncs, 0) > 0
order by stat.backend_type, stat.object, stat.context
