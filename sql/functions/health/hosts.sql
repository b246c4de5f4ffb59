-- health/hosts.sql: what a service needs to know to measure its machine, and what it measured there.
-- Owns host_facts, store_host_metrics(_at). Writes service_hosts, and samples by ingest.
-- Concurrency: any number of services; a host has one row.

-- How the caller is connected and where the server keeps its data.
create or replace function monitoring_internal.host_facts(
    out is_local_connection boolean, out data_directory text, out backend_pid integer)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
    select
        inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() <<= '::1',
        case when pg_has_role('monitoring_owner', 'pg_read_all_settings', 'usage')
            then current_setting('data_directory', true) end,
        pg_backend_pid();
$$;

comment on function monitoring_internal.host_facts() is
    'Whether the caller''s connection is a Unix socket or loopback, the data directory, and the backend''s process id.';

-- Store what a service measured on its machine, and whether that is the server's: figures of another machine carry the
-- host's name alone and are never taken for the server's.
create or replace function monitoring_internal.store_host_metrics_at(
    p_host_name text, p_is_database_host boolean, p_reason text, p_data_directory text, p_metric text[],
    p_labels jsonb[], p_value double precision[], p_now timestamptz)
returns bigint
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into monitoring.service_hosts as host (host_name, is_database_host, reason, data_directory, reported_at)
    values (p_host_name, p_is_database_host, p_reason, p_data_directory, p_now)
    on conflict (host_name) do update
    set is_database_host = excluded.is_database_host,
        reason = excluded.reason,
        data_directory = excluded.data_directory,
        reported_at = excluded.reported_at;
    return (
        select result.accepted
        from monitoring_internal.ingest_samples_at(
            p_metric,
            array(
                select given.labels || jsonb_build_object('host', p_host_name)
                from unnest(p_labels) with ordinality as given (labels, ordinal)
                order by given.ordinal),
            p_value, array_fill(p_now, array[cardinality(p_metric)]), null, p_now) as result);
end;
$$;

comment on function monitoring_internal.store_host_metrics_at(
    text, boolean, text, text, text[], jsonb[], double precision[], timestamptz) is
    'Stores the figures of a service''s machine as of a time; returns how many samples.';

-- The same now.
create or replace function monitoring_internal.store_host_metrics(
    p_host_name text, p_is_database_host boolean, p_reason text, p_data_directory text, p_metric text[],
    p_labels jsonb[], p_value double precision[])
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.store_host_metrics_at(
        p_host_name, p_is_database_host, p_reason, p_data_directory, p_metric, p_labels, p_value, clock_timestamp());
$$;

comment on function monitoring_internal.store_host_metrics(
    text, boolean, text, text, text[], jsonb[], double precision[]) is
    'Stores the figures of a service''s machine, and whether the server runs on it; returns how many samples.';
