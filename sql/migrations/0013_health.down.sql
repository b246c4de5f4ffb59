-- Undoes 0013, once the code that uses its tables is gone: rules and the history of health are lost.
delete from monitoring.settings where name like 'health.%';
delete from monitoring.partition_policies where table_name = 'monitoring.system_health';
drop type monitoring_internal.health_score;
drop table monitoring.system_health;
drop table monitoring.service_hosts;
drop table monitoring.health_rules;
