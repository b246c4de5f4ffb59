-- queries/quantiles.sql: percentiles of samples, and of sketches where rollups stand for samples.
-- Owns value_of_rank, fold_exact_quantiles, fold_sketched_quantiles. Writes nothing.
-- Concurrency: reads of one snapshot.

-- The value at a rank, from 0, between the two buckets of a sketch next to it; the outermost ranks are the extremes.
create or replace function monitoring_internal.value_of_rank(
    p_rank double precision, p_last_rank double precision, p_key_below integer, p_key_above integer,
    p_least double precision, p_most double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select monitoring_internal.sketch_between(
        case when floor(p_rank) <= 0 then p_least when floor(p_rank) >= p_last_rank then p_most
            else least(greatest(monitoring_internal.sketch_value(p_key_below), p_least), p_most) end,
        case when ceil(p_rank) <= 0 then p_least when ceil(p_rank) >= p_last_rank then p_most
            else least(greatest(monitoring_internal.sketch_value(p_key_above), p_least), p_most) end,
        p_rank - floor(p_rank));
end;

comment on function monitoring_internal.value_of_rank(
    double precision, double precision, integer, integer, double precision, double precision) is
    'The value at a rank of a distribution, by the keys of the buckets of its sketch next to it, and its extremes.';

-- A quantile of each unit and bucket where there are samples alone: exact, between two of them as percentile_cont.
create or replace function monitoring_internal.fold_exact_quantiles(
    p_quantile double precision, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
    p_until timestamptz[], p_stride interval, p_origin timestamptz, p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
    -- Outer bounds that are constants of the plan leave the other partitions out of it.
    v_from constant timestamptz := monitoring_internal.raw_since(p_sources, p_from);
    v_until constant timestamptz := monitoring_internal.raw_until(p_sources, p_until);
begin
    return query
    with reading as (
        select * from unnest(p_series, p_units, p_sources, p_from, p_until)
            as reading (series_id, unit_no, source, from_at, until_at)
        where reading.source = 'raw'
    ),
    part as (
        select reading.unit_no, point.sampled_at as at, point.value
        from reading
        inner join monitoring_internal.raw_points as point on point.series_id = reading.series_id
            and point.sampled_at >= reading.from_at and point.sampled_at < reading.until_at
        where point.sampled_at >= v_from and point.sampled_at < v_until
        union all
        select packed.unit_no, packed.sampled_at, packed.value
        from monitoring_internal.read_packed(p_series, p_units, p_sources, p_from, p_until) as packed
    )
    select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
    from (
        select part.unit_no, monitoring_internal.bucket_of(part.at, p_stride, p_origin, p_starts) as bucket_at,
            percentile_cont(p_quantile) within group (order by monitoring_internal.rankable(part.value)) as value
        from part
        group by 1, 2
        order by 1, 2
    ) as folded
    group by folded.unit_no;
end;
$$;

comment on function monitoring_internal.fold_exact_quantiles(
    double precision, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]) is 'A quantile of each unit and bucket, of samples alone.';

-- The same where rollups stand for samples: samples are put into the buckets of the sketch too, counts are added up,
-- and the value is looked for between the two ranks next to it. As sketch_quantiles, for all units and buckets at once.
create or replace function monitoring_internal.fold_sketched_quantiles(
    p_quantile double precision, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
    p_until timestamptz[], p_stride interval, p_origin timestamptz, p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
set work_mem = '64MB'
as $$
#variable_conflict use_column
begin
    return query
    with counted as (
        select part.unit_no, monitoring_internal.bucket_of(part.at, p_stride, p_origin, p_starts) as bucket_at,
            part.key, sum(part.samples) as samples, min(part.lowest) as least, max(part.highest) as most
        from monitoring_internal.read_sketched(p_series, p_units, p_sources, p_from, p_until) as part
        group by 1, 2, 3
    ),
    ranked as (
        select counted.unit_no, counted.bucket_at, counted.key,
            sum(counted.samples) over (partition by counted.unit_no, counted.bucket_at order by counted.key)
                as until_rank,
            sum(counted.samples) over whole - 1 as last_rank,
            p_quantile * (sum(counted.samples) over whole - 1) as rank,
            min(counted.least) over whole as least, max(counted.most) over whole as most
        from counted
        window whole as (partition by counted.unit_no, counted.bucket_at)
    ),
    place as (
        select ranked.unit_no, ranked.bucket_at, ranked.rank, ranked.last_rank, ranked.least, ranked.most,
            min(ranked.key) filter (where ranked.until_rank > floor(ranked.rank)) as key_below,
            min(ranked.key) filter (where ranked.until_rank > ceil(ranked.rank)) as key_above
        from ranked
        group by ranked.unit_no, ranked.bucket_at, ranked.rank, ranked.last_rank, ranked.least, ranked.most
    )
    select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
    from (
        select place.unit_no, place.bucket_at, monitoring_internal.value_of_rank(
            place.rank, place.last_rank, place.key_below, place.key_above, place.least, place.most) as value
        from place
        order by 1, 2
    ) as folded
    group by folded.unit_no;
end;
$$;

comment on function monitoring_internal.fold_sketched_quantiles(
    double precision, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]) is 'A quantile of each unit and bucket, of samples and sketches of rollups; within 1 percent.';
