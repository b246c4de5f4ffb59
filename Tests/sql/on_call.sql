-- Who is on call: turns by the wall clock, layers, restrictions, overrides, and a calendar that cannot disagree with paging.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local time zone 'UTC';
select no_plan();

insert into monitoring.people (name) values ('anna'), ('ben'), ('carl'), ('dora'), ('eve');

-- Names of who is on call at a time.
create function pg_temp.at(p_schedule text, p_at timestamptz) returns text language sql as $$
    select coalesce(string_agg(person, '+' order by person), '-') from monitoring.on_call_at(p_schedule, p_at);
$$;
create function pg_temp.shifts(p_schedule text, p_from timestamptz, p_until timestamptz) returns setof text language sql as $$
    select format('%s %s %s', to_char(start_at, 'MM-DD HH24:MI'), to_char(end_at, 'MM-DD HH24:MI'),
        array_to_string(people, '+'))
    from monitoring.on_call_shifts(p_schedule, p_from, p_until) order by start_at;
$$;

create role pgvigil_test_admin login;
grant monitoring_admin to pgvigil_test_admin;
set local role pgvigil_test_admin;

-- Turns -----------------------------------------------------------------------------------------------
select lives_ok($$ select monitoring.define_on_call_schedule('{
    "name": "weeks", "time_zone": "Europe/Berlin",
    "layers": [{"people": ["anna", "ben"], "turn": "weekly", "start": "2026-01-05", "hand_over": "09:00"}]}') $$,
    'a schedule is written down whole');
select is(pg_temp.at('weeks', '2026-01-05 07:59:59.999999+00'), '-', 'before its first turn nobody is on call');
select is(pg_temp.at('weeks', '2026-01-05 08:00+00'), 'anna', 'the first turn begins at the hand-over of its first day');
select is(
    array[pg_temp.at('weeks', '2026-03-30 06:59:59+00'), pg_temp.at('weeks', '2026-03-30 07:00+00')], array['ben', 'anna'],
    'a Monday 09:00 hand-over stays at 09:00 when clocks have gone forward');
select is(
    array[pg_temp.at('weeks', '2026-10-26 07:59:59+00'), pg_temp.at('weeks', '2026-10-26 08:00+00')], array['ben', 'anna'],
    'and when they have gone back');
-- The form that shifts fixed seconds is an hour off from March to October.
select isnt(
    (select (array['anna', 'ben'])[1 + (floor(extract(epoch from '2026-03-30 07:30+00'::timestamptz
        - '2026-01-05 08:00+00'::timestamptz) / 604800)::integer % 2)]),
    pg_temp.at('weeks', '2026-03-30 07:30+00'), 'turns of fixed seconds would hand over at 10:00 in summer');

reset role;

select monitoring.define_on_call_schedule('{"name": "hours", "time_zone": "Europe/Berlin", "layers": [
    {"people": ["anna", "ben", "carl"], "turn": "hourly", "turn_length": 8, "start": "2026-10-24", "hand_over": "00:00"}]}');
select results_eq(
    $$ select pg_temp.shifts('hours', '2026-10-24 22:00+00', '2026-10-26 00:00+00') $$,
    array['10-24 22:00 10-25 06:00 anna', '10-25 06:00 10-25 14:00 ben', '10-25 14:00 10-25 22:00 carl',
        '10-25 22:00 10-26 00:00 anna'],
    'turns of hours are true hours, also in a night of 25');
select monitoring.define_on_call_schedule('{"name": "months", "layers": [
    {"people": ["anna", "ben", "carl"], "turn": "monthly", "start": "2026-01-31", "hand_over": "09:00"}]}');
select is(
    array[pg_temp.at('months', '2026-02-28 08:59+00'), pg_temp.at('months', '2026-02-28 09:00+00'),
        pg_temp.at('months', '2026-03-31 08:59+00'), pg_temp.at('months', '2026-03-31 09:00+00')],
    array['anna', 'ben', 'ben', 'carl'], 'a turn of a month ends on the last day of a shorter one');
select is(
    (select array_agg(monitoring_internal.on_call_turn('daily', 3, '2026-01-01 09:00', d, 0) order by d)
     from generate_series('2026-01-01 09:00'::timestamp, '2026-01-08 08:59', '1 day') as d),
    array[0, 0, 0, 1, 1, 1, 2]::bigint[], 'a turn may last several days');

-- The night in which 02:00 to 03:00 comes twice, with a hand-over in it.
select monitoring.define_on_call_schedule('{"name": "night", "time_zone": "Europe/Berlin", "layers": [
    {"people": ["anna", "ben"], "turn": "daily", "start": "2026-10-24", "hand_over": "02:30"}]}');
