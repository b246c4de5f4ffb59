-- 0010: statement statistics: the last snapshot's counters, a dictionary of texts, and what each interval did.

create table monitoring.statement_sources (
    target_database_id integer not null,
    tenant_id uuid not null,
    collected_at timestamptz not null,
    captured_at timestamptz not null,
    server_started_at timestamptz,
    identity text not null,
    stats_reset_at timestamptz,
    dealloc bigint,
    entries bigint not null,
    max_entries bigint,
    hidden bigint not null,
    is_complete boolean not null,
    intervals bigint not null default 0,
    lossy_intervals bigint not null default 0,
    first_sights bigint not null default 1,
    texts_read_at timestamptz,
    constraint statement_sources_pkey primary key (target_database_id)
);

comment on table monitoring.statement_sources is
    'One row a server whose statement statistics are read: its newest snapshot, and what became of the earlier ones.';
comment on column monitoring.statement_sources.target_database_id is 'The database it is read through.';
comment on column monitoring.statement_sources.tenant_id is 'Whose it is.';
comment on column monitoring.statement_sources.collected_at is 'When the newest snapshot was taken, by this clock.';
comment on column monitoring.statement_sources.captured_at is 'The same by that server''s clock.';
comment on column monitoring.statement_sources.server_started_at is 'When that server had started.';
comment on column monitoring.statement_sources.identity is
    'Major version of the server and version of the extension. When it changes, no interval is made.';
comment on column monitoring.statement_sources.stats_reset_at is 'When all its statistics were reset last.';
comment on column monitoring.statement_sources.dealloc is
    'How often it threw out its least executed entries for want of room; null: it does not say.';
comment on column monitoring.statement_sources.entries is 'Entries there were.';
comment on column monitoring.statement_sources.max_entries is 'Entries there is room for: pg_stat_statements.max.';
comment on column monitoring.statement_sources.hidden is 'Entries without a queryid, which are left out.';
comment on column monitoring.statement_sources.is_complete is 'False: the collector''s cap cut the snapshot.';
comment on column monitoring.statement_sources.intervals is 'Intervals made so far.';
comment on column monitoring.statement_sources.lossy_intervals is
    'Those in which entries were thrown out, so that some work is counted in no row.';
comment on column monitoring.statement_sources.first_sights is
    'Snapshots with none before that they could be compared with.';
comment on column monitoring.statement_sources.texts_read_at is 'When its texts were read last.';

create table monitoring_internal.statement_counters (
    target_database_id integer not null,
    queryid bigint not null,
    userid oid not null,
    dbid oid not null,
    is_toplevel boolean not null,
    calls bigint not null,
    total_exec_time double precision not null,
    min_exec_time double precision,
    max_exec_time double precision,
    stddev_exec_time double precision,
    rows_processed bigint,
    shared_blks_hit bigint,
    shared_blks_read bigint,
    shared_blks_dirtied bigint,
    shared_blks_written bigint,
    local_blks_hit bigint,
    local_blks_read bigint,
    local_blks_dirtied bigint,
    local_blks_written bigint,
    temp_blks_read bigint,
    temp_blks_written bigint,
    blk_read_time double precision,
    blk_write_time double precision,
    temp_blk_time double precision,
    plans bigint,
    total_plan_time double precision,
    wal_records bigint,
    wal_fpi bigint,
    wal_bytes bigint,
    jit_functions bigint,
    jit_time double precision,
    stats_since_at timestamptz,
    constraint statement_counters_pkey primary key (target_database_id, queryid, userid, dbid, is_toplevel)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1);

comment on table monitoring_internal.statement_counters is
    'Counters of every entry of each server''s pg_stat_statements as its last snapshot had them.';
comment on column monitoring_internal.statement_counters.target_database_id is
    'The server, by the database it is read through.';
