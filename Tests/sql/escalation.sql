-- What nobody acknowledges goes on to the next: steps, who is on call then, loops, the end, and what stops it.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local time zone 'UTC';
select no_plan();

create temporary table own as select monitoring.create_tenant('acme') as tenant_id;
insert into monitoring.people (tenant_id, name) select tenant_id, n from own, unnest(array['anna', 'ben', 'carl']) as n;
insert into monitoring.contact_methods (tenant_id, person_id, kind, address)
select tenant_id, person_id, 'email', name || '@example.com' from monitoring.people;
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, configuration, rate_limit_per_hour)
select tenant_id, name, 'email', '{"to": ["ops@example.com"]}', 1000 from own, unnest(array['mail', 'ops', 'last']) as name;
select monitoring.define_on_call_schedule('{"name": "primary", "tenant": "acme", "layers": [
    {"people": ["ben", "carl"], "turn": "daily", "start": "2026-06-01", "hand_over": "12:00"}]}');
select monitoring.define_on_call_schedule('{"name": "empty", "tenant": "acme", "layers": []}');
create temporary table policy as
select monitoring.define_escalation_policy('{"name": "standard", "tenant": "acme", "loops": 2, "loop_pause": "20 min",
    "fallback_channel": "last", "steps": [
        {"notify": ["person:anna"]},
        {"after": "15 min", "notify": ["schedule:primary", "channel:ops"]},
        {"after": "30 min", "notify": ["empty"]},
        {"after": "45 min", "notify": ["carl"], "severity": "critical"}]}') as id;

-- Rules, and alerts of theirs: the state machine is another's matter, so that the rows are made here.
create function pg_temp.rule(p_name text, p_policy integer, p_steps jsonb default '{}') returns integer language sql as $$
    insert into monitoring.alert_rules (tenant_id, rule_name, rule_category, metric_name, condition_type, comparison_operator,
        critical_threshold, escalation_policy_id, escalation_rules)
    select tenant_id, p_name, 'test', 'pg_up', 'threshold', 'gt', 1, p_policy, p_steps from own returning rule_no;
$$;
create function pg_temp.raise_alert(p_rule integer, p_severity text default 'critical') returns uuid language sql as $$
    insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity,
        max_severity, first_breach_at, triggered_at)
    select tenant_id, p_rule, 'r', gen_random_uuid(), 't', 'm', p_severity, p_severity, '2026-06-02 10:00+00', '2026-06-02 10:00+00'
    from own returning id;
$$;
create function pg_temp.run(p_minutes integer) returns void language sql as $$
    select monitoring_internal.escalate_alerts_at('2026-06-02 10:00+00'::timestamptz + p_minutes * interval '1 minute');
$$;
-- What happened to an alert: minute, what, step and loop, whom.
create function pg_temp.story(p_alert uuid) returns setof text language sql as $$
    select format('%s %s %s/%s %s', extract(epoch from occurred_at - '2026-06-02 10:00+00')::integer / 60, evidence ->> 'outcome',
        evidence ->> 'step', evidence ->> 'loop',
        (select string_agg(n, '+') from jsonb_array_elements_text(evidence -> 'people') as n))
    from monitoring.alert_transitions where alert_id = p_alert and transition in ('escalated', 'on_call_gap')
    order by transition_id;
$$;
create temporary table a (critical uuid, low uuid, inline uuid);
select throws_ok(
    $$ select pg_temp.rule('inline', null, '[{"after": "15 min", "notify": ["person:ann"]}]') $$, 'PV954', null,
    'a rule whose steps name nobody is refused');
select throws_ok(
    $$ select pg_temp.rule('inline', null, '[{"after": "15 min", "notify": ["anna"]}, {"after": "5 min", "notify": ["ben"]}]') $$,
    'PV955', null, 'and one whose steps go back in time');
select throws_ok($$ select pg_temp.rule('inline', null, '{"after": "15 min"}') $$, 'PV955', null, 'and what is no list');
select throws_ok($$ select pg_temp.rule('inline', -1) $$, 'PV954', null, 'and a policy that is not there');
select throws_ok($$ select monitoring.define_escalation_policy('{"name": "x", "steps": [{"nofity": ["anna"]}]}') $$, 'PV955', null,
    'a misspelt key of a policy is refused');
insert into a
select pg_temp.raise_alert(pg_temp.rule('standard', policy.id)), pg_temp.raise_alert(pg_temp.rule('low', policy.id), 'low'),
    pg_temp.raise_alert(pg_temp.rule('inline', null,
        '[{"after": "5 min", "notify": ["ben"]}, {"after": "15 min", "notify": ["person:carl"]}]'))
