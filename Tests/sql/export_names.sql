-- Names, labels, numbers and headers as the Prometheus text format writes them.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

select is(monitoring_internal.exposition_name(given.name), given.expected, format('metric name "%s"', given.name))
from (values
    ('pg_up', 'pg_up'), ('a.b-c d', 'a_b_c_d'), ('9lives', '_9lives'), ('', '_'), ('ns:rule', 'ns:rule'),
    ('größe', 'gr__e'), (E'x\ny', 'x_y')) as given (name, expected);

select is(monitoring_internal.exposition_number(given.value), given.expected, 'number ' || given.expected)
from (values
    (1.0, '1'), (-0.5, '-0.5'), (0.1::float8 + 0.2::float8, '0.30000000000000004'), (1e300, '1e+300'),
    (12345678.9, '12345678.9'),
    ('NaN', 'NaN'), ('Infinity', '+Inf'), ('-Infinity', '-Inf')) as given (value, expected);

select is(monitoring_internal.label_text(given.labels, given.tenant), given.expected, given.what)
from (values
    ('{}'::jsonb, null, '', 'no labels'),
    ('{"b": "2", "a": "1"}', null, 'a="1",b="2"', 'names in C order'),
    ('{"B": "2", "a": "1"}', null, 'B="2",a="1"', 'C order puts capitals first'),
    ('{"a": "x\"y\\z\nw"}', null, 'a="x\"y\\z\nw"', 'quotes, backslashes and line feeds are escaped (E-09)'),
    ('{"a": "ü{}=,"}', null, 'a="ü{}=,"', 'nothing else is escaped'),
    ('{"a": null, "b": ""}', null, '', 'NULL and empty are no labels (E-09)'),
    ('{"a-b": "1", "1c": "2"}', null, '_1c="2",a_b="1"', 'names are made valid (E-09)'),
    ('{"a-b": "1", "a.b": "2"}', null, 'a_b="1;2"', 'names that become alike keep both values'),
    ('{"__name__": "x"}', null, '_name__="x"', 'names of Prometheus'' own are not used'),
    ('{"a": "1"}', 'acme', 'a="1",tenant="acme"', 'the tenant is a label'),
    ('{"tenant": "forged"}', 'acme', 'exported_tenant="forged",tenant="acme"', 'which a label cannot forge'),
    ('{"tenant": "forged"}', null, 'exported_tenant="forged"', 'not even for the system tenant'),
    ('{"n": "1.5", "t": "true"}', null, 'n="1.5",t="true"', 'values are texts')
) as given (labels, tenant, expected, what);

select is(
    monitoring_internal.exposition_header('m', 'gauge', E'back\\slash and\nline "quoted"'),
    E'# HELP m back\\\\slash and\\nline "quoted"\n# TYPE m gauge\n', 'help is on one line, quotes as they are');
select is(
    monitoring_internal.exposition_header('m', 'untyped', ''),
    E'# HELP m A stored metric without a description.\n# TYPE m untyped\n', 'there always is a help text');

-- A histogram or summary is shown whole or not at all.
create function pg_temp.sound(p_type text, p_lines jsonb) returns boolean
language sql as $$
    select monitoring_internal.is_distribution(
        'h', p_type, array_agg(line ->> 0), array_agg((line ->> 1)::float8), array_agg((line ->> 2)::float8),
        array_agg(coalesce(line ->> 3, '2026-01-01 00:00Z')::timestamptz))
    from jsonb_array_elements(p_lines) as line
$$;
select is(pg_temp.sound(given.type, given.lines), given.expected, given.what)
from (values
    ('histogram', '[["h_bucket",0.1,1],["h_bucket",1,3],["h_bucket","inf",5],["h_sum",null,9],["h_count",null,5]]'::jsonb,
        true, 'a whole histogram'),
    ('histogram', '[["h_bucket",0.1,1],["h_sum",null,9],["h_count",null,5]]', false, 'without +Inf'),
    ('histogram', '[["h_bucket",1,9],["h_bucket","inf",5],["h_sum",null,9],["h_count",null,5]]', false, 'falling buckets'),
    ('histogram', '[["h_bucket","inf",4],["h_sum",null,9],["h_count",null,5]]', false, '+Inf differs from the count'),
    ('histogram', '[["h_bucket","inf",5],["h_count",null,5]]', false, 'without a sum'),
    ('histogram', '[["h_bucket","inf",5],["h_sum",null,9]]', false, 'without a count'),
    ('histogram', '[["h_bucket","inf",5],["h_sum",null,9],["h_count",null,5,"2026-01-01 00:01Z"]]', false,
        'parts of two times'),
    ('histogram', '[["h",null,5]]', false, 'one plain value'),
    ('histogram', '[["h_bucket",null,1],["h_bucket","inf",5],["h_sum",null,9],["h_count",null,5]]', false,
        'a bucket without a bound'),
    ('summary', '[["h",0.5,1],["h",0.99,3],["h_sum",null,9],["h_count",null,5]]', true, 'a whole summary'),
    ('summary', '[["h_sum",null,9],["h_count",null,5]]', true, 'a summary without quantiles'),
    ('summary', '[["h",50,1],["h_sum",null,9],["h_count",null,5]]', false, 'a quantile is no per cent')
) as given (type, lines, expected, what);

select * from finish();
rollback;
