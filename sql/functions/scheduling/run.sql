-- scheduling/run.sql: what the executing session calls around a job's statement.
-- Owns start_run, finish_run, fail_run with their _at forms, lock_job, require_run_as, limit_run, milliseconds.
-- Writes job_leases and, through end_run_at, the ledger.
-- Concurrency: start_run holds the job's advisory lock in the executing backend, because a client that dies does not
-- stop its query; the lock's first key is 1886876010 (the letters pvj and a newline), its second the job.

-- Take the lock of a job in this backend, shared where runs may overlap, for the transaction or the session.
-- Raises: PV102 the run before it still executes. Called by: start_run_at.
create or replace function monitoring_internal.lock_job(p_job monitoring.jobs, p_is_local boolean)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key constant integer := 1886876010;
begin
    -- Tries, since a commit shows its end a moment before it lets go of its locks.
    for v_try in 1..5 loop
        if (case
            when p_job.overlap = 'allow' and p_is_local then pg_try_advisory_xact_lock_shared(v_key, p_job.job_id)
            when p_job.overlap = 'allow' then pg_try_advisory_lock_shared(v_key, p_job.job_id)
            when p_is_local then pg_try_advisory_xact_lock(v_key, p_job.job_id)
            else pg_try_advisory_lock(v_key, p_job.job_id)
        end) then
            return;
        end if;
        perform pg_sleep(0.004);
    end loop;
    raise exception using
        errcode = 'PV102',
        message = format('the previous run of job "%s" still executes', p_job.name);
end;
$$;

comment on function monitoring_internal.lock_job(monitoring.jobs, boolean) is
    'Takes the lock of a job in this backend, which no other run of it can share unless it may overlap.';

-- Refuse a role that the login of this session cannot become.
-- Raises: PV122. Called by: start_run_at.
create or replace function monitoring_internal.require_run_as(p_job monitoring.jobs)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not monitoring_internal.may_become(session_user, p_job.run_as) then
        raise exception using
            errcode = 'PV122',
            message = format('job "%s" runs as %I, of which the service''s login %I is no member', p_job.name,
                p_job.run_as, session_user),
            hint = format('Create the role if it is gone, and let somebody who may run: grant %I to %I', p_job.run_as,
                session_user);
    end if;
end;
$$;

comment on function monitoring_internal.require_run_as(monitoring.jobs) is
    'Refuses a role that the login of this session cannot become.';

