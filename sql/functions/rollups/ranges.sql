-- rollups/ranges.sql: which range of which level comes next, and building it.
-- Owns next_stray_row, next_row_bound, start_rollups, ready_rollup, next_rollup_range, make_rollup_partitions_at,
-- build_next_range_at. Writes rollup_levels and, through others, rollups and their lineage.
-- Concurrency: one refresher at a time (refresh_next_rollup_at sees to it).

-- The first row of a default partition from a time on; few rows are ever there.
create or replace function monitoring_internal.next_stray_row(
    p_parent regclass, p_default regclass, p_from timestamptz)
returns timestamptz
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_column constant name := monitoring_internal.partition_key_column(p_parent);
    v_at timestamptz;
begin
    execute format('select min(stray.%1$I) from only %2$s as stray where stray.%1$I >= $1', v_column, p_default)
    into v_at using p_from;
    return v_at;
end;
$$;

comment on function monitoring_internal.next_stray_row(regclass, regclass, timestamptz) is
    'Time of the first row of a default partition from a time on; null when there is none.';

-- The first time from p_from on at which any of some tables may have rows: the start of a partition that has, or the
-- first row of a default partition. Null when there is none.
create or replace function monitoring_internal.next_row_bound(p_tables text[], p_from timestamptz)
returns timestamptz
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_parent regclass;
    v_partition regclass;
    v_lower timestamptz;
    v_at timestamptz;
    v_next timestamptz;
begin
    -- A loop, default partitions first and then by time, that ends at the first partition with a row.
    for v_parent, v_partition, v_lower in
        select to_regclass(source.name), bounds.partition,
            case when not bounds.is_default then greatest(bounds.lower_bound, p_from) end
        from unnest(p_tables) as source (name)
        cross join lateral monitoring_internal.partition_bounds(to_regclass(source.name)) as bounds
        where bounds.is_default or bounds.upper_bound > p_from
        order by bounds.lower_bound nulls first
    loop
        if v_lower is null then
            v_at := monitoring_internal.next_stray_row(v_parent, v_partition, p_from);
        else
            exit when v_lower >= v_next;
            execute format('select $1 from only %s limit 1', v_partition) into v_at using v_lower;
        end if;
        v_next := least(v_next, v_at);
    end loop;
    return v_next;
end;
$$;

comment on function monitoring_internal.next_row_bound(text[], timestamptz) is
    'A time from a given one on before which some tables have no rows; null when they have none after it.';

