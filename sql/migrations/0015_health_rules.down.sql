-- Undoes 0015. Families whose samples were stored stay.
delete from monitoring.health_rules;
delete from monitoring.metric_families as family
where (family.category in ('host', 'health') or family.name = 'pgvigil_cache_hit_ratio')
    and not exists (select from monitoring.series where series.metric_family_id = family.metric_family_id);
