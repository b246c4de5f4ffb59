-- store/sizes.sql: what blocks take.
-- Owns block_bytes, packed_sizes. Writes nothing.
-- Any number of callers at once.

-- Bytes of a block: those of its arrays as stored, of its numbers, and of the head of its row.
create or replace function monitoring_internal.block_bytes(p_block monitoring.sample_blocks)
returns integer
language sql immutable parallel safe
begin atomic
    select 92 + coalesce(pg_column_size(p_block.bits), 0) + coalesce(pg_column_size(p_block.bases), 0)
        + coalesce(pg_column_size(p_block.wide_bases), 0) + coalesce(pg_column_size(p_block.starts), 0)
        + coalesce(pg_column_size(p_block.value_list), 0);
end;

comment on function monitoring_internal.block_bytes(monitoring.sample_blocks) is
    'Bytes of a block as stored, without its entry in the key.';

-- Bytes of the blocks and times of each day, for packing_status: sizes and counts, no rows of any tenant.
create or replace function monitoring_internal.packed_sizes()
returns table (period_at timestamptz, packed_bytes bigint)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select part.period_at, sum(part.bytes)::bigint
    from (
        select block.period_at, monitoring_internal.block_bytes(block) as bytes from monitoring.sample_blocks as block
        union all
        select vector.period_at, 110 + pg_column_size(vector.bases) + coalesce(pg_column_size(vector.bits), 0)
        from monitoring.time_vectors as vector
    ) as part
    group by part.period_at;
$$;

comment on function monitoring_internal.packed_sizes() is
    'Bytes of the blocks and times of each day, without indexes; the view packing_status shows them.';
