-- views/rollups.sql: the rollups under one name, which classes have which levels, how far they are built.
-- No reader has a right on the first three: their tenants are those of the series, which no row here names.

create or replace view monitoring_internal.rollup_points as
select '1m'::text as resolution, rollup.series_id, rollup.bucket_at, rollup.sample_count, rollup.value_sum,
    rollup.value_sum_squares, rollup.value_min, rollup.value_max, rollup.value_first, rollup.value_last,
    rollup.first_at, rollup.last_at, rollup.increase, rollup.sketch
from monitoring.rollups_1m as rollup
union all
select '5m'::text, rollup.series_id, rollup.bucket_at, rollup.sample_count, rollup.value_sum,
    rollup.value_sum_squares, rollup.value_min, rollup.value_max, rollup.value_first, rollup.value_last,
    rollup.first_at, rollup.last_at, rollup.increase, rollup.sketch
from monitoring.rollups_5m as rollup
union all
select '1h'::text, rollup.series_id, rollup.bucket_at, rollup.sample_count, rollup.value_sum,
    rollup.value_sum_squares, rollup.value_min, rollup.value_max, rollup.value_first, rollup.value_last,
    rollup.first_at, rollup.last_at, rollup.increase, rollup.sketch
from monitoring.rollups_1h as rollup
union all
select '1d'::text, rollup.series_id, rollup.bucket_at, rollup.sample_count, rollup.value_sum,
    rollup.value_sum_squares, rollup.value_min, rollup.value_max, rollup.value_first, rollup.value_last,
    rollup.first_at, rollup.last_at, rollup.increase, rollup.sketch
from monitoring.rollups_1d as rollup;

comment on view monitoring_internal.rollup_points is
    'Rollups of all resolutions, without regard to tenants; a constant resolution leaves the other tables out. For '
    'functions of the owner; granted to nobody.';

-- The levels of each class, and what each is built from: the next finer level that the class has, or samples.
create or replace view monitoring_internal.class_levels as
select
    class.name as retention_class,
    level.resolution,
    level.width,
    coalesce(
        lag(level.resolution) over (partition by class.name order by level.width), 'samples') as source,
    kept.retention
from monitoring.retention_classes as class
cross join lateral (values
    ('1m', class.rollup_1m), ('5m', class.rollup_5m), ('1h', class.rollup_1h), ('1d', class.rollup_1d)
) as kept (resolution, retention)
inner join monitoring_internal.rollup_levels as level on level.resolution = kept.resolution
where kept.retention is not null;

comment on view monitoring_internal.class_levels is
    'Which levels each retention class has, how long they are kept, and what each is built from.';

-- A metric that nobody described is taken for a counter when it is called like one.
create or replace view monitoring_internal.series_levels as
select
    series.series_id,
    level.resolution,
    level.width,
    level.source,
    family.kind in ('counter', 'histogram', 'summary')
        or family.kind = 'unknown' and family.name ~ '._total$' as is_counter
from monitoring.series as series
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
inner join monitoring_internal.class_levels as level on level.retention_class = family.retention_class;

comment on view monitoring_internal.series_levels is
    'Which levels each series has, what each is built from, and whether the series is a counter.';

create or replace view monitoring.rollup_status with (security_invoker = true) as
select
    progress.resolution,
    progress.watermark,
    progress.closed_until,
    now() - progress.watermark as lag,
    progress.building_until,
    progress.late_ranges,
    progress.late_from_at,
    progress.waited_total,
    progress.behind
from monitoring_internal.rollup_progress() as progress;

comment on view monitoring.rollup_status is 'How far each resolution of rollups is built, and what waits.';
comment on column monitoring.rollup_status.resolution is '1m, 5m, 1h or 1d.';
comment on column monitoring.rollup_status.watermark is
    'Buckets that end by then are complete, but for the late ranges.';
comment on column monitoring.rollup_status.closed_until is 'Samples before this count as late.';
comment on column monitoring.rollup_status.lag is 'Age of the watermark; about the width of a bucket at most.';
comment on column monitoring.rollup_status.building_until is 'End of the range being built; null when none is.';
comment on column monitoring.rollup_status.late_ranges is
    'Ranges of series that wait to be built again, of all resolutions together.';
comment on column monitoring.rollup_status.late_from_at is 'Where the oldest of them begins.';
comment on column monitoring.rollup_status.waited_total is 'How often a refresh found an older ingest still open.';
comment on column monitoring.rollup_status.behind is
    'For how long buckets that are over wait to be built; null for a level that no metric has.';
