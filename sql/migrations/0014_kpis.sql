-- 0014: business metrics: what is measured (definitions as data), for whom and when, and one row a period.

alter table monitoring.tenants
    add column industry_vertical text,
    add column time_zone text not null default 'UTC',
    add constraint tenants_industry_vertical_check check (industry_vertical ~ '^[a-z][a-z0-9_]{0,29}$');
comment on column monitoring.tenants.industry_vertical is
    'Its industry, such as hs, auto, rest, banking or retail: which KPI definitions apply to it; null for none.';
comment on column monitoring.tenants.time_zone is 'Zone in which its hours, days, weeks and months begin.';

create table monitoring.kpi_definitions (
    kpi_definition_id integer generated always as identity,
    name text not null,
    tenant_id uuid,
    industry_vertical text,
    category text not null,
    unit text not null default '',
    description text not null default '',
    query text not null,
    value_kind text not null default 'period',
    time_period text not null default 'daily',
    direction text not null default 'higher_is_better',
    target_value numeric,
    alert_threshold numeric,
    stable_within_percent numeric not null default 1,
    requires text[] not null default '{}',
    every interval not null default '15 min',
    timeout interval not null default '10s',
    is_kpi boolean not null default true,
    is_enabled boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint kpi_definitions_pkey primary key (kpi_definition_id),
    constraint kpi_definitions_name_tenant_id_industry_vertical_key
        unique nulls not distinct (name, tenant_id, industry_vertical),
    constraint kpi_definitions_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint kpi_definitions_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    constraint kpi_definitions_industry_vertical_check check (industry_vertical ~ '^[a-z][a-z0-9_]{0,29}$'),
    constraint kpi_definitions_category_check
        check (category in ('revenue', 'users', 'orders', 'performance', 'operations', 'financial')),
    constraint kpi_definitions_query_check check (length(query) between 1 and 20000),
    constraint kpi_definitions_value_kind_check check (value_kind in ('instant', 'period')),
    constraint kpi_definitions_time_period_check
        check (time_period in ('hourly', 'daily', 'weekly', 'monthly')),
    constraint kpi_definitions_direction_check check (direction in ('higher_is_better', 'lower_is_better')),
    constraint kpi_definitions_stable_within_percent_check check (stable_within_percent >= 0),
    constraint kpi_definitions_requires_check check (array_position(requires, null) is null),
    constraint kpi_definitions_every_check check (every between interval '1 minute' and interval '31 days'),
    constraint kpi_definitions_timeout_check
        check (timeout between interval '10 milliseconds' and interval '5 minutes')
);
create index kpi_definitions_tenant_id_idx on monitoring.kpi_definitions (tenant_id);

comment on table monitoring.kpi_definitions is
    'Business metrics as data: insert a row and it is measured. Written by monitoring_admin alone: its query runs with '
    'the rights of monitoring_owner, read-only. Of several of one name a tenant''s own counts, then its industry''s.';
comment on column monitoring.kpi_definitions.kpi_definition_id is 'Key.';
comment on column monitoring.kpi_definitions.name is 'Name of the metric.';
comment on column monitoring.kpi_definitions.tenant_id is
    'The one tenant it is for; null for all, or all of the industry.';
comment on column monitoring.kpi_definitions.industry_vertical is
    'The industry whose tenants it is for; null for every tenant but the system''s.';
comment on column monitoring.kpi_definitions.category is
    'revenue, users, orders, performance, operations or financial.';
comment on column monitoring.kpi_definitions.unit is 'Unit of the value.';
comment on column monitoring.kpi_definitions.description is 'How it is computed, for people.';
comment on column monitoring.kpi_definitions.query is
    'One SELECT that gives one row with one number; $1 is the tenant, $2 and $3 begin and end of the period. '
    'Names need their schema: the search path is pg_catalog.';
comment on column monitoring.kpi_definitions.value_kind is
    'period: a sum over the period, measured again once that has ended; instant: how it stands, the last one kept.';
comment on column monitoring.kpi_definitions.time_period is
    'hourly, daily, weekly (from Monday) or monthly, in the tenant''s time zone.';
comment on column monitoring.kpi_definitions.direction is 'higher_is_better or lower_is_better.';
comment on column monitoring.kpi_definitions.target_value is 'What is aimed at; null for no target.';
comment on column monitoring.kpi_definitions.alert_threshold is 'From where on it is alarming; null for nowhere.';
comment on column monitoring.kpi_definitions.stable_within_percent is 'A change up to so many percent is no trend.';
comment on column monitoring.kpi_definitions.requires is
    'Relations the query needs, as schema.name: without one of them it is unavailable, which is no failure.';
