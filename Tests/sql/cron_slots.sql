-- Tests/sql/cron_slots.sql: the slots of schedules, above all where clocks change.
begin;
select no_plan();

-- The server's own rules that the functions build on.
select is(
    timestamp '2026-03-29 02:30' at time zone 'Europe/Berlin', '2026-03-29 01:30+00'::timestamptz,
    'a local time in a gap maps forward by the length of the gap');
select is(
    timestamp '2026-10-25 02:30' at time zone 'Europe/Berlin', '2026-10-25 01:30+00'::timestamptz,
    'a local time that occurs twice maps to its second occurrence');
set local time zone 'Europe/Berlin';
select is(
    timestamptz '2026-10-25 00:00' + time '02:30', '2026-10-25 00:30+00'::timestamptz,
    'midnight plus a time maps to the first occurrence');
reset time zone;
select ok(
    (timestamp '2026-03-29 02:30' at time zone 'Europe/Berlin') at time zone 'Europe/Berlin'
        <> timestamp '2026-03-29 02:30',
    'a local time that does not exist does not survive the round trip');

-- The parts, each for itself.
select is(
    monitoring_internal.next_local_slot(monitoring_internal.parse_cron('59 23 * * *'), '2026-02-28 23:59:01'),
    timestamp '2026-03-01 23:59', 'the next local time may be in the next month');
select is(
    monitoring_internal.zone_change_within('2026-03-28 12:00+00', '2026-03-29 12:00+00', 'Europe/Berlin'),
    timestamptz '2026-03-29 01:00+00', 'the instant at which the clocks change');
select is(
    monitoring_internal.first_occurrence('2026-10-25 02:30', 'Europe/Berlin'),
    timestamptz '2026-10-25 00:30+00', 'the first time that clocks show half past two');
select is(
    monitoring_internal.first_occurrence('2026-10-26 02:30', 'Europe/Berlin'),
    timestamptz '2026-10-26 01:30+00', 'the only time that clocks show half past two');
select is(
    (monitoring_internal.slot_rule(
        monitoring_internal.parse_cron('30 2 * * *'), '2026-10-25 00:30+00', 'Europe/Berlin')).rule,
    'overlap first', 'a slot that could have been twice');
select is_empty(
    $$select e.expression, z.zone, i.after, d.dst
    from unnest(array['*/7 * * * *', '5 4 * * *', '30 0,1,2 * * *', '0 0 1 * mon', '45 1 LW * fri#5']) as e (expression)
    cross join unnest(array['once', 'skip', 'twice']) as d (dst)
    cross join unnest(array['Europe/Berlin', 'Asia/Kathmandu', 'America/Havana']) as z (zone)
    cross join generate_series(
        timestamptz '2026-01-01 00:00:01+00', '2026-12-31', interval '61 hours') as i (after)
    where monitoring_internal.next_slot(monitoring_internal.parse_cron(e.expression), i.after, z.zone, d.dst)
        is distinct from monitoring_internal.next_slot_near_change(
            monitoring_internal.parse_cron(e.expression), i.after + interval '1 second', z.zone, d.dst)$$,
    'the short way and the careful way lead to the same slots');

