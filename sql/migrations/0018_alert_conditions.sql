-- 0018: what anomaly rules hold for normal, and the tests of rules as data.

create table monitoring.alert_norms (
    rule_no integer not null,
    label_key uuid not null,
    norm_at timestamptz not null,
    period interval not null,
    first_sample_at timestamptz,
    sample_count bigint not null,
    mean double precision,
    deviation double precision,
    constraint alert_norms_pkey primary key (rule_no, label_key),
    constraint alert_norms_rule_no_fkey
        foreign key (rule_no) references monitoring.alert_rules (rule_no) on delete cascade,
    constraint alert_norms_period_check check (period > interval '0')
) with (fillfactor = 80);

comment on table monitoring.alert_norms is
    'The norm an anomaly rule compares a series with: kept, and made anew once every alerting.norm_refresh. A cache: '
    'the same samples give the same rows.';
comment on column monitoring.alert_norms.rule_no is 'The rule, of monitoring.alert_rules.';
comment on column monitoring.alert_norms.label_key is 'The label set.';
comment on column monitoring.alert_norms.norm_at is 'Where its samples end: a multiple of alerting.norm_refresh.';
comment on column monitoring.alert_norms.period is 'How far back from there its samples begin.';
comment on column monitoring.alert_norms.first_sample_at is 'Its oldest sample.';
comment on column monitoring.alert_norms.sample_count is 'How many samples it is made of.';
comment on column monitoring.alert_norms.mean is 'Their mean.';
comment on column monitoring.alert_norms.deviation is 'Their standard deviation.';

create table monitoring.alert_rule_tests (
    alert_rule_test_id integer generated always as identity,
    alert_rule_id uuid not null,
    test_name text not null,
    definition jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alert_rule_tests_pkey primary key (alert_rule_test_id),
    constraint alert_rule_tests_alert_rule_id_test_name_key unique (alert_rule_id, test_name),
    constraint alert_rule_tests_alert_rule_id_fkey
        foreign key (alert_rule_id) references monitoring.alert_rules (id) on delete cascade,
    constraint alert_rule_tests_test_name_check check (length(test_name) between 1 and 200),
    constraint alert_rule_tests_definition_check check (
        jsonb_typeof(definition) = 'object' and jsonb_typeof(definition -> 'series') is not distinct from 'array'
        and jsonb_typeof(definition -> 'expect') is not distinct from 'array')
);

comment on table monitoring.alert_rule_tests is
    'Tests of rules: samples, and what the rule has to make of them. Run by test_alert_rules().';
comment on column monitoring.alert_rule_tests.alert_rule_test_id is 'Key.';
comment on column monitoring.alert_rule_tests.alert_rule_id is 'The rule, of monitoring.alert_rules.';
comment on column monitoring.alert_rule_tests.test_name is 'What the test promises.';
comment on column monitoring.alert_rule_tests.definition is
    'interval, step, start_at; series: metric, labels, values such as "1x10 0x5 _x3 1+2x20"; expect: at, and state, '
    'level, severity, value, count or transition.';
comment on column monitoring.alert_rule_tests.created_at is 'When it was made.';
comment on column monitoring.alert_rule_tests.updated_at is 'When it was changed last.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.norm_period', '7days', '7days', 'interval', '1h', '366days',
        'How far back the norm of an anomaly rule looks that names no trend_period.'),
    ('alerting.norm_refresh', '1h', '1h', 'interval', '1min', '7days',
        'How often the norms of anomaly rules are made anew; they end at multiples of it.'),
    ('alerting.norm_min_samples', '288', '288', 'integer', '3', '1000000',
        'How many samples a norm needs before an anomaly rule says anything.');
