-- maintenance/doctor_horizon.sql: who keeps dead rows and WAL from being removed.
-- Owns doctor_sessions_at, doctor_prepared_at, doctor_slots. Writes nothing.
-- Concurrency: reads only. Their bodies name nothing of pgvigil's: doctor_query sends them to targets.
--
-- A notice from 10 minutes or 100,000 transactions on, a warning from 1 hour or 10,000,000 on.

-- Sessions whose transaction holds back the horizon, here or on a standby that feeds back.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_sessions_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'horizon',
        case when holder.seconds >= 3600 or holder.xids >= 10000000 then 'warning' else 'notice' end,
        holder.subject, 'an old transaction keeps dead rows from being removed',
        format('%s%s, %s transactions old', holder.state,
            ', for ' || make_interval(secs => floor(holder.seconds)), holder.xids),
        holder.remedy, holder.place
    from (
        select format('session %s', session.pid) as subject,
            extract(epoch from p_now - session.xact_start) as seconds,
            greatest(age(session.backend_xmin), age(session.backend_xid)) as xids,
            format('%s of %s (%s)', coalesce(session.state, session.backend_type),
                coalesce(session.usename, 'the server'),
                coalesce(nullif(session.application_name, ''), 'no name')) as state,
            format('select pg_terminate_backend(%s);', session.pid) as remedy,
            'as superuser or member of pg_signal_backend; its transaction is rolled back' as place
        from pg_stat_activity as session
        where session.pid <> pg_backend_pid()
            and coalesce(session.backend_xmin, session.backend_xid) is not null
            and session.backend_type not in ('autovacuum worker', 'walsender')
        union all
        select format('standby %s', coalesce(nullif(standby.application_name, ''), standby.pid::text)), null,
            age(standby.backend_xmin), format('feedback from %s', coalesce(standby.client_addr::text, 'a socket')),
            'select pg_terminate_backend(pid) from pg_stat_activity where age(backend_xmin) >= 10000;',
            'the standby, as superuser; the queries that hold it back are ended'
        from pg_stat_replication as standby
    ) as holder
    where holder.seconds >= 600 or holder.xids >= 100000
$$;

comment on function monitoring_internal.doctor_sessions_at(timestamptz) is
    'Findings about transactions of sessions that hold back vacuum.';

-- Prepared transactions that nobody ends.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_prepared_at(p_now timestamptz)
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'horizon', case when p_now - prepared.prepared >= interval '1 hour' then 'warning' else 'notice' end,
        format('prepared transaction %L', prepared.gid),
        'a prepared transaction keeps its locks, and dead rows from being removed',
        format('of %s in database %I since %s, %s transactions old', prepared.owner, prepared.database,
            prepared.prepared, age(prepared.transaction)),
        format('rollback prepared %L;', prepared.gid),
        format('database %I, as %I or superuser; or commit prepared: its coordinator knows which', prepared.database,
            prepared.owner)
    from pg_prepared_xacts as prepared
    where p_now - prepared.prepared >= interval '10 minutes'
$$;

comment on function monitoring_internal.doctor_prepared_at(timestamptz) is
    'Findings about prepared transactions that are left.';

-- Replication slots that nobody uses, or whose user lags.
-- Called by: doctor_at, doctor_query.
create or replace function monitoring_internal.doctor_slots()
returns table (
    check_name text, severity text, subject text, finding text, evidence text, remedy text, remedy_place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'horizon',
        case
            when held.wal_status = 'lost' or held.xids >= 10000000 or held.bytes >= 1073741824 then 'warning'
            else 'notice'
        end,
        format('replication slot %I', held.slot_name),
        case
            when held.wal_status = 'lost' then 'the slot lost the WAL it needs and is of no use'
            when held.active then 'the user of the slot keeps dead rows from being removed'
            else 'nobody uses the slot, and it keeps WAL and dead rows from being removed'
        end,
        format('%s WAL kept, horizon %s transactions old', pg_size_pretty(held.bytes), coalesce(held.xids, 0)),
        case
            when held.active and held.slot_type = 'physical' then
                'select pg_terminate_backend(pid) from pg_stat_activity where age(backend_xmin) >= 10000;'
            when held.active then format('select pg_terminate_backend(%s);', held.active_pid)
            else format('select pg_drop_replication_slot(%L);', held.slot_name)
        end,
        case
            when held.active and held.slot_type = 'physical'
                then 'the standby, as superuser; the queries that hold it back are ended'
            when held.active then 'as superuser; its subscriber connects again, and should be made faster'
            else 'as superuser or a role with REPLICATION; its standby or subscriber, if any, must be made anew'
        end
    from (
        select slot.*, greatest(age(slot.xmin), age(slot.catalog_xmin)) as xids,
            coalesce(pg_wal_lsn_diff(wal.lsn, slot.restart_lsn), 0) as bytes
        from pg_replication_slots as slot
        cross join (
            select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn
        ) as wal
        where not slot.temporary
    ) as held
    where not held.active or held.xids >= 10000000
$$;

comment on function monitoring_internal.doctor_slots() is 'Findings about replication slots.';
