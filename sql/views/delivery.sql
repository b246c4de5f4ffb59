-- views/delivery.sql: how receivers are doing, and what keeps messages waiting, by its cause.

create or replace view monitoring.delivery_health with (security_invoker = true) as
select state.destination_id, state.tenant_id, coalesce(endpoint.endpoint_name, channel.channel_name) as name,
    coalesce(channel.channel_type, 'webhook') as kind, waiting.pending, waiting.in_flight, waiting.held,
    queue.oldest_due_at,
    state.breaker, state.open_until, state.open_since_at, state.consecutive_failures, state.last_success_at,
    state.last_failure_at, state.last_error, dead.letters as dead_letters,
    case named.cause
        when 'gone' then 'inactive: ' || endpoint.disabled_reason
        when 'inactive' then 'inactive: ' || coalesce(endpoint.disabled_reason, 'by hand')
        when 'no_server' then 'its configuration names no url of a server'
        when 'no_service' then 'no service runs'
        when 'dead_receiver' then 'it does not answer: ' || coalesce(state.last_error, 'nothing')
        when 'breaker_open' then 'it does not answer: ' || coalesce(state.last_error, 'nothing')
        when 'asked_to_wait' then 'it asked to be left alone for a while'
        when 'service_lost' then 'the service that had some in hand was lost'
        when 'failing' then case
            when state.consecutive_failures > 0 then 'it failed last: ' || coalesce(state.last_error, 'nothing')
            else format('%s of %s failed last: %s', queue.failed, waiting.pending + waiting.in_flight, queue.error) end
        when 'not_claimed' then 'services run, and none takes them'
        when 'moving' then 'waiting'
        else 'nothing waits'
    end as cause,
    named.cause as cause_name,
    case named.cause
        when 'gone' then 'ask for its new URL; then pgvigil endpoints remove and add'
        when 'inactive' then format('pgvigil endpoints enable %s', name.text)
        when 'no_server' then 'name the server in the configuration of the channel: docs/notifications.md'
        when 'no_service' then 'start pgvigil serve; monitoring.service_instances says where it ran last'
        when 'dead_receiver' then format(
            'mend the receiver, or route by another; then pgvigil endpoints test %s', name.text)
        when 'breaker_open' then format(
            'nothing: it is asked again at %s; at once by pgvigil deliveries retry --endpoint %s', state.open_until,
            name.text)
        when 'asked_to_wait' then format('nothing: it is asked again at %s', state.open_until)
        when 'service_lost' then 'nothing: another claim takes them over'
        when 'failing' then 'nothing: they are tried again; pgvigil deliveries list shows when'
        when 'not_claimed' then 'look for delivery_interrupted and delivery_failed in the log of pgvigil serve'
    end as remedy
from monitoring.destination_states as state
left join monitoring.webhook_endpoints as endpoint on endpoint.id = state.destination_id
left join monitoring.notification_channels as channel on channel.id = state.destination_id
cross join lateral (select quote_literal(coalesce(endpoint.endpoint_name, channel.channel_name))) as name (text)
-- Once for all of them: one after the other, a backlog would be read at random.
left join (
    select delivery.destination_id, count(*) filter (where delivery.state in ('pending', 'failed')) as pending,
        count(*) filter (where delivery.state = 'in_flight') as in_flight,
        count(*) filter (where delivery.state = 'held') as held,
        count(*) filter (where delivery.lease_expires_at < now()) as expired,
        -- What a receiver refuses opens no breaker. One given back by its service was not sent.
        count(*) filter (where tried.error is not null) as failed, max(tried.error) as error,
        min(delivery.due_at) filter (where delivery.state <> 'held') as oldest_due_at,
        min(delivery.due_at) filter (where delivery.state in ('pending', 'failed')) as oldest_unclaimed_at
    from monitoring.deliveries as delivery
    cross join lateral (
        select case when delivery.state <> 'held' then coalesce(
            'status ' || delivery.last_status, nullif(delivery.last_error, 'cancelled')) end as error) as tried
    group by delivery.destination_id
) as queue on queue.destination_id = state.destination_id
cross join lateral (
    select coalesce(queue.pending, 0) as pending, coalesce(queue.in_flight, 0) as in_flight,
        coalesce(queue.held, 0) as held
) as waiting
cross join lateral (
    select count(*) as letters
    from monitoring.dead_letters as letter
    where letter.destination_id = state.destination_id and letter.replayed_at is null) as dead
cross join lateral (
    select case
        when endpoint.disabled_reason ~ '410' and not endpoint.is_active then 'gone'
        when endpoint.is_active is false or channel.is_active is false then 'inactive'
        when waiting.pending + waiting.in_flight = 0 then 'nothing_waits'
        when not monitoring_internal.is_sent_to(state.destination_id) then 'no_server'
        when queue.oldest_unclaimed_at < now() - interval '30 seconds'
            and monitoring_internal.live_services() = 0 then 'no_service'
        when state.open_since_at < now() - interval '10 minutes' then 'dead_receiver'
        when state.open_since_at is not null then 'breaker_open'
        when state.open_until > now() then 'asked_to_wait'
        when queue.expired > 0 then 'service_lost'
        when state.consecutive_failures > 0 then 'failing'
        when queue.oldest_unclaimed_at < now() - interval '1 minute'
            and state.open_until < now() - interval '1 minute' and waiting.in_flight < state.in_flight_limit
            then 'not_claimed'
        when queue.failed > 0 then 'failing'
        else 'moving'
    end as cause
) as named;

