-- views/export.sql: which stored points belong on the exposition page, under which names, and why the others do not.
-- The page is that of the target that choose_page() named in this transaction, else of all that is no target's.
-- Owns exposed_families, exposed_points, judged_points, sound_points. All read with the caller's rights.

-- A family whose name ends in _bucket, _sum or _count belongs to the histogram or summary of that name, if any.
create or replace view monitoring_internal.exposed_families
with (security_invoker = true) as
with named_family as (
    select
        family.metric_family_id,
        monitoring_internal.exposition_name(family.name) collate "C" as metric_name,
        family.kind,
        family.description
    from monitoring.metric_families as family
),
distribution as (
    select named.metric_name, max(named.kind) as kind
    from named_family as named
    where named.kind in ('histogram', 'summary')
    group by named.metric_name
),
-- Joined by the name without its ending, so that the cost is linear in the number of families.
placed_family as (
    select
        named.metric_family_id,
        named.metric_name,
        coalesce(parent.metric_name, named.metric_name) as family_name
    from (
        select known.*, substring(known.metric_name from '^(.+)_(?:bucket|sum|count)$') as stem
        from named_family as known
    ) as named
    left join distribution as parent
        on parent.metric_name = named.stem
        and (parent.kind = 'histogram' or named.metric_name <> named.stem || '_bucket')
),
described_name as (
    select
        named.metric_name,
        case
            when min(named.kind) = max(named.kind) and min(named.kind) <> 'unknown' then min(named.kind)
            else 'untyped'
        end as family_type,
        (array_agg(named.description order by named.metric_family_id))[1] as help
    from named_family as named
    group by named.metric_name
)
select
    placed.metric_family_id,
    placed.metric_name,
    placed.family_name,
    described.family_type,
    described.help,
    dense_rank() over (order by placed.family_name) as family_number,
    dense_rank() over (order by placed.metric_name) as metric_number,
    row_number() over (partition by placed.family_name order by placed.metric_family_id) = 1 as is_first
from placed_family as placed
inner join described_name as described on described.metric_name = placed.family_name;

comment on view monitoring_internal.exposed_families is
    'Each metric family with its name on the exposition page, the family it is shown under, and that family''s type.';
comment on column monitoring_internal.exposed_families.metric_family_id is 'Key in monitoring.metric_families.';
comment on column monitoring_internal.exposed_families.metric_name is 'Name in the sample lines.';
comment on column monitoring_internal.exposed_families.family_name is 'Name in the HELP and TYPE lines.';
comment on column monitoring_internal.exposed_families.family_type is 'counter, gauge, histogram, summary or untyped.';
comment on column monitoring_internal.exposed_families.help is 'Description, not yet escaped.';
comment on column monitoring_internal.exposed_families.family_number is 'Place of the family on the page.';
comment on column monitoring_internal.exposed_families.metric_number is 'The same number for the same metric_name.';
comment on column monitoring_internal.exposed_families.is_first is 'True once for each family_number.';

-- Newest point of each series that is not stale, under its name on the page.
create or replace view monitoring_internal.exposed_points
with (security_invoker = true) as
select
    family.family_number,
    family.family_name,
    family.family_type,
    family.metric_name,
    point.series_id,
    point.label_text as label_list,
    case
        when family.is_distribution
        then ltrim(regexp_replace(point.label_text, '(^|,)(le|quantile)="[^"]*"', ''), ',')
    end as group_list,
    case
        when family.is_distribution
            and coalesce(point.labels ->> 'le', point.labels ->> 'quantile')
                -- Bounded, so that no label a client sends can be a number too large for the cast.
                ~ '^[+-]?([0-9]{1,20}([.][0-9]{0,20})?([eE][+-]?[0-9]{1,2})?|Inf)$'
        then coalesce(point.labels ->> 'le', point.labels ->> 'quantile')::double precision
    end as bound,
    point.sampled_at,
    point.value,
    family.metric_number
from monitoring.latest_samples as point
inner join (
    select exposed.*, exposed.family_type in ('histogram', 'summary') as is_distribution
    from monitoring_internal.exposed_families as exposed
) as family on family.metric_family_id = point.metric_family_id
-- In a query of its own, or it would not be looked for before the newest samples of all servers are.
where point.server = (select coalesce(current_setting('pgvigil.export_server', true), ''));

comment on view monitoring_internal.exposed_points is
    'Newest point of each series within its staleness, named and labelled as on the page.';
comment on column monitoring_internal.exposed_points.family_number is 'Place of the family on the page.';
comment on column monitoring_internal.exposed_points.family_name is 'Name in the HELP and TYPE lines.';
comment on column monitoring_internal.exposed_points.family_type is 'counter, gauge, histogram, summary or untyped.';
comment on column monitoring_internal.exposed_points.metric_name is 'Name in the sample line.';
comment on column monitoring_internal.exposed_points.series_id is 'Key of the series.';
comment on column monitoring_internal.exposed_points.label_list is 'Labels in text form, without braces.';
comment on column monitoring_internal.exposed_points.group_list is
    'label_list without le or quantile, for histograms and summaries only.';
comment on column monitoring_internal.exposed_points.bound is
    'The number in the label le or quantile; null where there is none.';
comment on column monitoring_internal.exposed_points.sampled_at is 'When the value was measured.';
comment on column monitoring_internal.exposed_points.value is 'The value, in the unit of the family.';
comment on column monitoring_internal.exposed_points.metric_number is 'The same number for the same metric_name.';

