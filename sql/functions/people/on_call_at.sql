-- people/on_call_at.sql: who is on call, asked by a role that sees the schedule's tenant.
-- Owns visible_schedule_id, visible_on_call, on_call_at. Writes nothing.
-- Concurrency: reads at one snapshot.

-- A schedule by its name, or by tenant/name where several tenants that the caller sees have one of that name.
-- Raises: PV950 there is none, PV951 there are several.
create or replace function monitoring_internal.visible_schedule_id(p_schedule text)
returns integer
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ids integer[];
begin
    select array_agg(schedule.on_call_schedule_id) into v_ids
    from monitoring.on_call_schedules as schedule
    inner join monitoring.tenants as tenant using (tenant_id)
    where p_schedule in (schedule.name, tenant.name || '/' || schedule.name)
        and schedule.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);
    if v_ids is null then
        raise exception using
            errcode = 'PV950',
            message = format('on-call schedule "%s" does not exist', left(p_schedule, 200)),
            hint = 'Names are in monitoring.who_is_on_call; monitoring.define_on_call_schedule(definition) makes one.';
    elsif cardinality(v_ids) > 1 then
        raise exception using
            errcode = 'PV951',
            message = format('%s tenants have an on-call schedule "%s"', cardinality(v_ids), left(p_schedule, 200)),
            hint = 'Write the tenant before it: tenant/schedule.';
    end if;
    return v_ids[1];
end;
$$;

comment on function monitoring_internal.visible_schedule_id(text) is
    'Key of a schedule by name or tenant/name, of the tenants that the caller sees.';

-- Who is on call at each moment, with names. People of other tenants that a schedule names are named.
create or replace function monitoring_internal.visible_on_call(p_schedule text, p_times timestamptz[])
returns table (moment timestamptz, person_id uuid, person text, source text)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select resolved.moment, resolved.person_id, person.name, resolved.source
        from monitoring_internal.resolve_on_call(
            monitoring_internal.visible_schedule_id(p_schedule), p_times) as resolved
        inner join monitoring.people as person using (person_id)
        order by resolved.moment, person.name, person.person_id;
end;
$$;

comment on function monitoring_internal.visible_on_call(text, timestamptz[]) is
    'Who is on call at each moment in a schedule that the caller sees.';

-- Who is on call at a moment. No row: nobody.
-- Raises: PV950, PV951.
create or replace function monitoring.on_call_at(schedule text, at timestamptz default clock_timestamp())
returns table (person_id uuid, person text, source text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select resolved.person_id, resolved.person, resolved.source
    from monitoring_internal.visible_on_call(on_call_at.schedule, array[on_call_at.at]) as resolved;
$$;

comment on function monitoring.on_call_at(text, timestamptz) is
    'Who is on call in a schedule (name, or tenant/name) at a moment, now unless told; source is layer or override. '
    'Several rows: they are on call together. No row: nobody is.';
