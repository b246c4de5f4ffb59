-- views/people.sql: who is on call now, and who comes next.

create or replace view monitoring.who_is_on_call with (security_invoker = true) as
select
    schedule.tenant_id,
    tenant.name as tenant_name,
    schedule.name as schedule,
    schedule.time_zone,
    coalesce(current_span.people, '{}') as people,
    coalesce(cardinality(current_span.people), 0) = 0 as is_gap,
    following_span.start_at as changes_at,
    coalesce(following_span.people, '{}') as next_people
from monitoring.on_call_schedules as schedule
inner join monitoring.tenants as tenant using (tenant_id)
cross join lateral (select transaction_timestamp() as at) as moment
left join lateral (
    select span.people, span.end_at
    from monitoring_internal.visible_on_call_intervals(
        tenant.name || '/' || schedule.name, moment.at, moment.at + interval '32 days') as span
    where span.start_at = moment.at
) as current_span on true
left join lateral (
    select span.start_at, span.people
    from monitoring_internal.visible_on_call_intervals(
        tenant.name || '/' || schedule.name, moment.at, moment.at + interval '32 days') as span
    where span.start_at = current_span.end_at
) as following_span on true;

comment on view monitoring.who_is_on_call is
    'Each schedule that the caller sees: who is on call now, until when, and who follows, within 32 days.';

-- Episodes with what is counted of them: how long until found, taken and ended, and whether it was worth the time.
create or replace view monitoring_internal.answered_alerts with (security_invoker = true) as
select
    alert.tenant_id,
    tenant.name as tenant_name,
    alert.rule_name,
    alert.max_severity as severity,
    alert.triggered_at,
    alert.status,
    alert.reopen_count,
    alert.triggered_at - alert.first_breach_at as time_to_detect,
    alert.first_acknowledged_at - alert.triggered_at as time_to_acknowledge,
    alert.resolved_at - alert.triggered_at as time_to_resolve,
    coalesce(
        alert.resolution_reason <> 'manual' and alert.first_acknowledged_at is null
            and alert.resolved_at < alert.triggered_at + interval '2 minutes', false) as is_noise,
    alert.status = 'suppressed' or exists (
        select 1
        from monitoring.alert_transitions as past
        where past.alert_id = alert.id and past.transition = 'suppressed') as is_suppressed,
    alert.notification_count > 0 as is_page,
    alert.notification_count > 0 and alert.status = 'resolved' and alert.first_acknowledged_at is null
        and alert.resolution_reason is distinct from 'manual' as is_unanswered,
    alert.notification_count > 0
        and extract(hour from alert.triggered_at at time zone tenant.time_zone) not between 6 and 21 as is_night_page
from monitoring.alert_history as alert
inner join monitoring.tenants as tenant using (tenant_id);

comment on view monitoring_internal.answered_alerts is
    'Alerts, archived ones too, with their times to detect, acknowledge and resolve, and whether they were noise, '
    'a page, at night.';

create or replace view monitoring.alert_response with (security_invoker = true) as
select
    alert.tenant_id,
    alert.tenant_name,
    case
        when grouping(alert.rule_name) = 0 then 'rule'
        when grouping(alert.severity) = 0 then 'severity'
        else 'tenant'
    end as scope,
    alert.rule_name,
    alert.severity,
    count(*) filter (where not alert.is_noise) as episodes,
    count(*) filter (where alert.is_noise) as noise,
    count(*) filter (where not alert.is_noise and alert.status <> 'resolved') as still_open,
    avg(alert.time_to_detect) filter (where not alert.is_noise) as mttd_mean,
    percentile_cont(0.5) within group (order by alert.time_to_detect) filter (where not alert.is_noise) as mttd_median,
    percentile_cont(0.9) within group (order by alert.time_to_detect) filter (where not alert.is_noise) as mttd_p90,
    avg(alert.time_to_acknowledge) filter (where not alert.is_noise) as mtta_mean,
    percentile_cont(0.5) within group (order by alert.time_to_acknowledge) filter (where not alert.is_noise)
        as mtta_median,
    percentile_cont(0.9) within group (order by alert.time_to_acknowledge) filter (where not alert.is_noise)
        as mtta_p90,
    avg(alert.time_to_resolve) filter (where not alert.is_noise) as mttr_mean,
    percentile_cont(0.5) within group (order by alert.time_to_resolve) filter (where not alert.is_noise)
        as mttr_median,
    percentile_cont(0.9) within group (order by alert.time_to_resolve) filter (where not alert.is_noise) as mttr_p90
from monitoring_internal.answered_alerts as alert
where not alert.is_suppressed
group by grouping sets (
    (alert.tenant_id, alert.tenant_name),
    (alert.tenant_id, alert.tenant_name, alert.severity),
    (alert.tenant_id, alert.tenant_name, alert.rule_name));

comment on view monitoring.alert_response is
    'How fast alerts are found, taken and ended (mean, median, p90) by tenant, severity and rule; suppressed ones are '
    'left out, and those that went by themselves within two minutes are counted as noise.';

create or replace view monitoring.alert_noise with (security_invoker = true) as
select
    alert.tenant_id,
    alert.tenant_name,
    alert.rule_name,
    count(*) as episodes,
    count(*) filter (where alert.is_page) as pages,
    count(*) filter (where alert.is_unanswered) as unanswered,
    count(*) filter (where alert.is_night_page) as night_pages,
    count(*) filter (where alert.is_noise) as short_lived,
    sum(alert.reopen_count) as reopened,
    round(sum(alert.reopen_count)::numeric / count(*), 4) as reopen_ratio,
    round(count(*) filter (where alert.is_unanswered)::numeric
        / nullif(count(*) filter (where alert.is_page), 0), 4) as unanswered_ratio,
    round(count(*) filter (where alert.is_night_page)::numeric
        / nullif(count(*) filter (where alert.is_page), 0), 4) as night_ratio
from monitoring_internal.answered_alerts as alert
group by alert.tenant_id, alert.tenant_name, alert.rule_name;

comment on view monitoring.alert_noise is
    'What each rule cost: pages that nobody acknowledged or acted on, at night (22:00 to 06:00 of the tenant), '
    'reopened, short-lived. Sort by unanswered to find what to mend first.';
