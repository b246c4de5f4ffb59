-- 0012: what jobs may ask for beyond a slot and a statement: overlap and misfire policies, retries, needs, a role,
-- maintenance statements, several databases, pauses and cancellation.

-- They return more from here on.
drop function if exists monitoring_internal.next_slots_at(text, integer, timestamptz);
drop function if exists monitoring_internal.next_slots(text, integer);

alter table monitoring.jobs
    add column misfire_limit integer not null default 100,
    add column run_as text,
    add column retry_attempts smallint not null default 0,
    add column retry_base interval not null default '00:00:10',
    add column retry_cap interval not null default '00:10:00',
    add column needs text[] not null default '{}',
    add column is_fanned_out boolean not null default false,
    add column database_match text,
    add column database_except text,
    drop constraint jobs_mode_check,
    drop constraint jobs_dst_check,
    drop constraint jobs_overlap_check,
    drop constraint jobs_misfire_check,
    add constraint jobs_mode_check check (mode in ('transaction', 'procedure', 'maintenance')),
    add constraint jobs_dst_check check (dst in ('once', 'skip', 'twice')),
    add constraint jobs_overlap_check check (overlap in ('skip', 'queue', 'cancel', 'allow')),
    add constraint jobs_misfire_check check (misfire in ('last', 'skip', 'all')),
    add constraint jobs_misfire_limit_check check (misfire_limit between 1 and 1000),
    add constraint jobs_retry_attempts_check check (retry_attempts between 0 and 20),
    add constraint jobs_retry_base_check check (retry_base between interval '1 second' and interval '1 day'),
    add constraint jobs_retry_cap_check check (retry_cap between interval '1 second' and interval '1 day');

comment on column monitoring.jobs.mode is
    'transaction: effect and end of run commit together. procedure: CALL at top level, which may commit by itself. '
    'maintenance: one statement outside any transaction, such as VACUUM.';
comment on column monitoring.jobs.misfire_limit is
    'Misfire all: so many slots are made up for, the rest are missed.';
comment on column monitoring.jobs.run_as is 'Role that the statement runs as; null: the login role of the service.';
comment on column monitoring.jobs.retry_attempts is 'Further attempts that a slot gets when one fails.';
comment on column monitoring.jobs.retry_base is 'Pause before the first of them; it doubles with each.';
comment on column monitoring.jobs.retry_cap is 'Longest pause between two attempts.';
comment on column monitoring.jobs.needs is
    'Jobs whose latest slot must have succeeded before a slot of this one starts.';
comment on column monitoring.jobs.is_fanned_out is
    'Each slot is one run in each database of this cluster that matches.';
comment on column monitoring.jobs.database_match is 'Names of databases it runs in, a regular expression; null: all.';
comment on column monitoring.jobs.database_except is 'Names of databases it does not run in, a regular expression.';

alter table monitoring.job_state
    add column paused_until timestamptz,
    add column pause_reason text,
    add column paused_by text;

comment on column monitoring.job_state.paused_until is
    'Slots up to here end as skipped (paused); infinity: until resume_job().';
comment on column monitoring.job_state.pause_reason is 'Why it is paused, as its operator put it.';
comment on column monitoring.job_state.paused_by is 'The login role that paused it.';

alter table monitoring.job_totals
    add column last_run_seconds double precision,
    add column last_lateness_seconds double precision;

comment on column monitoring.job_totals.last_run_seconds is 'Time its latest run took; null when that never started.';
comment on column monitoring.job_totals.last_lateness_seconds is 'Actual less planned start of that run.';

alter table monitoring.job_run_attempts
    add constraint job_run_attempts_status_check check (
        status in ('succeeded', 'failed', 'timed_out', 'cancelled', 'skipped', 'missed', 'uncertain'));

alter table monitoring.job_leases
    add column waits_for text,
    add column retry_count smallint not null default 0,
    add column cancel_reason text,
    add constraint job_leases_waits_for_check check (
        waits_for is null or (waits_for in ('overlap', 'needs') and instance_id is null));
drop index monitoring.job_leases_claimable_at_idx;
create index job_leases_claimable_at_idx on monitoring.job_leases (claimable_at)
    where instance_id is null and waits_for is null;
create index job_leases_waits_for_idx on monitoring.job_leases (job_id, slot) where waits_for is not null;
create index job_leases_cancel_reason_idx on monitoring.job_leases (run_id) where cancel_reason is not null;

comment on column monitoring.job_leases.waits_for is
    'What a waiting run waits for besides a service: overlap (the run before it) or needs; null: nothing.';
comment on column monitoring.job_leases.retry_count is 'Attempts that failed and were followed by a pause.';
comment on column monitoring.job_leases.cancel_reason is 'Why it is to be cancelled: overlap or requested.';

alter type monitoring_internal.planned_slot
    add attribute run_slots timestamptz[],
    add attribute targets text[],
    add attribute is_plain boolean;
alter type monitoring_internal.claimed_run
    add attribute run_as text,
    add attribute target text,
    add attribute must_signal boolean;

alter table monitoring.collectors
    drop constraint collectors_scope_check,
    add constraint collectors_scope_check check (scope in ('home', 'instance', 'database'));
comment on column monitoring.collectors.scope is
    'instance: once a server; database: once a database of it; home: in the database of pgvigil alone.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('scheduling.misfire_grace', '1min', '1min', 'interval', '1s', '1d',
        'A slot of a job whose misfire is skip still runs this long after its planned start, not later.');
