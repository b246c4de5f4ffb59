-- Asking the store: grids, matchers, groups, fills, values at one time, whose they are, and questions that are refused.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
-- A reader's session is anywhere: nothing may depend on its zone.
set local timezone = 'Asia/Kathmandu';
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

-- grids -------------------------------------------------------------------------------------------
select results_eq(
    format('select grid.first_at, grid.bucket_count from monitoring_internal.query_grid(%L, %L, %L) as grid', from_at, until_at, step),
    format('values (%L::timestamptz, %s::bigint)', first_at, buckets), format('%s from %s: %s buckets', step, from_at, buckets))
from (values
    ('2026-03-18 10:07Z', '2026-03-18 11:00Z', '15 min', '2026-03-18 10:00Z', 4),
    ('2026-03-18 10:07Z', '2026-03-20 00:00Z', '1 day', '2026-03-18 00:00Z', 2),
    ('2026-03-18 10:07Z', '2026-03-30 00:00:01Z', '1 week', '2026-03-16 00:00Z', 3),
    ('2026-03-18 10:07Z', '2026-03-30 00:00Z', '168 hours', '2026-03-16 00:00Z', 2),
    ('2026-02-18 10:07Z', '2026-05-01 00:00Z', '1 month', '2026-02-01 00:00Z', 3),
    ('2026-02-18 10:07Z', '2026-05-01 00:00Z', '3 months', '2026-01-01 00:00Z', 2),
    ('2026-02-18 10:07Z', '2026-05-01 00:00Z', '1 year', '2026-01-01 00:00Z', 1),
    ('2026-03-18 10:07Z', '2026-03-18 10:07:00.5Z', '100 ms', '2026-03-18 10:07Z', 5)
) as example (from_at, until_at, step, first_at, buckets);
select is(monitoring_internal.query_buckets('2026-01-31 12:00Z', '2026-03-01 00:00:00.000001Z', '1 month'),
    '{2026-01-01 00:00Z,2026-02-01 00:00Z,2026-03-01 00:00Z}'::timestamptz[], 'months are those of the calendar, in UTC');
select is(monitoring_internal.bucket_of('2026-02-28 23:59:59Z', null, null, '{2026-01-01 00:00Z,2026-02-01 00:00Z,2026-03-01 00:00Z}'),
    '2026-02-01 00:00Z', 'the last second of February is in February');
select is(monitoring_internal.aligned_inside('{[2026-01-01 00:30Z,2026-01-01 04:10Z),[2026-01-02 00:10Z,2026-01-02 00:50Z)}', '1 hour'),
    '{[2026-01-01 01:00Z,2026-01-01 04:00Z)}', 'only whole hours come from hours');
select is(monitoring_internal.kept_since('2026-03-18 10:00Z', '90 days'), '2025-12-19 00:00Z'::timestamptz, 'whole days are kept');
select results_eq(
    $$ select source, from_at, until_at from monitoring_internal.sample_sources('{[2026-01-01 00:00Z,2026-01-02 00:00Z)}') $$,
    $$ values ('raw', timestamptz '2026-01-01 00:00Z', timestamptz '2026-01-02 00:00Z') $$, 'before anything is packed samples are raw');
update monitoring_internal.rollup_levels set watermark = case resolution when '1d' then timestamptz '2026-03-18' when '1h' then '2026-03-18 09:00Z'
    else '-infinity' end;
select results_eq(
    $$ select resolution, from_at, until_at from monitoring_internal.query_levels('standard', '2026-03-18 10:00Z') order by 1 $$,
    $$ values ('1d', timestamptz '2016-03-19 00:00Z', timestamptz '2026-03-18'), ('1h', '2025-02-12 00:00Z', '2026-03-18 09:00Z') $$,
    'query_levels are those of the class that were ever built, as long as they are kept');
