-- Collecting elsewhere when it does not go well: dead targets, lost databases, refused queries; and many databases.
-- The server elsewhere is played by this one, under another name.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_owner, monitoring_service;

create function pg_temp.at(p_seconds double precision) returns timestamptz language sql as $$
    select date_trunc('hour', now()) - interval '3 hours' + p_seconds * interval '1 second'
$$;
create function pg_temp.id(p_name text) returns integer language sql as $$
    select collector_id from monitoring.collectors where name = p_name
$$;
create function pg_temp.main(p_name text) returns integer language sql as $$
    select monitoring_internal.main_target_database(p_name)
$$;
create temporary view stored as
select family.name as metric, series.labels, point.value, point.sampled_at, series.tenant_id
from monitoring.samples as point
inner join monitoring.series as series using (series_id)
inner join monitoring.metric_families as family using (metric_family_id);

-- Facts, as the server gives them; p_changes is laid over them.
create function pg_temp.facts(p_changes jsonb default '{}') returns jsonb language plpgsql as $$
declare
    v_facts jsonb;
begin
    execute monitoring_internal.target_facts_query() into v_facts;
    return v_facts || p_changes;
end;
$$;

-- What the service does with a claim: ask for facts, plan, describe, run, store.
create function pg_temp.serve(p_claim monitoring_internal.claimed_collection, p_now timestamptz, p_facts jsonb default '{}')
returns monitoring.collector_runs language plpgsql as $$
declare
    v_plan record;
    v_columns text[];
    v_rows_read bigint[] = '{}'; v_folded bigint[] = '{}'; v_excluded bigint[] = '{}'; v_gaps text[] = '{}';
    v_metric text[] = '{}'; v_labels text[] = '{}'; v_value text[] = '{}'; v_rows text[] = '{}';
    v_answer jsonb;
    v_answer_row record;
    v_run monitoring.collector_runs;
begin
    perform monitoring_internal.report_target_facts_at(
        p_claim.target_database_id, p_claim.fence, pg_temp.facts(p_facts), p_now);
    for v_round in 1..20 loop
        for v_plan in
            select * from monitoring_internal.plan_collection(p_claim.collector_id, p_claim.target_database_id, p_claim.fence)
            where statement is null
        loop
            begin
                execute 'create temporary table described on commit drop as select * from (' || v_plan.body || E'\n) as a limit 0';
                v_columns := array(select attname from pg_attribute
                    where attrelid = 'pg_temp.described'::regclass and attnum > 0);
                drop table pg_temp.described;
                perform monitoring_internal.report_candidate(p_claim.collector_id, p_claim.target_database_id,
                    p_claim.fence, v_plan.query, v_plan.candidate, v_columns, null, null);
            exception when others then
                perform monitoring_internal.report_candidate(p_claim.collector_id, p_claim.target_database_id,
                    p_claim.fence, v_plan.query, v_plan.candidate, null, sqlstate, sqlerrm);
            end;
        end loop;
    end loop;
    for v_plan in
        select * from monitoring_internal.plan_collection(p_claim.collector_id, p_claim.target_database_id, p_claim.fence)
    loop
        execute v_plan.statement into v_answer_row;
        v_answer := to_jsonb(v_answer_row);
        v_rows_read := v_rows_read || v_answer_row.rows_read;
        v_folded := v_folded || v_answer_row.folded;
        v_excluded := v_excluded || v_answer_row.excluded;
        v_gaps := v_gaps || v_answer_row.gaps::text;
        if v_answer ? 'rows' then
            v_rows := v_rows || v_answer_row.rows::text;
        else
            v_metric := v_metric || v_answer_row.metric::text;
            v_labels := v_labels || v_answer_row.labels::text;
            v_value := v_value || v_answer_row.value::text;
        end if;
    end loop;
    return monitoring_internal.store_collection_at(p_claim.collector_id, p_claim.target_database_id, p_claim.fence,
        v_rows_read, v_folded, v_excluded, v_gaps, v_metric, v_labels, v_value, v_rows, p_now);
end;
$$;
-- Claim and serve everything due; gives how many ended as what.
create function pg_temp.serve_all(p_seconds double precision, p_facts jsonb default '{}')
returns table (status text, runs bigint) language sql as $$
    select (run).status, count(*)
    from (
        select pg_temp.serve(claim, pg_temp.at(p_seconds + 0.5), p_facts) as run
        from monitoring_internal.claim_target_collections_at(null, 1000, pg_temp.at(p_seconds)) as claim
    ) as served
    group by 1 order by 1
