-- Ways to store 10,000 samples, each a file that COPY reads; the clock runs for the COPY and what follows, not the file.
create schema bench;
create function bench.cpu_ms() returns double precision language sql volatile as $$
    select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6
$$;
create function bench.own_mb() returns double precision language sql volatile as $$
    select substring(pg_read_file('/proc/self/status') from 'RssAnon:\s+(\d+)')::double precision / 1024
$$;
create table bench.figures (way text, wall_ms double precision, cpu_ms double precision, own_mb double precision);
create table bench.batch as
select number, 'bench_' || metric || '_total' as metric, jsonb_build_object(
    'server', 'db-' || number % 10, 'datname', 'database_' || number / 10, 'relname', 'table_' || number) as labels,
    row_number() over () as series_no
from generate_series(1, 100) as metric, generate_series(1, 100) as number;
create table bench.ids as
select unnest(monitoring.register_series(array_agg(metric), array_agg(labels))) as series_id from bench.batch;
create table bench.keyed (series_id integer not null, sampled_at timestamptz not null, value double precision not null,
    primary key (series_id, sampled_at));
create table bench.bare (series_id integer not null, sampled_at timestamptz not null, value double precision not null);
create table bench.brin (like bench.bare);
create index on bench.brin using brin (sampled_at);
create table bench.wide (
    id uuid default gen_random_uuid(), business_id uuid, metric_name varchar(100) not null,
    metric_category varchar(50) not null,
    metric_type varchar(20) not null check (metric_type in ('counter', 'gauge', 'histogram', 'summary')),
    metric_value numeric(20, 6) not null, metric_unit varchar(20), dimensions jsonb default '{}', tags jsonb default '{}',
    source_schema varchar(50), source_table varchar(100), source_query_id bigint,
    collected_at timestamptz not null default now(), processed_at timestamptz, is_anomaly boolean default false,
    anomaly_score numeric(5, 4), baseline_value numeric(20, 6), threshold_breached boolean default false,
    alert_generated boolean default false, created_at timestamptz default now(),
    retention_policy varchar(20) default 'standard');
create index on bench.wide (metric_category, collected_at desc, business_id);
create index on bench.wide (business_id, metric_name, collected_at desc) where business_id is not null;

create procedure bench.stored(p_way text, p_at timestamptz) language plpgsql as $$
declare
    v_file constant text := current_setting('data_directory') || '/bench.copy';
    v_batch_id constant uuid := gen_random_uuid();
    v_batch record;
    v_wall timestamptz;
    v_cpu double precision;
    v_accepted bigint := 10000;
begin
    if p_way like 'known%' then
        select array_agg(series_id) as ids, array_agg(random() * 1000) as value, array_agg(p_at) as at into v_batch
        from bench.ids;
    elsif p_way = 'arrays' then
        select array_agg(metric) as metric, array_agg(labels) as labels, array_agg(random() * 1000) as value,
            array_agg(p_at) as at into v_batch from bench.batch;
    elsif p_way = 'copied ids' then
        execute format('copy (select %L::uuid, series_id, random() * 1000, %L::timestamptz from bench.ids) to %L',
            v_batch_id, p_at, v_file);
    else
        execute format('copy (select %s from bench.batch cross join (select tenant_id from monitoring.tenants where is_system) as own) to %L',
            case p_way
            when 'staged' then format('%L::uuid, metric, labels, random() * 1000, %L::timestamptz', v_batch_id, p_at)
            when 'wide' then format($f$tenant_id, metric, 'tables', 'counter', (random() * 1000)::numeric(20, 6), 'rows',
                labels, 'public', labels ->> 'relname', %L::timestamptz$f$, p_at)
            else format('series_no, %L::timestamptz, random() * 1000', p_at) end, v_file);
    end if;
    v_wall := clock_timestamp();
    v_cpu := bench.cpu_ms();
    if p_way = 'arrays' then
        v_accepted := (monitoring.ingest_samples(v_batch.metric, v_batch.labels, v_batch.value, v_batch.at)).accepted;
    elsif p_way like 'known%' then
        v_accepted := (monitoring.ingest_points(v_batch.ids, v_batch.at, v_batch.value)).accepted;
    elsif p_way = 'staged' then
        execute format(
            'copy monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at) from %L', v_file);
        v_accepted := (monitoring_internal.ingest_staged(v_batch_id)).accepted;
    elsif p_way = 'copied ids' then
        execute format('copy monitoring_internal.staged_samples (batch_id, series_id, value, sampled_at) from %L', v_file);
        v_accepted := (monitoring_internal.ingest_staged(v_batch_id)).accepted;
    elsif p_way = 'wide' then
        execute format('copy bench.wide (business_id, metric_name, metric_category, metric_type, metric_value, metric_unit,
            dimensions, source_schema, source_table, collected_at) from %L', v_file);
    else
        execute format('copy bench.%I from %L', p_way, v_file);
    end if;
    commit;
    insert into bench.figures
    values (p_way, extract(epoch from clock_timestamp() - v_wall) * 1000, bench.cpu_ms() - v_cpu, bench.own_mb());
    commit;
    if v_accepted <> 10000 then
        raise exception '% accepted %', p_way, v_accepted;
    end if;
