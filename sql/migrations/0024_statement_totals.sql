-- 0024: counters of the statements that are exported one by one, and of all others together.

create table monitoring.statement_totals (
    target_database_id integer not null,
    queryid bigint not null,
    userid oid not null,
    dbid oid not null,
    tenant_id uuid not null,
    user_name text,
    database_name text,
    calls bigint not null default 0,
    exec_seconds double precision not null default 0,
    rows_processed bigint not null default 0,
    blk_read_seconds double precision not null default 0,
    blk_write_seconds double precision not null default 0,
    followed_at timestamptz not null,
    ranked_at timestamptz not null,
    constraint statement_totals_pkey primary key (target_database_id, queryid, userid, dbid)
);

comment on table monitoring.statement_totals is
    'Statements exported as series of their own, with what they did since they were chosen, and as queryid 0 what all '
    'others did. Counters of its own, so that none falls when the server evicts, resets or fails over.';
comment on column monitoring.statement_totals.target_database_id is 'The server, by the database it is read through.';
comment on column monitoring.statement_totals.queryid is 'The server''s identifier of the statement; 0: all others.';
comment on column monitoring.statement_totals.userid is 'Oid of the role that ran it; 0 for all others.';
comment on column monitoring.statement_totals.dbid is 'Oid of the database it ran in; 0 for all others.';
comment on column monitoring.statement_totals.tenant_id is 'Whose it is.';
comment on column monitoring.statement_totals.user_name is 'The role''s name when it was chosen.';
comment on column monitoring.statement_totals.database_name is 'The database''s name when it was chosen.';
comment on column monitoring.statement_totals.calls is 'Executions.';
comment on column monitoring.statement_totals.exec_seconds is 'Seconds spent executing.';
comment on column monitoring.statement_totals.rows_processed is 'Rows returned or changed.';
comment on column monitoring.statement_totals.blk_read_seconds is
    'Seconds spent reading blocks; 0 without track_io_timing.';
comment on column monitoring.statement_totals.blk_write_seconds is
    'Seconds spent writing blocks; 0 without track_io_timing.';
comment on column monitoring.statement_totals.followed_at is 'When it was chosen; its counters begin there.';
comment on column monitoring.statement_totals.ranked_at is
    'When it last was among the statements that took the most time of an interval.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('statements.exported', '30', '30', 'integer', '0', '1000',
        'How many statements of a server are exported as series of their own, those that take the most time; all '
        'others together are one. 0 exports none.'),
    ('statements.exported_for', '6h', '6h', 'interval', '1min', '30days',
        'A statement that was not among those for so long gives its place to another.');

insert into monitoring.metric_families (name, kind, unit, category, description, stale_after, is_registered) values
    ('pg_stat_statements_calls_total', 'counter', 'executions', 'statements',
        'Executions of a statement since it is exported.', '5 min', true),
    ('pg_stat_statements_seconds_total', 'counter', 'seconds', 'statements',
        'Time spent executing it.', '5 min', true),
    ('pg_stat_statements_rows_total', 'counter', 'rows', 'statements',
        'Rows it returned or changed.', '5 min', true),
    ('pg_stat_statements_block_read_seconds_total', 'counter', 'seconds', 'statements',
        'Time it spent reading blocks.', '5 min', true),
    ('pg_stat_statements_block_write_seconds_total', 'counter', 'seconds', 'statements',
        'Time it spent writing blocks.', '5 min', true);
