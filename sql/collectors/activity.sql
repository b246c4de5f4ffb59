-- activity.sql: sessions by state and wait, the oldest transactions, connection slots, and who holds the xmin horizon.
--! collector activity
--! every 10s
--! scope instance
--! tier fast
--! cap 500
--! stale 25s
--! needs role pg_monitor

-- Own sessions are left out, and counted: this session, those named pgvigil, and those of a login role that was made
-- a member of monitoring_service.
--! query sessions
--! label datname
--! label state
--! label usename
--! label application_name
--! label backend_type
--! label wait_event_type
--! label wait_event
--! metric sessions pg_stat_activity_count gauge sessions
--!     Sessions in this state. Application names beyond the 30 most frequent are summed up as other.
--! metric max_tx_duration pg_stat_activity_max_tx_duration gauge seconds
--!     Age of the oldest transaction of these sessions.
--! folded folded
--! version 15-
with recursive own_role as (
    select to_regrole('monitoring_service')::oid as role_id
    union
    select member.member from pg_auth_members as member inner join own_role on member.roleid = own_role.role_id
), session as materialized (
    select activity.*
    from pg_stat_activity as activity
    where activity.datname is not null
        and activity.pid <> pg_backend_pid()
        and activity.application_name !~ '^pgvigil\M'
        and not exists (select 1 from own_role where own_role.role_id = activity.usesysid)
), application as (
    select session.application_name
    from session
    group by session.application_name
    order by count(*) desc, session.application_name
    limit 30
), state as (
    select
        session.datname,
        session.state,
        session.usename,
        coalesce(application.application_name, 'other') as application_name,
        session.backend_type,
        session.wait_event_type,
        session.wait_event,
        count(*) as sessions,
        max(extract(epoch from clock_timestamp() - session.xact_start)) as max_tx_duration
    from session
    left join application on application.application_name = session.application_name
    group by 1, 2, 3, 4, 5, 6, 7
), ranked as (
    select state.*, row_number() over (order by state.sessions desc, state.datname, state.state) > :cap as is_rest
    from state
)
select
    ranked.datname::text, ranked.state, ranked.usename::text, ranked.application_name, ranked.backend_type,
    ranked.wait_event_type, ranked.wait_event, ranked.sessions, ranked.max_tx_duration, 0 as folded
from ranked
where not ranked.is_rest
union all
select null, null, null, 'other', null, null, null, sum(ranked.sessions), max(ranked.max_tx_duration), count(*)
from ranked
where ranked.is_rest
having count(*) > 0
union all
-- A state that no session of this database is in was counted as well: that is zero, not unknown.
select current_database(), empty.state, null, null, null, null, null, 0, null, 0
from unnest(array[
    'active', 'idle', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call', 'disabled'
]) as empty (state)
where not exists (select 1 from state where state.datname = current_database() and state.state = empty.state)

--! query totals
--! metric slots_used pg_connection_slots_used gauge sessions
--!     Connection slots in use, own sessions included: they take slots too.
--! metric slots_used_share pg_connection_slots_used_ratio gauge ratio
--!     Share of the connection slots for ordinary roles, those kept for others left out, that is in use.
--! metric autovacuum_share pg_autovacuum_workers_used_ratio gauge ratio
--!     Share of autovacuum_max_workers at work.
--! metric own_sessions pgvigil_excluded_sessions gauge sessions Own sessions that the other session metrics leave out.
--! metric oldest_transaction pg_long_running_transactions_oldest_timestamp_seconds gauge seconds
--!     Age of the oldest transaction.
--! metric oldest_query pg_stat_activity_oldest_query_seconds gauge seconds
--!     How long the longest statement now running has run.
--! metric oldest_idle_in_transaction pg_stat_activity_oldest_idle_in_transaction_seconds gauge seconds
--!     How long a session has sat idle in a transaction at most.
--! excluded excluded
--! version 15-
with recursive own_role as (
    select to_regrole('monitoring_service')::oid as role_id
    union
    select member.member from pg_auth_members as member inner join own_role on member.roleid = own_role.role_id
), session as (
    select
        activity.*,
        activity.pid = pg_backend_pid()
            or activity.application_name ~ '^pgvigil\M'
            or exists (select 1 from own_role where own_role.role_id = activity.usesysid) as is_own,
        activity.backend_type in ('client backend', 'parallel worker') as is_client
    from pg_stat_activity as activity
)
select
    count(*) filter (where session.backend_type = 'client backend') as slots_used,
    count(*) filter (where session.backend_type = 'client backend')::double precision / nullif(
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0), 0) as slots_used_share,
    count(*) filter (where session.backend_type = 'autovacuum worker')::double precision
        / nullif(current_setting('autovacuum_max_workers')::integer, 0) as autovacuum_share,
    count(*) filter (where session.is_own) as own_sessions,
    count(*) filter (where session.is_own) as excluded,
    max(extract(epoch from clock_timestamp() - session.xact_start))
        filter (where session.is_client and not session.is_own) as oldest_transaction,
    max(extract(epoch from clock_timestamp() - session.query_start))
        filter (where session.is_client and not session.is_own and session.state = 'active') as oldest_query,
    max(extract(epoch from clock_timestamp() - session.state_change))
        filter (where session.is_client and not session.is_own and session.state like 'idle in transaction%')
        as oldest_idle_in_transaction
from session

--! query prepared
--! label datname
--! metric transactions pg_prepared_xacts gauge transactions Prepared transactions.
--! metric oldest pg_prepared_xacts_oldest_seconds gauge seconds Age of the oldest prepared transaction.
--! version 15-
select
    prepared.database as datname,
    count(*) as transactions,
    max(extract(epoch from clock_timestamp() - prepared.prepared)) as oldest
from pg_prepared_xacts as prepared
group by prepared.database
union all
select current_database(), 0, null
where not exists (select 1 from pg_prepared_xacts as prepared where prepared.database = current_database())

--! query horizon
--! label holder
--! metric age pg_xmin_horizon_age_xids gauge transactions
--!     How many transactions ago the oldest snapshot was taken that vacuum must respect, by who holds it.
--! version 15-
select held.holder, max(age(held.xid)) as age
from (
    select 'session' as holder, horizon.xid
    from pg_stat_activity as activity
    cross join lateral unnest(array[activity.backend_xmin, activity.backend_xid]) as horizon (xid)
    where activity.backend_type <> 'walsender'
        and activity.pid <> pg_backend_pid()
        and activity.application_name !~ '^pgvigil\M'
    union all
    select 'prepared_xact', prepared.transaction from pg_prepared_xacts as prepared
    union all
    select 'slot', slot.xmin from pg_replication_slots as slot
    union all
    select 'slot_catalog', slot.catalog_xmin from pg_replication_slots as slot
    union all
    select 'standby', standby.backend_xmin from pg_stat_replication as standby
) as held
where held.xid is not null
group by held.holder
