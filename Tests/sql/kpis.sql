-- KPIs: periods, judgement, definitions as data, isolation, and that a query can neither write nor escape.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

-- Periods -------------------------------------------------------------------------------------------
select results_eq(
    $$ select start_at, until_at from monitoring_internal.kpi_period('daily', 'Europe/Berlin', '2026-03-29 12:00+00') $$,
    $$ values ('2026-03-28 23:00+00'::timestamptz, '2026-03-29 22:00+00'::timestamptz) $$,
    'a day is a local one, of 23 hours when clocks go forward');
select results_eq(
    $$ select p.start_at, p.until_at from (values ('2026-10-25 00:30+00'::timestamptz), ('2026-10-25 01:30+00')) as v (t)
        cross join lateral monitoring_internal.kpi_period('hourly', 'Europe/Berlin', v.t) as p order by 1 $$,
    $$ values ('2026-10-25 00:00+00'::timestamptz, '2026-10-25 01:00+00'::timestamptz),
        ('2026-10-25 01:00+00', '2026-10-25 02:00+00') $$,
    'an hour that comes twice is two hours');
select results_eq(
    $$ select p.start_at, p.until_at, b.start_at
        from monitoring_internal.kpi_period('daily', 'Atlantic/Azores', '2026-10-25 00:30+00') as p
        cross join lateral monitoring_internal.kpi_previous_period('daily', 'Atlantic/Azores', p.start_at) as b $$,
    $$ values ('2026-10-25 00:00+00'::timestamptz, '2026-10-26 01:00+00'::timestamptz,
        '2026-10-24 00:00+00'::timestamptz) $$,
    'a day whose midnight comes twice begins with the first, and is not the day before itself');
select results_eq(
    $$ select z.zone, count(*) from unnest(array['Atlantic/Azores', 'America/Havana', 'Africa/Cairo']) as z (zone)
        cross join generate_series(timestamptz '2026-01-01 00:00+00', '2026-12-31 00:00+00', '30 min') as g (at)
        cross join lateral monitoring_internal.kpi_period('daily', z.zone, g.at) as p
        where g.at < p.start_at or g.at >= p.until_at group by 1 $$,
    $$ select ''::text, 0::bigint where false $$,
    'every time of a year lies in its day');
select results_eq(
    $$ select start_at, until_at from monitoring_internal.kpi_period('hourly', 'Asia/Kolkata', '2026-05-01 10:10+00') $$,
    $$ values ('2026-05-01 09:30+00'::timestamptz, '2026-05-01 10:30+00'::timestamptz) $$,
    'hours begin by the local clock');
select results_eq(
    $$ select k.kind, p.start_at, p.until_at from (values ('weekly'), ('monthly')) as k (kind)
        cross join lateral monitoring_internal.kpi_period(k.kind, 'UTC', '2026-11-22 10:00+00') as p $$,
    $$ values ('weekly', '2026-11-16 00:00+00'::timestamptz, '2026-11-23 00:00+00'::timestamptz),
        ('monthly', '2026-11-01 00:00+00', '2026-12-01 00:00+00') $$,
    'weeks begin on Monday, months on the first');
select results_eq(
    $$ select start_at, until_at
        from monitoring_internal.kpi_previous_period('monthly', 'UTC', '2026-03-01 00:00+00') $$,
    $$ values ('2026-02-01 00:00+00'::timestamptz, '2026-03-01 00:00+00'::timestamptz) $$,
    'the period before ends where the next begins');

-- Judgement -----------------------------------------------------------------------------------------
create function pg_temp.judged(p_value numeric, p_previous numeric, p_direction text, p_target numeric, p_alarm numeric)
returns text language sql as $$
    select format('%s %s %s %s %s', coalesce(j.percentage_change::text, '-'), coalesce(j.trend_direction, '-'),
        coalesce(j.achievement_percentage::text, '-'), coalesce(j.is_target_met::text, '-'),
        coalesce(j.is_breached::text, '-'))
    from monitoring_internal.judge_kpi(p_value, p_previous, jsonb_populate_record(
        null::monitoring.kpi_definitions,
        jsonb_build_object('direction', p_direction, 'target_value', p_target, 'alert_threshold', p_alarm,
            'stable_within_percent', 1))) as j
