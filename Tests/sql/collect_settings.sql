-- The settings of servers: names and values as postgres_exporter has them, the ledger of changes, secrets masked.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary view stored as
select family.name as metric, series.labels, point.value, point.sampled_at
from monitoring.samples as point
inner join monitoring.series as series using (series_id)
inner join monitoring.metric_families as family using (metric_family_id)
where family.category = 'settings';

-- Names and values ---------------------------------------------------------------------------------
select results_eq(
    $$ select monitoring_internal.setting_metric(name, unit, vartype),
            monitoring_internal.setting_measure(value, unit, vartype)
        from (values
            (1, 'work_mem', '4096', 'kB', 'integer'), (2, 'shared_buffers', '16384', '8kB', 'integer'),
            (3, 'min_wal_size', '80', 'MB', 'integer'), (4, 'deadlock_timeout', '1000', 'ms', 'integer'),
            (5, 'log_rotation_age', '1440', 'min', 'integer'), (6, 'checkpoint_timeout', '300', 's', 'integer'),
            (7, 'autovacuum_work_mem', '-1', 'kB', 'integer'), (8, 'fsync', 'on', null, 'bool'),
            (9, 'fsync', 'off', null, 'bool'), (10, 'random_page_cost', '1.1', null, 'real'),
            (11, 'pg_stat_statements.max', '5000', null, 'integer'), (12, 'log_min_duration_statement', '-1', 'ms',
            'integer'), (13, 'search_path', 'x', null, 'string'), (14, 'wal_segment_size', '16777216', 'B', 'integer'),
            (15, 'vacuum_cost_delay', '0.5', 'ms', 'real'))
            as given (place, name, value, unit, vartype) order by place $$,
    $$ values ('pg_settings_work_mem_bytes', 4194304::double precision),
        ('pg_settings_shared_buffers_bytes', 134217728), ('pg_settings_min_wal_size_bytes', 83886080),
        ('pg_settings_deadlock_timeout_seconds', 1), ('pg_settings_log_rotation_age_seconds', 86400),
        ('pg_settings_checkpoint_timeout_seconds', 300), ('pg_settings_autovacuum_work_mem_bytes', -1),
        ('pg_settings_fsync', 1), ('pg_settings_fsync', 0), ('pg_settings_random_page_cost', 1.1),
        ('pg_settings_pg_stat_statements_max', 5000), ('pg_settings_log_min_duration_statement_seconds', -1),
        (null, null), ('pg_settings_wal_segment_size_bytes', 16777216), ('pg_settings_vacuum_cost_delay_seconds', 0.0005) $$,
    'numbers have the names and units that dashboards know; -1 means none in every unit');

-- The ledger ---------------------------------------------------------------------------------------
create function pg_temp.look(p_rows text[], p_at timestamptz default now()) returns bigint language sql as $$
    select monitoring_internal.store_settings_at(0, p_rows, p_at)
$$;
create temporary view ledger as
select name, old_value, new_value, is_pending_restart from monitoring.setting_changes order by setting_change_id;
delete from monitoring.setting_values;

select is(
    pg_temp.look(array['(work_mem,4096,kB,integer,default,f)', '(fsync,on,,bool,default,f)',
        '(archive_command,"cp %p /a",,string,default,f)', '(lib.size,1,,integer,default,f)']),
    4::bigint, 'a look stores what it saw');
select is_empty('select * from ledger', 'the first look at a server is no change');
select results_eq(
    $$ select metric, value from stored where sampled_at = now() order by metric $$,
    $$ values ('pg_settings_fsync', 1::double precision), ('pg_settings_lib_size', 1),
        ('pg_settings_work_mem_bytes', 4194304) $$,
    'what is a number is a sample');
select pg_temp.look(array['(work_mem,4096,kB,integer,default,f)', '(fsync,on,,bool,default,f)',
    '(archive_command,"cp %p /a",,string,default,f)', '(lib.size,1,,integer,default,f)'], now() + '1 min');
select is_empty('select * from ledger', 'nor is a look that sees the same');
select pg_temp.look(array['(work_mem,8192,kB,integer,"configuration file",f)', '(fsync,on,,bool,default,t)',
    '(archive_command,"cp %p /b",,string,default,f)'], now() + '2 min');
select results_eq('table ledger',
    $$ values ('archive_command', 'cp %p /a', 'cp %p /b', false), ('fsync', 'on', 'on', true),
        ('work_mem', '4096', '8192', false) $$,
    'each change is one row, a value that waits for a restart one as well; a library that is not loaded is none');
select results_eq(
    $$ select name, value, source, changed_at - first_seen_at from monitoring.setting_values
        where name in ('work_mem', 'fsync') order by name $$,
    $$ values ('fsync', 'on', 'default', null::interval), ('work_mem', '8192', 'configuration file', '2 min') $$,
    'the newest values are kept, with the time of their change');
select pg_temp.look(array['(work_mem,8192,kB,integer,"configuration file",f)', '(fsync,on,,bool,default,f)',
    '(brand_new,7,,integer,default,f)', '(lib.size,2,,integer,default,f)', '(lib.other,2,,integer,default,f)'],
    now() + '3 min');
