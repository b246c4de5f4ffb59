-- What withholds an alert: maintenance, silences, dependencies, inhibition, business hours; and who may say so.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

select monitoring.create_tenant('acme') as acme \gset
select monitoring.create_tenant('globex') as globex \gset

-- Times are given: nothing here asks the clock but the functions for people.
create function pg_temp.rule(p_name text, p_hours boolean default false) returns integer language sql as $$
    insert into monitoring.alert_rules (
        rule_name, metric_name, comparison_operator, critical_threshold, business_hours_only, rule_category, labels,
        condition_definition)
    values (p_name, 'm', 'gt', 1, p_hours, 'tests', '{"team": "dba"}', '{"allow_unknown_metric": true}')
    returning rule_no $$;
create function pg_temp.alert(p_tenant uuid, p_rule text, p_labels jsonb, p_severity text default 'critical',
    p_at timestamptz default '2026-03-02 12:00+00') returns uuid language sql as $$
    insert into monitoring.alerts (tenant_id, rule_no, alert_rule_id, rule_name, label_key, labels, alert_title,
        alert_message, severity, max_severity, metric_name, first_breach_at, triggered_at, created_at)
    select p_tenant, r.rule_no, r.id, r.rule_name, md5(p_tenant::text || p_rule || p_labels::text)::uuid, p_labels, p_rule,
        '', p_severity, p_severity, r.metric_name, p_at, p_at, p_at
    from monitoring.alert_rules as r where r.rule_name = p_rule returning id $$;
create function pg_temp.resolve(p_alert uuid) returns void language sql as $$
    update monitoring.alerts set status = 'resolved', resolved_at = '2026-03-02 13:00+00', resolution_reason = 'cleared'
    where id = p_alert $$;
create function pg_temp.held(p_at timestamptz default '2026-03-02 12:30+00') returns text language sql as $$
    select string_agg(format('%s %s: %s', a.rule_name, a.labels ->> 'server', (
            select string_agg(r ->> 'kind', ',' order by n) from jsonb_array_elements(s.suppressed_by) with ordinality as e (r, n))),
        '; ' order by a.rule_name, a.labels ->> 'server', a.tenant_id)
    from monitoring_internal.alert_suppressors_at(p_at) as s inner join monitoring.alerts as a on a.id = s.alert_id $$;
create function pg_temp.silence(p_matchers jsonb, p_tenant uuid default null, p_schedule text default null) returns bigint
language sql as $$
    insert into monitoring.alert_silences (tenant_id, matchers, comment, starts_at, ends_at, schedule, duration)
    values (p_tenant, p_matchers, 'known', '2026-03-02 12:00+00', '2026-03-02 13:00+00', p_schedule,
        case when p_schedule is not null then interval '10 min' end) returning silence_id $$;

select pg_temp.rule(name) from unnest(array['down', 'slow', 'full']) as name;
select pg_temp.rule('office', true);
select pg_temp.alert(:'acme', 'down', '{"server": "db1"}') as down1 \gset
select pg_temp.alert(:'acme', 'slow', '{"server": "db1", "datname": "shop"}', 'medium') as slow1 \gset
select pg_temp.alert(:'acme', 'slow', '{"server": "db2", "datname": "shop"}', 'medium') as slow2 \gset
select pg_temp.alert(:'globex', 'slow', '{"server": "db1"}', 'medium') as foreign1 \gset

-- Silences ----------------------------------------------------------------------------------------------------------------
select is(pg_temp.held(), null, 'nothing is withheld where nothing says so');
savepoint quiet;
select pg_temp.silence('{"server": "db1"}', :'acme');
select is(pg_temp.held(), 'down db1: silence; slow db1: silence', 'a silence means its own tenant''s alerts alone');
select is(pg_temp.held('2026-03-02 11:59:59+00'), null, 'not before it begins');
select is(pg_temp.held('2026-03-02 13:00+00'), null, 'and not from its end on');
rollback to quiet;
select pg_temp.silence('{"server": "db1"}');
select is(pg_temp.held(), 'down db1: silence; slow db1: silence; slow db1: silence', 'one of no tenant those of each');
select is((select count(*) from monitoring_internal.alert_suppressors_at('2026-03-02 12:30+00') as s
    where s.suppressed_by::text ~ 'known'), 0::bigint, 'and does not show its words to them');
