-- statements/store.sql: take a snapshot of pg_stat_statements in.
-- Owns is_comparable_snapshot, is_lossy_snapshot, remember_counters, remember_statements_at, store_intervals_at,
-- store_statements_at, remember_source_at.
-- Writes statement_sources, statement_counters, statements, statement_intervals. The source's row is the lock.

-- Whether a snapshot goes on where the last one ended: the same server and extension, whose statistics, if they were
-- reset, were so in between. After a failover the counters are another server's.
create or replace function monitoring_internal.is_comparable_snapshot(
    p_source monitoring.statement_sources, p_summary jsonb)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select p_source.identity = p_summary ->> 'identity'
        and (
            now.server_started_at is not distinct from p_source.server_started_at
            or now.server_started_at >= p_source.captured_at)
        and (
            now.stats_reset_at is not distinct from p_source.stats_reset_at
            or now.stats_reset_at >= p_source.captured_at)
    from (select
        (p_summary ->> 'server_started_at')::timestamptz as server_started_at,
        (p_summary ->> 'stats_reset_at')::timestamptz as stats_reset_at) as now;
$$;

comment on function monitoring_internal.is_comparable_snapshot(monitoring.statement_sources, jsonb) is
    'Whether a snapshot''s counters can be compared with those of the last one.';

-- Whether entries were thrown out since the last snapshot. A reset starts their number at nothing.
create or replace function monitoring_internal.is_lossy_snapshot(
    p_source monitoring.statement_sources, p_summary jsonb)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce((p_summary ->> 'dealloc')::bigint > case
        when p_source.stats_reset_at is not distinct from (p_summary ->> 'stats_reset_at')::timestamptz
            then p_source.dealloc
        else 0
    end, false);
$$;

comment on function monitoring_internal.is_lossy_snapshot(monitoring.statement_sources, jsonb) is
    'Whether the server threw entries out between the last snapshot and this one.';

-- Keep the counters of a snapshot for the next: rows that changed are written, the others not even locked.
create or replace function monitoring_internal.remember_counters(
    p_target_database_id integer, p_snapshot monitoring_internal.statements_row[], p_is_complete boolean)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
-- No plan knows how many entries an array has: thousands, not ten.
set enable_nestloop = off
set jit = off
as $$
    delete from monitoring_internal.statement_counters as past
    where p_is_complete and past.target_database_id = p_target_database_id
        and not exists (
            select 1
            from unnest(p_snapshot) as entry
            where entry.queryid = past.queryid and entry.userid = past.userid and entry.dbid = past.dbid
                and entry.is_toplevel = past.is_toplevel);

    update monitoring_internal.statement_counters as past
    set (calls, total_exec_time, min_exec_time, max_exec_time, stddev_exec_time, rows_processed,
        shared_blks_hit, shared_blks_read, shared_blks_dirtied, shared_blks_written,
        local_blks_hit, local_blks_read, local_blks_dirtied, local_blks_written, temp_blks_read, temp_blks_written,
        blk_read_time, blk_write_time, temp_blk_time, plans, total_plan_time, wal_records, wal_fpi, wal_bytes,
        jit_functions, jit_time, stats_since_at) = (
        entry.calls, entry.total_exec_time, entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
        entry.rows_processed, entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied,
        entry.shared_blks_written, entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied,
        entry.local_blks_written, entry.temp_blks_read, entry.temp_blks_written, entry.blk_read_time,
        entry.blk_write_time, entry.temp_blk_time, entry.plans, entry.total_plan_time, entry.wal_records,
        entry.wal_fpi, entry.wal_bytes, entry.jit_functions, entry.jit_time, entry.stats_since_at)
    from unnest(p_snapshot) as entry
    where past.target_database_id = p_target_database_id and entry.queryid = past.queryid
        and entry.userid = past.userid and entry.dbid = past.dbid and entry.is_toplevel = past.is_toplevel
        and (entry.calls <> past.calls or entry.total_exec_time <> past.total_exec_time
            or entry.max_exec_time is distinct from past.max_exec_time
            or entry.stats_since_at is distinct from past.stats_since_at);

    insert into monitoring_internal.statement_counters
    select p_target_database_id, entry.queryid, entry.userid, entry.dbid, entry.is_toplevel,
        entry.calls, entry.total_exec_time, entry.min_exec_time, entry.max_exec_time, entry.stddev_exec_time,
        entry.rows_processed, entry.shared_blks_hit, entry.shared_blks_read, entry.shared_blks_dirtied,
        entry.shared_blks_written, entry.local_blks_hit, entry.local_blks_read, entry.local_blks_dirtied,
        entry.local_blks_written, entry.temp_blks_read, entry.temp_blks_written, entry.blk_read_time,
        entry.blk_write_time, entry.temp_blk_time, entry.plans, entry.total_plan_time, entry.wal_records,
        entry.wal_fpi, entry.wal_bytes, entry.jit_functions, entry.jit_time, entry.stats_since_at
    from unnest(p_snapshot) as entry
    where entry.summary is null
    on conflict do nothing;
