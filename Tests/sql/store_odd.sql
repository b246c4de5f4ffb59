-- What nobody sends on purpose: values at the ends of what a number holds, times a microsecond apart.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local jit = off;
select no_plan();

-- What a question says: its answer's rows, or the error that it must not be.
create function pg_temp.said(p_question text) returns text language plpgsql as $$
declare v_rows bigint;
begin
    execute 'select count(*) from (' || p_question || ') as answer' into v_rows;
    return 'answered';
exception when others then
    return format('%s %s: %s', sqlstate, sqlerrm, p_question);
end
$$;
create function pg_temp.work(p_now timestamptz) returns void language plpgsql as $$
begin
    for n in 1..1000 loop
        exit when (monitoring_internal.refresh_next_rollup_at(8, null, p_now)).action is null;
    end loop;
    for n in 1..1000 loop
        exit when monitoring_internal.pack_next_at(p_now) is null;
    end loop;
end
$$;
create function pg_temp.send(p_metric text, p_labels jsonb, p_values double precision[], p_times timestamptz[])
returns monitoring.ingest_result language sql as $$
    select monitoring_internal.ingest_samples_at(
        array_fill(p_metric, array[cardinality(p_values)]), array_fill(p_labels, array[cardinality(p_values)]), p_values,
        p_times, null, (select max(t) from unnest(p_times) as t) + interval '1 minute')
