-- The store under its wide names: what is written comes back, or is refused with the reason.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
set local timezone = 'Asia/Kathmandu';
select no_plan();

create role pgvigil_test_writer login;
create role pgvigil_test_reader login;
create role pgvigil_test_other login;
grant monitoring_collector to pgvigil_test_writer;
grant monitoring_reader to pgvigil_test_reader, pgvigil_test_other;
select monitoring.create_tenant('acme') as acme \gset
select monitoring.create_tenant('globex') as globex \gset
select monitoring.add_tenant_member('pgvigil_test_writer', 'acme');
select monitoring.add_tenant_member('pgvigil_test_reader', 'acme');
select monitoring.add_tenant_member('pgvigil_test_other', 'globex');
select date_trunc('minute', now()) - interval '1 hour' as t0 \gset

-- performance_metrics ---------------------------------------------------------------------------------------------
create temporary table given (like monitoring.performance_metrics);
grant select on given to public;
insert into given values
    ('11111111-2222-4333-8444-555555555555', :'acme', 'orders_open', 'operations', 'gauge', 1e13, 'orders',
        '{"shop": "north", "floor": 3}', '{"who": ["a", "b"]}', 'public', 'orders', -42, :'t0',
        timestamptz :'t0' + interval '3.000001 s', true, 12.5, 0.1, true, true, :'t0', 'standard'),
    ('11111111-2222-4333-8444-555555555556', :'acme', 'orders_open', 'money', 'counter', -0.0, 'cents',
        '{}', '{}', null, null, null, timestamptz :'t0' + interval '1 s', null, false, null, null, false, false, null,
        'standard'),
    ('11111111-2222-4333-8444-555555555557', :'acme', 'orders_open', 'operations', 'gauge', 5e-324, 'orders',
        '{"shop": "south", "empty": "", "none": null}', '{}', null, null, null, :'t0', null, false, null, null, false,
        false, null, 'standard');
set local role pgvigil_test_writer;
insert into monitoring.performance_metrics select * from given;
set local role pgvigil_test_reader;
select set_eq(
    'select p::text from monitoring.performance_metrics as p', 'select g::text from given as g',
    'every column written to performance_metrics comes back unchanged');
reset role;
select is((select count(*) from monitoring.metric_samples where metric = 'orders_open'), 3::bigint,
    'each row is one sample of the store');
select is((select category || ' ' || kind || ' ' || unit from monitoring.metric_families where name = 'orders_open'),
    'operations gauge orders', 'a metric nobody knew is described by its first row');
set local role pgvigil_test_other;
select is_empty('select 1 from monitoring.performance_metrics', 'another tenant sees none of it');
set local role pgvigil_test_writer;
prepare again as insert into monitoring.performance_metrics select * from given;
explain (analyze, costs off, timing off, summary off) execute again;
reset role;
select is((select count(*) from monitoring.sample_details), 3::bigint, 'a batch sent again changes nothing');
set local role pgvigil_test_writer;
with stored as (
    insert into monitoring.performance_metrics (business_id, metric_name, metric_category, metric_type, metric_value)
    values (:'acme', 'orders_plain', 'operations', 'gauge', 7) returning 1)
select is((select count(*) from stored), 1::bigint, 'a row needs no more than what it has to say');
reset role;
select is((select count(*) from monitoring.sample_details), 3::bigint, 'and leaves no details where it says none');
select is(p.id, (select q.id from monitoring.performance_metrics as q where q.metric_name = 'orders_plain'),
    'a row without an id has always the same one')
from monitoring.performance_metrics as p where p.metric_name = 'orders_plain';
select is((select p.retention_policy || ' ' || p.dimensions || ' ' || p.tags || ' ' || p.is_anomaly
    from monitoring.performance_metrics as p where p.metric_name = 'orders_plain'), 'standard {} {} false',
    'what a row does not say is what the design says it is');
prepare insert_as (jsonb) as
    insert into monitoring.performance_metrics
    select r.* from jsonb_populate_record(null::monitoring.performance_metrics,
        jsonb_build_object('metric_name', 'orders_open', 'metric_value', 1, 'collected_at', now(), 'business_id',
            (select tenant_id from monitoring.tenants where name = 'acme')) || $1) as r;
set local role pgvigil_test_writer;
select throws_ok($$ execute insert_as('{"retention_policy": "for_ever"}') $$, 'PV251', null,
    'C-20: a retention policy that does not exist is refused, by its name');
