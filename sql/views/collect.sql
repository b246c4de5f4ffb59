-- views/collect.sql: what ran, what did not and why; which metrics there are; where measurements are missing.
-- All are invoker-rights: the policies of the tables under them decide.

create or replace view monitoring.collector_status
with (security_invoker = true)
as
select
    collector.name,
    case
        when not collector.is_enabled then 'disabled'
        else coalesce(run.status, 'never run')
    end as status,
    case
        when state.is_breaker_open then format(
            '%s failures in a row, next try at %s: %s',
            state.consecutive_failures, state.next_due_at, run.reason)
        else run.reason
    end as reason,
    run.remedy,
    run.sqlstate,
    run.started_at as last_started_at,
    state.last_ok_at,
    state.next_due_at,
    coalesce(collector.custom_every, collector.every) as every,
    collector.tier,
    collector.scope,
    run.duration_seconds,
    run.rows_read,
    run.samples,
    run.rejected,
    run.folded,
    run.excluded,
    run.gaps,
    state.consecutive_failures,
    state.is_breaker_open,
    state.lease_instance_id as running_instance_id,
    collector.description,
    target.name as target,
    case when place.is_home then current_database()::text else place.datname end as datname,
    place.target_database_id
from monitoring.collectors as collector
inner join monitoring.collector_states as state using (collector_id)
inner join monitoring.target_databases as place using (target_database_id)
inner join monitoring.targets as target on target.target_id = place.target_id
left join lateral (
    select log.*
    from monitoring.collector_runs as log
    where log.collector_id = collector.collector_id and log.target_database_id = state.target_database_id
    order by log.started_at desc, log.collector_run_id desc
    limit 1
) as run on true;

comment on view monitoring.collector_status is
    'One row a collector and database: how its last run ended, and if not well, why and which statement mends it.';
comment on column monitoring.collector_status.name is 'The collector.';
comment on column monitoring.collector_status.status is
    'ok, skipped, unavailable, failed, timed_out; disabled; never run.';
comment on column monitoring.collector_status.reason is
    'Why it is not ok; with an open breaker also when it tries again.';
comment on column monitoring.collector_status.remedy is 'The statement that mends it, where one does.';
comment on column monitoring.collector_status.sqlstate is 'SQLSTATE of the failure.';
comment on column monitoring.collector_status.last_started_at is 'When its last run began.';
comment on column monitoring.collector_status.last_ok_at is 'When it last ended well.';
comment on column monitoring.collector_status.next_due_at is 'When it is due next; -infinity: at once.';
comment on column monitoring.collector_status.every is 'Its interval.';
comment on column monitoring.collector_status.tier is 'fast, normal or slow: its time limit.';
comment on column monitoring.collector_status.scope is 'instance: once a server; database: once a database.';
comment on column monitoring.collector_status.duration_seconds is 'How long the last run took.';
comment on column monitoring.collector_status.rows_read is 'Rows its queries gave.';
comment on column monitoring.collector_status.samples is 'Samples stored.';
comment on column monitoring.collector_status.rejected is 'Samples refused by the store.';
comment on column monitoring.collector_status.folded is 'Things folded into another row by the cap.';
comment on column monitoring.collector_status.excluded is 'Things left out on purpose, such as own sessions.';
comment on column monitoring.collector_status.gaps is 'Rows that could not be measured; see collector_gaps.';
comment on column monitoring.collector_status.consecutive_failures is 'Failures since the last good run.';
comment on column monitoring.collector_status.is_breaker_open is 'Whether it backs off because of them.';
comment on column monitoring.collector_status.running_instance_id is 'The service instance that runs it now.';
comment on column monitoring.collector_status.description is 'What it measures.';
comment on column monitoring.collector_status.target is 'The server; local: that of this database.';
comment on column monitoring.collector_status.datname is 'The database.';
comment on column monitoring.collector_status.target_database_id is 'Key of the database; 0: this one.';

create or replace view monitoring.collector_metrics
with (security_invoker = true)
as
select
    collector.name as collector,
    metric.name as metric,
    metric.kind,
    metric.unit,
    metric.help,
    coalesce(label.names, '{}') as labels
from monitoring.collectors as collector
inner join monitoring.collector_columns as metric
    on metric.collector_id = collector.collector_id and metric.usage = 'metric'
left join lateral (
    select array_agg(part.name order by part."position") as names
    from monitoring.collector_columns as part
    where part.collector_id = metric.collector_id and part.query = metric.query and part.usage = 'label'
) as label on true;

comment on view monitoring.collector_metrics is
    'Every metric that a collector measures, with its kind, unit and labels.';
comment on column monitoring.collector_metrics.collector is 'The collector.';
comment on column monitoring.collector_metrics.metric is 'The metric.';
comment on column monitoring.collector_metrics.kind is 'counter or gauge.';
comment on column monitoring.collector_metrics.unit is 'Unit of its values.';
comment on column monitoring.collector_metrics.help is 'What it says.';
comment on column monitoring.collector_metrics.labels is 'Names of its labels.';
