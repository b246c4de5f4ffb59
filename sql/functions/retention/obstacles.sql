-- retention/obstacles.sql: what must have happened to data before they go: rolled up, verified, packed, archived.
-- Owns stored_counts, next_resolution, rollup_obstacle, archive_obstacle_at, retention_obstacle_at,
-- partition_obstacle_at. Writes nothing.
-- Any number of callers at once; who deletes asks and deletes in one transaction.

-- How many samples each series of a class has in a span, as stored at a resolution.
create or replace function monitoring_internal.stored_counts(
    p_class text, p_resolution text, p_from timestamptz, p_until timestamptz)
returns table (series_id integer, samples bigint)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select held.series_id, sum(held.samples)::bigint
    from (
        select block.series_id, block.sample_count::bigint as samples
        from monitoring.sample_blocks as block
        where p_resolution = 'raw' and block.period_at >= p_from and block.period_at < p_until
        union all
        select late.series_id, 1
        from monitoring.late_samples as late
        where p_resolution = 'raw' and late.sampled_at >= p_from and late.sampled_at < p_until
        union all
        select point.series_id, point.sample_count
        from monitoring_internal.rollup_points as point
        where p_resolution <> 'raw' and point.resolution = p_resolution
            and point.bucket_at >= p_from and point.bucket_at < p_until
    ) as held
    inner join monitoring.series as series on series.series_id = held.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    where family.retention_class = p_class
    group by held.series_id;
$$;

comment on function monitoring_internal.stored_counts(text, text, timestamptz, timestamptz) is
    'Samples of each series of a class in a span, as counted at a resolution.';

-- The rollup that replaces what a class has at a resolution before a time: the next coarser one that it keeps longer,
-- or where that one is deleted too, as after a long time without cleaning, what it was proven by. Null for none.
create or replace function monitoring_internal.next_resolution(
    p_class text, p_resolution text, p_until timestamptz)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coarser.resolution
    from monitoring_internal.class_retentions() as coarser
    inner join monitoring_internal.class_retentions() as own
        on own.retention_class = coarser.retention_class and own.resolution = p_resolution
    where coarser.retention_class = p_class and coarser.ordinal > own.ordinal and coarser.retention > own.retention
        and not exists (
            select 1
            from monitoring.retention_states as state
            where state.retention_class = p_class and state.resolution = coarser.resolution
                and state.deleted_until >= p_until)
    order by coarser.ordinal
    limit 1;
$$;

comment on function monitoring_internal.next_resolution(text, text, timestamptz) is
    'The rollup that stays when data of a class at a resolution from before a time go; null when nothing does.';

-- Whether all of a span is in the next coarser rollup that the class keeps longer, sample for sample; what is missing.
create or replace function monitoring_internal.rollup_obstacle(
    p_class text, p_resolution text, p_from timestamptz, p_until timestamptz)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_next constant text := monitoring_internal.next_resolution(p_class, p_resolution, p_until);
    v_pending text;
    v_wrong record;
begin
    if v_next is null then
        return null;
    end if;
    select format('rollups: %s is complete until %s', level.resolution, level.watermark) into v_pending
    from monitoring_internal.rollup_levels as level
    where level.resolution = v_next and level.watermark < p_until;
    if v_pending is not null then
        return v_pending;
    end if;
    select format('rollups: late samples of %s wait to be rolled up', min(late.from_at)) into v_pending
    from monitoring_internal.late_ranges as late
    where late.from_at < p_until and late.until_at > p_from
    having count(*) > 0;
    if v_pending is not null then
        return v_pending;
    end if;
    select count(*) as series, min(fine.series_id) as example, sum(fine.samples) as samples,
        sum(coalesce(coarse.samples, 0)) as rolled_up
    into v_wrong
    from monitoring_internal.stored_counts(p_class, p_resolution, p_from, p_until) as fine
    left join monitoring_internal.stored_counts(p_class, v_next, p_from, p_until) as coarse
        on coarse.series_id = fine.series_id
    where fine.samples <> coalesce(coarse.samples, 0);
    return case when v_wrong.series > 0 then format(
        'verification: %s rollups count %s samples of %s series, of which %s are stored; the first is series %s',
        v_next, v_wrong.rolled_up, v_wrong.series, v_wrong.samples, v_wrong.example) end;
end;
$$;

comment on function monitoring_internal.rollup_obstacle(text, text, timestamptz, timestamptz) is
    'Why data of a class in a span are not all in the next coarser rollup that is kept longer; null when they are.';

-- Whether each day of a span of an archived class is in a file that was read lately and holds as many samples and
-- details. What is gone already, of either, needs no file.
create or replace function monitoring_internal.archive_obstacle_at(
    p_class text, p_from timestamptz, p_until timestamptz, p_now timestamptz)
