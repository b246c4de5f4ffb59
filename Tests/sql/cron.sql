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
    ('0 0 L ? ?', '0 0 l * *'),
    ('0 0 1W * ?', '0 0 1w * *'),
    ('0 0 * * FRI#5', '0 0 * * 5#5'),
    ('0 0 * * 7L', '0 0 * * sunL'),
    ('0 0 * * 7#1', '0 0 * * 0#1'),
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
    array[0, 1, 1 + 2 ^ 20 + 2 ^ 40, 2 ^ 1, 2 ^ 2 + 2 ^ 3, 2 ^ 2, 2 ^ 1 + 2 ^ 2, 0, 0]::bigint[],
    'the parsed form holds a bit for each value');
select is(
    monitoring_internal.parse_cron('0 0 1,L,L-3,15W,LW,l-1w 2 mon#2,5L,sun'),
    array[0, 1, 1, 1, 2 + (1::bigint << 62) + (1::bigint << 59), 4, 1 + (1 << 15) + (1::bigint << 47), 0,
        (1 << 15) + (1::bigint << 62) + (1::bigint << 61)]::bigint[],
    'and for each day that is counted');
select is(
    monitoring_internal.parse_cron('@every 1d2h3m4s5ms'), array[93784005000, 0, 0, 0, 0, 0, 0, 2, 0]::bigint[],
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
    monitoring_internal.parse_cron_period('1m30s', ''), '{90000000,0,0,0,0,0,0,2,0}', 'a period of two units');
select is(monitoring_internal.lowest_bit(1), 0, 'the lowest bit of 1');
select is(monitoring_internal.lowest_bit(3::bigint << 59), 59, 'the lowest bit of a high mask');
select is(
    monitoring_internal.cron_days('{0,1,1,1,4294967294,8190,2,1,0}', '2026-11-01'),
    4 + 512 + 65536 + 8388608 + 1073741824::bigint, 'the Mondays of a month: 2, 9, 16, 23, 30');
select is(
    monitoring_internal.cron_days('{0,1,1,1,2147483648,8190,2,0,0}', '2026-02-01'),
    4 + 512 + 65536 + 8388608::bigint, 'no 31st in February, its Mondays all the same');
select is(
    monitoring_internal.cron_days('{0,1,1,1,4294967294,4,127,1,0}', '2026-03-01'), 0::bigint, 'a month not named has no days');
select is(monitoring_internal.parse_cron_special(4, 'l-2', 'L-2'), 1::bigint << 60, 'two days before the last');
select is(monitoring_internal.parse_cron_nearest('3,l,1w,lw'), 2 + (1::bigint << 62), 'only what ends in W is near');
select is(
    monitoring_internal.repeat_weekdays(1::bigint, 5), 8::bigint, 'the first Sunday of a month that begins on a Friday');
select is(
    monitoring_internal.cron_special_days('{0,1,1,1,4611686018427387904,8190,128,0,2}', '2026-08-01'),
    (8 + 4 + (1::bigint << 31)), 'the last day, the first Sunday, and the weekday nearest to a Saturday the first');
