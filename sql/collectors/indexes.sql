-- indexes.sql: how each index of this database is used, which ones are invalid, which ones double another.
--! collector indexes
--! every 15min
--! scope database
--! tier slow
--! cap 1000
--! needs role pg_monitor
--! needs setting track_counts on

-- Nothing here waits for a lock: statistics are read by function, sizes are relpages as vacuum and analyze last saw
-- them. An index that is locked exclusively is left out, as a gap. Beyond the cap, the indexes that ever did least are
-- summed up in one row named other. pgvigil's own partitions are left out and counted.
--! query indexes
--! label datname
--! label schemaname
--! label relname
--! label indexrelname
--! metric idx_scan pg_stat_user_indexes_idx_scan_total counter scans Scans of the index.
--! metric idx_tup_read pg_stat_user_indexes_idx_tup_read_total counter entries Entries that scans gave.
--! metric idx_tup_fetch pg_stat_user_indexes_idx_tup_fetch_total counter rows
--!     Live rows fetched by plain scans of the index.
--! metric last_idx_scan pg_stat_user_indexes_last_idx_scan gauge seconds
--!     Last scan, as Unix time; no value when never.
--! metric idx_blks_read pg_statio_user_indexes_idx_blks_read_total counter blocks
--!     Blocks of the index read from outside of shared buffers.
--! metric idx_blks_hit pg_statio_user_indexes_idx_blks_hit_total counter blocks
--!     Blocks of the index found in shared buffers.
--! metric size pg_index_size_bytes gauge bytes
--!     Size as of the last vacuum, analyze or creation of the index.
--! folded folded
--! gap gap
--! version 15-
with locked as materialized (
    select lock.relation, bool_or(lock.granted) as is_granted
    from pg_locks as lock
    where lock.locktype = 'relation' and lock.mode = 'AccessExclusiveLock'
        and lock.database = (select here.oid from pg_database as here where here.datname = current_database())
    group by lock.relation
), measured as materialized (
    select
        index.indexrelid,
        namespace.nspname,
        owner.relname,
        class.relname as indexrelname,
        coalesce(own_lock.is_granted, owner_lock.is_granted) as is_granted,
        pg_stat_get_numscans(index.indexrelid) as idx_scan,
        pg_stat_get_tuples_returned(index.indexrelid) as idx_tup_read,
        pg_stat_get_tuples_fetched(index.indexrelid) as idx_tup_fetch,
        pg_stat_get_lastscan(index.indexrelid) as last_idx_scan, --! 16-
        pg_stat_get_blocks_fetched(index.indexrelid) as blocks_fetched,
        pg_stat_get_blocks_hit(index.indexrelid) as blocks_hit,
        class.relpages
    from pg_index as index
    inner join pg_class as class on class.oid = index.indexrelid and class.relkind = 'i'
    inner join pg_class as owner on owner.oid = index.indrelid and owner.relkind in ('r', 'm')
    inner join pg_namespace as namespace on namespace.oid = owner.relnamespace
    left join locked as own_lock on own_lock.relation = index.indexrelid
    left join locked as owner_lock on owner_lock.relation = index.indrelid
    where class.relpersistence <> 't'
        and namespace.nspname <> all (array[
            'pg_catalog', 'information_schema', 'pg_toast', 'monitoring_partitions'])
), ranked as materialized (
    select
        measured.*,
        measured.is_granted is null and row_number() over (
            partition by measured.is_granted is null
            order by measured.blocks_fetched desc, measured.idx_scan desc, measured.indexrelid) > :cap as is_rest
    from measured
)
-- An index' own group has one row, so that sum and max are its value; the rest is one group.
select
    current_database() as datname,
    min(ranked.nspname) filter (where not ranked.is_rest) as schemaname,
    coalesce(min(ranked.relname) filter (where not ranked.is_rest), 'other') as relname,
    coalesce(min(ranked.indexrelname) filter (where not ranked.is_rest), 'other') as indexrelname,
    sum(ranked.idx_scan) as idx_scan,
    sum(ranked.idx_tup_read) as idx_tup_read,
    sum(ranked.idx_tup_fetch) as idx_tup_fetch,
    extract(epoch from max(ranked.last_idx_scan) filter (where not ranked.is_rest)) as last_idx_scan, --! 16-
    sum(ranked.blocks_fetched - ranked.blocks_hit) as idx_blks_read,
    sum(ranked.blocks_hit) as idx_blks_hit,
    sum(ranked.relpages) * current_setting('block_size')::bigint as size,
    count(*) filter (where ranked.is_rest) as folded,
    case
        when bool_or(ranked.is_granted) then 'an access exclusive lock is held on it'
        when bool_or(not ranked.is_granted) then 'an access exclusive lock on it is awaited'
    end as gap
