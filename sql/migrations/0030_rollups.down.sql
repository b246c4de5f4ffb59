-- Back to samples without rollups; the names of retention classes stay with their metrics.
delete from monitoring.settings where name in ('store.rollup_delay', 'store.rollup_series');
delete from monitoring.partition_holds where name = 'rollups';
delete from monitoring.partition_policies where table_name in (
    'monitoring.rollups_1m', 'monitoring.rollups_5m', 'monitoring.rollups_1h', 'monitoring.rollups_1d',
    'monitoring.rollup_runs');
drop table monitoring.rollup_runs;
drop table monitoring_internal.late_ranges;
drop table monitoring_internal.rollup_closing;
drop table monitoring_internal.rollup_levels;
drop table monitoring.rollups_1d;
drop table monitoring.rollups_1h;
drop table monitoring.rollups_5m;
drop table monitoring.rollups_1m;
drop type monitoring_internal.rollup_step;
drop type monitoring_internal.rollup_row;
alter table monitoring.metric_families drop constraint metric_families_retention_class_fkey;
drop table monitoring.retention_classes;
