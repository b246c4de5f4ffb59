-- The catalogue loop: every relation and every set-returning function, by every role, for two tenants.
-- Nothing is listed twice: a new relation without a rule here fails until its place is decided and its rows are seeded.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create role pgvigil_test_a login;
create role pgvigil_test_b login;
create role pgvigil_test_none login;
create role pgvigil_test_stranger login;
grant monitoring_reader to pgvigil_test_a, pgvigil_test_b, pgvigil_test_none;

-- Two tenants with rows of every kind ------------------------------------------------------------------------------
select monitoring.create_tenant('acme');
select monitoring.create_tenant('globex');
select monitoring.add_tenant_member('pgvigil_test_a', 'acme');
select monitoring.add_tenant_member('pgvigil_test_b', 'globex');

do $$
declare
    v_tenant_id uuid;
begin
    -- One call a tenant: the ingest function takes one tenant at a time.
    for v_tenant_id in select t.tenant_id from monitoring.tenants as t where not t.is_system loop
        perform monitoring.ingest_samples(
            array['app_requests_total', 'app_requests_total', 'not a name', 'app_latency_seconds'],
            array['{"host": "one"}', '{"host": "two"}', '{}', '{"asset_id": "one"}']::jsonb[],
            array[1.0, 2.0, 3.0, 4.0], array[now(), now(), now(), now()], v_tenant_id);
        perform monitoring_internal.store_block('2020-01-01 00:00Z', monitoring_internal.store_time_vector(
            '2020-01-01 00:00Z', '{2020-01-01 01:00Z}'), series.series_id, '{1}')
        from monitoring.series as series where series.tenant_id = v_tenant_id;
        update monitoring_internal.packing_state
        set closed_until = '2020-01-02 00:00Z', packed_until = '2020-01-02 00:00Z';
        insert into monitoring.kpi_definitions (name, tenant_id, category, query)
        values ('seeded', v_tenant_id, 'orders', 'select 1');
        perform monitoring.collect_business_metrics(v_tenant_id);
        insert into monitoring.alert_rules (tenant_id, rule_name, metric_name, comparison_operator, critical_threshold)
        values (v_tenant_id, 'seeded', 'app_requests_total', 'gt', 1);
        perform monitoring.add_target(
            'server-' || left(v_tenant_id::text, 8), 'host=db.example', tenant_id => v_tenant_id);
        insert into monitoring.setting_values
            (target_id, tenant_id, name, value, source, is_pending_restart, first_seen_at)
        values (0, v_tenant_id, 'work_mem of ' || v_tenant_id, '4096', 'default', false, now());
        insert into monitoring.setting_changes
            (tenant_id, target_id, target_name, name, old_value, new_value, source, is_pending_restart, changed_at)
        values (v_tenant_id, 0, 'local', 'work_mem', '4096', '8192', 'configuration file', false, now());
        insert into monitoring.system_health
            (tenant_id, component_kind, component_name, health_status, health_score, coverage_percent, points, collected_at)
        values (v_tenant_id, 'server', v_tenant_id::text, 'warning', 60, 100,
            '[{"rule": "server_up", "penalty": 40, "state": "known"}]', now());
        insert into monitoring.alert_conditions (rule_no, label_key, tenant_id, state)
        values (1, v_tenant_id, v_tenant_id, 'pending');
        insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity,
            max_severity, first_breach_at, triggered_at)
        values (v_tenant_id, 1, 'seeded', v_tenant_id, 'seeded', 'seeded', 'low', 'low', now(), now());
        insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, transition, alert_id)
        select now(), v_tenant_id, 1, v_tenant_id, 'fired', alert.id
        from monitoring.alerts as alert where alert.tenant_id = v_tenant_id;
        insert into monitoring.alerts_archive
        select (jsonb_populate_record(null::monitoring.alerts_archive, to_jsonb(alert)
            || '{"status": "resolved", "resolution_reason": "cleared", "resolved_at": "2020-01-01", "archived_at": "2026-01-01"}')).*
        from monitoring.alerts as alert where alert.tenant_id = v_tenant_id;
        -- Somebody on call, what happens when they do not answer, and what they wrote.
        insert into monitoring.people (tenant_id, name) values (v_tenant_id, 'anna'), (v_tenant_id, 'ben');
        insert into monitoring.on_call_schedules (tenant_id, name) values (v_tenant_id, 'primary');
        insert into monitoring.on_call_layers (tenant_id, on_call_schedule_id, name, start_day)
        select s.tenant_id, s.on_call_schedule_id, 'weeks', '2026-01-05'
        from monitoring.on_call_schedules as s where s.tenant_id = v_tenant_id;
        insert into monitoring.on_call_layer_people (on_call_layer_id, position, tenant_id, person_id)
        select l.on_call_layer_id, 1, l.tenant_id, p.person_id
        from monitoring.on_call_layers as l
        inner join monitoring.people as p using (tenant_id)
        where l.tenant_id = v_tenant_id and p.name = 'anna';
        insert into monitoring.on_call_restrictions (tenant_id, on_call_layer_id)
        select l.tenant_id, l.on_call_layer_id from monitoring.on_call_layers as l where l.tenant_id = v_tenant_id;
        insert into monitoring.on_call_assignments (tenant_id, on_call_schedule_id, person_id, start_at, end_at)
        select s.tenant_id, s.on_call_schedule_id, p.person_id, now(), now() + interval '1 hour'
        from monitoring.on_call_schedules as s
        inner join monitoring.people as p using (tenant_id)
        where s.tenant_id = v_tenant_id and p.name = 'ben';
        insert into monitoring.escalation_policies (tenant_id, name) values (v_tenant_id, 'seeded');
        insert into monitoring.escalation_steps (tenant_id, escalation_policy_id, step)
        select p.tenant_id, p.escalation_policy_id, 1
        from monitoring.escalation_policies as p where p.tenant_id = v_tenant_id;
        insert into monitoring.escalation_targets (tenant_id, escalation_step_id, channel_id)
        select s.tenant_id, s.escalation_step_id, v_tenant_id
        from monitoring.escalation_steps as s where s.tenant_id = v_tenant_id;
        insert into monitoring.escalation_states
            (alert_id, tenant_id, rule_no, escalation_policy_id, next_at, started_at)
        select gen_random_uuid(), p.tenant_id, 1, p.escalation_policy_id, now(), now()
        from monitoring.escalation_policies as p where p.tenant_id = v_tenant_id;
        insert into monitoring.alert_comments (tenant_id, alert_id, role_name, body)
        values (v_tenant_id, gen_random_uuid(), 'somebody', 'seen');
        insert into monitoring.contact_methods (tenant_id, person_id, kind, address)
        select p.tenant_id, p.person_id, 'email', 'anna@example.com'
        from monitoring.people as p where p.tenant_id = v_tenant_id and p.name = 'anna';
    end loop;
