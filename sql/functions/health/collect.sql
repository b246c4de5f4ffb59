-- health/collect.sql: scores with every lost point explained, and the row of each component.
-- Owns health_scores_at, component_alerts_at, health_gauges, collect_system_health(_at), explain_system_health.
-- Writes system_health, and gauges by ingest.
-- Concurrency: any number of callers; a component has one row a time.

-- Score, coverage, status and lost points of each component.
-- Rules that do not apply give their weight to the others; what is unknown keeps the component from being healthy.
create or replace function monitoring_internal.health_scores_at(p_now timestamptz)
returns table (
    component_kind text, component_name text, tenant_id uuid, server text, health_score integer,
    coverage_percent double precision, health_status text, points jsonb, readings jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with reading as materialized (
        select reading.*, rule.weight, rule.cap, rule.is_required, rule.description, rule.remedy, rule.health_column,
            rule.gauge, rule.is_of_host,
            coalesce(monitoring_internal.health_penalty(reading.value, rule.warning, rule.critical), 0) as share,
            monitoring_internal.health_level(reading.value, rule.warning, rule.critical) as level,
            sum(rule.weight) filter (where reading.state = 'known') over component as known_weight,
            sum(rule.weight) filter (where reading.state <> 'absent') over component as applicable_weight
        from monitoring_internal.health_readings_at(p_now) as reading
        inner join monitoring.health_rules as rule on rule.name = reading.rule_name
        window component as (partition by reading.component_kind, reading.component_name)
    ), total as (
        select reading.component_kind, reading.component_name, reading.tenant_id, reading.server,
            coalesce(100 * max(reading.known_weight) / nullif(max(reading.applicable_weight), 0), 0) as coverage,
            least(
                100 - coalesce(100 * sum(reading.weight * reading.share) / nullif(max(reading.known_weight), 0), 0),
                min(reading.cap) filter (where reading.level = 'critical')) as score,
            coalesce(bool_or(reading.state = 'unknown' and reading.weight > 0), false) as has_unknown,
            coalesce(bool_or(reading.level = 'critical' and reading.cap is not null), false) as is_capped,
            jsonb_agg(jsonb_build_object(
                'rule', reading.rule_name, 'value', reading.value, 'penalty',
                round((100 * reading.weight * reading.share / reading.known_weight)::numeric, 1),
                'cap', case when reading.level = 'critical' then reading.cap end,
                'why', coalesce(reading.reason, reading.description), 'remedy', reading.remedy, 'state', reading.state)
                order by reading.weight * reading.share desc, reading.rule_name)
                filter (where reading.weight > 0 and (reading.state in ('unknown', 'elsewhere')
                    or reading.state = 'known' and 100 * reading.weight * reading.share >= 0.05 * reading.known_weight))
                as points,
            jsonb_agg(jsonb_build_object(
                'rule', reading.rule_name, 'value', reading.value, 'column', reading.health_column,
                'gauge', reading.gauge, 'datname', reading.datname))
                filter (where reading.value is not null) as readings
        from reading
        group by reading.component_kind, reading.component_name, reading.tenant_id, reading.server
    )
    select total.component_kind, total.component_name, total.tenant_id, total.server,
        case when judged.is_enough then greatest(0, round(total.score))::integer end, total.coverage,
        case
            when not judged.is_enough then 'unknown'
            when total.score < monitoring_internal.setting_number('health.critical_score') then 'critical'
            when total.score < monitoring_internal.setting_number('health.warning_score') then 'warning'
            when total.has_unknown then 'unknown'
            else 'healthy'
        end,
        coalesce(total.points, '[]'), coalesce(total.readings, '[]')
    from total
    cross join lateral (
        -- What is known to be bad is bad, however little else is known.
        select total.is_capped or total.coverage > 0 and total.coverage
            >= monitoring_internal.setting_number('health.minimum_coverage') as is_enough
    ) as judged;
$$;

comment on function monitoring_internal.health_scores_at(timestamptz) is
    'Score, coverage and status of each component as of a time, with every lost point and every unknown.';

-- Open alerts about a component, null while nobody evaluates, and when the last one of a week fired. An alert without a
-- server is about this one.
create or replace function monitoring_internal.component_alerts_at(
    p_now timestamptz, p_tenant_id uuid, p_component_kind text, p_component_name text, p_server text)
returns table (active integer, last_at timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        case when exists (
            select from monitoring.alert_passes as pass
            where pass.started_at between p_now - interval '10 min' and p_now)
            then count(*) filter (where alert.status <> 'resolved')::integer end,
        max(alert.triggered_at)
    from monitoring.alerts as alert
    where alert.tenant_id = p_tenant_id
        and (alert.status <> 'resolved' or alert.triggered_at > p_now - interval '7 days')
        and case p_component_kind
            when 'service' then alert.metric_name like 'pgvigil\_%'
            when 'host' then alert.labels ->> 'host' = p_component_name
            when 'server' then coalesce(alert.labels ->> 'server', 'local') = p_component_name
            else coalesce(alert.labels ->> 'server', 'local') || '/' || (alert.labels ->> 'datname') = p_component_name
        end;
$$;

comment on function monitoring_internal.component_alerts_at(timestamptz, uuid, text, text, text) is
    'How many alerts about a component are open, and when the last one of the last seven days fired.';

-- Write a row for each component, and what the rules store as metrics; returns how many rows.
create or replace function monitoring_internal.collect_system_health_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_scores constant monitoring_internal.health_score[] := array(
        select row(score.*)::monitoring_internal.health_score
        from monitoring_internal.health_scores_at(p_now) as score);
    v_rows integer;
begin
    insert into monitoring.system_health (
        tenant_id, component_kind, component_name, health_status, health_score, coverage_percent, cpu_usage_percent,
        memory_usage_percent, disk_usage_percent, connection_count, active_connections, idle_connections,
        cache_hit_ratio, index_hit_ratio, locks_waiting, deadlocks_count, replication_lag_seconds, custom_metrics,
        points, alerts_active, last_alert_at, collected_at)
    select
        score.tenant_id, score.component_kind, score.component_name, score.health_status, score.health_score,
        score.coverage_percent,
        100 * max(reading.value) filter (where reading.column = 'cpu_usage_percent'),
        100 * max(reading.value) filter (where reading.column = 'memory_usage_percent'),
        100 * max(reading.value) filter (where reading.column = 'disk_usage_percent'),
        max(reading.value) filter (where reading.column = 'connection_count'),
        max(reading.value) filter (where reading.column = 'active_connections'),
        max(reading.value) filter (where reading.column = 'idle_connections'),
        max(reading.value) filter (where reading.column = 'cache_hit_ratio'),
        max(reading.value) filter (where reading.column = 'index_hit_ratio'),
        max(reading.value) filter (where reading.column = 'locks_waiting'),
        max(reading.value) filter (where reading.column = 'deadlocks_count'),
        max(reading.value) filter (where reading.column = 'replication_lag_seconds'),
        coalesce(jsonb_object_agg(reading.rule, reading.value) filter (where reading.rule is not null), '{}'),
        score.points, alert.active, alert.last_at, p_now
    from unnest(v_scores) as score
    cross join lateral monitoring_internal.component_alerts_at(
        p_now, score.tenant_id, score.component_kind, score.component_name, score.server) as alert
    left join lateral jsonb_to_recordset(score.readings) as reading (rule text, value double precision, "column" text)
        on true
    group by score.tenant_id, score.component_kind, score.component_name, score.health_status, score.health_score,
        score.coverage_percent, score.points, alert.active, alert.last_at
    on conflict (component_kind, component_name, collected_at) do nothing;
    get diagnostics v_rows = row_count;
    -- One call a tenant: ingest takes one at a time.
    perform monitoring_internal.ingest_samples_at(
        array_agg(gauge.metric), array_agg(gauge.labels), array_agg(gauge.value),
        array_fill(p_now, array[count(*)::integer]), gauge.tenant_id, p_now)
    from unnest(v_scores) as score
    cross join lateral monitoring_internal.health_gauges(score) as gauge
    group by gauge.tenant_id;
    return v_rows;
end;
$$;

comment on function monitoring_internal.collect_system_health_at(timestamptz) is
    'Judges every component as of a time and writes its row; returns how many rows.';

-- What a score gives as metrics.
create or replace function monitoring_internal.health_gauges(p_score monitoring_internal.health_score)
returns table (tenant_id uuid, metric text, labels jsonb, value double precision)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select p_score.tenant_id, gauge.metric, jsonb_strip_nulls(gauge.labels), gauge.value
    from (
        select 'pgvigil_health_score' as metric, p_score.health_score::double precision as value,
            jsonb_build_object('component_kind', p_score.component_kind, 'component_name', p_score.component_name)
                as labels
        union all
        select 'pgvigil_health_coverage_ratio', p_score.coverage_percent / 100,
            jsonb_build_object('component_kind', p_score.component_kind, 'component_name', p_score.component_name)
        union all
        select reading.gauge, reading.value,
            jsonb_build_object('datname', reading.datname, 'server', p_score.server)
        from jsonb_to_recordset(p_score.readings) as reading (gauge text, value double precision, datname text)
        where reading.gauge is not null
    ) as gauge
    where gauge.value is not null;
$$;

comment on function monitoring_internal.health_gauges(monitoring_internal.health_score) is
    'The metrics that a component''s judgement is stored as.';

-- The same now.
create or replace function monitoring.collect_system_health()
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '16MB'
as $$
    select monitoring_internal.collect_system_health_at(clock_timestamp());
$$;

comment on function monitoring.collect_system_health() is
    'Judges the health of every server, database, host and of pgvigil, and writes a row for each; returns how many. '
    'For monitoring_admin and monitoring_service.';

-- Why a component's newest score is what it is: each point lost, each cap, each thing unknown.
create or replace function monitoring.explain_system_health(component_name text default null)
returns table (
    business_id uuid, component text, health_status text, health_score integer, coverage_percent double precision,
    rule text, value double precision, penalty double precision, cap integer, state text, why text, remedy text,
    collected_at timestamptz)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select health.business_id, health.component_name, health.health_status, health.health_score,
        health.coverage_percent, point.rule, point.value, point.penalty, point.cap, point.state, point.why,
        point.remedy, health.collected_at
    from monitoring.current_health as health
    left join monitoring.system_health_points as point
        on point.component_kind = health.component_kind and point.component_name = health.component_name
            and point.collected_at = health.collected_at
    where explain_system_health.component_name is null
        or health.component_name = explain_system_health.component_name
    order by health.component_kind desc, health.component_name, point.penalty desc nulls last, point.rule;
$$;

comment on function monitoring.explain_system_health(text) is
    'Why the newest score of a component (null: of each) is what it is: points lost, caps, what is unknown, remedies.';
