-- Rollups: built behind a watermark level by level, late samples built again, and what holds samples until then.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- refresh_rollups() as of a time, which commits between steps; what each step did.
create function pg_temp.refresh(p_now timestamptz) returns setof text
language plpgsql as $$
declare
    v_step monitoring_internal.rollup_step;
    v_waits integer := 0;
    v_late_until bigint;
begin
    loop
        v_step := monitoring_internal.refresh_next_rollup_at(v_waits, v_late_until, p_now);
        exit when v_step.action is null;
        v_late_until := v_step.late_until;
        v_waits := v_waits + (v_step.action = 'wait')::integer;
        return next concat_ws(' ', v_step.action, v_step.resolution,
            to_char(v_step.from_at at time zone 'UTC', 'DD HH24:MI'), to_char(v_step.until_at at time zone 'UTC', 'DD HH24:MI'),
            v_step.row_count);
    end loop;
end
$$;
-- What a level should hold, by direct SQL over the samples.
create function pg_temp.direct(p_metric text, p_width interval)
returns table (labels jsonb, bucket_at timestamptz, n bigint, total double precision, squares double precision,
    low double precision, high double precision, first double precision, last double precision, first_at timestamptz,
    last_at timestamptz, increase double precision, percentiles double precision[])
language sql as $$
    select labels, date_bin(p_width, sampled_at, '2001-01-01 00:00Z'), count(*), sum(value), sum(value * value),
        min(value), max(value), (array_agg(value order by sampled_at))[1],
        (array_agg(value order by sampled_at desc))[1], min(sampled_at), max(sampled_at),
        sum(case when earlier_at >= date_bin(p_width, sampled_at, '2001-01-01 00:00Z')
            then case when value >= earlier then value - earlier else value end else 0 end),
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value)
    from (
        select *, lag(value) over series as earlier, lag(sampled_at) over series as earlier_at
        from monitoring.metric_samples
        where metric = p_metric
        window series as (partition by labels order by sampled_at)
    ) as sample
    group by 1, 2
$$;
-- What it holds.
create function pg_temp.built(p_metric text, p_resolution text)
returns table (labels jsonb, bucket_at timestamptz, n bigint, total double precision, squares double precision,
    low double precision, high double precision, first double precision, last double precision, first_at timestamptz,
    last_at timestamptz, increase double precision, percentiles double precision[])
language sql as $$
    select series.labels, rollup.bucket_at, sample_count, value_sum, value_sum_squares, value_min, value_max,
        value_first, value_last, first_at, last_at, increase,
        monitoring_internal.sketch_quantiles(sketch, '{0.5, 0.95, 0.99}', value_min, value_max)
    from monitoring_internal.rollup_points as rollup
    join monitoring.series using (series_id)
    join monitoring.metric_families as family using (metric_family_id)
    where family.name = p_metric and rollup.resolution = p_resolution
$$;
-- Rows of a metric and level that differ from those of direct SQL; buckets that end by p_until are to be there.
create function pg_temp.wrong(p_metric text, p_resolution text, p_until timestamptz) returns setof text
language sql as $$
    select format('%s %s: %s | %s', p_metric, p_resolution, direct, built)
    from (
        select direct.* from monitoring_internal.rollup_levels as level
        cross join lateral pg_temp.direct(p_metric, level.width) as direct
        where level.resolution = p_resolution and direct.bucket_at + level.width <= p_until
    ) as direct
    full join pg_temp.built(p_metric, p_resolution) as built using (labels, bucket_at)
    where (direct.n, direct.low, direct.high, direct.first, direct.last, direct.first_at, direct.last_at)
            is distinct from (built.n, built.low, built.high, built.first, built.last, built.first_at, built.last_at)
        or abs(direct.total - built.total) > 1e-9 * abs(direct.total)
        or abs(direct.squares - built.squares) > 1e-9 * direct.squares
        or abs(direct.increase - built.increase) > 1e-9 * direct.increase
        or (built.increase is null) = (p_metric like '%total')
        or exists (
            select 1 from unnest(direct.percentiles, built.percentiles) as p (exact, estimate)
            where not abs(p.estimate - p.exact) <= 0.01 * abs(p.exact)
        )
