-- alerting/evaluate.sql: one pass of the evaluator: which rules are due, in which order the parts do their work.
-- Owns evaluate_alerts(_at), due_alert_rules_at, run_alert_rules_at, read_alert_rules_at, note_alert_rules_at,
-- finish_alert_pass, group_alert_rules. Writes alert_passes, alert_rule_states; the parts write the rest.
-- Concurrency: one evaluator at a time, by an advisory lock; another caller returns at once. One transaction a pass.

-- Rules that are due: their time has come, or it is so far ahead that the clock must have been set back.
create or replace function monitoring_internal.due_alert_rules_at(
    p_now timestamptz, p_is_apart boolean default false)
returns integer[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select coalesce(array_agg(rule.rule_no order by rule.rule_no), '{}')
        from monitoring.alert_rules as rule
        cross join (
            select monitoring_internal.setting_interval('alerting.evaluation_interval') as every offset 0
        ) as usual
        left join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
        where rule.is_active and (state.apart_group is not null) = p_is_apart
            and (state.next_evaluation_at is null or state.next_evaluation_at <= p_now
                or state.next_evaluation_at > p_now + case when p_is_apart then interval '1 day'
                    else 2 * coalesce(rule.evaluation_interval, usual.every) end));
end;
$$;

comment on function monitoring_internal.due_alert_rules_at(timestamptz, boolean) is
    'Numbers of the rules that are due: of those evaluated together, or of those evaluated apart.';

-- What rules of one type find. Each reader is named here once.
create or replace function monitoring_internal.read_alert_rules_at(
    p_now timestamptz, p_condition_type text, p_rules integer[])
returns setof monitoring_internal.alert_reading
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_condition_type in ('threshold', 'ratio', 'absence') then
        return query select * from monitoring_internal.read_threshold_rules_at(p_now, p_rules);
    elsif p_condition_type = 'trend' then
        return query select * from monitoring_internal.read_trend_rules_at(p_now, p_rules);
    elsif p_condition_type = 'anomaly' then
        return query select * from monitoring_internal.read_anomaly_rules_at(p_now, p_rules);
    elsif p_condition_type = 'pattern' then
        return query select * from monitoring_internal.read_pattern_rules_at(p_now, p_rules);
    elsif p_condition_type = 'composite' then
        return query select * from monitoring_internal.read_composite_rules_at(p_now, p_rules);
    end if;
end;
$$;

comment on function monitoring_internal.read_alert_rules_at(timestamptz, text, integer[]) is
    'Readings of rules of one type as of a time: what breaches, what is held, what has no data.';

-- Evaluate rules of one type; returns those that failed with their error. What fails is halved until it is one rule,
-- so that the others are evaluated. A lock that was not got is nobody's fault: that error goes up, and the next pass
-- tries.
create or replace function monitoring_internal.run_alert_rules_at(
    p_now timestamptz, p_pass_id bigint, p_condition_type text, p_rules integer[])
