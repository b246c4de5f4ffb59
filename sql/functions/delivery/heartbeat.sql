-- delivery/heartbeat.sql: signs of life to the outside, while the whole chain works.
-- Owns heartbeat_seal_context, heartbeat_identity, heartbeat_id_of, check_heartbeat, set_heartbeat, remove_heartbeat,
-- hurry_heartbeat, heartbeat_progress, list_heartbeats, claim_heartbeats(_at), ack_heartbeat(_at). Writes heartbeats.
-- Concurrency: any number of services; one has a heartbeat at a time.

-- What the URL of a heartbeat is sealed for.
create or replace function monitoring_internal.heartbeat_seal_context(p_id uuid)
returns text
language sql stable parallel safe
begin atomic
    select pg_catalog.format('heartbeat %s', p_id);
end;

comment on function monitoring_internal.heartbeat_seal_context(uuid) is
    'The context that the URL of a heartbeat is sealed for.';

-- What the URL of a heartbeat is sealed for: of the one of this name, or of one that is to be made.
create or replace function monitoring_internal.heartbeat_identity(p_name text)
returns table (id uuid, context text)
language sql volatile parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select chosen.id, monitoring_internal.heartbeat_seal_context(chosen.id)
    from (
        select coalesce(
            (select heartbeat.heartbeat_id from monitoring.heartbeats as heartbeat where heartbeat.name = p_name),
            gen_random_uuid()) as id
    ) as chosen;
$$;

comment on function monitoring_internal.heartbeat_identity(text) is
    'The key of a heartbeat that is there or is to be made, and the context that its URL is sealed for.';

-- The key of a heartbeat by its name.
-- Raises: PV988.
create or replace function monitoring_internal.heartbeat_id_of(p_name text)
returns uuid
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id uuid;
begin
    select heartbeat.heartbeat_id into v_id from monitoring.heartbeats as heartbeat where heartbeat.name = p_name;
    if v_id is null then
        raise exception using
            errcode = 'PV988',
            message = format('there is no heartbeat "%s"', p_name),
            hint = 'Those that there are: pgvigil heartbeat show; make one: pgvigil heartbeat set.';
    end if;
    return v_id;
end;
$$;

comment on function monitoring_internal.heartbeat_id_of(text) is 'The key of a heartbeat; PV988 where there is none.';

-- A heartbeat's URL is a secret, and is sealed.
-- Raises: PV960. It does not show the row.
create or replace function monitoring_internal.check_heartbeat()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not monitoring_internal.is_sealed(new.sealed_url) then
        raise exception using
            errcode = 'PV960',
            message = format('heartbeat "%s" holds a URL that is not sealed', new.name),
            hint = 'Let "pgvigil heartbeat set" ask for it: it is stored sealed. What was sent here may be in the '
                'server''s log: change it.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_heartbeat() is 'Trigger: refuses URLs of heartbeats in clear.';

-- Make a heartbeat, or give it another URL, method or distance.
-- Units: id as the URL was sealed for: a new one, or that of the heartbeat of this name.
create or replace function monitoring.set_heartbeat(
    id uuid, name text, sealed_url text, every interval default '1 min', method text default 'POST')
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not "on conflict": that reads the sealed URL, which administrators may not.
    update monitoring.heartbeats as heartbeat
    set sealed_url = set_heartbeat.sealed_url, every = set_heartbeat.every, method = set_heartbeat.method,
        is_active = true, attempted_at = null, consecutive_failures = 0, last_status = null, last_error = null
    where heartbeat.heartbeat_id = set_heartbeat.id;
    if not found then
        insert into monitoring.heartbeats (heartbeat_id, name, sealed_url, every, method)
        values (
            set_heartbeat.id, set_heartbeat.name, set_heartbeat.sealed_url, set_heartbeat.every, set_heartbeat.method);
    end if;
end;
$$;

comment on function monitoring.set_heartbeat(uuid, text, text, interval, text) is
    'Makes or changes a heartbeat, whose URL "pgvigil heartbeat set" has sealed. For monitoring_admin.';

-- Forget a heartbeat.
-- Raises: PV988.
create or replace function monitoring.remove_heartbeat(name text)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    delete from monitoring.heartbeats as heartbeat
    where heartbeat.heartbeat_id = monitoring_internal.heartbeat_id_of(remove_heartbeat.name);
$$;

comment on function monitoring.remove_heartbeat(text) is 'Forgets a heartbeat. For monitoring_admin.';

-- Have a heartbeat sent at once, if the chain is whole; returns its claims so far, by which its end is known.
-- Raises: PV988.
create or replace function monitoring.hurry_heartbeat(name text)
returns bigint
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.heartbeats as heartbeat
    set attempted_at = null
    where heartbeat.heartbeat_id = monitoring_internal.heartbeat_id_of(hurry_heartbeat.name)
    returning heartbeat.fence;
$$;

comment on function monitoring.hurry_heartbeat(text) is
    'Has a heartbeat sent at once, if the chain is whole; returns its latest claim''s number. For monitoring_admin.';

