-- people/escalate.sql: alerts that nobody acknowledges are told to the next ones.
-- Owns align_escalations_at, due_escalations_at, people_to_page_at, take_escalation_steps_at, escalate_alerts_at.
-- Writes escalation_states, alert_transitions, messages. Concurrency: a state and its alert are taken with skip locked:
-- what somebody acknowledges at this moment is passed by, and nobody waits crosswise.

-- A state for each active alert whose rule escalates; none for what was acknowledged, resolved or suppressed: an alert
-- that is active again begins anew.
create or replace function monitoring_internal.align_escalations_at(p_now timestamptz, p_rules integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring.escalation_states as state
    where (p_rules is null or state.rule_no = any (p_rules))
        and (
            not exists (
                select 1
                from monitoring.alerts as alert
                where alert.id = state.alert_id and alert.tenant_id = state.tenant_id and alert.status = 'active')
            or exists (
                select 1
                from monitoring.escalation_policies as policy
                where policy.escalation_policy_id = state.escalation_policy_id and not policy.is_active));
    insert into monitoring.escalation_states (
        alert_id, tenant_id, rule_no, escalation_policy_id, escalation_rules, next_at, started_at)
    select alert.id, alert.tenant_id, alert.rule_no, policy.escalation_policy_id,
        case when policy.escalation_policy_id is null then rule.escalation_rules end, p_now + first.delay, p_now
    from monitoring.alerts as alert
    inner join monitoring.alert_rules as rule using (rule_no)
    -- A rule that says nothing about it leaves it to the first route its messages go by that names a policy.
    left join lateral (
        select route.escalation_policy_id
        from monitoring.notification_members as member
        inner join monitoring.notification_groups as grouping on grouping.group_id = member.group_id
        inner join monitoring.notification_route_tree as route on route.route_id = grouping.route_id
        where member.alert_id = alert.id and route.escalation_policy_id is not null
            and rule.escalation_policy_id is null and rule.escalation_rules in ('{}', '[]')
        order by route.place
        limit 1
    ) as routed on true
    left join monitoring.escalation_policies as policy
        on policy.escalation_policy_id = coalesce(rule.escalation_policy_id, routed.escalation_policy_id)
        and policy.is_active and policy.tenant_id in (alert.tenant_id, monitoring.system_tenant_id())
    cross join lateral (
        select step.delay
        from monitoring_internal.escalation_steps_of(
            policy.escalation_policy_id, rule.escalation_rules, alert.tenant_id) as step
        where step.step = 1) as first
    where alert.status = 'active' and (p_rules is null or alert.rule_no = any (p_rules))
        and case when rule.escalation_policy_id is null and routed.escalation_policy_id is null
            then rule.escalation_rules not in ('{}', '[]') else policy.escalation_policy_id is not null end
        and not exists (select 1 from monitoring.escalation_states as state where state.alert_id = alert.id)
    order by alert.id
    on conflict do nothing;
$$;

comment on function monitoring_internal.align_escalations_at(timestamptz, integer[]) is
    'Begins the escalation of active alerts, and ends that of others.';

-- The steps that are due, whom they tell now and what comes of it: paged, passed (a condition of the step does not
-- hold), gap (nobody is on call), loop (from the first step again) or exhausted. After a gap the next comes at once.
create or replace function monitoring_internal.due_escalations_at(p_now timestamptz, p_rules integer[])
returns table (
    alert_id uuid, outcome text, people uuid[], channels uuid[], next_step smallint, next_loop smallint,
    next_at timestamptz, detail jsonb)
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with due as materialized (
        select state.*, alert.severity
        from monitoring.escalation_states as state
        inner join monitoring.alerts as alert
            on alert.id = state.alert_id and alert.tenant_id = state.tenant_id and alert.status = 'active'
        where state.next_at <= p_now and coalesce(state.taken_at < p_now, true)
            and (p_rules is null or state.rule_no = any (p_rules))
        order by state.next_at, state.alert_id
        limit least(monitoring_internal.setting_integer('escalation.limit'), 200)
        for update of state, alert skip locked
    ),
    judged as (
        select due.*, plan.steps, plan.next_delay, plan.first_delay, coalesce(policy.name, 'the rule''s own') as policy,
            coalesce(policy.loops, 3) as loops, coalesce(policy.loop_pause, interval '15 min') as loop_pause,
            policy.fallback_channel_id, reached.people, coalesce(current.channels, '{}') as channels,
            case
                when due.step > plan.steps and due.loop < coalesce(policy.loops, 3) then 'loop'
                when due.step > plan.steps then 'exhausted'
                when monitoring_internal.severity_level(due.severity)
                        < monitoring_internal.severity_level(current.minimum_severity)
                    or current.is_business_hours_only
                        and not monitoring_internal.in_business_hours(due.tenant_id, p_now) then 'passed'
                when cardinality(reached.people) + cardinality(current.channels) = 0 then 'gap'
                else 'paged'
            end as outcome
        from due
        left join monitoring.escalation_policies as policy using (escalation_policy_id)
        cross join lateral (
            select count(*) as steps, max(step.delay) filter (where step.step = due.step + 1) as next_delay,
                max(step.delay) filter (where step.step = 1) as first_delay
            from monitoring_internal.escalation_steps_of(
                due.escalation_policy_id, due.escalation_rules, due.tenant_id) as step) as plan
        left join lateral (
            select step.*
            from monitoring_internal.escalation_steps_of(
                due.escalation_policy_id, due.escalation_rules, due.tenant_id) as step where step.step = due.step
        ) as current on true
        cross join lateral monitoring_internal.people_to_page_at(p_now, current.people, current.schedules)
            as reached (people)
    )
    select judged.alert_id, judged.outcome, judged.people, case judged.outcome
            when 'exhausted' then array_remove(array[judged.fallback_channel_id], null) else judged.channels end,
        case judged.outcome when 'loop' then 1 when 'exhausted' then judged.step else judged.step + 1 end::smallint,
        (judged.loop + (judged.outcome = 'loop')::integer)::smallint,
        judged.next_at + case when judged.outcome = 'exhausted' then null
            when judged.outcome = 'gap' and judged.next_delay is not null then interval '0'
            else pause.length end,
        jsonb_build_object('policy', judged.policy, 'step', judged.step, 'loop', judged.loop)
    from judged
    -- Counted from when the step was due: what a stop has delayed is made up for.
    cross join lateral (select coalesce(case judged.outcome when 'loop' then judged.first_delay
        else judged.next_delay end, judged.loop_pause) as length) as pause;
$$;

comment on function monitoring_internal.due_escalations_at(timestamptz, integer[]) is
    'Steps of escalation that are due, locked, with whom they tell and what comes next.';

-- The people of a step who can be told now: those it names, and whoever is on call.
create or replace function monitoring_internal.people_to_page_at(
    p_now timestamptz, p_people uuid[], p_schedules integer[])
returns uuid[]
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select coalesce(array_agg(wanted.person_id order by wanted.person_id), '{}')
        from (
            select person.person_id
            from monitoring.people as person
            where person.person_id = any (p_people) and person.is_active
            union
            select resolved.person_id
            from unnest(p_schedules) as schedule
            cross join lateral monitoring_internal.resolve_on_call(schedule, array[p_now]) as resolved
        ) as wanted);
