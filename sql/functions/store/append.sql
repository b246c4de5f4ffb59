-- store/append.sql: where samples go that are not late, and which batches were taken in before.
-- Owns claim_batch_at, current_append_span, store_appended_samples, store_raw_samples, store_batch.
-- Writes samples, appended_samples, ingest_batches.
-- Concurrency: any number of ingesters; rows with a key are written in its order. Two senders of one batch wait.

-- Whether a batch is taken in for the first time; it is noted then. Without an id it always is. Who sends one that is
-- being taken in waits for that: a lock and not a key, since the table is cut by time.
create or replace function monitoring_internal.claim_batch_at(
    p_tenant_id uuid, p_batch_id uuid, p_size bigint, p_now timestamptz)
returns boolean
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_batch_id is null then
        return true;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(p_batch_id::text || p_tenant_id::text, 0));
    if exists (
        select from monitoring_internal.ingest_batches as batch
        where batch.batch_id = p_batch_id and batch.tenant_id = p_tenant_id)
    then
        return false;
    end if;
    insert into monitoring_internal.ingest_batches (batch_id, tenant_id, ingested_at, sample_count)
    values (p_batch_id, p_tenant_id, p_now, p_size);
    return true;
end;
$$;

comment on function monitoring_internal.claim_batch_at(uuid, uuid, bigint, timestamptz) is
    'Notes a batch of a tenant; false when it was taken in before.';

-- Which times go to appended_samples, for those who write; they hold the lock of ingest_lock_key(). As with
-- current_raw_from(), a transaction that keeps its snapshot fails (40001) rather than take an old span.
create or replace function monitoring_internal.current_append_span(
    out from_at timestamptz, out until_at timestamptz)
returns record
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') = 'read committed' then
        select state.appended_since, state.appended_until into from_at, until_at
        from monitoring_internal.packing_state as state;
    else
        select state.appended_since, state.appended_until into from_at, until_at
        from monitoring_internal.packing_state as state for share;
    end if;
end;
$$;

comment on function monitoring_internal.current_append_span() is
    'The times that go to appended_samples, for those who write: never an old span.';

