-- collect/claim.sql: which collectors of this database are due, and lease them to an instance.
-- Owns next_collection_at, settle_collection_times_at, collection_limit_ms, log_abandoned_collections_at,
-- log_missed_collections_at, claim_collections(_at), claim_named_collections(_at), next_collection_delay(_at).
-- Writes collector_states, collector_runs, collector_gaps. Any number of instances: rows are taken with skip locked.

-- The next time after p_now on a collector's grid: the multiples of its interval, shifted by a hash of its name so
-- that collectors of one interval do not all run at once. After failures the interval doubles, up to the limit.
create or replace function monitoring_internal.next_collection_at(
    p_name text, p_every interval, p_failures integer, p_now timestamptz)
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case
            when p_failures >= threshold.failures then p_now + greatest(p_every, least(
                p_every * power(2, least(p_failures - threshold.failures + 1, 20)),
                monitoring_internal.setting_interval('collect.breaker_limit')))
            else to_timestamp(((floor((extract(epoch from p_now) - shift.seconds) / step.seconds) + 1)
                * step.seconds + shift.seconds)::double precision)
        end
        from (select monitoring_internal.setting_integer('collect.breaker_failures') as failures) as threshold
        cross join (select extract(epoch from p_every) as seconds) as step
        cross join lateral (
            select (('x' || left(md5(p_name), 8))::bit(32)::bigint % (step.seconds * 1000)::bigint) / 1000.0 as seconds
        ) as shift
    );
end;
$$;

comment on function monitoring_internal.next_collection_at(text, interval, integer, timestamptz) is
    'When a collector is due next: on its grid, or later the more often it failed.';

