-- queries/plan.sql: the grid of a query, and from which form of the store each stretch of its range is read.
-- Owns query_grid, bucket_of, aligned_inside, kept_since, query_levels, sample_sources, plan_query, query_reads.
-- Writes nothing.
-- Concurrency: reads of one snapshot.

-- The grid of a step, in UTC whatever the session's time zone is: days from midnight, weeks from Monday, months and
-- years by the calendar, everything else from the epoch. Months have no stride and list the starts of their buckets.
create or replace function monitoring_internal.query_grid(
    p_start_at timestamptz, p_end_at timestamptz, p_step interval,
    out stride interval, out origin timestamptz, out starts timestamptz[], out first_at timestamptz,
    out bucket_count bigint)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_months constant integer := extract(year from p_step) * 12 + extract(month from p_step);
    v_seconds constant numeric := extract(epoch from p_step);
    v_first timestamp;
    v_month integer;
begin
    if v_months = 0 then
        stride := make_interval(secs => v_seconds::double precision);
        origin := case when v_seconds % 604800 = 0 then timestamptz '1970-01-05 00:00+00'
            else timestamptz '1970-01-01 00:00+00' end;
        first_at := date_bin(stride, p_start_at, origin);
        bucket_count := ceil(extract(epoch from p_end_at - first_at) / v_seconds);
        return;
    end if;
    v_first := p_start_at at time zone 'UTC';
    v_month := extract(year from v_first)::integer * 12 + extract(month from v_first)::integer - 1;
    v_month := v_month - v_month % v_months;
    v_first := make_timestamp(v_month / 12, v_month % 12 + 1, 1, 0, 0, 0);
    select array_agg(start.at at time zone 'UTC' order by start.at) into starts
    from generate_series(v_first, p_end_at at time zone 'UTC', p_step) as start (at)
    where start.at < p_end_at at time zone 'UTC';
    first_at := starts[1];
    bucket_count := cardinality(starts);
end;
$$;

comment on function monitoring_internal.query_grid(timestamptz, timestamptz, interval) is
    'The grid of a step in UTC: stride and origin, or the starts of months; the first bucket and how many there are.';

-- The start of the bucket in which a time lies.
create or replace function monitoring_internal.bucket_of(
    p_at timestamptz, p_stride interval, p_origin timestamptz, p_starts timestamptz[])
returns timestamptz
language sql immutable parallel safe
begin atomic
    select case
        when p_stride is not null then date_bin(p_stride, p_at, p_origin)
        else p_starts[width_bucket(p_at, p_starts)]
    end;
end;

comment on function monitoring_internal.bucket_of(timestamptz, interval, timestamptz, timestamptz[]) is
    'The start of the bucket of a grid in which a time lies.';

-- The part of each of some ranges that whole buckets of a width fill.
create or replace function monitoring_internal.aligned_inside(p_ranges tstzmultirange, p_width interval)
returns tstzmultirange
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(range_agg(tstzrange(aligned.from_at, aligned.until_at)), '{}')
    from unnest(p_ranges) as stretch
    cross join lateral (
        select date_bin(p_width, lower(stretch) + p_width - interval '1 us', timestamptz '1970-01-01 00:00+00'),
            date_bin(p_width, upper(stretch), timestamptz '1970-01-01 00:00+00')
    ) as aligned (from_at, until_at)
    where aligned.from_at < aligned.until_at;
$$;

comment on function monitoring_internal.aligned_inside(tstzmultirange, interval) is
    'The part of some ranges that whole buckets of a width, counted from the epoch, fill.';

-- From when on what is kept for a time is whole: the first midnight in UTC of which nothing can be gone yet.
create or replace function monitoring_internal.kept_since(p_now timestamptz, p_retention interval)
returns timestamptz
language sql immutable parallel safe
begin atomic
    select date_trunc('day', (p_now at time zone 'UTC') - p_retention + interval '1 day') at time zone 'UTC';
end;

comment on function monitoring_internal.kept_since(timestamptz, interval) is
    'The first midnight in UTC from which on nothing that is kept for so long can be gone.';

