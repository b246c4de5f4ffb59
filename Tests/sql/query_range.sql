-- query_range over rollups, their live tail, packed and raw samples: what it answers is what SQL over every sample says.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Three hosts, a gauge and a counter, a week of irregular samples with gaps, and rollups up to uneven watermarks.
select monitoring_internal.register_families('[
    {"name": "q_load", "kind": "gauge", "retention_class": "high_resolution"},
    {"name": "q_bytes_total", "kind": "counter", "retention_class": "high_resolution"}]');
select monitoring.create_tenant('query-other');
insert into monitoring.series (tenant_id, metric_family_id, labels)
select tenant.tenant_id, family.metric_family_id, jsonb_build_object('host', 'h' || n, 'dc', 'd' || n % 2)
from monitoring.tenants as tenant, monitoring.metric_families as family, generate_series(1, 3) as n
where family.name in ('q_load', 'q_bytes_total') and (tenant.is_system or tenant.name = 'query-other' and n = 1);
select setseed(0.42);
create temporary table truth as
select series.tenant_id, series.series_id, series.labels, family.name as metric, family.kind,
    timestamptz '2026-09-28 00:00Z' + make_interval(secs => round((n * 431 + random() * 400)::numeric, 3)) as at,
    case family.kind when 'gauge' then 1 + random() * 1000 else n % 300 * 7 + floor(random() * 7) end as value
from monitoring.series join monitoring.metric_families as family using (metric_family_id), generate_series(0, 1600) as n
where family.name like 'q\_%' and n % 200 <> 7 * (series.series_id % 5) and random() > 0.1;
insert into monitoring.samples (series_id, sampled_at, value) select series_id, at, value from truth;
-- What each grew by since the sample before.
create temporary table walk as
select truth.*, lag(at) over w as before_at, extract(epoch from at - lag(at) over w) as took,
    case when lag(value) over w <= value then value - lag(value) over w when lag(value) over w is not null then value end as grown
from truth window w as (partition by series_id order by at);

create function pg_temp.roll_up(p_until timestamptz) returns void language plpgsql as $$
declare
    v_level record;
begin
    for v_level in select resolution, width, date_bin(width, p_until, 'epoch') as until_at
        from monitoring_internal.rollup_levels order by width
    loop
        execute format('delete from monitoring.rollups_%s', v_level.resolution);
        execute format(
            'insert into monitoring.rollups_%s select made.* from (select array_agg(distinct series_id) as ids from truth) as s,
            monitoring_internal.fold_samples($1, s.ids, array_fill(''-infinity''::timestamptz, array[cardinality(s.ids)]),
            array_fill($2, array[cardinality(s.ids)]),
            array(select exists (select from truth where series_id = id and kind = ''counter'') from unnest(s.ids) as id)) as made',
            v_level.resolution) using v_level.width, v_level.until_at;
        update monitoring_internal.rollup_levels set watermark = v_level.until_at where resolution = v_level.resolution;
    end loop;
end
$$;

-- The same by SQL over all samples, whatever the aggregate.
create function pg_temp.expected(
    p_metric text, p_host text, p_from timestamptz, p_until timestamptz, p_step interval, p_aggregate text, p_by text[])
returns table (tenant_id uuid, labels jsonb, bucket_at timestamptz, value double precision) language sql as $$
    with inside as (
        select asked.*, avg(asked.value) over (partition by asked.series_id, asked.bucket) as own_average,
            row_number() over (partition by asked.series_id, asked.bucket) as own_no,
            asked.before_at >= p_from - interval '1 hour' as is_near
        from (
            select walk.*, monitoring_internal.group_labels(walk.labels, p_by) as shown,
                case when p_step = '1 month' then date_trunc('month', at, 'UTC')
                    else date_bin(p_step, at, case when p_step = '1 week' then '1970-01-05 00:00Z' else '1970-01-01 00:00Z' end::timestamptz)
                end as bucket
            from walk where metric = p_metric and labels ->> 'host' ~ p_host and at >= p_from and at < p_until) as asked),
    rated as (
        select i.tenant_id, i.shown, i.bucket, i.series_id, sum(i.grown) / sum(i.took) as rate
        from inside as i where i.is_near group by 1, 2, 3, 4)
    select i.tenant_id, i.shown, i.bucket, case p_aggregate
        when 'avg' then avg(i.value) when 'min' then min(i.value) when 'max' then max(i.value) when 'sum' then sum(i.value)
        when 'count' then count(*) when 'stddev' then stddev_pop(i.value)
        when 'first' then (array_agg(i.value order by i.at, i.series_id))[1]
        when 'last' then (array_agg(i.value order by i.at desc, i.series_id))[1]
        when 'increase' then sum(i.grown) filter (where i.is_near)
        when 'rate' then (select sum(r.rate) from rated as r where (r.tenant_id, r.shown, r.bucket) = (i.tenant_id, i.shown, i.bucket))
        when 'sum(avg)' then sum(i.own_average) filter (where i.own_no = 1)
        when 'max(rate)' then (select max(r.rate) from rated as r where (r.tenant_id, r.shown, r.bucket) = (i.tenant_id, i.shown, i.bucket))
        when 'p95' then percentile_cont(0.95) within group (order by i.value)
        when 'quantile(0.25)' then percentile_cont(0.25) within group (order by i.value)
        end
    from inside as i group by i.tenant_id, i.shown, i.bucket
