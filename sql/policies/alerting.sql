-- policies/alerting.sql: who sees which alerts, and the stamps on their rows.

alter table monitoring.alert_conditions enable row level security;
drop policy if exists alert_conditions_visible on monitoring.alert_conditions;
create policy alert_conditions_visible on monitoring.alert_conditions for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.alerts enable row level security;
drop policy if exists alerts_visible on monitoring.alerts;
create policy alerts_visible on monitoring.alerts for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.alert_transitions enable row level security;
drop policy if exists alert_transitions_visible on monitoring.alert_transitions;
create policy alert_transitions_visible on monitoring.alert_transitions for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger alerts_update_updated_at
    before update on monitoring.alerts
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger alert_rules_close_dropped
    after delete on monitoring.alert_rules
    referencing old table as former
    for each statement execute function monitoring_internal.close_alerts_of_dropped_rules();
comment on trigger alert_rules_close_dropped on monitoring.alert_rules is 'Resolves what is open of dropped rules.';

create or replace trigger alert_rules_close_changed
    after update on monitoring.alert_rules
    referencing old table as former new table as later
    for each statement execute function monitoring_internal.close_alerts_of_changed_rules();
comment on trigger alert_rules_close_changed on monitoring.alert_rules is
    'Resolves what is open of rules that are switched off, or group or read otherwise than before.';
