-- Undoes 0017, once the code that uses its tables is gone: alerts and their history are lost.
delete from monitoring.settings where name in (
    'alerting.acknowledged_for_critical', 'alerting.acknowledged_for_other', 'alerting.failures_before_alert',
    'alerting.flapping_on', 'alerting.flapping_off', 'alerting.value_refresh');
delete from monitoring.partition_policies where table_name in (
    'monitoring.alerts', 'monitoring.alert_transitions', 'monitoring.alert_passes');
drop table monitoring.alert_passes;
drop table monitoring.alert_transitions;
drop table monitoring.alerts;
drop table monitoring.alert_conditions;
drop type monitoring_internal.alert_change;
drop type monitoring_internal.alert_pair;
