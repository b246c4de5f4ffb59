-- What operators and roles do to jobs: pause, resume, cancel; run_as; several databases; modes.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.define(p_job jsonb, p_now timestamptz) returns integer
language sql as $$ select monitoring_internal.schedule_job_at(p_job, p_now) $$;

-- A service's turn for this session, so many runs at most; each run as "job slot", and what was claimed is kept.
create temporary table claimed (run monitoring_internal.claimed_run);
create function pg_temp.turn(p_count integer, p_now timestamptz) returns text
language plpgsql as $$
declare
    v_turn text;
begin
    with run as materialized (
        select claim as run
        from monitoring_internal.session_identity() as me
        cross join lateral monitoring_internal.claim_due_at(
            '00000000-0000-4000-8000-00000000000a', array_fill(me.backend_pid, array[p_count]),
            array_fill(me.backend_started_at, array[p_count]), p_now) as claim
        where claim.run_id is not null
    ),
    kept as (
        insert into claimed select run.run from run
        returning run
    )
    select string_agg((kept.run).job_name || coalesce('@' || nullif((kept.run).target, ''), ''), ', '
        order by (kept.run).run_id)
    into v_turn
    from kept;
    return v_turn;
end
$$;
create function pg_temp.finish(p_job text, p_now timestamptz) returns void
language plpgsql as $$
begin
    perform monitoring_internal.finish_run_at((run).run_id, (run).fence, 1, p_now, p_now)
    from claimed where (run).job_name = p_job
        and exists (select from monitoring.job_leases l where l.run_id = (run).run_id and l.fence = (run).fence);
end
$$;
create function pg_temp.fail(p_job text, p_sqlstate text, p_now timestamptz) returns text
language plpgsql as $$
declare
    v_ends text;
begin
    select string_agg(monitoring_internal.fail_run_at((run).run_id, (run).fence, p_sqlstate, 'x', null, null, p_now, p_now), ',')
    into v_ends
    from claimed where (run).job_name = p_job
        and exists (select from monitoring.job_leases l where l.run_id = (run).run_id and l.fence = (run).fence);
    return v_ends;
end
$$;
-- What the ledger says of a job, "slot status reason count", and what of it is open, "slot waits".
create function pg_temp.ledger(p_job text) returns text
language sql as $$
    select string_agg(concat_ws(' ', to_char(slot at time zone 'UTC', 'HH24:MI:SS'), status, reason,
        nullif('x' || slot_count, 'x1')), ', ' order by slot, target)
    from monitoring.job_runs join monitoring.jobs using (job_id) where name = p_job
$$;
create function pg_temp.waiting(p_job text) returns text
language sql as $$
    select string_agg(concat_ws(' ', to_char(slot at time zone 'UTC', 'HH24:MI:SS'), waits_for), ', ' order by slot)
    from monitoring.job_leases join monitoring.jobs using (job_id) where name = p_job and instance_id is null
$$;
create function pg_temp.unbalanced() returns text
language sql as $$
    select string_agg(format('%s: %s', name, difference), ', ') from monitoring.job_slot_balance where difference <> 0
$$;
create function pg_temp.refusal(p_job jsonb) returns text
language plpgsql as $$
declare
    v_detail text;
begin
    perform monitoring_internal.schedule_job_at(p_job, '2030-01-01 00:00:00Z');
    return 'accepted';
exception when others then
    get stacked diagnostics v_detail = pg_exception_detail;
    return sqlstate || ' ' || coalesce(nullif(v_detail, ''), sqlerrm);
end
$$;

-- Pause, resume, cancel ------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "often", "schedule": "@every 1m", "sql": "select 1", "history": "all"}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 00:01:00Z');
select pg_temp.finish('often', '2030-01-01 00:01:01Z');
select monitoring_internal.pause_job_at('often', '2030-01-01 00:10:30Z', 'deploy', '2030-01-01 00:02:30Z');
select is(pg_temp.waiting('often'), '00:02:00', 'pause_job_at opens what came due before it (settle_slots_at, tick_jobs_at)');
select is(pg_temp.turn(4, '2030-01-01 00:02:40Z'), 'often', 'which still runs');
select pg_temp.finish('often', '2030-01-01 00:02:41Z');
select is(pg_temp.turn(4, '2030-01-01 00:06:10Z'), null, 'a paused job does not run');
select results_eq(
    $$ select state, paused_until, pause_reason from monitoring.job_status where name = 'often' $$,
    $$ values ('paused', '2030-01-01 00:10:30Z'::timestamptz, 'deploy') $$, 'the pause and its reason show');