$$;

-- Where the two differ: by a billionth of the values' size, or one in a hundred of a percentile.
create function pg_temp.difference(
    p_metric text, p_host text, p_from timestamptz, p_until timestamptz, p_step interval, p_aggregate text, p_by text[])
returns text language sql as $$
    select string_agg(format('%s %s: %s for %s', coalesce(a.labels, e.labels), coalesce(a.bucket_at, e.bucket_at), a.value, e.value), '; ')
    from monitoring_internal.query_range_at(p_metric, jsonb_build_object('host', jsonb_build_object('re', p_host)),
        p_from, p_until, p_step, p_aggregate, p_by, 'none', '2026-10-04 12:00Z') as a
    full join (select * from pg_temp.expected(p_metric, p_host, p_from, p_until, p_step, p_aggregate, p_by) where value is not null) as e
        using (tenant_id, labels, bucket_at)
    where a.value is null or e.value is null
        or abs(a.value - e.value) > case when p_aggregate ~ '^p|^q' then 0.01 * abs(e.value) + 1e-9
            when p_aggregate = 'stddev' then 1e-4 -- By sums of squares: some sixteen digits of the greatest one.
            else 1e-9 * greatest(abs(e.value), 1) end
$$;

create temporary table asked as
select row_number() over () as no, case when aggregate ~ 'rate|increase' then 'q_bytes_total' else metric end as metric, host, from_at,
    from_at + make_interval(secs => round((60 + random() ^ 3 * 700000)::numeric, 3)) as until_at, step, aggregate, by
from (
    select (array['q_load', 'q_bytes_total'])[1 + floor(random() * 2)] as metric,
        (array['h1', 'h[13]', '.*'])[1 + floor(random() * 3)] as host,
        case when random() < 0.3 then date_trunc('hour', at, 'UTC') else at end as from_at,
        (array['10 s', '1 min', '5 min', '7 min', '15 min', '1 hour', '90 min', '6 hours', '1 day', '1 week', '1 month'])[1 + floor(random() * 11)]::interval as step,
        aggregate,
        (array[null, '{}', '{dc}', '{dc,host}'])[1 + floor(random() * 4)]::text[] as by
    from (select timestamptz '2026-09-28 00:00Z' + make_interval(secs => round((random() * 500000)::numeric, 3)) as at, aggregate
        from generate_series(1, 3), unnest(array['avg', 'min', 'max', 'sum', 'count', 'stddev', 'first', 'last', 'increase', 'rate',
            'sum(avg)', 'max(rate)', 'p95', 'quantile(0.25)']) as aggregate) as chance
) as drawn;

select is((select string_agg(format('%s: %s', asked, difference), E'\n') from asked,
    pg_temp.difference(metric, host, from_at, until_at, step, aggregate, by) as difference where difference is not null),
    null, 'without rollups, 42 random questions are answered as by SQL over all samples');
select pg_temp.roll_up('2026-10-04 05:17:00Z');
select is((select string_agg(format('%s: %s', asked, difference), E'\n') from asked,
    pg_temp.difference(metric, host, from_at, until_at, step, aggregate, by) as difference where difference is not null),
    null, 'over rollups with a live tail they are answered alike');

-- Days of samples become blocks; then the rollups are not there, so that blocks and samples answer alone.
create function pg_temp.pack_all(p_now timestamptz) returns text language plpgsql as $$
declare
    v_steps text[] := '{}';
    v_step text;
begin
    loop
        v_step := monitoring_internal.pack_next_at(p_now);
        exit when v_step is null;
        v_steps := v_steps || v_step;
    end loop;
    return array_to_string(v_steps, ' ');
