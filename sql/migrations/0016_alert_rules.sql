-- 0016: alert rules, their state of evaluation, which series each reads, and what a reading of them is.

create table monitoring.alert_rules (
    id uuid not null default gen_random_uuid(),
    rule_no integer generated always as identity,
    tenant_id uuid,
    rule_name text not null,
    rule_category text not null default 'general',
    platform text,
    metric_type text,
    metric_name text,
    matchers jsonb not null default '{}',
    aggregate text not null default 'avg',
    evaluation_window interval not null default '5 min',
    group_by text[],
    group_aggregate text not null default 'avg',
    condition_type text not null default 'threshold',
    condition_definition jsonb not null default '{}',
    comparison_operator text,
    warning_threshold double precision,
    critical_threshold double precision,
    warning_recovery double precision,
    critical_recovery double precision,
    severity text not null default 'critical',
    warning_severity text not null default 'medium',
    trend_period interval,
    anomaly_sensitivity double precision,
    pattern_definition jsonb not null default '{}',
    warning_for interval not null default '0',
    critical_for interval not null default '0',
    keep_firing_for interval,
    no_data_policy text not null default 'keep',
    min_coverage double precision not null default 0.5,
    flap_detection boolean not null default true,
    cooldown_period interval not null default '15 min',
    repeat_interval interval,
    business_hours_only boolean not null default false,
    notification_channels jsonb not null default '[]',
    escalation_policy_id integer,
    escalation_rules jsonb not null default '{}',
    title_template text,
    message_template text,
    suggested_actions jsonb not null default '[]',
    related_metrics jsonb not null default '[]',
    runbook_url text,
    rationale text not null default '',
    max_instances integer not null default 100,
    evaluation_interval interval,
    evaluation_delay interval not null default '0',
    is_active boolean not null default true,
    source text not null default 'user',
    pack_hash text,
    labels jsonb not null default '{}',
    created_by text,
    last_triggered timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alert_rules_pkey primary key (id),
    constraint alert_rules_rule_no_key unique (rule_no),
    constraint alert_rules_name_unique unique nulls not distinct (tenant_id, rule_name),
    constraint alert_rules_tenant_id_fkey
        foreign key (tenant_id) references monitoring.tenants (tenant_id) on delete cascade,
    constraint alert_rules_rule_name_check check (rule_name ~ '\S' and length(rule_name) <= 200),
    constraint alert_rules_rule_category_check check (rule_category ~ '\S' and length(rule_category) <= 50),
    constraint alert_rules_matchers_check check (jsonb_typeof(matchers) = 'object'),
    constraint alert_rules_aggregate_check check (
        aggregate in ('avg', 'min', 'max', 'sum', 'count', 'last', 'rate', 'increase', 'delta', 'stddev')),
    constraint alert_rules_evaluation_window_check
        check (evaluation_window between interval '1 second' and interval '366 days'),
    constraint alert_rules_group_by_check check (array_position(group_by, null) is null),
    constraint alert_rules_group_aggregate_check check (group_aggregate in ('avg', 'min', 'max', 'sum', 'count')),
    constraint alert_rules_condition_type_check check (
        condition_type in ('threshold', 'trend', 'anomaly', 'pattern', 'absence', 'ratio', 'composite')),
    constraint alert_rules_condition_definition_check check (jsonb_typeof(condition_definition) = 'object'),
    constraint alert_rules_metric_name_check check (metric_name is not null or condition_type = 'composite'),
    constraint alert_rules_comparison_operator_check
        check (comparison_operator in ('gt', 'lt', 'eq', 'ne', 'gte', 'lte')),
    -- A row check passes on null: a missing operator has to be said to be missing.
    constraint alert_rules_operator_given_check check (
        comparison_operator is not null or condition_type not in ('threshold', 'ratio')),
    constraint alert_rules_threshold_given_check check (
        warning_threshold is not null or critical_threshold is not null
        or condition_type not in ('threshold', 'ratio')),
    constraint alert_rules_finite_check check (
        coalesce(warning_threshold, 0) not in ('NaN', 'Infinity', '-Infinity')
        and coalesce(critical_threshold, 0) not in ('NaN', 'Infinity', '-Infinity')
        and coalesce(warning_recovery, 0) not in ('NaN', 'Infinity', '-Infinity')
        and coalesce(critical_recovery, 0) not in ('NaN', 'Infinity', '-Infinity')),
    constraint alert_rules_severity_check check (severity in ('low', 'medium', 'high', 'critical')),
    constraint alert_rules_warning_severity_check
        check (warning_severity in ('low', 'medium', 'high', 'critical')),
    constraint alert_rules_trend_period_check check (trend_period > interval '0'),
    constraint alert_rules_anomaly_sensitivity_check check (anomaly_sensitivity between 0 and 1),
    constraint alert_rules_pattern_definition_check check (jsonb_typeof(pattern_definition) = 'object'),
    constraint alert_rules_durations_check check (
        least(warning_for, critical_for, keep_firing_for, cooldown_period, evaluation_delay) >= interval '0'
        and greatest(warning_for, critical_for, keep_firing_for, cooldown_period, evaluation_delay)
            <= interval '366 days'),
    constraint alert_rules_no_data_policy_check check (no_data_policy in ('keep', 'alert', 'resolve', 'ok')),
    constraint alert_rules_min_coverage_check check (min_coverage between 0 and 1),
    constraint alert_rules_repeat_interval_check check (repeat_interval >= interval '1 minute'),
    constraint alert_rules_notification_channels_check check (jsonb_typeof(notification_channels) = 'array'),
    constraint alert_rules_escalation_rules_check check (jsonb_typeof(escalation_rules) in ('object', 'array')),
    constraint alert_rules_suggested_actions_check check (jsonb_typeof(suggested_actions) = 'array'),
    constraint alert_rules_related_metrics_check check (jsonb_typeof(related_metrics) = 'array'),
    constraint alert_rules_max_instances_check check (max_instances between 1 and 1000000),
    constraint alert_rules_evaluation_interval_check
        check (evaluation_interval between interval '1 second' and interval '31 days'),
    constraint alert_rules_source_check check (source in ('user', 'pack')),
    constraint alert_rules_labels_check check (jsonb_typeof(labels) = 'object')
);
create index alert_rules_platform_is_active_idx on monitoring.alert_rules (platform, is_active);
create index alert_rules_metric_name_idx on monitoring.alert_rules (metric_name);

