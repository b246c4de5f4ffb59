-- views/quiet.sql: open alerts as matchers see them, silences and windows as they stand, groups of alerts.

create or replace view monitoring_internal.open_alerts as
select alert.id, alert.tenant_id, alert.rule_no, alert.triggered_at,
    coalesce(rule.labels, '{}') || alert.labels || jsonb_build_object(
        'rule_name', alert.rule_name, 'severity', alert.severity, 'metric_name', alert.metric_name,
        'rule_category', rule.rule_category) as document
from monitoring.alerts as alert
left join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no
where alert.status <> 'resolved';

comment on view monitoring_internal.open_alerts is
    'Open alerts with what matchers ask: the rule''s labels, the alert''s, and its own names.';

create or replace view monitoring.silences with (security_invoker = true) as
select
    silence.silence_id, silence.tenant_id, tenant.name as tenant_name, span.state,
    case when span.state = 'expired' then 0 else coalesce(matched.alerts, 0) end as matched_alerts,
    silence.matchers, silence.comment, silence.created_by, silence.created_at, silence.starts_at, silence.ends_at,
    span.active_from, span.active_until, silence.schedule, silence.duration,
    coalesce(silence.time_zone, tenant.time_zone, 'UTC') as time_zone, silence.expires_when_unmatched_for,
    silence.last_matched_at, silence.ended_by, silence.end_reason,
    case
        when span.state = 'active' and matched.alerts > 0 and span.active_until <= clock.now_at + interval '1 hour'
            then 'ends soon while alerts are open'
        when span.state <> 'expired' and coalesce(matched.alerts, 0) = 0
            and greatest(silence.last_matched_at, silence.starts_at) < clock.now_at - interval '7 days'
            then 'unused for a week'
        when span.state = 'active' and silence.ends_at is null then 'without an end'
    end as attention
from monitoring.alert_silences as silence
left join monitoring.tenants as tenant on tenant.tenant_id = silence.tenant_id
left join monitoring_internal.silence_matches() as matched on matched.silence_id = silence.silence_id
cross join (select clock_timestamp() as now_at) as clock
cross join lateral monitoring_internal.window_state(
    silence.starts_at, silence.ends_at, silence.schedule, silence.duration,
    coalesce(silence.time_zone, tenant.time_zone, 'UTC'), clock.now_at) as span;

comment on view monitoring.silences is
    'Silences as they stand: state pending, active or expired (one that recurs is pending in between), how many open '
    'alerts each means, and what deserves a look: those unused, without an end, or ending soon while what they '
    'withhold goes on.';

create or replace view monitoring.maintenance with (security_invoker = true) as
select
    work.maintenance_window_id, work.tenant_id, tenant.name as tenant_name, work.name, work.description, span.state,
    span.active_from, span.active_until, work.targets, work.matchers, work.is_whole_tenant, work.starts_at,
    work.ends_at, work.schedule, work.duration, coalesce(work.time_zone, tenant.time_zone, 'UTC') as time_zone,
    work.created_by,
    case when span.state = 'active' then (
        select count(*) from monitoring.alerts as alert
        where alert.status <> 'resolved'
            and alert.suppressed_by @> jsonb_build_array(
                jsonb_build_object('kind', 'maintenance', 'id', work.maintenance_window_id))
    ) else 0 end as withheld_alerts
from monitoring.maintenance_windows as work
left join monitoring.tenants as tenant on tenant.tenant_id = work.tenant_id
cross join (select clock_timestamp() as now_at) as clock
cross join lateral monitoring_internal.window_state(
    work.starts_at, work.ends_at, work.schedule, work.duration,
    coalesce(work.time_zone, tenant.time_zone, 'UTC'), clock.now_at) as span;

comment on view monitoring.maintenance is
    'Planned work as it stands: state pending, active or expired, the span in force now or next, and how many open '
    'alerts it withholds.';