select is(pg_temp.turn(4, '2030-01-01 00:12:10Z'), null, 'slots of a pause that is over end first');
select is(pg_temp.turn(4, '2030-01-01 00:12:10Z'), 'often', 'then those after it come due');
select pg_temp.finish('often', '2030-01-01 00:12:11Z');
select is(pg_temp.ledger('often'), '00:01:00 succeeded, 00:02:00 succeeded, 00:06:00 skipped paused x4, '
    '00:10:00 skipped paused x4, 00:11:00 missed misfire, 00:12:00 succeeded', 'each slot in its own end');
select is(pg_temp.unbalanced(), null, 'a pause is in the balance');
select monitoring_internal.pause_job_at('often', null, null, '2030-01-01 00:12:30Z');
select is(monitoring_internal.resume_job_at('often', '2030-01-01 00:15:30Z'), true, 'resume_job_at ends a pause');
select matches(pg_temp.ledger('often'), '00:15:00 skipped paused x3$', 'whose slots it accounts for');
select is(monitoring_internal.resume_job_at('often', '2030-01-01 00:15:31Z'), false, 'and says when there was none');
select throws_ok($$ select monitoring_internal.pause_job_at('often', '2030-01-01Z', null, '2030-01-01 00:16:00Z') $$, 'PV124', null,
    'a pause that would be over is refused');
select lives_ok($$ select monitoring.pause_job('often', 'infinity', 'x') $$, 'pause_job');
select is(monitoring.resume_job('often'), true, 'resume_job');
select throws_ok($$ select monitoring.pause_job('none') $$, 'PV105', null, 'pause_job knows no such job');
select monitoring_internal.unschedule_job_at('often', '2030-01-01 00:15:32Z');
select pg_temp.define('{"name": "stop", "schedule": "@every 1m", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select monitoring_internal.run_job_at('stop', null, '2030-01-01 00:00:10Z');
select pg_temp.turn(1, '2030-01-01 00:00:11Z');
select monitoring_internal.run_job_at('stop', null, '2030-01-01 00:00:12Z');
select is(monitoring_internal.cancel_run_at('stop', null, '2030-01-01 00:00:13Z'), 2, 'cancel_run_at ends what is open');
select is(pg_temp.ledger('stop'), '00:00:12 cancelled requested', 'what waited at once');
select is((select cancel_reason from monitoring.job_leases), 'requested', 'what executes by a signal (request_cancel)');
select is(pg_temp.fail('stop', '57014', '2030-01-01 00:00:14Z'), 'cancelled', 'which ends it cancelled');
select is(pg_temp.ledger('stop'), '00:00:10 cancelled requested, 00:00:12 cancelled requested', 'with the reason');
select is(monitoring.cancel_run('stop'), 0, 'cancel_run ends nothing where nothing is open');
select is(pg_temp.unbalanced(), null, 'cancelled runs are in the balance');
select monitoring_internal.unschedule_job_at('stop', '2030-01-01 00:01:00Z');

-- Roles ----------------------------------------------------------------------------------------------------------------
create role pgvigil_test_team;
create role pgvigil_test_other;
create role pgvigil_test_admin login;
grant monitoring_admin, pgvigil_test_team to pgvigil_test_admin;
grant usage on schema tap to public;
set local role pgvigil_test_admin;
select lives_ok($$ select monitoring.schedule_job('mine', '@yearly', 'select 1', run_as => 'pgvigil_test_team') $$,
    'schedule_job takes a role of the caller''s');
select throws_ok($$ select monitoring.schedule_job('yours', '@yearly', 'select 1', run_as => 'pgvigil_test_other') $$, 'PV120', null,
    'and refuses one of which he is no member (role_fault, may_become)');
select throws_ok($$ select monitoring.schedule_job('none', '@yearly', 'select 1', run_as => 'pgvigil_test_gone') $$, 'PV120', null,
    'or that does not exist');
select throws_ok($$ select monitoring.schedule_job('free', '@yearly', 'select 1') $$, 'PV121', null,
    'without one he must have the service''s role');
select results_eq(
    $$ select job_name, line, action, message from monitoring_internal.apply_jobs('roles.yml', 1,
        '[{"name": "yours", "line": 4, "schedule": "@daily", "sql": "select 1", "run_as": "pgvigil_test_other"}]') $$,
    $$ values ('yours', 4, 'fault', 'run_as pgvigil_test_other is a role of which pgvigil_test_admin is no member') $$,
    'apply_jobs looks at the applying role alike');
reset role;
select lives_ok($$ select monitoring_internal.require_run_as(job) from monitoring.jobs as job where name = 'mine' $$,
    'require_run_as accepts a role that this login may become');
update monitoring.jobs set run_as = 'pgvigil_test_gone' where name = 'mine';
select throws_ok($$ select monitoring_internal.require_run_as(job) from monitoring.jobs as job where name = 'mine' $$, 'PV122', null,
    'and refuses one that is gone');
select monitoring_internal.unschedule_job_at('mine', now());

-- Databases ------------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "wide", "schedule": "@every 1h", "sql": "select 1", "databases": {"match": "^postgres$",
    "except": "^none$"}}', '2030-01-01 00:00:00Z');
