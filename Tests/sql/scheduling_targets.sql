-- Jobs on other servers: which targets, one run each, room there, binding, and what becomes of a lost session.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary table claimed (run monitoring_internal.claimed_run);
-- A service's turn for this session, so many runs at most; each run as "job@target".
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
    kept as (insert into claimed select run.run from run returning run)
    select string_agg((kept.run).job_name || coalesce('@' || nullif((kept.run).target, ''), ''), ', '
        order by (kept.run).run_id)
    into v_turn
    from kept;
    return v_turn;
end
$$;
create function pg_temp.define(p_job jsonb) returns integer
language sql as $$ select monitoring_internal.schedule_job_at(p_job, '2030-01-01 00:00:00Z') $$;
create function pg_temp.refusal(p_job jsonb) returns text
language plpgsql as $$
declare
    v_detail text;
begin
    perform pg_temp.define(p_job);
    return 'taken';
exception
    when others then
        get stacked diagnostics v_detail = pg_exception_detail;
        return sqlstate || ' ' || coalesce(nullif(v_detail, ''), sqlerrm);
end
$$;
create function pg_temp.ledger(p_job text) returns text
language sql as $$
    select string_agg(concat_ws(' ', to_char(run.slot at time zone 'UTC', 'HH24:MI'), nullif(run.target, ''),
        run.status, run.reason), ', ' order by run.slot, run.target)
    from monitoring.job_runs as run join monitoring.jobs as job using (job_id) where job.name = p_job
$$;
create function pg_temp.unbalanced() returns text
language sql as $$ select string_agg(name, ', ') from monitoring.job_slot_balance where difference <> 0 $$;
-- The one open run of a job on a target.
create function pg_temp.lease(p_job text, p_target text) returns monitoring.job_leases
language sql as $$
    select lease from monitoring.job_leases as lease join monitoring.jobs as job using (job_id)
    where job.name = p_job and lease.target = p_target
$$;
create function pg_temp.facts(p_pid integer, p_identifier text default '42') returns jsonb
language sql as $$
    select jsonb_build_object('pid', p_pid, 'backend_start', '2030-01-01 00:00:00.123456+00', 'system_identifier',
        p_identifier, 'server_version_num', 150000, 'server_version', '15.0')
$$;
create function pg_temp.finish(p_job text, p_target text, p_now timestamptz) returns void
language sql as $$
    select monitoring_internal.finish_run_at(lease.run_id, lease.fence, 1, p_now, p_now)
    from pg_temp.lease(p_job, p_target) as lease
$$;

select monitoring.add_target('north', 'host=north.example user=w');
select monitoring.add_target('north-2', 'host=north2.example user=w', max_connections => 3);
select monitoring.add_target('south', 'host=south.example user=w');
update monitoring.targets set system_identifier = 42 where target_id <> 0;

-- Definition -----------------------------------------------------------------------------------------------------------
select is(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "targets": ["nort"]}'),
    'PV103 targets: "nort" is no target; those there are: north, north-2, south', 'check_targets refuses a name that is none');
select matches(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "targets": ["local"]}'),
    '^PV103 targets: "local" is this server', 'and this server');
select matches(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "targets": "all", "databases": {}}'),
    '^PV103 databases and targets exclude each other', 'and databases beside targets');
select matches(pg_temp.refusal(format('{"name": "x", "schedule": "@daily", "sql": "select 1", "targets": %s}', given.value)::jsonb),
    '^PV103 targets must be "all" or a list', format('check_target_words refuses targets %s', given.value))
from (values ('"north"'), ('{}'), ('[]'), ('[1]'), ('[""]'), ('true')) as given (value);
select matches(pg_temp.refusal('{"name": "x", "schedule": "@daily", "sql": "select 1", "targets": ["re:("]}'),
    '^PV103 targets: ', 'check_places refuses a pattern that cannot be read');
select is(monitoring_internal.read_targets('["b", "a", "b"]'), array['a', 'b'], 'read_targets takes each once');
select is(monitoring_internal.read_targets('"all"'), array['all'], 'and the word all');
create role pgvigil_test_admin login;
grant monitoring_admin to pgvigil_test_admin;
grant usage on schema tap to public;
set local role pgvigil_test_admin;
select throws_ok($$ select monitoring.schedule_job('x', '@daily', 'select 1', run_as => 'pgvigil_test_admin',
    targets => array['north']) $$, 'PV121', null, 'who may not have the service''s rights may not have those of its targets either');
reset role;
select lives_ok($$ select monitoring.schedule_job('by-sql', '@yearly', 'select 1', run_as => 'somebody_there',
    targets => array['all']) $$, 'schedule_job takes targets, and a role that is theirs');
