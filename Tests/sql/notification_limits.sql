-- Limits of channels: what is beyond them is held back, recorded, and told in one message; what is critical passes.
-- Endpoints that choose their events, messages that collapse, escalation's own messages, and how fast a storm is told.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

select monitoring.create_tenant('acme');
insert into monitoring.alert_rules (tenant_id, rule_name, metric_name, comparison_operator, critical_threshold,
    condition_definition)
select null, 'rule ' || n, 'disk_free', 'lt', 10, '{"allow_unknown_metric": true}' from generate_series(1, 40) as n;
create function pg_temp.acme() returns uuid language sql as $$ select tenant_id from monitoring.tenants where name = 'acme' $$;
create function pg_temp.at(p_minutes numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_minutes * interval '1 minute' $$;
create function pg_temp.alert(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-9000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create function pg_temp.channel(p_name text) returns uuid language sql as $$
    select c.id from monitoring.notification_channels as c where c.channel_name = p_name $$;
-- Fire one alert of each rule in a range.
create function pg_temp.fire(p_from integer, p_until integer, p_severity text, p_pass bigint, p_at timestamptz) returns void
language sql as $$
    with made as (
        insert into monitoring.alerts (id, tenant_id, alert_rule_id, rule_no, rule_name, label_key, labels, alert_title,
            alert_message, severity, max_severity, metric_name, last_value, first_breach_at, triggered_at, created_at)
        select pg_temp.alert(n), pg_temp.acme(), r.id, r.rule_no, r.rule_name, md5(n::text)::uuid, '{}', r.rule_name, 'bad',
            p_severity, p_severity, r.metric_name, 5, p_at, p_at, p_at
        from generate_series(p_from, p_until) as n
        join monitoring.alert_rules as r on r.rule_name = 'rule ' || n
        returning *)
    insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, severity, pass_id)
    select p_at, m.tenant_id, m.rule_no, m.label_key, m.id, 'fired', p_severity, p_pass from made as m $$;
create function pg_temp.change(p_no integer, p_transition text, p_pass bigint, p_at timestamptz, p_severity text default null)
returns void language sql as $$
    update monitoring.alerts as a
    set status = case when p_transition = 'resolved' then 'resolved' else a.status end,
        resolved_at = case p_transition when 'resolved' then p_at end,
        resolution_reason = case p_transition when 'resolved' then 'cleared' end,
        severity = coalesce(p_severity, a.severity)
    where a.id = pg_temp.alert(p_no);
    insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, alert_id, transition, severity, pass_id)
    select p_at, a.tenant_id, a.rule_no, a.label_key, a.id, p_transition, a.severity, p_pass
    from monitoring.alerts as a where a.id = pg_temp.alert(p_no) $$;
create function pg_temp.pass(p_pass bigint, p_at timestamptz) returns setof text language plpgsql as $$
begin
    insert into monitoring.alert_passes (started_at) values (p_at);
    perform monitoring_internal.notify_transitions_at(p_at, p_pass);
    return query
    select format('%s %s %s', m.reason, c.channel_name, (
        select string_agg(ltrim(right(id::text, 4), '0'), ',' order by id) from unnest(m.alert_ids) as id))
    from monitoring.outbox_messages as m left join monitoring.notification_channels as c on c.id = m.channel_id
    where m.created_at = p_at order by 1;
end $$;

insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, last_reset_at)
values (null, 'desk', 'webhook', pg_temp.at(-600));
insert into monitoring.notification_routes (route_name, channel_ids, group_wait, updated_at)
values ('root', array[pg_temp.channel('desk')], '0', pg_temp.at(-600));

-- The eleventh message of an hour -----------------------------------------------------------------------------------
select pg_temp.fire(1, 12, 'medium', 1, pg_temp.at(1));
select is((select count(*) from pg_temp.pass(1, pg_temp.at(1))), 10::bigint,
    'A-08: of twelve messages in an hour ten are sent');
