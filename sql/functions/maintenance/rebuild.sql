-- maintenance/rebuild.sql: which indexes of partitions are to be rebuilt; a session does it, outside of transactions.
-- Owns rebuildable_indexes_at, list_rebuilds, claim_rebuild_at, claim_rebuild, finish_rebuild. Writes index_rebuilds.
-- Concurrency: one rebuild at a time: a claim stands as long as the server process that has it.

-- Indexes that no query uses, and those of partitions that are closed which are larger than their entries need, the
-- largest gain first. A leaf page is filled to 90 percent; an entry has 8 bytes of its own beside its columns.
create or replace function monitoring_internal.rebuildable_indexes_at(p_now timestamptz)
returns table (index_name text, table_name text, reason text, bytes bigint, needed_bytes bigint)
language sql stable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with candidate as (
        select index.indexrelid, index.indrelid, index.indisvalid, pg_relation_size(index.indexrelid) as bytes,
            8192 + (greatest(class.reltuples, 0) * (
                12 + (select sum(greatest(coalesce(stats.avg_width, 8), 4))
                    from unnest(index.indkey) as key (attnum)
                    left join pg_attribute as attribute
                        on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
                    left join pg_stats as stats
                        on stats.schemaname = namespace.nspname and stats.tablename = owner.relname
                        and stats.attname = attribute.attname and not stats.inherited)
            ) / 0.9)::bigint as needed_bytes
        from pg_index as index
        inner join pg_class as class on class.oid = index.indexrelid and class.relkind = 'i'
        inner join pg_am as method on method.oid = class.relam
        inner join pg_class as owner on owner.oid = index.indrelid
        inner join pg_namespace as namespace on namespace.oid = owner.relnamespace
        where namespace.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
            and method.amname = 'btree'
    )
    select candidate.indexrelid::regclass::text, candidate.indrelid::regclass::text,
        case when candidate.indisvalid then 'bloated' else 'invalid' end, candidate.bytes, candidate.needed_bytes
    from candidate
    where (
            not candidate.indisvalid
            or candidate.bytes >= monitoring_internal.setting_integer('maintenance.rebuild_min_bytes')
                and candidate.bytes
                    > candidate.needed_bytes * monitoring_internal.setting_number('maintenance.rebuild_ratio')
                and exists (
                    select 1
                    from monitoring.partition_policies as policy
                    cross join lateral monitoring_internal.partition_bounds(to_regclass(policy.table_name)) as bounds
                    where bounds.partition = candidate.indrelid and bounds.upper_bound < p_now - interval '1 day')
        )
        and not exists (
            select 1
            from monitoring.index_rebuilds as rebuilt
            where rebuilt.index_name = candidate.indexrelid::regclass::text
                and rebuilt.started_at > p_now - case when candidate.indisvalid then interval '30 days'
                    else interval '1 hour' end)
    order by candidate.indisvalid, candidate.bytes - candidate.needed_bytes desc, candidate.indexrelid;
$$;

comment on function monitoring_internal.rebuildable_indexes_at(timestamptz) is
    'Indexes that are invalid, or larger than needed on partitions that are closed, and were not rebuilt lately.';

-- The same now, for people.
create or replace function monitoring_internal.list_rebuilds()
returns table (index_name text, table_name text, reason text, bytes bigint, needed_bytes bigint)
language sql stable parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.rebuildable_indexes_at(clock_timestamp());
$$;

comment on function monitoring_internal.list_rebuilds() is 'Indexes that are to be rebuilt now, and why.';

-- Give the next one to this session, as the statement to run; null when there is none or another session has one.
create or replace function monitoring_internal.claim_rebuild_at(p_backend_pid integer, p_now timestamptz)
returns table (index_rebuild_id bigint, index_name text, statement text)
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('monitoring.claim_rebuild', 0));
    if exists (
        select 1
        from monitoring.index_rebuilds as rebuild
        inner join pg_stat_get_activity(null) as activity on activity.pid = rebuild.backend_pid
        where rebuild.finished_at is null and rebuild.backend_pid <> p_backend_pid
            and rebuild.started_at > p_now - interval '1 day')
    then
        return;
    end if;
    return query
    with next as (
        select found.* from monitoring_internal.rebuildable_indexes_at(p_now) as found limit 1
    ),
    noted as (
        insert into monitoring.index_rebuilds as rebuild (
            index_name, table_name, reason, started_at, bytes_before, backend_pid)
        select next.index_name, next.table_name, next.reason, p_now, next.bytes, p_backend_pid
        from next
        returning rebuild.index_rebuild_id, rebuild.index_name
    )
    select noted.index_rebuild_id, noted.index_name, case
            -- What a rebuild that was cut off left behind: the index itself is still there.
            when noted.index_name ~ '_cc(new|old)[0-9]*"?$' then 'drop index concurrently '
            else 'reindex index concurrently '
        end || noted.index_name
    from noted;
end;
$$;

comment on function monitoring_internal.claim_rebuild_at(integer, timestamptz) is 'claim_rebuild as of a time.';

-- The same now.
create or replace function monitoring_internal.claim_rebuild()
returns table (index_rebuild_id bigint, index_name text, statement text)
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from monitoring_internal.claim_rebuild_at(pg_backend_pid(), clock_timestamp());
$$;

comment on function monitoring_internal.claim_rebuild() is
    'The next index to rebuild, with the statement that does it, which no function can run.';

-- How it ended; null for well.
create or replace function monitoring_internal.finish_rebuild(p_index_rebuild_id bigint, p_error text)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.index_rebuilds as rebuild
    set finished_at = clock_timestamp(), error = left(p_error, 1000),
        bytes_after = case when p_error is null then pg_relation_size(to_regclass(rebuild.index_name)) end
    where rebuild.index_rebuild_id = p_index_rebuild_id and rebuild.backend_pid = pg_backend_pid();
$$;

comment on function monitoring_internal.finish_rebuild(bigint, text) is
    'Notes how the rebuilding of an index ended; null for well.';
