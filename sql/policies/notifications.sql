-- policies/notifications.sql: who sees which channels, routes and messages; the checks and stamps of their rows.
-- What belongs to no single tenant is seen by operators alone.

alter table monitoring.notification_channels enable row level security;
drop policy if exists notification_channels_visible on monitoring.notification_channels;
create policy notification_channels_visible on monitoring.notification_channels
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        or (tenant_id is null
            and (pg_has_role('monitoring_admin', 'usage') or pg_has_role('monitoring_service', 'usage'))));

alter table monitoring.webhook_endpoints enable row level security;
drop policy if exists webhook_endpoints_visible on monitoring.webhook_endpoints;
create policy webhook_endpoints_visible on monitoring.webhook_endpoints
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.notification_routes enable row level security;
drop policy if exists notification_routes_visible on monitoring.notification_routes;
create policy notification_routes_visible on monitoring.notification_routes
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        or (tenant_id is null
            and (pg_has_role('monitoring_admin', 'usage') or pg_has_role('monitoring_service', 'usage'))));

alter table monitoring.notification_groups enable row level security;
drop policy if exists notification_groups_visible on monitoring.notification_groups;
create policy notification_groups_visible on monitoring.notification_groups for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.notification_members enable row level security;
drop policy if exists notification_members_visible on monitoring.notification_members;
create policy notification_members_visible on monitoring.notification_members for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.notification_log enable row level security;
drop policy if exists notification_log_visible on monitoring.notification_log;
create policy notification_log_visible on monitoring.notification_log for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.held_notifications enable row level security;
drop policy if exists held_notifications_visible on monitoring.held_notifications;
create policy held_notifications_visible on monitoring.held_notifications for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.notification_decisions enable row level security;
drop policy if exists notification_decisions_visible on monitoring.notification_decisions;
create policy notification_decisions_visible on monitoring.notification_decisions for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.outbox_messages enable row level security;
drop policy if exists outbox_messages_visible on monitoring.outbox_messages;
create policy outbox_messages_visible on monitoring.outbox_messages for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.deliveries enable row level security;
drop policy if exists deliveries_visible on monitoring.deliveries;
create policy deliveries_visible on monitoring.deliveries for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.destination_states enable row level security;
drop policy if exists destination_states_visible on monitoring.destination_states;
create policy destination_states_visible on monitoring.destination_states for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        or (tenant_id is null
            and (pg_has_role('monitoring_admin', 'usage') or pg_has_role('monitoring_service', 'usage'))));

alter table monitoring.delivery_attempts enable row level security;
drop policy if exists delivery_attempts_visible on monitoring.delivery_attempts;
create policy delivery_attempts_visible on monitoring.delivery_attempts for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.dead_letters enable row level security;
drop policy if exists dead_letters_visible on monitoring.dead_letters;
create policy dead_letters_visible on monitoring.dead_letters for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger notification_channels_check
    before insert or update of tenant_id, channel_name, channel_type, configuration, sealed_secret, webhook_endpoint_id
    on monitoring.notification_channels
    for each row execute function monitoring_internal.check_notification_channel();

create or replace trigger webhook_endpoints_check
    before insert or update of endpoint_name, webhook_url, sealed_secret, previous_sealed_secret, event_types,
        fallback_endpoint_id
    on monitoring.webhook_endpoints
    for each row execute function monitoring_internal.check_webhook_endpoint();

create or replace trigger notification_routes_check
    before insert or update of parent_id, route_name, tenant_id, matchers, channel_ids
    on monitoring.notification_routes
    for each row execute function monitoring_internal.check_notification_route();

create or replace trigger notification_channels_update_updated_at
    before update of tenant_id, channel_name, channel_type, configuration, sealed_secret, webhook_endpoint_id,
        is_active, rate_limit_per_hour
    on monitoring.notification_channels
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger webhook_endpoints_update_updated_at
    before update of endpoint_name, webhook_url, sealed_secret, previous_sealed_secret, event_types, is_active,
        retry_attempts, timeout, max_in_flight, fallback_endpoint_id
    on monitoring.webhook_endpoints
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger notification_routes_update_updated_at
    before update on monitoring.notification_routes
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger notification_channels_follow
    after update of is_active on monitoring.notification_channels
    for each row when (old.is_active is distinct from new.is_active)
    execute function monitoring_internal.follow_webhook_endpoint();
create or replace trigger notification_channels_renew_routes
    after update of is_active on monitoring.notification_channels
    for each row when (new.is_active and not old.is_active)
    execute function monitoring_internal.renew_routes();
create or replace trigger notification_channels_bury
    after delete on monitoring.notification_channels
    for each row execute function monitoring_internal.bury_deliveries();
create or replace trigger webhook_endpoints_bury
    after delete on monitoring.webhook_endpoints
    for each row execute function monitoring_internal.bury_deliveries();
create or replace trigger webhook_endpoints_follow
    after update of is_active on monitoring.webhook_endpoints
    for each row when (old.is_active is distinct from new.is_active)
    execute function monitoring_internal.follow_webhook_endpoint();
create or replace trigger notification_channels_wake_services
    after update of is_active on monitoring.notification_channels
    for each row when (new.is_active and not old.is_active)
    execute function monitoring_internal.wake_services();
create or replace trigger webhook_endpoints_wake_services
    after update of is_active on monitoring.webhook_endpoints
    for each row when (new.is_active and not old.is_active)
    execute function monitoring_internal.wake_services();

create or replace trigger heartbeats_check
    before insert or update of name, sealed_url on monitoring.heartbeats
    for each row execute function monitoring_internal.check_heartbeat();
create or replace trigger heartbeats_update_updated_at
    before update of name, sealed_url, method, every, is_active on monitoring.heartbeats
    for each row execute function monitoring_internal.update_updated_at_column();
