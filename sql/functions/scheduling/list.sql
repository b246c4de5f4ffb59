-- scheduling/list.sql: what pgvigil jobs shows, as text for a terminal.
-- Owns list_jobs_at, list_jobs, list_upcoming_at, list_upcoming, list_runs, describe_job. Writes nothing.
-- Concurrency: reads with the caller's rights, so each role sees what it may.

-- A length of time between now and then, short enough for a table: 5s, 12m, 3h, 2d; in the past with "ago".
create or replace function monitoring_internal.brief_distance(p_from timestamptz, p_to timestamptz)
returns text
language sql immutable parallel safe
begin atomic
    select case when d.seconds < 0 then '' else 'in ' end
        || case
            when abs(d.seconds) < 100 then round(abs(d.seconds)) || 's'
            when abs(d.seconds) < 6000 then round(abs(d.seconds) / 60) || 'm'
            when abs(d.seconds) < 172800 then round(abs(d.seconds) / 3600) || 'h'
            else round(abs(d.seconds) / 86400) || 'd'
        end
        || case when d.seconds < 0 then ' ago' else '' end
    from (select extract(epoch from p_to - p_from)) as d (seconds);
end;

comment on function monitoring_internal.brief_distance(timestamptz, timestamptz) is
    'How far a moment is from another, for a table: in 5s, 12m ago.';

