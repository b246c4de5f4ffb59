-- 0021: from an alert to its messages: channels, endpoints, routes, groups, what was told, held back and decided.

create table monitoring.webhook_endpoints (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null,
    endpoint_name text not null,
    webhook_url text not null,
    sealed_secret text,
    previous_sealed_secret text,
    previous_secret_until timestamptz,
    event_types jsonb not null default '[]',
    is_active boolean not null default true,
    disabled_reason text,
    retry_attempts integer not null default 3,
    timeout interval not null default '30s',
    max_in_flight integer not null default 16,
    fallback_endpoint_id uuid,
    total_calls bigint not null default 0,
    successful_calls bigint not null default 0,
    failed_calls bigint not null default 0,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint webhook_endpoints_pkey primary key (id),
    constraint webhook_endpoints_tenant_id_endpoint_name_key unique (tenant_id, endpoint_name),
    constraint webhook_endpoints_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint webhook_endpoints_fallback_endpoint_id_fkey foreign key (fallback_endpoint_id)
        references monitoring.webhook_endpoints (id) on delete set null,
    constraint webhook_endpoints_endpoint_name_check check (length(endpoint_name) between 1 and 100),
    constraint webhook_endpoints_event_types_check check (jsonb_typeof(event_types) = 'array'),
    constraint webhook_endpoints_retry_attempts_check check (retry_attempts between 0 and 100),
    constraint webhook_endpoints_timeout_check check (timeout between interval '1 second' and interval '5 minutes'),
    constraint webhook_endpoints_max_in_flight_check check (max_in_flight between 1 and 1000)
) with (fillfactor = 70);
create index webhook_endpoints_fallback_endpoint_id_idx on monitoring.webhook_endpoints (fallback_endpoint_id);

comment on table monitoring.webhook_endpoints is
    'Receivers of signed events: POST, application/json. Each gets the event types it asks for.';
comment on column monitoring.webhook_endpoints.id is 'Key.';
comment on column monitoring.webhook_endpoints.tenant_id is 'Whose endpoint it is.';
comment on column monitoring.webhook_endpoints.endpoint_name is 'Its name.';
comment on column monitoring.webhook_endpoints.webhook_url is 'Where events go; without user, password or token in it.';
comment on column monitoring.webhook_endpoints.sealed_secret is
    'Key of its signatures, sealed by the service: pgvigil:v1:KEY:BASE64. Clear text is refused.';
comment on column monitoring.webhook_endpoints.previous_sealed_secret is 'The key before, while both sign.';
comment on column monitoring.webhook_endpoints.previous_secret_until is 'Until when the key before signs too.';
comment on column monitoring.webhook_endpoints.event_types is
    'Event types it wants, such as ["alert.fired"] or ["alert.*"]; [] for all.';
comment on column monitoring.webhook_endpoints.is_active is 'False: nothing new is queued, and what waits is held.';
comment on column monitoring.webhook_endpoints.disabled_reason is 'Why it was disabled, by itself or by a person.';
comment on column monitoring.webhook_endpoints.retry_attempts is 'Attempts after the first one before it is dead.';
comment on column monitoring.webhook_endpoints.timeout is 'Longest time of one attempt, from connecting to the end.';
comment on column monitoring.webhook_endpoints.max_in_flight is 'Most requests to it at once.';
comment on column monitoring.webhook_endpoints.fallback_endpoint_id is 'Who is told when it stays unreachable.';
comment on column monitoring.webhook_endpoints.total_calls is 'Attempts so far.';
comment on column monitoring.webhook_endpoints.successful_calls is 'Attempts answered with success.';
comment on column monitoring.webhook_endpoints.failed_calls is 'All others, those without an answer included.';
comment on column monitoring.webhook_endpoints.last_success_at is 'The latest success.';
comment on column monitoring.webhook_endpoints.last_failure_at is 'The latest failure.';
comment on column monitoring.webhook_endpoints.created_at is 'When it was made.';
comment on column monitoring.webhook_endpoints.updated_at is 'When it changed last.';

create table monitoring.notification_channels (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid,
    channel_name text not null,
    channel_type text not null,
    configuration jsonb not null default '{}',
    sealed_secret text,
    webhook_endpoint_id uuid,
    is_active boolean not null default true,
    rate_limit_per_hour integer default 10,
    current_hour_count integer not null default 0,
    last_reset_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint notification_channels_pkey primary key (id),
    constraint notification_channels_tenant_id_channel_name_key unique nulls not distinct (tenant_id, channel_name),
    constraint notification_channels_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint notification_channels_webhook_endpoint_id_fkey foreign key (webhook_endpoint_id)
        references monitoring.webhook_endpoints (id) on delete cascade,
    constraint notification_channels_channel_name_check check (length(channel_name) between 1 and 100),
    constraint notification_channels_channel_type_check check (
        channel_type in ('email', 'sms', 'slack', 'teams', 'webhook', 'pagerduty', 'alertmanager')),
    constraint notification_channels_configuration_check check (jsonb_typeof(configuration) = 'object'),
    constraint notification_channels_webhook_endpoint_id_check
        check (webhook_endpoint_id is null or channel_type = 'webhook'),
    constraint notification_channels_rate_limit_per_hour_check check (rate_limit_per_hour between 1 and 1000000),
    constraint notification_channels_current_hour_count_check check (current_hour_count >= 0)
) with (fillfactor = 70);
create index notification_channels_webhook_endpoint_id_idx on monitoring.notification_channels (webhook_endpoint_id);

