-- scheduling/schedule.sql: jobs by SQL.
-- Owns schedule_job, unschedule_job, run_job with their _at forms, find_job, tidy_scheduler. Writes jobs, job_state,
-- job_totals, job_leases, service_instances.
-- Concurrency: definitions change one after the other, by the lock on job_sources; run_job asks for no lock at all.

-- The job of a name that is in force.
-- Raises: PV105 when there is none.
create or replace function monitoring_internal.find_job(p_name text)
returns monitoring.jobs
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job monitoring.jobs;
begin
    select job.* into v_job from monitoring.jobs as job where job.name = p_name and job.retired_at is null;
    if not found then
        raise exception using
            errcode = 'PV105',
            message = format('job "%s" does not exist', p_name),
            hint = 'The jobs in force are in monitoring.job_status.';
    end if;
    return v_job;
end;
$$;

comment on function monitoring_internal.find_job(text) is 'The job of that name; PV105 when there is none in force.';

-- Define a job by SQL, or change one that SQL defined.
-- Raises: PV103 with every fault in its detail, PV104 when the name belongs to a file, PV120 and PV121 a role that is
-- not the caller's. Called by: schedule_job.
create or replace function monitoring_internal.schedule_job_at(p_job jsonb, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_checked monitoring_internal.checked_job;
    v_refusal record;
    v_source text;
begin
    lock table monitoring.job_sources in share row exclusive mode;
    v_checked := monitoring_internal.check_job_at(p_job, 'sql', p_now);
    v_checked.faults := v_checked.faults || array(
        select need.message from monitoring_internal.need_faults('sql', array[v_checked]) as need);
    v_refusal := monitoring_internal.role_fault(v_checked.job, monitoring_internal.caller_role());
    if v_refusal.code is not null then
        raise exception using
            errcode = v_refusal.code,
            message = format('job "%s" cannot be scheduled: %s', p_job ->> 'name', v_refusal.message),
            hint = 'Name a role of which you are a member: run_as => ''ROLE''.';
    end if;
    if cardinality(v_checked.faults) > 0 then
        raise exception using
            errcode = 'PV103',
            message = format('job "%s" cannot be scheduled: %s', p_job ->> 'name', v_checked.faults[1]),
            detail = array_to_string(v_checked.faults, E'\n');
    end if;
    select job.source into v_source
    from monitoring.jobs as job
    where job.name = (v_checked.job).name and job.source <> 'sql' and job.retired_at is null;
    if found then
        raise exception using
            errcode = 'PV104',
            message = format('job "%s" is defined by %s', (v_checked.job).name, v_source),
            hint = 'Change it there, or choose another name.';
    end if;
    perform monitoring_internal.save_job_at(v_checked.job, p_now);
    perform pg_notify('pgvigil_jobs', '');
    return (monitoring_internal.find_job((v_checked.job).name)).job_id;
end;
$$;

comment on function monitoring_internal.schedule_job_at(jsonb, timestamptz) is
    'Defines a job by SQL, or changes one, as of p_now.';

-- Define a job, or change one that was defined so. Its first slot is the next one; a change replays nothing.
-- retries is {"attempts": 3, "base": "10s", "cap": "10min"}; databases {"match": regex, "except": regex};
-- targets names of targets, re: with a regular expression, or all.
-- Raises: PV103 a fault in it, PV104 a name that belongs to a file, PV120 and PV121 a role that is not the caller's.
create or replace function monitoring.schedule_job(
    name text, schedule text, command text, mode text default 'transaction', time_zone text default 'UTC',
    timeout interval default '5 minutes', lock_timeout interval default '5 seconds',
    start_deadline interval default null, spread interval default '0', history text default 'auto',
    description text default '', is_enabled boolean default true, dst text default 'once', overlap text default 'skip',
    misfire text default 'last', misfire_limit integer default 100, retries jsonb default null,
    needs text[] default '{}', run_as text default null, databases jsonb default null, targets text[] default null)
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.schedule_job_at(
        jsonb_build_object(
            'name', schedule_job.name, 'schedule', schedule_job.schedule, 'sql', schedule_job.command,
            'mode', schedule_job.mode, 'time_zone', schedule_job.time_zone, 'timeout', schedule_job.timeout,
            'lock_timeout', schedule_job.lock_timeout, 'start_deadline', schedule_job.start_deadline,
            'spread', schedule_job.spread, 'history', schedule_job.history,
            'description', schedule_job.description, 'enabled', schedule_job.is_enabled, 'dst', schedule_job.dst,
            'overlap', schedule_job.overlap, 'misfire', schedule_job.misfire,
            'misfire_limit', schedule_job.misfire_limit, 'retries', schedule_job.retries,
            'needs', to_jsonb(schedule_job.needs), 'run_as', schedule_job.run_as,
            'databases', schedule_job.databases, 'targets', to_jsonb(schedule_job.targets)),
        clock_timestamp());
end;
$$;

comment on function monitoring.schedule_job(
    text, text, text, text, text, interval, interval, interval, interval, text, text, boolean, text, text, text,
    integer, jsonb, text[], text, jsonb, text[]) is
    'Defines a job, or changes one that SQL defined; returns its job_id.';

-- Retire a job that SQL defined.
-- Raises: PV104 when a file defines it, PV105 when there is none, PV123 another job needs it.
-- Called by: unschedule_job.
create or replace function monitoring_internal.unschedule_job_at(p_name text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job monitoring.jobs;
    v_needy text;
begin
    lock table monitoring.job_sources in share row exclusive mode;
    v_job := monitoring_internal.find_job(p_name);
    select job.name into v_needy
    from monitoring.jobs as job
    where job.retired_at is null and p_name = any (job.needs) and job.name <> p_name
    order by job.name
    limit 1;
    if found then
        raise exception using
            errcode = 'PV123',
            message = format('job "%s" is needed by job "%s"', p_name, v_needy),
            hint = 'Take it out of the needs of that job first.';
    end if;
    if v_job.source <> 'sql' then
        raise exception using
            errcode = 'PV104',
            message = format('job "%s" is defined by %s', p_name, v_job.source),
            hint = 'Remove it there and apply the file, or set "enabled: false".';
    end if;
    perform monitoring_internal.retire_job_at(v_job.job_id, p_now);
end;
$$;

comment on function monitoring_internal.unschedule_job_at(text, timestamptz) is
    'Retires a job that SQL defined, as of p_now.';

-- Retire a job that SQL defined: it runs no more, its history stays.
-- Raises: PV104 a job of a file, PV105 no such job, PV123 a job that others need.
create or replace function monitoring.unschedule_job(name text)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.unschedule_job_at(unschedule_job.name, clock_timestamp());
end;
$$;

comment on function monitoring.unschedule_job(text) is 'Retires a job that SQL defined; its history stays.';

-- Ask for one run beside the schedule, in each of its places, or in one of them; a disabled or paused job can be run so
-- as well, and what it needs is not asked for. Returns the number of the first.
-- Raises: PV105, PV125 it would run nowhere, PV131 not in that place. Called by: run_job.
create or replace function monitoring_internal.run_job_at(p_name text, p_target text, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
    v_targets constant text[] := case
        when v_job.is_fanned_out then monitoring_internal.job_targets(v_job) else array[''] end;
    -- Slots of schedules lie on whole milliseconds; one microsecond after, the run has a slot of its own.
    v_slot timestamptz := date_trunc('milliseconds', p_now) + interval '1 microsecond';
    v_run_id bigint;
begin
    if v_targets = '{}' then
        raise exception using
            errcode = 'PV125',
            message = format('no database or target matches those of job "%s"', p_name),
            hint = 'Look at its "databases" and pg_database, or at its "targets" and monitoring.target_status.';
    elsif p_target <> all (v_targets) then
        raise exception using
            errcode = 'PV131',
            message = format('job "%s" does not run on "%s"', p_name, p_target),
            hint = case when v_job.is_fanned_out
                then format('It runs on: %s.', array_to_string(v_targets, ', '))
                else 'It runs in the database of pgvigil alone: name no target.' end;
    end if;
    -- A loop: of two requests at the same moment one takes the next microsecond.
    while v_run_id is null loop
        with opened as (
            insert into monitoring.job_leases as lease (
                job_id, slot, target, target_id, trigger, planned_at, claimable_at, is_folded, is_transactional,
                waits_for)
            select v_job.job_id, v_slot, place.target,
                case when v_job.targets is not null then coalesce(target.target_id, -1) end,
                'manual', p_now, p_now, v_job.history = 'failures',
                v_job.mode = 'transaction' and not v_job.is_fanned_out,
                case
                    when v_job.overlap in ('queue', 'cancel') then 'overlap'
                    when v_job.targets is not null then 'target'
                end
            from unnest(v_targets) as place (target)
            left join monitoring.targets as target on target.name = place.target
            where place.target = coalesce(p_target, place.target)
            on conflict (job_id, slot, target) do nothing
            returning lease.run_id
        )
        select min(opened.run_id) into v_run_id from opened;
        v_slot := v_slot + interval '1 microsecond';
    end loop;
    perform pg_notify('pgvigil_jobs', '');
    return v_run_id;
end;
$$;

comment on function monitoring_internal.run_job_at(text, text, timestamptz) is
    'Asks for one run of a job beside its schedule, everywhere or in one place, as of p_now.';

-- Run a job once, as soon as a service is free: everywhere, or on one of its targets or databases.
-- Returns the number of the run. Raises: PV105, PV125, PV131.
create or replace function monitoring.run_job(name text, target text default null)
returns bigint
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.run_job_at(run_job.name, run_job.target, clock_timestamp());
end;
$$;

comment on function monitoring.run_job(text, text) is
    'Asks for one run of a job as soon as a service is free, on one target if given; returns the number of the run.';

-- Forget services that fell silent long ago. Returns how many.
-- Called by: tidy_scheduler.
create or replace function monitoring_internal.tidy_scheduler_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count integer;
begin
    delete from monitoring.service_instances as instance where instance.seen_at < p_now - interval '1 day';
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;

comment on function monitoring_internal.tidy_scheduler_at(timestamptz) is
    'Forgets services that were not heard of for a day before p_now.';

-- The scheduler's own housekeeping: forget services that fell silent a day ago. Returns how many.
create or replace function monitoring.tidy_scheduler()
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.tidy_scheduler_at(clock_timestamp());
end;
$$;

comment on function monitoring.tidy_scheduler() is
    'The scheduler''s own housekeeping: forgets services not heard of for a day; returns how many.';
