-- 0002: the registry of tenants, who may see which, and the settings of this installation.

create table monitoring.tenants (
    tenant_id uuid not null default gen_random_uuid(),
    name text not null,
    display_name text not null default '',
    is_system boolean not null default false,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tenants_pkey primary key (tenant_id),
    constraint tenants_name_key unique (name),
    constraint tenants_name_check check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$')
);
create unique index tenants_is_system_idx on monitoring.tenants (is_system) where is_system;

comment on table monitoring.tenants is
    'Registry of tenants. What belongs to the installation itself belongs to the one system tenant, never to none.';
comment on column monitoring.tenants.tenant_id is 'Key of the tenant everywhere.';
comment on column monitoring.tenants.name is 'Short unique name: a-z, 0-9, dot, dash, underscore; 63 characters.';
comment on column monitoring.tenants.display_name is 'Name for people.';
comment on column monitoring.tenants.is_system is 'True for the one tenant that owns system-wide rows.';
comment on column monitoring.tenants.is_active is
    'False once the tenant has left: nothing more is written for it; its rows stay until their retention ends.';
comment on column monitoring.tenants.created_at is 'When it was registered.';
comment on column monitoring.tenants.updated_at is 'When this row changed last.';

insert into monitoring.tenants (tenant_id, name, display_name, is_system)
values ('00000000-0000-4000-8000-000000000001', 'system', 'This installation', true);

create table monitoring.tenant_members (
    role_name name not null,
    tenant_id uuid not null,
    created_at timestamptz not null default now(),
    constraint tenant_members_pkey primary key (role_name, tenant_id),
    constraint tenant_members_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade
);
create index tenant_members_tenant_id_idx on monitoring.tenant_members (tenant_id);

comment on table monitoring.tenant_members is
    'Which database role, and so every member of it, sees which tenant. The only thing that decides it.';
comment on column monitoring.tenant_members.role_name is 'A role of the cluster, by name.';
comment on column monitoring.tenant_members.tenant_id is 'The tenant whose rows it sees.';
comment on column monitoring.tenant_members.created_at is 'When the right was given.';

create table monitoring.settings (
    name text not null,
    value text not null,
    default_value text not null,
    kind text not null,
    minimum text,
    maximum text,
    description text not null,
    updated_at timestamptz not null default now(),
    constraint settings_pkey primary key (name),
    constraint settings_name_check check (name ~ '^[a-z]+\.[a-z][a-z0-9_]*$'),
    constraint settings_kind_check check (kind in ('interval', 'integer', 'number', 'boolean', 'text'))
);

comment on table monitoring.settings is
    'Settings of this installation that SQL decides by. Change them with monitoring.set_setting(name, value).';
comment on column monitoring.settings.name is 'area.name';
comment on column monitoring.settings.value is 'The value in force, as text.';
comment on column monitoring.settings.default_value is 'The value of a new installation.';
comment on column monitoring.settings.kind is 'How the value is read: interval, integer, number, boolean or text.';
comment on column monitoring.settings.minimum is 'Smallest value accepted, of the same kind; null for none.';
comment on column monitoring.settings.maximum is 'Largest value accepted, of the same kind; null for none.';
comment on column monitoring.settings.description is 'What it does, with its unit.';
comment on column monitoring.settings.updated_at is 'When it changed last.';
