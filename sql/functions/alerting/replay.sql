-- alerting/replay.sql: rules and samples of their own on which the evaluator runs, to be undone by whoever asked.
-- Owns suffix_rule_names, clone_alert_rule, replayed_rules, bind_replayed_rules_at, replay_step_at. Writes alert_rules,
-- alert_bindings, alert_rule_states. Concurrency: the rows are new, never seen by others: nobody waits for it.

-- A composite rule's tree with each name of a rule made longer.
create or replace function monitoring_internal.suffix_rule_names(p_tree jsonb, p_suffix text)
returns jsonb
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if jsonb_typeof(p_tree) = 'array' then
        return (
            select jsonb_agg(monitoring_internal.suffix_rule_names(part.tree, p_suffix) order by part.number)
            from jsonb_array_elements(p_tree) with ordinality as part (tree, number));
    elsif p_tree ? 'rule' then
        return p_tree || jsonb_build_object('rule', left(p_tree ->> 'rule', 150) || p_suffix);
    end if;
    return (
        select jsonb_object_agg(part.key, case
            when part.key in ('all', 'any', 'not')
            then monitoring_internal.suffix_rule_names(part.value, p_suffix) else part.value end)
        from jsonb_each(p_tree) as part);
end;
$$;

comment on function monitoring_internal.suffix_rule_names(jsonb, text) is
    'A composite rule''s definition with a suffix on each name of a rule.';

-- A copy of a rule under a longer name, with changes, for its tenant or another; before it, copies of those it names.
create or replace function monitoring_internal.clone_alert_rule(
    p_rule_no integer, p_tenant_id uuid, p_changes jsonb, p_suffix text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule monitoring.alert_rules;
    v_named integer;
begin
    select changed.* into v_rule
    from monitoring.alert_rules as rule
    cross join lateral jsonb_populate_record(rule, p_changes - '{id,rule_no,rule_name,tenant_id}'::text[]) as changed
    where rule.rule_no = p_rule_no;
    if v_rule.condition_type = 'composite' then
        -- A loop, since each may name others.
        for v_named in
            select target.rule_no
            from monitoring_internal.composite_parts(v_rule.condition_definition) as part (leaf)
            cross join lateral (
                select rule.rule_no
                from monitoring.alert_rules as rule
                where rule.rule_name = part.leaf ->> 'rule'
                    and (rule.tenant_id is null or rule.tenant_id = v_rule.tenant_id)
                order by rule.tenant_id nulls last
                limit 1
            ) as target
            group by target.rule_no
        loop
            perform monitoring_internal.clone_alert_rule(v_named, p_tenant_id, '{}', p_suffix);
        end loop;
        v_rule.condition_definition := monitoring_internal.suffix_rule_names(v_rule.condition_definition, p_suffix);
    end if;
    v_rule.id := gen_random_uuid();
    v_rule.rule_name := left(v_rule.rule_name, 150) || p_suffix;
    v_rule.tenant_id := coalesce(p_tenant_id, v_rule.tenant_id);
    v_rule.is_active := true;
    v_rule.source := 'user';
    v_rule.pack_hash := null;
    v_rule.last_triggered := null;
    if not exists (
        select 1 from monitoring.alert_rules as rule
        where rule.rule_name = v_rule.rule_name and rule.tenant_id is not distinct from v_rule.tenant_id)
    then
        insert into monitoring.alert_rules overriding user value values (v_rule.*);
    end if;
end;
$$;

comment on function monitoring_internal.clone_alert_rule(integer, uuid, jsonb, text) is
    'Copies a rule, and those it names, under names with a suffix; with changes, and for another tenant if given.';

-- The copies under a suffix, in the order they were made: the last is the one that was asked for.
create or replace function monitoring_internal.replayed_rules(p_suffix text)
returns integer[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(rule.rule_no order by rule.rule_no)
    from monitoring.alert_rules as rule
    where right(rule.rule_name, length(p_suffix)) = p_suffix;
$$;

comment on function monitoring_internal.replayed_rules(text) is 'Numbers of the copies of rules under a suffix.';

-- Bind copies to their series. p_spacing: distance of the samples; null to measure it.
create or replace function monitoring_internal.bind_replayed_rules_at(
    p_now timestamptz, p_rules integer[], p_spacing interval)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.bind_rules(p_rules, null);
    perform monitoring_internal.bind_operands(p_rules);
    perform monitoring_internal.measure_spacing_at(p_rules, p_now);
    update monitoring.alert_rule_states as state
    set is_bound = true, spacing = coalesce(p_spacing, state.spacing)
    where state.rule_no = any (p_rules);
end;
$$;

comment on function monitoring_internal.bind_replayed_rules_at(timestamptz, integer[], interval) is
    'Binds copies of rules to their series.';

-- One step of a replay; returns whether the evaluator was run. It is not where copies of rules have no condition,
-- nothing is to be told, and they find nothing: then a pass has nothing to change. The evaluator takes a long silence
-- for one of its own, so the quiet step before the first finding is evaluated too. p_is_complete: run it at each step.
create or replace function monitoring_internal.replay_step_at(
    p_now timestamptz, p_rules integer[], p_step interval, p_is_complete boolean)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_quiet boolean := not p_is_complete
        and not exists (select 1 from monitoring.alert_conditions as open where open.rule_no = any (p_rules))
        and not exists (
            select 1 from monitoring.notification_log as log where log.is_replay and log.next_due_at < 'infinity');
begin
    if v_is_quiet then
        begin
            v_is_quiet := not exists (
                select 1
                from (
                    select distinct rule.condition_type
                    from monitoring.alert_rules as rule
                    where rule.rule_no = any (p_rules)
                ) as kind
                cross join lateral monitoring_internal.read_alert_rules_at(p_now, kind.condition_type, p_rules));
        exception when others then -- a rule that breaks is the evaluator's to deal with
            v_is_quiet := false;
        end;
        if v_is_quiet then
            return false;
        end if;
        if exists (
            select 1 from monitoring.alert_rule_states as state
            where state.rule_no = any (p_rules) and (state.last_evaluated_at >= p_now - p_step) is not true)
        then
            perform monitoring_internal.evaluate_alerts_at(p_now - p_step, p_rules);
        end if;
    end if;
    perform monitoring_internal.evaluate_alerts_at(p_now, p_rules);
    return true;
end;
$$;

comment on function monitoring_internal.replay_step_at(timestamptz, integer[], interval, boolean) is
    'One step of a replay, left out where it can change nothing; returns whether the evaluator was run.';