select is((select monitoring_internal.job_targets(job) from monitoring.jobs as job where name = 'by-sql'),
    array['north', 'north-2', 'south'], 'all is every other server');
select is((select place from monitoring_internal.list_jobs() where name = 'by-sql'), '3 targets', 'list_jobs counts them (job_place)');
select is((select place from monitoring_internal.list_upcoming(5) where name = 'by-sql'), '3 targets', 'so does list_upcoming');
select is((select value from monitoring_internal.describe_job('by-sql') where field = 'targets'), 'all', 'describe_job names them');
select throws_ok($$ select monitoring.run_job('by-sql', 'nort') $$, 'PV131', 'job "by-sql" does not run on "nort"',
    'run_job refuses a target on which it does not run');
select ok(monitoring.run_job('by-sql', 'south') > 0, 'and runs it on one');
select results_eq($$ select lease.target, lease.target_id, lease.waits_for from monitoring.job_leases as lease $$,
    $$ select name, target_id, 'target' from monitoring.targets where name = 'south' $$, 'on that alone');
select is(monitoring.cancel_run('by-sql'), 1, 'which can be cancelled');
select monitoring.unschedule_job('by-sql');

-- One run a target -----------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "wide", "schedule": "@every 1h", "sql": "select 1", "targets": ["re:^north", "south"]}');
update monitoring.targets set is_enabled = false where name = 'south';
select pg_temp.turn(9, '2030-01-01 01:00:00Z');
select is(pg_temp.turn(9, '2030-01-01 01:00:00Z'), 'wide@north, wide@north-2', 'a slot is one run on each enabled target');
select is((select count(distinct (run).target_id) from claimed where (run).target_id > 0), 2::bigint, 'named by its number too');
select is((select due_total from monitoring.job_slot_balance where name = 'wide'), 2::bigint, 'which count one by one');
select matches(
    (select monitoring_internal.bind_target_run_at(lease.run_id, lease.fence, pg_temp.facts(77), '2030-01-01 01:00:01Z')
     from pg_temp.lease('wide', 'north') as lease),
    '^begin; set local statement_timeout = ''300000''; .*pg_try_advisory_xact_lock\(-?[0-9]+\)',
    'bind_target_run_at says what to execute there first');
select is((pg_temp.lease('wide', 'north')).target_backend_pid, 77, 'and names the backend there');
select ok((select monitoring_internal.target_lock_key(1) <> monitoring_internal.target_lock_key(2)), 'target_lock_key tells jobs apart');
select throws_ok($$ select monitoring_internal.bind_target_run(1, 99, pg_temp.facts(77)) $$, 'PV101', null,
    'bind_target_run refuses a stale fence');
select throws_ok($$ select monitoring_internal.bind_target_run_at(lease.run_id, lease.fence, pg_temp.facts(77, '43'),
    '2030-01-01 01:00:01Z') from pg_temp.lease('wide', 'north') as lease $$, 'PV604', null, 'bind_target_run_at refuses another cluster');
select matches(
    monitoring_internal.run_prologue(job, pg_temp.lease('wide', 'north'), '5', 170000), 'set local transaction_timeout',
    'run_prologue adds the limit that the version there has')
from monitoring.jobs as job where name = 'wide';
update monitoring.targets set is_enabled = false where name = 'north-2';
select throws_ok($$ select monitoring_internal.bind_target_run_at(lease.run_id, lease.fence, pg_temp.facts(77),
    '2030-01-01 01:00:01Z') from pg_temp.lease('wide', 'north-2') as lease $$, 'PV130', null, 'and a target that was disabled meanwhile');
select is((select monitoring_internal.fail_run_at(lease.run_id, lease.fence, 'PV130', 'x', null, null, null,
    '2030-01-01 01:00:02Z') from pg_temp.lease('wide', 'north-2') as lease), 'skipped', 'whose run is skipped');
select pg_temp.finish('wide', 'north', '2030-01-01 01:00:05Z');
select is(pg_temp.ledger('wide'), '01:00 north succeeded, 01:00 north-2 skipped no_target', 'the ledger names the targets');
select is((select backend_pid from monitoring.job_runs where target = 'north'), 77, 'and the backend there');
select is(pg_temp.unbalanced(), null, 'they are in the balance');
select results_eq(
    $$ select target.name, total.succeeded_total, total.skipped_total, total.last_status
       from monitoring.job_target_totals as total join monitoring.targets as target using (target_id)
       where target.name like 'north%' order by 1 $$,
    $$ values ('north', 1::bigint, 0::bigint, 'succeeded'), ('north-2', 0::bigint, 1::bigint, 'skipped') $$,
    'count_target_end_at counts them by target');
