-- locks.sql: locks held and awaited by mode, sessions that wait for others, and the longest wait.
--! collector locks
--! every 15s
--! scope instance
--! tier fast
--! cap 900
--! stale 40s
--! needs role pg_monitor

-- Every mode of every database, counted zeros too, the busiest first; the locks of this very session are left out.
--! query modes
--! label datname
--! label mode
--! metric held_or_awaited pg_locks_count gauge locks Locks held or awaited.
--! metric awaited pg_locks_waiting gauge locks Locks awaited.
--! version 15-
select
    database.datname,
    mode.mode,
    count(held.mode) as held_or_awaited,
    count(held.mode) filter (where not held.granted) as awaited
from pg_database as database
cross join unnest(array[
    'accesssharelock', 'rowsharelock', 'rowexclusivelock', 'shareupdateexclusivelock', 'sharelock',
    'sharerowexclusivelock', 'exclusivelock', 'accessexclusivelock', 'sireadlock'
]) as mode (mode)
left join pg_locks as held
    on held.database = database.oid and lower(held.mode) = mode.mode and held.pid is distinct from pg_backend_pid()
where database.datallowconn
group by database.datname, mode.mode
order by count(held.mode) desc, database.datname, mode.mode

-- pg_blocking_pids holds up the lock manager for a moment, so it is asked for waiting sessions alone.
--! query blocking
--! metric blocked pg_blocked_sessions gauge sessions Sessions that wait for a lock.
--! metric blocking pg_blocking_sessions gauge sessions
--!     Sessions that others wait for; a prepared transaction counts as one.
--! metric longest_wait pg_longest_lock_wait_seconds gauge seconds How long the longest of these waits has lasted.
--! version 15-
with waiting as materialized (
    select activity.pid
    from pg_stat_activity as activity
    where activity.wait_event_type = 'Lock'
)
select
    (select count(*) from waiting) as blocked,
    (
        select count(distinct blocker.pid)
        from waiting
        cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocker (pid)
    ) as blocking,
    (
        select max(extract(epoch from clock_timestamp() - held.waitstart))
        from pg_locks as held
        where not held.granted
    ) as longest_wait