rollback to quiet;
select pg_temp.silence('{"rule_name": "slow", "severity": {"ne": "critical"}, "datname": {"re": "sh.p"}}');
select is(pg_temp.held(), 'slow db1: silence; slow db2: silence', 'all matchers have to hold, of labels and of the alert itself');
rollback to quiet;
select pg_temp.silence('{"team": "dba", "server": {"nre": "db[2-9]"}, "datname": ""}');
select is(pg_temp.held(), 'down db1: silence; slow db1: silence',
    'labels of the rule count, an expression is negated, and a label that is missing is the empty one');
rollback to quiet;
select pg_temp.silence('{"server": {"re": "b1"}}');
select is(pg_temp.held(), null, 'an expression matches the whole value');
rollback to quiet;
select pg_temp.silence('{"server": "db2"}', null, '20 12 * * *');
select is(array[pg_temp.held('2026-03-02 12:19+00'), pg_temp.held('2026-03-02 12:20+00'), pg_temp.held('2026-03-02 12:30+00')],
    array[null, 'slow db2: silence', null], 'a recurring silence holds while its time is');
rollback to quiet;

-- Recurring over the change of clocks: 22:00 to 06:00 in the tenant's zone.
select monitoring.set_tenant_profile('acme', time_zone => 'Europe/Berlin');
insert into monitoring.alert_silences (tenant_id, matchers, comment, starts_at, ends_at, schedule, duration)
values (:'acme', '{"server": "db2"}', 'nights', '2026-03-01', '2026-12-01', '0 22 * * *', '8 hours');
select is(array(
        select pg_temp.held(at::timestamptz) is not null from unnest(array[
            '2026-03-28 05:59:59+01', '2026-03-28 06:00+01', '2026-03-28 21:59+01', '2026-03-28 22:00+01',
            '2026-03-29 05:59:59+02', '2026-03-29 06:00+02', '2026-10-25 05:59+01', '2026-10-25 06:00+01']) as at),
    array[true, false, false, true, true, false, true, false],
    'a nightly silence ends at 6 o''clock also in the nights when clocks change');
rollback to quiet;

-- Matching by joins against matching one by one ---------------------------------------------------------------------------
create temporary table random_set as
select row_number() over ()::integer as no, m.matchers
from (
    select jsonb_object_agg(label, case (hashtext(n || label || 'k') & 15) % 9
        when 0 then to_jsonb(v) when 1 then jsonb_build_object('ne', v) when 2 then jsonb_build_object('re', v || '|x')
        when 3 then jsonb_build_object('re', left(v, 1) || '.*') when 4 then jsonb_build_object('nre', '.*' || right(v, 1))
        when 5 then jsonb_build_object('re', '[ab_]' || right(v, 1) || '+') when 6 then jsonb_build_object('nre', '(' || v || ')?')
        when 7 then jsonb_build_object('in', jsonb_build_array(v, '')) else jsonb_build_object('re', left(v, 1) || '.', 'ne', v)
        end) as matchers
    from generate_series(1, 150) as n cross join unnest(array['x', 'y', 'severity']) as label
    cross join lateral (select case label when 'severity' then 'low' else
        (array['a', 'a1', 'b1', '_1', 'a.1', '%1', 'a11'])[1 + (hashtext(n || label) & 1023) % 7] end as v) as value
    where (hashtext(label || n || 'w') & 7) > 2
    group by n
) as m;
select pg_temp.alert(case when n % 3 = 0 then :'acme' else :'globex' end::uuid, 'full', jsonb_strip_nulls(jsonb_build_object(
        'n', n::text, 'x', (array['a', 'a1', 'b1', '_1', 'a.1', null, 'ax1'])[1 + n % 7],
        'y', (array['a11', 'a1', null, '%1', 'bx', '_11'])[1 + n / 7 % 6])), (array['low', 'medium'])[1 + n % 2])