-- The golden table: the first slot after an instant, in zones whose clocks do the odd things.
create temporary table golden (expression text, after timestamptz, zone text, slot timestamptz, why text);
insert into golden values
    ('*/5 * * * *', '2026-11-21 10:05:00+00', 'UTC', '2026-11-21 10:10+00', 'strictly after'),
    ('*/5 * * * *', '2026-11-21 10:04:59.999999+00', 'UTC', '2026-11-21 10:05+00', 'a microsecond before'),
    ('* * * * * *', '2026-11-21 10:04:59.5+00', 'UTC', '2026-11-21 10:05:00+00', 'each second'),
    ('59 59 23 31 12 *', '2026-01-01 00:00+00', 'UTC', '2026-12-31 23:59:59+00', 'last second of a year'),
    ('0 0 29 2 *', '2096-03-01 00:00+00', 'UTC', '2104-02-29 00:00+00', '2100 is no leap year'),
    ('0 0 29 2 */7', '2026-01-01 00:00+00', 'UTC', '2032-02-29 00:00+00', 'a starred weekday: both must match'),
    ('0 0 13 * 5', '2026-11-01 00:00+00', 'UTC', '2026-11-06 00:00+00', 'either day field, the weekday first'),
    ('0 0 13 * 5', '2026-11-06 00:00+00', 'UTC', '2026-11-13 00:00+00', 'both at once'),
    ('0 0 17 * 5', '2026-11-13 00:00+00', 'UTC', '2026-11-17 00:00+00', 'either day field, the day first'),
    ('0 0 */2 * mon', '2026-11-21 00:00+00', 'UTC', '2026-11-23 00:00+00', 'a starred day: both must match'),
    ('0 0 31 * *', '2026-01-31 00:00+00', 'UTC', '2026-03-31 00:00+00', 'months without a 31st are passed over'),
    ('0 0 * * sun', '1582-10-10 00:00+00', 'UTC', '1582-10-17 00:00+00', 'weekdays before 2000'),
    ('@every 10s', '2026-11-21 10:00:03.7+00', 'UTC', '2026-11-21 10:00:10+00', 'the epoch grid'),
    ('@every 7s', '2026-11-21 10:00:11+00', 'UTC', to_timestamp(1795255217), 'a period that divides no minute'),
    ('@every 1500ms', '2026-11-21 10:00:00+00', 'UTC', '2026-11-21 10:00:01.5+00', 'half seconds'),
    ('@every 1h', '1969-12-31 22:59:59+00', 'Asia/Kathmandu', '1969-12-31 23:00+00', 'the grid before 1970, in any zone'),
    ('@every 1h', '1969-12-31 23:00:00+00', 'UTC', '1970-01-01 00:00+00', 'the epoch itself'),
    -- Berlin springs forward at 01:00Z on 29 March 2026 and falls back at 01:00Z on 25 October.
    ('30 2 * * *', '2026-03-28 12:00+00', 'Europe/Berlin', '2026-03-29 01:00+00', 'in the gap: right after it'),
    ('30 2 * * *', '2026-03-29 01:00+00', 'Europe/Berlin', '2026-03-30 00:30+00', 'and not again that day'),
    ('0,30 2,3 * * *', '2026-03-29 00:59:59+00', 'Europe/Berlin', '2026-03-29 01:00+00', 'three local times, one slot'),
    ('0,30 2,3 * * *', '2026-03-29 01:00+00', 'Europe/Berlin', '2026-03-29 01:30+00', 'then the next that exists'),
    ('30 2 * * *', '2026-10-24 12:00+00', 'Europe/Berlin', '2026-10-25 00:30+00', 'twice there: the first time'),
    ('30 2 * * *', '2026-10-25 00:30+00', 'Europe/Berlin', '2026-10-26 01:30+00', 'not the second time'),
    ('30 2 * * *', '2026-10-25 01:10+00', 'Europe/Berlin', '2026-10-26 01:30+00', 'nor when asked in between'),
    ('* * 2 * * *', '2026-10-25 01:10+00', 'Europe/Berlin', '2026-10-26 01:00+00', 'a whole repeated hour is passed over'),
    ('0 3 * * *', '2026-10-25 01:30+00', 'Europe/Berlin', '2026-10-25 02:00+00', 'just after the repeated hour'),
    ('*/5 * * * *', '2026-10-25 00:55+00', 'Europe/Berlin', '2026-10-25 01:00+00', 'five minutes stay five minutes'),
    ('*/5 * * * *', '2026-10-25 01:55+00', 'Europe/Berlin', '2026-10-25 02:00+00', 'also at the end of the repetition'),
    ('*/5 * * * *', '2026-03-29 00:55+00', 'Europe/Berlin', '2026-03-29 01:00+00', 'and over the gap'),
    ('30 */2 * * *', '2026-03-29 00:00+00', 'Europe/Berlin', '2026-03-29 02:30+00', 'elapsed time has no half past two'),
    ('30 */2 * * *', '2026-10-25 00:30+00', 'Europe/Berlin', '2026-10-25 01:30+00', 'or has it twice'),
    ('30 2-2/1 * * *', '2026-10-25 00:30+00', 'Europe/Berlin', '2026-10-25 01:30+00', 'a step makes half past two come again'),
    ('0 12 * * *', '2026-03-28 11:00+00', 'Europe/Berlin', '2026-03-29 10:00+00', 'noon moves with the clocks'),
    -- Lord Howe moves by half an hour: 2:00 to 2:30 at 15:30Z on 3 October, 2:00 to 1:30 at 15:00Z on 4 April.
    ('15 2 * * *', '2026-10-03 12:00+00', 'Australia/Lord_Howe', '2026-10-03 15:30+00', 'half an hour of gap'),
    ('45 1 * * *', '2026-04-04 12:00+00', 'Australia/Lord_Howe', '2026-04-04 14:45+00', 'half an hour twice'),
    ('45 1 * * *', '2026-04-04 14:45+00', 'Australia/Lord_Howe', '2026-04-05 15:15+00', 'once a day'),
    ('*/20 * * * *', '2026-04-04 14:40+00', 'Australia/Lord_Howe', '2026-04-04 15:10+00', 'minutes as the clocks show them'),
    -- Sao Paulo: midnight did not exist on 4 November 2018 (03:00Z), and 23:00-24:00 came twice on 17 February 2018.
    ('0 0 * * *', '2018-11-03 12:00+00', 'America/Sao_Paulo', '2018-11-04 03:00+00', 'a day that begins at one'),
    ('30 0 * * *', '2018-11-04 03:00+00', 'America/Sao_Paulo', '2018-11-05 02:30+00', 'its half past twelve is gone'),
    ('0 * 4 11 *', '2018-11-03 12:00+00', 'America/Sao_Paulo', '2018-11-04 03:00+00', 'its first hour is one'),
    ('30 23 * * *', '2018-02-17 12:00+00', 'America/Sao_Paulo', '2018-02-18 01:30+00', 'half past eleven, the first'),
    ('0 0 18 2 *', '2018-02-18 01:30+00', 'America/Sao_Paulo', '2018-02-18 03:00+00', 'midnight comes an hour late'),
    -- Apia left out 30 December 2011 (at 10:00Z).
    ('30 12 * * *', '2011-12-29 22:30+00', 'Pacific/Apia', '2011-12-30 10:00+00', 'a missing day is one gap'),
    ('30 12 * * *', '2011-12-30 10:00+00', 'Pacific/Apia', '2011-12-30 22:30+00', 'the day after is itself'),
    ('0 0 30 12 *', '2011-12-29 00:00+00', 'Pacific/Apia', '2011-12-30 10:00+00', 'a date that did not happen'),
    ('0 * 30 12 *', '2011-12-29 00:00+00', 'Pacific/Apia', '2012-12-29 10:00+00', 'elapsed time knows no such date'),
    ('*/10 * * * *', '2011-12-30 09:55+00', 'Pacific/Apia', '2011-12-30 10:00+00', 'ten minutes later it is the 31st'),
    -- Havana repeats 0:00-1:00: a schedule of that day starts with the first midnight, asked in winter or in summer.
    ('*/5 * 1 11 *', '2026-01-15 00:00+00', 'America/Havana', '2026-11-01 04:00+00', 'the first of two midnights'),
    ('0 0 1 11 *', '2026-10-15 00:00+00', 'America/Havana', '2026-11-01 04:00+00', 'the first of two midnights'),
    -- Monrovia left -0:44:30 at 00:44:30Z on 7 January 1972; its clocks jumped from 0:00:00 to 0:44:30.
    ('0 0 * * *', '1972-01-06 12:00+00', 'Africa/Monrovia', '1972-01-07 00:44:30+00', 'offsets with seconds'),
    ('30 44 0 * * *', '1972-01-06 12:00+00', 'Africa/Monrovia', '1972-01-07 00:44:30+00', 'regular and moved meet'),
    ('0 12 * * *', '1971-12-31 00:00+00', 'Africa/Monrovia', '1971-12-31 12:44:30+00', 'noon to the second'),
    ('* * * * *', '1880-01-01 00:00+00', 'Europe/Berlin', '1880-01-01 00:00:32+00', 'local mean time');
