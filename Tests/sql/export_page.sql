-- The exposition page: families, types, staleness, tenants, caps, and what it says about itself.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create role pgvigil_export_a nologin;
create role pgvigil_export_none nologin;
create role pgvigil_export_scraper nologin;
grant monitoring_reader to pgvigil_export_a, pgvigil_export_none;
grant monitoring_exporter to pgvigil_export_scraper;
select monitoring.create_tenant('acme'), monitoring.create_tenant('globex');
select monitoring.add_tenant_member('pgvigil_export_a', 'acme');

create function pg_temp.page_of(p_role name) returns text
language plpgsql as $$
declare
    v_page text;
begin
    execute format('set local role %I', p_role);
    v_page := monitoring.export_metrics_prometheus();
    reset role;
    return v_page;
end
$$;
create function pg_temp.ingest(
    p_metric text, p_labels jsonb, p_value float8, p_age interval default '0', p_tenant text default 'system')
returns void
language sql as $$
    select monitoring.ingest_samples(
        array[p_metric], array[p_labels], array[p_value], array[now() - p_age],
        (select tenant_id from monitoring.tenants where name = p_tenant))
$$;
-- The page's lines that match a pattern, in order.
create function pg_temp.lines(p_pattern text) returns text[]
language sql as $$
    select coalesce(array_agg(line order by place), '{}')
    from regexp_split_to_table(rtrim(monitoring.export_metrics_prometheus(), E'\n'), E'\n')
        with ordinality as page (line, place)
    where line ~ p_pattern
$$;

select is(
    pg_temp.lines('^pgvigil_(up|export_series|export_families) '),
    array['pgvigil_up 1', 'pgvigil_export_families 0', 'pgvigil_export_series 0'],
    'E-10: a page without series says so, and is not empty');
select is(
    pg_temp.lines('^pgvigil_schema_info'),
    array[format('pgvigil_schema_info{version="%s"} 1', (select max(version) from monitoring.schema_migrations))],
    'the version of the schema is on the page');
select is(pg_temp.lines('sample_age'), '{}', 'without series there is no age');

select monitoring_internal.register_families('[
    {"name": "pg_t_commits_total", "kind": "counter", "description": "Commits\nof a \\database."},
    {"name": "pg_t_size_bytes", "kind": "gauge", "description": "Size."},
    {"name": "pg_t_wait_seconds", "kind": "histogram", "description": "Waits."}]');
select pg_temp.ingest('pg_t_commits_total', '{"datname": "a"}', 5, '1 minute');
select pg_temp.ingest('pg_t_commits_total', '{"datname": "a"}', 7);
select pg_temp.ingest('pg_t_commits_total', '{"datname": "b\"\\\nc", "shard": 3}', 0.1);
select pg_temp.ingest('pg_t_size_bytes', '{}', 1e13);
select pg_temp.ingest('pg_t_guess', '{"a": "1"}', 1);

select is(
    pg_temp.lines('pg_t_commits_total'),
    array[
        '# HELP pg_t_commits_total Commits\nof a \\database.',
        '# TYPE pg_t_commits_total counter',
        'pg_t_commits_total{datname="a"} 7',
        'pg_t_commits_total{datname="b\"\\\nc",shard="3"} 0.1'],
    'E-06, E-07, E-09, E-10: labels and not JSON, one HELP and TYPE, a counter is one, the newest value, escaped');
select is(
    pg_temp.lines('pg_t_size_bytes'),
    array['# HELP pg_t_size_bytes Size.', '# TYPE pg_t_size_bytes gauge', 'pg_t_size_bytes 10000000000000'],
    'without labels there are no braces');
select is(pg_temp.lines('TYPE pg_t_guess'), array['# TYPE pg_t_guess untyped'], 'an unknown type is untyped');
select is(
    right(monitoring.export_metrics_prometheus(), 1), E'\n', 'E-08: the page ends with a line feed');
select is(position('\n# ' in monitoring.export_metrics_prometheus()), 0, 'E-08: line ends are line feeds, not letters');
select is(
    (select count(*) from unnest(pg_temp.lines('^# TYPE')) as line group by line order by 1 desc limit 1), 1::bigint,
    'E-07: no TYPE line comes twice');
select is(
    (select string_agg(piece, '') from monitoring.export_metrics_prometheus_lines() as piece),
    monitoring.export_metrics_prometheus(), 'the pieces in order are the page');
select ok(
    (select bool_and(right(piece, 1) = E'\n') from monitoring.export_metrics_prometheus_lines() as piece),
    'each piece is whole lines');

