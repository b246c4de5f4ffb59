-- Every body is checked before anything calls it: the servers' own validators, and plpgsql_check.
-- Before anything runs that is written in plpgsql, or the checker cannot hook into it.
load 'plpgsql_check';
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create extension plpgsql_check with schema tap;

create temporary view our_bodies as
select p.oid, p.oid::regprocedure::text as name, l.lanname, p.prorettype
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
inner join pg_language as l on l.oid = p.prolang
where n.nspname in ('monitoring', 'monitoring_internal') and p.prokind <> 'a';

-- What is wrong with one function, as rows of text. An array that begins as the literal '{}' is no fault.
create function pg_temp.faults(p_function oid, p_table oid default 0, p_old name default null, p_new name default null)
returns setof text
language sql as $$
    select format(
        '%s line %s: %s: %s %s', p_function::regprocedure, found.lineno, found.level, found.message, found.query)
    from plpgsql_check_function_tb(
        p_function, p_table, fatal_errors => false, extra_warnings => true, security_warnings => true,
        oldtable => p_old, newtable => p_new) as found
    where (found.detail ~ '^cast "text" value to ".*\[\]" type$' and found.context ~ 'initialization on line') is not true
$$;

-- The first word of the error of one call of a validator; null when it passes.
create function pg_temp.validate(p_function oid, p_language name) returns text
language plpgsql as $$
begin
    if p_language = 'plpgsql' then
        perform plpgsql_validator(p_function);
    else
        perform fmgr_sql_validator(p_function);
    end if;
    return null;
exception when others then
    return sqlerrm;
end
$$;

-- The checks bite.
create function pg_temp.wrong_column() returns void language plpgsql set search_path = pg_catalog as $$
begin
    perform nonsense from pg_class;
end $$;
create function pg_temp.wrong_injection(p_name text) returns void language plpgsql set search_path = pg_catalog as $$
begin
    execute 'drop table ' || p_name;
end $$;
set local check_function_bodies = off;
create function pg_temp.wrong_shadow(p_name text) returns void language plpgsql set search_path = pg_catalog as $$
declare
    p_name text;
begin
    p_name := 'x';
end $$;
select isnt_empty($$ select pg_temp.faults('pg_temp.wrong_column()'::regprocedure) $$, 'an unknown column is found');
select isnt_empty(
    $$ select pg_temp.faults('pg_temp.wrong_injection(text)'::regprocedure) $$, 'a value pasted into SQL is found');
set local check_function_bodies = on;
set local plpgsql.extra_errors = 'all';
select isnt(
    pg_temp.validate('pg_temp.wrong_shadow(text)'::regprocedure, 'plpgsql'), null, 'a shadowed parameter is found');

select cmp_ok((select count(*) from our_bodies where lanname = 'plpgsql'), '>', 5::bigint, 'there are bodies to check');
select is_empty(
    $$ select name, pg_temp.validate(oid, lanname) from our_bodies where pg_temp.validate(oid, lanname) is not null $$,
    'every body passes its language''s validator with all extra errors on');
-- Reviewed. What the first two and write_pack_rule paste comes quoted out of format's %I, is a column of a table, or a
-- regclass; the others run the text of a collector, which only the owner can load, and of which nobody knows the columns beforehand.
create temporary table reviewed (pattern) as values
    ('^monitoring_internal\.(set_partition_parameters|create_partition)\(.*: security: '),
    ('^monitoring_internal\.(present_columns|probe_collector_query|kept_statement|read_collector)\(.*: security: '),
    ('^monitoring_internal\.measure_kpi\(.*: security: '),
    ('^monitoring_internal\.write_pack_rule\(.*: security: '),
    ('^monitoring_internal\.read_collector\(.*("v_part"|cannot determinate a result of dynamic SQL)'),
    ('composite OUT variable "\w+" is not single argument');
select is_empty(
    $$ select fault from our_bodies cross join pg_temp.faults(oid) as fault
        where lanname = 'plpgsql' and prorettype <> 'trigger'::regtype
            and not exists (select 1 from reviewed where fault ~ reviewed.pattern) $$,
    'plpgsql_check finds nothing in any function');
select is_empty(
    $$ select pg_temp.faults(t.tgfoid, t.tgrelid, t.tgoldtable, t.tgnewtable) from pg_trigger as t
        inner join our_bodies as b on b.oid = t.tgfoid
        where t.tgparentid = 0 and not t.tgisinternal $$,
    'nor in any trigger on its tables');
select is_empty(
    $$ select name from our_bodies as b where prorettype = 'trigger'::regtype
        and not exists (select 1 from pg_trigger as t where t.tgfoid = b.oid) $$,
    'and every trigger function has a trigger');

select * from finish();
rollback;
