-- Append mode: partitions without a key, batches by their ids, closing, and that every reader sees each sample once.
-- The steps: missing_appended_at, append_plan_at, create_appended_partition, start_append, shrink_append, key_appended,
-- close_appended, perform_append_step_at. Ingest: claim_batch_at, current_append_span, store_appended_samples,
-- store_raw_samples, store_batch. Known series: register_series, ingest_points, ingest_points_at, point_faults_at. Reading: appended_since, keyed_points, appended_windows, joined_points, bound_series,
-- known_window_points.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local jit = off;
select no_plan();
select monitoring.set_setting('store.max_past', '3000days');
update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
insert into monitoring.metric_families (name, kind) values ('hose', 'counter'), ('hose_level', 'gauge');
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'hose', 'metric_name', 'hose_level',
    'comparison_operator', 'gt', 'critical_threshold', -1, 'evaluation_window', '5 min', 'aggregate', 'sum')) is not null as ok \g /dev/null
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'hose rate', 'metric_name', 'hose',
    'comparison_operator', 'gt', 'critical_threshold', -1, 'evaluation_window', '5 min', 'aggregate', 'increase')) is not null as ok \g /dev/null
select monitoring.create_alert_rule(jsonb_build_object('rule_name', 'hose silent', 'metric_name', 'hose_level',
    'condition_type', 'absence', 'comparison_operator', 'gt', 'critical_threshold', 60)) is not null as ok \g /dev/null

-- Half an hour up to now, on the grid of ten minutes: the first of three slots is base.
select date_bin('10 min', now(), '2001-01-01') - interval '20 min' as base \gset
create function pg_temp.maintain(p_now timestamptz) returns text[] language plpgsql as $$
declare v_step monitoring_internal.partition_step; v_done text[] := '{}';
begin
    loop
        v_step := monitoring_internal.maintain_table_step_at('monitoring.samples', p_now, '{}', 3);
        exit when v_step.step is null or v_step.outcome <> 'done';
        v_done := v_done || v_step.action;
    end loop;
    return v_done || case when v_step.outcome <> 'done' then array[v_step.step || ' ' || v_step.outcome
        || coalesce((select ' ' || last_failure from monitoring.partition_maintenance where last_failure is not null limit 1), '')]
        else '{}' end;
end $$;

-- What was sent: three batches of the same series and times, many more than once, each time with another value.
select setseed(0.42);
create temporary table sent as
select batch, row_number() over () as place, metric, jsonb_build_object('n', n::text) as labels,
    floor(random() * 1000)::double precision as value,
    least(:'base'::timestamptz + floor(random() * 180) * interval '10 s', now()) as sampled_at
from generate_series(1, 3) as batch
cross join (values ('hose'), ('hose_level')) as m (metric)
cross join generate_series(1, 5) as n
cross join generate_series(1, 150) as repeat;
create function pg_temp.send(p_batch integer, p_id uuid default null) returns text language sql as $$
    select monitoring_internal.ingest_samples_at(array_agg(metric order by place), array_agg(labels order by place),
        array_agg(value order by place), array_agg(sampled_at order by place), null, now(), p_id)::text
    from sent where batch = p_batch
$$;
create temporary view first_sent as
select distinct on (metric, labels, sampled_at) metric, labels, sampled_at, value from sent
order by metric, labels, sampled_at, batch, place;

create function pg_temp.series() returns integer[] language sql as $$
    select array_agg(series.series_id order by family.name, series.labels) from monitoring.series as series
    inner join monitoring.metric_families as family using (metric_family_id) where family.name like 'hose%' $$;
create function pg_temp.named(p_id integer) returns text language sql as $$
    select format('%s%s', family.name, series.labels) from monitoring.series as series
    inner join monitoring.metric_families as family using (metric_family_id) where series.series_id = p_id $$;
create function pg_temp.rules() returns integer[] language sql as $$
    select array_agg(rule_no order by rule_name) from monitoring.alert_rules where rule_name like 'hose%' $$;
-- Every reader's answer, as a digest that does not know of keys.
create function pg_temp.answers() returns jsonb language plpgsql as $$
declare
    v_base constant timestamptz := date_bin('10 min', now(), '2001-01-01') - interval '20 min';
    v_series constant integer[] := pg_temp.series();
    v_reader record; v_one text; v_all jsonb := '{}';
