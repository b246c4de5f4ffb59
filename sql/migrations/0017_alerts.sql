-- 0017: what alert rules find: conditions that are not ok, alerts, each transition, each pass of the evaluator.

create table monitoring.alert_conditions (
    rule_no integer not null,
    label_key uuid not null,
    kind text not null default 'series',
    tenant_id uuid not null,
    labels jsonb not null default '{}',
    state text not null,
    level smallint not null default 0,
    warning_since timestamptz,
    critical_since timestamptz,
    lowering_since timestamptz,
    recovering_since timestamptz,
    no_data_since timestamptz,
    alert_id uuid,
    alert_created_at timestamptz,
    dismissed_until timestamptz, dismissed_alert_id uuid, dismissed_level smallint,
    is_flapping boolean not null default false,
    changes timestamptz[] not null default '{}',
    value double precision,
    threshold double precision,
    sampled_at timestamptz,
    constraint alert_conditions_pkey primary key (rule_no, label_key),
    constraint alert_conditions_kind_check check (kind in ('series', 'storm', 'error')),
    constraint alert_conditions_state_check check (state in ('pending', 'firing', 'recovering', 'no_data', 'error')),
    constraint alert_conditions_level_check check (level between 0 and 2),
    constraint alert_conditions_episode_check check (
        (alert_id is null) = (alert_created_at is null)
        and (alert_id is not null or state in ('pending', 'no_data'))
        and (alert_id is null or level > 0))
) with (fillfactor = 70);

comment on table monitoring.alert_conditions is
    'Conditions that are not ok: one row a rule and label set, and with it at most one open alert. Written by the '
    'evaluator; a condition that stays as it is costs no write.';
comment on column monitoring.alert_conditions.rule_no is 'The rule.';
comment on column monitoring.alert_conditions.label_key is 'The label set, with its tenant, as a hash.';
comment on column monitoring.alert_conditions.kind is
    'series; storm: stands for the label sets beyond max_instances; error: the rule itself cannot be evaluated.';
comment on column monitoring.alert_conditions.tenant_id is 'Whose condition it is.';
comment on column monitoring.alert_conditions.labels is 'The label set.';
comment on column monitoring.alert_conditions.state is 'pending, firing, recovering, no_data or error.';
comment on column monitoring.alert_conditions.level is
    'Level of the open alert: 1 warning, 2 critical; 0 while none is.';
comment on column monitoring.alert_conditions.warning_since is
    'First sample of the present run beyond the warning level.';
comment on column monitoring.alert_conditions.critical_since is 'The same for the critical level.';
comment on column monitoring.alert_conditions.lowering_since is 'Since when it is critical only for keep_firing_for.';
comment on column monitoring.alert_conditions.recovering_since is 'Since when it is clear without a break.';
comment on column monitoring.alert_conditions.no_data_since is 'Since when it has no data, or too little.';
comment on column monitoring.alert_conditions.alert_id is 'The open alert; null while none is.';
comment on column monitoring.alert_conditions.alert_created_at is
    'created_at of it, which says in which partition it is.';
comment on column monitoring.alert_conditions.dismissed_until is
    'Resolved by hand while it held: until then it is left alone, unless it gets worse.';
comment on column monitoring.alert_conditions.dismissed_alert_id is 'The alert that was resolved by hand.';
comment on column monitoring.alert_conditions.dismissed_level is 'Its level then.';
comment on column monitoring.alert_conditions.is_flapping is 'Whether it changes too often to tell about each change.';
comment on column monitoring.alert_conditions.changes is
    'When it became bad or good, newest last; what flapping is judged by.';
comment on column monitoring.alert_conditions.value is 'Value at the latest transition, or some minutes newer.';
comment on column monitoring.alert_conditions.threshold is 'What it was compared with.';
comment on column monitoring.alert_conditions.sampled_at is 'Time of the newest sample of that value.';