select throws_ok($$ execute insert_as('{"retention_policy": "compliance"}') $$, 'PV250', null,
    'a row cannot be kept longer than its metric');
select throws_ok($$ execute insert_as('{"metric_value": null}') $$, 'PV250', null, 'a value that is missing is no sample');
select throws_ok($$ execute insert_as('{"metric_type": "rate"}') $$, 'PV250', null, 'a kind that is none is refused');
select throws_ok($$ execute insert_as('{"dimensions": [1]}') $$, 'PV250', null, 'dimensions are an object');
select throws_ok($$ execute insert_as('{"dimensions": {"source_table": "x"}}') $$, 'PV250', null,
    'a dimension with the name of a column is refused');
select throws_ok($$ execute insert_as(jsonb_build_object('business_id', null)) $$, 'PV002', null,
    'who may not write for the system does not by leaving the tenant out');
execute insert_as('{"collected_at": "2001-01-01", "metric_value": 4}');
execute insert_as('{"metric_value": 5, "dimensions": {"a": {"b": 1}}}');
reset role;
select set_eq($$ select reason, value from monitoring.rejected_samples $$,
    $$ values ('too_old', 4.0::float8), ('invalid_label_value', 5.0::float8) $$,
    'what the store refuses is kept aside with its reason, and the batch lives');

-- platform_metrics ------------------------------------------------------------------------------------------------
create temporary table likes (like monitoring.platform_metrics);
grant select on likes to public;
insert into likes values
    (:'t0', 'video', 'likes', 12, null, 'page', 'ann', '{"lang": "de"}', '{"deep": [1, {"x": null}]}',
        timestamptz :'t0' + interval '1 min', 0.75, '[{"rule": "range"}]', :'acme'),
    (timestamptz :'t0' + interval '1 min', 'video', 'likes', 13, null, null, null, null, null, null, null, null, :'acme'),
    (:'t0', 'video', 'likes', 3, 'clip-1', 'clip', 'ann', '{"lang": "de", "hot": true}', null, null, null, null, :'acme'),
    (:'t0', 'video', 'likes', 4, 'clip-2', 'clip', 'bob', '{"lang": "fr"}', null, null, 1, null, :'acme');
set local role pgvigil_test_writer;
insert into monitoring.platform_metrics select * from likes;
insert into monitoring.platform_metrics select * from likes;
select throws_ok(format($$ insert into monitoring.platform_metrics (platform, metric_type, value, content_id, tenant_id)
    select 'video', 'likes', 1, string_agg(md5(n::text), ''), %L from generate_series(1, 300) as n $$, :'acme'), 'PV250', null,
    'an item''s id that no index takes is refused, by its name');
set local role pgvigil_test_reader;
select set_eq('select p::text from monitoring.platform_metrics as p', 'select l::text from likes as l',
    'every column written to platform_metrics comes back unchanged, and once');
select is((select array_agg(content_id order by content_id)
    from monitoring.search_platform_metrics('{"lang": "de"}', :'t0', now())
    where content_id is not null), array['clip-1'], 'rows are found by their tags');
set local role pgvigil_test_other;
select is_empty(format($$ select 1 from monitoring.search_platform_metrics('{}', %L, now()) $$, :'t0'),
    'and by no other tenant');
reset role;
select is((select count(*) from monitoring.series as s where s.labels ? 'platform'), 1::bigint,
    'content ids never become series');
select is((select sum(value) from monitoring.metric_samples where metric = 'likes'), 25::float8,
    'and their values are in no sum of their platform');
select is((select retention_class from monitoring.metric_families where name = 'likes'), 'platform',
    'metrics of platforms follow their retention class');
select set_eq('select platform_name, metric_type from monitoring.platforms inner join monitoring.metric_definitions '
    'on platform = platform_name', $$ values ('video', 'likes') $$, 'an unknown platform and metric are registered');
select monitoring.set_setting('store.auto_register_platforms', 'false');
set local role pgvigil_test_writer;
insert into monitoring.platform_metrics (platform, metric_type, value, tenant_id) values
    ('audio', 'likes', 1, :'acme'), ('video', 'views', 2, :'acme'), ('video', 'likes', 'NaN', :'acme');
reset role;
select set_eq($$ select reason from monitoring.rejected_samples where metric in ('likes', 'views') $$,
    array['unknown_platform', 'unknown_platform_metric', 'nan'], 'or refused with the reason, if the setting says so');
