-- 0020: people and how they are reached, what they wrote about alerts, and who is on call when.

create table monitoring.people (
    person_id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default '00000000-0000-4000-8000-000000000001',
    name text not null,
    role_name name,
    time_zone text not null default 'UTC',
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint people_pkey primary key (person_id),
    constraint people_tenant_id_name_key unique (tenant_id, name),
    constraint people_tenant_id_role_name_key unique (tenant_id, role_name),
    constraint people_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint people_name_check check (name ~ '^[^/,:[:cntrl:]]{1,100}$')
);

comment on table monitoring.people is
    'Who is woken, acknowledges and answers for alerts. People of the system tenant may serve every tenant.';
comment on column monitoring.people.person_id is 'Key.';
comment on column monitoring.people.tenant_id is 'The tenant they belong to.';
comment on column monitoring.people.name is 'Name, unique in the tenant; no slash, comma or colon.';
comment on column monitoring.people.role_name is
    'The database role they log in as: what it acknowledges is theirs. Null for who never does.';
comment on column monitoring.people.time_zone is 'Zone in which times are shown to them.';
comment on column monitoring.people.is_active is 'False: never on call and never paged; keeps what they did.';
comment on column monitoring.people.created_at is 'When the row was made.';
comment on column monitoring.people.updated_at is 'When it changed last.';

create table monitoring.contact_methods (
    contact_method_id integer generated always as identity,
    tenant_id uuid not null,
    person_id uuid not null,
    kind text not null,
    channel_id uuid,
    address text,
    position smallint not null default 1,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint contact_methods_pkey primary key (contact_method_id),
    constraint contact_methods_person_id_position_key unique (person_id, position),
    constraint contact_methods_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint contact_methods_person_id_fkey
        foreign key (person_id) references monitoring.people (person_id) on delete cascade,
    constraint contact_methods_kind_check
        check (kind in ('email', 'sms', 'voice', 'slack', 'teams', 'webhook', 'pagerduty')),
    constraint contact_methods_reach_check check (num_nonnulls(channel_id, address) > 0),
    -- Addresses of web hooks are secrets: they belong into a channel, which keeps them sealed.
    constraint contact_methods_address_check check (length(address) between 1 and 320 and address !~ '://')
);
create index contact_methods_tenant_id_idx on monitoring.contact_methods (tenant_id);

comment on table monitoring.contact_methods is 'How a person is reached, in the order to try.';
comment on column monitoring.contact_methods.contact_method_id is 'Key.';
comment on column monitoring.contact_methods.tenant_id is 'The person''s tenant.';
comment on column monitoring.contact_methods.person_id is 'Whose it is.';
comment on column monitoring.contact_methods.kind is 'email, sms, voice, slack, teams, webhook or pagerduty.';
comment on column monitoring.contact_methods.channel_id is 'The channel of notification_channels that carries it.';
comment on column monitoring.contact_methods.address is 'Mail address, number or handle; never a URL.';
comment on column monitoring.contact_methods.position is 'Order in which they are tried.';
comment on column monitoring.contact_methods.is_active is 'False: not used.';
comment on column monitoring.contact_methods.created_at is 'When the row was made.';
comment on column monitoring.contact_methods.updated_at is 'When it changed last.';

create table monitoring.alert_comments (
    alert_comment_id bigint generated always as identity,
    tenant_id uuid not null,
    alert_id uuid not null,
    person_id uuid,
    person_name text,
    role_name text not null,
    body text not null,
    created_at timestamptz not null default now(),
    constraint alert_comments_pkey primary key (alert_comment_id),
    constraint alert_comments_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint alert_comments_person_id_fkey
        foreign key (person_id) references monitoring.people (person_id) on delete set null,
    constraint alert_comments_body_check check (length(body) between 1 and 10000)
);
create index alert_comments_alert_id_idx on monitoring.alert_comments (alert_id);
create index alert_comments_person_id_idx on monitoring.alert_comments (person_id);
create index alert_comments_tenant_id_idx on monitoring.alert_comments (tenant_id);

comment on table monitoring.alert_comments is 'What people wrote about an alert. Outlives the person and the alert.';
comment on column monitoring.alert_comments.alert_comment_id is 'Key.';
comment on column monitoring.alert_comments.tenant_id is 'The alert''s tenant.';
comment on column monitoring.alert_comments.alert_id is 'The alert.';
comment on column monitoring.alert_comments.person_id is
    'Who wrote it; null when the role is nobody''s, or they were removed.';
comment on column monitoring.alert_comments.person_name is 'Their name at that time.';
comment on column monitoring.alert_comments.role_name is 'The database role that wrote it.';
comment on column monitoring.alert_comments.body is 'The text.';
comment on column monitoring.alert_comments.created_at is 'When it was written.';

