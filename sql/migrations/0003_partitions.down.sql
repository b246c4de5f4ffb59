-- Undoes 0003, once the code that uses its tables is gone.
delete from monitoring.settings where name like 'partitions.%';
drop type monitoring_internal.partition_step;
drop table monitoring.partition_maintenance;
drop table monitoring.partition_holds;
drop table monitoring.partition_policies;