from policy;
create temporary table none as select pg_temp.raise_alert(pg_temp.rule('none', null)) as id;

-- Minute after minute for two and a half hours, as the evaluator does.
select pg_temp.run(m) from generate_series(0, 150) as m;
select results_eq(
    $$ select s from a cross join lateral pg_temp.story(a.critical) as s $$,
    array['0 paged 1/1 anna', '15 paged 2/1 ben', '30 gap 3/1 ', '30 paged 4/1 carl', '50 paged 1/2 anna', '65 paged 2/2 ben',
        '80 gap 3/2 ', '80 paged 4/2 carl', '100 exhausted 5/2 '],
    'row 72: an unacknowledged alert goes to the next step and whoever is on call then; a step with nobody goes on at once');
select results_eq(
    $$ select s from a cross join lateral pg_temp.story(a.low) as s where s not like '%/2 %' $$,
    array['0 paged 1/1 anna', '15 paged 2/1 ben', '30 gap 3/1 '], 'a step for critical alerts passes others by');
select results_eq(
    $$ select s from a cross join lateral pg_temp.story(a.inline) as s $$,
    array['5 paged 1/1 ben', '15 paged 2/1 carl', '35 paged 1/2 ben', '45 paged 2/2 carl', '65 paged 1/3 ben', '75 paged 2/3 carl',
        '90 exhausted 3/3 '],
    'A-06: the steps that a rule has itself are taken');
select is((select count(*) from none cross join lateral pg_temp.story(none.id)), 0::bigint, 'a rule without any does not escalate');
select is(
    (select array_agg(coalesce(o.recipient, c.channel_name) order by o.created_at, coalesce(o.recipient, c.channel_name))
     from monitoring.outbox_messages as o left join monitoring.notification_channels as c on c.id = o.channel_id
     where o.alert_ids = array[(select critical from a)] and o.created_at < '2026-06-02 10:40+00'),
    array['anna@example.com', 'ben@example.com', 'ops', 'carl@example.com'], 'each step queues its messages');
select is(
    (select c.channel_name from monitoring.outbox_messages as o inner join monitoring.notification_channels as c on c.id = o.channel_id
     where o.alert_ids = array[(select critical from a)] and o.reason = 'escalation_exhausted'), 'last',
    'the end of it is told to the last channel');
select is(
    (select (exhausted_at, next_at)::text from monitoring.escalation_states where alert_id = (select critical from a)),
    '("2026-06-02 11:40:00+00",)', 'and the state keeps that it ended');

-- Who is on call at the moment of the step, not of the alert: the hand-over is at noon.
create temporary table b as select pg_temp.raise_alert(pg_temp.rule('noon', policy.id)) as id from policy;
select pg_temp.run(m) from unnest(array[110, 125]) as m;
select results_eq($$ select s from b cross join lateral pg_temp.story(b.id) as s $$,
    array['110 paged 1/1 anna', '125 paged 2/1 carl'], 'row 72: after the hand-over the next one is paged');

-- What stops it ---------------------------------------------------------------------------------------------------
create temporary table c as
select pg_temp.raise_alert(pg_temp.rule('stopped ' || n, policy.id)) as id, n
from policy, unnest(array['acknowledged', 'resolved', 'suppressed']) as n;
select pg_temp.run(200);
update monitoring.alerts as alert
set status = c.n, acknowledged_at = case c.n when 'acknowledged' then now() end,
    resolved_at = case c.n when 'resolved' then now() end, resolution_reason = case c.n when 'resolved' then 'manual' end
from c where c.id = alert.id;
select pg_temp.run(m) from generate_series(201, 230) as m;
select is_empty($$ select c.n, s from c cross join lateral pg_temp.story(c.id) as s where s not like '200 paged 1/1%' $$,
    'an alert that is acknowledged, resolved or suppressed escalates no further');
select is((select count(*) from monitoring.escalation_states as s inner join c on c.id = s.alert_id), 0::bigint, 'and has no state');
update monitoring.alerts as alert set status = 'active', acknowledged_at = null from c where c.id = alert.id and c.n = 'acknowledged';
select pg_temp.run(m) from unnest(array[231, 246]) as m;
select results_eq(
    $$ select s from c cross join lateral pg_temp.story(c.id) as s where c.n = 'acknowledged' $$,
    array['200 paged 1/1 anna', '231 paged 1/1 anna', '246 paged 2/1 carl'], 'an acknowledgement taken back begins anew with the first step');