begin
    perform monitoring_internal.refresh_rule_bindings_at(now());
    for v_reader in values
        ('read_points', 'select pg_temp.named(series_id), sampled_at, value from monitoring_internal.read_points($1, $2, now() + interval ''1 s'')'),
        ('sample_points', 'select pg_temp.named(series_id), sampled_at, value, period_at from monitoring_internal.sample_points where series_id = any ($1)'),
        ('metric_samples', 'select metric, labels, sampled_at, value, period_at from monitoring.metric_samples where metric like ''hose%'''),
        ('samples_between', 'select labels, sampled_at, value from monitoring.samples_between(''hose'', ''{}'', $2, now())'),
        ('latest_samples', 'select metric, labels, sampled_at, value from monitoring.latest_samples where metric like ''hose%'''),
        ('exposition', 'select line from regexp_split_to_table(monitoring.export_metrics_prometheus(), E''\n'') as line where line like ''hose%'''),
        ('latest_values', 'select metric, labels, sampled_at, value from monitoring_internal.latest_values_at(''{"n": "3"}'', null, now())'),
        ('query_instant', 'select labels, value from monitoring_internal.query_instant_at(''hose_level'', ''{}'', $2 + interval ''15 min'', ''last'', null, now())'),
        ('query sum', 'select labels, bucket_at, value from monitoring_internal.query_range_at(''hose_level'', ''{}'', $2, now(), ''1 min'', ''sum'', null, ''none'', now())'),
        ('query count', 'select labels, bucket_at, value from monitoring_internal.query_range_at(''hose_level'', ''{}'', $2, now(), ''7 min'', ''count'', ''{}'', ''none'', now())'),
        ('query increase', 'select labels, bucket_at, value from monitoring_internal.query_range_at(''hose'', ''{}'', $2, now(), ''5 min'', ''increase'', null, ''none'', now())'),
        ('query p95', 'select labels, bucket_at, value from monitoring_internal.query_range_at(''hose_level'', ''{}'', $2, now(), ''5 min'', ''p95'', null, ''none'', now())'),
        ('fold_samples', 'select pg_temp.named(f.series_id), f.bucket_at, f.sample_count, f.value_sum, f.value_sum_squares, f.value_first, f.value_last, f.increase, f.sketch
            from monitoring_internal.fold_samples(''5 min'', $1, array_fill($2, array[cardinality($1)]), array_fill(now() + interval ''1 h'', array[cardinality($1)]), array_fill(true, array[cardinality($1)])) as f'),
        ('rules', 'select r.rule_name, g.labels, g.value, g.sample_count from monitoring_internal.read_threshold_rules_at(now(), pg_temp.rules()) as g join monitoring.alert_rules as r using (rule_no)'),
        ('absence', 'select a.labels, a.last_at from monitoring_internal.absence_ages_at(now(), pg_temp.rules()) as a'),
        ('rule_points', 'select r.rule_name, p.label_key, p.sampled_at, p.value from monitoring_internal.rule_points(pg_temp.rules(), array_fill($2, array[3]), array_fill(now(), array[3])) as p join monitoring.alert_rules as r using (rule_no)'),
        ('window_points', 'select pg_temp.named(w.series_id), w.sampled_at, w.value from unnest($1) as s cross join lateral monitoring_internal.window_points(s, $2, now(), $2 >= monitoring_internal.raw_from()) as w'),
        ('dashboard', 'select metric_name, avg_value, max_value, sample_count, last_updated from monitoring.system_dashboard where metric_name like ''hose%'''),
        ('archive', 'select a.metric, a.labels, a.samples, a.offsets, a.sample_values from monitoring_internal.archive_lines((now() at time zone ''UTC'')::date, $1) as a')
    loop
        execute format('select md5(coalesce(string_agg(item::text, ''|'' order by item::text), ''none'')) || count(*) from (%s) as item', v_reader.column2)
        into v_one using v_series, v_base;
        v_all := v_all || jsonb_build_object(v_reader.column1, v_one);
    end loop;
    return v_all;
end $$;
create function pg_temp.differences(p_expected jsonb) returns text language sql as $$
    select coalesce(string_agg(known.key || ' ' || known.value || ' ' || (now_it.value), ', '), '')
    from jsonb_each_text(p_expected) as known inner join jsonb_each_text(pg_temp.answers()) as now_it using (key)
    where known.value <> now_it.value $$;

-- with the key from the beginning -----------------------------------------------------------------
savepoint keyed;
select is(array_remove(pg_temp.maintain(:'base'), 'create'), '{}', 'partitions are made with their key');
select matches(pg_temp.send(1, '00000000-0000-4000-8000-000000000001') || pg_temp.send(2) || pg_temp.send(3),
    '^(\(\d+,\d+,0\)){3}$', 'three batches');
select is(pg_temp.send(1, '00000000-0000-4000-8000-000000000001'), '(0,1500,0)', 'a batch with an id that came before is all duplicates');
select is(pg_temp.send(2), '(0,1500,0)', 'and so is one without, by the key');
select is_empty($$ select metric, labels, sampled_at, value from monitoring.metric_samples where metric like 'hose%'
    except select * from first_sent $$, 'what is stored is what came first');
select pg_temp.answers() as expected \gset
rollback to savepoint keyed;

-- append mode -------------------------------------------------------------------------------------
update monitoring.partition_policies set mode = 'append', partition_interval = '10 min', premake = 2
where table_name = 'monitoring.samples';
select throws_ok($$ update monitoring.partition_policies set mode = 'append' where table_name = 'monitoring.job_runs' $$,
    '23514', null, 'other tables have no such mode');
select throws_ok($$ update monitoring.partition_policies set mode = 'btree' where table_name = 'monitoring.samples' $$,
    '23514', null, 'an interval under an hour is of this mode alone');
select is(array(select action from monitoring_internal.append_plan_at('monitoring.samples', :'base')), '{start}', 'it has to be begun');
select is((pg_temp.maintain(:'base'))[1], 'start', 'maintenance begins it');
select is(monitoring_internal.appended_span('monitoring.samples'), tstzrange(:'base', 'infinity'), 'with the current slot, since nothing is stored');
select is((select count(*) from monitoring.partitions where table_name = 'monitoring.samples' and is_appended
    and upper_bound - lower_bound = interval '10 min'), 3::bigint, 'partitions of ten minutes, two of them ahead');
select is_empty(format($$ select * from monitoring_internal.partition_problems_at(%L) where table_name in ('monitoring.samples', 'monitoring.appended_samples') $$, :'base'), 'nothing is wrong with them');
select is(array(select am.amname::text from pg_index as i join pg_class as c on c.oid = i.indexrelid join pg_am as am on am.oid = c.relam
    join monitoring.partitions as p on p.partition_name = i.indrelid::regclass::text or i.indrelid = format('monitoring_partitions.%I', p.partition_name)::regclass
    where p.is_appended), '{brin,brin,brin}', 'with BRIN alone');
select is(pg_temp.send(1, '00000000-0000-4000-8000-000000000001') || pg_temp.send(2) || pg_temp.send(3),
    '(1500,0,0)(1500,0,0)(1500,0,0)', 'everything is taken as it comes');
select is(pg_temp.send(1, '00000000-0000-4000-8000-000000000001'), '(0,1500,0)', 'but a batch with an id that came before');
select is((select count(*) from monitoring.appended_samples), 4500::bigint, 'rows are there more than once');
select is(pg_temp.differences(:'expected'), '', 'every reader answers as with a key, while all is open');
select is(monitoring_internal.store_appended_samples((pg_temp.series())[1:1], array[sampled_at], array[-1.0::float8], array[null::text],
    monitoring_internal.appended_since(), 'infinity'), 0::bigint, 'a single row is looked up')
from monitoring_internal.sample_points where series_id = (pg_temp.series())[1] limit 1;
select is((select count(*) from monitoring_internal.appended_windows(null, '-infinity', 'infinity')), 10::bigint, 'appended_windows: a row a series');
select is_empty($$ select * from monitoring_internal.keyed_points(pg_temp.series(), '-infinity', 'infinity') $$, 'keyed_points: nothing yet');

-- a broken form: each reader without the look for doubles
savepoint broken;
create or replace view monitoring_internal.appended_points as select series_id, sampled_at, value from monitoring.appended_samples;
select cmp_ok(cardinality(string_to_array(pg_temp.differences(:'expected'), ',')), '>', 10, 'without the look for doubles the readers differ');
rollback to savepoint broken;

-- closing -----------------------------------------------------------------------------------------
select is(array(select action from monitoring_internal.append_plan_at('monitoring.samples', :'base'::timestamptz + interval '14 min')), '{}',
    'nothing is closed before store.append_delay');
select is((pg_temp.maintain(:'base'::timestamptz + interval '16 min'))[1:2], '{key,close}', 'then the first slot gets its key and is closed');
select is((select count(*) - count(distinct (series_id, sampled_at)) from monitoring.samples), 0::bigint, 'doubles are gone');
select cmp_ok((select deduplicated_total from monitoring_internal.packing_state), '>', 0::bigint, 'and counted');
select is((select state.appended_since from monitoring_internal.packing_state as state), :'base'::timestamptz + interval '10 min', 'the mode goes on behind it');
select is(pg_temp.differences(:'expected'), '', 'every reader answers alike across the border');
select is(pg_temp.send(3), format('(%s,%s,0)', open, 1500 - open), 'a batch without id: only what is open is taken again')
from (select count(*) as open from sent where batch = 3 and sampled_at >= :'base'::timestamptz + interval '10 min') as part;
select is(pg_temp.differences(:'expected'), '', 'and counts nowhere');
savepoint keyed_only;
select monitoring_internal.key_appended(format('monitoring_partitions.%I', partition_name)::regclass, 'a_key') > 0 as has_doubles
from monitoring.partitions where lower_bound = :'base'::timestamptz + interval '10 min' and is_appended \gset
select is(:'has_doubles'::text, 't', 'a key is given where rows are twice');
select is(pg_temp.differences(:'expected'), '', 'every reader answers alike between the key and the closing');
select is(pg_temp.send(2), format('(%s,%s,0)', open, 1500 - open), 'ingest goes on there, by the key')
from (select count(*) as open from sent where batch = 2 and sampled_at >= :'base'::timestamptz + interval '20 min') as part;
rollback to savepoint keyed_only;

-- back to the other mode --------------------------------------------------------------------------
update monitoring.partition_policies set mode = 'btree', partition_interval = '1 hour' where table_name = 'monitoring.samples';
select ok(pg_temp.maintain(now() + interval '1 s') @> '{shrink,create}', 'back in mode btree: partitions without rows go');
select is(pg_temp.differences(:'expected'), '', 'every reader answers alike while the modes change');
select ok(pg_temp.maintain(now() + interval '30 min') @> '{key,close}', 'the others close when they are over');
select is(monitoring_internal.appended_since(), 'infinity', 'then nothing is left of append mode');
select is((select count(*) from monitoring.appended_samples), 0::bigint, 'no row');
select is(pg_temp.differences(:'expected'), '', 'every reader answers alike when all is closed');
select is((select count(*) from monitoring.metric_samples where metric like 'hose%'), (select count(*) from first_sent), 'nothing is lost or doubled');
select is(pg_temp.send(2), '(0,1500,0)', 'a batch sent again is all duplicates now');
select is_empty($$ select * from monitoring_internal.append_plan_at('monitoring.samples', now() + interval '30 min') $$, 'nothing is left to do');

-- and again, with days between --------------------------------------------------------------------
update monitoring.partition_policies set mode = 'append', partition_interval = '1 hour' where table_name = 'monitoring.samples';
select ok(pg_temp.maintain(now() + interval '4 days') @> '{start}', 'append mode again');
select (monitoring_internal.ingest_samples_at('{later}', '{"{}"}', '{1}', array[now() + interval '4 days'], null, now() + interval '4 days')).accepted as later \gset
update monitoring.partition_holds set covered_until = 'infinity' where table_name = 'monitoring.samples' and name = 'rollups';
create function pg_temp.pack_all(p_now timestamptz) returns text[] language plpgsql as $$
declare v_steps text[] := '{}'; v_step text;
begin
    loop
        v_step := monitoring_internal.pack_next_at(p_now);
        exit when v_step is null;
        v_steps := v_steps || v_step;
    end loop;
    return v_steps;
end $$;
select cmp_ok(pg_temp.pack_all(now() + interval '4 days'), '@>', '{finish}', 'the day of it is packed');
select ok(monitoring_internal.packed_until() > now(), 'all of it');
select is(pg_temp.differences(:'expected'), '', 'every reader answers alike from blocks');
select is(pg_temp.send(1, '00000000-0000-4000-8000-000000000001'), '(0,1500,0)', 'a batch with an id is known in packed days');
select is(pg_temp.send(3), '(0,1500,0)', 'and one without by the times of the blocks');
select is((select count(*) from monitoring.late_samples), 0::bigint, 'nothing is late for them');
delete from monitoring.sample_blocks;
select is(pg_temp.send(1, '00000000-0000-4000-8000-000000000001'), '(0,1500,0)', 'a batch with an id is known when its day is dropped');
select is((monitoring.ingest_samples('{hose}', '{"{}"}', '{1}', array[now()], batch_id => '00000000-0000-4000-8000-000000000001')).duplicate, 1::bigint,
    'monitoring.ingest_samples knows it too');
select monitoring.create_tenant('hosing') as hosing \gset
select is((monitoring.ingest_samples('{hose}', '{"{}"}', '{1}', array[now() + interval '1 min'], :'hosing', '00000000-0000-4000-8000-000000000001')).accepted, 1::bigint,
    'an id of one tenant is none of another''s');
insert into monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at)
select '00000000-0000-4000-8000-000000000001', 'hose', '{}', 5, now();
select is((monitoring_internal.ingest_staged('00000000-0000-4000-8000-000000000001')).duplicate, 1::bigint, 'a copied batch is known by its id');
select is((select count(*) from monitoring_internal.ingest_batches), 2::bigint, 'a row a batch and tenant');

