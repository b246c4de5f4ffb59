-- store/series.sql: from metric names and labels to series, making those that are new.
-- Owns sample_fault, earliest_sample_at, value_faults_at, find_many_series, find_series, inspect_labels, make_series.
-- Writes metric_families, series.
-- Concurrency: any number of ingesters; families, then series, are made in one order, so that none waits in a ring.

-- Why a value or its time is refused; null when it is not. A missing value is never taken for zero.
create or replace function monitoring_internal.sample_fault(
    p_value double precision, p_sampled_at timestamptz, p_earliest timestamptz, p_latest timestamptz)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_sampled_at is null then 'null_time'
        when p_sampled_at < p_earliest then 'too_old'
        when p_sampled_at > p_latest then 'too_new'
        when p_value is null then 'null_value'
        when p_value = 'NaN' then 'nan'
        when p_value in ('Infinity', '-Infinity') then 'infinite'
    end;
end;

comment on function monitoring_internal.sample_fault(
    double precision, timestamptz, timestamptz, timestamptz) is
    'Reason to refuse a value or its time, or null.';

-- The time before which samples are refused: store.max_past ago, or the retention of samples where that is shorter.
create or replace function monitoring_internal.earliest_sample_at(p_now timestamptz)
returns timestamptz
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select greatest(
        p_now - monitoring_internal.setting_interval('store.max_past'),
        (
            select p_now - policy.retention
            from monitoring.partition_policies as policy
            where policy.table_name = 'monitoring.samples'
        ));
$$;

comment on function monitoring_internal.earliest_sample_at(timestamptz) is
    'Samples before this are refused as too_old at the given time.';

-- Why each value or its time is refused at a time, or null, in their order.
create or replace function monitoring_internal.value_faults_at(
    p_value double precision[], p_sampled_at timestamptz[], p_now timestamptz)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_earliest constant timestamptz := monitoring_internal.earliest_sample_at(p_now);
    v_latest constant timestamptz := p_now + monitoring_internal.setting_interval('store.max_future');
begin
    return array(
        select monitoring_internal.sample_fault(sample.value, sample.sampled_at, v_earliest, v_latest)
        from unnest(p_value, p_sampled_at) with ordinality as sample (value, sampled_at, ordinal)
        order by sample.ordinal
    );
end;
$$;

comment on function monitoring_internal.value_faults_at(double precision[], timestamptz[], timestamptz) is
    'The fault of each value and time at a time, or null.';

