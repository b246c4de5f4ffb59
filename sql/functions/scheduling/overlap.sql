-- scheduling/overlap.sql: runs that wait: for the one before them, for the jobs they need, for room on a target.
-- Owns open_held_runs_at, settle_older_runs_at, needs_verdict, held_runs_at, unblock_runs_at. Writes job_leases and,
-- through end_run_at, the ledger.
-- Concurrency: a job's ticks come one after the other, by its state row; runs that wait are taken with skip locked,
-- and nobody waits for a run that is just ending. The advisory lock of start_run has the last word.

-- Write the runs of a tick that something may hold up, one a slot and place, all of them waiting.
-- Returns their numbers. Called by: tick_jobs_at.
create or replace function monitoring_internal.open_held_runs_at(
    p_plans monitoring_internal.planned_slot[], p_now timestamptz)
returns bigint[]
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_run_ids bigint[];
begin
    with opened as (
        insert into monitoring.job_leases as lease (
            job_id, slot, target, target_id, planned_at, claimable_at, deadline_at, is_folded, is_transactional,
            waits_for)
        select plan.job_id, run.slot, place.target,
            case when job.targets is not null and place.target <> '' then coalesce(target.target_id, -1) end,
            run.slot + job.start_delay, run.slot + job.start_delay,
            run.slot + job.start_delay + job.start_deadline, plan.is_folded, plan.is_transactional,
            case
                when job.needs <> '{}' then 'needs'
                when job.overlap in ('queue', 'cancel') then 'overlap'
                when job.targets is not null then 'target'
            end
        from unnest(p_plans) as plan
        join monitoring.jobs as job on job.job_id = plan.job_id
        cross join lateral unnest(plan.run_slots) as run (slot)
        cross join lateral unnest(coalesce(nullif(plan.targets, '{}'), array[''])) as place (target)
        left join monitoring.targets as target on target.name = place.target
        where not plan.is_plain
        on conflict (job_id, slot, target) do nothing
        returning lease.run_id
    )
    select array_agg(opened.run_id) into v_run_ids from opened;
    perform monitoring_internal.settle_older_runs_at(v_run_ids, p_now);
    perform monitoring_internal.unblock_runs_at(p_now);
    return coalesce(v_run_ids, array[]::bigint[]);
end;
$$;

comment on function monitoring_internal.open_held_runs_at(monitoring_internal.planned_slot[], timestamptz) is
    'Writes the runs of a tick that something may hold up, all of them waiting.';

