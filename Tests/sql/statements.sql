-- Statement statistics: snapshots become intervals, whatever was reset, evicted, nested or cut in between.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
-- The clock of the snapshots: minute n after this.
create function pg_temp.at(p_minute numeric) returns timestamptz language sql as $$
    select '2026-03-01 12:00+00'::timestamptz + p_minute * interval '1 minute';
$$;

-- One entry as the collector gives it; what is not named is as of a statement that did nothing else.
create function pg_temp.entry(p_queryid bigint, p_calls bigint, p_total float8, p_more jsonb default '{}')
returns text language sql as $$
    select jsonb_populate_record(null::monitoring_internal.statements_row, jsonb_build_object(
        'queryid', p_queryid, 'userid', 10, 'dbid', 5, 'is_toplevel', true, 'calls', p_calls,
        'total_exec_time', p_total, 'min_exec_time', 0.5, 'max_exec_time', 50, 'stddev_exec_time', 0,
        'rows_processed', p_calls, 'shared_blks_hit', 0, 'shared_blks_read', 0, 'shared_blks_dirtied', 0,
        'shared_blks_written', 0, 'local_blks_hit', 0, 'local_blks_read', 0, 'local_blks_dirtied', 0,
        'local_blks_written', 0, 'temp_blks_read', 0, 'temp_blks_written', 0, 'blk_read_time', 0,
        'blk_write_time', 0, 'temp_blk_time', 0, 'plans', 0, 'total_plan_time', 0, 'wal_records', 0, 'wal_fpi', 0,
        'wal_bytes', 0, 'jit_functions', 0, 'jit_time', 0) || p_more)::text;
$$;

-- Store a snapshot of server p_server taken at a minute; p_more changes its summary.
create function pg_temp.store(p_server integer, p_minute numeric, p_entries text[], p_more jsonb default '{}')
returns bigint language sql as $$
    select monitoring_internal.store_statements_at(
        p_server,
        array[jsonb_populate_record(null::monitoring_internal.statements_row, jsonb_build_object('summary',
            jsonb_build_object(
                'captured_at', pg_temp.at(p_minute), 'server_started_at', pg_temp.at(-1000), 'identity', '15 1.10',
                'entries', cardinality(p_entries), 'rows', cardinality(p_entries), 'hidden', 0, 'max_entries', 5000,
                'stats_reset_at', pg_temp.at(-1000), 'dealloc', 0, 'has_io_timing', true,
                'users', '{"10": "alice"}'::jsonb, 'databases', '{"5": "shop"}'::jsonb) || p_more))::text]
            || p_entries,
        pg_temp.at(p_minute));
$$;

-- What an interval that ended at a minute shows of a statement.
create function pg_temp.seen(p_server integer, p_minute numeric) returns setof monitoring.query_performance
language sql as $$
    select * from monitoring.query_performance
    where target_database_id = p_server and collected_at = pg_temp.at(p_minute);
$$;

-- Intervals -----------------------------------------------------------------------------------------
select is(
    pg_temp.store(1, 0, array[pg_temp.entry(7, 1000, 900000), pg_temp.entry(8, 5, 10)]), 0::bigint,
    'L-01: the first sight of a server gives no interval, whatever its counters hold');
select is(
    pg_temp.store(1, 1, array[pg_temp.entry(7, 1100, 900200), pg_temp.entry(8, 5, 10)]), 1::bigint,
    'L-05: what is returned is the rows that were written');
select results_eq(
    $$ select query_id, execution_count, total_exec_time, mean_exec_time, performance_category, user_name,
        database_name, started_at, collected_at, is_new, business_id from pg_temp.seen(1, 1) $$,
    $$ values (7::bigint, 100::bigint, 200::float8, 2::float8, 'excellent', 'alice', 'shop', pg_temp.at(0),
        pg_temp.at(1), false, monitoring.system_tenant_id()) $$,
    'L-01, L-03: 100 executions between two snapshots are 100, and their mean is the interval''s, not the lifetime''s');
select is(
    pg_temp.store(1, 1, array[pg_temp.entry(7, 1200, 900300)]), 0::bigint,
    'L-05: the same snapshot again, or an older one, changes nothing');