select results_eq(
    $$ select source, from_at at time zone 'UTC', until_at at time zone 'UTC'
        from monitoring_internal.plan_query('standard', null, '2026-03-10 10:30Z', '2026-03-18 09:45Z', '1 day', true, '2026-03-18 10:00Z') $$,
    $$ values ('1d', timestamp '2026-03-11', timestamp '2026-03-17'), ('1h', '2026-03-10 11:00', '2026-03-11'),
        ('1h', '2026-03-17', '2026-03-18 09:00'), ('raw', '2026-03-10 10:30', '2026-03-10 11:00'), ('raw', '2026-03-18 09:00', '2026-03-18 09:45') $$,
    'days inside, hours beside them, samples at the edges');
select results_eq(
    $$ select distinct source from monitoring_internal.plan_query('standard', null, '2026-03-10', '2026-03-17', '90 min', true, '2026-03-18 10:00Z') $$,
    array['raw'], 'a step that no rollup divides is of samples');
select results_eq(
    $$ select source, from_at at time zone 'UTC' from monitoring_internal.plan_query('standard', '2026-03-15 00:00Z', '2026-03-10 00:00Z', '2026-03-17 00:00Z', '1 day', true, '2026-03-18 10:00Z') $$,
    $$ values ('1d', timestamp '2026-03-15'), ('raw', '2026-03-10') $$, 'nor are days from before the metric had its class');
update monitoring_internal.rollup_levels set watermark = '-infinity';

-- aggregates --------------------------------------------------------------------------------------
select results_eq(
    format('select outer_name, inner_name, quantile from monitoring_internal.parse_aggregate(%L)', aggregate),
    format('values (%L::text, %L::text, %L::double precision)', outer_name, inner_name, quantile), format('%s is read', aggregate))
from (values
    ('avg', null, 'avg', null), (' Sum ( avg ) ', 'sum', 'avg', null), ('p50', null, 'quantile', 0.5), ('p99.9', null, 'quantile', 0.999),
    ('quantile(0.25)', null, 'quantile', 0.25), ('max(p95)', 'max', 'quantile', 0.95), ('rate', 'sum', 'rate', null),
    ('max(increase)', 'max', 'increase', null), ('avg(quantile(1))', 'avg', 'quantile', 1)
) as example (aggregate, outer_name, inner_name, quantile);
select is(monitoring_internal.counter_step(before, after), step, format('from %s to %s: %s', before, after, step))
from (values (10::float8, 15::float8, 5::float8), (10, 3, 3), (10, -3, 0), (null, 3, 0), (-1.7e308, 1.7e308, 2e300)) as example (before, after, step);
select is(monitoring_internal.summable(1e305), 'Infinity'::float8, 'what no sum holds is infinite');
select is(monitoring_internal.squared(1e200), 'Infinity'::float8, 'what no square holds is, too');
select is(monitoring_internal.folded_value('stddev', 4, 20, 120, 2, 8), sqrt(5)::float8, 'a deviation of the population');
select is(monitoring_internal.folded_value('stddev', 3, 3e9, 3e18, 1e9, 1e9), 0::float8, 'of equal values none, however great');
select is(monitoring_internal.group_labels('{"a": "1", "b": "2"}', by), shown::jsonb, format('grouped by %s', by))
from (values (null::text[], '{"a": "1", "b": "2"}'), ('{}', '{}'), ('{b,c}', '{"b": "2"}')) as example (by, shown);

-- one counter and one gauge of two tenants ----------------------------------------------------------
create role pgvigil_query_a nologin;
create role pgvigil_query_none nologin;
grant monitoring_reader to pgvigil_query_a, pgvigil_query_none;
create temporary table tenant as select name, monitoring.create_tenant(name) as tenant_id from unnest(array['query-a', 'query-b']) as name;
select monitoring.add_tenant_member('pgvigil_query_a', 'query-a');
select monitoring_internal.register_families('[{"name": "q_used", "kind": "gauge", "unit": "bytes"}, {"name": "q_total", "kind": "counter"},
    {"name": "q_nothing", "kind": "gauge"}]');
create temporary table base as select date_bin('2 hours', now(), 'epoch') - interval '2 hours' as at;
create function pg_temp.store(p_metric text, p_labels jsonb, p_tenant text, p_minutes integer[], p_values float8[]) returns bigint language sql as $$
    select (monitoring.ingest_samples(array_agg(p_metric), array_agg(p_labels), array_agg(value), array_agg(base.at + minute * interval '1 min'),
        (select tenant_id from tenant where name = p_tenant))).accepted
    from base, unnest(p_minutes, p_values) as sample (minute, value)
