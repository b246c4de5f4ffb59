-- Running collectors: what becomes of their rows, of their faults, and of what the server lacks.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_owner, monitoring_reader, monitoring_admin;
update monitoring.collectors set is_enabled = false;

-- A collector of one query with a label and a metric; p_header and p_columns add lines.
create function pg_temp.make(p_name text, p_body text, p_header text default '', p_columns text default '')
returns void language sql as $$
    select monitoring_internal.load_collector(p_name, format(E'-- %1$s.sql: made by a test.\n'
        '--! collector %1$s\n--! every 10s\n--! scope instance\n--! tier fast\n--! cap 3\n%2$s'
        '--! query only\n--! label place\n--! metric value %1$s_value gauge number A value.\n%3$s%4$s',
        p_name, p_header, p_columns,
        case when p_body ~ '^--!' then p_body else E'--! version 10-\n' || p_body end));
$$;

-- Run one collector, due or not, and give its log line.
create function pg_temp.run(p_name text) returns monitoring.collector_runs language sql as $$
    select run.*
    from monitoring_internal.claim_named_collections(null, array[p_name]) as claim
    cross join lateral monitoring_internal.run_collection(claim.collector_id, claim.fence) as run;
$$;

create temporary view stored as
select family.name as metric, series.labels, point.value, point.sampled_at
from monitoring.samples as point
inner join monitoring.series as series using (series_id)
inner join monitoring.metric_families as family using (metric_family_id);

-- Rows become samples ------------------------------------------------------------------------------
select pg_temp.make('plain', $$
select * from (values
    ('a', 1::numeric), ('b', null), ('', 0), (null, 1e13), ('big', 9.99e307), ('nan', 'NaN')
) as sample (place, value)
$$, '', '');
update monitoring.collectors set row_cap = 100 where name = 'plain';
select results_eq(
    $$ select status, rows_read, rejected, reason from pg_temp.run('plain') $$,
    $$ values ('ok', 6::bigint, 1::bigint, null) $$, 'a run says how many rows it read and how many samples were refused');
select results_eq(
    $$ select labels, value from stored where metric = 'plain_value' and labels <> '{}' order by value $$,
    $$ values ('{"place": "a"}'::jsonb, 1::double precision), ('{"place": "big"}', 9.99e307) $$,
    'a null is no sample, never a zero, and large values are kept as they are');
select is(
    (select count(*) from stored where metric = 'plain_value' and labels = '{}'), 1::bigint,
    'null and empty labels are left out, and two rows that name the same thing are one sample');
select is(
    (select samples from monitoring.collector_status where name = 'plain'),
    (select count(*) from stored where metric = 'plain_value'), 'samples counts what was stored');
select results_eq(
    $$ select metric, value from stored where labels = '{"collector": "plain"}'
        and metric = 'pg_scrape_collector_success' $$,
    $$ values ('pg_scrape_collector_success', 1::double precision) $$, 'a run measures itself');
select isnt_empty(
    $$ select 1 from stored inner join monitoring.collector_runs as run on run.started_at = stored.sampled_at
        where metric = 'plain_value' and run.duration_seconds > 0 and run.finished_at > run.started_at $$,
    'samples carry the time at which their run began, and the run took time');

-- Large counters (a column of numeric(15,6) would overflow at 10^9)
select pg_temp.make('large', $$ select 'x' as place, 10000000000000::bigint as value $$);
select results_eq(
    $$ select status, samples from pg_temp.run('large') $$, $$ values ('ok', 1::bigint) $$, 'ten million million is stored');
select is(
    (select value from stored where metric = 'large_value'), 1e13::double precision, 'without losing a digit');

-- The cap, what is folded, left out and missing ----------------------------------------------------
select pg_temp.make('capped', $$
select g::text as place, g as value, 2 as folded, 1 as left_out, null::text as gap from generate_series(1, 6) as g
$$, '', E'--! folded folded\n--! excluded left_out\n--! gap gap\n');
select results_eq(
    $$ select status, rows_read, samples, folded, excluded from pg_temp.run('capped') $$,
    $$ values ('ok', 6::bigint, 4::bigint, 14::bigint, 6::bigint) $$,
    'beyond the cap and one row nothing is stored, and what was folded is counted');
