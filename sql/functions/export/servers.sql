-- export/servers.sql: a page for each target, and which pages there are.
-- Owns choose_page, export_servers, http_sd. Writes nothing but a setting of the transaction.
-- Concurrency: reads at one snapshot; any number of callers at once.

-- Say whose page the views of export show from here to the end of the transaction; null: what is no target's.
-- Raises: PV607 when the caller sees no such target.
create or replace function monitoring_internal.choose_page(p_server text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_server is not null
        and not exists (select 1 from monitoring.targets as target where target.name = p_server)
    then
        raise exception using
            errcode = 'PV607',
            message = format('target "%s" does not exist', p_server),
            hint = 'The names are in monitoring.target_status.';
    end if;
    perform set_config('pgvigil.export_server', coalesce(nullif(p_server, 'local'), ''), true);
end;
$$;

comment on function monitoring_internal.choose_page(text) is
    'Makes the page that of a target for the rest of the transaction; null or local: of what is no target''s.';

-- Targets that have a page of their own and that the caller sees.
create or replace function monitoring.export_servers()
returns setof text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select target.name
    from monitoring.targets as target
    where target.is_enabled and target.target_id <> 0
    order by target.name;
$$;

comment on function monitoring.export_servers() is
    'Names of the targets that have a page of their own, export_metrics_prometheus(server), for the caller.';

-- The pages as Prometheus' HTTP service discovery takes them: this server's, and each target's.
-- Units: address is HOST:PORT of the service. The label server is in the series, so it is none of the target's here;
-- the label instance is its name, so that what Prometheus itself says of each page (up) is told apart.
create or replace function monitoring.http_sd(
    address text, base_path text default '/metrics', scheme text default 'http')
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_agg(
        jsonb_build_object(
            'targets', jsonb_build_array(http_sd.address),
            'labels', jsonb_strip_nulls(jsonb_build_object(
                '__metrics_path__', http_sd.base_path || page.suffix,
                '__scheme__', http_sd.scheme,
                '__meta_pgvigil_server', page.name,
                'instance', case when page.suffix <> '' then page.name end)))
        order by page.suffix)
    from (
        select '' as suffix, 'local' as name
        union all
        select '/' || served.name, served.name
        from monitoring.export_servers() as served (name)
    ) as page;
$$;

comment on function monitoring.http_sd(text, text, text) is
    'The pages of a service at HOST:PORT for Prometheus'' HTTP service discovery: its own and one a target that the '
    'caller sees, named by __meta_pgvigil_server.';
