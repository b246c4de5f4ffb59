-- retention/cleanup.sql: delete what is past the retention of its class where others keep the rest of the partition.
-- Owns cleanup_lock_key, delete_class_day, request_rebuild, class_days_at, cleanup_class_at, cleanup_old_metrics_at,
-- cleanup_old_metrics. Writes the tables of retention_forms, late_ranges, archives, retention_states.
-- Concurrency: one call works at a time, and no packer beside it.

-- The advisory lock of whoever deletes by class, or brings back what was deleted.
create or replace function monitoring_internal.cleanup_lock_key()
returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended('monitoring.cleanup_old_metrics', 0);
end;

comment on function monitoring_internal.cleanup_lock_key() is
    'Key of the advisory lock of cleanup_old_metrics() and of restorations.';

-- Delete what a class has of one day at a resolution; returns how many rows.
create or replace function monitoring_internal.delete_class_day(p_class text, p_resolution text, p_day timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
    v_column name;
    v_rows bigint;
    v_deleted bigint := 0;
begin
    -- A loop over the one or few tables of the resolution: their names are data.
    for v_table, v_column in
        select form.table_name::regclass, form.key_column
        from monitoring_internal.retention_forms() as form where form.resolution = p_resolution
    loop
        execute format(
            'delete from %s as held using monitoring.series as series, monitoring.metric_families as family '
            'where held.%I >= $1 and held.%2$I < $2 and series.series_id = held.series_id '
            'and family.metric_family_id = series.metric_family_id and family.retention_class = $3',
            v_table, v_column)
        using p_day, p_day + interval '24 hours', p_class;
        get diagnostics v_rows = row_count;
        v_deleted := v_deleted + v_rows;
    end loop;
    return v_deleted;
end;
$$;

comment on function monitoring_internal.delete_class_day(text, text, timestamptz) is
    'Deletes the rows of a class at a resolution of the day that begins at a time; returns how many.';

-- Have rollups built again that count fewer samples of a class and day than there are; what counts more is left to
-- people: its samples are gone, and building it again would lose them. Returns how many series.
create or replace function monitoring_internal.request_rebuild(p_class text, p_resolution text, p_day timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with lacking as (
        insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
        select fine.series_id, p_day, p_day + interval '24 hours'
        from monitoring_internal.stored_counts(p_class, p_resolution, p_day, p_day + interval '24 hours') as fine
        where not exists (
                select 1
                from monitoring_internal.stored_counts(
                    p_class, monitoring_internal.next_resolution(p_class, p_resolution, p_day + interval '24 hours'),
                    p_day, p_day + interval '24 hours') as coarse
                where coarse.series_id = fine.series_id and coarse.samples >= fine.samples)
        returning 1
    )
    select count(*) from lacking;
$$;

comment on function monitoring_internal.request_rebuild(text, text, timestamptz) is
    'Has rollups of a class and day built again that lack samples; returns of how many series.';

-- The days in which a class has rows at a resolution, from one time to before another, the oldest first; those aside
-- that are in a partition which maintenance drops whole. Samples that are not packed yet count by their oldest day.
create or replace function monitoring_internal.class_days_at(
    p_class text, p_resolution text, p_from timestamptz, p_until timestamptz, p_now timestamptz)
returns timestamptz[]
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
    v_column name;
    v_from timestamptz;
    v_found timestamptz[];
    v_days timestamptz[] := '{}';
begin
    -- A loop over the one or few tables of the resolution: their names are data.
    for v_table, v_column, v_from in
        select form.table_name::regclass, form.key_column, greatest(p_from, (
            select max(expired.upper_bound)
            from monitoring_internal.expired_partitions_at(form.table_name, p_now) as expired
            where expired.held_by is null))
        from monitoring_internal.retention_forms() as form
        where form.resolution = p_resolution
    loop
        execute format(
            'select array_agg(distinct date_trunc(''day'', held.%I, ''UTC'')) from %s as held '
            'inner join monitoring.series as series on series.series_id = held.series_id '
            'inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id '
            'where held.%1$I >= $1 and held.%1$I < $2 and family.retention_class = $3',
            v_column, v_table)
        into v_found using v_from, p_until, p_class;
        v_days := v_days || v_found;
    end loop;
    if p_resolution = 'raw' then
        v_days := v_days || monitoring_internal.next_raw_day(greatest(p_from, monitoring_internal.packed_until()));
    end if;
    return array(
        select distinct day.at from unnest(v_days) as day (at) where day.at >= p_from and day.at < p_until
        order by day.at);
end;
$$;

comment on function monitoring_internal.class_days_at(text, text, timestamptz, timestamptz, timestamptz) is
    'Days with rows of a class at a resolution that are not dropped with their partition.';

-- Delete the days of a class at a resolution that are past its retention, the oldest first, until so many rows are
-- deleted; a day that may not go yet is left out, and the first such is noted with its reason.
create or replace function monitoring_internal.cleanup_class_at(
    p_class text, p_resolution text, p_cutoff timestamptz, p_max_rows bigint, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_from timestamptz;
    v_day timestamptz;
    v_obstacle text;
    v_rows bigint;
    v_deleted bigint := 0;
    v_until timestamptz := p_cutoff;
    v_gone timestamptz;
    v_refused timestamptz;
    v_refusal text;
begin
    insert into monitoring.retention_states (retention_class, resolution) values (p_class, p_resolution)
    on conflict do nothing;
    select state.deleted_until into v_from from monitoring.retention_states as state
    where state.retention_class = p_class and state.resolution = p_resolution;
    -- A loop: each day is judged by itself, and a call ends where it has done enough.
    foreach v_day in array monitoring_internal.class_days_at(p_class, p_resolution, v_from, p_cutoff, p_now) loop
        if v_deleted >= p_max_rows then
            v_until := v_day;
            exit;
        end if;
        v_obstacle := monitoring_internal.retention_obstacle_at(
            p_class, p_resolution, v_day, v_day + interval '24 hours', p_now);
        if v_obstacle is null then
            v_rows := monitoring_internal.delete_class_day(p_class, p_resolution, v_day);
            v_deleted := v_deleted + v_rows;
            v_gone := v_day + interval '24 hours';
            update monitoring.archives as archive
            set dropped_at = p_now
            where p_resolution = 'raw' and archive.retention_class = p_class
                and archive.day = (v_day at time zone 'UTC')::date;
        else
            if v_obstacle like 'verification:%' then
                perform monitoring_internal.request_rebuild(p_class, p_resolution, v_day);
            end if;
            v_refusal := case when v_refused is null then v_obstacle else v_refusal end;
            v_refused := coalesce(v_refused, v_day);
        end if;
    end loop;
    update monitoring.retention_states as state
    set deleted_until = greatest(state.deleted_until, least(v_until, v_refused)),
        gone_until = greatest(state.gone_until, v_gone, least(v_until, v_refused)),
        deleted_total = state.deleted_total + v_deleted,
        last_deleted_at = case when v_deleted > 0 then p_now else state.last_deleted_at end,
        refused_since = v_refused, refused_at = case when v_refused is not null then p_now end, refusal = v_refusal
    where state.retention_class = p_class and state.resolution = p_resolution;
    return v_deleted;
end;
$$;

comment on function monitoring_internal.cleanup_class_at(text, text, timestamptz, bigint, timestamptz) is
    'Deletes the data of a class at a resolution from before a time, as far as they may go; returns how many rows.';

-- The deciding form. Coarser data go last: what a finer level is compared with is there until that is gone.
create or replace function monitoring_internal.cleanup_old_metrics_at(p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_max_rows constant bigint := monitoring_internal.setting_integer('retention.max_rows');
    v_kept record;
    v_deleted bigint := 0;
begin
    -- Another call is at work: it does all of this.
    if not pg_try_advisory_xact_lock(monitoring_internal.cleanup_lock_key()) then
        return 0;
    end if;
    -- A packer that takes late samples into a block would bring back what is deleted here.
    perform pg_advisory_xact_lock(hashtextextended('monitoring.pack_samples', 0));
    -- A loop: a class that is kept back stops no other.
    for v_kept in
        select kept.retention_class, kept.resolution,
            monitoring_internal.retention_cutoff_at(kept.resolution, kept.retention, p_now) as cutoff
        from monitoring_internal.class_retentions() as kept
        where exists (
            select 1 from monitoring.metric_families as family where family.retention_class = kept.retention_class)
        order by kept.ordinal, kept.retention_class
    loop
        exit when v_deleted >= v_max_rows;
        continue when v_kept.cutoff is null;
        v_deleted := v_deleted + monitoring_internal.cleanup_class_at(
            v_kept.retention_class, v_kept.resolution, v_kept.cutoff, v_max_rows - v_deleted, p_now);
    end loop;
    return v_deleted;
end;
$$;

comment on function monitoring_internal.cleanup_old_metrics_at(timestamptz) is
    'cleanup_old_metrics as of a time, for tests and replay.';

-- The same now.
create or replace function monitoring.cleanup_old_metrics()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.cleanup_old_metrics_at(clock_timestamp());
$$;

comment on function monitoring.cleanup_old_metrics() is
    'Deletes samples and rollups that are past the retention of their class, as far as they are rolled up, verified, '
    'packed and, where the class says so, archived; returns how many rows. Partitions in which every class is past its '
    'retention are dropped whole, by maintain_partitions(). What is refused, and why: monitoring.retention_status.';
