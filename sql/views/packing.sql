-- views/packing.sql: samples without regard to their form, and what packing saves.

create or replace view monitoring_internal.raw_points as
select stored.series_id, stored.sampled_at, stored.value
from monitoring.samples as stored;

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
