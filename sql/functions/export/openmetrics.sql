-- export/openmetrics.sql: what OpenMetrics 1.0 asks beyond the Prometheus text format: types, units, bounds, values.
-- Owns is_openmetrics_value, openmetrics_labels, openmetrics_header. Writes nothing.
-- Concurrency: pure functions, and one that reads the catalogue of metrics.

-- Whether a line may stand in a family of this type: counters and counts do not fall below zero, counts are whole.
create or replace function monitoring_internal.is_openmetrics_value(
    p_family_type text, p_metric_name text, p_bound double precision, p_value double precision)
returns boolean
language sql immutable parallel safe
begin atomic
    select case
        when p_family_type = 'counter' then p_value >= 0 and p_value <> 'NaN'
        when p_family_type not in ('histogram', 'summary') then true
        when p_metric_name ~ '_(bucket|count)$'
            then p_value >= 0 and p_value < 'Infinity' and p_value = pg_catalog.trunc(p_value)
        when p_bound is null then p_value >= 0 and p_value <> 'NaN'
        else p_value >= 0
    end;
end;

comment on function monitoring_internal.is_openmetrics_value(text, text, double precision, double precision) is
    'Whether OpenMetrics allows the value in a line of a family of this type.';

-- A label list whose le or quantile is written as OpenMetrics writes numbers: 1.0, 0.25, 2.5e+06, +Inf.
create or replace function monitoring_internal.openmetrics_labels(p_label_list text, p_bound double precision)
returns text
language sql immutable parallel safe
begin atomic
    select pg_catalog.regexp_replace(
        p_label_list, '(^|,)(le|quantile)="[^"]*"',
        '\1\2="'
        || case
            when p_bound = 'Infinity' then '+Inf'
            when written.text ~ 'e' then written.text
            when pg_catalog.abs(p_bound) >= 1000000 and p_bound > 0
                then pg_catalog.rtrim(
                        pg_catalog.left(written.whole, 1) || '.' || pg_catalog.substr(written.whole, 2)
                        || pg_catalog.split_part(written.text, '.', 2),
                        '0.')
                    || 'e+' || pg_catalog.lpad((pg_catalog.length(written.whole) - 1)::text, 2, '0')
            when written.text ~ '[.]' then written.text
            else written.text || '.0'
        end
        || '"')
    from (
        select p_bound::text as text, pg_catalog.split_part(p_bound::text, '.', 1) as whole
    ) as written;
end;

comment on function monitoring_internal.openmetrics_labels(text, double precision) is
    'The label list with the number in le or quantile written as OpenMetrics asks.';

-- HELP, TYPE and UNIT of one family. A counter is shown as one where its name ends in _total and nothing else lays
-- claim to its names; one that keeps postgres_exporter's name is of unknown type rather than renamed.
-- Units: p_taken are the names of all metrics of the page.
create or replace function monitoring_internal.openmetrics_header(
    p_family_name text, p_family_type text, p_help text, p_is_strict boolean, p_taken text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select format(
        E'# HELP %1$s %3$s\n# TYPE %1$s %2$s\n%4$s', shown.name, shown.type,
        replace(replace(replace(shown.help, '\', '\\'), E'\n', '\n'), '"', '\"'),
        (
            select format(E'# UNIT %s %s\n', shown.name, known.unit)
            from monitoring.metric_families as known
            where known.name = p_family_name and known.unit ~ '^[a-z]+$' and shown.name like '%\_' || known.unit
        ))
    from (
        select
            coalesce(nullif(p_help, ''), 'A stored metric without a description.') as help,
            case when counted.is_counter then counted.stem else p_family_name end as name,
            case
                when counted.is_counter then 'counter'
                when p_family_type in ('gauge', 'histogram', 'summary') then p_family_type
                else 'unknown'
            end as type
        from (
            select
                named.stem,
                p_family_type = 'counter' and p_family_name ~ '._total$' and p_is_strict
                    and named.stem <> all (p_taken) and named.stem || '_created' <> all (p_taken) as is_counter
            from (select left(p_family_name, -6) as stem) as named
        ) as counted
    ) as shown;
$$;

comment on function monitoring_internal.openmetrics_header(text, text, text, boolean, text[]) is
    'The HELP, TYPE and UNIT lines of one family as OpenMetrics writes them.';
