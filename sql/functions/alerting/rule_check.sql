-- alerting/rule_check.sql: what is wrong with an alert rule, each fault with its remedy, when it is made or changed.
-- Owns is_regular_expression, metric_spacing, rule_metric_faults, rule_level_faults, rule_matcher_faults,
-- check_alert_rule. Writes nothing. Any number of callers at once.

-- Whether a text is a regular expression of the server's.
create or replace function monitoring_internal.is_regular_expression(p_text text)
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return '' ~ ('^(?:' || p_text || ')$') is not null;
exception
    when invalid_regular_expression then
        return false;
end;
$$;

comment on function monitoring_internal.is_regular_expression(text) is 'Whether a text can be used as an expression.';

-- The distance of a metric's samples: the interval of its collector, else that of the newest ones of a series.
create or replace function monitoring_internal.metric_spacing(p_metric text)
returns interval
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (
            select min(coalesce(collector.custom_every, collector.every))
            from monitoring.collector_columns as metric
            inner join monitoring.collectors as collector using (collector_id)
            where metric.usage = 'metric' and metric.name = p_metric
        ),
        (
            -- The newest samples of a few series, whenever that was.
            select min(monitoring_internal.series_spacing_at(member.series_id, latest.sampled_at))
            from (
                select series.series_id
                from monitoring.metric_families as family
                cross join monitoring.tenants as tenant
                cross join lateral (
                    select one.series_id
                    from monitoring.series as one
                    where one.tenant_id = tenant.tenant_id and one.metric_family_id = family.metric_family_id
                    limit 3
                ) as series
                where family.name = p_metric
                limit 10
            ) as member
            cross join lateral (
                select coalesce(
                    (
                        select max(sample.sampled_at)
                        from monitoring_internal.raw_points as sample
                        where sample.series_id = member.series_id
                    ),
                    (
                        select max(block.period_at) + interval '24 hours'
                        from monitoring.sample_blocks as block
                        where block.series_id = member.series_id
                    )) as sampled_at
            ) as latest
        ));
$$;

comment on function monitoring_internal.metric_spacing(text) is
    'How far apart a metric''s samples are: its collector''s interval, else as observed; null while nothing shows it.';