$$;
select is(pg_temp.judged(110, 100, 'higher_is_better', 200, 50), '10.0000 up 55.00 false false', 'up, and half way');
select is(pg_temp.judged(40, 100, 'higher_is_better', 20, 50), '-60.0000 down 200.00 true true', 'down, met, alarming');
select is(pg_temp.judged(100.5, 100, 'higher_is_better', null, null), '0.5000 stable - - -', 'no target, no judgement');
select is(
    pg_temp.judged(10, 20, 'lower_is_better', 10, 15), '-50.0000 down 100.00 true false',
    'L-20: where lower is better the target reached is 100 percent');
select is(
    array[pg_temp.judged(15, null, 'lower_is_better', 10, 15), pg_temp.judged(5, null, 'lower_is_better', 10, 15),
        pg_temp.judged(30, null, 'lower_is_better', 10, 15)],
    array['- - 50.00 false true', '- - 150.00 true false', '- - 0 false true'],
    'L-20: above it less, below it more, never below zero');
select is(
    array[pg_temp.judged(3, 0, 'lower_is_better', 0, null), pg_temp.judged(0, 0, 'lower_is_better', 0, null),
        pg_temp.judged(3, -2, 'higher_is_better', -5, null)],
    array['- up - false -', '- stable - true -', '250.0000 up - true -'],
    'L-20: a target of zero or less is met or not, and has no percentage');
select is(
    pg_temp.judged(1e9, 0.001, 'higher_is_better', null, null), '99999999999900.0000 up - - -',
    'no change is too large');

-- These times lie ahead of any clock, so that the stamps of the definitions are older.
-- Two tenants, one industry ---------------------------------------------------------------------------
select monitoring.create_tenant('acme');
select monitoring.create_tenant('globex');
select monitoring.create_tenant('bakery');
select monitoring.set_tenant_profile('acme', 'hs');
select monitoring.set_tenant_profile('globex', 'hs', 'Europe/Berlin');
select throws_ok(
    $$ select monitoring.set_tenant_profile('acme', null, 'Mars/Base') $$, 'PV801', null, 'a zone has to exist');
select throws_ok(
    $$ select monitoring.set_tenant_profile('acme', 'Home Services') $$, '23514', null, 'an industry is one plain word');
create function pg_temp.tenant(p_name text) returns uuid language sql as
    'select tenant_id from monitoring.tenants where name = p_name';
create temporary view state as
select t.name as tenant, s.metric_name, s.status, s.reason, s.remedy, s.sqlstate, s.consecutive_failures, s.next_due_at
from monitoring.kpi_status as s inner join monitoring.tenants as t using (tenant_id);
create temporary view stored as
select t.name as tenant, m.* from monitoring.business_metrics as m inner join monitoring.tenants as t using (tenant_id);

-- S-21: the examples are silent where their tables are absent ------------------------------------------
select is(
    monitoring_internal.collect_business_metrics_at(null, '2036-11-20 10:20+00'), 0,
    'S-21: without the tables of an industry nothing is written, and nothing fails');
select results_eq(
    $$ select tenant, metric_name, status, reason, sqlstate from state order by tenant $$,
    $$ values ('acme', 'active_work_orders', 'unavailable', 'relation hs.work_orders does not exist', null),
        ('globex', 'active_work_orders', 'unavailable', 'relation hs.work_orders does not exist', null) $$,
    'S-21: it says what is missing, for the tenants of that industry alone');

create schema hs;
create table hs.work_orders (business_id uuid, status text, created_at timestamptz);
insert into hs.work_orders
select pg_temp.tenant('acme'), s.status, timestamptz '2036-01-01 00:00+00'
from (values ('scheduled'), ('in_progress'), ('in_progress'), ('done')) as s (status);
alter schema hs owner to postgres;
revoke all on schema hs from public;
select is(
    monitoring_internal.collect_business_metrics_at(null, '2036-11-20 10:21+00'), 0, 'without the right to read it too');
select is(
    (select status || ': ' || reason || '; ' || remedy from state where tenant = 'acme'),
    'unavailable: monitoring_owner may not read hs.work_orders; grant usage on schema hs to monitoring_owner; '
        'grant select on hs.work_orders to monitoring_owner;',
    'it says which statement mends that');
