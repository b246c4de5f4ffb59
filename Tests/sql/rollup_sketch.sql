-- Sketches: percentiles within 1 percent of percentile_cont, merged exactly, over the whole range of numbers.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Values of many kinds, the same at every run.
select setseed(0.42);
create temporary table given (name text, part integer, value double precision);
insert into given
select kind.name, number % 7, case kind.name
    when 'uniform' then random() * 1000
    when 'normal' then 50 + 5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())
    when 'log-normal' then exp(2 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))
    when 'bimodal' then case when random() < 0.3 then 1 + random() / 10 else 1000 + random() end
    when 'heavy tail' then power(1 - random(), -1.5)
    when 'negative' then -power(1 - random(), -1.2)
    when 'ordered' then number
    when 'backwards' then 3000 - number
    when 'few values' then 10 * (number % 5 + 1)
    when 'counter' then 1e12 + 37 * number
    when 'denormal' then random() * 1e-310 + 1e-312
    when 'huge' then random() * 7e307 + 1e308
    when 'most zero' then case when random() < 0.9 then 0 else random() end
    end
from (values ('uniform'), ('normal'), ('log-normal'), ('bimodal'), ('heavy tail'), ('negative'), ('ordered'),
    ('backwards'), ('few values'), ('counter'), ('denormal'), ('huge'), ('most zero')) as kind (name)
cross join generate_series(1, 3000) as number;
insert into given values
    ('two far values', 0, 1e-200), ('two far values', 1, 1e200), ('one value', 0, 42), ('one zero', 0, 0),
    ('smallest and greatest', 0, 5e-324), ('smallest and greatest', 1, 1.7976931348623157e308),
    ('both signs', 0, -1.7976931348623157e308), ('both signs', 1, 1.7976931348623157e308), ('both signs', 2, 0),
    ('smallest', 0, 5e-324), ('smallest', 1, 1.5e-323), ('smallest', 2, 2e-323), ('smallest', 3, 3e-323);
insert into given select 'all equal', n % 7, 3.25 from generate_series(1, 20000) as n;
insert into given select 'around zero', n % 7, n - 500 from generate_series(0, 1001) as n;
create temporary table quantiles as
select array[0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.333, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]::double precision[] as list;

-- What percentile_cont says, its two neighbours, and what sketches say: of the whole, and of seven parts merged.
create temporary table judged as
with whole as (
    select given.name, count(*) as n, min(given.value) as low, max(given.value) as high,
        monitoring_internal.sketch_of(given.value) as sketch,
        array_agg(given.value order by given.value) as ordered
    from given
    group by given.name
),
merged as (
    select part.name, monitoring_internal.merge_sketches(part.sketch) as sketch
    from (
        select given.name, given.part, monitoring_internal.sketch_of(given.value) as sketch
        from given
        group by given.name, given.part
    ) as part
    group by part.name
)
select whole.name, asked.quantile, whole.sketch as one, merged.sketch as several,
    whole.ordered[floor(asked.quantile * (n - 1))::integer + 1] as below,
    whole.ordered[ceil(asked.quantile * (n - 1))::integer + 1] as above,
    monitoring_internal.sketch_between(
        whole.ordered[floor(asked.quantile * (n - 1))::integer + 1],
        whole.ordered[ceil(asked.quantile * (n - 1))::integer + 1],
        asked.quantile * (n - 1) - floor(asked.quantile * (n - 1))) as exact,
    monitoring_internal.sketch_quantile(whole.sketch, asked.quantile, low, high) as estimate
from whole
inner join merged on merged.name = whole.name
cross join quantiles
cross join unnest(quantiles.list) as asked (quantile);

select is_empty(
    $$ select j.name, j.quantile, j.exact, e.exact
        from judged as j
        cross join lateral (
            select percentile_cont(j.quantile) within group (order by value) as exact from given where name = j.name
        ) as e
        where j.name not in ('both signs', 'denormal', 'smallest', 'smallest and greatest')
            and abs(j.exact::numeric - e.exact::numeric) > 1e-12 * abs(e.exact::numeric) $$,
    'what is compared with is what percentile_cont says');
