-- The pass over a quarter of the rules, half, and all of them: the readings alone, and the whole of evaluate_alerts.
-- Processor time and memory are the backend's own; each share has a session of its own, so that the memory is its.
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create function bench.own_mb() returns double precision language sql volatile as $$
    select substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+(\d+)')::double precision / 1024
$$;
create procedure bench.pass(p_share integer, p_runs integer) language plpgsql as $$
declare
    v_at constant timestamptz := (select now_at - interval '10 min' from bench.at);
    v_rules integer[];
    v_pairs bigint;
    v_wall timestamptz;
    v_cpu double precision;
    v_breached bigint;
begin
    update monitoring.alert_rules set is_active = source = 'user' and rule_no % 4 < p_share;
    perform monitoring_internal.refresh_rule_bindings_at(v_at);
    v_rules := array(select rule.rule_no from monitoring.alert_rules as rule where rule.is_active);
    v_pairs := (select count(*) from monitoring.alert_bindings as binding where binding.rule_no = any (v_rules));
    commit;
    for number in 1..p_runs loop
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        select count(*) into v_breached
        from monitoring_internal.read_threshold_rules_at(v_at + number * interval '30 s', v_rules) as reading
        where reading.breached > 0;
        insert into bench.figures
        values ('readings alone', v_pairs, v_breached, extract(epoch from clock_timestamp() - v_wall) * 1000,
            bench.cpu_ms() - v_cpu, bench.own_mb());
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        v_breached := monitoring_internal.evaluate_alerts_at(v_at + number * interval '30 s');
        commit;
        insert into bench.figures
        values ('whole pass', v_pairs, v_breached, extract(epoch from clock_timestamp() - v_wall) * 1000,
            bench.cpu_ms() - v_cpu, bench.own_mb());
    end loop;
end
$$;
\connect
-- As evaluate_alerts() has them.
set jit = off;
set work_mem = '64MB';
call bench.pass(1, :runs);
vacuum (analyze) monitoring.alert_rules, monitoring.alert_rule_states;
\connect
-- As evaluate_alerts() has them.
set jit = off;
set work_mem = '64MB';
call bench.pass(2, :runs);
vacuum (analyze) monitoring.alert_rules, monitoring.alert_rule_states;
\connect
-- As evaluate_alerts() has them.
set jit = off;
set work_mem = '64MB';
call bench.pass(4, :runs);
