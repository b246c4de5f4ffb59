-- store/ingest.sql: take samples in, keep aside what is refused.
-- Owns resolve_series, reject_samples_at, check_batch, ingest_samples_at, ingest_samples, ingest_sample.
-- Writes metric_families, series, samples, late_ranges, rejected_samples, rejected_sample_totals.
-- Concurrency: any number of ingesters; rows are written in the order of their keys.

-- The series of each sample, made where new, and why a sample is refused; p_fault brings the faults known already,
-- which make no series. Labels are stored in canonical form, so a set that is found as sent needs no further look.
create or replace function monitoring_internal.resolve_series(
    p_tenant_id uuid, p_metric text[], p_labels jsonb[], p_fault text[], out series_ids integer[], out faults text[])
returns record
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_places bigint[];
    v_metric text[];
    v_labels jsonb[];
    v_faults text[];
    v_found integer[];
begin
    series_ids := monitoring_internal.find_series(p_tenant_id, p_metric, p_labels);
    faults := p_fault;
    if array_position(series_ids, null) is null then
        return;
    end if;
    select
        array_agg(sample.ordinal order by sample.ordinal),
        array_agg(sample.metric order by sample.ordinal),
        array_agg(sample.labels order by sample.ordinal),
        array_agg(sample.fault order by sample.ordinal)
    into v_places, v_metric, v_labels, v_faults
    from unnest(p_metric, p_labels, p_fault, series_ids)
        with ordinality as sample (metric, labels, fault, series_id, ordinal)
    where sample.series_id is null;
    select
        inspected.canonical,
        array(
            select coalesce(of_name, of_value)
            from unnest(inspected.fault, v_faults) with ordinality as fault (of_name, of_value, ordinal)
            order by fault.ordinal
        )
    into v_labels, v_faults
    from monitoring_internal.inspect_labels(v_metric, v_labels) as inspected;
    perform monitoring_internal.make_series(p_tenant_id, array_agg(sample.metric), array_agg(sample.labels))
    from unnest(v_metric, v_labels, v_faults) as sample (metric, labels, fault)
    where sample.fault is null
    having count(*) > 0;
    v_found := monitoring_internal.find_series(p_tenant_id, v_metric, v_labels);
    -- What still has no series has a fault, or its metric is unknown or full.
    select
        array_agg(coalesce(early.series_id, late.series_id) order by early.ordinal),
        array_agg(
            case
                when late.ordinal is null then early.fault
                when late.fault is not null or late.series_id is not null then late.fault
                when family.name is not null then 'too_many_series'
                when monitoring_internal.setting_boolean('store.auto_register') then 'too_many_metrics'
                else 'unknown_metric'
            end
            order by early.ordinal)
    into series_ids, faults
    from unnest(p_metric, p_fault, series_ids) with ordinality as early (metric, fault, series_id, ordinal)
    left join unnest(v_places, v_found, v_faults) as late (ordinal, series_id, fault)
        on late.ordinal = early.ordinal
    left join monitoring.metric_families as family on family.name = early.metric;
end;
$$;

comment on function monitoring_internal.resolve_series(uuid, text[], jsonb[], text[]) is
    'Series id of each sample, making new series for those without a fault, and the fault of each or null.';

