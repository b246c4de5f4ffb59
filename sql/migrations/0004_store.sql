-- 0004: the metric store: catalogue of families, series, samples in daily partitions, what was refused.

create table monitoring.metric_families (
    metric_family_id integer generated always as identity,
    name text not null,
    kind text not null default 'unknown',
    unit text not null default '',
    category text not null default '',
    description text not null default '',
    retention_class text not null default 'standard',
    direction text not null default 'neutral',
    stale_after interval,
    is_registered boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint metric_families_pkey primary key (metric_family_id),
    constraint metric_families_name_key unique (name),
    constraint metric_families_name_check check (name ~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$' and length(name) <= 200),
    constraint metric_families_kind_check
        check (kind in ('counter', 'gauge', 'histogram', 'summary', 'unknown')),
    constraint metric_families_direction_check
        check (direction in ('lower_is_better', 'higher_is_better', 'neutral')),
    constraint metric_families_stale_after_check check (stale_after > interval '0')
);

comment on table monitoring.metric_families is 'Catalogue of metrics: one row a metric name.';
comment on column monitoring.metric_families.metric_family_id is 'Key.';
comment on column monitoring.metric_families.name is 'Metric name by Prometheus'' grammar.';
comment on column monitoring.metric_families.kind is 'counter, gauge, histogram, summary or unknown.';
comment on column monitoring.metric_families.unit is 'Unit of the values, such as seconds or bytes; empty when none.';
comment on column monitoring.metric_families.category is 'Group it is listed under, such as replication.';
comment on column monitoring.metric_families.description is 'What it measures; HELP text of the exposition.';
comment on column monitoring.metric_families.retention_class is 'Name of the retention rules it follows.';
comment on column monitoring.metric_families.direction is
    'Which way is good: lower_is_better, higher_is_better or neutral.';
comment on column monitoring.metric_families.stale_after is
    'Age from which its newest sample no longer counts as current; null for setting store.stale_after.';
comment on column monitoring.metric_families.is_registered is
    'True when a collector or the owner described it; else only those who see a series of it see its name.';
comment on column monitoring.metric_families.created_at is 'When it was first seen.';
comment on column monitoring.metric_families.updated_at is 'When its description changed last.';

create table monitoring.series (
    series_id integer generated always as identity,
    tenant_id uuid not null,
    metric_family_id integer not null,
    labels jsonb not null,
    label_text text not null default '',
    created_at timestamptz not null default now(),
    constraint series_pkey primary key (series_id),
    constraint series_tenant_id_metric_family_id_labels_key unique (tenant_id, metric_family_id, labels),
    constraint series_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants (tenant_id),
    constraint series_metric_family_id_fkey
        foreign key (metric_family_id) references monitoring.metric_families (metric_family_id),
    constraint series_labels_check check (jsonb_typeof(labels) = 'object')
);

comment on table monitoring.series is 'One row a time series: a metric, a tenant and a set of labels.';
comment on column monitoring.series.series_id is 'Key of its samples.';
comment on column monitoring.series.tenant_id is 'Whose it is.';
comment on column monitoring.series.metric_family_id is 'The metric.';
comment on column monitoring.series.labels is 'Labels as an object of texts, none of them empty.';
comment on column monitoring.series.label_text is
    'The labels, and the tenant''s name but for the system''s, as Prometheus writes them between the braces. '
    'A trigger keeps it, so that no scrape has to escape them again.';
comment on column monitoring.series.created_at is 'When its first sample arrived.';

create table monitoring.samples (
    series_id integer not null,
    sampled_at timestamptz not null,
    value double precision not null,
    constraint samples_pkey primary key (series_id, sampled_at)
) partition by range (sampled_at);

create table monitoring_partitions.samples_default partition of monitoring.samples default;

comment on table monitoring.samples is
    'Measured values, one row a series and time. Read through metric_samples and latest_samples.';
comment on column monitoring.samples.series_id is 'The series, of monitoring.series.';
comment on column monitoring.samples.sampled_at is 'When it was measured.';
comment on column monitoring.samples.value is 'The value, in its family''s unit; finite.';
comment on table monitoring_partitions.samples_default is
    'Samples that no partition takes. Kept empty: maintain_partitions() moves its rows.';

create table monitoring.rejected_samples (
    rejected_sample_id bigint generated always as identity,
    rejected_at timestamptz not null,
    tenant_id uuid not null,
    reason text not null,
    metric text,
    labels jsonb,
    value double precision,
    sampled_at timestamptz,
    constraint rejected_samples_pkey primary key (rejected_sample_id, rejected_at)
) partition by range (rejected_at);
create index rejected_samples_tenant_id_rejected_at_idx
    on monitoring.rejected_samples (tenant_id, rejected_at);

create table monitoring_partitions.rejected_samples_default partition of monitoring.rejected_samples default;

comment on table monitoring.rejected_samples is
    'Samples that ingest refused, as they came, with the reason. Counts that outlive them: rejected_sample_totals.';
comment on column monitoring.rejected_samples.rejected_sample_id is 'Key, with rejected_at.';
comment on column monitoring.rejected_samples.rejected_at is 'When it was refused.';
comment on column monitoring.rejected_samples.tenant_id is 'For whom it was sent.';
comment on column monitoring.rejected_samples.reason is
    'null_metric, invalid_metric_name, null_labels, labels_not_object, labels_too_large, invalid_label_name, '
    'invalid_label_value, null_time, too_old, too_new, null_value, nan, infinite, unknown_metric, '
    'too_many_metrics or too_many_series.';
comment on column monitoring.rejected_samples.metric is 'Metric name as sent, cut after 200 characters.';
comment on column monitoring.rejected_samples.labels is 'Labels as sent; null when larger than 8 kB.';
comment on column monitoring.rejected_samples.value is 'Value as sent.';
comment on column monitoring.rejected_samples.sampled_at is 'Time as sent.';
comment on table monitoring_partitions.rejected_samples_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.rejected_sample_totals (
    tenant_id uuid not null,
    reason text not null,
    rejected_total bigint not null,
    last_rejected_at timestamptz not null,
    constraint rejected_sample_totals_pkey primary key (tenant_id, reason)
);

comment on table monitoring.rejected_sample_totals is
    'How many samples were ever refused, by tenant and reason. Only grows.';
comment on column monitoring.rejected_sample_totals.tenant_id is 'For whom they were sent.';
comment on column monitoring.rejected_sample_totals.reason is
    'Why they were refused: a reason of rejected_samples, or abandoned for staged samples nobody ingested.';
comment on column monitoring.rejected_sample_totals.rejected_total is 'How many.';
comment on column monitoring.rejected_sample_totals.last_rejected_at is 'When one was refused last.';

-- Unlogged: what it holds between COPY and ingest is not acknowledged yet, and a batch may be sent again.
create unlogged table monitoring_internal.staged_samples (
    batch_id uuid not null,
    metric text,
    labels jsonb,
    value double precision,
    sampled_at timestamptz,
    tenant_id uuid,
    staged_at timestamptz not null default now()
);
create index staged_samples_batch_id_idx on monitoring_internal.staged_samples (batch_id);

comment on table monitoring_internal.staged_samples is
    'Where COPY puts a batch, to be taken by ingest_staged(batch_id), best in the same transaction.';
comment on column monitoring_internal.staged_samples.batch_id is 'The batch; the client''s choice.';
comment on column monitoring_internal.staged_samples.metric is 'Metric name.';
comment on column monitoring_internal.staged_samples.labels is 'Labels, an object.';
comment on column monitoring_internal.staged_samples.value is 'Value.';
comment on column monitoring_internal.staged_samples.sampled_at is 'When it was measured.';
comment on column monitoring_internal.staged_samples.tenant_id is 'For whom; null for the system tenant.';
comment on column monitoring_internal.staged_samples.staged_at is 'When it was staged.';

create type monitoring.ingest_result as (
    accepted bigint,
    duplicate bigint,
    rejected bigint
);

comment on type monitoring.ingest_result is
    'What became of a batch: stored, already there, refused. The three add up to its size.';

insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    -- Append-only and never updated: vacuum by inserts alone, to freeze and to set the visibility map.
    ('monitoring.samples', '1 day', 3, 1, '30 days',
        '{"autovacuum_vacuum_insert_scale_factor": "0.2", "autovacuum_analyze_scale_factor": "0.1"}'),
    ('monitoring.rejected_samples', '1 day', 3, 0, '7 days', '{}');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('store.max_future', '10min', '10min', 'interval', '0', '1day',
        'How far ahead of the database''s clock a sample''s time may be; later ones are refused as too_new.'),
    ('store.max_past', '1day', '1day', 'interval', '1min', '3650days',
        'How old a sample may be when it arrives; older ones are refused as too_old.'),
    ('store.stale_after', '5min', '5min', 'interval', '1s', '30days',
        'Age from which a series'' newest sample is no longer current, for families that name none.'),
    ('store.max_series_per_metric', '100000', '100000', 'integer', '1', '100000000',
        'How many series one metric of one tenant may have; samples of further ones are refused as too_many_series.'),
    ('store.max_metrics', '10000', '10000', 'integer', '1', '10000000',
        'How many metrics there may be before one nobody registered is refused as too_many_metrics.'),
    ('store.auto_register', 'true', 'true', 'boolean', null, null,
        'Whether a metric nobody registered is taken in as of kind unknown; else refused as unknown_metric.');
