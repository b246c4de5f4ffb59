-- Undoes 0033, once the code that uses its tables is gone: what is in files stays there, and nobody knows of it.
delete from monitoring.settings
where name like 'archive.%' or name like 'retention.%' or name like 'maintenance.rebuild%';
drop table monitoring.index_rebuilds;
drop table monitoring.table_sizes;
drop table monitoring.backup_checks;
drop table monitoring.retention_states;
drop type monitoring_internal.claimed_archive;
drop table monitoring.archives;
alter table monitoring.retention_classes drop column archive_retention;