comment on column monitoring.kpi_definitions.every is 'How often it is measured.';
comment on column monitoring.kpi_definitions.timeout is 'The service cancels it after this.';
comment on column monitoring.kpi_definitions.is_kpi is 'Whether business_kpi_dashboard shows it.';
comment on column monitoring.kpi_definitions.is_enabled is 'False: it is not measured.';
comment on column monitoring.kpi_definitions.created_at is 'When it was made.';
comment on column monitoring.kpi_definitions.updated_at is 'When it changed last.';

create sequence monitoring_internal.kpi_fence;

create table monitoring.kpi_states (
    kpi_definition_id integer not null,
    tenant_id uuid not null,
    next_due_at timestamptz not null default '-infinity',
    lease_expires_at timestamptz,
    lease_instance_id uuid,
    fence bigint,
    status text not null default 'waiting',
    reason text,
    remedy text,
    sqlstate text,
    finished_at timestamptz,
    last_ok_at timestamptz,
    duration_seconds double precision,
    consecutive_failures integer not null default 0,
    constraint kpi_states_pkey primary key (kpi_definition_id, tenant_id),
    constraint kpi_states_kpi_definition_id_fkey foreign key (kpi_definition_id)
        references monitoring.kpi_definitions (kpi_definition_id) on delete cascade,
    constraint kpi_states_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint kpi_states_status_check
        check (status in ('waiting', 'ok', 'no_data', 'unavailable', 'skipped', 'failed', 'timed_out'))
) with (fillfactor = 50);
create index kpi_states_tenant_id_idx on monitoring.kpi_states (tenant_id);

comment on table monitoring.kpi_states is
    'One row a KPI and tenant: when it is due, who measures it now, how that ended last. Shown by kpi_status.';
comment on column monitoring.kpi_states.kpi_definition_id is 'The KPI.';
comment on column monitoring.kpi_states.tenant_id is 'For whom it is measured.';
comment on column monitoring.kpi_states.next_due_at is 'When it is due.';
comment on column monitoring.kpi_states.lease_expires_at is 'Until when somebody has it in hand; null: nobody has.';
comment on column monitoring.kpi_states.lease_instance_id is 'Which service has; null for a caller in SQL.';
comment on column monitoring.kpi_states.fence is 'Number of that claim; reports with an older one are refused.';
comment on column monitoring.kpi_states.status is
    'waiting: not tried yet; ok; no_data: it gave no row or null; unavailable: a relation or a right is missing; '
    'skipped: cut off with the call it was part of; failed; timed_out.';
comment on column monitoring.kpi_states.reason is 'Why it is not ok.';
comment on column monitoring.kpi_states.sqlstate is 'SQLSTATE it ended with.';
comment on column monitoring.kpi_states.finished_at is 'When it was tried last.';
comment on column monitoring.kpi_states.last_ok_at is 'When it gave a number last.';
comment on column monitoring.kpi_states.duration_seconds is 'How long it took last.';
comment on column monitoring.kpi_states.remedy is 'The statement that mends it, where one does.';
comment on column monitoring.kpi_states.consecutive_failures is
    'Failures since the last good run; each doubles the wait.';

create table monitoring.business_metrics (
    business_metric_id uuid not null default gen_random_uuid(),
    tenant_id uuid not null,
    metric_name text not null,
    metric_category text not null,
    industry_vertical text not null,
    current_value numeric not null,
    previous_value numeric,
    target_value numeric,
    time_period text not null,
    period_start timestamptz not null,
    period_until timestamptz not null,
    is_partial boolean not null,
    direction text not null,
    trend_direction text,
    percentage_change numeric,
    achievement_percentage numeric,
    is_target_met boolean,
    is_kpi boolean not null default false,
    is_breached boolean,
    alert_threshold numeric,
    unit text not null default '',
    calculation_method text not null default '',
    data_sources jsonb not null default '[]',
    dimensions jsonb not null default '{}',
    measured_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint business_metrics_pkey primary key (business_metric_id, period_start),
    constraint business_metrics_tenant_id_metric_name_time_period_key
        unique (tenant_id, metric_name, time_period, period_start),
    constraint business_metrics_period_check check (period_until > period_start),
    constraint business_metrics_time_period_check
        check (time_period in ('hourly', 'daily', 'weekly', 'monthly')),
    constraint business_metrics_trend_direction_check check (trend_direction in ('up', 'down', 'stable'))
) partition by range (period_start);
create index business_metrics_period_until_idx on monitoring.business_metrics (period_until);

