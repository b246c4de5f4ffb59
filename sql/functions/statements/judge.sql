-- statements/judge.sql: what to think of a statement's interval: category, problem, shape, suggestions.
-- Owns statement_category, statement_shape, statement_findings, judge_statement.
-- Writes nothing. Pure: any number of callers at once.

-- The category of a mean time. Units: milliseconds.
create or replace function monitoring_internal.statement_category(p_mean_ms double precision)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_mean_ms < 10 then 'excellent'
        when p_mean_ms < 50 then 'good'
        when p_mean_ms < 200 then 'acceptable'
        when p_mean_ms < 1000 then 'poor'
        when p_mean_ms is not null then 'critical'
    end;
end;

comment on function monitoring_internal.statement_category(double precision) is
    'excellent under 10 ms, good under 50, acceptable under 200, poor under 1000, else critical.';

-- What a statement's time went into: one label, the first that holds.
create or replace function monitoring_internal.statement_shape(
    p_row monitoring.statement_intervals, p_total_time double precision, p_total_wal double precision)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when share.io_time >= 0.5 * nullif(p_row.total_exec_time, 0) then 'io_bound'
        when p_row.temp_blks_written > 0 and share.of_time >= 0.05 then 'temp_spill'
        when p_row.wal_bytes >= 8388608 and p_row.wal_bytes >= 0.3 * p_total_wal then 'wal_heavy'
        when p_row.total_plan_time > 0 and p_row.total_plan_time >= p_row.total_exec_time then 'plan_heavy'
        when p_row.jit_time > 0 and p_row.jit_time >= 0.2 * p_row.total_exec_time then 'jit_heavy'
        when p_row.total_exec_time / p_row.calls < 1 and share.of_time >= 0.05 then 'chatty'
        when p_row.rows_processed >= 10000 * p_row.calls then 'wide'
        when p_row.stddev_exec_time > 3 * p_row.total_exec_time / p_row.calls then 'erratic'
        when not p_row.is_toplevel then 'nested'
        else 'cpu_bound'
    end
    from (select
        p_row.total_exec_time / nullif(p_total_time, 0) as of_time,
        coalesce(p_row.blk_read_time, 0) + coalesce(p_row.blk_write_time, 0) + coalesce(p_row.temp_blk_time, 0)
            as io_time) as share;
$$;

comment on function monitoring_internal.statement_shape(
    monitoring.statement_intervals, double precision, double precision) is
    'io_bound, temp_spill, wal_heavy, plan_heavy, jit_heavy, chatty, wide, erratic, nested or cpu_bound. '
    'Totals are those of all statements of the interval.';

-- What to look at in a statement, each with the figures that say so.
create or replace function monitoring_internal.statement_findings(
    p_row monitoring.statement_intervals, p_total_time double precision, p_total_wal double precision)
