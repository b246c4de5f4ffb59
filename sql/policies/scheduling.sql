-- policies/scheduling.sql: triggers of the jobs' tables. Jobs belong to the installation, not to tenants.

create or replace trigger jobs_updated_at before update on monitoring.jobs
for each row when (old.* is distinct from new.*)
execute function monitoring_internal.update_updated_at_column();
