-- store/wide_systems.sql: rows of usage_metrics, system_metrics and application_metrics into the store.
-- Owns usage_columns, usage_cores, insert_usage_metric(_at), usage_metrics_insert, insert_labelled_metric(_at),
-- system_metrics_insert, application_metrics_insert. Writes systems and the store. Any number of writers at once.

-- The columns of usage_metrics that are numbers, in their order, and which are percentages. Their families are
-- usage_ and the column's name.
create or replace function monitoring_internal.usage_columns()
returns table (name text, is_percentage boolean)
language sql immutable parallel safe
begin atomic
    select given.name, given.is_percentage
    from (
        values
            ('cpu_percent'::text, true), ('cpu_temp', false), ('ram_percent', true), ('swap_percent', true),
            ('gpu_utilization', true), ('gpu_temp', false), ('disk_read_mb_s', false), ('disk_write_mb_s', false),
            ('disk_usage_percent', true), ('disk_io_wait_percent', true), ('net_sent_mb_s', false),
            ('net_recv_mb_s', false)
    ) as given (name, is_percentage);
end;

comment on function monitoring_internal.usage_columns() is 'The numeric columns of usage_metrics.';

-- The values of cpu_per_core, core by core.
-- Raises: PV250.
create or replace function monitoring_internal.usage_cores(p_cores jsonb)
returns double precision[]
language plpgsql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_cores is null or p_cores = 'null' then
        return array[]::double precision[];
    end if;
    if jsonb_typeof(p_cores) <> 'array' or jsonb_array_length(p_cores) > 1024
        or jsonb_path_exists(p_cores, 'strict $[*] ? (@.type() != "number" || @ < 0 || @ > 100)')
    then
        perform monitoring_internal.refuse_column('usage_metrics', 'cpu_per_core',
            'is not an array of percentages', 'Give one number from 0 to 100 a core, in order: [12.5, 80.1].');
    end if;
    return array(
        select core.value::double precision
        from jsonb_array_elements_text(p_cores) with ordinality as core (value, place)
        order by core.place);
end;
$$;

comment on function monitoring_internal.usage_cores(jsonb) is
    'The values of cpu_per_core in order; PV250 when they are no array of percentages.';