returns table (code text, advice text, evidence jsonb)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select finding.code, finding.advice, finding.evidence
    from (select
        p_row.calls as calls,
        p_row.total_exec_time as time,
        p_row.total_exec_time / p_row.calls as mean,
        coalesce(p_row.blk_read_time, 0) + coalesce(p_row.blk_write_time, 0) as io_time,
        p_row.shared_blks_hit::double precision / nullif(p_row.shared_blks_hit + p_row.shared_blks_read, 0) as hit_ratio
    ) as f
    cross join lateral (values
        (p_row.shared_blks_read >= 1000 * f.calls or f.io_time >= 0.5 * nullif(f.time, 0), 'heavy_disk_reads',
            'Reads much from disk: look for a scan that an index would shorten, or for rows read and thrown away.',
            jsonb_build_object('blocks_read_per_call', p_row.shared_blks_read / f.calls, 'io_ms', p_row.blk_read_time)),
        (p_row.temp_blks_written > 0, 'temp_spill',
            'Sorts or hashes spill to temporary files: give this statement more work_mem, or let it sort less.',
            jsonb_build_object('temp_blocks_written_per_call', p_row.temp_blks_written / f.calls)),
        (p_row.shared_blks_read >= 1000 and f.hit_ratio < 0.9, 'low_hit_ratio',
            'Few of its blocks are in shared buffers: it touches more than is kept there.',
            jsonb_build_object('hit_ratio', round(f.hit_ratio::numeric, 4), 'blocks_read', p_row.shared_blks_read)),
        (p_row.wal_bytes >= 8388608 and p_row.wal_bytes >= 0.3 * p_total_wal, 'wal_heavy',
            'Writes a large part of all WAL: batch its changes, and drop indexes that nothing reads.',
            jsonb_build_object('wal_bytes_per_call', p_row.wal_bytes / f.calls, 'full_pages', p_row.wal_fpi)),
        (p_row.jit_time >= 0.2 * nullif(f.time, 0), 'jit_heavy',
            'Compiling takes a large part of its time: raise jit_above_cost, or set jit = off for it.',
            jsonb_build_object('jit_ms', p_row.jit_time, 'functions', p_row.jit_functions)),
        (p_row.total_plan_time >= nullif(f.time, 0), 'plan_heavy',
            'Planning takes longer than executing: use prepared statements.',
            jsonb_build_object('plan_ms', p_row.total_plan_time, 'plans', p_row.plans)),
        (f.mean < 1 and f.time >= 0.05 * nullif(p_total_time, 0) and f.calls >= 1000, 'chatty',
            'Fast, but run very often: fetch many rows at once, or keep the answer.',
            jsonb_build_object('calls', f.calls, 'mean_ms', f.mean)),
        (p_row.rows_processed >= 10000 * f.calls, 'wide',
            'Gives or changes very many rows a call: page through them, or reduce them in the database.',
            jsonb_build_object('rows_per_call', p_row.rows_processed / f.calls)),
        (f.calls >= 5 and p_row.stddev_exec_time > 3 * f.mean, 'erratic',
            'Its time varies widely: compare plans of different parameters, and look for locks.',
            jsonb_build_object('stddev_ms', p_row.stddev_exec_time, 'mean_ms', f.mean))
    ) as finding (holds, code, advice, evidence)
    where finding.holds;
$$;

comment on function monitoring_internal.statement_findings(
    monitoring.statement_intervals, double precision, double precision) is
    'What to look at in a statement''s interval, with advice and the figures behind it.';

-- Fill in what follows from a row and from the totals of its interval. The row of all others gets its share only.
-- Units: p_problem_mean_ms milliseconds.
create or replace function monitoring_internal.judge_statement(
    p_row monitoring.statement_intervals, p_total_time double precision, p_total_wal double precision,
    p_problem_mean_ms double precision, p_problem_calls bigint)
returns monitoring.statement_intervals
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_populate_record(p_row, case
        when p_row.queryid = 0 then jsonb_build_object('exec_time_share', judged.share)
        else jsonb_build_object(
            'exec_time_share', judged.share,
            'performance_category', monitoring_internal.statement_category(judged.mean),
            'is_problematic', judged.is_problem,
            'shape', monitoring_internal.statement_shape(p_row, p_total_time, p_total_wal),
            'optimization_suggestions', case
                -- What neither takes much time nor is slow needs no advice.
                when judged.share < 0.01 and not judged.is_problem then '[]'
                else coalesce((
                    select jsonb_agg(to_jsonb(finding))
                    from monitoring_internal.statement_findings(p_row, p_total_time, p_total_wal) as finding
                ), case when judged.is_problem then jsonb_build_array(jsonb_build_object(
                    'code', 'cpu_bound',
                    'advice', 'Spends its time computing or waiting: look at its plan with explain (analyze, buffers).',
                    'evidence', jsonb_build_object('mean_ms', judged.mean, 'calls', p_row.calls))) end, '[]')
            end)
        end)
    from (select
        coalesce(p_row.total_exec_time / nullif(p_total_time, 0), 0) as share,
        p_row.total_exec_time / p_row.calls as mean,
        p_row.total_exec_time / p_row.calls > p_problem_mean_ms and p_row.calls >= p_problem_calls as is_problem
    ) as judged;
$$;

comment on function monitoring_internal.judge_statement(
    monitoring.statement_intervals, double precision, double precision, double precision, bigint) is
    'A row with its share, category, problem flag, shape and suggestions filled in.';
