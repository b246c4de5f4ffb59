-- Undoes 0016, once the code that uses its tables is gone: rules are lost.
delete from monitoring.settings where name like 'alerting.%';
drop type monitoring_internal.rule_value;
drop type monitoring_internal.sample_fold;
drop type monitoring_internal.alert_reading;
drop table monitoring_internal.unbound_series;
drop table monitoring.alert_bindings;
drop table monitoring.alert_rule_states;
drop table monitoring.alert_rules;
