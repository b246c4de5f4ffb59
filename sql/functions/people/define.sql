-- people/define.sql: schedules written down whole, and what is checked in rows written singly.
-- Owns check_zone_of_row, future_shift_of, keep_future_shifts, person_id_of, replace_on_call_layers,
-- schedule_fault, define_on_call_schedule, override_on_call. Writes on_call_*.
-- Concurrency: a schedule is locked while it is written.

-- Trigger: a zone that does not exist would stop every look-up.
-- Raises: PV115.
create or replace function monitoring_internal.check_zone_of_row()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.check_time_zone(new.time_zone);
    return new;
end;
$$;

comment on function monitoring_internal.check_zone_of_row() is 'Trigger: refuses a row whose time_zone is unknown.';

-- The schedule in which somebody has a shift to come by an override; null for none.
create or replace function monitoring_internal.future_shift_of(p_person_id uuid)
returns text
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select schedule.name
    from monitoring.on_call_assignments as assignment
    inner join monitoring.on_call_schedules as schedule using (on_call_schedule_id)
    where assignment.person_id = p_person_id and assignment.end_at > transaction_timestamp()
    limit 1;
$$;

comment on function monitoring_internal.future_shift_of(uuid) is
    'Name of a schedule in which a person has a shift to come by an override; null when there is none.';

-- Trigger: somebody who will be on call by an override is not removed.
-- Raises: PV953.
create or replace function monitoring_internal.keep_future_shifts()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schedule constant text := monitoring_internal.future_shift_of(old.person_id);
begin
    if v_schedule is not null then
        raise exception using
            errcode = 'PV953',
            message = format('"%s" has a shift to come in on-call schedule "%s"', old.name, v_schedule),
            hint = 'Give it to somebody else in monitoring.on_call_assignments first, or set is_active to false.';
    end if;
    return old;
end;
$$;

comment on function monitoring_internal.keep_future_shifts() is
    'Trigger: refuses to remove somebody who has a shift to come by an override.';

-- A person by name: of the tenant, else of the system tenant.
-- Raises: PV954.
create or replace function monitoring_internal.person_id_of(p_tenant_id uuid, p_name text)
returns uuid
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_person_id uuid;
begin
    select person.person_id into v_person_id
    from monitoring.people as person
    where person.name = p_name and person.tenant_id in (p_tenant_id, monitoring.system_tenant_id())
    order by person.tenant_id = p_tenant_id desc
    limit 1;
    if v_person_id is null then
        raise exception using
            errcode = 'PV954',
            message = format('there is no person "%s"', left(p_name, 100)),
            hint = 'Names are in monitoring.people; insert a row there first.';
    end if;
    return v_person_id;
end;
$$;

comment on function monitoring_internal.person_id_of(uuid, text) is
    'Looks a person up by name in a tenant, then in the system tenant; PV954 when there is none.';

-- Write the layers of a schedule as given, in place of those it has.
-- Raises: PV954.
create or replace function monitoring_internal.replace_on_call_layers(
    p_schedule_id integer, p_tenant_id uuid, p_layers jsonb)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from monitoring.on_call_layers as layer where layer.on_call_schedule_id = p_schedule_id;
    insert into monitoring.on_call_layers (
        tenant_id, on_call_schedule_id, name, priority, turn, turn_length, start_day, end_day, hand_over_time,
        is_counting_eligible_days)
    select p_tenant_id, p_schedule_id, coalesce(given.layer ->> 'name', 'layer ' || given.ordinal),
        coalesce((given.layer ->> 'priority')::integer, 0), coalesce(given.layer ->> 'turn', 'weekly'),
        coalesce((given.layer ->> 'turn_length')::smallint, 1), (given.layer ->> 'start')::date,
        (given.layer ->> 'end')::date, coalesce((given.layer ->> 'hand_over')::time, time '09:00'),
        coalesce((given.layer ->> 'eligible_days')::boolean, false)
    from jsonb_array_elements(p_layers) with ordinality as given (layer, ordinal);
    insert into monitoring.on_call_layer_people (on_call_layer_id, position, tenant_id, person_id)
    select layer.on_call_layer_id, member.position, p_tenant_id,
        monitoring_internal.person_id_of(p_tenant_id, member.name)
    from jsonb_array_elements(p_layers) with ordinality as given (layer, ordinal)
    inner join monitoring.on_call_layers as layer
        on layer.on_call_schedule_id = p_schedule_id
        and layer.name = coalesce(given.layer ->> 'name', 'layer ' || given.ordinal)
    cross join lateral jsonb_array_elements_text(given.layer -> 'people') with ordinality as member (name, position);
    insert into monitoring.on_call_restrictions (tenant_id, on_call_layer_id, days, from_time, until_time)
    select p_tenant_id, layer.on_call_layer_id,
        coalesce(
            nullif(array(select day::smallint from jsonb_array_elements_text(hours.hours -> 'days') as day), '{}'),
            '{1,2,3,4,5,6,7}'),
        coalesce((hours.hours ->> 'from')::time, time '00:00'), coalesce((hours.hours ->> 'until')::time, time '24:00')
    from jsonb_array_elements(p_layers) with ordinality as given (layer, ordinal)
    inner join monitoring.on_call_layers as layer
        on layer.on_call_schedule_id = p_schedule_id
        and layer.name = coalesce(given.layer ->> 'name', 'layer ' || given.ordinal)
    cross join lateral jsonb_array_elements(given.layer -> 'hours') as hours (hours);
