-- Email and text messages: what they look like, whom they go to, what a configuration may say, and how attempts end.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = error;
select no_plan();

create function pg_temp.at(p_seconds numeric) returns timestamptz language sql as $$
    select timestamptz '2026-03-02 10:00+00' + p_seconds * interval '1 second' $$;
create function pg_temp.id(p_no integer) returns uuid language sql as $$
    select ('00000000-0000-4000-a000-' || lpad(p_no::text, 12, '0'))::uuid $$;
create temporary table event as
select 'firing' as name, $${"type": "alert.fired", "timestamp": "2026-03-02T10:02:00.000Z", "data": {"reason": "first",
    "status": "firing", "severity": "critical", "tenant": "acme", "firing": 2, "resolved": 0, "truncated": 3, "alerts": [
    {"id": "a", "rule": "disk", "title": "disk <full> & höt", "message": "5 % left", "severity": "critical", "status": "active",
        "labels": {"host": "db1", "mount.point": "/"}, "started_at": "2026-03-02T10:00:00.000Z", "link": "https://m.example/alerts/a?x=1&y=2",
        "runbook_url": "javascript:alert(1)"},
    {"id": "b", "rule": "disk", "title": "disk b", "message": "7 % left", "severity": "medium", "status": "resolved",
        "labels": {"host": "db2"}, "started_at": "2026-03-02T09:00:00.000Z", "resolved_at": "2026-03-02T10:01:00.000Z"}]}}$$::jsonb as body
union all
select 'resolved', $${"type": "alert.resolved", "timestamp": "2026-03-02T11:00:00.000Z", "data": {"reason": "all_resolved",
    "status": "resolved", "severity": "critical", "tenant": "acme", "firing": 0, "resolved": 1, "alerts": [
    {"id": "a", "rule": "disk", "title": "disk a", "message": "fine", "severity": "critical", "status": "resolved", "labels": {},
        "started_at": "2026-03-02T10:00:00.000Z", "resolved_at": "2026-03-02T11:00:00.000Z"}]}}$$
union all
select 'hostile', jsonb_build_object('type', 'alert.fired', 'timestamp', '2026-03-02T10:02:00.000Z', 'data', jsonb_build_object(
    'status', 'firing', 'severity', 'high', 'tenant', E'x\r\nBcc: d@evil.example', 'truncated', 0, 'alerts', (
        select jsonb_agg(jsonb_build_object('id', n, 'rule', 'r', 'severity', 'high', 'status', 'active',
            'title', E'a\r\nBcc: b@evil.example\r\n\r\n--=_0' || repeat('ä🚨', 3000), 'message', E'.\r\n.\r\nQUIT <script>{{to}}{{secret}}' || repeat('y ', 5000),
            'labels', jsonb_build_object('host', repeat('z', 5000)), 'started_at', '2026-03-02T10:00:00.000Z'))
        from generate_series(1, 1000) as n)));
create function pg_temp.event(p_name text) returns jsonb language sql as $$ select body from event where name = p_name $$;
create function pg_temp.lines(p_lines text[]) returns text language sql as $$ select array_to_string(p_lines, E'\r\n') $$;

-- A mail, byte for byte ---------------------------------------------------------------------------------------------
select is(monitoring_internal.mail_plain(pg_temp.event('firing')), pg_temp.lines(array[
    'Critical: disk <full> & höt and 4 more', '', 'critical: disk <full> & höt', '  5 % left',
    '  since 2026-03-02 10:00:00 UTC', '  host=db1, mount.point=/', '  https://m.example/alerts/a?x=1&y=2', '',
    'resolved: disk b', '  7 % left', '  since 2026-03-02 09:00:00 UTC until 2026-03-02 10:01:00 UTC', '  host=db2', '',
    'and 3 more', '', 'Sent by pgvigil for acme', '']), 'the plain part of a mail');
select is(monitoring_internal.mail_html(pg_temp.event('firing')),
    '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="font-family:sans-serif"><h2 style="color:#b3261e">'
    'Critical: disk &lt;full&gt; &amp; höt and 4 more</h2>'
    '<div style="margin:0 0 1em;padding-left:.7em;border-left:4px solid #b3261e"><b>critical: disk &lt;full&gt; &amp; höt</b>'
    '<br>5 % left<br><small>since 2026-03-02 10:00:00 UTC</small><br><small>host=db1, mount.point=/</small>'
    '<br><a href="https://m.example/alerts/a?x=1&amp;y=2">https://m.example/alerts/a?x=1&amp;y=2</a></div>'
    '<div style="margin:0 0 1em;padding-left:.7em;border-left:4px solid #1a7f37"><b>resolved: disk b</b><br>7 % left'
    '<br><small>since 2026-03-02 09:00:00 UTC until 2026-03-02 10:01:00 UTC</small><br><small>host=db2</small></div>'
    '<p>and 3 more</p><p><small>Sent by pgvigil for acme</small></p></body></html>',
    'the HTML part: escaped, and without links to what is no page');
