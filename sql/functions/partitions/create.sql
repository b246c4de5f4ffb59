-- partitions/create.sql: make one partition, fill it from the default partition, drop one, set its parameters.
-- Owns partition_name, lock_partition_maintenance, move_default_rows, set_partition_parameters, create_partition,
-- drop_partition_at. Changes the tables that partition_policies names.
-- Concurrency: callers hold the maintenance lock (lock_partition_maintenance) for their short transaction.

-- Name of the partition that starts at a time: table, p, date and, unless it starts at midnight, hour and minute.
-- For people only: nothing ever reads a partition's bounds from its name.
create or replace function monitoring_internal.partition_name(p_table text, p_lower timestamptz)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'monitoring_partitions.%I',
        split_part(p_table, '.', 2) || to_char(
            p_lower at time zone 'UTC',
            case
                when date_trunc('day', p_lower, 'UTC') = p_lower then '"_p"YYYYMMDD'
                when date_trunc('hour', p_lower, 'UTC') = p_lower then '"_p"YYYYMMDD_HH24'
                else '"_p"YYYYMMDD_HH24MI'
            end));
$$;

comment on function monitoring_internal.partition_name(text, timestamptz) is
    'Qualified name for the partition of a table that starts at a time (in UTC).';

-- One maintainer at a time; others wait for its short transaction, up to lock_timeout.
-- Locks: one advisory lock until the transaction ends.
create or replace function monitoring_internal.lock_partition_maintenance()
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select pg_advisory_xact_lock(hashtextextended('monitoring.maintain_partitions', 0));
$$;

comment on function monitoring_internal.lock_partition_maintenance() is
    'Takes the advisory lock of partition maintenance until the transaction ends.';

-- Take the rows of a span out of the default partition into a table about to be attached.
-- Locks: share update exclusive on the parent as attaching will, then the default partition exclusively, in the
-- order that writers take them, so that no row slips in between and nobody deadlocks.
create or replace function monitoring_internal.move_default_rows(
    p_parent regclass, p_target regclass, p_lower timestamptz, p_upper timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_column constant name := monitoring_internal.partition_key_column(p_parent);
    v_default regclass;
    v_columns text;
    v_moved bigint;
begin
    select bounds.partition into v_default
    from monitoring_internal.partition_bounds(p_parent) as bounds
    where bounds.is_default;
    if v_default is null then
        return 0;
    end if;
    execute format('lock table only %s in share update exclusive mode', p_parent);
    execute format('lock table %s in access exclusive mode', v_default);
    select string_agg(quote_ident(attribute.attname), ', ' order by attribute.attnum) into v_columns
    from pg_attribute as attribute
    where attribute.attrelid = p_parent
        and attribute.attnum > 0
        and not attribute.attisdropped
        and attribute.attgenerated = '';
    execute format(
        'with stray as (delete from only %1$s where %2$I >= $1 and %2$I < $2 returning *) '
        'insert into %3$s (%4$s) select %4$s from stray', v_default, v_column, p_target, v_columns)
    using p_lower, p_upper;
    get diagnostics v_moved = row_count;
    return v_moved;
end;
$$;

comment on function monitoring_internal.move_default_rows(regclass, regclass, timestamptz, timestamptz) is
    'Moves the rows of a span from a parent''s default partition to another table; returns how many.';

-- Set the storage parameters of the policy on one partition: a partitioned parent refuses them.
create or replace function monitoring_internal.set_partition_parameters(p_table text, p_partition regclass)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_parameters text;
begin
    select string_agg(format('%I = %L', parameter.key, parameter.value), ', ' order by parameter.key)
    into v_parameters
    from monitoring.partition_policies as policy
    cross join lateral jsonb_each_text(policy.storage_parameters) as parameter
    where policy.table_name = p_table;
    if v_parameters is not null then
        execute format('alter table %s set (%s)', p_partition, v_parameters);
    end if;
end;
$$;

comment on function monitoring_internal.set_partition_parameters(text, regclass) is
    'Sets a policy''s storage parameters on one partition.';

-- Make, fill and attach one partition; returns how many rows came out of the default partition.
-- Locks: made apart and attached, the parent is locked in share update exclusive mode only, so that reading and
-- writing go on; "partition of" would lock it exclusively. The default partition is locked exclusively.
create or replace function monitoring_internal.create_partition(
    p_table text, p_lower timestamptz, p_upper timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
declare
    v_parent constant regclass := monitoring_internal.partition_parent(p_table);
    v_name constant text := monitoring_internal.partition_name(p_table, p_lower);
    v_moved bigint;
begin
    if p_lower <@ monitoring_internal.appended_span(p_table) then
        return monitoring_internal.create_appended_partition(p_table, p_lower, p_upper);
    end if;
    execute format('create table %s (like %s including all excluding identity)', v_name, v_parent);
    -- A superuser who maintains by hand leaves nothing that the owner could not read or drop.
    execute format(
        'alter table %s owner to %s', v_name,
        (select class.relowner::regrole from pg_class as class where class.oid = v_parent));
    perform monitoring_internal.set_partition_parameters(p_table, v_name::regclass);
    -- Reached by its own name it shows nothing: policies act through the parent only.
    execute format('alter table %s enable row level security', v_name);
    v_moved := monitoring_internal.move_default_rows(v_parent, v_name::regclass, p_lower, p_upper);
    execute format(
        'alter table %s attach partition %s for values from (%L) to (%L)', v_parent, v_name, p_lower, p_upper);
    return v_moved;
end;
$$;

comment on function monitoring_internal.create_partition(text, timestamptz, timestamptz) is
    'Makes and attaches the partition of a span and moves its rows there from the default partition.';

-- Drop one partition, told by its bounds, if at p_now it is past its retention and nothing holds it.
-- Raises: PV302 otherwise. Locks: the parent exclusively, until the transaction ends.
create or replace function monitoring_internal.drop_partition_at(
    p_table text, p_lower timestamptz, p_upper timestamptz, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_expired record;
begin
    select expired.* into v_expired
    from monitoring_internal.expired_partitions_at(p_table, p_now) as expired
    where expired.lower_bound = p_lower
        and expired.upper_bound = p_upper;
    if v_expired.partition is null or v_expired.held_by is not null then
        raise exception using
            errcode = 'PV302',
            message = format('the partition of %s from %s to %s may not be dropped', p_table, p_lower, p_upper),
            detail = coalesce(
                'It is held by ' || v_expired.held_by || '.',
                'No partition with these bounds is past its retention.'),
            hint = 'Change retention in monitoring.partition_policies, or release the hold in partition_holds.';
    end if;
    perform monitoring_internal.note_dropped_at(p_table, p_lower, p_upper, p_now);
    execute format('drop table %s', v_expired.partition);
end;
$$;

comment on function monitoring_internal.drop_partition_at(text, timestamptz, timestamptz, timestamptz) is
    'Drops the partition with exactly these bounds once its retention has passed and nothing holds it; else PV302.';
