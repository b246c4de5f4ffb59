-- store/packing.sql: make the blocks of a day.
-- Owns store_time_vector, store_block, is_rising, pack_raw_series, repack_series.
-- Writes time_vectors, sample_blocks, late_samples.
-- Concurrency: callers hold the lock of packing; the rows they read of samples do not change any more.

-- The key of a list of times, which is stored if no block of the day has it yet.
-- Raises: PV220.
create or replace function monitoring_internal.store_time_vector(p_period_at timestamptz, p_times timestamptz[])
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_digest constant bytea := sha256(array_send(p_times));
    v_id bigint;
begin
    select vector.time_vector_id into v_id
    from monitoring.time_vectors as vector
    where vector.period_at = p_period_at and vector.digest = v_digest;
    if v_id is null then
        insert into monitoring.time_vectors (
            period_at, sample_count, bit_width, unit, slope, bases, bits, digest)
        select p_period_at, cardinality(p_times), encoded.bit_width, encoded.unit, encoded.slope, encoded.bases,
            encoded.bits, v_digest
        from monitoring_internal.encode_times(p_period_at, p_times) as encoded
        returning time_vector_id into v_id;
    end if;
    return v_id;
end;
$$;

comment on function monitoring_internal.store_time_vector(timestamptz, timestamptz[]) is
    'Key of a list of times of a day in time_vectors, stored if it is new.';

-- Store the block of one series and day; its times are in order.
-- Raises: PV220.
create or replace function monitoring_internal.store_block(
    p_period_at timestamptz, p_time_vector_id bigint, p_series_id integer, p_values double precision[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.sample_blocks (
        period_at, time_vector_id, value_min, value_max, value_sum, series_id, sample_count, encoding, bit_width,
        divisor, slope, bases, wide_bases, starts, bits, value_list)
    select p_period_at, p_time_vector_id, summary.min, summary.max, summary.sum, p_series_id, cardinality(p_values),
        encoded.encoding, encoded.bit_width, encoded.divisor, encoded.slope, encoded.bases, encoded.wide_bases,
        encoded.starts, encoded.bits, encoded.value_list
    from (
        -- A sum that no number holds is infinite, and no error.
        select min(item.value) as min, max(item.value) as max,
            sum(case when abs(item.value) <= 1e300 then item.value else sign(item.value) * 'infinity' end) as sum
        from (select unnest(p_values) as value) as item
    ) as summary
    cross join lateral monitoring_internal.encode_values(p_values, summary.min, summary.max) as encoded;
$$;

comment on function monitoring_internal.store_block(timestamptz, bigint, integer, double precision[]) is
    'Stores the values of one series and day as a block.';

-- Whether each time is after the one before.
create or replace function monitoring_internal.is_rising(p_times timestamptz[])
returns boolean
language sql immutable parallel safe
begin atomic
    select not exists (
        select from (select unnest(p_times) as at, unnest(p_times[2:]) as next) as item where item.next <= item.at);
end;

comment on function monitoring_internal.is_rising(timestamptz[]) is 'Whether each time is after the one before.';

-- Make the blocks of the series from one to before another, from the day's samples; returns how many samples.
-- Raises: PV220.
create or replace function monitoring_internal.pack_raw_series(
    p_period_at timestamptz, p_from_series_id bigint, p_until_series_id bigint)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
set enable_indexscan = off
set work_mem = '64MB'
as $$
declare
    v_series record;
    v_times timestamptz[];
    v_time_vector_id bigint;
    v_samples bigint := 0;
begin
    -- A loop: most series share their times with one before, which is seen here without a look-up. Samples are taken as
    -- they lie, mostly in the order of time: to look them up by the key takes three times as long.
    for v_series in
        select stored.series_id, array_agg(stored.sampled_at) as times, array_agg(stored.value) as point_values
        from monitoring.samples as stored
        where stored.series_id >= p_from_series_id and stored.series_id < p_until_series_id
            and stored.sampled_at >= p_period_at and stored.sampled_at < p_period_at + interval '24 hours'
        group by stored.series_id
        order by stored.series_id
    loop
        if v_times is distinct from v_series.times then
            if not monitoring_internal.is_rising(v_series.times) then
                select array_agg(item.at order by item.at), array_agg(item.value order by item.at)
                into v_series.times, v_series.point_values
                from unnest(v_series.times, v_series.point_values) as item (at, value);
            end if;
            if v_times is distinct from v_series.times then
                v_times := v_series.times;
                v_time_vector_id := monitoring_internal.store_time_vector(p_period_at, v_times);
            end if;
        end if;
        perform monitoring_internal.store_block(
            p_period_at, v_time_vector_id, v_series.series_id, v_series.point_values);
        v_samples := v_samples + cardinality(v_times);
    end loop;
    return v_samples;
end;
$$;

comment on function monitoring_internal.pack_raw_series(timestamptz, bigint, bigint) is
    'Makes blocks of the samples of some series and a day; returns how many samples.';

-- Take the late samples of some series and a packed day into their blocks; returns how many there were.
-- What a block holds already stays as it is, and is kept once.
-- Raises: PV220.
create or replace function monitoring_internal.repack_series(p_period_at timestamptz, p_series integer[])
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
    v_series record;
    v_late bigint;
begin
    -- A loop, as above; the cursor's rows are as they were before the first block is replaced.
    for v_series in
        select point.series_id, array_agg(point.sampled_at order by point.sampled_at) as times,
            array_agg(point.value order by point.sampled_at) as point_values
        from (
            select distinct on (held.series_id, held.sampled_at) held.series_id, held.sampled_at, held.value
            from (
                select packed.series_id, packed.sampled_at, packed.value, 0 as place
                from monitoring_internal.block_points as packed
                where packed.series_id = any (p_series) and packed.period_at = p_period_at
                union all
                select late.series_id, late.sampled_at, late.value, 1
                from monitoring.late_samples as late
                where late.series_id = any (p_series)
                    and late.sampled_at >= p_period_at and late.sampled_at < p_period_at + interval '24 hours'
            ) as held
            order by held.series_id, held.sampled_at, held.place
        ) as point
        group by point.series_id
    loop
        delete from monitoring.sample_blocks as block
        where block.series_id = v_series.series_id and block.period_at = p_period_at;
        perform monitoring_internal.store_block(
            p_period_at, monitoring_internal.store_time_vector(p_period_at, v_series.times), v_series.series_id,
            v_series.point_values);
    end loop;
    delete from monitoring.late_samples as late
    where late.series_id = any (p_series)
        and late.sampled_at >= p_period_at and late.sampled_at < p_period_at + interval '24 hours';
    get diagnostics v_late = row_count;
    return v_late;
end;
$$;

comment on function monitoring_internal.repack_series(timestamptz, integer[]) is
    'Takes the late samples of some series and a packed day into their blocks; returns how many there were.';
