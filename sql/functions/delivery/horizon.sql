-- delivery/horizon.sql: who keeps the table of the queue from being cleaned, and whether services are at work.
-- Owns live_services, delivery_horizon(_at). Writes nothing.
-- Concurrency: reads only.

-- Services that reported within a minute and are not about to stop.
create or replace function monitoring_internal.live_services()
returns bigint
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select count(*)
    from monitoring.service_instances as instance
    where instance.seen_at > clock_timestamp() - interval '1 minute' and not instance.is_draining;
$$;

comment on function monitoring_internal.live_services() is
    'How many services reported within the last minute and are not about to stop.';

-- Who holds back vacuum of monitoring.deliveries, where that matters: it has p_dead_rows dead rows, as many as live
-- ones, and the oldest snapshot it must respect is older than p_age. Those in other databases do not hold it back.
create or replace function monitoring_internal.delivery_horizon_at(
    p_dead_rows bigint, p_age interval, p_now timestamptz)
returns table (holder text, since_at timestamptz, xids integer, dead_rows bigint, remedy text)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select held.holder, held.since_at, held.xids, queue.dead_rows, held.remedy
    from (
        select pg_stat_get_dead_tuples(entry.oid) as dead_rows, pg_stat_get_live_tuples(entry.oid) as live_rows
        from pg_class as entry
        where entry.oid = to_regclass('monitoring.deliveries')
    ) as queue
    cross join lateral (
        select format('session %s of %s (%s, %s)', session.pid, coalesce(session.usename, 'the server'),
                coalesce(nullif(session.application_name, ''), 'no name'),
                coalesce(session.state, session.backend_type)) as holder,
            session.xact_start as since_at, greatest(age(session.backend_xmin), age(session.backend_xid)) as xids,
            format('select pg_terminate_backend(%s);', session.pid) as remedy
        from pg_stat_activity as session
        where session.pid <> pg_backend_pid() and session.datname = current_database()
            and coalesce(session.backend_xmin, session.backend_xid) is not null
            and session.backend_type not in ('autovacuum worker', 'walsender')
        union all
        select format('prepared transaction %L of %s', prepared.gid, prepared.owner), prepared.prepared,
            age(prepared.transaction), format('rollback prepared %L;', prepared.gid)
        from pg_prepared_xacts as prepared
        where prepared.database = current_database()
        union all
        select format('replication slot %I', slot.slot_name), null, age(slot.xmin),
            'end the long query on its standby, or drop the slot that nobody uses: pgvigil doctor has the statement'
        from pg_replication_slots as slot
        where slot.xmin is not null
        union all
        select format('standby %s', coalesce(nullif(standby.application_name, ''), standby.pid::text)), null,
            age(standby.backend_xmin), 'end the long query on that standby'
        from pg_stat_replication as standby
        where standby.backend_xmin is not null
    ) as held
    where queue.dead_rows >= p_dead_rows and queue.dead_rows >= queue.live_rows
        and (held.since_at <= p_now - p_age or held.since_at is null and held.xids >= 100000)
    order by held.xids desc
    limit 1;
$$;

comment on function monitoring_internal.delivery_horizon_at(bigint, interval, timestamptz) is
    'Who keeps so many dead rows of monitoring.deliveries from being removed, if anybody does, as of a time.';

-- The same now, for those who operate the installation: 10,000 dead rows, a transaction of five minutes.
create or replace function monitoring_internal.delivery_horizon()
returns table (holder text, since_at timestamptz, xids integer, dead_rows bigint, remedy text)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
    select found.*
    from monitoring_internal.delivery_horizon_at(10000, '5 minutes', clock_timestamp()) as found
    where monitoring_internal.sees_all_tenants(monitoring_internal.caller_role());
$$;

comment on function monitoring_internal.delivery_horizon() is
    'Who keeps vacuum from cleaning the table of the delivery queue; operators see it.';
