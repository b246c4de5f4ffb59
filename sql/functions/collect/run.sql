-- collect/run.sql: run one leased collector: ask the server, store the samples, write the log.
-- Owns require_collection_lease, collection_outcome_of_error, collection_hindrance, kept_statement, read_collector,
-- measure_collector, execute_collection_at, run_collection.
-- Writes samples through the store. A collector has one lease, so no two runs of it at once.

-- Stop a run whose lease went to another.
-- Raises: PV403.
create or replace function monitoring_internal.require_collection_lease(
    p_collector_id integer, p_fence bigint, p_target_database_id integer default 0)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select 1
        from monitoring.collector_states as state
        where state.collector_id = p_collector_id and state.target_database_id = p_target_database_id
            and state.fence = p_fence and state.lease_expires_at is not null)
    then
        return;
    end if;
    raise exception using
        errcode = 'PV403',
        message = format('claim %s of collector %s is no longer held', p_fence, p_collector_id),
        hint = 'Nothing was stored. Another instance has taken the collector over, or the run was already reported.';
end;
$$;

comment on function monitoring_internal.require_collection_lease(integer, bigint, integer) is
    'Raises PV403 unless the claim is the collector''s present one.';

-- What a run that ended in an error is called.
create or replace function monitoring_internal.collection_outcome_of_error(p_sqlstate text, p_message text)
returns monitoring_internal.collection_outcome
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select row(
        case
            when p_sqlstate = '57014' then 'timed_out'
            -- A lock that was not to be had in time: nothing is broken, the next run may get it.
            when p_sqlstate = '55P03' then 'skipped'
            -- No right, or a library that is not loaded.
            when p_sqlstate in ('42501', '55000') then 'unavailable'
            else 'failed'
        end,
        p_message,
        case
            when p_sqlstate = '42501' and not pg_has_role('monitoring_owner', 'pg_monitor', 'usage')
                then 'grant pg_monitor to monitoring_owner;'
            when p_sqlstate = '55000' and p_message ~ 'must be loaded via.*shared_preload_libraries'
                then format(
                    'alter system set shared_preload_libraries = %L; -- beside what is in it; then restart the server',
                    substring(p_message from '^(\w+) must be loaded'))
        end,
        p_sqlstate, 0, 0, 0, 0, 0, '[]'::jsonb)::monitoring_internal.collection_outcome;
$$;

comment on function monitoring_internal.collection_outcome_of_error(text, text) is
    'Status, reason and remedy of a run by the SQLSTATE it ended with.';

-- Why a leased collector cannot run here at all: a need unmet, a query that the server refuses; null when it can.
create or replace function monitoring_internal.collection_hindrance(p_collector_id integer)
returns monitoring_internal.collection_outcome
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select hindrance.outcome
    from (
        select 1 as rank, row('unavailable', unmet.reason, unmet.remedy, null, 0, 0, 0, 0, 0, '[]'::jsonb)
            ::monitoring_internal.collection_outcome as outcome
        from monitoring_internal.collector_obstacle(p_collector_id) as unmet
        union all
        select 2, monitoring_internal.collection_outcome_of_error(known.sqlstate, known.reason)
        from monitoring_internal.collector_statements as known
        where known.collector_id = p_collector_id and known.target_database_id = 0
            and known.sqlstate is not null
    ) as hindrance
    order by hindrance.rank
    limit 1;
$$;

comment on function monitoring_internal.collection_hindrance(integer) is
    'The outcome of a collector that cannot run on this server, with the reason; null when it can.';

-- What runs a statement that this session keeps prepared: planning takes most of the time of a small one. A statement
-- of that name whose text is another, whoever made it, is not run; its plan follows the search path that is in force.
create or replace function monitoring_internal.kept_statement(p_statement text)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_name constant text := 'pgvigil_' || md5(p_statement);
    v_text constant text := format('prepare %I as %s', v_name, p_statement);
    v_kept constant text := (
        select kept.statement from pg_prepared_statement() as kept where kept.name = v_name);
begin
    if v_kept is distinct from v_text then
        if v_kept is not null then
            execute format('deallocate %I', v_name);
        end if;
        execute format('prepare %I as %s', v_name, p_statement);
    end if;
    return format('execute %I', v_name);
end;
$$;

comment on function monitoring_internal.kept_statement(text) is
    'The EXECUTE of a statement that it prepares in this session if need be.';

-- Run a collector's statements and hand their samples over as arrays.
-- Raises: what the server says.
create or replace function monitoring_internal.read_collector(
    p_collector_id integer,
    out outcome monitoring_internal.collection_outcome,
    out metric text[], out labels jsonb[], out value double precision[], out rows text[])
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_snapshot constant boolean := (
        select collector.sink is not null
        from monitoring.collectors as collector
        where collector.collector_id = p_collector_id);
    v_query record;
    v_execute text;
    v_rows_read bigint;
    v_folded bigint;
    v_excluded bigint;
    v_gaps jsonb;
    v_metric text[];
    v_labels jsonb[];
    v_value double precision[];
    v_rows text[];
