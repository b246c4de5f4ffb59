-- store/late.sql: samples that come after their day was closed for packing.
-- Owns late_lock_key, current_raw_from, await_samples, store_late_samples. Writes late_samples; samples, for a moment.
-- Concurrency: any number of ingesters at once; packing takes late samples into blocks only while none is here.

-- The advisory lock between those who add late samples, shared, and the packer that takes them away.
create or replace function monitoring_internal.late_lock_key()
returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended('monitoring.late_samples', 0);
end;

comment on function monitoring_internal.late_lock_key() is
    'Key of the advisory lock that those who add late samples take, shared.';

-- From when on samples go to the table samples, for those who write; they hold the lock of ingest_lock_key().
-- A transaction that keeps its snapshot may see an old mark: it then fails (40001), as it must be tried again.
create or replace function monitoring_internal.current_raw_from()
returns timestamptz
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_raw_from timestamptz;
begin
    if current_setting('transaction_isolation') = 'read committed' then
        select state.closed_until into v_raw_from from monitoring_internal.packing_state as state;
    else
        select state.closed_until into v_raw_from from monitoring_internal.packing_state as state for share;
    end if;
    return v_raw_from;
end;
$$;

comment on function monitoring_internal.current_raw_from() is
    'raw_from() for those who write: never an old one.';

-- Wait for ingests that do not know yet that a day is closed and add one of these samples to it: their keys are taken
-- for a moment, and given back, so that what the others commit is seen from here on.
create or replace function monitoring_internal.await_samples(
    p_series integer[], p_sampled_at timestamptz[], p_closed_until timestamptz)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_packed_until constant timestamptz := monitoring_internal.packed_until();
    v_series integer[];
    v_times timestamptz[];
begin
    if v_packed_until = p_closed_until or not v_packed_until <= any (p_sampled_at) then
        return;
    end if;
    with taken as (
        insert into monitoring.samples (series_id, sampled_at, value)
        select sample.series_id, sample.sampled_at, 0
        from unnest(p_series, p_sampled_at) as sample (series_id, sampled_at)
        where sample.series_id is not null
            and sample.sampled_at >= v_packed_until and sample.sampled_at < p_closed_until
        order by sample.series_id, sample.sampled_at
        on conflict do nothing
        returning series_id, sampled_at
    )
    select array_agg(taken.series_id), array_agg(taken.sampled_at) into v_series, v_times from taken;
    delete from monitoring.samples as stored
    using unnest(v_series, v_times) as taken (series_id, sampled_at)
    where stored.series_id = taken.series_id and stored.sampled_at = taken.sampled_at
        and stored.sampled_at >= v_packed_until and stored.sampled_at < p_closed_until;
end;
$$;

comment on function monitoring_internal.await_samples(integer[], timestamptz[], timestamptz) is
    'Waits for those who add the same samples to a day that is closed, by the keys of samples.';

-- Store those of the given samples that are before p_closed_until and that nothing holds yet; returns how many.
-- Series are null for samples that were refused. Only the times of the blocks concerned are looked at, each list once.
create or replace function monitoring_internal.store_late_samples(
    p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_closed_until timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_stored bigint;
begin
    perform pg_advisory_xact_lock_shared(monitoring_internal.late_lock_key());
    perform monitoring_internal.await_samples(p_series, p_sampled_at, p_closed_until);
    with late as materialized (
        select distinct on (sample.series_id, sample.sampled_at) sample.series_id, sample.sampled_at, sample.value,
            date_trunc('day', sample.sampled_at, 'UTC') as period_at
        from unnest(p_series, p_sampled_at, p_value) with ordinality as sample (series_id, sampled_at, value, ordinal)
        where sample.series_id is not null and sample.sampled_at < p_closed_until
        order by sample.series_id, sample.sampled_at, sample.ordinal
    ),
    placed as materialized (
        select late.series_id, late.period_at, late.sampled_at, block.time_vector_id
        from late
        inner join monitoring.sample_blocks as block
            on block.series_id = late.series_id and block.period_at = late.period_at
        where late.period_at < (select state.packed_until from monitoring_internal.packing_state as state)
    ),
    listed as materialized (
        select wanted.period_at, wanted.time_vector_id, monitoring_internal.block_time(
            date_part('epoch', wanted.period_at) * 1000000, place.number, vector.bit_width::integer, vector.unit,
            vector.slope, vector.bases, vector.bits) as sampled_at
        from (select distinct placed.period_at, placed.time_vector_id from placed) as wanted
        inner join monitoring.time_vectors as vector
            on vector.period_at = wanted.period_at and vector.time_vector_id = wanted.time_vector_id
        cross join lateral generate_series(0, vector.sample_count - 1) as place (number)
    )
    insert into monitoring.late_samples (series_id, sampled_at, value)
    select late.series_id, late.sampled_at, late.value
    from late
    where not exists (
            select from placed
            inner join listed
                on listed.period_at = placed.period_at and listed.time_vector_id = placed.time_vector_id
                and listed.sampled_at = placed.sampled_at
            where placed.series_id = late.series_id and placed.sampled_at = late.sampled_at)
        and not exists (
            select from monitoring.samples as stored
            where stored.series_id = late.series_id and stored.sampled_at = late.sampled_at
                and stored.sampled_at >= (select state.packed_until from monitoring_internal.packing_state as state))
    order by late.series_id, late.sampled_at
    on conflict do nothing;
    get diagnostics v_stored = row_count;
    return v_stored;
end;
$$;

comment on function monitoring_internal.store_late_samples(
    integer[], timestamptz[], double precision[], timestamptz) is
    'Stores samples of closed days that nothing holds yet in late_samples; returns how many.';
