-- queries/read.sql: packed samples and rollups as the folds of a query take them.
-- Owns raw_since, raw_until, read_packed, read_rollups, read_sketched. Writes nothing.
-- Concurrency: reads of one snapshot.

-- Where the raw samples begin that a query reads; null: it reads none.
create or replace function monitoring_internal.raw_since(p_sources text[], p_from timestamptz[])
returns timestamptz
language sql immutable parallel safe
begin atomic
    select min(reading.from_at) from unnest(p_sources, p_from) as reading (source, from_at)
    where reading.source = 'raw';
end;

comment on function monitoring_internal.raw_since(text[], timestamptz[]) is
    'Where the raw samples begin that a query reads; null: it reads none.';

-- And where they end.
create or replace function monitoring_internal.raw_until(p_sources text[], p_until timestamptz[])
returns timestamptz
language sql immutable parallel safe
begin atomic
    select max(reading.until_at) from unnest(p_sources, p_until) as reading (source, until_at)
    where reading.source = 'raw';
end;

comment on function monitoring_internal.raw_until(text[], timestamptz[]) is
    'Where the raw samples end that a query reads; null: it reads none.';

-- The packed samples among what is read, one call a stretch for all series that it is read of. Of few series the plan
-- is kept: it has three tables with all of their partitions, and takes longer to make than to run. Of many it is made
-- for their number: one that does not know it may unpack all of them for each.
create or replace function monitoring_internal.read_packed(
    p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[], p_until timestamptz[])
returns table (unit_no integer, series_id integer, sampled_at timestamptz, value double precision)
language plpgsql stable parallel restricted
rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_packed record;
begin
    if not 'packed' = any (p_sources) then
        return;
    end if;
    select array_agg(reading.series_id) as series_ids, array_agg(reading.unit_no) as unit_nos,
        array_agg(reading.from_at) as from_at, array_agg(reading.until_at) as until_at
    into v_packed
    from unnest(p_series, p_units, p_sources, p_from, p_until)
        as reading (series_id, unit_no, source, from_at, until_at)
    where reading.source = 'packed';
    if cardinality(v_packed.series_ids) <= 16 then
        perform set_config('plan_cache_mode', 'force_generic_plan', true);
    end if;
    return query
    select unit.unit_no, point.series_id, point.sampled_at, point.value
    from (
        select array_agg(reading.series_id) as series_ids, reading.from_at, reading.until_at
        from unnest(v_packed.series_ids, v_packed.from_at, v_packed.until_at) as reading (series_id, from_at, until_at)
        group by reading.from_at, reading.until_at
    ) as stretch
    cross join lateral monitoring_internal.read_points(stretch.series_ids, stretch.from_at, stretch.until_at) as point
    inner join (
        select distinct reading.series_id, reading.unit_no
        from unnest(v_packed.series_ids, v_packed.unit_nos) as reading (series_id, unit_no)
    ) as unit on unit.series_id = point.series_id;
end;
$$;

comment on function monitoring_internal.read_packed(integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'The packed samples of what query_reads names.';

-- The rollups among what is read, level by level: a plan with a constant level and constant outer bounds has no other
-- tables and partitions in it.
create or replace function monitoring_internal.read_rollups(
    p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[], p_until timestamptz[])
returns table (
    unit_no integer, series_id integer, bucket_at timestamptz, sample_count double precision,
    value_sum double precision, value_sum_squares double precision, value_min double precision,
    value_max double precision, value_first double precision, value_last double precision, first_at timestamptz,
    last_at timestamptz, increase double precision, sketch integer[])
language plpgsql stable parallel restricted
rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_level record;
begin
    -- A level at a time: there are four of them.
    for v_level in
        select reading.source, min(reading.from_at) as from_at, max(reading.until_at) as until_at
        from unnest(p_sources, p_from, p_until) as reading (source, from_at, until_at)
        where reading.source not in ('raw', 'packed')
        group by reading.source
    loop
        return query
        select reading.unit_no, rolled.series_id, rolled.bucket_at, rolled.sample_count::double precision,
            rolled.value_sum, rolled.value_sum_squares, rolled.value_min, rolled.value_max, rolled.value_first,
            rolled.value_last, rolled.first_at, rolled.last_at, rolled.increase, rolled.sketch
        from unnest(p_series, p_units, p_sources, p_from, p_until)
            as reading (series_id, unit_no, source, from_at, until_at)
        inner join monitoring_internal.rollup_points as rolled on rolled.series_id = reading.series_id
            and rolled.bucket_at >= reading.from_at and rolled.bucket_at < reading.until_at
        where reading.source = v_level.source and rolled.resolution = v_level.source
            and rolled.bucket_at >= v_level.from_at and rolled.bucket_at < v_level.until_at;
    end loop;
end;
$$;

comment on function monitoring_internal.read_rollups(integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'The rollups of what query_reads names.';

-- Samples and rollups as keys of the sketch with counts. A rollup without a sketch is of one value.
-- Called by: fold_sketched_quantiles.
create or replace function monitoring_internal.read_sketched(
    p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[], p_until timestamptz[])
returns table (
    unit_no integer, at timestamptz, key integer, samples double precision, lowest double precision,
    highest double precision)
language plpgsql stable parallel restricted
rows 100000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    -- Outer bounds that are constants of the plan leave the other partitions out of it.
    v_from constant timestamptz := monitoring_internal.raw_since(p_sources, p_from);
    v_until constant timestamptz := monitoring_internal.raw_until(p_sources, p_until);
begin
    return query
    with reading as (
        select * from unnest(p_series, p_units, p_sources, p_from, p_until)
            as reading (series_id, unit_no, source, from_at, until_at)
        where reading.source = 'raw'
    )
    select reading.unit_no, point.sampled_at, monitoring_internal.sketch_key(point.value), 1::double precision,
        point.value, point.value
    from reading
    inner join monitoring_internal.raw_points as point on point.series_id = reading.series_id
        and point.sampled_at >= reading.from_at and point.sampled_at < reading.until_at
    where point.sampled_at >= v_from and point.sampled_at < v_until
    union all
    select packed.unit_no, packed.sampled_at, monitoring_internal.sketch_key(packed.value), 1, packed.value,
        packed.value
    from monitoring_internal.read_packed(p_series, p_units, p_sources, p_from, p_until) as packed
    union all
    select rolled.unit_no, rolled.bucket_at,
        coalesce(entry >> 13, monitoring_internal.sketch_key(rolled.value_min)),
        coalesce(entry & 8191, rolled.sample_count), rolled.value_min, rolled.value_max
    from monitoring_internal.read_rollups(p_series, p_units, p_sources, p_from, p_until) as rolled
    left join lateral unnest(rolled.sketch) as entry on true;
end;
$$;

comment on function monitoring_internal.read_sketched(integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'Samples and rollups as keys of a sketch with counts.';
