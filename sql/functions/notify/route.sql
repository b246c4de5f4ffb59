-- notify/route.sql: which alerts go to which groups and channels.
-- Owns is_replay, severity_level, labels_match, alerts_to_route, channels_of_rule, routes_of_alerts.
-- Reads only; any number of callers at once.

-- Whether history is being replayed: then nothing that the live evaluator needs is touched, and nothing leaves.
create or replace function monitoring_internal.is_replay()
returns boolean
language sql stable parallel safe
begin atomic
    select coalesce(current_setting('pgvigil.is_replay', true) = 'on', false);
end;

comment on function monitoring_internal.is_replay() is
    'Whether this transaction replays history, in a block that is undone: setting pgvigil.is_replay is on.';

-- A severity as a number.
create or replace function monitoring_internal.severity_level(p_severity text)
returns smallint
language sql immutable parallel safe
begin atomic
    select array_position(array['low', 'medium', 'high', 'critical'], p_severity)::smallint;
end;

comment on function monitoring_internal.severity_level(text) is '1 for low to 4 for critical.';

-- Whether labels satisfy matchers; a label that is not there is an empty one, expressions match the whole value.
create or replace function monitoring_internal.labels_match(p_labels jsonb, p_matchers jsonb)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select not exists (
        select
        from jsonb_each(p_matchers) as matcher
        cross join lateral (select coalesce(p_labels ->> matcher.key, '') as value) as label
        where not case jsonb_typeof(matcher.value)
            when 'string' then label.value = matcher.value #>> '{}'
            else coalesce(label.value ~ ('^(?:' || (matcher.value ->> 're') || ')$'), true)
                and coalesce(label.value !~ ('^(?:' || (matcher.value ->> 'nre') || ')$'), true)
                and coalesce(label.value <> matcher.value ->> 'ne', true)
        end);
$$;

comment on function monitoring_internal.labels_match(jsonb, jsonb) is
    'Whether labels satisfy matchers: {"label": "value"}, or {"label": {"re"|"nre"|"ne": "…"}}.';

-- Open alerts that a pass found, raised or let loose, with all their labels; after routes changed every one, and since
-- ever likewise.
create or replace function monitoring_internal.alerts_to_route(p_pass_id bigint, p_since timestamptz)
returns table (alert_id uuid, tenant_id uuid, rule_no integer, level smallint, labels jsonb, own_channels jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with wanted as materialized (
        select transition.alert_id, transition.tenant_id
        from monitoring.alert_transitions as transition
        where transition.pass_id = p_pass_id and transition.alert_id is not null
            and transition.transition = any (array[
                'fired', 'refired', 'reopened', 'severity_raised', 'unsuppressed', 'unacknowledged', 'no_data',
                'flapping', 'steady', 'storm', 'error'])
        union
        select alert.id, alert.tenant_id
        from monitoring.alerts as alert
        where alert.status <> 'resolved' and not (select monitoring_internal.is_replay())
            and (p_since = '-infinity' or exists (
                select from monitoring.notification_routes as route
                where route.updated_at > p_since - interval '1 min'))
    )
    select alert.id, alert.tenant_id, alert.rule_no, monitoring_internal.severity_level(alert.severity),
        coalesce(rule.labels, '{}') || alert.labels || jsonb_strip_nulls(jsonb_build_object(
            'rule_name', alert.rule_name, 'rule_category', rule.rule_category, 'metric_name', alert.metric_name,
            'severity', alert.severity)),
        nullif(rule.notification_channels, '[]')
    from wanted
    inner join monitoring.alerts as alert on alert.id = wanted.alert_id and alert.tenant_id = wanted.tenant_id
    left join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no
    where alert.status <> 'resolved';
$$;

comment on function monitoring_internal.alerts_to_route(bigint, timestamptz) is
    'Open alerts that a pass found, raised or let loose, with their labels, their rule''s and their severity.';

-- The channels that a rule names itself, by id or name; a tenant's own before those of the installation.
create or replace function monitoring_internal.channels_of_rule(p_channels jsonb, p_tenant_id uuid)
returns uuid[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(found.id)
    from jsonb_array_elements_text(p_channels) as wanted (name)
    cross join lateral (
        select channel.id
        from monitoring.notification_channels as channel
        where (channel.tenant_id is null or channel.tenant_id = p_tenant_id)
            and (channel.channel_name = wanted.name or channel.id::text = lower(wanted.name))
        order by channel.tenant_id nulls last
        limit 1
    ) as found;
$$;

comment on function monitoring_internal.channels_of_rule(jsonb, uuid) is
    'Channels that a rule names itself, by id or name; null when none of them is there.';

-- Which routes take which alerts: each at most once for a route; position 1 is the first that takes it.
create or replace function monitoring_internal.routes_of_alerts(p_pass_id bigint, p_since timestamptz)
returns table (alert_id uuid, tenant_id uuid, rule_no integer, labels jsonb, own_channels jsonb, route_id integer,
    "position" bigint)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with candidate as materialized (
        select * from monitoring_internal.alerts_to_route(p_pass_id, p_since)
    ), tree as materialized (
        select route.*, coalesce(monitoring_internal.severity_level(route.minimum_severity), 0) as minimum_level,
            (select coalesce(jsonb_object_agg(matcher.key, matcher.value), '{}')
             from jsonb_each(route.matchers) as matcher
             where jsonb_typeof(matcher.value) = 'string' and matcher.value <> '""') as equalities
        from monitoring.notification_route_tree as route
    ), matched as materialized (
        select candidate.alert_id, array_agg(tree.route_id order by tree.route_id) as route_ids
        from candidate
        inner join tree on candidate.level >= tree.minimum_level
            and (tree.tenant_id is null or tree.tenant_id = candidate.tenant_id)
            and candidate.labels @> tree.equalities
        where tree.matchers = tree.equalities
            or monitoring_internal.labels_match(candidate.labels, tree.matchers)
        group by candidate.alert_id
    ), taken as materialized (
        -- Alerts differ by their labels, and yet few sets of routes match them.
        select pattern.route_ids, tree.route_id,
            row_number() over (partition by pattern.route_ids order by tree.place) as position
        from (select distinct matched.route_ids from matched) as pattern
        inner join tree on tree.path <@ pattern.route_ids
            and not tree.stoppers && pattern.route_ids and not tree.children && pattern.route_ids
    )
    select candidate.alert_id, candidate.tenant_id, candidate.rule_no, candidate.labels, candidate.own_channels,
        taken.route_id, taken.position
    from candidate
    left join matched using (alert_id)
    left join taken using (route_ids);
$$;

comment on function monitoring_internal.routes_of_alerts(bigint, timestamptz) is
    'Which routes take the alerts of a pass, walked depth first; an alert that none takes comes without.';
