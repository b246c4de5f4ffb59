-- The hottest tables: few indexes and no random keys on them, and partitions of an hour where a day would be too much.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'Asia/Kathmandu';
select no_plan();

-- indexes -----------------------------------------------------------------------------------------
-- What a row is written to with every sample, every message, every run.
create temporary table hot (name) as values
    ('monitoring.samples'), ('monitoring.appended_samples'), ('monitoring.late_samples'), ('monitoring_internal.staged_samples'), ('monitoring.sample_blocks'),
    ('monitoring.time_vectors'), ('monitoring.rollups_1m'), ('monitoring.rollups_5m'), ('monitoring.rollups_1h'),
    ('monitoring.rejected_samples'), ('monitoring.sample_details'), ('monitoring.statement_intervals'),
    ('monitoring.collector_runs'), ('monitoring.outbox_messages'), ('monitoring.deliveries'),
    ('monitoring.delivery_attempts'), ('monitoring.alert_transitions'), ('monitoring.job_runs'),
    ('monitoring.job_run_attempts');
create temporary view hot_indexes as
select hot.name, index.indexrelid, index.indkey[0] as first_column, index.indrelid, method.amname
from hot
inner join pg_index as index on index.indrelid = to_regclass(hot.name)
inner join pg_class as class on class.oid = index.indexrelid
inner join pg_am as method on method.oid = class.relam;
select is_empty('select name from hot where to_regclass(name) is null', 'each of these tables is there');
select results_eq(
    $$ select name, string_agg(pg_get_indexdef(indexrelid), '; ') from hot_indexes
        where name in (
            'monitoring.samples', 'monitoring.appended_samples', 'monitoring.late_samples', 'monitoring.rollups_1m')
        group by 1 order by 1 $$,
    $$ values
        ('monitoring.appended_samples',
            'CREATE INDEX appended_samples_sampled_at_idx ON ONLY monitoring.appended_samples USING brin (sampled_at)'),
        ('monitoring.late_samples',
            'CREATE UNIQUE INDEX late_samples_pkey ON monitoring.late_samples USING btree (series_id, sampled_at)'),
        ('monitoring.rollups_1m',
            'CREATE UNIQUE INDEX rollups_1m_pkey ON ONLY monitoring.rollups_1m USING btree (series_id, bucket_at)'),
        ('monitoring.samples',
            'CREATE UNIQUE INDEX samples_pkey ON ONLY monitoring.samples USING btree (series_id, sampled_at)') $$,
    'P-01: samples have the one index that they are found and known again by, or in append mode none but of ranges of time');
select is_empty(
    $$ select name, indexrelid::regclass from hot_indexes
        where amname not in ('btree', 'brin') and indexrelid::regclass::text <> 'monitoring.sample_details_tags_idx' $$,
    'P-01: of what is written with every sample, row or message no index is of words');
select is_empty(
    $$ select hot_indexes.name, attribute.attname
        from hot_indexes
        inner join pg_attribute as attribute
            on attribute.attrelid = hot_indexes.indrelid and attribute.attnum = hot_indexes.first_column
        inner join pg_attrdef as filled
            on filled.adrelid = attribute.attrelid and filled.adnum = attribute.attnum
        where pg_get_expr(filled.adbin, filled.adrelid) ~ 'random' $$,
    'P-01: and none begins with a random key');

-- hours -------------------------------------------------------------------------------------------
create function pg_temp.maintain(p_now timestamptz) returns void language plpgsql as $$
declare
    v_step monitoring_internal.partition_step;
    v_from text[] := '{}';
begin
    loop
        v_step := monitoring_internal.maintain_next_partition_at(p_now, v_from);
        exit when v_step.step is null and v_from = '{}';
        v_from := case when v_step.table_name is null then '{}' else array['from ' || v_step.table_name] end;
        if v_step.outcome <> 'done' then
            raise exception '% of %: %', v_step.action, v_step.partition_name, v_step.outcome;
        end if;
    end loop;
end
$$;
create function pg_temp.settle(p_now timestamptz) returns void language plpgsql as $$
begin
    for v_round in 1..2 loop
        while (monitoring_internal.refresh_next_rollup_at(9, null, p_now)).action is not null loop
        end loop;
        while monitoring_internal.pack_next_at(p_now) is not null loop
        end loop;
    end loop;
end
$$;
create function pg_temp.spans(p_table text, p_until timestamptz default 'infinity') returns setof interval language sql as
    $$ select upper_bound - lower_bound from monitoring_internal.partition_bounds(p_table)
        where not is_default and upper_bound <= p_until $$;
