select format('%s: wall p50 %s p95 %s ms, processor p50 %s p95 %s ms', rpad(m.what, 52), round(m.wall[1]::numeric, 1),
    round(m.wall[2]::numeric, 1), round(m.cpu[1]::numeric, 1), round(m.cpu[2]::numeric, 1))
from bench.medians as m where m.part = 'store' order by m.what;