create function pg_temp.mail(p_name text, p_no integer, p_previous integer, p_recipient text default null) returns text language sql as $$
    select monitoring_internal.render_mail(pg_temp.event(p_name), '{"from": "vigil@example.org", "to": ["b@example.org", "a@example.org"]}',
        pg_temp.id(p_no), pg_temp.id(p_previous), 'group/7', p_recipient) $$;
select is(pg_temp.mail('firing', 1, null), pg_temp.lines(array[
    'From: pgvigil <vigil@example.org>', 'To: <a@example.org>,', ' <b@example.org>',
    'Subject: =?UTF-8?B?Q3JpdGljYWw6IGQ=?=', ' =?UTF-8?B?aXNrIDxmdWxsPiA=?=', ' =?UTF-8?B?JiBow7Z0IGFuZCA0?=', ' =?UTF-8?B?IG1vcmU=?=',
    'Date: Mon, 02 Mar 2026 10:02:00 +0000', 'Message-ID: <msg_0000000000004000a000000000000001@example.org>',
    'In-Reply-To: <key_eb4ea1f808309990d0edf7f1ed88aa66@example.org>', 'References: <key_eb4ea1f808309990d0edf7f1ed88aa66@example.org>',
    'Auto-Submitted: auto-generated', 'Importance: high', 'MIME-Version: 1.0',
    'Content-Type: multipart/alternative;', ' boundary="=_0000000000004000a000000000000001"', '',
    '--=_0000000000004000a000000000000001', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64', '',
    replace(encode(convert_to(monitoring_internal.mail_plain(pg_temp.event('firing')), 'UTF8'), 'base64'), E'\n', E'\r\n'),
    '--=_0000000000004000a000000000000001', 'Content-Type: text/html; charset=utf-8', 'Content-Transfer-Encoding: base64', '',
    monitoring_internal.mime_base64(monitoring_internal.mail_html(pg_temp.event('firing')))
        || '--=_0000000000004000a000000000000001--', '']), 'a mail has its parts in base64, its subject in words of RFC 2047');
select ok(pg_temp.mail('resolved', 2, 1) like E'%\r\nSubject: Resolved: disk a\r\n%Message-ID: <msg_0000000000004000a000000000000002@example.org>\r\n'
    'In-Reply-To: <msg_0000000000004000a000000000000001@example.org>\r\n'
    'References: <key_eb4ea1f808309990d0edf7f1ed88aa66@example.org>\r\n <msg_0000000000004000a000000000000001@example.org>\r\n%',
    'its end answers the mail that told of it, and has the same root');
select ok(pg_temp.mail('resolved', 2, 1) not like '%Importance%', 'and is not urgent');
select ok(pg_temp.mail('firing', 1, null, 'ann@example.org') like E'%\r\nTo: <ann@example.org>\r\n%', 'one for a person names that one');
select ok(pg_temp.mail('firing', 1, null, E'a@example.org\r\nBcc: b@evil.example') like E'%\r\nTo: undisclosed-recipients:;\r\n%',
    'X-09: what is no address is in no header');

-- Bounds and injection ----------------------------------------------------------------------------------------------
create temporary table hostile as select pg_temp.mail('hostile', 1, 2) as mail;
select is((select count(*) from hostile, regexp_split_to_table(mail, E'\r\n') as line where line like 'Bcc:%' or line like '.%'), 0::bigint,
    'no title, tenant or message makes a header or a line that SMTP knows');
select is((select max(length(line)) from hostile, regexp_split_to_table(mail, E'\r\n') as line), 76, 'no line is longer than 76 characters');
select is((select count(*) from hostile, regexp_matches(mail, E'[^\r]\n|\r[^\n]|[^\r\n -~]', 'g') as odd), 0::bigint,
    'every line ends by CR LF, and all is ASCII');
