-- What rows say beside samples goes with them into files, out of the store and back; orphans of writers that were killed.
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

-- All that the wide names show of the first day.
create function pg_temp.rows() returns text
language sql set timezone = 'UTC' set extra_float_digits = 1 as $$
    select string_agg(line, E'\n' order by line)
    from (
        select row(shown.*)::text as line from monitoring.performance_metrics as shown
        where shown.metric_name = 'evidence' and shown.collected_at < '2026-01-02 00:00Z'
        union all
        select row(shown.*)::text from monitoring.platform_metrics as shown where shown."time" < '2026-01-02 00:00Z'
    ) as given
$$;

create function pg_temp.say(p_row jsonb, p_at timestamptz) returns boolean
language sql as $$
    select monitoring_internal.insert_performance_metric_at(
        p_row || jsonb_build_object('metric_name', 'evidence', 'retention_policy', 'compliance', 'collected_at', p_at),
        (p_row ->> 'value')::double precision, p_at + interval '1 minute')
$$;

create function pg_temp.report(p_platform jsonb, p_at timestamptz) returns boolean
language sql as $$
    select monitoring_internal.insert_platform_metric_at(
        p_platform || jsonb_build_object('platform', 'video', 'time', p_at),
        (p_platform ->> 'value')::double precision, p_at + interval '1 minute')
$$;

set local role monitoring_owner;
update monitoring.retention_classes set raw_retention = '4 days', rollup_1h = null, archive_retention = '9 days',
    is_archived = true
where name = 'compliance';
update monitoring.partition_policies set partition_interval = '1 day'
where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
select monitoring_internal.register_families('[
    {"name": "views", "kind": "gauge", "retention_class": "compliance"}]') > 0 as is_registered \gset
select monitoring_internal.create_partitions_at(
        'monitoring.samples', '2026-01-01 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z') > 0 as is_made,
    monitoring_internal.create_partitions_at(
        'monitoring.sample_details', '2026-01-01 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z') > 0 as is_made_too
\gset
create temporary table said as
select pg_temp.say(given.said, given.at) as is_new
from (values
    (jsonb '{"value": 1, "tags": {"path": "a\\b\tc\"d\né", "deep": {"x": null}}, "is_anomaly": true,
        "anomaly_score": 0.1, "dimensions": {"host": "a"}, "id": "00000000-0000-4000-8000-000000000001"}',
        timestamptz '2026-01-01 10:00:00.000001Z'),
    ('{"value": 2, "dimensions": {"host": "a"}}', '2026-01-01 11:00Z'),
    ('{"value": 3, "dimensions": {"host": "b"}, "metric_unit": "s", "baseline_value": 1e-30}', '2026-01-01 12:00Z'),
    ('{"value": 1}', '2026-01-04 10:00Z'),
    ('{"value": 1}', '2026-01-08 10:00Z')) as given (said, at);
insert into said
select pg_temp.report(given.said, timestamptz '2026-01-01 13:00Z' + given.place * interval '1 second')
from (values
    -- The platform's own series has no sample that day: only its items have values.
    (1, jsonb '{"metric_type": "views", "value": 12, "content_id": "tab\there", "tags": {"lang": "de"}}'),
    (2, '{"metric_type": "views", "value": 0.1, "content_id": "second", "metadata": {"a": [1, null]},
        "quality_score": 0.25, "validation_errors": ["late"], "author_id": "eve"}')) as given (place, said);
select is((select count(*) from said where is_new), 7::bigint, 'all rows are new');
select pg_temp.settle('2026-01-09 01:00Z');
create temporary table before as select pg_temp.rows() as rows;

-- files --------------------------------------------------------------------------------------------
select is(monitoring_internal.count_class_day_details('compliance', '2026-01-01'), 4::bigint,
    'what was said beside samples is counted, content items among it');
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:00Z'), 2::bigint, 'two days are to be written');
create temporary table claim as
select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', null, null, '2026-01-09 01:00Z') as claimed;
select matches((select file_mark from claim), '^[0-9a-f]{8}$', 'a claim says what this store''s files are marked with');
create temporary table lines as
select line.*, row_number() over () as place,
    count(line.tenant_id) over (rows unbounded preceding) as series_place
from monitoring_internal.archive_lines('2026-01-01', array(
    select series_id from monitoring_internal.class_day_series('compliance', '2026-01-01'))) as line;
select is((select string_agg(case when detail is null then samples::text else '+' end, '' order by place) from lines),
    '2+1+0++', 'details stand behind their series, of which one has no sample');
select is((select detail::jsonb - 'id' from lines where detail like '%anomaly%'),
    '{"at": 36000000001, "tags": {"path": "a\\b\tc\"d\né", "deep": {"x": null}}, "details":
        {"id": "00000000-0000-4000-8000-000000000001", "is_anomaly": "true", "anomaly_score": "0.1"}}'::jsonb,
    'with time, tags and columns, nulls inside kept');

