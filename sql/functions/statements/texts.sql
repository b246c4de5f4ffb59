-- statements/texts.sql: the dictionary's texts: asked for when missing, masked before they are stored, forgotten.
-- Owns statement_tenant_id, request_texts_at, store_statement_texts_at, tidy_statements(_at), mark_query_optimized.
-- Writes statements, statement_sources, statement_counters, collector_states. Any number of callers at once.

-- Whose the statements of a server are.
create or replace function monitoring_internal.statement_tenant_id(p_target_database_id integer)
returns uuid
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce((
        select database.tenant_id
        from monitoring.target_databases as database
        where database.target_database_id = p_target_database_id), monitoring.system_tenant_id());
$$;

comment on function monitoring_internal.statement_tenant_id(integer) is
    'The tenant of the server that a database belongs to.';

-- Make collector statement_texts due when statements in use lack their texts, but not too often: reading texts is dear.
create or replace function monitoring_internal.request_texts_at(p_target_database_id integer, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.collector_states as state
    set next_due_at = wanted.due_at
    from monitoring.collectors as collector
    cross join (
        select greatest(p_now, source.texts_read_at + monitoring_internal.setting_interval('statements.text_pause'))
            as due_at
        from monitoring.statement_sources as source
        where source.target_database_id = p_target_database_id
    ) as wanted
    where collector.collector_id = state.collector_id and collector.name = 'statement_texts'
        and state.target_database_id = p_target_database_id
        and state.next_due_at > wanted.due_at
        and exists (
            select 1
            from monitoring.statements as statement
            where statement.target_database_id = p_target_database_id and statement.normalized_query is null
                and (statement.text_missed_at is null or statement.text_missed_at < p_now - interval '1 hour')
                and statement.last_seen_at > p_now - interval '2 hours');
$$;

comment on function monitoring_internal.request_texts_at(integer, timestamptz) is
    'Brings the next run of collector statement_texts forward when the dictionary lacks texts.';

-- Take in texts that collector statement_texts read: those that the dictionary lacks, masked and cut.
create or replace function monitoring_internal.store_statement_texts_at(
    p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with wanted as materialized (
        select statement.queryid, statement.dbid, text.query, text.is_truncated
        from monitoring.statements as statement
        left join unnest(p_rows::monitoring_internal.statement_texts_row[]) as text
            on text.queryid = statement.queryid and text.dbid = statement.dbid
        where statement.target_database_id = p_target_database_id and statement.normalized_query is null
    ), masked as materialized (
        select wanted.*, monitoring_internal.mask_query(wanted.query) as masked_query,
            monitoring_internal.setting_integer('statements.text_length')::integer as max_length
        from wanted
    ), noted as (
        update monitoring.statement_sources as source
        set texts_read_at = p_now
        where source.target_database_id = p_target_database_id
    ), stored as (
        update monitoring.statements as statement
        set normalized_query = left(masked.masked_query, masked.max_length),
            query_hash = coalesce(md5(masked.masked_query), statement.query_hash),
            is_truncated = coalesce(masked.is_truncated or length(masked.masked_query) > masked.max_length, false),
            text_missed_at = case when masked.query is null then p_now end
        from masked
        where statement.target_database_id = p_target_database_id
            and statement.queryid = masked.queryid and statement.dbid = masked.dbid
        returning statement.normalized_query
    )
    select count(stored.normalized_query) from stored;
$$;

comment on function monitoring_internal.store_statement_texts_at(integer, text[], timestamptz) is
    'Stores the texts that the dictionary lacks, masked, and returns how many.';

-- Forget statements, with their texts, that were not seen for the setting statements.text_retention before p_now, and
-- the counters of servers that were removed. Their intervals stay until their retention ends.
create or replace function monitoring_internal.tidy_statements_at(p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with gone as materialized (
        select source.target_database_id
        from monitoring.statement_sources as source
        where not exists (
            select 1
            from monitoring.target_databases as database
            where database.target_database_id = source.target_database_id)
    ), counters as (
        delete from monitoring_internal.statement_counters as past
        where past.target_database_id in (select gone.target_database_id from gone)
    ), sources as (
        delete from monitoring.statement_sources as source
        where source.target_database_id in (select gone.target_database_id from gone)
    ), forgotten as (
        delete from monitoring.statements as statement
        where statement.last_seen_at < p_now - monitoring_internal.setting_interval('statements.text_retention')
        returning 1
    )
    select count(*) from forgotten;
$$;

comment on function monitoring_internal.tidy_statements_at(timestamptz) is
    'Forgets statements not seen for long, and counters of servers that are gone; returns how many statements.';

-- The same as of now, for a job.
create or replace function monitoring.tidy_statements()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.tidy_statements_at(clock_timestamp());
$$;

comment on function monitoring.tidy_statements() is
    'Forgets statements, with their texts, that were not seen for setting statements.text_retention; returns how many. '
    'For monitoring_admin and monitoring_service.';

-- Note that somebody improved a query; query_performance shows when. Returns how many statements have that text.
-- Raises: PV702.
create or replace function monitoring_internal.mark_query_optimized_at(p_query_hash text, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_marked bigint;
begin
    update monitoring.statements as statement
    set optimized_at = p_now
    where statement.query_hash = p_query_hash
        and statement.tenant_id = any (monitoring.visible_tenant_ids());
    get diagnostics v_marked = row_count;
    if v_marked = 0 then
        raise exception using
            errcode = 'PV702',
            message = format('no statement has the hash "%s"', p_query_hash),
            hint = 'The hashes are in monitoring.query_performance.';
    end if;
    return v_marked;
end;
$$;

comment on function monitoring_internal.mark_query_optimized_at(text, timestamptz) is
    'Stamps the statements with a text''s hash as improved at the time given.';

-- The same as of now.
create or replace function monitoring.mark_query_optimized(query_hash text)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.mark_query_optimized_at(mark_query_optimized.query_hash, clock_timestamp());
$$;

comment on function monitoring.mark_query_optimized(text) is
    'Notes that a query was improved now, by its hash in query_performance; returns how many statements have it. '
    'For monitoring_admin.';
