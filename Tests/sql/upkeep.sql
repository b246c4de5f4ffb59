-- Upkeep: growth, statistics of partitioned tables, indexes to rebuild; what services and people call of archives.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.as_role(p_role name, p_sql text) returns text
language plpgsql as $$
declare
    v_value text;
begin
    execute format('set local role %I', p_role);
    execute p_sql into v_value;
    execute 'reset role';
    return v_value;
exception when others then
    return sqlstate;
end
$$;

-- growth -------------------------------------------------------------------------------------------
select cmp_ok(monitoring_internal.measure_growth_at('2026-01-01 00:00Z'), '>', 40::bigint, 'every table is measured');
select is(monitoring_internal.measure_growth_at('2026-01-01 10:00Z'), 0::bigint, 'once a day');
insert into monitoring.settings (name, value, default_value, kind, description)
select 'filler.x' || translate(n::text, '0123456789', 'abcdefghij'), repeat('x', 400), '', 'text', '' from generate_series(1, 2000) as n;
select cmp_ok(monitoring_internal.measure_growth_at('2026-01-31 00:00Z'), '>', 40::bigint, 'and again later');
select results_eq(
    $$ select compared_with, grown_bytes > 500000, grown_bytes = bytes_per_month, partition_count
        from monitoring.growth_report where table_name = 'monitoring.settings' $$,
    $$ values ('2026-01-01 00:00Z'::timestamptz, true, true, 0) $$, 'row 84: the report tells what a table grew by in a month');
select cmp_ok(
    (select partition_count from monitoring.growth_report where table_name = 'monitoring.samples'), '>', 1,
    'partitions count as one table');
select is(
    pg_temp.as_role('monitoring_service', 'select monitoring.measure_growth() > 0'), 'true', 'the service measures');
select is(
    pg_temp.as_role('monitoring_reader', 'select monitoring.measure_growth()'), '42501', 'readers do not');

-- statistics ---------------------------------------------------------------------------------------
select is(
    (select count(*) from pg_statistic where starelid = 'monitoring.settings'::regclass and stainherit), 0::bigint,
    'before');
select lives_ok($$ select monitoring_internal.analyze_parent('monitoring.rejected_samples') $$, 'a parent is analysed');
select lives_ok($$ select monitoring_internal.analyze_parent('pg_catalog.pg_class; drop table x') $$,
    'a name that is no table of ours is passed over');
select ok(
    (select prokind = 'p' from pg_proc where oid = 'monitoring.analyze_parents()'::regprocedure),
    'row 84: all of them by one procedure, a transaction each');

-- indexes ------------------------------------------------------------------------------------------
set local role monitoring_owner;
create table monitoring_partitions.broken (a integer, b integer);
create index broken_a_idx on monitoring_partitions.broken (a);
create index broken_b_idx on monitoring_partitions.broken (b);
reset role;
update pg_index set indisvalid = false where indexrelid = 'monitoring_partitions.broken_a_idx'::regclass;
select results_eq(
    $$ select index_name, reason from monitoring_internal.rebuildable_indexes_at('2026-01-31 00:00Z') $$,
    $$ values ('monitoring_partitions.broken_a_idx'::text, 'invalid'::text) $$, 'an invalid index is to be rebuilt');
select is(
    (select count(*) from monitoring_internal.list_rebuilds()), 1::bigint, 'list_rebuilds shows it to people');
select is(
    (select statement from monitoring_internal.claim_rebuild()),
    'reindex index concurrently monitoring_partitions.broken_a_idx',
    'P-09, S-23: concurrently, as a statement of a session');
select is(
    (select count(*) from monitoring_internal.claim_rebuild_at(1, clock_timestamp())), 0::bigint,
    'and by nobody else meanwhile');
select lives_ok(
    $$ select monitoring_internal.finish_rebuild(index_rebuild_id, 'lock not available') from monitoring.index_rebuilds $$,
    'its end is told');
select is(
    (select count(*) from monitoring_internal.claim_rebuild()), 0::bigint, 'and it is not tried again at once');
select throws_ok(
    $$ do $x$ begin execute 'reindex table concurrently monitoring.samples'; end $x$ $$, '25001', null,
    'S-23: no function could do it');

-- backups ------------------------------------------------------------------------------------------
create temporary table counts as
select jsonb_object_agg(counted.table_name, counted.row_count) as counted
from monitoring_internal.backup_counts() as counted;
select cmp_ok((select count(*) from counts, jsonb_each(counted)), '>', 60::bigint, 'every table is counted');
select ok(monitoring_internal.backup_obstacle() is null, 'a superuser may take a base backup');
select is(
    monitoring_internal.finish_backup_check(
        monitoring_internal.begin_backup_check('base backup'), 1, counted, counted, counted, null),
    'passed', 'row 33: a backup with as many rows passes') from counts;
select is(
    monitoring_internal.finish_backup_check(
        monitoring_internal.begin_backup_check('base backup'), 1, counted, counted,
        counted || '{"monitoring.settings": 3}', null),
    'failed', 'row 33: one with fewer rows does not') from counts;
