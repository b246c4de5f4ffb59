-- scheduling/finish.sql: write how a run ended.
-- Owns end_run_at, record_attempt_at, count_end_at, fold_success_at, close_bucket, raise_stale_fence. Writes
-- job_leases, job_totals, job_runs, job_run_attempts, job_run_rollups.
-- Concurrency: the fence decides who may end a run. In mode transaction this happens inside the job's own transaction,
-- so that its effect and its end stand or fall together.

-- A run that is no longer the caller's.
create or replace function monitoring_internal.raise_stale_fence(p_run_id bigint, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = 'PV101',
        message = format('run %s is no longer held with fence %s', p_run_id, p_fence),
        hint = 'The run ended or was given to another service. What this transaction did is rolled back.';
end;
$$;

comment on function monitoring_internal.raise_stale_fence(bigint, bigint) is 'Raises PV101.';

-- Write the end of an open run and remove its lease.
-- Raises: PV101 when the lease has changed hands. Locks: its lease, then its job's totals.
-- Called by: everything that ends a run.
create or replace function monitoring_internal.end_run_at(
    p_lease monitoring.job_leases, p_status text, p_reason text, p_started_at timestamptz, p_now timestamptz,
    p_affected_rows bigint default null, p_sqlstate text default null, p_message text default null,
    p_detail text default null, p_hint text default null)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
    delete from monitoring.job_leases as lease where lease.run_id = p_lease.run_id and lease.fence = p_lease.fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_lease.run_id, p_lease.fence);
    end if;
    if p_status = 'succeeded' and p_lease.is_folded then
        perform monitoring_internal.fold_success_at(p_lease, p_started_at, p_now);
    else
        perform monitoring_internal.count_end_at(p_lease, p_status, p_started_at, p_now);
        insert into monitoring.job_runs (
            job_id, slot, target, run_id, trigger, status, reason, first_slot_at, planned_at, started_at, finished_at,
            attempt, affected_rows, instance_id, backend_pid, sqlstate, message)
        values (
            p_lease.job_id, p_lease.slot, p_lease.target, p_lease.run_id, p_lease.trigger, p_status, p_reason,
            p_lease.slot, p_lease.planned_at, p_started_at, p_now,
            p_lease.attempt, p_affected_rows, p_lease.instance_id,
            coalesce(p_lease.target_backend_pid, p_lease.backend_pid), p_sqlstate,
            left(p_message, 4096))
        -- A clock that was set back repeats slots: they are counted, and the ledger keeps what it has.
        on conflict (job_id, slot, target) do nothing;
    end if;
    if p_lease.target_id is not null then
        perform monitoring_internal.count_target_end_at(p_lease, p_status, p_started_at, p_now);
    end if;
    -- The attempts of a run that waited for another one are on record already.
    if p_status <> 'succeeded' and p_lease.instance_id is not null then
        perform monitoring_internal.record_attempt_at(
            p_lease, p_status, p_reason, p_started_at, p_now, p_sqlstate, p_message, p_detail, p_hint);
    end if;
    if exists (select from monitoring.job_leases as waiting where waiting.waits_for is not null) then
        perform pg_notify('pgvigil_jobs', '');
    end if;
end;
$$;

comment on function monitoring_internal.end_run_at(
    monitoring.job_leases, text, text, timestamptz, timestamptz, bigint, text, text, text, text) is
    'Ends an open run: its lease goes, its ledger row and its job''s totals are written.';