$$;
-- One question of each aggregate, once by rollups where there are any and once by samples, drawn on and not.
create function pg_temp.refused(p_metric text, p_now timestamptz) returns text language sql as $$
    select string_agg(said, E'\n')
    from unnest(array['avg', 'min', 'max', 'sum', 'count', 'stddev', 'first', 'last', 'p1', 'p50', 'p95', 'sum(avg)', 'sum(max)',
            'avg(max)', 'stddev(min)', 'sum(sum)', 'max(p95)']
        || case when p_metric ~ '_total$' then array['rate', 'increase', 'max(rate)'] else '{}' end) as aggregate,
    unnest(array['1 hour', '20 s']) as step, unnest(array['none', 'linear']) as fill,
    pg_temp.said(format('select * from monitoring_internal.query_range_at(%L, ''{}'', ''2026-03-01 09:59:30Z'', ''2026-03-01 12:00Z'', %L, %L,
        ''{}'', %L, %L)', p_metric, step, aggregate, fill, p_now)) as said
    where said <> 'answered'
$$;

select monitoring_internal.register_families('[{"name": "odd_huge", "kind": "gauge"}, {"name": "odd_tiny", "kind": "gauge"},
    {"name": "odd_huge_total", "kind": "counter"}, {"name": "odd_tiny_total", "kind": "counter"}, {"name": "odd_close", "kind": "gauge"}]');
select pg_temp.send(metric, labels || '{"platform": "p", "asset_id": "a", "host_id": "h", "system_id": "s"}', point_values, array(
        select timestamptz '2026-03-01 10:00Z' + n * interval '50 s' from generate_series(1, cardinality(point_values)) as n))
from (values
    ('odd_huge', '{"n": "1"}'::jsonb, '{1e308,-1e308,1.7e308,1e308}'::double precision[]), ('odd_huge', '{"n": "2"}', '{-1.7e308}'),
    ('odd_tiny', '{"n": "1"}', '{5e-324,0,0,0,-5e-324}'), ('odd_tiny', '{"n": "2"}', '{1e-170,3e-170}'), ('odd_tiny', '{"n": "3"}', '{5e-324}'),
    ('odd_huge_total', '{}', '{1.7e308,1.6e308,1.5e308,1.4e308,1e3}'), ('odd_tiny_total', '{}', '{0,5e-324,0,5e-324}')
) as sent (metric, labels, point_values);

select is(string_agg(refused, E'\n'), null, 'no sample of any size stops a question to samples')
from unnest(array['odd_huge', 'odd_tiny', 'odd_huge_total', 'odd_tiny_total']) as metric, pg_temp.refused(metric, '2026-03-01 12:00Z') as refused;
select is(string_agg(said, E'\n'), null, 'nor one to an instant')
from unnest(array['odd_huge', 'odd_tiny']) as metric,
unnest(array['avg', 'min', 'max', 'sum', 'count', 'stddev', 'last', 'p50', 'p95']) as aggregate,
pg_temp.said(format('select * from monitoring_internal.query_instant_at(%L, ''{}'', ''2026-03-01 10:04Z'', %L, ''{}'', ''2026-03-01 12:00Z'')', metric, aggregate)) as said
where said <> 'answered';
create function pg_temp.refused_views() returns text language sql as $$
    select string_agg(said, E'\n') from unnest(array['hourly_metrics_summary', 'metrics', 'metrics_hourly', 'platform_metrics_hourly', 'aggregated_metrics',
        'system_metrics_1h', 'hourly_performance_stats']) as view,
    pg_temp.said(format('select md5(v::text) from monitoring.%I as v', view)) as said where said <> 'answered'
$$;
select is(pg_temp.refused_views(), null, 'nor a view''s live tail');
select pg_temp.work('2026-03-01 12:00Z');
select is(pg_temp.refused_views(), null, 'nor a view of rollups');
select is(string_agg(refused, E'\n'), null, 'nor a question to rollups')
from unnest(array['odd_huge', 'odd_tiny', 'odd_huge_total', 'odd_tiny_total']) as metric, pg_temp.refused(metric, '2026-03-01 12:00Z') as refused;
select results_eq($$ select value from monitoring_internal.query_range_at('odd_tiny', '{"n": "2"}', '2026-03-01 10:00Z', '2026-03-01 11:00Z', '1 hour', 'avg',
    null, 'none', '2026-03-01 12:00Z') $$, array[2e-170::double precision], 'small numbers keep their mean');

select results_eq($$ select monitoring_internal.rankable(value) from unnest('{1e308,-1e308,5e-324,0.1,-1e-280}'::double precision[]) as value $$,
    '{8e307,-8e307,0,0.1,-1e-280}'::double precision[], 'rankable() changes only what percentile_cont cannot take');
select results_eq($$ select monitoring_internal.ratio(value, divisor) from (values (1e308, 0.001), (-1e308, 0.5), (5e-324, 3), (5e-324, 1), (1, 4)) as given (value, divisor) $$,
    '{Infinity,-Infinity,0,5e-324,0.25}'::double precision[], 'ratio() is no error');

-- Two samples a microsecond apart are a block of equal steps: a day is 86 400 000 000 such steps away.
select pg_temp.send('odd_close', '{}', '{1,2}', '{2026-03-03 00:00Z,2026-03-03 00:00:00.000001Z}');
select pg_temp.send('odd_close', '{}', '{3}', '{2026-03-08 00:00Z}');
select pg_temp.work('2026-03-08 12:00Z');
select is(monitoring_internal.packed_until(), '2026-03-04 00:00Z', 'the day is packed');
select results_eq(
    $$ select value from unnest('{2026-03-02 00:00Z,2026-03-03 00:00:00.000001Z}'::timestamptz[]) as from_at
        cross join lateral monitoring_internal.query_range_at(
            'odd_close', '{}', from_at, '2026-03-03 23:00Z', '1 month', 'count', null, 'none', '2026-03-08 12:00Z') $$,
    array[2::double precision, 1], 'steps of a microsecond are read from any time on');
select results_eq(
    $$ select count(*) from monitoring.samples_between('odd_close', '{}', '2026-03-03 01:00Z', '2026-03-03 23:00Z') $$, array[0::bigint],
    'and hours after the last of them');

-- The same sample twice while its day is closed: by one who did not know, and late; and late once more in a block.
select pg_temp.send('odd_close', '{"n": "2"}', '{1,2,3}', '{2026-03-04 10:00Z,2026-03-04 10:01Z,2026-03-04 10:02Z}');
update monitoring_internal.packing_state set closed_until = '2026-03-05 00:00Z', waits_for = '{}', next_series_id = 0;
create temporary table odd_series as select series_id from monitoring.series where labels = '{"n": "2"}'
    and metric_family_id = (select metric_family_id from monitoring.metric_families where name = 'odd_close');
select is(monitoring_internal.store_late_samples(array_agg(series_id), '{2026-03-04 10:01Z}', '{9}', '2026-03-05 00:00Z'), 0::bigint,
    'a late sample that samples have is a duplicate') from odd_series;
select is(monitoring_internal.store_late_samples(array_agg(series_id), '{2026-03-04 10:03Z}', '{4}', '2026-03-05 00:00Z'), 1::bigint,
    'another is stored') from odd_series;
select is(count(*), 0::bigint, 'and keys that await_samples() took are given back')
from monitoring.samples inner join odd_series using (series_id) where sampled_at = '2026-03-04 10:03Z';
insert into monitoring.late_samples select series_id, '2026-03-04 10:02Z', 9 from odd_series;
insert into monitoring.packed_periods (period_at, closed_at) values ('2026-03-04 00:00Z', '2026-03-08 12:00Z');
create function pg_temp.kept() returns text language sql as $$
    select string_agg(format('%s=%s', to_char(sampled_at at time zone 'UTC', 'MI'), value), ' ' order by sampled_at, value)
    from monitoring.samples_between('odd_close', '{"n": "2"}', '2026-03-04', '2026-03-05')
$$;
do $$ begin
    while monitoring_internal.packed_until() < '2026-03-05 00:00Z' loop perform monitoring_internal.pack_next_at('2026-03-08 12:00Z'); end loop;
end $$;
select is(pg_temp.kept(), '00=1 01=2 02=3 03=4', 'packing keeps a sample once that was stored twice, the first one');
insert into monitoring.late_samples select series_id, '2026-03-04 10:00Z', 9 from odd_series;
select pg_temp.work('2026-03-08 12:00Z');
select is(pg_temp.kept(), '00=1 01=2 02=3 03=4', 'and so does a block that takes late samples in');
select is(count(*), 0::bigint, 'nothing late is left') from monitoring.late_samples inner join odd_series using (series_id);

-- A condition of a reader's own sees no row of another tenant, in whatever view: barriers hold before it runs.
select monitoring.create_tenant('odd-other') as other \gset
insert into monitoring.platform_metrics (tenant_id, platform, metric_type, content_id, value, tags, metadata) values
    (:'other', 'oddsecret', 'oddsecret_likes', null, 1, '{"oddsecret": "1"}', null),
    (:'other', 'oddsecret', 'oddsecret_likes', 'oddsecret', 1, '{"oddsecret": "1"}', '{"oddsecret": "1"}');
insert into monitoring.performance_metrics (business_id, metric_name, metric_value, dimensions) values (:'other', 'oddsecret_m', 1, '{"oddsecret": "1"}');
insert into monitoring.application_metrics (tenant_id, service_id, application_name, metric_name, value) values (:'other', 'oddsecret', 'oddsecret', 'oddsecret', 1);
select pg_temp.send('odd_close', '{"asset_id": "oddsecret", "host_id": "oddsecret", "system_id": "oddsecret"}', '{1}', array[now()]);
create table tap.odd_peeked (place text);
grant insert on tap.odd_peeked to public;
create function tap.odd_peek(p_value text, p_place text) returns boolean language plpgsql cost 0.0000001 as $$
begin
    if p_value like '%oddsecret%' then insert into tap.odd_peeked values (p_place); end if;
    return true;
end
$$;
create role odd_reader in role monitoring_reader;
do $$
declare v_column record;
begin
    for v_column in
        select c.oid::regclass as relation, a.attname from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid and attnum > 0 and not attisdropped
        where c.relnamespace = 'monitoring'::regnamespace and c.relkind in ('v', 'r', 'p') and has_table_privilege('odd_reader', c.oid, 'select')
            and a.atttypid in ('text'::regtype, 'jsonb'::regtype, 'name'::regtype) and c.relname ~ 'metric|sample|series|rollup|platform|system|stats|packing'
    loop
        set local role odd_reader;
        execute format('select count(*) from (select * from %s) as x where tap.odd_peek(x.%I::text, %L)', v_column.relation, v_column.attname,
            v_column.relation || '.' || v_column.attname);
        reset role;
    end loop;
end $$;
select is((select string_agg(distinct place, ', ') from tap.odd_peeked), null, 'conditions of a reader run on rows of its own tenants alone');

-- A view runs functions with the rights of who reads it: whoever may select from it must be able to.
create function pg_temp.unreadable(p_role text) returns text language plpgsql as $$
declare
    v_view regclass;
    v_rows bigint;
    v_said text;
begin
    execute format('create role odd_%s in role monitoring_%1$s', p_role);
    for v_view in
        select c.oid::regclass from pg_class as c
        where c.relnamespace = 'monitoring'::regnamespace and c.relkind = 'v' and has_table_privilege('odd_' || p_role, c.oid, 'select')
    loop
        begin
            perform set_config('role', 'odd_' || p_role, true);
            execute format('select count(x::text) from %s as x', v_view) into v_rows;
            reset role;
        exception when others then
            reset role;
            v_said := concat_ws(E'\n', v_said, format('%s %s: %s', p_role, v_view, sqlerrm));
        end;
    end loop;
    return v_said;
end
$$;
select is(pg_temp.unreadable(role), null, format('a monitoring_%s reads every view that it may select from', role))
from unnest('{analyst,exporter,service,admin}'::text[]) as role;

select * from finish();
rollback;