comment on table monitoring.alert_rules is
    'What is to be alerted on. Written by monitoring_admin, by create_alert_rule(jsonb) or as rows; a trigger names '
    'what is wrong with one. How its evaluation stands is in alert_rule_states.';
comment on column monitoring.alert_rules.id is 'Key.';
comment on column monitoring.alert_rules.rule_no is 'The same, narrow, for the tables of evaluation.';
comment on column monitoring.alert_rules.tenant_id is
    'Whose series it reads; null for those of every tenant, each evaluated by itself.';
comment on column monitoring.alert_rules.rule_name is 'Name, unique in its tenant and among those of no tenant.';
comment on column monitoring.alert_rules.rule_category is 'Group it is listed under, such as replication.';
comment on column monitoring.alert_rules.platform is 'What it is about, such as postgresql.';
comment on column monitoring.alert_rules.metric_type is 'Kind of thing measured, such as connections.';
comment on column monitoring.alert_rules.metric_name is 'The metric it reads; null for composite.';
comment on column monitoring.alert_rules.matchers is
    'Which of its series: {"label": "value"}, or {"label": {"re": "...", "nre": "...", "ne": "..."}}. '
    'Expressions match the whole value; a label that is missing is the empty one.';
comment on column monitoring.alert_rules.aggregate is
    'What is made of a series'' samples in the window: avg, min, max, sum, count, last, rate, increase, delta, stddev.';
comment on column monitoring.alert_rules.evaluation_window is 'How far back samples are read.';
comment on column monitoring.alert_rules.group_by is
    'Labels whose values make a group; null for each series by itself, empty for one group a tenant.';
comment on column monitoring.alert_rules.group_aggregate is
    'What is made of a group''s series: avg, min, max, sum, count.';
comment on column monitoring.alert_rules.condition_type is
    'threshold, trend, anomaly, pattern, absence, ratio or composite.';
comment on column monitoring.alert_rules.condition_definition is 'What the type needs besides; its keys are checked.';
comment on column monitoring.alert_rules.comparison_operator is 'gt, lt, eq, ne, gte or lte: value to threshold.';
comment on column monitoring.alert_rules.warning_threshold is 'Threshold of the warning level; null for no such level.';
comment on column monitoring.alert_rules.critical_threshold is
    'Threshold of the critical level; null for no such level.';
