-- alerting/definition.sql: what is wrong with the definition of a trend, anomaly, pattern or composite rule.
-- Owns definition_faults, trend_faults, anomaly_faults, pattern_faults, check_condition_definition.
-- Writes nothing. Concurrency: any number of callers; reads one snapshot.

-- Keys of a definition that are not known, and those that ought to be numbers within bounds and are not.
-- p_numbers: {"name": [least, greatest]}; p_others: names of what is no number.
create or replace function monitoring_internal.definition_faults(
    p_where text, p_definition jsonb, p_numbers jsonb, p_others text[])
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when not (p_numbers ? entry.key or entry.key = any (p_others))
        then format('%s has "%s", which is none of %s', p_where, left(entry.key, 50),
            (select string_agg(known.name, ', ' order by known.name)
            from (select jsonb_object_keys(p_numbers) union all select unnest(p_others)) as known (name)))
        when p_numbers ? entry.key
        then format('"%s" of %s is not a number from %s to %s', entry.key, p_where, p_numbers -> entry.key ->> 0,
            p_numbers -> entry.key ->> 1)
    end
    from jsonb_each(p_definition) as entry
    where not (p_numbers ? entry.key or entry.key = any (p_others))
        or p_numbers ? entry.key and case when jsonb_typeof(entry.value) = 'number' then
            entry.value::numeric not between (p_numbers -> entry.key ->> 0)::numeric
                and (p_numbers -> entry.key ->> 1)::numeric
            else true end;
$$;

comment on function monitoring_internal.definition_faults(text, jsonb, jsonb, text[]) is
    'Keys of a definition that are unknown, or no numbers within their bounds.';

-- What is wrong with a trend rule.
create or replace function monitoring_internal.trend_faults(p_rule monitoring.alert_rules)
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.definition_faults('condition_definition', p_rule.condition_definition,
        '{"limit": ["-1e300", "1e300"], "confidence": [0.8, 0.99], "min_samples": [3, 1000000],
            "min_rise": ["0", "1e300"]}',
        '{trend,direction,allow_unknown_metric}')
    union all
    select fault.message
    from (select p_rule.condition_definition as definition) as rule
    cross join lateral (values
        (coalesce(rule.definition ->> 'trend', '') not in ('slope', 'change', 'change_percent', 'time_to'),
            '"trend" of condition_definition is none of slope, change, change_percent, time_to'),
        (rule.definition ->> 'trend' = 'time_to' and not rule.definition ? 'limit',
            'condition_definition has no "limit" that the time to is asked for'),
        (rule.definition ->> 'trend' = 'time_to'
            and coalesce(p_rule.comparison_operator, '') not in ('lt', 'lte'),
            'comparison_operator is neither lt nor lte: thresholds of time_to are seconds that remain'),
        (p_rule.comparison_operator is null, 'comparison_operator is missing'),
        (p_rule.warning_threshold is null and p_rule.critical_threshold is null, 'there is no threshold'),
        (coalesce(rule.definition ->> 'direction', 'up') not in ('up', 'down'),
            '"direction" of condition_definition is neither up nor down'),
        (coalesce(rule.definition -> 'confidence', '0.95') not in ('0.8', '0.9', '0.95', '0.99'),
            '"confidence" of condition_definition is none of 0.8, 0.9, 0.95, 0.99')
    ) as fault (is_there, message)
    where fault.is_there;
$$;

comment on function monitoring_internal.trend_faults(monitoring.alert_rules) is 'What is wrong with a trend rule.';

-- What is wrong with an anomaly rule.
create or replace function monitoring_internal.anomaly_faults(p_rule monitoring.alert_rules)
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.definition_faults('condition_definition', p_rule.condition_definition,
        '{"min_deviation": ["0", "1e300"], "min_relative_deviation": ["0", "1e6"], "min_samples": [3, 1000000]}',
        '{direction,allow_unknown_metric}')
    union all
    select fault.message
    from (values
        (coalesce(p_rule.condition_definition ->> 'direction', 'both') not in ('above', 'below', 'both'),
            '"direction" of condition_definition is none of above, below, both'),
        (p_rule.comparison_operator not in ('gt', 'gte'),
            'comparison_operator has no place in an anomaly rule: its direction says which side counts'),
        (p_rule.warning_threshold <= 0 or p_rule.critical_threshold <= 0,
            'thresholds of an anomaly rule are deviations above zero'),
        (p_rule.trend_period < 2 * p_rule.evaluation_window,
            'trend_period, from which the norm is made, is shorter than two evaluation windows')
    ) as fault (is_there, message)
    where fault.is_there;
