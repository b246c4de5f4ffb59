-- alerting/pairs.sql: what a pass sees of each rule and label set, beside what its condition was.
-- Owns alert_terms_at, see_alert, alert_clocks_at, pair_alerts_at. Writes nothing.
-- Concurrency: reads at the snapshot of the statement that asks.

-- What rules say about time, with what they leave open filled in. Patience: how long no data is borne.
create or replace function monitoring_internal.alert_terms_at(p_now timestamptz, p_rules integer[])
returns table (
    rule_no integer, every interval, horizon_at timestamptz, warning_for interval, critical_for interval,
    keep interval, patience interval, gap_after timestamptz, no_data_policy text, no_data_level smallint,
    has_warning boolean, flap_detection boolean, max_instances integer, cooldown interval, value_refresh interval,
    severities text[])
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select rule.rule_no, tick.every, p_now - rule.evaluation_delay, rule.warning_for, rule.critical_for,
        coalesce(rule.keep_firing_for, 2 * tick.every),
        tick.every * (greatest(2, ceil(
            extract(epoch from rule.evaluation_window) / extract(epoch from tick.every)))::double precision - 1),
        case when p_now - state.last_evaluated_at > 2 * tick.every then state.last_evaluated_at end,
        rule.no_data_policy,
        (case when rule.warning_threshold is not null and rule.critical_threshold is null then 1 else 2 end)::smallint,
        rule.warning_threshold is not null, rule.flap_detection, rule.max_instances, rule.cooldown_period,
        setting.value_refresh, array[rule.warning_severity, rule.severity]
    from monitoring.alert_rules as rule
    cross join (
        select monitoring_internal.setting_interval('alerting.evaluation_interval') as every,
            monitoring_internal.setting_interval('alerting.value_refresh') as value_refresh
        offset 0
    ) as setting
    cross join lateral (select coalesce(rule.evaluation_interval, setting.every) as every) as tick
    left join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
    where rule.rule_no in (select unnest(p_rules));
end;
$$;

comment on function monitoring_internal.alert_terms_at(timestamptz, integer[]) is
    'What rules say about time, with defaults filled in, and since when an evaluation gap lasts (gap_after).';

-- What a reading means for its condition; no reading at all: the series is gone.
create or replace function monitoring_internal.see_alert(
    p_state text, p_breached smallint, p_held smallint, p_no_data_policy text)
returns table (sees text, breached smallint, held smallint)
language sql immutable parallel safe
begin atomic
    select
        case
            when p_state is null then 'missing'
            when p_state = 'no_data' and p_no_data_policy = 'ok' then 'clear'
            when p_state = 'no_data' then 'no_data'
            when p_breached > 0 then 'breach'
            when p_held > 0 then 'held'
            else 'clear'
        end,
        case when p_state = 'data' then coalesce(p_breached, 0::smallint) else 0::smallint end,
        case when p_state = 'data' then coalesce(p_held, 0::smallint) else 0::smallint end;
end;

comment on function monitoring_internal.see_alert(text, smallint, smallint, text) is
    'What a reading means: breach, held, clear, no_data or missing.';

-- The clocks of a condition after a reading. Time in which nobody evaluated and no sample tells of a breach is not
-- counted; a clock that the system's clock has overtaken backwards starts now.
create or replace function monitoring_internal.alert_clocks_at(
    p_now timestamptz, p_gap_after timestamptz, p_sees text, p_breached smallint, p_held smallint,
    p_breached_since timestamptz, p_level smallint, p_warning_since timestamptz, p_critical_since timestamptz,
    p_lowering_since timestamptz, p_no_data_since timestamptz)
returns table (
    warning_since timestamptz, critical_since timestamptz, lowering_since timestamptz, no_data_since timestamptz)
