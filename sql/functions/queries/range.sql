-- queries/range.sql: one answer over everything that is stored.
-- Owns query_lines_at, query_range_at, query_range. Writes nothing.
-- Concurrency: any number of callers; each answers of one snapshot.

-- The groups of a question with their buckets in order, and what is missing filled in. Plans are kept, as far as the
-- functions called do not say otherwise: making them would take longer than most answers.
-- Raises: PV230 to PV238, PV941.
create or replace function monitoring_internal.query_lines_at(
    p_metric text, p_matchers jsonb, p_start_at timestamptz, p_end_at timestamptz, p_step interval, p_aggregate text,
    p_group_by text[], p_fill text, p_now timestamptz)
returns table (tenant_id uuid, labels jsonb, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_family monitoring.metric_families;
    v_groups record;
    v_buckets timestamptz[];
begin
    perform monitoring_internal.check_query_range(p_start_at, p_end_at, p_step, p_fill);
    perform monitoring_internal.check_group_by(p_group_by);
    perform monitoring_internal.check_query_matchers(p_matchers);
    v_family := monitoring_internal.require_family(p_metric);
    perform monitoring_internal.check_counter(v_family, p_aggregate);
    v_groups := monitoring_internal.query_groups(v_family.metric_family_id, p_matchers, p_group_by);
    perform monitoring_internal.check_query_size(p_start_at, p_end_at, p_step, cardinality(v_groups.tenant_ids));
    if v_groups.series_ids is null then
        return;
    end if;
    if p_fill <> 'none' then
        v_buckets := monitoring_internal.query_buckets(p_start_at, p_end_at, p_step);
    end if;
    return query
    with line as materialized (
        select measured.*, p_fill = 'none' or cardinality(measured.bucket_at) = cardinality(v_buckets) as is_whole
        from monitoring_internal.query_values(
            v_family, v_groups.series_ids, v_groups.group_nos, p_start_at, p_end_at, p_step, p_aggregate, p_now
        ) as measured
    ),
    gappy as materialized (
        select array_agg(line.group_no) as group_nos, array_agg(point.bucket_at) as bucket_at,
            array_agg(point.value) as value
        from line
        cross join lateral unnest(line.bucket_at, line.value) as point (bucket_at, value)
        where not line.is_whole
        having count(*) > 0
    ),
    answer as (
        select line.group_no, line.bucket_at, line.value from line where line.is_whole
        union all
        select filled.group_no, array_agg(filled.bucket_at order by filled.bucket_at),
            array_agg(filled.value order by filled.bucket_at)
        from gappy
        cross join lateral monitoring_internal.fill_query(
            p_fill, gappy.group_nos, gappy.bucket_at, gappy.value, v_buckets, p_now) as filled
        group by filled.group_no
    )
    select of_group.tenant_id, of_group.labels, answer.bucket_at, answer.value
    from answer
    inner join unnest(v_groups.tenant_ids, v_groups.labels)
        with ordinality as of_group (tenant_id, labels, group_no) on of_group.group_no = answer.group_no
    order by answer.group_no;
end;
$$;

comment on function monitoring_internal.query_lines_at(
    text, jsonb, timestamptz, timestamptz, interval, text, text[], text, timestamptz) is
    'The groups of a question over a range as of a time, each with its buckets and values in order.';

-- The deciding form of query_range.
-- Raises: PV230 to PV238, PV941.
create or replace function monitoring_internal.query_range_at(
    p_metric text, p_matchers jsonb, p_start_at timestamptz, p_end_at timestamptz, p_step interval, p_aggregate text,
    p_group_by text[], p_fill text, p_now timestamptz)
returns table (tenant_id uuid, labels jsonb, bucket_at timestamptz, value double precision)
language sql stable parallel restricted
rows 10000
set search_path = pg_catalog, pg_temp
as $$
    select line.tenant_id, line.labels, unnest(line.bucket_at), unnest(line.value)
    from monitoring_internal.query_lines_at(
        p_metric, p_matchers, p_start_at, p_end_at, p_step, p_aggregate, p_group_by, p_fill, p_now) as line;
$$;

comment on function monitoring_internal.query_range_at(
    text, jsonb, timestamptz, timestamptz, interval, text, text[], text, timestamptz) is
    'query_range as of a time, for tests.';

-- Ask one metric over a range of time.
-- Raises: PV230 to PV238, PV941.
create or replace function monitoring.query_range(
    metric text, matchers jsonb, start_at timestamptz, end_at timestamptz, step interval, aggregate text default 'avg',
    group_by text[] default null, fill text default 'null')
returns table (tenant_id uuid, labels jsonb, bucket_at timestamptz, value double precision)
language sql stable parallel restricted security definer
rows 10000
set search_path = pg_catalog, pg_temp
as $$
    select line.tenant_id, line.labels, unnest(line.bucket_at), unnest(line.value)
    from monitoring_internal.query_lines_at(
        query_range.metric, query_range.matchers, query_range.start_at, query_range.end_at, query_range.step,
        query_range.aggregate, query_range.group_by, query_range.fill, clock_timestamp()) as line;
$$;

comment on function monitoring.query_range(
    text, jsonb, timestamptz, timestamptz, interval, text, text[], text) is
    'One metric''s values from start_at up to, not including, end_at, in buckets of a step counted in UTC (weeks from '
    'Monday, months by the calendar); first and last bucket hold what lies in the range. group_by null: each series by '
    'itself; {}: one group a tenant; else by labels. avg, min, max, sum, count, stddev, first, last, p95 and '
    'quantile(x) are of all samples of a group together; rate and increase are of each series, summed; '
    'sum(avg), max(rate) and the like are of each series first, then over the series. fill: what buckets without '
    'samples show: null (not in the answer with none), zero, previous, or linear between neighbours.';
