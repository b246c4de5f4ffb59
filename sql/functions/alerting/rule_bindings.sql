-- alerting/rule_bindings.sql: which series each rule reads, kept from pass to pass.
-- Owns enqueue_series, track_alert_rule, bind_rules, bind_operands, series_spacing_at, measure_spacing_at,
-- refresh_rule_bindings_at.
-- Writes unbound_series, alert_rule_states, alert_bindings. One pass at a time refreshes; rules may change meanwhile.

-- Note new series: whoever sees the series sees the note, so none is missed, whatever the order of commits.
create or replace function monitoring_internal.enqueue_series()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring_internal.unbound_series (series_id)
    select made.series_id from made
    on conflict do nothing;
    return null;
end;
$$;

comment on function monitoring_internal.enqueue_series() is 'Trigger: notes new series for the next evaluation.';

-- Give a rule its state, have a changed one bound again, and remove what a deleted one leaves.
create or replace function monitoring_internal.track_alert_rule()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        delete from monitoring.alert_bindings as binding where binding.rule_no = old.rule_no;
    else
        insert into monitoring.alert_rule_states as state (rule_no)
        values (new.rule_no)
        on conflict (rule_no) do update set is_bound = false, spacing = null, next_evaluation_at = '-infinity';
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.track_alert_rule() is
    'Trigger: keeps the state and the bindings of a rule that is made, changed or deleted.';

-- Bind rules to the series of their own metric: whole rules, or with p_series only to these. Returns how many.
create or replace function monitoring_internal.bind_rules(p_rules integer[], p_series integer[])
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
set work_mem = '64MB'
as $$
declare
    v_bound integer;
