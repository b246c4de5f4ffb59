-- Undoes 0008, once the code that uses its tables is gone: the history of runs is lost.
delete from monitoring.partition_policies
where table_name in ('monitoring.job_runs', 'monitoring.job_run_attempts', 'monitoring.job_run_rollups');
drop type monitoring_internal.claimed_run;
drop type monitoring_internal.planned_slot;
drop table monitoring.job_errors;
drop table monitoring.job_run_rollups;
drop table monitoring.job_run_attempts;
drop table monitoring.job_runs;
drop table monitoring.job_leases;
