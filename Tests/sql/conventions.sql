-- The house rules that the catalogue knows: owners, comments, types, names, search paths, rights, policies.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create temporary view our_schemas as
select oid, nspname
from pg_namespace
where nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions');

-- Tables, views and sequences; partitions are left out where their parent speaks for them.
create temporary view our_relations as
select c.oid, s.nspname, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions, c.relrowsecurity,
    c.relispartition, format('%s.%s', s.nspname, c.relname) as name
from pg_class as c
inner join our_schemas as s on s.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f');

create temporary view our_columns as
select r.oid, r.nspname, r.relname, r.relkind, a.attname, a.attnum, a.atttypid, a.atthasdef,
    format('%s.%s', r.name, a.attname) as name
from our_relations as r
inner join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
where not r.relispartition;

create temporary view our_functions as
select p.*, s.nspname, l.lanname,
    format('%s.%s(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name
from pg_proc as p
inner join our_schemas as s on s.oid = p.pronamespace
inner join pg_language as l on l.oid = p.prolang;

select is((select count(*) from our_schemas), 3::bigint, 'the three schemas are there');
select cmp_ok((select count(*) from our_relations), '>', 4::bigint, 'there are relations to look at');
select cmp_ok((select count(*) from our_functions), '>', 10::bigint, 'there are functions to look at');

-- Owners ------------------------------------------------------------------------------------------
select is_empty(
    $$ select nspname from pg_namespace
        where oid in (select oid from our_schemas) and nspowner <> 'monitoring_owner'::regrole $$,
    'every schema is owned by monitoring_owner');
select is_empty(
    $$ select name from our_relations where relowner <> 'monitoring_owner'::regrole $$,
    'every table and view is owned by monitoring_owner');
select is_empty(
    $$ select name from our_functions where proowner <> 'monitoring_owner'::regrole $$,
    'every function is owned by monitoring_owner');
select is_empty(
    $$ select t.typname from pg_type as t inner join our_schemas as s on s.oid = t.typnamespace
        where t.typowner <> 'monitoring_owner'::regrole $$,
    'every type is owned by monitoring_owner');

-- Comments ----------------------------------------------------------------------------------------
select is_empty(
    $$ select name from our_relations
        where not relispartition and coalesce(obj_description(oid, 'pg_class'), '') = '' $$,
    'every table and view has a comment');
select is_empty(
    $$ select name from our_columns
        where relkind in ('r', 'p') and coalesce(col_description(oid, attnum), '') = '' $$,
    'every column of a table has a comment');
select is_empty(
    $$ select name from our_functions where coalesce(obj_description(oid, 'pg_proc'), '') = '' $$,
    'every function has a comment');

-- Types and names ---------------------------------------------------------------------------------
select is_empty(
    $$ select format('%s %s', name, format_type(atttypid, null)) from our_columns
        where atttypid in (
            'varchar'::regtype, 'bpchar'::regtype, '"char"'::regtype, 'timestamp'::regtype, 'timetz'::regtype,
            'money'::regtype, 'json'::regtype, 'xml'::regtype)
            and relkind in ('r', 'p') $$,
    'no column is a varchar, char, timestamp without time zone, money or json');
select is_empty(
    $$ select c.name from our_columns as c
        inner join pg_depend as d
            on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = c.attnum
            and d.deptype = 'a'
        inner join pg_class as s on s.oid = d.objid and d.classid = 'pg_class'::regclass and s.relkind = 'S' $$,
    'no column is a serial: keys are identities');
select is_empty(
    $$ select name from our_columns
        where relkind in ('r', 'p') and atttypid = 'timestamptz'::regtype
            and attname !~ '(_at|_until|_after|_since|_start|slot)$'
            -- Names that users know from elsewhere.
            and attname not in ('last_triggered', 'last_seen', 'watermark') $$,
    'a column that holds a time is called so');
select is_empty(
    $$ select name from our_columns
        where relkind in ('r', 'p') and attname ~ '_at$' and atttypid <> 'timestamptz'::regtype $$,
    'and nothing else is');
select is_empty(
    $$ select name from our_columns
        where relkind in ('r', 'p') and atttypid = 'boolean'::regtype and attname !~ '^(is|has)_'
            and attname not in ('business_hours_only', 'flap_detection') $$,
    'a boolean column begins with is_ or has_');
select is_empty(
    $$ select name from our_columns where attname = 'tenant_id' and atttypid <> 'uuid'::regtype $$,
    'a tenant''s key is a uuid everywhere');
select is_empty(
    $$ select name from our_relations where relname !~ '^[a-z][a-z0-9_]*$' $$,
    'names are plain');
select is_empty(
    $$ select format('%s: %s', r.name, c.conname) from pg_constraint as c
        inner join our_relations as r on r.oid = c.conrelid
        where not r.relispartition and c.contype in ('p', 'u', 'f', 'c', 'x')
            and c.conname !~ ('^' || r.relname || '_([a-z0-9_]+_)?' || case c.contype
                when 'p' then 'pkey' when 'u' then 'key' when 'f' then 'fkey' when 'c' then 'check' else 'excl'
            end || '$')
            and c.conname !~ '^[a-z_]{55,}' and c.conname <> 'alert_rules_name_unique' $$,
    'every constraint is named for its table and kind');
select is_empty(
    $$ select i.relname from pg_index as x
        inner join pg_class as i on i.oid = x.indexrelid
        inner join our_relations as r on r.oid = x.indrelid
        where not r.relispartition and i.relname !~ ('^' || r.relname || '_([a-z0-9_]+_)?(pkey|key|idx|excl)$')
            and i.relname <> 'alert_rules_name_unique' $$,
    'every index is named for its table');
select is_empty(
    $$ select r.name from our_relations as r
        where r.relkind in ('r', 'p') and not r.relispartition and r.relname !~ '^(staged|appended)_'
            and not exists (select 1 from pg_constraint as c where c.conrelid = r.oid and c.contype = 'p') $$,
    'every table but staging and open partitions of append mode has a primary key');

select is_empty(
    $$ select i.indexrelid::regclass, j.indexrelid::regclass from pg_index as i
        inner join our_relations as r on r.oid = i.indrelid and not r.relispartition
        inner join pg_index as j on j.indrelid = i.indrelid and j.indexrelid <> i.indexrelid
        where not i.indisunique and i.indexprs is null
            -- What is for a part of the rows may repeat a beginning, but no whole key, unless the part is tiny.
            and (i.indpred is null or i.indkey::text = j.indkey::text
                and i.indexrelid <> 'monitoring.job_leases_cancel_reason_idx'::regclass)
            and j.indpred is null and j.indexprs is null and j.indclass[0] = i.indclass[0]
            and (j.indkey::text || ' ') like (i.indkey::text || ' %')
            and i.indoption::text = left(j.indoption::text, length(i.indoption::text)) $$,
    'no index repeats the beginning of another');
select is_empty(
    $$ select c.name from our_columns as c
        where c.relkind in ('r', 'p') and c.attname in ('created_at', 'updated_at') and not c.atthasdef $$,
    'a row''s stamps have defaults');
select is_empty(
    $$ select c.name from our_columns as c
        where c.relkind in ('r', 'p') and c.attname = 'updated_at' and not exists (
            select 1 from pg_trigger as t
            where t.tgrelid = c.oid
                and t.tgfoid = to_regproc('monitoring_internal.update_updated_at_column')) $$,
    'and a trigger keeps updated_at');

-- Functions ---------------------------------------------------------------------------------------
select is_empty(
    $$ select name from our_functions
        where prokind = 'f' and not coalesce(proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']
            and (prosecdef or prosqlbody is null) $$,
    'every function with late-bound names, and every security definer, pins its search path');
select is_empty(
    $$ select name from our_functions where prokind = 'p' and (prosecdef or proconfig is not null) $$,
    'no procedure has what would stop it from committing');
select is_empty(
    $$ select f.name from our_functions as f cross join unnest(f.proargnames) as argument (name)
        where f.nspname = 'monitoring_internal' and f.proargmodes is null and argument.name !~ '^p_' $$,
    'parameters of internal functions begin with p_');
select is_empty(
    $$ select f.name from our_functions as f cross join unnest(f.proargnames) as argument (name)
        where f.nspname = 'monitoring' and argument.name ~ '^p_' $$,
    'parameters of public functions are bare words');
select is_empty(
    $$ select name from our_functions
        where 'p_now' = any (proargnames) and pg_get_function_arguments(oid) ~ 'p_now [a-z ]+DEFAULT' $$,
    'a function that is told the time has no default for it');
select is_empty(
    $$ select name from our_functions where 'p_now' = any (proargnames) and nspname <> 'monitoring_internal' $$,
    'and it is internal');
select is_empty(
    $$ select name from our_functions
        where proname ~ '_at$' and not 'p_now' = any (coalesce(proargnames, '{}'))
            -- Asks about a moment, and decides nothing by it.
            and proname <> 'on_call_at' $$,
    'a name in _at promises a function that is told the time');

-- Rights ------------------------------------------------------------------------------------------
create temporary view granted as
select r.name, grants.grantee, grants.privilege_type, grants.is_grantable, r.nspname
from our_relations as r
cross join aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) as grants
union all
select f.name, grants.grantee, grants.privilege_type, grants.is_grantable, f.nspname
from our_functions as f
cross join aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as grants
union all
select n.nspname, grants.grantee, grants.privilege_type, grants.is_grantable, n.nspname
from pg_namespace as n
inner join our_schemas as s on s.oid = n.oid
cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as grants
union all
select c.name, grants.grantee, grants.privilege_type, grants.is_grantable, c.nspname
from our_columns as c
inner join pg_attribute as a on a.attrelid = c.oid and a.attnum = c.attnum
cross join aclexplode(a.attacl) as grants;

select is_empty(
    $$ select name, privilege_type from granted where grantee = 0 $$, 'PUBLIC may do nothing at all');
select is_empty(
    $$ select name, privilege_type from granted
        where is_grantable and grantee <> 'monitoring_owner'::regrole $$,
    'nobody may pass a right on');
select is_empty(
    $$ select name, grantee::regrole from granted
        where grantee <> 0 and grantee::regrole::text not in (
            'monitoring_owner', 'monitoring_admin', 'monitoring_service', 'monitoring_collector',
            'monitoring_analyst', 'monitoring_reader', 'monitoring_exporter') $$,
    'rights belong to the seven roles only');
select is_empty(
    $$ select name, grantee::regrole, privilege_type from granted
        where nspname = 'monitoring_partitions' and grantee <> 'monitoring_owner'::regrole $$,
    'partitions are reached through their parents only');
select is_empty(
    $$ select name, privilege_type from granted
        where grantee = 'monitoring_reader'::regrole and privilege_type not in ('SELECT', 'EXECUTE', 'USAGE') $$,
    'a reader only reads');
select is_empty(
    $$ select rolname from pg_roles
        where rolname in (
            'monitoring_owner', 'monitoring_admin', 'monitoring_service', 'monitoring_collector',
            'monitoring_analyst', 'monitoring_reader', 'monitoring_exporter')
            and (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication) $$,
    'the seven roles have no attribute of power and cannot log in');

-- Tenants -----------------------------------------------------------------------------------------
select is_empty(
    $$ select r.name from our_relations as r
        where r.relkind in ('r', 'p') and not r.relispartition and not r.relrowsecurity
            and exists (
                select 1 from our_columns as c where c.oid = r.oid and c.attname = 'tenant_id')
            and exists (
                select 1 from granted as g
                where g.name = r.name and g.privilege_type = 'SELECT' and g.grantee <> 'monitoring_owner'::regrole) $$,
    'every table of tenants that a role may read has row level security');
select is_empty(
    $$ select name from our_relations
        where relkind = 'v'
            and exists (
                select 1 from granted as g
                where g.name = our_relations.name and g.grantee <> 'monitoring_owner'::regrole)
            and not coalesce(reloptions, '{}')
                && array['security_invoker=true', 'security_barrier=true'] $$,
    'a view that a role may read has its caller''s rights, or is a barrier with its owner''s');

-- States and durations ---------------------------------------------------------------------------
select is_empty(
    $$ select r.name, c.attname
        from our_columns as c
        inner join our_relations as r on r.oid = c.oid
        where r.relkind in ('r', 'p') and not r.relispartition
            and c.attname in ('status', 'severity', 'state', 'health_status')
            and not exists (
                select 1
                from pg_constraint as k
                where k.conrelid = c.oid and k.contype = 'c'
                    and (select a.attnum from pg_attribute as a where a.attrelid = c.oid and a.attname = c.attname)
                        = any (k.conkey)) $$,
    'a state takes only the words that are listed for it');
select is_empty(
    $$ select r.name, c.attname
        from our_columns as c
        inner join our_relations as r on r.oid = c.oid
        inner join pg_attribute as a on a.attrelid = c.oid and a.attname = c.attname
        where r.relkind in ('r', 'p') and not r.relispartition
            and c.attname ~ '(_ms|_milliseconds|_seconds|_duration|duration|_time)$'
            and a.atttypid = any (array['smallint', 'integer']::regtype[]) $$,
    'no duration is an integer that overflows within a month');

-- Partitions --------------------------------------------------------------------------------------
select is_empty(
    $$ select r.name from our_relations as r
        where r.relkind = 'p' and not r.relispartition
            and not exists (select 1 from monitoring.partition_policies as p
                where p.table_name = r.name or monitoring_internal.append_parent(p.table_name) = r.oid) $$,
    'every partitioned table has a policy');
select is_empty(
    $$ select r.name from our_relations as r where r.relispartition and r.nspname <> 'monitoring_partitions' $$,
    'every partition is in monitoring_partitions');
select is_empty(
    $$ select r.name from our_relations as r
        where r.relkind = 'p' and not r.relispartition and r.relname <> 'appended_samples'
            and to_regclass(format('monitoring_partitions.%I', r.relname || '_default')) is null $$,
    'every partitioned table has a default partition'); -- Append mode is sent only what its partitions cover.

select is_empty(
    $$ select p.oid::regprocedure from pg_proc as p
        where p.pronamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and exists (select from unnest(p.proconfig) as setting where setting ~ '^enable_.*=off$')
            and not 'jit=off' = any (p.proconfig) $$,
    'what is planned without a kind of scan is not compiled: where it has no other, its price is beyond any limit');

-- Settings ----------------------------------------------------------------------------------------
-- A pool hands the next client the session as it was left.
select is_empty(
    $$ select p.oid::regprocedure from pg_proc as p
        where p.pronamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and (p.prosrc ~* 'set_config\([^;]*,\s*false\s*\)'
                or p.prosrc ~* '(^|;|\mbegin)\s*set\s+(?!local\M|constraints\M)\w') $$,
    'P-08: nothing of ours changes a setting for longer than its transaction');
select is_empty(
    $$ select setrole::regrole, setconfig from pg_db_role_setting
        where setrole::regrole::text ~ '^monitoring_'
            or setrole = 0 and setdatabase = (select oid from pg_database where datname = current_database()) $$,
    'P-08: nor has a role or the database settings of ours');

select * from finish();
rollback;