select results_eq(
    $$ select name, old_value, new_value, is_pending_restart from monitoring.setting_changes
        where changed_at = now() + '3 min' order by name $$,
    $$ values ('archive_command', 'cp %p /b', null, false), ('brand_new', null, '7', false),
        ('fsync', 'on', 'on', false), ('lib.size', '1', '2', false) $$,
    'settings that come and go with a version are changes, those of libraries are not');
select is_empty(
    $$ select 1 from monitoring.setting_values where name = 'archive_command' $$, 'what is gone is no value any longer');
select pg_temp.look('{}', now() + '4 min');
select cmp_ok((select count(*) from monitoring.setting_values), '>', 3::bigint, 'an empty look forgets nothing');
select results_eq(
    $$ select monitoring_internal.note_setting_changes_at(0, 'local', monitoring.system_tenant_id(),
        array['(work_mem,1,kB,integer,default,f)']::monitoring_internal.settings_row[], now() + '5 min') $$,
    $$ values (3::bigint) $$, 'what a look changes is counted: the other two are gone');

-- The collector ------------------------------------------------------------------------------------
create function pg_temp.collect() returns text language sql as $$
    select (run.logged).status || coalesce(': ' || (run.logged).reason, '')
    from (
        select monitoring_internal.run_collection(claimed.collector_id, claimed.fence) as logged
        from monitoring_internal.claim_named_collections(null, array['settings']) as claimed
    ) as run
$$;
delete from monitoring.setting_values;
delete from monitoring.setting_changes;
set local work_mem = '77MB';
select is(pg_temp.collect(), 'ok', 'it runs');
select is(
    (select value from monitoring.setting_values where name = 'work_mem'),
    (select reset_val from pg_settings where name = 'work_mem'),
    'a value that only this session has is not the server''s');
select is(
    (select value from stored where metric = 'pg_settings_transaction_read_only' order by sampled_at desc limit 1),
    0::double precision, 'nor is that collectors read only');
select is((select count(*) from monitoring.setting_changes), 0::bigint, 'the first run writes no change');
select cmp_ok((select count(*) from monitoring.setting_values), '>', 300::bigint, 'every setting is there');
select is_empty(
    $$ select name from monitoring.setting_values where name in ('application_name', 'is_superuser', 'role') $$,
    'what describes the session is not');
select results_eq(
    $$ select (logged).status from (select monitoring_internal.run_collection(c.collector_id, c.fence) as logged
        from monitoring_internal.claim_named_collections(null, array['settings']) as c) as run $$,
    $$ values ('ok') $$, 'it runs again');
select is_empty('select * from ledger', 'and sees no change');

-- Secrets ------------------------------------------------------------------------------------------
-- The expression of the collector's file, on texts given here.
create temporary table given (name text, value text);
insert into given values
    ('primary_conninfo', 'host=a user=u password=opensesame sslmode=require'),
    ('primary_conninfo', 'host=a password = ''open sesame'' port=1'),
    ('primary_conninfo', 'password=''it\''s opensesame'' host=a'), ('primary_conninfo', 'password=a\ opensesame host=a'),
    ('primary_conninfo', 'password=a;opensesame'), ('primary_conninfo', 'password=a&''"opensesame host=a'),
    ('primary_conninfo', 'postgresql://u:a/b@opensesame@h/db'), ('app.smtp_pass', 'opensesame'), ('c.pwd', 'opensesame'),
    ('primary_conninfo', 'postgresql://u:opensesame@h/db?sslpassword=opensesame&x=1'),
    ('archive_command', 'PGPASSWORD=opensesame AWS_SECRET_ACCESS_KEY="opensesame" ship %p'),
    ('archive_command', 'curl -u me:opensesame -T %p https://x'),
    ('archive_command', 'curl -H "Authorization: Bearer opensesame" -T %p https://me:opensesame@x/%f'),
    ('restore_command', 'sshpass -p opensesame scp h:%f %p'),
    ('restore_command', 'fetch --password opensesame --token=opensesame %f'),
    ('ssl_passphrase_command', 'echo opensesame'),
    ('vault.api_key', 'opensesame'), ('my.secret', 'opensesame'), ('a.password', 'opensesame'), ('b.token', 'opensesame'),
    ('log_line_prefix', '%m [%p] %q%u@%d '), ('archive_command', 'cp "%p" /archive/%f'),
    ('ssl_key_file', '/etc/ssl/server.key'), ('search_path', '"$user", public');
create function pg_temp.masked(p_name text, p_value text) returns text language plpgsql as $$
declare
    v_body text := (
        select variant.body from monitoring.collector_variants as variant
        inner join monitoring.collectors as collector using (collector_id) where collector.name = 'settings');
    v_value text;
begin
    v_body := replace(v_body, 'from pg_settings as known', 'from (select $1 as name, $2 as setting, $2 as reset_val, '
        '''string'' as vartype, null::text as unit, ''default'' as source, false as pending_restart) as known');
    execute format('select value from (%s) as answer', v_body) into v_value using p_name, p_value;
    return v_value;
end
$$;
select is_empty(
    $$ select name, pg_temp.masked(name, value) from given where pg_temp.masked(name, value) ~ 'sesame' $$,
    'no secret leaves the server');
select is(pg_temp.masked(name, value), value, name || ' is shown as it is')
from given where value !~ 'sesame';
select is(
    pg_temp.masked('primary_conninfo', 'host=a user=u password=opensesame sslmode=require'),
    'host=a user=u password=******** sslmode=require', 'the rest of a value stays');

select * from finish();
rollback;
