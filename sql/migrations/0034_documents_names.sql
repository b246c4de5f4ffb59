-- 0034: what the wide names over the store need beside series and samples: who reports, what its metrics are called,
-- and what a row carries that no series can.

create table monitoring.platforms (
    platform_id integer generated always as identity,
    tenant_id uuid not null,
    platform_name text not null,
    display_name text not null,
    category text,
    api_endpoint text,
    api_version text,
    auth_method text,
    credentials text,
    rate_limits jsonb not null default '{}',
    collection_config jsonb not null default '{}',
    priority integer not null default 1,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint platforms_pkey primary key (platform_id),
    constraint platforms_tenant_id_platform_name_key unique (tenant_id, platform_name),
    constraint platforms_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants (tenant_id),
    constraint platforms_platform_name_check check (length(platform_name) between 1 and 50),
    constraint platforms_credentials_check check (credentials ~ '^pgvigil:v1:[^:]+:[A-Za-z0-9+/=_-]+$')
);

comment on table monitoring.platforms is 'Platforms that report to pgvigil: one row a tenant and name.';
comment on column monitoring.platforms.platform_id is 'Key.';
comment on column monitoring.platforms.tenant_id is 'Whose it is.';
comment on column monitoring.platforms.platform_name is 'Its name: label platform of its series.';
comment on column monitoring.platforms.display_name is 'Its name for people.';
comment on column monitoring.platforms.category is 'Group it is listed under.';
comment on column monitoring.platforms.api_endpoint is 'Where its figures are asked for.';
comment on column monitoring.platforms.api_version is 'Version of that interface.';
comment on column monitoring.platforms.auth_method is 'How one signs in there.';
comment on column monitoring.platforms.credentials is
    'What one signs in with, sealed: pgvigil:v1:KEY:BASE64. Clear text is refused.';
comment on column monitoring.platforms.rate_limits is 'Its limits, for whoever asks it.';
comment on column monitoring.platforms.collection_config is 'How it is asked, for whoever does.';
comment on column monitoring.platforms.priority is 'Who comes first where not all can: 1 before 2.';
comment on column monitoring.platforms.is_active is 'False: it no longer reports, and what comes is refused.';
comment on column monitoring.platforms.created_at is 'When it was registered.';
comment on column monitoring.platforms.updated_at is 'When it changed last.';

