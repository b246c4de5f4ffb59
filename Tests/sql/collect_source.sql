-- A collector's file: what is read from it, what is refused and where, and what loading it again changes.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create function pg_temp.good() returns text language sql as $$
    select $file$-- sample_one.sql: a sample for tests.
--! collector sample_one
--! every 20s
--! scope instance
--! tier fast
--! cap 5
--! needs role pg_monitor
--! needs setting track_counts on
--! needs extension pgtap 1.0

-- A remark.
--! query first on primary
--! label place
--! label kind sort
--! metric size sample_size_bytes gauge bytes How large it is,
--!     and more about it.
--! metric moves sample_moves_total counter moves How often it moved.
--! folded folded
--! excluded left_out
--! gap gap
--! version 15-16
select 'a' as place, 'b' as kind, 1 as size, 2 as moves, 0 as folded, 0 as left_out, null as gap;
--! version 17-
with here as (select 3 as size)
select 'a' as place, 'b' as kind, here.size, 2 as moves, 0 as folded, 0 as left_out, null as gap -- a remark
from here

--! query second
--! metric number sample_number gauge number A number.
--! version 15-
select 4 as number
$file$
$$;

-- Message and further lines of the error that loading ends in.
create function pg_temp.faults(p_name text, p_source text) returns text language plpgsql as $$
declare
    v_state text;
    v_message text;
    v_detail text;
begin
    perform monitoring_internal.load_collector(p_name, p_source);
    return null;
exception
    when others then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_detail = pg_exception_detail;
        return concat_ws(' | ', v_state, v_message, nullif(v_detail, ''));
end;
$$;

-- What is read -------------------------------------------------------------------------------------
select is_empty(
    $$ select * from monitoring_internal.collector_faults('sample_one', pg_temp.good()) $$, 'a good file has no faults');
select lives_ok(
    $$ select monitoring_internal.load_collector('sample_one', pg_temp.good()) $$, 'and is loaded');
select results_eq(
    $$ select description, category, scope, tier, every, stale_after, row_cap, is_enabled
        from monitoring.collectors where name = 'sample_one' $$,
    $$ values ('a sample for tests.', 'sample_one', 'instance', 'fast', interval '20s', interval '60s', 5, true) $$,
    'its header becomes its row');
select results_eq(
    $$ select n.kind, n.name, n.value from monitoring.collector_needs as n
        inner join monitoring.collectors as c using (collector_id) where c.name = 'sample_one' order by n.kind $$,
    $$ values ('extension', 'pgtap', '1.0'), ('role', 'pg_monitor', ''), ('setting', 'track_counts', 'on') $$,
    'its needs are kept');
select results_eq(
    $$ select q.query, q.server_role from monitoring.collector_queries as q
        inner join monitoring.collectors as c using (collector_id) where c.name = 'sample_one' order by q."position" $$,
    $$ values ('first', 'primary'), ('second', 'any') $$, 'so are its queries, and where they run');
select results_eq(
    $$ select p.column_name, p.usage, p.name, p.kind, p.unit, p.help from monitoring.collector_columns as p
        inner join monitoring.collectors as c using (collector_id)
        where c.name = 'sample_one' and p.query = 'first' order by p."position" $$,
    $$ values
        ('place', 'label', 'place', null, null, ''), ('kind', 'label', 'sort', null, null, ''),
        ('size', 'metric', 'sample_size_bytes', 'gauge', 'bytes', 'How large it is, and more about it.'),
        ('moves', 'metric', 'sample_moves_total', 'counter', 'moves', 'How often it moved.'),
        ('folded', 'folded', 'folded', null, null, ''), ('left_out', 'excluded', 'left_out', null, null, ''),
        ('gap', 'gap', 'gap', null, null, '') $$,
    'and its columns, with help that goes on in a second line');
select results_eq(
    $$ select v.version_from, v.version_to, v.body ~ '^(select|with)', v.body ~ ';\s*$'
        from monitoring.collector_variants as v
        inner join monitoring.collectors as c using (collector_id)
        where c.name = 'sample_one' and v.query = 'first' order by v."position" $$,
    $$ values (15, 16, true, false), (17, null::integer, true, false) $$,
    'each variant has its own text, without the semicolon');
