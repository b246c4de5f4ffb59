-- notify/endpoints.sql: receivers of messages as `pgvigil endpoints` makes and changes them.
-- Owns endpoint_seal_context, channel_seal_context, named_or_system_tenant, require_channel,
-- endpoint_identity, add_endpoint, rotate_endpoint_secret(_at), set_endpoint_active, remove_endpoint, list_endpoints.
-- Writes webhook_endpoints, notification_channels, notification_routes. Any number of callers at once.

-- What a webhook's secret is sealed for: moved to another row or beside another URL, it does not open. Stable, as
-- format() is: declared immutable it would not be inlined where deliveries are claimed.
create or replace function monitoring_internal.endpoint_seal_context(p_id uuid, p_url text)
returns text
language sql stable parallel safe
begin atomic
    select pg_catalog.format('webhook %s %s', p_id, p_url);
end;

comment on function monitoring_internal.endpoint_seal_context(uuid, text) is
    'The context that the signing secret of a webhook endpoint is sealed for.';

-- The same for a channel's secret: a URL, a routing key, or a login.
create or replace function monitoring_internal.channel_seal_context(p_id uuid, p_type text, p_url text)
returns text
language sql stable parallel safe
begin atomic
    select pg_catalog.format('channel %s %s %s', p_id, p_type, coalesce(p_url, ''));
end;

comment on function monitoring_internal.channel_seal_context(uuid, text, text) is
    'The context that the secret of a channel is sealed for.';

-- A tenant by its name; the system's for none.
-- Raises: PV001.
create or replace function monitoring_internal.named_or_system_tenant(p_tenant text)
returns uuid
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_tenant is null then monitoring.system_tenant_id()
        else monitoring_internal.tenant_id_of(p_tenant)
    end;
$$;

comment on function monitoring_internal.named_or_system_tenant(text) is
    'The tenant of a name, the system tenant for null.';