$$;

comment on function monitoring_internal.remember_counters(
    integer, monitoring_internal.statements_row[], boolean) is
    'Brings statement_counters in line with a snapshot; what the server has forgotten goes.';

-- Enter the statements of an interval into the dictionary; their texts come later.
create or replace function monitoring_internal.remember_statements_at(
    p_target_database_id integer, p_tenant_id uuid, p_rows monitoring.statement_intervals[], p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    -- To the hour, so that most snapshots write nothing here.
    update monitoring.statements as known
    set last_seen_at = p_now
    from (select distinct seen.queryid, seen.dbid from unnest(p_rows) as seen) as seen
    where known.target_database_id = p_target_database_id
        and known.queryid = seen.queryid and known.dbid = seen.dbid
        and known.last_seen_at <= p_now - interval '1 hour';

    insert into monitoring.statements
        (target_database_id, queryid, dbid, tenant_id, query_hash, first_seen_at, last_seen_at)
    select distinct
        p_target_database_id, seen.queryid, seen.dbid, p_tenant_id, md5(format('queryid %s', seen.queryid)),
        p_now, p_now
    from unnest(p_rows) as seen
    where seen.queryid <> 0
        and not exists (
            select 1
            from monitoring.statements as known
            where known.target_database_id = p_target_database_id
                and known.queryid = seen.queryid and known.dbid = seen.dbid);
$$;

comment on function monitoring_internal.remember_statements_at(
    integer, uuid, monitoring.statement_intervals[], timestamptz) is
    'Adds the statements of an interval to the dictionary and stamps those it knows.';

-- Write what a snapshot shows beside the last one, and give back how many rows.
create or replace function monitoring_internal.store_intervals_at(
    p_source monitoring.statement_sources, p_summary jsonb, p_snapshot monitoring_internal.statements_row[],
    p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_deltas constant monitoring.statement_intervals[] := array(
        select delta from monitoring_internal.statement_deltas(p_source, p_summary, p_snapshot, p_now) as delta);
    v_total_time double precision;
    v_total_wal double precision;
    v_rows monitoring.statement_intervals[];
begin
    select sum(delta.total_exec_time), sum(delta.wal_bytes) into v_total_time, v_total_wal
    from unnest(v_deltas) as delta;
    v_rows := array(
        select monitoring_internal.judge_statement(
            kept, v_total_time, v_total_wal,
            extract(epoch from monitoring_internal.setting_interval('statements.problem_mean'))::float8 * 1000,
            monitoring_internal.setting_integer('statements.problem_calls'))
        from monitoring_internal.keep_statements(
            v_deltas, monitoring_internal.setting_integer('statements.top')) as kept);
    insert into monitoring.statement_intervals
    select kept.* from unnest(v_rows) as kept;
    perform monitoring_internal.remember_statements_at(
        p_source.target_database_id, p_source.tenant_id, v_rows, p_now);
    perform monitoring_internal.count_statements_at(p_source, v_deltas, p_now);
    return cardinality(v_rows);
end;
$$;

comment on function monitoring_internal.store_intervals_at(
    monitoring.statement_sources, jsonb, monitoring_internal.statements_row[], timestamptz) is
    'Stores what each statement did since the last snapshot, and returns how many rows that are.';

-- Take in a snapshot that collector statements read, and give back how many intervals it made.
-- A snapshot that is not newer than the last one changes nothing. Raises: PV701.
create or replace function monitoring_internal.store_statements_at(
    p_target_database_id integer, p_rows text[], p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_snapshot constant monitoring_internal.statements_row[] := p_rows::monitoring_internal.statements_row[];
    v_summary constant jsonb := (
        select entry.summary from unnest(v_snapshot) as entry where entry.summary is not null limit 1);
    v_source monitoring.statement_sources;
    v_stored bigint := 0;
    v_is_comparable boolean;
begin
    if v_summary is null then
        raise exception using
            errcode = 'PV701',
            message = format('snapshot of statements of database %s has no summary', p_target_database_id),
            hint = 'It is the first row that collector statements gives; see sql/collectors/statements.sql.';
    end if;
    select source.* into v_source
    from monitoring.statement_sources as source
    where source.target_database_id = p_target_database_id
    for update;
    if v_source.collected_at >= p_now then
        return 0;
    end if;
    v_is_comparable := coalesce(monitoring_internal.is_comparable_snapshot(v_source, v_summary), false);
    if v_is_comparable then
        v_stored := monitoring_internal.store_intervals_at(v_source, v_summary, v_snapshot, p_now);
    end if;
    perform monitoring_internal.remember_source_at(
        p_target_database_id, v_summary, cardinality(v_snapshot) - 1, v_is_comparable, p_now);
    perform monitoring_internal.remember_counters(
        p_target_database_id, v_snapshot, cardinality(v_snapshot) > (v_summary ->> 'rows')::bigint);
    perform monitoring_internal.request_texts_at(p_target_database_id, p_now);
    perform monitoring_internal.measure_statement_source_at(p_target_database_id, p_now);
    perform monitoring_internal.measure_statements_at(p_target_database_id, p_now);
    return v_stored;
end;
$$;

comment on function monitoring_internal.store_statements_at(integer, text[], timestamptz) is
    'Stores a snapshot of pg_stat_statements: intervals beside the last one, the counters for the next.';

-- Keep what a snapshot says of the whole, for the next to be compared with.
create or replace function monitoring_internal.remember_source_at(
    p_target_database_id integer, p_summary jsonb, p_rows bigint, p_is_comparable boolean, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.statement_sources as source (
        target_database_id, tenant_id, collected_at, captured_at, server_started_at, identity, stats_reset_at,
        dealloc, entries, max_entries, hidden, is_complete)
    select
        p_target_database_id, monitoring_internal.statement_tenant_id(p_target_database_id), p_now,
        now.captured_at, now.server_started_at, now.identity, now.stats_reset_at, now.dealloc, now.entries,
        now.max_entries, now.hidden, p_rows >= now.rows
    from jsonb_to_record(p_summary) as now (
        captured_at timestamptz, server_started_at timestamptz, identity text, stats_reset_at timestamptz,
        dealloc bigint, entries bigint, max_entries bigint, hidden bigint, rows bigint)
    on conflict (target_database_id) do update
    set (tenant_id, collected_at, captured_at, server_started_at, identity, stats_reset_at, dealloc, entries,
        max_entries, hidden, is_complete, intervals, lossy_intervals, first_sights) = (
        excluded.tenant_id, excluded.collected_at, excluded.captured_at, excluded.server_started_at,
        excluded.identity, excluded.stats_reset_at, excluded.dealloc, excluded.entries, excluded.max_entries,
        excluded.hidden, excluded.is_complete,
        source.intervals + p_is_comparable::integer,
        source.lossy_intervals
            + (p_is_comparable and monitoring_internal.is_lossy_snapshot(source, p_summary))::integer,
        source.first_sights + (not p_is_comparable)::integer);
$$;

comment on function monitoring_internal.remember_source_at(integer, jsonb, bigint, boolean, timestamptz) is
    'Writes the state of a server''s statistics as its newest snapshot has it.';
