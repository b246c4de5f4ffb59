-- delivery/acknowledge.sql: what a service reports, and how destinations are doing.
-- Owns is_trouble, tell_destinations_at, count_calls_at, ack_deliveries(_at). Writes destination_states,
-- webhook_endpoints and what finish.sql writes. Concurrency: any number of services; rows of destinations are locked
-- first, by their keys' order.

-- Whether an end is a sign that its receiver is down. What it refuses is its answer, and none.
create or replace function monitoring_internal.is_trouble(p_outcome text, p_status integer, p_error_class text)
returns boolean
language sql immutable parallel safe
begin atomic
    select coalesce(p_outcome in ('failed', 'dead')
        and (p_status >= 500 and p_error_class is distinct from 'rejected'
            or p_status = 421 and p_error_class = 'deferred'
            or p_status is null and p_error_class not in ('malformed', 'forbidden_address', 'secret')), false);
end;

comment on function monitoring_internal.is_trouble(text, integer, text) is
    'Whether the end of an attempt is a sign that its receiver is down.';

-- Breakers: a success closes one and doubles what may be in flight; failures in a row open it, for longer each time it
-- was asked again: what was on its way when it opened and fails too is no news, or a moment's trouble would silence a
-- receiver for half an hour. What says nothing new is not written: a row that changes with every report is slow to find
-- for as long as a long transaction keeps its old versions.
create or replace function monitoring_internal.tell_destinations_at(
    p_ends monitoring_internal.delivery_end[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    with told as (
        select ended.destination_id, coalesce(endpoint.max_in_flight, 16) as most,
            count(*) filter (where ended.outcome = 'delivered') as successes,
            count(*) filter (where monitoring_internal.is_trouble(
                ended.outcome, ended.status_code, ended.error_class)) as failures,
            bool_or(ended.outcome in ('failed', 'dead')) as has_failed,
            max(coalesce('status ' || ended.status_code, ended.error_class))
                filter (where ended.outcome in ('failed', 'dead')) as error,
            max(ended.throttled_until) as throttled_until
        from unnest(p_ends) as ended
        left join monitoring.webhook_endpoints as endpoint on endpoint.id = ended.destination_id
        group by ended.destination_id, endpoint.max_in_flight
    )
    update monitoring.destination_states as state
    set consecutive_failures = judged.failures,
        breaker = case when judged.is_open then 'open' when told.successes > 0 then 'closed' else state.breaker end,
        open_since_at = case when judged.is_open then coalesce(state.open_since_at, p_now)
            when told.successes = 0 then state.open_since_at end,
        open_until = greatest(
            case when judged.is_open and known.breaker = 'open' then state.open_until
            when judged.is_open then p_now + monitoring_internal.retry_delay(
                (judged.failures - judged.threshold + 1)::integer, hashtextextended(state.destination_id::text, 0))
            when told.successes > 0 then '-infinity' else state.open_until end,
            told.throttled_until),
        in_flight_limit = case when judged.is_open then 1
            when told.successes > 0
                then least(told.most, state.in_flight_limit * power(2, least(told.successes, 10)))::integer
            else least(state.in_flight_limit, told.most) end,
        last_success_at = case when told.successes > 0 then p_now else state.last_success_at end,
        last_failure_at = case when told.has_failed then p_now else state.last_failure_at end,
        last_error = case when told.has_failed then told.error else state.last_error end
    from told
    inner join monitoring.destination_states as known using (destination_id)
    cross join (select monitoring_internal.setting_integer('delivery.breaker_failures') as threshold) as setting
    cross join lateral (
        select setting.threshold, total.failures, told.failures > 0 and total.failures >= setting.threshold as is_open
        from (
            select case
                when told.successes > 0 then 0
                when known.breaker = 'closed'
                    then least(known.consecutive_failures + told.failures, setting.threshold)
                when known.breaker = 'half_open' then known.consecutive_failures + least(told.failures, 1)
                else known.consecutive_failures
            end as failures
        ) as total
    ) as judged
    where state.destination_id = told.destination_id
        and not (told.successes > 0 and not told.has_failed and told.throttled_until is null
            and known.breaker = 'closed' and known.consecutive_failures = 0 and known.open_since_at is null
            and known.open_until <= p_now and known.in_flight_limit = told.most
            and coalesce(known.last_success_at > p_now - interval '5 seconds', false));
end;
$$;

comment on function monitoring_internal.tell_destinations_at(monitoring_internal.delivery_end[], timestamptz) is
    'Opens and closes the breakers of destinations by how attempts to them ended.';

-- The statistics of endpoints; one that answers 410 is gone and gets nothing any more.
create or replace function monitoring_internal.count_calls_at(
    p_ends monitoring_internal.delivery_end[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.webhook_endpoints as endpoint
    set total_calls = endpoint.total_calls + told.calls,
        successful_calls = endpoint.successful_calls + told.successes,
        failed_calls = endpoint.failed_calls + told.calls - told.successes,
        last_success_at = case when told.successes > 0 then p_now else endpoint.last_success_at end,
        last_failure_at = case when told.calls > told.successes then p_now else endpoint.last_failure_at end
    from (
        select ended.destination_id, count(*) as calls,
            count(*) filter (where ended.outcome = 'delivered') as successes
        from unnest(p_ends) as ended
        where ended.outcome <> 'released'
        group by ended.destination_id) as told
    where endpoint.id = told.destination_id;
    -- By itself: is_active is audited, whether it changes or not.
    update monitoring.webhook_endpoints as endpoint
    set is_active = false, disabled_reason = 'it answered 410 Gone'
    from unnest(p_ends) as ended
    where endpoint.id = ended.destination_id and endpoint.is_active and ended.status_code = 410
        and ended.outcome <> 'released';
end;
$$;

comment on function monitoring_internal.count_calls_at(monitoring_internal.delivery_end[], timestamptz) is
    'Keeps the statistics of webhook endpoints, and disables one that is gone.';

-- Take a service's report; returns how many of its claims still held. The others change nothing.
create or replace function monitoring_internal.ack_deliveries_at(
    p_instance_id uuid, p_delivery_ids bigint[], p_fences bigint[], p_statuses integer[], p_error_classes text[],
    p_retry_after text[], p_responses text[], p_seconds double precision[], p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    v_ends monitoring_internal.delivery_end[];
begin
    perform
    from monitoring.destination_states as state
    where state.destination_id in (
        select delivery.destination_id
        from monitoring.deliveries as delivery
        where delivery.delivery_id = any (p_delivery_ids))
    order by state.destination_id
    for update;
    v_ends := monitoring_internal.delivery_ends_at(
        p_instance_id, p_delivery_ids, p_fences, p_statuses, p_error_classes, p_retry_after, p_responses, p_seconds,
        p_now);
    if v_ends is null then
        return 0;
    end if;
    perform monitoring_internal.end_deliveries_at(v_ends, p_instance_id, p_now);
    perform monitoring_internal.tell_destinations_at(v_ends, p_now);
    perform monitoring_internal.count_calls_at(v_ends, p_now);
    return cardinality(v_ends);
end;
$$;

comment on function monitoring_internal.ack_deliveries_at(
    uuid, bigint[], bigint[], integer[], text[], text[], text[], double precision[], timestamptz) is
    'Takes a service''s report on deliveries as of a time; returns how many of its claims still held.';

-- The same now.
create or replace function monitoring_internal.ack_deliveries(
    p_instance_id uuid, p_delivery_ids bigint[], p_fences bigint[], p_statuses integer[], p_error_classes text[],
    p_retry_after text[], p_responses text[], p_seconds double precision[])
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.ack_deliveries_at(
        p_instance_id, p_delivery_ids, p_fences, p_statuses, p_error_classes, p_retry_after, p_responses, p_seconds,
        clock_timestamp());
$$;

comment on function monitoring_internal.ack_deliveries(
    uuid, bigint[], bigint[], integer[], text[], text[], text[], double precision[]) is
    'Takes a service''s report on deliveries: arrays of one length, status null where there was no answer; returns how '
    'many of its claims still held.';
