-- maintenance/backup.sql: whether a base backup, restored into a fresh server, holds what it should.
-- Owns begin_backup_check, backup_obstacle, backup_counts, finish_backup_check, interrupt_backup_check,
-- backup_check_result.
-- Writes backup_checks.
-- Concurrency: any number of checks; what comes and goes while one runs is allowed for.

-- Note that a check began.
create or replace function monitoring_internal.begin_backup_check(p_source text)
returns bigint
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.backup_checks (source) values (p_source) returning backup_check_id;
$$;

comment on function monitoring_internal.begin_backup_check(text) is
    'Notes that a check of a backup began; returns its number.';

-- Why the session's login cannot take a base backup of this server; null when it can.
create or replace function monitoring_internal.backup_obstacle()
returns text
language sql stable parallel safe
begin atomic
    select case
        when not exists (
            select 1 from pg_catalog.pg_roles as role
            where role.rolname = session_user and (role.rolreplication or role.rolsuper))
            then format('login %s has not the right REPLICATION: alter role %1$I replication', session_user)
        when current_setting('wal_level') = 'minimal' then 'wal_level is minimal: set it to replica'
        when current_setting('max_wal_senders')::integer = 0 then 'max_wal_senders is 0: set it to 10'
        when (select count(*) from pg_catalog.pg_tablespace) > 2
            then 'the server has tablespaces of its own: check a backup of it by hand'
    end;
end;

comment on function monitoring_internal.backup_obstacle() is
    'Why the session''s login cannot take a base backup of this server; null when it can.';

-- How many rows each table of pgvigil has that a backup takes along; checks themselves aside.
create or replace function monitoring_internal.backup_counts()
returns table (table_name text, row_count bigint)
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
begin
    -- A loop, since each table is read by a statement of its own; reading all of it is the point.
    for v_table in
        select class.oid::regclass
        from pg_class as class
        where class.relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
            and class.relkind in ('r', 'p') and not class.relispartition and class.relpersistence = 'p'
            and class.oid <> 'monitoring.backup_checks'::regclass
        order by class.oid::regclass::text
    loop
        table_name := v_table::text;
        execute format('select count(*) from %s', v_table) into row_count;
        return next;
    end loop;
end;
$$;

comment on function monitoring_internal.backup_counts() is
    'Rows of every table of pgvigil that a backup holds, each read as a whole.';

-- How a check ended. Of a backup taken for it, each table has to hold no fewer and no more rows than the server had
-- before and after; of an older one, the same tables have to be there, and be readable.
create or replace function monitoring_internal.finish_backup_check(
    p_backup_check_id bigint, p_bytes bigint, p_before jsonb, p_after jsonb, p_restored jsonb, p_error text)
returns text
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    with counted as (
        select coalesce(before.key, restored.key) as table_name, before.value::bigint as before_count,
            after.value::bigint as after_count, restored.value::bigint as restored_count
        from jsonb_each_text(coalesce(p_before, '{}')) as before
        full join jsonb_each_text(coalesce(p_restored, '{}')) as restored on restored.key = before.key
        left join jsonb_each_text(coalesce(p_after, '{}')) as after on after.key = before.key
    ),
    differing as (
        select jsonb_agg(jsonb_build_object('table', counted.table_name, 'home', counted.before_count,
            'restored', counted.restored_count) order by counted.table_name) as found
        from counted
        where counted.restored_count is null or counted.before_count is null
            or p_after is not null and counted.restored_count not between
                least(counted.before_count, counted.after_count) and greatest(counted.before_count, counted.after_count)
    )
    update monitoring.backup_checks as checked
    set finished_at = clock_timestamp(), backup_bytes = p_bytes, error = left(p_error, 1000),
        table_count = (select count(*) from jsonb_each(coalesce(p_restored, '{}'))),
        row_count = (select sum(entry.value::bigint) from jsonb_each_text(coalesce(p_restored, '{}')) as entry),
        differences = case when p_error is null then coalesce(differing.found, '[]') else '[]' end,
        state = case when p_error is null and differing.found is null then 'passed' else 'failed' end
    from differing
    where checked.backup_check_id = p_backup_check_id and checked.state = 'running'
    returning checked.state;
$$;

comment on function monitoring_internal.finish_backup_check(bigint, bigint, jsonb, jsonb, jsonb, text) is
    'Notes how the check of a backup ended: passed or failed, with what differs.';

-- A check was interrupted by whoever ran it: it says nothing of the backup.
create or replace function monitoring_internal.interrupt_backup_check(p_backup_check_id bigint)
returns void
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    update monitoring.backup_checks as checked
    set state = 'interrupted', finished_at = clock_timestamp()
    where checked.backup_check_id = p_backup_check_id and checked.state = 'running';
$$;

comment on function monitoring_internal.interrupt_backup_check(bigint) is
    'Notes that a check of a backup was interrupted, and says nothing of the backup.';

-- What a check found, for people.
create or replace function monitoring_internal.backup_check_result(p_backup_check_id bigint)
returns table (table_count integer, row_count bigint, differences jsonb)
language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
    select checked.table_count, checked.row_count, checked.differences
    from monitoring.backup_checks as checked
    where checked.backup_check_id = p_backup_check_id;
$$;

comment on function monitoring_internal.backup_check_result(bigint) is 'What the check of a backup found.';
