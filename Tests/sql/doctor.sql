-- Tests/sql/doctor.sql: findings whose faults and remedies fit into one transaction, and the form of all findings.
-- The others are mended on private clusters, by DoctorTests.swift.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- The remedies that a check prints, run as they are.
create function pg_temp.mend(p_check text, p_subject text)
returns integer
language plpgsql
as $$
declare
    v_remedy text;
    v_count integer := 0;
begin
    for v_remedy in
        select d.remedy from monitoring.doctor() as d where d.check_name = p_check and d.subject = p_subject
    loop
        execute v_remedy;
        v_count := v_count + 1;
    end loop;
    return v_count;
end
$$;
create function pg_temp.finds(p_check text, p_subject text)
returns boolean
language sql
as $$
    select exists (
        select from monitoring.doctor() as d
        where d.check_name = p_check and d.subject = p_subject and d.severity <> 'ok')
$$;

select is_empty(
    $$ select * from monitoring.doctor() as d
        where d.severity not in ('ok', 'notice', 'warning', 'error') or d.finding = ''
            or d.severity <> 'ok' and '' in (d.subject, d.evidence, d.remedy, d.remedy_place)
            or concat(d.check_name, d.severity, d.subject, d.finding, d.evidence, d.remedy, d.remedy_place) is null $$,
    'each finding says what, where, by which evidence, and what mends it');
select set_eq(
    $$ select distinct d.check_name from monitoring.doctor() as d $$,
    $$ values ('rights'), ('roles'), ('service'), ('statements'), ('settings'), ('connections'), ('archiving'),
        ('horizon'), ('indexes'), ('partitions'), ('jobs'), ('collectors'), ('targets'),
        ('on_call'), ('upkeep') $$,
    'each check has a row, found something or not');
select is_empty(
    $$ select d.check_name from monitoring.doctor() as d group by d.check_name
        having bool_or(d.severity = 'ok') and count(*) > 1 $$, 'and no row of ok beside a finding');

-- Roles and rights.
create role pgvigil_test_server login superuser in role monitoring_service;
select ok(pg_temp.finds('roles', 'pgvigil_test_server'), 'a superuser that serves is found');
select is(pg_temp.mend('roles', 'pgvigil_test_server'), 1, 'and mended');
select ok(not pg_temp.finds('roles', 'pgvigil_test_server'), 'so that it is gone');
select ok(not pg_temp.finds('roles', 'monitoring_service'), 'and a login that may serve is enough');
alter role monitoring_owner login createdb;
select ok(pg_temp.finds('roles', 'monitoring_owner'), 'an owner that can log in is found');
select is(pg_temp.mend('roles', 'monitoring_owner'), 1, 'and mended');
select ok(not pg_temp.finds('roles', 'monitoring_owner'), 'and gone');
revoke pg_monitor from monitoring_owner;
select ok(pg_temp.finds('rights', 'monitoring_owner'), 'missing rights are found');

-- Collectors: what a missing right made unavailable comes back with the statement that the collector names.
update monitoring.collector_states set next_due_at = '-infinity';
select lives_ok('select monitoring.collect_database_metrics()', 'collectors run without the right');
select ok(pg_temp.finds('collectors', 'activity'), 'what they cannot see is found');
select is(pg_temp.mend('rights', 'monitoring_owner'), 1, 'the right is given back');
select ok(not pg_temp.finds('rights', 'monitoring_owner'), 'and its finding is gone');
update monitoring.collector_states set next_due_at = '-infinity';
select lives_ok('select monitoring.collect_database_metrics()', 'collectors run again');
select ok(not pg_temp.finds('collectors', 'activity'), 'and see');

-- Jobs: the state that a service leaves; a run that succeeds is what mends it.
select lives_ok($$ select monitoring.schedule_job('broken', '@daily', 'select 1/0') $$, 'a job is scheduled');
update monitoring.job_totals as total
set last_status = 'failed', consecutive_failures = 3, last_finished_at = now()
from monitoring.jobs as job where job.job_id = total.job_id and job.name = 'broken';
select ok(pg_temp.finds('jobs', 'broken'), 'a job that fails is found');
select is(pg_temp.mend('jobs', 'broken'), 1, 'its run can be asked for as printed');
select is((select count(*) from monitoring.job_leases), 1::bigint, 'and waits for a service');