begin
    outcome := row('skipped', 'no query of it runs on a server of this version and role',
        null, null, 0, 0, 0, 0, 0, '[]'::jsonb)::monitoring_internal.collection_outcome;
    metric := '{}';
    labels := '{}';
    value := '{}';
    rows := '{}';
    -- A loop, since each query is a statement of its own (dynamic SQL).
    for v_query in
        select known.statement
        from monitoring.collector_queries as query
        inner join monitoring_internal.collector_statements as known using (collector_id, query)
        where query.collector_id = p_collector_id and known.target_database_id = 0
            and query.server_role in ('any', case when pg_is_in_recovery() then 'standby' else 'primary' end)
            and known.statement is not null
        order by query."position"
    loop
        v_execute := monitoring_internal.kept_statement(v_query.statement);
        if v_is_snapshot then
            execute v_execute into v_rows_read, v_folded, v_excluded, v_gaps, v_rows;
        else
            execute v_execute into v_rows_read, v_folded, v_excluded, v_gaps, v_metric, v_labels, v_value;
        end if;
        outcome.status := 'ok';
        outcome.reason := null;
        outcome.rows_read := outcome.rows_read + v_rows_read;
        outcome.folded := outcome.folded + v_folded;
        outcome.excluded := outcome.excluded + v_excluded;
        outcome.gaps := outcome.gaps || v_gaps;
        metric := metric || v_metric;
        labels := labels || v_labels;
        value := value || v_value;
        rows := rows || v_rows;
    end loop;
end;
$$;

comment on function monitoring_internal.read_collector(integer) is
    'Runs the statements of a collector for this server''s role and gives their samples or rows as arrays.';

-- The same, read-only, with the collectors' short lock_timeout, and errors as outcomes.
-- Raises: query_canceled, so that a time limit or a person ends the whole statement.
create or replace function monitoring_internal.measure_collector(
    p_collector_id integer,
    out outcome monitoring_internal.collection_outcome,
    out metric text[], out labels jsonb[], out value double precision[], out rows text[])
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_lock_timeout constant text := current_setting('lock_timeout');
    v_answer record;
begin
    begin
        -- What a collector runs can neither write nor hold others up. The first ends with this block by itself.
        perform set_config('transaction_read_only', 'on', true),
            set_config(
                'lock_timeout',
                monitoring_internal.milliseconds(monitoring_internal.setting_interval('collect.lock_timeout')), true);
        select * into v_answer from monitoring_internal.read_collector(p_collector_id);
        perform set_config('lock_timeout', v_lock_timeout, true);
        outcome := v_answer.outcome;
        metric := v_answer.metric;
        labels := v_answer.labels;
        value := v_answer.value;
        rows := v_answer.rows;
        return;
    exception
        -- Any error ends this collector alone, and its SQLSTATE is logged.
        when others then
            outcome := monitoring_internal.collection_outcome_of_error(sqlstate, sqlerrm);
    end;
    -- The catalogue is not what it was when the statements were found: ask it again next time.
    if outcome.sqlstate in ('42703', '42P01', '42883') then
        delete from monitoring_internal.collector_statements as known
        where known.collector_id = p_collector_id and known.target_database_id = 0;
    end if;
end;
$$;

comment on function monitoring_internal.measure_collector(integer) is
    'Runs a collector''s statements read-only and under its lock_timeout; errors become the outcome.';

-- Run a leased collector and store what it measured, with p_now as its time.
-- Raises: PV403 lease lost; query_canceled.
create or replace function monitoring_internal.execute_collection_at(
    p_collector_id integer, p_fence bigint, p_now timestamptz)
returns monitoring_internal.collection_outcome
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_outcome monitoring_internal.collection_outcome;
    v_answer record;
    v_stored monitoring.ingest_result;
    v_sink constant text := (
        select collector.sink
        from monitoring.collectors as collector
        where collector.collector_id = p_collector_id);
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence);
    if not exists (select 1 from monitoring_internal.collector_obstacle(p_collector_id)) then
        perform monitoring_internal.prepare_collector(p_collector_id);
    end if;
    v_outcome := monitoring_internal.collection_hindrance(p_collector_id);
    if v_outcome.status is not null then
        return v_outcome;
    end if;
    select * into v_answer from monitoring_internal.measure_collector(p_collector_id);
    v_outcome := v_answer.outcome;
    if v_outcome.status = 'ok' and v_sink is not null then
        v_outcome.samples := monitoring_internal.store_snapshot_at(v_sink, 0, v_answer.rows, p_now);
    elsif v_outcome.status = 'ok' then
        v_stored := monitoring.ingest_samples(
            v_answer.metric, v_answer.labels, v_answer.value,
            array_fill(p_now, array[cardinality(v_answer.metric)]));
        v_outcome.samples := v_stored.accepted;
        v_outcome.rejected := v_stored.rejected;
    end if;
    return v_outcome;
end;
$$;

comment on function monitoring_internal.execute_collection_at(integer, bigint, timestamptz) is
    'Runs a leased collector and stores its samples with the time given; errors become its outcome.';

-- Run a leased collector now and write its log. A time limit belongs at top level, before this statement.
-- Raises: PV403; query_canceled and whatever storing raises: report those with finish_collection.
create or replace function monitoring_internal.run_collection(p_collector_id integer, p_fence bigint)
returns monitoring.collector_runs
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
set jit = off
set max_parallel_workers_per_gather = 0
set work_mem = '16MB'
set stats_fetch_consistency = 'none'
as $$
    with start as materialized (
        select clock_timestamp() as started_at
    ), executed as materialized (
        select
            start.started_at,
            monitoring_internal.execute_collection_at(p_collector_id, p_fence, start.started_at) as outcome
        from start
    )
    select recorded.*
    from executed
    cross join lateral monitoring_internal.record_collection_at(
        p_collector_id, p_fence, executed.started_at, executed.outcome, clock_timestamp()) as recorded;
$$;

comment on function monitoring_internal.run_collection(integer, bigint) is
    'Runs a collector that the caller has claimed, stores its samples and logs the run, which it returns.';
