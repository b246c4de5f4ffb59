-- Business hours by zone, over midnight and in the nights when clocks change; recurring windows in the same nights.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- First of all: once an expression was used in a transaction, no right is asked for again.
set local role monitoring_reader;
select is((monitoring_internal.window_state('2020-01-01', null, '0 2 * * *', '1 hour', 'UTC', '2020-01-01 02:30+00')).state,
    'active', 'who only reads may ask how a recurring window stands');
reset role;

select monitoring.create_tenant('berlin') as berlin \gset
select monitoring.create_tenant('newyork') as newyork \gset
select monitoring.create_tenant('always') as always \gset
select monitoring.set_tenant_profile('berlin', time_zone => 'Europe/Berlin');
select monitoring.set_tenant_profile('newyork', time_zone => 'America/New_York');
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
select tenant.id::uuid, day, '09:00', '17:30'
from unnest(array[:'berlin', :'newyork']) as tenant (id) cross join generate_series(1, 5) as day;
insert into monitoring.holidays (tenant_id, holiday_date, name, is_yearly) values
    (:'berlin', '2020-12-25', 'Christmas', true), (:'berlin', '2026-04-06', 'Easter Monday', false);

create function pg_temp.at_work(p_tenant text, p_at timestamptz) returns boolean language sql as
    $$ select monitoring_internal.in_business_hours(p_tenant::uuid, p_at) $$;

select ok(pg_temp.at_work(:'always', '2026-03-01 03:00+00'), 'who has no hours is always at work');
select results_eq(
    format($$ select pg_temp.at_work(%L, at::timestamptz) from unnest(array[
        '2026-03-04 08:59:59+01', '2026-03-04 09:00+01', '2026-03-04 17:29:59+01', '2026-03-04 17:30+01',
        '2026-03-07 12:00+01']) as at $$, :'berlin'),
    array[false, true, true, false, false], 'hours begin at their first instant, end before their last, and keep to weekdays');
select is(
    array[pg_temp.at_work(:'berlin', '2026-03-04 14:30+00'), pg_temp.at_work(:'newyork', '2026-03-04 14:30+00'),
        pg_temp.at_work(:'berlin', '2026-03-04 17:00+00'), pg_temp.at_work(:'newyork', '2026-03-04 17:00+00')],
    array[true, true, false, true], 'each tenant by its own zone');
select is(
    array[pg_temp.at_work(:'berlin', '2026-03-27 08:30+00'), pg_temp.at_work(:'berlin', '2026-03-30 07:30+00')],
    array[true, true], '9 o''clock stays 9 o''clock when summer time begins');
select is(
    array[pg_temp.at_work(:'berlin', '2026-12-25 12:00+01'), pg_temp.at_work(:'berlin', '2019-12-25 12:00+01'),
        pg_temp.at_work(:'berlin', '2026-04-06 12:00+02'), pg_temp.at_work(:'berlin', '2027-04-06 12:00+02'),
        pg_temp.at_work(:'newyork', '2026-12-25 12:00-05')],
    array[false, false, false, true, true], 'holidays are off, each year if they are yearly, and only where they are kept');

-- Over midnight, and the two nights of the year.
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time) values
    (:'always', 6, '22:00', '06:00'), (:'always', 7, '00:00', '24:00');
select monitoring.set_tenant_profile('always', time_zone => 'Europe/Berlin');
delete from monitoring.business_hours where tenant_id = :'always' and weekday = 7;
select is(
    array[pg_temp.at_work(:'always', '2026-03-28 21:59+01'), pg_temp.at_work(:'always', '2026-03-28 22:00+01'),
        pg_temp.at_work(:'always', '2026-03-29 01:59+01'), pg_temp.at_work(:'always', '2026-03-29 03:00+02'),
        pg_temp.at_work(:'always', '2026-03-29 05:59+02'), pg_temp.at_work(:'always', '2026-03-29 06:00+02')],
    array[false, true, true, true, true, false], 'a span over midnight is whole in the night that lacks an hour');
select is(
    array[pg_temp.at_work(:'always', '2026-10-25 02:30+02'), pg_temp.at_work(:'always', '2026-10-25 02:30+01'),
        pg_temp.at_work(:'always', '2026-10-25 05:59+01'), pg_temp.at_work(:'always', '2026-10-25 06:00+01')],
    array[true, true, true, false], 'and in the one that has an hour twice, both of them');
insert into monitoring.holidays (tenant_id, holiday_date, name) values (:'always', '2026-03-29', 'Sunday off');
select ok(pg_temp.at_work(:'always', '2026-03-29 05:00+02'), 'what began the day before goes on into a holiday');
update monitoring.holidays set holiday_date = '2026-03-28' where tenant_id = :'always';
select ok(not pg_temp.at_work(:'always', '2026-03-29 05:00+02'), 'and what would begin on one does not, to its end');
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time) values (:'always', 3, '00:00', '24:00');
select is(
    array[pg_temp.at_work(:'always', '2026-03-04 00:00+01'), pg_temp.at_work(:'always', '2026-03-04 23:59:59.9+01'),
        pg_temp.at_work(:'always', '2026-03-05 00:00+01')],
    array[true, true, false], 'a day may be whole');
