-- notify/mail.sql: events as email: headers that take no line break, a plain and an HTML part, both in base64.
-- Owns is_mail_address, recipients, mime_words, mime_base64, escape_html, mail_alerts, mail_rest,
-- mail_plain, mail_html, render_mail. Pure: any number of callers at once.

-- Whether a text is an address as it stands between the angle brackets of a mail: nothing in it ends a line, a header
-- or a command.
create or replace function monitoring_internal.is_mail_address(p_text text)
returns boolean
language sql immutable parallel safe
begin atomic
    select p_text ~ ('^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*'
            '@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$')
        and length(p_text) <= 254 and position('@' in p_text) <= 65;
end;

comment on function monitoring_internal.is_mail_address(text) is
    'Whether a text is an address of email, in ASCII and without a name.';

-- Whom a message to an email or SMS channel goes to: the person it is for, else whom the channel names.
create or replace function monitoring_internal.recipients(p_configuration jsonb, p_recipient text)
returns table (recipient text)
language sql immutable parallel safe
begin atomic
    select p_recipient where p_recipient is not null
    union
    select named.address
    from jsonb_array_elements_text(
        case jsonb_typeof(p_configuration -> 'to') when 'array' then p_configuration -> 'to' else '[]' end)
        as named (address)
    where p_recipient is null;
end;

comment on function monitoring_internal.recipients(jsonb, text) is
    'The addresses that a message of an email or SMS channel is delivered to, each once.';

-- A text as the value of a header: plain ASCII as it is when short, else words of RFC 2047, a line each.
create or replace function monitoring_internal.mime_words(p_text text)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when clean.text ~ '^[ -~]{0,60}$' and position('=?' in clean.text) = 0 then clean.text
        else (
            -- Eleven characters are at most 44 bytes, and so 60 of base64: a word has 75 at most.
            select string_agg('=?UTF-8?B?' || encode(convert_to(substr(clean.text, place, 11), 'UTF8'), 'base64')
                || '?=', E'\r\n ' order by place)
            from generate_series(1, length(clean.text), 11) as place)
    end
    from (select trim(regexp_replace(p_text, '[[:cntrl:][:space:]]+', ' ', 'g')) as text) as clean;
end;

comment on function monitoring_internal.mime_words(text) is
    'A text as the value of a mail''s header, by RFC 2047 where it is not plain ASCII; without line breaks of its own.';

-- A text as the body of a part: base64 in lines of 76.
create or replace function monitoring_internal.mime_base64(p_text text)
returns text
language sql immutable parallel safe
begin atomic
    select replace(encode(convert_to(p_text, 'UTF8'), 'base64'), E'\n', E'\r\n') || E'\r\n';
end;

comment on function monitoring_internal.mime_base64(text) is 'A text in base64, in lines as mail has them.';

