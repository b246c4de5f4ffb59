-- 0033: what left the store: archives of days, what was deleted by class and why not, backups tried, sizes, rebuilds.

alter table monitoring.retention_classes add column archive_retention interval;
alter table monitoring.retention_classes add constraint retention_classes_archive_retention_check
    check (archive_retention >= raw_retention);

comment on column monitoring.retention_classes.archive_retention is
    'Files of archived days are removed once they are so old; null keeps them.';

create table monitoring.archives (
    archive_id bigint generated always as identity,
    retention_class text not null,
    day date not null,
    state text not null default 'due',
    generation integer not null default 0,
    destination text,
    file_name text,
    row_count bigint,
    series_count bigint,
    file_bytes bigint,
    content_bytes bigint,
    file_sha256 text,
    content_sha256 text,
    first_sample_at timestamptz,
    last_sample_at timestamptz,
    created_at timestamptz not null default now(),
    due_at timestamptz,
    written_at timestamptz,
    verified_at timestamptz,
    dropped_at timestamptz,
    restored_at timestamptz,
    restored_until timestamptz,
    attempt integer not null default 0,
    error text,
    fence bigint not null default 0,
    lease_instance_id uuid,
    lease_expires_at timestamptz,
    updated_at timestamptz not null default now(),
    constraint archives_pkey primary key (archive_id),
    constraint archives_retention_class_day_key unique (retention_class, day),
    constraint archives_state_check check (state in ('due', 'verified', 'damaged', 'expired', 'removed')),
    constraint archives_written_check check (
        state in ('due', 'damaged') or num_nulls(
            destination, file_name, row_count, series_count, file_bytes, content_bytes, file_sha256, content_sha256,
            written_at) = 0),
    constraint archives_row_count_check check (row_count >= 0),
    constraint archives_lease_check check ((lease_instance_id is null) = (lease_expires_at is null))
);
create index archives_due_at_idx on monitoring.archives (due_at) where due_at is not null;

comment on table monitoring.archives is
    'One row a retention class and day that is, or is to be, in a file outside of the database. No class is referred '
    'to: a file outlives its class.';
comment on column monitoring.archives.archive_id is 'Key.';
comment on column monitoring.archives.retention_class is 'The class of the samples, by the name it had.';
comment on column monitoring.archives.day is 'The day, of UTC.';
comment on column monitoring.archives.state is
    'due: to be written. verified: the file was read back and is as it should be. damaged: it was not, when '
    'it was read last. expired: it is past archive_retention and is to be removed. removed: it is.';
comment on column monitoring.archives.generation is
    'How often it was written: each time under a name of its own, so that no file is ever overwritten.';
comment on column monitoring.archives.destination is 'Such as file:///var/lib/x or s3://bucket/x.';
comment on column monitoring.archives.file_name is 'Name of the file there; its manifest ends in .json instead.';
comment on column monitoring.archives.row_count is 'Samples in it.';
comment on column monitoring.archives.series_count is 'Series in it.';
comment on column monitoring.archives.file_bytes is 'Size of the file.';
comment on column monitoring.archives.content_bytes is 'Size of what is packed in it.';
comment on column monitoring.archives.file_sha256 is 'SHA-256 of the file.';
comment on column monitoring.archives.content_sha256 is 'SHA-256 of what is packed in it.';
comment on column monitoring.archives.first_sample_at is 'Time of its first sample.';
comment on column monitoring.archives.last_sample_at is 'Time of its last sample.';
comment on column monitoring.archives.created_at is 'When it was marked to be archived.';
comment on column monitoring.archives.due_at is
    'When a service is to write it, read it again, or remove it, as its state says; null: nothing is to be done.';