end
$$;
update monitoring.partition_holds set covered_until = '2026-10-04' where table_name = 'monitoring.samples' and name = 'rollups';
select matches(pg_temp.pack_all('2026-10-04 12:00Z'), '^close blocks.*finish$', 'days before the last two are packed');
select is(monitoring_internal.packed_until(), '2026-10-02 00:00Z'::timestamptz, 'half of the time is packed');
select is((select string_agg(format('%s: %s', asked, difference), E'\n') from asked,
    pg_temp.difference(metric, host, from_at, until_at, step, aggregate, by) as difference where difference is not null),
    null, 'over rollups, blocks, samples and a live tail they are answered alike');
create temporary table mark as select resolution, watermark from monitoring_internal.rollup_levels;
update monitoring_internal.rollup_levels set watermark = '-infinity';
select is((select string_agg(format('%s: %s', asked, difference), E'\n') from asked,
    pg_temp.difference(metric, host, from_at, until_at, step, aggregate, by) as difference where difference is not null),
    null, 'and so they are over blocks and samples alone');

-- The newest of each, where one metric is stale after days and the other after minutes.
update monitoring.metric_families set stale_after = case name when 'q_load' then interval '3 days' else '10 min' end where name like 'q\_%';
create temporary table ids as select array_agg(series_id) as series, array_agg(metric_family_id) as families
from monitoring.series join monitoring.metric_families as family using (metric_family_id) where family.name like 'q\_%';
select is_empty($$ select moment.at, coalesce(found.series_id, known.series_id), found.value, known.value
    from unnest(array['2026-09-29 03:00Z', '2026-10-01 23:59Z', '2026-10-02 00:01Z', '2026-10-03 12:00Z', '2026-10-07 01:00Z']::timestamptz[]) as moment (at)
    cross join ids
    cross join lateral (
        (select newest.*, 'found' as form from monitoring_internal.newest_values(ids.series, ids.families, moment.at, '2026-10-08') as newest)
        except all
        (select distinct on (series_id) series_id, truth.at, value, 'found' from truth
            where truth.at <= moment.at and truth.at > moment.at - case metric when 'q_load' then interval '3 days' else '10 min' end
            order by series_id, truth.at desc)) as found
    left join truth as known on false
    union all
    select moment.at, known.series_id, null, known.value
    from unnest(array['2026-09-29 03:00Z', '2026-10-01 23:59Z', '2026-10-02 00:01Z', '2026-10-03 12:00Z', '2026-10-07 01:00Z']::timestamptz[]) as moment (at)
    cross join ids
    cross join lateral (
        (select distinct on (series_id) series_id, truth.at, value from truth
            where truth.at <= moment.at and truth.at > moment.at - case metric when 'q_load' then interval '3 days' else '10 min' end
            order by series_id, truth.at desc)
        except all
        (select newest.* from monitoring_internal.newest_values(ids.series, ids.families, moment.at, '2026-10-08') as newest)) as known $$,
    'newest_values finds the newest of each that is not stale, packed or not');
create function pg_temp.read_blocks() returns bigint language sql as $$
    select sum(read.seq_tup_read + coalesce(read.idx_tup_fetch, 0))::bigint
    from pg_inherits join pg_stat_xact_all_tables as read on read.relid = inhrelid
    where inhparent = 'monitoring.sample_blocks'::regclass
$$;
create temporary table blocks_read as select pg_temp.read_blocks() as before;
select isnt_empty($$ select newest.* from ids, monitoring_internal.newest_values(ids.series, ids.families, '2026-10-04 05:00Z', '2026-10-08') as newest $$,
    'what is stale after days has values');
select is(pg_temp.read_blocks(), (select before from blocks_read), 'and no block is read for what was sampled since the last one');
select isnt_empty($$ select newest.* from ids, monitoring_internal.newest_points(ids.series, array_fill('2026-09-30'::timestamptz, array[cardinality(ids.series)]), '2026-10-01') as newest $$,
    'newest_points reads blocks');
select cmp_ok(pg_temp.read_blocks(), '>', (select before from blocks_read), 'which is seen');
update monitoring.metric_families set stale_after = null where name like 'q\_%';
update monitoring_internal.rollup_levels as level set watermark = mark.watermark from mark where mark.resolution = level.resolution;

-- A late sample whose buckets wait to be made again is in the answer at once, and none is counted twice.
insert into truth
select distinct on (series_id) tenant_id, series_id, labels, metric, kind, at + interval '17.123 s', value + 100000 from truth
where at > '2026-09-30 10:00Z' and metric = 'q_load' order by series_id, at;
insert into monitoring.late_samples (series_id, sampled_at, value) select series_id, at, value from truth where value > 100000;
insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
select series_id, at, at + interval '1 us' from truth where value > 100000
union all select series_id, at - interval '30 min', at + interval '30 min' from truth where value > 100000;
truncate walk;
insert into walk
select truth.*, lag(at) over w, extract(epoch from at - lag(at) over w),
    case when lag(value) over w <= value then value - lag(value) over w when lag(value) over w is not null then value end
