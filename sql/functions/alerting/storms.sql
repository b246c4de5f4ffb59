-- alerting/storms.sql: what is judged over many conditions or over time: storms, flapping, recurrence.
-- Owns storm_label_key, gather_alert_storms_at, alert_flapping_at, flapping_ratio, reopenable_alerts_at.
-- Writes nothing. Concurrency: reads at the snapshot of the statement that asks.

-- The label set that stands for all those of a rule beyond its max_instances, of one tenant.
create or replace function monitoring_internal.storm_label_key(p_tenant_id uuid)
returns uuid
language sql immutable parallel safe
begin atomic
    select md5('storm ' || p_tenant_id::text)::uuid;
end;

comment on function monitoring_internal.storm_label_key(uuid) is
    'The label set that stands for a storm of a rule at a tenant.';

-- What a pass does with each pair, storms regarded: where more alerts of a rule would be open than its max_instances,
-- those that are open stay, and one stands for all the others, with their number and the twenty worst.
create or replace function monitoring_internal.gather_alert_storms_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns table (pair monitoring_internal.alert_pair, action text, level smallint)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with decided as materialized (
        select decided.*, (decided.pair).rule_no, (decided.pair).tenant_id, decided.action = 'fire'
            or (decided.pair).alert_id is not null and decided.action <> 'resolve' as is_member
        from monitoring_internal.decide_alerts_at(p_now, p_condition_type, p_rules) as decided
    ), crowd as (
        select rule_no, tenant_id, count(*)::integer as members, max(decided.level) as level,
            max((decided.pair).sampled_at) as sampled_at, min((decided.pair).warning_since) as since
        from decided where decided.is_member group by rule_no, tenant_id
    ), storm as materialized (
        select rule_no, tenant_id, crowd.members, crowd.level, crowd.sampled_at, crowd.since, term.keep, known,
            term.max_instances, term.value_refresh, coalesce(crowd.members > term.max_instances, false) as is_on
        from crowd
        full join (
            select known.rule_no, known.tenant_id, known from monitoring.alert_conditions as known
            where known.rule_no in (select unnest(p_rules)) and known.kind = 'storm'
        ) as former (rule_no, tenant_id, known) using (rule_no, tenant_id)
        inner join monitoring_internal.alert_terms_at(p_now, p_rules) as term using (rule_no)
        where (known).rule_no is not null or crowd.members > term.max_instances
    )
    select decided.pair,
        case
            when not coalesce(storm.is_on, false) or decided.action <> 'fire' then decided.action
            when (decided.pair).state is null then 'none' else 'pend' end, decided.level
    from decided
    left join storm using (rule_no, tenant_id)
    union all
    select pair,
        case
            when storm.is_on and (storm.known).alert_id is null
                then case when (storm.known).dismissed_until > p_now then 'pend' else 'fire' end
            when storm.is_on then 'hold'
            when (storm.known).alert_id is null then 'drop'
            when storm.keep <= interval '0' or (storm.known).recovering_since <= p_now - storm.keep then 'resolve'
            else 'recover' end, greatest(storm.level, (storm.known).level)
    from storm
    cross join lateral (
        select jsonb_agg(jsonb_build_object('labels', (worst.pair).labels, 'value', (worst.pair).value)) as list
        from (
            select decided.pair from decided
            where decided.rule_no = storm.rule_no and decided.tenant_id = storm.tenant_id and decided.is_member
            order by decided.level desc, abs((decided.pair).value - (decided.pair).threshold) desc nulls last,
                (decided.pair).label_key
            limit 20
        ) as worst
    ) as worst
    cross join lateral monitoring_internal.alert_storm_pair(
        storm.known, storm.rule_no, storm.tenant_id, storm.is_on, storm.members, storm.max_instances, storm.level,
        storm.sampled_at, storm.since, worst.list,
        coalesce((storm.known).sampled_at < storm.sampled_at - storm.value_refresh, false)) as pair;
end;
$$;

comment on function monitoring_internal.gather_alert_storms_at(timestamptz, text, integer[]) is
    'What a pass does with each pair, where those beyond a rule''s max_instances are one storm.';

-- A storm as a pair: its value is the number of label sets, its threshold how many may be open.
create or replace function monitoring_internal.alert_storm_pair(
    p_known monitoring.alert_conditions, p_rule_no integer, p_tenant_id uuid, p_is_on boolean, p_members integer,
    p_maximum integer, p_level smallint, p_sampled_at timestamptz, p_since timestamptz, p_worst jsonb,
    p_is_old boolean)
