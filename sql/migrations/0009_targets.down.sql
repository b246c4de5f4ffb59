-- Undoes 0009, once the code that uses its tables is gone. Collectors of snapshots go with their columns.
delete from monitoring.collectors as collector where collector.sink is not null;
alter table monitoring.collector_columns drop constraint collector_columns_usage_check;
alter table monitoring.collector_columns add constraint collector_columns_usage_check
    check (usage in ('label', 'metric', 'folded', 'excluded', 'gap'));
comment on column monitoring.collector_columns.usage is
    'label; metric; folded and excluded: counts for the run log; gap: a text that says why the row has no values.';
alter table monitoring.collectors drop column sink;
