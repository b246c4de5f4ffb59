-- The audit trail: every change of audited tables, in its own transaction, without secrets, and never changed again.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create role pgvigil_test_admin login;
create role pgvigil_test_analyst login;
create role pgvigil_test_reader login;
grant monitoring_admin to pgvigil_test_admin;
grant monitoring_analyst to pgvigil_test_analyst;
grant monitoring_reader to pgvigil_test_reader;
create temporary table own as
select monitoring.create_tenant('acme') as tenant_id;
select monitoring.add_tenant_member('pgvigil_test_analyst', 'acme');
select monitoring.add_tenant_member('pgvigil_test_reader', 'acme');
grant select on own to public;

-- What the trail says of a kind of thing, oldest first.
create function pg_temp.trail(p_type text, p_id text default null)
returns table (action text, role_name text, before jsonb, after jsonb) language sql as $$
    select action, role_name, before, after from monitoring.audit_logs
    where resource_type = p_type and (p_id is null or resource_id = p_id) order by audit_log_id;
$$;
create function pg_temp.raise_alert(p_rule integer, p_severity text default 'critical') returns uuid language sql as $$
    insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity,
        max_severity, first_breach_at, triggered_at)
    select tenant_id, p_rule, 'rule ' || p_rule, gen_random_uuid(), 't', 'm', p_severity, p_severity, now(), now() from own
    returning id;
$$;

-- Any change, by any way ------------------------------------------------------------------------------------
set local role pgvigil_test_admin;
insert into monitoring.people (tenant_id, name, role_name) select tenant_id, 'anna', 'pgvigil_test_analyst' from own;
update monitoring.people set time_zone = 'Europe/Berlin' where name = 'anna';
update monitoring.people set time_zone = time_zone where name = 'anna';
insert into monitoring.people (tenant_id, name) select tenant_id, 'ben' from own;
delete from monitoring.people where name = 'ben';
reset role;
select results_eq(
    $$ select action, role_name, before, after - 'person_id' - 'tenant_id' from pg_temp.trail('person') $$,
    $$ values
        ('person_created', 'pgvigil_test_admin', null::jsonb,
            '{"name": "anna", "is_active": true, "role_name": "pgvigil_test_analyst", "time_zone": "UTC"}'::jsonb),
        ('person_changed', 'pgvigil_test_admin', '{"time_zone": "UTC"}', '{"time_zone": "Europe/Berlin"}'),
        ('person_created', 'pgvigil_test_admin', null, '{"name": "ben", "is_active": true, "time_zone": "UTC"}'),
        ('person_removed', 'pgvigil_test_admin', (select before from pg_temp.trail('person') where action = 'person_removed'),
            null) $$,
    'X-15: each insert, update and delete is recorded with who did it, a change with what changed alone');
select is(
    (select bool_and(tenant_id = (select tenant_id from own) and transaction_id = pg_current_xact_id()
        and resource_id is not null and occurred_at between transaction_timestamp() and clock_timestamp())
     from monitoring.audit_logs where resource_type = 'person'), true,
    'with its tenant, its transaction and its time');
select monitoring.set_setting('store.max_past', '2 days');
select results_eq(
    $$ select action, after from pg_temp.trail('setting', 'store.max_past') $$,
    $$ values ('setting_changed', '{"value": "2 days"}'::jsonb) $$, 'also where a function writes');
select is(
    (select count(*) from pg_temp.trail('tenant_member') where after ->> 'role_name' = 'pgvigil_test_analyst'), 1::bigint,
    'rights given are recorded');

-- Every table that an administrator writes, and what functions write for one, has its triggers.
select is_empty(
    $$ select c.oid::regclass from pg_class as c
        where c.relnamespace = 'monitoring'::regnamespace and c.relkind in ('r', 'p')
            and (has_any_column_privilege('monitoring_admin', c.oid, 'insert, update')
                or has_table_privilege('monitoring_admin', c.oid, 'delete')
                or c.relname in ('alerts', 'alert_comments', 'jobs', 'settings', 'targets', 'tenants', 'tenant_members'))
            and (select count(*) from pg_trigger as t
                where t.tgrelid = c.oid and t.tgname ~ '_audit_(insert|update|delete)$' and t.tgenabled <> 'D')
                < case when has_table_privilege('monitoring_admin', c.oid, 'delete')
                    or has_any_column_privilege('monitoring_admin', c.oid, 'insert')
                    or c.relname in ('alerts', 'alert_comments', 'jobs', 'settings', 'targets', 'tenants',
                        'tenant_members') then 3 else 1 end $$,
    'every table of configuration, alerts and people is audited: a new one is named here until it is');

-- Secrets -----------------------------------------------------------------------------------------------------
select is(
    monitoring_internal.audit_masked('{"name": "a", "configuration": {"url": "https://hooks.example/T1/s3cret"},
        "sealed_secret": "pgv1:abc", "api_key": "k", "address": "anna@example.com", "conninfo": "password=p", "token": null}'),
    '{"name": "a", "configuration": "(masked)", "sealed_secret": "(masked)", "api_key": "(masked)", "address": "(masked)",
        "conninfo": "(masked)", "token": null}'::jsonb, 'secrets and what may hold them are masked, whole');
insert into monitoring.contact_methods (tenant_id, person_id, kind, address)
select p.tenant_id, p.person_id, 'email', 'anna@private.example' from monitoring.people as p where name = 'anna';
update monitoring.contact_methods set address = 'anna@other.example';
select is(
    (select after from pg_temp.trail('contact_method') where action = 'contact_method_changed'), '{"address": "(masked)"}'::jsonb,
    'that an address changed is told, not to what');