select results_eq(
    $$ select c.current_hour_count, c.last_reset_at, c.rate_limit_per_hour from monitoring.notification_channels as c $$,
    $$ values (10, pg_temp.at(0), 10) $$, 'A-08: they are counted, in the hour that was begun for them');
select results_eq(
    $$ select h.reason, h.held_until, h.times_held from monitoring.held_notifications as h $$,
    $$ values ('first'::text, pg_temp.at(60), 1), ('first', pg_temp.at(60), 1) $$,
    'row 73: the eleventh and twelfth are held back until the hour turns');
select is((select count(*) from monitoring.notification_decisions as d
        where d.decision = 'withheld' and d.reason = 'rate_limit' and d.detail = 'first'), 2::bigint,
    'row 73: and that is recorded with their alerts');
select pg_temp.fire(13, 13, 'critical', 2, pg_temp.at(2)), pg_temp.fire(14, 14, 'high', 2, pg_temp.at(2));
select results_eq($$ select pg_temp.pass(2, pg_temp.at(2)) $$, $$ values ('first desk 13') $$,
    'row 73: a critical one is sent all the same');
select is((select c.current_hour_count from monitoring.notification_channels as c), 11, 'and counted');
select is((select count(*) from monitoring.pending_notifications as p
        where p.state = 'held back' and p.due_at = pg_temp.at(60) and p.reason = 'first'), 3::bigint,
    'and shows among what is pending');
-- Two of those held back: one gets worse, one is over before it could be told.
create temporary table held as
select row_number() over (order by h.alert_id) as n, h.alert_id, ltrim(right(h.alert_id::text, 4), '0')::integer as no
from monitoring.held_notifications as h where h.alert_id <> pg_temp.alert(14);
select pg_temp.change(no, 'severity_raised', 3, pg_temp.at(3), 'critical') from held where n = 1;
select results_eq($$ select pg_temp.pass(3, pg_temp.at(3)) $$,
    $$ select 'severity_raised desk ' || no from held where n = 1 $$, 'one that becomes critical meanwhile is told at once');
select pg_temp.change(no, 'resolved', 4, pg_temp.at(10)) from held where n = 2;
select is_empty($$ select pg_temp.pass(4, pg_temp.at(10)) $$, 'the end of another is held back with its beginning');
select is_empty($$ select pg_temp.pass(5, pg_temp.at(59.9)) $$, 'until the hour turns');
select results_eq($$ select pg_temp.pass(6, pg_temp.at(60)) $$,
    $$ select format('rate_limit desk %s,14', no) from held where n = 2 $$, 'then all of it is told in one message');
select results_eq(
    $$ select m.event_type, b #>> '{data,firing}', b #>> '{data,resolved}', b #>> '{data,detail,times_held}'
        from monitoring.outbox_messages as m cross join lateral (select m.body::jsonb) as v (b)
        where m.created_at = pg_temp.at(60) $$,
    $$ values ('alert.summary'::text, '1'::text, '1'::text, '3'::text) $$,
    'which says what is still so, what is over, and how many messages it stands for');
select is_empty($$ select * from monitoring.held_notifications $$, 'nothing is held any more');
select results_eq(
    $$ select c.current_hour_count, c.last_reset_at from monitoring.notification_channels as c $$,
    $$ values (1, pg_temp.at(60)) $$, 'A-08: and the count began anew');
select is((select count(*) from monitoring.alerts as a where a.notification_count = 0), 0::bigint,
    'no alert was lost');
select is_empty($$ select pg_temp.pass(7, pg_temp.at(61)) $$, 'and none is told twice');
select pg_temp.change(14, 'resolved', 8, pg_temp.at(62));
select results_eq($$ select pg_temp.pass(8, pg_temp.at(62)) $$, $$ values ('all_resolved desk 14') $$,
    'the end of what a summary told is told');