$$;
create function pg_temp.ingest(p_metric text, p_labels jsonb, p_value double precision[], p_at timestamptz[],
    p_now timestamptz) returns bigint
language sql as $$
    select (monitoring_internal.ingest_samples_at(
        array_fill(p_metric, array[cardinality(p_at)]), array_fill(p_labels, array[cardinality(p_at)]), p_value, p_at,
        null, p_now)).accepted
$$;

-- Five weeks: load of two hosts and a counter that is reset at times, every ten minutes; in the last hours some every
-- ten seconds.
create temporary table made (note text);
insert into made select monitoring.set_setting('store.max_past', '100 days');
select setseed(0.5) is not null as is_seeded;
update monitoring.partition_policies set retention = '90 days' where table_name = 'monitoring.samples';
insert into made
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2026-04-27 00:00Z', '2026-06-02 00:00Z', '2026-06-01 12:00Z');
insert into made select monitoring_internal.register_families('[
    {"name": "load", "kind": "gauge"}, {"name": "calls_total", "kind": "counter"},
    {"name": "fine", "kind": "gauge", "retention_class": "high_resolution"},
    {"name": "fine_total", "kind": "counter", "retention_class": "high_resolution"}]');
insert into made
select pg_temp.ingest(
    metric, jsonb_build_object('host', host),
    array_agg(case metric
        when 'load' then exp(2 * random())
        when 'calls_total' then (extract(epoch from at)::bigint % 25200) * 3 + random()
        when 'fine' then 50 + 40 * sin(extract(epoch from at)) + random()
        else extract(epoch from at)::bigint % 7000
    end order by at),
    array_agg(at order by at), '2026-06-01 06:00Z')
from (
    select unnest(array['load', 'calls_total']) as metric, host, at
    from generate_series('2026-04-27 00:03Z'::timestamptz, '2026-06-01 05:53Z', '10 min') as at,
        unnest(array['a', 'b']) as host
    union all
    select unnest(array['fine', 'fine_total']), 'a', at
    from generate_series('2026-06-01 00:00:07Z'::timestamptz, '2026-06-01 05:59:57Z', '10 s') as at
) as point
group by metric, host;

-- every level -------------------------------------------------------------------------------------
create temporary table first_run as
select row_number() over () as step, note from pg_temp.refresh('2026-06-01 06:01:30Z') as note;
select is((select note from first_run where step = 1), 'close', 'a refresh closes first, and builds behind that');
select is_empty(
    $$ select pg_temp.wrong(metric, resolution, '2026-06-01 06:00Z')
        from unnest(array['fine', 'fine_total']) as metric, unnest(array['1m', '5m', '1h', '1d']) as resolution
        union all
        select pg_temp.wrong(metric, resolution, '2026-06-01 06:00Z')
        from unnest(array['load', 'calls_total']) as metric, unnest(array['1h', '1d']) as resolution $$,
    'R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent');
select results_eq(
    $$ select family.name, string_agg(distinct resolution, ' ' order by resolution)
        from monitoring_internal.rollup_points
        join monitoring.series using (series_id) join monitoring.metric_families as family using (metric_family_id)
        group by family.name order by family.name $$,
    $$ values ('calls_total', '1d 1h'), ('fine', '1h 1m 5m'), ('fine_total', '1h 1m 5m'), ('load', '1d 1h') $$,
    'R-04, R-14: every metric has the levels of its class, filled');
select results_eq(
    $$ select resolution, watermark from monitoring_internal.rollup_levels order by width $$,
    $$ values ('1m', '2026-06-01 06:00Z'::timestamptz), ('5m', '2026-06-01 06:00Z'), ('1h', '2026-06-01 06:00Z'),
        ('1d', '2026-06-01 00:00Z') $$,
    'each is complete up to its last bucket that is over');
select is_empty(
    $$ select note from pg_temp.refresh('2026-06-01 06:01:40Z') as note $$, 'R-11: and nothing is done twice');