select results_eq(
    $$ select pg_temp.shifts('night', '2026-10-24 12:00+00', '2026-10-26 12:00+00') $$,
    array['10-24 12:00 10-25 00:30 anna', '10-25 00:30 10-26 01:30 ben', '10-26 01:30 10-26 12:00 anna'],
    'in the hour that comes twice a turn is handed over once');
select monitoring.define_on_call_schedule('{"name": "spring", "time_zone": "Europe/Berlin", "layers": [
    {"people": ["anna", "ben"], "turn": "daily", "start": "2026-03-28", "hand_over": "02:30"}]}');
select results_eq(
    $$ select pg_temp.shifts('spring', '2026-03-28 12:00+00', '2026-03-30 12:00+00') $$,
    array['03-28 12:00 03-29 01:00 anna', '03-29 01:00 03-30 00:30 ben', '03-30 00:30 03-30 12:00 anna'],
    'a hand-over in the hour that is left out takes place when clocks go forward');

-- Layers and restrictions -------------------------------------------------------------------------------
select monitoring.define_on_call_schedule('{"name": "layers", "time_zone": "America/New_York", "layers": [
    {"name": "base", "people": ["anna"], "turn": "weekly", "start": "2026-01-05"},
    {"name": "nights", "priority": 5, "people": ["ben"], "start": "2026-01-05",
        "hours": [{"days": [1, 2, 3, 4, 5], "from": "18:00", "until": "08:00"}]},
    {"name": "second", "priority": 5, "people": ["carl"], "start": "2026-02-02", "end": "2026-02-09",
        "hours": [{"days": [1, 2, 3, 4, 5], "from": "18:00", "until": "08:00"}]}]}');
select is(
    array[
        pg_temp.at('layers', '2026-01-12 17:59 America/New_York'), pg_temp.at('layers', '2026-01-12 18:00 America/New_York'),
        pg_temp.at('layers', '2026-01-13 07:59 America/New_York'), pg_temp.at('layers', '2026-01-13 08:00 America/New_York'),
        pg_temp.at('layers', '2026-01-17 03:00 America/New_York'), pg_temp.at('layers', '2026-01-18 03:00 America/New_York'),
        pg_temp.at('layers', '2026-01-19 03:00 America/New_York')],
    array['anna', 'ben', 'ben', 'anna', 'ben', 'anna', 'anna'],
    'hours run over midnight and belong to the day on which they begin; the higher layer comes first');
select is(
    array[pg_temp.at('layers', '2026-02-03 20:00 America/New_York'), pg_temp.at('layers', '2026-02-09 20:00 America/New_York')],
    array['ben+carl', 'ben'], 'layers of one priority are on call together, until one ends');
update monitoring.people set is_active = false where name = 'ben';
select is(pg_temp.at('layers', '2026-01-12 18:00 America/New_York'), 'anna',
    'where the turn is that of somebody who left, the next layer has it');
update monitoring.people set is_active = true where name = 'ben';

select monitoring.define_on_call_schedule('{"name": "calendar", "layers": [
    {"people": ["anna", "ben"], "turn": "daily", "start": "2026-01-05", "hand_over": "00:00",
        "hours": [{"days": [1, 2, 3, 4, 5]}]}]}');
select monitoring.define_on_call_schedule('{"name": "eligible", "layers": [
    {"people": ["anna", "ben"], "turn": "daily", "start": "2026-01-05", "hand_over": "00:00", "eligible_days": true,
        "hours": [{"days": [1, 2, 3, 4, 5]}]}]}');
select is(
    (select array_agg(pg_temp.at(name, d) order by name, d)
     from unnest(array['calendar', 'eligible']) as name,
        generate_series('2026-01-08 12:00+00'::timestamptz, '2026-01-13 12:00+00', '1 day') as d),
    array['ben', 'anna', '-', '-', 'ben', 'anna', 'ben', 'anna', '-', '-', 'ben', 'anna'],
    'from Thursday to Tuesday, counted in calendar days and in working days');
select is(
    (select array_agg(pg_temp.at(name, d) order by name, d)
     from unnest(array['calendar', 'eligible']) as name,
        generate_series('2026-01-12 12:00+00'::timestamptz, '2026-01-19 12:00+00', '7 days') as d),
    array['ben', 'anna', 'ben', 'anna'], 'two people and seven days: both change Mondays');
select is(
    (select count(distinct pg_temp.at('eligible', d)) from generate_series('2026-01-09 12:00+00'::timestamptz,
        '2026-01-12 12:00+00', '3 days') as d), 2::bigint,
    'a week-end costs nobody a turn: Friday''s and Monday''s differ');

-- Overrides -----------------------------------------------------------------------------------------------
select isnt(monitoring.override_on_call('weeks', 'carl', '2026-02-03 10:00+00', '2026-02-03 14:00+00', reason => 'dentist'),
    null, 'somebody takes the schedule for some hours');
