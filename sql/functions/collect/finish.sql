-- collect/finish.sql: the end of a run: its log, the collector's state and breaker, and the gaps it left or closed.
-- Owns note_collector_gaps_at, measure_collection_at, record_collection_at, release_collection, finish_collection(_at).
-- Writes collector_runs, collector_states, collector_gaps. One lease a collector.

-- Bring the open gaps of a collector in line with what its newest run could not measure.
-- Units: p_gaps is an array of {"labels": …, "reason": …}, [] when all was measured.
create or replace function monitoring_internal.note_collector_gaps_at(
    p_collector_id integer, p_status text, p_sqlstate text, p_gaps jsonb, p_now timestamptz,
    p_target_database_id integer default 0)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    with present as materialized (
        select distinct on (gap.labels) gap.labels, gap.reason
        from jsonb_to_recordset(p_gaps) as gap (labels jsonb, reason text)
    ), continued as (
        update monitoring.collector_gaps as gap
        set missed = gap.missed + 1
        from present
        where gap.collector_id = p_collector_id and gap.target_database_id = p_target_database_id
            and gap.ended_at is null and gap.labels = present.labels and gap.status = p_status
            and gap.reason = present.reason
        returning gap.labels
    ), closed as (
        update monitoring.collector_gaps as gap
        set ended_at = p_now
        where gap.collector_id = p_collector_id and gap.target_database_id = p_target_database_id
            and gap.ended_at is null
            and not exists (
                select 1
                from present
                where present.labels = gap.labels and present.reason = gap.reason and p_status = gap.status)
    )
    insert into monitoring.collector_gaps
        (collector_id, target_database_id, labels, started_at, status, reason, sqlstate)
    select p_collector_id, p_target_database_id, present.labels, p_now, p_status, present.reason, p_sqlstate
    from present
    where not exists (select 1 from continued where continued.labels = present.labels);
end;
$$;

comment on function monitoring_internal.note_collector_gaps_at(integer, text, text, jsonb, timestamptz, integer) is
    'Opens, continues and closes the gaps of a collector by what its newest run could not measure.';

-- What a run says of itself, under postgres_exporter's names.
create or replace function monitoring_internal.measure_collection_at(
    p_name text, p_status text, p_seconds double precision, p_now timestamptz, p_labels jsonb default '{}',
    p_tenant_id uuid default null)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring.ingest_samples(
        array['pg_scrape_collector_duration_seconds', 'pg_scrape_collector_success'],
        array_fill(jsonb_build_object('collector', p_name) || p_labels, array[2]),
        array[p_seconds, (p_status = 'ok')::integer::double precision],
        array_fill(p_now, array[2]), p_tenant_id);
end;
$$;

comment on function monitoring_internal.measure_collection_at(
    text, text, double precision, timestamptz, jsonb, uuid) is
    'Stores how long a run took and whether it went well.';

-- Write the end of a run and say when the collector is due next.
-- Raises: PV403 when the claim is no longer held, so that what the run stored goes with it.
create or replace function monitoring_internal.record_collection_at(
    p_collector_id integer, p_fence bigint, p_started_at timestamptz,
    p_outcome monitoring_internal.collection_outcome, p_now timestamptz, p_target_database_id integer default 0)
returns monitoring.collector_runs
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_run monitoring.collector_runs;
    v_collector monitoring.collectors;
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    select collector.* into v_collector
    from monitoring.collectors as collector
    where collector.collector_id = p_collector_id;
    insert into monitoring.collector_runs as run
        (collector_id, started_at, finished_at, duration_seconds, status, reason, remedy, sqlstate, rows_read,
        samples, rejected, folded, excluded, gaps, instance_id, target_database_id)
    select
        p_collector_id, p_started_at, p_now, extract(epoch from p_now - p_started_at), p_outcome.status,
        left(p_outcome.reason, 1000), p_outcome.remedy, p_outcome.sqlstate, p_outcome.rows_read, p_outcome.samples,
        p_outcome.rejected, p_outcome.folded, p_outcome.excluded, jsonb_array_length(p_outcome.gaps),
        state.lease_instance_id, p_target_database_id
    from monitoring.collector_states as state
    where state.collector_id = p_collector_id and state.target_database_id = p_target_database_id
    returning run.* into v_run;

    perform monitoring_internal.note_collector_gaps_at(
        p_collector_id, v_run.status, v_run.sqlstate,
        case when v_run.status = 'ok' then p_outcome.gaps
            else jsonb_build_array(jsonb_build_object('labels', '{}'::jsonb, 'reason', v_run.reason)) end,
        p_started_at, p_target_database_id);
    perform monitoring_internal.release_collection(v_run, v_collector, p_fence);
    if p_target_database_id = 0 then
        perform monitoring_internal.measure_collection_at(
            v_collector.name, v_run.status, v_run.duration_seconds, p_started_at);
    else
        perform monitoring_internal.measure_target_collection(v_run, v_collector.name, v_collector.scope);
    end if;
    return v_run;
