-- collect/targets.sql: register servers to monitor, change and remove them.
-- Owns note_target_event_at, require_target, set_target_database, add_target(_at), set_target(_at).
-- Writes targets, target_databases, target_events, collector_states.

-- Note what became of a target.
create or replace function monitoring_internal.note_target_event_at(
    p_target_id integer, p_kind text, p_datname text, p_details jsonb, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.target_events (target_id, tenant_id, target_name, occurred_at, kind, datname, details)
    select target.target_id, target.tenant_id, target.name, p_now, p_kind, p_datname, coalesce(p_details, '{}')
    from monitoring.targets as target
    where target.target_id = p_target_id;
$$;

comment on function monitoring_internal.note_target_event_at(integer, text, text, jsonb, timestamptz) is
    'Writes a row of target_events.';

-- The id of a target by its name; the local one cannot be meant.
-- Raises: PV607.
create or replace function monitoring_internal.require_target(p_name text)
returns integer
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target_id constant integer := (
        select target.target_id
        from monitoring.targets as target
        where target.name = p_name and target.target_id <> 0);
begin
    if v_target_id is null then
        raise exception using
            errcode = 'PV607',
            message = format('target "%s" does not exist', p_name),
            hint = 'The names are in monitoring.target_status; monitoring.add_target(name, conninfo) makes one.';
    end if;
    return v_target_id;
end;
$$;

comment on function monitoring_internal.require_target(text) is
    'The id of the target of a name; PV607 when there is none.';

-- Make a database the main one of a target.
create or replace function monitoring_internal.set_target_database(p_target_id integer)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with named as materialized (
        select target.target_id, target.tenant_id, coalesce((
            select part.value
            from monitoring_internal.conninfo_parts(target.conninfo) as part
            where part.keyword = 'dbname'), 'postgres') as datname
        from monitoring.targets as target
        where target.target_id = p_target_id
    ), lowered as (
        update monitoring.target_databases as place
        set is_main = false
        from named
        where place.target_id = named.target_id and place.is_main and place.datname <> named.datname
        returning 1
    ), raised as (
        update monitoring.target_databases as place
        set is_main = true, is_enabled = true, reason = null, gone_at = null, facts_at = null
        from named
        where place.target_id = named.target_id and place.datname = named.datname
            and (select count(*) from lowered) >= 0
        returning 1
    )
    insert into monitoring.target_databases (target_id, tenant_id, datname, is_main)
    select named.target_id, named.tenant_id, named.datname, true
    from named
    where not exists (select 1 from raised);
$$;

comment on function monitoring_internal.set_target_database(integer) is
    'Brings the main database of a target in line with its connection.';

-- Add a server to monitor, as of a time.
-- Raises: PV002 tenant not visible, PV601, PV602, PV603, PV608.
create or replace function monitoring_internal.add_target_at(
    p_name text, p_conninfo text, p_sealed_secret text, p_tenant_id uuid, p_database_include text,
    p_database_exclude text, p_max_connections integer, p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := coalesce(p_tenant_id, monitoring.system_tenant_id());
    v_target_id integer;
    v_fault constant text := case
        when coalesce(p_name, '') !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then 'the name of a target is malformed'
        -- Its page would be in the place of another.
        when p_name = 'service' then 'no target can be named service'
        when exists (select 1 from monitoring.targets as target where target.name = p_name)
            then format('target "%s" is there already', p_name)
        when p_conninfo is null then 'a target needs a connection'
        when not coalesce(p_max_connections between 1 and 100, false) then 'max_connections is not within 1 and 100'
    end;
begin
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    if v_fault is not null then
        raise exception using
            errcode = 'PV608',
            message = v_fault,
            hint = 'A name has up to 63 small letters, digits, dots, hyphens and underscores; it is the label server. '
                'monitoring.set_target(name, ...) changes one that is there.';
    end if;
    insert into monitoring.targets
        (name, tenant_id, conninfo, sealed_secret, database_include, database_exclude, max_connections)
    values (p_name, v_tenant_id, p_conninfo, p_sealed_secret, nullif(p_database_include, ''),
        nullif(p_database_exclude, ''), p_max_connections)
    returning target_id into v_target_id;
    perform monitoring_internal.set_target_database(v_target_id);
    perform monitoring_internal.sync_collector_states_at(v_target_id, null, p_now);
    perform monitoring_internal.note_target_event_at(v_target_id, 'added', null, null, p_now);
    return v_target_id;
end;
$$;

comment on function monitoring_internal.add_target_at(text, text, text, uuid, text, text, integer, timestamptz) is
    'add_target as of a time.';

-- Add a server to monitor.
-- Units: database_include, database_exclude are regular expressions; null: all, none. tenant_id null: the system's.
create or replace function monitoring.add_target(
    name text, conninfo text, sealed_secret text default null, tenant_id uuid default null,
    database_include text default null, database_exclude text default null, max_connections integer default 2)
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.add_target_at(
        add_target.name, add_target.conninfo, add_target.sealed_secret, add_target.tenant_id,
        add_target.database_include, add_target.database_exclude, add_target.max_connections, clock_timestamp());
$$;

comment on function monitoring.add_target(text, text, text, uuid, text, text, integer) is
    'Adds a server to monitor; its password, if any, is sealed by "pgvigil targets add". For monitoring_admin.';

-- Change a target, as of a time: null leaves as it is, an empty text clears.
-- Raises: PV601, PV602, PV603, PV607, PV608.
create or replace function monitoring_internal.set_target_at(
    p_name text, p_conninfo text, p_sealed_secret text, p_is_enabled boolean, p_database_include text,
    p_database_exclude text, p_max_connections integer, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target_id constant integer := monitoring_internal.require_target(p_name);
    v_before monitoring.targets;
    v_after monitoring.targets;
begin
    if p_max_connections not between 1 and 100 then
        raise exception using
            errcode = 'PV608',
            message = 'max_connections is not within 1 and 100',
            hint = 'It is how many runs a target may have at once; 2 is usual.';
    end if;
    select target.* into v_before from monitoring.targets as target where target.target_id = v_target_id for update;
    update monitoring.targets as target
    set conninfo = coalesce(p_conninfo, target.conninfo),
        sealed_secret = nullif(coalesce(p_sealed_secret, target.sealed_secret), ''),
        is_enabled = coalesce(p_is_enabled, target.is_enabled),
        database_include = nullif(coalesce(p_database_include, target.database_include), ''),
        database_exclude = nullif(coalesce(p_database_exclude, target.database_exclude), ''),
        max_connections = coalesce(p_max_connections, target.max_connections),
        -- What was wrong may be mended by this: it is tried at once.
        next_try_at = '-infinity'
    where target.target_id = v_target_id
    returning target.* into v_after;
    if v_after.conninfo <> v_before.conninfo then
        perform monitoring_internal.set_target_database(v_target_id);
        perform monitoring_internal.note_target_event_at(v_target_id, 'connection_changed', null, null, p_now);
    end if;
    if v_after.sealed_secret is distinct from v_before.sealed_secret then
        perform monitoring_internal.note_target_event_at(v_target_id, 'credentials_changed', null, null, p_now);
    end if;
    -- Which databases are wanted may have changed: they are asked for again.
    update monitoring.target_databases as place
    set facts_at = null
    where place.target_id = v_target_id and place.is_main;
    perform monitoring_internal.sync_collector_states_at(v_target_id, null, p_now);
end;
$$;

comment on function monitoring_internal.set_target_at(text, text, text, boolean, text, text, integer, timestamptz) is
    'set_target as of a time.';

-- Change a target: null leaves as it is, an empty text clears.
create or replace function monitoring.set_target(
    name text, conninfo text default null, sealed_secret text default null, is_enabled boolean default null,
    database_include text default null, database_exclude text default null, max_connections integer default null)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.set_target_at(
        set_target.name, set_target.conninfo, set_target.sealed_secret, set_target.is_enabled,
        set_target.database_include, set_target.database_exclude, set_target.max_connections, clock_timestamp());
$$;

comment on function monitoring.set_target(text, text, text, boolean, text, text, integer) is
    'Changes a target; null leaves as it is, an empty text clears. Another host, port, user or sslmode makes its '
    'secret unusable until it is sealed again. For monitoring_admin.';
