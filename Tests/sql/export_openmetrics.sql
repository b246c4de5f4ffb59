-- The exposition page as OpenMetrics 1.0: types, names of counters, units, bounds, values, the last line.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.ingest(p_metric text, p_labels jsonb, p_value float8) returns void
language sql as $$
    select monitoring.ingest_samples(array[p_metric], array[p_labels], array[p_value], array[now()])
$$;
create function pg_temp.lines(p_pattern text, p_format text default 'openmetrics') returns text[]
language sql as $$
    select coalesce(array_agg(line order by place), '{}')
    from regexp_split_to_table(rtrim(monitoring.export_metrics_prometheus(format => p_format), E'\n'), E'\n')
        with ordinality as page (line, place)
    where line ~ p_pattern
$$;

select is(
    right(monitoring.export_metrics_prometheus(format => 'openmetrics'), 6), E'# EOF\n', 'the page ends with the line EOF');
select ok(
    monitoring.export_metrics_prometheus() !~ 'EOF', 'the text format 0.0.4 has no line EOF, and is the default');
select ok(
    (select bool_and(piece !~ 'EOF')
        from monitoring.export_metrics_prometheus_lines(format => 'openmetrics') as piece),
    'who streams the pieces adds families of his own, and the last line after them');

select monitoring_internal.register_families('[
    {"name": "om_orders_total", "kind": "counter", "description": "Orders of \"all\" shops,\nby \\shop."},
    {"name": "om_wait_seconds_total", "kind": "counter", "unit": "seconds", "description": "Waited."},
    {"name": "om_age_seconds", "kind": "gauge", "unit": "seconds", "description": "Age."},
    {"name": "om_depth", "kind": "gauge", "unit": "seconds", "description": "Depth."},
    {"name": "pg_stat_x_commits", "kind": "counter", "description": "Commits."},
    {"name": "om_shared", "kind": "gauge", "description": "A gauge."},
    {"name": "om_shared_total", "kind": "counter", "description": "A counter beside it."},
    {"name": "om_lost_total", "kind": "counter", "description": "Was corrected below zero."},
    {"name": "om_latency_seconds", "kind": "histogram", "unit": "seconds", "description": "Latency."},
    {"name": "om_half", "kind": "histogram", "description": "Counts in halves."},
    {"name": "om_rest", "kind": "summary", "description": "Rest."}]');
select pg_temp.ingest('om_orders_total', '{"shop": "a"}', 1), pg_temp.ingest('om_orders_total', '{"shop": "b"}', 2),
    pg_temp.ingest('om_wait_seconds_total', '{}', 1.5), pg_temp.ingest('om_age_seconds', '{}', -1),
    pg_temp.ingest('om_depth', '{}', 4), pg_temp.ingest('pg_stat_x_commits', '{}', 7),
    pg_temp.ingest('om_shared', '{}', 1), pg_temp.ingest('om_shared_total', '{}', 2),
    pg_temp.ingest('om_lost_total', '{"a": "1"}', 5), pg_temp.ingest('om_lost_total', '{"a": "2"}', -1),
    pg_temp.ingest('om_unknown', '{}', 9);
select pg_temp.ingest('om_latency_seconds_bucket', jsonb_build_object('le', bound), 3)
from unnest('{0.25,1,2500000,1e-05,+Inf}'::text[]) as bound;
select pg_temp.ingest('om_latency_seconds_sum', '{}', 1), pg_temp.ingest('om_latency_seconds_count', '{}', 3);
select pg_temp.ingest('om_half_bucket', '{"le": "+Inf"}', 1.5), pg_temp.ingest('om_half_sum', '{}', 1),
    pg_temp.ingest('om_half_count', '{}', 1.5);
select pg_temp.ingest('om_rest', '{"quantile": "0.5"}', 2), pg_temp.ingest('om_rest', '{"quantile": "1"}', 3),
    pg_temp.ingest('om_rest_sum', '{}', 5), pg_temp.ingest('om_rest_count', '{}', 2);

select is(
    pg_temp.lines('om_orders'),
    array[
        '# HELP om_orders Orders of \"all\" shops,\nby \\shop.', '# TYPE om_orders counter',
        'om_orders_total{shop="a"} 1', 'om_orders_total{shop="b"} 2'],
    'a counter''s family has no _total, its samples do, and help is escaped');
