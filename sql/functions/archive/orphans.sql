-- archive/orphans.sql: files of ours that no archive knows: whoever wrote them was killed before it could report.
-- Owns archive_orphan_age, archive_destinations, archive_orphans_at, archive_orphans. Writes nothing.
-- Any number of callers at once; names are never used again, so that what is an orphan stays one.

-- How old an orphan must be to be removed.
create or replace function monitoring_internal.archive_orphan_age()
returns interval
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.setting_interval('archive.orphan_age');
$$;

comment on function monitoring_internal.archive_orphan_age() is 'How old an orphan must be to be removed.';

-- Where there are files.
create or replace function monitoring_internal.archive_destinations()
returns table (destination text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select distinct archive.destination
    from monitoring.archives as archive
    where archive.file_name is not null and archive.state <> 'removed'
    order by archive.destination;
$$;

comment on function monitoring_internal.archive_destinations() is 'The places that archives have files in.';

-- Of the files in a place those that end in this store's mark and that no archive knows, nor whoever has the day in
-- hand, with what keeps each from being removed: its age, or that nothing else holds its day. Where a file lies does
-- not matter: a place may have been moved.
create or replace function monitoring_internal.archive_orphans_at(
    p_names text[], p_modified_at double precision[], p_now timestamptz)
returns table (name text, obstacle text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with file as (
        select given.name, to_timestamp(given.modified_at) as modified_at, regexp_replace(
                given.name, '(\.gz|\.json)(\.partial)?$', '.gz') as file_name, given.name ~ '\.partial$' as is_partial,
            regexp_match(given.name, '^([a-z][a-z0-9_]*)/(\d{4})/\1-(\2-\d\d-\d\d)-\d+-(\d+)-([0-9a-f]{8})'
                '\.(?:gz|json)(?:\.partial)?$') as part
        from unnest(p_names, p_modified_at) as given (name, modified_at)
    )
    select file.name, case
            when file.modified_at > p_now - monitoring_internal.setting_interval('archive.orphan_age')
                then 'younger than ' || monitoring_internal.setting_interval('archive.orphan_age')
            when not file.is_partial and own.state is distinct from 'verified'
                and coalesce(monitoring_internal.count_class_day(own.retention_class, own.day), 0) = 0
                and coalesce(monitoring_internal.count_class_day_details(own.retention_class, own.day), 0) = 0
                then 'nothing else holds its day'
        end
    from file
    inner join monitoring_internal.archive_identity as identity on identity.mark = file.part[5]
    left join monitoring.archives as own
        on own.retention_class = file.part[1] and own.day::text = file.part[3]
    where not exists (
            select 1 from monitoring.archives as known
            where known.file_name = file.file_name and known.state <> 'removed' and not file.is_partial)
        and not coalesce(own.lease_expires_at > p_now and own.fence::text = file.part[4], false)
    order by file.name;
$$;

comment on function monitoring_internal.archive_orphans_at(text[], double precision[], timestamptz) is
    'archive_orphans as of a time.';

-- The same now.
create or replace function monitoring_internal.archive_orphans(p_names text[], p_modified_at double precision[])
returns table (name text, obstacle text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.archive_orphans_at(p_names, p_modified_at, clock_timestamp());
$$;

comment on function monitoring_internal.archive_orphans(text[], double precision[]) is
    'Files of ours, by name and time in seconds since 1970, that no archive knows, and what keeps each from removal.';
