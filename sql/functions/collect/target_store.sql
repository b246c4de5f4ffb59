-- collect/target_store.sql: take home what a collector measured elsewhere, or why it did not.
-- Owns note_target_answer_at, target_remedy, target_hindrance, measure_target_collection, store_target_answers_at,
-- store_collection(_at).
-- Writes samples and snapshots, collector_runs, collector_states, collector_gaps, targets, target_events.

-- A target answered: it is tried without delay again.
create or replace function monitoring_internal.note_target_answer_at(p_target_id integer, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with answered as (
        update monitoring.targets as target
        set consecutive_failures = 0, next_try_at = '-infinity', last_error = null, last_sqlstate = null,
            last_seen_at = p_now
        where target.target_id = p_target_id and target.consecutive_failures > 0
        returning target.target_id
    )
    select monitoring_internal.note_target_event_at(answered.target_id, 'reachable', null, null, p_now)
    from answered;
$$;

comment on function monitoring_internal.note_target_answer_at(integer, timestamptz) is
    'Ends the back-off of a target that answered, and notes that it is reachable again.';

-- What mends a failure with this SQLSTATE there, where that is known.
create or replace function monitoring_internal.target_remedy(p_target_database_id integer, p_sqlstate text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_sqlstate = '42501' and place.facts -> 'roles' ? 'pg_monitor' is false
            then format('grant pg_monitor to %I;', place.facts ->> 'user')
        when p_sqlstate = 'PV604' then format('pgvigil targets accept %s', target.name)
        when p_sqlstate in ('28P01', '28000', 'PV606') and target.target_id <> 0
            then format('pgvigil targets rotate %s', target.name)
    end
    from monitoring.target_databases as place
    inner join monitoring.targets as target using (target_id)
    where place.target_database_id = p_target_database_id;
$$;

comment on function monitoring_internal.target_remedy(integer, text) is
    'The statement or command that mends a failure on a target, by its SQLSTATE; null where none is known.';

-- Why a collector cannot run in a database elsewhere at all; null when it can.
create or replace function monitoring_internal.target_hindrance(p_collector_id integer, p_target_database_id integer)
returns monitoring_internal.collection_outcome
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_outcome monitoring_internal.collection_outcome;
begin
    select 'unavailable', unmet.reason, unmet.remedy, null, 0, 0, 0, 0, 0, '[]'::jsonb
    into v_outcome
    from monitoring_internal.target_obstacle(p_collector_id, p_target_database_id) as unmet;
    if v_outcome.status is null then
        select refused.* into v_outcome
        from monitoring_internal.collector_statements as known
        cross join lateral monitoring_internal.collection_outcome_of_error(known.sqlstate, known.reason) as refused
        where known.collector_id = p_collector_id and known.target_database_id = p_target_database_id
            and known.sqlstate is not null
        limit 1;
        v_outcome.remedy := monitoring_internal.target_remedy(p_target_database_id, v_outcome.sqlstate);
    end if;
    return v_outcome;
end;
$$;

comment on function monitoring_internal.target_hindrance(integer, integer) is
    'The outcome of a collector that cannot run in a database elsewhere, with the reason; null when it can.';

-- What a run elsewhere says of itself.
create or replace function monitoring_internal.measure_target_collection(
    p_run monitoring.collector_runs, p_name text, p_scope text)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.measure_collection_at(
        p_name, p_run.status, p_run.duration_seconds, p_run.started_at,
        case when target.target_id = 0 then '{}' else jsonb_build_object('server', target.name) end
            || case when p_scope = 'database' then jsonb_build_object('datname', place.datname) else '{}' end,
        target.tenant_id)
    from monitoring.target_databases as place
    inner join monitoring.targets as target using (target_id)
    where place.target_database_id = p_run.target_database_id;
$$;

comment on function monitoring_internal.measure_target_collection(monitoring.collector_runs, text, text) is
    'Stores how long a run elsewhere took and whether it went well.';

-- Store the answers of a collector's statements, one element each, with the time given; returns what was stored and
-- refused. Series of targets carry the label server, those of other databases here do not.
create or replace function monitoring_internal.store_target_answers_at(
    p_sink text, p_target_database_id integer, p_metric text[], p_labels text[], p_value text[], p_rows text[],
    p_now timestamptz, out stored bigint, out refused bigint)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_server jsonb;
    v_tenant_id uuid;
    v_result monitoring.ingest_result;
    v_samples record;
begin
    select case when target.target_id = 0 then '{}' else jsonb_build_object('server', target.name) end, target.tenant_id
    into v_server, v_tenant_id
    from monitoring.target_databases as place
    inner join monitoring.targets as target using (target_id)
    where place.target_database_id = p_target_database_id;
    if p_sink is not null then
        stored := monitoring_internal.store_snapshot_at(
            p_sink, p_target_database_id,
            array(
                select element.row
                from unnest(p_rows) with ordinality as answer (list, place)
                cross join lateral unnest(answer.list::text[]) with ordinality as element (row, place)
                order by answer.place, element.place),
            p_now);
        refused := 0;
        return;
    end if;
    select array_agg(sample.metric) as metric, array_agg(sample.labels || v_server) as labels,
        array_agg(sample.value) as value
    into v_samples
    from unnest(p_metric, p_labels, p_value) as answer (metric, labels, value)
    cross join lateral unnest(answer.metric::text[], answer.labels::jsonb[], answer.value::double precision[])
        as sample (metric, labels, value);
    v_result := monitoring.ingest_samples(
        coalesce(v_samples.metric, '{}'), coalesce(v_samples.labels, '{}'), coalesce(v_samples.value, '{}'),
        array_fill(p_now, array[coalesce(cardinality(v_samples.metric), 0)]), v_tenant_id);
    stored := v_result.accepted;
    refused := v_result.rejected;
end;
$$;

comment on function monitoring_internal.store_target_answers_at(
    text, integer, text[], text[], text[], text[], timestamptz) is
    'Stores what a collector measured elsewhere: samples with the label server, or rows of its sink.';

-- Store what a collector measured elsewhere and log its run, as of a time; its samples carry the time of its claim.
-- Raises: PV403.
create or replace function monitoring_internal.store_collection_at(
    p_collector_id integer, p_target_database_id integer, p_fence bigint, p_rows_read bigint[], p_folded bigint[],
    p_excluded bigint[], p_gaps text[], p_metric text[], p_labels text[], p_value text[], p_rows text[],
    p_now timestamptz)
returns monitoring.collector_runs
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_state monitoring.collector_states;
    v_outcome monitoring_internal.collection_outcome;
    v_stored record;
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    select state.* into v_state
    from monitoring.collector_states as state
    where state.collector_id = p_collector_id and state.target_database_id = p_target_database_id;
    v_outcome := monitoring_internal.target_hindrance(p_collector_id, p_target_database_id);
    if v_outcome.status is null and cardinality(p_rows_read) = 0 then
        v_outcome := row('skipped', 'no query of it runs on a server of this version and role',
            null, null, 0, 0, 0, 0, 0, '[]'::jsonb)::monitoring_internal.collection_outcome;
    elsif v_outcome.status is null then
        v_stored := monitoring_internal.store_target_answers_at(
            (
                select collector.sink
                from monitoring.collectors as collector
                where collector.collector_id = p_collector_id),
            p_target_database_id, p_metric, p_labels, p_value, p_rows, v_state.claimed_at);
        select 'ok', null, null, null, sum(answer.rows_read), v_stored.stored, v_stored.refused, sum(answer.folded),
            sum(answer.excluded), (
                select coalesce(jsonb_agg(gap.gap), '[]')
                from unnest(p_gaps) as list (gaps)
                cross join lateral jsonb_array_elements(list.gaps::jsonb) as gap (gap))
        into v_outcome
        from unnest(p_rows_read, p_folded, p_excluded) as answer (rows_read, folded, excluded);
    end if;
    perform monitoring_internal.note_target_answer_at(v_state.target_id, p_now);
    return monitoring_internal.record_collection_at(
        p_collector_id, p_fence, v_state.claimed_at, v_outcome, p_now, p_target_database_id);
end;
$$;

comment on function monitoring_internal.store_collection_at(
    integer, integer, bigint, bigint[], bigint[], bigint[], text[], text[], text[], text[], text[], timestamptz) is
    'store_collection as of a time.';

-- Store what a collector measured elsewhere and log its run: one element an answer, arrays as text, unchanged.
create or replace function monitoring_internal.store_collection(
    p_collector_id integer, p_target_database_id integer, p_fence bigint, p_rows_read bigint[], p_folded bigint[],
    p_excluded bigint[], p_gaps text[], p_metric text[], p_labels text[], p_value text[], p_rows text[])
returns monitoring.collector_runs
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select stored.*
    from monitoring_internal.store_collection_at(
        p_collector_id, p_target_database_id, p_fence, p_rows_read, p_folded, p_excluded, p_gaps, p_metric, p_labels,
        p_value, p_rows, clock_timestamp()) as stored;
$$;

comment on function monitoring_internal.store_collection(
    integer, integer, bigint, bigint[], bigint[], bigint[], text[], text[], text[], text[], text[]) is
    'Stores the answers of the statements of plan_collection(), logs the run and ends its lease. For the service.';