select is(
    (select increase + (select coalesce(sum(step), 0) from (
            select monitoring_internal.counter_growth(lag(value_last) over (order by bucket_at), value_first) as step
            from monitoring.rollups_1h as r join monitoring.series using (series_id)
            join monitoring.metric_families as family using (metric_family_id)
            where family.name = 'fine_total') as between_hours) > 0
        from monitoring.rollups_1h join monitoring.series using (series_id)
        join monitoring.metric_families as family using (metric_family_id)
        where family.name = 'fine_total' limit 1), true, 'steps between buckets are there to be added');
select results_eq(
    $$ select resolution, source, reason, min(from_at), max(until_at), sum(sample_count)
        from monitoring.rollup_runs where resolution in ('1d', '5m') and row_count > 0 group by 1, 2, 3 order by 1 $$,
    $$ values
        ('1d', '1h', 'schedule', '2026-04-27 00:00Z'::timestamptz, '2026-06-01 00:00Z'::timestamptz, 20160::numeric),
        ('5m', '1m', 'schedule', '2026-06-01 00:00Z', '2026-06-01 06:00Z', 4320) $$,
    'lineage says which run built which range of what');

-- weeks and months --------------------------------------------------------------------------------
create temporary view load_by_week as
select date_bin('7 days', bucket_at, '2001-01-01 00:00Z') as week_at, sum(sample_count) as n,
    sum(value_sum) / sum(sample_count) as mean, max(value_max) as high,
    monitoring_internal.sketch_quantile(
        monitoring_internal.merge_sketches(coalesce(
            sketch, monitoring_internal.sketch_constant(value_min, sample_count))), 0.95, min(value_min), max(value_max))
        as p95
from monitoring.rollups_1d join monitoring.series using (series_id)
join monitoring.metric_families as family using (metric_family_id)
where family.name = 'load' and labels @> '{"host": "a"}'
group by 1;
create temporary table exact_week as
select date_trunc('week', sampled_at, 'UTC') as week_at, count(*) as n, avg(value) as mean, max(value) as high,
    percentile_cont(0.95) within group (order by value) as p95
from monitoring.metric_samples
where metric = 'load' and labels @> '{"host": "a"}' and sampled_at < '2026-06-01 00:00Z'
group by 1;
create temporary table exact_month as
select date_trunc('month', sampled_at, 'UTC') as month_at, count(*) as n,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value) as exact
from monitoring.metric_samples
where metric = 'load' and labels @> '{"host": "a"}' and sampled_at < '2026-06-01 00:00Z'
group by 1;

-- late samples ------------------------------------------------------------------------------------
create temporary table before_late as select * from monitoring_internal.rollup_points;
select is(
    pg_temp.ingest('load', '{"host": "a"}', '{1000}', '{2026-05-31 20:01Z}', '2026-06-01 06:02Z'), 1::bigint,
    'a sample ten hours old');
select is(
    pg_temp.ingest('fine', '{"host": "a"}', '{2000, 3000}', '{2026-06-01 01:02:30Z, 2026-06-01 06:00:30Z}',
        '2026-06-01 06:02Z'),
    2::bigint, 'one five hours old, and one of the minute that is open');
select results_eq(
    $$ select family.name, from_at, until_at from monitoring_internal.late_ranges
        join monitoring.series using (series_id) join monitoring.metric_families as family using (metric_family_id)
        order by name $$,
    $$ values ('fine', '2026-06-01 01:02Z'::timestamptz, '2026-06-01 01:03Z'::timestamptz),
        ('load', '2026-05-31 20:00Z', '2026-05-31 21:00Z') $$,
    'R-08: what is late is noted, by the finest bucket of its class');
select is(
    (select late_ranges from monitoring.rollup_status where resolution = '1h'), 2::bigint, 'and seen in rollup_status');
select results_eq(
    $$ select * from pg_temp.refresh('2026-06-01 06:01:50Z') $$, $$ values ('late 5') $$,
    'the next refresh builds five rows again: a minute, its five minutes and hour, an hour and its day');
select results_eq(
    $$ select now.resolution, now.bucket_at, now.value_max
        from monitoring_internal.rollup_points as now
        left join before_late as before using (resolution, series_id, bucket_at)
        where before.* is null or now.sample_count <> before.sample_count order by 1, 2 $$,
    $$ values ('1d', '2026-05-31 00:00Z'::timestamptz, 1000::double precision), ('1h', '2026-05-31 20:00Z', 1000),
        ('1h', '2026-06-01 01:00Z', 2000), ('1m', '2026-06-01 01:02Z', 2000), ('5m', '2026-06-01 01:00Z', 2000) $$,
    'R-08, R-15: its hour, its day and what is made of them change, maximum and all, and nothing else does');
