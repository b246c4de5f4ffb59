-- kpis/judge.sql: the periods of a KPI and what its values mean.
-- Owns kpi_period, kpi_previous_period, judge_kpi, set_tenant_profile. Writes tenants.
-- Concurrency: any number of callers at once.

-- The period that a time lies in. Hours are of equal length through clock changes; the others follow local midnight,
-- the first of two where clocks go back over it.
create or replace function monitoring_internal.kpi_period(
    p_time_period text, p_zone text, p_at timestamptz, out start_at timestamptz, out until_at timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        case p_time_period
            when 'hourly' then p_at - (clock.here - date_trunc('hour', clock.here))
            else monitoring_internal.first_occurrence(date_trunc(step.unit, clock.here), p_zone)
        end,
        case p_time_period
            when 'hourly' then p_at - (clock.here - date_trunc('hour', clock.here)) + interval '1 hour'
            else monitoring_internal.first_occurrence(date_trunc(step.unit, clock.here) + step.length, p_zone)
        end
    from (select p_at at time zone p_zone as here) as clock
    cross join (
        select
            case p_time_period when 'daily' then 'day' when 'weekly' then 'week' else 'month' end as unit,
            case p_time_period
                when 'daily' then interval '1 day' when 'weekly' then interval '7 days' else interval '1 month'
            end as length
    ) as step;
$$;

comment on function monitoring_internal.kpi_period(text, text, timestamptz) is
    'Begin and end of the hour, day, week (from Monday) or month that a time lies in, in a time zone.';

-- The period before the one that begins at a time.
create or replace function monitoring_internal.kpi_previous_period(
    p_time_period text, p_zone text, p_start_at timestamptz, out start_at timestamptz, out until_at timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select period.start_at, period.until_at
    from monitoring_internal.kpi_period(p_time_period, p_zone, p_start_at - interval '1 microsecond') as period;
$$;

comment on function monitoring_internal.kpi_previous_period(text, text, timestamptz) is
    'Begin and end of the period before the one that begins at the time given.';

-- Trend against the value before, and achievement of the target by its direction.
-- Where lower is better, 100 percent is the target and 0 twice it; a target of 0 or less has no percentage, yet is
-- met or not.
create or replace function monitoring_internal.judge_kpi(
    p_value numeric, p_previous numeric, p_definition monitoring.kpi_definitions,
    out percentage_change numeric, out trend_direction text, out achievement_percentage numeric,
    out is_target_met boolean, out is_breached boolean)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        change.percent,
        case
            when change.difference is null then null
            when abs(coalesce(change.percent, 100 * sign(change.difference))) <= p_definition.stable_within_percent
                then 'stable'
            when change.difference > 0 then 'up'
            else 'down'
        end,
        case
            when p_definition.target_value is null or p_definition.target_value <= 0 then null
            when p_definition.direction = 'higher_is_better'
                then round(100 * p_value / p_definition.target_value, 2)
            else greatest(0, round(100 * (2 - p_value / p_definition.target_value), 2))
        end,
        (p_value - p_definition.target_value) * way.sign >= 0,
        (p_value - p_definition.alert_threshold) * way.sign <= 0
    from (
        select
            p_value - p_previous as difference,
            round(100 * (p_value - p_previous) / nullif(abs(p_previous), 0), 4) as percent
    ) as change
    cross join (select case p_definition.direction when 'higher_is_better' then 1 else -1 end as sign) as way;
$$;

comment on function monitoring_internal.judge_kpi(numeric, numeric, monitoring.kpi_definitions) is
    'Change, trend, achievement of the target and breach of the threshold, by the direction of the KPI.';

-- Say which industry a tenant belongs to and in which zone its days begin; a null leaves what is stored.
-- Raises: PV001 unknown tenant, PV801 unknown zone; 23514 when the industry is malformed.
create or replace function monitoring.set_tenant_profile(
    tenant_name text, industry_vertical text default null, time_zone text default null)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := monitoring_internal.tenant_id_of(set_tenant_profile.tenant_name);
begin
    if set_tenant_profile.time_zone is not null and not exists (
        select 1 from pg_timezone_names as zone where zone.name = set_tenant_profile.time_zone)
    then
        raise exception using
            errcode = 'PV801',
            message = format('time zone "%s" does not exist', set_tenant_profile.time_zone),
            hint = 'The names are in pg_timezone_names, such as Europe/Berlin.';
    end if;
    update monitoring.tenants as tenant
    set industry_vertical = coalesce(set_tenant_profile.industry_vertical, tenant.industry_vertical),
        time_zone = coalesce(set_tenant_profile.time_zone, tenant.time_zone)
    where tenant.tenant_id = v_tenant_id;
end;
$$;

comment on function monitoring.set_tenant_profile(text, text, text) is
    'Sets a tenant''s industry, by which KPI definitions apply to it, and time zone. For monitoring_admin.';
