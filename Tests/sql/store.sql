-- The store: what ingest takes, what it refuses and why, replays, the guard on series, staging.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- One batch as of a fixed time, each sample an array of metric, labels, value, time; its three counts as text.
create function pg_temp.ingest(p_samples jsonb, p_tenant_id uuid default null) returns text
language sql as $$
    select format('%s %s %s', result.accepted, result.duplicate, result.rejected)
    from (
        select
            array_agg(sample ->> 0) as metric,
            array_agg(nullif(sample -> 1, 'null')) as labels,
            array_agg((sample ->> 2)::double precision) as value,
            array_agg((sample ->> 3)::timestamptz) as sampled_at
        from jsonb_array_elements(p_samples) as sample
    ) as batch
    cross join lateral monitoring_internal.ingest_samples_at(
        batch.metric, batch.labels, batch.value, batch.sampled_at, p_tenant_id, '2026-06-01 12:00Z') as result
$$;
create function pg_temp.stored(p_metric text) returns setof text
language sql as $$
    select format('%s %s %s', labels, value, to_char(sampled_at at time zone 'UTC', 'HH24:MI:SS'))
    from monitoring.metric_samples
    where metric = p_metric
    order by labels, sampled_at
$$;
update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
select isnt_empty(
    $$ select monitoring_internal.create_partitions_at(
        'monitoring.samples', '2026-05-31 00:00Z', '2026-06-03 00:00Z', '2026-06-01 12:00Z') $$,
    'partitions of the day');

-- taking in ---------------------------------------------------------------------------------------
select is(
    pg_temp.ingest('[
        ["fresh_total", {"server": "a", "shard": 1, "is_up": true}, 1, "2026-06-01 11:59Z"],
        ["fresh_total", {"server": "b", "shard": null, "zone": ""}, 2, "2026-06-01 11:59Z"],
        ["fresh_total", {}, 3, "2026-06-01 11:59Z"]]'),
    '3 0 0', 'a batch of an unknown metric and new series is stored');
select results_eq(
    $$ select * from pg_temp.stored('fresh_total') $$,
    array['{} 3 11:59:00', '{"server": "b"} 2 11:59:00',
        '{"is_up": "true", "shard": "1", "server": "a"} 1 11:59:00'],
    'labels are texts; null and empty ones are absent');
select is(
    (select kind from monitoring.metric_families where name = 'fresh_total'), 'unknown',
    'a metric nobody registered is of kind unknown');
create temporary table ids as
select max(series_id) as series_id, (select max(metric_family_id) from monitoring.metric_families) as family_id
from monitoring.series;

-- replays -----------------------------------------------------------------------------------------
select is(
    pg_temp.ingest('[
        ["fresh_total", {"server": "a", "shard": "1", "is_up": "true"}, 10, "2026-06-01 11:59Z"],
        ["fresh_total", {"zone": "", "server": "b"}, 20, "2026-06-01 11:59Z"],
        ["fresh_total", {}, 30, "2026-06-01 11:59Z"]]'),
    '0 3 0', 'a replayed batch adds nothing, whichever way its labels are written');
select is(
    (select array_agg(value order by value) from monitoring.metric_samples where metric = 'fresh_total'),
    array[1, 2, 3]::double precision[], 'and changes nothing');
select is(
    pg_temp.ingest('[
        ["fresh_total", {}, 4, "2026-06-01 11:58Z"], ["fresh_total", {}, 5, "2026-06-01 11:58Z"],
        ["fresh_total", {}, 3, "2026-06-01 11:59Z"]]'),
    '1 2 0', 'a sample twice in a batch counts as stored once and duplicate once');
select is(
    (select value from monitoring.metric_samples where metric = 'fresh_total' and sampled_at = '2026-06-01 11:58Z'),
    4::double precision, 'the first of them is kept');
select is(
    pg_temp.ingest('[["fresh_total", {"server": "c"}, 1, "2026-06-01 11:59Z"], ["later", {}, 1, "2026-06-01 11:59Z"]]'),
    '2 0 0', 'after all that');
