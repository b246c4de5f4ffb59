-- Ticks, claims, ends: misfire, deadline, fence, balance, and that a schedule's fault is one job's alone.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.define(p_job jsonb, p_now timestamptz) returns integer
language sql as $$ select monitoring_internal.schedule_job_at(p_job, p_now) $$;

-- Claims for this session as a service would, so many runs at most.
create function pg_temp.claim(p_count integer, p_now timestamptz) returns setof monitoring_internal.claimed_run
language sql as $$
    select run.*
    from monitoring_internal.session_identity() as me
    cross join lateral monitoring_internal.claim_due_at(
        '00000000-0000-4000-8000-00000000000a', array_fill(me.backend_pid, array[p_count]),
        array_fill(me.backend_started_at, array[p_count]), p_now) as run
$$;

create function pg_temp.unbalanced() returns text
language sql as $$
    select string_agg(format('%s: %s', name, difference), ', ') from monitoring.job_slot_balance where difference <> 0
$$;

-- One slot from due to succeeded ---------------------------------------------------------------------------------------
select pg_temp.define('{"name": "tick-1s", "schedule": "@every 1s", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-01 00:00:00.9Z')), 0, 'tick_at opens nothing before the slot');
select is(
    (select wait_ms from pg_temp.claim(1, '2030-01-01 00:00:00.9Z') where run_id is null), 100::bigint,
    'claim_due_at says how long nothing is due');
create temporary table claimed as select * from pg_temp.claim(4, '2030-01-01 00:00:01.02Z');
select results_eq(
    $$ select job_name, command, mode, timeout_ms, fence from claimed where run_id is not null $$,
    $$ values ('tick-1s', 'select 1', 'transaction', 300000::bigint, 1::bigint) $$,
    'claim_due_at opens and hands out the slot that is due (open_runs_at)');
select is((select count(*) from pg_temp.claim(4, '2030-01-01 00:00:01.03Z') where run_id is not null), 0::bigint,
    'a slot is handed out once (claim_runs_at)');
select is((select state from monitoring.job_status where name = 'tick-1s'), 'running', 'a claimed job shows as running');
select is(pg_temp.unbalanced(), null, 'an open slot is in the balance');
select lives_ok(
    $$ select monitoring_internal.start_run_at(run_id, fence, '2030-01-01 00:00:01.02Z') from claimed
       where run_id is not null $$, 'start_run_at accepts the session the run was leased to');
select is(current_setting('statement_timeout'), '5min', 'start_run_at sets the statement limit of what follows');
select is(current_setting('lock_timeout'), '5s', 'start_run_at sets the lock limit');
select is(current_setting('application_name'), 'pgvigil job tick-1s', 'start_run_at names the job in pg_stat_activity');
select is(
    current_setting('pgvigil.run_slot')::timestamptz, '2030-01-01 00:00:01Z'::timestamptz,
    'start_run_at tells the command its slot');
reset statement_timeout;
select monitoring_internal.finish_run_at(run_id, fence, 1, '2030-01-01 00:00:01.02Z', '2030-01-01 00:00:01.05Z')
from claimed where run_id is not null;
select throws_ok(
    $$ select monitoring_internal.finish_run_at(run_id, fence, 1, now(), now()) from claimed where run_id is not null $$,
    'PV101', null, 'finish_run_at refuses a run that has ended (raise_stale_fence)');
select is(
    (select format('%s %s %s', succeeded_total, round(run_seconds_total::numeric, 3),
        round(lateness_seconds_max::numeric, 3)) from monitoring.job_rollups), '1 0.030 0.020',
    'fold_success_at sums a success of a one-second job');
select is((select count(*) from monitoring.job_runs), 0::bigint, 'and writes no row of the ledger for it');
create temporary table hours as
select lease as lease from (values (row(0, (select job_id from monitoring.jobs), '2030-01-01 00:59:59Z', '', 'schedule',
    '2030-01-01 00:59:59Z', '2030-01-01 00:59:59Z', null, true, true, 1, 1, null, null, null, null, null, 0, null,
    null, 0, null, null, null, null
    )::monitoring.job_leases)) as l (lease);
