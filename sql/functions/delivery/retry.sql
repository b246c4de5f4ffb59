-- delivery/retry.sql: have deliveries tried at once, not when they are due.
-- Owns named_destination, refuse_retry_at, retry_delivery(_at), retry_deliveries(_at).
-- Writes deliveries, destination_states. Concurrency: any number of callers; what a service has in hand is left alone.

-- The endpoint or channel of a name within a tenant: the system's, or everybody's, for none.
-- Raises: PV001, PV982.
create or replace function monitoring_internal.named_destination(p_name text, p_tenant text)
returns uuid
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := monitoring_internal.named_or_system_tenant(p_tenant);
    v_id uuid;
begin
    select named.id into v_id
    from (
        select coalesce(channel.webhook_endpoint_id, channel.id) as id, 1 as place
        from monitoring.notification_channels as channel
        where channel.channel_name = p_name
            and (channel.tenant_id = v_tenant_id or channel.tenant_id is null and p_tenant is null)
        union all
        select endpoint.id, 2
        from monitoring.webhook_endpoints as endpoint
        where endpoint.endpoint_name = p_name and endpoint.tenant_id = v_tenant_id
    ) as named
    order by named.place
    limit 1;
    if v_id is null then
        raise exception using
            errcode = 'PV982',
            message = format('there is no endpoint "%s"', p_name),
            hint = 'Names: pgvigil endpoints list. Those of another tenant need --tenant NAME.';
    end if;
    return v_id;
end;
$$;

comment on function monitoring_internal.named_destination(text, text) is
    'The endpoint or channel that messages to a name go to; PV982 where there is none.';

-- Say why a delivery cannot be tried now, and what to do.
-- Raises: PV983 there is none, PV984 it cannot be tried.
create or replace function monitoring_internal.refuse_retry_at(p_delivery_id bigint, p_now timestamptz)
returns void
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_reason text;
    v_hint text;
begin
    select
        case
            when delivery.lease_expires_at > p_now then format('a service has it in hand until %s',
                monitoring_internal.iso_time(delivery.lease_expires_at))
            when delivery.delivery_id is not null then 'its receiver is inactive, or a channel that names no server'
            when dead.delivery_id is not null then 'it was given up: ' || dead.reason
            when attempt.outcome is not null then 'it is over: ' || attempt.outcome
        end,
        case
            when delivery.lease_expires_at > p_now then 'Wait: it is tried again when that fails.'
            when delivery.delivery_id is not null then 'Let it be sent again: pgvigil endpoints enable NAME'
            when dead.delivery_id is not null then format('Queue it again: pgvigil deliveries replay %s', p_delivery_id)
            else 'There is nothing to send.'
        end
    into v_reason, v_hint
    from (select p_delivery_id as delivery_id) as wanted
    left join monitoring.deliveries as delivery on delivery.delivery_id = wanted.delivery_id
    left join monitoring.dead_letters as dead on dead.delivery_id = wanted.delivery_id
    left join monitoring.delivery_attempts as attempt
        on attempt.delivery_id = wanted.delivery_id and attempt.outcome in ('delivered', 'collapsed')
    where coalesce(delivery.tenant_id, dead.tenant_id, attempt.tenant_id) = any (monitoring.visible_tenant_ids())
    limit 1;
    if v_reason is null then
        raise exception using
            errcode = 'PV983',
            message = format('there is no delivery %s', p_delivery_id),
            hint = 'Numbers: pgvigil deliveries list.';
    end if;
    raise exception using
        errcode = 'PV984',
        message = format('delivery %s cannot be tried now: %s', p_delivery_id, v_reason),
        hint = v_hint;
end;
$$;

comment on function monitoring_internal.refuse_retry_at(bigint, timestamptz) is
    'Raises why a delivery cannot be tried as of a time.';

-- Make a delivery due, and what has to leave before it; its receiver is asked even when its breaker is open, with as
-- many requests as that allows. Returns how many deliveries became due.
-- Raises: PV983, PV984.
create or replace function monitoring_internal.retry_delivery_at(p_delivery_id bigint, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_destination_id uuid;
    v_count integer;
begin
    select delivery.destination_id into v_destination_id
    from monitoring.deliveries as delivery
    where delivery.delivery_id = p_delivery_id and delivery.tenant_id = any (monitoring.visible_tenant_ids())
        and (delivery.lease_expires_at is null or delivery.lease_expires_at <= p_now)
        and delivery.state <> 'held' and monitoring_internal.is_sent_to(delivery.destination_id)
    for update;
    if v_destination_id is null then
        perform monitoring_internal.refuse_retry_at(p_delivery_id, p_now);
    end if;
    update monitoring.deliveries as delivery
    set due_at = least(delivery.due_at, p_now),
        deadline_at = greatest(delivery.deadline_at, case when delivery.deadline_at <= p_now
            then p_now + monitoring_internal.setting_interval('delivery.deadline') end)
    from monitoring.deliveries as wanted
    where wanted.delivery_id = p_delivery_id and delivery.destination_id = wanted.destination_id
        and delivery.ordering_hash = wanted.ordering_hash and delivery.delivery_id <= wanted.delivery_id
        and delivery.state <> 'held';
    get diagnostics v_count = row_count;
    update monitoring.destination_states as state
    set open_until = '-infinity'
    where state.destination_id = v_destination_id and state.open_until > p_now;
    perform pg_notify('pgvigil_deliveries', '');
    return v_count;
end;
$$;

comment on function monitoring_internal.retry_delivery_at(bigint, timestamptz) is 'retry_delivery as of a time.';

-- The same now.
-- Raises: PV983, PV984.
create or replace function monitoring.retry_delivery(delivery_id bigint)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.retry_delivery_at(retry_delivery.delivery_id, clock_timestamp());
$$;

comment on function monitoring.retry_delivery(bigint) is
    'Has a delivery tried at once, after what has to arrive before it, even while its receiver is left alone. Returns '
    'how many deliveries that makes due. For monitoring_admin.';

-- Make all that waits for a receiver due.
-- Raises: PV982.
create or replace function monitoring_internal.retry_deliveries_at(p_name text, p_tenant text, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_destination_id constant uuid := monitoring_internal.named_destination(p_name, p_tenant);
    v_count integer;
begin
    update monitoring.deliveries as delivery
    set due_at = least(delivery.due_at, p_now)
    where delivery.destination_id = v_destination_id and delivery.state = 'failed' and delivery.due_at > p_now
        and delivery.tenant_id = any (monitoring.visible_tenant_ids())
        and monitoring_internal.is_sent_to(v_destination_id);
    get diagnostics v_count = row_count;
    update monitoring.destination_states as state
    set open_until = '-infinity'
    where state.destination_id = v_destination_id and state.open_until > p_now;
    perform pg_notify('pgvigil_deliveries', '');
    return v_count;
end;
$$;

comment on function monitoring_internal.retry_deliveries_at(text, text, timestamptz) is
    'retry_deliveries as of a time.';

-- The same now.
-- Raises: PV982.
create or replace function monitoring.retry_deliveries(endpoint text, tenant text default null)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.retry_deliveries_at(
        retry_deliveries.endpoint, retry_deliveries.tenant, clock_timestamp());
$$;

comment on function monitoring.retry_deliveries(text, text) is
    'Has all that failed at a receiver tried at once, which is asked even while it is left alone; returns how many '
    'deliveries that makes due. For monitoring_admin.';
