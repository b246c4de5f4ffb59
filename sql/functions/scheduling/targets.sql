-- scheduling/targets.sql: runs on other servers: bound to a backend there, and settled by asking that server.
-- Owns bind_target_run, lost_target_runs, settle_target_run with their _at forms, target_lock_key, cancel_target_runs,
-- count_target_end_at.
-- Writes job_leases, job_target_totals and, through end_attempt_at, the ledger.
-- Concurrency: the fence decides who may bind or settle a run. Its overlap lock is held by the backend that executes
-- it, on that server: what is ended here as uncertain and still executes there keeps every later run out.

-- The key of the lock that a job's runs take on a target: two stores that know one server must not share it.
-- Called by: bind_target_run_at.
create or replace function monitoring_internal.target_lock_key(p_job_id integer)
returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select hashtextextended(
        format('pgvigil %s %s %s', system.system_identifier, current_database(), p_job_id), 1886876010)
    from pg_control_system() as system;
$$;

comment on function monitoring_internal.target_lock_key(integer) is
    'The key of the lock that a job''s runs take on a target.';

-- Name the backend that executes a leased run on a target; returns what to execute there first.
-- p_facts is what the session there says of itself: pid, backend_start, system_identifier, server_version_num and
-- server_version. Raises: PV101 lease gone or lapsed, PV130 a target that is gone or disabled, PV604 another cluster
-- than before, PV605 one too old, 57014 somebody asked for the run's end.
create or replace function monitoring_internal.bind_target_run_at(
    p_run_id bigint, p_fence bigint, p_facts jsonb, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_lease monitoring.job_leases;
    v_job monitoring.jobs;
    v_target monitoring.targets;
begin
    update monitoring.job_leases as lease
    set target_backend_pid = (p_facts ->> 'pid')::integer,
        target_backend_started_at = (p_facts ->> 'backend_start')::timestamptz
    where lease.run_id = p_run_id and lease.fence = p_fence
        and lease.backend_pid = pg_backend_pid() and lease.expires_at > p_now
    returning lease.* into v_lease;
    if not found then
        perform monitoring_internal.raise_stale_fence(p_run_id, p_fence);
    end if;
    if v_lease.cancel_reason is not null then
        raise exception using errcode = '57014', message = 'the run was cancelled before it began';
    end if;
    select job.* into v_job from monitoring.jobs as job where job.job_id = v_lease.job_id;
    select target.* into v_target
    from monitoring.targets as target
    where target.target_id = v_lease.target_id and target.is_enabled;
    if not found then
        raise exception using
            errcode = 'PV130',
            message = format('target "%s" of job "%s" is removed or disabled', v_lease.target, v_job.name),
            hint = 'The targets there are: select name, status from monitoring.target_status';
    end if;
    perform monitoring_internal.check_target_facts(v_target, p_facts);
    return monitoring_internal.run_prologue(
        v_job, v_lease, monitoring_internal.target_lock_key(v_job.job_id)::text,
        (p_facts ->> 'server_version_num')::integer);
end;
$$;

comment on function monitoring_internal.bind_target_run_at(bigint, bigint, jsonb, timestamptz) is
    'Names the backend that executes a leased run on a target; returns what to execute there first.';

-- Name the backend that executes a leased run on a target, now.
create or replace function monitoring_internal.bind_target_run(p_run_id bigint, p_fence bigint, p_facts jsonb)
returns text
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.bind_target_run_at(p_run_id, p_fence, p_facts, clock_timestamp());
end;
$$;

comment on function monitoring_internal.bind_target_run(bigint, bigint, jsonb) is
    'Names the backend that executes a leased run on a target; returns what to execute there first.';

-- The runs on targets about which their servers are to be asked: those whose holder is gone or silent, and those that
-- somebody asked to cancel. The question, one row, tells the cluster and whether the backend was still there, and sends
-- it a signal: first cancel, then terminate for what nobody holds any more.
-- A run is handed out again after scheduling.signal_pause, so that two services do not ask at once.
create or replace function monitoring_internal.lost_target_runs_at(p_now timestamptz)
returns table (run_id bigint, fence bigint, job_name text, target text, question text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with lost as materialized (
        select lease.run_id, lease.signal_count,
            lease.cancel_reason is not null and lease.expires_at >= p_now as is_held
        from monitoring.job_leases as lease
        left join pg_stat_get_activity(null) as activity
            on activity.pid = lease.backend_pid
            and coalesce(activity.backend_start = lease.backend_started_at, true)
        where lease.instance_id is not null and lease.target_backend_pid is not null
            and (activity.pid is null or lease.expires_at < p_now or lease.cancel_reason is not null)
            and coalesce(
                lease.signalled_at < p_now - monitoring_internal.setting_interval('scheduling.signal_pause'), true)
        for update of lease skip locked
    )
    update monitoring.job_leases as lease
    set signal_count = lease.signal_count + 1, signalled_at = p_now
    from lost, monitoring.jobs as job
    where lease.run_id = lost.run_id and job.job_id = lease.job_id
    returning lease.run_id, lease.fence, job.name, lease.target, format(
        'select system.system_identifier::text, (select pg_catalog.%s(activity.pid)'
            ' from pg_catalog.pg_stat_activity as activity where activity.pid = %s and activity.backend_start = %L'
            '%s) is not null as is_alive'
            ' from pg_catalog.pg_control_system() as system',
        case when lost.is_held or lost.signal_count = 0 then 'pg_cancel_backend' else 'pg_terminate_backend' end,
        lease.target_backend_pid, lease.target_backend_started_at, (
            select format(' and system.system_identifier = %s', target.system_identifier)
            from monitoring.targets as target
            where target.target_id = lease.target_id and target.system_identifier is not null));
end;
$$;

comment on function monitoring_internal.lost_target_runs_at(timestamptz) is
    'The runs on targets about which their servers are to be asked, with the question.';

-- The same, now.
create or replace function monitoring_internal.lost_target_runs()
returns table (run_id bigint, fence bigint, job_name text, target text, question text)
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select lost.* from monitoring_internal.lost_target_runs_at(clock_timestamp()) as lost;
end;
$$;

comment on function monitoring_internal.lost_target_runs() is
    'The runs on targets about which their servers are to be asked, with the question.';

-- Take a server's answer about a run: null facts, it did not answer. What nobody holds any more ends uncertain, once
-- its backend is gone or its server cannot be asked; while that lives, it stays open. What is held is its holder's.
-- Returns what was done: the status of the end, retrying, alive, held, or gone when the run had ended.
create or replace function monitoring_internal.settle_target_run_at(
    p_run_id bigint, p_fence bigint, p_facts jsonb, p_message text, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_lease monitoring.job_leases;
    v_is_asked boolean;
begin
    select lease.* into v_lease
    from monitoring.job_leases as lease
    where lease.run_id = p_run_id and lease.fence = p_fence
    for update;
    if not found then
        return 'gone';
    end if;
    v_is_asked := p_facts is not null and not exists (
        select from monitoring.targets as target
        where target.target_id = v_lease.target_id
            and target.system_identifier::text <> p_facts ->> 'system_identifier');
    if v_is_asked and (p_facts ->> 'is_alive')::boolean then
        return 'alive';
    elsif v_lease.expires_at >= p_now and exists (
        select from pg_stat_get_activity(v_lease.backend_pid) as activity
        where activity.pid is not null
            and coalesce(activity.backend_start = v_lease.backend_started_at, true))
    then
        return 'held';
    end if;
    return monitoring_internal.end_attempt_at(
        v_lease, 'uncertain', case when v_is_asked then 'backend_lost' else 'target_unreachable' end, null, p_now,
        '08006', case
            when v_is_asked then 'the session that ran it was lost'
            else format('the session that ran it was lost, and its server could not be asked: %s',
                coalesce(p_message, 'another cluster answered'))
        end);
end;
$$;

comment on function monitoring_internal.settle_target_run_at(bigint, bigint, jsonb, text, timestamptz) is
    'Takes a server''s answer about a run of a lost session; returns what was done.';

-- The same, now.
create or replace function monitoring_internal.settle_target_run(
    p_run_id bigint, p_fence bigint, p_facts jsonb, p_message text)
returns text
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.settle_target_run_at(p_run_id, p_fence, p_facts, p_message, clock_timestamp());
end;
$$;

comment on function monitoring_internal.settle_target_run(bigint, bigint, jsonb, text) is
    'Takes a server''s answer about a run of a lost session; returns what was done.';

-- Ask for the end of what a service executes on targets. Returns how many runs that are.
-- Called by: a service that cannot wait for them any longer.
create or replace function monitoring_internal.cancel_target_runs(p_instance_id uuid)
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count integer;
begin
    update monitoring.job_leases as lease
    set cancel_reason = 'requested', signalled_at = null, signal_count = 0
    where lease.instance_id = p_instance_id and lease.target_id is not null and lease.cancel_reason is null;
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;

comment on function monitoring_internal.cancel_target_runs(uuid) is
    'Asks for the end of what a service executes on targets; returns how many runs that are.';

-- Count one end of a run on a target that is still there.
-- Called by: end_run_at.
create or replace function monitoring_internal.count_target_end_at(
    p_lease monitoring.job_leases, p_status text, p_started_at timestamptz, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.job_target_totals as total (
        job_id, target_id, succeeded_total, failed_total, timed_out_total, cancelled_total, skipped_total, missed_total,
        uncertain_total, consecutive_failures, last_status, last_slot_at, last_finished_at, last_success_at,
        last_run_seconds)
    select p_lease.job_id, target.target_id, (p_status = 'succeeded')::integer, (p_status = 'failed')::integer,
        (p_status = 'timed_out')::integer, (p_status = 'cancelled')::integer, (p_status = 'skipped')::integer,
        (p_status = 'missed')::integer, (p_status = 'uncertain')::integer,
        (p_status in ('failed', 'timed_out', 'uncertain'))::integer, p_status, p_lease.slot, p_now,
        case when p_status = 'succeeded' then p_now end, extract(epoch from p_now - p_started_at)
    from monitoring.targets as target
    where target.target_id = p_lease.target_id
    on conflict (job_id, target_id) do update
    set succeeded_total = total.succeeded_total + excluded.succeeded_total,
        failed_total = total.failed_total + excluded.failed_total,
        timed_out_total = total.timed_out_total + excluded.timed_out_total,
        cancelled_total = total.cancelled_total + excluded.cancelled_total,
        skipped_total = total.skipped_total + excluded.skipped_total,
        missed_total = total.missed_total + excluded.missed_total,
        uncertain_total = total.uncertain_total + excluded.uncertain_total,
        consecutive_failures = case when excluded.last_status = 'succeeded' then 0
            else total.consecutive_failures + excluded.consecutive_failures end,
        last_status = excluded.last_status,
        last_slot_at = excluded.last_slot_at,
        last_finished_at = excluded.last_finished_at,
        last_success_at = coalesce(excluded.last_success_at, total.last_success_at),
        last_run_seconds = excluded.last_run_seconds;
end;
$$;

comment on function monitoring_internal.count_target_end_at(
    monitoring.job_leases, text, timestamptz, timestamptz) is
    'Counts one end of a run in the totals of its job on its target.';
