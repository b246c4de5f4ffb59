-- Collecting elsewhere: claims, what a server is asked and says, what runs there, what comes home, and what fails.
-- The server elsewhere is played by this one, under another name.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_owner, monitoring_service;

create function pg_temp.at(p_seconds double precision) returns timestamptz language sql as $$
    select date_trunc('hour', now()) + p_seconds * interval '1 second'
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

-- Nothing to do ------------------------------------------------------------------------------------
select is_empty($$ select * from monitoring_internal.claim_target_collections(null, 100) $$, 'without targets nothing is claimed');
select is(monitoring_internal.next_target_collection_delay(), null, 'and nothing is due');
update monitoring.settings set value = '1h' where name = 'targets.facts_every';

-- One target ---------------------------------------------------------------------------------------
select monitoring.create_tenant('acme');
select monitoring_internal.add_target_at('prod', 'host=prod.example user=watch', null,
    (select tenant_id from monitoring.tenants where name = 'acme'), '^none$', null, 100, pg_temp.at(0));
select is(monitoring_internal.next_target_collection_delay_at(pg_temp.at(0)), 0::double precision, 'a new target is due at once');
select is(
    (select count(*) from monitoring_internal.claim_collections_at(null, 1000, null, pg_temp.at(0))),
    (select count(*) from monitoring.collectors), 'what is collected here is claimed apart');
create temporary table ended as select * from pg_temp.serve_all(61);
select is((select sum(runs)::bigint from ended), (select count(*) from monitoring.collectors where is_enabled and scope <> 'home'),
    'every collector is claimed, asked for and comes home');
select is_empty($$ select * from ended where status not in ('ok', 'skipped', 'unavailable') $$, 'none fails');
select cmp_ok((select runs from ended where status = 'ok'), '>', 7::bigint, 'most go well');
select is_empty(
    $$ select metric, labels from stored where tenant_id = (select tenant_id from monitoring.tenants where name = 'acme')
        and labels ->> 'server' is distinct from 'prod' $$, 'every series of a target carries its name');
select cmp_ok((select count(distinct metric) from stored where labels @> '{"server": "prod"}'), '>', 100::bigint,
    'and there are many');
select is((select value from stored where metric = 'pg_up' and labels = '{"server": "prod"}'), 1::double precision, 'it is up');
select results_eq(
    $$ select distinct sampled_at from stored where metric = 'pg_up' and labels = '{"server": "prod"}' $$,
    $$ select pg_temp.at(61) $$, 'samples carry the time of this database''s clock at which the run began');
select is_empty($$ select 1 from stored where tenant_id = monitoring.system_tenant_id() and labels ? 'server' $$,
    'and belong to its tenant');
select is((select value from stored where metric = 'pg_scrape_collector_success'
    and labels = '{"server": "prod", "collector": "instance"}'), 1::double precision, 'a run elsewhere measures itself');
select is((select value from stored where metric = 'pg_scrape_collector_success'
    and labels = '{"server": "prod", "collector": "tables", "datname": "postgres"}'), 1::double precision,
    'once a database where it runs in each');
select is(
    (select abs(value - extract(epoch from clock_timestamp() - pg_temp.at(61.5))) < 60 from stored
        where metric = 'pgvigil_target_clock_offset_seconds' and labels = '{"server": "prod"}'), true,
    'how far its clock is off is a metric');
select results_eq(
    $$ select status, role, server_version_num, databases from monitoring.target_status where name = 'prod' $$,
    $$ select 'ok', 'primary', current_setting('server_version_num')::integer, 1::bigint $$, 'target_status knows it');
select is(
    (select status from monitoring.collector_status where name = 'instance' and target = 'prod' and datname = 'postgres'),
    'ok', 'collector_status has it too');
select is(
    (select count(*) from monitoring.collector_status where name = 'instance'), 2::bigint, 'beside this server');
select is_empty($$ select 1 from pg_temp.serve_all(61) $$, 'nothing is due twice');
select is(
    (select count(*) from monitoring_internal.collector_statements where target_database_id = pg_temp.main('prod')
        and statement is null), 0::bigint, 'every statement is known now');
