-- Jobs defined by file and by SQL: all or none, differences, faults, generations, and what becomes of the schedule.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.apply(p_jobs text, p_generation bigint, p_now timestamptz, p_source text default 'jobs.yml')
returns table (job_name text, line integer, action text, message text)
language sql as $$
    select * from monitoring_internal.apply_jobs_at(p_source, p_generation, p_jobs::jsonb, p_now)
$$;
create function pg_temp.slot_of(p_name text) returns timestamptz
language sql as $$ select next_slot_at from monitoring.upcoming_jobs where name = p_name $$;

-- The first time -------------------------------------------------------------------------------------------------------
select results_eq(
    $$ select * from pg_temp.apply('[
        {"name": "a", "schedule": "*/5 * * * *", "sql": "select 1", "line": 3},
        {"name": "b", "schedule": "@every 10s", "sql": "call p()", "mode": "procedure", "timeout": "1h30m",
         "lock_timeout": "250ms", "start_deadline": "5s", "spread": "4s", "description": "d", "line": 7},
        {"name": "c", "schedule": "30 2 * * *", "sql": "select 3", "time_zone": "Europe/Berlin", "enabled": false,
         "history": "failures", "line": 12}]', 100, '2030-01-01 00:00:00Z') $$,
    $$ values ('a', 3, 'added', null), ('b', 7, 'added', null), ('c', 12, 'added', null) $$, 'apply_jobs_at adds jobs');
select results_eq(
    $$ select name, mode, timeout, lock_timeout, start_deadline, spread, history, fixed_period, source, source_line
       from monitoring.jobs order by name $$,
    $$ values
        ('a', 'transaction', interval '5 minutes', interval '5 seconds', null::interval, interval '0', 'all',
            null::interval, 'jobs.yml', 3),
        ('b', 'procedure', interval '90 minutes', interval '250 milliseconds', interval '5 seconds',
            interval '4 seconds', 'failures', interval '10 seconds', 'jobs.yml', 7),
        ('c', 'transaction', interval '5 minutes', interval '5 seconds', null, interval '0', 'failures', null,
            'jobs.yml', 12) $$,
    'with what the file says and the defaults; a job of less than a minute keeps only failures');
select is(pg_temp.slot_of('a'), '2030-01-01 00:05:00Z'::timestamptz, 'the first slot is the next one');
select is(pg_temp.slot_of('c'), null, 'a disabled job has none due');
select results_eq(
    $$ select source, generation, job_count from monitoring.job_sources $$, $$ values ('jobs.yml', 100::bigint, 3) $$,
    'the source and its generation are kept');

-- Again: nothing changes, and what was missed meanwhile is still due ----------------------------------------------------
select results_eq(
    $$ select job_name, line, action from pg_temp.apply('[
        {"name": "a", "schedule": "*/5 * * * *", "sql": "select 1", "line": 4},
        {"name": "c", "schedule": "30 2 * * *", "sql": "select 33", "time_zone": "Europe/Berlin", "line": 8}]',
        101, '2030-01-01 01:00:00Z') $$,
    $$ values ('a', 4, 'unchanged'), ('c', 8, 'changed'), ('b', 7, 'retired') $$,
    'apply_jobs_at makes the difference: unchanged, changed, retired');
select is(pg_temp.slot_of('a'), '2030-01-01 00:05:00Z'::timestamptz, 'an unchanged schedule keeps its place (save_job_at)');
select is(pg_temp.slot_of('c'), '2030-01-01 01:30:00Z'::timestamptz, 'an enabled job begins with its next slot');
select is(pg_temp.slot_of('b'), null, 'a retired job is not due any more (retire_job_at)');
select is((select count(*) from monitoring.jobs where name = 'b'), 1::bigint, 'but its row, and so its history, stays');
select is((select command from monitoring.jobs where name = 'c'), 'select 33', 'a changed command is in force');

-- What the reader of the file found wrong is told with what is found here, and nothing changes.
select results_eq(
    $$ select job_name, line, action, message from monitoring_internal.apply_jobs_at(
        'faulty.yml', 1, '[{"line": 3, "name": "x", "schedule": "61 * * * *", "sql": "select 1"},
            {"line": 9, "name": "y", "schedule": "@daily", "sql": "select 1"},
            {"line": 6, "fault": "jobs[0]: unknown key"}]', now()) $$,
    $$ values ('x', 3, 'fault', 'minute field "61": 61 is outside 0-59'), (null, 6, 'fault', 'jobs[0]: unknown key') $$,
    'apply_jobs_at tells the reader''s faults and its own together');
