-- What jobs may ask for: misfire and overlap policies, retries, needs; and that every slot still ends in one way.
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
create function pg_temp.running() returns text
language sql as $$
    select string_agg(to_char(slot at time zone 'UTC', 'HH24:MI:SS'), ', ' order by slot)
    from monitoring.job_leases where instance_id is not null
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

-- Misfire skip ---------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "fresh", "schedule": "@every 10m", "sql": "select 1", "misfire": "skip"}', '2030-01-01 00:00:00Z');
select is(pg_temp.turn(4, '2030-01-01 00:45:00Z'), null, 'misfire skip lets no slot run that is late (slot_fate)');
select is(pg_temp.ledger('fresh'), '00:40:00 missed misfire x4', 'and ends them as missed');
select is(pg_temp.turn(4, '2030-01-01 01:10:59Z'), 'fresh', 'a slot within scheduling.misfire_grace still runs');
select pg_temp.finish('fresh', '2030-01-01 01:11:00Z');
select is(pg_temp.unbalanced(), null, 'misfire skip is in the balance');
select monitoring_internal.unschedule_job_at('fresh', '2030-01-01 01:12:00Z');

-- Misfire all ----------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "each", "schedule": "*/10 * * * *", "sql": "select 1", "misfire": "all", "misfire_limit": 3,
    "overlap": "queue"}', '2030-01-01 00:00:00Z');
select is(pg_temp.turn(4, '2030-01-01 01:05:00Z'), null, 'misfire all writes its runs first (open_held_runs_at)');
select is(pg_temp.waiting('each'), '00:40:00, 00:50:00 overlap, 01:00:00 overlap', 'the last misfire_limit slots wait (latest_slots)');
select is(pg_temp.ledger('each'), '00:30:00 missed misfire x3', 'those before them are missed');
select is(pg_temp.unbalanced(), null, 'both are in the balance');
select is(pg_temp.turn(4, '2030-01-01 01:05:00Z'), 'each', 'with overlap queue one of them runs');
select is(pg_temp.running(), '00:40:00', 'the first');
select is(pg_temp.turn(4, '2030-01-01 01:05:01Z'), null, 'and no other beside it');
select pg_temp.finish('each', '2030-01-01 01:05:02Z');
select is(pg_temp.turn(4, '2030-01-01 01:05:03Z'), 'each', 'then the next');
select is(pg_temp.running(), '00:50:00', 'in their order');
select pg_temp.finish('each', '2030-01-01 01:05:04Z');
select is(pg_temp.turn(4, '2030-01-01 01:05:05Z'), 'each', 'and the last');
select pg_temp.finish('each', '2030-01-01 01:05:06Z');
select is(pg_temp.unbalanced(), null, 'and all are in the balance');
select monitoring_internal.unschedule_job_at('each', '2030-01-01 01:06:00Z');
select pg_temp.define('{"name": "beside", "schedule": "@every 10s", "sql": "select 1", "misfire": "all", "overlap": "allow",
    "history": "all"}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 00:00:35Z');
select is(pg_temp.turn(4, '2030-01-01 00:00:35Z'), 'beside, beside, beside', 'with overlap allow they run beside each other');
select pg_temp.finish('beside', '2030-01-01 00:00:36Z');
select is(pg_temp.ledger('beside'), '00:00:10 succeeded, 00:00:20 succeeded, 00:00:30 succeeded', 'each has an end of its own');
select is(pg_temp.unbalanced(), null, 'and is in the balance');
select monitoring_internal.unschedule_job_at('beside', '2030-01-01 00:00:37Z');
select matches(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "misfire": "all"}'),
    '^PV103 misfire all needs overlap queue or allow', 'check_policies refuses misfire all where runs push each other out');

-- Overlap queue --------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "line", "schedule": "@every 1m", "sql": "select 1", "overlap": "queue"}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 00:01:00Z');
select is(pg_temp.turn(4, '2030-01-01 00:01:00Z'), 'line', 'overlap queue: a slot runs when nothing is before it');
select is(pg_temp.turn(4, '2030-01-01 00:02:00Z'), null, 'the next one waits');
select is(pg_temp.turn(4, '2030-01-01 00:03:00Z'), null, 'one after that does not');
select is(pg_temp.waiting('line'), '00:02:00 overlap', 'one waits (held_runs_at)');
select is(pg_temp.ledger('line'), '00:03:00 skipped overlap', 'the other is skipped (settle_older_runs_at)');
select pg_temp.finish('line', '2030-01-01 00:03:10Z');
select is(pg_temp.turn(4, '2030-01-01 00:03:11Z'), 'line', 'once the first has ended the second runs (unblock_runs_at)');
select is(pg_temp.fail('line', 'PV102', '2030-01-01 00:03:12Z'), 'waiting', 'a lock still held puts it back');
select is(pg_temp.waiting('line'), '00:02:00 overlap', 'to those that wait');
select is(pg_temp.turn(4, '2030-01-01 00:03:14Z'), 'line', 'and it is tried again');
select pg_temp.finish('line', '2030-01-01 00:03:15Z');
select is(pg_temp.unbalanced(), null, 'overlap queue is in the balance');
select monitoring_internal.unschedule_job_at('line', '2030-01-01 00:03:20Z');

