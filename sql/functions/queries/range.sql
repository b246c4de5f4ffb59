-- queries/range.sql: one answer over everything that is stored.
-- Owns fold_query, query_values, fill_query, query_range_at, query_range. Writes nothing.
-- Concurrency: any number of callers; each answers of one snapshot.

-- What each unit comes to in each bucket, by the aggregate that is asked for.
create or replace function monitoring_internal.fold_query(
    p_aggregate text, p_quantile double precision, p_start_at timestamptz, p_series integer[], p_units integer[],
    p_sources text[], p_from timestamptz[], p_until timestamptz[], p_stride interval, p_origin timestamptz,
    p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz, value double precision)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    case
        when p_aggregate in ('rate', 'increase') then
            return query select * from monitoring_internal.fold_steps(
                p_aggregate, p_start_at, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin, p_starts);
        when p_aggregate in ('first', 'last') then
            return query select * from monitoring_internal.fold_ends(
                p_aggregate, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin, p_starts);
        when p_aggregate <> 'quantile' then
            return query select * from monitoring_internal.fold_values(
                p_aggregate, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin, p_starts);
        when p_sources <@ array['raw', 'packed'] then
            return query select * from monitoring_internal.fold_exact_quantiles(
                p_quantile, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin, p_starts);
        else
            return query select * from monitoring_internal.fold_sketched_quantiles(
                p_quantile, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin, p_starts);
    end case;
end;
$$;

comment on function monitoring_internal.fold_query(
    text, double precision, timestamptz, integer[], integer[], text[], timestamptz[], timestamptz[], interval,
    timestamptz, timestamptz[]) is
    'What each unit comes to in each bucket of a grid, by an aggregate.';

-- What each group comes to in each bucket. Where the aggregate is of two stages, each series is a unit of its own
-- first.
create or replace function monitoring_internal.query_values(
    p_family monitoring.metric_families, p_series integer[], p_groups integer[], p_start_at timestamptz,
    p_end_at timestamptz, p_step interval, p_aggregate text, p_now timestamptz)
returns table (group_no integer, bucket_at timestamptz, value double precision)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_asked record := monitoring_internal.parse_aggregate(p_aggregate);
    v_grid record := monitoring_internal.query_grid(p_start_at, p_end_at, p_step);
    v_steps constant boolean := v_asked.inner_name in ('rate', 'increase');
    v_rolled_since constant timestamptz := (
        select start.begins_at from monitoring_internal.rollup_starts as start
        where start.metric_family_id = p_family.metric_family_id);
    v_plan record;
    v_reads record;
begin
    select array_agg(plan.source) as sources, array_agg(plan.from_at) as from_at, array_agg(plan.until_at) as until_at
    into v_plan
    from (
        values (p_start_at, p_end_at, v_grid.stride),
            -- Where the first step of a counter comes from.
            (case when v_steps then p_start_at - monitoring_internal.setting_interval('query.lookback') end,
                p_start_at, null)
    ) as part (from_at, until_at, stride)
    cross join lateral monitoring_internal.plan_query(
        p_family.retention_class, v_rolled_since, part.from_at, part.until_at, part.stride,
        not v_steps or monitoring_internal.is_counter_like(p_family), p_now) as plan
    where part.from_at < part.until_at;
    v_reads := monitoring_internal.query_reads(
        p_series,
        case when v_asked.outer_name is null then p_groups
            else array(select generate_series(1, cardinality(p_series))) end,
        v_plan.sources, v_plan.from_at, v_plan.until_at);
    if v_asked.outer_name is null then
        return query
        select unit.unit_no, unit.bucket_at, unit.value
        from monitoring_internal.fold_query(
            v_asked.inner_name, v_asked.quantile, p_start_at, v_reads.series_ids, v_reads.unit_nos, v_reads.sources,
            v_reads.from_at, v_reads.until_at, v_grid.stride, v_grid.origin, v_grid.starts) as unit;
        return;
    end if;
    return query
    select p_groups[unit.unit_no], unit.bucket_at,
        case
            when v_asked.outer_name <> 'stddev' then monitoring_internal.folded_value(
                v_asked.outer_name, count(unit.value), sum(monitoring_internal.summable(unit.value)), null,
                min(unit.value), max(unit.value))
            when max(abs(unit.value)) > 1e150 then 'Infinity'
            else stddev_pop(case when abs(unit.value) <= 1e150 then unit.value end)
        end
    from monitoring_internal.fold_query(
        v_asked.inner_name, v_asked.quantile, p_start_at, v_reads.series_ids, v_reads.unit_nos, v_reads.sources,
        v_reads.from_at, v_reads.until_at, v_grid.stride, v_grid.origin, v_grid.starts) as unit
    group by 1, 2;
end;
$$;

comment on function monitoring_internal.query_values(
    monitoring.metric_families, integer[], integer[], timestamptz, timestamptz, interval, text, timestamptz) is
    'What each group of series comes to in each bucket of a range.';

