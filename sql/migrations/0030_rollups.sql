-- 0030: how long what is kept, rollups of samples at four resolutions, what is late, which run built what.

create table monitoring.retention_classes (
    name text not null,
    description text not null default '',
    raw_retention interval not null,
    rollup_1m interval,
    rollup_5m interval,
    rollup_1h interval,
    rollup_1d interval,
    is_archived boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint retention_classes_pkey primary key (name),
    constraint retention_classes_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- A level is built from the next finer one that the class has, a day of it for the coarsest, and what is late
    -- builds it again: two days are the least that any level is kept.
    constraint retention_classes_least_check check (
        least(raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d) >= interval '2 days'
        and greatest(raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d) <= interval '1000 years'
    ),
    -- Whoever asks for an old time gets the finest level that is left, so a coarser one is kept no shorter.
    constraint retention_classes_order_check check (
        coalesce(rollup_1m, raw_retention) >= raw_retention
        and coalesce(rollup_5m, interval '1000 years') >= coalesce(rollup_1m, raw_retention)
        and coalesce(rollup_1h, interval '1000 years') >= coalesce(rollup_5m, rollup_1m, raw_retention)
        and coalesce(rollup_1d, interval '1000 years') >= coalesce(rollup_1h, rollup_5m, rollup_1m, raw_retention)
    )
);

comment on table monitoring.retention_classes is
    'One row a retention class: how long samples and each level of rollups of its metrics are kept. A metric names its '
    'class in metric_families; a level without a time is not made for the class.';
comment on column monitoring.retention_classes.name is 'Key, such as standard or high_resolution.';
comment on column monitoring.retention_classes.description is 'What it is for.';
comment on column monitoring.retention_classes.raw_retention is 'How long samples are kept, packed or not.';
comment on column monitoring.retention_classes.rollup_1m is 'How long minutes are kept; null: they are not made.';
comment on column monitoring.retention_classes.rollup_5m is 'The same of five minutes.';
comment on column monitoring.retention_classes.rollup_1h is 'The same of hours.';
comment on column monitoring.retention_classes.rollup_1d is 'The same of days (of UTC).';
comment on column monitoring.retention_classes.is_archived is
    'True: samples are dropped only once an archive of them was written and read back.';
comment on column monitoring.retention_classes.created_at is 'When the class was made.';
comment on column monitoring.retention_classes.updated_at is 'When it changed last.';

insert into monitoring.retention_classes
    (name, raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d, is_archived, description)
values
    ('standard', '90 days', null, null, '400 days', '10 years', false, 'What names no other class.'),
    ('high_resolution', '7 days', '30 days', '90 days', '365 days', '10 years', false,
        'Measured every few seconds: thinned out from level to level.'),
    ('platform', '30 days', null, null, '90 days', '10 years', false, 'Metrics of platforms: raw for a month.'),
    ('usage', '1 year', null, null, '1 year', '10 years', false, 'Use of systems, for summaries and planning.'),
    ('compliance', '7 years', null, null, '7 years', '10 years', true, 'Evidence: archived before it is dropped.');

-- A name that nobody defined was kept forever or dropped by chance; now it is a class, with the standard's times.
insert into monitoring.retention_classes (name, raw_retention, rollup_1h, rollup_1d, description)
select distinct family.retention_class, interval '90 days', interval '400 days', interval '10 years',
    'Named by a metric before classes were defined.'
from monitoring.metric_families as family
on conflict do nothing;

alter table monitoring.metric_families
    add constraint metric_families_retention_class_fkey foreign key (retention_class)
    references monitoring.retention_classes (name) on update cascade;

create type monitoring_internal.rollup_row as (
    bucket_at timestamptz,
    sample_count bigint,
    value_sum double precision,
    value_sum_squares double precision,
    value_min double precision,
    value_max double precision,
    value_first double precision,
    value_last double precision,
    first_at timestamptz,
    last_at timestamptz,
    increase double precision,
    series_id integer,
    sketch integer[]
);

comment on type monitoring_internal.rollup_row is 'A row of rollups_1m, rollups_5m, rollups_1h or rollups_1d.';

create type monitoring_internal.rollup_step as (
    action text,
    resolution text,
    from_at timestamptz,
    until_at timestamptz,
    row_count bigint,
    late_until bigint,
    retry_after interval
);

comment on type monitoring_internal.rollup_step is
    'One step of refresh_rollups(): close, wait, late, build or, of another at work, busy; null when nothing is left.';

-- Widest columns first, so that no byte is spent on alignment.
create table monitoring.rollups_1m (
    bucket_at timestamptz not null,
    sample_count bigint not null,
    value_sum double precision not null,
    value_sum_squares double precision not null,
    value_min double precision not null,
    value_max double precision not null,
    value_first double precision not null,
    value_last double precision not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    increase double precision,
    series_id integer not null,
    sketch integer[],
    constraint rollups_1m_pkey primary key (series_id, bucket_at)
) partition by range (bucket_at);
-- Short rows are compressed where they are: no second table for a few hundred bytes.
alter table monitoring.rollups_1m alter column sketch set storage main;

