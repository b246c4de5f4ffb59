-- store/pack_run.sql: the steps of packing in their order, until nothing is left to do.
-- Owns pack_next_at, pack_next, pack_samples_at, pack_samples. Writes nothing but through the steps.
-- Concurrency: any number of callers; one advisory lock, and who does not get it leaves.

-- Do the next step: close, busy, wait, blocks, finish, again, repack or release; null when nothing is left, or another
-- is at work.
-- Raises: PV220.
create or replace function monitoring_internal.pack_next_at(p_now timestamptz)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if not pg_try_advisory_xact_lock(hashtextextended('monitoring.pack_samples', 0)) then
        return null;
    end if;
    if monitoring_internal.raw_from() > monitoring_internal.packed_until() then
        return case
            when not monitoring_internal.is_day_still() then 'wait'
            when monitoring_internal.pack_next_series() then 'blocks'
            when monitoring_internal.finish_day_at(p_now) then 'finish'
            else 'again'
        end;
    end if;
    return case
        when monitoring_internal.repack_next_at(p_now) then 'repack'
        when monitoring_internal.release_raw_at(p_now) then 'release'
        else case monitoring_internal.close_day_at(p_now) when true then 'close' when false then null else 'busy' end
    end;
end;
$$;

comment on function monitoring_internal.pack_next_at(timestamptz) is
    'Does the next step of packing as of a time and names it; null when nothing is left to do.';

-- The same by the database's clock.
create or replace function monitoring_internal.pack_next()
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.pack_next_at(clock_timestamp());
$$;

comment on function monitoring_internal.pack_next() is
    'Does the next step of packing and names it; null when nothing is left to do.';

-- Pack all that is due, one transaction a step; p_now null stands for the database's clock, read at each step.
-- Ingests that were open when a day was closed are waited for half a minute, and locks for its partitions tried four
-- times with pauses that double; then the next run goes on from there.
-- Raises: PV221 when the samples of a closed day will not stand still.
create or replace procedure monitoring_internal.pack_samples_at(p_now timestamptz)
language plpgsql
as $$
declare
    v_step text;
    v_waits integer := 0;
    v_repeats integer := 0;
    v_busy integer := 0;
begin
    loop
        set local search_path = pg_catalog, pg_temp;
        if p_now is null then
            v_step := monitoring_internal.pack_next();
        else
            v_step := monitoring_internal.pack_next_at(p_now);
        end if;
        commit;
        exit when v_step is null or v_waits >= 150 or v_busy >= 3 and v_step = 'busy';
        if v_step = 'wait' then
            v_waits := v_waits + 1;
            perform pg_catalog.pg_sleep(0.2);
        elsif v_step = 'busy' then
            perform pg_catalog.pg_sleep(0.2 * 2 ^ v_busy);
            v_busy := v_busy + 1;
        elsif v_step = 'again' then
            v_repeats := v_repeats + 1;
            if v_repeats > 2 then
                raise exception using
                    errcode = 'PV221',
                    message = 'the samples of a closed day change while it is packed',
                    hint = 'Something writes to monitoring.samples beside ingest_samples(); nothing was lost. '
                        'Stop it: the next run packs the day.';
            end if;
        else
            v_waits := 0;
        end if;
    end loop;
end;
$$;

comment on procedure monitoring_internal.pack_samples_at(timestamptz) is
    'pack_samples() as of a time, for tests; null stands for the database''s clock.';

-- Turn the days of samples that are due into blocks, and take late samples into theirs.
-- Raises: PV220, PV221.
create or replace procedure monitoring.pack_samples()
language plpgsql
as $$
begin
    set local search_path = pg_catalog, pg_temp;
    call monitoring_internal.pack_samples_at(null);
end;
$$;

comment on procedure monitoring.pack_samples() is
    'Turns each day of samples into blocks once it ended store.pack_after ago, without loss and at a hundredth of the '
    'bytes, and takes late samples into theirs. One short transaction a step: it can be stopped and goes on where it '
    'was. Call it outside a transaction; any number of callers at once do no harm.';
