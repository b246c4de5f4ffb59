-- The optional script for Citus, against stand-ins of its functions that hold to its rules for keys, triggers and
-- foreign keys. The extension itself is not there.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

create table tap.distributed (name regclass, by_column name);
create function tap.create_distributed_table(name regclass, by_column text, colocate_with text)
returns void language sql as $$ insert into tap.distributed values ($1, $2) $$;
create function tap.create_distributed_table(name regclass, by_column text)
returns void language sql as $$ insert into tap.distributed values ($1, $2) $$;
\ir ../../sql/scale-out/citus.sql

select is_empty(
    $$ select index.indexrelid::regclass from distributed inner join pg_index as index on index.indrelid = distributed.name
        where index.indisunique and not exists (
            select 1 from pg_attribute as a where a.attrelid = index.indrelid and a.attname = distributed.by_column
                and a.attnum = any (index.indkey)) $$,
    'every unique key of a distributed table holds the column it is distributed by');
select is_empty(
    $$ select k.conname from pg_constraint as k inner join distributed as d on d.name in (k.conrelid, k.confrelid)
        where k.contype = 'f' $$, 'no foreign key crosses shards');
select is_empty(
    $$ select t.tgname from pg_trigger as t inner join distributed as d on d.name = t.tgrelid where not t.tgisinternal $$,
    'no distributed table has a trigger');
select is_empty(
    $$ select a.attrelid::regclass, a.attname from pg_attribute as a inner join distributed as d on d.name = a.attrelid
        where a.attidentity <> '' and a.atttypid <> 'bigint'::regtype $$, 'nor an identity that only one node could count');
select set_eq(
    $$ select c.oid::regclass from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attname = 'series_id' and not a.attisdropped
        where c.relnamespace = 'monitoring'::regnamespace and c.relkind in ('r', 'p')
            and c.relname not in ('series', 'alert_bindings') $$,
    'select name from distributed', 'no table of the store that grows with its samples is forgotten');

select * from finish();
rollback;
