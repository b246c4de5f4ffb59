-- store/blocks.sql: how samples are written into blocks and read from them, without loss.
-- Owns block_time, block_value, pack_integers, choose_divisor, encode_values, encode_times. Writes nothing.
-- Any number of callers at once.

-- The time at a place of a time vector. Microseconds since 1970 are exact in double precision until 2242.
create or replace function monitoring_internal.block_time(
    p_start double precision, p_number integer, p_bit_width integer, p_unit bigint, p_slope bigint, p_bases bigint[],
    p_bits varbit)
returns timestamptz
language sql immutable parallel safe
begin atomic
    select to_timestamp((p_start + p_unit * (
        case when p_bit_width = 0 then p_bases[1]
            else p_bases[(p_number >> 6) + 1] + substring(p_bits, p_number * p_bit_width + 1, p_bit_width)::bigint
        end + p_slope * p_number)) / 1000000);
end;

comment on function monitoring_internal.block_time(
    double precision, integer, integer, bigint, bigint, bigint[], varbit) is
    'The time at a place, from 0, of a time vector; p_start is its day''s start in microseconds since 1970.';

-- The value at a place of a block.
create or replace function monitoring_internal.block_value(
    p_encoding smallint, p_number integer, p_constant double precision, p_divisor double precision,
    p_bit_width integer, p_slope bigint, p_bases integer[], p_wide_bases bigint[], p_bits varbit, p_starts integer[],
    p_list double precision[])
returns double precision
language sql immutable parallel safe
begin atomic
    select case p_encoding
        when 2 then (coalesce(p_bases[(p_number >> 6) + 1], p_wide_bases[(p_number >> 6) + 1]) + p_slope * p_number
            + case when p_bit_width > 0
                then substring(p_bits, p_number * p_bit_width + 1, p_bit_width)::bigint else 0 end
            )::double precision / p_divisor
        when 0 then p_constant
        when 1 then p_list[width_bucket(p_number, p_starts)]
        else p_list[p_number + 1]
    end;
end;

comment on function monitoring_internal.block_value(
    smallint, integer, double precision, double precision, integer, bigint, integer[], bigint[], varbit, integer[],
    double precision[]) is 'The value at a place, from 0, of a block.';

-- Whole numbers as slope, bases of each 64 and the bits by which they exceed them. None may be beyond 2^61.
create or replace function monitoring_internal.pack_integers(
    p_integers bigint[], out slope bigint, out bases bigint[], out bit_width integer, out bits varbit)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_count constant integer := cardinality(p_integers);
    v_slope constant bigint := (p_integers[v_count] - p_integers[1]) / greatest(v_count - 1, 1);
begin
    slope := v_slope;
    select array_agg(part.least order by part.number), length(ltrim(max(part.most - part.least)::bit(64)::text, '0'))
    into bases, bit_width
    from (
        select item.number >> 6 as number, min(item.value - v_slope * item.number) as least,
            max(item.value - v_slope * item.number) as most
        from (select unnest(p_integers) as value, generate_series(0, v_count - 1) as number) as item
        group by item.number >> 6
    ) as part;
    if bit_width > 0 then
        select string_agg(substring(
            (item.value - v_slope * item.number - bases[(item.number >> 6) + 1])::bit(64)
            from 65 - bit_width for bit_width)::text, '')::varbit
        into bits
        from (select unnest(p_integers) as value, generate_series(0, v_count - 1) as number) as item;
    end if;
end;
$$;

comment on function monitoring_internal.pack_integers(bigint[]) is
    'Whole numbers as slope, bases of each 64 and bits beyond them.';

-- By what to multiply values so that whole numbers come out from which division gives back the same values to the last
-- bit: a power of ten, else of two; null when there is none. No value may be the negative zero.
create or replace function monitoring_internal.choose_divisor(
    p_values double precision[], p_min double precision, p_max double precision)
returns double precision
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_most constant double precision := greatest(abs(p_min), abs(p_max));
    v_divisor double precision;
begin
    -- A loop that ends early: a wrong divisor fails at one of the first values. Sizes are mostly of whole pages.
    foreach v_divisor in array '{0.0001220703125,1,10,100,1e3,1e4,1e5,1e6,1e7,1e8,1e9}'::double precision[] loop
        exit when v_most >= 1e18 / v_divisor;
        if not exists (
            select from unnest(p_values) as item (value)
            where round(item.value * v_divisor) / v_divisor <> item.value)
        then
            return v_divisor;
        end if;
    end loop;
    -- All 53 bits of the least value are whole then, and the greatest stays within 61.
    select min(abs(item.value)) into v_divisor from unnest(p_values) as item (value) where item.value <> 0;
    if v_divisor between 1e-250 and 1e250 and v_most / v_divisor < 250 then
        v_divisor := power(2::double precision, 53 - ceil(ln(v_divisor) / ln(2::double precision)));
        if not exists (
            select from unnest(p_values) as item (value)
            where abs(item.value * v_divisor) >= 2e18 or round(item.value * v_divisor) / v_divisor <> item.value)
        then
            return v_divisor;
        end if;
    end if;
    return null;
end;
$$;

comment on function monitoring_internal.choose_divisor(double precision[], double precision, double precision) is
    'What makes values whole numbers reversibly to the last bit: a power of ten, else of two, else null.';

-- Values in the form that takes the fewest bytes.
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
    v_runs integer;
    v_packed record;
begin
    encoding := 3;
    bit_width := 0;
    if p_min = p_max and not v_is_plain then
        encoding := 0;
        return;
    end if;
    if not v_is_plain then
        select 1 + count(*) into v_runs
        from (select unnest(p_values) as value, unnest(p_values[2:]) as next) as item
        where item.next <> item.value;
        divisor := monitoring_internal.choose_divisor(p_values, p_min, p_max);
        if divisor is not null and 12 * v_runs > v_count / 16 then
            v_packed := monitoring_internal.pack_integers(
                array(select (item.value * divisor)::bigint from unnest(p_values) as item (value)));
            if v_packed.bit_width < 60 then
                encoding := 2;
            end if;
        end if;
        if 12 * v_runs < (case encoding
            when 2 then v_count * v_packed.bit_width / 8 + v_count / 16 else 8 * v_count end)
        then
            encoding := 1;
        end if;
    end if;
    case encoding
        when 1 then
            select array_agg(item.number order by item.number), array_agg(item.value order by item.number)
            into starts, value_list
            from (
                select item.number, item.value, lag(item.value) over (order by item.number) as before
                from (select unnest(p_values) as value, generate_series(0, v_count - 1) as number) as item
            ) as item
            where item.before is distinct from item.value;
        when 2 then
            bit_width := v_packed.bit_width;
            slope := v_packed.slope;
            bits := v_packed.bits;
            wide_bases := v_packed.bases;
            if (select max(abs(base)) from unnest(wide_bases) as base) < 2147483648 then
                bases := wide_bases;
                wide_bases := null;
            end if;
        else
            value_list := p_values;
    end case;
    if encoding <> 2 then
        divisor := null;
    elsif p_values <> array(
        select monitoring_internal.block_value(
            2::smallint, number, null, divisor, bit_width, slope, bases, wide_bases, bits, null, null)
        from generate_series(0, v_count - 1) as number)
    then
        raise exception using
            errcode = 'PV220',
            message = 'a block would not give back the values it is made of',
            hint = 'Nothing was stored; this is a fault of pgvigil: please report it with the server''s version.';
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
