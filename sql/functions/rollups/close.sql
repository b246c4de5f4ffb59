-- rollups/close.sql: the mark up to which buckets are closed, and when nobody can be unaware of it any more.
-- Owns rollup_target_at, close_rollups_at, rollup_progress. Writes rollup_closing, rollup_levels.
-- Concurrency: one refresher at a time (refresh_next_rollup_at sees to it); ingest goes on meanwhile.

-- The end of the last bucket that is over at a time, of the finest resolution that any metric has.
create or replace function monitoring_internal.rollup_target_at(p_now timestamptz)
returns timestamptz
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select date_bin(
        min(level.width), p_now - monitoring_internal.setting_interval('store.rollup_delay'), '1970-01-01 00:00Z')
    from monitoring_internal.class_levels as level
    where exists (
        select 1 from monitoring.metric_families as family where family.retention_class = level.retention_class
    );
$$;

comment on function monitoring_internal.rollup_target_at(timestamptz) is
    'Up to when buckets are to be closed at a time.';

-- Move the mark on, or see whether every ingest that may not know of it has ended. Each in a transaction of its own:
-- whoever takes the lock once the move is committed sees it, so that a sample either is noted as late or is committed
-- before the list of those that were open then is empty. Returns close, wait, or null when there is nothing to do.
create or replace function monitoring_internal.close_rollups_at(p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_target constant timestamptz := monitoring_internal.rollup_target_at(p_now);
    v_closing monitoring_internal.rollup_closing;
    v_waits_for text[];
begin
    select closing.* into v_closing from monitoring_internal.rollup_closing as closing for update;
    if v_closing.closed_until < v_closing.closing_until then
        v_waits_for := monitoring_internal.open_ingests();
        if v_closing.waits_for is not null then
            v_waits_for := array(select unnest(v_waits_for) intersect select unnest(v_closing.waits_for));
        end if;
        update monitoring_internal.rollup_closing as closing
        set waits_for = v_waits_for,
            closed_until = case when v_waits_for = '{}' then closing.closing_until else closing.closed_until end,
            waited_total = closing.waited_total + (v_waits_for <> '{}')::integer;
        return case when v_waits_for <> '{}' then 'wait' end;
    end if;
    if v_target > v_closing.closing_until then
        update monitoring_internal.rollup_closing as closing set closing_until = v_target, waits_for = null;
        return 'close';
    end if;
    if v_target < v_closing.closing_until - interval '1 hour' then
        -- The clock was ahead and was set back: what comes now is not late, and what was built is built again in time.
        update monitoring_internal.rollup_closing as closing
        set closing_until = v_target, closed_until = v_target;
        update monitoring_internal.rollup_levels as level
        set watermark = least(level.watermark, date_bin(level.width, v_target, '1970-01-01 00:00Z')),
            building_until = null,
            next_series_id = 0;
        return 'close';
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.close_rollups_at(timestamptz) is
    'Moves the mark of closed buckets, or waits for the ingests that may not know it; null when that is done.';

-- How far each level is, for everybody: it shows times and counts, no rows of any tenant.
create or replace function monitoring_internal.rollup_progress()
returns table (
    resolution text, watermark timestamptz, closed_until timestamptz, building_until timestamptz, late_ranges bigint,
    late_from_at timestamptz, waited_total bigint, behind interval)
language sql volatile parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select level.resolution, level.watermark, closing.closed_until, level.building_until, late.pending, late.oldest_at,
        closing.waited_total,
        case
            when isfinite(level.watermark) and exists (
                select 1
                from monitoring_internal.class_levels as used
                inner join monitoring.metric_families as family on family.retention_class = used.retention_class
                where used.resolution = level.resolution
            ) then greatest(interval '0', clock_timestamp() - level.watermark - level.width
                - monitoring_internal.setting_interval('store.rollup_delay'))
        end
    from monitoring_internal.rollup_levels as level
    cross join monitoring_internal.rollup_closing as closing
    cross join (
        select count(*) as pending, min(waiting.from_at) as oldest_at
        from monitoring_internal.late_ranges as waiting
    ) as late
    order by level.width;
$$;

comment on function monitoring_internal.rollup_progress() is
    'How far each resolution is built, and what waits; the view rollup_status shows it.';
