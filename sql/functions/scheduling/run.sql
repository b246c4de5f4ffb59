-- scheduling/run.sql: what the executing session calls around a job's statement.
-- Owns start_run, finish_run, fail_run with their _at forms, milliseconds. Writes, through end_run_at, the ledger.
-- Concurrency: start_run holds the job's advisory lock in the executing backend, because a client that dies does not
-- stop its query; the lock's first key is 1886876010 (the letters pvj and a newline), its second the job.

-- Begin a run in the backend it was leased to: take the job's lock, set the limits of the statements to come.
-- In mode transaction lock and limits end with the transaction, in mode procedure with the session's reset.
-- Raises: PV101 lease gone or lapsed, PV102 the run before it still executes.
create or replace function monitoring_internal.start_run_at(p_run_id bigint, p_fence bigint, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_run record;
    v_is_free boolean;
begin
    select lease.job_id, lease.slot, lease.is_transactional as is_local, job.name, job.timeout, job.lock_timeout
    into v_run
    from monitoring.job_leases as lease
    join monitoring.jobs as job on job.job_id = lease.job_id
    where lease.run_id = p_run_id and lease.fence = p_fence
        and lease.backend_pid = pg_backend_pid() and lease.expires_at > p_now;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    -- Tries, since a commit shows its end a moment before it lets go of its locks.
    for v_try in 1..5 loop
        v_is_free := case
            when v_run.is_local then pg_try_advisory_xact_lock(1886876010, v_run.job_id)
            else pg_try_advisory_lock(1886876010, v_run.job_id)
        end;
        exit when v_is_free;
        perform pg_sleep(0.004);
    end loop;
    if not v_is_free then
        raise exception using
            errcode = 'PV102',
            message = format('the previous run of job "%s" still executes', v_run.name);
    end if;
    -- They hold from the next statement on: a statement's own limit is fixed when it begins.
    perform
        set_config('statement_timeout', monitoring_internal.milliseconds(v_run.timeout), v_run.is_local),
        set_config('lock_timeout', monitoring_internal.milliseconds(v_run.lock_timeout), v_run.is_local),
        set_config('idle_in_transaction_session_timeout', '30s', v_run.is_local),
        set_config('client_connection_check_interval', '1s', v_run.is_local),
        set_config('application_name', left('pgvigil job ' || v_run.name, 63), v_run.is_local),
        -- For the command: which run and slot it serves.
        set_config('pgvigil.run_id', p_run_id::text, v_run.is_local),
        set_config('pgvigil.run_slot', v_run.slot::text, v_run.is_local);
    if v_run.is_local and current_setting('server_version_num')::integer >= 170000 then
        -- A last resort behind statement_timeout, for a command that came in pieces.
        perform set_config(
            'transaction_timeout', monitoring_internal.milliseconds(v_run.timeout + interval '1 minute'), true);
    end if;
end;
$$;

comment on function monitoring_internal.start_run_at(bigint, bigint, timestamptz) is
    'Begins a leased run in this backend: overlap lock and time limits.';

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

-- End a run with the error its statement met: skipped, timed_out, cancelled or failed, by its SQLSTATE.
-- Raises: PV101 when the fence is stale.
create or replace function monitoring_internal.fail_run_at(
    p_run_id bigint, p_fence bigint, p_sqlstate text, p_message text, p_detail text, p_hint text,
    p_started_at timestamptz, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_lease monitoring.job_leases;
    v_timeout interval;
    v_status text;
begin
    select lease.* into v_lease
    from monitoring.job_leases as lease
    where lease.run_id = p_run_id and lease.fence = p_fence;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    select job.timeout into v_timeout from monitoring.jobs as job where job.job_id = v_lease.job_id;
    v_status := case
        when p_sqlstate = 'PV102' then 'skipped'
        -- A statement that reached its limit and one that a person cancelled carry the same code.
        when p_sqlstate = '57014' and p_now - p_started_at >= v_timeout then 'timed_out'
        when p_sqlstate = '57014' then 'cancelled'
        -- The idle and the transaction limit.
        when p_sqlstate in ('25P03', '25P04') then 'timed_out'
        else 'failed'
    end;
    perform monitoring_internal.end_run_at(
        v_lease, v_status, case v_status when 'skipped' then 'overlap' end,
        case when v_status <> 'skipped' then p_started_at end, p_now,
        null, p_sqlstate, p_message, p_detail, p_hint);
    return v_status;
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
