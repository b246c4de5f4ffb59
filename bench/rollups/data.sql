-- Series of five kinds: constant, counter, narrow gauge, heavy tail, small integers; samples in the order of time.
create schema bench;
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
-- One step of refresh_rollups() after the other, each a transaction; what they took together.
create procedure bench.refresh(p_what text, p_now timestamptz) language plpgsql as $$
declare
    v_step monitoring_internal.rollup_step;
    v_cpu double precision := bench.cpu_ms();
    v_wall timestamptz := clock_timestamp();
    v_longest double precision := 0;
    v_before double precision;
    v_late bigint;
    v_rows bigint := 0;
    v_steps integer := 0;
begin
    loop
        v_before := bench.cpu_ms();
        v_step := monitoring_internal.refresh_next_rollup_at(0, v_late, p_now);
        commit;
        exit when v_step.action is null;
        v_longest := greatest(v_longest, bench.cpu_ms() - v_before);
        v_late := v_step.late_until;
        v_rows := v_rows + coalesce(v_step.row_count, 0);
        v_steps := v_steps + 1;
    end loop;
    if p_what <> '' then
        raise warning '%: processor % ms, wall % ms, rows %, steps %, longest % ms', rpad(p_what, 58),
            round((bench.cpu_ms() - v_cpu)::numeric, 1),
            round((extract(epoch from clock_timestamp() - v_wall) * 1000)::numeric), v_rows, v_steps,
            round(v_longest::numeric, 1);
    end if;
end
$$;
create table bench.start as select date_bin('24 hours', now(), '1970-01-01 00:00Z') - interval '2 days' as at;
select monitoring.set_setting('store.max_past', '30 days') as past
\gset
select monitoring.create_partitions('monitoring.samples', at, at + interval '2 days') as partitions
from bench.start
\gset
select monitoring_internal.register_families(jsonb_agg(jsonb_build_object(
    'name', 'bench_' || n, 'kind', case n % 2 when 0 then 'gauge' else 'counter' end))) as families
from generate_series(1, 20) as n
\gset
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), family.metric_family_id, jsonb_build_object('n', n)
from monitoring.metric_families as family
cross join generate_series(1, :series / 20) as n
where family.name like 'bench\_%';
create procedure bench.measure(p_from integer, p_until integer) language plpgsql as $$
begin
    for v_hour in p_from .. p_until - 1 loop
        insert into monitoring.samples (series_id, sampled_at, value)
        select series.series_id, start.at + (v_hour * 60 + minute) * interval '1 minute' + interval '3 s',
            case series.series_id % 5
                when 0 then 42
                when 1 then (v_hour * 60 + minute) * 60 * (1 + series.series_id % 7) + floor(random() * 60)
                when 2 then 100 + 10 * random()
                when 3 then power(1 - random(), -1)
                else floor(random() * 5)
            end
        from bench.start, generate_series(0, 59) as minute, monitoring.series
        order by minute, series.series_id;
        commit;
    end loop;
end
$$;
