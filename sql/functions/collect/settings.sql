-- collect/settings.sql: store what the collector settings saw: values, the ledger of changes, and numbers as samples.
-- Owns setting_metric, setting_measure, note_setting_changes_at, store_settings_at.
-- Writes setting_values, setting_changes, metric_families, and samples through the store. One lease a server.

-- The name of a setting's metric as postgres_exporter has it; null for a setting that is no number.
create or replace function monitoring_internal.setting_metric(p_name text, p_unit text, p_vartype text)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_vartype in ('bool', 'integer', 'real') then
            'pg_settings_' || pg_catalog.regexp_replace(p_name, '[^a-zA-Z0-9_]', '_', 'g')
            || case
                when coalesce(p_unit, '') = '' or p_vartype = 'bool' then ''
                when p_unit in ('us', 'ms', 's', 'min', 'h', 'd') then '_seconds'
                else '_bytes'
            end
    end;
end;

comment on function monitoring_internal.setting_metric(text, text, text) is
    'Name of a setting''s metric: pg_settings_NAME, with _bytes or _seconds by its unit; null when it is no number.';

-- The value of a setting's metric in bytes, seconds, or as it is; -1 stays -1, for it means none.
create or replace function monitoring_internal.setting_measure(p_value text, p_unit text, p_vartype text)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_vartype = 'bool' then (p_value = 'on')::integer::double precision
        when p_vartype not in ('integer', 'real') then null
        when p_value::double precision = -1 or coalesce(p_unit, '') = '' then p_value::double precision
        else p_value::double precision * case pg_catalog.substring(p_unit, '[a-zA-Z]+$')
            when 'us' then 0.000001
            when 'ms' then 0.001
            when 's' then 1
            when 'min' then 60
            when 'h' then 3600
            when 'd' then 86400
            when 'B' then 1
            when 'kB' then 1024
            when 'MB' then 1048576
            when 'GB' then 1073741824
            when 'TB' then 1099511627776
        end * coalesce(pg_catalog.substring(p_unit, '^[0-9]+')::double precision, 1)
    end;
end;

comment on function monitoring_internal.setting_measure(text, text, text) is
    'Value of the metric of a setting: bytes or seconds by its unit, 0 or 1 for a switch; -1 stays.';

-- Bring the values of a server up to date, and write each change into the ledger; the first look writes none there.
-- Settings of libraries, with a dot in the name, are there only in sessions that loaded them: they do not come and go.
create or replace function monitoring_internal.note_setting_changes_at(
    p_target_id integer, p_target_name text, p_tenant_id uuid, p_rows monitoring_internal.settings_row[],
    p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with seen as materialized (
        select distinct on (row.name) row.*
        from unnest(p_rows) as row
        where row.name is not null
        order by row.name
    ), known as materialized (
        select value.* from monitoring.setting_values as value where value.target_id = p_target_id
    ), difference as materialized (
        select coalesce(seen.name, known.name) as name, known.value as old_value, seen.value as new_value,
            coalesce(seen.unit, known.unit) as unit, seen.source,
            coalesce(seen.is_pending_restart, false) as is_pending_restart,
            known.name is null as is_new, seen.name is null as is_gone
        from seen
        full join known on known.name = seen.name
        where seen.name is null and known.name !~ '\.'
            or seen.name is not null and known.name is null
            or seen.value is distinct from known.value
                and seen.name is not null
            or seen.is_pending_restart <> known.is_pending_restart
    ), gone as (
        delete from monitoring.setting_values as value
        using difference
        where value.target_id = p_target_id and value.name = difference.name and difference.is_gone
            and exists (select 1 from seen)
    ), stored as (
        insert into monitoring.setting_values as value
            (target_id, tenant_id, name, value, unit, source, is_pending_restart, first_seen_at)
        select p_target_id, p_tenant_id, seen.name, seen.value, seen.unit, seen.source, seen.is_pending_restart, p_now
        from seen
        order by seen.name
        on conflict (target_id, name) do update
        set value = excluded.value, unit = excluded.unit, source = excluded.source,
            is_pending_restart = excluded.is_pending_restart, tenant_id = excluded.tenant_id,
            changed_at = case when value.value is distinct from excluded.value then p_now else value.changed_at end
        where (value.value, value.unit, value.source, value.is_pending_restart, value.tenant_id)
            is distinct from
            (excluded.value, excluded.unit, excluded.source, excluded.is_pending_restart, excluded.tenant_id)
    ), written as (
        insert into monitoring.setting_changes
            (tenant_id, target_id, target_name, name, old_value, new_value, unit, source, is_pending_restart,
            changed_at)
        select p_tenant_id, p_target_id, p_target_name, difference.name, difference.old_value, difference.new_value,
            difference.unit, difference.source, difference.is_pending_restart, p_now
        from difference
        where exists (select 1 from known) and exists (select 1 from seen)
            and not (difference.is_new and difference.name ~ '\.')
        order by difference.name
        returning 1
    )
    select count(*) from written;
$$;

comment on function monitoring_internal.note_setting_changes_at(
    integer, text, uuid, monitoring_internal.settings_row[], timestamptz) is
    'Stores the settings of a server and writes those that changed into setting_changes; returns how many.';

-- The sink of the collector settings.
create or replace function monitoring_internal.store_settings_at(
    p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rows constant monitoring_internal.settings_row[] := p_rows::monitoring_internal.settings_row[];
    v_target monitoring.targets;
    v_labels jsonb;
    v_metric text[];
    v_value double precision[];
    v_new jsonb;
begin
    select target.* into strict v_target
    from monitoring.target_databases as part
    inner join monitoring.targets as target using (target_id)
    where part.target_database_id = p_target_database_id;
    perform monitoring_internal.note_setting_changes_at(
        v_target.target_id, v_target.name, v_target.tenant_id, v_rows, p_now);
    v_labels := case when v_target.target_id = 0 then '{}' else jsonb_build_object('server', v_target.name) end;
    with number as materialized (
        select distinct on (metric.name) metric.name as metric, measure.value, row.name,
            coalesce(substring(metric.name from '_(bytes|seconds)$'), '') as unit
        from unnest(v_rows) as row
        cross join lateral monitoring_internal.setting_metric(row.name, row.unit, row.vartype) as metric (name)
        cross join lateral monitoring_internal.setting_measure(row.value, row.unit, row.vartype) as measure (value)
        where measure.value is not null
        order by metric.name
    )
    select
        array_agg(number.metric), array_agg(number.value),
        jsonb_agg(jsonb_build_object(
            'name', number.metric, 'kind', 'gauge', 'unit', number.unit, 'category', 'settings',
            'description', format('Setting %s.', number.name), 'stale_after', '15 min'))
            filter (where family.name is null)
    into v_metric, v_value, v_new
    from number
    left join monitoring.metric_families as family on family.name = number.metric and family.is_registered;
    if v_new is not null then
        perform monitoring_internal.register_families(v_new);
    end if;
    if v_metric is not null then
        perform monitoring_internal.ingest_samples_at(
            v_metric, array_fill(v_labels, array[cardinality(v_metric)]), v_value,
            array_fill(p_now, array[cardinality(v_metric)]), v_target.tenant_id, p_now);
    end if;
    return cardinality(v_rows);
end;
$$;

comment on function monitoring_internal.store_settings_at(integer, text[], timestamptz) is
    'Stores the settings of a server: values, ledger of changes, and a sample of each that is a number.';
