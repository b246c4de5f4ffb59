-- 0031: packed days: samples in blocks, the times that blocks share, samples that came too late for them.

create table monitoring.sample_blocks (
    period_at timestamptz not null,
    time_vector_id bigint not null,
    value_min double precision not null,
    value_max double precision not null,
    value_sum double precision not null,
    series_id integer not null,
    sample_count integer not null,
    encoding smallint not null,
    bit_width smallint not null default 0,
    divisor double precision,
    slope bigint,
    bases integer[],
    wide_bases bigint[],
    starts integer[],
    bits varbit,
    value_list double precision[],
    constraint sample_blocks_pkey primary key (series_id, period_at),
    constraint sample_blocks_sample_count_check check (sample_count > 0),
    constraint sample_blocks_encoding_check check (encoding between 0 and 3),
    constraint sample_blocks_bit_width_check check (bit_width between 0 and 63)
) partition by range (period_at);

create table monitoring_partitions.sample_blocks_default partition of monitoring.sample_blocks default;

comment on table monitoring.sample_blocks is
    'Samples of packed days, one row a series and day, without loss. Blocks of days from '
    'monitoring_internal.packed_until() on are being made and do not count yet.';
comment on column monitoring.sample_blocks.period_at is 'Start of the day (UTC) that the block holds.';
comment on column monitoring.sample_blocks.time_vector_id is 'When its samples were measured: a row of time_vectors.';
comment on column monitoring.sample_blocks.value_min is 'Least value.';
comment on column monitoring.sample_blocks.value_max is 'Greatest value.';
comment on column monitoring.sample_blocks.value_sum is 'Sum of the values.';
comment on column monitoring.sample_blocks.series_id is 'The series, of monitoring.series.';
comment on column monitoring.sample_blocks.sample_count is 'How many samples it holds.';
comment on column monitoring.sample_blocks.encoding is
    '0: all values are value_min. 1: runs, of value_list, each from its number in starts on. 2: whole numbers over '
    'divisor: the base of its 64, and slope times its number, and its bits. 3: value_list.';
comment on column monitoring.sample_blocks.bit_width is 'Bits of one value in bits.';
comment on column monitoring.sample_blocks.divisor is 'What the whole numbers are divided by.';
comment on column monitoring.sample_blocks.slope is 'What the whole numbers grow by from sample to sample.';
comment on column monitoring.sample_blocks.bases is 'The least number of each 64 samples, less the slope''s part.';
comment on column monitoring.sample_blocks.wide_bases is 'The same where it does not fit into 32 bits.';
comment on column monitoring.sample_blocks.starts is 'The number, from 0, of the sample that each run begins with.';
comment on column monitoring.sample_blocks.bits is
    'What each number exceeds its base and slope by, bit_width bits each.';
comment on column monitoring.sample_blocks.value_list is 'Values as they are: of each run, or of each sample.';
comment on table monitoring_partitions.sample_blocks_default is
    'Blocks that no partition takes. Kept empty: maintain_partitions() moves its rows.';

create table monitoring.time_vectors (
    period_at timestamptz not null,
    time_vector_id bigint generated always as identity,
    sample_count integer not null,
    bit_width smallint not null,
    unit bigint not null,
    slope bigint not null,
    bases bigint[] not null,
    bits varbit,
    digest bytea not null,
    constraint time_vectors_pkey primary key (period_at, time_vector_id),
    constraint time_vectors_period_at_digest_key unique (period_at, digest),
    constraint time_vectors_sample_count_check check (sample_count > 0),
    constraint time_vectors_bit_width_check check (bit_width between 0 and 63)
) partition by range (period_at);

create table monitoring_partitions.time_vectors_default partition of monitoring.time_vectors default;

comment on table monitoring.time_vectors is
    'The times of blocks, each list once however many series share it: what is measured together is one row.';
comment on column monitoring.time_vectors.period_at is 'Start of the day (UTC).';
comment on column monitoring.time_vectors.time_vector_id is 'Key, with period_at.';
comment on column monitoring.time_vectors.sample_count is 'How many times it holds.';
comment on column monitoring.time_vectors.bit_width is 'Bits of one time in bits; 0 for times in equal steps.';
comment on column monitoring.time_vectors.unit is 'Microseconds of which all times are multiples, from period_at on.';
comment on column monitoring.time_vectors.slope is 'Units from one time to the next, as a rule.';
comment on column monitoring.time_vectors.bases is
    'The least units of each 64 times since period_at, less the slope''s part; one alone for equal steps.';