comment on column monitoring_internal.statement_counters.queryid is 'The server''s identifier of the statement.';
comment on column monitoring_internal.statement_counters.userid is 'Oid of the role that ran it.';
comment on column monitoring_internal.statement_counters.dbid is 'Oid of the database it ran in.';
comment on column monitoring_internal.statement_counters.is_toplevel is
    'Whether clients sent it; false: a function did.';
comment on column monitoring_internal.statement_counters.calls is 'How often it ended.';
comment on column monitoring_internal.statement_counters.total_exec_time is 'Milliseconds spent executing.';
comment on column monitoring_internal.statement_counters.min_exec_time is
    'Shortest execution in milliseconds; null: unknown.';
comment on column monitoring_internal.statement_counters.max_exec_time is
    'Longest execution in milliseconds; null: unknown.';
comment on column monitoring_internal.statement_counters.stddev_exec_time is
    'Standard deviation of executions in milliseconds.';
comment on column monitoring_internal.statement_counters.rows_processed is 'Rows returned or changed.';
comment on column monitoring_internal.statement_counters.shared_blks_hit is
    'Blocks of tables and indexes found in shared buffers.';
comment on column monitoring_internal.statement_counters.shared_blks_read is 'Such blocks read.';
comment on column monitoring_internal.statement_counters.shared_blks_dirtied is 'Such blocks changed first.';
comment on column monitoring_internal.statement_counters.shared_blks_written is
    'Such blocks written by the statement itself.';
comment on column monitoring_internal.statement_counters.local_blks_hit is
    'Blocks of temporary tables found in local buffers.';
comment on column monitoring_internal.statement_counters.local_blks_read is 'Such blocks read.';
comment on column monitoring_internal.statement_counters.local_blks_dirtied is 'Such blocks changed first.';
comment on column monitoring_internal.statement_counters.local_blks_written is 'Such blocks written.';
comment on column monitoring_internal.statement_counters.temp_blks_read is
    'Blocks of sorts and hashes read from temporary files.';
comment on column monitoring_internal.statement_counters.temp_blks_written is 'Such blocks written.';
comment on column monitoring_internal.statement_counters.blk_read_time is
    'Milliseconds spent reading blocks; null: track_io_timing is off.';
comment on column monitoring_internal.statement_counters.blk_write_time is
    'Milliseconds spent writing blocks; null: track_io_timing is off.';
comment on column monitoring_internal.statement_counters.temp_blk_time is
    'Milliseconds spent on temporary files; null: unknown.';
comment on column monitoring_internal.statement_counters.plans is
    'How often it was planned; 0 unless pg_stat_statements.track_planning is on.';
comment on column monitoring_internal.statement_counters.total_plan_time is
    'Milliseconds spent planning; null: not tracked.';
comment on column monitoring_internal.statement_counters.wal_records is 'WAL records written.';
comment on column monitoring_internal.statement_counters.wal_fpi is 'Whole pages among them.';
comment on column monitoring_internal.statement_counters.wal_bytes is 'Bytes of WAL written.';
comment on column monitoring_internal.statement_counters.jit_functions is 'Functions compiled; null: unknown.';
comment on column monitoring_internal.statement_counters.jit_time is 'Milliseconds spent compiling; null: unknown.';
comment on column monitoring_internal.statement_counters.stats_since_at is
    'Since when the server counts this entry; null: it does not say.';

create table monitoring.statements (
    target_database_id integer not null,
    queryid bigint not null,
    dbid oid not null,
    tenant_id uuid not null,
    query_hash text not null,
    normalized_query text,
    is_truncated boolean not null default false,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    text_missed_at timestamptz,
    optimized_at timestamptz,
    constraint statements_pkey primary key (target_database_id, queryid, dbid)
);
create index statements_tenant_id_idx on monitoring.statements (tenant_id);
create index statements_textless_idx on monitoring.statements (target_database_id) where normalized_query is null;

comment on table monitoring.statements is
    'Dictionary of statements: one text a statement, without literals and comments. Forgotten by tidy_statements().';
