-- alerting/rule_tests.sql: rules tested on samples that are data.
-- Owns expand_test_values, seed_rule_test, expectation_fault, run_rule_test, test_alert_rules.
-- Writes nothing that stays. Concurrency: any number of callers; what a test makes is undone before it returns.

-- The samples of a text such as "1x10 0x5 _x3 1+2x20 10~2x6": null where there is none. Numbers count from 0.
-- Raises: PV930.
create or replace function monitoring_internal.expand_test_values(p_values text)
returns table (number integer, value double precision)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_number constant text := '-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?';
    v_form constant text := format('^(_|%1$s)(?:([+~-])(%1$s))?(?:x(\d{1,6}))?$', v_number);
    v_wrong text;
begin
    select word.text into v_wrong
    from regexp_split_to_table(trim(p_values), '\s+') as word (text)
    where word.text !~* v_form
    limit 1;
    if v_wrong is not null or p_values is null then
        raise exception using
            errcode = 'PV930',
            message = format('"%s" is no value of a test', left(coalesce(v_wrong, ''), 50)),
            hint = 'Values are 5, 5x10, 5+2x10, 5-2x10, 5~2x10, _ and _x10, with blanks between them.';
    end if;
    return query
    select (word.before + item.index)::integer, case when word.start <> '_' then
        word.start::double precision + coalesce(word.step::double precision, 0) * case word.operator
            when '+' then item.index when '-' then -item.index else 1 - 2 * (item.index % 2) end end
    from (
        select part.number, form.match[1] as start, form.match[2] as operator, form.match[3] as step, length.count,
            sum(length.count) over (order by part.number) - length.count as before
        from regexp_split_to_table(trim(p_values), '\s+') with ordinality as part (text, number)
        cross join lateral regexp_match(part.text, v_form, 'i') as form (match)
        cross join lateral (select coalesce(form.match[4]::integer, 1)) as length (count)
    ) as word
    cross join lateral generate_series(0, word.count - 1) as item (index);
end;
$$;

comment on function monitoring_internal.expand_test_values(text) is
    'Samples of a test''s text, such as "1x10 0x5 _x3 1+2x20".';

-- Give a tenant the series of a test.
-- Raises: PV930.
create or replace function monitoring_internal.seed_rule_test(
    p_tenant_id uuid, p_definition jsonb, p_start_at timestamptz, p_interval interval)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.metric_families (name)
    select distinct series.definition ->> 'metric'
    from jsonb_array_elements(p_definition -> 'series') as series (definition)
    where not exists (
        select 1 from monitoring.metric_families as family where family.name = series.definition ->> 'metric');
    insert into monitoring.series (tenant_id, metric_family_id, labels)
    select distinct p_tenant_id, family.metric_family_id, coalesce(series.definition -> 'labels', '{}')
    from jsonb_array_elements(p_definition -> 'series') as series (definition)
    inner join monitoring.metric_families as family on family.name = series.definition ->> 'metric';
    insert into monitoring.samples (series_id, sampled_at, value)
    select stored.series_id, p_start_at
            + sample.number * coalesce((series.definition ->> 'interval')::interval, p_interval), sample.value
    from jsonb_array_elements(p_definition -> 'series') as series (definition)
    inner join monitoring.metric_families as family on family.name = series.definition ->> 'metric'
    inner join monitoring.series as stored
        on stored.tenant_id = p_tenant_id and stored.metric_family_id = family.metric_family_id
        and stored.labels = coalesce(series.definition -> 'labels', '{}')
    cross join lateral monitoring_internal.expand_test_values(series.definition ->> 'values') as sample
    where sample.value is not null;
end;
$$;

comment on function monitoring_internal.seed_rule_test(uuid, jsonb, timestamptz, interval) is
    'Stores the series and samples of a test.';

-- How what is there differs from what a test expects; null when it does not.
create or replace function monitoring_internal.expectation_fault(
    p_rule_no integer, p_now timestamptz, p_expected jsonb)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with present as materialized (
        select condition.labels, condition.state, case
                when condition.level = 2 or condition.alert_id is null and condition.critical_since is not null
                then 'critical'
                when condition.level = 1 or condition.warning_since is not null then 'warning' end as level,
            (select alert.severity from monitoring.alerts as alert where alert.id = condition.alert_id) as severity,
            condition.value
        from monitoring.alert_conditions as condition
        where condition.rule_no = p_rule_no and condition.kind = 'series'
            and condition.labels @> coalesce(p_expected -> 'labels', '{}')
    ),
    matching as (
        select count(*) as count
        from present
        where present.state = coalesce(nullif(p_expected ->> 'state', 'ok'), present.state)
            and present.level is not distinct from coalesce(p_expected ->> 'level', present.level)
            and present.severity is not distinct from coalesce(p_expected ->> 'severity', present.severity)
            and (not p_expected ? 'value' or abs(present.value - (p_expected ->> 'value')::double precision)
                <= 1e-6 * greatest(1, abs(present.value)))
    ),
    happened as materialized (
        select transition.transition, transition.reason
        from monitoring.alert_transitions as transition
        where transition.rule_no = p_rule_no and transition.occurred_at = p_now
    )
    select case
        when not p_expected ?| '{state,level,severity,value,count,transition}' then 'it expects nothing'
        when p_expected ->> 'state' = 'ok' and matching.count > 0
            or matching.count <> (p_expected ->> 'count')::integer
            or coalesce(p_expected ->> 'state', '') <> 'ok' and not p_expected ? 'count'
                and p_expected ?| '{state,level,severity,value}' and matching.count = 0
        then format('at %s expected %s, found %s', p_expected ->> 'at', p_expected - 'at', coalesce((
            select jsonb_agg(jsonb_strip_nulls(to_jsonb(present)) order by present.labels)::text from present), 'ok'))
        when p_expected ? 'transition' and not exists (
            select 1 from happened
            where happened.transition = p_expected ->> 'transition'
                and coalesce(happened.reason = p_expected ->> 'reason', not p_expected ? 'reason'))
        then format('at %s expected %s, found %s', p_expected ->> 'at', p_expected - 'at', coalesce((
            select string_agg(concat_ws(' ', happened.transition, happened.reason), ', ') from happened), 'none'))
    end
    from matching;
