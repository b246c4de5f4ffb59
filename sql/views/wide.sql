-- views/wide.sql: the store under the wide names that applications and dashboards know: one row a measurement.
-- Barriers with the owner's rights, since samples are granted to nobody: each asks for the tenant of the series itself.
-- Samples are looked up series by series: an empty second part of a union keeps the planner from a join, which cannot
-- look into blocks by series. What is inserted goes through a trigger into the store; nothing is changed or deleted.

create or replace view monitoring.performance_metrics with (security_barrier = true) as
select
    coalesce((detail.details ->> 'id')::uuid, md5(
        sample.series_id::text || ' ' || (extract(epoch from sample.sampled_at) * 1000000)::bigint::text)::uuid) as id,
    nullif(series.tenant_id, monitoring.system_tenant_id()) as business_id,
    family.name as metric_name,
    coalesce(detail.details ->> 'metric_category', family.category) as metric_category,
    coalesce(detail.details ->> 'metric_type', family.kind) as metric_type,
    sample.value as metric_value,
    coalesce(detail.details ->> 'metric_unit', family.unit) as metric_unit,
    coalesce((detail.details ->> 'dimensions')::jsonb,
        series.labels - array['source_schema', 'source_table', 'source_query_id']) as dimensions,
    coalesce(detail.tags, '{}') as tags,
    series.labels ->> 'source_schema' as source_schema,
    series.labels ->> 'source_table' as source_table,
    (series.labels ->> 'source_query_id')::bigint as source_query_id,
    sample.sampled_at as collected_at,
    (detail.details ->> 'processed_at')::timestamptz as processed_at,
    coalesce((detail.details ->> 'is_anomaly')::boolean, false) as is_anomaly,
    (detail.details ->> 'anomaly_score')::double precision as anomaly_score,
    (detail.details ->> 'baseline_value')::double precision as baseline_value,
    coalesce((detail.details ->> 'threshold_breached')::boolean, false) as threshold_breached,
    coalesce((detail.details ->> 'alert_generated')::boolean, false) as alert_generated,
    (detail.details ->> 'created_at')::timestamptz as created_at,
    family.retention_class as retention_policy
from monitoring.series as series
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
cross join lateral (
    select point.series_id, point.sampled_at, point.value
    from monitoring_internal.sample_points as point
    where point.series_id = series.series_id
    union all
    select null, null, null where false
) as sample
left join monitoring.sample_details as detail
    on detail.series_id = sample.series_id and detail.sampled_at = sample.sampled_at and detail.content_id is null
where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.performance_metrics is
    'Every sample as one wide row, insertable: what no series holds is kept beside it. Name a metric_name or '
    'dimensions where the past is long: packed days are unpacked to be filtered.';
comment on column monitoring.performance_metrics.id is 'As given; else made of series and time, and always the same.';
comment on column monitoring.performance_metrics.business_id is 'The tenant; null for what is the installation''s own.';
comment on column monitoring.performance_metrics.metric_name is 'Metric name.';
comment on column monitoring.performance_metrics.metric_category is
    'Its category, as the row said or as its family''s.';
comment on column monitoring.performance_metrics.metric_type is 'counter, gauge, histogram, summary or unknown.';
comment on column monitoring.performance_metrics.metric_value is 'The value.';
comment on column monitoring.performance_metrics.metric_unit is 'Its unit.';
comment on column monitoring.performance_metrics.dimensions is 'Labels of the series.';
comment on column monitoring.performance_metrics.tags is 'Free labels of the row.';
comment on column monitoring.performance_metrics.source_schema is 'Schema it was measured in.';
comment on column monitoring.performance_metrics.source_table is 'Table it was measured on.';
comment on column monitoring.performance_metrics.source_query_id is 'Statement it was measured on.';
comment on column monitoring.performance_metrics.collected_at is 'When it was measured.';
comment on column monitoring.performance_metrics.processed_at is 'When somebody processed it, as the row said.';
comment on column monitoring.performance_metrics.is_anomaly is 'Whether the row said it was an anomaly.';
comment on column monitoring.performance_metrics.anomaly_score is 'How much of one, as the row said.';
comment on column monitoring.performance_metrics.baseline_value is 'What was expected, as the row said.';
comment on column monitoring.performance_metrics.threshold_breached is 'Whether the row said so.';
comment on column monitoring.performance_metrics.alert_generated is 'Whether the row said so.';
comment on column monitoring.performance_metrics.created_at is 'When it was made, if the row said.';
comment on column monitoring.performance_metrics.retention_policy is 'Retention class of the metric.';