returns text
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select found.obstacle
    from (
        select stored.day, case
            when archive.state is null or archive.state = 'due'
                then format('archive: %s is not written yet%s', stored.day, ': ' || archive.error)
            when archive.state = 'damaged'
                then format('archive: the file of %s is damaged: %s', stored.day, archive.error)
            when archive.state <> 'verified' then format('archive: the file of %s is %s', stored.day, archive.state)
            when stored.samples not in (0, archive.row_count) then format(
                'archive: the file of %s holds %s samples, the store %s%s', stored.day, archive.row_count,
                stored.samples, case when archive.dropped_at is not null then ': its restoration is not finished' end)
            when stored.details not in (0, archive.detail_count) then format(
                'archive: the file of %s holds %s details, the store %s', stored.day, archive.detail_count,
                stored.details)
            when archive.verified_at < p_now - monitoring_internal.setting_interval('archive.verify_within')
                then format('archive: the file of %s was last read %s', stored.day, archive.verified_at)
        end as obstacle
        from (
            select slot.at::date as day,
                monitoring_internal.count_class_day(p_class, slot.at::date) as samples,
                monitoring_internal.count_class_day_details(p_class, slot.at::date) as details
            from generate_series(
                date_trunc('day', p_from at time zone 'UTC'), p_until at time zone 'UTC' - interval '1 microsecond',
                interval '1 day') as slot (at)
        ) as stored
        left join monitoring.archives as archive
            on archive.retention_class = p_class and archive.day = stored.day
        where stored.samples > 0 or stored.details > 0
    ) as found
    where found.obstacle is not null
    order by found.day
    limit 1;
$$;

comment on function monitoring_internal.archive_obstacle_at(text, timestamptz, timestamptz, timestamptz) is
    'Why a day of a class in a span is not safely in a file; null when all are.';

-- Why data of a class at a resolution may not go yet. The order is: rolled up, verified, packed, archived, dropped.
create or replace function monitoring_internal.retention_obstacle_at(
    p_class text, p_resolution text, p_from timestamptz, p_until timestamptz, p_now timestamptz)
returns text
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_obstacle text;
begin
    select format('restored: %s stays until %s', archive.day, archive.restored_until) into v_obstacle
    from monitoring.archives as archive
    where archive.retention_class = p_class and archive.restored_until > p_now
        and archive.day >= (p_from at time zone 'UTC')::date
        and archive.day < p_until at time zone 'UTC'
    order by archive.day
    limit 1;
    v_obstacle := coalesce(
        v_obstacle, monitoring_internal.rollup_obstacle(p_class, p_resolution, p_from, p_until));
    if v_obstacle is not null or p_resolution <> 'raw' then
        return v_obstacle;
    end if;
    if p_until > monitoring_internal.retention_cutoff_at('raw', interval '0', p_now) then
        return 'ingest: samples may still come, see setting store.max_past';
    end if;
    if monitoring_internal.packed_until() < p_until then
        return format('packing: samples are packed until %s', monitoring_internal.packed_until());
    end if;
    if (select class.is_archived from monitoring.retention_classes as class where class.name = p_class) then
        return monitoring_internal.archive_obstacle_at(p_class, p_from, p_until, p_now);
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.retention_obstacle_at(text, text, timestamptz, timestamptz, timestamptz) is
    'Why data of a class at a resolution in a span may not be dropped at a time; null when they may.';

-- The same for a partition that classes share: the first obstacle of any of them. For other tables there is none.
create or replace function monitoring_internal.partition_obstacle_at(
    p_table text, p_lower timestamptz, p_upper timestamptz, p_now timestamptz)
returns text
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select 'blocks: they have times of it'
    where p_table = 'monitoring.time_vectors' and exists (
        select 1 from monitoring.sample_blocks as block where block.period_at >= p_lower and block.period_at < p_upper)
    union all
    select 'samples: it says more of them'
    where p_table = 'monitoring.sample_details' and exists (
            select 1 from monitoring.sample_details as detail
            where detail.sampled_at >= p_lower and detail.sampled_at < p_upper)
        and (exists (
                select 1 from monitoring.sample_blocks as block
                where block.period_at >= p_lower and block.period_at < p_upper)
            or exists (
                select 1 from monitoring.late_samples as late
                where late.sampled_at >= p_lower and late.sampled_at < p_upper))
    union all
    select found.obstacle
    from monitoring_internal.retention_forms() as form
    inner join monitoring_internal.class_retentions() as kept on kept.resolution = form.resolution
    cross join lateral monitoring_internal.retention_obstacle_at(
        kept.retention_class, kept.resolution, p_lower, p_upper, p_now) as found (obstacle)
    where form.table_name = p_table and found.obstacle is not null
        and exists (
            select 1 from monitoring.metric_families as family where family.retention_class = kept.retention_class)
    limit 1;
$$;

comment on function monitoring_internal.partition_obstacle_at(text, timestamptz, timestamptz, timestamptz) is
    'Why a partition that retention classes share may not be dropped at a time; null when it may.';
