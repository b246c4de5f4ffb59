-- tables.sql: what is done to each table of this database, its rows, its vacuums, its blocks and its size.
--! collector tables
--! every 5min
--! scope database
--! tier slow
--! cap 500
--! needs setting track_counts on

-- Statistics are read by function from pg_class: half the cost of the views, and nothing here waits for a lock on a
-- table, nor do sizes, which are relpages as vacuum and analyze last saw them. A table that is locked exclusively, or
-- that somebody waits to lock so, is being changed: it is left out, as a gap. Beyond the cap, the tables that ever did
-- least are summed up in one row named other. pgvigil's own partitions are left out and counted.
--! query tables
--! label datname
--! label schemaname
--! label relname
--! metric seq_scan pg_stat_user_tables_seq_scan counter scans Sequential scans.
--! metric seq_tup_read pg_stat_user_tables_seq_tup_read counter rows Live rows read by sequential scans.
--! metric idx_scan pg_stat_user_tables_idx_scan counter scans Index scans.
--! metric idx_tup_fetch pg_stat_user_tables_idx_tup_fetch counter rows Live rows fetched by index scans.
--! metric n_tup_ins pg_stat_user_tables_n_tup_ins counter rows Rows inserted.
--! metric n_tup_upd pg_stat_user_tables_n_tup_upd counter rows Rows updated.
--! metric n_tup_del pg_stat_user_tables_n_tup_del counter rows Rows deleted.
--! metric n_tup_hot_upd pg_stat_user_tables_n_tup_hot_upd counter rows Rows updated without touching an index.
--! metric n_tup_newpage_upd pg_stat_user_tables_n_tup_newpage_upd_total counter rows Updates to another page.
--! metric n_live_tup pg_stat_user_tables_n_live_tup gauge rows Estimated live rows.
--! metric n_dead_tup pg_stat_user_tables_n_dead_tup gauge rows Estimated dead rows.
--! metric n_mod_since_analyze pg_stat_user_tables_n_mod_since_analyze gauge rows
--!     Estimated rows changed since the last analyze.
--! metric n_ins_since_vacuum pg_stat_user_tables_n_ins_since_vacuum gauge rows
--!     Estimated rows inserted since the last vacuum.
--! metric vacuum_debt pg_stat_user_tables_vacuum_debt_ratio gauge ratio
--!     Dead rows over the number at which autovacuum comes, by the table's own options.
--! metric analyze_debt pg_stat_user_tables_analyze_debt_ratio gauge ratio
--!     Rows changed since the last analyze over the number at which autovacuum analyzes, by the table's own options.
--! metric last_vacuum pg_stat_user_tables_last_vacuum gauge seconds
--!     Last vacuum by hand, as Unix time; no value when never.
--! metric last_autovacuum pg_stat_user_tables_last_autovacuum gauge seconds
--!     Last vacuum by autovacuum, as Unix time; no value when never.
--! metric last_analyze pg_stat_user_tables_last_analyze gauge seconds
--!     Last analyze by hand, as Unix time; no value when never.
--! metric last_autoanalyze pg_stat_user_tables_last_autoanalyze gauge seconds
--!     Last analyze by autovacuum, as Unix time; no value when never.
--! metric last_seq_scan pg_stat_user_tables_last_seq_scan gauge seconds
--!     Last sequential scan, as Unix time; no value when never.
--! metric last_idx_scan pg_stat_user_tables_last_idx_scan gauge seconds
--!     Last index scan, as Unix time; no value when never.
--! metric vacuum_count pg_stat_user_tables_vacuum_count counter vacuums Vacuums by hand.
--! metric autovacuum_count pg_stat_user_tables_autovacuum_count counter vacuums Vacuums by autovacuum.
--! metric analyze_count pg_stat_user_tables_analyze_count counter analyzes Analyzes by hand.
--! metric autoanalyze_count pg_stat_user_tables_autoanalyze_count counter analyzes Analyzes by autovacuum.
--! metric vacuum_seconds pg_stat_user_tables_vacuum_seconds_total counter seconds Time spent in vacuums by hand.
--! metric autovacuum_seconds pg_stat_user_tables_autovacuum_seconds_total counter seconds
--!     Time spent in vacuums by autovacuum.
--! metric analyze_seconds pg_stat_user_tables_analyze_seconds_total counter seconds Time spent in analyzes by hand.
--! metric autoanalyze_seconds pg_stat_user_tables_autoanalyze_seconds_total counter seconds
--!     Time spent in analyzes by autovacuum.
--! metric frozenxid_age pg_stat_user_tables_relfrozenxid_age gauge transactions
--!     Age of the oldest transaction id that is not frozen.
--! metric index_size pg_stat_user_tables_index_size_bytes gauge bytes
--!     Size of its indexes as of the last vacuum or analyze; no value before the first.
--! metric table_size pg_stat_user_tables_table_size_bytes gauge bytes
--!     Size of the table and its TOAST table as of the last vacuum or analyze; no value before the first.
--! metric heap_blocks_read pg_statio_user_tables_heap_blocks_read counter blocks
--!     Blocks of the table read from outside of shared buffers.
--! metric heap_blocks_hit pg_statio_user_tables_heap_blocks_hit counter blocks
--!     Blocks of the table found in shared buffers.
--! metric idx_blocks_read pg_statio_user_tables_idx_blocks_read counter blocks
--!     Blocks of its indexes read from outside of shared buffers.
--! metric idx_blocks_hit pg_statio_user_tables_idx_blocks_hit counter blocks
--!     Blocks of its indexes found in shared buffers.
--! metric toast_blocks_read pg_statio_user_tables_toast_blocks_read counter blocks
--!     Blocks of its TOAST table read from outside of shared buffers.
--! metric toast_blocks_hit pg_statio_user_tables_toast_blocks_hit counter blocks
--!     Blocks of its TOAST table found in shared buffers.
--! metric tidx_blocks_read pg_statio_user_tables_tidx_blocks_read counter blocks
--!     Blocks of the TOAST table's index read from outside of shared buffers.
--! metric tidx_blocks_hit pg_statio_user_tables_tidx_blocks_hit counter blocks
--!     Blocks of the TOAST table's index found in shared buffers.
--! folded folded
--! gap gap
--! version 15-
with index_use as materialized (
    select
        index.indrelid,
        sum(pg_stat_get_numscans(index.indexrelid)) as scans,
        sum(pg_stat_get_tuples_fetched(index.indexrelid)) as fetched,
        sum(pg_stat_get_blocks_fetched(index.indexrelid)) as blocks_fetched,
        sum(pg_stat_get_blocks_hit(index.indexrelid)) as blocks_hit,
        max(pg_stat_get_lastscan(index.indexrelid)) as last_scan, --! 16-
        sum(relation.relpages) as pages
    from pg_index as index
    inner join pg_class as relation on relation.oid = index.indexrelid
    group by index.indrelid
), locked as materialized (
    select lock.relation, bool_or(lock.granted) as is_granted
    from pg_locks as lock
    where lock.locktype = 'relation' and lock.mode = 'AccessExclusiveLock'
        and lock.database = (select here.oid from pg_database as here where here.datname = current_database())
    group by lock.relation
), relation as materialized (
    select
        class.oid, class.relname, namespace.nspname, class.reltoastrelid, class.relpages, class.reltuples,
        class.relfrozenxid, class.reloptions, locked.is_granted
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    left join locked on locked.relation = class.oid
    where class.relkind in ('r', 'm') and class.relpersistence <> 't'
        and namespace.nspname <> all (array[
            'pg_catalog', 'information_schema', 'pg_toast', 'monitoring_partitions'])
), measured as materialized (
    select
        relation.oid,
        relation.nspname,
        relation.relname,
        relation.is_granted,
        pg_stat_get_numscans(relation.oid) as seq_scan,
        pg_stat_get_tuples_returned(relation.oid) as seq_tup_read,
        index_use.scans as idx_scan,
        index_use.fetched + pg_stat_get_tuples_fetched(relation.oid) as idx_tup_fetch,
        pg_stat_get_tuples_inserted(relation.oid) as n_tup_ins,
        pg_stat_get_tuples_updated(relation.oid) as n_tup_upd,
        pg_stat_get_tuples_deleted(relation.oid) as n_tup_del,
        pg_stat_get_tuples_hot_updated(relation.oid) as n_tup_hot_upd,
        pg_stat_get_tuples_newpage_updated(relation.oid) as n_tup_newpage_upd, --! 16-
        pg_stat_get_live_tuples(relation.oid) as n_live_tup,
        pg_stat_get_dead_tuples(relation.oid) as n_dead_tup,
        pg_stat_get_mod_since_analyze(relation.oid) as n_mod_since_analyze,
        pg_stat_get_ins_since_vacuum(relation.oid) as n_ins_since_vacuum,
        pg_stat_get_dead_tuples(relation.oid) / nullif(
            coalesce(option.threshold, current_setting('autovacuum_vacuum_threshold'))::double precision
            + coalesce(option.scale_factor, current_setting('autovacuum_vacuum_scale_factor'))::double precision
            * greatest(relation.reltuples, 0), 0) as vacuum_debt,
        pg_stat_get_mod_since_analyze(relation.oid) / nullif(
            coalesce(option.analyze_threshold, current_setting('autovacuum_analyze_threshold'))::double precision
            + coalesce(option.analyze_scale_factor, current_setting('autovacuum_analyze_scale_factor'))
                ::double precision * greatest(relation.reltuples, 0), 0) as analyze_debt,
        extract(epoch from pg_stat_get_last_vacuum_time(relation.oid)) as last_vacuum,
        extract(epoch from pg_stat_get_last_autovacuum_time(relation.oid)) as last_autovacuum,
        extract(epoch from pg_stat_get_last_analyze_time(relation.oid)) as last_analyze,
        extract(epoch from pg_stat_get_last_autoanalyze_time(relation.oid)) as last_autoanalyze,
        extract(epoch from pg_stat_get_lastscan(relation.oid)) as last_seq_scan, --! 16-
        extract(epoch from index_use.last_scan) as last_idx_scan, --! 16-
        pg_stat_get_vacuum_count(relation.oid) as vacuum_count,
        pg_stat_get_autovacuum_count(relation.oid) as autovacuum_count,
        pg_stat_get_analyze_count(relation.oid) as analyze_count,
        pg_stat_get_autoanalyze_count(relation.oid) as autoanalyze_count,
        pg_stat_get_total_vacuum_time(relation.oid) / 1000 as vacuum_seconds, --! 18-
        pg_stat_get_total_autovacuum_time(relation.oid) / 1000 as autovacuum_seconds, --! 18-
        pg_stat_get_total_analyze_time(relation.oid) / 1000 as analyze_seconds, --! 18-
        pg_stat_get_total_autoanalyze_time(relation.oid) / 1000 as autoanalyze_seconds, --! 18-
        age(relation.relfrozenxid) as frozenxid_age,
        case when relation.reltuples >= 0 then coalesce(index_use.pages, 0) * block.size end as index_size,
        case
            when relation.reltuples >= 0
                then (relation.relpages + coalesce(toast.relpages + toast_index.pages, 0)) * block.size
        end as table_size,
        pg_stat_get_blocks_fetched(relation.oid) - pg_stat_get_blocks_hit(relation.oid) as heap_blocks_read,
        pg_stat_get_blocks_hit(relation.oid) as heap_blocks_hit,
        index_use.blocks_fetched - index_use.blocks_hit as idx_blocks_read,
        index_use.blocks_hit as idx_blocks_hit,
        pg_stat_get_blocks_fetched(toast.oid) - pg_stat_get_blocks_hit(toast.oid) as toast_blocks_read,
        pg_stat_get_blocks_hit(toast.oid) as toast_blocks_hit,
        toast_index.blocks_fetched - toast_index.blocks_hit as tidx_blocks_read,
        toast_index.blocks_hit as tidx_blocks_hit
    from relation
    cross join (select current_setting('block_size')::bigint as size) as block
    left join index_use on index_use.indrelid = relation.oid
    left join pg_class as toast on toast.oid = relation.reltoastrelid
    left join index_use as toast_index on toast_index.indrelid = toast.oid
    left join lateral (
        select
            max(set.option_value) filter (where set.option_name = 'autovacuum_vacuum_threshold') as threshold,
            max(set.option_value) filter (where set.option_name = 'autovacuum_vacuum_scale_factor') as scale_factor,
            max(set.option_value) filter (where set.option_name = 'autovacuum_analyze_threshold')
                as analyze_threshold,
            max(set.option_value) filter (where set.option_name = 'autovacuum_analyze_scale_factor')
                as analyze_scale_factor
        from pg_options_to_table(relation.reloptions) as set
    ) as option on relation.reloptions is not null
), ranked as materialized (
    select
        measured.*,
        measured.is_granted is null and row_number() over (
            partition by measured.is_granted is null
            order by
                measured.n_tup_ins + measured.n_tup_upd + measured.n_tup_del + measured.seq_tup_read
                    + coalesce(measured.idx_tup_fetch, 0) desc,
                measured.oid) > :cap as is_rest
    from measured
)
-- A table's own group has one row, so that sum and max are its value; the rest is one group.
select
    current_database() as datname,
    min(ranked.nspname) filter (where not ranked.is_rest) as schemaname,
    coalesce(min(ranked.relname) filter (where not ranked.is_rest), 'other') as relname,
    sum(ranked.seq_scan) as seq_scan,
    sum(ranked.seq_tup_read) as seq_tup_read,
    sum(ranked.idx_scan) as idx_scan,
    sum(ranked.idx_tup_fetch) as idx_tup_fetch,
    sum(ranked.n_tup_ins) as n_tup_ins,
    sum(ranked.n_tup_upd) as n_tup_upd,
    sum(ranked.n_tup_del) as n_tup_del,
    sum(ranked.n_tup_hot_upd) as n_tup_hot_upd,
    sum(ranked.n_tup_newpage_upd) as n_tup_newpage_upd, --! 16-
    sum(ranked.n_live_tup) as n_live_tup,
    sum(ranked.n_dead_tup) as n_dead_tup,
    sum(ranked.n_mod_since_analyze) as n_mod_since_analyze,
    sum(ranked.n_ins_since_vacuum) as n_ins_since_vacuum,
    max(ranked.vacuum_debt) filter (where not ranked.is_rest) as vacuum_debt,
    max(ranked.analyze_debt) filter (where not ranked.is_rest) as analyze_debt,
    max(ranked.last_vacuum) filter (where not ranked.is_rest) as last_vacuum,
    max(ranked.last_autovacuum) filter (where not ranked.is_rest) as last_autovacuum,
    max(ranked.last_analyze) filter (where not ranked.is_rest) as last_analyze,
    max(ranked.last_autoanalyze) filter (where not ranked.is_rest) as last_autoanalyze,
    max(ranked.last_seq_scan) filter (where not ranked.is_rest) as last_seq_scan, --! 16-
    max(ranked.last_idx_scan) filter (where not ranked.is_rest) as last_idx_scan, --! 16-
    sum(ranked.vacuum_count) as vacuum_count,
    sum(ranked.autovacuum_count) as autovacuum_count,
    sum(ranked.analyze_count) as analyze_count,
    sum(ranked.autoanalyze_count) as autoanalyze_count,
    sum(ranked.vacuum_seconds) as vacuum_seconds, --! 18-
    sum(ranked.autovacuum_seconds) as autovacuum_seconds, --! 18-
    sum(ranked.analyze_seconds) as analyze_seconds, --! 18-
    sum(ranked.autoanalyze_seconds) as autoanalyze_seconds, --! 18-
    max(ranked.frozenxid_age) filter (where not ranked.is_rest) as frozenxid_age,
    sum(ranked.index_size) as index_size,
    sum(ranked.table_size) as table_size,
    sum(ranked.heap_blocks_read) as heap_blocks_read,
    sum(ranked.heap_blocks_hit) as heap_blocks_hit,
    sum(ranked.idx_blocks_read) as idx_blocks_read,
    sum(ranked.idx_blocks_hit) as idx_blocks_hit,
    sum(ranked.toast_blocks_read) as toast_blocks_read,
    sum(ranked.toast_blocks_hit) as toast_blocks_hit,
    sum(ranked.tidx_blocks_read) as tidx_blocks_read,
    sum(ranked.tidx_blocks_hit) as tidx_blocks_hit,
    count(*) filter (where ranked.is_rest) as folded,
    case
        when bool_or(ranked.is_granted) then 'an access exclusive lock is held on it'
        when bool_or(not ranked.is_granted) then 'an access exclusive lock on it is awaited'
    end as gap
from ranked
group by case when ranked.is_rest then 0::oid else ranked.oid end
order by bool_or(ranked.is_granted) is not null, bool_or(ranked.is_rest)

--! query own
--! label datname
--! metric tables pgvigil_excluded_tables gauge tables
--!     Partitions of pgvigil's own, which the other table metrics leave out.
--! excluded excluded
--! version 15-
select current_database() as datname, count(*) as tables, count(*) as excluded
from pg_class as class
where class.relkind = 'r' and class.relnamespace = to_regnamespace('monitoring_partitions')
