-- views/rollup_documents.sql: rollups under the names by which the described systems know them.
-- Barriers with the owner's rights: they ask for the tenant of the series before any condition of the reader's runs.
-- Percentiles come from sketches, averages are of all samples; the latest bucket is not complete yet.

create or replace view monitoring.platform_metrics_hourly with (security_barrier = true) as
select
    hour.tenant_id,
    hour.bucket_at as bucket,
    hour.platform,
    hour.metric_type,
    monitoring_internal.ratio(hour.total, hour.samples) as avg_value,
    hour.lowest as min_value,
    hour.highest as max_value,
    hour.samples as data_points,
    monitoring_internal.sketch_quantile(hour.sketch, 0.5, hour.lowest, hour.highest) as median_value,
    monitoring_internal.sketch_quantile(hour.sketch, 0.95, hour.lowest, hour.highest) as p95_value,
    monitoring_internal.sketch_quantile(hour.sketch, 0.99, hour.lowest, hour.highest) as p99_value,
    hour.total as sum_value
from (
    select part.tenant_id, part.bucket_at, part.labels ->> 'platform' as platform, part.metric as metric_type,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'platform' and part.resolution = '1h'
    group by part.tenant_id, part.bucket_at, part.labels ->> 'platform', part.metric
) as hour;

comment on view monitoring.platform_metrics_hourly is
    'Hours (UTC) of the metrics of platforms: series with a label platform, those that differ in other labels alone '
    'together.';

create or replace view monitoring.aggregated_metrics with (security_barrier = true) as
select
    period.tenant_id,
    period.start_at as "time",
    period.platform,
    period.metric_type,
    period.aggregation,
    monitoring_internal.ratio(period.total, period.samples) as avg_value,
    period.lowest as min_value,
    period.highest as max_value,
    period.total as sum_value,
    period.samples as count_value,
    monitoring_internal.sketch_quantile(period.sketch, 0.5, period.lowest, period.highest) as p50_value,
    monitoring_internal.sketch_quantile(period.sketch, 0.95, period.lowest, period.highest) as p95_value,
    monitoring_internal.sketch_quantile(period.sketch, 0.99, period.lowest, period.highest) as p99_value,
    period.start_at + period.length as created_at
from (
    select part.tenant_id, span.aggregation, span.start_at, span.length, part.labels ->> 'platform' as platform,
        part.metric as metric_type,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    cross join lateral (
        select 'daily' as aggregation, part.bucket_at as start_at, interval '1 day' as length
        union all
        select 'weekly', date_bin('7 days', part.bucket_at, timestamptz '1970-01-05 00:00+00'), '7 days'
        union all
        select 'monthly', month.start_at at time zone 'UTC',
            month.start_at + interval '1 month' - month.start_at
        from (select date_trunc('month', part.bucket_at at time zone 'UTC') as start_at) as month
    ) as span
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'platform' and part.resolution = '1d'
    group by part.tenant_id, span.aggregation, span.start_at, span.length, part.labels ->> 'platform', part.metric
) as period;

comment on view monitoring.aggregated_metrics is
    'Days, ISO weeks from Monday and calendar months (UTC) of the metrics of platforms.';
comment on column monitoring.aggregated_metrics.aggregation is 'daily, weekly or monthly.';
comment on column monitoring.aggregated_metrics.created_at is 'When the period ends: until then it is not complete.';

create or replace view monitoring.metrics with (security_barrier = true) as
select
    md5(bucket.series_id || ' ' || bucket.resolution || ' ' || bucket.bucket_at::text)::uuid as id,
    bucket.bucket_at as "timestamp",
    bucket.width as time_bucket,
    bucket.labels ->> 'asset_id' as asset_id,
    coalesce(bucket.labels ->> 'metric_type', bucket.category) as metric_type,
    bucket.metric as metric_name,
    bucket.tenant_id,
    bucket.samples as value_count,
    bucket.total as value_sum,
    monitoring_internal.ratio(bucket.total, bucket.samples) as value_avg,
    bucket.lowest as value_min,
    bucket.highest as value_max,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.5, bucket.lowest, bucket.highest) as value_p50,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.95, bucket.lowest, bucket.highest) as value_p95,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.99, bucket.lowest, bucket.highest) as value_p99,
    monitoring_internal.folded_value(
        'stddev', bucket.samples, bucket.total, bucket.squares, bucket.lowest, bucket.highest) as value_stddev,
    bucket.labels - array['asset_id', 'metric_type'] as dimensions,
    bucket.bucket_at + bucket.width as created_at,
    bucket.resolution
from (
    select part.tenant_id, part.series_id, part.labels, part.metric, part.category, part.resolution, part.width,
        part.bucket_at,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'asset_id'
    group by part.tenant_id, part.series_id, part.labels, part.metric, part.category, part.resolution, part.width,
        part.bucket_at
) as bucket;

comment on view monitoring.metrics is
    'Minutes, five minutes, hours and days of the metrics of assets, one row a series: no two sets of dimensions are '
    'put together. Name a resolution (1m, 5m, 1h, 1d) or a time_bucket.';
comment on column monitoring.metrics.created_at is 'When the bucket ends: until then it is not complete.';

create or replace view monitoring.metrics_hourly with (security_barrier = true) as
select
    metric."timestamp" as bucket,
    metric.asset_id,
    metric.metric_type,
    metric.metric_name,
    metric.tenant_id,
    metric.value_count as count,
    metric.value_avg as avg_value,
    metric.value_min as min_value,
    metric.value_max as max_value,
    metric.value_p95 as p95_value,
    metric.value_p99 as p99_value,
    metric.value_sum as sum_value,
    metric.value_stddev as stddev_value,
    metric.dimensions
from monitoring.metrics as metric
where metric.resolution = '1h'
    and metric.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.metrics_hourly is
    'Hours of the metrics of assets; counts and percentiles are of samples, not of rows.';

create or replace view monitoring.hourly_metrics_summary with (security_barrier = true) as
select
    hour.bucket_at as hour_bucket,
    hour.tenant_id as business_id,
    hour.category as metric_category,
    hour.metric as metric_name,
    hour.samples as sample_count,
    monitoring_internal.ratio(hour.total, hour.samples) as avg_value,
    hour.lowest as min_value,
    hour.highest as max_value,
    monitoring_internal.sketch_quantile(hour.sketch, 0.5, hour.lowest, hour.highest) as median_value,
    monitoring_internal.sketch_quantile(hour.sketch, 0.95, hour.lowest, hour.highest) as p95_value,
    monitoring_internal.sketch_quantile(hour.sketch, 0.99, hour.lowest, hour.highest) as p99_value
from (
    select part.tenant_id, part.bucket_at, part.category, part.metric,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.resolution = '1h'
    group by part.tenant_id, part.bucket_at, part.category, part.metric
) as hour;

comment on view monitoring.hourly_metrics_summary is
    'Hours of every metric, all series of a tenant together, up to now; as long as its class keeps hours.';
comment on column monitoring.hourly_metrics_summary.business_id is 'The tenant; the system''s own has one too.';