-- Targets.
select lives_ok($$ select monitoring.add_target('far', 'host=far.example user=watcher') $$, 'a target is added');
select is_empty('select * from monitoring_internal.doctor_targets()', 'one that nobody asked yet is no fault');
update monitoring.targets set consecutive_failures = 3, last_error = 'no route' where name = 'far';
select ok(pg_temp.finds('targets', 'far'), 'one that does not answer is found');
select is(
    (select d.remedy from monitoring.doctor() as d where d.check_name = 'targets'), 'pgvigil targets test far',
    'with the command that shows why');
update monitoring.targets set consecutive_failures = 0, last_error = null where name = 'far';
select ok(not pg_temp.finds('targets', 'far'), 'and is gone once it answers');

-- Services.
select ok(pg_temp.finds('service', current_database()), 'that nobody serves is found');
insert into monitoring.service_instances (instance_id, host_name, process_id, version)
values ('00000000-0000-0000-0000-000000000001', 'here', 1, 'x');
select ok(not pg_temp.finds('service', current_database()), 'and a service that was just seen is enough');
select is(
    (select count(*) from monitoring_internal.doctor_service_at(clock_timestamp() + interval '3 minutes')), 1::bigint,
    'for two minutes');

-- The parts, each for itself; what a healthy server has not.
select is_empty('select * from monitoring_internal.doctor_rights()', 'a superuser lacks no right');
select is_empty('select * from monitoring_internal.doctor_archiving()', 'no archive, no archiving that fails');
select is_empty(
    $$ select * from monitoring_internal.doctor_roles() as r where r.subject = 'monitoring_owner' $$, 'roles are in order');
select is_empty(
    $$ select * from monitoring_internal.doctor_collectors() as c where c.subject = 'activity' $$, 'collectors are in order');
select is((select count(*) from monitoring_internal.doctor_jobs()), 1::bigint, 'one job fails');
select is_empty(
    'select * from monitoring_internal.doctor_partitions_at(now())', 'partitions are in order');
select is(
    (select min(p.remedy) from monitoring_internal.doctor_partitions_at(now() + interval '10 days') as p
     where p.subject = 'monitoring.samples' and p.finding ~ 'behind'), 'call monitoring.maintain_partitions();',
    'ten days later they would be behind');
select ok(
    (select count(*) from monitoring_internal.doctor_statements()) <= 2
        and (select count(*) from monitoring_internal.doctor_indexes()) >= 0
        and (select count(*) from monitoring_internal.doctor_connections()) >= 0
        and (select count(*) from monitoring_internal.doctor_slots()) >= 0
        and (select count(*) from monitoring_internal.doctor_prepared_at(now())) >= 0
        and (select count(*) from monitoring_internal.doctor_sessions_at(now())) >= 0
        and (select count(*) from monitoring_internal.doctor_server_settings()) >= 0
        and (select count(*) from monitoring_internal.doctor_at(now())) >= 12, 'the other parts answer too');

-- What is sent to servers where nothing of pgvigil is installed names nothing of pgvigil's.
select ok(
    monitoring_internal.doctor_query() !~ 'monitoring[._]|p_now', 'the query for targets stands on its own');
do $$
begin
    execute 'create temporary table of_target as ' || monitoring_internal.doctor_query();
end
$$;
select set_eq(
    $$ select t.check_name, t.subject, t.finding from of_target as t where t.check_name not in ('horizon', 'connections') $$,
    $$ select d.check_name, d.subject, d.finding from monitoring.doctor() as d
        where d.severity <> 'ok' and d.check_name in (
            'rights', 'statements', 'settings', 'archiving', 'indexes') $$,
    'and finds out the same');

