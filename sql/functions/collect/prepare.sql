-- collect/prepare.sql: find the statement that a collector's query runs on this server.
-- Owns collector_obstacle, collector_fingerprint, fit_body, fit_collector_body, wrap_collector_body, present_columns,
-- probe_collector_query, prepare_collector. Writes collector_statements. Called by the holder of the collector's lease.

-- The first need of a collector that this server does not meet, with the statement that mends it; no row when none.
create or replace function monitoring_internal.collector_obstacle(p_collector_id integer)
returns table (reason text, remedy text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select unmet.reason, unmet.remedy
        from monitoring.collector_needs as need
        left join pg_extension as extension on need.kind = 'extension' and extension.extname = need.name
        cross join lateral (
            select
                format('role monitoring_owner is no member of %I', need.name) as reason,
                format('grant %I to monitoring_owner;', need.name) as remedy
            where need.kind = 'role'
                and not coalesce(
                    pg_has_role('monitoring_owner', to_regrole(quote_ident(need.name))::oid, 'usage'), false)
            union all
            select
                format('setting %s is "%s", not "%s"', need.name, current_setting(need.name, true), need.value),
                format('alter system set %I = %L; select pg_reload_conf();', need.name, need.value)
            where need.kind = 'setting' and current_setting(need.name, true) is distinct from need.value
            union all
            select
                format('extension %I is not installed in database %I', need.name, current_database()),
                format('create extension %I;', need.name)
            where need.kind = 'extension' and extension.oid is null
            union all
            select
                format('extension %I is version %s, older than %s', need.name, extension.extversion, need.value),
                format('alter extension %I update;', need.name)
            where need.kind = 'extension' and need.value <> '' and extension.extversion ~ '^[0-9]+(\.[0-9]+)*$'
                and string_to_array(extension.extversion, '.')::integer[] < string_to_array(need.value, '.')::integer[]
        ) as unmet
        where need.collector_id = p_collector_id
        order by need.kind desc, need.name
        limit 1;
end;
$$;

comment on function monitoring_internal.collector_obstacle(integer) is
    'What a collector needs and this server lacks: the first such need and the statement that mends it.';

-- What the statements of a collector depend on besides its file.
create or replace function monitoring_internal.collector_fingerprint(p_collector_id integer)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(' ', current_setting('server_version_num'), string_agg(
        format('%s=%s@%s', extension.extname, extension.extversion, extension.extnamespace::regnamespace), ' '
        order by extension.extname))
    from monitoring.collector_needs as need
    inner join pg_extension as extension on extension.extname = need.name
    where need.collector_id = p_collector_id and need.kind = 'extension';
$$;

comment on function monitoring_internal.collector_fingerprint(integer) is
    'Server version and versions and schemas of the extensions that a collector needs.';

-- A variant's text for a server: lines of other versions dropped, the cap and extension schemas filled in.
-- Units: p_extensions is an object of names with their {"version": …, "schema": …}.
create or replace function monitoring_internal.fit_body(
    p_collector_id integer, p_body text, p_major integer, p_extensions jsonb)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with recursive kept as (
        select string_agg(line.line, E'\n' order by line.line_number) as body
        from regexp_split_to_table(p_body, E'\n') with ordinality as line (line, line_number)
        cross join lateral (select regexp_match(line.line, '--!\s*([0-9]+)-([0-9]*)\s*$') as bound) as guard
        where guard.bound is null
            or p_major between guard.bound[1]::integer and coalesce(nullif(guard.bound[2], '')::integer, 9999)
    ), extension as (
        select
            row_number() over (order by need.name) as number,
            format(':"%s"', need.name) as mark,
            quote_ident(p_extensions -> need.name ->> 'schema') as schema_name
        from monitoring.collector_needs as need
        where need.collector_id = p_collector_id and need.kind = 'extension' and p_extensions ? need.name
    ), filled as (
        select 0::bigint as number, kept.body from kept
        union all
        select extension.number, replace(filled.body, extension.mark, extension.schema_name)
        from filled
        inner join extension on extension.number = filled.number + 1
    )
    select regexp_replace(filled.body, '(?<!:):cap\M', collector.row_cap::text, 'g')
    from filled
    cross join monitoring.collectors as collector
    where collector.collector_id = p_collector_id
    order by filled.number desc
    limit 1;
$$;

comment on function monitoring_internal.fit_body(integer, text, integer, jsonb) is
    'A variant''s SELECT as a server of this version and with these extensions gets it.';

-- The same for this server.
create or replace function monitoring_internal.fit_collector_body(p_collector_id integer, p_body text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.fit_body(
        p_collector_id, p_body, current_setting('server_version_num')::integer / 10000,
        coalesce(jsonb_object_agg(extension.extname, jsonb_build_object('schema', namespace.nspname)), '{}'))
    from monitoring.collector_needs as need
    inner join pg_extension as extension on need.kind = 'extension' and extension.extname = need.name
    inner join pg_namespace as namespace on namespace.oid = extension.extnamespace
    where need.collector_id = p_collector_id;
$$;

comment on function monitoring_internal.fit_collector_body(integer, text) is
    'A variant''s SELECT as this server gets it: guarded lines, :cap and :"extension" resolved.';

-- The statement around a SELECT that turns its rows into arrays of samples, in one pass and by no loop.
create or replace function monitoring_internal.wrap_collector_body(
    p_collector_id integer, p_query text, p_body text, p_columns text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statement$
with result as materialized (
    select row_number() over () as " position", jsonb_strip_nulls(jsonb_build_object(%2$s)) as " labels", answer.*
    from (
%1$s
    ) as answer
), sample as (
    select sample.metric, result." labels" as labels, sample.value
    from result
    cross join lateral (values %3$s) as sample (metric, value)
    where sample.value is not null and result." position" <= %4$s and %5$s is null
)
select
    (select count(*) from result) as rows_read,
    (
        select coalesce(sum(%6$s), 0) + count(*) filter (where " position" > %4$s and %5$s is null)
        from result
    )::bigint as folded,
    (select coalesce(sum(%7$s), 0) from result)::bigint as excluded,
    (
        select coalesce(jsonb_agg(jsonb_build_object(
            'labels', " labels", 'reason', %5$s)), '[]')
        from result
        where %5$s is not null
    ) as gaps,
    array_agg(sample.metric) as metric, array_agg(sample.labels) as labels, array_agg(sample.value) as value
from sample$statement$,
        p_body,
        -- Labels in the form they are stored in, so that the store finds each series at once.
        string_agg(format('%L, nullif(answer.%I::text, '''')', part.name, part.column_name), ', '
            order by part."position") filter (where part.usage = 'label'),
        string_agg(
            format('(%L, result.%I::double precision)', part.name, part.column_name), ', ' order by part."position")
            filter (where part.usage = 'metric'),
        max(collector.row_cap) + 1,
        coalesce(min(format('%I::text', part.column_name)) filter (where part.usage = 'gap'), 'null::text'),
        coalesce(min(format('%I', part.column_name)) filter (where part.usage = 'folded'), '0'),
        coalesce(min(format('%I', part.column_name)) filter (where part.usage = 'excluded'), '0'))
    from monitoring.collector_columns as part
    inner join monitoring.collectors as collector on collector.collector_id = part.collector_id
    where part.collector_id = p_collector_id and part.query = p_query
        and part.column_name = any (p_columns);
$$;

comment on function monitoring_internal.wrap_collector_body(integer, text, text, text[]) is
    'The statement that runs a SELECT and gives counts, gaps and arrays of metric, labels and value.';

-- Which declared columns a SELECT gives here, found by asking for them with LIMIT 0.
-- Raises: whatever the server says of the SELECT itself; 42703 for a label or count it does not give.
create or replace function monitoring_internal.present_columns(p_collector_id integer, p_query text, p_body text)
returns text[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns text[];
    v_all text;
    v_column record;
begin
    execute format(E'select 1 from (\n%s\n) as answer limit 0', p_body);
    select array_agg(part.column_name), string_agg(format('answer.%I', part.column_name), ', ')
    into v_columns, v_all
    from monitoring.collector_columns as part
    where part.collector_id = p_collector_id and part.query = p_query;
    begin
        execute format(E'select %s from (\n%s\n) as answer limit 0', v_all, p_body);
        return v_columns;
    exception
        when undefined_column then v_columns := '{}';
    end;
    -- One at a time (isolation per column), once per server version: a metric may be newer than the server.
    for v_column in
        select part.column_name, part.usage
        from monitoring.collector_columns as part
        where part.collector_id = p_collector_id and part.query = p_query
    loop
        begin
            execute format(E'select answer.%I from (\n%s\n) as answer limit 0', v_column.column_name, p_body);
            v_columns := v_columns || v_column.column_name::text;
        exception
            when undefined_column then
                if v_column.usage not in ('metric', 'column') then
                    raise;
                end if;
        end;
    end loop;
    return v_columns;
end;
$$;

comment on function monitoring_internal.present_columns(integer, text, text) is
    'The declared columns that a SELECT gives on this server.';

-- Find a query's statement: of the variants for this version, or the newest ones when it is newer than all of them,
-- the first that the server accepts.
create or replace function monitoring_internal.probe_collector_query(p_collector_id integer, p_query text)
returns monitoring_internal.collector_statements
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_major constant integer := current_setting('server_version_num')::integer / 10000;
    v_found monitoring_internal.collector_statements;
    v_variant record;
    v_body text;
    v_statement text;
begin
    v_found.collector_id := p_collector_id;
    v_found.query := p_query;
    v_found.target_database_id := 0;
    v_found.fingerprint := monitoring_internal.collector_fingerprint(p_collector_id);
    for v_variant in
        select variant.body
        from monitoring.collector_variants as variant
        where variant.collector_id = p_collector_id and variant.query = p_query
            and variant.version_from <= v_major
        order by coalesce(variant.version_to, 9999) >= v_major desc, variant.version_from desc, variant."position"
    loop
        v_body := monitoring_internal.fit_collector_body(p_collector_id, v_variant.body);
        begin
            v_statement := monitoring_internal.wrap_body(p_collector_id, p_query, v_body,
                monitoring_internal.present_columns(p_collector_id, p_query, v_body));
            -- Planned, not run: types that do not fit show here.
            execute format('explain %s', v_statement);
            v_found.statement := v_statement;
            v_found.sqlstate := null;
            v_found.reason := null;
            return v_found;
        exception
            when others then
                -- Kept of the newest variant only: it is the one that should have fitted.
                v_found.sqlstate := coalesce(v_found.sqlstate, sqlstate);
                v_found.reason := coalesce(v_found.reason, format('query %s: %s', p_query, sqlerrm));
        end;
    end loop;
    return v_found;
end;
$$;

comment on function monitoring_internal.probe_collector_query(integer, text) is
    'The statement a query runs on this server; statement and sqlstate both null when it has no variant for it.';

-- Bring the statements of a collector up to date with the server; what the server refused is asked again each time.
create or replace function monitoring_internal.prepare_collector(p_collector_id integer)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    with stale as materialized (
        select query.collector_id, query.query
        from monitoring.collector_queries as query
        left join monitoring_internal.collector_statements as known
            on known.collector_id = query.collector_id and known.query = query.query and known.target_database_id = 0
            and known.sqlstate is null
            and known.fingerprint = monitoring_internal.collector_fingerprint(p_collector_id)
        where query.collector_id = p_collector_id and known.query is null
    )
    insert into monitoring_internal.collector_statements as known
    select probed.*
    from stale
    cross join lateral monitoring_internal.probe_collector_query(stale.collector_id, stale.query) as probed
    on conflict (target_database_id, collector_id, query) do update
    set (fingerprint, statement, sqlstate, reason) =
        (excluded.fingerprint, excluded.statement, excluded.sqlstate, excluded.reason);
end;
$$;

comment on function monitoring_internal.prepare_collector(integer) is
    'Finds the statements of a collector''s queries that are not known for this server yet.';
