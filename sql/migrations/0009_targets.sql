-- 0009: monitored servers and their databases; collection state by database; snapshots as a collector's sink.

alter table monitoring.collectors add column sink text;
alter table monitoring.collectors
    add constraint collectors_sink_check check (sink ~ '^[a-z][a-z0-9_]{0,47}$');
comment on column monitoring.collectors.sink is
    'Where its rows go: the snapshot that monitoring_internal.store_SINK_at stores; null: they are samples.';

alter table monitoring.collector_columns drop constraint collector_columns_usage_check;
alter table monitoring.collector_columns add constraint collector_columns_usage_check
    check (usage in ('label', 'metric', 'column', 'folded', 'excluded', 'gap'));
comment on column monitoring.collector_columns.usage is
    'label; metric; column: of a snapshot; folded and excluded: counts for the run log; gap: why a row has no values.';

create table monitoring.targets (
    target_id integer generated always as identity,
    name text not null,
    tenant_id uuid not null,
    conninfo text,
    sealed_secret text,
    sealed_for text,
    is_secret_usable boolean not null default true,
    is_enabled boolean not null default true,
    database_include text,
    database_exclude text,
    max_connections integer not null default 2,
    system_identifier bigint,
    timeline integer,
    server_version_num integer,
    is_in_recovery boolean,
    facts jsonb not null default '{}',
    clock_offset_seconds double precision,
    consecutive_failures integer not null default 0,
    next_try_at timestamptz not null default '-infinity',
    last_seen_at timestamptz,
    last_failed_at timestamptz,
    last_error text,
    last_sqlstate text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint targets_pkey primary key (target_id),
    constraint targets_name_key unique (name),
    constraint targets_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants (tenant_id),
    constraint targets_name_check check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    constraint targets_conninfo_check check ((target_id = 0) = (conninfo is null)),
    constraint targets_max_connections_check check (max_connections between 1 and 100)
) with (fillfactor = 50);

comment on table monitoring.targets is
    'Servers that are monitored; 0 is the one pgvigil lives in. Changed by add_target(), set_target() and their like.';
comment on column monitoring.targets.target_id is 'Key; 0: the cluster of this database.';
comment on column monitoring.targets.name is 'Its name: the label server of its series.';
comment on column monitoring.targets.tenant_id is 'Whose it is: its series belong to this tenant.';
comment on column monitoring.targets.conninfo is
    'How to connect, as libpq reads it, without any secret; null for 0: as the service itself connects.';
comment on column monitoring.targets.sealed_secret is
    'Its password, sealed by the service: pgvigil:v1:KEY:BASE64. Clear text is refused.';
comment on column monitoring.targets.sealed_for is
    'The name and connection that the secret was sealed for; with others it cannot be opened.';
comment on column monitoring.targets.is_secret_usable is
    'False: name or connection are no longer those that the secret was sealed for.';
comment on column monitoring.targets.is_enabled is 'False: nothing of it is collected.';
comment on column monitoring.targets.database_include is
    'Regular expression: which of its databases are monitored; null: all. The main one always is.';
comment on column monitoring.targets.database_exclude is 'Regular expression: which of these are not; null: none.';
comment on column monitoring.targets.max_connections is 'How many runs it may have at once.';
comment on column monitoring.targets.system_identifier is
    'Identity of its cluster, pinned at the first connection; another one is refused.';
comment on column monitoring.targets.timeline is 'Its timeline when it was last asked; it grows at each promotion.';
comment on column monitoring.targets.server_version_num is 'Its version, as 150004.';
comment on column monitoring.targets.is_in_recovery is 'True: a standby.';
comment on column monitoring.targets.facts is 'What else it said of itself: user, roles, settings.';
comment on column monitoring.targets.clock_offset_seconds is 'Its clock less this database''s, when it was last asked.';
comment on column monitoring.targets.consecutive_failures is 'Failures to reach it since the last good run.';
comment on column monitoring.targets.next_try_at is 'After a failure: when it is tried again.';
comment on column monitoring.targets.last_seen_at is 'When it answered last.';
comment on column monitoring.targets.last_failed_at is 'When it could not be reached last.';
comment on column monitoring.targets.last_error is 'Why not.';
comment on column monitoring.targets.last_sqlstate is 'SQLSTATE of that.';
comment on column monitoring.targets.created_at is 'When it was added.';
comment on column monitoring.targets.updated_at is 'When this row changed last.';

