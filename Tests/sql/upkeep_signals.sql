-- What of upkeep does not go on is told: checks of backups, archives, data that may not go; and what every table's policy is.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.told(p_now timestamptz) returns setof text
language sql as $$
    select format('%s %s %s %s', found.signal, found.subject, found.reason, found.value)
    from monitoring_internal.upkeep_signals_at(p_now) as found where found.value > 0 order by 1
$$;

select is_empty('select * from monitoring.upkeep_signals', 'what nobody uses is silent');
select is((select finding from monitoring_internal.doctor_at(now()) where check_name = 'upkeep'),
    'backups are checked, archives whole, and nothing is kept past its time; or none of it is used',
    'and the doctor has no finding');

-- backups ------------------------------------------------------------------------------------------
insert into monitoring.backup_checks (source, started_at) values ('base backup', '2026-01-01 00:00Z');
select is_empty($$ select pg_temp.told('2026-01-02 00:00Z') $$, 'a check that runs is no problem');
update monitoring.backup_checks set state = 'interrupted', finished_at = '2026-01-01 01:00Z';
select is_empty($$ select pg_temp.told('2026-01-02 00:00Z') $$, 'nor is one that was interrupted');
select results_eq($$ select pg_temp.told('2026-01-16 00:00Z') $$, array['backup_check overdue overdue 1'],
    'row 33: that none passes for longer than the setting is one');
insert into monitoring.backup_checks (source, started_at, finished_at, state, error) values
    ('base backup', '2026-01-05 00:00Z', '2026-01-05 01:00Z', 'passed', null),
    ('base backup', '2026-01-06 00:00Z', '2026-01-06 01:00Z', 'failed', 'no room');
select results_eq($$ select pg_temp.told('2026-01-07 00:00Z') $$, array['backup_check failed failed 1'],
    'a failure is told at once');
select matches((select detail from monitoring_internal.backup_signals_at('2026-01-07 00:00Z') where value > 0),
    'failed: no room$', 'with the reason');
select results_eq($$ select pg_temp.told('2026-01-19 02:00Z') $$,
    array['backup_check failed failed 1', 'backup_check overdue overdue 1'], 'and then that none passed since');
insert into monitoring.backup_checks (source, started_at, finished_at, state) values
    ('base backup', '2026-01-20 00:00Z', '2026-01-20 01:00Z', 'passed');
select is_empty($$ select pg_temp.told('2026-01-20 02:00Z') $$, 'until one passes again');
select is((select count(*) from monitoring_internal.backup_signals_at('2026-01-20 02:00Z')), 2::bigint,
    'which is said as 0, so that alerts end');

-- archives -----------------------------------------------------------------------------------------
insert into monitoring.archives (retention_class, day, state, attempt, error) values
    ('compliance', '2026-01-01', 'due', 2, 'disk full'), ('compliance', '2026-01-02', 'due', 0, null);
select is_empty($$ select pg_temp.told('2026-01-20 02:00Z') $$, 'an attempt or two that fail are not told');
update monitoring.archives set attempt = 3 where error is not null;
select results_eq($$ select pg_temp.told('2026-01-20 02:00Z') $$, array['archive compliance failing 1'], 'a third is');
update monitoring.archives set state = 'damaged', attempt = 0, error = 'it is cut';
select results_eq($$ select pg_temp.told('2026-01-20 02:00Z') $$, array['archive compliance damaged 2'],
    'row 20: damaged files are');
select is((select detail from monitoring_internal.archive_signals() where value > 0), '2026-01-01: it is cut', 'and why');
delete from monitoring.archives;

-- retention ----------------------------------------------------------------------------------------
insert into monitoring.retention_states (retention_class, resolution, refused_since, refused_at, refusal) values
    ('standard', 'raw', '2025-10-01 00:00Z', '2026-01-02 00:00Z', 'packing: samples are packed until 2025-10-01');
select is_empty($$ select pg_temp.told('2026-01-02 00:00Z') $$, 'data that were to go yesterday are not told yet');
select results_eq($$ select pg_temp.told('2026-01-10 00:00Z') $$, array['retention standard raw packing 864000'],
    'row 82: what may not go for longer than the setting is, with the reason and for how long');
select is((select evidence from monitoring_internal.doctor_upkeep_at('2026-01-10 00:00Z')),
    'packing: samples are packed until 2025-10-01', 'the doctor has all of it');
update monitoring.retention_states set refusal = 'restored: 2025-10-01 stays until 2026-03-01';
select is_empty($$ select * from monitoring_internal.retention_signals_at('2026-02-10 00:00Z') $$,
    'what somebody restored is no problem');