-- Staleness: the family's, else the setting's.
select pg_temp.ingest('pg_t_old', '{}', 1, '6 minutes');
select pg_temp.ingest('pg_t_slow', '{}', 2, '6 minutes');
select is(pg_temp.lines('^pg_t_(old|slow)'), '{}', 'older than store.stale_after is not on the page');
update monitoring.metric_families set stale_after = '1 hour' where name = 'pg_t_slow';
select is(pg_temp.lines('^pg_t_(old|slow)'), array['pg_t_slow 2'], 'a family may stay longer');
select is(
    pg_temp.lines('^pgvigil_export_sample_age'),
    array[
        'pgvigil_export_sample_age_seconds{sample="newest"} 0.000000',
        'pgvigil_export_sample_age_seconds{sample="oldest"} 360.000000'],
    'the page tells the age of what it shows');
update monitoring.metric_families set stale_after = null where name = 'pg_t_slow';

-- Tenants.
select pg_temp.ingest('pg_t_size_bytes', '{}', 11, '0', 'acme');
select pg_temp.ingest('pg_t_size_bytes', '{"tenant": "globex"}', 12, '0', 'acme');
select pg_temp.ingest('pg_t_size_bytes', '{}', 13, '0', 'globex');
select is(
    pg_temp.lines('^pg_t_size_bytes'),
    array[
        'pg_t_size_bytes 10000000000000', 'pg_t_size_bytes{tenant="acme"} 11',
        'pg_t_size_bytes{exported_tenant="globex",tenant="acme"} 12', 'pg_t_size_bytes{tenant="globex"} 13'],
    'set_label_text: series of a tenant carry its name');
select ok(
    pg_temp.page_of('pgvigil_export_a') ~ 'tenant="acme"' and pg_temp.page_of('pgvigil_export_a') !~ ',?tenant="globex"\} 13'
    and pg_temp.page_of('pgvigil_export_a') !~ 'pg_t_commits_total',
    'E-11: a member of one tenant is given its series alone');
select ok(
    pg_temp.page_of('pgvigil_export_none') ~ E'\npgvigil_export_series 0\n', 'E-11: who belongs to no tenant, none');
select ok(
    pg_temp.page_of('pgvigil_export_scraper') ~ 'tenant="acme"' and pg_temp.page_of('pgvigil_export_scraper') ~ 'tenant="globex"',
    'monitoring_exporter is given all');
update monitoring.tenants set name = 'acme-2' where name = 'acme';
select ok(monitoring.export_metrics_prometheus() ~ 'tenant="acme-2"\} 11', 'refresh_label_text: a renamed tenant is shown by its new name');

-- One label set comes once: set_label_text makes these two alike.
insert into monitoring.series (tenant_id, metric_family_id, labels, label_text)
select monitoring.system_tenant_id(), metric_family_id, given.labels::jsonb, ''
from monitoring.metric_families, (values ('{"a-b": "1"}'), ('{"a_b": "1"}')) as given (labels)
where name = 'pg_t_guess';
insert into monitoring.samples (series_id, sampled_at, value)
select
    series_id, now() - '1 minute'::interval * row_number() over (order by labels), row_number() over (order by labels)
from monitoring.series where labels::text ~ 'a[-_]b';
select is(pg_temp.lines('^pg_t_guess.*a_b'), array['pg_t_guess{a_b="1"} 1'], 'of two samples of one label set the newest stays');
select is(
    pg_temp.lines('^pgvigil_export_left_out_series.*duplicate'),
    array['pgvigil_export_left_out_series{reason="duplicate"} 1'], 'and the other is counted');

-- The cap of a family.
select pg_temp.ingest('pg_t_many', jsonb_build_object('n', n), n) from generate_series(1, 12) as n;
select monitoring.set_setting('export.max_series_per_family', '10');
select is(
    array_length(pg_temp.lines('^pg_t_many'), 1), 10, 'a family is shown up to export.max_series_per_family');
select ok('pg_t_many{n="1"} 1' = any (pg_temp.lines('^pg_t_many')), 'the oldest series stay');
select is(
    pg_temp.lines('^pgvigil_export_(folded_series|left_out_series.*cap)'),
    array[
        'pgvigil_export_left_out_series{reason="series_cap"} 2', 'pgvigil_export_folded_series{metric="pg_t_many"} 2'],
    'and the page says how many were folded, and of which family');
select monitoring.set_setting('export.max_series_per_family', '10000');

-- Names that the page or its reader write themselves.
select pg_temp.ingest('pgvigil_up', '{}', 0);
select is(pg_temp.lines('^pgvigil_up'), array['pgvigil_up 1'], 'a stored metric cannot pose as one of the page''s own');
select ok(
    (select string_agg(piece, '') from monitoring.export_metrics_prometheus_lines(array['pg_t_many']) as piece) !~ 'pg_t_many',
    'a client that streams may keep names for itself');
