-- notify/check.sql: what channels, endpoints and routes are checked for before they are stored.
-- Owns clear_secret, is_sealed, check_notification_channel, check_webhook_endpoint, check_notification_route,
-- are_matchers. Writes nothing but the row that a trigger is about. Pure: any number of callers at once.

-- What in a configuration looks like a secret in clear: its key, or what its value is; null when nothing does.
create or replace function monitoring_internal.clear_secret(p_configuration jsonb, p_is_url_secret boolean)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (select 'key "' || (pair.item ->> 'key') || '"'
         from jsonb_path_query(p_configuration, '$.** ? (@.type() == "object").keyvalue()') as pair (item)
         where jsonb_typeof(pair.item -> 'value') in ('string', 'number')
            and (lower(regexp_replace(pair.item ->> 'key', '[^a-zA-Z0-9]', '', 'g'))
                ~ ('token|passw|passphrase|secret|apikey|routingkey|integrationkey|servicekey|accesskey|privatekey'
                    '|authorization|credential|cookie')
                or p_is_url_secret and lower(pair.item ->> 'key') ~ 'url$')
         limit 1),
        (select case
            when value.item #>> '{}' ~ '://[^/?#]*@' then 'a URL with a user or password'
            when value.item #>> '{}' ~* '[?&](token|sig|signature|key|api_?key|secret|password|access_token|code)='
                then 'a URL with a token'
            when value.item #>> '{}'
                ~* '://(hooks\.slack\.com/|[^/]*webhook\.office\.com/|[^/]*discord\.com/api/webhooks/)'
                then 'a URL that is a secret by itself'
            else 'a value that is a token'
         end
         from jsonb_path_query(p_configuration, '$.** ? (@.type() == "string")') as value (item)
         where value.item #>> '{}' ~* ('://[^/?#]*@|[?&](token|sig|signature|key|api_?key|secret|password|access_token'
                '|code)=|^(bearer|basic)\s|^xox[a-z]-|^whsec_|^whsk_'
                '|://(hooks\.slack\.com/|[^/]*webhook\.office\.com/|[^/]*discord\.com/api/webhooks/)')
         limit 1));
$$;

comment on function monitoring_internal.clear_secret(jsonb, boolean) is
    'Names what in a configuration looks like a secret in clear, without showing it; null when nothing does.';

-- Whether a text is a secret that the service sealed.
create or replace function monitoring_internal.is_sealed(p_text text)
returns boolean
language sql immutable parallel safe
begin atomic
    select p_text ~ '^pgvigil:v1:[0-9a-f]{8}:[A-Za-z0-9+/]+={0,2}$';
end;

comment on function monitoring_internal.is_sealed(text) is 'Whether a text has the form of a sealed secret.';

-- A channel holds no secret in clear, says how its messages are sent, and a webhook channel has an endpoint of its own
-- tenant. Raises: PV960, PV962, PV967. None shows the row.
create or replace function monitoring_internal.check_notification_channel()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_found text := monitoring_internal.clear_secret(new.configuration, new.channel_type in ('slack', 'teams'));
begin
    if not monitoring_internal.is_sealed(new.sealed_secret) then
        v_found := 'a secret that is not sealed';
    end if;
    if v_found is not null then
        raise exception using
            errcode = 'PV960',
            message = format('the configuration of channel "%s" holds %s', new.channel_name, v_found),
            hint = 'Leave it out, and let "pgvigil endpoints add NAME" ask for it: it is stored sealed, in '
                'sealed_secret. What was sent here may be in the server''s log: change it.';
    end if;
    v_found := case new.channel_type
        when 'email' then monitoring_internal.email_fault(new.configuration, new.sealed_secret is not null)
        when 'sms' then monitoring_internal.sms_fault(new.configuration, new.sealed_secret is not null)
    end;
    if v_found is not null then
        raise exception using
            errcode = 'PV967',
            message = format('the configuration of channel "%s" is wrong: %s', new.channel_name, v_found),
            hint = 'The keys of email and SMS channels are in docs/notifications.md.';
    end if;
    if exists (
        select from monitoring.webhook_endpoints as endpoint
        where endpoint.id = new.webhook_endpoint_id and endpoint.tenant_id is distinct from new.tenant_id
            and endpoint.tenant_id <> monitoring.system_tenant_id())
    then
        raise exception using
            errcode = 'PV962',
            message = format('the endpoint of channel "%s" belongs to another tenant', new.channel_name),
            hint = 'Choose one of the tenant''s own, or of the system tenant.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_notification_channel() is
    'Trigger: refuses secrets in clear, configurations that say nothing usable, and endpoints of other tenants.';

