-- store/staging.sql: batches that came by COPY.
-- Owns ingest_staged_at, ingest_staged, discard_staged_at, discard_staged. Writes staged_samples and, through
-- ingest_samples_at, the store. Concurrency: a batch is taken once; a second taker waits and finds nothing.

-- The deciding form.
create or replace function monitoring_internal.ingest_staged_at(p_batch_id uuid, p_now timestamptz)
returns monitoring.ingest_result
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Of rows that name their series by its id: they are a batch of their own beside those with labels.
    v_known_id constant uuid := md5(p_batch_id::text || ' known')::uuid;
    v_batch record;
    v_part monitoring.ingest_result;
    v_result monitoring.ingest_result := (0, 0, 0);
begin
    -- A loop over tenants and the two ways to name series: a batch seldom has more than one of either.
    for v_batch in
        with taken as (
            delete from monitoring_internal.staged_samples as staged
            where staged.batch_id = p_batch_id
            returning staged.*
        )
        select
            coalesce(taken.tenant_id, monitoring.system_tenant_id()) as tenant_id,
            array_agg(taken.metric) as metric,
            array_agg(taken.labels) as labels,
            array_agg(taken.value) as value,
            array_agg(taken.sampled_at) as sampled_at,
            array_agg(taken.series_id) as series_ids,
            taken.series_id is not null as is_known
        from taken
        group by coalesce(taken.tenant_id, monitoring.system_tenant_id()), taken.series_id is not null
        order by 1, taken.series_id is not null
    loop
        if v_batch.is_known then
            v_part := monitoring_internal.ingest_points_at(
                v_batch.series_ids, v_batch.sampled_at, v_batch.value, v_batch.tenant_id, v_known_id, p_now);
        else
            v_part := monitoring_internal.ingest_samples_at(v_batch.metric, v_batch.labels, v_batch.value,
                v_batch.sampled_at, v_batch.tenant_id, p_now, p_batch_id);
        end if;
        v_result.accepted := v_result.accepted + v_part.accepted;
        v_result.duplicate := v_result.duplicate + v_part.duplicate;
        v_result.rejected := v_result.rejected + v_part.rejected;
    end loop;
    return v_result;
end;
$$;

comment on function monitoring_internal.ingest_staged_at(uuid, timestamptz) is 'ingest_staged as of a time, for tests.';

-- Take in a batch that was copied into staged_samples, and empty its staging.
-- Raises: PV002 when one of its tenants is not visible to the caller; the batch then stays staged.
create or replace function monitoring_internal.ingest_staged(p_batch_id uuid)
returns monitoring.ingest_result
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select result.* from monitoring_internal.ingest_staged_at(p_batch_id, clock_timestamp()) as result;
$$;

comment on function monitoring_internal.ingest_staged(uuid) is
    'Ingests a batch that was copied into staged_samples. Its three counts add up to the rows copied, or the copy '
    'and this call were separate transactions with a crash between them, and the batch must be sent again.';

-- The deciding form.
create or replace function monitoring_internal.discard_staged_at(p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with discarded as (
        delete from monitoring_internal.staged_samples as staged
        where staged.staged_at < p_now - interval '1 hour'
        returning 1
    ),
    counted as (
        insert into monitoring.rejected_sample_totals as total
            (tenant_id, reason, rejected_total, last_rejected_at)
        select monitoring.system_tenant_id(), 'abandoned', count(*), p_now
        from discarded
        having count(*) > 0
        on conflict (tenant_id, reason) do update
        set rejected_total = total.rejected_total + excluded.rejected_total,
            last_rejected_at = greatest(total.last_rejected_at, excluded.last_rejected_at)
    )
    select count(*) from discarded;
$$;

comment on function monitoring_internal.discard_staged_at(timestamptz) is 'discard_staged as of a time, for tests.';

-- Remove what was staged more than an hour ago by clients that never asked to ingest it; returns how many rows.
-- They were told nothing was stored, so they send it again; it is counted as abandoned, and for the system: until a
-- batch is ingested nobody has checked whose name is on it.
create or replace function monitoring.discard_staged()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.discard_staged_at(clock_timestamp());
$$;

comment on function monitoring.discard_staged() is
    'Removes staged batches that nobody asked to ingest within an hour, counting them as abandoned.';
