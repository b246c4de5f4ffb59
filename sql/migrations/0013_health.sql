-- 0013: health of servers, databases, hosts and of pgvigil itself: rules as data, one row a component and minute.

create table monitoring.health_rules (
    name text not null,
    component_kind text not null,
    metric text not null,
    matchers jsonb not null default '{}',
    divisor text[] not null default '{}',
    witness text,
    empty_value double precision,
    aggregate text not null default 'last',
    combine text not null default 'sum',
    span interval not null default '5 min',
    identity_labels text[] not null default '{}',
    warning double precision,
    critical double precision,
    direction text generated always as (
        case when critical > warning then 'lower_is_better' when critical < warning then 'higher_is_better' end) stored,
    weight double precision not null default 0,
    cap integer,
    is_required boolean not null default false,
    is_of_host boolean not null default false,
    gauge text,
    health_column text,
    description text not null,
    remedy text not null default '',
    is_enabled boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint health_rules_pkey primary key (name),
    constraint health_rules_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    constraint health_rules_component_kind_check check (component_kind in ('server', 'database', 'host', 'service')),
    constraint health_rules_aggregate_check
        check (aggregate in ('last', 'average', 'maximum', 'increase', 'lost')),
    constraint health_rules_combine_check check (combine in ('sum', 'maximum', 'minimum', 'average')),
    constraint health_rules_span_check check (span between interval '10 seconds' and interval '7 days'),
    constraint health_rules_critical_check check (warning <> critical),
    constraint health_rules_weight_check check (weight between 0 and 1000),
    constraint health_rules_cap_check check (cap between 0 and 100),
    constraint health_rules_levels_check check ((warning is null) = (critical is null))
);
create index health_rules_metric_idx on monitoring.health_rules (metric);

comment on table monitoring.health_rules is
    'What health is judged by: a metric, from where on it costs points, and how many. Change or add rows freely.';
comment on column monitoring.health_rules.name is 'Name of the rule.';
comment on column monitoring.health_rules.component_kind is 'server, database, host or service.';
comment on column monitoring.health_rules.metric is 'The metric that is read.';
comment on column monitoring.health_rules.matchers is 'Labels its series must have.';
comment on column monitoring.health_rules.divisor is 'Metrics whose sum it is divided by, read the same way; none: {}.';
comment on column monitoring.health_rules.witness is
    'A metric of the same collector that is always there: while it is current, no series of the metric means none.';
comment on column monitoring.health_rules.empty_value is 'The value then; null: the rule does not apply.';
comment on column monitoring.health_rules.aggregate is
    'last, average, maximum, increase (of a counter, resets regarded), or lost: series there during the span and gone.';
comment on column monitoring.health_rules.combine is 'How several series become one value.';
comment on column monitoring.health_rules.span is 'The time that is looked at; last looks at the newest sample.';
comment on column monitoring.health_rules.identity_labels is 'For lost: the labels that tell who a series is about.';
comment on column monitoring.health_rules.warning is
    'A quarter of the weight is lost here; null: presence alone counts.';
comment on column monitoring.health_rules.critical is 'All of the weight is lost from here on.';
comment on column monitoring.health_rules.direction is 'lower_is_better or higher_is_better, by the two bounds.';
comment on column monitoring.health_rules.weight is 'Share in the score; 0: the value is only shown.';
comment on column monitoring.health_rules.cap is 'Highest score while the value is critical; null: no cap.';
comment on column monitoring.health_rules.is_required is 'Whether the component cannot be healthy while it is unknown.';
comment on column monitoring.health_rules.is_of_host is 'Whether it is read from the machine the server runs on.';
comment on column monitoring.health_rules.gauge is 'Name under which the value is stored as a metric; null: it is not.';
comment on column monitoring.health_rules.health_column is 'Column of system_health that shows the value.';
comment on column monitoring.health_rules.description is 'What is wrong when it costs points.';
comment on column monitoring.health_rules.remedy is 'What to do then.';
comment on column monitoring.health_rules.is_enabled is 'Whether it counts.';
comment on column monitoring.health_rules.created_at is 'When it was made.';
comment on column monitoring.health_rules.updated_at is 'When it changed last.';

create table monitoring.service_hosts (
    host_name text not null,
    is_database_host boolean not null,
    reason text,
    data_directory text,
    reported_at timestamptz not null,
    constraint service_hosts_pkey primary key (host_name)
);

comment on table monitoring.service_hosts is
    'Machines on which a service measures processor, memory and disks, and whether the database''s server runs there.';
comment on column monitoring.service_hosts.host_name is 'Name of the machine; label host of its metrics.';
comment on column monitoring.service_hosts.is_database_host is
    'Whether it was proven to be the server''s machine; else its figures say nothing about the server.';
comment on column monitoring.service_hosts.reason is 'Why not.';
comment on column monitoring.service_hosts.data_directory is 'The server''s data directory, where it is there.';
comment on column monitoring.service_hosts.reported_at is 'When a service there reported last.';

