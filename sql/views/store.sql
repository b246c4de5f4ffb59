-- views/store.sql: how everybody else reads samples.
-- Samples have no row policy of their own: the views with the owner's rights ask for the tenant of the series, and
-- are barriers, so that no condition of the reader's runs on rows before that.

create or replace view monitoring_internal.keyed_sample_points as
select sample.series_id, sample.sampled_at, sample.value, date_trunc('day', sample.sampled_at, 'UTC') as period_at
from monitoring.samples as sample
where sample.sampled_at >= (select state.packed_until from monitoring_internal.packing_state as state)
union all
select point.series_id, point.sampled_at, point.value, point.period_at
from monitoring_internal.block_points as point
union all
select late.series_id, late.sampled_at, late.value, date_trunc('day', late.sampled_at, 'UTC')
from monitoring.late_samples as late;

comment on view monitoring_internal.keyed_sample_points is
    'Every stored sample by its series, but those of append mode, without regard to tenants. Granted to nobody.';
comment on column monitoring_internal.keyed_sample_points.series_id is 'The series, of monitoring.series.';
comment on column monitoring_internal.keyed_sample_points.sampled_at is 'When it was measured.';
comment on column monitoring_internal.keyed_sample_points.value is 'The value.';
comment on column monitoring_internal.keyed_sample_points.period_at is 'Start of its day (UTC).';

create or replace view monitoring_internal.sample_points as
select keyed.series_id, keyed.sampled_at, keyed.value, keyed.period_at
from monitoring_internal.keyed_sample_points as keyed
union all
select appended.series_id, appended.sampled_at, appended.value, date_trunc('day', appended.sampled_at, 'UTC')
from monitoring_internal.appended_points as appended;

comment on view monitoring_internal.sample_points is
    'Every stored sample by its series, without regard to tenants. For functions of the owner; granted to nobody.';
comment on column monitoring_internal.sample_points.series_id is 'The series, of monitoring.series.';
comment on column monitoring_internal.sample_points.sampled_at is 'When it was measured.';
comment on column monitoring_internal.sample_points.value is 'The value.';
comment on column monitoring_internal.sample_points.period_at is 'Start of its day (UTC).';

-- The two parts are within a query of their own: a barrier that is a union itself would be none.
create or replace view monitoring.metric_samples with (security_barrier = true) as
select
    stored.tenant_id,
    stored.metric,
    stored.kind,
    stored.labels,
    stored.sampled_at,
    stored.value,
    stored.period_at
from (
    select series.tenant_id, family.name as metric, family.kind, series.labels, sample.sampled_at, sample.value,
        sample.period_at
    from monitoring.series as series
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    -- Series by series: a join could not look into blocks so, and the empty part keeps the planner from making it one.
    cross join lateral (
        select point.sampled_at, point.value, point.period_at
        from monitoring_internal.keyed_sample_points as point
        where point.series_id = series.series_id
        union all
        select null, null, null where false
    ) as sample
    union all
    -- Append mode has no look-up by series: all of the time asked for at once.
    select series.tenant_id, family.name, family.kind, series.labels, point.sampled_at, point.value,
        date_trunc('day', point.sampled_at, 'UTC')
    from monitoring_internal.appended_points as point
    inner join monitoring.series as series on series.series_id = point.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
) as stored
where stored.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.metric_samples is
    'Stored samples with their metric and labels, of the tenants that the reader sees.';
comment on column monitoring.metric_samples.tenant_id is 'Whose it is.';
comment on column monitoring.metric_samples.metric is 'Metric name.';
comment on column monitoring.metric_samples.kind is 'counter, gauge, histogram, summary or unknown.';
comment on column monitoring.metric_samples.labels is 'Labels, an object of texts.';
comment on column monitoring.metric_samples.sampled_at is 'When it was measured.';
comment on column monitoring.metric_samples.value is 'The value, in the family''s unit.';
comment on column monitoring.metric_samples.period_at is
    'Start of its day (UTC). Ask for it too where you ask for old times: by it packed days are left out unread.';

-- One look-up a series from the newest end of the primary key, whatever the interval and the staleness.
-- The later bound keeps the partitions ahead out. It is written "<= any" because the planner takes a pair of plain
-- bounds for a narrow range, and would then read and sort the whole of it for each series.
create or replace view monitoring.latest_samples with (security_barrier = true) as
select
    series.tenant_id,
    family.metric_family_id,
    family.name as metric,
    series.labels,
    newest.sampled_at,
    newest.value,
    series.series_id,
    series.label_text,
    series.server
from monitoring.series as series
inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
left join (
    -- Of append mode, all series at once; how old it may be is asked below.
    select distinct on (point.series_id) point.series_id, point.sampled_at, point.value
    from monitoring_internal.appended_points as point
    where point.sampled_at > now() - (
            select greatest(monitoring_internal.setting_interval('store.stale_after'), max(known.stale_after))
            from monitoring.metric_families as known)
        and point.sampled_at <= now() + monitoring_internal.setting_interval('store.max_future')
    order by point.series_id, point.sampled_at desc
) as open on open.series_id = series.series_id
    and open.sampled_at > now() - coalesce(
        family.stale_after, (select monitoring_internal.setting_interval('store.stale_after')))