comment on table monitoring.rollups_1m is
    'Minutes: one row a series and minute that has samples, for classes with minutes. Granted to no reader.';
comment on column monitoring.rollups_1m.bucket_at is 'Start of the bucket, on the grid of UTC.';
comment on column monitoring.rollups_1m.sample_count is 'Samples in it.';
comment on column monitoring.rollups_1m.value_sum is
    'Sum of the values; infinite where one of them is beyond 1e300 and the sum may not be a number.';
comment on column monitoring.rollups_1m.value_sum_squares is 'Sum of their squares; infinite beyond 1e150.';
comment on column monitoring.rollups_1m.value_min is 'Smallest value.';
comment on column monitoring.rollups_1m.value_max is 'Greatest value.';
comment on column monitoring.rollups_1m.value_first is 'First value by time.';
comment on column monitoring.rollups_1m.value_last is 'Last value by time.';
comment on column monitoring.rollups_1m.first_at is 'Time of the first sample.';
comment on column monitoring.rollups_1m.last_at is 'Time of the last sample.';
comment on column monitoring.rollups_1m.increase is
    'How much a counter grew between the samples of the bucket, resets counted as from zero; null for what is none. '
    'The step from the bucket before belongs to this one, and is added where buckets are put together.';
comment on column monitoring.rollups_1m.series_id is 'The series, of monitoring.series.';
comment on column monitoring.rollups_1m.sketch is
    'Distribution of the values: keys of sketch_key() with counts, see sketch_quantile(); null where the smallest is '
    'the greatest, which says all.';

create table monitoring.rollups_5m (
    like monitoring.rollups_1m including storage including comments,
    constraint rollups_5m_pkey primary key (series_id, bucket_at)
) partition by range (bucket_at);
create table monitoring.rollups_1h (
    like monitoring.rollups_1m including storage including comments,
    constraint rollups_1h_pkey primary key (series_id, bucket_at)
) partition by range (bucket_at);
create table monitoring.rollups_1d (
    like monitoring.rollups_1m including storage including comments,
    constraint rollups_1d_pkey primary key (series_id, bucket_at)
) partition by range (bucket_at);

comment on table monitoring.rollups_5m is 'Five minutes, as rollups_1m. Granted to no reader.';
comment on table monitoring.rollups_1h is 'Hours, as rollups_1m. Granted to no reader.';
comment on table monitoring.rollups_1d is
    'Days of UTC, as rollups_1m; weeks, months and years are put together from them. Granted to no reader.';

create table monitoring_partitions.rollups_1m_default partition of monitoring.rollups_1m default;
create table monitoring_partitions.rollups_5m_default partition of monitoring.rollups_5m default;
create table monitoring_partitions.rollups_1h_default partition of monitoring.rollups_1h default;
create table monitoring_partitions.rollups_1d_default partition of monitoring.rollups_1d default;

create table monitoring_internal.rollup_levels (
    resolution text not null,
    width interval not null,
    watermark timestamptz not null default '-infinity',
    building_until timestamptz,
    next_series_id integer not null default 0,
    constraint rollup_levels_pkey primary key (resolution),
    constraint rollup_levels_width_key unique (width),
    constraint rollup_levels_building_until_check check (building_until > watermark)
);

comment on table monitoring_internal.rollup_levels is 'How far each resolution is built.';
comment on column monitoring_internal.rollup_levels.resolution is '1m, 5m, 1h or 1d.';
comment on column monitoring_internal.rollup_levels.width is 'Width of a bucket; buckets lie on the grid of UTC.';
comment on column monitoring_internal.rollup_levels.watermark is
    'Buckets that end by then are complete, but for what late_ranges names.';
comment on column monitoring_internal.rollup_levels.building_until is
    'End of the range being built, which begins at the watermark; null when none is.';
comment on column monitoring_internal.rollup_levels.next_series_id is 'Of that range, series before this are done.';

-- Hours, and not a day: what one day is to a time with a zone depends on the session's.
insert into monitoring_internal.rollup_levels (resolution, width) values
    ('1m', '1 minute'), ('5m', '5 minutes'), ('1h', '1 hour'), ('1d', '24 hours');

create table monitoring_internal.rollup_closing (
    is_only boolean not null default true,
    closing_until timestamptz not null default '-infinity',
    closed_until timestamptz not null default '-infinity',
    waits_for text[],
    waited_total bigint not null default 0,
    constraint rollup_closing_pkey primary key (is_only),
    constraint rollup_closing_is_only_check check (is_only),
    constraint rollup_closing_closed_until_check check (closed_until <= closing_until)
);