create function pg_temp.facts(p_rows integer, p_details integer) returns jsonb language sql as $$
    select jsonb_build_object('rows', p_rows, 'series', 3, 'details', p_details, 'file_bytes', 100,
        'content_bytes', 200, 'file_sha256', 'aa', 'content_sha256', 'bb', 'first_sample_at', '2026-01-01 00:00Z',
        'last_sample_at', '2026-01-01 23:00Z')
$$;
select matches(pg_temp.try(format($$ select monitoring_internal.finish_archive_at(
        archive_id, fence, 'file:///x', 'a.gz', pg_temp.facts(3, %s), '2026-01-09 01:01Z') from claim $$, wrong)),
    '^PV241', format('row 20: a file with %s of four details counts for nothing', wrong))
from unnest(array[3, 5]) as wrong;
select matches(pg_temp.try($$ select monitoring_internal.finish_archive_at(
        archive_id, fence, 'file:///x', 'a.gz', pg_temp.facts(3, 0) - 'details', '2026-01-09 01:01Z') from claim $$),
    '^PV241', 'nor does one that knows of none');
select lives_ok($$ select monitoring_internal.finish_archive_at(
    archive_id, fence, 'file:///x', 'a.gz', pg_temp.facts(3, 4), '2026-01-09 01:01Z') from claim $$,
    'a file with all of them counts');
select is((select detail_count from monitoring_internal.archive_facts((select archive_id from claim))), 4::bigint,
    'and its facts say so');
