-- Undoes 0004, once the code that uses its tables is gone: every sample is lost.
delete from monitoring.settings where name like 'store.%';
delete from monitoring.partition_policies where table_name in ('monitoring.samples', 'monitoring.rejected_samples');
drop type monitoring.ingest_result;
drop table monitoring_internal.staged_samples;
drop table monitoring.rejected_sample_totals;
drop table monitoring.rejected_samples;
drop table monitoring.samples;
drop table monitoring.series;
drop table monitoring.metric_families;
