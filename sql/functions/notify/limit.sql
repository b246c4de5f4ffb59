-- notify/limit.sql: what a channel's limit lets pass, what it holds back, and when that is told.
-- Owns turn_hour_at, held_sends_at, judge_sends_at, hold_notifications_at. Writes notification_channels,
-- held_notifications. Under the evaluator's lock; who sends by other ways waits for the channel's row.

-- Begin counting anew where an hour has turned.
create or replace function monitoring_internal.turn_hour_at(p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.notification_channels as channel
    set current_hour_count = 0, last_reset_at = date_trunc('hour', p_now, 'UTC')
    where channel.last_reset_at < date_trunc('hour', p_now, 'UTC');
$$;

comment on function monitoring_internal.turn_hour_at(timestamptz) is
    'Sets the counts of channels to zero when an hour of UTC has begun.';

-- One message a channel and tenant about all that was held back until now.
create or replace function monitoring_internal.held_sends_at(p_now timestamptz)
returns setof monitoring_internal.notification_send
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select gen_random_uuid(), held.tenant_id, held.channel_id, null::bigint, null::bigint, 'rate_limit', null::text,
        max(monitoring_internal.severity_level(alert.severity)), '{}'::uuid[], '{}'::smallint[],
        array_agg(held.alert_id order by held.held_at, held.alert_id), '{}'::uuid[], p_now, null::text,
        jsonb_build_object('times_held', sum(held.times_held))
    from monitoring.held_notifications as held
    inner join monitoring.notification_channels as channel on channel.id = held.channel_id and channel.is_active
    left join monitoring.alerts as alert on alert.id = held.alert_id and alert.tenant_id = held.tenant_id
    where held.held_until <= p_now
    group by held.channel_id, held.tenant_id;
$$;

comment on function monitoring_internal.held_sends_at(timestamptz) is
    'What was held back and may be told now: one message a channel and tenant.';

-- What becomes of each: sent, held back by the limit, not wanted by its endpoint, or collapsed: neither the alert that
-- has not left nor its end is sent. Critical ones pass any limit and count; what was held back goes first.
create or replace function monitoring_internal.judge_sends_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns monitoring_internal.notification_send[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with judged as (
        select send.*, channel.rate_limit_per_hour, channel.current_hour_count,
            case
                when send.reason is null then send.outcome
                when not monitoring_internal.wants_event(
                    endpoint.event_types, monitoring_internal.notification_event_type(send.reason)) then 'event_type'
                when send.reason = 'all_resolved' and send.sequence = 2 and send.level < 4
                    and (select monitoring_internal.setting_boolean('notify.collapse'))
                    and exists (
                        select
                        from monitoring.notification_log as log
                        inner join monitoring.deliveries as delivery on delivery.message_id = log.last_message_id
                        where log.group_id = send.group_id and log.channel_id = send.channel_id
                            and delivery.attempt = 0 and delivery.lease_expires_at is null
                            -- Of several recipients none may know of it yet.
                            and not exists (
                                select
                                from monitoring.delivery_attempts as tried
                                where tried.message_id = log.last_message_id)
                            and not exists (
                                select
                                from monitoring.deliveries as other
                                where other.message_id = log.last_message_id
                                    and (other.attempt > 0 or other.lease_expires_at is not null)))
                    then 'collapsed'
            end as settled
        from unnest(p_sends) as send
        inner join monitoring.notification_channels as channel on channel.id = send.channel_id
        left join monitoring.webhook_endpoints as endpoint on endpoint.id = channel.webhook_endpoint_id
    ), ranked as (
        select judged.*, row_number() over (
            partition by judged.channel_id, judged.settled is null
            order by judged.level = 4 desc, judged.group_id is null desc, judged.level desc, judged.group_id) as place
        from judged
    )
    select array_agg(row(
        ranked.message_id, ranked.tenant_id, ranked.channel_id, ranked.group_id, ranked.sequence, ranked.reason,
        coalesce(ranked.settled, case
            when ranked.level = 4 or ranked.rate_limit_per_hour is null or monitoring_internal.is_replay()
                or ranked.current_hour_count + ranked.place <= ranked.rate_limit_per_hour then 'sent'
            else 'rate_limit'
        end),
        ranked.level, ranked.firing, ranked.firing_levels, ranked.told, ranked.resolved, ranked.due_at,
        ranked.recipient, ranked.detail)::monitoring_internal.notification_send)
    from ranked;
$$;

comment on function monitoring_internal.judge_sends_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'What becomes of each message: sent, held back by its channel''s limit, not wanted, or collapsed.';

-- Keep what the limit held back until the hour turns, and let go what was told meanwhile.
create or replace function monitoring_internal.hold_notifications_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring.held_notifications as held
    using unnest(p_sends) as send
    where send.outcome = 'sent' and held.channel_id = send.channel_id
        and held.alert_id = any (send.told || send.resolved);
    insert into monitoring.held_notifications as held (channel_id, alert_id, tenant_id, reason, held_at, held_until)
    select distinct on (send.channel_id, told.alert_id) send.channel_id, told.alert_id, send.tenant_id, send.reason,
        p_now, date_trunc('hour', p_now, 'UTC') + interval '1 hour'
    from unnest(p_sends) as send
    cross join unnest(send.told || send.resolved) as told (alert_id)
    where send.outcome = 'rate_limit'
    order by send.channel_id, told.alert_id
    on conflict (channel_id, alert_id) do update
    set held_until = excluded.held_until, times_held = held.times_held + 1;
    update monitoring.notification_channels as channel
    set current_hour_count = channel.current_hour_count + counted.messages
    from (
        select send.channel_id, count(*)::integer as messages
        from unnest(p_sends) as send
        where send.outcome = 'sent'
        group by send.channel_id) as counted
    where channel.id = counted.channel_id;
$$;

comment on function monitoring_internal.hold_notifications_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'Keeps what was held back until the hour turns, lets go what was told, and counts what is sent.';
