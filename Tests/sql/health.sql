-- Health: penalties and levels, readings, scores whose every point is explained, and that unknown is never healthy.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

-- Penalties and levels --------------------------------------------------------------------------------
select results_eq(
    $$ select round(monitoring_internal.health_penalty(v.value, 0.8, 0.9)::numeric, 2)
        from (values (1, 0.0), (2, 0.75), (3, 0.8), (4, 0.85), (5, 0.9), (6, 5.0)) as v (n, value) order by v.n $$,
    $$ values (0.00), (0.00), (0.26), (0.74), (1.00), (1.00) $$,
    'a penalty rises smoothly from shortly before warning to critical');
select results_eq(
    $$ select round(monitoring_internal.health_penalty(v.value, 0.9, 0.7)::numeric, 2)
        from (values (1, 1.0), (2, 0.9), (3, 0.7), (4, 0.0)) as v (n, value) order by v.n $$,
    $$ values (0.00), (0.26), (1.00), (1.00) $$, 'the order of the bounds tells which side is bad');
select is(monitoring_internal.health_penalty(0, 3, 20), 0::double precision, 'zero of a bad thing costs nothing');
select is(
    (select bool_and(b.share >= b.before) from (
        select monitoring_internal.health_penalty(g / 100.0, 0.5, 0.8) as share,
            monitoring_internal.health_penalty((g - 1) / 100.0, 0.5, 0.8) as before
        from generate_series(1, 100) as g) as b), true, 'it never falls on the way');
select results_eq(
    $$ select monitoring_internal.health_level(v.value, v.warning, v.critical) from (values
        (1, 79.9, 80, 90), (2, 80, 80, 90), (3, 90, 80, 90), (4, 0.99, 0.9, 0.7), (5, 0.9, 0.9, 0.7), (6, 0.7, 0.9, 0.7),
        (7, null, 80, 90), (8, 5, null, null)) as v (n, value, warning, critical) order by v.n $$,
    $$ values ('healthy'), ('warning'), ('critical'), ('healthy'), ('warning'), ('critical'), (null), (null) $$,
    'levels at their bounds, either way');
select is(
    array[monitoring_internal.combine_values('sum', '{1,2,6}'), monitoring_internal.combine_values('maximum', '{1,2,6}'),
        monitoring_internal.combine_values('minimum', '{1,2,6}'), monitoring_internal.combine_values('average', '{1,2,6}'),
        monitoring_internal.combine_values('sum', '{}')],
    array[9, 6, 1, 3, null]::double precision[], 'several values become one');
select is(monitoring_internal.health_identity('{"a": "x", "pid": "7"}', '{a,b}'), E'x\n', 'identity leaves the pid out');

-- One rule, one component -------------------------------------------------------------------------------
create function pg_temp.read(p_case jsonb) returns text language sql as $$
    select r.state || coalesce(' ' || r.value, '')
    from monitoring_internal.health_reading(
        coalesce(p_case ->> 'aggregate', 'last'), (p_case ->> 'value')::float8, (p_case ->> 'lost')::integer,
        coalesce((p_case ->> 'seen')::boolean, false), p_case ? 'divisor', (p_case ->> 'divisor')::float8,
        p_case ? 'witness', coalesce((p_case ->> 'witness')::boolean, false),
        coalesce((p_case ->> 'witness_seen')::boolean, false), (p_case ->> 'empty')::float8,
        coalesce((p_case ->> 'required')::boolean, false), coalesce((p_case ->> 'elsewhere')::boolean, false)) as r
$$;
select results_eq(
    $$ select pg_temp.read(c.given) from (values
        (1, '{"value": 5}'::jsonb), (2, '{"required": true}'), (3, '{}'), (4, '{"seen": true}'), (5, '{"elsewhere": true}'),
        (6, '{"witness": true, "empty": 0}'), (7, '{"witness": true}'), (8, '{"witness": false, "witness_seen": true}'),
        (9, '{"value": 99, "divisor": 100}'), (10, '{"value": 0, "divisor": 0, "witness": true}'),
        (11, '{"aggregate": "lost", "witness": true, "lost": 1}'), (12, '{"aggregate": "lost", "witness": false, "lost": 1}'),
        (13, '{"required": true, "seen": true, "elsewhere": true}')) as c (n, given) order by c.n $$,
    $$ values ('known 5'), ('unknown'), ('absent'), ('unknown'), ('elsewhere'), ('known 0'), ('absent'), ('unknown'),
        ('known 0.99'), ('absent'), ('known 1'), ('absent'), ('elsewhere') $$,
    'known, unknown, absent and elsewhere are told apart');