select is(
    monitoring_internal.cron_days('{0,1,1,1,0,8190,128,0,0}', '2026-08-01'), null, 'counted days are not its business');
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
    ('L * * * *', 'PV111',
        'minute field "l": L, W and # are for days, and belong in the day-of-month or day-of-week field'),
    ('0 0 0 15 5W *', 'PV111',
        'month field "5w": L, W and # are for days, and belong in the day-of-month or day-of-week field'),
    ('0 0 L-31 * *', 'PV111', 'day-of-month field "l-31": L-31 is outside L-1 to L-30'),
    ('0 0 L-0 * *', 'PV111', 'day-of-month field "l-0": L-0 is outside L-1 to L-30'),
    ('0 0 L-99W * *', 'PV111', 'day-of-month field "l-99w": L-99 is outside L-1 to L-30'),
    ('0 0 32W * *', 'PV111', 'day-of-month field "32w": 32 is outside 1-31'),
    ('0 0 0W * *', 'PV111', 'day-of-month field "0w": 0 is outside 1-31'),
    ('0 0 1-15W * *', 'PV111', 'day-of-month field "1-15w": L, W and # take neither range nor step'),
    ('0 0 L/2 * *', 'PV111', 'day-of-month field "l/2": L, W and # take neither range nor step'),
    ('0 0 WL * *', 'PV111', 'day-of-month field "wl": L, W and # take neither range nor step'),
    ('0 0 W * *', 'PV111', 'day-of-month field "w": L, W and # take neither range nor step'),
    ('0 0 5L * *', 'PV111',
        'day-of-month field "5l": the last of a weekday belongs in the day-of-week field, the last day is L'),
    ('0 0 mon#1 * *', 'PV111', 'day-of-month field "mon#1": # counts weekdays, and belongs in the day-of-week field'),
    ('0 0 31 2 L', 'PV111',
        'day-of-week field "l": L alone is the last of no weekday in particular, write sat or friL'),
    ('0 0 * * 15W', 'PV111',
        'day-of-week field "15w": W and L-n count days of the month, and belong in the day-of-month field'),
    ('0 0 * * L-2', 'PV111',
        'day-of-week field "l-2": W and L-n count days of the month, and belong in the day-of-month field'),
    ('0 0 * * 8L', 'PV111', 'day-of-week field "8l": 8 is outside 0-7'),
    ('0 0 * * fooL', 'PV111', 'day-of-week field "fool": "foo" is not a name that this field knows'),
    ('0 0 * * mon#0', 'PV111', 'day-of-week field "mon#0": 0 is outside 1-5, as often as a weekday is in a month'),
    ('0 0 * * mon#6', 'PV111', 'day-of-week field "mon#6": 6 is outside 1-5, as often as a weekday is in a month'),
    ('0 0 * * mon#', 'PV111', 'day-of-week field "mon#": L, W and # take neither range nor step'),
    ('0 0 * * mon-fri#2', 'PV111', 'day-of-week field "mon-fri#2": L, W and # take neither range nor step'),
    ('0 0 * * #2', 'PV111', 'day-of-week field "#2": L, W and # take neither range nor step'),
    ('@every', 'PV113', 'schedule "@every": @every takes one duration'),
    ('@every 5', 'PV113', 'schedule "@every 5": "5" is not a duration'),
    ('@every 5m1h', 'PV113', 'schedule "@every 5m1h": "5m1h" is not a duration'),
    ('@every -5m', 'PV113', 'schedule "@every -5m": "-5m" is not a duration'),
    ('@every 0s', 'PV113', 'schedule "@every 0s": the period is outside 1s to 366d'),
    ('@every 999ms', 'PV113', 'schedule "@every 999ms": the period is outside 1s to 366d'),
    ('@every 367d', 'PV113', 'schedule "@every 367d": the period is outside 1s to 366d'),
    ('@every 5m 5s', 'PV113', 'schedule "@every 5m 5s": @every takes one duration'),
    ('0 0 31W 2,4 *', 'PV114', 'schedule "0 0 31W 2,4 *": it never fires: no such day in these months'),
    ('0 0 L-29 2 *', 'PV114', 'schedule "0 0 L-29 2 *": it never fires: no such day in these months'),
    ('0 0 */30 * mon#2', 'PV114', 'schedule "0 0 */30 * mon#2": it never fires: no such day in these months'),
    ('0 0 30W 2 ?', 'PV114', 'schedule "0 0 30W 2 ?": it never fires: no such day in these months'),
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
from (values ('utc'), ('Etc/GMT+5'), ('america/new_york'), ('Japan'), ('America/Argentina/Ushuaia'), ('nz-chat'),
    ('EST5EDT'), ('GMT0')) as z (name);
create function pg_temp.is_zone(name text)
returns boolean
language plpgsql
as $$
begin
    perform monitoring_internal.check_time_zone(name);
    return true;
exception when sqlstate 'PV115' then
    return false;
end
$$;
select is_empty(
    $$select z.name, z.is_abbrev
    from (select n.name, exists (select from pg_timezone_abbrevs as a where a.abbrev = upper(n.name)
        and upper(n.name) not in ('UTC', 'GMT')) as is_abbrev from pg_timezone_names as n) as z
    where pg_temp.is_zone(z.name) = z.is_abbrev$$,
    'each zone of the server is one, but for those that are abbreviations too');
select is_empty(
    $$select a.abbrev from pg_timezone_abbrevs as a where pg_temp.is_zone(a.abbrev) and a.abbrev not in ('UTC', 'GMT')$$,
    'no abbreviation is');
select throws_ok(
    $$select monitoring.cron_next('0 0 * * *', 'epoch', 'UTC', 'never')$$, 'PV116', 'unknown daylight saving rule "never"');
-- Where the fault is, and what to write: for five fields and for six, behind blanks and in a list.
create function pg_temp.fault_of(expression text, out detail text, out hint text)
language plpgsql
as $$
begin
    perform monitoring_internal.parse_cron(expression);
exception when others then
    get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
end
$$;
select is((pg_temp.fault_of(f.expression)).detail, f.detail, format('"%s": the place of the fault', f.expression))
from (values
    ('61 * * * *', 'Field 1 of 5, at character 1 of the schedule "61 * * * *".'),
    ('0 0 1,15W,L-40 * *', 'Field 3 of 5, at character 11 of the schedule "0 0 1,15W,L-40 * *".'),
    ('0  0 0  * *  MON#9', 'Field 6 of 6, at character 14 of the schedule "0  0 0  * *  MON#9".'),
    ('  1,,2 * * * *', 'Field 1 of 5, at character 5 of the schedule "  1,,2 * * * *".'),
    ('* 6161,161,61,1-61 * * *', 'Field 2 of 5, at character 3 of the schedule "* 6161,161,61,1-61 * * *".')
) as f (expression, detail);
select is(
    (pg_temp.fault_of('0 0 32 * *')).hint,
    'The day-of-month field takes 1-31; ranges a-b, steps */n, a-b/n or a/n, lists a,b; or * for all; L for the last day, '
    'L-3 for three before it, 15W for the weekday nearest to the 15th, LW for the last weekday.', 'what a day may be');
select is(
    (pg_temp.fault_of('0 0 * * 8')).hint,
    'The day-of-week field takes 0-7 (0 and 7 are Sunday) or sun-sat; ranges a-b, steps */n, a-b/n or a/n, lists a,b; or * '
    'for all; friL for the last Friday, fri#2 for the second.', 'what a weekday may be');
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