create table monitoring_partitions.business_metrics_default partition of monitoring.business_metrics default;

comment on table monitoring.business_metrics is
    'Values of the KPIs: one row a tenant, metric and period, brought up to date by each run.';
comment on column monitoring.business_metrics.business_metric_id is 'Key, with period_start.';
comment on column monitoring.business_metrics.tenant_id is 'Whose business.';
comment on column monitoring.business_metrics.metric_name is 'Name of the KPI.';
comment on column monitoring.business_metrics.metric_category is
    'revenue, users, orders, performance, operations or financial.';
comment on column monitoring.business_metrics.industry_vertical is 'The tenant''s industry; general for none.';
comment on column monitoring.business_metrics.current_value is 'The value, in the unit.';
comment on column monitoring.business_metrics.previous_value is 'The value of the period before; null when unknown.';
comment on column monitoring.business_metrics.target_value is 'The target when it was measured.';
comment on column monitoring.business_metrics.time_period is 'hourly, daily, weekly or monthly.';
comment on column monitoring.business_metrics.period_start is 'Begin of the period.';
comment on column monitoring.business_metrics.period_until is 'End of the period; lies ahead while is_partial.';
comment on column monitoring.business_metrics.is_partial is 'True until it was measured after the period''s end.';
comment on column monitoring.business_metrics.direction is 'higher_is_better or lower_is_better.';
comment on column monitoring.business_metrics.trend_direction is
    'up, down or stable against the period before; null when that is unknown, or while a sum still grows.';
comment on column monitoring.business_metrics.percentage_change is 'The same in percent of the value before.';
comment on column monitoring.business_metrics.achievement_percentage is
    'Percent of the target; where lower is better 100 at the target and 0 at twice it. Null for targets of 0 or less.';
comment on column monitoring.business_metrics.is_target_met is 'Whether the value is on the good side of the target.';
comment on column monitoring.business_metrics.is_kpi is 'Whether business_kpi_dashboard shows it.';
comment on column monitoring.business_metrics.is_breached is 'Whether it is on the bad side of alert_threshold.';
comment on column monitoring.business_metrics.alert_threshold is 'From where on it is alarming.';
comment on column monitoring.business_metrics.unit is 'Unit of the value.';
comment on column monitoring.business_metrics.calculation_method is 'How it is computed.';
comment on column monitoring.business_metrics.data_sources is 'The relations it is read from.';
comment on column monitoring.business_metrics.dimensions is 'What the value is about besides; an object.';
comment on column monitoring.business_metrics.measured_at is 'When it was measured last.';
comment on column monitoring.business_metrics.created_at is 'When the row was made.';
comment on column monitoring.business_metrics.updated_at is 'When it changed last.';
comment on table monitoring_partitions.business_metrics_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create type monitoring_internal.claimed_kpi as (
    kpi_definition_id integer, tenant_id uuid, name text, tenant_name text, fence bigint, statement_timeout_ms bigint
);
comment on type monitoring_internal.claimed_kpi is
    'A KPI of a tenant that was leased, with the time limit to set before it runs.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, lookback, retention) values
    ('monitoring.business_metrics', '1 month', 2, 1, '1825 days');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('kpi.lease_grace', '10s', '10s', 'interval', '1s', '1h',
        'How long beyond its time limit a claimed KPI is left to its instance before another may claim it.'),
    ('kpi.backoff_limit', '1day', '1day', 'interval', '1min', '31days',
        'Longest wait of a KPI that keeps failing; each failure in a row doubles it.');

-- Two examples: silent until their relations are there.
insert into monitoring.kpi_definitions
    (name, industry_vertical, category, unit, description, query, value_kind, time_period, direction, requires)
values
    ('active_work_orders', 'hs', 'operations', 'orders',
        'All open work orders, scheduled or in progress, however old.',
        'select count(*) from hs.work_orders as o where o.business_id = $1 '
            'and o.status in (''scheduled'', ''in_progress'')',
        'instant', 'hourly', 'higher_is_better', '{hs.work_orders}'),
    ('transaction_volume', 'banking', 'financial', 'currency units',
        'Sum of the absolute amounts of transactions completed in the period.',
        'select coalesce(sum(abs(t.amount)), 0) from banking.transactions as t where t.business_id = $1 '
            'and t.status = ''completed'' and t.created_at >= $2 and t.created_at < $3',
        'period', 'hourly', 'higher_is_better', '{banking.transactions}');
