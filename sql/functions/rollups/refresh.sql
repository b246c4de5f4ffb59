-- rollups/refresh.sql: the steps by which rollups follow the samples, each a short transaction.
-- Owns rebuild_late_at, late_spans, hold_rolled_up, refresh_next_rollup_at, refresh_next_rollup,
-- refresh_rollups_at, refresh_rollups. Writes late_ranges, partition_holds and, through others, the rollups.
-- Concurrency: one advisory lock; a second refresher leaves at once.

-- Build again what late samples changed, level by level, and forget the ranges in the same transaction. Of those that
-- were noted by p_late_until, as many as are some hours of store.rollup_series. Returns null when there are none.
create or replace function monitoring_internal.rebuild_late_at(p_late_until bigint, p_now timestamptz)
returns monitoring_internal.rollup_step
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ids bigint[];
    v_level monitoring_internal.rollup_levels;
    v_range record;
    v_built record;
    v_step monitoring_internal.rollup_step := ('late', null, null, null, 0, p_late_until, null);
begin
    v_ids := array(
        select taken.late_range_id
        from (
            select late.late_range_id, row_number() over (order by late.late_range_id) as place,
                sum(late.until_at - late.from_at) over (order by late.late_range_id) as total
            from (
                select * from monitoring_internal.late_ranges as waiting
                where waiting.late_range_id <= p_late_until
                order by waiting.late_range_id
                limit 20000
            ) as late
        ) as taken
        where taken.place = 1
            or taken.total <= monitoring_internal.setting_integer('store.rollup_series') * interval '1 hour'
    );
    if v_ids = '{}' then
        return null;
    end if;
    -- A loop, since a level is built from the one before.
    for v_level in select level.* from monitoring_internal.rollup_levels as level order by level.width loop
        select array_agg(span.series_id) as series_ids, array_agg(lower(span.range)) as from_ats,
            array_agg(upper(span.range)) as until_ats, min(lower(span.range)) as from_at,
            max(upper(span.range)) as until_at, count(distinct span.series_id) as series_count
        into v_range
        from monitoring_internal.late_spans(
            v_ids, v_level.resolution, v_level.width, coalesce(v_level.building_until, v_level.watermark)) as span;
        continue when v_range.series_count = 0;
        v_built := monitoring_internal.build_ranges(
            v_level.resolution, v_range.series_ids, v_range.from_ats, v_range.until_ats);
        perform monitoring_internal.record_rollup_run_at(
            v_level.resolution, v_range.from_at, v_range.until_at, 'late', true, v_range.series_count,
            v_built.row_count, v_built.sample_count, v_built.sources, p_now);
        v_step.row_count := v_step.row_count + v_built.row_count;
    end loop;
    delete from monitoring_internal.late_ranges as late where late.late_range_id = any (v_ids);
    return v_step;
end;
$$;

comment on function monitoring_internal.rebuild_late_at(bigint, timestamptz) is
    'Builds again what late samples changed, as much as one transaction should; null when nothing waits.';

-- The built buckets of one level that some late ranges touch, neighbours put together.
create or replace function monitoring_internal.late_spans(
    p_ids bigint[], p_resolution text, p_width interval, p_built_until timestamptz)
returns table (series_id integer, range tstzrange)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select touched.series_id, unnest(range_agg(tstzrange(touched.from_at, touched.until_at)))
    from (
        select late.series_id,
            date_bin(p_width, late.from_at, '1970-01-01 00:00Z') as from_at,
            least(
                p_built_until,
                date_bin(p_width, late.until_at - interval '1 microsecond', '1970-01-01 00:00Z') + p_width) as until_at
        from monitoring_internal.late_ranges as late
        inner join monitoring_internal.series_levels as level
            on level.series_id = late.series_id and level.resolution = p_resolution
        where late.late_range_id = any (p_ids)
    ) as touched
    where touched.from_at < touched.until_at
    group by touched.series_id;
$$;

comment on function monitoring_internal.late_spans(bigint[], text, interval, timestamptz) is
    'Ranges of whole built buckets of a level, a series, that some late ranges touch.';