create table monitoring.alerts (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null,
    alert_rule_id uuid,
    rule_no integer not null,
    rule_name text not null,
    label_key uuid not null,
    labels jsonb not null default '{}',
    alert_title text not null,
    alert_message text not null,
    severity text not null,
    max_severity text not null,
    status text not null default 'active',
    metric_name text,
    trigger_value double precision,
    threshold_value double precision,
    last_value double precision,
    affected_components jsonb not null default '[]',
    related_metrics jsonb not null default '[]', suggested_actions jsonb not null default '[]', runbook_url text,
    first_breach_at timestamptz not null,
    triggered_at timestamptz not null,
    first_acknowledged_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid, acknowledged_role text,
    acknowledged_until timestamptz,
    resolved_at timestamptz,
    resolved_by uuid, resolved_role text, resolved_value double precision,
    resolution_reason text, resolution_notes text,
    suppressed_by jsonb not null default '[]',
    suppressed_since timestamptz,
    reopen_count integer not null default 0,
    is_flapping boolean not null default false,
    is_storm boolean not null default false,
    storm_count integer,
    changes timestamptz[] not null default '{}',
    notifications_sent jsonb not null default '[]',
    last_notification_at timestamptz,
    notification_count integer not null default 0,
    evidence jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alerts_pkey primary key (tenant_id, id, created_at),
    constraint alerts_alert_rule_id_fkey
        foreign key (alert_rule_id) references monitoring.alert_rules (id) on delete set null,
    constraint alerts_severity_check check (severity in ('low', 'medium', 'high', 'critical')),
    constraint alerts_max_severity_check check (max_severity in ('low', 'medium', 'high', 'critical')),
    constraint alerts_status_check check (status in ('active', 'acknowledged', 'resolved', 'suppressed')),
    constraint alerts_resolution_reason_check check (resolution_reason in (
        'cleared', 'manual', 'no_data', 'missing_series', 'rule_changed', 'rule_disabled', 'expired')),
    constraint alerts_resolved_at_check check (
        (status = 'resolved') = (resolved_at is not null) and (resolved_at is null) = (resolution_reason is null))
) partition by range (created_at);
create index alerts_id_idx on monitoring.alerts (id);
create index alerts_alert_rule_id_idx on monitoring.alerts (alert_rule_id);
create index alerts_rule_no_label_key_resolved_at_idx on monitoring.alerts (rule_no, label_key, resolved_at);
create index alerts_resolved_at_idx on monitoring.alerts (resolved_at);
create index alerts_status_severity_tenant_id_idx on monitoring.alerts (status, severity, tenant_id)
    where status <> 'resolved';
create index alerts_tenant_id_triggered_at_idx on monitoring.alerts (tenant_id, triggered_at);

create table monitoring_partitions.alerts_default partition of monitoring.alerts default;

comment on table monitoring.alerts is
    'Alerts: one row an episode of a rule and label set, from its start to its end, whatever its severity did between. '
    'Which are open is decided by alert_conditions, that has one row for each rule and label set.';
comment on column monitoring.alerts.id is 'Name of the alert; key with tenant_id and created_at.';
comment on column monitoring.alerts.tenant_id is 'Whose alert it is.';
comment on column monitoring.alerts.alert_rule_id is 'The rule; null once that was dropped.';
comment on column monitoring.alerts.rule_no is 'Number of the rule.';
comment on column monitoring.alerts.rule_name is 'Name of the rule then.';
comment on column monitoring.alerts.label_key is 'The label set as a hash.';
comment on column monitoring.alerts.labels is 'Labels of what it is about, and of the rule.';
comment on column monitoring.alerts.alert_title is 'One line.';
comment on column monitoring.alerts.alert_message is 'What is wrong, with the values it fired with.';
comment on column monitoring.alerts.severity is 'low, medium, high or critical; moves while the alert is open.';
comment on column monitoring.alerts.max_severity is 'The highest it had.';
comment on column monitoring.alerts.status is 'active, acknowledged, suppressed (nobody is told) or resolved.';
comment on column monitoring.alerts.metric_name is 'The metric; null for rules about several.';
comment on column monitoring.alerts.trigger_value is 'Value it fired with.';
comment on column monitoring.alerts.threshold_value is 'What that was compared with.';
comment on column monitoring.alerts.last_value is 'Value at its latest transition.';
comment on column monitoring.alerts.affected_components is 'What it concerns.';
comment on column monitoring.alerts.related_metrics is 'Metrics to look at besides.';
comment on column monitoring.alerts.suggested_actions is 'What to do.';
comment on column monitoring.alerts.runbook_url is 'Where more is written.';
comment on column monitoring.alerts.first_breach_at is 'First bad sample.';
comment on column monitoring.alerts.triggered_at is 'When it fired, first.';
comment on column monitoring.alerts.first_acknowledged_at is 'When somebody first took it.';
comment on column monitoring.alerts.acknowledged_at is 'When somebody took it last.';
comment on column monitoring.alerts.acknowledged_by is 'The person who did; null: none that is known.';
comment on column monitoring.alerts.acknowledged_role is 'The database role that did.';
comment on column monitoring.alerts.acknowledged_until is
    'Until when it is taken; then it is active again. Null: it is not, or not any longer.';