-- The two kinds of rows of platform_metrics, each a barrier of its own: a view whose rows come by "union all" is none,
-- conditions of the reader run on the rows of all tenants.
create or replace view monitoring_internal.platform_samples with (security_barrier = true) as
select
    sample.sampled_at as "time",
    series.labels ->> 'platform' as platform,
    family.name as metric_type,
    sample.value,
    null::text as content_id,
    detail.details ->> 'content_type' as content_type,
    detail.details ->> 'author_id' as author_id,
    detail.tags,
    detail.details -> 'metadata' as metadata,
    (detail.details ->> 'created_at')::timestamptz as created_at,
    (detail.details ->> 'quality_score')::double precision as quality_score,
    detail.details -> 'validation_errors' as validation_errors,
    series.tenant_id
from monitoring.series as series
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
cross join lateral (
    select point.series_id, point.sampled_at, point.value
    from monitoring_internal.sample_points as point
    where point.series_id = series.series_id
    union all
    select null, null, null where false
) as sample
left join monitoring.sample_details as detail
    on detail.series_id = sample.series_id and detail.sampled_at = sample.sampled_at and detail.content_id is null
where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    and series.labels ? 'platform';

comment on view monitoring_internal.platform_samples is
    'Figures of platforms, of the tenants that the reader sees. For platform_metrics; granted to nobody.';

create or replace view monitoring_internal.platform_contents with (security_barrier = true) as
select
    detail.sampled_at as "time",
    series.labels ->> 'platform' as platform,
    family.name as metric_type,
    detail.content_value as value,
    detail.content_id,
    detail.details ->> 'content_type' as content_type,
    detail.details ->> 'author_id' as author_id,
    detail.tags,
    detail.details -> 'metadata' as metadata,
    (detail.details ->> 'created_at')::timestamptz as created_at,
    (detail.details ->> 'quality_score')::double precision as quality_score,
    detail.details -> 'validation_errors' as validation_errors,
    detail.tenant_id
from monitoring.sample_details as detail
inner join monitoring.series as series on series.series_id = detail.series_id
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
where detail.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    and detail.content_id is not null;

comment on view monitoring_internal.platform_contents is
    'Figures of content items, of the tenants that the reader sees. For platform_metrics; granted to nobody.';

create or replace view monitoring.platform_metrics with (security_barrier = true) as
select * from monitoring_internal.platform_samples as row
where row.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
union all
select * from monitoring_internal.platform_contents as row
where row.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.platform_metrics is
    'Figures of platforms and of their content items, one row each, insertable.';
comment on column monitoring.platform_metrics."time" is 'When it was measured.';
comment on column monitoring.platform_metrics.platform is 'The platform.';
comment on column monitoring.platform_metrics.metric_type is 'The metric.';
comment on column monitoring.platform_metrics.value is 'The value.';
comment on column monitoring.platform_metrics.content_id is 'The content item; null: of the whole platform.';
comment on column monitoring.platform_metrics.content_type is 'Kind of the item.';
comment on column monitoring.platform_metrics.author_id is 'Its author.';
comment on column monitoring.platform_metrics.tags is
    'Free labels of the row; search_platform_metrics() finds rows by them.';
comment on column monitoring.platform_metrics.metadata is 'Free detail.';
comment on column monitoring.platform_metrics.created_at is 'When it was made, if the row said.';
comment on column monitoring.platform_metrics.quality_score is 'How far the value is to be trusted, as the row said.';
comment on column monitoring.platform_metrics.validation_errors is 'What was found wrong with it.';
comment on column monitoring.platform_metrics.tenant_id is 'Whose it is.';

