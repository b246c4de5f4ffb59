-- archive/restore.sql: a day comes back into the store, and stays for a while though it is past its retention.
-- Owns begin_restore_at, begin_restore, restored_series, restore_series, restore_details, finish_restore_at,
-- finish_restore.
-- Writes archives, retention_states, metric_families, series, samples, late_samples, late_ranges, sample_details.
-- Concurrency: a day is restored under the fence of its claim; samples that are there already are left alone.

-- Open a restoration: from here on the day is kept, so that nothing that comes back is deleted at once.
-- Raises: PV240.
create or replace function monitoring_internal.begin_restore_at(
    p_archive_id bigint, p_fence bigint, p_keep interval, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive constant monitoring.archives := monitoring_internal.held_archive(p_archive_id, p_fence);
begin
    -- Who deletes or drops at this moment ends first; whoever does so later sees that the day is kept.
    perform pg_advisory_xact_lock(monitoring_internal.cleanup_lock_key());
    perform monitoring_internal.lock_partition_maintenance();
    update monitoring.archives as archive
    set restored_until = p_now + coalesce(p_keep, monitoring_internal.setting_interval('archive.restore_hold'))
    where archive.archive_id = p_archive_id;
    -- What was cleaned up is there again, and is to be cleaned up again afterwards.
    update monitoring.retention_states as state
    set deleted_until = least(state.deleted_until, v_archive.day::timestamp at time zone 'UTC')
    where state.retention_class = v_archive.retention_class;
end;
$$;

comment on function monitoring_internal.begin_restore_at(bigint, bigint, interval, timestamptz) is
    'begin_restore as of a time.';

-- The same now.
create or replace function monitoring_internal.begin_restore(p_archive_id bigint, p_fence bigint, p_keep interval)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.begin_restore_at(p_archive_id, p_fence, p_keep, clock_timestamp());
$$;

comment on function monitoring_internal.begin_restore(bigint, bigint, interval) is
    'Opens the restoration of a day, which is then kept for so long (null: setting archive.restore_hold).';

-- The series that a line of a file belongs to, made anew if need be.
-- Raises: PV244 when its tenant is gone, or the bounds on series leave no room.
create or replace function monitoring_internal.restored_series(
    p_class text, p_tenant_id uuid, p_tenant text, p_metric text, p_kind text, p_labels jsonb)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id uuid;
    v_series_id integer;
begin
    select tenant.tenant_id into v_tenant_id
    from monitoring.tenants as tenant
    where tenant.tenant_id = p_tenant_id or tenant.name = p_tenant
    order by tenant.tenant_id = p_tenant_id desc
    limit 1;
    if not exists (select 1 from monitoring.metric_families as family where family.name = p_metric) then
        perform monitoring_internal.register_families(jsonb_build_array(jsonb_build_object(
            'name', p_metric, 'kind', p_kind, 'retention_class', p_class)));
    end if;
    v_series_id := (monitoring_internal.find_series(v_tenant_id, array[p_metric], array[p_labels]))[1];
    if v_series_id is null and v_tenant_id is not null then
        perform monitoring_internal.make_series(v_tenant_id, array[p_metric], array[p_labels]);
        v_series_id := (monitoring_internal.find_series(v_tenant_id, array[p_metric], array[p_labels]))[1];
    end if;
    if v_series_id is null then
        raise exception using
            errcode = 'PV244',
            message = format('series %s%s of tenant %s cannot be restored', p_metric, p_labels, p_tenant),
            hint = case when v_tenant_id is null then 'Make the tenant: monitoring.create_tenant(name).'
                else 'Raise setting store.max_series_per_metric.' end;
    end if;
    return v_series_id;
end;
$$;

comment on function monitoring_internal.restored_series(text, uuid, text, text, text, jsonb) is
    'The series that restored samples belong to; made anew if need be, PV244 when it cannot be.';

-- Store what a line of a file holds, as late samples of a packed day; what is there already is left alone, so that an
-- interrupted restoration may begin anew. Returns how many were not there.
-- Raises: PV240, PV244.
create or replace function monitoring_internal.restore_series(
    p_archive_id bigint, p_fence bigint, p_tenant_id uuid, p_tenant text, p_metric text, p_kind text, p_labels jsonb,
    p_offsets bigint[], p_values double precision[])
returns bigint
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive constant monitoring.archives := monitoring_internal.held_archive(p_archive_id, p_fence);
    v_start constant timestamptz := v_archive.day::timestamp at time zone 'UTC';
    v_series_id integer;
    v_closed_until timestamptz;
    v_times timestamptz[];
    v_stored bigint;
begin
    v_series_id := monitoring_internal.restored_series(
        v_archive.retention_class, p_tenant_id, p_tenant, p_metric, p_kind, p_labels);
    v_times := array(
        select v_start + sum(step.delta) over (order by step.ordinal)::double precision * interval '1 microsecond'
        from unnest(p_offsets) with ordinality as step (delta, ordinal)
        order by step.ordinal);
    -- As every ingest does, before it looks at any mark.
    perform pg_advisory_xact_lock_shared(monitoring_internal.ingest_lock_key());
    select state.closed_until into v_closed_until from monitoring_internal.packing_state as state;
    v_stored := monitoring_internal.store_late_samples(
        array_fill(v_series_id, array[cardinality(v_times)]), v_times, p_values, v_closed_until);
    v_stored := v_stored + monitoring_internal.store_raw_samples(
        array_fill(v_series_id, array[cardinality(v_times)]), v_times, p_values, null, v_closed_until);
    if v_stored > 0 then
        perform monitoring_internal.note_late_samples(
            array_fill(v_series_id, array[cardinality(v_times)]), v_times);
    end if;
    return v_stored;
end;
$$;

comment on function monitoring_internal.restore_series(
    bigint, bigint, uuid, text, text, text, jsonb, bigint[], double precision[]) is
    'Stores the samples of one series of a day from a file; returns how many were not there.';

-- Store what lines of a file say beside the samples of a series; what is there already is left alone. Returns how many
-- were not there.
-- Raises: PV240, PV244.
create or replace function monitoring_internal.restore_details(
    p_archive_id bigint, p_fence bigint, p_tenant_id uuid, p_tenant text, p_metric text, p_kind text, p_labels jsonb,
    p_details jsonb[])
returns bigint
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive constant monitoring.archives := monitoring_internal.held_archive(p_archive_id, p_fence);
    v_series_id integer;
    v_stored bigint;
begin
    v_series_id := monitoring_internal.restored_series(
        v_archive.retention_class, p_tenant_id, p_tenant, p_metric, p_kind, p_labels);
    insert into monitoring.sample_details (
        detail_id, series_id, sampled_at, tenant_id, content_id, content_value, tags, details)
    select (line.said ->> 'id')::uuid, v_series_id,
        v_archive.day::timestamp at time zone 'UTC' + (line.said ->> 'at')::bigint * interval '1 microsecond',
        series.tenant_id, line.said ->> 'content_id', (line.said ->> 'content_value')::double precision,
        nullif(line.said -> 'tags', 'null'), line.said -> 'details'
    from unnest(p_details) as line (said)
    inner join monitoring.series as series on series.series_id = v_series_id
    on conflict do nothing;
    get diagnostics v_stored = row_count;
    return v_stored;
end;
$$;

comment on function monitoring_internal.restore_details(
    bigint, bigint, uuid, text, text, text, jsonb, jsonb[]) is
    'Stores what a file says beside the samples of one series of a day; returns how many rows were not there.';

-- End a restoration: the store must have as many samples of the day as the file, and as much said beside them.
-- Raises: PV240, PV242.
create or replace function monitoring_internal.finish_restore_at(
    p_archive_id bigint, p_fence bigint, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive constant monitoring.archives := monitoring_internal.held_archive(p_archive_id, p_fence);
    v_stored constant bigint := monitoring_internal.count_class_day(v_archive.retention_class, v_archive.day);
    v_details constant bigint := monitoring_internal.count_class_day_details(
        v_archive.retention_class, v_archive.day);
begin
    if v_stored <> v_archive.row_count or v_details <> v_archive.detail_count then
        raise exception using
            errcode = 'PV242',
            message = format(
                'class %s has %s samples and %s details of day %s, its file %s and %s', v_archive.retention_class,
                v_stored, v_details, v_archive.day, v_archive.row_count, v_archive.detail_count),
            hint = 'Metrics that are of another class by now are restored, and counted there.';
    end if;
    update monitoring.archives as archive
    set restored_at = p_now, dropped_at = null, error = null, lease_instance_id = null, lease_expires_at = null,
        state = case when archive.state = 'damaged' then 'verified' else archive.state end, verified_at = p_now
    where archive.archive_id = p_archive_id;
end;
$$;

comment on function monitoring_internal.finish_restore_at(bigint, bigint, timestamptz) is
    'finish_restore as of a time.';

-- The same now.
create or replace function monitoring_internal.finish_restore(p_archive_id bigint, p_fence bigint)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.finish_restore_at(p_archive_id, p_fence, clock_timestamp());
$$;

comment on function monitoring_internal.finish_restore(bigint, bigint) is
    'Ends the restoration of a day; PV242 unless the store has as many samples of it as the file.';