end
$$;

-- Each tenant has a channel, an endpoint, a route, and a message on its way, one held back and one dead.
insert into monitoring.webhook_endpoints (tenant_id, endpoint_name, webhook_url)
select t.tenant_id, 'seeded', 'https://receiver.example/hook' from monitoring.tenants as t where not t.is_system;
insert into monitoring.notification_channels (tenant_id, channel_name, channel_type, configuration)
select t.tenant_id, 'seeded', 'email', '{"to": ["ops@example.org"]}' from monitoring.tenants as t where not t.is_system;
insert into monitoring.notification_routes (tenant_id, route_name, channel_ids)
select c.tenant_id, 'seeded ' || c.tenant_id, array[c.id] from monitoring.notification_channels as c;
insert into monitoring.notification_groups (group_key, tenant_id, labels, group_wait, group_interval, first_at)
select gen_random_uuid(), t.tenant_id, '{}', '0', '0', now() from monitoring.tenants as t where not t.is_system;
insert into monitoring.notification_members (group_id, alert_id, tenant_id, added_at)
select g.group_id, gen_random_uuid(), g.tenant_id, now() from monitoring.notification_groups as g;
insert into monitoring.notification_log (group_id, channel_id, tenant_id, next_due_at)
select g.group_id, c.id, g.tenant_id, now() from monitoring.notification_groups as g
join monitoring.notification_channels as c using (tenant_id);
insert into monitoring.held_notifications (channel_id, alert_id, tenant_id, reason, held_at, held_until)
select c.id, gen_random_uuid(), c.tenant_id, 'first', now(), now() from monitoring.notification_channels as c;
insert into monitoring.notification_decisions (decided_at, tenant_id, alert_id, decision, reason)
select now(), t.tenant_id, gen_random_uuid(), 'withheld', 'no_route' from monitoring.tenants as t where not t.is_system;
insert into monitoring.outbox_messages
    (message_id, created_at, tenant_id, event_type, reason, destination_id, dedup_key, ordering_key, body)
