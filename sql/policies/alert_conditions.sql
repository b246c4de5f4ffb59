-- policies/alert_conditions.sql: the stamps on the rows of rules' tests.

create or replace trigger alert_rule_tests_update_updated_at
    before update on monitoring.alert_rule_tests
    for each row execute function monitoring_internal.update_updated_at_column();