select is(
    (select array[max(series.series_id) - max(ids.series_id), max(family.metric_family_id) - max(ids.family_id)]
        from monitoring.series as series, monitoring.metric_families as family, ids),
    array[2, 1], 'ids were spent on new series and metrics alone');
create temporary table bulk as
select jsonb_agg(jsonb_build_array('bulk_total', jsonb_build_object('n', n), n / 8.0, '2026-06-01 11:59Z')) as samples
from generate_series(1, 1000) as n;
select is(pg_temp.ingest(samples), '1000 0 0', 'a batch of a thousand is stored') from bulk;
select is(pg_temp.ingest(samples), '0 1000 0', 'its replay adds none') from bulk;

-- values ------------------------------------------------------------------------------------------
select is(
    pg_temp.ingest(jsonb_agg(jsonb_build_array('exact', jsonb_build_object('n', n), value, '2026-06-01 12:00Z'))),
    '9 0 0', 'L-12: no value is too large or too small')
from unnest(array['10000000000000', '1000000000000', '9007199254740993', '1e308', '-1.7976931348623157e308', '5e-324',
    '0.1', '-0', '1e-7']) with ordinality as given (value, n);
select is(
    (select array_agg(value::text order by labels ->> 'n') from monitoring.metric_samples where metric = 'exact'),
    array['10000000000000', '1000000000000', '9.007199254740992e+15', '1e+308', '-1.7976931348623157e+308', '5e-324',
        '0.1', '-0', '1e-07'],
    'L-12: and each comes back as it went in');

-- refusals ----------------------------------------------------------------------------------------
delete from monitoring.rejected_sample_totals;
create temporary table refusal (number integer, reason text, sample jsonb);
insert into refusal values
    (1, 'null_metric', '[null, {}, 1, "2026-06-01 12:00Z"]'),
    (2, 'invalid_metric_name', '["1abc", {}, 1, "2026-06-01 12:00Z"]'),
    (3, 'invalid_metric_name', '["a-b", {}, 1, "2026-06-01 12:00Z"]'),
    (4, 'invalid_metric_name', '["", {}, 1, "2026-06-01 12:00Z"]'),
    (5, 'invalid_metric_name', jsonb_build_array(repeat('a', 201), '{}'::jsonb, 1, '2026-06-01 12:00Z')),
    (6, 'null_labels', '["m", null, 1, "2026-06-01 12:00Z"]'),
    (7, 'labels_not_object', '["m", ["a"], 1, "2026-06-01 12:00Z"]'),
    (8, 'labels_not_object', '["m", "a", 1, "2026-06-01 12:00Z"]'),
    (9, 'labels_too_large',
        jsonb_build_array('m', jsonb_build_object('a', repeat('x', 2048)), 1, '2026-06-01 12:00Z')),
    (10, 'invalid_label_name', '["m", {"a-b": "1"}, 1, "2026-06-01 12:00Z"]'),
    (11, 'invalid_label_name', '["m", {"__name__": "1"}, 1, "2026-06-01 12:00Z"]'),
    (12, 'invalid_label_name', '["m", {"": "1"}, 1, "2026-06-01 12:00Z"]'),
    (13, 'invalid_label_value', '["m", {"a": {"b": 1}}, 1, "2026-06-01 12:00Z"]'),
    (14, 'invalid_label_value', '["m", {"a": []}, 1, "2026-06-01 12:00Z"]'),
    (15, 'null_time', '["m", {}, 1, null]'),
    (16, 'null_value', '["m", {}, null, "2026-06-01 12:00Z"]'),
    (17, 'nan', '["m", {}, "NaN", "2026-06-01 12:00Z"]'),
    (18, 'infinite', '["m", {}, "Infinity", "2026-06-01 12:00Z"]'),
    (19, 'infinite', '["m", {}, "-Infinity", "2026-06-01 12:00Z"]'),
    (20, 'too_new', '["m", {}, 1, "2026-06-01 12:10:01Z"]'),
    (21, 'too_new', '["m", {}, 1, "294276-12-31 12:00Z"]'),
    (22, 'too_new', '["m", {}, 1, "infinity"]'),
    (23, 'too_old', '["m", {}, 1, "2026-05-31 11:59:59Z"]'),
    (24, 'too_old', '["m", {}, 1, "4713-01-01 00:00Z BC"]'),
    (25, 'too_old', '["m", {}, 1, "-infinity"]'),
    (26, 'nan', '["exact", {"n": "1"}, "NaN", "2026-06-01 12:01Z"]');