-- Messages that have not left ---------------------------------------------------------------------------------------
select pg_temp.fire(15, 15, 'medium', 9, pg_temp.at(63)), pg_temp.fire(16, 16, 'critical', 9, pg_temp.at(63)),
    pg_temp.fire(17, 17, 'medium', 9, pg_temp.at(63));
select is((select count(*) from pg_temp.pass(9, pg_temp.at(63))), 3::bigint, 'three messages wait to leave');
update monitoring.deliveries as d set attempt = 1
from monitoring.outbox_messages as m where m.message_id = d.message_id and m.alert_ids = array[pg_temp.alert(17)];
select pg_temp.change(n, 'resolved', 10, pg_temp.at(64)) from generate_series(15, 17) as n;
select results_eq($$ select pg_temp.pass(10, pg_temp.at(64)) $$, $$ values ('all_resolved desk 16'), ('all_resolved desk 17') $$,
    'the end of one that has not left is not sent; of a critical one it is, and of one that was tried');
select results_eq(
    $$ select d.outcome, d.attempt, m.alert_ids from monitoring.delivery_attempts as d
        join monitoring.outbox_messages as m using (message_id) $$,
    $$ values ('collapsed'::text, 0, array[pg_temp.alert(15)]) $$, 'nor its beginning, as is recorded');
select is((select count(*) from monitoring.deliveries as d join monitoring.outbox_messages as m using (message_id)
        where pg_temp.alert(15) = any (m.alert_ids)), 0::bigint, 'there is nothing left to deliver of it');

-- A webhook channel sends through its endpoint ------------------------------------------------------------------------
insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url, event_types)
values (pg_temp.acme(), 'hook', 'https://hook.example/in', '["alert.fired"]');
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, webhook_endpoint_id)
select pg_temp.acme(), 'hook', 'webhook', e.id from monitoring.webhook_endpoints as e;
update monitoring.alert_rules set notification_channels = '["hook"]' where rule_name in ('rule 18', 'rule 19');
select pg_temp.fire(18, 18, 'critical', 11, pg_temp.at(65));
select results_eq($$ select pg_temp.pass(11, pg_temp.at(65)) $$, $$ values ('first hook 18') $$,
    'a rule''s own channels take the place of the routes''');
select is((select m.destination_id from monitoring.outbox_messages as m where m.created_at = pg_temp.at(65)),
    (select e.id from monitoring.webhook_endpoints as e), 'E-12: a webhook channel goes to its endpoint');
select pg_temp.change(18, 'resolved', 12, pg_temp.at(66));
select is_empty($$ select pg_temp.pass(12, pg_temp.at(66)) $$, 'E-03: which gets the types of events it asked for alone');
select is((select d.reason from monitoring.notification_decisions as d where d.decided_at = pg_temp.at(66)), 'event_type',
    'as is recorded');
update monitoring.webhook_endpoints set is_active = false;
select pg_temp.fire(19, 19, 'critical', 13, pg_temp.at(67));
select is((select count(*) from pg_temp.pass(13, pg_temp.at(67))), 1::bigint, 'what goes to an inactive endpoint is written');
select results_eq(
    $$ select d.state, d.due_at from monitoring.deliveries as d join monitoring.outbox_messages as m using (message_id)
        where m.created_at = pg_temp.at(67) $$,
    $$ values ('held'::text, 'infinity'::timestamptz) $$, 'and waits there');

select is((select min(p.cause) from monitoring.pending_notifications as p where p.state = 'held'),
    'its endpoint is inactive: by hand', 'which is shown as the cause');
select results_eq(
    $$ select h.name, h.held, h.cause from monitoring.delivery_health as h where h.held > 0 $$,
    $$ values ('hook'::text, 2::bigint, 'inactive: by hand'::text) $$, 'with how the endpoint is doing');
select results_eq(
    $$ select h.decision, h.reason, h.outcome from monitoring.notification_history as h where h.alert_id = pg_temp.alert(15)
        order by h.decided_at $$,
    $$ values ('sent'::text, 'first'::text, 'collapsed'::text), ('withheld', 'collapsed', null) $$,
    'what became of each message about an alert can be read');

