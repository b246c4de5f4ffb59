-- collect/sink.sql: collectors whose rows are no samples but a snapshot, which one function stores.
-- Owns collector_sink_faults, wrap_snapshot_body, wrap_body, store_snapshot_at.
-- Writes through the store function of the sink. A collector has one lease a database: no two snapshots of one at once.

-- What does not fit the sink that a file names: its columns are those of the sink's type, in the type's order.
create or replace function monitoring_internal.collector_sink_faults(p_source text)
returns table (line_number integer, fault text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with line as materialized (
        select * from monitoring_internal.collector_lines(p_source)
    ), sink as (
        select line.line_number, line.rest as name, format('monitoring_internal.%I', line.rest || '_row') as type_name,
            format('monitoring_internal.%I(integer, text[], timestamptz)', 'store_' || line.rest || '_at') as store
        from line
        where line.word = 'sink' and line.query_number = 0 and line.rest ~ '^[a-z][a-z0-9_]*$'
    ), attribute as (
        select string_agg(part.attname, ', ' order by part.attnum) as names
        from sink
        inner join pg_type as type on type.oid = to_regtype(sink.type_name)
        inner join pg_attribute as part on part.attrelid = type.typrelid and part.attnum > 0 and not part.attisdropped
        having count(*) > 0
    ), query as (
        select query.line_number,
            string_agg(part.rest, ', ' order by part.line_number) filter (where part.word = 'column') as columns,
            count(*) filter (where part.word = 'metric') as metrics
        from line as query
        left join line as part on part.query_number = query.query_number
        where query.word = 'query'
        group by query.line_number
    )
    select sink.line_number, format('the sink has no type %s', sink.type_name)
    from sink
    where to_regtype(sink.type_name) is null
    union all
    select sink.line_number, format('the sink has no function %s', sink.store)
    from sink
    where to_regprocedure(sink.store) is null
    union all
    select query.line_number,
        format('the columns are %s, those of the sink %s', coalesce(query.columns, 'missing'), attribute.names)
    from query
    cross join attribute
    where query.columns is distinct from attribute.names
    union all
    select query.line_number, 'the query has no "metric COLUMN NAME counter or gauge UNIT HELP"'
    from query
    where query.metrics = 0 and not exists (select 1 from line as named where named.word = 'sink')
    union all
    select line.line_number, format('"%s" belongs to a collector %s', line.word,
        case line.word when 'column' then 'with a sink' else 'without a sink' end)
    from line
    where line.word = 'column' and not exists (select 1 from line as named where named.word = 'sink')
        or line.word in ('label', 'metric') and exists (select 1 from line as named where named.word = 'sink');
$$;

comment on function monitoring_internal.collector_sink_faults(text) is
    'Faults of a collector''s file against its sink: no such sink, other columns, labels or metrics beside it.';

-- The statement around a SELECT that turns its rows into texts of the sink's type, null for columns it does not give.
create or replace function monitoring_internal.wrap_snapshot_body(
    p_collector_id integer, p_query text, p_body text, p_columns text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $statement$
with result as materialized (
    select row_number() over () as " position", answer.*
    from (
%1$s
    ) as answer
)
select
    count(*) as rows_read,
    (coalesce(sum(%4$s), 0) + count(*) filter (where " position" > %3$s and %6$s is null))::bigint as folded,
    coalesce(sum(%5$s), 0)::bigint as excluded,
    coalesce(
        jsonb_agg(jsonb_build_object('labels', '{}'::jsonb, 'reason', %6$s)) filter (where %6$s is not null), '[]')
        as gaps,
    array_agg(row(%2$s)::text order by " position") filter (where " position" <= %3$s and %6$s is null) as rows
from result$statement$,
        p_body,
        string_agg(
            case when part.column_name = any (p_columns) then format('result.%I', part.column_name) else 'null' end,
            ', ' order by part."position") filter (where part.usage = 'column'),
        max(collector.row_cap) + 1,
        coalesce(min(format('%I', part.column_name)) filter (where part.usage = 'folded'), '0'),
        coalesce(min(format('%I', part.column_name)) filter (where part.usage = 'excluded'), '0'),
        coalesce(min(format('%I::text', part.column_name)) filter (where part.usage = 'gap'), 'null::text'))
    from monitoring.collector_columns as part
    inner join monitoring.collectors as collector on collector.collector_id = part.collector_id
    where part.collector_id = p_collector_id and part.query = p_query;
$$;

comment on function monitoring_internal.wrap_snapshot_body(integer, text, text, text[]) is
    'The statement that runs a SELECT and gives counts, gaps and its rows as texts of the sink''s type.';

-- The statement around a SELECT for its collector's sink: samples, or a snapshot.
create or replace function monitoring_internal.wrap_body(
    p_collector_id integer, p_query text, p_body text, p_columns text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when collector.sink is null
            then monitoring_internal.wrap_collector_body(p_collector_id, p_query, p_body, p_columns)
        else monitoring_internal.wrap_snapshot_body(p_collector_id, p_query, p_body, p_columns)
    end
    from monitoring.collectors as collector
    where collector.collector_id = p_collector_id;
$$;

comment on function monitoring_internal.wrap_body(integer, text, text, text[]) is
    'The statement that runs a SELECT for a collector, whatever its sink.';

-- Hand a snapshot to the function of its sink, which gives back how many rows it stored.
-- Raises: whatever that function does.
create or replace function monitoring_internal.store_snapshot_at(
    p_sink text, p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_stored bigint;
begin
    execute format('select monitoring_internal.%I($1, $2, $3)', format('store_%s_at', p_sink))
    into v_stored
    using p_target_database_id, coalesce(p_rows, '{}'), p_now;
    return coalesce(v_stored, 0);
end;
$$;

comment on function monitoring_internal.store_snapshot_at(text, integer, text[], timestamptz) is
    'Stores the rows of a snapshot collector through the function of its sink.';
