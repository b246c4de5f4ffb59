-- people/escalation.sql: escalation policies written down whole, and what their steps and those of rules mean.
-- Owns escalation_fault, escalation_named, escalation_steps_of, check_escalation, check_rule_escalation,
-- define_escalation_policy. Writes escalation_policies, escalation_steps, escalation_targets.
-- Concurrency: a policy is locked while it is written.

-- What is wrong with the form of a list of steps; null when it is in order.
create or replace function monitoring_internal.escalation_fault(p_steps jsonb)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when jsonb_typeof(p_steps) is distinct from 'array' then 'the steps are no list'
        when jsonb_array_length(p_steps) = 0 then 'there are no steps'
        else (
            select case
                when jsonb_typeof(step.step) <> 'object' then 'a step is no object'
                when step.wrong is not null then format('"%s" is no key of a step', step.wrong)
                when jsonb_typeof(step.step -> 'notify') is distinct from 'array'
                    or jsonb_array_length(step.step -> 'notify') = 0 then 'a step has no list "notify"'
                when not coalesce(step.step ->> 'severity', 'low') in ('low', 'medium', 'high', 'critical')
                    then 'a severity is low, medium, high or critical'
                when step.after < coalesce(step.former, interval '0') then
                    'each "after" counts from the beginning and cannot be less than the one before'
                when step.after > interval '7 days' then '"after" is more than 7 days'
            end as fault
            from (
                select given.step, (given.step ->> 'after')::interval as after,
                    lag((given.step ->> 'after')::interval) over (order by given.ordinal) as former,
                    (select key from jsonb_object_keys(given.step) as key
                    where key not in ('after', 'notify', 'severity', 'business_hours') limit 1) as wrong
                from jsonb_array_elements(p_steps) with ordinality as given (step, ordinal)
            ) as step
            order by 1 nulls last
            limit 1)
    end;
$$;

comment on function monitoring_internal.escalation_fault(jsonb) is
    'What is wrong with steps such as [{"after": "15 min", "notify": ["person:anna"]}]; null when nothing is.';

-- Whom a name of a step means: person:anna, schedule:primary, channel:ops, or the name alone, of the first kind that
-- has it; the tenant's own before the installation's. No row when nobody is meant.
create or replace function monitoring_internal.escalation_named(p_tenant_id uuid, p_name text)
returns table (person_id uuid, on_call_schedule_id integer, channel_id uuid)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select found.person_id, found.on_call_schedule_id, found.channel_id
    from (
        select 1 as kind, 'person' as word, person.name, person.person_id, null::integer as on_call_schedule_id,
            null::uuid as channel_id, person.tenant_id
        from monitoring.people as person
        union all
        select 2, 'schedule', schedule.name, null, schedule.on_call_schedule_id, null, schedule.tenant_id
        from monitoring.on_call_schedules as schedule
        union all
        select 3, 'channel', channel.channel_name, null, null, channel.id, channel.tenant_id
        from monitoring.notification_channels as channel
    ) as found
    where p_name in (found.name, found.word || ':' || found.name)
        and (found.tenant_id is null or found.tenant_id in (p_tenant_id, monitoring.system_tenant_id()))
    order by found.kind, (found.tenant_id = p_tenant_id) is true desc, found.tenant_id nulls last
    limit 1;
$$;

comment on function monitoring_internal.escalation_named(uuid, text) is
    'The person, schedule or channel that a name means in a tenant.';

-- The steps of a policy, or those a rule has itself, numbered from 1, each with its wait after the one before.
create or replace function monitoring_internal.escalation_steps_of(
    p_policy_id integer, p_steps jsonb, p_tenant_id uuid)
returns table (
    step bigint, delay interval, minimum_severity text, is_business_hours_only boolean, people uuid[],
    schedules integer[], channels uuid[])
language plpgsql stable parallel restricted rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_policy_id is not null then
        return query
            select row_number() over (order by taken.step), taken.delay, taken.minimum_severity,
                taken.is_business_hours_only,
                array_remove(array_agg(target.person_id), null),
                array_remove(array_agg(target.on_call_schedule_id), null),
                array_remove(array_agg(target.channel_id), null)
            from monitoring.escalation_steps as taken
            left join monitoring.escalation_targets as target using (escalation_step_id)
            where taken.escalation_policy_id = p_policy_id
            group by taken.escalation_step_id;
        return;
    end if;
    return query
        select given.ordinal,
            coalesce((given.step ->> 'after')::interval, interval '0')
                - coalesce(lag((given.step ->> 'after')::interval) over (order by given.ordinal), interval '0'),
            coalesce(given.step ->> 'severity', 'low'), coalesce((given.step ->> 'business_hours')::boolean, false),
            named.people, named.schedules, named.channels
        from jsonb_array_elements(p_steps) with ordinality as given (step, ordinal)
        cross join lateral (
            select array_remove(array_agg(meant.person_id), null) as people,
                array_remove(array_agg(meant.on_call_schedule_id), null) as schedules,
                array_remove(array_agg(meant.channel_id), null) as channels
            from jsonb_array_elements_text(given.step -> 'notify') as name
            left join lateral monitoring_internal.escalation_named(p_tenant_id, name) as meant on true) as named;
end;
$$;

comment on function monitoring_internal.escalation_steps_of(integer, jsonb, uuid) is
    'Steps of an escalation policy, or of a rule''s own list, with whom they tell.';

