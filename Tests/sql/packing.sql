-- Packing: what went in comes out to the last bit, whatever form a day has; late samples; the order of its steps.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- forms -------------------------------------------------------------------------------------------
-- Values through encode_values and block_value, compared bit by bit.
create function pg_temp.encoding_of(p_values double precision[]) returns text language plpgsql as $$
declare
    v_min constant double precision := (select min(v) from unnest(p_values) as v);
    v_encoded record;
begin
    v_encoded := monitoring_internal.encode_values(p_values, v_min, (select max(v) from unnest(p_values) as v));
    if array_send(array(
        select monitoring_internal.block_value(v_encoded.encoding, n, v_min, v_encoded.divisor, v_encoded.bit_width,
            v_encoded.slope, v_encoded.bases, v_encoded.wide_bases, v_encoded.bits, v_encoded.starts,
            v_encoded.value_list)
        from generate_series(0, cardinality(p_values) - 1) as n)) <> array_send(p_values)
    then
        return 'differs';
    end if;
    return case v_encoded.encoding when 0 then 'constant' when 1 then 'runs' when 3 then 'plain'
        else 'numbers over ' || v_encoded.divisor end;
end
$$;
create function pg_temp.series_of(p_count integer, p_expression text) returns double precision[] language plpgsql as $$
declare v_values double precision[];
begin
    execute format('select array_agg((%s)::double precision order by n) from generate_series(0, $1 - 1) as n', p_expression)
    into v_values using p_count;
    return v_values;
end
$$;
select is(pg_temp.encoding_of(pg_temp.series_of(count, expression)), form, what)
from (values
    (1440, '7', 'constant', 'one value throughout'),
    (1, '0.1', 'constant', 'a single sample'),
    (1440, 'n / 700', 'runs', 'few changes'),
    (1440, 'n * 10000 + n % 7', 'numbers over 1', 'a counter'),
    (1440, '(n * 37 % 1000) / 100.0', 'numbers over 100', 'two decimals'),
    (1440, 'round((sin(n) * 50)::numeric, 3)', 'numbers over 1000', 'three decimals, negative ones too'),
    (1440, '8192 * (n * 7919 % 5000)', 'numbers over 0.0001220703125', 'sizes of whole pages'),
    (1440, 'n * 1e14 + n', 'numbers over 1', 'numbers beyond 32 bits'),
    (1440, 'case when n = 700 then 0 else 9e15 end - n', 'numbers over 1', 'a step almost as wide as there can be'),
    (1440, 'case when n % 2 = 0 then ''-0'' else ''0'' end', 'plain', 'negative zeros'),
    (1440, 'case n % 3 when 0 then ''1.7976931348623157e308'' when 1 then ''-1.7976931348623157e308'' else ''5e-324'' end',
        'plain', 'the extremes of double precision'),
    (1440, 'n * 5e-324', 'plain', 'denormal numbers'),
    (2, 'case n when 0 then ''0.1'' else ''1.7976931348623157e308'' end', 'plain', 'the greatest beside a small one'),
    (2, 'case n when 0 then ''5e-324'' else ''123456789.123456789'' end', 'plain', 'the least beside a great one'),
    (3, 'case n when 0 then ''1e17'' else 0.1 * n end', 'plain', 'more digits than a number has'),
    (1440, '100 + sin(n)', 'numbers over 70368744177664', 'full mantissas of one magnitude: by a power of two'),
    (1440, 'exp(n % 700 * 1.01)', 'plain', 'full mantissas of any magnitude')
) as form (count, expression, form, what);

-- Times through encode_times and block_time.
create function pg_temp.times_of(p_expression text) returns text language plpgsql as $$
declare
    v_times timestamptz[];
    v_encoded record;
