-- partitions/plan.sql: which steps of maintenance are due at a given time.
-- Owns default_partition_slots, default_partition_rows, uncovered_spans, missing_partitions_at, unset_partitions,
-- partition_plan_at. Writes nothing. Any number of callers at once; each reads one snapshot.

-- Slots in which the default partition holds rows; it should hold none.
create or replace function monitoring_internal.default_partition_slots(p_table text)
returns setof timestamptz
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_parent constant regclass := monitoring_internal.partition_parent(p_table);
    v_column constant name := monitoring_internal.partition_key_column(v_parent);
    v_default regclass;
begin
    select bounds.partition into v_default
    from monitoring_internal.partition_bounds(v_parent) as bounds
    where bounds.is_default;
    if v_default is null then
        return;
    end if;
    return query execute format(
        'select distinct monitoring_internal.partition_floor($1, stray.%1$I) from only %2$s as stray '
        'where isfinite(stray.%1$I) limit 1000', v_column, v_default)
    using (
        select policy.partition_interval
        from monitoring.partition_policies as policy
        where policy.table_name = p_table
    );
end;
$$;

comment on function monitoring_internal.default_partition_slots(text) is
    'Starts of the partitions that the rows in a table''s default partition belong to, at most 1000.';

-- How many rows wait in the default partition, counted up to 10,000.
create or replace function monitoring_internal.default_partition_rows(p_table text)
returns bigint
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_default regclass;
    v_rows bigint := 0;
begin
    select bounds.partition into v_default
    from monitoring_internal.partition_bounds(to_regclass(p_table)) as bounds
    where bounds.is_default
        and exists (
            select 1 from monitoring.partition_policies as policy where policy.table_name = p_table
        );
    if v_default is not null then
        execute format('select count(*) from (select 1 from only %s limit 10000) as stray', v_default)
        into v_rows;
    end if;
    return v_rows;
end;
$$;

comment on function monitoring_internal.default_partition_rows(text) is
    'Rows in the default partition of a table with a policy, counted up to 10,000. Anything but 0 wants a look.';

-- What is not covered yet of the slots that start at the given times.
-- A slot that partitions of an older grid cover in part yields only what is left of it.
create or replace function monitoring_internal.uncovered_spans(p_table text, p_slots timestamptz[])
returns table (lower_bound timestamptz, upper_bound timestamptz)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with taken as (
        select coalesce(
            range_agg(tstzrange(bounds.lower_bound, bounds.upper_bound)), '{}'::tstzmultirange)
            + tstzmultirange(monitoring_internal.appended_span(p_table)) as spans
        from monitoring_internal.partition_bounds(monitoring_internal.partition_parent(p_table)) as bounds
        where not bounds.is_default
    )
    select lower(gap.span), upper(gap.span)
    from monitoring.partition_policies as policy
    cross join (select distinct requested.start_at from unnest(p_slots) as requested (start_at)) as slot
    cross join taken
    cross join lateral unnest(
        tstzmultirange(tstzrange(
            slot.start_at, monitoring_internal.partition_slot(policy.partition_interval, slot.start_at, 1)
        )) - taken.spans) as gap (span)
    where policy.table_name = p_table;
$$;

comment on function monitoring_internal.uncovered_spans(text, timestamptz[]) is
    'The parts of the slots with the given starts that no partition covers.';

-- Spans that should have a partition and have none: around p_now, and wherever the default holds rows.
create or replace function monitoring_internal.missing_partitions_at(p_table text, p_now timestamptz)
returns table (lower_bound timestamptz, upper_bound timestamptz)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select missing.lower_bound, missing.upper_bound
    from (
        select span.lower_bound, span.upper_bound
        from monitoring_internal.uncovered_spans(p_table, array(
            select monitoring_internal.partition_slot(policy.partition_interval, p_now, step.number)
            from monitoring.partition_policies as policy
            cross join lateral generate_series(-policy.lookback, policy.premake) as step (number)
            where policy.table_name = p_table
        )) as span
        inner join monitoring.partition_policies as policy
            on policy.table_name = p_table
            and coalesce(
                span.upper_bound > p_now - monitoring_internal.partition_retention(policy.table_name), true)
        union
        -- These even when expired: it takes the rows out of the default partition, and the next step drops them.
        select stray.lower_bound, stray.upper_bound
        from monitoring_internal.uncovered_spans(
            p_table, array(select monitoring_internal.default_partition_slots(p_table))) as stray
        union
        select appended.lower_bound, appended.upper_bound
        from monitoring_internal.missing_appended_at(p_table, p_now) as appended
    ) as missing
    order by abs(extract(epoch from missing.lower_bound - p_now));
$$;

comment on function monitoring_internal.missing_partitions_at(text, timestamptz) is
    'Spans around a time, and of rows in the default partition, that no partition covers; nearest first.';

-- Partitions whose storage parameters are not those of the policy.
create or replace function monitoring_internal.unset_partitions(p_table text)
returns table (partition regclass)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select bounds.partition
    from monitoring.partition_policies as policy
    cross join lateral monitoring_internal.partition_bounds(
        monitoring_internal.partition_parent(policy.table_name)) as bounds
    inner join pg_class as class on class.oid = bounds.partition
    where policy.table_name = p_table
        and exists (
            select 1
            from jsonb_each_text(policy.storage_parameters) as parameter
            where parameter.key || '=' || parameter.value <> all (coalesce(class.reloptions, '{}'))
        );
$$;

comment on function monitoring_internal.unset_partitions(text) is
    'Partitions that lack a storage parameter of their policy.';

-- The steps that maintenance of one table would take at a time, in order; of drops p_drops at most, null: all.
-- Whether a partition may be dropped can take long to find out: only as many are asked as are wanted.
create or replace function monitoring_internal.partition_plan_at(
    p_table text, p_now timestamptz, p_drops bigint default null)
returns table (
    action text, partition_name text, lower_bound timestamptz, upper_bound timestamptz, step_number bigint)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select plan.*, row_number() over ()
    from (
        select appended.* from monitoring_internal.append_plan_at(p_table, p_now) as appended
        union all
        select
            'create',
            monitoring_internal.partition_name(p_table, missing.lower_bound),
            missing.lower_bound,
            missing.upper_bound
        from monitoring_internal.missing_partitions_at(p_table, p_now) as missing
        union all
        (
            select 'drop', old.partition::text, old.lower_bound, old.upper_bound
            from (
                select listed.*
                from monitoring_internal.old_partitions_at(p_table, p_now) as listed
                order by listed.upper_bound
                offset 0
            ) as old
            where monitoring_internal.partition_held_by_at(p_table, old.lower_bound, old.upper_bound, p_now) is null
            limit p_drops
        )
        union all
        select 'set', unset.partition::text, null, null
        from monitoring_internal.unset_partitions(p_table) as unset
    ) as plan (action, partition_name, lower_bound, upper_bound);
$$;

comment on function monitoring_internal.partition_plan_at(text, timestamptz, bigint) is
    'What maintenance of a table would do at a time: the steps of append mode, create, drop (so many at most), set; in '
    'that order.';
