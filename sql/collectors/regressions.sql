-- regressions.sql: how many statements have become slower than they used to be at this time of the week.
--! collector regressions
--! every 5min
--! scope home
--! tier slow
--! cap 1000

--! query statements
--! label target
--! metric regressed pgvigil_regressed_statements gauge statements
--!     Statements that take much longer than they used to, and matter; see monitoring.query_regressions.
--! version 15-
select target.name as target, count(distinct slower.query_id) as regressed
from monitoring.targets as target
left join monitoring.query_regressions as slower on slower.server = target.name
where exists (
    select 1
    from monitoring.statement_sources as source
    inner join monitoring.target_databases as place on place.target_database_id = source.target_database_id
    where place.target_id = target.target_id)
group by target.target_id, target.name
