-- alerting/suppressors.sql: which open alerts are withheld at a time, and by what.
-- Owns quiet_sets_at, explaining_groups, inhibited_alerts, cycle_roots, alert_suppressors_at. Writes nothing.
-- Concurrency: reads of one snapshot, the one that the state machine has just written: an alert that was resolved in
-- this pass withholds no other.

-- Silences and maintenance windows in force at a time, as sets of matchers.
create or replace function monitoring_internal.quiet_sets_at(p_now timestamptz)
returns table (rank integer, kind text, id bigint, name text, tenant_id uuid, matchers jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select span.rank, span.kind, span.id, span.name, span.tenant_id, span.matchers
    from (
        -- What an operator writes for every tenant is not shown to each.
        select 1 as rank, 'maintenance' as kind, work.maintenance_window_id as id,
            case when work.tenant_id is null then 'maintenance of the installation' else work.name end as name,
            work.tenant_id,
            case
                when work.is_whole_tenant then '{"rule_name": {"re": ".*"}}'
                when work.targets = '{}' then work.matchers
                else work.matchers || jsonb_build_object('server',
                    case jsonb_typeof(work.matchers -> 'server')
                        when 'string' then jsonb_build_object('eq', work.matchers -> 'server')
                        when 'object' then work.matchers -> 'server'
                        else '{}'
                    end || jsonb_build_object('in', case
                        when 'local' = any (work.targets) then array_append(work.targets, '') else work.targets end))
            end as matchers,
            work.starts_at, work.ends_at, work.schedule, work.duration, work.time_zone
        from monitoring.maintenance_windows as work
        where work.starts_at <= p_now and (work.ends_at is null or work.ends_at > p_now)
        union all
        select 2, 'silence', silence.silence_id,
            case when silence.tenant_id is null then 'silence of the installation' else left(silence.comment, 200) end,
            silence.tenant_id, silence.matchers,
            silence.starts_at, silence.ends_at, silence.schedule, silence.duration, silence.time_zone
        from monitoring.alert_silences as silence
        where silence.starts_at <= p_now and (silence.ends_at is null or silence.ends_at > p_now)
    ) as span
    left join monitoring.tenants as tenant on tenant.tenant_id = span.tenant_id
    where span.schedule is null
        or (monitoring_internal.window_state(
            span.starts_at, span.ends_at, span.schedule, span.duration,
            coalesce(span.time_zone, tenant.time_zone, 'UTC'), p_now)).state = 'active';
$$;

comment on function monitoring_internal.quiet_sets_at(timestamptz) is
    'Silences and maintenance windows in force at a time, as sets of matchers.';

-- Open alerts by what one may withhold others by: each inhibition or dependency, tenant and values of the equal labels.
-- Alerts that explain and those that would be explained; one that would be both is the former.
-- Only groups in which something explains are returned.
create or replace function monitoring_internal.explaining_groups()
returns table (
    kind text, id integer, name text, group_key text, alert_id uuid, is_source boolean, triggered_at timestamptz)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
    with inhibition as materialized (
        select row_number() over (order by i.alert_inhibition_id)::integer as set_no, i.*
        from monitoring.alert_inhibitions as i where i.is_enabled
    ),
    explaining as materialized (
        select inhibition.set_no, matched.alert_id
        from monitoring_internal.match_alerts(
            (select array_agg(i.source_matchers order by i.set_no) from inhibition as i),
            (select array_agg(i.tenant_id order by i.set_no) from inhibition as i)) as matched
        inner join inhibition on inhibition.set_no = matched.set_no
    ),
    live as materialized (
        select row_number() over (order by i.set_no)::integer as live_no, i.*
        from inhibition as i where i.set_no in (select explaining.set_no from explaining)
    ),
    member as materialized (
        select 'inhibition' as kind, i.alert_inhibition_id as id, i.name, i.equal_labels, explaining.alert_id,
            true as is_source
        from explaining inner join inhibition as i on i.set_no = explaining.set_no
        union all
        select 'inhibition', live.alert_inhibition_id, live.name, live.equal_labels, matched.alert_id, false
        from monitoring_internal.match_alerts(
            (select array_agg(l.target_matchers order by l.live_no) from live as l),
            (select array_agg(l.tenant_id order by l.live_no) from live as l)) as matched
        inner join live on live.live_no = matched.set_no
        where not exists (
            select from explaining where explaining.set_no = live.set_no and explaining.alert_id = matched.alert_id)
        union all
        select 'dependency', needed.alert_dependency_id, rule.rule_name, needed.equal_labels, alert.id,
            alert.rule_no = needed.depends_on_rule_no
        from monitoring.alert_dependencies as needed
        inner join monitoring.alert_rules as rule on rule.rule_no = needed.depends_on_rule_no
        cross join lateral unnest(array[needed.rule_no, needed.depends_on_rule_no]) as side (rule_no)
        inner join monitoring_internal.open_alerts as alert
            on alert.rule_no = side.rule_no and (needed.tenant_id is null or needed.tenant_id = alert.tenant_id)
    ),
    keyed as materialized (
        select member.*, alert.triggered_at, concat_ws(' ', member.kind, member.id, alert.tenant_id, array(
            select coalesce(alert.document ->> label.name, '')
            from unnest(member.equal_labels) with ordinality as label (name, no) order by label.no)) as group_key
        from member inner join monitoring_internal.open_alerts as alert on alert.id = member.alert_id
    )
    select keyed.kind, keyed.id, keyed.name, keyed.group_key, keyed.alert_id, keyed.is_source, keyed.triggered_at
    from keyed
    where keyed.group_key in (select source.group_key from keyed as source where source.is_source);
$$;

comment on function monitoring_internal.explaining_groups() is
    'Open alerts that withhold others, and these, by inhibition or dependency, tenant and values of the equal labels.';

-- Alerts that inhibitions and dependencies withhold. An alert that is withheld still withholds others, so that a
-- chain leaves its beginning. Where inhibitions form a circle that nothing from outside explains, its earliest alert
-- is let through.
create or replace function monitoring_internal.inhibited_alerts()
returns table (kind text, id integer, name text, alert_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
    with recursive member as materialized (
        select * from monitoring_internal.explaining_groups()
    ),
    -- From the group that withholds an alert to the one in which that alert withholds others.
    passage as materialized (
        select distinct target.group_key as from_key, source.group_key as to_key
        from member as target inner join member as source on source.alert_id = target.alert_id
        where not target.is_source and source.is_source
    ),
    rooted (group_key) as (
        select source.group_key
        from member as source
        where source.is_source
            and not exists (
                select from member as target where target.alert_id = source.alert_id and not target.is_source)
        union
        select passage.to_key from rooted inner join passage on passage.from_key = rooted.group_key
    ),
    circular as materialized (
        select member.* from member where member.group_key not in (select rooted.group_key from rooted)
    ),
    -- What lies before each circular group.
    before (group_key, earlier_key) as (
        select circular.group_key, circular.group_key from circular
        union
        select passage.to_key, before.earlier_key
        from before inner join passage on passage.from_key = before.group_key
    ),
    ancestor as materialized (
        select distinct target.alert_id, target.triggered_at, source.alert_id as ancestor_id,
            source.triggered_at as ancestor_at
        from circular as target
        inner join before on before.group_key = target.group_key
        inner join circular as source on source.group_key = before.earlier_key and source.is_source
        where not target.is_source
    )
    select distinct member.kind, member.id, member.name, member.alert_id
    from member
    where not member.is_source
        and member.alert_id not in (
            select ancestor.alert_id
            from ancestor
            group by ancestor.alert_id, ancestor.triggered_at
            having bool_or(ancestor.ancestor_id = ancestor.alert_id)
                and bool_and((ancestor.ancestor_at, ancestor.ancestor_id) >= (ancestor.triggered_at, ancestor.alert_id))
                and not bool_or(ancestor.alert_id in (
                    select outside.alert_id from member as outside
                    where not outside.is_source and outside.group_key in (select rooted.group_key from rooted)))
        );
$$;

comment on function monitoring_internal.inhibited_alerts() is
    'Open alerts that others withhold by inhibition or dependency; a circle is left by its earliest alert.';

-- Of the open alerts, or of those named, the ones that are withheld at a time, with every reason in its order:
-- maintenance, silence, dependency, inhibition, business hours.
-- Called by: evaluate_alerts_at, explain_alert.
create or replace function monitoring_internal.alert_suppressors_at(p_now timestamptz, p_alerts uuid[] default null)
returns table (alert_id uuid, suppressed_by jsonb)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
    with quiet as materialized (
        select row_number() over (order by q.rank, q.id)::integer as set_no, q.*
        from monitoring_internal.quiet_sets_at(p_now) as q
    ),
    reason as (
        select matched.alert_id, quiet.rank, quiet.kind, quiet.id, quiet.name
        from monitoring_internal.match_alerts(
            (select array_agg(q.matchers order by q.set_no) from quiet as q),
            (select array_agg(q.tenant_id order by q.set_no) from quiet as q)) as matched
        inner join quiet on quiet.set_no = matched.set_no
        union all
        select held.alert_id, case held.kind when 'dependency' then 3 else 4 end, held.kind, held.id, held.name
        from monitoring_internal.inhibited_alerts() as held
        union all
        select alert.id, 5, 'business_hours', null, 'outside business hours'
        from monitoring_internal.open_alerts as alert
        inner join monitoring.alert_rules as rule on rule.rule_no = alert.rule_no and rule.business_hours_only
        where alert.tenant_id in (
            select tenant.tenant_id from monitoring.tenants as tenant
            where not monitoring_internal.in_business_hours(tenant.tenant_id, p_now))
    )
    select reason.alert_id, jsonb_agg(
        jsonb_build_object('kind', reason.kind, 'id', reason.id, 'name', reason.name) order by reason.rank, reason.id)
    from reason
    where p_alerts is null or reason.alert_id = any (p_alerts)
    group by reason.alert_id;
$$;

comment on function monitoring_internal.alert_suppressors_at(timestamptz, uuid[]) is
    'Open alerts that are withheld at a time, and why: an array of kind, id and name, in the order of the checks.';
