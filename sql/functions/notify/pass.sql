-- notify/pass.sql: what the evaluator's pass tells people.
-- Owns send_notifications_at, record_withheld_at, tidy_groups_at, notify_transitions_at, notify_alerts_at,
-- notify_alert_at. Writes what the functions of this folder write.
-- Concurrency: under the evaluator's lock, or in a replay.

-- Judge, write and remember messages.
create or replace function monitoring_internal.send_notifications_at(
    p_now timestamptz, p_pass_id bigint, p_sends monitoring_internal.notification_send[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sends constant monitoring_internal.notification_send[] :=
        monitoring_internal.judge_sends_at(p_now, p_sends);
    v_written integer;
begin
    perform monitoring_internal.collapse_deliveries_at(p_now, v_sends);
    v_written := monitoring_internal.write_messages_at(p_now, v_sends);
    if not monitoring_internal.is_replay() then
        perform monitoring_internal.hold_notifications_at(p_now, v_sends);
    end if;
    perform monitoring_internal.log_sends_at(p_now, v_sends);
    perform monitoring_internal.record_sends_at(p_now, p_pass_id, v_sends);
    return v_written;
end;
$$;

comment on function monitoring_internal.send_notifications_at(
    timestamptz, bigint, monitoring_internal.notification_send[]) is
    'Sends, holds back or collapses messages, and remembers it; returns how many were queued.';

-- Why alerts that a pass changed are not told.
create or replace function monitoring_internal.record_withheld_at(p_now timestamptz, p_pass_id bigint)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.notification_decisions (
        decided_at, tenant_id, alert_id, channel_id, decision, reason, detail)
    select p_now, changed.tenant_id, changed.alert_id, pair.channel_id, 'withheld', pair.withheld,
        case pair.withheld
            when 'suppressed' then (
                select string_agg(concat_ws(' ', cause.entry ->> 'kind', cause.entry ->> 'name'), ', ')
                from monitoring.alerts as alert
                cross join jsonb_array_elements(alert.suppressed_by) as cause (entry)
                where alert.id = changed.alert_id and alert.tenant_id = changed.tenant_id)
            when 'cooldown' then 'until ' || monitoring_internal.iso_time(pair.waits_until)
        end
    from monitoring_internal.notification_pairs_at(p_now, p_pass_id) as pair
    inner join (
        select distinct transition.tenant_id, transition.alert_id
        from monitoring.alert_transitions as transition
        where transition.pass_id = p_pass_id and transition.alert_id is not null) as changed
        on changed.alert_id = pair.alert_id
    where pair.withheld is not null;
$$;

comment on function monitoring_internal.record_withheld_at(timestamptz, bigint) is
    'Records why alerts that a pass changed are not told to the channels they are routed to.';

-- Forget alerts whose end everybody knows, then groups without alerts, and what was told to channels that are gone.
create or replace function monitoring_internal.tidy_groups_at(
    p_now timestamptz, p_since timestamptz, p_sends monitoring_internal.notification_send[])
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_over uuid[];
    v_group_ids bigint[];
begin
    -- Channels that are inactive or gone were not looked at: the one comes back, the other does not.
    update monitoring.notification_log as log
    set next_due_at = p_now + interval '5 min'
    from monitoring.notification_channels as channel
    where log.next_due_at <= p_now and log.is_replay = monitoring_internal.is_replay()
        and channel.id = log.channel_id and not channel.is_active;
    delete from monitoring.notification_log as log
    where log.next_due_at <= p_now and log.is_replay = monitoring_internal.is_replay() and not exists (
        select from monitoring.notification_channels as channel where channel.id = log.channel_id);
    -- An array, because a join with what was made a moment ago is planned without statistics.
    v_over := array(
        select transition.alert_id
        from monitoring.alert_transitions as transition
        where transition.occurred_at > p_since - interval '1 min' and transition.occurred_at <= p_now
            and transition.transition = 'resolved' and transition.alert_id is not null
        union
        select told.alert_id
        from unnest(p_sends) as send
        cross join unnest(send.resolved) as told (alert_id));
    with gone as (
        delete from monitoring.notification_members as member
        where member.alert_id = any (v_over)
            and exists (
                select from monitoring.alerts as alert
                where alert.id = member.alert_id and alert.tenant_id = member.tenant_id and alert.status = 'resolved')
            and not exists (
                select from monitoring.notification_log as log
                where log.group_id = member.group_id
                    and (member.alert_id = any (log.firing) or log.is_replay <> monitoring_internal.is_replay()))
        returning member.group_id
    )
    select array_agg(distinct gone.group_id) into v_group_ids from gone;
    delete from monitoring.notification_groups as grouping
    where grouping.group_id = any (v_group_ids) and not exists (
        select from monitoring.notification_members as member where member.group_id = grouping.group_id);
    delete from monitoring.notification_log as log
    where log.group_id = any (v_group_ids) and not exists (
        select from monitoring.notification_groups as grouping where grouping.group_id = log.group_id);
end;
$$;

comment on function monitoring_internal.tidy_groups_at(
    timestamptz, timestamptz, monitoring_internal.notification_send[]) is
    'Forgets alerts whose end all know who were told of them, groups without alerts, and channels that are gone.';

-- Messages for the transitions of a pass, for groups whose time has come, and for what was held back.
-- Called by: evaluate_alerts_at. A replay has groups of its own, no limits and no deliveries: neither it nor the live
-- evaluator waits for the other. Its messages are undone with it.
create or replace function monitoring_internal.notify_transitions_at(p_now timestamptz, p_pass_id bigint)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
    v_since timestamptz;
    v_is_late boolean;
    v_sends monitoring_internal.notification_send[];
    v_written integer := 0;
begin
    select greatest(max(latest.started_at), p_now - interval '1 hour'),
        coalesce(bool_or(latest.duration is null), false) and not monitoring_internal.is_replay()
    into v_since, v_is_late
    from (
        select pass.started_at, pass.duration
        from monitoring.alert_passes as pass
        where pass.started_at < p_now and pass.started_at >= p_now - interval '1 day'
        order by pass.started_at desc
        limit 1
    ) as latest;
    -- Most passes have nothing to tell, and find that out by kept plans.
    if not v_is_late and not exists (
            select from monitoring.alert_transitions as transition
            where transition.occurred_at > v_since - interval '1 min' and transition.occurred_at <= p_now
                and (transition.pass_id = p_pass_id or transition.pass_id is null))
        and not exists (select from monitoring.notification_log as log where log.next_due_at <= p_now)
        and not exists (select from monitoring.held_notifications as held where held.held_until <= p_now)
        and not exists (
            select from monitoring.notification_routes as route where route.updated_at > v_since - interval '1 min')
        and not exists (
            select from monitoring.notification_channels as channel
            where channel.last_reset_at < date_trunc('hour', p_now, 'UTC'))
    then
        return 0;
    end if;
    if not monitoring_internal.is_replay() then
        perform monitoring_internal.turn_hour_at(p_now);
    end if;
    -- What a pass that was not done has left untold is found by looking at every open alert and every group.
    perform monitoring_internal.group_alerts_at(
        p_now, p_pass_id, case when v_is_late then '-infinity' else v_since end);
    perform monitoring_internal.touch_groups_at(
        p_now, p_pass_id, case when v_is_late then '-infinity' else v_since end);
    perform monitoring_internal.record_withheld_at(p_now, p_pass_id);
    v_sends := array(
        select held from monitoring_internal.held_sends_at(p_now) as held where not monitoring_internal.is_replay()
        union all
        select send from monitoring_internal.notification_sends_at(p_now, p_pass_id) as send);
    if cardinality(v_sends) > 0 then
        v_written := monitoring_internal.send_notifications_at(p_now, p_pass_id, v_sends);
    end if;
    v_written := v_written + monitoring_internal.tell_pagers_at(p_now, p_pass_id, v_since);
    perform monitoring_internal.tidy_groups_at(
        p_now, case when v_is_late then p_now - interval '1 day' else v_since end, v_sends);
    return v_written;
end;
$$;

comment on function monitoring_internal.notify_transitions_at(timestamptz, bigint) is
    'Queues messages for the transitions of a pass, for groups whose time has come and for what was held back; '
    'returns how many.';

-- Tell people and channels of alerts, as escalation asks, in one go: a list of objects with alert_id, reason, people,
-- channels and detail. A person is reached by every active contact method; one that names no channel goes through an
-- active one of its kind, the tenant's own before those of the installation.
-- Called by: take_escalation_steps_at.
create or replace function monitoring_internal.notify_alerts_at(p_now timestamptz, p_pages jsonb)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sends monitoring_internal.notification_send[];
begin
    if not monitoring_internal.is_replay() then
        perform monitoring_internal.turn_hour_at(p_now);
    end if;
    select array_agg(row(
        gen_random_uuid(), alert.tenant_id, reach.channel_id, null, null, page.reason, null,
        monitoring_internal.severity_level(alert.severity), '{}', '{}', array[alert.id], '{}', p_now,
        reach.recipient, page.detail)::monitoring_internal.notification_send) into v_sends
    from jsonb_to_recordset(p_pages)
        as page (alert_id uuid, reason text, people uuid[], channels uuid[], detail jsonb)
    inner join monitoring.alerts as alert on alert.id = page.alert_id
    cross join lateral (
        select distinct channel.id as channel_id, wanted.recipient
        from (
            select listed.id as channel_id, null as kind, null as recipient from unnest(page.channels) as listed (id)
            union all
            select method.channel_id, method.kind, method.address
            from monitoring.contact_methods as method
            where method.person_id = any (page.people) and method.is_active
        ) as wanted
        cross join lateral (
            select found.id
            from monitoring.notification_channels as found
            where found.is_active and (found.tenant_id is null or found.tenant_id = alert.tenant_id)
                and case when wanted.channel_id is not null then found.id = wanted.channel_id
                    else found.channel_type = wanted.kind end
            order by found.tenant_id nulls last, found.channel_name
            limit 1
        ) as channel
    ) as reach;
    insert into monitoring.notification_decisions (decided_at, tenant_id, alert_id, decision, reason, detail)
    select p_now, alert.tenant_id, alert.id, 'withheld', 'no_channel', page.reason
    from jsonb_to_recordset(p_pages) as page (alert_id uuid, reason text)
    inner join monitoring.alerts as alert on alert.id = page.alert_id
    where page.alert_id not in (select send.told[1] from unnest(v_sends) as send);
    return case when v_sends is null then 0
        else monitoring_internal.send_notifications_at(p_now, null, v_sends) end;
end;
$$;

comment on function monitoring_internal.notify_alerts_at(timestamptz, jsonb) is
    'Queues messages about alerts to people and channels; returns how many. What a limit holds back counts as none.';

-- The same for one alert.
create or replace function monitoring_internal.notify_alert_at(
    p_now timestamptz, p_alert_id uuid, p_reason text, p_people uuid[], p_channels uuid[], p_detail jsonb)
returns integer
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.notify_alerts_at(p_now, jsonb_build_array(jsonb_build_object(
        'alert_id', p_alert_id, 'reason', p_reason, 'people', p_people, 'channels', p_channels, 'detail', p_detail)));
$$;

comment on function monitoring_internal.notify_alert_at(timestamptz, uuid, text, uuid[], uuid[], jsonb) is
    'Queues messages about one alert to people and channels; returns how many. What a limit holds back counts as none.';
