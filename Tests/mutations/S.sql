-- Statements that do not run or do not say what they mean; see scripts/try-mutations.

-- S-23: rebuilding by a function
-- fails: Tests/sql/upkeep.sql › P-09, S-23: concurrently, as a statement of a session
select mutation.edit('monitoring_internal.claim_rebuild_at', 'reindex index concurrently ', 'select monitoring_internal.reindex ');
-- S-23: rebuilding under the lock of the whole table
-- fails: Tests/sql/upkeep.sql › P-09, S-23: concurrently, as a statement of a session
select mutation.edit('monitoring_internal.claim_rebuild_at', 'reindex index concurrently ', 'reindex index ');
-- S-24: a column called like what makes it
-- fails: Tests/sql/query_views.sql › S-24: no column is called like the function that makes it, and time_bucket is a width
create view monitoring.days as select date_trunc('day', bucket_at, 'UTC') from monitoring.rollups_1d;
-- S-24: in a table
-- fails: Tests/sql/rollups.sql › S-24: no column is called like a function that buckets
alter table monitoring.rollup_runs add column date_trunc timestamptz;