update monitoring.targets set is_enabled = true;

-- Room on a target -----------------------------------------------------------------------------------------------------
select monitoring_internal.unschedule_job_at('wide', '2030-01-01 01:30:00Z');
select pg_temp.define(format('{"name": "%s", "schedule": "@every 2h", "sql": "select 1", "targets": ["north", "north-2"]}', name)::jsonb)
from (values ('one'), ('two'), ('three')) as job (name);
select pg_temp.turn(9, '2030-01-01 02:00:00Z');
select is((select string_agg(lease.target || ' ' || count, ', ' order by lease.target)
    from (select target, count(*) from monitoring.job_leases where waits_for is null group by target) as lease (target, count)),
    'north 1, north-2 2', 'take_target_room lets so many begin as leaves one connection to collection');
select is((select count(*) from monitoring.job_leases where waits_for = 'target'), 3::bigint, 'the others wait');
select pg_temp.turn(9, '2030-01-01 02:00:00.5Z');
select is((select monitoring_internal.free_target_slots(target_id, max_connections, 0, '2030-01-01 02:00:01Z')
    from monitoring.targets where name = 'north'), 1, 'what jobs have there is not free for collection');
select ok(monitoring_internal.wait_until_due_at('2030-01-01 02:00:00.5Z') <= interval '1 second', 'and is looked for again soon');
select monitoring_internal.finish_run_at(lease.run_id, lease.fence, 1, '2030-01-01 02:00:02Z', '2030-01-01 02:00:02Z')
from monitoring.job_leases as lease where lease.instance_id is not null;
select is(array_length(string_to_array(pg_temp.turn(9, '2030-01-01 02:00:03Z'), ','), 1), 2, 'the next ones begin when there is room');
select monitoring_internal.finish_run_at(lease.run_id, lease.fence, 1, '2030-01-01 02:00:02Z', '2030-01-01 02:00:02Z')
from monitoring.job_leases as lease where lease.instance_id is not null;
update monitoring.collector_states set lease_expires_at = '2030-01-01 03:00:00Z', lease_instance_id = gen_random_uuid(),
    claimed_at = '2030-01-01 02:00:00Z'
where (target_database_id, collector_id) in (
    select state.target_database_id, state.collector_id from monitoring.collector_states as state
    join monitoring.targets as target using (target_id)
    where target.name = 'north' and state.target_database_id <> 0 limit 2);
select is(pg_temp.turn(9, '2030-01-01 02:00:05Z'), null, 'connections that collections have are in use');
update monitoring.collector_states set lease_expires_at = null, lease_instance_id = null, claimed_at = null
where target_database_id <> 0;
select is(array_length(string_to_array(pg_temp.turn(9, '2030-01-01 02:00:07Z'), ','), 1), 1, 'until they end');
select monitoring_internal.finish_run_at(lease.run_id, lease.fence, 1, '2030-01-01 02:00:08Z', '2030-01-01 02:00:08Z')
from monitoring.job_leases as lease where lease.instance_id is not null;
select is((select count(*) from monitoring.job_leases), 0::bigint, 'all of them ran');
select monitoring_internal.unschedule_job_at(name, '2030-01-01 02:30:00Z') from (values ('one'), ('two'), ('three')) as job (name);

-- Lost sessions --------------------------------------------------------------------------------------------------------
select pg_temp.define('{"name": "frail", "schedule": "@every 3h", "sql": "select 1", "targets": ["north", "south"],
    "retries": {"attempts": 2}}');
select pg_temp.turn(9, '2030-01-01 03:00:00Z');
select is(pg_temp.turn(9, '2030-01-01 03:00:00Z'), 'frail@north, frail@south', 'two runs are at work');
select monitoring_internal.bind_target_run_at(lease.run_id, lease.fence, pg_temp.facts(78), '2030-01-01 03:00:01Z')
from monitoring.job_leases as lease;
select is((select count(*) from monitoring_internal.lost_target_runs_at('2030-01-01 03:00:02Z')), 0::bigint,
    'lost_target_runs_at asks nothing while their holder lives');
select is((select monitoring_internal.settle_target_run_at(lease.run_id, lease.fence, null, 'no route', '2030-01-01 03:00:02Z')
    from pg_temp.lease('frail', 'north') as lease), 'held', 'and what is held is its holder''s to end');
update monitoring.job_leases set backend_pid = 0, backend_started_at = null;
select is((select count(*) from monitoring_internal.settle_orphans_at('2030-01-01 03:00:03Z')), 0::bigint,
    'settle_orphans_at leaves to their servers what was begun there');
