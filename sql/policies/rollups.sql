-- policies/rollups.sql: stamps of retention classes, and rollups that follow changes of classes.

create or replace trigger retention_classes_update_updated_at
    before update on monitoring.retention_classes
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger metric_families_follow
    after update on monitoring.metric_families
    referencing old table as former new table as changed
    for each statement execute function monitoring_internal.follow_metric_families();

create or replace trigger retention_classes_follow
    after update on monitoring.retention_classes
    referencing old table as former new table as changed
    for each statement execute function monitoring_internal.follow_retention_classes();
