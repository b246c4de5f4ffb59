-- scheduling/save.sql: write the definition of a checked job, and where it stands in its schedule.
-- Owns place_job_at, save_job_at, retire_job_at. Writes jobs, job_state, job_totals, job_errors, job_leases, job_runs.
-- Concurrency: callers hold the lock on job_sources, so definitions change one after the other.

-- Set where a job stands in its schedule: at its first slot after p_now, never before.
-- Called by: save_job_at.
create or replace function monitoring_internal.place_job_at(p_job monitoring.jobs, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_slot constant timestamptz := monitoring.cron_next(p_job.schedule, p_now, p_job.time_zone, p_job.dst);
begin
    insert into monitoring.job_state as state (job_id, next_slot_at, next_due_at)
    values (
        p_job.job_id, v_slot, case when p_job.is_enabled then v_slot + p_job.start_delay else 'infinity' end)
    on conflict (job_id) do update
    set next_slot_at = excluded.next_slot_at,
        next_due_at = excluded.next_due_at,
        last_slot_at = least(state.last_slot_at, p_now);
    insert into monitoring.job_totals (job_id) values (p_job.job_id) on conflict (job_id) do nothing;
    delete from monitoring.job_errors as error where error.job_id = p_job.job_id;
end;
$$;

comment on function monitoring_internal.place_job_at(monitoring.jobs, timestamptz) is
    'Lets a job go on at its first slot after p_now.';

-- Save a checked job: added, changed or unchanged. An unchanged schedule keeps its place, so that slots missed while
-- nobody ran are still accounted for; a changed one starts anew and never replays old slots.
-- Called by: apply_jobs_at, schedule_job_at.
create or replace function monitoring_internal.save_job_at(p_job monitoring.jobs, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_bookkeeping constant text[] := array['job_id', 'created_at', 'created_by', 'updated_at', 'source_line'];
    v_old monitoring.jobs;
    v_job monitoring.jobs;
    v_is_changed boolean;
begin
    select job.* into v_old from monitoring.jobs as job where job.name = p_job.name;
    v_is_changed := to_jsonb(p_job) - v_bookkeeping <> to_jsonb(v_old) - v_bookkeeping;
    insert into monitoring.jobs as job (
        name, schedule, command, mode, time_zone, dst, overlap, misfire, misfire_limit, timeout, lock_timeout,
        start_deadline, spread, start_delay, fixed_period, run_as, retry_attempts, retry_base, retry_cap, needs,
        is_fanned_out, database_match, database_except, targets, history, is_enabled, description, source, source_line)
    values (
        p_job.name, p_job.schedule, p_job.command, p_job.mode, p_job.time_zone, p_job.dst, p_job.overlap,
        p_job.misfire, p_job.misfire_limit, p_job.timeout, p_job.lock_timeout, p_job.start_deadline, p_job.spread,
        p_job.start_delay, p_job.fixed_period, p_job.run_as, p_job.retry_attempts, p_job.retry_base, p_job.retry_cap,
        p_job.needs, p_job.is_fanned_out, p_job.database_match, p_job.database_except, p_job.targets, p_job.history,
        p_job.is_enabled, p_job.description, p_job.source, p_job.source_line)
    on conflict (name) do update
    set schedule = p_job.schedule, command = p_job.command, mode = p_job.mode, time_zone = p_job.time_zone,
        dst = p_job.dst, overlap = p_job.overlap, misfire = p_job.misfire, misfire_limit = p_job.misfire_limit,
        timeout = p_job.timeout, lock_timeout = p_job.lock_timeout, start_deadline = p_job.start_deadline,
        spread = p_job.spread, start_delay = p_job.start_delay, fixed_period = p_job.fixed_period,
        run_as = p_job.run_as, retry_attempts = p_job.retry_attempts, retry_base = p_job.retry_base,
        retry_cap = p_job.retry_cap, needs = p_job.needs, is_fanned_out = p_job.is_fanned_out,
        database_match = p_job.database_match, database_except = p_job.database_except, targets = p_job.targets,
        history = p_job.history,
        is_enabled = p_job.is_enabled, description = p_job.description, source = p_job.source,
        source_line = p_job.source_line, retired_at = null
    returning job.* into v_job;
    if v_old.job_id is null
        or v_old.retired_at is not null
        or (v_old.schedule, v_old.time_zone, v_old.dst, v_old.start_delay, v_old.is_enabled)
            is distinct from (v_job.schedule, v_job.time_zone, v_job.dst, v_job.start_delay, v_job.is_enabled)
    then
        perform monitoring_internal.place_job_at(v_job, p_now);
    end if;
    return case
        when v_old.job_id is null or v_old.retired_at is not null then 'added'
        when v_is_changed then 'changed'
        else 'unchanged'
    end;
end;
$$;

comment on function monitoring_internal.save_job_at(monitoring.jobs, timestamptz) is
    'Saves a checked job; returns added, changed or unchanged.';

-- Retire a job: no slot of it comes due any more, runs still waiting are cancelled, its history stays.
-- Called by: apply_jobs_at, unschedule_job_at.
create or replace function monitoring_internal.retire_job_at(p_job_id integer, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.jobs as job set retired_at = p_now where job.job_id = p_job_id;
    update monitoring.job_state as state
    set next_due_at = 'infinity', paused_until = null, pause_reason = null, paused_by = null
    where state.job_id = p_job_id;
    delete from monitoring.job_errors as error where error.job_id = p_job_id;
    perform monitoring_internal.end_run_at(waiting.lease, 'cancelled', 'retired', null, p_now)
    from (
        select lease
        from monitoring.job_leases as lease
        where lease.job_id = p_job_id and lease.instance_id is null
        for update skip locked
    ) as waiting;
end;
$$;

comment on function monitoring_internal.retire_job_at(integer, timestamptz) is
    'Retires a job: nothing of it comes due any more, its history stays.';