$$;

update monitoring.settings set value = '1h' where name = 'targets.facts_every';
update monitoring.collectors set is_enabled = name in ('instance', 'locks', 'tables', 'tried', 'shelves');
select monitoring_internal.add_target_at('dead', 'host=dead.example', null, null, null, null, 3, pg_temp.at(0));
select monitoring_internal.add_target_at('live', 'host=live.example user=watch', null, null, null, null, 2, pg_temp.at(1));

-- Room ---------------------------------------------------------------------------------------------
update monitoring.collector_states as state
set next_due_at = pg_temp.at(-1)
where state.target_database_id = pg_temp.main('dead') and state.collector_id = pg_temp.id('instance');
select results_eq(
    $$ select target_name, name from monitoring_internal.claim_target_collections_at(null, 1, pg_temp.at(70)) $$,
    $$ values ('dead', 'instance') $$, 'what has been due for the longest is claimed first');
create temporary table claimed as
select * from monitoring_internal.claim_target_collections_at(null, 100, pg_temp.at(70.1));
select results_eq(
    $$ select target_name, count(*) from claimed group by 1 order by 1 $$, $$ values ('dead', 2::bigint), ('live', 2) $$,
    'a target has as many runs at once as it may, and no more');
select is(
    (select monitoring_internal.free_target_slots(target_id, max_connections, 0, pg_temp.at(71)) from monitoring.targets
        where name = 'live'), 0, 'then there is no room');
select is(
    (select monitoring_internal.free_target_slots(target_id, 2, 1, pg_temp.at(1000)) from monitoring.targets
        where name = 'live'), 1, 'while it fails, one tries');
select is((select bool_and(is_remote and statement_timeout_ms > 0 and fence > 0) from claimed), true, 'a claim brings its limits');
select is(monitoring_internal.lock_due_targets_at(10, pg_temp.at(71)), '{}', 'and none of them is offered');

-- A dead target ------------------------------------------------------------------------------------
create function pg_temp.fail(p_claim monitoring_internal.claimed_collection, p_state text, p_message text, p_seconds float8)
returns monitoring.collector_runs language sql as $$
    select monitoring_internal.report_target_failure_at(
        p_claim.collector_id, p_claim.target_database_id, p_claim.fence, p_state, p_message, pg_temp.at(p_seconds))
$$;
select results_eq(
    $$ select r.status, r.reason, r.sqlstate from (select * from claimed where target_name = 'dead' limit 1) as c
        cross join lateral pg_temp.fail(row(c.*)::monitoring_internal.claimed_collection, '08006', 'connection refused', 72) as r $$,
    $$ values ('skipped', 'target dead cannot be reached: connection refused', '08006') $$, 'a run that finds nobody is logged as such');
select results_eq(
    $$ select status, reason from monitoring.target_status where name = 'dead' $$,
    $$ select 'unreachable', format('1 times, next try at %s: connection refused', pg_temp.at(73)) $$, 'target_status says why and when next');
select is((select value from stored where metric = 'pg_up' and labels = '{"server": "dead"}'), 0::double precision,
    'it is down: pg_up is there, and 0');
select is(
    (select s.next_due_at from monitoring.collector_states as s inner join monitoring.targets using (target_id)
        where name = 'dead' and lease_expires_at is null and s.next_due_at < 'infinity' order by s.next_due_at desc limit 1) <= pg_temp.at(73), true,
    'its collectors are tried again when it is, not an interval later');
select is_empty(
    $$ select * from monitoring_internal.claim_target_collections_at(null, 100, pg_temp.at(72.5)) where target_name = 'dead' $$,
    'nothing of it is claimed before');
select is(
    (select array_agg(monitoring_internal.fail_target_at(target_id, '08006', 'x', pg_temp.at(80)) - pg_temp.at(80))
        from monitoring.targets cross join generate_series(1, 7) where name = 'dead'),
    array['2s', '4s', '8s', '16s', '30s', '30s', '30s']::interval[], 'it is tried ever less often, up to a limit');
