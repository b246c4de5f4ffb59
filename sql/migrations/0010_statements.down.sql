-- Undoes 0010, once the code that uses its tables is gone: statement statistics and texts are lost.
-- Series of its families go too, so that it can be applied again; their samples go with their partitions.
delete from monitoring.series
where metric_family_id in (
    select family.metric_family_id from monitoring.metric_families as family
    where family.name in ('pg_stat_statements_entries', 'pg_stat_statements_max_entries',
    'pg_stat_statements_dealloc_total', 'pg_stat_statements_reset_timestamp_seconds'));
delete from monitoring.metric_families as family
where family.name in ('pg_stat_statements_entries', 'pg_stat_statements_max_entries',
    'pg_stat_statements_dealloc_total', 'pg_stat_statements_reset_timestamp_seconds');
delete from monitoring.settings where name like 'statements.%';
delete from monitoring.partition_policies where table_name = 'monitoring.statement_intervals';
drop type monitoring_internal.statement_texts_row;
drop type monitoring_internal.statements_row;
drop table monitoring.statement_intervals;
drop table monitoring.statements;
drop table monitoring_internal.statement_counters;
drop table monitoring.statement_sources;
