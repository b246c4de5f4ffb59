-- Reading the store: newest samples and staleness, tenants, rights, and the plan that keeps it quick.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Runs one statement as a role: its one value as text, or the SQLSTATE.
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

create role pgvigil_store_a nologin;
create role pgvigil_store_b nologin;
create role pgvigil_store_none nologin;
create role pgvigil_store_feed nologin;
grant monitoring_reader to pgvigil_store_a, pgvigil_store_b, pgvigil_store_none;
grant monitoring_collector to pgvigil_store_feed;
create temporary table tenant as
select name, monitoring.create_tenant(name) as tenant_id from unnest(array['store-a', 'store-b']) as name;
select lives_ok(
    $$ select monitoring.add_tenant_member(role_name, tenant_name) from (values
        ('pgvigil_store_a'::name, 'store-a'), ('pgvigil_store_b', 'store-b'), ('pgvigil_store_feed', 'store-a')
    ) as member (role_name, tenant_name) $$, 'two tenants with a reader each, and a feed for one');

-- Stores one sample of each age for a tenant.
create function pg_temp.store(p_metric text, p_labels jsonb, p_tenant text, variadic p_ages interval[]) returns bigint
language sql as $$
    select (monitoring.ingest_samples(
        array_agg(p_metric), array_agg(p_labels), array_agg(extract(epoch from age)::double precision),
        array_agg(now() - age), (select tenant_id from tenant where name = p_tenant))).accepted
    from unnest(p_ages) as age
$$;

-- newest and stale --------------------------------------------------------------------------------
select is(
    monitoring_internal.register_families('[
        {"name": "slow", "kind": "gauge", "stale_after": "2 hours"}, {"name": "brisk", "kind": "counter"},
        {"name": "hasty", "kind": "gauge", "stale_after": "10 s"}]'),
    3, 'three metrics with staleness of their own');
select is(pg_temp.store('brisk', '{"n": 1}', null, '4 min', '1 min', '2 min'), 3::bigint, 'samples out of order');
select is(pg_temp.store('brisk', '{"n": 2}', null, '6 min'), 1::bigint, 'one older than five minutes');
select is(pg_temp.store('brisk', '{"n": 3}', null, '-5 min', '1 min'), 2::bigint, 'one a little ahead of the clock');
select is(pg_temp.store('slow', '{}', null, '90 min', '3 hours'), 2::bigint, 'one of a slow metric');
select is(pg_temp.store('hasty', '{}', null, '30 s'), 1::bigint, 'one of a hasty metric');
select results_eq(
    $$ select metric, label_text, value from monitoring.latest_samples
        where metric in ('brisk', 'slow', 'hasty') order by 1, 2 $$,
    $$ values ('brisk', 'n="1"', 60::double precision), ('brisk', 'n="3"', -300), ('slow', '', 5400) $$,
    'latest_samples shows the newest sample of each series that is not stale by its family''s measure');
select monitoring.set_setting('store.stale_after', '10 min');
select isnt_empty(
    $$ select from monitoring.latest_samples where metric = 'brisk' and labels = '{"n": "2"}' $$,
    'the setting decides for families that name none');
select results_eq(
    $$ select points.value from monitoring_internal.sample_points as points
        natural join monitoring.series natural join monitoring.metric_families
        where name = 'brisk' and labels = '{"n": "1"}' order by points.sampled_at $$,
    array[240, 120, 60]::double precision[], 'sample_points shows every sample of a series');

-- The plan must walk each partition's key from its newest end: sorting what lies in the window costs many times more.
-- Many series of a hundred samples each are what makes the planner sort, were the window a pair of plain bounds.
select is(
    (monitoring.ingest_samples(
        array_agg('crowd'::text), array_agg(jsonb_build_object('n', number)), array_agg(1.0::double precision),
        array_agg(now()))).accepted,
    500::bigint, 'five hundred series')
