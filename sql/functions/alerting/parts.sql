-- alerting/parts.sql: what goes with the conditions in a pass, part by part.
-- Owns has_alert_part_work_at, fails_alert_part_at, follow_alert_parts_at, part_unbound_rules.
-- Writes what the parts write, alert_rule_states.
-- Concurrency: for the evaluator, behind its lock, or in a replay.

-- Whether a part has anything to do. Most passes have nothing to withhold, nobody to wake and nothing to end, and find
-- that out by kept plans: to plan and run what would do it takes longer than all readings of a small installation.
create or replace function monitoring_internal.has_alert_part_work_at(p_now timestamptz, p_part text)
returns boolean
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    case p_part
        when 'acknowledgements' then
            return exists (
                select from monitoring.alerts as alert
                where alert.status in ('acknowledged', 'suppressed') and alert.acknowledged_until <= p_now);
        when 'suppression' then
            -- Open alerts, and something that withholds or has withheld.
            return exists (
                select from monitoring.alerts as alert
                inner join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no
                where alert.status <> 'resolved'
                    and (alert.suppressed_by <> '[]' or alert.is_flapping or rule.business_hours_only
                        or exists (select from monitoring.alert_inhibitions as withheld where withheld.is_enabled)
                        or exists (
                            select from monitoring.alert_dependencies as needed
                            where needed.depends_on_rule_no = alert.rule_no)
                        or exists (
                            select from monitoring.alert_silences as silence
                            where silence.starts_at <= p_now and (silence.ends_at is null or silence.ends_at > p_now))
                        or exists (
                            select from monitoring.maintenance_windows as work
                            where work.starts_at <= p_now and (work.ends_at is null or work.ends_at > p_now))));
        when 'escalation' then
            return exists (select from monitoring.escalation_states)
                or exists (
                    select from monitoring.alerts as alert
                    inner join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no
                    where alert.status = 'active' and (
                        rule.escalation_policy_id is not null or rule.escalation_rules not in ('{}', '[]')
                        or exists (
                            select from monitoring.notification_routes as route
                            where route.escalation_policy_id is not null)));
        when 'silences' then
            return exists (
                select from monitoring.alert_silences as silence
                where silence.starts_at <= p_now and (silence.ends_at is null or silence.ends_at > p_now));
        else
            return true;
    end case;
end;
$$;

comment on function monitoring_internal.has_alert_part_work_at(timestamptz, text) is
    'Whether a part of a pass may have anything to do at a time.';

-- What goes with the conditions, one part: one that fails is undone and said to the server's log, and the others work.
-- Returns whether it failed. A lock that was not got is nobody's fault: that error goes up.
create or replace function monitoring_internal.fails_alert_part_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[], p_part text)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not monitoring_internal.has_alert_part_work_at(p_now, p_part) then
        return false;
    end if;
    case p_part
        when 'bindings' then
            perform monitoring_internal.refresh_rule_bindings_at(p_now, coalesce(p_rules, '{}'));
        when 'acknowledgements' then
            perform monitoring_internal.expire_acknowledgements_at(p_now, p_pass_id, p_rules);
        when 'suppression' then perform monitoring_internal.suppress_alerts_at(p_now, p_pass_id, p_rules);
        when 'notifications' then perform monitoring_internal.notify_transitions_at(p_now, p_pass_id);
        when 'escalation' then perform monitoring_internal.escalate_alerts_at(p_now, p_rules);
        when 'silences' then perform monitoring_internal.tend_silences_at(p_now);
        when 'correlations' then perform monitoring_internal.correlate_alerts_at(p_now);
    end case;
    return false;
exception when query_canceled then -- a part that runs into the time limit fails; whoever wants it to end sees it end
    if not monitoring_internal.is_time_up() or p_part = 'bindings' and p_rules is not null then
        raise;
    end if;
    raise warning 'alerting: % ran out of time in pass %', p_part, p_pass_id;
    if p_part = 'bindings' then
        perform monitoring_internal.part_unbound_rules(p_pass_id);
    end if;
    return true;
when others then -- one part that cannot work does not stop alerting: it is said, and tried in the next pass
    if left(sqlstate, 2) = '40' or sqlstate = '55P03' then
        raise;
    end if;
    raise warning 'alerting: % failed in pass %: % (%)', p_part, p_pass_id, sqlerrm, sqlstate;
    return true;
end;
$$;

comment on function monitoring_internal.fails_alert_part_at(timestamptz, bigint, integer[], text) is
    'Does one part of a pass, and returns whether it failed: then it is undone and the error is in the server''s log.';

-- When binding took too long: rules that are bound anew are bound apart from then on, or, if there are none, those with
-- expressions, which new series are matched by.
create or replace function monitoring_internal.part_unbound_rules(p_pass_id bigint)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select from monitoring.alert_rule_states as state where not state.is_bound and state.apart_group is null)
    then
        update monitoring.alert_rule_states as state
        set is_bound = false
        from monitoring_internal.alert_rule_operands as operand
        where operand.rule_no = state.rule_no and state.apart_group is null
            and jsonb_path_exists(operand.matchers, '$.* ? (exists (@.re) || exists (@.nre))');
    end if;
    perform monitoring_internal.part_slow_rules(p_pass_id, array(
        select state.rule_no from monitoring.alert_rule_states as state
        where not state.is_bound and state.apart_group is null));
end;
$$;

comment on function monitoring_internal.part_unbound_rules(bigint) is
    'Has rules bound and evaluated apart from the others, when binding took too long.';

-- What follows once the conditions are what they are: people, suppression, notifications. Returns how many parts
-- failed.
create or replace function monitoring_internal.follow_alert_parts_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_part text;
    v_failed integer := 0;
begin
    -- A loop, since each stands on what the one before has written: escalate_alerts_at comes after the messages.
    foreach v_part in array
        array['acknowledgements', 'suppression', 'notifications', 'escalation']
            || case when p_rules is null then array['silences', 'correlations'] end
    loop
        v_failed := v_failed
            + monitoring_internal.fails_alert_part_at(p_now, p_pass_id, p_rules, v_part)::integer;
        exit when v_failed > 0 and monitoring_internal.is_time_up();
    end loop;
    return v_failed;
end;
$$;

comment on function monitoring_internal.follow_alert_parts_at(timestamptz, bigint, integer[]) is
    'What follows in a pass once the conditions are what they are: acknowledgements, suppression, notifications. '
    'Returns how many of these parts failed.';
