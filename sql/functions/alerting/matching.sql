-- alerting/matching.sql: open alerts held against many sets of matchers at once.
-- Owns matcher_parts, meant_values, match_alerts. Writes nothing.
-- Concurrency: reads of one snapshot.
--
-- Each set is led by the part that the fewest alerts have: these are joined by value, and only they are held against
-- the other parts. An expression leads where no list of values does, and then runs once a distinct value, not once an
-- alert.

-- The parts of several sets of matchers, numbered, and which of them may lead.
create or replace function monitoring_internal.matcher_parts(p_matchers jsonb[], p_tenants uuid[])
returns table (
    set_no integer, tenant_id uuid, part_no integer, label text, operator text, operands text[], pattern text,
    may_lead boolean)
language sql immutable parallel safe
rows 50
set search_path = pg_catalog, pg_temp
as $$
    select given.no::integer, given.tenant_id, row_number() over ()::integer, part.label, part.operator, part.operands,
        part.pattern, part.operator = 'in' or not bool_or(part.operator = 'in') over (partition by given.no)
    from unnest(p_matchers, p_tenants) with ordinality as given (matchers, tenant_id, no)
    cross join lateral monitoring_internal.compile_matchers(given.matchers) as part;
$$;

comment on function monitoring_internal.matcher_parts(jsonb[], uuid[]) is
    'The parts of several sets of matchers, numbered, and which of them may lead.';

-- Which of the open alerts each of several sets of matchers means; a set of a tenant only that tenant's.
-- Units: p_tenants has one element for each set, null for every tenant's alerts.
-- Called by: alert_suppressors_at, silenced_alerts, silence_matches.
create or replace function monitoring_internal.match_alerts(p_matchers jsonb[], p_tenants uuid[])
returns table (set_no integer, alert_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
    with open_alert as materialized (
        select row_number() over ()::integer as alert_no, alert.id, alert.tenant_id, alert.document
        from monitoring_internal.open_alerts as alert
        where cardinality(p_matchers) > 0
    ),
    part as materialized (select * from monitoring_internal.matcher_parts(p_matchers, p_tenants)),
    label_value as materialized (
        select alert.alert_no, wanted.label, coalesce(alert.document ->> wanted.label, '') as value
        from open_alert as alert cross join (select distinct part.label from part where part.may_lead) as wanted (label)
    ),
    frequency as materialized (
        select label_value.label, label_value.value, count(*) as alerts
        from label_value group by label_value.label, label_value.value
    ),
    seen as materialized (
        select frequency.label, array_agg(frequency.value) as all_values from frequency group by frequency.label
    ),
    meant as materialized (
        select distinct part.part_no, part.label, meant.value
        from part
        left join seen on part.operator <> 'in' and seen.label = part.label
        cross join lateral unnest(coalesce(seen.all_values, part.operands)) as meant (value)
        where part.may_lead
            and monitoring_internal.matches_value(meant.value, part.operator, part.operands, part.pattern)
    ),
    leader as materialized (
        select distinct on (part.set_no) part.set_no, part.tenant_id, part.part_no
        from part
        left join meant on meant.part_no = part.part_no
        left join frequency on frequency.label = meant.label and frequency.value = meant.value
        where part.may_lead
        group by part.set_no, part.tenant_id, part.part_no
        order by part.set_no, coalesce(sum(frequency.alerts), 0), part.part_no
    ),
    candidate as materialized (
        -- In the order of the sets: a server keeps few compiled expressions.
        select leader.set_no, leader.part_no, alert.id, alert.document
        from leader
        inner join meant on meant.part_no = leader.part_no
        inner join label_value on label_value.label = meant.label and label_value.value = meant.value
        inner join open_alert as alert
            on alert.alert_no = label_value.alert_no
            and (leader.tenant_id is null or leader.tenant_id = alert.tenant_id)
        order by leader.set_no
    )
    select candidate.set_no, candidate.id
    from candidate
    where not exists (
        select from part
        where part.set_no = candidate.set_no and part.part_no <> candidate.part_no
            and not monitoring_internal.matches_value(
                coalesce(candidate.document ->> part.label, ''), part.operator, part.operands, part.pattern));
$$;

comment on function monitoring_internal.match_alerts(jsonb[], uuid[]) is
    'Which of the open alerts each of several sets of matchers means; a set of a tenant only that tenant''s.';
