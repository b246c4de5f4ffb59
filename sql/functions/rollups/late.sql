-- rollups/late.sql: which samples come after their bucket was closed, and who is ingesting.
-- Owns ingest_lock_key, open_ingests, note_late_samples, rebuild_rollups. Writes late_ranges.
-- Concurrency: any number of ingesters, none of which waits; each holds one shared advisory lock to be seen by it.

-- The advisory lock that every ingest holds, shared, until its transaction ends.
create or replace function monitoring_internal.ingest_lock_key()
returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended('monitoring.ingest', 0);
end;

comment on function monitoring_internal.ingest_lock_key() is
    'Key of the advisory lock that every ingest takes, shared, before it looks at any mark.';

-- The other transactions that hold it: those that may have looked at a mark before it was moved.
create or replace function monitoring_internal.open_ingests()
returns text[]
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(distinct held.virtualtransaction), '{}')
    from pg_locks as held
    where held.locktype = 'advisory'
        and held.database = (select oid from pg_database where datname = current_database())
        and held.objsubid = 1
        and (held.classid::bigint << 32) | held.objid::bigint = monitoring_internal.ingest_lock_key()
        and held.pid is distinct from pg_backend_pid();
$$;

comment on function monitoring_internal.open_ingests() is
    'Other transactions of this database that are ingesting, prepared ones included.';

-- Name the closed buckets that samples fall into, to be built again. The caller has inserted the samples in this
-- transaction, and holds the lock of ingest_lock_key() since before this call. Series may be null: refused samples.
-- Where the transaction has one snapshot for all of it, the mark may be an old one: then every bucket is named.
create or replace function monitoring_internal.note_late_samples(p_series integer[], p_sampled_at timestamptz[])
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_closing timestamptz := timestamptz 'infinity';
    v_noted bigint := 0;
begin
    if current_setting('transaction_isolation') = 'read committed' then
        select closing.closing_until into v_closing from monitoring_internal.rollup_closing as closing;
    end if;
    if v_closing > any (p_sampled_at) then
        insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
        select distinct level.series_id, bucket.start_at, bucket.start_at + level.width
        from unnest(p_series, p_sampled_at) as sample (series_id, sampled_at)
        inner join monitoring_internal.series_levels as level
            on level.series_id = sample.series_id and level.source = 'samples'
        cross join lateral (
            select date_bin(level.width, sample.sampled_at, '1970-01-01 00:00Z')
        ) as bucket (start_at)
        where sample.sampled_at < v_closing and bucket.start_at + level.width <= v_closing;
        get diagnostics v_noted = row_count;
    end if;
    return v_noted;
end;
$$;

comment on function monitoring_internal.note_late_samples(integer[], timestamptz[]) is
    'Notes in late_ranges what samples changed in buckets that are closed; returns how many ranges.';

-- Have the rollups of a span built again from what is stored, by the next refresh_rollups(), for people: of the part of
-- it that has samples and is closed. Rows whose samples are gone stay as they are. Returns how many series have any.
create or replace function monitoring.rebuild_rollups(from_at timestamptz, until_at timestamptz)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    with span as (
        select least(rebuild_rollups.until_at, closing.closing_until) as until_at,
            greatest(rebuild_rollups.from_at, coalesce(oldest.bound_at, 'infinity')) as from_at
        from monitoring_internal.rollup_closing as closing
        cross join monitoring_internal.next_row_bound(
            array['monitoring.samples', 'monitoring.appended_samples', 'monitoring.sample_blocks'],
            '-infinity') as oldest (bound_at)
    ),
    held as materialized (
        select family.metric_family_id, (monitoring_internal.gone_until(
            family.metric_family_id, family.retention_class) ->> 'raw')::timestamptz as since
        from monitoring.metric_families as family
    ),
    noted as (
        insert into monitoring_internal.late_ranges (series_id, from_at, until_at)
        select level.series_id, greatest(span.from_at, day.start_at),
            least(span.until_at, day.start_at + interval '24 hours')
        from span
        cross join generate_series(
            date_bin('24 hours', span.from_at, '1970-01-01 00:00Z'), span.until_at - interval '1 microsecond',
            interval '24 hours') as day (start_at)
        cross join monitoring_internal.series_levels as level
        inner join monitoring.series as series on series.series_id = level.series_id
        inner join held on held.metric_family_id = series.metric_family_id
        where level.source = 'samples'
            and (held.since is null or day.start_at >= held.since)
        returning series_id
    )
    select count(distinct noted.series_id) from noted;
$$;

comment on function monitoring.rebuild_rollups(timestamptz, timestamptz) is
    'Marks the rollups of a span as to be built again from what is stored; returns of how many series.';
