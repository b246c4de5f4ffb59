-- 0026: escalation of alerts that nobody acknowledges, and the audit trail.

create table monitoring.escalation_policies (
    escalation_policy_id integer generated always as identity,
    tenant_id uuid not null default '00000000-0000-4000-8000-000000000001',
    name text not null,
    description text not null default '',
    loops smallint not null default 3,
    loop_pause interval not null default '15 min',
    fallback_channel_id uuid,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint escalation_policies_pkey primary key (escalation_policy_id),
    constraint escalation_policies_tenant_id_name_key unique (tenant_id, name),
    constraint escalation_policies_escalation_policy_id_tenant_id_key unique (escalation_policy_id, tenant_id),
    constraint escalation_policies_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint escalation_policies_name_check check (name ~ '^[^/,:[:cntrl:]]{1,100}$'),
    constraint escalation_policies_loops_check check (loops between 1 and 9),
    constraint escalation_policies_loop_pause_check
        check (loop_pause between interval '1 minute' and interval '7 days')
);

comment on table monitoring.escalation_policies is
    'Whom an alert that nobody acknowledges is told next. A rule names one by escalation_policy_id.';
comment on column monitoring.escalation_policies.escalation_policy_id is 'Key.';
comment on column monitoring.escalation_policies.tenant_id is
    'The tenant it belongs to; the system tenant''s serve all.';
comment on column monitoring.escalation_policies.name is 'Name, unique in the tenant.';
comment on column monitoring.escalation_policies.description is 'What it is for.';
comment on column monitoring.escalation_policies.loops is 'How often its steps are gone through, 1 to 9.';
comment on column monitoring.escalation_policies.loop_pause is
    'Wait after the last step before the next time through, or the end.';
comment on column monitoring.escalation_policies.fallback_channel_id is
    'The channel of notification_channels that is told when all steps were taken in vain.';
comment on column monitoring.escalation_policies.is_active is 'False: alerts of its rules do not escalate.';
comment on column monitoring.escalation_policies.created_at is 'When the row was made.';
comment on column monitoring.escalation_policies.updated_at is 'When it changed last.';

create table monitoring.escalation_steps (
    escalation_step_id integer generated always as identity,
    tenant_id uuid not null,
    escalation_policy_id integer not null,
    step smallint not null,
    delay interval not null default '0',
    minimum_severity text not null default 'low',
    is_business_hours_only boolean not null default false,
    constraint escalation_steps_pkey primary key (escalation_step_id),
    constraint escalation_steps_escalation_policy_id_step_key unique (escalation_policy_id, step),
    constraint escalation_steps_escalation_step_id_tenant_id_key unique (escalation_step_id, tenant_id),
    constraint escalation_steps_escalation_policy_id_tenant_id_fkey
        foreign key (escalation_policy_id, tenant_id)
        references monitoring.escalation_policies (escalation_policy_id, tenant_id) on delete cascade,
    constraint escalation_steps_step_check check (step between 1 and 100),
    constraint escalation_steps_delay_check check (delay between interval '0' and interval '7 days'),
    constraint escalation_steps_minimum_severity_check
        check (minimum_severity in ('low', 'medium', 'high', 'critical'))
);
create index escalation_steps_tenant_id_idx on monitoring.escalation_steps (tenant_id);

comment on table monitoring.escalation_steps is 'The steps of an escalation policy, in order.';
comment on column monitoring.escalation_steps.escalation_step_id is 'Key.';
comment on column monitoring.escalation_steps.tenant_id is 'The policy''s tenant.';
comment on column monitoring.escalation_steps.escalation_policy_id is 'The policy.';
comment on column monitoring.escalation_steps.step is 'Place in the order, from 1 without a hole.';
comment on column monitoring.escalation_steps.delay is
    'Wait before it: after the alert fired for the first step, after the step before for the others.';
comment on column monitoring.escalation_steps.minimum_severity is 'It is passed over for alerts below this.';
comment on column monitoring.escalation_steps.is_business_hours_only is
    'It is passed over outside the business hours of the alert''s tenant.';

create table monitoring.escalation_targets (
    escalation_target_id integer generated always as identity,
    tenant_id uuid not null,
    escalation_step_id integer not null,
    person_id uuid,
    on_call_schedule_id integer,
    channel_id uuid,
    constraint escalation_targets_pkey primary key (escalation_target_id),
    constraint escalation_targets_escalation_step_id_tenant_id_fkey
        foreign key (escalation_step_id, tenant_id)
        references monitoring.escalation_steps (escalation_step_id, tenant_id) on delete cascade,
    constraint escalation_targets_person_id_fkey
        foreign key (person_id) references monitoring.people (person_id) on delete restrict,
    constraint escalation_targets_on_call_schedule_id_fkey foreign key (on_call_schedule_id)
        references monitoring.on_call_schedules (on_call_schedule_id) on delete restrict,
    constraint escalation_targets_one_check check (num_nonnulls(person_id, on_call_schedule_id, channel_id) = 1)
);
create index escalation_targets_escalation_step_id_idx on monitoring.escalation_targets (escalation_step_id);
create index escalation_targets_person_id_idx on monitoring.escalation_targets (person_id);
create index escalation_targets_on_call_schedule_id_idx on monitoring.escalation_targets (on_call_schedule_id);
create index escalation_targets_tenant_id_idx on monitoring.escalation_targets (tenant_id);