select is((select count(*) from pg_temp.seen(1, 1)), 1::bigint, 'and repeats no row');
select is(
    pg_temp.store(1, 2, array[pg_temp.entry(7, 1100, 900200), pg_temp.entry(8, 5, 10)]), 0::bigint,
    'statements that did not run have no row');
select is(
    pg_temp.store(1, 3, array[
        pg_temp.entry(7, 1101, 900260, '{"is_toplevel": true}'),
        pg_temp.entry(7, 3, 9, '{"is_toplevel": false}'), pg_temp.entry(7, 4, 8, '{"userid": 11}'),
        pg_temp.entry(7, 5, 5, '{"dbid": 6}'), pg_temp.entry(8, 5, 10)]), 4::bigint,
    'the key of an entry is user, database, queryid and toplevel');
select results_eq(
    $$ select execution_count, is_toplevel, is_new, shape, max_exec_time, user_name, database_name from pg_temp.seen(1, 3)
        order by execution_count $$,
    $$ values (1::bigint, true, false, 'cpu_bound', 60::float8, 'alice', 'shop'),
        (3, false, true, 'nested', 50, 'alice', 'shop'), (4, true, true, 'cpu_bound', 50, null, 'shop'),
        (5, true, true, 'cpu_bound', 50, 'alice', null) $$,
    'and an entry that is new in a complete snapshot has done all it shows in the interval');

-- Resets, evictions, other servers --------------------------------------------------------------------
select pg_temp.store(2, 0, array[pg_temp.entry(1, 100, 1000), pg_temp.entry(2, 100, 1000)]);
select pg_temp.store(2, 1, array[pg_temp.entry(1, 30, 60), pg_temp.entry(2, 150, 1500)],
    jsonb_build_object('stats_reset_at', pg_temp.at(0.5)));
select results_eq(
    $$ select query_id, execution_count, total_exec_time, is_new from pg_temp.seen(2, 1) order by query_id $$,
    $$ values (1::bigint, 30::bigint, 60::float8, true), (2, 150, 1500, true) $$,
    'L-01: after a reset everything counts from it, entries that have overtaken their old counters too');
select pg_temp.store(2, 2, array[pg_temp.entry(1, 10, 90), pg_temp.entry(2, 150, 1500)],
    jsonb_build_object('stats_reset_at', pg_temp.at(0.5)));
select results_eq(
    $$ select query_id, execution_count, total_exec_time from pg_temp.seen(2, 2) $$, $$ values (1::bigint, 10::bigint, 90::float8) $$,
    'a counter that fell tells that its entry was made anew');
select pg_temp.store(2, 3, array[pg_temp.entry(1, 10, 95), pg_temp.entry(2, 150, 1500)],
    jsonb_build_object('stats_reset_at', pg_temp.at(0.5)));
select is(
    (select execution_count from pg_temp.seen(2, 3)), 10::bigint, 'and so do as many calls that took another time');
select pg_temp.store(2, 4, array[pg_temp.entry(2, 151, 1510)],
    jsonb_build_object('stats_reset_at', pg_temp.at(0.5), 'dealloc', 1));
select results_eq(
    $$ select query_id, execution_count, is_lossy from pg_temp.seen(2, 4) $$, $$ values (2::bigint, 1::bigint, true) $$,
    'an interval in which the server threw entries out is marked');
select pg_temp.store(2, 5, array[pg_temp.entry(1, 500, 5000), pg_temp.entry(2, 151, 1510)],
    jsonb_build_object('stats_reset_at', pg_temp.at(0.5), 'dealloc', 1));
select results_eq(
    $$ select query_id, execution_count, is_lossy from pg_temp.seen(2, 5) $$, $$ values (1::bigint, 500::bigint, false) $$,
    'an entry that was thrown out and is back counts from nothing, not from what it was');
select is(
    pg_temp.store(2, 6, array[pg_temp.entry(1, 90000, 9e6), pg_temp.entry(2, 90000, 9e6)],
        jsonb_build_object('stats_reset_at', pg_temp.at(-5), 'dealloc', 9)), 0::bigint,
    'statistics that were reset before the last snapshot are those of another server: no interval');
select is(
    pg_temp.store(2, 7, array[pg_temp.entry(1, 90001, 9.1e6)],
        jsonb_build_object('stats_reset_at', pg_temp.at(-5), 'server_started_at', pg_temp.at(-7))), 0::bigint,
    'so are those of a server that was started before the last snapshot at another time');