comment on view monitoring.delivery_health is
    'Each endpoint and channel that was sent to: what waits for it, whether it answers, what is the cause, and what '
    'mends it.';
comment on column monitoring.delivery_health.cause_name is
    'gone (it answered 410), inactive, no_server (of an email or SMS channel), no_service, dead_receiver (for 10 '
    'minutes), breaker_open, asked_to_wait (Retry-After), service_lost, failing, not_claimed, moving, nothing_waits.';
comment on column monitoring.delivery_health.remedy is 'What to do about it; null: nothing is wrong.';

-- What slows or stops the queue, by cause: receivers, limits of channels, and who keeps its table from being cleaned.
create or replace view monitoring.queue_health with (security_invoker = true) as
select health.cause_name as cause, count(*) as receivers,
    sum(health.pending + health.in_flight + health.held)::bigint as messages,
    min(health.oldest_due_at) as oldest_due_at,
    array_to_string((array_agg(
        health.name || ': ' || health.cause order by health.pending + health.held desc, health.name))[1:5], '; ')
        || case when count(*) > 5 then format('; and %s more', count(*) - 5) else '' end as detail,
    min(health.remedy) as remedy
from monitoring.delivery_health as health
where health.pending + health.in_flight + health.held > 0
group by health.cause_name
union all
select 'rate_limited', count(distinct held.channel_id), count(*), min(held.held_at),
    string_agg(distinct channel.channel_name || ': its limit of ' || channel.rate_limit_per_hour
        || ' an hour is used up', '; '),
    'nothing: it is told when the hour turns; raise rate_limit_per_hour of the channel to have it sooner'
from monitoring.held_notifications as held
inner join monitoring.notification_channels as channel on channel.id = held.channel_id
having count(*) > 0
union all
select 'xmin_holder', 1, holder.dead_rows, holder.since_at,
    format('%s keeps %s dead rows of monitoring.deliveries from being removed', holder.holder, holder.dead_rows),
    holder.remedy
from monitoring_internal.delivery_horizon() as holder;

comment on view monitoring.queue_health is
    'What messages wait for, by cause, with what mends it: the causes of delivery_health, rate_limited (the limit of a '
    'channel), and xmin_holder (a long transaction keeps vacuum from cleaning the queue''s table; operators see it).';
comment on column monitoring.queue_health.cause is 'The cause; moving: nothing is wrong.';
comment on column monitoring.queue_health.receivers is 'Endpoints and channels concerned.';
comment on column monitoring.queue_health.messages is 'Messages that wait; dead rows of the table for xmin_holder.';
comment on column monitoring.queue_health.oldest_due_at is 'Since when the oldest is due, or that has been so.';
comment on column monitoring.queue_health.detail is 'Who or what.';
comment on column monitoring.queue_health.remedy is 'What to do about it.';

create or replace view monitoring.heartbeat_chain with (security_invoker = true) as
select chain.link, chain.is_whole, chain.seen_at, chain.detail, chain.remedy
from monitoring_internal.heartbeat_chain() as chain;

comment on view monitoring.heartbeat_chain is
    'What has to work for heartbeats to be sent: collection, evaluation, claims (somebody sends what is due) and '
    'arrivals (a receiver works, when messages wait for one that does not). Operators see it.';
comment on column monitoring.heartbeat_chain.link is 'The link.';
comment on column monitoring.heartbeat_chain.is_whole is 'Whether it works.';
comment on column monitoring.heartbeat_chain.seen_at is
    'Its last sign; of claims, since when the oldest is due that nobody tries to send.';
comment on column monitoring.heartbeat_chain.detail is 'What is wrong; null: nothing.';
comment on column monitoring.heartbeat_chain.remedy is 'Where to look, and what mends it.';

create or replace view monitoring.heartbeat_status with (security_invoker = true) as
select heartbeat.name,
    case
        when not heartbeat.is_active then 'inactive'
        when heartbeat.withheld_at is not null then 'withheld'
        when heartbeat.consecutive_failures > 0 then 'failing'
        when heartbeat.sent_at is null then 'not sent yet'
        when heartbeat.sent_at < now() - heartbeat.every * 3 - interval '30 seconds' then 'not sent'
        else 'beating'
    end as state,
    heartbeat.every, heartbeat.method, heartbeat.sent_at, heartbeat.sent_total, heartbeat.failed_total,
    heartbeat.consecutive_failures, heartbeat.withheld_at,
    case
        when not heartbeat.is_active then 'it is switched off'
        when heartbeat.withheld_at is not null then heartbeat.withheld_reason
        when heartbeat.consecutive_failures > 0 then heartbeat.last_error
        when heartbeat.sent_at is null or heartbeat.sent_at < now() - heartbeat.every * 3 - interval '30 seconds'
            then 'no service sends it: start pgvigil serve, with the key that sealed its URL'
    end as reason
from monitoring.heartbeats as heartbeat;

comment on view monitoring.heartbeat_status is
    'Each dead man''s switch: beating, or why it is not: withheld (see heartbeat_chain), failing, not sent.';
comment on column monitoring.heartbeat_status.state is
    'beating, withheld, failing, not sent, not sent yet, inactive.';
comment on column monitoring.heartbeat_status.reason is 'Why it does not beat; null: it does.';