select ok((select length(mail) < 300000 from hostile), 'however much there is to tell, a mail stays small');
select ok(length(monitoring_internal.mail_html(pg_temp.event('hostile'))) < 102000, 'and so that no reader cuts it');
select is((select count(*) from monitoring_internal.mail_alerts(pg_temp.event('hostile'))), 20::bigint, 'it lists twenty alerts');
select is(monitoring_internal.mail_rest(pg_temp.event('hostile')), '980 more', 'and counts the others');
select is(monitoring_internal.mail_rest(pg_temp.event('resolved')), null, 'if there are any');
select results_eq(
    $$ select monitoring_internal.mime_words(t) from (values ('High: disk a'), (E'a\r\nBcc: b@c'), ('=?UTF-8?B?YQ==?='), ('ä')) as v (t) $$,
    $$ values ('High: disk a'), ('a Bcc: b@c'), ('=?UTF-8?B?PT9VVEYtOD9CP1k=?=' || E'\r\n =?UTF-8?B?UT09Pz0=?='), ('=?UTF-8?B?w6Q=?=') $$,
    'header text is one line, and encoded where it is not plain or looks encoded');
select is(monitoring_internal.escape_html('<a href="x">&'), '&lt;a href=&quot;x&quot;&gt;&amp;', 'markup is text');
select results_eq(
    $$ select t from (values ('a@b.example'), ('a.b+c@x-y.example'), ('a@localhost'), ('a@b@c'), ('a b@c.example'), ('<a@b.example>'),
            ('a@-b.example'), ('.a@b.example'), (E'a@b.example\r\nRCPT TO:<c@d.example>'), (E'a@b.example\n'), ('"a"@b.example'), ('@b.example'),
            ('a@'), ('ä@b.example'), (repeat('a', 65) || '@b.example'), ('a@' || repeat('b.', 130) || 'c'), ('')) as v (t)
        where monitoring_internal.is_mail_address(t) $$,
    $$ values ('a@b.example'), ('a.b+c@x-y.example'), ('a@localhost') $$, 'an address is one that can be nothing else');

-- Text messages -----------------------------------------------------------------------------------------------------
select is(monitoring_internal.render_sms(pg_temp.event('firing'), 1),
    'Critical: disk <full> & höt and 4 more - 5 % left https://m.example/alerts/a?x=1&y=2', 'a text message in the alphabet of GSM');
select is(monitoring_internal.render_sms(pg_temp.event('resolved'), 1), 'Resolved: disk a - fine', 'and its end');
select results_eq(
    $$ select length(monitoring_internal.sms_text(repeat(t, 2000), n)) from (values (1, 'a', 1), (2, 'a', 2), (3, '€', 1), (4, 'ж', 1), (5, 'ж', 2),
        (6, '🚨', 2), (7, 'a', 10)) as v (no, t, n) order by no $$,
    $$ values (160), (304), (81), (70), (132), (67), (1520) $$,
    'a segment has 160 signs of GSM, those that are written by two count twice; or 70 others, pictures twice');
select is(monitoring_internal.sms_text(repeat('a', 160), 1), repeat('a', 160), 'what fits is not cut');
select is(monitoring_internal.sms_text(E'“a”\r\n– b…\t•', 1), '"a" - b... *', 'signs that would halve its length are written by others');
select results_eq(
    $$ select * from monitoring_internal.sms_request('{"preset": "twilio", "from": "+15005550006"}', 'a & {{to}} "ü"', pg_temp.id(1)) $$,
    $$ values ('application/x-www-form-urlencoded', 'Body=a%20%26%20%7B%7Bto%7D%7D%20%22%C3%BC%22&From=%2B15005550006&To={{to}}') $$,
    'Twilio takes a form, in which no text is a field');
select results_eq(
    $$ select r.content_type, r.body, r.body::jsonb ->> 'text'
        from monitoring_internal.sms_request('{"preset": "json", "from": "vigil"}', E'a & {{to}} "ü"\\\n', pg_temp.id(1)) as r $$,
    $$ values ('application/json', '{"to": "{{to}}", "from": "vigil", "text": "a & \u007b\u007bto}} \"ü\"\\\n"}', E'a & {{to}} "ü"\\\n') $$,
    'others JSON, in which no text is a place for the number');
