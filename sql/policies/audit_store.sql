-- policies/audit_store.sql: the audit of retention classes, platforms, their metrics, and systems.

create or replace trigger retention_classes_audit_insert
    after insert on monitoring.retention_classes
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('retention_class', 'name');
create or replace trigger retention_classes_audit_update
    after update on monitoring.retention_classes
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('retention_class', 'name');
create or replace trigger retention_classes_audit_delete
    after delete on monitoring.retention_classes
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('retention_class', 'name');

create or replace trigger platforms_audit_insert
    after insert on monitoring.platforms
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('platform', 'platform_id');
create or replace trigger platforms_audit_update
    after update on monitoring.platforms
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('platform', 'platform_id');
create or replace trigger platforms_audit_delete
    after delete on monitoring.platforms
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('platform', 'platform_id');

create or replace trigger metric_definitions_audit_insert
    after insert on monitoring.metric_definitions
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('metric_definition', 'metric_id');
create or replace trigger metric_definitions_audit_update
    after update on monitoring.metric_definitions
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('metric_definition', 'metric_id');
create or replace trigger metric_definitions_audit_delete
    after delete on monitoring.metric_definitions
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('metric_definition', 'metric_id');

-- That it was seen is no change of a system.
create or replace trigger systems_audit_insert
    after insert on monitoring.systems
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('system', 'system_id', 'last_seen');
create or replace trigger systems_audit_update
    after update of hostname, cpu_cores, ram_total_gb, gpu_model, location, status, tenant_id
    on monitoring.systems for each row
    execute function monitoring_internal.audit_row('system', 'system_id', 'last_seen');
create or replace trigger systems_audit_delete
    after delete on monitoring.systems
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('system', 'system_id', 'last_seen');
