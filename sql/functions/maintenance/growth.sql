-- maintenance/growth.sql: how large tables are from month to month, and statistics of partitioned tables.
-- Owns measure_growth_at, measure_growth, analyze_parent, analyze_parents. Writes table_sizes.
-- Concurrency: any number of callers; statistics of a table are gathered by one at a time.

-- Measure every table, all partitions of one together; at most once a day. Older ones than three years go.
create or replace function monitoring_internal.measure_growth_at(p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_measured bigint;
begin
    insert into monitoring.table_sizes (
        table_name, measured_at, heap_bytes, index_bytes, estimated_rows, partition_count)
    select format('%s.%s', namespace.nspname, class.relname), p_now, sum(pg_table_size(part.oid)),
        sum(pg_indexes_size(part.oid)), sum(greatest(part.reltuples, 0))::bigint,
        count(*) filter (where part.oid <> class.oid)
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join lateral (
        select tree.relid from pg_partition_tree(class.oid) as tree
        union
        select class.oid where class.relkind = 'r'
    ) as member
    inner join pg_class as part on part.oid = member.relid
    where namespace.nspname in ('monitoring', 'monitoring_internal')
        and class.relkind in ('r', 'p') and not class.relispartition
        and not exists (
            select 1 from monitoring.table_sizes as size
            where size.table_name = format('%s.%s', namespace.nspname, class.relname)
                and size.measured_at > p_now - interval '20 hours' and size.measured_at <= p_now)
    group by class.oid, namespace.nspname, class.relname;
    get diagnostics v_measured = row_count;
    delete from monitoring.table_sizes as size where size.measured_at < p_now - interval '3 years';
    return v_measured;
end;
$$;

comment on function monitoring_internal.measure_growth_at(timestamptz) is 'measure_growth as of a time.';

-- The same now.
create or replace function monitoring.measure_growth()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.measure_growth_at(clock_timestamp());
$$;

comment on function monitoring.measure_growth() is
    'Notes the size of every table in table_sizes, at most once a day; growth_report compares it with a month before. '
    'Returns how many tables were measured.';

-- Gather the statistics of one partitioned table, which autovacuum never does.
create or replace function monitoring_internal.analyze_parent(p_table text)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select 1
        from monitoring.partition_policies as policy
        where policy.table_name = p_table and to_regclass(policy.table_name) is not null)
    then
        execute format('analyze %s', p_table::regclass);
    end if;
end;
$$;

comment on function monitoring_internal.analyze_parent(text) is
    'Gathers the planner''s statistics of a table of partition_policies and its partitions.';

-- All of them, one short transaction a table.
create or replace procedure monitoring.analyze_parents()
language plpgsql
as $$
declare
    v_table text;
begin
    -- A loop, since each table is locked for its own time only.
    for v_table in select policy.table_name from monitoring.partition_policies as policy order by policy.table_name loop
        set local search_path = pg_catalog, pg_temp;
        perform monitoring_internal.analyze_parent(v_table);
        commit;
    end loop;
end;
$$;

comment on procedure monitoring.analyze_parents() is
    'Gathers the planner''s statistics of every partitioned table: autovacuum looks at partitions only, never at the '
    'whole. Call it outside a transaction.';
