-- delivery/show.sql: all that is known of one delivery.
-- Owns find_delivery, describe_delivery(_at), attempt_answer, delivery_timeline. Writes nothing.
-- Concurrency: reads with the caller's rights, so each role sees what it may.

-- The delivery that a word means: its number, or the id that its receiver has seen, of which it is the latest.
-- Raises: PV983.
create or replace function monitoring_internal.find_delivery(p_word text)
returns bigint
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_number constant bigint := case when p_word ~ '^[0-9]{1,18}$' then p_word::bigint end;
    v_message_id constant uuid := case when lower(p_word) ~ '^(msg_)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$'
        then replace(lower(p_word), 'msg_', '')::uuid end;
    v_id bigint;
begin
    select max(known.delivery_id) into v_id
    from (
        select delivery.delivery_id from monitoring.deliveries as delivery
        where delivery.delivery_id = v_number or delivery.message_id = v_message_id
        union all
        select attempt.delivery_id from monitoring.delivery_attempts as attempt
        where attempt.delivery_id = v_number or attempt.message_id = v_message_id
        union all
        select dead.delivery_id from monitoring.dead_letters as dead
        where dead.delivery_id = v_number or dead.message_id = v_message_id
    ) as known;
    if v_id is null then
        raise exception using
            errcode = 'PV983',
            message = format('there is no delivery %s', left(p_word, 100)),
            hint = 'Give its number, or the id that its receiver saw (msg_…): pgvigil deliveries list --state all.';
    end if;
    return v_id;
end;
$$;

comment on function monitoring_internal.find_delivery(text) is
    'The delivery that a number or a message''s id means; PV983 none.';

-- All that is known of a delivery, as pairs; what does not apply is left out.
-- Raises: PV983.
create or replace function monitoring_internal.describe_delivery_at(p_word text, p_now timestamptz)
returns table (field text, value text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id constant bigint := monitoring_internal.find_delivery(p_word);
begin
    return query
    select pair.field, pair.value
    from (select v_id as delivery_id) as wanted
    left join monitoring.deliveries as delivery on delivery.delivery_id = wanted.delivery_id
    left join monitoring.dead_letters as dead on dead.delivery_id = wanted.delivery_id
    left join lateral (
        select attempt.message_id, attempt.destination_id, attempt.outcome, attempt.attempt
        from monitoring.delivery_attempts as attempt
        where attempt.delivery_id = wanted.delivery_id
        order by attempt.finished_at desc, attempt.fence desc
        limit 1) as last on true
    cross join lateral (
        select coalesce(delivery.message_id, dead.message_id, last.message_id) as message_id,
            coalesce(delivery.destination_id, dead.destination_id, last.destination_id) as destination_id
    ) as key
    left join monitoring.outbox_messages as message on message.message_id = key.message_id
    left join monitoring.delivery_health as health on health.destination_id = key.destination_id
    left join monitoring.tenants as tenant on tenant.tenant_id = message.tenant_id
    cross join lateral (values
        (1, 'delivery', v_id::text),
        (2, 'message', 'msg_' || replace(key.message_id::text, '-', '')),
        (3, 'receiver', monitoring_internal.destination_name(key.destination_id)),
        (4, 'kind', health.kind),
        (5, 'tenant', tenant.name),
        (6, 'event', message.event_type),
        (7, 'reason', message.reason),
        (8, 'severity', message.severity),
        (9, 'alerts', nullif(array_to_string(message.alert_ids, ' '), '')),
        (10, 'queued', message.created_at::text),
        (11, 'state', coalesce(delivery.state, case when dead.delivery_id is not null then 'dead' end, last.outcome)),
        (12, 'tries', coalesce(delivery.attempt, dead.attempts, last.attempt)::text),
        (13, 'due', case when isfinite(delivery.due_at) then format(
            '%s (%s)', delivery.due_at, monitoring_internal.brief_distance(p_now, delivery.due_at)) end),
        (14, 'given up at', delivery.deadline_at::text),
        (15, 'in hand until', delivery.lease_expires_at::text),
        (16, 'last error', coalesce('status ' || delivery.last_status, delivery.last_error)),
        (17, 'waits since', case when delivery.delivery_id is not null then health.cause end),
        (18, 'mend', case when delivery.delivery_id is not null then health.remedy end),
        (19, 'died', format('%s: %s', dead.died_at, dead.reason)),
        (20, 'queued again', format('%s as %s by %s', dead.replayed_at, dead.replayed_as, dead.replayed_by))
    ) as pair (place, field, value)
    where pair.value is not null and (pair.place <> 19 or dead.delivery_id is not null)
        and (pair.place <> 20 or dead.replayed_at is not null)
    order by pair.place;
end;
$$;

comment on function monitoring_internal.describe_delivery_at(text, timestamptz) is
    'What is known of a delivery, as pairs, as of a time.';

-- The same now.
-- Raises: PV983.
create or replace function monitoring_internal.describe_delivery(p_word text)
returns table (field text, value text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select described.* from monitoring_internal.describe_delivery_at(p_word, clock_timestamp()) as described;
$$;

comment on function monitoring_internal.describe_delivery(text) is 'What is known of a delivery, as pairs.';

-- The begin of what an attempt was answered, for who may read bodies: an answer may repeat its request's.
create or replace function monitoring_internal.attempt_answer(
    p_delivery_id bigint, p_fence bigint, p_finished_at timestamptz)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not has_column_privilege('monitoring.delivery_attempts', 'response', 'select') then
        return null;
    end if;
    return (
        select left(regexp_replace(attempt.response, '\s+', ' ', 'g'), 120)
        from monitoring.delivery_attempts as attempt
        where attempt.delivery_id = p_delivery_id and attempt.fence = p_fence
            and attempt.finished_at = p_finished_at);
end;
$$;

comment on function monitoring_internal.attempt_answer(bigint, bigint, timestamptz) is
    'The begin of what an attempt was answered; null for who may not read bodies.';

-- The attempts of the message of a delivery, those of its replays and fallbacks too.
-- Raises: PV983.
create or replace function monitoring_internal.delivery_timeline(p_word text)
returns table (
    at timestamptz, delivery bigint, receiver text, try integer, outcome text, status integer, error text, ms bigint,
    answer text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select date_trunc('milliseconds', attempt.finished_at), attempt.delivery_id,
        monitoring_internal.destination_name(attempt.destination_id), attempt.attempt, attempt.outcome,
        attempt.status_code, attempt.error_class, round(attempt.duration_seconds * 1000)::bigint,
        monitoring_internal.attempt_answer(attempt.delivery_id, attempt.fence, attempt.finished_at)
    from monitoring.delivery_attempts as attempt
    where attempt.message_id = (
        select known.message_id
        from monitoring_internal.find_delivery(p_word) as found (delivery_id)
        cross join lateral (
            select delivery.message_id from monitoring.deliveries as delivery
            where delivery.delivery_id = found.delivery_id
            union all
            select tried.message_id from monitoring.delivery_attempts as tried
            where tried.delivery_id = found.delivery_id
            union all
            select dead.message_id from monitoring.dead_letters as dead
            where dead.delivery_id = found.delivery_id
        ) as known
        limit 1)
    order by attempt.finished_at, attempt.fence;
$$;

comment on function monitoring_internal.delivery_timeline(text) is
    'The attempts to deliver the message of a delivery, those by other deliveries of it too.';
