-- collect/target_failure.sql: what becomes of a target that cannot be reached.
-- Owns fail_target_at, report_target_failure(_at). Writes targets, target_events, collector_runs, collector_states,
-- collector_gaps and samples of pg_up. One lease a collector and database.

-- Back off from a target, doubling up to targets.retry_limit, and store that it is down: pg_up stays on the page as 0.
create or replace function monitoring_internal.fail_target_at(
    p_target_id integer, p_sqlstate text, p_message text, p_now timestamptz)
returns timestamptz
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before monitoring.targets;
    v_next timestamptz;
    v_kind text;
begin
    select target.* into v_before
    from monitoring.targets as target
    where target.target_id = p_target_id
    for no key update;
    v_next := p_now + least(
        monitoring_internal.setting_interval('targets.retry_limit'),
        interval '1 second' * power(2, least(v_before.consecutive_failures, 20)));
    v_kind := case
        when p_sqlstate = 'PV604' and v_before.last_sqlstate is distinct from 'PV604' then 'refused'
        when v_before.consecutive_failures = 0 then 'unreachable'
    end;
    if v_kind is not null then
        perform monitoring_internal.note_target_event_at(
            p_target_id, v_kind, null, jsonb_build_object('sqlstate', p_sqlstate, 'reason', p_message), p_now);
    end if;
    update monitoring.targets as target
    set consecutive_failures = v_before.consecutive_failures + 1, last_error = p_message, last_sqlstate = p_sqlstate,
        last_failed_at = p_now, next_try_at = v_next
    where target.target_id = p_target_id;
    if p_target_id <> 0 then
        perform monitoring_internal.ingest_samples_at(
            array['pg_up'], array[jsonb_build_object('server', v_before.name)], array[0::double precision],
            array[p_now], v_before.tenant_id, p_now);
    end if;
    return v_next;
end;
$$;

comment on function monitoring_internal.fail_target_at(integer, text, text, timestamptz) is
    'Notes that a target cannot be reached, stores pg_up as 0 and returns when it is tried again.';

-- Report that a leased collector could not run because its target or database cannot be reached, as of a time.
-- One database that cannot be opened harms no other; the main one, or the server, stops all of the target.
-- Raises: PV403.
create or replace function monitoring_internal.report_target_failure_at(
    p_collector_id integer, p_target_database_id integer, p_fence bigint, p_sqlstate text, p_message text,
    p_now timestamptz)
returns monitoring.collector_runs
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_place record;
    v_message constant text := left(coalesce(nullif(p_message, ''), 'no reason was given'), 500);
    v_run monitoring.collector_runs;
    v_outcome monitoring_internal.collection_outcome;
    v_next timestamptz;
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    -- The target first, then the state, as a report of facts takes them, or each could wait for the other.
    perform 1
    from monitoring.targets as target
    inner join monitoring.target_databases as place using (target_id)
    where place.target_database_id = p_target_database_id
    for no key update of target;
    select place.datname, place.is_main, target.target_id, target.name, state.claimed_at,
        p_sqlstate in ('3D000', '42501', '55000') and not place.is_main as is_database_alone
    into v_place
    from monitoring.target_databases as place
    inner join monitoring.targets as target using (target_id)
    inner join monitoring.collector_states as state
        on state.target_database_id = place.target_database_id and state.collector_id = p_collector_id
    where place.target_database_id = p_target_database_id;
    v_outcome := row(
        case when p_sqlstate in ('3D000', '42501', '28P01', '28000', 'PV604', 'PV605', 'PV606') then 'unavailable'
            else 'skipped' end,
        case when v_place.is_database_alone then format('database %s cannot be opened: %s', v_place.datname, v_message)
            else format('target %s cannot be reached: %s', v_place.name, v_message) end,
        case when p_sqlstate = '42501'
            then format('grant connect on database %I to the role of the target;', v_place.datname)
            else monitoring_internal.target_remedy(p_target_database_id, p_sqlstate) end,
        p_sqlstate, 0, 0, 0, 0, 0, '[]'::jsonb)::monitoring_internal.collection_outcome;
    v_run := monitoring_internal.record_collection_at(
        p_collector_id, p_fence, v_place.claimed_at, v_outcome, p_now, p_target_database_id);
    if v_place.is_database_alone then
        -- It may have been dropped: the main database is asked which there are.
        update monitoring.target_databases as place
        set facts_at = null
        where place.target_id = v_place.target_id and place.is_main and not place.is_home;
        return v_run;
    end if;
    v_next := monitoring_internal.fail_target_at(v_place.target_id, p_sqlstate, v_message, p_now);
    -- Not at the end of a long interval, but when the target is tried again.
    update monitoring.collector_states as state
    set next_due_at = v_next
    where state.collector_id = p_collector_id and state.target_database_id = p_target_database_id;
    return v_run;
end;
$$;

comment on function monitoring_internal.report_target_failure_at(
    integer, integer, bigint, text, text, timestamptz) is
    'report_target_failure as of a time.';

-- Report that a leased collector could not run because its target or database cannot be reached.
create or replace function monitoring_internal.report_target_failure(
    p_collector_id integer, p_target_database_id integer, p_fence bigint, p_sqlstate text, p_message text)
returns monitoring.collector_runs
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select reported.*
    from monitoring_internal.report_target_failure_at(
        p_collector_id, p_target_database_id, p_fence, p_sqlstate, p_message, clock_timestamp()) as reported;
$$;

comment on function monitoring_internal.report_target_failure(integer, integer, bigint, text, text) is
    'Logs a run that found no connection, lost it, or met a cluster or secret that does not fit; the target is tried '
    'again later. For the service.';
