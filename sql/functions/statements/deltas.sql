-- statements/deltas.sql: what each statement did between two snapshots of pg_stat_statements.
-- Owns pair_statements, interval_stddev, statement_deltas, rank_statements, keep_statements. Writes nothing.
-- Concurrency: the caller has locked the source's row, so that its counters are those of its last snapshot.

-- The entries of a snapshot with new calls, each with its counters of the last one if it has gone on counting since; an
-- entry that began anew has none, and one that cannot be told to be new, nor to have gone on, is left out.
create or replace function monitoring_internal.pair_statements(
    p_source monitoring.statement_sources, p_summary jsonb, p_snapshot monitoring_internal.statements_row[])
returns table (present monitoring_internal.statements_row, past monitoring_internal.statement_counters)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
-- No plan knows how many entries an array has: thousands, not ten.
set enable_nestloop = off
set jit = off
as $$
    select entry, case when known.has_gone_on then past end
    from unnest(p_snapshot) as entry
    left join monitoring_internal.statement_counters as past
        on past.target_database_id = p_source.target_database_id and past.queryid = entry.queryid
            and past.userid = entry.userid and past.dbid = entry.dbid and past.is_toplevel = entry.is_toplevel
    cross join lateral (
        select
            past.queryid is not null
            and p_source.stats_reset_at is not distinct from (p_summary ->> 'stats_reset_at')::timestamptz
            and (entry.stats_since_at = past.stats_since_at) is not false
            and entry.calls >= past.calls
            and entry.total_exec_time >= past.total_exec_time
            and entry.rows_processed >= past.rows_processed
            and entry.shared_blks_hit >= past.shared_blks_hit
            and entry.shared_blks_read >= past.shared_blks_read
            and entry.wal_bytes >= past.wal_bytes
            -- As many calls that took another time are other calls.
            and (entry.calls > past.calls or entry.total_exec_time = past.total_exec_time)
            -- Where no entry says since when it counts, nor are extremes ever reset: they only widen.
            and (entry.stats_since_at is not null or entry.max_exec_time >= past.max_exec_time
                and entry.min_exec_time <= past.min_exec_time) is not false as has_gone_on
    ) as known
    where entry.summary is null
        and case
            when known.has_gone_on then entry.calls > past.calls
            when entry.stats_since_at is not null then entry.stats_since_at >= p_source.captured_at
            else p_source.is_complete
        end;
$$;

comment on function monitoring_internal.pair_statements(
    monitoring.statement_sources, jsonb, monitoring_internal.statements_row[]) is
    'Entries of a snapshot with new calls beside their counters of the last one, null for those that began anew.';