select is(monitoring_internal.archive_obstacle_at(
    'compliance', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:02Z'), null, 'its day may go');

savepoint written;
insert into monitoring.sample_details (series_id, sampled_at, tenant_id, content_id, content_value)
select detail.series_id, detail.sampled_at, detail.tenant_id, 'third', 1
from monitoring.sample_details as detail where detail.content_id = 'second';
select matches(monitoring_internal.archive_obstacle_at(
        'compliance', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:02Z'),
    'the file of 2026-01-01 holds 4 details, the store 5', 'row 20: a detail that the file lacks keeps the day');
select is(monitoring_internal.archive_old_data_at('2026-01-09 01:23Z'), 1::bigint, 'which is written again');
rollback to savepoint written;

-- out and back -------------------------------------------------------------------------------------
-- So much later the partition is past its time, and may go by itself but for the samples that it says more of.
select is(monitoring_internal.partition_obstacle_at(
    'monitoring.sample_details', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:02Z'),
    'samples: it says more of them', 'details are not dropped before their samples');
select cmp_ok(monitoring_internal.cleanup_old_metrics_at('2026-01-09 02:00Z'), '>', 4::bigint, 'the day goes');
select is(pg_temp.rows(), null, 'samples, details and content items together');
select is(monitoring_internal.count_class_day_details('compliance', '2026-01-04'), 0::bigint, 'of that day alone');
truncate claim;
insert into claim select claimed.* from monitoring_internal.claim_archive_at(
    '00000000-0000-4000-8000-00000000000a', (select archive_id from monitoring.archives where day = '2026-01-01'),
    'restore', '2026-01-09 03:00Z') as claimed;
select monitoring_internal.begin_restore_at(archive_id, fence, '1 day', '2026-01-09 03:00Z') is null as is_begun
from claim \gset
select is(
    (select sum(monitoring_internal.restore_series(claim.archive_id, claim.fence, line.tenant_id::uuid, line.tenant,
            line.metric, line.kind, line.labels::jsonb, line.offsets::bigint[], line.sample_values::float8[]))
        from lines as line cross join claim where line.detail is null), 3::numeric, 'samples come back');
select matches(
    pg_temp.try('select monitoring_internal.finish_restore_at(archive_id, fence, ''2026-01-09 03:00Z'') from claim'),
    '^PV242 class compliance has 3 samples and 0 details', 'which is not all of the day');
create temporary table returned as
select round.number, sum(monitoring_internal.restore_details(claim.archive_id, claim.fence, owner.tenant_id::uuid,
        owner.tenant, owner.metric, owner.kind, owner.labels::jsonb, detail.said)) as stored
from generate_series(1, 2) as round (number)
cross join claim
cross join (
    select line.series_place, array_agg(line.detail::jsonb order by line.place) as said
    from lines as line where line.detail is not null group by line.series_place
) as detail
inner join lines as owner on owner.series_place = detail.series_place and owner.detail is null
group by round.number;
select results_eq('select stored from returned order by number', array[4::numeric, 0],
    'row 21: details come back, once however often');
select lives_ok($$ select monitoring_internal.finish_restore_at(archive_id, fence, '2026-01-09 03:01Z') from claim $$,
    'the restoration ends');
select is(pg_temp.rows(), (select rows from before), 'row 21: the wide names show every column as before');
select pg_temp.settle('2026-01-09 03:00Z');
select is(pg_temp.rows(), (select rows from before), 'row 21: and do when it is packed again');
update monitoring.archives set restored_until = '2026-01-09 05:00Z' where restored_until is not null;
select cmp_ok(monitoring_internal.cleanup_old_metrics_at('2026-01-09 05:01Z'), '>', 4::bigint, 'it goes again');

-- A file outlives samples whose details are still there: it is not written anew from less.
insert into monitoring.sample_details (series_id, sampled_at, tenant_id, details)
select min(series_id), '2026-01-01 10:00Z', monitoring.system_tenant_id(), '{"a": 1}' from monitoring.series;
update monitoring.archives set dropped_at = null, due_at = null, verified_at = '2026-01-09 05:01Z'
where day = '2026-01-01';
select is(monitoring_internal.mark_old_archives_at('2026-01-09 05:02Z'), 0::bigint,
    'what is all that is left is not replaced');

-- orphans ------------------------------------------------------------------------------------------
update monitoring.archives
set file_name = 'compliance/2026/compliance-2026-01-01-1-1-' || identity.mark || '.gz'
from monitoring_internal.archive_identity as identity
where day = '2026-01-01';
create temporary table lying as
select format('compliance/2026/compliance-%s%s', file.name,
        replace(file.suffix, 'MARK', (select mark from monitoring_internal.archive_identity))) as name,
    extract(epoch from timestamptz '2026-01-09 05:00Z') - file.hours * 3600 as modified_at
from (values
    ('2026-01-01-1-1', '-MARK.gz', 100), ('2026-01-01-1-1', '-MARK.json', 100),
    ('2026-01-01-1-7', '-MARK.gz', 100), ('2026-01-01-1-7', '-MARK.json.partial', 100),
    ('2026-01-01-1-8', '-MARK.gz', 3), ('2026-01-02-1-9', '-MARK.gz', 100), ('2026-01-01-1-7', '-0badcafe.gz', 100),
    ('2026-01-01-1-7', '.gz', 100), ('2026-02-31-1-7', '-MARK.gz', 100), ('2026-01-01-1-7', '-MARK.gz.bak', 100),
    ('2026-01-04-1-77', '-MARK.gz', 100)) as file (name, suffix, hours);
update monitoring.archives set fence = 77, lease_instance_id = '00000000-0000-4000-8000-00000000000a',
    lease_expires_at = '2026-01-09 06:00Z'
where day = '2026-01-04';
select results_eq(
    $$ select regexp_replace(orphan.name, '^.*(2026-..-..-\d+-\d+)-[0-9a-f]+', '\1'), orphan.obstacle
        from lying cross join lateral monitoring_internal.archive_orphans_at(
            array[lying.name], array[lying.modified_at], '2026-01-09 05:00Z') as orphan order by 1 $$,
    $$ values ('2026-01-01-1-7.gz', null), ('2026-01-01-1-7.json.partial', null),
        ('2026-01-01-1-8.gz', 'younger than 1 day'), ('2026-01-02-1-9.gz', 'nothing else holds its day'),
        ('2026-02-31-1-7.gz', 'nothing else holds its day') $$,
    'orphans are files with our mark that no archive knows and nobody has in hand; what is young, or all there is of a day, stays');
select is((select count(*) from monitoring_internal.archive_orphans(array['a', 'b'], array[0, 0])), 0::bigint,
    'what is not ours by name is none');
select is(monitoring_internal.archive_orphan_age(), interval '1 day', 'the age is a setting');
select is((select destination from monitoring_internal.archive_destinations()), 'file:///x', 'places are known');

-- checks of backups that were interrupted ----------------------------------------------------------
create temporary table checking as select monitoring_internal.begin_backup_check('base backup') as id;
select lives_ok('select monitoring_internal.interrupt_backup_check(id) from checking', 'a check can be interrupted');
select is((select state from monitoring.backup_checks), 'interrupted', 'which is no failure');
select is((select monitoring_internal.finish_backup_check(id, 1, '{}', '{}', '{}', null) from checking), null,
    'and does not pass afterwards');

select * from finish();
rollback;
