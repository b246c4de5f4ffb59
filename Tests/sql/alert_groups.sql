-- Which alerts belong together: pairs, each once and within a tenant; the groups that they make; rules that fire together.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

select monitoring.create_tenant('acme') as acme \gset
select monitoring.create_tenant('globex') as globex \gset
insert into monitoring.alert_rules (
    rule_name, metric_name, comparison_operator, critical_threshold, condition_definition)
select name, 'm_' || name, 'gt', 1, '{"allow_unknown_metric": true}'
from unnest(array['down', 'slow', 'full', 'lag']) as name;

create function pg_temp.alert(p_tenant uuid, p_rule text, p_labels jsonb, p_at timestamptz, p_related jsonb default '[]')
returns uuid language sql as $$
    insert into monitoring.alerts (tenant_id, rule_no, alert_rule_id, rule_name, label_key, labels, alert_title,
        alert_message, severity, max_severity, metric_name, first_breach_at, triggered_at, created_at, related_metrics)
    select p_tenant, r.rule_no, r.id, r.rule_name, md5(p_tenant::text || p_rule || p_labels::text)::uuid, p_labels, p_rule,
        '', 'high', 'high', r.metric_name, p_at, p_at, p_at, p_related
    from monitoring.alert_rules as r where r.rule_name = p_rule returning id $$;
create function pg_temp.fired(p_at timestamptz) returns void language sql as $$
    insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, transition, alert_id)
    select p_at, a.tenant_id, a.rule_no, a.label_key, 'fired', a.id from monitoring.alerts as a where a.triggered_at = p_at $$;
create function pg_temp.pairs() returns text language sql as $$
    select string_agg(format('%s %s %s', c.kind, least(one.name, two.name), greatest(one.name, two.name)), '; '
        order by c.kind, least(one.name, two.name), greatest(one.name, two.name))
    from monitoring.alert_correlations as c
    inner join (select id, rule_name || coalesce('@' || (labels ->> 'server'), '') as name from monitoring.alerts) as one
        on one.id = c.alert_id
    inner join (select id, rule_name || coalesce('@' || (labels ->> 'server'), '') as name from monitoring.alerts) as two
        on two.id = c.other_alert_id $$;
create function pg_temp.groups() returns text language sql as $$
    select string_agg(format('%s/%s %s (%s)', g.open_alerts, g.alerts, g.root_title, array_to_string(g.rules, ',')), '; '
        order by g.started_at, g.group_id) from monitoring.alert_groups as g $$;

select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:00+00'), 0, 'nothing is done where nothing happened');
select pg_temp.alert(:'acme', 'slow', '{"server": "db1"}', '2026-03-02 12:00+00') as slow1 \gset
select pg_temp.alert(:'globex', 'slow', '{"server": "db1"}', '2026-03-02 12:00+00');
select pg_temp.fired('2026-03-02 12:00+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:00+00'), 0, 'alerts of two tenants do not belong together');
savepoint alone;

-- One server, within minutes ----------------------------------------------------------------------------------------------
select pg_temp.alert(:'acme', 'full', '{"server": "db1"}', '2026-03-02 12:05+00');
select pg_temp.alert(:'acme', 'lag', '{"server": "db1"}', '2026-03-02 12:09+00');
select pg_temp.alert(:'acme', 'lag', '{"server": "db2"}', '2026-03-02 12:09+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:09+00'), 0, 'and nothing without a transition of that pass');
select pg_temp.fired('2026-03-02 12:09+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:09+00'), 2, 'two pairs are found');
select is(pg_temp.pairs(), 'topology full@db1 slow@db1; topology lag@db1 slow@db1',
    'alerts of one server that follow each other within minutes are paired with the first');
select is(pg_temp.groups(), '3/3 slow (full,lag,slow)', 'and make a group, that points at the first');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:09+00'), 0, 'a pass that is run again finds nothing new');
savepoint grouped;
select pg_temp.alert(:'acme', 'down', '{"server": "db1"}', '2026-03-02 12:15+00');
select pg_temp.fired('2026-03-02 12:15+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:15+00'), 0, 'what comes later is another story');
rollback to grouped;

-- Declared: the root is what most others depend on.
insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
select r.rule_no, d.rule_no from monitoring.alert_rules as r, monitoring.alert_rules as d
where r.rule_name in ('slow', 'full') and d.rule_name = 'down';
select pg_temp.alert(:'acme', 'down', '{"server": "db1"}', '2026-03-02 12:30+00');
select pg_temp.fired('2026-03-02 12:30+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:30+00'), 2, 'declared dependencies correlate at any distance');
select is(pg_temp.pairs(), 'dependency down@db1 full@db1; dependency down@db1 slow@db1; '
    'topology full@db1 slow@db1; topology lag@db1 slow@db1', 'each with what explains it');
