-- Tests/sql/cron.sql: schedules: their grammar and their errors.
begin;
select no_plan();

-- Grammar: each spelling against the bits it stands for.
create temporary table spellings (expression text, same_as text);
insert into spellings values
    ('*/15 * * * *', '0,15,30,45 * * * *'),
    ('5/20 * * * *', '5,25,45 * * * *'),
    ('10-20/5 * * * *', '10,15,20 * * * *'),
    ('0 0 * * 7', '0 0 * * 0'),
    ('0 0 * * 5-7', '0 0 * * 0,5,6'),
    ('0 0 * * fri-mon', '0 0 * * 0,1,5,6'),
    ('0 0 * * fri-mon/2', '0 0 * * 0,5'),
    ('0 0 * * SUN', '0 0 * * 0'),
    ('0 0 * * Mon,wEd,6', '0 0 * * 1,3,6'),
    ('0 0 1 jan-mar *', '0 0 1 1,2,3 *'),
    ('0 0 1 NOV-feb *', '0 0 1 1,2,11,12 *'),
    ('0 0 1 mar,6-8,Dec *', '0 0 1 3,6,7,8,12 *'),
    ('0 0 ? * 3', '0 0 * * 3'),
    ('007 08 * * *', '7 8 * * *'),
    (E'  0\t0  *\n* * ', '0 0 * * *'),
    ('0 30 2 * * *', '30 2 * * *'),
    ('@hourly', '0 * * * *'),
    ('@daily', '0 0 * * *'),
    ('@midnight', '0 0 * * *'),
    ('@weekly', '0 0 * * 0'),
    ('@monthly', '0 0 1 * *'),
    ('@yearly', '0 0 1 1 *'),
    ('@ANNUALLY', '0 0 1 1 *'),
    ('@every 90m', '@every 1h30m'),
    ('@every 1d', '@every 24h'),
    ('@every 1500ms', '@every 1s500ms');
select is(
    monitoring_internal.parse_cron(s.expression), monitoring_internal.parse_cron(s.same_as),
    format('%s means %s', quote_nullable(translate(s.expression, E'\t\n', '  ')), s.same_as))
from spellings as s;
select is(
    monitoring_internal.parse_cron('*/20 1 2,3 feb mon-tue'),
    array[0, 1, 1 + 2 ^ 20 + 2 ^ 40, 2 ^ 1, 2 ^ 2 + 2 ^ 3, 2 ^ 2, 2 ^ 1 + 2 ^ 2, 0]::bigint[],
    'the parsed form holds a bit for each value');
select is(
    monitoring_internal.parse_cron('@every 1d2h3m4s5ms'), array[93784005000, 0, 0, 0, 0, 0, 0, 2]::bigint[],
    'a period is held in microseconds');
select is(monitoring_internal.parse_cron(null), null, 'no expression, no parsed form');
select is((monitoring_internal.parse_cron('0 */2 * * *'))[8] & 2, 2::bigint, 'a step of hours follows elapsed time');
select is((monitoring_internal.parse_cron('0 0-23 * * *'))[8] & 2, 2::bigint, 'all hours follow elapsed time');
select is((monitoring_internal.parse_cron('*/5 2,3 * * *'))[8] & 2, 0::bigint, 'a fixed hour does not');

-- The parts, each for itself.
select is(monitoring_internal.cron_value(5, 'dec'), 12, 'a month by name');
select is(monitoring_internal.cron_value(6, 'sun'), 0, 'a weekday by name');
select is(monitoring_internal.cron_value(6, 'dec'), null, 'a month is no weekday');
select is(monitoring_internal.parse_cron_item(6, 'sat-sun', ''), 65::bigint, 'a range of names that wraps');
select is(monitoring_internal.parse_cron_field(3, '22,1-3/2', ''), 2 + 8 + 4194304::bigint, 'a list of items');
select is(
    monitoring_internal.parse_cron_period('1m30s', ''), '{90000000,0,0,0,0,0,0,2}', 'a period of two units');
select is(monitoring_internal.lowest_bit(1), 0, 'the lowest bit of 1');
select is(monitoring_internal.lowest_bit(3::bigint << 59), 59, 'the lowest bit of a high mask');
select is(
    monitoring_internal.cron_days('{0,1,1,1,4294967294,8190,2,1}', '2026-11-01'),
    4 + 512 + 65536 + 8388608 + 1073741824::bigint, 'the Mondays of a month: 2, 9, 16, 23, 30');