create table monitoring.system_health (
    system_health_id uuid not null default gen_random_uuid(),
    tenant_id uuid not null,
    component_kind text not null,
    component_type text not null generated always as (
        case component_kind when 'host' then 'infrastructure' when 'service' then 'application' else 'database' end)
        stored,
    component_name text not null,
    health_status text not null,
    health_score integer,
    coverage_percent double precision not null,
    cpu_usage_percent double precision,
    memory_usage_percent double precision,
    disk_usage_percent double precision,
    connection_count double precision,
    active_connections double precision,
    idle_connections double precision,
    cache_hit_ratio double precision,
    index_hit_ratio double precision,
    locks_waiting double precision,
    deadlocks_count double precision,
    replication_lag_seconds double precision,
    custom_metrics jsonb not null default '{}',
    points jsonb not null default '[]',
    alerts_active integer,
    last_alert_at timestamptz,
    collected_at timestamptz not null,
    created_at timestamptz not null default now(),
    constraint system_health_pkey primary key (system_health_id, collected_at),
    constraint system_health_component_kind_component_name_collected_at_key
        unique (component_kind, component_name, collected_at),
    constraint system_health_component_kind_check check (component_kind in ('server', 'database', 'host', 'service')),
    constraint system_health_health_status_check
        check (health_status in ('healthy', 'warning', 'critical', 'unknown')),
    constraint system_health_health_score_check check (health_score between 0 and 100)
) partition by range (collected_at);
create index system_health_tenant_id_collected_at_idx on monitoring.system_health (tenant_id, collected_at);

create table monitoring_partitions.system_health_default partition of monitoring.system_health default;

comment on table monitoring.system_health is
    'Health of each component at each run of collect_system_health(). What is unknown is null, never taken for good.';
comment on column monitoring.system_health.system_health_id is 'Key, with collected_at.';
comment on column monitoring.system_health.tenant_id is 'Whose component it is.';
comment on column monitoring.system_health.component_kind is 'server, database, host or service.';
comment on column monitoring.system_health.component_type is 'database, infrastructure or application.';
comment on column monitoring.system_health.component_name is
    'Name of the server (local is this one), server/database, name of the host, or pgvigil.';
comment on column monitoring.system_health.health_status is
    'healthy, warning, critical, or unknown: too little is known, or nothing bad is, and something needed is not.';
comment on column monitoring.system_health.health_score is '0 to 100; null while too little is known.';
comment on column monitoring.system_health.coverage_percent is 'How much of the rules'' weight could be judged.';
comment on column monitoring.system_health.cpu_usage_percent is 'Processor in use on its machine; null when unknown.';
comment on column monitoring.system_health.memory_usage_percent is 'Memory in use on its machine.';
comment on column monitoring.system_health.disk_usage_percent is 'Use of the filesystem of the data directory.';
comment on column monitoring.system_health.connection_count is 'Connections.';
comment on column monitoring.system_health.active_connections is 'Sessions that execute, pgvigil''s left out.';
comment on column monitoring.system_health.idle_connections is 'Sessions that are idle, pgvigil''s left out.';
comment on column monitoring.system_health.cache_hit_ratio is
    'Blocks found in shared buffers by blocks asked for, in the rule''s span; null when none was.';
comment on column monitoring.system_health.index_hit_ratio is 'The same for blocks of indexes.';
comment on column monitoring.system_health.locks_waiting is 'Sessions that wait for a lock.';
comment on column monitoring.system_health.deadlocks_count is 'Deadlocks in the rule''s span.';
comment on column monitoring.system_health.replication_lag_seconds is
    'Lag of the standby, or of the worst of its standbys.';
comment on column monitoring.system_health.custom_metrics is 'Value of each rule by its name.';
comment on column monitoring.system_health.points is
    'Each point lost and each thing unknown; see system_health_points.';
comment on column monitoring.system_health.alerts_active is 'Open alerts; null as long as nothing evaluates any.';
comment on column monitoring.system_health.last_alert_at is 'When the last one fired; null likewise.';
comment on column monitoring.system_health.collected_at is 'When it was judged.';
comment on column monitoring.system_health.created_at is 'When the row was written.';
comment on table monitoring_partitions.system_health_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, retention) values
    ('monitoring.system_health', '1 day', 3, '30 days');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('health.minimum_coverage', '60', '60', 'number', '0', '100',
        'Percent of the rules'' weight that must be known for a score; below it the status is unknown.'),
    ('health.warning_score', '80', '80', 'number', '0', '100', 'A score below it is a warning.'),
    ('health.critical_score', '50', '50', 'number', '0', '100', 'A score below it is critical.');

create type monitoring_internal.health_score as (
    component_kind text, component_name text, tenant_id uuid, server text, health_score integer,
    coverage_percent double precision, health_status text, points jsonb, readings jsonb
);
comment on type monitoring_internal.health_score is
    'Judgement of a component: score, coverage, status, each point lost, and the value of each rule.';
