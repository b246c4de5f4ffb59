-- The parts that reading, preparing and running a collector is made of, one by one.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.source() returns text language sql as $$
    select E'-- parts_one.sql: for tests.\n--! collector parts_one\n--! every 10s\n--! scope instance\n--! tier fast\n'
        '--! cap 7\n--! needs extension pgtap\n--! query only\n--! label place\n'
        '--! metric value parts_one_value gauge number A value.\n--! metric later parts_one_later gauge number Later.\n'
        '--! version 15-\nselect ''a'' as place, 1 as value,\n    2 as later, --! 90-\n    :cap as cap, '
        ':"pgtap".pgtap_version() as tap'
$$;
create function pg_temp.id() returns integer language sql as $$
    select collector_id from monitoring.collectors where name = 'parts_one'
$$;

-- Reading ------------------------------------------------------------------------------------------
select is_empty(
    $$ select * from monitoring_internal.collector_line_faults('parts_one', pg_temp.source())
        union all select * from monitoring_internal.collector_structure_faults(pg_temp.source())
        union all select * from monitoring_internal.collector_column_faults(pg_temp.source()) $$, 'a good file');
select results_eq(
    $$ select line_number from monitoring_internal.collector_line_faults('parts_two', pg_temp.source()) $$,
    $$ values (2) $$, 'a line has a fault');
select results_eq(
    $$ select line_number, fault from monitoring_internal.collector_structure_faults(
        replace(pg_temp.source(), '--! cap 7', '--')) $$,
    $$ values (1, 'the header has no "cap ROWS"') $$, 'a line is missing');
select results_eq(
    $$ select line_number, fault from monitoring_internal.collector_column_faults(
        replace(pg_temp.source(), 'label place', 'label plac')) $$,
    $$ values (9, 'no version of the query names column "plac"') $$, 'a column is misspelt');

-- Storing ------------------------------------------------------------------------------------------
select is(monitoring_internal.store_collector('parts_one', pg_temp.source()), pg_temp.id(), 'its row is written');
select lives_ok($$ select monitoring_internal.store_collector_queries(pg_temp.id(), pg_temp.source()) $$,
    'its queries are');
select is((select count(*) from monitoring.collector_columns where collector_id = pg_temp.id()), 3::bigint,
    'with their columns');
select lives_ok($$ select monitoring_internal.register_collector_families(pg_temp.id()) $$, 'the store learns of them');
select is((select stale_after from monitoring.metric_families where name = 'parts_one_value'), interval '30s',
    'and when they are stale');

-- Preparing ----------------------------------------------------------------------------------------
grant usage on schema tap to monitoring_owner;
select is_empty($$ select * from monitoring_internal.collector_obstacle(pg_temp.id()) $$, 'nothing is in its way');
select is(monitoring_internal.collector_fingerprint(pg_temp.id()),
    format('%s pgtap=%s@tap', current_setting('server_version_num'),
        (select extversion from pg_extension where extname = 'pgtap')),
    'its statement depends on the server and the extension');
select is(
    monitoring_internal.fit_collector_body(pg_temp.id(), (
        select body from monitoring.collector_variants where collector_id = pg_temp.id())),
    E'select ''a'' as place, 1 as value,\n    7 as cap, tap.pgtap_version() as tap',
    'lines of other versions go, the cap and the extension''s schema are filled in');
select matches(
    monitoring_internal.wrap_collector_body(pg_temp.id(), 'only', 'select 1', array['place', 'value']),
    'result\.value::double precision.*<= 8 ', 'the statement casts its metrics and keeps the cap');
select results_eq(
    $$ select statement is not null, sqlstate from monitoring_internal.probe_collector_query(pg_temp.id(), 'only') $$,
    $$ values (true, null::text) $$, 'the server accepts it');
select monitoring_internal.prepare_collector(pg_temp.id());
select is((select count(*) from monitoring_internal.collector_statements where collector_id = pg_temp.id()), 1::bigint,
    'and it is kept');

