-- audit/write.sql: rows of the audit trail, written by triggers in the transaction of the change.
-- Owns audit_masked, audit_key, write_audit, audit_made, audit_changed, audit_gone, audit_row, refuse_audit_change,
-- keep_audit_retention. Writes audit_logs. Concurrency: rows are only added.

-- An image of a row without what nobody may read: secrets, sealed ones too, and what may hold them.
create or replace function monitoring_internal.audit_masked(p_image jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_object_agg(
        field.key,
        case
            when field.value <> 'null' and field.key ~ '(secret|password|passphrase|token|credential|api_?key|sealed)'
                or field.value <> 'null'
                    and field.key in ('configuration', 'conninfo', 'webhook_url', 'address', 'command', 'query')
            then '"(masked)"'
            else field.value
        end)
    from jsonb_each(p_image) as field;
$$;

comment on function monitoring_internal.audit_masked(jsonb) is
    'An image of a row for the audit: secrets, connections, configurations, URLs, addresses and commands are masked.';

-- The key of a row by the names of its columns.
create or replace function monitoring_internal.audit_key(p_image jsonb, p_columns text[])
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(p_image ->> part.name, ',' order by part.ordinal)
    from unnest(p_columns) with ordinality as part (name, ordinal);
$$;

comment on function monitoring_internal.audit_key(jsonb, text[]) is
    'Values of a row''s key columns, with commas between.';

-- One row of the audit a row that was made, changed or removed; of a change only what changed. Columns that the
-- database keeps itself are left out, and a row of which nothing else changed makes none.
create or replace function monitoring_internal.write_audit(
    p_resource_type text, p_key text[], p_ignored text[], p_former jsonb[], p_later jsonb[])
returns void
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.audit_logs (
        tenant_id, person_id, role_name, action, resource_type, resource_id, before, after)
    select image.tenant_id,
        monitoring_internal.person_of_role(monitoring_internal.caller_role(), image.tenant_id),
        monitoring_internal.caller_role(), p_resource_type || '_' || image.what, p_resource_type, image.resource_id,
        monitoring_internal.audit_masked(image.before), monitoring_internal.audit_masked(image.after)
    from (
        select
            coalesce(
                (later.image ->> 'tenant_id')::uuid, (former.image ->> 'tenant_id')::uuid,
                monitoring.system_tenant_id()) as tenant_id,
            case when former.image is null then 'created' when later.image is null then 'removed' else 'changed' end
                as what,
            resource_id,
            case
                when former.image is null then null
                when later.image is null then jsonb_strip_nulls(former.image - p_ignored)
                else (
                    select jsonb_object_agg(field.key, field.value) from jsonb_each(former.image - p_ignored) as field
                    where field.value is distinct from later.image -> field.key)
            end as before,
            case
                when later.image is null then null
                when former.image is null then jsonb_strip_nulls(later.image - p_ignored)
                else (
                    select jsonb_object_agg(field.key, field.value) from jsonb_each(later.image - p_ignored) as field
                    where field.value is distinct from former.image -> field.key)
            end as after
        from (
            select monitoring_internal.audit_key(given, p_key) as resource_id, given as image
            from unnest(p_former) as given) as former
        full join (
            select monitoring_internal.audit_key(given, p_key) as resource_id, given as image
            from unnest(p_later) as given) as later using (resource_id)
    ) as image
    where coalesce(image.before, image.after) is not null;
$$;

comment on function monitoring_internal.write_audit(text, text[], text[], jsonb[], jsonb[]) is
    'Writes the audit of rows given as they were and as they are, joined by their key.';

-- Trigger, once a statement: rows made. Arguments: their kind, their key columns, columns that do not count.
create or replace function monitoring_internal.audit_made()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.write_audit(
        tg_argv[0], string_to_array(tg_argv[1], ','),
        string_to_array(coalesce(tg_argv[2], ''), ',') || array['created_at', 'updated_at'],
        '{}', array(select to_jsonb(row_of) from later_rows as row_of));
    return null;
end;
$$;

comment on function monitoring_internal.audit_made() is
    'Trigger: writes the audit of rows made, in its transaction.';

-- Trigger, once a statement: rows changed. Arguments: their kind, their key columns, columns that do not count.
create or replace function monitoring_internal.audit_changed()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.write_audit(
        tg_argv[0], string_to_array(tg_argv[1], ','),
        string_to_array(coalesce(tg_argv[2], ''), ',') || array['created_at', 'updated_at'],
        array(select to_jsonb(row_of) from former_rows as row_of),
        array(select to_jsonb(row_of) from later_rows as row_of));
    return null;
end;
$$;

comment on function monitoring_internal.audit_changed() is
    'Trigger: writes the audit of rows changed, in its transaction.';

-- Trigger, once a statement: rows removed. Arguments: their kind, their key columns, columns that do not count.
create or replace function monitoring_internal.audit_gone()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.write_audit(
        tg_argv[0], string_to_array(tg_argv[1], ','),
        string_to_array(coalesce(tg_argv[2], ''), ',') || array['created_at', 'updated_at'],
        array(select to_jsonb(row_of) from former_rows as row_of), '{}');
    return null;
end;
$$;

comment on function monitoring_internal.audit_gone() is
    'Trigger: writes the audit of rows removed, in its transaction.';

-- Trigger, once a row: for tables whose other columns change too often to look at each statement.
create or replace function monitoring_internal.audit_row()
returns trigger
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform monitoring_internal.write_audit(
        tg_argv[0], string_to_array(tg_argv[1], ','),
        string_to_array(coalesce(tg_argv[2], ''), ',') || array['created_at', 'updated_at'],
        case when tg_op <> 'INSERT' then array[to_jsonb(old)] else '{}' end,
        case when tg_op <> 'DELETE' then array[to_jsonb(new)] else '{}' end);
    return null;
end;
$$;

comment on function monitoring_internal.audit_row() is 'Trigger: writes the audit of one row.';

-- Trigger: nobody changes or removes what was written, whatever rights they have.
-- Raises: PV956.
create or replace function monitoring_internal.refuse_audit_change()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = 'PV956',
        message = format('rows of the audit are only added: %s is refused', lower(tg_op)),
        hint = 'They go with their partition once the retention in monitoring.partition_policies has passed.';
end;
$$;

comment on function monitoring_internal.refuse_audit_change() is
    'Trigger: refuses every update, delete and truncate of the audit.';

-- Trigger: the audit is kept for as long as the setting audit.retention_floor demands.
-- Raises: PV957.
create or replace function monitoring_internal.keep_audit_retention()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.retention < monitoring_internal.setting_interval('audit.retention_floor') then
        raise exception using
            errcode = 'PV957',
            message = format('the audit is kept for at least %s',
                monitoring_internal.setting_text('audit.retention_floor')),
            hint = 'Choose a longer retention; the setting audit.retention_floor holds the least one.';
    end if;
    return new;
end;
$$;

comment on function monitoring_internal.keep_audit_retention() is
    'Trigger: refuses a retention of the audit below the setting audit.retention_floor.';