savepoint before_hours;
select monitoring_internal.fold_success_at(
    jsonb_populate_record(lease, jsonb_build_object('slot', slot, 'planned_at', slot)), slot + interval '10 ms', slot + interval '20 ms')
from hours, unnest(array['2030-01-01 00:59:59Z', '2030-01-01 01:00:00Z', '2030-01-01 01:00:01Z', '2030-01-01 00:59:58Z',
    '2030-01-01 02:00:00Z']::timestamptz[]) as slot;
select results_eq(
    $$ select bucket_at, sum(succeeded_total), round(sum(run_seconds_total)::numeric, 2) from monitoring.job_rollups
       group by bucket_at order by bucket_at $$,
    $$ values ('2030-01-01 00:00:00Z'::timestamptz, 3::numeric, 0.05), ('2030-01-01 01:00:00Z', 2, 0.02),
        ('2030-01-01 02:00:00Z', 1, 0.01) $$,
    'close_bucket writes the hour that is over, also one that a late end opens again');
rollback to savepoint before_hours;
select is(pg_temp.unbalanced(), null, 'an ended slot is in the balance');

-- A stale fence --------------------------------------------------------------------------------------------------------
create temporary table second as select * from pg_temp.claim(1, '2030-01-01 00:00:02Z') where run_id is not null;
update monitoring.job_leases set fence = fence + 1 where run_id = (select run_id from second);
select throws_ok(
    $$ select monitoring_internal.finish_run(run_id, fence) from second $$, 'PV101', null,
    'finish_run refuses a stale fence');
select throws_ok(
    $$ select monitoring_internal.fail_run(run_id, fence, '22012', 'division by zero', null, null, 5) from second $$,
    'PV101', null, 'fail_run refuses a stale fence');
select throws_ok(
    $$ select monitoring_internal.start_run(run_id, fence) from second $$, 'PV101', null,
    'start_run refuses a stale fence');
select throws_ok(
    $$ select monitoring_internal.release_run(run_id, fence) from second $$, 'PV101', null,
    'release_run refuses a stale fence');
select is(
    (select monitoring_internal.abandon_run(run_id, fence) from second), false, 'abandon_run leaves what is not the caller''s');
select is(
    (select monitoring_internal.fail_run_at(run_id, fence + 1, '22012', 'division by zero', 'detail', 'hint',
        '2030-01-01 00:00:02Z', '2030-01-01 00:00:02.5Z') from second), 'failed', 'the latest fence may end it');
select results_eq(
    $$ select status, sqlstate, message, attempt::integer from monitoring.job_runs $$,
    $$ values ('failed', '22012', 'division by zero', 1) $$, 'a failure is a row of the ledger (end_run_at)');
select results_eq(
    $$ select status, detail, hint from monitoring.job_run_attempts $$, $$ values ('failed', 'detail', 'hint') $$,
    'and its attempt keeps the whole error');
select is((select consecutive_failures from monitoring.job_totals), 1, 'count_end_at counts failures in a row');

-- How an error's code becomes a status -----------------------------------------------------------------------------------
create function pg_temp.status_of(p_sqlstate text, p_after interval, p_now timestamptz) returns text
language plpgsql as $$
declare
    v_run monitoring_internal.claimed_run;
begin
    select * into v_run from pg_temp.claim(1, p_now) as claim where claim.run_id is not null;
    return monitoring_internal.fail_run_at(v_run.run_id, v_run.fence, p_sqlstate, 'x', null, null, p_now, p_now + p_after);
