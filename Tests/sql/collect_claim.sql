-- Claims, leases and fences, the grid and the breaker, gaps: all at times that the test names.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.at(p_seconds double precision) returns timestamptz language sql as $$
    select date_trunc('hour', now()) + p_seconds * interval '1 second'
$$;
create function pg_temp.id(p_name text) returns integer language sql as $$
    select collector_id from monitoring.collectors where name = p_name
$$;

-- The grid -----------------------------------------------------------------------------------------
select results_eq(
    $$ select bool_and(next > now and next <= now + interval '10 s'), count(distinct extract(epoch from next)::numeric % 10)
        from generate_series(1, 500) as g
        cross join lateral (select timestamptz '2026-01-01' + g * interval '1.37 s' as now) as time
        cross join lateral (select monitoring_internal.next_collection_at('x', '10 s', 0, time.now) as next) as slot $$,
    $$ values (true, 1::bigint) $$, 'a collector is due at the next point of one grid, and never at once again');
select isnt(
    monitoring_internal.next_collection_at('x', '10 s', 0, '2026-01-01'),
    monitoring_internal.next_collection_at('y', '10 s', 0, '2026-01-01'), 'two of one interval do not start together');
select results_eq(
    $$ select extract(epoch from monitoring_internal.next_collection_at('x', '1 min', f, '2026-01-01')
            - timestamptz '2026-01-01')::integer from generate_series(3, 9) as f $$,
    $$ values (120), (240), (480), (900), (900), (900), (900) $$,
    'from the third failure the interval doubles, up to a quarter of an hour');
select is(
    monitoring_internal.next_collection_at('x', '1 h', 50, '2026-01-01') - timestamptz '2026-01-01', interval '1 h',
    'an interval longer than that stays');
select is(monitoring_internal.collection_limit_ms('collect.fast_timeout'), 1000::bigint, 'fast is a second');

-- Claims -------------------------------------------------------------------------------------------
select is(monitoring_internal.next_collection_delay_at(pg_temp.at(0)), 0::double precision,
    'a new installation is due at once');
create temporary table first_claim as
select * from monitoring_internal.claim_collections_at(gen_random_uuid(), 3, null, pg_temp.at(0));
select is((select count(*) from first_claim), 3::bigint, 'as many as asked for are leased');
create temporary table second_claim as
select * from monitoring_internal.claim_collections_at(gen_random_uuid(), 100, null, pg_temp.at(1));
select is((select count(*) from second_claim), (select count(*) from monitoring.collectors) - 3, 'the rest to the next');
select is_empty(
    'select collector_id from first_claim intersect select collector_id from second_claim', 'and none to both');
select is_empty(
    $$ select * from monitoring_internal.claim_collections_at(null, 100, null, pg_temp.at(2)) $$, 'then none is left');
select is(
    (select array[statement_timeout_ms, lock_timeout_ms] from (table first_claim union table second_claim) as c
        where name = 'tables'), array[30000, 100]::bigint[], 'a claim brings its limits');
select throws_ok(
    $$ select monitoring_internal.claim_named_collections_at(null, array['locks', 'nobody'], now()) $$, 'PV402',
    'collector "nobody" does not exist');
select throws_ok(
    $$ select monitoring_internal.claim_named_collections(null, array['nobody']) $$, 'PV402',
    'collector "nobody" does not exist');
select is_empty(
    $$ select * from monitoring_internal.claim_named_collections_at(null, array['locks'], pg_temp.at(2)) $$,
    'one that is running is not to be had by name either');

-- Ends ---------------------------------------------------------------------------------------------
create function pg_temp.finish(p_name text, p_status text, p_reason text, p_state text, p_seconds double precision)
returns monitoring.collector_runs language sql as $$
    select finished.* from monitoring.collector_states as state
    cross join lateral monitoring_internal.finish_collection_at(
        state.collector_id, state.fence, p_status, p_reason, p_state, pg_temp.at(p_seconds)) as finished
    where state.collector_id = pg_temp.id(p_name)
$$;
create function pg_temp.again(p_name text, p_seconds double precision) returns bigint language sql as $$
    select claim.fence
    from monitoring_internal.claim_named_collections_at(null, array[p_name], pg_temp.at(p_seconds)) as claim
$$;
select results_eq(
    $$ select status, reason, sqlstate, round(duration_seconds) from pg_temp.finish('locks', null, 'too slow', '57014', 4) $$,
    $$ select 'timed_out', 'too slow', '57014', 4 - case when exists (
        select 1 from first_claim where name = 'locks') then 0 else 1 end::double precision $$,
    'a statement that was cut off is logged as timed out, from its claim on');
