select count(*) as most from monitoring.series join monitoring.metric_families as family using (metric_family_id) where family.name = 'bench_latency' \gset
select start_at, end_at from bench.ends \gset
create or replace procedure bench.ask_all(p_part text, p_repeat integer, p_most integer, p_from timestamptz, p_until timestamptz)
language plpgsql as $$
begin
    call bench.ask(p_part, 'samples of 1 series, 24 h, row by row', p_repeat, p_most, format(
        'select 1 / (count(value) = 1440)::integer from monitoring.samples_between(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L)', p_until - interval '24 hours', p_until));
    call bench.ask(p_part, 'avg by 5 min of 1 series, 24 h, from samples', p_repeat, p_most, format(
        'select 1 / (count(value) = 288)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L, ''5 min'')', p_until - interval '24 hours', p_until));
    call bench.ask(p_part, 'avg by hour of 1 series, 7 d', p_repeat, p_most, format(
        'select 1 / (count(value) = 168)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L, ''1 hour'')', p_from, p_until));
    call bench.ask(p_part, 'p95 by hour of 1 series, 7 d', p_repeat, p_most, format(
        'select 1 / (count(value) = 168)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L, ''1 hour'', ''p95'')', p_from, p_until));
    call bench.ask(p_part, 'avg, p95, p99 of metrics_hourly, 1 asset, 7 d', p_repeat, p_most, format(
        'select 1 / (count(avg_value) = 168)::integer, sum(p95_value), sum(p99_value) from monitoring.metrics_hourly where asset_id = ''a%%s'' and bucket >= %L', p_from));
    call bench.ask(p_part, 'platform_metrics_hourly, 1 platform, 7 d, means', p_repeat, p_most, format(
        'select 1 / (count(avg_value) = 168)::integer, max(max_value) from monitoring.platform_metrics_hourly where platform = ''p%%s'' and metric_type = ''bench_latency'' and bucket >= %L', p_from));
    call bench.ask(p_part, 'max by day of 1 series, 7 d', p_repeat, p_most, format(
        'select count(value) from monitoring.query_range(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L, ''1 day'', ''max'')', p_from, p_until));
    call bench.ask(p_part, 'newest 1000 samples of 1 series, 24 h', p_repeat, p_most, format(
        'select 1 / (count(value) = 1000)::integer from (select * from monitoring.samples_between(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L)
            order by sampled_at desc limit 1000) as newest', p_until - interval '24 hours', p_until));
    call bench.ask(p_part, 'avg by hour of all series together, 7 d', least(p_repeat, 10), p_most, format(
        'select 1 / (count(value) = 168)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, %L, ''1 hour'', ''avg'', ''{}'')', p_from, p_until));
    call bench.ask(p_part, 'latest_values of 1 host of 2,500', p_repeat, 2500, 
        'select 1 / (count(value) = 20)::integer from monitoring.latest_values(''{"host_id": "h%s"}'')');
    call bench.ask(p_part, 'GROUP BY over samples, hour, 60 series, 7 d', 5, p_most, format(
        'select sum(mean), max(peak) from (select series_id, date_trunc(''hour'', sampled_at), avg(value) as mean, max(value) as peak from monitoring.samples
            where series_id = any (array(select series_id from monitoring.series where labels ? ''asset_id'' order by series_id limit 60))
            and sampled_at >= %L and sampled_at < %L group by 1, 2) as hour', p_from, p_until));
    call bench.ask(p_part, 'GROUP BY over samples, day, 60 series, 7 d', 5, p_most, format(
        'select sum(mean), max(peak) from (select series_id, date_trunc(''day'', sampled_at), avg(value) as mean, max(value) as peak from monitoring.samples
            where series_id = any (array(select series_id from monitoring.series where labels ? ''asset_id'' order by series_id limit 60))
            and sampled_at >= %L and sampled_at < %L group by 1, 2) as day', date_trunc('day', p_from), date_trunc('day', p_until)));
    call bench.ask(p_part, 'days by query_range', 5, p_most, format(
        'select count(value) from monitoring.query_range(''bench_latency'', jsonb_build_object(''asset_id'', jsonb_build_object(''in'',
            (select jsonb_agg(''a'' || n) from generate_series(1, 60) as n))), %L, %L, ''1 day'', fill => ''none'')', date_trunc('day', p_from), date_trunc('day', p_until)));
    call bench.ask(p_part, 'the same from rollups', 5, p_most, format(
        'select sum(mean), max(peak) from (select series_id, bucket_at, value_sum / sample_count as mean, value_max as peak from monitoring_internal.rollup_points
            where resolution = ''1h'' and series_id = any (array(select series_id from monitoring.series where labels ? ''asset_id'' order by series_id limit 60))
            and bucket_at >= %L and bucket_at < %L) as hour', p_from, p_until));
    call bench.ask(p_part, 'the same by query_range', 5, p_most, format(
        'select count(value) from monitoring.query_range(''bench_latency'', jsonb_build_object(''asset_id'', jsonb_build_object(''in'',
            (select jsonb_agg(''a'' || n) from generate_series(1, 60) as n))), %L, %L, ''1 hour'', fill => ''none'')', p_from, p_until));
end
$$;
call bench.ask_all(:'part', :repeat, :most, :'start_at', :'end_at');