select is(
    (select count(*) from monitoring.jobs where name in ('x', 'y')), 0::bigint,
    'a fault of the reader alone keeps a file out too');

-- A changed schedule replays nothing ------------------------------------------------------------------------------------
select pg_temp.apply('[{"name": "a", "schedule": "* * * * *", "sql": "select 1", "line": 4}]', 102, '2030-01-01 02:00:30Z');
select is(pg_temp.slot_of('a'), '2030-01-01 02:01:00Z'::timestamptz, 'a changed schedule begins anew (place_job_at)');
select is((select due_total from monitoring.job_slot_balance where name = 'a'), 0::bigint, 'and owes no old slots');
select results_eq(
    $$ select job_name, action from pg_temp.apply('[
        {"name": "a2", "schedule": "* * * * *", "sql": "select 1", "line": 4},
        {"name": "b", "schedule": "@every 10s", "sql": "select 2", "line": 5}]', 103, '2030-01-01 02:00:40Z') $$,
    $$ values ('a2', 'added'), ('b', 'added'), ('a', 'retired') $$, 'a renamed job is a new one, a name that comes back its old');
select is(pg_temp.slot_of('b'), '2030-01-01 02:00:50Z'::timestamptz, 'which begins with its next slot too');

-- An older file ---------------------------------------------------------------------------------------------------------
select results_eq(
    $$ select job_name, action from pg_temp.apply('[]', 102, '2030-01-01 02:01:00Z') $$,
    $$ values (null::text, 'superseded') $$, 'an older generation is refused');
select is((select count(*) from monitoring.upcoming_jobs), 2::bigint, 'and undoes nothing');

-- Faults: all of them, none applied ---------------------------------------------------------------------------------------
select monitoring_internal.schedule_job_at(
    '{"name": "by-sql", "schedule": "@hourly", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select results_eq(
    $$ select job_name, line, action, message from pg_temp.apply('[
        {"name": "good", "schedule": "@daily", "sql": "select 1", "line": 2},
        {"name": "Bad Name", "schedule": "@daily", "sql": "select 1", "line": 5},
        {"name": "x", "schedule": "61 * * * *", "sql": "commit", "timeout": "soon", "spread": "2d", "line": 9},
        {"name": "y", "schedule": "@every 10s", "sql": "select 1", "mode": "procedure", "time_zone": "Mars/Olympus", "line": 14},
        {"name": "y", "schedule": "@every 10s", "sql": "select 1", "spread": "11s", "line": 20},
        {"name": "by-sql", "schedule": "0 0 30 2 *", "line": 25}]', 104, '2030-01-01 02:02:00Z') order by line, message collate "C" $$,
    $$ values
        ('Bad Name', 5, 'fault', 'name must be 1 to 63 characters of a-z, 0-9, dot, dash and underscore'),
        ('x', 9, 'fault', 'minute field "61": 61 is outside 0-59'),
        ('x', 9, 'fault', 'spread "2d" is not between 00:00:00 and 1 day'),
        ('x', 9, 'fault', 'sql must not begin or end a transaction'),
        ('x', 9, 'fault', 'timeout "soon" is not a length of time such as 30s or 5m'),
        ('y', 14, 'fault', 'sql of mode procedure must be one CALL'),
        ('y', 14, 'fault', 'unknown time zone "Mars/Olympus"'),
        ('y', 20, 'fault', 'spread 00:00:11 is longer than 00:00:10 between two slots'),
        ('y', 20, 'fault', 'the name is used twice in this file'),
        ('by-sql', 25, 'fault', 'schedule "0 0 30 2 *": it never fires: no such day in these months'),
        ('by-sql', 25, 'fault', 'sql is missing'),
        ('by-sql', 25, 'fault', 'the name is in use by a job of sql') $$,
    'job_faults tells every fault of every job with its line');
select is((select count(*) from monitoring.jobs where name in ('good', 'x', 'y')), 0::bigint, 'with a fault nothing is applied');
select is((select generation from monitoring.job_sources where source = 'jobs.yml'), 103::bigint, 'and the last good state stays');
select results_eq(
    $$ select name from monitoring.upcoming_jobs order by name $$, $$ values ('a2'), ('b'), ('by-sql') $$,
    'in force');

