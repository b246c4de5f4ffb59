-- notify/pagers.sql: what pagers are told besides the messages of groups, so that their incidents follow.
-- Owns pager_changes_at, tell_pagers_at. Writes outbox_messages, deliveries.
-- Concurrency: called by the pass that tells of alerts, of which there is one at a time.

-- Incidents of pagers that somebody took, or whose alert is over, by transitions of this pass or by hand since the last
-- one: those of groups once all that fires in them is taken, those that an escalation opened by their one alert. The
-- end of a group's incident is told with the group.
create or replace function monitoring_internal.pager_changes_at(
    p_now timestamptz, p_pass_id bigint, p_since timestamptz)
returns table (
    tenant_id uuid, channel_id uuid, incident_key text, status text, alert_ids uuid[], dedup_key text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with changed as (
        select alert.id, alert.tenant_id, alert.notifications_sent, transition.transition as status,
            max(transition.occurred_at) as changed_at
        from monitoring.alert_transitions as transition
        inner join monitoring.alerts as alert on alert.id = transition.alert_id
        where transition.occurred_at > p_since - interval '1 min' and transition.occurred_at <= p_now
            and (transition.pass_id = p_pass_id or transition.pass_id is null)
            and case transition.transition
                when 'acknowledged' then alert.status <> 'resolved' and alert.acknowledged_until is not null
                when 'resolved' then alert.status = 'resolved' end
        group by alert.id, alert.tenant_id, alert.notifications_sent, transition.transition
    ), incident as (
        select changed.tenant_id, (entry.facts ->> 'channel_id')::uuid as channel_id, 'alert/' || changed.id as key,
            changed.status, array[changed.id] as alert_ids, changed.changed_at
        from changed
        cross join jsonb_array_elements(changed.notifications_sent) as entry (facts)
        where entry.facts ->> 'reason' like 'escalation%'
        union
        select changed.tenant_id, log.channel_id, 'group/' || log.group_id, changed.status, log.firing,
            max(changed.changed_at)
        from changed
        inner join monitoring.notification_members as member on member.alert_id = changed.id
        inner join monitoring.notification_log as log on log.group_id = member.group_id
        where changed.status = 'acknowledged' and changed.id = any (log.firing)
            and not exists (
                select from monitoring.alerts as other
                where other.id = any (log.firing) and other.status <> 'resolved' and other.acknowledged_until is null)
        group by changed.tenant_id, log.channel_id, log.group_id, changed.status, log.firing
    )
    select incident.tenant_id, channel.id, incident.key, incident.status, incident.alert_ids, named.text
    from incident
    inner join monitoring.notification_channels as channel
        on channel.id = incident.channel_id and channel.channel_type = 'pagerduty' and channel.is_active
    cross join lateral (
        select concat_ws('/', incident.key, channel.id, incident.status,
            extract(epoch from incident.changed_at)) as text) as named
    where not exists (select from monitoring.outbox_messages as message where message.dedup_key = named.text);
$$;

comment on function monitoring_internal.pager_changes_at(timestamptz, bigint, timestamptz) is
    'Incidents of pagers to be acknowledged or resolved, of transitions of a pass or by hand since a time.';

-- Acknowledge and resolve incidents of pagers; returns how many.
create or replace function monitoring_internal.tell_pagers_at(
    p_now timestamptz, p_pass_id bigint, p_since timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_message_ids uuid[];
begin
    if monitoring_internal.is_replay() or not exists (
        select from monitoring.notification_channels as channel
        where channel.channel_type = 'pagerduty' and channel.is_active)
    then
        return 0;
    end if;
    with written as (
        insert into monitoring.outbox_messages (
            message_id, created_at, tenant_id, event_type, reason, severity, channel_id, destination_id, dedup_key,
            ordering_key, alert_ids, body)
        select gen_random_uuid(), p_now, incident.tenant_id, 'alert.' || incident.status, incident.status,
            told.severity, incident.channel_id, incident.channel_id, incident.dedup_key, incident.incident_key,
            incident.alert_ids, monitoring_internal.render_pagerduty(jsonb_build_object(
                'type', 'alert.' || incident.status, 'timestamp', monitoring_internal.iso_time(p_now),
                'data', jsonb_build_object('reason', incident.status, 'status', incident.status,
                    'severity', told.severity, 'alerts', told.alerts)), incident.incident_key)::text
        from monitoring_internal.pager_changes_at(p_now, p_pass_id, p_since) as incident
        cross join lateral (
            select (array['low', 'medium', 'high', 'critical'])[
                    max(monitoring_internal.severity_level(alert.severity))] as severity,
                jsonb_agg(monitoring_internal.alert_facts(
                    alert, monitoring_internal.setting_text('notify.link_base')) order by alert.id) as alerts
            from monitoring.alerts as alert
            where alert.id = any (incident.alert_ids) and alert.tenant_id = incident.tenant_id) as told
        returning message_id
    )
    select array_agg(written.message_id) into v_message_ids from written;
    if v_message_ids is null then
        return 0;
    end if;
    perform monitoring_internal.queue_deliveries_at(p_now, v_message_ids);
    return cardinality(v_message_ids);
end;
$$;

comment on function monitoring_internal.tell_pagers_at(timestamptz, bigint, timestamptz) is
    'Acknowledges and resolves incidents of pagers, as their alerts are; returns how many.';