comment on column monitoring.statements.target_database_id is 'The server, by the database it is read through.';
comment on column monitoring.statements.queryid is 'The server''s identifier of the statement.';
comment on column monitoring.statements.dbid is 'Oid of the database it ran in.';
comment on column monitoring.statements.tenant_id is 'Whose it is.';
comment on column monitoring.statements.query_hash is
    'md5 of the text; while the text is unknown, md5 of "queryid" and the queryid.';
comment on column monitoring.statements.normalized_query is 'The masked text; null: not known yet, or never.';
comment on column monitoring.statements.is_truncated is 'Whether the text was longer than is kept.';
comment on column monitoring.statements.first_seen_at is 'When it first was among the statements of an interval.';
comment on column monitoring.statements.last_seen_at is 'When it last was, to the hour.';
comment on column monitoring.statements.text_missed_at is 'When its text was asked for in vain.';
comment on column monitoring.statements.optimized_at is
    'When somebody last said to have improved it: monitoring.mark_query_optimized().';

create table monitoring.statement_intervals (
    like monitoring_internal.statement_counters including comments,
    tenant_id uuid not null,
    started_at timestamptz not null,
    collected_at timestamptz not null,
    user_name text,
    database_name text,
    entries bigint not null,
    is_new boolean not null,
    is_lossy boolean not null,
    max_exec_time_bound double precision,
    exec_time_share double precision,
    performance_category text,
    is_problematic boolean not null default false,
    shape text,
    optimization_suggestions jsonb not null default '[]',
    constraint statement_intervals_pkey
        primary key (target_database_id, queryid, userid, dbid, is_toplevel, collected_at),
    constraint statement_intervals_performance_category_check
        check (performance_category in ('excellent', 'good', 'acceptable', 'poor', 'critical')),
    constraint statement_intervals_calls_check check (calls > 0)
) partition by range (collected_at);
create index statement_intervals_tenant_id_collected_at_idx
    on monitoring.statement_intervals (tenant_id, collected_at);

create table monitoring_partitions.statement_intervals_default partition of monitoring.statement_intervals default;

comment on table monitoring_partitions.statement_intervals_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';
comment on table monitoring.statement_intervals is
    'What each statement did between two snapshots: counts and times of that interval alone, times in milliseconds. '
    'The most noticeable statements have rows of their own, all others together one with queryid 0.';
comment on column monitoring.statement_intervals.tenant_id is 'Whose it is.';
comment on column monitoring.statement_intervals.started_at is 'When the interval began: the snapshot before.';
comment on column monitoring.statement_intervals.collected_at is 'When it ended: the snapshot it was made from.';
comment on column monitoring.statement_intervals.user_name is 'The role''s name then.';
comment on column monitoring.statement_intervals.database_name is 'The database''s name then.';
comment on column monitoring.statement_intervals.entries is 'Entries in this row: 1, more in the row of all others.';
comment on column monitoring.statement_intervals.is_new is
    'Whether the entry was made in the interval, anew after a reset or an eviction too.';
comment on column monitoring.statement_intervals.is_lossy is
    'Whether the server threw entries out in the interval: some work may be counted nowhere.';
comment on column monitoring.statement_intervals.max_exec_time_bound is
    'What no execution of the interval took longer than, in milliseconds.';
comment on column monitoring.statement_intervals.exec_time_share is
    'Share of the execution time of all statements of the interval, 0 to 1.';
comment on column monitoring.statement_intervals.performance_category is
    'excellent, good, acceptable, poor, critical: mean under 10, 50, 200, 1000 ms, or not; null for all others.';
comment on column monitoring.statement_intervals.is_problematic is
    'Whether the mean was above statements.problem_mean with at least statements.problem_calls calls.';
comment on column monitoring.statement_intervals.shape is
    'What its time went into: io_bound, temp_spill, wal_heavy, plan_heavy, jit_heavy, chatty, wide, '
    'erratic, nested, cpu_bound.';
comment on column monitoring.statement_intervals.optimization_suggestions is
    'What to look at, with the figures that say so: [{"code": …, "advice": …, "evidence": …}].';