select results_eq(
    $$ select pg_temp.shifts('weeks', '2026-02-03 00:00+00', '2026-02-04 00:00+00') $$,
    array['02-03 00:00 02-03 10:00 anna', '02-03 10:00 02-03 14:00 carl', '02-03 14:00 02-04 00:00 anna'],
    'an override comes first and ends when it says, to the moment');
select is((select source from monitoring.on_call_at('weeks', '2026-02-03 12:00+00')), 'override', 'and is told as such');
select monitoring.override_on_call('layers', 'dora', '2026-02-03 00:00+00', '2026-02-05 00:00+00', 'carl');
select is(pg_temp.at('layers', '2026-02-03 20:00 America/New_York'), 'ben+dora', 'a swap replaces one of two');
select monitoring.override_on_call('layers', 'eve', '2026-02-03 00:00+00', '2026-02-05 00:00+00', 'dora');
select is(pg_temp.at('layers', '2026-02-03 20:00 America/New_York'), 'ben+eve', 'who took a turn may give it on');
select monitoring.override_on_call('layers', 'carl', '2026-02-03 00:00+00', '2026-02-05 00:00+00', 'eve');
select is(pg_temp.at('layers', '2026-02-03 20:00 America/New_York'), 'ben+eve', 'a ring of swaps ends');
select throws_ok(
    $$ delete from monitoring.people where name = 'anna' $$, '23503', null, 'who takes turns is not removed');
insert into monitoring.people (name) values ('fred');
select monitoring.override_on_call('weeks', 'fred', now(), now() + interval '1 day');
select throws_ok($$ delete from monitoring.people where name = 'fred' $$, 'PV953', null, 'nor who has a shift to come');
update monitoring.on_call_assignments set start_at = now() - interval '2 days', end_at = now() - interval '1 day'
where person_id = (select person_id from monitoring.people where name = 'fred');
select lives_ok($$ delete from monitoring.people where name = 'fred' $$, 'who had one may go');
select throws_ok(
    $$ insert into monitoring.on_call_assignments (tenant_id, on_call_schedule_id, person_id, start_at, end_at)
        select s.tenant_id, s.on_call_schedule_id, p.person_id, now(), now() from monitoring.on_call_schedules as s
        cross join monitoring.people as p limit 1 $$, '23514', null, 'an override without a length is refused');

-- Gaps, and what is asked wrongly -------------------------------------------------------------------------
select results_eq(
    $$ select * from monitoring.on_call_gaps('calendar', '2026-01-08 00:00+00', '2026-01-20 00:00+00') $$,
    $$ values ('2026-01-10 00:00+00'::timestamptz, '2026-01-12 00:00+00'::timestamptz),
        ('2026-01-17 00:00+00', '2026-01-19 00:00+00') $$, 'gaps are what the calendar leaves out');
select is_empty($$ select * from monitoring.on_call_gaps('weeks', '2026-01-06 00:00+00', '2027-01-06 00:00+00') $$,
    'a rotation without restrictions has none');
select throws_ok($$ select * from monitoring.on_call_at('no such') $$, 'PV950', null, 'an unknown schedule is named');
select throws_ok($$ select * from monitoring.on_call_shifts('weeks', now(), 'infinity') $$, 'PV952', null,
    'an endless calendar is refused');
select throws_ok($$ select monitoring.define_on_call_schedule('{"name": "x", "layers": [{"people": ["nobody"],
    "start": "2026-01-05"}]}') $$, 'PV954', null, 'an unknown person is named');
select throws_ok($$ select monitoring.define_on_call_schedule('{"name": "x", "layers": [{"people": ["anna"],
    "starts": "2026-01-05"}]}') $$, 'PV955', null, 'a misspelt key is refused');
select throws_ok($$ select monitoring.define_on_call_schedule('{"name": "x", "time_zone": "Europe/Berlyn", "layers": []}') $$,
    'PV115', null, 'an unknown zone is refused');
select throws_ok($$ insert into monitoring.people (name, time_zone) values ('gus', 'CEST') $$, 'PV115', null,
    'also in a row written singly');

-- Who asks ------------------------------------------------------------------------------------------------
create role pgvigil_test_a login;
create role pgvigil_test_analyst login;
grant monitoring_reader to pgvigil_test_a;
grant monitoring_analyst to pgvigil_test_analyst;
select monitoring.create_tenant('acme');
select monitoring.create_tenant('globex');
select monitoring.add_tenant_member('pgvigil_test_a', 'acme');
select monitoring.add_tenant_member('pgvigil_test_analyst', 'acme');
select monitoring.define_on_call_schedule(jsonb_build_object('name', 'weeks', 'tenant', tenant, 'layers',
    '[{"people": ["anna"], "start": "2020-01-06"}]'::jsonb)) from unnest(array['acme', 'globex']) as tenant;
