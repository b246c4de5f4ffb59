-- statements/totals.sql: the statements that are exported one by one, and counters that never fall.
-- Owns choose_exported_statements_at, count_statements_at. Writes statement_totals.
-- Concurrency: called by the holder of the source's row.

-- Which statements have series of their own from now on. One that has them keeps them as long as it comes back among
-- the first within setting statements.exported_for, so that series do not come and go with every interval.
create or replace function monitoring_internal.choose_exported_statements_at(
    p_source monitoring.statement_sources, p_deltas monitoring.statement_intervals[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_places constant bigint := monitoring_internal.setting_integer('statements.exported');
    v_first constant monitoring.statement_intervals[] := array(
        select delta from unnest(p_deltas) as delta
        where delta.queryid <> 0 and v_places > 0
        order by delta.total_exec_time desc, delta.queryid, delta.userid, delta.dbid
        limit v_places);
begin
    update monitoring.statement_totals as total
    set ranked_at = p_now
    from unnest(v_first) as first
    where total.target_database_id = p_source.target_database_id
        and total.queryid = first.queryid and total.userid = first.userid and total.dbid = first.dbid;

    delete from monitoring.statement_totals as total
    where total.target_database_id = p_source.target_database_id
        and (v_places = 0 or total.queryid <> 0)
        and (total.queryid, total.userid, total.dbid) not in (
            select kept.queryid, kept.userid, kept.dbid
            from monitoring.statement_totals as kept
            where kept.target_database_id = p_source.target_database_id and kept.queryid <> 0
                and kept.ranked_at > p_now - monitoring_internal.setting_interval('statements.exported_for')
            order by kept.ranked_at desc, kept.followed_at, kept.queryid, kept.userid, kept.dbid
            limit v_places);

    insert into monitoring.statement_totals as total
        (target_database_id, queryid, userid, dbid, tenant_id, user_name, database_name, followed_at, ranked_at)
    select p_source.target_database_id, first.queryid, first.userid, first.dbid, p_source.tenant_id,
        first.user_name, first.database_name, p_now, p_now
    from (
        select fresh.queryid, fresh.userid, fresh.dbid, min(fresh.user_name) as user_name,
            min(fresh.database_name) as database_name, sum(fresh.total_exec_time) as exec_time
        from unnest(v_first) as fresh
        where not exists (
            select 1 from monitoring.statement_totals as known
            where known.target_database_id = p_source.target_database_id and known.queryid = fresh.queryid
                and known.userid = fresh.userid and known.dbid = fresh.dbid)
        group by fresh.queryid, fresh.userid, fresh.dbid
        order by exec_time desc, fresh.queryid, fresh.userid, fresh.dbid
        limit v_places - (
            select count(*) from monitoring.statement_totals as taken
            where taken.target_database_id = p_source.target_database_id and taken.queryid <> 0)
    ) as first;
end;
$$;

comment on function monitoring_internal.choose_exported_statements_at(
    monitoring.statement_sources, monitoring.statement_intervals[], timestamptz) is
    'Chooses the statements of a server that have series of their own; those that have them keep them for a while.';

-- Add what an interval shows to the counters. A statement that is chosen now counts from the next interval on, so that
-- its first value is 0 and a rate sees every execution once: this one's is among all others.
create or replace function monitoring_internal.count_statements_at(
    p_source monitoring.statement_sources, p_deltas monitoring.statement_intervals[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
-- No plan knows how many entries an array has: thousands, not ten.
set enable_nestloop = off
set jit = off
as $$
begin
    if monitoring_internal.setting_integer('statements.exported') > 0 then
        insert into monitoring.statement_totals
            (target_database_id, queryid, userid, dbid, tenant_id, followed_at, ranked_at)
        values (p_source.target_database_id, 0, 0, 0, p_source.tenant_id, p_now, p_now)
        on conflict do nothing;
    end if;
    update monitoring.statement_totals as total
    set calls = total.calls + done.calls,
        exec_seconds = total.exec_seconds + done.exec_time / 1000,
        rows_processed = total.rows_processed + done.rows_processed,
        blk_read_seconds = total.blk_read_seconds + done.blk_read_time / 1000,
        blk_write_seconds = total.blk_write_seconds + done.blk_write_time / 1000
    from (
        select
            coalesce(known.queryid, 0) as queryid, coalesce(known.userid, 0::oid) as userid,
            coalesce(known.dbid, 0::oid) as dbid,
            sum(delta.calls)::bigint as calls, sum(delta.total_exec_time) as exec_time,
            coalesce(sum(delta.rows_processed), 0)::bigint as rows_processed,
            coalesce(sum(delta.blk_read_time), 0) as blk_read_time,
            coalesce(sum(delta.blk_write_time), 0) as blk_write_time
        from unnest(p_deltas) as delta
        left join monitoring.statement_totals as known
            on known.target_database_id = p_source.target_database_id and known.queryid = delta.queryid
                and known.userid = delta.userid and known.dbid = delta.dbid
        group by 1, 2, 3
    ) as done
    where total.target_database_id = p_source.target_database_id
        and total.queryid = done.queryid and total.userid = done.userid and total.dbid = done.dbid;
    perform monitoring_internal.choose_exported_statements_at(p_source, p_deltas, p_now);
end;
$$;

comment on function monitoring_internal.count_statements_at(
    monitoring.statement_sources, monitoring.statement_intervals[], timestamptz) is
    'Adds an interval to the counters of statement_totals, then chooses anew which statements are exported.';