-- A server and its databases ------------------------------------------------------------------------------
create function pg_temp.send(p_metric text, p_labels jsonb, p_value float8, p_ago interval default '5 s') returns bigint
language sql as $$
    select (monitoring_internal.ingest_samples_at(array[p_metric], array[p_labels], array[p_value],
        array[now() - p_ago], null, now())).accepted
$$;
create function pg_temp.all_is_well(p_ago interval default '5 s') returns void language sql as $$
    select pg_temp.send(v.metric, '{}', v.value, p_ago) from (values
        ('pg_up', 1), ('pg_connection_slots_used', 10), ('pg_settings_max_connections', 100), ('pg_blocked_sessions', 0),
        ('pg_settings_autovacuum', 1), ('pg_settings_track_counts', 1), ('pg_settings_autovacuum_freeze_max_age', 2e8),
        ('pg_replication_is_replica', 0)) as v (metric, value);
    select pg_temp.send(v.metric, jsonb_build_object('datname', current_database()), v.value, p_ago) from (values
        ('pg_database_frozenxid_age', 1000), ('pg_stat_database_numbackends', 3)) as v (metric, value);
$$;
create function pg_temp.judged(p_name text) returns text language sql as $$
    select format('%s %s', s.health_status, coalesce(s.health_score::text, '-'))
    from monitoring_internal.health_scores_at(now()) as s where s.component_name = p_name
$$;
select is(pg_temp.judged('local'), 'unknown -', 'without a measurement nothing is healthy');
select pg_temp.all_is_well();
select is(pg_temp.judged('local'), 'healthy 100', 'a server that is well');
select is(pg_temp.judged('local/' || current_database()), 'healthy 100', 'and a database that is');
select pg_temp.send('pg_blocked_sessions', '{}', 20, '1 s');
select is(pg_temp.judged('local'), 'healthy 89', 'a bad value costs its rule''s share of the weight');
select pg_temp.send('pg_connection_slots_used', '{}', 97, '1 s');
select is(pg_temp.judged('local'), 'critical 40', 'a cap holds the score down, however good the rest is');
select results_eq(
    $$ select p ->> 'rule', (p ->> 'penalty')::numeric, p ->> 'cap', p ->> 'why', p ->> 'remedy' <> ''
        from monitoring_internal.health_scores_at(now()) as s cross join jsonb_array_elements(s.points) as p
        where s.component_name = 'local' and p ->> 'state' = 'known' $$,
    $$ values ('server_connections', 16.7, '40', 'connection slots run out', true),
        ('server_blocked', 11.1, null, 'sessions wait for locks', true) $$,
    'every lost point is explained: rule, points, cap, why and what to do');
select pg_temp.send('pg_connection_slots_used', '{}', 10, '0 s'), pg_temp.send('pg_blocked_sessions', '{}', 0, '0 s');

-- Ratios of the interval, by database ------------------------------------------------------------------------
select pg_temp.send('pg_stat_database_' || v.metric, jsonb_build_object('datname', current_database()), v.value, v.ago)
from (values ('blks_hit', 1000000, interval '60 s'), ('blks_read', 900000, '60 s'), ('blks_hit', 1000990, '5 s'),
    ('blks_read', 900010, '5 s'), ('xact_commit', 5, '60 s'), ('xact_commit', 5, '5 s'), ('xact_rollback', 0, '60 s'),
    ('xact_rollback', 0, '5 s')) as v (metric, value, ago);
create temporary view reading as
select * from monitoring_internal.health_readings_at(now());
select is(
    (select value from reading where component_name = 'local/' || current_database() and rule_name = 'database_cache_hit'),
    0.99::double precision, 'L-08: the hit ratio is a fraction of the interval, of one database');
select is(
    (select state from reading where component_name = 'local/' || current_database()
        and rule_name = 'database_rollbacks'), 'absent', 'L-08: where nothing happened there is no ratio, and no error');
