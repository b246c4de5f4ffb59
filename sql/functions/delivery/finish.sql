-- delivery/finish.sql: how attempts ended, and what follows: delivered, tried again, or dead.
-- Owns retry_delay, retry_after, delivery_outcome, delivery_ends_at, pass_to_fallbacks_at, end_deliveries_at. Writes
-- deliveries, delivery_attempts, dead_letters, destination_states. Concurrency: callers have locked the destinations.

-- Wait after the n-th failure: base times 3 to the n-1, at most the limit, spread by a fifth to both sides. The spread
-- follows from the seed, so that it is the same in a test.
create or replace function monitoring_internal.retry_delay(p_attempt integer, p_seed bigint)
returns interval
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select least(
            monitoring_internal.setting_interval('delivery.backoff_limit'),
            monitoring_internal.setting_interval('delivery.backoff_base')
                * power(3, least(greatest(p_attempt, 1) - 1, 20)))
        * (0.8 + 0.4 * (hashint8extended(p_seed, p_attempt) & 1023) / 1023.0);
$$;

comment on function monitoring_internal.retry_delay(integer, bigint) is
    'Wait after the n-th failed attempt, with a spread that follows from the seed.';

-- How long a receiver asks to be left alone: seconds, or a date of HTTP; null for none and for what is neither.
create or replace function monitoring_internal.retry_after(p_header text, p_now timestamptz)
returns interval
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, MDY'
as $$
declare
    v_header constant text := trim(p_header);
    v_wait interval;
begin
    v_wait := case
        when v_header ~ '^[0-9]{1,9}$' then v_header::integer * interval '1 second'
        when v_header ~ '^[0-9]+$' then interval '30 years'
        else to_timestamp(case
            when v_header ~ '^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$'
                then substr(v_header, 6, 20)
            -- The two older forms of a date, which receivers of messages must know as well.
            when v_header ~ '^[A-Z][a-z]+day, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8} GMT$'
                then regexp_replace(v_header, '^.*, (..)-(...)-(..) (.*) GMT$', '\1 \2 20\3 \4')
            when v_header ~ '^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}$'
                then regexp_replace(v_header, '^... (...) (..) (.*) (....)$', '\2 \1 \4 \3')
        end || '+00', 'DD Mon YYYY HH24:MI:SSTZH') - p_now
    end;
    return case when v_wait > interval '0'
        then least(v_wait, monitoring_internal.setting_interval('delivery.retry_after_limit')) end;
exception
    -- A date that is none is no wish.
    when data_exception then
        return null;
end;
$$;

comment on function monitoring_internal.retry_after(text, timestamptz) is
    'The wait that a Retry-After header asks for, at most delivery.retry_after_limit; null when nothing usable.';

-- What becomes of a delivery after an attempt. Refused addresses, malformed requests and what a mail server rejects
-- are not tried again; what another receiver says it will never take is, twice, a minute apart: people mend typing
-- errors.
create or replace function monitoring_internal.delivery_outcome(
    p_status integer, p_error_class text, p_attempt integer, p_retries integer, p_is_past_deadline boolean)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_status between 200 and 299 then 'delivered'
        when p_error_class = 'cancelled' then 'released'
        when p_error_class in ('malformed', 'forbidden_address', 'rejected', 'no_tls') or p_status = 410 then 'dead'
        when p_attempt > p_retries or p_is_past_deadline then 'dead'
        when p_attempt >= 3 and p_error_class is distinct from 'deferred'
            and (p_status in (400, 401, 403, 404, 405, 411, 413, 414, 415, 422, 431) or p_status between 300 and 399)
            then 'dead'
        else 'failed'
    end;
end;

comment on function monitoring_internal.delivery_outcome(integer, text, integer, integer, boolean) is
    'delivered, failed (it is tried again), dead, or released (it was not sent).';

-- Reports of a service judged: only those whose claim still holds.
create or replace function monitoring_internal.delivery_ends_at(
    p_instance_id uuid, p_delivery_ids bigint[], p_fences bigint[], p_statuses integer[], p_error_classes text[],
    p_retry_after text[], p_responses text[], p_seconds double precision[], p_now timestamptz)
