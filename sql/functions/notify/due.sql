-- notify/due.sql: what there is to tell to each channel, why, and when.
-- Owns notification_pairs_at, notification_needs_at, notification_sends_at.
-- Reads only; any number of callers at once.

-- Each alert of the groups that are looked at, with what the channel knows of it, and why it is not told of it.
create or replace function monitoring_internal.notification_pairs_at(p_now timestamptz, p_pass_id bigint)
returns table (
    group_id bigint, channel_id uuid, alert_id uuid, level smallint, told_level smallint, is_open boolean,
    is_active boolean, withheld text, waits_until timestamptz, kind text, repeat_interval interval)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with looked as materialized (
        select log.*
        from monitoring.notification_log as log
        inner join monitoring.notification_channels as channel on channel.id = log.channel_id and channel.is_active
        where log.next_due_at <= p_now and log.is_replay = monitoring_internal.is_replay()
    ), known as materialized (
        select looked.group_id, looked.channel_id, told.alert_id, told.level
        from looked
        cross join lateral unnest(looked.firing, looked.firing_levels) as told (alert_id, level)
    ), happened as materialized (
        select transition.alert_id,
            bool_or(transition.transition = 'flapping') as is_flapping_now,
            case when bool_or(transition.transition = 'storm') then 'storm'
                when bool_or(transition.reason = 'no_data') then 'no_data' end as kind
        from monitoring.alert_transitions as transition
        where transition.pass_id = p_pass_id and transition.alert_id is not null
            and transition.transition in ('flapping', 'storm', 'fired')
        group by transition.alert_id
    ), pair as (
        select looked.group_id, looked.channel_id, alert.*, monitoring_internal.severity_level(alert.severity) as level,
            known.level as told_level, coalesce(happened.is_flapping_now, false) as is_flapping_now,
            coalesce(happened.kind, case when alert.is_storm then 'storm' end) as kind, greatest(rule.repeat_interval,
                case when rule.repeat_interval is not null then rule.cooldown_period end) as repeat_interval,
            alert.last_notification_at + coalesce(rule.cooldown_period, '0') as cool_at
        from looked
        inner join monitoring.notification_members as member on member.group_id = looked.group_id
        inner join monitoring.alerts as alert on alert.id = member.alert_id and alert.tenant_id = member.tenant_id
        left join known on known.group_id = looked.group_id and known.channel_id = looked.channel_id
            and known.alert_id = alert.id
        left join happened on happened.alert_id = alert.id
        left join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no
    )
    select pair.group_id, pair.channel_id, pair.id, pair.level, pair.told_level, pair.status <> 'resolved',
        pair.status = 'active', reason.withheld, case when reason.withheld = 'cooldown' then pair.cool_at end,
        case when pair.is_flapping_now then 'flapping' else pair.kind end, pair.repeat_interval
    from pair
    cross join lateral (
        select case
            when pair.status = 'resolved' then case when pair.told_level is null then 'not_told' end
            when pair.is_flapping_now then null
            when pair.is_flapping then 'flapping'
            when pair.status = 'suppressed' then 'suppressed'
            when pair.status = 'acknowledged' then 'acknowledged'
            when pair.told_level is null and pair.reopen_count > 0 and pair.cool_at > p_now and pair.level <= (
                select max((sent.entry ->> 'level')::smallint)
                from jsonb_array_elements(pair.notifications_sent) as sent (entry)) then 'cooldown'
        end as withheld
    ) as reason;
$$;

comment on function monitoring_internal.notification_pairs_at(timestamptz, bigint) is
    'The alerts of the groups that are to be looked at, with what each channel knows of them and what withholds them.';

