-- rollups/sketch.sql: distributions in buckets of relative width, merged exactly, for percentiles within 1 percent.
-- Owns sketch_key, sketch_value, sketch_fold, sketch_constant, sketch_of_values, sketch_of, merge_sketches,
-- join_sketches, sketch_between, sketch_quantiles, sketch_quantile. Writes nothing. Any number of callers at once.

-- A sketch is an array of entries, key * 8192 + count, ordered; a count above 8191 takes several entries of its key.
-- Bucket k of the positive values is (1.02^(k-1), 1.02^k]: what lies in it is within 0.991 percent of sketch_value.
-- Keys are in the order of the values: 131072 is zero, above it are the positive buckets, below it the negative ones.

-- The key of a value; every number has one, the smallest and the greatest included. Ingest lets no infinity and no NaN
-- in; one that came by another way counts as the greatest number, and stops nobody's rollups.
create or replace function monitoring_internal.sketch_key(p_value double precision)
returns integer
language sql immutable parallel safe
begin atomic
    select case
        when p_value > 0 then 171072 + ceil(
            ln(least(p_value, 1.7976931348623157e308)) / 0.0198026272961797130260)::integer
        when p_value < 0 then 91072 - ceil(
            ln(least(-p_value, 1.7976931348623157e308)) / 0.0198026272961797130260)::integer
        when p_value = 0 then 131072
    end;
end;

comment on function monitoring_internal.sketch_key(double precision) is
    'Key of the bucket of a sketch that a value falls into: 2 percent wide, in the order of the values.';

-- The value that stands for a bucket: no value in it is further away than 0.991 percent.
-- It is the square of its root, since exp() refuses what is smaller than a normal number.
create or replace function monitoring_internal.sketch_value(p_key integer)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_key = 131072 then 0
        else sign(p_key - 131072)
            * exp(least(greatest(
                (abs(p_key - 131072) - 40000) * 0.0198026272961797130260::double precision - 0.00995033085316808285,
                -744.44), 709.78) / 2)
            * exp(least(greatest(
                (abs(p_key - 131072) - 40000) * 0.0198026272961797130260::double precision - 0.00995033085316808285,
                -744.44), 709.78) / 2)
    end;
end;

comment on function monitoring_internal.sketch_value(integer) is
    'The value in the middle of a bucket of a sketch, by its key.';

-- One entry a key, in order, from the entries of any number of sketches: merging loses nothing.
create or replace function monitoring_internal.sketch_fold(p_entries integer[])
returns integer[]
language sql immutable parallel safe
begin atomic
    select array_agg(
        counted.key * 8192 + least(counted.count - part * 8191, 8191)::integer order by counted.key, part)
    from (
        select entry >> 13 as key, sum(entry & 8191) as count
        from unnest(p_entries) as given (entry)
        group by entry >> 13
    ) as counted
    cross join lateral generate_series(0, (counted.count - 1) / 8191) as part;
end;

comment on function monitoring_internal.sketch_fold(integer[]) is
    'Sketch of the entries of several ones put together; null of none.';