-- The rollups that a class of metrics has, and for what time they are complete; p_gone is what gone_until() says.
create or replace function monitoring_internal.query_levels(
    p_retention_class text, p_now timestamptz, p_gone jsonb default '{}')
returns table (resolution text, width interval, from_at timestamptz, until_at timestamptz)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select level.resolution, level.width, held.since, level.watermark
    from monitoring.retention_classes as class
    cross join lateral (
        values ('1m', class.rollup_1m), ('5m', class.rollup_5m), ('1h', class.rollup_1h), ('1d', class.rollup_1d)
    ) as kept (resolution, retention)
    inner join monitoring_internal.rollup_levels as level on level.resolution = kept.resolution
    cross join lateral (
        select greatest(
            monitoring_internal.kept_since(p_now, kept.retention), (p_gone ->> kept.resolution)::timestamptz)
    ) as held (since)
    where class.name = p_retention_class
        and kept.retention is not null
        and held.since < level.watermark;
end;
$$;

comment on function monitoring_internal.query_levels(text, timestamptz, jsonb) is
    'The rollups that a class of metrics has, from when on they are kept and until when they are complete.';

-- Samples are packed up to a time, and raw from there on.
create or replace function monitoring_internal.sample_sources(p_ranges tstzmultirange)
returns table (source text, from_at timestamptz, until_at timestamptz)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select form.source, lower(stretch), upper(stretch)
    from (select monitoring_internal.raw_from() as until_at offset 0) as pack
    cross join lateral (
        values ('packed', tstzrange(null, pack.until_at)), ('raw', tstzrange(pack.until_at, null))
    ) as form (source, span)
    cross join lateral unnest(p_ranges * tstzmultirange(form.span)) as stretch;
end;
$$;

comment on function monitoring_internal.sample_sources(tstzmultirange) is
    'Some ranges of samples, divided into what is packed and what is raw.';

-- From what each stretch of a range is read. Rollups whose buckets the step's are made of come first, the coarsest
-- before all, as far as they are complete; what they leave comes from samples while these are kept, and what is older
-- still from the finest rollup there is, each row in the bucket in which it begins. Where nothing is kept samples are
-- asked, for there may be some. Units: p_stride null for months, which days fill. Rollups from before p_rolled_since
-- were made by other rules, or not at all: they are taken only where samples are gone. What was deleted (p_gone, of
-- gone_until()) is gone, however long it would be kept by now; a day that was restored is there.
create or replace function monitoring_internal.plan_query(
    p_retention_class text, p_rolled_since timestamptz, p_start_at timestamptz, p_end_at timestamptz,
    p_stride interval, p_is_rolled_up boolean, p_now timestamptz, p_gone jsonb default '{}')
returns table (source text, from_at timestamptz, until_at timestamptz)
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_left tstzmultirange := tstzmultirange(tstzrange(p_start_at, p_end_at));
    v_part tstzmultirange;
    v_since timestamptz;
    v_level record;
begin
    -- Coarse before fine, each taking of what is left; there are four levels.
    for v_level in
        select level.* from monitoring_internal.query_levels(p_retention_class, p_now, p_gone) as level
        where p_is_rolled_up
            and (p_stride is null or extract(epoch from p_stride) % extract(epoch from level.width) = 0)
        order by level.width desc
    loop
        v_part := monitoring_internal.aligned_inside(
            v_left * tstzmultirange(tstzrange(
                least(greatest(v_level.from_at, p_rolled_since), v_level.until_at), v_level.until_at)),
            v_level.width);
        v_left := v_left - v_part;
        return query select v_level.resolution, lower(stretch), upper(stretch) from unnest(v_part) as stretch;
    end loop;
    select greatest(
        monitoring_internal.kept_since(p_now, max(class.raw_retention)), (p_gone ->> 'raw')::timestamptz)
    into v_since
    from monitoring.retention_classes as class
    where class.name = p_retention_class;
    v_part := v_left * tstzmultirange(tstzrange(v_since, null));
    if lower(v_left) < v_since then
        v_part := v_part + v_left * monitoring_internal.restored_days(p_retention_class, p_now);
    end if;
    v_left := v_left - v_part;
    return query select * from monitoring_internal.sample_sources(v_part);
    -- Fine before coarse: whatever is kept of what is too old for samples.
    for v_level in
        select level.* from monitoring_internal.query_levels(p_retention_class, p_now, p_gone) as level
        where p_is_rolled_up
        order by level.width
    loop
        v_part := v_left * tstzmultirange(tstzrange(v_level.from_at, v_level.until_at));
        v_left := v_left - v_part;
        return query select v_level.resolution, lower(stretch), upper(stretch) from unnest(v_part) as stretch;
    end loop;
    return query select * from monitoring_internal.sample_sources(v_left);
