-- views/statement_regressions.sql: queries that have become slower than they used to be at this time of the week.

-- The last hour of each query beside the same hour of four weeks before, of which three must have it, or else beside
-- the day before it. Sums of squares add up over intervals, so that Welch's t tells a change from noise.
create or replace view monitoring.query_regressions with (security_invoker = true) as
with bound as materialized (
    select
        monitoring_internal.setting_number('statements.regression_ratio') as ratio,
        monitoring_internal.setting_integer('statements.regression_calls') as calls,
        extract(epoch from monitoring_internal.setting_interval('statements.regression_time')) * 1000 as time_ms,
        monitoring_internal.setting_number('statements.regression_t') as t,
        monitoring_internal.setting_number('statements.regression_share') as share
), recent as materialized (
    select
        part.tenant_id, part.target_database_id, part.queryid, part.userid, part.dbid, part.is_toplevel,
        sum(part.calls) as calls,
        sum(part.total_exec_time) as total,
        sum(part.calls * part.stddev_exec_time ^ 2 + part.total_exec_time ^ 2 / part.calls) as squares,
        max(part.collected_at) as collected_at,
        sum(sum(part.total_exec_time)) over (partition by part.target_database_id) as total_of_all
    from monitoring.statement_intervals as part
    where part.collected_at > now() - interval '1 hour' and part.started_at > now() - interval '2 hours'
    group by part.tenant_id, part.target_database_id, part.queryid, part.userid, part.dbid, part.is_toplevel
), paired as (
    select
        recent.*,
        weekly.weeks,
        case when weekly.weeks >= 3 and weekly.calls >= bound.calls then 'same hour of the week' else 'day before' end
            as baseline,
        case when weekly.weeks >= 3 and weekly.calls >= bound.calls then weekly.calls else daily.calls end
            as past_calls,
        case when weekly.weeks >= 3 and weekly.calls >= bound.calls then weekly.total else daily.total end
            as past_total,
        case when weekly.weeks >= 3 and weekly.calls >= bound.calls then weekly.squares else daily.squares end
            as past_squares
    from recent
    cross join bound
    cross join lateral (
        select
            count(distinct week.number) as weeks,
            sum(part.calls) as calls,
            sum(part.total_exec_time) as total,
            sum(part.calls * part.stddev_exec_time ^ 2 + part.total_exec_time ^ 2 / part.calls) as squares
        from generate_series(1, 4) as week (number)
        inner join monitoring.statement_intervals as part
            on part.target_database_id = recent.target_database_id and part.queryid = recent.queryid
                and part.userid = recent.userid and part.dbid = recent.dbid and part.is_toplevel = recent.is_toplevel
                and part.collected_at > now() - week.number * interval '7 days' - interval '1 hour'
                and part.collected_at <= now() - week.number * interval '7 days'
    ) as weekly
    cross join lateral (
        select
            sum(part.calls) as calls,
            sum(part.total_exec_time) as total,
            sum(part.calls * part.stddev_exec_time ^ 2 + part.total_exec_time ^ 2 / part.calls) as squares
        from monitoring.statement_intervals as part
        where part.target_database_id = recent.target_database_id and part.queryid = recent.queryid
            and part.userid = recent.userid and part.dbid = recent.dbid and part.is_toplevel = recent.is_toplevel
            and part.collected_at > now() - interval '25 hours' and part.collected_at <= now() - interval '1 hour'
    ) as daily
    where recent.queryid <> 0 and recent.calls >= bound.calls
        and recent.total / recent.calls >= bound.time_ms
        and recent.total >= bound.share * recent.total_of_all
), tested as (
    select
        paired.*,
        paired.total / paired.calls as mean,
        paired.past_total / paired.past_calls as past_mean,
        greatest(paired.squares - paired.total ^ 2 / paired.calls, 0) / (paired.calls - 1) / paired.calls
            + greatest(paired.past_squares - paired.past_total ^ 2 / paired.past_calls, 0)
                / (paired.past_calls - 1) / paired.past_calls as error_square
    from paired
    cross join bound
    where paired.past_calls >= greatest(bound.calls, 2) and paired.calls >= 2
)
select
    tested.tenant_id as business_id,
    target.name as server,
    tested.queryid as query_id,
    statement.query_hash,
    statement.normalized_query,
    tested.baseline,
    tested.calls as execution_count,
    tested.past_calls as baseline_execution_count,
    tested.mean as mean_exec_time,
    tested.past_mean as baseline_mean_exec_time,
    tested.mean / nullif(tested.past_mean, 0) as ratio,
    -- Without any spread on both sides every difference is certain.
    coalesce((tested.mean - tested.past_mean) / nullif(sqrt(tested.error_square), 0), 'Infinity') as t,
    (tested.mean - tested.past_mean) * tested.calls / 1000 as added_seconds,
    tested.collected_at,
    row_number() over (
        partition by tested.tenant_id order by (tested.mean - tested.past_mean) * tested.calls desc, tested.queryid)
        as regression_rank
from tested
cross join bound
left join monitoring.statements as statement
    on statement.target_database_id = tested.target_database_id
        and statement.queryid = tested.queryid and statement.dbid = tested.dbid
left join monitoring.target_databases as database on database.target_database_id = tested.target_database_id
left join monitoring.targets as target on target.target_id = database.target_id
where tested.mean >= bound.ratio * tested.past_mean
    and tested.mean - tested.past_mean >= bound.time_ms
    and tested.mean - tested.past_mean >= bound.t * sqrt(tested.error_square)
    and (tested.mean - tested.past_mean) * tested.calls >= bound.share * tested.total_of_all;

comment on view monitoring.query_regressions is
    'Queries whose mean of the last hour is well above their own of the same hour of the week, or else of the day '
    'before, by the settings statements.regression_*. Times in milliseconds. Order by regression_rank.';
comment on column monitoring.query_regressions.business_id is 'The tenant whose server it ran on.';
comment on column monitoring.query_regressions.server is 'The monitored server''s name.';
comment on column monitoring.query_regressions.baseline is 'What it was compared with.';
comment on column monitoring.query_regressions.ratio is 'How many times as long it takes.';
comment on column monitoring.query_regressions.t is 'Welch''s t of the two means.';
comment on column monitoring.query_regressions.added_seconds is 'Time that the change cost in the last hour.';
comment on column monitoring.query_regressions.regression_rank is 'Place among the tenant''s by that, 1 the worst.';
