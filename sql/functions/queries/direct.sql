-- queries/direct.sql: rows of rollups whose buckets are those of a query.
-- Owns units_are_single, direct_level, fold_direct, fold_direct_rows, fold_direct_groups, fold_direct_quantiles.
-- Writes nothing.
-- Concurrency: reads of one snapshot.

-- Whether each unit is one series.
create or replace function monitoring_internal.units_are_single(p_series integer[], p_units integer[])
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return not exists (
        select from unnest(p_units, p_series) as reading (unit_no, series_id)
        group by reading.unit_no having min(reading.series_id) <> max(reading.series_id));
end;
$$;

comment on function monitoring_internal.units_are_single(integer[], integer[]) is
    'Whether what is read of each unit is of one series.';

-- The level whose buckets are the step's: its rows are all that their buckets have, if the ranges of all series of a
-- unit are divided alike between levels and samples; late samples that wait divide those of their series alone.
-- Null where there is none; for what counters grew by, since a step from one bucket to the next is in neither; and
-- where several series are to be put together by more than sums and extremes.
create or replace function monitoring_internal.direct_level(
    p_aggregate text, p_stride interval, p_series integer[], p_units integer[], p_sources text[],
    p_from timestamptz[], p_until timestamptz[])
returns text
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select level.resolution
        from monitoring_internal.rollup_levels as level
        where level.width = p_stride and level.resolution = any (p_sources)
            and p_aggregate not in ('rate', 'increase')
            and (monitoring_internal.units_are_single(p_series, p_units)
                or p_aggregate not in ('first', 'last', 'quantile') and not exists (
                    select from (
                        select reading.*, count(*) over (partition by unit_no, source, from_at, until_at) as alike,
                            dense_rank() over (partition by unit_no order by series_id)
                                + dense_rank() over (partition by unit_no order by series_id desc) - 1 as all_series
                        from unnest(p_units, p_series, p_sources, p_from, p_until)
                            as reading (unit_no, series_id, source, from_at, until_at)
                    ) as divided
                    where divided.alike <> divided.all_series)));
end;
$$;

