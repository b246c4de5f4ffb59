-- store/blocks.sql: how samples are written into blocks and read from them, without loss.
-- Owns block_time, block_value, pack_integers, choose_divisor. Writes nothing.
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
    -- Unnested in the list of a select, an array is not copied first: a value that does not fit ends the search.
    -- Sizes are mostly of whole pages. Smaller values are not divided: what is least might come out as no number.
    if not exists (
        select from (select unnest(p_values) as value) as item
        where item.value <> 0 and (abs(item.value) < 8192 or round(item.value / 8192) * 8192 <> item.value))
        and v_most < 1e18
    then
        return 1.0 / 8192;
    end if;
    -- A loop that ends early: a wrong divisor fails at one of the first values.
    foreach v_divisor in array '{1,10,100,1e3,1e4,1e5,1e6,1e7,1e8,1e9}'::double precision[] loop
        exit when v_most >= 1e18 / v_divisor;
        if not exists (
            select from (select unnest(p_values) as value) as item
            where round(item.value * v_divisor) / v_divisor <> item.value)
        then
            return v_divisor;
        end if;
    end loop;
    -- All 53 bits of the least value are whole then, and the greatest stays within 61.
    select min(abs(item.value)) into v_divisor
    from (select unnest(p_values) as value) as item
    where item.value <> 0;
    if v_divisor between 1e-250 and 1e250 and v_most < 250 * v_divisor then
        v_divisor := power(2::double precision, 53 - ceil(ln(v_divisor) / ln(2::double precision)));
        if not exists (
            select from (select unnest(p_values) as value) as item
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
