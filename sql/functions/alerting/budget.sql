-- alerting/budget.sql: rules that take too long are evaluated apart from the others, and do not hold them up.
-- Owns statement_age, is_time_up, part_slow_rules, try_alert_rules_at, settle_apart_rules_at, evaluate_apart_rules_at.
-- Writes alert_rule_states. Concurrency: for the evaluator, behind its lock.

-- How long the statement of the caller has been at work.
create or replace function monitoring_internal.statement_age()
returns interval
language sql volatile parallel restricted
begin atomic
    select clock_timestamp() - statement_timestamp();
end;

comment on function monitoring_internal.statement_age() is 'How long the statement of the caller has been at work.';

-- Whether a statement that was cancelled has used up its time, rather than that somebody wants it to end. A replay has
-- no time of its own: who set the limit gets the error.
create or replace function monitoring_internal.is_time_up()
returns boolean
language sql volatile parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    -- The timer starts a little later than the statement; nobody cancels in the last moment.
    select allowed.time > interval '0' and monitoring_internal.statement_age() > 0.98 * allowed.time
        and not monitoring_internal.is_replay()
    from (select current_setting('statement_timeout')::interval) as allowed (time);
$$;

comment on function monitoring_internal.is_time_up() is
    'Whether the statement has used up its statement_timeout; never in a replay.';

