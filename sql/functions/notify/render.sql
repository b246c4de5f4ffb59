-- notify/render.sql: events as chat, pagers and Alertmanager want them, within the limits of their receivers.
-- Owns shorten, notification_title, alert_line, render_slack, render_teams, render_pagerduty, render_alertmanager,
-- render_notification. Pure: any number of callers at once.

-- A text of at most so many characters.
create or replace function monitoring_internal.shorten(p_text text, p_length integer)
returns text
language sql immutable parallel safe
begin atomic
    select case when length(p_text) > p_length then left(p_text, p_length - 1) || '…' else p_text end;
end;

comment on function monitoring_internal.shorten(text, integer) is 'A text cut to a length, with an ellipsis.';

-- One line about an event.
create or replace function monitoring_internal.notification_title(p_event jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat(
        case
            when p_event #>> '{data,reason}' = 'rate_limit' then 'Held back until now: '
            when p_event #>> '{data,status}' in ('resolved', 'acknowledged')
                then initcap(p_event #>> '{data,status}') || ': '
            else initcap(p_event #>> '{data,severity}') || ': '
        end,
        coalesce(p_event #>> '{data,alerts,0,title}', p_event ->> 'type'),
        ' and ' || nullif(jsonb_array_length(coalesce(p_event #> '{data,alerts}', '[null]')) - 1
            + coalesce((p_event #>> '{data,truncated}')::integer, 0), 0) || ' more',
        case p_event #>> '{data,reason}'
            when 'repeat' then ' (still so)' when 'flapping' then ' (flapping)' when 'storm' then ' (storm)'
            when 'no_data' then ' (no data)' when 'escalation' then ' (escalated)' end);
$$;

comment on function monitoring_internal.notification_title(jsonb) is 'An event in one line.';

-- One line about an alert of an event.
create or replace function monitoring_internal.alert_line(p_alert jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat(
        case p_alert ->> 'status' when 'resolved' then 'resolved' else p_alert ->> 'severity' end, ': ',
        p_alert ->> 'title', nullif(' - ' || (p_alert ->> 'message'), ' - '),
        ' (since ' || (p_alert ->> 'started_at') || ')', ' ' || (p_alert ->> 'link'),
        ' ' || (p_alert ->> 'runbook_url'));
$$;

comment on function monitoring_internal.alert_line(jsonb) is 'An alert of an event in one line.';

-- Slack: a header of 150 characters, and one section of 3000, in which &, < and > are escaped.
create or replace function monitoring_internal.render_slack(p_event jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with escaped as (
        select monitoring_internal.notification_title(p_event) as title,
            replace(replace(replace(
                coalesce(string_agg('• ' || monitoring_internal.alert_line(alert.facts), E'\n'), ''),
                '&', '&amp;'), '<', '&lt;'), '>', '&gt;') as lines
        from jsonb_array_elements(coalesce(p_event #> '{data,alerts}', '[]')) as alert (facts)
    )
    select jsonb_build_object(
        'text', monitoring_internal.shorten(
            replace(replace(replace(escaped.title, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), 3000),
        'blocks', jsonb_build_array(jsonb_build_object('type', 'header', 'text', jsonb_build_object(
                'type', 'plain_text', 'text', monitoring_internal.shorten(escaped.title, 150))))
            || case when escaped.lines = '' then '[]' else jsonb_build_array(jsonb_build_object(
                'type', 'section', 'text', jsonb_build_object(
                    'type', 'mrkdwn', 'text', monitoring_internal.shorten(escaped.lines, 3000)))) end)
    from escaped;
$$;

comment on function monitoring_internal.render_slack(jsonb) is 'An event as a message of Slack.';

-- Microsoft Teams: an adaptive card; a message may have 28 kB, of which each alert gets a share.
create or replace function monitoring_internal.render_teams(p_event jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object('type', 'message', 'attachments', jsonb_build_array(jsonb_build_object(
        'contentType', 'application/vnd.microsoft.card.adaptive',
        'content', jsonb_build_object(
            '$schema', 'http://adaptivecards.io/schemas/adaptive-card.json', 'type', 'AdaptiveCard', 'version', '1.4',
            'body', jsonb_build_array(jsonb_build_object(
                    'type', 'TextBlock', 'size', 'Large', 'weight', 'Bolder', 'wrap', true,
                    'color', case when p_event #>> '{data,status}' = 'resolved' then 'Good'
                        when p_event #>> '{data,severity}' in ('critical', 'high') then 'Attention' else 'Warning' end,
                    'text', monitoring_internal.shorten(monitoring_internal.notification_title(p_event), 300)))
                || coalesce((
                    select jsonb_agg(jsonb_build_object('type', 'TextBlock', 'wrap', true,
                        'text', monitoring_internal.shorten(monitoring_internal.alert_line(alert.facts), 400))
                        order by alert.place)
                    from jsonb_array_elements(p_event #> '{data,alerts}') with ordinality as alert (facts, place)
                    where alert.place <= 15), '[]')))));
$$;

comment on function monitoring_internal.render_teams(jsonb) is 'An event as an adaptive card of Microsoft Teams.';

-- PagerDuty Events v2: a group is an incident by its key; {{secret}} is put in by the service. A summary has 1024
-- characters, a key 255, all of it 512 kB.
create or replace function monitoring_internal.render_pagerduty(p_event jsonb, p_key text)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'routing_key', '{{secret}}',
        'event_action', case p_event #>> '{data,status}'
            when 'resolved' then 'resolve' when 'acknowledged' then 'acknowledge' else 'trigger' end,
        'dedup_key', left(p_key, 255),
        'client', 'pgvigil',
        'payload', jsonb_build_object(
            'summary', monitoring_internal.shorten(monitoring_internal.notification_title(p_event), 1024),
            'source', coalesce(
                p_event #>> '{data,alerts,0,labels,host}', p_event #>> '{data,alerts,0,labels,server}', 'pgvigil'),
            'severity', case p_event #>> '{data,severity}' when 'critical' then 'critical' when 'high' then 'error'
                when 'medium' then 'warning' else 'info' end,
            'timestamp', p_event ->> 'timestamp', 'class', p_event #>> '{data,alerts,0,rule}',
            'custom_details', jsonb_build_object(
                'firing', p_event #> '{data,firing}', 'resolved', p_event #> '{data,resolved}',
                'alerts', (
                    select jsonb_agg(monitoring_internal.shorten(monitoring_internal.alert_line(alert.facts), 1000))
                    from jsonb_array_elements(p_event #> '{data,alerts}') with ordinality as alert (facts, place)
                    where alert.place <= 100))),
        'links', (
            select jsonb_agg(jsonb_build_object('href', link.target, 'text', link.name))
            from (values (p_event #>> '{data,alerts,0,link}', 'alert'),
                (p_event #>> '{data,alerts,0,runbook_url}', 'runbook')) as link (target, name)
            where link.target is not null)));
$$;

comment on function monitoring_internal.render_pagerduty(jsonb, text) is
    'An event as PagerDuty''s Events API v2 takes it; the service puts the routing key in the place of {{secret}}.';

-- Alertmanager v2: the alerts one by one, known by their labels. What fires is said to last a week, since Alertmanager
-- takes it for over after minutes otherwise. The highest severity is a label, so that one that falls stays the same
-- alert; where it rises, the alert of the severity before ends.
create or replace function monitoring_internal.render_alertmanager(p_event jsonb)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'labels', (
            select coalesce(jsonb_object_agg(regexp_replace(label.key, '[^a-zA-Z0-9_]', '_', 'g'), label.value), '{}')
            from jsonb_each_text(alert.facts -> 'labels') as label)
            || jsonb_build_object('alertname', alert.facts ->> 'rule', 'severity', known.severity,
                'tenant', p_event #>> '{data,tenant}'),
        'annotations', jsonb_build_object('summary', alert.facts ->> 'title', 'description', alert.facts ->> 'message',
            'runbook_url', alert.facts ->> 'runbook_url'),
        'startsAt', alert.facts ->> 'started_at',
        'endsAt', case when not known.is_own then p_event ->> 'timestamp'
            else coalesce(alert.facts ->> 'resolved_at', monitoring_internal.iso_time(
                (p_event ->> 'timestamp')::timestamptz + interval '7 days')) end,
        'generatorURL', alert.facts ->> 'link')) order by alert.place, known.is_own desc, known.level), '[]')
    from jsonb_array_elements(coalesce(p_event #> '{data,alerts}', '[]')) with ordinality as alert (facts, place)
    cross join lateral (
        select coalesce(alert.facts ->> 'max_severity', alert.facts ->> 'severity') as severity) as own
    cross join lateral (
        select own.severity, 0::bigint as level, true as is_own
        union all
        select lower.severity, lower.level, false
        from unnest(array['low', 'medium', 'high', 'critical']) with ordinality as lower (severity, level)
        where p_event #>> '{data,reason}' in ('severity_raised', 'rate_limit')
            and lower.level < array_position(array['low', 'medium', 'high', 'critical'], own.severity)
    ) as known;
$$;

comment on function monitoring_internal.render_alertmanager(jsonb) is
    'The alerts of an event as Alertmanager''s API v2 takes them.';

-- An event as a channel wants it; webhooks get the event itself.
create or replace function monitoring_internal.render_notification(p_channel_type text, p_event jsonb, p_key text)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case p_channel_type
        when 'slack' then monitoring_internal.render_slack(p_event)
        when 'teams' then monitoring_internal.render_teams(p_event)
        when 'pagerduty' then monitoring_internal.render_pagerduty(p_event, p_key)
        when 'alertmanager' then monitoring_internal.render_alertmanager(p_event)
        else p_event
    end;
$$;

comment on function monitoring_internal.render_notification(text, jsonb, text) is
    'An event as a channel of a type wants it; the key is that of the incident.';
