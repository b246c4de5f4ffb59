-- 0019: what withholds an alert (hours, silences, maintenance, inhibition, dependencies) and what belongs together.

create table monitoring.business_hours (
    business_hour_id integer generated always as identity,
    tenant_id uuid not null,
    weekday smallint not null,
    from_time time not null,
    to_time time not null,
    constraint business_hours_pkey primary key (business_hour_id),
    constraint business_hours_tenant_id_weekday_from_time_key unique (tenant_id, weekday, from_time),
    constraint business_hours_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint business_hours_weekday_check check (weekday between 1 and 7),
    constraint business_hours_span_check check (from_time <> to_time and from_time < time '24:00')
);

comment on table monitoring.business_hours is
    'When somebody is at work, by weekday, in the tenant''s time zone. A tenant without a row is always at work.';
comment on column monitoring.business_hours.business_hour_id is 'Key.';
comment on column monitoring.business_hours.tenant_id is 'Whose hours.';
comment on column monitoring.business_hours.weekday is
    '1 for Monday to 7 for Sunday: the day on which the span begins.';
comment on column monitoring.business_hours.from_time is 'Local time at which the span begins.';
comment on column monitoring.business_hours.to_time is
    'Local time at which it ends, 24:00 for the end of the day; one before from_time is on the next day.';

create table monitoring.holidays (
    holiday_id integer generated always as identity,
    tenant_id uuid not null,
    holiday_date date not null,
    name text not null,
    is_yearly boolean not null default false,
    constraint holidays_pkey primary key (holiday_id),
    constraint holidays_tenant_id_holiday_date_key unique (tenant_id, holiday_date),
    constraint holidays_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint holidays_name_check check (name ~ '\S' and length(name) <= 100)
);

comment on table monitoring.holidays is
    'Days without business hours: no span begins on them. One that began the day before goes on to its end.';
comment on column monitoring.holidays.holiday_id is 'Key.';
comment on column monitoring.holidays.tenant_id is 'Whose holiday.';
comment on column monitoring.holidays.holiday_date is 'The day, in the tenant''s time zone.';
comment on column monitoring.holidays.name is 'What is celebrated.';
comment on column monitoring.holidays.is_yearly is
    'Whether the same day of each other year, before and after, is one too.';

create table monitoring.alert_silences (
    silence_id bigint generated always as identity,
    tenant_id uuid,
    matchers jsonb not null,
    comment text not null,
    created_by text not null default session_user,
    starts_at timestamptz not null default now(),
    ends_at timestamptz,
    schedule text,
    duration interval,
    time_zone text,
    is_unbounded boolean not null default false,
    expires_when_unmatched_for interval,
    last_matched_at timestamptz,
    ended_by text,
    end_reason text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alert_silences_pkey primary key (silence_id),
    constraint alert_silences_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint alert_silences_matchers_check check (jsonb_typeof(matchers) = 'object'),
    constraint alert_silences_comment_check check (comment ~ '\S' and length(comment) <= 1000),
    constraint alert_silences_span_check check (ends_at >= starts_at),
    constraint alert_silences_bounded_check check (ends_at is not null or is_unbounded),
    constraint alert_silences_schedule_check check ((schedule is null) = (duration is null)),
    constraint alert_silences_duration_check check (duration between interval '1 minute' and interval '7 days'),
    constraint alert_silences_expires_when_unmatched_for_check check (expires_when_unmatched_for > interval '0'),
    constraint alert_silences_end_reason_check check (end_reason in ('by_hand', 'unmatched'))
);
create index alert_silences_ends_at_idx on monitoring.alert_silences (ends_at);
create index alert_silences_tenant_id_idx on monitoring.alert_silences (tenant_id);

comment on table monitoring.alert_silences is
    'What a person has asked not to be told, for a time, and why. Made by monitoring.silence_alerts, ended by '
    'monitoring.unsilence, never deleted.';
comment on column monitoring.alert_silences.silence_id is 'Key.';
comment on column monitoring.alert_silences.tenant_id is
    'Whose alerts it withholds; null for those of every tenant, made by operators only.';
