-- partitions/expired.sql: which partitions are past their retention, and what keeps them.
-- Owns newest_row_bound, believed_row_bound, old_partitions_at, partition_held_by_at, expired_partitions_at.
-- Writes nothing. Any number of callers at once; each reads one snapshot.

-- The end of the newest partition that holds rows; null when none does.
create or replace function monitoring_internal.newest_row_bound(p_table text)
returns timestamptz
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_candidate record;
    v_has_rows boolean;
begin
    -- A loop, newest first, that nearly always ends at the current partition.
    for v_candidate in
        select bounds.partition, bounds.upper_bound
        from unnest(array[monitoring_internal.partition_parent(p_table),
            monitoring_internal.append_parent(p_table)]) as parent (parent)
        cross join lateral monitoring_internal.partition_bounds(parent.parent) as bounds
        where not bounds.is_default
        order by bounds.upper_bound desc
    loop
        execute format('select exists (select 1 from only %s)', v_candidate.partition) into v_has_rows;
        if v_has_rows then
            return v_candidate.upper_bound;
        end if;
    end loop;
    return null;
end;
$$;

comment on function monitoring_internal.newest_row_bound(text) is
    'End of a table''s newest partition that holds rows, or null.';

-- The end of the newest rows that are believed. Rows that lie more than a week after all others may come from a clock
-- that is ahead: until five partitions of them hold some (with days: longer than a weekend), what was before counts.
create or replace function monitoring_internal.believed_row_bound(p_table text)
returns timestamptz
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_partition record;
    v_has_rows boolean;
    v_bound timestamptz;
    v_next timestamptz;
    v_number integer := 0;
begin
    -- A loop, newest first, that ends at the fifth partition with rows.
    for v_partition in
        select bounds.partition, bounds.lower_bound, bounds.upper_bound
        from unnest(array[monitoring_internal.partition_parent(p_table),
            monitoring_internal.append_parent(p_table)]) as parent (parent)
        cross join lateral monitoring_internal.partition_bounds(parent.parent) as bounds
        where not bounds.is_default
        order by bounds.upper_bound desc
    loop
        execute format('select exists (select 1 from only %s)', v_partition.partition) into v_has_rows;
        continue when not v_has_rows;
        if v_bound is null or v_next - v_partition.upper_bound > interval '7 days' then
            v_bound := v_partition.upper_bound;
            v_number := 0;
        end if;
        v_next := v_partition.lower_bound;
        v_number := v_number + 1;
        exit when v_number = 5;
    end loop;
    return v_bound;
end;
$$;

comment on function monitoring_internal.believed_row_bound(text) is
    'End of a table''s newest partition with rows, those aside that a clock which was ahead may have left; or null.';

-- Partitions that ended longer ago than the retention, or that were released since something else has their rows.
create or replace function monitoring_internal.old_partitions_at(p_table text, p_now timestamptz)
returns table (partition regclass, lower_bound timestamptz, upper_bound timestamptz)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select bounds.partition, bounds.lower_bound, bounds.upper_bound
    from monitoring.partition_policies as policy
    cross join lateral monitoring_internal.partition_bounds(
        monitoring_internal.partition_parent(policy.table_name)) as bounds
    -- Age is counted from the newest row where that is before p_now: a clock that jumps ahead makes nothing old, and
    -- what came last is kept until something newer has come. That a clock is ahead is seen by the samples; what is
    -- made of them is as old as they are.
    cross join lateral (
        select least(
                p_now, monitoring_internal.newest_row_bound(policy.table_name),
                (
                    select monitoring_internal.retention_reference_at(p_now)
                    where policy.table_name in (
                            select form.table_name from monitoring_internal.retention_forms() as form)
                        or monitoring_internal.believed_row_bound('monitoring.samples')
                            < monitoring_internal.newest_row_bound('monitoring.samples')
                )) as reference_at,
            monitoring_internal.partition_retention(policy.table_name) as retention
        -- Once, and not for each partition.
        offset 0
    ) as newest
    where policy.table_name = p_table
        and not bounds.is_default
        and (bounds.upper_bound <= newest.reference_at - newest.retention
            or bounds.upper_bound <= policy.released_until)
    order by bounds.upper_bound;
$$;

comment on function monitoring_internal.old_partitions_at(text, timestamptz) is
    'Partitions past their retention at a time, oldest first, whatever keeps them.';

-- What keeps a partition that is old enough to be dropped: names of holds, or why its rows may not go; null: nothing.
create or replace function monitoring_internal.partition_held_by_at(
    p_table text, p_lower_bound timestamptz, p_upper_bound timestamptz, p_now timestamptz)
returns text
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (
            select string_agg(hold.name, ', ' order by hold.name)
            from monitoring.partition_holds as hold
            where hold.table_name = p_table
                and p_upper_bound > coalesce(hold.covered_until, '-infinity')
        ),
        monitoring_internal.partition_obstacle_at(p_table, p_lower_bound, p_upper_bound, p_now));
$$;

comment on function monitoring_internal.partition_held_by_at(text, timestamptz, timestamptz, timestamptz) is
    'What keeps a partition that is past its retention at a time; null when nothing does.';

-- The same partitions, and whether something still keeps them.
create or replace function monitoring_internal.expired_partitions_at(p_table text, p_now timestamptz)
returns table (partition regclass, lower_bound timestamptz, upper_bound timestamptz, held_by text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select old.partition, old.lower_bound, old.upper_bound,
        monitoring_internal.partition_held_by_at(p_table, old.lower_bound, old.upper_bound, p_now)
    from monitoring_internal.old_partitions_at(p_table, p_now) as old
    order by old.upper_bound;
$$;

comment on function monitoring_internal.expired_partitions_at(text, timestamptz) is
    'Partitions past their retention at a time, oldest first; held_by names the holds that still keep one.';
