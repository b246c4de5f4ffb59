-- store/wide.sql: from rows of the wide names (performance_metrics and its like) to series, samples and details.
-- Owns adopt_families, store_wide_at, said_of, keep_sample_details, refuse_column.
-- Writes metric_families, sample_details and, through ingest_samples_at, the store. Any number of writers at once.

-- Make the families of the given names that do not exist, in a retention class, as far as store.auto_register and
-- store.max_metrics allow. What others said of a family is never changed here.
-- Raises: PV251 when there is no such retention class.
create or replace function monitoring_internal.adopt_families(
    p_metric text[], p_kind text, p_unit text, p_category text, p_retention_class text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select 1 from monitoring.retention_classes as class where class.name = p_retention_class) then
        raise exception using
            errcode = 'PV251',
            message = format('there is no retention class %L', p_retention_class),
            hint = format('Take one of monitoring.retention_classes: %s.', (
                select string_agg(class.name, ', ' order by class.name) from monitoring.retention_classes as class));
    end if;
    if not exists (
            select 1 from unnest(p_metric) as wanted (name)
            where not exists (select 1 from monitoring.metric_families as family where family.name = wanted.name))
        or not monitoring_internal.setting_boolean('store.auto_register')
    then
        return;
    end if;
    insert into monitoring.metric_families (name, kind, unit, category, retention_class)
    select distinct wanted.name, coalesce(p_kind, 'unknown'), coalesce(p_unit, ''), coalesce(p_category, ''),
        p_retention_class
    from unnest(p_metric) as wanted (name)
    where wanted.name ~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' and length(wanted.name) <= 200
        and not exists (select 1 from monitoring.metric_families as family where family.name = wanted.name)
    order by wanted.name
    limit greatest(
        monitoring_internal.setting_integer('store.max_metrics')
            - (select count(*) from monitoring.metric_families), 0)
    on conflict do nothing;
end;
$$;

comment on function monitoring_internal.adopt_families(text[], text, text, text, text) is
    'Makes the families that do not exist yet, of a retention class; PV251 when there is no such class.';

-- Store the values of one row, one metric each under the same labels and time, p_now when none was given; values that
-- are null are left out.
-- Returns how many were stored: 0 when all were there before. What is refused is in rejected_samples, and a warning
-- says so: a batch is not lost for one row.
-- Raises: PV002.
create or replace function monitoring_internal.store_wide_at(
    p_tenant_id uuid, p_labels jsonb, p_metric text[], p_value double precision[], p_sampled_at timestamptz,
    p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sampled_at constant timestamptz := coalesce(p_sampled_at, p_now);
    v_metric text[];
    v_value double precision[];
    v_result monitoring.ingest_result;
begin
    select coalesce(array_agg(given.metric), '{}'), coalesce(array_agg(given.value), '{}') into v_metric, v_value
    from unnest(p_metric, p_value) as given (metric, value)
    where given.value is not null;
    v_result := monitoring_internal.ingest_samples_at(
        v_metric, array_fill(p_labels, array[cardinality(v_metric)]), v_value,
        array_fill(v_sampled_at, array[cardinality(v_metric)]), p_tenant_id, p_now);
    if v_result.rejected > 0 then
        raise warning using
            message = format(
                '%s of %s values at %s were refused', v_result.rejected, cardinality(v_metric), v_sampled_at),
            hint = 'The reasons are in monitoring.rejected_samples.';
    end if;
    return v_result.accepted;
end;
$$;

comment on function monitoring_internal.store_wide_at(
    uuid, jsonb, text[], double precision[], timestamptz, timestamptz) is
    'Stores the values of one wide row under the same labels and time; returns how many were not there before.';

-- Of a row's columns those that say something; what is null deeper inside is theirs.
create or replace function monitoring_internal.said_of(p_columns jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_object_agg(given.key, given.value) filter (where given.value <> 'null'), '{}')
    from jsonb_each(p_columns) as given;
$$;

comment on function monitoring_internal.said_of(jsonb) is 'The entries of an object that are not null.';

-- Keep what a row said beside its value, with the sample it belongs to. Nothing is kept where nothing was said.
create or replace function monitoring_internal.keep_sample_details(
    p_tenant_id uuid, p_metric text, p_labels jsonb, p_sampled_at timestamptz, p_tags jsonb, p_details jsonb)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.sample_details (series_id, sampled_at, tenant_id, tags, details)
    select found.series_id, p_sampled_at, p_tenant_id, p_tags, monitoring_internal.said_of(p_details)
    from unnest((
        select monitoring_internal.find_series(p_tenant_id, array[p_metric], inspected.canonical)
        from monitoring_internal.inspect_labels(array[p_metric], array[p_labels]) as inspected)) as found (series_id)
    where found.series_id is not null
        and (p_tags is not null or monitoring_internal.said_of(p_details) <> '{}')
    on conflict do nothing;
$$;

comment on function monitoring_internal.keep_sample_details(uuid, text, jsonb, timestamptz, jsonb, jsonb) is
    'Keeps tags and other columns of a row with its sample; nulls, and a row without any, leave nothing.';

-- Stop an insert of a column that could not come back as it was given.
-- Raises: PV250.
create or replace function monitoring_internal.refuse_column(p_view text, p_column text, p_fault text, p_hint text)
returns void
language plpgsql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = 'PV250',
        message = format('%s of monitoring.%s %s', p_column, p_view, p_fault),
        hint = p_hint,
        column = p_column;
end;
$$;

comment on function monitoring_internal.refuse_column(text, text, text, text) is
    'Raises PV250: a column of a wide name that cannot be kept, with the reason and what to write instead.';
