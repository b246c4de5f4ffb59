-- progress.sql: how far vacuums, analyzes, index builds, rewrites, base backups and copies are, while they run.
--! collector progress
--! every 15s
--! scope instance
--! tier fast
--! cap 200
--! stale 40s
--! needs role pg_monitor

-- Tables of other databases go by their number, as the catalogue of this one does not name them. What runs in parallel
-- on one table is told apart by its process; of vacuums there is one a table, under the labels that dashboards know.
--! query phases
--! label datname
--! label relname
--! label pid
--! label phase
--! metric in_vacuum pg_stat_progress_vacuum_phase gauge boolean The phase a vacuum is in.
--! metric in_analyze pg_stat_progress_analyze_phase gauge boolean The phase an analyze is in.
--! metric in_create_index pg_stat_progress_create_index_phase gauge boolean The phase an index build is in.
--! metric in_cluster pg_stat_progress_cluster_phase gauge boolean The phase a CLUSTER or VACUUM FULL is in.
--! metric in_basebackup pg_stat_progress_basebackup_phase gauge boolean The phase a base backup is in.
--! version 15-
select
    work.datname,
    coalesce(class.relname, work.relid::text) as relname,
    case when work.kind <> 'vacuum' then work.pid end as pid,
    work.phase,
    case when work.kind = 'vacuum' then 1 end as in_vacuum,
    case when work.kind = 'analyze' then 1 end as in_analyze,
    case when work.kind = 'create_index' then 1 end as in_create_index,
    case when work.kind = 'cluster' then 1 end as in_cluster,
    case when work.kind = 'basebackup' then 1 end as in_basebackup
from (
    select 'vacuum' as kind, datname, relid, pid, phase from pg_stat_progress_vacuum
    union all
    select 'analyze', datname, relid, pid, phase from pg_stat_progress_analyze
    union all
    select 'create_index', datname, relid, pid, phase from pg_stat_progress_create_index
    union all
    select 'cluster', datname, relid, pid, phase from pg_stat_progress_cluster
    union all
    select 'basebackup', null, null, pid, phase from pg_stat_progress_basebackup
) as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()
where work.phase is not null

--! query vacuum
--! label datname
--! label relname
--! metric heap_blks pg_stat_progress_vacuum_heap_blks gauge blocks Blocks of the table being vacuumed.
--! metric heap_blks_scanned pg_stat_progress_vacuum_heap_blks_scanned gauge blocks Blocks scanned so far.
--! metric heap_blks_vacuumed pg_stat_progress_vacuum_heap_blks_vacuumed gauge blocks Blocks vacuumed so far.
--! metric index_vacuums pg_stat_progress_vacuum_index_vacuums gauge cycles Index vacuum cycles completed.
--! metric max_dead_tuples pg_stat_progress_vacuum_max_dead_tuples gauge rows
--!     Dead rows that fit before the indexes have to be vacuumed; up to version 16.
--! metric num_dead_tuples pg_stat_progress_vacuum_num_dead_tuples gauge rows
--!     Dead rows gathered since the last index vacuum cycle; up to version 16.
--! metric max_dead_tuple_bytes pg_stat_progress_vacuum_max_dead_tuple_bytes gauge bytes
--!     Memory for dead rows before the indexes have to be vacuumed; from version 17.
--! metric dead_tuple_bytes pg_stat_progress_vacuum_dead_tuple_bytes gauge bytes
--!     Memory that dead rows take since the last index vacuum cycle; from version 17.
--! metric num_dead_item_ids pg_stat_progress_vacuum_num_dead_item_ids gauge rows
--!     Dead rows gathered since the last index vacuum cycle; from version 17.
--! metric indexes pg_stat_progress_vacuum_indexes gauge indexes
--!     Indexes that this cycle vacuums; from version 17.
--! metric indexes_processed pg_stat_progress_vacuum_indexes_processed gauge indexes
--!     Indexes of this cycle that are done; from version 17.
--! metric done pg_stat_progress_vacuum_done_ratio gauge ratio Share of the table's blocks that were scanned.
--! version 15-
select
    work.datname,
    coalesce(class.relname, work.relid::text) as relname,
    work.heap_blks_total as heap_blks,
    work.heap_blks_scanned,
    work.heap_blks_vacuumed,
    work.index_vacuum_count as index_vacuums,
    work.max_dead_tuples, --! 15-16
    work.num_dead_tuples, --! 15-16
    work.max_dead_tuple_bytes, --! 17-
    work.dead_tuple_bytes, --! 17-
    work.num_dead_item_ids, --! 17-
    work.indexes_total as indexes, --! 17-
    work.indexes_processed, --! 17-
    work.heap_blks_scanned::double precision / nullif(work.heap_blks_total, 0) as done
from pg_stat_progress_vacuum as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()

--! query analyze
--! label datname
--! label relname
--! label pid
--! metric sample_blks pg_stat_progress_analyze_sample_blks gauge blocks Blocks to be sampled.
--! metric sample_blks_scanned pg_stat_progress_analyze_sample_blks_scanned gauge blocks Blocks sampled so far.
--! metric done pg_stat_progress_analyze_done_ratio gauge ratio Share of these blocks that were sampled.
--! version 15-
select
    work.datname,
    coalesce(class.relname, work.relid::text) as relname,
    work.pid,
    work.sample_blks_total as sample_blks,
    work.sample_blks_scanned,
    work.sample_blks_scanned::double precision / nullif(work.sample_blks_total, 0) as done
