-- What people do with alerts, who may, and what is known of it afterwards.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local time zone 'UTC';
select no_plan();

create role pgvigil_test_admin login;
create role anna login;
create role ben login;
create role pgvigil_test_reader login;
create role pgvigil_test_other login;
grant monitoring_admin to pgvigil_test_admin;
grant monitoring_analyst to anna, ben, pgvigil_test_other;
grant monitoring_reader to pgvigil_test_reader;
create temporary table own as select monitoring.create_tenant('acme') as tenant_id;
select monitoring.create_tenant('globex');
select monitoring.add_tenant_member(r, 'acme') from unnest(array['anna', 'ben', 'pgvigil_test_reader']::name[]) as r;
select monitoring.add_tenant_member('pgvigil_test_other', 'globex');
insert into monitoring.people (tenant_id, name, role_name) select tenant_id, 'Anna', 'anna' from own;
insert into monitoring.people (name, role_name) values ('Ben of operations', 'ben');

-- An alert of rule number so and so, that fired at a time.
create function pg_temp.raise_alert(p_rule integer, p_at timestamptz default clock_timestamp(), p_severity text default 'critical',
    p_breach interval default '1 minute')
returns uuid language sql as $$
    with made as (
        insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity,
            max_severity, first_breach_at, triggered_at, created_at)
        select tenant_id, p_rule, 'rule ' || p_rule, md5(p_rule || '/' || p_at || random())::uuid, 't', 'm', p_severity,
            p_severity, p_at - p_breach, p_at, p_at from own
        returning *
    ), held as (
        insert into monitoring.alert_conditions (rule_no, label_key, tenant_id, state, level, alert_id, alert_created_at)
        select rule_no, label_key, tenant_id, 'firing', 2, id, created_at from made)
    select id from made;
$$;
create temporary table a as
select pg_temp.raise_alert(101) as one, pg_temp.raise_alert(102) as two, pg_temp.raise_alert(103) as three;
grant select on a, own to public;

-- Who may ----------------------------------------------------------------------------------------------------
set local role pgvigil_test_reader;
select is((select count(*) from monitoring.alerts), 3::bigint, 'a reader reads');
select throws_ok(format($$ select %s $$, call), '42501', null, 'and does not act: ' || split_part(call, '(', 1))
from a cross join lateral unnest(array[
    format('monitoring.acknowledge_alert(%L)', one), format('monitoring.unacknowledge_alert(%L)', one),
    format('monitoring.resolve_alert(%L)', one), format('monitoring.comment_alert(%L, ''x'')', one)]) as call;
set local role pgvigil_test_other;
select throws_ok(format($$ select %s $$, call), 'PV958', null, 'for another tenant the alert is not there: ' || split_part(call, '(', 1))
from a cross join lateral unnest(array[
    format('monitoring.acknowledge_alert(%L)', one), format('monitoring.unacknowledge_alert(%L)', one),
    format('monitoring.resolve_alert(%L)', one), format('monitoring.comment_alert(%L, ''x'')', one)]) as call;

-- Acknowledge, give back, resolve ------------------------------------------------------------------------------
set local role anna;
select throws_ok(format($$ select monitoring.acknowledge_alert(%L, 'mine', now() - interval '1 hour') $$, one), 'PV959', null,
    'a time that has passed is refused') from a;
