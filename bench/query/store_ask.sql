-- Every kind of question to the store of store.sql; to answers that have to be whole a division by zero would say that one is not.
select count(*) as most from monitoring.series join monitoring.metric_families as family using (metric_family_id) where family.name = 'bench_latency' \gset
-- The last whole hour that has samples.
select date_trunc('hour', max(sampled_at), 'UTC') as end_at from monitoring.samples where series_id = (select min(series_id) from monitoring.series where labels ? 'asset_id') \gset
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
        'select 1 / (count(value) = 300 * %s)::integer from monitoring.query_range(''bench_latency'', ''{"asset_id": {"ne": "%%s"}}'', %L, %L, ''1 day'', ''avg'', ''{platform}'')',
        -- Thirty days, of which the first and the last are parts of one, or thirty whole ones.
        ceil(extract(epoch from p_until - date_trunc('day', p_until - interval '30 days', 'UTC')) / 86400),
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
        'select 1 / (count(value_avg) >= 168)::integer from monitoring.metrics where asset_id = ''a%%s'' and resolution = ''1h'' and "timestamp" >= %L', p_until - interval '7 days'));
    call bench.ask('store', 'platform_metrics_hourly, 1 platform (4 series), 7 d', p_repeat, 299, format(
        'select 1 / (count(avg_value) >= 168)::integer, max(max_value) from monitoring.platform_metrics_hourly where platform = ''p%%s'' and metric_type = ''bench_latency'' and bucket >= %L', p_until - interval '7 days'));
    call bench.ask('store', 'aggregated_metrics, 1 platform (4 series), days, 30 d', p_repeat, 299, format(
        'select count(avg_value), max(p95_value) from monitoring.aggregated_metrics where platform = ''p%%s'' and aggregation = ''daily'' and "time" >= %L', p_until - interval '30 days'));
    call bench.ask('store', 'hourly_metrics_summary, all series together, 1 d', least(p_repeat, 10), p_most, format(
        'select 1 / (sum(sample_count) > %%s)::integer from monitoring.hourly_metrics_summary where metric_name = ''bench_latency'' and hour_bucket >= %L', p_until - interval '1 day'));
    -- Of these there are no series here: what making the plan costs.
    foreach v_word in array array['system_metrics_1m', 'system_metrics_5m', 'system_metrics_1h'] loop
        call bench.ask('store', v_word || ' of a host that has none, 1 d', p_repeat, p_most, format(
            'select count(*) from monitoring.%s where host_id = ''h%%s'' and "time" >= %L', v_word, p_until - interval '1 day'));
    end loop;
    call bench.ask('store', 'hourly_performance_stats of a system that has none, 1 d', p_repeat, p_most, format(
        'select count(*) from monitoring.hourly_performance_stats where system_id = md5(''%%s'')::uuid and hour >= %L',
        p_until - interval '1 day'));
end
$$;
-- A question to query_range beside the same one to a plain table of the samples: named, grouped, in order.
create or replace procedure bench.ask_ratio(p_what text, p_matched text, p_from timestamptz, p_until timestamptz, p_unit text, p_aggregate text, p_group text)
language plpgsql as $$
declare
    v_labels constant text := case when p_group is null then 'labels' else quote_literal('{}') || '::jsonb' end;
    v_matched text;
begin
    select string_agg(format('%L::jsonb', jsonb_build_object('asset_id', name)), ', ') into v_matched
    from jsonb_array_elements_text(p_matched::jsonb #> '{asset_id,in}') as name;
    call bench.ask('ratio', p_what || ': query_range', 20, 1, format(
        'select count(value), min(labels ->> ''asset_id''), %%s from (select * from monitoring.query_range(''bench_latency'', %L, %L, %L, %L, %L, %L, ''none'')) as answer',
        p_matched, p_from, p_until, '1 ' || p_unit, p_aggregate, p_group));
    call bench.ask('ratio', p_what || ': GROUP BY', 3, 1, format(
        'select count(value), min(labels ->> ''asset_id''), %%s from (select %s as labels, bucket_at, value
            from (select %s as series_id, date_trunc(%L, sampled_at, ''UTC'') as bucket_at, %s as value
                from bench.plain
                where series_id = any (array(select series_id from monitoring.series where labels @> any (array[%s])))
                    and sampled_at >= %L and sampled_at < %L
                group by 1, 2) as bucket
            left join monitoring.series using (series_id)
            order by 1, 2) as answer',
        v_labels, case when p_group is null then 'series_id' else '0' end, p_unit,
        case p_aggregate when 'p95' then 'percentile_cont(0.95) within group (order by value)' else p_aggregate || '(value)' end,
        v_matched, p_from, p_until));
end
$$;
select jsonb_build_object('asset_id', jsonb_build_object('in', jsonb_agg('a' || n))) as sixty from generate_series(1, 60) as n \gset
select date_trunc('day', now(), 'UTC') as day_at \gset
call bench.ask_ratio('60 series by the day, 29 d', :'sixty', :'day_at'::timestamptz - interval '29 days', :'day_at', 'day', 'avg', null);
call bench.ask_ratio('60 series by the day, 29 d, p95', :'sixty', :'day_at'::timestamptz - interval '29 days', :'day_at', 'day', 'p95', null);
call bench.ask_ratio('60 series in one line by the hour, 7 d', :'sixty', :'day_at'::timestamptz - interval '7 days', :'day_at', 'hour', 'avg', '{}');
call bench.ask_ratio('60 series by the hour, 7 d', :'sixty', :'day_at'::timestamptz - interval '7 days', :'day_at', 'hour', 'avg', null);
call bench.ask_ratio('60 series by the hour, 7 d, p95', :'sixty', :'day_at'::timestamptz - interval '7 days', :'day_at', 'hour', 'p95', null);
call bench.ask_ratio('1 series by the hour, 7 d', '{"asset_id": {"in": ["a7"]}}', :'day_at'::timestamptz - interval '7 days', :'day_at', 'hour', 'avg', null);
call bench.ask_store(:repeat, :most, :'end_at');
