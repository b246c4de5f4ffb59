-- views/rollup_parts.sql: rollups with their live tail, by series.

-- Parts of buckets: the rows of a level up to its watermark, and what came after it. Whoever reads it adds parts up by
-- bucket. A constant resolution leaves the other levels out; each series is looked up by the key of each table.
create or replace view monitoring_internal.series_rollups as
select
    series.series_id,
    series.tenant_id,
    series.labels,
    family.name as metric,
    family.kind,
    family.category,
    family.unit,
    part.resolution,
    part.width,
    part.bucket_at,
    part.sample_count,
    part.value_sum,
    part.value_sum_squares,
    part.value_min,
    part.value_max,
    part.sketch
from monitoring.series as series
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
inner join monitoring.retention_classes as class on class.name = family.retention_class
cross join lateral (
    select '1m'::text as resolution, '1 minute'::interval as width, rollup.bucket_at as bucket_at,
        rollup.sample_count, rollup.value_sum, rollup.value_sum_squares, rollup.value_min, rollup.value_max,
        rollup.sketch
    from monitoring.rollups_1m as rollup
    where rollup.series_id = series.series_id
        and rollup.bucket_at < (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '1m')
    union all
    select '1m', '1 minute', date_bin('1 minute', live.sampled_at, timestamptz '1970-01-01 00:00+00'), 1,
        live.value, monitoring_internal.squared(live.value), live.value, live.value, null
    from (
        select point.sampled_at, monitoring_internal.summable(point.value) as value
        from monitoring_internal.raw_points as point
        where point.series_id = series.series_id
            and point.sampled_at >= (select level.watermark from monitoring_internal.rollup_levels as level
                where level.resolution = '1m')
        offset 0 -- Kept apart, so that partitions before the watermark are left out as it runs.
    ) as live
    where class.rollup_1m is not null
    union all
    select '5m'::text as resolution, '5 minutes'::interval as width, rollup.bucket_at as bucket_at,
        rollup.sample_count, rollup.value_sum, rollup.value_sum_squares, rollup.value_min, rollup.value_max,
        rollup.sketch
    from monitoring.rollups_5m as rollup
    where rollup.series_id = series.series_id
        and rollup.bucket_at < (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '5m')
    union all
    select '5m', '5 minutes', date_bin('5 minutes', live.sampled_at, timestamptz '1970-01-01 00:00+00'), 1,
        live.value, monitoring_internal.squared(live.value), live.value, live.value, null
    from (
        select point.sampled_at, monitoring_internal.summable(point.value) as value
        from monitoring_internal.raw_points as point
        where point.series_id = series.series_id
            and point.sampled_at >= (select level.watermark from monitoring_internal.rollup_levels as level
                where level.resolution = '5m')
        offset 0 -- Kept apart, so that partitions before the watermark are left out as it runs.
    ) as live
    where class.rollup_5m is not null
    union all
    select '1h'::text as resolution, '1 hour'::interval as width, rollup.bucket_at as bucket_at,
        rollup.sample_count, rollup.value_sum, rollup.value_sum_squares, rollup.value_min, rollup.value_max,
        rollup.sketch
    from monitoring.rollups_1h as rollup
    where rollup.series_id = series.series_id
        and rollup.bucket_at < (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '1h')
    union all
    select '1h', '1 hour', date_bin('1 hour', live.sampled_at, timestamptz '1970-01-01 00:00+00'), 1,
        live.value, monitoring_internal.squared(live.value), live.value, live.value, null
    from (
        select point.sampled_at, monitoring_internal.summable(point.value) as value
        from monitoring_internal.raw_points as point
        where point.series_id = series.series_id
            and point.sampled_at >= (select level.watermark from monitoring_internal.rollup_levels as level
                where level.resolution = '1h')
        offset 0 -- Kept apart, so that partitions before the watermark are left out as it runs.
    ) as live
    where class.rollup_1h is not null
    union all
    select '1d'::text as resolution, '1 day'::interval as width, rollup.bucket_at as bucket_at,
        rollup.sample_count, rollup.value_sum, rollup.value_sum_squares, rollup.value_min, rollup.value_max,
        rollup.sketch
    from monitoring.rollups_1d as rollup
    where rollup.series_id = series.series_id
        and rollup.bucket_at < (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '1d')
    union all
    select '1d'::text as resolution, '1 day'::interval as width,
        date_bin('1 day', rollup.bucket_at, timestamptz '1970-01-01 00:00+00') as bucket_at,
        rollup.sample_count, rollup.value_sum, rollup.value_sum_squares, rollup.value_min, rollup.value_max,
        rollup.sketch
    from monitoring.rollups_1h as rollup
    where rollup.series_id = series.series_id
        and rollup.bucket_at < (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '1h')
        and rollup.bucket_at >= (select level.watermark from monitoring_internal.rollup_levels as level
            where level.resolution = '1d')
        and class.rollup_1d is not null
    union all
    select '1d', '1 day', date_bin('1 day', live.sampled_at, timestamptz '1970-01-01 00:00+00'), 1,
        live.value, monitoring_internal.squared(live.value), live.value, live.value, null
    from (
        select point.sampled_at, monitoring_internal.summable(point.value) as value
        from monitoring_internal.raw_points as point
        where point.series_id = series.series_id
            and point.sampled_at >= (select level.watermark from monitoring_internal.rollup_levels as level
                where level.resolution = '1h')
        offset 0 -- Kept apart, so that partitions before the watermark are left out as it runs.
    ) as live
    where class.rollup_1d is not null and class.rollup_1h is not null
    union all
    select '1d', '1 day', date_bin('1 day', live.sampled_at, timestamptz '1970-01-01 00:00+00'), 1,
        live.value, monitoring_internal.squared(live.value), live.value, live.value, null
    from (
        select point.sampled_at, monitoring_internal.summable(point.value) as value
        from monitoring_internal.raw_points as point
        where point.series_id = series.series_id
            and point.sampled_at >= (select level.watermark from monitoring_internal.rollup_levels as level
                where level.resolution = '1d')
        offset 0 -- Kept apart, so that partitions before the watermark are left out as it runs.
    ) as live
    where class.rollup_1d is not null and class.rollup_1h is null
) as part;

comment on view monitoring_internal.series_rollups is
    'Rollups of every series, without regard to tenants, with what came after each level''s watermark as parts of the '
    'same buckets. For views of the owner; granted to nobody.';
