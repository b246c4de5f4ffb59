-- sizes.sql: true sizes of the largest tables and their indexes, in turns.
--! collector sizes
--! every 15min
--! scope database
--! tier slow
--! cap 500
--! stale 2h
--! needs role pg_monitor

-- Sizes are asked of the file system, table by table, so a run asks for so many tables alone: the 2,000 largest by
-- their last known pages take turns, each within an hour. The sizes of all others are known from those pages, which the
-- collector tables has. Asking waits for whoever locks a table exclusively, or waits to: such a table is a gap.
--! query tables
--! label datname
--! label schemaname
--! label relname
--! metric table_size pg_table_size_bytes gauge bytes
--!     Size of the table with its TOAST table, free space and visibility maps, as the file system has it.
--! metric indexes_size pg_table_indexes_size_bytes gauge bytes Size of all its indexes, as the file system has it.
--! metric total_size pg_table_total_size_bytes gauge bytes Both together.
--! excluded excluded
--! folded folded
--! gap gap
--! version 15-
with locked as materialized (
    select lock.relation, bool_or(lock.granted) as is_granted
    from pg_locks as lock
    where lock.locktype = 'relation' and lock.mode = 'AccessExclusiveLock'
        and lock.database = (select here.oid from pg_database as here where here.datname = current_database())
    group by lock.relation
), blocked as materialized (
    -- A lock on an index or a TOAST table is one on its table: the size of that would wait for it.
    select owner.relation, bool_or(owner.is_granted) as is_granted
    from (
        select locked.relation, locked.is_granted from locked
        union all
        select index.indrelid, locked.is_granted
        from locked
        inner join pg_index as index on index.indexrelid = locked.relation
        union all
        select class.oid, locked.is_granted
        from locked
        inner join pg_class as class on class.reltoastrelid = locked.relation
        union all
        select class.oid, locked.is_granted
        from locked
        inner join pg_index as index on index.indexrelid = locked.relation
        inner join pg_class as class on class.reltoastrelid = index.indrelid
    ) as owner
    group by owner.relation
), ranked as materialized (
    select
        class.oid,
        class.relname,
        namespace.nspname,
        row_number() over (order by class.relpages + coalesce(toast.relpages, 0) desc, class.oid) as place,
        count(*) over () as tables
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    left join pg_class as toast on toast.oid = class.reltoastrelid
    where class.relkind in ('r', 'm') and class.relpersistence <> 't'
        and namespace.nspname <> all (array[
            'pg_catalog', 'information_schema', 'pg_toast', 'monitoring_partitions'])
), turn as materialized (
    select
        ceil(least(max(ranked.tables), 2000)::numeric / :cap)::bigint as turns,
        greatest(max(ranked.tables) - 2000, 0) as folded,
        -- The day shifts the turns, so that at another interval, too, each comes.
        (floor(clock.epoch / 900) + floor(clock.epoch / 86400))::bigint as number
    from ranked
    cross join (select extract(epoch from statement_timestamp()) as epoch) as clock
    group by clock.epoch
), chosen as materialized (
    select ranked.oid, ranked.nspname, ranked.relname, blocked.is_granted, ranked.place
    from ranked
    cross join turn
    left join blocked on blocked.relation = ranked.oid
    where ranked.place <= 2000 and ranked.place % turn.turns = turn.number % turn.turns
), measured as materialized (
    select
        chosen.*,
        case when chosen.is_granted is null then pg_table_size(chosen.oid) end as table_size,
        case when chosen.is_granted is null then pg_indexes_size(chosen.oid) end as indexes_size
    from chosen
)
select
    current_database() as datname,
    measured.nspname as schemaname,
    measured.relname,
    measured.table_size,
    measured.indexes_size,
    measured.table_size + measured.indexes_size as total_size,
    case when row_number() over (order by measured.place) = 1 then turn.folded else 0 end as folded,
    case
        when row_number() over (order by measured.place) = 1
            then (select least(max(ranked.tables), 2000) from ranked) - count(*) over ()
        else 0
    end as excluded,
    case
        when measured.is_granted then 'an access exclusive lock is held on it'
        when not measured.is_granted then 'an access exclusive lock on it is awaited'
    end as gap
from measured
cross join turn
order by measured.place