-- known series ------------------------------------------------------------------------------------
select monitoring.register_series('{known,known,bad name,known}', array['{"n": "1"}', '{"n": "2"}', '{}', '{"n": "1"}']::jsonb[]) as known \gset
select is((:'known'::integer[])[3], null, 'register_series: null where a name has a fault');
select is((:'known'::integer[])[1], (:'known'::integer[])[4], 'one id for one set of labels');
select is((monitoring.register_series('{known}', '{"{\"n\": \"2\"}"}'))[1], (:'known'::integer[])[2], 'and the same another time');
select is(monitoring_internal.ingest_points_at(array[k[1], k[2], k[1], k[2], 2000000000, k[1]], array[t, t, t, t, t, t + interval '1 day'],
    array[1, 2, 3, 'NaN', 5, 6]::float8[], null, null, t)::text, '(2,1,3)', 'accepted, duplicate and refused, as with labels')
from (select :'known'::integer[] as k, now() + interval '4 days' as t) as given;
select results_eq($$ select reason, count(*)::int from monitoring.rejected_samples where metric is null group by 1 order by 1 $$,
    $$ values ('nan', 1), ('too_new', 1), ('unknown_series', 1) $$, 'each with its reason');
select is(monitoring_internal.point_faults_at(monitoring.system_tenant_id(), (:'known'::integer[])[1:2], array[now(), now()], '{1,2}', now()), null,
    'point_faults_at: nothing to say where nothing is wrong');