select is(
    monitoring.cron_next(g.expression, g.after, g.zone), g.slot,
    format('"%s" after %s in %s: %s', g.expression, g.after, g.zone, g.why))
from golden as g;

-- What each daylight saving rule makes of the same local times: every slot of a span.
create temporary table rule_golden (
    expression text, zone text, after timestamptz, until timestamptz, once timestamptz[], skip timestamptz[],
    twice timestamptz[], why text);
insert into rule_golden values
    ('30 2 * * *', 'Europe/Berlin', '2026-03-28 12:00+00', '2026-03-30 12:00+00',
        '{2026-03-29 01:00+00,2026-03-30 00:30+00}', '{2026-03-30 00:30+00}',
        '{2026-03-29 01:00+00,2026-03-30 00:30+00}', 'a gap of an hour'),
    ('0,30 2,3 * * *', 'Europe/Berlin', '2026-03-29 00:00+00', '2026-03-29 12:00+00',
        '{2026-03-29 01:00+00,2026-03-29 01:30+00}', '{2026-03-29 01:00+00,2026-03-29 01:30+00}',
        '{2026-03-29 01:00+00,2026-03-29 01:30+00}', 'the end of the gap is a local time of its own'),
    ('30 2 * * *', 'Europe/Berlin', '2026-10-24 12:00+00', '2026-10-26 12:00+00',
        '{2026-10-25 00:30+00,2026-10-26 01:30+00}', '{2026-10-25 00:30+00,2026-10-26 01:30+00}',
        '{2026-10-25 00:30+00,2026-10-25 01:30+00,2026-10-26 01:30+00}', 'an hour twice'),
    ('30 */2 * * *', 'Europe/Berlin', '2026-10-25 00:00+00', '2026-10-25 02:00+00',
        '{2026-10-25 00:30+00,2026-10-25 01:30+00}', '{2026-10-25 00:30+00,2026-10-25 01:30+00}',
        '{2026-10-25 00:30+00,2026-10-25 01:30+00}', 'elapsed time under each rule'),
    ('30 */2 * * *', 'Europe/Berlin', '2026-03-29 00:00+00', '2026-03-29 03:00+00',
        '{2026-03-29 02:30+00}', '{2026-03-29 02:30+00}', '{2026-03-29 02:30+00}', 'elapsed time under each rule'),
    ('15 2 * * *', 'America/New_York', '2026-03-07 12:00+00', '2026-03-09 12:00+00',
        '{2026-03-08 07:00+00,2026-03-09 06:15+00}', '{2026-03-09 06:15+00}',
        '{2026-03-08 07:00+00,2026-03-09 06:15+00}', 'a gap of an hour'),
    ('15 1,2 * * *', 'America/New_York', '2026-10-31 12:00+00', '2026-11-02 00:00+00',
        '{2026-11-01 05:15+00,2026-11-01 07:15+00}', '{2026-11-01 05:15+00,2026-11-01 07:15+00}',
        '{2026-11-01 05:15+00,2026-11-01 06:15+00,2026-11-01 07:15+00}', 'an hour twice'),
    ('0,15,30 2 * * *', 'Australia/Lord_Howe', '2026-10-03 12:00+00', '2026-10-04 12:00+00',
        '{2026-10-03 15:30+00}', '{2026-10-03 15:30+00}', '{2026-10-03 15:30+00}', 'a gap of half an hour'),
    ('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03 12:00+00', '2026-10-04 16:00+00',
        '{2026-10-03 15:30+00,2026-10-04 15:15+00}', '{2026-10-04 15:15+00}',
        '{2026-10-03 15:30+00,2026-10-04 15:15+00}', 'a gap of half an hour'),
    ('0,45 1,2 * * *', 'Australia/Lord_Howe', '2026-04-04 12:00+00', '2026-04-04 18:00+00',
        '{2026-04-04 14:00+00,2026-04-04 14:45+00,2026-04-04 15:30+00,2026-04-04 16:15+00}',
        '{2026-04-04 14:00+00,2026-04-04 14:45+00,2026-04-04 15:30+00,2026-04-04 16:15+00}',
        '{2026-04-04 14:00+00,2026-04-04 14:45+00,2026-04-04 15:15+00,2026-04-04 15:30+00,2026-04-04 16:15+00}',
        'half an hour twice'),
    ('0 0 * * *', 'America/Sao_Paulo', '2018-11-03 12:00+00', '2018-11-05 12:00+00',
        '{2018-11-04 03:00+00,2018-11-05 02:00+00}', '{2018-11-05 02:00+00}',
        '{2018-11-04 03:00+00,2018-11-05 02:00+00}', 'a day without midnight'),
    ('30 23 * * *', 'America/Sao_Paulo', '2018-02-17 12:00+00', '2018-02-19 12:00+00',
        '{2018-02-18 01:30+00,2018-02-19 02:30+00}', '{2018-02-18 01:30+00,2018-02-19 02:30+00}',
        '{2018-02-18 01:30+00,2018-02-18 02:30+00,2018-02-19 02:30+00}', 'the last hour of a day twice'),
    ('30 12 * * *', 'Pacific/Apia', '2011-12-29 00:00+00', '2012-01-01 00:00+00',
        '{2011-12-29 22:30+00,2011-12-30 10:00+00,2011-12-30 22:30+00,2011-12-31 22:30+00}',
        '{2011-12-29 22:30+00,2011-12-30 22:30+00,2011-12-31 22:30+00}',
        '{2011-12-29 22:30+00,2011-12-30 10:00+00,2011-12-30 22:30+00,2011-12-31 22:30+00}', 'a missing day'),
    ('0 0 30 12 *', 'Pacific/Apia', '2010-01-01 00:00+00', '2013-01-01 00:00+00',
        '{2010-12-30 10:00+00,2011-12-30 10:00+00,2012-12-29 10:00+00}',
        '{2010-12-30 10:00+00,2012-12-29 10:00+00}',
        '{2010-12-30 10:00+00,2011-12-30 10:00+00,2012-12-29 10:00+00}', 'a date that did not happen');