-- Begin a run in the backend it was leased to: take the job's lock, set the limits of the statements to come.
-- In mode transaction lock and limits end with the transaction, in the others with the session's reset.
-- Raises: PV101 lease gone or lapsed, PV102 the run before it still executes, PV122 a role that is not the service's,
-- 57014 somebody asked for its end meanwhile.
create or replace function monitoring_internal.start_run_at(p_run_id bigint, p_fence bigint, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_run record;
begin
    select lease.slot, lease.is_transactional as is_local, lease.cancel_reason, job
    into v_run
    from monitoring.job_leases as lease
    join monitoring.jobs as job on job.job_id = lease.job_id
    where lease.run_id = p_run_id and lease.fence = p_fence
        and lease.backend_pid = pg_backend_pid() and lease.expires_at > p_now;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    if v_run.cancel_reason is not null then
        raise exception using errcode = '57014', message = 'the run was cancelled before it began';
    end if;
    perform monitoring_internal.lock_job(v_run.job, v_run.is_local);
    if (v_run.job).run_as is not null then
        perform monitoring_internal.require_run_as(v_run.job);
    end if;
    perform monitoring_internal.limit_run(v_run.job, v_run.is_local);
    perform
        -- For the command: which run and slot it serves.
        set_config('pgvigil.run_id', p_run_id::text, v_run.is_local),
        set_config('pgvigil.run_slot', v_run.slot::text, v_run.is_local);
end;
$$;

comment on function monitoring_internal.start_run_at(bigint, bigint, timestamptz) is
    'Begins a leased run in this backend: overlap lock and time limits.';

-- Set the limits of a job's statement. They hold from the next statement on: a statement's own is fixed as it begins.
-- Called by: start_run_at.
create or replace function monitoring_internal.limit_run(p_job monitoring.jobs, p_is_local boolean)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform
        set_config('statement_timeout', monitoring_internal.milliseconds(p_job.timeout), p_is_local),
        set_config('lock_timeout', monitoring_internal.milliseconds(p_job.lock_timeout), p_is_local),
        set_config('idle_in_transaction_session_timeout', case p_job.mode when 'maintenance' then '0' else '30s' end,
            p_is_local),
        set_config('client_connection_check_interval', '1s', p_is_local),
        set_config('application_name', left('pgvigil job ' || p_job.name, 63), p_is_local);
    if p_job.mode = 'maintenance' then
        perform set_config('idle_session_timeout', '0', p_is_local);
    end if;
    if p_is_local and current_setting('server_version_num')::integer >= 170000 then
        -- A last resort behind statement_timeout, for a command that came in pieces.
        perform set_config(
            'transaction_timeout', monitoring_internal.milliseconds(p_job.timeout + interval '1 minute'), true);
    end if;
end;
$$;

comment on function monitoring_internal.limit_run(monitoring.jobs, boolean) is
    'Sets the time limits of a job''s statement, and its name in pg_stat_activity.';

-- An interval as the text of a time setting.
create or replace function monitoring_internal.milliseconds(p_length interval)
returns text
language sql immutable parallel safe
begin atomic
    select (ceil(extract(epoch from p_length) * 1000))::bigint::text;
end;

comment on function monitoring_internal.milliseconds(interval) is
    'An interval in whole milliseconds, as a setting''s text.';

-- Begin a leased run in this backend.
create or replace function monitoring_internal.start_run(p_run_id bigint, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.start_run_at(p_run_id, p_fence, clock_timestamp());
end;
$$;

comment on function monitoring_internal.start_run(bigint, bigint) is
    'Begins a leased run in this backend: overlap lock and time limits.';

-- End a run succeeded.
-- Raises: PV101 when the fence is stale; the job's effect, in the same transaction, rolls back with it.
create or replace function monitoring_internal.finish_run_at(
    p_run_id bigint, p_fence bigint, p_affected_rows bigint, p_started_at timestamptz, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_lease monitoring.job_leases;
begin
    select lease.* into v_lease
    from monitoring.job_leases as lease
    where lease.run_id = p_run_id and lease.fence = p_fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    perform monitoring_internal.end_run_at(v_lease, 'succeeded', null, p_started_at, p_now, p_affected_rows);
end;
$$;

comment on function monitoring_internal.finish_run_at(bigint, bigint, bigint, timestamptz, timestamptz) is
    'Ends a run succeeded, as of p_now.';

-- End a run succeeded, now.
-- Units: p_elapsed_ms since its start; null: it started with this transaction.
create or replace function monitoring_internal.finish_run(
    p_run_id bigint, p_fence bigint, p_affected_rows bigint default null, p_elapsed_ms double precision default null)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.finish_run_at(
        p_run_id, p_fence, p_affected_rows,
        coalesce(clock_timestamp() - make_interval(secs => p_elapsed_ms / 1000), now()), clock_timestamp());
end;
$$;

comment on function monitoring_internal.finish_run(bigint, bigint, bigint, double precision) is
    'Ends a run succeeded; in mode transaction it is the last statement of the job''s transaction.';

-- End a run with the error its statement met: skipped, timed_out, cancelled or failed, by its SQLSTATE. It may get
-- another attempt (retrying), or have to wait for the run before it (waiting).
-- Raises: PV101 when the fence is stale.
create or replace function monitoring_internal.fail_run_at(
    p_run_id bigint, p_fence bigint, p_sqlstate text, p_message text, p_detail text, p_hint text,
    p_started_at timestamptz, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_lease monitoring.job_leases;
    v_job monitoring.jobs;
    v_status text;
begin
    select lease.* into v_lease
    from monitoring.job_leases as lease
    where lease.run_id = p_run_id and lease.fence = p_fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    select job.* into v_job from monitoring.jobs as job where job.job_id = v_lease.job_id;
    if p_sqlstate = 'PV102' and v_job.overlap in ('queue', 'cancel') then
        update monitoring.job_leases as lease
        set instance_id = null, expires_at = null, backend_pid = null, backend_started_at = null, claimed_at = null,
            target_backend_pid = null, target_backend_started_at = null,
            waits_for = 'overlap', claimable_at = p_now + interval '1 second'
        where lease.run_id = p_run_id;
        return 'waiting';
    end if;
    v_status := case
        when p_sqlstate in ('PV102', 'PV130') then 'skipped'
        when p_sqlstate = '57014' and v_lease.cancel_reason is not null then 'cancelled'
        -- A statement that reached its limit and one that a person cancelled carry the same code.
        when p_sqlstate = '57014' and p_now - p_started_at >= v_job.timeout then 'timed_out'
        when p_sqlstate = '57014' then 'cancelled'
        -- The idle and the transaction limit.
        when p_sqlstate in ('25P03', '25P04') then 'timed_out'
        else 'failed'
    end;
    return monitoring_internal.end_attempt_at(
        v_lease, v_status, case
            when p_sqlstate = 'PV130' then 'no_target'
            when v_status = 'skipped' then 'overlap'
            when v_status = 'cancelled' then v_lease.cancel_reason
        end,
        case when v_status <> 'skipped' then p_started_at end, p_now,
        p_sqlstate, p_message, p_detail, p_hint);
end;
$$;

comment on function monitoring_internal.fail_run_at(
    bigint, bigint, text, text, text, text, timestamptz, timestamptz) is
    'Ends a run with the error its statement met, as of p_now; returns its status.';

-- End a run with the error its statement met, now.
-- Units: p_elapsed_ms since its start.
create or replace function monitoring_internal.fail_run(
    p_run_id bigint, p_fence bigint, p_sqlstate text, p_message text, p_detail text, p_hint text,
    p_elapsed_ms double precision)
returns text
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.fail_run_at(
        p_run_id, p_fence, p_sqlstate, p_message, p_detail, p_hint,
        clock_timestamp() - make_interval(secs => p_elapsed_ms / 1000), clock_timestamp());
end;
$$;

comment on function monitoring_internal.fail_run(bigint, bigint, text, text, text, text, double precision) is
    'Ends a run with the error its statement met; returns its status.';
