-- delivery/claim.sql: lease due deliveries to services, and take them back.
-- Owns expire_deliveries_at, claim_deliveries(_at), next_delivery_delay(_at), release_deliveries. Writes deliveries,
-- destination_states, delivery_attempts, dead_letters. Concurrency: any number of services; see lease.sql.

-- Give up what nobody may deliver any more, and note whose outcome is unknown because its service was lost.
create or replace function monitoring_internal.expire_deliveries_at(p_delivery_ids bigint[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_expired constant monitoring_internal.delivery_end[] := array(
        select row(
            delivery.delivery_id, delivery.message_id, delivery.message_created_at, delivery.tenant_id,
            delivery.destination_id, delivery.attempt, delivery.fence, 'dead', delivery.last_status, 'expired',
            concat_ws(': ', 'not delivered until its deadline',
                case when delivery.lease_instance_id is not null then 'the service that had it in hand was lost'
                    else coalesce('status ' || delivery.last_status, delivery.last_error) end),
            null, p_now, null)::monitoring_internal.delivery_end
        from monitoring.deliveries as delivery
        where delivery.delivery_id = any (p_delivery_ids) and delivery.deadline_at <= p_now);
begin
    insert into monitoring.delivery_attempts (
        delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, error_class, instance_id,
        finished_at)
    select delivery.delivery_id, delivery.attempt, delivery.fence, delivery.message_id, delivery.tenant_id,
        delivery.destination_id, 'unknown', 'lost', delivery.lease_instance_id, p_now
    from monitoring.deliveries as delivery
    where delivery.delivery_id = any (p_delivery_ids) and delivery.lease_instance_id is not null
        and delivery.deadline_at > p_now;
    if cardinality(v_expired) > 0 then
        perform monitoring_internal.end_deliveries_at(v_expired, null, p_now);
    end if;
end;
$$;

comment on function monitoring_internal.expire_deliveries_at(bigint[], timestamptz) is
    'Moves deliveries past their deadline to the dead letters, and notes attempts whose service was lost.';

-- Lease up to p_limit deliveries to a service, with all that a request is made of. Where one goes is its own: a
-- fallback's is not where its message was meant for.
create or replace function monitoring_internal.claim_deliveries_at(
    p_instance_id uuid, p_limit integer, p_now timestamptz)
returns setof monitoring_internal.claimed_delivery
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    v_grace constant interval := monitoring_internal.setting_interval('delivery.lease_grace');
    v_timeout constant interval := monitoring_internal.setting_interval('delivery.timeout');
    v_mail_timeout constant interval := monitoring_internal.setting_interval('delivery.mail_timeout');
    v_ids constant bigint[] := monitoring_internal.lease_deliveries_at(p_limit, p_now);
begin
    if cardinality(v_ids) = 0 then
        return;
    end if;
    perform monitoring_internal.expire_deliveries_at(v_ids, p_now);
    update monitoring.destination_states as state
    set breaker = 'half_open'
    where state.breaker = 'open'
        and state.destination_id in (
            select delivery.destination_id
            from monitoring.deliveries as delivery
            where delivery.delivery_id = any (v_ids));
    return query
    update monitoring.deliveries as delivery
    set state = 'in_flight', attempt = delivery.attempt + 1, fence = delivery.fence + 1,
        lease_instance_id = p_instance_id, lease_expires_at = p_now + allowed.timeout + v_grace
    from monitoring.deliveries as leased
    inner join monitoring.outbox_messages as message
        on message.message_id = leased.message_id and message.created_at = leased.message_created_at
    left join monitoring.webhook_endpoints as endpoint on endpoint.id = leased.destination_id
    left join monitoring.notification_channels as channel on channel.id = message.channel_id
    cross join lateral (
        select case when channel.channel_type = 'email' then v_mail_timeout
            else coalesce(endpoint.timeout, v_timeout) end as timeout) as allowed
    cross join lateral monitoring_internal.channel_request(channel.channel_type, channel.configuration) as request
    where leased.delivery_id = any (v_ids) and delivery.delivery_id = leased.delivery_id
    returning delivery.delivery_id, delivery.fence, delivery.attempt,
        'msg_' || replace(message.message_id::text, '-', ''), message.event_type, message.content_type,
        coalesce(case when channel.channel_type = 'sms' then monitoring_internal.address_sms(
            message.body, message.content_type, coalesce(delivery.recipient, message.recipient)) end, message.body),
        delivery.destination_id, coalesce(channel.channel_type, 'webhook'),
        coalesce(delivery.recipient, message.recipient),
        case when endpoint.id is not null then endpoint.webhook_url else request.url end,
        coalesce(channel.configuration, '{}'),
        case when endpoint.id is not null then endpoint.sealed_secret else channel.sealed_secret end,
        case when endpoint.previous_secret_until > p_now then endpoint.previous_sealed_secret end,
        case when endpoint.id is not null
            then monitoring_internal.endpoint_seal_context(endpoint.id, endpoint.webhook_url)
            else monitoring_internal.channel_seal_context(
                channel.id, channel.channel_type, channel.configuration ->> 'url') end,
        ceil(extract(epoch from allowed.timeout) * 1000)::bigint, message.ordering_key, request.method, request.auth,
        request.login, request.sender;
end;
$$;

comment on function monitoring_internal.claim_deliveries_at(uuid, integer, timestamptz) is
    'Leases due deliveries to a service, with all that their requests are made of.';

-- The same now.
create or replace function monitoring_internal.claim_deliveries(p_instance_id uuid, p_limit integer)
returns setof monitoring_internal.claimed_delivery
language plpgsql volatile parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select * from monitoring_internal.claim_deliveries_at(p_instance_id, p_limit, clock_timestamp());
end;
$$;

comment on function monitoring_internal.claim_deliveries(uuid, integer) is
    'Leases up to so many due deliveries to a service instance.';

-- How long until something may be claimed; null when nothing waits.
create or replace function monitoring_internal.next_delivery_delay_at(p_now timestamptz)
returns interval
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Nothing waiting is no wait of nothing: greatest() would pass the null over.
    return (
        select min(greatest(state.open_until, waiting.due_at, p_now)) - p_now
        from monitoring.destination_states as state
        cross join lateral (
            -- The few that are on their way stand before those that wait.
            select min(greatest(head.due_at, coalesce(head.lease_expires_at, '-infinity'))) as due_at
            from (
                select delivery.due_at, delivery.lease_expires_at
                from monitoring.deliveries as delivery
                where delivery.destination_id = state.destination_id and delivery.due_at < 'infinity'
                    and delivery.due_at >= monitoring_internal.scan_start(state.scan_from_at, state.scanned_at, p_now)
                order by delivery.due_at, delivery.delivery_id
                limit state.in_flight_limit) as head
        ) as waiting
        where waiting.due_at is not null
            and monitoring_internal.is_sent_to(state.destination_id));
end;
$$;

comment on function monitoring_internal.next_delivery_delay_at(timestamptz) is
    'How long after a time a delivery may be claimed; null when none waits.';

-- The same from now.
create or replace function monitoring_internal.next_delivery_delay()
returns interval
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.next_delivery_delay_at(clock_timestamp());
$$;

comment on function monitoring_internal.next_delivery_delay() is
    'How long a service may sleep until a delivery may be claimed; null when none waits.';

-- Give back what a service claimed and did not send: no attempt is counted.
create or replace function monitoring_internal.release_deliveries(p_instance_id uuid)
returns integer
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_released integer;
begin
    update monitoring.deliveries as delivery
    set state = case when delivery.attempt > 1 then 'failed' else 'pending' end, attempt = delivery.attempt - 1,
        lease_instance_id = null, lease_expires_at = null
    where delivery.lease_instance_id = p_instance_id;
    get diagnostics v_released = row_count;
    return v_released;
end;
$$;

comment on function monitoring_internal.release_deliveries(uuid) is
    'Gives back deliveries that a service claimed and did not send; returns how many.';
