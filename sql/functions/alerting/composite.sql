-- alerting/composite.sql: rules on what other rules say.
-- Owns composite_leaves, composite_level, composite_votes, composite_readings_at, read_composite_rules_at.
-- Writes nothing. Concurrency: runs in the evaluator's pass, after the other rules' conditions were written.

-- The leaves of composite rules, each with the rule it names: the tenant's own before that of every tenant.
create or replace function monitoring_internal.composite_leaves(p_rules integer[])
returns table (rule_no integer, tenant_id uuid, shared text[], leaf jsonb, target_no integer)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select rule.rule_no, rule.tenant_id,
        array(select jsonb_array_elements_text(coalesce(rule.condition_definition -> 'on', '[]'))), leaf.leaf, (
            select target.rule_no
            from monitoring.alert_rules as target
            where target.rule_name = leaf.leaf ->> 'rule'
                and (target.tenant_id is null or target.tenant_id = rule.tenant_id)
            order by target.tenant_id nulls last
            limit 1)
    from monitoring.alert_rules as rule
    cross join lateral monitoring_internal.composite_parts(rule.condition_definition) as leaf (leaf)
    where rule.rule_no = any (p_rules) and rule.condition_type = 'composite';
$$;

comment on function monitoring_internal.composite_leaves(integer[]) is
    'The leaves of composite rules, with the rules they name; null for one that is not there.';

-- The level of a tree, from those of its leaves: all is the least of its parts, any the greatest, not is critical where
-- its part is nothing. Null, when what is not known could change it.
create or replace function monitoring_internal.composite_level(p_tree jsonb, p_levels jsonb)
returns smallint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_tree ? 'rule' then
        return (p_levels ->> p_tree::text)::smallint;
    elsif p_tree ? 'not' then
        return 2 - 2 * sign(monitoring_internal.composite_level(p_tree -> 'not', p_levels));
    elsif p_tree ? 'all' then
        return (
            select case when min(part.level) = 0 or count(*) = count(part.level) then min(part.level) end
            from jsonb_array_elements(p_tree -> 'all') as branch (tree)
            cross join lateral (select monitoring_internal.composite_level(branch.tree, p_levels)) as part (level)
        );
    end if;
    return (
        select case when max(part.level) = 2 or count(*) = count(part.level) then max(part.level) end
        from jsonb_array_elements(p_tree -> 'any') as branch (tree)
        cross join lateral (select monitoring_internal.composite_level(branch.tree, p_levels)) as part (level)
    );
end;
$$;

comment on function monitoring_internal.composite_level(jsonb, jsonb) is
    'Level of a tree of conditions, from the levels of its leaves by their text; null when it cannot be known.';

-- What the conditions of the rules it names say for each leaf: their labels cut down to the shared ones, and the level.
create or replace function monitoring_internal.composite_votes(p_rules integer[])
returns table (
    rule_no integer, shared text[], leaf jsonb, tenant_id uuid, labels jsonb, is_whole boolean, level smallint)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select leaf.rule_no, leaf.shared, leaf.leaf, condition.tenant_id, cut.labels,
        cut.labels ?& leaf.shared, max(said.level)::smallint
    from monitoring_internal.composite_leaves(p_rules) as leaf
    inner join monitoring.alert_conditions as condition
        on condition.rule_no = leaf.target_no and condition.kind = 'series'
        and (leaf.tenant_id is null or condition.tenant_id = leaf.tenant_id)
    cross join lateral (
        select monitoring_internal.alert_group_labels(condition.labels, leaf.shared)) as cut (labels)
    cross join lateral (
        select case
            when condition.alert_id is not null then condition.level
            when condition.state = 'pending' and (leaf.leaf -> 'pending') = 'true'
            then case when condition.critical_since is null then 1 else 2 end
            else 0 end
    ) as said (level)
    where said.level >= case when leaf.leaf ->> 'at_least' = 'critical' then 2 else 1 end
    group by leaf.rule_no, leaf.shared, leaf.leaf, condition.tenant_id, cut.labels;
