-- retention/classes.sql: what each class keeps at each resolution, and from which time its data are past that.
-- Owns retention_forms, class_retentions, partition_retention, retention_reference_at, retention_cutoff_at.
-- Writes nothing. Any number of callers at once.

-- The tables that hold data of retention classes, by resolution, with the column that tells a row's time.
create or replace function monitoring_internal.retention_forms()
returns table (resolution text, table_name text, key_column name)
language sql immutable parallel safe
begin atomic
    select form.resolution, form.table_name, form.key_column::name
    from (values
        ('raw', 'monitoring.sample_blocks', 'period_at'),
        ('raw', 'monitoring.late_samples', 'sampled_at'),
        ('raw', 'monitoring.sample_details', 'sampled_at'),
        ('1m', 'monitoring.rollups_1m', 'bucket_at'),
        ('5m', 'monitoring.rollups_5m', 'bucket_at'),
        ('1h', 'monitoring.rollups_1h', 'bucket_at'),
        ('1d', 'monitoring.rollups_1d', 'bucket_at')
    ) as form (resolution, table_name, key_column);
end;

comment on function monitoring_internal.retention_forms() is
    'Tables that hold data of several retention classes, by resolution.';

-- What each class keeps at each resolution, the finest first; a resolution that it does not have is not there.
create or replace function monitoring_internal.class_retentions()
returns table (retention_class text, resolution text, ordinal integer, retention interval, is_archived boolean)
language sql stable parallel safe
begin atomic
    select class.name, level.resolution, level.ordinal, level.retention, class.is_archived
    from monitoring.retention_classes as class
    cross join lateral (values
        ('raw', 0, class.raw_retention),
        ('1m', 1, class.rollup_1m),
        ('5m', 2, class.rollup_5m),
        ('1h', 3, class.rollup_1h),
        ('1d', 4, class.rollup_1d)
    ) as level (resolution, ordinal, retention)
    where level.retention is not null;
end;

comment on function monitoring_internal.class_retentions() is
    'How long each class keeps data at each of its resolutions.';

-- How long a partition of a table stays: where classes share the table, as long as that of them which keeps longest
-- and has a metric; else as its policy says. What is said of samples goes by rows with them: its partitions stay until
-- the samples are surely gone. Asked of every table several times a minute: few of them are looked at twice.
create or replace function monitoring_internal.partition_retention(p_table text)
returns interval
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_resolution constant text := (
        select form.resolution from monitoring_internal.retention_forms() as form
        where form.table_name = case p_table
            when 'monitoring.time_vectors' then 'monitoring.sample_blocks' else p_table end);
    v_retention interval;
begin
    if v_resolution is not null then
        select max(kept.retention) + case p_table when 'monitoring.sample_details' then interval '2 days' else '0' end
        into v_retention
        from monitoring_internal.class_retentions() as kept
        where kept.resolution = v_resolution
            and exists (
                select 1 from monitoring.metric_families as family
                where family.retention_class = kept.retention_class)
            and exists (select 1 from monitoring.partition_policies as policy where policy.table_name = p_table);
    end if;
    return coalesce(v_retention, (
        select policy.retention from monitoring.partition_policies as policy where policy.table_name = p_table));
end;
$$;

comment on function monitoring_internal.partition_retention(text) is
    'How long partitions of a table stay: by the retention classes that share it, else by its policy; null: for ever.';

-- The time from which age is counted: the end of the newest samples where that is before p_now. A clock that jumps
-- ahead makes nothing old, whether samples come with its times or not, and what came last is kept until something
-- newer has come. Null when there are no samples.
create or replace function monitoring_internal.retention_reference_at(p_now timestamptz)
returns timestamptz
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select least(p_now, newest.bound)
    from (
        -- Blocks lie in partitions of months: their days are known by the mark of packing.
        select coalesce(
            monitoring_internal.believed_row_bound('monitoring.samples'),
            nullif(monitoring_internal.packed_until(), '-infinity')) as bound
    ) as newest
    where newest.bound is not null;
$$;

comment on function monitoring_internal.retention_reference_at(timestamptz) is
    'The time from which the age of samples is counted: p_now, or the end of the newest ones where that is earlier.';

-- Data of a class at a resolution are past their retention before this, a midnight of UTC. Samples stay at least as
-- long as new ones may come for their time: else late ones would be all that a rollup is made of.
create or replace function monitoring_internal.retention_cutoff_at(
    p_resolution text, p_retention interval, p_now timestamptz)
returns timestamptz
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select date_trunc('day', least(
        reference.at at time zone 'UTC' - p_retention,
        case when p_resolution = 'raw' then
            reference.at at time zone 'UTC' - monitoring_internal.setting_interval('store.max_past') - interval '1 hour'
        end)) at time zone 'UTC'
    from monitoring_internal.retention_reference_at(p_now) as reference (at)
    where reference.at is not null;
$$;

comment on function monitoring_internal.retention_cutoff_at(text, interval, timestamptz) is
    'Data older than this are past their retention at a time; null when there are no samples.';