end
$$;
create procedure bench.turns(p_batches integer, p_start timestamptz) language plpgsql as $$
declare
    v_way text;
begin
    for number in 1..p_batches loop
        foreach v_way in array array['arrays', 'staged', 'known', 'copied ids', 'keyed', 'bare', 'brin', 'wide'] loop
            -- A second of its own for each: what comes twice is a duplicate.
            call bench.stored(v_way, p_start + number * interval '1 s' + case v_way when 'staged' then interval '1 hour'
                when 'known' then interval '90 min' when 'copied ids' then interval '2 hours' else '0' end);
        end loop;
    end loop;
end
$$;
-- The same in append mode, and what a closing costs.
create procedure bench.append_turns(p_batches integer) language plpgsql as $$
begin
    for number in 1..p_batches loop
        call bench.stored('known, append', date_trunc('hour', now()) + number * interval '1 s');
    end loop;
end
$$;
create procedure bench.close() language plpgsql as $$
declare
    v_partition regclass;
    v_rows bigint;
    v_cpu double precision;
begin
    select max(tableoid)::regclass, count(*) into v_partition, v_rows from monitoring.appended_samples;
    v_cpu := bench.cpu_ms();
    perform monitoring_internal.key_appended(v_partition, 'bench_key');
    v_cpu := bench.cpu_ms() - v_cpu;
    raise notice '%', format('closing in append mode: %s rows got their key, %s a processor second', v_rows, round(v_rows / v_cpu * 1000));
    rollback;
end
$$;
call bench.turns(2, now() - interval '4 hours'); -- The series are made here.
truncate bench.figures;
call bench.turns(:batches, now() - interval '3 hours');

update monitoring.partition_policies set mode = 'append', partition_interval = '1 hour'
where table_name = 'monitoring.samples';
set client_min_messages = notice;
-- Today's partition has rows: append mode would begin tomorrow. What was measured so far is not needed any more.
select format('samples in the store: %s rows, %s bytes each with their key', sum(rows), round(sum(
    pg_total_relation_size(tableoid))::numeric / sum(rows)))
from (select tableoid, count(*) as rows from monitoring.samples group by tableoid) as part;
truncate monitoring.samples;
set client_min_messages = warning;
call monitoring.maintain_partitions();
call bench.append_turns(2);
delete from bench.figures where way = 'known, append';
call bench.append_turns(:batches);
set client_min_messages = notice;
call bench.close();

create view bench.medians as
select way, percentile_cont(0.5) within group (order by wall_ms) as wall, min(wall_ms) as wall_least,
    max(wall_ms) as wall_most, percentile_cont(0.5) within group (order by cpu_ms) as cpu, min(cpu_ms) as cpu_least,
    max(cpu_ms) as cpu_most, max(own_mb) as mb, 10000 / percentile_cont(0.5) within group (order by cpu_ms) * 1000 as rate
from bench.figures group by way;
select format('%-36s: a batch wall %4s ms (%s to %s), processor %4s ms (%s to %s), %s MB; %s rows a processor second',
    name.text, round(wall), round(wall_least), round(wall_most), round(cpu), round(cpu_least), round(cpu_most), round(mb),
    round(rate))
from bench.medians
inner join (values ('staged', 'COPY and ingest_staged'), ('arrays', 'ingest_samples'), ('known', 'ingest_points'), ('copied ids', 'COPY of known series, ingest_staged'),
    ('known, append', 'ingest_points in append mode'), ('keyed', 'COPY, the store''s key alone'),
    ('brin', 'COPY, BRIN alone'), ('bare', 'COPY, nothing alone'), ('wide', 'COPY, a row a measurement')) as name (way, text)
    using (way)
order by array_position(array['arrays', 'staged', 'known', 'copied ids', 'known, append', 'keyed', 'brin', 'bare', 'wide'], way);
select format('%s: %s rows a processor second, budget %s', what, round(rate), budget)
    || case when rate >= budget then '' else ' (missed)' end
from bench.medians
inner join (values ('staged', 'by COPY and labels', 146000), ('copied ids', 'by COPY and known series', 146000), ('known', 'by known series', 146000),
    ('known, append', 'by known series in append mode', 653000)) as aim (way, what, budget) using (way)
order by way;