select pg_temp.make('gapped', $$
select 'seen' as place, 1 as value, null as gap
union all select 'locked', 2, 'somebody locks it'
$$, '', E'--! gap gap\n');
select results_eq(
    $$ select status, rows_read, samples, gaps from pg_temp.run('gapped') $$,
    $$ values ('ok', 2::bigint, 1::bigint, 1::bigint) $$, 'a row with a reason to be missing stores nothing');
select results_eq(
    $$ select g.labels, g.status, g.reason, g.ended_at is null, g.missed from monitoring.collector_gaps as g
        inner join monitoring.collectors as c using (collector_id) where c.name = 'gapped' $$,
    $$ values ('{"place": "locked"}'::jsonb, 'ok', 'somebody locks it', true, 1::bigint) $$,
    'it is a gap with its reason');

-- Faults -------------------------------------------------------------------------------------------
select pg_temp.make('division', $$ select 'a' as place, 1 / (value - 1) as value from (values (1)) as v (value) $$);
select pg_temp.make('column_gone', $$ select 'a' as place, nonsense as value from pg_class $$);
select pg_temp.make('writer', $$ select 'a' as place, nextval('monitoring_internal.collection_fence') as value $$);
select pg_temp.make('wrong_type', $$ select 'a' as place, 'text' as value, now() as more where true $$);
create function public.unqualified() returns integer language sql as 'select 1';
select pg_temp.make('searched', $$ select 'a' as place, unqualified() as value $$);
create temporary view logged as
select c.name, run.status, run.sqlstate, run.reason, run.remedy, run.samples
from monitoring.collector_runs as run inner join monitoring.collectors as c using (collector_id);
update monitoring.collectors set is_enabled = name in (
    'division', 'column_gone', 'writer', 'wrong_type', 'searched', 'plain', 'large');
update monitoring.collector_states set next_due_at = '-infinity';
select cmp_ok(monitoring_internal.collect_database_metrics_at(now()), '>', 0, 'broken collectors stop no other');
select results_eq(
    $$ select name, status, sqlstate from logged where name not in ('plain', 'large', 'capped', 'gapped') order by name $$,
    $$ values ('column_gone', 'failed', '42703'), ('division', 'failed', '22012'), ('searched', 'failed', '42883'),
        ('writer', 'failed', '25006'), ('wrong_type', 'failed', '22P02') $$,
    'each failure is logged with its SQLSTATE; none may write, or find functions by the search path');
select is(
    (select count(*) from logged where name in ('plain', 'large') and status = 'ok'), 4::bigint,
    'and the others ran');
select results_eq(
    $$ select g.labels, g.status, g.sqlstate from monitoring.collector_gaps as g
        inner join monitoring.collectors as c using (collector_id) where c.name = 'division' and g.ended_at is null $$,
    $$ values ('{}'::jsonb, 'failed', '22012') $$, 'a failure is a gap of the whole collector');
select is(monitoring_internal.collect_database_metrics_at(now()), 0, 'nothing is due twice');
select results_eq(
    $$ select (o).status, (o).remedy from (
        select monitoring_internal.collection_outcome_of_error(e.state, 'x') as o
        from (values (1, '57014'), (2, '55P03'), (3, '42501'), (4, '55000'), (5, 'XX000')) as e (n, state) order by e.n
    ) as outcome $$,
    $$ values ('timed_out', null), ('skipped', null), ('unavailable', null), ('unavailable', null), ('failed', null) $$,
    'a SQLSTATE says what a run is called');

-- Variants -----------------------------------------------------------------------------------------
select pg_temp.make('versions', E'--! version 10-16\nselect ''old'' as place, 1 as value\n'
    '--! version 17-\nselect ''new'' as place, 1 as value');
select is(
    (select status from pg_temp.run('versions')), 'ok', 'a variant fits');
select is(
    (select labels ->> 'place' from stored where metric = 'versions_value'),
    case when current_setting('server_version_num')::integer >= 170000 then 'new' else 'old' end,
    'it is that of this version');
select pg_temp.make('newest', E'--! version 10-11\nselect ''eleven'' as place, 1 as value\n'
    '--! version 12-13\nselect ''thirteen'' as place, 1 as value\n'
    '--! version 14-14\nselect gone as place, 1 as value');