from generate_series(1, 84) as n;
create temporary table one_by_one as
select s.no, a.id
from random_set as s cross join monitoring.alerts as a
where (s.no % 5 <> 0 or a.tenant_id = :'acme')
    and (select bool_and(case o.key
            when 'eq' then v.value = o.value #>> '{}' when 'ne' then v.value <> o.value #>> '{}'
            when 're' then v.value ~ format('^(%s)$', o.value #>> '{}') when 'nre' then v.value !~ format('^(%s)$', o.value #>> '{}')
            when 'in' then o.value @> to_jsonb(v.value) end)
        from jsonb_each(s.matchers) as m
        cross join lateral jsonb_each(case jsonb_typeof(m.value) when 'object' then m.value
            else jsonb_build_object('eq', m.value) end) as o
        cross join lateral (select case m.key when 'severity' then a.severity else coalesce(a.labels ->> m.key, '') end)
            as v (value));
create temporary table joined as
select m.set_no as no, m.alert_id as id
from monitoring_internal.match_alerts((select array_agg(matchers order by no) from random_set),
    (select array_agg(case when no % 5 = 0 then :'acme'::uuid end order by no) from random_set)) as m;
select cmp_ok((select count(*) from one_by_one), '>', 500::bigint, 'random matchers mean something');
select is((select count(*) from joined), (select count(*) from one_by_one), 'joined, they mean as many alerts');
select is_empty('select * from joined except select * from one_by_one', 'and no other');
select cmp_ok((select count(distinct p.operator) from random_set as s
    cross join lateral monitoring_internal.compile_matchers(s.matchers) as p), '=', 6::bigint, 'by every way of comparing');
select ok(monitoring_internal.matches_value('a', 'in', array['b', 'a'], null), 'a value is one of those that are meant');
select ok((select bool_or(p.may_lead) from monitoring_internal.matcher_parts(array['{"a": {"ne": "1"}}'::jsonb], array[null::uuid]) as p),
    'where nothing names values, another part leads');
select is_empty($$ select * from monitoring_internal.match_alerts(null, null) $$, 'no matchers mean no alert');
rollback to quiet;

-- Inhibition --------------------------------------------------------------------------------------------------------------
insert into monitoring.alert_inhibitions (name, source_matchers, target_matchers, equal_labels) values
    ('the server is down', '{"rule_name": "down"}', '{"rule_name": {"re": "slow|full"}}', '{server}');
select is(pg_temp.held(), 'slow db1: inhibition', 'a source withholds what has the same server, in its tenant alone');
select is((select string_agg(format('%s %s', a.rule_name, g.is_source::text), ', ' order by a.rule_name)
    from monitoring_internal.explaining_groups() as g inner join monitoring.alerts as a on a.id = g.alert_id),
    'down true, slow false', 'only groups in which something explains are looked at');
select is((select name from monitoring_internal.inhibited_alerts()), 'the server is down', 'and named');
savepoint inhibited;
select pg_temp.alert(:'acme', 'full', '{"server": "db2"}');
select pg_temp.alert(:'acme', 'down', '{"server": "db2"}', 'critical', '2026-03-02 12:30+00') as down2 \gset
select is(pg_temp.held(), 'full db2: inhibition; slow db1: inhibition; slow db2: inhibition',
    'a source that fires later withholds from the same evaluation on');
select pg_temp.resolve(:'down2');
select is(pg_temp.held(), 'slow db1: inhibition', 'one that was resolved in this evaluation withholds no more');
update monitoring.alerts set status = 'suppressed', suppressed_by = '[{}]', suppressed_since = now() where id = :'down1';
select pg_temp.silence('{"rule_name": "down"}');
select is(pg_temp.held(), 'down db1: silence; slow db1: inhibition', 'a source that is silenced itself withholds still');
update monitoring.alert_inhibitions set equal_labels = '{nowhere}';
select is(pg_temp.held(), 'down db1: silence; full db2: inhibition; slow db1: inhibition; slow db2: inhibition',
    'a label that neither has is equal');
update monitoring.alert_inhibitions set is_enabled = false;
select is(pg_temp.held(), 'down db1: silence', 'unless it is disabled');
rollback to inhibited;
update monitoring.alert_inhibitions set source_matchers = '{"severity": "medium"}', target_matchers = '{"team": "dba"}',
    tenant_id = :'acme';
select is(pg_temp.held(), 'down db1: inhibition',
    'what withholds is not withheld by the same inhibition, itself least of all; that of a tenant stays in it');
rollback to inhibited;

-- Chains and circles: at least one of what explains is left.
insert into monitoring.alert_inhibitions (name, source_matchers, target_matchers, equal_labels) values
    ('slow explains full', '{"rule_name": "slow"}', '{"rule_name": "full"}', '{server}');
select pg_temp.alert(:'acme', 'full', '{"server": "db1"}', 'high', '2026-03-02 11:00+00');
select is(pg_temp.held(), 'full db1: inhibition,inhibition; slow db1: inhibition', 'of a chain the beginning is left');
insert into monitoring.alert_inhibitions (name, source_matchers, target_matchers, equal_labels) values
    ('full explains down', '{"rule_name": "full"}', '{"rule_name": "down"}', '{server}');
select is(pg_temp.held(), 'down db1: inhibition; slow db1: inhibition', 'of a circle the earliest is left');
select pg_temp.alert(:'acme', 'office', '{"server": "db1"}');
insert into monitoring.alert_inhibitions (name, source_matchers, target_matchers, equal_labels) values
    ('from outside', '{"rule_name": "office"}', '{"rule_name": "slow"}', '{server}'),
    ('one after', '{"rule_name": "full"}', '{"rule_name": "late"}', '{server}');
select is(pg_temp.held(),
    'down db1: inhibition; full db1: inhibition,inhibition; slow db1: inhibition,inhibition',
    'of a circle that something outside explains nothing is left but that');
update monitoring.alerts set status = 'resolved', resolved_at = now(), resolution_reason = 'cleared' where rule_name = 'office';
select pg_temp.rule('late');
select pg_temp.alert(:'acme', 'late', '{"server": "db1"}', 'low', '2026-03-02 10:00+00');
select is(pg_temp.held(), 'down db1: inhibition; late db1: inhibition; slow db1: inhibition',
    'what hangs on a circle is withheld, though it began before it');
rollback to quiet;

-- Dependencies ------------------------------------------------------------------------------------------------------------
insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
select s.rule_no, d.rule_no from monitoring.alert_rules as s, monitoring.alert_rules as d
where s.rule_name = 'slow' and d.rule_name = 'down';
select is(pg_temp.held(), 'slow db1: dependency', 'a rule that depends on another is withheld while that one is open');
insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
select s.rule_no, d.rule_no from monitoring.alert_rules as s, monitoring.alert_rules as d
where s.rule_name = 'full' and d.rule_name = 'slow';
select throws_ok($$ insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no, tenant_id)
    select s.rule_no, d.rule_no, null from monitoring.alert_rules as s, monitoring.alert_rules as d
    where s.rule_name = 'down' and d.rule_name = 'full' $$, 'PV946', 'rule "down" would depend on itself',
    'a circle of dependencies is refused');
