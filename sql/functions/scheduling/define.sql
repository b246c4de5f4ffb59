-- scheduling/define.sql: read and check one job.
-- Owns check_shapes, check_durations, check_words, check_policies, read_job, check_job_at.
-- Writes nothing. Concurrency: reads at one snapshot.

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
        case when p_job.mode not in ('transaction', 'procedure', 'maintenance') then
            format('mode "%s" is unknown: transaction, procedure or maintenance', p_job.mode) end,
        case when p_job.mode = 'procedure' and p_job.command !~* '^[[:space:]]*call[[:space:]]' then
            'sql of mode procedure must be one CALL' end,
        case when p_job.mode = 'transaction' and p_job.command ~* (
            '^[[:space:]]*(vacuum|(create|drop)[[:space:]]+(unique[[:space:]]+)?index[[:space:]]+concurrently'
            '|reindex[[:space:]].*concurrently|(create|drop)[[:space:]]+database|alter[[:space:]]+system)'
            '([^[:alnum:]_]|$)') then
            'sql cannot run inside a transaction: set "mode: maintenance"' end
    ], null) || monitoring_internal.check_policies(p_job) || monitoring_internal.check_places(p_job);
end;
$$;

comment on function monitoring_internal.check_words(monitoring.jobs) is 'Everything wrong with the words of a job.';

-- What is wrong with the policies of a job.
-- Called by: check_words.
create or replace function monitoring_internal.check_policies(p_job monitoring.jobs)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return array_remove(array[
        case when p_job.dst not in ('once', 'skip', 'twice') then
            format('dst "%s" is unknown: once, skip or twice', p_job.dst) end,
        case when p_job.overlap not in ('skip', 'queue', 'cancel', 'allow') then
            format('overlap "%s" is unknown: skip, queue, cancel or allow', p_job.overlap) end,
        case when p_job.misfire not in ('last', 'skip', 'all') then
            format('misfire "%s" is unknown: last, skip or all', p_job.misfire) end,
        case when p_job.misfire = 'all' and p_job.overlap not in ('queue', 'allow') then
            'misfire all needs overlap queue or allow, else the slots made up for would push each other out' end,
        case when p_job.misfire_limit not between 1 and 1000 then
            format('misfire_limit %s is not between 1 and 1000', p_job.misfire_limit) end,
        case when p_job.retry_attempts not between 0 and 20 then
            format('retries.attempts %s is not between 0 and 20', p_job.retry_attempts) end,
        case when p_job.history not in ('auto', 'all', 'failures') then
            format('history "%s" is unknown: all or failures', p_job.history) end
    ], null);
end;
$$;

comment on function monitoring_internal.check_policies(monitoring.jobs) is
    'Everything wrong with the policies of a job.';

-- What is wrong with the parts of a job that have keys of their own: a misspelt one must not widen what the job does.
-- Called by: check_job_at.
create or replace function monitoring_internal.check_shapes(p_job jsonb)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select case
            when jsonb_typeof(part.value) <> 'object' then
                format('%s must be an object, such as %s', part.name, part.example)
            else format('%s: "%s" is not one of its keys: %s', part.name, stray.key, array_to_string(part.keys, ', '))
        end
        from (values
            ('databases', p_job -> 'databases', array['match', 'except'], '{"match": "^app"}'),
            ('retries', p_job -> 'retries', array['attempts', 'base', 'cap'], '{"attempts": 3}')
        ) as part (name, value, keys, example)
        left join lateral jsonb_object_keys(
            case jsonb_typeof(part.value) when 'object' then part.value else '{}' end) as stray (key)
            on stray.key <> all (part.keys)
        where jsonb_typeof(part.value) <> 'null' and (jsonb_typeof(part.value) <> 'object' or stray.key is not null)
        order by part.name, stray.key)
        || monitoring_internal.check_target_words(p_job -> 'targets');
end;
$$;

