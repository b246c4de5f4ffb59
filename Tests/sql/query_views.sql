-- The described systems' rollups: correct whatever the zone, up to the newest sample, and nobody else's.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'Asia/Kathmandu';
select no_plan();

create role pgvigil_views_a nologin;
create role pgvigil_views_none nologin;
grant monitoring_reader to pgvigil_views_a, pgvigil_views_none;
select monitoring.create_tenant('views-a');
select monitoring.add_tenant_member('pgvigil_views_a', 'views-a');
select monitoring_internal.register_families('[
    {"name": "followers", "kind": "gauge", "category": "reach", "retention_class": "high_resolution"},
    {"name": "latency", "kind": "gauge", "category": "speed", "retention_class": "high_resolution"},
    {"name": "system_cpu", "kind": "gauge", "retention_class": "high_resolution"},
    {"name": "system_packets", "kind": "counter", "retention_class": "high_resolution"},
    {"name": "system_cpu:threshold_warning", "kind": "gauge", "retention_class": "high_resolution"},
    {"name": "usage_cpu_percent", "kind": "gauge", "retention_class": "usage"},
    {"name": "usage_ram_percent", "kind": "gauge", "retention_class": "usage"},
    {"name": "usage_gpu_temp", "kind": "gauge", "retention_class": "usage"},
    {"name": "usage_disk_read_mb_s", "kind": "gauge", "retention_class": "usage"},
    {"name": "usage_net_sent_mb_s", "kind": "gauge", "retention_class": "usage"}]');
insert into monitoring.series (tenant_id, metric_family_id, labels)
select tenant.tenant_id, family.metric_family_id, made.labels::jsonb
from (values ('followers', '{"platform": "north"}'), ('followers', '{"platform": "north", "tag": "x"}'),
    ('followers', '{"platform": "south"}'), ('latency', '{"asset_id": "gpt", "metric_type": "quality", "region": "eu"}'),
    ('latency', '{"asset_id": "gpt", "metric_type": "quality", "region": "us"}'),
    ('system_cpu', '{"host_id": "h1", "datacenter": "d", "environment": "production", "unit": "%"}'),
    ('system_packets', '{"host_id": "h1", "datacenter": "d", "environment": "production", "unit": "packets/sec"}'),
    ('system_cpu:threshold_warning', '{"host_id": "h1"}'),
    ('usage_cpu_percent', '{"system_id": "6f1e2f8e-0000-4000-8000-000000000001"}'), ('usage_ram_percent', '{"system_id": "6f1e2f8e-0000-4000-8000-000000000001"}'),
    ('usage_gpu_temp', '{"system_id": "6f1e2f8e-0000-4000-8000-000000000001"}'), ('usage_disk_read_mb_s', '{"system_id": "6f1e2f8e-0000-4000-8000-000000000001"}'),
    ('usage_net_sent_mb_s', '{"system_id": "6f1e2f8e-0000-4000-8000-000000000001"}')
) as made (metric, labels)
join monitoring.metric_families as family on family.name = made.metric, monitoring.tenants as tenant
where tenant.name = 'views-a' or tenant.is_system and made.labels = '{"platform": "north"}';
select setseed(0.7);
-- Uneven: a full minute here, a single sample there, so that means of means and percentiles of percentiles are wrong.
create temporary table truth as
select series.*, family.name as metric, timestamptz '2026-01-29 20:11Z' + make_interval(secs => round((n ^ 1.6 * 7)::numeric, 3)) as at,
    case when n % 10 = 0 then 9000 else 1 end * (10 + random() * 90) as value
from monitoring.series as series join monitoring.metric_families as family using (metric_family_id), generate_series(0, 3000) as n
where family.name in (select name from monitoring.metric_families where retention_class in ('high_resolution', 'usage')) and random() < 0.5;
insert into monitoring.samples (series_id, sampled_at, value) select series_id, at, value from truth;
select cmp_ok(max(at) - min(at), '>', interval '20 days', 'samples over weeks and a month''s end') from truth;

do $$
declare
    v_level record;
