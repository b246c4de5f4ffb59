-- partitions/maintain.sql: the one engine that keeps every partitioned table ahead of the clock and within retention.
-- Owns next_partition_step_at, perform_partition_step_at, record_partition_step_at, maintain_next_partition_at,
-- maintain_next_partition, maintain_partitions_at, maintain_partitions. Writes partition_maintenance.
-- Concurrency: any number of maintainers; one advisory lock orders them, each plans every step anew behind it.

-- The most urgent step for one table that was not yet tried p_attempts times; null when none is left.
create or replace function monitoring_internal.next_partition_step_at(
    p_table text, p_now timestamptz, p_tried text[], p_attempts bigint)
returns monitoring_internal.partition_step
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select
        concat_ws(' ', plan.action, p_table, plan.partition_name),
        p_table,
        plan.action,
        plan.partition_name,
        plan.lower_bound,
        plan.upper_bound,
        null::text,
        null::interval
    from monitoring_internal.partition_plan_at(
        p_table, p_now,
        (
            select count(distinct tried.step) + 1
            from unnest(p_tried) as tried (step)
            where starts_with(tried.step, 'drop ' || p_table || ' ')
        )) as plan
    where cardinality(array_positions(
        p_tried, concat_ws(' ', plan.action, p_table, plan.partition_name))) < p_attempts
    order by plan.step_number
    limit 1;
$$;

comment on function monitoring_internal.next_partition_step_at(text, timestamptz, text[], bigint) is
    'The next step of maintenance for a table at a time, leaving out those tried often enough.';