-- Before the first range: every level begins with the bucket of the oldest sample. That is looked for in the oldest
-- partition, once: beginning with the partition itself, a new installation would build hours in which nothing is.
create or replace function monitoring_internal.start_rollups(p_until timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with bound as (
        select monitoring_internal.next_row_bound(array['monitoring.sample_blocks'], '-infinity') as packed_at,
            monitoring_internal.next_row_bound(
                array['monitoring.samples', 'monitoring.appended_samples'], '-infinity') as raw_at
    ),
    oldest as (
        select least(p_until, bound.packed_at, coalesce(
            (
                select min(raw.sampled_at) from monitoring_internal.raw_points as raw
                where raw.sampled_at >= bound.raw_at and raw.sampled_at < bound.raw_at + interval '24 hours'
            ),
            bound.raw_at)) as sampled_at
        from bound
    )
    update monitoring_internal.rollup_levels as level
    set watermark = date_bin(level.width, oldest.sampled_at, '1970-01-01 00:00Z')
    from oldest
    where level.watermark = '-infinity';
$$;

comment on function monitoring_internal.start_rollups(timestamptz) is
    'Sets the watermarks that were never set to the bucket of the oldest sample.';

-- The finest level that can go on, up to where it can: to the closed mark, and no further than what it is built from.
create or replace function monitoring_internal.ready_rollup(
    out resolution text, out width interval, out from_at timestamptz, out until_at timestamptz,
    out is_begun boolean, out next_series_id integer, out sources text[])
returns record
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select level.resolution, level.width, level.watermark,
        coalesce(level.building_until, date_bin(level.width, ready.until_at, '1970-01-01 00:00Z')),
        level.building_until is not null, level.next_series_id, ready.sources
    from monitoring_internal.rollup_levels as level
    cross join monitoring_internal.rollup_closing as closing
    cross join lateral (
        select least(closing.closed_until, min(finer.watermark)) as until_at, array_agg(distinct used.source) as sources
        from monitoring_internal.class_levels as used
        left join monitoring_internal.rollup_levels as finer on finer.resolution = used.source
        where used.resolution = level.resolution
            and exists (
                select 1 from monitoring.metric_families as family
                where family.retention_class = used.retention_class
            )
    ) as ready
    where date_bin(level.width, ready.until_at, '1970-01-01 00:00Z') > level.watermark
    order by level.width
    limit 1;
$$;

comment on function monitoring_internal.ready_rollup() is
    'The finest level that can be built on, its watermark, up to where it can go, and what it is built from.';

-- The end of the next range of a level: one bucket or an hour, more where the series are few, and at most a day. Where
-- nothing is stored for long, as after a clock was ahead, the range is as long as that and is_empty.
create or replace function monitoring_internal.next_rollup_range(
    p_resolution text, p_width interval, p_from timestamptz, p_until timestamptz, p_sources text[], p_limit bigint,
    out until_at timestamptz, out is_empty boolean)
returns record
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_series bigint;
    v_next timestamptz;
begin
    until_at := least(p_until, p_from + greatest(p_width, interval '1 hour'));
    is_empty := p_sources is null;
    if is_empty then
        until_at := p_until;
    elsif until_at < p_until then
        v_next := monitoring_internal.next_row_bound(
            array(
                select held.name
                from unnest(p_sources) as used (word)
                cross join lateral unnest(case
                    when used.word = 'samples'
                        then array['monitoring.samples', 'monitoring.appended_samples', 'monitoring.sample_blocks',
                            'monitoring.late_samples']
                    else array[format('monitoring.rollups_%s', used.word)]
                end) as held (name)
            ),
            p_from);
        if v_next is null or v_next >= until_at then
            is_empty := true;
            until_at := least(p_until, date_bin(p_width, coalesce(v_next, p_until), '1970-01-01 00:00Z'));
            return;
        end if;
        v_series := (
            select count(*) from monitoring_internal.series_levels as level where level.resolution = p_resolution);
        until_at := least(
            p_until, p_from + interval '1 hour' * least(24, greatest(1, p_limit / greatest(v_series, 1))));
        until_at := greatest(until_at, least(p_until, p_from + p_width));
    end if;
end;
$$;

comment on function monitoring_internal.next_rollup_range(
    text, interval, timestamptz, timestamptz, text[], bigint) is
    'End of the next range to build from a time on, and whether nothing is stored in it.';

-- Partitions of the past, once a level that catches up has rows for them in the default partition: what maintenance
-- keeps ready is there already. Where locks are not had in time the rows stay where they are until the next range.
create or replace function monitoring_internal.make_rollup_partitions_at(
    p_resolution text, p_from timestamptz, p_until timestamptz, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.try_partitions_at(policy.table_name, p_from, p_until, p_now)
    from monitoring.partition_policies as policy
    where policy.table_name = format('monitoring.rollups_%s', p_resolution)
        and p_from < p_now - interval '1 day'
        and (policy.retention is null or p_from > p_now - policy.retention);
$$;

comment on function monitoring_internal.make_rollup_partitions_at(text, timestamptz, timestamptz, timestamptz) is
    'Makes the partitions that the rollups of a past range need.';

-- Build the next part of the finest level that can go on: some series of one range.
-- Returns null when every level is where it can be.
create or replace function monitoring_internal.build_next_range_at(p_now timestamptz)
returns monitoring_internal.rollup_step
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_limit constant bigint := monitoring_internal.setting_integer('store.rollup_series');
    v_ready record;
    v_series integer[] := '{}';
    v_built record;
    v_is_empty boolean := false;
    v_step monitoring_internal.rollup_step;
begin
    select ready.* into v_ready from monitoring_internal.ready_rollup() as ready;
    if v_ready.resolution is null then
        return null;
    end if;
    v_step := ('build', v_ready.resolution, v_ready.from_at, v_ready.until_at, 0, null, null);
    if not v_ready.is_begun then
        select range.until_at, range.is_empty into v_step.until_at, v_is_empty
        from monitoring_internal.next_rollup_range(
            v_ready.resolution, v_ready.width, v_ready.from_at, v_ready.until_at, v_ready.sources, v_limit) as range;
    end if;
    if not v_is_empty then
        v_series := array(
            select level.series_id
            from monitoring_internal.series_levels as level
            where level.resolution = v_ready.resolution and level.series_id >= v_ready.next_series_id
            order by level.series_id
            limit v_limit
        );
    end if;
    if v_series <> '{}' then
        v_built := monitoring_internal.build_ranges(
            v_ready.resolution, v_series, array_fill(v_step.from_at, array[cardinality(v_series)]),
            array_fill(v_step.until_at, array[cardinality(v_series)]));
        perform monitoring_internal.record_rollup_run_at(
            v_ready.resolution, v_step.from_at, v_step.until_at, 'schedule', v_ready.next_series_id = 0,
            cardinality(v_series), v_built.row_count, v_built.sample_count, v_built.sources, p_now);
        v_step.row_count := v_built.row_count;
        if v_built.row_count > 0 then
            perform monitoring_internal.make_rollup_partitions_at(
                v_ready.resolution, v_step.from_at, v_step.until_at, p_now);
        end if;
    end if;
    update monitoring_internal.rollup_levels as level
    set watermark = case when is_done then v_step.until_at else level.watermark end,
        building_until = case when not is_done then v_step.until_at end,
        next_series_id = case when is_done then 0 else v_series[v_limit] + 1 end
    from (select cardinality(v_series) < v_limit) as part (is_done)
    where level.resolution = v_ready.resolution;
    return v_step;
end;
$$;

comment on function monitoring_internal.build_next_range_at(timestamptz) is
    'Builds the next part of the finest level that can go on; null when there is none.';
