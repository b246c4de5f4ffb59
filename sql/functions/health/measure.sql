-- health/measure.sql: which components there are, and the values that their rules read.
-- Owns health_components_at, health_facts_at, health_series_points_at, health_points_at. Writes nothing.
-- Concurrency: any number of callers at once.

-- What health is judged of: each server, its databases, the hosts a service reported from, and pgvigil itself.
create or replace function monitoring_internal.health_components_at(p_now timestamptz)
returns table (
    component_kind text, component_name text, tenant_id uuid, server text, datname text, host_name text,
    host_reason text)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with host as (
        select host.host_name, host.is_database_host, host.reason
        from monitoring.service_hosts as host
        where host.reported_at > p_now - interval '1 day'
    ), home as (
        select
            (select max(host.host_name) from host where host.is_database_host) as host_name,
            coalesce(
                (select min(host.reason) from host where not host.is_database_host),
                'no service has reported about the machine that the server runs on') as reason
    )
    select 'server', target.name, target.tenant_id, remote.name, null::text,
        case when remote.name is null then home.host_name end,
        case when remote.name is not null then 'no service measures the machine of another server'
            when home.host_name is null then home.reason end
    from home
    cross join monitoring.targets as target
    cross join lateral (select case when target.target_id <> 0 then target.name end as name) as remote
    where target.is_enabled
    union all
    select 'database', format('%s/%s', target.name, database.datname), target.tenant_id,
        case when target.target_id <> 0 then target.name end, database.datname, null, null
    from monitoring.targets as target
    cross join lateral (
        select here.datname::text
        from pg_database as here
        where target.target_id = 0 and here.datallowconn and not here.datistemplate
        union all
        select there.datname
        from monitoring.target_databases as there
        where target.target_id <> 0 and there.target_id = target.target_id and there.is_enabled
            and there.gone_at is null
    ) as database
    where target.is_enabled
    union all
    select 'host', host.host_name, monitoring.system_tenant_id(), null, null, host.host_name, null from host
    union all
    select 'service', 'pgvigil', monitoring.system_tenant_id(), null, null, null, null;
$$;

comment on function monitoring_internal.health_components_at(timestamptz) is
    'Components that health is judged of, with the labels by which their series are found.';

