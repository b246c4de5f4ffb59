-- kpis/execute.sql: one run of a leased KPI, and its end.
-- Owns finish_kpi(_at), execute_kpi_at, run_kpi, collect_business_metrics(_at). Writes business_metrics, kpi_states.
-- Concurrency: shares the claims with every service and every other caller.

-- Write how a run ended and free the lease.
-- Raises: PV804 when the claim is no longer held.
create or replace function monitoring_internal.finish_kpi_at(
    p_kpi_definition_id integer, p_tenant_id uuid, p_fence bigint, p_status text, p_reason text, p_remedy text,
    p_sqlstate text, p_seconds double precision, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_status constant text := coalesce(p_status, case
        when p_sqlstate is null then 'ok'
        when p_sqlstate = '57014' then 'timed_out'
        -- What it reads is not there, or not to be read.
        when p_sqlstate in ('42P01', '3F000', '42501') then 'unavailable'
        else 'failed'
    end);
begin
    update monitoring.kpi_states as state
    set lease_expires_at = null,
        lease_instance_id = null,
        status = v_status,
        -- An error may quote all that the query gave.
        reason = left(p_reason, 1000),
        remedy = p_remedy,
        sqlstate = p_sqlstate,
        finished_at = p_now,
        last_ok_at = case when v_status = 'ok' then p_now else state.last_ok_at end,
        duration_seconds = p_seconds,
        consecutive_failures = count.failures,
        next_due_at = p_now + case
            -- Relations that are missing are looked for often: that costs next to nothing.
            when v_status = 'unavailable' and p_sqlstate is null then least(definition.every, interval '1 minute')
            else greatest(definition.every, least(
                definition.every * power(2, least(count.failures, 20)),
                monitoring_internal.setting_interval('kpi.backoff_limit')))
        end
    from monitoring.kpi_definitions as definition
    cross join lateral (
        select held.consecutive_failures * (v_status in ('failed', 'timed_out', 'skipped'))::integer
            + (v_status in ('failed', 'timed_out'))::integer as failures
        from monitoring.kpi_states as held
        where held.kpi_definition_id = p_kpi_definition_id and held.tenant_id = p_tenant_id
    ) as count
    where state.kpi_definition_id = p_kpi_definition_id and state.tenant_id = p_tenant_id
        and state.fence = p_fence and state.lease_expires_at is not null
        and definition.kpi_definition_id = p_kpi_definition_id;
    if not found then
        raise exception using
            errcode = 'PV804',
            message = format('claim %s of KPI %s is no longer held', p_fence, p_kpi_definition_id),
            hint = 'Nothing was stored. Another instance has taken it over, or it applies no longer.';
    end if;
    return v_status;
end;
$$;

comment on function monitoring_internal.finish_kpi_at(
    integer, uuid, bigint, text, text, text, text, double precision, timestamptz) is
    'Stores the status of a run of a KPI, when it is due next, and frees its lease; returns the status.';

-- The same now, for a run whose statement was aborted.
create or replace function monitoring_internal.finish_kpi(
    p_kpi_definition_id integer, p_tenant_id uuid, p_fence bigint, p_status text, p_reason text, p_sqlstate text)
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.finish_kpi_at(
        p_kpi_definition_id, p_tenant_id, p_fence, p_status, p_reason, null, p_sqlstate, null, clock_timestamp());
$$;

comment on function monitoring_internal.finish_kpi(integer, uuid, bigint, text, text, text) is
    'Reports a run of a KPI that did not get to its own end; returns its status.';

-- Measure a leased KPI, period by period, and store what it gave; returns how many rows were written.
-- Raises: PV804 lease lost; query_canceled.
create or replace function monitoring_internal.execute_kpi_at(
    p_kpi_definition_id integer, p_tenant_id uuid, p_fence bigint, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target monitoring_internal.kpi_targets;
    v_obstacle record;
    v_period record;
    v_answer record;
    v_rows integer := 0;
begin
    select target.* into v_target
    from monitoring_internal.kpi_targets as target
    where target.kpi_definition_id = p_kpi_definition_id and target.tenant_id = p_tenant_id;
    select obstacle.reason, obstacle.remedy into v_obstacle
    from monitoring_internal.kpi_obstacle(v_target.requires) as obstacle;
    if v_obstacle.reason is not null then
        perform monitoring_internal.finish_kpi_at(
            p_kpi_definition_id, p_tenant_id, p_fence, 'unavailable', v_obstacle.reason, v_obstacle.remedy, null, 0,
            p_now);
        return 0;
    end if;
    -- A loop: each period is a run of the query.
    for v_period in select period.* from monitoring_internal.kpi_periods_at(v_target, p_now) as period loop
        select * into v_answer
        from monitoring_internal.measure_kpi(v_target.query, p_tenant_id, v_period.start_at, v_period.until_at);
        exit when v_answer.fault_code is not null;
        if v_answer.value is not null then
            v_rows := v_rows + monitoring_internal.store_kpi_value_at(
                v_target, v_answer.value, v_period.start_at, v_period.until_at, p_now);
        end if;
    end loop;
    -- How something stood cannot be measured afterwards: the last value of an ended period is its value.
    update monitoring.business_metrics as metric
    set is_partial = false
    where v_target.value_kind = 'instant' and metric.tenant_id = p_tenant_id and metric.metric_name = v_target.name
        and metric.is_partial and metric.period_until <= p_now;
    perform monitoring_internal.finish_kpi_at(
        p_kpi_definition_id, p_tenant_id, p_fence,
        case when v_answer.fault_code is null and v_answer.value is null then 'no_data' end,
        v_answer.reason, null, v_answer.fault_code, null, p_now);
    return v_rows;
end;
$$;

comment on function monitoring_internal.execute_kpi_at(integer, uuid, bigint, timestamptz) is
    'Measures a leased KPI of a tenant as of a time and stores its rows; errors of its query become its status.';

-- Measure a leased KPI now. A time limit belongs at top level, before this statement.
-- Raises: PV804; query_canceled: report it with finish_kpi.
create or replace function monitoring_internal.run_kpi(
    p_kpi_definition_id integer, p_tenant_id uuid, p_fence bigint)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
set max_parallel_workers_per_gather = 0
set work_mem = '16MB'
as $$
    select monitoring_internal.execute_kpi_at(p_kpi_definition_id, p_tenant_id, p_fence, clock_timestamp());
$$;

comment on function monitoring_internal.run_kpi(integer, uuid, bigint) is
    'Measures a KPI that the caller has claimed; returns how many rows were written.';

-- Measure in turn all KPIs that nobody has in hand, under the caller's own time limit: a cancellation stops them, what
-- was measured until then stays, and the rest is noted as skipped.
-- Raises: PV002 when the caller may not act for the tenant.
create or replace function monitoring_internal.collect_business_metrics_at(p_tenant_id uuid, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_claim monitoring_internal.claimed_kpi;
    v_rows integer := 0;
    v_stopped_by text;
begin
    if p_tenant_id is not null then
        perform monitoring_internal.require_visible_tenant(p_tenant_id);
    end if;
    -- A loop: each KPI is isolated from the others' errors.
    for v_claim in
        select claimed.*
        from monitoring_internal.claim_kpis_at(null, null, p_tenant_id, true, p_now) as claimed
    loop
        if v_stopped_by is not null then
            perform monitoring_internal.finish_kpi_at(
                v_claim.kpi_definition_id, v_claim.tenant_id, v_claim.fence, 'skipped',
                format('not run: %s', v_stopped_by), null, null, null, p_now);
            continue;
        end if;
        begin
            v_rows := v_rows + monitoring_internal.execute_kpi_at(
                v_claim.kpi_definition_id, v_claim.tenant_id, v_claim.fence, p_now);
        exception
            when query_canceled then
                v_stopped_by := sqlerrm;
                perform monitoring_internal.finish_kpi_at(
                    v_claim.kpi_definition_id, v_claim.tenant_id, v_claim.fence, null, sqlerrm, null, sqlstate,
                    null, p_now);
            -- What its query is not to blame for: a malformed name in requires, a change too large for its column.
            when others then
                perform monitoring_internal.finish_kpi_at(
                    v_claim.kpi_definition_id, v_claim.tenant_id, v_claim.fence, null, sqlerrm, null, sqlstate,
                    null, p_now);
        end;
    end loop;
    if v_stopped_by is not null then
        raise warning using
            message = format('business metrics stopped: %s', v_stopped_by),
            hint = 'What was measured until then is kept; monitoring.kpi_status shows what was skipped.';
    end if;
    return v_rows;
end;
$$;

comment on function monitoring_internal.collect_business_metrics_at(uuid, timestamptz) is
    'Measures every KPI of a tenant, or of all, as of a time; returns how many rows were written.';

-- The same now.
create or replace function monitoring.collect_business_metrics(target_tenant_id uuid default null)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.collect_business_metrics_at(
        collect_business_metrics.target_tenant_id, clock_timestamp());
$$;

comment on function monitoring.collect_business_metrics(uuid) is
    'Measures every KPI of a tenant (null: of all) and returns how many rows were written. '
    'For monitoring_admin and monitoring_service.';
