-- store/points.sql: samples of clients that know their series.
-- Owns register_series, point_faults_at, ingest_points_at, ingest_points. Writes metric_families, series, the store.
-- Concurrency: any number of callers, as with ingest_samples.

-- The series of metrics and labels, made where new, in their order; null where a name or label has a fault or the
-- metric is full. They never change: ask once.
-- Raises: PV002, PV201.
create or replace function monitoring.register_series(
    metric text[], labels jsonb[], tenant_id uuid default null)
returns integer[]
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_size constant integer := cardinality(register_series.metric);
    v_tenant_id constant uuid := coalesce(register_series.tenant_id, monitoring.system_tenant_id());
begin
    perform monitoring_internal.check_batch(register_series.metric, register_series.labels,
        array_fill(0::double precision, array[v_size]), array_fill(timestamptz '-infinity', array[v_size]));
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    return (
        select resolved.series_ids
        from monitoring_internal.resolve_series(v_tenant_id, register_series.metric, register_series.labels,
            array_fill(null::text, array[v_size])) as resolved);
end;
$$;

comment on function monitoring.register_series(text[], jsonb[], uuid) is
    'Series ids of metrics and labels, made where new, for ingest_points(); null where one is refused. They never '
    'change.';

-- Why each of a batch of samples of known series is refused; null when none is, which one look at all of them tells.
create or replace function monitoring_internal.point_faults_at(
    p_tenant_id uuid, p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_now timestamptz)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_earliest constant timestamptz := monitoring_internal.earliest_sample_at(p_now);
    v_latest constant timestamptz := p_now + monitoring_internal.setting_interval('store.max_future');
    v_faults text[];
begin
    -- Arrays are looked at as they are, which takes a fifth of the time that rows made of them would. NaN is above all;
    -- a null makes the whole null. Where a series is there twice, the exact look below has to tell.
    if v_earliest <= all (p_sampled_at) and v_latest >= all (p_sampled_at)
        and double precision '-Infinity' < all (p_value) and double precision 'Infinity' > all (p_value)
        and cardinality(p_series) = (
            select count(*) from monitoring.series as series
            where series.series_id = any (p_series) and series.tenant_id = p_tenant_id)
    then
        return null;
    end if;
    v_faults := array(
        select coalesce(
            monitoring_internal.sample_fault(sample.value, sample.sampled_at, v_earliest, v_latest),
            case when series.series_id is null then 'unknown_series' end)
        from unnest(p_series, p_sampled_at, p_value)
            with ordinality as sample (series_id, sampled_at, value, ordinal)
        left join monitoring.series as series
            on series.series_id = sample.series_id and series.tenant_id = p_tenant_id
        order by sample.ordinal);
    return case when exists (
        select from unnest(v_faults) as item (fault) where item.fault is not null) then v_faults end;
end;
$$;

comment on function monitoring_internal.point_faults_at(
    uuid, integer[], timestamptz[], double precision[], timestamptz) is
    'The fault of each sample of a batch of known series at a time; null when there is none at all.';

-- The deciding form of ingest_points: ingest_samples_at without the look for series by their labels.
-- Raises: PV002, PV201.
create or replace function monitoring_internal.ingest_points_at(
    p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_tenant_id uuid, p_batch_id uuid,
    p_now timestamptz)
returns monitoring.ingest_result
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_size constant bigint := cardinality(p_series);
    v_tenant_id constant uuid := coalesce(p_tenant_id, monitoring.system_tenant_id());
    v_raw_from timestamptz;
    v_faults text[];
    v_result monitoring.ingest_result := (0, 0, 0);
begin
    if (v_size = cardinality(p_sampled_at) and v_size = cardinality(p_value) and coalesce(greatest(
            array_ndims(p_series), array_ndims(p_sampled_at), array_ndims(p_value)), 1) = 1) is not true
    then
        raise exception using
            errcode = 'PV201',
            message = 'the arrays of a batch differ in length',
            detail = format('Series: %s, times: %s, values: %s.', coalesce(v_size::text, 'null'),
                coalesce(cardinality(p_sampled_at)::text, 'null'), coalesce(cardinality(p_value)::text, 'null')),
            hint = 'Give three arrays of one dimension with one element for each sample.';
    end if;
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    if v_size = 0 then
        return v_result;
    elsif not monitoring_internal.claim_batch_at(v_tenant_id, p_batch_id, v_size, p_now) then
        v_result.duplicate := v_size;
        return v_result;
    end if;
    -- Held before any mark is looked at, as in ingest_samples_at.
    perform pg_advisory_xact_lock_shared(monitoring_internal.ingest_lock_key());
    v_raw_from := monitoring_internal.current_raw_from();
    v_faults := monitoring_internal.point_faults_at(v_tenant_id, p_series, p_sampled_at, p_value, p_now);
    v_result.accepted := monitoring_internal.store_batch(p_series, p_sampled_at, p_value, v_faults, v_raw_from);
    if v_faults is not null then
        v_result.rejected := monitoring_internal.reject_samples_at(
            v_tenant_id, array_fill(null::text, array[v_size::integer]),
            array(select jsonb_build_object('series_id', item.id)
                from unnest(p_series) with ordinality as item (id, place) order by item.place),
            p_value, p_sampled_at, v_faults, p_now);
    end if;
    v_result.duplicate := v_size - v_result.accepted - v_result.rejected;
    return v_result;
end;
$$;

comment on function monitoring_internal.ingest_points_at(
    integer[], timestamptz[], double precision[], uuid, uuid, timestamptz) is 'ingest_points as of a time, for tests.';

-- Store a batch of samples of known series; of one that is not the tenant's a sample is refused as unknown_series.
-- Raises: PV002, PV201.
create or replace function monitoring.ingest_points(
    series_id integer[], sampled_at timestamptz[], value double precision[], tenant_id uuid default null,
    batch_id uuid default null)
returns monitoring.ingest_result
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select result.*
    from monitoring_internal.ingest_points_at(
        ingest_points.series_id, ingest_points.sampled_at, ingest_points.value, ingest_points.tenant_id,
        ingest_points.batch_id, clock_timestamp()) as result;
$$;

comment on function monitoring.ingest_points(integer[], timestamptz[], double precision[], uuid, uuid) is
    'ingest_samples for those who know their series, by register_series(): the same counts, faults and care, without '
    'the look for series by labels.';