begin
    for v_level in select resolution, width, date_bin(width, '2026-02-26 07:31Z', 'epoch') as until_at from monitoring_internal.rollup_levels loop
        execute format('insert into monitoring.rollups_%s select made.* from
            (select array_agg(distinct t.series_id) as ids from truth as t join monitoring_internal.series_levels as l using (series_id) where l.resolution = %L) as s,
            monitoring_internal.fold_samples($1, s.ids, array_fill(''-infinity''::timestamptz, array[cardinality(s.ids)]),
            array_fill($2, array[cardinality(s.ids)]), array_fill(false, array[cardinality(s.ids)])) as made', v_level.resolution, v_level.resolution)
            using v_level.width, v_level.until_at;
        update monitoring_internal.rollup_levels set watermark = v_level.until_at where resolution = v_level.resolution;
    end loop;
end
$$;
select cmp_ok((select count(*) from truth where at >= '2026-02-26 07:00Z'), '>', 0::bigint, 'and some after every watermark');

create function pg_temp.near(p_have float8, p_want float8, p_share float8) returns boolean language sql as
$$ select coalesce(abs(p_have - p_want) <= p_share * abs(p_want), p_have is not distinct from p_want) $$;

select is_empty($$
    select * from monitoring.platform_metrics_hourly as v
    full join (select tenant_id, date_bin('1 hour', at, 'epoch') as bucket, labels ->> 'platform' as platform, metric as metric_type, count(*), avg(value), min(value),
            max(value), percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value) as p
        from truth where labels ? 'platform' group by 1, 2, 3, 4) as t using (tenant_id, bucket, platform, metric_type)
    where (v.data_points = t.count and v.min_value = t.min and v.max_value = t.max and pg_temp.near(v.avg_value, t.avg, 1e-9)
        and pg_temp.near(v.median_value, t.p[1], 0.01) and pg_temp.near(v.p95_value, t.p[2], 0.01) and pg_temp.near(v.p99_value, t.p[3], 0.01)) is not true $$,
    'R-01, R-02, R-08: platform_metrics_hourly is what SQL over all samples says: means of samples, percentiles, the live hour');
select is_empty($$
    select * from (select * from monitoring.aggregated_metrics) as v
    full join (select tenant_id, span.aggregation, span.start_at as "time", labels ->> 'platform' as platform, metric as metric_type, count(*), sum(value), avg(value), min(value),
            max(value), percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value) as p
        from truth, lateral (values ('daily', date_trunc('day', at, 'UTC')), ('weekly', date_trunc('week', at, 'UTC')), ('monthly', date_trunc('month', at, 'UTC')))
            as span (aggregation, start_at) where labels ? 'platform' group by 1, 2, 3, 4, 5) as t using (tenant_id, aggregation, "time", platform, metric_type)
    where (v.count_value = t.count and v.min_value = t.min and v.max_value = t.max and pg_temp.near(v.sum_value, t.sum, 1e-9) and pg_temp.near(v.avg_value, t.avg, 1e-9)
        and pg_temp.near(v.p50_value, t.p[1], 0.01) and pg_temp.near(v.p95_value, t.p[2], 0.01) and pg_temp.near(v.p99_value, t.p[3], 0.01)) is not true $$,
    'R-07, R-13: aggregated_metrics has days of UTC, weeks from Monday and months of the calendar, percentiles at every level');
select results_eq(
    $$ select distinct created_at - time from monitoring.aggregated_metrics where aggregation = 'monthly' order by 1 $$, $$ values (interval '28 days'), ('31 days') $$,
    'R-06: a month is as long as it is');
select is_empty($$
    select * from monitoring.metrics as v
    full join (select labels - array['asset_id', 'metric_type'] as dimensions, level.resolution, date_bin(level.width, at, 'epoch') as timestamp, count(*), sum(value), stddev_pop(value),
            percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value) as p
        from truth, monitoring_internal.rollup_levels as level where labels ? 'asset_id' group by 1, 2, 3) as t using (dimensions, resolution, timestamp)
    where (v.value_count = t.count and pg_temp.near(v.value_sum, t.sum, 1e-9) and abs(v.value_stddev - t.stddev_pop) <= 1e-6 * v.value_max
        and v.asset_id = 'gpt' and v.metric_type = 'quality' and v.metric_name = 'latency' and pg_temp.near(v.value_p50, t.p[1], 0.01)
        and pg_temp.near(v.value_p95, t.p[2], 0.01) and pg_temp.near(v.value_p99, t.p[3], 0.01)) is not true $$,
    'R-03, R-04, R-05: metrics at 1m, 5m, 1h and 1d agree with the samples, and two sets of dimensions stay two');
