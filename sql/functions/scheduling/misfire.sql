-- scheduling/misfire.sql: which of the slots that passed still run.
-- Owns slot_fate, latest_slots. Writes nothing.
-- Concurrency: reads at one snapshot.

-- What becomes of the slots of a job that came due: which run, up to which one the others are missed, and why.
-- The last slot runs if it is the last indeed, neither paused nor late; with misfire all those before it as well.
-- Called by: planned_slots_at.
create or replace function monitoring_internal.slot_fate(
    p_job monitoring.jobs, p_first_slot_at timestamptz, p_previous_slot_at timestamptz, p_last_slot_at timestamptz,
    p_slot_count bigint, p_is_complete boolean, p_is_paused boolean, p_now timestamptz,
    out slots timestamptz[], out missed_slot_at timestamptz, out missed_reason text)
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_planned_at constant timestamptz := p_last_slot_at + p_job.start_delay;
begin
    missed_reason := case
        when p_is_paused then 'paused'
        when not p_is_complete then 'misfire'
        when p_job.misfire = 'skip' and v_planned_at < p_now - (
            select setting.value::interval from monitoring.settings as setting
            where setting.name = 'scheduling.misfire_grace') then 'misfire'
        when v_planned_at + p_job.start_deadline < p_now then 'start_deadline'
    end;
    if p_slot_count = 0 or missed_reason is not null then
        missed_slot_at := p_last_slot_at;
    elsif p_job.misfire <> 'all' then
        slots := array[p_last_slot_at];
        missed_slot_at := p_previous_slot_at;
    else
        slots := monitoring_internal.latest_slots(p_job, p_first_slot_at, p_last_slot_at, p_slot_count);
        if cardinality(slots) > p_job.misfire_limit then
            missed_slot_at := slots[1];
            slots := slots[2:];
        end if;
    end if;
    missed_reason := coalesce(missed_reason, 'misfire');
end;
$$;

comment on function monitoring_internal.slot_fate(
    monitoring.jobs, timestamptz, timestamptz, timestamptz, bigint, boolean, boolean, timestamptz) is
    'What becomes of the slots of a job that came due: which run, and why the others are missed.';

-- The slots of a job from p_first_slot_at to p_last_slot_at, p_slot_count in number: the last misfire_limit of them,
-- and the one before these, which is the last that is missed.
-- Called by: slot_fate.
create or replace function monitoring_internal.latest_slots(
    p_job monitoring.jobs, p_first_slot_at timestamptz, p_last_slot_at timestamptz, p_slot_count bigint)
returns timestamptz[]
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count constant integer := least(p_slot_count, p_job.misfire_limit + 1);
    v_slot timestamptz := p_first_slot_at;
    v_slots timestamptz[];
begin
    if p_job.fixed_period is not null then
        return array(
            select p_last_slot_at - step.number * p_job.fixed_period
            from generate_series(v_count - 1, 0, -1) as step (number));
    end if;
    -- A loop: each slot is known only from the one before it.
    for v_number in 1..p_slot_count loop
        if v_number > p_slot_count - v_count then
            v_slots := v_slots || v_slot;
        end if;
        if v_number < p_slot_count then
            v_slot := monitoring.cron_next(p_job.schedule, v_slot, p_job.time_zone, p_job.dst);
        end if;
    end loop;
    return v_slots;
end;
$$;

comment on function monitoring_internal.latest_slots(monitoring.jobs, timestamptz, timestamptz, bigint) is
    'The slots that misfire all makes up for, and the last of those that are missed before them.';