select is((select count(*) from monitoring_internal.late_ranges), 0::bigint, 'and it waits no longer');

-- What it reads follows what changed: the samples of one hour and the hours of one day, of twenty thousand.
create function pg_temp.reads() returns bigint
language sql as $$
    select sum(seq_tup_read + idx_tup_fetch)::bigint from pg_stat_xact_all_tables
    where schemaname = 'monitoring_partitions' and relname ~ '^(samples|rollups)_'
$$;
insert into made
select pg_temp.ingest('load', '{"host": "b"}', '{3}', '{2026-05-12 20:01Z}', '2026-06-01 06:02Z');
create temporary table read_before as select pg_temp.reads() as n;
insert into made select pg_temp.refresh('2026-06-01 06:01:52Z');
select cmp_ok(
    (select pg_temp.reads() - n from read_before), '<', 100::bigint,
    'R-11: a refresh after one late sample reads its hour and its day, however much is stored');

-- again and again -----------------------------------------------------------------------------------
create temporary table before_rebuild as select * from monitoring_internal.rollup_points;
insert into made select monitoring.rebuild_rollups('2026-05-30 00:00Z', '2026-06-01 06:00Z');
select isnt_empty($$ select pg_temp.refresh('2026-06-01 06:01:55Z') $$, 'all of a span is built again');
select is_empty(
    $$ ((select * from before_rebuild except select * from monitoring_internal.rollup_points)
        union all (select * from monitoring_internal.rollup_points except select * from before_rebuild)) limit 10 $$,
    'R-05: to the same rows, none of them twice');
select is(
    (select count(*) from monitoring.series join monitoring.metric_families using (metric_family_id)
        join monitoring.rollups_1d using (series_id) where name = 'load' and bucket_at = '2026-05-20 00:00Z'), 2::bigint,
    'R-05: two sets of labels stay two series');
select is(
    pg_temp.ingest('fine', '{"host": "a"}', '{7}', '{2026-06-01 01:02:30Z}', '2026-06-01 06:02Z'), 0::bigint,
    'a late sample sent again');
select is((select count(*) from monitoring_internal.late_ranges), 0::bigint, 'has nothing built again');

insert into made select monitoring.rebuild_rollups('-infinity', 'infinity');
select results_eq(
    $$ select min(from_at), max(until_at), count(distinct from_at) from monitoring_internal.late_ranges $$,
    $$ values ('2026-04-27 00:00Z'::timestamptz, '2026-06-01 06:00Z'::timestamptz, 36::bigint) $$,
    'everything is what there is, day by day');
delete from monitoring_internal.late_ranges;

-- what is dropped meanwhile -------------------------------------------------------------------------
select results_eq(
    $$ select table_name, covered_until from monitoring.partition_holds where name = 'rollups' order by 1 $$,
    $$ values ('monitoring.rollups_1h', '2026-06-01 00:00Z'::timestamptz),
        ('monitoring.rollups_1m', '2026-06-01 00:00Z'), ('monitoring.rollups_5m', '2026-06-01 00:00Z'),
        ('monitoring.samples', '2026-06-01 00:00Z') $$,
    'days that every level has are released');
insert into made
select pg_temp.ingest('load', '{"host": "b"}', '{5}', '{2026-05-14 20:01Z}', '2026-06-01 06:02Z');
insert into made select monitoring_internal.hold_rolled_up();
select is(
    (select covered_until from monitoring.partition_holds where table_name = 'monitoring.samples' and name = 'rollups'),
    '2026-05-14 00:00Z'::timestamptz, 'and not while a late sample of one of them waits');
