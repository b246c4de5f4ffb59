-- views/health.sql: health as it is now, each point lost, and the dashboard of all metrics.

create or replace view monitoring_internal.health_rule_inputs as
select rule.name, input.part, input.metric, input.aggregate, input.span, input.matchers
from monitoring.health_rules as rule
cross join lateral (
    select 'own' as part, rule.metric, rule.aggregate, rule.span, rule.matchers
    union all
    -- A counter is divided by counters, all else by what is current.
    select 'divisor', divisor.metric, case when rule.aggregate = 'increase' then 'increase' else 'last' end,
        rule.span, '{}'
    from unnest(rule.divisor) as divisor (metric)
    union all
    select 'witness', rule.witness, 'last', rule.span, '{}'
    where rule.witness is not null
) as input
where rule.is_enabled;

comment on view monitoring_internal.health_rule_inputs is
    'The metrics that each rule reads: its own, those it is divided by, and the one that tells its collector runs.';
comment on column monitoring_internal.health_rule_inputs.name is 'The rule.';
comment on column monitoring_internal.health_rule_inputs.part is 'own, divisor or witness.';
comment on column monitoring_internal.health_rule_inputs.metric is 'The metric.';
comment on column monitoring_internal.health_rule_inputs.aggregate is 'last, average, maximum, increase or lost.';
comment on column monitoring_internal.health_rule_inputs.span is 'The time looked at.';
comment on column monitoring_internal.health_rule_inputs.matchers is 'Labels its series must have.';

create or replace view monitoring.current_health with (security_invoker = true) as
select
    newest.tenant_id as business_id,
    newest.component_kind,
    newest.component_type,
    newest.component_name,
    case when stale.is_stale then 'unknown' else newest.health_status end as health_status,
    case when not stale.is_stale then newest.health_score end as health_score,
    newest.coverage_percent,
    newest.cpu_usage_percent,
    newest.memory_usage_percent,
    newest.disk_usage_percent,
    newest.connection_count,
    newest.active_connections,
    newest.idle_connections,
    newest.cache_hit_ratio,
    newest.index_hit_ratio,
    newest.locks_waiting,
    newest.deadlocks_count,
    newest.replication_lag_seconds,
    newest.alerts_active,
    newest.last_alert_at,
    stale.is_stale,
    newest.collected_at
from (
    select distinct on (health.component_kind, health.component_name) health.*
    from monitoring.system_health as health
    where health.collected_at > now() - interval '1 day'
    order by health.component_kind, health.component_name, health.collected_at desc
) as newest
cross join lateral (
    select newest.collected_at < now() - monitoring_internal.setting_interval('store.stale_after') as is_stale
) as stale;

comment on view monitoring.current_health is
    'Newest health of each component of the last day; unknown once it is stale. Why: explain_system_health().';
comment on column monitoring.current_health.business_id is 'The tenant.';
comment on column monitoring.current_health.component_kind is 'server, database, host or service.';
comment on column monitoring.current_health.component_type is 'database, infrastructure or application.';
comment on column monitoring.current_health.component_name is 'Its name.';
comment on column monitoring.current_health.health_status is 'healthy, warning, critical or unknown.';
comment on column monitoring.current_health.health_score is '0 to 100; null when unknown.';
comment on column monitoring.current_health.coverage_percent is 'How much of the rules'' weight could be judged.';
comment on column monitoring.current_health.is_stale is 'Whether nobody judged it lately.';
comment on column monitoring.current_health.collected_at is 'When it was judged.';

create or replace view monitoring.system_health_points with (security_invoker = true) as
select
    health.tenant_id as business_id,
    health.component_kind,
    health.component_name,
    health.health_status,
    health.health_score,
    point.rule,
    point.value,
    point.penalty,
    point.cap,
    point.state,
    point.why,
    point.remedy,
    health.collected_at
from monitoring.system_health as health
cross join lateral jsonb_to_recordset(health.points) as point (
    rule text, value double precision, penalty double precision, cap integer, state text, why text, remedy text);

comment on view monitoring.system_health_points is
    'Each point that a component lost, and each rule that could not be judged, at each time.';
comment on column monitoring.system_health_points.business_id is 'The tenant.';
comment on column monitoring.system_health_points.rule is 'The rule, of health_rules.';
comment on column monitoring.system_health_points.value is 'The value that it read; null when unknown.';
comment on column monitoring.system_health_points.penalty is 'Points lost.';
comment on column monitoring.system_health_points.cap is 'Highest score that this allows, where it caps it.';
comment on column monitoring.system_health_points.state is
    'known; unknown: it should be there and is not; elsewhere: it is about a machine that no service sees.';