update monitoring.collector_states set lease_expires_at = null, next_due_at = pg_temp.at(73)
where target_id = (select target_id from monitoring.targets where name = 'dead');
create temporary table retried as select * from monitoring_internal.claim_target_collections_at(null, 100, pg_temp.at(5000));
select is((select count(*) from retried where target_name = 'dead'), 1::bigint, 'one run at a time finds out whether it is back');
update monitoring.targets set last_failed_at = pg_temp.at(4000) where name = 'dead';
select monitoring_internal.log_missed_target_collections_at(array_agg(target_database_id), array_agg(collector_id), pg_temp.at(5000))
from monitoring.collector_states where lease_expires_at is null and next_due_at = pg_temp.at(73);
select is(
    (select count(*) from monitoring.collector_gaps where reason = 'target dead could not be reached' and missed > 1) > 0, true,
    'what was missed meanwhile is a gap with that reason');
select is((select (pg_temp.serve(row(r.*)::monitoring_internal.claimed_collection, pg_temp.at(5001))).status
    from retried as r where target_name = 'dead'), 'ok', 'it answers');
select is((select status from monitoring.target_status where name = 'dead'), 'ok', 'and is as before');
select results_eq(
    $$ select kind from monitoring.target_events where target_name = 'dead' and kind !~ '^database' order by target_event_id $$,
    $$ values ('added'), ('unreachable'), ('connected'), ('reachable') $$, 'each change is one event, however many tries');
select monitoring_internal.note_target_answer_at(target_id, now()) from monitoring.targets where name = 'dead';
select is((select count(*) from monitoring.target_events where kind = 'reachable'), 1::bigint, 'being there is none');

-- What mends it ------------------------------------------------------------------------------------
select is(monitoring_internal.target_remedy(pg_temp.main('dead'), given.state), given.remedy, 'remedy of ' || given.state)
from (values ('28P01', 'pgvigil targets rotate dead'), ('PV606', 'pgvigil targets rotate dead'), ('PV604', 'pgvigil targets accept dead'),
    ('08006', null), ('42501', null)) as given (state, remedy);
update monitoring.target_databases set facts = '{"user": "watch", "roles": [], "settings": {}, "extensions": {"pgtap": {"version": "1.0", "schema": "x"}}, "server_version_num": 150004}'
where target_database_id = pg_temp.main('dead');
select is(monitoring_internal.target_remedy(pg_temp.main('dead'), '42501'), 'grant pg_monitor to watch;', 'a right is granted to its user');
select results_eq(
    $$ select * from monitoring_internal.target_obstacle(pg_temp.id('locks'), pg_temp.main('dead')) $$,
    $$ values ('role watch is no member of pg_monitor', 'grant pg_monitor to watch;') $$, 'a missing role is said with its grant');
select is((monitoring_internal.target_hindrance(pg_temp.id('locks'), pg_temp.main('dead'))).status, 'unavailable', 'it is a hindrance');
select is((monitoring_internal.target_hindrance(pg_temp.id('instance'), pg_temp.main('dead'))).status, null, 'of who needs it alone');

-- Another cluster ----------------------------------------------------------------------------------
update monitoring.collector_states set next_due_at = 'infinity', lease_expires_at = null where target_id <> 0;
create function pg_temp.claim(p_target text, p_collector text, p_seconds float8)
returns monitoring_internal.claimed_collection language sql as $$
    select claim from monitoring_internal.lease_target_collections_at(
        null, array[pg_temp.main(p_target)], array[pg_temp.id(p_collector)], pg_temp.at(p_seconds)) as claim
$$;
create temporary table imposter as select * from pg_temp.claim('dead', 'instance', 5100);
select throws_ok(
    $$ select pg_temp.serve(row(i.*)::monitoring_internal.claimed_collection, pg_temp.at(5101), '{"system_identifier": "1"}') from imposter as i $$,
    'PV604', null, 'an imposter is not listened to');
select results_eq(
    $$ select r.status, r.remedy from imposter as i
        cross join lateral pg_temp.fail(row(i.*)::monitoring_internal.claimed_collection, 'PV604', 'another cluster', 5101) as r $$,
    $$ values ('unavailable', 'pgvigil targets accept dead') $$, 'the run says what to do if it is none');
select is((select status from monitoring.target_status where name = 'dead'), 'refused', 'so does the status');
select is((select count(*) from stored where sampled_at between pg_temp.at(5100) and pg_temp.at(5101) and metric !~ '^pg_(up|scrape)'),
    0::bigint, 'and nothing of it is stored');
