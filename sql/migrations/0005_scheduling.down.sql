-- Undoes 0005, once the code that uses its tables is gone: jobs are lost, those of a file come back with it.
delete from monitoring.settings where name like 'scheduling.%';
drop type monitoring_internal.checked_job;
drop table monitoring.job_totals;
drop table monitoring.job_state;
drop table monitoring.jobs;
drop table monitoring.job_sources;
drop table monitoring.service_instances;
