-- statements/mask.sql: take what may be secret or personal out of a statement's text.
-- Owns query_parts, mask_query.
-- Writes nothing. Pure: any number of callers at once.

-- The parts of a text as PostgreSQL's lexer sees them: of what could begin at a place, the longest.
-- What cannot be read for certain reaches to the end: a dollar quote, a comment in a comment, a backslash before a
-- quote (whether it ends the literal is a setting of the session that ran it), and what was never closed.
create or replace function monitoring_internal.query_parts(p_query text)
returns table (place bigint, part text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select found.place, found.part[1]
    from regexp_matches(p_query, $pattern$(?x)
        # A word, such as a keyword or a name; every character beyond ASCII is of one.
        [^\u0001-@\[-\^`{-\u007f][^\u0001-#%-/:-@\[-\^`{-\u007f]*
        # A name in double quotes.
        | "(?:[^"]|"")*" | "(?:[^"]|"")*$
        # A literal: ended; with a backslash before a quote; never ended.
        | '(?:[^'\\]|''|\\\\|\\[^'\\])*'
        | '(?:[^'\\]|''|\\\\|\\[^'\\])*\\'.*
        | '(?:[^'\\]|''|\\\\|\\[^'\\])*\\?$
        # The same with escapes.
        | [eE]'(?:[^'\\]|''|\\.)*' | [eE]'(?:[^'\\]|''|\\.)*\\?$
        # A parameter; a dollar quote.
        | \$[0-9]+
        | \$(?:[^\u0001-@\[-\^`{-\u007f][^\u0001-/:-@\[-\^`{-\u007f]*)?\$.*
        # A number.
        | \.?[0-9](?:[0-9A-Za-z_.]|[eE][+-](?=[0-9]))*
        # A comment: to the end of its line; in brackets; with another one inside, or never closed.
        | --[^\n\r]*
        | /\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/
        | /\*(?:[^*/]|\*(?!/)|/(?!\*))*(?:/\*.*|$)
        # Blanks and signs.
        | [\s(),;:=<>+*%!&|^~\#@?\[\]{}]+
        | .
    $pattern$, 'g') with ordinality as found (part, place);
$$;

comment on function monitoring_internal.query_parts(text) is
    'Words, names, literals, numbers, comments and signs of a statement''s text, in order.';

-- A text whose literals are question marks and whose comments are blanks. Parameters such as $1 stay.
create or replace function monitoring_internal.mask_query(p_query text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select regexp_replace(
        coalesce(string_agg(
            case
                when found.part ~ '^(--|/\*)' then ' '
                when found.part ~ '^([eE]?''|\.?[0-9]|\$[^0-9])' then '?'
                -- A name that was never closed has an odd number of quotes.
                when found.part ~ '^"' and length(replace(found.part, '"', '')) % 2 <> length(found.part) % 2 then '?'
                else found.part
            end,
            '' order by found.place), case when p_query is not null then '' end),
        -- What a setting is set to may be a bare word. The first quantifier takes the shortest: the first value counts.
        '^(\s*?(?:set|(?:alter|create)\s[^=]*?(?:system|role|user|database|function|procedure|routine)\M.*?\mset)'
            '(?:\s+(?:session|local))?\s+(?:"[^"]*"|\s*\.\s*|[^\s=".;(])+\s*(?:=|\mto\M)).*$',
        '\1 ?', 'i')
    from monitoring_internal.query_parts(p_query) as found;
$$;

comment on function monitoring_internal.mask_query(text) is
    'A statement''s text without literals and comments, so that no secret of it is stored; null stays null.';