from generate_series(1, 500) as number;
insert into monitoring.samples
select series.series_id, now() - number * interval '2 s', 1
from monitoring.series, generate_series(1, 100) as number
on conflict do nothing;
analyze monitoring.samples;
analyze monitoring.series;
create function pg_temp.plan_of(p_query text) returns text
language plpgsql as $$
declare
    v_line text;
    v_plan text := '';
begin
    for v_line in execute 'explain (analyze, costs off, timing off, summary off) ' || p_query loop
        v_plan := v_plan || v_line || chr(10);
    end loop;
    return v_plan;
end
$$;
create temporary table plan as select pg_temp.plan_of('select * from monitoring.latest_samples') as text;
select matches(text, 'Index Scan Backward using samples_p\d+_pkey', 'latest_samples reads the key backwards') from plan;
select doesnt_match(text, 'Sort \(actual rows=[1-9]', 'and sorts nothing') from plan;
select matches(text, 'open_blocks \(never executed\)|sample_blocks\S* \S* ?\(never executed\)', 'and opens no block') from plan;
select matches(
    text, 'samples_p' || to_char(now() at time zone 'UTC' + interval '2 days', 'YYYYMMDD') || ' \S+ \(never executed\)',
    'partitions ahead are left out')
from plan;

-- tenants -----------------------------------------------------------------------------------------
select is(pg_temp.store('owned', '{"of": "a"}', 'store-a', '1 min'), 1::bigint, 'a sample of one tenant');
select is(pg_temp.store('owned', '{"of": "b"}', 'store-b', '1 min'), 1::bigint, 'a sample of the other');
select is(pg_temp.store('owned', '{"of": "b"}', null, '1 min'), 1::bigint, 'and one with equal labels of the system');
select is(
    (monitoring.ingest_samples(
        array['owned', 'owned'], array['{}', '{}']::jsonb[], array['NaN', 'NaN']::double precision[],
        array[now(), now()], tenant_id)).rejected,
    2::bigint, format('refused samples of %s', name))
from tenant;
select is(
    pg_temp.as_role(role, format('select string_agg(%s, '' '' order by 1) from %s', what, relation)), seen,
    format('%s sees in %s: %s', role, relation, coalesce(seen, 'nothing')))
from (values
    ('pgvigil_store_a', 'labels::text', $$monitoring.metric_samples where metric = 'owned'$$, '{"of": "a"}'),
    ('pgvigil_store_b', 'labels::text', $$monitoring.metric_samples where metric = 'owned'$$, '{"of": "b"}'),
    ('pgvigil_store_none', 'labels::text', 'monitoring.metric_samples', null),
    ('pgvigil_store_a', 'labels::text', 'monitoring.latest_samples', '{"of": "a"}'),
    ('pgvigil_store_b', 'labels::text', 'monitoring.latest_samples', '{"of": "b"}'),
    ('pgvigil_store_none', 'label_text', 'monitoring.latest_samples', null),
    ('pgvigil_store_a', 'labels::text', 'monitoring.series', '{"of": "a"}'),
    ('pgvigil_store_none', 'label_text', 'monitoring.series', null),
    ('pgvigil_store_b', 'reason', 'monitoring.rejected_samples', 'nan nan'),
    ('pgvigil_store_none', 'reason', 'monitoring.rejected_samples', null),
    ('pgvigil_store_a', 'rejected_total::text', 'monitoring.rejected_sample_counts', '2'),
    ('pgvigil_store_none', 'reason', 'monitoring.rejected_sample_counts', null)
) as example (role, what, relation, seen);
select is(
    pg_temp.as_role('monitoring_exporter', $$ select count(*) from monitoring.latest_samples where metric = 'owned' $$),
    '3', 'the exporter sees all tenants');
select is(pg_temp.store('private_to_b', '{}', 'store-b', '1 min'), 1::bigint, 'a metric that one tenant made up');
select is(
    pg_temp.as_role(role, $$ select string_agg(name, ' ' order by name) from monitoring.metric_families
        where name in ('private_to_b', 'owned', 'slow', 'brisk') $$),
    seen, format('%s sees of the metrics: %s', role, seen))