select gen_random_uuid(), now(), e.tenant_id, 'test', 'seeded', e.id, e.id::text, e.id::text, '{}'
from monitoring.webhook_endpoints as e;
insert into monitoring.deliveries
    (message_id, message_created_at, tenant_id, destination_id, ordering_hash, due_at, deadline_at)
select m.message_id, m.created_at, m.tenant_id, m.destination_id, 1, now(), now() from monitoring.outbox_messages as m;
insert into monitoring.destination_states (destination_id, tenant_id)
select e.id, e.tenant_id from monitoring.webhook_endpoints as e;
insert into monitoring.delivery_attempts
    (delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, finished_at)
select d.delivery_id, 1, 1, d.message_id, d.tenant_id, d.destination_id, 'dead', now() from monitoring.deliveries as d;
insert into monitoring.dead_letters (delivery_id, message_id, message_created_at, tenant_id, destination_id, event_type,
    attempts, reason, died_at)
select d.delivery_id, d.message_id, now(), d.tenant_id, d.destination_id, 'test', 1, 'expired', now()
from monitoring.deliveries as d;

-- Each tenant has a platform, a machine, and rows under each wide name.
insert into monitoring.platform_metrics (platform, metric_type, value, tenant_id)
select 'seeded', 'seeded_likes', 1, t.tenant_id from monitoring.tenants as t where not t.is_system;
insert into monitoring.systems (tenant_id, hostname)
select t.tenant_id, 'seeded' from monitoring.tenants as t where not t.is_system;
insert into monitoring.usage_metrics (system_id, cpu_percent) select s.system_id, 1 from monitoring.systems as s;
insert into monitoring.system_metrics (host_id, metric_type, value, tenant_id)
select 'seeded', 'cpu', 1, t.tenant_id from monitoring.tenants as t where not t.is_system;
insert into monitoring.application_metrics (service_id, metric_name, value, tenant_id)
select 'seeded', 'throughput', 1, t.tenant_id from monitoring.tenants as t where not t.is_system;

-- What keeps the alerts of each tenant quiet.
insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
select t.tenant_id, 1, '09:00', '17:00' from monitoring.tenants as t where not t.is_system;
insert into monitoring.holidays (tenant_id, holiday_date, name)
select t.tenant_id, '2026-01-01', 'New Year' from monitoring.tenants as t where not t.is_system;
insert into monitoring.alert_silences (tenant_id, matchers, comment, ends_at, schedule, duration)
select t.tenant_id, '{"host": "one"}', 'known', now() + interval '1 month', '0 2 * * *', '1 hour'
from monitoring.tenants as t where not t.is_system;
insert into monitoring.maintenance_windows (tenant_id, name, targets, starts_at, ends_at)
select t.tenant_id, 'disks', '{db1}', now(), now() + interval '1 hour' from monitoring.tenants as t where not t.is_system;
insert into monitoring.alert_inhibitions (tenant_id, name, source_matchers, target_matchers)
select t.tenant_id, 'down', '{"rule_name": "down"}', '{"rule_name": "slow"}' from monitoring.tenants as t
where not t.is_system;
insert into monitoring.alert_rules (tenant_id, rule_name, metric_name, comparison_operator, critical_threshold)
select t.tenant_id, 'explaining', 'app_requests_total', 'gt', 1 from monitoring.tenants as t where not t.is_system;
insert into monitoring.alert_dependencies (tenant_id, rule_no, depends_on_rule_no)
select r.tenant_id, r.rule_no, e.rule_no from monitoring.alert_rules as r
join monitoring.alert_rules as e on e.tenant_id = r.tenant_id and e.rule_name = 'explaining' where r.rule_name = 'seeded';
insert into monitoring.alerts (tenant_id, rule_no, rule_name, label_key, alert_title, alert_message, severity,
    max_severity, first_breach_at, triggered_at)
