-- statement_texts.sql: the texts of the statements, read when new ones lack theirs.
--! collector statement_texts
--! every 1h
--! scope instance
--! tier slow
--! cap 99999
--! sink statement_texts
--! needs role pg_read_all_stats
--! needs extension pg_stat_statements 1.8

-- Due as soon as the dictionary lacks a text, though not more often than setting statements.text_pause.
--! query texts
--! column queryid
--! column dbid
--! column query
--! column is_truncated
--! version 15-
select distinct on (entry.queryid, entry.dbid)
    entry.queryid,
    entry.dbid,
    left(entry.query, 20000) as query,
    length(entry.query) > 20000 as is_truncated
from :"pg_stat_statements".pg_stat_statements(true) as entry
where entry.queryid is not null and entry.query is not null