end;
$$;

comment on function monitoring_internal.people_to_page_at(timestamptz, uuid[], integer[]) is
    'Active people among those named, and whoever is on call in some schedules at a time.';

-- Take the steps that are due, once; returns how many.
create or replace function monitoring_internal.take_escalation_steps_at(p_now timestamptz, p_rules integer[])
returns integer
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with due as materialized (
        select * from monitoring_internal.due_escalations_at(p_now, p_rules)
    ),
    sent as materialized (
        select monitoring_internal.notify_alerts_at(p_now, jsonb_agg(jsonb_build_object(
            'alert_id', due.alert_id,
            'reason', case due.outcome when 'paged' then 'escalation' else 'escalation_exhausted' end,
            'people', due.people, 'channels', due.channels, 'detail', due.detail))) as messages
        from due
        where due.outcome = 'paged' or due.outcome = 'exhausted' and cardinality(due.channels) > 0
        having count(*) > 0
    ),
    moved as (
        update monitoring.escalation_states as state
        set step = due.next_step, loop = due.next_loop, next_at = due.next_at,
            taken_at = case when due.outcome in ('paged', 'exhausted') then p_now else state.taken_at end,
            exhausted_at = case when due.outcome = 'exhausted' then p_now end
        from due
        where state.alert_id = due.alert_id
    ),
    told as (
        insert into monitoring.alert_transitions (
            occurred_at, tenant_id, rule_no, label_key, alert_id, transition, from_state, to_state, severity, value,
            threshold, actor, reason, evidence)
        select p_now, alert.tenant_id, alert.rule_no, alert.label_key, alert.id,
            case due.outcome when 'gap' then 'on_call_gap' else 'escalated' end, alert.status, alert.status,
            alert.severity, alert.last_value, alert.threshold_value, 'escalation',
            format('%s, step %s of loop %s%s', due.detail ->> 'policy', due.detail ->> 'step', due.detail ->> 'loop',
                case due.outcome when 'gap' then ': nobody is on call' when 'exhausted' then ': all steps were taken'
                else '' end),
            due.detail || jsonb_build_object(
                'outcome', due.outcome, 'people', array(
                    select person.name from monitoring.people as person
                    where person.person_id = any (due.people) order by person.name))
        from due
        inner join monitoring.alerts as alert on alert.id = due.alert_id
        where due.outcome in ('paged', 'gap', 'exhausted')
        order by alert.rule_no, alert.label_key
    )
    select (select count(*) from due)::integer from (select count(messages) from sent) as queued;
$$;

comment on function monitoring_internal.take_escalation_steps_at(timestamptz, integer[]) is
    'Takes each step of escalation that is due: messages, a transition, and when the next comes.';

-- Escalate as of a time: begin, take what is due, go on; with numbers of rules only their alerts.
-- Called by: evaluate_alerts_at.
create or replace function monitoring_internal.escalate_alerts_at(p_now timestamptz, p_rules integer[] default null)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_limit constant bigint := monitoring_internal.setting_integer('escalation.limit');
    v_taken integer;
    v_total integer := 0;
begin
    perform monitoring_internal.align_escalations_at(p_now, p_rules);
    -- A loop, since steps are taken two hundred at a time, and after a gap the next one comes at once; the pause after
    -- the last step ends it.
    loop
        v_taken := monitoring_internal.take_escalation_steps_at(p_now, p_rules);
        v_total := v_total + v_taken;
        exit when v_taken = 0 or v_total >= v_limit;
    end loop;
    return v_total;
end;
$$;

comment on function monitoring_internal.escalate_alerts_at(timestamptz, integer[]) is
    'Tells active alerts that nobody acknowledged to the next ones in line, as of a time; returns the steps taken.';