$$;
select is(pg_temp.store('q_used', '{"disk": "a", "host": "one"}', 'query-a', '{1,2,31}', '{10,30,50}'), 3::bigint, 'a disk');
select is(pg_temp.store('q_used', '{"disk": "b", "host": "one"}', 'query-a', '{1,91}', '{100,200}'), 2::bigint, 'another');
select is(pg_temp.store('q_used', '{"host": "two"}', 'query-a', '{1}', '{7}'), 1::bigint, 'a host without disks');
select is(pg_temp.store('q_used', '{"disk": "a", "host": "one"}', 'query-b', '{1}', '{1000}'), 1::bigint, 'the same of another tenant');
select is(pg_temp.store('q_total', '{"host": "one"}', 'query-a', '{-30,5,10,35,40}', '{90,100,130,5,10}'), 5::bigint, 'a counter');
create function pg_temp.ask(p_metric text, p_matchers jsonb, p_step interval, p_aggregate text, p_by text[] default null, p_fill text default 'none')
returns text language sql as $$
    select string_agg(format('%s%s %s=%s', tenant.name, answer.labels, to_char(answer.bucket_at - base.at, 'HH24:MI'), coalesce(round(answer.value::numeric, 4)::text, '-')), E'\n'
        order by tenant.name, answer.labels, answer.bucket_at)
    from base, monitoring.query_range(p_metric, p_matchers, base.at, base.at + interval '2 hours', p_step, p_aggregate, p_by, p_fill) as answer
    join tenant using (tenant_id)
$$;
select is(pg_temp.ask('q_used', '{"host": "one"}', '1 hour', 'avg', '{host}'),
    E'query-a{"host": "one"} 00:00=47.5000\nquery-a{"host": "one"} 01:00=200.0000\nquery-b{"host": "one"} 00:00=1000.0000',
    'the mean of samples, not of means, and never over two tenants');
select is(pg_temp.ask('q_used', '{"host": "one"}', '1 hour', 'sum(avg)', '{}'),
    E'query-a{} 00:00=130.0000\nquery-a{} 01:00=200.0000\nquery-b{} 00:00=1000.0000', 'what two disks hold together is the sum of their means');
select is(pg_temp.ask('q_used', matchers, '2 hours', 'count', '{}'), answer, format('matchers %s', matchers))
from (values
    ('{"disk": ""}'::jsonb, 'query-a{} 00:00=1.0000'), ('{"disk": {"ne": ""}, "host": {"re": "o.*"}}', E'query-a{} 00:00=5.0000\nquery-b{} 00:00=1.0000'),
    ('{"disk": {"nre": "a|c"}}', 'query-a{} 00:00=3.0000'), ('{"disk": {"in": ["b", "c"]}}', 'query-a{} 00:00=2.0000'),
    ('{"disk": "c"}', null), ('{"host": {"re": "on"}}', null)
) as example (matchers, answer);
select is(pg_temp.ask('q_total', '{}', '30 min', 'increase'), 'query-a{"host": "one"} 00:00=40.0000' || E'\n' || 'query-a{"host": "one"} 00:30=10.0000',
    'a step counts where it ends, the first comes from before the range, and a fall is a beginning');
select is(pg_temp.ask('q_total', '{}', '30 min', 'rate'), 'query-a{"host": "one"} 00:00=0.0167' || E'\n' || 'query-a{"host": "one"} 00:30=0.0056',
    'a rate is over the time that the steps took');