create function pg_temp.slots(expression text, zone text, dst text, after timestamptz, until timestamptz)
returns timestamptz[]
language sql
as $$
    with recursive form (schedule) as materialized (
        select monitoring_internal.parse_cron(expression)
    ), slot (at) as (
        select monitoring_internal.next_slot(f.schedule, after, zone, dst) from form as f
        union all
        select monitoring_internal.next_slot(f.schedule, s.at, zone, dst) from form as f, slot as s where s.at <= until
    )
    select coalesce(array_agg(s.at order by s.at), '{}') from slot as s where s.at <= until
$$;
select is(
    pg_temp.slots(g.expression, g.zone, d.dst, g.after, g.until), d.slots,
    format('"%s" in %s, %s: %s', g.expression, g.zone, d.dst, g.why))
from rule_golden as g
cross join lateral (values ('once', g.once), ('skip', g.skip), ('twice', g.twice)) as d (dst, slots);
select is(monitoring.cron_next('0 0 * * *', null), null, 'no instant, no slot');
select is(
    monitoring_internal.next_slot('{0,1,1,1,1073741824,4,127,1,0}', '2026-01-01'), null,
    'a parsed form that never fires ends the search after a hundred years');

-- A schedule's slots and the rules that made them.
select results_eq(
    $$select e.local_at, e.named_at, e.utc_offset, e.rule
    from monitoring.cron_explain('30 2 * * *', '2026-03-28 12:00+00', 'Europe/Berlin', n => 2) as e$$,
    $$values
        (timestamp '2026-03-29 03:00', timestamp '2026-03-29 02:30', interval '2 hours', 'gap moved'),
        ('2026-03-30 02:30', '2026-03-30 02:30', '2 hours', 'regular')$$,
    'a slot that moved names the local time it stands for');
