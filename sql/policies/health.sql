-- policies/health.sql: who sees which rows of health, and the stamps on its rules.

alter table monitoring.system_health enable row level security;
drop policy if exists system_health_visible on monitoring.system_health;
create policy system_health_visible on monitoring.system_health for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.service_hosts enable row level security;
drop policy if exists service_hosts_visible on monitoring.service_hosts;
create policy service_hosts_visible on monitoring.service_hosts for select
    using ((select monitoring.system_tenant_id() = any (monitoring.visible_tenant_ids())));

create or replace trigger health_rules_update_updated_at
    before update on monitoring.health_rules
    for each row execute function monitoring_internal.update_updated_at_column();
