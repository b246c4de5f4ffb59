-- 0005: services, jobs, where each job stands in its schedule, and how its slots ended so far.

create table monitoring.service_instances (
    instance_id uuid not null,
    host_name text not null,
    process_id integer not null,
    version text not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    is_draining boolean not null default false,
    constraint service_instances_pkey primary key (instance_id)
) with (fillfactor = 50);

comment on table monitoring.service_instances is
    'One row a running pgvigil service. For people: nothing that is decided depends on it.';
comment on column monitoring.service_instances.instance_id is 'Made anew at each start of the process.';
comment on column monitoring.service_instances.host_name is 'Where it runs.';
comment on column monitoring.service_instances.process_id is 'Its process there.';
comment on column monitoring.service_instances.version is 'Its version of pgvigil.';
comment on column monitoring.service_instances.started_at is 'When it registered.';
comment on column monitoring.service_instances.seen_at is 'Its latest heartbeat.';
comment on column monitoring.service_instances.is_draining is 'It takes no new runs and is about to stop.';

create table monitoring.job_sources (
    source text not null,
    generation bigint not null,
    job_count integer not null default 0,
    applied_at timestamptz not null default now(),
    applied_by text not null default session_user,
    constraint job_sources_pkey primary key (source)
);

comment on table monitoring.job_sources is
    'Where jobs were defined: one row a file that was applied, and one for SQL.';
comment on column monitoring.job_sources.source is 'Name of the file, or sql for schedule_job().';
comment on column monitoring.job_sources.generation is
    'Grows with each edit of the file; an older one is refused, so that no instance undoes a newer file.';
comment on column monitoring.job_sources.job_count is 'Jobs in it when it was applied last.';
comment on column monitoring.job_sources.applied_at is 'When it was applied last.';
comment on column monitoring.job_sources.applied_by is 'The login role that applied it.';

create table monitoring.jobs (
    job_id integer not null generated always as identity,
    name text not null,
    schedule text not null,
    command text not null,
    mode text not null default 'transaction',
    time_zone text not null default 'UTC',
    dst text not null default 'once',
    overlap text not null default 'skip',
    misfire text not null default 'last',
    timeout interval not null default '00:05:00',
    lock_timeout interval not null default '00:00:05',
    start_deadline interval,
    spread interval not null default '00:00:00',
    start_delay interval not null default '00:00:00',
    fixed_period interval,
    history text not null default 'all',
    is_enabled boolean not null default true,
    description text not null default '',
    source text not null,
    source_line integer,
    created_at timestamptz not null default now(),
    created_by text not null default session_user,
    updated_at timestamptz not null default now(),
    retired_at timestamptz,
    constraint jobs_pkey primary key (job_id),
    constraint jobs_name_key unique (name),
    constraint jobs_name_check check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    constraint jobs_command_check check (command ~ '\S'),
    constraint jobs_mode_check check (mode in ('transaction', 'procedure')),
    constraint jobs_dst_check check (dst in ('once')),
    constraint jobs_overlap_check check (overlap in ('skip')),
    constraint jobs_misfire_check check (misfire in ('last')),
    constraint jobs_timeout_check check (timeout between interval '10 milliseconds' and interval '7 days'),
    constraint jobs_lock_timeout_check check (lock_timeout between interval '1 millisecond' and interval '7 days'),
    constraint jobs_start_deadline_check check (start_deadline > interval '0'),
    constraint jobs_spread_check check (spread between interval '0' and interval '1 day'),
    constraint jobs_start_delay_check check (start_delay >= interval '0' and start_delay <= spread),
    constraint jobs_fixed_period_check check (fixed_period > interval '0'),
    constraint jobs_history_check check (history in ('all', 'failures'))
);
create index jobs_source_idx on monitoring.jobs (source) where retired_at is null;

comment on table monitoring.jobs is
    'What runs and when. Written by apply_jobs (a file) and schedule_job (SQL); a job that goes is retired, '
    'not deleted.';
comment on column monitoring.jobs.job_id is 'Key of the job.';
comment on column monitoring.jobs.name is 'Unique name: a-z, 0-9, dot, dash, underscore; 63 characters.';
comment on column monitoring.jobs.schedule is 'Cron expression of five or six fields, or an @ form; see cron_next().';
comment on column monitoring.jobs.command is 'One SQL statement.';
comment on column monitoring.jobs.mode is
    'transaction: effect and end of run commit together. procedure: CALL at top level, which may commit by itself.';
comment on column monitoring.jobs.time_zone is 'Zone the schedule is read in.';
comment on column monitoring.jobs.dst is 'What becomes of local times that a clock change skips or repeats.';
comment on column monitoring.jobs.overlap is 'What becomes of a slot while the run before it still executes.';
comment on column monitoring.jobs.misfire is 'Which of several slots that passed unserved still runs.';
comment on column monitoring.jobs.timeout is 'Longest time of the statement.';
comment on column monitoring.jobs.lock_timeout is 'Longest wait of the statement for one lock.';
comment on column monitoring.jobs.start_deadline is 'A run not started this long after its planned start is missed.';
comment on column monitoring.jobs.spread is 'Starts are delayed by a fixed share of this, chosen by the job''s name.';
comment on column monitoring.jobs.start_delay is 'That share: planned start = slot + start_delay.';
comment on column monitoring.jobs.fixed_period is 'Period of an @every schedule, whose slots need no calendar.';
comment on column monitoring.jobs.history is
    'all: a row of job_runs for each run. failures: successes are only summed in job_run_rollups.';
