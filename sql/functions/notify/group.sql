-- notify/group.sql: the groups that alerts are told in.
-- Owns group_labels, grouped_alerts, group_alerts_at, touch_groups_at.
-- Writes notification_groups, notification_members, notification_log and _decisions. Under the evaluator's lock.

-- What the alerts of a group have in common; {...} makes each alert its own.
create or replace function monitoring_internal.group_labels(p_labels jsonb, p_group_by text[], p_alert_id uuid)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_group_by = '{...}' then p_labels || jsonb_build_object('alert_id', p_alert_id)
        else (
            select coalesce(jsonb_object_agg(label.name, p_labels -> label.name), '{}')
            from unnest(coalesce(p_group_by, '{rule_name}')) as label (name)
            where p_labels ? label.name)
    end;
$$;

comment on function monitoring_internal.group_labels(jsonb, text[], uuid) is
    'The labels of an alert by which it is grouped: by rule when no route says otherwise.';

-- The groups of a pass's alerts, and where they are told. A rule's own channels take the place of those of its routes;
-- then the first route's timing counts. Channels are null where nothing leads to any.
create or replace function monitoring_internal.grouped_alerts(p_pass_id bigint, p_since timestamptz)
returns table (
    alert_id uuid, tenant_id uuid, group_key uuid, route_id integer, rule_no integer, labels jsonb,
    channel_ids uuid[], group_wait interval, group_interval interval, repeat_interval interval, has_route boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with routed as materialized (
        select * from monitoring_internal.routes_of_alerts(p_pass_id, p_since) as routed
        where routed.own_channels is null or coalesce(routed.position, 1) = 1
    ), own as materialized (
        select wanted.own_channels, wanted.tenant_id,
            monitoring_internal.channels_of_rule(wanted.own_channels, wanted.tenant_id) as channel_ids
        from (
            select distinct routed.own_channels, routed.tenant_id
            from routed
            where routed.own_channels is not null) as wanted
    ), tree as materialized (
        select * from monitoring.notification_route_tree
    )
    select routed.alert_id, routed.tenant_id,
        md5(concat_ws('/', routed.tenant_id, routed.route_id,
            'rule ' || case when routed.own_channels is not null then routed.rule_no end, shared.labels,
            -- A replay has groups of its own.
            case when monitoring_internal.is_replay() then 'replay ' || pg_current_xact_id()::text end))::uuid,
        routed.route_id, case when routed.own_channels is not null then routed.rule_no end, shared.labels,
        case when routed.own_channels is null then tree.channel_ids else own.channel_ids end,
        coalesce(tree.group_wait, (select monitoring_internal.setting_interval('notify.group_wait'))),
        coalesce(tree.group_interval, (select monitoring_internal.setting_interval('notify.group_interval'))),
        tree.repeat_interval, routed.route_id is not null or routed.own_channels is not null
    from routed
    left join own on own.own_channels = routed.own_channels and own.tenant_id = routed.tenant_id
    left join tree on tree.route_id = routed.route_id
    cross join lateral (
        select monitoring_internal.group_labels(routed.labels, tree.group_by, routed.alert_id) as labels
    ) as shared;
$$;

comment on function monitoring_internal.grouped_alerts(bigint, timestamptz) is
    'The groups that the alerts of a pass belong to, their channels and their timing.';

-- Put a pass's alerts into their groups, to be looked at now. Those that lead nowhere are recorded so.
create or replace function monitoring_internal.group_alerts_at(
    p_now timestamptz, p_pass_id bigint, p_since timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with grouped as materialized (
        select grouped.*, channel.ids
        from monitoring_internal.grouped_alerts(p_pass_id, p_since) as grouped
        cross join lateral (
            select array_agg(channel.id) as ids
            from monitoring.notification_channels as channel
            where channel.id = any (grouped.channel_ids) and channel.is_active
                and (channel.tenant_id is null or channel.tenant_id = grouped.tenant_id)
        ) as channel
    ), unreachable as (
        insert into monitoring.notification_decisions (decided_at, tenant_id, alert_id, decision, reason)
        select p_now, grouped.tenant_id, grouped.alert_id, 'withheld',
            case when grouped.has_route then 'no_channel' else 'no_route' end
        from grouped
        where grouped.ids is null
    ), placed as (
        insert into monitoring.notification_groups (
            group_key, tenant_id, route_id, rule_no, labels, group_wait, group_interval, repeat_interval, first_at)
        select distinct on (grouped.group_key) grouped.group_key, grouped.tenant_id, grouped.route_id, grouped.rule_no,
            grouped.labels, grouped.group_wait, grouped.group_interval, grouped.repeat_interval, p_now
        from grouped
        where grouped.ids is not null
        order by grouped.group_key
        on conflict (group_key) do update
        set group_wait = excluded.group_wait, group_interval = excluded.group_interval,
            repeat_interval = excluded.repeat_interval
        returning group_id, group_key
    ), joined as (
        insert into monitoring.notification_members (group_id, alert_id, tenant_id, added_at)
        select distinct placed.group_id, grouped.alert_id, grouped.tenant_id, p_now
        from grouped
        inner join placed using (group_key)
        on conflict do nothing
    )
    insert into monitoring.notification_log (group_id, channel_id, tenant_id, next_due_at, is_replay)
    select distinct placed.group_id, channel.id, grouped.tenant_id, p_now, monitoring_internal.is_replay()
    from grouped
    inner join placed using (group_key)
    cross join unnest(grouped.ids) as channel (id)
    on conflict (group_id, channel_id) do update set next_due_at = excluded.next_due_at;
$$;

comment on function monitoring_internal.group_alerts_at(timestamptz, bigint, timestamptz) is
    'Puts the alerts of a pass into their groups, each to be looked at now; those that lead nowhere are recorded so.';

-- Look now at the groups of alerts that changed: in this pass, or by hand since the one before. Since ever: at all.
create or replace function monitoring_internal.touch_groups_at(
    p_now timestamptz, p_pass_id bigint, p_since timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.notification_log as log
    set next_due_at = p_now
    where log.next_due_at > p_now and log.is_replay = monitoring_internal.is_replay()
        and (p_since = '-infinity' or log.group_id in (
            select member.group_id
            from monitoring.alert_transitions as transition
            inner join monitoring.notification_members as member on member.alert_id = transition.alert_id
            where transition.occurred_at > p_since - interval '1 min' and transition.occurred_at <= p_now
                and (transition.pass_id = p_pass_id or transition.pass_id is null)
                and transition.transition <> all (array['pending', 'cleared', 'recovering', 'data_back'])));
$$;

comment on function monitoring_internal.touch_groups_at(timestamptz, bigint, timestamptz) is
    'Marks the groups of alerts that changed, in this pass or by hand since the last one, to be looked at.';
