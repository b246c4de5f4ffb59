-- What deliveries cost where much waits, much was delivered, or a receiver is dead or slow: blocks and counts, no times.
-- All is one transaction, so that no old version of a row goes: as under a long transaction beside.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create function pg_temp.at(p_seconds numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_seconds * interval '1 second' $$;
create function pg_temp.service(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-a000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create function pg_temp.endpoint(p_name text) returns uuid language sql as $$
    select e.id from monitoring.webhook_endpoints as e where e.endpoint_name = p_name $$;
-- Queues messages for an endpoint at a time, with ordering keys in turns.
create function pg_temp.queue(p_name text, p_count integer, p_at timestamptz, p_keys integer default 1000000) returns void language plpgsql as $$
declare v_ids uuid[];
begin
    with made as (
        insert into monitoring.outbox_messages (message_id, created_at, tenant_id, event_type, reason, destination_id, dedup_key, ordering_key, body)
        select gen_random_uuid(), p_at, monitoring.system_tenant_id(), 'order.made', 'requested', pg_temp.endpoint(p_name),
            format('%s/%s/%s', p_name, p_at, n), format('%s/%s', p_name, n % p_keys), format('{"n": %s}', n)
        from generate_series(1, p_count) as n returning message_id)
    select array_agg(message_id) into v_ids from made;
    perform monitoring_internal.queue_deliveries_at(p_at, v_ids);
end $$;
create function pg_temp.add(p_name text, p_in_flight integer) returns void language sql as $$
    insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url, event_types, retry_attempts, max_in_flight, sealed_secret)
    values (monitoring.system_tenant_id(), p_name, 'https://' || p_name || '.example/in', '[]', 100, p_in_flight, 'pgvigil:v1:0a1b2c3d:QUJDRA==') $$;
-- One claim, reported at once: all arrive but those to the endpoints named. How many it was.
create function pg_temp.turn(p_at timestamptz, p_broken text[] default '{}', p_limit integer default 64) returns integer language plpgsql as $$
declare v_count integer;
begin
    create temporary table if not exists claimed (delivery_id bigint, fence bigint, name text, n integer, claimed_at timestamptz);
    insert into claimed select c.delivery_id, c.fence, e.endpoint_name, (c.body::jsonb ->> 'n')::integer, p_at
    from monitoring_internal.claim_deliveries_at(pg_temp.service(1), p_limit, p_at) as c
    inner join monitoring.webhook_endpoints as e on e.id = c.destination_id;
    get diagnostics v_count = row_count;
    perform monitoring_internal.ack_deliveries_at(pg_temp.service(1), array_agg(c.delivery_id), array_agg(c.fence),
        array_agg(case when c.name = any (p_broken) then 503 else 204 end), array_agg(null::text), array_agg(null::text),
        array_agg('x'::text), array_agg(0.01::float8), p_at)
    from claimed as c where c.claimed_at = p_at having count(*) > 0;
    return v_count;
end $$;
-- Blocks that a query touches.
create function pg_temp.blocks(p_query text) returns bigint language plpgsql as $$
declare v_plan jsonb;
begin
    execute 'explain (analyze, buffers, format json) ' || p_query into v_plan;
    return (v_plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (v_plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
end $$;

-- Much waits ----------------------------------------------------------------------------------------------------------
select pg_temp.add('busy', 64), pg_temp.add('dead', 64);
select pg_temp.queue('busy', 100, pg_temp.at(0));
select pg_temp.turn(pg_temp.at(0));
create temporary table cost as select 'few wait' as what,
    pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(1)) $q$) as blocks;
select pg_temp.queue('busy', 5000, pg_temp.at(2));
insert into cost values ('many wait', pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(2)) $q$));

-- Much was delivered, and a long transaction keeps it -----------------------------------------------------------------
do $$
begin
    for v_n in 1..80 loop
        perform pg_temp.turn(pg_temp.at(2 + v_n * 0.1));
    end loop;