-- Escalation ----------------------------------------------------------------------------------------------------------
insert into monitoring.people (tenant_id, name) values (pg_temp.acme(), 'Ann');
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type) values (null, 'letters', 'email');
insert into monitoring.contact_methods (tenant_id, person_id, kind, channel_id, address, position)
select p.tenant_id, p.person_id, v.kind, pg_temp.channel(v.channel), v.address, v.position
from monitoring.people as p
cross join (values ('email', null, 'ann@example.org', 1), ('slack', 'desk', null, 2), ('sms', null, '+49 30 1', 3))
    as v (kind, channel, address, position);
select is(monitoring_internal.notify_alert_at(pg_temp.at(68), pg_temp.alert(19), 'escalation',
        array(select p.person_id from monitoring.people as p), array[pg_temp.channel('hook')],
        '{"policy": "storage", "step": 2, "loop": 1}'), 2,
    'an escalation reaches a person by what there is a channel for, and each channel that wants it');
select results_eq(
    $$ select c.channel_name, m.recipient, m.event_type,
            case m.content_type when 'application/json' then m.body::jsonb #>> '{data,detail,policy}' end
        from monitoring.outbox_messages as m join monitoring.notification_channels as c on c.id = m.channel_id
        where m.created_at = pg_temp.at(68) order by 2 $$,
    $$ values ('letters'::text, 'ann@example.org'::text, 'alert.escalated'::text, null), ('desk', null, 'alert.escalated', 'storage') $$,
    'with the address of the person where the channel has none');
select is(monitoring_internal.notify_alert_at(pg_temp.at(69), pg_temp.alert(19), 'escalation', '{}', '{}', '{}'), 0,
    'to nobody nothing is sent');
select results_eq(
    $$ select d.reason, d.detail from monitoring.notification_decisions as d where d.decided_at = pg_temp.at(69) $$,
    $$ values ('no_channel'::text, 'escalation'::text) $$, 'and that is recorded');
create temporary table before_replay as
select (select count(*) from monitoring.deliveries) as deliveries,
    (select jsonb_agg(c order by c.id) from monitoring.notification_channels as c) as channels,
    (select jsonb_agg(l order by l.group_id, l.channel_id) from monitoring.notification_log as l) as log;
set local pgvigil.is_replay = 'on';
select ok(monitoring_internal.is_replay(), 'a replay is known as such');
select pg_temp.fire(20, 20, 'medium', 14, pg_temp.at(70)), pg_temp.fire(21, 40, 'medium', 14, pg_temp.at(70));
select is((select count(*) from pg_temp.pass(14, pg_temp.at(70))), 21::bigint,
    'a replay says what would be told, without limits');
select results_eq(
    $$ select (select count(*) from monitoring.deliveries),
        (select jsonb_agg(c order by c.id) from monitoring.notification_channels as c),
        (select jsonb_agg(l order by l.group_id, l.channel_id) from monitoring.notification_log as l where not l.is_replay) $$,
    $$ select * from before_replay $$, 'delivers nothing, and leaves alone what the live evaluator needs');
select pg_temp.change(n, 'resolved', 15, pg_temp.at(71)) from generate_series(20, 40) as n;
select is((select count(*) from pg_temp.pass(15, pg_temp.at(71))), 21::bigint, 'the ends included');
select is_empty($$ select * from monitoring.notification_log as l where l.is_replay $$, 'and forgets its groups with them');
set local pgvigil.is_replay = 'off';

