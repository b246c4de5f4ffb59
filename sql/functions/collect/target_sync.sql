-- collect/target_sync.sql: keep databases and collection states in line with what targets have.
-- Owns sync_collector_states_at, sync_target_databases_at, sync_local_databases_at.
-- Writes target_databases, target_events, collector_states, collector_gaps. Callers hold the target's row.

-- Make the states that are missing, and retire those of databases that are gone or not wanted, with their open gaps;
-- forget databases that went long ago.
-- Instance collectors have one state in the main database, database collectors one in each. The first runs are spread
-- over a minute. Units: null is every target, every collector.
create or replace function monitoring_internal.sync_collector_states_at(
    p_target_id integer, p_collector_id integer, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with wanted as materialized (
        select place.target_database_id, place.target_id, collector.collector_id, collector.name, collector.scope,
            collector.is_enabled
        from monitoring.target_databases as place
        cross join monitoring.collectors as collector
        where not place.is_home and place.is_enabled
            and (place.target_id = p_target_id or p_target_id is null)
            and (collector.collector_id = p_collector_id or p_collector_id is null)
            and (collector.scope = 'database' or (collector.scope = 'instance' and place.is_main))
    ), retired as (
        delete from monitoring.collector_states as state
        where state.target_database_id <> 0
            and (state.target_id = p_target_id or p_target_id is null)
            and (state.collector_id = p_collector_id or p_collector_id is null)
            -- Not against "wanted": of a thousand databases that would be read for each state.
            and not exists (
                select 1
                from monitoring.target_databases as place
                inner join monitoring.collectors as collector on collector.collector_id = state.collector_id
                where place.target_database_id = state.target_database_id and place.is_enabled
                    and (collector.scope = 'database' or place.is_main))
        returning state.target_database_id, state.collector_id
    ), forgotten as (
        -- As long as its gaps may be: databases that come and go each day must not be kept for ever.
        delete from monitoring.target_databases as place
        where place.gone_at < p_now - interval '400 days'
            and (place.target_id = p_target_id or p_target_id is null)
    ), closed as (
        update monitoring.collector_gaps as gap
        set ended_at = greatest(p_now, gap.started_at)
        from retired
        where gap.collector_id = retired.collector_id and gap.target_database_id = retired.target_database_id
            and gap.ended_at is null
    )
    insert into monitoring.collector_states (collector_id, target_database_id, target_id, next_due_at)
    select wanted.collector_id, wanted.target_database_id, wanted.target_id,
        case
            when not wanted.is_enabled then 'infinity'
            when wanted.scope = 'instance' then p_now
            else p_now + ('x' || left(md5(format('%s@%s', wanted.name, wanted.target_database_id)), 8))::bit(32)::bigint
                % 60000 * interval '1 millisecond'
        end
    from wanted
    where not exists (
        select 1
        from monitoring.collector_states as state
        where state.target_database_id = wanted.target_database_id and state.collector_id = wanted.collector_id)
    on conflict do nothing;
$$;

comment on function monitoring_internal.sync_collector_states_at(integer, integer, timestamptz) is
    'Makes the collection states that targets'' databases lack and retires those that are not wanted.';

-- Bring the databases of a target in line with those it has, [{"name": …, "connectable": …}], and its choice of them.
create or replace function monitoring_internal.sync_target_databases_at(
    p_target_id integer, p_databases jsonb, p_include text, p_exclude text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_changes bigint;
begin
    with present as materialized (
        select listed.name as datname,
            case
                when not listed.connectable then 'the role may not connect to it'
                when not (listed.name ~ p_include and (p_exclude is null or listed.name !~ p_exclude))
                    then 'it is not among those to monitor'
            end as reason
        from jsonb_to_recordset(p_databases) as listed (name text, connectable boolean)
    ), changed as (
        update monitoring.target_databases as place
        set reason = present.reason, is_enabled = present.reason is null, gone_at = null
        from present
        where place.target_id = p_target_id and place.datname = present.datname and not place.is_main
            and (place.gone_at is not null or place.reason is distinct from present.reason)
        returning place.datname
    ), gone as (
        update monitoring.target_databases as place
        set reason = 'it was dropped', is_enabled = false, gone_at = p_now
        where place.target_id = p_target_id and place.gone_at is null and not place.is_main and not place.is_home
            and not exists (select 1 from present where present.datname = place.datname)
        returning place.datname
    ), appeared as (
        insert into monitoring.target_databases (target_id, tenant_id, datname, is_enabled, reason)
        select target.target_id, target.tenant_id, present.datname, present.reason is null, present.reason
        from present
        inner join monitoring.targets as target on target.target_id = p_target_id
        -- One that nobody wants is not listed, but one that was wanted once is.
        where present.reason is distinct from 'it is not among those to monitor'
            and present.datname not in (
                select place.datname from monitoring.target_databases as place where place.target_id = p_target_id)
        order by present.datname
        on conflict do nothing
        returning datname
    ), event as (
        select 'database_appeared' as kind, appeared.datname from appeared
        union all
        select 'database_disappeared', gone.datname from gone
    ), noted as (
        insert into monitoring.target_events (target_id, tenant_id, target_name, occurred_at, kind, datname)
        select target.target_id, target.tenant_id, target.name, p_now, event.kind, event.datname
        from monitoring.targets as target
        cross join event
        where target.target_id = p_target_id
    )
    select (select count(*) from changed) + (select count(*) from event) into v_changes;
    -- As a rule nothing has changed, and a thousand databases need not be compared with their states.
    if v_changes > 0 then
        perform monitoring_internal.sync_collector_states_at(p_target_id, null, p_now);
    end if;
end;
$$;

comment on function monitoring_internal.sync_target_databases_at(integer, jsonb, text, text, timestamptz) is
    'Brings the databases of a target, and their states, in line with those it has and those wanted of them.';

-- The other databases of this server, now and then: which of them are wanted is a setting, none at first.
create or replace function monitoring_internal.sync_local_databases_at(p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_include constant text := monitoring_internal.setting_text('collect.local_databases');
begin
    perform 1
    from monitoring.targets as target
    where target.target_id = 0
        and (target.last_seen_at is null or target.last_seen_at + interval '15 seconds' <= p_now
            or target.database_include is distinct from v_include)
    for no key update of target skip locked;
    if not found then
        return;
    end if;
    update monitoring.targets as target
    set last_seen_at = p_now, database_include = v_include
    where target.target_id = 0;
    perform monitoring_internal.sync_target_databases_at(
        0,
        coalesce((
            select jsonb_agg(jsonb_build_object('name', database.datname, 'connectable', true))
            from pg_database as database
            where database.datallowconn and not database.datistemplate and database.datname <> current_database()),
            '[]'),
        coalesce(nullif(v_include, ''), '$^.'), null, p_now);
end;
$$;

comment on function monitoring_internal.sync_local_databases_at(timestamptz) is
    'Finds the other databases of this server that collect.local_databases names; at most every 15 seconds.';
