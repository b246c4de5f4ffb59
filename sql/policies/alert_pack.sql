-- policies/alert_pack.sql: the stamps on the pack's rows.

create or replace trigger alert_pack_rules_update_updated_at
    before update on monitoring.alert_pack_rules
    for each row execute function monitoring_internal.update_updated_at_column();
