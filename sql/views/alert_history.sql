-- views/alert_history.sql: alerts as dashboards and reports ask for them, open, closed and archived.

create or replace view monitoring.alerts_dashboard with (security_invoker = true) as
select
    alert.tenant_id as business_id,
    alert.severity,
    count(*) as alert_count,
    min(alert.triggered_at) as oldest_alert,
    max(alert.triggered_at) as newest_alert,
    count(*) filter (where alert.acknowledged_at is null) as unacknowledged_count,
    array_agg(distinct alert.metric_name) filter (where alert.metric_name is not null) as affected_metrics
from monitoring.alerts as alert
where alert.status <> 'resolved'
group by alert.tenant_id, alert.severity;

comment on view monitoring.alerts_dashboard is
    'Open alerts, acknowledged and suppressed ones included, counted by tenant and severity.';
comment on column monitoring.alerts_dashboard.business_id is 'The tenant.';
comment on column monitoring.alerts_dashboard.severity is 'low, medium, high or critical.';
comment on column monitoring.alerts_dashboard.alert_count is 'How many are open.';
comment on column monitoring.alerts_dashboard.oldest_alert is 'When the oldest of them fired.';
comment on column monitoring.alerts_dashboard.newest_alert is 'When the newest of them fired.';
comment on column monitoring.alerts_dashboard.unacknowledged_count is 'How many of them nobody has taken.';
comment on column monitoring.alerts_dashboard.affected_metrics is 'Their metrics, each once.';

create or replace view monitoring.alert_history with (security_invoker = true) as
select
    alert.id, alert.tenant_id, alert.alert_rule_id, alert.rule_no, alert.rule_name, alert.labels, alert.alert_title,
    alert.alert_message, alert.severity, alert.max_severity, alert.status, alert.metric_name, alert.trigger_value,
    alert.threshold_value, alert.last_value, alert.first_breach_at, alert.triggered_at, alert.first_acknowledged_at,
    alert.acknowledged_at, alert.acknowledged_by, alert.resolved_at, alert.resolved_by, alert.resolved_value,
    alert.resolution_reason, alert.resolution_notes, alert.reopen_count, alert.notification_count, alert.created_at,
    null::timestamptz as archived_at
from monitoring.alerts as alert
union all
select
    old.id, old.tenant_id, old.alert_rule_id, old.rule_no, old.rule_name, old.labels, old.alert_title,
    old.alert_message, old.severity, old.max_severity, old.status, old.metric_name, old.trigger_value,
    old.threshold_value, old.last_value, old.first_breach_at, old.triggered_at, old.first_acknowledged_at,
    old.acknowledged_at, old.acknowledged_by, old.resolved_at, old.resolved_by, old.resolved_value,
    old.resolution_reason, old.resolution_notes, old.reopen_count, old.notification_count, old.created_at,
    old.archived_at
from monitoring.alerts_archive as old;

comment on view monitoring.alert_history is 'Every alert, open, closed and archived, without its evidence.';
comment on column monitoring.alert_history.id is
    'Name of the alert; key with tenant_id and created_at.';
comment on column monitoring.alert_history.tenant_id is
    'Whose alert it is.';
comment on column monitoring.alert_history.alert_rule_id is
    'The rule; null once that was dropped.';
comment on column monitoring.alert_history.rule_no is
    'Number of the rule.';
comment on column monitoring.alert_history.rule_name is
    'Name of the rule then.';
comment on column monitoring.alert_history.labels is
    'Labels of what it is about, and of the rule.';
comment on column monitoring.alert_history.alert_title is
    'One line.';
comment on column monitoring.alert_history.alert_message is
    'What is wrong, with the values it fired with.';
comment on column monitoring.alert_history.severity is
    'low, medium, high or critical; moves while the alert is open.';
comment on column monitoring.alert_history.max_severity is
    'The highest it had.';
comment on column monitoring.alert_history.status is
    'active, acknowledged, suppressed (nobody is told) or resolved.';
comment on column monitoring.alert_history.metric_name is
    'The metric; null for rules about several.';
comment on column monitoring.alert_history.trigger_value is
    'Value it fired with.';
comment on column monitoring.alert_history.threshold_value is
    'What that was compared with.';
comment on column monitoring.alert_history.last_value is
    'Value at its latest transition.';
comment on column monitoring.alert_history.first_breach_at is
    'First bad sample.';
comment on column monitoring.alert_history.triggered_at is
    'When it fired, first.';
comment on column monitoring.alert_history.first_acknowledged_at is
    'When somebody first took it.';
comment on column monitoring.alert_history.acknowledged_at is
    'When somebody took it last.';
comment on column monitoring.alert_history.acknowledged_by is
    'The person who did; null: none that is known.';
