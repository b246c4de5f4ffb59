-- policies/collect.sql: what collectors found out in a database is seen by whoever sees that database's target.
-- Settings belong to the tenant of their server.

alter table monitoring.collector_states enable row level security;
drop policy if exists collector_states_visible on monitoring.collector_states;
create policy collector_states_visible on monitoring.collector_states for select
    using (target_database_id in (
        select place.target_database_id
        from monitoring.target_databases as place
        where place.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    ));

alter table monitoring.collector_runs enable row level security;
drop policy if exists collector_runs_visible on monitoring.collector_runs;
create policy collector_runs_visible on monitoring.collector_runs for select
    using (target_database_id in (
        select place.target_database_id
        from monitoring.target_databases as place
        where place.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    ));

alter table monitoring.collector_gaps enable row level security;
drop policy if exists collector_gaps_visible on monitoring.collector_gaps;
create policy collector_gaps_visible on monitoring.collector_gaps for select
    using (target_database_id in (
        select place.target_database_id
        from monitoring.target_databases as place
        where place.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    ));

create or replace trigger collectors_update_updated_at
    before update on monitoring.collectors
    for each row execute function monitoring_internal.update_updated_at_column();

alter table monitoring.setting_values enable row level security;
drop policy if exists setting_values_visible on monitoring.setting_values;
create policy setting_values_visible on monitoring.setting_values for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.setting_changes enable row level security;
drop policy if exists setting_changes_visible on monitoring.setting_changes;
create policy setting_changes_visible on monitoring.setting_changes for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
