-- Undoes 0006, once the code that uses its tables is gone.
-- Series of its families go too, so that it can be applied again; their samples go with their partitions.
delete from monitoring.series
where metric_family_id in (
    select family.metric_family_id from monitoring.metric_families as family
    where family.category = 'collection');
delete from monitoring.metric_families as family
where family.category = 'collection';
delete from monitoring.settings where name like 'collect.%';
delete from monitoring.partition_policies
where table_name in ('monitoring.collector_runs', 'monitoring.collector_gaps');
drop type monitoring_internal.claimed_collection;
drop type monitoring_internal.collection_outcome;
drop table monitoring.collector_gaps;
drop table monitoring.collector_runs;
drop table monitoring.collector_states;
drop sequence monitoring_internal.collection_fence;
drop table monitoring_internal.collector_statements;
drop table monitoring.collector_variants;
drop table monitoring.collector_columns;
drop table monitoring.collector_queries;
drop table monitoring.collector_needs;
drop table monitoring.collectors;