select is(
    pg_temp.store(2, 8, array[pg_temp.entry(1, 90002, 9.2e6)], jsonb_build_object(
        'stats_reset_at', pg_temp.at(-5), 'server_started_at', pg_temp.at(7.5))), 1::bigint,
    'a server that was restarted in between goes on, since it keeps its statistics');
select is(
    pg_temp.store(2, 9, array[pg_temp.entry(1, 90005, 9.5e6)], jsonb_build_object(
        'stats_reset_at', pg_temp.at(-5), 'server_started_at', pg_temp.at(7.5), 'identity', '15 1.11')), 0::bigint,
    'an extension that was updated in between may count otherwise: no interval');
select results_eq(
    $$ select intervals, lossy_intervals, first_sights, dealloc from monitoring.statement_sources
        where target_database_id = 2 $$,
    $$ values (6::bigint, 1::bigint, 4::bigint, 0::bigint) $$, 'intervals, lossy ones and first sights are counted');
select is(
    (select count(*) from monitoring.statement_intervals where calls < 0 or total_exec_time < 0 or rows_processed < 0),
    0::bigint, 'nothing is negative');

-- Without a time for each entry, extremes that narrowed tell that it was made anew, however much it has done since.
select pg_temp.store(11, 0, array[pg_temp.entry(1, 3, 9), pg_temp.entry(2, 3, 9)], '{"dealloc": 7}');
select pg_temp.store(11, 1, array[
    pg_temp.entry(1, 5, 10, '{"max_exec_time": 4}'), pg_temp.entry(2, 5, 10, '{"min_exec_time": 0.6}')], '{"dealloc": 7}');
select results_eq(
    $$ select query_id, execution_count, is_new, is_lossy from pg_temp.seen(11, 1) order by query_id $$,
    $$ values (1::bigint, 5::bigint, true, false), (2, 5, true, false) $$,
    'a statement reset alone that has overtaken its old counters counts from its reset');
select pg_temp.store(11, 2, array[pg_temp.entry(1, 1, 1)],
    jsonb_build_object('stats_reset_at', pg_temp.at(1.5), 'dealloc', 2));
select is((select is_lossy from pg_temp.seen(11, 2)), true, 'entries thrown out after a reset are seen, though fewer');
select is(
    (select array_agg(monitoring_internal.is_lossy_snapshot(source, said::jsonb) order by said)
        from monitoring.statement_sources as source
        cross join (values ('{"dealloc": 0}'), ('{"dealloc": 1}'), ('{"dealloc": null}')) as summary (said)
        where source.target_database_id = 11),
    '{f,t,f}', 'a reset alone, or an old extension, is no loss');

-- Before version 1.9 the extension says neither when it was reset nor how often it threw entries out.
select pg_temp.store(10, 0, array[pg_temp.entry(1, 10, 100)], '{"dealloc": null, "stats_reset_at": null}');
select pg_temp.store(10, 1, array[pg_temp.entry(1, 12, 130)], '{"dealloc": null, "stats_reset_at": null}');
select results_eq(
    $$ select part.execution_count, part.is_lossy, source.lossy_intervals
        from pg_temp.seen(10, 1) as part, monitoring.statement_sources as source where source.target_database_id = 10 $$,
    $$ values (2::bigint, false, 0::bigint) $$, 'what an old extension does not say is not taken for trouble');

-- From 17 on each entry says since when it counts ----------------------------------------------------
select pg_temp.store(3, 0, array[
    pg_temp.entry(1, 10, 100, jsonb_build_object('stats_since_at', pg_temp.at(-9))),
    pg_temp.entry(2, 10, 100, jsonb_build_object('stats_since_at', pg_temp.at(-9)))]);
select pg_temp.store(3, 1, array[
    pg_temp.entry(1, 12, 130, jsonb_build_object('stats_since_at', pg_temp.at(0.5), 'minmax_since_at', pg_temp.at(0.5))),
    pg_temp.entry(2, 12, 130, jsonb_build_object('stats_since_at', pg_temp.at(-9), 'minmax_since_at', pg_temp.at(0.7))),
    pg_temp.entry(3, 12, 130, jsonb_build_object('stats_since_at', pg_temp.at(-9)))]);
