-- A backend's processor time is counted up to its last tick, of 4 ms: of what is shorter the mean says more.
create view bench.store_medians as
select what, part, percentile_cont(array[0.5, 0.95]) within group (order by wall_ms) as wall,
    percentile_cont(array[0.5, 0.95]) within group (order by cpu_ms) as cpu, avg(cpu_ms) as cpu_mean
from bench.figures group by what, part;
select format('%s: wall p50 %s p95 %s ms, processor mean %s p50 %s p95 %s ms', rpad(m.what, 56), round(m.wall[1]::numeric, 1),
    round(m.wall[2]::numeric, 1), round(m.cpu_mean::numeric, 1), round(m.cpu[1]::numeric, 1), round(m.cpu[2]::numeric, 1))
from bench.store_medians as m where m.part = 'store' order by m.what;
select format('%s: %s ms of processor time, GROUP BY over a plain table of the samples %s ms: %s times',
    rpad(split_part(asked.what, ': ', 1), 40), round(asked.cpu_mean::numeric, 1), round(raw.cpu_mean::numeric, 1),
    round((raw.cpu_mean / asked.cpu_mean)::numeric))
from bench.store_medians as asked
join bench.store_medians as raw on split_part(raw.what, ': ', 1) = split_part(asked.what, ': ', 1) and raw.what ~ 'GROUP BY$'
where asked.part = 'ratio' and asked.what ~ 'query_range$' order by asked.what;
select format('budget %s: %s ms on the wall, %s ms of processor, %s', budget.said, round(m.wall[budget.place]::numeric, 1),
    round(m.cpu[budget.place]::numeric, 1), case when m.cpu[budget.place] < budget.ms then 'kept' else 'missed' end)
from (values ('samples of 1 series, 24 h, raw', 1, 25, 'samples of a day, p50 < 25 ms'),
    ('newest 1000 samples of 1 series, 24 h, raw', 1, 25, 'newest 1000 of a day, p50 < 25 ms'),
    ('newest 1000 samples of 1 series, 24 h, packed', 1, 25, 'newest 1000 of a packed day, p50 < 25 ms'),
    ('avg by hour of 1 series, 7 d', 2, 50, 'means by the hour over 7 d, p95 < 50 ms'),
    ('p95 by hour of 1 series, 7 d', 2, 50, 'p95 by the hour over 7 d, p95 < 50 ms'),
    ('metrics_hourly, 1 asset, 7 d, avg p95 p99', 2, 50, 'metrics_hourly over 7 d, p95 < 50 ms'),
    ('latest_values of 1 host of 2,500', 2, 10, 'a host''s newest values, p95 < 10 ms')) as budget (what, place, ms, said)
join bench.store_medians as m on m.what = budget.what and m.part = 'store';