end;
$$;

comment on function monitoring_internal.replace_on_call_layers(integer, uuid, jsonb) is
    'Replaces the layers of a schedule by those given; overrides stay.';

-- What a definition lacks or has too much of; null when it is in order.
create or replace function monitoring_internal.schedule_fault(p_definition jsonb)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when jsonb_typeof(p_definition) is distinct from 'object' then 'it is no object'
        when p_definition ->> 'name' is null then 'it has no name'
        when jsonb_typeof(p_definition -> 'layers') is distinct from 'array' then 'it has no list of layers'
        else coalesce(
            (select format('"%s" is no key of a schedule', key)
            from jsonb_object_keys(p_definition) as key
            where key not in ('name', 'tenant', 'time_zone', 'description', 'layers') limit 1),
            (select case
                when jsonb_typeof(layer) <> 'object' then 'a layer is no object'
                when jsonb_typeof(layer -> 'people') is distinct from 'array'
                    or jsonb_array_length(layer -> 'people') = 0 then 'a layer has no list of people'
                when layer ->> 'start' is null then 'a layer has no start, which is a day'
                when jsonb_typeof(layer -> 'hours') <> 'array' then 'the hours of a layer are no list'
                else (
                    select format('"%s" is no key of a layer', key)
                    from jsonb_object_keys(layer) as key
                    where key not in ('name', 'priority', 'people', 'turn', 'turn_length', 'start', 'end',
                        'hand_over', 'hours', 'eligible_days') limit 1)
            end as fault
            from jsonb_array_elements(p_definition -> 'layers') as layer
            order by 1 nulls last limit 1))
    end;
$$;

comment on function monitoring_internal.schedule_fault(jsonb) is
    'What is wrong with the form of a schedule''s definition.';

-- Make a schedule, or write an existing one anew; its overrides stay.
-- Raises: PV001, PV115, PV954, PV955 the definition has no such form.
create or replace function monitoring.define_on_call_schedule(definition jsonb)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault constant text := monitoring_internal.schedule_fault(define_on_call_schedule.definition);
    v_tenant_id uuid;
    v_schedule_id integer;
begin
    if v_fault is not null then
        raise exception using
            errcode = 'PV955',
            message = format('the definition of an on-call schedule cannot be read: %s', v_fault),
            hint = 'Write {"name": …, "layers": [{"people": […], "turn": "weekly", '
                '"start": "2026-01-05", "hand_over": "09:00"}]}; docs/on-call.md lists the keys.';
    end if;
    v_tenant_id := monitoring_internal.tenant_id_of(
        coalesce(define_on_call_schedule.definition ->> 'tenant', 'system'));
    insert into monitoring.on_call_schedules as schedule (tenant_id, name, time_zone, description)
    select v_tenant_id, define_on_call_schedule.definition ->> 'name',
        coalesce(define_on_call_schedule.definition ->> 'time_zone', tenant.time_zone),
        coalesce(define_on_call_schedule.definition ->> 'description', '')
    from monitoring.tenants as tenant
    where tenant.tenant_id = v_tenant_id
    on conflict (tenant_id, name) do update
    set time_zone = excluded.time_zone, description = excluded.description
    returning schedule.on_call_schedule_id into v_schedule_id;
    perform monitoring_internal.replace_on_call_layers(
        v_schedule_id, v_tenant_id, define_on_call_schedule.definition -> 'layers');
    return v_schedule_id;
end;
$$;

comment on function monitoring.define_on_call_schedule(jsonb) is
    'Makes an on-call schedule from {"name", "tenant", "time_zone", "layers": [{"people", "turn", "start", '
    '"hand_over", "hours", …}]}, or writes it anew with its overrides kept; returns its key. For monitoring_admin.';

-- Somebody takes a schedule, or the turns of one person, for a time.
-- Raises: PV002, PV950, PV951, PV954.
create or replace function monitoring.override_on_call(
    schedule text, person text, start_at timestamptz, end_at timestamptz, replaces text default null,
    reason text default '')
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.on_call_assignments (
        tenant_id, on_call_schedule_id, person_id, replaces_person_id, start_at, end_at, reason, created_by)
    select found.tenant_id, found.on_call_schedule_id,
        monitoring_internal.person_id_of(found.tenant_id, override_on_call.person),
        case when override_on_call.replaces is not null
            then monitoring_internal.person_id_of(found.tenant_id, override_on_call.replaces) end,
        override_on_call.start_at, override_on_call.end_at, override_on_call.reason,
        monitoring_internal.caller_role()
    from monitoring.on_call_schedules as found
    where found.on_call_schedule_id = monitoring_internal.visible_schedule_id(override_on_call.schedule)
    returning on_call_assignments.on_call_assignment_id;
$$;

comment on function monitoring.override_on_call(text, text, timestamptz, timestamptz, text, text) is
    'Puts somebody on call for a time, in place of everybody or of one person; returns the key of the assignment. '
    'For monitoring_admin and monitoring_analyst.';
