-- Undoes 0031, once the code that uses its tables is gone. Packed samples go back to samples; it may take long.
insert into monitoring.samples (series_id, sampled_at, value)
select series_id,
    to_timestamp((start + unit * (time_slope * number + case time_bit_width
        when 0 then time_bases[1]
        else time_bases[(number >> 6) + 1]
            + substring(time_bits, number * time_bit_width + 1, time_bit_width)::bigint end)) / 1000000),
    case encoding
        when 0 then value_min
        when 1 then value_list[width_bucket(number, starts)]
        when 2 then (coalesce(bases[(number >> 6) + 1], wide_bases[(number >> 6) + 1]) + slope * number + case
            when bit_width > 0 then substring(bits, number * bit_width + 1, bit_width)::bigint else 0 end
            )::double precision / divisor
        else value_list[number + 1]
    end
from (
    select block.*, date_part('epoch', block.period_at) * 1000000 as start, vector.unit,
        vector.slope as time_slope, vector.bit_width::integer as time_bit_width, vector.bases as time_bases,
        vector.bits as time_bits, generate_series(0, block.sample_count - 1) as number
    from monitoring.sample_blocks as block
    inner join monitoring.time_vectors as vector
        on vector.period_at = block.period_at and vector.time_vector_id = block.time_vector_id
    where block.period_at < (select state.packed_until from monitoring_internal.packing_state as state)
) as item
union all
select series_id, sampled_at, value from monitoring.late_samples
on conflict do nothing;

delete from monitoring.settings where name in ('store.pack_after', 'store.raw_grace', 'store.pack_series');
delete from monitoring.partition_holds where table_name = 'monitoring.samples' and name = 'packing';
delete from monitoring.partition_policies
where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
alter table monitoring.partition_policies drop column released_until;
drop table monitoring_internal.packing_state;
drop table monitoring.packed_periods;
drop table monitoring.late_samples;
drop table monitoring.time_vectors;
drop table monitoring.sample_blocks;