-- Stop steps that cannot be read, or that name nobody.
-- Raises: PV954, PV955.
create or replace function monitoring_internal.check_escalation(p_tenant_id uuid, p_steps jsonb)
returns void
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault constant text := monitoring_internal.escalation_fault(p_steps);
    v_name text;
begin
    if v_fault is not null then
        raise exception using
            errcode = 'PV955',
            message = format('the escalation cannot be read: %s', v_fault),
            hint = 'Write [{"after": "15 min", "notify": ["person:anna", "schedule:primary"]}]; docs/on-call.md lists '
                'the keys.';
    end if;
    select name into v_name
    from jsonb_array_elements(p_steps) as given (step)
    cross join lateral jsonb_array_elements_text(given.step -> 'notify') as name
    where p_tenant_id is not null
        and not exists (select 1 from monitoring_internal.escalation_named(p_tenant_id, name))
    limit 1;
    if found then
        raise exception using
            errcode = 'PV954',
            message = format('there is no person, schedule or channel "%s"', left(v_name, 100)),
            hint = 'Names are in monitoring.people, monitoring.on_call_schedules, monitoring.notification_channels.';
    end if;
end;
$$;

comment on function monitoring_internal.check_escalation(uuid, jsonb) is
    'Raises PV955 for steps that cannot be read, PV954 for a name that nobody has in the tenant.';

-- Trigger: a rule names a policy that is there, or steps that can be followed. One for every tenant is not asked for
-- its names: each tenant may have a schedule of that name.
-- Raises: PV954, PV955.
create or replace function monitoring_internal.check_rule_escalation()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.escalation_rules not in ('{}', '[]') then
        perform monitoring_internal.check_escalation(new.tenant_id, new.escalation_rules);
    end if;
    if new.escalation_policy_id is not null and not exists (
        select 1 from monitoring.escalation_policies as policy
        where policy.escalation_policy_id = new.escalation_policy_id
            and policy.tenant_id in (new.tenant_id, monitoring.system_tenant_id()))
    then
        raise exception using
            errcode = 'PV954',
            message = format('there is no escalation policy %s for the rule''s tenant', new.escalation_policy_id),
            hint = 'Keys are in monitoring.escalation_policies; a rule takes one of its tenant or the system tenant.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_rule_escalation() is
    'Trigger: refuses a rule whose escalation cannot be followed.';

-- Make a policy, or write an existing one anew.
-- Raises: PV001, PV954, PV955.
create or replace function monitoring.define_escalation_policy(definition jsonb)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_given constant jsonb := define_escalation_policy.definition;
    v_wrong constant text := (
        select key from jsonb_object_keys(v_given) as key
        where key not in ('name', 'tenant', 'description', 'loops', 'loop_pause', 'fallback_channel', 'steps') limit 1);
    v_tenant_id constant uuid := monitoring_internal.tenant_id_of(coalesce(v_given ->> 'tenant', 'system'));
    v_policy_id integer;
begin
    if v_wrong is not null or v_given ->> 'name' is null then
        raise exception using
            errcode = 'PV955',
            message = coalesce(format('"%s" is no key of an escalation policy', v_wrong), 'the policy has no name'),
            hint = 'docs/on-call.md lists the keys.';
    end if;
    perform monitoring_internal.check_escalation(v_tenant_id, v_given -> 'steps');
    insert into monitoring.escalation_policies as policy (
        tenant_id, name, description, loops, loop_pause, fallback_channel_id)
    values (v_tenant_id, v_given ->> 'name', coalesce(v_given ->> 'description', ''),
        coalesce((v_given ->> 'loops')::smallint, 3), coalesce((v_given ->> 'loop_pause')::interval, '15 min'),
        (select meant.channel_id from monitoring_internal.escalation_named(
            v_tenant_id, 'channel:' || (v_given ->> 'fallback_channel')) as meant))
    on conflict (tenant_id, name) do update
    set description = excluded.description, loops = excluded.loops, loop_pause = excluded.loop_pause,
        fallback_channel_id = excluded.fallback_channel_id
    returning policy.escalation_policy_id into v_policy_id;
    delete from monitoring.escalation_steps as step where step.escalation_policy_id = v_policy_id;
    insert into monitoring.escalation_steps (
        tenant_id, escalation_policy_id, step, delay, minimum_severity, is_business_hours_only)
    select v_tenant_id, v_policy_id, step.step, step.delay, step.minimum_severity, step.is_business_hours_only
    from monitoring_internal.escalation_steps_of(null, v_given -> 'steps', v_tenant_id) as step;
    insert into monitoring.escalation_targets (
        tenant_id, escalation_step_id, person_id, on_call_schedule_id, channel_id)
    select v_tenant_id, step.escalation_step_id, meant.person_id, meant.on_call_schedule_id, meant.channel_id
    from jsonb_array_elements(v_given -> 'steps') with ordinality as given (step, ordinal)
    inner join monitoring.escalation_steps as step
        on step.escalation_policy_id = v_policy_id and step.step = given.ordinal
    cross join lateral jsonb_array_elements_text(given.step -> 'notify') as name
    cross join lateral monitoring_internal.escalation_named(v_tenant_id, name) as meant;
    return v_policy_id;
end;
$$;

comment on function monitoring.define_escalation_policy(jsonb) is
    'Makes an escalation policy from {"name", "tenant", "loops", "loop_pause", "fallback_channel", "steps": [{"after", '
    '"notify", "severity", "business_hours"}]}, or writes it anew; returns its key. For monitoring_admin.';
