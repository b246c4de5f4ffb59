-- maintenance/doctor_server.sql: what is missing on a server: extension, settings, rights, room, archiving, indexes.
-- Owns doctor_statements, doctor_server_settings, doctor_connections, doctor_rights, doctor_archiving, doctor_indexes.
-- Writes nothing. Concurrency: reads only. Their bodies name nothing of pgvigil's: doctor_query sends them to targets.

-- The extension that counts statements: absent, not loaded, older than its files.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_statements()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'statements', found.severity, 'pg_stat_statements', found.finding, found.evidence, found.remedy,
        found.place
    from (
        select
            (select e.extversion from pg_extension as e where e.extname = 'pg_stat_statements') as installed,
            (select a.default_version from pg_available_extensions as a
                where a.name = 'pg_stat_statements') as available,
            library.setting as libraries,
            coalesce(library.setting, '') ~ '(^|[, "/])pg_stat_statements("|,| |$)' as is_loaded,
            coalesce(library.pending_restart, false) as is_pending
        from (values (1)) as one (row)
        left join pg_settings as library on library.name = 'shared_preload_libraries'
    ) as state
    cross join lateral (values
        (state.available is null and state.installed is null, 'warning',
            'the files of the extension are not on the server',
            'pg_available_extensions does not have it',
            format('apt-get install postgresql-contrib-%s', current_setting('server_version_num')::integer / 10000),
            'shell of the server, or its package manager'),
        (state.available is not null and state.libraries is not null and not state.is_loaded and not state.is_pending,
            'warning', 'statements are not counted: the library is not loaded',
            format('shared_preload_libraries = %L', state.libraries),
            -- A list in one literal would be taken for one library of a strange name.
            format('alter system set shared_preload_libraries = %s;', (
                select string_agg(quote_literal(btrim(library.name, ' "')), ', ')
                from string_to_table(state.libraries || ',pg_stat_statements', ',') as library (name)
                where btrim(library.name, ' "') <> '')),
            'as superuser; then restart the server'),
        (state.available is not null and state.installed is null, 'warning',
            format('the extension is not in database %I', current_database()),
            format('version %s is available', state.available), 'create extension pg_stat_statements;',
            format('database %I, as superuser', current_database())),
        (state.installed <> state.available, 'notice',
            'the extension is older than the server, and lacks columns', format(
                'version %s, available %s', state.installed, state.available),
            'alter extension pg_stat_statements update;', format('database %I, as superuser', current_database()))
    ) as found (is_so, severity, finding, evidence, remedy, place)
    where found.is_so
$$;

comment on function monitoring_internal.doctor_statements() is 'Findings about the extension pg_stat_statements.';

-- Settings that blind the monitoring, endanger the data, or wait for a restart.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_server_settings()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'settings', wanted.severity, wanted.name, wanted.finding,
        format('%s = %s (%s)', wanted.name, current.setting || coalesce(' ' || current.unit, ''), current.source),
        case current.source
            when 'database' then format('alter database %I reset %I;', current_database(), wanted.name)
            when 'user' then format('alter role %I reset %I;', session_user, wanted.name)
            when 'database user' then format(
                'alter role %I in database %I reset %I;', session_user, current_database(), wanted.name)
            when 'command line' then format('%s=%s', wanted.name, wanted.value)
            else format('alter system set %I = %L;', wanted.name, wanted.value)
                || case when current.context <> 'postmaster' then E'\nselect pg_reload_conf();' else '' end
        end,
        case
            when current.source = 'command line' then 'the command line that starts the server'
            when current.context = 'postmaster' then 'as superuser; then restart the server'
            else 'as superuser'
        end
    from (values
        ('fsync', '^off$', 'on', 'error', 'a crash of the machine can destroy the cluster'),
        ('full_page_writes', '^off$', 'on', 'error', 'a crash of the machine can destroy pages'),
        ('track_activities', '^off$', 'on', 'error', 'no session shows what it does'),
        ('track_counts', '^off$', 'on', 'error', 'tables are not counted, and autovacuum does not know what to do'),
        ('autovacuum', '^off$', 'on', 'warning', 'dead rows stay, and transaction ids run out'),
        ('compute_query_id', '^off$', 'auto', 'warning', 'statements have no identity and are not counted'),
        ('track_io_timing', '^off$', 'on', 'notice', 'how long reads and writes take is not measured'),
        ('track_activity_query_size', '^([0-9]{1,3}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-5])$', '4096', 'notice',
            'long statements are cut short'),
        ('idle_in_transaction_session_timeout', '^0$', '15min', 'notice',
            'a forgotten transaction holds back vacuum for as long as it likes'),
        ('client_connection_check_interval', '^0$', '10s', 'notice',
            'the query of a client that is gone runs on to its end')
    ) as wanted (name, bad, value, severity, finding)
    inner join pg_settings as current on current.name = wanted.name
    where current.setting ~ wanted.bad and not current.pending_restart
    union all
    select 'settings', 'warning', current.name, 'the change waits for a restart', current.name || ' is pending',
        'pg_ctl restart -m fast' || coalesce(' -D ' || quote_literal(folder.setting), ''),
        'shell of the server, as its user'
    from pg_settings as current
    left join pg_settings as folder on folder.name = 'data_directory'
    where current.pending_restart
$$;

comment on function monitoring_internal.doctor_server_settings() is 'Findings about the settings of a server.';

