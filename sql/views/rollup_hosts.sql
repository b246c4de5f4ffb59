-- views/rollup_hosts.sql: rollups of hosts and systems under the names by which the described systems know them.
-- Barriers with the owner's rights, as in rollup_documents.sql.

create or replace view monitoring.system_metrics_1m with (security_barrier = true) as
select
    bucket.tenant_id,
    bucket.bucket_at as "time",
    bucket.labels ->> 'host_id' as host_id,
    bucket.labels ->> 'datacenter' as datacenter,
    bucket.metric_type,
    bucket.labels ->> 'environment' as environment,
    bucket.labels ->> 'unit' as unit,
    case when bucket.kind <> 'counter' then monitoring_internal.ratio(bucket.total, bucket.samples) end as value,
    bucket.lowest as min_value,
    bucket.highest as max_value,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.95, bucket.lowest, bucket.highest) as p95_value,
    bucket.total as sum_value,
    bucket.samples as sample_count
from (
    select part.tenant_id, part.bucket_at, part.labels, part.kind, substr(part.metric, 8) as metric_type,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'host_id' and part.resolution = '1m'
        and part.metric like 'system\_%' and part.metric !~ '[_:]threshold_(warning|critical)$'
    group by part.tenant_id, part.bucket_at, part.labels, part.kind, part.metric
) as bucket;

comment on view monitoring.system_metrics_1m is
    'Minutes of the metrics of hosts by their full set of labels.';
comment on column monitoring.system_metrics_1m.value is
    'Mean of all samples; null for a counter, whose rate query_range() tells.';

create or replace view monitoring.system_metrics_5m with (security_barrier = true) as
select
    bucket.tenant_id,
    bucket.bucket_at as "time",
    bucket.labels ->> 'host_id' as host_id,
    bucket.labels ->> 'datacenter' as datacenter,
    bucket.metric_type,
    bucket.labels ->> 'environment' as environment,
    bucket.labels ->> 'unit' as unit,
    case when bucket.kind <> 'counter' then monitoring_internal.ratio(bucket.total, bucket.samples) end as value,
    bucket.lowest as min_value,
    bucket.highest as max_value,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.95, bucket.lowest, bucket.highest) as p95_value,
    bucket.total as sum_value,
    bucket.samples as sample_count
from (
    select part.tenant_id, part.bucket_at, part.labels, part.kind, substr(part.metric, 8) as metric_type,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'host_id' and part.resolution = '5m'
        and part.metric like 'system\_%' and part.metric !~ '[_:]threshold_(warning|critical)$'
    group by part.tenant_id, part.bucket_at, part.labels, part.kind, part.metric
) as bucket;

comment on view monitoring.system_metrics_5m is
    'Five minutes of the metrics of hosts by their full set of labels.';
comment on column monitoring.system_metrics_5m.value is
    'Mean of all samples; null for a counter, whose rate query_range() tells.';

create or replace view monitoring.system_metrics_1h with (security_barrier = true) as
select
    bucket.tenant_id,
    bucket.bucket_at as "time",
    bucket.labels ->> 'host_id' as host_id,
    bucket.labels ->> 'datacenter' as datacenter,
    bucket.metric_type,
    bucket.labels ->> 'environment' as environment,
    bucket.labels ->> 'unit' as unit,
    case when bucket.kind <> 'counter' then monitoring_internal.ratio(bucket.total, bucket.samples) end as value,
    bucket.lowest as min_value,
    bucket.highest as max_value,
    monitoring_internal.sketch_quantile(bucket.sketch, 0.95, bucket.lowest, bucket.highest) as p95_value,
    bucket.total as sum_value,
    bucket.samples as sample_count
