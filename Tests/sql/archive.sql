-- Archives: what is due, leases and fences, reports, restoration, and that nothing is dropped before its file is whole.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'Asia/Kolkata';
set local extra_float_digits = 0;
select no_plan();

create function pg_temp.try(p_sql text) returns text
language plpgsql as $$
declare
    v_value text;
begin
    execute p_sql into v_value;
    return v_value;
exception when others then
    return sqlstate || ' ' || sqlerrm;
end
$$;

create function pg_temp.settle(p_now timestamptz) returns void
language plpgsql as $$
declare
    v_rollup monitoring_internal.rollup_step;
begin
    -- Packing waits for rollups, and what comes late is rolled up again.
    for v_round in 1..2 loop
        loop
            v_rollup := monitoring_internal.refresh_next_rollup_at(9, null, p_now);
            exit when v_rollup.action is null;
        end loop;
        while monitoring_internal.pack_next_at(p_now) is not null loop
        end loop;
    end loop;
end
$$;

create function pg_temp.points() returns text
language sql as $$
    select string_agg(format('%s %s %s', point.series_id, extract(epoch from point.sampled_at), encode(float8send(point.value), 'hex')),
        ' ' order by point.series_id, point.sampled_at)
    from monitoring_internal.read_points(
        array(select series_id from monitoring.series), '2026-01-01 00:00Z', '2026-01-02 00:00Z') as point
$$;

