-- alerting/rule_levels.sql: label sets of rules, and which level a value is at.
-- Owns alert_label_key, alert_group_labels, matches_labels, alert_level, alert_held_level. Writes nothing.
-- Any number of callers at once.

-- The key of a label set: of the tenant and the labels as jsonb writes them, which is one way only.
create or replace function monitoring_internal.alert_label_key(p_tenant_id uuid, p_labels jsonb)
returns uuid
language sql immutable parallel safe
begin atomic
    select md5(p_tenant_id::text || p_labels::text)::uuid;
end;

comment on function monitoring_internal.alert_label_key(uuid, jsonb) is 'Key of a label set of a tenant.';

-- The labels of the group that a series falls into; null for p_group_by leaves the series by itself.
create or replace function monitoring_internal.alert_group_labels(p_labels jsonb, p_group_by text[])
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_group_by is null then p_labels
        else coalesce((
            select jsonb_object_agg(label.key, label.value)
            from jsonb_each(p_labels) as label
            where label.key = any (p_group_by)
        ), '{}')
    end;
$$;

comment on function monitoring_internal.alert_group_labels(jsonb, text[]) is
    'Labels of the group that a series falls into: those named, or all of them for null.';

-- Whether labels satisfy matchers. A label that is missing is the empty one; expressions match the whole value.
-- Raises: 2201B for a bad expression, which no rule has: they are checked when it is made.
create or replace function monitoring_internal.matches_labels(p_labels jsonb, p_matchers jsonb)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select not exists (
        select 1
        from jsonb_each(p_matchers) as matcher
        cross join lateral (select coalesce(p_labels ->> matcher.key, '') as text) as label
        where case
            when jsonb_typeof(matcher.value) = 'object' then
                label.text !~ ('^(?:' || coalesce(matcher.value ->> 're', '.*') || ')$')
                or label.text ~ ('^(?:' || (matcher.value ->> 'nre') || ')$')
                or label.text = matcher.value ->> 'ne'
            else label.text <> (matcher.value #>> '{}')
        end
    );
$$;

comment on function monitoring_internal.matches_labels(jsonb, jsonb) is
    'Whether labels satisfy matchers: equal values, re, nre and ne.';

-- The level whose threshold a value passes: 0 none, 1 warning, 2 critical. No value passes none.
create or replace function monitoring_internal.alert_level(
    p_value double precision, p_operator text, p_warning double precision, p_critical double precision,
    p_epsilon double precision)
returns smallint
language sql immutable parallel safe
begin atomic
    select (case
        when case p_operator
            when 'gt' then p_value > p_critical
            when 'gte' then p_value >= p_critical
            when 'lt' then p_value < p_critical
            when 'lte' then p_value <= p_critical
            when 'eq' then abs(p_value - p_critical) <= p_epsilon
            when 'ne' then abs(p_value - p_critical) > p_epsilon
        end then 2
        when case p_operator
            when 'gt' then p_value > p_warning
            when 'gte' then p_value >= p_warning
            when 'lt' then p_value < p_warning
            when 'lte' then p_value <= p_warning
            when 'eq' then abs(p_value - p_warning) <= p_epsilon
            when 'ne' then abs(p_value - p_warning) > p_epsilon
        end then 1
        else 0
    end)::smallint;
end;

comment on function monitoring_internal.alert_level(
    double precision, text, double precision, double precision, double precision) is
    'Level whose threshold a value passes: 0, 1 warning or 2 critical. Operators: gt, gte, lt, lte, eq, ne.';

-- The highest level that a value has not left yet: passed, or not back beyond its recovery. Without a recovery that is
-- a tenth of the threshold to the good side; eq and ne have none.
create or replace function monitoring_internal.alert_held_level(
    p_value double precision, p_operator text, p_warning double precision, p_critical double precision,
    p_warning_recovery double precision, p_critical_recovery double precision, p_epsilon double precision)
returns smallint
language sql immutable parallel safe
begin atomic
    select (case
        when case p_operator
            when 'gt' then p_value > least(p_critical, coalesce(p_critical_recovery, p_critical - abs(p_critical) / 10))
            when 'gte' then p_value >= p_critical
                or p_value > coalesce(p_critical_recovery, p_critical - abs(p_critical) / 10)
            when 'lt' then p_value
                < greatest(p_critical, coalesce(p_critical_recovery, p_critical + abs(p_critical) / 10))
            when 'lte' then p_value <= p_critical
                or p_value < coalesce(p_critical_recovery, p_critical + abs(p_critical) / 10)
            when 'eq' then abs(p_value - p_critical) <= p_epsilon
            when 'ne' then abs(p_value - p_critical) > p_epsilon
        end then 2
        when case p_operator
            when 'gt' then p_value > least(p_warning, coalesce(p_warning_recovery, p_warning - abs(p_warning) / 10))
            when 'gte' then p_value >= p_warning
                or p_value > coalesce(p_warning_recovery, p_warning - abs(p_warning) / 10)
            when 'lt' then p_value
                < greatest(p_warning, coalesce(p_warning_recovery, p_warning + abs(p_warning) / 10))
            when 'lte' then p_value <= p_warning
                or p_value < coalesce(p_warning_recovery, p_warning + abs(p_warning) / 10)
            when 'eq' then abs(p_value - p_warning) <= p_epsilon
            when 'ne' then abs(p_value - p_warning) > p_epsilon
        end then 1
        else 0
    end)::smallint;
end;

comment on function monitoring_internal.alert_held_level(
    double precision, text, double precision, double precision, double precision, double precision, double precision) is
    'Highest level that a value has not left yet, its recovery considered: 0, 1 warning or 2 critical.';
