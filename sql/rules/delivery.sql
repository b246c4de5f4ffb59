-- rules/delivery.sql: alert rules on what messages to people wait for, and on signs of life to the outside.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'receiver_off', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Messages are held for receivers that are {{ labels.cause }}: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_delivery_obstacles',
    'matchers', jsonb_build_object('cause', jsonb_build_object('re', 'inactive|gone|no_server')),
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '15 min', 'warning_severity', 'medium',
    'rationale',
        'Messages wait for a receiver that nothing is sent to: somebody disabled it, it answered 410 Gone, or its '
        'channel names no server. Whoever reads there is told nothing.',
    'suggested_actions', jsonb_build_array(
        'Which and why: select name, cause, remedy from monitoring.delivery_health where cause_name in (''inactive'', '
        '''gone'', ''no_server'');',
        'pgvigil endpoints enable NAME sends what was held; pgvigil endpoints remove NAME gives it up.'),
    'related_metrics', jsonb_build_array('pgvigil_deliveries_by_cause'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "gone"}, "values": "0x4 1x38 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "warning"},
                {"at": "28 min", "state": "ok"}]},
        {"name": "switched off for some minutes", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "inactive"}, "values": "0x10 1x20 0x10"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "18 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'messages_held_back', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'The limit of {{ value }} channels holds messages back ({{ labels }})',
    'metric_name', 'pgvigil_delivery_obstacles', 'matchers', jsonb_build_object('cause', 'rate_limited'),
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '1 h', 'warning_severity', 'low',
    'rationale',
        'A channel has used up its limit for more than an hour: people are told late, and in one heap. Either far too '
        'much alerts, or the limit is too low. Critical alerts pass all the same.',
    'suggested_actions', jsonb_build_array(
        'Which: select * from monitoring.queue_health where cause = ''rate_limited'';',
        'What alerts so much: select rule_name, count(*) from monitoring.alerts where triggered_at > now() - interval '
        '''6 hours'' group by 1 order by 2 desc limit 10;',
        'A higher limit: update monitoring.notification_channels set rate_limit_per_hour = 30 where channel_name = '
        '''NAME'';'),
    'related_metrics', jsonb_build_array('pgvigil_deliveries_by_cause', 'pgvigil_alerts_open'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "rate_limited"},
                    "values": "0x20 1x180 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "90 min", "state": "firing", "level": "warning"},
                {"at": "115 min", "state": "ok"}]},
        {"name": "half an hour", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "rate_limited"},
                    "values": "0x20 1x60 0x40"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "55 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'queue_not_vacuumed', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'A long transaction keeps the queue of messages from being cleaned ({{ labels }})',
    'metric_name', 'pgvigil_delivery_obstacles', 'matchers', jsonb_build_object('cause', 'xmin_holder'),
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '10 min', 'warning_severity', 'medium',
    'rationale',
        'The table of what is to be delivered is full of dead rows that vacuum may not remove, since a transaction, a '
        'slot or a standby may still look at them: each claim reads past them, and messages leave ever more slowly.',
    'suggested_actions', jsonb_build_array(
        'Who, and the statement that ends it: select detail, remedy from monitoring.queue_health where cause = '
        '''xmin_holder'';',
        'Then: vacuum monitoring.deliveries;'),
    'related_metrics', jsonb_build_array('pg_xmin_horizon_age_xids', 'pgvigil_deliveries_by_cause'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "xmin_holder"},
                    "values": "0x4 1x28 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "15 min", "state": "firing", "level": "warning"},
                {"at": "23 min", "state": "ok"}]},
        {"name": "a backup of some minutes", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_delivery_obstacles", "labels": {"cause": "xmin_holder"},
                    "values": "0x4 1x14 0x16"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "15 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'heartbeat_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', '{{ value }} heartbeats in a row did not arrive outside ({{ labels }})',
    'metric_name', 'pgvigil_heartbeat_failures',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 3, 'warning_recovery', 0, 'warning_for', '2 min', 'warning_severity', 'high',
    'rationale',
        'The outside is about to believe that pgvigil is dead, or believes it already: it refuses, or cannot be '
        'reached. If pgvigil dies now, nobody hears more than is heard already.',
    'suggested_actions', jsonb_build_array(
        'Why: select name, state, reason from monitoring.heartbeat_status; or pgvigil heartbeat show',
        'A URL that has changed: pgvigil heartbeat set NAME; a wall in between: the machine of pgvigil serve must '
        'reach it.'),
    'related_metrics', jsonb_build_array('pgvigil_heartbeat_age_seconds', 'pgvigil_chain_link_whole'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_heartbeat_failures", "values": "0x4 1+3x18 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "warning"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "two do not arrive", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pgvigil_heartbeat_failures", "values": "0x4 2x10 0x10"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));