update monitoring.platforms set is_active = false;
select is(monitoring_internal.insert_platform_metric(
    jsonb_build_object('tenant_id', :'acme', 'platform', 'video', 'metric_type', 'likes'), 9), false,
    'a platform that is off takes nothing');
select throws_ok($$ update monitoring.platforms set credentials = 'password' $$, '23514', null,
    'credentials in clear text are refused');
select ok(not has_column_privilege('monitoring_admin', 'monitoring.platforms', 'credentials', 'select'),
    'and sealed ones are shown to nobody');
insert into monitoring.metric_definitions (tenant_id, platform, metric_type, unit, data_type, description)
values (:'acme', 'video', 'plays', 'plays', 'counter', 'Plays since the start.');
select is((select kind || ' ' || unit from monitoring.metric_families where name = 'plays'), 'counter plays',
    'a definition says what its family is');
update monitoring.metric_definitions set data_type = 'gauge' where metric_type = 'plays';
select is((select kind from monitoring.metric_families where name = 'plays'), 'counter',
    'which one of a tenant cannot change afterwards for all');

-- usage_metrics ---------------------------------------------------------------------------------------------------
insert into monitoring.systems (tenant_id, hostname) values (:'acme', 'lab-1') returning system_id as lab \gset
insert into monitoring.systems (tenant_id, hostname) values (:'globex', 'lab-1') returning system_id as foreign_lab \gset
create temporary table used (like monitoring.usage_metrics);
grant select on used to public;
insert into used values
    (:'lab', :'t0', 81.5, '[99.9, 0, 12.25]', 55, 70.125, 0, null, null, 1.5, 2.5, 90, 3, 0.001, 1e3, :'acme'),
    (:'lab', timestamptz :'t0' + interval '5 min', null, null, null, 40, 100, 12, 60, null, null, null, null, null, null,
        :'acme');
set local role pgvigil_test_writer;
insert into monitoring.usage_metrics select * from used;
insert into monitoring.usage_metrics select * from used;
set local role pgvigil_test_reader;
select set_eq('select u::text from monitoring.usage_metrics as u', 'select u::text from used as u',
    'L-29: a retried report is ignored, and every column of usage_metrics comes back unchanged');
reset role;
select is((select last_seen from monitoring.systems where system_id = :'lab'),
    timestamptz :'t0' + interval '5 min', 'a report says that its machine was seen');
prepare use_as (uuid, float8, jsonb) as
    insert into monitoring.usage_metrics (system_id, "timestamp", cpu_percent, cpu_per_core)
    values ($1, now(), $2, $3);
set local role pgvigil_test_writer;
select throws_ok(format($$ execute use_as(%L, 1, null) $$, :'foreign_lab'), 'PV252', null,
    'a machine of another tenant is as unknown as one that is not there');
select throws_ok(format($$ execute use_as(%L, 100.5, null) $$, :'lab'), 'PV250', null, 'more than all is no percentage');
select throws_ok(format($$ execute use_as(%L, 1, '{"0": 1}') $$, :'lab'), 'PV250', null, 'cores are an array');
select throws_ok(format($$ execute use_as(%L, 1, '[1, "a"]') $$, :'lab'), 'PV250', null, 'of numbers');
reset role;
select is((select array_agg(core order by core) from (select labels ->> 'core' as core from monitoring.metric_samples
    where metric = 'usage_cpu_core_percent' and value > 90 and labels ->> 'system_id' = :'lab') as hot), array['0'],
    'P-07: cores above a mark are found by their values');
select is(pg_stat_get_xact_tuples_hot_updated('monitoring.systems'::regclass),
    pg_stat_get_xact_tuples_updated('monitoring.systems'::regclass),
    'P-06: that a machine was seen changes its row in place, and no index');
select cmp_ok(pg_stat_get_xact_tuples_updated('monitoring.systems'::regclass), '>', 0::bigint, 'which it did');
select is_empty($$ select conname from pg_constraint where contype = 'f' and confrelid = 'monitoring.systems'::regclass $$,
    'C-19: no row of figures hangs on a machine, to be deleted one by one with it');
savepoint gone;
delete from monitoring.systems where system_id = :'lab';
select is((select count(*) from monitoring.metric_samples where labels ->> 'system_id' = :'lab'), 17::bigint,
    'C-19: what a removed machine measured is kept for its time');
