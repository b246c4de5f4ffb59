-- queries/instant.sql: values at one time, and samples as they are.
-- Owns newest_points, newest_values, query_instant_at, query_instant, latest_values_at, latest_values, samples_between.
-- Writes nothing. Concurrency: any number of callers; each answers of one snapshot.

-- The newest sample of each series after a time of its own and before another, whatever form it has: one look for all.
create or replace function monitoring_internal.newest_points(
    p_series integer[], p_after timestamptz[], p_until timestamptz)
returns table (series_id integer, sampled_at timestamptz, value double precision)
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
    v_from constant timestamptz := (select min(given.at) from unnest(p_after) as given (at));
begin
    return query
    select distinct on (point.series_id) point.series_id, point.sampled_at, point.value
    from monitoring_internal.read_points(p_series, v_from, p_until) as point
    inner join unnest(p_series, p_after) as wanted (series_id, after_at) on wanted.series_id = point.series_id
    where point.sampled_at > wanted.after_at
    order by point.series_id, point.sampled_at desc;
end;
$$;

comment on function monitoring_internal.newest_points(integer[], timestamptz[], timestamptz) is
    'The newest sample of each series after a time of its own and before another, packed or not.';

-- The newest sample of each series up to a time, unless it was stale by then; null: up to now, those a little ahead of
-- the clock included. Raw ones are found at the end of each series' key; what is packed is read for those alone that
-- have none and are not stale before a day has gone by.
create or replace function monitoring_internal.newest_values(
    p_series integer[], p_families integer[], p_at timestamptz, p_now timestamptz)
returns table (series_id integer, sampled_at timestamptz, value double precision)
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    v_until constant timestamptz := coalesce(
        p_at, p_now + monitoring_internal.setting_interval('store.max_future'));
    v_stale_after constant interval := monitoring_internal.setting_interval('store.stale_after');
    v_raw_from constant timestamptz := monitoring_internal.raw_from();
    v_series integer[];
    v_after timestamptz[];
    v_from timestamptz;
begin
    select array_agg(given.series_id), array_agg(stale.after_at), greatest(min(stale.after_at), v_raw_from)
    into v_series, v_after, v_from
    from unnest(p_series, p_families) as given (series_id, family_id)
    inner join monitoring.metric_families as family on family.metric_family_id = given.family_id
    cross join lateral (
        select coalesce(p_at, p_now) - coalesce(family.stale_after, v_stale_after) as after_at) as stale;
    if v_until >= monitoring_internal.appended_since() then
        return query select * from monitoring_internal.newest_points(v_series, v_after, v_until + interval '1 us');
        return;
    end if;
    return query
    with raw as materialized (
        select wanted.series_id, newest.sampled_at, newest.value
        from unnest(v_series, v_after) as wanted (series_id, after_at)
        cross join lateral (
            select point.sampled_at, point.value
            from monitoring.samples as point
            where point.series_id = wanted.series_id
                and point.sampled_at > wanted.after_at
                -- Prunes partitions when the plan is made; the exact bound is the line above.
                and point.sampled_at >= v_from
                and point.sampled_at <= any (array[v_until])
            order by point.sampled_at desc
            limit 1
        ) as newest
    )
    select * from raw
    union all
    select packed.*
    from (
        select array_agg(wanted.series_id) as series_ids, array_agg(wanted.after_at) as after_ats
        from unnest(v_series, v_after) as wanted (series_id, after_at)
        where wanted.after_at < v_raw_from
            and not exists (select from raw where raw.series_id = wanted.series_id)
        having count(*) > 0
    ) as missing
    cross join lateral monitoring_internal.newest_points(
        missing.series_ids, missing.after_ats, least(v_until + interval '1 us', v_raw_from)) as packed;
end;
$$;

comment on function monitoring_internal.newest_values(integer[], integer[], timestamptz, timestamptz) is
    'The newest sample of each series up to a time (null: now), unless it was stale by then.';

