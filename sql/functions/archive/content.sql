-- archive/content.sql: a day of a class as it is written to a file, and back.
-- Owns count_class_day, class_day_series, archive_lines. Writes nothing.
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

-- The series of a class that have samples on a day, with their number.
create or replace function monitoring_internal.class_day_series(p_class text, p_day date)
returns table (series_id integer, samples bigint)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select held.series_id, held.samples
    from monitoring_internal.stored_counts(
        p_class, 'raw', p_day::timestamp at time zone 'UTC', (p_day + 1)::timestamp at time zone 'UTC') as held
    order by held.series_id;
$$;

comment on function monitoring_internal.class_day_series(text, date) is
    'Series of a class with samples on a day of UTC, and how many.';

-- What series have on a day, a row each, as texts: whose, what, and its samples. Times are microseconds, the first
-- since the day's start and each further one since the one before it; values are the shortest text that reads back as
-- the same number.
create or replace function monitoring_internal.archive_lines(p_day date, p_series integer[])
returns table (
    tenant_id text, tenant text, metric text, kind text, labels text, samples bigint, offsets text,
    sample_values text, first_sample_at text, last_sample_at text)
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
    )
    select series.tenant_id::text, tenant.name, family.name, family.kind, series.labels::text, line.samples,
        line.offsets, line.sample_values, line.first_at, line.last_at
    from line
    inner join monitoring.series as series on series.series_id = line.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    inner join monitoring.tenants as tenant on tenant.tenant_id = series.tenant_id
    order by line.series_id;
$$;

comment on function monitoring_internal.archive_lines(date, integer[]) is
    'The samples of series on a day of UTC, a row a series, as they are written to a file.';
