-- The collectors that are shipped: each runs on this server, measures what it declares, and calls it what it is.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary view stored as
select family.name as metric, family.kind, family.unit, series.labels, point.value, point.sampled_at
from monitoring.samples as point
inner join monitoring.series as series using (series_id)
inner join monitoring.metric_families as family using (metric_family_id);
create function pg_temp.value_of(p_metric text, p_labels jsonb default '{}') returns double precision language sql as $$
    select max(value) from stored where metric = p_metric and labels @> p_labels
$$;

select is_empty(
    $$ values ('activity', interval '10s', 'fast'), ('checkpoint_wal', '30s', 'normal'), ('database', '30s', 'normal'),
        ('database_sizes', '5min', 'slow'), ('indexes', '15min', 'slow'), ('instance', '15s', 'fast'),
        ('io', '30s', 'normal'), ('locks', '15s', 'fast'), ('progress', '15s', 'fast'),
        ('replication', '15s', 'normal'), ('sequences', '1h', 'normal'), ('settings', '5min', 'normal'),
        ('sizes', '15min', 'slow'),
        ('tables', '5min', 'slow'), ('wraparound', '5min', 'normal')
        except select name, every, tier from monitoring.collectors $$,
    'collectors are shipped, each with its interval and time limit');
create table public.known (id integer primary key, body text) with (autovacuum_vacuum_threshold = 10);
insert into public.known select g, 'x' from generate_series(1, 100) as g;
select cmp_ok(monitoring.collect_database_metrics(), '>', 100, 'all of them run');
select results_eq(
    $$ select name, status, reason from monitoring.collector_status
        where name !~ '^statement' and (name <> 'io' or current_setting('server_version_num')::integer >= 160000)
        order by name $$,
    $$ select name, 'ok', null from monitoring.collectors
        where name !~ '^statement' and (name <> 'io' or current_setting('server_version_num')::integer >= 160000)
        order by name $$,
    'and all that are for this version end well');
select results_eq(
    $$ select name, status, remedy from monitoring.collector_status where name ~ '^statement' order by name $$,
    $$ values ('statement_texts', 'unavailable', 'create extension pg_stat_statements;'),
        ('statements', 'unavailable', 'create extension pg_stat_statements;') $$,
    'those of an extension that is not there say so, with the statement that mends it');
select is(
    (select count(*) from stored inner join monitoring.collector_columns as c on c.name = stored.metric),
    (select sum(run.samples)::bigint from monitoring.collector_runs as run
        inner join monitoring.collectors as c using (collector_id) where c.sink is null), 'the log counts what is there');

-- What is declared and not measured: it is newer or older than this server, or there is nothing to measure it on.
select is_empty(
    $$ select c.query, c.column_name from monitoring.collector_columns as c
        inner join monitoring_internal.collector_statements as s using (collector_id, query)
        where c.usage = 'metric' and s.statement is not null
            and s.statement !~ format('result\.%s::', c.column_name)
            and not exists (
                select 1 from monitoring.collector_variants as v
                where v.collector_id = c.collector_id and v.query = c.query
                    and v.body ~ format('\m%s\M', c.column_name)
                    and (
                        v.version_from <> 15 or v.version_to is not null
                        or v.body ~ format('\m%s,? --! [0-9]+-', c.column_name)))  $$,
    'every column that is not asked for here belongs to other versions');
select is(
    (select array_agg(query order by query) from monitoring_internal.collector_statements where statement is null),
    case
        when current_setting('server_version_num')::integer >= 180000 then null
        when current_setting('server_version_num')::integer >= 170000 then array['subscription_conflicts']
        when current_setting('server_version_num')::integer >= 160000
            then array['checkpointer', 'subscription_conflicts']
        else array['checkpointer', 'io', 'slot_invalidations', 'subscription_conflicts']
    end,
    'only queries for later versions have no statement');
select is_empty('select 1 from monitoring_internal.collector_statements where sqlstate is not null', 'none is refused');

-- Kinds: what only grows is a counter, so that rate() is right.
select results_eq(
    $$ select name, kind from monitoring.metric_families where name in ('pg_stat_database_deadlocks',
        'pg_stat_database_xact_commit', 'pg_stat_database_numbackends', 'pg_stat_user_tables_n_tup_ins',
        'pg_stat_user_tables_n_live_tup', 'pg_locks_count', 'pg_stat_activity_count', 'pg_stat_wal_bytes_total')
        order by name $$,
    $$ values ('pg_locks_count', 'gauge'), ('pg_stat_activity_count', 'gauge'), ('pg_stat_database_deadlocks', 'counter'),
        ('pg_stat_database_numbackends', 'gauge'), ('pg_stat_database_xact_commit', 'counter'),
        ('pg_stat_user_tables_n_live_tup', 'gauge'), ('pg_stat_user_tables_n_tup_ins', 'counter'),
        ('pg_stat_wal_bytes_total', 'counter') $$,
    'deadlocks and the like are counters, what is now is a gauge');
select is_empty(
    $$ select metric from monitoring.collector_metrics where metric ~ '_total$' and kind <> 'counter' $$,
    'a total is a counter');
select is_empty(
    $$ select metric, unit from monitoring.collector_metrics
        where (metric ~ '_seconds(_total)?$') <> (unit = 'seconds')
            and metric not in (
                -- Names and units as postgres_exporter has them.
                'pg_database_wraparound_age_datfrozenxid_seconds', 'pg_database_wraparound_age_datminmxid_seconds',
                'pg_stat_activity_max_tx_duration', 'pg_stat_archiver_last_archive_age', 'pg_stat_database_stats_reset',
                'pg_stat_bgwriter_stats_reset_total', 'pg_stat_checkpointer_stats_reset_total')
            and metric !~ '^pg_stat_(user_(tables|indexes)_last_|wal_receiver_)' $$,
    'times of our own naming are in seconds and say so');
