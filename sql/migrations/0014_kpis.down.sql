-- Undoes 0014, once the code that uses its tables is gone: KPI definitions and values are lost.
delete from monitoring.settings where name like 'kpi.%';
delete from monitoring.partition_policies where table_name = 'monitoring.business_metrics';
drop type monitoring_internal.claimed_kpi;
drop table monitoring.business_metrics;
drop table monitoring.kpi_states;
drop sequence monitoring_internal.kpi_fence;
drop table monitoring.kpi_definitions;
alter table monitoring.tenants drop column industry_vertical, drop column time_zone;
