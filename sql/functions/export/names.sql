-- export/names.sql: names, labels, help and numbers as the Prometheus text format 0.0.4 writes them.
-- Owns exposition_name, exposition_number, is_distribution, label_text, set_label_text,
-- refresh_label_text. Writes series.label_text.
-- Concurrency: pure functions and row triggers.

-- A metric name that every Prometheus accepts.
create or replace function monitoring_internal.exposition_name(p_name text)
returns text
language sql immutable parallel safe
begin atomic
    select pg_catalog.regexp_replace(
        pg_catalog.regexp_replace(p_name, '[^a-zA-Z0-9_:]', '_', 'g'), '^(?=[0-9]|$)', '_');
end;

comment on function monitoring_internal.exposition_name(text) is
    'The name with every character that a metric name may not hold replaced by an underscore.';

-- A value as every parser of the format reads it, with all its digits.
create or replace function monitoring_internal.exposition_number(p_value double precision)
returns text
language sql immutable parallel safe
begin atomic
    select case p_value when 'Infinity' then '+Inf' when '-Infinity' then '-Inf' else p_value::text end;
end;

comment on function monitoring_internal.exposition_number(double precision) is
    'A value as text; the special values are NaN, +Inf and -Inf.';

-- Whether the lines of one histogram or summary, in the order of their bounds, are one that every parser accepts:
-- sum and count once each and measured together, buckets rising to +Inf, which equals the count.
create or replace function monitoring_internal.is_distribution(
    p_family_name text, p_family_type text, p_metric_names text[], p_bounds double precision[],
    p_values double precision[], p_times timestamptz[])
returns boolean
language sql immutable parallel safe
begin atomic
    select coalesce(
        count(*) filter (where line.metric_name = p_family_name || '_sum') = 1
        and count(*) filter (where line.metric_name = p_family_name || '_count') = 1
        and count(distinct line.sampled_at) = 1
        and case p_family_type
            when 'histogram' then
                bool_and(line.metric_name <> p_family_name)
                and bool_and(line.bound is not null) filter (where line.metric_name = p_family_name || '_bucket')
                and max(line.value) filter (where line.bound = 'Infinity')
                    = max(line.value) filter (where line.metric_name = p_family_name || '_count')
                and array_agg(line.value order by line.bound) filter (where line.bound is not null)
                    = array_agg(line.value order by line.value) filter (where line.bound is not null)
            else
                coalesce(bool_and(line.bound between 0 and 1) filter (where line.metric_name = p_family_name), true)
        end,
        false)
    from unnest(p_metric_names, p_bounds, p_values, p_times) as line (metric_name, bound, value, sampled_at);
end;

comment on function monitoring_internal.is_distribution(
    text, text, text[], double precision[], double precision[], timestamptz[]) is
    'Whether the lines make up one sound histogram or summary of the Prometheus text format.';

-- A label list without its braces: valid names in C order, escaped values.
-- Names that become alike are joined (values by ";"), so that no dimension is lost. "tenant" belongs to pgvigil and
-- becomes exported_tenant; names that begin with two underscores belong to Prometheus and keep one.
create or replace function monitoring_internal.label_text(p_labels jsonb, p_tenant_name text)
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(
        pg_catalog.string_agg(
            labelled.name || '="'
            || pg_catalog.replace(
                pg_catalog.replace(pg_catalog.replace(labelled.value, '\', '\\'), '"', '\"'), E'\n', '\n')
            || '"',
            ',' order by labelled.name collate "C"),
        '')
    from (
        select named.name, pg_catalog.string_agg(named.value, ';' order by named.key collate "C") as value
        from (
            select
                label.key,
                label.value,
                case
                    when label.key = 'tenant' then 'exported_tenant'
                    -- The usual case first: four regular expressions a label would be half of the whole cost.
                    when label.key ~ '^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$' then label.key
                    else pg_catalog.regexp_replace(
                        pg_catalog.regexp_replace(
                            pg_catalog.regexp_replace(label.key, '[^a-zA-Z0-9_]', '_', 'g'), '^__+', '_'),
                        '^(?=[0-9]|$)', '_')
                end as name
            from pg_catalog.jsonb_each_text(p_labels) as label (key, value)
            where label.value <> ''
            union all
            select 'tenant', p_tenant_name, 'tenant'
            where p_tenant_name <> ''
        ) as named
        group by named.name
    ) as labelled;
end;

comment on function monitoring_internal.label_text(jsonb, text) is
    'Labels, and the tenant''s name unless null, as the Prometheus text format writes them, without braces.';

-- Keep series.label_text: rendering it at every scrape costs 30 times as much as reading it. Whoever makes many series
-- at once calls label_text in the insert itself, which costs half of this trigger.
-- Series of the installation itself carry no tenant label.
create or replace function monitoring_internal.set_label_text()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_name text;
begin
    select tenant.name into v_tenant_name
    from monitoring.tenants as tenant
    where tenant.tenant_id = new.tenant_id and not tenant.is_system;
    -- On its own: as a part of the query above, label_text would be planned anew for every row.
    new.label_text := monitoring_internal.label_text(new.labels, v_tenant_name);
    return new;
end;
$$;

comment on function monitoring_internal.set_label_text() is
    'Trigger: sets label_text of a series from its labels and its tenant.';

-- Render the label lists of a renamed tenant's series anew.
create or replace function monitoring_internal.refresh_label_text()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.series as series
    set label_text = monitoring_internal.label_text(
        series.labels, case when not new.is_system then new.name end)
    where series.tenant_id = new.tenant_id;
    return null;
end;
$$;

comment on function monitoring_internal.refresh_label_text() is
    'Trigger: renders label_text of a tenant''s series anew when the tenant''s name changed.';