-- The deciding form of query_instant.
-- Raises: PV230, PV233, PV235, PV236, PV238, PV941.
create or replace function monitoring_internal.query_instant_at(
    p_metric text, p_matchers jsonb, p_at timestamptz, p_aggregate text, p_group_by text[], p_now timestamptz)
returns table (tenant_id uuid, labels jsonb, sampled_at timestamptz, value double precision)
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_family monitoring.metric_families;
    v_asked record := monitoring_internal.parse_aggregate(p_aggregate);
    v_groups record;
begin
    perform monitoring_internal.check_group_by(p_group_by);
    perform monitoring_internal.check_query_matchers(p_matchers);
    v_family := monitoring_internal.require_family(p_metric);
    if v_asked.inner_name in ('rate', 'increase', 'first') or v_asked.outer_name is not null then
        raise exception using errcode = 'PV233',
            message = format('aggregate "%s" takes time, and an instant has none', left(p_aggregate, 100)),
            hint = 'Of the values at one time there are last, avg, min, max, sum, count, stddev, p95 and '
                'quantile(0.95); ask monitoring.query_range for the rest.';
    end if;
    v_groups := monitoring_internal.query_groups(v_family.metric_family_id, p_matchers, p_group_by);
    perform monitoring_internal.check_answer_size(coalesce(cardinality(v_groups.tenant_ids), 0));
    return query
    select of_group.tenant_id, of_group.labels, folded.sampled_at, folded.value
    from (
        select wanted.group_no, max(newest.sampled_at) as sampled_at,
            case v_asked.inner_name
                when 'last' then (array_agg(newest.value order by newest.sampled_at desc, newest.series_id))[1]
                when 'quantile' then percentile_cont(v_asked.quantile)
                    within group (order by monitoring_internal.rankable(newest.value))
                when 'stddev' then case when max(abs(newest.value)) > 1e150 then 'Infinity'
                    else stddev_pop(case when abs(newest.value) <= 1e150 then newest.value end) end
                else monitoring_internal.folded_value(
                    v_asked.inner_name, count(*), sum(monitoring_internal.summable(newest.value)), null,
                    min(newest.value), max(newest.value))
            end as value
        from unnest(v_groups.series_ids, v_groups.group_nos) as wanted (series_id, group_no)
        inner join monitoring_internal.newest_values(
            v_groups.series_ids,
            array_fill(v_family.metric_family_id, array[coalesce(cardinality(v_groups.series_ids), 0)]), p_at, p_now
        ) as newest on newest.series_id = wanted.series_id
        group by wanted.group_no
    ) as folded
    inner join unnest(v_groups.tenant_ids, v_groups.labels)
        with ordinality as of_group (tenant_id, labels, group_no) on of_group.group_no = folded.group_no
    order by folded.group_no;
end;
$$;

comment on function monitoring_internal.query_instant_at(text, jsonb, timestamptz, text, text[], timestamptz) is
    'query_instant as of a time, for tests.';

-- One metric's values at one time.
-- Raises: PV230, PV233, PV235, PV236, PV238, PV941.
create or replace function monitoring.query_instant(
    metric text, matchers jsonb, at_time timestamptz default null, aggregate text default 'last',
    group_by text[] default null)
returns table (tenant_id uuid, labels jsonb, sampled_at timestamptz, value double precision)
language sql stable parallel restricted security definer
rows 1000
set search_path = pg_catalog, pg_temp
as $$
    select answer.tenant_id, answer.labels, answer.sampled_at, answer.value
    from monitoring_internal.query_instant_at(
        query_instant.metric, query_instant.matchers, query_instant.at_time, query_instant.aggregate,
        query_instant.group_by, clock_timestamp()) as answer;
$$;

comment on function monitoring.query_instant(text, jsonb, timestamptz, text, text[]) is
    'One metric''s values at a time (null: now): of each series the newest that was not stale by then, and of a group '
    'the last, avg, min, max, sum, count, stddev or a quantile of these.';

-- The deciding form of latest_values.
-- Raises: PV235, PV236, PV941.
create or replace function monitoring_internal.latest_values_at(
    p_matchers jsonb, p_at timestamptz, p_now timestamptz)