update monitoring.partition_policies set retention = '15 days' where table_name = 'monitoring.samples';
update monitoring.partition_holds set covered_until = 'infinity' where name = 'packing';
select throws_ok(
    $$ select monitoring_internal.drop_partition_at(
        'monitoring.samples', '2026-05-14 00:00Z', '2026-05-15 00:00Z', '2026-06-02 00:00Z') $$, 'PV302', null,
    'C-16, R-07: samples whose rollups are not complete are not dropped, by whatever else goes wrong');
select isnt_empty($$ select pg_temp.refresh('2026-06-01 06:01:56Z') $$, 'once it is rolled up');
select lives_ok(
    $$ select monitoring_internal.drop_partition_at('monitoring.samples', day, day + interval '1 day', '2026-06-02 00:00Z')
        from generate_series('2026-04-27 00:00Z'::timestamptz, '2026-05-16 00:00Z', '1 day') as day $$,
    'they may go');
create temporary table by_week as
select date_bin('7 days', bucket_at, '2001-01-01 00:00Z') as week_at, sum(sample_count) as n,
    sum(value_sum) / sum(sample_count) as mean, max(value_max) as high,
    monitoring_internal.sketch_quantile(
        monitoring_internal.merge_sketches(coalesce(
            sketch, monitoring_internal.sketch_constant(value_min, sample_count))), 0.95, min(value_min), max(value_max))
        as p95
from monitoring.rollups_1d join monitoring.series using (series_id)
join monitoring.metric_families as family using (metric_family_id)
where family.name = 'load' and labels @> '{"host": "a"}'
group by 1;
select is(
    (select string_agg(distinct to_char(week_at at time zone 'UTC', 'ID HH24:MI'), ',') from by_week), '1 00:00',
    'L-28, R-13: weeks begin on Mondays of UTC');
select is_empty(
    $$ select * from exact_week as exact full join by_week as built using (week_at)
        where exact.n <> built.n - (week_at = '2026-05-25 00:00Z')::integer or exact.n is null or built.n is null
            or abs(exact.mean - built.mean) > 1e-9 + (week_at = '2026-05-25 00:00Z')::integer
            or abs(exact.p95 - built.p95) > 0.011 * exact.p95 $$,
    'R-07: and say after their samples are gone what the samples said');
select is_empty(
    $$ select * from exact_month as exact
        full join (
            select date_trunc('month', bucket_at, 'UTC') as month_at, sum(sample_count) as n,
                monitoring_internal.sketch_quantiles(
                    monitoring_internal.merge_sketches(coalesce(
                        sketch, monitoring_internal.sketch_constant(value_min, sample_count))),
                    '{0.5, 0.95, 0.99}', min(value_min), max(value_max)) as estimates
            from monitoring.rollups_1d join monitoring.series using (series_id)
            join monitoring.metric_families as family using (metric_family_id)
            where family.name = 'load' and labels @> '{"host": "a"}'
            group by 1
        ) as built using (month_at)
        cross join unnest(exact.exact, built.estimates) as p (exact, estimate)
        where exact.n <> built.n - (month_at = '2026-05-01 00:00Z')::integer
            or not abs(p.estimate - p.exact) <= 0.011 * p.exact $$,
    'L-28, R-06, R-07: so do calendar months, of 30 days and of 31');
insert into made select monitoring.rebuild_rollups('2026-05-10 00:00Z', '2026-05-12 00:00Z');
create temporary table gone_before as select * from monitoring_internal.rollup_points;
insert into made select pg_temp.refresh('2026-06-01 06:01:57Z');
select is_empty(
    $$ select * from gone_before except select * from monitoring_internal.rollup_points $$,
    'R-07: what is built again from samples that are gone stays as it was');
savepoint partly_gone;
delete from monitoring.samples where sampled_at >= '2026-05-20 00:00Z' and sampled_at < '2026-05-20 00:30Z';
insert into made select monitoring.rebuild_rollups('2026-05-20 00:00Z', '2026-05-21 00:00Z');
insert into made select pg_temp.refresh('2026-06-01 06:01:57Z');
select is_empty(
    $$ select * from gone_before except select * from monitoring_internal.rollup_points $$,
    'R-07: nor is a bucket made again of what is left of its samples');
rollback to savepoint partly_gone;

