-- views/scheduling.sql: jobs for people: what is in force, what comes next, what became of it, and if slots add up.

create or replace view monitoring.job_status with (security_invoker = true) as
select
    job.job_id,
    job.name,
    job.schedule,
    job.time_zone,
    job.is_enabled,
    job.source,
    job.source_line,
    case
        when lease.running > 0 then 'running'
        when not job.is_enabled then 'disabled'
        when state.paused_until >= state.next_due_at then 'paused'
        when error.job_id is not null then 'broken'
        else coalesce(total.last_status, 'waiting')
    end as state,
    state.next_slot_at,
    nullif(state.next_due_at, 'infinity') as next_due_at,
    lease.running,
    lease.waiting,
    lease.running_since,
    total.last_status,
    total.last_slot_at,
    total.last_finished_at,
    total.last_success_at,
    total.consecutive_failures,
    total.succeeded_total,
    total.failed_total,
    total.timed_out_total,
    total.cancelled_total,
    total.skipped_total,
    total.missed_total,
    total.uncertain_total,
    total.run_seconds_total,
    total.lateness_seconds_total,
    error.message as schedule_error,
    state.paused_until,
    state.pause_reason,
    state.paused_by
from monitoring.jobs as job
join monitoring.job_state as state on state.job_id = job.job_id
join monitoring.job_totals as total on total.job_id = job.job_id
left join monitoring.job_errors as error on error.job_id = job.job_id
cross join lateral (
    select count(*) filter (where open.instance_id is not null) as running,
        count(*) filter (where open.instance_id is null) as waiting,
        min(open.claimed_at) as running_since
    from monitoring.job_leases as open
    where open.job_id = job.job_id
) as lease
where job.retired_at is null;

comment on view monitoring.job_status is
    'The jobs in force: state, next slot, last end, and how all their slots ended.';
comment on column monitoring.job_status.job_id is 'Key of the job.';
comment on column monitoring.job_status.name is 'Its name.';
comment on column monitoring.job_status.schedule is 'Its schedule.';
comment on column monitoring.job_status.time_zone is 'Zone the schedule is read in.';
comment on column monitoring.job_status.is_enabled is 'False: its slots are not due.';
comment on column monitoring.job_status.source is 'The file that defines it, or sql.';
comment on column monitoring.job_status.source_line is 'Line of that file.';
comment on column monitoring.job_status.next_slot_at is 'The first slot not yet accounted for.';
comment on column monitoring.job_status.last_status is 'How its latest slot ended.';
comment on column monitoring.job_status.last_slot_at is 'That slot.';
comment on column monitoring.job_status.last_finished_at is 'When that was.';
comment on column monitoring.job_status.last_success_at is 'When it last succeeded.';
comment on column monitoring.job_status.consecutive_failures is
    'Failed, timed out or uncertain since the last success.';
comment on column monitoring.job_status.succeeded_total is 'Slots that succeeded.';
comment on column monitoring.job_status.failed_total is 'Slots that failed.';
comment on column monitoring.job_status.timed_out_total is 'Slots that ended at a time limit.';
comment on column monitoring.job_status.cancelled_total is 'Slots that were cancelled.';
comment on column monitoring.job_status.skipped_total is 'Slots that were skipped.';
comment on column monitoring.job_status.missed_total is 'Slots that were missed.';
comment on column monitoring.job_status.uncertain_total is 'Slots whose effect is not known.';
comment on column monitoring.job_status.run_seconds_total is 'Time its runs took.';
comment on column monitoring.job_status.lateness_seconds_total is 'Sum over its runs of actual less planned start.';
comment on column monitoring.job_status.paused_until is 'Its slots up to here end as skipped (paused).';
comment on column monitoring.job_status.pause_reason is 'Why, as its operator put it.';
comment on column monitoring.job_status.paused_by is 'The login role that paused it.';
comment on column monitoring.job_status.state is
    'running, disabled, paused (its next slot is), broken (its schedule no longer works), waiting (never ran), or how '
    'its latest slot ended.';
comment on column monitoring.job_status.next_due_at is 'Planned start of the next slot; null while it is disabled.';
comment on column monitoring.job_status.running is 'Runs that a service holds.';
comment on column monitoring.job_status.waiting is 'Runs that wait for a service.';
comment on column monitoring.job_status.running_since is 'When the oldest of those running was taken.';
comment on column monitoring.job_status.schedule_error is 'Why its next slot cannot be computed.';

create or replace view monitoring.job_history with (security_invoker = true) as
select
    run.run_id,
    job.name,
    run.slot,
    run.trigger,
    run.status,
    run.reason,
    run.slot_count,
    run.started_at,
    run.finished_at,
    extract(epoch from run.started_at - run.planned_at)::double precision as lateness_seconds,
    extract(epoch from run.finished_at - run.started_at)::double precision as run_seconds,
    run.attempt,
    run.affected_rows,
    run.sqlstate,
    run.message
from monitoring.job_runs as run
join monitoring.jobs as job on job.job_id = run.job_id
union all
select
    open.run_id,
    job.name,
    open.slot,
    open.trigger,
    case when open.instance_id is null then 'waiting' else 'running' end,
    null,
    1,
    open.claimed_at,
    null,
    extract(epoch from open.claimed_at - open.planned_at)::double precision,
    null,
    open.attempt,
    null,
    null,
    null
from monitoring.job_leases as open
join monitoring.jobs as job on job.job_id = open.job_id;