end;
$$;

comment on function monitoring_internal.plan_query(
    text, timestamptz, timestamptz, timestamptz, interval, boolean, timestamptz, jsonb) is
    'From which form of the store each stretch of a range is read: a level of the rollups, raw or packed samples.';

-- What is read of each series: the plan, but for the buckets of rollups that samples came late to and that wait to be
-- made again; these are read from samples.
create or replace function monitoring_internal.query_reads(
    p_series integer[], p_units integer[], p_sources text[], p_from timestamptz[], p_until timestamptz[],
    out series_ids integer[], out unit_nos integer[], out sources text[], out from_at timestamptz[],
    out until_at timestamptz[])
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
begin
    with planned as materialized (
        select plan.source, plan.from_at, plan.until_at, level.width
        from unnest(p_sources, p_from, p_until) as plan (source, from_at, until_at)
        left join monitoring_internal.rollup_levels as level on level.resolution = plan.source
    ),
    stale as materialized (
        select late.series_id, planned.source, range_agg(tstzrange(
                date_bin(planned.width, late.from_at, timestamptz '1970-01-01 00:00+00'),
                date_bin(planned.width, late.until_at, timestamptz '1970-01-01 00:00+00') + planned.width)) as buckets
        from planned
        inner join monitoring_internal.late_ranges as late
            on late.from_at < planned.until_at and late.until_at >= planned.from_at
        where planned.width is not null
            and late.series_id in (select wanted.series_id from unnest(p_series) as wanted (series_id))
        group by late.series_id, planned.source
    ),
    wanted as (
        select * from unnest(p_series, p_units) as wanted (series_id, unit_no)
    ),
    reading as (
        select wanted.series_id, wanted.unit_no, planned.source, planned.from_at, planned.until_at
        from wanted cross join planned
        where wanted.series_id not in (select stale.series_id from stale)
        union all
        select wanted.series_id, wanted.unit_no, part.source, lower(stretch), upper(stretch)
        from wanted
        cross join planned
        left join stale on stale.series_id = wanted.series_id and stale.source = planned.source
        cross join lateral (
            select planned.source, span.whole - coalesce(stale.buckets, '{}') as ranges
            from (select tstzmultirange(tstzrange(planned.from_at, planned.until_at)) as whole) as span
            union all
            select sampled.source, tstzmultirange(tstzrange(sampled.from_at, sampled.until_at))
            from monitoring_internal.sample_sources(
                tstzmultirange(tstzrange(planned.from_at, planned.until_at)) * stale.buckets) as sampled
        ) as part
        cross join lateral unnest(part.ranges) as stretch
        where wanted.series_id in (select stale.series_id from stale)
    )
    select array_agg(reading.series_id), array_agg(reading.unit_no), array_agg(reading.source),
        array_agg(reading.from_at), array_agg(reading.until_at)
    into query_reads.series_ids, query_reads.unit_nos, query_reads.sources, query_reads.from_at, query_reads.until_at
    from (select * from reading order by reading.source, reading.series_id, reading.from_at) as reading;
end;
$$;

comment on function monitoring_internal.query_reads(integer[], integer[], text[], timestamptz[], timestamptz[]) is
    'The stretches that are read of each series: the plan, but samples where rollups wait for late ones.';
