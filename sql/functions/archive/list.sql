-- archive/list.sql: what people and services are shown of archives.
-- Owns archive_facts, find_archives, list_archives. Writes nothing.
-- Any number of callers at once.

-- What a file's manifest says, times in UTC whatever the session's zone.
create or replace function monitoring_internal.archive_facts(p_archive_id bigint)
returns table (
    retention_class text, day text, row_count bigint, series_count bigint, content_bytes bigint,
    content_sha256 text, file_bytes bigint, file_sha256 text, first_sample_at text, last_sample_at text,
    detail_count bigint)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
as $$
    select archive.retention_class, archive.day::text, archive.row_count, archive.series_count, archive.content_bytes,
        archive.content_sha256, archive.file_bytes, archive.file_sha256,
        coalesce(archive.first_sample_at::text, ''), coalesce(archive.last_sample_at::text, ''), archive.detail_count
    from monitoring.archives as archive
    where archive.archive_id = p_archive_id;
$$;

comment on function monitoring_internal.archive_facts(bigint) is
    'What the manifest of a file says, as texts.';

-- Archives that have a file, by day and class, null for any; oldest first.
-- Raises: PV243 when a day or class was named that has none.
create or replace function monitoring_internal.find_archives(p_class text, p_from date, p_until date)
returns table (archive_id bigint, retention_class text, day text, is_in_store boolean)
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
begin
    return query
    select archive.archive_id, archive.retention_class, archive.day::text, archive.dropped_at is null
    from monitoring.archives as archive
    where archive.file_name is not null and archive.state not in ('removed', 'expired')
        and archive.retention_class = coalesce(p_class, archive.retention_class)
        and archive.day between coalesce(p_from, archive.day) and coalesce(p_until, archive.day)
    order by archive.day, archive.retention_class;
    if not found and num_nonnulls(p_class, p_from) > 0 then
        raise exception using
            errcode = 'PV243',
            message = format('there is no archive%s%s', ' of class ' || p_class, ' of ' || p_from),
            hint = 'Files are listed by: pgvigil archive list';
    end if;
end;
$$;

comment on function monitoring_internal.find_archives(text, date, date) is
    'Numbers of the archives of a class and days; null for any.';

-- All archives as people read them, newest first.
create or replace function monitoring_internal.list_archives()
returns table (
    retention_class text, day date, state text, samples bigint, series bigint, bytes bigint, bytes_per_sample numeric,
    verified_at timestamptz, in_store text, file text, problem text)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select archive.retention_class, archive.day,
        case when archive.lease_expires_at > now() then archive.state || ', in hand' else archive.state end,
        archive.row_count, archive.series_count, archive.file_bytes,
        round(archive.file_bytes::numeric / nullif(archive.row_count, 0), 2),
        date_trunc('second', archive.verified_at),
        case when archive.dropped_at is not null then 'no'
            when archive.restored_until > now() then 'restored' else 'yes' end,
        archive.destination || '/' || archive.file_name, archive.error
    from monitoring.archives as archive
    order by archive.day desc, archive.retention_class;
$$;

comment on function monitoring_internal.list_archives() is 'All archives, newest first.';
