-- rollups/build.sql: build rows of a resolution, from samples or from the next finer one.
-- Owns store_rollups, build_ranges, record_rollup_run_at. Writes rollups_1m, rollups_5m, rollups_1h, rollups_1d,
-- rollup_runs. Concurrency: one refresher at a time (refresh_next_rollup_at sees to it).

-- Fold one source and write the rows, over what is there. Building again doubles nothing, and a row whose samples are
-- partly gone meanwhile is not replaced by what is left of them.
create or replace function monitoring_internal.store_rollups(
    p_resolution text, p_source text, p_series integer[], p_from timestamptz[], p_until timestamptz[],
    p_counter boolean[], out row_count bigint, out sample_count bigint)
returns record
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table constant text := 'rollups_' || p_resolution;
    v_width constant interval := (
        select level.width from monitoring_internal.rollup_levels as level where level.resolution = p_resolution);
    v_fold constant text := case
        when p_source = 'samples' then 'monitoring_internal.fold_samples($2, $3, $4, $5, $6)'
        else 'monitoring_internal.fold_rollups($1, $2, $3, $4, $5)'
    end;
begin
    execute format($statement$
        with stored as (
            insert into monitoring.%I as rollup
            select folded.* from %s as folded
            on conflict (series_id, bucket_at) do update
            set sample_count = excluded.sample_count, value_sum = excluded.value_sum,
                value_sum_squares = excluded.value_sum_squares, value_min = excluded.value_min,
                value_max = excluded.value_max, value_first = excluded.value_first, value_last = excluded.value_last,
                first_at = excluded.first_at, last_at = excluded.last_at, increase = excluded.increase,
                sketch = excluded.sketch
            where excluded.sample_count >= rollup.sample_count
            returning rollup.sample_count
        )
        select count(*), coalesce(sum(stored.sample_count), 0)::bigint from stored
        $statement$, v_table, v_fold)
    into row_count, sample_count
    using p_source, v_width, p_series, p_from, p_until, p_counter;
end;
$$;

comment on function monitoring_internal.store_rollups(
    text, text, integer[], timestamptz[], timestamptz[], boolean[]) is
    'Builds ranges of series of a resolution from one source and writes them; returns rows and samples.';

-- The same for series of several sources: each is built from its own. Says which they were.
create or replace function monitoring_internal.build_ranges(
    p_resolution text, p_series integer[], p_from timestamptz[], p_until timestamptz[],
    out row_count bigint, out sample_count bigint, out sources text)
returns record
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with range as (
        select level.source,
            array_agg(given.series_id order by given.series_id, given.from_at) as series_ids,
            array_agg(given.from_at order by given.series_id, given.from_at) as from_ats,
            array_agg(given.until_at order by given.series_id, given.from_at) as until_ats,
            array_agg(level.is_counter order by given.series_id, given.from_at) as counters
        from unnest(p_series, p_from, p_until) as given (series_id, from_at, until_at)
        inner join monitoring_internal.series_levels as level
            on level.series_id = given.series_id and level.resolution = p_resolution
        group by level.source
    )
    select coalesce(sum(built.row_count), 0)::bigint, coalesce(sum(built.sample_count), 0)::bigint,
        coalesce(string_agg(range.source, ', ' order by range.source), '')
    from range
    cross join lateral monitoring_internal.store_rollups(
        p_resolution, range.source, range.series_ids, range.from_ats, range.until_ats, range.counters) as built;
$$;

comment on function monitoring_internal.build_ranges(text, integer[], timestamptz[], timestamptz[]) is
    'Builds ranges of series of a resolution, each from what its class says; returns rows, samples and sources.';

-- Lineage: a row a range, to which further transactions for more of its series add.
create or replace function monitoring_internal.record_rollup_run_at(
    p_resolution text, p_from timestamptz, p_until timestamptz, p_reason text, p_is_first boolean,
    p_series bigint, p_rows bigint, p_samples bigint, p_sources text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_run_id bigint;
    v_started_at timestamptz;
begin
    if not p_is_first then
        select run.run_id, run.started_at into v_run_id, v_started_at
        from monitoring.rollup_runs as run
        where run.resolution = p_resolution and run.until_at = p_until and run.from_at = p_from
            and run.reason = p_reason
        order by run.run_id desc
        limit 1;
    end if;
    if v_run_id is null then
        insert into monitoring.rollup_runs (
            resolution, from_at, until_at, source, reason, series_count, row_count, sample_count, started_at)
        values (p_resolution, p_from, p_until, p_sources, p_reason, p_series, p_rows, p_samples, p_now);
    else
        update monitoring.rollup_runs as run
        set source = case when run.source ~ p_sources then run.source else concat_ws(', ', run.source, p_sources) end,
            series_count = run.series_count + p_series,
            row_count = run.row_count + p_rows,
            sample_count = run.sample_count + p_samples,
            step_count = run.step_count + 1,
            ended_at = default
        where run.run_id = v_run_id and run.started_at = v_started_at;
    end if;
end;
$$;

comment on function monitoring_internal.record_rollup_run_at(
    text, timestamptz, timestamptz, text, boolean, bigint, bigint, bigint, text, timestamptz) is
    'Writes or continues the row of rollup_runs of a range.';