begin
    execute format(
        'select array_agg(timestamptz ''2026-01-05 00:00Z'' + (%s) * interval ''1 microsecond'' order by n) '
        'from generate_series(0::bigint, 1439) as n', p_expression) into v_times;
    v_encoded := monitoring_internal.encode_times('2026-01-05 00:00Z', v_times);
    return case when v_times = array(
            select monitoring_internal.block_time(date_part('epoch', timestamptz '2026-01-05 00:00Z') * 1000000, n,
                v_encoded.bit_width, v_encoded.unit, v_encoded.slope, v_encoded.bases, v_encoded.bits)
            from generate_series(0, 1439) as n)
        then format('%s bits of %s', v_encoded.bit_width, v_encoded.unit) else 'differs' end;
end
$$;
select is(pg_temp.times_of(expression), form, what)
from (values
    ('n * 60000000', '0 bits of 60000000', 'equal steps take no bits'),
    ('n * 60000000 + 17', '0 bits of 1', 'nor where they begin at an odd microsecond'),
    ('(n + (n > 900)::integer) * 60000000 - (n > 900)::integer', '26 bits of 1', 'a gap and one odd time'),
    ('(n + (n > 900)::integer * 60) * 55000000', '6 bits of 55000000', 'a gap is counted in steps'),
    ('n * 60000000 + n * n * 7919 % 30000', '15 bits of 1', 'jitter takes its own width'),
    ('power(n, 3) * 28', '28 bits of 28', 'times that run away')
) as form (expression, form, what);

-- a day ---------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.packed_until(), '-infinity', 'nothing is packed at first');
select is(monitoring_internal.raw_from(), '-infinity', 'and nothing closed');
select is(monitoring_internal.next_raw_day('-infinity'), null, 'there is no day to pack');
create temporary table given as
select s.name, jsonb_build_object('n', s.number::text) as labels, at.sampled_at, case s.number % 4
        when 0 then 42 when 1 then round((sin(at.n) * 100)::numeric, 2) when 2 then at.n * at.n else at.n / 50
    end::double precision as value
from (values ('pack_a', 1), ('pack_a', 2), ('pack_b', 3), ('pack_b', 4)) as s (name, number)
cross join lateral (
    select n, timestamptz '2026-03-01 00:00Z' + n * interval '10 min' + (s.number = 3)::integer * n * interval '17 us'
    from generate_series(0, 500) as n
) as at (n, sampled_at);
select monitoring.set_setting('store.max_past', '3000days');
update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
select is(monitoring_internal.create_partitions_at('monitoring.samples', '2026-03-01', '2026-03-06 12:00Z', '2026-03-01'), 6,
    'six days of samples');
select is((monitoring_internal.ingest_samples_at(array_agg(name), array_agg(labels), array_agg(value),
    array_agg(sampled_at), null, '2026-03-05')).accepted, 2004::bigint, 'four series of three and a half days')
from given;
create function pg_temp.differences() returns bigint language sql as $$
    select count(*)
    from given
    full join (
        select metric as name, labels, sampled_at, value from monitoring.metric_samples where metric like 'pack_%'
    ) as stored using (name, labels, sampled_at)
    where given.value is distinct from stored.value
$$;
create function pg_temp.pack_all(p_now timestamptz) returns text language plpgsql as $$
declare
    v_steps text[] := '{}';
    v_step text;
begin
    loop
        v_step := monitoring_internal.pack_next_at(p_now);
        exit when v_step is null;
        v_steps := v_steps || v_step;
    end loop;
    return array_to_string(v_steps, ' ');
end
$$;
select is(pg_temp.differences(), 0::bigint, 'before packing the views show what was given');
select is(pg_temp.pack_all('2026-03-05 00:30Z'), '', 'what is not rolled up is not packed');
update monitoring.partition_holds set covered_until = 'infinity'
where table_name = 'monitoring.samples' and name = 'rollups';
select is(pg_temp.pack_all('2026-03-05 00:30Z'), 'close blocks blocks finish close blocks blocks finish',
    'two days are due after four and a half');
select is(monitoring_internal.packed_until(), '2026-03-03 00:00Z', 'they count');
select is(pg_temp.differences(), 0::bigint, 'half packed they show the same');

