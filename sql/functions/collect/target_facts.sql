-- collect/target_facts.sql: what a target is asked of itself, and what its answer changes.
-- Owns target_facts_query, require_target_lease, check_target_facts, note_target_changes_at, report_target_facts(_at).
-- Writes targets, target_databases, target_events and by them collector_states. A target's row is locked meanwhile.

-- What a target is asked: one row with one jsonb, on any version from 15 on, with no right but CONNECT.
-- The timeline of a primary is that of the WAL it writes: its last checkpoint may be older than its promotion.
create or replace function monitoring_internal.target_facts_query()
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $query$select jsonb_build_object(
    'server_version_num', current_setting('server_version_num')::integer,
    'server_version', current_setting('server_version'),
    'system_identifier', (select system_identifier::text from pg_control_system()),
    'in_recovery', pg_is_in_recovery(),
    'timeline', greatest(
        (select timeline_id from pg_control_checkpoint()),
        (select min_recovery_end_timeline from pg_control_recovery()),
        (select received_tli from pg_stat_wal_receiver),
        case when not pg_is_in_recovery()
            then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer end),
    'user', current_user,
    'datname', current_database(),
    'clock', extract(epoch from clock_timestamp()),
    'databases', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'name', datname, 'connectable', has_database_privilege(oid, 'connect'))), '[]')
        from pg_database
        where datallowconn and not datistemplate),
    'extensions', (
        select coalesce(jsonb_object_agg(
            extname, jsonb_build_object('version', extversion, 'schema', nspname)), '{}')
        from pg_extension
        inner join pg_namespace on pg_namespace.oid = extnamespace),
    'roles', (
        select coalesce(jsonb_agg(rolname), '[]')
        from pg_roles
        where rolname = any (%1$L::text[]) and pg_has_role(oid, 'usage')),
    'settings', (
        select coalesce(jsonb_object_agg(name, current_setting(name)), '{}')
        from pg_settings
        where name = any (%2$L::text[]))
) as facts$query$,
        array(
            select distinct need.name
            from monitoring.collector_needs as need
            where need.kind = 'role'
            union
            select 'pg_monitor'
            order by 1),
        array(
            select distinct need.name
            from monitoring.collector_needs as need
            where need.kind = 'setting'
            order by 1));
$$;

comment on function monitoring_internal.target_facts_query() is
    'The statement that asks a server who it is: one row, one jsonb facts. For report_target_facts.';

-- Stop a report about a database whose lease went to another.
-- Raises: PV403.
create or replace function monitoring_internal.require_target_lease(p_target_database_id integer, p_fence bigint)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select 1
        from monitoring.collector_states as state
        where state.target_database_id = p_target_database_id and state.fence = p_fence
            and state.lease_expires_at is not null)
    then
        raise exception using
            errcode = 'PV403',
            message = format('claim %s of a collector is no longer held', p_fence),
            hint = 'Nothing was stored. Another instance has taken the collector over, or its target was removed.';
    end if;
end;
$$;

comment on function monitoring_internal.require_target_lease(integer, bigint) is
    'Raises PV403 unless some collector of the database is leased under that fence.';

-- Stop when a server is another than before, or too old.
-- Raises: PV604, PV605.
create or replace function monitoring_internal.check_target_facts(p_target monitoring.targets, p_facts jsonb)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_identifier constant bigint := (p_facts ->> 'system_identifier')::bigint;
    v_known constant bigint := case
        when p_target.target_id = 0 then (select system.system_identifier from pg_control_system() as system)
        else p_target.system_identifier
    end;
begin
    if coalesce((p_facts ->> 'server_version_num')::integer, 0) < 150000 then
        raise exception using
            errcode = 'PV605',
            message = format('target "%s" is version %s', p_target.name, p_facts ->> 'server_version'),
            hint = 'pgvigil monitors PostgreSQL 15 and later.';
    end if;
    -- One that does not tell may be any other.
    if v_known is not null and v_identifier is distinct from v_known then
        raise exception using
            errcode = 'PV604',
            message = format('target "%s" is another cluster than before', p_target.name),
            detail = format(
                'Its system identifier was %s and is %s.', v_known, coalesce(v_identifier::text, 'not told')),
            hint = format('If it was restored or built anew, say so: pgvigil targets accept %s', p_target.name);
    end if;
end;
$$;

comment on function monitoring_internal.check_target_facts(monitoring.targets, jsonb) is
    'Raises PV604 when another cluster answered than the one pinned, PV605 when its version is too old.';

