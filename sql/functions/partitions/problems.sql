-- partitions/problems.sql: what is wrong with partitions and their indexes.
-- Owns stray_partition_objects, table_problems_at, suspect_tables_at, partition_problems_at, partition_problems.
-- Writes nothing.
-- Any number of callers at once.

-- Indexes that cannot be used and tables that lie about: what a failed build or attachment leaves behind.
-- "if not exists" would take an invalid index for a good one.
create or replace function monitoring_internal.stray_partition_objects()
returns table (table_name text, object_name text, problem text, detail text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select
        format('%s.%s', namespace.nspname, class.relname),
        index.indexrelid::regclass::text,
        'invalid_index',
        'The index is not valid and no query uses it: drop it, or build it on each partition and attach it.'
    from pg_index as index
    inner join pg_class as class on class.oid = index.indrelid
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where not index.indisvalid
        and namespace.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
    union all
    select
        null,
        class.oid::regclass::text,
        'unattached_table',
        'It lies among the partitions and belongs to no table.'
    from pg_class as class
    where class.relnamespace = 'monitoring_partitions'::regnamespace
        and class.relkind = 'r'
        and not class.relispartition
    union all
    select
        format('%s.%s', namespace.nspname, class.relname),
        class.oid::regclass::text,
        'no_policy',
        'The table is partitioned and partition_policies has no row for it.'
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where class.relkind = 'p'
        and not class.relispartition
        and namespace.nspname in ('monitoring', 'monitoring_internal')
        and not exists (
            select 1
            from monitoring.partition_policies as policy
            where policy.table_name = format('%s.%s', namespace.nspname, class.relname)
                or monitoring_internal.append_parent(policy.table_name) = class.oid
        );
$$;

comment on function monitoring_internal.stray_partition_objects() is
    'Invalid indexes, tables among the partitions that belong to none, partitioned tables without a policy.';

-- What maintenance has left undone for one table at a time.
create or replace function monitoring_internal.table_problems_at(p_table text, p_now timestamptz)
returns table (object_name text, problem text, detail text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select
        p_table,
        'default_not_empty',
        format('The default partition holds rows (counted up to 10000): %s.', stray.row_count)
    from monitoring_internal.default_partition_rows(p_table) as stray (row_count)
    where stray.row_count > 0
    union all
    select
        monitoring_internal.partition_name(p_table, missing.lower_bound),
        'missing_partition',
        format('Nothing covers %s to %s.', missing.lower_bound, missing.upper_bound)
    from monitoring_internal.missing_partitions_at(p_table, p_now) as missing
    union all
    select
        expired.partition::text,
        case when expired.held_by is null then 'expired_partition' else 'held_partition' end,
        coalesce(format('Past its retention and held by %s.', expired.held_by), 'Past its retention.')
    from monitoring_internal.expired_partitions_at(p_table, p_now) as expired
    union all
    select unset.partition::text, 'parameters_not_set', 'Storage parameters differ from the policy.'
    from monitoring_internal.unset_partitions(p_table) as unset
    union all
    select p_table, 'maintenance_failed', format('%s: %s', maintenance.last_failure_at, maintenance.last_failure)
    from monitoring.partition_maintenance as maintenance
    where maintenance.table_name = p_table
        and maintenance.last_failure_at > coalesce(maintenance.last_success_at, '-infinity');
$$;

comment on function monitoring_internal.table_problems_at(text, timestamptz) is
    'What is wrong with the partitions of one table at a time.';

-- Tables that may have such a problem, found by one look at the bounds of all partitions: to look at each table by
-- itself takes ten times as long, and it is measured twice a minute.
create or replace function monitoring_internal.suspect_tables_at(p_now timestamptz)
returns setof text
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with policy as materialized (
        select known.*, to_regclass(known.table_name) as parent,
            monitoring_internal.partition_retention(known.table_name) as kept
        from monitoring.partition_policies as known
        where known.is_active
            and exists (
                select 1 from pg_partitioned_table as parent where parent.partrelid = to_regclass(known.table_name)
            )
    ), bound as materialized (
        select policy.table_name, bounds.*
        from policy
        cross join lateral unnest(
            array[policy.parent, monitoring_internal.append_parent(policy.table_name)]) as parent (parent)
        cross join lateral monitoring_internal.partition_bounds(parent.parent) as bounds
    ), covered as (
        select bound.table_name, range_agg(tstzrange(bound.lower_bound, bound.upper_bound)) as spans
        from bound
        where not bound.is_default
        group by bound.table_name
    )
    select policy.table_name
    from policy
    left join covered on covered.table_name = policy.table_name
    where coalesce(not covered.spans @> tstzrange(
            greatest(
                monitoring_internal.partition_slot(policy.partition_interval, p_now, - policy.lookback),
                monitoring_internal.partition_floor(policy.partition_interval, p_now - policy.kept)),
            monitoring_internal.partition_slot(policy.partition_interval, p_now, policy.premake + 1)), true)
        or exists (
            select 1
            from bound
            inner join pg_class as class on class.oid = bound.partition
            where bound.table_name = policy.table_name
                and (
                    bound.is_default and pg_relation_size(class.oid) > 0
                    or bound.upper_bound <= p_now - policy.kept
                    or exists (
                        select 1
                        from jsonb_each_text(policy.storage_parameters) as parameter
                        where parameter.key || '=' || parameter.value <> all (coalesce(class.reloptions, '{}'))
                    )
                )
        )
        or exists (
            select 1
            from monitoring.partition_maintenance as maintenance
            where maintenance.table_name = policy.table_name
                and maintenance.last_failure_at > coalesce(maintenance.last_success_at, '-infinity')
        );
end;
$$;

comment on function monitoring_internal.suspect_tables_at(timestamptz) is
    'Tables whose partitions may have a problem at a time; the others have none.';

-- The deciding form.
create or replace function monitoring_internal.partition_problems_at(p_now timestamptz)
returns table (table_name text, object_name text, problem text, detail text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select stray.table_name, stray.object_name, stray.problem, stray.detail
    from monitoring_internal.stray_partition_objects() as stray
    union all
    select suspect.name, found.object_name, found.problem, found.detail
    from monitoring_internal.suspect_tables_at(p_now) as suspect (name)
    cross join lateral monitoring_internal.table_problems_at(suspect.name, p_now) as found
    union all
    select policy.table_name, policy.table_name, 'no_table', 'The policy names no partitioned table.'
    from monitoring.partition_policies as policy
    where not exists (
            select 1 from pg_partitioned_table as parent where parent.partrelid = to_regclass(policy.table_name)
        );
end;
$$;

comment on function monitoring_internal.partition_problems_at(timestamptz) is
    'partition_problems as of a time, for tests.';

-- What is wrong now, whoever asks: it shows names and counts, no rows of any tenant.
create or replace function monitoring_internal.partition_problems()
returns table (table_name text, object_name text, problem text, detail text)
language sql stable parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select found.* from monitoring_internal.partition_problems_at(now()) as found;
$$;

comment on function monitoring_internal.partition_problems() is
    'What is wrong with partitions and their indexes now; the view partition_problems shows it.';