select set_eq('select distinct signal from monitoring_internal.upkeep_signals()', array['backup_check'],
    'the view shows the same now');

-- policies -----------------------------------------------------------------------------------------
-- What keeps data of each kind that the documents name; null: they are kept, for nothing of theirs grows by time.
create temporary table kept (kind text, table_name text, policy text);
insert into kept values
    ('platform_metrics', 'monitoring.samples', 'class platform'),
    ('platform_metrics, content items', 'monitoring.sample_details', 'class platform'),
    ('system_metrics, application_metrics', 'monitoring.samples', 'class high_resolution'),
    ('usage_metrics', 'monitoring.samples', 'class usage'),
    ('performance_metrics', 'monitoring.samples', 'class standard'),
    ('metrics', 'monitoring.samples', 'class standard'),
    ('packed samples', 'monitoring.sample_blocks', 'class compliance'),
    ('their times', 'monitoring.time_vectors', 'class compliance'),
    ('summaries', 'monitoring.rollups_1m', 'class high_resolution'),
    ('summaries', 'monitoring.rollups_5m', 'class high_resolution'),
    ('summaries', 'monitoring.rollups_1h', 'class standard'),
    ('summaries', 'monitoring.rollups_1d', 'class standard');
select is_empty(
    $$ select kept.* from kept
        where to_regclass(kept.table_name) is null
            or not exists (select 1 from monitoring.partition_policies as policy
                where policy.table_name = kept.table_name and policy.is_active)
            or not exists (select 1 from monitoring.retention_classes as class
                where 'class ' || class.name = kept.policy) $$,
    'row 83: metrics of every name that the documents have are in a table with a policy, of a class that exists');
select is_empty(
    $$ select parent.partrelid::regclass from pg_partitioned_table as parent
        inner join pg_class as class on class.oid = parent.partrelid
        where class.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and not exists (select 1 from monitoring.partition_policies as policy
                where parent.partrelid in (
                    to_regclass(policy.table_name), monitoring_internal.append_parent(policy.table_name))) $$,
    'row 83: no table that grows by time is without a policy');
select set_eq(
    $$ select policy.table_name from monitoring.partition_policies as policy
        where policy.retention is null
            and not exists (select 1 from monitoring_internal.retention_forms() as form
                where form.table_name = policy.table_name) $$,
    -- Open alerts never expire; closed ones move to the archive, which is kept; times go with the blocks that have them.
    array['monitoring.alerts', 'monitoring.alerts_archive', 'monitoring.time_vectors'],
    'row 83: nothing else is kept for ever');
select results_eq(
    $$ select policy.table_name, policy.retention from monitoring.partition_policies as policy
        where policy.table_name = any (array['monitoring.system_health', 'monitoring.business_metrics',
            'monitoring.statement_intervals', 'monitoring.alert_transitions', 'monitoring.job_runs',
            'monitoring.collector_runs', 'monitoring.target_events', 'monitoring.audit_logs']) order by 1 $$,
    $$ values
        -- What the documents call alert_logs, business_metrics, logs, query_performance, events, security_events.
        ('monitoring.alert_transitions', interval '400 days'), ('monitoring.audit_logs', '1825 days'),
        ('monitoring.business_metrics', '1825 days'), ('monitoring.collector_runs', '14 days'),
        ('monitoring.job_runs', '60 days'), ('monitoring.statement_intervals', '35 days'),
        ('monitoring.system_health', '30 days'), ('monitoring.target_events', '400 days') $$,
    'row 83: logs, events, health and audit go by policies of their own');
select results_eq(
    $$ select name, value::interval from monitoring.settings
        where name in ('alerting.correlation_retention', 'alerting.archive_after', 'audit.retention_floor') order by 1 $$,
    $$ values ('alerting.archive_after', interval '365 days'), ('alerting.correlation_retention', '90 days'),
        ('audit.retention_floor', '365 days') $$, 'row 83: correlations and alerts by settings, audit with a floor');
select results_eq(
    $$ select name, raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d from monitoring.retention_classes order by 1 $$,
    $$ values
        ('compliance', interval '7 years', null::interval, null::interval, interval '7 years', interval '10 years'),
        ('high_resolution', '7 days', '30 days', '90 days', '365 days', '10 years'),
        ('platform', '30 days', null, null, '90 days', '10 years'),
        ('standard', '90 days', null, null, '400 days', '10 years'),
        ('usage', '1 year', null, null, '1 year', '10 years') $$, 'row 83: the classes keep what the documents ask for');

select * from finish();
rollback;