-- Verdicts: duplicate (the newest of one label set stays), series_cap (the oldest series stay, so that membership does
-- not flap). Such exceptions are few: kept in one value each, null as a rule, they cost no join and no sort of all.
create or replace view monitoring_internal.judged_points
with (security_invoker = true) as
with current_point as materialized (
    select point.* from monitoring_internal.exposed_points as point
),
superseded as (
    select jsonb_object_agg(ranked.series_id, true) as series_ids
    from (
        select
            point.series_id,
            row_number() over (
                partition by point.metric_number, point.label_list order by point.sampled_at desc, point.series_id)
                as copy_number
        from current_point as point
        where (point.metric_number, point.label_list) in (
            select same.metric_number, same.label_list
            from current_point as same
            group by same.metric_number, same.label_list
            having count(*) > 1)
    ) as ranked
    where ranked.copy_number > 1
),
series_cap as (
    select monitoring_internal.setting_integer('export.max_series_per_family') as series
),
family_limit as (
    select jsonb_object_agg(crowded.family_number, cutoff.series_id) as last_series_ids
    from (
        select point.family_number
        from current_point as point
        group by point.family_number
        having count(*) > (select series_cap.series from series_cap)
    ) as crowded
    cross join lateral (
        select point.series_id
        from current_point as point
        where point.family_number = crowded.family_number
        order by point.series_id
        offset (select series_cap.series - 1 from series_cap) limit 1
    ) as cutoff
)
select
    point.family_number,
    point.family_name,
    point.family_type,
    point.metric_name,
    point.series_id,
    point.label_list,
    point.group_list,
    point.bound,
    point.sampled_at,
    point.value,
    case
        when (select superseded.series_ids from superseded) ? point.series_id::text then 'duplicate'
        when point.series_id > (
            (select family_limit.last_series_ids from family_limit) ->> point.family_number::text)::integer
        then 'series_cap'
    end as verdict
from current_point as point;

comment on view monitoring_internal.judged_points is
    'Every current point, and whether the page leaves it out as a duplicate or beyond the cap.';
comment on column monitoring_internal.judged_points.family_number is 'Place of the family on the page.';
comment on column monitoring_internal.judged_points.family_name is 'Name in the HELP and TYPE lines.';
comment on column monitoring_internal.judged_points.family_type is 'counter, gauge, histogram, summary or untyped.';
comment on column monitoring_internal.judged_points.metric_name is 'Name in the sample line.';
comment on column monitoring_internal.judged_points.series_id is 'Key of the series.';
comment on column monitoring_internal.judged_points.label_list is 'Labels in text form, without braces.';
comment on column monitoring_internal.judged_points.group_list is
    'label_list without le or quantile, for histograms and summaries only.';
comment on column monitoring_internal.judged_points.bound is
    'The number in the label le or quantile; null where there is none.';
comment on column monitoring_internal.judged_points.sampled_at is 'When the value was measured.';
comment on column monitoring_internal.judged_points.value is 'The value, in the unit of the family.';
comment on column monitoring_internal.judged_points.verdict is 'Why it is left out; null when it is not.';

-- One more verdict: malformed, a histogram or summary that no parser would accept.
create or replace view monitoring_internal.sound_points
with (security_invoker = true) as
with candidate as materialized (
    select judged.* from monitoring_internal.judged_points as judged
),
malformed as (
    select jsonb_object_agg(jsonb_build_array(broken.family_number, broken.group_list)::text, true) as groups
    from (
        select line.family_number, line.group_list
        from candidate as line
        where line.group_list is not null and line.verdict is null
        group by line.family_number, line.family_name, line.family_type, line.group_list
        having not monitoring_internal.is_distribution(
            line.family_name, line.family_type, array_agg(line.metric_name order by line.series_id),
            array_agg(line.bound order by line.series_id), array_agg(line.value order by line.series_id),
            array_agg(line.sampled_at order by line.series_id))
    ) as broken
)
select
    line.family_number,
    line.family_name,
    line.family_type,
    line.metric_name,
    line.series_id,
    line.label_list,
    line.group_list,
    line.bound,
    line.sampled_at,
    line.value,
    case
        when line.verdict is null and line.group_list is not null
            and (select malformed.groups from malformed)
                ? jsonb_build_array(line.family_number, line.group_list)::text
        then 'malformed'
        else line.verdict
    end as verdict
from candidate as line;

comment on view monitoring_internal.sound_points is
    'Every current point, and why the page leaves it out, malformed histograms and summaries included.';
comment on column monitoring_internal.sound_points.family_number is 'Place of the family on the page.';
comment on column monitoring_internal.sound_points.family_name is 'Name in the HELP and TYPE lines.';
comment on column monitoring_internal.sound_points.family_type is 'counter, gauge, histogram, summary or untyped.';
comment on column monitoring_internal.sound_points.metric_name is 'Name in the sample line.';
comment on column monitoring_internal.sound_points.series_id is 'Key of the series.';
comment on column monitoring_internal.sound_points.label_list is 'Labels in text form, without braces.';
comment on column monitoring_internal.sound_points.group_list is
    'label_list without le or quantile, for histograms and summaries only.';
comment on column monitoring_internal.sound_points.bound is
    'The number in the label le or quantile; null where there is none.';
comment on column monitoring_internal.sound_points.sampled_at is 'When the value was measured.';
comment on column monitoring_internal.sound_points.value is 'The value, in the unit of the family.';
comment on column monitoring_internal.sound_points.verdict is 'Why it is left out; null when it is not.';
