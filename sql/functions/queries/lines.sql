-- queries/lines.sql: a line a group, from what is read of its series to the last bucket of its grid.
-- Owns join_buckets, fold_query, fold_reads, plan_reads, query_values, fill_query. Writes nothing.
-- Concurrency: reads of one snapshot.

-- Buckets in order from two lists of them that have none in common. Mostly the second is the newest ones, or the first
-- and the last of a range: then nothing is sorted.
create or replace function monitoring_internal.join_buckets(
    p_at timestamptz[], p_values double precision[], p_more_at timestamptz[], p_more_values double precision[],
    out bucket_at timestamptz[], out value double precision[])
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before integer;
begin
    if p_at is null or p_more_at is null then
        bucket_at := coalesce(p_at, p_more_at);
        value := coalesce(p_values, p_more_values);
        return;
    end if;
    v_before := (select count(*) from unnest(p_more_at) as more (at) where more.at < p_at[1]);
    if p_more_at[v_before + 1] <= p_at[cardinality(p_at)] then
        select array_agg(point.at order by point.at), array_agg(point.value order by point.at)
        into join_buckets.bucket_at, join_buckets.value
        from (
            select * from unnest(p_at, p_values) as point (at, value)
            union all
            select * from unnest(p_more_at, p_more_values) as point (at, value)
        ) as point;
    else
        bucket_at := p_more_at[:v_before] || p_at || p_more_at[v_before + 1:];
        value := p_more_values[:v_before] || p_values || p_more_values[v_before + 1:];
    end if;
end;
$$;

comment on function monitoring_internal.join_buckets(
    timestamptz[], double precision[], timestamptz[], double precision[]) is
    'Two lists of buckets with their values put together in order.';

