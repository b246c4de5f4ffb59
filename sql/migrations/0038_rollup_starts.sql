-- 0038: since when the rollups of a metric are what its class says.

create table monitoring_internal.rollup_starts (
    metric_family_id integer not null,
    begins_at timestamptz not null,
    constraint rollup_starts_pkey primary key (metric_family_id),
    constraint rollup_starts_metric_family_id_fkey
        foreign key (metric_family_id) references monitoring.metric_families (metric_family_id) on delete cascade
);

comment on table monitoring_internal.rollup_starts is
    'Metrics that got another class or kind, or whose class got other levels: only from then on are their rollups '
    'whole, and queries take samples before. Metrics that never changed have no row.';
comment on column monitoring_internal.rollup_starts.metric_family_id is 'The metric.';
comment on column monitoring_internal.rollup_starts.begins_at is 'The first day whose rollups are whole.';
