-- Retention by class: rolled up, verified, packed, archived, then dropped; refused with the reason otherwise.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'Asia/Kolkata';
select no_plan();

-- Runs one statement: its one value as text, or the SQLSTATE and the message.
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

-- cleanup_old_metrics as of a time; -1 where it fails.
create function pg_temp.clean(p_now timestamptz) returns bigint
language plpgsql as $$
begin
    return monitoring_internal.cleanup_old_metrics_at(p_now);
exception when others then
    return -1;
end
$$;

-- Packs and rolls up all that is due at a time, as the jobs do, without their commits.
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

-- The samples of a family that there are, by day of UTC.
create function pg_temp.kept(p_metric text) returns text
language sql as $$
    select string_agg(format('%s:%s', found.day, found.samples), ' ' order by found.day)
    from (
        select to_char(point.sampled_at at time zone 'UTC', 'MM-DD') as day, count(*) as samples
        from monitoring.metric_families as family
        inner join monitoring.series as series using (metric_family_id)
        cross join lateral monitoring_internal.read_points(
            array[series.series_id], '2025-01-01', '2027-01-01') as point
        where family.name = p_metric
        group by 1
    ) as found
$$;

-- Six samples of three series of each class on a day, and one of now, which is the newest.
create function pg_temp.ingest(p_from timestamptz, p_now timestamptz) returns void
language sql as $$
    select monitoring_internal.ingest_samples_at(
        array_agg(metric.name), array_agg(jsonb_build_object('n', n.n::text)), array_agg(case h.h when 3 then '-0'
            else h.h * n.n * 0.1 end::double precision), array_agg(p_from + h.h * interval '3 hours 17 microseconds'),
        null, p_now)
    from (values ('kept_short'), ('kept_long'), ('kept_fine')) as metric (name), generate_series(1, 3) as n (n),
        generate_series(0, 5) as h (h)
$$;

set local role monitoring_owner;
-- Days in place of months, so that few need to be rolled up; the classes' own periods are those of the documents.
select is(
    (select string_agg(format('%s %s', name, raw_retention), ', ' order by name) from monitoring.retention_classes),
    'compliance 7 years, high_resolution 7 days, platform 30 days, standard 90 days, usage 1 year',
    'row 83: standard is kept for 90 days');
update monitoring.retention_classes set raw_retention = '5 days' where name = 'standard';
update monitoring.retention_classes set raw_retention = '4 days', rollup_1m = '4 days', rollup_5m = '4 days'
where name = 'high_resolution';
update monitoring.partition_policies set partition_interval = '1 day'
where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
select monitoring_internal.register_families('[
    {"name": "kept_short", "kind": "gauge", "retention_class": "standard"},
    {"name": "kept_long", "kind": "gauge", "retention_class": "compliance"},
    {"name": "kept_fine", "kind": "gauge", "retention_class": "high_resolution"}]') > 0 as is_registered \gset
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2026-01-01 00:00Z', '2026-01-02 12:00Z', '2026-01-03 00:00Z') > 0 as is_made \gset
select pg_temp.ingest('2026-01-01 02:00Z', '2026-01-02 01:00Z'), pg_temp.ingest('2026-01-02 02:00Z', '2026-01-03 01:00Z');

-- every table ------------------------------------------------------------------------------------
select is_empty(
    $$ select class.oid::regclass from pg_class as class
        where class.relkind = 'p' and not class.relispartition
            and class.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and not exists (select 1 from monitoring.partition_policies as policy
                where class.oid in (to_regclass(policy.table_name),
                    monitoring_internal.append_parent(policy.table_name))) $$,
    'C-06: every partitioned table has a policy');
select is(
    array(select policy.table_name from monitoring.partition_policies as policy
        where monitoring_internal.partition_retention(policy.table_name) is null order by 1),
    array['monitoring.alerts', 'monitoring.alerts_archive']::text[],
    'C-06: and with it an end, but for alerts, which move to an archive of their own');
select is(
    monitoring_internal.partition_retention('monitoring.sample_blocks'), interval '7 years',
    'C-04: a partition that classes share stays as long as the longest of those that have metrics');
savepoint shorter;
update monitoring.partition_policies set retention = '90 days' where table_name = 'monitoring.sample_blocks';
select is(
    monitoring_internal.partition_retention('monitoring.sample_blocks'), interval '7 years',
    'C-17: the period of a table is that of its classes, whatever its policy says');
rollback to savepoint shorter;

-- classes ----------------------------------------------------------------------------------------
select matches(
    pg_temp.try($$ select monitoring_internal.register_families('[{"name": "x", "retention_class": "for ever"}]') $$),
    '^(PV|23503)', 'C-20: a class that nobody defined is refused');
