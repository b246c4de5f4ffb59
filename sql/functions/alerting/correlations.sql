-- alerting/correlations.sql: which alerts belong together, pair by pair.
-- Owns correlated_alerts_at, clustered_pairs_at, correlated_pairs_at, correlate_alerts_at. Writes alert_correlations;
-- by group_alerts_at alert_group_members. Concurrency: one evaluator at a time calls it; rows are taken as they come.

-- Alerts that may be correlated at a time: open, or over for no longer than the window; the newest, up to the limit.
-- The place is the server; of the installation's own series, that have no such label, the local one.
create or replace function monitoring_internal.correlated_alerts_at(p_now timestamptz)
returns table (
    alert_id uuid, tenant_id uuid, triggered_at timestamptz, labels jsonb, metric_name text, related_metrics jsonb,
    place text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select alert.id, alert.tenant_id, alert.triggered_at, alert.labels, alert.metric_name, alert.related_metrics,
        coalesce(
            alert.labels ->> 'server', alert.labels ->> 'instance', alert.labels ->> 'host',
            case when alert.tenant_id = monitoring.system_tenant_id() then '' end)
    from monitoring.alerts as alert
    where alert.triggered_at <= p_now
        and (alert.status <> 'resolved'
            or alert.resolved_at > p_now
                - (select monitoring_internal.setting_interval('alerting.correlation_window')))
    order by alert.triggered_at desc, alert.id
    limit monitoring_internal.setting_integer('alerting.correlation_limit');
$$;

comment on function monitoring_internal.correlated_alerts_at(timestamptz) is
    'Alerts that may be correlated at a time, the newest up to alerting.correlation_limit.';

-- Alerts that began at one place, or with one value of a label, one soon after the other: each with the first of them.
create or replace function monitoring_internal.clustered_pairs_at(p_now timestamptz)
returns table (first_id uuid, alert_id uuid, tenant_id uuid, kind text, strength double precision, evidence jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with trait as (
        select alert.alert_id, alert.tenant_id, alert.triggered_at, 'topology' as kind, 0.8 as strength,
            'server' as name, alert.place as value
        from monitoring_internal.correlated_alerts_at(p_now) as alert
        where alert.place is not null
        union all
        select alert.alert_id, alert.tenant_id, alert.triggered_at, 'label', 0.6, label.name,
            alert.labels ->> label.name
        from monitoring_internal.correlated_alerts_at(p_now) as alert
        cross join regexp_split_to_table(
            monitoring_internal.setting_text('alerting.correlation_labels'), '\s*,\s*') as label (name)
        where alert.labels ->> label.name <> ''
    ),
    parted as (
        select trait.*, (trait.triggered_at - lag(trait.triggered_at) over (
                partition by trait.tenant_id, trait.name, trait.value order by trait.triggered_at, trait.alert_id)
            > (select monitoring_internal.setting_interval('alerting.correlation_window')))::integer as is_apart
        from trait
    ),
    numbered as (
        select parted.*, sum(parted.is_apart) over (
            partition by parted.tenant_id, parted.name, parted.value
            order by parted.triggered_at, parted.alert_id) as cluster_no
        from parted
    ),
    led as (
        select numbered.*, first_value(numbered.alert_id) over (
            partition by numbered.tenant_id, numbered.name, numbered.value, coalesce(numbered.cluster_no, 0)
            order by numbered.triggered_at, numbered.alert_id) as first_id
        from numbered
    )
    select led.first_id, led.alert_id, led.tenant_id, led.kind, led.strength,
        jsonb_build_object('label', led.name, 'value', led.value)
    from led
    where led.first_id <> led.alert_id;
$$;

comment on function monitoring_internal.clustered_pairs_at(timestamptz) is
    'Alerts that began at one place, or with one value of a label, within minutes: each with the first of them.';

-- Every pair that is correlated at a time, in its one order, by its strongest reason; the cause is the one explained
-- by.
-- Called by: correlate_alerts_at.
create or replace function monitoring_internal.correlated_pairs_at(p_now timestamptz)
returns table (
    alert_id uuid, other_alert_id uuid, tenant_id uuid, kind text, strength double precision, evidence jsonb,
    cause_alert_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set jit = off
set enable_nestloop = off
as $$
    with recent as materialized (select * from monitoring_internal.correlated_alerts_at(p_now)),
    -- The first alert about a metric at a place.
    metric as materialized (
        select distinct on (recent.tenant_id, recent.place, recent.metric_name) recent.*
        from recent
        where recent.metric_name is not null
        order by recent.tenant_id, recent.place, recent.metric_name, recent.triggered_at, recent.alert_id
    ),
    related as materialized (
        select recent.*, named.name,
            (select monitoring_internal.setting_interval('alerting.correlation_window')) as apart
        from recent cross join lateral jsonb_array_elements_text(recent.related_metrics) as named (name)
    ),
    explained as materialized (
        select member.*, first_value(member.alert_id) over (
            partition by member.group_key
            order by member.is_source desc, member.triggered_at, member.alert_id) as cause_id
        from monitoring_internal.explaining_groups() as member
    ),
    pair as (
        select clustered.first_id as one_id, clustered.alert_id as two_id, clustered.kind, clustered.strength,
            clustered.evidence, null::uuid as cause_id
        from monitoring_internal.clustered_pairs_at(p_now) as clustered
        union all
        select explained.cause_id, explained.alert_id, 'dependency', 1,
            jsonb_build_object(explained.kind, explained.name), explained.cause_id
        from explained
        where not explained.is_source
        union all
        select metric.alert_id, related.alert_id, 'temporal', 0.7,
            jsonb_build_object('related_metric', related.name), null
        from related
        inner join metric
            on metric.tenant_id = related.tenant_id and coalesce(metric.place, '-') = coalesce(related.place, '-')
            and metric.metric_name = related.name and metric.alert_id <> related.alert_id
        where metric.triggered_at - related.triggered_at between - related.apart and related.apart
    )
    select distinct on (least(pair.one_id, pair.two_id), greatest(pair.one_id, pair.two_id))
        least(pair.one_id, pair.two_id), greatest(pair.one_id, pair.two_id), one.tenant_id, pair.kind, pair.strength,
        pair.evidence, pair.cause_id
    from pair
    inner join recent as one on one.alert_id = pair.one_id
    inner join recent as two on two.alert_id = pair.two_id
    order by least(pair.one_id, pair.two_id), greatest(pair.one_id, pair.two_id), pair.strength desc, pair.kind,
        pair.evidence::text;
$$;

comment on function monitoring_internal.correlated_pairs_at(timestamptz) is
    'Every pair of alerts that is correlated at a time, once, by its strongest reason.';

-- Store what belongs together after a pass in which alerts came or went; returns how many pairs are new or stronger.
-- Called by: evaluate_alerts_at.
create or replace function monitoring_internal.correlate_alerts_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_written integer;
begin
    if not exists (
        select from monitoring.alert_transitions as moved
        where moved.occurred_at = p_now and moved.transition in ('fired', 'reopened', 'storm', 'resolved'))
    then
        return 0;
    end if;
    insert into monitoring.alert_correlations as known (
        alert_id, other_alert_id, tenant_id, kind, strength, evidence, cause_alert_id, found_at)
    select pair.alert_id, pair.other_alert_id, pair.tenant_id, pair.kind, pair.strength, pair.evidence,
        pair.cause_alert_id, p_now
    from monitoring_internal.correlated_pairs_at(p_now) as pair
    order by pair.alert_id, pair.other_alert_id
    on conflict (alert_id, other_alert_id) do update
    set kind = excluded.kind, strength = excluded.strength, evidence = excluded.evidence,
        cause_alert_id = excluded.cause_alert_id
    where excluded.strength > known.strength;
    get diagnostics v_written = row_count;
    if v_written > 0 then
        perform monitoring_internal.group_alerts_at(p_now);
    end if;
    return v_written;
end;
$$;

comment on function monitoring_internal.correlate_alerts_at(timestamptz) is
    'Stores which alerts belong together after a pass in which some came or went; returns how many pairs are new or '
    'stronger.';
