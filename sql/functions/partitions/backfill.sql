-- partitions/backfill.sql: partitions on demand, for data from before the installation.
-- Owns policy_for_span_at, create_partitions_at, try_partitions_at, create_partitions. Writes partition_maintenance and
-- the tables that partition_policies names. Concurrency: waits for maintenance; new partitions appear when the
-- transaction commits.

-- The policy by which a span of partitions may be made.
-- Raises: PV303 no policy, PV304 absurd span, PV305 span before the retention.
create or replace function monitoring_internal.policy_for_span_at(
    p_table text, p_from timestamptz, p_to timestamptz, p_now timestamptz)
returns monitoring.partition_policies
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_policy monitoring.partition_policies;
begin
    select policy.* into v_policy from monitoring.partition_policies as policy where policy.table_name = p_table;
    if v_policy.table_name is null then
        raise exception using
            errcode = 'PV303',
            message = format('table "%s" has no partition policy', p_table),
            hint = 'Tables with one are in monitoring.partition_policies.';
    end if;
    if p_from is null or p_to is null or p_from >= p_to
        or not isfinite(p_from) or not isfinite(p_to)
        or (p_to - p_from) / 1000 > v_policy.partition_interval
    then
        raise exception using
            errcode = 'PV304',
            message = 'the span of new partitions must be finite, not empty, and take 1000 partitions at most',
            hint = 'Give from_at before to_at, and call again for a further part of a long span.';
    end if;
    if p_from < p_now - v_policy.retention then
        raise exception using
            errcode = 'PV305',
            message = format(
                'partitions of %s before %s would be dropped at once', p_table, p_now - v_policy.retention),
            hint = 'Lengthen retention in monitoring.partition_policies first.';
    end if;
    return v_policy;
end;
$$;

comment on function monitoring_internal.policy_for_span_at(text, timestamptz, timestamptz, timestamptz) is
    'The policy of a table, after checking that partitions may be made for a span.';

-- The deciding form.
-- Raises: PV303, PV304, PV305.
create or replace function monitoring_internal.create_partitions_at(
    p_table text, p_from timestamptz, p_to timestamptz, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_policy constant monitoring.partition_policies :=
        monitoring_internal.policy_for_span_at(p_table, p_from, p_to, p_now);
    v_step monitoring_internal.partition_step;
    v_slots timestamptz[];
    v_created integer := 0;
begin
    perform monitoring_internal.lock_partition_maintenance();
    select array_agg(
        monitoring_internal.partition_floor(v_policy.partition_interval, edge.at at time zone 'UTC'))
    into v_slots
    from generate_series(
        p_from at time zone 'UTC', p_to at time zone 'UTC', v_policy.partition_interval) as edge (at);
    v_slots := v_slots || monitoring_internal.partition_floor(v_policy.partition_interval, p_to);
    -- A loop, since each partition takes statements of its own.
    for v_step.lower_bound, v_step.upper_bound in
        select span.lower_bound, span.upper_bound
        from monitoring_internal.uncovered_spans(p_table, v_slots) as span
        where span.lower_bound < p_to
        order by span.lower_bound
    loop
        v_step.table_name := p_table;
        v_step.action := 'create';
        v_step.outcome := 'done';
        perform monitoring_internal.record_partition_step_at(
            v_step,
            monitoring_internal.create_partition(p_table, v_step.lower_bound, v_step.upper_bound),
            null, null, p_now);
        v_created := v_created + 1;
    end loop;
    return v_created;
end;
$$;

comment on function monitoring_internal.create_partitions_at(text, timestamptz, timestamptz, timestamptz) is
    'create_partitions as of a time, for tests.';

-- The same for work that can wait for its partitions: false, and counted as busy, when a lock is not had in time.
-- Emptying a default partition locks it exclusively, and behind a long reader everybody would wait with it.
-- Raises: PV303, PV304, PV305. Locks: waits for each at most setting partitions.lock_timeout.
create or replace function monitoring_internal.try_partitions_at(
    p_table text, p_from timestamptz, p_to timestamptz, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    v_step monitoring_internal.partition_step;
begin
    perform set_config(
        'lock_timeout',
        ceil(extract(epoch from monitoring_internal.setting_interval('partitions.lock_timeout')) * 1000)::text,
        true);
    begin
        perform monitoring_internal.create_partitions_at(p_table, p_from, p_to, p_now);
        return true;
    exception
        when lock_not_available or deadlock_detected then
            v_step.table_name := p_table;
            v_step.action := 'create';
            v_step.outcome := 'busy';
    end;
    perform monitoring_internal.record_partition_step_at(v_step, 0, null, null, p_now);
    return false;
end;
$$;

comment on function monitoring_internal.try_partitions_at(text, timestamptz, timestamptz, timestamptz) is
    'create_partitions_at for work that can wait: false, and counted as busy, when a lock is not had in time.';

-- Make the partitions that cover a span of time; returns how many were missing.
-- Raises: PV303 no policy, PV304 absurd span, PV305 span before the retention.
create or replace function monitoring.create_partitions(table_name text, from_at timestamptz, to_at timestamptz)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.create_partitions_at(
        create_partitions.table_name, create_partitions.from_at, create_partitions.to_at, clock_timestamp());
$$;

comment on function monitoring.create_partitions(text, timestamptz, timestamptz) is
    'Makes the partitions of a table that cover a span, such as the past before data is filled in; returns how many.';
