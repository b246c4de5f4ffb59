-- delivery/lease.sql: which deliveries may leave now.
-- Owns is_sent_to, scan_start, lock_destinations_at, lease_deliveries_at. Writes destination_states.
-- Concurrency: any number of services; each destination is one claimer's at a time, taken with skip locked.

-- Whether a service sends to a destination: not while it is inactive, nor by mail and SMS while no server is named.
create or replace function monitoring_internal.is_sent_to(p_destination_id uuid)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select not exists (
            select from monitoring.notification_channels as channel
            where channel.id = p_destination_id
                and (not channel.is_active
                    or channel.channel_type in ('email', 'sms') and not channel.configuration ? 'url'))
        and not exists (
            select from monitoring.webhook_endpoints as endpoint
            where endpoint.id = p_destination_id and not endpoint.is_active);
$$;

comment on function monitoring_internal.is_sent_to(uuid) is
    'Whether a service sends to a destination: not while it is inactive, nor email and SMS that name no server.';

-- Where to begin looking for what waits. Rows that were delivered stay in the index for as long as a long transaction
-- may see them, and all of them lie before those that wait. Claims begin five seconds back at least; what a transaction
-- commits later than that, with the time of its begin, is found by looking at all again every ten seconds.
create or replace function monitoring_internal.scan_start(
    p_scan_from timestamptz, p_scanned_at timestamptz, p_now timestamptz)
returns timestamptz
language sql immutable parallel safe
begin atomic
    select case
        when p_scanned_at between p_now - interval '10 seconds' and p_now then p_scan_from else '-infinity' end;
end;

comment on function monitoring_internal.scan_start(timestamptz, timestamptz, timestamptz) is
    'The due time from which a claim looks for what waits for a destination.';

-- Take the destinations for which something is due, but those that another claim has, and move up where to begin. The
-- settings here and below keep to the indexes where statistics were made while nothing waited.
create or replace function monitoring_internal.lock_destinations_at(p_now timestamptz)
returns table (destination_id uuid, first_at timestamptz)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set jit = off
as $$
begin
    return query
    with open_destination as materialized (
        select state.destination_id, state.scan_from_at, head.due_at as first_at, start.is_first as is_whole,
            least(head.due_at, p_now - interval '5 seconds') as next_from
        from monitoring.destination_states as state
        cross join lateral (
            select scan.at, scan.at = '-infinity' as is_first
            from (
                select monitoring_internal.scan_start(state.scan_from_at, state.scanned_at, p_now) as at) as scan
        ) as start
        left join lateral (
            select delivery.due_at
            from monitoring.deliveries as delivery
            where delivery.destination_id = state.destination_id and delivery.due_at between start.at and p_now
            order by delivery.due_at, delivery.delivery_id
            limit 1) as head on true
        where state.open_until <= p_now
            and (head.due_at is not null
                or start.is_first
                    and greatest(state.last_success_at, state.last_failure_at) > p_now - interval '1 day')
            and monitoring_internal.is_sent_to(state.destination_id)
        for update of state skip locked
    ), moved as (
        update monitoring.destination_states as state
        set scan_from_at = found.next_from, scanned_at = case when found.is_whole then p_now else state.scanned_at end
        from open_destination as found
        where state.destination_id = found.destination_id and state.scan_from_at = found.scan_from_at
            and (found.is_whole or found.next_from > found.scan_from_at + interval '1 second')
    )
    select found.destination_id, found.first_at
    from open_destination as found
    where found.first_at is not null;
end;
$$;

comment on function monitoring_internal.lock_destinations_at(timestamptz) is
    'Locks the destinations for which something is due, and says when its first was.';

-- The deliveries that may leave now: of each destination the first of each ordering key, in their order, as many as it
-- takes at once (those that are on their way count); destinations take turns, so that none fills the claim.
create or replace function monitoring_internal.lease_deliveries_at(p_limit integer, p_now timestamptz)
returns bigint[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set jit = off
as $$
declare
    v_destination_ids uuid[];
    v_first_at timestamptz[];
begin
    -- Looked at by a statement that begins after the lock, so that it sees what the claim before this one took.
    select array_agg(found.destination_id), array_agg(found.first_at) into v_destination_ids, v_first_at
    from monitoring_internal.lock_destinations_at(p_now) as found;
    return array(
        select head.delivery_id
        from unnest(v_destination_ids, v_first_at) as found (destination_id, first_at)
        inner join monitoring.destination_states as state using (destination_id)
        cross join lateral (
            select delivery.delivery_id, delivery.due_at, delivery.lease_expires_at,
                row_number() over (order by delivery.due_at, delivery.delivery_id) as place
            from monitoring.deliveries as delivery
            where delivery.destination_id = found.destination_id
                and delivery.due_at between found.first_at and p_now
                and delivery.delivery_id = (
                    select min(same.delivery_id)
                    from monitoring.deliveries as same
                    where same.destination_id = delivery.destination_id
                        and same.ordering_hash = delivery.ordering_hash)
            order by delivery.due_at, delivery.delivery_id
            limit state.in_flight_limit
        ) as head
        where head.lease_expires_at is null or head.lease_expires_at <= p_now
        order by head.place, head.due_at, head.delivery_id
        limit p_limit);
end;
$$;

comment on function monitoring_internal.lease_deliveries_at(integer, timestamptz) is
    'Deliveries that may leave now, in turns of their destinations, whose rows are locked.';