select results_eq(
    $$ select metric, kind, unit, labels from monitoring.collector_metrics
        where collector = 'sample_one' order by metric $$,
    $$ values ('sample_moves_total', 'counter', 'moves', array['place', 'sort']),
        ('sample_number', 'gauge', 'number', '{}'), ('sample_size_bytes', 'gauge', 'bytes', array['place', 'sort']) $$,
    'people see its metrics in collector_metrics');
select results_eq(
    $$ select kind, unit, category, description, stale_after from monitoring.metric_families
        where name = 'sample_moves_total' $$,
    $$ values ('counter', 'moves', 'sample_one', 'How often it moved.', interval '60s') $$,
    'and the store knows their kind before the first sample');
select is(
    (select word from monitoring_internal.collector_lines(pg_temp.good()) where line_number = 2), 'collector',
    'a line knows its directive');
select is(
    monitoring_internal.collector_body(pg_temp.good(), 5), 'select 4 as number', 'and a section its text');
select is(
    (select count(*) from monitoring_internal.collector_grammar() where is_required), 7::bigint,
    'seven directives must be there');

-- What is refused ----------------------------------------------------------------------------------
select is(
    pg_temp.faults('bad', replace(
        replace(replace(pg_temp.good(), 'sample_one', 'bad'), 'sample_', 'bad_'), changed.search, changed.replacement)),
    'PV401 | collectors/bad.sql:' || changed.message,
    'refused: ' || changed.replacement)
from (values
    ('every 20s', 'evry 20s',
        '1: the header has no "every 30s (s, min or h)" | collectors/bad.sql:3: "evry" is no directive'),
    ('every 20s', 'every 20', '3: "every 20" is not of the form: every 30s (s, min or h)'),
    ('every 20s', 'every 0s', '3: "every 0s" is not of the form: every 30s (s, min or h)'),
    ('collector bad', 'collector worse', '2: the collector is named "worse", its file "bad"'),
    ('scope instance', 'scope database',
        '12: a query of scope database has no label datname | collectors/bad.sql:28: a query of scope database has no label '
        'datname'),
    ('scope instance', 'scope cluster', '4: "scope cluster" is not of the form: scope instance, scope database or scope home'),
    ('tier fast', 'tier quick', '5: "tier quick" is not of the form: tier fast, tier normal or tier slow'),
    ('cap 5', 'cap 5; drop table x', '6: "cap 5; drop table x" is not of the form: cap ROWS'),
    ('needs role pg_monitor', 'needs pg_monitor',
        '7: "needs pg_monitor" is not of the form: needs role NAME, needs setting NAME VALUE or needs extension NAME '
        '[VERSION]'),
    ('first on primary', 'first on both',
        '12: "query first on both" is not of the form: query NAME [on primary or standby]'),
    ('label kind sort', 'label kind as sort', '14: "label kind as sort" is not of the form: label COLUMN [NAME]'),
    ('gauge bytes How', 'histogram bytes How',
        '15: "metric size bad_size_bytes histogram bytes How large it is, and more about it." is not of the form: '
        'metric COLUMN NAME counter or gauge UNIT HELP'),
    ('label kind sort', 'label place sort', '14: column "place" is declared twice'),
    ('label kind sort', 'label kin sort', '14: no version of the query names column "kin"'),
    ('bad_moves_total', 'bad_number', '29: metric "bad_number" is declared twice'),
    ('version 15-16', 'version 15 to 16', '21: "version 15 to 16" is not of the form: version 15-16 or version 17-'),
    ('select 4 as number', 'delete from x returning 4 as number',
        '30: the version''s text does not begin with select or with'),
    ('query second', 'query first', '28: query "first" is there twice'),
    ('--! tier fast', E'--! tier fast\n--! tier fast', '6: "tier" is there twice'),
    ('-- A remark.', 'A remark.', '11: text outside of a version'),
    ('-- A remark.', '--! label place', '11: "label" belongs after a query'),
    ('--! folded folded', '--! cap 7', '18: "cap" belongs before the first query'),
    ('-- bad.sql: a sample', '-- a sample', '1: the first line is not of the form: -- FILE.sql: what it measures')
) as changed (search, replacement, message);

