-- collect/target_show.sql: what the command line shows of targets, and what it needs to seal their secrets anew.
-- Owns list_targets, describe_target, target_connection, target_secret. Writes nothing.
-- Concurrency: reads at one snapshot; any number of callers at once.

-- The servers that are watched besides this one, as the caller may see them.
create or replace function monitoring_internal.list_targets()
returns table (
    name text, status text, role text, version text, databases bigint, last_seen_at timestamptz,
    last_collected_at timestamptz, lacks text, reason text, remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        target.name, target.status, target.role,
        target.server_version_num / 10000 || '.' || target.server_version_num % 10000, target.databases,
        date_trunc('second', target.last_seen_at), date_trunc('second', target.last_collected_at),
        (
            select string_agg(collector.name, ', ' order by collector.name)
            from jsonb_object_keys(target.unavailable) as collector (name)
        ),
        target.reason, target.remedy
    from monitoring.target_status as target
    where target.name <> 'local'
    order by target.name;
$$;

comment on function monitoring_internal.list_targets() is
    'One row a server that is watched besides this one: how it fares, and which collectors lack something there.';

-- What a target said of itself when it was asked last, and each thing that is missing there.
-- Raises: PV607.
create or replace function monitoring_internal.describe_target(p_name text)
returns table (subject text, value text, remedy text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    with chosen as materialized (
        select target.*
        from monitoring.targets as target
        where target.target_id = monitoring_internal.require_target(p_name)
    ), line as (
        select said.place, said.subject, said.value, null::text as remedy
        from chosen
        cross join lateral (
            values
                (1, 'version', chosen.facts ->> 'server_version'),
                (2, 'role', format('%s, timeline %s',
                    case when chosen.is_in_recovery then 'standby' else 'primary' end, chosen.timeline)),
                (3, 'connected as', chosen.facts ->> 'user'),
                (4, 'member of', (
                    select string_agg(granted.name, ', ' order by granted.name)
                    from jsonb_array_elements_text(chosen.facts -> 'roles') as granted (name))),
                (5, 'clock', format('%s s from ours', round(chosen.clock_offset_seconds::numeric, 3)))
        ) as said (place, subject, value)
        union all
        select 6, 'database', concat_ws(': ', place.datname, place.reason),
            case when place.reason = 'the role may not connect to it'
                then format('grant connect on database %I to %I;', place.datname, chosen.facts ->> 'user') end
        from chosen
        inner join monitoring.target_databases as place using (target_id)
        where place.gone_at is null
        union all
        select 7, format('collector %s', collector.name), unmet.reason, unmet.remedy
        from chosen
        inner join monitoring.target_databases as place on place.target_id = chosen.target_id and place.is_main
        inner join monitoring.collectors as collector on collector.is_enabled
        cross join lateral monitoring_internal.target_obstacle(
            collector.collector_id, place.target_database_id) as unmet
    )
    select line.subject, line.value, line.remedy
    from line
    where line.value is not null
    order by line.place, line.subject, line.value;
$$;

comment on function monitoring_internal.describe_target(text) is
    'What a target said of itself when it was asked last, its databases, and what collectors lack there with the '
    'statement that mends it; PV607 when there is no such target.';

-- How a target is reached: what a new secret of it is sealed for.
-- Raises: PV607.
create or replace function monitoring_internal.target_connection(p_name text)
returns text
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select target.conninfo
    from monitoring.targets as target
    where target.target_id = monitoring_internal.require_target(p_name);
$$;

comment on function monitoring_internal.target_connection(text) is
    'The connection string of a target, without any secret; PV607 when there is no such target.';

-- What is needed to seal a target's secret anew.
-- Raises: PV607.
create or replace function monitoring_internal.target_secret(p_name text)
returns table (conninfo text, sealed_secret text, seal_context text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select target.conninfo, target.sealed_secret, monitoring_internal.seal_context(target.name, target.conninfo)
    from monitoring.targets as target
    where target.target_id = monitoring_internal.require_target(p_name);
$$;

comment on function monitoring_internal.target_secret(text) is
    'Connection, sealed secret and what that is sealed for, of one target; PV607 when there is no such target.';