returns monitoring_internal.alert_pair
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select row(
        p_rule_no, monitoring_internal.storm_label_key(p_tenant_id), 'storm', p_tenant_id, '{}'::jsonb,
        coalesce(p_members, 0)::double precision, p_maximum::double precision,
        coalesce(p_sampled_at, p_known.sampled_at), p_members,
        jsonb_build_object('breaching', coalesce(p_members, 0), 'max_instances', p_maximum, 'worst', p_worst),
        case when p_is_on then 'breach' else 'clear' end, p_level, p_level, p_level, false,
        p_is_old and p_known.value is distinct from p_members, coalesce(p_members, 0), p_known.state, p_known.level,
        p_known.alert_id, p_known.alert_created_at, p_known.dismissed_until,
        p_known.dismissed_alert_id, p_known.dismissed_level, false,
        coalesce(p_known.changes, '{}'), coalesce(p_known.warning_since, p_since), null::timestamptz,
        null::timestamptz, p_known.recovering_since, null::timestamptz)::monitoring_internal.alert_pair;
$$;

comment on function monitoring_internal.alert_storm_pair(
    monitoring.alert_conditions, integer, uuid, boolean, integer, integer, smallint, timestamptz, timestamptz, jsonb,
    boolean) is 'A storm as a pair of a pass.';

-- Weighted share of the last 21 evaluations whose outcome differed from the one before: from 0.8 for the oldest to 1.2.
create or replace function monitoring_internal.flapping_ratio(
    p_changes timestamptz[], p_now timestamptz, p_every interval)
returns double precision
language sql immutable parallel safe
begin atomic
    select coalesce(sum(1.2 - 0.4 * change.age / 19.0) / 20, 0)::double precision
    from (
        select floor(extract(epoch from p_now - moment.at) / extract(epoch from p_every)) as age
        from unnest(p_changes) as moment (at)
    ) as change
    where change.age between 0 and 19;
end;

comment on function monitoring_internal.flapping_ratio(timestamptz[], timestamptz, interval) is
    'How much of the last 21 evaluations were changes, recent ones weighing more: 0 to 1.';

-- The newest 21 changes of a condition with what happens now, and whether that is flapping.
create or replace function monitoring_internal.alert_flapping_at(
    p_now timestamptz, p_pair monitoring_internal.alert_pair, p_action text, p_former timestamptz[],
    p_is_wanted boolean, p_every interval, p_on double precision, p_off double precision)
returns table (changes timestamptz[], is_flapping boolean)
language sql immutable parallel safe
begin atomic
    select change.changes,
        p_is_wanted and p_pair.kind = 'series' and case
            when p_pair.is_flapping
                then monitoring_internal.flapping_ratio(change.changes, p_now, p_every) >= p_off
            -- Fewer changes than that cannot be enough: most conditions are judged without a sum.
            when cardinality(change.changes) < 20 * p_on / 1.2 then false
            else monitoring_internal.flapping_ratio(change.changes, p_now, p_every) > p_on
        end
    from (
        select case
            when p_action = 'fire' and p_pair.sees = 'breach'
                or p_action = 'hold' and p_pair.sees = 'breach' and p_pair.state = 'recovering'
                or p_action = 'recover' and p_pair.state <> 'recovering'
                or p_action = 'resolve' and p_pair.sees = 'clear' and p_pair.state = 'firing'
                then (before.changes || p_now)[greatest(1, cardinality(before.changes) - 19):]
            else before.changes
        end as changes
        from (select coalesce(p_former, p_pair.changes) as changes) as before
    ) as change;
end;

comment on function monitoring_internal.alert_flapping_at(
    timestamptz, monitoring_internal.alert_pair, text, timestamptz[], boolean, interval, double precision,
    double precision) is 'When a condition became bad or good, newest last, and whether it flaps.';

-- Closed alerts that a recurrence now would open again: ended within their rule's cooldown, or by hand though the
-- condition went on.
create or replace function monitoring_internal.reopenable_alerts_at(
    p_now timestamptz, p_rules integer[], p_dismissed uuid[])
returns table (
    rule_no integer, label_key uuid, id uuid, created_at timestamptz, changes timestamptz[], max_severity text,
    resolved_at timestamptz, is_dismissed boolean)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with term as materialized (
        select rule.rule_no, rule.cooldown_period from monitoring.alert_rules as rule
        where rule.rule_no in (select unnest(p_rules))
    )
    select distinct on (known.rule_no, known.label_key) known.*
    from (
        select alert.rule_no, alert.label_key, alert.id, alert.created_at, alert.changes, alert.max_severity,
            alert.resolved_at, false as is_dismissed
        from monitoring.alerts as alert
        inner join term on term.rule_no = alert.rule_no
        where alert.status = 'resolved' and alert.resolved_at > p_now - term.cooldown_period
            and alert.resolved_at > p_now - (select max(term.cooldown_period) from term)
        union all
        select alert.rule_no, alert.label_key, alert.id, alert.created_at, alert.changes, alert.max_severity,
            alert.resolved_at, true
        from monitoring.alerts as alert
        where alert.id = any (p_dismissed) and alert.status = 'resolved'
    ) as known
    order by known.rule_no, known.label_key, known.is_dismissed desc, known.resolved_at desc, known.id;
end;
$$;

comment on function monitoring_internal.reopenable_alerts_at(timestamptz, integer[], uuid[]) is
    'Closed alerts that a recurrence now would open again, and those that were closed by hand while they held.';
