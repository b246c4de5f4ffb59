-- delivery/list.sql: what pgvigil deliveries shows.
-- Owns destination_name, listed_tenant_id, list_deliveries(_at), list_dead_letters(_at), delivery_backlog(_at).
-- Writes nothing. Concurrency: reads with the caller's rights, so each role sees what it may.

-- The name of an endpoint or channel; its id when it was removed.
create or replace function monitoring_internal.destination_name(p_id uuid)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (select endpoint.endpoint_name from monitoring.webhook_endpoints as endpoint where endpoint.id = p_id),
        (select channel.channel_name from monitoring.notification_channels as channel where channel.id = p_id),
        p_id::text);
$$;

comment on function monitoring_internal.destination_name(uuid) is
    'The name of an endpoint or channel; its id once it is removed.';

-- Whose messages a list is of: all that the caller sees for no tenant; a receiver that is named says it itself.
-- Raises: PV001.
create or replace function monitoring_internal.listed_tenant_id(p_endpoint text, p_tenant text)
returns uuid
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_endpoint is null and p_tenant is not null then monitoring_internal.tenant_id_of(p_tenant)
    end;
$$;

comment on function monitoring_internal.listed_tenant_id(text, text) is
    'The tenant whose messages a list is of, null for all; PV001 when there is none of the name.';

-- Deliveries for a table: those that are open, the oldest first, then those that are over, the newest first.
-- Units: p_destination_id, p_tenant_id null for all; p_state null or open for what is open; p_since by when it was
-- queued or over.
-- Raises: PV987.
create or replace function monitoring_internal.list_deliveries_at(
    p_destination_id uuid, p_tenant_id uuid, p_state text, p_since interval, p_limit integer, p_now timestamptz)