select is((select r.body::jsonb from monitoring_internal.sms_request(
    '{"method": "PUT", "body": {"messages": [{"recipients": ["{{to}}"], "ref": "{{id}}", "content": {"text": "pg: {{text}}"}}]}}', 'x', pg_temp.id(1)) as r),
    '{"messages": [{"recipients": ["{{to}}"], "ref": "msg_0000000000004000a000000000000001", "content": {"text": "pg: x"}}]}', 'or their own form of it');
select results_eq(
    $$ select monitoring_internal.address_sms('To={{to}}', 'application/x-www-form-urlencoded', '+49 30 / 12'),
        monitoring_internal.address_sms('{"to": "{{to}}"}', 'application/json', '+49 30", "x": "') $$,
    $$ values ('To=%2B493012', '{"to": "+4930"}') $$, 'a number is its digits');
select is(monitoring_internal.percent_encode('a~b/ü'), 'a~b%2F%C3%BC', 'a form has everything else by its bytes');
select is(monitoring_internal.sms_settings('{"preset": "twilio", "format": "json"}') ->> 'format', 'json', 'a preset is what nothing else says');

-- Configurations ----------------------------------------------------------------------------------------------------
create function pg_temp.add(p_name text, p_type text, p_configuration jsonb, p_sealed text default null) returns uuid language sql as $$
    insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, configuration, sealed_secret)
    values (monitoring.system_tenant_id(), p_name, p_type, p_configuration, p_sealed) returning id $$;
select throws_ok($$ select pg_temp.add('mail', 'email', '{"url": "http://m.example"}') $$, 'PV967',
    'the configuration of channel "mail" is wrong: "url" is smtp://HOST:PORT (with STARTTLS), smtps://HOST:PORT or smtp+plain://HOST:PORT',
    'a configuration that says nothing usable is refused with what is wrong');
select results_eq(
    $$ select monitoring_internal.email_fault(c::jsonb, s) from (values (1, '{"url": "smtp://m.example:587"}', false),
        (2, '{"url": "smtp://m.example:587", "from": "me"}', false), (3, '{"to": "a@b.example"}', false), (4, '{"to": ["a@b.example", "x"]}', false),
        (5, '{"url": "smtp://m.example", "from": "a@b.example"}', true), (6, '{"url": "smtp+plain://m.example", "from": "a@b.example", "user": "u"}', true),
        (7, '{"url": "smtps://u@m.example/x", "from": "a@b.example"}', false), (8, '{"user": "a\nb"}', false), (9, '{}', true),
        (10, '{"url": "smtps://[2001:db8::1]:465", "from": "a@b.example", "to": ["c@d.example"], "user": "u"}', true)) as v (n, c, s) order by n $$,
    $$ values ('"from" is missing'), ('"from" is no address of email'), ('"to" is no list of addresses'), ('"to" holds what is no address of email'),
        ('there is a password, but no "user"'), ('smtp+plain would show the password'),
        ('"url" is smtp://HOST:PORT (with STARTTLS), smtps://HOST:PORT or smtp+plain://HOST:PORT'), ('"user" is no name'), (null), (null) $$,
    'an email channel: its server, its sender, its recipients, its login');
select results_eq(
    $$ select monitoring_internal.sms_fault(c::jsonb, true) from (values (1, '{"url": "sms.example"}'), (2, '{"preset": "x"}'), (3, '{"format": "xml"}'),
        (4, '{"method": "GET"}'), (5, '{"auth": "none"}'), (6, '{"auth": "basic"}'), (7, '{"user": "a:b"}'), (8, '{"body": "x"}'),
        (9, '{"url": "https://sms.example", "body": {"to": "{{to}}"}}'), (10, '{"segments": 11}'), (11, '{"to": "+1"}'), (12, '{"to": ["nobody"]}'),
        (13, '{"url": "https://sms.example/v1", "preset": "json", "from": "x", "to": ["+49 30 123"], "segments": 3}')) as v (n, c) order by n $$,
    $$ values ('"url" is https://HOST/PATH'), ('"preset" is twilio or json'), ('"format" is form or json'), ('"method" is POST or PUT'),
        ('"auth" is basic or bearer'), ('"user" is missing for basic'), ('"user" is no name'), ('"body" is an object with {{to}} and {{text}} in it'),
        ('"body" is an object with {{to}} and {{text}} in it, or name a "preset"'), ('"segments" is 1 to 10'), ('"to" is no list of numbers'),
        ('"to" holds what is no telephone number'), (null) $$, 'an SMS channel: its provider, the request, its recipients');
