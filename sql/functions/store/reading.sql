-- store/reading.sql: where samples are read, whatever form they have.
-- Owns packed_until, raw_from, read_points, window_points, newest_sample_time. Writes nothing.
-- Any number of callers at once; each reads one snapshot, in which a day is in samples or in blocks, never both.

-- Before this, samples are in blocks (and late_samples).
create or replace function monitoring_internal.packed_until()
returns timestamptz
language sql stable parallel safe
begin atomic
    select state.packed_until from monitoring_internal.packing_state as state;
end;

comment on function monitoring_internal.packed_until() is
    'Days before this are read from blocks and late_samples, all others from samples; -infinity before the first.';

-- From this on, monitoring_internal.raw_points has everything. Later than packed_until() while a day is being packed.
create or replace function monitoring_internal.raw_from()
returns timestamptz
language sql stable parallel safe
begin atomic
    select state.closed_until from monitoring_internal.packing_state as state;
end;

comment on function monitoring_internal.raw_from() is
    'From this time on raw_points has every sample; before it, use read_points().';

-- Every sample of some series in [from, until), whatever form it has. A window from raw_from() on touches no block, and
-- of equal steps only those of the window are unpacked. Inlined where it is called, so that it costs no more than its
-- tables.
create or replace function monitoring_internal.read_points(
    p_series integer[], p_from timestamptz, p_until timestamptz)
returns table (series_id integer, sampled_at timestamptz, value double precision)
language sql stable parallel safe
begin atomic
    select stored.series_id, stored.sampled_at, stored.value
    from monitoring.samples as stored
    where stored.series_id = any (p_series)
        and stored.sampled_at >= p_from and stored.sampled_at < p_until
        and stored.sampled_at >= (select state.packed_until from monitoring_internal.packing_state as state)
    union all
    select point.series_id, point.sampled_at, point.value
    from (
        select item.series_id, item.time_bit_width = 0 and item.time_slope > 0 as is_sliced,
            monitoring_internal.block_time(item.start, item.number, item.time_bit_width, item.time_unit,
                item.time_slope, item.time_bases, item.time_bits) as sampled_at,
            monitoring_internal.block_value(item.encoding, item.number, item.value_min, item.divisor, item.bit_width,
                item.slope, item.bases, item.wide_bases, item.bits, item.starts, item.value_list) as value
        from (
            select block.*, generate_series(
                -- Cut before it becomes an integer: steps may be a microsecond long.
                case when block.time_bit_width = 0 and block.time_slope > 0
                    then greatest(0, least(block.sample_count, ceil(
                        (round(date_part('epoch', p_from) * 1000000) - block.first)
                        / (block.time_unit * block.time_slope))))::integer else 0 end,
                case when block.time_bit_width = 0 and block.time_slope > 0
                    then greatest(0, least(block.sample_count, ceil(
                        (round(date_part('epoch', p_until) * 1000000) - block.first)
                        / (block.time_unit * block.time_slope))))::integer else block.sample_count end - 1) as number
            from monitoring_internal.open_blocks as block
            where block.series_id = any (p_series)
                and block.period_at > p_from - interval '24 hours' and block.period_at < p_until
                and p_from < (select state.packed_until from monitoring_internal.packing_state as state)
        ) as item
    ) as point
    where point.is_sliced or point.sampled_at >= p_from and point.sampled_at < p_until
    union all
    select late.series_id, late.sampled_at, late.value
    from monitoring.late_samples as late
    where late.series_id = any (p_series)
        and late.sampled_at >= p_from and late.sampled_at < p_until
        and p_from < (select state.closed_until from monitoring_internal.packing_state as state)
    union all
    select appended.series_id, appended.sampled_at, appended.value
    from monitoring_internal.appended_points as appended
    where appended.series_id = any (p_series) and appended.sampled_at >= p_from and appended.sampled_at < p_until;
end;

comment on function monitoring_internal.read_points(integer[], timestamptz, timestamptz) is
    'Every sample of some series from one time to before another, in whatever form, in no order.';

-- The samples of one series after one time and up to another, in the order of their times, for those who look at many
-- series: p_is_raw says that the windows begin at raw_from() or later, and then nothing but samples is touched.
-- Inlined as well; both parts are sorted, so that the raw one comes as its key has it.
create or replace function monitoring_internal.window_points(
    p_series_id integer, p_after timestamptz, p_until timestamptz, p_is_raw boolean)
returns table (series_id integer, sampled_at timestamptz, value double precision)
language sql stable parallel safe
begin atomic
    (
        select stored.series_id, stored.sampled_at, stored.value
        from monitoring_internal.raw_points as stored
        where p_is_raw and stored.series_id = p_series_id
            and stored.sampled_at > p_after and stored.sampled_at <= p_until
        order by stored.sampled_at
    )
    union all
    (
        select point.series_id, point.sampled_at, point.value
        from monitoring_internal.read_points(
            array[p_series_id], p_after, p_until + interval '1 microsecond') as point
        where not p_is_raw and point.sampled_at > p_after
        order by point.sampled_at
    );
end;

comment on function monitoring_internal.window_points(integer, timestamptz, timestamptz, boolean) is
    'Samples of one series after one time and up to another, by time; p_is_raw: it begins at raw_from() or later.';

-- When a series was sampled last after one time and up to another: of the last whole day that has a block, and since.
create or replace function monitoring_internal.newest_sample_time(
    p_series_id integer, p_after timestamptz, p_until timestamptz)
returns timestamptz
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select max(point.sampled_at)
    from (
        select greatest(p_after, max(block.period_at)) as from_at
        from monitoring.sample_blocks as block
        where block.series_id = p_series_id
            and block.period_at > p_after - interval '24 hours' and block.period_at <= p_until - interval '24 hours'
            and block.period_at < (select state.packed_until from monitoring_internal.packing_state as state)
    ) as day
    cross join lateral monitoring_internal.read_points(
        array[p_series_id], day.from_at, p_until + interval '1 microsecond') as point
    where point.sampled_at > p_after;
$$;

comment on function monitoring_internal.newest_sample_time(integer, timestamptz, timestamptz) is
    'Time of the newest sample of a series after one time and up to another, packed or not.';