select is(
    pg_temp.ingest((select jsonb_agg(sample order by number) from refusal) || '[["good", {}, 7, "2026-06-01 12:10Z"]]'),
    '1 0 26', 'what cannot be stored is refused and does not fail the batch');
select is(
    (select reason from monitoring.rejected_samples
        where rejected_at = '2026-06-01 12:00Z'
        order by rejected_sample_id offset refusal.number - 1 limit 1),
    refusal.reason, format('%s: %s', refusal.number, left(refusal.sample::text, 80)))
from refusal
order by refusal.number;
select results_eq(
    $$ select reason, rejected_total from monitoring.rejected_sample_counts order by reason $$,
    $$ select reason, count(*) from refusal group by reason order by reason $$,
    'an operator sees a count by reason');
select is(pg_temp.ingest('[["m", {}, "NaN", "2026-06-01 12:00Z"]]'), '0 0 1', 'one more');
select is(
    (select rejected_total from monitoring.rejected_sample_counts where reason = 'nan'), 3::bigint,
    'is added to what was counted before');
select is(
    (select distinct last_rejected_at from monitoring.rejected_sample_counts), '2026-06-01 12:00Z'::timestamptz,
    'and when it was last');
select results_eq(
    $$ select metric, labels, value, sampled_at from monitoring.rejected_samples where reason = 'too_new'
        order by rejected_sample_id limit 1 $$,
    $$ values ('m', '{}'::jsonb, 1::double precision, '2026-06-01 12:10:01Z'::timestamptz) $$,
    'refused samples are kept as they came');
select is(
    (select length(metric) from monitoring.rejected_samples where metric like 'aaa%'), 200, 'but for absurd names');
select is(
    (select count(*) from monitoring.metric_families where name in ('m', '1abc', 'a-b')), 0::bigint,
    'a refused sample registers no metric');
select is(pg_temp.ingest('[["m", {}, 1, "2026-05-31 12:00Z"], ["m", {}, 1, "2026-06-01 12:10Z"]]'), '2 0 0',
    'the edges of the accepted times are inside');
select is(
    (select array_agg(monitoring_internal.sample_fault(value, at, '2026-01-01 00:00Z', '2026-01-02 00:00Z'))
        from (values (1.0::double precision, '2026-01-01 12:00Z'::timestamptz), ('NaN', '2026-01-01 12:00Z'),
            (null, null))
        as given (value, at)),
    array[null, 'nan', 'null_time'], 'sample_fault names the first fault');
select is(
    monitoring_internal.value_faults_at(
        array[1, 'NaN', 1]::double precision[],
        array['2026-06-01 12:00Z', '2026-06-01 12:00Z', '2026-07-01 12:00Z']::timestamptz[],
        '2026-06-01 12:00Z'),
    array[null, 'nan', 'too_new'], 'value_faults_at does so for a batch');
update monitoring.partition_policies set retention = '6 hours' where table_name = 'monitoring.samples';
select is(
    monitoring_internal.earliest_sample_at('2026-06-01 12:00Z'), '2026-06-01 06:00Z'::timestamptz,
    'a sample that retention would drop at once is too old');
update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
select is(
    monitoring_internal.earliest_sample_at('2026-06-01 12:00Z'), '2026-05-31 12:00Z'::timestamptz,
    'else store.max_past decides');