-- The same for many samples: the generic plan, made for ten, takes twice as long for ten thousand.
create or replace function monitoring_internal.find_many_series(p_tenant_id uuid, p_metric text[], p_labels jsonb[])
returns integer[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    return array(
        select series.series_id
        from unnest(p_metric, p_labels) with ordinality as sample (metric, labels, ordinal)
        left join monitoring.metric_families as family on family.name = sample.metric
        left join monitoring.series as series
            on series.tenant_id = p_tenant_id
            and series.metric_family_id = family.metric_family_id
            and series.labels = sample.labels
        order by sample.ordinal
    );
end;
$$;

comment on function monitoring_internal.find_many_series(uuid, text[], jsonb[]) is
    'find_series for large batches, planned each time.';

-- The series of each name and label set, in their order; null where there is none. A few are looked up by a plan that
-- the session keeps: planning would cost more than looking.
create or replace function monitoring_internal.find_series(p_tenant_id uuid, p_metric text[], p_labels jsonb[])
returns integer[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if cardinality(p_metric) > 200 then
        return monitoring_internal.find_many_series(p_tenant_id, p_metric, p_labels);
    end if;
    return array(
        select series.series_id
        from unnest(p_metric, p_labels) with ordinality as sample (metric, labels, ordinal)
        left join monitoring.metric_families as family on family.name = sample.metric
        left join monitoring.series as series
            on series.tenant_id = p_tenant_id
            and series.metric_family_id = family.metric_family_id
            and series.labels = sample.labels
        order by sample.ordinal
    );
end;
$$;

comment on function monitoring_internal.find_series(uuid, text[], jsonb[]) is
    'Series ids by metric and labels, in the order given; null where there is no such series.';

-- Labels in the form they are stored in, and why a sample has to be refused for its name or labels.
-- Numbers and booleans become text; null and empty labels go, as Prometheus takes them for absent.
create or replace function monitoring_internal.inspect_labels(
    p_metric text[], p_labels jsonb[], out canonical jsonb[], out fault text[])
returns record
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        array_agg(coalesce(label.pairs, '{}') order by sample.ordinal),
        array_agg(
            case
                when sample.metric is null then 'null_metric'
                when sample.metric !~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' or length(sample.metric) > 200
                    then 'invalid_metric_name'
                when sample.labels is null then 'null_labels'
                when jsonb_typeof(sample.labels) <> 'object' then 'labels_not_object'
                when octet_length(sample.labels::text) > 2048 then 'labels_too_large'
                when label.has_invalid_name then 'invalid_label_name'
                when jsonb_path_exists(
                    sample.labels, 'strict $.* ? (@.type() == "object" || @.type() == "array")')
                    then 'invalid_label_value'
            end
            order by sample.ordinal)
    from unnest(p_metric, p_labels) with ordinality as sample (metric, labels, ordinal)
    cross join lateral (
        select
            jsonb_object_agg(pair.key, pair.value) filter (where pair.value <> '') as pairs,
            -- Names that begin with two underscores are Prometheus' own.
            bool_or(pair.key !~ '^[a-zA-Z_][a-zA-Z0-9_]*$' or pair.key ~ '^__') as has_invalid_name
        from jsonb_each_text(
            case when jsonb_typeof(sample.labels) = 'object' then sample.labels else '{}' end) as pair
    ) as label;
$$;

comment on function monitoring_internal.inspect_labels(text[], jsonb[]) is
    'Canonical labels of each sample and the reason, or null, to refuse it for its name or labels.';

-- Make the series of the given names and canonical labels that do not exist, within the bounds on metrics and on the
-- series of each. The bounds are not exact: ingesters at the same moment do not see each other's new rows.
create or replace function monitoring_internal.make_series(p_tenant_id uuid, p_metric text[], p_labels jsonb[])
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_limit constant bigint := monitoring_internal.setting_integer('store.max_series_per_metric');
    v_tenant_name text;
begin
    select tenant.name into v_tenant_name
    from monitoring.tenants as tenant where tenant.tenant_id = p_tenant_id and not tenant.is_system;
    if monitoring_internal.setting_boolean('store.auto_register') then
        insert into monitoring.metric_families (name)
        select distinct wanted.metric
        from unnest(p_metric) as wanted (metric)
        where not exists (select 1 from monitoring.metric_families as family where family.name = wanted.metric)
        order by wanted.metric
        limit greatest(
            monitoring_internal.setting_integer('store.max_metrics')
                - (select count(*) from monitoring.metric_families), 0)
        on conflict do nothing;
    end if;
    with wanted as (
        select distinct family.metric_family_id, sample.labels
        from unnest(p_metric, p_labels) as sample (metric, labels)
        inner join monitoring.metric_families as family on family.name = sample.metric
    ),
    missing as (
        select
            wanted.metric_family_id,
            wanted.labels,
            row_number() over (partition by wanted.metric_family_id order by wanted.labels) as place
        from wanted
        left join monitoring.series as series
            on series.tenant_id = p_tenant_id
            and series.metric_family_id = wanted.metric_family_id
            and series.labels = wanted.labels
        where series.series_id is null
    ),
    room as materialized (
        select family.metric_family_id, v_limit - count(series.series_id) as places
        from (select distinct missing.metric_family_id from missing) as family
        left join monitoring.series as series
            on series.tenant_id = p_tenant_id
            and series.metric_family_id = family.metric_family_id
        group by family.metric_family_id
    )
    insert into monitoring.series (tenant_id, metric_family_id, labels, label_text, server)
    select p_tenant_id, missing.metric_family_id, missing.labels,
        monitoring_internal.label_text(missing.labels, v_tenant_name), coalesce(target.name, '')
    from missing
    inner join room on room.metric_family_id = missing.metric_family_id
    left join monitoring.targets as target
        on target.name = missing.labels ->> 'server' and target.tenant_id = p_tenant_id and target.target_id <> 0
    where missing.place <= room.places
    order by missing.metric_family_id, missing.labels
    on conflict do nothing;
end;
$$;

comment on function monitoring_internal.make_series(uuid, text[], jsonb[]) is
    'Makes the missing ones of the given series, as far as store.auto_register, store.max_metrics and '
    'store.max_series_per_metric allow.';
