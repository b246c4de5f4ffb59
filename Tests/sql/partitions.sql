-- The partition engine: grid, creation, default partition, retention, holds, faults, problems.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Maintains every table as of a time, as the procedure does, without its commits and pauses.
create function pg_temp.maintain(p_now timestamptz) returns text[]
language plpgsql as $$
declare
    v_step monitoring_internal.partition_step;
    v_tried text[] := '{}';
    v_done text[] := '{}';
    v_from text[] := '{}';
begin
    loop
        v_step := monitoring_internal.maintain_next_partition_at(p_now, v_tried || v_from);
        exit when v_step.step is null and v_from = '{}';
        v_from := case when v_step.table_name is null then '{}' else array['from ' || v_step.table_name] end;
        continue when v_step.step is null;
        v_done := v_done || concat_ws(' ', v_step.action, v_step.partition_name, v_step.outcome);
        if v_step.outcome <> 'done' then
            v_tried := v_tried || array[v_step.step];
        end if;
    end loop;
    return v_done;
end
$$;

-- Runs one statement as a role: its one value as text, or the SQLSTATE.
create function pg_temp.as_role(p_role name, p_sql text) returns text
language plpgsql as $$
declare
    v_value text;
begin
    execute format('set local role %I', p_role);
    execute p_sql into v_value;
    execute 'reset role';
    return v_value;
exception when others then
    return sqlstate;
end
$$;

-- A partitioned table of the test's own, with a policy.
set local role monitoring_owner;
create table monitoring.readings (
    reading_id bigint generated always as identity,
    at timestamptz not null,
    doubled bigint generated always as (reading_id * 2) stored,
    note text not null default '' check (note <> 'forbidden'),
    primary key (reading_id, at)
) partition by range (at);
create table monitoring_partitions.readings_default partition of monitoring.readings default;
insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values ('monitoring.readings', '1 day', 2, 1, null, '{"fillfactor": "70"}');
reset role;