select is((select count(*) from monitoring.audit_logs as a where a::text ~ '@(private|other)[.]example'), 0::bigint,
    'and no row holds it');
select throws_ok(
    $$ insert into monitoring.contact_methods (tenant_id, person_id, kind, address)
        select p.tenant_id, p.person_id, 'slack', 'https://hooks.slack.example/x' from monitoring.people as p $$,
    '23514', null, 'an address that is a URL is refused: it would be a secret in clear text');

-- Alerts --------------------------------------------------------------------------------------------------------
create temporary table raised as select pg_temp.raise_alert(1) as id;
select results_eq(
    $$ select t.action, t.after ->> 'severity' from raised cross join lateral pg_temp.trail('alert', raised.id::text) as t $$,
    $$ values ('alert_created', 'critical') $$, 'row 42: an alert comes with its audit row');
create function pg_temp.raise_and_fail() returns bigint language plpgsql as $$
begin
    perform pg_temp.raise_alert(2);
    raise division_by_zero;
exception when division_by_zero then
    return (select count(*) from monitoring.audit_logs where after ->> 'rule_name' = 'rule 2')
        + (select count(*) from monitoring.alerts where rule_no = 2);
end
$$;
select is(pg_temp.raise_and_fail(), 0::bigint, 'row 42: and they vanish together');
update monitoring.alerts set last_value = 5 where rule_no = 1;
update monitoring.alerts set status = 'acknowledged', acknowledged_at = now(), acknowledged_until = now() where rule_no = 1;
update monitoring.alerts set status = 'active', acknowledged_until = null where rule_no = 1;
update monitoring.alerts set severity = 'high' where rule_no = 1;
update monitoring.alerts set status = 'suppressed', suppressed_by = '[{"kind": "silence"}]' where rule_no = 1;
update monitoring.alerts set status = 'active', suppressed_by = '[]' where rule_no = 1;
update monitoring.alerts set status = 'resolved', resolved_at = now(), resolution_reason = 'cleared' where rule_no = 1;
update monitoring.alerts set status = 'active', resolved_at = null, resolution_reason = null where rule_no = 1;
delete from monitoring.alerts where rule_no = 1;
select is(
    (select array_agg(t.action) from raised cross join lateral pg_temp.trail('alert', raised.id::text) as t),
    array['alert_created', 'alert_acknowledged', 'alert_unacknowledged', 'alert_severity_changed', 'alert_suppressed',
        'alert_unsuppressed', 'alert_resolved', 'alert_reopened', 'alert_removed'],
    'each thing that happens to an alert has its name; a new value alone is none');
select set_config('pgvigil.archiving', 'on', true);
select pg_temp.raise_alert(3);
delete from monitoring.alerts where rule_no = 3;
select is((select count(*) from monitoring.audit_logs where action = 'alert_archived'), 1::bigint, 'the archive takes, nobody removes');

-- Nobody changes it ---------------------------------------------------------------------------------------------
select is_empty(
    $$ select role_name, privilege
        from unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst',
            'monitoring_reader', 'monitoring_exporter']) as role_name
        cross join unnest(array['insert', 'update', 'delete', 'truncate']) as privilege
        where has_table_privilege(role_name, 'monitoring.audit_logs', privilege) $$,
    'row 43: no role of an application may write it');
select throws_ok(statement, 'PV956', null, 'row 43: nor may its owner, or a superuser: ' || statement)
from unnest(array[
    'update monitoring.audit_logs set role_name = ''nobody''', 'delete from monitoring.audit_logs',
    'truncate monitoring.audit_logs', 'update monitoring.audit_logs set before = null where false']) as statement;
set local role pgvigil_test_admin;
select throws_ok($$ delete from monitoring.audit_logs $$, '42501', null, 'row 43: an administrator has not even the right');
select throws_ok(
    $$ update monitoring.partition_policies set retention = '30 days' where table_name = 'monitoring.audit_logs' $$,
    'PV957', null, 'nor can an administrator have it dropped early');
select lives_ok(
    $$ update monitoring.partition_policies set retention = '400 days' where table_name = 'monitoring.audit_logs' $$,
    'a retention above the floor is accepted');
reset role;
set local role pgvigil_test_analyst;
select cmp_ok((select count(*) from monitoring.audit_logs), '>', 5::bigint, 'an analyst reads that of the own tenants');
select is((select count(*) from monitoring.audit_logs where tenant_id <> (select tenant_id from own)), 0::bigint, 'alone');
set local role pgvigil_test_reader;
select throws_ok($$ select from monitoring.audit_logs $$, '42501', null, 'a reader does not');
reset role;

-- Partitions keep the rule: a row in any of them is reached through the parent alone.
select lives_ok($$ select monitoring.create_partitions('monitoring.audit_logs', now(), now() + interval '40 days') $$,
    'partitions are made as for any table');

-- Fifty thousand in one statement ---------------------------------------------------------------------------------
create temporary table counted as select count(*) as rows from monitoring.audit_logs;
insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity, max_severity,
    first_breach_at, triggered_at)
select tenant_id, 4, 'storm', gen_random_uuid(), 't', 'm', 'low', 'low', now(), now() from own, generate_series(1, 5000);
update monitoring.alerts set status = 'resolved', resolved_at = now(), resolution_reason = 'cleared' where rule_no = 4;
select is((select count(*) from monitoring.audit_logs) - (select rows from counted), 10000::bigint,
    'five thousand alerts in one statement have a row each, and as many when they end');

select * from finish();
rollback;
-- Parts named here: audit_key, write_audit, audit_made, audit_changed, audit_gone, audit_row, refuse_audit_change, keep_audit_retention,
-- audit_alerts_made, audit_alerts_changed, audit_alerts_gone, person_of_role.
