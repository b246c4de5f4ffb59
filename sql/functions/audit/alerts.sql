-- audit/alerts.sql: the audit of alerts, of which fifty thousand may change in one statement.
-- Owns audit_alerts_made, audit_alerts_changed, audit_alerts_gone. Writes audit_logs.
-- Concurrency: rows are only added, in the transaction of the change.

-- Trigger, once a statement: alerts that were raised.
create or replace function monitoring_internal.audit_alerts_made()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.audit_logs (
        tenant_id, person_id, role_name, action, resource_type, resource_id, after)
    select made.tenant_id, person.person_id, caller.role_name, 'alert_created', 'alert', made.id::text,
        jsonb_build_object(
            'rule_name', made.rule_name, 'labels', made.labels, 'severity', made.severity, 'status', made.status,
            'value', made.trigger_value, 'threshold', made.threshold_value)
    from later_rows as made
    cross join (select monitoring_internal.caller_role() as role_name) as caller
    left join monitoring.people as person
        on person.role_name = caller.role_name and person.tenant_id = made.tenant_id;
    return null;
end;
$$;

comment on function monitoring_internal.audit_alerts_made() is 'Trigger: writes alert_created for each new alert.';

-- Trigger, once a statement: alerts that changed their state or severity. New values alone are no news here.
create or replace function monitoring_internal.audit_alerts_changed()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.audit_logs (
        tenant_id, person_id, role_name, action, resource_type, resource_id, before, after)
    select later.tenant_id, coalesce(later_person.person_id, person.person_id), caller.role_name,
        'alert_' || case
            when later.status = 'resolved' and former.status <> 'resolved' then 'resolved'
            when former.status = 'resolved' and later.status <> 'resolved' then 'reopened'
            when later.status = 'suppressed' and former.status <> 'suppressed' then 'suppressed'
            when former.status = 'suppressed' and later.status <> 'suppressed' then 'unsuppressed'
            when later.acknowledged_until is null and former.acknowledged_until is not null then 'unacknowledged'
            when later.acknowledged_at is distinct from former.acknowledged_at
                or later.acknowledged_until is distinct from former.acknowledged_until then 'acknowledged'
            when later.severity <> former.severity then 'severity_changed'
            else 'changed'
        end, 'alert', later.id::text,
        jsonb_build_object('status', former.status, 'severity', former.severity),
        jsonb_strip_nulls(jsonb_build_object(
            'status', later.status, 'severity', later.severity,
            'until', case when later.acknowledged_at is distinct from former.acknowledged_at
                then later.acknowledged_until end,
            'reason', case when later.status = 'resolved' then later.resolution_reason end,
            'notes', case when later.status = 'resolved' then later.resolution_notes end,
            'suppressed_by', case when later.status = 'suppressed' then later.suppressed_by end))
    from former_rows as former
    inner join later_rows as later using (id, created_at)
    cross join (select monitoring_internal.caller_role() as role_name) as caller
    left join monitoring.people as person
        on person.role_name = caller.role_name and person.tenant_id = later.tenant_id
    -- The people functions say who it was, also where somebody of the system tenant serves another.
    left join monitoring.people as later_person
        on later_person.person_id = case
            when later.status = 'resolved' and former.status <> 'resolved' then later.resolved_by
            when later.acknowledged_at is distinct from former.acknowledged_at then later.acknowledged_by
        end
    where (former.status, former.severity, former.acknowledged_at, former.acknowledged_until)
        is distinct from (later.status, later.severity, later.acknowledged_at, later.acknowledged_until);
    return null;
end;
$$;

comment on function monitoring_internal.audit_alerts_changed() is
    'Trigger: writes what happened to alerts whose state, severity or acknowledgement changed.';

-- Trigger, once a statement: alerts that were removed, or moved to the archive.
create or replace function monitoring_internal.audit_alerts_gone()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.audit_logs (tenant_id, role_name, action, resource_type, resource_id, before)
    select gone.tenant_id, monitoring_internal.caller_role(),
        case when current_setting('pgvigil.archiving', true) = 'on' then 'alert_archived' else 'alert_removed' end,
        'alert', gone.id::text,
        jsonb_build_object('rule_name', gone.rule_name, 'status', gone.status, 'severity', gone.severity)
    from former_rows as gone;
    return null;
end;
$$;

comment on function monitoring_internal.audit_alerts_gone() is
    'Trigger: writes alert_archived or alert_removed for each alert that went.';