grant usage on schema hs to monitoring_owner;
grant select on hs.work_orders to monitoring_owner;
select is(
    monitoring_internal.collect_business_metrics_at(null, '2036-11-20 10:22+00'), 2,
    'once they are there they are measured, a row for each tenant');
select results_eq(
    $$ select tenant, current_value, is_kpi, is_partial, industry_vertical, metric_category, period_start from stored
        order by tenant $$,
    $$ values ('acme', 3::numeric, true, true, 'hs', 'operations', timestamptz '2036-11-20 10:00+00'),
        ('globex', 0, true, true, 'hs', 'operations', '2036-11-20 10:00+00') $$,
    'L-17, L-19: all open orders count, however old, of the tenant alone');

-- One row a period -------------------------------------------------------------------------------------
insert into hs.work_orders values (pg_temp.tenant('acme'), 'scheduled', '2036-11-20 10:30+00');
select monitoring_internal.collect_business_metrics_at(pg_temp.tenant('acme'), '2036-11-20 10:37+00');
select monitoring_internal.collect_business_metrics_at(pg_temp.tenant('acme'), '2036-11-20 10:52+00');
select results_eq(
    $$ select current_value, period_start, period_until from stored where tenant = 'acme' $$,
    $$ values (4::numeric, timestamptz '2036-11-20 10:00+00', timestamptz '2036-11-20 11:00+00') $$,
    'L-18: repeated runs keep one row a period, with the newest value');
delete from hs.work_orders where status = 'scheduled';
select monitoring_internal.collect_business_metrics_at(pg_temp.tenant('acme'), '2036-11-20 11:07+00');
select results_eq(
    $$ select current_value, previous_value, is_partial, trend_direction, percentage_change from stored
        where tenant = 'acme' order by period_start $$,
    $$ values (4::numeric, null::numeric, false, null, null::numeric),
        (2, 4, true, 'down', -50.0000) $$,
    'L-17: the hour before keeps its last value, and the new one has previous value, change and trend');

-- A new industry is data alone --------------------------------------------------------------------------
select monitoring.set_tenant_profile('bakery', 'bakeries', 'Europe/Berlin');
create schema bakery;
create table bakery.sales (business_id uuid, sold_at timestamptz, loaves integer);
grant usage on schema bakery to monitoring_owner;
grant select on bakery.sales to monitoring_owner;
create function pg_temp.define(p_name text, p_query text, p_more jsonb default '{}') returns void language sql as $$
    insert into monitoring.kpi_definitions
        (name, industry_vertical, category, query, value_kind, time_period, direction, target_value, requires, updated_at)
    select p_name, 'bakeries', 'orders', p_query, coalesce(p_more ->> 'value_kind', 'period'),
        coalesce(p_more ->> 'time_period', 'daily'), 'higher_is_better', (p_more ->> 'target')::numeric,
        array(select jsonb_array_elements_text(p_more -> 'requires')), '2000-01-01'
    on conflict (name, tenant_id, industry_vertical) do update set query = excluded.query
$$;
set local role monitoring_admin;
insert into monitoring.kpi_definitions
    (name, industry_vertical, category, unit, query, value_kind, time_period, target_value, requires)
values ('loaves_sold', 'bakeries', 'orders', 'loaves',
    'select sum(s.loaves) from bakery.sales as s where s.business_id = $1 and s.sold_at >= $2 and s.sold_at < $3',
    'period', 'daily', 200, '{bakery.sales}');
reset role;
update monitoring.kpi_definitions set updated_at = '2000-01-01';
insert into bakery.sales
select pg_temp.tenant('bakery'), s.at, s.loaves
from (values (timestamptz '2036-11-19 08:00+01', 80), ('2036-11-19 23:59+01', 20), ('2036-11-20 00:00+01', 150))
    as s (at, loaves);
select is(
    monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-20 10:00+00'), 2,
    'a KPI of a new industry appears as a row was inserted: the running day and the one before');
