-- tenancy/tenants.sql: who is asking, and which tenants that role may see.
-- Owns system_tenant_id, caller_role, sees_all_tenants, visible_tenant_ids, require_visible_tenant, create_tenant,
-- add_tenant_member, remove_tenant_member. Writes tenants, tenant_members. Any number of callers at once.

-- The tenant that owns what belongs to the installation itself.
create or replace function monitoring.system_tenant_id()
returns uuid
language sql immutable parallel safe
begin atomic
    select '00000000-0000-4000-8000-000000000001'::uuid;
end;

comment on function monitoring.system_tenant_id() is
    'The system tenant: owner of all rows that belong to the installation itself.';

-- The role that sent the statement, also inside a security definer function, where current_user is its owner.
create or replace function monitoring_internal.caller_role()
returns name
language sql stable parallel restricted
begin atomic
    select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)::name;
end;

comment on function monitoring_internal.caller_role() is
    'The role in force outside all security definer functions: what SET ROLE named, else the login.';

-- True for the roles that operate the installation and so see every tenant.
create or replace function monitoring_internal.sees_all_tenants(p_role name)
returns boolean
language sql stable parallel restricted
begin atomic
    select bool_or(pg_has_role(p_role, operator_role.name, 'usage'))
    from unnest(array[
        'monitoring_owner', 'monitoring_admin', 'monitoring_service', 'monitoring_exporter'
    ]::name[]) as operator_role (name);
end;

comment on function monitoring_internal.sees_all_tenants(name) is
    'Whether the role operates the installation: owner, admin, service, exporter, or a superuser.';

-- The tenants whose rows the caller may see; the setting pgvigil.tenant_id narrows them, and never widens. Everything
-- asks for them, some a hundred times a minute: not in SQL, whose plan would be made anew each time.
create or replace function monitoring.visible_tenant_ids()
returns uuid[]
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select coalesce(array_agg(tenant.tenant_id), '{}')
        from monitoring.tenants as tenant
        cross join (select monitoring_internal.caller_role() as role_name) as caller
        where (
                nullif(current_setting('pgvigil.tenant_id', true), '') is null
                or tenant.tenant_id::text = lower(current_setting('pgvigil.tenant_id', true))
            )
            and (
                monitoring_internal.sees_all_tenants(caller.role_name)
                or exists (
                    select 1
                    from monitoring.tenant_members as member
                    where member.tenant_id = tenant.tenant_id
                        and pg_has_role(
                            caller.role_name, to_regrole(quote_ident(member.role_name))::oid, 'usage')
                )
            )
    );
end;
$$;

comment on function monitoring.visible_tenant_ids() is
    'Tenants that the calling role may see, by tenant_members and role membership. Operators see all. '
    'The setting pgvigil.tenant_id narrows the answer to one of them; an unknown id leaves none.';

-- Stop a write for a tenant that the caller may not see, or that has left.
-- Raises: PV002.
create or replace function monitoring_internal.require_visible_tenant(p_tenant_id uuid)
returns void
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    if not coalesce(p_tenant_id = any (monitoring.visible_tenant_ids()), false) then
        raise exception using
            errcode = 'PV002',
            message = format('role %I may not act for tenant %s', monitoring_internal.caller_role(), p_tenant_id),
            hint = 'An administrator grants it with monitoring.add_tenant_member(role_name, tenant_name).';
    end if;
    if not (select tenant.is_active from monitoring.tenants as tenant where tenant.tenant_id = p_tenant_id) then
        raise exception using
            errcode = 'PV002',
            message = format('tenant %s is not active', p_tenant_id),
            hint = 'An administrator sets is_active in monitoring.tenants if it has come back.';
    end if;
end;
$$;

comment on function monitoring_internal.require_visible_tenant(uuid) is
    'Raises PV002 unless the calling role sees the tenant and the tenant is active.';

-- Register a tenant.
-- Raises: 23505 when the name is taken, 23514 when it is malformed.
create or replace function monitoring.create_tenant(name text, display_name text default '')
returns uuid
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into monitoring.tenants (name, display_name)
    values (create_tenant.name, create_tenant.display_name)
    returning tenants.tenant_id;
$$;

comment on function monitoring.create_tenant(text, text) is
    'Registers a tenant and returns its id. For monitoring_admin.';

-- Let a role, and every member of it, see a tenant.
-- Raises: PV001 unknown tenant, PV004 unknown role.
create or replace function monitoring.add_tenant_member(role_name name, tenant_name text)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regrole(quote_ident(add_tenant_member.role_name)) is null then
        raise exception using
            errcode = 'PV004',
            message = format('role %I does not exist', add_tenant_member.role_name),
            hint = 'Create the role first, with CREATE ROLE.';
    end if;
    insert into monitoring.tenant_members (role_name, tenant_id)
    select add_tenant_member.role_name, monitoring_internal.tenant_id_of(add_tenant_member.tenant_name)
    on conflict do nothing;
end;
$$;

comment on function monitoring.add_tenant_member(name, text) is
    'Lets a database role see the rows of a tenant. Repeating it changes nothing. For monitoring_admin.';

-- Take that right away again.
-- Raises: PV001 unknown tenant.
create or replace function monitoring.remove_tenant_member(role_name name, tenant_name text)
returns boolean
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from monitoring.tenant_members as member
    where member.role_name = remove_tenant_member.role_name
        and member.tenant_id = monitoring_internal.tenant_id_of(remove_tenant_member.tenant_name);
    return found;
end;
$$;

comment on function monitoring.remove_tenant_member(name, text) is
    'Ends a role''s view of a tenant; false when it had none. For monitoring_admin.';

-- The id of a tenant by its name.
-- Raises: PV001.
create or replace function monitoring_internal.tenant_id_of(p_tenant_name text)
returns uuid
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant_id uuid;
begin
    select tenant.tenant_id into v_tenant_id
    from monitoring.tenants as tenant
    where tenant.name = p_tenant_name;
    if v_tenant_id is null then
        raise exception using
            errcode = 'PV001',
            message = format('tenant "%s" does not exist', p_tenant_name),
            hint = 'Names are in monitoring.tenants; monitoring.create_tenant(name) makes one.';
    end if;
    return v_tenant_id;
end;
$$;

comment on function monitoring_internal.tenant_id_of(text) is 'Looks a tenant up by name; PV001 when there is none.';
