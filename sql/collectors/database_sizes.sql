-- database_sizes.sql: how large each database is, as the file system has it.
--! collector database_sizes
--! every 5min
--! scope instance
--! tier slow
--! cap 100
--! stale 2h
--! needs role pg_monitor

-- The server adds up the files of a database, whatever it is; so of more than a hundred databases a run asks for a
-- hundred, in turns. Asking waits for nobody.
--! query databases
--! label datname
--! metric size pg_database_size_bytes gauge bytes Size of all files of the database.
--! excluded excluded
--! version 15-
with ranked as materialized (
    select
        database.oid, database.datname, row_number() over (order by database.oid) as place,
        count(*) over () as databases
    from pg_database as database
    where database.datallowconn
), chosen as materialized (
    select ranked.*, count(*) over () as measured, row_number() over (order by ranked.place) as number
    from ranked
    cross join (select extract(epoch from statement_timestamp()) as epoch) as clock
    cross join lateral (
        -- The day shifts the turns, so that at another interval, too, each comes.
        select ceil(ranked.databases::numeric / :cap)::bigint as turns,
            (floor(clock.epoch / 300) + floor(clock.epoch / 86400))::bigint as number
    ) as turn
    where ranked.place % turn.turns = turn.number % turn.turns
)
select
    chosen.datname,
    pg_database_size(chosen.oid) as size,
    case when chosen.number = 1 then chosen.databases - chosen.measured else 0 end as excluded
from chosen
order by chosen.place