from pg_stat_progress_analyze as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()

--! query create_index
--! label datname
--! label relname
--! label pid
--! label command
--! metric lockers pg_stat_progress_create_index_lockers gauge sessions
--!     Sessions that the build has to wait for in this phase.
--! metric lockers_done pg_stat_progress_create_index_lockers_done gauge sessions Of these, those waited for already.
--! metric blks pg_stat_progress_create_index_blks gauge blocks Blocks to be read in this phase.
--! metric blks_done pg_stat_progress_create_index_blks_done gauge blocks Blocks read in this phase.
--! metric tuples pg_stat_progress_create_index_tuples gauge rows Rows to be handled in this phase.
--! metric tuples_done pg_stat_progress_create_index_tuples_done gauge rows Rows handled in this phase.
--! metric done pg_stat_progress_create_index_done_ratio gauge ratio Share of the present phase that is done.
--! version 15-
select
    work.datname,
    coalesce(class.relname, work.relid::text) as relname,
    work.pid,
    lower(work.command) as command,
    work.lockers_total as lockers,
    work.lockers_done,
    work.blocks_total as blks,
    work.blocks_done as blks_done,
    work.tuples_total as tuples,
    work.tuples_done,
    coalesce(
        work.tuples_done::double precision / nullif(work.tuples_total, 0),
        work.blocks_done::double precision / nullif(work.blocks_total, 0),
        work.lockers_done::double precision / nullif(work.lockers_total, 0)) as done
from pg_stat_progress_create_index as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()

--! query cluster
--! label datname
--! label relname
--! label pid
--! label command
--! metric heap_tuples_scanned pg_stat_progress_cluster_heap_tuples_scanned gauge rows Rows read so far.
--! metric heap_tuples_written pg_stat_progress_cluster_heap_tuples_written gauge rows Rows written so far.
--! metric heap_blks pg_stat_progress_cluster_heap_blks gauge blocks Blocks of the table being rewritten.
--! metric heap_blks_scanned pg_stat_progress_cluster_heap_blks_scanned gauge blocks Blocks read so far.
--! metric index_rebuilds pg_stat_progress_cluster_index_rebuilds gauge indexes Indexes rebuilt.
--! metric done pg_stat_progress_cluster_done_ratio gauge ratio Share of the table's blocks that were read.
--! version 15-
select
    work.datname,
    coalesce(class.relname, work.relid::text) as relname,
    work.pid,
    lower(work.command) as command,
    work.heap_tuples_scanned,
    work.heap_tuples_written,
    work.heap_blks_total as heap_blks,
    work.heap_blks_scanned,
    work.index_rebuild_count as index_rebuilds,
    work.heap_blks_scanned::double precision / nullif(work.heap_blks_total, 0) as done
from pg_stat_progress_cluster as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()

--! query basebackup
--! label pid
--! metric backup pg_stat_progress_basebackup_backup_bytes gauge bytes
--!     Bytes to be streamed; no value until they are known.
--! metric streamed pg_stat_progress_basebackup_streamed_bytes gauge bytes Bytes streamed so far.
--! metric tablespaces pg_stat_progress_basebackup_tablespaces gauge tablespaces Tablespaces to be streamed.
--! metric tablespaces_streamed pg_stat_progress_basebackup_tablespaces_streamed gauge tablespaces
--!     Tablespaces streamed so far.
--! metric done pg_stat_progress_basebackup_done_ratio gauge ratio Share of the bytes that were streamed.
--! version 15-
select
    work.pid,
    work.backup_total as backup,
    work.backup_streamed as streamed,
    work.tablespaces_total as tablespaces,
    work.tablespaces_streamed,
    work.backup_streamed::double precision / nullif(work.backup_total, 0) as done
from pg_stat_progress_basebackup as work

--! query copy
--! label datname
--! label relname
--! label pid
--! label command
--! label type
--! metric bytes_processed pg_stat_progress_copy_processed_bytes gauge bytes Bytes copied so far.
--! metric bytes pg_stat_progress_copy_bytes gauge bytes Size of the file; no value when it is not known.
--! metric tuples_processed pg_stat_progress_copy_tuples_processed gauge rows Rows copied so far.
--! metric tuples_excluded pg_stat_progress_copy_tuples_excluded gauge rows Rows that the WHERE clause left out.
--! metric tuples_skipped pg_stat_progress_copy_tuples_skipped gauge rows
--!     Rows left out because they were malformed; from version 17.
--! metric done pg_stat_progress_copy_done_ratio gauge ratio Share of the file that was copied.
--! version 15-
select
    work.datname,
    coalesce(class.relname, nullif(work.relid, 0)::text) as relname,
    work.pid,
    lower(work.command) as command,
    lower(work.type) as type,
    work.bytes_processed,
    nullif(work.bytes_total, 0) as bytes,
    work.tuples_processed,
    work.tuples_excluded,
    work.tuples_skipped, --! 17-
    work.bytes_processed::double precision / nullif(work.bytes_total, 0) as done
from pg_stat_progress_copy as work
left join pg_class as class on class.oid = work.relid and work.datname = current_database()
