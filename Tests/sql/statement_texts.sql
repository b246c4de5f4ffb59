-- Statement texts: literals and comments masked, asked for when missing, forgotten.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();
grant usage on schema tap to monitoring_admin, monitoring_owner;

-- What is masked, and what stays --------------------------------------------------------------------
create temporary table masking (query text, masked text);
insert into masking values
    ('select a, "b""c" from t where x = $1 and y > $2', 'select a, "b""c" from t where x = $1 and y > $2'),
    ($$create role bob password 'hun''ter2' valid until '2030-01-01'$$, 'create role bob password ? valid until ?'),
    -- With standard_conforming_strings off, the quote after the backslash would not end the literal.
    ($$alter role x password 'abc\' login connection limit 5$$, 'alter role x password ?'),
    ($$select '\' , 'secret' $$, 'select ?'),
    ($$select 'a\\' || 'secret' || 1.5e-7, 0x1F, .5, 1_000$$, 'select ? || ? || ?, ?, ?, ?'),
    ($$select E'it\'s' || 'x', e'\\'$$, 'select ? || ?, ?'),
    ($$select U&'\0041secret' uescape '!', N'n', B'01', x'ff'$$, 'select U&? uescape ?, N?, B?, x?'),
    ($$select U&"d\0061t\+000061" from t$$, $$select U&"d\0061t\+000061" from t$$),
    ($$do $x$ begin raise 'secret'; end $x$ language plpgsql$$, 'do ?'),
    ('select $$secret$$, $1', 'select ?'),
    ('comment on table t is $täg$it''s secret', 'comment on table t is ?'),
    (E'select /* token=abc */ a -- secret\n from t', E'select   a  \n from t'),
    ('select /* a /* b */ secret */ 1', 'select  '),
    ('/**/select/***/1', ' select ?'),
    ('select 5--6', 'select ? '),
    ('select 5- -6', 'select ?- -?'),
    -- Never ended, as the cut of a long text leaves them.
    ($$select 'unterminated$$, 'select ?'), ($$select 'a''$$, 'select ?'), ($$select e'unterminated\$$, 'select ?'),
    ('select "never closed secret', 'select ?'), ('select /* never closed secret', 'select  '),
    -- A quote in a name, and a name's quote in a literal.
    ($$select "a'b", 'secret"', "c"$$, 'select "a''b", ?, "c"'),
    ($$select 'a' 'b', 'c'::text$$, 'select ? ?, ?::text'),
    ('select foo$bar$ from t where a=1', 'select foo$bar$ from t where a=?'),
    ($$select größe'x', 'é' from täble$$, 'select größe?, ? from täble'),
    ($$select fooE'x'$$, 'select fooE?'),
    ($$copy t from program 'curl -H "Authorization: x"' with (format csv)$$, 'copy t from program ? with (format csv)'),
    ($$create user mapping for u server s options (user 'x', password 'y')$$,
        'create user mapping for u server s options (user ?, password ?)'),
    -- A bare word may be a value.
    ('set app.token = abc', 'set app.token = ?'), ('SET LOCAL app.token TO secret', 'SET LOCAL app.token TO ?'),
    ('alter role x in database y set app.t to secret', 'alter role x in database y set app.t to ?'),
    ($$alter system set x='y'$$, 'alter system set x= ?'),
    ('set app.token to secret, "to"', 'set app.token to ?'), ('set "my app" . token = secret', 'set "my app" . token = ?'),
    ('alter function f(int) set app.token to secret', 'alter function f(int) set app.token to ?'),
    ($$create or replace function f(a int = 1) returns int language sql set app.a = secret set b to c as 'x'$$,
        'create or replace function f(a int = ?) returns int language sql set app.a = ?'),
    ('alter user x set app.token from current', 'alter user x set app.token from current'),
    ('create table t (a int references b on delete set null)', 'create table t (a int references b on delete set null)'),
    ('alter table a rename to b', 'alter table a rename to b'), ('set role bob', 'set role bob'),
    ('update t set a = 1', 'update t set a = ?'),
    (E'select\t1\r\n', E'select\t?\r\n'), ('', ''), (null, null);
select is(monitoring_internal.mask_query(masking.query), masking.masked, format('masked: %s', masking.query))
from masking;
select is(
    (select string_agg(found.part, '|' order by found.place)
        from monitoring_internal.query_parts($$select "a", 'b' from c$$) as found),
    $$select| |"a"|, |'b'| |from| |c$$, 'a text falls into its parts, and none is lost');
-- The same text cut anywhere shows nothing more than the text.
select is_empty(
    $$ select cut, left(query, cut)
        from (values ($q$select a, 'secret' || E'\'secret' || "x" /* secret */ , $x$ secret $x$ -- secret$q$)) as t (query)
        cross join generate_series(1, length(query)) as cut
        where monitoring_internal.mask_query(left(query, cut)) ~ 's?ecr' $$,
    'X-20: no cut of a text shows a literal''s inside');
select cmp_ok(
    length(monitoring_internal.mask_query(repeat($$select 'x', a from t where b = 1 -- c
        $$, 2000))), '>', 10000, 'a long text is masked in time');

-- Asked for when missing ----------------------------------------------------------------------------
insert into monitoring.statement_sources
    (target_database_id, tenant_id, collected_at, captured_at, identity, entries, hidden, is_complete)
values (0, monitoring.system_tenant_id(), '2026-01-01', '2026-01-01', '15 1.10', 2, 0, true);
insert into monitoring.statements
    (target_database_id, queryid, dbid, tenant_id, query_hash, first_seen_at, last_seen_at)
select 0, number, 5, monitoring.system_tenant_id(), md5(format('queryid %s', number)), '2026-01-01', '2026-01-01'
from generate_series(1, 3) as number;
create function pg_temp.due_at() returns timestamptz language sql as $$
    select state.next_due_at from monitoring.collector_states as state
    inner join monitoring.collectors as collector using (collector_id)
    where collector.name = 'statement_texts' and state.target_database_id = 0;
$$;
create function pg_temp.put_off() returns void language sql as $$
    update monitoring.collector_states as state set next_due_at = '2026-02-01'
    from monitoring.collectors as collector
    where collector.collector_id = state.collector_id and collector.name = 'statement_texts';
$$;
create function pg_temp.text_row(p_queryid bigint, p_query text) returns text language sql as $$
    select row(p_queryid, 5, p_query, false)::monitoring_internal.statement_texts_row::text;
$$;
select pg_temp.put_off();
select monitoring_internal.request_texts_at(0, '2026-01-01 00:00');
select is(pg_temp.due_at(), '2026-01-01 00:00'::timestamptz, 'a statement without text makes their collector due at once');
select is(
    monitoring_internal.store_statement_texts_at(0, array[
        pg_temp.text_row(1, $$alter role a password 'secret'$$), pg_temp.text_row(2, 'select ' || repeat('x', 9000)),
        pg_temp.text_row(77, 'select 1')], '2026-01-01 00:00:01'),
    2::bigint, 'texts that the dictionary lacks are stored, others are not');
select results_eq(
    $$ select queryid, normalized_query, query_hash, is_truncated, text_missed_at from monitoring.statements
        where queryid <> 2 order by queryid $$,
    $$ values (1::bigint, 'alter role a password ?', md5('alter role a password ?'), false, null::timestamptz),
        (3, null, md5('queryid 3'), false, '2026-01-01 00:00:01') $$,
    'X-20, L-11: a text is stored once, masked, and one that is gone is noted as missed');
select results_eq(
    $$ select length(normalized_query), is_truncated from monitoring.statements where queryid = 2 $$,
    $$ values (8000, true) $$, 'a long text is cut, and says so');
select pg_temp.put_off();
select monitoring_internal.request_texts_at(0, '2026-01-01 00:01');
select is(pg_temp.due_at(), '2026-02-01'::timestamptz, 'a text that was missed is not asked for again at once');
insert into monitoring.statements
    (target_database_id, queryid, dbid, tenant_id, query_hash, first_seen_at, last_seen_at)
values (0, 4, 5, monitoring.system_tenant_id(), '', '2026-01-01', '2026-01-01');
select monitoring_internal.request_texts_at(0, '2026-01-01 00:01');
select is(pg_temp.due_at(), '2026-01-01 00:05:01'::timestamptz, 'a new one is, after the pause');
select is(
    monitoring_internal.store_statement_texts_at(0, array[pg_temp.text_row(1, 'other')], '2026-01-01 00:06'), 0::bigint,
    'a text that is known stays');
select is(
    monitoring_internal.statement_tenant_id(0), monitoring.system_tenant_id(), 'the home server is the system''s own');

-- Forgotten -----------------------------------------------------------------------------------------
update monitoring.statements set last_seen_at = '2025-01-01' where queryid in (2, 3);
select is(monitoring_internal.tidy_statements_at('2026-01-02'), 2::bigint, 'texts expire by when they were last seen');

-- Optimized -----------------------------------------------------------------------------------------
set local role monitoring_admin;
select is(
    monitoring.mark_query_optimized(md5('alter role a password ?')), 1::bigint,
    'L-06: an administrator marks a query as optimized by its hash');
select throws_ok(
    $$ select monitoring.mark_query_optimized('none') $$, 'PV702', 'no statement has the hash "none"',
    'an unknown hash is refused');
reset role;
select isnt((select optimized_at from monitoring.statements where queryid = 1), null, 'and when is kept');
set local role monitoring_owner;
select throws_ok(
    $$ select monitoring_internal.mark_query_optimized_at('none', '2026-01-01') $$, 'PV702', null,
    'the form that takes the time does the same');
reset role;

select cmp_ok(monitoring.tidy_statements(), '>=', 2::bigint, 'a job forgets what is long gone');
select is_empty($$ select 1 from monitoring.statements where last_seen_at < '2026-02-01' $$, 'all of it');
insert into monitoring.statement_sources
    (target_database_id, tenant_id, collected_at, captured_at, identity, entries, hidden, is_complete)
values (777, monitoring.system_tenant_id(), '2026-01-01', '2026-01-01', '15 1.10', 2, 0, true);
insert into monitoring_internal.statement_counters
    (target_database_id, queryid, userid, dbid, is_toplevel, calls, total_exec_time)
values (777, 1, 10, 5, true, 1, 1);
select is(monitoring_internal.tidy_statements_at('2026-01-02'), 0::bigint, 'and the counters of servers that were removed');
select is(
    (select array_agg(target_database_id) from monitoring.statement_sources where target_database_id in (0, 777)), array[0],
    'which are gone then');
select is_empty($$ select 1 from monitoring_internal.statement_counters where target_database_id = 777 $$, 'wholly');

select * from finish();
rollback;
