-- people/respond.sql: what people do with alerts: acknowledge, give back, resolve, comment.
-- Owns person_of_role, alert_to_respond, acknowledge_for_caller_at, unacknowledge_for_caller_at, resolve_for_caller_at,
-- acknowledge_alert, unacknowledge_alert, resolve_alert, comment_alert. Writes alert_comments, escalation_states.
-- Concurrency: the alert is locked first.

-- The person a role belongs to: of the tenant, else of the system tenant; null when it is nobody's.
create or replace function monitoring_internal.person_of_role(p_role name, p_tenant_id uuid)
returns uuid
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select person.person_id
    from monitoring.people as person
    where person.role_name = p_role and person.tenant_id in (p_tenant_id, monitoring.system_tenant_id())
    order by person.tenant_id = p_tenant_id desc
    limit 1;
$$;

comment on function monitoring_internal.person_of_role(name, uuid) is
    'The person that a database role belongs to, in a tenant or the system tenant.';

-- The alert that somebody wants to respond to, locked. One of a tenant that the caller does not see is not there.
-- Raises: PV958.
create or replace function monitoring_internal.alert_to_respond(p_alert_id uuid)
returns monitoring.alerts
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_alert monitoring.alerts;
begin
    select alert.* into v_alert
    from monitoring.alerts as alert
    where alert.id = p_alert_id and alert.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    for update;
    if not found then
        raise exception using
            errcode = 'PV958',
            message = format('there is no alert %s', p_alert_id),
            hint = 'Open alerts are in monitoring.alerts; closed ones may have been moved to the archive.';
    end if;
    return v_alert;
end;
$$;

comment on function monitoring_internal.alert_to_respond(uuid) is
    'An alert of a tenant that the caller sees, locked; PV958 when there is none.';

-- Acknowledge as the caller.
-- Raises: PV958, PV959 a time that has passed.
create or replace function monitoring_internal.acknowledge_for_caller_at(
    p_alert_id uuid, p_now timestamptz, p_note text, p_until timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role constant text := monitoring_internal.caller_role();
    v_alert monitoring.alerts := monitoring_internal.alert_to_respond(p_alert_id);
begin
    if p_until <= p_now then
        raise exception using
            errcode = 'PV959',
            message = format('%s has passed already', p_until),
            hint = 'Give a time to come, or none: the settings alerting.acknowledged_for_* say how long it holds then.';
    end if;
    if v_alert.status = 'resolved' then
        return format('nothing to acknowledge: it was resolved at %s', v_alert.resolved_at);
    end if;
    perform monitoring_internal.acknowledge_alert_at(
        p_alert_id, p_now, monitoring_internal.person_of_role(v_role, v_alert.tenant_id), v_role, p_note, p_until);
    delete from monitoring.escalation_states as state where state.alert_id = p_alert_id;
    select alert.* into v_alert
    from monitoring.alerts as alert
    where alert.id = p_alert_id and alert.tenant_id = v_alert.tenant_id;
    return format('%s until %s', v_alert.status, v_alert.acknowledged_until);
end;
$$;

comment on function monitoring_internal.acknowledge_for_caller_at(uuid, timestamptz, text, timestamptz) is
    'Acknowledges an alert as of a time in the name of the caller; says what came of it.';

-- Take an acknowledgement back as the caller: the alert is everybody's again, its escalation begins anew.
-- Raises: PV958.
create or replace function monitoring_internal.unacknowledge_for_caller_at(
    p_alert_id uuid, p_now timestamptz, p_note text)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role constant text := monitoring_internal.caller_role();
    v_alert constant monitoring.alerts := monitoring_internal.alert_to_respond(p_alert_id);
begin
    if not monitoring_internal.unacknowledge_alert_at(
        p_alert_id, p_now, monitoring_internal.person_of_role(v_role, v_alert.tenant_id), v_role, p_note)
    then
        return format('nothing to take back: it is %s', v_alert.status);
    end if;
    delete from monitoring.escalation_states as state where state.alert_id = p_alert_id;
    return 'no longer acknowledged';
end;
$$;

comment on function monitoring_internal.unacknowledge_for_caller_at(uuid, timestamptz, text) is
    'Takes the acknowledgement of an alert back as of a time in the name of the caller; says what came of it.';

-- Resolve as the caller.
-- Raises: PV958.
create or replace function monitoring_internal.resolve_for_caller_at(
    p_alert_id uuid, p_now timestamptz, p_notes text)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role constant text := monitoring_internal.caller_role();
    v_alert constant monitoring.alerts := monitoring_internal.alert_to_respond(p_alert_id);
begin
    if not monitoring_internal.resolve_alert_at(
        p_alert_id, p_now, monitoring_internal.person_of_role(v_role, v_alert.tenant_id), v_role, p_notes)
    then
        return format('nothing to resolve: it was resolved at %s', v_alert.resolved_at);
    end if;
    delete from monitoring.escalation_states as state where state.alert_id = p_alert_id;
    return 'resolved';
end;
$$;

comment on function monitoring_internal.resolve_for_caller_at(uuid, timestamptz, text) is
    'Resolves an alert by hand as of a time in the name of the caller; says what came of it.';

-- Acknowledge an alert now.
-- Raises: PV958, PV959.
create or replace function monitoring.acknowledge_alert(
    alert_id uuid, note text default null, until_at timestamptz default null)
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.acknowledge_for_caller_at(
        acknowledge_alert.alert_id, clock_timestamp(), acknowledge_alert.note, acknowledge_alert.until_at);
$$;

comment on function monitoring.acknowledge_alert(uuid, text, timestamptz) is
    'Takes an alert: no repeats and no escalation until a time, or as long as the settings alerting.acknowledged_for_* '
    'say. Returns what came of it; a resolved alert stays as it is. For monitoring_admin and monitoring_analyst.';

-- Take it back now.
-- Raises: PV958.
create or replace function monitoring.unacknowledge_alert(alert_id uuid, note text default null)
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.unacknowledge_for_caller_at(
        unacknowledge_alert.alert_id, clock_timestamp(), unacknowledge_alert.note);
$$;

comment on function monitoring.unacknowledge_alert(uuid, text) is
    'Takes an acknowledgement back: the alert''s escalation begins anew. For monitoring_admin and monitoring_analyst.';

-- Resolve an alert now.
-- Raises: PV958.
create or replace function monitoring.resolve_alert(alert_id uuid, notes text default null)
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.resolve_for_caller_at(
        resolve_alert.alert_id, clock_timestamp(), resolve_alert.notes);
$$;

comment on function monitoring.resolve_alert(uuid, text) is
    'Resolves an alert by hand; a condition that goes on is left alone for the rule''s cooldown, unless it gets worse. '
    'For monitoring_admin and monitoring_analyst.';

-- Write something about an alert; returns the key of the comment.
-- Raises: PV958, 23514 an empty text.
create or replace function monitoring.comment_alert(alert_id uuid, body text)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.alert_comments (tenant_id, alert_id, person_id, person_name, role_name, body)
    select alert.tenant_id, alert.id, person.person_id, person.name, caller.role_name, comment_alert.body
    from monitoring_internal.alert_to_respond(comment_alert.alert_id) as alert
    cross join (select monitoring_internal.caller_role() as role_name) as caller
    left join monitoring.people as person
        on person.person_id = monitoring_internal.person_of_role(caller.role_name, alert.tenant_id)
    returning alert_comments.alert_comment_id;
$$;

comment on function monitoring.comment_alert(uuid, text) is
    'Writes a comment on an alert and returns its key. For monitoring_admin and monitoring_analyst.';
