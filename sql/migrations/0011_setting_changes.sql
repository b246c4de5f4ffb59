-- 0011: the settings of each monitored server, and what became of them.

create table monitoring.setting_values (
    target_id integer not null,
    tenant_id uuid not null,
    name text not null,
    value text,
    unit text,
    source text not null,
    is_pending_restart boolean not null,
    first_seen_at timestamptz not null,
    changed_at timestamptz,
    constraint setting_values_pkey primary key (target_id, name),
    constraint setting_values_target_id_fkey
        foreign key (target_id) references monitoring.targets (target_id) on delete cascade,
    constraint setting_values_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants (tenant_id)
) with (fillfactor = 80);

comment on table monitoring.setting_values is
    'Settings of the monitored servers as they were last seen. What may be a secret is masked before it is stored.';
comment on column monitoring.setting_values.target_id is 'The server.';
comment on column monitoring.setting_values.tenant_id is 'Whose server it is.';
comment on column monitoring.setting_values.name is 'Name of the setting.';
comment on column monitoring.setting_values.value is 'Its value, in units of unit.';
comment on column monitoring.setting_values.unit is 'Unit of the value, as pg_settings names it.';
comment on column monitoring.setting_values.source is 'Where the value comes from, as pg_settings names it.';
comment on column monitoring.setting_values.is_pending_restart is
    'True: the configuration has another value, which waits for a restart.';
comment on column monitoring.setting_values.first_seen_at is 'When the setting was first seen.';
comment on column monitoring.setting_values.changed_at is 'When its value was last seen to be another; null: never.';

create table monitoring.setting_changes (
    setting_change_id bigint generated always as identity,
    tenant_id uuid not null,
    target_id integer not null,
    target_name text not null,
    name text not null,
    old_value text,
    new_value text,
    unit text,
    source text,
    is_pending_restart boolean not null,
    changed_at timestamptz not null,
    constraint setting_changes_pkey primary key (setting_change_id, changed_at)
) partition by range (changed_at);
create index setting_changes_tenant_id_changed_at_idx on monitoring.setting_changes (tenant_id, changed_at);

create table monitoring_partitions.setting_changes_default partition of monitoring.setting_changes default;

comment on table monitoring.setting_changes is
    'Ledger of settings that changed: one row a change, between two looks at pg_settings. The first look at a server '
    'writes none. What may be a secret is masked, so that a change of that part alone is not seen.';
comment on column monitoring.setting_changes.setting_change_id is 'Key, with changed_at.';
comment on column monitoring.setting_changes.tenant_id is 'Whose server it was.';
comment on column monitoring.setting_changes.target_id is 'The server, which may have been removed since.';
comment on column monitoring.setting_changes.target_name is 'Its name then.';
comment on column monitoring.setting_changes.name is 'Name of the setting.';
comment on column monitoring.setting_changes.old_value is 'Value before; null: there was no such setting.';
comment on column monitoring.setting_changes.new_value is
    'Value since; the same as before where only is_pending_restart changed; null: there is no such setting any longer.';
comment on column monitoring.setting_changes.unit is 'Unit of both values, as pg_settings names it.';
comment on column monitoring.setting_changes.source is 'Where the new value comes from, as pg_settings names it.';
comment on column monitoring.setting_changes.is_pending_restart is
    'True: the configuration had yet another value, which waited for a restart.';
comment on column monitoring.setting_changes.changed_at is 'When the change was seen: at most an interval after it.';

create type monitoring_internal.settings_row as (
    name text, value text, unit text, vartype text, source text, is_pending_restart boolean
);

comment on type monitoring_internal.settings_row is 'One setting, as the collector settings gives it.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, retention) values
    ('monitoring.setting_changes', '1 month', 1, '400 days');