create table monitoring.target_databases (
    target_database_id integer generated always as identity,
    target_id integer not null,
    tenant_id uuid not null,
    datname text not null,
    is_main boolean not null default false,
    is_home boolean not null default false,
    is_enabled boolean not null default true,
    reason text,
    facts jsonb not null default '{}',
    facts_at timestamptz,
    last_seen_at timestamptz,
    gone_at timestamptz,
    constraint target_databases_pkey primary key (target_database_id),
    constraint target_databases_target_id_datname_key unique (target_id, datname),
    constraint target_databases_target_id_fkey
        foreign key (target_id) references monitoring.targets (target_id) on delete cascade,
    constraint target_databases_is_home_check check (is_home = (target_database_id = 0))
) with (fillfactor = 50);
create unique index target_databases_target_id_idx on monitoring.target_databases (target_id) where is_main;

comment on table monitoring.target_databases is
    'Databases of the targets; 0 is this one. Kept in line with what each target says it has.';
comment on column monitoring.target_databases.target_database_id is 'Key; 0: this database.';
comment on column monitoring.target_databases.target_id is 'The target.';
comment on column monitoring.target_databases.tenant_id is 'The target''s tenant.';
comment on column monitoring.target_databases.datname is 'Its name; that of 0 is not kept here.';
comment on column monitoring.target_databases.is_main is 'True: what is collected once a server is collected here.';
comment on column monitoring.target_databases.is_home is 'True: this database, collected without a connection.';
comment on column monitoring.target_databases.is_enabled is 'Whether it is monitored.';
comment on column monitoring.target_databases.reason is 'Why it is not.';
comment on column monitoring.target_databases.facts is
    'What it said of itself: version, user, roles, settings, extensions.';
comment on column monitoring.target_databases.facts_at is 'When; null: it is to be asked.';
comment on column monitoring.target_databases.last_seen_at is 'When it answered last.';
comment on column monitoring.target_databases.gone_at is 'When it was found dropped.';

insert into monitoring.targets (target_id, name, tenant_id) overriding system value
select 0, 'local', tenant.tenant_id
from monitoring.tenants as tenant
where tenant.is_system;
insert into monitoring.target_databases
    (target_database_id, target_id, tenant_id, datname, is_main, is_home)
    overriding system value
select 0, 0, target.tenant_id, '', true, true
from monitoring.targets as target
where target.target_id = 0;

create table monitoring.target_events (
    target_event_id bigint generated always as identity,
    target_id integer not null,
    tenant_id uuid not null,
    target_name text not null,
    occurred_at timestamptz not null,
    kind text not null,
    datname text,
    details jsonb not null default '{}',
    constraint target_events_pkey primary key (target_event_id, occurred_at),
    constraint target_events_kind_check check (kind in (
        'added', 'removed', 'connection_changed', 'credentials_changed', 'accepted', 'connected', 'unreachable',
        'reachable', 'refused', 'failover', 'version_changed', 'database_appeared', 'database_disappeared'))
) partition by range (occurred_at);
create index target_events_target_id_occurred_at_idx on monitoring.target_events (target_id, occurred_at);

create table monitoring_partitions.target_events_default partition of monitoring.target_events default;

comment on table monitoring.target_events is 'What became of targets: connected, promoted, unreachable, refused.';
comment on column monitoring.target_events.target_event_id is 'Key, with occurred_at.';
comment on column monitoring.target_events.target_id is 'The target.';
comment on column monitoring.target_events.tenant_id is 'Its tenant.';
comment on column monitoring.target_events.target_name is 'Its name, also when it is removed.';
comment on column monitoring.target_events.occurred_at is 'When it was noticed.';
comment on column monitoring.target_events.kind is
    'What happened; failover: its timeline grew or it became primary or standby; refused: another cluster answered.';
comment on column monitoring.target_events.datname is 'The database it is about, if one.';
comment on column monitoring.target_events.details is 'What was before and after.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, retention) values
    ('monitoring.target_events', '1 month', 1, '400 days');

-- Collection state, by database.
alter table monitoring.collector_states
    add column target_database_id integer not null default 0,
    add column target_id integer not null default 0,
    drop constraint collector_states_pkey,
    add constraint collector_states_pkey primary key (target_database_id, collector_id),
    add constraint collector_states_target_database_id_fkey foreign key (target_database_id)
        references monitoring.target_databases (target_database_id) on delete cascade;
create index collector_states_target_id_next_due_at_idx
    on monitoring.collector_states (target_id, next_due_at) where target_database_id <> 0;
create index collector_states_target_id_idx
    on monitoring.collector_states (target_id) where target_database_id <> 0 and lease_expires_at is not null;