-- What may be dropped of samples and of each level: what every level that is built from it has, and nothing that
-- waits to be built again. In whole days, as a change of it is for the audit.
create or replace function monitoring_internal.hold_rolled_up()
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.partition_holds as hold
    set covered_until = covered.until_at
    from (
        select
            held.table_name,
            date_bin('24 hours', least(
                coalesce(min(level.watermark), 'infinity'),
                (select min(late.from_at) from monitoring_internal.late_ranges as late)
            ), '1970-01-01 00:00Z') as until_at
        from (values
            ('monitoring.samples', 'samples'), ('monitoring.rollups_1m', '1m'), ('monitoring.rollups_5m', '5m'),
            ('monitoring.rollups_1h', '1h')
        ) as held (table_name, source)
        left join monitoring_internal.class_levels as used on used.source = held.source
        left join monitoring_internal.rollup_levels as level on level.resolution = used.resolution
        group by held.table_name
    ) as covered
    where hold.name = 'rollups' and hold.table_name = covered.table_name
        and hold.covered_until is distinct from covered.until_at;
end;
$$;

comment on function monitoring_internal.hold_rolled_up() is
    'Sets how far samples and rollups are released for dropping by the levels built from them.';

-- The next step there is. p_waits says how often this run has waited for ingests already, p_late_until which late
-- ranges it works off: those that there were when it began, so that it comes to an end.
create or replace function monitoring_internal.refresh_next_rollup_at(
    p_waits integer, p_late_until bigint, p_now timestamptz)
returns monitoring_internal.rollup_step
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_step monitoring_internal.rollup_step;
    v_late_until constant bigint := coalesce(
        p_late_until, (select max(late.late_range_id) from monitoring_internal.late_ranges as late), 0);
begin
    if not pg_try_advisory_xact_lock(hashtextextended('monitoring.refresh_rollups', 0)) then
        return null;
    end if;
    v_step.action := monitoring_internal.close_rollups_at(p_now);
    if v_step.action = 'wait' and p_waits < 8 then
        v_step.retry_after := interval '10 milliseconds' * power(2, p_waits);
    end if;
    if v_step.action is null or v_step.action = 'wait' and p_waits >= 8 then
        if exists (select 1 from monitoring_internal.rollup_levels as level where level.watermark = '-infinity') then
            perform monitoring_internal.start_rollups(closing.closed_until)
            from monitoring_internal.rollup_closing as closing
            where closing.closed_until > '-infinity';
        end if;
        v_step := monitoring_internal.rebuild_late_at(v_late_until, p_now);
        if v_step.action is null then
            v_step := monitoring_internal.build_next_range_at(p_now);
        end if;
        perform monitoring_internal.hold_rolled_up();
    end if;
    v_step.late_until := v_late_until;
    return v_step;
end;
$$;

comment on function monitoring_internal.refresh_next_rollup_at(integer, bigint, timestamptz) is
    'The next step of refresh_rollups() as of a time; its action is null when nothing is left to do.';

-- The same by the database's clock.
create or replace function monitoring_internal.refresh_next_rollup(p_waits integer, p_late_until bigint)
returns monitoring_internal.rollup_step
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select step.*
    from monitoring_internal.refresh_next_rollup_at(p_waits, p_late_until, clock_timestamp()) as step;
$$;

comment on function monitoring_internal.refresh_next_rollup(integer, bigint) is
    'The next step of refresh_rollups(); its action is null when nothing is left to do.';

-- Close the buckets that are over, build them, and build again what late samples changed: step after step, each a
-- transaction of its own; p_now null stands for the database's clock, read at each step.
create or replace procedure monitoring_internal.refresh_rollups_at(p_now timestamptz)
language plpgsql
as $$
declare
    v_step monitoring_internal.rollup_step;
    v_waits integer := 0;
    v_late_until bigint;
begin
    loop
        set local search_path = pg_catalog, pg_temp;
        if p_now is null then
            v_step := monitoring_internal.refresh_next_rollup(v_waits, v_late_until);
        else
            v_step := monitoring_internal.refresh_next_rollup_at(v_waits, v_late_until, p_now);
        end if;
        commit;
        exit when v_step.action is null;
        v_late_until := v_step.late_until;
        if v_step.action = 'wait' then
            v_waits := v_waits + 1;
            perform pg_catalog.pg_sleep(extract(epoch from v_step.retry_after));
        end if;
    end loop;
end;
$$;

comment on procedure monitoring_internal.refresh_rollups_at(timestamptz) is
    'refresh_rollups() as of a time, for tests and replay; null stands for the database''s clock.';

-- The same by the database's clock.
create or replace procedure monitoring.refresh_rollups()
language plpgsql
as $$
begin
    set local search_path = pg_catalog, pg_temp;
    call monitoring_internal.refresh_rollups_at(null);
end;
$$;

comment on procedure monitoring.refresh_rollups() is
    'Brings the rollups of every resolution up to the clock, and builds again what late samples changed. Many short '
    'transactions: stopped at any moment it goes on from there. Call it outside a transaction; of several callers one '
    'works.';
