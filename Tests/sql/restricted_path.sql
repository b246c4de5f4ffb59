-- From version 17 the server maintains tables under a search path of pg_catalog alone: what indexes, checks and generated
-- columns call must find its names without another.
begin;
set local client_min_messages = warning;
set local search_path = tap, pg_catalog;
select no_plan();

-- Something to index in every table that a user fills.
create temporary table filled on commit drop as
select
    monitoring.create_tenant('acme', 'Acme') as tenant_id,
    monitoring.ingest_sample('restricted_total', '{"a": "b"}', 1) as is_stored,
    monitoring.schedule_job('restricted', '@every 10s', 'select 1') as job_id;

create temporary view maintained as
select c.oid, format('%I.%I', n.nspname, c.relname) as name
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions') and c.relkind = 'r';

-- The error of one command under the path that maintenance has; null when it ran.
create function pg_temp.fault_of(p_command text) returns text
language plpgsql set search_path = '' as $$
begin
    execute p_command;
    return null;
exception when others then
    return p_command || ': ' || sqlerrm;
end
$$;

select cmp_ok((select count(*) from maintained), '>', 10::bigint, 'there are tables to maintain');
select is_empty(
    $$ select pg_temp.fault_of('reindex table ' || name) from maintained
        where pg_temp.fault_of('reindex table ' || name) is not null $$,
    'every index is rebuilt under a restricted path');
select is_empty(
    $$ select pg_temp.fault_of('analyze ' || name) from maintained
        where pg_temp.fault_of('analyze ' || name) is not null $$,
    'every table is analysed under it');
-- It bites: an index whose function finds a helper by the caller's path.
create schema helpers;
grant usage on schema helpers to monitoring_owner;
create function helpers.helper(p_text text) returns text language sql immutable as 'select p_text';
create function helpers.late(p_text text) returns text language plpgsql immutable as 'begin return helper(p_text); end';
select matches(
    pg_temp.fault_of('create index on monitoring.tenants (helpers.late(name))'), 'function helper.* does not exist',
    'an index that needs another path is found');

select * from finish();
rollback;