-- Overlap cancel -------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "newest", "schedule": "@every 1m", "sql": "select 1", "overlap": "cancel"}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 00:01:00Z');
select pg_temp.turn(4, '2030-01-01 00:01:00Z');
select is(pg_temp.turn(4, '2030-01-01 00:02:00Z'), null, 'overlap cancel: a new slot waits for the end of the one before it');
select is((select cancel_reason from monitoring.job_leases where instance_id is not null), 'overlap', 'which is asked for (request_cancel)');
select ok((select bool_or(must_signal) from monitoring_internal.session_identity() as me
    cross join lateral monitoring_internal.claim_due_at('00000000-0000-4000-8000-00000000000a', array[me.backend_pid],
        array[me.backend_started_at], '2030-01-01 00:02:00Z') as claim), 'and the service is told');
select results_eq(
    $$ select job_name, status from monitoring_internal.settle_orphans_at('2030-01-01 00:02:00Z') $$,
    $$ values ('newest', 'cancel') $$, 'settle_orphans_at names the backend to cancel');
create function pg_temp.start_code() returns text
language plpgsql as $$
begin
    perform monitoring_internal.start_run_at((run).run_id, (run).fence, '2030-01-01 00:01:01Z')
    from claimed where (run).job_name = 'newest';
    return '00000';
exception when query_canceled then
    return sqlstate;
end
$$;
select is(pg_temp.start_code(), '57014', 'a run cancelled before it began does not begin');
select is(pg_temp.turn(4, '2030-01-01 00:03:00Z'), null, 'a third slot takes the place of the second');
select is(pg_temp.ledger('newest'), '00:02:00 cancelled overlap', 'which ends cancelled');
select is(pg_temp.fail('newest', '57014', '2030-01-01 00:03:01Z'), 'cancelled', 'the first one is cancelled');
select is(pg_temp.turn(4, '2030-01-01 00:03:02Z'), 'newest', 'and the newest runs');
select pg_temp.finish('newest', '2030-01-01 00:03:03Z');
select is(pg_temp.ledger('newest'), '00:01:00 cancelled overlap, 00:02:00 cancelled overlap, 00:03:00 succeeded',
    'each with its end');
select is(pg_temp.unbalanced(), null, 'overlap cancel is in the balance');
select monitoring_internal.unschedule_job_at('newest', '2030-01-01 00:03:20Z');

-- The lock of a job ----------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "shared", "schedule": "@daily", "sql": "select 1", "overlap": "allow"}', '2030-01-01 00:00:00Z');
select lives_ok($$ select monitoring_internal.lock_job(job, true) from monitoring.jobs as job where name = 'shared' $$,
    'lock_job');
select is((select mode from pg_locks where locktype = 'advisory' and classid = 1886876010 and pid = pg_backend_pid()
    and objid = (select job_id from monitoring.jobs where name = 'shared')), 'ShareLock', 'a job that may overlap shares its lock');
savepoint before_limits;
select monitoring_internal.limit_run(job, true) from monitoring.jobs as job where name = 'shared';
select is(current_setting('idle_in_transaction_session_timeout'), '30s', 'limit_run sets the limits of its statement');
rollback to savepoint before_limits;
select monitoring_internal.unschedule_job_at('shared', '2030-01-01 00:03:20Z');

-- Retries --------------------------------------------------------------------------------------------------------------
select ok(min(d) >= 5 and max(d) < 10 and max(d) - min(d) > 4, 'retry_delay: half of the first pause is chance')
from (select extract(epoch from monitoring_internal.retry_delay('10s', '1h', 1, i)) as d from generate_series(1, 500) as i) as x;
select ok(min(d) >= 20 and max(d) < 40, 'it doubles with each')
from (select extract(epoch from monitoring_internal.retry_delay('10s', '1h', 3, i)) as d from generate_series(1, 500) as i) as x;
select ok(min(d) >= 1800 and max(d) <= 3600, 'up to its cap')
from (select extract(epoch from monitoring_internal.retry_delay('10s', '1h', 20, i)) as d from generate_series(1, 500) as i) as x;
select is(monitoring_internal.retry_delay('10s', '1h', 2, 7), monitoring_internal.retry_delay('10s', '1h', 2, 7),
    'and is the same when asked again');
