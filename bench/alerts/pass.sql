-- The pass over a quarter of the rules, half, and all of them. Processor time and peak are the backend's own; each
-- share has a session of its own, so that the peak is its.
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create function bench.peak_mb() returns double precision language sql volatile as $$
    select substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+(\d+)')::double precision / 1024
$$;
create procedure bench.read(p_share integer, p_runs integer) language plpgsql as $$
declare
    v_rules constant integer[] := array(
        select rule.rule_no from monitoring.alert_rules as rule where rule.rule_no % 4 < p_share);
    v_pairs constant bigint := (
        select count(*) from monitoring.alert_bindings as binding where binding.rule_no = any (v_rules));
    v_wall timestamptz;
    v_cpu double precision;
    v_breached bigint;
begin
    for number in 1..p_runs loop
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        select count(*) into v_breached
        from monitoring_internal.read_threshold_rules_at((select now_at from bench.at), v_rules) as reading
        where reading.breached > 0;
        insert into bench.figures
        values ('read', v_pairs, v_breached, extract(epoch from clock_timestamp() - v_wall) * 1000,
            bench.cpu_ms() - v_cpu, bench.peak_mb());
    end loop;
end
$$;
\connect
call bench.read(1, :runs);
\connect
call bench.read(2, :runs);
\connect
call bench.read(4, :runs);