-- Keep an attempt that did not succeed, with the whole error.
-- Called by: end_run_at, end_attempt_at.
create or replace function monitoring_internal.record_attempt_at(
    p_lease monitoring.job_leases, p_status text, p_reason text, p_started_at timestamptz, p_now timestamptz,
    p_sqlstate text, p_message text, p_detail text, p_hint text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.job_run_attempts (
        run_id, slot, attempt, job_id, status, reason, started_at, finished_at, instance_id, backend_pid,
        signal_count, sqlstate, message, detail, hint)
    values (
        p_lease.run_id, p_lease.slot, p_lease.attempt, p_lease.job_id, p_status, p_reason, p_started_at, p_now,
        p_lease.instance_id, coalesce(p_lease.target_backend_pid, p_lease.backend_pid),
        p_lease.signal_count, p_sqlstate,
        left(p_message, 4096), left(p_detail, 4096), left(p_hint, 4096));
end;
$$;

comment on function monitoring_internal.record_attempt_at(
    monitoring.job_leases, text, text, timestamptz, timestamptz, text, text, text, text) is
    'Keeps an attempt that did not succeed, with the whole error.';

-- Count one end in the job's totals.
-- Called by: end_run_at.
create or replace function monitoring_internal.count_end_at(
    p_lease monitoring.job_leases, p_status text, p_started_at timestamptz, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
    update monitoring.job_totals as total
    set requested_total = total.requested_total + (p_lease.trigger = 'manual')::integer,
        succeeded_total = total.succeeded_total + (p_status = 'succeeded')::integer,
        failed_total = total.failed_total + (p_status = 'failed')::integer,
        timed_out_total = total.timed_out_total + (p_status = 'timed_out')::integer,
        cancelled_total = total.cancelled_total + (p_status = 'cancelled')::integer,
        skipped_total = total.skipped_total + (p_status = 'skipped')::integer,
        missed_total = total.missed_total + (p_status = 'missed')::integer,
        uncertain_total = total.uncertain_total + (p_status = 'uncertain')::integer,
        run_seconds_total = total.run_seconds_total + coalesce(extract(epoch from p_now - p_started_at), 0),
        lateness_seconds_total = total.lateness_seconds_total
            + coalesce(extract(epoch from p_started_at - p_lease.planned_at), 0),
        consecutive_failures = case
            when p_status = 'succeeded' then 0
            when p_status in ('failed', 'timed_out', 'uncertain') then total.consecutive_failures + 1
            else total.consecutive_failures
        end,
        last_status = p_status,
        last_slot_at = p_lease.slot,
        last_finished_at = p_now,
        last_success_at = case when p_status = 'succeeded' then p_now else total.last_success_at end,
        last_run_seconds = extract(epoch from p_now - p_started_at),
        last_lateness_seconds = extract(epoch from p_started_at - p_lease.planned_at)
    where total.job_id = p_lease.job_id;
end;
$$;

comment on function monitoring_internal.count_end_at(monitoring.job_leases, text, timestamptz, timestamptz) is
    'Counts one end of a run in its job''s totals.';

-- Count a success in its job's totals and hour, instead of writing a row of the ledger. One row changes, in place.
-- Called by: end_run_at.
create or replace function monitoring_internal.fold_success_at(
    p_lease monitoring.job_leases, p_started_at timestamptz, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_seconds constant double precision := extract(epoch from p_now - p_started_at);
    v_lateness constant double precision := extract(epoch from p_started_at - p_lease.planned_at);
    v_bucket_at constant timestamptz := date_trunc('hour', p_lease.slot, 'UTC');
begin
    -- Twice at most: the first success of an hour closes the hour before.
    loop
        update monitoring.job_totals as total
        set requested_total = total.requested_total + (p_lease.trigger = 'manual')::integer,
            succeeded_total = total.succeeded_total + 1,
            run_seconds_total = total.run_seconds_total + v_seconds,
            lateness_seconds_total = total.lateness_seconds_total + v_lateness,
            consecutive_failures = 0,
            last_status = 'succeeded',
            last_slot_at = p_lease.slot,
            last_finished_at = p_now,
            last_success_at = p_now,
            last_run_seconds = v_seconds,
            last_lateness_seconds = v_lateness,
            bucket_succeeded = total.bucket_succeeded + 1,
            bucket_run_seconds_total = total.bucket_run_seconds_total + v_seconds,
            bucket_run_seconds_min = least(total.bucket_run_seconds_min, v_seconds),
            bucket_run_seconds_max = greatest(total.bucket_run_seconds_max, v_seconds),
            bucket_lateness_seconds_total = total.bucket_lateness_seconds_total + v_lateness,
            bucket_lateness_seconds_max = greatest(total.bucket_lateness_seconds_max, v_lateness)
        where total.job_id = p_lease.job_id and total.bucket_at = v_bucket_at;
        exit when found;
        perform monitoring_internal.close_bucket(p_lease.job_id, v_bucket_at);
    end loop;
end;
$$;

comment on function monitoring_internal.fold_success_at(monitoring.job_leases, timestamptz, timestamptz) is
    'Counts a success in its job''s totals and hour.';

-- Write the hour that a job's totals were summing as a row of job_run_rollups, and begin another.
-- An hour may be closed twice, when a slot of it ends late: its sums are added up. Called by: fold_success_at.
create or replace function monitoring_internal.close_bucket(p_job_id integer, p_bucket_at timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Locked before it is read: two ends of one job may come at once.
    perform from monitoring.job_totals as total where total.job_id = p_job_id for no key update;
    insert into monitoring.job_run_rollups as rollup (
        job_id, bucket_at, succeeded_total, run_seconds_total, run_seconds_min, run_seconds_max,
        lateness_seconds_total, lateness_seconds_max)
    select total.job_id, total.bucket_at, total.bucket_succeeded, total.bucket_run_seconds_total,
        total.bucket_run_seconds_min, total.bucket_run_seconds_max, total.bucket_lateness_seconds_total,
        total.bucket_lateness_seconds_max
    from monitoring.job_totals as total
    where total.job_id = p_job_id and total.bucket_succeeded > 0 and total.bucket_at <> p_bucket_at
    on conflict (job_id, bucket_at) do update
    set succeeded_total = rollup.succeeded_total + excluded.succeeded_total,
        run_seconds_total = rollup.run_seconds_total + excluded.run_seconds_total,
        run_seconds_min = least(rollup.run_seconds_min, excluded.run_seconds_min),
        run_seconds_max = greatest(rollup.run_seconds_max, excluded.run_seconds_max),
        lateness_seconds_total = rollup.lateness_seconds_total + excluded.lateness_seconds_total,
        lateness_seconds_max = greatest(rollup.lateness_seconds_max, excluded.lateness_seconds_max);
    update monitoring.job_totals as total
    set bucket_at = p_bucket_at,
        bucket_succeeded = 0,
        bucket_run_seconds_total = 0,
        bucket_run_seconds_min = null,
        bucket_run_seconds_max = null,
        bucket_lateness_seconds_total = 0,
        bucket_lateness_seconds_max = null
    where total.job_id = p_job_id and total.bucket_at is distinct from p_bucket_at;
end;
$$;

comment on function monitoring_internal.close_bucket(integer, timestamptz) is
    'Writes the hour that a job''s totals were summing to job_run_rollups and begins another.';
