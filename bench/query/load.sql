-- Series :from to :until: a sample a minute for seven days, one platform and asset each, and their rollups.
insert into monitoring.series (tenant_id, metric_family_id, labels)
select tenant.tenant_id, family.metric_family_id, jsonb_build_object('asset_id', 'a' || n, 'platform', 'p' || n, 'system_id', 's' || n % 50)
from monitoring.tenants as tenant, monitoring.metric_families as family, generate_series(:from + 1, :until) as n
where tenant.is_system and family.name = 'bench_latency';
select clock_timestamp() as started \gset
insert into monitoring.samples (series_id, sampled_at, value)
select series.series_id, ends.start_at + minute * interval '1 min', round((50 + 20 * sin(minute / 200.0) + 30 * random() ^ 3)::numeric, 2)
from bench.ends, generate_series(0, 7 * 1440 - 1) as minute,
    (select series_id from monitoring.series join monitoring.metric_families as family using (metric_family_id)
     where family.name = 'bench_latency' and substr(labels ->> 'asset_id', 2)::integer > :from order by series_id) as series;
select clock_timestamp() as loaded \gset
vacuum (analyze) monitoring.samples;
analyze monitoring.series;
select clock_timestamp() as rolling \gset
-- The first time the refresher builds it all; what is loaded after that came late.
insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
select series_id, ends.start_at, ends.end_at
from bench.ends, monitoring.series join monitoring.metric_families as family using (metric_family_id)
where family.name = 'bench_latency' and :from > 0 and substr(labels ->> 'asset_id', 2)::integer > :from;
call monitoring.refresh_rollups();
vacuum (analyze) monitoring.rollups_1h, monitoring.rollups_1d;
insert into bench.loads
select :'until', count(*) * 7 * 1440, extract(epoch from :'loaded'::timestamptz - :'started'), extract(epoch from clock_timestamp() - :'rolling')
from monitoring.series join monitoring.metric_families as family using (metric_family_id) where family.name = 'bench_latency';
