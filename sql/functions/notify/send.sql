-- notify/send.sql: write messages, and remember who was told what.
-- Owns write_messages_at, log_sends_at, record_sends_at, collapse_deliveries_at, send_notifications_at.
-- Writes outbox_messages, deliveries, destination_states, notification_log, alerts, notification_decisions.

-- Write the messages of what is sent, and their deliveries.
create or replace function monitoring_internal.write_messages_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_written integer;
begin
    insert into monitoring.outbox_messages (
        message_id, created_at, tenant_id, event_type, reason, severity, channel_id, destination_id, recipient,
        dedup_key, ordering_key, alert_ids, content_type, body)
    select send.message_id, p_now, send.tenant_id, event.event_type, send.reason, event.severity, channel.id,
        coalesce(channel.webhook_endpoint_id, channel.id), send.recipient,
        concat_ws('/', coalesce(send.group_id::text, key.name), channel.id, send.sequence, send.reason,
            send.recipient, send.detail ->> 'step', send.detail ->> 'loop'),
        coalesce('group/' || send.group_id, key.name), send.told || send.resolved,
        coalesce(rendered.content_type, 'application/json'),
        coalesce(rendered.body, monitoring_internal.render_notification(
            channel.channel_type, event.body, coalesce('group/' || send.group_id, key.name))::text)
    from monitoring_internal.event_bodies_at(p_now, p_sends) as event
    inner join unnest(p_sends) as send using (message_id)
    inner join monitoring.notification_channels as channel on channel.id = send.channel_id
    cross join lateral (
        select case send.reason
            when 'rate_limit' then format('held/%s/%s', send.channel_id, send.tenant_id)
            else 'alert/' || send.told[1] end as name
    ) as key
    left join monitoring.notification_log as log on log.group_id = send.group_id and log.channel_id = send.channel_id
    -- Storms are told by webhooks and chat: what mails need is not asked for there, which the limit keeps apart.
    left join lateral (
        select message.content_type, message.body
        from monitoring_internal.render_message(
            channel.channel_type, channel.configuration, event.body, send.message_id, log.last_message_id,
            coalesce('group/' || send.group_id, key.name), send.recipient) as message
        where channel.channel_type in ('email', 'sms')
        limit 1
    ) as rendered on true
    order by event.severity <> 'critical', send.channel_id, send.group_id;
    get diagnostics v_written = row_count;
    if not monitoring_internal.is_replay() then
        perform monitoring_internal.queue_deliveries_at(p_now, array(
            select send.message_id from unnest(p_sends) as send where send.outcome = 'sent'));
    end if;
    return v_written;
end;
$$;

comment on function monitoring_internal.write_messages_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'Writes the messages of what is sent and queues their deliveries, critical ones first; returns how many.';

-- Queue messages of this moment for delivery; what goes to an inactive endpoint is held until that is active. Each
-- recipient of an email or SMS channel is a delivery of its own, so that one that fails is tried again alone.
create or replace function monitoring_internal.queue_deliveries_at(p_now timestamptz, p_message_ids uuid[])
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
    insert into monitoring.destination_states (destination_id, tenant_id, in_flight_limit)
    select distinct message.destination_id,
        case when endpoint.id is null then channel.tenant_id else endpoint.tenant_id end,
        coalesce(endpoint.max_in_flight, 16)
    from monitoring.outbox_messages as message
    left join monitoring.webhook_endpoints as endpoint on endpoint.id = message.destination_id
    left join monitoring.notification_channels as channel on channel.id = message.destination_id
    where message.created_at = p_now and message.message_id = any (p_message_ids)
        and not exists (
            select from monitoring.destination_states as state where state.destination_id = message.destination_id)
    on conflict do nothing;
    insert into monitoring.deliveries (
        message_id, message_created_at, tenant_id, destination_id, recipient, ordering_hash, state, due_at,
        deadline_at)
    select message.message_id, message.created_at, message.tenant_id, message.destination_id, listed.recipient,
        hashtextextended(concat_ws(' to ', message.ordering_key, listed.recipient), 0),
        case when endpoint.is_active is false then 'held' else 'pending' end,
        case when endpoint.is_active is false then 'infinity' else p_now end,
        p_now + monitoring_internal.setting_interval('delivery.deadline')
    from monitoring.outbox_messages as message
    left join monitoring.webhook_endpoints as endpoint on endpoint.id = message.destination_id
    left join monitoring.notification_channels as channel
        on channel.id = message.destination_id and channel.channel_type in ('email', 'sms')
    left join lateral monitoring_internal.recipients(channel.configuration, message.recipient) as listed (recipient)
        on channel.id is not null
    where message.created_at = p_now and message.message_id = any (p_message_ids)
    order by message.severity is distinct from 'critical', message.channel_id, message.ordering_key;
    -- One a transaction: equal ones are folded.
    perform pg_notify('pgvigil_deliveries', '');
