-- One query a rule, as rule engines are first written: the average of the metric over the window, a comparison, a look
-- for an open alert, and an insert. It knows neither labels nor levels nor states.
create table bench.alerts (rule_no integer, status text, created_at timestamptz, message text);
create function bench.loop(p_rules integer, p_now timestamptz) returns integer language plpgsql as $$
declare
    v_rule record;
    v_value numeric;
    v_is_met boolean;
    v_raised integer := 0;
begin
    for v_rule in
        select rule.* from monitoring.alert_rules as rule where rule.source = 'user'
        order by md5(rule.rule_no::text) limit p_rules
    loop
        select avg(sample.value) into v_value
        from monitoring.samples as sample
        inner join monitoring.series as series using (series_id)
        inner join monitoring.metric_families as family using (metric_family_id)
        where family.name = v_rule.metric_name
            and sample.sampled_at > p_now - v_rule.evaluation_window and sample.sampled_at <= p_now;
        v_is_met := case v_rule.comparison_operator
            when 'gt' then v_value > v_rule.critical_threshold
            when 'lt' then v_value < v_rule.critical_threshold
            when 'eq' then v_value = v_rule.critical_threshold
            when 'ne' then v_value <> v_rule.critical_threshold
        end;
        if v_is_met and not exists (
            select 1 from bench.alerts as alert
            where alert.rule_no = v_rule.rule_no and alert.status = 'active'
                and alert.created_at > p_now - v_rule.cooldown_period)
        then
            insert into bench.alerts values (v_rule.rule_no, 'active', p_now, v_rule.rule_name || ' exceeds');
            v_raised := v_raised + 1;
        end if;
    end loop;
    return v_raised;
end
$$;
create procedure bench.loops(p_rules integer, p_runs integer) language plpgsql as $$
declare
    v_wall timestamptz;
    v_cpu double precision;
begin
    for number in 1..p_runs loop
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        perform bench.loop(p_rules, (select now_at from bench.at));
        insert into bench.figures
        values ('one query a rule', p_rules, null, extract(epoch from clock_timestamp() - v_wall) * 1000,
            bench.cpu_ms() - v_cpu, bench.own_mb());
        commit;
    end loop;
end
$$;
set jit = off;
call bench.loops(:looped, least(:runs, 3));
