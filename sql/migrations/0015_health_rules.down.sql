-- Undoes 0015.
-- Series of its families go too, so that it can be applied again; their samples go with their partitions.
delete from monitoring.health_rules;
delete from monitoring.series
where metric_family_id in (
    select family.metric_family_id from monitoring.metric_families as family
    where family.category in ('host', 'health') or family.name = 'pgvigil_cache_hit_ratio');
delete from monitoring.metric_families as family
where family.category in ('host', 'health') or family.name = 'pgvigil_cache_hit_ratio';
