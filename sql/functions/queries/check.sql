-- queries/check.sql: what a query asks for, read and refused in words that say how to mend it.
-- Owns require_family, parse_aggregate, check_query_matchers, check_query_range, check_group_by. Writes nothing.
-- Concurrency: reads of one snapshot.

-- The metric that a query names, if its caller may know of it.
-- Raises: PV230.
create or replace function monitoring_internal.require_family(p_metric text)
returns monitoring.metric_families
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_family monitoring.metric_families;
begin
    select family.* into v_family
    from monitoring.metric_families as family
    where family.name = p_metric
        and (family.is_registered or exists (
            select
            from monitoring.series as series
            where series.tenant_id = any (monitoring.visible_tenant_ids())
                and series.metric_family_id = family.metric_family_id));
    if v_family.metric_family_id is null then
        raise exception using errcode = 'PV230',
            message = case when p_metric is null then 'metric is null'
                else format('metric "%s" does not exist', left(p_metric, 200)) end,
            hint = 'The names that you see are in monitoring.metric_families.';
    end if;
    return v_family;
end;
$$;

comment on function monitoring_internal.require_family(text) is
    'The metric of that name; PV230 when there is none that the caller may know of.';

-- The parts of an aggregate: what is measured of the samples, and what folds the series of a group where it is not
-- their samples together: avg, p99.9, quantile(0.5), sum(avg), max(rate).
-- Raises: PV233.
create or replace function monitoring_internal.parse_aggregate(
    p_aggregate text, out outer_name text, out inner_name text, out quantile double precision)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_word text := lower(replace(p_aggregate, ' ', ''));
begin
    if v_word ~ '^(avg|min|max|sum|count|stddev)\(.+\)$' then
        outer_name := split_part(v_word, '(', 1);
        v_word := substring(v_word from '\((.+)\)$');
    end if;
    if v_word ~ '^p\d{1,2}(\.\d{1,6})?$' then
        quantile := substr(v_word, 2)::numeric / 100;
        inner_name := 'quantile';
    elsif v_word ~ '^quantile\((0?\.\d{1,8}|0|1|1\.0*)\)$' then
        quantile := substring(v_word from '\((.+)\)')::double precision;
        inner_name := 'quantile';
    elsif v_word in ('avg', 'min', 'max', 'sum', 'count', 'stddev', 'first', 'last', 'rate', 'increase') then
        inner_name := v_word;
        -- What counters of several series grew by is what each of them grew by, together.
        if v_word in ('rate', 'increase') then
            outer_name := coalesce(outer_name, 'sum');
        end if;
    else
        raise exception using errcode = 'PV233',
            message = case when p_aggregate is null then 'aggregate is null'
                else format('aggregate "%s" is unknown', left(p_aggregate, 100)) end,
            hint = 'There are avg, min, max, sum, count, stddev, first, last, rate, increase, p50 to p99.9 and '
                'quantile(0.95); and of each series first, then over the series of a group: sum(avg), max(rate), '
                'with avg, min, max, sum, count or stddev outside.';
    end if;
end;
$$;

comment on function monitoring_internal.parse_aggregate(text) is
    'The parts of an aggregate; outer_name is null where the samples of a group are taken together. PV233.';

-- Refuse matchers that cannot be read. None at all mean every series.
-- Raises: PV235, PV941.
create or replace function monitoring_internal.check_query_matchers(p_matchers jsonb)
returns void
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault text;
begin
    if p_matchers is null or p_matchers = '{}' then
        return;
    elsif jsonb_typeof(p_matchers) <> 'object' then
        v_fault := 'matchers are no object';
    else
        select format('matchers: label "%s" has no value that can be read', left(entry.key, 100)) into v_fault
        from jsonb_each(p_matchers) as entry
        where not case jsonb_typeof(entry.value)
            when 'string' then length(entry.value #>> '{}') <= 1000
            when 'object' then entry.value <> '{}' and not exists (
                select
                from jsonb_each(entry.value) as condition
                where not case condition.key
                    when 'in' then jsonb_typeof(condition.value) = 'array'
                        and not jsonb_path_exists(condition.value, '$[*] ? (@.type() != "string")')
                    else condition.key in ('eq', 'ne', 're', 'nre') and jsonb_typeof(condition.value) = 'string'
                        and length(condition.value #>> '{}') <= 1000
                end)
            else false
        end
        order by entry.key
        limit 1;
    end if;
    if v_fault is not null then
        raise exception using errcode = 'PV235', message = v_fault,
            hint = 'Write {"label": "value"}, or {"label": {"ne": "..."}} with eq, ne, re, nre or in (a list); '
                'values are texts, and a label that is missing is the empty text.';
    end if;
    perform monitoring_internal.check_patterns(p_matchers, 'matchers');
end;
$$;

comment on function monitoring_internal.check_query_matchers(jsonb) is
    'Raises PV235 or PV941 unless matchers can be read and their expressions compile.';

-- Refuse a range that is none, and a step that has no grid.
-- Raises: PV231, PV232, PV234.
create or replace function monitoring_internal.check_query_range(
    p_start_at timestamptz, p_end_at timestamptz, p_step interval, p_fill text)
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_months constant integer := extract(year from p_step) * 12 + extract(month from p_step);
begin
    if not coalesce(p_start_at < p_end_at and isfinite(p_start_at) and isfinite(p_end_at), false) then
        raise exception using errcode = 'PV231',
            message = format('the range from %s to %s holds no time',
                coalesce(p_start_at::text, 'null'), coalesce(p_end_at::text, 'null')),
            hint = 'Give a start_at that lies before end_at, both finite; end_at itself is not in the range.';
    end if;
    if p_step is null or p_step < interval '1 ms' or v_months < 0
        or v_months > 0 and p_step - make_interval(months => v_months) <> interval '0'
    then
        raise exception using errcode = 'PV232',
            message = format('step %s has no grid', coalesce(p_step::text, 'null')),
            hint = 'Give a length of a millisecond or more, such as 30 s, 5 min, 1 day or 1 week; '
                'or whole months or years and nothing else.';
    end if;
    if p_fill is null or p_fill not in ('none', 'null', 'previous', 'linear', 'zero') then
        raise exception using errcode = 'PV234',
            message = format('fill "%s" is unknown', coalesce(left(p_fill, 100), 'null')),
            hint = 'There are none, null, previous, linear and zero.';
    end if;
end;
$$;

comment on function monitoring_internal.check_query_range(timestamptz, timestamptz, interval, text) is
    'Raises PV231, PV232 or PV234 where a range is empty, a step has no grid, or a fill is unknown.';

-- Refuse labels to group by that are none.
-- Raises: PV238.
create or replace function monitoring_internal.check_group_by(p_group_by text[])
returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if array_position(p_group_by, null) is not null or array_position(p_group_by, '') is not null
        or array_ndims(p_group_by) > 1
    then
        raise exception using errcode = 'PV238',
            message = 'group_by holds a label without a name',
            hint = 'Give a list of label names; {} for one group a tenant, null for each series by itself.';
    end if;
end;
$$;

comment on function monitoring_internal.check_group_by(text[]) is
    'Raises PV238 where one of the labels to group by is null or empty.';
