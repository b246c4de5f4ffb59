-- collect/database_metrics.sql: run the due collectors from psql.
-- Owns collect_database_metrics, collect_database_metrics_at. Writes through run_collection.
-- Concurrency: shares the claims with every service and every other caller.

-- Run the collectors that are due at p_now in turn, each in a subtransaction, under the caller's own time limit.
-- A cancellation stops them: what was measured until then stays, the rest is logged as skipped.
create or replace function monitoring_internal.collect_database_metrics_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_claim record;
    v_run monitoring.collector_runs;
    v_samples bigint := 0;
    v_stopped_by text;
begin
    -- A loop: each collector is isolated from the others' errors.
    loop
        select claimed.* into v_claim
        from monitoring_internal.claim_collections_at(null, 1, null, p_now) as claimed;
        exit when v_claim.collector_id is null;
        if v_stopped_by is not null then
            perform monitoring_internal.finish_collection(
                v_claim.collector_id, v_claim.fence, 'skipped', format('not run: %s', v_stopped_by), null);
            continue;
        end if;
        begin
            v_run := monitoring_internal.run_collection(v_claim.collector_id, v_claim.fence);
            v_samples := v_samples + v_run.samples;
        exception
            when query_canceled then
                v_stopped_by := sqlerrm;
                perform monitoring_internal.finish_collection(
                    v_claim.collector_id, v_claim.fence, 'skipped', format('cut off: %s', v_stopped_by), sqlstate);
            -- Any error ends this collector alone.
            when others then
                perform monitoring_internal.finish_collection(
                    v_claim.collector_id, v_claim.fence, null, sqlerrm, sqlstate);
        end;
    end loop;
    if v_stopped_by is not null then
        raise warning using
            message = format('collection stopped: %s', v_stopped_by),
            hint = 'What was collected until then is kept; monitoring.collector_status shows what was skipped.';
    end if;
    return v_samples;
end;
$$;

comment on function monitoring_internal.collect_database_metrics_at(timestamptz) is
    'Runs every collector that is due at the time given and returns how many samples were stored.';

-- The same for what is due now.
create or replace function monitoring.collect_database_metrics()
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.collect_database_metrics_at(clock_timestamp());
$$;

comment on function monitoring.collect_database_metrics() is
    'Runs every due collector of this database and returns how many samples were stored. '
    'For monitoring_admin and monitoring_service.';
