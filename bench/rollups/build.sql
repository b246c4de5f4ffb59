-- Hour by hour, then the day; late samples while 1, 4 and 16 hours are stored.
create procedure bench.plain(p_what text, p_hours integer) language plpgsql as $$
declare
    v_cpu double precision := bench.cpu_ms();
begin
    insert into bench.plain
    select series_id, date_bin('1 hour', sampled_at, '1970-01-01 00:00Z'), count(*), sum(value), min(value), max(value)
    from monitoring.samples, bench.start
    where sampled_at >= start.at and sampled_at < start.at + p_hours * interval '1 hour'
    group by 1, 2;
    commit;
    raise warning '%: processor % ms', rpad(p_what, 58), round((bench.cpu_ms() - v_cpu)::numeric, 1);
end
$$;
create table bench.plain (series_id integer, bucket_at timestamptz, n bigint, total double precision,
    low double precision, high double precision, primary key (series_id, bucket_at));
create function bench.at(p_hours double precision) returns timestamptz language sql stable as $$
    select at + p_hours * interval '1 hour' + interval '1 minute' from bench.start
$$;
create procedure bench.late(p_what text, p_hours integer) language plpgsql as $$
declare
    v_series integer := (select min(series_id) from monitoring.series where series_id % 5 = 2);
begin
    insert into monitoring.samples
    select v_series, start.at + interval '30 minutes' + random() * interval '100 s', 1 from bench.start;
    insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
    select v_series, start.at, start.at + interval '1 hour' from bench.start;
    commit;
    call bench.refresh(p_what, bench.at(p_hours));
end
$$;
set max_parallel_workers_per_gather = 0;
call bench.refresh('', bench.at(-1));

call bench.measure(0, 1);
analyze monitoring.samples, monitoring.series, monitoring.metric_families;
call bench.plain('plain: one hour by GROUP BY, without percentiles', 1);
call bench.refresh('rollups: the first hour', bench.at(1));
call bench.late('', 1);
call bench.late('one late sample, 1 hour stored', 1);
call bench.measure(1, 4);
call bench.refresh('', bench.at(4));
call bench.late('', 4);
call bench.late('one late sample, 4 hours stored', 4);
call bench.measure(4, 15);
call bench.refresh('', bench.at(15));
call bench.measure(15, 16);
analyze monitoring.samples;
call bench.refresh('rollups: the sixteenth hour', bench.at(16));
call bench.refresh('rollups: a minute later, nothing to do', bench.at(16.02));
call bench.late('', 16);
call bench.late('one late sample, 16 hours stored', 16);
call bench.measure(16, :hours);
truncate bench.plain;
call bench.plain('plain: all hours by GROUP BY, without percentiles', :hours);
call bench.refresh('rollups: the last eight hours, and the day', bench.at(:hours));
select monitoring.rebuild_rollups(at, at + :hours * interval '1 hour') as series from bench.start
\gset
call bench.refresh('rollups: all hours and the day built again', bench.at(:hours));

vacuum full analyze monitoring.rollups_1h;
vacuum full analyze monitoring.rollups_1d;
select format('hours: %s rows, %s bytes a row, %s with the index, %s entries a sketch; days: %s bytes a row, %s entries',
    hours.n, round(pg_table_size(hours.partition) / hours.n::numeric),
    round(pg_total_relation_size(hours.partition) / hours.n::numeric),
    (select round(avg(cardinality(sketch)), 1) from monitoring.rollups_1h where sketch is not null),
    round(pg_table_size(days.partition) / days.n::numeric),
    (select round(avg(cardinality(sketch)), 1) from monitoring.rollups_1d where sketch is not null))
from (select tableoid::regclass as partition, count(*) as n from monitoring.rollups_1h group by 1) as hours,
    (select tableoid::regclass as partition, count(*) as n from monitoring.rollups_1d group by 1) as days;

-- All four levels, minute by minute.
update monitoring.metric_families set retention_class = 'high_resolution' where name like 'bench\_%';
call bench.measure(:hours, :hours + 1);
analyze monitoring.samples;
call bench.refresh('', bench.at(:hours + 57.5 / 60));
call bench.refresh('all levels: a minute', bench.at(:hours + 58.5 / 60));
call bench.refresh('all levels: the minute that ends an hour', bench.at(:hours + 60.5 / 60));