select monitoring.accept_target('dead');
create temporary table accepted as select * from pg_temp.claim('dead', 'instance', 5110);
select is((select (pg_temp.serve(row(a.*)::monitoring_internal.claimed_collection, pg_temp.at(5111), '{"system_identifier": "1"}')).status
    from accepted as a), 'ok', 'once accepted it is the target');
select results_eq(
    $$ select distinct kind from monitoring.target_events where target_name = 'dead' and kind in ('refused', 'accepted') order by 1 $$,
    $$ values ('accepted'), ('refused') $$, 'both are events');

-- Databases come and go ----------------------------------------------------------------------------
create function pg_temp.databases(p_target text) returns text language sql as $$
    select string_agg(place.datname || coalesce(': ' || place.reason, ''), ', ' order by place.datname)
    from monitoring.target_databases as place inner join monitoring.targets as t using (target_id)
    where t.name = p_target
$$;
create function pg_temp.has(p_databases text, p_seconds float8) returns void language sql as $$
    select monitoring_internal.report_target_facts_at(pg_temp.main('live'), null, pg_temp.facts(
        jsonb_build_object('databases', p_databases::jsonb)), pg_temp.at(p_seconds))
$$;
select pg_temp.has('[{"name": "postgres", "connectable": true}, {"name": "a", "connectable": true}, {"name": "b", "connectable": false}]', 6000);
select is(pg_temp.databases('live'), 'a, b: the role may not connect to it, postgres', 'databases are found, and why one is not monitored');
select results_eq(
    $$ select place.datname, count(*) from monitoring.collector_states inner join monitoring.target_databases as place
        using (target_database_id) inner join monitoring.targets as t on t.target_id = place.target_id
        where t.name = 'live' group by 1 order by 1 $$,
    $$ select 'a', count(*) from monitoring.collectors where scope = 'database'
        union all select 'postgres', count(*) from monitoring.collectors where scope <> 'home' $$,
    'what is asked of a server is asked once, of a database in each');
insert into monitoring.collector_gaps (collector_id, target_database_id, started_at, status, reason)
select pg_temp.id('tables'), place.target_database_id, pg_temp.at(6000), 'failed', 'x'
from monitoring.target_databases as place where place.datname = 'a';
select pg_temp.has('[{"name": "postgres", "connectable": true}, {"name": "b", "connectable": true}]', 6010);
select is(pg_temp.databases('live'), 'a: it was dropped, b, postgres', 'one that is dropped is known as such');
select is_empty(
    $$ select 1 from monitoring.collector_states inner join monitoring.target_databases using (target_database_id) where datname = 'a' $$,
    'its collections are retired');
select is((select count(*) from monitoring.collector_gaps where ended_at is null and reason = 'x'), 0::bigint, 'and its gaps over');
select pg_temp.has('[{"name": "postgres", "connectable": true}, {"name": "a", "connectable": true}]', 6020);
select is(pg_temp.databases('live'), 'a, b: it was dropped, postgres', 'made again it is monitored again');
select monitoring.set_target('live', database_include => '^[bc]', database_exclude => 'x$');
select pg_temp.has('[{"name": "a", "connectable": true}, {"name": "c", "connectable": true}, {"name": "cx", "connectable": true}]', 6030);
select is(pg_temp.databases('live'), 'a: it is not among those to monitor, b: it was dropped, c, postgres',
    'which are monitored can be said; the main one always is');
create temporary table lost as
select claim.* from monitoring.target_databases as place cross join lateral monitoring_internal.lease_target_collections_at(
    null, array[place.target_database_id], array[pg_temp.id('tables')], pg_temp.at(6040)) as claim where place.datname = 'c';
select results_eq(
    $$ select r.status, r.reason from lost as l
        cross join lateral pg_temp.fail(row(l.*)::monitoring_internal.claimed_collection, '3D000', 'no such database', 6041) as r $$,
    $$ values ('unavailable', 'database c cannot be opened: no such database') $$, 'a database that is lost');
select is((select status from monitoring.target_status where name = 'live'), 'ok', 'is no failure of the server');
select is((select facts_are_due from monitoring_internal.open_target(pg_temp.main('live'))), true, 'which is asked what it has');
select is(
    (select s.next_due_at > pg_temp.at(6041) from lost inner join monitoring.collector_states as s using (collector_id, target_database_id)),
    true, 'and stays on the grid');

