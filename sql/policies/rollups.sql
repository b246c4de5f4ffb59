-- policies/rollups.sql: stamps of retention classes.

create or replace trigger retention_classes_update_updated_at
    before update on monitoring.retention_classes
    for each row execute function monitoring_internal.update_updated_at_column();
