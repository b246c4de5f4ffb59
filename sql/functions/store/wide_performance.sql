-- store/wide_performance.sql: rows of performance_metrics into the store.
-- Owns performance_labels, performance_details, insert_performance_metric(_at), performance_metrics_insert.
-- Writes the store and sample_details. Any number of writers at once.

-- The labels of a row: its dimensions and where it came from.
-- Raises: PV250.
create or replace function monitoring_internal.performance_labels(p_row jsonb)
returns jsonb
language plpgsql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_dimensions constant jsonb := coalesce(nullif(p_row -> 'dimensions', 'null'), '{}');
    v_source constant jsonb := jsonb_strip_nulls(jsonb_build_object(
        'source_schema', p_row -> 'source_schema', 'source_table', p_row -> 'source_table',
        'source_query_id', p_row ->> 'source_query_id'));
begin
    if jsonb_typeof(v_dimensions) <> 'object' then
        perform monitoring_internal.refuse_column('performance_metrics', 'dimensions',
            format('is %s, not an object', jsonb_typeof(v_dimensions)), 'Give an object of texts: {"host": "web-1"}.');
    end if;
    if v_dimensions ?| array['source_schema', 'source_table', 'source_query_id'] then
        perform monitoring_internal.refuse_column('performance_metrics', 'dimensions',
            'names source_schema, source_table or source_query_id', 'These are columns of their own: fill them.');
    end if;
    return v_dimensions || v_source;
end;
$$;

comment on function monitoring_internal.performance_labels(jsonb) is
    'Labels of a row of performance_metrics: dimensions and source; PV250 where they are malformed.';

-- What of a row neither its series nor its family says. Timestamps and numbers are kept as text, to the last bit.
create or replace function monitoring_internal.performance_details(p_row jsonb, p_labels jsonb)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.said_of(jsonb_build_object(
        'id', p_row -> 'id',
        'metric_category', nullif(p_row ->> 'metric_category', family.category),
        'metric_type', nullif(p_row ->> 'metric_type', family.kind),
        'metric_unit', nullif(p_row ->> 'metric_unit', family.unit),
        'dimensions', case
            when coalesce(nullif(p_row -> 'dimensions', 'null'), '{}') <> (
                (inspected.canonical)[1] - array['source_schema', 'source_table', 'source_query_id'])
                then p_row ->> 'dimensions' end,
        'processed_at', p_row -> 'processed_at',
        'is_anomaly', nullif(p_row ->> 'is_anomaly', 'false'),
        'anomaly_score', p_row ->> 'anomaly_score',
        'baseline_value', p_row ->> 'baseline_value',
        'threshold_breached', nullif(p_row ->> 'threshold_breached', 'false'),
        'alert_generated', nullif(p_row ->> 'alert_generated', 'false'),
        'created_at', p_row -> 'created_at'))
    from monitoring_internal.inspect_labels(array[p_row ->> 'metric_name'], array[p_labels]) as inspected
    left join monitoring.metric_families as family on family.name = p_row ->> 'metric_name';
$$;

comment on function monitoring_internal.performance_details(jsonb, jsonb) is
    'What a row of performance_metrics says that series, family and sample do not.';

-- The deciding form. p_value comes apart: jsonb has no negative zero.
-- Raises: PV002, PV250, PV251.
create or replace function monitoring_internal.insert_performance_metric_at(
    p_row jsonb, p_value double precision, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := coalesce((p_row ->> 'business_id')::uuid, monitoring.system_tenant_id());
    v_metric constant text := p_row ->> 'metric_name';
    v_sampled_at constant timestamptz := coalesce((p_row ->> 'collected_at')::timestamptz, p_now);
    v_labels constant jsonb := monitoring_internal.performance_labels(p_row);
    v_class text;
begin
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    if p_row ->> 'metric_type' not in ('counter', 'gauge', 'histogram', 'summary', 'unknown') then
        perform monitoring_internal.refuse_column('performance_metrics', 'metric_type',
            format('is %L', p_row ->> 'metric_type'), 'Write counter, gauge, histogram, summary or unknown.');
    end if;
    perform monitoring_internal.adopt_families(array[v_metric], p_row ->> 'metric_type', p_row ->> 'metric_unit',
        p_row ->> 'metric_category', coalesce(p_row ->> 'retention_policy', 'standard'));
    select family.retention_class into v_class from monitoring.metric_families as family where family.name = v_metric;
    if v_class <> p_row ->> 'retention_policy' then
        perform monitoring_internal.refuse_column('performance_metrics', 'retention_policy',
            format('is %s, but all samples of %s are kept by %s', p_row ->> 'retention_policy', v_metric, v_class),
            'Leave it out, write the metric under another name, or have an administrator change retention_class in '
            'monitoring.metric_families.');
    end if;
    if monitoring_internal.store_wide_at(
        v_tenant_id, v_labels, array[v_metric], array[p_value], v_sampled_at, p_now) = 0
    then
        return false;
    end if;
    perform monitoring_internal.keep_sample_details(v_tenant_id, v_metric, v_labels, v_sampled_at,
        nullif(nullif(p_row -> 'tags', 'null'), '{}'), monitoring_internal.performance_details(p_row, v_labels));
    return true;
end;
$$;

comment on function monitoring_internal.insert_performance_metric_at(jsonb, double precision, timestamptz) is
    'Stores one row of performance_metrics as of a time; false when its sample was there before or was refused.';

-- The same by the database's clock.
create or replace function monitoring_internal.insert_performance_metric(p_row jsonb, p_value double precision)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.insert_performance_metric_at(p_row, p_value, clock_timestamp());
$$;

comment on function monitoring_internal.insert_performance_metric(jsonb, double precision) is
    'Stores one row of performance_metrics; false when its sample was there before or was refused.';

-- Inserts into the view. A row whose sample is there already, or was refused, is not counted as inserted.
create or replace function monitoring_internal.performance_metrics_insert()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.metric_value is null then
        perform monitoring_internal.refuse_column('performance_metrics', 'metric_value', 'is missing',
            'Leave the row out: what was not measured is no sample.');
    end if;
    if monitoring_internal.insert_performance_metric(to_jsonb(new) - 'metric_value', new.metric_value) then
        return new;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.performance_metrics_insert() is
    'Trigger: rows inserted into performance_metrics become samples and their details.';
