-- maintenance/doctor_home.sql: pgvigil itself: roles, services, partitions, jobs, collectors, targets.
-- Owns doctor_roles, doctor_service_at, doctor_partitions_at, doctor_jobs, doctor_collectors, doctor_targets.
-- Writes nothing. Concurrency: reads only.

-- Roles of pgvigil with more power than they need, and powers of its logins that jobs would have.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_roles()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'roles', 'error', role.rolname::text, 'a role of pgvigil that only stands for rights has powers of its own',
        array_to_string(array_remove(array[
            case when role.rolcanlogin then 'login' end, case when role.rolsuper then 'superuser' end,
            case when role.rolcreaterole then 'createrole' end, case when role.rolcreatedb then 'createdb' end,
            case when role.rolreplication then 'replication' end, case when role.rolbypassrls then 'bypassrls' end],
            null), ', '),
        format('alter role %I nologin nosuperuser nocreaterole nocreatedb noreplication nobypassrls;', role.rolname),
        'as superuser'
    from pg_roles as role
    where role.rolname in (
            'monitoring_owner', 'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst',
            'monitoring_reader', 'monitoring_exporter')
        and (role.rolcanlogin or role.rolsuper or role.rolcreaterole or role.rolcreatedb or role.rolreplication
            or role.rolbypassrls)
    union all
    select 'roles', 'warning', role.rolname::text, 'the service logs in as a superuser: every job has all rights',
        coalesce('connected as ' || session.names, 'a member of monitoring_service'),
        case
            when role.oid = 10 and login.name is not null then format('PGUSER=%s pgvigil serve', login.name)
            when role.oid = 10 then 'create role pgvigil login in role monitoring_service;'
            else format('alter role %I nosuperuser;', role.rolname)
        end,
        case
            when role.oid = 10 and login.name is not null then 'the service''s configuration: that role may serve'
            when role.oid = 10 then 'as superuser; then let the service log in as that role'
            else 'as superuser'
        end
    from pg_roles as role
    left join lateral (
        select string_agg(distinct activity.application_name, ', ') as names
        from pg_stat_activity as activity
        where activity.usesysid = role.oid and activity.datname = current_database()
            and activity.application_name in (
                'pgvigil scheduler', 'pgvigil collector', 'pgvigil exporter', 'pgvigil job')
    ) as session on true
    left join lateral (
        select min(other.rolname) as name
        from pg_roles as other
        where other.rolcanlogin and not other.rolsuper and pg_has_role(other.oid, 'monitoring_service', 'usage')
    ) as login on true
    where role.rolsuper and role.rolcanlogin
        and (session.names is not null or exists (
            select from pg_auth_members as member
            where member.member = role.oid and member.roleid = to_regrole('monitoring_service')))
    union all
    select 'roles', 'warning', 'monitoring_service', 'no login role may serve',
        'pg_auth_members has no member that may log in',
        'create role pgvigil login in role monitoring_service;', 'as superuser, or the role that installed pgvigil'
    where not exists (
        select from pg_roles as role
        where role.rolcanlogin and not role.rolsuper and pg_has_role(role.oid, 'monitoring_service', 'usage'))
$$;

comment on function monitoring_internal.doctor_roles() is 'Findings about the roles of pgvigil and its logins.';

-- Whether a service is at work.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_service_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'service', 'notice', current_database()::text, 'no service is at work: nothing is collected and no job runs',
        coalesce('last seen at ' || max(instance.seen_at), 'none was ever seen'),
        'systemctl start pgvigil', 'shell of the machine that runs pgvigil; or there: pgvigil serve'
    from monitoring.service_instances as instance
    having coalesce(max(instance.seen_at), '-infinity') < p_now - interval '2 minutes'
$$;

comment on function monitoring_internal.doctor_service_at(timestamptz) is 'Finds out whether a service is at work.';