select results_eq(
    $$ select current_value, previous_value, is_partial, trend_direction, achievement_percentage, period_start
        from stored where tenant = 'bakery' order by period_start $$,
    $$ values (100::numeric, null::numeric, false, null, 50.00, timestamptz '2036-11-18 23:00+00'),
        (150, 100, true, null, 75.00, '2036-11-19 23:00+00') $$,
    'days are the tenant''s; a sum that still grows has no trend yet');
insert into bakery.sales values (pg_temp.tenant('bakery'), '2036-11-20 18:00+01', 50);
select monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-21 10:00+00');
select results_eq(
    $$ select current_value, is_partial, trend_direction, percentage_change from stored
        where tenant = 'bakery' and metric_name = 'loaves_sold' order by period_start $$,
    $$ values (100::numeric, false, null, null::numeric), (200, false, 'up', 100.0000) $$,
    'L-18: a day is measured once more when it is over, and one without sales so far has no row, and not zero');
select is(
    (select status || ': ' || reason from state where metric_name = 'loaves_sold'), 'no_data: the query gave null',
    'and why is said');
insert into monitoring.kpi_definitions (name, tenant_id, category, query, time_period)
values ('loaves_sold', pg_temp.tenant('bakery'), 'orders', 'select 7', 'daily');
select monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-21 10:01+00');
select is(
    (select current_value from stored where tenant = 'bakery' order by period_start desc limit 1), 7::numeric,
    'a tenant''s own definition replaces its industry''s');
update monitoring.kpi_definitions set is_enabled = false where query = 'select 7';
select monitoring_internal.align_kpi_states();
select is((select count(*) from state where metric_name = 'loaves_sold'), 0::bigint, 'and can switch it off');

-- One broken KPI harms no other; none can write or escape ------------------------------------------------
create table public.victim (x integer);
insert into public.victim values (1);
grant select, insert on public.victim to monitoring_owner;
create function public.writes() returns integer language plpgsql as $f$
begin insert into public.victim values (2); return 1; end $f$;
create function public.sneaks() returns integer language plpgsql as $f$
begin perform set_config('transaction_read_only', 'off', true); insert into public.victim values (3); return 1; end $f$;
create function pg_temp.measured(p_query text) returns text language sql as $$
    select coalesce(m.fault_code, m.value::text, m.reason)
    from monitoring_internal.measure_kpi(p_query, monitoring.system_tenant_id(), now(), now()) as m
$$;
grant execute on function pg_temp.measured(text) to public;
select is(pg_temp.measured('select 41 + 1'), '42', 'a number is a number');
select is(pg_temp.measured('select count(*) from pg_class where $2 > $3 and $1 is null'), '0', 'parameters are values');
select is(pg_temp.measured('insert into public.victim values (5) returning x'), '25006', 'a KPI cannot write');
select is(
    pg_temp.measured('with w as (insert into public.victim values (5) returning x) select x from w'), '25006',
    'nor within a CTE');
select is(pg_temp.measured('select public.writes()'), '25006', 'nor by a function');
select is(pg_temp.measured('select public.sneaks()'), '25001', 'nor by making the transaction writable');
select is(
    pg_temp.measured('select set_config(''transaction_read_only'', ''off'', false)'), '25001',
    'read-only cannot be undone from within');
select is(pg_temp.measured('select 1; delete from public.victim'), '42P11', 'two statements are refused');
select is(pg_temp.measured('commit'), '42P11', 'what is no query is refused');
select is(pg_temp.measured('select 1, 2'), 'PV802', 'one column it is');
select is(pg_temp.measured('select g from generate_series(1, 3) as g'), 'PV802', 'and one row, read no further');
select is(pg_temp.measured('select ''NaN''::numeric'), 'PV802', 'a value has to be a number');
select is(pg_temp.measured('select ''many'''), '22P02', 'of digits');
select is(pg_temp.measured('select 1 where false'), 'the query gave no row', 'no row is no zero');
select is(pg_temp.measured('select null::integer'), 'the query gave null', 'null is no zero');
select pg_temp.measured('select set_config(''search_path'', ''public'', false), 1');
select pg_temp.measured('select length(set_config(''statement_timeout'', ''1'', false))');
select is(
    current_setting('statement_timeout') <> '1ms' and current_setting('transaction_read_only') = 'off', true,
    'it leaves no setting behind');
