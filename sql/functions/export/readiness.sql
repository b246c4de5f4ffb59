-- export/readiness.sql: whether a service of a given version can work with this database.
-- Owns readiness_fault. Writes nothing.
-- Concurrency: any number of callers at once.

-- What keeps a service that knows the migrations up to p_version from working here; null when nothing does.
create or replace function monitoring_internal.readiness_fault(p_version text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case
        when count(*) = 0 then 'no migration is applied; run: pgvigil migrate up'
        when max(applied.version) < p_version
            then format(
                'the schema is at %s, this program needs %s; run: pgvigil migrate up',
                max(applied.version), p_version)
        when bool_or(applied.is_breaking and applied.version > p_version)
            then format(
                'the schema is at %s, which this program does not know (%s); install a newer pgvigil',
                max(applied.version), p_version)
    end
    from monitoring.schema_migrations as applied;
$$;

comment on function monitoring_internal.readiness_fault(text) is
    'Why a service that knows the migrations up to the given version cannot work here; null when it can.';
