-- Mistakes in what becomes of old data, each as the reviewed designs had it; see scripts/try-mutations.

-- C-01: raw data go at their time, whether the archive has them or not
-- fails: Tests/sql/archive.sql › C-01, row 82: a day of an archived class stays until it is archived
select mutation.edit('monitoring_internal.retention_obstacle_at', 'if (select class.is_archived', 'if false and (select class.is_archived');
-- C-01: partitions go at their time, whether the archive has them or not
-- fails: Tests/sql/archive.sql › C-01: nor does its partition go
select mutation.edit('monitoring_internal.partition_obstacle_at', 'and found.obstacle is not null', 'and found.obstacle not like ''archive:%''');
-- C-02: a file counts however many samples it holds
-- fails: Tests/sql/archive.sql › C-02: a file with fewer samples than the store is none
select mutation.edit('monitoring_internal.finish_archive_at', 'if v_stored is distinct from', 'if false and v_stored is distinct from');
-- C-02: an empty file counts
-- fails: Tests/sql/archive.sql › C-02: nor is an empty one
select mutation.edit('monitoring_internal.finish_archive_at', 'if v_stored is distinct from', 'if v_stored <');
-- C-02: what comes after the export is deleted with what was exported
-- fails: Tests/sql/archive.sql › C-02: a sample that came afterwards keeps the day
select mutation.edit('monitoring_internal.archive_obstacle_at', 'when stored.samples not in (0, archive.row_count)', 'when false');
-- C-03: rows are deleted one by one, then their partition is dropped
-- fails: Tests/sql/retention.sql › C-03: none of which are deleted one by one before
select mutation.edit('monitoring_internal.class_days_at', 'where expired.held_by is null))', 'where false))');
-- C-04: what is old goes whatever its class
-- fails: Tests/sql/retention.sql › C-04: a longer class in the same partition stays
select mutation.edit('monitoring_internal.delete_class_day', 'and family.retention_class = $3', 'and $3 is not null');
-- C-04: a partition goes by the shortest of the policies in it
-- fails: Tests/sql/retention.sql › C-04: a partition that classes share stays as long as the longest of those that have metrics
select mutation.edit('monitoring_internal.partition_retention', 'max(kept.retention)', 'min(kept.retention)');
-- C-06: a table that nobody cleans
-- fails: Tests/sql/retention.sql › C-06: every partitioned table has a policy
create table monitoring.security_events (at timestamptz) partition by range (at);
-- C-06: a policy without an end
-- fails: Tests/sql/retention.sql › C-06: and with it an end, but for alerts, which move to an archive of their own
update monitoring.partition_policies set retention = null where table_name = 'monitoring.system_health';
-- C-13: nothing removes old files
-- fails: Tests/sql/archive.sql › C-13: a file past the retention of archives is to be removed
select mutation.edit('monitoring_internal.mark_old_archives_at', 'when judged.is_past and judged.samples + judged.details = 0 then ''expired''', '');
-- C-14: the day to delete up to is that of the session
-- fails: Tests/sql/retention.sql › C-14: up to midnights of UTC, whatever zone the session has
create or replace function monitoring_internal.retention_cutoff_at(p_resolution text, p_retention interval, p_now timestamptz)
returns timestamptz language sql stable as $$
    select date_trunc('day', reference.at - greatest(p_retention, case when p_resolution = 'raw' then
        monitoring_internal.setting_interval('store.max_past') + interval '1 hour' end))
    from monitoring_internal.retention_reference_at(p_now) as reference (at) where reference.at is not null
$$;
-- C-15: jobs of one hour run side by side
-- fails: Tests/sql/scheduling_policies.sql › a slot waits while the job it needs runs
select mutation.edit('monitoring_internal.needs_verdict', 'from unnest(p_needs)', 'from unnest(p_needs[:0])');
-- C-15: cleaning and archiving begin at the same minute, whichever comes first
-- fails: Tests/sql/archive.sql › C-12, C-15: and is not deleted, whichever of the two jobs comes first
select mutation.edit('monitoring_internal.retention_obstacle_at', 'if (select class.is_archived', 'if false and (select class.is_archived');
-- C-16: what cannot be refreshed undoes all of the cleaning
-- fails: Tests/sql/retention.sql › C-16: what is not concerned goes
select mutation.edit('monitoring_internal.cleanup_class_at', 'v_refused := coalesce(v_refused, v_day);',
    'raise exception ''the summary cannot be refreshed: %'', v_obstacle;');
-- C-16: what is not rolled up yet is dropped all the same
-- fails: Tests/sql/rollups.sql › C-16, R-07: samples whose rollups are not complete are not dropped, by whatever else goes wrong
select mutation.edit('monitoring_internal.partition_held_by_at', 'where hold.table_name = p_table', 'where false');
-- C-17: a class has two periods at once
-- fails: Tests/sql/retention.sql › C-17: a class has one period at each resolution
create or replace function monitoring_internal.class_retentions()
returns table (retention_class text, resolution text, ordinal integer, retention interval, is_archived boolean)
language sql stable as $$
    select class.name, level.resolution, level.ordinal, level.retention, class.is_archived
    from monitoring.retention_classes as class
    cross join lateral (values ('raw', 0, class.raw_retention), ('1m', 1, class.rollup_1m), ('5m', 2, class.rollup_5m),
        ('1h', 3, class.rollup_1h), ('1h', 3, interval '90 days'), ('1d', 4, class.rollup_1d)
    ) as level (resolution, ordinal, retention)
    where level.retention is not null
$$;
-- C-17: the table's period counts where it is shorter than the class's
-- fails: Tests/sql/retention.sql › C-17: the period of a table is that of its classes, whatever its policy says
select mutation.edit('monitoring_internal.partition_retention', 'return coalesce(v_retention,', 'return least(v_retention,');
-- C-18: archiving deletes
-- fails: Tests/sql/archive.sql › C-18: archiving deletes nothing
select mutation.edit('monitoring_internal.archive_old_data_at', 'return v_marked;', 'delete from monitoring.sample_blocks; return v_marked;');
-- C-20: a metric may name any policy, and is never deleted
-- fails: Tests/sql/rollups.sql › C-20: a class that nobody defined is refused
alter table monitoring.metric_families drop constraint metric_families_retention_class_fkey;
create or replace function monitoring_internal.check_retention_classes(p_families jsonb) returns void language sql as 'select';
-- C-20: only whoever goes by the front door is asked
-- fails: Tests/sql/rollups.sql › C-20: by whatever way it comes
alter table monitoring.metric_families drop constraint metric_families_retention_class_fkey;
-- C-20: a row may name any policy
-- fails: Tests/sql/wide_names.sql › C-20: a retention policy that does not exist is refused, by its name
select mutation.edit('monitoring_internal.adopt_families', 'errcode = ''PV251''', 'errcode = ''PV250''');
