-- What the command line shows of targets, and to whom.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

select is_empty('select * from monitoring_internal.list_targets()', 'the store itself is no other server');
select isnt(
    monitoring.add_target('north', 'host=db.example user=watcher', 'pgvigil:v1:0123abcd:AAAA'), null, 'a target is added');
select results_eq(
    'select name, status, databases, role from monitoring_internal.list_targets()',
    $$values ('north', 'never seen', 1::bigint, null::text)$$, 'it is listed before it was ever reached');

select results_eq(
    $$select conninfo, sealed_secret, seal_context from monitoring_internal.target_secret('north')$$,
    $$select 'host=db.example user=watcher', 'pgvigil:v1:0123abcd:AAAA',
        monitoring.target_seal_context('north', 'host=db.example user=watcher')$$,
    'what a secret is sealed for is what it will be opened for');
select is(
    monitoring_internal.target_connection('north'), 'host=db.example user=watcher', 'how it is reached can be asked for');
select throws_ok(
    $$select monitoring_internal.target_connection('south')$$, 'PV607', null, 'of a target that is there');
select throws_ok(
    $$select * from monitoring_internal.target_secret('south')$$, 'PV607', null, 'an unknown name has no secret');
select throws_ok(
    $$select * from monitoring_internal.describe_target('south')$$, 'PV607', null, 'an unknown name is not described');

-- What the server says of itself when it is visited: no pg_monitor, and a database that it may not connect to.
select lives_ok(
    $$select monitoring_internal.report_target_facts(
        monitoring_internal.main_target_database('north'), null,
        '{"server_version_num": 170002, "server_version": "17.2", "system_identifier": "7", "in_recovery": false,
            "timeline": 3, "user": "Wat cher", "datname": "postgres", "clock": 0, "extensions": {}, "settings": {},
            "roles": [], "databases": [{"name": "postgres", "connectable": true},
                {"name": "Closed", "connectable": false}]}')$$,
    'its facts are taken');
select results_eq(
    $$select subject, value from monitoring_internal.describe_target('north')
        where subject in ('version', 'role', 'connected as', 'member of')$$,
    $$values ('version', '17.2'), ('role', 'primary, timeline 3'), ('connected as', 'Wat cher')$$,
    'version, role and login are shown');
select results_eq(
    $$select value, remedy from monitoring_internal.describe_target('north') where subject = 'database'$$,
    $$values ('Closed: the role may not connect to it', 'grant connect on database "Closed" to "Wat cher";'),
        ('postgres', null)$$,
    'each database is shown, and the grant that a closed one lacks');
select results_eq(
    $$select distinct remedy from monitoring_internal.describe_target('north')
        where subject like 'collector %' and value like '%pg_monitor%'$$,
    $$values ('grant pg_monitor to "Wat cher";')$$, 'collectors that lack a role say which');

select * from finish();
rollback;