select is(pg_temp.groups(), '4/4 down (down,full,lag,slow)', 'the group goes on, and now points at what most depend on');
select results_eq($$ select strength, evidence, cause_alert_id = (select id from monitoring.alerts where rule_name = 'down')
    from monitoring.alert_correlations where kind = 'dependency' limit 1 $$,
    $$ values (1::float8, '{"dependency": "down"}'::jsonb, true) $$, 'a pair says why, and which explains which');
-- A stronger reason takes the place of a weaker one.
insert into monitoring.alert_inhibitions (name, source_matchers, target_matchers, equal_labels)
values ('slow explains full', '{"rule_name": "slow"}', '{"rule_name": "full"}', '{server}');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:30+00'), 1, 'a pair is kept once, by its strongest reason');
select is((select count(*) from monitoring.alert_correlations), 4::bigint, 'not twice');
select is((select evidence from monitoring.alert_correlations
    where evidence ? 'inhibition'), '{"inhibition": "slow explains full"}'::jsonb, 'which may be an inhibition');

-- Groups outlive their alerts, and two may turn out to be one.
update monitoring.alerts set status = 'resolved', resolved_at = '2026-03-02 12:31+00', resolution_reason = 'cleared'
where rule_name in ('slow', 'full', 'down') and tenant_id = :'acme';
select is(pg_temp.groups(), '1/4 down (down,full,lag,slow)', 'alerts that are over stay in their group');
select pg_temp.alert(:'acme', 'slow', '{"server": "db3", "cluster": "c1"}', '2026-03-02 13:00+00');
select pg_temp.alert(:'acme', 'full', '{"server": "db3", "cluster": "c1"}', '2026-03-02 13:00+00');
select pg_temp.fired('2026-03-02 13:00+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 13:00+00'), 1, 'another group begins');
select is(pg_temp.groups(), '1/4 down (down,full,lag,slow); 2/2 slow (full,slow)', 'beside it');
update monitoring.alerts set labels = labels || '{"cluster": "c1"}' where rule_name = 'lag' and labels ->> 'server' = 'db1';
update monitoring.alerts set triggered_at = '2026-03-02 12:58+00' where rule_name = 'lag' and labels ->> 'server' = 'db1';
select ok(monitoring_internal.correlate_alerts_at('2026-03-02 13:00+00') > 0, 'a label in common, such as the cluster, counts');
select is(pg_temp.groups(), '3/6 down (down,full,lag,slow)', 'two groups that it joins are one, with those that are over');
select is((select count(*) from monitoring.alert_group_members where is_root), 1::bigint, 'and one place to look first');
rollback to alone;

-- Related metrics, and places -----------------------------------------------------------------------------------------------
select pg_temp.alert(:'acme', 'full', '{"server": "db1", "cluster": "c1"}', '2026-03-02 12:04+00', '["m_slow", "m_none"]');
select pg_temp.fired('2026-03-02 12:04+00');
update monitoring.alerts set labels = '{}' where rule_name = 'slow' and tenant_id = :'acme';
update monitoring.alerts set labels = '{"cluster": "c1"}' where rule_name = 'full';
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:04+00'), 1, 'a metric that is named as related correlates');
select is(pg_temp.pairs(), 'temporal full slow', 'near in time');
select results_eq($$ select strength, evidence from monitoring.alert_correlations $$,
    $$ values (0.7::float8, '{"related_metric": "m_slow"}'::jsonb) $$, 'and says which');
rollback to alone;
select pg_temp.alert(monitoring.system_tenant_id(), 'full', '{}', '2026-03-02 12:04+00');
select pg_temp.alert(monitoring.system_tenant_id(), 'lag', '{}', '2026-03-02 12:04+00');
select pg_temp.alert(:'acme', 'lag', '{}', '2026-03-02 12:04+00');
select pg_temp.fired('2026-03-02 12:04+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:04+00'), 1,
    'series of the installation that name no server are of the one it runs on');
rollback to alone;

-- Many at once: as many pairs as alerts, not as many as there are combinations.
select pg_temp.alert(:'acme', 'full', jsonb_build_object('server', 'db9', 'n', n), '2026-03-02 12:04+00')
from generate_series(1, 500) as n;
select pg_temp.fired('2026-03-02 12:04+00');
select is(monitoring_internal.correlate_alerts_at('2026-03-02 12:04+00'), 499, 'of 500 on one server each is paired once');
select is(pg_temp.groups(), '500/500 full (full)', 'they are one group');
select is((select count(*) from monitoring_internal.correlated_alerts_at('2026-03-02 12:04+00')), 502::bigint, 'of all');
update monitoring.settings set value = '100' where name = 'alerting.correlation_limit';
select is((select count(*) from monitoring_internal.correlated_alerts_at('2026-03-02 12:04+00')), 100::bigint,
    'a storm is looked at up to a limit');