select t.tenant_id, 2, 'explaining', t.tenant_id, 'seeded', 'seeded', 'low', 'low', now(), now()
from monitoring.tenants as t where not t.is_system;
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, transition)
select now(), t.tenant_id, 2, t.tenant_id, 'fired' from monitoring.tenants as t where not t.is_system;
insert into monitoring.alert_correlations (tenant_id, alert_id, other_alert_id, kind, strength, found_at)
select a.tenant_id, a.id, b.id, 'label', 0.5, now() from monitoring.alerts as a
join monitoring.alerts as b on b.tenant_id = a.tenant_id and a.id < b.id;
insert into monitoring.alert_group_members (alert_id, tenant_id, group_id, joined_at)
select a.id, a.tenant_id, a.tenant_id, now() from monitoring.alerts as a;
-- Each tenant has a server whose statements are read.
insert into monitoring.statement_sources
    (target_database_id, tenant_id, collected_at, captured_at, identity, entries, hidden, is_complete)
select row_number() over (order by t.name) + 1000, t.tenant_id, now(), now(), '15 1.10', 1, 0, true
from monitoring.tenants as t where not t.is_system;
insert into monitoring.statements
    (target_database_id, queryid, dbid, tenant_id, query_hash, normalized_query, first_seen_at, last_seen_at)
select s.target_database_id, 1, 5, s.tenant_id, md5('select'), 'select', now(), now()
from monitoring.statement_sources as s where s.target_database_id > 1000;
insert into monitoring.statement_intervals (target_database_id, queryid, userid, dbid, is_toplevel, calls,
    total_exec_time, tenant_id, started_at, collected_at, entries, is_new, is_lossy)
select s.target_database_id, 1, 10, 5, true, 10, 5000, s.tenant_id, now() - interval '1 minute', now(), 1, false, false
from monitoring.statement_sources as s where s.target_database_id > 1000;
-- And one that was faster the day before.
insert into monitoring.statement_intervals (target_database_id, queryid, userid, dbid, is_toplevel, calls,
    total_exec_time, stddev_exec_time, tenant_id, started_at, collected_at, entries, is_new, is_lossy)
select s.target_database_id, 2, 10, 5, true, 100, past.total, 1, s.tenant_id, past.at - interval '1 minute', past.at, 1,
    false, false
from monitoring.statement_sources as s
cross join (values (now(), 9000), (now() - interval '5 hours', 1000)) as past (at, total)
where s.target_database_id > 1000;
insert into monitoring.statement_totals
    (target_database_id, queryid, userid, dbid, tenant_id, calls, followed_at, ranked_at)
select s.target_database_id, 1, 10, 5, s.tenant_id, 10, now(), now()
from monitoring.statement_sources as s where s.target_database_id > 1000;

-- What a role reads of a relation: rows of its own tenants, rows of others; or the SQLSTATE.
create function pg_temp.rows_as(p_role name, p_from text, p_column name, p_own uuid[], out own bigint, out foreign_rows bigint,
    out failure text)
language plpgsql as $$
begin
    begin
        execute format('set local role %I', p_role);
        execute format(
            'select count(*) filter (where %1$I = any ($1)), count(*) filter (where not (%1$I = any ($1)) or %1$I is null) from %2$s',
            p_column, p_from) into own, foreign_rows using p_own;
        execute 'reset role';
    exception when others then
        failure := sqlstate;
    end;
end
$$;

-- Relations that carry a tenant, and set-returning functions callable without arguments that return one.
create temporary table tenant_source as
select c.oid::regclass::text as source, a.attname as tenant_column, c.oid as relation, null::oid as function,
    c.relkind in ('r', 'p') as is_table
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and not a.attisdropped
    and a.attname in ('tenant_id', 'business_id', 'organization_id')