create index collector_states_collector_id_idx on monitoring.collector_states (collector_id);
comment on table monitoring.collector_states is
    'One row a collector and database: when it is due and who runs it now. Shown by collector_status.';
comment on column monitoring.collector_states.target_database_id is 'Where it is collected; 0: in this database.';
comment on column monitoring.collector_states.target_id is 'The target of that database.';

alter table monitoring.collector_runs add column target_database_id integer not null default 0;
comment on column monitoring.collector_runs.target_database_id is 'Where it ran; 0: in this database.';
drop index monitoring.collector_runs_collector_id_started_at_idx;
create index collector_runs_collector_id_target_database_id_started_at_idx
    on monitoring.collector_runs (collector_id, target_database_id, started_at);

alter table monitoring.collector_gaps
    add column target_database_id integer not null default 0,
    add constraint collector_gaps_status_check check (
        status in ('ok', 'skipped', 'unavailable', 'failed', 'timed_out'));
comment on column monitoring.collector_gaps.target_database_id is 'Where it was not measured; 0: in this database.';
drop index monitoring.collector_gaps_collector_id_open_idx;
create index collector_gaps_collector_id_open_idx
    on monitoring.collector_gaps (collector_id, target_database_id) where ended_at is null;

alter table monitoring_internal.collector_statements
    add column target_database_id integer not null default 0,
    add column candidate integer,
    add column fence bigint,
    drop constraint collector_statements_pkey,
    add constraint collector_statements_pkey primary key (target_database_id, collector_id, query),
    add constraint collector_statements_target_database_id_fkey foreign key (target_database_id)
        references monitoring.target_databases (target_database_id) on delete cascade;
create index collector_statements_collector_id_idx on monitoring_internal.collector_statements (collector_id, query);
comment on table monitoring_internal.collector_statements is
    'The statement a query runs in a database, kept until its version, an extension or the collector changes.';
comment on column monitoring_internal.collector_statements.target_database_id is 'Where it runs; 0: in this database.';
comment on column monitoring_internal.collector_statements.candidate is
    'Elsewhere: position of the variant that it is, or of the last one that was refused.';
comment on column monitoring_internal.collector_statements.fence is 'Elsewhere: the run that asked.';

-- Their arguments are others from here on: beside new ones of the same names the old ones would be ambiguous.
drop function if exists monitoring_internal.require_collection_lease(integer, bigint);
drop function if exists monitoring_internal.note_collector_gaps_at(integer, text, text, jsonb, timestamptz);
drop function if exists monitoring_internal.measure_collection_at(text, text, double precision, timestamptz);
drop function if exists monitoring_internal.record_collection_at(
    integer, bigint, timestamptz, monitoring_internal.collection_outcome, timestamptz);
drop function if exists monitoring_internal.finish_collection_at(integer, bigint, text, text, text, timestamptz);
drop function if exists monitoring_internal.finish_collection(integer, bigint, text, text, text);
drop function if exists monitoring.export_metrics_prometheus();
drop function if exists monitoring.export_metrics_prometheus_lines(text[]);
-- They return more from here on.
drop function if exists monitoring_internal.read_collector(integer);
drop function if exists monitoring_internal.measure_collector(integer);
alter type monitoring_internal.claimed_collection
    add attribute target_database_id integer, add attribute target_name text, add attribute is_remote boolean;

-- Which page a series is on is read at every scrape, so it is not looked for among the labels then.
alter table monitoring.series add column server text not null default '';
create index series_server_idx on monitoring.series (server);
comment on column monitoring.series.server is
    'The target whose series it is: its label server. Empty for those of this server, and of whoever sends samples.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('collect.local_databases', '', '', 'text', null, null,
        'Regular expression: which other databases of this server are monitored too, such as .* for all; empty: none. '
        'A session there is in the way of DROP DATABASE, and of using it as a template.'),
    ('targets.connect_timeout', '5s', '5s', 'interval', '100ms', '10min',
        'How long connecting to a target may take.'),
    ('targets.retry_limit', '30s', '30s', 'interval', '1s', '1day',
        'Longest time until a target that cannot be reached is tried again; it begins with a second and doubles.'),
    ('targets.facts_every', '1min', '1min', 'interval', '1s', '1day',
        'How often a target is asked for its version, role, timeline and databases.');

insert into monitoring.metric_families (name, kind, unit, category, description, stale_after, is_registered) values
    ('pgvigil_target_clock_offset_seconds', 'gauge', 'seconds', 'collection',
        'Clock of the target less that of the store.', '15 min', true);
