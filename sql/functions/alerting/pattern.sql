-- alerting/pattern.sql: rules on the shape of a series: k of n, changes of side, sequences of levels, flat lines.
-- Owns pattern_points_at, pattern_counts_at, pattern_sequences_at, pattern_flats_at, pattern_readings_at,
-- read_pattern_rules_at. Writes nothing. Concurrency: any number of callers; reads one snapshot.

-- The points in the windows of the rules of some patterns.
create or replace function monitoring_internal.pattern_points_at(
    p_now timestamptz, p_rules integer[], p_patterns text[])
returns table (
    rule_no integer, label_key uuid, until_at timestamptz, definition jsonb, sampled_at timestamptz,
    value double precision)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with span as materialized (
        select rule.rule_no, rule.pattern_definition as definition, p_now - rule.evaluation_delay as until_at,
            p_now - rule.evaluation_delay - rule.evaluation_window as from_at
        from monitoring.alert_rules as rule
        where rule.rule_no = any (p_rules) and rule.condition_type = 'pattern'
            and rule.pattern_definition ->> 'pattern' = any (p_patterns)
    )
    select point.rule_no, point.label_key, point.until_at, span.definition, point.sampled_at, point.value
    from (
        select array_agg(span.rule_no) as rules, array_agg(span.from_at) as from_at,
            array_agg(span.until_at) as until_at
        from span
    ) as wanted
    cross join lateral monitoring_internal.rule_points(wanted.rules, wanted.from_at, wanted.until_at) as point
    inner join span on span.rule_no = point.rule_no;
end;
$$;

comment on function monitoring_internal.pattern_points_at(timestamptz, integer[], text[]) is
    'Points in the windows of pattern rules, with the pattern.';

-- Rules on k breaching ones among the last n samples, or buckets by their mean: the value is how many breach the lowest
-- level; a level is reached by k beyond its threshold and left when fewer than k are short of its recovery.
create or replace function monitoring_internal.pattern_counts_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with unit as (
        select point.rule_no, point.label_key, point.definition, max(point.sampled_at) as sampled_at,
            avg(point.value) as value,
            row_number() over (partition by point.rule_no, point.label_key order by max(point.sampled_at) desc) as age
        from monitoring_internal.pattern_points_at(p_now, p_rules, '{k_of_n}') as point
        group by point.rule_no, point.label_key, point.definition, coalesce(
            (-floor(extract(epoch from point.until_at - point.sampled_at)
                / extract(epoch from (point.definition ->> 'bucket')::interval)))::double precision,
            extract(epoch from point.sampled_at))
    ),
    counted as (
        select unit.rule_no, unit.label_key, max(unit.sampled_at) as sampled_at, count(*) as units,
            (unit.definition ->> 'k')::numeric as k,
            count(*) filter (where reached.level >= 1) as warnings,
            count(*) filter (where reached.level = 2) as criticals,
            count(*) filter (where reached.held >= 1) as held_warnings,
            count(*) filter (where reached.held = 2) as held_criticals,
            min(unit.sampled_at) filter (where reached.level >= 1) as warning_since,
            min(unit.sampled_at) filter (where reached.level = 2) as critical_since
        from unit
        inner join monitoring.alert_rules as rule on rule.rule_no = unit.rule_no
        cross join lateral (
            select monitoring_internal.alert_level(
                    unit.value, rule.comparison_operator, rule.warning_threshold, rule.critical_threshold, 0) as level,
                monitoring_internal.alert_held_level(
                    unit.value, rule.comparison_operator, rule.warning_threshold, rule.critical_threshold,
                    rule.warning_recovery, rule.critical_recovery, 0) as held
        ) as reached
        where unit.age <= (unit.definition ->> 'n')::numeric
        group by unit.rule_no, unit.label_key, unit.definition
    )
    select counted.rule_no, counted.label_key, null::uuid, null::jsonb, counted.warnings::double precision,
        case when counted.criticals >= counted.k then 2 when counted.warnings >= counted.k then 1 else 0 end::smallint,
        case when counted.held_criticals >= counted.k then 2 when counted.held_warnings >= counted.k then 1
            else 0 end::smallint,
        case when counted.criticals >= counted.k then counted.critical_since else counted.warning_since end,
        counted.sampled_at, counted.units::integer, null::integer, null::double precision, null::text,
        jsonb_build_object('pattern', 'k_of_n', 'k', counted.k, 'seen', counted.units,
            'breaching', counted.warnings, 'breaching_critical', counted.criticals)
    from counted;
end;
$$;

comment on function monitoring_internal.pattern_counts_at(timestamptz, integer[]) is
    'How many of the last samples or buckets breach, by label set.';

