-- views/retention.sql: how long what is kept, what stays longer and why, how tables grow.

create or replace view monitoring.retention_status with (security_invoker = true) as
select status.retention_class, status.resolution, status.retention, status.kept_since, status.deleted_until,
    status.deleted_total, status.refused_since, status.refusal
from monitoring_internal.retention_status() as status;

comment on view monitoring.retention_status is
    'How long each retention class is kept at each resolution, and what is there though it is past that, with the '
    'reason: not rolled up, not verified, not packed, not archived, restored.';
comment on column monitoring.retention_status.retention_class is 'The class.';
comment on column monitoring.retention_status.resolution is 'raw, 1m, 5m, 1h or 1d.';
comment on column monitoring.retention_status.retention is 'How long it is kept.';
comment on column monitoring.retention_status.kept_since is 'Older data are past their retention.';
comment on column monitoring.retention_status.deleted_until is 'Nothing older is left.';
comment on column monitoring.retention_status.deleted_total is 'Rows deleted so far.';
comment on column monitoring.retention_status.refused_since is 'Start of the first day that could not be deleted.';
comment on column monitoring.retention_status.refusal is 'Why.';

create or replace view monitoring.growth_report with (security_invoker = true) as
select newest.table_name, newest.measured_at, newest.heap_bytes + newest.index_bytes as total_bytes,
    newest.heap_bytes, newest.index_bytes, newest.estimated_rows, newest.partition_count,
    before.measured_at as compared_with,
    newest.heap_bytes + newest.index_bytes - before.heap_bytes - before.index_bytes as grown_bytes,
    round(
        (newest.heap_bytes + newest.index_bytes - before.heap_bytes - before.index_bytes)
        * 30 * 86400 / extract(epoch from newest.measured_at - before.measured_at))::bigint as bytes_per_month
from (
    select size.*, row_number() over (partition by size.table_name order by size.measured_at desc) as place
    from monitoring.table_sizes as size
) as newest
left join lateral (
    select earlier.*
    from monitoring.table_sizes as earlier
    where earlier.table_name = newest.table_name and earlier.measured_at < newest.measured_at
    order by abs(extract(epoch from newest.measured_at - interval '30 days' - earlier.measured_at))
    limit 1
) as before on true
where newest.place = 1;

comment on view monitoring.growth_report is
    'How each table of pgvigil grew in the last month, from the measurements of measure_growth().';
comment on column monitoring.growth_report.table_name is 'The table, all its partitions together.';
comment on column monitoring.growth_report.measured_at is 'When it was measured last.';
comment on column monitoring.growth_report.total_bytes is 'Its size then.';
comment on column monitoring.growth_report.heap_bytes is 'Of that, rows.';
comment on column monitoring.growth_report.index_bytes is 'Of that, indexes.';
comment on column monitoring.growth_report.estimated_rows is 'Rows, by the planner''s statistics.';
comment on column monitoring.growth_report.partition_count is 'Partitions; 0 for a table that has none.';
comment on column monitoring.growth_report.compared_with is 'The measurement nearest to 30 days before; null for none.';
comment on column monitoring.growth_report.grown_bytes is 'How much larger it is than then.';
comment on column monitoring.growth_report.bytes_per_month is 'The same as a rate of 30 days.';

create or replace view monitoring.upkeep_signals with (security_invoker = true) as
select found.signal, found.subject, found.reason, found.value, found.detail
from monitoring_internal.upkeep_signals() as found;

comment on view monitoring.upkeep_signals is
    'What of upkeep does not go on: checks of backups, archive files, data that may not go. 0: it does.';
comment on column monitoring.upkeep_signals.signal is 'backup_check, archive or retention.';
comment on column monitoring.upkeep_signals.subject is
    'The problem of a check; the class of an archive; class and resolution of what may not go.';
comment on column monitoring.upkeep_signals.reason is
    'failed or overdue; damaged or failing; rollups, verification, packing, archive or ingest.';
comment on column monitoring.upkeep_signals.value is
    '1 for a check of a backup; days of an archive; seconds beyond the retention.';
comment on column monitoring.upkeep_signals.detail is 'What exactly is wrong; null when nothing is.';