select throws_ok($$ select * from monitoring.on_call_at('weeks') $$, 'PV951', null, 'an ambiguous name is refused');
select is(pg_temp.at('system/weeks', '2026-01-05 08:00+00'), 'anna', 'and told apart by the tenant');
grant execute on function pg_temp.at(text, timestamptz) to public;
set local role pgvigil_test_a;
select is(
    (select person from monitoring.on_call_at('weeks', '2026-01-06 12:00+00')), 'anna',
    'a reader sees the one schedule of its tenant, with people of the system tenant that serve it');
select throws_ok($$ select * from monitoring.on_call_at('globex/weeks') $$, 'PV950', null, 'and no other''s');
select is((select array_agg(tenant_name || '/' || schedule order by 1) from monitoring.who_is_on_call), array['acme/weeks'],
    'the overview shows it alone');
select throws_ok($$ select monitoring.override_on_call('weeks', 'ben', now(), now() + interval '1 hour') $$, '42501', null,
    'a reader changes nothing');
set local role pgvigil_test_analyst;
select lives_ok($$ select monitoring.override_on_call('weeks', 'ben', now(), now() + interval '1 hour') $$,
    'an analyst of the tenant may take a shift');
select throws_ok($$ select monitoring.override_on_call('system/weeks', 'ben', now(), now() + interval '1 hour') $$, 'PV950',
    null, 'of its tenant only');
reset role;
select is(
    (select (people, changes_at is not null, next_people, is_gap)::text from monitoring.who_is_on_call where tenant_name = 'acme'),
    '({ben},t,{anna},f)', 'the overview says who is on call, and who follows');

-- Two years, two zones, every quarter of an hour -----------------------------------------------------------
select monitoring.define_on_call_schedule(jsonb_build_object('name', 'property ' || replace(zone, '/', ' '), 'time_zone', zone, 'layers', '[
    {"name": "weeks", "people": ["anna", "ben", "carl"], "turn": "weekly", "start": "2025-12-01", "hand_over": "09:00"},
    {"name": "nights", "priority": 1, "people": ["dora", "eve"], "turn": "daily", "start": "2025-12-01", "hand_over": "12:00",
        "hours": [{"days": [5, 6, 7], "from": "22:30", "until": "06:15"}]}]'::jsonb))
from unnest(array['Europe/Berlin', 'America/New_York']) as zone;

create temporary table shift as
select zone, s.start_at, s.end_at, s.people, s.start_at at time zone zone as local_start
from unnest(array['Europe/Berlin', 'America/New_York']) as zone
cross join lateral monitoring.on_call_shifts('property ' || replace(zone, '/', ' '), '2026-01-01 00:00+00', '2028-01-01 00:00+00') as s;

select is(
    (select array_agg(length order by zone) from (
        select zone, extract(epoch from sum(end_at - start_at)) / 86400 as length from shift group by zone) as s),
    array[730, 730]::numeric[],
    'over two years of daylight saving there is no gap');
select is_empty(
    $$ select * from (select zone, end_at, lead(start_at) over (partition by zone order by start_at) as next from shift) as s
        where next <> end_at $$, 'and no overlap: each shift ends where the next begins');
select is_empty($$ select * from shift where cardinality(people) <> 1 $$, 'one person at a time, as configured');
select is(
    (select array_agg(distinct local_start::time order by local_start::time) from shift where start_at > '2026-01-01 00:00+00'),
    array['06:15', '09:00', '22:30']::time[], 'hand-overs have the same local times all year');
select is_empty(
    $$ select * from shift where local_start::time = '09:00' and extract(isodow from local_start) <> 1 $$,
    'those of the weeks are on Mondays');
create temporary table looked as
select zone, r.moment, min(r.person) as person, count(*) as people
from unnest(array['Europe/Berlin', 'America/New_York']) as zone
cross join lateral monitoring_internal.visible_on_call('property ' || replace(zone, '/', ' '), array(
    select generate_series('2026-01-01 00:00+00'::timestamptz, '2027-12-31 23:45+00', '15 min'))) as r
group by zone, r.moment;
select is((select array_agg(n) from (select count(*) as n from looked group by zone) as c), array[70080, 70080]::bigint[],
    'somebody is on call at each quarter of an hour of two years');
select is_empty(
    $$ select * from looked as l inner join shift as s on s.zone = l.zone and l.moment >= s.start_at and l.moment < s.end_at
        where s.people[1] <> l.person or l.people <> 1 $$, 'and the calendar says the same as the look-up, 140,160 times');

select * from finish();
rollback;
-- Parts named here: on_call_layers_of, on_call_matches, resolve_on_call, visible_schedule_id, on_call_boundaries,
-- on_call_intervals, visible_on_call_intervals, schedule_fault, replace_on_call_layers, person_id_of, check_zone_of_row,
-- future_shift_of, keep_future_shifts.