select is((select status from pg_temp.run('newest')), 'ok', 'a server newer than all variants is tried with them');
select is(
    (select labels ->> 'place' from stored where metric = 'newest_value'), 'thirteen',
    'and takes the newest that it accepts');
select pg_temp.make('future', E'--! version 90-\nselect ''x'' as place, 1 as value');
select results_eq(
    $$ select status, reason, samples from pg_temp.run('future') $$,
    $$ values ('skipped', 'no query of it runs on a server of this version and role', 0::bigint) $$,
    'a collector for later versions waits for them');
select pg_temp.make('guarded', E'--! version 10-\nselect ''a'' as place,\n    1 as newer, --! 90-\n    3 as value',
    '', E'--! metric newer guarded_newer gauge number Not here yet.\n');
select results_eq(
    $$ select status, samples from pg_temp.run('guarded') $$, $$ values ('ok', 1::bigint) $$,
    'a line of a later version is left out, and its column is no zero');
select is_empty($$ select 1 from stored where metric = 'guarded_newer' $$, 'it is nothing');
select is(
    (select cardinality(monitoring_internal.present_columns(
        c.collector_id, 'only', 'select 1 as place, 2 as value')) from monitoring.collectors as c where c.name = 'guarded'),
    2, 'columns are found by asking');
select is(
    (select fingerprint from monitoring_internal.collector_statements as s
        inner join monitoring.collectors as c using (collector_id) where c.name = 'guarded'),
    current_setting('server_version_num'), 'what was found is kept for this version');
update monitoring_internal.collector_statements set fingerprint = '1', statement = 'select broken';
select is((select status from pg_temp.run('guarded')), 'ok', 'and found anew on another');
update monitoring_internal.collector_statements as s set statement = 'select broken'
from monitoring.collectors as c where c.collector_id = s.collector_id and c.name = 'guarded';
select is((select sqlstate from pg_temp.run('guarded')), '42703', 'a statement that no longer fits fails once');
select is((select status from pg_temp.run('guarded')), 'ok', 'and is found anew');
select pg_temp.make('standby_only', 'select 1 as place, 1 as value');
update monitoring.collector_queries as q set server_role = 'standby'
from monitoring.collectors as c where c.collector_id = q.collector_id and c.name = 'standby_only';
select is((select status from pg_temp.run('standby_only')), 'skipped', 'a query of a standby does not run on a primary');

-- Needs --------------------------------------------------------------------------------------------
create role pgvigil_test_missing_right nologin;
select pg_temp.make('needs_role', 'select 1 as place, 1 as value', E'--! needs role pgvigil_test_missing_right\n');
select results_eq(
    $$ select status, reason, remedy, samples from pg_temp.run('needs_role') $$,
    $$ values ('unavailable', 'role monitoring_owner is no member of pgvigil_test_missing_right',
        'grant pgvigil_test_missing_right to monitoring_owner;', 0::bigint) $$,
    'without the right it is unavailable, with the grant that mends it');
select is_empty($$ select 1 from stored where metric = 'needs_role_value' $$, 'and its value is not zero: there is none');
select results_eq(
    $$ select status, reason, remedy from monitoring.collector_status where name = 'needs_role' $$,
    $$ values ('unavailable', 'role monitoring_owner is no member of pgvigil_test_missing_right',
        'grant pgvigil_test_missing_right to monitoring_owner;') $$,
    'collector_status shows both');
do $$ begin execute (select remedy from monitoring.collector_status where name = 'needs_role'); end $$;
select is((select status from pg_temp.run('needs_role')), 'ok', 'that very statement mends it');
select results_eq(
    $$ select status, missed, ended_at is not null from monitoring.collector_gaps as g
        inner join monitoring.collectors as c using (collector_id) where c.name = 'needs_role' $$,
    $$ values ('unavailable', 1::bigint, true) $$, 'and ends the gap');
select pg_temp.make('needs_setting', 'select 1 as place, 1 as value', E'--! needs setting enable_sort off\n');
select results_eq(
    $$ select status, reason, remedy from pg_temp.run('needs_setting') $$,
    $$ values ('unavailable', 'setting enable_sort is "on", not "off"',
        'alter system set enable_sort = ''off''; select pg_reload_conf();') $$, 'a setting can be needed');
