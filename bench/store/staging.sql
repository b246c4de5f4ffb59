-- The same batches by COPY into staging and ingest_staged, one transaction each.
create procedure bench.stage(p_what text, p_batches integer, p_start timestamptz) language plpgsql as $$
declare
    v_file constant text := current_setting('data_directory') || '/bench.copy';
    v_batch_id uuid;
    v_wall timestamptz;
    v_cpu double precision;
    v_result monitoring.ingest_result;
begin
    for number in 1..p_batches loop
        v_batch_id := gen_random_uuid();
        execute format(
            'copy (select %L::uuid, sample.metric, sample.labels, random(), %L::timestamptz
                from bench.batch cross join unnest(batch.metric, batch.labels) as sample (metric, labels)) to %L',
            v_batch_id, p_start + number * interval '1 s', v_file);
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        execute format(
            'copy monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at) from %L', v_file);
        v_result := monitoring_internal.ingest_staged(v_batch_id);
        commit;
        insert into bench.figures
        values (p_what, extract(epoch from clock_timestamp() - v_wall) * 1000, bench.cpu_ms() - v_cpu);
        if v_result.accepted <> 10000 then
            raise exception 'accepted %', v_result;
        end if;
    end loop;
end
$$;
call bench.stage('COPY and ingest_staged, 10,000 samples', :batches, now() - interval '1 hour');
select bench.report('COPY and ingest_staged, 10,000 samples', 10000);
