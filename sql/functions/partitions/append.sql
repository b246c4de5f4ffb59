-- partitions/append.sql: the partitions of append mode: made without a key, given one once they are over, then closed.
-- Owns append_parent, appended_span, missing_appended_at, append_plan_at, create_appended_partition, start_append,
-- shrink_append, key_appended, close_appended, perform_append_step_at. Writes packing_state and the tables concerned.
-- Concurrency: callers hold the maintenance lock. What changes where samples go waits for open ingests, up to
-- lock_timeout; a key is built while all but late writers of that partition go on.

-- The table that has a table's partitions of append mode; null when it has no such mode.
create or replace function monitoring_internal.append_parent(p_table text)
returns regclass
language sql stable parallel safe
begin atomic
    select case p_table when 'monitoring.samples' then 'monitoring.appended_samples'::regclass end;
end;

comment on function monitoring_internal.append_parent(text) is
    'The table of the open partitions of append mode of a table; null for tables without that mode.';

-- The span that is left to append mode: in that mode all from its beginning on, else what it has still.
create or replace function monitoring_internal.appended_span(p_table text)
returns tstzrange
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce((
        select tstzrange(state.appended_since,
            case policy.mode when 'append' then 'infinity' else state.appended_until end)
        from monitoring_internal.packing_state as state
        inner join monitoring.partition_policies as policy on policy.table_name = p_table
        where monitoring_internal.append_parent(p_table) is not null and state.appended_since < 'infinity'
    ), 'empty');
$$;

comment on function monitoring_internal.appended_span(text) is
    'The span of a table that its partitions of append mode cover or will cover; empty without any.';