from truth window w as (partition by series_id order by at);
select is((select string_agg(format('%s: %s', aggregate, difference), E'\n')
    from unnest(array['sum', 'max', 'count', 'last', 'p95']) as aggregate,
        unnest(array['1 min', '1 hour', '1 day']::interval[]) as step,
        pg_temp.difference('q_load', '.*', '2026-09-30 00:00Z', '2026-10-01 00:00Z', step, aggregate, '{dc}') as difference
    where difference is not null),
    null, 'late samples are in the answer before their buckets are made again');
select isnt_empty($$ select from monitoring_internal.query_reads(
        array(select distinct series_id from truth), array(select distinct series_id from truth), '{1h}', '{2026-09-30 00:00Z}',
        '{2026-10-01 00:00Z}') as reads where 'packed' = any (reads.sources) and '1h' = any (reads.sources) $$,
    'query_reads takes samples for these buckets and rollups for the others');
insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
select distinct series_id, timestamptz '2026-09-30 00:00Z', timestamptz '2026-09-30 23:00Z' from truth
where metric = 'q_load' and labels ->> 'host' = 'h1';
select is((select string_agg(format('%s: %s', aggregate, difference), E'\n')
    from unnest(array['sum', 'max', 'count', 'avg']) as aggregate, unnest(array['5 min', '1 hour', '1 day']::interval[]) as step,
        pg_temp.difference('q_load', '.*', '2026-09-30 00:00Z', '2026-10-01 00:00Z', step, aggregate, '{dc}') as difference
    where difference is not null),
    null, 'series whose buckets wait and others whose do not are put together');
delete from monitoring_internal.late_ranges;

-- A metric whose class gets a level has no rows of it for the days before: these are answered from samples.
insert into monitoring.retention_classes (name, raw_retention, rollup_1h) values ('query_new', '90 days', '90 days');
update monitoring.metric_families set retention_class = 'query_new' where name = 'q_load';
update monitoring.retention_classes set rollup_5m = '90 days' where name = 'query_new';
delete from monitoring.rollups_5m;
select is((select string_agg(difference, E'\n') from unnest(array['5 min', '1 hour']::interval[]) as step,
    pg_temp.difference('q_load', '.*', '2026-09-30 00:00Z', '2026-10-03 00:00Z', step, 'sum', '{dc}') as difference),
    null, 'levels that came later are not asked for what was before them');
update monitoring.metric_families set retention_class = 'high_resolution' where name = 'q_load';
select pg_temp.roll_up('2026-10-04 05:17:00Z');
delete from monitoring_internal.rollup_starts;
delete from monitoring_internal.late_ranges;

-- What is too old for samples comes from the finest rollups that are kept, and adds up over the whole range.
delete from monitoring.samples;
delete from monitoring.sample_blocks;
delete from monitoring.late_samples;
select is_empty($$ select step, answer.*, want from unnest(array['10 s', '1 min', '1 hour', '1 day']::interval[]) as step,
    lateral (select tenant_id, sum(value) as counted from monitoring_internal.query_range_at('q_load', '{}', '2026-09-28 00:00Z',
        '2026-10-03 00:00Z', step, 'count', '{}', 'none', '2026-10-20 00:00Z') group by tenant_id) as answer
    natural join (select tenant_id, count(*) as want from truth where metric = 'q_load' and at < '2026-10-03' group by tenant_id) as known
    where answer.counted is distinct from want $$,
    'where samples are gone every step is answered from rollups, and counts add up');
select is((select string_agg(difference, E'\n') from unnest(array['rate', 'increase', 'max(rate)']) as aggregate,
    pg_temp.difference('q_bytes_total', '.*', '2026-09-29 00:00Z', '2026-10-02 00:00Z', '1 hour', aggregate, '{dc,host}') as difference),
    null, 'rates of counters by two labels are answered by rollups alone');
select results_eq($$ select distinct plan.source from unnest(array['2026-10-20', '2026-11-20']::timestamptz[]) as clock (reads),
        monitoring_internal.plan_query('high_resolution', null, '2026-09-28', '2026-10-03', '10 s', true, clock.reads) as plan order by 1 $$, $$ values ('1m'), ('5m') $$,
    'the finest that is kept: minutes for a month, five minutes after it');

select * from finish();
rollback;
