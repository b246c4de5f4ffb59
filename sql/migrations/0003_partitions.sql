-- 0003: how each partitioned table is cut, kept and dropped, and what its maintenance did.

create table monitoring.partition_policies (
    table_name text not null,
    partition_interval interval not null,
    premake integer not null default 3,
    lookback integer not null default 0,
    retention interval,
    storage_parameters jsonb not null default '{}',
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint partition_policies_pkey primary key (table_name),
    constraint partition_policies_table_name_check
        check (table_name ~ '^[a-z_][a-z0-9_]{0,47}\.[a-z_][a-z0-9_]{0,47}$'),
    constraint partition_policies_partition_interval_check check (
        partition_interval between interval '1 hour' and interval '10 years'
        and date_trunc('minute', partition_interval) = partition_interval
        -- Whole months, or a fixed length without any: the two kinds of grid there are.
        and date_trunc('month', partition_interval) in (interval '0', partition_interval)
    ),
    constraint partition_policies_premake_check check (premake between 1 and 1000),
    constraint partition_policies_lookback_check check (lookback between 0 and 1000),
    constraint partition_policies_retention_check check (retention between interval '1 hour' and interval '1000 years'),
    constraint partition_policies_storage_parameters_check check (jsonb_typeof(storage_parameters) = 'object')
);

comment on table monitoring.partition_policies is
    'One row a partitioned table: how it is cut by time, how far ahead, how long it is kept. '
    'Read by maintain_partitions().';
comment on column monitoring.partition_policies.table_name is 'The parent, with its schema: monitoring.samples.';
comment on column monitoring.partition_policies.partition_interval is
    'Span of one partition: a fixed length of an hour or more, or whole months. Its grid is that of UTC.';
comment on column monitoring.partition_policies.premake is
    'How many partitions are kept ready after the current one.';
comment on column monitoring.partition_policies.lookback is
    'How many partitions are kept ready before the current one, for rows that arrive late.';
comment on column monitoring.partition_policies.retention is
    'A partition is dropped once all of it is older than this, an hour to 1000 years; null keeps everything.';
comment on column monitoring.partition_policies.storage_parameters is
    'Storage parameters set on each partition, such as {"fillfactor": "90"}: a partitioned parent takes none.';
comment on column monitoring.partition_policies.is_active is 'False: maintenance leaves the table alone.';
comment on column monitoring.partition_policies.created_at is 'When the policy was made.';
comment on column monitoring.partition_policies.updated_at is 'When the policy changed last.';

create table monitoring.partition_holds (
    table_name text not null,
    name text not null,
    covered_until timestamptz,
    reason text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint partition_holds_pkey primary key (table_name, name),
    constraint partition_holds_table_name_fkey foreign key (table_name)
        references monitoring.partition_policies (table_name) on delete cascade on update cascade
);

comment on table monitoring.partition_holds is
    'What must be done with data before its partition may go: rolled up, archived, or kept for a person''s reason.';
comment on column monitoring.partition_holds.table_name is 'The partitioned table.';
comment on column monitoring.partition_holds.name is 'Who holds, such as rollups or archive.';
comment on column monitoring.partition_holds.covered_until is
    'Partitions that end by then are released; null releases none.';
comment on column monitoring.partition_holds.reason is 'Why, for people.';
comment on column monitoring.partition_holds.created_at is 'When the hold was set.';
comment on column monitoring.partition_holds.updated_at is 'When the hold changed last.';

create table monitoring.partition_maintenance (
    table_name text not null,
    created_total bigint not null default 0,
    dropped_total bigint not null default 0,
    moved_rows_total bigint not null default 0,
    busy_total bigint not null default 0,
    failed_total bigint not null default 0,
    last_success_at timestamptz,
    last_busy_at timestamptz,
    last_failure_at timestamptz,
    last_failure_sqlstate text,
    last_failure text,
    constraint partition_maintenance_pkey primary key (table_name),
    constraint partition_maintenance_table_name_fkey foreign key (table_name)
        references monitoring.partition_policies (table_name) on delete cascade on update cascade
);

comment on table monitoring.partition_maintenance is 'What maintain_partitions() did to each table so far.';
comment on column monitoring.partition_maintenance.table_name is 'The partitioned table.';
comment on column monitoring.partition_maintenance.created_total is 'Partitions made.';
comment on column monitoring.partition_maintenance.dropped_total is 'Partitions dropped after their retention.';
comment on column monitoring.partition_maintenance.moved_rows_total is
    'Rows moved from the default partition to a proper one.';
comment on column monitoring.partition_maintenance.busy_total is
    'Attempts put off because a lock was not to be had in time.';
comment on column monitoring.partition_maintenance.failed_total is 'Attempts that failed otherwise.';
comment on column monitoring.partition_maintenance.last_success_at is 'When a step last succeeded.';
comment on column monitoring.partition_maintenance.last_busy_at is 'When a step was last put off.';
comment on column monitoring.partition_maintenance.last_failure_at is 'When a step last failed.';
comment on column monitoring.partition_maintenance.last_failure_sqlstate is 'SQLSTATE of that failure.';
comment on column monitoring.partition_maintenance.last_failure is 'Step and message of that failure.';

create type monitoring_internal.partition_step as (
    step text,
    table_name text,
    action text,
    partition_name text,
    lower_bound timestamptz,
    upper_bound timestamptz,
    outcome text,
    retry_after interval
);

comment on type monitoring_internal.partition_step is
    'One step of partition maintenance; outcome done, busy or failed, null when nothing is left to do.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('partitions.lock_timeout', '500ms', '500ms', 'interval', '10ms', '1min',
        'How long one step of partition maintenance waits for a lock; readers and writers queue behind it meanwhile.'),
    ('partitions.attempts', '4', '4', 'integer', '1', '20',
        'How often maintain_partitions() tries a step before it leaves it to its next run.'),
    ('partitions.retry_pause', '250ms', '250ms', 'interval', '0', '1min',
        'Pause after the first attempt that found a lock taken; doubled after each further one.');