select is((select array_agg(distinct time_bucket order by time_bucket) from monitoring.metrics), '{1 min,5 min,1 hour,1 day}'::interval[], 'R-06: four widths and no other');
select is((select count(*) from (select id from monitoring.metrics group by id having count(*) > 1) as twice), 0::bigint, 'each row has an id of its own');
select is((select (sum(count), count(distinct dimensions)) from monitoring.metrics_hourly), (select (count(*)::numeric, 2::bigint) from truth where labels ? 'asset_id'),
    'R-03: metrics_hourly counts samples, not rows of a finer level');
select is_empty(format($$
    select * from monitoring.system_metrics_%s as v
    full join (select date_bin(%L, at, 'epoch') as time, substr(metric, 8) as metric_type, count(*), avg(value), max(value) from truth
        where metric in ('system_cpu', 'system_packets') group by 1, 2) as t using (time, metric_type)
    where (v.host_id = 'h1' and v.datacenter = 'd' and v.environment = 'production' and v.sample_count = t.count and v.max_value = t.max
        and case metric_type when 'cpu' then v.unit = '%%' and pg_temp.near(v.value, t.avg, 1e-9) else v.value is null end) is not true $$, resolution, width),
    format('R-09, R-10, R-15: system_metrics_%s has each with its tags and peaks, and no mean of a counter', resolution))
from (values ('1m', '1 min'), ('5m', '5 min'), ('1h', '1 hour')) as level (resolution, width);
select is_empty($$
    select * from (select * from monitoring.hourly_performance_stats where system_id = '6f1e2f8e-0000-4000-8000-000000000001') as v
    full join (select date_bin('1 hour', at, 'epoch') as hour, avg(value) filter (where metric = 'usage_cpu_percent') as cpu, max(value) filter (where metric = 'usage_ram_percent') as ram,
            avg(value) filter (where metric = 'usage_gpu_temp') as gpu, avg(value) filter (where metric = 'usage_disk_read_mb_s') as disk,
            max(value) filter (where metric = 'usage_net_sent_mb_s') as net, percentile_cont(0.95) within group (order by value) filter (where metric = 'usage_cpu_percent') as p95
        from truth where metric ~ '^usage' group by 1) as t using (hour)
    where (pg_temp.near(v.avg_cpu_percent, t.cpu, 1e-9) and pg_temp.near(v.max_ram_percent, t.ram, 0) and pg_temp.near(v.avg_gpu_temp, t.gpu, 1e-9)
        and pg_temp.near(v.avg_disk_read_mb_s, t.disk, 1e-9) and pg_temp.near(v.max_net_sent_mb_s, t.net, 0) and pg_temp.near(v.p95_cpu_percent, t.p95, 0.01)
        and v.avg_swap_percent is null) is not true $$,
    'R-14: hourly_performance_stats has memory, graphics, disk and network beside the processor');
select is_empty($$
    select * from monitoring.hourly_metrics_summary as v
    full join (select tenant_id as business_id, date_bin('1 hour', at, 'epoch') as hour_bucket, metric as metric_name, count(*), avg(value), percentile_cont(0.99) within group (order by value) as p99
        from truth group by 1, 2, 3) as t using (business_id, hour_bucket, metric_name)
    where (v.sample_count = t.count and pg_temp.near(v.avg_value, t.avg, 1e-9) and pg_temp.near(v.p99_value, t.p99, 0.01)) is not true $$,
    'R-11: hourly_metrics_summary has every metric and hour, the current one too');