select throws_ok($$ insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
    select rule_no, rule_no from monitoring.alert_rules where rule_name = 'down' $$, 'PV946', null, 'the smallest too');
insert into monitoring.alert_rules (
    tenant_id, rule_name, metric_name, comparison_operator, critical_threshold, condition_definition)
select id::uuid, name, 'm', 'gt', 1, '{"allow_unknown_metric": true}'
from (values (:'acme', 'of acme'), (:'globex', 'of globex')) as t (id, name);
select throws_ok($$ insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
    select s.rule_no, d.rule_no from monitoring.alert_rules as s, monitoring.alert_rules as d
    where s.rule_name = 'of acme' and d.rule_name = 'of globex' $$, 'PV946', null, 'and one between two tenants');
rollback to quiet;

-- Maintenance -------------------------------------------------------------------------------------------------------------
insert into monitoring.maintenance_windows (tenant_id, name, targets, starts_at, ends_at)
values (:'acme', 'new disks', '{db2}', '2026-03-02 12:00+00', '2026-03-02 13:00+00');
select is(pg_temp.held(), 'slow db2: maintenance', 'a window withholds the alerts of its servers');
update monitoring.maintenance_windows set targets = '{db1,db2}', matchers = '{"server": {"ne": "db2"}, "rule_name": "slow"}';
select is(pg_temp.held(), 'slow db1: maintenance', 'and of these only what its matchers mean');
select pg_temp.alert(:'acme', 'full', '{}');
update monitoring.maintenance_windows set targets = '{local}', matchers = '{}';
select is(pg_temp.held(), 'full : maintenance', 'local is the server without a label');
update monitoring.maintenance_windows set targets = '{}', is_whole_tenant = true;
select pg_temp.silence('{"rule_name": "down"}');
select is(pg_temp.held(), 'down db1: maintenance,silence; full : maintenance; slow db1: maintenance; slow db2: maintenance',
    'a whole tenant may be worked on; every reason is given, in its order');
update monitoring.maintenance_windows set starts_at = '2026-03-01', ends_at = null, schedule = '0 13 * * *',
    duration = '1 hour', time_zone = 'Europe/Berlin', is_whole_tenant = false, targets = '{db2}';