-- A text as content of HTML.
create or replace function monitoring_internal.escape_html(p_text text)
returns text
language sql immutable parallel safe
begin atomic
    select replace(replace(replace(replace(p_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
end;

comment on function monitoring_internal.escape_html(text) is 'A text with what means something in HTML escaped.';

-- What a mail says of each alert: the first twenty, each bounded.
create or replace function monitoring_internal.mail_alerts(p_event jsonb)
returns table (
    place bigint, headline text, message text, since text, labels text, links text[], is_resolved boolean)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select alert.place,
        monitoring_internal.shorten(concat(case alert.facts ->> 'status' when 'resolved' then 'resolved'
            else alert.facts ->> 'severity' end, ': ', alert.facts ->> 'title'), 300),
        monitoring_internal.shorten(alert.facts ->> 'message', 1000),
        replace(left(alert.facts ->> 'started_at', 19), 'T', ' ') || ' UTC'
            || coalesce(' until ' || replace(left(alert.facts ->> 'resolved_at', 19), 'T', ' ') || ' UTC', ''),
        (
            select monitoring_internal.shorten(
                string_agg(label.key || '=' || label.value, ', ' order by label.key), 500)
            from jsonb_each_text(coalesce(alert.facts -> 'labels', '{}')) as label
        ),
        array(
            select link.target
            from (values (alert.facts ->> 'link'), (alert.facts ->> 'runbook_url')) as link (target)
            where link.target ~ '^https?://[!-~]+$' and length(link.target) <= 1000),
        alert.facts ->> 'status' is not distinct from 'resolved'
    from jsonb_array_elements(coalesce(p_event #> '{data,alerts}', '[]')) with ordinality as alert (facts, place)
    where alert.place <= 20;
$$;

comment on function monitoring_internal.mail_alerts(jsonb) is
    'What a mail says of the alerts of an event: the first twenty, every text within bounds.';

-- How many alerts a mail does not list.
create or replace function monitoring_internal.mail_rest(p_event jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select nullif(greatest(jsonb_array_length(coalesce(p_event #> '{data,alerts}', '[]')) - 20, 0)
        + coalesce((p_event #>> '{data,truncated}')::integer, 0), 0) || ' more';
$$;

comment on function monitoring_internal.mail_rest(jsonb) is
    'How many alerts of an event a mail does not list, as "3 more"; null when none.';

-- The part for those who read text.
create or replace function monitoring_internal.mail_plain(p_event jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat(monitoring_internal.shorten(monitoring_internal.notification_title(p_event), 300), E'\r\n',
        (
            select string_agg(concat(E'\r\n', alert.headline, E'\r\n',
                '  ' || regexp_replace(alert.message, '\s*[\r\n]+', E'\r\n  ', 'g') || E'\r\n',
                '  since ' || alert.since || E'\r\n', '  ' || alert.labels || E'\r\n',
                (select string_agg('  ' || target || E'\r\n', '') from unnest(alert.links) as target)),
                '' order by alert.place)
            from monitoring_internal.mail_alerts(p_event) as alert
        ),
        E'\r\nand ' || monitoring_internal.mail_rest(p_event) || E'\r\n',
        E'\r\nSent by pgvigil' || coalesce(' for ' || (p_event #>> '{data,tenant}'), '') || E'\r\n');
$$;

comment on function monitoring_internal.mail_plain(jsonb) is 'An event as the plain part of a mail.';

-- The part for those who read HTML; nothing of an event is markup in it.
create or replace function monitoring_internal.mail_html(p_event jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat('<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="font-family:sans-serif">',
        '<h2 style="color:', case when p_event #>> '{data,status}' = 'resolved' then '#1a7f37'
            when p_event #>> '{data,severity}' in ('critical', 'high') then '#b3261e' else '#8a6100' end, '">',
        monitoring_internal.escape_html(
            monitoring_internal.shorten(monitoring_internal.notification_title(p_event), 300)), '</h2>',
        (
            select string_agg(concat('<div style="margin:0 0 1em;padding-left:.7em;border-left:4px solid ',
                case when alert.is_resolved then '#1a7f37' else '#b3261e' end, '"><b>',
                monitoring_internal.escape_html(alert.headline), '</b>',
                '<br>' || replace(monitoring_internal.escape_html(alert.message), E'\n', '<br>'),
                '<br><small>since ' || monitoring_internal.escape_html(alert.since) || '</small>',
                '<br><small>' || monitoring_internal.escape_html(alert.labels) || '</small>',
                (
                    select string_agg(
                        format('<br><a href="%1$s">%1$s</a>', monitoring_internal.escape_html(target)), '')
                    from unnest(alert.links) as target
                ), '</div>'), '' order by alert.place)
            from monitoring_internal.mail_alerts(p_event) as alert
        ),
        '<p>and ' || monitoring_internal.mail_rest(p_event) || '</p>',
        '<p><small>Sent by pgvigil',
        monitoring_internal.escape_html(' for ' || (p_event #>> '{data,tenant}')), '</small></p></body></html>');
$$;

comment on function monitoring_internal.mail_html(jsonb) is 'An event as the HTML part of a mail.';

-- A mail. Its Message-ID is that of the message, whatever attempt or replay; what is about the same thing refers to
-- one root that no mail has, and to the message before, so that mail programs show them together.
create or replace function monitoring_internal.render_mail(
    p_event jsonb, p_configuration jsonb, p_message_id uuid, p_previous_id uuid, p_key text, p_recipient text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with sent as (
        select sender.address, split_part(sender.address, '@', 2) as domain,
            '=_' || replace(p_message_id::text, '-', '') as boundary
        from (select coalesce(p_configuration ->> 'from', 'pgvigil@localhost') as address) as sender
    ), named as (
        select format('<msg_%s@%s>', replace(p_message_id::text, '-', ''), sent.domain) as id,
            format('<msg_%s@%s>', replace(p_previous_id::text, '-', ''), sent.domain) as previous,
            format('<key_%s@%s>', md5(concat_ws(' ', p_key, p_event #>> '{data,tenant}', sent.address)), sent.domain)
                as root
        from sent
    )
    select concat_ws(E'\r\n',
        'From: pgvigil <' || sent.address || '>',
        'To: ' || coalesce((
            select string_agg('<' || listed.recipient || '>', E',\r\n ' order by listed.recipient collate "C")
            from monitoring_internal.recipients(p_configuration, p_recipient) as listed
            where monitoring_internal.is_mail_address(listed.recipient)), 'undisclosed-recipients:;'),
        'Subject: ' || monitoring_internal.mime_words(
            monitoring_internal.shorten(monitoring_internal.notification_title(p_event), 200)),
        'Date: ' || to_char((p_event ->> 'timestamp')::timestamptz at time zone 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS')
            || ' +0000',
        'Message-ID: ' || named.id,
        'In-Reply-To: ' || case when p_previous_id is null then named.root else named.previous end,
        'References: ' || named.root || case when p_previous_id is null then '' else E'\r\n ' || named.previous end,
        'Auto-Submitted: auto-generated',
        case when p_event #>> '{data,status}' = 'firing' and p_event #>> '{data,severity}' = 'critical'
            then 'Importance: high' end,
        'MIME-Version: 1.0',
        'Content-Type: multipart/alternative;', format(' boundary="%s"', sent.boundary), '',
        part.text || format('--%s--', sent.boundary), '')
    from sent
    cross join named
    cross join lateral (
        select string_agg(concat_ws(E'\r\n', '--' || sent.boundary,
            format('Content-Type: text/%s; charset=utf-8', shown.kind), 'Content-Transfer-Encoding: base64', '',
            monitoring_internal.mime_base64(shown.text)), '' order by shown.place) as text
        from (values (1, 'plain', monitoring_internal.mail_plain(p_event)),
            (2, 'html', monitoring_internal.mail_html(p_event))) as shown (place, kind, text)
    ) as part;
$$;

comment on function monitoring_internal.render_mail(jsonb, jsonb, uuid, uuid, text, text) is
    'An event as a mail: of a message, after the one before of the same group, about what a key names, for the '
    'recipients of the channel or one person.';
