-- alerting/rule_definition.sql: what may stand in the jsonb columns of a rule.
-- Owns rule_definition_keys, rule_definition_faults. Writes nothing.
-- Any number of callers at once.

-- The keys of condition_definition, and what each must be.
create or replace function monitoring_internal.rule_definition_keys(p_condition_type text)
returns table (key text, kinds text[])
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select known.key, known.kinds
    from (values
        ('{threshold,ratio,absence}'::text[], 'allow_unknown_metric', '{boolean}'::text[]),
        ('{threshold,ratio}', 'allow_raw_counter', '{boolean}'),
        ('{threshold,ratio}', 'epsilon', '{number}'),
        ('{threshold,ratio}', 'guard', '{object}'),
        ('{ratio}', 'denominator', '{string,array}'),
        ('{ratio}', 'denominator_matchers', '{object}'),
        ('{ratio}', 'on', '{array}'),
        ('{ratio}', 'min_denominator', '{number}'),
        ('{ratio}', 'scale', '{number}'),
        ('{absence}', 'lookback', '{string}'),
        ('{absence}', 'expected', '{array}')
    ) as known (types, key, kinds)
    where p_condition_type = any (known.types);
$$;

comment on function monitoring_internal.rule_definition_keys(text) is
    'Keys that condition_definition of a type may have, each with the kinds of json it may be.';

-- Faults of condition_definition and pattern_definition: unknown keys, values of another kind, what is missing.
create or replace function monitoring_internal.rule_definition_faults(p_rule monitoring.alert_rules)
returns table (fault text, hint text)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_definition constant jsonb := case
        when jsonb_typeof(p_rule.condition_definition) = 'object' then p_rule.condition_definition else '{}' end;
    v_guard constant jsonb := case
        when jsonb_typeof(v_definition -> 'guard') = 'object' then v_definition -> 'guard' else '{}' end;
begin
    if p_rule.condition_type in ('threshold', 'ratio', 'absence') then
        return query
            select format('condition_definition has %s "%s"',
                    case when known.key is null then 'the unknown key' else 'a value of the wrong kind for' end,
                    given.key),
                format('A %s takes: %s.', p_rule.condition_type, (
                    select string_agg(format('%s (%s)', k.key, array_to_string(k.kinds, ' or ')), ', ' order by k.key)
                    from monitoring_internal.rule_definition_keys(p_rule.condition_type) as k))
            from jsonb_each(v_definition) as given
            left join monitoring_internal.rule_definition_keys(p_rule.condition_type) as known on known.key = given.key
            where known.key is null or jsonb_typeof(given.value) <> all (known.kinds);
        if p_rule.condition_type = 'ratio' and not v_definition ? 'denominator' then
            return query select 'a ratio has no denominator',
                'Give "denominator": a metric, or an array of metrics that are added up.';
        end if;
        if v_definition ? 'lookback'
            and not monitoring_internal.is_setting_value(v_definition ->> 'lookback', 'interval', '1s', '366 days') then
            return query select 'lookback is no length of time', 'Give one such as "7 days".';
        end if;
        if v_definition ? 'guard' then
            return query
                select format('guard has the unknown key "%s"', given.key),
                    'A guard takes metric, aggregate, at_least, matchers and on.'
                from jsonb_object_keys(v_guard) as given (key)
                where given.key not in ('metric', 'aggregate', 'at_least', 'matchers', 'on');
            if jsonb_typeof(v_guard -> 'metric') is distinct from 'string'
                or jsonb_typeof(v_guard -> 'at_least') is distinct from 'number'
                or coalesce(v_guard ->> 'aggregate', 'last') <> all (
                    '{avg,min,max,sum,count,last,rate,increase,delta,stddev}')
            then
                return query select 'guard lacks a metric or at_least, or has an unknown aggregate',
                    'Write {"metric": "name", "aggregate": "last", "at_least": number}.';
            end if;
            return query select matcher.* from monitoring_internal.rule_matcher_faults(
                coalesce(v_guard -> 'matchers', '{}'), 'guard') as matcher;
        end if;
        return query select matcher.* from monitoring_internal.rule_matcher_faults(
            coalesce(v_definition -> 'denominator_matchers', '{}'), 'denominator_matchers') as matcher;
    else
        return query
            select other.fault, 'The keys of each type are in docs/alerting.md.'
            from monitoring_internal.check_condition_definition(p_rule) as other (fault);
    end if;
end;
$$;

comment on function monitoring_internal.rule_definition_faults(monitoring.alert_rules) is
    'What is wrong with condition_definition and pattern_definition of a rule.';