rollback to gone;
select set_has('select name from monitoring_internal.usage_columns()', $$ values ('cpu_percent'), ('net_recv_mb_s') $$,
    'each numeric column is a family');
select is(monitoring_internal.usage_cores('[1, 2.5]'), array[1, 2.5]::float8[], 'cores keep their order');

-- system_metrics, application_metrics -----------------------------------------------------------------------------
create temporary table hosts (like monitoring.system_metrics);
create temporary table calls (like monitoring.application_metrics);
grant select on hosts, calls to public;
insert into hosts values
    (:'t0', 'web-1', 'north', 'cpu', 'production', '%', 91, 80, 95, :'acme'),
    (timestamptz :'t0' + interval '10 s', 'web-1', 'north', 'cpu', 'production', '%', 92, null, null, :'acme'),
    (:'t0', 'web-1', null, 'network', null, 'bytes', null, 1, null, :'acme');
insert into calls values
    (:'t0', 'shop', 'checkout', 'error_rate', 'production', '/pay', 'POST', '500', 0.5, 7, 0.1, :'acme'),
    (:'t0', 'shop', 'checkout', 'error_rate', 'production', '/pay', 'POST', '200', null, 70, null, :'acme');
set local role pgvigil_test_writer;
insert into monitoring.system_metrics select * from hosts;
insert into monitoring.application_metrics select * from calls;
set local role pgvigil_test_reader;
select set_eq('select h::text from monitoring.system_metrics as h', 'select h::text from hosts as h',
    'every column written to system_metrics comes back unchanged, limits too');
select set_eq('select c::text from monitoring.application_metrics as c', 'select c::text from calls as c',
    'every column written to application_metrics comes back unchanged');
set local role pgvigil_test_writer;
select throws_ok($$ insert into monitoring.system_metrics (metric_type, value) values ('cpu', 1) $$, 'PV250', null,
    'a host is named');
select throws_ok($$ insert into monitoring.application_metrics (metric_name, value) values ('errors', 1) $$, 'PV250',
    null, 'and a service');
select throws_ok(format($$ insert into monitoring.system_metrics (host_id, metric_type, value, tenant_id)
    values ('web-1', 'load average', 1, %L) $$, :'acme'), 'PV250', null, 'a kind that can be no metric is refused');
select throws_ok(format($$ insert into monitoring.system_metrics (host_id, datacenter, metric_type, value, tenant_id)
    values ('web-1', '', 'cpu', 1, %L) $$, :'acme'), 'PV250', null,
    'a label that would come back as null is refused');
reset role;
select is((select array_agg(name order by name) from monitoring.metric_families where name ~ '^system_cpu'),
    array['system_cpu', 'system_cpu:threshold_critical', 'system_cpu:threshold_warning'],
    'limits in force are series beside the value');
select ok(monitoring_internal.insert_labelled_metric('system_metrics', :'acme', 'disk', '{"host_id": "web-1"}',
    array[''], array[1.0], now()), 'the trigger''s function stores a row');
select ok(monitoring_internal.insert_usage_metric(:'lab', now(), array[1.0], null), 'so does that of machines');
select ok(monitoring_internal.insert_performance_metric(jsonb_build_object('metric_name', 'x'), 1), 'and of measures');

-- The parts -------------------------------------------------------------------------------------------------------
select monitoring_internal.adopt_families(array['made_here', 'not a name'], 'counter', 'bytes', 'here', 'usage');
select is((select string_agg(concat_ws(' ', name, kind, unit, category, retention_class), ';')
    from monitoring.metric_families where name in ('made_here', 'not a name')), 'made_here counter bytes here usage',
    'adopt_families makes what is missing');
select monitoring_internal.adopt_families(array['made_here'], 'gauge', 's', 'there', 'standard');
select is((select kind from monitoring.metric_families where name = 'made_here'), 'counter', 'and changes nothing');
select is(monitoring_internal.store_wide_at(:'acme', '{"a": "b"}', array['made_here', 'made_there'],
    array[1, null], now(), now()), 1::bigint, 'store_wide_at leaves out what is null');
select is(monitoring_internal.said_of('{"a": null, "b": {"c": null}}'), '{"b": {"c": null}}',
    'said_of keeps nulls that are deeper inside');
