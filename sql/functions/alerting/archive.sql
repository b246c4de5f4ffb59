-- alerting/archive.sql: closed alerts move to the archive, and alerts are found by words.
-- Owns archive_alerts_at, archive_alerts, search_alerts. Writes alerts, alerts_archive.
-- Concurrency: a row is moved by one caller; alerts that are open are not touched.

-- Move the alerts that were closed longer ago than setting alerting.archive_after; gives back how many.
create or replace function monitoring_internal.archive_alerts_at(p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_moved bigint;
begin
    -- The audit calls it so, and not a deletion.
    perform set_config('pgvigil.archiving', 'on', true);
    with moved as (
        delete from monitoring.alerts as alert
        where alert.status = 'resolved'
            and alert.resolved_at < p_now - monitoring_internal.setting_interval('alerting.archive_after')
        returning alert.*
    )
    insert into monitoring.alerts_archive (
        id, tenant_id, alert_rule_id, rule_no, rule_name, label_key, labels, alert_title, alert_message,
        severity, max_severity, status, metric_name, trigger_value, threshold_value, last_value,
        affected_components, related_metrics, suggested_actions, runbook_url, first_breach_at, triggered_at,
        first_acknowledged_at, acknowledged_at, acknowledged_by, acknowledged_role, acknowledged_until,
        resolved_at, resolved_by, resolved_role, resolved_value, resolution_reason, resolution_notes,
        suppressed_by, suppressed_since, reopen_count, is_flapping, is_storm, storm_count, changes,
        notifications_sent, last_notification_at, notification_count, evidence, created_at, updated_at,
        archived_at)
    select
        id, tenant_id, alert_rule_id, rule_no, rule_name, label_key, labels, alert_title, alert_message, severity,
        max_severity, status, metric_name, trigger_value, threshold_value, last_value, affected_components,
        related_metrics, suggested_actions, runbook_url, first_breach_at, triggered_at,
        first_acknowledged_at, acknowledged_at, acknowledged_by, acknowledged_role, acknowledged_until,
        resolved_at, resolved_by, resolved_role, resolved_value, resolution_reason, resolution_notes,
        suppressed_by, suppressed_since, reopen_count, is_flapping, is_storm, storm_count, changes,
        notifications_sent, last_notification_at, notification_count, evidence, created_at, updated_at,
        p_now
    from moved;
    get diagnostics v_moved = row_count;
    perform set_config('pgvigil.archiving', '', true);
    return v_moved;
end;
$$;

comment on function monitoring_internal.archive_alerts_at(timestamptz) is
    'archive_alerts as of a time, for tests and replay.';

-- The same now.
create or replace function monitoring.archive_alerts()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.archive_alerts_at(clock_timestamp());
$$;

comment on function monitoring.archive_alerts() is
    'Moves alerts that were closed longer ago than setting alerting.archive_after to alerts_archive; open ones stay, '
    'however old. Returns how many were moved.';

-- Alerts whose title, message, notes or labels hold the words, newest first, of the tenants that the caller sees.
-- Here and not in a query of the reader's: the search of words is not leakproof, so that a row policy would keep it off
-- its index. Units: severity and status null for any; max_rows at most 1000.
-- Raises: PV981 nothing to look for.
create or replace function monitoring.search_alerts(
    query text, start_at timestamptz default null, end_at timestamptz default null, severity text default null,
    status text default null, max_rows integer default 50)
returns table (
    alert_id uuid, business_id uuid, rule_name text, alert_title text, alert_message text, alert_severity text,
    alert_status text, labels jsonb, triggered_at timestamptz, resolved_at timestamptz, is_archived boolean)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_words constant tsquery := websearch_to_tsquery('simple', search_alerts.query);
    v_tenants constant uuid[] := monitoring.visible_tenant_ids();
    v_rows constant integer := least(greatest(coalesce(search_alerts.max_rows, 50), 1), 1000);
begin
    if numnode(v_words) is distinct from 0 and v_words is not null then
        return query
            select found.id, found.tenant_id, found.rule_name, found.alert_title, found.alert_message, found.severity,
                found.status, found.labels, found.triggered_at, found.resolved_at, found.is_archived
            from (
                select alert.id, alert.tenant_id, alert.rule_name, alert.alert_title, alert.alert_message,
                    alert.severity, alert.status, alert.labels, alert.triggered_at, alert.resolved_at,
                    false as is_archived
                from monitoring.alerts as alert
                where to_tsvector(
                        'simple', alert.alert_title || ' ' || alert.alert_message || ' '
                        || coalesce(alert.resolution_notes, ''))
                    || to_tsvector('simple', alert.labels) @@ v_words
                union all
                select old.id, old.tenant_id, old.rule_name, old.alert_title, old.alert_message, old.severity,
                    old.status, old.labels, old.triggered_at, old.resolved_at, true
                from monitoring.alerts_archive as old
                where to_tsvector(
                        'simple', old.alert_title || ' ' || old.alert_message || ' '
                        || coalesce(old.resolution_notes, ''))
                    || to_tsvector('simple', old.labels) @@ v_words
            ) as found
            where found.tenant_id = any (v_tenants)
                and (search_alerts.start_at is null or found.triggered_at >= search_alerts.start_at)
                and (search_alerts.end_at is null or found.triggered_at < search_alerts.end_at)
                and (search_alerts.severity is null or found.severity = search_alerts.severity)
                and (search_alerts.status is null or found.status = search_alerts.status)
            order by found.triggered_at desc, found.id
            limit v_rows;
        return;
    end if;
    raise exception using
        errcode = 'PV981',
        message = 'there is no word to look for',
        hint = 'Give words, "a phrase", or exclude with -word: select * from monitoring.search_alerts(''disk db1'').';
end;
$$;

comment on function monitoring.search_alerts(text, timestamptz, timestamptz, text, text, integer) is
    'Alerts, archived ones too, whose title, message, notes or labels hold all of the words ("a phrase", or, -word as '
    'in a web search), newest first.';
