-- kpis/run.sql: measure one leased KPI of one tenant and store its values.
-- Owns kpi_obstacle, measure_kpi, store_kpi_value_at, kpi_periods_at, finish_kpi(_at), execute_kpi_at, run_kpi.
-- Writes business_metrics, kpi_states. A KPI of a tenant has one lease, so no two runs of it at once.

-- The first relation of a KPI that is missing, or that monitoring_owner may not read.
create or replace function monitoring_internal.kpi_obstacle(
    p_requires text[], out reason text, out remedy text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        case
            when relation.oid is null then format('relation %s does not exist', required.name)
            else format('monitoring_owner may not read %s', required.name)
        end,
        case
            when relation.oid is not null then format(
                'grant usage on schema %I to monitoring_owner; grant select on %I.%I to monitoring_owner;',
                space.nspname, space.nspname, relation.relname)
        end
    from unnest(p_requires) with ordinality as required (name, ordinal)
    cross join lateral parse_ident(required.name, false) as part
    left join pg_namespace as space on space.nspname = part[1]
    left join pg_class as relation on relation.relnamespace = space.oid and relation.relname = part[2]
    where relation.oid is null
        or not has_schema_privilege('monitoring_owner', space.oid, 'usage')
        or not (has_table_privilege('monitoring_owner', relation.oid, 'select')
            or has_any_column_privilege('monitoring_owner', relation.oid, 'select'))
    order by required.ordinal
    limit 1;
$$;

comment on function monitoring_internal.kpi_obstacle(text[]) is
    'Why a KPI cannot be measured here: a relation is missing or may not be read; no values when it can.';

-- Run a KPI's query: one SELECT, one row, one number. It can neither write, nor undo that it is read-only, nor take
-- another role, nor leave anything behind: the block it runs in is always rolled back.
-- Raises: query_canceled, so that a time limit or a person ends the whole statement.
create or replace function monitoring_internal.measure_kpi(
    p_query text, p_tenant_id uuid, p_start_at timestamptz, p_until_at timestamptz,
    out value numeric, out fault_code text, out reason text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_answer refcursor;
    v_row record;
    v_columns bigint;
    v_text text;
begin
    begin
        perform set_config('transaction_read_only', 'on', true);
        -- A cursor takes one statement alone, and hands out no more rows than are fetched.
        open v_answer for execute p_query using p_tenant_id, p_start_at, p_until_at;
        fetch v_answer into v_row;
        if not found then
            reason := 'the query gave no row';
        else
            select count(*), min(given.value) into v_columns, v_text from json_each_text(row_to_json(v_row)) as given;
            fetch v_answer into v_row;
            if found or v_columns <> 1 then
                raise exception using
                    errcode = 'PV802',
                    message = 'the query gave more than one row or column',
                    hint = 'Write a SELECT that gives one row with one number.';
            end if;
            value := v_text::numeric;
            if value in ('NaN', 'Infinity', '-Infinity') then
                raise exception using errcode = 'PV802', message = format('the query gave %s', v_text);
            end if;
            reason := case when value is null then 'the query gave null' end;
        end if;
        raise exception using errcode = 'PV803', message = 'measured';
    exception
        when sqlstate 'PV803' then null;
        -- Any error ends this KPI alone, and its SQLSTATE is stored.
        when assert_failure or others then
            value := null;
            fault_code := sqlstate;
            reason := sqlerrm;
    end;
end;
$$;

comment on function monitoring_internal.measure_kpi(text, uuid, timestamptz, timestamptz) is
    'Runs the query of a KPI read-only and undoes whatever it did; gives its number, or the error as code and reason.';

-- Bring the row of a period up to date; returns how many rows were written.
create or replace function monitoring_internal.store_kpi_value_at(
    p_target monitoring_internal.kpi_targets, p_value numeric, p_start_at timestamptz, p_until_at timestamptz,
    p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_definition constant monitoring.kpi_definitions := (
        select definition from monitoring.kpi_definitions as definition
        where definition.kpi_definition_id = p_target.kpi_definition_id);
    -- A sum that still grows is no trend yet.
    v_is_open constant boolean := p_until_at > p_now;
    v_rows bigint;
begin
    insert into monitoring.business_metrics as metric (
        tenant_id, metric_name, metric_category, industry_vertical, current_value, previous_value, target_value,
        time_period, period_start, period_until, is_partial, direction, trend_direction, percentage_change,
        achievement_percentage, is_target_met, is_kpi, is_breached, alert_threshold, unit, calculation_method,
        data_sources, measured_at)
    select
        p_target.tenant_id, v_definition.name, v_definition.category,
        coalesce(v_definition.industry_vertical, p_target.tenant_industry, 'general'), p_value, before.value,
        v_definition.target_value, v_definition.time_period, p_start_at, p_until_at, v_is_open,
        v_definition.direction,
        case when not v_is_open or v_definition.value_kind = 'instant' then judged.trend_direction end,
        case when not v_is_open or v_definition.value_kind = 'instant' then judged.percentage_change end,
        judged.achievement_percentage, judged.is_target_met, v_definition.is_kpi, judged.is_breached,
        v_definition.alert_threshold, v_definition.unit, v_definition.description, to_jsonb(v_definition.requires),
        p_now
    from (
        select max(earlier.current_value) as value
        from monitoring.business_metrics as earlier
        inner join monitoring_internal.kpi_previous_period(
            v_definition.time_period, p_target.time_zone, p_start_at) as previous
            on earlier.period_start = previous.start_at
        where earlier.tenant_id = p_target.tenant_id and earlier.metric_name = v_definition.name
            and earlier.time_period = v_definition.time_period
    ) as before
    cross join lateral monitoring_internal.judge_kpi(p_value, before.value, v_definition) as judged
    on conflict (tenant_id, metric_name, time_period, period_start) do update
    set (metric_category, industry_vertical, current_value, previous_value, target_value, period_until, is_partial,
        direction, trend_direction, percentage_change, achievement_percentage, is_target_met, is_kpi, is_breached,
        alert_threshold, unit, calculation_method, data_sources, measured_at) = (
        excluded.metric_category, excluded.industry_vertical, excluded.current_value, excluded.previous_value,
        excluded.target_value, excluded.period_until, excluded.is_partial, excluded.direction,
        excluded.trend_direction, excluded.percentage_change, excluded.achievement_percentage,
        excluded.is_target_met, excluded.is_kpi, excluded.is_breached, excluded.alert_threshold, excluded.unit,
        excluded.calculation_method, excluded.data_sources, excluded.measured_at);
    get diagnostics v_rows = row_count;
    return v_rows;
end;
$$;

comment on function monitoring_internal.store_kpi_value_at(
    monitoring_internal.kpi_targets, numeric, timestamptz, timestamptz, timestamptz) is
    'Writes or renews the row of a period, with trend and achievement.';

-- The periods to measure: the present one, and of a sum those that have ended since it was measured last, and the one
-- before, so that there is something to compare with.
create or replace function monitoring_internal.kpi_periods_at(
    p_target monitoring_internal.kpi_targets, p_now timestamptz)
returns table (start_at timestamptz, until_at timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with present as (
        select period.start_at, period.until_at
        from monitoring_internal.kpi_period(p_target.time_period, p_target.time_zone, p_now) as period
    ), known as (
        select metric.period_start, metric.period_until, metric.is_partial
        from monitoring.business_metrics as metric
        where metric.tenant_id = p_target.tenant_id and metric.metric_name = p_target.name
            and metric.time_period = p_target.time_period
    ), ended as (
        select known.period_start as start_at, known.period_until as until_at
        from known
        where known.is_partial and known.period_until <= p_now
        union
        select previous.start_at, previous.until_at
        from present
        cross join lateral monitoring_internal.kpi_previous_period(
            p_target.time_period, p_target.time_zone, present.start_at) as previous
        where not exists (select 1 from known where known.period_start = previous.start_at)
    ), newest_ended as (
        select ended.start_at, ended.until_at
        from ended
        where p_target.value_kind = 'period'
        order by ended.start_at desc
        limit 24
    )
    select newest_ended.start_at, newest_ended.until_at from newest_ended
    union all
    select present.start_at, present.until_at from present
    order by 1;
$$;

comment on function monitoring_internal.kpi_periods_at(monitoring_internal.kpi_targets, timestamptz) is
    'Periods of a KPI that are to be measured at a time, oldest first; 24 ended ones at most.';