comment on column monitoring.alert_silences.matchers is
    'Which alerts: {"label": "value"}, or {"label": {"re": "...", "nre": "...", "ne": "..."}}; all have to hold. The '
    'names rule_name, rule_category, severity and metric_name are the alert''s own. Expressions match the whole '
    'value.';
comment on column monitoring.alert_silences.comment is 'Why; mandatory.';
comment on column monitoring.alert_silences.created_by is 'The database role that made it.';
comment on column monitoring.alert_silences.starts_at is 'From when on.';
comment on column monitoring.alert_silences.ends_at is 'Until when; null for good, which has to be forced.';
comment on column monitoring.alert_silences.schedule is
    'For one that recurs: the cron schedule of the local times at which it begins, such as 0 22 * * mon-fri.';
comment on column monitoring.alert_silences.duration is
    'For one that recurs: how long each time takes by the clock on the wall; 8 hours from 22:00 end at 06:00 each '
    'night.';
comment on column monitoring.alert_silences.time_zone is
    'Zone of the schedule; null for the tenant''s, and UTC for one of no tenant.';
comment on column monitoring.alert_silences.is_unbounded is 'Whether having no end was forced.';
comment on column monitoring.alert_silences.expires_when_unmatched_for is
    'It ends by itself once no alert has matched it for so long; more than the distance of its times, if it recurs.';
comment on column monitoring.alert_silences.last_matched_at is
    'When an open alert matched it last, to within a minute; null for never.';
comment on column monitoring.alert_silences.ended_by is 'The database role that ended it early.';
comment on column monitoring.alert_silences.end_reason is 'by_hand or unmatched; null where it ran to its end.';
comment on column monitoring.alert_silences.created_at is 'When it was made.';
comment on column monitoring.alert_silences.updated_at is 'When it changed last.';

create table monitoring.maintenance_windows (
    maintenance_window_id bigint generated always as identity,
    tenant_id uuid,
    name text not null,
    description text not null default '',
    targets text[] not null default '{}',
    matchers jsonb not null default '{}',
    is_whole_tenant boolean not null default false,
    starts_at timestamptz not null,
    ends_at timestamptz,
    schedule text,
    duration interval,
    time_zone text,
    created_by text not null default session_user,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint maintenance_windows_pkey primary key (maintenance_window_id),
    constraint maintenance_windows_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint maintenance_windows_name_check check (name ~ '\S' and length(name) <= 200),
    constraint maintenance_windows_targets_check check (array_position(targets, null) is null),
    constraint maintenance_windows_matchers_check check (jsonb_typeof(matchers) = 'object'),
    constraint maintenance_windows_extent_check
        check (is_whole_tenant = (targets = '{}' and matchers = '{}')),
    constraint maintenance_windows_span_check check (ends_at > starts_at),
    constraint maintenance_windows_bounded_check check (ends_at is not null or schedule is not null),
    constraint maintenance_windows_schedule_check check ((schedule is null) = (duration is null)),
    constraint maintenance_windows_duration_check
        check (duration between interval '1 minute' and interval '7 days')
);
create index maintenance_windows_tenant_id_idx on monitoring.maintenance_windows (tenant_id);

comment on table monitoring.maintenance_windows is
    'Planned work: alerts of what is worked on are withheld. Written by monitoring_admin.';
comment on column monitoring.maintenance_windows.maintenance_window_id is 'Key.';
comment on column monitoring.maintenance_windows.tenant_id is
    'Whose alerts it withholds; null for those of every tenant.';
comment on column monitoring.maintenance_windows.name is 'What is done.';
comment on column monitoring.maintenance_windows.description is 'More of it, for people.';
comment on column monitoring.maintenance_windows.targets is
    'Servers worked on, by the value of label server; local is the one pgvigil runs in, whose series have no such '
    'label.';
comment on column monitoring.maintenance_windows.matchers is
    'Which alerts besides, as in alert_silences; both have to hold.';
comment on column monitoring.maintenance_windows.is_whole_tenant is
    'Said where neither targets nor matchers are given: it withholds everything.';