comment on column monitoring.time_vectors.bits is 'What each time exceeds its base and slope by, bit_width bits each.';
comment on column monitoring.time_vectors.digest is 'SHA-256 of the times.';
comment on table monitoring_partitions.time_vectors_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves its rows.';

create table monitoring.late_samples (
    series_id integer not null,
    sampled_at timestamptz not null,
    value double precision not null,
    constraint late_samples_pkey primary key (series_id, sampled_at)
);

comment on table monitoring.late_samples is
    'Samples that came after their day was closed for packing. Every read counts them; packing takes them into blocks.';
comment on column monitoring.late_samples.series_id is 'The series, of monitoring.series.';
comment on column monitoring.late_samples.sampled_at is 'When it was measured.';
comment on column monitoring.late_samples.value is 'The value.';

create table monitoring.packed_periods (
    period_at timestamptz not null,
    closed_at timestamptz not null,
    packed_at timestamptz,
    released_at timestamptz,
    repacked_at timestamptz,
    series_count bigint not null default 0,
    sample_count bigint not null default 0,
    late_count bigint not null default 0,
    raw_bytes bigint,
    constraint packed_periods_pkey primary key (period_at)
);

comment on table monitoring.packed_periods is 'One row a day that was packed, or is being packed.';
comment on column monitoring.packed_periods.period_at is 'Start of the day (UTC).';
comment on column monitoring.packed_periods.closed_at is 'When samples of the day began to go to late_samples.';
comment on column monitoring.packed_periods.packed_at is 'When its blocks began to count; null while they are made.';
comment on column monitoring.packed_periods.released_at is 'When its rows in samples were given free to be dropped.';
comment on column monitoring.packed_periods.repacked_at is 'When late samples were last taken into its blocks.';
comment on column monitoring.packed_periods.series_count is 'Series in its blocks.';
comment on column monitoring.packed_periods.sample_count is 'Samples in its blocks.';
comment on column monitoring.packed_periods.late_count is 'Late samples taken into its blocks.';
comment on column monitoring.packed_periods.raw_bytes is
    'Bytes of its partition of samples, with indexes, when it was packed; null when it had none of its own.';

create table monitoring_internal.packing_state (
    is_only boolean not null default true,
    closed_until timestamptz not null default '-infinity',
    packed_until timestamptz not null default '-infinity',
    waits_for text[],
    next_series_id bigint not null default 0,
    repacked_total bigint not null default 0,
    constraint packing_state_pkey primary key (is_only),
    constraint packing_state_is_only_check check (is_only),
    constraint packing_state_packed_until_check check (packed_until <= closed_until)
);

comment on table monitoring_internal.packing_state is 'How far packing is; its one row.';
comment on column monitoring_internal.packing_state.is_only is 'Always true: there is one row.';
comment on column monitoring_internal.packing_state.closed_until is
    'Samples before this go to late_samples: nothing is added to the days before it in samples.';
comment on column monitoring_internal.packing_state.packed_until is
    'Before this blocks count, from it on samples: moved in one transaction, so that a snapshot sees one of the two.';
comment on column monitoring_internal.packing_state.waits_for is
    'Ingests that may not know of closed_until; empty once they have ended, null before they are asked for.';
comment on column monitoring_internal.packing_state.next_series_id is
    'Series before this are in blocks of the day that is being packed.';
comment on column monitoring_internal.packing_state.repacked_total is 'Late samples ever taken into blocks.';

insert into monitoring_internal.packing_state (is_only) values (true);

alter table monitoring.partition_policies add column released_until timestamptz;
comment on column monitoring.partition_policies.released_until is
    'Partitions that end by then may be dropped before their retention: something else holds what was in them.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, lookback, storage_parameters) values
    -- Blocks of up to a third of a page stay in their row: out of it they take a twentieth more, and twice the time.
    ('monitoring.sample_blocks', '1 month', 1, 1, '{"toast_tuple_target": "8160"}'),
    ('monitoring.time_vectors', '1 month', 1, 1, '{}');

insert into monitoring.partition_holds (table_name, name, reason) values
    ('monitoring.samples', 'packing', 'Samples go once they are in blocks.');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('store.pack_after', '2days', '2days', 'interval', '1day', '3650days',
        'How long after its end a day of samples is packed. Later samples of it are taken, at some cost.'),
    ('store.raw_grace', '1h', '1h', 'interval', '0', '30days',
        'How long samples are kept beside the blocks that replaced them, for transactions that began before.'),
    ('store.pack_series', '200', '200', 'integer', '1', '100000',
        'How many series packing takes into one transaction.');