-- A clock that ran ahead and was set right left collectors of this database due, or leased, in the future: they are due
-- now. Nothing is due later than its interval or the breaker's limit, and no lease lasts a day.
create or replace function monitoring_internal.settle_collection_times_at(p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.collector_states as state
    set next_due_at = least(state.next_due_at, p_now),
        lease_expires_at = case when state.lease_expires_at is not null then least(state.lease_expires_at, p_now) end
    from monitoring.collectors as collector
    where collector.collector_id = state.collector_id and state.target_database_id = 0
        and isfinite(state.next_due_at)
        and (
            state.next_due_at > p_now + interval '1 minute' + greatest(
                coalesce(collector.custom_every, collector.every),
                monitoring_internal.setting_interval('collect.breaker_limit'))
            or state.lease_expires_at > p_now + interval '1 day');
$$;

comment on function monitoring_internal.settle_collection_times_at(timestamptz) is
    'Makes local collectors due now that a clock which was ahead left due in the future.';

-- The time limit of a tier, in milliseconds.
create or replace function monitoring_internal.collection_limit_ms(p_setting text)
returns bigint
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return ceil(extract(epoch from monitoring_internal.setting_interval(p_setting)) * 1000)::bigint;
end;
$$;

comment on function monitoring_internal.collection_limit_ms(text) is 'A setting of kind interval in milliseconds.';

-- Log the runs whose instance never reported: it died, or lost the database.
create or replace function monitoring_internal.log_abandoned_collections_at(
    p_collector_ids integer[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_run record;
begin
    -- A loop: the gaps of each are noted apart; mostly there is none.
    for v_run in
        insert into monitoring.collector_runs
            (collector_id, started_at, finished_at, duration_seconds, status, reason, instance_id)
        select
            state.collector_id, state.claimed_at, p_now, extract(epoch from p_now - state.claimed_at),
            'skipped', 'the instance that had claimed it did not report', state.lease_instance_id
        from monitoring.collector_states as state
        where state.collector_id = any (p_collector_ids) and state.target_database_id = 0
            and state.lease_expires_at <= p_now
        returning collector_id, started_at, reason
    loop
        perform monitoring_internal.note_collector_gaps_at(
            v_run.collector_id, 'skipped', null,
            jsonb_build_array(jsonb_build_object('labels', '{}'::jsonb, 'reason', v_run.reason)), v_run.started_at);
    end loop;
end;
$$;

comment on function monitoring_internal.log_abandoned_collections_at(integer[], timestamptz) is
    'Logs the runs of expired leases as skipped, and their gaps.';

-- Note the gap of collectors that were due a whole interval ago or longer: nobody ran them.
create or replace function monitoring_internal.log_missed_collections_at(
    p_collector_ids integer[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.collector_gaps (collector_id, started_at, ended_at, status, reason, missed)
    select
        state.collector_id, state.next_due_at, p_now, 'skipped', 'no service was running it',
        floor(extract(epoch from p_now - state.next_due_at) / extract(epoch from step.every))::bigint
    from monitoring.collector_states as state
    inner join monitoring.collectors as collector using (collector_id)
    cross join lateral (select coalesce(collector.custom_every, collector.every) as every) as step
    where state.collector_id = any (p_collector_ids) and state.target_database_id = 0
        and isfinite(state.next_due_at)
        and state.lease_expires_at is null
        and state.next_due_at + step.every <= p_now;
end;
$$;

comment on function monitoring_internal.log_missed_collections_at(integer[], timestamptz) is
    'Notes gaps of collectors that were due an interval ago or longer.';

-- Lease up to p_limit collectors to an instance: the due ones, or those named whether due or not.
create or replace function monitoring_internal.claim_collections_at(
    p_instance_id uuid, p_limit integer, p_names text[], p_now timestamptz)
returns setof monitoring_internal.claimed_collection
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_collector_ids integer[];
    v_grace constant interval := monitoring_internal.setting_interval('collect.lease_grace');
begin
    perform monitoring_internal.settle_collection_times_at(p_now);
    v_collector_ids := array(
        select state.collector_id
        from monitoring.collector_states as state
        inner join monitoring.collectors as collector using (collector_id)
        where state.target_database_id = 0
            and (
                p_names is null and collector.is_enabled and state.next_due_at <= p_now
                or collector.name = any (p_names)
            )
            and (state.lease_expires_at is null or state.lease_expires_at <= p_now)
        order by state.next_due_at, state.collector_id
        limit p_limit
        for update of state skip locked);
    if cardinality(v_collector_ids) = 0 then
        return;
    end if;
    perform monitoring_internal.log_abandoned_collections_at(v_collector_ids, p_now);
    perform monitoring_internal.log_missed_collections_at(v_collector_ids, p_now);
    return query
        update monitoring.collector_states as state
        set claimed_at = p_now,
            lease_expires_at = p_now + limits.statement_timeout_ms * interval '1 millisecond' + v_grace,
            lease_instance_id = p_instance_id,
            fence = nextval('monitoring_internal.collection_fence')
        from monitoring.collectors as collector
        cross join lateral (
            select
                monitoring_internal.collection_limit_ms(format('collect.%s_timeout', collector.tier))
                    as statement_timeout_ms,
                monitoring_internal.collection_limit_ms('collect.lock_timeout') as lock_timeout_ms
        ) as limits
        where state.collector_id = any (v_collector_ids) and collector.collector_id = state.collector_id
            and state.target_database_id = 0
        returning
            state.collector_id, collector.name, state.fence, limits.statement_timeout_ms, limits.lock_timeout_ms,
            state.target_database_id, 'local', false;
end;
$$;

comment on function monitoring_internal.claim_collections_at(uuid, integer, text[], timestamptz) is
    'Leases due or named collectors to an instance; each comes with a fence and its time limits.';

-- Lease due collectors now.
create or replace function monitoring_internal.claim_collections(p_instance_id uuid, p_limit integer)
returns setof monitoring_internal.claimed_collection
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select claimed.*
    from monitoring_internal.claim_collections_at(p_instance_id, p_limit, null, clock_timestamp()) as claimed;
$$;

comment on function monitoring_internal.claim_collections(uuid, integer) is
    'Leases up to so many due collectors to a service instance; null is a caller in SQL.';

-- Lease named collectors, due or not and enabled or not; without names all that are enabled.
-- Raises: PV402.
create or replace function monitoring_internal.claim_named_collections_at(
    p_instance_id uuid, p_names text[], p_now timestamptz)
returns setof monitoring_internal.claimed_collection
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_unknown constant text := (
        select min(wanted.name)
        from unnest(p_names) as wanted (name)
        where not exists (select 1 from monitoring.collectors as collector where collector.name = wanted.name));
begin
    if v_unknown is not null then
        raise exception using
            errcode = 'PV402',
            message = format('collector "%s" does not exist', v_unknown),
            hint = 'The names are in monitoring.collector_status.';
    end if;
    return query
        select claimed.*
        from monitoring_internal.claim_collections_at(
            p_instance_id, null,
            coalesce(nullif(p_names, '{}'), array(
                select collector.name from monitoring.collectors as collector where collector.is_enabled)),
            p_now) as claimed;
end;
$$;

comment on function monitoring_internal.claim_named_collections_at(uuid, text[], timestamptz) is
    'Leases named collectors, due or not, for a run by hand; PV402 when one does not exist.';

-- The same now.
create or replace function monitoring_internal.claim_named_collections(p_instance_id uuid, p_names text[])
returns setof monitoring_internal.claimed_collection
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select claimed.*
    from monitoring_internal.claim_named_collections_at(p_instance_id, p_names, clock_timestamp()) as claimed;
$$;

comment on function monitoring_internal.claim_named_collections(uuid, text[]) is
    'Leases named collectors, due or not, for a run by hand; all that are enabled when none is named.';

-- How long until a collector is due or a lease runs out, in seconds; null when there is none.
create or replace function monitoring_internal.next_collection_delay_at(p_now timestamptz)
returns double precision
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select greatest(0, case when isfinite(due.due_at) then extract(epoch from due.due_at - p_now) else 0 end)
    from (
        select min(greatest(state.next_due_at, coalesce(state.lease_expires_at, '-infinity'))) as due_at
        from monitoring.collector_states as state
        inner join monitoring.collectors as collector using (collector_id)
        where collector.is_enabled and state.target_database_id = 0
    ) as due
    where due.due_at is not null;
$$;

comment on function monitoring_internal.next_collection_delay_at(timestamptz) is
    'Seconds from the time given until a collector can be claimed.';

-- The same from now.
create or replace function monitoring_internal.next_collection_delay()
returns double precision
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.next_collection_delay_at(clock_timestamp());
$$;

comment on function monitoring_internal.next_collection_delay() is
    'Seconds until a collector can be claimed: how long a service may sleep.';