where n.nspname in ('monitoring', 'monitoring_internal') and c.relkind in ('r', 'p', 'v', 'm')
union all
select p.oid::regproc::text || '()', a.name, null, p.oid, false
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
cross join lateral unnest(p.proargnames, p.proargmodes) as a (name, mode)
where n.nspname in ('monitoring', 'monitoring_internal') and p.proretset and p.pronargs = p.pronargdefaults
    and a.mode in ('t', 'o') and a.name in ('tenant_id', 'business_id', 'organization_id');

create temporary table reader as
select r.role_name, array(select t.tenant_id from monitoring.tenants as t where t.name = r.tenant_name) as own
from (values ('pgvigil_test_a'::name, 'acme'), ('pgvigil_test_b', 'globex'), ('pgvigil_test_none', null))
    as r (role_name, tenant_name);

create temporary table seen as
select s.source, s.tenant_column, s.is_table, s.relation, r.role_name, r.own, v.own as own_rows, v.foreign_rows, v.failure
from tenant_source as s
cross join reader as r
cross join lateral pg_temp.rows_as(r.role_name, s.source, s.tenant_column, r.own) as v;

select ok(count(*) >= 4, 'the catalogue has relations that carry a tenant') from tenant_source;

select is(
    (select string_agg(format('%s as %s: %s', source, role_name, foreign_rows), '; ') from seen where foreign_rows > 0), null,
    'no tenant sees a row of another, in any relation or function');
select is(
    (select string_agg(source || ' as ' || role_name, '; ') from seen where role_name = 'pgvigil_test_none' and own_rows > 0),
    null, 'a reader of no tenant sees no row at all');
select is(
    (select string_agg(format('%s as %s: %s', source, role_name, failure), '; ') from seen
     where failure is not null and failure <> '42501'), null,
    'what a reader may not read is refused as such, and nothing else fails');
select is(
    (select string_agg(source || ' as ' || role_name, '; ' order by source) from seen
     where failure is null and role_name <> 'pgvigil_test_none' and own_rows = 0), null,
    'each tenant sees rows of its own wherever it may read (seed what is new here)');

-- The gate of each tenant table is a row policy, or nobody but operators holds a right on it ----------------------------
select is(
    (select string_agg(s.source, '; ' order by s.source) from tenant_source as s
     join pg_class as c on c.oid = s.relation
     where s.is_table and not c.relrowsecurity
        and exists (
            select 1 from unnest(array['monitoring_reader', 'monitoring_analyst', 'monitoring_collector']) as role_name
            where has_table_privilege(role_name, s.relation, 'select'))), null,
    'every tenant table that readers may read has row security');
select is(
    (select string_agg(p.polrelid::regclass || '.' || p.polname, '; ') from pg_policy as p
     join pg_class as c on c.oid = p.polrelid
     where c.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
        and pg_get_expr(p.polqual, p.polrelid) !~ 'visible_tenant_ids'), null,
    'every row policy asks visible_tenant_ids');
select is(
    (select string_agg(c.oid::regclass::text, '; ' order by c.oid::regclass::text) from pg_class as c
     where c.relnamespace = 'monitoring'::regnamespace and c.relkind = 'v'
        and not coalesce(c.reloptions @> array['security_invoker=true'], false)
        and not (
            coalesce(c.reloptions @> array['security_barrier=true'], false)
            and pg_get_viewdef(c.oid) ~ 'visible_tenant_ids')), null,
    'a view has invoker rights, or is a barrier with the tenant predicate inside');

-- Rights, relation by relation -------------------------------------------------------------------------------------
create temporary table holding as
select c.oid::regclass::text as relation, n.nspname as schema_name, c.relkind, role_name,
    array(
        select privilege from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as privilege
        where has_table_privilege(role_name, c.oid, privilege)) as privileges
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join unnest(array[
    'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst', 'monitoring_reader',
    'monitoring_exporter', 'pgvigil_test_stranger']) as role_name
where n.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions') and c.relkind in ('r', 'p', 'v', 'm');