select pg_temp.send('pg_stat_database_deadlocks', jsonb_build_object('datname', current_database()), v.value, v.ago)
from (values (7, interval '90 s'), (9, '60 s'), (1, '30 s'), (2, '5 s')) as v (value, ago);
select is(
    (select value from reading where component_name = 'local' and rule_name = 'server_deadlocks'), 4::double precision,
    'a counter counts by its increase, resets regarded');

-- A standby that is gone -----------------------------------------------------------------------------------
select pg_temp.send('pg_stat_replication_pg_wal_lsn_diff',
    jsonb_build_object('application_name', v.name, 'client_addr', '10.0.0.1', 'state', 'streaming', 'pid', v.pid), 0, v.ago)
from (values ('east', '11', interval '10 min'), ('east', '12', '5 s'), ('west', '13', '10 min')) as v (name, pid, ago);
select is(
    (select value from reading where rule_name = 'server_standby_lost'), 1::double precision,
    'a standby is lost when its name is gone, not when its process is another');
select is(pg_temp.judged('local'), 'warning 60', 'which changes the status');

-- Unknown is never healthy ------------------------------------------------------------------------------------
delete from monitoring.samples as s using monitoring.series as r, monitoring.metric_families as f
where s.series_id = r.series_id and r.metric_family_id = f.metric_family_id and f.name = 'pg_stat_replication_pg_wal_lsn_diff';
select is(pg_temp.judged('local'), 'healthy 100', 'all is well again');
update monitoring.samples as s set sampled_at = s.sampled_at - interval '1 hour'
from monitoring.series as r, monitoring.metric_families as f
where s.series_id = r.series_id and r.metric_family_id = f.metric_family_id and f.name = 'pg_blocked_sessions';
select is(pg_temp.judged('local'), 'unknown 100', 'one collector that stopped makes it unknown, never healthy');
select is(
    (select p ->> 'why' from monitoring_internal.health_scores_at(now()) as s cross join jsonb_array_elements(s.points) as p
     where s.component_name = 'local' and p ->> 'rule' = 'server_blocked'), 'no current sample of pg_blocked_sessions',
    'and it is said what is missing');
select cmp_ok(
    (select coverage_percent from monitoring_internal.health_scores_at(now()) where component_name = 'local'), '<',
    80::double precision, 'and how much is covered');
update monitoring.samples set sampled_at = sampled_at - interval '1 hour';
select is(pg_temp.judged('local'), 'unknown -', 'when all stopped there is no score at all');
select is(pg_temp.judged('local/' || current_database()), 'unknown -', 'nor of a database');

-- The machine --------------------------------------------------------------------------------------------------
select pg_temp.all_is_well('0 s');
select is(
    monitoring_internal.store_host_metrics_at('far', false, 'the server is on another machine', null,
        array['host_cpu_usage_ratio', 'host_memory_used_ratio'], array['{}', '{}']::jsonb[], array[0.99, 0.99], now()),
    2::bigint, 'a service stores what it measured on its machine');
select results_eq(
    $$ select rule_name, state, value, reason from reading where component_name = 'local'
        and rule_name in ('server_cpu', 'server_disk') order by 1 $$,
    $$ values ('server_cpu', 'elsewhere', null::float8, 'the server is on another machine'),
        ('server_disk', 'elsewhere', null, 'the server is on another machine') $$,
    'figures of another machine are never taken for the server''s');
select is(pg_temp.judged('far'), 'critical 0', 'they are judged as what they are, a host''s');
select monitoring_internal.store_host_metrics_at('near', true, null, '/data',
    array['host_cpu_usage_ratio', 'host_memory_used_ratio', 'host_filesystem_used_ratio'],
    array['{}', '{}', '{}']::jsonb[], array[0.25, 0.5, 0.97], now());
select is(pg_temp.judged('local'), 'critical 30', 'a full disk of the server''s own machine caps its score');
select is(
    (select jsonb_object_keys(s.labels) from monitoring.series as s inner join monitoring.metric_families as f
        using (metric_family_id) where f.name = 'host_filesystem_used_ratio'), 'host', 'series carry the host');