-- Rules on changes of side and on sequences: points become letters (low, mid, high), runs of one letter become one.
-- The value is how often the side changed, or how often the sequence is there.
create or replace function monitoring_internal.pattern_sequences_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with run as (
        select point.rule_no, point.label_key, point.definition, max(point.sampled_at) as sampled_at,
            count(*)::integer as samples,
            regexp_replace(
                coalesce(string_agg(letter.name, '' order by point.sampled_at)
                    filter (where letter.name <> 'm' or bound.has_mid), ''), '(.)\1+', '\1', 'g') as letters
        from monitoring_internal.pattern_points_at(p_now, p_rules, '{flapping,sequence}') as point
        cross join lateral (
            select (point.definition -> 'levels') @> '"mid"' is true as has_mid,
                coalesce((point.definition ->> 'low')::double precision,
                    (point.definition ->> 'level')::double precision
                        - coalesce((point.definition ->> 'band')::double precision, 0)) as low,
                coalesce((point.definition ->> 'high')::double precision,
                    (point.definition ->> 'level')::double precision
                        + coalesce((point.definition ->> 'band')::double precision, 0)) as high
        ) as bound
        cross join lateral (
            select case when point.value > bound.high then 'h' when point.value < bound.low then 'l' else 'm' end
        ) as letter (name)
        group by point.rule_no, point.label_key, point.definition
    )
    select run.rule_no, run.label_key, null::uuid, null::jsonb,
        case when run.definition ->> 'pattern' = 'flapping' then greatest(length(run.letters) - 1, 0)
            else regexp_count(run.letters, wanted.expression) end::double precision,
        null::smallint, null::smallint, null::timestamptz, run.sampled_at, run.samples, null::integer,
        null::double precision, null::text,
        jsonb_build_object('pattern', run.definition ->> 'pattern', 'seen', right(run.letters, 40))
    from run
    cross join lateral (
        -- The first letter, ahead of the others: occurrences may share their ends.
        select left(string_agg(left(level.name, 1), '' order by level.number), 1) || '(?='
            || substr(string_agg(left(level.name, 1), '' order by level.number), 2) || ')'
        from jsonb_array_elements_text(run.definition -> 'levels') with ordinality as level (name, number)
    ) as wanted (expression);
end;
$$;

comment on function monitoring_internal.pattern_sequences_at(timestamptz, integer[]) is
    'How often series changed sides, or went through a sequence of levels, by label set.';

-- Rules on flat lines: for how many seconds a series has stayed within the tolerance of its newest value.
create or replace function monitoring_internal.pattern_flats_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with point as materialized (
        select point.*, first_value(point.value) over newest as newest_value
        from monitoring_internal.pattern_points_at(p_now, p_rules, '{flat}') as point
        window newest as (partition by point.rule_no, point.label_key order by point.sampled_at desc)
    ),
    moved as (
        select point.rule_no, point.label_key, max(point.sampled_at) as sampled_at, count(*)::integer as samples,
            max(point.newest_value) as value,
            coalesce(max(point.sampled_at) filter (
                where abs(point.value - point.newest_value)
                    > coalesce((point.definition ->> 'tolerance')::double precision, 0)), '-infinity') as moved_at
        from point
        group by point.rule_no, point.label_key
    )
    select moved.rule_no, moved.label_key, null::uuid, null::jsonb,
        extract(epoch from moved.sampled_at - min(point.sampled_at))::double precision, null::smallint, null::smallint,
        null::timestamptz, moved.sampled_at, moved.samples, null::integer, null::double precision, null::text,
        jsonb_build_object('pattern', 'flat', 'value', moved.value, 'since', min(point.sampled_at))
    from moved
    inner join point
        on point.rule_no = moved.rule_no and point.label_key = moved.label_key and point.sampled_at > moved.moved_at
    group by moved.rule_no, moved.label_key, moved.sampled_at, moved.samples, moved.value;
end;
$$;

comment on function monitoring_internal.pattern_flats_at(timestamptz, integer[]) is
    'For how many seconds series have not moved, by label set.';

-- Readings of pattern rules: all of them when complete, else those that matter.
create or replace function monitoring_internal.pattern_readings_at(
    p_now timestamptz, p_rules integer[], p_is_complete boolean)
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select * from monitoring_internal.judge_findings(p_now, p_rules, 'pattern', array(
        select finding from monitoring_internal.pattern_counts_at(p_now, p_rules) as finding
        union all
        select finding from monitoring_internal.pattern_sequences_at(p_now, p_rules) as finding
        union all
        select finding from monitoring_internal.pattern_flats_at(p_now, p_rules) as finding), p_is_complete);
end;
$$;

comment on function monitoring_internal.pattern_readings_at(timestamptz, integer[], boolean) is
    'Readings of pattern rules.';

-- Those that matter, for the evaluator.
create or replace function monitoring_internal.read_pattern_rules_at(p_now timestamptz, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select * from monitoring_internal.pattern_readings_at(p_now, p_rules, false);
end;
$$;

comment on function monitoring_internal.read_pattern_rules_at(timestamptz, integer[]) is
    'Readings of pattern rules that matter to the evaluator.';