-- Have rules evaluated apart, in two groups of about the same work, by what they read: the one that reads more than
-- all the others is alone at once. One rule is a group by itself.
create or replace function monitoring_internal.part_slow_rules(p_pass_id bigint, p_rules integer[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with work as (
        select rule.rule_no, (1 + state.series_matched) * extract(epoch from
            greatest(rule.evaluation_window, rule.trend_period, interval '1 second')) as amount
        from monitoring.alert_rules as rule
        inner join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
        where rule.rule_no = any (p_rules)
    ), ranked as (
        select work.rule_no, row_number() over (order by work.amount desc, work.rule_no desc) as place,
            sum(work.amount) over (order by work.amount, work.rule_no) as up_to, sum(work.amount) over () as total
        from work
    )
    update monitoring.alert_rule_states as state
    set apart_group = 2 * p_pass_id + (ranked.place = 1 or ranked.up_to > ranked.total / 2)::integer
    from ranked
    where state.rule_no = ranked.rule_no;
$$;

comment on function monitoring_internal.part_slow_rules(bigint, integer[]) is
    'Has rules that took too long evaluated apart, in two groups of about the same work.';

-- Evaluate rules of one type. In a live pass, rules that run into the time limit of the statement, or take longer than
-- a pass should, are evaluated apart from then on: in the first case nothing of them is done.
create or replace function monitoring_internal.try_alert_rules_at(
    p_now timestamptz, p_pass_id bigint, p_condition_type text, p_rules integer[], p_is_live boolean,
    out failed integer[], out errors text[], out is_late boolean)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_began constant interval := monitoring_internal.statement_age();
begin
    is_late := false;
    select coalesce(array_agg(broken.rule_no), '{}'), coalesce(array_agg(broken.error), '{}') into failed, errors
    from monitoring_internal.run_alert_rules_at(p_now, p_pass_id, p_condition_type, p_rules) as broken;
    if p_is_live and monitoring_internal.statement_age() - v_began
        > monitoring_internal.setting_interval('alerting.pass_budget')
    then
        perform monitoring_internal.part_slow_rules(p_pass_id, p_rules);
    end if;
exception when query_canceled then -- whoever wants it to end sees it end; a rule that is too slow stops no other
    if not p_is_live or not monitoring_internal.is_time_up() then
        raise;
    end if;
    perform monitoring_internal.part_slow_rules(p_pass_id, p_rules);
    failed := '{}';
    errors := '{}';
    is_late := true;
end;
$$;

comment on function monitoring_internal.try_alert_rules_at(timestamptz, bigint, text, integer[], boolean) is
    'Evaluates rules of one type; returns those that failed, and whether time ran out: then none was evaluated.';

-- What becomes of a group that was evaluated apart. One that was slow or did not end is halved until the rule is
-- alone; that one comes again when the others have had ten times as long, and with a delay that doubles if it failed.
create or replace function monitoring_internal.settle_apart_rules_at(
    p_now timestamptz, p_pass_id bigint, p_rules integer[], p_took interval, p_is_late boolean)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_slow constant boolean := p_is_late
        or p_took > monitoring_internal.setting_interval('alerting.pass_budget') / 4;
begin
    if cardinality(p_rules) > 1 and v_is_slow then
        perform monitoring_internal.part_slow_rules(p_pass_id, p_rules);
        return;
    end if;
    if p_is_late then
        perform monitoring_internal.note_alert_rules_at(p_now, p_rules, p_rules, array[format(
            'it took longer than the %s s that its pass had left (57014); shorten its window, let it match less, or '
                'raise the timeout of job evaluate-alerts',
            round(extract(epoch from p_took), 1))]);
        -- Of no pass, as what people do: the next one tells.
        perform monitoring_internal.raise_rule_errors_at(p_now, null, p_rules);
    end if;
    update monitoring.alert_rule_states as state
    set apart_group = case when v_is_slow then state.apart_group end,
        took = case when v_is_slow then p_took end,
        next_evaluation_at = case
            when p_is_late then p_now + least(10 * p_took * power(2, least(state.failures, 10) - 1), interval '1 hour')
            when v_is_slow then greatest(state.next_evaluation_at, p_now + 10 * p_took)
            else state.next_evaluation_at
        end
    where state.rule_no = any (p_rules);
end;
$$;

comment on function monitoring_internal.settle_apart_rules_at(timestamptz, bigint, integer[], interval, boolean) is
    'Decides how rules that were evaluated apart go on: with the others, halved, later, or as failed.';

-- Evaluate the rules that are too slow for the pass of the others, group by group, each in a pass of its own; none is
-- begun once the budget is used up. Returns how many alerts they raised.
-- Called by: evaluate_alerts_at.
create or replace function monitoring_internal.evaluate_apart_rules_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_budget constant interval := monitoring_internal.setting_interval('alerting.pass_budget');
    v_at timestamptz := p_now;
    v_group record;
    v_began interval;
    v_is_late boolean := false;
    v_raised integer := 0;
begin
    if not exists (select from monitoring.alert_rule_states as state where state.apart_group is not null) then
        return 0;
    end if;
    -- A loop, since each group is a pass with an end of its own; those that came last go last.
    for v_group in
        select state.apart_group, array_agg(state.rule_no order by state.rule_no) as rules
        from monitoring.alert_rule_states as state
        where state.apart_group is not null
            and state.rule_no = any (array(
                select unnest(monitoring_internal.due_alert_rules_at(p_now, true))))
        group by state.apart_group
        order by state.apart_group
    loop
        v_began := monitoring_internal.statement_age();
        exit when v_is_late or v_began > v_budget;
        v_at := v_at + interval '1 millisecond';
        begin
            v_raised := v_raised + monitoring_internal.evaluate_alerts_at(v_at, v_group.rules);
        exception when query_canceled then -- the others were evaluated before it, and are kept
            v_is_late := monitoring_internal.is_time_up();
            if not v_is_late then
                raise;
            end if;
        end;
        perform monitoring_internal.settle_apart_rules_at(
            v_at, nextval('monitoring.alert_passes_pass_id_seq'), v_group.rules,
            monitoring_internal.statement_age() - v_began, v_is_late);
    end loop;
    return v_raised;
end;
$$;

comment on function monitoring_internal.evaluate_apart_rules_at(timestamptz) is
    'Evaluates the rules that are too slow for the pass of the others; returns how many alerts they raised.';
