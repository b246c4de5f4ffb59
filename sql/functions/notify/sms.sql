-- notify/sms.sql: events as text messages, and the request by which a provider takes them.
-- Owns sms_settings, sms_text, render_sms, percent_encode, sms_request, address_sms.
-- Pure: any number of callers at once.

-- A channel's configuration with what its preset says where it says nothing itself.
create or replace function monitoring_internal.sms_settings(p_configuration jsonb)
returns jsonb
language sql immutable parallel safe
begin atomic
    select case p_configuration ->> 'preset'
        when 'twilio' then '{"format": "form", "body": {"To": "{{to}}", "From": "{{from}}", "Body": "{{text}}"}}'
        when 'json' then '{"format": "json", "body": {"to": "{{to}}", "from": "{{from}}", "text": "{{text}}"}}'
        else '{"format": "json"}'
    end::jsonb || p_configuration;
end;

comment on function monitoring_internal.sms_settings(jsonb) is
    'The configuration of an SMS channel, completed by its preset: twilio or json.';

-- A text that fits into so many segments: 160 characters of the alphabet of GSM, or 70 others; of several segments
-- each has room for a few less. What telephones know by another sign is written by that, as it costs half.
create or replace function monitoring_internal.sms_text(p_text text, p_segments integer)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with clean as (
        select trim(translate(regexp_replace(replace(p_text, '…', '...'), '[[:cntrl:][:space:]]+', ' ', 'g'),
            '“”„‘’‚–—−•·', '"""''''''---**')) as text
    ), sign as (
        select letter.place, letter.text,
            case
                when position(letter.text in '@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&''()*+,-./0123456789:;<=>?¡'
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà') > 0 then 1
                when position(letter.text in '^{}\[~]|€') > 0 then 2
            end as gsm_units
        from clean
        cross join string_to_table(clean.text, null) with ordinality as letter (text, place)
    ), counted as (
        select sign.place, sign.text,
            sum(case when alphabet.is_gsm then sign.gsm_units when ascii(sign.text) > 65535 then 2 else 1 end)
                over (order by sign.place) as units,
            case
                when alphabet.is_gsm then case p_segments when 1 then 160 else 152 * p_segments end
                else case p_segments when 1 then 70 else 66 * p_segments end
            end as room
        from sign
        cross join (select bool_and(other.gsm_units is not null) as is_gsm from sign as other) as alphabet
    )
    select case when count(*) = 0 then ''
        when max(counted.units) <= max(counted.room) then string_agg(counted.text, '' order by counted.place)
        else rtrim(string_agg(counted.text, '' order by counted.place)
            filter (where counted.units <= counted.room - 3)) || '...' end
    from counted;
$$;

comment on function monitoring_internal.sms_text(text, integer) is
    'A text cut to what fits into so many segments of a text message.';

-- An event in a text message: its title and what its first alert says.
create or replace function monitoring_internal.render_sms(p_event jsonb, p_segments integer)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.sms_text(concat(
        monitoring_internal.notification_title(p_event),
        ' - ' || nullif(monitoring_internal.shorten(p_event #>> '{data,alerts,0,message}', 2000), ''),
        ' ' || (p_event #>> '{data,alerts,0,link}')), p_segments);
$$;

comment on function monitoring_internal.render_sms(jsonb, integer) is
    'An event as a text message of so many segments.';

-- A text as a form's value.
create or replace function monitoring_internal.percent_encode(p_text text)
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(string_agg(case when chr(byte.value) ~ '^[A-Za-z0-9_.~-]$' then chr(byte.value)
        else '%' || upper(lpad(to_hex(byte.value), 2, '0')) end, '' order by byte.place), '')
    from (
        select place, get_byte(convert_to(p_text, 'UTF8'), place) as value
        from generate_series(0, octet_length(convert_to(p_text, 'UTF8')) - 1) as place) as byte;
end;

comment on function monitoring_internal.percent_encode(text) is 'A text with all but letters, digits and _.~- as %XX.';

-- The request to a provider, with {{from}}, {{id}} and {{text}} put in; {{to}} is left for each recipient. What a text
-- says can neither end its place nor be taken for another: in a form { is encoded, in JSON written \u007b.
create or replace function monitoring_internal.sms_request(p_configuration jsonb, p_text text, p_message_id uuid)
returns table (content_type text, body text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with setting as (
        select told.settings, told.settings ->> 'from' as sender, 'msg_' || replace(p_message_id::text, '-', '') as id
        from (select monitoring_internal.sms_settings(p_configuration) as settings) as told
    )
    -- A body that says nothing is a message still: what raised it must not fail for it.
    select 'application/x-www-form-urlencoded', coalesce((
        select string_agg(monitoring_internal.percent_encode(field.key) || '=' || (
            select string_agg(
                monitoring_internal.percent_encode(replace(replace(replace(
                    piece.text, '{{from}}', coalesce(setting.sender, '')), '{{id}}', setting.id),
                    '{{text}}', p_text)), '{{to}}' order by piece.place)
            from string_to_table(field.value, '{{to}}') with ordinality as piece (text, place)), '&' order by field.key)
        from jsonb_each_text(setting.settings -> 'body') as field), '')
    from setting
    where setting.settings ->> 'format' = 'form'
    union all
    select 'application/json', replace(replace(replace(coalesce(setting.settings -> 'body', '{}')::text,
        '{{from}}', substr(quoted.sender, 2, length(quoted.sender) - 2)), '{{id}}', setting.id),
        '{{text}}', substr(quoted.text, 2, length(quoted.text) - 2))
    from setting
    cross join lateral (
        select replace(to_json(p_text)::text, '{', '\u007b') as text,
            replace(to_json(coalesce(setting.sender, ''))::text, '{', '\u007b') as sender) as quoted
    where setting.settings ->> 'format' is distinct from 'form';
$$;

comment on function monitoring_internal.sms_request(jsonb, text, uuid) is
    'Content type and body of the request that hands a text to a provider; {{to}} still stands for the recipient.';

-- The request for one recipient.
create or replace function monitoring_internal.address_sms(p_body text, p_content_type text, p_recipient text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select replace(p_body, '{{to}}', case p_content_type
        when 'application/json' then number.digits else monitoring_internal.percent_encode(number.digits) end)
    from (select regexp_replace(p_recipient, '[^+0-9]', '', 'g') as digits) as number;
$$;

comment on function monitoring_internal.address_sms(text, text, text) is
    'The body of a provider''s request with the recipient''s number in it.';
