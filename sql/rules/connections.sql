-- rules/connections.sql: alert rules on connections and on what their sessions do.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'connections_used', 'rule_category', 'connections', 'platform', 'postgresql',
    'title_template', 'Connection slots in use: {{ value }} ({{ labels }})',
    'metric_name', 'pg_connection_slots_used_ratio',
    'aggregate', 'avg', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0.8, 'warning_recovery', 0.75, 'warning_for', '5 min',
    'critical_threshold', 0.92, 'critical_recovery', 0.85, 'critical_for', '1 min',
    'rationale',
        'Once all slots are taken nobody new gets in but superusers. The share is of the slots that ordinary roles '
        'can have, so that a small max_connections warns as early as a large one. Warning and recovery lie apart, '
        'for pools breathe.',
    'suggested_actions', jsonb_build_array(
        'Who holds them: select datname, usename, application_name, state, count(*), max(now() - state_change) as '
        'longest from pg_stat_activity where backend_type = ''client backend'' group by 1, 2, 3, 4 order by 5 desc;',
        'Many idle ones of one application: shrink its pool, or set idle_session_timeout for its role.',
        'Many active ones: look for what they wait for (wait_event), most often a lock or a slow disk.',
        'Put a pooler in front before raising max_connections, which needs a restart and memory.'),
    'related_metrics', jsonb_build_array(
        'pg_connection_slots_used', 'pg_stat_activity_count', 'pg_settings_max_connections'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "1 min",
            "series": [{"metric": "pg_connection_slots_used_ratio", "values": "0.5x12 0.97x60 0.5x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "warns before it is critical", "interval": "10 s", "step": "1 min",
            "series": [{"metric": "pg_connection_slots_used_ratio", "values": "0.6x12 0.85x60"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "11 min", "state": "firing", "level": "warning"}]},
        {"name": "a peak of two minutes at 85 percent", "interval": "10 s", "step": "1 min",
            "series": [{"metric": "pg_connection_slots_used_ratio", "values": "0.5x12 0.85x12 0.5x24"}],
            "expect": [{"at": "1 min", "state": "ok"}, {"at": "7 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'connection_surge', 'rule_category', 'connections', 'platform', 'postgresql',
    'title_template', 'Unusually many sessions: {{ value }} ({{ labels }})',
    'metric_name', 'pg_connection_slots_used',
    'condition_type', 'anomaly', 'aggregate', 'avg', 'evaluation_window', '5 min',
    'condition_definition', jsonb '{"direction": "above", "min_deviation": 20, "min_relative_deviation": 0.5}',
    'trend_period', '7 days', 'anomaly_sensitivity', 0.3,
    'warning_for', '5 min', 'warning_severity', 'low',
    'severity', 'high',
    'evaluation_interval', '1 min',
    'rationale',
        'Far more sessions than the week before, and twenty at least: a deployment without a pool, a leak, or a lock '
        'that everybody waits for. Small servers and slow growth stay quiet.',
    'suggested_actions', jsonb_build_array(
        'Who came: select application_name, usename, client_addr, count(*), min(backend_start) from pg_stat_activity '
        'where backend_type = ''client backend'' group by 1, 2, 3 order by 4 desc limit 20;',
        'Compare with what was deployed in the last hour.',
        'Do they wait for a lock: see lock_wait first; that is then the cause.'),
    'related_metrics', jsonb_build_array('pg_connection_slots_used_ratio', 'pg_stat_database_sessions_total'),
    'tests', jsonb $tests$[
        {"name": "fires when they double", "interval": "2 min", "step": "85 min",
            "series": [{"metric": "pg_connection_slots_used", "values": "100~3x750 220x60"}],
            "expect": [
                {"at": "1445 min", "state": "ok"},
                {"at": "1530 min", "state": "firing", "level": "critical"}]},
        {"name": "a few more on a small server", "interval": "2 min", "step": "85 min",
            "series": [{"metric": "pg_connection_slots_used", "values": "10~2x750 24x60"}],
            "expect": [{"at": "1445 min", "state": "ok"}, {"at": "1530 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'idle_in_transaction', 'rule_category', 'connections', 'platform', 'postgresql',
    'title_template', 'A session has been idle in a transaction for {{ value }} ({{ labels }})',
    'metric_name', 'pg_stat_activity_oldest_idle_in_transaction_seconds',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 300, 'warning_recovery', 60, 'warning_for', '1 min',
    'critical_threshold', 900, 'critical_recovery', 60, 'critical_for', '1 min', 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'A session that sits in a transaction keeps its locks and the dead rows of the whole server, and does '
        'nothing. Applications do that by mistake; five minutes are no human''s pause for thought any more.',
    'suggested_actions', jsonb_build_array(
        'Which one: select pid, usename, application_name, client_addr, now() - xact_start as in_transaction, now() '
        '- state_change as idle, query from pg_stat_activity where state like ''idle in transaction%'' order by '
        'state_change;',
        'End it once its owner agrees: select pg_terminate_backend(PID);',
        'Set idle_in_transaction_session_timeout for its role, so that the next one ends by itself.'),
    'related_metrics', jsonb_build_array('pg_stat_activity_max_tx_duration', 'pg_xmin_horizon_age_xids'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_activity_oldest_idle_in_transaction_seconds", "values": "_x12 850+10x60 _x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "idle for a minute again and again", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_activity_oldest_idle_in_transaction_seconds",
                    "values": "1+10x12 _x6 1+10x12 _x6"}],
            "expect": [{"at": "3 min", "state": "ok"}, {"at": "5 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'long_transaction', 'rule_category', 'connections', 'platform', 'postgresql',
    'title_template', 'A transaction has been open for {{ value }} ({{ labels }})',
    'metric_name', 'pg_long_running_transactions_oldest_timestamp_seconds',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 1800, 'warning_recovery', 900, 'warning_for', '1 min', 'warning_severity', 'low',
    'critical_threshold', 14400, 'critical_recovery', 7200, 'critical_for', '1 min', 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'An old transaction keeps vacuum from removing anything that died since it began. Reports run for minutes, '
        'so that half an hour is only worth a look; four hours bloat busy tables for good. Replication and '
        'autovacuum are not counted.',
    'suggested_actions', jsonb_build_array(
        'Which one: select pid, usename, application_name, state, now() - xact_start as age, age(backend_xmin) as '
        'holds_back, left(query, 200) from pg_stat_activity where xact_start is not null and backend_type = ''client '
        'backend'' order by xact_start limit 5;',
        'A report: move it to a standby, or split it. Else: select pg_cancel_backend(PID); and '
        'pg_terminate_backend(PID) when that does not help.',
        'What it costs: select relname, n_dead_tup from pg_stat_user_tables order by 2 desc limit 10;'),
    'related_metrics', jsonb_build_array(
        'pg_stat_activity_max_tx_duration', 'pg_xmin_horizon_age_xids',
        'pg_stat_activity_oldest_query_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_long_running_transactions_oldest_timestamp_seconds",
                    "values": "5x12 14200+10x54 5x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "critical"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "a report of twenty minutes", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_long_running_transactions_oldest_timestamp_seconds", "values": "600+10x60 _x12"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'sessions_crashed', 'rule_category', 'connections', 'platform', 'postgresql',
    'title_template', 'Sessions ended by fatal errors: {{ value }} ({{ labels }})',
    'metric_name', 'pg_stat_database_sessions_fatal_total',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gte',
    'warning_threshold', 20, 'warning_recovery', 5, 'warning_severity', 'low',
    'critical_threshold', 200, 'critical_recovery', 50, 'severity', 'high',
    'rationale',
        'Sessions that the server ended with a fatal error: conflicts with recovery, out of memory, a crash of a '
        'backend. One now and then is normal; twenty in ten minutes is a fault that repeats.',
    'suggested_actions', jsonb_build_array(
        'The server''s log says why: look for FATAL and for the lines before it.',
        'Where: select datname, sessions_fatal, sessions_killed, sessions_abandoned from pg_stat_database order by 2 '
        'desc;',
        'Killed by the kernel for memory: dmesg | grep -i oom; lower work_mem or the number of sessions.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_database_sessions_abandoned_total', 'pg_stat_database_sessions_killed_total'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_sessions_fatal_total", "labels": {"datname": "shop"},
                    "values": "100x20 100+20x20 500x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "critical"},
                {"at": "35 min", "state": "ok"}]},
        {"name": "one every few minutes", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_sessions_fatal_total", "labels": {"datname": "shop"},
                    "values": "100x10 101x10 102x10"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "10 min", "state": "ok"}]}]$tests$));
