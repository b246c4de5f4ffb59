-- One line of figures for the slots that were planned between :from and :until.
with planned as (
    select start.job, start.slot, extract(epoch from start.started_at - start.slot - job.start_delay) * 1000 as late_ms,
        start.slot + job.start_delay < :'from'::timestamptz + (:'until'::timestamptz - :'from'::timestamptz) / 2 as is_early
    from bench.starts as start
    join monitoring.jobs as job on job.name = 'bench-' || start.job
    where start.slot + job.start_delay between :'from' and :'until'
), per_job as (
    select job, count(*) as slots from planned group by job
), ends as (
    select sum(missed_total + skipped_total) as missed, sum(failed_total + timed_out_total + cancelled_total
        + uncertain_total) as failed
    from monitoring.job_status where name like 'bench-%'
)
select
    count(*),
    -- A slot that left no mark is missed too.
    (select missed from ends) + (
        select count(*) from generate_series(
            date_trunc('second', :'from'::timestamptz) + interval '2 s', :'until'::timestamptz - interval '2 s', '1 s') as slot
        cross join monitoring.jobs as job
        where job.name like 'bench-%' and job.retired_at is null and not exists (
            select from bench.starts as start
            where start.job = substr(job.name, 7)::integer and start.slot = slot.slot)),
    (select failed from ends),
    (select min(slots) from per_job),
    (select max(slots) from per_job),
    round(percentile_disc(0.5) within group (order by late_ms)::numeric, 1),
    round(percentile_disc(0.99) within group (order by late_ms)::numeric, 1),
    round(max(late_ms)::numeric, 1),
    -- Growth of the lateness from the first half to the second.
    round((avg(late_ms) filter (where not is_early) - avg(late_ms) filter (where is_early))::numeric, 1)
from planned;
