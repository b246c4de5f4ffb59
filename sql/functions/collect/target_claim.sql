-- collect/target_claim.sql: which collectors are due on targets and in other databases, and lease them to an instance.
-- Owns log_missed_target_collections_at, free_target_slots, lease_target_collections_at, lock_due_targets_at,
-- claim_target_collections(_at), next_target_collection_delay(_at). Writes collector_states, collector_runs and
-- collector_gaps. Any number of instances: a target is claimed from by one at a time, and passed over by the others.

-- Log the runs of expired leases, and the gaps of collectors that were due a whole interval ago, with the reason.
create or replace function monitoring_internal.log_missed_target_collections_at(
    p_target_database_ids integer[], p_collector_ids integer[], p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with claimed as materialized (
        select state.*, target.name as target_name, target.last_failed_at,
            coalesce(collector.custom_every, collector.every) as every
        from unnest(p_target_database_ids, p_collector_ids) as claim (target_database_id, collector_id)
        inner join monitoring.collector_states as state using (target_database_id, collector_id)
        inner join monitoring.collectors as collector using (collector_id)
        inner join monitoring.targets as target on target.target_id = state.target_id
    ), abandoned as (
        insert into monitoring.collector_runs
            (collector_id, target_database_id, started_at, finished_at, duration_seconds, status, reason, instance_id)
        select
            claimed.collector_id, claimed.target_database_id, claimed.claimed_at, p_now,
            extract(epoch from p_now - claimed.claimed_at), 'skipped',
            'the instance that had claimed it did not report', claimed.lease_instance_id
        from claimed
        where claimed.lease_expires_at <= p_now
        returning collector_id, target_database_id, started_at, reason
    ), missed as (
        insert into monitoring.collector_gaps
            (collector_id, target_database_id, started_at, ended_at, status, reason, missed)
        select
            claimed.collector_id, claimed.target_database_id, claimed.next_due_at, p_now, 'skipped',
            case when claimed.last_failed_at >= claimed.next_due_at
                then format('target %s could not be reached', claimed.target_name)
                else 'no service was running it' end,
            floor(extract(epoch from p_now - claimed.next_due_at) / extract(epoch from claimed.every))::bigint
        from claimed
        where claimed.lease_expires_at is null and isfinite(claimed.next_due_at)
            and claimed.next_due_at + claimed.every <= p_now
    )
    select monitoring_internal.note_collector_gaps_at(
        abandoned.collector_id, 'skipped', null,
        jsonb_build_array(jsonb_build_object('labels', '{}'::jsonb, 'reason', abandoned.reason)),
        abandoned.started_at, abandoned.target_database_id)
    from abandoned;
$$;

comment on function monitoring_internal.log_missed_target_collections_at(integer[], integer[], timestamptz) is
    'Logs runs that were not reported and notes the gaps of collectors that were due an interval ago or longer.';

-- How many more runs a target may have at once: one while it cannot be reached, so that trying it holds up nobody.
-- What jobs have there is not free.
create or replace function monitoring_internal.free_target_slots(
    p_target_id integer, p_max_connections integer, p_failures integer, p_now timestamptz)
returns integer
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select least(case when p_failures > 0 then 1 else p_max_connections end, p_max_connections - (
            select count(*)
            from monitoring.job_leases as lease
            where lease.target_id = p_target_id and lease.waits_for is null)::integer) - count(*)::integer
    from monitoring.collector_states as state
    where state.target_id = p_target_id and state.target_database_id <> 0
        and state.lease_expires_at is not null and state.lease_expires_at > p_now;
$$;

comment on function monitoring_internal.free_target_slots(integer, integer, integer, timestamptz) is
    'How many more collections of a target may run at the time given.';

-- Give collectors of some databases to an instance, each with a fence and time limits.
create or replace function monitoring_internal.lease_target_collections_at(
    p_instance_id uuid, p_target_database_ids integer[], p_collector_ids integer[], p_now timestamptz)
returns setof monitoring_internal.claimed_collection
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.collector_states as state
    set claimed_at = p_now,
        -- Connecting, asking for facts and each query may take their whole time.
        lease_expires_at = p_now + monitoring_internal.setting_interval('collect.lease_grace')
            + 2 * monitoring_internal.setting_interval('targets.connect_timeout')
            + work.queries * limits.statement_timeout_ms * interval '1 millisecond',
        lease_instance_id = p_instance_id,
        fence = nextval('monitoring_internal.collection_fence')
    from unnest(p_target_database_ids, p_collector_ids) as claim (target_database_id, collector_id)
    inner join monitoring.collectors as collector on collector.collector_id = claim.collector_id
    inner join monitoring.target_databases as place on place.target_database_id = claim.target_database_id
    inner join monitoring.targets as target on target.target_id = place.target_id
    cross join lateral (
        select
            monitoring_internal.collection_limit_ms(format('collect.%s_timeout', collector.tier))
                as statement_timeout_ms,
            monitoring_internal.collection_limit_ms('collect.lock_timeout') as lock_timeout_ms
    ) as limits
    cross join lateral (
        select count(*) as queries
        from monitoring.collector_queries as query
        where query.collector_id = claim.collector_id
    ) as work
    where state.target_database_id = claim.target_database_id and state.collector_id = claim.collector_id
    returning
        state.collector_id, collector.name, state.fence, limits.statement_timeout_ms, limits.lock_timeout_ms,
        state.target_database_id, target.name, true;
$$;

comment on function monitoring_internal.lease_target_collections_at(uuid, integer[], integer[], timestamptz) is
    'Leases the collectors given, one a database, to an instance.';

-- The targets that have something due and room for it, those first whose oldest has waited the longest, each locked.
create or replace function monitoring_internal.lock_due_targets_at(p_limit integer, p_now timestamptz)
returns integer[]
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select array(
        select target.target_id
        from monitoring.targets as target
        cross join lateral (
            select state.next_due_at
            from monitoring.collector_states as state
            inner join monitoring.collectors as collector
                on collector.collector_id = state.collector_id and collector.is_enabled
            where state.target_id = target.target_id and state.target_database_id <> 0
                and state.next_due_at <= p_now
                and (state.lease_expires_at is null or state.lease_expires_at <= p_now)
            order by state.next_due_at
            limit 1
        ) as oldest
        where target.is_enabled and target.next_try_at <= p_now
            and monitoring_internal.free_target_slots(
                target.target_id, target.max_connections, target.consecutive_failures, p_now) > 0
        order by oldest.next_due_at, target.target_id
        limit p_limit
        for no key update of target skip locked);
$$;

comment on function monitoring_internal.lock_due_targets_at(integer, timestamptz) is
    'Locks the targets from which collections can be claimed, up to so many, the longest waiting first.';

-- Lease up to p_limit due collectors of targets and other databases; those that have been due for the longest first,
-- but no more of one target than it may have at once, and none of one that is waited for.
create or replace function monitoring_internal.claim_target_collections_at(
    p_instance_id uuid, p_limit integer, p_now timestamptz)
returns setof monitoring_internal.claimed_collection
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target_ids integer[];
    v_target_database_ids integer[];
    v_collector_ids integer[];
begin
    perform monitoring_internal.sync_local_databases_at(p_now);
    -- The lock on the target makes the count of its runs, taken by the statement after, exact.
    v_target_ids := monitoring_internal.lock_due_targets_at(p_limit, p_now);
    select array_agg(free.target_database_id), array_agg(free.collector_id)
    into v_target_database_ids, v_collector_ids
    from (
        select due.target_database_id, due.collector_id
        from unnest(v_target_ids) with ordinality as chosen (target_id, place)
        inner join monitoring.targets as target using (target_id)
        cross join lateral (
            select state.target_database_id, state.collector_id, state.next_due_at
            from monitoring.collector_states as state
            inner join monitoring.collectors as collector
                on collector.collector_id = state.collector_id and collector.is_enabled
            where state.target_id = target.target_id and state.target_database_id <> 0
                and state.next_due_at <= p_now
                and (state.lease_expires_at is null or state.lease_expires_at <= p_now)
            order by state.next_due_at
            limit greatest(0, monitoring_internal.free_target_slots(
                target.target_id, target.max_connections, target.consecutive_failures, p_now))
            for update of state skip locked
        ) as due
        order by due.next_due_at, chosen.place
        limit p_limit
    ) as free;
    if v_collector_ids is null then
        return;
    end if;
    perform monitoring_internal.log_missed_target_collections_at(v_target_database_ids, v_collector_ids, p_now);
    return query
        select leased.*
        from monitoring_internal.lease_target_collections_at(
            p_instance_id, v_target_database_ids, v_collector_ids, p_now) as leased;
end;
$$;

comment on function monitoring_internal.claim_target_collections_at(uuid, integer, timestamptz) is
    'Leases due collectors of targets and other databases to an instance, as of a time.';

-- The same now.
create or replace function monitoring_internal.claim_target_collections(p_instance_id uuid, p_limit integer)
returns setof monitoring_internal.claimed_collection
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select claimed.*
    from monitoring_internal.claim_target_collections_at(p_instance_id, p_limit, clock_timestamp()) as claimed;
$$;

comment on function monitoring_internal.claim_target_collections(uuid, integer) is
    'Leases up to so many due collectors of targets and other databases to a service instance.';

-- How long until a collector of a target can be claimed, in seconds; null when there is none.
create or replace function monitoring_internal.next_target_collection_delay_at(p_now timestamptz)
returns double precision
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select greatest(0, case when isfinite(due.due_at) then extract(epoch from due.due_at - p_now) else 0 end)
    from (
        select min(greatest(target.next_try_at, nearest.due_at)) as due_at
        from monitoring.targets as target
        cross join lateral (
            select state.next_due_at as due_at
            from monitoring.collector_states as state
            inner join monitoring.collectors as collector
                on collector.collector_id = state.collector_id and collector.is_enabled
            where state.target_id = target.target_id and state.target_database_id <> 0
                and state.next_due_at < 'infinity' and state.lease_expires_at is null
            order by state.next_due_at
            limit 1
        ) as nearest
        where target.is_enabled
            and monitoring_internal.free_target_slots(
                target.target_id, target.max_connections, target.consecutive_failures, p_now) > 0
    ) as due
    where due.due_at is not null;
$$;

comment on function monitoring_internal.next_target_collection_delay_at(timestamptz) is
    'Seconds from the time given until a collector of a target can be claimed.';

-- The same from now.
create or replace function monitoring_internal.next_target_collection_delay()
returns double precision
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.next_target_collection_delay_at(clock_timestamp());
$$;

comment on function monitoring_internal.next_target_collection_delay() is
    'Seconds until a collector of a target can be claimed: how long a service may sleep.';
