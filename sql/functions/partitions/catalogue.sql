-- partitions/catalogue.sql: the grid partitions are cut by, and what the catalogue says of those there are.
-- Owns partition_floor, partition_slot, partition_bounds, partition_key_column, partition_parent. Writes nothing.
-- Any number of callers at once.

-- Start of the partition that a time falls into, on the grid of UTC whatever the session's zone.
create or replace function monitoring_internal.partition_floor(p_interval interval, p_at timestamptz)
returns timestamptz
language sql immutable parallel safe
begin atomic
    select case
        when date_trunc('month', p_interval) = interval '0'
            then date_bin(p_interval, p_at at time zone 'UTC', timestamp '2001-01-01') at time zone 'UTC'
        else (
            timestamp '2000-01-01'
            + floor(
                (extract(year from p_at at time zone 'UTC') * 12
                    + extract(month from p_at at time zone 'UTC') - 1 - 2000 * 12)
                / (extract(year from p_interval) * 12 + extract(month from p_interval))
            )::integer * p_interval
        ) at time zone 'UTC'
    end;
end;

comment on function monitoring_internal.partition_floor(interval, timestamptz) is
    'Start of the partition of that span in which a time falls; fixed spans count from Monday 2001-01-01 UTC, '
    'months from January 2000 UTC.';

-- Start of the slot p_steps after the one that p_at falls into.
create or replace function monitoring_internal.partition_slot(
    p_interval interval, p_at timestamptz, p_steps integer)
returns timestamptz
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select (
        monitoring_internal.partition_floor(p_interval, p_at) at time zone 'UTC' + p_steps * p_interval
    ) at time zone 'UTC';
$$;

comment on function monitoring_internal.partition_slot(interval, timestamptz, integer) is
    'Start of the partition that many places after the one in which a time falls.';

-- The partitions of a table with their bounds, read from the catalogue and never from names.
-- The function's own zone and date style make the catalogue's text unambiguous.
create or replace function monitoring_internal.partition_bounds(p_parent regclass)
returns table (partition regclass, is_default boolean, lower_bound timestamptz, upper_bound timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
    select
        child.oid::regclass,
        child.bound = 'DEFAULT',
        replace(replace(child.edges[1], 'MINVALUE', '-infinity'), '''', '')::timestamptz,
        replace(replace(child.edges[2], 'MAXVALUE', 'infinity'), '''', '')::timestamptz
    from (
        select
            written.oid,
            written.bound,
            regexp_match(
                written.bound,
                '^FOR VALUES FROM \((''[^'']*''|MINVALUE)\) TO \((''[^'']*''|MAXVALUE)\)$') as edges
        from (
            -- Offset 0: written out once a partition and not four times.
            select class.oid, pg_get_expr(class.relpartbound, class.oid) as bound
            from pg_inherits as inheritance
            inner join pg_class as class on class.oid = inheritance.inhrelid
            where inheritance.inhparent = p_parent
                and class.relispartition
            offset 0
        ) as written
        offset 0
    ) as child;
$$;

comment on function monitoring_internal.partition_bounds(regclass) is
    'Partitions of a table with their bounds as times; the default partition has none.';

-- The column that a table is partitioned by.
-- Raises: PV301 when the table is not partitioned by range of one timestamptz column.
create or replace function monitoring_internal.partition_key_column(p_parent regclass)
returns name
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_column name;
begin
    select attribute.attname into v_column
    from pg_partitioned_table as partitioned
    inner join pg_attribute as attribute
        on attribute.attrelid = partitioned.partrelid
        and attribute.attnum = partitioned.partattrs[0]
    where partitioned.partrelid = p_parent
        and partitioned.partstrat = 'r'
        and partitioned.partnatts = 1
        and attribute.atttypid = 'timestamptz'::regtype;
    if v_column is null then
        raise exception using
            errcode = 'PV301',
            message = format('%s is not partitioned by range of one timestamptz column', p_parent),
            hint = 'Remove its row from monitoring.partition_policies, or create the table as such.';
    end if;
    return v_column;
end;
$$;

comment on function monitoring_internal.partition_key_column(regclass) is
    'The timestamptz column by which a table is partitioned; PV301 when it is not.';

-- The parent of a policy.
-- Raises: PV301 when there is no such table.
create or replace function monitoring_internal.partition_parent(p_table text)
returns regclass
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass(p_table) is null then
        raise exception using
            errcode = 'PV301',
            message = format('table %s does not exist', p_table),
            hint = 'Remove its row from monitoring.partition_policies, or create the table.';
    end if;
    return to_regclass(p_table);
end;
$$;

comment on function monitoring_internal.partition_parent(text) is 'The table of a policy; PV301 when there is none.';
