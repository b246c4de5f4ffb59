-- Undoes 0007.
delete from monitoring.settings where name like 'export.%';
