-- policies/alert_archive.sql: an archived alert is its tenant's.

alter table monitoring.alerts_archive enable row level security;
drop policy if exists alerts_archive_visible on monitoring.alerts_archive;
create policy alerts_archive_visible on monitoring.alerts_archive for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger alerts_archive_update_updated_at
    before update on monitoring.alerts_archive
    for each row execute function monitoring_internal.update_updated_at_column();
