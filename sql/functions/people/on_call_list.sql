-- people/on_call_list.sql: what pgvigil oncall shows, and the names that a misspelt one may mean.
-- Owns on_call_calendar with its _at form, list_on_call, known_names. Writes nothing.
-- Concurrency: reads at one snapshot, with the caller's rights.

-- Each schedule with who is on call now, until when, and who follows.
create or replace function monitoring_internal.list_on_call()
returns table (tenant text, schedule text, on_call text, until timestamptz, following text)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select shown.tenant_name::text, shown.schedule::text,
        case when shown.is_gap then 'nobody' else array_to_string(shown.people, ', ') end,
        shown.changes_at, array_to_string(shown.next_people, ', ')
    from monitoring.who_is_on_call as shown
    order by shown.tenant_name, shown.schedule;
end;
$$;

comment on function monitoring_internal.list_on_call() is 'Each schedule with who is on call now, for a table.';

-- The names of rules or schedules that the caller sees.
create or replace function monitoring_internal.known_names(p_kind text)
returns setof text
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select distinct rule.rule_name::text from monitoring.alert_rules as rule where p_kind = 'rule'
    union all
    select distinct schedule.name::text from monitoring.on_call_schedules as schedule where p_kind = 'schedule';
end;
$$;

comment on function monitoring_internal.known_names(text) is 'The names of rules or schedules that the caller sees.';

-- Who is on call in a schedule from p_now on, with the times when nobody is.
-- Raises: PV950, PV951.
create or replace function monitoring_internal.on_call_calendar_at(p_schedule text, p_days integer, p_now timestamptz)
returns table (start_at timestamptz, end_at timestamptz, people text)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_end_at constant timestamptz := p_now + p_days * interval '1 day';
begin
    return query
    select shift.start_at, shift.end_at, array_to_string(shift.people, ', ')
    from monitoring.on_call_shifts(p_schedule, p_now, v_end_at) as shift
    where cardinality(shift.people) > 0
    union all
    select gap.start_at, gap.end_at, 'nobody'
    from monitoring.on_call_gaps(p_schedule, p_now, v_end_at) as gap
    order by 1;
end;
$$;

comment on function monitoring_internal.on_call_calendar_at(text, integer, timestamptz) is
    'Who is on call in a schedule from a time on, for a table.';

-- The same from now on.
create or replace function monitoring_internal.on_call_calendar(p_schedule text, p_days integer)
returns table (start_at timestamptz, end_at timestamptz, people text)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select span.* from monitoring_internal.on_call_calendar_at(p_schedule, p_days, clock_timestamp()) as span;
end;
$$;

comment on function monitoring_internal.on_call_calendar(text, integer) is
    'Who is on call in a schedule from now on, for a table.';
