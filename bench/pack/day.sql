-- One day: read from samples, packed, read from blocks.
select array_agg(series_id) as ids, ('2026-01-' || :day || ' 00:00Z')::timestamptz as start_at,
    (array['mixed', 'jittered', 'mantissas'])[:day - 4] as what
from monitoring.series \gset
create function pg_temp.read(p_ids integer[], p_day timestamptz, out samples bigint, out ms double precision, out sum text)
language plpgsql as $$
declare
    v_cpu double precision;
begin
    ms := 'infinity';
    for turn in 1..3 loop
        v_cpu := bench.cpu_ms();
        select count(*), round(sum(point.value)::numeric, 0) || ' ' || min(point.sampled_at)
        into samples, sum
        from monitoring_internal.read_points(p_ids, p_day, p_day + interval '24 hours') as point;
        ms := least(ms, bench.cpu_ms() - v_cpu);
    end loop;
end
$$;
select samples, ms as raw_ms, sum as raw_sum from pg_temp.read(:'ids', :'start_at') \gset
select pg_total_relation_size(bounds.partition) as raw_bytes
from monitoring_internal.partition_bounds('monitoring.samples') as bounds where bounds.lower_bound = :'start_at' \gset
select bench.blocks_bytes() as before_bytes, bench.cpu_ms() as before_ms, clock_timestamp() as before_at \gset
call monitoring_internal.pack_samples_at(:'start_at'::timestamptz + interval '3 days');
select bench.cpu_ms() - :before_ms as pack_ms, extract(epoch from clock_timestamp() - :'before_at') as pack_s,
    bench.peak_mb() as peak_mb \gset
select bench.blocks_bytes() - :before_bytes as packed_bytes \gset
select ms as packed_ms, sum as packed_sum from pg_temp.read(:'ids', :'start_at') \gset
insert into bench.figures (what, figures)
select :'what', format(
    '%s samples; %s bytes a sample, %s plain, %s : 1; packed %s a processor second (%s s on the wall, %s MB); '
    'read %s a processor second, %s plain; %s',
    :samples, round(:packed_bytes::numeric / :samples, 3), round(:raw_bytes::numeric / :samples, 1),
    round(:raw_bytes::numeric / :packed_bytes), round(:samples / :pack_ms * 1000), round(:pack_s, 1), :peak_mb,
    round(:samples / :packed_ms * 1000), round(:samples / :raw_ms * 1000),
    case when :'raw_sum' = :'packed_sum' then 'the same' else 'NOT the same' end);
insert into bench.missed
select format('%s: %s', :'what', missed)
from unnest(array[
    case when :'raw_sum' <> :'packed_sum' then 'reads differ' end,
    case when :day = 5 and :packed_bytes > 1.2 * :samples then 'more than 1.2 bytes a sample' end,
    case when :day = 5 and :samples / :pack_ms < 500 then 'less than 500,000 packed a processor second' end,
    case when :day = 5 and :samples / :packed_ms < 2000 then 'less than 2,000,000 read a processor second' end
]) as missed
where missed is not null;