comment on column monitoring.system_health_points.why is 'What is wrong, or why nothing is known.';
comment on column monitoring.system_health_points.remedy is 'What to do.';
comment on column monitoring.system_health_points.collected_at is 'When it was judged.';

-- A barrier with the owner's rights, since samples are granted to nobody.
create or replace view monitoring.system_dashboard with (security_barrier = true) as
with recent as (
    select
        series.tenant_id,
        series.metric_family_id,
        avg(sample.value) as avg_value,
        max(sample.value) as max_value,
        min(sample.value) as min_value,
        count(*) as sample_count,
        max(sample.sampled_at) as last_updated
    from monitoring.series as series
    inner join monitoring.metric_families as family
        on family.metric_family_id = series.metric_family_id and family.kind in ('gauge', 'unknown')
    inner join monitoring_internal.raw_points as sample on sample.series_id = series.series_id
    where sample.sampled_at > now() - interval '15 minutes'
        and series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    group by series.tenant_id, series.metric_family_id
), silent as (
    select series.series_id, series.tenant_id, series.metric_family_id
    from monitoring.series as series
    inner join monitoring.metric_families as family
        on family.metric_family_id = series.metric_family_id and family.kind in ('gauge', 'unknown')
    where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
        and not exists (
            select 1 from recent
            where recent.tenant_id = series.tenant_id and recent.metric_family_id = series.metric_family_id)
), gone as (
    select seen.tenant_id, seen.metric_family_id, max(seen.sampled_at) as last_updated
    from (
        select silent.tenant_id, silent.metric_family_id, newest.sampled_at
        from silent
        cross join lateral (
            select sample.sampled_at
            from monitoring.samples as sample
            where sample.series_id = silent.series_id and sample.sampled_at > now() - interval '1 day'
            order by sample.sampled_at desc
            limit 1
        ) as newest
        union all
        select silent.tenant_id, silent.metric_family_id, point.sampled_at
        from silent
        inner join monitoring_internal.appended_points as point on point.series_id = silent.series_id
        where point.sampled_at > now() - interval '1 day'
    ) as seen
    group by seen.tenant_id, seen.metric_family_id
), shown as (
    select * from recent
    union all
    select gone.tenant_id, gone.metric_family_id, null, null, null, 0, gone.last_updated from gone
)
select
    shown.tenant_id as business_id,
    family.category as metric_category,
    family.name as metric_name,
    shown.avg_value,
    shown.max_value,
    shown.min_value,
    shown.sample_count,
    case
        when stale.is_stale then 'unknown'
        else coalesce(monitoring_internal.health_level(shown.avg_value, band.warning, band.critical), 'unknown')
    end as health_status,
    shown.last_updated,
    stale.is_stale,
    family.unit as metric_unit
from shown
inner join monitoring.metric_families as family on family.metric_family_id = shown.metric_family_id
cross join lateral (
    select shown.last_updated < now() - coalesce(
        family.stale_after, (select monitoring_internal.setting_interval('store.stale_after'))) as is_stale
) as stale
left join lateral (
    select rule.warning, rule.critical
    from monitoring.health_rules as rule
    where rule.is_enabled and rule.warning is not null
        and (rule.gauge = family.name
            or rule.metric = family.name and rule.divisor = '{}' and rule.matchers = '{}'
                and rule.aggregate in ('last', 'average', 'maximum'))
    order by rule.gauge = family.name desc nulls last, rule.name
    limit 1
) as band on true;

comment on view monitoring.system_dashboard is
    'Gauges of the last 15 minutes by tenant and metric, judged by the bounds in health_rules; unknown where there are '
    'none, or nothing came. Counters are left out: their average says nothing. Not ordered: a view promises no order.';
comment on column monitoring.system_dashboard.business_id is 'The tenant.';
comment on column monitoring.system_dashboard.metric_category is 'Category of the metric.';
comment on column monitoring.system_dashboard.metric_name is 'Its name.';
comment on column monitoring.system_dashboard.avg_value is 'Average over all its series.';
comment on column monitoring.system_dashboard.max_value is 'Largest value.';
comment on column monitoring.system_dashboard.min_value is 'Smallest value.';
comment on column monitoring.system_dashboard.sample_count is 'Samples in that time.';
comment on column monitoring.system_dashboard.health_status is
    'healthy, warning or critical by the average; unknown without bounds, and when stale.';
comment on column monitoring.system_dashboard.last_updated is 'Time of the newest sample.';
comment on column monitoring.system_dashboard.is_stale is 'Whether that is too long ago.';
comment on column monitoring.system_dashboard.metric_unit is 'Unit of the values.';
