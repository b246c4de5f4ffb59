-- notify/channel.sql: what the configuration of an email or SMS channel may say, and what a claim takes from it.
-- Owns email_fault, sms_fault, channel_request, render_message.
-- Pure: any number of callers at once.

-- What is wrong with the configuration of an email channel; null when nothing is.
create or replace function monitoring_internal.email_fault(p_configuration jsonb, p_has_secret boolean)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_configuration ->> 'url'
                !~ '^(smtp|smtps|smtp\+plain)://([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$'
            then '"url" is smtp://HOST:PORT (with STARTTLS), smtps://HOST:PORT or smtp+plain://HOST:PORT'
        when p_configuration ? 'url' and not p_configuration ? 'from' then '"from" is missing'
        when not monitoring_internal.is_mail_address(p_configuration ->> 'from') then '"from" is no address of email'
        when p_configuration ? 'to' and jsonb_typeof(p_configuration -> 'to') <> 'array'
            then '"to" is no list of addresses'
        when exists (
            select from monitoring_internal.recipients(p_configuration, null) as listed
            where monitoring_internal.is_mail_address(listed.recipient) is not true)
            then '"to" holds what is no address of email'
        when p_configuration ? 'user' and p_configuration ->> 'user' !~ '^[^[:cntrl:]]{1,200}$' then '"user" is no name'
        when p_has_secret and p_configuration ? 'url' and not p_configuration ? 'user'
            then 'there is a password, but no "user"'
        when p_has_secret and p_configuration ->> 'url' like 'smtp+plain:%' then 'smtp+plain would show the password'
    end;
$$;

comment on function monitoring_internal.email_fault(jsonb, boolean) is
    'What is wrong with the configuration of an email channel; null when nothing is.';

-- What is wrong with the configuration of an SMS channel; null when nothing is.
create or replace function monitoring_internal.sms_fault(p_configuration jsonb, p_has_secret boolean)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_configuration ->> 'url' !~ '^https?://[^\s/?#@]+([/?][^\s#]*)?$' then '"url" is https://HOST/PATH'
        when p_configuration ->> 'preset' not in ('twilio', 'json') then '"preset" is twilio or json'
        when p_configuration ->> 'format' not in ('form', 'json') then '"format" is form or json'
        when p_configuration ->> 'method' not in ('POST', 'PUT') then '"method" is POST or PUT'
        when p_configuration ->> 'auth' not in ('basic', 'bearer') then '"auth" is basic or bearer'
        when p_configuration ->> 'auth' = 'basic' and not p_configuration ? 'user' then '"user" is missing for basic'
        when p_configuration ? 'user' and p_configuration ->> 'user' !~ '^[^[:cntrl:]:]{1,200}$'
            then '"user" is no name'
        when p_configuration ? 'body' and jsonb_typeof(p_configuration -> 'body') <> 'object'
            then '"body" is an object with {{to}} and {{text}} in it'
        when p_configuration ? 'url'
            and not coalesce(strpos(monitoring_internal.sms_settings(p_configuration) ->> 'body', '{{to}}') > 0
                and strpos(monitoring_internal.sms_settings(p_configuration) ->> 'body', '{{text}}') > 0, false)
            then '"body" is an object with {{to}} and {{text}} in it, or name a "preset"'
        when p_configuration ? 'segments' and p_configuration ->> 'segments' !~ '^([1-9]|10)$'
            then '"segments" is 1 to 10'
        when p_configuration ? 'to' and jsonb_typeof(p_configuration -> 'to') <> 'array'
            then '"to" is no list of numbers'
        when exists (
            select from monitoring_internal.recipients(p_configuration, null) as listed
            where (listed.recipient ~ '^\+?[0-9][0-9 ()./-]{2,30}$') is not true)
            then '"to" holds what is no telephone number'
    end;
$$;

comment on function monitoring_internal.sms_fault(jsonb, boolean) is
    'What is wrong with the configuration of an SMS channel; null when nothing is.';

-- Where and how a channel's messages are sent, as its configuration says.
create or replace function monitoring_internal.channel_request(p_channel_type text, p_configuration jsonb)
returns table (url text, method text, auth text, login text, sender text)
language sql immutable parallel safe
begin atomic
    select
        case p_channel_type
            when 'pagerduty' then coalesce(p_configuration ->> 'url', 'https://events.pagerduty.com/v2/enqueue')
            when 'alertmanager' then rtrim(p_configuration ->> 'url', '/') || '/api/v2/alerts'
            when 'slack' then null
            when 'teams' then null
            else p_configuration ->> 'url'
        end,
        case p_channel_type when 'sms' then p_configuration ->> 'method' end,
        case p_channel_type when 'sms' then
            coalesce(p_configuration ->> 'auth', case when p_configuration ? 'user' then 'basic' else 'bearer' end) end,
        p_configuration ->> 'user', p_configuration ->> 'from';
end;

comment on function monitoring_internal.channel_request(text, jsonb) is
    'URL, method, kind of login, its name and the sender for messages of a channel.';

-- A message as its channel's receivers take it.
create or replace function monitoring_internal.render_message(
    p_channel_type text, p_configuration jsonb, p_event jsonb, p_message_id uuid, p_previous_id uuid, p_key text,
    p_recipient text)
returns table (content_type text, body text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'message/rfc822', monitoring_internal.render_mail(
        p_event, p_configuration, p_message_id, p_previous_id, p_key, p_recipient)
    where p_channel_type = 'email'
    union all
    select request.content_type, request.body
    from monitoring_internal.sms_request(
        p_configuration,
        monitoring_internal.render_sms(p_event, coalesce((p_configuration ->> 'segments')::integer, 2)), p_message_id)
        as request
    where p_channel_type = 'sms'
    union all
    select 'application/json', monitoring_internal.render_notification(p_channel_type, p_event, p_key)::text
    where p_channel_type not in ('email', 'sms');
$$;

comment on function monitoring_internal.render_message(text, jsonb, jsonb, uuid, uuid, text, text) is
    'Content type and body of a message: a mail, a provider''s request, or the JSON that a channel of the type takes.';
