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
select pg_temp.add('busy', 16), pg_temp.add('dead', 16);
select pg_temp.queue('busy', 100, pg_temp.at(0));
select pg_temp.turn(pg_temp.at(0));
create temporary table cost as select 'few wait' as what,
    pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(1)) $q$) as blocks;
select pg_temp.queue('busy', 5000, pg_temp.at(2));
insert into cost values ('many wait', pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(2)) $q$));

-- Much was delivered, and a long transaction keeps it -----------------------------------------------------------------
do $$
begin
    for v_n in 1..320 loop
        perform pg_temp.turn(pg_temp.at(2 + v_n * 0.1));
    end loop;
end $$;
select is((select count(*) from monitoring.deliveries), 0::bigint, 'five thousand are delivered');
select pg_temp.queue('busy', 16, pg_temp.at(60));
select pg_temp.turn(pg_temp.at(60));
select pg_temp.queue('busy', 16, pg_temp.at(61));
insert into cost values
    ('many are gone', pg_temp.blocks($q$ select monitoring_internal.lease_deliveries_at(64, pg_temp.at(61)) $q$)),
    ('nothing to do', pg_temp.blocks($q$ select monitoring_internal.next_delivery_delay_at(pg_temp.at(61)) $q$));
select * from cost;
select * from finish();
rollback;