select is(array[pg_temp.held('2026-03-02 11:59+00'), pg_temp.held('2026-03-02 12:59+00'), pg_temp.held('2026-03-29 11:00+00')],
    array[null, 'down db1: silence; slow db2: maintenance', 'slow db2: maintenance'], 'a window may recur, in its zone');
select throws_ok($$ insert into monitoring.maintenance_windows (name, starts_at, ends_at) values ('all?', now(), now() + '1 h') $$,
    'PV940', null, 'one that names nothing is refused');
select throws_ok($$ insert into monitoring.maintenance_windows (name, targets, starts_at) values ('endless', '{db1}', now()) $$,
    'PV942', null, 'and one without an end');
rollback to quiet;

-- Business hours ----------------------------------------------------------------------------------------------------------
select pg_temp.alert(:'acme', 'office', '{"server": "db1"}');
select pg_temp.alert(:'globex', 'office', '{"server": "db1"}');
select is(pg_temp.held(), null, 'a rule for business hours tells at any time where no hours are defined');
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
select :'acme', day, '09:00', '17:00' from generate_series(1, 5) as day;
select monitoring.set_tenant_profile('acme', time_zone => 'America/New_York');
select is(array[pg_temp.held('2026-03-02 13:59+00'), pg_temp.held('2026-03-02 14:00+00'), pg_temp.held('2026-03-02 22:00+00')],
    array['office db1: business_hours', null, 'office db1: business_hours'],
    'A-05: a rule for business hours is quiet outside them, in the zone of its tenant, and others are not');
select is(
    (select s.suppressed_by from monitoring_internal.alert_suppressors_at('2026-03-02 04:00+00') as s),
    '[{"id": null, "kind": "business_hours", "name": "outside business hours"}]'::jsonb, 'and says so');
select is_empty(format($$ select * from monitoring_internal.alert_suppressors_at('2026-03-02 04:00+00', array[%L]::uuid[]) $$, :'down1'),
    'of the alerts asked for alone');
rollback to quiet;

-- What people call --------------------------------------------------------------------------------------------------------
create role pgvigil_test_analyst;
create role pgvigil_test_stranger;
grant monitoring_analyst to pgvigil_test_analyst, pgvigil_test_stranger;
select monitoring.add_tenant_member('pgvigil_test_analyst', 'acme');
set local role pgvigil_test_analyst;
select results_eq($$ select rule_name from monitoring.silenced_alerts('{"server": "db1"}') order by 1 $$,
    $$ values ('down'), ('slow') $$, 'what a silence would withhold can be seen before, of one''s own tenant');
select monitoring.silence_alerts('{"server": "db1"}', 'disk is being replaced', '2 hours') as silence_id \gset
select results_eq(
    format($$ select state, matched_alerts, created_by, attention, comment, active_until - active_from, tenant_name
        from monitoring.silences where silence_id = %s $$, :silence_id),
    $$ values ('active', 2::bigint, 'pgvigil_test_analyst', null::text, 'disk is being replaced', interval '2 hours', 'acme') $$,
    'a silence is of the caller''s tenant, and shows how many alerts it means');
select is(monitoring.unsilence(:silence_id), true, 'it is ended before its time');
select is(monitoring.unsilence(:silence_id), false, 'once');
select results_eq(
    format('select state, ended_by, end_reason, matched_alerts from monitoring.silences where silence_id = %s', :silence_id),
    $$ values ('expired', 'pgvigil_test_analyst', 'by_hand', 0::bigint) $$, 'and kept');
select monitoring.silence_alerts('{"server": "db1"}', 'later', '2 hours', starts_at => now() + interval '1 day') as later_id \gset
select is((select state from monitoring.silences where silence_id = :later_id), 'pending', 'one to come is pending');
select ok(monitoring.unsilence(:later_id), 'and may be taken back');
select is((select state from monitoring.silences where silence_id = :later_id), 'expired', 'so that it never is in force');
select monitoring.silence_alerts('{"server": "db1"}', 'backups', '1 hour', now() + interval '30 days', schedule => '0 2 * * sun');
select is((select count(*) from monitoring.silences where schedule is not null and state in ('pending', 'active')), 1::bigint,
    'a recurring one is seen by whoever sees its tenant');
select throws_ok(format($$ select monitoring.silence_alerts('{"server": "db1"}', 'c', '1 h', tenant_id => %L) $$, :'globex'),
    'PV002', null, 'nobody silences the alerts of another tenant');
