-- retention/status.sql: what is past its retention, and why it is still there.
-- Owns retention_status_at, retention_status, forget_deleted_until. Writes retention_states, metric_horizons.
-- Any number of callers at once.

-- Each class and resolution: how long it is kept, from when on, and what was refused last.
create or replace function monitoring_internal.retention_status_at(p_now timestamptz)
returns table (
    retention_class text, resolution text, retention interval, kept_since timestamptz, deleted_until timestamptz,
    deleted_total bigint, refused_since timestamptz, refusal text)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    select kept.retention_class, kept.resolution, kept.retention,
        monitoring_internal.retention_cutoff_at(kept.resolution, kept.retention, p_now),
        nullif(state.deleted_until, '-infinity'), coalesce(state.deleted_total, 0), state.refused_since, state.refusal
    from monitoring_internal.class_retentions() as kept
    left join monitoring.retention_states as state
        on state.retention_class = kept.retention_class and state.resolution = kept.resolution
    order by kept.retention_class, kept.ordinal;
$$;

comment on function monitoring_internal.retention_status_at(timestamptz) is 'retention_status as of a time.';

-- The same now.
create or replace function monitoring_internal.retention_status()
returns table (
    retention_class text, resolution text, retention interval, kept_since timestamptz, deleted_until timestamptz,
    deleted_total bigint, refused_since timestamptz, refusal text)
language sql stable parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.retention_status_at(clock_timestamp());
$$;

comment on function monitoring_internal.retention_status() is
    'How long each class is kept at each resolution and what keeps it longer; the view retention_status shows it.';

-- A metric that changes its class brings data that the new class thinks gone: all of it is looked at again. What the
-- old class deleted does not come back by it, which queries have to know.
create or replace function monitoring_internal.forget_deleted_until()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring_internal.metric_horizons as known (metric_family_id, resolution, gone_until)
    select changed.metric_family_id, state.resolution, state.gone_until
    from changed
    inner join former on former.metric_family_id = changed.metric_family_id
    inner join monitoring.retention_states as state on state.retention_class = former.retention_class
    where former.retention_class <> changed.retention_class and state.gone_until > '-infinity'
    on conflict (metric_family_id, resolution) do update
    set gone_until = greatest(known.gone_until, excluded.gone_until);
    update monitoring.retention_states as state
    set deleted_until = '-infinity'
    where state.retention_class in (
        select changed.retention_class
        from changed
        inner join former on former.metric_family_id = changed.metric_family_id
        where former.retention_class <> changed.retention_class);
    return null;
end;
$$;

comment on function monitoring_internal.forget_deleted_until() is
    'Trigger: what a class has deleted is looked at again once a metric came to it from another.';
