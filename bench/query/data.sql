-- What is measured with, and 50,000 series of 2,500 hosts with their newest values.
create schema bench;
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create table bench.figures (part text, what text, wall_ms double precision, cpu_ms double precision);
create table bench.loads (part text, samples bigint, seconds double precision, rollup_seconds double precision);
-- One question p_repeat times, each with another number for %s; the first is not counted.
create procedure bench.ask(p_part text, p_what text, p_repeat integer, p_most integer, p_query text) language plpgsql as $$
declare
    v_wall timestamptz;
    v_cpu double precision;
    v_query text;
begin
    for number in 0..p_repeat loop
        v_query := replace(p_query, '%s', (1 + number * 7919 % p_most)::text);
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        execute v_query;
        if number > 0 then
            insert into bench.figures
            values (p_part, p_what, extract(epoch from clock_timestamp() - v_wall) * 1000, bench.cpu_ms() - v_cpu);
        end if;
        commit;
    end loop;
end
$$;
create view bench.ends as select date_trunc('hour', now(), 'UTC') as end_at, date_trunc('hour', now(), 'UTC') - interval '7 days' as start_at;

-- What is asked of these is their newest value: they are not rolled up, and stay current while the bench runs.
insert into monitoring.retention_classes (name, raw_retention) values ('bench_raw', '90 days');
select monitoring_internal.register_families(jsonb_agg(jsonb_build_object(
    'name', 'bench_host_' || n, 'kind', 'gauge', 'retention_class', 'bench_raw', 'stale_after', '1 day')))
from generate_series(1, 20) as n;
select monitoring_internal.register_families('[{"name": "bench_latency", "kind": "gauge"}]');
insert into monitoring.series (tenant_id, metric_family_id, labels)
select tenant.tenant_id, family.metric_family_id, jsonb_build_object('host_id', 'h' || host, 'datacenter', 'd' || host % 5)
from monitoring.tenants as tenant, monitoring.metric_families as family, generate_series(1, 2500) as host
where tenant.is_system and family.name ~ '^bench_host_';
insert into monitoring.samples (series_id, sampled_at, value)
select series.series_id, now() - minute * interval '1 min', random()
from generate_series(15, 0, -1) as minute, monitoring.series join monitoring.metric_families as family using (metric_family_id)
where family.name ~ '^bench_host_';
select count(*) >= 0 from monitoring.create_partitions('monitoring.samples', (select start_at from bench.ends), now()) as made;