-- A channel by its name within a tenant (null: the system's).
-- Raises: PV982.
create or replace function monitoring_internal.require_channel(p_name text, p_tenant text)
returns monitoring.notification_channels
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_channel monitoring.notification_channels;
begin
    -- Not the whole row: administrators may not read its sealed secret.
    select channel.id, channel.tenant_id, channel.channel_name, channel.channel_type, channel.configuration,
        channel.webhook_endpoint_id, channel.is_active
    into v_channel.id, v_channel.tenant_id, v_channel.channel_name, v_channel.channel_type, v_channel.configuration,
        v_channel.webhook_endpoint_id, v_channel.is_active
    from monitoring.notification_channels as channel
    where channel.channel_name = p_name
        and channel.tenant_id = monitoring_internal.named_or_system_tenant(p_tenant);
    if v_channel.id is null then
        raise exception using
            errcode = 'PV982',
            message = format('there is no endpoint "%s"', p_name),
            hint = 'Names: pgvigil endpoints list. Those of another tenant need --tenant NAME.';
    end if;
    return v_channel;
end;
$$;

comment on function monitoring_internal.require_channel(text, text) is
    'The notification channel of a name; PV982 where there is none.';

-- What the secret of a receiver is sealed for.
-- Raises: PV982.
create or replace function monitoring_internal.endpoint_identity(p_name text, p_tenant text)
returns table (id uuid, kind text, url text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select channel.id, channel.channel_type, coalesce(endpoint.webhook_url, channel.configuration ->> 'url')
    from monitoring_internal.require_channel(p_name, p_tenant) as channel
    left join monitoring.webhook_endpoints as endpoint on endpoint.id = channel.webhook_endpoint_id;
$$;

comment on function monitoring_internal.endpoint_identity(text, text) is
    'Id, kind and URL of a receiver of messages, by its name.';

-- Make a receiver: a channel, and for a webhook its endpoint. The first one of a tenant gets all its alerts.
-- Units: id as its secret was sealed for; url null where it is the secret; tenant by name, null for the system's.
create or replace function monitoring.add_endpoint(
    id uuid, name text, kind text, url text, sealed_secret text, tenant text default null,
    event_types jsonb default '[]', rate_limit_per_hour integer default 10, configuration jsonb default '{}')
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := monitoring_internal.named_or_system_tenant(add_endpoint.tenant);
    v_is_webhook constant boolean := add_endpoint.kind = 'webhook';
begin
    if v_is_webhook then
        insert into monitoring.webhook_endpoints
            (id, tenant_id, endpoint_name, webhook_url, sealed_secret, event_types, retry_attempts)
        values (
            add_endpoint.id, v_tenant_id, add_endpoint.name, add_endpoint.url, add_endpoint.sealed_secret,
            -- Some seven hours: alerts go there too, and a receiver that starts anew loses none.
            add_endpoint.event_types, 20);
    end if;
    insert into monitoring.notification_channels
        (id, tenant_id, channel_name, channel_type, configuration, sealed_secret, webhook_endpoint_id,
        rate_limit_per_hour)
    values (
        add_endpoint.id, v_tenant_id, add_endpoint.name, add_endpoint.kind,
        add_endpoint.configuration || case when add_endpoint.url is null or v_is_webhook
            then '{}' else jsonb_build_object('url', add_endpoint.url) end,
        case when not v_is_webhook then add_endpoint.sealed_secret end,
        case when v_is_webhook then add_endpoint.id end, add_endpoint.rate_limit_per_hour);
    insert into monitoring.notification_routes (route_name, tenant_id, channel_ids)
    select format('default of %s', tenant.name), v_tenant_id, array[add_endpoint.id]
    from monitoring.tenants as tenant
    where tenant.tenant_id = v_tenant_id
        and not exists (
            select from monitoring.notification_routes as route
            where (route.tenant_id = v_tenant_id or route.tenant_id is null) and not route.is_continuing);
    return found;
end;
$$;

comment on function monitoring.add_endpoint(uuid, text, text, text, text, text, jsonb, integer, jsonb) is
    'Makes a receiver of messages: kind webhook, slack, teams, pagerduty, alertmanager, email or sms; its secret '
    'sealed by "pgvigil endpoints add". True when it is the tenant''s first, which gets a route for all its alerts.';

-- Give a receiver a new secret. A webhook signs with the old one too, as long as p_keep_old_for.
-- Raises: PV982.
create or replace function monitoring_internal.rotate_endpoint_secret_at(
    p_name text, p_sealed_secret text, p_tenant text, p_keep_old_for interval, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_channel constant monitoring.notification_channels := monitoring_internal.require_channel(p_name, p_tenant);
begin
    update monitoring.webhook_endpoints as endpoint
    set previous_sealed_secret = case when p_keep_old_for > interval '0' then endpoint.sealed_secret end,
        previous_secret_until = case when p_keep_old_for > interval '0' then p_now + p_keep_old_for end,
        sealed_secret = p_sealed_secret
    where endpoint.id = v_channel.webhook_endpoint_id;
    update monitoring.notification_channels as channel
    set sealed_secret = p_sealed_secret
    where channel.id = v_channel.id and v_channel.webhook_endpoint_id is null;
end;
$$;

comment on function monitoring_internal.rotate_endpoint_secret_at(text, text, text, interval, timestamptz) is
    'rotate_endpoint_secret as of a time.';

-- The same now.
-- Raises: PV982.
create or replace function monitoring.rotate_endpoint_secret(
    name text, sealed_secret text, tenant text default null, keep_old_for interval default '24 hours')
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.rotate_endpoint_secret_at(
        rotate_endpoint_secret.name, rotate_endpoint_secret.sealed_secret, rotate_endpoint_secret.tenant,
        rotate_endpoint_secret.keep_old_for, clock_timestamp());
$$;

comment on function monitoring.rotate_endpoint_secret(text, text, text, interval) is
    'Gives a receiver a new sealed secret; a webhook is signed with both for keep_old_for.';

-- Turn a receiver on or off; what waits for it goes on waiting.
-- Raises: PV982.
create or replace function monitoring.set_endpoint_active(name text, is_active boolean, tenant text default null)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_channel constant monitoring.notification_channels := monitoring_internal.require_channel(
        set_endpoint_active.name, set_endpoint_active.tenant);
begin
    update monitoring.notification_channels as channel
    set is_active = set_endpoint_active.is_active
    where channel.id = v_channel.id;
    update monitoring.webhook_endpoints as endpoint
    set is_active = set_endpoint_active.is_active, disabled_reason = null
    where endpoint.id = v_channel.webhook_endpoint_id;
end;
$$;

comment on function monitoring.set_endpoint_active(text, boolean, text) is 'Turns a receiver of messages on or off.';

-- Remove a receiver, and its name from the routes that send to it.
-- Raises: PV982.
create or replace function monitoring.remove_endpoint(name text, tenant text default null)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_channel constant monitoring.notification_channels := monitoring_internal.require_channel(
        remove_endpoint.name, remove_endpoint.tenant);
begin
    update monitoring.notification_routes as route
    set channel_ids = array_remove(route.channel_ids, v_channel.id)
    where v_channel.id = any (route.channel_ids);
    delete from monitoring.notification_channels as channel where channel.id = v_channel.id;
    delete from monitoring.webhook_endpoints as endpoint where endpoint.id = v_channel.webhook_endpoint_id;
end;
$$;

comment on function monitoring.remove_endpoint(text, text) is
    'Removes a receiver of messages; what waits for it becomes dead letters.';

-- Receivers as `pgvigil endpoints list` shows them.
create or replace function monitoring_internal.list_endpoints()
returns table (
    name text, kind text, tenant text, "to" text, is_active boolean, breaker text, waiting bigint, dead bigint,
    last_success_at timestamptz, last_failure_at timestamptz, last_error text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select
        channel.channel_name, channel.channel_type, tenant.name,
        coalesce(
            endpoint.webhook_url,
            (
                select string_agg(listed.recipient, ', ' order by listed.recipient)
                from monitoring_internal.recipients(channel.configuration, null) as listed
            ) || coalesce(' by ' || (channel.configuration ->> 'url'), ''),
            channel.configuration ->> 'url', '(sealed)'),
        channel.is_active and coalesce(endpoint.is_active, true), coalesce(state.breaker, 'closed'),
        (
            select count(*)
            from monitoring.deliveries as delivery
            where delivery.destination_id = coalesce(channel.webhook_endpoint_id, channel.id)
        ),
        (
            select count(*)
            from monitoring.dead_letters as letter
            where letter.destination_id = coalesce(channel.webhook_endpoint_id, channel.id)
                and letter.replayed_at is null
        ),
        state.last_success_at, state.last_failure_at, state.last_error
    from monitoring.notification_channels as channel
    left join monitoring.tenants as tenant on tenant.tenant_id = channel.tenant_id
    left join monitoring.webhook_endpoints as endpoint on endpoint.id = channel.webhook_endpoint_id
    left join monitoring.destination_states as state
        on state.destination_id = coalesce(channel.webhook_endpoint_id, channel.id)
    order by tenant.name, channel.channel_name;
$$;

comment on function monitoring_internal.list_endpoints() is
    'Receivers of messages with their state, what waits for them and what could not be delivered.';
