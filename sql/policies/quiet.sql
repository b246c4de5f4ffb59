-- policies/quiet.sql: who sees which silences, windows and groups; the stamps on their rows, and what is checked.

alter table monitoring.business_hours enable row level security;
drop policy if exists business_hours_visible on monitoring.business_hours;
create policy business_hours_visible on monitoring.business_hours
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.holidays enable row level security;
drop policy if exists holidays_visible on monitoring.holidays;
create policy holidays_visible on monitoring.holidays
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

-- What holds for every tenant is the operators': its words may be about any of them.
alter table monitoring.alert_silences enable row level security;
drop policy if exists alert_silences_visible on monitoring.alert_silences;
create policy alert_silences_visible on monitoring.alert_silences
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
drop policy if exists alert_silences_operators on monitoring.alert_silences;
create policy alert_silences_operators on monitoring.alert_silences to monitoring_admin, monitoring_service
    using (tenant_id is null and (select monitoring.visible_tenant_ids()) is not null);

alter table monitoring.maintenance_windows enable row level security;
drop policy if exists maintenance_windows_visible on monitoring.maintenance_windows;
create policy maintenance_windows_visible on monitoring.maintenance_windows
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
drop policy if exists maintenance_windows_operators on monitoring.maintenance_windows;
create policy maintenance_windows_operators on monitoring.maintenance_windows to monitoring_admin, monitoring_service
    using (tenant_id is null and (select monitoring.visible_tenant_ids()) is not null);

alter table monitoring.alert_inhibitions enable row level security;
drop policy if exists alert_inhibitions_visible on monitoring.alert_inhibitions;
create policy alert_inhibitions_visible on monitoring.alert_inhibitions
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
drop policy if exists alert_inhibitions_operators on monitoring.alert_inhibitions;
create policy alert_inhibitions_operators on monitoring.alert_inhibitions to monitoring_admin, monitoring_service
    using (tenant_id is null and (select monitoring.visible_tenant_ids()) is not null);

alter table monitoring.alert_dependencies enable row level security;
drop policy if exists alert_dependencies_visible on monitoring.alert_dependencies;
create policy alert_dependencies_visible on monitoring.alert_dependencies
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
drop policy if exists alert_dependencies_operators on monitoring.alert_dependencies;
create policy alert_dependencies_operators on monitoring.alert_dependencies to monitoring_admin, monitoring_service
    using (tenant_id is null and (select monitoring.visible_tenant_ids()) is not null);

alter table monitoring.alert_correlations enable row level security;
drop policy if exists alert_correlations_visible on monitoring.alert_correlations;
create policy alert_correlations_visible on monitoring.alert_correlations for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.alert_group_members enable row level security;
drop policy if exists alert_group_members_visible on monitoring.alert_group_members;
create policy alert_group_members_visible on monitoring.alert_group_members for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger alert_silences_update_updated_at
    before update on monitoring.alert_silences
    for each row execute function monitoring_internal.update_updated_at_column();
create or replace trigger maintenance_windows_update_updated_at
    before update on monitoring.maintenance_windows
    for each row execute function monitoring_internal.update_updated_at_column();
create or replace trigger alert_inhibitions_update_updated_at
    before update on monitoring.alert_inhibitions
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger alert_silences_check
    before insert or update of matchers, comment, starts_at, ends_at, schedule, duration, time_zone, is_unbounded
    on monitoring.alert_silences
    for each row execute function monitoring_internal.check_alert_silence();
create or replace trigger maintenance_windows_check
    before insert or update on monitoring.maintenance_windows
    for each row execute function monitoring_internal.check_maintenance_window();
create or replace trigger alert_inhibitions_check
    before insert or update on monitoring.alert_inhibitions
    for each row execute function monitoring_internal.check_alert_inhibition();
create or replace trigger alert_dependencies_check
    after insert or update on monitoring.alert_dependencies
    for each statement execute function monitoring_internal.check_alert_dependencies();
create or replace trigger alert_correlations_check
    after insert on monitoring.alert_correlations
    referencing new table as added
    for each statement execute function monitoring_internal.check_alert_correlations();

-- Hours and windows of a tenant are read in its zone.
create or replace trigger tenants_check_zone
    before insert or update on monitoring.tenants
    for each row execute function monitoring_internal.check_zone_of_row();
