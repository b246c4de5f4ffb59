-- 0006: collectors as data, when each is due, what each run did, and where measurements are missing.

create table monitoring.collectors (
    collector_id integer generated always as identity,
    name text not null,
    description text not null,
    category text not null,
    scope text not null,
    tier text not null,
    every interval not null,
    custom_every interval,
    stale_after interval not null,
    row_cap integer not null,
    is_enabled boolean not null default true,
    source text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint collectors_pkey primary key (collector_id),
    constraint collectors_name_key unique (name),
    constraint collectors_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    constraint collectors_scope_check check (scope in ('instance', 'database')),
    constraint collectors_tier_check check (tier in ('fast', 'normal', 'slow')),
    constraint collectors_every_check check (every >= interval '1 second'),
    constraint collectors_custom_every_check check (custom_every between interval '1 second' and interval '1 year'),
    constraint collectors_stale_after_check check (stale_after >= interval '1 second'),
    constraint collectors_row_cap_check check (row_cap between 1 and 100000)
);

comment on table monitoring.collectors is
    'Registry of collectors: one row a file of sql/collectors. Changed by monitoring.set_collector().';
comment on column monitoring.collectors.collector_id is 'Key.';
comment on column monitoring.collectors.name is 'Name of the collector and of its file.';
comment on column monitoring.collectors.description is 'What it measures: first comment line of the file.';
comment on column monitoring.collectors.category is 'Category of its metric families.';
comment on column monitoring.collectors.scope is 'instance: once a server; database: once a database of it.';
comment on column monitoring.collectors.tier is
    'fast, normal or slow: its statement_timeout, by the settings collect.fast_timeout and so on.';
comment on column monitoring.collectors.every is 'Interval between two runs, as the file says.';
comment on column monitoring.collectors.custom_every is 'Interval chosen for this installation instead; null for none.';
comment on column monitoring.collectors.stale_after is 'Age from which its newest samples no longer count as current.';
comment on column monitoring.collectors.row_cap is
    'Rows a query of it may give, besides one that folds the rest; what is beyond is counted as folded.';
comment on column monitoring.collectors.is_enabled is 'False: it never runs.';
comment on column monitoring.collectors.source is 'The file, as loaded.';
comment on column monitoring.collectors.created_at is 'When it was first loaded.';
comment on column monitoring.collectors.updated_at is 'When this row changed last.';

create table monitoring.collector_needs (
    collector_id integer not null,
    kind text not null,
    name text not null,
    value text not null default '',
    constraint collector_needs_pkey primary key (collector_id, kind, name),
    constraint collector_needs_collector_id_fkey
        foreign key (collector_id) references monitoring.collectors (collector_id) on delete cascade,
    constraint collector_needs_kind_check check (kind in ('role', 'setting', 'extension'))
);

comment on table monitoring.collector_needs is
    'What a collector needs of the server. Without it the collector is unavailable, with the statement that mends it.';
comment on column monitoring.collector_needs.collector_id is 'The collector.';
comment on column monitoring.collector_needs.kind is
    'role: monitoring_owner has its rights; setting: has this value; extension: is installed.';
comment on column monitoring.collector_needs.name is 'Name of the role, setting or extension.';
comment on column monitoring.collector_needs.value is
    'Value of the setting; least version of the extension, empty for any.';

create table monitoring.collector_queries (
    collector_id integer not null,
    query text not null,
    "position" integer not null,
    server_role text not null,
    constraint collector_queries_pkey primary key (collector_id, query),
    constraint collector_queries_collector_id_fkey
        foreign key (collector_id) references monitoring.collectors (collector_id) on delete cascade,
    constraint collector_queries_server_role_check check (server_role in ('any', 'primary', 'standby'))
);

comment on table monitoring.collector_queries is
    'The queries of a collector, run in order within one run; each gives rows of one shape.';
