-- delivery/replay.sql: queue the dead again, as new deliveries of the same messages.
-- Owns requeue_dead_at, refuse_replay, replay_delivery(_at), replay_deliveries(_at). Writes deliveries, dead_letters.
-- Concurrency: any number of callers; a dead letter's row is locked, so that two callers do not queue it twice.

-- Queue dead letters again, those whose message and receiver are still there and that do not wait already; their
-- numbers must be locked by the caller. Returns the new deliveries.
create or replace function monitoring_internal.requeue_dead_at(p_delivery_ids bigint[], p_now timestamptz)
returns bigint[]
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with queued as (
        insert into monitoring.deliveries (
            message_id, message_created_at, tenant_id, destination_id, recipient, ordering_hash, state, due_at,
            deadline_at)
        select message.message_id, message.created_at, dead.tenant_id, dead.destination_id, dead.recipient,
            hashtextextended(concat_ws(' to ', message.ordering_key, dead.recipient), 0),
            case when receiver.is_active then 'pending' else 'held' end,
            case when receiver.is_active then p_now else 'infinity' end,
            p_now + monitoring_internal.setting_interval('delivery.deadline')
        from monitoring.dead_letters as dead
        inner join monitoring.outbox_messages as message
            on message.message_id = dead.message_id and message.created_at = dead.message_created_at
        inner join (
            select endpoint.id, endpoint.is_active from monitoring.webhook_endpoints as endpoint
            union all
            select channel.id, channel.is_active from monitoring.notification_channels as channel
            where channel.webhook_endpoint_id is null
        ) as receiver on receiver.id = dead.destination_id
        where dead.delivery_id = any (p_delivery_ids)
            and not exists (
                select from monitoring.deliveries as delivery where delivery.delivery_id = dead.replayed_as)
        order by dead.delivery_id
        returning delivery_id, message_id, destination_id, recipient
    ), noted as (
        update monitoring.dead_letters as dead
        set replayed_at = p_now, replayed_by = monitoring_internal.caller_role(), replayed_as = queued.delivery_id
        from queued
        where dead.delivery_id = any (p_delivery_ids) and dead.message_id = queued.message_id
            and dead.destination_id = queued.destination_id
            and dead.recipient is not distinct from queued.recipient
    ), known as (
        insert into monitoring.destination_states (destination_id, tenant_id)
        select distinct queued.destination_id, endpoint.tenant_id
        from queued
        left join monitoring.webhook_endpoints as endpoint on endpoint.id = queued.destination_id
        on conflict do nothing
    )
    select coalesce(array_agg(queued.delivery_id order by queued.delivery_id), '{}')
    from queued
    cross join (select pg_notify('pgvigil_deliveries', '')) as told;
$$;

comment on function monitoring_internal.requeue_dead_at(bigint[], timestamptz) is
    'Queues dead letters again, where that can be; returns the new deliveries.';

-- Say why a delivery cannot be queued again, and what to do.
-- Raises: PV965 it is not dead, PV966 its message is gone, PV985 its receiver is, PV986 it waits already.
create or replace function monitoring_internal.refuse_replay(p_delivery_id bigint, p_dead monitoring.dead_letters)
returns void
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_dead.delivery_id is null then
        raise exception using
            errcode = 'PV965',
            message = format('no dead delivery has the number %s', p_delivery_id),
            hint = case
                when exists (select from monitoring.deliveries as waits where waits.delivery_id = p_delivery_id)
                    then format('It still waits; have it tried now: pgvigil deliveries retry %s', p_delivery_id)
                else 'Numbers: pgvigil deliveries dead, or monitoring.dead_letters.' end;
    elsif exists (select from monitoring.deliveries as waits where waits.delivery_id = p_dead.replayed_as) then
        raise exception using
            errcode = 'PV986',
            message = format('delivery %s is queued again already, as %s', p_delivery_id, p_dead.replayed_as),
            hint = format('See what keeps it: pgvigil deliveries show %s', p_dead.replayed_as);
    elsif not exists (
        select from monitoring.outbox_messages as message
        where message.message_id = p_dead.message_id and message.created_at = p_dead.message_created_at)
    then
        raise exception using
            errcode = 'PV966',
            message = format('the message of delivery %s is no longer kept', p_delivery_id),
            hint = 'How long messages are kept is the retention of outbox_messages in monitoring.partition_policies.';
    end if;
    raise exception using
        errcode = 'PV985',
        message = format('the receiver of delivery %s was removed', p_delivery_id),
        hint = 'There is nobody to send it to; receivers: pgvigil endpoints list.';
end;
$$;

comment on function monitoring_internal.refuse_replay(bigint, monitoring.dead_letters) is
    'Raises why a delivery cannot be queued again.';

-- Queue a dead letter again: a new delivery of the same message, which receivers know by its id.
-- Raises: PV965, PV966, PV985, PV986.
create or replace function monitoring_internal.replay_delivery_at(p_delivery_id bigint, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_dead monitoring.dead_letters;
    v_queued bigint[] := '{}';
begin
    select dead.* into v_dead
    from monitoring.dead_letters as dead
    where dead.delivery_id = p_delivery_id and dead.tenant_id = any (monitoring.visible_tenant_ids())
    for update;
    if v_dead.delivery_id is not null then
        v_queued := monitoring_internal.requeue_dead_at(array[p_delivery_id], p_now);
    end if;
    if cardinality(v_queued) = 0 then
        perform monitoring_internal.refuse_replay(p_delivery_id, v_dead);
    end if;
    return v_queued[1];
end;
$$;

comment on function monitoring_internal.replay_delivery_at(bigint, timestamptz) is
    'Queues a dead delivery again as of a time; returns the new delivery.';

-- The same now.
-- Raises: PV965, PV966, PV985, PV986.
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

-- Queue all dead letters of a receiver again that were not yet, in their order.
-- Raises: PV982.
create or replace function monitoring_internal.replay_deliveries_at(
    p_name text, p_tenant text, p_since interval, p_now timestamptz)
returns table (replayed integer, left_dead integer)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_destination_id constant uuid := monitoring_internal.named_destination(p_name, p_tenant);
    v_ids bigint[];
    v_queued integer;
begin
    v_ids := array(
        select dead.delivery_id
        from monitoring.dead_letters as dead
        where dead.destination_id = v_destination_id and dead.replayed_at is null
            and dead.died_at > coalesce(p_now - p_since, '-infinity')
            and dead.tenant_id = any (monitoring.visible_tenant_ids())
        order by dead.delivery_id
        for update);
    v_queued := cardinality(monitoring_internal.requeue_dead_at(v_ids, p_now));
    return query select v_queued, cardinality(v_ids) - v_queued;
end;
$$;

comment on function monitoring_internal.replay_deliveries_at(text, text, interval, timestamptz) is
    'replay_deliveries as of a time.';

-- The same now.
-- Raises: PV982.
create or replace function monitoring.replay_deliveries(
    endpoint text, tenant text default null, since interval default null)
returns table (replayed integer, left_dead integer)
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select again.replayed, again.left_dead
    from monitoring_internal.replay_deliveries_at(
        replay_deliveries.endpoint, replay_deliveries.tenant, replay_deliveries.since, clock_timestamp()) as again;
$$;

comment on function monitoring.replay_deliveries(text, text, interval) is
    'Queues all dead deliveries of a receiver again, of those that died since so long: how many, and of how many the '
    'message is no longer kept. Receivers know them by their ids. For monitoring_admin.';
