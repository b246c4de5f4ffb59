-- alerting/hours.sql: business hours, and windows of time that come again.
-- Owns in_business_hours, occurrence_near, window_state. Writes nothing.
-- Concurrency: reads of one snapshot; functions of their arguments and the server's zone data.
--
-- An instant is turned into local time, never the other way round: that conversion always has one answer, so that an
-- hour that occurs twice is inside both times, and one that the clocks skip does not happen.

-- Whether a tenant is at work. A span belongs to the day on which it begins, also past midnight, and none begins on a
-- holiday.
-- Called by: alert_suppressors_at, routing, escalation.
create or replace function monitoring_internal.in_business_hours(p_tenant_id uuid, p_at timestamptz)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        not exists (select from monitoring.business_hours as span where span.tenant_id = p_tenant_id)
        or exists (
            select
            from monitoring.tenants as tenant
            cross join lateral (select p_at at time zone tenant.time_zone as here) as clock
            inner join monitoring.business_hours as span on span.tenant_id = tenant.tenant_id
            cross join lateral (values (clock.here::date), (clock.here::date - 1)) as day (begins_on)
            where tenant.tenant_id = p_tenant_id
                and extract(isodow from day.begins_on) = span.weekday
                and clock.here >= day.begins_on + span.from_time
                and clock.here < day.begins_on + span.to_time
                    + case when span.to_time < span.from_time then interval '1 day' else interval '0' end
                and not exists (
                    select
                    from monitoring.holidays as holiday
                    where holiday.tenant_id = p_tenant_id
                        and (
                            holiday.holiday_date = day.begins_on
                            or holiday.is_yearly
                                and to_char(holiday.holiday_date, 'MMDD') = to_char(day.begins_on, 'MMDD')
                        )
                )
        );
$$;

comment on function monitoring_internal.in_business_hours(uuid, timestamptz) is
    'Whether a tenant is at work at a time, by business_hours and holidays in its zone; always, where it has no hours.';

-- The time of a recurring window that an instant is in, or else the next one; nulls when none comes.
-- It begins when the schedule fires (a local time in a gap: after the gap; one that occurs twice: the first time),
-- and ends by the clock on the wall, so that eight hours from 22:00 end at 06:00 in every night of the year.
create or replace function monitoring_internal.occurrence_near(
    p_schedule text, p_duration interval, p_time_zone text, p_at timestamptz,
    out start_at timestamptz, out until_at timestamptz)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_slots constant bigint[] := monitoring_internal.parse_cron(p_schedule);
begin
    -- No clock was ever changed by more than three hours but by a whole day.
    start_at := p_at - p_duration - interval '3 hours';
    loop
        start_at := monitoring_internal.next_slot(v_slots, start_at, p_time_zone, 'once');
        until_at := (start_at at time zone p_time_zone + p_duration) at time zone p_time_zone;
        exit when start_at is null or until_at > p_at;
    end loop;
end;
$$;

comment on function monitoring_internal.occurrence_near(text, interval, text, timestamptz) is
    'Begin and end of the time of a recurring window that an instant is in, or else of the next one.';

-- How a silence or a maintenance window stands at an instant, and when it is in force next or until when it is now.
-- With the owner's rights: views call it for those who may not read schedules themselves. It reads no table.
create or replace function monitoring_internal.window_state(
    p_starts_at timestamptz, p_ends_at timestamptz, p_schedule text, p_duration interval, p_time_zone text,
    p_at timestamptz, out state text, out active_from timestamptz, out active_until timestamptz)
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    active_from := p_starts_at;
    active_until := p_ends_at;
    if p_ends_at <= p_at then
        state := 'expired';
        return;
    end if;
    if p_schedule is not null then
        select greatest(occurrence.start_at, p_starts_at), least(occurrence.until_at, p_ends_at)
        into active_from, active_until
        from monitoring_internal.occurrence_near(
            p_schedule, p_duration, p_time_zone, greatest(p_at, p_starts_at)) as occurrence
        where occurrence.start_at is not null;
    end if;
    state := case
        when active_from is null or active_from >= p_ends_at then 'expired'
        when active_from > p_at then 'pending'
        else 'active'
    end;
end;
$$;

comment on function monitoring_internal.window_state(
    timestamptz, timestamptz, text, interval, text, timestamptz) is
    'pending, active or expired at an instant, with the span in force now or next. One that recurs is pending in '
    'between.';
