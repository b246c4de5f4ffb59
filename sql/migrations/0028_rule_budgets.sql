-- 0028: windows that share one look-up; rules that are too slow are evaluated apart from the others.

alter type monitoring_internal.sample_fold
    drop attribute samples, drop attribute mean, drop attribute least, drop attribute most, drop attribute total,
    drop attribute deviation, drop attribute first, drop attribute last, drop attribute increase,
    drop attribute seconds, add attribute measures double precision[];
comment on type monitoring_internal.sample_fold is
    'What a series'' samples come to: for each of up to three windows that end together, the longest first, its '
    'count, avg, min, max, sum, last, delta, stddev, increase and rate; the last two where a rule asks for them.';

alter table monitoring.alert_rule_states
    add column apart_group bigint,
    add column took interval;
comment on column monitoring.alert_rule_states.apart_group is
    'Null: evaluated with the others. Else the group with which it is evaluated apart, after them, because that group '
    'took too long; such a group is halved until the slow rule is alone.';
comment on column monitoring.alert_rule_states.took is
    'How long its latest evaluation apart took, with those of its group; null for a rule that is evaluated with the '
    'others.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('alerting.pass_budget', '20s', '20s', 'interval', '100ms', '1h',
        'How long the rules of one type, and all that are evaluated apart, may take in a pass. What takes longer is '
        'evaluated apart, halved until the slow rule is alone. Well below the time limit of job evaluate-alerts.');