returns table (
    tenant_id uuid, metric text, labels jsonb, sampled_at timestamptz, value double precision, unit text)
language plpgsql stable parallel restricted
rows 1000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_series integer[];
    v_families integer[];
    v_tenants uuid[];
    v_labels jsonb[];
begin
    perform monitoring_internal.check_query_matchers(p_matchers);
    select array_agg(series.series_id), array_agg(series.metric_family_id), array_agg(series.tenant_id),
        array_agg(series.labels)
    into v_series, v_families, v_tenants, v_labels
    from monitoring_internal.query_series(null, p_matchers) as series;
    perform monitoring_internal.check_answer_size(coalesce(cardinality(v_series), 0));
    return query
    select wanted.tenant_id, family.name, wanted.labels, newest.sampled_at, newest.value, family.unit
    from monitoring_internal.newest_values(v_series, v_families, p_at, p_now) as newest
    inner join unnest(v_series, v_families, v_tenants, v_labels) as wanted (series_id, family_id, tenant_id, labels)
        on wanted.series_id = newest.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = wanted.family_id
    order by wanted.tenant_id, family.name, wanted.labels;
end;
$$;

comment on function monitoring_internal.latest_values_at(jsonb, timestamptz, timestamptz) is
    'latest_values as of a time, for tests.';

-- Everything that is known of what matchers name: a host's newest values, of every metric.
-- Raises: PV235, PV236, PV941.
create or replace function monitoring.latest_values(matchers jsonb, at_time timestamptz default null)
returns table (
    tenant_id uuid, metric text, labels jsonb, sampled_at timestamptz, value double precision, unit text)
language sql stable parallel restricted security definer
rows 1000
set search_path = pg_catalog, pg_temp
as $$
    select answer.*
    from monitoring_internal.latest_values_at(
        latest_values.matchers, latest_values.at_time, clock_timestamp()) as answer;
$$;

comment on function monitoring.latest_values(jsonb, timestamptz) is
    'The newest value of every series that matchers name, of all metrics, at a time (null: now), unless it was stale '
    'by then: latest_values(''{"host_id": "h1"}'').';

-- The samples of a metric, row by row, in whatever form they are kept.
-- Raises: PV230, PV231, PV235, PV236, PV941.
create or replace function monitoring.samples_between(
    metric text, matchers jsonb, start_at timestamptz, end_at timestamptz)
returns table (tenant_id uuid, labels jsonb, sampled_at timestamptz, value double precision)
language plpgsql stable parallel restricted security definer
rows 10000
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    v_most constant bigint := monitoring_internal.setting_integer('query.max_points');
    v_groups record;
    v_rows bigint;
begin
    perform monitoring_internal.check_query_range(
        samples_between.start_at, samples_between.end_at, '1 second', 'none');
    perform monitoring_internal.check_query_matchers(samples_between.matchers);
    v_groups := monitoring_internal.query_groups(
        (monitoring_internal.require_family(samples_between.metric)).metric_family_id, samples_between.matchers, null);
    return query
    select of_group.tenant_id, of_group.labels, point.sampled_at, point.value
    from unnest(v_groups.series_ids, v_groups.group_nos) as wanted (series_id, group_no)
    inner join unnest(v_groups.tenant_ids, v_groups.labels)
        with ordinality as of_group (tenant_id, labels, group_no) on of_group.group_no = wanted.group_no
    inner join monitoring_internal.read_points(
        v_groups.series_ids, samples_between.start_at, samples_between.end_at) as point
        on point.series_id = wanted.series_id
    order by wanted.group_no, point.sampled_at
    limit v_most + 1;
    get diagnostics v_rows = row_count;
    perform monitoring_internal.check_answer_size(v_rows);
end;
$$;

comment on function monitoring.samples_between(text, jsonb, timestamptz, timestamptz) is
    'The samples of a metric from start_at up to, not including, end_at, as they were measured, raw or packed.';
