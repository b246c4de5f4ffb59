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
with clock as materialized (
    select clock_timestamp() as now_at
),
matched as materialized (
    select found.* from clock cross join lateral monitoring_internal.silence_matches(clock.now_at) as found
)
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
left join matched on matched.silence_id = silence.silence_id
cross join clock
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

create or replace view monitoring.alert_groups with (security_invoker = true) as
select
    member.group_id, member.tenant_id, min(alert.triggered_at) as started_at,
    case when bool_and(alert.status = 'resolved') then max(alert.resolved_at) end as ended_at,
    count(*) as alerts, count(*) filter (where alert.status <> 'resolved') as open_alerts,
    (array_agg(alert.severity order by array_position(array['critical', 'high', 'medium', 'low'], alert.severity)))[1]
        as severity,
    (array_agg(member.alert_id) filter (where member.is_root))[1] as root_alert_id,
    (array_agg(alert.alert_title) filter (where member.is_root))[1] as root_title,
    max(member.dependants) as root_dependants,
    array_agg(distinct alert.rule_name) as rules
from monitoring.alert_group_members as member
inner join monitoring.alerts as alert on alert.id = member.alert_id and alert.tenant_id = member.tenant_id
group by member.group_id, member.tenant_id;

comment on view monitoring.alert_groups is
    'Alerts that belong together, one row a group: from when to when, how many, and the one to look at first: what '
    'most others depend on, and of these the earliest.';

create or replace view monitoring.alert_rule_correlations with (security_invoker = true) as
with bucket as (
    select distinct moved.tenant_id, moved.rule_no, floor(extract(epoch from moved.occurred_at) / 300)::bigint as no
    from monitoring.alert_transitions as moved
    where moved.transition = 'fired' and moved.occurred_at > now() - interval '90 days'
),
busy as (
    select bucket.tenant_id, bucket.rule_no, count(*) as starts from bucket group by bucket.tenant_id, bucket.rule_no
),
joint as (
    select one.tenant_id, one.rule_no, other.rule_no as other_rule_no,
        least(count(distinct one.no), count(distinct other.no)) as together
    from bucket as one
    inner join bucket as other
        on other.tenant_id = one.tenant_id and other.rule_no > one.rule_no
        and other.no between one.no - 1 and one.no + 1
    group by one.tenant_id, one.rule_no, other.rule_no
)
select
    joint.tenant_id, joint.rule_no, rule.rule_name, joint.other_rule_no, other.rule_name as other_rule_name,
    one.starts, two.starts as other_starts, joint.together,
    -- 25,920 spans of five minutes in 90 days; by chance one meets any of three.
    joint.together * 25920 / (3.0::float8 * one.starts * two.starts) as lift,
    (25920.0::float8 * joint.together - one.starts * two.starts)
        / sqrt(one.starts * two.starts * (25920.0::float8 - one.starts) * (25920.0::float8 - two.starts)) as phi
from joint
inner join busy as one on one.tenant_id = joint.tenant_id and one.rule_no = joint.rule_no
inner join busy as two on two.tenant_id = joint.tenant_id and two.rule_no = joint.other_rule_no
left join monitoring.alert_rules as rule on rule.rule_no = joint.rule_no
left join monitoring.alert_rules as other on other.rule_no = joint.other_rule_no;

comment on view monitoring.alert_rule_correlations is
    'Pairs of rules whose alerts began together in the last 90 days: how often (in spans of five minutes, neighbours '
    'included), how much more often than by chance (lift), and how closely (phi, -1 to 1). Few of them tell little.';
