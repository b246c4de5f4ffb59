-- store/pack.sql: turn days of samples into blocks, one short transaction a step.
-- Owns next_raw_day, close_day_at, is_day_still, pack_next_series, finish_day_at, repack_next_at, release_raw_at.
-- Writes packing_state, packed_periods, late_samples, partition_policies, partition_holds; through others, blocks.
-- Concurrency: callers hold the lock of packing; ingest goes on and never waits.

-- The first day from a time on that samples may have rows of; null when there is none.
create or replace function monitoring_internal.next_raw_day(p_from timestamptz)
returns timestamptz
language plpgsql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_partition record;
    v_stray_at timestamptz;
    v_first_at timestamptz;
    v_has_rows boolean;
begin
    -- A loop over partitions, oldest first, that mostly ends at the first; the default one, which should be empty, may
    -- hold any time.
    for v_partition in
        select bounds.partition, bounds.is_default, bounds.lower_bound
        from monitoring_internal.partition_bounds('monitoring.samples') as bounds
        where bounds.is_default or bounds.upper_bound > p_from
        order by not bounds.is_default, bounds.lower_bound
    loop
        if v_partition.is_default then
            execute format(
                'select min(stored.sampled_at) from only %s as stored '
                'where isfinite(stored.sampled_at) and stored.sampled_at >= $1', v_partition.partition)
            into v_stray_at using p_from;
        else
            execute format('select exists (select from only %s)', v_partition.partition) into v_has_rows;
            v_first_at := greatest(v_partition.lower_bound, p_from);
            exit when v_has_rows;
        end if;
    end loop;
    return date_trunc('day', least(v_stray_at, case when v_has_rows then v_first_at end), 'UTC');
end;
$$;

comment on function monitoring_internal.next_raw_day(timestamptz) is
    'Start of the first day from a time on that samples may have rows of; null without any.';