-- Two files ---------------------------------------------------------------------------------------------------------------
select pg_temp.apply('[{"name": "other", "schedule": "@daily", "sql": "select 1", "line": 1}]', 1, now(), 'other.yml');
select pg_temp.apply('[]', 105, now());
select results_eq(
    $$ select name from monitoring.upcoming_jobs order by name $$, $$ values ('by-sql'), ('other') $$,
    'a file retires its own jobs only');

-- By SQL -----------------------------------------------------------------------------------------------------------------
select ok(monitoring.schedule_job('again', '@every 5s', 'select 1', spread => '2s') > 0, 'schedule_job defines a job');
select is(
    monitoring.schedule_job('again', '@every 5s', 'select 2', is_enabled => false),
    (select job_id from monitoring.jobs where name = 'again'), 'and changes it');
select is(pg_temp.slot_of('again'), null, 'and disables it');
select throws_ok(
    $$ select monitoring.schedule_job('bad', '* * *', '') $$, 'PV103', null, 'schedule_job refuses a faulty job');
select throws_ok(
    $$ select monitoring.schedule_job('other', '@daily', 'select 1') $$, 'PV104', null, 'and a name that a file owns');
select throws_ok($$ select monitoring.unschedule_job('other') $$, 'PV104', null, 'unschedule_job too');
select lives_ok($$ select monitoring.unschedule_job('again') $$, 'unschedule_job retires a job');
select throws_ok($$ select monitoring.unschedule_job('again') $$, 'PV105', null, 'once');
select throws_ok($$ select monitoring_internal.find_job('nobody') $$, 'PV105', null, 'find_job knows who is there');
select results_eq(
    $$ select action from monitoring_internal.apply_jobs('other.yml', 2, '[]') $$, $$ values ('retired') $$, 'apply_jobs');

-- Smaller parts ------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.check_durations('{"timeout": "5m", "lock_timeout": "1ms"}'), '{}', 'check_durations');
select is(monitoring_internal.milliseconds('1.5 seconds'), '1500', 'milliseconds');
select is(monitoring_internal.shortest_gap('0,20 * * * *', 'UTC', 'once', '2030-01-01Z'), interval '20 minutes', 'shortest_gap');
select results_eq(
    $$ select last_slot_at, previous_slot_at, slot_count, next_slot_at, is_complete from monitoring_internal.advance_slots(
        '30 2 * * *', 'Europe/Berlin', 'once', null, '2030-03-30 01:30:00Z', '2030-04-01 02:00:00Z', 10) $$,
    $$ values ('2030-04-01 00:30:00Z'::timestamptz, '2030-03-31 01:00:00Z'::timestamptz, 3::bigint,
        '2030-04-02 00:30:00Z'::timestamptz, true) $$,
    'advance_slots walks local time: the slot in the gap runs at its end');
