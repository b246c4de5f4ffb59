-- views/partitions.sql: the partitions there are, their sizes, and what is wrong with them.

create or replace view monitoring.partitions with (security_invoker = true) as
select
    policy.table_name,
    class.relname as partition_name,
    bounds.is_default,
    bounds.lower_bound,
    bounds.upper_bound,
    case when class.reltuples >= 0 then class.reltuples::bigint end as estimated_rows,
    pg_table_size(class.oid) as heap_bytes,
    pg_indexes_size(class.oid) as index_bytes,
    pg_total_relation_size(class.oid) as total_bytes,
    parent.parent = monitoring_internal.append_parent(policy.table_name) as is_appended
from monitoring.partition_policies as policy
cross join lateral unnest(array[
    to_regclass(policy.table_name)::oid, monitoring_internal.append_parent(policy.table_name)::oid]) as parent (parent)
cross join lateral monitoring_internal.partition_bounds(parent.parent) as bounds
inner join pg_catalog.pg_class as class on class.oid = bounds.partition;

comment on view monitoring.partitions is 'Partitions of every table with a policy, with bounds and sizes.';
comment on column monitoring.partitions.table_name is 'The partitioned table.';
comment on column monitoring.partitions.partition_name is 'The partition, in schema monitoring_partitions.';
comment on column monitoring.partitions.is_default is 'True for the partition of rows that no other takes.';
comment on column monitoring.partitions.lower_bound is 'First time it takes.';
comment on column monitoring.partitions.upper_bound is 'First time it takes no more.';
comment on column monitoring.partitions.estimated_rows is
    'Rows by the planner''s statistics; null before the first analyze.';
comment on column monitoring.partitions.heap_bytes is 'Bytes of the table itself, with its TOAST table and maps.';
comment on column monitoring.partitions.index_bytes is 'Bytes of its indexes.';
comment on column monitoring.partitions.total_bytes is 'Bytes of all of it.';
comment on column monitoring.partitions.is_appended is 'True for an open one of append mode; null without that mode.';

create or replace view monitoring.partition_problems with (security_invoker = true) as
select problem.table_name, problem.object_name, problem.problem, problem.detail
from monitoring_internal.partition_problems() as problem;

comment on view monitoring.partition_problems is
    'What is wrong with partitions now; empty when all is well. Most of it the next maintain_partitions() mends.';
comment on column monitoring.partition_problems.table_name is 'The partitioned table; null when it is not known.';
comment on column monitoring.partition_problems.object_name is 'The table, partition or index concerned.';
comment on column monitoring.partition_problems.problem is
    'invalid_index, unattached_table, default_not_empty, missing_partition, expired_partition, held_partition, '
    'parameters_not_set, maintenance_failed, no_policy or no_table.';
comment on column monitoring.partition_problems.detail is 'Particulars for people.';
