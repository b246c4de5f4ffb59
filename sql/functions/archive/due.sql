-- archive/due.sql: which days are to be written to files, read again, or removed.
-- Owns mark_new_archives_at, mark_old_archives_at, settle_archive_times_at, archive_old_data_at,
-- archive_old_data, note_dropped_at, next_archive_delay.
-- Writes archives. Concurrency: any number of callers; a day has one row.

-- Mark days that no file holds yet: packed, and so old that no further sample may come. Returns how many.
create or replace function monitoring_internal.mark_new_archives_at(p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with ripe as (
        select least(
            monitoring_internal.packed_until(),
            monitoring_internal.retention_reference_at(p_now) - greatest(
                monitoring_internal.setting_interval('archive.after'),
                monitoring_internal.setting_interval('store.max_past'))) as before
    ),
    marked as (
        insert into monitoring.archives (retention_class, day, due_at)
        select class.name, day.at::date, p_now
        from ripe
        cross join lateral (
            select min(bounds.lower_bound) as lower_bound
            from (values ('monitoring.sample_blocks'::regclass), ('monitoring.sample_details')) as form (name)
            cross join lateral monitoring_internal.partition_bounds(form.name) as bounds
            where not bounds.is_default
        ) as oldest
        cross join lateral generate_series(
            date_trunc('day', oldest.lower_bound at time zone 'UTC'),
            ripe.before at time zone 'UTC' - interval '1 day', interval '1 day') as day (at)
        cross join monitoring.retention_classes as class
        where class.is_archived and isfinite(ripe.before) and isfinite(oldest.lower_bound)
            and exists (select 1 from monitoring.metric_families as family where family.retention_class = class.name)
            and not exists (
                select 1 from monitoring.archives as archive
                where archive.retention_class = class.name and archive.day = day.at::date)
            and (monitoring_internal.count_class_day(class.name, day.at::date) > 0
                or monitoring_internal.count_class_day_details(class.name, day.at::date) > 0)
        order by day.at, class.name
        on conflict do nothing
        returning 1
    )
    select count(*) from marked;
$$;

comment on function monitoring_internal.mark_new_archives_at(timestamptz) is
    'Marks days of archived classes that are to be written to files; returns how many.';

-- Mark what there is to do with files: those of days that are soon to be dropped are read again; one that is damaged,
-- or does not hold what the store does, is written anew while the store has the day, but never from less than it is the
-- only one to hold; past their own retention they are removed. Returns how many.
create or replace function monitoring_internal.mark_old_archives_at(p_now timestamptz)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with judged as (
        select archive.archive_id, archive.state, archive.verified_at, archive.row_count, archive.detail_count,
            class.archive_retention is not null
                and archive.day < reference.at at time zone 'UTC' - class.archive_retention as is_past,
            class.name is not null and archive.day <= (
                monitoring_internal.retention_cutoff_at('raw', class.raw_retention, p_now)
                + monitoring_internal.setting_interval('archive.verify_within')) at time zone 'UTC' as is_near_end,
            case when archive.dropped_at is null or archive.state = 'damaged'
                then monitoring_internal.count_class_day(archive.retention_class, archive.day) else 0 end as samples,
            case when archive.dropped_at is null or archive.state = 'damaged'
                then monitoring_internal.count_class_day_details(archive.retention_class, archive.day)
                else 0 end as details
        from monitoring.archives as archive
        left join monitoring.retention_classes as class on class.name = archive.retention_class
        left join monitoring_internal.retention_reference_at(p_now) as reference (at) on true
        where archive.state in ('verified', 'damaged') and archive.due_at is null
            and (archive.state = 'damaged' or class.archive_retention is not null or archive.dropped_at is null)
    ),
    decided as (
        select judged.archive_id, case
            when judged.is_past and judged.samples + judged.details = 0 then 'expired'
            -- Where the samples are gone already, and what was said beside them not yet, the file is all there is.
            when (judged.samples > 0 or judged.details > 0 and coalesce(judged.row_count, 0) = 0) and (
                judged.state = 'damaged' or judged.is_near_end and (
                    judged.samples <> judged.row_count or judged.details > judged.detail_count)) then 'due'
            when judged.is_near_end and judged.samples + judged.details > 0 and judged.verified_at
                < p_now - monitoring_internal.setting_interval('archive.verify_within') * 0.5 then 'verified'
        end as state
        from judged
    ),
    marked as (
        update monitoring.archives as archive
        set state = decided.state, due_at = p_now
        from decided
        where archive.archive_id = decided.archive_id and decided.state is not null
        returning 1
    )
    select count(*) from marked;
$$;

comment on function monitoring_internal.mark_old_archives_at(timestamptz) is
    'Marks files that are to be read again, written anew or removed; returns how many.';

-- A clock that ran ahead and was set right left marks and leases in the future: they hold from now on.
create or replace function monitoring_internal.settle_archive_times_at(p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.archives as archive
    set due_at = case when archive.due_at > p_now + interval '25 hours' then p_now else archive.due_at end,
        lease_expires_at = case when archive.lease_expires_at is not null then least(
            archive.lease_expires_at, p_now + monitoring_internal.setting_interval('archive.lease')) end,
        verified_at = case when archive.verified_at is not null then least(archive.verified_at, p_now) end
    where archive.due_at > p_now + interval '25 hours'
        or archive.lease_expires_at > p_now + monitoring_internal.setting_interval('archive.lease')
            + interval '1 minute'
        or archive.verified_at > p_now + interval '1 minute';
$$;

comment on function monitoring_internal.settle_archive_times_at(timestamptz) is
    'Brings back times of archives that a clock which was ahead left in the future.';

-- The deciding form.
create or replace function monitoring_internal.archive_old_data_at(p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_marked bigint;
begin
    perform monitoring_internal.settle_archive_times_at(p_now);
    v_marked := monitoring_internal.mark_old_archives_at(p_now) + monitoring_internal.mark_new_archives_at(p_now);
    perform pg_notify('pgvigil_archives', v_marked::text) where v_marked > 0;
    return v_marked;
end;
$$;

comment on function monitoring_internal.archive_old_data_at(timestamptz) is
    'archive_old_data as of a time, for tests and replay.';

-- The same now.
create or replace function monitoring.archive_old_data()
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.archive_old_data_at(clock_timestamp());
$$;

comment on function monitoring.archive_old_data() is
    'Marks days of archived retention classes that are to be written to files, and files that are to be read again or '
    'removed; a service, or pgvigil archive run, does it. Nothing is deleted here. Returns how many.';

-- Note of the days of a partition of blocks that they leave the store with it.
create or replace function monitoring_internal.note_dropped_at(
    p_table text, p_lower timestamptz, p_upper timestamptz, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.archives as archive
    set dropped_at = p_now
    where p_table = 'monitoring.sample_blocks' and archive.dropped_at is null
        and archive.day >= (p_lower at time zone 'UTC')::date and archive.day < (p_upper at time zone 'UTC')::date;
$$;

comment on function monitoring_internal.note_dropped_at(text, timestamptz, timestamptz, timestamptz) is
    'Notes of archived days that they are dropped with a partition.';

-- How long until a service has something to do; null when nothing waits.
create or replace function monitoring_internal.next_archive_delay()
returns interval
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select min(greatest(archive.due_at, coalesce(archive.lease_expires_at, '-infinity'))) - clock_timestamp()
    from monitoring.archives as archive
    where archive.due_at is not null;
$$;

comment on function monitoring_internal.next_archive_delay() is
    'How long until an archive is due; negative when one is, null when none is.';