select throws_ok(
    format('select monitoring_internal.ingest_samples_at(%s, null, now())', arguments), 'PV201', null,
    format('arrays that do not fit: %s', arguments))
from (values
    ($$ '{a,b}', '{"{}"}', '{1,2}', '{now,now}' $$), ($$ '{a}', '{"{}"}', '{1,2}', '{now}' $$),
    ($$ '{a}', '{"{}"}', '{1}', '{}' $$), ($$ null, '{"{}"}', '{1}', '{now}' $$), ($$ '{a}', null, '{1}', '{now}' $$),
    ($$ '{{a,b}}', '{"{}","{}"}', '{1,2}', '{now,now}' $$)
) as example (arguments);
select lives_ok(
    $$ select monitoring_internal.check_batch('{}', '{}', '{}', '{}') $$, 'check_batch lets an empty batch pass');
select is(
    (monitoring_internal.ingest_samples_at('{}', '{}', '{}', '{}', null, now())).accepted, 0::bigint,
    'an empty batch stores nothing');

select is(
    (monitoring_internal.ingest_samples_at(
        array['early'], array['{}']::jsonb[], array[1], array['2031-01-01 00:00Z']::timestamptz[], null,
        '2031-01-01 00:00Z')).accepted,
    1::bigint, 'C-08: a sample for which maintenance made no partition is stored all the same');
select is(
    monitoring_internal.default_partition_rows('monitoring.samples'), 1::bigint, 'C-08: in the default partition');

-- the guard on series -----------------------------------------------------------------------------
select monitoring.set_setting('store.max_series_per_metric', '3');
select is(
    pg_temp.ingest('[
        ["wide", {"n": "1"}, 1, "2026-06-01 12:00Z"], ["wide", {"n": "2"}, 1, "2026-06-01 12:00Z"]]'),
    '2 0 0', 'two of three series');
select is(
    pg_temp.ingest('[
        ["wide", {"n": "5"}, 1, "2026-06-01 12:01Z"], ["wide", {"n": "4"}, 1, "2026-06-01 12:01Z"],
        ["wide", {"n": "3"}, 1, "2026-06-01 12:01Z"], ["wide", {"n": "1"}, 1, "2026-06-01 12:01Z"],
        ["narrow", {}, 1, "2026-06-01 12:01Z"]]'),
    '3 0 2', 'of further ones as many as there is room for; the others are refused');
select is(
    (select array_agg(labels ->> 'n' order by labels)
        from monitoring.rejected_samples where reason = 'too_many_series'),
    array['4', '5'], 'as too_many_series');
select monitoring.set_setting('store.max_metrics', (select count(*) + 1 from monitoring.metric_families)::text);
select is(
    pg_temp.ingest('[
        ["zz_second", {}, 1, "2026-06-01 12:02Z"], ["aa_first", {}, 1, "2026-06-01 12:02Z"],
        ["wide", {"n": "1"}, 1, "2026-06-01 12:02Z"]]'),
    '2 0 1', 'of new metrics as many as there is room for');
select is(
    (select metric from monitoring.rejected_samples where reason = 'too_many_metrics'), 'zz_second',
    'the others are refused as too_many_metrics');
select monitoring.set_setting('store.max_metrics', '10000');
select monitoring.set_setting('store.auto_register', 'false');
select is(
    pg_temp.ingest('[["wide", {"n": "1"}, 1, "2026-06-01 12:03Z"], ["strange", {}, 1, "2026-06-01 12:02Z"]]'),
    '1 0 1', 'with store.auto_register off an unknown metric is refused');
select is(
    (select metric from monitoring.rejected_samples where reason = 'unknown_metric'), 'strange', 'as unknown_metric');
select monitoring.set_setting('store.auto_register', 'true');
select monitoring.set_setting('store.max_series_per_metric', '100000');

-- parts, each by its name ---------------------------------------------------------------------------
select is(
    array_length(array_remove(monitoring_internal.find_series(
        monitoring.system_tenant_id(), array['wide', 'no_such', 'wide', null],
        array['{"n": "1"}', '{}', '{"n": "9"}', '{}']::jsonb[]), null), 1),
    1, 'find_series finds what is there');
