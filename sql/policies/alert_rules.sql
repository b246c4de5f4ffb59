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

create or replace trigger alert_rules_check
before insert or update on monitoring.alert_rules
for each row
execute function monitoring_internal.check_alert_rule();
comment on trigger alert_rules_check on monitoring.alert_rules is 'Names what is wrong with a rule.';

create or replace trigger alert_rules_track
after insert or delete
    or update of tenant_id, metric_name, matchers, aggregate, evaluation_window, group_by, group_aggregate,
        condition_type, condition_definition, evaluation_interval
on monitoring.alert_rules
for each row
execute function monitoring_internal.track_alert_rule();
comment on trigger alert_rules_track on monitoring.alert_rules is 'Keeps the state and the bindings of the rule.';

create or replace trigger series_enqueue
after insert on monitoring.series
referencing new table as made
for each statement
execute function monitoring_internal.enqueue_series();
comment on trigger series_enqueue on monitoring.series is 'Notes new series for the rules to be bound to.';