-- Do one step; returns how many rows it moved out of the default partition.
create or replace function monitoring_internal.perform_partition_step_at(
    p_step monitoring_internal.partition_step, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    case p_step.action
        when 'create' then
            return monitoring_internal.create_partition(p_step.table_name, p_step.lower_bound, p_step.upper_bound);
        when 'drop' then
            perform monitoring_internal.drop_partition_at(
                p_step.table_name, p_step.lower_bound, p_step.upper_bound, p_now);
        when 'set' then
            perform monitoring_internal.set_partition_parameters(
                p_step.table_name, p_step.partition_name::regclass);
        else
            perform monitoring_internal.perform_append_step_at(p_step, p_now);
    end case;
    return 0;
end;
$$;

comment on function monitoring_internal.perform_partition_step_at(
    monitoring_internal.partition_step, timestamptz) is
    'Performs one step of maintenance: create, drop, set or one of append mode; returns the rows moved out of the '
    'default partition.';

-- Count a step's outcome.
create or replace function monitoring_internal.record_partition_step_at(
    p_step monitoring_internal.partition_step, p_moved_rows bigint, p_sqlstate text, p_message text,
    p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.partition_maintenance as maintenance (
        table_name, created_total, dropped_total, moved_rows_total, busy_total, failed_total,
        last_success_at, last_busy_at, last_failure_at, last_failure_sqlstate, last_failure
    )
    select
        p_step.table_name,
        (p_step.outcome = 'done' and p_step.action = 'create')::integer,
        (p_step.outcome = 'done' and p_step.action = 'drop')::integer,
        coalesce(p_moved_rows, 0),
        (p_step.outcome = 'busy')::integer,
        (p_step.outcome = 'failed')::integer,
        case when p_step.outcome = 'done' then p_now end,
        case when p_step.outcome = 'busy' then p_now end,
        case when p_step.outcome = 'failed' then p_now end,
        case when p_step.outcome = 'failed' then p_sqlstate end,
        case when p_step.outcome = 'failed' then p_step.step || ': ' || p_message end
    on conflict (table_name) do update
    set created_total = maintenance.created_total + excluded.created_total,
        dropped_total = maintenance.dropped_total + excluded.dropped_total,
        moved_rows_total = maintenance.moved_rows_total + excluded.moved_rows_total,
        busy_total = maintenance.busy_total + excluded.busy_total,
        failed_total = maintenance.failed_total + excluded.failed_total,
        last_success_at = coalesce(excluded.last_success_at, maintenance.last_success_at),
        last_busy_at = coalesce(excluded.last_busy_at, maintenance.last_busy_at),
        last_failure_at = coalesce(excluded.last_failure_at, maintenance.last_failure_at),
        last_failure_sqlstate = coalesce(excluded.last_failure_sqlstate, maintenance.last_failure_sqlstate),
        last_failure = coalesce(excluded.last_failure, maintenance.last_failure);
$$;

comment on function monitoring_internal.record_partition_step_at(
    monitoring_internal.partition_step, bigint, text, text, timestamptz) is
    'Counts the outcome of a step of maintenance in partition_maintenance.';

-- Do the next step for one table, if any is left; its outcome is done, busy or failed.
-- Isolated: whatever is wrong with one table is recorded and must not stop the others.
create or replace function monitoring_internal.maintain_table_step_at(
    p_table text, p_now timestamptz, p_tried text[], p_attempts bigint)
returns monitoring_internal.partition_step
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_step monitoring_internal.partition_step;
    v_moved_rows bigint;
    v_sqlstate text;
    v_message text;
begin
    if cardinality(array_positions(p_tried, 'plan ' || p_table)) >= p_attempts then
        return null;
    end if;
    begin
        v_step := monitoring_internal.next_partition_step_at(p_table, p_now, p_tried, p_attempts);
        if v_step.step is null then
            return null;
        end if;
        v_moved_rows := monitoring_internal.perform_partition_step_at(v_step, p_now);
        v_step.outcome := 'done';
    exception
        when lock_not_available or deadlock_detected then
            v_step.outcome := 'busy';
        -- Whatever is wrong with this table is recorded with its SQLSTATE and must not stop the other tables.
        when others then
            v_step.outcome := 'failed';
            get stacked diagnostics v_sqlstate = returned_sqlstate, v_message = message_text;
    end;
    v_step.step := coalesce(v_step.step, 'plan ' || p_table);
    v_step.table_name := p_table;
    perform monitoring_internal.record_partition_step_at(v_step, v_moved_rows, v_sqlstate, v_message, p_now);
    return v_step;
end;
$$;

comment on function monitoring_internal.maintain_table_step_at(text, timestamptz, text[], bigint) is
    'Performs and records the next step of maintenance for one table; null when nothing is left to do.';

-- Do the next step there is for any table; null when nothing is left.
-- p_tried names the steps that were busy or failed in this run, once an attempt; "from TABLE" in it leaves out the
-- tables before that one, which the caller knows to be done.
-- Locks: waits for each at most setting partitions.lock_timeout.
create or replace function monitoring_internal.maintain_next_partition_at(p_now timestamptz, p_tried text[])
returns monitoring_internal.partition_step
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    v_attempts constant bigint := monitoring_internal.setting_integer('partitions.attempts');
    v_step monitoring_internal.partition_step;
    v_table text;
begin
    perform set_config(
        'lock_timeout',
        ceil(extract(epoch from monitoring_internal.setting_interval('partitions.lock_timeout')) * 1000)::text,
        true);
    begin
        perform monitoring_internal.lock_partition_maintenance();
    exception
        when lock_not_available then
            v_step.step := 'lock';
            v_step.outcome := 'busy';
    end;
    if v_step.step = 'lock' and cardinality(array_positions(p_tried, 'lock')) >= v_attempts then
        -- Another maintainer is at work: all of this is being done.
        return null;
    end if;
    if v_step.step is null then
        -- A loop, since each table's step must fail alone.
        for v_table in
            select policy.table_name from monitoring.partition_policies as policy
            where policy.is_active and policy.table_name >= coalesce(
                (select substr(mark.word, 6) from unnest(p_tried) as mark (word) where mark.word like 'from %'), '')
            order by policy.table_name
        loop
            v_step := monitoring_internal.maintain_table_step_at(v_table, p_now, p_tried, v_attempts);
            exit when v_step.step is not null;
        end loop;
    end if;
    if v_step.outcome <> 'done' then
        v_step.retry_after := monitoring_internal.setting_interval('partitions.retry_pause')
            * power(2, cardinality(array_positions(p_tried, v_step.step)));
    end if;
    return v_step;
end;
$$;

comment on function monitoring_internal.maintain_next_partition_at(timestamptz, text[]) is
    'Performs the next step of partition maintenance as of a time; null when nothing is left to do.';

-- The same by the database's clock.
create or replace function monitoring_internal.maintain_next_partition(p_tried text[])
returns monitoring_internal.partition_step
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select step.* from monitoring_internal.maintain_next_partition_at(clock_timestamp(), p_tried) as step;
$$;

comment on function monitoring_internal.maintain_next_partition(text[]) is
    'Performs the next step of partition maintenance; null when nothing is left to do.';

-- Maintain every table, one short transaction a step; p_now null stands for the database's clock, read at each step.
-- Given a time, only the owner may run it: the function that takes one is granted to nobody.
-- A busy step is tried again after a pause that doubles, and left to the next run in the end.
create or replace procedure monitoring_internal.maintain_partitions_at(p_now timestamptz)
language plpgsql
as $$
declare
    v_step monitoring_internal.partition_step;
    v_tried text[] := '{}';
    -- Where the last step was: planning all tables anew for each step would take most of the time.
    v_from text[] := '{}';
begin
    loop
        set local search_path = pg_catalog, pg_temp;
        if p_now is null then
            v_step := monitoring_internal.maintain_next_partition(v_tried || v_from);
        else
            v_step := monitoring_internal.maintain_next_partition_at(p_now, v_tried || v_from);
        end if;
        commit;
        -- The last look is at all tables.
        exit when v_step.step is null and v_from = '{}';
        v_from := case when v_step.table_name is null then '{}' else array['from ' || v_step.table_name] end;
        if v_step.outcome <> 'done' then
            v_tried := pg_catalog.array_append(v_tried, v_step.step);
            perform pg_catalog.pg_sleep(extract(epoch from v_step.retry_after));
        end if;
    end loop;
end;
$$;

comment on procedure monitoring_internal.maintain_partitions_at(timestamptz) is
    'maintain_partitions() as of a time, for tests and replay; null stands for the database''s clock.';

-- Make what is missing, drop what is expired, empty the default partitions, for every table with a policy.
create or replace procedure monitoring.maintain_partitions()
language plpgsql
as $$
begin
    set local search_path = pg_catalog, pg_temp;
    call monitoring_internal.maintain_partitions_at(null);
end;
$$;

comment on procedure monitoring.maintain_partitions() is
    'Keeps the partitions of every table in partition_policies: makes those ahead, moves rows out of default '
    'partitions, drops what is past its retention. One short transaction a step. Call it outside a transaction; '
    'any number of callers at once do no harm.';