select is(pg_temp.ask('q_used', '{"disk": "b"}', '30 min', 'max', null, fill), answer, format('fill %s', fill))
from (values
    ('none', E'query-a{"disk": "b", "host": "one"} 00:00=100.0000\nquery-a{"disk": "b", "host": "one"} 01:30=200.0000'),
    ('null', E'query-a{"disk": "b", "host": "one"} 00:00=100.0000\nquery-a{"disk": "b", "host": "one"} 00:30=-\nquery-a{"disk": "b", "host": "one"} 01:00=-\nquery-a{"disk": "b", "host": "one"} 01:30=200.0000'),
    ('zero', E'query-a{"disk": "b", "host": "one"} 00:00=100.0000\nquery-a{"disk": "b", "host": "one"} 00:30=0.0000\nquery-a{"disk": "b", "host": "one"} 01:00=0.0000\nquery-a{"disk": "b", "host": "one"} 01:30=200.0000'),
    ('previous', E'query-a{"disk": "b", "host": "one"} 00:00=100.0000\nquery-a{"disk": "b", "host": "one"} 00:30=100.0000\nquery-a{"disk": "b", "host": "one"} 01:00=100.0000\nquery-a{"disk": "b", "host": "one"} 01:30=200.0000'),
    ('linear', E'query-a{"disk": "b", "host": "one"} 00:00=100.0000\nquery-a{"disk": "b", "host": "one"} 00:30=133.3333\nquery-a{"disk": "b", "host": "one"} 01:00=166.6667\nquery-a{"disk": "b", "host": "one"} 01:30=200.0000')
) as example (fill, answer);
select results_eq(
    $$ select bucket_at, value from monitoring_internal.fill_query('previous', '{1}', '{2026-01-01 01:00Z}', '{5}',
        '{2026-01-01 00:00Z,2026-01-01 01:00Z,2026-01-01 02:00Z,2026-01-01 03:00Z}', '2026-01-01 02:30Z') order by 1 $$,
    $$ values (timestamptz '2026-01-01 00:00Z', null::float8), ('2026-01-01 01:00Z', 5), ('2026-01-01 02:00Z', 5), ('2026-01-01 03:00Z', null) $$,
    'nothing is drawn before the first value or carried on into the future');
select is(pg_temp.ask('q_nothing', '{}', '30 min', 'avg', '{}', 'zero'), null, 'what has no samples has no rows');

-- at one time -------------------------------------------------------------------------------------
create function pg_temp.ask_at(p_metric text, p_minute integer, p_aggregate text, p_by text[] default null) returns text language sql as $$
    select string_agg(format('%s%s=%s', tenant.name, labels, round(value::numeric, 2)), ' ' order by tenant.name, labels)
    from base, monitoring.query_instant(p_metric, '{}', base.at + p_minute * interval '1 min', p_aggregate, p_by) join tenant using (tenant_id)
$$;
select is(pg_temp.ask_at('q_used', 4, 'last', '{disk}'), 'query-a{}=7.00 query-a{"disk": "a"}=30.00 query-a{"disk": "b"}=100.00 query-b{"disk": "a"}=1000.00',
    'of each the newest that is not stale');
select is(pg_temp.ask_at('q_used', 4, aggregate, '{}'), format('query-a{}=%s query-b{}=%s', a, b), format('%s of the newest', aggregate))
from (values ('sum', '137.00', '1000.00'), ('avg', '45.67', '1000.00'), ('max', '100.00', '1000.00'), ('min', '7.00', '1000.00'), ('count', '3.00', '1.00'),
    ('p50', '30.00', '1000.00'), ('stddev', '39.55', '0.00')) as example (aggregate, a, b);
select is(pg_temp.ask_at('q_used', 8, 'last'), null, 'what is stale has no value');
select is((select count(*) from base, monitoring.latest_values('{"host": "one"}', base.at + interval '10 min')), 1::bigint,
    'of a host''s metrics those that are not stale');
select is((select string_agg(format('%s%s=%s%s', metric, labels, value, unit), ' ' order by metric, value desc) from base,
        monitoring.latest_values('{"host": "one", "disk": {"ne": "b"}}', base.at + interval '5 min')), 'q_total{"host": "one"}=100 q_used{"disk": "a", "host": "one"}=1000bytes q_used{"disk": "a", "host": "one"}=30bytes',
    'all metrics of a host with their units, and only what matchers mean');