returns table (rule_no integer, error text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_half constant integer := cardinality(p_rules) / 2;
    v_error text;
begin
    begin
        perform monitoring_internal.step_alerts_at(p_now, p_pass_id, p_condition_type, p_rules);
        return;
    exception when others then -- one broken rule does not stop the others: it is found, and the error kept with it
        if left(sqlstate, 2) = '40' or sqlstate = '55P03' then
            raise;
        end if;
        v_error := format('%s (%s)', sqlerrm, sqlstate);
    end;
    if v_half = 0 then
        return query select p_rules[1], v_error;
        return;
    end if;
    return query
    select part.rule_no, part.error
    from monitoring_internal.run_alert_rules_at(p_now, p_pass_id, p_condition_type, p_rules[:v_half]) as part;
    return query
    select part.rule_no, part.error
    from monitoring_internal.run_alert_rules_at(p_now, p_pass_id, p_condition_type, p_rules[v_half + 1:]) as part;
end;
$$;

comment on function monitoring_internal.run_alert_rules_at(timestamptz, bigint, text, integer[]) is
    'Evaluates rules of one type, broken ones left out; returns those with their error.';

-- Keep how the evaluation of each rule ended and when it is due next, on a grid of its interval; returns missed ticks.
create or replace function monitoring_internal.note_alert_rules_at(
    p_now timestamptz, p_rules integer[], p_failed integer[], p_errors text[])
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_missed bigint;
begin
    with noted as (
        select rule.rule_no, failure.error, ticks.every,
            to_timestamp(floor(extract(epoch from p_now) / ticks.every) * ticks.every + ticks.every) as next_at,
            case when state.next_evaluation_at between p_now - interval '366 days' and p_now
                then floor(extract(epoch from p_now - state.next_evaluation_at) / ticks.every)::bigint else 0 end
                as missed
        from monitoring.alert_rules as rule
        cross join (
            select monitoring_internal.setting_interval('alerting.evaluation_interval') as every offset 0
        ) as usual
        cross join lateral (
            select extract(epoch from coalesce(rule.evaluation_interval, usual.every)) as every
        ) as ticks
        left join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
        left join unnest(p_failed, p_errors) as failure (rule_no, error) on failure.rule_no = rule.rule_no
        where rule.rule_no in (select unnest(p_rules))
    ), written as (
        insert into monitoring.alert_rule_states as state (
            rule_no, next_evaluation_at, last_evaluated_at, last_status, last_error, failures, missed_ticks)
        select noted.rule_no, noted.next_at, p_now, case when noted.error is null then 'ok' else 'failed' end,
            noted.error, (noted.error is not null)::integer, noted.missed
        from noted
        order by noted.rule_no
        on conflict on constraint alert_rule_states_pkey do update set
            next_evaluation_at = excluded.next_evaluation_at,
            last_evaluated_at = excluded.last_evaluated_at,
            last_status = case when excluded.last_status = 'ok' and state.is_bound and state.series_matched = 0
                then 'unmatched' else excluded.last_status end,
            last_error = excluded.last_error,
            failures = case when excluded.last_error is null then 0 else state.failures + 1 end,
            missed_ticks = state.missed_ticks + excluded.missed_ticks
    )
    select coalesce(sum(noted.missed), 0) into v_missed from noted;
    return v_missed;
end;
$$;

comment on function monitoring_internal.note_alert_rules_at(timestamptz, integer[], integer[], text[]) is
    'Keeps how the evaluation of rules ended, and when each is due next; returns how many evaluations were missed.';

-- Close the books of a pass: what it did, and how long its statement has been at work; returns how many alerts rose.
-- A pass of which a part failed has no duration: it is not done, and the next one makes up for what was not told.
create or replace function monitoring_internal.finish_alert_pass(
    p_pass_id bigint, p_started_at timestamptz, p_failed integer)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_raised integer;
begin
    with made as (
        select count(*) as transitions, count(distinct (transition.rule_no, transition.label_key)) as pairs,
            count(*) filter (where transition.transition in ('fired', 'reopened', 'storm')) as raised
        from monitoring.alert_transitions as transition
        where transition.pass_id = p_pass_id and transition.occurred_at = p_started_at
    )
    update monitoring.alert_passes as pass
    set transitions = made.transitions, pairs = made.pairs, errors = pass.errors + p_failed,
        duration = case when p_failed = 0 then monitoring_internal.statement_age() end
    from made
    where pass.pass_id = p_pass_id and pass.started_at = p_started_at
    returning made.raised into v_raised;
    return v_raised;
end;
$$;

comment on function monitoring_internal.finish_alert_pass(bigint, timestamptz, integer) is
    'Notes in a pass what it did, how many of its parts failed and, if none did, how long its statement has been at '
    'work; returns how many alerts it raised.';

-- Rules by who reads them: threshold, ratio and absence rules are read at once. Composite ones come last: they read
-- what the others became in this pass.
create or replace function monitoring_internal.group_alert_rules(p_rules integer[])
returns table (name text, rules integer[])
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select reader.name, array_agg(rule.rule_no order by rule.rule_no) as rules
        from monitoring.alert_rules as rule
        cross join lateral (
            select case when rule.condition_type in ('ratio', 'absence') then 'threshold'
                else rule.condition_type end as name
        ) as reader
        where rule.rule_no in (select unnest(p_rules))
        group by reader.name
        order by reader.name = 'composite', reader.name;
end;
$$;

comment on function monitoring_internal.group_alert_rules(integer[]) is
    'Rules by their reader, in the order in which they are evaluated.';

-- One pass as of a time; returns how many alerts it raised. With p_rules: only these, whether due or not, without the
-- lock: to replay history, and for rules that are evaluated apart. Of a pass whose time is up what is done is kept; the
-- next one does the rest.
-- Locks: the advisory lock of the evaluator until the transaction ends.
create or replace function monitoring_internal.evaluate_alerts_at(p_now timestamptz, p_rules integer[] default null)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rules integer[] := p_rules;
    v_kind record;
    v_tried record;
    v_done integer[] := '{}';
    v_failed integer[] := '{}';
    v_errors text[] := '{}';
    v_pass_id bigint;
    v_parts_failed integer;
    v_is_late boolean;
    v_raised integer;
begin
    if p_rules is null then
        if not pg_try_advisory_xact_lock(hashtextextended('monitoring.evaluate_alerts', 0)) then
            return 0;
        end if;
        v_rules := monitoring_internal.due_alert_rules_at(p_now);
    end if;
    insert into monitoring.alert_passes (started_at, rules) values (p_now, cardinality(v_rules))
    returning pass_id into v_pass_id;
    v_parts_failed := monitoring_internal.fails_alert_part_at(p_now, v_pass_id, p_rules, 'bindings')::integer;
    v_is_late := v_parts_failed > 0 and monitoring_internal.is_time_up();
    -- A loop, since each kind has a reader of its own.
    for v_kind in
        select kind.* from monitoring_internal.group_alert_rules(v_rules) as kind
    loop
        exit when v_is_late;
        v_tried := monitoring_internal.try_alert_rules_at(
            p_now, v_pass_id, v_kind.name, v_kind.rules, p_rules is null);
        v_failed := v_failed || v_tried.failed;
        v_errors := v_errors || v_tried.errors;
        v_is_late := v_tried.is_late;
        if not v_is_late then
            v_done := v_done || v_kind.rules;
        end if;
    end loop;
    update monitoring.alert_passes as pass
    set errors = cardinality(v_failed),
        skipped_ticks = monitoring_internal.note_alert_rules_at(p_now, v_done, v_failed, v_errors)
    where pass.pass_id = v_pass_id and pass.started_at = p_now;
    perform monitoring_internal.raise_rule_errors_at(p_now, v_pass_id, v_done);
    v_parts_failed := v_parts_failed + case when v_is_late then 1
        else monitoring_internal.follow_alert_parts_at(p_now, v_pass_id, p_rules) end;
    v_raised := monitoring_internal.finish_alert_pass(v_pass_id, p_now, v_parts_failed);
    if p_rules is null and not v_is_late then
        v_raised := v_raised + monitoring_internal.evaluate_apart_rules_at(p_now);
    end if;
    return v_raised;
end;
$$;

comment on function monitoring_internal.evaluate_alerts_at(timestamptz, integer[]) is
    'One pass of the evaluator as of a time; returns how many alerts it raised. With numbers of rules: only these.';

-- The same now.
create or replace function monitoring.evaluate_alerts()
returns integer
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
set jit = off
set work_mem = '64MB'
as $$
    select monitoring_internal.evaluate_alerts_at(clock_timestamp());
$$;

comment on function monitoring.evaluate_alerts() is
    'Evaluates every alert rule that is due and does what follows; returns how many alerts were raised. Concurrent '
    'calls are harmless: one works, the others return 0. For monitoring_admin and monitoring_service.';
