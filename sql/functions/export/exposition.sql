-- export/exposition.sql: the page of stored metrics in the Prometheus text format 0.0.4, or in OpenMetrics 1.0.
-- Owns exposition_header, exposition_fact_names, exposition_facts_at, exposition_blocks, exposition_chunks_at,
-- export_metrics_prometheus_lines, export_metrics_prometheus. Writes nothing but a setting of the transaction.
-- Concurrency: reads at one snapshot, takes no lock that anything waits for.

-- HELP and TYPE of one family.
create or replace function monitoring_internal.exposition_header(p_family_name text, p_family_type text, p_help text)
returns text
language sql immutable parallel safe
begin atomic
    select pg_catalog.format(
        E'# HELP %1$s %3$s\n# TYPE %1$s %2$s\n',
        p_family_name, p_family_type,
        pg_catalog.replace(
            pg_catalog.replace(
                coalesce(nullif(p_help, ''), 'A stored metric without a description.'), '\', '\\'),
            E'\n', '\n'));
end;

comment on function monitoring_internal.exposition_header(text, text, text) is
    'The HELP and TYPE lines of one family, the help text escaped.';

-- Names of the families that exposition_facts_at writes: a stored family of the same name stays off the page.
create or replace function monitoring_internal.exposition_fact_names()
returns text[]
language sql immutable parallel safe
begin atomic
    select array[
        'pgvigil_up', 'pgvigil_schema_info', 'pgvigil_export_families', 'pgvigil_export_series',
        'pgvigil_export_left_out_series', 'pgvigil_export_folded_series', 'pgvigil_export_sample_age_seconds'];
end;

comment on function monitoring_internal.exposition_fact_names() is
    'Names of the families by which the exposition page describes itself.';

-- The page's families about itself. Some are always there, so that a page without series is no failure.
-- Units: p_tally is an array of objects (family_name, verdict, series, oldest, newest), one a family and verdict.
create or replace function monitoring_internal.exposition_facts_at(p_now timestamptz, p_tally jsonb)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with tally as (
        select entry.*
        from jsonb_to_recordset(p_tally)
            as entry (family_name text, verdict text, series bigint, oldest timestamptz, newest timestamptz)
    ),
    shown as (
        select
            count(*) as families, coalesce(sum(tally.series), 0) as series, p_now - min(tally.oldest) as oldest,
            p_now - max(tally.newest) as newest
        from tally
        where tally.verdict is null
    ),
    fact (place, name, help, rest) as (
        select 1, 'pgvigil_up', 'Whether the store of pgvigil answered.', ' 1'
        union all
        select
            2, 'pgvigil_schema_info', 'Version of the store''s newest migration.',
            format('{version="%s"} 1', max(applied.version))
        from monitoring.schema_migrations as applied
        union all
        select 3, 'pgvigil_export_families', 'Metric families on this page.', ' ' || shown.families from shown
        union all
        select 4, 'pgvigil_export_series', 'Series of the store on this page.', ' ' || shown.series from shown
        union all
        select
            5, 'pgvigil_export_left_out_series', 'Current series of the store that are not on this page.',
            format('{reason="%s"} %s', reason.name, coalesce(sum(tally.series), 0))
        from unnest('{duplicate,malformed,reserved_name,series_cap}'::text[]) as reason (name)
        left join tally on tally.verdict = reason.name
        group by reason.name
        union all
        select
            6, 'pgvigil_export_folded_series', 'Series beyond the setting export.max_series_per_family.',
            format('{metric="%s"} %s', tally.family_name, tally.series)
        from tally
        where tally.verdict = 'series_cap'
        union all
        select
            7, 'pgvigil_export_sample_age_seconds', 'Age of the oldest and of the newest value on this page.',
            format('{sample="%s"} %s', age.sample, extract(epoch from age.length))
        from shown, lateral (values ('oldest', shown.oldest), ('newest', shown.newest)) as age (sample, length)
        where age.length is not null
    )
    select string_agg(
        monitoring_internal.exposition_header(family.name, 'gauge', family.help) || family.lines, ''
        order by family.place)
    from (
        select
            fact.place, fact.name, fact.help,
            string_agg(fact.name || fact.rest || E'\n', '' order by fact.rest) as lines
        from fact
        group by fact.place, fact.name, fact.help
    ) as family;
$$;

comment on function monitoring_internal.exposition_facts_at(timestamptz, jsonb) is
    'The families of the exposition page that describe the page itself, as text.';

-- The sample lines of each family, at most 4096 series a block.
create or replace function monitoring_internal.exposition_blocks(p_format text)
returns table (
    family_number bigint, verdict text, block bigint, series bigint, oldest timestamptz, newest timestamptz,
    is_strict boolean, lines text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select
        point.family_number, point.verdict,
        case when point.group_list is null then point.series_id / 4096 else 0 end,
        count(*), min(point.sampled_at), max(point.sampled_at),
        p_format = 'openmetrics' and bool_and(
            monitoring_internal.is_openmetrics_value(
                point.family_type, point.metric_name, point.bound, point.value)),
        string_agg(
            point.metric_name
            || coalesce(
                '{' || nullif(
                    case
                        when p_format = 'openmetrics' and point.bound is not null
                        then monitoring_internal.openmetrics_labels(point.label_list, point.bound)
                        else point.label_list
                    end,
                    '') || '} ',
                ' ')
            || monitoring_internal.exposition_number(point.value) || E'\n',
            '' order by point.group_list, point.metric_name, point.bound, point.series_id)
    from monitoring_internal.sound_points as point
    group by 1, 2, 3;
$$;

comment on function monitoring_internal.exposition_blocks(text) is
    'The sample lines of each family in blocks; is_strict: OpenMetrics takes the values for the family''s type.';

-- The page in pieces of whole lines, in order: families by name, at most 4096 series a piece, then the facts.
-- Units: p_format is openmetrics, or anything else for the text format 0.0.4.
-- Work memory: a page of 100,000 series is sorted in memory; compiling its plan would cost more than running it.
create or replace function monitoring_internal.exposition_chunks_at(
    p_now timestamptz, p_excluded text[], p_format text)
returns setof text
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
set work_mem = '64MB'
set jit = off
set extra_float_digits = 1
as $$
    with taken as (
        select
            array_agg(family.metric_name::text) || p_excluded as names,
            array_agg(family.family_name || '_created')
                filter (where family.family_type in ('histogram', 'summary')) as endings
        from monitoring_internal.exposed_families as family
        where p_format = 'openmetrics'
    ),
    family_chunk as materialized (
        select
            family.family_name, family.family_type, family.help, chunk.family_number, chunk.block, chunk.series,
            chunk.oldest, chunk.newest, chunk.lines, chunk.is_strict,
            case
                when family.family_name = any (
                    p_excluded || monitoring_internal.exposition_fact_names() || (select taken.endings from taken))
                then 'reserved_name'
                when p_format = 'openmetrics' and family.family_type in ('histogram', 'summary')
                    and not bool_and(chunk.is_strict) over (partition by chunk.family_number, chunk.verdict)
                then coalesce(chunk.verdict, 'malformed')
                else chunk.verdict
            end as verdict
        from monitoring_internal.exposition_blocks(p_format) as chunk
        inner join monitoring_internal.exposed_families as family
            on family.family_number = chunk.family_number and family.is_first
    ),
    tally as (
        select
            part.family_number, part.family_name, part.family_type, part.help, part.verdict,
            sum(part.series) as series, min(part.oldest) as oldest, max(part.newest) as newest,
            case
                when p_format = 'openmetrics'
                then monitoring_internal.openmetrics_header(
                    part.family_name, part.family_type, part.help, bool_and(part.is_strict),
                    (select taken.names from taken))
                else monitoring_internal.exposition_header(part.family_name, part.family_type, part.help)
            end as header
        from family_chunk as part
        group by 1, 2, 3, 4, 5
    ),
    piece (family_number, block, lines) as (
        select part.family_number, part.block, part.lines from family_chunk as part where part.verdict is null
        union all
        select tally.family_number, -1, tally.header from tally where tally.verdict is null
        union all
        select null, 0, monitoring_internal.exposition_facts_at(p_now, coalesce(jsonb_agg(tally), '[]'))
        from tally
    )
    select piece.lines from piece order by piece.family_number nulls last, piece.block;
$$;

comment on function monitoring_internal.exposition_chunks_at(timestamptz, text[], text) is
    'The exposition page in pieces, ages measured from the given time; families of the given names are left out.';

-- The page in pieces, for a client that streams it: select monitoring.export_metrics_prometheus_lines().
-- Units: excluded_names are names of families that the client adds itself, as it adds the last line of OpenMetrics;
-- server null: what is no target's.
-- Raises: PV607.
create or replace function monitoring.export_metrics_prometheus_lines(
    excluded_names text[] default '{}', server text default null, format text default 'prometheus')
returns setof text
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with chosen as materialized (
        select monitoring_internal.choose_page(export_metrics_prometheus_lines.server)
    )
    select monitoring_internal.exposition_chunks_at(
        now(), coalesce(export_metrics_prometheus_lines.excluded_names, '{}'),
        export_metrics_prometheus_lines.format)
    from chosen;
$$;

comment on function monitoring.export_metrics_prometheus_lines(text[], text, text) is
    'The page of export_metrics_prometheus() in pieces of whole lines, in order, without families of the given names '
    'and without the line that ends an OpenMetrics page.';

-- The newest value of every series that is not stale, for the tenants that the caller may see.
-- Units: server null: what is no target's; else the name of a target.
-- Raises: PV607.
create or replace function monitoring.export_metrics_prometheus(
    server text default null, format text default 'prometheus')
returns text
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(piece.lines, '' order by piece.place)
        || case when export_metrics_prometheus.format = 'openmetrics' then E'# EOF\n' else '' end
    from monitoring.export_metrics_prometheus_lines(
        server => export_metrics_prometheus.server, format => export_metrics_prometheus.format)
        with ordinality as piece (lines, place);
$$;

comment on function monitoring.export_metrics_prometheus(text, text) is
    'All current metrics of a target, or without one of this server and of senders, that the caller may see, as one '
    'page of the Prometheus text format 0.0.4, or of OpenMetrics 1.0 for the format openmetrics.';