select pg_temp.define('{"name": "again", "schedule": "@every 1h", "sql": "select 1",
    "retries": {"attempts": 2, "base": "10s", "cap": "1m"}}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 01:00:00Z');
select is(pg_temp.turn(4, '2030-01-01 01:00:00Z'), 'again', 'a job with retries runs');
select is(pg_temp.fail('again', '40001', '2030-01-01 01:00:01Z'), 'retrying', 'an attempt that fails is followed by a pause (end_attempt_at)');
select is(pg_temp.turn(4, '2030-01-01 01:00:02Z'), null, 'in which nothing runs');
select is(pg_temp.turn(4, '2030-01-01 01:00:20Z'), 'again', 'then by another attempt');
select is(pg_temp.running(), '01:00:00', 'of the same slot');
select is(pg_temp.fail('again', '40001', '2030-01-01 01:00:21Z'), 'retrying', 'as often as it was asked for');
select is(pg_temp.turn(4, '2030-01-01 01:01:00Z'), 'again', 'once more');
select is(pg_temp.fail('again', '40001', '2030-01-01 01:01:01Z'), 'failed', 'then the run has failed (retry_at)');
select is(pg_temp.ledger('again'), '01:00:00 failed', 'in one row of the ledger');
select results_eq(
    $$ select attempt::integer, attempts.status, attempts.sqlstate from monitoring.job_run_attempts as attempts
       join monitoring.jobs using (job_id) where name = 'again' order by attempt $$,
    $$ values (1, 'failed', '40001'), (2, 'failed', '40001'), (3, 'failed', '40001') $$, 'each attempt is on record (record_attempt_at)');
select is((select due_total from monitoring.job_slot_balance where name = 'again'), 1::bigint, 'a retry is no slot of its own');
select is(pg_temp.unbalanced(), null, 'and in the balance');
select pg_temp.turn(4, '2030-01-01 02:00:00Z');
select pg_temp.turn(4, '2030-01-01 02:00:00Z');
select is(pg_temp.fail('again', '22012', '2030-01-01 02:59:58Z'), 'failed', 'no retry that would come after the next slot');
select pg_temp.turn(4, '2030-01-01 03:00:00Z');
select pg_temp.turn(4, '2030-01-01 03:00:00Z');
select is(pg_temp.fail('again', '22012', '2030-01-01 03:00:02Z'), 'retrying', 'a retry that no service came for');
select pg_temp.turn(4, '2030-01-01 04:00:00Z');
select matches(pg_temp.ledger('again'), '03:00:00 failed next_slot', 'ends with the next slot');
select pg_temp.turn(4, '2030-01-01 04:00:00Z');
select is(pg_temp.fail('again', '57014', '2030-01-01 04:00:02Z'), 'cancelled', 'what a person cancelled is not tried again');
select is(pg_temp.unbalanced(), null, 'and all of it is in the balance');
select monitoring_internal.unschedule_job_at('again', '2030-01-01 04:01:00Z');

