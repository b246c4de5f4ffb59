-- Fresh jobs of one second; each leaves the moment of its start. Parameters: jobs, spread.
drop schema if exists bench cascade;
create schema bench;
create unlogged table bench.starts (
    job integer not null, slot timestamptz not null, started_at timestamptz not null default clock_timestamp());
select monitoring.unschedule_job(name) from monitoring_internal.list_jobs() where source = 'sql';
select count(monitoring.schedule_job(
    'bench-' || job, '@every 1s',
    format('insert into bench.starts (job, slot) values (%s, current_setting(''pgvigil.run_slot'')::timestamptz)', job),
    spread => :'spread'))
from generate_series(1, :jobs) as job;
vacuum analyze monitoring.jobs, monitoring.job_state, monitoring.job_totals, monitoring.job_leases;