comment on column monitoring.archives.written_at is 'When the file was written.';
comment on column monitoring.archives.verified_at is 'When the file was last read and found as it should be.';
comment on column monitoring.archives.dropped_at is 'When its samples left the store.';
comment on column monitoring.archives.restored_at is 'When it was last restored into the store.';
comment on column monitoring.archives.restored_until is 'Until when what was restored stays in the store.';
comment on column monitoring.archives.attempt is 'Attempts since the last success.';
comment on column monitoring.archives.error is 'What went wrong with the last attempt; null when nothing did.';
comment on column monitoring.archives.fence is 'Grows with each claim: who holds an older one cannot report.';
comment on column monitoring.archives.lease_instance_id is 'The service that has it in hand.';
comment on column monitoring.archives.lease_expires_at is 'Until when, unless it extends its lease.';
comment on column monitoring.archives.updated_at is 'When the row changed last.';

create type monitoring_internal.claimed_archive as (
    archive_id bigint,
    fence bigint,
    action text,
    retention_class text,
    day date,
    generation integer,
    destination text,
    file_name text,
    file_sha256 text
);

comment on type monitoring_internal.claimed_archive is
    'A day that a service has in hand; action write, verify or remove.';

create table monitoring.retention_states (
    retention_class text not null,
    resolution text not null,
    deleted_until timestamptz not null default '-infinity',
    deleted_total bigint not null default 0,
    last_deleted_at timestamptz,
    refused_since timestamptz,
    refused_at timestamptz,
    refusal text,
    constraint retention_states_pkey primary key (retention_class, resolution),
    constraint retention_states_retention_class_fkey foreign key (retention_class)
        references monitoring.retention_classes (name) on delete cascade on update cascade
);

comment on table monitoring.retention_states is
    'How far data of each class were deleted at each resolution, and what keeps the rest. Written by '
    'cleanup_old_metrics(); partitions in which every class is past its retention are dropped whole instead.';
comment on column monitoring.retention_states.retention_class is 'The class.';
comment on column monitoring.retention_states.resolution is 'raw, 1m, 5m, 1h or 1d.';
comment on column monitoring.retention_states.deleted_until is 'Nothing of the class is left before this time.';
comment on column monitoring.retention_states.deleted_total is 'Rows deleted so far.';
comment on column monitoring.retention_states.last_deleted_at is 'When rows were deleted last.';
comment on column monitoring.retention_states.refused_since is
    'Start of the first data that were not deleted by the last pass though past their retention.';
comment on column monitoring.retention_states.refused_at is 'When that was; null when nothing was refused.';
comment on column monitoring.retention_states.refusal is 'Why.';

create table monitoring.backup_checks (
    backup_check_id bigint generated always as identity,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    state text not null default 'running',
    source text not null,
    backup_bytes bigint,
    table_count integer,
    row_count bigint,
    differences jsonb not null default '[]',
    error text,
    constraint backup_checks_pkey primary key (backup_check_id),
    constraint backup_checks_state_check check (state in ('running', 'passed', 'failed')),
    constraint backup_checks_finished_check check ((state = 'running') = (finished_at is null))
);
create index backup_checks_started_at_idx on monitoring.backup_checks (started_at);

comment on table monitoring.backup_checks is
    'Backups that were restored into a fresh server and compared, by pgvigil backup check.';
comment on column monitoring.backup_checks.backup_check_id is 'Key.';
comment on column monitoring.backup_checks.started_at is 'When it began.';
comment on column monitoring.backup_checks.finished_at is 'When it ended.';
comment on column monitoring.backup_checks.state is 'running, passed or failed.';
comment on column monitoring.backup_checks.source is
    'base backup: taken for the check; else the folder of the backup that was checked.';
comment on column monitoring.backup_checks.backup_bytes is 'Size of the backup.';
comment on column monitoring.backup_checks.table_count is 'Tables that were compared.';
comment on column monitoring.backup_checks.row_count is 'Rows in them, in the restored server.';
comment on column monitoring.backup_checks.differences is
    'What differs, an array of {table, home, restored}: rows before and in the restored server.';
