-- store/reading.sql: where samples are read, whatever form they have.
-- Owns packed_until, raw_from, appended_since, keyed_points, read_points, appended_windows, joined_points,
-- window_points, known_window_points, newest_sample_time. Writes nothing.
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

-- From this on samples are in append mode; infinity: none are.
create or replace function monitoring_internal.appended_since()
returns timestamptz
language sql stable parallel safe
begin atomic
    select state.appended_since from monitoring_internal.packing_state as state;
end;

comment on function monitoring_internal.appended_since() is
    'From this time on samples may be in appended_samples; infinity when none are.';

-- Every sample of some series in [from, until) but those of append mode. A window from raw_from() on touches no block,
-- and of equal steps only those of the window are unpacked. Inlined where it is called, so that it costs no more than
-- its tables.
create or replace function monitoring_internal.keyed_points(
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
        and p_from < (select state.closed_until from monitoring_internal.packing_state as state);
end;

comment on function monitoring_internal.keyed_points(integer[], timestamptz, timestamptz) is
    'Samples of some series from one time to before another but those of append mode, in no order. Use it laterally.';

-- Every sample of some series in [from, until). Inlined likewise. What append mode has is scanned once a call: where
-- the series are many, call it once for all of them, or take joined_points() series by series.
create or replace function monitoring_internal.read_points(
    p_series integer[], p_from timestamptz, p_until timestamptz)
returns table (series_id integer, sampled_at timestamptz, value double precision)
language sql stable parallel safe
begin atomic
    select keyed.series_id, keyed.sampled_at, keyed.value
    from monitoring_internal.keyed_points(p_series, p_from, p_until) as keyed
    union all
    select appended.series_id, appended.sampled_at, appended.value
    from monitoring_internal.appended_points as appended
    where appended.series_id = any (p_series) and appended.sampled_at >= p_from and appended.sampled_at < p_until;
end;

comment on function monitoring_internal.read_points(integer[], timestamptz, timestamptz) is
    'Every sample of some series from one time to before another, in whatever form, in no order.';

-- What append mode has of some series (null: of all) after one time and up to another, a row a series, by one scan.
-- Not inlined, so that no plan scans it once a series.
create or replace function monitoring_internal.appended_windows(
    p_series integer[], p_after timestamptz, p_until timestamptz)
returns table (series_id integer, times timestamptz[], point_values double precision[])
language plpgsql stable parallel safe rows 10000
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set work_mem = '64MB'
set jit = off
as $$
begin
    if p_until < monitoring_internal.appended_since() then
        return;
    end if;
    return query
        select point.series_id, array_agg(point.sampled_at order by point.sampled_at),
            array_agg(point.value order by point.sampled_at)
        from monitoring_internal.appended_points as point
        where point.sampled_at > p_after and point.sampled_at <= p_until
            and (p_series is null or point.series_id = any (p_series))
        group by point.series_id;
end;
$$;

comment on function monitoring_internal.appended_windows(integer[], timestamptz, timestamptz) is
    'Samples of append mode after one time and up to another, by series in the order of time.';

-- The samples of one series after one time and up to another, for those who look at many series and have what append
-- mode has of it from appended_windows(). Inlined.
create or replace function monitoring_internal.joined_points(
    p_series_id integer, p_after timestamptz, p_until timestamptz, p_times timestamptz[], p_values double precision[])
returns table (sampled_at timestamptz, value double precision)
language sql stable parallel safe
begin atomic
    select keyed.sampled_at, keyed.value
    from monitoring_internal.keyed_points(array[p_series_id], p_after, p_until + interval '1 microsecond') as keyed
    where keyed.sampled_at > p_after
    union all
    select appended.at, appended.value
    from unnest(p_times, p_values) as appended (at, value)
    where appended.at > p_after and appended.at <= p_until;
end;

comment on function monitoring_internal.joined_points(
    integer, timestamptz, timestamptz, timestamptz[], double precision[]) is
    'Samples of one series after one time and up to another, with those of append mode as given.';

-- The samples of one series after one time and up to another, in the order of their times: p_is_raw says that it
-- begins at raw_from() or later, and then no block is touched. Inlined as well; both parts are sorted, so that the raw
-- one comes as its key has it. It scans what append mode has: where series are many, take the next.
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
        select p_series_id, point.sampled_at, point.value
        from monitoring_internal.read_points(
            array[p_series_id], p_after, p_until + interval '1 microsecond') as point
        where not p_is_raw and point.sampled_at > p_after
        order by point.sampled_at
    );
end;

comment on function monitoring_internal.window_points(integer, timestamptz, timestamptz, boolean) is
    'Samples of one series after one time and up to another, by time; p_is_raw: it begins at raw_from() or later.';

-- The same for those who look at many series, and have what append mode has from appended_windows(). p_is_raw says that
-- samples has all: the window begins at raw_from() or later and ends before appended_since().
create or replace function monitoring_internal.known_window_points(
    p_series_id integer, p_after timestamptz, p_until timestamptz, p_is_raw boolean,
    p_times timestamptz[], p_values double precision[])
returns table (series_id integer, sampled_at timestamptz, value double precision)
language sql stable parallel safe
begin atomic
    (
        select stored.series_id, stored.sampled_at, stored.value
        from monitoring.samples as stored
        where p_is_raw and stored.series_id = p_series_id
            and stored.sampled_at > p_after and stored.sampled_at <= p_until
        order by stored.sampled_at
    )
    union all
    (
        select p_series_id, point.sampled_at, point.value
        from monitoring_internal.joined_points(p_series_id, p_after, p_until, p_times, p_values) as point
        where not p_is_raw
        order by point.sampled_at
    );
end;

comment on function monitoring_internal.known_window_points(
    integer, timestamptz, timestamptz, boolean, timestamptz[], double precision[]) is
    'window_points() with the samples of append mode as given; p_is_raw: samples has all of the window.';

-- When a series was sampled last after one time and up to another: of the last whole day that has a block, and since.
-- Samples of append mode are not looked at: callers have many series, and take appended_windows().
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
    cross join lateral monitoring_internal.keyed_points(
        array[p_series_id], day.from_at, p_until + interval '1 microsecond') as point
    where point.sampled_at > p_after;
$$;

comment on function monitoring_internal.newest_sample_time(integer, timestamptz, timestamptz) is
    'Time of the newest sample of a series after one time and up to another, packed or not, but for append mode.';