$$;

comment on function monitoring_internal.anomaly_faults(monitoring.alert_rules) is 'What is wrong with an anomaly rule.';

-- What is wrong with the keys of a pattern, by its kind.
create or replace function monitoring_internal.pattern_faults(p_rule monitoring.alert_rules)
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.definition_faults('pattern_definition', pattern.definition, case pattern.kind
            when 'k_of_n' then '{"k": [1, 10000], "n": [1, 10000]}'
            when 'flapping' then '{"level": ["-1e300", "1e300"], "band": ["0", "1e300"]}'
            when 'sequence' then '{"low": ["-1e300", "1e300"], "high": ["-1e300", "1e300"]}'
            else '{"tolerance": ["0", "1e300"]}'
        end::jsonb, case pattern.kind
            when 'k_of_n' then '{pattern,bucket}' when 'sequence' then '{pattern,levels}' else '{pattern}'
        end::text[])
    from (select p_rule.pattern_definition as definition, p_rule.pattern_definition ->> 'pattern' as kind) as pattern
    where pattern.kind in ('k_of_n', 'flapping', 'sequence', 'flat')
    union all
    select fault.message
    from (
        select p_rule.pattern_definition as definition, coalesce(p_rule.pattern_definition ->> 'pattern', '') as kind,
            p_rule.warning_threshold is null and p_rule.critical_threshold is null as has_no_threshold
    ) as pattern
    cross join lateral (values
        (pattern.kind not in ('k_of_n', 'flapping', 'sequence', 'flat'),
            '"pattern" of pattern_definition is none of k_of_n, flapping, sequence, flat'),
        (pattern.kind = 'k_of_n' and not pattern.definition ?& '{k,n}', 'pattern_definition has no "k" or no "n"'),
        (pattern.kind = 'k_of_n' and (pattern.definition -> 'k') > (pattern.definition -> 'n'),
            '"k" of pattern_definition is greater than "n"'),
        (pattern.kind = 'k_of_n' and p_rule.comparison_operator is null, 'comparison_operator is missing'),
        (pattern.definition ? 'bucket' and not coalesce(
            monitoring_internal.is_setting_value(pattern.definition ->> 'bucket', 'interval', '1s', '31days'), false),
            '"bucket" of pattern_definition is not an interval from 1 second to 31 days'),
        (pattern.kind = 'flapping' and not pattern.definition ? 'level', 'pattern_definition has no "level"'),
        (pattern.kind = 'sequence' and not pattern.definition ?& '{low,high}',
            'pattern_definition has no "low" or no "high"'),
        (pattern.kind = 'sequence' and (pattern.definition -> 'low') > (pattern.definition -> 'high'),
            '"low" of pattern_definition is greater than "high"'),
        (pattern.kind = 'sequence' and not coalesce(
            jsonb_array_length(jsonb_path_query_array(pattern.definition, 'lax $.levels[*] ? (
                @ == "low" || @ == "mid" || @ == "high")')) between 2 and 20
            and not jsonb_path_exists(pattern.definition, 'lax $.levels[*] ? (
                @ != "low" && @ != "mid" && @ != "high")'), false),
            '"levels" of pattern_definition is not a list of 2 to 20 out of low, mid, high'),
        (pattern.kind in ('k_of_n', 'flapping', 'flat') and pattern.has_no_threshold, 'there is no threshold'),
        (pattern.kind = 'flat' and greatest(p_rule.warning_threshold, p_rule.critical_threshold)
            >= extract(epoch from p_rule.evaluation_window),
            'a threshold, in seconds, is not below evaluation_window: the line could never be seen to be so long')
    ) as fault (is_there, message)
    where fault.is_there;
$$;

comment on function monitoring_internal.pattern_faults(monitoring.alert_rules) is 'What is wrong with a pattern rule.';

-- What is wrong with the definition of a rule that is not about thresholds, ratios or absence.
create or replace function monitoring_internal.check_condition_definition(p_rule monitoring.alert_rules)
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.trend_faults(p_rule) where p_rule.condition_type = 'trend'
    union all
    select monitoring_internal.anomaly_faults(p_rule) where p_rule.condition_type = 'anomaly'
    union all
    select monitoring_internal.pattern_faults(p_rule) where p_rule.condition_type = 'pattern'
    union all
    select monitoring_internal.composite_faults(p_rule) where p_rule.condition_type = 'composite';
$$;

comment on function monitoring_internal.check_condition_definition(monitoring.alert_rules) is
    'What is wrong with the definition of a trend, anomaly, pattern or composite rule; no row when nothing is.';