end $$;
select is((select count(*) from monitoring.deliveries), 0::bigint, 'five thousand are delivered');
select pg_temp.queue('busy', 16, pg_temp.at(60));
select pg_temp.turn(pg_temp.at(60));
create temporary table before as select s.ctid as place, e.updated_at, e.total_calls
from monitoring.destination_states as s inner join monitoring.webhook_endpoints as e on e.id = s.destination_id where e.endpoint_name = 'busy';
select pg_temp.queue('busy', 16, pg_temp.at(60.1)), pg_temp.turn(pg_temp.at(60.2)), pg_temp.queue('busy', 1, pg_temp.at(60.3)), pg_temp.turn(pg_temp.at(60.4));
select results_eq(
    $$ select s.ctid = b.place, e.updated_at = b.updated_at, e.total_calls - b.total_calls from before as b, monitoring.destination_states as s
        inner join monitoring.webhook_endpoints as e on e.id = s.destination_id where e.endpoint_name = 'busy' $$,
    $$ values (true, true, 17::bigint) $$, 'of a destination that does well little is written but the count of its calls');
select pg_temp.queue('busy', 16, pg_temp.at(61));
insert into cost values
    ('many are gone', pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(61)) $q$)),
    ('nothing to do', pg_temp.blocks($q$ select monitoring_internal.next_delivery_delay_at(pg_temp.at(61)) $q$));
select cmp_ok((select blocks from cost where what = 'many wait'), '<', 3 * (select blocks from cost where what = 'few wait'),
    'a claim costs no more where five thousand wait');
select cmp_ok((select blocks from cost where what = 'many are gone'), '<', 300::bigint,
    'nor where five thousand were delivered that a long transaction still sees');
select cmp_ok((select blocks from cost where what = 'nothing to do'), '<', 100::bigint, 'nor does it to learn how long to sleep');

select pg_temp.turn(pg_temp.at(62));
-- What is committed late is found -------------------------------------------------------------------------------------
select is(monitoring_internal.scan_start(pg_temp.at(50), pg_temp.at(60), pg_temp.at(69)), pg_temp.at(50), 'claims begin where the last ended');
select is(monitoring_internal.scan_start(pg_temp.at(50), pg_temp.at(60), pg_temp.at(71)), '-infinity', 'but every ten seconds at the first');
select is(monitoring_internal.scan_start(pg_temp.at(50), pg_temp.at(60), pg_temp.at(59)), '-infinity', 'and when the clock went back');
select pg_temp.queue('busy', 1, pg_temp.at(80)), pg_temp.turn(pg_temp.at(80));
select is_empty($$ select * from monitoring_internal.lock_destinations_at(pg_temp.at(81)) $$, 'nothing is due');
select pg_temp.queue('busy', 1, pg_temp.at(77)), pg_temp.queue('busy', 1, pg_temp.at(20));
select is(pg_temp.turn(pg_temp.at(82)), 1, 'who was five seconds late is not');
select is(pg_temp.turn(pg_temp.at(83)), 0, 'who was a minute late is left');
select is(monitoring_internal.next_delivery_delay_at(pg_temp.at(83)), null, 'and nobody turns round for it');
select is(pg_temp.turn(pg_temp.at(91)), 1, 'for ten seconds');

-- What is trouble ---
select results_eq(
    $$ select monitoring_internal.is_trouble(v.outcome, v.status, v.class) from (values ('failed', 503, 'status'), ('dead', null, 'timed_out'),
        ('failed', 404, 'status'), ('failed', 429, 'status'), ('dead', null, 'forbidden_address'), ('delivered', 200, null), ('dead', 550, 'rejected'))
        as v (outcome, status, class) $$,
    $$ values (true), (true), (false), (false), (false), (false), (false) $$, 'what a receiver refuses is no sign that it is down');

-- A dead receiver that comes back ---------------------------------------------------------------------------------------
truncate claimed;
select pg_temp.queue('dead', 5000, pg_temp.at(100), 500);
select pg_temp.turn(pg_temp.at(100), '{dead}');
select results_eq(
    $$ select s.breaker, s.open_until - pg_temp.at(100) between interval '4 s' and interval '6 s' from monitoring.destination_states as s
        where s.destination_id = pg_temp.endpoint('dead') $$,
    $$ values ('open'::text, true) $$, 'sixty-four failures at one time are one trouble: it is asked again after five seconds');
