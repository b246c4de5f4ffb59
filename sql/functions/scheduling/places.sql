-- scheduling/places.sql: where a job runs: databases of this cluster, or other servers.
-- Owns job_targets, check_places, read_targets, check_target_words, check_targets, job_place, take_target_room.
-- Writes nothing. Concurrency: room on a target is given out under the lock of its row, which collections take as well.

-- The places in which each slot of a job runs: names of databases of this cluster, or of targets.
-- Called by: planned_slots_at, run_job_at.
create or replace function monitoring_internal.job_targets(p_job monitoring.jobs)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_job.targets is not null then
        return array(
            select target.name
            from monitoring.targets as target
            where target.is_enabled and target.target_id <> 0
                and exists (
                    select from unnest(p_job.targets) as wish (word)
                    where wish.word in ('all', target.name)
                        or (wish.word like 're:%' and target.name ~ substr(wish.word, 4)))
            order by target.name);
    end if;
    return array(
        select database.datname::text
        from pg_database as database
        where database.datallowconn and not database.datistemplate
            and coalesce(database.datname ~ p_job.database_match, true)
            and coalesce(database.datname !~ p_job.database_except, true)
        order by database.datname);
end;
$$;

comment on function monitoring_internal.job_targets(monitoring.jobs) is
    'The databases of this cluster, or the targets, on which a job runs.';

-- What is wrong with where a job runs.
-- Called by: check_words.
create or replace function monitoring_internal.check_places(p_job monitoring.jobs)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_faults text[] := '{}';
    v_pattern record;
begin
    -- A loop, since each is tried on its own.
    for v_pattern in
        select *
        from (values ('databases.match', p_job.database_match), ('databases.except', p_job.database_except))
            as pattern (key, text)
        where pattern.text is not null
        union all
        select 'targets', substr(wish.word, 4)
        from unnest(p_job.targets) as wish (word)
        where wish.word like 're:%'
    loop
        begin
            perform '' ~ v_pattern.text;
        exception
            when invalid_regular_expression then
                v_faults := v_faults || format('%s: %s', v_pattern.key, sqlerrm);
        end;
    end loop;
    return v_faults;
end;
$$;

comment on function monitoring_internal.check_places(monitoring.jobs) is 'Everything wrong with where a job runs.';

-- The targets of a job as it was given, each once; null: none are given, or they cannot be read.
-- Called by: read_job.
create or replace function monitoring_internal.read_targets(p_targets jsonb)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return case jsonb_typeof(p_targets)
        when 'string' then array[p_targets #>> '{}']
        when 'array' then nullif(array(
            select distinct wish.word
            from jsonb_array_elements_text(p_targets) as wish (word)
            order by wish.word), '{}')
    end;
end;
$$;

comment on function monitoring_internal.read_targets(jsonb) is 'The targets of a job as it was given, each once.';

-- What is wrong with the shape of a job's targets.
-- Called by: check_shapes.
create or replace function monitoring_internal.check_target_words(p_targets jsonb)
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return case
        when coalesce(jsonb_typeof(p_targets), 'null') = 'null' then '{}'
        when jsonb_typeof(p_targets) = 'array' and p_targets <> '[]'
            and not jsonb_path_exists(p_targets, '$[*] ? (@.type() != "string" || @ == "")') then '{}'
        when p_targets = '"all"' then '{}'
        else array['targets must be "all" or a list of names and patterns, such as ["north", "re:^app"]']
    end;
end;
$$;

comment on function monitoring_internal.check_target_words(jsonb) is
    'Everything wrong with the shape of a job''s targets.';

-- What is wrong with the targets of a job: names that are none, and databases beside them.
-- Called by: check_job_at.
create or replace function monitoring_internal.check_targets(p_job jsonb)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_targets constant text[] := monitoring_internal.read_targets(p_job -> 'targets');
begin
    return array_remove(array[
        case when v_targets is not null and coalesce(jsonb_typeof(p_job -> 'databases'), 'null') <> 'null' then
            'databases and targets exclude each other: it runs in databases of this cluster, or on other servers' end
    ], null) || array(
        select case
            when here.name is not null then
                format('targets: "%s" is this server: leave targets away, or name its databases', wish.word)
            else format('targets: "%s" is no target; those there are: %s', wish.word, coalesce((
                select string_agg(target.name, ', ' order by target.name)
                from monitoring.targets as target
                where target.target_id <> 0), 'none'))
        end
        from unnest(v_targets) as wish (word)
        left join monitoring.targets as here on here.name = wish.word and here.target_id = 0
        where wish.word not like 're:%' and wish.word <> 'all'
            and not exists (
                select from monitoring.targets as target where target.name = wish.word and target.target_id <> 0));
end;
$$;

comment on function monitoring_internal.check_targets(jsonb) is 'Everything wrong with the targets of a job.';

-- Where a job runs, in a few words for a table; targets are counted and not named: who only
-- reads may not know those of other tenants.
-- Called by: list_jobs_at, list_upcoming_at.
create or replace function monitoring_internal.job_place(p_job_id integer)
returns text
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select case
        when job.targets is not null then format('%s targets', cardinality(monitoring_internal.job_targets(job)))
        when job.is_fanned_out then format('%s databases', cardinality(monitoring_internal.job_targets(job)))
        else 'here'
    end
    from monitoring.jobs as job
    where job.job_id = p_job_id;
$$;

comment on function monitoring_internal.job_place(integer) is
    'Where a job runs, in a few words for a table: here, 3 targets, 5 databases.';

-- Whether one more run may begin on a target: of its connections one is left to collection, and those that collections
-- have at the moment are in use. The row stays locked, so that the next one who asks sees what this one let go.
-- Called by: unblock_runs_at.
create or replace function monitoring_internal.take_target_room(p_target_id integer, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_limit integer;
    v_collecting integer;
    v_running integer;
begin
    select target.max_connections into v_limit
    from monitoring.targets as target
    where target.target_id = p_target_id
    for no key update;
    if not found then
        -- It ends at once, and says that the target is gone.
        return true;
    end if;
    select count(*) into v_running
    from monitoring.job_leases as lease
    where lease.target_id = p_target_id and lease.waits_for is null;
    select count(*) into v_collecting
    from monitoring.collector_states as state
    where state.target_id = p_target_id and state.target_database_id <> 0
        and state.lease_expires_at is not null and state.lease_expires_at > p_now;
    return v_running < greatest(v_limit - 1, 1) and v_running + v_collecting < v_limit;
end;
$$;

comment on function monitoring_internal.take_target_room(integer, timestamptz) is
    'Whether one more run may begin on a target as far as its max_connections go.';