-- Standard deviation of the calls between two snapshots, from number, total and deviation of all calls at each.
-- Sums of squared deviations add up, but for the distance of the means. Clamped to what such a mean allows.
create or replace function monitoring_internal.interval_stddev(
    p_past_calls bigint, p_past_total double precision, p_past_stddev double precision,
    p_calls bigint, p_total double precision, p_stddev double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select least(
        sqrt(greatest(
            p_calls * p_stddev ^ 2
                - coalesce(p_past_calls * p_past_stddev ^ 2, 0)
                - coalesce(
                    (past.calls * (p_past_total / past.calls - fresh.total / fresh.calls) ^ 2)
                        * (fresh.calls / p_calls), 0),
            0) / fresh.calls),
        fresh.total / fresh.calls * sqrt(fresh.calls - 1))
    from (select
        nullif(p_calls - coalesce(p_past_calls, 0), 0)::double precision as calls,
        p_total - coalesce(p_past_total, 0) as total) as fresh
    cross join (select nullif(p_past_calls, 0)::double precision as calls) as past;
end;

comment on function monitoring_internal.interval_stddev(
    bigint, double precision, double precision, bigint, double precision, double precision) is
    'Standard deviation of the calls since an earlier snapshot; null when there were none.';

-- What each entry did since the last snapshot, entries without a call left out.
-- Units: milliseconds. An extreme is known where it moved, where the server kept it since, and of a single call.
create or replace function monitoring_internal.statement_deltas(
    p_source monitoring.statement_sources, p_summary jsonb, p_snapshot monitoring_internal.statements_row[],
    p_now timestamptz)
returns setof monitoring.statement_intervals
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        p_source.target_database_id, b.queryid, b.userid, b.dbid, b.is_toplevel, d.calls, d.total,
        case when d.calls = 1 then d.total
            when d.is_of_now or b.min_exec_time < a.min_exec_time then b.min_exec_time end,
        extreme.largest, d.stddev,
        b.rows_processed - coalesce(a.rows_processed, 0),
        b.shared_blks_hit - coalesce(a.shared_blks_hit, 0), b.shared_blks_read - coalesce(a.shared_blks_read, 0),
        b.shared_blks_dirtied - coalesce(a.shared_blks_dirtied, 0),
        b.shared_blks_written - coalesce(a.shared_blks_written, 0),
        b.local_blks_hit - coalesce(a.local_blks_hit, 0), b.local_blks_read - coalesce(a.local_blks_read, 0),
        b.local_blks_dirtied - coalesce(a.local_blks_dirtied, 0),
        b.local_blks_written - coalesce(a.local_blks_written, 0),
        b.temp_blks_read - coalesce(a.temp_blks_read, 0), b.temp_blks_written - coalesce(a.temp_blks_written, 0),
        case when d.has_io_timing or d.reading > 0 then d.reading end,
        case when d.has_io_timing or d.writing > 0 then d.writing end,
        case when d.has_io_timing or d.spilling > 0 then d.spilling end,
        b.plans - coalesce(a.plans, 0),
        case when b.plans > coalesce(a.plans, 0) then b.total_plan_time - coalesce(a.total_plan_time, 0) end,
        b.wal_records - coalesce(a.wal_records, 0), b.wal_fpi - coalesce(a.wal_fpi, 0),
        b.wal_bytes - coalesce(a.wal_bytes, 0), b.jit_functions - coalesce(a.jit_functions, 0),
        b.jit_time - coalesce(a.jit_time, 0), b.stats_since_at, p_source.tenant_id, p_source.collected_at, p_now,
        p_summary -> 'users' ->> b.userid::text, p_summary -> 'databases' ->> b.dbid::text,
        1::bigint, a.calls is null,
        monitoring_internal.is_lossy_snapshot(p_source, p_summary),
        coalesce(extreme.largest, least(b.max_exec_time, d.total / d.calls + d.stddev * sqrt(d.calls - 1))),
        null::double precision, null::text, false, null::text, '[]'::jsonb
    from monitoring_internal.pair_statements(p_source, p_summary, p_snapshot) as pair
    cross join lateral (select (pair.present).*) as b
    cross join lateral (select (pair.past).*) as a
    cross join lateral (
        select
            b.calls - coalesce(a.calls, 0) as calls, b.total_exec_time - coalesce(a.total_exec_time, 0) as total,
            b.blk_read_time - coalesce(a.blk_read_time, 0) as reading,
            b.blk_write_time - coalesce(a.blk_write_time, 0) as writing,
            b.temp_blk_time - coalesce(a.temp_blk_time, 0) as spilling,
            (p_summary ->> 'has_io_timing')::boolean as has_io_timing,
            a.calls is null or b.minmax_since_at >= p_source.captured_at as is_of_now,
            monitoring_internal.interval_stddev(a.calls, a.total_exec_time, a.stddev_exec_time,
                b.calls, b.total_exec_time, b.stddev_exec_time) as stddev
    ) as d
    cross join lateral (
        select case when d.calls = 1 then d.total
            when d.is_of_now or b.max_exec_time > a.max_exec_time then b.max_exec_time end as largest
    ) as extreme
    where d.calls > 0;
$$;

comment on function monitoring_internal.statement_deltas(
    monitoring.statement_sources, jsonb, monitoring_internal.statements_row[], timestamptz) is
    'What each entry of a snapshot did since the snapshot before, as rows of statement_intervals not yet judged.';

-- Which rows of an interval are kept: the first p_top by each criterion.
create or replace function monitoring_internal.rank_statements(
    p_deltas monitoring.statement_intervals[], p_top bigint)
returns table (delta monitoring.statement_intervals, is_kept boolean)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    -- A criterion of which a statement has nothing ranks it nowhere; the key makes ties the same every time.
    select
        one.delta,
        coalesce(least(
            case when d.total_exec_time > 0 then row_number() over (order by d.total_exec_time desc, one.key) end,
            case when d.total_exec_time > 0
                then row_number() over (order by d.total_exec_time / d.calls desc, one.key) end,
            row_number() over (order by d.calls desc, one.key),
            case when d.rows_processed > 0 then row_number() over (order by d.rows_processed desc, one.key) end,
            case when d.shared_blks_read > 0 then row_number() over (order by d.shared_blks_read desc, one.key) end,
            case when d.temp_blks_written > 0 then row_number() over (order by d.temp_blks_written desc, one.key) end,
            case when d.wal_bytes > 0 then row_number() over (order by d.wal_bytes desc, one.key) end
        ) <= p_top, false)
    from (select delta, row_number() over () as key from unnest(p_deltas) as delta) as one
    cross join lateral (select (one.delta).*) as d;
$$;

comment on function monitoring_internal.rank_statements(monitoring.statement_intervals[], bigint) is
    'Rows of an interval, each with whether it is among the first by some criterion.';

-- The rows of an interval to store: those that are kept, and one row with queryid 0 that adds up all others.
create or replace function monitoring_internal.keep_statements(
    p_deltas monitoring.statement_intervals[], p_top bigint)
returns setof monitoring.statement_intervals
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with ranked as materialized (
        select * from monitoring_internal.rank_statements(p_deltas, p_top)
    )
    select (ranked.delta).*
    from ranked
    where ranked.is_kept
    union all
    select
        min(d.target_database_id), 0, 0, 0, true, sum(d.calls)::bigint, sum(d.total_exec_time), null, null, null,
        sum(d.rows_processed)::bigint,
        sum(d.shared_blks_hit)::bigint, sum(d.shared_blks_read)::bigint, sum(d.shared_blks_dirtied)::bigint,
        sum(d.shared_blks_written)::bigint,
        sum(d.local_blks_hit)::bigint, sum(d.local_blks_read)::bigint, sum(d.local_blks_dirtied)::bigint,
        sum(d.local_blks_written)::bigint,
        sum(d.temp_blks_read)::bigint, sum(d.temp_blks_written)::bigint,
        sum(d.blk_read_time), sum(d.blk_write_time), sum(d.temp_blk_time),
        sum(d.plans)::bigint, sum(d.total_plan_time),
        sum(d.wal_records)::bigint, sum(d.wal_fpi)::bigint, sum(d.wal_bytes)::bigint,
        sum(d.jit_functions)::bigint, sum(d.jit_time), null,
        (min(d.tenant_id::text))::uuid, min(d.started_at), min(d.collected_at), null, null,
        sum(d.entries)::bigint, false, bool_or(d.is_lossy), max(d.max_exec_time_bound),
        null, null, false, null, '[]'
    from ranked
    cross join lateral (select (ranked.delta).*) as d
    where not ranked.is_kept
    having count(*) > 0;
$$;

comment on function monitoring_internal.keep_statements(monitoring.statement_intervals[], bigint) is
    'The most noticeable rows of an interval, and the sum of all others as the row with queryid 0.';