-- Room for sessions.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_connections()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'connections', case when room.free < 3 then 'error' else 'warning' end, 'max_connections',
        'hardly any session is left for others',
        format('%s of %s sessions are taken; most by %s', room.taken, room.limit, most.application_name),
        format('alter system set max_connections = %s;', 2 * current_setting('max_connections')::integer),
        'as superuser; then restart the server; or end the sessions that nobody needs'
    from (
        select count(*) as taken, slots.usable as limit, slots.usable - count(*) as free
        from pg_stat_activity as session
        cross join (
            select current_setting('max_connections')::integer
                - current_setting('superuser_reserved_connections')::integer
                - coalesce(current_setting('reserved_connections', true)::integer, 0) as usable
        ) as slots
        where session.backend_type = 'client backend'
        group by slots.usable
    ) as room
    cross join (
        select coalesce(nullif(session.application_name, ''), 'sessions without a name') as application_name
        from pg_stat_activity as session
        where session.backend_type = 'client backend'
        group by session.application_name
        order by count(*) desc, session.application_name
        limit 1
    ) as most
    where room.free < room.limit * 0.2
$$;

comment on function monitoring_internal.doctor_connections() is 'Findings about room for sessions.';

-- Whether the role that measures may see what there is to see.
-- Called by: doctor_at (the owner), doctor_query (the role of a target).
create or replace function monitoring_internal.doctor_rights()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'rights', 'error', current_user::text,
        format('role %I is no member of pg_monitor: most measurements are refused or empty', current_user),
        'pg_has_role says no', format('grant pg_monitor to %I;', current_user), 'as superuser'
    where not pg_has_role(current_user, 'pg_monitor', 'usage')
$$;

comment on function monitoring_internal.doctor_rights() is 'Findings about the rights of the role that measures.';

-- WAL that is not archived. A command that seems to hold a secret is not repeated: who may see it can ask for it.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_archiving()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'archiving', 'error', 'archive_command', 'WAL is not archived: it piles up, and backups have a hole',
        format('%s failed at %s, %s times; last archived: %s', archiver.last_failed_wal, archiver.last_failed_time,
            archiver.failed_count, coalesce(archiver.last_archived_wal, 'none')),
        case
            when command.setting ~* '(pass|pwd|secret|token|credential|key|bearer|basic |://[^/]*@|\s(-u|--user))'
                then 'psql -c ''show archive_command'''
            else coalesce(
                replace(replace(nullif(command.setting, ''), '%p', 'pg_wal/' || archiver.last_failed_wal), '%f',
                    archiver.last_failed_wal),
                'see the server''s log')
        end,
        format('shell of the server, as its user, in %s: shows why; mend that, the server tries again by itself',
            coalesce(folder.setting, 'the data directory'))
    from pg_stat_archiver as archiver
    left join pg_settings as command on command.name = 'archive_command'
    left join pg_settings as folder on folder.name = 'data_directory'
    where current_setting('archive_mode') <> 'off'
        and archiver.last_failed_time > coalesce(archiver.last_archived_time, '-infinity')
$$;

comment on function monitoring_internal.doctor_archiving() is 'Findings about archiving of WAL.';

-- Indexes that are kept up but that no query uses: what a failed build leaves behind.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_indexes()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'indexes', 'warning', format('%I.%I', schema.nspname, class.relname),
        'the index is not valid: it costs writes, and no query uses it',
        format('on %I.%I, %s', owner_schema.nspname, owner.relname, case
            when lock.is_held then 'locked, its size is not known'
            else pg_size_pretty(pg_relation_size(class.oid))
        end),
        case
            -- A leftover of "reindex concurrently", whose original is there; or one that would fail again.
            when (class.relname ~ '_cc(new|old)[0-9]*$' or index.indisunique) and schema.nspname <> 'pg_toast'
                and class.relkind = 'i'
                then format('drop index concurrently %I.%I;', schema.nspname, class.relname)
            when class.relkind = 'I' then format(
                'create index on the partitions that lack it, then: alter index %I.%I attach partition ...',
                schema.nspname, class.relname)
            else format('reindex index concurrently %I.%I;', schema.nspname, class.relname)
        end,
        format('database %I, as owner of the table%s', current_database(), case when index.indisunique then
            '; then mend what is there twice and build it again'
                || case when lock.is_held then '' else ': ' || pg_get_indexdef(class.oid) end else '' end)
    from pg_index as index
    inner join pg_class as class on class.oid = index.indexrelid
    inner join pg_namespace as schema on schema.oid = class.relnamespace
    inner join pg_class as owner on owner.oid = index.indrelid
    inner join pg_namespace as owner_schema on owner_schema.oid = owner.relnamespace
    -- Its size and definition wait for whoever has, or awaits, the index or its table for itself.
    cross join lateral (
        select exists (
            select from pg_locks as taken
            where taken.relation in (index.indexrelid, index.indrelid) and taken.mode = 'AccessExclusiveLock'
                and taken.database = (
                    select d.oid from pg_database as d where d.datname = current_database())) as is_held
    ) as lock
    where not index.indisvalid
        and not exists (
            select from pg_stat_progress_create_index as build
            where build.relid = index.indrelid and build.datid = (
                select d.oid from pg_database as d where d.datname = current_database()))
$$;

comment on function monitoring_internal.doctor_indexes() is 'Findings about invalid indexes of a database.';