-- Each form alone.
select is((monitoring_internal.pack_integers('{5,8,11,14,18}')).slope, 3::bigint, 'pack_integers takes the mean step');
select is((monitoring_internal.encode_runs('{1,1,2,2,1}')).starts, '{0,2,4}', 'encode_runs numbers the first of each');
select is(monitoring_internal.choose_divisor('{0.25,0.5}', 0.25, 0.5), 100::double precision,
    'choose_divisor prefers powers of ten');
select is((monitoring_internal.encode_numbers('{0.25,0.5}', null)).bit_width, null, 'encode_numbers needs a divisor');

-- What is read by read_points is what is stored.
select is_empty(
    $$ select series_id, sampled_at, value from monitoring_internal.sample_points
        except select point.* from monitoring_internal.read_points(
            array(select series_id from monitoring.series), '-infinity', 'infinity') as point $$,
    'read_points and sample_points agree');

-- late ----------------------------------------------------------------------------------------------------------------
select is(
    monitoring_internal.ingest_samples_at(array_agg(name), array_agg(labels), array_agg(value), array_agg(sampled_at),
        null, '2026-03-05')::text,
    '(0,2004,0)', 'a batch sent again changes nothing, packed or not')
from given;
select is((select count(*) from monitoring.late_samples), 0::bigint, 'and leaves nothing among the late');
insert into given
select name, labels, timestamptz '2026-03-02 11:11:11.111111Z' + n * interval '1 s', n / 7.0::double precision
from (select distinct name, labels from given where name = 'pack_b') as series
cross join generate_series(1, 3) as n;
select is(
    monitoring_internal.ingest_samples_at(array_agg(name), array_agg(labels), array_agg(value), array_agg(sampled_at),
        null, '2026-03-05')::text,
    '(6,2004,0)', 'late samples are taken, and only they')
from given;
select is((select count(*) from monitoring.late_samples), 6::bigint, 'they wait among the late');
select is(pg_temp.differences(), 0::bigint, 'and are read already');
select is(pg_temp.pack_all('2026-03-05 00:30Z'), 'repack', 'packing takes them into the blocks');
select is((select count(*) from monitoring.late_samples), 0::bigint, 'none is left');
select is(pg_temp.differences(), 0::bigint, 'and all is read as given');
select is(
    monitoring_internal.ingest_samples_at(array_agg(name), array_agg(labels), array_agg(value), array_agg(sampled_at),
        null, '2026-03-05')::text,
    '(0,2010,0)', 'L-31: a batch sent again changes nothing, not even one that was late for its blocks')
from given;

-- release -------------------------------------------------------------------------------------------------------------
select is(monitoring_internal.release_raw_at('2026-03-05 01:00Z'), false, 'samples are kept for the grace');
select is(pg_temp.pack_all('2026-03-05 01:30Z'), 'release', 'and given free after it');
select is(
    (select released_until from monitoring.partition_policies where table_name = 'monitoring.samples'),
    '2026-03-03 00:00Z'::timestamptz, 'as far as the blocks count');

-- a later day, so that the third grows old
select is((monitoring_internal.ingest_samples_at('{other}', '{"{}"}', '{1}', '{2026-03-06 12:00Z}', null,
    '2026-03-06 12:00Z')).accepted, 1::bigint, 'time goes on');

-- step by step --------------------------------------------------------------------------------------------------------
select is(monitoring_internal.close_day_at('2026-03-05 23:00Z'), false, 'a day is not closed before its time');
-- A long reader of a default partition, as the maker of partitions meets it, which has to have a time limit of its own.
savepoint locked;
drop table if exists monitoring_partitions.sample_blocks_p20260301;
create or replace function monitoring_internal.create_partition(p_table text, p_lower timestamptz, p_upper timestamptz)
returns bigint language plpgsql as $$
begin
    if current_setting('lock_timeout') <> '0' then
        raise exception using errcode = 'lock_not_available', message = 'canceling statement due to lock timeout';
    end if;
    return 0;
