-- Undoes 0012. A job that asks for what was not there before is retired, and what waits of it is cancelled: without its
-- role, its databases or its needs it would be another job, with the rights of the service. Apply it anew afterwards.
update monitoring.jobs as job
set retired_at = coalesce(job.retired_at, now()), dst = 'once', overlap = 'skip', misfire = 'last',
    mode = case job.mode when 'maintenance' then 'transaction' else job.mode end
where job.run_as is not null or job.is_fanned_out or job.needs <> '{}' or job.mode = 'maintenance'
    or job.dst <> 'once' or job.overlap <> 'skip' or job.misfire <> 'last';
update monitoring.job_totals as total
set cancelled_total = total.cancelled_total + waiting.slots
from (
    select lease.job_id, count(*) filter (where lease.trigger = 'schedule') as slots
    from monitoring.job_leases as lease
    inner join monitoring.jobs as job on job.job_id = lease.job_id and job.retired_at is not null
    where lease.instance_id is null
    group by lease.job_id
) as waiting
where waiting.job_id = total.job_id;
delete from monitoring.job_leases as lease
using monitoring.jobs as job
where job.job_id = lease.job_id and job.retired_at is not null and lease.instance_id is null;
update monitoring.job_state as state
set next_due_at = 'infinity'
from monitoring.jobs as job
where job.job_id = state.job_id and job.retired_at is not null;
delete from monitoring.settings where name = 'scheduling.misfire_grace';
alter type monitoring_internal.claimed_run
    drop attribute run_as, drop attribute target, drop attribute must_signal;
alter type monitoring_internal.planned_slot
    drop attribute run_slots, drop attribute targets, drop attribute is_plain;
drop index monitoring.job_leases_cancel_reason_idx;
drop index monitoring.job_leases_waits_for_idx;
drop index monitoring.job_leases_claimable_at_idx;
alter table monitoring.job_run_attempts drop constraint job_run_attempts_status_check;
alter table monitoring.job_leases
    drop column waits_for, drop column retry_count, drop column cancel_reason;
create index job_leases_claimable_at_idx on monitoring.job_leases (claimable_at) where instance_id is null;
delete from monitoring.collectors where scope = 'home';
alter table monitoring.collectors
    drop constraint collectors_scope_check,
    add constraint collectors_scope_check check (scope in ('instance', 'database'));
comment on column monitoring.collectors.scope is 'instance: once a server; database: once a database of it.';
alter table monitoring.job_totals
    drop column last_run_seconds, drop column last_lateness_seconds;
alter table monitoring.job_state
    drop column paused_until, drop column pause_reason, drop column paused_by;
alter table monitoring.jobs
    drop constraint jobs_mode_check,
    drop constraint jobs_dst_check,
    drop constraint jobs_overlap_check,
    drop constraint jobs_misfire_check,
    drop column misfire_limit, drop column run_as, drop column retry_attempts, drop column retry_base,
    drop column retry_cap, drop column needs, drop column is_fanned_out, drop column database_match,
    drop column database_except,
    add constraint jobs_mode_check check (mode in ('transaction', 'procedure')),
    add constraint jobs_dst_check check (dst in ('once')),
    add constraint jobs_overlap_check check (overlap in ('skip')),
    add constraint jobs_misfire_check check (misfire in ('last'));
comment on column monitoring.jobs.mode is
    'transaction: effect and end of run commit together. procedure: CALL at top level, which may commit by itself.';