select throws_ok('select monitoring.unsilence(-1)', 'PV944', null, 'nor ends what is not there');
select throws_ok($$ delete from monitoring.alert_silences $$, '42501', null, 'and nobody deletes one');
set local role pgvigil_test_stranger;
select throws_ok($$ select monitoring.silence_alerts('{"server": "db1"}', 'c', '1 h') $$, 'PV943', null,
    'who sees no tenant silences none');
select is((select count(*) from monitoring.silences), 0::bigint, 'nor sees any');
select is((select count(*) from monitoring.silenced_alerts('{"server": "db1"}')), 0::bigint, 'nor what they would mean');
select is((select count(*) from monitoring_internal.silence_matches(now())), 0::bigint, 'nor what they do');
select throws_ok(format('select monitoring.unsilence(%s)', :silence_id), 'PV944', null, 'nor ends one');
reset role;

select throws_ok(format('select monitoring.silence_alerts(%L, %L, %s)', m, c, d), e, x, n)
from (values
    ('{}', 'c', '''1 h''', 'PV940', 'silence: is empty', 'matchers that mean everything are refused'),
    ('{"host": {"re": ".*"}}', 'c', '''1 h''', 'PV940', null, 'also where an expression does'),
    ('{"host": {"ne": "a"}}', 'c', '''1 h''', 'PV940', null, 'or a negation'),
    ('{"host": 5}', 'c', '''1 h''', 'PV940', 'silence: label "host" has no value that can be read', 'numbers are no values'),
    ('{"host": {"is": "a"}}', 'c', '''1 h''', 'PV940', null, 'unknown ways of comparing are refused'),
    ('{"host": {"in": ["a", 1]}}', 'c', '''1 h''', 'PV940', null, 'and lists of something else'),
    ('{"host": {"re": "a["}}', 'c', '''1 h''', 'PV941', 'silence: the expression of label "host" is malformed',
        'an expression that does not compile is named'),
    ('{"host": {"re": "(a+)\\1"}}', 'c', '''1 h''', 'PV941', null, 'as is one that refers back'),
    ('{"host": "a"}', ' ', '''1 h''', 'PV945', null, 'a comment is mandatory'),
    ('{"host": "a"}', 'c', 'null', 'PV942', 'the silence has no end', 'an end too'),
    ('{"host": "a"}', 'c', '''91 days''', 'PV942', 'the silence is too long', 'not too far away'),
    ('{"host": "a"}', 'c', '''-1 h''', 'PV942', null, 'and not in the past'),
    ('{"host": "a"}', 'c', '''1 h'', now() + interval ''1 h''', 'PV942', 'both a duration and an end are given', 'given once'),
    ('{"host": "a"}', 'c', '''1 h'', now() + interval ''1 h'', schedule => ''0 25 * * *''', 'PV111', null, 'a schedule is read'),
    ('{"host": "a"}', 'c', '''1 h'', now() + interval ''1 h'', schedule => ''0 2 * * *'', time_zone => ''CEST''', 'PV115', null,
        'in a zone that exists'),
    ('{"host": "a"}', 'c', '''8 days'', now() + interval ''9 days'', schedule => ''0 2 * * *''', 'PV942', null, 'for a week at most'))
    as t (m, c, d, e, x, n);
select lives_ok($$ select monitoring.silence_alerts('{"host": "a"}', 'c', forced => true) $$, 'one without an end is forced');
select is((select attention from monitoring.silences where ends_at is null), 'without an end', 'and shown as such');
select is((select tenant_id from monitoring.alert_silences where ends_at is null), null,
    'an operator who names no tenant means each');

-- Times are arguments of what the functions for people call; and no row comes in without being looked at.
select monitoring_internal.silence_alerts_at('{"server": "db1"}', 'c', '1 hour', null, null, null, null, :'acme', null, false,
    '2026-01-01 00:00+00') as past_id \gset
select ok(monitoring_internal.unsilence_at(:past_id, '2026-01-01 00:30+00'), 'a silence is ended as of a time');
select is((select array[starts_at, ends_at] from monitoring.alert_silences where silence_id = :past_id),
    array['2026-01-01 00:00+00', '2026-01-01 00:30+00']::timestamptz[], 'and was in force until then');