select is(
    array_length(array_remove(monitoring_internal.find_many_series(
        monitoring.system_tenant_id(), array['wide', 'no_such', 'wide', null],
        array['{"n": "1"}', '{}', '{"n": "9"}', '{}']::jsonb[]), null), 1),
    1, 'a large batch is looked up alike');
select is(
    (monitoring_internal.inspect_labels(array['ok', 'ok'], array['{"a": 1, "b": null}', '{"a": {}}']::jsonb[]))::text,
    '("{""{\\""a\\"": \\""1\\""}"",""{\\""a\\"": \\""{}\\""}""}","{NULL,invalid_label_value}")',
    'inspect_labels makes labels canonical and names faults');
select lives_ok(
    $$ select monitoring_internal.make_series(
        monitoring.system_tenant_id(), array['made', 'made'], array['{}', '{}']::jsonb[]) $$, 'make_series');
select is(
    (select count(*) from monitoring.series natural join monitoring.metric_families where name = 'made'), 1::bigint,
    'makes a series once');
select is(
    (monitoring_internal.resolve_series(
        monitoring.system_tenant_id(), array['made', 'made'], array['{}', '{"a": []}']::jsonb[], array[null, null])
    ).faults,
    array[null, 'invalid_label_value'], 'resolve_series names the fault of what has no series');
select is(
    monitoring_internal.reject_samples_at(
        monitoring.system_tenant_id(), array['x', 'y'], array['{}', jsonb_build_object('a', repeat('b', 9000))],
        array[1, 2], array[now(), now()], array[null, 'labels_too_large'], '2026-06-01 12:00Z'),
    1::bigint, 'reject_samples_at keeps those with a fault');
select is(
    (select labels from monitoring.rejected_samples where metric = 'y'), null, 'without labels of absurd size');
select is(
    (select octet_length(labels::text) from (select jsonb_object_agg(
        chr(97 + n / 26) || chr(97 + n % 26), 1) as labels from generate_series(0, 226) as n) as dense),
    2043, 'the densest labels there are');
select is(
    pg_temp.ingest((select jsonb_build_array(jsonb_build_array('dense', jsonb_object_agg(
        chr(97 + n / 26) || chr(97 + n % 26), 1), 1, '2026-06-01 12:00Z')) from generate_series(0, 226) as n)),
    '1 0 0', 'fit into the index');

-- public forms ------------------------------------------------------------------------------------
select is(
    (select format('%s %s %s', accepted, duplicate, rejected)
        from monitoring.ingest_samples(
            array['public', 'public'], array['{}', '{}']::jsonb[], array[1, 'NaN']::double precision[],
            array[now(), now()])),
    '1 0 1', 'ingest_samples takes a batch for the system tenant');
select is(
    array[
        monitoring.ingest_sample('scalar', '{"a": "b"}', 1), monitoring.ingest_sample('scalar', '{"a": "b"}', 1),
        monitoring.ingest_sample('scalar', '{}', 'NaN'),
        monitoring.ingest_sample('scalar', '{}', 1, now() - interval '1 min')],
    array[true, false, false, true], 'ingest_sample says whether it stored');

-- families ----------------------------------------------------------------------------------------
select is(
    monitoring_internal.register_families('[
        {"name": "lag_seconds", "kind": "gauge", "unit": "seconds", "stale_after": "1 hour", "description": "Lag."},
        {"name": "scalar", "kind": "gauge"}, {"name": "plain"}]'),
    2, 'register_families makes what is new');
select results_eq(
    $$ select name, kind, unit, description, stale_after from monitoring.metric_families
        where name in ('lag_seconds', 'scalar', 'plain') order by name $$,
    $$ values ('lag_seconds', 'gauge', 'seconds', 'Lag.', '1 hour'::interval),
        ('plain', 'unknown', '', '', null), ('scalar', 'gauge', '', '', null) $$, 'and describes what is there');
