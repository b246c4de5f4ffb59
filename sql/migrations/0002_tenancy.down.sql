-- Undoes 0002, once the code that uses its tables is gone: tenants, members and settings are lost.
drop table monitoring.settings;
drop table monitoring.tenant_members;
drop table monitoring.tenants;