select is(monitoring_internal.silencing_tenant(:'acme'), :'acme'::uuid, 'a tenant that is named is meant');
select throws_ok($$ select monitoring_internal.check_patterns('{"a": {"re": "("}}', 'x') $$, 'PV941', null, 'expressions are tried');
select throws_ok($$ select monitoring_internal.check_matchers('[]', 'x') $$, 'PV940', 'x: is empty', 'matchers are an object');
select throws_ok(format($$ insert into monitoring.alert_correlations (tenant_id, alert_id, other_alert_id, kind, strength,
    found_at) values (%L, least(%L, %L)::uuid, greatest(%L, %L)::uuid, 'label', 1, now()) $$, :'acme', :'slow1', :'foreign1', :'slow1',
    :'foreign1'), 'PV947', null, 'alerts of two tenants are not correlated');
select throws_ok($$ select monitoring_internal.check_recurrence('0 2 * * *', null, null) $$, 'PV942', null,
    'a schedule without a duration is refused');
select is(
    (select string_agg(tgrelid::regclass || ' ' || tgfoid::regproc, ', ' order by tgrelid::regclass::text) from pg_trigger
        where tgfoid::regproc::text ~ 'check_(alert_(silence|inhibition|dependencies|correlations)|maintenance_window)$'),
    'monitoring.alert_correlations monitoring_internal.check_alert_correlations, '
    'monitoring.alert_dependencies monitoring_internal.check_alert_dependencies, '
    'monitoring.alert_inhibitions monitoring_internal.check_alert_inhibition, '
    'monitoring.alert_silences monitoring_internal.check_alert_silence, '
    'monitoring.maintenance_windows monitoring_internal.check_maintenance_window', 'rows are checked however they are written');

-- Those that nothing matches end by themselves.
insert into monitoring.alert_silences (matchers, comment, starts_at, ends_at, expires_when_unmatched_for)
select jsonb_build_object('server', name), name, '2026-03-02 12:00+00', '2026-03-03 12:00+00', '1 hour'
from unnest(array['db1', 'nowhere']) as name;
create function pg_temp.pass(p_at timestamptz) returns integer language sql as $$
    update monitoring.alerts as a set suppressed_by = coalesce(
        (select s.suppressed_by from monitoring_internal.alert_suppressors_at(p_at) as s where s.alert_id = a.id), '[]');
    select monitoring_internal.tend_silences_at(p_at) $$;
select is(array[pg_temp.pass('2026-03-02 12:30+00'), pg_temp.pass('2026-03-02 13:00+00'), pg_temp.pass('2026-03-02 13:01+00')],
    array[0, 1, 0], 'a silence that nothing matches ends after the time that it says');
select results_eq($$ select comment, end_reason, last_matched_at from monitoring.alert_silences
        where starts_at = '2026-03-02 12:00+00' order by 1 $$,
    $$ values ('db1', null::text, timestamptz '2026-03-02 13:01+00'), ('nowhere', 'unmatched', null) $$,
    'and one that matches is left, with the time when it did');

-- The same time gives the same answer, whatever has happened since.
select is(pg_temp.held('2026-03-02 12:30+00'), 'down db1: silence; slow db1: silence; slow db1: silence',
    'what was withheld at a time can be told again');
select is(
    (select count(*) from monitoring_internal.quiet_sets_at('2026-03-02 12:30+00')), 2::bigint,
    'by silences that have ended since, too');

-- Passes of the evaluator --------------------------------------------------------------------------------------------------
rollback to quiet;
delete from monitoring.alerts;
insert into monitoring.metric_families (name, kind, unit) values ('load', 'gauge', ''), ('alive', 'gauge', '');
select monitoring.set_tenant_profile('acme', time_zone => 'America/New_York');
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
select :'acme', day, '09:00', '17:00' from generate_series(1, 5) as day;
select monitoring_internal.ingest_samples_at(
    array_agg(s.metric), array_agg(s.labels::jsonb), array_agg(s.value), array_agg(m.at), :'acme', '2026-05-04 16:00+00')
from (values ('load', '{"server": "db1"}', 9.0), ('load', '{"server": "db2"}', 9.0), ('alive', '{"server": "db1"}', 0.0),
    ('alive', '{"server": "db2"}', 1.0)) as s (metric, labels, value)
cross join generate_series(timestamptz '2026-05-04 12:50+00', '2026-05-04 13:30+00', '1 min') as m (at)
-- The server is back at 13:20; what was slow stays so.
where not (s.metric = 'alive' and s.value = 0 and m.at >= '2026-05-04 13:20+00');
select monitoring_internal.ingest_samples_at(array_agg('alive'::text), array_agg('{"server": "db1"}'::jsonb), array_agg(1.0), array_agg(m.at),
    :'acme', '2026-05-04 16:00+00')