select results_eq(
    $$select e.slot_at, e.local_at, e.named_at, e.rule
    from monitoring.cron_explain('30 2 * * *', '2026-03-28 12:00+00', 'Europe/Berlin', 'skip', 2) as e$$,
    $$values
        (null::timestamptz, null::timestamp, timestamp '2026-03-29 02:30', 'gap skipped'),
        ('2026-03-30 00:30+00', '2026-03-30 02:30', '2026-03-30 02:30', 'regular')$$,
    'a local time that is left out is shown without a slot');
select results_eq(
    $$select e.slot_at, e.rule
    from monitoring.cron_explain('30 2 * * *', '2026-10-24 12:00+00', 'Europe/Berlin', 'twice', 3) as e$$,
    $$values
        (timestamptz '2026-10-25 00:30+00', 'overlap first'),
        ('2026-10-25 01:30+00', 'overlap second'), ('2026-10-26 01:30+00', 'regular')$$,
    'a local time that runs twice says which time it is');
select results_eq(
    $$select e.slot_at, e.utc_offset, e.rule
    from monitoring.cron_explain('30 * * * *', '2026-10-24 23:30+00', 'Europe/Berlin', 'once', 3) as e$$,
    $$values
        (timestamptz '2026-10-25 00:30+00', interval '2 hours', 'elapsed time'),
        ('2026-10-25 01:30+00', '1 hour', 'elapsed time'), ('2026-10-25 02:30+00', '1 hour', 'elapsed time')$$,
    'elapsed time passes a repeated hour twice, and says what it follows');
