-- Undoes 0023. A job that runs on other servers is retired, and what is open of it counts as cancelled: without its
-- targets it would be another job. Apply it anew afterwards.
alter table monitoring.jobs drop constraint jobs_targets_check;
update monitoring.jobs as job
set retired_at = coalesce(job.retired_at, now()), is_fanned_out = false
where job.targets is not null;
update monitoring.job_totals as total
set cancelled_total = total.cancelled_total + open.slots
from (
    select lease.job_id, count(*) filter (where lease.trigger = 'schedule') as slots
    from monitoring.job_leases as lease
    inner join monitoring.jobs as job on job.job_id = lease.job_id and job.targets is not null
    group by lease.job_id
) as open
where open.job_id = total.job_id;
delete from monitoring.job_leases as lease
using monitoring.jobs as job
where job.job_id = lease.job_id and (job.targets is not null or lease.target_id is not null);
update monitoring.job_state as state
set next_due_at = 'infinity'
from monitoring.jobs as job
where job.job_id = state.job_id and job.targets is not null;
alter type monitoring_internal.claimed_run drop attribute target_id;
drop table monitoring.job_target_totals;
drop index monitoring.job_leases_target_id_idx;
alter table monitoring.job_leases
    drop constraint job_leases_waits_for_check,
    add constraint job_leases_waits_for_check check (
        waits_for is null or (waits_for in ('overlap', 'needs') and instance_id is null)),
    drop column target_id, drop column target_backend_pid, drop column target_backend_started_at;
alter table monitoring.jobs drop column targets;
comment on column monitoring.jobs.is_fanned_out is
    'Each slot is one run in each database of this cluster that matches.';
comment on column monitoring.job_leases.target is 'Where it runs; empty: in this database.';
comment on column monitoring.job_leases.backend_pid is 'The backend that executes it.';
comment on column monitoring.job_leases.waits_for is
    'What a waiting run waits for besides a service: overlap (the run before it) or needs; null: nothing.';
comment on column monitoring.job_runs.target is 'Where it ran; empty: in this database.';