select is((monitoring.ingest_points((:'known'::integer[])[1:1], array[now()], '{1}', :'hosing')).rejected, 1::bigint,
    'a series of another tenant is unknown');
select is((monitoring_internal.ingest_points_at((:'known'::integer[])[1:1], array[now()], '{1}', null, '00000000-0000-4000-8000-000000000001', now())).duplicate,
    1::bigint, 'batches are known by their ids here too');
insert into monitoring_internal.staged_samples (batch_id, series_id, metric, labels, value, sampled_at, tenant_id)
select '00000000-0000-4000-8000-000000000009', id, metric, labels, 5, now() + interval '4 days 5 min', tenant
from (values ((:'known'::integer[])[1], null, null::jsonb, null), (null, 'known', '{"n": "3"}', null),
    ((:'known'::integer[])[2], null, null, monitoring.system_tenant_id())) as staged (id, metric, labels, tenant);
select is(monitoring_internal.ingest_staged_at('00000000-0000-4000-8000-000000000009', now() + interval '4 days')::text, '(3,0,0)',
    'a copied batch may name series by ids and by labels');
select throws_ok('select monitoring.ingest_points(''{1,2}'', ''{2026-01-01}'', ''{1}'')', 'PV201', null, 'arrays have one length');
select throws_ok('select monitoring.ingest_points(''{1}'', ''{2026-01-01}'', ''{1}'', ''00000000-0000-4000-8000-00000000dead'')', 'PV002', null,
    'and a tenant that is not seen is none');

select * from finish();
rollback;
