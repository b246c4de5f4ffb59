-- rollups/fold.sql: samples to buckets, and buckets to wider ones.
-- Owns fold_samples, fold_rollups, counter_growth. Writes nothing.
-- Concurrency: any number of callers; each reads one snapshot.

-- The buckets of ranges of samples, one range a series; p_counter says which series are counters.
-- Each range is one look at the primary key, folded before the next: sorting all of them together takes twice as
-- long. Sums that no number holds become infinite instead of an error: one absurd sample must not stop the rest.
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
    v_is_raw constant boolean := v_from >= monitoring_internal.raw_from()
        and v_until <= monitoring_internal.appended_since();
begin
    return query
    select bucket.start_at, bucket.count, bucket.sum, bucket.sum_squares, bucket.min, bucket.max,
        bucket.point_values[1], bucket.point_values[bucket.count], bucket.first_at, bucket.last_at,
        case when range.is_counter then coalesce(grown.increase, 0) end, range.series_id, distribution.sketch
    from unnest(p_series, p_from, p_until, p_counter) as range (series_id, from_at, until_at, is_counter)
    left join monitoring_internal.appended_windows(
        p_series, v_from - interval '1 us', v_until) as tail using (series_id)
    cross join lateral (
        select date_bin(p_width, sample.sampled_at, '1970-01-01 00:00Z') as start_at, count(*) as count,
            sum(case when abs(sample.value) <= 1e300 then sample.value else sign(sample.value) * 'Infinity' end) as sum,
            sum(case when abs(sample.value) > 1e150 then 'Infinity'
                when abs(sample.value) > 1e-150 then sample.value * sample.value else 0 end) as sum_squares,
            min(sample.value) as min, max(sample.value) as max, min(sample.sampled_at) as first_at,
            max(sample.sampled_at) as last_at,
            array_agg(sample.value order by sample.sampled_at) as point_values
        from (
            select raw.sampled_at, raw.value
            from monitoring.samples as raw
            where v_is_raw and raw.series_id = range.series_id
                and raw.sampled_at >= range.from_at and raw.sampled_at < range.until_at
                and raw.sampled_at >= v_from and raw.sampled_at < v_until
            union all
            select point.sampled_at, point.value
            from monitoring_internal.joined_points(range.series_id, range.from_at - interval '1 us', range.until_at
                - interval '1 us', tail.times, tail.point_values) as point
            where not v_is_raw
            -- Sums are the same to the last bit, wherever the samples come from.
            order by sampled_at
        ) as sample
        group by date_bin(p_width, sample.sampled_at, '1970-01-01 00:00Z')
    ) as bucket
    left join lateral (
        select sum(monitoring_internal.counter_growth(step.earlier, step.later)) as increase
        from unnest(bucket.point_values[:bucket.count - 1], bucket.point_values[2:]) as step (earlier, later)
    ) as grown on range.is_counter
    left join lateral (
        select case when max(counted.count) > 8191 then monitoring_internal.sketch_of_values(bucket.point_values)
                else array_agg(counted.key * 8192 + counted.count::integer order by counted.key) end as sketch
        from (
            select monitoring_internal.sketch_key(point.value) as key, count(*) as count
            from unnest(bucket.point_values) as point (value)
            group by monitoring_internal.sketch_key(point.value)
        ) as counted
    ) as distribution on bucket.min < bucket.max;
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
    select bucket.start_at, bucket.count, bucket.sum, bucket.sum_squares, bucket.min, bucket.max,
        bucket.firsts[1], bucket.lasts[bucket.parts], bucket.first_at, bucket.last_at,
        bucket.increase + coalesce(grown.increase, 0), range.series_id, distribution.sketch
    from unnest(p_series, p_from, p_until) as range (series_id, from_at, until_at)
    cross join lateral (
        select date_bin(p_width, part.bucket_at, '1970-01-01 00:00Z') as start_at, count(*) as parts,
            sum(part.sample_count)::bigint as count, sum(part.value_sum) as sum,
            sum(part.value_sum_squares) as sum_squares, min(part.value_min) as min, max(part.value_max) as max,
            min(part.first_at) as first_at, max(part.last_at) as last_at, sum(part.increase) as increase,
            array_agg(part.value_first order by part.bucket_at) as firsts,
            array_agg(part.value_last order by part.bucket_at) as lasts,
            monitoring_internal.join_sketches(
                case
                    when part.sketch is not null then part.sketch
                    when part.sample_count <= 8191
                        then array[monitoring_internal.sketch_key(part.value_min) * 8192 + part.sample_count::integer]
                    else monitoring_internal.sketch_constant(part.value_min, part.sample_count)
                end) as entries
        from monitoring_internal.rollup_points as part
        where part.resolution = p_source and part.series_id = range.series_id
            and part.bucket_at >= range.from_at and part.bucket_at < range.until_at
            and part.bucket_at >= v_from and part.bucket_at < v_until
        group by date_bin(p_width, part.bucket_at, '1970-01-01 00:00Z')
    ) as bucket
    left join lateral (
        select sum(monitoring_internal.counter_growth(step.earlier, step.later)) as increase
        from unnest(bucket.lasts[:bucket.parts - 1], bucket.firsts[2:]) as step (earlier, later)
    ) as grown on bucket.increase is not null
    left join lateral (
        select case when max(counted.count) > 8191 then monitoring_internal.sketch_fold(bucket.entries)
                else array_agg(counted.key * 8192 + counted.count::integer order by counted.key) end as sketch
        from (
            select entry >> 13 as key, sum(entry & 8191) as count
            from unnest(bucket.entries) as given (entry)
            group by entry >> 13
        ) as counted
    ) as distribution on bucket.min < bucket.max;
end;
$$;

comment on function monitoring_internal.fold_rollups(text, interval, integer[], timestamptz[], timestamptz[]) is
    'Rows of rollups from those of a finer resolution, in ranges of series, by buckets of a width on the grid of UTC.';

-- How much a counter grew from one value to the next; one that is smaller began anew from zero.
-- What no counter reaches is cut, so that no difference is too great for a number.
create or replace function monitoring_internal.counter_growth(p_earlier double precision, p_later double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_later >= p_earlier
            then greatest(least(p_later, 1e300), -1e300) - greatest(least(p_earlier, 1e300), -1e300)
        else least(greatest(p_later, 0), 1e300)
    end;
end;

comment on function monitoring_internal.counter_growth(double precision, double precision) is
    'Growth of a counter from one value to the next: their difference, or all of the later one after a reset.';
