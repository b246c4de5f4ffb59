-- Ten seconds become minutes, hours, days, weeks and months; what is late or gone; how long each level is kept.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
set local timezone = 'America/St_Johns';
select no_plan();

create function pg_temp.settle(p_now timestamptz, p_packs boolean default true) returns void language plpgsql as $$
begin
    for v_round in 1..2 loop
        while (monitoring_internal.refresh_next_rollup_at(9, null, p_now)).action is not null loop
        end loop;
        while p_packs and monitoring_internal.pack_next_at(p_now) is not null loop
        end loop;
    end loop;
end
$$;
-- Deletes what is past its time, as the two jobs do; finer levels first, as coarser ones prove them.
create function pg_temp.expire(p_now timestamptz) returns void language plpgsql as $$
declare
    v_table text;
begin
    perform monitoring_internal.cleanup_old_metrics_at(p_now);
    foreach v_table in array array['sample_blocks', 'time_vectors', 'rollups_1m', 'rollups_5m', 'rollups_1h', 'rollups_1d'] loop
        perform monitoring_internal.drop_partition_at(
            'monitoring.' || v_table, expired.lower_bound, expired.upper_bound, p_now)
        from monitoring_internal.expired_partitions_at('monitoring.' || v_table, p_now) as expired
        where expired.held_by is null;
    end loop;
end
$$;
create function pg_temp.ingest(p_metric text, p_labels jsonb, p_at timestamptz[], p_value float8[], p_now timestamptz)
returns bigint language sql as $$
    select (monitoring_internal.ingest_samples_at(array_fill(p_metric, array[cardinality(p_at)]),
        array_fill(p_labels, array[cardinality(p_at)]), p_value, p_at, null, p_now)).accepted
$$;
create function pg_temp.near(p_have float8, p_want float8, p_share float8) returns boolean language sql as
    $$ select coalesce(abs(p_have - p_want) <= p_share * abs(p_want), false) $$;
create temporary table made (n bigint);

-- a batch -----------------------------------------------------------------------------------------
create function pg_temp.insert_batch() returns bigint language sql as $$
    with stored as (
        insert into monitoring.platform_metrics (time, platform, metric_type, value)
        select date_trunc('minute', now()) - n * interval '1 s', 'video', 'plays', n from generate_series(1, 1000) as n
        returning 1)
    select count(*) from stored
$$;
select is(pg_temp.insert_batch(), 1000::bigint, 'row 8: a batch of a thousand rows of platform_metrics is stored');
select is(pg_temp.insert_batch(), 0::bigint, 'row 8: sent again it adds none');
select is(
    (select count(*)::text || ' ' || sum(value) from monitoring.metric_samples where metric = 'plays'), '1000 500500',
    'row 8: and each of its values is there once');

-- each under its name has its class ---------------------------------------------------------------
insert into monitoring.performance_metrics (metric_name, metric_category, metric_type, metric_value)
values ('class_performance', 'c', 'gauge', 1);
insert into monitoring.system_metrics (host_id, metric_type, value) values ('h', 'class', 1);
insert into monitoring.application_metrics (service_id, metric_name, value) values ('s', 'class', 1);
with lab as (insert into monitoring.systems (tenant_id, hostname) values (monitoring.system_tenant_id(), 'class') returning system_id)
insert into made select 1 from lab;
insert into monitoring.usage_metrics (system_id, "timestamp", cpu_percent)
select system_id, now(), 1 from monitoring.systems where hostname = 'class';
select results_eq(
    $$ select family.name, kept.raw, kept.hours from monitoring.metric_families as family
        cross join lateral (
            select raw_retention as raw, rollup_1h as hours from monitoring.retention_classes
            where name = family.retention_class) as kept
        where family.name in ('application_class', 'class_performance', 'plays', 'system_class', 'usage_cpu_percent')
        order by 1 $$,
    $$ values ('application_class', interval '7 days', interval '365 days'), ('class_performance', '90 days', '400 days'),
        ('plays', '30 days', '90 days'), ('system_class', '7 days', '365 days'), ('usage_cpu_percent', '1 year', '1 year') $$,
    'row 83: what is written under each name is kept as long as is said of it');
delete from monitoring.samples;
update monitoring_internal.rollup_closing set closing_until = '-infinity', closed_until = '-infinity';

-- ten seconds, unevenly ---------------------------------------------------------------------------
insert into made select 1 from monitoring.set_setting('store.max_past', '200 days');
insert into made select monitoring_internal.register_families('[
    {"name": "system_load", "kind": "gauge", "retention_class": "high_resolution"},
    {"name": "requests_total", "kind": "counter", "retention_class": "high_resolution"},
    {"name": "reach", "kind": "gauge", "retention_class": "platform"}]');
