-- scheduling/claim.sql: lease open runs to a service, and give them back.
-- Owns claim_runs_at, claim_runs, claim_due_at, claim_due, wait_until_due_at, release_run, abandon_run.
-- Writes job_leases, job_totals, job_runs.
-- Concurrency: any number of services; runs are taken with skip locked, and each claim raises the fence.

-- Lease waiting runs to the sessions given, one each; a run past its deadline ends missed instead.
-- Units: p_backend_pids and p_backend_starts go together. Called by: claim_due_at.
create or replace function monitoring_internal.claim_runs_at(
    p_instance_id uuid, p_backend_pids integer[], p_backend_starts timestamptz[], p_now timestamptz)
returns setof monitoring_internal.claimed_run
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    -- Read directly: one look-up of a key instead of three calls, in each turn of each service.
    v_lease constant interval := (
        select setting.value::interval from monitoring.settings as setting where setting.name = 'scheduling.lease');
    v_run_ids bigint[];
begin
    v_run_ids := array(
        select lease.run_id
        from monitoring.job_leases as lease
        where lease.instance_id is null and lease.waits_for is null and lease.claimable_at <= p_now
        order by lease.claimable_at
        limit cardinality(p_backend_pids)
        for update skip locked);
    if cardinality(v_run_ids) = 0 then
        return;
    end if;
    -- A run that was begun before and waited for another attempt was not missed.
    perform monitoring_internal.end_run_at(
        lease, case when lease.retry_count > 0 then 'failed' else 'missed' end,
        case when lease.deadline_at < p_now then 'start_deadline' else 'next_slot' end, null, p_now)
    from monitoring.job_leases as lease
    where lease.run_id = any (v_run_ids)
        and (lease.deadline_at < p_now
            or (lease.retry_count > 0 and exists (
                select from monitoring.job_state as state
                where state.job_id = lease.job_id and state.next_due_at <= p_now)));
    if found then
        v_run_ids := array(
            select lease.run_id
            from monitoring.job_leases as lease
            where lease.run_id = any (v_run_ids)
            order by lease.claimable_at);
    end if;
    return query
    update monitoring.job_leases as lease
    set instance_id = p_instance_id,
        fence = lease.fence + 1,
        attempt = lease.attempt + 1,
        backend_pid = p_backend_pids[run.position],
        backend_started_at = p_backend_starts[run.position],
        claimed_at = p_now,
        expires_at = p_now + v_lease
    from unnest(v_run_ids) with ordinality as run (run_id, position), monitoring.jobs as job
    where lease.run_id = run.run_id and job.job_id = lease.job_id
    returning lease.run_id, lease.fence, job.name, job.command, job.mode,
        floor(extract(epoch from job.timeout) * 1000)::bigint, lease.backend_pid, null::bigint,
        quote_ident(job.run_as), lease.target, null::boolean, lease.target_id;
end;
$$;

comment on function monitoring_internal.claim_runs_at(uuid, integer[], timestamptz[], timestamptz) is
    'Leases waiting runs to the sessions given, one each, as of p_now.';

-- Lease waiting runs to the sessions given.
create or replace function monitoring_internal.claim_runs(
    p_instance_id uuid, p_backend_pids integer[], p_backend_starts timestamptz[])
returns setof monitoring_internal.claimed_run
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select run.*
    from monitoring_internal.claim_runs_at(p_instance_id, p_backend_pids, p_backend_starts, clock_timestamp()) as run;
end;
$$;

comment on function monitoring_internal.claim_runs(uuid, integer[], timestamptz[]) is
    'Leases waiting runs to the sessions given, one each.';

-- How long after p_now the next job comes due or the next run that waits may be claimed; null when none will.
-- Runs that wait for another one are looked at when that ends, or at the next poll.
create or replace function monitoring_internal.wait_until_due_at(p_now timestamptz)
returns interval
language sql stable parallel safe
begin atomic
    select least(
        -- The bound keeps the search off the index entries that earlier ticks left behind.
        (select min(state.next_due_at)
         from monitoring.job_state as state
         where state.next_due_at > p_now and state.next_due_at < 'infinity'),
        (select min(lease.claimable_at)
         from monitoring.job_leases as lease
         where lease.instance_id is null and lease.waits_for is null),
        -- Room on a target is looked for again and again.
        (select min(lease.claimable_at)
         from monitoring.job_leases as lease
         where lease.waits_for = 'target')) - p_now;
end;