comment on column monitoring.alerts.resolved_at is 'When it ended.';
comment on column monitoring.alerts.resolved_by is 'The person who ended it; null: it ended by itself.';
comment on column monitoring.alerts.resolved_role is 'The database role that ended it.';
comment on column monitoring.alerts.resolved_value is 'Value it ended with.';
comment on column monitoring.alerts.resolution_reason is
    'cleared, manual, no_data, missing_series, rule_changed, rule_disabled (or dropped) or expired.';
comment on column monitoring.alerts.resolution_notes is 'What the one who ended it wrote.';
comment on column monitoring.alerts.suppressed_by is 'Why nobody is told now: [{"kind", "id", "name"}].';
comment on column monitoring.alerts.suppressed_since is 'Since when.';
comment on column monitoring.alerts.reopen_count is 'How often it came back within the cooldown after its end.';
comment on column monitoring.alerts.is_flapping is 'Whether it changes too often to tell about each change.';
comment on column monitoring.alerts.is_storm is
    'Whether it stands for the label sets beyond the rule''s max_instances.';
comment on column monitoring.alerts.storm_count is 'How many breached then.';
comment on column monitoring.alerts.changes is 'When it became bad or good, newest last; as of its end.';
comment on column monitoring.alerts.notifications_sent is 'Notifications made of it.';
comment on column monitoring.alerts.last_notification_at is 'When the last one was made.';
comment on column monitoring.alerts.notification_count is 'How many were made.';
comment on column monitoring.alerts.evidence is 'What the reading that fired it was made of.';
comment on column monitoring.alerts.created_at is 'When the row was made: the pass that fired it.';
comment on column monitoring.alerts.updated_at is 'When it changed last.';
comment on table monitoring_partitions.alerts_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.alert_transitions (
    transition_id bigint generated always as identity,
    occurred_at timestamptz not null,
    tenant_id uuid not null,
    rule_no integer not null,
    label_key uuid not null,
    alert_id uuid,
    transition text not null,
    from_state text,
    to_state text,
    severity text,
    value double precision,
    threshold double precision,
    pass_id bigint,
    actor text,
    reason text,
    evidence jsonb,
    constraint alert_transitions_pkey primary key (occurred_at, transition_id),
    constraint alert_transitions_transition_check check (transition in (
        'pending', 'cleared', 'fired', 'severity_raised', 'severity_lowered', 'recovering', 'refired', 'resolved',
        'reopened', 'acknowledged', 'unacknowledged', 'suppressed', 'unsuppressed', 'no_data', 'data_back', 'flapping',
        'steady', 'storm', 'error', 'escalated', 'on_call_gap')),
    constraint alert_transitions_severity_check check (severity in ('low', 'medium', 'high', 'critical'))
) partition by range (occurred_at);
create index alert_transitions_alert_id_idx on monitoring.alert_transitions (alert_id);
create index alert_transitions_pass_id_idx on monitoring.alert_transitions (pass_id);
create index alert_transitions_rule_no_occurred_at_idx on monitoring.alert_transitions (rule_no, occurred_at);

create table monitoring_partitions.alert_transitions_default partition of monitoring.alert_transitions default;

comment on table monitoring.alert_transitions is
    'Every change of a condition and of an alert, with the values that made it. Only added to.';
comment on column monitoring.alert_transitions.transition_id is 'Key, with occurred_at.';
comment on column monitoring.alert_transitions.occurred_at is 'When: the time of the pass, or of the person''s call.';
comment on column monitoring.alert_transitions.tenant_id is 'Whose.';
comment on column monitoring.alert_transitions.rule_no is 'The rule.';
comment on column monitoring.alert_transitions.label_key is 'The label set.';
comment on column monitoring.alert_transitions.alert_id is 'The alert; null while none is open.';
comment on column monitoring.alert_transitions.transition is 'What happened.';
comment on column monitoring.alert_transitions.from_state is 'State of the condition, or status of the alert, before.';
comment on column monitoring.alert_transitions.to_state is 'The same after.';
comment on column monitoring.alert_transitions.severity is 'Severity after.';
comment on column monitoring.alert_transitions.value is 'Value that was read.';
comment on column monitoring.alert_transitions.threshold is 'What it was compared with.';
comment on column monitoring.alert_transitions.pass_id is 'The pass; null: a person, or a changed rule.';
comment on column monitoring.alert_transitions.actor is 'Who, where it was a person or a role.';
comment on column monitoring.alert_transitions.reason is 'Why, where that is not plain.';
comment on column monitoring.alert_transitions.evidence is 'What explains it.';
comment on table monitoring_partitions.alert_transitions_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.alert_passes (
    pass_id bigint generated always as identity,
    started_at timestamptz not null,
    duration interval,
    rules integer not null default 0,
    pairs integer not null default 0,
    transitions integer not null default 0,
    errors integer not null default 0,
    skipped_ticks bigint not null default 0,
    constraint alert_passes_pkey primary key (started_at, pass_id)
) partition by range (started_at);

