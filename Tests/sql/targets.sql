-- Targets: registering servers, what their connections may hold, their secrets, and who sees what of them.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_owner, monitoring_reader, monitoring_admin, monitoring_service;

-- Connections --------------------------------------------------------------------------------------
create function pg_temp.parts(p_conninfo text) returns text language sql as $$
    select string_agg(part.keyword || '=' || part.value, ' ' order by part.keyword)
    from monitoring_internal.conninfo_parts(p_conninfo) as part
$$;
select is(pg_temp.parts(given.conninfo), given.expected, 'read as libpq does: ' || given.conninfo)
from (values
    ('host=db.example', 'host=db.example'),
    ('  host = db.example   port=5433 ', 'host=db.example port=5433'),
    ($$ host='with space' user='it\'s' options='-c a=b' $$, $$host=with space options=-c a=b user=it's$$),
    ($$host=a\ b dbname=x\\y$$, $$dbname=x\y host=a b$$),
    ('host=a,b port=1,2 target_session_attrs=any', 'host=a,b port=1,2 target_session_attrs=any'),
    ('postgresql://db.example', 'host=db.example'),
    ('postgres://u%20x@db.example:5433/shop?sslmode=require&application_name=a%2Fb',
        'application_name=a/b dbname=shop host=db.example port=5433 sslmode=require user=u x'),
    ('postgresql://u@a:1,[::1]:2,c/shop', 'dbname=shop host=a,::1,c port=1,2, user=u'),
    ('postgresql:///shop?host=%2Frun%2Fpg&port=5433', 'dbname=shop host=/run/pg port=5433'),
    ('service=prod', 'service=prod')
) as given (conninfo, expected);
select throws_ok(
    format('select monitoring_internal.conninfo_parts(%L)', given.conninfo), 'PV602', 'the connection of a target holds a secret',
    'refused with its secret')
from (values
    ('host=a password=hunter2'), ('host=a password = ''hunter2'''), ('password=hunter2 host=a'), ('host=a sslpassword=hunter2'),
    ('postgresql://u:hunter2@a/x'), ('postgresql://a/x?password=hunter2'), ('postgres://u:%zz@a'),
    ('postgresql://:hunter2@a'), ('host=a password=one password=two'), ('postgresql://a/x?pass%77ord=hunter2'),
    ('postgresql://a/x?%73slpassword=hunter2')
) as given (conninfo)
where given.conninfo <> 'postgres://u:%zz@a';
select throws_ok(
    format('select monitoring_internal.conninfo_parts(%L)', given.conninfo), 'PV601', null, 'no connection: ' || given.conninfo)
from (values
    (''), ('db.example'), ('host=a port'), ('host=''a'), ('host=a host=b'), ('port=5432'), ('postgresql://'), ('user=x dbname=y'),
    ('host=a dbname=''host=b'''), ('host=a dbname=postgresql://b'), ('postgresql://a:b:c/x'), (E'host=a\nuser=b'),
    ('postgres://u:%zz@a'), ('host='), ('postgresql://u@a/x?host=b'), ('postgresql://u@a/x?host='), ('postgresql://a/?port=1&port='), ('postgresql://u@a/x?hos%74=b'),
    ('postgresql://u@a%0Aport=1/x'), ('postgresql://a/x?sslmode=require%0A'), ('host=a PASSWORD=b')
) as given (conninfo);
select is(monitoring_internal.decode_percent('a%20b%C3%A9%25'), 'a bé%', 'percent signs are resolved');
select is((select count(*) from monitoring_internal.conninfo_pairs('host=a port=1')), 2::bigint, 'pairs are read');
select is((select count(*) from monitoring_internal.conninfo_uri('postgres://a:1/b')), 3::bigint, 'URIs are');

-- What a secret is sealed for ----------------------------------------------------------------------
select is(
    monitoring_internal.seal_context('a', 'user=u port=1 host=h sslmode=require application_name=x dbname=d'),
    E'target=a\nhost=h\nport=1\nsslmode=require\nuser=u', 'a secret is sealed for where it goes, and no more');
select is(
    monitoring.target_seal_context('a', 'postgresql://u@h:1/d?sslmode=require'),
    monitoring_internal.seal_context('a', 'user=u port=1 host=h sslmode=require dbname=other'),
    'the same however it is written');
select isnt(
    monitoring.target_seal_context('a', changed.conninfo), monitoring.target_seal_context('a', 'host=h port=1 user=u'),
    'another: ' || changed.conninfo)
from (values
    ('host=evil port=1 user=u'), ('host=h port=2 user=u'), ('host=h port=1 user=v'), ('host=h hostaddr=10.0.0.1 port=1 user=u'),
    ('host=h port=1 user=u sslmode=disable'), ('host=h,evil port=1 user=u'), ('host=h port=1 user=u service=evil'),
    ('host=h port=1 user=u require_auth=password'), ('host=h port=1 user=u sslrootcert=system'),
    ('postgresql://u@h:1/?hos%74addr=10.0.0.1'), ('postgresql://u@h:1/?ssl%6Dode=disable')
) as changed (conninfo);

-- Registering --------------------------------------------------------------------------------------
select is(monitoring.add_target('shop', 'host=db.example user=pgvigil') > 0, true, 'a target is added');
select results_eq(
    $$ select name, status, databases, role from monitoring.target_status order by name $$,
    $$ values ('local', 'ok', 1::bigint, 'primary'), ('shop', 'never seen', 1, null) $$, 'and seen at once, with this server');
select results_eq(
    $$ select d.datname, d.is_main, d.is_home from monitoring.target_databases as d
        inner join monitoring.targets as t using (target_id) where t.name = 'shop' $$,
    $$ values ('postgres', true, false) $$, 'its main database is postgres unless its connection names one');
select set_eq(
    $$ select c.name from monitoring.collector_states as s inner join monitoring.collectors as c using (collector_id)
        inner join monitoring.targets as t using (target_id) where t.name = 'shop' $$,
    $$ select name from monitoring.collectors where scope <> 'home' $$, 'every collector has a state there but those of home');
select throws_ok(format('select monitoring.add_target(%L, %L)', given.name, given.conninfo), given.code, given.message, given.code)
from (values
    ('Shop', 'host=a', 'PV608', 'the name of a target is malformed'), ('', 'host=a', 'PV608', 'the name of a target is malformed'),
    ('a"b', 'host=a', 'PV608', 'the name of a target is malformed'), ('shop', 'host=a', 'PV608', 'target "shop" is there already'),
    ('local', 'host=a', 'PV608', 'target "local" is there already'), ('x', null, 'PV608', 'a target needs a connection'), ('service', 'host=a', 'PV608', 'no target can be named service'),
    ('x', 'host=a password=b', 'PV602', null), ('x', 'nonsense', 'PV601', null)
) as given (name, conninfo, code, message);
select throws_ok($$ select monitoring.add_target('x', 'host=a', max_connections => 0) $$, 'PV608', null, 'one run at least');
select throws_ok($$ select monitoring.set_target('shop', max_connections => 1000) $$, 'PV608', null, 'and a hundred at most');
select throws_ok($$ select monitoring.add_target('x', 'host=a', database_include => '(') $$, 'PV608',
    '( is no regular expression', 'an expression is one');
select throws_ok($$ select monitoring.add_target('x', 'host=a', tenant_id => gen_random_uuid()) $$, 'PV002', null,
    'a target belongs to a tenant that is there');
select throws_ok(format('select monitoring.%s', given.call), 'PV607', 'target "nobody" does not exist', given.call)
from (values ($$set_target('nobody')$$), ($$remove_target('nobody')$$), ($$accept_target('nobody')$$)) as given (call);
select throws_ok($$ select monitoring.remove_target('local') $$, 'PV607', null, 'this server stays');
select throws_ok($$ select monitoring_internal.require_target('local') $$, 'PV607', null, 'it is no target');

-- Secrets ------------------------------------------------------------------------------------------
-- What the server says when a statement fails, all of it.
create function pg_temp.said(p_statement text) returns text language plpgsql as $$
declare
    v_state text; v_message text; v_detail text; v_hint text; v_context text;
begin
    execute p_statement;
    return 'accepted';
exception when others then
    get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_detail = pg_exception_detail,
        v_hint = pg_exception_hint, v_context = pg_exception_context;
    return concat_ws(' ', v_state, v_message, v_detail, v_hint, split_part(v_context, 'SQL statement', 1));
end;
$$;
create temporary table refusal as
select given.statement, pg_temp.said(given.statement) as answer
from (values
    ($$ select monitoring.add_target('x', 'host=a', 'hunter2') $$),
    ($$ select monitoring.set_target('shop', sealed_secret => 'hunter2') $$),
    ($$ update monitoring.targets set sealed_secret = 'hunter2' where name = 'shop' $$),
    ($$ insert into monitoring.targets (name, tenant_id, conninfo, sealed_secret)
        select 'Bad Name', monitoring.system_tenant_id(), 'host=a', 'hunter2' $$),
    ($$ update monitoring.targets set conninfo = 'host=a password=hunter2' where name = 'shop' $$),
    ($$ insert into monitoring.targets (name, tenant_id, conninfo)
        select 'Bad Name', monitoring.system_tenant_id(), 'postgresql://u:hunter2@a' $$),
    ($$ update monitoring.targets set sealed_secret = 'pgvigil:v1:0123abcd:hunter2!' where name = 'shop' $$)
) as given (statement);
select is((select string_agg(statement, ';') from refusal where answer !~ '^PV60[23] '), null,
    'X-09: clear text is refused, however it is written');
select is((select string_agg(answer, ';') from refusal where answer ~ 'hunter2'), null, 'and no error shows any of it');
select throws_ok($$ select monitoring.set_target('shop', sealed_secret => 'x') $$,
    'PV603', 'a secret is not sealed', 'the error says what it is');
select matches((select answer from refusal where statement ~ 'set_target'), 'pgvigil targets add NAME',
    'the hint names the command that seals it');
select is((select conninfo from monitoring_internal.open_target(monitoring_internal.main_target_database('shop'))),
    'host=db.example user=pgvigil', 'without one it is connected without one');
select monitoring.set_target('shop', sealed_secret => 'pgvigil:v1:0123abcd:aGVsbG8=');
select is((select is_secret_usable from monitoring.targets where name = 'shop'), true, 'a sealed secret is taken');
select results_eq(
    $$ select sealed_secret, seal_context, datname, max_connections, facts_are_due, connect_timeout_ms
        from monitoring_internal.open_target(monitoring_internal.main_target_database('shop')) $$,
    $$ values ('pgvigil:v1:0123abcd:aGVsbG8=', E'target=shop\nhost=db.example\nuser=pgvigil', 'postgres', 2, true, 5000::bigint) $$,
    'and given to the service with what it was sealed for');
select monitoring.set_target('shop', 'host=db.example user=pgvigil application_name=x');
select is((select status from monitoring.target_status where name = 'shop'), 'never seen',
    'a change that sends it nowhere else leaves it usable');
select monitoring.set_target('shop', 'host=evil.example user=pgvigil');
select results_eq(
    $$ select status, reason, remedy from monitoring.target_status where name = 'shop' $$,
    $$ values ('secret unusable', 'its secret was sealed for another connection', 'pgvigil targets rotate shop') $$,
    'one that would send it elsewhere makes it unusable, and says what to do');
select is(
    (select seal_context from monitoring_internal.open_target(monitoring_internal.main_target_database('shop'))),
    E'target=shop\nhost=evil.example\nuser=pgvigil', 'for the service opens it with the present connection alone');
update monitoring.targets set sealed_for = E'target=shop\nhost=evil.example\nuser=pgvigil', is_secret_usable = true
where name = 'shop';
select is((select is_secret_usable from monitoring.targets where name = 'shop'), false, 'which nobody talks it out of');
select monitoring.set_target('shop', 'host=db.example user=pgvigil');
select is((select is_secret_usable from monitoring.targets where name = 'shop'), true, 'the old connection is good again');
select monitoring.set_target('shop', sealed_secret => '');
select is((select sealed_secret from monitoring.targets where name = 'shop'), null, 'a secret can be taken away');

-- Changes ------------------------------------------------------------------------------------------
select monitoring.set_target('shop', 'host=db.example user=pgvigil dbname=other', is_enabled => false,
    database_include => '^a', database_exclude => '^b', max_connections => 5);
select results_eq(
    $$ select is_enabled, database_include, database_exclude, max_connections from monitoring.targets where name = 'shop' $$,
    $$ values (false, '^a', '^b', 5) $$, 'what is given changes');
select is((select status from monitoring.target_status where name = 'shop'), 'disabled', 'a target can be switched off');
select results_eq(
    $$ select datname from monitoring.target_databases where is_main and not is_home $$, $$ values ('other') $$,
    'another main database takes its place');
select monitoring.set_target('shop', is_enabled => true, database_include => '');
select results_eq(
    $$ select is_enabled, database_include, database_exclude, max_connections from monitoring.targets where name = 'shop' $$,
    $$ values (true, null, '^b', 5) $$, 'what is not given stays, and an empty text clears');
select results_eq(
    $$ select kind from monitoring.target_events where target_name = 'shop' order by target_event_id $$,
    $$ values ('added'), ('credentials_changed'), ('connection_changed'), ('connection_changed'), ('connection_changed'),
        ('credentials_changed'), ('connection_changed') $$, 'all of it is in target_events');

-- Rights -------------------------------------------------------------------------------------------
select throws_ok('set local role monitoring_reader; select sealed_secret from monitoring.targets', '42501', null,
    'a reader cannot read a secret');
select throws_ok('set local role monitoring_reader; select conninfo from monitoring.targets', '42501', null, 'nor a connection');
select throws_ok('set local role monitoring_admin; select sealed_secret from monitoring.targets', '42501', null,
    'an administrator cannot read a secret');
select throws_ok('set local role monitoring_admin; select monitoring_internal.open_target(1)', '42501', null, 'by no function');
select throws_ok('set local role monitoring_service; select sealed_secret from monitoring.targets', '42501', null,
    'the service only for a connection');
select lives_ok('set local role monitoring_service; select monitoring_internal.open_target(1)', 'by open_target');
select throws_ok($$ set local role monitoring_service; select monitoring.add_target('x', 'host=a') $$, '42501', null,
    'it adds none');
select lives_ok($$ set local role monitoring_admin; select monitoring.add_target('made-by-admin', 'host=a') $$,
    'an administrator does');
reset role;
select is(
    (select string_agg(c.oid::regclass::text, ', ') from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid
        where c.relkind = 'v' and a.attname in ('sealed_secret', 'sealed_for')), null, 'no view has a secret');

-- Ends ---------------------------------------------------------------------------------------------
insert into monitoring.collector_gaps (collector_id, target_database_id, started_at, status, reason)
select s.collector_id, s.target_database_id, now(), 'skipped', 'x' from monitoring.collector_states as s
inner join monitoring.targets as t using (target_id) where t.name = 'shop' limit 1;
select monitoring.remove_target('shop');
select is((select count(*) from monitoring.target_status where name = 'shop'), 0::bigint, 'a target is removed');
select is((select count(*) from monitoring.collector_states where target_id not in (select target_id from monitoring.targets)),
    0::bigint, 'with its states');
select is((select count(*) from monitoring.collector_gaps where target_database_id <> 0 and ended_at is null), 0::bigint,
    'and its gaps are over');
select is((select kind from monitoring.target_events where target_name = 'shop' order by target_event_id desc limit 1), 'removed',
    'its events stay');

-- As of a time -------------------------------------------------------------------------------------
select is(monitoring_internal.add_target_at('then', 'host=a', null, null, null, null, 2, '2026-01-01') > 0, true, 'added then');
select monitoring_internal.set_target_at('then', null, null, null, 'x', null, null, '2026-01-02');
select monitoring_internal.accept_target_at('then', '2026-01-03');
select monitoring_internal.set_target_database(target_id) from monitoring.targets where name = 'then';
select monitoring_internal.note_target_event_at(target_id, 'refused', null, '{"a": 1}', '2026-01-04')
from monitoring.targets where name = 'then';
select monitoring_internal.remove_target_at('then', '2026-01-05');
select results_eq(
    $$ select kind, occurred_at from monitoring.target_events where target_name = 'then' order by occurred_at $$,
    $$ values ('added', timestamptz '2026-01-01'), ('accepted', '2026-01-03'), ('refused', '2026-01-04'),
        ('removed', '2026-01-05') $$, 'events carry the time they are given');
select has_trigger('monitoring', 'targets', 'targets_check', 'check_target() looks at every row');

select * from finish();
rollback;