select results_eq(
    $$ select kind from monitoring.target_events where target_name = 'prod' and kind <> 'database_appeared'
        order by target_event_id $$, $$ values ('added'), ('connected') $$, 'the first contact is an event');

-- The same one again -------------------------------------------------------------------------------
create function pg_temp.report(p_changes jsonb, p_seconds double precision) returns void language sql as $$
    select monitoring_internal.report_target_facts_at(pg_temp.main('prod'), null, pg_temp.facts(p_changes), pg_temp.at(p_seconds))
$$;
select throws_ok(
    $$ select pg_temp.report('{"system_identifier": "4711"}', 70) $$, 'PV604', 'target "prod" is another cluster than before',
    'another cluster is refused');
select throws_ok(
    $$ select pg_temp.report('{"system_identifier": null}', 70) $$, 'PV604', 'target "prod" is another cluster than before',
    'nor is one that does not tell which it is');
select throws_ok(
    $$ select monitoring_internal.check_target_facts(t, '{"server_version_num": 140010, "server_version": "14.10"}')
        from monitoring.targets as t where name = 'prod' $$, 'PV605', 'target "prod" is version 14.10', 'so is one too old');
select lives_ok($$ select pg_temp.report('{"timeline": 7, "in_recovery": false}', 71) $$, 'a promoted one is the same');
select results_eq(
    $$ select details ->> 'timeline' from monitoring.target_events where kind = 'failover' $$, $$ values ('7') $$,
    'its failover is an event');
select pg_temp.report('{"timeline": 7, "in_recovery": true}', 72);
select is((select role from monitoring.target_status where name = 'prod'), 'standby', 'a standby is one');
select is((select count(*) from monitoring.target_events where kind = 'failover'), 2::bigint, 'which is an event as well');
select pg_temp.report('{"timeline": 6, "in_recovery": true}', 73);
select is((select timeline from monitoring.targets where name = 'prod'), 7, 'a timeline never falls');
select is((select count(*) from monitoring.target_events where kind = 'failover'), 2::bigint, 'and that is no event');
select pg_temp.report('{"server_version_num": 180001}', 74);
select is((select count(*) from monitoring.target_events where kind = 'version_changed'), 1::bigint, 'an upgrade is one');
select monitoring_internal.note_target_changes_at(t, pg_temp.facts('{"timeline": 99}'), now())
from monitoring.targets as t where t.target_id = 0;
select is((select count(*) from monitoring.target_events where target_id = 0), 0::bigint, 'this server is not spoken of');
select pg_temp.report('{}', 75);

-- Queries of a standby -----------------------------------------------------------------------------
update monitoring.collector_states set next_due_at = 'infinity' where target_id <> 0;
create temporary table standby_claim as
select claim.* from (select 1) as x
cross join lateral monitoring_internal.lease_target_collections_at(
    null, array[pg_temp.main('prod')], array[pg_temp.id('replication')], pg_temp.at(80)) as claim;
select pg_temp.report('{"in_recovery": true}', 80);
select results_eq(
    $$ select q.server_role, bool_or(p.query is not null) from standby_claim as c
        inner join monitoring.collector_queries as q using (collector_id)
        left join monitoring_internal.plan_collection(c.collector_id, c.target_database_id, c.fence) as p on p.query = q.query
        group by 1 order by 1 $$,
    $$ values ('any', true), ('standby', true) $$, 'a standby is asked what standbys are asked');
select pg_temp.report('{"in_recovery": false}', 80);
select results_eq(
    $$ select distinct q.server_role from standby_claim as c
        cross join monitoring_internal.plan_collection(c.collector_id, c.target_database_id, c.fence) as p
        inner join monitoring.collector_queries as q on q.collector_id = c.collector_id and q.query = p.query $$,
    $$ values ('any') $$, 'a primary is not');
select throws_ok(
    $$ select monitoring_internal.plan_collection(collector_id, target_database_id, fence - 1) from standby_claim $$,
    'PV403', null, 'only for who holds the claim');
select lives_ok($$ select monitoring_internal.require_target_lease(target_database_id, fence) from standby_claim $$, 'as here');

select * from finish();
rollback;
