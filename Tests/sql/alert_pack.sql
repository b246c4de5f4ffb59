-- The rules that are shipped: each is complete, reads what a collector measures, and passes its tests on the evaluator.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary view shipped as
select rule.*
from monitoring.alert_pack as pack
inner join monitoring.alert_rules as rule on rule.id = pack.rule_id
where pack.state = 'as shipped';

-- What every rule has -----------------------------------------------------------------------------------
select cmp_ok((select count(*) from shipped), '>=', 60::bigint, 'the pack has its rules');
select is_empty($$ select rule_name, state from monitoring.alert_pack where state <> 'as shipped' $$, 'all of them loaded');
select is_empty(
    $$ select rule_name from shipped
        where length(rationale) < 60 or jsonb_array_length(suggested_actions) = 0
            or jsonb_array_length(related_metrics) = 0 or title_template is null or not is_active
            or tenant_id is not null $$,
    'each says why, what to do first and what to look at besides, has a title, and is for every tenant');
select is_empty(
    $$ select rule_name from shipped
        where not exists (
            select 1 from jsonb_array_elements_text(suggested_actions) as action (text)
            where action.text ~ '(select|show|alter|vacuum|call) \S|pgvigil |pg_isready|[.]log|log ' ) $$,
    'and the actions are statements or commands, not advice alone');
select is_empty(
    $$ select rule_name from shipped
        where comparison_operator not in ('eq', 'ne')
            and (warning_threshold is not null and warning_recovery is null
                or critical_threshold is not null and critical_recovery is null) $$,
    'each threshold has the value at which it is over');
select is_empty(
    $$ select rule_name from shipped
        where (warning_recovery = warning_threshold or critical_recovery = critical_threshold)
            and comparison_operator in ('gt', 'gte') and critical_threshold <> 0 $$,
    'which lies on the good side of it');
select is_empty(
    $$ select rule_name from shipped inner join monitoring.metric_families as family on family.name = metric_name
        where family.kind = 'counter' and aggregate not in ('rate', 'increase') $$,
    'no counter is compared raw: it would fire for ever');
select is_empty(
    $$ select s.rule_name from shipped as s
        where 2 > (select count(*) from monitoring.alert_rule_tests as t where t.alert_rule_id = s.id) $$,
    'each has two tests');
select is_empty(
    $$ select s.rule_name from shipped as s
        where not exists (
            select 1 from monitoring.alert_rule_tests as t, jsonb_array_elements(t.definition -> 'expect') as e (item)
            where t.alert_rule_id = s.id and e.item ->> 'state' = 'firing')
        or not exists (
            select 1 from monitoring.alert_rule_tests as t where t.alert_rule_id = s.id and not exists (
                select 1 from jsonb_array_elements(t.definition -> 'expect') as e (item)
                where e.item ->> 'state' <> 'ok')) $$,
    'one that fires and one that stays quiet');

-- What they read ---------------------------------------------------------------------------------------
create temporary view named as
select rule_name, metric_name as metric from shipped
union
select rule_name, jsonb_array_elements_text(case jsonb_typeof(condition_definition -> 'denominator')
    when 'array' then condition_definition -> 'denominator'
    else jsonb_build_array(condition_definition -> 'denominator') end)
from shipped where condition_definition ? 'denominator'
union
select rule_name, jsonb_array_elements_text(related_metrics) from shipped;
select is_empty(
    $$ select rule_name, metric from named
        where metric not in (select metric from monitoring.collector_metrics)
            and metric not in (select name from monitoring.metric_families where is_registered)
            and metric !~ '^(pg_settings|host)_' $$,
    'every metric that a rule names is measured by a collector');
select is_empty(
    $$ select rule_name from shipped where condition_type = 'threshold' and metric_name like '%\_ratio'
        and greatest(abs(warning_threshold), abs(critical_threshold)) > 50 $$, 'a ratio is of one, not of a hundred');