update monitoring.jobs set database_match = format('^(postgres|%s)$', current_database()) where name = 'wide';
select is(monitoring_internal.job_targets(job), array['postgres', current_database()::text], 'job_targets lists the databases that match')
from monitoring.jobs as job where name = 'wide';
select pg_temp.turn(4, '2030-01-01 01:00:00Z');
select is(pg_temp.turn(4, '2030-01-01 01:00:00Z'), format('wide@postgres, wide@%s', current_database()), 'a slot is one run in each');
select is((select due_total from monitoring.job_slot_balance where name = 'wide'), 2::bigint, 'which count one by one');
select matches(monitoring_internal.bind_run_at((run).run_id, (run).fence, pg_backend_pid(), now(), '2030-01-01 01:00:00Z'),
    '^begin; set local statement_timeout = ''300000''; .*pg_try_advisory_xact_lock\(1886876010, [0-9]+\)',
    'bind_run_at says what to execute there first (run_prologue)')
from claimed where (run).job_name = 'wide' limit 1;
select throws_ok($$ select monitoring_internal.bind_run(1, 99, 1, now()) $$, 'PV101', null, 'bind_run refuses a stale fence');
select is((select count(*) from monitoring_internal.held_backends('00000000-0000-4000-8000-00000000000a')), 2::bigint, 'held_backends');
select pg_temp.finish('wide', '2030-01-01 01:00:01Z');
select is(pg_temp.unbalanced(), null, 'and are in the balance');
update monitoring.jobs set database_match = '^no such database$' where name = 'wide';
select pg_temp.turn(4, '2030-01-01 02:00:00Z');
select matches(pg_temp.ledger('wide'), '02:00:00 skipped no_target$', 'a slot without a database is skipped, and says so');
select is(pg_temp.unbalanced(), null, 'and in the balance');
select throws_ok($$ select monitoring.run_job('wide') $$, 'PV125', null, 'and is refused by hand');
select monitoring_internal.unschedule_job_at('wide', '2030-01-01 02:00:01Z');
select matches(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "databases": {"match": "("}}'),
    '^PV103 databases.match: ', 'check_places refuses a pattern that cannot be read');
select is(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "vacuum"}'),
    'PV103 sql cannot run inside a transaction: set "mode: maintenance"', 'a statement outside transactions wants its mode');
select is((monitoring_internal.read_job('{"name": "n", "retries": {"attempts": 4}}')).retry_attempts, 4::smallint, 'read_job');
select is((select count(*) from monitoring.job_leases), 0::bigint, 'nothing is left open');

-- The ledger's end -----------------------------------------------------------------------------------------------------
insert into monitoring.job_runs (job_id, slot, run_id, trigger, status, first_slot_at, planned_at, finished_at)
select job.job_id, slot, 0, 'schedule', 'succeeded', slot, slot, slot
from monitoring.jobs as job, generate_series('2031-01-01Z'::timestamptz, '2031-01-01 02:00:00Z', '1 minute') as slot;
select is((select count(*) from monitoring_internal.list_runs('wide', 5)), 5::bigint, 'list_runs of one job');
select is((select string_agg(slot_at::text, ',') from monitoring_internal.list_runs('wide', 2)),
    format('%s,%s', '2031-01-01 02:00:00Z'::timestamptz, '2031-01-01 01:59:00Z'::timestamptz), 'newest first');
select is((select count(distinct name) from monitoring_internal.list_runs(null, 20)), (select count(*) from monitoring.jobs),
    'list_runs of all jobs has the newest of each');

-- Metrics --------------------------------------------------------------------------------------------------------------
select is((select count(*) from monitoring.collector_status where name = 'jobs'), 1::bigint, 'a collector measures the jobs');

select * from finish();
rollback;
