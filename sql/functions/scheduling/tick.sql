-- scheduling/tick.sql: turn due slots into open runs.
-- Owns planned_slots_at, miss_slots_at, note_schedule_errors_at, open_runs_at, tick_jobs_at, tick_at, tick.
-- Writes job_state, job_leases, job_runs, job_totals, job_errors.
-- Concurrency: any number of services; a job's state row is taken with skip locked, and a slot is unique in job_leases
-- and in job_runs. Locks are taken in the order job_state, job_leases, job_totals.

-- What becomes of each of these jobs, whose next slot has come: its pause, its misfire policy, its start deadline.
-- A paused job is walked to the end of its pause first; what came due after that is the next tick's.
-- Called by: tick_jobs_at.
create or replace function monitoring_internal.planned_slots_at(p_job_ids integer[], p_now timestamptz)
returns setof monitoring_internal.planned_slot
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
    return query
    select
        job.job_id,
        fate.slots[cardinality(fate.slots)],
        step.last_slot_at + job.start_delay,
        step.last_slot_at + job.start_delay + job.start_deadline,
        job.history = 'failures',
        job.mode = 'transaction' and not job.is_fanned_out,
        job.start_delay,
        step.last_slot_at,
        step.slot_count,
        step.next_slot_at,
        coalesce(step.next_slot_at + job.start_delay, p_now + interval '1 minute'),
        state.next_slot_at,
        fate.missed_slot_at,
        step.slot_count - coalesce(cardinality(fate.slots), 0),
        fate.missed_reason,
        step.error_code,
        step.error_message,
        fate.slots,
        case when job.is_fanned_out and fate.slots is not null then monitoring_internal.job_targets(job) end,
        -- Nothing decides over its start but a free session.
        not job.is_fanned_out and job.overlap in ('skip', 'allow') and job.needs = '{}' and job.misfire <> 'all'
            and job.retry_attempts = 0
    from monitoring.job_state as state
    join monitoring.jobs as job on job.job_id = state.job_id
    cross join lateral (
        select coalesce(state.next_slot_at + job.start_delay <= state.paused_until, false) as is_paused
    ) as pause
    -- So many slots of a calendar in one go, that one job's long outage does not hold up the tick of the others.
    cross join lateral monitoring_internal.advance_slots(
        job.schedule, job.time_zone, job.dst, job.fixed_period, state.next_slot_at,
        case when pause.is_paused then least(p_now, state.paused_until) else p_now end - job.start_delay, 5000) as step
    cross join lateral monitoring_internal.slot_fate(
        job, state.next_slot_at, step.previous_slot_at, step.last_slot_at, step.slot_count, step.is_complete,
        pause.is_paused, p_now) as fate
    where state.job_id = any (p_job_ids)
    -- The order in which totals are locked, the same in every tick.
    order by state.job_id;
end;
$$;

comment on function monitoring_internal.planned_slots_at(integer[], timestamptz) is
    'The slots of due jobs: which runs, which are missed, and where each schedule goes on.';

