-- wraparound.sql: how old the oldest unfrozen transaction and multixact ids are, by database and by table.
--! collector wraparound
--! every 5min
--! scope instance
--! tier normal
--! cap 1000

-- The first two names call transactions seconds: kept as dashboards know them. Databases that nobody can connect to
-- age as well, and have the second two.
--! query databases
--! label datname
--! metric connectable_frozenxid_age pg_database_wraparound_age_datfrozenxid_seconds gauge transactions
--!     Age in transactions, not seconds, of the oldest transaction id that is not frozen.
--! metric connectable_minmxid_age pg_database_wraparound_age_datminmxid_seconds gauge multixacts
--!     Age in multixacts, not seconds, of the oldest multixact id.
--! metric frozenxid_age pg_database_frozenxid_age gauge transactions
--!     Age of the oldest transaction id that is not frozen.
--! metric minmxid_age pg_database_minmxid_age gauge multixacts Age of the oldest multixact id.
--! metric overdue pg_database_frozenxid_overdue gauge transactions
--!     By how much that age is beyond autovacuum_freeze_max_age; 0 while freezing keeps up.
--! metric freeze_share pg_database_freeze_max_age_ratio gauge ratio
--!     Age of the oldest transaction id over autovacuum_freeze_max_age, at which autovacuum freezes by force.
--! version 15-
select
    database.datname,
    case when database.datallowconn then age(database.datfrozenxid) end as connectable_frozenxid_age,
    case when database.datallowconn then mxid_age(database.datminmxid) end as connectable_minmxid_age,
    age(database.datfrozenxid) as frozenxid_age,
    mxid_age(database.datminmxid) as minmxid_age,
    greatest(0, age(database.datfrozenxid) - current_setting('autovacuum_freeze_max_age')::bigint) as overdue,
    age(database.datfrozenxid) / current_setting('autovacuum_freeze_max_age')::double precision as freeze_share
from pg_database as database

--! query tables
--! label datname
--! label schemaname
--! label relname
--! metric frozenxid_age pg_table_frozenxid_age gauge transactions
--!     Age of the oldest transaction id in the table, for the 50 oldest tables, catalogues and TOAST included.
--! metric minmxid_age pg_table_minmxid_age gauge multixacts
--!     Age of the oldest multixact id in the table, for the same tables.
--! version 15-
select
    current_database() as datname,
    namespace.nspname as schemaname,
    relation.relname,
    age(relation.relfrozenxid) as frozenxid_age,
    mxid_age(relation.relminmxid) as minmxid_age
from pg_class as relation
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where relation.relkind in ('r', 'm', 't')
order by age(relation.relfrozenxid) desc, relation.oid
limit 50
