-- policies/alert_rules.sql: who sees which alert rules, and what watches over their rows.
-- Rules of no tenant are seen with the system's: what they find for a tenant is in that tenant's alerts.

alter table monitoring.alert_rules enable row level security;
drop policy if exists alert_rules_visible on monitoring.alert_rules;
create policy alert_rules_visible on monitoring.alert_rules
    using (
        coalesce(tenant_id, monitoring.system_tenant_id())
            = any ((select monitoring.visible_tenant_ids())::uuid[]));

-- Evaluation notes when a rule fired last, which changes nothing about the rule.
create or replace trigger update_alert_rules_updated_at
before update on monitoring.alert_rules
for each row
when (old.last_triggered is not distinct from new.last_triggered)
execute function monitoring_internal.update_updated_at_column();