create or replace view monitoring.usage_metrics with (security_barrier = true) as
select
    system.system_id,
    sample.sampled_at as "timestamp",
    max(sample.value) filter (where family.name = 'usage_cpu_percent') as cpu_percent,
    jsonb_agg(sample.value order by (series.labels ->> 'core')::integer)
        filter (where family.name = 'usage_cpu_core_percent') as cpu_per_core,
    max(sample.value) filter (where family.name = 'usage_cpu_temp') as cpu_temp,
    max(sample.value) filter (where family.name = 'usage_ram_percent') as ram_percent,
    max(sample.value) filter (where family.name = 'usage_swap_percent') as swap_percent,
    max(sample.value) filter (where family.name = 'usage_gpu_utilization') as gpu_utilization,
    max(sample.value) filter (where family.name = 'usage_gpu_temp') as gpu_temp,
    max(sample.value) filter (where family.name = 'usage_disk_read_mb_s') as disk_read_mb_s,
    max(sample.value) filter (where family.name = 'usage_disk_write_mb_s') as disk_write_mb_s,
    max(sample.value) filter (where family.name = 'usage_disk_usage_percent') as disk_usage_percent,
    max(sample.value) filter (where family.name = 'usage_disk_io_wait_percent') as disk_io_wait_percent,
    max(sample.value) filter (where family.name = 'usage_net_sent_mb_s') as net_sent_mb_s,
    max(sample.value) filter (where family.name = 'usage_net_recv_mb_s') as net_recv_mb_s,
    system.tenant_id
from monitoring.systems as system
inner join monitoring.series as series
    on series.labels ->> 'system_id' = system.system_id::text and series.labels ? 'system_id'
    and series.tenant_id = system.tenant_id
inner join monitoring.metric_families as family
    on family.metric_family_id = series.metric_family_id and family.name like 'usage\_%'
cross join lateral (
    select point.series_id, point.sampled_at, point.value
    from monitoring_internal.sample_points as point
    where point.series_id = series.series_id
    union all
    select null, null, null where false
) as sample
where system.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
group by system.system_id, sample.sampled_at, system.tenant_id;

comment on view monitoring.usage_metrics is 'How much of a machine was in use, one row a machine and time, insertable.';
comment on column monitoring.usage_metrics.system_id is 'The machine, of monitoring.systems.';
comment on column monitoring.usage_metrics."timestamp" is 'When it was measured.';
comment on column monitoring.usage_metrics.cpu_percent is 'Processors in use, in percent.';
comment on column monitoring.usage_metrics.cpu_per_core is 'The same core by core: an array.';
comment on column monitoring.usage_metrics.cpu_temp is 'Their temperature, in degrees Celsius.';
comment on column monitoring.usage_metrics.ram_percent is 'Memory in use, in percent.';
comment on column monitoring.usage_metrics.swap_percent is 'Swap in use, in percent.';
comment on column monitoring.usage_metrics.gpu_utilization is 'Graphics processor in use, in percent.';
comment on column monitoring.usage_metrics.gpu_temp is 'Its temperature, in degrees Celsius.';
comment on column monitoring.usage_metrics.disk_read_mb_s is 'Read from disks, megabytes a second.';
comment on column monitoring.usage_metrics.disk_write_mb_s is 'Written to disks, megabytes a second.';
comment on column monitoring.usage_metrics.disk_usage_percent is 'Disks full, in percent.';
comment on column monitoring.usage_metrics.disk_io_wait_percent is 'Time spent waiting for disks, in percent.';
comment on column monitoring.usage_metrics.net_sent_mb_s is 'Sent, megabytes a second.';
comment on column monitoring.usage_metrics.net_recv_mb_s is 'Received, megabytes a second.';
comment on column monitoring.usage_metrics.tenant_id is 'Whose it is.';

create or replace view monitoring.system_metrics with (security_barrier = true) as
select
    measured."time",
    measured.labels ->> 'host_id' as host_id,
    measured.labels ->> 'datacenter' as datacenter,
    measured.metric_type,
    measured.labels ->> 'environment' as environment,
    measured.labels ->> 'unit' as unit,
    max(measured.value) filter (where measured.field = '') as value,
    max(measured.value) filter (where measured.field = 'threshold_warning') as threshold_warning,
    max(measured.value) filter (where measured.field = 'threshold_critical') as threshold_critical,
    measured.tenant_id
