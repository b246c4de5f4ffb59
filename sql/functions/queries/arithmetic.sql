-- queries/arithmetic.sql: arithmetic on sums of samples that no absurd sample stops.
-- Owns summable, squared, ratio, rankable. Writes nothing.
-- Any number of callers at once.

-- A value as sums take it: one so great that a sum of them may be no number is infinite, as it is in rollups.
create or replace function monitoring_internal.summable(p_value double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case when abs(p_value) <= 1e300 then p_value else sign(p_value) * 'Infinity'::double precision end;
end;

comment on function monitoring_internal.summable(double precision) is
    'A value as sums take it: beyond 1e300 infinite, so that no sum is an error.';

-- Its square, as rollups take it.
create or replace function monitoring_internal.squared(p_value double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when abs(p_value) > 1e150 then 'Infinity'::double precision
        when abs(p_value) > 1e-150 then p_value * p_value
        else 0
    end;
end;

comment on function monitoring_internal.squared(double precision) is
    'The square of a value; infinite or zero where it is no double precision number.';

-- A sum over a count or a length of time: what is too small for a number is zero, what is too great infinite.
create or replace function monitoring_internal.ratio(p_total double precision, p_by double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when abs(p_total) < 1e-280 and p_by > 1 then 0
        when abs(p_total) > 1e300 and p_by < 1 then sign(p_total) * 'Infinity'::double precision
        else p_total / p_by
    end;
end;

comment on function monitoring_internal.ratio(double precision, double precision) is
    'A sum over a count or seconds, which is never an error: too small is zero, too great infinite.';

-- A value as percentile_cont takes it, which subtracts and multiplies.
create or replace function monitoring_internal.rankable(p_value double precision)
returns double precision
language sql immutable parallel safe
begin atomic
    select case
        when abs(p_value) < 1e-280 then 0
        else least(greatest(p_value, -8e307), 8e307)
    end;
end;

comment on function monitoring_internal.rankable(double precision) is
    'A value between whose like percentile_cont finds another without an error: below 1e-280 zero, at most 8e307.';