select matches(monitoring.acknowledge_alert(one, 'mine', '2099-01-01'), '^acknowledged until 2099-01-01', 'an analyst takes an alert')
from a;
select matches(monitoring.unacknowledge_alert(two), '^nothing to take back: it is active', 'what is not taken is not given back') from a;
select lives_ok(format($$ select monitoring.unacknowledge_alert(%L, 'cannot') $$, one), 'and gives it back') from a;
select monitoring.acknowledge_alert(one) from a;
set local role ben;
select matches(monitoring.acknowledge_alert(one, 'I help'), '^acknowledged until', 'another may take it over') from a;
select is(monitoring.resolve_alert(one, 'restarted'), 'resolved', 'and resolve it') from a;
select matches(monitoring.acknowledge_alert(one), '^nothing to acknowledge: it was resolved', 'A resolved alert stays as it is, and says so')
from a;
select matches(monitoring.resolve_alert(one), '^nothing to resolve: it was resolved', 'nor is it resolved twice') from a;
reset role;
select results_eq(
    $$ select alert.status, p.name, alert.acknowledged_role, r.name, alert.resolved_role, alert.resolution_notes
        from monitoring.alerts as alert inner join a on a.one = alert.id
        left join monitoring.people as p on p.person_id = alert.acknowledged_by
        left join monitoring.people as r on r.person_id = alert.resolved_by $$,
    $$ values ('resolved', 'Ben of operations', 'ben', 'Ben of operations', 'ben', 'restarted') $$,
    'who it was is known by role: a person of the tenant, or of the system tenant');
select is(
    (select array_agg(transition || ' ' || actor order by transition_id) from monitoring.alert_transitions
     where alert_id = (select one from a) and actor is not null),
    array['acknowledged anna', 'unacknowledged anna', 'acknowledged anna', 'acknowledged ben', 'resolved ben'],
    'each of it is a transition, and what changed nothing is none');
select is(
    (select array_agg(l.action || ' ' || coalesce(p.name, '-') order by l.audit_log_id) from monitoring.audit_logs as l
     left join monitoring.people as p using (person_id)
     where l.resource_type = 'alert' and l.resource_id = (select one::text from a) and l.action <> 'alert_created'),
    array['alert_acknowledged Anna', 'alert_unacknowledged Anna', 'alert_acknowledged Anna',
        'alert_acknowledged Ben of operations', 'alert_resolved Ben of operations'],
    'and a row of the audit, with the person');
set local role pgvigil_test_admin;
select is(monitoring.resolve_alert(three), 'resolved', 'an administrator acts for every tenant; nobody need be a person') from a;
select is((select resolved_by from monitoring.alerts where id = (select three from a)), null, 'then the role alone is kept');

-- Comments -----------------------------------------------------------------------------------------------------
set local role anna;
create temporary table said as select monitoring.comment_alert(two, 'looking into it') as key from a;
reset role;
select is(
    (select (c.person_name, c.role_name, c.body)::text from monitoring.alert_comments as c inner join said on said.key = c.alert_comment_id),
    '(Anna,anna,"looking into it")', 'S-11: a comment''s key is that of its own row');
select isnt((select key from said), lastval(), 'S-11: which lastval() is not, once a trigger has written to the audit');
select throws_ok(format($$ select monitoring.comment_alert(%L, '') $$, two), '23514', null, 'an empty comment is refused') from a;

-- Accountability outlives what it is about -----------------------------------------------------------------------
delete from monitoring.people where name in ('Anna', 'Ben of operations');
select is(
    (select (acknowledged_role, resolved_role, acknowledged_by is not null)::text from monitoring.alerts where id = (select one from a)),
    '(ben,ben,t)', 'A-23: an alert keeps who acted when the person is removed');
select is((select (person_id, person_name, body)::text from monitoring.alert_comments), '(,Anna,"looking into it")',
    'A-23: a comment keeps its author''s name');
select is(
    (select count(*) from monitoring.audit_logs where person_id is not null and resource_type = 'alert'), 5::bigint,
    'A-23: the audit keeps its rows');
select is_empty(
    $$ select c.conname from pg_constraint as c
        where c.contype = 'f' and c.conrelid in ('monitoring.alerts'::regclass, 'monitoring.alert_transitions'::regclass,
            'monitoring.alert_comments'::regclass, 'monitoring.audit_logs'::regclass)
            and c.confdeltype = 'c' and c.confrelid <> 'monitoring.tenants'::regclass $$,
    'A-23: no history goes with a rule, a person or a system');

