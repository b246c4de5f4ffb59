-- Undoes 0026, once the code that uses its tables is gone: escalation policies and the audit trail are lost.
delete from monitoring.settings where name in ('audit.retention_floor', 'escalation.limit');
delete from monitoring.partition_policies where table_name = 'monitoring.audit_logs';
drop table monitoring.audit_logs;
drop table monitoring.escalation_states;
drop table monitoring.escalation_targets;
drop table monitoring.escalation_steps;
drop table monitoring.escalation_policies;
