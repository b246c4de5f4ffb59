-- store/wide_platforms.sql: rows of platform_metrics into the store, and the platforms and metrics they name.
-- Owns platform_fault, keep_content_value, insert_platform_metric(_at), platform_metrics_insert,
-- metric_definitions_describe, search_platform_metrics. Writes platforms, metric_definitions, metric_families,
-- sample_details and the store. Any number of writers at once.

-- Why a platform's metric is refused, or null; makes both where nobody registered them and the setting allows it.
create or replace function monitoring_internal.platform_fault(p_tenant_id uuid, p_platform text, p_metric text)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_platform_is_active boolean;
    v_metric_is_active boolean;
begin
    select platform.is_active, definition.is_active into v_platform_is_active, v_metric_is_active
    from monitoring.platforms as platform
    left join monitoring.metric_definitions as definition
        on definition.tenant_id = platform.tenant_id and definition.platform = platform.platform_name
        and definition.metric_type = p_metric
    where platform.tenant_id = p_tenant_id and platform.platform_name = p_platform;
    if v_platform_is_active and v_metric_is_active then
        return null;
    end if;
    if not (v_platform_is_active and v_metric_is_active) then
        return 'inactive_platform_metric';
    end if;
    if not monitoring_internal.setting_boolean('store.auto_register_platforms') then
        return case when v_platform_is_active is null then 'unknown_platform' else 'unknown_platform_metric' end;
    end if;
    if coalesce(p_metric, '') !~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' or length(p_metric) > 100
        or length(coalesce(p_platform, '')) not between 1 and 50
    then
        return 'invalid_metric_name';
    end if;
    insert into monitoring.platforms (tenant_id, platform_name, display_name)
    values (p_tenant_id, p_platform, p_platform)
    on conflict do nothing;
    insert into monitoring.metric_definitions (tenant_id, platform, metric_type)
    values (p_tenant_id, p_platform, p_metric)
    on conflict do nothing;
    return null;
end;
$$;

comment on function monitoring_internal.platform_fault(uuid, text, text) is
    'Reason to refuse a metric of a platform, or null; registers what is new if store.auto_register_platforms says so.';

-- Keep the value of a content item: it is in no sample, and its id makes no series. False when it was there before.
create or replace function monitoring_internal.keep_content_value(
    p_tenant_id uuid, p_metric text, p_labels jsonb, p_sampled_at timestamptz, p_content_id text,
    p_value double precision, p_tags jsonb, p_details jsonb)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_resolved record;
begin
    v_resolved := monitoring_internal.resolve_series(
        p_tenant_id, array[p_metric], array[p_labels], array[null::text]);
    insert into monitoring.sample_details (
        series_id, sampled_at, tenant_id, content_id, content_value, tags, details)
    select resolved.series_id, p_sampled_at, p_tenant_id, p_content_id, p_value, p_tags,
        monitoring_internal.said_of(p_details)
    from unnest(v_resolved.series_ids) as resolved (series_id)
    where resolved.series_id is not null
    on conflict do nothing;
    return found;
end;
$$;

comment on function monitoring_internal.keep_content_value(
    uuid, text, jsonb, timestamptz, text, double precision, jsonb, jsonb) is
    'Keeps the value of one content item beside the series of its platform''s metric; false when it was there before.';