from (values
    ('pgvigil_store_a', 'brisk owned slow'), ('pgvigil_store_b', 'brisk owned private_to_b slow'),
    ('pgvigil_store_none', 'brisk slow'), ('monitoring_exporter', 'brisk owned private_to_b slow'),
    ('monitoring_collector', '42501')
) as example (role, seen);
-- X-04: a condition of the reader's own must not run on rows of other tenants.
create function public.pgvigil_peek(jsonb) returns boolean
language plpgsql cost 0.0000001 as $$
begin
    if $1 @> '{"of": "b"}' then
        raise exception 'seen';
    end if;
    return true;
end
$$;
grant execute on function public.pgvigil_peek(jsonb) to pgvigil_store_a;
select is(
    pg_temp.as_role('pgvigil_store_a', format('select count(*) from %s where public.pgvigil_peek(labels)', relation)),
    '1',
    format('X-04: %s lets no reader''s function see other tenants'' rows', relation))
from unnest(array['monitoring.metric_samples', 'monitoring.latest_samples', 'monitoring.series']) as relation;

-- rights ------------------------------------------------------------------------------------------
select is(
    pg_temp.as_role(role, 'select count(*) from ' || relation), '42501',
    format('X-04: %s may not read %s', role, relation))
from unnest(array[
    'monitoring.samples', 'monitoring_internal.sample_points', 'monitoring_internal.staged_samples',
    'monitoring_partitions.samples_default'
]) as relation
cross join unnest(array[
    'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst', 'monitoring_reader',
    'monitoring_exporter'
]) as role;
select is(
    pg_temp.as_role('pgvigil_store_feed', format(
        'select accepted from monitoring.ingest_samples('
        'array[''fed''], array[''{}'']::jsonb[], array[1], array[now()], %L)',
        (select tenant_id from tenant where name = target))),
    expected, format('the feed of store-a for %s: %s', coalesce(target, 'the system'), expected))
from (values ('store-a', '1'), ('store-b', 'PV002'), (null, 'PV002')) as example (target, expected);
select is(
    pg_temp.as_role('pgvigil_store_feed', format(
        'select monitoring.ingest_sample(''fed'', ''{}'', 1, now(), %L)', gen_random_uuid())),
    'PV002', 'a tenant that does not exist is refused like a foreign one');
select is(
    pg_temp.as_role('pgvigil_store_a', $$ select monitoring.ingest_sample('fed', '{}', 1) $$), '42501',
    'a reader ingests nothing');
select is(
    pg_temp.as_role('pgvigil_store_feed', format(
        'insert into monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at, tenant_id)
        values (''00000000-0000-0000-0000-00000000000%s'', ''copied'', ''{}'', 1, now(), %L) returning null',
        case name when 'store-a' then 1 else 2 end, tenant_id)),
    null, format('X-05: the feed stages samples for %s', name))
from tenant;
select is(
    pg_temp.as_role('pgvigil_store_feed',
        $$ select accepted from monitoring_internal.ingest_staged('00000000-0000-0000-0000-000000000001') $$), '1',
    'X-05: and has them ingested');
select is(
    pg_temp.as_role('pgvigil_store_feed',
        $$ select accepted from monitoring_internal.ingest_staged('00000000-0000-0000-0000-000000000002') $$), 'PV002',
    'but not for a tenant it does not see');
select is(
    (select count(*) from monitoring_internal.staged_samples), 1::bigint, 'that batch stays staged');
select is(
    pg_temp.as_role('pgvigil_store_feed', $$ insert into monitoring_internal.staged_samples (batch_id, staged_at)
        values (gen_random_uuid(), 'infinity') returning null $$),
    '42501', 'a feed cannot keep its batch from growing old');
select is(
    array(
        select table_name
        from unnest(array['series', 'rejected_samples', 'rejected_sample_totals']) as table_name
        where not (select relrowsecurity from pg_class where oid = ('monitoring.' || table_name)::regclass)),
    '{}', 'tables with a tenant have row policies');

select * from finish();
rollback;