select results_eq(
    $$ select query_id, execution_count, total_exec_time, min_exec_time, max_exec_time from pg_temp.seen(3, 1) order by query_id $$,
    $$ values (1::bigint, 12::bigint, 130::float8, 0.5::float8, 50::float8), (2, 2, 30, 0.5, 50) $$,
    'a new stamp counts whole, the same one is subtracted, an older one that was not seen before is left out');

-- A snapshot that the cap cut -----------------------------------------------------------------------
select pg_temp.store(4, 0, array[pg_temp.entry(1, 10, 100)], '{"rows": 2}');
select is(
    pg_temp.store(4, 1, array[pg_temp.entry(1, 11, 110), pg_temp.entry(2, 10, 100)]), 1::bigint,
    'after a snapshot that was cut, an entry not seen before is not taken for a new one');
select is(
    pg_temp.store(4, 2, array[pg_temp.entry(1, 11, 110), pg_temp.entry(2, 11, 110)]), 1::bigint,
    'but is from then on');
select throws_ok(
    $$ select monitoring_internal.store_statements_at(4, '{}', now()) $$, 'PV701',
    'snapshot of statements of database 4 has no summary', 'a snapshot without its summary is refused');

-- Means, deviations, extremes -------------------------------------------------------------------------
create temporary table execution as
select number, case when number <= 40 then 5 + number % 7 else 20 + number % 3 end::float8 as took
from generate_series(1, 60) as number;
select ok(
    abs(monitoring_internal.interval_stddev(a.n, a.total, a.sd, b.n, b.total, b.sd) - c.sd) < 1e-9,
    'the deviation of an interval follows from those of the two snapshots')
from
    (select count(*) as n, sum(took) as total, stddev_pop(took) as sd from execution where number <= 40) as a,
    (select count(*) as n, sum(took) as total, stddev_pop(took) as sd from execution) as b,
    (select stddev_pop(took) as sd from execution where number > 40) as c;
select is(
    monitoring_internal.interval_stddev(1000000, 1e9, 500.0, 1000001, 1e9 + 1000, 499.0), 0::float8,
    'a deviation is never the root of something negative, and of one execution none');
select is(monitoring_internal.interval_stddev(5, 10, 1, 5, 10, 1), null, 'no execution has no deviation');
select pg_temp.store(5, 0, array[pg_temp.entry(1, 10, 100), pg_temp.entry(2, 10, 100), pg_temp.entry(3, 10, 100)]);
select pg_temp.store(5, 1, array[
    pg_temp.entry(1, 20, 300, '{"max_exec_time": 80, "min_exec_time": 0.1}'),
    pg_temp.entry(2, 20, 300, '{"stddev_exec_time": 7}'), pg_temp.entry(3, 11, 130)]);
select results_eq(
    $$ select query_id, min_exec_time, max_exec_time, max_exec_time_bound <= 50 or query_id = 1 from pg_temp.seen(5, 1) order by query_id $$,
    $$ values (1::bigint, 0.1::float8, 80::float8, true), (2, null, null, true), (3, 30, 30, true) $$,
    'L-06: extremes are filled where they are known: they moved, or there was one execution, and the rest has a bound');

-- Large numbers ---------------------------------------------------------------------------------------
select pg_temp.store(6, 0, array[pg_temp.entry(1, 1, 1)]);
select lives_ok(
    $$ select pg_temp.store(6, 1, array[pg_temp.entry(1, 10000000000001, 1e12 + 1,
        '{"shared_blks_hit": 10000000000000, "wal_bytes": 9223372036854775807, "rows_processed": 10000000000000}')]) $$,
    'large numbers are stored');
select results_eq(
    $$ select execution_count, total_exec_time, shared_blks_hit, wal_bytes, rows_processed from pg_temp.seen(6, 1) $$,
    $$ values (10000000000000::bigint, 1e12::float8, 10000000000000::bigint, 9223372036854775807::bigint,
        9999999999999::bigint) $$,
    'L-12, L-30: and none of them is cut: ten million million blocks, 31 years of milliseconds');