update monitoring.metric_families set retention_class = 'high_resolution' where retention_class in ('standard', 'usage', 'compliance');
update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
insert into made select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2025-01-01 00:00Z', '2025-01-02 00:00Z', '2025-01-01 12:00Z');
select setseed(0.4);
create temporary table fine as
select '2025-01-01 09:00Z'::timestamptz + n * interval '10 s' as at, case when n % 60 < 6 then 100 else 1 end * random() as value
from generate_series(0, 1079) as n where n % 60 < 6 or random() < 0.4;
insert into made select pg_temp.ingest('system_load', '{"host_id": "h1"}', array_agg(at order by at), array_agg(value order by at), '2025-01-01 12:00Z') from fine;
insert into made select pg_temp.ingest('requests_total', jsonb_build_object('endpoint', endpoint, 'status_code', status),
    array_agg('2025-01-01 09:00Z'::timestamptz + n * interval '10 s' order by n),
    array_agg(n * case when status = '200' then 8 when endpoint = '/b' then 2 else 0 end order by n), '2025-01-01 12:00Z')
from generate_series(0, 1079) as n, unnest('{/a,/b}'::text[]) as endpoint, unnest('{200,500}'::text[]) as status group by endpoint, status;
select pg_temp.settle('2025-01-01 12:02Z', false);
create function pg_temp.wrong(p_view text, p_width interval) returns setof text language plpgsql as $$
begin
    return query execute format($q$
        select format('%%s: %%s, not %%s', wanted.time, built.value, wanted.mean)
        from (select date_bin($1, at, '2000-01-01 00:00Z') as time, avg(value) as mean, min(value) as low, max(value) as high,
                count(*) as n, sum(value) as total, percentile_cont(0.95) within group (order by value) as p95
            from fine group by 1) as wanted
        full join (select * from monitoring.%I where metric_type = 'load') as built using (time)
        where (built.host_id = 'h1' and built.sample_count = wanted.n and pg_temp.near(built.value, wanted.mean, 1e-9)
            and built.min_value = wanted.low and built.max_value = wanted.high and pg_temp.near(built.sum_value, wanted.total, 1e-9)
            and pg_temp.near(built.p95_value, wanted.p95, 0.01)) is not true
        $q$, p_view) using p_width;
end
$$;
select cmp_ok(
    (select count(distinct n) from (select count(*) as n from fine group by date_bin('1 min', at, 'epoch')) as minute), '>', 3::bigint,
    'minutes of two samples and of six');
select is_empty(
    $$ select * from pg_temp.wrong('system_metrics_1m', '1 min') union all select * from pg_temp.wrong('system_metrics_5m', '5 min')
        union all select * from pg_temp.wrong('system_metrics_1h', '1 hour') $$,
    'R-02, row 34: ten seconds become minutes, five minutes and hours, each as SQL over the samples has them');

-- how long each level stays -----------------------------------------------------------------------
select results_eq(
    $$ select resolution, retention from monitoring_internal.class_retentions() where retention_class = 'high_resolution' order by ordinal $$,
    $$ values ('raw', interval '7 days'), ('1m', '30 days'), ('5m', '90 days'), ('1h', '365 days'), ('1d', '10 years') $$,
    'row 34: samples are kept for 7 days, minutes for 30, five minutes for 90 and hours for 365');
create temporary view levels as
select string_agg(distinct stored.level, ' ' order by stored.level) as list from (
    select rollup.resolution as level from monitoring_internal.rollup_points as rollup
    inner join monitoring.series using (series_id) inner join monitoring.metric_families using (metric_family_id)
    where name = 'system_load' and bucket_at < '2025-01-02 00:00Z'
    union all
    select 'raw' from monitoring.metric_samples where metric = 'system_load' and sampled_at < '2025-01-02 00:00Z') as stored;
-- What is measured later, on five days, makes what was before old.
create function pg_temp.grow(p_at timestamptz) returns void language plpgsql as $$
begin
    perform monitoring_internal.create_partitions_at('monitoring.samples', p_at - interval '96 hours', p_at + interval '1 hour', p_at);
    perform pg_temp.ingest('system_load', '{"host_id": "h1"}', array[day.at], array[1.0]::float8[], day.at + interval '1 min')
    from generate_series(p_at - interval '96 hours', p_at, '24 hours') as day (at);
    perform pg_temp.settle(p_at + interval '3 hours');
    perform pg_temp.expire(p_at + interval '3 hours');
end
$$;
insert into made select 1 from monitoring.set_setting('store.max_past', '1 day');
select pg_temp.grow('2025-01-08 10:00Z');
select is((select list from levels), '1d 1h 1m 5m raw', 'row 34: within a week all is there');
select pg_temp.grow('2025-01-10 10:00Z');
select is((select list from levels), '1d 1h 1m 5m', 'row 34: samples go after 7 days');
select pg_temp.grow('2025-01-30 10:00Z');
select is((select list from levels), '1d 1h 1m 5m', 'row 34: minutes stay to the thirtieth day');
savepoint unconfirmed;
update monitoring_internal.rollup_levels set watermark = '2025-01-30 00:00Z', building_until = null;
select matches(
    monitoring_internal.retention_obstacle_at('high_resolution', finer, '2025-01-30 00:00Z', '2025-01-31 00:00Z', '2025-03-20 00:00Z'),
    '^rollups: ' || coarser || ' is complete until', format('row 34: %s never go before %s are confirmed', finer, coarser))