comment on column monitoring.alert_rules.warning_recovery is
    'From where on the warning is over; null: 10 percent to the good side of its threshold.';
comment on column monitoring.alert_rules.critical_recovery is
    'From where on the critical level is over; null: 10 percent to the good side of its threshold.';
comment on column monitoring.alert_rules.severity is 'Severity of the critical level: low, medium, high or critical.';
comment on column monitoring.alert_rules.warning_severity is 'Severity of the warning level.';
comment on column monitoring.alert_rules.trend_period is 'What a trend is measured over.';
comment on column monitoring.alert_rules.anomaly_sensitivity is 'From 0, only the grossest, to 1, the slightest.';
comment on column monitoring.alert_rules.pattern_definition is 'The pattern, for rules of that type.';
comment on column monitoring.alert_rules.warning_for is 'How long the warning level must hold before it fires.';
comment on column monitoring.alert_rules.critical_for is 'How long the critical level must hold before it fires.';
comment on column monitoring.alert_rules.keep_firing_for is
    'How long it must be over before it is resolved; null for two evaluations.';
comment on column monitoring.alert_rules.no_data_policy is
    'What samples that fail to come mean: keep as it is, alert, resolve, or ok.';
comment on column monitoring.alert_rules.min_coverage is
    'Share of the samples expected in the window below which there is no data.';
comment on column monitoring.alert_rules.flap_detection is 'Whether one that keeps changing is held back.';
comment on column monitoring.alert_rules.cooldown_period is
    'A recurrence within it opens the same episode again; also the least distance of repeated notifications.';
comment on column monitoring.alert_rules.repeat_interval is 'Distance of reminders; null for the one of the severity.';
comment on column monitoring.alert_rules.business_hours_only is 'Whether it only notifies in business hours.';
comment on column monitoring.alert_rules.notification_channels is
    'Channels besides the routes'', an array of names or ids.';
comment on column monitoring.alert_rules.escalation_policy_id is
    'Policy by which it is escalated; null for the route''s.';
comment on column monitoring.alert_rules.escalation_rules is 'Steps of its own, where it has no policy.';
comment on column monitoring.alert_rules.title_template is 'Title, with {{ names }}; null for the common one.';
comment on column monitoring.alert_rules.message_template is 'Message, with {{ names }}; null for the common one.';
comment on column monitoring.alert_rules.suggested_actions is 'What to do first, an array of texts.';
comment on column monitoring.alert_rules.related_metrics is 'Metrics to look at too, an array of names.';
comment on column monitoring.alert_rules.runbook_url is 'Where more is written on what to do.';
comment on column monitoring.alert_rules.rationale is 'Why the rule is there and its thresholds are what they are.';
comment on column monitoring.alert_rules.max_instances is 'More open episodes than this are one storm.';
comment on column monitoring.alert_rules.evaluation_interval is
    'How often it is evaluated; null for setting alerting.evaluation_interval.';
comment on column monitoring.alert_rules.evaluation_delay is
    'Samples younger than this are left to the next evaluation, for those that arrive late.';
comment on column monitoring.alert_rules.is_active is 'False: it is not evaluated.';
comment on column monitoring.alert_rules.source is 'user, or pack: one that came with pgvigil.';
comment on column monitoring.alert_rules.pack_hash is
    'Hash of a pack''s rule as it came, by which a changed one is known; null for a user''s.';
comment on column monitoring.alert_rules.labels is 'Labels of the rule itself, for routing: an object of texts.';
comment on column monitoring.alert_rules.created_by is 'Role that made it; null for what came with pgvigil.';
comment on column monitoring.alert_rules.last_triggered is 'When an episode of it was opened last.';
comment on column monitoring.alert_rules.created_at is 'When it was made.';
comment on column monitoring.alert_rules.updated_at is 'When its definition changed last.';

create table monitoring.alert_rule_states (
    rule_no integer not null,
    next_evaluation_at timestamptz not null default '-infinity',
    last_evaluated_at timestamptz,
    last_status text,
    last_error text,
    failures integer not null default 0,
    series_matched integer not null default 0,
    missed_ticks bigint not null default 0,
    last_triggered timestamptz,
    spacing interval,
    is_bound boolean not null default false,
    constraint alert_rule_states_pkey primary key (rule_no),
    constraint alert_rule_states_rule_no_fkey
        foreign key (rule_no) references monitoring.alert_rules (rule_no) on delete cascade,
    constraint alert_rule_states_last_status_check check (last_status in ('ok', 'failed', 'unmatched'))
) with (fillfactor = 50);