select results_eq(
    $$select e.slot_at, e.rule from monitoring.cron_explain('@every 36h', 'epoch', n => 1) as e$$,
    $$values (timestamptz '1970-01-02 12:00+00', 'period')$$, 'a period is a rule of its own');
select is_empty(
    $$select e.slot_at from monitoring.cron_explain('*/7 */5 * * *', '2026-10-24', 'Europe/Berlin', n => 300) as e
    where e.slot_at is distinct from monitoring.cron_next('*/7 */5 * * *', e.slot_at - interval '1 microsecond', 'Europe/Berlin')$$,
    'a slot is the next one an instant before itself');

-- A job shows what its rule leaves out, and the tick passes it over.
select lives_ok(
    $$select monitoring.schedule_job('night', '30 2 * * *', 'select 1', time_zone => 'Europe/Berlin', dst => 'skip')$$,
    'a job with a rule');
select results_eq(
    $$select n.slot_at, n.planned_at, n.named_at, n.rule
    from monitoring_internal.next_slots_at('night', 2, '2026-03-28 12:00+00') as n$$,
    $$values (null::timestamptz, null::timestamptz, timestamp '2026-03-29 02:30', 'gap skipped'),
        ('2026-03-30 00:30+00', '2026-03-30 00:30+00', '2026-03-30 02:30', 'regular')$$,
    'the slots of a job and the rule of each');
select is(
    (monitoring_internal.advance_slots('30 2 * * *', 'Europe/Berlin', d.dst, null, '2026-03-28 01:30+00',
        '2026-03-29 12:00+00', 10)).slot_count, d.slots, format('the tick of a job with %s', d.dst))
from (values ('once', 2::bigint), ('skip', 1), ('twice', 2)) as d (dst, slots);
select alike(
    (select e.value from monitoring_internal.describe_job('night') as e where e.field = 'clock changes'),
    '%does not run%(dst skip)', 'and is told so');

-- An oracle that knows nothing of bits or of jumping: minute by minute, what do the clocks show?
-- A local time is due when the clocks show it: with fixed hours and without "twice" the first time only. In a gap, with
-- fixed hours and without "skip", it is due when the clocks first show anything later.
create function pg_temp.oracle(
    minutes integer[], hours integer[], days integer[], months integer[], weekdays integer[],
    is_both_days boolean, follows_elapsed_time boolean, dst text, after timestamptz, until timestamptz, zone text)