select throws_ok($$ select pg_temp.add('mail', 'email', '{"url": "smtp://m.example", "password": "hunter2"}') $$, 'PV960', null,
    'X-09: a password in clear is refused');
select results_eq(
    $$ select r.* from (values (1, 'email', '{"url": "smtp://m", "from": "f", "user": "u"}'), (2, 'sms', '{"url": "s", "method": "PUT", "user": "u"}'),
        (3, 'sms', '{"url": "s", "from": "f"}'), (4, 'alertmanager', '{"url": "https://am/"}'), (5, 'pagerduty', '{}'), (6, 'slack', '{"url": "x"}'), (7, 'teams', '{}'))
        as v (n, t, c) cross join lateral monitoring_internal.channel_request(v.t, v.c::jsonb) as r order by n $$,
    $$ values ('smtp://m', null, null, 'u', 'f'), ('s', 'PUT', 'basic', 'u', null), ('s', null, 'bearer', null, 'f'),
        ('https://am/api/v2/alerts', null, null, null, null), ('https://events.pagerduty.com/v2/enqueue', null, null, null, null),
        (null, null, null, null, null), (null, null, null, null, null) $$, 'how each kind is reached');

-- From a channel to its recipients ----------------------------------------------------------------------------------
select pg_temp.add('bare', 'email', '{}'), pg_temp.add('mail', 'email', '{"url": "smtp://m.example:587", "from": "vigil@example.org", "user": "u",
    "to": ["a@example.org", "b@example.org", "a@example.org"]}', 'pgvigil:v1:0a1b2c3d:QUJDRA==');
select pg_temp.add('text', 'sms', '{"url": "https://sms.example", "preset": "twilio", "from": "+1", "to": ["+49 30 123"], "user": "AC1"}', 'pgvigil:v1:0a1b2c3d:QUJDRA==');
create function pg_temp.test(p_name text, p_at timestamptz) returns uuid language sql as $$ select monitoring_internal.test_endpoint_at(p_name, null, p_at) $$;
select pg_temp.test('bare', pg_temp.at(0)), pg_temp.test('mail', pg_temp.at(0)), pg_temp.test('text', pg_temp.at(0));
select results_eq(
    $$ select c.channel_type, c.recipient, c.url, c.method, c.auth, c.login, c.sender, c.timeout_ms, c.content_type,
            case c.content_type when 'message/rfc822' then c.body like E'%\nTo: <a@example.org>,\r\n <b@example.org>\r\n%' else c.body like '%&To=%2B4930123' end,
            c.seal_context = monitoring_internal.channel_seal_context(n.id, n.channel_type, n.configuration ->> 'url')
        from monitoring_internal.claim_deliveries_at(pg_temp.id(1), 10, pg_temp.at(1)) as c
        inner join monitoring.notification_channels as n on n.id = c.destination_id order by 1, 2 $$,
    $$ values ('email', 'a@example.org', 'smtp://m.example:587', null, null, 'u', 'vigil@example.org', 60000::bigint, 'message/rfc822', true, true),
        ('email', 'b@example.org', 'smtp://m.example:587', null, null, 'u', 'vigil@example.org', 60000, 'message/rfc822', true, true),
        ('sms', '+49 30 123', 'https://sms.example', null, 'basic', 'AC1', '+1', 15000, 'application/x-www-form-urlencoded', true, true) $$,
    'each recipient is a delivery of its own, with all that getting through takes; a channel without a server is left alone');
select results_eq(
    $$ select channel_name, cause from monitoring.pending_notifications where channel_name = 'bare' $$,
    $$ values ('bare', 'its configuration names no url of a server') $$, 'and says why it waits');
create function pg_temp.ack(p_recipient text, p_status integer, p_class text, p_at timestamptz) returns integer language sql as $$
    select monitoring_internal.ack_deliveries_at(pg_temp.id(1), array_agg(d.delivery_id), array_agg(d.fence), array_agg(p_status), array_agg(p_class),
        array_agg(null::text), array_agg('answer'::text), array_agg(0.1::float8), p_at)
    from monitoring.deliveries as d where d.lease_instance_id = pg_temp.id(1) and d.recipient = p_recipient $$;
select pg_temp.ack('a@example.org', 250, null, pg_temp.at(2)), pg_temp.ack('b@example.org', 450, 'deferred', pg_temp.at(2)),
    pg_temp.ack('+49 30 123', 201, null, pg_temp.at(2));