-- What each unit comes to in each bucket, by the aggregate that is asked for: a row a unit, its buckets in order.
create or replace function monitoring_internal.fold_query(
    p_aggregate text, p_quantile double precision, p_start_at timestamptz, p_series integer[], p_units integer[],
    p_sources text[], p_from timestamptz[], p_until timestamptz[], p_stride interval, p_origin timestamptz,
    p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
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

-- The same, but what a level has as buckets already is taken as it is, beside the rest, which is folded.
create or replace function monitoring_internal.fold_reads(
    p_aggregate text, p_quantile double precision, p_start_at timestamptz, p_series integer[], p_units integer[],
    p_sources text[], p_from timestamptz[], p_until timestamptz[], p_stride interval, p_origin timestamptz,
    p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_direct constant text := monitoring_internal.direct_level(
        p_aggregate, p_stride, p_series, p_units, p_sources, p_from, p_until);
    v_rest record;
begin
    if v_direct is null then
        return query select * from monitoring_internal.fold_query(
            p_aggregate, p_quantile, p_start_at, p_series, p_units, p_sources, p_from, p_until, p_stride, p_origin,
            p_starts);
        return;
    end if;
    select array_agg(reading.series_id) as series_ids, array_agg(reading.unit_no) as unit_nos,
        array_agg(reading.source) as sources, array_agg(reading.from_at) as from_at,
        array_agg(reading.until_at) as until_at
    into v_rest
    from unnest(p_series, p_units, p_sources, p_from, p_until)
        as reading (series_id, unit_no, source, from_at, until_at)
    where reading.source <> v_direct;
    if v_rest.sources is null then
        return query select * from monitoring_internal.fold_direct(
            v_direct, p_aggregate, p_quantile, p_series, p_units, p_sources, p_from, p_until);
        return;
    end if;
    return query
    select coalesce(direct.unit_no, folded.unit_no), joined.bucket_at, joined.value
    from monitoring_internal.fold_direct(
        v_direct, p_aggregate, p_quantile, p_series, p_units, p_sources, p_from, p_until) as direct
    full join monitoring_internal.fold_query(
        p_aggregate, p_quantile, p_start_at, v_rest.series_ids, v_rest.unit_nos, v_rest.sources, v_rest.from_at,
        v_rest.until_at, p_stride, p_origin, p_starts) as folded on folded.unit_no = direct.unit_no
    cross join lateral monitoring_internal.join_buckets(
        direct.bucket_at, direct.value, folded.bucket_at, folded.value) as joined;
end;
$$;

comment on function monitoring_internal.fold_reads(
    text, double precision, timestamptz, integer[], integer[], text[], timestamptz[], timestamptz[], interval,
    timestamptz, timestamptz[]) is
    'What each unit comes to in each bucket of a grid: rows of rollups that are buckets as they are, the rest folded.';

-- What is read of each series for a range: the plan of it, and of the time before in which a counter's first step
-- begins, but for what waits to be made again.
create or replace function monitoring_internal.plan_reads(
    p_family monitoring.metric_families, p_series integer[], p_units integer[], p_start_at timestamptz,
    p_end_at timestamptz, p_stride interval, p_is_stepped boolean, p_now timestamptz, out series_ids integer[],
    out unit_nos integer[], out sources text[], out from_at timestamptz[], out until_at timestamptz[])
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_rolled_since constant timestamptz := (
        select start.begins_at from monitoring_internal.rollup_starts as start
        where start.metric_family_id = p_family.metric_family_id);
    v_gone constant jsonb := monitoring_internal.gone_until(p_family.metric_family_id, p_family.retention_class);
    v_plan record;
begin
    select array_agg(plan.source) as sources, array_agg(plan.from_at) as from_at, array_agg(plan.until_at) as until_at
    into v_plan
    from (
        values (p_start_at, p_end_at, p_stride),
            (case when p_is_stepped then p_start_at - monitoring_internal.setting_interval('query.lookback') end,
                p_start_at, null)
    ) as part (from_at, until_at, stride)
    cross join lateral monitoring_internal.plan_query(
        p_family.retention_class, v_rolled_since, part.from_at, part.until_at, part.stride,
        not p_is_stepped or monitoring_internal.is_counter_like(p_family), p_now, v_gone) as plan
    where part.from_at < part.until_at;
    select reads.* into series_ids, unit_nos, sources, from_at, until_at
    from monitoring_internal.query_reads(p_series, p_units, v_plan.sources, v_plan.from_at, v_plan.until_at) as reads;
end;
$$;

comment on function monitoring_internal.plan_reads(
    monitoring.metric_families, integer[], integer[], timestamptz, timestamptz, interval, boolean, timestamptz) is
    'From which form of the store each stretch of a range is read, of each series.';

-- What each group comes to in each bucket. Where the aggregate is of two stages, each series is a unit of its own
-- first.
create or replace function monitoring_internal.query_values(
    p_family monitoring.metric_families, p_series integer[], p_groups integer[], p_start_at timestamptz,
    p_end_at timestamptz, p_step interval, p_aggregate text, p_now timestamptz)
returns table (group_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_asked record := monitoring_internal.parse_aggregate(p_aggregate);
    v_grid record := monitoring_internal.query_grid(p_start_at, p_end_at, p_step);
    v_reads record := monitoring_internal.plan_reads(
        p_family, p_series,
        case when v_asked.outer_name is null then p_groups
            else array(select generate_series(1, cardinality(p_series))) end,
        p_start_at, p_end_at, v_grid.stride, v_asked.inner_name in ('rate', 'increase'), p_now);
begin
    if v_asked.outer_name is null then
        return query
        select unit.unit_no, unit.bucket_at, unit.value
        from monitoring_internal.fold_reads(
            v_asked.inner_name, v_asked.quantile, p_start_at, v_reads.series_ids, v_reads.unit_nos, v_reads.sources,
            v_reads.from_at, v_reads.until_at, v_grid.stride, v_grid.origin, v_grid.starts) as unit;
        return;
    end if;
    return query
    select folded.group_no, array_agg(folded.bucket_at), array_agg(folded.value)
    from (
        select p_groups[unit.unit_no] as group_no, point.bucket_at,
            case
                when v_asked.outer_name <> 'stddev' then monitoring_internal.folded_value(
                    v_asked.outer_name, count(point.value), sum(monitoring_internal.summable(point.value)), null,
                    min(point.value), max(point.value))
                when max(abs(point.value)) > 1e150 then 'Infinity'
                else stddev_pop(case when abs(point.value) <= 1e150 then point.value end)
            end as value
        from monitoring_internal.fold_reads(
            v_asked.inner_name, v_asked.quantile, p_start_at, v_reads.series_ids, v_reads.unit_nos, v_reads.sources,
            v_reads.from_at, v_reads.until_at, v_grid.stride, v_grid.origin, v_grid.starts) as unit
        cross join lateral unnest(unit.bucket_at, unit.value) as point (bucket_at, value)
        group by 1, 2
        order by 1, 2
    ) as folded
    group by folded.group_no;
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
language plpgsql stable parallel restricted
rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
#variable_conflict use_column
begin
    if p_fill in ('null', 'zero') then
        return query
        select present.group_no, bucket.at,
            coalesce(known.value, case when p_fill = 'zero' and bucket.at <= p_now then 0 end)
        from (select distinct given.group_no from unnest(p_groups) as given (group_no)) as present
        cross join unnest(p_buckets) as bucket (at)
        left join unnest(p_groups, p_at, p_values) as known (group_no, bucket_at, value)
            on known.group_no = present.group_no and known.bucket_at = bucket.at;
        return;
    end if;
    return query
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
            when p_fill = 'previous' and neighbour.before_no > 0 then neighbour.value_before
            when p_fill = 'linear' and neighbour.before_no > 0 and neighbour.after_no > 0 then
                monitoring_internal.sketch_between(
                    neighbour.value_before, neighbour.value_after,
                    extract(epoch from neighbour.bucket_at - neighbour.before_at)::double precision
                        / extract(epoch from neighbour.after_at - neighbour.before_at)::double precision)
        end)
    from neighbour;
end;
$$;

comment on function monitoring_internal.fill_query(
    text, integer[], timestamptz[], double precision[], timestamptz[], timestamptz) is
    'Every bucket of each group that has a value, with what is missing filled in as asked.';
