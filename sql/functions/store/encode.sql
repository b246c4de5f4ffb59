-- store/encode.sql: values and times of a block in their cheapest form.
-- Owns encode_numbers, encode_runs, encode_values, encode_times. Writes nothing.
-- Any number of callers at once.

-- Values as whole numbers over a divisor; bit_width is null when they are none, or when it would not pay.
create or replace function monitoring_internal.encode_numbers(
    p_values double precision[], p_divisor double precision,
    out bit_width integer, out slope bigint, out bases integer[], out wide_bases bigint[], out bits varbit)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_divisor is null then
        return;
    end if;
    select packed.bit_width, packed.slope, packed.bases, packed.bits
    into bit_width, slope, wide_bases, bits
    from monitoring_internal.pack_integers(array(
        select (item.value * p_divisor)::bigint from (select unnest(p_values) as value) as item)) as packed;
    if bit_width > 60 then
        bit_width := null;
    elsif (select max(abs(item.base)) from unnest(wide_bases) as item (base)) < 2147483648 then
        bases := wide_bases;
        wide_bases := null;
    end if;
end;
$$;

comment on function monitoring_internal.encode_numbers(double precision[], double precision) is
    'Values as slope, bases and bits of whole numbers over a divisor; nulls when that would not pay.';

-- Where the runs of equal values begin, and their values.
create or replace function monitoring_internal.encode_runs(
    p_values double precision[], out starts integer[], out value_list double precision[])
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(run.number order by run.number), array_agg(run.value order by run.number)
    from (
        select item.number, item.value, lag(item.value) over (order by item.number) as before
        from (
            select unnest(p_values) as value, generate_series(0, cardinality(p_values) - 1) as number
        ) as item
    ) as run
    where run.before is distinct from run.value;
$$;

comment on function monitoring_internal.encode_runs(double precision[]) is
    'Runs of equal values: the number of the first of each, from 0, and its value.';

-- Values in the form that takes the fewest bytes. That of whole numbers is read back before it is taken.
-- Raises: PV220.
create or replace function monitoring_internal.encode_values(
    p_values double precision[], p_min double precision, p_max double precision,
    out encoding smallint, out bit_width integer, out divisor double precision, out slope bigint, out bases integer[],
    out wide_bases bigint[], out starts integer[], out bits varbit, out value_list double precision[])
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count constant integer := cardinality(p_values);
    -- The negative zero equals zero and is another number: only the plain form keeps it.
    v_is_plain constant boolean := p_min <= 0 and p_max >= 0
        and position('\x000000088000000000000000'::bytea in array_send(p_values)) > 0;
    -- Bytes: of a run twelve, of a whole number its bits and a share in its base, of a plain value eight.
    v_runs integer;
    v_least integer := 8 * v_count;
begin
    encoding := case when p_min = p_max and not v_is_plain then 0 else 3 end;
    if encoding = 3 and not v_is_plain then
        select 12 * (1 + count(*)) into v_runs
        from (select unnest(p_values) as value, unnest(p_values[2:]) as next) as item
        where item.next <> item.value;
        if v_runs > v_count / 16 then
            divisor := monitoring_internal.choose_divisor(p_values, p_min, p_max);
            select numbers.* into bit_width, slope, bases, wide_bases, bits
            from monitoring_internal.encode_numbers(p_values, divisor) as numbers;
            if v_count * bit_width / 8 + v_count / 16 < v_least then
                encoding := 2;
                v_least := v_count * bit_width / 8 + v_count / 16;
            end if;
        end if;
        if v_runs < v_least then
            encoding := 1;
        end if;
    end if;
    if encoding <> 2 then
        bit_width := 0;
        divisor := null;
        slope := null;
        bases := null;
        wide_bases := null;
        bits := null;
    elsif p_values <> array(
        select monitoring_internal.block_value(
            encoding, item.number, null, divisor, bit_width, slope, bases, wide_bases, bits, null, null)
        from (select generate_series(0, v_count - 1) as number) as item)
    then
        raise exception using
            errcode = 'PV220', message = 'a block would not give back the values it is made of',
            hint = 'Nothing was stored; this is a fault of pgvigil: please report it with the server''s version.';
    end if;
    if encoding = 1 then
        select runs.* into starts, value_list from monitoring_internal.encode_runs(p_values) as runs;
    elsif encoding = 3 then
        value_list := p_values;
    end if;
end;
$$;

comment on function monitoring_internal.encode_values(double precision[], double precision, double precision) is
    'Values in the cheapest of four forms: constant, runs, whole numbers in bits, as they are.';

-- Times of one day in their cheapest form: what they are multiples of, and whole numbers.
-- Raises: PV220.
create or replace function monitoring_internal.encode_times(
    p_period_at timestamptz, p_times timestamptz[],
    out unit bigint, out slope bigint, out bases bigint[], out bit_width integer, out bits varbit)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count constant integer := cardinality(p_times);
    v_offsets constant bigint[] := array(
        select round(date_part('epoch', item.at - p_period_at) * 1000000)::bigint from unnest(p_times) as item (at));
    v_packed record;
begin
    -- Of the first distance they mostly are, gaps included.
    select candidate.unit into unit
    from unnest(array[v_offsets[2] - v_offsets[1], 1000000, 1000, 1]) with ordinality as candidate (unit, number)
    where candidate.unit > 0
        and not exists (select from unnest(v_offsets) as item (value) where item.value % candidate.unit <> 0)
    order by candidate.number
    limit 1;
    v_packed := monitoring_internal.pack_integers(
        array(select item.value / unit from unnest(v_offsets) as item (value)));
    slope := v_packed.slope;
    bit_width := v_packed.bit_width;
    bits := v_packed.bits;
    bases := v_packed.bases;
    if bit_width = 0 and bases[1] = all (bases) then
        bases := bases[1:1];
    elsif bit_width = 0 then
        bit_width := 1;
        bits := repeat('0', v_count)::varbit;
    end if;
    if p_times <> array(
        select monitoring_internal.block_time(
            date_part('epoch', p_period_at) * 1000000, number, bit_width, unit, slope, bases, bits)
        from generate_series(0, v_count - 1) as number)
    then
        raise exception using
            errcode = 'PV220',
            message = 'a block would not give back the times it is made of',
            hint = 'Nothing was stored; this is a fault of pgvigil: please report it with the server''s version.';
    end if;
end;
$$;

comment on function monitoring_internal.encode_times(timestamptz, timestamptz[]) is
    'Times of one day as multiples of a unit: slope, bases and bits.';
