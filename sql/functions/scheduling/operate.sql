-- scheduling/operate.sql: what an operator does to a job at work: pause, resume, cancel.
-- Owns pause_job, resume_job, cancel_run with their _at forms, settle_slots_at, request_cancel. Writes job_state,
-- job_leases and, through end_run_at, the ledger.
-- Concurrency: a pause waits for the tick of its job, by the state row; a cancellation waits for nobody: a run that is
-- just ending is left to end.

-- Account for the slots of a job that came due so far, as a tick would; the caller goes on with its state row locked.
-- Called by: pause_job_at, resume_job_at.
create or replace function monitoring_internal.settle_slots_at(p_job_id integer, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_due_at timestamptz;
begin
    -- A loop: a pause that ended takes two ticks, a long outage several.
    for v_step in 1..1000 loop
        select state.next_due_at into v_due_at
        from monitoring.job_state as state
        where state.job_id = p_job_id
        for no key update;
        exit when v_due_at > p_now;
        perform monitoring_internal.tick_jobs_at(array[p_job_id], p_now);
    end loop;
end;
$$;

comment on function monitoring_internal.settle_slots_at(integer, timestamptz) is
    'Accounts for the slots of a job that came due so far.';

-- Let no slot of a job start from p_now until p_until.
-- Raises: PV105 no such job, PV124 a pause that would be over already. Called by: pause_job.
create or replace function monitoring_internal.pause_job_at(
    p_name text, p_until timestamptz, p_reason text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
begin
    if p_until <= p_now then
        raise exception using
            errcode = 'PV124',
            message = format('a pause of job "%s" until %s would be over already', p_name, p_until),
            hint = 'Give a time to come, or none for a pause that resume_job() ends.';
    end if;
    perform monitoring_internal.settle_slots_at(v_job.job_id, p_now);
    update monitoring.job_state as state
    set paused_until = coalesce(p_until, 'infinity'), pause_reason = p_reason, paused_by = session_user
    where state.job_id = v_job.job_id;
end;
$$;

comment on function monitoring_internal.pause_job_at(text, timestamptz, text, timestamptz) is
    'Lets no slot of a job start from p_now until p_until.';

-- Let no slot of a job start until then, or until resume_job(): its slots end as skipped (paused).
-- What runs goes on, and run_job() still works. Raises: PV105, PV124.
create or replace function monitoring.pause_job(name text, until timestamptz default null, reason text default null)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.pause_job_at(pause_job.name, pause_job.until, pause_job.reason, clock_timestamp());
end;
$$;

comment on function monitoring.pause_job(text, timestamptz, text) is
    'Lets no slot of a job start until then, or until resume_job(); they end as skipped (paused).';

-- Let a paused job go on at its first slot after p_now. Returns whether it was paused.
-- Raises: PV105. Called by: resume_job.
create or replace function monitoring_internal.resume_job_at(p_name text, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
    v_was_paused boolean;
begin
    perform monitoring_internal.settle_slots_at(v_job.job_id, p_now);
    select state.paused_until > p_now into v_was_paused
    from monitoring.job_state as state
    where state.job_id = v_job.job_id;
    update monitoring.job_state as state
    set paused_until = null, pause_reason = null, paused_by = null
    where state.job_id = v_job.job_id;
    return coalesce(v_was_paused, false);
end;
$$;

comment on function monitoring_internal.resume_job_at(text, timestamptz) is
    'Lets a paused job go on at its first slot after p_now; returns whether it was paused.';

-- Let a paused job go on at its next slot. Returns whether it was paused.
-- Raises: PV105.
create or replace function monitoring.resume_job(name text)
returns boolean
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.resume_job_at(resume_job.name, clock_timestamp());
end;
$$;

comment on function monitoring.resume_job(text) is
    'Lets a paused job go on at its next slot; returns whether it was paused.';

-- Ask for the end of what executes of a job: the next reaper cancels it on the server. Returns how many runs that are.
-- Called by: cancel_run_at, unblock_runs_at.
create or replace function monitoring_internal.request_cancel(
    p_job_id integer, p_target text, p_slot timestamptz, p_reason text)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_count integer;
begin
    update monitoring.job_leases as lease
    set cancel_reason = p_reason, signalled_at = null, signal_count = 0
    where lease.run_id = any (array(
        select running.run_id
        from monitoring.job_leases as running
        where running.job_id = p_job_id and running.instance_id is not null and running.cancel_reason is null
            and running.target = coalesce(p_target, running.target) and running.slot = coalesce(p_slot, running.slot)
        for update skip locked));
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;

comment on function monitoring_internal.request_cancel(integer, text, timestamptz, text) is
    'Asks for the end of what executes of a job; returns how many runs that are.';

-- End the open runs of a job, or those of one slot: what waits at once, what executes by a signal.
-- Raises: PV105. Called by: cancel_run.
create or replace function monitoring_internal.cancel_run_at(p_name text, p_slot timestamptz, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
    v_count integer;
begin
    perform monitoring_internal.end_run_at(waiting.lease, 'cancelled', 'requested', null, p_now)
    from (
        select lease
        from monitoring.job_leases as lease
        where lease.job_id = v_job.job_id and lease.instance_id is null and lease.slot = coalesce(p_slot, lease.slot)
        for update skip locked
    ) as waiting;
    get diagnostics v_count = row_count;
    v_count := v_count + monitoring_internal.request_cancel(v_job.job_id, null, p_slot, 'requested');
    perform pg_notify('pgvigil_jobs', '');
    return v_count;
end;
$$;

comment on function monitoring_internal.cancel_run_at(text, timestamptz, timestamptz) is
    'Ends the open runs of a job, or those of one slot; returns how many.';

-- Cancel the open runs of a job, or those of one slot. What executes is cancelled by a service within moments; a
-- statement that ends before is left as it ended. Returns how many runs were open. Raises: PV105.
create or replace function monitoring.cancel_run(name text, slot timestamptz default null)
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.cancel_run_at(cancel_run.name, cancel_run.slot, clock_timestamp());
end;
$$;

comment on function monitoring.cancel_run(text, timestamptz) is
    'Cancels the open runs of a job, or those of one slot; returns how many there were.';