comment on column monitoring.maintenance_windows.starts_at is 'From when on.';
comment on column monitoring.maintenance_windows.ends_at is 'Until when; null for a recurring one that goes on.';
comment on column monitoring.maintenance_windows.schedule is
    'For one that recurs: cron schedule of its local beginnings.';
comment on column monitoring.maintenance_windows.duration is
    'For one that recurs: how long each time takes by the clock on the wall.';
comment on column monitoring.maintenance_windows.time_zone is
    'Zone of the schedule; null for the tenant''s, and UTC for one of no tenant.';
comment on column monitoring.maintenance_windows.created_by is 'The database role that made it.';
comment on column monitoring.maintenance_windows.created_at is 'When it was made.';
comment on column monitoring.maintenance_windows.updated_at is 'When it changed last.';

create table monitoring.alert_inhibitions (
    alert_inhibition_id integer generated always as identity,
    tenant_id uuid,
    name text not null,
    source_matchers jsonb not null,
    target_matchers jsonb not null,
    equal_labels text[] not null default '{}',
    is_enabled boolean not null default true,
    updated_at timestamptz not null default now(),
    constraint alert_inhibitions_pkey primary key (alert_inhibition_id),
    constraint alert_inhibitions_tenant_id_name_key unique nulls not distinct (tenant_id, name),
    constraint alert_inhibitions_tenant_id_fkey foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint alert_inhibitions_name_check check (name ~ '\S' and length(name) <= 200),
    constraint alert_inhibitions_source_matchers_check check (jsonb_typeof(source_matchers) = 'object'),
    constraint alert_inhibitions_target_matchers_check check (jsonb_typeof(target_matchers) = 'object'),
    constraint alert_inhibitions_equal_labels_check check (array_position(equal_labels, null) is null)
);

comment on table monitoring.alert_inhibitions is
    'While an alert that the source matches is open, those that the target matches are withheld, in the same tenant '
    'and with equal labels. Written by monitoring_admin.';
comment on column monitoring.alert_inhibitions.alert_inhibition_id is 'Key.';
comment on column monitoring.alert_inhibitions.tenant_id is
    'In whose alerts; null for each tenant''s among themselves.';
comment on column monitoring.alert_inhibitions.name is 'What explains it, such as the server is down.';
comment on column monitoring.alert_inhibitions.source_matchers is
    'Which alerts withhold others, as in alert_silences. Open is enough, even if they are withheld themselves.';
comment on column monitoring.alert_inhibitions.target_matchers is
    'Which are withheld; one that the source matches too is not.';
comment on column monitoring.alert_inhibitions.equal_labels is
    'Labels that both have to have the same value of; missing in both is the same.';
comment on column monitoring.alert_inhibitions.is_enabled is 'Whether it counts.';
comment on column monitoring.alert_inhibitions.updated_at is 'When it changed last.';

create table monitoring.alert_dependencies (
    alert_dependency_id integer generated always as identity,
    tenant_id uuid,
    rule_no integer not null,
    depends_on_rule_no integer not null,
    equal_labels text[] not null default '{server}',
    constraint alert_dependencies_pkey primary key (alert_dependency_id),
    constraint alert_dependencies_rule_no_depends_on_rule_no_tenant_id_key
        unique nulls not distinct (rule_no, depends_on_rule_no, tenant_id),
    constraint alert_dependencies_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants on delete cascade,
    constraint alert_dependencies_rule_no_fkey
        foreign key (rule_no) references monitoring.alert_rules (rule_no) on delete cascade,
    constraint alert_dependencies_depends_on_rule_no_fkey
        foreign key (depends_on_rule_no) references monitoring.alert_rules (rule_no) on delete cascade,
    constraint alert_dependencies_equal_labels_check check (array_position(equal_labels, null) is null)
);
create index alert_dependencies_depends_on_rule_no_idx on monitoring.alert_dependencies (depends_on_rule_no);

comment on table monitoring.alert_dependencies is
    'Rules whose alerts mean nothing while another rule''s are open: these are withheld, in the same tenant and with '
    'equal labels. Without cycles, which a trigger sees to. Written by monitoring_admin.';
comment on column monitoring.alert_dependencies.alert_dependency_id is 'Key.';
comment on column monitoring.alert_dependencies.tenant_id is
    'In whose alerts; null for each tenant''s among themselves.';