comment on table monitoring.notification_channels is
    'Ways to reach people: each with its address, its limit and how much of it this hour has used.';
comment on column monitoring.notification_channels.id is 'Key.';
comment on column monitoring.notification_channels.tenant_id is 'Whose alerts it takes; null: every tenant''s.';
comment on column monitoring.notification_channels.channel_name is 'Its name; unique within the tenant.';
comment on column monitoring.notification_channels.channel_type is
    'email, sms, slack, teams, webhook, pagerduty or alertmanager.';
comment on column monitoring.notification_channels.configuration is
    'What it needs besides the secret, such as {"to": ["ops@example.org"]}. Secrets in clear are refused.';
comment on column monitoring.notification_channels.sealed_secret is
    'Its password, token or secret URL, sealed by the service: pgvigil:v1:KEY:BASE64.';
comment on column monitoring.notification_channels.webhook_endpoint_id is
    'The endpoint a webhook channel sends through, with its signature, retries and statistics.';
comment on column monitoring.notification_channels.is_active is 'False: nothing is sent by it.';
comment on column monitoring.notification_channels.rate_limit_per_hour is
    'Most messages in an hour; what is beyond is held back and told in one. Critical ones always pass. Null: no limit.';
comment on column monitoring.notification_channels.current_hour_count is 'Messages since last_reset_at.';
comment on column monitoring.notification_channels.last_reset_at is 'Begin of the hour that is counted.';
comment on column monitoring.notification_channels.created_at is 'When it was made.';
comment on column monitoring.notification_channels.updated_at is 'When it changed last.';

create table monitoring.notification_routes (
    route_id integer generated always as identity,
    parent_id integer,
    ordinal integer not null default 0,
    route_name text not null,
    tenant_id uuid,
    minimum_severity text,
    matchers jsonb not null default '{}',
    is_continuing boolean not null default false,
    channel_ids uuid[],
    group_by text[],
    group_wait interval,
    group_interval interval,
    repeat_interval interval,
    escalation_policy_id integer,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint notification_routes_pkey primary key (route_id),
    constraint notification_routes_route_name_key unique (route_name),
    constraint notification_routes_parent_id_fkey foreign key (parent_id)
        references monitoring.notification_routes (route_id) on delete cascade,
    constraint notification_routes_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint notification_routes_parent_id_check check (parent_id <> route_id),
    constraint notification_routes_minimum_severity_check
        check (minimum_severity in ('low', 'medium', 'high', 'critical')),
    constraint notification_routes_matchers_check check (jsonb_typeof(matchers) = 'object'),
    constraint notification_routes_group_wait_check check (group_wait between interval '0' and interval '1 day'),
    constraint notification_routes_group_interval_check
        check (group_interval between interval '0' and interval '7 days'),
    constraint notification_routes_repeat_interval_check
        check (repeat_interval between interval '1 minute' and interval '365 days')
);
create index notification_routes_parent_id_idx on monitoring.notification_routes (parent_id);

comment on table monitoring.notification_routes is
    'Who is told: a tree walked depth first; the first child that matches takes an alert, unless it continues.';
comment on column monitoring.notification_routes.route_id is 'Key.';
comment on column monitoring.notification_routes.parent_id is 'The route it refines; null for one at the top.';
comment on column monitoring.notification_routes.ordinal is 'Its place among its siblings; then by route_id.';
comment on column monitoring.notification_routes.route_name is 'Its name.';
comment on column monitoring.notification_routes.tenant_id is 'Takes alerts of this tenant only; null: of every one.';
comment on column monitoring.notification_routes.minimum_severity is 'Takes alerts of this severity or above.';
comment on column monitoring.notification_routes.matchers is
    'Labels an alert must have: {"label": "value"} or {"label": {"re"|"nre"|"ne": "…"}}; besides its own and its '
    'rule''s there are rule_name, rule_category, metric_name and severity.';
comment on column monitoring.notification_routes.is_continuing is 'Its later siblings are asked too.';
comment on column monitoring.notification_routes.channel_ids is 'Where its messages go; null: as the parent''s.';
comment on column monitoring.notification_routes.group_by is
    'Labels whose values make one group, and so one message; {} one for all, {...} one each; null: as the parent''s.';
comment on column monitoring.notification_routes.group_wait is 'How long the first message waits for more alerts.';
comment on column monitoring.notification_routes.group_interval is 'Least distance of messages about one group.';
comment on column monitoring.notification_routes.repeat_interval is 'After which firing alerts are told again.';
comment on column monitoring.notification_routes.escalation_policy_id is 'Policy for alerts whose rule names none.';
comment on column monitoring.notification_routes.is_active is 'False: it matches nothing.';
comment on column monitoring.notification_routes.created_at is 'When it was made.';
comment on column monitoring.notification_routes.updated_at is 'When it changed last.';