select monitoring.acknowledge_alert(id) from c where n = 'acknowledged';
select is((select count(*) from monitoring.escalation_states as s inner join c on c.id = s.alert_id), 0::bigint,
    'who acknowledges stops it at once, not with the next pass');

-- In hours, a policy that is switched off, and only some rules ------------------------------------------------------
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
select tenant_id, d, '09:00', '14:00' from own, generate_series(1, 5) as d;
create temporary table d as
select pg_temp.raise_alert(pg_temp.rule('hours', monitoring.define_escalation_policy('{"name": "hours", "tenant": "acme",
    "steps": [{"notify": ["anna"], "business_hours": true}, {"notify": ["ben"]}]}'))) as id;
select pg_temp.run(300);
select results_eq($$ select s from d cross join lateral pg_temp.story(d.id) as s $$, array['300 paged 2/1 ben'],
    'a step for business hours is passed over outside them');
update monitoring.escalation_policies set is_active = false where name = 'hours';
select pg_temp.run(301);
select is((select count(*) from monitoring.escalation_states as s inner join d on d.id = s.alert_id), 0::bigint,
    'a policy that is switched off escalates nothing');
create temporary table e as
select pg_temp.rule('only ' || n, policy.id) as rule_no, n from policy, generate_series(1, 2) as n;
select pg_temp.raise_alert(rule_no) from e;
select monitoring_internal.escalate_alerts_at('2026-06-02 18:00+00', array[(select rule_no from e where n = 1)]);
select is(
    (select array_agg(e.n) from monitoring.escalation_states as s inner join e using (rule_no)), array[1],
    'with numbers of rules only their alerts escalate');
-- A route names the policy of alerts whose rule names none.
insert into monitoring.notification_routes (route_name, matchers, escalation_policy_id) select 'top', '{}', id from policy;
insert into monitoring.notification_routes (route_name, parent_id, matchers)
select 'below', route_id, '{}' from monitoring.notification_routes where route_name = 'top';
create temporary table f as
select n, pg_temp.raise_alert(pg_temp.rule('by route ' || n, null, case n when 2 then '[{"notify": ["ben"]}]'::jsonb else '{}' end)) as id
from generate_series(1, 3) as n;
with grouped as (
    insert into monitoring.notification_groups (group_key, tenant_id, route_id, labels, group_wait, group_interval, first_at)
    select gen_random_uuid(), own.tenant_id, route.route_id, '{}', '0', '5 min', now() from own, monitoring.notification_routes as route
    where route.route_name = 'below' returning group_id, tenant_id)
insert into monitoring.notification_members (group_id, alert_id, tenant_id, added_at)
select grouped.group_id, f.id, grouped.tenant_id, now() from grouped, f where f.n < 3;
select ok(monitoring_internal.has_alert_part_work_at(now(), 'escalation'), 'a route with a policy is work for escalation');
select pg_temp.run(400);
select results_eq($$ select f.n, s from f cross join lateral pg_temp.story(f.id) as s order by 1 $$,
    $$ values (1, '400 paged 1/1 anna'), (2, '400 paged 1/1 ben') $$,
    'an alert escalates by the policy of its route, unless its rule has steps of its own, or no route does');

-- After a stop: what is overdue is made up for, a step a pass, until it is where it would have been.
create temporary table g as select pg_temp.raise_alert(pg_temp.rule('stop', policy.id)) as id from policy;
select pg_temp.run(m) from unnest(array[500, 560, 560, 561, 562, 563, 564, 565, 580]) as m;
select results_eq($$ select s from g cross join lateral pg_temp.story(g.id) as s $$,
    array['500 paged 1/1 anna', '560 paged 2/1 carl', '561 gap 3/1 ', '561 paged 4/1 carl', '562 paged 1/2 anna', '565 paged 2/2 carl',
        '580 gap 3/2 ', '580 paged 4/2 carl'],
    'steps that a stop has delayed are taken one a pass, not all at once');

select is(
    (select count(*) from monitoring_internal.escalation_steps_of((select id from policy), null, (select tenant_id from own))), 4::bigint,
    'a policy has the steps it was given');
select matches(
    pg_get_functiondef('monitoring_internal.follow_alert_parts_at(timestamptz, bigint, integer[])'::regprocedure), 'escalate_alerts_at',
    'the evaluator escalates in each pass');

select * from finish();
rollback;
-- Parts named here: escalation_fault, escalation_named, check_escalation, check_rule_escalation, align_escalations_at,
-- notify_alerts_at, due_escalations_at, people_to_page_at, take_escalation_steps_at.