-- Unknown is not zero -----------------------------------------------------------------------------------
select pg_temp.store(7, 0, array[pg_temp.entry(1, 1, 1, '{"jit_time": null, "temp_blk_time": null}')], '{"has_io_timing": false}');
select pg_temp.store(7, 1, array[pg_temp.entry(1, 2, 2, '{"jit_time": null, "temp_blk_time": null}')], '{"has_io_timing": false}');
select results_eq(
    $$ select blk_read_time, blk_write_time, jit_time, total_plan_time, temp_blks_read from pg_temp.seen(7, 1) $$,
    $$ values (null::float8, null::float8, null::float8, null::float8, 0::bigint) $$,
    'what the server does not measure is null, what it measured is not');

-- The first by each criterion, and all others -----------------------------------------------------------
select monitoring.set_setting('statements.top', '2');
select pg_temp.store(8, 0, array(select pg_temp.entry(n, 1, 1) from generate_series(1, 50) as n));
select is(
    pg_temp.store(8, 1, array(
        select pg_temp.entry(n, 1 + n, 1 + 10 * n, case n
            when 1 then '{"temp_blks_written": 9}'::jsonb when 2 then '{"shared_blks_read": 9}'
            when 3 then '{"wal_bytes": 9}' else '{}' end)
        from generate_series(1, 50) as n)), 6::bigint, 'an interval keeps the first by each criterion');
select results_eq(
    $$ select query_id, execution_count, entries, performance_category, normalized_query from pg_temp.seen(8, 1) order by query_id $$,
    $$ values (0::bigint, (select sum(n) from generate_series(4, 48) as n), 45::bigint, null::text, 'all others: 45 statements'),
        (1, 1, 1, 'good', null), (2, 2, 1, 'good', null), (3, 3, 1, 'good', null), (49, 49, 1, 'good', null), (50, 50, 1, 'good', null) $$,
    'and one row adds up all others');
select is(
    (select sum(execution_count) from pg_temp.seen(8, 1)), (select sum(n) from generate_series(1, 50) as n)::numeric,
    'so that no execution is missing');
select pg_temp.store(8, 2, array(select pg_temp.entry(n, 1 + n, 1 + 10 * n)
    from generate_series(4, 50) as n where n <> 25) || pg_temp.entry(25, 27, 90251));
select is(
    (select query_id from pg_temp.seen(8, 2)), 25::bigint,
    'L-02: a statement that becomes slow shows at once, though its lifetime''s sum was small');
select is(
    (select count(*) from monitoring_internal.statement_counters where target_database_id = 8), 47::bigint,
    'L-02: the counters of all entries are kept, not of the first alone, and of those only');
select is((select count(*) from monitoring.statements where target_database_id = 8), 6::bigint,
    'L-11: the dictionary has a statement once, and those alone that have rows');

-- The parts by themselves ---------------------------------------------------------------------------------
select monitoring.set_setting('statements.top', '20');
select pg_temp.store(9, 0, array[pg_temp.entry(1, 10, 100), pg_temp.entry(2, 10, 100)]);
create function pg_temp.source() returns monitoring.statement_sources language sql as $$
    select source from monitoring.statement_sources as source where source.target_database_id = 9;
$$;
create temporary table snapshot as
select array[pg_temp.entry(1, 14, 160), pg_temp.entry(2, 10, 100), pg_temp.entry(3, 1, 1)]
        ::monitoring_internal.statements_row[] as entries,
    jsonb_build_object('stats_reset_at', pg_temp.at(-1000), 'server_started_at', pg_temp.at(-1000), 'identity', '15 1.10',
        'dealloc', 0, 'captured_at', pg_temp.at(1), 'rows', 3, 'entries', 3, 'hidden', 1) as summary;
select results_eq(
    $$ select (pair.present).queryid, (pair.past).calls from snapshot, monitoring_internal.pair_statements(
        pg_temp.source(), snapshot.summary, snapshot.entries) as pair order by 1 $$,
    $$ values (1::bigint, 10::bigint), (3, null) $$, 'an entry is beside its last counters, a new one beside none');
select results_eq(
    $$ select delta.queryid, delta.calls, delta.total_exec_time from snapshot, monitoring_internal.statement_deltas(
        pg_temp.source(), snapshot.summary, snapshot.entries, pg_temp.at(1)) as delta order by 1 $$,
    $$ values (1::bigint, 4::bigint, 60::float8), (3, 1, 1) $$, 'and their difference is what it did');
select is(
    (select monitoring_internal.store_intervals_at(
        pg_temp.source(), snapshot.summary, snapshot.entries, pg_temp.at(1)) from snapshot),
    2::bigint, 'which is stored');