select pg_temp.define(v.name, v.query) from (values
    ('a_writer', 'insert into public.victim values (6) returning x'),
    ('b_missing', 'select count(*) from bakery.ovens'),
    ('c_divides', 'select 1 / 0'),
    ('d_rows', 'select s.loaves from bakery.sales as s'),
    ('e_good', 'select 5')) as v (name, query);
select is(
    monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-21 11:00+00'), 2,
    'L-21: broken KPIs stop no other');
select results_eq(
    $$ select metric_name, status, sqlstate from state where tenant = 'bakery' order by metric_name $$,
    $$ values ('a_writer', 'failed', '25006'), ('b_missing', 'unavailable', '42P01'), ('c_divides', 'failed', '22012'),
        ('d_rows', 'failed', 'PV802'), ('e_good', 'ok', null) $$,
    'L-21: each with its error');
select is((select array_agg(x) from public.victim), array[1], 'and nothing was written');
select is(
    (select next_due_at from state where metric_name = 'c_divides'), timestamptz '2036-11-21 11:30+00',
    'what fails is tried less often');

-- A limit reached in the midst stops the call; the rest is noted ---------------------------------------------
select pg_temp.define('a_writer', 'select pg_sleep(60)::text::numeric');
update monitoring.kpi_states set finished_at = null, next_due_at = '-infinity', consecutive_failures = 0;
set local statement_timeout = '300ms';
select cmp_ok(
    monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-21 12:00+00'), '=', 0,
    'a KPI that sleeps is cut by the caller''s limit');
set local statement_timeout = 0;
select results_eq(
    $$ select metric_name, status, reason from state where metric_name in ('a_writer', 'e_good') order by 1 $$,
    $$ values ('a_writer', 'timed_out', 'canceling statement due to statement timeout'),
        ('e_good', 'skipped', 'not run: canceling statement due to statement timeout') $$,
    'and the rest is skipped');
select is(
    monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-21 12:20+00'), 1,
    'the next call does what was skipped, and leaves out what fails');

-- Claims ------------------------------------------------------------------------------------------------
update monitoring.kpi_states set next_due_at = '-infinity', lease_expires_at = null;
select ok(monitoring_internal.next_kpi_delay_at('2036-11-21 13:00+00') = 0, 'what is due waits no longer');
create temporary table claim as
select * from monitoring_internal.claim_kpis_at(gen_random_uuid(), 100, pg_temp.tenant('bakery'), false, '2036-11-21 13:00+00');
select is((select statement_timeout_ms from claim where name = 'e_good'), 10000::bigint, 'a claim brings its limit');
select is_empty(
    $$ select * from monitoring_internal.claim_kpis_at(
        gen_random_uuid(), 100, pg_temp.tenant('bakery'), false, '2036-11-21 13:00:01+00') $$,
    'what one has in hand no other gets');
select isnt_empty(
    $$ select * from monitoring_internal.claim_kpis_at(
        gen_random_uuid(), 100, pg_temp.tenant('bakery'), false, '2036-11-21 13:01+00') $$,
    'until the lease has run out');
select throws_ok(
    $$ select monitoring_internal.execute_kpi_at(kpi_definition_id, tenant_id, fence, '2036-11-21 13:01+00')
        from claim where name = 'e_good' $$,
    'PV804', null, 'who lost the lease stores nothing');
select is(
    (select count(*) from stored where metric_name = 'e_good' and measured_at = '2036-11-21 13:01+00'), 0::bigint,
    'indeed not');

-- The dashboard --------------------------------------------------------------------------------------------
delete from monitoring.business_metrics;
insert into monitoring.business_metrics
    (tenant_id, metric_name, metric_category, industry_vertical, current_value, target_value, time_period, period_start,
    period_until, is_partial, direction, achievement_percentage, is_kpi, measured_at)
select pg_temp.tenant('acme'), m.name, 'revenue', 'hs', 50, 100, 'daily', now() - m.age - interval '1 day',
    now() - m.age, false, 'higher_is_better', 50, m.is_kpi, now() - m.age