from (values ('raw', '1m'), ('1m', '5m'), ('5m', '1h'), ('1h', '1d')) as step (finer, coarser);
rollback to savepoint unconfirmed;
update monitoring_internal.rollup_levels set watermark = '2025-01-30 00:00Z', building_until = null;
select pg_temp.grow('2025-02-02 10:00Z');
select is((select list from levels), '1d 1h 5m', 'row 34: minutes go after 30');
select pg_temp.grow('2025-04-12 10:00Z');
select is((select list from levels), '1d 1h', 'row 34: five minutes go after 90');
select results_eq(
    $$ select labels ->> 'endpoint', labels ->> 'status_code', round(value::numeric, 1)
        from monitoring_internal.query_range_at('requests_total', '{}', '2025-01-01 10:00Z', '2025-01-01 11:00Z',
            '1 hour', 'rate', '{endpoint,status_code}', 'null', '2025-04-12 13:00Z') order by 1, 2 $$,
    $$ values ('/a', '200', 0.8), ('/a', '500', 0.0), ('/b', '200', 0.8), ('/b', '500', 0.2) $$,
    'row 35: throughput by endpoint and status is asked of rollups when samples are long gone');
select is(
    (select round((sum(value) filter (where labels ->> 'status_code' = '500') / sum(value))::numeric, 3)
        from monitoring_internal.query_range_at('requests_total', '{"endpoint": "/b"}', '2025-01-01 10:00Z',
            '2025-01-01 11:00Z', '1 hour', 'rate', '{status_code}', 'null', '2025-04-12 13:00Z')), 0.200, 'row 35: and so is the share of errors');
select pg_temp.grow('2026-01-03 10:00Z');
select is((select list from levels), '1d', 'row 34: hours go after 365, days stay');

-- late, and gone ----------------------------------------------------------------------------------
insert into made select 1 from monitoring.set_setting('store.max_past', '100 days');
insert into made select monitoring_internal.create_partitions_at('monitoring.samples', '2026-01-19 00:00Z', '2026-03-12 00:00Z', '2026-03-02 00:00Z');
create temporary table reach as
select at, random() * 100 as value from generate_series('2026-01-19 00:10Z'::timestamptz, '2026-03-11 17:10Z', '90 min') as at;
insert into made select pg_temp.ingest('reach', '{"platform": "north"}', array_agg(at), array_agg(value), '2026-03-11 18:00Z') from reach;
select pg_temp.settle('2026-03-11 18:02Z', false);
create temporary view shown as
select 'hourly' as aggregation, bucket as time, max_value, data_points as n, p99_value from monitoring.platform_metrics_hourly where metric_type = 'reach'
union all
select aggregation, time, max_value, count_value, p99_value from monitoring.aggregated_metrics where metric_type = 'reach';
create temporary table before_late as select * from shown;
insert into made select pg_temp.ingest('reach', '{"platform": "north"}', array['2026-03-11 08:00Z'::timestamptz], array[5000.0]::float8[], '2026-03-11 18:03Z');
insert into reach values ('2026-03-11 08:00Z', 5000);
select pg_temp.settle('2026-03-11 18:04Z', false);
select results_eq(
    $$ select shown.aggregation, shown.time, shown.max_value, shown.n - coalesce(before_late.n, 0)
        from shown left join before_late using (aggregation, time) where shown is distinct from before_late order by 1 $$,
    $$ values ('daily', timestamptz '2026-03-11 00:00Z', 5000::float8, 1::bigint), ('hourly', '2026-03-11 08:00Z', 5000, 1),
        ('monthly', '2026-03-01 00:00Z', 5000, 1), ('weekly', '2026-03-09 00:00Z', 5000, 1) $$,
    'row 12: a row ten hours old changes its hour, its day, its week and its month, and nothing else');
create temporary table before_drop as select * from shown;
insert into made select 1 from monitoring.set_setting('store.max_past', '1 day');
select pg_temp.grow('2026-04-12 08:00Z');
select is(
    (select count(*) from monitoring.metric_samples where metric = 'reach'), 0::bigint, 'row 34: nothing stays for ever that is cleaned late');
select is_empty(
    $$ select * from before_drop except select * from shown $$, 'row 13: and what was made of them is as it was');
select is_empty(
    $$ select * from (
            select span.aggregation, span.time, count(*) as n, max(value) as high, percentile_cont(0.99) within group (order by value) as p99
            from reach cross join lateral (values ('daily', date_trunc('day', at, 'UTC')), ('weekly', date_trunc('week', at, 'UTC')),
                ('monthly', date_trunc('month', at, 'UTC'))) as span (aggregation, time) group by 1, 2) as wanted
        full join (select * from shown where aggregation <> 'hourly') as built using (aggregation, time)
        where (wanted.n = built.n and wanted.high = built.max_value and pg_temp.near(built.p99_value, wanted.p99, 0.01)) is not true $$,
    'row 13: right: weeks from Monday in UTC, months of the calendar, percentiles within 1 percent');

select * from finish();
rollback;