-- The jobs in force as of p_now.
create or replace function monitoring_internal.list_jobs_at(p_now timestamptz)
returns table (
    name text, schedule text, place text, state text, next text, last text, succeeded bigint, not_succeeded bigint,
    source text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select status.name, status.schedule, monitoring_internal.job_place(status.job_id), status.state,
        coalesce(monitoring_internal.brief_distance(p_now, status.next_due_at), '-'),
        coalesce(monitoring_internal.brief_distance(p_now, status.last_finished_at), 'never'),
        status.succeeded_total,
        status.failed_total + status.timed_out_total + status.cancelled_total + status.skipped_total
            + status.missed_total + status.uncertain_total,
        status.source || coalesce(':' || status.source_line, '')
    from monitoring.job_status as status
    order by status.name;
end;
$$;

comment on function monitoring_internal.list_jobs_at(timestamptz) is 'The jobs in force, for a table, as of p_now.';

-- The jobs in force.
create or replace function monitoring_internal.list_jobs()
returns table (
    name text, schedule text, place text, state text, next text, last text, succeeded bigint, not_succeeded bigint,
    source text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select job.* from monitoring_internal.list_jobs_at(clock_timestamp()) as job;
end;
$$;

comment on function monitoring_internal.list_jobs() is 'The jobs in force, for a table.';

-- The next p_limit starts as of p_now, each job once.
create or replace function monitoring_internal.list_upcoming_at(p_limit integer, p_now timestamptz)
returns table (
    name text, next text, slot_at timestamptz, local_at timestamp, time_zone text, schedule text, place text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select job.name, monitoring_internal.brief_distance(p_now, job.next_due_at), job.next_slot_at, job.local_at,
        job.time_zone, job.schedule, monitoring_internal.job_place(definition.job_id)
    from monitoring.upcoming_jobs as job
    join monitoring.jobs as definition on definition.name = job.name
    order by job.next_due_at, job.name
    limit p_limit;
end;
$$;

comment on function monitoring_internal.list_upcoming_at(integer, timestamptz) is
    'The next starts, for a table, as of p_now.';

-- The next p_limit starts, each job once.
create or replace function monitoring_internal.list_upcoming(p_limit integer)
returns table (
    name text, next text, slot_at timestamptz, local_at timestamp, time_zone text, schedule text, place text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select job.* from monitoring_internal.list_upcoming_at(p_limit, clock_timestamp()) as job;
end;
$$;

comment on function monitoring_internal.list_upcoming(integer) is 'The next starts, for a table.';

-- The latest p_limit runs, of one job or of all, open ones first. Of each job so many are read from the end of its
-- index, so that the length of the ledger does not matter.
create or replace function monitoring_internal.list_runs(p_name text, p_limit integer)
returns table (
    name text, slot_at timestamptz, target text, trigger text, status text, reason text, slots bigint, late_ms bigint,
    took_ms bigint, sqlstate text, message text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
-- Compiling took a hundred times as long as reading.
set jit = off
as $$
begin
    return query
    select job.name, run.slot, run.target, run.trigger, run.status, coalesce(run.reason, ''), run.slot_count,
        round(extract(epoch from run.started_at - run.planned_at) * 1000)::bigint,
        round(extract(epoch from run.finished_at - run.started_at) * 1000)::bigint,
        coalesce(run.sqlstate, ''), coalesce(run.message, '')
    from monitoring.jobs as job
    cross join lateral (
        (select ended.slot, ended.target, ended.trigger, ended.status, ended.reason, ended.slot_count, ended.planned_at,
            ended.started_at, ended.finished_at, ended.sqlstate, ended.message
        from monitoring.job_runs as ended
        where ended.job_id = job.job_id
        order by ended.slot desc
        limit p_limit)
        union all
        (select open.slot, open.target, open.trigger,
            case
                when open.instance_id is not null then 'running'
                when open.retry_count > 0 then 'retrying'
                else 'waiting'
            end,
            open.waits_for, 1, open.planned_at, open.claimed_at, null, null, null
        from monitoring.job_leases as open
        where open.job_id = job.job_id
        order by open.slot desc
        limit p_limit)
    ) as run
    where job.name = p_name or p_name is null
    order by run.finished_at desc nulls first, run.slot desc
    limit p_limit;
end;
$$;

comment on function monitoring_internal.list_runs(text, integer) is
    'The latest runs of one job, or of all, for a table.';

-- Everything that is known of one job, as pairs.
-- Raises: PV105.
create or replace function monitoring_internal.describe_job(p_name text)
returns table (field text, value text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job constant monitoring.jobs := monitoring_internal.find_job(p_name);
begin
    return query
    select pair.field, pair.value
    from (values
        (1, 'name', v_job.name),
        (2, 'description', nullif(v_job.description, '')),
        (3, 'defined in', v_job.source || coalesce(':' || v_job.source_line, '')),
        (4, 'enabled', case when v_job.is_enabled then 'yes' else 'no' end),
        (5, 'schedule', format('%s in %s', v_job.schedule, v_job.time_zone)),
        (6, 'clock changes', case v_job.dst
            when 'once' then 'a local time in a gap runs after it, one that comes twice runs the first time'
            when 'skip' then 'a local time in a gap does not run, one that comes twice runs the first time'
            else 'a local time in a gap runs after it, one that comes twice runs both times'
        end || ' (dst ' || v_job.dst || ')'),
        (7, 'starts late by', nullif(v_job.start_delay, '0')::text || ' of the spread ' || v_job.spread),
        (8, 'after downtime', case v_job.misfire
            when 'last' then 'only the last slot missed still runs'
            when 'skip' then 'slots missed do not run any more'
            else format('the last %s slots missed still run', v_job.misfire_limit)
        end || ' (misfire ' || v_job.misfire || ')'),
        (9, 'start deadline', v_job.start_deadline::text),
        (10, 'overlap', case v_job.overlap
            when 'skip' then 'a slot that finds the run before it at work is left out'
            when 'queue' then 'a slot that finds the run before it at work waits for its end'
            when 'cancel' then 'a slot that finds the run before it at work has it cancelled'
            else 'runs may be at work beside each other'
        end || ' (' || v_job.overlap || ')'),
        (11, 'needs', nullif(array_to_string(v_job.needs, ', '), '')),
        (12, 'retries', case when v_job.retry_attempts > 0 then
            format('%s, after %s and longer, at most %s', v_job.retry_attempts, v_job.retry_base, v_job.retry_cap) end),
        (13, 'limits', format('%s for the statement, %s for a lock', v_job.timeout, v_job.lock_timeout)),
        (14, 'mode', v_job.mode),
        (15, 'runs as', coalesce(v_job.run_as, case when v_job.targets is null then 'the login of the service'
            else 'the login on each target' end)),
        (16, 'databases', case when v_job.is_fanned_out and v_job.targets is null then
            format('each that matches %s and not %s', coalesce(v_job.database_match, 'anything'),
                coalesce(v_job.database_except, 'nothing')) end),
        (17, 'targets', array_to_string(v_job.targets, ', ')),
        (18, 'runs on now', case when v_job.targets is not null then
            coalesce(nullif(array_to_string(monitoring_internal.job_targets(v_job), ', '), ''), 'none') end),
        (19, 'history', v_job.history),
        (20, 'command', v_job.command)
    ) as pair (position, field, value)
    where pair.value is not null
    order by pair.position;
end;
$$;

comment on function monitoring_internal.describe_job(text) is 'Everything that is known of one job, as pairs.';