returns table (
    delivery bigint, receiver text, event text, state text, tries integer, due text, queued text, error text,
    message text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_state not in (
        'open', 'pending', 'in_flight', 'failed', 'held', 'delivered', 'dead', 'collapsed', 'all')
    then
        raise exception using
            errcode = 'PV987',
            message = format('there is no state "%s"', left(p_state, 100)),
            hint = 'Write open, pending, in_flight, failed, held, delivered, dead, collapsed or all.';
    end if;
    return query
    with chosen as (
        (select 1 as part, waiting.delivery_id, waiting.message_id, waiting.destination_id, waiting.state,
            waiting.attempt, waiting.due_at, null::timestamptz as finished_at,
            coalesce('status ' || waiting.last_status, waiting.last_error) as error
        from monitoring.deliveries as waiting
        where coalesce(p_state, 'open') in ('open', 'all', waiting.state)
            and waiting.destination_id = coalesce(p_destination_id, waiting.destination_id)
            and waiting.tenant_id = coalesce(p_tenant_id, waiting.tenant_id)
            and waiting.message_created_at > coalesce(p_now - p_since, '-infinity')
        order by waiting.delivery_id
        limit p_limit)
        union all
        (select 2, ended.delivery_id, ended.message_id, ended.destination_id, ended.outcome, ended.attempt, null,
            ended.finished_at, case when ended.outcome = 'dead' then
                coalesce('status ' || ended.status_code, ended.error_class) end
        from monitoring.delivery_attempts as ended
        where ended.outcome in ('delivered', 'dead', 'collapsed') and p_state in ('all', ended.outcome)
            and ended.destination_id = coalesce(p_destination_id, ended.destination_id)
            and ended.tenant_id = coalesce(p_tenant_id, ended.tenant_id)
            and ended.finished_at > p_now - coalesce(p_since, interval '1 day')
        order by ended.finished_at desc
        limit p_limit)
    )
    select chosen.delivery_id, monitoring_internal.destination_name(chosen.destination_id), told.event_type,
        chosen.state, chosen.attempt,
        case
            when chosen.finished_at is not null
                then 'over ' || monitoring_internal.brief_distance(p_now, chosen.finished_at)
            when chosen.due_at = 'infinity' then 'held'
            else monitoring_internal.brief_distance(p_now, chosen.due_at) end,
        monitoring_internal.brief_distance(p_now, told.created_at), chosen.error,
        'msg_' || replace(chosen.message_id::text, '-', '')
    from chosen
    left join monitoring.outbox_messages as told on told.message_id = chosen.message_id
    order by chosen.part, chosen.finished_at desc, chosen.delivery_id
    limit p_limit;
end;
$$;

comment on function monitoring_internal.list_deliveries_at(uuid, uuid, text, interval, integer, timestamptz) is
    'Deliveries for a table, as of a time.';

-- The same now, of a receiver or a tenant by its name.
-- Raises: PV001, PV982, PV987.
create or replace function monitoring_internal.list_deliveries(
    p_endpoint text, p_tenant text, p_state text, p_since interval, p_limit integer)
returns table (
    delivery bigint, receiver text, event text, state text, tries integer, due text, queued text, error text,
    message text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select listed.*
    from monitoring_internal.list_deliveries_at(
        case when p_endpoint is not null then monitoring_internal.named_destination(p_endpoint, p_tenant) end,
        monitoring_internal.listed_tenant_id(p_endpoint, p_tenant), p_state, p_since, p_limit,
        clock_timestamp()) as listed;
$$;

comment on function monitoring_internal.list_deliveries(text, text, text, interval, integer) is
    'Deliveries for a table, of one receiver, of one tenant''s messages, or of all.';

-- What was given up, the newest first; what was queued again since is left out unless it is asked for.
create or replace function monitoring_internal.list_dead_letters_at(
    p_destination_id uuid, p_tenant_id uuid, p_since interval, p_is_all boolean, p_limit integer, p_now timestamptz)
returns table (
    delivery bigint, receiver text, event text, tries integer, died text, reason text, replayed text, message text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select dead.delivery_id, monitoring_internal.destination_name(dead.destination_id), dead.event_type, dead.attempts,
        monitoring_internal.brief_distance(p_now, dead.died_at), dead.reason,
        case when dead.replayed_at is not null then format(
            'as %s by %s %s', dead.replayed_as, dead.replayed_by,
            monitoring_internal.brief_distance(p_now, dead.replayed_at)) end,
        'msg_' || replace(dead.message_id::text, '-', '')
    from monitoring.dead_letters as dead
    where dead.destination_id = coalesce(p_destination_id, dead.destination_id)
        and dead.tenant_id = coalesce(p_tenant_id, dead.tenant_id)
        and dead.died_at > coalesce(p_now - p_since, '-infinity')
        and (p_is_all or dead.replayed_at is null)
    order by dead.died_at desc, dead.delivery_id desc
    limit p_limit;
$$;

comment on function monitoring_internal.list_dead_letters_at(uuid, uuid, interval, boolean, integer, timestamptz) is
    'Dead letters for a table, as of a time.';

-- The same now, of a receiver or a tenant by its name.
-- Raises: PV001, PV982.
create or replace function monitoring_internal.list_dead_letters(
    p_endpoint text, p_tenant text, p_since interval, p_is_all boolean, p_limit integer)
returns table (
    delivery bigint, receiver text, event text, tries integer, died text, reason text, replayed text, message text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select listed.*
    from monitoring_internal.list_dead_letters_at(
        case when p_endpoint is not null then monitoring_internal.named_destination(p_endpoint, p_tenant) end,
        monitoring_internal.listed_tenant_id(p_endpoint, p_tenant), p_since, p_is_all, p_limit,
        clock_timestamp()) as listed;
$$;

comment on function monitoring_internal.list_dead_letters(text, text, interval, boolean, integer) is
    'Dead letters for a table, of one receiver, of one tenant''s messages, or of all.';

-- What is left to deliver, by receiver, those with the most first.
create or replace function monitoring_internal.delivery_backlog_at(
    p_destination_id uuid, p_tenant_id uuid, p_now timestamptz)
returns table (receiver text, waiting bigint, in_flight bigint, held bigint, oldest text, cause text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.destination_name(queue.destination_id), queue.waiting, queue.in_flight, queue.held,
        monitoring_internal.brief_distance(p_now, queue.oldest_at), health.cause, health.remedy
    from (
        select delivery.destination_id, min(delivery.message_created_at) as oldest_at,
            count(*) filter (where delivery.state in ('pending', 'failed')) as waiting,
            count(*) filter (where delivery.state = 'in_flight') as in_flight,
            count(*) filter (where delivery.state = 'held') as held
        from monitoring.deliveries as delivery
        where delivery.destination_id = coalesce(p_destination_id, delivery.destination_id)
            and delivery.tenant_id = coalesce(p_tenant_id, delivery.tenant_id)
        group by delivery.destination_id
    ) as queue
    left join monitoring.delivery_health as health on health.destination_id = queue.destination_id
    order by queue.waiting + queue.in_flight + queue.held desc, queue.destination_id;
$$;

comment on function monitoring_internal.delivery_backlog_at(uuid, uuid, timestamptz) is
    'What is left to deliver to each receiver and why, as of a time.';

-- The same now, of a receiver or a tenant by its name.
-- Raises: PV001, PV982.
create or replace function monitoring_internal.delivery_backlog(p_endpoint text, p_tenant text)
returns table (receiver text, waiting bigint, in_flight bigint, held bigint, oldest text, cause text, remedy text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select backlog.*
    from monitoring_internal.delivery_backlog_at(
        case when p_endpoint is not null then monitoring_internal.named_destination(p_endpoint, p_tenant) end,
        monitoring_internal.listed_tenant_id(p_endpoint, p_tenant), clock_timestamp()) as backlog;
$$;

comment on function monitoring_internal.delivery_backlog(text, text) is
    'What is left to deliver to each receiver, and why; of one receiver, of one tenant''s messages, or of all.';
