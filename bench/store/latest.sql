-- Reading the newest value of 100,000 series, and what a table of those values would cost.
truncate monitoring.samples;
call bench.ingest('setting up', 1, now() - interval '10 minutes');
insert into monitoring.series (tenant_id, metric_family_id, labels)
select series.tenant_id, series.metric_family_id, series.labels || jsonb_build_object('replica', replica::text)
from monitoring.series as series
inner join monitoring.metric_families as family using (metric_family_id)
cross join generate_series(1, 9) as replica
where family.name like 'bench%';

-- The query of latest_samples with a pair of plain bounds around the time.
create view bench.plain_bounds as
select latest.value, series.label_text
from monitoring.series as series
inner join monitoring.metric_families as family using (metric_family_id)
cross join lateral (
    select sample.value
    from monitoring.samples as sample
    where sample.series_id = series.series_id
        and sample.sampled_at > now() - coalesce(family.stale_after, interval '5 min')
        and sample.sampled_at <= now() + interval '10 min'
    order by sample.sampled_at desc
    limit 1
) as latest;
create table bench.latest (
    series_id integer primary key, sampled_at timestamptz, value double precision, label_text text
) with (fillfactor = 50);
insert into bench.latest select series_id, now(), 1, label_text from monitoring.series;

create procedure bench.read(p_what text, p_query text) language plpgsql as $$
declare
    v_wall timestamptz;
    v_cpu double precision;
begin
    for number in 1..7 loop
        v_wall := clock_timestamp();
        v_cpu := bench.cpu_ms();
        execute p_query;
        insert into bench.figures
        values (p_what, extract(epoch from clock_timestamp() - v_wall) * 1000, bench.cpu_ms() - v_cpu);
        commit;
    end loop;
end
$$;
create procedure bench.read_all(p_interval text) language plpgsql as $$
begin
    call bench.read(
        'latest_samples, ' || p_interval, 'select sum(value), sum(length(label_text)) from monitoring.latest_samples');
    call bench.read(
        'plain bounds, ' || p_interval, 'select sum(value), sum(length(label_text)) from bench.plain_bounds');
end
$$;

insert into monitoring.samples
select series_id, now() - step * interval '60 s', random()
from generate_series(60, 0, -1) as step, monitoring.series;
vacuum (analyze) monitoring.samples, monitoring.series, bench.latest;
call bench.read_all('60 s apart');
insert into monitoring.samples
select series_id, now() - step * interval '10 s', random()
from generate_series(36, 0, -1) as step, monitoring.series
on conflict do nothing;
analyze monitoring.samples;
call bench.read_all('10 s apart');
call bench.read('a table of latest values', 'select sum(value), sum(length(label_text)) from bench.latest');
call bench.read(
    'updating 10,000 of its rows',
    'update bench.latest set sampled_at = clock_timestamp(), value = random()
        where series_id in (select series_id from monitoring.series order by series_id limit 10000)');
select bench.report(what, 100000)
from unnest(array[
    'latest_samples, 60 s apart', 'plain bounds, 60 s apart', 'latest_samples, 10 s apart',
    'plain bounds, 10 s apart', 'a table of latest values'
]) as what;
select bench.report('updating 10,000 of its rows', 10000);
