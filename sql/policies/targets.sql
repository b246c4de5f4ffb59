-- policies/targets.sql: whose targets are whose, the check of secrets, and the stamps on their rows.

alter table monitoring.targets enable row level security;
drop policy if exists targets_visible on monitoring.targets;
create policy targets_visible on monitoring.targets for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.target_databases enable row level security;
drop policy if exists target_databases_visible on monitoring.target_databases;
create policy target_databases_visible on monitoring.target_databases for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.target_events enable row level security;
drop policy if exists target_events_visible on monitoring.target_events;
create policy target_events_visible on monitoring.target_events for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger targets_check
    before insert or update of
        name, conninfo, sealed_secret, sealed_for, is_secret_usable, database_include, database_exclude
    on monitoring.targets
    for each row execute function monitoring_internal.check_target();

create or replace trigger targets_update_updated_at
    before update on monitoring.targets
    for each row execute function monitoring_internal.update_updated_at_column();