end
$$;
select is(pg_temp.status_of('57014', '5 minutes', '2030-01-01 00:00:03Z'), 'timed_out', '57014 at the limit timed out');
select is(pg_temp.status_of('57014', '1 second', '2030-01-01 00:00:04Z'), 'cancelled', '57014 before it was cancelled');
select is(pg_temp.status_of('55P03', '5 seconds', '2030-01-01 00:00:05Z'), 'failed', 'a lock not to be had failed');
select is(pg_temp.status_of('25P04', '5 seconds', '2030-01-01 00:00:06Z'), 'timed_out', 'the transaction limit timed out');
select is(pg_temp.status_of('PV102', '1 second', '2030-01-01 00:00:07Z'), 'skipped', 'an overlap is skipped');
select is(
    (select reason from monitoring.job_runs where status = 'skipped'), 'overlap', 'with its reason');
select is(pg_temp.unbalanced(), null, 'every way to end is in the balance');

-- Misfire last ---------------------------------------------------------------------------------------------------------
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-02 02:00:07.5Z')), 1, 'after 26 hours one run is opened');
select results_eq(
    $$ select first_slot_at, slot, slot_count, status, reason from monitoring.job_runs where slot_count > 1 $$,
    $$ values ('2030-01-01 00:00:08Z'::timestamptz, '2030-01-02 02:00:06Z'::timestamptz, 93599::bigint, 'missed',
        'misfire') $$, 'miss_slots_at ends the slots before it as one row');
select is((select slot from monitoring.job_leases), '2030-01-02 02:00:07Z'::timestamptz, 'and the last slot is the one that runs');
select is(pg_temp.unbalanced(), null, 'missed slots are in the balance');
select monitoring_internal.unschedule_job_at('tick-1s', '2030-01-02 02:00:08Z');
select is(
    (select format('%s %s', status, reason) from monitoring.job_runs where slot = '2030-01-02 02:00:07Z'),
    'cancelled retired', 'unschedule_job_at cancels the run that waits');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-02 02:00:09Z')), 0, 'and nothing of the job comes due any more');

-- The same for a calendar, in steps ------------------------------------------------------------------------------------
select pg_temp.define('{"name": "cron-10s", "schedule": "*/10 * * * * *", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-02 02:00:05Z')), 0, 'a long outage of a calendar is walked in steps');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-02 02:00:05Z')), 1, 'until its last slot is reached and runs');
select is(
    (select sum(slot_count) from monitoring.job_runs as run join monitoring.jobs as job using (job_id)
     where job.name = 'cron-10s'), 9359::numeric, 'all others are missed: 26 hours of 10 seconds less one');
select is(pg_temp.unbalanced(), null, 'and in the balance');
select monitoring_internal.unschedule_job_at('cron-10s', '2030-01-02 02:00:08Z');

-- Start deadline -------------------------------------------------------------------------------------------------------
select pg_temp.define(
    '{"name": "prompt", "schedule": "@every 1m", "sql": "select 1", "start_deadline": "5s"}', '2030-01-01 00:00:00Z');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-01 00:01:05.1Z')), 0, 'a slot later than its deadline is not opened');
select results_eq(
    $$ select run.status, run.reason, run.slot_count from monitoring.job_runs as run join monitoring.jobs as job using (job_id)
       where job.name = 'prompt' $$, $$ values ('missed', 'start_deadline', 1::bigint) $$, 'but missed, with the reason (planned_slots_at)');
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-01 00:02:04Z')), 1, 'one within it is opened');
select is(
    (select count(*) from pg_temp.claim(1, '2030-01-01 00:02:06Z') where run_id is not null), 0::bigint,
    'a run that nobody took by its deadline is not handed out');
select is(
    (select count(*) from monitoring.job_runs as run join monitoring.jobs as job using (job_id)
     where job.name = 'prompt' and run.reason = 'start_deadline'), 2::bigint, 'but missed');
select is(pg_temp.unbalanced(), null, 'and in the balance');

select pg_temp.define(
    '{"name": "later", "schedule": "@every 1m", "sql": "select 1"}', '2030-01-01 00:02:30Z');
