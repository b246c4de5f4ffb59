-- policies/tenancy.sql: who sees which rows of the registry, and the stamps on its rows.

alter table monitoring.tenants enable row level security;
drop policy if exists tenants_visible on monitoring.tenants;
create policy tenants_visible on monitoring.tenants for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.tenant_members enable row level security;
drop policy if exists tenant_members_visible on monitoring.tenant_members;
create policy tenant_members_visible on monitoring.tenant_members for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger tenants_update_updated_at
    before update on monitoring.tenants
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger settings_update_updated_at
    before update on monitoring.settings
    for each row execute function monitoring_internal.update_updated_at_column();