select throws_ok(
    $$ select pg_temp.finish('locks', null, 'twice', '57014', 5) $$, 'PV403', null, 'an end is reported once');
select results_eq(
    $$ select consecutive_failures, is_breaker_open, lease_expires_at from monitoring.collector_states
        where collector_id = pg_temp.id('locks') $$,
    $$ values (1, false, null::timestamptz) $$, 'it is a failure, and the lease is over');
select is(pg_temp.again('locks', 20) is not null, true, 'it may run again');
select is((pg_temp.finish('locks', null, 'again', '57014', 21)).status, 'timed_out', 'and fail again');
select is((select is_breaker_open from monitoring.collector_status where name = 'locks'), false, 'twice is not enough');
select is(pg_temp.again('locks', 33) is not null, true, 'a third time');
select is((pg_temp.finish('locks', null, 'once more', 'XX000', 34)).status, 'failed', 'opens the breaker');
select results_eq(
    $$ select is_breaker_open, consecutive_failures, next_due_at from monitoring.collector_status where name = 'locks' $$,
    $$ values (true, 3, pg_temp.at(34 + 30)) $$, 'which doubles the interval');
select matches((select reason from monitoring.collector_status where name = 'locks'),
    '^3 failures in a row, next try at .*: once more$', 'and says so, with the reason and the time');
select is(pg_temp.again('locks', 64) is not null, true, 'a fourth time');
select is((pg_temp.finish('locks', 'skipped', 'stopping', null, 65)).status, 'skipped', 'a run that was not tried');
select is((select consecutive_failures from monitoring.collector_status where name = 'locks'), 3, 'counts neither way');
select is(pg_temp.again('locks', 100) is not null, true, 'a fifth time');
select is(
    (select (monitoring_internal.record_collection_at(
        state.collector_id, state.fence, pg_temp.at(100),
        row('ok', null, null, null, 1, 1, 0, 0, 0, '[]'::jsonb)::monitoring_internal.collection_outcome,
        pg_temp.at(100.5))).status from monitoring.collector_states as state where collector_id = pg_temp.id('locks')),
    'ok', 'a run that succeeds');
select results_eq(
    $$ select is_breaker_open, consecutive_failures, reason, last_ok_at from monitoring.collector_status
        where name = 'locks' $$,
    $$ values (false, 0, null::text, pg_temp.at(100)) $$, 'closes the breaker');
select results_eq(
    $$ select status, reason, started_at, ended_at, missed from monitoring.collector_gaps
        where collector_id = pg_temp.id('locks') order by started_at $$,
    $$ values
        ('timed_out', 'too slow', pg_temp.at(case when exists (select 1 from first_claim where name = 'locks')
            then 0 else 1 end), pg_temp.at(20), 1::bigint),
        ('timed_out', 'again', pg_temp.at(20), pg_temp.at(33), 1),
        ('failed', 'once more', pg_temp.at(33), pg_temp.at(64), 1),
        ('skipped', 'stopping', pg_temp.at(64), pg_temp.at(100), 1) $$,
    'the gaps say from when to when there is nothing, and why');

-- A lease that runs out ----------------------------------------------------------------------------
create temporary table held as
select state.collector_id, state.fence from monitoring.collector_states as state
where state.collector_id = pg_temp.id('wraparound');
select is(
    (select count(*) from monitoring_internal.claim_collections_at(null, 100, null, pg_temp.at(10.9))), 0::bigint,
    'a lease holds beyond the time limit');
create temporary table taken as
select * from monitoring_internal.claim_collections_at(null, 100, array['wraparound'], pg_temp.at(17));
select is((select count(*) from taken), 1::bigint, 'and then goes to who asks');
select results_eq(
    $$ select status, reason, finished_at from monitoring.collector_runs where collector_id = pg_temp.id('wraparound') $$,
    $$ values ('skipped', 'the instance that had claimed it did not report', pg_temp.at(17)) $$,
    'the run that nobody reported is logged');
select isnt_empty(
    $$ select 1 from monitoring.collector_gaps where collector_id = pg_temp.id('wraparound') and ended_at is null $$,
    'with its gap');
select throws_ok(
    $$ select monitoring_internal.execute_collection_at(collector_id, fence, now()) from held $$, 'PV403', null,
    'its late runner is stopped before it stores anything');
select throws_ok(
    $$ select monitoring_internal.run_collection(collector_id, fence) from held $$, 'PV403', null,
    'by the call of the service too');
