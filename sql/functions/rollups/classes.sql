-- rollups/classes.sql: retention classes of metrics, and what follows when a metric gets another one.
-- Owns check_retention_classes, rebuild_open_days, follow_metric_families, follow_retention_classes.
-- Writes late_ranges, rollup_starts. Concurrency: any number of callers; they only add to a queue.

-- Stop the registration of a metric in a class that nobody defined: it would never be deleted, or by chance.
-- Raises: PV210.
create or replace function monitoring_internal.check_retention_classes(p_families jsonb)
returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_unknown text;
begin
    select string_agg(distinct format('%s (%s)', given.entry ->> 'retention_class', given.entry ->> 'name'), ', ')
    into v_unknown
    from jsonb_array_elements(p_families) as given (entry)
    where given.entry ->> 'retention_class' is not null
        and not exists (
            select 1 from monitoring.retention_classes as class
            where class.name = given.entry ->> 'retention_class'
        );
    if v_unknown is not null then
        raise exception using
            errcode = 'PV210',
            message = format('retention classes are unknown: %s', v_unknown),
            hint = format(
                'There are %s; an administrator adds one to monitoring.retention_classes.',
                (select string_agg(class.name, ', ' order by class.name) from monitoring.retention_classes as class));
    end if;
end;
$$;

comment on function monitoring_internal.check_retention_classes(jsonb) is
    'Raises PV210 when metrics to be registered name a retention class that does not exist.';

-- Have the days that are not complete yet built again for all series of some metrics. A level that a class did not
-- have until now begins in the middle of an hour and of a day, which are built from it.
create or replace function monitoring_internal.rebuild_open_days(p_families integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
    select series.series_id, open.from_at, open.until_at
    from monitoring.series as series
    cross join (
        select date_bin('24 hours', min(level.watermark), '1970-01-01 00:00Z') as from_at,
            min(closing.closing_until) as until_at
        from monitoring_internal.rollup_levels as level
        cross join monitoring_internal.rollup_closing as closing
    ) as open
    where series.metric_family_id = any (p_families)
        and isfinite(open.from_at) and open.from_at < open.until_at;
    -- Days before these were made by the old rules, or not at all.
    insert into monitoring_internal.rollup_starts as known (metric_family_id, begins_at)
    select family.metric_family_id, date_bin('24 hours', open.from_at, '1970-01-01 00:00Z')
    from monitoring.metric_families as family
    cross join (select min(level.watermark) as from_at from monitoring_internal.rollup_levels as level) as open
    where family.metric_family_id = any (p_families) and isfinite(open.from_at)
    on conflict (metric_family_id) do update set begins_at = greatest(known.begins_at, excluded.begins_at);
$$;

comment on function monitoring_internal.rebuild_open_days(integer[]) is
    'Notes the days that are not complete yet of all series of some metrics as to be built again.';

-- Trigger on metric_families: another class, or another kind, has other levels or other contents.
create or replace function monitoring_internal.follow_metric_families()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.rebuild_open_days(array_agg(changed.metric_family_id))
    from changed
    inner join former on former.metric_family_id = changed.metric_family_id
    where (changed.retention_class, changed.kind) is distinct from (former.retention_class, former.kind)
    having count(*) > 0;
    return null;
end;
$$;

comment on function monitoring_internal.follow_metric_families() is
    'Trigger: rollups of the open days follow the class and kind of a metric.';

-- Trigger on retention_classes: levels that came or went.
create or replace function monitoring_internal.follow_retention_classes()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.rebuild_open_days(array_agg(family.metric_family_id))
    from changed
    inner join former on former.name = changed.name
    inner join monitoring.metric_families as family on family.retention_class = changed.name
    where array[
            changed.rollup_1m is null, changed.rollup_5m is null, changed.rollup_1h is null, changed.rollup_1d is null]
        <> array[former.rollup_1m is null, former.rollup_5m is null, former.rollup_1h is null, former.rollup_1d is null]
    having count(*) > 0;
    return null;
end;
$$;

comment on function monitoring_internal.follow_retention_classes() is
    'Trigger: rollups of the open days follow the levels of a class.';
