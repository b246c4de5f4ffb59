-- maintenance/doctor.sql: all findings about this server and pgvigil on it, each with the statement that mends it.
-- Owns doctor_at, doctor, doctor_query, server_folders. Writes nothing.
-- Concurrency: reads only.

-- The findings as of a time; a check that found nothing is a row of severity ok.
-- Called by: doctor.
create or replace function monitoring_internal.doctor_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with found as (
        select * from monitoring_internal.doctor_statements()
        union all select * from monitoring_internal.doctor_server_settings()
        union all select * from monitoring_internal.doctor_connections()
        union all select * from monitoring_internal.doctor_rights()
        union all select * from monitoring_internal.doctor_archiving()
        union all select * from monitoring_internal.doctor_indexes()
        union all select * from monitoring_internal.doctor_sessions_at(p_now)
        union all select * from monitoring_internal.doctor_prepared_at(p_now)
        union all select * from monitoring_internal.doctor_slots()
        union all select * from monitoring_internal.doctor_roles()
        union all select * from monitoring_internal.doctor_service_at(p_now)
        union all select * from monitoring_internal.doctor_partitions_at(p_now)
        union all select * from monitoring_internal.doctor_jobs()
        union all select * from monitoring_internal.doctor_collectors()
        union all select * from monitoring_internal.doctor_targets()
        union all select * from monitoring_internal.doctor_on_call_at(p_now)
        union all select * from monitoring_internal.doctor_upkeep_at(p_now)
    )
    select checked.name, coalesce(f.severity, 'ok'), coalesce(f.subject, ''), coalesce(f.finding, checked.promise),
        coalesce(f.evidence, ''), coalesce(f.remedy, ''), coalesce(f.remedy_place, '')
    from (values
        ('rights', 'the role that measures is a member of pg_monitor'),
        ('roles', 'the roles of pgvigil have the powers they need and no more'),
        ('service', 'a service is at work'),
        ('statements', 'statements are counted, by a current extension'),
        ('settings', 'settings let everything be measured'),
        ('connections', 'there is room for sessions'),
        ('archiving', 'WAL is archived, or need not be'),
        ('horizon', 'nobody keeps dead rows or WAL from being removed'),
        ('indexes', 'all indexes of the database are valid'),
        ('partitions', 'partitions are as their policies say'),
        ('jobs', 'no job fails'),
        ('collectors', 'every collector measures'),
        ('targets', 'every target answers'),
        ('on_call', 'somebody is on call all week'),
        ('upkeep', 'backups are checked, archives whole, and nothing is kept past its time; or none of it is used')
    ) as checked (name, promise)
    left join found as f on f.check_name = checked.name
    order by array_position(array['error', 'warning', 'notice'], f.severity), checked.name, f.subject, f.finding
$$;

comment on function monitoring_internal.doctor_at(timestamptz) is 'The findings of doctor() as of a time, for tests.';

-- What is missing on this server, and the exact statement that mends it.
-- Called by: users, pgvigil doctor.
create or replace function monitoring.doctor()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.doctor_at(clock_timestamp())
$$;

comment on function monitoring.doctor() is
    'What is missing on this server and in pgvigil: severity (ok, notice, warning, error), what was found, the exact '
    'statement that mends it, and where to run it. Findings name sessions, jobs and collectors of every tenant.';

-- One statement that finds out the same about another server, where nothing of pgvigil is installed.
-- Called by: pgvigil doctor --target.
create or replace function monitoring_internal.doctor_query()
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        'select * from (' || replace(part.prosrc, 'p_now', 'clock_timestamp()')
            || ') as part (check_name, severity, subject, finding, evidence, remedy, remedy_place)',
        E'\nunion all ' order by part.proname)
    from pg_proc as part
    where part.pronamespace = 'monitoring_internal'::regnamespace
        and part.proname in (
            'doctor_statements', 'doctor_server_settings', 'doctor_connections', 'doctor_rights', 'doctor_archiving',
            'doctor_indexes', 'doctor_sessions_at', 'doctor_prepared_at', 'doctor_slots')
$$;

comment on function monitoring_internal.doctor_query() is
    'A statement with the findings of doctor() about a server, for one where pgvigil is not installed.';

-- The folders that the server fills, for a program on the same machine that measures how much room they have.
-- Called by: pgvigil doctor.
create or replace function monitoring_internal.server_folders()
returns table (purpose text, folder text)
language sql stable parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
    select 'data', setting.setting from pg_settings as setting where setting.name = 'data_directory'
    union all
    select 'WAL', setting.setting || '/pg_wal' from pg_settings as setting where setting.name = 'data_directory'
    union all
    select format('tablespace %I', space.spcname), pg_tablespace_location(space.oid)
    from pg_tablespace as space
    where pg_tablespace_location(space.oid) <> ''
$$;

comment on function monitoring_internal.server_folders() is 'Folders of the server''s machine that the server fills.';