-- How fast, and how much noise -------------------------------------------------------------------------------------
create temporary table times as select '2026-05-04 10:00+00'::timestamptz as t;
create function pg_temp.episode(p_rule integer, p_ack interval, p_resolved interval, p_severity text default 'critical',
    p_breach interval default '2 min', p_at timestamptz default '2026-05-04 10:00+00') returns void language plpgsql as $$
declare
    v_id constant uuid := pg_temp.raise_alert(p_rule, p_at, p_severity, p_breach);
begin
    update monitoring.alerts as alert
    set first_acknowledged_at = p_at + p_ack, acknowledged_at = p_at + p_ack, status = 'resolved', resolved_at = p_at + p_resolved,
        resolution_reason = case when p_ack is null then 'cleared' else 'manual' end, notification_count = 1
    where alert.id = v_id and alert.created_at = p_at;
end
$$;
select pg_temp.episode(201, '5 min', '10 min');
select pg_temp.episode(201, '15 min', '30 min');
select pg_temp.episode(201, '1 min', '80 min', 'low', '4 min');
select pg_temp.episode(201, null, '1 min');
select pg_temp.episode(202, null, '20 min', p_at => '2026-05-04 02:00+00');
select results_eq(
    $$ select episodes, noise, mttr_mean, mttr_median, mtta_mean, mttd_mean from monitoring.alert_response
        where scope = 'rule' and rule_name = 'rule 201' $$,
    $$ values (3::bigint, 1::bigint, interval '40 min', interval '30 min', interval '7 min', interval '2 min 40 s') $$,
    'row 57: known times give the expected means; what went within two minutes by itself is noise');
select results_eq(
    $$ select severity, episodes, mttr_mean from monitoring.alert_response
        where scope = 'severity' and tenant_name = 'acme' and severity = 'low' $$,
    $$ values ('low', 1::bigint, interval '80 min') $$, 'by severity');
select results_eq(
    $$ select pages, unanswered, night_pages from monitoring.alert_noise where rule_name in ('rule 201', 'rule 202') order by rule_name $$,
    $$ values (4::bigint, 1::bigint, 0::bigint), (1::bigint, 1::bigint, 1::bigint) $$,
    'noise: pages that nobody acknowledged or acted on, and those at night');
select is(
    (select (percentile_cont(0.9) within group (order by resolved_at - triggered_at)) from monitoring.alerts where rule_no = 201
        and resolved_at > triggered_at + interval '2 min'),
    (select mttr_p90 from monitoring.alert_response where scope = 'rule' and rule_name = 'rule 201'), 'the ninth tenth equals direct SQL');

update monitoring.alerts set status = 'suppressed', resolved_at = null, resolution_reason = null where rule_no = 202;
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition)
select triggered_at, tenant_id, rule_no, label_key, id, 'suppressed' from monitoring.alerts
where rule_no = 201 and resolved_at = triggered_at + interval '80 min';
select is(
    (select array_agg(rule_name || ' ' || mttr_mean order by 1) from monitoring.alert_response where rule_name in ('rule 201', 'rule 202')),
    array['rule 201 00:20:00'], 'what was kept quiet is no measure of anybody');

create temporary table measured as
select response::text as line from monitoring.alert_response as response union all select noise::text from monitoring.alert_noise as noise;
select cmp_ok(monitoring_internal.archive_alerts_at('2028-01-01'), '>=', 4::bigint, 'closed alerts go to the archive');
select results_eq(
    $$ select line collate "C" from (
        select response::text as line from monitoring.alert_response as response
        union all select noise::text from monitoring.alert_noise as noise) as now order by 1 $$,
    $$ select line collate "C" from measured order by 1 $$, 'row 57: what is archived is measured as before');

select * from finish();
rollback;
-- Parts named here: alert_to_respond, acknowledge_for_caller_at, unacknowledge_for_caller_at, resolve_for_caller_at.