create temporary table family_before as select * from monitoring.metric_families;
select is(
    monitoring_internal.register_families(
        '[{"name": "lag_seconds", "kind": "gauge"}, {"name": "plain", "unit": null}]'),
    0, 'again, with less said');
select is_empty(
    'select * from monitoring.metric_families except select * from family_before', 'nothing changes');
select is(
    monitoring_internal.register_families('[{"name": "lag_seconds", "stale_after": null}]'), 0, 'a null stale_after');
select is(
    (select stale_after from monitoring.metric_families where name = 'lag_seconds'), null, 'takes it back');
select throws_ok(
    format('select monitoring_internal.register_families(%L)', families), 'PV202', null,
    format('%s is refused', families))
from unnest(array['[{"name": "a b"}]', '[{"kind": "gauge"}]', '[{"name": "a", "kind": "meter"}]']) as families;

-- staging -----------------------------------------------------------------------------------------
insert into monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at) values
    ('00000000-0000-0000-0000-000000000001', 'staged', '{"n": 1}', 1, '2026-06-01 12:00Z'),
    ('00000000-0000-0000-0000-000000000001', 'staged', '{"n": 1}', 1, '2026-06-01 12:00Z'),
    ('00000000-0000-0000-0000-000000000001', 'staged', null, 1, '2026-06-01 12:00Z'),
    ('00000000-0000-0000-0000-000000000002', 'staged', '{"n": 2}', 1, '2026-06-01 12:00Z');
select is(
    (select format('%s %s %s', accepted, duplicate, rejected)
        from monitoring_internal.ingest_staged_at('00000000-0000-0000-0000-000000000001', '2026-06-01 12:00Z')),
    '1 1 1', 'a staged batch is taken in');
select is(
    (select count(*) from monitoring_internal.staged_samples), 1::bigint, 'and leaves staging; another batch stays');
select is(
    (select format('%s %s %s', accepted, duplicate, rejected)
        from monitoring_internal.ingest_staged('00000000-0000-0000-0000-000000000001')),
    '0 0 0', 'taken again it has nothing left');
insert into monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at, tenant_id)
select '00000000-0000-0000-0000-000000000003', 'staged', '{"n": 3}', value, '2026-06-01 12:00Z', tenant_id
from (values
    (1.0::double precision, monitoring.create_tenant('staged-a')), ('NaN', monitoring.create_tenant('staged-b')),
    (2, monitoring.create_tenant('staged-c')), (3, null)
) as sample (value, tenant_id);
select is(
    (select format('%s %s %s', accepted, duplicate, rejected)
        from monitoring_internal.ingest_staged_at('00000000-0000-0000-0000-000000000003', '2026-06-01 12:00Z')),
    '3 0 1', 'the counts of a batch of several tenants are those of all of them');
select is(
    array(
        select distinct label_text from monitoring.series where labels = '{"n": "3"}' order by 1),
    array['n="3"', 'n="3",tenant="staged-a"', 'n="3",tenant="staged-c"'],
    'new series carry their labels, and their tenant, as text');
insert into monitoring_internal.staged_samples (batch_id, metric, tenant_id)
values (gen_random_uuid(), 'forged', gen_random_uuid());
update monitoring_internal.staged_samples set staged_at = '2026-06-01 10:00Z';
select is(monitoring_internal.discard_staged_at('2026-06-01 11:00Z'), 0::bigint, 'a batch may wait for an hour');
select is(monitoring_internal.discard_staged_at('2026-06-01 11:00:01Z'), 2::bigint, 'then it is discarded');
select results_eq(
    $$ select tenant_id, rejected_total from monitoring.rejected_sample_counts where reason = 'abandoned' $$,
    $$ values (monitoring.system_tenant_id(), 2::bigint) $$,
    'and counted for the system, whosever name is on it');
select is(monitoring.discard_staged(), 0::bigint, 'the public form reads the clock');

select * from finish();
rollback;