-- packed samples ------------------------------------------------------------------------------------
create temporary table unpacked_rows as select * from monitoring_internal.rollup_points;
create function pg_temp.pack(p_now timestamptz) returns bigint
language plpgsql as $$
begin
    for v_step in 1..1000 loop
        if monitoring_internal.pack_next_at(p_now) is null then
            return v_step;
        end if;
    end loop;
end
$$;
insert into made select pg_temp.pack('2026-06-01 06:01:57Z');
select cmp_ok(
    monitoring_internal.packed_until(), '>=', '2026-05-29 00:00Z'::timestamptz, 'days of samples are packed');
insert into made select monitoring.rebuild_rollups('2026-05-17 00:00Z', '2026-06-01 06:00Z');
insert into made select pg_temp.refresh('2026-06-01 06:01:57Z');
select is_empty(
    $$ ((select * from unpacked_rows except select * from monitoring_internal.rollup_points)
        union all (select * from monitoring_internal.rollup_points except select * from unpacked_rows)) limit 10 $$,
    'S-19: rollups of packed, of mixed and of raw samples are the same to the last bit');

-- time zones --------------------------------------------------------------------------------------
create temporary table utc_rows as select * from monitoring_internal.rollup_points;
set local timezone = 'Asia/Kathmandu';
insert into made select monitoring.rebuild_rollups('2026-05-20 00:00Z', '2026-05-31 00:00Z');
insert into made select pg_temp.refresh('2026-06-01 06:01:58Z');
set local timezone = 'America/St_Johns';
insert into made select monitoring.rebuild_rollups('2026-05-28 00:00Z', '2026-06-01 06:00Z');
insert into made select pg_temp.refresh('2026-06-01 06:01:59Z');
select is_empty(
    $$ ((select * from utc_rows except select * from monitoring_internal.rollup_points)
        union all (select * from monitoring_internal.rollup_points except select * from utc_rows)) limit 10 $$,
    'R-13, P-16: buckets are those of UTC in every session');
set local timezone = 'UTC';

-- classes -----------------------------------------------------------------------------------------
select throws_ok(
    $$ select monitoring_internal.register_families('[{"name": "odd", "retention_class": "eternal"}]') $$, 'PV210',
    'retention classes are unknown: eternal (odd)', 'C-20: a class that nobody defined is refused');
select throws_ok(
    $$ update monitoring.metric_families set retention_class = 'eternal' where name = 'load' $$, '23503', null,
    'C-20: by whatever way it comes');
select results_eq(
    $$ select retention_class, string_agg(format('%s %s from %s', resolution, retention, source), ', ' order by width)
        from monitoring_internal.class_levels where retention_class in ('standard', 'high_resolution') group by 1
        order by 1 $$,
    $$ values
        ('high_resolution',
            '1m 30 days from samples, 5m 90 days from 1m, 1h 365 days from 5m, 1d 10 years from 1h'),
        ('standard', '1h 400 days from samples, 1d 10 years from 1h') $$,
    'C-17: each class says once how long each level is kept');
select throws_ok(
    format($$ insert into monitoring.retention_classes (name, raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d)
        values ('wrong', %s) $$, kept), '23514', null, format('no class keeps %s', kept))
from unnest(array[
    $$'1 day', null, null, null, null$$, $$'90 days', null, null, '30 days', null$$,
    $$'7 days', '30 days', '20 days', null, null$$, $$'7 days', '30 days', null, null, '20 days'$$]) as kept;
update monitoring.metric_families set retention_class = 'high_resolution' where name = 'load';
select isnt_empty($$ select pg_temp.refresh('2026-06-01 06:01:59Z') $$, 'a metric that gets another class');
insert into made
select pg_temp.ingest('load', '{"host": "a"}', array[1, 2], array['2026-06-01 06:03Z', '2026-06-01 06:40Z']::timestamptz[],
    '2026-06-01 06:41Z');
insert into made select pg_temp.refresh('2026-06-01 07:01Z');
select results_eq(
    $$ select distinct resolution, sample_count from monitoring_internal.rollup_points as rollup
        join monitoring.series using (series_id) join monitoring.metric_families as family using (metric_family_id)
        where family.name = 'load' and labels @> '{"host": "a"}' and bucket_at >= '2026-06-01 00:00Z'
        order by 1, 2 $$,
    $$ values ('1h', 2::bigint), ('1h', 6), ('1m', 1), ('5m', 1) $$,
    'has its levels from the open day on, and whole hours of them');
