-- A store as it is after a month: :series series with a sample a minute over :days days, 50 million of them: the last two
-- days and what has passed of today raw, the days before packed and dropped, all rolled up. Five days are ingested as a store
-- would have them, rolled up and packed by their jobs; those before have the same blocks and rollups at other times.
insert into monitoring.series (tenant_id, metric_family_id, labels)
select tenant.tenant_id, family.metric_family_id,
    jsonb_build_object('asset_id', 'a' || n, 'platform', 'p' || n % 300, 'system_id', 's' || n % 50)
from monitoring.tenants as tenant, monitoring.metric_families as family, generate_series(1, :series) as n
where tenant.is_system and family.name = 'bench_latency';
select clock_timestamp() as started \gset
select date_trunc('day', now(), 'UTC') - interval '4 days' as oldest \gset
insert into monitoring.samples (series_id, sampled_at, value)
select series.series_id, minute, round((50 + 20 * sin(extract(epoch from minute)::float8 / 12000.0) + 30 * random() ^ 3)::numeric, 2)
from generate_series(:'oldest'::timestamptz, now(), interval '1 min') as minute,
    (select series_id from monitoring.series join monitoring.metric_families as family using (metric_family_id)
     where family.name = 'bench_latency' order by series_id) as series;
select clock_timestamp() as loaded \gset
vacuum (analyze) monitoring.samples;
analyze monitoring.series;
call monitoring.refresh_rollups();
select clock_timestamp() as rolled \gset
call monitoring.pack_samples();
select clock_timestamp() as packed \gset
-- Make room for the days before, and copy what is there.
select count(*) >= 0 as made from unnest(array['sample_blocks', 'time_vectors', 'rollups_1h', 'rollups_1d']) as part (name),
    monitoring.create_partitions('monitoring.' || part.name, :'oldest'::timestamptz - interval '40 days', now());
create table bench.shifts as select :'oldest'::timestamptz - number * interval '2 days' as to_at, number * interval '2 days' as by
from generate_series(1, (:days - 3) / 2) as number;
insert into monitoring.time_vectors (period_at, time_vector_id, sample_count, bit_width, unit, slope, bases, bits, digest)
overriding system value
select vector.period_at - shift.by, vector.time_vector_id, vector.sample_count, vector.bit_width, vector.unit, vector.slope, vector.bases,
    vector.bits, vector.digest
from bench.shifts as shift, monitoring.time_vectors as vector where vector.period_at >= :'oldest';
insert into monitoring.sample_blocks
    (period_at, time_vector_id, value_min, value_max, value_sum, series_id, sample_count, encoding, bit_width, divisor, slope, bases,
     wide_bases, starts, bits, value_list)
select block.period_at - shift.by, block.time_vector_id, block.value_min, block.value_max, block.value_sum, block.series_id,
    block.sample_count, block.encoding, block.bit_width, block.divisor, block.slope, block.bases, block.wide_bases, block.starts,
    block.bits, block.value_list
from bench.shifts as shift, monitoring.sample_blocks as block where block.period_at >= :'oldest'
order by block.period_at - shift.by, block.series_id;
insert into monitoring.packed_periods (period_at, closed_at, packed_at, released_at, series_count, sample_count)
select period.period_at - shift.by, now(), now(), now(), period.series_count, period.sample_count
from bench.shifts as shift, monitoring.packed_periods as period where period.period_at >= :'oldest';
do $$
declare v_level text;
begin
    foreach v_level in array array['1h', '1d'] loop
        execute format(
            'insert into monitoring.rollups_%1$s
            select rolled.bucket_at - shift.by, rolled.sample_count, rolled.value_sum, rolled.value_sum_squares, rolled.value_min,
                rolled.value_max, rolled.value_first, rolled.value_last, rolled.first_at - shift.by, rolled.last_at - shift.by,
                rolled.increase, rolled.series_id, rolled.sketch
            from bench.shifts as shift, monitoring.rollups_%1$s as rolled
            where rolled.bucket_at >= shift.to_at + shift.by and rolled.bucket_at < shift.to_at + shift.by + interval ''2 days''
            order by rolled.bucket_at - shift.by, rolled.series_id', v_level);
    end loop;
end
$$;
vacuum (analyze) monitoring.samples, monitoring.sample_blocks, monitoring.time_vectors, monitoring.rollups_1h, monitoring.rollups_1d;
-- The samples of 60 series over 30 days once more in a plain table with the store's key, for GROUP BY.
create table bench.plain (series_id integer, sampled_at timestamptz, value double precision, primary key (series_id, sampled_at));
insert into bench.plain
select point.series_id, point.sampled_at, point.value
from monitoring_internal.read_points(array(select series_id from monitoring.series where labels @> any (array(
    select jsonb_build_object('asset_id', 'a' || n) from generate_series(1, 60) as n))), now() - interval '30 days', now()) as point
order by 2, 1;
vacuum (analyze) bench.plain;
select format('%s series, %s days: %s samples raw, %s packed, %s rows of rollups; loaded %s s, rolled up %s s, packed %s s, copied %s s',
    :series, :days, (select count(*) from monitoring.samples where sampled_at >= monitoring_internal.packed_until()),
    (select sum(sample_count) from monitoring.sample_blocks),
    (select count(*) from monitoring.rollups_1h) + (select count(*) from monitoring.rollups_1d),
    round(extract(epoch from :'loaded'::timestamptz - :'started')), round(extract(epoch from :'rolled'::timestamptz - :'loaded')),
    round(extract(epoch from :'packed'::timestamptz - :'rolled')), round(extract(epoch from clock_timestamp() - :'packed')));
