-- statements/metrics.sql: what pg_stat_statements says of itself, as metrics.
-- Owns measure_statement_source_at. Writes samples through ingest_samples.
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
