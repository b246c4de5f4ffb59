-- views/kpis.sql: which KPI applies to whom, how each stands, and the dashboard of their values.

create or replace view monitoring_internal.kpi_targets as
select
    applicable.kpi_definition_id, applicable.name, applicable.query, applicable.value_kind, applicable.time_period,
    applicable.requires, applicable.every, applicable.timeout, applicable.updated_at, applicable.tenant_id,
    applicable.tenant_name, applicable.tenant_industry, applicable.time_zone
from (
    select distinct on (tenant.tenant_id, definition.name)
        definition.kpi_definition_id, definition.name, definition.query, definition.value_kind,
        definition.time_period, definition.requires, definition.every, definition.timeout, definition.updated_at,
        definition.is_enabled, tenant.tenant_id, tenant.name as tenant_name,
        tenant.industry_vertical as tenant_industry, tenant.time_zone
    from monitoring.kpi_definitions as definition
    inner join monitoring.tenants as tenant
        on tenant.is_active
        and case
            when definition.tenant_id is not null then definition.tenant_id = tenant.tenant_id
            when definition.industry_vertical is not null
                then definition.industry_vertical = tenant.industry_vertical
            else not tenant.is_system
        end
    order by tenant.tenant_id, definition.name, definition.tenant_id is null, definition.industry_vertical is null
) as applicable
where applicable.is_enabled;

comment on view monitoring_internal.kpi_targets is
    'KPIs by the tenants they apply to: of one name a tenant''s own before its industry''s before that for all.';
comment on column monitoring_internal.kpi_targets.kpi_definition_id is 'The KPI.';
comment on column monitoring_internal.kpi_targets.name is 'Its name.';
comment on column monitoring_internal.kpi_targets.query is 'Its query.';
comment on column monitoring_internal.kpi_targets.value_kind is 'instant or period.';
comment on column monitoring_internal.kpi_targets.time_period is 'hourly, daily, weekly or monthly.';
comment on column monitoring_internal.kpi_targets.requires is 'Relations it needs.';
comment on column monitoring_internal.kpi_targets.every is 'How often it is measured.';
comment on column monitoring_internal.kpi_targets.timeout is 'Its time limit.';
comment on column monitoring_internal.kpi_targets.updated_at is 'When the definition changed last.';
comment on column monitoring_internal.kpi_targets.tenant_id is 'The tenant.';
comment on column monitoring_internal.kpi_targets.tenant_name is 'Its name.';
comment on column monitoring_internal.kpi_targets.tenant_industry is 'Its industry.';
comment on column monitoring_internal.kpi_targets.time_zone is 'Its time zone.';

-- A barrier with the owner's rights: definitions themselves are for administrators.
create or replace view monitoring.kpi_status with (security_barrier = true) as
select
    state.tenant_id,
    tenant.name as tenant_name,
    definition.name as metric_name,
    definition.category as metric_category,
    coalesce(definition.industry_vertical, tenant.industry_vertical) as industry_vertical,
    state.status,
    state.reason,
    state.remedy,
    state.sqlstate,
    state.finished_at,
    state.last_ok_at,
    state.next_due_at,
    state.consecutive_failures,
    definition.description
from monitoring.kpi_states as state
inner join monitoring.kpi_definitions as definition using (kpi_definition_id)
inner join monitoring.tenants as tenant on tenant.tenant_id = state.tenant_id
where state.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.kpi_status is
    'How the measuring of each KPI and tenant ended last, of the tenants that the reader sees, and what mends it.';
comment on column monitoring.kpi_status.tenant_id is 'For whom.';
comment on column monitoring.kpi_status.tenant_name is 'Its name.';
comment on column monitoring.kpi_status.metric_name is 'Name of the KPI.';
comment on column monitoring.kpi_status.metric_category is 'Its category.';
comment on column monitoring.kpi_status.industry_vertical is 'The industry.';
comment on column monitoring.kpi_status.status is
    'waiting, ok, no_data, unavailable, skipped, failed or timed_out.';
comment on column monitoring.kpi_status.reason is 'Why it is not ok.';
comment on column monitoring.kpi_status.remedy is 'The statement that mends it, where one does.';
comment on column monitoring.kpi_status.sqlstate is 'SQLSTATE it ended with.';
comment on column monitoring.kpi_status.finished_at is 'When it was tried last.';
comment on column monitoring.kpi_status.last_ok_at is 'When it gave a number last.';
comment on column monitoring.kpi_status.next_due_at is 'When it is tried next.';
comment on column monitoring.kpi_status.consecutive_failures is 'Failures since.';
comment on column monitoring.kpi_status.description is 'How it is computed.';

create or replace view monitoring.business_kpi_dashboard with (security_invoker = true) as
select
    metric.tenant_id as business_id,
    metric.industry_vertical,
    metric.metric_category,
    metric.metric_name,
    metric.current_value,
    metric.target_value,
    metric.achievement_percentage,
    metric.trend_direction,
    metric.percentage_change,
    metric.period_start,
    metric.period_until as period_end,
    metric.time_period,
    metric.is_partial,
    metric.previous_value,
    metric.is_target_met,
    metric.is_breached,
    metric.unit,
    metric.measured_at as last_updated
from monitoring.business_metrics as metric
where metric.is_kpi and metric.period_until > now() - interval '24 hours';

comment on view monitoring.business_kpi_dashboard is
    'KPIs of the periods that run, or that ended in the last 24 hours, of the tenants that the reader sees.';
comment on column monitoring.business_kpi_dashboard.business_id is 'The tenant.';
comment on column monitoring.business_kpi_dashboard.industry_vertical is 'Its industry; general for none.';
comment on column monitoring.business_kpi_dashboard.metric_category is 'Category of the KPI.';
comment on column monitoring.business_kpi_dashboard.metric_name is 'Its name.';
comment on column monitoring.business_kpi_dashboard.current_value is 'The value of the period.';
comment on column monitoring.business_kpi_dashboard.target_value is 'The target.';
comment on column monitoring.business_kpi_dashboard.achievement_percentage is
    'Percent of the target, by the direction; null for targets of 0 or less.';
comment on column monitoring.business_kpi_dashboard.trend_direction is 'up, down or stable.';
comment on column monitoring.business_kpi_dashboard.percentage_change is 'Change against the period before.';
comment on column monitoring.business_kpi_dashboard.period_start is 'Begin of the period.';
comment on column monitoring.business_kpi_dashboard.period_end is 'End of the period.';
comment on column monitoring.business_kpi_dashboard.time_period is 'hourly, daily, weekly or monthly.';
comment on column monitoring.business_kpi_dashboard.is_partial is 'Whether the period was not over yet.';
comment on column monitoring.business_kpi_dashboard.previous_value is 'Value of the period before.';
comment on column monitoring.business_kpi_dashboard.is_target_met is 'Whether the target is met.';
comment on column monitoring.business_kpi_dashboard.is_breached is 'Whether it is alarming.';
comment on column monitoring.business_kpi_dashboard.unit is 'Unit of the value.';
comment on column monitoring.business_kpi_dashboard.last_updated is 'When it was measured last.';
