-- 100 metrics of 1,000 series each in ten regions, samples a minute apart; 100 rules a metric, each for one region.
create schema bench;
create table bench.figures (what text, pairs bigint, breached bigint, wall_ms double precision, cpu_ms double precision,
    peak_mb double precision);
insert into monitoring.metric_families (name, kind)
select format('bench_metric_%s', m), case when m % 10 = 0 then 'counter' else 'gauge' end from generate_series(1, 100) as m;
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), family.metric_family_id,
    jsonb_build_object('host', 'host-' || s, 'region', 'r' || s % 10, 'server', 'server-' || s % 50)
from monitoring.metric_families as family
cross join generate_series(1, :series / 100) as s
where family.name like 'bench%';
create table bench.at as select date_trunc('minute', now()) as now_at;
-- A level of its own for each series, noise around it; counters grow.
insert into monitoring.samples (series_id, sampled_at, value)
select series.series_id, at.now_at - interval '1 min' * minute, case family.kind
    when 'counter' then (10000 - minute) * (10 + series.series_id % 50)
    else 20 + series.series_id % 40 + 5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) end
from bench.at
cross join generate_series(:minutes - 1, 0, -1) as minute
cross join monitoring.series as series
inner join monitoring.metric_families as family using (metric_family_id)
where family.name like 'bench%';
vacuum (freeze, analyze) monitoring.samples;

-- Each rule would be checked by itself, which is not what is measured here.
alter table monitoring.alert_rules disable trigger alert_rules_check;
insert into monitoring.alert_rules (rule_name, metric_name, matchers, aggregate, evaluation_window, comparison_operator,
    warning_threshold, critical_threshold)
select format('rule %s of %s', r, family.name), family.name, jsonb_build_object('region', 'r' || r % 10),
    case when family.kind = 'counter' then 'rate' else (array['avg', 'max', 'last', 'avg', 'min'])[1 + r / 20] end,
    (array[interval '5 min', '10 min', '15 min'])[1 + r % 3], 'gt',
    case when family.kind = 'counter' then 59.0 / 60 else 75 end, 90
from monitoring.metric_families as family
cross join generate_series(0, 99) as r
where family.name like 'bench%';
alter table monitoring.alert_rules enable trigger alert_rules_check;
select monitoring_internal.refresh_rule_bindings_at(now_at) as bound from bench.at \gset
vacuum (freeze, analyze) monitoring.alert_bindings, monitoring.alert_rules, monitoring.alert_rule_states, monitoring.series;
\echo :series series, :minutes minutes of samples, 10000 rules, :bound pairs