comment on column monitoring.collector_queries.collector_id is 'The collector.';
comment on column monitoring.collector_queries.query is 'Name of the query.';
comment on column monitoring.collector_queries."position" is 'Order in the file, from 1.';
comment on column monitoring.collector_queries.server_role is 'Where it runs: any, primary or standby.';

create table monitoring.collector_columns (
    collector_id integer not null,
    query text not null,
    column_name text not null,
    "position" integer not null,
    usage text not null,
    name text not null,
    kind text,
    unit text,
    help text,
    constraint collector_columns_pkey primary key (collector_id, query, column_name),
    constraint collector_columns_collector_id_query_fkey foreign key (collector_id, query)
        references monitoring.collector_queries (collector_id, query) on delete cascade,
    constraint collector_columns_usage_check check (usage in ('label', 'metric', 'folded', 'excluded', 'gap')),
    constraint collector_columns_kind_check check ((usage = 'metric') = (kind is not null))
);
create index collector_columns_name_idx on monitoring.collector_columns (name) where usage = 'metric';

comment on table monitoring.collector_columns is
    'What the columns of a collector''s query are: labels, metrics, or counts for the run log.';
comment on column monitoring.collector_columns.collector_id is 'The collector.';
comment on column monitoring.collector_columns.query is 'The query.';
comment on column monitoring.collector_columns.column_name is 'Column of the query''s result.';
comment on column monitoring.collector_columns."position" is 'Line in the file.';
comment on column monitoring.collector_columns.usage is
    'label; metric; folded and excluded: counts for the run log; gap: a text that says why the row has no values.';
comment on column monitoring.collector_columns.name is 'Name of the label or of the metric family.';
comment on column monitoring.collector_columns.kind is 'counter or gauge; null unless it is a metric.';
comment on column monitoring.collector_columns.unit is 'Unit of the metric.';
comment on column monitoring.collector_columns.help is 'What the metric says.';

create table monitoring.collector_variants (
    collector_id integer not null,
    query text not null,
    "position" integer not null,
    version_from integer not null,
    version_to integer,
    body text not null,
    constraint collector_variants_pkey primary key (collector_id, query, "position"),
    constraint collector_variants_collector_id_query_fkey foreign key (collector_id, query)
        references monitoring.collector_queries (collector_id, query) on delete cascade,
    constraint collector_variants_version_to_check check (version_to >= version_from)
);

comment on table monitoring.collector_variants is 'The SELECTs of a query by server version; the newest accepted runs.';
comment on column monitoring.collector_variants.collector_id is 'The collector.';
comment on column monitoring.collector_variants.query is 'The query.';
comment on column monitoring.collector_variants."position" is 'Line in the file.';
comment on column monitoring.collector_variants.version_from is 'Lowest major version it is written for.';
comment on column monitoring.collector_variants.version_to is 'Highest; null for all later ones.';
comment on column monitoring.collector_variants.body is
    'The SELECT. :cap is the row cap, :"name" an extension''s schema; a line ending in --! 16- is for those versions.';

create table monitoring_internal.collector_statements (
    collector_id integer not null,
    query text not null,
    fingerprint text not null,
    statement text,
    sqlstate text,
    reason text,
    constraint collector_statements_pkey primary key (collector_id, query),
    constraint collector_statements_collector_id_query_fkey foreign key (collector_id, query)
        references monitoring.collector_queries (collector_id, query) on delete cascade
);

comment on table monitoring_internal.collector_statements is
    'The statement a query runs on this server, kept until its version, an extension or the collector changes.';
comment on column monitoring_internal.collector_statements.collector_id is 'The collector.';
comment on column monitoring_internal.collector_statements.query is 'The query.';
comment on column monitoring_internal.collector_statements.fingerprint is
    'Server version and extension versions it was found for.';
comment on column monitoring_internal.collector_statements.statement is
    'What runs: the variant wrapped so that it gives arrays of samples. Null when no variant is accepted.';
comment on column monitoring_internal.collector_statements.sqlstate is 'Why none was: SQLSTATE of the newest.';
comment on column monitoring_internal.collector_statements.reason is 'Why none was: message of the newest.';