select results_eq(
    $$ select recipient, state, last_status, due_at - pg_temp.at(2) >= interval '1 minute' from monitoring.deliveries where recipient is not null $$,
    $$ values ('b@example.org', 'failed', 450, true) $$, 'who was told is told once; who could not be is tried again, and not at once');
select pg_temp.test('mail', pg_temp.at(3));
select results_eq(
    $$ select c.recipient from monitoring_internal.claim_deliveries_at(pg_temp.id(1), 10, pg_temp.at(4)) as c order by 1 $$,
    $$ values ('a@example.org'), ('b@example.org') $$, 'and nobody waits for another one''s mailbox');
select pg_temp.ack('a@example.org', 250, null, pg_temp.at(5)), pg_temp.ack('b@example.org', 550, 'rejected', pg_temp.at(5));
select results_eq(
    $$ select d.recipient, d.attempts, d.reason, s.consecutive_failures from monitoring.dead_letters as d
        inner join monitoring.destination_states as s using (destination_id) $$,
    $$ values ('b@example.org', 1, 'status 550', 0) $$, 'what a server rejects for good is dead at once, and no sign that the server is');
select monitoring_internal.replay_delivery_at(d.delivery_id, pg_temp.at(6)) from monitoring.dead_letters as d;
select results_eq(
    $$ select c.recipient, c.attempt from monitoring_internal.claim_deliveries_at(pg_temp.id(1), 10, pg_temp.at(7)) as c $$,
    $$ values ('b@example.org', 1) $$, 'a replay is for that recipient alone');
select results_eq(
    $$ select monitoring_internal.delivery_outcome(s, c, a, 1000000, false) from (values (1, 421, 'deferred', 9), (2, 431, 'deferred', 9), (3, 535, 'login', 9),
        (4, null, 'no_tls', 1), (5, 554, 'rejected', 1), (6, 404, null, 3), (7, 550, null, 3)) as v (n, s, c, a) order by n $$,
    $$ values ('failed'), ('failed'), ('failed'), ('dead'), ('dead'), ('dead'), ('failed') $$,
    'codes of SMTP are judged by their class: later, never, or once the login is mended');
select pg_temp.ack('b@example.org', 421, 'deferred', pg_temp.at(8));
select is((select s.consecutive_failures from monitoring.destination_states as s inner join monitoring.notification_channels as c on c.id = s.destination_id
    where c.channel_name = 'mail'), 1, 'a server that is closing counts as down');
select pg_temp.add('nobody''s', 'sms', '{"url": "https://sms.example", "preset": "json"}');
select pg_temp.test('nobody''s', pg_temp.at(9));
select results_eq($$ select c.recipient, c.body::jsonb ->> 'to' from monitoring_internal.claim_deliveries_at(pg_temp.id(2), 10, pg_temp.at(10)) as c $$,
    $$ values (null::text, '{{to}}'::text) $$, 'one for nobody is claimed, so that its end is told');
select results_eq($$ select r.* from monitoring_internal.render_message('sms', '{"format": "form"}', pg_temp.event('firing'), pg_temp.id(1), null, 'k', null) as r $$,
    $$ values ('application/x-www-form-urlencoded', '') $$, 'a configuration that says nothing fails nobody');
select is(monitoring_internal.sms_text('', 1), '', 'nor does an empty text');
select results_eq(
    $$ select * from monitoring_internal.recipients('{"to": ["a", "b", "a"]}', null) order by 1 $$, $$ values ('a'), ('b') $$, 'whom a channel names');
select results_eq($$ select * from monitoring_internal.recipients('{"to": ["a"]}', 'c') $$, $$ values ('c') $$, 'or whom a message is for');
select is_empty($$ select * from monitoring_internal.recipients('{"to": "a"}', null) $$, 'or nobody');
select results_eq(
    $$ select content_type, body from monitoring_internal.render_message('slack', '{}', '{"type": "t"}', pg_temp.id(1), null, 'k', null) $$,
    $$ select 'application/json', monitoring_internal.render_slack('{"type": "t"}')::text $$, 'chat has JSON as before');
select ok(has_column_privilege('monitoring_reader', 'monitoring.deliveries', 'message_id', 'select')
    and not has_column_privilege('monitoring_reader', 'monitoring.deliveries', 'recipient', 'select')
    and not has_column_privilege('monitoring_analyst', 'monitoring.dead_letters', 'recipient', 'select'), 'readers see no addresses of people');

select * from finish();
rollback;
