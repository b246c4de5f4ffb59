-- scheduling/elsewhere.sql: runs in other databases of the cluster, where nothing of pgvigil is installed.
-- Owns bind_run with its _at form, run_prologue, held_backends. Writes job_leases.
-- Concurrency: the fence decides who may bind a run. Its lease names the backend that executes it, in whatever
-- database, so that it is cancelled, ended and settled like any other; that backend holds its overlap lock, there.

-- The statements that go before a run's command where pgvigil is not: limits, lock, role.
-- Called by: bind_run_at, bind_target_run_at.
create or replace function monitoring_internal.run_prologue(
    p_job monitoring.jobs, p_lease monitoring.job_leases, p_lock_key text, p_server_version_num integer)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_local constant boolean := p_job.mode = 'transaction';
    v_lock constant text := format('pg_catalog.pg_try_advisory_%slock%s(%s)',
        case when v_is_local then 'xact_' else '' end, case p_job.overlap when 'allow' then '_shared' else '' end,
        p_lock_key);
begin
    return case when v_is_local then 'begin; ' else '' end
        || (
            select string_agg(format('set %s%s = %L; ', case when v_is_local then 'local ' else '' end,
                setting.name, setting.value), '' order by setting.position)
            from (values
                (1, 'statement_timeout', monitoring_internal.milliseconds(p_job.timeout)),
                (2, 'lock_timeout', monitoring_internal.milliseconds(p_job.lock_timeout)),
                (3, 'idle_in_transaction_session_timeout', case p_job.mode when 'maintenance' then '0' else '30s' end),
                (4, 'client_connection_check_interval', '1s'),
                (5, 'application_name', left('pgvigil job ' || p_job.name, 63)),
                (6, 'pgvigil.run_id', p_lease.run_id::text),
                (7, 'pgvigil.run_slot', p_lease.slot::text),
                (8, 'transaction_timeout', case when v_is_local and p_server_version_num >= 170000 then
                    monitoring_internal.milliseconds(p_job.timeout + interval '1 minute') end)
            ) as setting (position, name, value)
            where setting.value is not null)
        || format('do %L; ', format(
            'begin if not %s then raise exception using errcode = ''PV102'', message = %L; end if; end', v_lock,
            format('the previous run of job "%s" still executes here', p_job.name)))
        || case when p_job.run_as is null then ''
            else format('set %srole %I; ', case when v_is_local then 'local ' else '' end, p_job.run_as) end;
end;
$$;

comment on function monitoring_internal.run_prologue(monitoring.jobs, monitoring.job_leases, text, integer) is
    'The statements that go before a run''s command where pgvigil is not.';

-- Name the backend that executes a leased run in another database; returns what to execute there first.
-- Raises: PV101 lease gone or lapsed, PV122 a role that is not the service's, 57014 somebody asked for its end.
create or replace function monitoring_internal.bind_run_at(
    p_run_id bigint, p_fence bigint, p_backend_pid integer, p_backend_started_at timestamptz, p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_lease monitoring.job_leases;
    v_job monitoring.jobs;
begin
    update monitoring.job_leases as lease
    set backend_pid = p_backend_pid, backend_started_at = p_backend_started_at
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
    if v_job.run_as is not null then
        perform monitoring_internal.require_run_as(v_job);
    end if;
    return monitoring_internal.run_prologue(
        v_job, v_lease, format('1886876010, %s', v_job.job_id), current_setting('server_version_num')::integer);
end;
$$;

comment on function monitoring_internal.bind_run_at(bigint, bigint, integer, timestamptz, timestamptz) is
    'Names the backend that executes a leased run in another database; returns what to execute there first.';

-- Name the backend that executes a leased run in another database, now.
create or replace function monitoring_internal.bind_run(
    p_run_id bigint, p_fence bigint, p_backend_pid integer, p_backend_started_at timestamptz)
returns text
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.bind_run_at(
        p_run_id, p_fence, p_backend_pid, p_backend_started_at, clock_timestamp());
end;
$$;

comment on function monitoring_internal.bind_run(bigint, bigint, integer, timestamptz) is
    'Names the backend that executes a leased run in another database; returns what to execute there first.';

-- The backends that execute what a service holds, wherever they do.
create or replace function monitoring_internal.held_backends(p_instance_id uuid)
returns setof integer
language plpgsql stable parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select lease.backend_pid from monitoring.job_leases as lease where lease.instance_id = p_instance_id;
end;
$$;

comment on function monitoring_internal.held_backends(uuid) is 'The backends that execute what a service holds.';
