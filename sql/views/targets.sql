-- views/targets.sql: how each monitored server is: reachable, which it is, what of it is measured and what is not.
-- With its owner's rights and the tenant predicate inside: what readers may not see of a target decides its status.

create or replace view monitoring.target_status
with (security_barrier = true)
as
select
    target.name,
    target.tenant_id,
    case
        when not target.is_enabled then 'disabled'
        when target.target_id = 0 then 'ok'
        when not target.is_secret_usable then 'secret unusable'
        when target.last_sqlstate = 'PV604' then 'refused'
        when target.consecutive_failures > 0 then 'unreachable'
        when target.last_seen_at is null then 'never seen'
        else 'ok'
    end as status,
    case
        when not target.is_secret_usable then 'its secret was sealed for another connection'
        when target.consecutive_failures > 0
            then format(
                '%s times, next try at %s: %s', target.consecutive_failures, target.next_try_at, target.last_error)
    end as reason,
    case
        when not target.is_secret_usable or target.last_sqlstate in ('28P01', '28000', 'PV606')
            then format('pgvigil targets rotate %s', target.name)
        when target.last_sqlstate = 'PV604' then format('pgvigil targets accept %s', target.name)
    end as remedy,
    case when target.target_id = 0 then current_setting('server_version_num')::integer
        else target.server_version_num end as server_version_num,
    case
        when target.target_id = 0 then 'primary'
        when target.is_in_recovery then 'standby'
        when not target.is_in_recovery then 'primary'
    end as role,
    target.timeline,
    target.system_identifier,
    place.databases,
    target.clock_offset_seconds,
    target.last_seen_at,
    target.last_failed_at,
    done.last_collected_at,
    coalesce(lacking.collectors, '{}') as unavailable,
    target.max_connections
from monitoring.targets as target
left join lateral (
    select count(*) filter (where known.is_enabled) as databases
    from monitoring.target_databases as known
    where known.target_id = target.target_id
) as place on true
left join lateral (
    select max(state.last_ok_at) as last_collected_at
    from monitoring.target_databases as known
    inner join monitoring.collector_states as state using (target_database_id)
    where known.target_id = target.target_id
) as done on true
left join lateral (
    select jsonb_object_agg(
        collector.name, jsonb_build_object('reason', run.reason, 'remedy', run.remedy)) as collectors
    from monitoring.target_databases as known
    inner join monitoring.collector_states as state using (target_database_id)
    inner join monitoring.collectors as collector on collector.collector_id = state.collector_id
    cross join lateral (
        select log.status, log.reason, log.remedy
        from monitoring.collector_runs as log
        where log.collector_id = state.collector_id and log.target_database_id = known.target_database_id
        order by log.started_at desc, log.collector_run_id desc
        limit 1
    ) as run
    where known.target_id = target.target_id and known.is_main and run.status = 'unavailable'
) as lacking on true
where target.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]);

comment on view monitoring.target_status is
    'One row a monitored server: whether it is reachable, which it is, and what cannot be measured there and why.';
comment on column monitoring.target_status.name is 'The target: the label server of its series; local: this server.';
comment on column monitoring.target_status.tenant_id is 'Whose it is.';
comment on column monitoring.target_status.status is
    'ok; unreachable; refused: another cluster answers there; secret unusable; never seen; disabled.';
comment on column monitoring.target_status.reason is 'Why it is not ok.';
comment on column monitoring.target_status.remedy is 'The command that mends it, where one does.';
comment on column monitoring.target_status.server_version_num is 'Its version, as 150004.';
comment on column monitoring.target_status.role is 'primary or standby.';
comment on column monitoring.target_status.timeline is 'Its timeline; it grows at each promotion.';
comment on column monitoring.target_status.system_identifier is 'Identity of its cluster.';
comment on column monitoring.target_status.databases is 'How many of its databases are monitored.';
comment on column monitoring.target_status.clock_offset_seconds is 'Its clock less that of this database.';
comment on column monitoring.target_status.last_seen_at is 'When it answered last.';
comment on column monitoring.target_status.last_failed_at is 'When it could not be reached last.';
comment on column monitoring.target_status.last_collected_at is 'When a collection of it ended well last.';
comment on column monitoring.target_status.unavailable is
    'Collectors that its main database cannot answer, each with the reason and the statement that mends it.';
comment on column monitoring.target_status.max_connections is 'How many runs it may have at once.';