create sequence monitoring_internal.collection_fence;

create table monitoring.collector_states (
    collector_id integer not null,
    next_due_at timestamptz not null default '-infinity',
    claimed_at timestamptz,
    lease_expires_at timestamptz,
    lease_instance_id uuid,
    fence bigint,
    consecutive_failures integer not null default 0,
    is_breaker_open boolean not null default false,
    last_ok_at timestamptz,
    constraint collector_states_pkey primary key (collector_id),
    constraint collector_states_collector_id_fkey
        foreign key (collector_id) references monitoring.collectors (collector_id) on delete cascade
) with (fillfactor = 50);

comment on table monitoring.collector_states is
    'One row a collector: when it is due and who runs it now. Shown by collector_status.';
comment on column monitoring.collector_states.collector_id is 'The collector.';
comment on column monitoring.collector_states.next_due_at is 'When it is due next; -infinity: at once.';
comment on column monitoring.collector_states.claimed_at is 'When the run now going on was claimed.';
comment on column monitoring.collector_states.lease_expires_at is
    'Until when that claim holds; after it another instance may claim. Null: nobody runs it.';
comment on column monitoring.collector_states.lease_instance_id is 'Which service instance claimed it.';
comment on column monitoring.collector_states.fence is 'Number of that claim; a run with another stores nothing.';
comment on column monitoring.collector_states.consecutive_failures is 'Failed runs since the last good one.';
comment on column monitoring.collector_states.is_breaker_open is 'True: it backs off, having failed too often.';
comment on column monitoring.collector_states.last_ok_at is 'When it last ended well.';

create table monitoring.collector_runs (
    collector_run_id bigint generated always as identity,
    collector_id integer not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    duration_seconds double precision not null,
    status text not null,
    reason text,
    remedy text,
    sqlstate text,
    rows_read bigint not null default 0,
    samples bigint not null default 0,
    rejected bigint not null default 0,
    folded bigint not null default 0,
    excluded bigint not null default 0,
    gaps bigint not null default 0,
    instance_id uuid,
    constraint collector_runs_pkey primary key (collector_run_id, started_at),
    constraint collector_runs_status_check check (status in ('ok', 'skipped', 'unavailable', 'failed', 'timed_out'))
) partition by range (started_at);
create index collector_runs_collector_id_started_at_idx
    on monitoring.collector_runs (collector_id, started_at);

create table monitoring_partitions.collector_runs_default partition of monitoring.collector_runs default;

comment on table monitoring.collector_runs is 'Run log of the collectors: one row a run, written when it ends.';
comment on column monitoring.collector_runs.collector_run_id is 'Key, with started_at.';
comment on column monitoring.collector_runs.collector_id is 'The collector.';
comment on column monitoring.collector_runs.started_at is 'When it began; the time of its samples.';
comment on column monitoring.collector_runs.finished_at is 'When it ended.';
comment on column monitoring.collector_runs.duration_seconds is 'How long it took, by the database''s clock.';
comment on column monitoring.collector_runs.status is
    'ok; skipped: not tried or a lock was not to be had; unavailable: the server lacks what it needs; failed; '
    'timed_out: cut at its tier''s limit.';
comment on column monitoring.collector_runs.reason is 'Why it was not ok.';
comment on column monitoring.collector_runs.remedy is 'The statement that mends it, where one does.';
comment on column monitoring.collector_runs.sqlstate is 'SQLSTATE of the failure.';
comment on column monitoring.collector_runs.rows_read is 'Rows its queries gave.';
comment on column monitoring.collector_runs.samples is 'Samples stored.';
comment on column monitoring.collector_runs.rejected is 'Samples refused by the store.';
comment on column monitoring.collector_runs.folded is 'Things folded into another row by the cap.';
comment on column monitoring.collector_runs.excluded is 'Things left out on purpose, such as own sessions.';
comment on column monitoring.collector_runs.gaps is 'Rows that could not be measured; each is in collector_gaps.';
comment on column monitoring.collector_runs.instance_id is 'The service instance that ran it; null: a caller in SQL.';