comment on table monitoring.escalation_targets is 'Whom a step tells: a person, whoever is on call, or a channel.';
comment on column monitoring.escalation_targets.escalation_target_id is 'Key.';
comment on column monitoring.escalation_targets.tenant_id is 'The policy''s tenant.';
comment on column monitoring.escalation_targets.escalation_step_id is 'The step.';
comment on column monitoring.escalation_targets.person_id is 'A person.';
comment on column monitoring.escalation_targets.on_call_schedule_id is 'Whoever is on call there at that moment.';
comment on column monitoring.escalation_targets.channel_id is 'A channel of notification_channels.';

create table monitoring.escalation_states (
    alert_id uuid not null,
    tenant_id uuid not null,
    rule_no integer not null,
    escalation_policy_id integer,
    escalation_rules jsonb,
    step smallint not null default 1,
    loop smallint not null default 1,
    next_at timestamptz,
    started_at timestamptz not null,
    exhausted_at timestamptz,
    constraint escalation_states_pkey primary key (alert_id),
    constraint escalation_states_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint escalation_states_escalation_policy_id_fkey foreign key (escalation_policy_id)
        references monitoring.escalation_policies (escalation_policy_id) on delete cascade,
    constraint escalation_states_one_check check (num_nonnulls(escalation_policy_id, escalation_rules) = 1),
    constraint escalation_states_next_at_check check ((next_at is null) = (exhausted_at is not null))
) with (fillfactor = 70);
create index escalation_states_next_at_idx on monitoring.escalation_states (next_at);
create index escalation_states_escalation_policy_id_idx on monitoring.escalation_states (escalation_policy_id);
create index escalation_states_tenant_id_idx on monitoring.escalation_states (tenant_id);

comment on table monitoring.escalation_states is
    'Where each active alert stands in its escalation. Gone as soon as it is acknowledged, resolved or suppressed.';
comment on column monitoring.escalation_states.alert_id is 'The alert.';
comment on column monitoring.escalation_states.tenant_id is 'Its tenant.';
comment on column monitoring.escalation_states.rule_no is 'Its rule.';
comment on column monitoring.escalation_states.escalation_policy_id is 'The policy that is followed.';
comment on column monitoring.escalation_states.escalation_rules is
    'Or the steps that the rule itself had at the start.';
comment on column monitoring.escalation_states.step is 'The step that comes next.';
comment on column monitoring.escalation_states.loop is 'How often the steps are being gone through.';
comment on column monitoring.escalation_states.next_at is 'When it comes; null once all were taken.';
comment on column monitoring.escalation_states.started_at is 'When the escalation began.';
comment on column monitoring.escalation_states.exhausted_at is 'When the last step of the last loop was over.';

create table monitoring.audit_logs (
    audit_log_id bigint generated always as identity,
    occurred_at timestamptz not null default clock_timestamp(),
    tenant_id uuid not null,
    person_id uuid,
    role_name text not null,
    action text not null,
    resource_type text not null,
    resource_id text not null,
    before jsonb,
    after jsonb,
    client_address inet default inet_client_addr(),
    application_name text default current_setting('application_name', true),
    transaction_id xid8 not null default pg_current_xact_id(),
    constraint audit_logs_pkey primary key (audit_log_id, occurred_at)
) partition by range (occurred_at);
create index audit_logs_resource_idx on monitoring.audit_logs (resource_type, resource_id, occurred_at);
create index audit_logs_tenant_id_occurred_at_idx on monitoring.audit_logs (tenant_id, occurred_at);

create table monitoring_partitions.audit_logs_default partition of monitoring.audit_logs default;

comment on table monitoring.audit_logs is
    'Who did what, when: one row a change, written in the change''s own transaction. Nobody changes or removes one; '
    'whole partitions go after their retention.';
comment on column monitoring.audit_logs.audit_log_id is 'Key, with occurred_at.';
comment on column monitoring.audit_logs.occurred_at is 'When.';
comment on column monitoring.audit_logs.tenant_id is 'Whose row it was; what belongs to none is the system tenant''s.';
comment on column monitoring.audit_logs.person_id is 'The person the role belongs to, kept when they are removed.';
comment on column monitoring.audit_logs.role_name is 'The database role that acted.';
comment on column monitoring.audit_logs.action is 'What was done, such as alert_created or setting_changed.';
comment on column monitoring.audit_logs.resource_type is 'Kind of thing it was done to, such as alert.';
comment on column monitoring.audit_logs.resource_id is 'Which one.';
comment on column monitoring.audit_logs.before is 'What changed, as it was; secrets are masked.';
comment on column monitoring.audit_logs.after is 'What changed, as it is now; secrets are masked.';
comment on column monitoring.audit_logs.client_address is 'From where; null over a Unix socket.';
comment on column monitoring.audit_logs.application_name is 'Name the client gave itself.';
comment on column monitoring.audit_logs.transaction_id is 'The transaction: rows of one belong together.';
comment on table monitoring_partitions.audit_logs_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, lookback, retention) values
    ('monitoring.audit_logs', '1 month', 2, 0, '1825 days');
insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('audit.retention_floor', '365days', '365days', 'interval', '30days', '36500days',
        'Shortest retention that may be set for audit_logs.'),
    ('escalation.limit', '1000', '1000', 'integer', '1', '100000',
        'Most steps of escalation that one pass takes; the others come in the next.');
