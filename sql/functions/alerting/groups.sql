-- alerting/groups.sql: alerts that correlations connect, as groups with the one to look at first.
-- Owns connected_components, group_alerts_at, tidy_correlations(_at). Writes alert_group_members, alert_correlations.
-- Concurrency: one evaluator at a time; tidying takes rows that nobody writes any more.

-- The component of each of p_nodes numbered nodes, by its lowest number.
-- A loop over the edges with one array changed in place: each costs a few steps, where rounds of joins cost ten times
-- that.
-- Units: p_ones and p_others are the two ends of each edge.
create or replace function monitoring_internal.connected_components(
    p_nodes integer, p_ones integer[], p_others integer[])
returns integer[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_lower integer[] := array(select generate_series(1, p_nodes));
    v_one integer;
    v_other integer;
begin
    for v_edge in 1..coalesce(cardinality(p_ones), 0) loop
        v_one := p_ones[v_edge];
        while v_lower[v_one] <> v_one loop
            v_lower[v_one] := v_lower[v_lower[v_one]];
            v_one := v_lower[v_one];
        end loop;
        v_other := p_others[v_edge];
        while v_lower[v_other] <> v_other loop
            v_lower[v_other] := v_lower[v_lower[v_other]];
            v_other := v_lower[v_other];
        end loop;
        if v_one < v_other then
            v_lower[v_other] := v_one;
        elsif v_other < v_one then
            v_lower[v_one] := v_other;
        end if;
    end loop;
    for v_node in 1..p_nodes loop
        v_lower[v_node] := v_lower[v_lower[v_node]];
    end loop;
    return v_lower;
end;
$$;

comment on function monitoring_internal.connected_components(integer, integer[], integer[]) is
    'The component of each of a number of nodes, as the lowest number in it, given the edges between them.';

-- The components of the alerts that may be correlated at a time, of two or more, with the group that each belongs to:
-- that which its members are in already, of several the one with the oldest member, else a new one named after its
-- first.
create or replace function monitoring_internal.grouped_alerts_at(p_now timestamptz)
returns table (alert_id uuid, tenant_id uuid, group_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with node as materialized (
        select recent.alert_id, recent.tenant_id, recent.triggered_at,
            row_number() over (order by recent.triggered_at, recent.alert_id)::integer as no
        from monitoring_internal.correlated_alerts_at(p_now) as recent
    ),
    edge as materialized (
        select array_agg(one.no) as ones, array_agg(other.no) as others
        from monitoring.alert_correlations as pair
        inner join node as one on one.alert_id = pair.alert_id
        inner join node as other on other.alert_id = pair.other_alert_id
    ),
    component as materialized (
        select node.*, found.first_no, member.group_id as former_id,
            coalesce(member.joined_at, p_now) as joined_at, count(*) over (partition by found.first_no) as members
        from edge
        cross join unnest(monitoring_internal.connected_components(
            (select count(*)::integer from node), edge.ones, edge.others)) with ordinality as found (first_no, no)
        inner join node on node.no = found.no
        left join monitoring.alert_group_members as member on member.alert_id = node.alert_id
    )
    select component.alert_id, component.tenant_id,
        first_value(coalesce(component.former_id, component.alert_id)) over (
        partition by component.first_no
        order by component.former_id is null, component.joined_at, component.triggered_at, component.alert_id)
    from component
    where component.members > 1;
$$;

comment on function monitoring_internal.grouped_alerts_at(timestamptz) is
    'Alerts that correlations connect with others, and the group of each.';

-- Bring the groups up to date: who joins, which groups turn out to be one, and where to look first.
-- Called by: correlate_alerts_at.
create or replace function monitoring_internal.group_alerts_at(p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alerts uuid[];
    v_tenants uuid[];
    v_groups uuid[];
    v_touched uuid[];
begin
    select array_agg(found.alert_id order by found.alert_id), array_agg(found.tenant_id order by found.alert_id),
        array_agg(found.group_id order by found.alert_id)
    into v_alerts, v_tenants, v_groups
    from monitoring_internal.grouped_alerts_at(p_now) as found;
    -- Members that are over come along when their group is taken into another.
    update monitoring.alert_group_members as member
    set group_id = merged.group_id
    from (
        select former.group_id as former_id, min(found.group_id::text)::uuid as group_id
        from unnest(v_alerts, v_groups) as found (alert_id, group_id)
        inner join monitoring.alert_group_members as former on former.alert_id = found.alert_id
        where former.group_id <> found.group_id
        group by former.group_id
    ) as merged
    where member.group_id = merged.former_id;
    insert into monitoring.alert_group_members (alert_id, tenant_id, group_id, joined_at)
    select found.alert_id, found.tenant_id, found.group_id, p_now
    from unnest(v_alerts, v_tenants, v_groups) as found (alert_id, tenant_id, group_id)
    order by found.alert_id
    on conflict (alert_id) do nothing;
    v_touched := array(select distinct g.id from unnest(v_groups) as g (id));
    with counted as (
        select member.alert_id, count(pair.cause_alert_id)::integer as dependants, row_number() over (
            partition by member.group_id
            order by count(pair.cause_alert_id) desc, min(alert.triggered_at), member.alert_id) = 1 as is_root
        from monitoring.alert_group_members as member
        left join monitoring.alerts as alert on alert.id = member.alert_id
        left join monitoring.alert_correlations as pair
            on pair.cause_alert_id = member.alert_id and member.alert_id in (pair.alert_id, pair.other_alert_id)
        where member.group_id = any (v_touched)
        group by member.alert_id
    )
    update monitoring.alert_group_members as member
    set is_root = counted.is_root, dependants = counted.dependants
    from counted
    where counted.alert_id = member.alert_id
        and (member.is_root, member.dependants) is distinct from (counted.is_root, counted.dependants);
end;
$$;

comment on function monitoring_internal.group_alerts_at(timestamptz) is
    'Brings the groups of alerts up to date: who joins, which groups are one, and where to look first.';

-- The same as of a time.
create or replace function monitoring_internal.tidy_correlations_at(p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with past as (
        select p_now - monitoring_internal.setting_interval('alerting.correlation_retention') as before_at
    ),
    ended as (
        delete from monitoring.alert_correlations as pair
        using past
        where pair.found_at < past.before_at and not exists (
            select from monitoring.alerts as alert
            where alert.id in (pair.alert_id, pair.other_alert_id) and alert.status <> 'resolved')
        returning 1
    ),
    parted as (
        delete from monitoring.alert_group_members as member
        using past
        where member.joined_at < past.before_at and not exists (
            select from monitoring.alert_group_members as other
            inner join monitoring.alerts as alert on alert.id = other.alert_id and alert.status <> 'resolved'
            where other.group_id = member.group_id)
        returning 1
    )
    select (select count(*) from ended) + (select count(*) from parted);
$$;

comment on function monitoring_internal.tidy_correlations_at(timestamptz) is
    'Deletes correlations and groups of alerts that are over, beyond their retention, as of a time.';

-- Delete correlations and groups of alerts that are over, beyond alerting.correlation_retention.
-- Called by: job tidy_correlations.
create or replace function monitoring.tidy_correlations()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.tidy_correlations_at(clock_timestamp());
$$;

comment on function monitoring.tidy_correlations() is
    'Deletes correlations and groups of alerts that are over, beyond alerting.correlation_retention; returns how many '
    'rows.';