comment on function monitoring_internal.check_shapes(jsonb) is
    'Everything wrong with the parts of a job that have keys of their own.';

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
            ('spread', interval '0', interval '1 day'),
            ('retries.base', interval '1 second', interval '1 day'),
            ('retries.cap', interval '1 second', interval '1 day')
        ) as bound (name, low, high)
        cross join lateral (select p_job #>> string_to_array(bound.name, '.')) as given (value)
        where given.value is not null
    loop
        begin
            if v_bound.value::interval not between v_bound.low and v_bound.high then
                v_faults := v_faults || format('%s "%s" is not between %s and %s',
                    v_bound.name, v_bound.value, v_bound.low, v_bound.high);
            end if;
        exception
            when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
                v_faults := v_faults || format(
                    '%s "%s" is not a length of time such as 30s or 5m', v_bound.name, v_bound.value);
        end;
    end loop;
    return v_faults;
end;
$$;

comment on function monitoring_internal.check_durations(jsonb) is 'Everything wrong with the lengths of time of a job.';

-- A job as jobs.yml or schedule_job tells it, with its defaults, but for lengths of time, which may be unreadable.
-- Called by: check_job_at.
create or replace function monitoring_internal.read_job(p_job jsonb)
returns monitoring.jobs
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_job monitoring.jobs;
begin
    v_job.name := p_job ->> 'name';
    v_job.schedule := p_job ->> 'schedule';
    v_job.command := p_job ->> 'sql';
    v_job.mode := coalesce(p_job ->> 'mode', 'transaction');
    v_job.time_zone := coalesce(p_job ->> 'time_zone', 'UTC');
    v_job.dst := coalesce(p_job ->> 'dst', 'once');
    v_job.overlap := coalesce(p_job ->> 'overlap', 'skip');
    v_job.misfire := coalesce(p_job ->> 'misfire', 'last');
    v_job.misfire_limit := coalesce((p_job ->> 'misfire_limit')::integer, 100);
    v_job.run_as := p_job ->> 'run_as';
    v_job.retry_attempts := coalesce((p_job #>> '{retries,attempts}')::integer, 0);
    v_job.needs := array(
        select distinct need.name
        from jsonb_array_elements_text(coalesce(nullif(p_job -> 'needs', 'null'), '[]')) as need (name)
        order by need.name);
    v_job.targets := monitoring_internal.read_targets(p_job -> 'targets');
    v_job.is_fanned_out := v_job.targets is not null or coalesce(jsonb_typeof(p_job -> 'databases'), 'null') <> 'null';
    v_job.database_match := p_job #>> '{databases,match}';
    v_job.database_except := p_job #>> '{databases,except}';
    v_job.history := coalesce(p_job ->> 'history', 'auto');
    v_job.is_enabled := coalesce((p_job ->> 'enabled')::boolean, true);
    v_job.description := coalesce(p_job ->> 'description', '');
    v_job.source_line := (p_job ->> 'line')::integer;
    return v_job;
end;
$$;

comment on function monitoring_internal.read_job(jsonb) is 'A job as it was given, with its defaults.';

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
    v_misshapen constant text[] := monitoring_internal.check_shapes(p_job);
    v_gap interval;
begin
    v_job := monitoring_internal.read_job(p_job);
    v_job.source := p_source;
    if cardinality(v_faults) = 0 then
        v_job.timeout := coalesce((p_job ->> 'timeout')::interval, '5 minutes');
        v_job.lock_timeout := coalesce((p_job ->> 'lock_timeout')::interval, '5 seconds');
        v_job.start_deadline := (p_job ->> 'start_deadline')::interval;
        v_job.spread := coalesce((p_job ->> 'spread')::interval, '0');
        v_job.start_delay := monitoring_internal.start_delay(v_job.name, v_job.spread);
        v_job.retry_base := coalesce((p_job #>> '{retries,base}')::interval, '10 seconds');
        v_job.retry_cap := coalesce((p_job #>> '{retries,cap}')::interval, '10 minutes');
    end if;
    v_faults := v_misshapen || monitoring_internal.check_words(v_job) || monitoring_internal.check_targets(p_job)
        || v_faults;
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
