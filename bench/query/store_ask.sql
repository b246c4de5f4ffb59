-- Every kind of question to the store of store.sql; to answers that have to be whole a division by zero would say that one is not.
select count(*) as most from monitoring.series join monitoring.metric_families as family using (metric_family_id) where family.name = 'bench_latency' \gset
select date_trunc('hour', now(), 'UTC') as end_at \gset
create or replace procedure bench.ask_store(p_repeat integer, p_most integer, p_until timestamptz) language plpgsql as $$
declare
    v_one constant text := 'select 1 / (count(value) = %L)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L, %L, %L)';
    v_word text;
    v_days integer;
begin
    -- One series: a day from samples, a week and a month from rollups, by every aggregate.
    foreach v_word in array array['avg', 'min', 'max', 'sum', 'count', 'stddev', 'first', 'last', 'p95', 'sum(avg)'] loop
        foreach v_days in array array[1, 7, 30] loop
            if v_days = 7 or v_word in ('avg', 'p95', 'last') then
                call bench.ask('store', format('%s by hour of 1 series, %s d', v_word, v_days), p_repeat, p_most,
                    format(v_one, v_days * 24, p_until - v_days * interval '24 hours', p_until, '1 hour', v_word));
            end if;
        end loop;
    end loop;
    call bench.ask('store', 'avg by 5 min of 1 series, 1 d, raw', p_repeat, p_most,
        format(v_one, 288, p_until - interval '24 hours', p_until, '5 min', 'avg'));
    call bench.ask('store', 'avg by 5 min of 1 series, 7 d, mostly packed', p_repeat, p_most,
        format(v_one, 2016, p_until - interval '7 days', p_until, '5 min', 'avg'));
    call bench.ask('store', 'p95 by 5 min of 1 series, 1 d, packed', p_repeat, p_most,
        format(v_one, 288, p_until - interval '12 days', p_until - interval '11 days', '5 min', 'p95'));
    call bench.ask('store', 'samples of 1 series, 24 h, raw', p_repeat, p_most, format(
        'select 1 / (count(value) = 1440)::integer from monitoring.samples_between(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L)',
        p_until - interval '24 hours', p_until));
    call bench.ask('store', 'newest 1000 samples of 1 series, 24 h, raw', p_repeat, p_most, format(
        'select 1 / (count(value) = 1000)::integer from (select * from monitoring.samples_between(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L)
            order by sampled_at desc limit 1000) as newest', p_until - interval '24 hours', p_until));
    call bench.ask('store', 'newest 1000 samples of 1 series, 24 h, packed', p_repeat, p_most, format(
        'select 1 / (count(value) = 1000)::integer from (select * from monitoring.samples_between(''bench_latency'', ''{"asset_id": "a%%s"}'', %L, %L)
            order by sampled_at desc limit 1000) as newest', p_until - interval '12 days', p_until - interval '11 days'));
    -- Many series.
    call bench.ask('store', 'avg by hour of all series together, 7 d', least(p_repeat, 10), p_most, format(
        'select 1 / (count(value) = 168)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, %L, ''1 hour'', ''avg'', ''{}'')',
        p_until - interval '7 days', p_until));
    call bench.ask('store', 'avg by day of 300 groups, 30 d', least(p_repeat, 10), p_most, format(
        'select 1 / (count(value) = 300 * 31)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, %L, ''1 day'', ''avg'', ''{platform}'')',
        p_until - interval '30 days', p_until));
    call bench.ask('store', 'p95 by hour of 300 groups, 1 d', least(p_repeat, 10), p_most, format(
        'select 1 / (count(value) = 300 * 24)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, %L, ''1 hour'', ''p95'', ''{platform}'')',
        p_until - interval '1 day', p_until));
    call bench.ask('store', 'query_instant of 1 series', p_repeat, p_most,
        'select 1 / (count(value) = 1)::integer from monitoring.query_instant(''bench_host_1'', ''{"host_id": "h%s"}'')');
    call bench.ask('store', 'query_instant of 1 series, 12 d ago', p_repeat, p_most, format(
        'select 1 / (count(value) = 1)::integer from monitoring.query_instant(''bench_latency'', ''{"asset_id": "a%%s"}'', %L)', p_until - interval '12 days'));
    call bench.ask('store', 'query_instant, max of 300 groups, 12 d ago', least(p_repeat, 10), p_most, format(
        'select 1 / (count(value) = 300)::integer from monitoring.query_instant(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, ''max'', ''{platform}'')', p_until - interval '12 days'));
    call bench.ask('store', 'latest_values of 1 host of 2,500', p_repeat, 2500,
        'select 1 / (count(value) = 20)::integer from monitoring.latest_values(''{"host_id": "h%s"}'')');
    -- The described systems' names.
    call bench.ask('store', 'metrics_hourly, 1 asset, 7 d, avg p95 p99', p_repeat, p_most, format(
        'select 1 / (count(avg_value) >= 168)::integer, sum(p95_value), sum(p99_value) from monitoring.metrics_hourly where asset_id = ''a%%s'' and bucket >= %L', p_until - interval '7 days'));
    call bench.ask('store', 'metrics, 1 asset, hours, 7 d', p_repeat, p_most, format(
        'select 1 / (count(avg_value) >= 168)::integer from monitoring.metrics where asset_id = ''a%%s'' and resolution = ''1h'' and bucket >= %L', p_until - interval '7 days'));
    call bench.ask('store', 'platform_metrics_hourly, 1 platform (4 series), 7 d', p_repeat, 299, format(
        'select 1 / (count(avg_value) >= 168)::integer, max(max_value) from monitoring.platform_metrics_hourly where platform = ''p%%s'' and metric_type = ''bench_latency'' and bucket >= %L', p_until - interval '7 days'));
end
$$;
call bench.ask_store(:repeat, :most, :'end_at');