comment on column monitoring.jobs.is_enabled is 'False: its slots are not due.';
comment on column monitoring.jobs.description is 'What it is for.';
comment on column monitoring.jobs.source is 'The file that defines it, or sql.';
comment on column monitoring.jobs.source_line is 'Line of that file.';
comment on column monitoring.jobs.created_at is 'When it was defined first.';
comment on column monitoring.jobs.created_by is 'The login role that defined it.';
comment on column monitoring.jobs.updated_at is 'When its definition changed last.';
comment on column monitoring.jobs.retired_at is 'When it left its source; its history stays.';

create table monitoring.job_state (
    job_id integer not null,
    next_slot_at timestamptz not null,
    next_due_at timestamptz not null,
    last_slot_at timestamptz,
    due_total bigint not null default 0,
    constraint job_state_pkey primary key (job_id),
    constraint job_state_job_id_fkey foreign key (job_id) references monitoring.jobs (job_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500);
create index job_state_next_due_at_idx on monitoring.job_state (next_due_at);

comment on table monitoring.job_state is 'Where each job stands in its schedule: the only rows a tick locks.';
comment on column monitoring.job_state.job_id is 'The job.';
comment on column monitoring.job_state.next_slot_at is 'The first slot not yet accounted for.';
comment on column monitoring.job_state.next_due_at is
    'When it is to start; infinity while the job is disabled or retired.';
comment on column monitoring.job_state.last_slot_at is 'The latest slot accounted for.';
comment on column monitoring.job_state.due_total is 'Slots that came due so far, whatever became of them.';

create table monitoring.job_totals (
    job_id integer not null,
    requested_total bigint not null default 0,
    succeeded_total bigint not null default 0,
    failed_total bigint not null default 0,
    timed_out_total bigint not null default 0,
    cancelled_total bigint not null default 0,
    skipped_total bigint not null default 0,
    missed_total bigint not null default 0,
    uncertain_total bigint not null default 0,
    run_seconds_total double precision not null default 0,
    lateness_seconds_total double precision not null default 0,
    consecutive_failures integer not null default 0,
    last_status text,
    last_slot_at timestamptz,
    last_finished_at timestamptz,
    last_success_at timestamptz,
    bucket_at timestamptz,
    bucket_succeeded bigint not null default 0,
    bucket_run_seconds_total double precision not null default 0,
    bucket_run_seconds_min double precision,
    bucket_run_seconds_max double precision,
    bucket_lateness_seconds_total double precision not null default 0,
    bucket_lateness_seconds_max double precision,
    constraint job_totals_pkey primary key (job_id),
    constraint job_totals_job_id_fkey foreign key (job_id) references monitoring.jobs (job_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500);

comment on table monitoring.job_totals is
    'How the slots of each job ended since it was made. Independent of the ledger''s retention.';
comment on column monitoring.job_totals.job_id is 'The job.';
comment on column monitoring.job_totals.requested_total is
    'Runs asked for by run_job() that ended; the rest were slots of the schedule.';
comment on column monitoring.job_totals.succeeded_total is 'Slots that ended succeeded.';
comment on column monitoring.job_totals.failed_total is 'Slots that ended failed.';
comment on column monitoring.job_totals.timed_out_total is 'Slots that ended at a time limit.';
comment on column monitoring.job_totals.cancelled_total is 'Slots that ended cancelled.';
comment on column monitoring.job_totals.skipped_total is 'Slots that ended skipped.';
comment on column monitoring.job_totals.missed_total is 'Slots that ended missed.';
comment on column monitoring.job_totals.uncertain_total is 'Slots whose effect is not known.';
comment on column monitoring.job_totals.run_seconds_total is 'Time its runs took.';
comment on column monitoring.job_totals.lateness_seconds_total is 'Sum over its runs of actual less planned start.';
comment on column monitoring.job_totals.consecutive_failures is
    'Failed, timed out or uncertain since the last success.';
comment on column monitoring.job_totals.last_status is 'How its latest slot ended.';
comment on column monitoring.job_totals.last_slot_at is 'That slot.';
comment on column monitoring.job_totals.last_finished_at is 'When that was.';
comment on column monitoring.job_totals.last_success_at is 'When it last succeeded.';
comment on column monitoring.job_totals.bucket_at is
    'The hour whose successes are being summed; once over it becomes a row of job_run_rollups.';
comment on column monitoring.job_totals.bucket_succeeded is 'Slots that succeeded in that hour.';
comment on column monitoring.job_totals.bucket_run_seconds_total is 'Time they took.';
comment on column monitoring.job_totals.bucket_run_seconds_min is 'The shortest.';
comment on column monitoring.job_totals.bucket_run_seconds_max is 'The longest.';
comment on column monitoring.job_totals.bucket_lateness_seconds_total is 'Sum of actual less planned start.';
comment on column monitoring.job_totals.bucket_lateness_seconds_max is 'The latest start.';

create type monitoring_internal.checked_job as (
    job monitoring.jobs,
    faults text[]
);
comment on type monitoring_internal.checked_job is 'A job as it was read, and everything that is wrong with it.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('scheduling.lease', '30s', '30s', 'interval', '5s', '10min',
        'A run whose service was not heard of for this long is taken for abandoned.'),
    ('scheduling.signal_pause', '5s', '5s', 'interval', '100ms', '5min',
        'Pause between cancelling and terminating the backend of an abandoned run.'),
    ('scheduling.poll_interval', '5s', '5s', 'interval', '100ms', '1min',
        'Longest sleep of a service that was not woken: what a lost notification costs.');