update monitoring.retention_classes set rollup_5m = null where name = 'high_resolution';
select isnt_empty(
    $$ select 1 from monitoring_internal.late_ranges join monitoring.series using (series_id)
        join monitoring.metric_families as family using (metric_family_id) where family.name = 'load' $$,
    'a class that loses a level has its open days built without it');
insert into made select pg_temp.refresh('2026-06-01 07:01:10Z');

-- clocks ------------------------------------------------------------------------------------------
create temporary table year_ahead as select * from pg_temp.refresh('2027-06-01 07:01:10Z') as note;
select cmp_ok(
    (select count(*) from year_ahead), '<', 60::bigint, 'S-19: with the clock a year ahead few steps are made');
select is(
    pg_temp.ingest('fine', '{"host": "a"}', '{60, 70}', '{2026-06-01 07:00:30Z, 2026-06-01 07:01:30Z}',
        '2026-06-01 07:02Z'), 2::bigint, 'and when it is right again');
insert into made select pg_temp.refresh('2026-06-01 07:03Z');
insert into made select pg_temp.refresh('2026-06-01 07:04Z');
select results_eq(
    $$ select bucket_at, value_min from monitoring_internal.rollup_points as rollup
        join monitoring.series using (series_id) join monitoring.metric_families as family using (metric_family_id)
        where family.name = 'fine' and resolution = '1m' and bucket_at >= '2026-06-01 07:00Z' order by 1 $$,
    $$ values ('2026-06-01 07:00Z'::timestamptz, 60::double precision), ('2026-06-01 07:01Z', 70) $$,
    'what is measured then is rolled up as ever');
select results_eq(
    $$ select resolution, watermark from monitoring_internal.rollup_levels order by width $$,
    $$ values ('1m', '2026-06-01 07:03Z'::timestamptz), ('5m', '2026-06-01 07:00Z'), ('1h', '2026-06-01 07:00Z'),
        ('1d', '2026-06-01 00:00Z') $$,
    'behind a watermark that was set back');

-- a scheduler that was off ------------------------------------------------------------------------
insert into made
select pg_temp.ingest('fine', '{"host": "a"}', array_agg(1 + random()), array_agg(at), '2026-06-04 07:00Z')
from generate_series('2026-06-01 07:05Z'::timestamptz, '2026-06-04 07:00Z', '5 min') as at;
select monitoring.set_setting('store.rollup_series', '3') as three_series_a_step;
insert into made select pg_temp.refresh('2026-06-04 07:02Z');
select is_empty(
    $$ select pg_temp.wrong('fine', resolution, '2026-06-04 07:01Z') from unnest(array['1m', '1h', '1d']) as resolution $$,
    'three days without a refresh are caught up with');
select cmp_ok(
    (select max(row_count / step_count) from monitoring.rollup_runs where resolution = '1m'
        and from_at > '2026-06-01 08:00Z'), '<=', 36::bigint, 'in short steps');
select cmp_ok(
    (select max(step_count) from monitoring.rollup_runs where from_at > '2026-06-01 08:00Z' and resolution = '1h'),
    '>', 1::bigint, 'several a range, each of a few series');

-- numbers that no sum holds -----------------------------------------------------------------------
select is(
    pg_temp.ingest('calls_total', '{"host": "a"}', '{1.7976931348623157e308, -1.7976931348623157e308, 5e-324}',
        '{2026-06-04 07:10Z, 2026-06-04 07:11Z, 2026-06-04 07:12Z}', '2026-06-04 07:12Z'), 3::bigint,
    'absurd values');
insert into made select pg_temp.refresh('2026-06-05 00:02Z');
select results_eq(
    $$ select sample_count, value_min, value_max, value_sum_squares from monitoring.rollups_1d
        join monitoring.series using (series_id) join monitoring.metric_families as family using (metric_family_id)
        where family.name = 'calls_total' and bucket_at = '2026-06-04 00:00Z' $$,
    $$ values (3::bigint, -1.7976931348623157e308::double precision, 1.7976931348623157e308::double precision,
        'Infinity'::double precision) $$,
    'stop nothing');