comment on function monitoring_internal.direct_level(
    text, interval, integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'The level whose buckets are those of a query, and which can be folded apart from the rest; else null.';

-- The buckets of a level: as they are where each unit is one series, else those of its series together. The statement
-- is made for one level and values that are constants of its plan, so that no other table or partition is in it.
create or replace function monitoring_internal.fold_direct(
    p_level text, p_aggregate text, p_quantile double precision, p_series integer[], p_units integer[],
    p_sources text[], p_from timestamptz[], p_until timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_aggregate = 'quantile' then
        return query select * from monitoring_internal.fold_direct_quantiles(
            p_level, p_quantile, p_series, p_units, p_sources, p_from, p_until);
    elsif monitoring_internal.units_are_single(p_series, p_units) then
        return query select * from monitoring_internal.fold_direct_rows(
            p_level, p_aggregate, p_series, p_units, p_sources, p_from, p_until);
    else
        return query select * from monitoring_internal.fold_direct_groups(
            p_level, p_aggregate, p_series, p_units, p_sources, p_from, p_until);
    end if;
end;
$$;

comment on function monitoring_internal.fold_direct(
    text, text, double precision, integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'What each unit comes to in each bucket of a level, where its buckets are those that are asked for.';

-- Rows as they are.
create or replace function monitoring_internal.fold_direct_rows(
    p_level text, p_aggregate text, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
    p_until timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
declare
    v_table constant text := 'rollups_' || p_level;
    v_span record;
begin
    select min(reading.from_at) as from_at, max(reading.until_at) as until_at into v_span
    from unnest(p_sources, p_from, p_until) as reading (source, from_at, until_at)
    where reading.source = p_level;
    -- A loop over units, of which each is one row.
    for unit_no, bucket_at, value in execute format($statement$
        select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
        from (
            select reading.unit_no, rolled.bucket_at, case $9
                    when 'first' then rolled.value_first
                    when 'last' then rolled.value_last
                    else monitoring_internal.folded_value($9, rolled.sample_count::double precision, rolled.value_sum,
                        rolled.value_sum_squares, rolled.value_min, rolled.value_max)
                end as value
            from unnest($1, $2, $3, $4, $5) as reading (series_id, unit_no, source, from_at, until_at)
            inner join monitoring.%I as rolled on rolled.series_id = reading.series_id
                and rolled.bucket_at >= reading.from_at and rolled.bucket_at < reading.until_at
            where reading.source = $6 and rolled.bucket_at >= $7 and rolled.bucket_at < $8
            order by 1, 2
        ) as folded
        group by folded.unit_no
        $statement$, v_table)
    using p_series, p_units, p_sources, p_from, p_until, p_level, v_span.from_at, v_span.until_at, p_aggregate
    loop
        return next;
    end loop;
end;
$$;

comment on function monitoring_internal.fold_direct_rows(
    text, text, integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'What each series comes to in each bucket of a level: its rows.';

-- Rows of several series put together.
create or replace function monitoring_internal.fold_direct_groups(
    p_level text, p_aggregate text, p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[],
    p_until timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
declare
    v_table constant text := 'rollups_' || p_level;
    v_span record;
begin
    select min(reading.from_at) as from_at, max(reading.until_at) as until_at into v_span
    from unnest(p_sources, p_from, p_until) as reading (source, from_at, until_at)
    where reading.source = p_level;
    -- A loop over units, of which each is one row.
    for unit_no, bucket_at, value in execute format($statement$
        select folded.unit_no, array_agg(folded.bucket_at), array_agg(monitoring_internal.folded_value(
            $9, folded.samples, folded.total, folded.squares, folded.least, folded.most))
        from (
            select reading.unit_no, rolled.bucket_at, sum(rolled.sample_count::double precision) as samples,
                sum(rolled.value_sum) as total,
                sum(case $9 when 'stddev' then rolled.value_sum_squares end) as squares,
                min(rolled.value_min) as least, max(rolled.value_max) as most
            from unnest($1, $2, $3, $4, $5) as reading (series_id, unit_no, source, from_at, until_at)
            inner join monitoring.%I as rolled on rolled.series_id = reading.series_id
                and rolled.bucket_at >= reading.from_at and rolled.bucket_at < reading.until_at
            where reading.source = $6 and rolled.bucket_at >= $7 and rolled.bucket_at < $8
            group by 1, 2
            order by 1, 2
        ) as folded
        group by folded.unit_no
        $statement$, v_table)
    using p_series, p_units, p_sources, p_from, p_until, p_level, v_span.from_at, v_span.until_at, p_aggregate
    loop
        return next;
    end loop;
end;
$$;

comment on function monitoring_internal.fold_direct_groups(
    text, text, integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'What each group of series comes to in each bucket of a level: its rows put together.';

-- Rows as they are, for a quantile: entries of a sketch are in the order of their values, so that a running sum finds
-- the place.
create or replace function monitoring_internal.fold_direct_quantiles(
    p_level text, p_quantile double precision, p_series integer[], p_units integer[], p_sources text[],
    p_from timestamptz[], p_until timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
declare
    v_table constant text := 'rollups_' || p_level;
    v_span record;
begin
    select min(reading.from_at) as from_at, max(reading.until_at) as until_at into v_span
    from unnest(p_sources, p_from, p_until) as reading (source, from_at, until_at)
    where reading.source = p_level;
    -- A loop over units, of which each is one row.
    for unit_no, bucket_at, value in execute format($statement$
        select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
        from (
            select reading.unit_no, rolled.bucket_at, monitoring_internal.value_of_rank(
                    $9 * (rolled.sample_count - 1), rolled.sample_count - 1, place.key_below, place.key_above,
                    rolled.value_min, rolled.value_max) as value
            from unnest($1, $2, $3, $4, $5) as reading (series_id, unit_no, source, from_at, until_at)
            inner join monitoring.%I as rolled on rolled.series_id = reading.series_id
                and rolled.bucket_at >= reading.from_at and rolled.bucket_at < reading.until_at
            cross join lateral (
                select
                    min(entry.key) filter (where entry.until_rank > floor($9 * (rolled.sample_count - 1))) as key_below,
                    min(entry.key) filter (where entry.until_rank > ceil($9 * (rolled.sample_count - 1))) as key_above
                from (
                    select given.entry >> 13 as key,
                        sum(given.entry & 8191) over (rows unbounded preceding) as until_rank
                    from unnest(rolled.sketch) as given (entry)
                ) as entry
            ) as place
            where reading.source = $6 and rolled.bucket_at >= $7 and rolled.bucket_at < $8
            order by 1, 2
        ) as folded
        group by folded.unit_no
        $statement$, v_table)
    using p_series, p_units, p_sources, p_from, p_until, p_level, v_span.from_at, v_span.until_at, p_quantile
    loop
        return next;
    end loop;
end;
$$;

comment on function monitoring_internal.fold_direct_quantiles(
    text, double precision, integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'A quantile of each unit and bucket of a level, where its rows are the buckets.';