from (
    select
        sample.sampled_at as "time", series.labels, series.tenant_id, sample.value,
        split_part(family.name, ':', 2) as field, substr(split_part(family.name, ':', 1), 8) as metric_type
    from monitoring.series as series
    inner join monitoring.metric_families as family
        on family.metric_family_id = series.metric_family_id and family.name like 'system\_%'
    cross join lateral (
        select point.series_id, point.sampled_at, point.value
        from monitoring_internal.sample_points as point
        where point.series_id = series.series_id
        union all
        select null, null, null where false
    ) as sample
    where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and series.labels ? 'host_id'
) as measured
group by measured."time", measured.labels, measured.metric_type, measured.tenant_id;

comment on view monitoring.system_metrics is
    'Figures of hosts with the limits in force, one row a host, kind and time, insertable.';
comment on column monitoring.system_metrics."time" is 'When it was measured.';
comment on column monitoring.system_metrics.host_id is 'The host.';
comment on column monitoring.system_metrics.datacenter is 'Where it stands.';
comment on column monitoring.system_metrics.metric_type is
    'Such as cpu, memory, disk, network: its family is system_ and this.';
comment on column monitoring.system_metrics.environment is 'Such as production.';
comment on column monitoring.system_metrics.unit is 'Unit of the value.';
comment on column monitoring.system_metrics.value is 'The value.';
comment on column monitoring.system_metrics.threshold_warning is 'Limit that was in force for warnings.';
comment on column monitoring.system_metrics.threshold_critical is 'Limit that was in force for critical alerts.';
comment on column monitoring.system_metrics.tenant_id is 'Whose it is.';

create or replace view monitoring.application_metrics with (security_barrier = true) as
select
    measured."time",
    measured.labels ->> 'service_id' as service_id,
    measured.labels ->> 'application_name' as application_name,
    measured.metric_name,
    measured.labels ->> 'environment' as environment,
    measured.labels ->> 'endpoint' as endpoint,
    measured.labels ->> 'method' as method,
    measured.labels ->> 'status_code' as status_code,
    max(measured.value) filter (where measured.field = '') as value,
    max(measured.value) filter (where measured.field = 'count') as count,
    max(measured.value) filter (where measured.field = 'rate') as rate,
    measured.tenant_id
from (
    select
        sample.sampled_at as "time", series.labels, series.tenant_id, sample.value,
        split_part(family.name, ':', 2) as field, substr(split_part(family.name, ':', 1), 13) as metric_name
    from monitoring.series as series
    inner join monitoring.metric_families as family
        on family.metric_family_id = series.metric_family_id and family.name like 'application\_%'
    cross join lateral (
        select point.series_id, point.sampled_at, point.value
        from monitoring_internal.sample_points as point
        where point.series_id = series.series_id
        union all
        select null, null, null where false
    ) as sample
    where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and series.labels ? 'service_id'
) as measured
group by measured."time", measured.labels, measured.metric_name, measured.tenant_id;

comment on view monitoring.application_metrics is
    'Figures of applications by endpoint, method and status, one row each, insertable.';
comment on column monitoring.application_metrics."time" is 'When it was measured.';
comment on column monitoring.application_metrics.service_id is 'The service.';
comment on column monitoring.application_metrics.application_name is 'The application.';
comment on column monitoring.application_metrics.metric_name is
    'Such as response_time, error_rate, throughput: its family is application_ and this.';
comment on column monitoring.application_metrics.environment is 'Such as production.';
comment on column monitoring.application_metrics.endpoint is 'The endpoint.';
comment on column monitoring.application_metrics.method is 'The method.';
comment on column monitoring.application_metrics.status_code is 'The status answered.';
comment on column monitoring.application_metrics.value is 'The value.';
comment on column monitoring.application_metrics.count is 'How many were counted.';
comment on column monitoring.application_metrics.rate is 'How many a second.';
comment on column monitoring.application_metrics.tenant_id is 'Whose it is.';
