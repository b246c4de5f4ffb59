-- policies/people.sql: who sees which rows of people, schedules, escalation and audit, and the stamps on their rows.

alter table monitoring.people enable row level security;
drop policy if exists people_visible on monitoring.people;
create policy people_visible on monitoring.people
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger people_update_updated_at
    before update on monitoring.people
    for each row execute function monitoring_internal.update_updated_at_column();
create or replace trigger people_check_zone
    before insert or update on monitoring.people
    for each row execute function monitoring_internal.check_zone_of_row();
create or replace trigger people_keep_future_shifts
    before delete on monitoring.people
    for each row execute function monitoring_internal.keep_future_shifts();

alter table monitoring.contact_methods enable row level security;
drop policy if exists contact_methods_visible on monitoring.contact_methods;
create policy contact_methods_visible on monitoring.contact_methods
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger contact_methods_update_updated_at
    before update on monitoring.contact_methods
    for each row execute function monitoring_internal.update_updated_at_column();

alter table monitoring.alert_comments enable row level security;
drop policy if exists alert_comments_visible on monitoring.alert_comments;
create policy alert_comments_visible on monitoring.alert_comments for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.on_call_schedules enable row level security;
drop policy if exists on_call_schedules_visible on monitoring.on_call_schedules;
create policy on_call_schedules_visible on monitoring.on_call_schedules
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger on_call_schedules_update_updated_at
    before update on monitoring.on_call_schedules
    for each row execute function monitoring_internal.update_updated_at_column();
create or replace trigger on_call_schedules_check_zone
    before insert or update on monitoring.on_call_schedules
    for each row execute function monitoring_internal.check_zone_of_row();

alter table monitoring.on_call_layers enable row level security;
drop policy if exists on_call_layers_visible on monitoring.on_call_layers;
create policy on_call_layers_visible on monitoring.on_call_layers
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger on_call_layers_update_updated_at
    before update on monitoring.on_call_layers
    for each row execute function monitoring_internal.update_updated_at_column();

alter table monitoring.on_call_layer_people enable row level security;
drop policy if exists on_call_layer_people_visible on monitoring.on_call_layer_people;
create policy on_call_layer_people_visible on monitoring.on_call_layer_people
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.on_call_restrictions enable row level security;
drop policy if exists on_call_restrictions_visible on monitoring.on_call_restrictions;
create policy on_call_restrictions_visible on monitoring.on_call_restrictions
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.on_call_assignments enable row level security;
drop policy if exists on_call_assignments_visible on monitoring.on_call_assignments;
create policy on_call_assignments_visible on monitoring.on_call_assignments
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger on_call_assignments_update_updated_at
    before update on monitoring.on_call_assignments
    for each row execute function monitoring_internal.update_updated_at_column();

alter table monitoring.escalation_policies enable row level security;
drop policy if exists escalation_policies_visible on monitoring.escalation_policies;
create policy escalation_policies_visible on monitoring.escalation_policies
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
create or replace trigger escalation_policies_update_updated_at
    before update on monitoring.escalation_policies
    for each row execute function monitoring_internal.update_updated_at_column();

alter table monitoring.escalation_steps enable row level security;
drop policy if exists escalation_steps_visible on monitoring.escalation_steps;
create policy escalation_steps_visible on monitoring.escalation_steps
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.escalation_targets enable row level security;
drop policy if exists escalation_targets_visible on monitoring.escalation_targets;
create policy escalation_targets_visible on monitoring.escalation_targets
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.escalation_states enable row level security;
drop policy if exists escalation_states_visible on monitoring.escalation_states;
create policy escalation_states_visible on monitoring.escalation_states for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.audit_logs enable row level security;
drop policy if exists audit_logs_visible on monitoring.audit_logs;
create policy audit_logs_visible on monitoring.audit_logs for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger alert_rules_check_escalation
    before insert or update of escalation_rules, escalation_policy_id, tenant_id on monitoring.alert_rules
    for each row execute function monitoring_internal.check_rule_escalation();
