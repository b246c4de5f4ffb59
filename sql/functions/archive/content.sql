-- archive/content.sql: a day of a class as it is written to a file, and back.
-- Owns count_class_day, count_class_day_details, class_day_series, archive_lines. Writes nothing.
-- Concurrency: who writes a file reads all of it in one snapshot, piece by piece.

-- How many samples a class has on a day of UTC.
create or replace function monitoring_internal.count_class_day(p_class text, p_day date)
returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(sum(held.samples), 0)::bigint
    from monitoring_internal.stored_counts(
        p_class, 'raw', p_day::timestamp at time zone 'UTC', (p_day + 1)::timestamp at time zone 'UTC') as held;
$$;

comment on function monitoring_internal.count_class_day(text, date) is
    'How many packed samples a class has on a day of UTC.';

-- How many rows a class has on a day of UTC of what was said beside its samples, content items' values among them.
create or replace function monitoring_internal.count_class_day_details(p_class text, p_day date)
returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select count(*)
    from monitoring.sample_details as detail
    inner join monitoring.series as series on series.series_id = detail.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    where family.retention_class = p_class
        and detail.sampled_at >= p_day::timestamp at time zone 'UTC'
        and detail.sampled_at < (p_day + 1)::timestamp at time zone 'UTC';
$$;

comment on function monitoring_internal.count_class_day_details(text, date) is
    'How many rows a class has on a day of UTC of what was said beside its samples.';

-- The series of a class that have samples on a day, with their number; and those of which only content items have
-- values.
create or replace function monitoring_internal.class_day_series(p_class text, p_day date)
returns table (series_id integer, samples bigint)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select held.series_id, sum(held.samples)::bigint
    from (
        select counted.series_id, counted.samples
        from monitoring_internal.stored_counts(
            p_class, 'raw', p_day::timestamp at time zone 'UTC', (p_day + 1)::timestamp at time zone 'UTC') as counted
        union all
        select distinct detail.series_id, 0
        from monitoring.sample_details as detail
        inner join monitoring.series as series on series.series_id = detail.series_id
        inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
        where family.retention_class = p_class
            and detail.sampled_at >= p_day::timestamp at time zone 'UTC'
            and detail.sampled_at < (p_day + 1)::timestamp at time zone 'UTC'
    ) as held
    group by held.series_id
    order by held.series_id;
$$;

comment on function monitoring_internal.class_day_series(text, date) is
    'Series of a class with samples, or something said beside them, on a day of UTC, and how many samples.';

-- What series have on a day, as texts: a row each of whose, what, and its samples, then its details, a row each with
-- nothing but the detail. Times are microseconds, the first since the day's start and each further one since the one
-- before it, those of details since the day's start; values are the shortest text that reads back as the same number.
create or replace function monitoring_internal.archive_lines(p_day date, p_series integer[])
returns table (
    tenant_id text, tenant text, metric text, kind text, labels text, samples bigint, offsets text,
    sample_values text, first_sample_at text, last_sample_at text, detail text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
    with point as (
        select read.series_id, read.value, read.sampled_at,
            (extract(epoch from read.sampled_at - p_day::timestamp at time zone 'UTC') * 1000000)::bigint as at_micros
        from monitoring_internal.read_points(
            p_series, p_day::timestamp at time zone 'UTC', (p_day + 1)::timestamp at time zone 'UTC') as read
    ),
    step as (
        select point.*, point.at_micros - lag(point.at_micros, 1, 0::bigint) over own as delta
        from point
        window own as (partition by point.series_id order by point.at_micros)
    ),
    line as (
        select step.series_id, count(*) as samples, array_agg(step.delta order by step.at_micros)::text as offsets,
            array_agg(step.value order by step.at_micros)::text as sample_values,
            min(step.sampled_at)::text as first_at, max(step.sampled_at)::text as last_at
        from step
        group by step.series_id
    ),
    said as (
        select detail.series_id, detail.sampled_at, detail.detail_id, jsonb_strip_nulls(jsonb_build_object(
                'id', detail.detail_id,
                'at', (extract(epoch from detail.sampled_at - p_day::timestamp at time zone 'UTC') * 1000000)::bigint,
                'content_id', detail.content_id, 'content_value', detail.content_value::text))
            || jsonb_build_object('tags', detail.tags, 'details', detail.details) as said
        from monitoring.sample_details as detail
        where detail.series_id = any (p_series)
            and detail.sampled_at >= p_day::timestamp at time zone 'UTC'
            and detail.sampled_at < (p_day + 1)::timestamp at time zone 'UTC'
    )
    select found.tenant_id, found.tenant, found.metric, found.kind, found.labels, found.samples, found.offsets,
        found.sample_values, found.first_at, found.last_at, found.said
    from (
        select series.series_id, null::timestamptz as at, null::uuid as detail_id, series.tenant_id::text as tenant_id,
            tenant.name as tenant, family.name as metric, family.kind, series.labels::text as labels,
            coalesce(line.samples, 0) as samples, coalesce(line.offsets, '{}') as offsets,
            coalesce(line.sample_values, '{}') as sample_values, line.first_at, line.last_at, null::text as said
        from monitoring.series as series
        inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
        inner join monitoring.tenants as tenant on tenant.tenant_id = series.tenant_id
        left join line on line.series_id = series.series_id
        where series.series_id = any (p_series)
            and (line.series_id is not null
                or exists (select 1 from said where said.series_id = series.series_id))
        union all
        select said.series_id, said.sampled_at, said.detail_id, null, null, null, null, null, 0, null, null, null, null,
            said.said::text
        from said
    ) as found
    order by found.series_id, found.at nulls first, found.detail_id;
$$;

comment on function monitoring_internal.archive_lines(date, integer[]) is
    'The samples of series on a day of UTC and what was said beside them, as they are written to a file.';