select is(
    (select array_agg(monitoring_internal.is_comparable_snapshot(
        pg_temp.source(), snapshot.summary || more) order by place)
        from snapshot, unnest(array['{}', '{"identity": "17 1.11"}']::jsonb[]) with ordinality as m (more, place)),
    array[true, false], 'a snapshot is compared with one of the same server and extension');
select monitoring_internal.remember_counters(9, entries, true) from snapshot;
select monitoring_internal.remember_source_at(9, summary, 3, true, pg_temp.at(1)) from snapshot;
select results_eq(
    $$ select queryid, calls from monitoring_internal.statement_counters where target_database_id = 9 order by queryid $$,
    $$ values (1::bigint, 14::bigint), (2, 10), (3, 1) $$, 'the counters are those of the newest snapshot');
select monitoring_internal.remember_counters(9, entries[1:1], false) from snapshot;
select is((select count(*) from monitoring_internal.statement_counters where target_database_id = 9), 3::bigint,
    'what a cut snapshot does not have is not forgotten');
select results_eq(
    $$ select hidden, intervals, captured_at, is_complete from pg_temp.source() $$, $$ values (1::bigint, 1::bigint, pg_temp.at(1), true) $$,
    'the source has its summary');
update monitoring.statements set last_seen_at = pg_temp.at(-500) where target_database_id = 9 and queryid = 1;
select monitoring_internal.remember_statements_at(9, monitoring.system_tenant_id(), array(
    select part from monitoring.statement_intervals as part where part.target_database_id = 9), pg_temp.at(30));
select results_eq(
    $$ select queryid, last_seen_at from monitoring.statements where target_database_id = 9 order by queryid $$,
    $$ values (1::bigint, pg_temp.at(30)), (3, pg_temp.at(1)) $$, 'a statement is stamped when it was seen, to the hour');

-- Its state as metrics ---------------------------------------------------------------------------------------
select monitoring_internal.measure_statement_source_at(9, now());
select results_eq(
    $$ select metric, value from monitoring_internal.sample_points as point
        inner join monitoring.series as series using (series_id)
        inner join (select name as metric, metric_family_id from monitoring.metric_families) as family using (metric_family_id)
        where point.sampled_at = now() and metric ~ '^pg_stat_statements_' order by metric collate "C" $$,
    $$ values ('pg_stat_statements_dealloc_total', 0::float8), ('pg_stat_statements_entries', 3),
        ('pg_stat_statements_reset_timestamp_seconds', extract(epoch from pg_temp.at(-1000))::float8) $$,
    'how full the statistics are, and how often they overflowed, are metrics; what is unknown is none');

-- What did not change is not written -------------------------------------------------------------------------
create temporary table version as
select queryid, ctid::text as place, xmax::text as touched from monitoring_internal.statement_counters where target_database_id = 9;
select monitoring_internal.remember_counters(9, entries[1:1] || pg_temp.entry(2, 11, 110)::monitoring_internal.statements_row, false)
from snapshot;
select results_eq(
    $$ select version.queryid from version inner join monitoring_internal.statement_counters as now using (queryid)
        where now.target_database_id = 9 and (now.ctid::text <> version.place or now.xmax::text <> version.touched) $$,
    $$ values (2::bigint) $$, 'of the counters only the row that changed is written, the others are not even locked');

-- The statements that take the most time, one by one ---------------------------------------------------------
update monitoring.settings set value = '2' where name = 'statements.exported';
update monitoring.settings set value = '10min' where name = 'statements.exported_for';
create function pg_temp.exported(p_server integer) returns table (queryid bigint, calls bigint, seconds numeric)
language sql as $$
    select total.queryid, total.calls, round(total.exec_seconds::numeric, 6)
    from monitoring.statement_totals as total where total.target_database_id = p_server;
$$;
select pg_temp.store(20, 100, array[pg_temp.entry(1, 10, 1000), pg_temp.entry(2, 10, 500), pg_temp.entry(3, 10, 10)]);
select is_empty($$ select * from pg_temp.exported(20) $$, 'what a server did before it was seen is exported as nothing');
select pg_temp.store(20, 101, array[pg_temp.entry(1, 20, 3000), pg_temp.entry(2, 20, 1500), pg_temp.entry(3, 20, 20)]);
select results_eq(
    $$ select * from pg_temp.exported(20) order by queryid $$,
    $$ values (0::bigint, 30::bigint, 3.01), (1, 0, 0), (2, 0, 0) $$,
    'the statements that take the most time get series that begin at 0; what they did before is among all others');