comment on column monitoring.alert_history.resolved_at is
    'When it ended.';
comment on column monitoring.alert_history.resolved_by is
    'The person who ended it; null: it ended by itself.';
comment on column monitoring.alert_history.resolved_value is
    'Value it ended with.';
comment on column monitoring.alert_history.resolution_reason is
    'cleared, manual, no_data, missing_series, rule_changed, rule_disabled (or dropped) or expired.';
comment on column monitoring.alert_history.resolution_notes is
    'What the one who ended it wrote.';
comment on column monitoring.alert_history.reopen_count is
    'How often it came back within the cooldown after its end.';
comment on column monitoring.alert_history.notification_count is
    'How many were made.';
comment on column monitoring.alert_history.created_at is
    'When the row was made: the pass that fired it.';
comment on column monitoring.alert_history.archived_at is 'When it was moved to the archive; null before.';

create or replace view monitoring.alert_logs with (security_invoker = true) as
select
    past.id as alert_id,
    past.tenant_id as business_id,
    past.alert_rule_id as rule_id,
    coalesce(past.labels ->> 'server', past.labels ->> 'instance', past.labels ->> 'host') as system_id,
    past.triggered_at,
    past.resolved_at,
    past.metric_name,
    past.trigger_value as actual_value,
    past.threshold_value,
    past.first_acknowledged_at is not null as is_acknowledged,
    past.acknowledged_by
from monitoring.alert_history as past;

comment on view monitoring.alert_logs is
    'The life of each alert in brief, for response times and accountability; archived ones included.';
comment on column monitoring.alert_logs.alert_id is 'The alert.';
comment on column monitoring.alert_logs.business_id is 'The tenant.';
comment on column monitoring.alert_logs.rule_id is 'Its rule; null once that is gone.';
comment on column monitoring.alert_logs.system_id is
    'What it is about: label server, else instance, else host; null for this server and for none.';
comment on column monitoring.alert_logs.triggered_at is 'When it fired.';
comment on column monitoring.alert_logs.resolved_at is 'When it was closed; null while it is open.';
comment on column monitoring.alert_logs.metric_name is 'The metric.';
comment on column monitoring.alert_logs.actual_value is 'The value when it fired.';
comment on column monitoring.alert_logs.threshold_value is 'What the value was compared with.';
comment on column monitoring.alert_logs.is_acknowledged is 'Whether somebody ever took it.';
comment on column monitoring.alert_logs.acknowledged_by is 'The person who took it last.';

create or replace view monitoring.alert_events with (security_invoker = true) as
select
    event.occurred_at as "time",
    event.alert_id,
    past.alert_rule_id as rule_id,
    event.tenant_id as business_id,
    coalesce(event.severity, past.severity) as severity,
    case
        when event.transition = 'resolved' then 'resolved'
        when event.transition in ('acknowledged') then 'acknowledged'
        else 'firing'
    end as status,
    event.transition,
    coalesce(past.labels ->> 'server', past.labels ->> 'instance', past.labels ->> 'host') as host_id,
    coalesce(past.labels ->> 'service', past.labels ->> 'job') as service_id,
    extract(epoch from event.occurred_at - past.triggered_at)::double precision as duration,
    (
        select count(*)
        from monitoring.alert_transitions as earlier
        where earlier.alert_id = event.alert_id and earlier.transition = 'escalated'
            and earlier.occurred_at <= event.occurred_at
    ) as escalation_level,
    coalesce(past.first_acknowledged_at <= event.occurred_at, false)::integer as acknowledged
from monitoring.alert_transitions as event
inner join monitoring.alert_history as past on past.id = event.alert_id;

comment on view monitoring.alert_events is 'What happened to each alert, as a series of events.';
comment on column monitoring.alert_events."time" is 'When it happened.';
comment on column monitoring.alert_events.alert_id is 'The alert.';
comment on column monitoring.alert_events.rule_id is 'Its rule; null once that is gone.';
comment on column monitoring.alert_events.business_id is 'The tenant.';
comment on column monitoring.alert_events.severity is 'The severity then.';
comment on column monitoring.alert_events.status is 'firing, acknowledged or resolved.';
comment on column monitoring.alert_events.transition is 'What happened, as alert_transitions has it.';
comment on column monitoring.alert_events.host_id is 'Label server, else instance, else host.';
comment on column monitoring.alert_events.service_id is 'Label service, else job.';
comment on column monitoring.alert_events.duration is 'Seconds since the alert fired.';
comment on column monitoring.alert_events.escalation_level is 'Steps of escalation taken until then.';
comment on column monitoring.alert_events.acknowledged is '1 once somebody had taken it, else 0.';