delete from monitoring.business_hours where tenant_id = :'always';
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time) values (:'always', 7, '02:00', '03:00');
select is(
    (select count(*) from generate_series(timestamptz '2026-03-28 12:00+00', '2026-03-30 12:00+00', '5 min') as t (at)
        where pg_temp.at_work(:'always', t.at)), 0::bigint, 'an hour that the clocks skip does not happen');
select is(
    (select count(*) from generate_series(timestamptz '2026-10-24 12:00+00', '2026-10-26 12:00+00', '5 min') as t (at)
        where pg_temp.at_work(:'always', t.at)), 24::bigint, 'and one that occurs twice is worked twice');
select throws_ok(
    format($$ insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time) values (%L, 8, '09:00', '17:00') $$,
        :'berlin'), '23514', null, 'there is no eighth weekday');
select throws_ok(
    format($$ insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time) values (%L, 1, '09:00', '09:00') $$,
        :'berlin'), '23514', null, 'a span of no length is refused');

-- Recurring windows -------------------------------------------------------------------------------------------------------
create function pg_temp.covered(p_schedule text, p_duration interval, p_from timestamptz, p_to timestamptz) returns interval
language sql as $$
    select count(*) * interval '5 min'
    from generate_series(p_from, p_to, '5 min') as t (at)
    where (monitoring_internal.window_state(
        '2020-01-01', null, p_schedule, p_duration, 'Europe/Berlin', t.at)).state = 'active' $$;

select is(pg_temp.covered('0 22 * * sat', '8 hours', '2026-03-14 12:00+00', '2026-03-15 12:00+00'), interval '8 hours',
    'a window takes its hours in an ordinary night');
select is(pg_temp.covered('0 22 * * sat', '8 hours', '2026-03-28 12:00+00', '2026-03-29 12:00+00'), interval '7 hours',
    'one hour less where one is skipped, as it ends by the clock on the wall');
select is(pg_temp.covered('0 22 * * sat', '8 hours', '2026-10-24 12:00+00', '2026-10-25 12:00+00'), interval '9 hours',
    'and one more where one occurs twice');
select is(pg_temp.covered('0 2 * * sun', '1 hour', '2026-10-24 12:00+00', '2026-10-25 12:00+00'), interval '2 hours',
    'a window of the hour that occurs twice has both');
select is(pg_temp.covered('30 2 * * sun', '1 hour', '2026-03-28 12:00+00', '2026-03-29 12:00+00'), interval '1 hour',
    'a window that would begin in the gap begins after it and is whole, as the job does that it is for');
select results_eq(
    $$ select start_at, until_at from monitoring_internal.occurrence_near(
        '30 2 * * sun', '1 hour', 'Europe/Berlin', '2026-03-28 12:00+00') $$,
    $$ values (timestamptz '2026-03-29 03:00+02', timestamptz '2026-03-29 04:00+02') $$, 'that is at 3 o''clock');
select is(pg_temp.covered('0 4 1 * *', '30 min', '2026-01-01', '2026-03-31'), interval '1.5 hours', 'monthly, by day');
select is(pg_temp.covered('0 4 * * sun#2', '1 hour', '2026-01-01', '2026-03-31'), interval '3 hours', 'monthly, by weekday');
select is(pg_temp.covered('0 * * * *', '2 hours', '2026-03-14 12:00+00', '2026-03-14 13:55+00'), interval '2 hours',
    'times that overlap are one');
select results_eq(
    $$ select w.state, w.active_from, w.active_until
        from unnest(array['2026-03-01', '2026-03-03 12:00', '2026-03-03 22:30', '2026-03-04 07:00', '2026-03-10']::text[])
            with ordinality as t (at, no)
        cross join lateral monitoring_internal.window_state('2026-03-02 00:00+00', '2026-03-05 00:00+00',
            '0 22 * * *', '8 hours', 'UTC', (t.at || '+00')::timestamptz) as w
        order by t.no $$,
    $$ values ('pending', timestamptz '2026-03-02 00:00+00', timestamptz '2026-03-02 06:00+00'),
        ('pending', '2026-03-03 22:00+00', '2026-03-04 06:00+00'),
        ('active', '2026-03-03 22:00+00', '2026-03-04 06:00+00'),
        ('pending', '2026-03-04 22:00+00', '2026-03-05 00:00+00'),
        ('expired', '2026-03-02 00:00+00', '2026-03-05 00:00+00') $$,
    'a window says when it is in force next, within its beginning and its end');
select is((monitoring_internal.window_state('2026-03-01', '2026-03-02', '0 12 29 2 *', '1 hour', 'UTC', '2026-03-01 01:00')).state,
    'expired', 'one that does not come again before its end is over');

select * from finish();
rollback;