from (
    select part.tenant_id, part.bucket_at, part.labels, part.kind, substr(part.metric, 8) as metric_type,
        sum(part.sample_count)::bigint as samples,
        sum(part.value_sum) as total,
        sum(part.value_sum_squares) as squares,
        min(part.value_min) as lowest,
        max(part.value_max) as highest,
        monitoring_internal.merge_sketches(coalesce(
            part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
    from monitoring_internal.series_rollups as part
    where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and part.labels ? 'host_id' and part.resolution = '1h'
        and part.metric like 'system\_%' and part.metric !~ '[_:]threshold_(warning|critical)$'
    group by part.tenant_id, part.bucket_at, part.labels, part.kind, part.metric
) as bucket;

comment on view monitoring.system_metrics_1h is
    'Hours of the metrics of hosts by their full set of labels.';
comment on column monitoring.system_metrics_1h.value is
    'Mean of all samples; null for a counter, whose rate query_range() tells.';

create or replace view monitoring.hourly_performance_stats with (security_barrier = true) as
select
    usage.tenant_id,
    usage.bucket_at as hour,
    case when usage.system_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then usage.system_id::uuid end
        as system_id,
    max(usage.mean) filter (where usage.metric = 'usage_cpu_percent') as avg_cpu_percent,
    max(usage.highest) filter (where usage.metric = 'usage_cpu_percent') as max_cpu_percent,
    max(usage.p95) filter (where usage.metric = 'usage_cpu_percent') as p95_cpu_percent,
    max(usage.mean) filter (where usage.metric = 'usage_cpu_temp') as avg_cpu_temp,
    max(usage.highest) filter (where usage.metric = 'usage_cpu_temp') as max_cpu_temp,
    max(usage.p95) filter (where usage.metric = 'usage_cpu_temp') as p95_cpu_temp,
    max(usage.mean) filter (where usage.metric = 'usage_ram_percent') as avg_ram_percent,
    max(usage.highest) filter (where usage.metric = 'usage_ram_percent') as max_ram_percent,
    max(usage.p95) filter (where usage.metric = 'usage_ram_percent') as p95_ram_percent,
    max(usage.mean) filter (where usage.metric = 'usage_swap_percent') as avg_swap_percent,
    max(usage.highest) filter (where usage.metric = 'usage_swap_percent') as max_swap_percent,
    max(usage.p95) filter (where usage.metric = 'usage_swap_percent') as p95_swap_percent,
    max(usage.mean) filter (where usage.metric = 'usage_gpu_utilization') as avg_gpu_utilization,
    max(usage.highest) filter (where usage.metric = 'usage_gpu_utilization') as max_gpu_utilization,
    max(usage.p95) filter (where usage.metric = 'usage_gpu_utilization') as p95_gpu_utilization,
    max(usage.mean) filter (where usage.metric = 'usage_gpu_temp') as avg_gpu_temp,
    max(usage.highest) filter (where usage.metric = 'usage_gpu_temp') as max_gpu_temp,
    max(usage.p95) filter (where usage.metric = 'usage_gpu_temp') as p95_gpu_temp,
    max(usage.mean) filter (where usage.metric = 'usage_disk_read_mb_s') as avg_disk_read_mb_s,
    max(usage.highest) filter (where usage.metric = 'usage_disk_read_mb_s') as max_disk_read_mb_s,
    max(usage.p95) filter (where usage.metric = 'usage_disk_read_mb_s') as p95_disk_read_mb_s,
    max(usage.mean) filter (where usage.metric = 'usage_disk_write_mb_s') as avg_disk_write_mb_s,
    max(usage.highest) filter (where usage.metric = 'usage_disk_write_mb_s') as max_disk_write_mb_s,
    max(usage.p95) filter (where usage.metric = 'usage_disk_write_mb_s') as p95_disk_write_mb_s,
    max(usage.mean) filter (where usage.metric = 'usage_disk_usage_percent') as avg_disk_usage_percent,
    max(usage.highest) filter (where usage.metric = 'usage_disk_usage_percent') as max_disk_usage_percent,
    max(usage.p95) filter (where usage.metric = 'usage_disk_usage_percent') as p95_disk_usage_percent,
    max(usage.mean) filter (where usage.metric = 'usage_disk_io_wait_percent') as avg_disk_io_wait_percent,
    max(usage.highest) filter (where usage.metric = 'usage_disk_io_wait_percent') as max_disk_io_wait_percent,
    max(usage.p95) filter (where usage.metric = 'usage_disk_io_wait_percent') as p95_disk_io_wait_percent,
    max(usage.mean) filter (where usage.metric = 'usage_net_sent_mb_s') as avg_net_sent_mb_s,
    max(usage.highest) filter (where usage.metric = 'usage_net_sent_mb_s') as max_net_sent_mb_s,
    max(usage.p95) filter (where usage.metric = 'usage_net_sent_mb_s') as p95_net_sent_mb_s,
    max(usage.mean) filter (where usage.metric = 'usage_net_recv_mb_s') as avg_net_recv_mb_s,
    max(usage.highest) filter (where usage.metric = 'usage_net_recv_mb_s') as max_net_recv_mb_s,
    max(usage.p95) filter (where usage.metric = 'usage_net_recv_mb_s') as p95_net_recv_mb_s,
    max(usage.samples) as sample_count
from (
    select hour.tenant_id, hour.bucket_at, hour.system_id, hour.metric,
        monitoring_internal.ratio(hour.total, hour.samples) as mean, hour.highest, hour.samples,
        monitoring_internal.sketch_quantile(hour.sketch, 0.95, hour.lowest, hour.highest) as p95
    from (
        select part.tenant_id, part.bucket_at, part.labels ->> 'system_id' as system_id, part.metric,
            sum(part.sample_count)::bigint as samples,
            sum(part.value_sum) as total,
            sum(part.value_sum_squares) as squares,
            min(part.value_min) as lowest,
            max(part.value_max) as highest,
            monitoring_internal.merge_sketches(coalesce(
                part.sketch, monitoring_internal.sketch_constant(part.value_min, part.sample_count))) as sketch
        from monitoring_internal.series_rollups as part
        where part.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
            and part.labels ? 'system_id' and part.resolution = '1h' and part.metric like 'usage\_%'
        group by part.tenant_id, part.bucket_at, part.labels ->> 'system_id', part.metric
    ) as hour
) as usage
group by usage.tenant_id, usage.bucket_at, usage.system_id;

comment on view monitoring.hourly_performance_stats is
    'Hours of what each system used: mean, greatest value and 95th percentile of processor, memory, graphics, disk and '
    'network; null where it has no such part.';
comment on column monitoring.hourly_performance_stats.sample_count is 'Samples of the metric that has the most.';