-- Rows, views, gauges --------------------------------------------------------------------------------------------
select cmp_ok(monitoring_internal.collect_system_health_at(now()), '>=', 5, 'a row for each component');
-- Meanwhile a database may have been made in this cluster: that one is new, and nothing else is.
create temporary table judged as select * from monitoring.system_health;
-- Two statements, since one does not see the rows it makes.
create temporary table added as select monitoring_internal.collect_system_health_at(now())::bigint as count;
select is(
    (select added.count from added),
    (select count(*) from monitoring.system_health) - (select count(*) from judged), 'twice for one time adds what is new');
select is_empty(
    $$ select * from judged except select * from monitoring.system_health $$, 'and leaves what was judged as it was');
select is_empty(
    $$ select component_name from monitoring.system_health
        where component_kind <> 'database' and system_health_id not in (select system_health_id from judged) $$,
    'twice for one time is once');
select results_eq(
    $$ select component_type, health_status, health_score, cpu_usage_percent, memory_usage_percent, disk_usage_percent,
            connection_count, locks_waiting, alerts_active from monitoring.system_health where component_name = 'local' $$,
    $$ values ('database', 'critical', 30, 25::float8, 50::float8, 97::float8, 10::float8, 0::float8, null::integer) $$,
    'L-23: processor, memory, disk, connections have a writer, alerts are unknown until somebody evaluates any');
select results_eq(
    $$ select component_kind, component_type from monitoring.system_health
        where component_name in ('local', 'near', 'pgvigil') order by 1 $$,
    $$ values ('host', 'infrastructure'), ('server', 'database'), ('service', 'application') $$, 'of each kind');
select is(
    (select health_status || ' ' || health_score from monitoring.current_health where component_name = 'local'),
    'critical 30', 'current_health shows the newest');
select results_eq(
    $$ select rule, penalty > 0, cap, why from monitoring.explain_system_health('local') where state = 'known' $$,
    $$ values ('server_disk', true, 30, 'the filesystem of its data runs full') $$, 'explain_system_health tells why');
select is(
    (select sample.value from monitoring.latest_samples as sample
     where sample.metric = 'pgvigil_health_score' and sample.labels ->> 'component_name' = 'local'), 30::double precision,
    'the score is a metric too');
update monitoring.system_health set collected_at = collected_at - interval '10 min';
select results_eq(
    $$ select health_status, health_score, is_stale from monitoring.current_health where component_name = 'local' $$,
    $$ values ('unknown', null::integer, true) $$, 'a judgement that is old is unknown');
select isnt_empty(
    $$ select 1 from monitoring.system_health_points where rule = 'server_disk' and remedy <> '' $$, 'points stay findable');

-- Rules are rows ------------------------------------------------------------------------------------------------
set local role monitoring_admin;
insert into monitoring.health_rules (name, component_kind, metric, warning, critical, weight, cap, description)
values ('queue_length', 'server', 'shop_queue_jobs', 100, 1000, 30, 20, 'the shop''s queue is long');
reset role;
select pg_temp.send('shop_queue_jobs', '{"queue": "mail"}', 5000, '0 s'), pg_temp.send('host_filesystem_used_ratio', '{"host": "near"}', 0.1, '-1 s');
select is(pg_temp.judged('local'), 'critical 20', 'a new rule counts without a change of code');
select throws_ok(
    $$ insert into monitoring.health_rules (name, component_kind, metric, warning, critical, description)
        values ('x', 'server', 'm', 1, 1, '') $$, '23514', null, 'bounds have to differ');

-- The dashboard ------------------------------------------------------------------------------------------------
delete from monitoring.samples;
select monitoring.create_tenant('acme');
select pg_temp.send(v.metric, '{}', v.value, v.ago) from (values
    ('pgvigil_cache_hit_ratio', 0.988, interval '10 s'), ('pg_blocked_sessions', 1, '40 s'), ('pg_blocked_sessions', 9, '10 s'),
    ('pg_database_size_bytes', 1e11, '10 s'), ('pg_replication_lag_seconds', 400, '10 s'), ('pg_up', 1, '20 min'))
    as v (metric, value, ago);
select monitoring_internal.ingest_samples_at(
    array['shop_open_orders'], array['{}']::jsonb[], array[3.0], array[now()],
    (select tenant_id from monitoring.tenants where name = 'acme'), now());