end;
$$;

comment on function monitoring_internal.queue_deliveries_at(timestamptz, uuid[]) is
    'Queues messages that were written at this moment for delivery.';

-- What each channel knows from now on, and when to look again.
create or replace function monitoring_internal.log_sends_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.notification_log as log
    set sequence = case when send.reason is null then log.sequence else send.sequence end,
        firing = send.firing,
        firing_levels = send.firing_levels,
        resolved = send.resolved,
        last_reason = coalesce(send.reason, log.last_reason),
        last_message_id = case when send.outcome = 'sent' then send.message_id else log.last_message_id end,
        last_sent_at = case when send.reason is null then log.last_sent_at else p_now end,
        next_due_at = coalesce(send.due_at, 'infinity')
    from unnest(p_sends) as send
    where log.group_id = send.group_id and log.channel_id = send.channel_id;
$$;

comment on function monitoring_internal.log_sends_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'Remembers what each channel knows of its groups once these messages are out, and when to look again.';

-- Enter what was sent with each alert, and what was decided about it.
create or replace function monitoring_internal.record_sends_at(
    p_now timestamptz, p_pass_id bigint, p_sends monitoring_internal.notification_send[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.alerts as alert
    set notifications_sent = alert.notifications_sent || sent.entries,
        last_notification_at = p_now,
        notification_count = alert.notification_count + sent.messages
    from (
        select send.tenant_id, told.alert_id, count(*)::integer as messages, jsonb_agg(jsonb_build_object(
            'at', p_now, 'channel', channel.channel_name, 'channel_id', channel.id, 'reason', send.reason,
            'level', send.level, 'message_id', send.message_id)) as entries
        from unnest(p_sends) as send
        inner join monitoring.notification_channels as channel on channel.id = send.channel_id
        cross join unnest(send.told || send.resolved) as told (alert_id)
        where send.outcome = 'sent'
        group by send.tenant_id, told.alert_id) as sent
    where alert.id = sent.alert_id and alert.tenant_id = sent.tenant_id;
    insert into monitoring.notification_decisions (
        decided_at, tenant_id, alert_id, channel_id, decision, reason, detail, message_id)
    select p_now, send.tenant_id, told.alert_id, send.channel_id,
        case when send.outcome = 'sent' then 'sent' else 'withheld' end,
        case when send.outcome = 'sent' then send.reason else send.outcome end,
        case when send.reason is null then 'until ' || monitoring_internal.iso_time(send.due_at)
            when send.outcome <> 'sent' then send.reason end,
        case when send.outcome = 'sent' then send.message_id end
    from unnest(p_sends) as send
    cross join unnest(send.told || case when send.reason is not null then send.resolved else '{}' end)
        as told (alert_id)
    where send.reason is not null
        or exists (
            select
            from monitoring.alert_transitions as transition
            where transition.pass_id = p_pass_id and transition.alert_id = told.alert_id);
$$;

comment on function monitoring_internal.record_sends_at(
    timestamptz, bigint, monitoring_internal.notification_send[]) is
    'Enters with each alert what was sent of it, and keeps the decisions, those that sent nothing included.';

-- Take back first messages that have not left, where all they tell is over.
create or replace function monitoring_internal.collapse_deliveries_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with taken_back as (
        delete from monitoring.deliveries as delivery
        using unnest(p_sends) as send
        inner join monitoring.notification_log as log
            on log.group_id = send.group_id and log.channel_id = send.channel_id
        where send.outcome = 'collapsed' and delivery.message_id = log.last_message_id
            and delivery.attempt = 0 and delivery.lease_expires_at is null
        returning delivery.*
    )
    insert into monitoring.delivery_attempts (
        delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, finished_at)
    select taken_back.delivery_id, 0, taken_back.fence, taken_back.message_id, taken_back.tenant_id,
        taken_back.destination_id, 'collapsed', p_now
    from taken_back;
$$;

comment on function monitoring_internal.collapse_deliveries_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'Takes back messages that have not left and whose alerts are all over.';