-- The deciding form.
-- Raises: PV002, PV250.
create or replace function monitoring_internal.insert_platform_metric_at(
    p_row jsonb, p_value double precision, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := coalesce((p_row ->> 'tenant_id')::uuid, monitoring.system_tenant_id());
    v_metric constant text := p_row ->> 'metric_type';
    v_sampled_at constant timestamptz := coalesce((p_row ->> 'time')::timestamptz, p_now);
    v_labels constant jsonb := jsonb_build_object('platform', p_row -> 'platform');
    v_details constant jsonb := jsonb_build_object(
        'content_type', p_row -> 'content_type', 'author_id', p_row -> 'author_id', 'metadata', p_row -> 'metadata',
        'created_at', p_row -> 'created_at', 'quality_score', p_row ->> 'quality_score',
        'validation_errors', p_row -> 'validation_errors');
    v_tags constant jsonb := nullif(p_row -> 'tags', 'null');
    v_fault text;
begin
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    -- It is in an index, which takes no more than 2,700 bytes.
    if length(p_row ->> 'content_id') > 255 then
        perform monitoring_internal.refuse_column(
            'platform_metrics', 'content_id', 'is longer than 255 characters', 'Name the item by a key.');
    end if;
    v_fault := coalesce(
        (monitoring_internal.value_faults_at(array[p_value], array[v_sampled_at], p_now))[1],
        monitoring_internal.platform_fault(v_tenant_id, p_row ->> 'platform', v_metric));
    if v_fault is not null then
        perform monitoring_internal.reject_samples_at(v_tenant_id, array[v_metric], array[v_labels],
            array[p_value], array[v_sampled_at], array[v_fault], p_now);
        raise warning using
            message = format(
                'a value of platform %L, metric %L was refused: %s', p_row ->> 'platform', v_metric, v_fault),
            hint = 'It is kept in monitoring.rejected_samples.';
        return false;
    end if;
    perform monitoring_internal.adopt_families(array[v_metric], null, null, null, 'platform');
    if p_row ->> 'content_id' is not null then
        return monitoring_internal.keep_content_value(
            v_tenant_id, v_metric, v_labels, v_sampled_at, p_row ->> 'content_id', p_value, v_tags, v_details);
    end if;
    if monitoring_internal.store_wide_at(
        v_tenant_id, v_labels, array[v_metric], array[p_value], v_sampled_at, p_now) = 0
    then
        return false;
    end if;
    perform monitoring_internal.keep_sample_details(v_tenant_id, v_metric, v_labels, v_sampled_at, v_tags, v_details);
    return true;
end;
$$;

comment on function monitoring_internal.insert_platform_metric_at(jsonb, double precision, timestamptz) is
    'Stores one row of platform_metrics as of a time; false when it was there before or was refused.';

-- The same by the database's clock.
create or replace function monitoring_internal.insert_platform_metric(p_row jsonb, p_value double precision)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.insert_platform_metric_at(p_row, p_value, clock_timestamp());
$$;

comment on function monitoring_internal.insert_platform_metric(jsonb, double precision) is
    'Stores one row of platform_metrics; false when it was there before or was refused.';

-- Inserts into the view. A row that is there already, or was refused, is not counted as inserted.
create or replace function monitoring_internal.platform_metrics_insert()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if monitoring_internal.insert_platform_metric(to_jsonb(new) - 'value', new.value) then
        return new;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.platform_metrics_insert() is
    'Trigger: rows inserted into platform_metrics become samples, or values of content items.';

-- A definition says what its family is, as long as nobody else has.
create or replace function monitoring_internal.metric_definitions_describe()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.adopt_families(array[new.metric_type], new.data_type, new.unit, null, 'platform');
    update monitoring.metric_families as family
    set kind = coalesce(new.data_type, family.kind),
        unit = coalesce(nullif(family.unit, ''), new.unit, ''),
        description = coalesce(nullif(family.description, ''), new.description, '')
    where family.name = new.metric_type
        and family.kind = 'unknown' and not family.is_registered
        and (new.data_type is not null or new.unit is not null or new.description is not null);
    return null;
end;
$$;

comment on function monitoring_internal.metric_definitions_describe() is
    'Trigger: what a definition says becomes the family''s, while that is of unknown kind and not registered.';

-- Rows of platform_metrics whose tags contain the given ones, newest first. A function, since row policies keep
-- containment off its index: the tenant is asked for inside.
create or replace function monitoring.search_platform_metrics(
    tags jsonb, start_at timestamptz, end_at timestamptz, max_rows integer default 1000)
returns table (
    tenant_id uuid, "time" timestamptz, platform text, metric_type text, value double precision, content_id text,
    row_tags jsonb)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select detail.tenant_id, detail.sampled_at, series.labels ->> 'platform', family.name,
        coalesce(detail.content_value, sample.value), detail.content_id, detail.tags
    from monitoring.sample_details as detail
    inner join monitoring.series as series on series.series_id = detail.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    left join lateral (
        select point.value
        from monitoring_internal.read_points(
            array[detail.series_id], detail.sampled_at, detail.sampled_at + interval '1 microsecond') as point
        where detail.content_id is null
    ) as sample on true
    where detail.tags @> search_platform_metrics.tags
        and detail.sampled_at >= search_platform_metrics.start_at
        and detail.sampled_at < search_platform_metrics.end_at
        and detail.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and series.labels ? 'platform'
    order by detail.sampled_at desc, detail.detail_id
    limit search_platform_metrics.max_rows;
$$;

comment on function monitoring.search_platform_metrics(jsonb, timestamptz, timestamptz, integer) is
    'Rows of platform_metrics from one time to before another whose tags contain the given ones, newest first; of the '
    'tenants that the caller sees.';