create temporary table lost as select * from monitoring_internal.lost_target_runs_at('2030-01-01 03:00:03Z');
select is((select string_agg(target, ', ' order by target) from lost), 'north, south', 'holders that are gone are asked after');
select matches((select question from lost where target = 'north'),
    'pg_cancel_backend\(activity.pid\).*activity.pid = 78 and activity.backend_start = .*system_identifier = 42',
    'by process and start, in their own cluster');
select is((select count(*) from monitoring_internal.lost_target_runs_at('2030-01-01 03:00:04Z')), 0::bigint, 'one at a time');
select is((select monitoring_internal.settle_target_run_at(run_id, fence, '{"system_identifier": "42", "is_alive": true}', null,
    '2030-01-01 03:00:04Z') from lost where target = 'north'), 'alive', 'a run whose backend lives stays open');
create temporary table lost_again as select * from monitoring_internal.lost_target_runs_at('2030-01-01 03:00:20Z');
select matches((select question from lost_again where target = 'north'), 'pg_terminate_backend', 'and is ended the harder way next');
select is((select monitoring_internal.settle_target_run_at(run_id, fence, '{"system_identifier": "42", "is_alive": false}', null,
    '2030-01-01 03:00:21Z') from lost_again where target = 'north'), 'uncertain', 'once it is gone its run is uncertain, and is not tried again');
select is((select monitoring_internal.settle_target_run_at(run_id, fence, null, 'no route to host', '2030-01-01 03:00:21Z')
    from lost_again where target = 'south'), 'uncertain', 'so is a run whose server cannot be asked');
select is(monitoring_internal.settle_target_run(1, 1, null, null), 'gone', 'settle_target_run leaves alone what has ended');
select is((select count(*) from monitoring_internal.lost_target_runs()), 0::bigint, 'lost_target_runs has nothing left');
select is(pg_temp.ledger('frail'), '03:00 north uncertain backend_lost, 03:00 south uncertain target_unreachable', 'the ledger tells why');
select matches((select message from monitoring.job_runs where target = 'south' and status = 'uncertain'), 'no route to host', 'in the server''s words');
select is(pg_temp.unbalanced(), null, 'and the slots are in the balance');

-- Not begun, another cluster, asked to end -------------------------------------------------------------------------------
select pg_temp.turn(9, '2030-01-01 06:00:00Z');
select pg_temp.turn(9, '2030-01-01 06:00:00Z');
update monitoring.job_leases set backend_pid = 0, backend_started_at = null where target = 'north';
select is((select status from monitoring_internal.settle_orphans_at('2030-01-01 06:00:01Z')), 'retrying',
    'a run that was not begun on its target is tried again');
select is((pg_temp.lease('frail', 'north')).waits_for, 'target', 'once there is room');
select monitoring_internal.bind_target_run_at(lease.run_id, lease.fence, pg_temp.facts(79), '2030-01-01 06:00:01Z')
from pg_temp.lease('frail', 'south') as lease;
select is(monitoring_internal.cancel_run_at('frail', null, '2030-01-01 06:00:02Z'), 2, 'cancel_run ends them');
create temporary table wanted as select * from monitoring_internal.lost_target_runs_at('2030-01-01 06:00:02Z');
select matches((select question from wanted), 'pg_cancel_backend', 'by a signal where it executes');
select is(monitoring_internal.cancel_target_runs('00000000-0000-4000-8000-00000000000a'), 0,
    'cancel_target_runs does not ask twice');
select matches((select question from monitoring_internal.lost_target_runs_at('2030-01-01 06:00:12Z')), 'pg_cancel_backend',
    'never a harder one while its holder lives');
select is((select monitoring_internal.settle_target_run_at(run_id, fence, '{"system_identifier": "43", "is_alive": false}', null,
    '2030-01-01 06:00:12Z') from wanted), 'held', 'another cluster''s answer ends nothing that is held');
select is((select monitoring_internal.fail_run_at(run_id, fence, '57014', 'x', null, null, '2030-01-01 06:00:01Z',
    '2030-01-01 06:00:13Z') from wanted), 'cancelled', 'and its holder ends it');
update monitoring.targets set system_identifier = null where name = 'south';
delete from monitoring.targets where name = 'south';
select pg_temp.turn(9, '2030-01-01 09:00:00Z');
select matches(pg_temp.turn(9, '2030-01-01 09:00:00Z'), '^frail@north$', 'a target that was removed has no runs');
select pg_temp.finish('frail', 'north', '2030-01-01 09:00:01Z');
select is(pg_temp.unbalanced(), null, 'all slots are in the balance');
select is((select count(*) from monitoring.job_leases), 0::bigint, 'nothing is left open');

select * from finish();
rollback;
