--! as-installer
-- 0001: the seven roles, the three schemas, the ledger of migrations.
-- Roles belong to the cluster, schemas to the database: a second database of the cluster finds its roles made.

-- A role that another database's installer makes at the same moment is as good as one of our own making.
-- (A loop, since create role takes no set of names.)
do $$
declare
    v_role text;
begin
    foreach v_role in array array[
        'monitoring_owner', 'monitoring_admin', 'monitoring_service', 'monitoring_collector',
        'monitoring_analyst', 'monitoring_reader', 'monitoring_exporter']
    loop
        if to_regrole(v_role) is null then
            begin
                execute format('create role %I nologin', v_role);
            exception
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise exception using
            errcode = 'PV006',
            message = format('role %I may not create the roles of pgvigil', current_user),
            hint = format(
                'Let a superuser run: alter role %I createrole; or install once as a superuser.', current_user);
end
$$;

-- The installer acts as the owner from here on.
do $$
declare
    v_needed constant text :=
        case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
begin
    if not pg_has_role(current_user, 'monitoring_owner', v_needed) then
        execute format('grant monitoring_owner to %I', current_user);
    end if;
exception
    when insufficient_privilege then
        raise exception using
            errcode = 'PV006',
            message = format('role %I may not act as monitoring_owner', current_user),
            hint = format(
                'Let the role that installed pgvigil in this cluster first, or a superuser, run: '
                'grant monitoring_owner to %I;', current_user);
end
$$;

-- The collectors run as the owner: without pg_monitor they say what they cannot see.
do $$
begin
    if not pg_has_role('monitoring_owner', 'pg_monitor', 'usage') then
        grant pg_monitor to monitoring_owner;
    end if;
exception
    when insufficient_privilege then
        raise notice using
            message = 'monitoring_owner is no member of pg_monitor: most collectors will be unavailable',
            hint = 'Let a superuser run: grant pg_monitor to monitoring_owner;';
end
$$;

do $$
declare
    v_foreign name;
begin
    select namespace.nspname into v_foreign
    from pg_catalog.pg_namespace as namespace
    where namespace.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
        and namespace.nspowner <> 'monitoring_owner'::regrole
    order by namespace.nspname
    limit 1;
    if v_foreign is not null then
        raise exception using
            errcode = 'PV007',
            message = format('a schema named %I exists already and is not owned by monitoring_owner', v_foreign),
            hint = 'Install pgvigil in a database of its own, or rename that schema.';
    end if;
    if not has_database_privilege(current_user, current_database(), 'create') then
        raise exception using
            errcode = 'PV006',
            message = format('role %I may not create schemas in database %I', current_user, current_database()),
            hint = format(
                'Let its owner or a superuser run: grant create on database %I to %I;',
                current_database(), current_user);
    end if;
end
$$;

create schema if not exists monitoring authorization monitoring_owner;
create schema if not exists monitoring_internal authorization monitoring_owner;
create schema if not exists monitoring_partitions authorization monitoring_owner;

set local role monitoring_owner;

comment on schema monitoring is
    'pgvigil: tables, views and functions that a person or a client uses.';
comment on schema monitoring_internal is
    'pgvigil: helpers, claim and acknowledge functions, staging. Not for people.';
comment on schema monitoring_partitions is
    'pgvigil: every partition of its tables. Reached through the parents only.';

-- Without "in schema": with it the statement would do nothing.
alter default privileges for role monitoring_owner revoke execute on functions from public;

create table monitoring.schema_migrations (
    version text not null,
    name text not null,
    checksum text not null,
    description text not null default '',
    applied_at timestamptz not null default now(),
    applied_by text not null default session_user,
    duration_ms double precision,
    tool_version text not null,
    server_version_num integer not null default current_setting('server_version_num')::integer,
    is_breaking boolean not null default false,
    rollback_sql text,
    constraint schema_migrations_pkey primary key (version),
    constraint schema_migrations_version_check check (version ~ '^[0-9]{4}$'),
    constraint schema_migrations_checksum_check check (checksum ~ '^[0-9a-f]{64}$')
);

comment on table monitoring.schema_migrations is
    'Ledger of applied migrations: one row a file, written in the transaction that applied it.';
comment on column monitoring.schema_migrations.version is 'The four digits that begin the file''s name.';
comment on column monitoring.schema_migrations.name is 'The file''s name without its ending.';
comment on column monitoring.schema_migrations.checksum is
    'SHA-256 in hexadecimal of the file with line ends normalised to LF.';
comment on column monitoring.schema_migrations.description is 'First comment line of the file.';
comment on column monitoring.schema_migrations.applied_at is 'When its transaction began.';
comment on column monitoring.schema_migrations.applied_by is 'The login role that applied it.';
comment on column monitoring.schema_migrations.duration_ms is 'How long it ran, in milliseconds.';
comment on column monitoring.schema_migrations.tool_version is 'The version of pgvigil that applied it.';
comment on column monitoring.schema_migrations.server_version_num is 'The server''s version then.';
comment on column monitoring.schema_migrations.is_breaking is
    'Whether an older pgvigil must refuse to run against this schema.';
comment on column monitoring.schema_migrations.rollback_sql is
    'Text of the down file beside it, for the record; never executed from here.';

create table monitoring_internal.reloaded_objects (
    path text not null,
    checksum text not null,
    loaded_at timestamptz not null default now(),
    constraint reloaded_objects_pkey primary key (path)
);

comment on table monitoring_internal.reloaded_objects is
    'One row a reloadable file of the last upgrade: functions, views, policies, collectors, rules, grants. '
    'Rows whose path begins with live: hold the digest of an object as it was left, for verify.';
comment on column monitoring_internal.reloaded_objects.path is 'Path under sql/.';
comment on column monitoring_internal.reloaded_objects.checksum is
    'SHA-256 in hexadecimal of the file with line ends normalised to LF.';
comment on column monitoring_internal.reloaded_objects.loaded_at is 'When it was loaded last.';
