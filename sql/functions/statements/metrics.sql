-- statements/metrics.sql: what pg_stat_statements says of itself, and of the statements that take the most, as metrics.
-- Owns measure_statement_source_at, measure_statements_at. Writes samples through ingest_samples.
-- Concurrency: called by the holder of the source's row.

-- How full the statistics of a server are, how often they overflowed, and since when they count.
create or replace function monitoring_internal.measure_statement_source_at(
    p_target_database_id integer, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring.ingest_samples(
        array_agg(sample.metric),
        array_agg(case
            when coalesce(target.target_id, 0) = 0 then '{}' else jsonb_build_object('server', target.name) end),
        array_agg(sample.value),
        array_agg(p_now),
        min(source.tenant_id::text)::uuid)
    from monitoring.statement_sources as source
    left join monitoring.target_databases as database
        on database.target_database_id = source.target_database_id
    left join monitoring.targets as target on target.target_id = database.target_id
    cross join lateral (values
        ('pg_stat_statements_entries', source.entries::double precision),
        ('pg_stat_statements_max_entries', source.max_entries),
        ('pg_stat_statements_dealloc_total', source.dealloc),
        ('pg_stat_statements_reset_timestamp_seconds', extract(epoch from source.stats_reset_at)::double precision)
    ) as sample (metric, value)
    where source.target_database_id = p_target_database_id and sample.value is not null
    having count(*) > 0;
$$;

comment on function monitoring_internal.measure_statement_source_at(integer, timestamptz) is
    'Stores the state of a server''s pg_stat_statements as samples.';

-- The counters of the statements of a server that are exported, labelled as the field's exporter has them; all others
-- together are the queryid other.
create or replace function monitoring_internal.measure_statements_at(p_target_database_id integer, p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring.ingest_samples(
        array_agg(sample.metric),
        array_agg(jsonb_strip_nulls(jsonb_build_object(
            'server', case when target.target_id <> 0 then target.name end,
            'queryid', case when total.queryid = 0 then 'other' else total.queryid::text end,
            'user', nullif(total.user_name, ''), 'datname', nullif(total.database_name, '')))),
        array_agg(sample.value),
        array_agg(p_now),
        min(total.tenant_id::text)::uuid)
    from monitoring.statement_totals as total
    left join monitoring.target_databases as database
        on database.target_database_id = total.target_database_id
    left join monitoring.targets as target on target.target_id = database.target_id
    cross join lateral (values
        ('pg_stat_statements_calls_total', total.calls::double precision),
        ('pg_stat_statements_seconds_total', total.exec_seconds),
        ('pg_stat_statements_rows_total', total.rows_processed),
        ('pg_stat_statements_block_read_seconds_total', total.blk_read_seconds),
        ('pg_stat_statements_block_write_seconds_total', total.blk_write_seconds)
    ) as sample (metric, value)
    where total.target_database_id = p_target_database_id
    having count(*) > 0;
$$;

comment on function monitoring_internal.measure_statements_at(integer, timestamptz) is
    'Stores the counters of a server''s exported statements as samples.';
