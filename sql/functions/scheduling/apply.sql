-- scheduling/apply.sql: bring the jobs of one file into force, all or none.
-- Owns job_faults, apply_jobs_at, apply_jobs. Writes jobs, job_state, job_totals, job_sources, and job_leases and
-- job_runs of what is retired.
-- Concurrency: one at a time, by a lock on job_sources that readers do not feel.

-- Every fault of a file's jobs, with the job's name and line: their own, names given twice, names of another source,
-- roles that are not the caller's, and what they need of each other.
-- Called by: apply_jobs_at.
create or replace function monitoring_internal.job_faults(
    p_source text, p_jobs monitoring_internal.checked_job[])
returns table (job_name text, line integer, message text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with named as (
        select (checked.job).name, (checked.job).source_line as line,
            checked.faults
                || (monitoring_internal.role_fault(checked.job, monitoring_internal.caller_role())).message as faults,
            row_number() over (partition by (checked.job).name order by checked.position) as occurrence
        from unnest(p_jobs) with ordinality as checked (job, faults, position)
    )
    select named.name, named.line, fault.message
    from named
    left join monitoring.jobs as other
        on other.name = named.name and other.source <> p_source and other.retired_at is null
    cross join lateral unnest(named.faults || array_remove(array[
        case when named.occurrence > 1 then 'the name is used twice in this file' end,
        case when other.name is not null then format('the name is in use by a job of %s', other.source) end
    ], null)) as fault (message)
    where fault.message is not null
    union all
    select need.job_name, need.line, need.message
    from monitoring_internal.need_faults(p_source, p_jobs) as need
    order by 2, 3;
end;
$$;

comment on function monitoring_internal.job_faults(text, monitoring_internal.checked_job[]) is
    'Every fault of a file''s jobs, with name and line.';

-- Bring a file's jobs into force as a difference to those of the same source: added, changed, unchanged, retired.
-- With any fault nothing changes, and the rows are the faults; an object {line, fault} is one that the reader of the
-- file found, so that those of both are told together. A generation older than the one in force is superseded.
-- Called by: apply_jobs.
create or replace function monitoring_internal.apply_jobs_at(
    p_source text, p_generation bigint, p_jobs jsonb, p_now timestamptz)
returns table (job_name text, line integer, action text, message text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_checked monitoring_internal.checked_job[];
    v_generation bigint;
begin
    if p_source = 'sql' then
        raise exception using
            errcode = 'PV104',
            message = 'the source "sql" is that of jobs defined by SQL',
            hint = 'Give the file another name, such as jobs.yml.';
    end if;
    lock table monitoring.job_sources in share row exclusive mode;
    select source.generation into v_generation from monitoring.job_sources as source where source.source = p_source;
    if v_generation > p_generation then
        return query select null::text, null::integer, 'superseded', format('%s is in force in a newer form', p_source);
        return;
    end if;
    v_checked := array(
        select monitoring_internal.check_job_at(item.job, p_source, p_now)
        from jsonb_array_elements(p_jobs) with ordinality as item (job, position)
        where not item.job ? 'fault'
        order by item.position);
    return query
    select fault.job_name, fault.line, 'fault', fault.message
    from monitoring_internal.job_faults(p_source, v_checked) as fault
    union all
    select null, (item.job ->> 'line')::integer, 'fault', item.job ->> 'fault'
    from jsonb_array_elements(p_jobs) as item (job)
    where item.job ? 'fault'
    order by line, job_name;
    if found then
        return;
    end if;
    return query
    select (checked.job).name, (checked.job).source_line,
        monitoring_internal.save_job_at(checked.job, p_now), null::text
    from unnest(v_checked) as checked (job, faults);
    return query
    select gone.name, gone.source_line, 'retired', null::text
    from (
        select job.name, job.source_line, monitoring_internal.retire_job_at(job.job_id, p_now)
        from monitoring.jobs as job
        where job.source = p_source
            and job.retired_at is null
            and job.name <> all (array(select (checked.job).name from unnest(v_checked) as checked (job, faults)))
    ) as gone;
    insert into monitoring.job_sources as source (source, generation, job_count, applied_at, applied_by)
    values (p_source, p_generation, cardinality(v_checked), p_now, session_user)
    on conflict (source) do update
    set generation = excluded.generation, job_count = excluded.job_count,
        applied_at = excluded.applied_at, applied_by = excluded.applied_by;
    perform pg_notify('pgvigil_jobs', '');
end;
$$;

comment on function monitoring_internal.apply_jobs_at(text, bigint, jsonb, timestamptz) is
    'Brings the jobs of a file into force, all or none, as of p_now.';

-- Bring a file's jobs into force, all or none.
-- p_generation grows with each edit of the file; p_jobs is an array of objects with the keys of jobs.yml and line.
create or replace function monitoring_internal.apply_jobs(p_source text, p_generation bigint, p_jobs jsonb)
returns table (job_name text, line integer, action text, message text)
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select applied.*
    from monitoring_internal.apply_jobs_at(p_source, p_generation, p_jobs, clock_timestamp()) as applied;
end;
$$;

comment on function monitoring_internal.apply_jobs(text, bigint, jsonb) is
    'Brings the jobs of a file into force, all or none: one row a job, or one row a fault.';
