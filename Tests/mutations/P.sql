-- Mistakes of scale and configuration, each as the reviewed designs had it; see scripts/try-mutations.

-- P-01: more indexes on the table that every sample is written to
-- fails: Tests/sql/hourly_partitions.sql › P-01: samples have the one index that they are found and known again by, or in append mode none but of ranges of time
create index samples_value_idx on monitoring.samples (value);
-- P-01: a text index on what each row of a hot table carries
-- fails: Tests/sql/hourly_partitions.sql › P-01: of what is written with every sample, row or message no index is of words
alter table monitoring.rejected_samples add column payload jsonb;
create index rejected_samples_payload_idx on monitoring.rejected_samples using gin (payload);
-- P-01: random keys on a hot table
-- fails: Tests/sql/hourly_partitions.sql › P-01: and none begins with a random key
alter table monitoring.deliveries add column delivery_key uuid not null default gen_random_uuid();
create unique index deliveries_delivery_key_idx on monitoring.deliveries (delivery_key);
-- P-02: a day is the shortest partition there is
-- fails: Tests/sql/hourly_partitions.sql › P-02: partitions of an hour are a setting
update monitoring.partition_policies set partition_interval = '1 day';
alter table monitoring.partition_policies add constraint whole_days check (partition_interval >= interval '1 day') not valid;
-- P-02: packing drops what it packed a partition a day
-- fails: Tests/sql/hourly_partitions.sql › P-02: and its twenty-four partitions of samples go
select mutation.edit('monitoring_internal.old_partitions_at', 'or bounds.upper_bound <= policy.released_until',
    'or bounds.upper_bound = policy.released_until and bounds.lower_bound = policy.released_until - interval ''24 hours''');
-- P-05: an index beside the key that begins like it
-- fails: Tests/sql/conventions.sql › no index repeats the beginning of another
create index platforms_active_idx on monitoring.platforms (tenant_id, platform_name);
-- P-08: a setting that outlives its transaction
-- fails: Tests/sql/conventions.sql › P-08: nothing of ours changes a setting for longer than its transaction
create function monitoring_internal.prepare_session() returns void language sql as
    'select set_config(''work_mem'', ''256MB'', false)';
-- P-08: settings of everybody's sessions
-- fails: Tests/sql/conventions.sql › P-08: nor has a role or the database settings of ours
do $$ begin execute format('alter database %I set work_mem = %L', current_database(), '256MB'); end $$;
-- P-12: labels without a bound
-- fails: Tests/sql/wide_names.sql › P-12: labels have a bound, and a view says who has reached it
select mutation.edit('monitoring_internal.make_series', 'where missing.place <= room.places', 'where true');
-- P-12: what is beyond the bound is lost without a trace
-- fails: Tests/sql/wide_names.sql › P-12: what is beyond it is kept aside with the reason
select mutation.edit('monitoring_internal.reject_samples_at', 'where sample.fault is not null',
    'where sample.fault <> ''too_many_series''');
-- P-15: old rows stay as they are
-- fails: Tests/sql/packing.sql › P-15: a packed day takes a quarter of the bytes at most, measured (packed_sizes, block_bytes)
alter table monitoring.sample_blocks drop constraint sample_blocks_pkey;
select mutation.edit('monitoring_internal.pack_raw_series', 'perform monitoring_internal.store_block(
            p_period_at, v_time_vector_id, v_series.series_id, v_series.point_values);',
    'perform monitoring_internal.store_block(p_period_at,
            monitoring_internal.store_time_vector(p_period_at, array[row.at]), v_series.series_id, array[row.value])
        from unnest(v_series.times, v_series.point_values) as row (at, value);');
-- P-16: an index on a truncated time
-- fails: Tests/sql/query_views.sql › P-16: buckets are columns, and indexes are on them
create index rollups_1h_day_idx on monitoring.rollups_1h (date_trunc('day', bucket_at at time zone 'UTC'));
-- P-05: the index of what is active, beside the key of all of it
-- fails: Tests/sql/conventions.sql › no index repeats the beginning of another
create index systems_active_idx on monitoring.systems (tenant_id, hostname) where status = 'active';
-- P-17: a function that only newer servers know, over columns that only older ones have
-- fails: Tests/sql/plpgsql_check.sql › plpgsql_check finds nothing in any function
create function monitoring_internal.any_checkpoint() returns bigint language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp as
    $$ begin return (select any_value(checkpoints_timed) from pg_stat_bgwriter); end $$;