select pg_temp.store(20, 102, array[
    pg_temp.entry(1, 25, 3500), pg_temp.entry(2, 20, 1500), pg_temp.entry(3, 1020, 90020), pg_temp.entry(1, 2, 100, '{"is_toplevel": false}')]);
select results_eq(
    $$ select * from pg_temp.exported(20) order by queryid $$,
    $$ values (0::bigint, 1030::bigint, 93.01), (1, 7, 0.6), (2, 0, 0) $$,
    'a statement keeps its series while another takes more time; nested calls are counted with it');
select pg_temp.store(20, 112, array[
    pg_temp.entry(1, 26, 3600), pg_temp.entry(2, 20, 1500), pg_temp.entry(3, 1021, 90120), pg_temp.entry(1, 2, 100, '{"is_toplevel": false}')]);
select results_eq(
    $$ select * from pg_temp.exported(20) order by queryid $$,
    $$ values (0::bigint, 1031::bigint, 93.11), (1, 8, 0.7), (3, 0, 0) $$,
    'one that was not among the first for statements.exported_for gives its place up, and no counter falls');
select pg_temp.store(20, 113, array[pg_temp.entry(1, 3, 30), pg_temp.entry(3, 4, 40)],
    jsonb_build_object('stats_reset_at', pg_temp.at(112.5)));
select results_eq(
    $$ select * from pg_temp.exported(20) order by queryid $$,
    $$ values (0::bigint, 1031::bigint, 93.11), (1, 11, 0.73), (3, 4, 0.04) $$,
    'a reset of the server''s statistics makes no counter fall');
select monitoring_internal.measure_statements_at(20, now());
select results_eq(
    $$ select series.labels, family.name::text, round(point.value::numeric, 6)
        from monitoring_internal.sample_points as point
        inner join monitoring.series as series using (series_id)
        inner join monitoring.metric_families as family using (metric_family_id)
        where point.sampled_at = now() and series.labels ->> 'queryid' in ('3', 'other')
            and family.name in ('pg_stat_statements_calls_total', 'pg_stat_statements_seconds_total')
        order by family.name collate "C", series.labels ->> 'queryid' collate "C" $$,
    $$ values ('{"user": "alice", "datname": "shop", "queryid": "3"}'::jsonb, 'pg_stat_statements_calls_total', 4::numeric),
        ('{"queryid": "other"}', 'pg_stat_statements_calls_total', 1031),
        ('{"user": "alice", "datname": "shop", "queryid": "3"}', 'pg_stat_statements_seconds_total', 0.04),
        ('{"queryid": "other"}', 'pg_stat_statements_seconds_total', 93.11) $$,
    'they are exported with the labels of the field''s exporter');
update monitoring.settings set value = '1' where name = 'statements.exported';
select pg_temp.store(20, 114, array[pg_temp.entry(1, 4, 40), pg_temp.entry(3, 5, 60)],
    jsonb_build_object('stats_reset_at', pg_temp.at(112.5)));
select results_eq(
    $$ select queryid, calls from monitoring.statement_totals where target_database_id = 20 order by queryid $$,
    $$ values (0::bigint, 1031::bigint), (3, 5) $$, 'a lowered setting lets those go that were ranked longest ago');
select monitoring_internal.count_statements_at(source, '{}', pg_temp.at(114.2)),
    monitoring_internal.choose_exported_statements_at(source, '{}', pg_temp.at(114.3))
from monitoring.statement_sources as source where source.target_database_id = 20;
select is((select sum(calls) from pg_temp.exported(20)), 1036::numeric, 'an interval without statements changes nothing');
update monitoring.settings set value = '0' where name = 'statements.exported';
select pg_temp.store(20, 115, array[pg_temp.entry(1, 5, 50)], jsonb_build_object('stats_reset_at', pg_temp.at(112.5)));
select is_empty($$ select 1 from monitoring.statement_totals where target_database_id = 20 $$, '0 exports none');

select * from finish();
rollback;