left join lateral (
    select sample.sampled_at, sample.value
    from monitoring.samples as sample
    where sample.series_id = series.series_id
        and sample.sampled_at > now() - coalesce(
            family.stale_after, (select monitoring_internal.setting_interval('store.stale_after')))
        and sample.sampled_at <= any (
            array[(select now() + monitoring_internal.setting_interval('store.max_future'))])
    order by sample.sampled_at desc
    limit 1
) as recent on true
-- Only where a series without samples of these days may still be current: the last of its last block, or a late one.
left join lateral (
    select newest.sampled_at, newest.value
    from (
        (
            select
                monitoring_internal.block_time(block.start, block.sample_count - 1, block.time_bit_width,
                    block.time_unit, block.time_slope, block.time_bases, block.time_bits) as sampled_at,
                monitoring_internal.block_value(block.encoding, block.sample_count - 1, block.value_min,
                    block.divisor, block.bit_width, block.slope, block.bases, block.wide_bases, block.bits,
                    block.starts, block.value_list) as value
            from monitoring_internal.open_blocks as block
            where block.series_id = series.series_id
                and block.period_at > now() - interval '24 hours' - coalesce(
                    family.stale_after, (select monitoring_internal.setting_interval('store.stale_after')))
            order by block.period_at desc
            limit 1
        )
        union all
        (
            select late.sampled_at, late.value
            from monitoring.late_samples as late
            where late.series_id = series.series_id
            order by late.sampled_at desc
            limit 1
        )
    ) as newest
    where (recent.sampled_at is null
            or recent.sampled_at < (select state.closed_until from monitoring_internal.packing_state as state))
        and now() - coalesce(family.stale_after, (select monitoring_internal.setting_interval('store.stale_after')))
            < (select state.closed_until from monitoring_internal.packing_state as state)
        and newest.sampled_at > now() - coalesce(
            family.stale_after, (select monitoring_internal.setting_interval('store.stale_after')))
    order by newest.sampled_at desc
    limit 1
) as older on true
cross join lateral (
    select
        case when open.sampled_at > known.sampled_at or known.sampled_at is null
            then open.sampled_at else known.sampled_at end as sampled_at,
        case when open.sampled_at > known.sampled_at or known.sampled_at is null
            then open.value else known.value end as value
    from (
        select
            case when older.sampled_at > recent.sampled_at or recent.sampled_at is null
                then older.sampled_at else recent.sampled_at end as sampled_at,
            case when older.sampled_at > recent.sampled_at or recent.sampled_at is null
                then older.value else recent.value end as value
    ) as known
) as newest
where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    and newest.sampled_at is not null;

comment on view monitoring.latest_samples is
    'The newest sample of each series that is not stale yet, of the tenants that the reader sees. '
    'With many series, set jit = off first: compiling the query takes longer than running it.';
comment on column monitoring.latest_samples.tenant_id is 'Whose it is.';
comment on column monitoring.latest_samples.metric_family_id is 'The metric''s key.';
comment on column monitoring.latest_samples.metric is 'Metric name.';
comment on column monitoring.latest_samples.labels is 'Labels, an object of texts.';
comment on column monitoring.latest_samples.sampled_at is 'When it was measured.';
comment on column monitoring.latest_samples.value is 'The value, in the family''s unit.';
comment on column monitoring.latest_samples.series_id is 'The series'' key.';
comment on column monitoring.latest_samples.label_text is
    'Labels and tenant as Prometheus writes them between the braces.';
comment on column monitoring.latest_samples.server is 'The target whose series it is; empty for all others.';

create or replace view monitoring.rejected_sample_counts with (security_invoker = true) as
select
    total.tenant_id,
    total.reason,
    total.rejected_total,
    total.last_rejected_at,
    recent.rejected as rejected_last_hour
from monitoring.rejected_sample_totals as total
cross join lateral (
    select count(*) as rejected
    from monitoring.rejected_samples as rejected
    where rejected.tenant_id = total.tenant_id
        and rejected.reason = total.reason
        and rejected.rejected_at > now() - interval '1 hour'
) as recent;

comment on view monitoring.rejected_sample_counts is
    'How many samples ingest refused, by tenant and reason, ever and in the last hour.';
comment on column monitoring.rejected_sample_counts.tenant_id is 'For whom they were sent.';
comment on column monitoring.rejected_sample_counts.reason is 'Why they were refused.';
comment on column monitoring.rejected_sample_counts.rejected_total is 'How many ever; only grows.';
comment on column monitoring.rejected_sample_counts.last_rejected_at is 'When one was refused last.';
comment on column monitoring.rejected_sample_counts.rejected_last_hour is 'How many in the last hour.';

create or replace view monitoring.metric_cardinality with (security_invoker = true) as
select
    counted.tenant_id,
    family.name as metric,
    counted.series_count,
    bound.series_limit,
    counted.series_count::double precision / bound.series_limit as used
from (
    select series.tenant_id, series.metric_family_id, count(*) as series_count
    from monitoring.series as series
    group by series.tenant_id, series.metric_family_id
) as counted
inner join monitoring.metric_families as family on family.metric_family_id = counted.metric_family_id
cross join (
    select setting.value::bigint as series_limit
    from monitoring.settings as setting
    where setting.name = 'store.max_series_per_metric'
) as bound;

comment on view monitoring.metric_cardinality is
    'How many series each metric of each tenant has, and how much of store.max_series_per_metric that is: beyond it, '
    'samples of new series are refused.';
comment on column monitoring.metric_cardinality.tenant_id is 'The tenant.';
comment on column monitoring.metric_cardinality.metric is 'Metric name.';
comment on column monitoring.metric_cardinality.series_count is 'How many series it has.';
comment on column monitoring.metric_cardinality.series_limit is 'How many it may have.';
comment on column monitoring.metric_cardinality.used is 'The share of that: 1 when it is full.';