-- Their tests --------------------------------------------------------------------------------------------
-- Each on samples and a copy of the rule in a tenant of its own, all on one clock: a pass evaluates all that are due at
-- its time, as the evaluator does.
create temporary table test_run (
    rule_no integer primary key, rule_name text, test_name text, definition jsonb, step integer, last_step integer,
    faults text[] not null default '{}');
create function pg_temp.seconds(p_length text) returns integer language sql immutable as $$
    select extract(epoch from p_length::interval)::integer
$$;
create function pg_temp.prepare(p_start_at timestamptz) returns void language plpgsql as $$
declare
    v_test record;
    v_tenant uuid;
    v_suffix text;
    v_rule_no integer;
begin
    perform set_config('pgvigil.is_replay', 'on', true);
    for v_test in
        select r.rule_no, r.rule_name, t.test_name, t.definition, pg_temp.seconds(t.definition ->> 'interval') as every,
            pg_temp.seconds(coalesce(t.definition ->> 'step', t.definition ->> 'interval')) as step,
            (select max(pg_temp.seconds(e.item ->> 'at')) from jsonb_array_elements(t.definition -> 'expect') as e (item))
                as last_at
        from shipped as r inner join monitoring.alert_rule_tests as t on t.alert_rule_id = r.id
    loop
        v_suffix := ' ~' || gen_random_uuid();
        insert into monitoring.tenants (name) values ('test-' || gen_random_uuid()) returning tenant_id into v_tenant;
        perform monitoring_internal.seed_rule_test(
            v_tenant, v_test.definition, p_start_at, make_interval(secs => v_test.every));
        perform monitoring_internal.clone_alert_rule(v_test.rule_no, v_tenant, '{}', v_suffix);
        v_rule_no := (monitoring_internal.replayed_rules(v_suffix))[1];
        perform monitoring_internal.bind_replayed_rules_at(
            p_start_at, array[v_rule_no], make_interval(secs => v_test.every));
        insert into test_run values (v_rule_no, v_test.rule_name, v_test.test_name, v_test.definition, v_test.step,
            v_test.last_at / v_test.step);
    end loop;
end;
$$;
create function pg_temp.run(p_start_at timestamptz) returns void language plpgsql as $$
declare
    v_pass record;
begin
    for v_pass in
        select k.number * r.step as at, array_agg(r.rule_no order by r.rule_no) as rules
        from test_run as r cross join lateral generate_series(0, r.last_step) as k (number)
        group by 1 order by 1
    loop
        perform monitoring_internal.evaluate_alerts_at(p_start_at + make_interval(secs => v_pass.at), v_pass.rules);
        update test_run as r
        set faults = r.faults || found.faults
        from (
            select t.rule_no, array_agg(fault.message) as faults
            from test_run as t
            cross join lateral jsonb_array_elements(t.definition -> 'expect') as e (item)
            cross join lateral monitoring_internal.expectation_fault(
                t.rule_no, p_start_at + make_interval(secs => v_pass.at), e.item) as fault (message)
            where t.rule_no = any (v_pass.rules) and fault.message is not null
                and pg_temp.seconds(e.item ->> 'at') / t.step * t.step = v_pass.at
            group by t.rule_no
        ) as found
        where found.rule_no = r.rule_no;
    end loop;
end;
$$;
select lives_ok($$ select pg_temp.prepare('2026-01-05 12:00+00') $$, 'the samples of their tests are stored');
select lives_ok($$ select pg_temp.run('2026-01-05 12:00+00') $$, 'the tests run');
select is_empty(
    $$ select r.rule_name, r.test_name, r.faults from test_run as r where cardinality(r.faults) > 0 order by 1, 2 $$,
    'each rule fires, clears and stays quiet as its tests say');
select is_empty(
    $$ select r.rule_name, s.last_error from test_run as r
        inner join monitoring.alert_rule_states as s on s.rule_no = r.rule_no where s.last_error is not null $$,
    'none failed to be evaluated');
select * from finish();
rollback;