comment on column monitoring.alert_dependencies.rule_no is 'The rule that is withheld.';
comment on column monitoring.alert_dependencies.depends_on_rule_no is 'The rule that explains it.';
comment on column monitoring.alert_dependencies.equal_labels is
    'Labels that both alerts have to have the same value of; missing in both is the same.';

create table monitoring.alert_correlations (
    alert_id uuid not null,
    other_alert_id uuid not null,
    tenant_id uuid not null,
    kind text not null,
    strength double precision not null,
    evidence jsonb not null default '{}',
    cause_alert_id uuid,
    found_at timestamptz not null,
    constraint alert_correlations_pkey primary key (alert_id, other_alert_id),
    constraint alert_correlations_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants on delete cascade,
    -- One order for each pair: neither itself nor the reverse can be stored.
    constraint alert_correlations_order_check check (alert_id < other_alert_id),
    constraint alert_correlations_kind_check check (kind in ('temporal', 'topology', 'label', 'dependency')),
    constraint alert_correlations_strength_check check (strength between 0 and 1)
);
create index alert_correlations_other_alert_id_idx on monitoring.alert_correlations (other_alert_id);

comment on table monitoring.alert_correlations is
    'Pairs of alerts of one tenant that belong together, each once, by the strongest reason that was found. Of many '
    'that belong together for one reason each is paired with the earliest, not with every other.';
comment on column monitoring.alert_correlations.alert_id is 'The one with the lower id.';
comment on column monitoring.alert_correlations.other_alert_id is 'The other one. Outlives both alerts'' partitions.';
comment on column monitoring.alert_correlations.tenant_id is 'Whose alerts both are.';
comment on column monitoring.alert_correlations.kind is
    'topology: one server; dependency: declared; label: another label in common; temporal: a related metric.';
comment on column monitoring.alert_correlations.strength is '0 to 1.';
comment on column monitoring.alert_correlations.evidence is 'What they have in common.';
comment on column monitoring.alert_correlations.cause_alert_id is
    'Which of them explains the other, where that is declared.';
comment on column monitoring.alert_correlations.found_at is 'The evaluation that found it.';

create table monitoring.alert_group_members (
    alert_id uuid not null,
    tenant_id uuid not null,
    group_id uuid not null,
    is_root boolean not null default false,
    dependants integer not null default 0,
    joined_at timestamptz not null,
    constraint alert_group_members_pkey primary key (alert_id),
    constraint alert_group_members_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants on delete cascade
);
create index alert_group_members_group_id_idx on monitoring.alert_group_members (group_id);

comment on table monitoring.alert_group_members is
    'Alerts that correlations connect, two or more a group; shown by alert_groups. Kept when they are over.';
comment on column monitoring.alert_group_members.alert_id is 'The alert; it is in one group.';
comment on column monitoring.alert_group_members.tenant_id is 'Whose alert.';
comment on column monitoring.alert_group_members.group_id is
    'The group: the id of its first alert. Where two groups turn out to be one, the older one''s.';
comment on column monitoring.alert_group_members.is_root is
    'The one that most others depend on, and of those the earliest: where to look first.';
comment on column monitoring.alert_group_members.dependants is
    'How many of the group depend on it, by declared dependencies.';
comment on column monitoring.alert_group_members.joined_at is 'The evaluation that put it there.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.silence_limit', '90days', '90days', 'interval', '1h', '3660days',
        'Longest silence that is taken without force.'),
    ('alerting.correlation_window', '5min', '5min', 'interval', '10s', '1h',
        'Alerts that begin within this of each other may be correlated.'),
    ('alerting.correlation_labels', 'cluster,service', 'cluster,service', 'text', null, null,
        'Labels, with commas, whose equal values correlate alerts of one tenant that begin together.'),
    ('alerting.correlation_limit', '10000', '10000', 'integer', '100', '50000',
        'How many open alerts, the newest first, are looked at for correlations.'),
    ('alerting.correlation_retention', '90days', '90days', 'interval', '1day', '3660days',
        'How long correlations and groups of alerts that are over are kept.');