-- What the documents do, on the same samples: each fails the comparison above.
create temporary table five_minutes as
select date_bin('1 hour', at, 'epoch') as hour, series_id, count(*) as samples, avg(value) as mean, percentile_cont(0.95) within group (order by value) as p95
from truth where labels ? 'asset_id' group by 1, 2, date_bin('5 min', at, 'epoch');
create temporary table theirs as
select f.hour, f.series_id, avg(f.mean) as mean, percentile_cont(0.95) within group (order by f.p95) as p95, count(*) as count from five_minutes as f group by 1, 2;
select cmp_ok((select count(*) from theirs join (select date_bin('1 hour', at, 'epoch') as hour, series_id, count(*), avg(value), percentile_cont(0.95) within group (order by value) as p95
        from truth group by 1, 2) as t using (hour, series_id)
    where not pg_temp.near(theirs.p95, t.p95, 0.01) and not pg_temp.near(theirs.mean, t.avg, 1e-9) and theirs.count <> t.count), '>', 1::bigint,
    'R-01, R-02, R-03: percentiles of percentiles, means of means and counts of rows fail it');
select cmp_ok((select count(*) from (select date_trunc('hour', at) as bucket from truth group by 1) as local
    where local.bucket not in (select v.bucket from monitoring.platform_metrics_hourly as v)), '>', 10::bigint,
    'R-13: hours of this session''s zone begin at a quarter past and are in no view');
select is_empty(
    $$ select a.attrelid::regclass, a.attname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'monitoring'::regnamespace and c.relkind = 'v' and not a.attisdropped
            and (a.attname in ('date_trunc', 'date_bin') or a.attname = 'time_bucket' and a.atttypid <> 'interval'::regtype) $$,
    'S-24: no column is called like the function that makes it, and time_bucket is a width');
select throws_ok($$ create index on monitoring.rollups_1h (date_trunc('day', bucket_at)) $$, '42P17', null, 'P-16: the documents'' index is refused');
select is_empty(
    $$ select i.indexrelid::regclass from pg_index as i join pg_class as c on c.oid = i.indrelid
        where c.relnamespace::regnamespace::text like 'monitoring%' and pg_get_indexdef(i.indexrelid) ~ 'date_(trunc|bin)' $$,
    'P-16: buckets are columns, and indexes are on them');

-- whose -------------------------------------------------------------------------------------------
create function pg_temp.seen_by(p_role name, p_view text) returns text language plpgsql as $$
declare
    v_seen text;
begin
    execute format('set local role %I', p_role);
    execute format('select count(*) > 0 from %s', p_view) into v_seen;
    execute 'reset role';
    return v_seen;
exception when insufficient_privilege then
    return 'refused';
end
$$;
select is(pg_temp.seen_by(role, 'monitoring.' || view || condition), seen, format('%s of %s%s: %s', role, view, condition, seen))
from unnest(array['platform_metrics_hourly', 'aggregated_metrics', 'metrics', 'metrics_hourly', 'system_metrics_1m', 'system_metrics_5m', 'system_metrics_1h',
    'hourly_performance_stats', 'hourly_metrics_summary']) as view,
(values ('pgvigil_views_a', '', 'true'), ('pgvigil_views_none', '', 'false'), ('monitoring_collector', '', 'refused')) as reader (role, condition, seen);
select is(pg_temp.seen_by('pgvigil_views_a', 'monitoring.platform_metrics_hourly where tenant_id = monitoring.system_tenant_id()'), 'false', 'the system''s platform is not theirs');
create temporary table plan (line text);
set local enable_seqscan = off; -- A table of a page is read whole otherwise, now and then.
do $$
declare
    v_line text;
begin
    for v_line in explain (costs off) select avg_value from monitoring.platform_metrics_hourly where platform = 'north' and bucket >= '2026-02-01' loop
        insert into plan values (v_line);
    end loop;
end
$$;
select matches(string_agg(line, ' '), 'series_platform_idx', 'a platform is found by its index') from plan;
select doesnt_match(string_agg(line, ' '), 'rollups_(1m|5m|1d)', 'and levels that nobody asked for are left out') from plan;

select * from finish();
rollback;
