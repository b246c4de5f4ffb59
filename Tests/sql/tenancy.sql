-- Tenants, members, settings: what each function promises, and what a role sees.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create role pgvigil_test_a nologin;
create role pgvigil_test_b nologin;
create role pgvigil_test_none nologin;
grant monitoring_reader to pgvigil_test_a, pgvigil_test_b, pgvigil_test_none;
create role pgvigil_test_child nologin;
grant pgvigil_test_a to pgvigil_test_child;

-- Runs one statement as a role: its one value as text, or the SQLSTATE.
create function pg_temp.as_role(p_role name, p_sql text) returns text
language plpgsql as $$
declare
    v_value text;
begin
    begin
        execute format('set local role %I', p_role);
        execute p_sql into v_value;
        execute 'reset role';
        return v_value;
    exception when others then
        return sqlstate;
    end;
end
$$;

select is(monitoring.system_tenant_id()::text, '00000000-0000-4000-8000-000000000001', 'the system tenant is explicit');
select is(
    (select array_agg(name order by name) from monitoring.tenants where is_system), array['system'],
    'there is one system tenant');

select isnt(monitoring.create_tenant('acme', 'Acme'), null, 'create_tenant returns an id');
select isnt(monitoring.create_tenant('globex'), null, 'a display name is optional');
select throws_ok($$ select monitoring.create_tenant('acme') $$, '23505', null, 'a name is taken once');
select throws_ok($$ select monitoring.create_tenant('Bad Name') $$, '23514', null, 'a name is short and plain');
select throws_ok(
    $$ insert into monitoring.tenants (name, is_system) values ('second', true) $$, '23505', null,
    'a second system tenant is refused');

select lives_ok($$ select monitoring.add_tenant_member('pgvigil_test_a', 'acme') $$, 'a role becomes a member');
select lives_ok($$ select monitoring.add_tenant_member('pgvigil_test_a', 'acme') $$, 'adding it again changes nothing');
select lives_ok($$ select monitoring.add_tenant_member('pgvigil_test_b', 'globex') $$, 'so does another');
select throws_ok(
    $$ select monitoring.add_tenant_member('no_such_role', 'acme') $$, 'PV004', 'role no_such_role does not exist',
    'an unknown role is refused by name');
select throws_ok(
    $$ select monitoring.add_tenant_member('pgvigil_test_a', 'nobody') $$, 'PV001', 'tenant "nobody" does not exist',
    'an unknown tenant is refused by name');

create temporary view tenant as select name, tenant_id::text from monitoring.tenants;

select is(
    pg_temp.as_role('pgvigil_test_a', 'select monitoring.visible_tenant_ids()'),
    (select '{' || tenant_id || '}' from tenant where name = 'acme'), 'a member sees its tenant');
select is(
    pg_temp.as_role('pgvigil_test_child', 'select monitoring.visible_tenant_ids()'),
    (select '{' || tenant_id || '}' from tenant where name = 'acme'), 'a role inherits the view of the role it is in');
select is(
    pg_temp.as_role('pgvigil_test_none', 'select monitoring.visible_tenant_ids()'), '{}',
    'a reader of no tenant sees nothing');
select is(
    pg_temp.as_role('monitoring_exporter', 'select cardinality(monitoring.visible_tenant_ids())'), '3',
    'the exporter sees every tenant');
select is(
    pg_temp.as_role('pgvigil_test_b', 'select string_agg(name, '','') from monitoring.tenants'), 'globex',
    'the registry shows a member its own row only');
select is(
    pg_temp.as_role('pgvigil_test_b', 'select count(*) from monitoring.tenant_members'), '42501',
    'who sees what is for administrators');
select is(
    pg_temp.as_role('monitoring_admin', 'select count(*) from monitoring.tenant_members'), '2',
    'an administrator reads the members');

create role pgvigil_test_noinherit nologin noinherit;
grant monitoring_admin to pgvigil_test_noinherit;
select ok(
    not monitoring_internal.sees_all_tenants('pgvigil_test_noinherit'),
    'a role that inherits nothing is an operator only once it has set the operator''s role');

-- A tenant that has left keeps its rows until their retention ends, but sends no more.
update monitoring.tenants set is_active = false where name = 'acme';
grant execute on function monitoring_internal.require_visible_tenant(uuid) to monitoring_reader;
select is(
    pg_temp.as_role(
        'pgvigil_test_a',
        format('select monitoring_internal.require_visible_tenant(%L)',
            (select tenant_id from tenant where name = 'acme'))), 'PV002',
    'nobody writes for a tenant that has left');
update monitoring.tenants set is_active = true where name = 'acme';

-- The setting narrows; it never widens, and an empty one is as good as none.
select set_config('pgvigil.tenant_id', (select tenant_id from tenant where name = 'globex'), true);
select is(
    pg_temp.as_role('pgvigil_test_a', 'select monitoring.visible_tenant_ids()'), '{}',
    'a forged setting shows a role no foreign tenant');
select is(
    pg_temp.as_role('monitoring_admin', 'select cardinality(monitoring.visible_tenant_ids())'), '1',
    'the setting narrows what an operator sees');
select set_config('pgvigil.tenant_id', '', true);
select is(
    pg_temp.as_role('pgvigil_test_a', 'select cardinality(monitoring.visible_tenant_ids())'), '1',
    'an empty setting is no setting and no error');
select set_config('pgvigil.tenant_id', 'not a uuid', true);
select is(
    pg_temp.as_role('monitoring_admin', 'select monitoring.visible_tenant_ids()'), '{}',
    'a setting that is no tenant leaves nothing');
