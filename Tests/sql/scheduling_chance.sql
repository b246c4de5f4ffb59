-- Chance decides what happens to jobs of every policy, a thousand times: every slot still ends in exactly one way.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

select monitoring_internal.schedule_job_at(job, '2030-01-01 00:00:00Z')
from unnest(array[
    '{"name": "skip", "schedule": "@every 5s", "sql": "select 1"}',
    '{"name": "load", "schedule": "@every 20s", "sql": "select 1", "history": "all", "overlap": "queue"}',
    '{"name": "report", "schedule": "*/40 * * * * *", "sql": "select 1", "history": "all", "needs": ["load"]}',
    '{"name": "queue", "schedule": "@every 10s", "sql": "select 1", "overlap": "queue", "start_deadline": "60s"}',
    '{"name": "cancel", "schedule": "@every 15s", "sql": "select 1", "overlap": "cancel", "mode": "transaction"}',
    '{"name": "allow", "schedule": "@every 10s", "sql": "select 1", "overlap": "allow", "misfire": "all", "misfire_limit": 3}',
    '{"name": "all", "schedule": "*/30 * * * * *", "sql": "call x()", "mode": "procedure", "overlap": "queue", "misfire": "all",
        "misfire_limit": 5}',
    '{"name": "fresh", "schedule": "@every 1m", "sql": "select 1", "misfire": "skip", "history": "all"}',
    '{"name": "again", "schedule": "@every 1m", "sql": "select 1", "history": "all",
        "retries": {"attempts": 3, "base": "2s", "cap": "30s"}}',
    '{"name": "again-all", "schedule": "@every 30s", "sql": "select 1", "overlap": "cancel", "needs": ["load"],
        "retries": {"attempts": 3, "base": "2s", "cap": "30s"}, "history": "all"}',
    '{"name": "wide", "schedule": "@every 1m", "sql": "select 1", "databases": {"match": "^(postgres|template1)$"},
        "overlap": "queue", "history": "all"}'
]::jsonb[]) as job;

-- What is wrong with the books at this moment: lost or doubled slots, ends that the ledger does not hold, two runs at
-- once of a job that may have one.
create function pg_temp.faults() returns text
language sql as $$
    select string_agg(fault, '; ')
    from (
        select format('%s: difference %s', name, difference) from monitoring.job_slot_balance where difference <> 0
        union all
        select format('%s: the ledger lacks %s', job.name, total.failed_total + total.timed_out_total + total.cancelled_total
            + total.skipped_total + total.missed_total + total.uncertain_total + total.succeeded_total
            - coalesce(run.slots, 0) - coalesce(rollup.slots, 0))
        from monitoring.jobs as job
        join monitoring.job_totals as total using (job_id)
        left join (select job_id, sum(slot_count) as slots from monitoring.job_runs group by job_id) as run using (job_id)
        left join (select name, sum(succeeded_total) as slots from monitoring.job_rollups group by name) as rollup
            on rollup.name = job.name
        where total.failed_total + total.timed_out_total + total.cancelled_total + total.skipped_total + total.missed_total
            + total.uncertain_total + total.succeeded_total <> coalesce(run.slots, 0) + coalesce(rollup.slots, 0)
        union all
        select format('%s runs twice', job.name)
        from monitoring.job_leases as lease
        join monitoring.jobs as job using (job_id)
        where lease.instance_id is not null and job.overlap in ('queue', 'cancel')
        group by job.name, lease.target
        having count(*) > 1
    ) as book (fault)
$$;

-- One thing that happens, by chance, to a run that executes.
create function pg_temp.befall(p_lease monitoring.job_leases, p_chance double precision, p_now timestamptz) returns void
language plpgsql as $$
begin
    case
        when p_chance < 0.45 then
            perform monitoring_internal.finish_run_at(p_lease.run_id, p_lease.fence, 1, p_now - interval '1 s', p_now);
        when p_chance < 0.8 then
            perform monitoring_internal.fail_run_at(
                p_lease.run_id, p_lease.fence, (array['22012', '57014', 'PV102', '40001', '25P03'])[1 + floor(random() * 5)::integer],
                'x', null, null, p_now - interval '1 s', p_now);
        when p_chance < 0.9 then
            perform monitoring_internal.release_run(p_lease.run_id, p_lease.fence);
        else
            perform monitoring_internal.abandon_run(p_lease.run_id, p_lease.fence);
            perform monitoring_internal.settle_orphans_at(p_now);
    end case;
end
$$;

create function pg_temp.happen(p_steps integer, p_start timestamptz) returns text
language plpgsql as $$
declare
    v_now timestamptz := p_start;
    v_name text;
    v_faults text;
begin
    for v_step in 1..p_steps loop
        v_now := v_now + make_interval(secs => random() * case when random() < 0.02 then 600 else 6 end);
        v_name := (select name from monitoring.jobs order by random() limit 1);
        case floor(random() * 12)::integer
            when 0 then perform monitoring_internal.run_job_at(v_name, null, v_now);
            when 1 then perform monitoring_internal.cancel_run_at(v_name, null, v_now);
            when 2 then
                if random() < 0.4 then
                    perform monitoring_internal.pause_job_at(v_name, v_now + random() * interval '2 min', null, v_now);
                else
                    perform monitoring_internal.resume_job_at(v_name, v_now);
                end if;
            when 3, 4, 5, 6 then
                -- Backends that are none: such a run ends as soon as somebody looks after it.
                perform monitoring_internal.claim_due_at('00000000-0000-4000-8000-00000000000a', array[-1, -2, -3],
                    array_fill(v_now, array[3]), v_now);
            else
                perform pg_temp.befall(lease, random(), v_now)
                from (select * from monitoring.job_leases where instance_id is not null order by random() limit 1) as lease;
        end case;
        v_faults := pg_temp.faults();
        if v_faults is not null then
            return format('after %s steps: %s', v_step, v_faults);
        end if;
    end loop;
    -- Nothing new, and what is open comes to its end.
    update monitoring.job_state set next_due_at = 'infinity';
    for v_step in 1..400 loop
        v_now := v_now + interval '30 s';
        perform monitoring_internal.claim_due_at('00000000-0000-4000-8000-00000000000a', array[-1, -2, -3],
            array_fill(v_now, array[3]), v_now);
        perform monitoring_internal.finish_run_at(lease.run_id, lease.fence, 1, v_now, v_now)
        from monitoring.job_leases as lease where instance_id is not null;
    end loop;
    return pg_temp.faults();
end
$$;

select setseed(0.20260101);
select is(pg_temp.happen(1200, '2030-01-01 00:00:01Z'), null, 'after every step the books balance');
select is((select count(*) from monitoring.job_leases), 0::bigint, 'in the end nothing is open');
select is_empty(
    $$ select expected from unnest(array['succeeded', 'failed', 'timed_out', 'cancelled requested', 'cancelled overlap',
        'skipped overlap', 'skipped paused', 'skipped needs_failed', 'missed misfire', 'missed start_deadline',
        'failed backend_lost', 'uncertain backend_lost']) as expected
       where expected not in (select concat_ws(' ', status, reason) from monitoring.job_runs) $$,
    'every way to end was taken');

select * from finish();
rollback;