end
$$;
set local lock_timeout = 0;
select is(monitoring_internal.close_day_at('2026-03-06 00:00Z'), null, 'a day whose partitions are locked is left for later');
select is(monitoring_internal.pack_next_at('2026-03-06 00:00Z'), 'busy', 'which packing says');
select is((select closed_until from monitoring_internal.packing_state), '2026-03-03 00:00Z', 'and the day is not closed');
select is((select busy_total from monitoring.partition_maintenance where table_name = 'monitoring.sample_blocks'), 2::bigint,
    'each time is counted');
select is(current_setting('lock_timeout'), '0', 'the session''s own time limit is as it was');
rollback to savepoint locked;
select ok(monitoring_internal.try_partitions_at('monitoring.sample_blocks', '2026-03-03', '2026-03-04', '2026-03-06'),
    'with nobody in the way the partitions are there');
select is(monitoring_internal.close_day_at('2026-03-06 00:00Z'), true, 'and then it is');
select is(monitoring_internal.raw_from(), '2026-03-04 00:00Z', 'from then on nothing is added to its samples');
select is(monitoring_internal.current_raw_from(), '2026-03-04 00:00Z', 'whoever writes is told so');
insert into given values ('pack_a', '{"n": "1"}', '2026-03-03 07:00:01Z', 0.5), ('pack_new', '{}', '2026-03-03 07:00Z', 1);
select is(
    monitoring_internal.ingest_samples_at(array_agg(name), array_agg(labels), array_agg(value), array_agg(sampled_at),
        null, '2026-03-05')::text,
    '(2,2010,0)', 'what comes for it is late, known by its samples')
from given;
select is(pg_temp.differences(), 0::bigint, 'and read');
select is(monitoring_internal.is_day_still(), true, 'nobody ingests: the day is still');
create function pg_temp.fail() returns trigger language plpgsql as
    $$ begin raise exception using errcode = '53100', message = 'no space left on device'; end $$;
create trigger full_disk before insert on monitoring.sample_blocks for each row execute function pg_temp.fail();
select throws_ok($$ select monitoring_internal.pack_next_at('2026-03-06') $$, '53100', null, 'a full disk stops packing');
drop trigger full_disk on monitoring.sample_blocks;
select is(pg_temp.differences(), 0::bigint, 'and costs nothing');
select is(monitoring_internal.pack_next_series(), true, 'with room again it goes on');
select is(monitoring_internal.pack_next_series(), true, 'up to what no series is listed for');
select is(monitoring_internal.pack_next_series(), false, 'until all are done');
select is((select count(*) from monitoring_internal.open_blocks where period_at = '2026-03-03'), 0::bigint,
    'blocks do not count yet');
insert into monitoring.samples select series_id, '2026-03-03 09:09:09Z', 9 from monitoring.series
where labels = '{"n": "1"}';
insert into given values ('pack_a', '{"n": "1"}', '2026-03-03 09:09:09Z', 9);
select is(monitoring_internal.finish_day_at('2026-03-06'), false, 'if they are not all the day has, they never will');
select is((select count(*) from monitoring.sample_blocks where period_at = '2026-03-03'), 0::bigint, 'they are made anew');
select is(pg_temp.pack_all('2026-03-06'), 'blocks blocks finish repack', 'and then the late ones are taken in');
select is(pg_temp.differences(), 0::bigint, 'nothing is lost or doubled');
select is((select count(*) from monitoring.late_samples), 0::bigint, 'nothing waits');
update monitoring_internal.packing_state set closed_until = '2026-03-05';
insert into monitoring.packed_periods (period_at, closed_at) values ('2026-03-04', now());
select monitoring_internal.pack_raw_series('2026-03-04', 0, 2147483648);
select is(
    (select sum(sample_count) from monitoring.sample_blocks where period_at = '2026-03-04'),
    (select count(*) from given where sampled_at >= '2026-03-04'), 'pack_raw_series makes the blocks of a day');