select set_config('pgvigil.tenant_id', '', true);

-- A member whose role has been dropped is no error for the others.
create role pgvigil_test_gone nologin;
select monitoring.add_tenant_member('pgvigil_test_gone', 'acme');
drop role pgvigil_test_gone;
select is(
    pg_temp.as_role('pgvigil_test_a', 'select cardinality(monitoring.visible_tenant_ids())'), '1',
    'a dropped role in the list harms nobody');

select is(
    pg_temp.as_role('pgvigil_test_a', 'select monitoring_internal.caller_role()'), 'pgvigil_test_a',
    'the caller is the role that was set');
select is(monitoring_internal.caller_role(), session_user, 'without SET ROLE the caller is the login');
select ok(monitoring_internal.sees_all_tenants('monitoring_service'), 'the service operates the installation');
select ok(not monitoring_internal.sees_all_tenants('monitoring_reader'), 'a reader does not');
select ok(not monitoring_internal.sees_all_tenants('monitoring_analyst'), 'nor does an analyst');

select lives_ok(
    $$ select monitoring_internal.require_visible_tenant(monitoring.system_tenant_id()) $$,
    'an operator may act for the system tenant');
select is(
    pg_temp.as_role(
        'pgvigil_test_a',
        format('select monitoring_internal.require_visible_tenant(%L)', monitoring.system_tenant_id())), 'PV002',
    'a member of another tenant may not act for it');

select ok(monitoring.remove_tenant_member('pgvigil_test_b', 'globex'), 'a right that was there is taken away');
select ok(not monitoring.remove_tenant_member('pgvigil_test_b', 'globex'), 'taking it again says that there was none');
select is(
    pg_temp.as_role('pgvigil_test_b', 'select monitoring.visible_tenant_ids()'), '{}', 'and the view is gone at once');
select is(
    monitoring_internal.tenant_id_of('system'), monitoring.system_tenant_id(), 'a tenant is found by its name');
select is(
    pg_temp.as_role('pgvigil_test_a', $$ select monitoring.create_tenant('evil') $$), '42501',
    'a reader registers no tenant');
select is(
    pg_temp.as_role('pgvigil_test_a', $$ select monitoring.add_tenant_member('pgvigil_test_a', 'globex') $$), '42501',
    'a reader gives itself no tenant');

-- Settings.
insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('test.span', '5 minutes', '5 minutes', 'interval', '1 second', '1 day', 'A length of time.'),
    ('test.count', '7', '7', 'integer', '1', '10', 'A number of things.'),
    ('test.ratio', '0.5', '0.5', 'number', '0', '1', 'A share.'),
    ('test.flag', 'true', 'true', 'boolean', null, null, 'A switch.'),
    ('test.word', 'x', 'x', 'text', null, null, 'A word.');
select is(monitoring_internal.setting_interval('test.span'), interval '5 minutes', 'an interval is read');
select is(monitoring_internal.setting_integer('test.count'), 7::bigint, 'an integer is read');
select is(monitoring_internal.setting_number('test.ratio'), 0.5::double precision, 'a number is read');
select is(monitoring_internal.setting_boolean('test.flag'), true, 'a switch is read');
select is(monitoring_internal.setting_text('test.word'), 'x', 'a word is read');
select throws_ok(
    $$ select monitoring_internal.setting_text('test.none') $$, 'PV003', 'setting "test.none" does not exist',
    'reading an unknown setting names it');
select throws_ok(
    $$ select monitoring.set_setting('test.none', '1') $$, 'PV003', null, 'so does changing it');
select lives_ok($$ select monitoring.set_setting('test.span', '10 minutes') $$, 'a value inside the bounds is taken');
select is(monitoring_internal.setting_interval('test.span'), interval '10 minutes', 'and is in force');
select throws_ok(
    $$ select monitoring.set_setting('test.span', '2 days') $$, 'PV005', null, 'a value out of bounds is refused');
select throws_ok($$ select monitoring.set_setting('test.count', 'many') $$, 'PV005', null, 'a word is no number');
select throws_ok($$ select monitoring.set_setting('test.count', '11') $$, 'PV005', null, 'too many is refused');
select throws_ok($$ select monitoring.set_setting('test.ratio', 'NaN') $$, 'PV005', null, 'NaN is no share');
select throws_ok($$ select monitoring.set_setting('test.flag', 'perhaps') $$, 'PV005', null, 'perhaps is no switch');
select throws_ok($$ select monitoring.set_setting('test.word', null) $$, 'PV005', null, 'nothing is no value');
select ok(
    monitoring_internal.is_setting_value('1 hour', 'interval', null, null)
    and not monitoring_internal.is_setting_value('soon', 'interval', null, null),
    'a value is judged by its kind');
select is(
    pg_temp.as_role('pgvigil_test_a', $$ select monitoring.set_setting('test.word', 'y') $$), '42501',
    'a reader changes no setting');
select is(
    (select count(*)::integer from monitoring.settings as s
     where not monitoring_internal.is_setting_value(s.default_value, s.kind, s.minimum, s.maximum)), 0,
    'every default is a value of its own setting');

update monitoring.tenants set updated_at = '2020-01-01', display_name = 'x' where name = 'acme';
select is(
    (select updated_at from monitoring.tenants where name = 'acme'), now(),
    'update_updated_at_column stamps a changed row');

select * from finish();
rollback;
