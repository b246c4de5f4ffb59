-- delivery/operate.sql: queue an event for an endpoint, and queue the dead again.
-- Owns send_webhook_notification(_at), replay_delivery(_at), follow_webhook_endpoint, renew_routes,
-- bury_deliveries. Writes outbox_messages, deliveries, destination_states, dead_letters, notification_routes.
-- Concurrency: any number of callers at once.

-- Queue an event for an endpoint; false when it is not there, not the caller's, inactive, or does not want the type.
create or replace function monitoring_internal.send_webhook_notification_at(
    p_webhook_id uuid, p_event_type text, p_payload jsonb, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_endpoint monitoring.webhook_endpoints;
    v_message_id constant uuid := gen_random_uuid();
begin
    select endpoint.* into v_endpoint
    from monitoring.webhook_endpoints as endpoint
    where endpoint.id = p_webhook_id and endpoint.is_active
        and endpoint.tenant_id = any (monitoring.visible_tenant_ids())
        and monitoring_internal.wants_event(endpoint.event_types, p_event_type);
    if v_endpoint.id is null then
        return false;
    end if;
    insert into monitoring.outbox_messages (
        message_id, created_at, tenant_id, event_type, reason, destination_id, dedup_key, ordering_key, body)
    values (
        v_message_id, p_now, v_endpoint.tenant_id, p_event_type, 'requested', v_endpoint.id, 'event/' || v_message_id,
        'event/' || v_message_id,
        jsonb_build_object('type', p_event_type, 'timestamp', monitoring_internal.iso_time(p_now),
            'data', coalesce(p_payload, 'null'))::text);
    perform monitoring_internal.queue_deliveries_at(p_now, array[v_message_id]);
    return true;
end;
$$;

comment on function monitoring_internal.send_webhook_notification_at(uuid, text, jsonb, timestamptz) is
    'Queues an event for an endpoint as of a time; false when it is inactive or does not want events of the type.';

-- The same now.
create or replace function monitoring.send_webhook_notification(webhook_id uuid, event_type text, payload jsonb)
returns boolean
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.send_webhook_notification_at(
        send_webhook_notification.webhook_id, send_webhook_notification.event_type, send_webhook_notification.payload,
        clock_timestamp());
$$;

comment on function monitoring.send_webhook_notification(uuid, text, jsonb) is
    'Queues an event for a webhook endpoint, to be sent by the service; false when there is no such endpoint of the '
    'caller''s tenants, it is inactive, or does not want events of the type. For monitoring_admin and _service.';

-- Queue a dead letter again: a new delivery of the same message, which receivers know by its id.
-- Raises: PV965 when there is none, PV966 when its message is no longer kept.
create or replace function monitoring_internal.replay_delivery_at(p_delivery_id bigint, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_dead monitoring.dead_letters;
    v_replayed_as bigint;
begin
    select dead.* into v_dead
    from monitoring.dead_letters as dead
    where dead.delivery_id = p_delivery_id and dead.tenant_id = any (monitoring.visible_tenant_ids())
    for update;
    if v_dead.delivery_id is null then
        raise exception using
            errcode = 'PV965',
            message = format('no dead delivery has the number %s', p_delivery_id),
            hint = 'The numbers are in monitoring.dead_letters.';
    end if;
    insert into monitoring.deliveries (
        message_id, message_created_at, tenant_id, destination_id, ordering_hash, due_at, deadline_at)
    select message.message_id, message.created_at, v_dead.tenant_id, v_dead.destination_id,
        hashtextextended(message.ordering_key, 0), p_now,
        p_now + monitoring_internal.setting_interval('delivery.deadline')
    from monitoring.outbox_messages as message
    where message.message_id = v_dead.message_id and message.created_at = v_dead.message_created_at
    returning delivery_id into v_replayed_as;
    if v_replayed_as is null then
        raise exception using
            errcode = 'PV966',
            message = format('the message of delivery %s is no longer kept', p_delivery_id),
            hint = 'How long messages are kept is the retention of outbox_messages in monitoring.partition_policies.';
    end if;
    update monitoring.dead_letters as dead
    set replayed_at = p_now, replayed_by = monitoring_internal.caller_role(), replayed_as = v_replayed_as
    where dead.delivery_id = v_dead.delivery_id and dead.died_at = v_dead.died_at;
    perform pg_notify('pgvigil_deliveries', '');
    return v_replayed_as;
end;
$$;

comment on function monitoring_internal.replay_delivery_at(bigint, timestamptz) is
    'Queues a dead delivery again as of a time; returns the new delivery.';

-- The same now.
create or replace function monitoring.replay_delivery(delivery_id bigint)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.replay_delivery_at(replay_delivery.delivery_id, clock_timestamp());
$$;

comment on function monitoring.replay_delivery(bigint) is
    'Queues a dead delivery again, as a new delivery of the same message: receivers know it by its id. Returns the new '
    'one''s number. For monitoring_admin.';

-- What waits for an endpoint or channel is held while it is inactive, and due again once it is active. What was on its
-- way then and fails is not held, but does not leave either: see is_sent_to.
create or replace function monitoring_internal.follow_webhook_endpoint()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.deliveries as delivery
    set state = case when not new.is_active then 'held' when delivery.attempt > 0 then 'failed' else 'pending' end,
        due_at = case when new.is_active then now() else 'infinity' end,
        deadline_at = case when new.is_active
            then greatest(delivery.deadline_at, now() + monitoring_internal.setting_interval('delivery.deadline'))
            else delivery.deadline_at end
    where delivery.destination_id = new.id and delivery.lease_instance_id is null
        and (new.is_active or delivery.state <> 'held');
    return null;
end;
$$;

comment on function monitoring_internal.follow_webhook_endpoint() is
    'Trigger: holds what waits for an endpoint or channel while that is inactive, and lets it go when it is active.';

-- Alerts that fired while a channel was inactive were told to nobody there: once it is active again, the next pass
-- takes up those that are open, as it does after any change of routes.
create or replace function monitoring_internal.renew_routes()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.notification_routes as route
    set is_active = route.is_active
    where route.route_id = (select min(other.route_id) from monitoring.notification_routes as other);
    return null;
end;
$$;

comment on function monitoring_internal.renew_routes() is
    'Trigger: an activated channel counts as a change of routes, so that open alerts are routed anew.';

-- What waits for a receiver that is removed is dead: nobody can be sent it any more.
create or replace function monitoring_internal.bury_deliveries()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    with gone as (
        delete from monitoring.deliveries as delivery where delivery.destination_id = old.id returning delivery.*
    ), forgotten as (
        delete from monitoring.destination_states as state where state.destination_id = old.id
    )
    insert into monitoring.dead_letters (
        delivery_id, message_id, message_created_at, tenant_id, destination_id, event_type, attempts, reason,
        status_code, died_at)
    select gone.delivery_id, gone.message_id, gone.message_created_at, gone.tenant_id, gone.destination_id,
        coalesce(message.event_type, 'unknown'), gone.attempt, 'its receiver was removed', gone.last_status, now()
    from gone
    left join monitoring.outbox_messages as message
        on message.message_id = gone.message_id and message.created_at = gone.message_created_at;
    return null;
end;
$$;

comment on function monitoring_internal.bury_deliveries() is
    'Trigger: moves what waits for a removed endpoint or channel to the dead letters.';