create table monitoring.notification_groups (
    group_id bigint generated always as identity,
    group_key uuid not null,
    tenant_id uuid not null,
    route_id integer,
    rule_no integer,
    labels jsonb not null,
    group_wait interval not null,
    group_interval interval not null,
    repeat_interval interval,
    first_at timestamptz not null,
    constraint notification_groups_pkey primary key (group_id),
    constraint notification_groups_group_key_key unique (group_key)
);
create index notification_groups_tenant_id_idx on monitoring.notification_groups (tenant_id);

comment on table monitoring.notification_groups is 'Alerts that are told together, while any of them is open.';
comment on column monitoring.notification_groups.group_id is 'Key; a group that was over comes back with a new one.';
comment on column monitoring.notification_groups.group_key is 'Digest of tenant, route or rule, and labels.';
comment on column monitoring.notification_groups.tenant_id is 'Whose alerts; never of several tenants.';
comment on column monitoring.notification_groups.route_id is 'The route that took them; null: none did.';
comment on column monitoring.notification_groups.rule_no is 'The rule whose own channels are used; null: the route''s.';
comment on column monitoring.notification_groups.labels is 'What its alerts have in common by group_by.';
comment on column monitoring.notification_groups.group_wait is 'How long the first message waits.';
comment on column monitoring.notification_groups.group_interval is 'Least distance of its messages.';
comment on column monitoring.notification_groups.repeat_interval is 'The route''s; null: by rule or severity.';
comment on column monitoring.notification_groups.first_at is 'When its first alert came.';

create table monitoring.notification_members (
    group_id bigint not null,
    alert_id uuid not null,
    tenant_id uuid not null,
    added_at timestamptz not null,
    constraint notification_members_pkey primary key (group_id, alert_id)
);
create index notification_members_alert_id_idx on monitoring.notification_members (alert_id);

comment on table monitoring.notification_members is 'Which alerts are in which groups, until their end was told.';
comment on column monitoring.notification_members.group_id is 'The group.';
comment on column monitoring.notification_members.alert_id is 'The alert.';
comment on column monitoring.notification_members.tenant_id is 'Whose alert it is.';
comment on column monitoring.notification_members.added_at is 'When it was routed there.';

create table monitoring.notification_log (
    group_id bigint not null,
    channel_id uuid not null,
    tenant_id uuid not null,
    sequence bigint not null default 0,
    firing uuid[] not null default '{}',
    firing_levels smallint[] not null default '{}',
    resolved uuid[] not null default '{}',
    last_reason text,
    last_message_id uuid,
    last_sent_at timestamptz,
    next_due_at timestamptz not null,
    is_replay boolean not null default false,
    constraint notification_log_pkey primary key (group_id, channel_id)
) with (fillfactor = 50);
create index notification_log_next_due_at_idx on monitoring.notification_log (next_due_at);
create index notification_log_channel_id_idx on monitoring.notification_log (channel_id);

comment on table monitoring.notification_log is
    'What each channel was told of each group last, and when to look again.';
comment on column monitoring.notification_log.group_id is 'The group.';
comment on column monitoring.notification_log.channel_id is 'The channel.';
comment on column monitoring.notification_log.tenant_id is 'Whose alerts.';
comment on column monitoring.notification_log.sequence is 'Messages so far: the next one''s number makes it unique.';
comment on column monitoring.notification_log.firing is 'Alerts that the channel knows to be firing.';
comment on column monitoring.notification_log.firing_levels is 'The highest severity it was told of each, 1 low to 4.';
comment on column monitoring.notification_log.resolved is 'Alerts whose end the last message told.';
comment on column monitoring.notification_log.last_reason is 'Why the last message was sent.';
comment on column monitoring.notification_log.last_message_id is 'The last message.';
comment on column monitoring.notification_log.last_sent_at is 'When it was queued.';
comment on column monitoring.notification_log.next_due_at is 'When there may be something to tell.';
comment on column monitoring.notification_log.is_replay is 'Made by a backtest, and gone with it.';

create table monitoring.held_notifications (
    channel_id uuid not null,
    alert_id uuid not null,
    tenant_id uuid not null,
    reason text not null,
    held_at timestamptz not null,
    held_until timestamptz not null,
    times_held integer not null default 1,
    constraint held_notifications_pkey primary key (channel_id, alert_id)
);
create index held_notifications_held_until_idx on monitoring.held_notifications (held_until);

comment on table monitoring.held_notifications is
    'Alerts that a channel''s limit kept back: told in one message once the hour turns.';
comment on column monitoring.held_notifications.channel_id is 'The channel.';
comment on column monitoring.held_notifications.alert_id is 'The alert.';
comment on column monitoring.held_notifications.tenant_id is 'Whose alert it is.';
comment on column monitoring.held_notifications.reason is 'What it was to be told for.';
comment on column monitoring.held_notifications.held_at is 'Since when it is kept back.';
comment on column monitoring.held_notifications.held_until is 'When the next pass tells it.';
comment on column monitoring.held_notifications.times_held is 'How many messages that makes.';
