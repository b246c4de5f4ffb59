-- archive/finish.sql: what became of a day that a service had in hand.
-- Owns finish_archive_at, finish_archive, check_archive_at, check_archive, remove_archive, fail_archive_at,
-- fail_archive. Writes archives. Concurrency: every report needs the fence of the claim, which others may have raised.

-- A file was written and read back. It counts only when it holds as many samples, and rows beside them, as the store.
-- Raises: PV240, PV241.
create or replace function monitoring_internal.finish_archive_at(
    p_archive_id bigint, p_fence bigint, p_destination text, p_file_name text, p_facts jsonb, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive constant monitoring.archives := monitoring_internal.held_archive(p_archive_id, p_fence);
    v_stored constant bigint := monitoring_internal.count_class_day(v_archive.retention_class, v_archive.day);
    v_details constant bigint := monitoring_internal.count_class_day_details(
        v_archive.retention_class, v_archive.day);
    v_written constant bigint := coalesce((p_facts ->> 'details')::bigint, 0);
begin
    if v_stored is distinct from (p_facts ->> 'rows')::bigint or v_details <> v_written then
        raise exception using
            errcode = 'PV241',
            message = format(
                'the file of class %s, day %s holds %s samples and %s details, the store %s and %s',
                v_archive.retention_class, v_archive.day, coalesce(p_facts ->> 'rows', 'no number of'), v_written,
                v_stored, v_details),
            hint = 'Samples of the day came while it was written: it is written again.';
    end if;
    update monitoring.archives as archive
    set state = 'verified', generation = archive.generation + 1, destination = p_destination,
        file_name = p_file_name,
        row_count = v_stored, detail_count = v_details, series_count = (p_facts ->> 'series')::bigint,
        file_bytes = (p_facts ->> 'file_bytes')::bigint, content_bytes = (p_facts ->> 'content_bytes')::bigint,
        file_sha256 = p_facts ->> 'file_sha256', content_sha256 = p_facts ->> 'content_sha256',
        first_sample_at = nullif(p_facts ->> 'first_sample_at', '')::timestamptz,
        last_sample_at = nullif(p_facts ->> 'last_sample_at', '')::timestamptz,
        written_at = p_now, verified_at = p_now, due_at = null, attempt = 0, error = null, dropped_at = null,
        lease_instance_id = null, lease_expires_at = null
    where archive.archive_id = p_archive_id;
end;
$$;

comment on function monitoring_internal.finish_archive_at(bigint, bigint, text, text, jsonb, timestamptz) is
    'finish_archive as of a time.';

-- The same now.
create or replace function monitoring_internal.finish_archive(
    p_archive_id bigint, p_fence bigint, p_destination text, p_file_name text, p_facts jsonb)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.finish_archive_at(
        p_archive_id, p_fence, p_destination, p_file_name, p_facts, clock_timestamp());
$$;

comment on function monitoring_internal.finish_archive(bigint, bigint, text, text, jsonb) is
    'Notes that the file of a day was written and read back, with its facts; PV241 when the store holds another '
    'number of samples.';

-- A file was read again: null when it is as it should be, else what is wrong with it.
-- Raises: PV240.
create or replace function monitoring_internal.check_archive_at(
    p_archive_id bigint, p_fence bigint, p_fault text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.archives as archive
    set state = case when archive.state not in ('verified', 'damaged') then archive.state
            when p_fault is null then 'verified' else 'damaged' end,
        verified_at = case when p_fault is null then p_now else archive.verified_at end,
        due_at = case when archive.state in ('verified', 'damaged') then null else archive.due_at end,
        error = left(p_fault, 1000), attempt = 0, lease_instance_id = null, lease_expires_at = null
    from monitoring_internal.held_archive(p_archive_id, p_fence) as held
    where archive.archive_id = held.archive_id;
end;
$$;

comment on function monitoring_internal.check_archive_at(bigint, bigint, text, timestamptz) is
    'check_archive as of a time.';

-- The same now.
create or replace function monitoring_internal.check_archive(p_archive_id bigint, p_fence bigint, p_fault text)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.check_archive_at(p_archive_id, p_fence, p_fault, clock_timestamp());
$$;

comment on function monitoring_internal.check_archive(bigint, bigint, text) is
    'Notes that the file of a day was read: null for as it should be, else what is wrong with it.';

-- An expired file is gone.
-- Raises: PV240.
create or replace function monitoring_internal.remove_archive(p_archive_id bigint, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.archives as archive
    set state = 'removed', due_at = null, attempt = 0, error = null, lease_instance_id = null, lease_expires_at = null
    from monitoring_internal.held_archive(p_archive_id, p_fence) as held
    where archive.archive_id = held.archive_id
        and archive.state = 'expired';
end;
$$;

comment on function monitoring_internal.remove_archive(bigint, bigint) is 'Notes that an expired file was removed.';

-- An attempt failed: it is made again after a pause that doubles. Without an error the day is only given back.
-- Raises: PV240.
create or replace function monitoring_internal.fail_archive_at(
    p_archive_id bigint, p_fence bigint, p_error text, p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.archives as archive
    set attempt = archive.attempt + (p_error is not null)::integer,
        error = coalesce(left(p_error, 1000), archive.error),
        due_at = case when p_error is null then archive.due_at when archive.due_at is not null then p_now + least(
            monitoring_internal.setting_interval('archive.retry_pause') * power(2, least(archive.attempt, 20)),
            interval '1 day') end,
        lease_instance_id = null, lease_expires_at = null
    from monitoring_internal.held_archive(p_archive_id, p_fence) as held
    where archive.archive_id = held.archive_id;
end;
$$;

comment on function monitoring_internal.fail_archive_at(bigint, bigint, text, timestamptz) is
    'fail_archive as of a time.';

-- The same now.
create or replace function monitoring_internal.fail_archive(p_archive_id bigint, p_fence bigint, p_error text)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.fail_archive_at(p_archive_id, p_fence, p_error, clock_timestamp());
$$;

comment on function monitoring_internal.fail_archive(bigint, bigint, text) is
    'Notes that work on a day failed, and why; null gives it back as it was.';