-- Keep refused samples aside and count them. p_fault is null for those that were not refused.
create or replace function monitoring_internal.reject_samples_at(
    p_tenant_id uuid, p_metric text[], p_labels jsonb[], p_value double precision[], p_sampled_at timestamptz[],
    p_fault text[], p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rejected bigint;
begin
    insert into monitoring.rejected_samples (rejected_at, tenant_id, reason, metric, labels, value, sampled_at)
    select
        p_now,
        p_tenant_id,
        sample.fault,
        left(sample.metric, 200),
        case when octet_length(sample.labels::text) <= 8192 then sample.labels end,
        sample.value,
        sample.sampled_at
    from unnest(p_metric, p_labels, p_value, p_sampled_at, p_fault)
        as sample (metric, labels, value, sampled_at, fault)
    where sample.fault is not null;
    get diagnostics v_rejected = row_count;
    insert into monitoring.rejected_sample_totals as total (tenant_id, reason, rejected_total, last_rejected_at)
    select p_tenant_id, refused.fault, count(*), p_now
    from unnest(p_fault) as refused (fault)
    where refused.fault is not null
    group by refused.fault
    order by refused.fault
    on conflict (tenant_id, reason) do update
    set rejected_total = total.rejected_total + excluded.rejected_total,
        last_rejected_at = greatest(total.last_rejected_at, excluded.last_rejected_at);
    return v_rejected;
end;
$$;

comment on function monitoring_internal.reject_samples_at(
    uuid, text[], jsonb[], double precision[], timestamptz[], text[], timestamptz) is
    'Stores the samples that have a fault in rejected_samples and counts them; returns how many.';

-- Stop a call whose arrays do not fit each other.
-- Raises: PV201.
create or replace function monitoring_internal.check_batch(
    p_metric text[], p_labels jsonb[], p_value double precision[], p_sampled_at timestamptz[])
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if cardinality(p_metric) = all (
            array[cardinality(p_labels), cardinality(p_value), cardinality(p_sampled_at)])
        and coalesce(greatest(
            array_ndims(p_metric), array_ndims(p_labels), array_ndims(p_value), array_ndims(p_sampled_at)), 1) = 1
    then
        return;
    end if;
    raise exception using
        errcode = 'PV201',
        message = 'the arrays of a batch differ in length',
        detail = format(
            'Metrics: %s, labels: %s, values: %s, times: %s.',
            coalesce(cardinality(p_metric)::text, 'null'), coalesce(cardinality(p_labels)::text, 'null'),
            coalesce(cardinality(p_value)::text, 'null'), coalesce(cardinality(p_sampled_at)::text, 'null')),
        hint = 'Give four arrays of one dimension with one element for each sample.';
end;
$$;

comment on function monitoring_internal.check_batch(text[], jsonb[], double precision[], timestamptz[]) is
    'Raises PV201 unless the four arrays of a batch have one dimension and one length.';

-- The deciding form of ingest_samples.
-- Of samples with the same series and time the first is kept, stored ones before all: a replay changes nothing. In
-- append mode it is the reads that keep to the first; there a batch is known again by its id alone.
-- Raises: PV002 tenant not visible, PV201 arrays that do not fit each other.
create or replace function monitoring_internal.ingest_samples_at(
    p_metric text[], p_labels jsonb[], p_value double precision[], p_sampled_at timestamptz[], p_tenant_id uuid,
    p_now timestamptz, p_batch_id uuid default null)
returns monitoring.ingest_result
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_size constant bigint := cardinality(p_metric);
    v_tenant_id constant uuid := coalesce(p_tenant_id, monitoring.system_tenant_id());
    v_resolved record;
    v_raw_from timestamptz;
    v_result monitoring.ingest_result := (0, 0, 0);
begin
    perform monitoring_internal.check_batch(p_metric, p_labels, p_value, p_sampled_at);
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    if v_size = 0 then
        return v_result;
    elsif not monitoring_internal.claim_batch_at(v_tenant_id, p_batch_id, v_size, p_now) then
        v_result.duplicate := v_size;
        return v_result;
    end if;
    -- Held before any mark is looked at: who moves one can tell when nobody is left that saw the old one.
    perform pg_advisory_xact_lock_shared(monitoring_internal.ingest_lock_key());
    v_raw_from := monitoring_internal.current_raw_from();
    v_resolved := monitoring_internal.resolve_series(
        v_tenant_id, p_metric, p_labels, monitoring_internal.value_faults_at(p_value, p_sampled_at, p_now));
    v_result.accepted := monitoring_internal.store_batch(
        v_resolved.series_ids, p_sampled_at, p_value, v_resolved.faults, v_raw_from);
    if v_result.accepted < v_size then
        v_result.rejected := monitoring_internal.reject_samples_at(
            v_tenant_id, p_metric, p_labels, p_value, p_sampled_at, v_resolved.faults, p_now);
        v_result.duplicate := v_size - v_result.accepted - v_result.rejected;
    end if;
    return v_result;
end;
$$;

comment on function monitoring_internal.ingest_samples_at(
    text[], jsonb[], double precision[], timestamptz[], uuid, timestamptz, uuid) is
    'ingest_samples as of a time, for tests, replay and the collectors.';

-- Store a batch of samples; what is refused is kept aside with its reason and never fails the batch.
-- Raises: PV002, PV201.
create or replace function monitoring.ingest_samples(
    metric text[], labels jsonb[], value double precision[], sampled_at timestamptz[], tenant_id uuid default null,
    batch_id uuid default null)
returns monitoring.ingest_result
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select result.*
    from monitoring_internal.ingest_samples_at(
        ingest_samples.metric, ingest_samples.labels, ingest_samples.value, ingest_samples.sampled_at,
        ingest_samples.tenant_id, clock_timestamp(), ingest_samples.batch_id) as result;
$$;

comment on function monitoring.ingest_samples(text[], jsonb[], double precision[], timestamptz[], uuid, uuid) is
    'Stores a batch of samples, four arrays of one length, for a tenant (null: the system''s). Returns how many were '
    'accepted, already stored, and refused; refused ones are in rejected_samples. Sending a batch again is harmless; '
    'one with an id is then not even looked at.';

-- Store one sample; true when it was stored, false when it was there already or refused.
-- Raises: PV002.
create or replace function monitoring.ingest_sample(
    metric text, labels jsonb, value double precision, sampled_at timestamptz default now(),
    tenant_id uuid default null)
returns boolean
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select result.accepted = 1
    from monitoring_internal.ingest_samples_at(
        array[ingest_sample.metric], array[ingest_sample.labels], array[ingest_sample.value],
        array[ingest_sample.sampled_at], ingest_sample.tenant_id, clock_timestamp()) as result;
$$;

comment on function monitoring.ingest_sample(text, jsonb, double precision, timestamptz, uuid) is
    'Stores one sample; false when it was stored before or refused (see rejected_samples).';
