-- alerting/decide.sql: what a pass does with each pair: the state machine of conditions.
-- Owns alert_action_at, decide_alerts_at, alert_events, conclude_alerts_at. Writes nothing.
-- Concurrency: reads at the snapshot of the statement that asks.

-- What to do with a condition that has an open alert, or none. Storms and flapping are decided after it.
-- fire, pend, wait: no alert is open yet; hold, recover, mute, resolve: one is; drop: back to ok; none: nothing was.
create or replace function monitoring_internal.alert_action_at(
    p_now timestamptz, p_pair monitoring_internal.alert_pair, p_no_data_policy text, p_keep interval)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when p_pair.alert_id is null then case
            when p_pair.sees = 'breach' and p_pair.wanted > 0
                and not coalesce(p_pair.dismissed_until > p_now and p_pair.wanted <= p_pair.dismissed_level, false)
                then 'fire'
            when p_pair.sees = 'breach' then 'pend'
            when p_pair.sees = 'no_data' and p_no_data_policy = 'alert'
                then case when p_pair.is_silent then 'fire' else 'wait' end
            when p_pair.state is null then 'none'
            when p_pair.sees in ('no_data', 'missing') and not p_pair.is_silent then 'wait'
            else 'drop'
        end
        when p_pair.sees in ('breach', 'held') then 'hold'
        when p_pair.sees = 'clear' then case
            when p_keep <= interval '0' or p_pair.state = 'recovering' and p_pair.recovering_since <= p_now - p_keep
                then 'resolve'
            else 'recover'
        end
        when not p_pair.is_silent then 'wait'
        when p_pair.sees = 'missing' or p_no_data_policy = 'resolve' then 'resolve'
        else 'mute'
    end;
end;

comment on function monitoring_internal.alert_action_at(
    timestamptz, monitoring_internal.alert_pair, text, interval) is
    'What a pass does with a pair: fire, pend, wait, hold, recover, mute, resolve, drop or none.';

-- Each pair with its action and the level it has after it.
-- A raised level is taken at once, a lower one when it has been enough for as long as a recovery must last.
create or replace function monitoring_internal.decide_alerts_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns table (pair monitoring_internal.alert_pair, action text, level smallint)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select pair,
        monitoring_internal.alert_action_at(p_now, pair, term.no_data_policy, term.keep),
        case
            when pair.alert_id is null and pair.sees = 'no_data' and pair.is_silent then term.no_data_level
            when pair.alert_id is null then pair.wanted
            when pair.wanted = 2 then 2::smallint
            when pair.sees in ('breach', 'held') and pair.lowering_since <= p_now - term.keep then 1::smallint
            else pair.level
        end
    from monitoring_internal.pair_alerts_at(p_now, p_condition_type, p_rules) as pair
    inner join monitoring_internal.alert_terms_at(p_now, p_rules) as term on term.rule_no = pair.rule_no;
end;
$$;

comment on function monitoring_internal.decide_alerts_at(timestamptz, text, integer[]) is
    'What a pass does with each pair, and the level the condition has after it.';

-- The transitions that are told of a change, in their order.
create or replace function monitoring_internal.alert_events(
    p_pair monitoring_internal.alert_pair, p_action text, p_level smallint, p_is_flapping boolean,
    p_is_reopened boolean)
returns text[]
language sql immutable parallel safe
begin atomic
    select array_remove(array[
        case when p_pair.state = 'no_data' and p_pair.sees not in ('no_data', 'missing') then 'data_back' end,
        case when p_action = 'pend' and p_pair.state is distinct from 'pending' then 'pending' end,
        case when p_action = 'drop' and not (p_pair.state = 'no_data' and p_pair.sees <> 'missing') then 'cleared' end,
        case when p_action = 'fire' then
            case when p_is_reopened then 'reopened' when p_pair.kind = 'storm' then 'storm' else 'fired' end
        end,
        case when p_action = 'hold' and p_pair.state = 'recovering' then 'refired' end,
        case when p_action = 'hold' and p_level > p_pair.level then 'severity_raised' end,
        case when p_action = 'hold' and p_level < p_pair.level then 'severity_lowered' end,
        case when p_action = 'recover' and p_pair.state <> 'recovering' then 'recovering' end,
        case when p_action = 'mute' and p_pair.state <> 'no_data' then 'no_data' end,
        case when p_is_flapping and not p_pair.is_flapping then 'flapping' end,
        case when p_pair.is_flapping and not p_is_flapping then 'steady' end,
        case when p_action = 'resolve' then 'resolved' end
    ], null);