comment on table monitoring.alert_rule_states is 'One row a rule: when it is evaluated next, how that ended last.';
comment on column monitoring.alert_rule_states.rule_no is 'The rule.';
comment on column monitoring.alert_rule_states.next_evaluation_at is 'When it is due.';
comment on column monitoring.alert_rule_states.last_evaluated_at is 'When it was evaluated last.';
comment on column monitoring.alert_rule_states.last_status is
    'ok; failed: its evaluation raised an error; unmatched: it reads no series. Null before the first one.';
comment on column monitoring.alert_rule_states.last_error is 'The error of the last evaluation, if it failed.';
comment on column monitoring.alert_rule_states.failures is 'Failures since the last evaluation that succeeded.';
comment on column monitoring.alert_rule_states.series_matched is 'How many series it is bound to.';
comment on column monitoring.alert_rule_states.missed_ticks is 'Evaluations that were due and did not take place.';
comment on column monitoring.alert_rule_states.last_triggered is 'When an episode of it was opened last.';
comment on column monitoring.alert_rule_states.spacing is
    'Distance of its metric''s samples: the collector''s interval, else as observed; null while unknown.';
comment on column monitoring.alert_rule_states.is_bound is
    'False from a change of the rule until its series have been looked up again.';

-- No foreign key: a million rows would each be checked. A trigger on the rules removes what a deleted one leaves.
create table monitoring.alert_bindings (
    rule_no integer not null,
    operand smallint not null default 0,
    series_id integer not null,
    label_key uuid not null,
    constraint alert_bindings_pkey primary key (rule_no, operand, series_id, label_key),
    constraint alert_bindings_operand_check check (operand between 0 and 2)
);

comment on table monitoring.alert_bindings is
    'Which series each rule reads, kept by refresh_rule_bindings_at, so that no evaluation has to match labels.';
comment on column monitoring.alert_bindings.rule_no is 'The rule.';
comment on column monitoring.alert_bindings.operand is
    '0: the metric of the rule; 1: what a ratio divides by; 2: the metric of its guard.';
comment on column monitoring.alert_bindings.series_id is 'The series, of monitoring.series.';
comment on column monitoring.alert_bindings.label_key is 'The label set it counts for.';

create table monitoring_internal.unbound_series (
    series_id integer not null,
    constraint unbound_series_pkey primary key (series_id)
);

comment on table monitoring_internal.unbound_series is
    'Series that were made since bindings were refreshed last. A trigger on series fills it.';
comment on column monitoring_internal.unbound_series.series_id is 'The series.';

create type monitoring_internal.alert_reading as (
    rule_no integer,
    label_key uuid,
    tenant_id uuid,
    labels jsonb,
    value double precision,
    breached smallint,
    held smallint,
    breached_since timestamptz,
    sampled_at timestamptz,
    sample_count integer,
    expected_count integer,
    threshold double precision,
    state text,
    evidence jsonb
);

comment on type monitoring_internal.alert_reading is
    'What a rule found for a label set: value, the level whose threshold is passed (0 none, 1 warning, 2 critical), '
    'the highest level not yet past its recovery, the samples behind it, and data or no_data.';

create type monitoring_internal.sample_fold as (
    series_id integer, samples integer, mean double precision, least double precision, most double precision,
    total double precision, deviation double precision, first double precision, last double precision,
    increase double precision, seconds double precision, last_at timestamptz
);

comment on type monitoring_internal.sample_fold is
    'What a series'' samples in a window come to; increase and the seconds it took only where a rule asks for them.';

create type monitoring_internal.rule_value as (
    rule_no integer, label_key uuid, series_ids integer[], value double precision, samples integer, expected integer,
    last_at timestamptz, is_quiet boolean
);

comment on type monitoring_internal.rule_value is
    'What a rule measured for a label set, before it is judged; quiet where its guard leaves it out of account.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.evaluation_interval', '30s', '30s', 'interval', '1s', '1day',
        'How often a rule that names no interval is evaluated.'),
    ('alerting.forget_series_after', '1day', '1day', 'interval', '1min', '90days',
        'A series without a sample for so long is no longer reported as having no data.');
