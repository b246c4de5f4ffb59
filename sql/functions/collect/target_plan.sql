-- collect/target_plan.sql: which statements a collector runs in a database elsewhere, found by asking that server.
-- Owns target_obstacle, target_fingerprint, collector_candidates, plan_collection, report_candidate,
-- doubt_target_statements. Writes collector_statements. Called by the holder of the collector's lease in the database.

-- The first need of a collector that a database elsewhere does not meet, with the statement that mends it.
create or replace function monitoring_internal.target_obstacle(p_collector_id integer, p_target_database_id integer)
returns table (reason text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select unmet.reason, unmet.remedy
    from monitoring.target_databases as place
    inner join monitoring.collector_needs as need on need.collector_id = p_collector_id
    cross join lateral (select place.facts -> 'extensions' -> need.name ->> 'version' as version) as extension
    cross join lateral (
        select
            format('role %I is no member of %I', place.facts ->> 'user', need.name) as reason,
            format('grant %I to %I;', need.name, place.facts ->> 'user') as remedy
        where need.kind = 'role' and not place.facts -> 'roles' ? need.name
        union all
        select
            format('setting %s is "%s", not "%s"', need.name, place.facts -> 'settings' ->> need.name, need.value),
            format('alter system set %I = %L; select pg_reload_conf();', need.name, need.value)
        where need.kind = 'setting' and place.facts -> 'settings' ->> need.name is distinct from need.value
        union all
        select
            format('extension %I is not installed in database %I', need.name, place.datname),
            format('create extension %I;', need.name)
        where need.kind = 'extension' and extension.version is null
        union all
        select
            format('extension %I is version %s, older than %s', need.name, extension.version, need.value),
            format('alter extension %I update;', need.name)
        where need.kind = 'extension' and need.value <> '' and extension.version ~ '^[0-9]+(\.[0-9]+)*$'
            and string_to_array(extension.version, '.')::integer[] < string_to_array(need.value, '.')::integer[]
    ) as unmet
    where place.target_database_id = p_target_database_id and place.facts <> '{}'
    order by need.kind desc, need.name
    limit 1;
$$;

comment on function monitoring_internal.target_obstacle(integer, integer) is
    'What a collector needs and a database elsewhere lacks: the first such need and the statement that mends it there.';

-- What the statements of a collector in a database elsewhere depend on besides its file.
create or replace function monitoring_internal.target_fingerprint(p_collector_id integer, p_target_database_id integer)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(' ', place.facts ->> 'server_version_num', (
        select string_agg(
            format('%s=%s@%s', need.name, extension.fact ->> 'version', extension.fact ->> 'schema'), ' '
            order by need.name)
        from monitoring.collector_needs as need
        cross join lateral (select place.facts -> 'extensions' -> need.name as fact) as extension
        where need.collector_id = p_collector_id and need.kind = 'extension' and extension.fact is not null))
    from monitoring.target_databases as place
    where place.target_database_id = p_target_database_id;
$$;

comment on function monitoring_internal.target_fingerprint(integer, integer) is
    'Version of a server elsewhere, and versions and schemas of the extensions that a collector needs.';

-- The variants of a query in the order in which a server elsewhere is asked to accept them.
create or replace function monitoring_internal.collector_candidates(
    p_collector_id integer, p_query text, p_target_database_id integer)
returns table (candidate integer, body text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        (row_number() over (order by
            coalesce(variant.version_to, 9999) >= server.major desc, variant.version_from desc, variant."position")
        )::integer,
        monitoring_internal.fit_body(
            p_collector_id, variant.body, server.major, coalesce(server.extensions, '{}'))
    from monitoring.collector_variants as variant
    inner join (
        select
            (place.facts ->> 'server_version_num')::integer / 10000 as major,
            place.facts -> 'extensions' as extensions
        from monitoring.target_databases as place
        where place.target_database_id = p_target_database_id
    ) as server on variant.version_from <= server.major
    where variant.collector_id = p_collector_id and variant.query = p_query;
$$;

comment on function monitoring_internal.collector_candidates(integer, text, integer) is
    'Texts of a query that may fit a server elsewhere, the likeliest first, numbered from 1.';

-- What a collector runs in a database elsewhere: statements that are known, or bodies to ask that server about.
-- No row: it cannot run there, and store_collection says why.
-- Raises: PV403.
create or replace function monitoring_internal.plan_collection(
    p_collector_id integer, p_target_database_id integer, p_fence bigint)
returns table (query text, "position" integer, statement text, candidate integer, body text)
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    -- What a server refused is asked again in each run; what it accepted until its version or an extension changes.
    delete from monitoring_internal.collector_statements as known
    where known.collector_id = p_collector_id and known.target_database_id = p_target_database_id
        and (
            known.fingerprint <> monitoring_internal.target_fingerprint(p_collector_id, p_target_database_id)
            or known.statement is null and known.fence is distinct from p_fence);
    if exists (select 1 from monitoring_internal.target_obstacle(p_collector_id, p_target_database_id)) then
        return;
    end if;
    return query
        with planned as (
            select part.query, part."position", known.statement, next.candidate, next.body,
                known.sqlstate is not null and next.candidate is null as is_exhausted
            from monitoring.collector_queries as part
            inner join monitoring.target_databases as place on place.target_database_id = p_target_database_id
            left join monitoring_internal.collector_statements as known
                on known.collector_id = part.collector_id and known.query = part.query
                and known.target_database_id = p_target_database_id
            left join lateral (
                select option.candidate, option.body
                from monitoring_internal.collector_candidates(p_collector_id, part.query, p_target_database_id)
                    as option
                where option.candidate > coalesce(known.candidate, 0)
                order by option.candidate
                limit 1
            ) as next on known.statement is null
            where part.collector_id = p_collector_id
                and part.server_role in ('any', case when (place.facts -> 'in_recovery')::boolean then 'standby'
                    else 'primary' end)
        )
        select planned.query, planned."position", planned.statement, planned.candidate, planned.body
        from planned
        where (planned.statement is not null or planned.candidate is not null)
            and not exists (select 1 from planned as other where other.is_exhausted)
        order by planned."position";
end;
$$;

comment on function monitoring_internal.plan_collection(integer, integer, bigint) is
    'The statements of a collector in a database elsewhere, or bodies to describe there and report_candidate(). '
    'For the service.';

-- Take what a server elsewhere said of a body: the names of its columns, or why it refused.
-- Raises: PV403.
create or replace function monitoring_internal.report_candidate(
    p_collector_id integer, p_target_database_id integer, p_fence bigint, p_query text, p_candidate integer,
    p_columns text[], p_sqlstate text, p_message text)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    -- A metric may be newer than the server, a label may not.
    v_missing constant text := (
        select string_agg(part.column_name, ', ' order by part."position")
        from monitoring.collector_columns as part
        where part.collector_id = p_collector_id and part.query = p_query
            and part.usage not in ('metric', 'column') and part.column_name <> all (coalesce(p_columns, '{}')));
    v_is_accepted constant boolean := p_columns is not null and p_sqlstate is null and v_missing is null;
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    insert into monitoring_internal.collector_statements as known
        (collector_id, query, target_database_id, fingerprint, candidate, fence, statement, sqlstate, reason)
    select
        p_collector_id, p_query, p_target_database_id,
        monitoring_internal.target_fingerprint(p_collector_id, p_target_database_id), p_candidate, p_fence,
        case when v_is_accepted
            then monitoring_internal.wrap_body(p_collector_id, p_query, option.body, p_columns) end,
        case when not v_is_accepted then coalesce(p_sqlstate, '42703') end,
        case when not v_is_accepted
            then left(format('query %s: %s', p_query, coalesce(p_message, 'it does not give ' || v_missing)), 1000) end
    from monitoring_internal.collector_candidates(p_collector_id, p_query, p_target_database_id) as option
    where option.candidate = p_candidate
    on conflict (target_database_id, collector_id, query) do update
    set fingerprint = excluded.fingerprint,
        candidate = excluded.candidate,
        fence = excluded.fence,
        statement = excluded.statement,
        -- Kept of the newest variant only: it is the one that should have fitted.
        sqlstate = case when excluded.statement is null then coalesce(known.sqlstate, excluded.sqlstate) end,
        reason = case when excluded.statement is null then coalesce(known.reason, excluded.reason) end;
end;
$$;

comment on function monitoring_internal.report_candidate(
    integer, integer, bigint, text, integer, text[], text, text) is
    'Takes the columns of a body that plan_collection() gave, or why a server refused it. For the service.';

-- A run's failure may say that what is known of a server is no longer so.
create or replace function monitoring_internal.doubt_target_statements(
    p_collector_id integer, p_target_database_id integer, p_sqlstate text)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring_internal.collector_statements as known
    where known.collector_id = p_collector_id and known.target_database_id = p_target_database_id
        and p_sqlstate in ('42703', '42P01', '42883');
    -- 55000 among them: what a primary answers, a standby refuses.
    update monitoring.target_databases as place
    set facts_at = null
    from monitoring.target_databases as given
    where given.target_database_id = p_target_database_id and place.target_id = given.target_id
        and (place.target_database_id = p_target_database_id or place.is_main) and not place.is_home
        and p_sqlstate in ('42703', '42P01', '42883', '42501', '55000', '25006');
$$;

comment on function monitoring_internal.doubt_target_statements(integer, integer, text) is
    'Forgets statements and facts that a failure with this SQLSTATE casts doubt on.';