end;

comment on function monitoring_internal.alert_events(
    monitoring_internal.alert_pair, text, smallint, boolean, boolean) is
    'The transitions that are told of what a pass does with a pair.';

-- Every change of a pass: pairs that stay as they are are left out.
-- A recurrence within the cooldown opens the same alert again; one that flaps is not resolved until it is steady.
create or replace function monitoring_internal.conclude_alerts_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns setof monitoring_internal.alert_change
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with gathered as materialized (
        select * from monitoring_internal.gather_alert_storms_at(p_now, p_condition_type, p_rules) as decided
        where decided.action <> 'none'
    ), former as materialized (
        select known.* from monitoring_internal.reopenable_alerts_at(p_now, p_rules, array(
            select (gathered.pair).dismissed_alert_id from gathered where gathered.action = 'fire')) as known
        where exists (select from gathered where gathered.action = 'fire')
    ), judged as (
        select gathered.pair, gathered.level, former.id, former.created_at, former.is_dismissed, term.severities,
            flap.changes, flap.is_flapping, former.max_severity,
            case when gathered.action = 'resolve' and (gathered.pair).sees = 'clear' and flap.is_flapping
                then 'recover' else gathered.action end as action
        from gathered
        inner join monitoring_internal.alert_terms_at(p_now, p_rules) as term on term.rule_no = (gathered.pair).rule_no
        cross join (
            select monitoring_internal.setting_number('alerting.flapping_on') as flapping_on,
                monitoring_internal.setting_number('alerting.flapping_off') as flapping_off
            offset 0
        ) as setting
        left join former on gathered.action = 'fire'
            and former.rule_no = (gathered.pair).rule_no and former.label_key = (gathered.pair).label_key
        cross join lateral monitoring_internal.alert_flapping_at(
            p_now, gathered.pair, gathered.action, former.changes, term.flap_detection, term.every,
            setting.flapping_on, setting.flapping_off) as flap
    )
    select judged.pair, judged.action,
        case judged.action
            when 'fire' then case (judged.pair).sees when 'no_data' then 'no_data' else 'firing' end
            when 'pend' then 'pending' when 'hold' then 'firing' when 'recover' then 'recovering'
            when 'mute' then 'no_data' when 'wait' then coalesce((judged.pair).state, 'no_data')
        end,
        judged.level, judged.severities[judged.level], told.events,
        case
            when judged.action in ('fire', 'resolve', 'drop') and (judged.pair).sees = 'no_data' then 'no_data'
            when judged.action in ('resolve', 'drop') and (judged.pair).sees = 'missing' then 'missing_series'
            when judged.action = 'resolve' then 'cleared'
            when judged.is_dismissed then 'persisting'
            when judged.id is not null and array_position(scale.severities, judged.severities[judged.level])
                > array_position(scale.severities, judged.max_severity) then 'severity_raised'
            when 'refired' = any (told.events) and (judged.pair).sees = 'held' then 'held'
        end,
        judged.changes, judged.is_flapping, coalesce((judged.pair).alert_id, judged.id),
        coalesce((judged.pair).alert_created_at, judged.created_at), judged.id is not null
    from judged
    cross join (select array['low', 'medium', 'high', 'critical'] as severities) as scale
    cross join lateral (select monitoring_internal.alert_events(
        judged.pair, judged.action, judged.level, judged.is_flapping, judged.id is not null) as events) as told
    where cardinality(told.events) > 0 or (judged.pair).is_moved or (judged.pair).state is null
        or judged.action in ('resolve', 'drop');
end;
$$;

comment on function monitoring_internal.conclude_alerts_at(timestamptz, text, integer[]) is
    'Every change a pass makes, with the transitions that are told of it.';