create type monitoring_internal.statements_row as (
    summary jsonb, queryid bigint, userid oid, dbid oid, is_toplevel boolean, calls bigint,
    total_exec_time double precision, min_exec_time double precision, max_exec_time double precision,
    stddev_exec_time double precision, rows_processed bigint,
    shared_blks_hit bigint, shared_blks_read bigint, shared_blks_dirtied bigint, shared_blks_written bigint,
    local_blks_hit bigint, local_blks_read bigint, local_blks_dirtied bigint, local_blks_written bigint,
    temp_blks_read bigint, temp_blks_written bigint,
    blk_read_time double precision, blk_write_time double precision, temp_blk_time double precision,
    plans bigint, total_plan_time double precision, wal_records bigint, wal_fpi bigint, wal_bytes bigint,
    jit_functions bigint, jit_time double precision, stats_since_at timestamptz, minmax_since_at timestamptz
);

comment on type monitoring_internal.statements_row is
    'An entry of pg_stat_statements as collector statements gives it; one row has the summary of the whole instead.';

create type monitoring_internal.statement_texts_row as (
    queryid bigint, dbid oid, query text, is_truncated boolean
);

comment on type monitoring_internal.statement_texts_row is
    'A statement''s text as collector statement_texts gives it, its literals not yet masked.';

insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    ('monitoring.statement_intervals', '1 day', 3, 0, '35 days',
        '{"autovacuum_vacuum_insert_scale_factor": "0.2", "autovacuum_analyze_scale_factor": "0.1"}');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('statements.top', '20', '20', 'integer', '1', '10000',
        'How many statements an interval keeps by each criterion (time, mean, calls, rows, blocks read, temporary '
        'blocks, WAL); all others are added up in one row.'),
    ('statements.problem_mean', '200ms', '200ms', 'interval', '0', '1day',
        'A statement is problematic when its mean time in an interval is above this.'),
    ('statements.problem_calls', '5', '5', 'integer', '1', '1000000000',
        'And when it ran at least so often in that interval.'),
    ('statements.slow_mean', '100ms', '100ms', 'interval', '0', '1day',
        'slow_queries_dashboard shows statements whose mean time in the last hour is above this.'),
    ('statements.text_pause', '5min', '5min', 'interval', '1s', '1day',
        'Least time between two readings of statement texts, which are read when new statements lack them.'),
    ('statements.text_length', '8000', '8000', 'integer', '100', '1000000',
        'How many characters of a masked text are kept.'),
    ('statements.text_retention', '40days', '40days', 'interval', '1day', '3650days',
        'A statement that was not seen for so long is forgotten with its text.'),
    ('statements.regression_ratio', '1.5', '1.5', 'number', '1', '1000',
        'query_regressions shows queries whose mean of the last hour is at least so many times that of before,'),
    ('statements.regression_time', '5ms', '5ms', 'interval', '0', '1day', 'and longer by at least this,'),
    ('statements.regression_calls', '50', '50', 'integer', '2', '1000000000', 'with so many executions on both sides,'),
    ('statements.regression_t', '4', '4', 'number', '0', '1000', 'and a Welch''s t of at least this,'),
    ('statements.regression_share', '0.01', '0.01', 'number', '0', '1',
        'where what it takes longer is at least this share of the time of all statements.');

insert into monitoring.metric_families (name, kind, unit, category, description, stale_after, is_registered) values
    ('pg_stat_statements_entries', 'gauge', 'statements', 'statements',
        'Statements that pg_stat_statements holds.', '5 min', true),
    ('pg_stat_statements_max_entries', 'gauge', 'statements', 'statements',
        'Statements that it has room for.', '5 min', true),
    ('pg_stat_statements_dealloc_total', 'counter', 'evictions', 'statements',
        'How often it threw the least executed statements out for want of room.', '5 min', true),
    ('pg_stat_statements_reset_timestamp_seconds', 'gauge', 'seconds', 'statements',
        'When all of it was reset last, as Unix time.', '5 min', true);