select is(
    (select monitoring_internal.check_words((monitoring_internal.check_job_at(
        '{"name": "n", "schedule": "@daily", "sql": "select 1", "mode": "exec", "dst": "thrice", "overlap": "heap", "misfire": "none",
          "history": "none"}', 's', now())).job)),
    array['mode "exec" is unknown: transaction, procedure or maintenance',
        'dst "thrice" is unknown: once, skip or twice', 'overlap "heap" is unknown: skip, queue, cancel or allow',
        'misfire "none" is unknown: last, skip or all', 'history "none" is unknown: all or failures'], 'check_words');
select is((select count(*) from monitoring_internal.next_slots('by-sql', 4)), 4::bigint, 'next_slots');
select results_eq(
    $$ select slot_at, planned_at, local_at from monitoring_internal.next_slots_at('by-sql', 1, '2030-01-01 00:00:00Z') $$,
    $$ values ('2030-01-01 01:00:00Z'::timestamptz, '2030-01-01 01:00:00Z'::timestamptz, '2030-01-01 01:00:00'::timestamp) $$,
    'next_slots_at');

-- Whatever the caller's settings -------------------------------------------------------------------------------------------
set local standard_conforming_strings = off;
select lives_ok($$ select monitoring.schedule_job('plain', '@daily', 'select 1') $$, 'a session with old strings schedules a job');
select throws_ok($$ select monitoring.schedule_job('ender', '@daily', 'commit; -- S') $$, 'PV103', null, 'but no end of a transaction');
select throws_ok(
    format('select monitoring.schedule_job(''ender'', ''@daily'', %L)', hidden), 'PV103', null,
    'nor one behind a comment or an empty statement: ' || replace(hidden, E'\n', ' '))
from unnest(array['/* x */ commit and chain', ';rollback', '/**/begin', E'-- a\n\tCommit', E'/* ** */ ; -- b\n end']) as hidden;
select lives_ok(
    $$ select monitoring.schedule_job('remark', '@daily', E'-- commit\n/* begin */ select 1') $$,
    'a remark that names one does no harm');
select monitoring.unschedule_job('remark');
select monitoring.unschedule_job('plain');
set local standard_conforming_strings = on;
select throws_ok($$ select * from monitoring_internal.apply_jobs('sql', 1, '[]') $$, 'PV104', null, 'no file is named sql');

-- What the command line shows --------------------------------------------------------------------------------------------
select results_eq(
    $$ select name, state, next, last from monitoring_internal.list_jobs_at('2030-01-01 00:30:00Z') $$,
    $$ values ('by-sql', 'waiting', 'in 30m', 'never') $$, 'list_jobs_at');
select is((select count(*) from monitoring_internal.list_jobs()), 1::bigint, 'list_jobs');
select results_eq(
    $$ select name, next, local_at from monitoring_internal.list_upcoming_at(5, '2030-01-01 00:59:30Z') $$,
    $$ values ('by-sql', 'in 30s', '2030-01-01 01:00:00'::timestamp) $$, 'list_upcoming_at');
select is((select count(*) from monitoring_internal.list_upcoming(0)), 0::bigint, 'list_upcoming');
select results_eq(
    $$ select monitoring_internal.brief_distance(now(), now() + d) from unnest(array[
        interval '12 hours', '-3 minutes', '40 days', '-1 second']) as d $$,
    $$ values ('in 12h'), ('3m ago'), ('in 40d'), ('1s ago') $$, 'brief_distance');
select monitoring_internal.tick_at(1, '2030-01-01 03:00:00Z');
select results_eq(
    $$ select name, status, reason, slots from monitoring_internal.list_runs('by-sql', 5) $$,
    $$ values ('by-sql', 'waiting', '', 1::bigint), ('by-sql', 'missed', 'misfire', 2) $$, 'list_runs');
select is(
    (select value from monitoring_internal.describe_job('by-sql') where field = 'schedule'), '@hourly in UTC', 'describe_job');

-- Who may --------------------------------------------------------------------------------------------------------------------
select function_privs_are('monitoring', 'run_job', array['text', 'text'], 'monitoring_service', array['EXECUTE'], 'the service may run a job');
select function_privs_are(
    'monitoring', 'schedule_job',
    array['text', 'text', 'text', 'text', 'text', 'interval', 'interval', 'interval', 'interval', 'text', 'text', 'boolean',
        'text', 'text', 'text', 'integer', 'jsonb', 'text[]', 'text', 'jsonb', 'text[]'],
    'monitoring_service', array[]::text[], 'only an administrator schedules: a command runs with the service''s rights');
select ok(
    has_table_privilege('monitoring_reader', 'monitoring.job_status', 'select')
        and has_table_privilege('monitoring_reader', 'monitoring.job_slot_balance', 'select'),
    'a reader sees how jobs fare');
select ok(not has_column_privilege('monitoring_reader', 'monitoring.jobs', 'command', 'select'), 'but no command');
select ok(
    has_column_privilege('monitoring_reader', 'monitoring.job_runs', 'status', 'select')
        and not has_column_privilege('monitoring_reader', 'monitoring.job_runs', 'message', 'select'),
    'and of runs no message, which may hold data');
do $$
declare
    v_count bigint;
begin
    set local role monitoring_reader;
    select count(*) into v_count from monitoring.job_status;
    select count(*) + v_count into v_count from monitoring.job_slot_balance;
    select count(*) + v_count into v_count from monitoring.upcoming_jobs;
    reset role;
    perform set_config('test.seen', v_count::text, true);
end
$$;
select ok(current_setting('test.seen')::integer > 0, 'the views work with a reader''s rights');

select * from finish();
rollback;