-- What a row without a sketch says with its minimum and its count.
create or replace function monitoring_internal.sketch_constant(p_value double precision, p_count bigint)
returns integer[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array_fill(monitoring_internal.sketch_key(p_value) * 8192 + 8191, array[(p_count / 8191)::integer])
        || case
            when p_count % 8191 > 0
                then array[monitoring_internal.sketch_key(p_value) * 8192 + (p_count % 8191)::integer]
            else '{}'
        end;
$$;

comment on function monitoring_internal.sketch_constant(double precision, bigint) is
    'Sketch of one value that came a number of times.';

-- The sketch of an array of values.
create or replace function monitoring_internal.sketch_of_values(p_values double precision[])
returns integer[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.sketch_fold(array_agg(monitoring_internal.sketch_key(value) * 8192 + 1))
    from unnest(p_values) as given (value)
    where value is not null;
$$;

comment on function monitoring_internal.sketch_of_values(double precision[]) is 'Sketch of an array of values.';

-- The sketch of the values of a group.
create or replace aggregate monitoring_internal.sketch_of(double precision) (
    sfunc = array_append,
    stype = double precision[],
    finalfunc = monitoring_internal.sketch_of_values,
    parallel = safe
);

comment on aggregate monitoring_internal.sketch_of(double precision) is 'Sketch of values, for sketch_quantile().';

-- The sketch of all values of several sketches. A row without one brings sketch_constant(value_min, sample_count).
create or replace aggregate monitoring_internal.merge_sketches(integer[]) (
    sfunc = array_cat,
    stype = integer[],
    finalfunc = monitoring_internal.sketch_fold,
    combinefunc = array_cat,
    parallel = safe
);

comment on aggregate monitoring_internal.merge_sketches(integer[]) is
    'Sketch of all values of several sketches. Of rollups: merge_sketches(coalesce(sketch, '
    'sketch_constant(value_min, sample_count))).';

-- Their entries one after another, where the caller folds them.
create or replace aggregate monitoring_internal.join_sketches(integer[]) (
    sfunc = array_cat,
    stype = integer[],
    combinefunc = array_cat,
    parallel = safe
);

comment on aggregate monitoring_internal.join_sketches(integer[]) is
    'Entries of several sketches, not folded yet: merge_sketches() without its end.';

-- The value that lies a fraction of the way from one value to the next, as percentile_cont has it.
-- In parts, so that the difference of two great values and the fraction of a tiny one are no errors.
create or replace function monitoring_internal.sketch_between(
    p_low double precision, p_high double precision, p_fraction double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when p_low = p_high or p_fraction = 0 then p_low
        when greatest(abs(p_low), abs(p_high)) >= 1e-290 then
            case when abs(p_low) < 1e-290 then 0 else p_low * (1 - p_fraction) end
            + case when abs(p_high) < 1e-290 then 0 else p_high * p_fraction end
        when abs(p_low * 1e60 * (1 - p_fraction) + p_high * 1e60 * p_fraction) < 1e-263 then 0
        else (p_low * 1e60 * (1 - p_fraction) + p_high * 1e60 * p_fraction) * 1e-60
    end;
end;

comment on function monitoring_internal.sketch_between(double precision, double precision, double precision) is
    'Interpolates between two values of any size.';

-- Quantiles of a sketch, each at rank q * (n - 1) and interpolated between its two neighbours as percentile_cont does.
-- The outermost ranks are the minimum and the maximum themselves. A null sketch is that of a single value.
create or replace function monitoring_internal.sketch_quantiles(
    p_sketch integer[], p_quantiles double precision[], p_min double precision, p_max double precision)
returns double precision[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with bucket as (
        select entry >> 13 as key,
            (sum(sum(entry & 8191)) over (order by entry >> 13))::double precision as until_rank
        from unnest(p_sketch) as given (entry)
        group by entry >> 13
    ),
    place as (
        select asked.ordinal, asked.quantile,
            asked.quantile * (select max(bucket.until_rank) - 1 from bucket) as rank,
            (select max(bucket.until_rank) - 1 from bucket) as last_rank
        from unnest(p_quantiles) with ordinality as asked (quantile, ordinal)
    )
    select array_agg(
        case
            when place.quantile is null or p_sketch is not null and place.quantile not between 0 and 1 then null
            when p_sketch is null then p_min
            else monitoring_internal.sketch_between(below.value, above.value, place.rank - floor(place.rank))
        end
        order by place.ordinal)
    from place
    left join lateral (
        select case
            when floor(place.rank) <= 0 then p_min
            when floor(place.rank) >= place.last_rank then p_max
            else least(greatest(monitoring_internal.sketch_value(min(bucket.key)), p_min), p_max)
        end as value
        from bucket
        where bucket.until_rank > floor(place.rank)
    ) as below on true
    left join lateral (
        select case
            when ceil(place.rank) >= place.last_rank then p_max
            when ceil(place.rank) <= 0 then p_min
            else least(greatest(monitoring_internal.sketch_value(min(bucket.key)), p_min), p_max)
        end as value
        from bucket
        where bucket.until_rank > ceil(place.rank)
    ) as above on true;
$$;

comment on function monitoring_internal.sketch_quantiles(
    integer[], double precision[], double precision, double precision) is
    'Quantiles (0 to 1) of a sketch with its minimum and maximum, each within 1 percent of what percentile_cont finds, '
    'unless its two neighbours differ in sign.';

-- One quantile: a walk over the entries, which costs a twentieth of what a query does where a view asks for each row.
-- The entries need not be in order, nor be one for each key.
create or replace function monitoring_internal.sketch_quantile(
    p_sketch integer[], p_quantile double precision, p_min double precision, p_max double precision)
returns double precision
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last constant bigint := (select sum(entry & 8191) - 1 from unnest(p_sketch) as entry);
    v_rank constant double precision := p_quantile * v_last;
    v_entry integer;
    v_until bigint := 0;
    v_below double precision := case when floor(v_rank) <= 0 then p_min when floor(v_rank) >= v_last then p_max end;
    v_above double precision := case when ceil(v_rank) >= v_last then p_max when ceil(v_rank) <= 0 then p_min end;
begin
    if p_quantile is null or v_last is null or p_quantile not between 0 and 1 then
        return case when p_quantile is not null and v_last is null then p_min end;
    end if;
    if v_below is null or v_above is null then
        -- Up to the entry in which the upper of the two ranks lies.
        foreach v_entry in array array(select entry from unnest(p_sketch) as entry order by entry) loop
            v_until := v_until + (v_entry & 8191);
            if v_below is null and v_until > floor(v_rank) then
                v_below := monitoring_internal.sketch_value(v_entry >> 13);
            end if;
            if v_until > ceil(v_rank) then
                v_above := coalesce(v_above, monitoring_internal.sketch_value(v_entry >> 13));
                exit;
            end if;
        end loop;
    end if;
    return monitoring_internal.sketch_between(
        least(greatest(v_below, p_min), p_max), least(greatest(v_above, p_min), p_max), v_rank - floor(v_rank));
end;
$$;

comment on function monitoring_internal.sketch_quantile(
    integer[], double precision, double precision, double precision) is
    'A quantile (0 to 1) of a sketch with its minimum and maximum; see sketch_quantiles.';