-- What new runs mean for those of the same job that wait since an earlier slot, and the other way round.
-- A pause between attempts ends; with overlap cancel what waits goes; else one waits, and the new one is skipped.
-- A run without any place to run in ends as well. Called by: open_held_runs_at.
create or replace function monitoring_internal.settle_older_runs_at(p_run_ids bigint[], p_now timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
    perform monitoring_internal.end_run_at(
        older.lease,
        case when older.retry_count > 0 then 'failed' else 'cancelled' end,
        case when older.retry_count > 0 then 'next_slot' else 'overlap' end, null, p_now)
    from (
        select lease, lease.retry_count
        from monitoring.job_leases as lease
        join monitoring.job_leases as new
            on new.job_id = lease.job_id and new.target = lease.target and new.slot > lease.slot
        join monitoring.jobs as job on job.job_id = lease.job_id
        where new.run_id = any (p_run_ids) and lease.run_id <> all (p_run_ids) and lease.instance_id is null
            and lease.trigger = 'schedule' and (lease.retry_count > 0 or job.overlap = 'cancel')
        for update of lease skip locked
    ) as older;
    perform monitoring_internal.end_run_at(
        new, 'skipped', case when job.is_fanned_out and new.target = '' then 'no_target' else 'overlap' end,
        null, p_now)
    from monitoring.job_leases as new
    join monitoring.jobs as job on job.job_id = new.job_id
    where new.run_id = any (p_run_ids)
        and (
            (job.is_fanned_out and new.target = '')
            or (job.overlap in ('skip', 'queue')
                and (
                    select count(*)
                    from monitoring.job_leases as older
                    where older.job_id = new.job_id and older.target = new.target and older.slot < new.slot
                        and older.waits_for is not null
                ) >= case job.misfire when 'all' then job.misfire_limit else 1 end)
        );
end;
$$;

comment on function monitoring_internal.settle_older_runs_at(bigint[], timestamptz) is
    'Ends what waited before new runs of the same job, or the new ones, as the job''s overlap policy says.';

-- Whether a slot may start as far as the jobs it needs go: ready, pending, needs_failed or needs_missed.
-- What counts is the latest slot of each at or before this one; without any it was missed.
-- Called by: held_runs_at.
create or replace function monitoring_internal.needs_verdict(p_needs text[], p_slot timestamptz)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_verdicts text[];
begin
    select array_agg(case
        when job.job_id is null then 'needs_missed'
        when state.next_slot_at <= p_slot and state.next_due_at < 'infinity' and error.job_id is null then 'pending'
        when open.slot >= ended.slot or (open.slot is not null and ended.slot is null) then 'pending'
        when ended.has_succeeded and not exists (
            -- A row for several slots stands at the last of them.
            select from monitoring.job_runs as run
            where run.job_id = job.job_id and run.slot > p_slot and run.first_slot_at <= p_slot and run.slot_count > 1
        ) then 'ready'
        when ended.has_failed then 'needs_failed'
        else 'needs_missed'
    end)
    into v_verdicts
    from unnest(p_needs) as need (name)
    left join monitoring.jobs as job on job.name = need.name and job.retired_at is null
    left join monitoring.job_state as state on state.job_id = job.job_id
    left join monitoring.job_errors as error on error.job_id = job.job_id
    left join lateral (
        select max(lease.slot) as slot
        from monitoring.job_leases as lease
        where lease.job_id = job.job_id and lease.slot <= p_slot
    ) as open on true
    left join lateral (
        select run.slot, bool_and(run.status = 'succeeded') as has_succeeded,
            bool_or(run.status not in ('succeeded', 'skipped', 'missed')) as has_failed
        from monitoring.job_runs as run
        where run.job_id = job.job_id and run.slot <= p_slot
        group by run.slot
        order by run.slot desc
        limit 1
    ) as ended on true;
    return case
        when 'needs_failed' = any (v_verdicts) then 'needs_failed'
        when 'needs_missed' = any (v_verdicts) then 'needs_missed'
        when 'pending' = any (v_verdicts) then 'pending'
        else 'ready'
    end;
end;
$$;

comment on function monitoring_internal.needs_verdict(text[], timestamptz) is
    'Whether a slot may start as far as the jobs it needs go: ready, pending, needs_failed, needs_missed.';

-- The runs that wait for another, with what is to become of each: free, held, or the reason of its end.
-- Called by: unblock_runs_at.
create or replace function monitoring_internal.held_runs_at(p_now timestamptz)
returns table (lease monitoring.job_leases, overlap text, verdict text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
begin
    return query
    select waiting.lease, waiting.overlap, case
        when (waiting.lease).deadline_at < p_now then 'start_deadline'
        when needs.verdict = 'pending' then 'pending'
        when needs.verdict <> 'ready' then needs.verdict
        when waiting.overlap in ('queue', 'cancel') and exists (
            select from monitoring.job_leases as other
            where other.job_id = (waiting.lease).job_id and other.target = (waiting.lease).target
                and other.run_id <> (waiting.lease).run_id
                -- At work, let go before, or older.
                and (other.waits_for is null or other.slot < (waiting.lease).slot)
        ) then 'held'
        else 'free'
    end
    from (
        select held as lease, job.overlap, job.needs
        from monitoring.job_leases as held
        join monitoring.jobs as job on job.job_id = held.job_id
        where held.waits_for is not null and held.claimable_at <= p_now
        order by held.slot
        for update of held skip locked
    ) as waiting
    cross join lateral (
        select case when (waiting.lease).waits_for = 'needs'
            then monitoring_internal.needs_verdict(waiting.needs, (waiting.lease).slot) else 'ready' end as verdict
    ) as needs;
end;
$$;

comment on function monitoring_internal.held_runs_at(timestamptz) is
    'The runs that wait for another, with what is to become of each.';

-- Let go the runs that need not wait any more, end those that wait in vain, and ask for the end of those in the way
-- of a job whose overlap is cancel. Returns how many were let go.
-- Called by: claim_due_at, open_held_runs_at.
create or replace function monitoring_internal.unblock_runs_at(p_now timestamptz)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
    v_held record;
    v_freed integer := 0;
begin
    -- A loop: each is settled in its own way, and there are few.
    for v_held in select held.* from monitoring_internal.held_runs_at(p_now) as held loop
        case
            when v_held.verdict = 'free' and (v_held.lease).target_id is not null
                and not monitoring_internal.take_target_room((v_held.lease).target_id, p_now)
            then
                update monitoring.job_leases as lease
                set waits_for = 'target', claimable_at = p_now + interval '1 second'
                where lease.run_id = (v_held.lease).run_id;
            when v_held.verdict = 'free' then
                update monitoring.job_leases as lease
                set waits_for = null
                where lease.run_id = (v_held.lease).run_id;
                v_freed := v_freed + 1;
            when v_held.verdict = 'held' then
                update monitoring.job_leases as lease
                set waits_for = 'overlap'
                where lease.run_id = (v_held.lease).run_id and lease.waits_for in ('needs', 'target');
                if v_held.overlap = 'cancel' then
                    perform monitoring_internal.request_cancel(
                        (v_held.lease).job_id, (v_held.lease).target, null, 'overlap');
                end if;
            when v_held.verdict = 'pending' then
                null;
            when v_held.verdict = 'start_deadline' then
                perform monitoring_internal.end_run_at(v_held.lease, 'missed', 'start_deadline', null, p_now);
            else
                perform monitoring_internal.end_run_at(v_held.lease, 'skipped', v_held.verdict, null, p_now);
        end case;
    end loop;
    return v_freed;
end;
$$;

comment on function monitoring_internal.unblock_runs_at(timestamptz) is
    'Lets go the runs that need not wait for another any more, and ends those that wait in vain.';