create table monitoring_partitions.alert_passes_default partition of monitoring.alert_passes default;

comment on table monitoring.alert_passes is 'Passes of the evaluator.';
comment on column monitoring.alert_passes.pass_id is 'Number of the pass.';
comment on column monitoring.alert_passes.started_at is 'The time it evaluated for.';
comment on column monitoring.alert_passes.duration is 'How long its statement took.';
comment on column monitoring.alert_passes.rules is 'Rules that were due.';
comment on column monitoring.alert_passes.pairs is 'Rules and label sets with a transition.';
comment on column monitoring.alert_passes.transitions is 'Transitions it made.';
comment on column monitoring.alert_passes.errors is 'Rules that could not be evaluated.';
comment on column monitoring.alert_passes.skipped_ticks is 'Evaluations that came due and were not done before it.';
comment on table monitoring_partitions.alert_passes_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create type monitoring_internal.alert_pair as (
    rule_no integer, label_key uuid, kind text, tenant_id uuid, labels jsonb, value double precision,
    threshold double precision, sampled_at timestamptz, sample_count integer, evidence jsonb, sees text,
    breached smallint, held smallint, wanted smallint, is_silent boolean, is_moved boolean, storm_count integer,
    state text, level smallint, alert_id uuid, alert_created_at timestamptz, dismissed_until timestamptz,
    dismissed_alert_id uuid, dismissed_level smallint, is_flapping boolean, changes timestamptz[],
    warning_since timestamptz, critical_since timestamptz, lowering_since timestamptz, recovering_since timestamptz,
    no_data_since timestamptz
);
comment on type monitoring_internal.alert_pair is
    'A rule and a label set in a pass: what is seen of it now (breach, held, clear, no_data, missing), the level that '
    'has lasted long enough, its condition as it was (state null: ok), and its clocks as they are now.';

create type monitoring_internal.alert_change as (
    pair monitoring_internal.alert_pair, action text, state text, level smallint, severity text, events text[],
    reason text, changes timestamptz[], is_flapping boolean, alert_id uuid, alert_created_at timestamptz,
    is_reopened boolean
);
comment on type monitoring_internal.alert_change is
    'What a pass does with a pair: fire, pend, wait, hold, recover, mute, resolve or drop; what it becomes, and the '
    'transitions that are told of it.';

-- Alerts are not dropped by age: an open one may be as old as it likes, closed ones are moved to the archive.
insert into monitoring.partition_policies
    (table_name, partition_interval, premake, lookback, retention, storage_parameters)
values
    ('monitoring.alerts', '1 month', 2, 1, null, '{"fillfactor": "70"}'),
    ('monitoring.alert_transitions', '1 month', 2, 1, '400 days', '{}'),
    ('monitoring.alert_passes', '1 day', 3, 0, '30 days', '{}');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.acknowledged_for_critical', '4h', '4h', 'interval', '1min', '31days',
        'How long an acknowledged alert of severity high or critical stays so, when the one who took it did not say.'),
    ('alerting.acknowledged_for_other', '24h', '24h', 'interval', '1min', '31days', 'The same for the others.'),
    ('alerting.failures_before_alert', '3', '3', 'integer', '1', '1000',
        'After so many failed evaluations in a row a rule raises an alert about itself.'),
    ('alerting.flapping_on', '0.5', '0.5', 'number', '0.05', '1',
        'Weighted share of the last 21 evaluations with a change above which a condition is flapping.'),
    ('alerting.flapping_off', '0.25', '0.25', 'number', '0', '1', 'The share below which it no longer is.'),
    ('alerting.value_refresh', '5min', '5min', 'interval', '0s', '1day',
        'How old the value shown with a condition that does not change may become.');