-- Blocks by store_block and store_time_vector, late samples by store_late_samples and repack_series; pack_next and
-- pack_samples are the service's; late_lock_key is between those who add late samples and repack_next_at.
select is(
    monitoring_internal.store_time_vector('2026-03-04', array['2026-03-04 01:00Z'::timestamptz]),
    monitoring_internal.store_time_vector('2026-03-04', array['2026-03-04 01:00Z'::timestamptz]),
    'a list of times is stored once');
select ok(monitoring_internal.is_rising('{2026-01-01,2026-01-02}') and not monitoring_internal.is_rising('{2026-01-02,2026-01-01}'),
    'is_rising tells times that are out of order, which are sorted');

-- ways to read --------------------------------------------------------------------------------------------------------
update monitoring_internal.packing_state set closed_until = packed_until;
select bag_eq(
    $$ select point.* from monitoring.series, monitoring_internal.window_points(
        series_id, timestamptz '2026-03-02 10:00Z', timestamptz '2026-03-04 10:00Z', false) as point $$,
    $$ select series_id, sampled_at, value from monitoring_internal.sample_points
        where sampled_at > '2026-03-02 10:00Z' and sampled_at <= '2026-03-04 10:00Z' $$,
    'window_points leaves its beginning out and has its end');
select is(
    (select max(monitoring_internal.newest_sample_time(series_id, '2026-01-01', '2026-03-02 12:34Z'))
        from monitoring.series),
    (select max(sampled_at) from given where sampled_at <= '2026-03-02 12:34Z'), 'the newest before a time is found');
-- Any span of any series, by chance: what is read is what was given, whatever form it has.
select setseed(0.31);
select is_empty(
    $$ with span as materialized (
            select number, '2026-02-28 20:00Z'::timestamptz + random() * interval '5 days' as from_at,
                random() * random() * interval '3 days' as length, 1 + floor(random() * 4)::integer as n
            from generate_series(1, 300) as number
        )
        select *
        from (
            select span.number, given.sampled_at, given.value
            from span
            inner join given on given.labels = jsonb_build_object('n', span.n::text)
                and given.sampled_at >= span.from_at and given.sampled_at < span.from_at + span.length
        ) as wanted
        full join (
            select span.number, point.sampled_at, point.value
            from span
            inner join monitoring.series as series on series.labels = jsonb_build_object('n', span.n::text)
            cross join lateral monitoring_internal.read_points(
                array[series.series_id], span.from_at, span.from_at + span.length) as point
        ) as found using (number, sampled_at)
        where wanted.value is distinct from found.value $$,
    'row 31: three hundred spans by chance read the same, raw, packed and mixed');

-- what it saves ------------------------------------------------------------------------------------------------------
select cmp_ok((select min(ratio) from monitoring.packing_status where period_at < '2026-03-03'), '>=', 4.0,
    'P-15: a packed day takes a quarter of the bytes at most, measured (packed_sizes, block_bytes)');
select is(
    (select sum(samples) from monitoring.packing_statistics where metric like 'pack_%'),
    (select count(*)::numeric from given where sampled_at < '2026-03-04'), 'by metric, each sample is counted');

-- the newest ----------------------------------------------------------------------------------------------------------
select is((select count(*) from monitoring.latest_samples where metric like 'pack_%'), 0::bigint,
    'old samples are not current');
update monitoring.metric_families set stale_after = now() - '2026-03-01' where name like 'pack_%';
select bag_eq(
    $$ select metric, labels, sampled_at, value from monitoring.latest_samples where metric like 'pack_%' $$,
    $$ select distinct on (name, labels) name, labels, sampled_at, value from given
        order by name, labels, sampled_at desc $$,
    'but where a metric stays current for long, its newest is found in blocks too');

-- what would not come back is not stored ---------------------------------------------------------------------------
create or replace function monitoring_internal.choose_divisor(
    p_values double precision[], p_min double precision, p_max double precision)
returns double precision language sql immutable as 'select 1::double precision';
select throws_ok(
    $$ select monitoring_internal.encode_values(array(select 0.5 + n % 3 from generate_series(1, 200) as n), 0.5, 2.5) $$,
    'PV220', null, 'a form that loses a value is found out before it is stored');

select * from finish();
rollback;