create temporary view shown as select * from monitoring.system_dashboard;
select is(
    (select health_status from shown where metric_name = 'pgvigil_cache_hit_ratio'), 'healthy',
    'L-07: a cache hit ratio of 98.8 percent is healthy');
select results_eq(
    $$ select metric_name, health_status from shown
        where metric_name in ('pg_blocked_sessions', 'pg_replication_lag_seconds', 'pg_database_size_bytes') order by 1 $$,
    $$ values ('pg_blocked_sessions', 'warning'), ('pg_database_size_bytes', 'unknown'),
        ('pg_replication_lag_seconds', 'critical') $$,
    'L-07: each metric has bounds of its own, with a direction, and without bounds is not judged');
select results_eq(
    $$ select avg_value, max_value, min_value, sample_count, last_updated, is_stale from shown
        where metric_name = 'pg_blocked_sessions' $$,
    $$ values (5::float8, 9::float8, 1::float8, 2::bigint, now() - interval '10 s', false) $$,
    'L-14: last_updated is the newest sample''s time');
select results_eq(
    $$ select health_status, sample_count, last_updated, is_stale from shown where metric_name = 'pg_up' $$,
    $$ values ('unknown', 0::bigint, now() - interval '20 min', true) $$,
    'L-14: what stopped coming stays in sight, as stale and unknown');
select is_empty(
    $$ select 1 from shown as s where not exists (select 1 from monitoring.tenants as t where t.tenant_id = s.business_id) $$,
    'L-15: every row belongs to a tenant that exists');
select is(
    (select t.name from shown as s inner join monitoring.tenants as t on t.tenant_id = s.business_id
     where s.metric_name = 'shop_open_orders'), 'acme', 'L-15: its own');
select is(
    (select string_agg(v.view_name, '; ') from (values ('monitoring.system_dashboard'), ('monitoring.business_kpi_dashboard'),
        ('monitoring.current_health')) as v (view_name)
     where regexp_replace(pg_get_viewdef(v.view_name::regclass), '\(\s*SELECT.*?\)|over \(.*?\)', '', 'gi') ~* 'order by[^)]*;$'),
    null, 'L-25: no dashboard promises an order');

-- What the service may do -----------------------------------------------------------------------------------------
set local role monitoring_service;
select is((select is_local_connection from monitoring_internal.host_facts()), true, 'a socket is local');
select is((select backend_pid from monitoring_internal.host_facts()), pg_backend_pid(), 'and its process is named');
select cmp_ok(
    monitoring_internal.store_host_metrics('h', false, 'r', null, array['host_load1'], array['{}']::jsonb[], array[1.0]), '=',
    1::bigint, 'the service may report');
select lives_ok($$ select monitoring.collect_system_health() $$, 'and judge');
set local role monitoring_reader;
select throws_ok($$ select monitoring.collect_system_health() $$, '42501', null, 'a reader may not');
reset role;

-- Another server -----------------------------------------------------------------------------------------------------
select monitoring.add_target('far-away', 'host=db.example');
select is(pg_temp.judged('far-away'), 'unknown -', 'of a server that was never asked nothing is known');
update monitoring.targets set consecutive_failures = 1, last_error = 'gone' where name = 'far-away';
select is(pg_temp.judged('far-away'), 'critical 0', 'one that cannot be reached is critical, whatever else is unknown');
update monitoring.targets set consecutive_failures = 0, last_seen_at = now() where name = 'far-away';
select is(pg_temp.judged('far-away'), 'unknown -', 'one that answers and is not measured is unknown');
select pg_temp.all_is_well('1 s');
select is(pg_temp.judged('far-away'), 'unknown -', 'and figures of this server are not taken for its');

-- Named where they are used within: health_components_at, health_facts_at, health_series_points_at, health_points_at,
-- health_gauges.
select isnt_empty(
    $$ select 1 from monitoring_internal.health_facts_at(now()) where metric = 'pgvigil_service_instances' $$,
    'pgvigil itself is judged by facts');
select isnt_empty(
    $$ select 1 from monitoring_internal.health_points_at(now()) where metric = 'pgvigil_jobs_failing_ratio' $$,
    'which rules read like metrics');
select is(
    (select count(*) from monitoring_internal.health_components_at(now()) where component_kind = 'service'), 1::bigint,
    'there is one pgvigil');

select * from finish();
rollback;
