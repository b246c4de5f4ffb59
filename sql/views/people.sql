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
