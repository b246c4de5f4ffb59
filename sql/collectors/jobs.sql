-- jobs.sql: how scheduled jobs fare. Of the database that pgvigil lives in, and of no other.
--! collector jobs
--! every 15s
--! scope home
--! tier fast
--! cap 10000

-- Results that a job never had are left out, but for the two that alerts compare.
--! query slots
--! label job
--! label result
--! metric slots pgvigil_job_slots_total counter slots Slots of the job by how they ended, and runs asked for.
--! version 15-
select job.name as job, ended.result, ended.slots
from monitoring.jobs as job
inner join monitoring.job_totals as total on total.job_id = job.job_id
cross join lateral (
    values
        ('succeeded', total.succeeded_total), ('failed', total.failed_total), ('timed_out', total.timed_out_total),
        ('cancelled', total.cancelled_total), ('skipped', total.skipped_total), ('missed', total.missed_total),
        ('uncertain', total.uncertain_total)
) as ended (result, slots)
where job.retired_at is null and (ended.slots > 0 or ended.result in ('succeeded', 'failed'))

--! query state
--! label job
--! metric last_success pgvigil_job_last_success_timestamp_seconds gauge seconds When the job last succeeded.
--! metric last_run pgvigil_job_last_run_seconds gauge seconds Time that its latest run took.
--! metric last_lateness pgvigil_job_last_lateness_seconds gauge seconds
--!     How long after its planned start its latest run began.
--! metric run_seconds pgvigil_job_run_seconds_total counter seconds Time that its runs took.
--! metric lateness pgvigil_job_lateness_seconds_total counter seconds Sum of actual less planned start of its runs.
--! metric failures pgvigil_job_consecutive_failures gauge runs
--!     Runs that failed, timed out or are uncertain since the last success.
--! metric running pgvigil_job_running gauge runs Runs that a service holds.
--! metric waiting pgvigil_job_waiting gauge runs Runs that wait for a service or for another run.
--! metric paused pgvigil_job_paused gauge boolean Whether its next slot falls into a pause.
--! metric next_due pgvigil_job_next_due_timestamp_seconds gauge seconds Planned start of its next slot.
--! metric imbalance pgvigil_job_slot_imbalance gauge slots
--!     Slots that came due less those that ended or are open: 0, or slots were lost or doubled.
--! version 15-
select
    job.name as job,
    extract(epoch from total.last_success_at) as last_success,
    total.last_run_seconds as last_run,
    total.last_lateness_seconds as last_lateness,
    total.run_seconds_total as run_seconds,
    total.lateness_seconds_total as lateness,
    total.consecutive_failures as failures,
    coalesce(open.running, 0) as running,
    coalesce(open.waiting, 0) as waiting,
    (state.paused_until >= state.next_due_at and state.next_due_at < 'infinity')::integer as paused,
    case when isfinite(state.next_due_at) then extract(epoch from state.next_due_at) end as next_due,
    state.due_total + total.requested_total - total.succeeded_total - total.failed_total - total.timed_out_total
        - total.cancelled_total - total.skipped_total - total.missed_total - total.uncertain_total
        - coalesce(open.scheduled, 0) as imbalance
from monitoring.jobs as job
inner join monitoring.job_state as state on state.job_id = job.job_id
inner join monitoring.job_totals as total on total.job_id = job.job_id
left join (
    select
        lease.job_id,
        count(*) filter (where lease.instance_id is not null) as running,
        count(*) filter (where lease.instance_id is null) as waiting,
        count(*) filter (where lease.trigger = 'schedule') as scheduled
    from monitoring.job_leases as lease
    group by lease.job_id
) as open on open.job_id = job.job_id
where job.retired_at is null

--! query targets
--! label job
--! label target
--! label result
--! metric slots pgvigil_job_target_slots_total counter slots Runs of the job on a target by how they ended.
--! version 15-
select job.name as job, target.name as target, ended.result, ended.slots
from monitoring.job_target_totals as total
inner join monitoring.jobs as job on job.job_id = total.job_id
inner join monitoring.targets as target on target.target_id = total.target_id
cross join lateral (
    values
        ('succeeded', total.succeeded_total), ('failed', total.failed_total), ('timed_out', total.timed_out_total),
        ('cancelled', total.cancelled_total), ('skipped', total.skipped_total), ('missed', total.missed_total),
        ('uncertain', total.uncertain_total)
) as ended (result, slots)
where job.retired_at is null and (ended.slots > 0 or ended.result in ('succeeded', 'failed'))

--! query target_state
--! label job
--! label target
--! metric last_success pgvigil_job_target_last_success_timestamp_seconds gauge seconds
--!     When the job last succeeded on a target.
--! metric last_run pgvigil_job_target_last_run_seconds gauge seconds Time that its latest run on a target took.
--! metric failures pgvigil_job_target_consecutive_failures gauge runs
--!     Runs on a target that failed, timed out or are uncertain since the last success there.
--! metric running pgvigil_job_target_running gauge runs Runs on a target that a service holds.
--! version 15-
select
    job.name as job,
    target.name as target,
    extract(epoch from total.last_success_at) as last_success,
    total.last_run_seconds as last_run,
    total.consecutive_failures as failures,
    (
        select count(*)
        from monitoring.job_leases as lease
        where lease.job_id = total.job_id and lease.target_id = total.target_id and lease.instance_id is not null
    ) as running
from monitoring.job_target_totals as total
inner join monitoring.jobs as job on job.job_id = total.job_id
inner join monitoring.targets as target on target.target_id = total.target_id
where job.retired_at is null