select is((select count(*) from monitoring_internal.clustered_pairs_at('2026-03-02 12:04+00')), 99::bigint, 'so are its pairs');
select is((select count(*) from monitoring_internal.correlated_pairs_at('2026-03-02 12:04+00')), 99::bigint, 'all of them');
select is((select count(distinct group_id) from monitoring_internal.grouped_alerts_at('2026-03-02 12:04+00')), 1::bigint,
    'and its groups');
rollback to alone;

-- Components ----------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.connected_components(6, '{2,5,3}', '{5,3,2}'), '{1,2,2,4,2,6}', 'edges connect, in any order');
select is(monitoring_internal.connected_components(3, null, null), '{1,2,3}', 'without edges each is alone');
select is(monitoring_internal.connected_components(0, '{}', '{}'), '{}', 'and of none there is none');
select is((select count(distinct c) from unnest(monitoring_internal.connected_components(2000,
    array(select generate_series(2000, 2, -1)), array(select generate_series(1999, 1, -1)))) as c), 1::bigint, 'a long chain is one');

-- L-33: what the table refuses ------------------------------------------------------------------------------------------
select pg_temp.alert(:'acme', 'full', '{}', '2026-03-02 12:04+00') as full1 \gset
create function pg_temp.pair(p_one uuid, p_other uuid, p_strength float8 default 0.5) returns text language sql as $$
    select format($q$ insert into monitoring.alert_correlations (alert_id, other_alert_id, tenant_id, kind, strength, found_at)
        values (%L, %L, %L, 'label', %s, now()) $q$, p_one, p_other,
        (select tenant_id from monitoring.alerts where id = p_one), p_strength) $$;
select throws_ok(pg_temp.pair(:'slow1', :'slow1'), '23514', null, 'an alert with itself');
select lives_ok(pg_temp.pair(least(:'slow1'::uuid, :'full1'), greatest(:'slow1'::uuid, :'full1')), '(a pair is taken)');
select throws_ok(pg_temp.pair(least(:'slow1'::uuid, :'full1'), greatest(:'slow1'::uuid, :'full1')), '23505', null, 'a pair twice');
select throws_ok(pg_temp.pair(greatest(:'slow1'::uuid, :'full1'), least(:'slow1'::uuid, :'full1')), '23514', null,
    'a pair the other way round');
delete from monitoring.alert_correlations;
select throws_ok(pg_temp.pair(least(:'slow1'::uuid, :'full1'), greatest(:'slow1'::uuid, :'full1'), 1.01), '23514', null,
    'a strength over 1');
select throws_ok(pg_temp.pair(least(:'slow1'::uuid, :'full1'), greatest(:'slow1'::uuid, :'full1'), -0.01), '23514', null,
    'or under 0');
rollback to alone;

-- What is over goes after its time --------------------------------------------------------------------------------------
select pg_temp.alert(:'acme', 'full', '{"server": "db1"}', '2026-03-02 12:01+00');
select pg_temp.fired('2026-03-02 12:01+00');
select monitoring_internal.correlate_alerts_at('2026-03-02 12:01+00');
select is(monitoring_internal.tidy_correlations_at('2027-01-01'), 0::bigint, 'open alerts keep their groups');
update monitoring.alerts set status = 'resolved', resolved_at = '2026-03-02 12:31+00', resolution_reason = 'cleared';
select is(monitoring_internal.tidy_correlations_at('2026-03-03'), 0::bigint, 'those that are over for some months');
select is(monitoring_internal.tidy_correlations_at('2026-07-01'), 3::bigint, 'not longer');
select is(monitoring.tidy_correlations(), 0::bigint, 'the job finds the rest');
rollback to alone;

-- Rules that fire together ----------------------------------------------------------------------------------------------
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, transition)
select date_trunc('hour', now()) - n * interval '1 day' + offset_by, :'acme', r.rule_no, gen_random_uuid(), 'fired'
from generate_series(1, 10) as n
cross join (values ('down', interval '1 min'), ('slow', interval '2 min'), ('lag', interval '12 hours')) as t (name, offset_by)
inner join monitoring.alert_rules as r on r.rule_name = t.name;
insert into monitoring.alert_transitions (occurred_at, tenant_id, rule_no, label_key, transition)
select date_trunc('hour', now()) - n * interval '1 day', :'globex', r.rule_no, gen_random_uuid(), 'fired'
from generate_series(1, 10) as n inner join monitoring.alert_rules as r on r.rule_name = 'full';
select results_eq(
    $$ select rule_name, other_rule_name, starts, other_starts, together, round(lift::numeric), round(phi::numeric, 3)
        from monitoring.alert_rule_correlations $$,
    $$ values ('down', 'slow', 10::bigint, 10::bigint, 10::bigint, 864::numeric, 1.000) $$,
    'rules that fire together are told with how much more than chance that is, within a tenant, and no others');

select * from finish();
rollback;
