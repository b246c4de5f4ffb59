-- maintenance/upkeep.sql: what of upkeep does not go on: checks of backups, archives, retention.
-- Owns backup_signals_at, archive_signals, retention_signals_at, upkeep_signals_at, upkeep_signals, doctor_upkeep_at.
-- Writes nothing. Any number of callers at once; read twice a minute, so that it looks at small tables only.

-- Once backups were checked: whether the newest check failed, and whether none passed within backup.check_within. What
-- runs, or was interrupted, says nothing of the backup.
create or replace function monitoring_internal.backup_signals_at(p_now timestamptz)
returns table (signal text, subject text, reason text, value double precision, detail text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'backup_check', problem.name, problem.name, problem.is_there::integer,
        case when problem.is_there then problem.detail end
    from (
        select min(checked.started_at) as first_at, max(checked.finished_at) filter (
                where checked.state = 'passed') as passed_at,
            max(checked.finished_at) filter (where checked.state = 'failed') as failed_at,
            (array_agg(coalesce(checked.error, 'it differs: ' || left(checked.differences::text, 200))
                order by checked.finished_at desc) filter (where checked.state = 'failed'))[1] as error
        from monitoring.backup_checks as checked
    ) as known
    cross join lateral (values
        ('failed', known.failed_at > coalesce(known.passed_at, '-infinity'),
            format('the check of %s failed: %s', known.failed_at, known.error)),
        ('overdue', coalesce(known.passed_at, known.first_at)
                < p_now - monitoring_internal.setting_interval('backup.check_within'),
            coalesce('the last check that passed was at ' || known.passed_at, 'no check passed so far'))
    ) as problem (name, is_there, detail)
    where known.first_at is not null;
$$;

comment on function monitoring_internal.backup_signals_at(timestamptz) is
    'Whether checks of backups fail or are overdue, once there are any.';

-- Files that are damaged, and days that could not be written, read or removed three times in a row; by class.
create or replace function monitoring_internal.archive_signals()
returns table (signal text, subject text, reason text, value double precision, detail text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'archive', archive.retention_class, problem.name, count(*) filter (where problem.is_there), (array_agg(
        format('%s: %s', archive.day, archive.error) order by archive.day) filter (where problem.is_there))[1]
    from monitoring.archives as archive
    cross join lateral (values
        ('damaged', archive.state = 'damaged'),
        ('failing', archive.attempt >= 3)
    ) as problem (name, is_there)
    where archive.state <> 'removed'
    group by archive.retention_class, problem.name;
$$;

comment on function monitoring_internal.archive_signals() is
    'How many files of each archived class are damaged, and how many days fail again and again.';

-- Data that are past their retention longer than retention.refused_within and may not go, by class and resolution: for
-- how many seconds, and why. What somebody restored is no problem.
create or replace function monitoring_internal.retention_signals_at(p_now timestamptz)
returns table (signal text, subject text, reason text, value double precision, detail text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'retention', format('%s %s', kept.retention_class, kept.resolution), split_part(state.refusal, ':', 1),
        case when past.age > monitoring_internal.setting_interval('retention.refused_within')
            then extract(epoch from past.age) else 0 end::double precision,
        state.refusal
    from monitoring_internal.class_retentions() as kept
    inner join monitoring.retention_states as state
        on state.retention_class = kept.retention_class and state.resolution = kept.resolution
    cross join lateral (
        select p_now - (state.refused_since + interval '1 day' + kept.retention) as age
    ) as past
    where state.refused_since is not null and state.refusal not like 'restored:%';
$$;

comment on function monitoring_internal.retention_signals_at(timestamptz) is
    'For how many seconds data of each class are past their retention and refused to go, and why.';

-- All of them.
create or replace function monitoring_internal.upkeep_signals_at(p_now timestamptz)
returns table (signal text, subject text, reason text, value double precision, detail text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.backup_signals_at(p_now)
    union all
    select * from monitoring_internal.archive_signals()
    union all
    select * from monitoring_internal.retention_signals_at(p_now);
$$;

comment on function monitoring_internal.upkeep_signals_at(timestamptz) is 'upkeep_signals as of a time.';

-- The same now.
create or replace function monitoring_internal.upkeep_signals()
returns table (signal text, subject text, reason text, value double precision, detail text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.upkeep_signals_at(clock_timestamp());
$$;

comment on function monitoring_internal.upkeep_signals() is
    'What of upkeep does not go on; the view upkeep_signals shows it.';

-- The findings of the doctor.
-- Called by: doctor_at.
create or replace function monitoring_internal.doctor_upkeep_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'upkeep', 'warning', found.subject,
        case found.signal || ' ' || found.reason
            when 'backup_check failed' then 'the last check of a backup failed'
            when 'backup_check overdue' then 'no check of a backup passed lately'
            when 'archive damaged' then format('%s files of the class are damaged or missing', found.value)
            when 'archive failing' then format('%s days of the class fail again and again', found.value)
            else 'data past their retention may not go'
        end,
        coalesce(found.detail, ''),
        case found.signal
            when 'backup_check' then 'pgvigil backup check'
            when 'archive' then case found.reason
                when 'damaged' then format('pgvigil archive verify %s', found.subject) else 'pgvigil archive run' end
            else 'select * from monitoring.retention_status where refusal is not null;'
        end,
        case found.signal
            when 'backup_check' then 'shell of the machine where backups are kept'
            when 'archive' then 'shell, with the --archive of the service'
            else format('database %I, as a member of monitoring_admin: it tells what to mend', current_database())
        end
    from monitoring_internal.upkeep_signals_at(p_now) as found
    where found.value > 0
$$;

comment on function monitoring_internal.doctor_upkeep_at(timestamptz) is
    'Findings about checks of backups, archives and retention.';