select is((select array_agg(value order by sampled_at) from base, monitoring.samples_between('q_total', '{}', base.at - interval '30 min', base.at + interval '40 min')),
    '{90,100,130,5}', 'samples_between shows them as they are, and not the end');

-- whose -------------------------------------------------------------------------------------------
select is(pg_temp.as_role(role, format('select count(*) from %s', ask)), seen, format('%s sees %s rows of %s', role, seen, left(ask, 40)))
from (values ('pgvigil_query_a', '1', '1', '3', '2'), ('pgvigil_query_none', '0', '0', '0', '0'), ('monitoring_admin', '2', '2', '4', '3'),
        ('monitoring_collector', '42501', '42501', '42501', '42501')) as reader (role, in_range, in_groups, at_once, of_host),
    base, lateral (values
        (format('monitoring.query_range(''q_used'', ''{"disk": "a"}'', %L, %L, ''1 day'', ''sum'', ''{}'', ''none'')', base.at, base.at + interval '1 hour'), in_range),
        (format('monitoring.query_instant(''q_used'', ''{"disk": "a"}'', %L, ''sum'', ''{}'')', base.at + interval '3 min'), in_groups),
        (format('monitoring.samples_between(''q_used'', ''{}'', %L, %L) where labels ? ''disk'' and sampled_at < %L', base.at, base.at + interval '1 hour', base.at + interval '10 min'), at_once),
        (format('monitoring.latest_values(''{"disk": {"ne": ""}}'', %L)', base.at + interval '3 min'), of_host)) as asked (ask, seen);
select is(pg_temp.store('private_q', '{}', 'query-b', '{1}', '{1}'), 1::bigint, 'a metric that one tenant made up');
select is(pg_temp.as_role('pgvigil_query_a', $$ select count(*) from monitoring.query_instant('private_q', '{}') $$), 'PV230',
    'is not even known to exist by another');
select set_config('pgvigil.tenant_id', (select tenant_id::text from tenant where name = 'query-b'), true);
select is(pg_temp.ask('q_used', '{"disk": "a"}', '2 hours', 'sum', '{}'), 'query-b{} 00:00=1000.0000', 'the setting narrows to one tenant');
select set_config('pgvigil.tenant_id', '', true);

-- the index ---------------------------------------------------------------------------------------
select is((monitoring.ingest_samples(array_agg('crowd_' || number % 20), array_agg(jsonb_build_object('host', 'h' || number / 20)), array_agg(1.0::float8), array_agg(now()))).accepted,
    5000::bigint, 'two hundred and fifty hosts of twenty metrics') from generate_series(0, 4999) as number;
analyze monitoring.series;
select is((select count(*) from monitoring.latest_values('{"host": "h17"}')), 20::bigint, 'a host of many');
set local enable_seqscan = off; -- Few series may be read as quickly one by one.
create temporary table plan (line text);
do $$
declare
    v_line text;
begin
    for v_line in explain select series_id from monitoring.series where labels @> '{"host": "h17"}' loop
        insert into plan values (v_line);
    end loop;
end
$$;
select matches(string_agg(line, ' '), 'series_labels_idx', 'its series are found by the index of labels') from plan;
reset enable_seqscan;

