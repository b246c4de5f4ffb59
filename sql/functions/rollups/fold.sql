-- rollups/fold.sql: samples to buckets, and buckets to wider ones.
-- Owns fold_samples, fold_rollups. Writes nothing.
-- Concurrency: any number of callers; each reads one snapshot.

-- The buckets of ranges of samples, one range a series; p_counter says which series are counters.
-- Sums that no number holds become infinite instead of an error: one absurd sample must not stop the rest.
create or replace function monitoring_internal.fold_samples(
    p_width interval, p_series integer[], p_from timestamptz[], p_until timestamptz[], p_counter boolean[])
returns setof monitoring_internal.rollup_row
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
    v_from constant timestamptz := (select min(range.from_at) from unnest(p_from) as range (from_at));
    v_until constant timestamptz := (select max(range.until_at) from unnest(p_until) as range (until_at));
begin
    return query
    select
        bucket.start_at, bucket.count, bucket.sum, bucket.sum_squares, bucket.min, bucket.max,
        bucket.point_values[1], bucket.point_values[bucket.count], bucket.first_at, bucket.last_at,
        case when bucket.is_counter then coalesce((
            select sum(
                case when step.later >= step.earlier then step.later - step.earlier else greatest(step.later, 0) end)
            from (
                select least(greatest(pair.later, -1e300), 1e300), least(greatest(pair.earlier, -1e300), 1e300)
                from unnest(bucket.point_values[2:], bucket.point_values[:bucket.count - 1]) as pair (later, earlier)
                where pair.earlier is not null
            ) as step (later, earlier)
        ), 0) end,
        bucket.series_id,
        case when bucket.min < bucket.max then monitoring_internal.sketch_of_values(bucket.point_values) end
    from (
        select
            date_bin(p_width, sample.sampled_at, '1970-01-01 00:00Z') as start_at,
            range.series_id,
            range.is_counter,
            count(*) as count,
            sum(case when abs(sample.value) <= 1e300 then sample.value else sign(sample.value) * 'Infinity' end) as sum,
            sum(case
                when abs(sample.value) > 1e150 then 'Infinity'
                when abs(sample.value) > 1e-150 then sample.value * sample.value
                else 0
            end) as sum_squares,
            min(sample.value) as min,
            max(sample.value) as max,
            min(sample.sampled_at) as first_at,
            max(sample.sampled_at) as last_at,
            array_agg(sample.value order by sample.sampled_at) as point_values
        from unnest(p_series, p_from, p_until, p_counter) as range (series_id, from_at, until_at, is_counter)
        inner join monitoring_internal.raw_points as sample
            on sample.series_id = range.series_id
            and sample.sampled_at >= range.from_at and sample.sampled_at < range.until_at
        where sample.sampled_at >= v_from and sample.sampled_at < v_until
        group by range.series_id, range.is_counter, date_bin(p_width, sample.sampled_at, '1970-01-01 00:00Z')
    ) as bucket;
end;
$$;

comment on function monitoring_internal.fold_samples(
    interval, integer[], timestamptz[], timestamptz[], boolean[]) is
    'Rows of rollups from samples, in ranges of series, by buckets of a width on the grid of UTC.';

-- The wider buckets of ranges of rollups of one resolution. The step from one bucket to the next is part of the
-- increase of the wider one.
create or replace function monitoring_internal.fold_rollups(
    p_source text, p_width interval, p_series integer[], p_from timestamptz[], p_until timestamptz[])
returns setof monitoring_internal.rollup_row
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
    v_from constant timestamptz := (select min(range.from_at) from unnest(p_from) as range (from_at));
    v_until constant timestamptz := (select max(range.until_at) from unnest(p_until) as range (until_at));
begin
    return query
    select
        bucket.start_at, bucket.count, bucket.sum, bucket.sum_squares, bucket.min, bucket.max,
        bucket.firsts[1], bucket.lasts[cardinality(bucket.lasts)], bucket.first_at, bucket.last_at,
        bucket.increase + coalesce((
            select sum(
                case when step.later >= step.earlier then step.later - step.earlier else greatest(step.later, 0) end)
            from (
                select least(greatest(pair.later, -1e300), 1e300), least(greatest(pair.earlier, -1e300), 1e300)
                from unnest(bucket.firsts[2:], bucket.lasts[:cardinality(bucket.lasts) - 1]) as pair (later, earlier)
                where pair.earlier is not null
            ) as step (later, earlier)
        ), 0),
        bucket.series_id,
        case when bucket.min < bucket.max then bucket.sketch end
    from (
        select
            date_bin(p_width, part.bucket_at, '1970-01-01 00:00Z') as start_at,
            part.series_id,
            sum(part.sample_count)::bigint as count,
            sum(part.value_sum) as sum,
            sum(part.value_sum_squares) as sum_squares,
            min(part.value_min) as min,
            max(part.value_max) as max,
            min(part.first_at) as first_at,
            max(part.last_at) as last_at,
            array_agg(part.value_first order by part.bucket_at) as firsts,
            array_agg(part.value_last order by part.bucket_at) as lasts,
            sum(part.increase) as increase,
            monitoring_internal.merge_sketches(coalesce(
                part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
        from unnest(p_series, p_from, p_until) as range (series_id, from_at, until_at)
        inner join monitoring_internal.rollup_points as part
            on part.series_id = range.series_id
            and part.bucket_at >= range.from_at and part.bucket_at < range.until_at
        where part.resolution = p_source and part.bucket_at >= v_from and part.bucket_at < v_until
        group by part.series_id, date_bin(p_width, part.bucket_at, '1970-01-01 00:00Z')
    ) as bucket;
end;
$$;

comment on function monitoring_internal.fold_rollups(text, interval, integer[], timestamptz[], timestamptz[]) is
    'Rows of rollups from those of a finer resolution, in ranges of series, by buckets of a width on the grid of UTC.';
