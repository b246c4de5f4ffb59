-- archive/claim.sql: which day a service has in hand, under a lease and a fence, and what it reports of it.
-- Owns commit_to_disk, take_archive_at, claim_archive_at, claim_archive, hold_archive, held_archive.
-- Writes archives. Concurrency: any number of services; rows are taken with skip locked, reports need the fence.

-- Have this transaction on disk when its commit returns, whatever the session or the server says: files are deleted
-- after it, and a crash of the server must not bring back a row that names them.
create or replace function monitoring_internal.commit_to_disk()
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select set_config('synchronous_commit', 'local', true) where current_setting('synchronous_commit') = 'off';
$$;

comment on function monitoring_internal.commit_to_disk() is
    'Has this transaction on disk when its commit returns, even where synchronous_commit is off.';

-- Give a day to a service; what it is to do follows from the state unless told.
create or replace function monitoring_internal.take_archive_at(
    p_instance_id uuid, p_archive_id bigint, p_action text, p_now timestamptz)
returns setof monitoring_internal.claimed_archive
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.commit_to_disk();
    update monitoring.archives as archive
    set fence = archive.fence + 1,
        lease_instance_id = p_instance_id,
        lease_expires_at = p_now + monitoring_internal.setting_interval('archive.lease')
    where archive.archive_id = p_archive_id
    returning archive.archive_id, archive.fence, coalesce(p_action, case archive.state
            when 'due' then 'write' when 'expired' then 'remove' else 'verify' end),
        archive.retention_class, archive.day, archive.generation, archive.destination, archive.file_name,
        archive.file_sha256, (select identity.mark from monitoring_internal.archive_identity as identity);
$$;

comment on function monitoring_internal.take_archive_at(uuid, bigint, text, timestamptz) is
    'Leases a day to a service, whoever had it before.';

-- Lease the next day that is due, the oldest first; or a certain one for something that somebody asks for.
-- Raises: PV240 the day asked for is in hand, PV243 there is no such file.
create or replace function monitoring_internal.claim_archive_at(
    p_instance_id uuid, p_archive_id bigint, p_action text, p_now timestamptz)
returns setof monitoring_internal.claimed_archive
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive monitoring.archives;
begin
    if p_archive_id is null then
        return query
        select taken.*
        from (
            select archive.archive_id
            from monitoring.archives as archive
            where archive.due_at <= p_now and coalesce(archive.lease_expires_at, '-infinity') <= p_now
            order by archive.due_at, archive.day, archive.archive_id
            limit 1
            for update skip locked
        ) as next
        cross join lateral monitoring_internal.take_archive_at(p_instance_id, next.archive_id, null, p_now) as taken;
        return;
    end if;
    select archive.* into v_archive
    from monitoring.archives as archive where archive.archive_id = p_archive_id for update;
    if v_archive.file_name is null or v_archive.state = 'removed' then
        raise exception using
            errcode = 'PV243',
            message = format('there is no file of archive %s', p_archive_id),
            hint = 'Files are listed by: pgvigil archive list';
    end if;
    if v_archive.lease_expires_at > p_now and v_archive.lease_instance_id <> p_instance_id then
        raise exception using
            errcode = 'PV240',
            message = format('archive %s is in other hands until %s', p_archive_id, v_archive.lease_expires_at),
            hint = 'A service is at work on it: try again when it is done.';
    end if;
    return query select * from monitoring_internal.take_archive_at(p_instance_id, p_archive_id, p_action, p_now);
end;
$$;

comment on function monitoring_internal.claim_archive_at(uuid, bigint, text, timestamptz) is
    'Leases the next day that is due to a service, or the day with the number for the action.';

-- The same now.
create or replace function monitoring_internal.claim_archive(
    p_instance_id uuid, p_archive_id bigint default null, p_action text default null)
returns setof monitoring_internal.claimed_archive
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.claim_archive_at(p_instance_id, p_archive_id, p_action, clock_timestamp());
$$;

comment on function monitoring_internal.claim_archive(uuid, bigint, text) is
    'Leases the next day that is due to be written, read or removed; or a certain one, for an action.';

-- The row of a claim that still holds, locked.
-- Raises: PV240.
create or replace function monitoring_internal.held_archive(p_archive_id bigint, p_fence bigint)
returns monitoring.archives
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_archive monitoring.archives;
begin
    perform monitoring_internal.commit_to_disk();
    select archive.* into v_archive
    from monitoring.archives as archive
    where archive.archive_id = p_archive_id and archive.fence = p_fence and archive.lease_instance_id is not null
    for update;
    if v_archive.archive_id is null then
        raise exception using
            errcode = 'PV240',
            message = format('archive %s is no longer held', p_archive_id),
            hint = 'Another service took it over after the lease; nothing of this one counts.';
    end if;
    return v_archive;
end;
$$;

comment on function monitoring_internal.held_archive(bigint, bigint) is
    'The archive of a claim, locked; PV240 when the claim is no longer held.';

-- Sign of life of who has it in hand.
-- Raises: PV240.
create or replace function monitoring_internal.hold_archive(p_archive_id bigint, p_fence bigint)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.archives as archive
    set lease_expires_at = clock_timestamp() + monitoring_internal.setting_interval('archive.lease')
    from monitoring_internal.held_archive(p_archive_id, p_fence) as held
    where archive.archive_id = held.archive_id;
end;
$$;

comment on function monitoring_internal.hold_archive(bigint, bigint) is
    'Extends the lease of a day; PV240 when it is no longer held.';
