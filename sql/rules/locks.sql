-- rules/locks.sql: alert rules on sessions that wait for each other.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'lock_wait', 'rule_category', 'locks', 'platform', 'postgresql',
    'title_template', 'A session has waited for a lock for {{ value }} ({{ labels }})',
    'metric_name', 'pg_longest_lock_wait_seconds',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 60, 'warning_recovery', 30,
    'critical_threshold', 600, 'critical_recovery', 60, 'severity', 'critical',
    'no_data_policy', 'ok',
    'rationale',
        'Somebody has waited for a lock for a minute, and behind him a queue grows. The measure is the wait itself, '
        'so that it needs no time besides; ten minutes are an outage of whatever uses that table.',
    'suggested_actions', jsonb_build_array(
        'Who waits for whom: select a.pid, pg_blocking_pids(a.pid) as waits_for, now() - a.query_start as since, '
        'left(a.query, 120) from pg_stat_activity as a where cardinality(pg_blocking_pids(a.pid)) > 0 order by since '
        'desc;',
        'The root is the pid that others wait for and that waits for none: select pid, state, usename, '
        'application_name, xact_start, query from pg_stat_activity where pid = PID;',
        'Idle in transaction, or a migration that waits itself: select pg_terminate_backend(PID);',
        'Set lock_timeout for migrations, so that they give up before the queue forms.'),
    'related_metrics', jsonb_build_array('pg_blocked_sessions', 'pg_blocking_sessions', 'pg_locks_waiting'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pg_longest_lock_wait_seconds", "values": "_x8 500+15x20 _x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "warns after a minute", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pg_longest_lock_wait_seconds", "values": "_x4 5+15x12"}],
            "expect": [{"at": "1 min", "state": "ok"}, {"at": "3 min", "state": "firing", "level": "warning"}]},
        {"name": "waits of a few seconds", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pg_longest_lock_wait_seconds", "values": "3x8 _x4 8x8"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "4 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'blocked_sessions', 'rule_category', 'locks', 'platform', 'postgresql',
    'title_template', 'Blocked by locks: {{ value }} ({{ labels }})',
    'metric_name', 'pg_blocked_sessions',
    'aggregate', 'min', 'evaluation_window', '1 min',
    'comparison_operator', 'gte',
    'warning_threshold', 5, 'warning_recovery', 1, 'warning_for', '1 min',
    'critical_threshold', 20, 'critical_recovery', 5, 'critical_for', '1 min',
    'rationale',
        'So many sessions wait for locks at the same time, and never fewer for two minutes. Short queues on hot rows '
        'come and go; this one stays.',
    'suggested_actions', jsonb_build_array(
        'Who waits for whom: select a.pid, pg_blocking_pids(a.pid) as waits_for, now() - a.query_start as since, '
        'left(a.query, 120) from pg_stat_activity as a where cardinality(pg_blocking_pids(a.pid)) > 0 order by since '
        'desc;',
        'On which table: select relation::regclass, mode, count(*) from pg_locks where not granted group by 1, 2 '
        'order by 3 desc;',
        'End the session that all wait for: select pg_terminate_backend(PID);'),
    'related_metrics', jsonb_build_array('pg_longest_lock_wait_seconds', 'pg_locks_waiting'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pg_blocked_sessions", "values": "0x8 40x20 0x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "a queue that empties within the minute", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pg_blocked_sessions", "values": "8x2 0x2 9x2 0x2 7x2 0x2"}],
            "expect": [{"at": "1 min", "state": "ok"}, {"at": "2 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'deadlocks', 'rule_category', 'locks', 'platform', 'postgresql',
    'title_template', 'Deadlocks in {{ labels.datname }} ({{ labels }})',
    'metric_name', 'pg_stat_database_deadlocks',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0,
    'critical_threshold', 10, 'critical_recovery', 2, 'severity', 'high',
    'keep_firing_for', '20 min',
    'rationale',
        'Each deadlock is a transaction that failed, by the order in which two take their locks. The counter never '
        'falls, so that its growth within ten minutes is compared: an old one does not alert for ever.',
    'suggested_actions', jsonb_build_array(
        'The server''s log has both statements: look for "deadlock detected" and its DETAIL.',
        'Have both take the locks in one order: update rows sorted by key, or select ... for update order by key '
        'first.',
        'log_lock_waits = on shows the waits that come before.'),
    'related_metrics', jsonb_build_array('pg_blocked_sessions', 'pg_stat_database_xact_rollback'),
    'tests', jsonb $tests$[
        {"name": "one deadlock fires, and clears after half an hour", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_deadlocks", "labels": {"datname": "shop"}, "values": "5x20 6x100"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "15 min", "state": "firing", "level": "warning"},
                {"at": "30 min", "state": "recovering"},
                {"at": "55 min", "state": "ok"}]},
        {"name": "a server that once had a hundred", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pg_stat_database_deadlocks", "labels": {"datname": "shop"}, "values": "100x40"}],
            "expect": [{"at": "10 min", "state": "ok"}, {"at": "15 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'prepared_transaction_forgotten', 'rule_category', 'locks', 'platform', 'postgresql',
    'title_template', 'A prepared transaction in {{ labels.datname }} has been left for {{ value }} ({{ labels }})',
    'metric_name', 'pg_prepared_xacts_oldest_seconds',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 300, 'warning_recovery', 60,
    'critical_threshold', 3600, 'critical_recovery', 60, 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'A prepared transaction keeps its locks and the dead rows of the whole server over every restart, and no '
        'session shows it. Transaction managers finish theirs within seconds.',
    'suggested_actions', jsonb_build_array(
        'Which one: select gid, prepared, owner, database, age(transaction) from pg_prepared_xacts order by prepared;',
        'Ask the transaction manager what became of it, then, in its database: rollback prepared ''GID''; or commit '
        'prepared ''GID'';',
        'Nobody uses them: set max_prepared_transactions = 0.'),
    'related_metrics', jsonb_build_array('pg_prepared_xacts', 'pg_xmin_horizon_age_xids'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_prepared_xacts_oldest_seconds", "labels": {"datname": "shop"},
                    "values": "_x12 3550+10x30 _x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "finished within a minute", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_prepared_xacts_oldest_seconds", "labels": {"datname": "shop"},
                    "values": "0+10x6 _x12 0+10x6 _x6"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "4 min", "state": "ok"}]}]$tests$));
