-- 0039: append mode: samples of open periods without a key, and the batches that were taken in.

-- They have got a further argument with a default, and a call with the old ones must mean one function only.
drop function if exists monitoring.ingest_samples(text[], jsonb[], double precision[], timestamptz[], uuid);
drop function if exists monitoring_internal.ingest_samples_at(
    text[], jsonb[], double precision[], timestamptz[], uuid, timestamptz);

alter table monitoring.partition_policies
    add column mode text not null default 'btree',
    add constraint partition_policies_mode_check
        check (mode = 'btree' or mode = 'append' and table_name = 'monitoring.samples'),
    drop constraint partition_policies_partition_interval_check,
    add constraint partition_policies_partition_interval_check check (
        partition_interval between case mode when 'append' then interval '1 minute' else interval '1 hour' end
            and interval '10 years'
        and date_trunc('minute', partition_interval) = partition_interval
        -- Whole months, or a fixed length without any: the two kinds of grid there are.
        and date_trunc('month', partition_interval) in (interval '0', partition_interval)
    );
comment on column monitoring.partition_policies.mode is
    'btree: partitions have their key from the beginning. append, for monitoring.samples: they have none until they '
    'close, which takes in more samples. A change holds for partitions without rows and for new ones.';
comment on column monitoring.partition_policies.partition_interval is
    'Span of one partition: a fixed length of an hour or more (in mode append of a minute or more), or whole months. '
    'Its grid is that of UTC.';

-- No default partition: ingest sends here only what lies between appended_since and appended_until.
create table monitoring.appended_samples (
    series_id integer not null,
    sampled_at timestamptz not null,
    value double precision not null
) partition by range (sampled_at);
create index appended_samples_sampled_at_idx on monitoring.appended_samples using brin (sampled_at);

comment on table monitoring.appended_samples is
    'Partitions of samples in append mode that are not closed: without a key, so that a row may be here twice. Every '
    'read takes the first of them, and closing keeps that. A closed partition becomes one of samples as it is.';
comment on column monitoring.appended_samples.series_id is 'The series, of monitoring.series.';
comment on column monitoring.appended_samples.sampled_at is 'When it was measured.';
comment on column monitoring.appended_samples.value is 'The value, in its family''s unit; finite.';

alter table monitoring_internal.packing_state
    add column appended_since timestamptz not null default 'infinity',
    add column appended_until timestamptz not null default 'infinity',
    add column deduplicated_total bigint not null default 0,
    add constraint packing_state_appended_until_check check (appended_since <= appended_until),
    add constraint packing_state_appended_since_check check (closed_until <= appended_since);
comment on column monitoring_internal.packing_state.appended_since is
    'From this on samples go to appended_samples; infinity: none do.';
comment on column monitoring_internal.packing_state.appended_until is
    'Up to this: the end of the newest partition of appended_samples.';
comment on column monitoring_internal.packing_state.deduplicated_total is
    'How many second samples of one series and time closings have deleted. Only grows.';

create table monitoring_internal.ingest_batches (
    batch_id uuid not null,
    tenant_id uuid not null,
    ingested_at timestamptz not null,
    sample_count bigint not null,
    constraint ingest_batches_pkey primary key (batch_id, tenant_id, ingested_at)
) partition by range (ingested_at);
create table monitoring_partitions.ingest_batches_default
    partition of monitoring_internal.ingest_batches default;

comment on table monitoring_internal.ingest_batches is
    'Batches that named themselves and were taken in: one sent again changes nothing. Granted to nobody.';
comment on column monitoring_internal.ingest_batches.batch_id is 'What its sender calls it.';
comment on column monitoring_internal.ingest_batches.tenant_id is 'Whose samples it has.';
comment on column monitoring_internal.ingest_batches.ingested_at is 'When it was taken in.';
comment on column monitoring_internal.ingest_batches.sample_count is 'How many samples it had.';
comment on table monitoring_partitions.ingest_batches_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves its rows.';

alter table monitoring_internal.staged_samples add column series_id integer;
comment on column monitoring_internal.staged_samples.series_id is
    'The series, by register_series(), of rows that give it instead of metric and labels.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, retention) values
    ('monitoring_internal.ingest_batches', '1 day', 2, '3 days');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('store.append_delay', '5min', '5min', 'interval', '0', '30days',
        'How long after its end a partition of append mode gets its key and becomes one of samples.');
