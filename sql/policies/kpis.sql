-- policies/kpis.sql: who sees which rows of the KPIs, and the stamps on their rows.

alter table monitoring.kpi_definitions enable row level security;
drop policy if exists kpi_definitions_visible on monitoring.kpi_definitions;
create policy kpi_definitions_visible on monitoring.kpi_definitions
    using (tenant_id is null or tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.kpi_states enable row level security;
drop policy if exists kpi_states_visible on monitoring.kpi_states;
create policy kpi_states_visible on monitoring.kpi_states for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.business_metrics enable row level security;
drop policy if exists business_metrics_visible on monitoring.business_metrics;
create policy business_metrics_visible on monitoring.business_metrics for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger kpi_definitions_update_updated_at
    before update on monitoring.kpi_definitions
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger business_metrics_update_updated_at
    before update on monitoring.business_metrics
    for each row execute function monitoring_internal.update_updated_at_column();