select monitoring_internal.run_job_at('prompt', null, '2030-01-01 00:02:30Z');
select monitoring_internal.run_job_at('later', null, '2030-01-01 00:02:31Z');
update monitoring.job_leases set deadline_at = '2030-01-01 00:02:40Z'
where job_id = (select job_id from monitoring.jobs where name = 'prompt');
create temporary table mixed as
select run.* from monitoring_internal.claim_due_at(
    '00000000-0000-4000-8000-00000000000a', array[101, 102, 103], array_fill(now(), array[3]), '2030-01-01 00:03:02Z') as run
where run_id is not null;
select results_eq(
    $$ select job_name, backend_pid from mixed order by backend_pid $$, $$ values ('later', 101), ('prompt', 102), ('later', 103) $$,
    'each session gets one run, also when one that waited was missed');
select monitoring_internal.finish_run_at(run_id, fence, 0, now(), now()) from mixed;
select monitoring_internal.unschedule_job_at(name, '2030-01-01 00:03:05Z') from unnest(array['prompt', 'later']) as name;
-- Spread ---------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.start_delay('a', '0'), interval '0', 'start_delay is nothing without a spread');
select ok(
    min(delay) >= '0' and max(delay) < '10 seconds' and max(delay) - min(delay) > '9 seconds'
        and abs(extract(epoch from avg(delay)) - 5) < 0.5, 'start_delay spreads names evenly')
from (select monitoring_internal.start_delay('job-' || i, '10 seconds') as delay from generate_series(1, 1000) as i) as d;
select pg_temp.define(
    '{"name": "spread", "schedule": "@every 1m", "sql": "select 1", "spread": "30s"}', '2030-01-01 00:00:00Z');
select is(next_due_at - next_slot_at, monitoring_internal.start_delay('spread', '30s'), 'a start is delayed after its slot')
from monitoring.upcoming_jobs where name = 'spread';
select is(next_slot_at, '2030-01-01 00:01:00Z'::timestamptz, 'the slot itself stays on the grid')
from monitoring.upcoming_jobs where name = 'spread';
select monitoring_internal.unschedule_job_at('spread', '2030-01-01 00:00:30Z');

-- One broken schedule --------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "sound", "schedule": "* * * * *", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select pg_temp.define('{"name": "broken", "schedule": "* * * * *", "sql": "select 1"}', '2030-01-01 00:00:00Z');
update monitoring.jobs set time_zone = 'Mars/Olympus' where name = 'broken';
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-01 00:01:00Z')), 1, 'a job whose zone is gone does not stop the others');
select is((select sqlstate from monitoring.job_errors), '22023', 'note_schedule_errors_at remembers why');
select is((select state from monitoring.job_status where name = 'broken'), 'broken', 'the status shows it');
select is(pg_temp.unbalanced(), null, 'no slot is counted until the schedule works');
update monitoring.jobs set time_zone = 'UTC' where name = 'broken';
select is(cardinality(monitoring_internal.tick_at(10, '2030-01-01 00:02:00Z')), 2, 'once mended it goes on');
select is((select count(*) from monitoring.job_errors), 0::bigint, 'and the error is forgotten');
select is(
    (select slot_count from monitoring.job_runs as run join monitoring.jobs as job using (job_id) where job.name = 'broken'),
    1::bigint, 'with the slot it lost accounted for');
select is(pg_temp.unbalanced(), null, 'and balanced');

-- Asked for by hand ----------------------------------------------------------------------------------------------------
delete from monitoring.job_leases;
update monitoring.job_totals set cancelled_total = cancelled_total + 1
where job_id in (select job_id from monitoring.jobs where name in ('sound', 'broken'));
update monitoring.job_totals set cancelled_total = cancelled_total + 1
where job_id = (select job_id from monitoring.jobs where name = 'sound');
create temporary table asked as
select monitoring_internal.run_job_at('sound', null, '2030-01-01 00:02:10.1234Z') as run_id
union all select monitoring_internal.run_job_at('sound', null, '2030-01-01 00:02:10.1234Z');
select is(
    (select count(distinct slot) from monitoring.job_leases where trigger = 'manual'), 2::bigint,
    'run_job_at gives each run a slot of its own');