-- An endpoint's URL is one of the web, without a secret in it, and its own secrets are sealed.
-- Raises: PV960, PV963. Neither shows the row.
create or replace function monitoring_internal.check_webhook_endpoint()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_found text := monitoring_internal.clear_secret(jsonb_build_object('to', new.webhook_url), false);
begin
    if not monitoring_internal.is_sealed(new.sealed_secret)
        or not monitoring_internal.is_sealed(new.previous_sealed_secret)
    then
        v_found := 'a secret that is not sealed';
    end if;
    if v_found is not null then
        raise exception using
            errcode = 'PV960',
            message = format('webhook endpoint "%s" holds %s', new.endpoint_name, v_found),
            hint = 'Leave it out, and let "pgvigil endpoints add NAME" ask for it: it is stored sealed, in '
                'sealed_secret. What was sent here may be in the server''s log: change it.';
    end if;
    if new.webhook_url !~ '^https?://[^\s/?#@]+([/?][^\s#]*)?$' then
        raise exception using
            errcode = 'PV963',
            message = format('the URL of webhook endpoint "%s" is malformed', new.endpoint_name),
            hint = 'Write it as https://host/path, without fragment.';
    end if;
    if exists (
        select from jsonb_array_elements(
            case jsonb_typeof(new.event_types) when 'array' then new.event_types else '[null]' end) as wanted (type)
        where jsonb_typeof(wanted.type) <> 'string'
            or wanted.type #>> '{}' !~ '^(\*|[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*(\.\*)?)$')
    then
        raise exception using
            errcode = 'PV963',
            message = format('the event types of webhook endpoint "%s" are malformed', new.endpoint_name),
            hint = 'Give a JSON array of types such as ["alert.fired", "alert.*"]; [] wants all.';
    end if;
    -- One that the role does not see is another tenant's too.
    if new.fallback_endpoint_id is not null and not exists (
        select from monitoring.webhook_endpoints as fallback
        where fallback.id = new.fallback_endpoint_id
            and fallback.tenant_id in (new.tenant_id, monitoring.system_tenant_id()))
    then
        raise exception using
            errcode = 'PV962',
            message = format('the fallback of webhook endpoint "%s" belongs to another tenant', new.endpoint_name),
            hint = 'Choose one of the tenant''s own, or of the system tenant.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_webhook_endpoint() is
    'Trigger: refuses secrets in clear, URLs that are none, malformed event types, and fallbacks of other tenants.';

-- Whether matchers are of the two forms there are, and their expressions can be read.
create or replace function monitoring_internal.are_matchers(p_matchers jsonb)
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform '' ~ (matcher.value ->> operator.name)
    from jsonb_each(p_matchers) as matcher
    cross join unnest(array['re', 'nre']) as operator (name)
    where jsonb_typeof(matcher.value) = 'object' and matcher.value ? operator.name;
    return not exists (
        select
        from jsonb_each(p_matchers) as matcher
        where case jsonb_typeof(matcher.value)
            when 'string' then false
            when 'object' then matcher.value - array['re', 'nre', 'ne'] <> '{}' or matcher.value = '{}'
                or exists (
                    select from jsonb_each(matcher.value) as operator where jsonb_typeof(operator.value) <> 'string')
            else true
        end);
exception
    when invalid_regular_expression then
        return false;
end;
$$;

comment on function monitoring_internal.are_matchers(jsonb) is 'Whether label matchers are well formed.';

-- A route's matchers can be read, its channels exist, and it is not below itself.
-- Raises: PV961.
create or replace function monitoring_internal.check_notification_route()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault text;
begin
    v_fault := case
        when jsonb_typeof(new.matchers) = 'object' and not monitoring_internal.are_matchers(new.matchers)
            then 'has malformed matchers'
        when exists (
            select from unnest(new.channel_ids) as wanted (id)
            where not exists (
                select from monitoring.notification_channels as channel
                where channel.id = wanted.id
                    and (new.tenant_id is null or channel.tenant_id is null or channel.tenant_id = new.tenant_id)))
            then 'names a channel that is not there, or is another tenant''s'
        when exists (
            with recursive above as (
                select new.parent_id as route_id
                union
                select route.parent_id
                from above
                inner join monitoring.notification_routes as route on route.route_id = above.route_id
            )
            select from above where above.route_id = new.route_id)
            then 'is below itself'
    end;
    if v_fault is not null then
        raise exception using
            errcode = 'PV961',
            message = format('notification route "%s" %s', new.route_name, v_fault),
            hint = 'Matchers are {"label": "value"} or {"label": {"re": "…"}}, also with nre or ne; channels are ids '
                'of monitoring.notification_channels.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_notification_route() is
    'Trigger: refuses malformed matchers, unknown channels, and circles.';