-- an application's requests ------------------------------------------------------------------------
-- Ten seconds apart, by endpoint and status; /b fails every fifth time, /a never.
insert into made
select monitoring_internal.register_families('[
    {"name": "requests_total", "kind": "counter", "retention_class": "high_resolution"}]');
insert into made
select pg_temp.ingest('requests_total', jsonb_build_object('endpoint', endpoint, 'status', status),
    array_agg(case when status = '200' then 8 else case when endpoint = '/b' then 2 else 0 end end * number
        order by number),
    array_agg('2026-06-05 00:00Z'::timestamptz + number * interval '10 s' order by number), '2026-06-05 01:00Z')
from generate_series(0, 359) as number, unnest(array['/a', '/b']) as endpoint, unnest(array['200', '500']) as status
group by endpoint, status;
insert into made select pg_temp.refresh('2026-06-05 01:02Z');
select results_eq(
    $$ select resolution, labels ->> 'endpoint', sum(sample_count), sum(increase) > 0,
            round(sum(increase) filter (where labels @> '{"status": "500"}') / sum(increase) * 100)
        from monitoring_internal.rollup_points join monitoring.series using (series_id)
        join monitoring.metric_families as family using (metric_family_id)
        where family.name = 'requests_total' group by 1, 2 order by 1, 2 $$,
    $$ values ('1h', '/a', 720::numeric, true, 0::double precision), ('1h', '/b', 720, true, 20),
        ('1m', '/a', 720, true, 0), ('1m', '/b', 720, true, 20) $$,
    'throughput and the share of errors by endpoint and status come from rollups of every level');
select is_empty(
    $$ select pg_temp.wrong('requests_total', resolution, '2026-06-05 01:00Z')
        from unnest(array['1m', '1h']) as resolution $$, 'as from the samples');

-- the form of it ------------------------------------------------------------------------------------
select is_empty(
    $$ select attrelid::regclass, attname from pg_attribute
        where attrelid::regclass::text ~ '^monitoring(_internal)?\.rollup'
            and attname in ('date_bin', 'date_trunc', 'time_bucket', 'bucket') $$,
    'S-24: no column is called like a function that buckets');
select is_empty(
    $$ select matviewname from pg_matviews where schemaname like 'monitoring%' $$,
    'R-12: no summary is a view that has to be filled first');

-- parts, each by its name ---------------------------------------------------------------------------
-- fold_samples, fold_rollups, store_rollups, build_ranges, record_rollup_run_at, rebuild_late_at, late_spans,
-- ready_rollup, next_rollup_range, make_rollup_partitions_at, build_next_range_at, start_rollups, next_row_bound,
-- next_stray_row, rebuild_open_days, follow_metric_families and follow_retention_classes were at work above; rollup_progress is what
-- rollup_status shows.
select is(
    monitoring_internal.rollup_target_at('2026-06-01 12:34:56Z'), '2026-06-01 12:33Z'::timestamptz,
    'rollup_target_at: the last minute that is over, less the delay');
select is(monitoring_internal.close_rollups_at('2026-06-05 00:02Z'), null, 'close_rollups_at has nothing to do twice');
select is(monitoring_internal.open_ingests(), '{}', 'open_ingests: nobody else is');
select isnt(monitoring_internal.ingest_lock_key(), 0::bigint, 'ingest_lock_key');
select is(
    monitoring_internal.note_late_samples(array[null]::integer[], array['2026-06-01 00:00Z']::timestamptz[]), 0::bigint,
    'note_late_samples: a refused sample is not late');
select is(
    array[monitoring_internal.counter_growth(3, 5), monitoring_internal.counter_growth(5, 3)],
    array[2, 3]::double precision[], 'counter_growth: a smaller value began anew from zero');
select lives_ok(
    $$ select monitoring_internal.check_retention_classes('[{"name": "a"}, {"name": "b", "retention_class": "usage"}]') $$,
    'check_retention_classes');
select is(
    (monitoring_internal.refresh_next_rollup(0, 0)).action, 'close', 'refresh_next_rollup goes by the clock');

select * from finish();
rollback;