end;
$$;

comment on function monitoring_internal.record_collection_at(
    integer, bigint, timestamptz, monitoring_internal.collection_outcome, timestamptz, integer) is
    'Logs a run, notes its gaps, ends its lease and sets when the collector is due next.';

-- End the lease and say when the collector is due next; failures in a row open the breaker, a good run closes it.
-- Raises: PV403.
create or replace function monitoring_internal.release_collection(
    p_run monitoring.collector_runs, p_collector monitoring.collectors, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.collector_states as state
    set next_due_at = monitoring_internal.next_collection_at(
            case when p_run.target_database_id = 0 then p_collector.name
                else format('%s@%s', p_collector.name, p_run.target_database_id) end,
            coalesce(p_collector.custom_every, p_collector.every), failures.number, p_run.finished_at),
        claimed_at = null,
        lease_expires_at = null,
        lease_instance_id = null,
        consecutive_failures = failures.number,
        is_breaker_open = failures.number >= monitoring_internal.setting_integer('collect.breaker_failures'),
        last_ok_at = case when p_run.status = 'ok' then p_run.started_at else state.last_ok_at end
    from (
        select case
            when p_run.status in ('failed', 'timed_out') then before.consecutive_failures + 1
            when p_run.status = 'ok' then 0
            else before.consecutive_failures
        end as number
        from monitoring.collector_states as before
        where before.collector_id = p_run.collector_id and before.target_database_id = p_run.target_database_id
    ) as failures
    where state.collector_id = p_run.collector_id and state.target_database_id = p_run.target_database_id
        and state.fence = p_fence;
    if not found then
        perform monitoring_internal.require_collection_lease(
            p_run.collector_id, p_fence, p_run.target_database_id);
    end if;
end;
$$;

comment on function monitoring_internal.release_collection(monitoring.collector_runs, monitoring.collectors, bigint) is
    'Ends a collector''s lease, sets when it is due next and opens or closes its breaker.';

-- Report a run that did not get to its own end; without a status the SQLSTATE names it.
-- Raises: PV403.
create or replace function monitoring_internal.finish_collection_at(
    p_collector_id integer, p_fence bigint, p_status text, p_reason text, p_sqlstate text, p_now timestamptz,
    p_target_database_id integer default 0)
returns monitoring.collector_runs
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_outcome monitoring_internal.collection_outcome :=
        monitoring_internal.collection_outcome_of_error(p_sqlstate, p_reason);
    v_started_at constant timestamptz := (
        select state.claimed_at
        from monitoring.collector_states as state
        where state.collector_id = p_collector_id and state.target_database_id = p_target_database_id
            and state.fence = p_fence);
begin
    perform monitoring_internal.require_collection_lease(p_collector_id, p_fence, p_target_database_id);
    if p_target_database_id <> 0 then
        perform monitoring_internal.doubt_target_statements(p_collector_id, p_target_database_id, p_sqlstate);
        v_outcome.remedy := monitoring_internal.target_remedy(p_target_database_id, p_sqlstate);
    end if;
    v_outcome.status := coalesce(p_status, v_outcome.status);
    v_outcome.reason := coalesce(p_reason, 'no reason was given');
    return monitoring_internal.record_collection_at(
        p_collector_id, p_fence, v_started_at, v_outcome, p_now, p_target_database_id);
end;
$$;

comment on function monitoring_internal.finish_collection_at(
    integer, bigint, text, text, text, timestamptz, integer) is
    'Logs a claimed run that ended in an error or was not run, at the time given.';

-- The same now.
create or replace function monitoring_internal.finish_collection(
    p_collector_id integer, p_fence bigint, p_status text, p_reason text, p_sqlstate text,
    p_target_database_id integer default 0)
returns monitoring.collector_runs
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select finished.*
    from monitoring_internal.finish_collection_at(
        p_collector_id, p_fence, p_status, p_reason, p_sqlstate, clock_timestamp(), p_target_database_id) as finished;
$$;

comment on function monitoring_internal.finish_collection(integer, bigint, text, text, text, integer) is
    'Reports a claimed run whose statement was aborted: a time limit, a lost connection, a shutdown.';