from (values ('shown', interval '1 hour', true), ('past', '25 hours', true), ('plain', '1 hour', false)) as m (name, age, is_kpi);
select results_eq(
    $$ select business_id, industry_vertical, metric_category, metric_name, current_value, target_value,
            achievement_percentage, trend_direction, percentage_change, period_end <= now()
        from monitoring.business_kpi_dashboard $$,
    $$ values (pg_temp.tenant('acme'), 'hs', 'revenue', 'shown', 50::numeric, 100::numeric, 50::numeric, null::text,
        null::numeric, true) $$,
    'L-17: the dashboard shows the KPIs whose period ended in the last 24 hours');

-- Rights ---------------------------------------------------------------------------------------------------
select is(
    (select string_agg(r.name || ' ' || p.name, '; ') from unnest(array['monitoring_service', 'monitoring_collector',
        'monitoring_analyst', 'monitoring_reader', 'monitoring_exporter']) as r (name)
     cross join unnest(array['insert', 'update', 'delete']) as p (name)
     where has_table_privilege(r.name, 'monitoring.kpi_definitions', p.name)), null,
    'X-18: only the owner and monitoring_admin write definitions');
update monitoring.kpi_definitions set is_enabled = false where name = 'a_writer';
update monitoring.kpi_states set next_due_at = '-infinity', lease_expires_at = null;
set local role monitoring_service;
select lives_ok(
    $$ select monitoring_internal.next_kpi_delay(), monitoring.collect_business_metrics() $$,
    'the service may measure');
select lives_ok(
    $$ select monitoring_internal.run_kpi(c.kpi_definition_id, c.tenant_id, c.fence)
        from monitoring_internal.claim_kpis(gen_random_uuid(), 1) as c $$, 'one by one too');
select throws_ok(
    $$ select monitoring_internal.finish_kpi(1, monitoring.system_tenant_id(), 0, null, 'x', '57014') $$, 'PV804', null,
    'a report without a claim is refused');
reset role;
select results_eq(
    $$ select reason, remedy from monitoring_internal.kpi_obstacle('{pg_catalog.pg_class, no.such}') $$,
    $$ values ('relation no.such does not exist', null::text) $$, 'the first obstacle is named');

-- Named where they are used within: measure_kpi raises PV803 to undo its block, store_kpi_value_at and finish_kpi_at
-- write, kpi_periods_at lists what is to be measured.
select is(
    (select count(*) from monitoring_internal.kpi_targets as t
     cross join lateral monitoring_internal.kpi_periods_at(t, '2036-11-21 13:00+00') as p
     where t.name = 'b_missing'), 2::bigint, 'the day before, and this one');

-- What goes wrong beside the query ----------------------------------------------------------------------------
create function public.asserts() returns integer language plpgsql as $$ begin assert false, 'never'; return 1; end $$;
select is(pg_temp.measured('select public.asserts()'), 'P0004', 'an assertion is an error like others');
delete from monitoring.kpi_definitions as d
using monitoring.kpi_states as s
where s.kpi_definition_id = d.kpi_definition_id and s.tenant_id = pg_temp.tenant('bakery');
select pg_temp.define(v.name, v.query) from (values
    ('a_malformed', 'select 1'), ('b_large', 'select 1e131071::numeric'),
    ('c_wordy', 'select repeat(''x'', 100000)'), ('e_good', 'select 5')) as v (name, query);
update monitoring.kpi_definitions set requires = '{a..b}' where name = 'a_malformed';
update monitoring.kpi_definitions set target_value = 0.001 where name = 'b_large';
select is(
    monitoring_internal.collect_business_metrics_at(pg_temp.tenant('bakery'), '2036-11-22 11:00+00'), 3,
    'a malformed name and a number too large to compare stop no other KPI');
select results_eq(
    $$ select metric_name, status, sqlstate from state where tenant = 'bakery' order by metric_name $$,
    $$ values ('a_malformed', 'failed', '22023'), ('b_large', 'failed', '22003'), ('c_wordy', 'failed', '22P02'),
        ('e_good', 'ok', null) $$,
    'and are told');
select is(
    (select max(length(reason)) from state where metric_name = 'c_wordy'), 1000,
    'a reason does not keep all that a query gave');

select * from finish();
rollback;
