-- queries/steps.sql: what counters grew by.
-- Owns counter_step, fold_steps. Writes nothing.
-- Concurrency: reads of one snapshot.

-- By what a counter grew from one value to the next; where it fell it began anew from zero.
create or replace function monitoring_internal.counter_step(p_before double precision, p_after double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_before is null then 0
        when p_after < p_before then least(greatest(p_after, 0), 1e300)
        -- No difference of two numbers is an error.
        else least(greatest(p_after, -1e300), 1e300) - least(greatest(p_before, -1e300), 1e300)
    end;
end;

comment on function monitoring_internal.counter_step(double precision, double precision) is
    'By what a counter grew from one value to the next, beginning anew where it fell.';

-- What each counter grew by, or that a second. A step from one sample to the next belongs to the bucket in which it
-- ends, however long it took, so that none is lost between two buckets and none counted twice; a fall means that the
-- counter began anew from zero. Reading begins before p_start_at, where the first step comes from.
create or replace function monitoring_internal.fold_steps(
    p_aggregate text, p_start_at timestamptz, p_series integer[], p_units integer[], p_sources text[],
    p_from timestamptz[], p_until timestamptz[], p_stride interval, p_origin timestamptz, p_starts timestamptz[])
returns table (unit_no integer, bucket_at timestamptz[], value double precision[])
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
    v_from constant timestamptz := monitoring_internal.raw_since(p_sources, p_from); -- Constants leave partitions out.
    v_until constant timestamptz := monitoring_internal.raw_until(p_sources, p_until);
begin
    return query
    with reading as (
        select * from unnest(p_series, p_units, p_sources, p_from, p_until)
            as reading (series_id, unit_no, source, from_at, until_at) where reading.source = 'raw'
    ),
    part as (
        select reading.unit_no, point.sampled_at as at, point.sampled_at as first_at, point.value as first,
            point.sampled_at as last_at, point.value as last, 0::double precision as inside
        from reading
        inner join monitoring_internal.raw_points as point on point.series_id = reading.series_id
            and point.sampled_at >= reading.from_at and point.sampled_at < reading.until_at
        where point.sampled_at >= v_from and point.sampled_at < v_until
        union all
        select packed.unit_no, packed.sampled_at, packed.sampled_at, packed.value, packed.sampled_at, packed.value, 0
        from monitoring_internal.read_packed(p_series, p_units, p_sources, p_from, p_until) as packed
        union all
        select rolled.unit_no, rolled.bucket_at, rolled.first_at, rolled.value_first, rolled.last_at,
            rolled.value_last, rolled.increase
        from monitoring_internal.read_rollups(p_series, p_units, p_sources, p_from, p_until) as rolled
    ),
    walk as (
        select part.*, lag(part.last) over earlier as before, lag(part.last_at) over earlier as before_at
        from part
        window earlier as (partition by part.unit_no order by part.first_at)
    ),
    step as (
        select walk.unit_no, monitoring_internal.bucket_of(walk.at, p_stride, p_origin, p_starts) as bucket_at,
            walk.inside + monitoring_internal.counter_step(walk.before, walk.first) as grown,
            extract(epoch from walk.last_at - coalesce(walk.before_at, walk.first_at))::double precision as seconds
        from walk where walk.at >= p_start_at
    )
    select folded.unit_no, array_agg(folded.bucket_at), array_agg(folded.value)
    from (
        select step.unit_no, step.bucket_at,
            case p_aggregate when 'increase' then sum(step.grown)
                else monitoring_internal.ratio(sum(step.grown), sum(step.seconds)) end as value
        from step
        where step.seconds > 0
        group by step.unit_no, step.bucket_at
        order by 1, 2
    ) as folded
    group by folded.unit_no;
end;
$$;

comment on function monitoring_internal.fold_steps(
    text, timestamptz, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]) is
    'increase or rate of each series and bucket, over samples and rollups; counters begun anew are seen through.';