select is(
    pg_temp.lines('^pgvigil_export_left_out_series.*reserved'),
    array['pgvigil_export_left_out_series{reason="reserved_name"} 1'], 'which is counted');

-- Histograms.
select pg_temp.ingest('pg_t_wait_seconds_bucket', jsonb_build_object('le', le, 'db', 'x'), n)
from (values ('+Inf', 4), ('10', 3), ('0.5', 1)) as bucket (le, n);
select is(pg_temp.lines('^pg_t_wait'), '{}', 'half a histogram is not shown');
select is(
    pg_temp.lines('^pgvigil_export_left_out_series.*malformed'),
    array['pgvigil_export_left_out_series{reason="malformed"} 3'], 'but counted');
select pg_temp.ingest('pg_t_wait_seconds_sum', '{"db": "x"}', 21), pg_temp.ingest('pg_t_wait_seconds_count', '{"db": "x"}', 4);
select is(
    pg_temp.lines('pg_t_wait'),
    array[
        '# HELP pg_t_wait_seconds Waits.', '# TYPE pg_t_wait_seconds histogram',
        'pg_t_wait_seconds_bucket{db="x",le="0.5"} 1', 'pg_t_wait_seconds_bucket{db="x",le="10"} 3',
        'pg_t_wait_seconds_bucket{db="x",le="+Inf"} 4',
        'pg_t_wait_seconds_count{db="x"} 4', 'pg_t_wait_seconds_sum{db="x"} 21'],
    'a whole one is one family, its buckets in the order of their bounds');

-- No label takes the page away from everybody.
select pg_temp.ingest('pg_t_wait_seconds_bucket', jsonb_build_object('le', le), 1)
from unnest(array[repeat('9', 400), '1e999', '0.' || repeat('0', 400) || '1', 'NaN', '1e-99', 'x"y', '-Inf']) as le;
select ok(
    monitoring.export_metrics_prometheus() ~ 'pg_t_wait_seconds_count\{db="x"\} 4',
    'bounds that are no numbers, or too large, spoil nothing but their own histogram');

-- The forms with the time as an argument, and the parts.
select is(
    (select count(*) from monitoring_internal.exposition_chunks_at(now(), '{}', 'prometheus') as piece where piece ~ 'pgvigil_up 1'),
    1::bigint, 'exposition_chunks_at gives the facts once, at the end');
select ok(
    monitoring_internal.exposition_facts_at(now(), '[]') ~ 'pgvigil_export_series 0',
    'exposition_facts_at of nothing is a page''s facts all the same');
select ok(
    'pgvigil_up' = any (monitoring_internal.exposition_fact_names())
    and not exists (
        select 1
        from regexp_matches(monitoring_internal.exposition_facts_at(now(), '[]'), '# TYPE (\S+)', 'g') as match
        where match[1] <> all (monitoring_internal.exposition_fact_names())),
    'exposition_fact_names names every family that exposition_facts_at writes');
select ok(
    has_function_privilege('monitoring_exporter', 'monitoring.export_metrics_prometheus(text, text)', 'execute')
    and not has_function_privilege('monitoring_collector', 'monitoring.export_metrics_prometheus(text, text)', 'execute'),
    'who scrapes may call it, who only writes may not');

-- The cost is linear in the number of names: comparing each with each took four seconds for these.
select monitoring_internal.register_families((
    select jsonb_agg(jsonb_build_object('name', 'pg_t_name_' || n, 'kind', case when n % 10 = 0 then 'histogram' else 'gauge' end))
    from generate_series(1, 4000) as n));
set local statement_timeout = '2s';
select ok((select count(*) from monitoring_internal.exposed_families) > 4000, 'thousands of names take milliseconds');
set local statement_timeout = 0;

-- readiness_fault: what /readyz says.
select is(
    monitoring_internal.readiness_fault((select max(version) from monitoring.schema_migrations)), null,
    'a program of the same version is ready');
select matches(
    monitoring_internal.readiness_fault('9999'), 'this program needs 9999; run: pgvigil migrate up',
    'a newer program names the command');
insert into monitoring.schema_migrations (version, name, checksum, tool_version)
values ('9998', '9998_test', repeat('0', 64), 'test');
select is(monitoring_internal.readiness_fault('0007'), null, 'a newer schema that breaks nothing is no fault');
update monitoring.schema_migrations set is_breaking = true where version = '9998';
select matches(
    monitoring_internal.readiness_fault('0007'), 'install a newer pgvigil', 'one that breaks something is');

select * from finish();
rollback;
