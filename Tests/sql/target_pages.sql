-- A page for each target, and the list of pages.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_reader, monitoring_exporter;

select monitoring.create_tenant('acme');
select monitoring.add_target('north', 'host=north.example');
select monitoring.add_target('south', 'host=south.example',
    tenant_id => (select tenant_id from monitoring.tenants where name = 'acme'));
select monitoring.ingest_samples(
    array['t_up', 't_up', 't_up', 't_up'],
    array['{}', '{"server": "north"}', '{"server": "web-1"}', '{"server": "south"}']::jsonb[],
    array[1, 2, 3, 4], array_fill(now(), array[4]));
select monitoring.ingest_samples(
    array['t_up', 't_up'], array['{"server": "south"}', '{"server": "north"}']::jsonb[], array[5, 6],
    array_fill(now(), array[2]), (select tenant_id from monitoring.tenants where name = 'acme'));

-- The sample lines of t_up on a page.
create function pg_temp.lines(p_server text default null) returns text language sql as $$
    select string_agg(line, ' ' order by line)
    from regexp_split_to_table(monitoring.export_metrics_prometheus(p_server), E'\n') as page (line)
    where line ~ '^t_up'
$$;
select is(pg_temp.lines(),
    't_up 1 t_up{server="north",tenant="acme"} 6 t_up{server="south"} 4 t_up{server="web-1"} 3',
    'the first page has what is no target''s of its tenant, also what a sender calls server');
select is(pg_temp.lines('north'), 't_up{server="north"} 2', 'the page of a target has its series alone');
select is(pg_temp.lines('south'), 't_up{server="south",tenant="acme"} 5', 'and each of its tenant');
select is(pg_temp.lines('local'), pg_temp.lines(), 'local is this server');
select is(pg_temp.lines(), pg_temp.lines('local'), 'a page does not last beyond its call');
select throws_ok($$ select monitoring.export_metrics_prometheus('nobody') $$, 'PV607', 'target "nobody" does not exist',
    'a page of nobody is an error');
select throws_ok($$ select * from monitoring.export_metrics_prometheus_lines(server => '') $$, 'PV607', null, 'so is one of nothing');
select ok(monitoring.export_metrics_prometheus('north') ~ '# TYPE t_up untyped\n', 'it is a whole page, with types');
select is((select string_agg(piece, '') from monitoring.export_metrics_prometheus_lines('{t_up}', 'north') as piece) ~ 't_up', false,
    'families can be left out of it');
select ok(monitoring.export_metrics_prometheus('north', 'openmetrics') ~ E'# EOF\n$', 'it comes as OpenMetrics too');
select set_config('pgvigil.export_server', 'north', true);
select is(pg_temp.lines(), 't_up 1 t_up{server="north",tenant="acme"} 6 t_up{server="south"} 4 t_up{server="web-1"} 3',
    'a setting of the caller''s changes no page');
select lives_ok($$ select monitoring_internal.choose_page(null) $$, 'choose_page takes it back');

select monitoring_internal.fail_target_at(target_id, '08006', 'connection refused', now()) is not null
from monitoring.targets where name = 'north';
select ok(monitoring.export_metrics_prometheus('north') ~ 'pg_up\{server="north"\} 0\n', 'a target that is down has a page that says so');

-- Only its own series are looked at ------------------------------------------------------------------
select monitoring.ingest_samples(
    array_fill('t_many'::text, array[3000]), array(select jsonb_build_object('n', g::text) from generate_series(1, 3000) as g),
    array_fill(1::float8, array[3000]), array_fill(now(), array[3000]));
analyze monitoring.series;
set local pgvigil.export_server = 'north';
create function pg_temp.plan() returns text language plpgsql as $$
declare
    v_line text;
    v_plan text = '';
begin
    for v_line in explain (costs off) select * from monitoring_internal.exposed_points loop
        v_plan := v_plan || v_line || E'\n';
    end loop;
    return v_plan;
end;
$$;
select matches(pg_temp.plan(), 'series_server_idx', 'a page finds its series by an index, whatever others there are');
select monitoring_internal.choose_page(null);

-- Which pages there are ----------------------------------------------------------------------------
select results_eq('select monitoring.export_servers()', $$ values ('north'), ('south') $$, 'each target has a page');
select is(
    monitoring.http_sd('host:9877'),
    '[
        {"targets": ["host:9877"], "labels": {"__metrics_path__": "/metrics", "__scheme__": "http", "__meta_pgvigil_server": "local"}},
        {"targets": ["host:9877"],
            "labels": {"__metrics_path__": "/metrics/north", "__scheme__": "http", "__meta_pgvigil_server": "north",
                "instance": "north"}},
        {"targets": ["host:9877"],
            "labels": {"__metrics_path__": "/metrics/south", "__scheme__": "http", "__meta_pgvigil_server": "south",
                "instance": "south"}}
    ]'::jsonb, 'Prometheus is told of all of them');
select is(monitoring.http_sd('h:1', '/m', 'https') #>> '{1,labels,__metrics_path__}', '/m/north', 'where they are');
select is(monitoring.http_sd('h:1', '/m', 'https') #>> '{1,labels,__scheme__}', 'https', 'and how they are asked for');
select monitoring.set_target('south', is_enabled => false);
select results_eq('select monitoring.export_servers()', $$ values ('north') $$, 'one that is switched off has none');
select monitoring.set_target('south', is_enabled => true);

create role pgvigil_test_pages login in role monitoring_reader;
select monitoring.add_tenant_member('pgvigil_test_pages', 'acme');
set local role pgvigil_test_pages;
select results_eq('select monitoring.export_servers()', $$ values ('south') $$, 'a reader is told of its tenant''s');
select is((select jsonb_array_length(monitoring.http_sd('h:1'))), 2, 'by service discovery too');
select ok(monitoring.export_metrics_prometheus('south') ~ 't_up\{server="south",tenant="acme"\} 5', 'it sees their pages');
select throws_ok($$ select monitoring.export_metrics_prometheus('north') $$, 'PV607', null, 'and no others');
reset role;
set local role monitoring_exporter;
select ok(monitoring.export_metrics_prometheus('north') ~ 't_up\{server="north"\} 2', 'the exporter sees all');
reset role;

select * from finish();
rollback;