select is(
    (select string_agg(relation || ' by ' || role_name, '; ') from holding
     where schema_name = 'monitoring_partitions' and privileges <> '{}'), null,
    'no partition is reachable but through its parent');
select is(
    (select string_agg(relation, '; ') from holding where role_name = 'pgvigil_test_stranger' and privileges <> '{}'), null,
    'a role without a grant holds nothing');
select is(
    (select string_agg(distinct relation, '; ') from holding
     where relation in ('monitoring.samples', 'monitoring.sample_details', 'monitoring_internal.staged_samples') and 'select' = any (privileges)), null,
    'samples and their staging are granted to no reader');
select is(
    (select string_agg(relation || ' by ' || role_name, '; ') from holding
     where role_name in ('monitoring_reader', 'monitoring_analyst', 'monitoring_exporter')
        and privileges && array['insert', 'update', 'delete', 'truncate']), null,
    'who reads changes nothing');
select is(
    (select string_agg(relation || ' by ' || role_name, '; ') from holding
     where 'truncate' = any (privileges)), null,
    'nobody but the owner truncates');
select is(
    (select string_agg(relation || ' by ' || role_name, '; ' order by relation) from holding
     where schema_name = 'monitoring_internal' and relkind in ('r', 'p') and privileges <> '{}'
        and (relation, role_name) not in (
            ('monitoring_internal.reloaded_objects', 'monitoring_admin'),
            ('monitoring_internal.reloaded_objects', 'monitoring_service'),
            ('monitoring_internal.staged_samples', 'monitoring_admin'),
            ('monitoring_internal.staged_samples', 'monitoring_service'),
            ('monitoring_internal.staged_samples', 'monitoring_collector'))), null,
    'internal tables are reached through functions');

-- A table made tomorrow is nobody's until grants.sql says so.
set local role monitoring_owner;
create table monitoring.made_tomorrow (secret text);
create function monitoring.called_tomorrow() returns integer language sql return 1;
reset role;
select is(
    (select string_agg(role_name, '; ') from unnest(array[
        'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst', 'monitoring_reader',
        'monitoring_exporter', 'pgvigil_test_stranger']) as role_name
     where has_table_privilege(role_name, 'monitoring.made_tomorrow', 'select')
        or has_function_privilege(role_name, 'monitoring.called_tomorrow()', 'execute')), null,
    'a future table or function is granted to nobody');

-- Functions ----------------------------------------------------------------------------------------------------------
create temporary table executable as
select p.oid::regprocedure::text as function, n.nspname as schema_name, role_name, p.prosecdef, p.provolatile
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
cross join unnest(array[
    'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst', 'monitoring_reader',
    'monitoring_exporter', 'pgvigil_test_stranger']) as role_name
where n.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
    and p.proname <> 'called_tomorrow'
    and has_function_privilege(role_name, p.oid, 'execute');
select is(
    (select string_agg(function, '; ') from executable where role_name = 'pgvigil_test_stranger'), null,
    'PUBLIC can execute nothing');
select is(
    (select string_agg(function || ' by ' || role_name, '; ') from executable
     where function ~ '_at\('
        -- Reading as of a time, with one's own rights, harms nobody.
        and (prosecdef or provolatile = 'v')
        -- Takes null from them: with a time it calls what only the owner may (the next test).
        and function not in (
            'monitoring_internal.maintain_partitions_at(timestamp with time zone)',
            'monitoring_internal.pack_samples_at(timestamp with time zone)',
            'monitoring_internal.refresh_rollups_at(timestamp with time zone)')), null,
    'forms that take the time are the owner''s alone');
set local role monitoring_service;
select throws_ok(
    $$ call monitoring_internal.maintain_partitions_at(now() + interval '100 years') $$, '42501', null,
    'the service cannot maintain partitions as of another time');
select throws_ok(
    $$ call monitoring_internal.pack_samples_at(now() + interval '100 years') $$, '42501', null,
    'nor pack samples as of another time');
select throws_ok(
    $$ call monitoring_internal.refresh_rollups_at(now() + interval '100 years') $$, '42501', null,
    'nor roll up as of another time');
reset role;

select * from finish();
rollback;
