-- Undoes 0024, once the code that uses its table is gone: single statements are exported no longer.
-- Series of its families go too, so that it can be applied again; their samples go with their partitions.
delete from monitoring.series
where metric_family_id in (
    select family.metric_family_id from monitoring.metric_families as family
    where family.name in ('pg_stat_statements_calls_total', 'pg_stat_statements_seconds_total',
        'pg_stat_statements_rows_total', 'pg_stat_statements_block_read_seconds_total',
        'pg_stat_statements_block_write_seconds_total'));
delete from monitoring.metric_families as family
where family.name in ('pg_stat_statements_calls_total', 'pg_stat_statements_seconds_total',
    'pg_stat_statements_rows_total', 'pg_stat_statements_block_read_seconds_total',
    'pg_stat_statements_block_write_seconds_total');
delete from monitoring.settings where name in ('statements.exported', 'statements.exported_for');
drop table monitoring.statement_totals;
