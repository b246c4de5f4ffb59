-- scheduling/define.sql: read, check, save and retire one job.
-- Owns check_durations, check_words, check_job_at, save_job_at, place_job_at, retire_job_at. Writes jobs, job_state,
-- job_totals, job_leases, job_runs.
-- Concurrency: callers hold the lock on job_sources, so definitions change one after the other.

-- What is wrong with the words of a job.
-- Called by: check_job_at.
create or replace function monitoring_internal.check_words(p_job monitoring.jobs)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return array_remove(array[
        case when p_job.name !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' or p_job.name is null then
            'name must be 1 to 63 characters of a-z, 0-9, dot, dash and underscore' end,
        case when p_job.schedule is null then 'schedule is missing' end,
        case when p_job.command is null or p_job.command !~ '[^[:space:]]' then 'sql is missing' end,
        -- Behind blanks, empty statements and comments; what slips through is stopped by the fence.
        case when p_job.command ~* (
            '^([[:space:];]|--[^' || chr(10) || ']*' || chr(10) || '|/[*]([^*]|[*]+[^*/])*[*]+/)*'
            '(begin|start|commit|end|rollback|abort|savepoint|release|prepare[[:space:]]+transaction)'
            '([^[:alnum:]_]|$)') then
            'sql must not begin or end a transaction' end,
        case when p_job.mode not in ('transaction', 'procedure') then
            format('mode "%s" is unknown: transaction or procedure', p_job.mode) end,
        case when p_job.mode = 'procedure' and p_job.command !~* '^[[:space:]]*call[[:space:]]' then
            'sql of mode procedure must be one CALL' end,
        case when p_job.dst <> 'once' then format('dst "%s" is not supported: once', p_job.dst) end,
        case when p_job.overlap <> 'skip' then format('overlap "%s" is not supported: skip', p_job.overlap) end,
        case when p_job.misfire <> 'last' then format('misfire "%s" is not supported: last', p_job.misfire) end,
        case when p_job.history not in ('auto', 'all', 'failures') then
            format('history "%s" is unknown: all or failures', p_job.history) end
    ], null);
end;
$$;

comment on function monitoring_internal.check_words(monitoring.jobs) is 'Everything wrong with the words of a job.';

-- What is wrong with the lengths of time of a job, given as text: unreadable, or out of bounds.
-- Called by: check_job_at.
create or replace function monitoring_internal.check_durations(p_job jsonb)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_faults text[] := '{}';
    v_bound record;
begin
    -- A loop, since each is read on its own: one that cannot be read must not hide the others.
    for v_bound in
        select *
        from (values
            ('timeout', interval '10 milliseconds', interval '7 days'),
            ('lock_timeout', interval '1 millisecond', interval '7 days'),
            ('start_deadline', interval '1 millisecond', interval '366 days'),
            ('spread', interval '0', interval '1 day')
        ) as bound (name, low, high)
        where p_job ->> bound.name is not null
    loop
        begin
            if (p_job ->> v_bound.name)::interval not between v_bound.low and v_bound.high then
                v_faults := v_faults || format('%s "%s" is not between %s and %s',
                    v_bound.name, p_job ->> v_bound.name, v_bound.low, v_bound.high);
            end if;
        exception
            when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
                v_faults := v_faults || format(
                    '%s "%s" is not a length of time such as 30s or 5m', v_bound.name, p_job ->> v_bound.name);
        end;
    end loop;
    return v_faults;
end;
$$;

comment on function monitoring_internal.check_durations(jsonb) is 'Everything wrong with the lengths of time of a job.';

-- A job as jobs.yml or schedule_job tells it, with its defaults, and all that is wrong with it.
-- Called by: apply_jobs_at, schedule_job_at.
create or replace function monitoring_internal.check_job_at(p_job jsonb, p_source text, p_now timestamptz)
returns monitoring_internal.checked_job
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job monitoring.jobs;
    v_faults text[] := monitoring_internal.check_durations(p_job);
    v_gap interval;
begin
    v_job.name := p_job ->> 'name';
    v_job.schedule := p_job ->> 'schedule';
    v_job.command := p_job ->> 'sql';
    v_job.mode := coalesce(p_job ->> 'mode', 'transaction');
    v_job.time_zone := coalesce(p_job ->> 'time_zone', 'UTC');
    v_job.dst := coalesce(p_job ->> 'dst', 'once');
    v_job.overlap := coalesce(p_job ->> 'overlap', 'skip');
    v_job.misfire := coalesce(p_job ->> 'misfire', 'last');
    v_job.history := coalesce(p_job ->> 'history', 'auto');
    v_job.is_enabled := coalesce((p_job ->> 'enabled')::boolean, true);
    v_job.description := coalesce(p_job ->> 'description', '');
    v_job.source := p_source;
    v_job.source_line := (p_job ->> 'line')::integer;
    if cardinality(v_faults) = 0 then
        v_job.timeout := coalesce((p_job ->> 'timeout')::interval, '5 minutes');
        v_job.lock_timeout := coalesce((p_job ->> 'lock_timeout')::interval, '5 seconds');
        v_job.start_deadline := (p_job ->> 'start_deadline')::interval;
        v_job.spread := coalesce((p_job ->> 'spread')::interval, '0');
        v_job.start_delay := monitoring_internal.start_delay(v_job.name, v_job.spread);
    end if;
    v_faults := monitoring_internal.check_words(v_job) || v_faults;
    begin
        v_gap := monitoring_internal.shortest_gap(v_job.schedule, v_job.time_zone, v_job.dst, p_now);
        v_job.fixed_period := nullif((monitoring_internal.parse_cron(v_job.schedule))[1], 0)
            * interval '1 microsecond';
        if v_job.history = 'auto' then
            v_job.history := case when v_gap < interval '1 minute' then 'failures' else 'all' end;
        end if;
        if v_job.spread > v_gap then
            v_faults := v_faults || format('spread %s is longer than %s between two slots', v_job.spread, v_gap);
        end if;
    exception
        -- Isolation of one job: the faults of all are told together.
        when others then
            v_faults := v_faults || sqlerrm;
    end;
    return row(v_job, v_faults)::monitoring_internal.checked_job;
end;
$$;

comment on function monitoring_internal.check_job_at(jsonb, text, timestamptz) is
    'Reads one job and says everything that is wrong with it.';

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
        name, schedule, command, mode, time_zone, dst, overlap, misfire, timeout, lock_timeout, start_deadline, spread,
        start_delay, fixed_period, history, is_enabled, description, source, source_line)
    values (
        p_job.name, p_job.schedule, p_job.command, p_job.mode, p_job.time_zone, p_job.dst, p_job.overlap,
        p_job.misfire, p_job.timeout, p_job.lock_timeout, p_job.start_deadline, p_job.spread, p_job.start_delay,
        p_job.fixed_period, p_job.history, p_job.is_enabled, p_job.description, p_job.source, p_job.source_line)
    on conflict (name) do update
    set schedule = p_job.schedule, command = p_job.command, mode = p_job.mode, time_zone = p_job.time_zone,
        dst = p_job.dst, overlap = p_job.overlap, misfire = p_job.misfire, timeout = p_job.timeout,
        lock_timeout = p_job.lock_timeout, start_deadline = p_job.start_deadline, spread = p_job.spread,
        start_delay = p_job.start_delay, fixed_period = p_job.fixed_period, history = p_job.history,
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
    update monitoring.job_state as state set next_due_at = 'infinity' where state.job_id = p_job_id;
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
