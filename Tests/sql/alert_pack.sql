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

select * from finish();
rollback;
