-- alerting/matchers.sql: which alerts a set of matchers means.
-- Owns compile_matchers, matches_value, check_matchers, check_patterns. Writes nothing.
-- Concurrency: reads of one snapshot.
--
-- A matcher is {"label": "value"} or {"label": {"eq"|"ne"|"re"|"nre": "...", "in": ["...", ...]}}; all have to hold.
-- A label that is missing is the empty one, and expressions match the whole value.

-- The parts of a set of matchers. An expression that only lists words is taken as the list, and one of words, dots and
-- any number of characters between as a pattern of LIKE, which costs a tenth: few are left for the expression engine.
-- Not in SQL, whose plan would be made anew for each question.
create or replace function monitoring_internal.compile_matchers(p_matchers jsonb)
returns table (label text, operator text, operands text[], pattern text)
language plpgsql immutable parallel safe
rows 3
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select
        part.label,
        case
            when part.operator in ('eq', 'in') or part.operator = 're' and part.is_list then 'in'
            when part.operator = 'ne' or part.operator = 'nre' and part.is_list then 'not_in'
            when part.is_like then replace(part.operator, 're', 'like')
            else part.operator
        end,
        case
            when part.operator = 'in' then array(select jsonb_array_elements_text(part.operand))
            when part.operator in ('re', 'nre') and part.is_list
                then string_to_array(replace(part.word, '\', ''), '|')
            else array[part.word]
        end,
        case
            when part.is_like then replace(replace(replace(replace(replace(
                    replace(part.word, '\.', chr(1)),
                '_', '\_'), '.*', '%'), '.+', '_%'), '.', '_'), chr(1), '.')
            when part.operator in ('re', 'nre') then '^(?:' || part.word || ')$'
        end
    from (
        select entry.key as label, condition.key as operator, condition.value as operand,
            condition.value #>> '{}' as word,
            condition.key in ('re', 'nre')
                and (condition.value #>> '{}') ~ '^([\w :/@,=-]|\\[.-])+(\|([\w :/@,=-]|\\[.-])+)*$' as is_list,
            condition.key in ('re', 'nre') and (condition.value #>> '{}') ~ '^([\w :/@,=-]|\\[.]|[.][*+]?)+$' as is_like
        from jsonb_each(p_matchers) as entry
        cross join lateral jsonb_each(
            case jsonb_typeof(entry.value)
                when 'object' then entry.value else jsonb_build_object('eq', entry.value)
            end) as condition
    ) as part;
end;
$$;

comment on function monitoring_internal.compile_matchers(jsonb) is
    'The parts of a set of matchers: values that are meant or not (in, not_in), or a pattern (like, nlike, re, nre).';

-- Whether a value is one that a part of matchers means.
create or replace function monitoring_internal.matches_value(
    p_value text, p_operator text, p_operands text[], p_pattern text)
returns boolean
language sql immutable parallel safe
begin atomic
    select case p_operator
        when 'in' then p_value = any (p_operands)
        when 'not_in' then p_value <> all (p_operands)
        when 'like' then p_value like p_pattern
        when 'nlike' then p_value not like p_pattern
        when 're' then p_value ~ p_pattern
        else p_value !~ p_pattern
    end;
end;

comment on function monitoring_internal.matches_value(text, text, text[], text) is
    'Whether a value is one that a part of matchers means.';

-- Refuse matchers that cannot be read, that cost without bound, or that mean every alert.
-- Raises: PV940, PV941.
create or replace function monitoring_internal.check_matchers(p_matchers jsonb, p_what text)
returns void
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault text;
begin
    if coalesce(jsonb_typeof(p_matchers), 'null') <> 'object' or p_matchers = '{}' then
        v_fault := 'is empty';
    else
        select format('label "%s" has no value that can be read', left(entry.key, 100)) into v_fault
        from jsonb_each(p_matchers) as entry
        where entry.key !~ '^\S(.{0,198}\S)?$'
            or case jsonb_typeof(entry.value)
                when 'string' then length(entry.value #>> '{}') > 1000
                when 'object' then entry.value = '{}' or exists (
                    select
                    from jsonb_each(entry.value) as condition
                    where case condition.key
                        when 'in' then jsonb_typeof(condition.value) <> 'array' or condition.value = '[]'
                            or jsonb_path_exists(condition.value, '$[*] ? (@.type() != "string")')
                        else condition.key not in ('eq', 'ne', 're', 'nre')
                            or jsonb_typeof(condition.value) <> 'string'
                            or length(condition.value #>> '{}') > 1000
                    end)
                else true
            end
        order by entry.key
        limit 1;
    end if;
    if v_fault is not null then
        raise exception using errcode = 'PV940', message = format('%s: %s', p_what, v_fault),
            hint = 'Write {"label": "value"}, or {"label": {"ne": "..."}} with eq, ne, re, nre or in (a list). '
                'rule_name, rule_category, severity and metric_name are the alert''s own.';
    end if;
    perform monitoring_internal.check_patterns(p_matchers, p_what);
    if not exists (
        select
        from monitoring_internal.compile_matchers(p_matchers) as part
        where part.operator in ('not_in', 'nlike', 'nre')
                and part.label in ('rule_name', 'rule_category', 'severity', 'metric_name')
            or not monitoring_internal.matches_value('', part.operator, part.operands, part.pattern))
    then
        raise exception using errcode = 'PV940',
            message = format('%s: every alert without these labels is meant', p_what),
            hint = 'Name at least one label that an alert has to have, or a rule_name.';
    end if;
end;
$$;

comment on function monitoring_internal.check_matchers(jsonb, text) is
    'Raises PV940 or PV941 unless matchers can be read, have sound expressions and do not mean every alert.';

-- Refuse expressions that the server cannot compile, and references back, whose cost has no bound.
-- Raises: PV941. Called by: check_matchers.
create or replace function monitoring_internal.check_patterns(p_matchers jsonb, p_what text)
returns void
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_part record;
begin
    -- One by one: an expression that does not compile is an error of its own.
    for v_part in
        select part.label, part.pattern from monitoring_internal.compile_matchers(p_matchers) as part
        where part.operator in ('re', 'nre')
        order by part.label
    loop
        if v_part.pattern ~ '\\[1-9]' then
            raise exception using errcode = 'PV941',
                message = format('%s: the expression of label "%s" refers back', p_what, v_part.label),
                hint = 'Write the words out: (a|b) instead of a reference such as \1.';
        end if;
        begin
            perform '' ~ v_part.pattern;
        exception
            when invalid_regular_expression then
                raise exception using errcode = 'PV941',
                    message = format('%s: the expression of label "%s" is malformed', p_what, v_part.label),
                    detail = sqlerrm,
                    hint = 'It is read as PostgreSQL''s operator ~ does, and has to match the whole value.';
        end;
    end loop;
end;
$$;

comment on function monitoring_internal.check_patterns(jsonb, text) is
    'Raises PV941 where an expression of matchers does not compile, or refers back.';
