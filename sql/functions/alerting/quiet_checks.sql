-- alerting/quiet_checks.sql: what is refused in silences, windows, inhibitions and dependencies, however it is written.
-- Owns the triggers of these tables. Writes nothing.
-- Concurrency: dependencies are checked under a lock of their table, so that no two writers close a circle together.

-- Refuse a recurrence that never fires or has no zone.
-- Raises: PV110-PV115, PV942. Called by: the triggers.
create or replace function monitoring_internal.check_recurrence(p_schedule text, p_duration interval, p_time_zone text)
returns void
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_schedule is null then
        return;
    elsif p_duration is null or p_duration < interval '1 minute' or p_duration > interval '7 days' then
        raise exception using errcode = 'PV942',
            message = format('a recurring window takes %s', coalesce(p_duration::text, 'no time')),
            hint = 'Give a duration of 1 minute to 7 days: how long it takes each time.';
    end if;
    perform monitoring_internal.check_time_zone(coalesce(p_time_zone, 'UTC'));
    perform monitoring_internal.parse_cron(p_schedule);
end;
$$;

comment on function monitoring_internal.check_recurrence(text, interval, text) is
    'Raises PV110 to PV115 or PV942 unless a schedule, its duration and zone make a recurring window.';

-- Raises: PV110-PV115, PV940-PV942, PV945.
create or replace function monitoring_internal.check_alert_silence()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.check_matchers(new.matchers, 'silence');
    if coalesce(new.comment, '') !~ '\S' then
        raise exception using errcode = 'PV945', message = 'a silence says why it is there',
            hint = 'Give a comment: what is known, and who works on it.';
    elsif new.ends_at is null and not new.is_unbounded then
        raise exception using errcode = 'PV942', message = 'the silence has no end',
            hint = 'Give one; is_unbounded, or forced => true, takes it nevertheless.';
    elsif new.ends_at < new.starts_at or tg_op = 'INSERT' and new.ends_at = new.starts_at then
        raise exception using errcode = 'PV942',
            message = format('the silence ends at %s, before it begins at %s', new.ends_at, new.starts_at),
            hint = 'Give an end after the beginning.';
    end if;
    perform monitoring_internal.check_recurrence(new.schedule, new.duration, new.time_zone);
    return new;
end;
$$;

comment on function monitoring_internal.check_alert_silence() is 'Refuses silences that cannot be read or have no end.';

-- Raises: PV110-PV115, PV940-PV942.
create or replace function monitoring_internal.check_maintenance_window()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.matchers <> '{}' then
        perform monitoring_internal.check_matchers(new.matchers, 'maintenance window');
    elsif new.targets = '{}' and not new.is_whole_tenant then
        raise exception using errcode = 'PV940', message = 'maintenance window: nothing says what is worked on',
            hint = 'Give targets or matchers; is_whole_tenant takes everything.';
    end if;
    if new.ends_at is null and new.schedule is null or new.ends_at <= new.starts_at then
        raise exception using errcode = 'PV942', message = 'the maintenance window has no end after its beginning',
            hint = 'Give ends_at; only one with a schedule goes on without.';
    end if;
    perform monitoring_internal.check_recurrence(new.schedule, new.duration, new.time_zone);
    return new;
end;
$$;

comment on function monitoring_internal.check_maintenance_window() is
    'Refuses maintenance windows that cannot be read, mean nothing or have no end.';

-- Raises: PV940, PV941.
create or replace function monitoring_internal.check_alert_inhibition()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.check_matchers(new.source_matchers, format('source of inhibition "%s"', new.name));
    perform monitoring_internal.check_matchers(new.target_matchers, format('target of inhibition "%s"', new.name));
    return new;
end;
$$;

comment on function monitoring_internal.check_alert_inhibition() is
    'Refuses inhibitions whose matchers cannot be read.';

-- Raises: PV946.
create or replace function monitoring_internal.check_alert_dependencies()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault text;
begin
    lock table monitoring.alert_dependencies in share row exclusive mode;
    with recursive needed (rule_no, through) as (
        select dependency.rule_no, dependency.depends_on_rule_no from monitoring.alert_dependencies as dependency
        union
        select needed.rule_no, dependency.depends_on_rule_no
        from needed
        inner join monitoring.alert_dependencies as dependency on dependency.rule_no = needed.through
    )
    select format('rule "%s" would depend on itself', rule.rule_name) into v_fault
    from needed inner join monitoring.alert_rules as rule on rule.rule_no = needed.rule_no
    where needed.rule_no = needed.through
    order by rule.rule_name
    limit 1;
    if v_fault is null then
        select format('rules "%s" and "%s" are of different tenants', rule.rule_name, other.rule_name) into v_fault
        from monitoring.alert_dependencies as dependency
        inner join monitoring.alert_rules as rule on rule.rule_no = dependency.rule_no
        inner join monitoring.alert_rules as other on other.rule_no = dependency.depends_on_rule_no
        where rule.tenant_id <> other.tenant_id or dependency.tenant_id <> coalesce(rule.tenant_id, other.tenant_id)
        order by rule.rule_name
        limit 1;
    end if;
    if v_fault is not null then
        raise exception using errcode = 'PV946', message = v_fault,
            hint = 'A rule depends on others in one direction only, and within one tenant.';
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.check_alert_dependencies() is
    'Refuses dependencies that close a circle or join rules of two tenants.';

-- Raises: PV947.
create or replace function monitoring_internal.check_alert_correlations()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from added
        cross join lateral (values (added.alert_id), (added.other_alert_id)) as side (alert_id)
        where not exists (
            select from monitoring.alerts as alert
            where alert.id = side.alert_id and alert.tenant_id = added.tenant_id))
    then
        raise exception using errcode = 'PV947', message = 'a correlation joins alerts that are not of its tenant',
            hint = 'Both alerts have to exist and to be of the tenant that the row names.';
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.check_alert_correlations() is
    'Refuses pairs of alerts that are not both of the tenant of the row.';
