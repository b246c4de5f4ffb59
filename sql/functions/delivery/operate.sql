-- delivery/operate.sql: queue an event for an endpoint, and what follows when a receiver changes.
-- Owns send_webhook_notification(_at), follow_webhook_endpoint, wake_services, renew_routes, bury_deliveries.
-- Writes outbox_messages, deliveries, destination_states, dead_letters, notification_routes. Any number of callers.

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

-- Services sleep until something is due: what was held has just become so.
create or replace function monitoring_internal.wake_services()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('pgvigil_deliveries', '');
    return null;
end;
$$;

comment on function monitoring_internal.wake_services() is
    'Trigger: tells services that there may be something to send.';

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
        delivery_id, message_id, message_created_at, tenant_id, destination_id, recipient, event_type, attempts,
        reason, status_code, died_at)
    select gone.delivery_id, gone.message_id, gone.message_created_at, gone.tenant_id, gone.destination_id,
        gone.recipient, coalesce(message.event_type, 'unknown'), gone.attempt, 'its receiver was removed',
        gone.last_status, now()
    from gone
    left join monitoring.outbox_messages as message
        on message.message_id = gone.message_id and message.created_at = gone.message_created_at;
    return null;
end;
$$;

comment on function monitoring_internal.bury_deliveries() is
    'Trigger: moves what waits for a removed endpoint or channel to the dead letters.';