comment on table monitoring_internal.rollup_closing is
    'One row: up to when samples count as come in time. Every ingest reads it behind a shared lock.';
comment on column monitoring_internal.rollup_closing.is_only is 'True: there is one row.';
comment on column monitoring_internal.rollup_closing.closing_until is
    'A sample before this is late: ingest names its bucket in late_ranges.';
comment on column monitoring_internal.rollup_closing.closed_until is
    'Every ingest that did not know this mark yet has ended: rollups are built up to here.';
comment on column monitoring_internal.rollup_closing.waits_for is
    'Transactions that were ingesting when closing_until moved, as far as they are still open; null: not looked yet.';
comment on column monitoring_internal.rollup_closing.waited_total is 'How often a look found one still open.';

insert into monitoring_internal.rollup_closing default values;

-- A queue without a unique key: ingest never waits for another or for the refresher. Repeats are folded when it is
-- worked off, and a row is deleted only in the transaction that built its buckets again.
create table monitoring_internal.late_ranges (
    late_range_id bigint generated always as identity,
    series_id integer not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    constraint late_ranges_pkey primary key (late_range_id),
    constraint late_ranges_until_at_check check (until_at > from_at)
);

comment on table monitoring_internal.late_ranges is
    'What changed in buckets that were closed already: to be built again, level by level.';
comment on column monitoring_internal.late_ranges.late_range_id is 'Key.';
comment on column monitoring_internal.late_ranges.series_id is 'The series.';
comment on column monitoring_internal.late_ranges.from_at is 'Start of the range.';
comment on column monitoring_internal.late_ranges.until_at is 'Its end, not part of it.';

create table monitoring.rollup_runs (
    run_id bigint generated always as identity,
    resolution text not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    source text not null,
    reason text not null,
    series_count bigint not null,
    row_count bigint not null,
    sample_count bigint not null,
    step_count bigint not null default 1,
    started_at timestamptz not null,
    ended_at timestamptz not null default clock_timestamp(),
    constraint rollup_runs_pkey primary key (run_id, started_at),
    constraint rollup_runs_reason_check check (reason in ('schedule', 'late'))
) partition by range (started_at);
create index rollup_runs_resolution_until_at_idx on monitoring.rollup_runs (resolution, until_at);
create table monitoring_partitions.rollup_runs_default partition of monitoring.rollup_runs default;

comment on table monitoring.rollup_runs is 'Lineage: which run built which range of which resolution from what.';
comment on column monitoring.rollup_runs.run_id is 'Key, with started_at.';
comment on column monitoring.rollup_runs.resolution is '1m, 5m, 1h or 1d.';
comment on column monitoring.rollup_runs.from_at is 'Start of the first bucket that was built.';
comment on column monitoring.rollup_runs.until_at is 'End of the last one.';
comment on column monitoring.rollup_runs.source is 'What it was built from: samples, a finer resolution, or several.';
comment on column monitoring.rollup_runs.reason is 'schedule: the range was due; late: its samples came late.';
comment on column monitoring.rollup_runs.series_count is 'Series that were looked at.';
comment on column monitoring.rollup_runs.row_count is 'Rows written.';
comment on column monitoring.rollup_runs.sample_count is 'Samples those rows stand for.';
comment on column monitoring.rollup_runs.step_count is 'Transactions it took.';
comment on column monitoring.rollup_runs.started_at is 'When its first transaction began.';
comment on column monitoring.rollup_runs.ended_at is 'When its last one was done, by the server''s clock.';

insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    ('monitoring.rollups_1m', '1 day', 3, 1, '30 days', '{"toast_tuple_target": "128"}'),
    ('monitoring.rollups_5m', '7 days', 2, 1, '90 days', '{"toast_tuple_target": "128"}'),
    ('monitoring.rollups_1h', '1 month', 2, 1, '7 years', '{"toast_tuple_target": "128"}'),
    ('monitoring.rollups_1d', '1 year', 1, 1, '10 years', '{"toast_tuple_target": "128"}'),
    ('monitoring.rollup_runs', '1 month', 2, 0, '1 year', '{}');

insert into monitoring.partition_holds (table_name, name, reason) values
    ('monitoring.samples', 'rollups', 'Not rolled up yet.'),
    ('monitoring.rollups_1m', 'rollups', 'Coarser levels are built from it.'),
    ('monitoring.rollups_5m', 'rollups', 'Coarser levels are built from it.'),
    ('monitoring.rollups_1h', 'rollups', 'Days are built from it.');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('store.rollup_delay', '1min', '1min', 'interval', '0', '1day',
        'How long after its end a bucket is closed; samples that come later have it built again.'),
    ('store.rollup_series', '2000', '2000', 'integer', '1', '1000000',
        'How many series one short transaction of refresh_rollups() builds a range of.');