-- The deciding form. p_values are those of usage_columns(), in that order.
-- Raises: PV002, PV250, PV252.
create or replace function monitoring_internal.insert_usage_metric_at(
    p_system_id uuid, p_sampled_at timestamptz, p_values double precision[], p_cores jsonb, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_cores constant double precision[] := monitoring_internal.usage_cores(p_cores);
    v_columns text[];
    v_column text;
    v_tenant_id uuid;
    v_stored bigint;
begin
    select system.tenant_id into v_tenant_id
    from monitoring.systems as system
    where system.system_id = p_system_id and system.tenant_id = any (monitoring.visible_tenant_ids());
    if v_tenant_id is null then
        raise exception using
            errcode = 'PV252',
            message = format('there is no system %s', coalesce(p_system_id::text, '(none given)')),
            hint = 'Register it in monitoring.systems, for a tenant this role may act for, and take its system_id.';
    end if;
    select array_agg('usage_' || usage.name), min(usage.name) filter (
        where usage.is_percentage and p_values[usage.place] not between 0 and 100)
    into v_columns, v_column
    from (
        select named.name, named.is_percentage, row_number() over () as place
        from monitoring_internal.usage_columns() as named
    ) as usage;
    if v_column is not null then
        perform monitoring_internal.refuse_column(
            'usage_metrics', v_column, 'is no percentage', 'Percentages are from 0 to 100.');
    end if;
    perform monitoring_internal.adopt_families(
        v_columns || text 'usage_cpu_core_percent', 'gauge', null, 'usage', 'usage');
    v_stored := monitoring_internal.store_wide_at(v_tenant_id, jsonb_build_object('system_id', p_system_id),
        v_columns, p_values, p_sampled_at, p_now);
    v_stored := v_stored + coalesce((
        select sum(monitoring_internal.store_wide_at(v_tenant_id,
            jsonb_build_object('system_id', p_system_id, 'core', core.place - 1),
            array['usage_cpu_core_percent'], array[core.value], p_sampled_at, p_now))
        from unnest(v_cores) with ordinality as core (value, place)), 0);
    update monitoring.systems as system
    set last_seen = coalesce(p_sampled_at, p_now)
    where system.system_id = p_system_id and v_stored > 0
        and coalesce(system.last_seen, '-infinity') < coalesce(p_sampled_at, p_now) - interval '1 minute';
    return v_stored > 0;
end;
$$;

comment on function monitoring_internal.insert_usage_metric_at(
    uuid, timestamptz, double precision[], jsonb, timestamptz) is
    'Stores one row of usage_metrics as of a time; false when all of it was there before or was refused.';

-- The same by the database's clock.
create or replace function monitoring_internal.insert_usage_metric(
    p_system_id uuid, p_sampled_at timestamptz, p_values double precision[], p_cores jsonb)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.insert_usage_metric_at(
        p_system_id, p_sampled_at, p_values, p_cores, clock_timestamp());
$$;

comment on function monitoring_internal.insert_usage_metric(uuid, timestamptz, double precision[], jsonb) is
    'Stores one row of usage_metrics; false when all of it was there before or was refused.';

-- Inserts into the view. A row that is there already, or was refused, is not counted as inserted.
create or replace function monitoring_internal.usage_metrics_insert()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if monitoring_internal.insert_usage_metric(new.system_id, new."timestamp",
        array[new.cpu_percent, new.cpu_temp, new.ram_percent, new.swap_percent, new.gpu_utilization, new.gpu_temp,
            new.disk_read_mb_s, new.disk_write_mb_s, new.disk_usage_percent, new.disk_io_wait_percent,
            new.net_sent_mb_s, new.net_recv_mb_s],
        new.cpu_per_core)
    then
        return new;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.usage_metrics_insert() is
    'Trigger: rows inserted into usage_metrics become samples, one series a column and core.';

-- A row of system_metrics or application_metrics: its tags are labels, each field is a family of its own.
-- Raises: PV002, PV250.
create or replace function monitoring_internal.insert_labelled_metric_at(
    p_view text, p_tenant_id uuid, p_name text, p_labels jsonb, p_suffixes text[], p_values double precision[],
    p_sampled_at timestamptz, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id constant uuid := coalesce(p_tenant_id, monitoring.system_tenant_id());
    v_metric constant text[] := array(
        select split_part(p_view, '_', 1) || '_' || p_name || suffix.word
        from unnest(p_suffixes) with ordinality as suffix (word, place) order by suffix.place);
begin
    perform monitoring_internal.require_visible_tenant(v_tenant_id);
    if coalesce(p_name, '') !~ '^[a-zA-Z0-9_]+$' or length(p_name) > 100 then
        perform monitoring_internal.refuse_column(p_view,
            case p_view when 'system_metrics' then 'metric_type' else 'metric_name' end,
            format('is %s', coalesce(quote_literal(p_name), 'missing')),
            'Write at most 100 letters, digits and underscores, such as cpu or response_time.');
    end if;
    if jsonb_path_exists(p_labels, 'strict $.* ? (@ == "")') then
        perform monitoring_internal.refuse_column(p_view,
            (select min(label.key) from jsonb_each_text(p_labels) as label where label.value = ''), 'is empty',
            'Leave it out: an empty label is none, and would come back as null.');
    end if;
    perform monitoring_internal.adopt_families(v_metric, 'gauge', null, split_part(p_view, '_', 1), 'high_resolution');
    return monitoring_internal.store_wide_at(v_tenant_id, p_labels, v_metric, p_values, p_sampled_at, p_now) > 0;
end;
$$;

comment on function monitoring_internal.insert_labelled_metric_at(
    text, uuid, text, jsonb, text[], double precision[], timestamptz, timestamptz) is
    'Stores one row of system_metrics or application_metrics as of a time; false when it was there or was refused.';

-- The same by the database's clock.
create or replace function monitoring_internal.insert_labelled_metric(
    p_view text, p_tenant_id uuid, p_name text, p_labels jsonb, p_suffixes text[], p_values double precision[],
    p_sampled_at timestamptz)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.insert_labelled_metric_at(
        p_view, p_tenant_id, p_name, p_labels, p_suffixes, p_values, p_sampled_at, clock_timestamp());
$$;

comment on function monitoring_internal.insert_labelled_metric(
    text, uuid, text, jsonb, text[], double precision[], timestamptz) is
    'Stores one row of system_metrics or application_metrics; false when it was there or was refused.';

-- Inserts into the view; the limits in force are series of their own, which cost nothing while they stay.
create or replace function monitoring_internal.system_metrics_insert()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.host_id is null or new.host_id = '' then
        perform monitoring_internal.refuse_column(
            'system_metrics', 'host_id', 'is missing', 'Say which host it is of.');
    end if;
    if monitoring_internal.insert_labelled_metric('system_metrics', new.tenant_id, new.metric_type,
        jsonb_strip_nulls(jsonb_build_object('host_id', new.host_id, 'datacenter', new.datacenter,
            'environment', new.environment, 'unit', new.unit)),
        array['', ':threshold_warning', ':threshold_critical'],
        array[new.value, new.threshold_warning, new.threshold_critical], new."time")
    then
        return new;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.system_metrics_insert() is
    'Trigger: rows inserted into system_metrics become samples of system_TYPE and of its limits.';

-- Inserts into the view.
create or replace function monitoring_internal.application_metrics_insert()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.service_id is null or new.service_id = '' then
        perform monitoring_internal.refuse_column(
            'application_metrics', 'service_id', 'is missing', 'Say which service it is of.');
    end if;
    if monitoring_internal.insert_labelled_metric('application_metrics', new.tenant_id, new.metric_name,
        jsonb_strip_nulls(jsonb_build_object('service_id', new.service_id, 'application_name', new.application_name,
            'environment', new.environment, 'endpoint', new.endpoint, 'method', new.method,
            'status_code', new.status_code)),
        array['', ':count', ':rate'], array[new.value, new.count, new.rate], new."time")
    then
        return new;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.application_metrics_insert() is
    'Trigger: rows inserted into application_metrics become samples of application_NAME, its count and its rate.';
