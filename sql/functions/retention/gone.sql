-- retention/gone.sql: what was deleted of a metric, and what is in the store again, whatever its class says by now.
-- Owns gone_until, restored_days. Writes nothing.
-- Any number of callers at once; each answers of one snapshot.

-- Before when data of a metric are gone, by resolution: as its class deleted them, or the ones that it was of before.
create or replace function monitoring_internal.gone_until(p_family_id integer, p_class text)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_object_agg(gone.resolution, gone.until_at), '{}')
    from (
        select held.resolution, max(held.gone_until) as until_at
        from (
            select state.resolution, state.gone_until
            from monitoring.retention_states as state
            where state.retention_class = p_class and state.gone_until > '-infinity'
            union all
            select horizon.resolution, horizon.gone_until
            from monitoring_internal.metric_horizons as horizon
            where horizon.metric_family_id = p_family_id
        ) as held
        group by held.resolution
    ) as gone;
$$;

comment on function monitoring_internal.gone_until(integer, text) is
    'Before when samples and rollups of a metric were deleted, by resolution; what is not there never was.';

-- The days of a class that were restored and stay at a time.
create or replace function monitoring_internal.restored_days(p_class text, p_now timestamptz)
returns tstzmultirange
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(range_agg(tstzrange(
        archive.day::timestamp at time zone 'UTC', (archive.day + 1)::timestamp at time zone 'UTC')), '{}')
    from monitoring.archives as archive
    where archive.retention_class = p_class and archive.restored_until > p_now
        and archive.restored_at is not null and archive.dropped_at is null;
$$;

comment on function monitoring_internal.restored_days(text, timestamptz) is
    'Days of a class whose samples were restored from files and are kept at a time.';