begin
    with rule as materialized (
        select operand.rule_no, operand.tenant_id, operand.group_by, family.metric_family_id,
            -- A label that has to be empty is one that is missing, which containment cannot say.
            coalesce(jsonb_object_agg(matcher.key, matcher.value #>> '{}') filter (
                where jsonb_typeof(matcher.value) <> 'object' and matcher.value #>> '{}' <> ''), '{}') as equal,
            coalesce(jsonb_object_agg(matcher.key, matcher.value) filter (
                where jsonb_typeof(matcher.value) = 'object' or matcher.value #>> '{}' = ''), '{}') as other
        from monitoring_internal.alert_rule_operands as operand
        inner join monitoring.metric_families as family on family.name = operand.metric
        left join lateral jsonb_each(operand.matchers) as matcher on true
        where operand.operand = 0 and operand.rule_no = any (p_rules)
        group by operand.rule_no, operand.tenant_id, operand.group_by, family.metric_family_id
    ),
    made as (
        insert into monitoring.alert_bindings (rule_no, operand, series_id, label_key)
        select rule.rule_no, 0, series.series_id, monitoring_internal.alert_label_key(
            series.tenant_id, case when rule.group_by is null then series.labels
                else monitoring_internal.alert_group_labels(series.labels, rule.group_by) end)
        from rule
        inner join monitoring.series as series on series.metric_family_id = rule.metric_family_id
        where (p_series is null or series.series_id = any (p_series))
            and series.tenant_id = coalesce(rule.tenant_id, series.tenant_id)
            and series.labels @> rule.equal
            and (rule.other = '{}' or monitoring_internal.matches_labels(series.labels, rule.other))
        order by rule.rule_no, series.series_id
        on conflict do nothing
        returning alert_bindings.rule_no
    ),
    counted as (
        update monitoring.alert_rule_states as state
        set series_matched = state.series_matched + gain.series
        from (select made.rule_no, count(*) as series from made group by made.rule_no) as gain
        where state.rule_no = gain.rule_no
        returning gain.series
    )
    select coalesce(sum(counted.series), 0) into v_bound from counted;
    return v_bound;
end;
$$;

comment on function monitoring_internal.bind_rules(integer[], integer[]) is
    'Binds rules to all series of their metric, or to those given; returns how many bindings were made.';

-- Bind what a ratio divides by and what guards watch to the label sets of their rules.
-- Series of one metric differ in which labels they have only in few ways: for each, the label sets are cut to those
-- labels and compared whole.
create or replace function monitoring_internal.bind_operands(p_rules integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
set work_mem = '64MB'
as $$
    with side as materialized (
        select operand.rule_no, operand.operand, series.series_id, series.tenant_id,
            monitoring_internal.alert_group_labels(series.labels, shape.names) as labels, shape.names
        from monitoring_internal.alert_rule_operands as operand
        inner join monitoring.metric_families as family on family.name = operand.metric
        inner join monitoring.series as series on series.metric_family_id = family.metric_family_id
            and series.tenant_id = coalesce(operand.tenant_id, series.tenant_id)
        cross join lateral (
            select coalesce(
                operand.matched_on, operand.group_by,
                array(select label.name from jsonb_object_keys(series.labels) as label (name) order by 1)) as names
        ) as shape
        where operand.operand > 0 and operand.rule_no = any (p_rules)
            and monitoring_internal.matches_labels(series.labels, operand.matchers)
    ),
    label_set as materialized (
        select distinct on (binding.rule_no, binding.label_key)
            binding.rule_no, binding.label_key, series.tenant_id,
            monitoring_internal.alert_group_labels(series.labels, rule.group_by) as labels
        from monitoring.alert_bindings as binding
        inner join monitoring.alert_rules as rule on rule.rule_no = binding.rule_no
        inner join monitoring.series as series on series.series_id = binding.series_id
        where binding.operand = 0 and binding.rule_no in (select side.rule_no from side)
        order by binding.rule_no, binding.label_key
    )
    insert into monitoring.alert_bindings (rule_no, operand, series_id, label_key)
    select side.rule_no, side.operand, side.series_id, wanted.label_key
    from (select distinct side.rule_no, side.names from side) as shape
    inner join lateral (
        select label_set.rule_no, label_set.label_key, label_set.tenant_id,
            monitoring_internal.alert_group_labels(label_set.labels, shape.names) as labels
        from label_set
        where label_set.rule_no = shape.rule_no
    ) as wanted on true
    inner join side on side.rule_no = shape.rule_no and side.names = shape.names
        and side.tenant_id = wanted.tenant_id and side.labels = wanted.labels
    on conflict do nothing;
$$;

comment on function monitoring_internal.bind_operands(integer[]) is
    'Binds the divisors and guards of rules to the label sets of those rules.';

-- The distance of a series' newest samples before a time; null for fewer than three.
create or replace function monitoring_internal.series_spacing_at(p_series_id integer, p_now timestamptz)
returns interval
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select (max(recent.sampled_at) - min(recent.sampled_at)) / (count(*) - 1)
    from (
        -- Of days that are packed only where samples has none: this asks for the newest ten.
        (
            select sample.sampled_at
            from monitoring_internal.raw_points as sample
            where sample.series_id = p_series_id and monitoring_internal.raw_from() <= p_now - interval '2 days'
                and sample.sampled_at > p_now - interval '2 days' and sample.sampled_at <= p_now
            order by sample.sampled_at desc
            limit 10
        )
        union all
        (
            select sample.sampled_at
            from monitoring_internal.read_points(
                array[p_series_id], p_now - interval '2 days', p_now + interval '1 us') as sample
            where monitoring_internal.raw_from() > p_now - interval '2 days'
                and sample.sampled_at > p_now - interval '2 days'
            order by sample.sampled_at desc
            limit 10
        )
    ) as recent
    having count(*) >= 3;
$$;

comment on function monitoring_internal.series_spacing_at(integer, timestamptz) is
    'Distance of the newest samples of a series before a time; null for fewer than three.';

-- The distance of a rule's samples: the interval of the collector of its metric, else what its series show.
create or replace function monitoring_internal.measure_spacing_at(p_rules integer[], p_now timestamptz)
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.alert_rule_states as state
    set spacing = found.spacing
    from (
        select rule.rule_no, coalesce(collector.every, observed.every) as spacing
        from monitoring.alert_rules as rule
        left join (
            select metric.name, min(coalesce(collector.custom_every, collector.every)) as every
            from monitoring.collector_columns as metric
            inner join monitoring.collectors as collector using (collector_id)
            where metric.usage = 'metric'
            group by metric.name
        ) as collector on collector.name = rule.metric_name
        left join lateral (
            select min(monitoring_internal.series_spacing_at(member.series_id, p_now)) as every
            from (
                select binding.series_id
                from monitoring.alert_bindings as binding
                where binding.rule_no = rule.rule_no and binding.operand = 0
                order by binding.series_id desc
                limit 5
            ) as member
        ) as observed on collector.name is null
        where rule.rule_no = any (p_rules)
    ) as found
    where state.rule_no = found.rule_no and state.spacing is distinct from found.spacing;
$$;

comment on function monitoring_internal.measure_spacing_at(integer[], timestamptz) is
    'Notes the distance of the samples that rules read: their collector''s interval, else as observed before a time.';

-- Bring bindings up to date: new series, new and changed rules. Returns how many bindings were made.
-- A rule that somebody is changing at this moment keeps its old ones until the next pass; one that is evaluated apart,
-- until that pass comes (p_apart).
create or replace function monitoring_internal.refresh_rule_bindings_at(
    p_now timestamptz, p_apart integer[] default '{}')
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_series integer[];
    v_rules integer[];
    v_bound integer := 0;
begin
    if current_setting('pgvigil.is_replay', true) = 'on' then
        -- A replay binds its own rules, and must not hold what others wait for.
        return 0;
    end if;
    with taken as (delete from monitoring_internal.unbound_series as note returning note.series_id)
    select array_agg(taken.series_id) into v_series from taken;
    if v_series is not null then
        -- What a ratio or guard reads depends on pairs: such a rule is bound anew.
        update monitoring.alert_rule_states as state
        set is_bound = false
        where state.is_bound and state.rule_no in (
            select operand.rule_no
            from monitoring.series as series
            inner join monitoring.metric_families as family using (metric_family_id)
            inner join monitoring_internal.alert_rule_operands as operand on operand.metric = family.name
            where series.series_id = any (v_series)
                and operand.rule_no in (
                    select compound.rule_no
                    from monitoring_internal.alert_rule_operands as compound where compound.operand > 0));
    end if;
    v_rules := array(
        select state.rule_no from monitoring.alert_rule_states as state
        where not state.is_bound and (state.apart_group is null or state.rule_no = any (p_apart))
        order by state.rule_no for update skip locked);
    if v_series is not null then
        v_bound := monitoring_internal.bind_rules(
            array(
                select state.rule_no from monitoring.alert_rule_states as state
                where state.is_bound and not state.rule_no = any (v_rules)),
            v_series);
    end if;
    if cardinality(v_rules) > 0 then
        delete from monitoring.alert_bindings as binding where binding.rule_no = any (v_rules);
        update monitoring.alert_rule_states as state
        set is_bound = true, series_matched = 0
        where state.rule_no = any (v_rules);
        v_bound := v_bound + monitoring_internal.bind_rules(v_rules, null);
        perform monitoring_internal.bind_operands(v_rules);
    end if;
    v_rules := array(
        select state.rule_no from monitoring.alert_rule_states as state
        where state.spacing is null and state.series_matched > 0 or state.rule_no = any (v_rules));
    if cardinality(v_rules) > 0 then
        perform monitoring_internal.measure_spacing_at(v_rules, p_now);
    end if;
    return v_bound;
end;
$$;

comment on function monitoring_internal.refresh_rule_bindings_at(timestamptz, integer[]) is
    'Binds new series, and rules that are new or changed, to each other; returns how many bindings were made.';