-- Variants, as the server accepts them --------------------------------------------------------------
select monitoring_internal.load_collector('tried', E'-- tried.sql: for tests.\n--! collector tried\n--! every 10s\n--! scope instance\n'
    '--! tier fast\n--! cap 7\n--! query only\n--! label place\n--! metric value tried_value gauge number A value.\n'
    '--! metric later tried_later gauge number Later.\n--! version 12-13\nselect ''old'' as place, 2 as value, :cap as later\n'
    '--! version 14-\nselect ''new'' as place, nonsense as value\n--! version 90-\nselect ''far'' as place, 1 as value\n');
select is((select count(*) from monitoring.collector_states where collector_id = pg_temp.id('tried')), 3::bigint,
    'a new collector has a state wherever it runs');
select results_eq(
    $$ select candidate, body from monitoring_internal.collector_candidates(pg_temp.id('tried'), 'only', pg_temp.main('live')) order by 1 $$,
    $$ values (1, 'select ''new'' as place, nonsense as value'), (2, 'select ''old'' as place, 2 as value, 7 as later') $$,
    'the variant for the version is asked first');
create temporary table tried as select * from pg_temp.claim('live', 'tried', 6100);
select is((select (pg_temp.serve(row(t.*)::monitoring_internal.claimed_collection, pg_temp.at(6101))).status from tried as t), 'ok',
    'one that the server refuses gives way to the next');
select is((select value from stored where metric = 'tried_value' and labels = '{"server": "live", "place": "old"}'), 2::double precision,
    'and that one runs');
select matches((select statement from monitoring_internal.collector_statements where collector_id = pg_temp.id('tried')
    and target_database_id = pg_temp.main('live')), 'tried_later', 'a metric that it gives is there');
select is(monitoring_internal.target_fingerprint(pg_temp.id('tried'), pg_temp.main('live')), current_setting('server_version_num'),
    'what was found is kept for this version');
select monitoring_internal.doubt_target_statements(pg_temp.id('tried'), pg_temp.main('live'), '42703');
select is((select count(*) from monitoring_internal.collector_statements where collector_id = pg_temp.id('tried')), 0::bigint,
    'until a run casts doubt on it');
select monitoring_internal.load_collector('tried', E'-- tried.sql: for tests.\n--! collector tried\n--! every 10s\n--! scope instance\n'
    '--! tier fast\n--! cap 7\n--! query only\n--! label place\n--! metric value tried_value gauge number A value.\n'
    '--! version 14-\nselect ''new'' as place, nonsense as value\n');
create temporary table refused as select * from pg_temp.claim('live', 'tried', 6200);
select results_eq(
    $$ select s.status, s.sqlstate from refused as r
        cross join lateral pg_temp.serve(row(r.*)::monitoring_internal.claimed_collection, pg_temp.at(6201)) as s $$,
    $$ values ('failed', '42703') $$, 'when none is left, the newest one''s reason is the run''s');
create temporary table slow as select * from pg_temp.claim('live', 'locks', 6300);
select results_eq(
    $$ select f.status, f.target_database_id, f.remedy from slow as s cross join lateral monitoring_internal.finish_collection_at(
        s.collector_id, s.fence, null, 'too slow', '57014', pg_temp.at(6302), s.target_database_id) as f $$,
    $$ select 'timed_out', pg_temp.main('live'), null::text $$, 'a statement that the target cuts off is that run''s alone');
