-- 0042: up to when samples and rollups were deleted, whatever retention says by now.

alter table monitoring.retention_states add column gone_until timestamptz not null default '-infinity';
comment on column monitoring.retention_states.gone_until is
    'Days of the class before this were deleted, if only some of them: never earlier than it was, as deleted_until is '
    'when a day is restored, a metric comes from another class, or retention is lengthened.';
update monitoring.retention_states set gone_until = deleted_until;

create table monitoring_internal.metric_horizons (
    metric_family_id integer not null,
    resolution text not null,
    gone_until timestamptz not null,
    constraint metric_horizons_pkey primary key (metric_family_id, resolution),
    constraint metric_horizons_metric_family_id_fkey
        foreign key (metric_family_id) references monitoring.metric_families (metric_family_id) on delete cascade
);

comment on table monitoring_internal.metric_horizons is
    'What metrics had lost already when they got another retention class: one that keeps longer brings nothing back, '
    'and queries take rollups for the time before.';
comment on column monitoring_internal.metric_horizons.metric_family_id is 'The metric.';
comment on column monitoring_internal.metric_horizons.resolution is 'raw, 1m, 5m, 1h or 1d.';
comment on column monitoring_internal.metric_horizons.gone_until is 'Days before this were deleted.';