select is_empty(
    $$ select 1 from monitoring_internal.class_retentions() as kept
        group by kept.retention_class, kept.resolution having count(*) > 1 $$,
    'C-17: a class has one period at each resolution');

-- order: nothing goes before what replaces it is proven ------------------------------------------
select is(pg_temp.kept('kept_short'), '01-01:18 01-02:18', 'all of it is there at first');
select is(pg_temp.clean('2026-01-03 01:00Z'), 0::bigint, 'what is young stays');
select is(
    pg_temp.clean('2027-01-03 01:00Z'), 0::bigint,
    'a clock that is a year ahead makes nothing old');
select is(pg_temp.kept('kept_fine'), '01-01:18 01-02:18', 'and deletes nothing');

savepoint before_jump;
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2027-01-03 00:00Z', '2027-01-08 00:00Z', '2027-01-03 00:00Z') > 0 as is_made \gset
select pg_temp.ingest('2027-01-03 02:00Z', '2027-01-03 23:00Z');
select pg_temp.settle('2027-01-04 01:00Z');
select is(
    monitoring_internal.cleanup_old_metrics_at('2027-01-04 01:00Z'), 0::bigint,
    'nor does one that samples were stored by');
select is(
    (select count(*) from monitoring_internal.expired_partitions_at('monitoring.rollups_1m', '2027-01-04 01:00Z')),
    0::bigint, 'and no partition is past its retention by it');
select is(
    monitoring_internal.believed_row_bound('monitoring.samples'), '2026-01-03 00:00Z'::timestamptz,
    'what came before the gap tells the time');
select pg_temp.ingest(day.at + interval '2 hours', day.at + interval '23 hours')
from generate_series(timestamptz '2027-01-04 00:00Z', '2027-01-07 00:00Z', '24 hours') as day (at);
select is(
    monitoring_internal.believed_row_bound('monitoring.samples'), '2027-01-08 00:00Z'::timestamptz,
    'until five days after it have samples: then it was no jump but a time without measurements');
rollback to savepoint before_jump;

-- Later samples make the first ones old.
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2026-01-05 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z') > 0 as is_made \gset
select pg_temp.ingest('2026-01-05 02:00Z', '2026-01-06 01:00Z'), pg_temp.ingest('2026-01-08 02:00Z', '2026-01-09 01:00Z');
select is(
    pg_temp.clean('2026-01-09 01:00Z'), 0::bigint,
    'what is neither rolled up nor packed stays, however old');
select matches(
    (select refusal from monitoring.retention_states where retention_class = 'standard' and resolution = 'raw'),
    '^(rollups|packing): ', 'with the reason');
select pg_temp.settle('2026-01-09 01:00Z');
select is(
    monitoring_internal.packed_until(), '2026-01-06 00:00Z'::timestamptz, 'all but the last days are packed');