create temporary table handed as select * from pg_temp.claim(5, '2030-01-01 00:02:11Z') where run_id is not null;
select is((select count(*) from handed join asked using (run_id)), 2::bigint, 'they are handed out like any other');
select monitoring_internal.release_run(min(run_id), 1) from handed;
select is(
    (select count(*) from pg_temp.claim(5, '2030-01-01 00:02:12Z') where fence = 2), 1::bigint,
    'release_run lets another claim have it, with a higher fence');
select monitoring_internal.finish_run_at(run_id, fence, 0, now(), now()) from monitoring.job_leases;
select is((select requested_total from monitoring.job_totals as total join monitoring.jobs as job using (job_id)
    where job.name = 'sound'), 2::bigint, 'they are counted as asked for');
select is(pg_temp.unbalanced(), null, 'and in the balance');
select throws_ok($$ select monitoring.run_job('nobody') $$, 'PV105', null, 'run_job knows no job that is not there');

-- Leases ---------------------------------------------------------------------------------------------------------------
select monitoring_internal.register_instance('00000000-0000-4000-8000-00000000000a', 'host', 42, '1');
select monitoring_internal.run_job_at('sound', null, '2030-01-01 00:02:20Z');
select monitoring_internal.run_job_at('broken', null, '2030-01-01 00:02:20Z');
create temporary table held as select * from pg_temp.claim(5, '2030-01-01 00:02:20Z') where run_id is not null;
select is(
    monitoring_internal.extend_leases_at('00000000-0000-4000-8000-00000000000a', '2030-01-01 00:02:40Z'), 2,
    'extend_leases_at extends what the service holds');
select ok(bool_and(expires_at = '2030-01-01 00:03:10Z'), 'by the lease from now') from monitoring.job_leases;
select is(
    monitoring_internal.extend_leases_at('00000000-0000-4000-8000-00000000000b', '2030-01-01 00:02:40Z'), 0,
    'of no other service');
select is(
    monitoring_internal.extend_leases_at('00000000-0000-4000-8000-00000000000a', '2030-01-01 00:03:11Z'), 0,
    'a lapsed lease stays lapsed');
select is(
    (select count(*) from monitoring_internal.settle_orphans_at('2030-01-01 00:03:10Z')), 0::bigint,
    'settle_orphans_at leaves alone what is held');
select results_eq(
    $$ select distinct status from monitoring_internal.settle_orphans_at('2030-01-01 00:03:11Z') $$, $$ values ('cancel') $$,
    'a lapsed lease whose backend lives is cancelled first');
select is(
    (select count(*) from monitoring_internal.settle_orphans_at('2030-01-01 00:03:12Z')), 0::bigint,
    'given time to obey');
select results_eq(
    $$ select distinct status from monitoring_internal.settle_orphans_at('2030-01-01 00:03:17Z') $$,
    $$ values ('terminate') $$, 'then terminated');
update monitoring.job_leases set backend_started_at = backend_started_at - interval '1 hour';
update monitoring.job_leases set is_transactional = false where run_id = (select max(run_id) from held);
select results_eq(
    $$ select status from monitoring_internal.settle_orphans_at('2030-01-01 00:03:18Z') order by run_id $$,
    $$ values ('failed'), ('uncertain') $$,
    'gone: failed where effect and end commit together, else uncertain; a process number that came again is no backend');
select is((select count(*) from monitoring.job_run_attempts where signal_count = 2), 2::bigint, 'the signals are recorded');
select is(pg_temp.unbalanced(), null, 'orphans are in the balance');
select is(monitoring_internal.tidy_scheduler_at('2030-01-03 00:00:00Z'), 1, 'tidy_scheduler_at forgets silent services');
select monitoring_internal.register_instance('00000000-0000-4000-8000-00000000000a', 'host', 42, '1');
select monitoring_internal.drain_instance('00000000-0000-4000-8000-00000000000a');
select ok(is_draining, 'drain_instance shows') from monitoring.service_instances;
select monitoring_internal.leave_instance('00000000-0000-4000-8000-00000000000a');
select is((select count(*) from monitoring.service_instances), 0::bigint, 'leave_instance forgets it');