create table monitoring.metric_definitions (
    metric_id integer generated always as identity,
    tenant_id uuid not null,
    platform text not null,
    metric_type text not null,
    display_name text,
    unit text,
    data_type text,
    description text,
    calculation_formula text,
    tags text[] not null default '{}',
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint metric_definitions_pkey primary key (metric_id),
    constraint metric_definitions_tenant_id_platform_metric_type_key unique (tenant_id, platform, metric_type),
    constraint metric_definitions_tenant_id_platform_fkey
        foreign key (tenant_id, platform) references monitoring.platforms (tenant_id, platform_name)
        on update cascade on delete cascade,
    constraint metric_definitions_metric_type_check
        check (metric_type ~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' and length(metric_type) <= 100),
    constraint metric_definitions_data_type_check check (data_type in ('counter', 'gauge', 'histogram', 'summary'))
);

comment on table monitoring.metric_definitions is
    'The metrics of platforms: one row a tenant, platform and metric. What all platforms share is in metric_families.';
comment on column monitoring.metric_definitions.metric_id is 'Key.';
comment on column monitoring.metric_definitions.tenant_id is 'Whose it is.';
comment on column monitoring.metric_definitions.platform is 'The platform, of monitoring.platforms.';
comment on column monitoring.metric_definitions.metric_type is 'The metric: name of its family.';
comment on column monitoring.metric_definitions.display_name is 'Its name for people.';
comment on column monitoring.metric_definitions.unit is 'Unit of its values.';
comment on column monitoring.metric_definitions.data_type is
    'counter, gauge, histogram or summary; null when nobody has said. The family''s kind, while that is unknown.';
comment on column monitoring.metric_definitions.description is 'What it measures.';
comment on column monitoring.metric_definitions.calculation_formula is 'How it is derived, for people.';
comment on column monitoring.metric_definitions.tags is 'Words to find it by.';
comment on column monitoring.metric_definitions.is_active is 'False: what comes of it is refused.';
comment on column monitoring.metric_definitions.created_at is 'When it was defined.';
comment on column monitoring.metric_definitions.updated_at is 'When it changed last.';

-- No index on last_seen: each report changes it, and so its row is changed in place.
create table monitoring.systems (
    system_id uuid not null default gen_random_uuid(),
    tenant_id uuid not null,
    hostname text not null,
    cpu_cores integer,
    ram_total_gb double precision,
    gpu_model text,
    location text,
    status text not null default 'active',
    last_seen timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint systems_pkey primary key (system_id),
    constraint systems_tenant_id_hostname_key unique (tenant_id, hostname),
    constraint systems_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants (tenant_id),
    constraint systems_cpu_cores_check check (cpu_cores > 0),
    constraint systems_ram_total_gb_check check (ram_total_gb > 0),
    constraint systems_status_check check (status in ('active', 'maintenance', 'retired', 'offline'))
) with (fillfactor = 80);

comment on table monitoring.systems is 'Machines whose use is reported: one row a tenant and host name.';
comment on column monitoring.systems.system_id is 'Key: label system_id of its series.';
comment on column monitoring.systems.tenant_id is 'Whose it is.';
comment on column monitoring.systems.hostname is 'Its host name.';
comment on column monitoring.systems.cpu_cores is 'Cores of its processors.';
comment on column monitoring.systems.ram_total_gb is 'Its memory, in gibibytes.';
comment on column monitoring.systems.gpu_model is 'Its graphics processor; null without one.';
comment on column monitoring.systems.location is 'Where it stands.';
comment on column monitoring.systems.status is 'active, maintenance, retired or offline.';
comment on column monitoring.systems.last_seen is 'Time of its newest report, to a minute.';
comment on column monitoring.systems.created_at is 'When it was registered.';
comment on column monitoring.systems.updated_at is 'When it changed last.';

create table monitoring.sample_details (
    detail_id uuid not null default gen_random_uuid(),
    series_id integer not null,
    sampled_at timestamptz not null,
    tenant_id uuid not null,
    content_id text,
    content_value double precision,
    tags jsonb,
    details jsonb not null default '{}',
    constraint sample_details_pkey primary key (series_id, sampled_at, detail_id),
    constraint sample_details_series_id_sampled_at_content_id_key
        unique nulls not distinct (series_id, sampled_at, content_id),
    constraint sample_details_content_value_check check ((content_id is null) = (content_value is null)),
    constraint sample_details_details_check check (jsonb_typeof(details) = 'object')
) partition by range (sampled_at);
create index sample_details_tenant_id_content_id_sampled_at_idx
    on monitoring.sample_details (tenant_id, content_id, sampled_at desc) where content_id is not null;
create index sample_details_tags_idx on monitoring.sample_details using gin (tags jsonb_path_ops);

create table monitoring_partitions.sample_details_default partition of monitoring.sample_details default;

comment on table monitoring.sample_details is
    'What a row of performance_metrics, platform_metrics or another wide name said that series and value do not hold; '
    'and the figures of content items, which are too many to be series.';
comment on column monitoring.sample_details.detail_id is 'Key, with the series and the time.';
comment on column monitoring.sample_details.series_id is 'The series, of monitoring.series.';
comment on column monitoring.sample_details.sampled_at is 'The time of the sample.';
comment on column monitoring.sample_details.tenant_id is 'Whose it is: the series'' tenant.';
comment on column monitoring.sample_details.content_id is
    'The content item it is about; null when it belongs to the sample of the series.';
comment on column monitoring.sample_details.content_value is
    'The item''s value. It is in no sample: only figures of whole platforms are.';
comment on column monitoring.sample_details.tags is 'Free labels of the row.';
comment on column monitoring.sample_details.details is 'The other columns that were given, by their names.';
comment on table monitoring_partitions.sample_details_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    ('monitoring.sample_details', '1 day', 3, 1, '366 days', '{}');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('store.auto_register_platforms', 'true', 'true', 'boolean', null, null,
        'Whether a platform, or a metric of it, that nobody registered is taken in; else its samples are refused as '
        'unknown_platform or unknown_platform_metric.');