select is(
    monitoring_internal.retention_obstacle_at(
        'standard', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z'),
    null, 'rolled up, verified and packed it may go');

savepoint before_wrong_rollup;
update monitoring.rollups_1h set sample_count = sample_count - 1
where series_id in (select series_id from monitoring.series inner join monitoring.metric_families using (metric_family_id)
    where name = 'kept_short') and bucket_at = '2026-01-01 05:00Z';
select matches(
    monitoring_internal.retention_obstacle_at(
        'standard', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z'),
    '^verification: 1h rollups count 15 samples of 3 series, of which 18 are stored',
    'a rollup that lacks a sample keeps its day');
select is(
    pg_temp.clean('2026-01-09 01:00Z') > 0, true, 'C-16: what is not concerned goes');
select is(pg_temp.kept('kept_short'), '01-01:18 01-05:18 01-08:18', 'the day that was not verified stays, the next one goes');
select is(
    (select refused_since from monitoring.retention_states where retention_class = 'standard' and resolution = 'raw'),
    '2026-01-01 00:00Z'::timestamptz, 'which is noted');
select pg_temp.settle('2026-01-09 01:00Z');
select is(
    (select sum(sample_count) from monitoring.rollups_1h inner join monitoring.series using (series_id)
        inner join monitoring.metric_families using (metric_family_id)
        where name = 'kept_short' and bucket_at < '2026-01-02 00:00Z'),
    18::numeric, 'and its rollup is built again');
select pg_temp.clean('2026-01-09 01:00Z') > 0 as is_cleaned \gset
select is(pg_temp.kept('kept_short'), '01-05:18 01-08:18', 'after which it goes');
rollback to savepoint before_wrong_rollup;

savepoint before_late;
insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
select series_id, '2026-01-01 02:00Z', '2026-01-01 03:00Z' from monitoring.series limit 1;
select matches(
    monitoring_internal.retention_obstacle_at(
        'standard', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z'),
    '^rollups: late samples of 2026-01-01', 'late samples that wait to be rolled up keep their day');
rollback to savepoint before_late;

-- deletion by class -------------------------------------------------------------------------------
select is(pg_temp.clean('2026-01-09 01:00Z') > 0, true, 'rows are removed');
select is(pg_temp.kept('kept_short'), '01-05:18 01-08:18', 'row 83: standard goes after its time');
select is(pg_temp.kept('kept_long'), '01-01:18 01-02:18 01-05:18 01-08:18', 'C-04: a longer class in the same partition stays');
select is(pg_temp.kept('kept_fine'), '01-05:18 01-08:18', 'and a shorter one is gone');
select is(
    array(select distinct resolution from monitoring_internal.rollup_points as point
        inner join monitoring.series using (series_id) inner join monitoring.metric_families using (metric_family_id)
        where name = 'kept_fine' and bucket_at < '2026-01-03' order by 1),
    array['1d', '1h', '1m', '5m']::text[], 'C-03: its minutes go with their partitions, which no other class shares');
select is(
    array(select samples from monitoring_internal.stored_counts(
        'high_resolution', '1h', '2026-01-01 00:00Z', '2026-01-02 00:00Z')),
    array[6, 6, 6]::bigint[], 'and count every sample');
select is(pg_temp.clean('2026-01-09 01:00Z'), 0::bigint, 'a second call finds nothing');
select is(
    (select array_agg(deleted_until order by retention_class) from monitoring.retention_states
        where resolution = 'raw' and retention_class <> 'compliance'),
    array['2026-01-05 00:00Z', '2026-01-04 00:00Z']::timestamptz[], 'C-14: up to midnights of UTC, whatever zone the session has');

-- whole partitions --------------------------------------------------------------------------------
set local client_min_messages = error;
select isnt(
    (select held_by from monitoring_internal.expired_partitions_at('monitoring.sample_blocks', '2026-01-09 01:00Z')
        limit 1), '', 'nothing that a class still keeps counts as expired');
update monitoring.metric_families set retention_class = 'standard' where retention_class in ('compliance', 'usage', 'platform');
select is(
    (select deleted_until from monitoring.retention_states
        where retention_class = 'standard' and resolution = 'raw'),
    '-infinity'::timestamptz, 'a metric that comes to a class has its old data looked at');
rollback to savepoint before_late;
update monitoring.metric_families set retention_class = 'standard' where retention_class in ('compliance', 'usage', 'platform');
update monitoring.retention_classes set raw_retention = '4 days' where name in ('standard', 'high_resolution');
select is(
    array(select lower_bound from monitoring_internal.expired_partitions_at(
        'monitoring.sample_blocks', '2026-01-09 01:00Z') where held_by is null),
    array['2026-01-01 00:00Z']::timestamptz[],
    'C-03: a partition in which all classes are past their retention is dropped whole');
select matches(
    (select held_by from monitoring_internal.expired_partitions_at('monitoring.time_vectors', '2026-01-09 01:00Z') limit 1),
    'blocks', 'times stay as long as blocks');
select is(
    (select count(*) from monitoring_internal.stored_counts(
        'standard', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z')), 6::bigint, 'there are rows in it');
select pg_temp.clean('2026-01-09 01:00Z') is not null as is_cleaned \gset
select is(
    (select count(*) from monitoring_internal.stored_counts(
        'standard', 'raw', '2026-01-01 00:00Z', '2026-01-02 00:00Z')), 6::bigint,
    'C-03: none of which are deleted one by one before');
select lives_ok(
    $$ select monitoring_internal.drop_partition_at(
        'monitoring.sample_blocks', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z') $$,
    'and it is dropped');
select is(pg_temp.kept('kept_long'), '01-05:18 01-08:18', 'with all that was in it');
rollback to savepoint before_late;
update monitoring_internal.rollup_levels set watermark = '2026-01-01 10:00Z', building_until = null where resolution = '1h';
update monitoring.metric_families set retention_class = 'standard' where retention_class in ('compliance', 'usage', 'platform');
update monitoring.retention_classes set raw_retention = '4 days' where name in ('standard', 'high_resolution');
select matches(
    pg_temp.try($$ select monitoring_internal.drop_partition_at(
        'monitoring.sample_blocks', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-09 01:00Z') $$),
    '^PV302', 'row 82: a drop is refused while the rollups do not reach so far');
rollback to savepoint before_late;

select isnt_empty('select 1 from monitoring.retention_status', 'what is kept how long is shown for every class');
select * from finish();
rollback;
