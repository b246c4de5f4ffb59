-- queries/fold.sql: what samples and rollups come to in the buckets of a grid.
-- Owns folded_value, fold_values, fold_ends. Writes nothing.
-- Concurrency: reads of one snapshot.
--
-- A unit is what is measured together: a series, or the series of a group. What is read of each series comes as five
-- arrays from query_reads: raw samples by the key of their partitions, packed ones by a call a stretch, rollups by the
-- key of their level. A rollup's row stands for its samples.

-- What is asked of count, sums and extremes. Sums of squares are precise to some sixteen digits of the greatest value,
-- not of the deviation.
create or replace function monitoring_internal.folded_value(
    p_aggregate text, p_samples double precision, p_total double precision, p_squares double precision,
    p_least double precision, p_most double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case p_aggregate
        when 'avg' then monitoring_internal.ratio(p_total, p_samples)
        when 'min' then p_least
        when 'max' then p_most
        when 'sum' then p_total
        when 'count' then p_samples
        when 'stddev' then case
            when p_least = p_most then 0
            when p_squares = 'Infinity' then p_squares
            else sqrt(greatest(
                monitoring_internal.ratio(p_squares, p_samples)
                    - monitoring_internal.squared(monitoring_internal.ratio(p_total, p_samples)), 0))
        end
    end;
end;

comment on function monitoring_internal.folded_value(
    text, double precision, double precision, double precision, double precision, double precision) is
    'avg, min, max, sum, count or stddev (of the population) by count, sum, sum of squares and extremes.';

-- Count, sums and extremes of each unit and bucket, and of these the one that is asked for.
create or replace function monitoring_internal.fold_values(
    p_aggregate text, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
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
        select reading.unit_no, point.sampled_at as at, 1::double precision as samples,
            monitoring_internal.summable(point.value) as total,
            case p_aggregate when 'stddev' then monitoring_internal.squared(point.value) end as squares,
            point.value as least, point.value as most
        from reading
        inner join monitoring_internal.raw_points as point on point.series_id = reading.series_id
            and point.sampled_at >= reading.from_at and point.sampled_at < reading.until_at
        where point.sampled_at >= v_from and point.sampled_at < v_until
        union all
        select packed.unit_no, packed.sampled_at, 1, monitoring_internal.summable(packed.value),
            case p_aggregate when 'stddev' then monitoring_internal.squared(packed.value) end,
            packed.value, packed.value
        from monitoring_internal.read_packed(p_series, p_units, p_sources, p_from, p_until) as packed
        union all
        select rolled.unit_no, rolled.bucket_at, rolled.sample_count, rolled.value_sum, rolled.value_sum_squares,
            rolled.value_min, rolled.value_max
        from monitoring_internal.read_rollups(p_series, p_units, p_sources, p_from, p_until) as rolled
    )
    select folded.unit_no, array_agg(folded.bucket_at), array_agg(monitoring_internal.folded_value(
        p_aggregate, folded.samples, folded.total, folded.squares, folded.least, folded.most))
    from (
        select part.unit_no, monitoring_internal.bucket_of(part.at, p_stride, p_origin, p_starts) as bucket_at,
            sum(part.samples) as samples, sum(part.total) as total, sum(part.squares) as squares,
            min(part.least) as least, max(part.most) as most
        from part
        group by 1, 2
        order by 1, 2
    ) as folded
    group by folded.unit_no;
end;
$$;

comment on function monitoring_internal.fold_values(
    text, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz, timestamptz[]) is
    'avg, min, max, sum, count or stddev of each unit and bucket, over samples and rollups.';

-- The oldest or newest value of each unit and bucket; of several series at one time, that of the least series.
create or replace function monitoring_internal.fold_ends(
    p_aggregate text, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
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
        select reading.unit_no, reading.series_id, point.sampled_at as at, point.sampled_at as value_at, point.value
        from reading
        inner join monitoring_internal.raw_points as point on point.series_id = reading.series_id
            and point.sampled_at >= reading.from_at and point.sampled_at < reading.until_at
        where point.sampled_at >= v_from and point.sampled_at < v_until
        union all
        select packed.unit_no, packed.series_id, packed.sampled_at, packed.sampled_at, packed.value
        from monitoring_internal.read_packed(p_series, p_units, p_sources, p_from, p_until) as packed
        union all
        select rolled.unit_no, rolled.series_id, rolled.bucket_at,
            case p_aggregate when 'first' then rolled.first_at else rolled.last_at end,
            case p_aggregate when 'first' then rolled.value_first else rolled.value_last end
        from monitoring_internal.read_rollups(p_series, p_units, p_sources, p_from, p_until) as rolled
    )
    select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
    from (
        select placed.unit_no, placed.bucket_at,
            (min(array[placed.age, placed.series_id, placed.value]))[3] as value
        from (
            select part.*, monitoring_internal.bucket_of(part.at, p_stride, p_origin, p_starts) as bucket_at,
                extract(epoch from part.value_at)::double precision
                    * case p_aggregate when 'first' then 1 else -1 end as age
            from part
        ) as placed
        group by placed.unit_no, placed.bucket_at
        order by 1, 2
    ) as folded
    group by folded.unit_no;
end;
$$;

comment on function monitoring_internal.fold_ends(
    text, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz, timestamptz[]) is
    'The first or last value of each unit and bucket, over samples and rollups.';