-- The next partition that append mode lacks: each begins where the last one ends.
create or replace function monitoring_internal.missing_appended_at(p_table text, p_now timestamptz)
returns table (lower_bound timestamptz, upper_bound timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select state.appended_until, monitoring_internal.partition_slot(policy.partition_interval, state.appended_until, 1)
    from monitoring.partition_policies as policy
    cross join monitoring_internal.packing_state as state
    where policy.table_name = p_table and policy.mode = 'append'
        and state.appended_until < monitoring_internal.partition_slot(
            policy.partition_interval, p_now, policy.premake + 1);
$$;

comment on function monitoring_internal.missing_appended_at(text, timestamptz) is
    'The next partition that append mode of a table lacks at a time, if any.';

-- What append mode has to do at a time: start, once; shrink, while its last partition is empty and not wanted, since
-- the mode was changed or a clock was ahead; close what has a key, the oldest first; key what is over.
create or replace function monitoring_internal.append_plan_at(p_table text, p_now timestamptz)
returns table (action text, partition_name text, lower_bound timestamptz, upper_bound timestamptz)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_policy monitoring.partition_policies;
    v_over_until constant timestamptz := p_now - monitoring_internal.setting_interval('store.append_delay');
    v_last record;
    v_is_filled boolean;
begin
    select policy.* into v_policy from monitoring.partition_policies as policy where policy.table_name = p_table;
    if monitoring_internal.append_parent(p_table) is null
        or v_policy.mode = 'btree' and isempty(monitoring_internal.appended_span(p_table))
    then
        return;
    elsif isempty(monitoring_internal.appended_span(p_table)) then
        return query select text 'start', p_table, null::timestamptz, null::timestamptz;
        return;
    end if;
    select bounds.* into v_last
    from monitoring_internal.partition_bounds(monitoring_internal.append_parent(p_table)) as bounds
    order by bounds.lower_bound desc limit 1;
    if v_policy.mode = 'btree' and v_last.upper_bound > p_now or v_last.lower_bound
        >= monitoring_internal.partition_slot(v_policy.partition_interval, p_now, v_policy.premake + 2)
    then
        execute format('select exists (select from only %s)', v_last.partition) into v_is_filled;
        if not v_is_filled then
            return query select text 'shrink', v_last.partition::text, v_last.lower_bound, v_last.upper_bound;
        end if;
    end if;
    return query
    select case when keyed.is_keyed then 'close' else 'key' end, bounds.partition::text, bounds.lower_bound,
        bounds.upper_bound
    from monitoring_internal.partition_bounds(monitoring_internal.append_parent(p_table)) as bounds
    cross join lateral (
        select exists (
            select from pg_index as index
            where index.indrelid = bounds.partition and index.indisunique and index.indisvalid) as is_keyed
    ) as keyed
    where bounds.upper_bound <= v_over_until
        and (not keyed.is_keyed or bounds.lower_bound = lower(monitoring_internal.appended_span(p_table)))
    order by keyed.is_keyed desc, bounds.lower_bound;
end;
$$;

comment on function monitoring_internal.append_plan_at(text, timestamptz) is
    'The steps of append mode that a table is due at a time: start, shrink, close, key.';

-- Make the next partition of append mode; returns how many rows came out of the default partition of the table.
-- Locks: as create_partition does, and open ingests are waited for.
create or replace function monitoring_internal.create_appended_partition(
    p_table text, p_lower timestamptz, p_upper timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
declare
    v_parent constant regclass := monitoring_internal.append_parent(p_table);
    v_name constant text := monitoring_internal.partition_name(v_parent::text, p_lower);
    v_moved bigint;
begin
    perform pg_advisory_xact_lock(monitoring_internal.ingest_lock_key());
    execute format('create table %s (like %s including all)', v_name, v_parent);
    -- By it a closed partition is attached to its table unread.
    execute format('alter table %s add constraint appended_check check (sampled_at >= %L and sampled_at < %L)',
        v_name, p_lower, p_upper);
    execute format('alter table %s owner to %s', v_name,
        (select class.relowner::regrole from pg_class as class where class.oid = v_parent));
    perform monitoring_internal.set_partition_parameters(p_table, v_name::regclass);
    execute format('alter table %s enable row level security', v_name);
    v_moved := monitoring_internal.move_default_rows(p_table::regclass, v_name::regclass, p_lower, p_upper);
    execute format(
        'alter table %s attach partition %s for values from (%L) to (%L)', v_parent, v_name, p_lower, p_upper);
    update monitoring_internal.packing_state as state set appended_until = p_upper;
    return v_moved;
end;
$$;

comment on function monitoring_internal.create_appended_partition(text, timestamptz, timestamptz) is
    'Makes the next partition of append mode and moves its rows there from the default partition.';

-- Begin append mode behind the newest partition that has rows; those after it, which have none, are dropped.
create or replace function monitoring_internal.start_append(p_table text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_partition record;
    v_from timestamptz;
begin
    perform pg_advisory_xact_lock(monitoring_internal.ingest_lock_key());
    v_from := greatest(monitoring_internal.newest_row_bound(p_table), monitoring_internal.raw_from(), (
        select monitoring_internal.partition_slot(policy.partition_interval, p_now, 0)
        from monitoring.partition_policies as policy where policy.table_name = p_table));
    -- A loop: each drop is a statement of its own. What the first one covers before v_from is made again.
    for v_partition in
        select bounds.partition
        from monitoring_internal.partition_bounds(p_table::regclass) as bounds
        where bounds.upper_bound > v_from
    loop
        execute format('drop table %s', v_partition.partition);
    end loop;
    update monitoring_internal.packing_state as state set appended_since = v_from, appended_until = v_from;
end;
$$;

comment on function monitoring_internal.start_append(text, timestamptz) is
    'Begins append mode behind the newest partition of a table that has rows.';

-- Drop the last partition of append mode, unless it has got rows. With the last one the mode's span ends.
create or replace function monitoring_internal.shrink_append(p_partition regclass, p_lower timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_filled boolean;
begin
    perform pg_advisory_xact_lock(monitoring_internal.ingest_lock_key());
    execute format('select exists (select from only %s)', p_partition) into v_is_filled;
    if not v_is_filled then
        execute format('drop table %s', p_partition);
        update monitoring_internal.packing_state as state
        set appended_since = case when state.appended_since = p_lower then 'infinity' else state.appended_since end,
            appended_until = case when state.appended_since = p_lower then 'infinity' else p_lower end;
    end if;
end;
$$;

comment on function monitoring_internal.shrink_append(regclass, timestamptz) is
    'Drops the last partition of append mode, which starts at the given time, unless it has rows.';

-- Give a partition that is over its key. Where that fails, some rows are there twice: the first that was stored stays,
-- as the view appended_points has it.
-- Locks: the partition against writers, not readers, until the transaction ends.
create or replace function monitoring_internal.key_appended(p_partition regclass, p_key name)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_deleted bigint := 0;
begin
    execute format('lock table %s in share row exclusive mode', p_partition);
    begin
        execute format('create unique index %I on %s (series_id, sampled_at)', p_key, p_partition);
    exception
        when unique_violation then
            execute format(
                'delete from only %1$s as stored using (select double.ctid as place, row_number() over ('
                'partition by double.series_id, double.sampled_at order by age(double.xmin) desc, double.ctid) '
                'as number from only %1$s as double) as numbered '
                'where numbered.number > 1 and stored.ctid = numbered.place', p_partition);
            get diagnostics v_deleted = row_count;
            execute format('create unique index %I on %s (series_id, sampled_at)', p_key, p_partition);
    end;
    update monitoring_internal.packing_state as state
    set deduplicated_total = state.deduplicated_total + v_deleted where v_deleted > 0;
    return v_deleted;
end;
$$;

comment on function monitoring_internal.key_appended(regclass, name) is
    'Deletes what a partition of append mode holds twice and gives it its key; returns how many rows it deleted.';

-- Make the oldest partition of append mode, which has its key, one of its table. No row is read or written.
-- Locks: readers of append mode are waited for, up to lock_timeout, and open ingests.
create or replace function monitoring_internal.close_appended(
    p_table regclass, p_partition regclass, p_lower timestamptz, p_upper timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
declare
    v_parent constant regclass := monitoring_internal.append_parent(p_table::text);
    v_name constant name := split_part(monitoring_internal.partition_name(p_table::text, p_lower), '.', 2);
    v_index record;
begin
    perform pg_advisory_xact_lock(monitoring_internal.ingest_lock_key());
    execute format('alter table %s detach partition %s', v_parent, p_partition);
    -- A loop over the two indexes: that on times goes, the key becomes the table's.
    for v_index in
        select class.oid::regclass as name, class.relname, index.indisunique as is_key
        from pg_index as index
        inner join pg_class as class on class.oid = index.indexrelid
        where index.indrelid = p_partition
    loop
        execute case when v_index.is_key
            then format('alter table %s add primary key using index %I', p_partition, v_index.relname)
            else format('drop index %s', v_index.name) end;
    end loop;
    execute format('alter table %s rename to %I', p_partition, v_name);
    execute format(
        'alter table %s attach partition %s for values from (%L) to (%L)', p_table, p_partition, p_lower, p_upper);
    execute format('alter table %s drop constraint appended_check', p_partition);
    update monitoring_internal.packing_state as state
    set appended_since = case when state.appended_until = p_upper then 'infinity' else p_upper end,
        appended_until = case when state.appended_until = p_upper then 'infinity' else state.appended_until end;
end;
$$;

comment on function monitoring_internal.close_appended(regclass, regclass, timestamptz, timestamptz) is
    'Makes a partition of append mode that has its key one of its table.';

-- Do one step of append_plan_at().
create or replace function monitoring_internal.perform_append_step_at(
    p_step monitoring_internal.partition_step, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    case p_step.action
        when 'start' then
            perform monitoring_internal.start_append(p_step.table_name, p_now);
        when 'shrink' then
            perform monitoring_internal.shrink_append(p_step.partition_name::regclass, p_step.lower_bound);
        when 'key' then
            perform monitoring_internal.key_appended(p_step.partition_name::regclass, split_part(
                monitoring_internal.partition_name(p_step.table_name, p_step.lower_bound), '.', 2) || '_pkey');
        when 'close' then
            perform monitoring_internal.close_appended(
                p_step.table_name::regclass, p_step.partition_name::regclass, p_step.lower_bound, p_step.upper_bound);
    end case;
end;
$$;

comment on function monitoring_internal.perform_append_step_at(monitoring_internal.partition_step, timestamptz) is
    'Performs one step of append mode: start, shrink, key or close.';