select alike(
    pg_temp.faults('bad', E'-- bad.sql: nothing else.\n'),
    'PV401 | collectors/bad.sql:1: the header has no "cap ROWS" | %the header has no "collector NAME"%tier%',
    'all that is missing is said at once');
select is(
    pg_temp.faults('other', replace(replace(pg_temp.good(), 'sample_one', 'other'), 'sample_size', 'other_size')),
    'PV401 | collectors/other.sql:17: metric "sample_moves_total" belongs to collector "sample_one" | '
    'collectors/other.sql:29: metric "sample_number" belongs to collector "sample_one"',
    'a metric belongs to one collector');
select is(
    (select count(*) from monitoring.collectors where name in ('bad', 'other')), 0::bigint,
    'what is refused leaves nothing behind');

-- Loading again ------------------------------------------------------------------------------------
select monitoring.set_collector('sample_one', is_enabled => false, every => '1 hour');
create temporary table before as
select c.xmin as row_version, q.ctid as place from monitoring.collectors as c
inner join monitoring.collector_queries as q using (collector_id)
where c.name = 'sample_one' and q.query = 'first';
select monitoring_internal.load_collector('sample_one', replace(pg_temp.good(), E'\n', E'\r\n'));
select results_eq(
    $$ select q.ctid from monitoring.collectors as c inner join monitoring.collector_queries as q using (collector_id)
        where c.name = 'sample_one' and q.query = 'first' $$,
    $$ select place from before $$, 'the same file changes nothing, whatever its line ends');
select monitoring_internal.load_collector(
    'sample_one', replace(replace(pg_temp.good(), 'every 20s', 'every 2min'), 'sample_number gauge', 'sample_number counter'));
select results_eq(
    $$ select every, custom_every, is_enabled from monitoring.collectors where name = 'sample_one' $$,
    $$ values (interval '2min', interval '1h', false) $$,
    'a new file brings its interval and leaves what was set here');
select is(
    (select kind from monitoring.collector_metrics where metric = 'sample_number'), 'counter',
    'and its columns replace the old ones');
select is(
    (select count(*) from monitoring.collector_states inner join monitoring.collectors as c using (collector_id)
        where c.name = 'sample_one'), 1::bigint, 'the state stays one row');

-- A file that is gone ------------------------------------------------------------------------------
savepoint before_forgetting;
select is(
    monitoring_internal.forget_collectors(array(select name from monitoring.collectors where name <> 'sample_one')), 1,
    'a collector that no file names is forgotten');
select is(
    (select count(*) from monitoring.collectors where name = 'sample_one'), 0::bigint, 'and it alone');
rollback to before_forgetting;

-- What belongs to the installation -----------------------------------------------------------------
select monitoring.set_collector('sample_one', every => '0');
select is(
    (select custom_every from monitoring.collectors where name = 'sample_one'), null,
    'an interval of 0 goes back to the file''s');
select monitoring.set_collector('sample_one', is_enabled => true);
select is((select status from monitoring.collector_status where name = 'sample_one'), 'never run', 'it is on again');
select throws_ok(
    $$ select monitoring.set_collector('nobody', is_enabled => true) $$, 'PV402', 'collector "nobody" does not exist');
select throws_ok(
    $$ select monitoring.set_collector('sample_one', every => '10ms') $$, '23514', null, 'an interval has a floor');
select throws_ok(
    $$ select monitoring.set_collector('sample_one', every => '1000000 years') $$, '23514', null,
    'and a ceiling: no next time is beyond what a timestamp holds');

select is(
    monitoring_internal.forget_collectors(array(select collector.name from monitoring.collectors as collector)), 0,
    'a collector that is still named is not forgotten');
select cmp_ok(monitoring_internal.forget_collectors(array['instance']), '>', 6, 'all others are');
select is(
    (select array_agg(collector.name) from monitoring.collectors as collector), array['instance'], 'and no more');

select * from finish();
rollback;