create temporary table given as
select 'hourly' as metric, jsonb_build_object('n', n::text) as labels, at, round((50 + 40 * sin(extract(epoch from at) / 900) + n)::numeric)::float8 as value
from generate_series(1, 3) as n,
    generate_series(timestamptz '2026-03-01 00:00Z', '2026-03-02 00:50Z', '10 min') as at;
create function pg_temp.ingest(p_from timestamptz, p_until timestamptz, p_now timestamptz) returns bigint language sql as $$
    select (monitoring_internal.ingest_samples_at(
        array_agg(metric), array_agg(labels), array_agg(value), array_agg(at), null, p_now)).accepted
    from given where at >= p_from and at < p_until
$$;
create function pg_temp.differences() returns bigint language sql as $$
    select count(*) from given
    full join (select labels, sampled_at as at, value as stored from monitoring.metric_samples where metric = 'hourly') as held
        using (labels, at)
    where given.value is distinct from held.stored
$$;
set local role monitoring_owner;
select monitoring_internal.register_families(
    '[{"name": "hourly", "kind": "gauge", "retention_class": "compliance"}]') > 0 as is_registered \gset
update monitoring.retention_classes
set is_archived = true, raw_retention = '3 days', rollup_1m = '10 days', rollup_1h = '11 days' where name = 'compliance';
update monitoring.metric_families set retention_class = 'compliance';
reset role;
-- Others are not looked at here.
update monitoring.partition_policies set is_active = false
where table_name not in ('monitoring.samples', 'monitoring.rollups_1m', 'monitoring.sample_blocks', 'monitoring.time_vectors');
select lives_ok(
    $$ update monitoring.partition_policies
        set partition_interval = case when table_name in ('monitoring.samples', 'monitoring.rollups_1m') then interval '1 hour'
            else '1 day' end, premake = case when table_name in ('monitoring.samples', 'monitoring.rollups_1m') then 2 else 1 end
        where table_name in ('monitoring.samples', 'monitoring.rollups_1m', 'monitoring.sample_blocks', 'monitoring.time_vectors') $$,
    'P-02: partitions of an hour are a setting');
select pg_temp.maintain('2026-03-01 00:20Z');
select monitoring_internal.create_partitions_at(name, '2026-03-01 00:00Z', '2026-03-02 01:00Z', '2026-03-01 00:20Z') >= 0 as is_made
from unnest('{monitoring.rollups_1m,monitoring.samples}'::text[]) as name;
select results_eq(
    $$ select name, min(upper_bound - lower_bound), max(upper_bound - lower_bound), max(upper_bound),
            bool_and(date_bin('1 hour', lower_bound, '2000-01-01 00:00Z') = lower_bound)
        from unnest('{monitoring.rollups_1m,monitoring.samples}'::text[]) as name
        cross join lateral monitoring_internal.partition_bounds(name)
        where not is_default and lower_bound between '2026-03-01' and '2026-03-03' group by 1 order by 1 $$,
    $$ values ('monitoring.rollups_1m', interval '1 hour', interval '1 hour', timestamptz '2026-03-02 01:00Z', true),
        ('monitoring.samples', '1 hour', '1 hour', '2026-03-02 01:00Z', true) $$,
    'P-02: they are whole hours of UTC, though the session''s begin at a quarter past');
select is(
    pg_temp.ingest('2026-03-01', '2026-03-02 00:00Z', '2026-03-02 00:00Z') + pg_temp.ingest('2026-03-02 00:00Z', 'infinity', '2026-03-02 01:00Z'),
    (select count(*) from given), 'twenty-five hours of samples');
select is(monitoring_internal.default_partition_rows('monitoring.samples'), 0::bigint, 'all in partitions of their hours');
select is(
    (select count(distinct tableoid) from monitoring.samples), 25::bigint, 'of which there are twenty-five');
select is(pg_temp.differences(), 0::bigint, 'and read as one');
create function pg_temp.plan(p_sql text) returns text language plpgsql as $$
declare
    v_line text;
    v_plan text := '';
begin
    for v_line in execute 'explain (costs off) ' || p_sql loop
        v_plan := v_plan || v_line;
    end loop;
    return v_plan;
end
$$;
select is(
    (select count(*) from regexp_matches(pg_temp.plan($$ select * from monitoring.samples
        where series_id = 1 and sampled_at >= '2026-03-01 05:10Z' and sampled_at < '2026-03-01 05:50Z' $$), 'samples_p\d+_\d+ ', 'g')),
    1::bigint, 'P-02: half an hour is looked for in one of them');