create table monitoring.on_call_schedules (
    on_call_schedule_id integer generated always as identity,
    tenant_id uuid not null default '00000000-0000-4000-8000-000000000001',
    name text not null,
    time_zone text not null default 'UTC',
    description text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint on_call_schedules_pkey primary key (on_call_schedule_id),
    constraint on_call_schedules_tenant_id_name_key unique (tenant_id, name),
    constraint on_call_schedules_on_call_schedule_id_tenant_id_key unique (on_call_schedule_id, tenant_id),
    constraint on_call_schedules_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint on_call_schedules_name_check check (name ~ '^[^/,:[:cntrl:]]{1,100}$')
);

comment on table monitoring.on_call_schedules is 'A duty that is always somebody''s: its layers say whose.';
comment on column monitoring.on_call_schedules.on_call_schedule_id is 'Key.';
comment on column monitoring.on_call_schedules.tenant_id is 'The tenant it belongs to; the system tenant''s serve all.';
comment on column monitoring.on_call_schedules.name is 'Name, unique in the tenant; no slash, comma or colon.';
comment on column monitoring.on_call_schedules.time_zone is 'Zone of all its local times.';
comment on column monitoring.on_call_schedules.description is 'What it is for.';
comment on column monitoring.on_call_schedules.created_at is 'When the row was made.';
comment on column monitoring.on_call_schedules.updated_at is 'When it changed last.';

create table monitoring.on_call_layers (
    on_call_layer_id integer generated always as identity,
    tenant_id uuid not null,
    on_call_schedule_id integer not null,
    name text not null,
    priority integer not null default 0,
    turn text not null default 'weekly',
    turn_length smallint not null default 1,
    start_day date not null,
    end_day date,
    hand_over_time time not null default '09:00',
    is_counting_eligible_days boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint on_call_layers_pkey primary key (on_call_layer_id),
    constraint on_call_layers_on_call_schedule_id_name_key unique (on_call_schedule_id, name),
    constraint on_call_layers_on_call_layer_id_tenant_id_key unique (on_call_layer_id, tenant_id),
    constraint on_call_layers_on_call_schedule_id_tenant_id_fkey
        foreign key (on_call_schedule_id, tenant_id)
        references monitoring.on_call_schedules (on_call_schedule_id, tenant_id) on delete cascade,
    constraint on_call_layers_turn_check check (turn in ('hourly', 'daily', 'weekly', 'monthly')),
    constraint on_call_layers_turn_length_check check (turn_length between 1 and 366),
    constraint on_call_layers_days_check check (
        end_day > start_day and start_day between date '1970-01-01' and date '2500-01-01'
        and end_day between date '1970-01-01' and date '2500-01-01'),
    constraint on_call_layers_hand_over_time_check check (hand_over_time < time '24:00'),
    constraint on_call_layers_is_counting_eligible_days_check check (turn = 'daily' or not is_counting_eligible_days)
);
create index on_call_layers_tenant_id_idx on monitoring.on_call_layers (tenant_id);

comment on table monitoring.on_call_layers is
    'A rotation within a schedule. The highest priority that has somebody wins; equal ones are on call together.';
comment on column monitoring.on_call_layers.on_call_layer_id is 'Key.';
comment on column monitoring.on_call_layers.tenant_id is 'The schedule''s tenant.';
comment on column monitoring.on_call_layers.on_call_schedule_id is 'The schedule.';
comment on column monitoring.on_call_layers.name is 'Name, unique in the schedule.';
comment on column monitoring.on_call_layers.priority is 'Higher ones come before lower ones.';
comment on column monitoring.on_call_layers.turn is
    'What a turn is counted in: hourly (true hours), daily, weekly or monthly (by the wall clock).';
comment on column monitoring.on_call_layers.turn_length is 'How many of them one turn lasts.';
comment on column monitoring.on_call_layers.start_day is
    'Local day on which, at hand_over_time, the first turn begins.';
comment on column monitoring.on_call_layers.end_day is
    'Local day on which, at hand_over_time, it ends; null for never.';
comment on column monitoring.on_call_layers.hand_over_time is 'Local time of every hand-over.';
comment on column monitoring.on_call_layers.is_counting_eligible_days is
    'Daily turns count only days on which a restriction begins, so that a week-end does not cost anybody a turn.';
comment on column monitoring.on_call_layers.created_at is 'When the row was made.';
comment on column monitoring.on_call_layers.updated_at is 'When it changed last.';

create table monitoring.on_call_layer_people (
    on_call_layer_id integer not null,
    position smallint not null,
    tenant_id uuid not null,
    person_id uuid not null,
    constraint on_call_layer_people_pkey primary key (on_call_layer_id, position),
    constraint on_call_layer_people_on_call_layer_id_tenant_id_fkey
        foreign key (on_call_layer_id, tenant_id)
        references monitoring.on_call_layers (on_call_layer_id, tenant_id) on delete cascade,
    constraint on_call_layer_people_person_id_fkey
        foreign key (person_id) references monitoring.people (person_id) on delete restrict,
    constraint on_call_layer_people_position_check check (position >= 1)
);
create index on_call_layer_people_person_id_idx on monitoring.on_call_layer_people (person_id);
create index on_call_layer_people_tenant_id_idx on monitoring.on_call_layer_people (tenant_id);

