-- collect/source.sql: read a collector's file: its header, its queries, their columns and variants.
-- Owns collector_lines, collector_grammar, collector_line_faults, collector_structure_faults, collector_column_faults,
-- collector_faults, collector_body. Writes nothing. Pure: any number of callers at once.

-- The lines of a file, continued ones joined: a directive's word and rest, its query and section (query or variant).
create or replace function monitoring_internal.collector_lines(p_source text)
returns table (line_number integer, word text, rest text, query_number integer, section integer, line text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with numbered as (
        select
            part.line_number::integer,
            rtrim(part.line, E' \t\r') as line,
            -- A directive goes on in lines that are indented by three blanks or more.
            part.line ~ '^--!\s{3,}\S' as is_continuation
        from regexp_split_to_table(p_source, E'\n') with ordinality as part (line, line_number)
    ), grouped as (
        select
            numbered.*,
            count(*) filter (where not numbered.is_continuation) over (order by numbered.line_number) as part
        from numbered
    ), line as (
        select
            min(grouped.line_number) as line_number,
            min(grouped.line) filter (where not grouped.is_continuation) as line,
            regexp_match(
                string_agg(
                    case when grouped.is_continuation then regexp_replace(grouped.line, '^--!\s*', '')
                        else grouped.line end,
                    ' ' order by grouped.line_number),
                '^--!\s*(\S*)\s*(.*)$') as directive
        from grouped
        group by grouped.part
    )
    select
        line.line_number,
        line.directive[1],
        line.directive[2],
        (count(*) filter (where line.directive[1] = 'query') over upto)::integer,
        (count(*) filter (where line.directive[1] in ('query', 'version')) over upto)::integer,
        line.line
    from line
    window upto as (order by line.line_number);
$$;

comment on function monitoring_internal.collector_lines(text) is
    'Lines of a collector''s file with their directive (--! word rest), query and section numbers.';

-- The directives: where each belongs (header, query), how often, and its form.
create or replace function monitoring_internal.collector_grammar()
returns table (word text, place text, is_required boolean, is_single boolean, pattern text, form text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    values
        ('collector', 'header', true, true, '^[a-z][a-z0-9_]{0,62}$', 'collector NAME'),
        ('every', 'header', true, true, '^[1-9][0-9]{0,5}(s|min|h)$', 'every 30s (s, min or h)'),
        ('scope', 'header', true, true, '^(home|instance|database)$', 'scope instance, scope database or scope home'),
        ('tier', 'header', true, true, '^(fast|normal|slow)$', 'tier fast, tier normal or tier slow'),
        ('cap', 'header', true, true, '^[1-9][0-9]{0,4}$', 'cap ROWS'),
        ('stale', 'header', false, true, '^[1-9][0-9]{0,5}(s|min|h)$', 'stale 90s (s, min or h)'),
        ('category', 'header', false, true, '^[a-z][a-z_]*$', 'category WORD'),
        ('sink', 'header', false, true, '^[a-z][a-z0-9_]{0,47}$', 'sink NAME'),
        ('needs', 'header', false, false,
            '^(role [a-z_][a-z0-9_]*|setting [a-z_][a-z0-9_.]* \S+|'
            'extension [a-z_][a-z0-9_-]*( [0-9]+(\.[0-9]+)*)?)$',
            'needs role NAME, needs setting NAME VALUE or needs extension NAME [VERSION]'),
        ('query', 'header', true, false, '^[a-z][a-z0-9_]*( on (any|primary|standby))?$',
            'query NAME [on primary or standby]'),
        ('label', 'query', false, false, '^[a-z_][a-z0-9_]*( [a-z_][a-z0-9_]*)?$', 'label COLUMN [NAME]'),
        ('metric', 'query', false, false,
            '^[a-z_][a-z0-9_]* [a-z_][a-z0-9_]* (counter|gauge) [a-z]+ \S.*$',
            'metric COLUMN NAME counter or gauge UNIT HELP'),
        ('column', 'query', false, false, '^[a-z_][a-z0-9_]*$', 'column NAME'),
        ('folded', 'query', false, true, '^[a-z_][a-z0-9_]*$', 'folded COLUMN'),
        ('excluded', 'query', false, true, '^[a-z_][a-z0-9_]*$', 'excluded COLUMN'),
        ('gap', 'query', false, true, '^[a-z_][a-z0-9_]*$', 'gap COLUMN'),
        ('version', 'query', true, false, '^[1-9][0-9]-([1-9][0-9])?$', 'version 15-16 or version 17-');
$$;

comment on function monitoring_internal.collector_grammar() is
    'The directives of a collector''s header and their forms.';

-- What is wrong with single lines.
create or replace function monitoring_internal.collector_line_faults(p_name text, p_source text)
returns table (line_number integer, fault text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with line as materialized (
        select * from monitoring_internal.collector_lines(p_source)
    ), grammar as materialized (
        select * from monitoring_internal.collector_grammar()
    )
    select line.line_number, format('"%s" is no directive', line.word)
    from line
    where line.word is not null
        and not exists (select 1 from grammar where grammar.word = line.word)
    union all
    select line.line_number, format('"%s %s" is not of the form: %s', line.word, line.rest, grammar.form)
    from line
    inner join grammar on grammar.word = line.word
    where line.rest !~ grammar.pattern
    union all
    select
        line.line_number,
        case grammar.place
            when 'query' then format('"%s" belongs after a query', line.word)
            else format('"%s" belongs before the first query', line.word)
        end
    from line
    inner join grammar on grammar.word = line.word
    where line.word <> 'query' and (grammar.place = 'query') <> (line.query_number > 0)
    union all
    select line.line_number, format('the collector is named "%s", its file "%s"', line.rest, p_name)
    from line
    where line.word = 'collector' and line.rest <> p_name
    union all
    select line.line_number, 'text outside of a version'
    from line
    where line.word is null
        and line.line !~ '^\s*(--.*)?$'
        and not exists (
            select 1 from line as opening where opening.section = line.section and opening.word = 'version');
$$;

comment on function monitoring_internal.collector_line_faults(text, text) is
    'Faults of a collector''s file that one line shows: unknown words, wrong forms, wrong places.';

-- What is missing or there twice.
create or replace function monitoring_internal.collector_structure_faults(p_source text)
returns table (line_number integer, fault text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with line as materialized (
        select * from monitoring_internal.collector_lines(p_source)
    ), grammar as materialized (
        select * from monitoring_internal.collector_grammar()
    ), query as (
        select line.query_number, line.line_number, line.rest from line where line.word = 'query'
    )
    select 1, format('the header has no "%s"', grammar.form)
    from grammar
    where grammar.place = 'header' and grammar.is_required
        and not exists (select 1 from line where line.word = grammar.word)
    union all
    select 1, 'the first line is not of the form: -- FILE.sql: what it measures'
    where p_source !~ '^-- \S+\.sql: \S'
    union all
    select query.line_number, format('the query has no "%s"', grammar.form)
    from query
    cross join grammar
    where grammar.place = 'query' and grammar.is_required
        and not exists (
            select 1 from line where line.word = grammar.word and line.query_number = query.query_number)
    union all
    select max(line.line_number), format('"%s" is there twice', line.word)
    from line
    inner join grammar on grammar.word = line.word and grammar.is_single
    group by line.word, line.query_number
    having count(*) > 1
    union all
    select max(query.line_number), format('query "%s" is there twice', split_part(query.rest, ' ', 1))
    from query
    group by split_part(query.rest, ' ', 1)
    having count(*) > 1
    union all
    select opening.line_number, 'the version''s text does not begin with select or with'
    from line as opening
    where opening.word = 'version'
        and monitoring_internal.collector_body(p_source, opening.section) !~* '^(\s*(--[^\n]*)?\n)*\s*(select|with)\M';
$$;

comment on function monitoring_internal.collector_structure_faults(text) is
    'Faults of a collector''s file as a whole: what is missing, what is there twice.';

-- Columns that are declared twice, or that no variant gives.
create or replace function monitoring_internal.collector_column_faults(p_source text)
returns table (line_number integer, fault text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with line as materialized (
        select * from monitoring_internal.collector_lines(p_source)
    ), declared as (
        select
            line.line_number,
            line.query_number,
            split_part(line.rest, ' ', 1) as column_name,
            case when line.word = 'metric' then split_part(line.rest, ' ', 2) end as metric
        from line
        where line.word in ('label', 'metric', 'column', 'folded', 'excluded', 'gap') and line.query_number > 0
    ), body as (
        select line.query_number, string_agg(line.line, E'\n') as body
        from line
        where line.word is null and line.line !~ '^\s*--'
        group by line.query_number
    )
    select max(declared.line_number), format('column "%s" is declared twice', declared.column_name)
    from declared
    group by declared.query_number, declared.column_name
    having count(*) > 1
    union all
    select max(declared.line_number), format('metric "%s" is declared twice', declared.metric)
    from declared
    where declared.metric is not null
    group by declared.metric
    having count(*) > 1
    union all
    select declared.line_number, format('no version of the query names column "%s"', declared.column_name)
    from declared
    left join body on body.query_number = declared.query_number
    where coalesce(body.body, '') !~ ('\m' || declared.column_name || '\M');
$$;

comment on function monitoring_internal.collector_column_faults(text) is
    'Faults of the columns that a collector''s file declares.';

-- Everything that is wrong with a file, by line.
create or replace function monitoring_internal.collector_faults(p_name text, p_source text)
returns table (line_number integer, fault text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select found.line_number, found.fault
    from (
        select * from monitoring_internal.collector_line_faults(p_name, p_source)
        union all
        select * from monitoring_internal.collector_structure_faults(p_source)
        union all
        select * from monitoring_internal.collector_column_faults(p_source)
        union all
        select * from monitoring_internal.collector_sink_faults(p_source)
        union all
        -- Otherwise the series of one database would be those of another.
        select query.line_number, 'a query of scope database has no label datname'
        from monitoring_internal.collector_lines(p_source) as query
        where query.word = 'query' and p_source ~ E'\n--!\\s*scope database\\M'
            and p_source !~ E'\n--!\\s*sink\\M'
            and not exists (
                select 1
                from monitoring_internal.collector_lines(p_source) as label
                where label.word = 'label' and label.query_number = query.query_number
                    and label.rest ~ '\mdatname$')
        union all
        select line.line_number, format('metric "%s" belongs to collector "%s"', declared.name, collector.name)
        from monitoring_internal.collector_lines(p_source) as line
        inner join monitoring.collector_columns as declared
            on declared.usage = 'metric' and declared.name = split_part(line.rest, ' ', 2)
        inner join monitoring.collectors as collector
            on collector.collector_id = declared.collector_id and collector.name <> p_name
        where line.word = 'metric'
    ) as found
    order by found.line_number, found.fault;
$$;

comment on function monitoring_internal.collector_faults(text, text) is
    'All faults of a collector''s file, in the order of its lines; none when it may be loaded.';

-- The text of one section, without an ending semicolon.
create or replace function monitoring_internal.collector_body(p_source text, p_section integer)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select rtrim(string_agg(line.line, E'\n' order by line.line_number), E'; \n')
    from monitoring_internal.collector_lines(p_source) as line
    where line.section = p_section and line.word is null;
$$;

comment on function monitoring_internal.collector_body(text, integer) is
    'The SELECT of one section of a collector''s file.';
