-- queries/bounds.sql: what a query may not ask for, and how much.
-- Owns is_counter_like, check_counter, check_query_size, check_answer_size, query_buckets. Writes nothing.
-- Concurrency: reads of one snapshot.

-- Whether the rollups of a metric hold what it grew by: what is a counter, and what nobody described but is called one.
create or replace function monitoring_internal.is_counter_like(p_family monitoring.metric_families)
returns boolean
language sql immutable parallel safe
begin atomic
    select p_family.kind in ('counter', 'histogram', 'summary')
        or p_family.kind = 'unknown' and p_family.name ~ '._total$';
end;

comment on function monitoring_internal.is_counter_like(monitoring.metric_families) is
    'Whether rollups of a metric hold its increase: see series_levels.';

-- Refuse what a gauge grew by: it goes up and down, and each fall would count as a counter begun anew.
-- Raises: PV233, PV237.
create or replace function monitoring_internal.check_counter(p_family monitoring.metric_families, p_aggregate text)
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_asked record := monitoring_internal.parse_aggregate(p_aggregate);
begin
    if v_asked.inner_name in ('rate', 'increase') and p_family.kind = 'gauge' then
        raise exception using errcode = 'PV237',
            message = format('metric "%s" is a gauge and has no %s', p_family.name, v_asked.inner_name),
            hint = 'Ask for avg, min, max, first or last; only what never falls but by beginning anew has a rate.';
    end if;
end;
$$;

comment on function monitoring_internal.check_counter(monitoring.metric_families, text) is
    'Raises PV237 where the rate or increase of a gauge is asked for, and PV233 for an unknown aggregate.';

-- Refuse an answer that would be too long, before anything is read.
-- Raises: PV236.
create or replace function monitoring_internal.check_query_size(
    p_start_at timestamptz, p_end_at timestamptz, p_step interval, p_groups integer)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_most constant bigint := monitoring_internal.setting_integer('query.max_points');
    v_buckets constant numeric := ceil(extract(epoch from p_end_at - p_start_at) / extract(epoch from p_step));
begin
    if v_buckets * greatest(p_groups, 1) > v_most then
        raise exception using errcode = 'PV236',
            message = format(
                'the answer would have %s values, %s steps of %s groups, and may have %s',
                v_buckets * greatest(p_groups, 1), v_buckets, greatest(p_groups, 1), v_most),
            hint = 'Give a longer step, a shorter range, narrower matchers or fewer labels in group_by; an '
                'administrator raises the bound with monitoring.set_setting(''query.max_points'', ...).';
    end if;
end;
$$;

comment on function monitoring_internal.check_query_size(timestamptz, timestamptz, interval, integer) is
    'Raises PV236 when a range, step and number of groups make more values than query.max_points.';

-- Refuse an answer of samples that is too long. Whoever asks for them reads one more than the bound.
-- Raises: PV236.
create or replace function monitoring_internal.check_answer_size(p_rows bigint)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_rows > monitoring_internal.setting_integer('query.max_points') then
        raise exception using errcode = 'PV236',
            message = format('the answer has more than %s values', p_rows - 1),
            hint = 'Give a shorter range or narrower matchers; an administrator raises the bound with '
                'monitoring.set_setting(''query.max_points'', ...).';
    end if;
end;
$$;

comment on function monitoring_internal.check_answer_size(bigint) is
    'Raises PV236 when there are more samples than query.max_points.';

-- Every bucket of a range.
create or replace function monitoring_internal.query_buckets(
    p_start_at timestamptz, p_end_at timestamptz, p_step interval)
returns timestamptz[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(grid.starts, array(
        select grid.first_at + number * grid.stride from generate_series(0, grid.bucket_count - 1) as number))
    from monitoring_internal.query_grid(p_start_at, p_end_at, p_step) as grid;
$$;

comment on function monitoring_internal.query_buckets(timestamptz, timestamptz, interval) is
    'The starts of all buckets of a range and step.';
