-- 0025: closed alerts that are over a year old have a table of their own, and texts of alerts are found by words.

create table monitoring.alerts_archive (
    like monitoring.alerts including defaults including comments,
    archived_at timestamptz not null,
    constraint alerts_archive_pkey primary key (tenant_id, id, created_at),
    constraint alerts_archive_status_check check (status = 'resolved'),
    constraint alerts_archive_severity_check check (severity in ('low', 'medium', 'high', 'critical')),
    constraint alerts_archive_max_severity_check check (max_severity in ('low', 'medium', 'high', 'critical'))
) partition by range (created_at);
create index alerts_archive_id_idx on monitoring.alerts_archive (id);
create index alerts_archive_tenant_id_triggered_at_idx on monitoring.alerts_archive (tenant_id, triggered_at);

create table monitoring_partitions.alerts_archive_default partition of monitoring.alerts_archive default;

comment on table monitoring.alerts_archive is
    'Alerts that were closed longer ago than setting alerting.archive_after, moved here by archive_alerts(). Their '
    'rules may be gone.';
comment on column monitoring.alerts_archive.archived_at is 'When it was moved here.';
comment on table monitoring_partitions.alerts_archive_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

-- Words of any language as they are: a server's name is no English word.
create index alerts_text_idx on monitoring.alerts using gin ((
    to_tsvector('simple', alert_title || ' ' || alert_message || ' ' || coalesce(resolution_notes, ''))
    || to_tsvector('simple', labels)));
create index alerts_archive_text_idx on monitoring.alerts_archive using gin ((
    to_tsvector('simple', alert_title || ' ' || alert_message || ' ' || coalesce(resolution_notes, ''))
    || to_tsvector('simple', labels)));

insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    ('monitoring.alerts_archive', '1 month', 1, 14, null, '{}');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.archive_after', '365days', '365days', 'interval', '1day', '36500days',
        'An alert that was closed so long ago is moved to alerts_archive; an open one never is.');
