-- notify/message.sql: what a message says.
-- Owns notification_event_type, wants_event, iso_time, alert_facts, event_bodies_at.
-- Reads only; any number of callers at once.

-- The type of an event by the reason of its message.
create or replace function monitoring_internal.notification_event_type(p_reason text)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_reason = 'all_resolved' then 'alert.resolved'
        when p_reason = 'some_resolved' then 'alert.updated'
        when p_reason = 'repeat' then 'alert.repeated'
        when p_reason = 'rate_limit' then 'alert.summary'
        when p_reason like 'escalation%' then 'alert.escalated'
        else 'alert.fired'
    end;
end;

comment on function monitoring_internal.notification_event_type(text) is
    'alert.fired, alert.updated, alert.resolved, alert.repeated, alert.summary or alert.escalated.';

-- Whether an endpoint wants a type of event; without a list it wants all.
create or replace function monitoring_internal.wants_event(p_event_types jsonb, p_event_type text)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(p_event_types, '[]') = '[]' or exists (
        select
        from jsonb_array_elements_text(p_event_types) as wanted (type)
        where wanted.type in ('*', p_event_type)
            or (right(wanted.type, 2) = '.*' and starts_with(p_event_type, left(wanted.type, -1))));
$$;

comment on function monitoring_internal.wants_event(jsonb, text) is
    'Whether a list of event types has one, by name or as "alert.*"; an empty list has all.';

-- A time as receivers read it.
create or replace function monitoring_internal.iso_time(p_at timestamptz)
returns text
language sql stable parallel safe
begin atomic
    select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
end;

comment on function monitoring_internal.iso_time(timestamptz) is 'A time in UTC as ISO 8601 writes it.';

-- What a message says about an alert.
create or replace function monitoring_internal.alert_facts(p_alert monitoring.alerts, p_link_base text)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'id', p_alert.id, 'rule', p_alert.rule_name, 'title', p_alert.alert_title, 'message', p_alert.alert_message,
        'severity', p_alert.severity, 'max_severity', nullif(p_alert.max_severity, p_alert.severity),
        'status', p_alert.status, 'labels', p_alert.labels,
        'metric', p_alert.metric_name, 'value', p_alert.last_value, 'trigger_value', p_alert.trigger_value,
        'threshold', p_alert.threshold_value, 'started_at', monitoring_internal.iso_time(p_alert.first_breach_at),
        'triggered_at', monitoring_internal.iso_time(p_alert.triggered_at),
        'acknowledged_at', monitoring_internal.iso_time(p_alert.acknowledged_at))
        || jsonb_build_object(
            'resolved_at', monitoring_internal.iso_time(p_alert.resolved_at), 'resolved_value', p_alert.resolved_value,
            'resolution_reason', p_alert.resolution_reason, 'runbook_url', p_alert.runbook_url,
            'is_flapping', nullif(p_alert.is_flapping, false), 'is_storm', nullif(p_alert.is_storm, false),
            'storm_count', p_alert.storm_count, 'affected_components', nullif(p_alert.affected_components, '[]'),
            'suggested_actions', nullif(p_alert.suggested_actions, '[]'),
            'link', nullif(p_link_base, '') || '/alerts/' || p_alert.id));
$$;

comment on function monitoring_internal.alert_facts(monitoring.alerts, text) is
    'An alert as the JSON object that events carry.';

-- The events of messages that are sent: {"type", "timestamp", "data"}, of each at most notify.max_alerts alerts, the
-- worst and oldest first.
create or replace function monitoring_internal.event_bodies_at(
    p_now timestamptz, p_sends monitoring_internal.notification_send[])
returns table (message_id uuid, event_type text, severity text, body jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with told as (
        select send.message_id, alert.status, alert.severity,
            case when row_number() over (partition by send.message_id order by alert.status = 'resolved',
                    monitoring_internal.severity_level(alert.severity) desc, alert.triggered_at, alert.id)
                <= (select monitoring_internal.setting_integer('notify.max_alerts'))
            then monitoring_internal.alert_facts(
                alert, (select monitoring_internal.setting_text('notify.link_base'))) end as facts
        from unnest(p_sends) as send
        cross join unnest(send.told || send.resolved) as item (alert_id)
        inner join monitoring.alerts as alert on alert.id = item.alert_id and alert.tenant_id = send.tenant_id
        where send.outcome = 'sent'
    ), listed as (
        select told.message_id, jsonb_agg(told.facts) filter (where told.facts is not null) as alerts,
            count(*) as told_count, count(told.facts) as listed_count,
            count(*) filter (where told.status = 'resolved') as resolved_count,
            max(monitoring_internal.severity_level(told.severity)) as level
        from told
        group by told.message_id
    )
    select listed.message_id, monitoring_internal.notification_event_type(send.reason), worst.severity,
        jsonb_build_object(
            'type', monitoring_internal.notification_event_type(send.reason),
            'timestamp', monitoring_internal.iso_time(p_now),
            'data', jsonb_strip_nulls(jsonb_build_object(
                'reason', send.reason,
                'status', case when listed.resolved_count = listed.told_count then 'resolved' else 'firing' end,
                'severity', worst.severity, 'tenant', tenant.name, 'channel', channel.channel_name,
                'group', jsonb_build_object('key', send.group_id, 'labels', grouping.labels),
                'firing', greatest(cardinality(send.firing), listed.told_count - listed.resolved_count),
                'resolved', listed.resolved_count, 'alerts', listed.alerts,
                'truncated', nullif(listed.told_count - listed.listed_count, 0), 'detail', send.detail)))
    from listed
    inner join unnest(p_sends) as send using (message_id)
    inner join monitoring.notification_channels as channel on channel.id = send.channel_id
    left join monitoring.notification_groups as grouping using (group_id)
    left join monitoring.tenants as tenant on tenant.tenant_id = send.tenant_id
    cross join lateral (
        select (array['low', 'medium', 'high', 'critical'])[listed.level] as severity) as worst;
$$;

comment on function monitoring_internal.event_bodies_at(
    timestamptz, monitoring_internal.notification_send[]) is
    'The events of messages that are sent, with their alerts; what is beyond notify.max_alerts is counted.';
