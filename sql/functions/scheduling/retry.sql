-- scheduling/retry.sql: what becomes of an attempt that failed.
-- Owns retry_delay, retry_at, end_attempt_at. Writes job_leases, job_run_attempts and, through end_run_at, the ledger.
-- Concurrency: the fence decides who may end an attempt, as for a run.

-- The pause before a further attempt: doubled with each, at most p_cap, and a half of it by chance.
-- The chance is a hash of run and attempt, so that it can be told again. Called by: retry_at.
create or replace function monitoring_internal.retry_delay(
    p_base interval, p_cap interval, p_retry integer, p_run_id bigint)
returns interval
language sql immutable parallel safe
begin atomic
    select least(p_cap, p_base * power(2, least(p_retry, 40) - 1))
        * (0.5 + (hashint8extended(p_run_id, p_retry) & 1048575) / 2097152.0);
end;

comment on function monitoring_internal.retry_delay(interval, interval, integer, bigint) is
    'Pause before attempt p_retry + 1 of a run: doubled with each, at most p_cap, half of it by chance.';

-- When an open run gets another attempt after a failure; null when it gets none: the job allows no more, its next slot
-- or its start deadline would come before, or somebody asked for its end.
-- Called by: end_attempt_at.
create or replace function monitoring_internal.retry_at(
    p_lease monitoring.job_leases, p_status text, p_now timestamptz)
returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_at timestamptz;
begin
    select p_now + monitoring_internal.retry_delay(
        job.retry_base, job.retry_cap, p_lease.retry_count + 1, p_lease.run_id)
    into v_at
    from monitoring.jobs as job
    where job.job_id = p_lease.job_id and job.retry_attempts > p_lease.retry_count and job.retired_at is null
        and p_lease.cancel_reason is null and p_status in ('failed', 'timed_out');
    if v_at > p_lease.deadline_at or exists (
        select from monitoring.job_state as state
        where state.job_id = p_lease.job_id and state.next_due_at <= v_at)
    then
        return null;
    end if;
    return v_at;
end;
$$;

comment on function monitoring_internal.retry_at(monitoring.job_leases, text, timestamptz) is
    'When an open run gets another attempt after a failure; null: never.';

-- End an attempt: its run waits for the next one, or ends. Returns what it did: retrying, or the status of the end.
-- Raises: PV101 when the lease has changed hands. Called by: fail_run_at, settle_orphans_at.
create or replace function monitoring_internal.end_attempt_at(
    p_lease monitoring.job_leases, p_status text, p_reason text, p_started_at timestamptz, p_now timestamptz,
    p_sqlstate text default null, p_message text default null, p_detail text default null, p_hint text default null)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_retry_at constant timestamptz := monitoring_internal.retry_at(p_lease, p_status, p_now);
begin
    if v_retry_at is null then
        perform monitoring_internal.end_run_at(
            p_lease, p_status, p_reason, p_started_at, p_now, null, p_sqlstate, p_message, p_detail, p_hint);
        return p_status;
    end if;
    update monitoring.job_leases as lease
    set instance_id = null, expires_at = null, backend_pid = null, backend_started_at = null, claimed_at = null,
        signal_count = 0, signalled_at = null, retry_count = lease.retry_count + 1, claimable_at = v_retry_at,
        target_backend_pid = null, target_backend_started_at = null,
        waits_for = case when lease.target_id is not null then 'target' end
    where lease.run_id = p_lease.run_id and lease.fence = p_lease.fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_lease.run_id, p_lease.fence);
    end if;
    perform monitoring_internal.record_attempt_at(
        p_lease, p_status, p_reason, p_started_at, p_now, p_sqlstate, p_message, p_detail, p_hint);
    return 'retrying';
end;
$$;

comment on function monitoring_internal.end_attempt_at(
    monitoring.job_leases, text, text, timestamptz, timestamptz, text, text, text, text) is
    'Ends an attempt: its run waits for the next one, or ends; returns retrying or the status of the end.';
