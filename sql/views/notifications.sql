-- views/notifications.sql: routes as they are walked.

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