select monitoring_internal.keep_sample_details(:'acme', 'made_here', '{"a": "b"}', now(), null, '{"x": null}');
select is((select count(*) from monitoring.sample_details where sampled_at = now()
    and series_id = (select series_id from monitoring.series where labels = '{"a": "b"}')), 0::bigint,
    'keep_sample_details keeps nothing of a row that said nothing');
select throws_ok($$ select monitoring_internal.refuse_column('usage_metrics', 'cpu_temp', 'is odd', 'Mend it.') $$,
    'PV250', 'cpu_temp of monitoring.usage_metrics is odd', 'refuse_column names view, column and fault');
select is(monitoring_internal.performance_labels('{"dimensions": {"a": "b"}, "source_table": "t"}'),
    '{"a": "b", "source_table": "t"}', 'performance_labels adds where a row came from');
select is(monitoring_internal.performance_details('{"metric_name": "made_here", "metric_type": "gauge"}', '{}'),
    '{"metric_type": "gauge"}', 'performance_details keeps what contradicts the family');
select ok(monitoring_internal.insert_performance_metric_at('{"metric_name": "made_at"}', 1, now()),
    'insert_performance_metric_at takes its time for the row''s');
select monitoring.set_setting('store.auto_register_platforms', 'true');
select is(monitoring_internal.platform_fault(:'acme', 'video', 'likes'), 'inactive_platform_metric',
    'platform_fault knows what is off');
select is(monitoring_internal.platform_fault(:'acme', 'radio', 'no name'), 'invalid_metric_name', 'and what no metric is');
select ok(monitoring_internal.insert_platform_metric_at(
    jsonb_build_object('tenant_id', :'acme', 'platform', 'radio', 'metric_type', 'plays'), 1, now()),
    'insert_platform_metric_at registers both');
select ok(monitoring_internal.keep_content_value(:'acme', 'plays', '{"platform": "radio"}', now(), 'song', 2, null, '{}'),
    'keep_content_value keeps an item''s value');
select ok(not monitoring_internal.keep_content_value(:'acme', 'plays', '{"platform": "radio"}', now(), 'song', 3, null,
    '{}'), 'once');
select ok(monitoring_internal.insert_usage_metric_at(:'lab', now() - interval '1 s', array[1.0], null, now()),
    'insert_usage_metric_at takes columns from the left');
select ok(not monitoring_internal.insert_labelled_metric_at('system_metrics', :'acme', 'disk', '{"host_id": "web-1"}',
    array[''], array[1.0], now(), now()), 'insert_labelled_metric_at says what was there before');
select set_eq($$ select tgrelid::regclass::text, proname from pg_trigger inner join pg_proc as p on p.oid = tgfoid
        where tgname ~ '_metrics_insert$' or tgname = 'metric_definitions_describe' $$,
    $$ values ('monitoring.performance_metrics', 'performance_metrics_insert'::name),
        ('monitoring.platform_metrics', 'platform_metrics_insert'), ('monitoring.usage_metrics', 'usage_metrics_insert'),
        ('monitoring.system_metrics', 'system_metrics_insert'),
        ('monitoring.application_metrics', 'application_metrics_insert'),
        ('monitoring.metric_definitions', 'metric_definitions_describe') $$,
    'each wide name has its trigger');

-- What administrators change is audited ------------------------------------------------------------------------
select set_eq(
    $$ select distinct action from monitoring.audit_logs
        where resource_type in ('platform', 'metric_definition', 'system', 'retention_class') $$,
    array['platform_created', 'platform_changed', 'metric_definition_created', 'metric_definition_changed',
        'system_created'],
    'platforms, their metrics and systems are audited; that a system was seen is no change');

-- How many series a metric has -----------------------------------------------------------------------------------
select monitoring.set_setting('store.max_series_per_metric', '2');
set local role pgvigil_test_writer;
insert into monitoring.application_metrics (service_id, metric_name, endpoint, value, tenant_id)
select 'shop', 'latency', '/item/' || n, 1, :'acme' from generate_series(1, 5) as n;
set local role pgvigil_test_reader;
select is((select c::text from monitoring.metric_cardinality as c where c.metric = 'application_latency'),
    format('(%s,application_latency,2,2,1)', :'acme'), 'P-12: labels have a bound, and a view says who has reached it');
reset role;
select is((select count(*) from monitoring.rejected_samples where reason = 'too_many_series'), 3::bigint,
    'P-12: what is beyond it is kept aside with the reason');

select * from finish();
rollback;
