-- Queues :n messages of about a kilobyte in turns of the endpoints whose name is like :like, a thousand a transaction.
create or replace procedure bench.queue(p_count integer, p_like text)
language plpgsql
as $$
declare
    v_endpoints constant uuid[] := array(
        select id from monitoring.webhook_endpoints where endpoint_name like p_like order by endpoint_name);
    v_at timestamptz;
    v_ids uuid[];
begin
    for v_first in 1..p_count by 1000 loop
        v_at := clock_timestamp();
        with made as (
            insert into monitoring.outbox_messages (
                message_id, created_at, tenant_id, event_type, reason, destination_id, dedup_key, ordering_key, body)
            select gen_random_uuid(), v_at, monitoring.system_tenant_id(), 'order.made', 'requested',
                v_endpoints[1 + n % cardinality(v_endpoints)], format('bench/%s/%s', v_at, n), format('bench/%s/%s', v_at, n),
                jsonb_build_object('type', 'order.made', 'data', jsonb_build_object('n', n, 'text', repeat('x', 800)))::text
            from generate_series(v_first, least(v_first + 999, p_count)) as n
            returning message_id
        )
        select array_agg(message_id) into v_ids from made;
        perform monitoring_internal.queue_deliveries_at(v_at, v_ids);
        commit;
    end loop;
end;
$$;
call bench.queue(:n, :'like');