create function pg_temp.bounds() returns setof text language sql as $$
    select to_char(lower_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS ')
        || to_char(upper_bound at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    from monitoring_internal.partition_bounds('monitoring.readings')
    where not is_default
    order by lower_bound
$$;

-- grid --------------------------------------------------------------------------------------------
set local timezone = 'Asia/Kolkata';
select is(
    monitoring_internal.partition_floor(span::interval, at::timestamptz) at time zone 'UTC', floor::timestamp,
    format('%s falls into the %s slot of %s', at, span, floor))
from (values
    ('1 day', '2026-03-01 05:29:59+05:30', '2026-02-28'),
    ('1 day', '2026-03-01 05:30:00+05:30', '2026-03-01'),
    ('1 hour', '2026-03-01 05:29:59+05:30', '2026-02-28 23:00'),
    ('6 hours', '2026-03-01 23:59:59Z', '2026-03-01 18:00'),
    ('7 days', '2026-03-01 00:00Z', '2026-02-23'),
    ('1 month', '2026-02-28 23:59:59.999999Z', '2026-02-01'),
    ('3 months', '2026-02-28 00:00Z', '2026-01-01'),
    ('3 months', '1999-12-31 00:00Z', '1999-10-01'),
    ('1 year', '2026-07-01 00:00Z', '2026-01-01')
) as example (span, at, floor);
select is(
    monitoring_internal.partition_slot('1 month', '2026-01-31 00:00Z', 1), '2026-02-01 00:00Z'::timestamptz,
    'the slot after January is February');
select is(
    monitoring_internal.partition_slot('1 day', '2026-03-29 12:00Z', -1), '2026-03-28 00:00Z'::timestamptz,
    'a negative step goes back');
select is(
    array[
        monitoring_internal.partition_name('monitoring.readings', '2026-03-01 00:00Z'),
        monitoring_internal.partition_name('monitoring.readings', '2026-03-01 07:00Z'),
        monitoring_internal.partition_name('monitoring.readings', '2026-03-01 07:30Z')],
    array['monitoring_partitions.readings_p20260301', 'monitoring_partitions.readings_p20260301_07',
        'monitoring_partitions.readings_p20260301_0730'],
    'names tell the start in UTC');
select throws_ok(
    format(
        'insert into monitoring.partition_policies (table_name, partition_interval) values (''monitoring.x'', %L)',
        span),
    '23514', null, format('%s is no grid', span))
from unnest(array['1 mon 1 day', '59 minutes', '1 hour 1 second', '-1 day', '0']) as span;

-- creation ----------------------------------------------------------------------------------------
-- C-11: the session's zone and date style must not show in the bounds.
set local datestyle = 'SQL, DMY';
select is(
    monitoring_internal.partition_key_column('monitoring.readings'), 'at', 'the key column is read from the catalogue');
select is(
    array(
        select plan.action || ' ' || plan.partition_name
        from monitoring_internal.partition_plan_at('monitoring.readings', '2026-03-01 03:00Z') as plan
        where plan.action = 'create'
        order by plan.partition_name),
    array(
        select 'create monitoring_partitions.readings_p' || day
        from unnest(array['20260228', '20260301', '20260302', '20260303']) as day),
    'the plan covers the past, present and future that the policy names');
select ok(
    'create monitoring_partitions.readings_p20260301 done' = any (pg_temp.maintain('2026-03-01 03:00Z')),
    'maintenance makes the current partition');
select results_eq(
    'select * from pg_temp.bounds()',
    array['2026-02-28 00:00:00 2026-03-01 00:00:00', '2026-03-01 00:00:00 2026-03-02 00:00:00',
        '2026-03-02 00:00:00 2026-03-03 00:00:00', '2026-03-03 00:00:00 2026-03-04 00:00:00'],
    'partitions are cut at midnight UTC though the session is half an hour off and writes dates its own way');
set local datestyle = 'ISO, YMD';
set local timezone = 'America/New_York';
select is(pg_temp.maintain('2026-03-01 03:00Z'), '{}', 'a second run, from another zone, finds nothing to do');
set local timezone = 'UTC';

select is(
    array(
        select distinct class.relname::text
        from pg_locks as lock
        inner join pg_class as class on class.oid = lock.relation
        where lock.pid = pg_backend_pid()
            and lock.mode = 'AccessExclusiveLock'
            and class.relname in ('samples', 'rejected_samples')),
    '{}', 'no parent was locked exclusively while its partitions were made');

-- C-07: a year on, without any run in between.
select lives_ok(
    $$ select pg_temp.maintain('2027-03-01 03:00Z') $$, 'maintenance runs with the clock a year ahead');
select is(
    array(
        select policy.table_name
        from monitoring.partition_policies as policy
        cross join generate_series(0, policy.premake) as step (number)
        where policy.is_active
            and not exists (
                select 1
                from monitoring_internal.partition_bounds(policy.table_name::regclass) as bounds
                where bounds.lower_bound <= monitoring_internal.partition_slot(
                        policy.partition_interval, '2027-03-01 03:00Z', step.number)
                    and bounds.upper_bound > monitoring_internal.partition_slot(
                        policy.partition_interval, '2027-03-01 03:00Z', step.number)
            )
    ),
    '{}', 'every partitioned table then has its current and its coming partitions');
insert into monitoring.readings (at) values ('2027-03-01 03:00Z'), ('2027-03-03 23:59Z');
select is(
    monitoring_internal.default_partition_rows('monitoring.readings'), 0::bigint,
    'rows of that time find their partitions');
select is(
    (monitoring_internal.ingest_samples_at(
        array['clock_jump'], array['{}']::jsonb[], array[1.0], array['2027-03-01 03:00Z']::timestamptz[], null,
        '2027-03-01 03:00Z')).accepted,
    1::bigint, 'samples of that time are stored');
select is(
    monitoring_internal.default_partition_rows('monitoring.samples'), 0::bigint,
    'in a partition of their own day');

-- S-06: no partitioned table without partitions, no insert without a place.
select is(
    array(
        select parent.oid::regclass::text
        from pg_class as parent
        where parent.relkind = 'p'
            and parent.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and not exists (
                select 1 from monitoring.partition_policies as policy
                where parent.oid in (
                        policy.table_name::regclass, monitoring_internal.append_parent(policy.table_name))
                    and policy.is_active
            )
    ),
    '{}', 'every partitioned table has a policy');

-- C-08: no partitioned table without a default partition, which is what keeps a row out of range from failing. Ingest
-- sends to appended_samples only what its partitions cover, and all else to samples, which has one.
select is(
    array(
        select parent.oid::regclass::text
        from pg_class as parent
        where parent.relkind = 'p'
            and parent.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and parent.oid <> monitoring_internal.append_parent('monitoring.samples')
            and not exists (
                select 1 from monitoring_internal.partition_bounds(parent.oid) as bounds where bounds.is_default
            )
    ),
    '{}', 'C-08: every partitioned table has a default partition');

-- storage parameters ------------------------------------------------------------------------------
select throws_ok(
    $$ alter table monitoring.readings set (fillfactor = 70) $$, null, null,
    'S-17: PostgreSQL refuses storage parameters on a partitioned parent');
select is(
    array(
        select distinct class.reloptions::text
        from monitoring_internal.partition_bounds('monitoring.readings') as bounds
        inner join pg_class as class on class.oid = bounds.partition),
    array['{fillfactor=70}'], 'S-17: each partition carries them');
update monitoring.partition_policies set storage_parameters = '{"fillfactor": "80"}'
where table_name = 'monitoring.readings';
select isnt_empty(
    $$ select * from monitoring_internal.unset_partitions('monitoring.readings') $$, 'a changed policy shows');
select lives_ok($$ select pg_temp.maintain('2027-03-01 03:00Z') $$, 'the next run');
select is_empty(
    $$ select * from monitoring_internal.unset_partitions('monitoring.readings') $$,
    'sets it on the partitions there are');

-- keys and indexes --------------------------------------------------------------------------------
select throws_ok(
    $$ create table monitoring.wrong (id bigint primary key, at timestamptz) partition by range (at) $$,
    '0A000', null, 'S-01, S-02: a primary key without the partition key is refused');
select is(
    array(
        select parent.oid::regclass::text
        from pg_partitioned_table as partitioned
        inner join pg_class as parent on parent.oid = partitioned.partrelid
        inner join pg_index as index on index.indrelid = parent.oid and index.indisunique
        where parent.relnamespace = 'monitoring'::regnamespace
            and not partitioned.partattrs[0] = any (index.indkey)
    ),
    '{}', 'S-01, S-02: every unique key of a partitioned table holds its partition key');
select throws_ok(
    $$ create index on monitoring.readings (note) where at > now() - interval '1 day' $$, '42P17', null,
    'S-04: an index predicate cannot ask the clock');
select throws_ok(
    $$ alter table monitoring.readings detach partition monitoring_partitions.readings_p20260301 concurrently $$,
    '25001', null, 'C-10: detaching concurrently is refused in a transaction');
create index readings_note_idx on only monitoring.readings (note);
select results_eq(
    $$ select table_name, object_name from monitoring.partition_problems where problem = 'invalid_index' $$,
    $$ values ('monitoring.readings', 'monitoring.readings_note_idx') $$,
    'S-05: an index that was never completed is reported');
select is(
    (select count(*) from monitoring_internal.stray_partition_objects() where object_name like '%readings_note_idx'),
    1::bigint, 'S-05: once');
drop index monitoring.readings_note_idx;

-- default partition -------------------------------------------------------------------------------
insert into monitoring.readings (at)
select '2026-05-10 12:00Z'::timestamptz + number * interval '6 hours' from generate_series(0, 5) as number;
select is(
    monitoring_internal.default_partition_rows('monitoring.readings'), 6::bigint,
    'C-08: rows out of every range do not fail, they wait in the default partition');
select results_eq(
    $$ select object_name, detail from monitoring_internal.partition_problems_at('2027-03-01 03:00Z')
        where problem = 'default_not_empty' $$,
    $$ values ('monitoring.readings', 'The default partition holds rows (counted up to 10000): 6.') $$,
    'C-09: which is reported');
create function pg_temp.unsuspected(p_at timestamptz) returns setof text language sql as $$
    select policy.table_name from monitoring.partition_policies as policy
    where policy.is_active and policy.table_name <> 'monitoring.aaa_missing'
        and exists (select 1 from monitoring_internal.table_problems_at(policy.table_name, p_at))
    except select * from monitoring_internal.suspect_tables_at(p_at)
$$;
select set_eq(
    $$ select * from monitoring_internal.suspect_tables_at('2027-03-01 03:00Z') as name where name = 'monitoring.readings' $$,
    array['monitoring.readings'], 'a table with problems is looked at');
select is_empty($$ select pg_temp.unsuspected(at::timestamptz)
    from unnest('{2027-03-01 03:00Z,2027-03-20 00:00Z,2020-01-01 00:00Z,2040-01-01 00:00Z}'::text[]) as at $$,
    'and so is each other that has one, at any time');
select throws_ok(
    $$ create table monitoring_partitions.wrong partition of monitoring.readings
        for values from ('2026-05-10 00:00Z') to ('2026-05-11 00:00Z') $$,
    '23514', null, 'C-09: with them there PostgreSQL refuses their partition');
select results_eq(
    $$ select slot from monitoring_internal.default_partition_slots('monitoring.readings') as slot order by slot $$,
    $$ values ('2026-05-10 00:00Z'::timestamptz), ('2026-05-11 00:00Z') $$, 'the days they belong to are known');
create temporary table before as select reading_id, at, doubled from monitoring.readings;
select lives_ok($$ select pg_temp.maintain('2027-03-01 03:00Z') $$, 'the next run');
select is(
    monitoring_internal.default_partition_rows('monitoring.readings'), 0::bigint, 'empties the default partition');
select results_eq(
    'select reading_id, at, doubled from monitoring.readings order by 1', 'select * from before order by 1',
    'C-09: every row is where it was, keys and generated columns too');
select is(
    (select count(*) from monitoring_partitions.readings_p20260510), 2::bigint,
    'the rows of a day are in its partition');
select results_eq(
    $$ select created_total, dropped_total, moved_rows_total, busy_total, failed_total
        from monitoring.partition_maintenance where table_name = 'monitoring.readings' $$,
    $$ values (10::bigint, 0::bigint, 6::bigint, 0::bigint, 0::bigint) $$, 'all of it is counted');

-- retention ---------------------------------------------------------------------------------------
-- C-05: names that a pattern would take for ours, and one of ours under a foreign name.
create table monitoring_partitions.readings_p20200101 (note text);
create table monitoring_partitions.readingsxp20260228 (note text);
alter table monitoring_partitions.readings_p20260303 rename to readings_p20270301_of_old;
alter table monitoring_partitions.readings_p20270302 rename to readings_p20200102;
select is(
    array(
        select problem || ' ' || object_name from monitoring_internal.stray_partition_objects()
        where object_name like '%readings%' order by 1),
    array['unattached_table monitoring_partitions.readings_p20200101',
        'unattached_table monitoring_partitions.readingsxp20260228'],
    'tables that lie among the partitions and belong to none are reported');
select is(
    array(
        select plan.action
        from monitoring_internal.partition_plan_at('monitoring.readings', '2027-03-01 03:00Z') as plan),
    '{}', 'without a retention nothing is dropped');
update monitoring.partition_policies set retention = '200 days' where table_name = 'monitoring.readings';
insert into monitoring.partition_holds (table_name, name, covered_until, reason)
values ('monitoring.readings', 'archive', '2026-03-02 00:00Z', 'only these days are archived');
select results_eq(
    $$ select lower_bound, held_by
        from monitoring_internal.expired_partitions_at('monitoring.readings', '2027-03-01 03:00Z') $$,
    $$ values
        ('2026-02-28 00:00Z'::timestamptz, null::text), ('2026-03-01 00:00Z', null), ('2026-03-02 00:00Z', 'archive'),
        ('2026-03-03 00:00Z', 'archive'), ('2026-05-10 00:00Z', 'archive'), ('2026-05-11 00:00Z', 'archive') $$,
    'what is past its retention is told by its bounds, and what holds it by name');
set local track_functions = 'all';
select set_config('pgvigil.asked', coalesce(pg_stat_get_xact_function_calls(
    'monitoring_internal.partition_held_by_at(text,timestamptz,timestamptz,timestamptz)'::regprocedure), 0)::text, true);
select is(
    (select array_agg(plan.lower_bound)
        from monitoring_internal.partition_plan_at('monitoring.readings', '2027-03-01 03:00Z', 1) as plan),
    array['2026-02-28 00:00Z'::timestamptz], 'the next step drops the oldest partition');
select is(
    pg_stat_get_xact_function_calls(
        'monitoring_internal.partition_held_by_at(text,timestamptz,timestamptz,timestamptz)'::regprocedure)
        - current_setting('pgvigil.asked')::bigint,
    1::bigint, 'and only of that one it was asked whether it may go');
select throws_ok(
    $$ select monitoring_internal.drop_partition_at(
        'monitoring.readings', '2026-03-02 00:00Z', '2026-03-03 00:00Z', '2027-03-01 03:00Z') $$,
    'PV302', null, 'a drop is refused while a hold does not cover the partition');
select throws_ok(
    $$ select monitoring_internal.drop_partition_at(
        'monitoring.readings', '2027-03-01 00:00Z', '2027-03-02 00:00Z', '2027-03-01 03:00Z') $$,
    'PV302', null, 'a drop is refused before the retention has passed');
select lives_ok($$ select pg_temp.maintain('2027-03-01 03:00Z') $$, 'the next run');
select is(
    (select min(lower_bound) from monitoring_internal.partition_bounds('monitoring.readings')),
    '2026-03-02 00:00Z'::timestamptz, 'drops what is released and no more');
select isnt_empty(
    $$ select 1 from monitoring_internal.table_problems_at('monitoring.readings', '2027-03-01 03:00Z')
        where problem = 'held_partition' and detail = 'Past its retention and held by archive.' $$,
    'held partitions are reported');
update monitoring.partition_holds set covered_until = null where name = 'archive';
select is(pg_temp.maintain('2027-03-01 03:00Z'), '{}', 'a hold that covers nothing keeps everything');
delete from monitoring.partition_holds where name = 'archive';
select is(
    pg_temp.maintain('2027-03-01 03:00Z'),
    array['drop monitoring_partitions.readings_p20260302 done',
        'drop monitoring_partitions.readings_p20270301_of_old done',
        'drop monitoring_partitions.readings_p20260510 done', 'drop monitoring_partitions.readings_p20260511 done'],
    'C-05: dropped by bounds, whatever the name');
select ok(
    to_regclass('monitoring_partitions.readings_p20200101') is not null
    and to_regclass('monitoring_partitions.readingsxp20260228') is not null
    and to_regclass('monitoring_partitions.readings_p20200102') is not null,
    'C-05: a name that looks old or akin drops nothing');

-- The bound that counts is the upper one: a partition goes when its last row is past the retention, and no earlier.
update monitoring.partition_policies set retention = '1 day' where table_name = 'monitoring.readings';
select is(
    array(
        select (lower_bound at time zone 'UTC')::date
        from monitoring_internal.expired_partitions_at('monitoring.readings', now_at::timestamptz)),
    expired::date[], format('at %s a retention of a day has ended for %s', now_at, expired))
from (values
    ('2027-03-01 23:59:59Z', '{}'), ('2027-03-02 00:00Z', '{2027-02-28}'), ('2027-03-02 12:00Z', '{2027-02-28}'),
    ('2027-03-02 23:59:59Z', '{2027-02-28}'), ('2027-03-03 00:00Z', '{2027-02-28,2027-03-01}')
) as example (now_at, expired);
-- A clock that jumps ahead for once.
select is(
    monitoring_internal.newest_row_bound('monitoring.readings'), '2027-03-04 00:00Z'::timestamptz,
    'the newest row is known to its partition');
select is(
    array(
        select (lower_bound at time zone 'UTC')::date
        from monitoring_internal.expired_partitions_at('monitoring.readings', '2037-01-01 00:00Z')),
    array['2027-02-28', '2027-03-01', '2027-03-02']::date[],
    'age is counted from the newest row: with the clock years ahead the last partition with rows stays');
select is(
    monitoring_internal.newest_row_bound('monitoring.rejected_samples'), null, 'a table without rows has no newest');
update monitoring.partition_policies set retention = '200 days' where table_name = 'monitoring.readings';

-- rows older than the retention go the same way: into a partition, and with it
insert into monitoring.readings (at) values ('2026-01-01 12:00Z');
select is(
    pg_temp.maintain('2027-03-01 03:00Z'),
    array['create monitoring_partitions.readings_p20260101 done', 'drop monitoring_partitions.readings_p20260101 done'],
    'rows past their retention leave the default partition and are dropped with their day');

-- a finer grid after a coarser one
update monitoring.partition_policies
set partition_interval = '12 hours', premake = 1, lookback = 0, retention = null
where table_name = 'monitoring.readings';
select results_eq(
    $$ select lower_bound, upper_bound
        from monitoring_internal.uncovered_spans(
            'monitoring.readings', array['2027-03-03 12:00Z', '2027-03-04 00:00Z']::timestamptz[]) $$,
    $$ values ('2027-03-04 00:00Z'::timestamptz, '2027-03-04 12:00Z'::timestamptz) $$,
    'a slot inside a partition of an older grid is covered');
update monitoring.partition_policies set partition_interval = '7 days' where table_name = 'monitoring.readings';
select is(
    array(
        select lower_bound::text
        from monitoring_internal.missing_partitions_at('monitoring.readings', '2027-03-04 00:00Z')
        order by lower_bound),
    array['2027-03-04 00:00:00+00', '2027-03-08 00:00:00+00'],
    'of a week that days cover in part only the rest is missing');

-- backfill ----------------------------------------------------------------------------------------
update monitoring.partition_policies set partition_interval = '1 day', premake = 1
where table_name = 'monitoring.readings';
insert into monitoring.readings (at) values ('2025-01-03 23:59:59Z');
select is(
    monitoring_internal.create_partitions_at(
        'monitoring.readings', '2025-01-01 12:00Z', '2025-01-04 00:00Z', '2027-03-04 00:00Z'),
    3, 'C-07: partitions of the past are made on demand, up to the end that is not included');
select is(
    (select count(*) from monitoring_partitions.readings_p20250103), 1::bigint, 'and take in what waited for them');
select is(
    monitoring_internal.create_partitions_at(
        'monitoring.readings', '2025-01-01 12:00Z', '2025-01-04 00:00Z', '2027-03-04 00:00Z'),
    0, 'again changes nothing');
select throws_ok(
    format(
        'select monitoring_internal.create_partitions_at(%L, %L, %L, %L)', table_name, from_at, to_at,
        '2027-03-04 00:00Z'),
    code, null, format('%s from %s to %s raises %s', table_name, from_at, to_at, code))
from (values
    ('monitoring.tenants', '2025-01-01 00:00Z', '2025-01-04 00:00Z', 'PV303'),
    ('monitoring.readings', '2025-01-04 00:00Z', '2025-01-01 00:00Z', 'PV304'),
    ('monitoring.readings', '2025-01-04 00:00Z', '2025-01-04 00:00Z', 'PV304'),
    ('monitoring.readings', null, '2025-01-04 00:00Z', 'PV304'),
    ('monitoring.readings', '-infinity', '2025-01-04 00:00Z', 'PV304'),
    ('monitoring.readings', '1025-01-04 00:00Z', '2025-01-04 00:00Z', 'PV304'),
    ('monitoring.samples', '2025-01-01 00:00Z', '2025-01-04 00:00Z', 'PV305')
) as example (table_name, from_at, to_at, code);
select is(
    monitoring.create_partitions('monitoring.samples', now() - interval '4 days', now() - interval '2 days'), 3,
    'the public form reads the clock');
select is(
    (monitoring_internal.policy_for_span_at(
        'monitoring.readings', '2025-01-01 00:00Z', '2025-01-02 00:00Z', '2027-03-04 00:00Z')).partition_interval,
    interval '1 day', 'a span is judged by the policy of its table');

-- faults ------------------------------------------------------------------------------------------
select throws_ok(
    $$ select monitoring_internal.partition_parent('monitoring.nothing') $$, 'PV301', null, 'no such table');
select throws_ok(
    $$ select monitoring_internal.partition_key_column('monitoring.tenants') $$, 'PV301', null, 'not partitioned');
insert into monitoring.partition_policies (table_name, partition_interval)
values ('monitoring.aaa_missing', '1 day'), ('monitoring.tenants', '1 day');
update monitoring.partition_policies set premake = 3 where table_name = 'monitoring.readings';
select is(
    array(select step from unnest(pg_temp.maintain('2027-03-04 00:00Z')) as step where step like '%readings_p%'),
    array(select format('create monitoring_partitions.readings_p2027030%s done', day) from generate_series(4, 7) as day),
    'a table that cannot be maintained stops no other');
select results_eq(
    $$ select table_name, failed_total, last_failure_sqlstate, last_failure from monitoring.partition_maintenance
        where failed_total > 0 order by 1 $$,
    $$ values
        ('monitoring.aaa_missing', 4::bigint, 'PV301',
            'plan monitoring.aaa_missing: table monitoring.aaa_missing does not exist'),
        ('monitoring.tenants', 4, 'PV301',
            'plan monitoring.tenants: monitoring.tenants is not partitioned by range of one timestamptz column') $$,
    'its fault is recorded, after as many attempts as the setting names');
select ok(
    exists (
        select 1 from monitoring_internal.partition_problems_at('2027-03-04 00:00Z')
        where table_name = 'monitoring.aaa_missing' and problem = 'no_table'),
    'and reported');
delete from monitoring.partition_policies where table_name in ('monitoring.aaa_missing', 'monitoring.tenants');
select is(
    (monitoring_internal.maintain_table_step_at('monitoring.readings', '2027-03-04 00:00Z', '{}', 4)).step, null,
    'a table in order has no next step');
select is(
    (monitoring_internal.next_partition_step_at('monitoring.readings', '2027-03-05 00:00Z', '{}', 1)).step,
    'create monitoring.readings monitoring_partitions.readings_p20270308', 'a day later it has one');
select is(
    (monitoring_internal.next_partition_step_at(
        'monitoring.readings', '2027-03-05 00:00Z',
        array['create monitoring.readings monitoring_partitions.readings_p20270308'], 1)).step,
    null, 'which is left to the next run once it was tried often enough');
select is(
    monitoring_internal.perform_partition_step_at(
        monitoring_internal.next_partition_step_at('monitoring.readings', '2027-03-05 00:00Z', '{}', 1),
        '2027-03-05 00:00Z'),
    0::bigint, 'a step of creation says how many rows it moved');
select throws_ok(
    $$ insert into monitoring.partition_policies (table_name, partition_interval, retention)
        values ('monitoring.x', '1 day', '0') $$,
    '23514', null, 'a retention of nothing is refused');
select throws_ok(
    $$ update monitoring.partition_policies set retention = '200000 years' $$, '23514', null,
    'and one that no clock can count back; for ever is null');

-- parts, each by its name ---------------------------------------------------------------------------
select lives_ok('select monitoring_internal.lock_partition_maintenance()', 'the maintenance lock');
select isnt_empty(
    $$ select 1 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ExclusiveLock' $$,
    'is held until the transaction ends');
insert into monitoring.readings (at) values ('2024-06-01 00:00Z'), ('2024-06-01 23:00Z'), ('2024-06-02 00:00Z');
create table pg_temp.target (like monitoring.readings including generated);
select is(
    monitoring_internal.move_default_rows(
        'monitoring.readings', 'pg_temp.target', '2024-06-01 00:00Z', '2024-06-02 00:00Z'),
    2::bigint, 'move_default_rows takes the rows of a span, its end not included');
select is(
    monitoring_internal.create_partition('monitoring.readings', '2024-06-02 00:00Z', '2024-06-03 00:00Z'), 1::bigint,
    'create_partition says how many rows it took over');
select lives_ok(
    $$ select monitoring_internal.set_partition_parameters('monitoring.rejected_samples', 'pg_temp.target') $$,
    'a policy without parameters sets none');
select lives_ok(
    $$ select monitoring_internal.record_partition_step_at(
        ('x', 'monitoring.readings', 'create', null, null, null, 'busy', null), 0, null, null, '2027-03-09 00:00Z') $$,
    'record_partition_step_at');
select results_eq(
    $$ select busy_total, last_busy_at from monitoring.partition_maintenance where table_name = 'monitoring.readings' $$,
    $$ values (1::bigint, '2027-03-09 00:00Z'::timestamptz) $$, 'counts an attempt that found a lock taken');

-- rights ------------------------------------------------------------------------------------------
select is(
    array(
        select distinct relowner::regrole::text from pg_class where oid in (
            select partition from monitoring_internal.partition_bounds('monitoring.readings'))),
    array['monitoring_owner'], 'partitions are the owner''s, though a superuser made them');
select is(
    array(
        select class.oid::regclass::text
        from pg_class as class
        where class.relnamespace = 'monitoring_partitions'::regnamespace
            and class.relispartition
            and class.relkind = 'r'
            and not class.relrowsecurity
            and class.relname !~ '_default$'
    ),
    '{}', 'X-04: a partition read by its own name shows no rows of any tenant');
select is(
    array(
        select format('%s %s', role.name, class.oid::regclass)
        from pg_class as class
        cross join unnest(array[
            'monitoring_admin', 'monitoring_service', 'monitoring_collector', 'monitoring_analyst',
            'monitoring_reader', 'monitoring_exporter']) as role (name)
        where class.relnamespace = 'monitoring_partitions'::regnamespace
            and class.relkind = 'r'
            and has_table_privilege(role.name, class.oid, 'select, insert, update, delete, truncate')
    ),
    '{}', 'X-04: and no role has a right on one');
select is(
    array[
        has_function_privilege('monitoring_service', 'monitoring.maintain_partitions()', 'execute'),
        has_function_privilege('monitoring_service', 'monitoring_internal.maintain_next_partition(text[])', 'execute'),
        has_function_privilege(
            'monitoring_service', 'monitoring_internal.maintain_next_partition_at(timestamptz, text[])', 'execute'),
        has_function_privilege('monitoring_reader', 'monitoring.maintain_partitions()', 'execute'),
        has_function_privilege('monitoring_service', 'monitoring.create_partitions(text, timestamptz, timestamptz)',
            'execute')],
    array[true, true, false, false, false], 'the service maintains by the database''s clock alone');
select is(
    pg_temp.as_role('monitoring_service', $$ select count(*) from monitoring_internal.maintain_next_partition('{}') $$),
    '1', 'it may ask for the next step, whose work is the owner''s');
select is(
    pg_temp.as_role('monitoring_reader', 'select count(*) > 0 from monitoring.partitions where is_default'),
    'true', 'a reader sees partitions and their sizes');
select is(
    pg_temp.as_role('monitoring_reader', 'select count(*) >= 0 from monitoring.partition_problems'), 'true',
    'and what is wrong with them');

select * from finish();
rollback;
