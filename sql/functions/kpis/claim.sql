-- kpis/claim.sql: which KPIs are to be measured, and lease them.
-- Owns align_kpi_states, claim_kpis(_at), next_kpi_delay(_at). Writes kpi_states.
-- Concurrency: any number of services and callers; rows are taken with skip locked.

-- A state for each KPI and tenant it applies to, and none for others.
create or replace function monitoring_internal.align_kpi_states()
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring.kpi_states as state
    where not exists (
        select 1
        from monitoring_internal.kpi_targets as target
        where target.kpi_definition_id = state.kpi_definition_id and target.tenant_id = state.tenant_id);
    insert into monitoring.kpi_states (kpi_definition_id, tenant_id)
    select target.kpi_definition_id, target.tenant_id
    from monitoring_internal.kpi_targets as target
    where not exists (
        select 1
        from monitoring.kpi_states as state
        where state.kpi_definition_id = target.kpi_definition_id and state.tenant_id = target.tenant_id)
    order by target.kpi_definition_id, target.tenant_id
    on conflict do nothing;
$$;

comment on function monitoring_internal.align_kpi_states() is
    'Makes a state for each KPI and tenant it applies to, and removes those that apply no longer.';

-- Lease up to p_limit KPIs: the due ones, or with p_is_forced those not failing too; those that failed come last.
-- A definition that changed is due at once.
create or replace function monitoring_internal.claim_kpis_at(
    p_instance_id uuid, p_limit integer, p_tenant_id uuid, p_is_forced boolean, p_now timestamptz)
returns setof monitoring_internal.claimed_kpi
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.align_kpi_states();
    return query
        with taken as materialized (
            select state.kpi_definition_id, state.tenant_id
            from monitoring.kpi_states as state
            inner join monitoring_internal.kpi_targets as target using (kpi_definition_id, tenant_id)
            where (p_tenant_id is null or state.tenant_id = p_tenant_id)
                and (state.next_due_at <= p_now or target.updated_at > state.finished_at
                    or p_is_forced and state.consecutive_failures = 0
                        and (state.finished_at is null or state.finished_at < p_now))
                and (state.lease_expires_at is null or state.lease_expires_at <= p_now)
            order by state.consecutive_failures, state.next_due_at, state.kpi_definition_id, state.tenant_id
            limit p_limit
            for update of state skip locked
        )
        update monitoring.kpi_states as state
        set lease_expires_at = p_now + target.timeout
                + monitoring_internal.setting_interval('kpi.lease_grace'),
            lease_instance_id = p_instance_id,
            fence = nextval('monitoring_internal.kpi_fence')
        from taken
        inner join monitoring_internal.kpi_targets as target using (kpi_definition_id, tenant_id)
        where state.kpi_definition_id = taken.kpi_definition_id and state.tenant_id = taken.tenant_id
        returning state.kpi_definition_id, state.tenant_id, target.name, target.tenant_name, state.fence,
            ceil(extract(epoch from target.timeout) * 1000)::bigint;
end;
$$;

comment on function monitoring_internal.claim_kpis_at(uuid, integer, uuid, boolean, timestamptz) is
    'Leases KPIs that are due, or all that do not fail, to an instance; each comes with a fence and its time limit.';

-- Lease due KPIs now.
create or replace function monitoring_internal.claim_kpis(p_instance_id uuid, p_limit integer)
returns setof monitoring_internal.claimed_kpi
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select claimed.*
    from monitoring_internal.claim_kpis_at(p_instance_id, p_limit, null, false, clock_timestamp()) as claimed;
$$;

comment on function monitoring_internal.claim_kpis(uuid, integer) is
    'Leases up to so many due KPIs to a service instance.';

-- Seconds until a KPI is due or a lease runs out; null when there is none.
create or replace function monitoring_internal.next_kpi_delay_at(p_now timestamptz)
returns double precision
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select greatest(0, min(
        case
            when state.kpi_definition_id is null or target.updated_at > state.finished_at then 0
            when isfinite(state.next_due_at) then extract(epoch from
                greatest(state.next_due_at, coalesce(state.lease_expires_at, state.next_due_at)) - p_now)
            else 0
        end))::double precision
    from monitoring_internal.kpi_targets as target
    left join monitoring.kpi_states as state using (kpi_definition_id, tenant_id)
    having count(*) > 0;
$$;

comment on function monitoring_internal.next_kpi_delay_at(timestamptz) is
    'Seconds from the time given until a KPI can be claimed.';

-- The same from now.
create or replace function monitoring_internal.next_kpi_delay()
returns double precision
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.next_kpi_delay_at(clock_timestamp());
$$;

comment on function monitoring_internal.next_kpi_delay() is
    'Seconds until a KPI can be claimed: how long a service may sleep.';
