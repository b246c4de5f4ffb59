-- scheduling/lease.sql: services, their heartbeats, and the runs they left behind.
-- Owns register_instance, drain_instance, leave_instance, session_identity, extend_leases, settle_orphans, reap_runs.
-- Writes service_instances, job_leases and, through end_run_at, the ledger.
-- Concurrency: any number of services; leases are taken with skip locked, so that neither a heartbeat nor a reaper
-- ever waits for a run that is just ending.

-- Make a service known, or known again.
create or replace function monitoring_internal.register_instance(
    p_instance_id uuid, p_host_name text, p_process_id integer, p_version text)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.service_instances as instance (instance_id, host_name, process_id, version)
    values (p_instance_id, p_host_name, p_process_id, p_version)
    on conflict (instance_id) do update set seen_at = now(), is_draining = false;
end;
$$;

comment on function monitoring_internal.register_instance(uuid, text, integer, text) is
    'Makes a service known; called at its start and after each reconnect.';

-- Note that a service takes no new runs.
create or replace function monitoring_internal.drain_instance(p_instance_id uuid)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.service_instances as instance
    set is_draining = true
    where instance.instance_id = p_instance_id;
end;
$$;

comment on function monitoring_internal.drain_instance(uuid) is 'Notes that a service takes no new runs.';

-- Forget a service that has finished.
create or replace function monitoring_internal.leave_instance(p_instance_id uuid)
returns void
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from monitoring.service_instances as instance where instance.instance_id = p_instance_id;
end;
$$;

comment on function monitoring_internal.leave_instance(uuid) is 'Forgets a service that has finished.';

-- The backend of this session, as leases name it. With the caller's rights: everybody sees his own session.
create or replace function monitoring_internal.session_identity(
    out backend_pid integer, out backend_started_at timestamptz)
language sql stable parallel restricted
begin atomic
    select activity.pid, activity.backend_start
    from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as activity;
end;

comment on function monitoring_internal.session_identity() is 'Process number and start of this session''s backend.';

-- Extend what a service holds; a lease that has lapsed stays lapsed. Returns how many were extended.
create or replace function monitoring_internal.extend_leases_at(p_instance_id uuid, p_now timestamptz)
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
    set expires_at = p_now + monitoring_internal.setting_interval('scheduling.lease')
    where lease.run_id = any (array(
        select held.run_id
        from monitoring.job_leases as held
        where held.instance_id = p_instance_id and held.expires_at > p_now
        for update skip locked));
    get diagnostics v_count = row_count;
    -- A clock that ran ahead and was set right left schedules in the future: they go on from now.
    perform monitoring_internal.place_job_at(job, p_now)
    from (
        select state.job_id
        from monitoring.job_state as state
        where state.last_slot_at > p_now + interval '1 minute' and state.next_due_at < 'infinity'
        for update skip locked
    ) as ahead
    join monitoring.jobs as job on job.job_id = ahead.job_id;
    update monitoring.service_instances as instance set seen_at = p_now where instance.instance_id = p_instance_id;
    return v_count;
end;
$$;

comment on function monitoring_internal.extend_leases_at(uuid, timestamptz) is
    'Extends the leases of a service, as of p_now.';

-- A service's heartbeat.
create or replace function monitoring_internal.extend_leases(p_instance_id uuid)
returns integer
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.extend_leases_at(p_instance_id, clock_timestamp());
end;
$$;

comment on function monitoring_internal.extend_leases(uuid) is 'A service''s heartbeat: extends the leases it holds.';

-- Settle runs whose backend is gone, and name the backends that are to be ended: of expired leases, and of runs that
-- somebody asked to cancel. The caller signals them in the same transaction: the lease stays locked until then, so
-- that the run cannot end and its session begin another meanwhile.
-- The ledger row decides: an open run of mode transaction was not committed, one of mode procedure may have done part
-- of its work. While the backend lives the lease stays, whatever the clock says. A run that was begun on a target is
-- not settled here: its server is asked, see lost_target_runs.
create or replace function monitoring_internal.settle_orphans_at(p_now timestamptz)
returns table (run_id bigint, job_name text, status text, backend_pid integer, backend_started_at timestamptz)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_pause constant interval := monitoring_internal.setting_interval('scheduling.signal_pause');
    v_orphan record;
    v_status text;
begin
    -- A loop: each orphan is settled on its own, and there are few.
    for v_orphan in
        select lease as lease, job.name, activity.pid is not null as is_alive
        from monitoring.job_leases as lease
        join monitoring.jobs as job on job.job_id = lease.job_id
        -- The start is hidden from who may not see that session; its number must do then.
        left join pg_stat_get_activity(null) as activity
            on activity.pid = lease.backend_pid
            and coalesce(activity.backend_start = lease.backend_started_at, true)
        where lease.instance_id is not null and lease.target_backend_pid is null
            and (activity.pid is null or lease.expires_at < p_now or lease.cancel_reason is not null)
        for update of lease skip locked
    loop
        if not v_orphan.is_alive then
            v_status := monitoring_internal.end_attempt_at(
                v_orphan.lease, case
                    -- On a target nothing was begun yet.
                    when not (v_orphan.lease).is_transactional and (v_orphan.lease).target_id is null then 'uncertain'
                    when (v_orphan.lease).cancel_reason is not null then 'cancelled'
                    else 'failed'
                end, case
                    when (v_orphan.lease).is_transactional or (v_orphan.lease).target_id is not null
                    then coalesce((v_orphan.lease).cancel_reason, 'backend_lost')
                    else 'backend_lost'
                end, null, p_now, '08006', 'the session that ran it was lost');
        elsif coalesce((v_orphan.lease).signalled_at < p_now - v_pause, true) then
            v_status := case
                when (v_orphan.lease).signal_count = 0 or (v_orphan.lease).expires_at >= p_now then 'cancel'
                else 'terminate'
            end;
            update monitoring.job_leases as lease
            set signal_count = lease.signal_count + 1, signalled_at = p_now
            where lease.run_id = (v_orphan.lease).run_id;
        else
            continue;
        end if;
        return query select (v_orphan.lease).run_id, v_orphan.name, v_status,
            (v_orphan.lease).backend_pid, (v_orphan.lease).backend_started_at;
    end loop;
end;
$$;

comment on function monitoring_internal.settle_orphans_at(timestamptz) is
    'Ends runs whose backend is gone; for those whose backend lives and should not, says cancel or terminate.';

-- Settle orphans as of now.
create or replace function monitoring_internal.settle_orphans()
returns table (run_id bigint, job_name text, status text, backend_pid integer, backend_started_at timestamptz)
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select orphan.* from monitoring_internal.settle_orphans_at(clock_timestamp()) as orphan;
end;
$$;

comment on function monitoring_internal.settle_orphans() is
    'Ends runs whose backend is gone; for those whose backend lives and should not, says cancel or terminate.';

-- Settle orphans and signal the backends that still work for them. With the caller's rights: a service may signal
-- sessions of its own role, and of no other.
create or replace function monitoring_internal.reap_runs()
returns table (run_id bigint, job_name text, status text, is_signalled boolean)
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select orphan.run_id, orphan.job_name, orphan.status,
        case orphan.status
            when 'cancel' then pg_cancel_backend(orphan.backend_pid)
            when 'terminate' then pg_terminate_backend(orphan.backend_pid)
        end
    from monitoring_internal.settle_orphans() as orphan;
$$;

comment on function monitoring_internal.reap_runs() is
    'Settles the runs of lost sessions and ends the backends of abandoned ones: first cancel, then terminate.';
