-- 0009: snapshots as a collector's sink, beside samples.

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