select pg_temp.settle('2026-03-02 01:02Z');
select is_empty(
    $$ select *
        from (select labels, date_bin('1 minute', at, '2000-01-01 00:00Z') as bucket_at, value from given) as wanted
        full join (select series.labels, bucket_at, value_sum as value from monitoring.rollups_1m as rollup
            inner join monitoring.series using (series_id) inner join monitoring.metric_families using (metric_family_id)
            where name = 'hourly') as built using (labels, bucket_at)
        where wanted.value is distinct from built.value $$, 'minutes are rolled up into theirs');
select is(
    (select array_agg(sample_count order by bucket_at) from monitoring.rollups_1d inner join monitoring.series using (series_id)
        inner join monitoring.metric_families using (metric_family_id) where name = 'hourly' and labels = '{"n": "1"}'), array[144]::bigint[],
    'and a day over twenty-four of them');

-- packing, archive, retention ---------------------------------------------------------------------
insert into given select metric, labels, at, value from (values ('2026-03-05 06:00Z'), ('2026-03-09 06:00Z')) as later (at_text)
cross join lateral (select 'hourly' as metric, jsonb_build_object('n', '1') as labels, at_text::timestamptz as at, 7::float8 as value) as point;
select pg_temp.maintain('2026-03-05 06:00Z');
select is(pg_temp.ingest('2026-03-05', '2026-03-06', '2026-03-05 06:01Z'), 1::bigint, 'days later');
select pg_temp.settle('2026-03-05 07:00Z');
select is(monitoring_internal.packed_until(), '2026-03-03 00:00Z'::timestamptz, 'days are packed');
select results_eq(
    $$ select period_at, series_count, sample_count, raw_bytes >= 8192 * series_count from monitoring.packed_periods order by 1 $$,
    $$ values (timestamptz '2026-03-01 00:00Z', 3::bigint, 432::bigint, true), ('2026-03-02 00:00Z', 3, 18, true) $$,
    'P-02: a day of twenty-four partitions is one block a series, and what it took before is known');
select is(pg_temp.differences(), 0::bigint - (select -count(*) from given where at > '2026-03-06'), 'nothing is lost or doubled');
select pg_temp.settle('2026-03-05 09:00Z');
select pg_temp.maintain('2026-03-05 09:00Z');
select is_empty(
    $$ select * from pg_temp.spans('monitoring.samples', '2026-03-03 00:00Z') $$, 'P-02: and its twenty-four partitions of samples go');
select is(pg_temp.differences(), 1::bigint, 'while all of it is read from blocks');
select pg_temp.maintain('2026-03-09 06:00Z');
select is(pg_temp.ingest('2026-03-09', 'infinity', '2026-03-09 06:01Z'), 1::bigint, 'and later still');
select pg_temp.settle('2026-03-09 07:00Z');
select is(pg_temp.differences(), 0::bigint, 'everything is there');
select matches(
    monitoring_internal.retention_obstacle_at('compliance', 'raw', '2026-03-01 00:00Z', '2026-03-02 00:00Z', '2026-03-09 07:00Z'),
    '^archive: 2026-03-01 is not written yet', 'it stays until it is archived');
select is(monitoring_internal.archive_old_data_at('2026-03-09 07:00Z'), 3::bigint, 'its days are to be written');
select is(
    (select sum(samples)::bigint from monitoring_internal.archive_lines('2026-03-01', array(
        select series_id from monitoring_internal.class_day_series('compliance', '2026-03-01')))),
    432::bigint, 'with every sample');
update monitoring.archives set state = 'verified', row_count = monitoring_internal.count_class_day(retention_class, day), file_name = 'x', destination = 'file:///x',
    generation = 1, series_count = 3, file_bytes = 1, content_bytes = 1, file_sha256 = 'a', content_sha256 = 'b', written_at = '2026-03-09 07:00Z', verified_at = '2026-03-09 07:00Z', due_at = null;
select pg_temp.maintain('2026-03-09 07:30Z');
select is(
    array(select distinct sampled_at::date from monitoring.metric_samples where metric = 'hourly' order by 1),
    '{2026-03-05,2026-03-09}'::date[], 'P-02: past its time a day goes');
select is_empty(
    $$ select * from pg_temp.spans('monitoring.sample_blocks', '2026-03-03 00:00Z') $$, 'partition by partition');
select is(
    (select sum(sample_count) from monitoring.rollups_1d inner join monitoring.series using (series_id)
        inner join monitoring.metric_families using (metric_family_id) where name = 'hourly' and bucket_at < '2026-03-03'), 450::numeric,
    'and its rollups tell of it');

select * from finish();
rollback;
