-- policies/retention.sql: triggers of retention and archives.

create or replace trigger archives_updated_at
    before update on monitoring.archives
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger metric_families_retention_class
    after update on monitoring.metric_families
    referencing old table as former new table as changed
    for each statement execute function monitoring_internal.forget_deleted_until();