select throws_ok(
    $$ select monitoring_internal.store_collection(collector_id, target_database_id, fence, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
        from slow $$, 'PV403', null, 'what comes late is not stored');
select throws_ok(
    $$ select monitoring_internal.report_target_failure(collector_id, target_database_id, fence, '08006', 'x') from slow $$,
    'PV403', null, 'nor reported');
select throws_ok(
    $$ select monitoring_internal.report_target_facts(target_database_id, fence, '{}') from slow $$, 'PV403', null, 'nor believed');
select throws_ok(
    $$ select monitoring_internal.report_candidate(collector_id, target_database_id, fence, 'modes', 1, '{}', null, null) from slow $$,
    'PV403', null, 'nor tried');

-- Snapshots ----------------------------------------------------------------------------------------
create type monitoring_internal.shelf_row as (place text, size bigint);
create table public.shelves (target_database_id integer, place text, size bigint);
grant all on public.shelves to monitoring_owner;
create function monitoring_internal.store_shelf_at(p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint language sql as $$
    with stored as (
        insert into public.shelves
        select p_target_database_id, shelf.* from (select (unnest(p_rows)::monitoring_internal.shelf_row).*) as shelf returning 1)
    select count(*) from stored
$$;
select monitoring_internal.load_collector('shelves', E'-- shelves.sql: for tests.\n--! collector shelves\n--! every 10s\n'
    '--! scope instance\n--! tier fast\n--! cap 7\n--! sink shelf\n--! query only\n--! column place\n--! column size\n'
    '--! version 14-\nselect ''a "b", {c}'' as place, 9007199254740993 as size union all select null, 1\n');
create temporary table shelved as select * from pg_temp.claim('live', 'shelves', 6400);
select results_eq(
    $$ select s.status, s.samples from shelved as c
        cross join lateral pg_temp.serve(row(c.*)::monitoring_internal.claimed_collection, pg_temp.at(6401)) as s $$,
    $$ values ('ok', 2::bigint) $$, 'a snapshot comes home too');
select set_eq(
    'select * from public.shelves',
    $$ values (pg_temp.main('live'), 'a "b", {c}', 9007199254740993), (pg_temp.main('live'), null, 1) $$, 'as it was, with where it was taken');
select results_eq(
    $$ select * from monitoring_internal.store_target_answers_at(null, pg_temp.main('live'), array[null, '{x_total}'],
        array[null, '{"{}"}'], array[null, '{1}'], '{}', pg_temp.at(6402)) $$,
    $$ values (1::bigint, 0::bigint) $$, 'an answer without rows is none');

-- Other databases of this server -------------------------------------------------------------------
select monitoring_internal.sync_local_databases_at(pg_temp.at(7000));
select is((select count(*) from monitoring.target_databases where target_id = 0), 1::bigint, 'none are monitored unless wanted');
select monitoring.set_setting('collect.local_databases', '^postgres$');
select monitoring_internal.sync_local_databases_at(pg_temp.at(7001));
select results_eq(
    $$ select c.name from monitoring.collector_states as s inner join monitoring.collectors as c using (collector_id)
        inner join monitoring.target_databases as p using (target_database_id) where p.target_id = 0 and p.datname = 'postgres' order by 1 $$,
    $$ select name from monitoring.collectors where scope = 'database' order by 1 $$, 'in one that is, what is asked of databases is asked');
create temporary table nearby as
select claim.* from monitoring.target_databases as place cross join lateral monitoring_internal.lease_target_collections_at(
    null, array[place.target_database_id], array[pg_temp.id('tables')], pg_temp.at(7002)) as claim
where place.target_id = 0 and not place.is_home;
select results_eq(
    $$ select conninfo, datname, seal_context from nearby cross join lateral monitoring_internal.open_target(target_database_id) $$,
    $$ values (null::text, 'postgres', null::text) $$, 'the service connects there as it does here');
select is((select (pg_temp.serve(row(n.*)::monitoring_internal.claimed_collection, pg_temp.at(7003))).status from nearby as n), 'ok', 'and collects');
select is_empty($$ select 1 from stored where sampled_at = pg_temp.at(7002) and labels ? 'server' $$, 'its series have no server');
select isnt_empty($$ select 1 from stored where sampled_at = pg_temp.at(7002) and labels @> '{"collector": "tables", "datname": "postgres"}' $$,
    'but their database');
select monitoring_internal.sync_target_databases_at(0, '[]', '', null, pg_temp.at(7004));
select is((select reason from monitoring.target_databases where target_id = 0 and datname = 'postgres'), 'it was dropped', 'until it is gone');
select lives_ok('select monitoring_internal.sync_collector_states_at(null, null, now())', 'all is in line');
select monitoring_internal.sync_collector_states_at(null, null, now() + interval '401 days');
select is((select count(*) from monitoring.target_databases where gone_at is not null), 0::bigint, 'long gone databases are forgotten');
select monitoring_internal.measure_target_collection(run, 'x', 'instance') from monitoring.collector_runs as run
where run.target_database_id = pg_temp.main('live') limit 1;
select isnt_empty($$ select 1 from stored where labels = '{"server": "live", "collector": "x"}' $$, 'a run elsewhere measures itself');
select is((select count(*) from monitoring_internal.fit_body(pg_temp.id('shelves'), 'select :cap', 15, '{}')), 1::bigint, 'fit_body');

select * from finish();
rollback;
