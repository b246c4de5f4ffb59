-- Bodies of messages as each kind of receiver wants them: one event of each kind, and the receivers' limits.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create temporary table event as
select 'firing' as name, $${"type": "alert.fired", "timestamp": "2026-03-02T10:02:00.000Z", "data": {"reason": "first",
    "status": "firing", "severity": "high", "tenant": "acme", "firing": 2, "resolved": 0, "truncated": 3, "alerts": [
    {"id": "a", "rule": "disk", "title": "disk <full> & hot", "message": "5 % left", "severity": "high", "status": "active",
        "labels": {"host": "db1", "mount.point": "/"}, "started_at": "2026-03-02T10:00:00.000Z", "link": "https://m.example/alerts/a"},
    {"id": "b", "rule": "disk", "title": "disk b", "message": "7 % left", "severity": "medium", "status": "resolved",
        "labels": {"host": "db2"}, "started_at": "2026-03-02T09:00:00.000Z", "resolved_at": "2026-03-02T10:01:00.000Z"}]}}$$::jsonb as body
union all
select 'resolved', $${"type": "alert.resolved", "timestamp": "2026-03-02T11:00:00.000Z", "data": {"reason": "all_resolved",
    "status": "resolved", "severity": "critical", "tenant": "acme", "firing": 0, "resolved": 1, "alerts": [
    {"id": "a", "rule": "disk", "title": "disk a", "message": "fine", "severity": "critical", "status": "resolved", "labels": {},
        "started_at": "2026-03-02T10:00:00.000Z", "resolved_at": "2026-03-02T11:00:00.000Z"}]}}$$;

select results_eq(
    $$ select monitoring_internal.notification_title(body) from event order by name $$,
    $$ values ('High: disk <full> & hot and 4 more'), ('Resolved: disk a') $$, 'a title says how bad it is, what, and how many more');
select is((select monitoring_internal.alert_line(body #> '{data,alerts,0}') from event where name = 'firing'),
    'high: disk <full> & hot - 5 % left (since 2026-03-02T10:00:00.000Z) https://m.example/alerts/a', 'a line says it of an alert');
select is((select monitoring_internal.render_slack(body) from event where name = 'firing'),
    $${"text": "High: disk &lt;full&gt; &amp; hot and 4 more", "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "High: disk <full> & hot and 4 more"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "• high: disk &lt;full&gt; &amp; hot - 5 % left (since 2026-03-02T10:00:00.000Z) https://m.example/alerts/a\n• resolved: disk b - 7 % left (since 2026-03-02T09:00:00.000Z)"}}]}$$::jsonb,
    'Slack: a header and a section, escaped');
select is((select monitoring_internal.render_teams(body) from event where name = 'resolved'),
    $${"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": [
            {"type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": true, "color": "Good", "text": "Resolved: disk a"},
            {"type": "TextBlock", "wrap": true, "text": "resolved: disk a - fine (since 2026-03-02T10:00:00.000Z)"}]}}]}$$::jsonb,
    'Teams: an adaptive card');
select is((select monitoring_internal.render_pagerduty(body, 'group/7') from event where name = 'firing'),
    $${"routing_key": "{{secret}}", "event_action": "trigger", "dedup_key": "group/7", "client": "pgvigil", "payload": {
        "summary": "High: disk <full> & hot and 4 more", "source": "db1", "severity": "error", "class": "disk",
        "timestamp": "2026-03-02T10:02:00.000Z", "custom_details": {"firing": 2, "resolved": 0, "alerts": [
            "high: disk <full> & hot - 5 % left (since 2026-03-02T10:00:00.000Z) https://m.example/alerts/a",
            "resolved: disk b - 7 % left (since 2026-03-02T09:00:00.000Z)"]}},
        "links": [{"href": "https://m.example/alerts/a", "text": "alert"}]}$$::jsonb, 'PagerDuty: an incident is triggered');
select results_eq(
    $$ select p ->> 'event_action', p ->> 'dedup_key', p #>> '{payload,severity}' from event
        cross join lateral monitoring_internal.render_pagerduty(body, 'group/7') as p where name = 'resolved' $$,
    $$ values ('resolve', 'group/7', 'critical') $$, 'and resolved by the same key');