create function pg_temp.obstacle(p_now timestamptz) returns text
language sql as $$
    select monitoring_internal.retention_obstacle_at(
        'compliance', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z', p_now)
$$;

set local role monitoring_owner;
-- Samples in the place of years: a class of days, hours and all; nothing but days is rolled up.
update monitoring.retention_classes set raw_retention = '4 days', rollup_1h = null, archive_retention = '6 days'
where name = 'compliance';
update monitoring.partition_policies set partition_interval = '1 day'
where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
select monitoring_internal.register_families('[
    {"name": "evidence", "kind": "gauge", "retention_class": "compliance"}]') > 0 as is_registered \gset
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2026-01-01 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z') > 0 as is_made \gset
select monitoring_internal.ingest_samples_at(
    array['evidence', 'evidence', 'evidence', 'evidence', 'evidence'],
    array['{"path": "a\\b\tc\"d"}', '{"path": "a\\b\tc\"d"}', '{"path": "a\\b\tc\"d"}', '{}', '{}']::jsonb[],
    array['-0', 0.1, 1.7e30, 0.3333333333333333, 123456789.123456789]::double precision[],
    array['2026-01-01 00:00Z', '2026-01-01 00:00:00.000001Z', '2026-01-01 23:59:59.999999Z', '2026-01-01 10:00Z',
        '2026-01-01 10:00:10Z']::timestamptz[], null, '2026-01-01 23:59:59Z') is not null as is_ingested \gset
select monitoring_internal.ingest_samples_at(array['evidence'], array[jsonb '{}'], array[1.0],
        array[timestamptz '2026-01-04 10:00Z'], null, '2026-01-04 10:00Z'),
    monitoring_internal.ingest_samples_at(array['evidence'], array[jsonb '{}'], array[1.0],
        array[timestamptz '2026-01-08 10:00Z'], null, '2026-01-08 10:00Z');

-- what is due -------------------------------------------------------------------------------------
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:00Z'), 0::bigint, 'what is not packed is not archived');
select pg_temp.settle('2026-01-09 01:00Z');
select is(pg_temp.obstacle('2026-01-09 01:00Z'), 'archive: 2026-01-01 is not written yet',
    'C-01, row 82: a day of an archived class stays until it is archived');
select is(monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z'), 0::bigint,
    'C-12, C-15: and is not deleted, whichever of the two jobs comes first');
select matches(
    monitoring_internal.partition_obstacle_at(
        'monitoring.sample_blocks', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z'),
    '^archive: 2026-01-01', 'C-01: nor does its partition go');
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:00Z'), 2::bigint, 'two days are marked');
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:00Z'), 0::bigint, 'once');
select is((select count(*) from monitoring.sample_blocks), 3::bigint, 'C-18: archiving deletes nothing');

-- leases ------------------------------------------------------------------------------------------
create temporary table claim as
select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', null, null, '2026-01-09 01:00Z') as claimed;
select results_eq(
    'select action, retention_class, day::text, generation from claim',
    $$ values ('write'::text, 'compliance'::text, '2026-01-01'::text, 0) $$, 'the oldest day is claimed first');
select is(
    (select day::text from monitoring_internal.claim_archive_at(
        '00000000-0000-4000-8000-00000000000b', null, null, '2026-01-09 01:00Z')),
    '2026-01-04', 'another service gets another day');
select is_empty(
    $$ select 1 from monitoring_internal.claim_archive_at(
        '00000000-0000-4000-8000-00000000000b', null, null, '2026-01-09 01:00Z') $$, 'and no third one');
create temporary table later as
select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000b', null, null, '2026-01-09 01:06Z') as claimed;
select is((select archive_id from later), (select archive_id from claim), 'after the lease another takes it over');
-- Files are deleted after both: no crash of a server that commits without waiting may bring back what names them.
set local synchronous_commit = off;
select ok(
    (select count(*) > 0 from later cross join lateral monitoring_internal.take_archive_at(
        '00000000-0000-4000-8000-00000000000b', later.archive_id, null, '2026-01-09 01:06Z'))
    and current_setting('synchronous_commit') = 'local', 'commit_to_disk: a claim is on disk before its file is touched');
update later set fence = fence + 1;
set local synchronous_commit = off;
select ok(
    (select count(*) > 0 from later cross join lateral monitoring_internal.held_archive(later.archive_id, later.fence))
    and current_setting('synchronous_commit') = 'local', 'and a report before older files are removed');
select matches(
    pg_temp.try($$ select monitoring_internal.finish_archive_at(archive_id, fence, 'file:///x', 'a.gz', '{}', now())
        from claim $$), '^PV240', 'and who had it before cannot report');
select matches(
    pg_temp.try($$ select monitoring_internal.claim_archive_at(
        '00000000-0000-4000-8000-00000000000c', archive_id, 'verify', '2026-01-09 01:07Z') from claim $$),
    '^PV243', 'what has no file cannot be read');

-- content -----------------------------------------------------------------------------------------
select results_eq(
    $$ select tenant, metric, kind, labels, samples, offsets, sample_values, first_sample_at, last_sample_at
        from monitoring_internal.archive_lines('2026-01-01', array(
            select series_id from monitoring_internal.class_day_series('compliance', '2026-01-01'))) order by samples $$,
    $$ values
        ('system', 'evidence', 'gauge', '{}', 2::bigint, '{36000000000,10000000}', '{0.3333333333333333,123456789.12345679}',
            '2026-01-01 10:00:00+00', '2026-01-01 10:00:10+00'),
        ('system', 'evidence', 'gauge', '{"path": "a\\b\tc\"d"}', 3, '{0,1,86399999998}',
            '{-0,0.1,1.7e+30}', '2026-01-01 00:00:00+00', '2026-01-01 23:59:59.999999+00') $$,
    'every value is written exactly, whatever the session''s settings');

-- reports -----------------------------------------------------------------------------------------
create function pg_temp.facts(p_rows integer) returns jsonb language sql as $$
    select jsonb_build_object('rows', p_rows, 'series', 2, 'file_bytes', 100, 'content_bytes', 200, 'file_sha256', 'aa',
        'content_sha256', 'bb', 'first_sample_at', '2026-01-01 00:00Z', 'last_sample_at', '2026-01-01 23:00Z')
$$;
select matches(
    pg_temp.try($$ select monitoring_internal.finish_archive_at(
        archive_id, fence, 'file:///x', 'a.gz', pg_temp.facts(4), '2026-01-09 01:07Z') from later $$),
    '^PV241', 'C-02: a file with fewer samples than the store is none');
select matches(
    pg_temp.try($$ select monitoring_internal.finish_archive_at(
        archive_id, fence, 'file:///x', 'a.gz', '{}', '2026-01-09 01:07Z') from later $$), '^PV241', 'C-02: nor is an empty one');
select lives_ok($$ select monitoring_internal.fail_archive_at(archive_id, fence, 'disk full', '2026-01-09 01:07Z')
    from later $$, 'an attempt that failed is told');
select is(pg_temp.obstacle('2026-01-09 01:00Z'), 'archive: 2026-01-01 is not written yet: disk full',
    'and says why the day stays');
select is((select due_at from monitoring.archives where day = '2026-01-01'), '2026-01-09 01:12Z'::timestamptz,
    'it is tried again after a pause');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', null, null, '2026-01-09 01:20Z') as claimed;
select is((select day::text from claim), '2026-01-04', 'the other day, whose lease is over, comes first');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', null, null, '2026-01-09 01:20Z') as claimed;
select lives_ok($$ select monitoring_internal.finish_archive_at(
    archive_id, fence, 'file:///x', 'a.gz', pg_temp.facts(5), '2026-01-09 01:21Z') from claim $$,
    'a file with as many samples counts');
select is(pg_temp.obstacle('2026-01-09 01:22Z'), null, 'row 20: and its day may go');
select matches(pg_temp.obstacle('2026-01-20 01:22Z'), '^archive: the file of 2026-01-01 was last read',
    'if it was read lately');

savepoint written;
select monitoring_internal.ingest_samples_at(array['evidence'], array[jsonb '{"late": "1"}'], array[1.0],
    array[timestamptz '2026-01-01 10:00Z'], null, '2026-01-01 12:00Z') is not null as is_ingested \gset
select pg_temp.settle('2026-01-09 01:00Z');
select matches(pg_temp.obstacle('2026-01-09 01:22Z'), 'the file of 2026-01-01 holds 5 samples, the store 6',
    'C-02: a sample that came afterwards keeps the day');
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:23Z'), 1::bigint, 'which is written again');
rollback to savepoint written;

truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', (select archive_id from later), 'verify', '2026-01-09 02:00Z') as claimed;
select lives_ok($$ select monitoring_internal.check_archive_at(archive_id, fence, 'the file is cut', '2026-01-09 02:00Z')
    from claim $$, 'a damaged file is told');
select is(pg_temp.obstacle('2026-01-09 02:22Z'), 'archive: the file of 2026-01-01 is damaged: the file is cut',
    'row 20: a corrupted file stops the drop');
select is(monitoring_internal.cleanup_old_metrics_at('2026-01-09 02:30Z'), 0::bigint, 'nothing is deleted then');
select is(monitoring_internal.archive_old_data_at('2026-01-09 02:30Z'), 1::bigint, 'and the day is written anew');
rollback to savepoint written;

-- dropped, restored, dropped again -----------------------------------------------------------------
create temporary table before as select pg_temp.points() as points;
create temporary table lines as
select line.* from monitoring_internal.archive_lines('2026-01-01', array(select series_id from monitoring.series))
    as line;
select cmp_ok(monitoring_internal.cleanup_old_metrics_at('2026-01-09 02:00Z'), '>', 0::bigint, 'the day goes');
select is(pg_temp.points(), null, 'all of it');
select isnt((select dropped_at from monitoring.archives where day = '2026-01-01'), null, 'which the archive knows');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', (select archive_id from later), 'restore', '2026-01-09 03:00Z') as claimed;
select monitoring_internal.begin_restore_at(archive_id, fence, null, '2026-01-09 03:00Z') is null as is_begun
from claim \gset
select matches(
    pg_temp.try('select monitoring_internal.finish_restore_at(archive_id, fence, ''2026-01-09 03:00Z'') from claim'),
    '^PV242', 'a day that is not all there is not restored');
select is(
    array(select monitoring_internal.restore_series(claim.archive_id, claim.fence, line.tenant_id::uuid, line.tenant,
            line.metric, line.kind, line.labels::jsonb, line.offsets::bigint[], line.sample_values::float8[])
        from lines as line cross join claim order by line.samples),
    array[2, 3]::bigint[], 'row 21: samples come back');
select is(
    (select sum(monitoring_internal.restore_series(claim.archive_id, claim.fence, line.tenant_id::uuid, line.tenant,
            line.metric, line.kind, line.labels::jsonb, line.offsets::bigint[], line.sample_values::float8[]))
        from lines as line cross join claim),
    0::numeric, 'once, however often');
select is(pg_temp.points(), (select points from before), 'row 21: to the last bit');
select lives_ok(
    $$ select monitoring_internal.finish_restore_at(archive_id, fence, '2026-01-09 03:01Z') from claim $$,
    'the restoration ends');
select pg_temp.settle('2026-01-09 03:00Z');
select is(pg_temp.points(), (select points from before), 'row 21: as blocks too');
select matches(pg_temp.obstacle('2026-01-09 04:00Z'), '^restored: 2026-01-01 stays until 2026-01-16',
    'it stays for a while');
select is(monitoring_internal.cleanup_old_metrics_at('2026-01-09 04:00Z'), 0::bigint, 'and is not deleted at once');
update monitoring.archives set restored_until = '2026-01-09 05:00Z' where restored_until is not null;
select cmp_ok(monitoring_internal.cleanup_old_metrics_at('2026-01-09 05:01Z'), '>', 0::bigint, 'but afterwards');

-- a clock that was ahead ---------------------------------------------------------------------------
savepoint before_jump;
update monitoring.archives
set due_at = '2027-01-09 01:00Z', lease_instance_id = '00000000-0000-4000-8000-00000000000b',
    lease_expires_at = '2027-01-09 02:00Z', verified_at = case when state = 'verified' then timestamptz '2027-01-09 01:00Z' end;
select monitoring_internal.settle_archive_times_at('2026-01-09 06:00Z');
select results_eq(
    $$ select distinct due_at, lease_expires_at, coalesce(verified_at, '2026-01-09 06:00Z') from monitoring.archives $$,
    $$ values (timestamptz '2026-01-09 06:00Z', timestamptz '2026-01-09 06:05Z', timestamptz '2026-01-09 06:00Z') $$,
    'what a clock that was ahead left in the future is due now, and leased no longer than any');
rollback to savepoint before_jump;
update monitoring.archives set day = '2026-01-07', due_at = null, dropped_at = '2026-01-09 05:01Z' where archive_id = (select archive_id from later);
select monitoring_internal.archive_old_data_at('2027-01-10 01:00Z') is not null as is_marked \gset
select is(
    (select state from monitoring.archives where archive_id = (select archive_id from later)), 'verified',
    'and no file is removed by it');
rollback to savepoint before_jump;

-- the end of files ---------------------------------------------------------------------------------
select is(monitoring_internal.archive_old_data_at('2026-01-10 01:00Z'), 1::bigint,
    'C-13: a file past the retention of archives is to be removed');
update monitoring.archives set due_at = null where day = '2026-01-04';
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', null, null, '2026-01-10 01:00Z') as claimed;
select is((select action from claim), 'remove', 'C-12: by whoever has the files');
select lives_ok('select monitoring_internal.remove_archive(archive_id, fence) from claim', 'and is');
select is((select state from monitoring.archives where day = '2026-01-01'), 'removed', 'which is noted');
select matches(pg_temp.try($$ select count(*) from monitoring_internal.find_archives('compliance', '2026-01-01', '2026-01-01') $$),
    '^PV243', 'it is found no longer');
select is((select count(*) from monitoring_internal.list_archives()), 2::bigint, 'and listed all the same');

select * from finish();
rollback;
