-- maintenance/doctor_people.sql: findings about those whom alerts are told.
-- Owns doctor_on_call_at. Writes nothing.
-- Concurrency: reads only.

-- Schedules in which nobody is on call at some time of the coming week.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_on_call_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select 'on_call', case when min(gap.start_at) <= p_now then 'warning' else 'notice' end, schedule.name,
        'nobody is on call at times in the coming week',
        format('%s times, %s in all; first from %s', count(*), sum(gap.end_at - gap.start_at), min(gap.start_at)),
        format('select * from monitoring.on_call_gaps(%L, now(), now() + interval ''7 days''); then add a layer or an '
            'override', schedule.name),
        'database ' || current_database()
    from monitoring.on_call_schedules as schedule
    cross join lateral monitoring_internal.on_call_intervals(
        schedule.on_call_schedule_id, p_now, p_now + interval '7 days') as gap
    where cardinality(gap.person_ids) = 0
    group by schedule.on_call_schedule_id, schedule.name
$$;

comment on function monitoring_internal.doctor_on_call_at(timestamptz) is
    'Finds schedules in which nobody is on call at some time of the coming week.';
