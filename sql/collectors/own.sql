-- own.sql: how pgvigil itself fares: collectors behind or failing, services, partitions, rollups, what was refused.
--! collector own
--! every 30s
--! scope home
--! tier normal
--! cap 1000

-- Collectors of a server that does not answer are left out: pg_up says that once for all of them.
--! query collectors
--! label target
--! metric overdue pgvigil_collectors_overdue gauge collectors
--!     Collectors of a server that should have run, two intervals and a minute ago at least, and did not.
--! metric failing pgvigil_collectors_failing gauge collectors
--!     Collectors of a server whose last three runs or more failed.
--! version 15-
select
    target.name as target,
    count(*) filter (
        where state.next_due_at + 2 * coalesce(collector.custom_every, collector.every) + interval '1 minute'
            < clock_timestamp()) as overdue,
    count(*) filter (where state.consecutive_failures >= 3) as failing
from monitoring.targets as target
inner join monitoring.target_databases as place on place.target_id = target.target_id
inner join monitoring.collector_states as state on state.target_database_id = place.target_database_id
inner join monitoring.collectors as collector on collector.collector_id = state.collector_id
where target.is_enabled and collector.is_enabled and place.is_enabled and place.gone_at is null
    and target.consecutive_failures = 0 and isfinite(state.next_due_at)
group by target.target_id, target.name

--! query services
--! metric instances pgvigil_service_instances gauge instances Services that reported within the last minute.
--! metric problems pgvigil_partition_problems gauge problems
--!     Partitions that are missing, left behind or full of rows that belong elsewhere.
--! version 15-
select
    (
        select count(*)
        from monitoring.service_instances as instance
        where instance.seen_at > clock_timestamp() - interval '1 minute' and not instance.is_draining
    ) as instances,
    (select count(*) from monitoring.partition_problems) as problems

--! query refused
--! label reason
--! metric samples pgvigil_rejected_samples_total counter samples Samples that the store refused.
--! version 15-
select total.reason, sum(total.rejected_total) as samples
from monitoring.rejected_sample_totals as total
group by total.reason

-- Levels that no metric has are left out, and all of them before the first refresh.
--! query rollups
--! label resolution
--! metric behind pgvigil_rollup_behind_seconds gauge seconds For how long buckets that are over wait to be rolled up.
--! metric late pgvigil_rollup_late_ranges gauge ranges Ranges of late samples that wait to be built again.
--! version 15-
select status.resolution, extract(epoch from status.behind) as behind, status.late_ranges as late
from monitoring.rollup_status as status
where status.behind is not null

-- Nothing before backups were checked once.
--! query backups
--! label problem
--! metric state pgvigil_backup_check_problem gauge problems
--!     1 when the newest check of a backup failed, or none passed within setting backup.check_within.
--! version 15-
select known.reason as problem, known.value as state
from monitoring.upkeep_signals as known
where known.signal = 'backup_check'

-- Nothing while no class is archived.
--! query archives
--! label retention_class
--! label problem
--! metric days pgvigil_archive_problems gauge days
--!     Archived days whose file is damaged or missing, or that could not be written three times in a row.
--! version 15-
select known.subject as retention_class, known.reason as problem, known.value as days
from monitoring.upkeep_signals as known
where known.signal = 'archive'

-- Nothing while nothing is refused.
--! query retention
--! label retention_class
--! label resolution
--! label reason
--! metric refused pgvigil_retention_refused_seconds gauge seconds
--!     For how long data are past their retention and may not go, once longer than setting retention.refused_within.
--! version 15-
select split_part(known.subject, ' ', 1) as retention_class, split_part(known.subject, ' ', 2) as resolution,
    known.reason, known.value as refused
from monitoring.upkeep_signals as known
where known.signal = 'retention'
