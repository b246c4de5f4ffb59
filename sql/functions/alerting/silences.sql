-- alerting/silences.sql: making, previewing and ending silences.
-- Owns silence_alerts, unsilence, silenced_alerts, silence_matches, tend_silences_at and their parts. Writes
-- alert_silences.
-- Concurrency: any number of callers at once; the row of a silence is locked while it is ended.

-- The tenant a caller means: the one named, else all for an operator, else the only one it sees.
-- Raises: PV002, PV943.
create or replace function monitoring_internal.silencing_tenant(p_tenant_id uuid)
returns uuid
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    v_visible constant uuid[] := monitoring.visible_tenant_ids();
begin
    if p_tenant_id is null and nullif(current_setting('pgvigil.tenant_id', true), '') is null
        and monitoring_internal.sees_all_tenants(monitoring_internal.caller_role())
    then
        return null;
    elsif p_tenant_id is null and cardinality(v_visible) <> 1 then
        raise exception using errcode = 'PV943', message = 'the tenant is not clear',
            hint = 'Name one with tenant_id => ...; monitoring.tenants lists those that you see.';
    end if;
    perform monitoring_internal.require_visible_tenant(coalesce(p_tenant_id, v_visible[1]));
    return coalesce(p_tenant_id, v_visible[1]);
end;
$$;

comment on function monitoring_internal.silencing_tenant(uuid) is
    'The tenant a caller means who names none: null (every tenant) for an operator, else the only one it sees.';

-- The same as of a time.
create or replace function monitoring_internal.silence_alerts_at(
    p_matchers jsonb, p_comment text, p_duration interval, p_until timestamptz, p_starts_at timestamptz,
    p_schedule text, p_time_zone text, p_tenant_id uuid, p_unmatched interval, p_forced boolean, p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_starts_at constant timestamptz := coalesce(p_starts_at, p_now);
    v_ends_at constant timestamptz := case
        when p_schedule is null then coalesce(p_until, v_starts_at + p_duration) else p_until
    end;
    v_limit constant interval := monitoring_internal.setting_interval('alerting.silence_limit');
    v_id bigint;
begin
    if p_schedule is null and p_duration is not null and p_until is not null then
        raise exception using errcode = 'PV942', message = 'both a duration and an end are given',
            hint = 'Give one of them; both belong to a silence with a schedule.';
    elsif v_ends_at <= p_now then
        raise exception using errcode = 'PV942', message = format('the silence would be over already at %s', v_ends_at),
            hint = 'Give an end to come.';
    elsif not coalesce(p_forced, false) and (v_ends_at is null or v_ends_at > v_starts_at + v_limit) then
        raise exception using errcode = 'PV942',
            message = case when v_ends_at is null then 'the silence has no end' else 'the silence is too long' end,
            detail = format('Silences up to %s are taken.', v_limit),
            hint = 'Give duration or until_at; forced => true takes it nevertheless.';
    end if;
    insert into monitoring.alert_silences (
        tenant_id, matchers, comment, created_by, starts_at, ends_at, schedule, duration, time_zone, is_unbounded,
        expires_when_unmatched_for)
    values (
        monitoring_internal.silencing_tenant(p_tenant_id), p_matchers, p_comment, monitoring_internal.caller_role(),
        v_starts_at, v_ends_at, p_schedule, case when p_schedule is not null then p_duration end, p_time_zone,
        v_ends_at is null, p_unmatched)
    returning silence_id into v_id;
    return v_id;
end;
$$;

comment on function monitoring_internal.silence_alerts_at(
    jsonb, text, interval, timestamptz, timestamptz, text, text, uuid, interval, boolean, timestamptz) is
    'Makes a silence as of a time.';

-- Withhold what is told of alerts that matchers mean, for a time.
-- Raises: PV002, PV110-PV115, PV940-PV943. Called by: users.
create or replace function monitoring.silence_alerts(
    matchers jsonb, comment text, duration interval default null, until_at timestamptz default null,
    starts_at timestamptz default null, schedule text default null, time_zone text default null,
    tenant_id uuid default null, expires_when_unmatched_for interval default null, forced boolean default false)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.silence_alerts_at(
        silence_alerts.matchers, silence_alerts.comment, silence_alerts.duration, silence_alerts.until_at,
        silence_alerts.starts_at, silence_alerts.schedule, silence_alerts.time_zone, silence_alerts.tenant_id,
        silence_alerts.expires_when_unmatched_for, silence_alerts.forced, clock_timestamp());
$$;

comment on function monitoring.silence_alerts(
    jsonb, text, interval, timestamptz, timestamptz, text, text, uuid, interval, boolean) is
    'Withholds what is told of the alerts that matchers mean, for a duration or until a time; with a schedule (cron, '
    'local time) again and again for the duration. Returns the silence''s id. Without a tenant: the only one that the '
    'caller sees, or for operators every one.';

-- The same as of a time.
create or replace function monitoring_internal.unsilence_at(p_silence_id bigint, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_silence monitoring.alert_silences;
begin
    select * into v_silence from monitoring.alert_silences as silence
    where silence.silence_id = p_silence_id
        and (silence.tenant_id = any (monitoring.visible_tenant_ids())
            or silence.tenant_id is null
                and monitoring_internal.sees_all_tenants(monitoring_internal.caller_role()))
    for no key update;
    if v_silence.silence_id is null then
        raise exception using errcode = 'PV944', message = format('silence %s does not exist', p_silence_id),
            hint = 'Those that you see are in monitoring.silences.';
    elsif v_silence.ends_at <= p_now then
        return false;
    end if;
    update monitoring.alert_silences as silence
    set ends_at = greatest(p_now, silence.starts_at), ended_by = monitoring_internal.caller_role(),
        end_reason = 'by_hand'
    where silence.silence_id = p_silence_id;
    return true;
end;
$$;

comment on function monitoring_internal.unsilence_at(bigint, timestamptz) is 'Ends a silence as of a time.';

-- End a silence now; false when it was over.
-- Raises: PV944. Called by: users.
create or replace function monitoring.unsilence(silence_id bigint)
returns boolean
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.unsilence_at(unsilence.silence_id, clock_timestamp());
$$;

comment on function monitoring.unsilence(bigint) is
    'Ends a silence now; what it withheld is told with the next evaluation. False when it was over. Nothing is '
    'deleted.';

-- Which open alerts a silence with these matchers would withhold.
-- Raises: PV940, PV941. Called by: users.
create or replace function monitoring.silenced_alerts(matchers jsonb)
returns table (
    alert_id uuid, tenant_id uuid, rule_name text, severity text, status text, labels jsonb, alert_title text,
    triggered_at timestamptz)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.check_matchers(silenced_alerts.matchers, 'silence');
    return query
    select alert.id, alert.tenant_id, alert.rule_name, alert.severity, alert.status, alert.labels, alert.alert_title,
        alert.triggered_at
    from monitoring_internal.match_alerts(array[silenced_alerts.matchers], array[null::uuid]) as matched
    inner join monitoring.alerts as alert on alert.id = matched.alert_id
    where alert.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    order by alert.triggered_at, alert.id;
end;
$$;

comment on function monitoring.silenced_alerts(jsonb) is
    'Open alerts, of the tenants that the caller sees, that a silence with these matchers would withhold.';

-- How many open alerts each silence that is not over at a time means, as far as the caller sees both.
-- Called by: silences.
create or replace function monitoring_internal.silence_matches(p_at timestamptz)
returns table (silence_id bigint, alerts bigint)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
    with silence as materialized (
        select row_number() over ()::integer as set_no, s.silence_id, s.tenant_id, s.matchers
        from monitoring.alert_silences as s
        where (s.ends_at is null or s.ends_at > p_at)
            and (s.tenant_id is null or s.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]))
    )
    select silence.silence_id, count(*)
    from monitoring_internal.match_alerts(
        (select array_agg(s.matchers order by s.set_no) from silence as s),
        (select array_agg(s.tenant_id order by s.set_no) from silence as s)) as matched
    inner join silence on silence.set_no = matched.set_no
    inner join monitoring_internal.open_alerts as alert on alert.id = matched.alert_id
    where alert.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
    group by silence.silence_id;
