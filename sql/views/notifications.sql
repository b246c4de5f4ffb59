-- views/notifications.sql: routes as they are walked, what waits, what was decided, how receivers are doing.

create or replace view monitoring.notification_route_tree with (security_invoker = true) as
with recursive tree as (
    select route.route_id, route.tenant_id, route.minimum_severity, route.matchers, array[route.route_id] as path,
        array[route.ordinal, route.route_id] as place, route.route_name as name, route.channel_ids, route.group_by,
        route.group_wait, route.group_interval, route.repeat_interval, route.escalation_policy_id
    from monitoring.notification_routes as route
    where route.parent_id is null and route.is_active
    union all
    select child.route_id, child.tenant_id, child.minimum_severity, child.matchers, tree.path || child.route_id,
        tree.place || child.ordinal || child.route_id, tree.name || ' / ' || child.route_name,
        coalesce(child.channel_ids, tree.channel_ids), coalesce(child.group_by, tree.group_by),
        coalesce(child.group_wait, tree.group_wait), coalesce(child.group_interval, tree.group_interval),
        coalesce(child.repeat_interval, tree.repeat_interval),
        coalesce(child.escalation_policy_id, tree.escalation_policy_id)
    from tree
    inner join monitoring.notification_routes as child on child.parent_id = tree.route_id and child.is_active
)
select tree.route_id, tree.tenant_id, tree.name, tree.place, tree.path, tree.minimum_severity, tree.matchers,
    tree.channel_ids, tree.group_by, tree.group_wait, tree.group_interval, tree.repeat_interval,
    tree.escalation_policy_id,
    array(
        select earlier.route_id
        from unnest(tree.path) as step (route_id)
        inner join monitoring.notification_routes as node on node.route_id = step.route_id
        inner join monitoring.notification_routes as earlier on earlier.parent_id is not distinct from node.parent_id
        where earlier.is_active and not earlier.is_continuing
            and (earlier.ordinal, earlier.route_id) < (node.ordinal, node.route_id)) as stoppers,
    array(
        select child.route_id
        from monitoring.notification_routes as child
        where child.parent_id = tree.route_id and child.is_active) as children
from tree;

comment on view monitoring.notification_route_tree is
    'Active routes in the order they are walked, with what they inherit: an alert belongs to those whose whole path '
    'matches it, and none of their stoppers (earlier siblings that do not continue) and children.';

create or replace view monitoring.pending_notifications with (security_invoker = true) as
select held.tenant_id, channel.channel_name, 'held back' as state, held.reason, held.held_at as since_at,
    held.held_until as due_at, array[held.alert_id] as alert_ids, 'the limit of the channel is used up' as cause
from monitoring.held_notifications as held
inner join monitoring.notification_channels as channel on channel.id = held.channel_id
union all
select log.tenant_id, channel.channel_name, 'waiting',
    case when log.sequence = 0 then 'group_wait' else 'group_interval' end,
    coalesce(log.last_sent_at, grouping.first_at), log.next_due_at,
    array(
        select member.alert_id from monitoring.notification_members as member
        where member.group_id = log.group_id and member.alert_id <> all (log.firing)),
    'more alerts of its group may come'
from monitoring.notification_log as log
inner join monitoring.notification_groups as grouping using (group_id)
inner join monitoring.notification_channels as channel on channel.id = log.channel_id
where exists (
    select from monitoring.notification_members as member
    where member.group_id = log.group_id and member.alert_id <> all (log.firing))
union all
select delivery.tenant_id, coalesce(channel.channel_name, endpoint.endpoint_name), delivery.state, message.reason,
    message.created_at, delivery.due_at, message.alert_ids,
    case
        when delivery.state = 'held' then 'its endpoint is inactive: ' || coalesce(endpoint.disabled_reason, 'by hand')
        when channel.channel_type in ('email', 'sms') and not channel.configuration ? 'url'
            then 'its configuration names no url of a server'
        when state.breaker = 'open' then 'it does not answer: ' || state.last_error
        when delivery.last_error is not null
            then 'it failed: ' || coalesce('status ' || delivery.last_status, delivery.last_error)
        when delivery.lease_expires_at is not null then 'a service has it in hand'
        else 'it was not tried yet'
    end
from monitoring.deliveries as delivery
inner join monitoring.outbox_messages as message
    on message.message_id = delivery.message_id and message.created_at = delivery.message_created_at
left join monitoring.notification_channels as channel on channel.id = message.channel_id
left join monitoring.webhook_endpoints as endpoint on endpoint.id = delivery.destination_id
left join monitoring.destination_states as state on state.destination_id = delivery.destination_id;

comment on view monitoring.pending_notifications is
    'What has not reached anybody yet and why: held back by a limit, waiting for its group, or on its way.';

create or replace view monitoring.notification_history with (security_invoker = true) as
select decision.decided_at, decision.tenant_id, decision.alert_id, alert.rule_name, alert.alert_title,
    channel.channel_name, decision.decision, decision.reason, decision.detail, decision.message_id, attempt.outcome,
    attempt.status_code, attempt.finished_at
from monitoring.notification_decisions as decision
left join monitoring.alerts as alert on alert.id = decision.alert_id and alert.tenant_id = decision.tenant_id
left join monitoring.notification_channels as channel on channel.id = decision.channel_id
left join lateral (
    select tried.outcome, tried.status_code, tried.finished_at
    from monitoring.delivery_attempts as tried
    where tried.message_id = decision.message_id
    order by tried.finished_at desc, tried.fence desc
    limit 1) as attempt on true;

comment on view monitoring.notification_history is
    'What was sent about each alert, why, and whether it arrived; and what was not sent, and why not.';