language sql immutable parallel safe
begin atomic
    select
        case
            when p_sees = 'breach'
                then least(coalesce(p_warning_since + unseen.gap, p_breached_since, p_now), p_now)
            when p_sees in ('no_data', 'missing') then p_warning_since
        end,
        case
            when p_breached = 2 then least(coalesce(p_critical_since + unseen.gap, p_breached_since, p_now), p_now)
            when p_sees in ('no_data', 'missing') then p_critical_since
        end,
        case
            when p_sees in ('no_data', 'missing') then p_lowering_since
            when p_level = 2 and greatest(p_breached, p_held) < 2 then least(coalesce(p_lowering_since, p_now), p_now)
        end,
        case when p_sees in ('no_data', 'missing') then least(coalesce(p_no_data_since, p_now), p_now) end
    from (
        select coalesce(greatest(p_breached_since - p_gap_after, interval '0'), interval '0') as gap
    ) as unseen;
end;

comment on function monitoring_internal.alert_clocks_at(
    timestamptz, timestamptz, text, smallint, smallint, timestamptz, smallint, timestamptz, timestamptz, timestamptz,
    timestamptz) is 'The clocks of a condition after a reading.';

-- Every pair that is not plainly ok: a reading, a condition, or both.
-- A clock starts at the first bad sample, not at the evaluation that saw it; time nobody looked at does not count.
create or replace function monitoring_internal.pair_alerts_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns setof monitoring_internal.alert_pair
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with reading as materialized (
        select * from monitoring_internal.read_alert_rules_at(p_now, p_condition_type, p_rules)
    ), condition as materialized (
        select * from monitoring.alert_conditions as known
        where known.rule_no in (select unnest(p_rules)) and known.kind = 'series'
    ), term as materialized (
        select * from monitoring_internal.alert_terms_at(p_now, p_rules)
    )
    select rule_no, label_key, 'series', coalesce(reading.tenant_id, condition.tenant_id),
        coalesce(reading.labels, condition.labels, '{}'), coalesce(reading.value, condition.value),
        coalesce(reading.threshold, condition.threshold), coalesce(reading.sampled_at, condition.sampled_at),
        reading.sample_count, reading.evidence, seen.sees, seen.breached, seen.held,
        (case
            when seen.breached = 2 and clock.critical_since <= term.horizon_at - term.critical_for then 2
            when (seen.breached = 1 or seen.breached = 2 and term.has_warning)
                and clock.warning_since <= term.horizon_at - term.warning_for then 1
            else 0
        end)::smallint,
        clock.no_data_since <= p_now - term.patience,
        (clock.warning_since, clock.critical_since, clock.lowering_since, clock.no_data_since)
            is distinct from
            (condition.warning_since, condition.critical_since, condition.lowering_since, condition.no_data_since)
        or condition.sampled_at < reading.sampled_at - term.value_refresh and condition.value <> reading.value,
        null::integer, condition.state, condition.level, condition.alert_id, condition.alert_created_at,
        condition.dismissed_until, condition.dismissed_alert_id, condition.dismissed_level,
        coalesce(condition.is_flapping, false), coalesce(condition.changes, '{}'),
        clock.warning_since, clock.critical_since, clock.lowering_since,
        least(condition.recovering_since, p_now), clock.no_data_since
    from reading
    full join condition using (rule_no, label_key)
    inner join term using (rule_no)
    cross join lateral monitoring_internal.see_alert(
        reading.state, reading.breached, reading.held, term.no_data_policy) as seen
    cross join lateral monitoring_internal.alert_clocks_at(
        p_now, term.gap_after, seen.sees, seen.breached, seen.held,
        coalesce(reading.breached_since, reading.sampled_at), condition.level, condition.warning_since,
        condition.critical_since, condition.lowering_since, condition.no_data_since) as clock;
end;
$$;

comment on function monitoring_internal.pair_alerts_at(timestamptz, text, integer[]) is
    'Every rule and label set of some rules that has a reading or a condition, with what is seen and its clocks.';