-- Partitions that maintenance has left undone.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_partitions_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'partitions', case when count(*) filter (where problem.problem in (
            'missing_partition', 'default_not_empty', 'no_table')) > 0 then 'warning' else 'notice' end,
        coalesce(problem.table_name, problem.object_name),
        case problem.problem
            when 'missing_partition' then 'partitions are behind: rows go to the default partition'
            when 'default_not_empty' then 'rows lie in the default partition'
            when 'expired_partition' then 'partitions are past their retention'
            when 'held_partition' then 'partitions past their retention are held'
            when 'parameters_not_set' then 'partitions lack the storage parameters of their policy'
            when 'maintenance_failed' then 'maintenance failed'
            when 'unattached_table' then 'a table among the partitions belongs to none'
            else replace(problem.problem, '_', ' ')
        end,
        format('%s of them; %s', count(*), min(problem.detail)),
        case problem.problem
            when 'held_partition' then format(
                'delete from monitoring.partition_holds where table_name = %L;', problem.table_name)
            when 'unattached_table' then format('drop table %s;', min(problem.object_name))
            when 'no_table' then format(
                'delete from monitoring.partition_policies where table_name = %L;', problem.table_name)
            else 'call monitoring.maintain_partitions();'
        end,
        format('database %I, as a member of monitoring_%s', current_database(),
            case when problem.problem in ('unattached_table', 'no_table') then 'owner' else 'admin' end)
    from monitoring_internal.partition_problems_at(p_now) as problem
    -- doctor_indexes has them.
    where problem.problem <> 'invalid_index'
    group by problem.problem, problem.table_name, coalesce(problem.table_name, problem.object_name)
$$;

comment on function monitoring_internal.doctor_partitions_at(timestamptz) is
    'Findings about the partitions of pgvigil''s tables.';

-- Jobs that fail or whose schedule no longer works.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_jobs()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'jobs', 'warning', job.name,
        case
            when job.schedule_error is not null then 'the next slot of the job cannot be computed'
            else format('the job %s', replace(job.last_status, '_', ' '))
        end,
        coalesce(job.schedule_error, format('%s times in a row, last at %s%s', job.consecutive_failures,
            job.last_finished_at, coalesce(': ' || run.message, ''))),
        case
            when job.schedule_error is not null then format('pgvigil jobs explain %s', job.name)
            else format('select monitoring.run_job(%L);', job.name)
        end,
        case
            when job.schedule_error is not null then 'shell; then mend its schedule or zone'
            else format('database %I, as a member of monitoring_admin, once its cause is mended', current_database())
        end
    from monitoring.job_status as job
    left join lateral (
        select left(past.message, 200) as message
        from monitoring.job_history as past
        where past.name = job.name and past.message is not null
        order by past.finished_at desc
        limit 1
    ) as run on true
    where job.is_enabled
        and (job.schedule_error is not null or job.last_status in ('failed', 'timed_out', 'uncertain'))
$$;

comment on function monitoring_internal.doctor_jobs() is 'Findings about jobs that do not succeed.';

-- Collectors that cannot measure, with the statement that lets them.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_collectors()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'collectors', case when collector.status = 'unavailable' then 'notice' else 'warning' end,
        collector.name || case when collector.target_database_id = 0 then ''
            else format(' of %s in %s', collector.datname, collector.target) end,
        format('the collector %s', case collector.status
            when 'unavailable' then 'is unavailable' else replace(collector.status, '_', ' ') end),
        coalesce(collector.reason, 'no reason recorded'),
        coalesce(collector.remedy, case when collector.target_database_id = 0
            then format('pgvigil collect %s', collector.name)
            else format('pgvigil targets test %s', collector.target) end),
        case
            when collector.remedy is null then 'shell: shows the whole error'
            else format('%s, as superuser; it is tried again by itself',
                case collector.target when 'local' then 'this server' else 'server ' || collector.target end)
        end
    from monitoring.collector_status as collector
    where collector.status in ('unavailable', 'failed', 'timed_out')
$$;

comment on function monitoring_internal.doctor_collectors() is 'Findings about collectors that do not measure.';

-- Monitored servers that cannot be reached or opened.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_targets()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select 'targets', 'warning', target.name,
        case target.status
            when 'unreachable' then 'the server cannot be reached'
            when 'refused' then 'another cluster answers at the address of the server'
            else format('the target is not measured: %s', target.status)
        end,
        coalesce(target.reason, 'last seen at ' || target.last_seen_at, 'never seen'),
        coalesce(target.remedy, format('pgvigil targets test %s', target.name)),
        'shell of the machine that runs pgvigil'
    from monitoring.target_status as target
    where target.status in ('unreachable', 'refused', 'secret unusable')
$$;

comment on function monitoring_internal.doctor_targets() is 'Findings about monitored servers that do not answer.';
