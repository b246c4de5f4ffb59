-- 0023: jobs on other servers: which targets a job runs on, the backend there of an open run, and totals by target.

-- They take or return more from here on.
drop function if exists monitoring.schedule_job(
    text, text, text, text, text, interval, interval, interval, interval, text, text, boolean, text, text, text,
    integer, jsonb, text[], text, jsonb);
drop function if exists monitoring.run_job(text);
drop function if exists monitoring_internal.run_job_at(text, timestamptz);
drop function if exists monitoring_internal.list_jobs();
drop function if exists monitoring_internal.list_jobs_at(timestamptz);
drop function if exists monitoring_internal.list_upcoming(integer);
drop function if exists monitoring_internal.list_upcoming_at(integer, timestamptz);

alter table monitoring.jobs
    add column targets text[],
    add constraint jobs_targets_check check (
        targets is null or (cardinality(targets) > 0 and is_fanned_out
            and database_match is null and database_except is null));
comment on column monitoring.jobs.targets is
    'Targets it runs on: names, re: with a regular expression, or all; null: on this server.';
comment on column monitoring.jobs.is_fanned_out is
    'Each slot is one run in each database of this cluster that matches, or on each target.';

alter table monitoring.job_leases
    add column target_id integer,
    add column target_backend_pid integer,
    add column target_backend_started_at timestamptz,
    drop constraint job_leases_waits_for_check,
    add constraint job_leases_waits_for_check check (
        waits_for is null or (waits_for in ('overlap', 'needs', 'target') and instance_id is null));
create index job_leases_target_id_idx on monitoring.job_leases (target_id) where target_id is not null;
comment on column monitoring.job_leases.target is
    'Where it runs: a database of this cluster, or the name of a target; empty: in this database.';
comment on column monitoring.job_leases.target_id is
    'The target it runs on; null: this server; -1: one that was removed as its slot came.';
comment on column monitoring.job_leases.target_backend_pid is 'The backend there that executes it; null: not begun.';
comment on column monitoring.job_leases.target_backend_started_at is
    'When that backend started, by the clock of its server.';
comment on column monitoring.job_leases.backend_pid is
    'The backend here that executes it; of a run on a target, the service''s session that holds it.';
comment on column monitoring.job_leases.waits_for is
    'What a waiting run waits for besides a service: overlap (the run before it), needs, target (a free connection '
    'there); null: nothing.';
comment on column monitoring.job_runs.target is
    'Where it ran: a database of this cluster, or the name of a target; empty: in this database.';

create table monitoring.job_target_totals (
    job_id integer not null,
    target_id integer not null,
    succeeded_total bigint not null default 0,
    failed_total bigint not null default 0,
    timed_out_total bigint not null default 0,
    cancelled_total bigint not null default 0,
    skipped_total bigint not null default 0,
    missed_total bigint not null default 0,
    uncertain_total bigint not null default 0,
    consecutive_failures integer not null default 0,
    last_status text not null,
    last_slot_at timestamptz not null,
    last_finished_at timestamptz not null,
    last_success_at timestamptz,
    last_run_seconds double precision,
    constraint job_target_totals_pkey primary key (job_id, target_id),
    constraint job_target_totals_job_id_fkey foreign key (job_id) references monitoring.jobs (job_id),
    constraint job_target_totals_target_id_fkey foreign key (target_id)
        references monitoring.targets (target_id) on delete cascade,
    constraint job_target_totals_last_status_check check (
        last_status in ('succeeded', 'failed', 'timed_out', 'cancelled', 'skipped', 'missed', 'uncertain'))
) with (fillfactor = 50);
create index job_target_totals_target_id_idx on monitoring.job_target_totals (target_id);
comment on table monitoring.job_target_totals is 'How the runs of jobs on each target ended.';
comment on column monitoring.job_target_totals.job_id is 'The job.';
comment on column monitoring.job_target_totals.target_id is 'The target.';
comment on column monitoring.job_target_totals.succeeded_total is 'Runs that succeeded.';
comment on column monitoring.job_target_totals.failed_total is 'Runs that failed.';
comment on column monitoring.job_target_totals.timed_out_total is 'Runs that ended at a time limit.';
comment on column monitoring.job_target_totals.cancelled_total is 'Runs that were cancelled.';
comment on column monitoring.job_target_totals.skipped_total is 'Runs that were skipped.';
comment on column monitoring.job_target_totals.missed_total is 'Runs that were missed.';
comment on column monitoring.job_target_totals.uncertain_total is 'Runs whose effect is not known.';
comment on column monitoring.job_target_totals.consecutive_failures is
    'Runs that failed, timed out or are uncertain since the last success.';
comment on column monitoring.job_target_totals.last_status is 'How the latest ended.';
comment on column monitoring.job_target_totals.last_slot_at is 'Its slot.';
comment on column monitoring.job_target_totals.last_finished_at is 'When that was.';
comment on column monitoring.job_target_totals.last_success_at is 'When one last succeeded.';
comment on column monitoring.job_target_totals.last_run_seconds is
    'Time the latest took; null when it never started.';

alter type monitoring_internal.claimed_run add attribute target_id integer;
