select format('loaded to %s series: %s samples, %s s, and their rollups in %s s', part, samples, round(seconds::numeric, 1), round(rollup_seconds::numeric, 1))
from bench.loads order by samples;
create view bench.medians as
select what, part, count(*) as times, percentile_cont(array[0.5, 0.95]) within group (order by wall_ms) as wall,
    percentile_cont(array[0.5, 0.95]) within group (order by cpu_ms) as cpu
from bench.figures group by what, part;
select format('%s: wall p50 %s p95 %s ms, processor p50 %s p95 %s ms; as data grows 1, 4, 16 times: %s, %s, %s ms',
    rpad(whole.what, 48), round(whole.wall[1]::numeric, 1), round(whole.wall[2]::numeric, 1), round(whole.cpu[1]::numeric, 1), round(whole.cpu[2]::numeric, 1),
    round(least.wall[1]::numeric, 1), round(quarter.wall[1]::numeric, 1), round(whole.wall[1]::numeric, 1))
from bench.medians as whole
join bench.medians as quarter using (what)
join bench.medians as least using (what)
where whole.part = '1/1' and quarter.part = '1/4' and least.part = '1/16'
order by whole.what;
select format('rollups beside GROUP BY over samples, hours: %s times as fast, by query_range %s times, days by query_range %s times (50 to 100 asked for)%s',
    round((raw.cpu[1] / rolled.cpu[1])::numeric), round((raw.cpu[1] / asked.cpu[1])::numeric), round((days.cpu[1] / asked_days.cpu[1])::numeric),
    case when raw.cpu[1] / rolled.cpu[1] < 50 then ': missed' else '' end)
from bench.medians as raw, bench.medians as rolled, bench.medians as asked, bench.medians as days, bench.medians as asked_days
where raw.what ~ '^GROUP BY.*hour' and rolled.what = 'the same from rollups' and asked.what = 'the same by query_range'
    and days.what ~ '^GROUP BY.*day' and asked_days.what = 'days by query_range'
    and raw.part = '1/1' and rolled.part = '1/1' and asked.part = '1/1' and days.part = '1/1' and asked_days.part = '1/1';
-- Processor time decides: what a crowded machine lets a backend wait is not ours.
select format('budget %s: %s ms on the wall, %s ms of processor, %s', budget.said, round(m.wall[budget.place]::numeric, 1), round(m.cpu[budget.place]::numeric, 1),
    case when m.cpu[budget.place] < budget.ms then 'kept' else 'missed' end)
from (values ('samples of 1 series, 24 h, row by row', 1, 25, 'samples of a day, p50 < 25 ms'), ('newest 1000 samples of 1 series, 24 h', 1, 25, 'newest 1000 of a day, p50 < 25 ms'),
    ('p95 by hour of 1 series, 7 d', 2, 50, 'p95 by the hour over 7 d, p95 < 50 ms'),
    ('avg, p95, p99 of metrics_hourly, 1 asset, 7 d', 2, 50, 'metrics_hourly over 7 d, p95 < 50 ms'),
    ('latest_values of 1 host of 2,500', 2, 10, 'a host''s newest values, p95 < 10 ms')) as budget (what, place, ms, said)
join bench.medians as m on m.what = budget.what and m.part = '1/1';