-- The whole grid of each group that has a value at all, with what is missing filled in. Nothing is carried on into
-- buckets that have not begun, and nothing is drawn before a group's first value.
create or replace function monitoring_internal.fill_query(
    p_fill text, p_groups integer[], p_at timestamptz[], p_values double precision[], p_buckets timestamptz[],
    p_now timestamptz)
returns table (group_no integer, bucket_at timestamptz, value double precision)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
    with known as materialized (
        select * from unnest(p_groups, p_at, p_values) as known (group_no, bucket_at, value)
    ),
    place as (
        select present.group_no, bucket.at as bucket_at, known.value, known.bucket_at as known_at,
            count(known.value) over so_far as before_no, count(known.value) over to_come as after_no
        from (select distinct known.group_no from known) as present
        cross join unnest(p_buckets) as bucket (at)
        left join known on known.group_no = present.group_no and known.bucket_at = bucket.at
        window so_far as (partition by present.group_no order by bucket.at),
            to_come as (partition by present.group_no order by bucket.at desc)
    ),
    neighbour as (
        select place.*,
            max(place.value) over after_one as value_before, max(place.known_at) over after_one as before_at,
            max(place.value) over before_one as value_after, max(place.known_at) over before_one as after_at
        from place
        window after_one as (partition by place.group_no, place.before_no),
            before_one as (partition by place.group_no, place.after_no)
    )
    select neighbour.group_no, neighbour.bucket_at,
        coalesce(neighbour.value, case
            when neighbour.bucket_at > p_now then null
            when p_fill = 'zero' then 0
            when p_fill = 'previous' and neighbour.before_no > 0 then neighbour.value_before
            when p_fill = 'linear' and neighbour.before_no > 0 and neighbour.after_no > 0 then
                monitoring_internal.sketch_between(
                    neighbour.value_before, neighbour.value_after,
                    extract(epoch from neighbour.bucket_at - neighbour.before_at)::double precision
                        / extract(epoch from neighbour.after_at - neighbour.before_at)::double precision)
        end)
    from neighbour;
$$;

comment on function monitoring_internal.fill_query(
    text, integer[], timestamptz[], double precision[], timestamptz[], timestamptz) is
    'Every bucket of each group that has a value, with what is missing filled in as asked.';

-- The deciding form of query_range.
-- Raises: PV230 to PV238, PV941.
create or replace function monitoring_internal.query_range_at(
    p_metric text, p_matchers jsonb, p_start_at timestamptz, p_end_at timestamptz, p_step interval, p_aggregate text,
    p_group_by text[], p_fill text, p_now timestamptz)
returns table (tenant_id uuid, labels jsonb, bucket_at timestamptz, value double precision)
language plpgsql stable parallel restricted
rows 10000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_family monitoring.metric_families;
    v_groups record;
    v_known record;
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
    select array_agg(measured.group_no) as group_nos, array_agg(measured.bucket_at) as bucket_at,
        array_agg(measured.value) as value
    into v_known
    from monitoring_internal.query_values(
        v_family, v_groups.series_ids, v_groups.group_nos, p_start_at, p_end_at, p_step, p_aggregate, p_now
    ) as measured;
    if p_fill = 'none' then
        return query
        select of_group.tenant_id, of_group.labels, known.bucket_at, known.value
        from unnest(v_known.group_nos, v_known.bucket_at, v_known.value) as known (group_no, bucket_at, value)
        inner join unnest(v_groups.tenant_ids, v_groups.labels)
            with ordinality as of_group (tenant_id, labels, group_no) on of_group.group_no = known.group_no
        order by known.group_no, known.bucket_at;
    else
        return query
        select of_group.tenant_id, of_group.labels, filled.bucket_at, filled.value
        from monitoring_internal.fill_query(
            p_fill, v_known.group_nos, v_known.bucket_at, v_known.value,
            monitoring_internal.query_buckets(p_start_at, p_end_at, p_step), p_now) as filled
        inner join unnest(v_groups.tenant_ids, v_groups.labels)
            with ordinality as of_group (tenant_id, labels, group_no) on of_group.group_no = filled.group_no
        order by filled.group_no, filled.bucket_at;
    end if;
end;
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
    select answer.tenant_id, answer.labels, answer.bucket_at, answer.value
    from monitoring_internal.query_range_at(
        query_range.metric, query_range.matchers, query_range.start_at, query_range.end_at, query_range.step,
        query_range.aggregate, query_range.group_by, query_range.fill, clock_timestamp()) as answer;
$$;

comment on function monitoring.query_range(
    text, jsonb, timestamptz, timestamptz, interval, text, text[], text) is
    'One metric''s values from start_at up to, not including, end_at, in buckets of a step counted in UTC (weeks from '
    'Monday, months by the calendar); first and last bucket hold what lies in the range. group_by null: each series by '
    'itself; {}: one group a tenant; else by labels. avg, min, max, sum, count, stddev, first, last, p95 and '
    'quantile(x) are of all samples of a group together; rate and increase are of each series, summed; '
    'sum(avg), max(rate) and the like are of each series first, then over the series. fill: what buckets without '
    'samples show: null (not in the answer with none), zero, previous, or linear between neighbours.';