$$;

comment on function monitoring_internal.expectation_fault(integer, timestamptz, jsonb) is
    'How the conditions of a rule differ from what a test expects; null when they do not.';

-- Run one test in a tenant of its own; returns what differs, null when nothing does. Leaves all it made: the caller
-- undoes it.
-- Raises: PV930, and whatever the rule raises.
create or replace function monitoring_internal.run_rule_test(p_rule_no integer, p_definition jsonb)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_suffix constant text := ' ~' || gen_random_uuid();
    v_start_at constant timestamptz := coalesce((p_definition ->> 'start_at')::timestamptz, '2026-01-05 12:00+00');
    v_interval constant interval := coalesce((p_definition ->> 'interval')::interval, '1 minute');
    v_step constant interval := coalesce((p_definition ->> 'step')::interval, v_interval);
    v_tenant_id uuid;
    v_rules integer[];
    v_faults text[];
begin
    if least(v_interval, v_step) <= interval '0' then
        raise exception using errcode = 'PV930', message = 'interval and step of a test are longer than nothing';
    end if;
    perform set_config('pgvigil.is_replay', 'on', true);
    insert into monitoring.tenants (name, time_zone)
    select 'test-' || gen_random_uuid(), coalesce(tenant.time_zone, 'UTC')
    from monitoring.alert_rules as rule
    left join monitoring.tenants as tenant on tenant.tenant_id = rule.tenant_id
    where rule.rule_no = p_rule_no
    returning tenant_id into v_tenant_id;
    perform monitoring_internal.seed_rule_test(v_tenant_id, p_definition, v_start_at, v_interval);
    perform monitoring_internal.clone_alert_rule(p_rule_no, v_tenant_id, '{}', v_suffix);
    v_rules := monitoring_internal.replayed_rules(v_suffix);
    perform monitoring_internal.bind_replayed_rules_at(v_start_at, v_rules, v_interval);
    -- A loop: each step is a pass of the evaluator, and knows what the one before left.
    for v_step_no in 0..(
        select coalesce(max(floor(
            extract(epoch from (expected.item ->> 'at')::interval) / extract(epoch from v_step))), 0)::integer
        from jsonb_array_elements(p_definition -> 'expect') as expected (item))
    loop
        perform monitoring_internal.replay_step_at(v_start_at + v_step_no * v_step, v_rules, v_step, false);
        v_faults := v_faults || array(
            select fault.message
            from jsonb_array_elements(p_definition -> 'expect') with ordinality as expected (item, number)
            cross join lateral (
                select monitoring_internal.expectation_fault(
                    v_rules[cardinality(v_rules)], v_start_at + v_step_no * v_step, expected.item)
            ) as fault (message)
            where floor(extract(epoch from (expected.item ->> 'at')::interval) / extract(epoch from v_step)) = v_step_no
                and fault.message is not null
            order by expected.number);
    end loop;
    return nullif(array_to_string(v_faults || array(
        select format('%s could not be evaluated: %s', rule.rule_name, state.last_error)
        from monitoring.alert_rule_states as state
        inner join monitoring.alert_rules as rule on rule.rule_no = state.rule_no
        where state.rule_no = any (v_rules) and state.last_error is not null), '; '), '');
end;
$$;

comment on function monitoring_internal.run_rule_test(integer, jsonb) is
    'Runs a test of a rule on samples of its own and leaves them; returns what differs, or null.';

-- Run the tests of rules with the evaluator itself; nothing of it stays.
create or replace function monitoring.test_alert_rules(rule_id uuid default null, source text default null)
returns table (rule text, test text, passed boolean, detail text)
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_test record;
begin
    -- A loop: each test is undone by itself.
    for v_test in
        select defined.rule_no, defined.rule_name, written.test_name, written.definition
        from monitoring.alert_rule_tests as written
        inner join monitoring.alert_rules as defined on defined.id = written.alert_rule_id
        where (test_alert_rules.rule_id is null or defined.id = test_alert_rules.rule_id)
            and (test_alert_rules.source is null or defined.source = test_alert_rules.source)
        order by defined.rule_name, defined.rule_no, written.test_name
    loop
        rule := v_test.rule_name;
        test := v_test.test_name;
        begin
            detail := monitoring_internal.run_rule_test(v_test.rule_no, v_test.definition);
            raise exception using errcode = 'PV931', message = 'the test is undone';
        exception
            when sqlstate 'PV931' then
                passed := detail is null;
            -- A test that breaks has failed, and says by what; the others still run.
            when others then
                passed := false;
                detail := format('%s (%s)', sqlerrm, sqlstate);
        end;
        return next;
    end loop;
end;
$$;

comment on function monitoring.test_alert_rules(uuid, text) is
    'Runs the tests of all rules, of one, or of those of a source (user, pack), with the evaluator itself on samples '
    'of their own, and undoes it; what a failed one found is in detail. For monitoring_admin.';
