-- Undoes 0011: the settings of servers and the ledger of their changes.

drop type monitoring_internal.settings_row;
drop table monitoring.setting_changes;
drop table monitoring.setting_values;

delete from monitoring.partition_policies where table_name = 'monitoring.setting_changes';