comment on table monitoring.on_call_layer_people is
    'Who takes turns in a layer, in order. Nobody is removed from people while they are in one.';
comment on column monitoring.on_call_layer_people.on_call_layer_id is 'The layer.';
comment on column monitoring.on_call_layer_people.position is 'Place in the order.';
comment on column monitoring.on_call_layer_people.tenant_id is 'The schedule''s tenant.';
comment on column monitoring.on_call_layer_people.person_id is 'Who.';

create table monitoring.on_call_restrictions (
    on_call_restriction_id integer generated always as identity,
    tenant_id uuid not null,
    on_call_layer_id integer not null,
    days smallint[] not null default '{1,2,3,4,5,6,7}',
    from_time time not null default '00:00',
    until_time time not null default '24:00',
    constraint on_call_restrictions_pkey primary key (on_call_restriction_id),
    constraint on_call_restrictions_on_call_layer_id_tenant_id_fkey
        foreign key (on_call_layer_id, tenant_id)
        references monitoring.on_call_layers (on_call_layer_id, tenant_id) on delete cascade,
    constraint on_call_restrictions_days_check
        check (cardinality(days) > 0 and days <@ '{1,2,3,4,5,6,7}'::smallint[])
);
create index on_call_restrictions_on_call_layer_id_idx on monitoring.on_call_restrictions (on_call_layer_id);
create index on_call_restrictions_tenant_id_idx on monitoring.on_call_restrictions (tenant_id);

comment on table monitoring.on_call_restrictions is 'Hours in which a layer holds; a layer without any always holds.';
comment on column monitoring.on_call_restrictions.on_call_restriction_id is 'Key.';
comment on column monitoring.on_call_restrictions.tenant_id is 'The schedule''s tenant.';
comment on column monitoring.on_call_restrictions.on_call_layer_id is 'The layer.';
comment on column monitoring.on_call_restrictions.days is 'Days of the week on which it begins, 1 is Monday.';
comment on column monitoring.on_call_restrictions.from_time is 'Local time at which it begins.';
comment on column monitoring.on_call_restrictions.until_time is
    'Local time at which it ends; the next day if that is not after from_time.';

create table monitoring.on_call_assignments (
    on_call_assignment_id integer generated always as identity,
    tenant_id uuid not null,
    on_call_schedule_id integer not null,
    person_id uuid not null,
    replaces_person_id uuid,
    start_at timestamptz not null,
    end_at timestamptz not null,
    reason text not null default '',
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint on_call_assignments_pkey primary key (on_call_assignment_id),
    constraint on_call_assignments_on_call_schedule_id_tenant_id_fkey
        foreign key (on_call_schedule_id, tenant_id)
        references monitoring.on_call_schedules (on_call_schedule_id, tenant_id) on delete cascade,
    constraint on_call_assignments_person_id_fkey
        foreign key (person_id) references monitoring.people (person_id) on delete cascade,
    constraint on_call_assignments_replaces_person_id_fkey
        foreign key (replaces_person_id) references monitoring.people (person_id) on delete cascade,
    constraint on_call_assignments_end_at_check check (end_at > start_at and isfinite(start_at) and isfinite(end_at)),
    constraint on_call_assignments_replaces_person_id_check check (replaces_person_id <> person_id)
);
create index on_call_assignments_on_call_schedule_id_end_at_idx
    on monitoring.on_call_assignments (on_call_schedule_id, end_at);
create index on_call_assignments_person_id_idx on monitoring.on_call_assignments (person_id);
create index on_call_assignments_replaces_person_id_idx on monitoring.on_call_assignments (replaces_person_id);
create index on_call_assignments_tenant_id_idx on monitoring.on_call_assignments (tenant_id);

comment on table monitoring.on_call_assignments is
    'Overrides: for a time somebody takes the whole schedule, or the turns of one person. They come before all layers.';
comment on column monitoring.on_call_assignments.on_call_assignment_id is 'Key.';
comment on column monitoring.on_call_assignments.tenant_id is 'The schedule''s tenant.';
comment on column monitoring.on_call_assignments.on_call_schedule_id is 'The schedule.';
comment on column monitoring.on_call_assignments.person_id is 'Who is on call instead.';
comment on column monitoring.on_call_assignments.replaces_person_id is
    'Whose turns they take; null for whoever''s it would be.';
comment on column monitoring.on_call_assignments.start_at is 'From when.';
comment on column monitoring.on_call_assignments.end_at is 'Until when, that moment not included.';
comment on column monitoring.on_call_assignments.reason is 'Why, for people.';
comment on column monitoring.on_call_assignments.created_by is 'The database role that made it.';
comment on column monitoring.on_call_assignments.created_at is 'When the row was made.';
comment on column monitoring.on_call_assignments.updated_at is 'When it changed last.';