from ranked
group by case when ranked.is_rest then 0::oid else ranked.indexrelid end
order by bool_or(ranked.is_granted) is not null, bool_or(ranked.is_rest)

-- What CREATE INDEX CONCURRENTLY or REINDEX left behind when it failed. An index of a table on which one is being
-- built now is not counted, for it is not valid until that ends.
--! query invalid
--! label datname
--! label schemaname
--! label relname
--! label indexrelname
--! metric is_invalid pg_index_invalid gauge boolean
--!     The index is invalid: queries do not use it, yet every change of the table still pays for it.
--! version 15-
select
    current_database() as datname,
    namespace.nspname as schemaname,
    owner.relname,
    class.relname as indexrelname,
    1 as is_invalid
from pg_index as index
inner join pg_class as class on class.oid = index.indexrelid and class.relkind = 'i' and class.relpersistence <> 't'
inner join pg_class as owner on owner.oid = index.indrelid
inner join pg_namespace as namespace on namespace.oid = class.relnamespace
where not (index.indisvalid and index.indisready and index.indislive)
    and not exists (
        select 1
        from pg_stat_progress_create_index as building
        where building.datname = current_database() and building.relid = index.indrelid)
order by namespace.nspname, owner.relname, class.relname

--! query counts
--! label datname
--! metric indexes pg_user_indexes gauge indexes Indexes of user tables.
--! metric invalid pg_invalid_indexes gauge indexes
--!     Invalid indexes; those of tables on which an index is being built now are not counted.
--! metric duplicates pg_duplicate_indexes gauge indexes
--!     Indexes beyond the first of those that are alike in table, columns, order, expressions and condition.
--! excluded excluded
--! version 15-
with index as materialized (
    select
        entry.indrelid, entry.indkey, entry.indclass, entry.indcollation, entry.indoption, entry.indexprs,
        entry.indpred, entry.indnkeyatts, class.relam,
        namespace.nspname = 'monitoring_partitions' as is_own,
        not (entry.indisvalid and entry.indisready and entry.indislive) and not exists (
            select 1
            from pg_stat_progress_create_index as building
            where building.datname = current_database() and building.relid = entry.indrelid) as is_invalid
    from pg_index as entry
    inner join pg_class as class on class.oid = entry.indexrelid and class.relkind = 'i'
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where class.relpersistence <> 't'
        and namespace.nspname <> all (array['pg_catalog', 'information_schema', 'pg_toast'])
)
select
    current_database() as datname,
    count(*) filter (where not index.is_own) as indexes,
    count(*) filter (where index.is_invalid) as invalid,
    count(*) filter (where index.is_own) as excluded,
    (
        select coalesce(sum(alike.indexes - 1), 0)
        from (
            select count(*) as indexes
            from index
            group by
                index.indrelid, index.relam, index.indkey::text, index.indnkeyatts, index.indclass::text,
                index.indcollation::text, index.indoption::text, index.indexprs::text, index.indpred::text
            having count(*) > 1
        ) as alike
    ) as duplicates
from index