select is(
    monitoring_internal.cron_days('{0,1,1,1,2147483648,8190,2,0}', '2026-02-01'),
    4 + 512 + 65536 + 8388608::bigint, 'no 31st in February, its Mondays all the same');
select is(
    monitoring_internal.cron_days('{0,1,1,1,4294967294,4,127,1}', '2026-03-01'), 0::bigint, 'a month not named has no days');
select throws_ok(
    $$select monitoring_internal.refuse_cron('PV110', 'x', 'why', 'Do y.')$$, 'PV110', 'schedule "x": why');
select throws_ok(
    $$select monitoring_internal.refuse_cron_shape('x', '{x}')$$, 'PV110', 'schedule "x": it has 1 fields, not 5 or 6');
select throws_ok(
    $$select monitoring_internal.refuse_cron_field('PV111', 2, 'x', 'x * * * *', 'why')$$, 'PV111', 'minute field "x": why');
select lives_ok($$select monitoring_internal.check_time_zone('Europe/Berlin')$$, 'a zone by name');
select lives_ok($$select monitoring_internal.check_slot_options('epoch', 'once')$$, 'the rule that there is');

-- Errors: code, message, and a hint that says what is allowed.
create temporary table refusals (expression text, code text, message text);
insert into refusals values
    ('', 'PV110', 'schedule "": it is empty'),
    ('* * * *', 'PV110', 'schedule "* * * *": it has 4 fields, not 5 or 6'),
    ('* * * * * * 2026', 'PV110', 'schedule "* * * * * * 2026": it has 7 fields, not 5 or 6'),
    ('@fortnightly', 'PV110', 'schedule "@fortnightly": "@fortnightly" is not a known word'),
    ('@daily 5', 'PV110', 'schedule "@daily 5": "@daily" is not a known word'),
    ('@reboot', 'PV112', 'schedule "@reboot": @reboot is not supported'),
    ('60 * * * *', 'PV111', 'minute field "60": 60 is outside 0-59'),
    ('60 * * * * *', 'PV111', 'second field "60": 60 is outside 0-59'),
    ('0 24 * * *', 'PV111', 'hour field "24": 24 is outside 0-23'),
    ('0 0 0 * *', 'PV111', 'day-of-month field "0": 0 is outside 1-31'),
    ('0 0 1-32 * *', 'PV111', 'day-of-month field "1-32": 32 is outside 1-31'),
    ('0 0 1 0 *', 'PV111', 'month field "0": 0 is outside 1-12'),
    ('0 0 1 13 *', 'PV111', 'month field "13": 13 is outside 1-12'),
    ('0 0 1 juli *', 'PV111', 'month field "juli": neither a value nor a range nor a step'),
    ('0 0 1 mon *', 'PV111', 'month field "mon": "mon" is not a name that this field knows'),
    ('0 0 1 jan-foo *', 'PV111', 'month field "jan-foo": "foo" is not a name that this field knows'),
    ('0 0 * * 8', 'PV111', 'day-of-week field "8": 8 is outside 0-7'),
    ('jan * * * *', 'PV111', 'minute field "jan": "jan" is not a name that this field knows'),
    ('0 22-2 * * *', 'PV111', 'hour field "22-2": the range runs backwards, write it as two ranges'),
    ('0 0 * * 5-1', 'PV111', 'day-of-week field "5-1": the range runs backwards, write it as two ranges'),
    ('*/0 * * * *', 'PV111', 'minute field "*/0": a step of 0 is outside 1-59'),
    ('*/60 * * * *', 'PV111', 'minute field "*/60": a step of 60 is outside 1-59'),
    ('0 */24 * * *', 'PV111', 'hour field "*/24": a step of 24 is outside 1-23'),
    ('1,,2 * * * *', 'PV111', 'minute field "": neither a value nor a range nor a step'),
    ('1-2-3 * * * *', 'PV111', 'minute field "1-2-3": neither a value nor a range nor a step'),
    ('-1 * * * *', 'PV111', 'minute field "-1": neither a value nor a range nor a step'),
    ('1.5 * * * *', 'PV111', 'minute field "1.5": neither a value nor a range nor a step'),
    ('** * * * *', 'PV111', 'minute field "**": neither a value nor a range nor a step'),
    ('99999999999 * * * *', 'PV111', 'minute field "99999999999": neither a value nor a range nor a step'),
    ('0 0 L * *', 'PV112', 'day-of-month field "l": L, W and # are not supported in this version'),
    ('0 0 L-3 * *', 'PV112', 'day-of-month field "l-3": L, W and # are not supported in this version'),
    ('0 0 LW * *', 'PV112', 'day-of-month field "lw": L, W and # are not supported in this version'),
    ('0 0 15W * *', 'PV112', 'day-of-month field "15w": L, W and # are not supported in this version'),
    ('0 0 * * 5L', 'PV112', 'day-of-week field "5l": L, W and # are not supported in this version'),
    ('0 0 * * mon#2', 'PV112', 'day-of-week field "mon#2": L, W and # are not supported in this version'),
    ('@every', 'PV113', 'schedule "@every": @every takes one duration'),
    ('@every 5', 'PV113', 'schedule "@every 5": "5" is not a duration'),
    ('@every 5m1h', 'PV113', 'schedule "@every 5m1h": "5m1h" is not a duration'),
    ('@every -5m', 'PV113', 'schedule "@every -5m": "-5m" is not a duration'),
    ('@every 0s', 'PV113', 'schedule "@every 0s": the period is outside 1s to 366d'),
    ('@every 999ms', 'PV113', 'schedule "@every 999ms": the period is outside 1s to 366d'),
    ('@every 367d', 'PV113', 'schedule "@every 367d": the period is outside 1s to 366d'),
    ('@every 5m 5s', 'PV113', 'schedule "@every 5m 5s": @every takes one duration'),
    ('0 0 30 2 *', 'PV114', 'schedule "0 0 30 2 *": it never fires: no such day in these months'),
    ('0 0 31 feb,apr,jun,sep,nov *', 'PV114',
        'schedule "0 0 31 feb,apr,jun,sep,nov *": it never fires: no such day in these months');
