-- Three days of samples, as they come: all series of one time after the other.
create schema bench;
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create function bench.peak_mb() returns integer language sql volatile as $$
    select (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+)'))[1]::integer / 1024
$$;
create function bench.blocks_bytes() returns bigint language sql volatile as $$
    select coalesce(sum(pg_total_relation_size(bounds.partition)), 0)
    from unnest(array['monitoring.sample_blocks', 'monitoring.time_vectors']) as part (name)
    cross join lateral monitoring_internal.partition_bounds(part.name::regclass) as bounds
    where bounds.lower_bound <= '2026-01-05' and bounds.upper_bound > '2026-01-05'
$$;
create table bench.figures (number integer generated always as identity, what text, figures text);
create table bench.missed (missed text);
insert into monitoring.metric_families (name) select 'bench_' || number from generate_series(1, 20) as number;
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), family.metric_family_id,
    jsonb_build_object('server', 'db-' || number / 100, 'n', number::text)
from generate_series(1, :series) as number
inner join monitoring.metric_families as family on family.name = 'bench_' || (1 + number % 20);
update monitoring.partition_holds set covered_until = 'infinity' where name = 'rollups';
select monitoring_internal.create_partitions_at('monitoring.samples', '2026-01-05', '2026-01-12', '2026-01-05') \g /dev/null
select setseed(0.42) \g /dev/null
create unlogged table bench.walk as
select series_id, kind, number, target,
    -- A whole number of the last decimal: walks of deviation 100 and 700, counters, changes every 2000 steps.
    sum(case
        when kind < 8 then round(case when kind < 4 then 100 else 700 end * chance)
        when kind < 15 then greatest(0, round(rate + chance * sqrt(rate)))
        else (random() < 1.0 / 2000)::integer * 5
    end) over (partition by series_id order by number) as level,
    sum(chance) over (partition by series_id order by number) as free
from (
    select placed.*, placed.place % 20 as kind, placed.place / 100 as target, step.number,
        sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as chance
    from (
        select series_id, row_number() over (order by series_id) - 1 as place, power(10, -2 + 6 * random()) as rate
        from monitoring.series
    ) as placed
    cross join generate_series(0, 1439) as step (number)
) as item;
create unlogged table bench.jitter as
select target, number, round(15000 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) * interval '1 us' as off
from generate_series(0, :series / 100) as target cross join generate_series(0, 1439) as number;
insert into monitoring.samples
select walk.series_id,
    '2026-01-05 00:00:01Z'::timestamptz + day * interval '1 day' + walk.number * interval '1 min'
        + case when day = 1 then jitter.off else '0' end,
    case when walk.kind < 8 and day = 2 then 1000 + walk.series_id + walk.free
        when walk.kind < 4 then (walk.series_id * 10000 + walk.level) / 100
        when walk.kind < 8 then (walk.series_id * 10000 + walk.level) / 1000
        else walk.level end
from generate_series(0, :days - 1) as day
cross join bench.walk as walk
inner join bench.jitter as jitter on jitter.target = walk.target and jitter.number = walk.number
order by day, walk.number, walk.series_id;
insert into monitoring.samples select series_id, '2026-01-11 12:00Z', 1 from monitoring.series;
drop table bench.walk, bench.jitter;
vacuum analyze monitoring.samples;
checkpoint;