-- What became of a heartbeat since its claim of a number, and what breaks the chain now.
create or replace function monitoring_internal.heartbeat_progress(p_name text, p_fence bigint)
returns table (is_over boolean, has_arrived boolean, status integer, error text, broken text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select heartbeat.fence > p_fence and heartbeat.lease_instance_id is null, heartbeat.last_error is null,
        heartbeat.last_status, heartbeat.last_error, (
            select string_agg(chain.link || ': ' || chain.detail, '; ')
            from monitoring_internal.heartbeat_chain() as chain
            where not chain.is_whole)
    from monitoring.heartbeats as heartbeat
    where heartbeat.name = p_name;
$$;

comment on function monitoring_internal.heartbeat_progress(text, bigint) is
    'Whether a heartbeat was sent since its claim of a number, how that ended, and what breaks the chain now.';

-- Heartbeats for a table.
create or replace function monitoring_internal.list_heartbeats()
returns table (name text, state text, every text, method text, sent text, arrived bigint, failed bigint, reason text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select beat.name, beat.state, beat.every::text, beat.method,
        coalesce(monitoring_internal.brief_distance(clock_timestamp(), beat.sent_at), 'never'), beat.sent_total,
        beat.failed_total, beat.reason
    from monitoring.heartbeat_status as beat
    order by beat.name;
$$;

comment on function monitoring_internal.list_heartbeats() is 'Heartbeats with their state, for a table.';

-- Lease the heartbeats that are due, if the chain is whole; else note what withholds them. One that did not arrive is
-- tried again after ten seconds, or when it is due, whichever comes first.
create or replace function monitoring_internal.claim_heartbeats_at(p_instance_id uuid, p_now timestamptz)
returns table (
    heartbeat_id uuid, fence bigint, name text, method text, sealed_url text, seal_context text, timeout_ms bigint)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_due uuid[];
    v_broken text;
begin
    v_due := array(
        select heartbeat.heartbeat_id
        from monitoring.heartbeats as heartbeat
        where heartbeat.is_active
            and coalesce(heartbeat.attempted_at, '-infinity') <= p_now - case
                when heartbeat.consecutive_failures > 0 then least(heartbeat.every, interval '10 seconds')
                else heartbeat.every end
            and (heartbeat.lease_expires_at is null or heartbeat.lease_expires_at <= p_now)
        for update skip locked);
    if cardinality(v_due) = 0 then
        return;
    end if;
    select string_agg(chain.link || ': ' || chain.detail, '; ') into v_broken
    from monitoring_internal.heartbeat_chain_at(p_now) as chain
    where not chain.is_whole;
    -- The reason is that of the begin: written once, not at each turn.
    update monitoring.heartbeats as heartbeat
    set withheld_at = p_now, withheld_reason = v_broken
    where heartbeat.heartbeat_id = any (v_due) and v_broken is not null and heartbeat.withheld_at is null;
    return query
    update monitoring.heartbeats as heartbeat
    set attempted_at = p_now, fence = heartbeat.fence + 1, lease_instance_id = p_instance_id,
        lease_expires_at = p_now + interval '20 seconds', withheld_at = null, withheld_reason = null
    where heartbeat.heartbeat_id = any (v_due) and v_broken is null
    returning heartbeat.heartbeat_id, heartbeat.fence, heartbeat.name, heartbeat.method, heartbeat.sealed_url,
        monitoring_internal.heartbeat_seal_context(heartbeat.heartbeat_id), 10000::bigint;
end;
$$;

comment on function monitoring_internal.claim_heartbeats_at(uuid, timestamptz) is
    'Leases to a service the heartbeats that are due, as of a time, if the whole chain works.';

-- The same now.
create or replace function monitoring_internal.claim_heartbeats(p_instance_id uuid)
returns table (
    heartbeat_id uuid, fence bigint, name text, method text, sealed_url text, seal_context text, timeout_ms bigint)
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select claim.* from monitoring_internal.claim_heartbeats_at(p_instance_id, clock_timestamp()) as claim;
$$;

comment on function monitoring_internal.claim_heartbeats(uuid) is
    'Leases to a service the heartbeats that are due, if the whole chain works.';

-- Take a service's report on a heartbeat; false when its claim no longer holds.
create or replace function monitoring_internal.ack_heartbeat_at(
    p_instance_id uuid, p_heartbeat_id uuid, p_fence bigint, p_status integer, p_error text, p_now timestamptz)
returns boolean
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.heartbeats as heartbeat
    set lease_instance_id = null, lease_expires_at = null, last_status = p_status,
        last_error = case when not ended.has_arrived then coalesce(p_error, 'status ' || p_status) end,
        sent_at = case when ended.has_arrived then p_now else heartbeat.sent_at end,
        consecutive_failures = case when ended.has_arrived then 0 else heartbeat.consecutive_failures + 1 end,
        sent_total = heartbeat.sent_total + ended.has_arrived::integer,
        failed_total = heartbeat.failed_total + (not ended.has_arrived)::integer
    from (select coalesce(p_status between 200 and 299, false) as has_arrived) as ended
    where heartbeat.heartbeat_id = p_heartbeat_id and heartbeat.fence = p_fence
        and heartbeat.lease_instance_id = p_instance_id
    returning true;
$$;

comment on function monitoring_internal.ack_heartbeat_at(uuid, uuid, bigint, integer, text, timestamptz) is
    'Takes a service''s report on a heartbeat, as of a time; null when its claim no longer holds.';

-- The same now.
create or replace function monitoring_internal.ack_heartbeat(
    p_instance_id uuid, p_heartbeat_id uuid, p_fence bigint, p_status integer, p_error text)
returns boolean
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.ack_heartbeat_at(
        p_instance_id, p_heartbeat_id, p_fence, p_status, p_error, clock_timestamp());
$$;

comment on function monitoring_internal.ack_heartbeat(uuid, uuid, bigint, integer, text) is
    'Takes a service''s report on a heartbeat: status null where there was no answer; null when its claim is over.';
