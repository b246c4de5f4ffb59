-- scheduling/needs.sql: what jobs may ask of other jobs and of roles, checked as they are defined.
-- Owns jobs_after, need_faults, circle_faults, may_become, role_fault. Writes nothing.
-- Concurrency: callers hold the lock on job_sources, so the jobs looked at do not change meanwhile.

-- The jobs that will be in force once these are: these, and those of other sources.
-- Called by: need_faults, circle_faults.
create or replace function monitoring_internal.jobs_after(
    p_source text, p_jobs monitoring_internal.checked_job[])
returns table (name text, needs text[], history text, line integer, is_given boolean)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select (given.job).name, (given.job).needs, (given.job).history, (given.job).source_line, true
    from unnest(p_jobs) as given (job, faults)
    union all
    select job.name, job.needs, job.history, null, false
    from monitoring.jobs as job
    where job.retired_at is null and (p_source = 'sql' or job.source <> p_source)
        and job.name <> all (array(select (given.job).name from unnest(p_jobs) as given (job, faults)
            where (given.job).name is not null));
end;
$$;

comment on function monitoring_internal.jobs_after(text, monitoring_internal.checked_job[]) is
    'The jobs that will be in force once these are.';

-- What is wrong with the needs of jobs: names that are no job, jobs whose successes leave no row, circles, and jobs
-- that go though others need them.
-- Called by: job_faults, schedule_job_at.
create or replace function monitoring_internal.need_faults(
    p_source text, p_jobs monitoring_internal.checked_job[])
returns table (job_name text, line integer, message text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with job as materialized (
        select after.* from monitoring_internal.jobs_after(p_source, p_jobs) as after
    ),
    wish as (
        select job.name, job.line, job.is_given, need.name as need, needed.name is null as is_unknown,
            needed.line as needed_line, needed.is_given as is_needed_given, needed.history
        from job
        cross join lateral unnest(job.needs) as need (name)
        left join job as needed on needed.name = need.name
    )
    select wish.name, wish.line, format('needs "%s", which is no job', wish.need)
    from wish
    where wish.is_given and wish.is_unknown
    union all
    select wish.name, wish.line, format(
        'needs "%s", whose successes leave no row to look at: give that job "history: all"', wish.need)
    from wish
    where wish.is_given and wish.history = 'failures'
    union all
    select wish.need, wish.needed_line, format('is needed by "%s": it must have "history: all"', wish.name)
    from wish
    where not wish.is_given and wish.is_needed_given and wish.history = 'failures'
    union all
    select null, 1, format('job "%s" is needed by "%s" and is not in the file any more', wish.need, wish.name)
    from wish
    where not wish.is_given and wish.is_unknown
        and wish.need = any (array(
            select gone.name from monitoring.jobs as gone where gone.source = p_source and gone.retired_at is null))
    union all
    select circle.* from monitoring_internal.circle_faults(p_source, p_jobs) as circle;
end;
$$;

comment on function monitoring_internal.need_faults(text, monitoring_internal.checked_job[]) is
    'Everything wrong with the needs of jobs, with name and line.';

-- The circles in the needs of jobs, each told once, with its way.
-- Called by: need_faults.
create or replace function monitoring_internal.circle_faults(
    p_source text, p_jobs monitoring_internal.checked_job[])
returns table (job_name text, line integer, message text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from unnest(p_jobs) as given (job, faults) where (given.job).needs <> '{}') then
        return;
    end if;
    return query
    with recursive job as materialized (
        select after.* from monitoring_internal.jobs_after(p_source, p_jobs) as after
    ),
    step as (
        select job.name, need.name as need from job cross join lateral unnest(job.needs) as need (name)
    ),
    reach as (
        select step.name, step.need from step
        union
        select reach.name, step.need from reach join step on step.name = reach.need
    ),
    -- Jobs that reach themselves, and for each circle the first of them.
    first as (
        select distinct on (least_name.name) job.name, job.line
        from reach
        join job on job.name = reach.name and job.is_given
        cross join lateral (
            select min(other.need) as name
            from reach as other
            join reach as back on back.name = other.need and back.need = job.name
            where other.name = job.name
        ) as least_name
        where reach.name = reach.need
        order by least_name.name, job.line, job.name
    ),
    way as (
        select first.name as start, first.line, array[first.name, step.need] as names
        from first
        join step on step.name = first.name
        union all
        select way.start, way.line, way.names || step.need
        from way
        join step on step.name = way.names[cardinality(way.names)]
        join reach on reach.name = step.need and reach.need = way.start
        where way.names[cardinality(way.names)] <> way.start and step.need <> all (way.names[2:])
    )
    select distinct on (way.start) way.start, way.line,
        format('needs go round in a circle: %s', array_to_string(way.names, ' -> '))
    from way
    where way.names[cardinality(way.names)] = way.start
    order by way.start, cardinality(way.names), way.names;
end;
$$;

comment on function monitoring_internal.circle_faults(text, monitoring_internal.checked_job[]) is
    'The circles in the needs of jobs, each told once, with its way.';

-- Whether a login may become a role: it exists, and SET ROLE would be allowed.
-- Called by: role_fault, require_run_as.
create or replace function monitoring_internal.may_become(p_login name, p_role text)
returns boolean
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from pg_roles as role
        where role.rolname = p_role
            and pg_has_role(p_login, role.oid, case
                when current_setting('server_version_num')::integer >= 160000 then 'SET'
                else 'MEMBER'
            end));
end;
$$;

comment on function monitoring_internal.may_become(name, text) is 'Whether a login may become a role.';

-- What is wrong with the role that a job is to run as, for the one who defines it.
-- Without run_as a job has the rights of the service's login, which are for those who have the service's role anyway;
-- on targets run_as is a role of theirs, and their logins are for the same people.
-- Called by: job_faults, schedule_job_at.
create or replace function monitoring_internal.role_fault(
    p_job monitoring.jobs, p_caller name, out code text, out message text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_job.run_as is null or p_job.targets is not null then
        if not pg_has_role(p_caller, 'monitoring_service', 'member') then
            code := 'PV121';
            message := format(case when p_job.targets is not null
                then 'on its targets it has the rights of the logins there, and %I is no member of monitoring_service'
                else 'without run_as it would have the rights of the service, and %I is no member of monitoring_service'
            end, p_caller);
        end if;
    elsif not exists (select from pg_roles as role where role.rolname = p_job.run_as) then
        code := 'PV120';
        message := format('run_as "%s" is no role of this server', p_job.run_as);
    elsif not monitoring_internal.may_become(p_caller, p_job.run_as) then
        code := 'PV120';
        message := format('run_as %I is a role of which %I is no member', p_job.run_as, p_caller);
    end if;
end;
$$;

comment on function monitoring_internal.role_fault(monitoring.jobs, name) is
    'What is wrong with the role that a job is to run as, for the one who defines it.';
