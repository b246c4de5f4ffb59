-- policies/audit_quiet.sql: the audit of what keeps alerts quiet.

create or replace trigger business_hours_audit_insert
    after insert on monitoring.business_hours
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('business_hour', 'business_hour_id');
create or replace trigger business_hours_audit_update
    after update on monitoring.business_hours
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('business_hour', 'business_hour_id');
create or replace trigger business_hours_audit_delete
    after delete on monitoring.business_hours
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('business_hour', 'business_hour_id');

create or replace trigger holidays_audit_insert
    after insert on monitoring.holidays
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('holiday', 'holiday_id');
create or replace trigger holidays_audit_update
    after update on monitoring.holidays
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('holiday', 'holiday_id');
create or replace trigger holidays_audit_delete
    after delete on monitoring.holidays
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('holiday', 'holiday_id');

create or replace trigger alert_silences_audit_insert
    after insert on monitoring.alert_silences
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('silence', 'silence_id', 'last_matched_at');
create or replace trigger alert_silences_audit_update
    after update on monitoring.alert_silences
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('silence', 'silence_id', 'last_matched_at');
create or replace trigger alert_silences_audit_delete
    after delete on monitoring.alert_silences
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('silence', 'silence_id', 'last_matched_at');

create or replace trigger maintenance_windows_audit_insert
    after insert on monitoring.maintenance_windows
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('maintenance_window', 'maintenance_window_id');
create or replace trigger maintenance_windows_audit_update
    after update on monitoring.maintenance_windows
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('maintenance_window', 'maintenance_window_id');
create or replace trigger maintenance_windows_audit_delete
    after delete on monitoring.maintenance_windows
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('maintenance_window', 'maintenance_window_id');

create or replace trigger alert_inhibitions_audit_insert
    after insert on monitoring.alert_inhibitions
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('alert_inhibition', 'alert_inhibition_id');
create or replace trigger alert_inhibitions_audit_update
    after update on monitoring.alert_inhibitions
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('alert_inhibition', 'alert_inhibition_id');
create or replace trigger alert_inhibitions_audit_delete
    after delete on monitoring.alert_inhibitions
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('alert_inhibition', 'alert_inhibition_id');

create or replace trigger alert_dependencies_audit_insert
    after insert on monitoring.alert_dependencies
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('alert_dependency', 'alert_dependency_id');
create or replace trigger alert_dependencies_audit_update
    after update on monitoring.alert_dependencies
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('alert_dependency', 'alert_dependency_id');
create or replace trigger alert_dependencies_audit_delete
    after delete on monitoring.alert_dependencies
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('alert_dependency', 'alert_dependency_id');