select is_empty(
    $$ select metric from monitoring.collector_metrics where unit = 'milliseconds' and metric not in (
        'pg_stat_database_blk_read_time', 'pg_stat_database_blk_write_time',
        'pg_stat_bgwriter_checkpoint_write_time_total', 'pg_stat_bgwriter_checkpoint_sync_time_total',
        'pg_stat_checkpointer_write_time_total', 'pg_stat_checkpointer_sync_time_total') $$,
    'milliseconds are left where postgres_exporter''s name has always meant them');
select is_empty(
    $$ select metric from monitoring.collector_metrics group by metric having count(*) > 1 $$,
    'a metric belongs to one query');

-- Values -------------------------------------------------------------------------------------------
select is(pg_temp.value_of('pg_up'), 1::double precision, 'the server is up');
select is(pg_temp.value_of('pg_settings_max_connections'), current_setting('max_connections')::double precision,
    'max_connections is what it is');
select is(pg_temp.value_of('pg_settings_shared_buffers_bytes'),
    pg_size_bytes(current_setting('shared_buffers'))::double precision, 'memory is in bytes');
select is(pg_temp.value_of('pg_postmaster_start_time_seconds'),
    extract(epoch from pg_postmaster_start_time())::double precision, 'times are Unix times');
select is(pg_temp.value_of('pg_static', jsonb_build_object('short_version', current_setting('server_version'))),
    1::double precision, 'the version is a label');
select is(pg_temp.value_of('pg_replication_is_replica'), 0::double precision, 'this is a primary');
select is(pg_temp.value_of('pg_replication_lag_seconds'), null, 'which has no lag, rather than one of 0');
select cmp_ok(pg_temp.value_of('pg_connection_slots_used'), '>=', 1::double precision, 'a slot is in use');
select is(
    (select count(*) from stored where metric = 'pg_stat_database_xact_commit'
        and labels ->> 'datname' in ('postgres', 'template1', current_database())), 3::bigint,
    'each database has its own series');
select is_empty(
    $$ select metric from stored where labels @> '{"datid": "0"}' and metric !~ 'checksum' $$,
    'shared catalogues show checksum failures alone');
select is(pg_temp.value_of('pg_connection_slots_used_ratio'),
    pg_temp.value_of('pg_connection_slots_used') / (
        select sum(setting::integer * case when name = 'max_connections' then 1 else -1 end) from pg_settings
        where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
    'slots kept for others do not count as free');
select is(pg_temp.value_of('pg_settings_pending_restart'), 0::double precision, 'no setting waits for a restart');
select is(pg_temp.value_of('pg_archiver_is_failing'), null, 'without archiving it cannot fail');
select cmp_ok(pg_temp.value_of('pg_stat_user_tables_analyze_debt_ratio'), '>=', 0::double precision,
    'tables have a debt of changes that no analyze has seen');
select cmp_ok(pg_temp.value_of('pg_checkpoints_requested_total'), '<=', pg_temp.value_of('pg_checkpoints_total'),
    'requested checkpoints are among all of them');
select results_eq(
    $$ select metric, value from stored where labels = '{"target": "local"}' and metric ~ '^pgvigil_coll' order by 1 $$,
    $$ values ('pgvigil_collectors_failing', 0::double precision), ('pgvigil_collectors_overdue', 0) $$,
    'no collector fails or is late');
select cmp_ok(pg_temp.value_of('pg_wal_segments'), '>=', 1::double precision, 'there is WAL');
select is(pg_temp.value_of('pg_wal_size_bytes'),
    pg_temp.value_of('pg_wal_segments') * pg_size_bytes(current_setting('wal_segment_size')),
    'of so many bytes');
select cmp_ok(pg_temp.value_of('pg_database_frozenxid_age', jsonb_build_object('datname', 'template0')), '>',
    0::double precision, 'databases that nobody connects to age as well');
select is(pg_temp.value_of('pg_database_wraparound_age_datfrozenxid_seconds', '{"datname": "template0"}'), null,
    'under a name that leaves them out, as it always did');
select is((select count(*) from stored where metric = 'pg_table_frozenxid_age'), 50::bigint, 'the fifty oldest tables');
select is(pg_temp.value_of('pg_stat_user_tables_last_vacuum', '{"relname": "known"}'), null,
    'a table that was never vacuumed has no time of it, not 1970');
select is(pg_temp.value_of('pg_stat_user_tables_table_size_bytes', '{"relname": "known"}'), null,
    'nor a size before the first analyze');
select is_empty(
    $$ select 1 from stored where labels @> '{"schemaname": "monitoring_partitions"}' $$,
    'own partitions are left out');
select cmp_ok((select excluded from monitoring.collector_status where name = 'tables'), '>', 0::bigint, 'and counted');
select is(pg_temp.value_of('pgvigil_excluded_tables'),
    (select excluded::double precision from monitoring.collector_status where name = 'tables'), 'as a metric too');
select is_empty(
    $$ select 1 from stored where labels ->> 'application_name' = current_setting('application_name')
        and labels ->> 'application_name' ~ '^pgvigil' $$, 'own sessions are left out');
select is((select rejected from monitoring.collector_status order by rejected desc limit 1), 0::bigint,
    'the store refuses nothing of it');

select * from finish();
rollback;