returns timestamptz
language sql
as $$
    with clock as (
        select m.at, m.at at time zone zone as shown,
            max(m.at at time zone zone) over (order by m.at rows between unbounded preceding and 1 preceding) as latest
        from generate_series(date_trunc('minute', after) - interval '26 hours', until, interval '1 minute') as m (at)
    )
    select min(c.at)
    from clock as c
    cross join lateral (
        select c.shown as local where follows_elapsed_time or dst = 'twice' or c.shown > c.latest
        union all
        select g.local
        from generate_series(c.latest + interval '1 minute', c.shown - interval '1 minute', interval '1 minute') as g (local)
        where not follows_elapsed_time and dst <> 'skip'
    ) as d
    where c.at > after
        and extract(minute from d.local) = any (minutes) and extract(hour from d.local) = any (hours)
        and extract(month from d.local) = any (months)
        and case when is_both_days
            then extract(day from d.local) = any (days) and extract(dow from d.local) = any (weekdays)
            else extract(day from d.local) = any (days) or extract(dow from d.local) = any (weekdays) end;
$$;

-- A random field around a value: its text, its values, and whether it starts with a star. Seeded by its arguments.
create function pg_temp.random_field(seed bigint, low integer, high integer, near integer, out field text, out member integer[])
language plpgsql
as $$
declare
    roll constant integer := abs(hashint8(seed)) % 100;
    value constant integer := greatest(low, least(high, near + abs(hashint8(seed + 1)) % 3 - 1));
    other constant integer := low + abs(hashint8(seed + 2)) % (high - low + 1);
    step constant integer := 2 + abs(hashint8(seed + 3)) % greatest(1, (high - low) / 3);
begin
    case
        when roll < 30 then
            field := '*';
            member := array(select generate_series(low, high));
        when roll < 45 then
            field := format('*/%s', step);
            member := array(select generate_series(low, high, step));
        when roll < 60 then
            field := format('%s-%s', least(value, other), greatest(value, other));
            member := array(select generate_series(least(value, other), greatest(value, other)));
        when roll < 75 then
            field := format('%s,%s', other, value);
            member := array[other, value];
        else
            field := value::text;
            member := array[value];
    end case;
end
$$;

create temporary table differential as
select
    format('%s %s %s %s %s', m.field, h.field, d.field, mo.field, w.field) as expression, c.zone, r.dst, a.after,
    a.after + interval '40 hours' as until,
    pg_temp.oracle(m.member, h.member, d.member, mo.member, w.member, d.field ~ '^[*]' or w.field ~ '^[*]',
        h.field ~ '[*/]' or cardinality(h.member) = 24, r.dst, a.after, a.after + interval '40 hours', c.zone) as expected
from (values
    (1, 'Europe/Berlin', timestamptz '2026-03-29 01:00+00'), (2, 'Europe/Berlin', '2026-10-25 01:00+00'),
    (3, 'America/New_York', '2026-03-08 07:00+00'), (4, 'America/New_York', '2026-11-01 06:00+00'),
    (5, 'Australia/Lord_Howe', '2026-04-04 15:00+00'), (6, 'Australia/Lord_Howe', '2026-10-03 15:30+00'),
    (7, 'America/Sao_Paulo', '2018-11-04 03:00+00'), (8, 'America/Sao_Paulo', '2018-02-18 02:00+00'),
    (9, 'Pacific/Apia', '2011-12-30 10:00+00'), (10, 'America/Havana', '2026-11-01 05:00+00'),
    (11, 'Africa/Casablanca', '2026-02-15 02:00+00'), (12, 'Asia/Kathmandu', '1985-12-31 18:30+00'),
    (13, 'Pacific/Kwajalein', '1969-09-30 13:00+00'), (14, 'UTC', '2026-12-31 23:59+00')
) as c (number, zone, change)
cross join generate_series(1, 12) as n (round)
cross join lateral (select (array['once', 'skip', 'twice'])[n.round % 3 + 1] as dst) as r
cross join lateral (
    select c.number * 10000 + n.round * 100 as seed, (c.change - interval '1 second') at time zone c.zone as local
) as s
cross join lateral (
    select c.change + make_interval(secs => hashint8(s.seed + 90) % 72000) as after
) as a
cross join lateral pg_temp.random_field(s.seed, 0, 59, extract(minute from s.local)::integer) as m
cross join lateral pg_temp.random_field(s.seed + 10, 0, 23, extract(hour from s.local)::integer) as h
cross join lateral pg_temp.random_field(s.seed + 20, 1, 31, least(28, extract(day from s.local)::integer)) as d
cross join lateral pg_temp.random_field(s.seed + 30, 1, 12, extract(month from s.local)::integer) as mo
cross join lateral pg_temp.random_field(s.seed + 40, 0, 6, extract(dow from s.local)::integer) as w;
select cmp_ok(
    (select count(*) from differential as d where d.expected is not null), '>', 50::bigint,
    'the oracle finds slots in many of its windows');
