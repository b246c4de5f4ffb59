-- policies/audit_people.sql: the audit of people, schedules, escalation and routes.

create or replace trigger people_audit_insert
    after insert on monitoring.people
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('person', 'person_id');
create or replace trigger people_audit_update
    after update on monitoring.people
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('person', 'person_id');
create or replace trigger people_audit_delete
    after delete on monitoring.people
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('person', 'person_id');

create or replace trigger contact_methods_audit_insert
    after insert on monitoring.contact_methods
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('contact_method', 'contact_method_id');
create or replace trigger contact_methods_audit_update
    after update on monitoring.contact_methods
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('contact_method', 'contact_method_id');
create or replace trigger contact_methods_audit_delete
    after delete on monitoring.contact_methods
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('contact_method', 'contact_method_id');

create or replace trigger alert_comments_audit_insert
    after insert on monitoring.alert_comments
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('alert_comment', 'alert_comment_id');
create or replace trigger alert_comments_audit_update
    after update on monitoring.alert_comments
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('alert_comment', 'alert_comment_id');
create or replace trigger alert_comments_audit_delete
    after delete on monitoring.alert_comments
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('alert_comment', 'alert_comment_id');

create or replace trigger on_call_schedules_audit_insert
    after insert on monitoring.on_call_schedules
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('on_call_schedule', 'on_call_schedule_id');
create or replace trigger on_call_schedules_audit_update
    after update on monitoring.on_call_schedules
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('on_call_schedule', 'on_call_schedule_id');
create or replace trigger on_call_schedules_audit_delete
    after delete on monitoring.on_call_schedules
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('on_call_schedule', 'on_call_schedule_id');

create or replace trigger on_call_layers_audit_insert
    after insert on monitoring.on_call_layers
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('on_call_layer', 'on_call_layer_id');
create or replace trigger on_call_layers_audit_update
    after update on monitoring.on_call_layers
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('on_call_layer', 'on_call_layer_id');
create or replace trigger on_call_layers_audit_delete
    after delete on monitoring.on_call_layers
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('on_call_layer', 'on_call_layer_id');

create or replace trigger on_call_layer_people_audit_insert
    after insert on monitoring.on_call_layer_people
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('on_call_layer_person', 'on_call_layer_id,position');
create or replace trigger on_call_layer_people_audit_update
    after update on monitoring.on_call_layer_people
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('on_call_layer_person', 'on_call_layer_id,position');
create or replace trigger on_call_layer_people_audit_delete
    after delete on monitoring.on_call_layer_people
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('on_call_layer_person', 'on_call_layer_id,position');

create or replace trigger on_call_restrictions_audit_insert
    after insert on monitoring.on_call_restrictions
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('on_call_restriction', 'on_call_restriction_id');
create or replace trigger on_call_restrictions_audit_update
    after update on monitoring.on_call_restrictions
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('on_call_restriction', 'on_call_restriction_id');
create or replace trigger on_call_restrictions_audit_delete
    after delete on monitoring.on_call_restrictions
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('on_call_restriction', 'on_call_restriction_id');

create or replace trigger on_call_assignments_audit_insert
    after insert on monitoring.on_call_assignments
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('on_call_assignment', 'on_call_assignment_id');
create or replace trigger on_call_assignments_audit_update
    after update on monitoring.on_call_assignments
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('on_call_assignment', 'on_call_assignment_id');
create or replace trigger on_call_assignments_audit_delete
    after delete on monitoring.on_call_assignments
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('on_call_assignment', 'on_call_assignment_id');

create or replace trigger escalation_policies_audit_insert
    after insert on monitoring.escalation_policies
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('escalation_policy', 'escalation_policy_id');
create or replace trigger escalation_policies_audit_update
    after update on monitoring.escalation_policies
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('escalation_policy', 'escalation_policy_id');
create or replace trigger escalation_policies_audit_delete
    after delete on monitoring.escalation_policies
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('escalation_policy', 'escalation_policy_id');

create or replace trigger escalation_steps_audit_insert
    after insert on monitoring.escalation_steps
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('escalation_step', 'escalation_step_id');
create or replace trigger escalation_steps_audit_update
    after update on monitoring.escalation_steps
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('escalation_step', 'escalation_step_id');
create or replace trigger escalation_steps_audit_delete
    after delete on monitoring.escalation_steps
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('escalation_step', 'escalation_step_id');

create or replace trigger escalation_targets_audit_insert
    after insert on monitoring.escalation_targets
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('escalation_target', 'escalation_target_id');
create or replace trigger escalation_targets_audit_update
    after update on monitoring.escalation_targets
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('escalation_target', 'escalation_target_id');
create or replace trigger escalation_targets_audit_delete
    after delete on monitoring.escalation_targets
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('escalation_target', 'escalation_target_id');

create or replace trigger notification_routes_audit_insert
    after insert on monitoring.notification_routes
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('notification_route', 'route_id');
create or replace trigger notification_routes_audit_update
    after update on monitoring.notification_routes
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('notification_route', 'route_id');
create or replace trigger notification_routes_audit_delete
    after delete on monitoring.notification_routes
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('notification_route', 'route_id');