select is_empty($$ select name from judged where one <> several $$, 'parts merged are the sketch of the whole');
-- Below 2.5e-320 a number has not the digits for 1 percent: then half of the smallest step there is may be added.
select is_empty(
    $$ select name, quantile, exact, estimate from judged
        where sign(below) = sign(above)
            and not abs(estimate::numeric - exact::numeric) <= abs(exact::numeric) * 0.01
                + case when abs(exact) < 2.5e-320 then 5e-324::numeric else 0 end $$,
    'R-01: a percentile is within 1 percent of the exact one, whatever the values');
select is_empty(
    $$ select name, quantile, below, estimate, above from judged
        where estimate::numeric < least(below::numeric * 1.01, below::numeric * 0.99) - 1e-300
            or estimate::numeric > greatest(above::numeric * 1.01, above::numeric * 0.99) + 1e-300 $$,
    'between neighbours of two signs it is between them');
select is_empty(
    $$ select name, estimate from judged
        where quantile in (0, 1) and estimate <> exact $$,
    'the smallest and the greatest are exact');
select is(
    (select array_agg(distinct name) from judged where estimate = 'NaN' or abs(estimate) = 'Infinity'), null,
    'no number is too great to be told');
select cmp_ok(
    (select max(cardinality(one)) from judged where name in ('uniform', 'normal', 'log-normal')), '<', 1000,
    'a sketch stays small');

-- parts, each by its name ---------------------------------------------------------------------------
select is(monitoring_internal.sketch_key(0), 131072, 'sketch_key: zero is in the middle');
select is(monitoring_internal.sketch_key('-0'), 131072, 'of either sign');
select is(monitoring_internal.sketch_key(null), null, 'and nothing has none');
select is(
    array[monitoring_internal.sketch_key('Infinity'), monitoring_internal.sketch_key('NaN'),
        monitoring_internal.sketch_key('-Infinity')],
    array[monitoring_internal.sketch_key(1.7976931348623157e308), monitoring_internal.sketch_key(1.7976931348623157e308),
        monitoring_internal.sketch_key(-1.7976931348623157e308)], 'what is no number is no error');
select is_empty(
    $$ select value from (
            select value, monitoring_internal.sketch_key(value) as key,
                lag(monitoring_internal.sketch_key(value)) over w as earlier
            from (values (-1.7976931348623157e308), (-1), (-1e-300), (-5e-324), (0), (5e-324), (1e-300), (0.99), (1.03),
                (1.7976931348623157e308)) as example (value)
            window w as (order by value)) as ordered
        where key <= earlier or key not between 1 and 262143 $$,
    'keys are ordered as values are, and fit their place');
select is_empty(
    $$ select value, monitoring_internal.sketch_value(monitoring_internal.sketch_key(value))
        from generate_series(-700, 700, 0.37) as step
        cross join lateral (values (exp(step::double precision)), (-exp(step::double precision))) as example (value)
        where abs(monitoring_internal.sketch_value(monitoring_internal.sketch_key(value)) / value - 1) > 0.009902 $$,
    'sketch_value is within 0.99 percent of all that has its key');
select is(monitoring_internal.sketch_value(131072), 0::double precision, 'and zero for zero');
select is(
    monitoring_internal.sketch_fold(array[131072 * 8192 + 8191, 131073 * 8192 + 5, 131072 * 8192 + 3]),
    array[131072 * 8192 + 8191, 131072 * 8192 + 3, 131073 * 8192 + 5], 'sketch_fold adds counts of any size');
select is(monitoring_internal.sketch_fold(null), null, 'of nothing it is nothing');
select is(
    monitoring_internal.sketch_constant(3.25, 20000),
    monitoring_internal.sketch_of_values(array_fill(3.25::double precision, array[20000])),
    'sketch_constant is the sketch of one value, however often it came');
select is(
    monitoring_internal.sketch_quantiles(null, '{0, 0.5, 1, null}', 7, 7), '{7, 7, 7, null}'::double precision[],
    'sketch_quantiles of a row without a sketch: its only value');
select is(
    monitoring_internal.sketch_quantiles(monitoring_internal.sketch_of_values('{1, 2}'), '{-0.1, 1.1, null}', 1, 2),
    '{null, null, null}'::double precision[], 'there is no quantile outside of 0 to 1');
select is(monitoring_internal.sketch_between(1, 3, 0.25), 1.5::double precision, 'sketch_between goes a part of the way');
select is(
    monitoring_internal.sketch_between(-1.7976931348623157e308, 1.7976931348623157e308, 0.5), 0::double precision,
    'also between the smallest and the greatest number');

select * from finish();
rollback;
