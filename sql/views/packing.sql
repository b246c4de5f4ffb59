-- views/packing.sql: samples without regard to their form, and what packing saves.

-- Of rows of one series and time the first that was stored counts: that of the oldest transaction, and in it the one
-- written first. Sorted and not looked up, so that one scan of the times wanted serves all series.
create or replace view monitoring_internal.appended_points as
select distinct on (stored.series_id, stored.sampled_at) stored.series_id, stored.sampled_at, stored.value
from monitoring.appended_samples as stored
order by stored.series_id, stored.sampled_at, age(stored.xmin) desc, stored.ctid;

comment on view monitoring_internal.appended_points is
    'Samples of append mode in partitions that are not closed, each once. Granted to nobody. There is no index on the '
    'series: read a range of times of all series at once.';
comment on column monitoring_internal.appended_points.series_id is 'The series, of monitoring.series.';
comment on column monitoring_internal.appended_points.sampled_at is 'When it was measured.';
comment on column monitoring_internal.appended_points.value is 'The value.';

create or replace view monitoring_internal.raw_points as
select stored.series_id, stored.sampled_at, stored.value
from monitoring.samples as stored
union all
select appended.series_id, appended.sampled_at, appended.value
from monitoring_internal.appended_points as appended;

comment on view monitoring_internal.raw_points is
    'Samples that are not packed: complete from monitoring_internal.raw_from() on. Granted to nobody.';
comment on column monitoring_internal.raw_points.series_id is 'The series, of monitoring.series.';
comment on column monitoring_internal.raw_points.sampled_at is 'When it was measured.';
comment on column monitoring_internal.raw_points.value is 'The value.';

-- A barrier, so that arrays are taken out of storage once a block and not once a sample; conditions on the series and
-- the day pass it.
create or replace view monitoring_internal.open_blocks with (security_barrier = true) as
select
    block.series_id,
    block.period_at,
    block.sample_count,
    block.encoding,
    block.bit_width::integer as bit_width,
    block.value_min,
    block.divisor,
    block.slope,
    block.bases || '{}'::integer[] as bases,
    block.wide_bases || '{}'::bigint[] as wide_bases,
    block.starts || '{}'::integer[] as starts,
    block.bits || ''::varbit as bits,
    block.value_list || '{}'::double precision[] as value_list,
    date_part('epoch', block.period_at) * 1000000 as start,
    date_part('epoch', block.period_at) * 1000000 + vector.unit * vector.bases[1] as first,
    vector.bit_width::integer as time_bit_width,
    vector.unit as time_unit,
    vector.slope as time_slope,
    vector.bases || '{}'::bigint[] as time_bases,
    vector.bits || ''::varbit as time_bits
from monitoring.sample_blocks as block
inner join monitoring.time_vectors as vector
    on vector.period_at = block.period_at and vector.time_vector_id = block.time_vector_id
where block.period_at < (select state.packed_until from monitoring_internal.packing_state as state);

comment on view monitoring_internal.open_blocks is
    'Blocks that count, with their times, ready to be unpacked by block_time and block_value. Granted to nobody.';

-- A view cannot prune by the time that it computes, so it shows the day as well.
create or replace view monitoring_internal.block_points as
select
    item.series_id,
    monitoring_internal.block_time(item.start, item.number, item.time_bit_width, item.time_unit, item.time_slope,
        item.time_bases, item.time_bits) as sampled_at,
    monitoring_internal.block_value(item.encoding, item.number, item.value_min, item.divisor, item.bit_width,
        item.slope, item.bases, item.wide_bases, item.bits, item.starts, item.value_list) as value,
    item.period_at
from (
    select block.*, generate_series(0, block.sample_count - 1) as number
    from monitoring_internal.open_blocks as block
) as item;

comment on view monitoring_internal.block_points is
    'Samples in blocks that count. Granted to nobody. Give period_at: by sampled_at alone all blocks are unpacked.';
comment on column monitoring_internal.block_points.series_id is 'The series, of monitoring.series.';
comment on column monitoring_internal.block_points.sampled_at is 'When it was measured.';
comment on column monitoring_internal.block_points.value is 'The value.';
comment on column monitoring_internal.block_points.period_at is 'Start of its day (UTC).';