comment on view monitoring.job_history is
    'Ended and open runs. Successes of jobs whose history is failures are in job_rollups instead.';
comment on column monitoring.job_history.run_id is 'Number of the run.';
comment on column monitoring.job_history.name is 'Name of the job.';
comment on column monitoring.job_history.slot is 'The slot; of a row for several, the last of them.';
comment on column monitoring.job_history.trigger is 'schedule or manual.';
comment on column monitoring.job_history.reason is 'Why, where the status alone does not tell.';
comment on column monitoring.job_history.started_at is 'Start of the statement; of an open run, when it was taken.';
comment on column monitoring.job_history.finished_at is 'When its end was written.';
comment on column monitoring.job_history.attempt is 'How often it was claimed.';
comment on column monitoring.job_history.affected_rows is 'Rows the statement reported.';
comment on column monitoring.job_history.sqlstate is 'SQLSTATE of its error.';
comment on column monitoring.job_history.message is 'Message of its error.';
comment on column monitoring.job_history.status is 'How it ended; waiting or running while it is open.';
comment on column monitoring.job_history.slot_count is
    'Slots the row stands for: more than one for a range that was missed.';
comment on column monitoring.job_history.lateness_seconds is 'Actual less planned start.';
comment on column monitoring.job_history.run_seconds is 'From start to end.';

create or replace view monitoring.job_rollups with (security_invoker = true) as
select job.name, rollup.bucket_at, rollup.succeeded_total, rollup.run_seconds_total, rollup.run_seconds_min,
    rollup.run_seconds_max, rollup.lateness_seconds_total, rollup.lateness_seconds_max
from (
    select job_id, bucket_at, succeeded_total, run_seconds_total, run_seconds_min, run_seconds_max,
        lateness_seconds_total, lateness_seconds_max
    from monitoring.job_run_rollups
    union all
    select job_id, bucket_at, bucket_succeeded, bucket_run_seconds_total, bucket_run_seconds_min,
        bucket_run_seconds_max, bucket_lateness_seconds_total, bucket_lateness_seconds_max
    from monitoring.job_totals
    where bucket_succeeded > 0
) as rollup
join monitoring.jobs as job on job.job_id = rollup.job_id;

comment on view monitoring.job_rollups is
    'Successes by hour of jobs whose history is failures, with the present hour; an hour may have two rows.';
comment on column monitoring.job_rollups.name is 'Name of the job.';
comment on column monitoring.job_rollups.bucket_at is 'Start of the hour in which the slots lie.';
comment on column monitoring.job_rollups.succeeded_total is 'Slots that succeeded.';
comment on column monitoring.job_rollups.run_seconds_total is 'Time they took.';
comment on column monitoring.job_rollups.run_seconds_min is 'The shortest.';
comment on column monitoring.job_rollups.run_seconds_max is 'The longest.';
comment on column monitoring.job_rollups.lateness_seconds_total is 'Sum of actual less planned start.';
comment on column monitoring.job_rollups.lateness_seconds_max is 'The latest start.';

create or replace view monitoring.upcoming_jobs with (security_invoker = true) as
select
    job.name,
    job.schedule,
    job.time_zone,
    state.next_slot_at,
    state.next_due_at,
    state.next_slot_at at time zone job.time_zone as local_at
from monitoring.job_state as state
join monitoring.jobs as job on job.job_id = state.job_id
where isfinite(state.next_due_at);

comment on view monitoring.upcoming_jobs is 'The next slot of each job that is enabled.';
comment on column monitoring.upcoming_jobs.name is 'Name of the job.';
comment on column monitoring.upcoming_jobs.schedule is 'Its schedule.';
comment on column monitoring.upcoming_jobs.time_zone is 'Zone the schedule is read in.';
comment on column monitoring.upcoming_jobs.next_slot_at is 'Its next slot.';
comment on column monitoring.upcoming_jobs.next_due_at is 'Planned start: the slot and the job''s start_delay.';
comment on column monitoring.upcoming_jobs.local_at is 'The slot by the clocks of the job''s time zone.';

create or replace view monitoring.job_slot_balance with (security_invoker = true) as
select
    job.job_id,
    job.name,
    state.due_total + total.requested_total as due_total,
    ended.ended_total,
    open.open_total,
    state.due_total + total.requested_total - ended.ended_total - open.open_total as difference
from monitoring.jobs as job
join monitoring.job_state as state on state.job_id = job.job_id
join monitoring.job_totals as total on total.job_id = job.job_id
cross join lateral (
    select total.succeeded_total + total.failed_total + total.timed_out_total + total.cancelled_total
        + total.skipped_total + total.missed_total + total.uncertain_total as ended_total
) as ended
cross join lateral (
    select count(*) as open_total
    from monitoring.job_leases as lease
    where lease.job_id = job.job_id and lease.trigger = 'schedule'
) as open;

comment on view monitoring.job_slot_balance is
    'Whether every slot that came due has ended in exactly one way or is open: difference is 0 then.';
comment on column monitoring.job_slot_balance.job_id is 'Key of the job.';
comment on column monitoring.job_slot_balance.name is 'Its name.';
comment on column monitoring.job_slot_balance.due_total is 'Slots that came due, and runs asked for that ended.';
comment on column monitoring.job_slot_balance.ended_total is 'Slots that ended, in whatever way.';
comment on column monitoring.job_slot_balance.open_total is 'Slots whose run waits or executes.';
comment on column monitoring.job_slot_balance.difference is 'Slots lost (above 0) or counted twice (below 0).';