-- What is known without a series, about pgvigil itself and whether other servers answer, as metrics.
create or replace function monitoring_internal.health_facts_at(p_now timestamptz)
returns table (metric text, value double precision, labels jsonb, tenant_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select 'pgvigil_service_instances', count(*), jsonb '{}', monitoring.system_tenant_id()
    from monitoring.service_instances as instance
    where instance.seen_at > p_now - interval '1 minute' and not instance.is_draining
    union all
    select ratio.metric, ratio.value, '{}', monitoring.system_tenant_id()
    from (
        select
            avg((state.consecutive_failures > 0)::integer) as failing,
            avg((isfinite(state.next_due_at) and state.next_due_at
                + 2 * coalesce(collector.custom_every, collector.every) + interval '1 minute' < p_now
                or not isfinite(state.next_due_at))::integer) as overdue
        from monitoring.collectors as collector
        inner join monitoring.collector_states as state using (collector_id)
        -- Those of other servers fail with their server.
        where collector.is_enabled and state.target_database_id = 0
    ) as collection
    cross join lateral (
        values
            ('pgvigil_collectors_failing_ratio', collection.failing),
            ('pgvigil_collectors_overdue_ratio', collection.overdue)
    ) as ratio (metric, value)
    union all
    select 'pgvigil_jobs_failing_ratio', coalesce(avg((total.consecutive_failures > 0)::integer), 0), '{}',
        monitoring.system_tenant_id()
    from monitoring.jobs as job
    inner join monitoring.job_totals as total using (job_id)
    where job.is_enabled and job.retired_at is null
    union all
    select 'pgvigil_partition_problems', count(*), '{}', monitoring.system_tenant_id()
    from monitoring_internal.partition_problems()
    union all
    select 'pgvigil_target_reachable', (target.consecutive_failures = 0)::integer,
        jsonb_build_object('server', target.name), target.tenant_id
    from monitoring.targets as target
    where target.is_enabled and target.target_id <> 0
        and (target.consecutive_failures > 0 or target.last_seen_at is not null);
$$;

comment on function monitoring_internal.health_facts_at(timestamptz) is
    'Services alive, shares of collectors that fail or are late and of jobs that fail, problems of partitions, and '
    'which other servers answer.';

-- Each series that a rule reads, aggregated once for each way it is read.
-- newest_at is null when it has no sample in the time looked at; was_seen tells whether it had one within a day.
create or replace function monitoring_internal.health_series_points_at(p_now timestamptz)
returns table (
    metric text, aggregate text, span interval, matchers jsonb, labels jsonb, tenant_id uuid, value double precision,
    newest_at timestamptz, is_fresh boolean, was_seen boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select
        reading.metric, reading.aggregate, reading.span, reading.matchers, series.labels, series.tenant_id,
        case reading.aggregate
            when 'average' then point.average
            when 'maximum' then point.maximum
            when 'increase' then point.increase
            else point.newest
        end,
        point.newest_at,
        coalesce(point.newest_at > p_now - limits.stale_after, false),
        point.newest_at is not null or exists (
            select 1
            from monitoring.samples as sample -- Packed are days that ended a day ago or earlier.
            where sample.series_id = series.series_id and sample.sampled_at > p_now - interval '1 day'
                and sample.sampled_at <= p_now)
            or p_now - interval '1 day' < any (tail.times)
    from (
        select distinct input.metric, input.aggregate, input.span, input.matchers
        from monitoring_internal.health_rule_inputs as input
    ) as reading
    inner join monitoring.metric_families as family on family.name = reading.metric
    inner join monitoring.series as series
        on series.metric_family_id = family.metric_family_id and series.labels @> reading.matchers
    left join monitoring_internal.appended_windows(array(
            select member.series_id from monitoring_internal.health_rule_inputs as input
            inner join monitoring.metric_families as named on named.name = input.metric
            inner join monitoring.series as member on member.metric_family_id = named.metric_family_id
                and member.labels @> input.matchers),
        p_now - greatest(interval '1 day', (
            select max(given.span) from monitoring_internal.health_rule_inputs as given)), p_now) as tail
        on tail.series_id = series.series_id
    cross join lateral (
        select coalesce(family.stale_after, monitoring_internal.setting_interval('store.stale_after')) as stale_after
    ) as limits
    cross join lateral (
        select
            max(step.sampled_at) as newest_at,
            (array_agg(step.value order by step.sampled_at desc))[1] as newest,
            avg(step.value) as average,
            max(step.value) as maximum,
            -- A counter that fell was reset: what it shows came since.
            sum(case when step.value >= step.before then step.value - step.before else step.value end)
                filter (where step.before is not null) as increase
        from (
            select sample.sampled_at, sample.value,
                lag(sample.value) over (order by sample.sampled_at) as before
            from monitoring_internal.joined_points(series.series_id,
                p_now - case reading.aggregate when 'last' then limits.stale_after else reading.span end, p_now,
                tail.times, tail.point_values) as sample
        ) as step
    ) as point;
$$;

comment on function monitoring_internal.health_series_points_at(timestamptz) is
    'Every series that a health rule reads, aggregated as the rule says, and whether it is current.';

-- The same, and the facts under the names of metrics.
create or replace function monitoring_internal.health_points_at(p_now timestamptz)
returns table (
    metric text, aggregate text, span interval, matchers jsonb, labels jsonb, tenant_id uuid, value double precision,
    newest_at timestamptz, is_fresh boolean, was_seen boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select point.* from monitoring_internal.health_series_points_at(p_now) as point
    union all
    select input.metric, input.aggregate, input.span, input.matchers, fact.labels, fact.tenant_id, fact.value, p_now,
        true, true
    from monitoring_internal.health_facts_at(p_now) as fact
    inner join monitoring_internal.health_rule_inputs as input using (metric)
    where fact.value is not null;
$$;

comment on function monitoring_internal.health_points_at(timestamptz) is
    'What health rules read: series, and facts about pgvigil itself.';
