-- rules/alerting.sql: alert rules on alerting itself: the evaluator, delivery, who is on call.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'evaluator_late', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Evaluating the rules takes {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_alert_evaluation_seconds',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gt',
    'warning_threshold', 15, 'warning_recovery', 10, 'warning_for', '5 min',
    'critical_threshold', 30, 'critical_recovery', 20, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'Evaluating the rules takes half of the thirty seconds between two evaluations, or all of it: alerts come '
        'late, and evaluations are left out.',
    'suggested_actions', jsonb_build_array(
        'How long, how many: select started_at, duration, rules, pairs, errors, skipped_ticks from '
        'monitoring.alert_passes order by started_at desc limit 10;',
        'Which rules read the most series: select rule.rule_name, state.series_matched from '
        'monitoring.alert_rule_states as state join monitoring.alert_rules as rule using (rule_no) order by 2 desc '
        'limit 10;',
        'Give slow ones a longer evaluation_interval, or matchers.'),
    'related_metrics', jsonb_build_array(
        'pgvigil_alert_missed_evaluations_total', 'pgvigil_alert_evaluation_age_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_evaluation_seconds", "values": "0.4x4 40x18 0.4x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "critical"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "one slow evaluation", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_evaluation_seconds", "values": "0.4x10 25x1 0.4x10"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "570 s", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'evaluations_missed', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Evaluations left out: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_alert_missed_evaluations_total',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0, 'warning_recovery', 0, 'warning_for', '10 min', 'warning_severity', 'medium',
    'keep_firing_for', '5 min',
    'rationale',
        'Evaluations were due and did not take place, again and again for ten minutes: no service, a lock, or rules '
        'that are too slow. A restart leaves some out and is over before.',
    'suggested_actions', jsonb_build_array(
        'Which: select rule.rule_name, state.missed_ticks, state.last_evaluated_at from monitoring.alert_rule_states '
        'as state join monitoring.alert_rules as rule using (rule_no) order by 2 desc limit 10;',
        'Does the job run: pgvigil jobs list; else see evaluator_late.'),
    'related_metrics', jsonb_build_array('pgvigil_alert_evaluation_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires while they go on, clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_missed_evaluations_total", "values": "4x4 4+1x30 34x40"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "16 min", "state": "firing", "level": "warning"},
                {"at": "36 min", "state": "ok"}]},
        {"name": "a restart", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_missed_evaluations_total", "values": "4x4 60x30"}],
            "expect": [{"at": "1 min", "state": "ok"}, {"at": "16 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'evaluation_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Evaluations do not finish: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_alert_parts_failed',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '3 min', 'warning_severity', 'high',
    'critical_threshold', 1, 'critical_recovery', 0, 'critical_for', '10 min',
    'rationale',
        'A part of each evaluation fails, such as suppression, messages or escalation: what it should have told is '
        'told once it works again, and until then maybe nobody hears of anything.',
    'suggested_actions', jsonb_build_array(
        'Since when: select started_at, duration, errors from monitoring.alert_passes order by started_at desc '
        'limit 10;',
        'Which part and why stands in the server''s log, in lines that begin with "alerting:".'),
    'related_metrics', jsonb_build_array('pgvigil_alert_evaluation_age_seconds', 'pgvigil_alert_rules_failed'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_parts_failed", "values": "0x4 2x30 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "8 min", "state": "firing", "level": "warning"},
                {"at": "16 min", "state": "firing", "level": "critical"},
                {"at": "24 min", "state": "ok"}]},
        {"name": "one that was not finished", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_parts_failed", "values": "0x10 1x2 0x20"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "10 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'rule_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Rules cannot be evaluated: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_alert_rules_failed',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '5 min', 'warning_severity', 'high',
    'rationale',
        'A rule that cannot be evaluated watches nothing, and says nothing either.',
    'suggested_actions', jsonb_build_array(
        'Which and why: select rule.rule_name, state.failures, state.last_error from monitoring.alert_rule_states as '
        'state join monitoring.alert_rules as rule using (rule_no) where state.failures > 0 and rule.is_active;'),
    'related_metrics', jsonb_build_array('pgvigil_alert_evaluation_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_rules_failed", "values": "0x4 1x18 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "warning"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "one failure", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_alert_rules_failed", "values": "0x10 1x2 0x10"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "10 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'rule_without_series', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Rules that read nothing: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_alert_rules_unmatched',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '1 h', 'warning_severity', 'low',
    'rationale',
        'A rule of your own reads no series: a metric was renamed, a label mistyped, or what it watched is gone. It '
        'will never fire, and looks healthy.',
    'suggested_actions', jsonb_build_array(
        'Which: select rule.rule_name, rule.metric_name, rule.matchers from monitoring.alert_rules as rule join '
        'monitoring.alert_rule_states as state using (rule_no) where state.last_status = ''unmatched'' and '
        'rule.is_active and rule.source = ''user'';',
        'What there is: select distinct metric, labels from monitoring.latest_samples where metric like ''%...%'';'),
    'related_metrics', jsonb_build_array('pgvigil_alert_rules_failed'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_alert_rules_unmatched", "values": "0x30 1x160 0x40"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "90 min", "state": "firing", "level": "warning"},
                {"at": "110 min", "state": "ok"}]},
        {"name": "a rule made before its first sample", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_alert_rules_unmatched", "values": "0x20 1x40 0x30"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "40 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'outbox_backlog', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Messages have been waiting for {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_delivery_oldest_overdue_seconds',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gt',
    'warning_threshold', 120, 'warning_recovery', 30,
    'critical_threshold', 300, 'critical_recovery', 60, 'severity', 'high',
    'rationale',
        'Messages are due and nobody sends them: no service delivers, or it cannot keep up. This alert may be in the '
        'same queue: have an external check on pgvigil_delivery_oldest_overdue_seconds as well.',
    'suggested_actions', jsonb_build_array(
        'What they wait for: select * from monitoring.queue_health; what waits: pgvigil deliveries list',
        'Is a service there: select * from monitoring.service_instances; and its log.'),
    'related_metrics', jsonb_build_array('pgvigil_deliveries_waiting', 'pgvigil_destinations_failing'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_delivery_oldest_overdue_seconds", "values": "0x4 250+30x16 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "9 min", "state": "firing", "level": "critical"},
                {"at": "17 min", "state": "ok"}]},
        {"name": "a minute behind", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_delivery_oldest_overdue_seconds", "values": "0x10 60x20"}],
            "expect": [{"at": "7 min", "state": "ok"}, {"at": "14 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'destination_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Endpoints or channels do not work: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_destinations_failing',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '5 min', 'warning_severity', 'high',
    'rationale',
        'An endpoint or channel that messages wait for has not worked for minutes. Whoever is paged through it is '
        'not.',
    'suggested_actions', jsonb_build_array(
        'Which, and what mends it: select name, cause, remedy, open_since_at from monitoring.delivery_health where '
        'open_since_at is not null;',
        'Route critical alerts over a second channel meanwhile.'),
    'related_metrics', jsonb_build_array('pgvigil_deliveries_waiting', 'pgvigil_deliveries_dead'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_destinations_failing", "values": "0x4 1x18 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "warning"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "a receiver restarts", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_destinations_failing", "values": "0x10 1x4 0x10"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'deliveries_given_up', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Messages given up: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_deliveries_dead',
    'aggregate', 'last', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_severity', 'high',
    'critical_threshold', 20, 'critical_recovery', 10, 'severity', 'critical',
    'rationale',
        'Messages were given up within the last hour: refused for good, or past their deadline. Somebody was not '
        'told something.',
    'suggested_actions', jsonb_build_array(
        'Which and why: pgvigil deliveries dead --since 1h; each attempt: pgvigil deliveries show NUMBER',
        'Refused with 4xx: correct the endpoint or its secret; then: pgvigil deliveries replay --endpoint NAME'),
    'related_metrics', jsonb_build_array('pgvigil_destinations_failing'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_deliveries_dead", "values": "0x4 25x8 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "5 min", "state": "firing", "level": "critical"},
                {"at": "13 min", "state": "ok"}]},
        {"name": "none", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_deliveries_dead", "values": "0x20"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "9 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'on_call_gap', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Nobody was on call: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_on_call_gaps',
    'aggregate', 'last', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'critical_threshold', 1, 'critical_recovery', 0,
    'rationale',
        'An alert was to page whoever is on call, and nobody was. Gaps that nothing falls into, such as nights of a '
        'schedule for office hours, stay quiet.',
    'suggested_actions', jsonb_build_array(
        'Which: select occurred_at, rule_no, alert_id, reason from monitoring.alert_transitions where transition = '
        '''on_call_gap'' order by occurred_at desc limit 10;',
        'The gaps to come: select * from monitoring.on_call_gaps(''SCHEDULE'', now(), now() + interval ''14 days'');',
        'Add an override or a layer, or a last step of the policy that names a person.'),
    'related_metrics', jsonb_build_array('pgvigil_alerts_open'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_on_call_gaps", "values": "0x4 2x8 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "5 min", "state": "firing", "level": "critical"},
                {"at": "13 min", "state": "ok"}]},
        {"name": "none", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_on_call_gaps", "values": "0x20"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "9 min", "state": "ok"}]}]$tests$));