select throws_ok(
    $$ select monitoring_internal.finish_collection(collector_id, fence, null, 'late', '57014') from held $$, 'PV403', null,
    'and cannot report');
select lives_ok(
    $$ select monitoring_internal.require_collection_lease(collector_id, fence) from taken $$, 'the new one may go on');

-- Nobody there -------------------------------------------------------------------------------------
update monitoring.collector_states set lease_expires_at = null, next_due_at = pg_temp.at(0)
where collector_id = pg_temp.id('replication');
select is(
    (select count(*) from monitoring_internal.claim_collections_at(null, 1, array['replication'], pg_temp.at(100))),
    1::bigint, 'a collector that was due long ago is claimed');
select results_eq(
    $$ select started_at, ended_at, status, reason, missed from monitoring.collector_gaps
        where collector_id = pg_temp.id('replication') $$,
    $$ values (pg_temp.at(0), pg_temp.at(100), 'skipped', 'no service was running it', 6::bigint) $$,
    'and the time in between is a gap of so many runs');

-- Gaps of parts ------------------------------------------------------------------------------------
select monitoring_internal.note_collector_gaps_at(pg_temp.id('tables'), 'ok', null,
    '[{"labels": {"t": "a"}, "reason": "held"}, {"labels": {"t": "b"}, "reason": "held"}]', pg_temp.at(1));
select monitoring_internal.note_collector_gaps_at(pg_temp.id('tables'), 'ok', null,
    '[{"labels": {"t": "a"}, "reason": "held"}, {"labels": {"t": "c"}, "reason": "held"}]', pg_temp.at(2));
select monitoring_internal.note_collector_gaps_at(pg_temp.id('tables'), 'ok', null,
    '[{"labels": {"t": "a"}, "reason": "awaited"}]', pg_temp.at(3));
select results_eq(
    $$ select labels ->> 't', reason, missed, started_at, ended_at from monitoring.collector_gaps
        where collector_id = pg_temp.id('tables') order by labels ->> 't', started_at $$,
    $$ values
        ('a', 'held', 2::bigint, pg_temp.at(1), pg_temp.at(3)), ('a', 'awaited', 1, pg_temp.at(3), null),
        ('b', 'held', 1, pg_temp.at(1), pg_temp.at(2)), ('c', 'held', 1, pg_temp.at(2), pg_temp.at(3)) $$,
    'each part has a gap of its own, which goes on or ends with the run after');
select monitoring_internal.note_collector_gaps_at(pg_temp.id('tables'), 'ok', null, '[]', pg_temp.at(4));
select is_empty(
    $$ select 1 from monitoring.collector_gaps where collector_id = pg_temp.id('tables') and ended_at is null $$,
    'a run without any ends all');

-- A clock that was ahead ---------------------------------------------------------------------------
savepoint right_clock;
update monitoring.collector_states
set next_due_at = pg_temp.at(500) + interval '1 year', lease_expires_at = case
    when collector_id = pg_temp.id('tables') then pg_temp.at(500) + interval '1 year' end;
select is(
    (select count(*) from monitoring_internal.claim_collections_at(null, 100, null, pg_temp.at(500))),
    (select count(*) from monitoring.collectors where is_enabled), 'what a clock that was ahead took ahead is due now');
rollback to savepoint right_clock;
update monitoring.collector_states set next_due_at = pg_temp.at(500) + interval '15 minutes', lease_expires_at = null;
select monitoring_internal.settle_collection_times_at(pg_temp.at(500));
select is(
    (select min(next_due_at) from monitoring.collector_states), pg_temp.at(500) + interval '15 minutes',
    'what failed for long is not');
rollback to savepoint right_clock;

-- When to ask again --------------------------------------------------------------------------------
update monitoring.collector_states set next_due_at = pg_temp.at(500), lease_expires_at = null;
select is(monitoring_internal.next_collection_delay_at(pg_temp.at(490)), 10::double precision,
    'a service sleeps until the next is due');
update monitoring.collector_states set next_due_at = pg_temp.at(480), lease_expires_at = pg_temp.at(500);
select is(monitoring_internal.next_collection_delay_at(pg_temp.at(490)), 10::double precision,
    'or a lease may run out');
update monitoring.collectors set is_enabled = false;
select is(monitoring_internal.next_collection_delay(), null, 'with none it need not ask');
select is_empty(
    $$ select * from monitoring_internal.claim_collections(null, 10) $$, 'and a disabled one is not claimed');

select * from finish();
rollback;