select is(
    (select differences #>> '{0,table}' from monitoring.backup_checks where state = 'failed'), 'monitoring.settings',
    'and tells the table');
select is(
    (select result.table_count from monitoring_internal.backup_check_result(
        (select max(backup_check_id) from monitoring.backup_checks)) as result),
    (select count(*)::integer from counts, jsonb_each(counted)), 'backup_check_result shows it');
select is(
    monitoring_internal.finish_backup_check(
        monitoring_internal.begin_backup_check('base backup'), 1, counted,
        counted || '{"monitoring.series": 100}', counted || '{"monitoring.series": 50}', null),
    'passed', 'what came while the backup was taken is allowed for') from counts;
select is(
    monitoring_internal.finish_backup_check(
        monitoring_internal.begin_backup_check('/backup'), 1, counted, null, counted - 'monitoring.series', null),
    'failed', 'a table that an old backup lacks is told too') from counts;

-- what services call -------------------------------------------------------------------------------
select is(monitoring_internal.count_class_day('compliance', '2026-01-01'), 0::bigint, 'a day without samples');
insert into monitoring.archives (retention_class, day, due_at) values ('compliance', '2026-01-01', '2026-01-02 00:00Z');
select is(monitoring_internal.next_archive_delay() < interval '0', true, 'a day that is due is overdue');
create temporary table claim as
select claimed.* from monitoring_internal.claim_archive('00000000-0000-4000-8000-00000000000a') as claimed;
select is((select action from claim), 'write', 'claim_archive leases it');
select lives_ok('select monitoring_internal.hold_archive(archive_id, fence) from claim', 'hold_archive extends the lease');
select throws_ok(
    'select monitoring_internal.hold_archive(archive_id, fence - 1) from claim', 'PV240', null, 'of the holder alone');
select lives_ok(
    $$ select monitoring_internal.fail_archive(archive_id, fence, null) from claim $$, 'fail_archive gives it back');
select is((select attempt from monitoring.archives), 0, 'without an error no attempt is counted');
insert into claim
select claimed.* from monitoring_internal.claim_archive('00000000-0000-4000-8000-00000000000a') as claimed;
select lives_ok(
    $$ select monitoring_internal.finish_archive(archive_id, fence, 'file:///x', 'a.gz',
        '{"rows": 0, "series": 0, "file_bytes": 1, "content_bytes": 1, "file_sha256": "a", "content_sha256": "b",
            "first_sample_at": null, "last_sample_at": null}')
        from claim order by fence desc limit 1 $$, 'finish_archive takes the report');
select is((select row_count from monitoring_internal.archive_facts((select archive_id from claim limit 1))), 0::bigint,
    'archive_facts shows it');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive(
    '00000000-0000-4000-8000-00000000000a', (select archive_id from monitoring.archives), 'verify') as claimed;
select lives_ok('select monitoring_internal.check_archive(archive_id, fence, null) from claim', 'check_archive reports');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive(
    '00000000-0000-4000-8000-00000000000a', (select archive_id from monitoring.archives), 'restore') as claimed;
select lives_ok($$ select monitoring_internal.begin_restore(archive_id, fence, '1 day') from claim $$, 'begin_restore opens');
select throws_ok(
    $$ select monitoring_internal.restore_series(archive_id, fence, gen_random_uuid(), 'nobody', 'm', 'gauge', '{}',
        '{1}', '{1}') from claim $$, 'PV244', null, 'samples of a tenant that is gone are not restored');
select lives_ok('select monitoring_internal.finish_restore(archive_id, fence) from claim', 'finish_restore ends');
select is(monitoring.archive_old_data() is not null, true, 'archive_old_data marks what is due');
select is(monitoring.cleanup_old_metrics(), 0::bigint, 'cleanup_old_metrics finds nothing in an empty store');
select is(
    (select count(*) from monitoring.retention_status where resolution = 'raw'),
    (select count(*) from monitoring.retention_classes), 'retention_status shows every class');
select is(pg_temp.as_role('monitoring_admin', 'select count(*) > 0 from monitoring.retention_status'), 'true',
    'to administrators');
select is(
    (select count(distinct proname) from pg_proc where pronamespace = 'monitoring_internal'::regnamespace
        and proname in (
            'retention_status', 'retention_status_at', 'retention_forms', 'retention_reference_at',
            'retention_cutoff_at', 'cleanup_lock_key', 'delete_class_day', 'request_rebuild', 'class_days_at',
            'cleanup_class_at', 'next_resolution', 'rollup_obstacle', 'archive_obstacle_at', 'partition_obstacle_at',
            'forget_deleted_until', 'note_dropped_at', 'mark_new_archives_at', 'mark_old_archives_at',
            'take_archive_at', 'held_archive', 'restored_series')),
    21::bigint, 'what these are made of, each tested through them');

select * from finish();
rollback;
