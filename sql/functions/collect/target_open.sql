-- collect/target_open.sql: what a service needs to connect to a database of a target, its sealed secret included.
-- Owns guarded_conninfo, open_target, main_target_database. Writes nothing.
-- Concurrency: reads at one snapshot; any number of callers at once.

-- A connection string with a password that is none. What PGPASSWORD, password files and service files of the service
-- hold is for this database: libpq would send it to any server that asks for a password.
create or replace function monitoring_internal.guarded_conninfo(p_conninfo text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select p_conninfo || case
        when p_conninfo !~ '^postgres(ql)?://' then ' '
        when strpos(address.text, '?') = 0 then '?'
        when address.text ~ '&$|^[^?]*\?$' then ''
        else '&'
    end || 'password=none'
    -- Only in a user's name a question mark can stand before that of the options.
    from (select regexp_replace(p_conninfo, '^postgres(ql)?://[^@/]*@', '') as text) as address;
$$;

comment on function monitoring_internal.guarded_conninfo(text) is
    'A connection string that keeps libpq from sending a password of the service''s own files or variables.';

-- How to connect to a database of a target. No row: it was removed.
-- A null conninfo is the service's own connection. What was sealed for another connection cannot be opened with the
-- context given here.
create or replace function monitoring_internal.open_target(p_target_database_id integer)
returns table (
    target_id integer, target_name text, conninfo text, datname text, sealed_secret text, seal_context text,
    system_identifier bigint, max_connections integer, facts_are_due boolean, connect_timeout_ms bigint)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select
        target.target_id, target.name,
        case when target.sealed_secret is null then monitoring_internal.guarded_conninfo(target.conninfo)
            else target.conninfo end,
        place.datname, target.sealed_secret,
        case when target.conninfo is not null
            then monitoring_internal.seal_context(target.name, target.conninfo) end,
        target.system_identifier, target.max_connections,
        -- Another database can say little that is new: roles, extensions.
        place.facts_at is null or statement_timestamp() > place.facts_at
            + case when place.is_main then 1 else 15 end * monitoring_internal.setting_interval('targets.facts_every'),
        monitoring_internal.collection_limit_ms('targets.connect_timeout')
    from monitoring.target_databases as place
    inner join monitoring.targets as target using (target_id)
    where place.target_database_id = p_target_database_id and not place.is_home;
$$;

comment on function monitoring_internal.open_target(integer) is
    'How to connect to a database of a target, with its sealed secret and what that was sealed for. For the service.';

-- The database of a target that is tried first.
-- Raises: PV607.
create or replace function monitoring_internal.main_target_database(p_name text)
returns integer
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select place.target_database_id
    from monitoring.target_databases as place
    where place.target_id = monitoring_internal.require_target(p_name) and place.is_main;
$$;

comment on function monitoring_internal.main_target_database(text) is
    'The id of the main database of a target, for open_target; PV607 when there is no such target.';