select pg_temp.make('needs_new', 'select 1 as place, 1 as value', E'--! needs extension pgtap 99.1\n');
select matches((select reason from pg_temp.run('needs_new')), '^extension pgtap is version [0-9.]+, older than 99\.1$',
    'or an extension of some version');
select is((select remedy from monitoring.collector_status where name = 'needs_new'), 'alter extension pgtap update;',
    'which is updated');
select pg_temp.make('needs_absent', 'select 1 as place, 1 as value', E'--! needs extension not-there\n');
select results_eq(
    $$ select status, remedy from pg_temp.run('needs_absent') $$,
    $$ values ('unavailable', 'create extension "not-there";') $$, 'or made');
select pg_temp.make('uses_extension',
    'select pg_typeof(:"pgtap".pgtap_version())::text as place, :"pgtap".pg_version_num() as value, :cap as unused',
    E'--! needs extension pgtap\n');
select results_eq(
    $$ select status, samples from pg_temp.run('uses_extension') $$, $$ values ('ok', 1::bigint) $$,
    'an extension''s schema is looked up, since the search path is restricted');
alter extension pgtap set schema public;
set local search_path = public, pg_catalog;
select results_eq(
    $$ select status, samples from pg_temp.run('uses_extension') $$, $$ values ('ok', 1::bigint) $$,
    'and looked up again when it moves');
alter extension pgtap set schema tap;
set local search_path = tap, pg_catalog;

-- The shipped collectors without pg_monitor: hidden columns would read as nothing at all.
create temporary table before as select count(*) as samples from stored where metric ~ '^pg_stat_activity_';
revoke pg_monitor from monitoring_owner;
select results_eq(
    $$ select (pg_temp.run(name)).status, (select remedy from monitoring.collector_status as s where s.name = c.name)
        from monitoring.collectors as c where name in ('activity', 'checkpoint_wal', 'locks', 'replication') order by name $$,
    $$ select 'unavailable', null::text from generate_series(1, 4) $$, 'without pg_monitor they are unavailable');
select results_eq(
    $$ select distinct reason, remedy from monitoring.collector_status
        where name in ('activity', 'checkpoint_wal', 'locks', 'replication') $$,
    $$ values ('role monitoring_owner is no member of pg_monitor',
        'grant pg_monitor to monitoring_owner;') $$, 'with the exact grant');
select is((select count(*) from stored where metric ~ '^pg_stat_activity_'), (select samples from before),
    'and store nothing, least of all zeros');
select is((select status from pg_temp.run('instance')), 'ok', 'others need no right');
select is((monitoring_internal.collection_outcome_of_error('42501', 'no')).remedy, 'grant pg_monitor to monitoring_owner;',
    'a right found missing while it runs has the same remedy');
do $$ begin execute (select remedy from monitoring.collector_status where name = 'activity'); end $$;
select is((select status from pg_temp.run('activity')), 'ok', 'that very statement mends it');

-- The limit for locks reaches the server as the length of time it was set to -------------------------
select monitoring.set_setting('collect.lock_timeout', '00:00:00.25');
set local lock_timeout = '7s';
select is(
    (select (measured.outcome).status from monitoring.collectors as collector
     cross join lateral monitoring_internal.measure_collector(collector.collector_id) as measured
     where collector.name = 'instance'), 'ok', 'a limit written as a clock time is taken, and the collector runs under it');
select is(current_setting('lock_timeout'), '7s', 'the caller''s own limit is in force again afterwards');
reset lock_timeout;

-- Rights -------------------------------------------------------------------------------------------
set local role monitoring_reader;
select is((select count(*) from monitoring.collector_status), 0::bigint,
    'who does not see the system tenant sees no states');
select throws_ok('select monitoring.collect_database_metrics()', '42501', null, 'and cannot collect');
set local role monitoring_admin;
select cmp_ok((select count(*) from monitoring.collector_status), '>', 8::bigint, 'an administrator sees them');
select lives_ok('select monitoring.collect_database_metrics()', 'and can collect');
reset role;

select * from finish();
rollback;
