-- collect/load.sql: take a collector's file into the registry, and change what belongs to the installation.
-- Owns load_collector, forget_collectors, store_collector, store_collector_queries, register_collector_families,
-- set_collector. Writes collectors and its children, collector_states. Loading runs under the migrations' lock.

-- Load one file of sql/collectors; a file that did not change is left alone.
-- Raises: PV401 with the file and line of each fault.
create or replace function monitoring_internal.load_collector(p_name text, p_source text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_source text := replace(p_source, E'\r\n', E'\n');
    v_faults text[];
    v_collector_id integer;
begin
    if exists (
        select 1
        from monitoring.collectors as collector
        where collector.name = p_name and collector.source = v_source)
    then
        return;
    end if;
    v_faults := array(
        select format('collectors/%s.sql:%s: %s', p_name, found.line_number, found.fault)
        from monitoring_internal.collector_faults(p_name, v_source) as found);
    if cardinality(v_faults) > 0 then
        raise exception using
            errcode = 'PV401',
            message = v_faults[1],
            detail = array_to_string(v_faults[2:], E'\n'),
            hint = 'The form of a collector''s file is described in docs/collectors.md.';
    end if;
    v_collector_id := monitoring_internal.store_collector(p_name, v_source);
    perform monitoring_internal.store_collector_queries(v_collector_id, v_source);
    perform monitoring_internal.register_collector_families(v_collector_id);
end;
$$;

comment on function monitoring_internal.load_collector(text, text) is
    'Loads a collector''s file into the registry; PV401 names the file and line of every fault.';

-- Forget the collectors that no file names any longer; their runs and gaps stay until their retention ends.
-- Called before loading, so that a renamed file finds its metrics free. The statements found for the others go too:
-- what finds them may have changed with this upgrade.
create or replace function monitoring_internal.forget_collectors(p_names text[])
returns integer
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring_internal.collector_statements;
    with forgotten as (
        delete from monitoring.collectors as collector
        where collector.name <> all (p_names)
        returning 1
    )
    select count(*)::integer from forgotten;
$$;

comment on function monitoring_internal.forget_collectors(text[]) is
    'Removes collectors that are not among the names, and every statement found so far; returns how many collectors. '
    'For the migrator, before it loads the files.';

-- The row of the collector, its needs and its state.
create or replace function monitoring_internal.store_collector(p_name text, p_source text)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_header jsonb := (
        select jsonb_object_agg(line.word, line.rest)
        from monitoring_internal.collector_lines(p_source) as line
        where line.query_number = 0 and line.word is not null and line.word <> 'needs');
    v_every constant interval := (v_header ->> 'every')::interval;
    v_collector_id integer;
begin
    insert into monitoring.collectors as collector
        (name, description, category, scope, tier, every, stale_after, row_cap, sink, source)
    values (
        p_name,
        substring(p_source from '^-- \S+\.sql: ([^\n]+)'),
        coalesce(v_header ->> 'category', p_name),
        v_header ->> 'scope',
        v_header ->> 'tier',
        v_every,
        -- Three runs may fail to come before its samples no longer count as current.
        coalesce((v_header ->> 'stale')::interval, 3 * v_every),
        (v_header ->> 'cap')::integer,
        v_header ->> 'sink',
        p_source)
    on conflict (name) do update
    set (description, category, scope, tier, every, stale_after, row_cap, sink, source) = (
        excluded.description, excluded.category, excluded.scope, excluded.tier, excluded.every,
        excluded.stale_after, excluded.row_cap, excluded.sink, excluded.source)
    returning collector.collector_id into v_collector_id;

    delete from monitoring.collector_needs as need where need.collector_id = v_collector_id;
    insert into monitoring.collector_needs (collector_id, kind, name, value)
    select v_collector_id, need.word[1], need.word[2], coalesce(need.word[3], '')
    from monitoring_internal.collector_lines(p_source) as line
    cross join lateral (select string_to_array(line.rest, ' ') as word) as need
    where line.word = 'needs';

    insert into monitoring.collector_states (collector_id)
    values (v_collector_id)
    on conflict (target_database_id, collector_id) do nothing;
    perform monitoring_internal.sync_collector_states_at(null, v_collector_id, '-infinity');
    return v_collector_id;
end;
$$;

comment on function monitoring_internal.store_collector(text, text) is
    'Writes a collector''s row, needs and state from its checked file.';

-- Its queries, their columns and variants: all anew, which forgets the statements found for the old ones.
create or replace function monitoring_internal.store_collector_queries(p_collector_id integer, p_source text)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring.collector_queries as query where query.collector_id = p_collector_id;

    insert into monitoring.collector_queries (collector_id, query, "position", server_role)
    select p_collector_id, split_part(line.rest, ' ', 1), line.query_number,
        coalesce(substring(line.rest from ' on (.*)$'), 'any')
    from monitoring_internal.collector_lines(p_source) as line
    where line.word = 'query';

    insert into monitoring.collector_columns
        (collector_id, query, column_name, "position", usage, name, kind, unit, help)
    select
        p_collector_id,
        query.query,
        part.word[1],
        line.line_number,
        line.word,
        coalesce(part.word[2], part.word[1]),
        part.word[3],
        part.word[4],
        array_to_string(part.word[5:], ' ')
    from monitoring_internal.collector_lines(p_source) as line
    cross join lateral (select string_to_array(line.rest, ' ') as word) as part
    inner join monitoring.collector_queries as query
        on query.collector_id = p_collector_id and query."position" = line.query_number
    where line.word in ('label', 'metric', 'column', 'folded', 'excluded', 'gap');

    insert into monitoring.collector_variants (collector_id, query, "position", version_from, version_to, body)
    select
        p_collector_id,
        query.query,
        line.line_number,
        split_part(line.rest, '-', 1)::integer,
        nullif(split_part(line.rest, '-', 2), '')::integer,
        monitoring_internal.collector_body(p_source, line.section)
    from monitoring_internal.collector_lines(p_source) as line
    inner join monitoring.collector_queries as query
        on query.collector_id = p_collector_id and query."position" = line.query_number
    where line.word = 'version';
$$;

comment on function monitoring_internal.store_collector_queries(integer, text) is
    'Writes a collector''s queries, columns and variants from its checked file.';

-- The catalogue of metrics learns what the collector measures.
create or replace function monitoring_internal.register_collector_families(p_collector_id integer)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.register_families(jsonb_agg(jsonb_build_object(
        'name', declared.name,
        'kind', declared.kind,
        'unit', declared.unit,
        'category', collector.category,
        'description', declared.help,
        'stale_after', collector.stale_after)))
    from monitoring.collectors as collector
    inner join monitoring.collector_columns as declared
        on declared.collector_id = collector.collector_id and declared.usage = 'metric'
    where collector.collector_id = p_collector_id;
end;
$$;

comment on function monitoring_internal.register_collector_families(integer) is
    'Registers a collector''s metrics with kind, unit, help and the age from which they are stale.';

-- Switch a collector on or off, or give it another interval; null leaves as it is, an interval of 0 the file's own.
-- Raises: PV402 unknown collector, 23514 interval under a second or over a year.
create or replace function monitoring.set_collector(
    name text, is_enabled boolean default null, every interval default null)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_collector_id integer;
begin
    update monitoring.collectors as collector
    set is_enabled = coalesce(set_collector.is_enabled, collector.is_enabled),
        custom_every = case
            when set_collector.every is null then collector.custom_every
            else nullif(set_collector.every, interval '0')
        end
    where collector.name = set_collector.name
    returning collector.collector_id into v_collector_id;
    if v_collector_id is null then
        raise exception using
            errcode = 'PV402',
            message = format('collector "%s" does not exist', set_collector.name),
            hint = 'The names are in monitoring.collector_status.';
    end if;
    -- Due at once: what was asked for shows without waiting for the old interval.
    -- Elsewhere one that is switched off is never due, so that claims need not pass over it again and again.
    update monitoring.collector_states as state
    set next_due_at = case when state.target_database_id = 0 or collector.is_enabled then '-infinity' else 'infinity'
        end::timestamptz
    from monitoring.collectors as collector
    where state.collector_id = v_collector_id and collector.collector_id = v_collector_id;
end;
$$;

comment on function monitoring.set_collector(text, boolean, interval) is
    'Switches a collector on or off or changes its interval; every => ''0'' goes back to its file''s. '
    'For monitoring_admin.';