create or replace view monitoring.packing_status with (security_invoker = true) as
select
    period.period_at,
    case
        when period.packed_at is null then 'packing'
        when period.released_at is null then 'packed'
        else 'released'
    end as stage,
    period.series_count,
    period.sample_count,
    period.late_count,
    period.raw_bytes,
    block.packed_bytes,
    round(period.raw_bytes::numeric / nullif(block.packed_bytes, 0), 1) as ratio,
    round(block.packed_bytes::numeric / nullif(period.sample_count, 0), 3) as bytes_per_sample,
    period.closed_at,
    period.packed_at,
    period.released_at,
    period.repacked_at
from monitoring.packed_periods as period
left join monitoring_internal.packed_sizes() as block on block.period_at = period.period_at;

comment on view monitoring.packing_status is
    'The days that are packed or being packed, and what that saves. It reads the heads of all blocks.';
comment on column monitoring.packing_status.period_at is 'Start of the day (UTC).';
comment on column monitoring.packing_status.stage is
    'packing, packed, or released: its rows of samples may be dropped, or are.';
comment on column monitoring.packing_status.series_count is 'Series in its blocks.';
comment on column monitoring.packing_status.sample_count is 'Samples in its blocks.';
comment on column monitoring.packing_status.late_count is 'Those of them that came late.';
comment on column monitoring.packing_status.raw_bytes is 'Bytes of its partition of samples, with indexes, before.';
comment on column monitoring.packing_status.packed_bytes is 'Bytes of its blocks and times, without indexes.';
comment on column monitoring.packing_status.ratio is 'How many times less that is.';
comment on column monitoring.packing_status.bytes_per_sample is 'Bytes of one sample in its blocks.';
comment on column monitoring.packing_status.closed_at is 'When samples of the day began to go to late_samples.';
comment on column monitoring.packing_status.packed_at is 'When its blocks began to count.';
comment on column monitoring.packing_status.released_at is 'When its rows in samples were given free to be dropped.';
comment on column monitoring.packing_status.repacked_at is 'When late samples were last taken into its blocks.';

-- A barrier with the owner's rights, since blocks are granted to nobody.
create or replace view monitoring.packing_statistics with (security_barrier = true) as
select
    series.tenant_id,
    family.name as metric,
    count(*) as blocks,
    sum(block.sample_count) as samples,
    sum(monitoring_internal.block_bytes(block)) as packed_bytes,
    -- A row of samples and its entry in the key, as a packed day had them on the average.
    round(sum(block.sample_count * plain.row_bytes)::numeric) as raw_bytes,
    round((sum(block.sample_count * plain.row_bytes)
        / sum(monitoring_internal.block_bytes(block)))::numeric, 1) as ratio,
    round(sum(monitoring_internal.block_bytes(block))::numeric / sum(block.sample_count), 3) as bytes_per_sample,
    count(*) filter (where block.encoding = 0) as constant_blocks,
    count(*) filter (where block.encoding = 1) as run_blocks,
    count(*) filter (where block.encoding = 2) as number_blocks,
    count(*) filter (where block.encoding = 3) as plain_blocks
from monitoring.sample_blocks as block
inner join monitoring.series as series on series.series_id = block.series_id
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
cross join (
    select coalesce(sum(period.raw_bytes)::double precision / nullif(sum(period.sample_count), 0), 95) as row_bytes
    from monitoring.packed_periods as period
    where period.raw_bytes is not null
) as plain
where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    and block.period_at < (select state.packed_until from monitoring_internal.packing_state as state)
group by series.tenant_id, family.name;

comment on view monitoring.packing_statistics is
    'What packing saves by metric, of the tenants that the reader sees. It reads the heads of all blocks.';
comment on column monitoring.packing_statistics.tenant_id is 'Whose it is.';
comment on column monitoring.packing_statistics.metric is 'Metric name.';
comment on column monitoring.packing_statistics.blocks is 'Blocks: one a series and day.';
comment on column monitoring.packing_statistics.samples is 'Samples in them.';
comment on column monitoring.packing_statistics.packed_bytes is
    'Bytes of them as stored, without indexes and without the times they share.';
comment on column monitoring.packing_statistics.raw_bytes is 'Bytes that as many rows of samples take, with their key.';
comment on column monitoring.packing_statistics.ratio is 'How many times less that is.';
comment on column monitoring.packing_statistics.bytes_per_sample is 'Bytes of one sample.';
comment on column monitoring.packing_statistics.constant_blocks is 'Blocks of one value.';
comment on column monitoring.packing_statistics.run_blocks is 'Blocks of runs of equal values.';
comment on column monitoring.packing_statistics.number_blocks is 'Blocks of whole numbers in bits.';
comment on column monitoring.packing_statistics.plain_blocks is 'Blocks of values as they are.';