create table monitoring.collector_gaps (
    collector_gap_id bigint generated always as identity,
    collector_id integer not null,
    labels jsonb not null default '{}',
    started_at timestamptz not null,
    ended_at timestamptz,
    status text not null,
    reason text not null,
    sqlstate text,
    missed bigint not null default 1,
    constraint collector_gaps_pkey primary key (collector_gap_id, started_at),
    constraint collector_gaps_missed_check check (missed > 0)
) partition by range (started_at);
create index collector_gaps_collector_id_open_idx
    on monitoring.collector_gaps (collector_id) where ended_at is null;

create table monitoring_partitions.collector_gaps_default partition of monitoring.collector_gaps default;

comment on table monitoring.collector_gaps is
    'Times without measurements, each with its reason: of a whole collector, or of what the labels name.';
comment on column monitoring.collector_gaps.collector_gap_id is 'Key, with started_at.';
comment on column monitoring.collector_gaps.collector_id is 'The collector.';
comment on column monitoring.collector_gaps.labels is 'What was not measured; {} for all of the collector.';
comment on column monitoring.collector_gaps.started_at is 'First run, or time it was due, that gave nothing.';
comment on column monitoring.collector_gaps.ended_at is 'When measuring went on; null: not yet.';
comment on column monitoring.collector_gaps.status is 'Status of the runs, as in collector_runs.';
comment on column monitoring.collector_gaps.reason is 'Why there is nothing.';
comment on column monitoring.collector_gaps.sqlstate is 'SQLSTATE of the first failure.';
comment on column monitoring.collector_gaps.missed is 'How many runs it spans.';

create type monitoring_internal.collection_outcome as (
    status text, reason text, remedy text, sqlstate text, rows_read bigint, samples bigint, rejected bigint,
    folded bigint, excluded bigint, gaps jsonb
);

comment on type monitoring_internal.collection_outcome is 'End of a run; gaps: [{"labels": …, "reason": …}].';

create type monitoring_internal.claimed_collection as (
    collector_id integer, name text, fence bigint, statement_timeout_ms bigint, lock_timeout_ms bigint
);

comment on type monitoring_internal.claimed_collection is
    'A collector leased to an instance, with the limits to set before it runs.';
insert into monitoring.partition_policies (table_name, partition_interval, premake, retention) values
    ('monitoring.collector_runs', '1 day', 3, '14 days'),
    ('monitoring.collector_gaps', '1 month', 1, '400 days');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('collect.lock_timeout', '100ms', '100ms', 'interval', '1ms', '1min',
        'How long a collector waits for a lock before it gives up; what wants that lock next queues behind it.'),
    ('collect.fast_timeout', '1s', '1s', 'interval', '10ms', '1h', 'Time limit of a collector of tier fast.'),
    ('collect.normal_timeout', '5s', '5s', 'interval', '10ms', '1h', 'Time limit of a collector of tier normal.'),
    ('collect.slow_timeout', '30s', '30s', 'interval', '10ms', '1h', 'Time limit of a collector of tier slow.'),
    ('collect.lease_grace', '10s', '10s', 'interval', '1s', '1h',
        'How long beyond its time limit a claimed collector is left to its instance before another may claim it.'),
    ('collect.breaker_failures', '3', '3', 'integer', '1', '1000',
        'After how many failures in a row a collector backs off, doubling its interval with each further one.'),
    ('collect.breaker_limit', '15min', '15min', 'interval', '1s', '1day',
        'Longest interval that backing off leads to, unless the collector''s own is longer.');

insert into monitoring.metric_families (name, kind, unit, category, description, stale_after) values
    ('pg_scrape_collector_duration_seconds', 'gauge', 'seconds', 'collection', 'Length of its last run.', '15 min'),
    ('pg_scrape_collector_success', 'gauge', 'boolean', 'collection', 'Whether its last run went well.', '15 min');