select is(
    pg_temp.lines('pg_stat_x_commits'),
    array['# HELP pg_stat_x_commits Commits.', '# TYPE pg_stat_x_commits unknown', 'pg_stat_x_commits 7'],
    'a counter that keeps the name of postgres_exporter is of unknown type and not renamed');
select is(
    pg_temp.lines('pg_stat_x_commits', 'prometheus'),
    array['# HELP pg_stat_x_commits Commits.', '# TYPE pg_stat_x_commits counter', 'pg_stat_x_commits 7'],
    'in the text format it is the counter that it always was');
select is(
    pg_temp.lines('^# UNIT'),
    array[
        '# UNIT om_age_seconds seconds', '# UNIT om_latency_seconds seconds', '# UNIT om_wait_seconds seconds'],
    'a unit is told where the family''s name ends with it');
select is(
    pg_temp.lines('^# TYPE om_(shared|lost)'),
    array['# TYPE om_lost_total unknown', '# TYPE om_shared gauge', '# TYPE om_shared_total unknown'],
    'a counter whose name is taken, or that fell below zero, is of unknown type');
select is(
    pg_temp.lines('om_unknown'),
    array['# HELP om_unknown A stored metric without a description.', '# TYPE om_unknown unknown', 'om_unknown 9'],
    'what is untyped in the text format is unknown here');
select is(
    pg_temp.lines('^om_latency'),
    array[
        'om_latency_seconds_bucket{le="1e-05"} 3', 'om_latency_seconds_bucket{le="0.25"} 3',
        'om_latency_seconds_bucket{le="1.0"} 3', 'om_latency_seconds_bucket{le="2.5e+06"} 3',
        'om_latency_seconds_bucket{le="+Inf"} 3', 'om_latency_seconds_count 3', 'om_latency_seconds_sum 1'],
    'bounds are written as OpenMetrics writes numbers');
select is(
    pg_temp.lines('^om_rest'),
    array['om_rest{quantile="0.5"} 2', 'om_rest{quantile="1.0"} 3', 'om_rest_count 2', 'om_rest_sum 5'],
    'quantiles too');
select is(pg_temp.lines('om_half'), '{}', 'a histogram whose counts are not whole is left out');
select is(array_length(pg_temp.lines('^om_half', 'prometheus'), 1), 3, 'and is in the text format');
select is(
    pg_temp.lines('reason="malformed"'), array['pgvigil_export_left_out_series{reason="malformed"} 3'],
    'what is left out is counted');

select pg_temp.ingest('om_latency_seconds_created', '{}', 1);
select is(
    pg_temp.lines('om_latency_seconds_created'), '{}', 'a metric under a name that a histogram may use is left out');

-- The parts.
select is(
    (select array_agg(monitoring_internal.openmetrics_labels('a="le=1",le="x"', bound) order by place)
        from unnest('{1,0.001,1000000,123456,-2000000,1e30}'::float8[]) with ordinality as given (bound, place)),
    array[
        'a="le=1",le="1.0"', 'a="le=1",le="0.001"', 'a="le=1",le="1e+06"', 'a="le=1",le="123456.0"',
        'a="le=1",le="-2000000.0"', 'a="le=1",le="1e+30"'],
    'openmetrics_labels writes the bound alone anew');
select is(
    (select array_agg(monitoring_internal.is_openmetrics_value(family_type, name, bound, value) order by place)
        from (values
            (1, 'counter', 'a_total', null, -1), (2, 'counter', 'a_total', null, 'NaN'), (3, 'gauge', 'a', null, 'NaN'),
            (4, 'histogram', 'a_count', null, 1.5), (5, 'histogram', 'a_sum', null, 'NaN'),
            (6, 'summary', 'a', 0.5, 'NaN'), (7, 'summary', 'a', 0.5, -1), (8, 'histogram', 'a_bucket', 1, 4)
        ) as line (place, family_type, name, bound, value)),
    '{f,f,t,f,f,t,f,t}'::boolean[], 'is_openmetrics_value knows which lines may hold what');
select is(
    (select count(*) from monitoring_internal.exposition_blocks('openmetrics') where verdict is null and lines ~ 'om_'),
    12::bigint, 'exposition_blocks yields the lines of each family');
select is(
    monitoring_internal.openmetrics_header('a_total', 'counter', '', true, '{a}'),
    E'# HELP a_total A stored metric without a description.\n# TYPE a_total unknown\n',
    'openmetrics_header leaves a taken name alone');

select * from finish();
rollback;