select is_empty(
    $$select d.*, monitoring.cron_next(d.expression, d.after, d.zone, d.dst) as found from differential as d
    where monitoring.cron_next(d.expression, d.after, d.zone, d.dst) is distinct from d.expected
        and (d.expected is not null or monitoring.cron_next(d.expression, d.after, d.zone, d.dst) <= d.until)$$,
    'slots are those of the oracle that goes minute by minute');

-- Days that are counted, against a calendar that is asked day by day over five years.
create temporary table calendar as
select
    c.day::date, extract(day from c.day)::integer as number, extract(dow from c.day)::integer as weekday,
    lower(to_char(c.day, 'dy')) as name, (extract(day from c.day)::integer + 6) / 7 as week,
    count(*) over month as length, date_trunc('month', c.day)::date as first_day
from generate_series(timestamp '2024-01-01', '2028-12-31', interval '1 day') as c (day)
window month as (partition by date_trunc('month', c.day));
create temporary table near as
select wanted.*, w.day as weekday_near
from calendar as wanted
cross join lateral (
    select c.day from calendar as c
    where c.first_day = wanted.first_day and c.weekday between 1 and 5 and c.day between wanted.day - 2 and wanted.day + 2
    order by abs(c.day - wanted.day) limit 1
) as w;
create temporary table named_days as
select c.number::text as item, c.day from calendar as c
union all
select 'l' || coalesce('-' || nullif(c.length - c.number, 0), ''), c.day from calendar as c
union all
select c.number || 'w', c.weekday_near from near as c
union all
select 'l' || coalesce('-' || nullif(c.length - c.number, 0), '') || 'w', c.weekday_near from near as c;
create temporary table named_weekdays as
select c.name as item, c.day from calendar as c
union all
select c.name || '#' || c.week, c.day from calendar as c
union all
select c.name || 'l', c.day from calendar as c where c.number > c.length - 7;
create index on named_days (item);
create index on named_weekdays (item);
analyze named_days, named_weekdays;
create temporary table counted as
select format('0 12 %s %s %s', i.days, m.month, i.weekdays) as expression, i.*, m.month
from (
    select distinct d.item as days, '*' as weekdays from named_days as d
    union all
    select distinct '?', w.item from named_weekdays as w
    union all
    values ('l', 'fril'), ('15w', 'mon#1'), ('13', 'fri#2'), ('1w,lw', 'sun#5'), ('31', 'tue#5'), ('3,l-5,20w', '?'),
        ('?', 'mon#1,mon#3,sunl,tue')
) as i
cross join (values ('*'), ('2'), ('4,9')) as m (month)
where m.month = '*' or hashtext(i.days || i.weekdays) % 4 = 0;
select cmp_ok((select count(*) from counted), '>', 150::bigint, 'each way to count is tried');
create temporary table counted_slots as
select
    c.expression, pg_temp.slots(c.expression, 'UTC', 'once', '2024-01-01', '2029-01-01') as found,
    array(
        select d.day + time '12:00' at time zone 'UTC'
        from (
            select n.day from named_days as n where n.item = any (string_to_array(c.days, ','))
            union
            select n.day from named_weekdays as n where n.item = any (string_to_array(c.weekdays, ','))
        ) as d
        where c.month = '*' or extract(month from d.day)::text = any (string_to_array(c.month, ','))
        order by d.day) as expected
from counted as c
where not (c.month = '2' and c.days ~ '^(3[01]w?|l-(29|30)w?)$') and not (c.month = '4,9' and c.days ~ '^(31w?|l-30w?)$');
select is_empty(
    'select s.expression from counted_slots as s where s.found is distinct from s.expected',
    'counted days are those of a calendar that is asked day by day');

select * from finish();
rollback;