-- Running ------------------------------------------------------------------------------------------
select is((monitoring_internal.collection_hindrance(pg_temp.id())).status, null, 'it can run');
select results_eq(
    $$ select (outcome).status, (outcome).rows_read, metric, labels, value
        from monitoring_internal.read_collector(pg_temp.id()) $$,
    $$ values ('ok', 1::bigint, array['parts_one_value'], array['{"place": "a"}'::jsonb], array[1::double precision]) $$,
    'its rows become arrays of samples');
select is((select (outcome).status from monitoring_internal.measure_collector(pg_temp.id())), 'ok', 'read-only too');
select is(
    (select count(*) from pg_prepared_statements where name ~ '^pgvigil_' and statement ~ 'parts_one_value'), 1::bigint,
    'the statement is planned once in a session');
select is(monitoring_internal.kept_statement('select 1 as one'), 'execute pgvigil_' || md5('select 1 as one'),
    'a statement runs under a name of its own');
do $$
begin
    execute format('deallocate %I', 'pgvigil_' || md5('select 1 as one'));
    execute format('prepare %I as select 2 as one', 'pgvigil_' || md5('select 1 as one'));
end
$$;
select monitoring_internal.kept_statement('select 1 as one');
select is(
    (select statement from pg_prepared_statements where name = 'pgvigil_' || md5('select 1 as one')),
    format('prepare %I as select 1 as one', 'pgvigil_' || md5('select 1 as one')),
    'one that somebody else prepared under that name is never run');
update monitoring_internal.collector_statements set statement = 'delete from monitoring.settings returning 1'
where collector_id = pg_temp.id();
select is((select (outcome).sqlstate from monitoring_internal.measure_collector(pg_temp.id())), '25006',
    'where nothing can be written');
select is(current_setting('transaction_read_only'), 'off', 'though what calls it can write');
create role pgvigil_test_parts nologin;
insert into monitoring.collector_needs values (pg_temp.id(), 'role', 'pgvigil_test_parts', '');
select is((monitoring_internal.collection_hindrance(pg_temp.id())).remedy, 'grant pgvigil_test_parts to monitoring_owner;',
    'a need that is not met is a hindrance, with its remedy');
select monitoring_internal.measure_collection_at('parts_one', 'failed', 0.25, now());
select is(
    (select array_agg(point.value order by point.value) from monitoring.samples as point
        inner join monitoring.series as series using (series_id) where series.labels = '{"collector": "parts_one"}'),
    array[0, 0.25]::double precision[], 'a run says how long it took and that it failed');

-- Ending -------------------------------------------------------------------------------------------
update monitoring.collectors set is_enabled = name = 'parts_one';
select is(monitoring_internal.collect_database_metrics_at(now() - interval '1 minute'), 0, 'what is due at a time runs');
select is((select status from monitoring.collector_status where name = 'parts_one'), 'unavailable', 'and is logged');
create temporary table leased as
select * from monitoring_internal.claim_collections_at(null, 1, array['parts_one'], '2026-01-02');
select monitoring_internal.log_missed_collections_at(array[pg_temp.id()], '2026-01-03');
select is(
    (select count(*) from monitoring.collector_gaps where collector_id = pg_temp.id() and started_at < '2026-01-03'
        and reason = 'no service was running it'), 0::bigint, 'what is leased is not missed');
select monitoring_internal.log_abandoned_collections_at(array[pg_temp.id()], '2026-01-03');
select is((select duration_seconds from monitoring.collector_runs
        where collector_id = pg_temp.id() and finished_at = '2026-01-03'), 86400::double precision,
    'what is not reported is logged for as long as it was leased');
select throws_ok(
    $$ select monitoring_internal.release_collection(run, collector, -1)
        from monitoring.collector_runs as run inner join monitoring.collectors as collector using (collector_id)
        where run.collector_id = pg_temp.id() limit 1 $$,
    'PV403', null, 'and nobody else ends the lease');

select * from finish();
rollback;