select throws_ok(
    format('select monitoring_internal.parse_cron(%L)', r.expression), r.code, r.message,
    format('"%s" is refused', r.expression))
from refusals as r;
select throws_ok(
    format('select monitoring_internal.parse_cron(%L)', repeat('0,', 150) || '0 * * * *'), 'PV110', null,
    'an expression of absurd length is refused');
select throws_ok(
    $$select monitoring.cron_next('0 0 * * *', 'epoch', 'Europe/Berln')$$, 'PV115',
    'unknown time zone "Europe/Berln"', 'an unknown zone is refused by name');
select throws_ok(
    format($$select monitoring.cron_next('0 0 * * *', 'epoch', %L)$$, z.name), 'PV115',
    format('unknown time zone "%s"', z.name), format('"%s" is no zone for a schedule: %s', z.name, z.why))
from (values
    ('', 'empty'), ('CEST', 'an abbreviation'), ('Europe/Berlin5', 'a POSIX rule by accident'),
    ('UTC+3', 'a POSIX rule'), ('+02:00', 'an offset'), ('../../etc/passwd', 'a path')
) as z (name, why);
select lives_ok(
    format($$select monitoring.cron_next('0 0 * * *', 'epoch', %L)$$, z.name), format('"%s" is a zone', z.name))
from (values ('utc'), ('Etc/GMT+5'), ('america/new_york'), ('Japan'), ('America/Argentina/Ushuaia')) as z (name);
select throws_ok(
    format($$select monitoring.cron_next('0 0 * * *', 'epoch', 'UTC', %L)$$, d.name), d.code,
    format(d.message, d.name), format('daylight saving rule "%s"', d.name))
from (values
    ('skip', 'PV112', 'daylight saving rule "%s" is not supported in this version'),
    ('twice', 'PV112', 'daylight saving rule "%s" is not supported in this version'),
    ('never', 'PV116', 'unknown daylight saving rule "%s"')
) as d (name, code, message);
select throws_ok(
    $$select monitoring.cron_next('0 0 * * *', 'infinity')$$, 'PV117', 'no slot follows an infinite time');
select throws_ok(
    $$select * from monitoring.cron_explain('0 0 * * *', 'epoch', n => 0)$$, 'PV117', 'cannot list 0 slots');

-- Rights: who may look at jobs may ask when a schedule fires, and needs no right to the parts.
select lives_ok(
    format($query$do $do$ begin
        perform set_config('role', %L, true);
        perform monitoring.cron_next('0 0 * * *', 'epoch', 'Europe/Berlin');
        perform monitoring.cron_explain('0 0 * * *', 'epoch', 'Europe/Berlin');
        perform set_config('role', 'none', true);
    end $do$$query$, r.name),
    format('%s may ask for slots', r.name))
from unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst', 'monitoring_reader']) as r (name);
select ok(
    not has_function_privilege('monitoring_reader', 'monitoring_internal.parse_cron(text)', 'execute'),
    'the parts are granted to nobody');

select * from finish();
rollback;