comment on column monitoring.backup_checks.error is 'Why it could not be restored or compared.';

create table monitoring.table_sizes (
    table_name text not null,
    measured_at timestamptz not null,
    heap_bytes bigint not null,
    index_bytes bigint not null,
    estimated_rows bigint not null,
    partition_count integer not null,
    constraint table_sizes_pkey primary key (table_name, measured_at)
);

comment on table monitoring.table_sizes is
    'Size of each table of pgvigil, all its partitions together, as measure_growth() found it.';
comment on column monitoring.table_sizes.table_name is 'The table, with its schema.';
comment on column monitoring.table_sizes.measured_at is 'When.';
comment on column monitoring.table_sizes.heap_bytes is 'Bytes of rows, with what is stored out of line.';
comment on column monitoring.table_sizes.index_bytes is 'Bytes of indexes.';
comment on column monitoring.table_sizes.estimated_rows is 'Rows, by the planner''s statistics.';
comment on column monitoring.table_sizes.partition_count is 'Partitions; 0 for a table that has none.';

create table monitoring.index_rebuilds (
    index_rebuild_id bigint generated always as identity,
    index_name text not null,
    table_name text not null,
    reason text not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    bytes_before bigint not null,
    bytes_after bigint,
    error text,
    backend_pid integer not null,
    constraint index_rebuilds_pkey primary key (index_rebuild_id),
    constraint index_rebuilds_reason_check check (reason in ('invalid', 'bloated'))
);
create index index_rebuilds_index_name_started_at_idx on monitoring.index_rebuilds (index_name, started_at);

comment on table monitoring.index_rebuilds is
    'Indexes of partitions that were rebuilt, each by REINDEX INDEX CONCURRENTLY.';
comment on column monitoring.index_rebuilds.index_rebuild_id is 'Key.';
comment on column monitoring.index_rebuilds.index_name is 'The index, with its schema.';
comment on column monitoring.index_rebuilds.table_name is 'Its table or partition.';
comment on column monitoring.index_rebuilds.reason is 'invalid: no query uses it; bloated: it is larger than needed.';
comment on column monitoring.index_rebuilds.started_at is 'When it began.';
comment on column monitoring.index_rebuilds.finished_at is 'When it ended; null when it was cut off.';
comment on column monitoring.index_rebuilds.bytes_before is 'Size before.';
comment on column monitoring.index_rebuilds.bytes_after is 'Size after.';
comment on column monitoring.index_rebuilds.error is 'Why it failed.';
comment on column monitoring.index_rebuilds.backend_pid is 'The server process that rebuilds it.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('archive.after', '2days', '2days', 'interval', '1day', '3650days',
        'How long after its end a packed day of an archived class is written to a file.'),
    ('archive.verify_within', '7days', '7days', 'interval', '1hour', '3650days',
        'A day is dropped only if its file was read and found whole within this time.'),
    ('archive.lease', '5min', '5min', 'interval', '10s', '1day',
        'How long a service may have a day in hand without a sign of life.'),
    ('archive.retry_pause', '5min', '5min', 'interval', '1s', '1day',
        'Pause after the first attempt at an archive that failed; doubled after each further one, up to a day.'),
    ('archive.restore_hold', '7days', '7days', 'interval', '1min', '3650days',
        'How long a restored day stays in the store though it is past its retention.'),
    ('retention.max_rows', '1000000', '1000000', 'integer', '1', '1000000000',
        'About how many rows one call of cleanup_old_metrics() deletes at most.'),
    ('maintenance.rebuild_ratio', '1.6', '1.6', 'number', '1.1', '100',
        'An index of a closed partition is rebuilt when it is so many times as large as its entries need.'),
    ('maintenance.rebuild_min_bytes', '16777216', '16777216', 'integer', '0', '1000000000000000',
        'Indexes smaller than this are not rebuilt for their size.');
