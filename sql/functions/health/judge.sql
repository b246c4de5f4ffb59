-- health/judge.sql: from values to points, score and status.
-- Owns health_penalty, health_level, health_readings_at, combine_values, health_identity, health_reading.
-- Writes nothing.
-- Concurrency: any number of callers at once.

-- The share of a rule's weight that a value costs. It begins to rise shortly before warning, where it is a quarter at
-- most, and is all of it from critical on.
create or replace function monitoring_internal.health_penalty(
    p_value double precision, p_warning double precision, p_critical double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select ramp.t * ramp.t * (3 - 2 * ramp.t)
    from (
        select p_warning - sign(p_critical - p_warning)
            * least(abs(p_critical - p_warning) / 2, abs(p_warning) / 2) as start
    ) as bound
    cross join lateral (
        select least(1, greatest(0, (p_value - bound.start) / nullif(p_critical - bound.start, 0))) as t
        where p_value is not null and p_warning is not null and p_critical is not null
    ) as ramp;
end;

comment on function monitoring_internal.health_penalty(double precision, double precision, double precision) is
    'Share of the weight lost, 0 to 1: about a quarter at warning, all at critical, on whichever side is bad.';

-- healthy, warning or critical by two bounds, whose order tells which side is bad; null without a value or bounds.
create or replace function monitoring_internal.health_level(
    p_value double precision, p_warning double precision, p_critical double precision)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_value is null or p_warning is null or p_critical is null then null
        when (p_value - p_critical) * sign(p_critical - p_warning) >= 0 then 'critical'
        when (p_value - p_warning) * sign(p_critical - p_warning) >= 0 then 'warning'
        else 'healthy'
    end;
end;

comment on function monitoring_internal.health_level(double precision, double precision, double precision) is
    'The level of a value by its bounds for warning and critical.';

-- The value of each rule for each component, or what is the matter with it:
-- known; absent: the rule does not apply; unknown: it should be there and is not; elsewhere: of a machine not seen.
create or replace function monitoring_internal.health_readings_at(p_now timestamptz)
returns table (
    component_kind text, component_name text, tenant_id uuid, server text, datname text, rule_name text, state text,
    value double precision, reason text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with point as materialized (
        select given.*, given.labels ->> 'server' as server, given.labels ->> 'datname' as datname,
            given.labels ->> 'host' as host_name
        from monitoring_internal.health_points_at(p_now) as given
    ), pair as materialized (
        select component.*, rule.name, rule.metric as own_metric, rule.divisor, rule.witness, rule.empty_value,
            rule.aggregate as own_aggregate, rule.combine, rule.identity_labels, rule.is_required, rule.is_of_host
        from monitoring_internal.health_components_at(p_now) as component
        inner join monitoring.health_rules as rule using (component_kind)
        where rule.is_enabled
    ), found as (
        select pair.component_name, pair.name, input.part,
            monitoring_internal.combine_values(
                case input.part when 'own' then pair.combine else 'sum' end,
                array_agg(point.value) filter (where point.is_fresh)) as value,
            array_agg(distinct identity.value) filter (where point.newest_at is not null) as there,
            array_agg(distinct identity.value) filter (where point.is_fresh) as here,
            bool_or(point.is_fresh) as is_fresh,
            bool_or(point.was_seen) as was_seen
        from pair
        inner join monitoring_internal.health_rule_inputs as input using (name)
        inner join point using (metric, aggregate, span, matchers)
        cross join lateral (
            select monitoring_internal.health_identity(point.labels, pair.identity_labels) as value
        ) as identity
        where point.tenant_id = pair.tenant_id
            and case
                when pair.is_of_host or pair.component_kind = 'host' then point.host_name = pair.host_name
                else point.server is not distinct from pair.server
                    and (pair.datname is null or point.datname = pair.datname)
            end
        group by pair.component_name, pair.name, pair.combine, input.part
    )
    select pair.component_kind, pair.component_name, pair.tenant_id, pair.server, pair.datname, pair.name, read.state,
        case when read.state = 'known' then read.value end,
        case read.state when 'elsewhere' then pair.host_reason
            when 'unknown' then format('no current sample of %s', case
                when pair.witness is not null and not coalesce(witness.is_fresh, false) then pair.witness
                when own.is_fresh and pair.divisor <> '{}' then array_to_string(pair.divisor, ', ')
                else pair.own_metric end)
        end
    from pair
    left join found as own on (own.component_name, own.name, own.part) = (pair.component_name, pair.name, 'own')
    left join found as divisor
        on (divisor.component_name, divisor.name, divisor.part) = (pair.component_name, pair.name, 'divisor')
    left join found as witness
        on (witness.component_name, witness.name, witness.part) = (pair.component_name, pair.name, 'witness')
    cross join lateral monitoring_internal.health_reading(
        pair.own_aggregate, own.value, cardinality(own.there) - coalesce(cardinality(own.here), 0), own.was_seen,
        pair.divisor <> '{}', divisor.value, pair.witness is not null, coalesce(witness.is_fresh, false),
        coalesce(witness.was_seen, false), pair.empty_value, pair.is_required,
        pair.is_of_host and pair.host_name is null) as read;
$$;

comment on function monitoring_internal.health_readings_at(timestamptz) is
    'The value of each health rule for each component, or why there is none.';

-- Several values as one.
create or replace function monitoring_internal.combine_values(p_combine text, p_values double precision[])
returns double precision
language sql immutable parallel safe
begin atomic
    select case p_combine
        when 'sum' then sum(given.value)
        when 'maximum' then max(given.value)
        when 'minimum' then min(given.value)
        else avg(given.value)
    end
    from unnest(p_values) as given (value);
end;

comment on function monitoring_internal.combine_values(text, double precision[]) is
    'Sum, maximum, minimum or average of values; null of none.';

-- Who a series is about, for rules that look for what was lost.
create or replace function monitoring_internal.health_identity(p_labels jsonb, p_names text[])
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(string_agg(coalesce(p_labels ->> given.name, ''), E'\n' order by given.ordinal), '')
    from unnest(p_names) with ordinality as given (name, ordinal);
end;

comment on function monitoring_internal.health_identity(jsonb, text[]) is
    'The values of the labels that tell who a series is about.';

-- What became of one rule for one component. A value that should be there and is not is unknown, never zero or good.
create or replace function monitoring_internal.health_reading(
    p_aggregate text, p_value double precision, p_lost integer, p_was_seen boolean,
    p_has_divisor boolean, p_divisor double precision, p_has_witness boolean, p_is_witness_fresh boolean,
    p_was_witness_seen boolean, p_empty_value double precision, p_is_required boolean, p_is_elsewhere boolean,
    out state text, out value double precision)
language sql immutable parallel safe
begin atomic
    select
        case
            when judged.value is not null then 'known'
            when p_is_elsewhere then 'elsewhere'
            -- Its collector runs, and there is none of it: it does not apply.
            when p_has_witness and p_is_witness_fresh then 'absent'
            when p_is_required or p_was_seen or p_has_witness and p_was_witness_seen then 'unknown'
            else 'absent'
        end,
        judged.value
    from (
        select case
            when p_aggregate = 'lost' then case when p_is_witness_fresh then p_lost end
            when p_value is null and p_has_witness and p_is_witness_fresh then p_empty_value
            when not p_has_divisor then p_value
            else p_value / nullif(p_divisor, 0)
        end as value
    ) as judged;
end;

comment on function monitoring_internal.health_reading(
    text, double precision, integer, boolean, boolean, double precision, boolean, boolean, boolean,
    double precision, boolean, boolean) is
    'known with its value, absent, unknown or elsewhere, for one rule and component.';