-- Append those samples that lie in a span; returns how many. A few are looked up first, so that who sends single rows
-- learns whether they are new; that takes a look at the times around theirs.
create or replace function monitoring_internal.store_appended_samples(
    p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_fault text[], p_from timestamptz,
    p_until timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_stored bigint;
begin
    if cardinality(p_series) <= 20 then
        insert into monitoring.appended_samples (series_id, sampled_at, value)
        select distinct on (sample.series_id, sample.sampled_at) sample.series_id, sample.sampled_at, sample.value
        from unnest(p_series, p_sampled_at, p_value, p_fault)
            with ordinality as sample (series_id, sampled_at, value, fault, ordinal)
        where sample.fault is null and sample.sampled_at >= p_from and sample.sampled_at < p_until
            and not exists (
                select from monitoring.appended_samples as stored
                where stored.series_id = sample.series_id and stored.sampled_at = sample.sampled_at
                    and stored.sampled_at >= (select min(wanted.at) from unnest(p_sampled_at) as wanted (at))
                    and stored.sampled_at <= (select max(wanted.at) from unnest(p_sampled_at) as wanted (at)))
        order by sample.series_id, sample.sampled_at, sample.ordinal
        on conflict do nothing;
        get diagnostics v_stored = row_count;
        return v_stored;
    end if;
    begin
        if p_fault is null and p_from <= all (p_sampled_at) and p_until > all (p_sampled_at) then
            -- In the list of a select, arrays are not written to a table of their own first.
            insert into monitoring.appended_samples (series_id, sampled_at, value)
            select unnest(p_series), unnest(p_sampled_at), unnest(p_value);
        else
            insert into monitoring.appended_samples (series_id, sampled_at, value)
            select sample.series_id, sample.sampled_at, sample.value
            from unnest(p_series, p_sampled_at, p_value, p_fault) as sample (series_id, sampled_at, value, fault)
            where sample.fault is null and sample.sampled_at >= p_from and sample.sampled_at < p_until;
        end if;
    exception
        when unique_violation then
            -- A partition that has got its key and is not closed yet. To ask for conflicts costs a third where none is.
            insert into monitoring.appended_samples (series_id, sampled_at, value)
            select sample.series_id, sample.sampled_at, sample.value
            from unnest(p_series, p_sampled_at, p_value, p_fault)
                with ordinality as sample (series_id, sampled_at, value, fault, ordinal)
            where sample.fault is null and sample.sampled_at >= p_from and sample.sampled_at < p_until
            order by sample.series_id, sample.sampled_at, sample.ordinal
            on conflict do nothing;
    end;
    get diagnostics v_stored = row_count;
    return v_stored;
end;
$$;

comment on function monitoring_internal.store_appended_samples(
    integer[], timestamptz[], double precision[], text[], timestamptz, timestamptz) is
    'Stores those of the given samples that lie in the span of append mode; returns how many.';

-- Store those of the given samples that have no fault and are not late; returns how many, without those that were
-- there, as far as there is a key. The caller holds the lock of ingest_lock_key(), shared.
create or replace function monitoring_internal.store_raw_samples(
    p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_fault text[], p_raw_from timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_from timestamptz;
    v_until timestamptz;
    v_appended bigint := 0;
    v_stored bigint;
begin
    select span.from_at, span.until_at into v_from, v_until from monitoring_internal.current_append_span() as span;
    if v_from < 'infinity' and v_from <= any (p_sampled_at) then
        v_appended := monitoring_internal.store_appended_samples(
            p_series, p_sampled_at, p_value, p_fault, v_from, v_until);
        if v_from <= all (p_sampled_at) and v_until > all (p_sampled_at) then
            return v_appended;
        end if;
    end if;
    insert into monitoring.samples (series_id, sampled_at, value)
    select sample.series_id, sample.sampled_at, sample.value
    from unnest(p_series, p_sampled_at, p_value, p_fault)
        with ordinality as sample (series_id, sampled_at, value, fault, ordinal)
    where sample.fault is null and sample.sampled_at >= p_raw_from
        and (sample.sampled_at < v_from or sample.sampled_at >= v_until)
    order by sample.series_id, sample.sampled_at, sample.ordinal
    on conflict do nothing;
    get diagnostics v_stored = row_count;
    return v_appended + v_stored;
end;
$$;

comment on function monitoring_internal.store_raw_samples(
    integer[], timestamptz[], double precision[], text[], timestamptz) is
    'Stores samples that are not late where they belong, in samples or in append mode; returns how many.';

-- Store a batch, late ones too, and note what rollups they change; returns how many. The caller holds the lock of
-- ingest_lock_key(), shared, and has read p_raw_from since.
create or replace function monitoring_internal.store_batch(
    p_series integer[], p_sampled_at timestamptz[], p_value double precision[], p_fault text[], p_raw_from timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_stored bigint := monitoring_internal.store_raw_samples(p_series, p_sampled_at, p_value, p_fault, p_raw_from);
begin
    if p_raw_from > any (p_sampled_at) then
        v_stored := v_stored + monitoring_internal.store_late_samples(
            array(
                select case when sample.fault is null then sample.series_id end
                from unnest(p_series, p_fault) with ordinality as sample (series_id, fault, ordinal)
                order by sample.ordinal
            ),
            p_sampled_at, p_value, p_raw_from);
    end if;
    if v_stored > 0 then
        perform monitoring_internal.note_late_samples(p_series, p_sampled_at);
    end if;
    return v_stored;
end;
$$;

comment on function monitoring_internal.store_batch(
    integer[], timestamptz[], double precision[], text[], timestamptz) is
    'Stores a batch wherever its samples belong and notes the rollups that they change; returns how many were new.';