-- The same by group and channel: what is new, worse, over, and the state after telling it.
create or replace function monitoring_internal.notification_needs_at(p_now timestamptz, p_pass_id bigint)
returns table (
    group_id bigint, channel_id uuid, has_raised boolean, has_flapping boolean, has_new boolean, has_over boolean,
    kind text, level smallint, repeat_level smallint, repeat_interval interval, waits_until timestamptz, news uuid[],
    repeats uuid[], over uuid[], firing uuid[], firing_levels smallint[])
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with judged as (
        select pair.*,
            pair.is_open and pair.withheld is null and pair.told_level is null as is_new,
            pair.is_open and pair.withheld is null and pair.level > pair.told_level as is_raised,
            pair.is_open and pair.withheld is null and pair.kind = 'flapping' as is_flapping,
            not pair.is_open and pair.told_level is not null as is_over,
            pair.is_open and (pair.told_level is not null or pair.withheld is null) as is_known_after
        from monitoring_internal.notification_pairs_at(p_now, p_pass_id) as pair
    )
    select judged.group_id, judged.channel_id, bool_or(judged.is_raised), bool_or(judged.is_flapping),
        bool_or(judged.is_new), bool_or(judged.is_over),
        min(judged.kind) filter (where judged.is_new and judged.kind <> 'flapping'),
        max(case when judged.is_over then greatest(judged.level, judged.told_level) else judged.level end)
            filter (where judged.is_new or judged.is_raised or judged.is_flapping or judged.is_over),
        max(judged.level) filter (where judged.is_active and judged.withheld is null),
        min(judged.repeat_interval) filter (where judged.is_active and judged.withheld is null),
        min(judged.waits_until),
        array_agg(judged.alert_id) filter (where judged.is_new or judged.is_raised or judged.is_flapping),
        array_agg(judged.alert_id) filter (where judged.is_active and judged.withheld is null),
        array_agg(judged.alert_id) filter (where judged.is_over),
        coalesce(array_agg(judged.alert_id order by judged.alert_id) filter (where judged.is_known_after), '{}'),
        coalesce(
            array_agg(
                case when judged.withheld is null then greatest(judged.level, judged.told_level)
                    else judged.told_level end
                order by judged.alert_id) filter (where judged.is_known_after), '{}')
    from judged
    group by judged.group_id, judged.channel_id;
$$;

comment on function monitoring_internal.notification_needs_at(timestamptz, bigint) is
    'What there is to tell of each group to each channel, and what the channel knows once it was told.';

-- What is told now (outcome null), and when to look again at what is not.
-- Raised severities, flapping, what is critical and the end of a whole group wait for nothing.
create or replace function monitoring_internal.notification_sends_at(p_now timestamptz, p_pass_id bigint)
returns setof monitoring_internal.notification_send
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with timed as (
        select need.*, log.tenant_id, log.sequence, log.resolved, log.firing as firing_before,
            log.firing_levels as levels_before,
            case when need.repeats is not null then greatest(grouping.group_interval, coalesce(
                need.repeat_interval, grouping.repeat_interval,
                case when need.repeat_level >= 3
                    then (select monitoring_internal.setting_interval('notify.repeat_critical'))
                    else (select monitoring_internal.setting_interval('notify.repeat_other')) end)) end as repeat_after,
            log.last_sent_at,
            case
                when need.has_raised or need.has_flapping or (need.has_new and need.level = 4)
                    or (need.has_over and need.firing = '{}') then p_now
                when not (need.has_new or need.has_over) then 'infinity'
                when log.sequence = 0 then grouping.first_at + grouping.group_wait
                else log.last_sent_at + grouping.group_interval
            end as ready_at
        from monitoring_internal.notification_needs_at(p_now, p_pass_id) as need
        inner join monitoring.notification_log as log using (group_id, channel_id)
        inner join monitoring.notification_groups as grouping using (group_id)
    )
    select gen_random_uuid(), timed.tenant_id, timed.channel_id, timed.group_id, timed.sequence + 1, reason.name,
        case
            when reason.name is not null then null
            when timed.sequence = 0 then 'group_wait'
            else 'group_interval'
        end,
        case when reason.name = 'repeat' then timed.repeat_level else timed.level end,
        case when reason.name is null then timed.firing_before else timed.firing end,
        case when reason.name is null then timed.levels_before else timed.firing_levels end,
        case when reason.name = 'repeat' then timed.repeats else coalesce(timed.news, '{}') end,
        case when reason.name is null then timed.resolved
            when reason.name = 'repeat' then '{}' else coalesce(timed.over, '{}') end,
        least(timed.waits_until, case when reason.name is null then timed.ready_at else 'infinity' end,
            case when reason.name is null then timed.last_sent_at else p_now end + timed.repeat_after),
        null::text, null::jsonb
    from timed
    cross join lateral (
        select case
            when timed.ready_at > p_now
                then case when timed.last_sent_at + timed.repeat_after <= p_now then 'repeat' end
            when timed.has_raised then 'severity_raised'
            when timed.has_flapping then 'flapping'
            when timed.has_new
                then coalesce(timed.kind, case when timed.firing_before = '{}' then 'first' else 'new_alerts' end)
            when timed.firing = '{}' then 'all_resolved'
            else 'some_resolved'
        end as name
    ) as reason;
$$;

comment on function monitoring_internal.notification_sends_at(timestamptz, bigint) is
    'What is told now to each channel and why, and when to look again at what is not.';