-- Needs ----------------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "load", "schedule": "0 * * * *", "sql": "select 1"}', '2030-01-01 00:00:00Z');
select pg_temp.define('{"name": "report", "schedule": "0 * * * *", "sql": "select 1", "needs": ["load"]}', '2030-01-01 00:00:00Z');
select pg_temp.turn(4, '2030-01-01 01:00:00Z');
select is(pg_temp.waiting('report'), '01:00:00 needs', 'a slot waits while the job it needs runs');
select is(monitoring_internal.needs_verdict('{load}', '2030-01-01 01:00:00Z'), 'pending', 'needs_verdict: pending');
select pg_temp.finish('load', '2030-01-01 01:00:02Z');
select is(monitoring_internal.needs_verdict('{load}', '2030-01-01 01:00:00Z'), 'ready', 'needs_verdict: ready');
select is(pg_temp.turn(4, '2030-01-01 01:00:03Z'), 'report', 'and runs once that has succeeded');
select pg_temp.finish('report', '2030-01-01 01:00:04Z');
select pg_temp.turn(4, '2030-01-01 02:00:00Z');
select pg_temp.fail('load', '22012', '2030-01-01 02:00:02Z');
select is(pg_temp.turn(4, '2030-01-01 02:00:03Z'), null, 'when it failed the slot does not run');
select is(pg_temp.ledger('report'), '01:00:00 succeeded, 02:00:00 skipped needs_failed', 'but is skipped, with the reason');
select is(monitoring_internal.needs_verdict('{load}', '2030-01-01 01:30:00Z'), 'ready', 'what counts is the latest slot before');
select is(monitoring_internal.needs_verdict('{load}', '2030-01-01 00:30:00Z'), 'needs_missed', 'without any it is missed');
select is(monitoring_internal.needs_verdict('{load}', '2030-01-01 03:00:00Z'), 'pending', 'a slot not yet opened is waited for');
select monitoring_internal.pause_job_at('load', '2030-01-01 03:30:00Z', null, '2030-01-01 02:30:00Z');
select pg_temp.turn(4, '2030-01-01 03:00:01Z');
select pg_temp.turn(4, '2030-01-01 03:00:02Z');
select matches(pg_temp.ledger('report'), '03:00:00 skipped needs_missed$', 'a slot that was not run counts as missed');
select is(pg_temp.unbalanced(), null, 'needs are in the balance');
select is(pg_temp.refusal('{"name": "load", "schedule": "0 * * * *", "sql": "select 1", "needs": ["report"]}'),
    'PV103 needs go round in a circle: load -> report -> load', 'circle_faults names the way');
select is(pg_temp.refusal('{"name": "self", "schedule": "0 * * * *", "sql": "select 1", "needs": ["self"]}'),
    'PV103 needs go round in a circle: self -> self', 'also of a job that needs itself');
select is(pg_temp.refusal('{"name": "x", "schedule": "0 * * * *", "sql": "select 1", "needs": ["laod"]}'),
    'PV103 needs "laod", which is no job', 'need_faults refuses an unknown name (jobs_after)');
select is(pg_temp.refusal('{"name": "load", "schedule": "@every 5s", "sql": "select 1"}'),
    'PV103 is needed by "report": it must have "history: all"', 'and a needed job whose successes leave no row');
select throws_ok($$ select monitoring_internal.unschedule_job_at('load', now()) $$, 'PV123', 'job "load" is needed by job "report"',
    'a job that another needs cannot go');
select results_eq(
    $$ select job_name, line, message from monitoring_internal.apply_jobs_at('two.yml', 1, '[
        {"name": "c", "line": 9, "schedule": "@daily", "sql": "select 1", "needs": ["a"]},
        {"name": "a", "line": 3, "schedule": "@daily", "sql": "select 1", "needs": ["b", "load"]},
        {"name": "b", "line": 6, "schedule": "@daily", "sql": "select 1", "needs": ["c", "none"]}]', now()) $$,
    $$ values ('a', 3, 'needs go round in a circle: a -> b -> c -> a'), ('b', 6, 'needs "none", which is no job') $$,
    'a file with a circle is refused, with way and line');
select monitoring_internal.unschedule_job_at('report', '2030-01-01 04:01:00Z');
select monitoring_internal.unschedule_job_at('load', '2030-01-01 04:01:00Z');
select is((select count(*) from monitoring.job_leases), 0::bigint, 'nothing is left open');

-- What is misspelt must not widen what a job does ---------------------------------------------------------------
select throws_like(
    $$ select monitoring.schedule_job('everywhere', '@every 5m', 'select 1', databases => '{"exclude": "prod"}') $$,
    '%databases: "exclude" is not one of its keys: match, except', 'a misspelt key is no run in every database');
select throws_like(
    format($$ select monitoring.schedule_job('everywhere', '@every 5m', 'select 1', databases => %L) $$, given.value),
    '%databases must be an object%', format('databases %s is refused', given.value))
from (values ('[]'), ('5'), ('false'), ('"app"')) as given (value);
select throws_like(
    $$ select monitoring.schedule_job('again', '@every 5m', 'select 1', retries => '{"atempts": 3}') $$,
    '%retries: "atempts" is not one of its keys: attempts, base, cap', 'nor is one of retries passed over');
select is(
    monitoring_internal.check_shapes('{"databases": null, "retries": {"base": "1s", "cap": "2s", "attempts": 1}}'),
    '{}', 'what is right is not complained of');
select lives_ok(
    $$ select monitoring.schedule_job('everywhere', '@every 5m', 'select 1', databases => '{}') $$,
    'every database has to be asked for');

select * from finish();
rollback;