$$;

comment on function monitoring_internal.composite_votes(integer[]) is
    'What the conditions of the rules that composite rules name say, by leaf, tenant and shared labels.';

-- Readings of composite rules: one a tenant and set of shared labels that any named rule has a condition for, and those
-- with a condition of their own. A named rule's condition that lacks shared labels speaks for all sets it fits.
create or replace function monitoring_internal.composite_readings_at(
    p_now timestamptz, p_rules integer[], p_is_complete boolean)
returns setof monitoring_internal.alert_reading
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with leaf as materialized (select * from monitoring_internal.composite_leaves(p_rules)),
    vote as materialized (select * from monitoring_internal.composite_votes(p_rules)),
    unit as (
        select vote.rule_no, vote.tenant_id, vote.labels from vote where vote.is_whole
        union
        select condition.rule_no, condition.tenant_id, condition.labels
        from monitoring.alert_conditions as condition
        where condition.rule_no in (select leaf.rule_no from leaf) and condition.kind = 'series'
        union
        select leaf.rule_no, tenant.tenant_id, '{}'
        from leaf
        inner join monitoring.tenants as tenant on leaf.tenant_id is null or tenant.tenant_id = leaf.tenant_id
        where leaf.shared = '{}'
    ),
    weighed as (
        select unit.rule_no, unit.tenant_id, unit.labels, jsonb_object_agg(leaf.leaf::text, case
            when leaf.target_no is not null then greatest(exact.level, fitting.level, 0) end) as levels
        from unit
        inner join leaf on leaf.rule_no = unit.rule_no
        left join vote as exact
            on exact.rule_no = unit.rule_no and exact.leaf = leaf.leaf and exact.tenant_id = unit.tenant_id
            and exact.labels = unit.labels
        left join lateral (
            select max(vote.level) as level
            from vote
            where vote.rule_no = unit.rule_no and vote.leaf = leaf.leaf and vote.tenant_id = unit.tenant_id
                and not vote.is_whole and unit.labels @> vote.labels
        ) as fitting on true
        group by unit.rule_no, unit.tenant_id, unit.labels
    ),
    decided as materialized (
        select pattern.rule_no, pattern.levels,
            monitoring_internal.composite_level(
                rule.condition_definition - '{on,allow_unknown_metric}'::text[], pattern.levels) as level
        from (select distinct weighed.rule_no, weighed.levels from weighed) as pattern
        inner join monitoring.alert_rules as rule on rule.rule_no = pattern.rule_no
    )
    select weighed.rule_no, monitoring_internal.alert_label_key(weighed.tenant_id, weighed.labels), weighed.tenant_id,
        weighed.labels, decided.level::double precision, coalesce(decided.level, 0::smallint),
        coalesce(decided.level, 2::smallint), case when decided.level > 0 then p_now end, p_now, 1, 1, 1,
        'data', jsonb_build_object('type', 'composite', 'levels', weighed.levels)
            || case when decided.level is null then '{"no_verdict": "a rule it names is not there"}'
                else '{}' end::jsonb
    from weighed
    inner join decided on decided.rule_no = weighed.rule_no and decided.levels = weighed.levels
    where p_is_complete or decided.level > 0
        or exists (
            select 1 from monitoring.alert_conditions as condition
            where condition.rule_no = weighed.rule_no
                and condition.label_key = monitoring_internal.alert_label_key(weighed.tenant_id, weighed.labels));
$$;

comment on function monitoring_internal.composite_readings_at(timestamptz, integer[], boolean) is
    'Readings of composite rules.';

-- Those that matter, for the evaluator.
create or replace function monitoring_internal.read_composite_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.composite_readings_at(p_now, p_rules, false);
$$;

comment on function monitoring_internal.read_composite_rules_at(timestamptz, integer[]) is
    'Readings of composite rules that matter to the evaluator.';