-- Faults of the metrics: unknown, a window too short for them, a counter compared as it stands.
create or replace function monitoring_internal.rule_metric_faults(p_rule monitoring.alert_rules)
returns table (fault text, hint text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with operand as (
        select 0 as operand, p_rule.metric_name as metric, p_rule.aggregate
        union all
        select 1, divisor.metric, p_rule.aggregate
        from jsonb_array_elements_text(case jsonb_typeof(p_rule.condition_definition -> 'denominator')
            when 'array' then p_rule.condition_definition -> 'denominator'
            else jsonb_build_array(p_rule.condition_definition -> 'denominator') end) as divisor (metric)
        where p_rule.condition_type = 'ratio'
        union all
        select 2, p_rule.condition_definition #>> '{guard,metric}',
            coalesce(p_rule.condition_definition #>> '{guard,aggregate}', 'last')
        where p_rule.condition_definition ? 'guard'
    ),
    known as (
        select operand.operand, operand.metric, operand.aggregate, family.kind,
            monitoring_internal.metric_spacing(operand.metric) as spacing
        from operand
        left join monitoring.metric_families as family on family.name = operand.metric
        where operand.metric is not null
    )
    select format('metric "%s" is unknown', known.metric),
        'Correct its name, collect it first, or give "allow_unknown_metric": true in condition_definition.'
    from known
    where known.kind is null
        and not coalesce((p_rule.condition_definition -> 'allow_unknown_metric') = 'true'::jsonb, false)
    union all
    select format('the window of %s is shorter than two intervals of %s, which is collected every %s',
            p_rule.evaluation_window, known.metric, known.spacing),
        format('Give an evaluation_window of %s or more: a shorter one may hold no sample.', 2 * known.spacing)
    from known
    -- Observed times jitter.
    where p_rule.evaluation_window < 2 * known.spacing * 0.99
    union all
    select format('%s is a counter, and its %s says nothing: it only grows', known.metric, known.aggregate),
        'Use the aggregate rate or increase, or give "allow_raw_counter": true in condition_definition.'
    from known
    where known.kind = 'counter' and known.aggregate not in ('rate', 'increase', 'count')
        and p_rule.condition_type in ('threshold', 'ratio')
        and not coalesce((p_rule.condition_definition -> 'allow_raw_counter') = 'true'::jsonb, false);
$$;

comment on function monitoring_internal.rule_metric_faults(monitoring.alert_rules) is
    'What is wrong with the metrics and the window of a rule.';

-- Faults of operator, thresholds and recoveries.
create or replace function monitoring_internal.rule_level_faults(p_rule monitoring.alert_rules)
returns table (fault text, hint text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with side as (
        select p_rule.comparison_operator as operator,
            p_rule.condition_type in ('threshold', 'ratio') as is_compared,
            p_rule.warning_threshold as warning, p_rule.critical_threshold as critical,
            case
                when p_rule.comparison_operator in ('gt', 'gte') then 1
                when p_rule.comparison_operator in ('lt', 'lte') then -1
                when p_rule.comparison_operator is null and p_rule.condition_type in ('absence', 'anomaly') then 1
            end as direction
    )
    select 'comparison_operator is missing', 'Give gt, lt, eq, ne, gte or lte.'
    from side where side.is_compared and side.operator is null
    union all
    select format('comparison_operator "%s" is unknown', side.operator), 'Give gt, lt, eq, ne, gte or lte.'
    from side where side.operator not in ('gt', 'lt', 'eq', 'ne', 'gte', 'lte')
    union all
    select 'neither warning_threshold nor critical_threshold is given', 'Give one of them, or both.'
    from side where side.is_compared and side.warning is null and side.critical is null
    union all
    select format('warning_threshold %s is beyond critical_threshold %s, so that it is never the milder',
            side.warning, side.critical),
        format('For %s the warning must be %s.', side.operator,
            case when side.direction > 0 then 'the lower one' else 'the higher one' end)
    from side where (side.warning - side.critical) * side.direction > 0
    union all
    select format('%s_recovery %s is on the bad side of its threshold %s',
            level.name, level.recovery, level.threshold),
        format('For %s it must be %s the threshold.', side.operator,
            case when side.direction > 0 then 'at or below' else 'at or above' end)
    from side
    cross join lateral (
        values ('warning', p_rule.warning_recovery, side.warning), ('critical', p_rule.critical_recovery, side.critical)
    ) as level (name, recovery, threshold)
    where (level.recovery - level.threshold) * side.direction > 0
    union all
    select 'a recovery has no meaning for eq and ne', 'Leave warning_recovery and critical_recovery out.'
    from side
    where side.operator in ('eq', 'ne') and coalesce(p_rule.warning_recovery, p_rule.critical_recovery) is not null
    union all
    select format('anomaly_sensitivity %s is outside 0 to 1', p_rule.anomaly_sensitivity),
        'Give 0 for the grossest anomalies alone, 1 for the slightest too.'
    where p_rule.anomaly_sensitivity not between 0 and 1;
$$;

comment on function monitoring_internal.rule_level_faults(monitoring.alert_rules) is
    'What is wrong with operator, thresholds and recoveries of a rule.';

-- Faults of a set of matchers.
create or replace function monitoring_internal.rule_matcher_faults(p_matchers jsonb, p_place text)
returns table (fault text, hint text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format('%s is no object', p_place), 'Give {"label": "value"} or {"label": {"re": "expression"}}.'
    where jsonb_typeof(p_matchers) <> 'object'
    union all
    select format('%s: label "%s" has %s', p_place, matcher.key, found.fault), found.hint
    from jsonb_each(case when jsonb_typeof(p_matchers) = 'object' then p_matchers else '{}' end) as matcher
    cross join lateral (
        select format('%s to match', jsonb_typeof(matcher.value)) as fault,
            'Give a text, or an object of re, nre and ne.' as hint
        where jsonb_typeof(matcher.value) not in ('string', 'object')
        union all
        select format('the unknown operator "%s"', part.key), 'Known are re, nre and ne; equality is a plain text.'
        from jsonb_each(case when jsonb_typeof(matcher.value) = 'object' then matcher.value else '{}' end) as part
        where part.key not in ('re', 'nre', 'ne')
        union all
        select format('the malformed expression %s', part.value),
            'It is a POSIX expression, as the operator ~ takes it.'
        from jsonb_each(case when jsonb_typeof(matcher.value) = 'object' then matcher.value else '{}' end) as part
        where part.key in ('re', 'nre') and (jsonb_typeof(part.value) <> 'string'
            or not monitoring_internal.is_regular_expression(part.value #>> '{}'))
    ) as found;
$$;

comment on function monitoring_internal.rule_matcher_faults(jsonb, text) is
    'What is wrong with matchers; the text names where they stand.';

-- Stop a rule that has faults, and name them all. Pausing one, or going on with it, is no change.
-- Raises: PV901.
create or replace function monitoring_internal.check_alert_rule()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_unchanged monitoring.alert_rules;
    v_faults text[];
    v_hints text[];
begin
    if tg_op = 'UPDATE' then
        v_unchanged := old;
        v_unchanged.last_triggered := new.last_triggered;
        v_unchanged.is_active := new.is_active;
        if v_unchanged is not distinct from new then
            return new;
        end if;
    end if;
    select array_agg(found.fault order by found.place, found.fault), array_agg(distinct found.hint)
    into v_faults, v_hints
    from (
        select 1 as place, level.fault, level.hint from monitoring_internal.rule_level_faults(new) as level
        union all
        select 2, metric.fault, metric.hint from monitoring_internal.rule_metric_faults(new) as metric
        union all
        select 3, matcher.fault, matcher.hint
        from monitoring_internal.rule_matcher_faults(new.matchers, 'matchers') as matcher
        union all
        select 4, definition.fault, definition.hint from monitoring_internal.rule_definition_faults(new) as definition
        union all
        select 5, text.fault, text.hint
        from (values ('title_template', new.title_template), ('message_template', new.message_template))
            as template (name, text)
        cross join lateral monitoring_internal.template_faults(template.name, template.text) as text
    ) as found;
    if v_faults is not null then
        raise exception using
            errcode = 'PV901',
            message = format('alert rule "%s" is not valid: %s', new.rule_name, array_to_string(v_faults, '; ')),
            hint = array_to_string(v_hints, ' ');
    end if;
    if new.created_by is null and new.source = 'user' and tg_op = 'INSERT' then
        new.created_by := monitoring_internal.caller_role();
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.check_alert_rule() is 'Trigger: refuses a rule with faults, naming each.';
