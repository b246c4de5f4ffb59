-- queries/series.sql: which series a query means, and the groups they make.
-- Owns query_series, group_labels, query_groups. Writes nothing.
-- Concurrency: reads of one snapshot.

-- The series of the caller's tenants that matchers mean, of one metric or of all. Labels that have to have a value
-- are asked of the index; the longest list of values is a constant of the plan, and so hashed; the rest is held against
-- what that leaves.
create or replace function monitoring_internal.query_series(p_family_id integer, p_matchers jsonb)
returns table (series_id integer, tenant_id uuid, metric_family_id integer, labels jsonb)
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_tenants constant uuid[] := monitoring.visible_tenant_ids();
    v_exact jsonb;
    v_listed text;
    v_listed_values text[];
    v_labels text[];
    v_operators text[];
    v_operands jsonb[];
    v_patterns text[];
begin
    if p_matchers is null or p_matchers = '{}' then
        v_exact := '{}';
    else
        select coalesce(jsonb_object_agg(part.label, part.operands[1]) filter (where part.is_exact), '{}'),
            min(part.label) filter (where part.is_listed), array_agg(part.operands) filter (where part.is_listed),
            array_agg(part.label) filter (where part.is_other),
            array_agg(part.operator) filter (where part.is_other),
            array_agg(to_jsonb(part.operands)) filter (where part.is_other),
            array_agg(part.pattern) filter (where part.is_other)
        into v_exact, v_listed, v_listed_values, v_labels, v_operators, v_operands, v_patterns
        from (
            select part.*, not part.is_exact and not part.is_listed as is_other
            from (
                select part.*, part.operator = 'in' and cardinality(part.operands) = 1 and part.operands[1] <> ''
                    and row_number() over (partition by part.label order by part.operator, cardinality(part.operands))
                        = 1 as is_exact,
                    part.operator = 'in' and cardinality(part.operands) > 1
                    and row_number() over (order by part.operator <> 'in', cardinality(part.operands) desc) = 1
                        as is_listed
                from monitoring_internal.compile_matchers(p_matchers) as part
            ) as part
        ) as part;
    end if;
    return query
    select series.series_id, series.tenant_id, series.metric_family_id, series.labels
    from monitoring.series as series
    where series.tenant_id = any (v_tenants)
        and (p_family_id is null or series.metric_family_id = p_family_id)
        and (v_exact = '{}' or series.labels @> v_exact)
        and (v_listed is null or coalesce(series.labels ->> v_listed, '') = any (v_listed_values))
        and (v_labels is null or not exists (
            select
            from unnest(v_labels, v_operators, v_operands, v_patterns) as part (label, operator, operands, pattern)
            where not monitoring_internal.matches_value(
                coalesce(series.labels ->> part.label, ''), part.operator,
                array(select jsonb_array_elements_text(part.operands)), part.pattern)));
end;
$$;

comment on function monitoring_internal.query_series(integer, jsonb) is
    'The series of the caller''s tenants that matchers mean, of one metric or (null) of all.';

-- The labels by which a series is grouped; those that it does not have are left out, as they are in Prometheus.
create or replace function monitoring_internal.group_labels(p_labels jsonb, p_group_by text[])
returns jsonb
language sql immutable parallel safe
begin atomic
    select case when p_group_by is null then p_labels
        else (
            select coalesce(jsonb_object_agg(wanted.label, p_labels -> wanted.label), '{}')
            from unnest(p_group_by) as wanted (label)
            where p_labels ? wanted.label)
    end;
end;

comment on function monitoring_internal.group_labels(jsonb, text[]) is
    'Those of a series'' labels by which it is grouped; all of them where group_by is null.';

-- The series of a query with the numbers of their groups, and each group's tenant and labels. Tenants never share one.
create or replace function monitoring_internal.query_groups(
    p_family_id integer, p_matchers jsonb, p_group_by text[],
    out series_ids integer[], out group_nos integer[], out tenant_ids uuid[], out labels jsonb[])
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
begin
    with chosen as materialized (
        select series.series_id, series.tenant_id,
            case when p_group_by is null then series.labels
                else monitoring_internal.group_labels(series.labels, p_group_by) end as labels
        from monitoring_internal.query_series(p_family_id, p_matchers) as series
    ),
    numbered as materialized (
        select chosen.*, dense_rank() over (order by chosen.tenant_id, chosen.labels)::integer as group_no from chosen
    )
    select of_series.series_ids, of_series.group_nos, of_group.tenant_ids, of_group.labels
    into query_groups.series_ids, query_groups.group_nos, query_groups.tenant_ids, query_groups.labels
    from (
        select array_agg(numbered.series_id order by numbered.series_id) as series_ids,
            array_agg(numbered.group_no order by numbered.series_id) as group_nos
        from numbered
    ) as of_series
    cross join (
        select array_agg(made.tenant_id order by made.group_no) as tenant_ids,
            array_agg(made.labels order by made.group_no) as labels
        from (
            select distinct on (numbered.group_no) numbered.group_no, numbered.tenant_id, numbered.labels
            from numbered
            order by numbered.group_no
        ) as made
    ) as of_group;
end;
$$;

comment on function monitoring_internal.query_groups(integer, jsonb, text[]) is
    'The series that a query means, the number of each one''s group, and the tenant and labels of each group.';