-- Close the next day that is due: from the end of this transaction on its samples go to late_samples. Age is counted
-- from the newest sample where that is before p_now: a clock that jumps ahead closes nothing. False when none is due;
-- null when it is, but the locks for its partitions were not to be had in time: try again later.
create or replace function monitoring_internal.close_day_at(p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_due_until constant timestamptz := least(p_now, monitoring_internal.believed_row_bound('monitoring.samples'))
        - monitoring_internal.setting_interval('store.pack_after');
    v_packed_until constant timestamptz := monitoring_internal.packed_until();
    v_day timestamptz;
begin
    if v_due_until is null or v_packed_until + interval '24 hours' > v_due_until then
        return false;
    end if;
    v_day := monitoring_internal.next_raw_day(v_packed_until);
    if v_day is null or v_day + interval '24 hours' > v_due_until
        -- Not before its last partition of append mode is closed.
        or v_day + interval '24 hours' > (
            select state.appended_since from monitoring_internal.packing_state as state)
        -- First rolled up, then packed: so a day that is archived and dropped has been through both.
        or exists (
            select from monitoring.partition_holds as hold
            where hold.table_name = 'monitoring.samples' and hold.name = 'rollups'
                and coalesce(hold.covered_until, '-infinity') < v_day + interval '24 hours')
    then
        return false;
    end if;
    if (
        select not bool_and(monitoring_internal.try_partitions_at(part.name, v_day, v_day + interval '24 hours', p_now))
        from unnest(array['monitoring.sample_blocks', 'monitoring.time_vectors']) as part (name)
        where exists (
            select from monitoring_internal.uncovered_spans(part.name, array[monitoring_internal.partition_floor(
                (select policy.partition_interval from monitoring.partition_policies as policy
                    where policy.table_name = part.name), v_day)]))
    ) then
        return null;
    end if;
    update monitoring_internal.packing_state as state
    set closed_until = v_day + interval '24 hours', waits_for = null, next_series_id = 0;
    insert into monitoring.packed_periods (period_at, closed_at) values (v_day, p_now)
    on conflict (period_at) do nothing;
    return true;
end;
$$;

comment on function monitoring_internal.close_day_at(timestamptz) is
    'Closes the next day that is due for packing at a time; false when none is, null when its partitions are locked.';

-- Whether every ingest that may not know that the day is closed has ended: only then its samples stand still.
create or replace function monitoring_internal.is_day_still()
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_waits_for text[];
begin
    select state.waits_for into v_waits_for from monitoring_internal.packing_state as state;
    if v_waits_for = '{}' then
        return true;
    end if;
    v_waits_for := case
        when v_waits_for is null then monitoring_internal.open_ingests()
        else array(select unnest(v_waits_for) intersect select unnest(monitoring_internal.open_ingests()))
    end;
    update monitoring_internal.packing_state as state set waits_for = v_waits_for;
    return v_waits_for = '{}';
end;
$$;

comment on function monitoring_internal.is_day_still() is
    'Whether no ingest that began before the day was closed is open any more.';

-- Make the blocks of the next series of the closed day; false when all have theirs.
create or replace function monitoring_internal.pack_next_series()
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_state monitoring_internal.packing_state;
    v_until bigint;
begin
    select state.* into v_state from monitoring_internal.packing_state as state;
    if v_state.next_series_id > 2147483647 then
        return false;
    end if;
    select coalesce(max(next.series_id) + 1, 2147483648) into v_until
    from (
        select series.series_id
        from monitoring.series as series
        where series.series_id >= v_state.next_series_id
        order by series.series_id
        limit monitoring_internal.setting_integer('store.pack_series')
    ) as next;
    perform monitoring_internal.pack_raw_series(
        v_state.closed_until - interval '24 hours', v_state.next_series_id, v_until);
    update monitoring_internal.packing_state as state set next_series_id = v_until;
    return true;
end;
$$;

comment on function monitoring_internal.pack_next_series() is
    'Makes the blocks of the next series of the closed day; false when none is left.';

-- Let the blocks of the closed day count, if they hold as many samples as the day has; else they are made anew: false.
create or replace function monitoring_internal.finish_day_at(p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_day constant timestamptz := monitoring_internal.raw_from() - interval '24 hours';
    v_raw bigint;
    v_found record;
begin
    select count(*) into v_raw
    from monitoring.samples as stored
    where stored.sampled_at >= v_day and stored.sampled_at < v_day + interval '24 hours';
    select count(*) as series, coalesce(sum(block.sample_count), 0) as samples into v_found
    from monitoring.sample_blocks as block
    where block.period_at = v_day;
    if v_raw <> v_found.samples then
        delete from monitoring.sample_blocks as block where block.period_at = v_day;
        update monitoring_internal.packing_state as state set next_series_id = 0, waits_for = null;
        return false;
    end if;
    -- Sent twice while the day was closed, once by an ingest that did not know.
    delete from monitoring.late_samples as late
    using monitoring.samples as stored
    where late.sampled_at >= v_day and late.sampled_at < v_day + interval '24 hours'
        and stored.series_id = late.series_id and stored.sampled_at = late.sampled_at
        and stored.sampled_at >= v_day and stored.sampled_at < v_day + interval '24 hours';
    update monitoring_internal.packing_state as state set packed_until = state.closed_until;
    update monitoring.packed_periods as period
    set packed_at = p_now,
        series_count = v_found.series,
        sample_count = v_found.samples,
        raw_bytes = (
            -- Of its partitions, one or one an hour; null where one holds other days too.
            select sum(pg_total_relation_size(bounds.partition))
            from monitoring_internal.partition_bounds('monitoring.samples') as bounds
            where bounds.lower_bound >= v_day and bounds.upper_bound <= v_day + interval '24 hours'
        )
    where period.period_at = v_day;
    update monitoring.partition_holds as hold
    set covered_until = v_day + interval '24 hours'
    where hold.table_name = 'monitoring.samples' and hold.name = 'packing';
    return true;
end;
$$;

comment on function monitoring_internal.finish_day_at(timestamptz) is
    'Lets the blocks of the closed day count once they hold all its samples; false when they did not.';

-- Take late samples of the oldest packed day that has any into their blocks; false when there are none, or when an
-- ingest is just adding some.
create or replace function monitoring_internal.repack_next_at(p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_packed_until constant timestamptz := monitoring_internal.packed_until();
    v_day timestamptz;
    v_late bigint;
begin
    select date_trunc('day', min(late.sampled_at), 'UTC') into v_day
    from monitoring.late_samples as late where late.sampled_at < v_packed_until;
    if v_day is null or not pg_try_advisory_xact_lock(monitoring_internal.late_lock_key()) then
        return false;
    end if;
    v_late := monitoring_internal.repack_series(v_day, array(
        select distinct late.series_id
        from monitoring.late_samples as late
        where late.sampled_at >= v_day and late.sampled_at < v_day + interval '24 hours'
        order by late.series_id
        limit monitoring_internal.setting_integer('store.pack_series')));
    update monitoring_internal.packing_state as state set repacked_total = state.repacked_total + v_late;
    insert into monitoring.packed_periods as period
        (period_at, closed_at, packed_at, repacked_at, late_count, series_count, sample_count)
    select v_day, p_now, p_now, p_now, v_late, count(*), sum(block.sample_count)
    from monitoring.sample_blocks as block where block.period_at = v_day
    on conflict (period_at) do update
    set repacked_at = excluded.repacked_at,
        late_count = period.late_count + excluded.late_count,
        series_count = excluded.series_count,
        sample_count = excluded.sample_count;
    return true;
end;
$$;

comment on function monitoring_internal.repack_next_at(timestamptz) is
    'Takes late samples of some series and one packed day into their blocks; false when there is nothing to do.';

-- Give free the samples of days whose blocks have counted for longer than setting store.raw_grace: a transaction that
-- began before they did still sees the samples, and none that old is expected to live. False when there is nothing new.
create or replace function monitoring_internal.release_raw_at(p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A clock that ran ahead and was set right left them in the future: their grace begins anew.
    update monitoring.packed_periods as period
    set packed_at = p_now
    where period.packed_at > p_now + interval '1 minute' and period.released_at is null;
    update monitoring.packed_periods as period
    set released_at = p_now
    where period.packed_at <= p_now - monitoring_internal.setting_interval('store.raw_grace')
        and period.released_at is null;
    if not found then
        return false;
    end if;
    update monitoring.partition_policies as policy
    set released_until = (
        select max(period.period_at) + interval '24 hours'
        from monitoring.packed_periods as period where period.released_at is not null)
    where policy.table_name = 'monitoring.samples';
    return true;
end;
$$;

comment on function monitoring_internal.release_raw_at(timestamptz) is
    'Gives partitions of samples free whose blocks have counted long enough; false when there was none.';