-- Note what is new about a target: first contact, promotion or change of sides, another version.
create or replace function monitoring_internal.note_target_changes_at(
    p_target monitoring.targets, p_facts jsonb, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.note_target_event_at(p_target.target_id, change.kind, null, change.details, p_now)
    from (
        values
            ('connected', p_target.system_identifier is null, p_facts - array[
                'databases', 'extensions', 'roles', 'settings', 'clock', 'datname']),
            (
                'failover',
                (p_facts ->> 'timeline')::integer > p_target.timeline
                    or (p_facts ->> 'in_recovery')::boolean <> p_target.is_in_recovery,
                jsonb_build_object(
                    'timeline_before', p_target.timeline, 'timeline', p_facts -> 'timeline',
                    'in_recovery_before', p_target.is_in_recovery, 'in_recovery', p_facts -> 'in_recovery')
            ),
            (
                'version_changed', (p_facts ->> 'server_version_num')::integer <> p_target.server_version_num,
                jsonb_build_object('before', p_target.server_version_num, 'after', p_facts -> 'server_version_num')
            )
    ) as change (kind, is_so, details)
    where change.is_so and p_target.target_id <> 0;
$$;

comment on function monitoring_internal.note_target_changes_at(monitoring.targets, jsonb, timestamptz) is
    'Writes the events that a target''s facts tell of: connected, failover, version_changed.';

-- Take what a target said of itself, as of a time. A null fence is a test outside of any run.
-- Raises: PV403, PV604, PV605, PV607.
create or replace function monitoring_internal.report_target_facts_at(
    p_target_database_id integer, p_fence bigint, p_facts jsonb, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_place monitoring.target_databases;
    v_target monitoring.targets;
begin
    if p_fence is not null then
        perform monitoring_internal.require_target_lease(p_target_database_id, p_fence);
    end if;
    select place.* into v_place
    from monitoring.target_databases as place
    where place.target_database_id = p_target_database_id;
    select target.* into v_target
    from monitoring.targets as target
    where target.target_id = v_place.target_id
    for no key update;
    if v_target.target_id is null then
        raise exception using
            errcode = 'PV607',
            message = format('target database %s does not exist', p_target_database_id),
            hint = 'It was removed meanwhile.';
    end if;
    perform monitoring_internal.check_target_facts(v_target, p_facts);
    perform monitoring_internal.note_target_changes_at(v_target, p_facts, p_now);
    perform monitoring_internal.note_target_answer_at(v_target.target_id, p_now);
    update monitoring.target_databases as place
    set facts = p_facts - array['databases', 'clock'], facts_at = p_now, last_seen_at = p_now
    where place.target_database_id = p_target_database_id;
    if v_target.target_id = 0 then
        return;
    end if;
    update monitoring.targets as target
    set system_identifier = (p_facts ->> 'system_identifier')::bigint,
        timeline = greatest(target.timeline, (p_facts ->> 'timeline')::integer),
        server_version_num = (p_facts ->> 'server_version_num')::integer,
        is_in_recovery = (p_facts ->> 'in_recovery')::boolean,
        clock_offset_seconds = (p_facts ->> 'clock')::double precision - extract(epoch from p_now),
        facts = p_facts - array['databases', 'extensions', 'clock', 'datname'],
        last_seen_at = p_now
    where target.target_id = v_target.target_id;
    if v_place.is_main then
        perform monitoring_internal.sync_target_databases_at(
            v_target.target_id, p_facts -> 'databases', coalesce(v_target.database_include, ''),
            v_target.database_exclude, p_now);
        perform monitoring_internal.ingest_samples_at(
            array['pgvigil_target_clock_offset_seconds'], array[jsonb_build_object('server', v_target.name)],
            array[(p_facts ->> 'clock')::double precision - extract(epoch from p_now)::double precision], array[p_now],
            v_target.tenant_id, p_now);
    end if;
end;
$$;

comment on function monitoring_internal.report_target_facts_at(integer, bigint, jsonb, timestamptz) is
    'report_target_facts as of a time.';

-- Take what a target said of itself, now.
create or replace function monitoring_internal.report_target_facts(
    p_target_database_id integer, p_fence bigint, p_facts jsonb)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.report_target_facts_at(p_target_database_id, p_fence, p_facts, clock_timestamp());
$$;

comment on function monitoring_internal.report_target_facts(integer, bigint, jsonb) is
    'Takes the answer to target_facts_query(): pins or checks the cluster, notes a failover, finds databases. '
    'Raises PV604 for another cluster, PV605 for a version that is too old.';