-- Pagers --------------------------------------------------------------------------------------------------------------
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type) values (null, 'pager', 'pagerduty');
update monitoring.alert_rules set notification_channels = '["pager"]' where rule_name in ('rule 30', 'rule 31');
delete from monitoring.alerts where id in (pg_temp.alert(30), pg_temp.alert(31));
select pg_temp.fire(30, 30, 'critical', 20, pg_temp.at(80));
select pg_temp.pass(20, pg_temp.at(80));
select monitoring_internal.notify_alert_at(pg_temp.at(81), pg_temp.alert(30), 'escalation', '{}', array[pg_temp.channel('pager')], '{}');
select monitoring_internal.acknowledge_alert_at(pg_temp.alert(30), pg_temp.at(82), null, 'ann', null, null);
select pg_temp.pass(n, pg_temp.at(63 + n)) from generate_series(21, 23) as n;
select pg_temp.change(30, 'resolved', 24, pg_temp.at(90));
select pg_temp.pass(24, pg_temp.at(90));
select results_eq(
    $$ select b ->> 'event_action', split_part(b ->> 'dedup_key', '/', 1), b #>> '{payload,summary}', d.state from monitoring.outbox_messages as m
        inner join monitoring.deliveries as d using (message_id) cross join lateral (select m.body::jsonb) as v (b)
        where m.channel_id = pg_temp.channel('pager') order by 2, d.delivery_id $$,
    $$ values ('trigger', 'alert', 'Critical: rule 30 (escalated)', 'pending'), ('acknowledge', 'alert', 'Acknowledged: rule 30', 'pending'),
        ('resolve', 'alert', 'Resolved: rule 30', 'pending'), ('trigger', 'group', 'Critical: rule 30', 'pending'),
        ('acknowledge', 'group', 'Acknowledged: rule 30', 'pending'), ('resolve', 'group', 'Resolved: rule 30', 'pending') $$,
    'incidents of a pager are triggered, acknowledged and resolved once each, those of escalations too, each under one key');
select is_empty($$ select * from monitoring_internal.pager_changes_at(pg_temp.at(91), 24, pg_temp.at(90)) $$, 'and nothing is left to say');
select is(monitoring_internal.tell_pagers_at(pg_temp.at(91), 24, pg_temp.at(90)), 0, 'nor said again');

-- Mail ----------------------------------------------------------------------------------------------------------------
update monitoring.notification_channels set configuration = '{"url": "smtp://m.example", "from": "v@example.org", "to": ["a@example.org", "b@example.org"]}'
where channel_name = 'letters';
update monitoring.alert_rules set notification_channels = '["letters"]' where rule_name in ('rule 32', 'rule 33');
delete from monitoring.alerts where id in (pg_temp.alert(32), pg_temp.alert(33));
select pg_temp.fire(32, 33, 'medium', 30, pg_temp.at(130));
select results_eq($$ select pg_temp.pass(30, pg_temp.at(130)) $$, $$ values ('first letters 32'), ('first letters 33') $$, 'two mails');
-- One of the two recipients of the first has it, nobody has the second.
delete from monitoring.deliveries as d using monitoring.outbox_messages as m
where m.message_id = d.message_id and m.alert_ids = array[pg_temp.alert(32)] and d.recipient = 'a@example.org';
insert into monitoring.delivery_attempts (delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, finished_at)
select -1, 1, 1, m.message_id, m.tenant_id, m.destination_id, 'delivered', pg_temp.at(131) from monitoring.outbox_messages as m
where m.alert_ids = array[pg_temp.alert(32)] and m.channel_id = pg_temp.channel('letters');
select pg_temp.change(n, 'resolved', 31, pg_temp.at(132)) from generate_series(32, 33) as n;
select results_eq($$ select pg_temp.pass(31, pg_temp.at(132)) $$, $$ values ('all_resolved letters 32') $$,
    'E-12: an end is told where one of several recipients has its beginning, and else neither');
select is((select substring(last.body from E'In-Reply-To: (<[^>]+>)') from monitoring.outbox_messages as last
        where last.created_at = pg_temp.at(132) and last.channel_id = pg_temp.channel('letters')),
    (select substring(first.body from E'Message-ID: (<[^>]+>)') from monitoring.outbox_messages as first
        where first.created_at = pg_temp.at(130) and first.alert_ids = array[pg_temp.alert(32)]),
    'and answers it');

select * from finish();
rollback;