select is((select monitoring_internal.render_alertmanager(body) from event where name = 'firing'),
    $$[{"labels": {"alertname": "disk", "severity": "high", "tenant": "acme", "host": "db1", "mount_point": "/"},
        "annotations": {"summary": "disk <full> & hot", "description": "5 % left"}, "startsAt": "2026-03-02T10:00:00.000Z",
        "endsAt": "2026-03-09T10:02:00.000Z", "generatorURL": "https://m.example/alerts/a"},
    {"labels": {"alertname": "disk", "severity": "medium", "tenant": "acme", "host": "db2"},
        "annotations": {"summary": "disk b", "description": "7 % left"}, "startsAt": "2026-03-02T09:00:00.000Z",
        "endsAt": "2026-03-02T10:01:00.000Z"}]$$::jsonb, 'Alertmanager: the alerts by their labels, for longer than its own five minutes');
select results_eq(
    $$ select a #>> '{labels,severity}', a ->> 'endsAt' from event cross join lateral jsonb_array_elements(monitoring_internal.render_alertmanager(
            jsonb_set(jsonb_set(body, '{data,reason}', '"severity_raised"'), '{data,alerts,0,max_severity}', '"critical"'))) as a
        where name = 'firing' $$,
    $$ values ('critical', '2026-03-09T10:02:00.000Z'), ('low', '2026-03-02T10:02:00.000Z'), ('medium', '2026-03-02T10:02:00.000Z'),
        ('high', '2026-03-02T10:02:00.000Z'), ('medium', '2026-03-02T10:01:00.000Z'), ('low', '2026-03-02T10:02:00.000Z') $$,
    'one whose severity rose ends under those before, so that none of it stays when it is over');
select results_eq(
    $$ select p ->> 'event_action', p ->> 'dedup_key' from event cross join lateral monitoring_internal.render_pagerduty(
            jsonb_set(body, '{data,status}', '"acknowledged"'), 'group/7') as p where name = 'firing' $$,
    $$ values ('acknowledge', 'group/7') $$, 'PagerDuty: and acknowledged by the same key');
select is((select monitoring_internal.render_notification('webhook', body, 'k') from event where name = 'firing'),
    (select body from event where name = 'firing'), 'a webhook gets the event itself');

-- Within limits, however long a text is.
create temporary table long as
select jsonb_set(e.body, '{data,alerts}', (
    select jsonb_agg(e.body #> '{data,alerts,0}' || jsonb_build_object('n', g.n, 'title', repeat('ä', 5000), 'message', repeat('x', 5000)))
    from generate_series(1, 50) as g (n))) as body
from event as e where e.name = 'firing';
select results_eq(
    $$ select length(s #>> '{blocks,0,text,text}') <= 150, length(s #>> '{blocks,1,text,text}') <= 3000, length(s ->> 'text') <= 3000,
        octet_length(t::text) < 28000, length(p #>> '{payload,summary}') <= 1024, length(p ->> 'dedup_key') <= 255,
        octet_length(p::text) < 512000
        from long cross join lateral (select monitoring_internal.render_notification('slack', body, 'k') as s,
            monitoring_internal.render_notification('teams', body, 'k') as t,
            monitoring_internal.render_notification('pagerduty', body, repeat('k', 400)) as p) as r $$,
    $$ values (true, true, true, true, true, true, true) $$, 'no receiver gets more than it takes');
-- As many as notify.max_alerts can be, in the longest signs there are.
create temporary table longest as
select jsonb_set(e.body, '{data,alerts}', (
    select jsonb_agg(e.body #> '{data,alerts,0}' || jsonb_build_object('n', g.n, 'title', repeat('🚨', 1000), 'message', repeat('"', 1000)))
    from generate_series(1, 1000) as g (n))) as body
from event as e where e.name = 'firing';
select results_eq(
    $$ select octet_length(monitoring_internal.render_notification('teams', body, 'k')::text) < 28000,
        octet_length(monitoring_internal.render_notification('pagerduty', body, 'k')::text) < 512000,
        octet_length(monitoring_internal.render_notification('slack', body, 'k')::text) < 40000 from longest $$,
    $$ values (true, true, true) $$, 'nor of a storm in pictures');
select is(monitoring_internal.shorten('abcdef', 4), 'abc…', 'what is cut says so');
select is(monitoring_internal.render_slack('{"type": "pgvigil.test"}') ->> 'text', 'pgvigil.test', 'an event without alerts is shown by its type');

select * from finish();
rollback;
