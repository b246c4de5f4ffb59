-- Medians with the smallest and the largest.
create view bench.medians as
select what, pairs, percentile_cont(0.5) within group (order by wall_ms) as wall, min(wall_ms) as wall_least,
    max(wall_ms) as wall_most, percentile_cont(0.5) within group (order by cpu_ms) as cpu, min(cpu_ms) as cpu_least,
    max(cpu_ms) as cpu_most, max(peak_mb) as mb, max(breached) as found
from bench.figures group by what, pairs;
select format('%-16s %8s %-6s: wall %6s ms (%s to %s), processor %6s ms (%s to %s), %s MB', what, pairs,
    case when what like 'one%' then 'rules' else 'pairs' end, round(wall), round(wall_least), round(wall_most), round(cpu),
    round(cpu_least), round(cpu_most), round(mb)) from bench.medians order by what, pairs;
select format('a microsecond of processor time a pair: %s', string_agg(format('%s (%s pairs)', round((cpu * 1000 / pairs)::numeric, 2), pairs),
    ', ' order by pairs)) from bench.medians where what = 'whole pass';
select format('the loop would take %s s of processor time for the rules of one pass: %s times the pass',
    round(loop.cpu / loop.pairs * 10), round(loop.cpu / loop.pairs * 10000 / pass.cpu))
from bench.medians as loop
cross join (select cpu from bench.medians where what = 'whole pass' order by pairs desc limit 1) as pass
where loop.what like 'one%';
select case when wall < 5000 then 'budget kept' else 'budget missed' end || ': whole pass of ' || pairs || ' pairs in ' || round(wall) || ' ms, budget 5000 ms'
from bench.medians where what = 'whole pass' order by pairs desc limit 1;
