-- Undoes 0009, once the code that uses its tables is gone. What was collected elsewhere goes with its targets' state;
-- its samples stay.
-- Series of its families go too, so that it can be applied again; their samples go with their partitions.
delete from monitoring.series
where metric_family_id in (
    select family.metric_family_id from monitoring.metric_families as family
    where family.name = 'pgvigil_target_clock_offset_seconds');
delete from monitoring.metric_families as family
where family.name = 'pgvigil_target_clock_offset_seconds';
drop index monitoring.series_server_idx;
alter table monitoring.series drop column server;
delete from monitoring.settings where name like 'targets.%' or name = 'collect.local_databases';
delete from monitoring.partition_policies where table_name = 'monitoring.target_events';
alter type monitoring_internal.claimed_collection
    drop attribute target_database_id, drop attribute target_name, drop attribute is_remote;

delete from monitoring_internal.collector_statements where target_database_id <> 0;
drop index monitoring_internal.collector_statements_collector_id_idx;
alter table monitoring_internal.collector_statements
    drop constraint collector_statements_pkey,
    drop column target_database_id, drop column candidate, drop column fence,
    add constraint collector_statements_pkey primary key (collector_id, query);
comment on table monitoring_internal.collector_statements is
    'The statement a query runs on this server, kept until its version, an extension or the collector changes.';

delete from monitoring.collector_gaps where target_database_id <> 0;
drop index monitoring.collector_gaps_collector_id_open_idx;
alter table monitoring.collector_gaps drop column target_database_id, drop constraint collector_gaps_status_check;
create index collector_gaps_collector_id_open_idx
    on monitoring.collector_gaps (collector_id) where ended_at is null;

delete from monitoring.collector_runs where target_database_id <> 0;
drop index monitoring.collector_runs_collector_id_target_database_id_started_at_idx;
alter table monitoring.collector_runs drop column target_database_id;
create index collector_runs_collector_id_started_at_idx
    on monitoring.collector_runs (collector_id, started_at);

delete from monitoring.collector_states where target_database_id <> 0;
drop index monitoring.collector_states_target_id_next_due_at_idx;
drop index monitoring.collector_states_target_id_idx;
drop index monitoring.collector_states_collector_id_idx;
alter table monitoring.collector_states
    drop constraint collector_states_pkey,
    drop column target_database_id, drop column target_id,
    add constraint collector_states_pkey primary key (collector_id);
comment on table monitoring.collector_states is
    'One row a collector: when it is due and who runs it now. Shown by collector_status.';

drop table monitoring.target_events;
drop table monitoring.target_databases;
drop table monitoring.targets;

delete from monitoring.collectors as collector where collector.sink is not null;
alter table monitoring.collector_columns drop constraint collector_columns_usage_check;
alter table monitoring.collector_columns add constraint collector_columns_usage_check
    check (usage in ('label', 'metric', 'folded', 'excluded', 'gap'));
comment on column monitoring.collector_columns.usage is
    'label; metric; folded and excluded: counts for the run log; gap: a text that says why the row has no values.';
alter table monitoring.collectors drop column sink;