-- Write slots that nobody will serve any more, or that a pause covers, as one row of the ledger.
-- Called by: tick_jobs_at.
create or replace function monitoring_internal.miss_slots_at(p_plan monitoring_internal.planned_slot, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_status constant text := case p_plan.missed_reason when 'paused' then 'skipped' else 'missed' end;
begin
    insert into monitoring.job_runs (
        job_id, slot, run_id, trigger, status, reason, first_slot_at, slot_count, planned_at, finished_at)
    values (
        p_plan.job_id, p_plan.missed_slot_at, nextval('monitoring.job_leases_run_id_seq'), 'schedule', v_status,
        p_plan.missed_reason, p_plan.missed_first_slot_at, p_plan.missed_count,
        p_plan.missed_slot_at + p_plan.start_delay, p_now)
    -- A clock that was set back repeats slots: they are counted, and the ledger keeps what it has.
    on conflict (job_id, slot, target) do nothing;
    update monitoring.job_totals as total
    set missed_total = total.missed_total + case v_status when 'missed' then p_plan.missed_count else 0 end,
        skipped_total = total.skipped_total + case v_status when 'skipped' then p_plan.missed_count else 0 end,
        last_status = v_status,
        last_slot_at = p_plan.missed_slot_at,
        last_finished_at = p_now
    where total.job_id = p_plan.job_id;
    return p_plan.missed_count;
end;
$$;

comment on function monitoring_internal.miss_slots_at(monitoring_internal.planned_slot, timestamptz) is
    'Ends a range of slots as missed, or as skipped by a pause: one row of job_runs, whatever their number.';

-- Remember which jobs of a tick have a schedule that no longer works, and forget those that work again.
-- Called by: tick_jobs_at.
create or replace function monitoring_internal.note_schedule_errors_at(
    p_plans monitoring_internal.planned_slot[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from monitoring.job_errors as error
    using unnest(p_plans) as plan
    where plan.job_id = error.job_id and plan.error_code is null;
    insert into monitoring.job_errors as error (job_id, first_at, last_at, sqlstate, message)
    select plan.job_id, p_now, p_now, plan.error_code, left(plan.error_message, 4096)
    from unnest(p_plans) as plan
    where plan.error_code is not null
    on conflict (job_id) do update
    set last_at = p_now,
        occurrences = error.occurrences + 1,
        sqlstate = excluded.sqlstate,
        message = excluded.message;
end;
$$;

comment on function monitoring_internal.note_schedule_errors_at(monitoring_internal.planned_slot[], timestamptz) is
    'Keeps job_errors in step with a tick.';

-- Open the runs of these due jobs, whose state the caller has locked, and account for the slots before them.
-- With a service, runs that nothing holds up are leased to its sessions at once: a row written once instead of twice.
-- Returns the runs that were leased, and those that anybody may claim. Called by: tick_at, pause_job_at, resume_job_at.
create or replace function monitoring_internal.tick_jobs_at(
    p_job_ids integer[], p_now timestamptz, p_instance_id uuid default null,
    p_backend_pids integer[] default null, p_backend_starts timestamptz[] default null)
returns bigint[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_plans monitoring_internal.planned_slot[];
    v_run_ids bigint[];
begin
    v_plans := array(select plan from monitoring_internal.planned_slots_at(p_job_ids, p_now) as plan);
    update monitoring.job_state as state
    set next_slot_at = coalesce(plan.next_slot_at, state.next_slot_at),
        next_due_at = plan.next_due_at,
        last_slot_at = case when plan.slot_count > 0 then plan.last_slot_at else state.last_slot_at end,
        -- A slot of a job that runs in several places counts once for each.
        due_total = state.due_total + plan.slot_count
            + case when plan.targets is null then 0
                else cardinality(plan.run_slots) * (greatest(cardinality(plan.targets), 1) - 1) end
    from unnest(v_plans) as plan
    where state.job_id = plan.job_id;
    v_run_ids := monitoring_internal.open_runs_at(v_plans, p_now, p_instance_id, p_backend_pids, p_backend_starts);
    perform monitoring_internal.miss_slots_at(plan, p_now) from unnest(v_plans) as plan where plan.missed_count > 0;
    -- Last, since what these wait for may be among the others.
    if exists (select from unnest(v_plans) as plan where not plan.is_plain and plan.run_slots is not null) then
        v_run_ids := v_run_ids || monitoring_internal.open_held_runs_at(v_plans, p_now);
    end if;
    if exists (select from unnest(v_plans) as plan where plan.error_code is not null)
        or exists (select from monitoring.job_errors)
    then
        perform monitoring_internal.note_schedule_errors_at(v_plans, p_now);
    end if;
    return v_run_ids;
end;
$$;

comment on function monitoring_internal.tick_jobs_at(integer[], timestamptz, uuid, integer[], timestamptz[]) is
    'Opens the runs of due jobs as of p_now, leased to the sessions given where nothing holds them up.';

-- Open the runs of up to p_limit due jobs and account for the slots that passed before them.
-- Locks: job_state rows, skip locked. Called by: claim_due_at.
create or replace function monitoring_internal.tick_at(
    p_limit integer, p_now timestamptz, p_instance_id uuid default null,
    p_backend_pids integer[] default null, p_backend_starts timestamptz[] default null)
returns bigint[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
-- Its plans are kept, and were made when the tables held next to nothing: they would read every row, dead ones too.
set enable_seqscan = off
set jit = off
as $$
declare
    v_job_ids constant integer[] := array(
        select state.job_id
        from monitoring.job_state as state
        where state.next_due_at <= p_now
        order by state.next_due_at
        limit p_limit
        for update skip locked);
begin
    if cardinality(v_job_ids) = 0 then
        return array[]::bigint[];
    end if;
    return monitoring_internal.tick_jobs_at(v_job_ids, p_now, p_instance_id, p_backend_pids, p_backend_starts);
end;
$$;

comment on function monitoring_internal.tick_at(integer, timestamptz, uuid, integer[], timestamptz[]) is
    'Opens the runs of due jobs, at most p_limit jobs, as of p_now, leased to the sessions given; returns the runs.';

-- Write the open runs of a tick that nothing holds up, waiting or leased to the sessions given, one each.
-- The unique slot decides, should a schedule ever be turned back: it is opened once. Called by: tick_jobs_at.
create or replace function monitoring_internal.open_runs_at(
    p_plans monitoring_internal.planned_slot[], p_now timestamptz, p_instance_id uuid,
    p_backend_pids integer[], p_backend_starts timestamptz[])
returns bigint[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_expires_at constant timestamptz := case when p_instance_id is not null then p_now + (
        select setting.value::interval from monitoring.settings as setting where setting.name = 'scheduling.lease') end;
    v_claims constant integer := (p_instance_id is not null)::integer;
    v_run_ids bigint[];
begin
    with opened as (
        insert into monitoring.job_leases (
            job_id, slot, planned_at, claimable_at, deadline_at, is_folded, is_transactional,
            attempt, fence, instance_id, backend_pid, backend_started_at, claimed_at, expires_at)
        select plan.job_id, plan.run_slot_at, plan.planned_at, plan.planned_at, plan.deadline_at,
            plan.is_folded, plan.is_transactional, v_claims, v_claims, p_instance_id,
            p_backend_pids[plan.position], p_backend_starts[plan.position],
            case when v_claims = 1 then p_now end, v_expires_at
        from (
            select plan.*, row_number() over () as position
            from unnest(p_plans) as plan
            where plan.is_plain and plan.run_slot_at is not null
        ) as plan
        on conflict (job_id, slot, target) do nothing
        returning run_id
    )
    select array_agg(opened.run_id) into v_run_ids from opened;
    return coalesce(v_run_ids, array[]::bigint[]);
end;
$$;

comment on function monitoring_internal.open_runs_at(
    monitoring_internal.planned_slot[], timestamptz, uuid, integer[], timestamptz[]) is
    'Writes the open runs of a tick, waiting or leased to the sessions given.';

-- Open runs that are due now, for whoever claims them.
create or replace function monitoring_internal.tick(p_limit integer)
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return cardinality(monitoring_internal.tick_at(p_limit, clock_timestamp()));
end;
$$;

comment on function monitoring_internal.tick(integer) is
    'Opens a run for each due job, at most p_limit; returns how many.';