from generate_series(timestamptz '2026-05-04 13:20+00', '2026-05-04 13:30+00', '1 min') as m (at);
select monitoring.create_alert_rule('{"rule_name": "busy", "metric_name": "load", "comparison_operator": "gt", "aggregate": "last",
    "critical_threshold": 5, "business_hours_only": true, "evaluation_window": "2 min", "cooldown_period": "0"}');
select monitoring.create_alert_rule('{"rule_name": "gone", "metric_name": "alive", "comparison_operator": "lt", "aggregate": "last",
    "critical_threshold": 1, "critical_recovery": 1, "evaluation_window": "2 min", "cooldown_period": "0"}');
insert into monitoring.alert_inhibitions (tenant_id, name, source_matchers, target_matchers, equal_labels)
values (:'acme', 'gone', '{"rule_name": "gone"}', '{"rule_name": "busy"}', '{server}');
create function pg_temp.run() returns void language sql as $$
    select monitoring_internal.evaluate_alerts_at(m.at, array(
        select rule_no from monitoring.alert_rules where rule_name in ('busy', 'gone')))
    from generate_series(timestamptz '2026-05-04 12:55+00', '2026-05-04 13:25+00', '1 min') as m (at) $$;
create function pg_temp.story(p_rule text, p_server text) returns text language sql as $$
    select string_agg(concat_ws(' ', to_char(t.occurred_at at time zone 'UTC', 'HH24:MI'), t.transition, t.reason), ', '
        order by t.occurred_at, t.transition_id)
    from monitoring.alert_transitions as t
    inner join monitoring.alert_rules as r on r.rule_no = t.rule_no and r.rule_name = p_rule
    inner join monitoring.alerts as a on a.id = t.alert_id and a.labels ->> 'server' = p_server $$;
select pg_temp.run();
select is(pg_temp.story('busy', 'db2'), '12:55 fired, 12:55 suppressed business_hours, 13:00 unsuppressed',
    'A-05: an alert for business hours is raised at night and told of when hours begin');
select matches(pg_temp.story('busy', 'db1'), '^12:55 fired, 12:55 suppressed business_hours, inhibition, 13:2\d unsuppressed$',
    'an alert whose source fires in the same pass is never told of, until the pass in which the source is resolved');
select is((select count(*) from monitoring.alert_transitions as t
        inner join monitoring.alerts as a on a.id = t.alert_id and a.rule_name = 'gone' and t.transition = 'resolved'
        where t.occurred_at = (select max(s.occurred_at) from monitoring.alert_transitions as s
            inner join monitoring.alerts as b on b.id = s.alert_id and b.rule_name = 'busy' and b.labels ->> 'server' = 'db1'
            where s.transition = 'unsuppressed')), 1::bigint, 'that same one');
create temporary table live as
select t.occurred_at, t.rule_no, t.label_key, t.transition, t.reason, t.severity, t.value from monitoring.alert_transitions as t
where t.tenant_id = :'acme';
delete from monitoring.alert_transitions;
delete from monitoring.alert_conditions;
delete from monitoring.alerts;
select pg_temp.run();
create temporary table replayed as
select t.occurred_at, t.rule_no, t.label_key, t.transition, t.reason, t.severity, t.value from monitoring.alert_transitions as t
where t.tenant_id = :'acme';
select is_empty('(table live except all table replayed) union all (table replayed except all table live)',
    'replayed, history withholds the same alerts at the same times');
delete from monitoring.alert_transitions;
delete from monitoring.alert_conditions;
delete from monitoring.alerts;
delete from monitoring.alert_rules where rule_name not in ('busy', 'gone');
insert into monitoring.alert_silences (matchers, comment, starts_at, ends_at)
values ('{"server": "db2"}', 'known', '2026-05-04 12:00+00', '2026-05-04 13:00+00');
select is(monitoring_internal.evaluate_alerts_at('2026-05-04 12:55+00'), 3, 'a whole pass raises the same');
select is((select last_matched_at from monitoring.alert_silences), '2026-05-04 12:55+00', 'notes which silences match');
select is((select string_agg(kind, ',') from monitoring.alert_correlations), 'dependency', 'and finds what belongs together');

select * from finish();
rollback;