select is(
    (select f.folder from monitoring_internal.server_folders() as f where f.purpose = 'data'),
    current_setting('data_directory'), 'the folders of the server');

-- Who may ask.
select is(
    array(select r from unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst', 'monitoring_reader',
        'monitoring_exporter', 'monitoring_collector']) as r where has_function_privilege(r, 'monitoring.doctor()', 'execute')),
    array['monitoring_admin', 'monitoring_service'], 'findings are for operators');

-- The body of the check on a server where archiving fails with the command given.
create function pg_temp.archiving(p_command text) returns text language plpgsql as $test$
declare
    v_body text := (select prosrc from pg_proc where oid = 'monitoring_internal.doctor_archiving()'::regprocedure);
    v_remedy text;
begin
    v_body := replace(v_body, 'from pg_stat_archiver as archiver', 'from (select ''0001'' as last_failed_wal, '
        'now() as last_failed_time, 1 as failed_count, null as last_archived_wal, null::timestamptz as '
        'last_archived_time) as archiver');
    v_body := replace(v_body, 'left join pg_settings as command on command.name = ''archive_command''',
        format('cross join (select %L as setting) as command', p_command));
    v_body := replace(v_body, 'current_setting(''archive_mode'')', '''on''');
    execute format('select remedy from (%s) as part (a, b, c, d, e, remedy, place)', v_body) into v_remedy;
    return v_remedy;
end
$test$;
select is(
    array[pg_temp.archiving('cp %p /archive/%f'), pg_temp.archiving('PGPASSWORD=opensesame ship %p'),
        pg_temp.archiving('curl -T %p https://me:opensesame@host/%f')],
    array['cp pg_wal/0001 /archive/0001', 'psql -c ''show archive_command''', 'psql -c ''show archive_command'''],
    'a command that archives is repeated with its file, one with a secret is not');

-- Who has a table for himself may have an index broken as well: the doctor does not wait for him ------
create table public.doctor_locked (id integer);
create unique index doctor_locked_id on public.doctor_locked (id);
update pg_index set indisvalid = false where indexrelid = 'public.doctor_locked_id'::regclass;
lock table public.doctor_locked in access exclusive mode;
select results_eq(
    $$ select evidence, remedy, remedy_place ~ 'create unique' from monitoring_internal.doctor_indexes()
        where subject = 'public.doctor_locked_id' $$,
    $$ values ('on public.doctor_locked, locked, its size is not known',
        'drop index concurrently public.doctor_locked_id;', false) $$,
    'of an invalid index whose table is locked, nothing is asked that waits for the lock');

-- On call -----------------------------------------------------------------------------------------
insert into monitoring.people (name, tenant_id) select 'anna', tenant_id from monitoring.tenants where is_system;
select monitoring.define_on_call_schedule('{"name": "nights", "layers": []}') is not null as made \g /dev/null
select results_eq(
    $$ select severity, subject, remedy ~ 'on_call_gaps.''nights''' from monitoring_internal.doctor_on_call_at('2026-11-20 12:00Z') $$,
    $$ values ('warning', 'nights', true) $$, 'a schedule in which nobody is on call is found, with what to ask');
insert into monitoring.on_call_assignments (tenant_id, on_call_schedule_id, person_id, start_at, end_at)
select schedule.tenant_id, schedule.on_call_schedule_id, person.person_id, '2026-11-20 00:00Z', '2026-11-25 00:00Z'
from monitoring.on_call_schedules as schedule, monitoring.people as person;
select results_eq(
    $$ select severity, evidence ~ '^1 times, .*2 days 12:00:00 in all; first from 2026-11-25'
        from monitoring_internal.doctor_on_call_at('2026-11-20 12:00Z') $$,
    $$ values ('notice', true) $$, 'one that is manned now and not all week is a notice');
update monitoring.on_call_assignments set end_at = '2026-12-25 00:00Z';
select is_empty($$ select * from monitoring_internal.doctor_on_call_at('2026-11-20 12:00Z') $$, 'one that is manned all week is none');

select * from finish();
rollback;