-- refused -----------------------------------------------------------------------------------------
select throws_ok(format('select * from monitoring.query_range(%s)', arguments), code, null, format('%s: %s', code, arguments))
from (values
    ($$'no_such', '{}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV230'), ($$null, '{}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV230'),
    ($$'q_used', '{}', '2026-01-02', '2026-01-01', '1 hour'$$, 'PV231'), ($$'q_used', '{}', '2026-01-01', '2026-01-01', '1 hour'$$, 'PV231'),
    ($$'q_used', '{}', '2026-01-01', 'infinity', '1 hour'$$, 'PV231'), ($$'q_used', '{}', null, '2026-01-01', '1 hour'$$, 'PV231'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '0 s'$$, 'PV232'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '-1 hour'$$, 'PV232'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 month 3 days'$$, 'PV232'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '-1 month'$$, 'PV232'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 month -30 days'$$, 'PV232'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', null$$, 'PV232'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'median'$$, 'PV233'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'quantile(1.5)'$$, 'PV233'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', null$$, 'PV233'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'rate(avg)'$$, 'PV233'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', fill => 'linear '$$, 'PV234'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', fill => null$$, 'PV234'),
    ($$'q_used', '[]', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV235'), ($$'q_used', '{"host": 1}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV235'),
    ($$'q_used', '{"host": {"like": "a"}}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV235'), ($$'q_used', '{"host": {"in": [1]}}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV235'),
    ($$'q_used', '{"host": {"re": "("}}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV941'), ($$'q_used', '{"host": {"re": "(a)\\1"}}', '2026-01-01', '2026-01-02', '1 hour'$$, 'PV941'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 ms'$$, 'PV236'), ($$'q_used', '{}', '2026-01-01', '2027-01-01', '1 s'$$, 'PV236'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'rate'$$, 'PV237'), ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'max(increase)'$$, 'PV237'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'avg', array['host', null]$$, 'PV238'),
    ($$'q_used', '{}', '2026-01-01', '2026-01-02', '1 hour', 'avg', '{""}'$$, 'PV238')
) as example (arguments, code);
select throws_ok(format('select * from monitoring.query_instant(''q_used'', ''{}'', null, %L)', aggregate), 'PV233', null, format('%s of an instant', aggregate))
from unnest(array['rate', 'first', 'sum(avg)']) as aggregate;
select monitoring.set_setting('query.max_points', '1000');
select throws_ok($$ select * from monitoring.latest_values('{}') $$, 'PV236', null, 'everything of everybody is too much for latest_values');
select throws_ok($$ select * from monitoring.query_range('crowd_1', '{}', now() - interval '1 hour', now(), '1 min') $$, 'PV236',
    'the answer would have 15000 values, 60 steps of 250 groups, and may have 1000', 'the refusal says what would come of it');
select lives_ok($$ select monitoring_internal.check_answer_size(1000) $$, 'a thousand of a thousand are not too many');

select is((select joined.value || array(select extract(day from moment)::float8 from unnest(joined.bucket_at) as moment)
    from monitoring_internal.join_buckets(first, ones, second, twos) as joined), answer::float8[], format('join_buckets: %s', said))
from (values
    ('{2026-01-01,2026-01-02}'::timestamptz[], '{1,1}'::float8[], '{2026-01-03}'::timestamptz[], '{2}'::float8[], '{1,1,2,1,2,3}', 'after'),
    ('{2026-01-02}', '{1}', '{2026-01-01,2026-01-03}', '{2,2}', '{2,1,2,1,2,3}', 'around'),
    ('{2026-01-01,2026-01-03}', '{1,1}', '{2026-01-02}', '{2}', '{1,2,1,1,2,3}', 'between'),
    ('{2026-01-01}', '{1}', null, null, '{1,1}', 'alone')
) as example (first, ones, second, twos, answer, said);
-- Asking writes nothing: every function that takes part is read-only, and so are the questions themselves.
select is_empty($$ select wanted.name, p.provolatile from unnest(array[
    'is_counter_like', 'check_counter', 'check_query_size', 'require_family', 'check_query_matchers', 'check_query_range',
    'check_group_by', 'fold_values', 'fold_ends', 'newest_points', 'newest_values', 'query_instant_at', 'latest_values_at', 'fold_exact_quantiles',
    'fold_sketched_quantiles', 'fold_query', 'query_values', 'raw_since', 'raw_until', 'read_packed', 'read_rollups',
    'read_sketched', 'query_series', 'query_groups', 'fold_steps', 'fold_reads', 'fold_direct', 'fold_direct_quantiles', 'fold_direct_rows',
    'fold_direct_groups', 'units_are_single', 'direct_level',
    'plan_reads', 'value_of_rank', 'query_lines_at', 'fill_query']) as wanted (name)
    left join pg_proc as p on p.proname = wanted.name and p.pronamespace = 'monitoring_internal'::regnamespace
    where p.provolatile is null or p.provolatile = 'v' $$, 'what takes part in a query is there and read-only');

select * from finish();
rollback;
