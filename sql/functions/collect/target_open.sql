-- collect/target_open.sql: what a service needs to connect to a database of a target, its sealed secret included.
-- Owns open_target, main_target_database. Writes nothing.
-- Concurrency: reads at one snapshot; any number of callers at once.

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
        target.conninfo,
        place.datname, target.sealed_secret,
        case when target.conninfo is not null
            then monitoring_internal.seal_context(target.name, target.conninfo) end,
        target.system_identifier,
        -- What jobs have there, no session of collection may have.
        greatest(1, target.max_connections - (
            select count(*) from monitoring.job_leases as lease
            where lease.target_id = target.target_id and lease.waits_for is null)::integer),
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