returns monitoring_internal.delivery_end[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    -- What went well, nearly all, asks for no wait.
    return (
        select array_agg(row(
            delivery.delivery_id, delivery.message_id, delivery.message_created_at, delivery.tenant_id,
            delivery.destination_id, delivery.attempt, delivery.fence, judged.outcome, report.status,
            coalesce(report.error_class, case when judged.outcome <> 'delivered' then 'status' end),
            left(report.response, 4096), report.seconds, wish.due_at,
            case when report.status in (429, 503) then p_now + wish.wait end)::monitoring_internal.delivery_end)
        from unnest(p_delivery_ids, p_fences, p_statuses, p_error_classes, p_retry_after, p_responses, p_seconds)
            as report (delivery_id, fence, status, error_class, retry_after, response, seconds)
        inner join monitoring.deliveries as delivery on delivery.delivery_id = report.delivery_id
            and delivery.fence = report.fence and delivery.lease_instance_id = p_instance_id
        left join monitoring.webhook_endpoints as endpoint on endpoint.id = delivery.destination_id
        cross join lateral (
            select monitoring_internal.delivery_outcome(report.status, report.error_class, delivery.attempt,
                coalesce(endpoint.retry_attempts, 1000000), delivery.deadline_at <= p_now) as outcome
            offset 0
        ) as judged
        left join lateral (
            select asked.wait, p_now + greatest(
                asked.wait, monitoring_internal.retry_delay(delivery.attempt, delivery.delivery_id),
                case when report.status between 300 and 499 then interval '1 min' end) as due_at
            from (select monitoring_internal.retry_after(report.retry_after, p_now) as wait offset 0) as asked
            where judged.outcome <> 'delivered'
            offset 0
        ) as wish on true);
end;
$$;

comment on function monitoring_internal.delivery_ends_at(
    uuid, bigint[], bigint[], integer[], text[], text[], text[], double precision[], timestamptz) is
    'What becomes of the deliveries that a service reports on, of those whose claim still holds.';

-- Queue the dead for the fallback of their endpoint, where it has one: as new deliveries of the same messages, in the
-- same order. One that has given a message up is not asked again, so that two who are each other's fallback do not pass
-- it on for ever.
create or replace function monitoring_internal.pass_to_fallbacks_at(
    p_ends monitoring_internal.delivery_end[], p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    -- It may never have been sent to.
    insert into monitoring.destination_states (destination_id, tenant_id, in_flight_limit)
    select distinct fallback.id, fallback.tenant_id, fallback.max_in_flight
    from unnest(p_ends) as ended
    inner join monitoring.webhook_endpoints as endpoint on endpoint.id = ended.destination_id
    inner join monitoring.webhook_endpoints as fallback on fallback.id = endpoint.fallback_endpoint_id
    where ended.outcome = 'dead'
    on conflict do nothing;
    insert into monitoring.deliveries (
        message_id, message_created_at, tenant_id, destination_id, ordering_hash, due_at, deadline_at)
    select ended.message_id, ended.message_created_at, ended.tenant_id, fallback.id, delivery.ordering_hash, p_now,
        p_now + monitoring_internal.setting_interval('delivery.deadline')
    from unnest(p_ends) as ended
    inner join monitoring.deliveries as delivery using (delivery_id)
    inner join monitoring.webhook_endpoints as endpoint on endpoint.id = ended.destination_id
    inner join monitoring.webhook_endpoints as fallback on fallback.id = endpoint.fallback_endpoint_id
    where ended.outcome = 'dead' and fallback.is_active
        and fallback.tenant_id in (endpoint.tenant_id, monitoring.system_tenant_id())
        and not exists (
            select from monitoring.delivery_attempts as attempt
            where attempt.message_id = ended.message_id and attempt.destination_id = fallback.id
                and attempt.outcome = 'dead')
    order by ended.delivery_id;
$$;

comment on function monitoring_internal.pass_to_fallbacks_at(monitoring_internal.delivery_end[], timestamptz) is
    'Queues what is dead for the fallback of its endpoint, unless that has given it up already.';

-- Keep attempts; end what is delivered or dead, and make due again what failed. The dead go to their endpoint's
-- fallback too, where it has one.
create or replace function monitoring_internal.end_deliveries_at(
    p_ends monitoring_internal.delivery_end[], p_instance_id uuid, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.delivery_attempts (
        delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, status_code, error_class, response,
        duration_seconds, instance_id, finished_at)
    select ended.delivery_id, case when ended.error_class = 'expired' then 0 else ended.attempt end, ended.fence,
        ended.message_id, ended.tenant_id, ended.destination_id, ended.outcome, ended.status_code, ended.error_class,
        ended.response, ended.duration_seconds, p_instance_id, p_now
    from unnest(p_ends) as ended
    where ended.outcome <> 'released';
    delete from monitoring.deliveries as delivery
    using unnest(p_ends) as ended
    where delivery.delivery_id = ended.delivery_id and ended.outcome = 'delivered';
    if not exists (select from unnest(p_ends) as ended where ended.outcome <> 'delivered') then
        return;
    end if;
    insert into monitoring.dead_letters (
        delivery_id, message_id, message_created_at, tenant_id, destination_id, recipient, event_type, attempts,
        reason, status_code, died_at)
    select ended.delivery_id, ended.message_id, ended.message_created_at, ended.tenant_id, ended.destination_id,
        delivery.recipient, coalesce(message.event_type, 'unknown'), ended.attempt,
        case when ended.error_class = 'expired' then ended.response
            else coalesce('status ' || ended.status_code, ended.error_class) end,
        ended.status_code, p_now
    from unnest(p_ends) as ended
    inner join monitoring.deliveries as delivery using (delivery_id)
    left join monitoring.outbox_messages as message
        on message.message_id = ended.message_id and message.created_at = ended.message_created_at
    where ended.outcome = 'dead';
    perform monitoring_internal.pass_to_fallbacks_at(p_ends, p_now)
    where exists (select from unnest(p_ends) as ended where ended.outcome = 'dead');
    delete from monitoring.deliveries as delivery
    using unnest(p_ends) as ended
    where delivery.delivery_id = ended.delivery_id and ended.outcome = 'dead';
    update monitoring.deliveries as delivery
    set state = case when ended.outcome = 'released' and delivery.attempt = 1 then 'pending' else 'failed' end,
        attempt = delivery.attempt - (ended.outcome = 'released')::integer,
        due_at = case when ended.outcome = 'released' then delivery.due_at else ended.due_at end,
        lease_instance_id = null, lease_expires_at = null, last_status = ended.status_code,
        last_error = ended.error_class
    from unnest(p_ends) as ended
    where delivery.delivery_id = ended.delivery_id and ended.outcome in ('failed', 'released');
end;
$$;

comment on function monitoring_internal.end_deliveries_at(
    monitoring_internal.delivery_end[], uuid, timestamptz) is
    'Keeps attempts, ends deliveries that arrived or are dead, and makes due again what failed.';
