-- collect/target_end.sql: stop monitoring a server, or take another cluster for it.
-- Owns remove_target(_at), accept_target(_at), target_seal_context. Writes targets, target_events, collector_gaps.
-- Concurrency: a run that goes on loses its claim with the target's row.

-- Stop monitoring a server, as of a time. What was collected stays until its retention ends.
-- Raises: PV607.
create or replace function monitoring_internal.remove_target_at(p_name text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target_id constant integer := monitoring_internal.require_target(p_name);
begin
    perform monitoring_internal.note_target_event_at(v_target_id, 'removed', null, null, p_now);
    update monitoring.collector_gaps as gap
    set ended_at = p_now
    from monitoring.target_databases as place
    where place.target_id = v_target_id and gap.target_database_id = place.target_database_id
        and gap.ended_at is null;
    delete from monitoring.targets as target where target.target_id = v_target_id;
end;
$$;

comment on function monitoring_internal.remove_target_at(text, timestamptz) is 'remove_target as of a time.';

-- Stop monitoring a server.
create or replace function monitoring.remove_target(name text)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.remove_target_at(remove_target.name, clock_timestamp());
$$;

comment on function monitoring.remove_target(text) is
    'Stops monitoring a server and forgets its secret; what was collected stays. For monitoring_admin.';

-- Take whatever cluster answers next for the target, as of a time.
-- Raises: PV607.
create or replace function monitoring_internal.accept_target_at(p_name text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target_id constant integer := monitoring_internal.require_target(p_name);
begin
    perform monitoring_internal.note_target_event_at(v_target_id, 'accepted', null,
        jsonb_build_object('system_identifier', target.system_identifier::text), p_now)
    from monitoring.targets as target
    where target.target_id = v_target_id;
    update monitoring.targets as target
    set system_identifier = null, timeline = null, next_try_at = '-infinity'
    where target.target_id = v_target_id;
    update monitoring.target_databases as place
    set facts_at = null
    where place.target_id = v_target_id;
end;
$$;

comment on function monitoring_internal.accept_target_at(text, timestamptz) is 'accept_target as of a time.';

-- Take whatever cluster answers next for the target: it was restored, or built anew.
create or replace function monitoring.accept_target(name text)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.accept_target_at(accept_target.name, clock_timestamp());
$$;

comment on function monitoring.accept_target(text) is
    'Lets a target be another cluster than before: the next one that answers is pinned. For monitoring_admin.';

-- What a secret for a target with such a connection is sealed for.
-- Raises: PV601, PV602.
create or replace function monitoring.target_seal_context(name text, conninfo text)
returns text
language sql immutable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.seal_context(target_seal_context.name, target_seal_context.conninfo);
$$;

comment on function monitoring.target_seal_context(text, text) is
    'What a secret is sealed for: name and the parts of the connection that decide where it goes. '
    'For monitoring_admin.';
