-- alerting/composite_check.sql: what is wrong with a composite rule.
-- Owns composite_fault, composite_parts, composite_name_faults, composite_faults. Writes nothing.
-- Concurrency: any number of callers. Two rules made at once may name each other: none is evaluated through the other.

-- What is wrong with a tree of conditions; null when nothing is.
create or replace function monitoring_internal.composite_fault(p_tree jsonb, p_depth integer)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_keys text[];
    v_branches jsonb;
begin
    if p_depth > 20 then
        return 'condition_definition is nested deeper than 20';
    elsif jsonb_typeof(p_tree) is distinct from 'object' then
        return 'a part of condition_definition is no object';
    end if;
    v_keys := array(select jsonb_object_keys(p_tree));
    if p_tree ? 'rule' then
        return case
            when not v_keys <@ '{rule,at_least,pending}'
            then 'a part with "rule" has other keys than at_least and pending'
            when jsonb_typeof(p_tree -> 'rule') <> 'string' then '"rule" is not the name of a rule'
            when coalesce(p_tree ->> 'at_least', 'warning') not in ('warning', 'critical')
            then '"at_least" is neither warning nor critical'
            when jsonb_typeof(coalesce(p_tree -> 'pending', 'true')) <> 'boolean'
            then '"pending" is neither true nor false'
        end;
    elsif v_keys = '{not}' then
        return monitoring_internal.composite_fault(p_tree -> 'not', p_depth + 1);
    elsif not (v_keys = '{all}' or v_keys = '{any}') then
        return 'a part of condition_definition has not exactly one of the keys all, any, not, rule';
    end if;
    v_branches := p_tree -> v_keys[1];
    if jsonb_typeof(v_branches) <> 'array' or jsonb_array_length(v_branches) not between 1 and 100 then
        return format('"%s" is not a list of 1 to 100 parts', v_keys[1]);
    end if;
    return (
        select part.fault
        from jsonb_array_elements(v_branches) with ordinality as branch (tree, number)
        cross join lateral (select monitoring_internal.composite_fault(branch.tree, p_depth + 1)) as part (fault)
        where part.fault is not null
        order by branch.number
        limit 1
    );
end;
$$;

comment on function monitoring_internal.composite_fault(jsonb, integer) is
    'First fault of a tree of conditions; null when there is none.';

-- The leaves of a tree, each once.
create or replace function monitoring_internal.composite_parts(p_definition jsonb)
returns setof jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select distinct found.leaf
    from jsonb_path_query(
        p_definition - '{on,allow_unknown_metric}'::text[], 'strict $.** ? (exists (@.rule))') as found (leaf);
$$;

comment on function monitoring_internal.composite_parts(jsonb) is 'The leaves of a composite rule''s definition.';

-- Names in a sound tree that are none of a rule, or lead back to the rule itself.
create or replace function monitoring_internal.composite_name_faults(p_rule monitoring.alert_rules)
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with recursive reached (name, tenant_id) as (
        select part.leaf ->> 'rule', p_rule.tenant_id
        from monitoring_internal.composite_parts(p_rule.condition_definition) as part (leaf)
        union
        select part.leaf ->> 'rule', rule.tenant_id
        from reached
        inner join monitoring.alert_rules as rule
            on rule.rule_name = reached.name and rule.condition_type = 'composite'
            and (rule.tenant_id is null or rule.tenant_id = reached.tenant_id) and rule.id <> p_rule.id
        cross join lateral monitoring_internal.composite_parts(rule.condition_definition) as part (leaf)
    )
    select format('there is no rule "%s"', left(part.leaf ->> 'rule', 200))
    from monitoring_internal.composite_parts(p_rule.condition_definition) as part (leaf)
    where not exists (
        select 1 from monitoring.alert_rules as rule
        where rule.rule_name = part.leaf ->> 'rule'
            and (rule.tenant_id is null or rule.tenant_id = p_rule.tenant_id))
        and part.leaf ->> 'rule' <> p_rule.rule_name
    union all
    select 'it names itself, or rules that name it'
    where exists (
        select 1 from reached
        where reached.name = p_rule.rule_name
            and (p_rule.tenant_id is null or reached.tenant_id = p_rule.tenant_id));
$$;

comment on function monitoring_internal.composite_name_faults(monitoring.alert_rules) is
    'Names of a composite rule that are none of a rule or lead in a circle.';

-- What is wrong with a composite rule: its tree, then the names in it.
create or replace function monitoring_internal.composite_faults(p_rule monitoring.alert_rules)
returns setof text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_shared constant jsonb := coalesce(p_rule.condition_definition -> 'on', '[]');
    v_tree constant jsonb := p_rule.condition_definition - '{on,allow_unknown_metric}'::text[];
    v_fault constant text := monitoring_internal.composite_fault(v_tree, 1);
begin
    if v_fault is not null then
        return next v_fault;
        return;
    end if;
    if jsonb_typeof(v_shared) <> 'array' or jsonb_path_exists(v_shared, '$[*] ? (@.type() != "string")') then
        return next '"on" is not a list of labels';
        return;
    end if;
    if (select count(*) from monitoring_internal.composite_parts(v_tree)) > 100 then
        return next 'condition_definition names more than 100 rules';
    elsif v_shared <> '[]' and monitoring_internal.composite_level(v_tree, (
        select jsonb_object_agg(part.leaf::text, 0)
        from monitoring_internal.composite_parts(v_tree) as part (leaf))) > 0
    then
        return next 'it is met where nothing fires, and "on" cannot say for which labels';
    end if;
    return query select monitoring_internal.composite_name_faults(p_rule);
end;
$$;

comment on function monitoring_internal.composite_faults(monitoring.alert_rules) is
    'What is wrong with a composite rule.';