-- A clock that was set back ----------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "j1", "schedule": "* * * * *", "sql": "select 1", "start_deadline": "5s"}', '2031-01-01 10:00:30Z');
select pg_temp.define('{"name": "j2", "schedule": "* * * * *", "sql": "select 1"}', '2031-01-01 10:10:30Z');
select monitoring_internal.tick_at(9, '2031-01-01 10:31:30Z');
select pg_temp.define('{"name": "j1", "schedule": "*/1 * * * *", "sql": "select 1", "start_deadline": "5s"}', '2031-01-01 10:10:30Z');
select lives_ok($$ select monitoring_internal.tick_at(9, '2031-01-01 10:31:30Z') $$, 'slots that come twice stop no tick');
select is(pg_temp.unbalanced(), null, 'and are in the balance');
select monitoring_internal.extend_leases_at('00000000-0000-4000-8000-00000000000a', '2031-01-01 10:05:10Z');
select is(
    (select next_slot_at from monitoring.upcoming_jobs where name = 'j2'), '2031-01-01 10:06:00Z'::timestamptz,
    'the heartbeat brings back schedules that a wrong clock took ahead');
select is(
    (select next_due_at from monitoring.upcoming_jobs where name = 'j1'), '2031-01-01 10:06:00Z'::timestamptz, 'all of them');

-- A lease is for one backend and for a time ---------------------------------------------------------------------------------
select monitoring_internal.run_job_at('sound', null, '2031-01-01 10:05:20Z');
create temporary table leased as select * from pg_temp.claim(1, '2031-01-01 10:05:20Z') where run_id is not null;
select throws_ok(
    $$ select monitoring_internal.start_run_at(run_id, fence, '2031-01-01 10:05:51Z') from leased $$, 'PV101', null,
    'start_run_at refuses a lease that lapsed');
update monitoring.job_leases set backend_pid = backend_pid + 1 where run_id = (select run_id from leased);
select throws_ok(
    $$ select monitoring_internal.start_run_at(run_id, fence, '2031-01-01 10:05:21Z') from leased $$, 'PV101', null,
    'and another backend than the one it was leased to');
delete from monitoring.job_leases;

-- The forms that a service calls read the clock themselves ---------------------------------------------------------------
select monitoring.run_job('sound');
select ok(monitoring_internal.tick(10) >= 0, 'tick');
select is(
    (select count(*) from monitoring_internal.session_identity() as me
     cross join lateral monitoring_internal.claim_runs(
        '00000000-0000-4000-8000-00000000000a', array[me.backend_pid], array[me.backend_started_at])), 1::bigint, 'claim_runs');
select is(monitoring_internal.extend_leases('00000000-0000-4000-8000-00000000000a'), 1, 'extend_leases');
select is((select count(*) from monitoring_internal.settle_orphans()), 0::bigint, 'settle_orphans');
select is((select count(*) from monitoring_internal.reap_runs()), 0::bigint, 'reap_runs');
select is((select monitoring_internal.abandon_run(run_id, fence) from monitoring.job_leases), true, 'abandon_run');
select results_eq('select status from monitoring_internal.settle_orphans()', $$ values ('cancel') $$, 'lets the lease lapse');
select is(
    (select count(*) from monitoring_internal.session_identity() as me
     cross join lateral monitoring_internal.claim_due(
        '00000000-0000-4000-8000-00000000000a', array[me.backend_pid], array[me.backend_started_at])), 1::bigint, 'claim_due');
select ok(monitoring.tidy_scheduler() = 0, 'tidy_scheduler');
select ok(
    monitoring_internal.wait_until_due_at(now()) between interval '0' and interval '2 minutes',
    'wait_until_due_at: jobs of every minute, brought back to the present by the heartbeat');

select * from finish();
rollback;