comment on function monitoring_internal.wait_until_due_at(timestamptz) is
    'Time from p_now until the next job comes due or a waiting run may be claimed; null when none will.';

-- One call does a service's whole turn: lease what waits, open and lease what is due, as many runs as there are
-- sessions, and tell when to come again. The last row has no run, only wait_ms, at most scheduling.poll_interval, and
-- must_signal: runs are to be cancelled.
-- Called by: claim_due.
create or replace function monitoring_internal.claim_due_at(
    p_instance_id uuid, p_backend_pids integer[], p_backend_starts timestamptz[], p_now timestamptz)
returns setof monitoring_internal.claimed_run
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_run_ids bigint[];
    v_taken bigint;
begin
    -- Nobody waits for the disk here: what a run commits lies behind its claim in the WAL, so no crash keeps the one
    -- without the other.
    perform set_config('synchronous_commit', 'off', true);
    if exists (select from monitoring.job_leases as lease where lease.waits_for is not null) then
        perform monitoring_internal.unblock_runs_at(p_now);
    end if;
    return query
    select run.*
    from monitoring_internal.claim_runs_at(p_instance_id, p_backend_pids, p_backend_starts, p_now) as run;
    get diagnostics v_taken = row_count;
    if v_taken < cardinality(p_backend_pids) then
        v_run_ids := monitoring_internal.tick_at(
            cardinality(p_backend_pids) - v_taken::integer, p_now, p_instance_id,
            p_backend_pids[v_taken + 1:], p_backend_starts[v_taken + 1:]);
    end if;
    return query
    select lease.run_id, lease.fence, job.name, job.command, job.mode,
        floor(extract(epoch from job.timeout) * 1000)::bigint, lease.backend_pid, null::bigint,
        quote_ident(job.run_as), lease.target, null::boolean, lease.target_id
    from monitoring.job_leases as lease
    join monitoring.jobs as job on job.job_id = lease.job_id
    where lease.run_id = any (v_run_ids) and lease.instance_id is not null;
    return query
    select null::bigint, null::bigint, null::text, null::text, null::text, null::bigint, null::integer,
        greatest(0, ceil(extract(epoch from least(
            monitoring_internal.wait_until_due_at(p_now),
            (select setting.value::interval from monitoring.settings as setting
             where setting.name = 'scheduling.poll_interval'))) * 1000))::bigint,
        null::text, null::text,
        exists (
            select from monitoring.job_leases as lease
            where lease.cancel_reason is not null and lease.signalled_at is null),
        null::integer;
end;
$$;

comment on function monitoring_internal.claim_due_at(uuid, integer[], timestamptz[], timestamptz) is
    'Leases what waits and what is due to the sessions given, and tells how long nothing more is due.';

-- A service's whole turn, now.
create or replace function monitoring_internal.claim_due(
    p_instance_id uuid, p_backend_pids integer[], p_backend_starts timestamptz[])
returns setof monitoring_internal.claimed_run
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select run.*
    from monitoring_internal.claim_due_at(p_instance_id, p_backend_pids, p_backend_starts, clock_timestamp()) as run;
end;
$$;

comment on function monitoring_internal.claim_due(uuid, integer[], timestamptz[]) is
    'Opens what is due, leases it to the sessions given, and tells how long nothing more is due.';

-- Give back a run whose command was never sent: another claim may have it.
-- Raises: PV101 when the fence is stale.
create or replace function monitoring_internal.release_run(p_run_id bigint, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.job_leases as lease
    set instance_id = null, expires_at = null, backend_pid = null, backend_started_at = null, claimed_at = null,
        target_backend_pid = null, target_backend_started_at = null
    where lease.run_id = p_run_id and lease.fence = p_fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
end;
$$;

comment on function monitoring_internal.release_run(bigint, bigint) is
    'Puts a claimed run that was not started back to those waiting.';

-- Let a lease expire at once: its session was lost, and whether its backend is gone is the reaper's to find out.
-- A run that has ended meanwhile (the COMMIT was lost, not the transaction) is left as it is: false.
create or replace function monitoring_internal.abandon_run(p_run_id bigint, p_fence bigint)
returns boolean
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.job_leases as lease
    set expires_at = '-infinity'
    where lease.run_id = p_run_id and lease.fence = p_fence;
    return found;
end;
$$;

comment on function monitoring_internal.abandon_run(bigint, bigint) is
    'Lets a lease expire now; false when the run had ended after all.';
