-- sequences.sql: how much of each sequence is used up, against what its column can hold.
--! collector sequences
--! every 1h
--! scope database
--! tier normal
--! cap 200

-- A sequence ends where its own bound or the type of the column it feeds ends, whichever comes first. One that starts
-- over never ends. The value of a sequence that this role may not read is not known: that is a gap of its schema, with
-- the grant that mends it. Reading one waits for whoever alters it, so those are gaps as well.
--! query sequences on primary
--! label datname
--! label schemaname
--! label sequencename
--! metric used pg_sequence_used_ratio gauge ratio
--!     Share of the sequence that is used up, of sequences of which at least half is.
--! metric remaining pg_sequence_remaining gauge values Values that it can still give, of the same sequences.
--! metric highest pg_sequences_highest_used_ratio gauge ratio
--!     The highest share used up of all sequences that can be read.
--! gap gap
--! version 15-
with locked as materialized (
    select lock.relation
    from pg_locks as lock
    where lock.locktype = 'relation' and lock.mode in ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and lock.database = (select here.oid from pg_database as here where here.datname = current_database())
    group by lock.relation
), sequence as materialized (
    select
        class.oid,
        namespace.nspname,
        class.relname,
        entry.seqincrement > 0 as is_rising,
        entry.seqincrement,
        entry.seqmin,
        entry.seqmax,
        coalesce(fed.type_max, 9223372036854775807) as type_max,
        has_sequence_privilege(class.oid, 'select, usage') as is_readable,
        locked.relation is not null as is_locked
    from pg_sequence as entry
    inner join pg_class as class on class.oid = entry.seqrelid and class.relpersistence <> 't'
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    left join locked on locked.relation = class.oid
    -- The narrowest column that it feeds: by owning it, as serial and identity columns do, or by its default.
    left join lateral (
        select min(
            case coalesce(nullif(type.typbasetype, 0), type.oid)
                when 'int2'::regtype then 32767
                when 'int4'::regtype then 2147483647
            end::bigint) as type_max
        from (
            select depend.refobjid as relid, depend.refobjsubid as number
            from pg_depend as depend
            where depend.classid = 'pg_class'::regclass and depend.objid = class.oid and depend.objsubid = 0
                and depend.refclassid = 'pg_class'::regclass and depend.deptype in ('a', 'i')
            union all
            select value.adrelid, value.adnum
            from pg_depend as depend
            inner join pg_attrdef as value on value.oid = depend.objid
            where depend.refclassid = 'pg_class'::regclass and depend.refobjid = class.oid
                and depend.classid = 'pg_attrdef'::regclass
        ) as feeds
        inner join pg_attribute as attribute
            on attribute.attrelid = feeds.relid and attribute.attnum = feeds.number
        inner join pg_type as type on type.oid = attribute.atttypid
    ) as fed on true
    where not entry.seqcycle
        and namespace.nspname <> all (array['monitoring', 'monitoring_internal', 'monitoring_partitions'])
), read as materialized (
    select
        sequence.*,
        case when sequence.is_readable and not sequence.is_locked then pg_sequence_last_value(sequence.oid) end
            as last_value
    from sequence
), measured as materialized (
    select
        read.nspname,
        read.relname,
        case
            when read.is_rising then (read.last_value - read.seqmin::numeric)
                / nullif(least(read.seqmax, read.type_max) - read.seqmin::numeric, 0)
            else (read.seqmax::numeric - read.last_value)
                / nullif(read.seqmax::numeric - greatest(read.seqmin, -read.type_max - 1), 0)
        end as used,
        floor(
            case
                when read.is_rising then least(read.seqmax, read.type_max) - read.last_value::numeric
                else read.last_value::numeric - greatest(read.seqmin, -read.type_max - 1)
            end / abs(read.seqincrement::numeric)) as remaining
    from read
    where read.last_value is not null
)
select
    current_database() as datname,
    measured.nspname as schemaname,
    measured.relname as sequencename,
    measured.used,
    measured.remaining,
    null::numeric as highest,
    null::text as gap
from measured
where measured.used >= 0.5
union all
select current_database(), null, null, null, null, max(measured.used), null
from measured
union all
select
    current_database(), read.nspname, null, null, null, null,
    format(
        '%s of its sequences cannot be read: grant select on all sequences in schema %I to %I;',
        count(*), read.nspname, current_user)
from read
where not read.is_readable
group by read.nspname
union all
select current_database(), read.nspname, read.relname, null, null, null, 'somebody alters it, or waits to'
from read
where read.is_readable and read.is_locked
order by 4 desc nulls last, 2, 3
