-- Collectors of snapshots: what their files may say, what their statements give, and who stores their rows.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
update monitoring.collectors set is_enabled = false;

-- A sink made by the test: its type, its table, its one function.
create type monitoring_internal.shelf_row as (place text, size bigint, seen_at timestamptz, notes text[]);
create table public.shelves (
    target_database_id integer, place text, size bigint, seen_at timestamptz, notes text[], stored_at timestamptz);
grant all on public.shelves to monitoring_owner;
create function monitoring_internal.store_shelf_at(p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint language plpgsql as $$
declare
    v_stored bigint;
begin
    insert into public.shelves
    select p_target_database_id, shelf.*, p_now
    from (select (unnest(p_rows)::monitoring_internal.shelf_row).*) as shelf;
    get diagnostics v_stored = row_count;
    return v_stored;
end;
$$;

create function pg_temp.source(
    p_columns text default E'--! column place\n--! column size\n--! column seen_at\n--! column notes\n',
    p_body text default $body$
select * from (values
    ('a "quoted", (odd) one', 1::bigint, timestamptz '2026-01-02 03:04:05.678+00', array['x', null, 'y,z']),
    ('', null, null, '{}'), (null, 9007199254740993, 'infinity', null)
) as shelf (place, size, seen_at, notes)
$body$, p_header text default E'--! sink shelf\n')
returns text language sql as $$
    select format(E'-- shelves.sql: made by a test.\n--! collector shelves\n--! every 10s\n--! scope instance\n'
        '--! tier fast\n--! cap 3\n%s--! query only\n%s--! version 10-\n%s', p_header, p_columns, p_body)
$$;
create function pg_temp.faults(p_source text) returns text language sql as $$
    select string_agg(format('%s: %s', found.line_number, found.fault), ' | ')
    from monitoring_internal.collector_faults('shelves', p_source) as found
$$;

-- Files --------------------------------------------------------------------------------------------
select is(pg_temp.faults(pg_temp.source()), null, 'a snapshot whose columns are those of its sink is a good file');
select is(
    pg_temp.faults(pg_temp.source(E'--! column size\n--! column place\n--! column seen_at\n--! column notes\n')),
    '8: the columns are size, place, seen_at, notes, those of the sink place, size, seen_at, notes',
    'another order is refused');
select is(
    pg_temp.faults(pg_temp.source(E'--! column place\n--! column size\n--! column seen_at\n')),
    '8: the columns are place, size, seen_at, those of the sink place, size, seen_at, notes', 'a missing column is');
select is(
    pg_temp.faults(pg_temp.source('')),
    '8: the columns are missing, those of the sink place, size, seen_at, notes', 'and none at all');
select is(
    pg_temp.faults(pg_temp.source(p_header => E'--! sink nowhere\n')),
    '7: the sink has no function monitoring_internal.store_nowhere_at(integer, text[], timestamptz) | '
    '7: the sink has no type monitoring_internal.nowhere_row', 'a sink that is not there is');
select is(
    pg_temp.faults(pg_temp.source(p_header => E'--! sink pg_class; drop\n')),
    '7: "sink pg_class; drop" is not of the form: sink NAME', 'a sink is a name');
select is(
    pg_temp.faults(pg_temp.source(
        E'--! column place\n--! column size\n--! column seen_at\n--! column notes\n--! label folded\n'
        '--! metric more shelves_more gauge number More.\n', 'select place, size, seen_at, notes, folded, more')),
    '13: "label" belongs to a collector without a sink | 14: "metric" belongs to a collector without a sink',
    'a snapshot has neither labels nor metrics');
select is(
    pg_temp.faults(pg_temp.source(
        E'--! label place\n--! metric size shelves_size gauge number S.\n--! column seen_at\n', p_header => '')),
    '10: "column" belongs to a collector with a sink', 'and samples have no such columns');
select is(
    pg_temp.faults(pg_temp.source(E'--! label place\n', p_header => '')),
    '7: the query has no "metric COLUMN NAME counter or gauge UNIT HELP"', 'without a sink a metric is needed, as ever');
select isnt_empty(
    $$ select 1 from monitoring_internal.collector_sink_faults(pg_temp.source('')) $$, 'the sink has faults of its own');

-- Runs ---------------------------------------------------------------------------------------------
create function pg_temp.run() returns monitoring.collector_runs language sql as $$
    select run.*
    from monitoring_internal.claim_named_collections(null, array['shelves']) as claim
    cross join lateral monitoring_internal.run_collection(claim.collector_id, claim.fence) as run;
$$;
select monitoring_internal.load_collector('shelves', pg_temp.source());
select is((select sink from monitoring.collectors where name = 'shelves'), 'shelf', 'the registry knows the sink');
select results_eq(
    $$ select status, rows_read, samples, rejected, folded from pg_temp.run() $$,
    $$ values ('ok', 3::bigint, 3::bigint, 0::bigint, 0::bigint) $$, 'a run says how many rows were read and stored');
select results_eq(
    $$ select target_database_id, place, size, seen_at, notes from public.shelves $$,
    $$ values
        (0, 'a "quoted", (odd) one', 1::bigint, timestamptz '2026-01-02 03:04:05.678+00', array['x', null, 'y,z']),
        (0, '', null, null, '{}'), (0, null, 9007199254740993, 'infinity', null) $$,
    'every value arrives as it was, in order, nulls as nulls and nothing as nothing');
select is(
    (select count(distinct shelf.stored_at) from public.shelves as shelf
        inner join monitoring.collector_runs as run on run.started_at = shelf.stored_at), 1::bigint,
    'with the time at which the run began');
truncate public.shelves;
select monitoring_internal.load_collector('shelves', pg_temp.source(
    E'--! column place\n--! column size\n--! column seen_at\n--! column notes\n'
    '--! folded folded\n--! excluded left_out\n--! gap gap\n',
    $$ select g::text as place, g::bigint as size, 2 as folded, 1 as left_out,
        case when g = 2 then 'held' end as gap -- and neither seen_at nor notes
    from generate_series(1, 6) as g $$));
select results_eq(
    $$ select status, rows_read, samples, folded, excluded, gaps from pg_temp.run() $$,
    $$ values ('ok', 6::bigint, 3::bigint, 14::bigint, 6::bigint, 1::bigint) $$,
    'the cap holds, and what is folded, left out and missing is counted');
select results_eq(
    $$ select place, size, seen_at, notes from public.shelves $$,
    $$ values ('1', 1::bigint, null::timestamptz, null::text[]), ('3', 3, null, null), ('4', 4, null, null) $$,
    'a column that the server does not have is null');
truncate public.shelves;
select monitoring_internal.load_collector('shelves', pg_temp.source(p_body =>
    'select null::text as place, 1::bigint as size, now() as seen_at, null::text[] as notes where false'));
select results_eq(
    $$ select status, rows_read, samples from pg_temp.run() $$, $$ values ('ok', 0::bigint, 0::bigint) $$,
    'no rows are a snapshot as well');
create or replace function monitoring_internal.store_shelf_at(p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint language plpgsql as $$ begin raise exception 'the shelf broke' using errcode = 'PV999'; end; $$;
update monitoring.collectors set is_enabled = name = 'shelves';
update monitoring.collector_states set next_due_at = '-infinity';
select is(monitoring_internal.collect_database_metrics_at(now()), 0, 'a sink that fails stores nothing');
select results_eq(
    $$ select run.status, run.sqlstate, run.reason from monitoring.collector_runs as run
        inner join monitoring.collectors using (collector_id) where name = 'shelves' and run.status <> 'ok' $$,
    $$ values ('failed', 'PV999', 'the shelf broke') $$, 'and is the failure of that collector alone');

-- Parts --------------------------------------------------------------------------------------------
select matches(
    monitoring_internal.wrap_snapshot_body(collector_id, 'only', 'select 1', array['size']),
    'row\(null, result\.size, null, null\)::text', 'a statement gives rows in the order of the type')
from monitoring.collectors where name = 'shelves';
select matches(monitoring_internal.wrap_body(collector_id, 'server', 'select 1 as up', array['up']),
    'as metric, .* as labels, ', 'samples are wrapped as such')
from monitoring.collectors where name = 'instance';
select throws_ok($$ select monitoring_internal.store_snapshot_at('shelf', 0, '{}', now()) $$, 'PV999', null,
    'a snapshot goes to the function of its sink');

select * from finish();
rollback;
