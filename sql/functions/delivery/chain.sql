-- delivery/chain.sql: whether the whole chain works, from a measurement to a message that arrives.
-- Owns measuring_links_at, delivering_links_at, heartbeat_chain(_at). Writes nothing.
-- Concurrency: reads only.

-- The links from a measurement to an alert: whether each is whole, when it gave its last sign, and what is wrong.
create or replace function monitoring_internal.measuring_links_at(p_now timestamptz)
returns table (link text, is_whole boolean, seen_at timestamptz, detail text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'collection', coalesce(last.seen_at > p_now - setting.time_limit, false), last.seen_at,
        case when last.seen_at is null then 'nothing was measured on this server yet'
            else format('no collector has ended well for %s', p_now - last.seen_at) end,
        'select * from monitoring.collector_status; is pgvigil serve running?'
    from (select max(state.last_ok_at) as seen_at from monitoring.collector_states as state
        where state.target_database_id = 0) as last
    cross join (select monitoring_internal.setting_interval('heartbeat.collection_limit') as time_limit) as setting
    union all
    select 'evaluation', coalesce(last.seen_at > p_now - setting.time_limit, false), last.seen_at,
        case when last.seen_at is null then 'the rules were not evaluated within a day'
            else format('no evaluation of the rules has ended for %s', p_now - last.seen_at) end,
        'pgvigil jobs show evaluate-alerts: it must be in jobs.yml, and not be paused'
    from (select max(pass.started_at) as seen_at from monitoring.alert_passes as pass
        where pass.started_at > p_now - interval '1 day' and pass.duration is not null) as last
    cross join (select monitoring_internal.setting_interval('heartbeat.evaluation_limit') as time_limit) as setting;
$$;

comment on function monitoring_internal.measuring_links_at(timestamptz) is
    'The links of the chain from a measurement to an alert, and whether each is whole, as of a time.';

-- The links from an alert to its arrival.
create or replace function monitoring_internal.delivering_links_at(p_now timestamptz)
returns table (link text, is_whole boolean, seen_at timestamptz, detail text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'claims', count(stuck.name) = 0, min(stuck.due_at),
        format('messages are due and nobody tries to send them: %s',
            array_to_string((array_agg(stuck.name order by stuck.due_at))[1:5], ', ')
                || case when count(*) > 5 then format(' and %s more', count(*) - 5) else '' end),
        'select * from monitoring.queue_health; and the log of pgvigil serve'
    from (
        select monitoring_internal.destination_name(state.destination_id) as name, waiting.due_at
        from (select monitoring_internal.setting_interval('heartbeat.claim_limit') as time_limit) as setting
        cross join monitoring.destination_states as state
        cross join lateral (
            select delivery.due_at
            from monitoring.deliveries as delivery
            where delivery.destination_id = state.destination_id
                and delivery.due_at <= p_now - setting.time_limit
                and (delivery.lease_expires_at is null or delivery.lease_expires_at <= p_now - setting.time_limit)
            order by delivery.due_at
            limit 1
        ) as waiting
        where state.open_until <= p_now - setting.time_limit
            and greatest(state.last_success_at, state.last_failure_at, '-infinity') <= p_now - setting.time_limit
            and monitoring_internal.is_sent_to(state.destination_id)
    ) as stuck
    union all
    select 'arrivals',
        count(*) filter (where receiver.oldest_at <= p_now - setting.time_limit) = 0
            or count(*) filter (
                where coalesce(receiver.oldest_at, p_now) > p_now - setting.time_limit
                    and receiver.last_success_at is not null and receiver.consecutive_failures = 0) > 0,
        max(receiver.last_success_at),
        format('messages wait since %s, and no receiver works', monitoring_internal.iso_time(min(receiver.oldest_at))),
        'select * from monitoring.queue_health; says why each waits, and what mends it'
    from (select monitoring_internal.setting_interval('heartbeat.arrival_limit') as time_limit) as setting
    left join (
        select state.last_success_at, state.consecutive_failures, queue.oldest_at
        from monitoring.destination_states as state
        left join (
            select delivery.destination_id, min(delivery.message_created_at) as oldest_at
            from monitoring.deliveries as delivery
            where delivery.state <> 'held'
            group by delivery.destination_id
        ) as queue on queue.destination_id = state.destination_id
        where monitoring_internal.is_sent_to(state.destination_id)
    ) as receiver on true;
$$;

comment on function monitoring_internal.delivering_links_at(timestamptz) is
    'The links of the chain from an alert to its arrival, and whether each is whole, as of a time.';

-- The whole chain.
create or replace function monitoring_internal.heartbeat_chain_at(p_now timestamptz)
returns table (link text, is_whole boolean, seen_at timestamptz, detail text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select measuring.* from monitoring_internal.measuring_links_at(p_now) as measuring
    union all
    select delivering.* from monitoring_internal.delivering_links_at(p_now) as delivering;
$$;

comment on function monitoring_internal.heartbeat_chain_at(timestamptz) is
    'The links from a measurement to a message that arrives, and whether each is whole, as of a time.';

-- The same now, for those who operate the installation.
create or replace function monitoring_internal.heartbeat_chain()
returns table (link text, is_whole boolean, seen_at timestamptz, detail text, remedy text)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
    select chain.link, chain.is_whole, chain.seen_at, case when not chain.is_whole then chain.detail end,
        case when not chain.is_whole then chain.remedy end
    from monitoring_internal.heartbeat_chain_at(clock_timestamp()) as chain
    where monitoring_internal.sees_all_tenants(monitoring_internal.caller_role());
$$;

comment on function monitoring_internal.heartbeat_chain() is
    'The links from a measurement to a message that arrives, and whether each is whole; operators see it.';