$$;

comment on function monitoring_internal.silence_matches(timestamptz) is
    'How many open alerts each silence means that is not over at a time, as far as the caller sees both.';

-- Note which silences the alerts of this pass are withheld by, to within a minute, and end those that nothing has
-- matched for as long as they said. Returns how many ended.
-- Called by: evaluate_alerts_at, after the alerts were suppressed.
create or replace function monitoring_internal.tend_silences_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_ended integer;
begin
    update monitoring.alert_silences as silence
    set last_matched_at = p_now
    where silence.starts_at <= p_now and (silence.ends_at is null or silence.ends_at > p_now)
        and coalesce(silence.last_matched_at, '-infinity') <= p_now - interval '1 minute'
        and silence.silence_id in (
            select (reason.value ->> 'id')::bigint
            from monitoring.alerts as alert
            cross join lateral jsonb_array_elements(alert.suppressed_by) as reason (value)
            where alert.status <> 'resolved' and reason.value ->> 'kind' = 'silence');
    update monitoring.alert_silences as silence
    set ends_at = p_now, end_reason = 'unmatched'
    where silence.starts_at <= p_now and (silence.ends_at is null or silence.ends_at > p_now)
        and greatest(silence.last_matched_at, silence.starts_at) <= p_now - silence.expires_when_unmatched_for;
    get diagnostics v_ended = row_count;
    return v_ended;
end;
$$;

comment on function monitoring_internal.tend_silences_at(timestamptz) is
    'Notes which silences match, and ends those that nothing has matched for as long as they said; returns how many.';