do $$
declare
    v_at numeric := 120;
begin
    for v_n in 1..180 loop
        perform pg_temp.turn(pg_temp.at(v_at), '{dead}');
        v_at := v_at + 20;
    end loop;
end $$;
select cmp_ok((select count(*) from claimed), '<', 90::bigint, 'an hour of a dead receiver costs few requests, however much waits');
create temporary table back as select s.open_until as at from monitoring.destination_states as s where s.destination_id = pg_temp.endpoint('dead');
truncate claimed;
create temporary table ramp (place integer, count integer);
do $$
begin
    for v_n in 1..90 loop
        insert into ramp select v_n, pg_temp.turn((select b.at from back as b) + v_n * interval '100 ms');
    end loop;
end $$;
select results_eq($$ select r.count from ramp as r order by r.place limit 5 $$, $$ values (1), (2), (8), (64), (64) $$,
    'one that comes back is asked with one, then twice as many with each success, no more than it takes');
select results_eq($$ select count(*), count(distinct c.delivery_id) from claimed as c $$, $$ values (5000::bigint, 5000::bigint) $$,
    'all that waited arrives, each once');
select is((select count(*) from (
        select c.delivery_id < lag(c.delivery_id) over (partition by c.n % 500 order by c.claimed_at, c.delivery_id) as is_late from claimed as c) as c
    where c.is_late), 0::bigint, 'E-05: in the order of each key');

-- One of fifty is slow ----------------------------------------------------------------------------------------------------
truncate claimed;
select pg_temp.add('of' || n, 16) from generate_series(1, 50) as n;
select pg_temp.queue('of' || n, 20, pg_temp.at(9000)) from generate_series(1, 50) as n;
-- What the first takes is never reported: it hangs.
create temporary table hung as select c.delivery_id, e.endpoint_name as name
from monitoring_internal.claim_deliveries_at(pg_temp.service(2), 100, pg_temp.at(9000)) as c
inner join monitoring.webhook_endpoints as e on e.id = c.destination_id;
select results_eq($$ select min(count), max(count) from (select count(*) from hung group by name) as n $$, $$ values (2::bigint, 2::bigint) $$,
    'fifty receivers have their turns alike');
update monitoring.deliveries set lease_expires_at = null, lease_instance_id = null, state = 'pending' where destination_id <> pg_temp.endpoint('of1');
update monitoring.deliveries set lease_expires_at = pg_temp.at(9040), lease_instance_id = pg_temp.service(2), state = 'in_flight'
where delivery_id in (select d.delivery_id from monitoring.deliveries as d where d.destination_id = pg_temp.endpoint('of1') order by 1 limit 16);
do $$
begin
    for v_n in 1..17 loop
        perform pg_temp.turn(pg_temp.at(9000 + v_n * 0.1));
    end loop;
end $$;
select results_eq(
    $$ select c.name = 'of1', count(*), count(distinct c.name) from claimed as c group by 1 order by 1 $$, $$ values (false, 980::bigint, 49::bigint) $$,
    'where one hangs with all that it takes at once, the other forty-nine get theirs in as many claims as without it');

-- Many events in one statement, of tables that nobody has analysed --------------------------------------------------------
create temporary table sent (turn integer, blocks bigint);
insert into sent select n, pg_temp.blocks($q$ select count(*) filter (where monitoring.send_webhook_notification(
    pg_temp.endpoint('of2'), 'order.made', jsonb_build_object('n', n))) from generate_series(1, 400) as n $q$) from generate_series(1, 4) as n;
select cmp_ok((select max(blocks) from sent where turn > 1), '<', 400 * 100::bigint, 'an event costs few blocks to queue');
select cmp_ok((select blocks from sent where turn = 4), '<', (select blocks * 6 / 5 from sent where turn = 2),
    'and no more where many were queued before it in its transaction');

select * from finish();
rollback;
