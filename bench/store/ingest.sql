-- Batches of 10,000 samples over 10,000 series, each batch a transaction.
create schema bench;
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create table bench.figures (what text, wall_ms double precision, cpu_ms double precision);
create table bench.batch as
select
    array_agg('bench_' || metric || '_total' order by metric, number) as metric,
    array_agg(jsonb_build_object(
        'server', 'db-' || number % 10, 'datname', 'database_' || number / 10, 'relname', 'table_' || number)
        order by metric, number) as labels
from generate_series(1, 100) as metric, generate_series(1, 100) as number;

create procedure bench.ingest(p_what text, p_batches integer, p_start timestamptz) language plpgsql as $$
declare
    v_batch bench.batch;
    v_values double precision[];
    v_times timestamptz[];
    v_wall timestamptz;
    v_cpu double precision;
    v_result monitoring.ingest_result;
begin
    select * into v_batch from bench.batch;
    for number in 1..p_batches loop
        v_values := array(select random() * 1000 from generate_series(1, 10000));
        v_times := array_fill(p_start + number * interval '1 s', array[10000]);
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        v_result := monitoring.ingest_samples(v_batch.metric, v_batch.labels, v_values, v_times);
        commit;
        insert into bench.figures
        values (p_what, extract(epoch from clock_timestamp() - v_wall) * 1000, bench.cpu_ms() - v_cpu);
        if v_result.accepted <> 10000 then
            raise exception 'accepted %', v_result;
        end if;
    end loop;
end
$$;
create function bench.report(p_what text, p_rows bigint) returns text language sql stable as $$
    select format(
        '%s: wall median %s ms (%s to %s), processor median %s ms (%s to %s), %s a processor second',
        rpad(p_what, 40),
        round((percentile_cont(0.5) within group (order by wall_ms))::numeric), round(min(wall_ms)::numeric),
        round(max(wall_ms)::numeric),
        round((percentile_cont(0.5) within group (order by cpu_ms))::numeric), round(min(cpu_ms)::numeric),
        round(max(cpu_ms)::numeric),
        round((p_rows * count(*) / sum(cpu_ms) * 1000)::numeric))
    from bench.figures
    where what = p_what
$$;

call bench.ingest('10,000 new series and their samples', 1, now() - interval '3 hours');
call bench.ingest('ingest_samples, 10,000 samples', :batches, now() - interval '2 hours');
select bench.report('10,000 new series and their samples', 10000);
select bench.report('ingest_samples, 10,000 samples', 10000);
