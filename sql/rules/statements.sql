-- rules/statements.sql: alert rules on transactions and statements.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'rollback_ratio', 'rule_category', 'statements', 'platform', 'postgresql',
    'title_template', 'Rollbacks in {{ labels.datname }}: {{ value }} % of transactions ({{ labels }})',
    'metric_name', 'pg_stat_database_xact_rollback',
    'condition_type', 'ratio', 'aggregate', 'rate', 'evaluation_window', '5 min',
    'condition_definition', jsonb
        '{"denominator": ["pg_stat_database_xact_commit", "pg_stat_database_xact_rollback"], "min_denominator": 10, '
        '"scale": 100}',
    'comparison_operator', 'gt',
    'warning_threshold', 10, 'warning_recovery', 5, 'warning_for', '5 min',
    'critical_threshold', 30, 'critical_recovery', 15, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'One in ten transactions fails: an application meets errors, or a retry loop. Ten transactions a second at '
        'least, or one failed health check on an idle database would be a hundred percent.',
    'suggested_actions', jsonb_build_array(
        'Which errors: the server''s log, or select datname, xact_commit, xact_rollback, deadlocks, conflicts from '
        'pg_stat_database order by xact_rollback desc;',
        'Compare with what was deployed. Serialisation failures (40001) want a retry, constraint violations (23xxx) '
        'a change of the application.'),
    'related_metrics', jsonb_build_array('pg_stat_database_xact_commit', 'pg_stat_database_deadlocks'),
    'tests', jsonb $tests$[
        {"name": "fires when half roll back, clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_database_xact_rollback", "labels": {"datname": "shop"},
                    "values": "0x4 0+600x26 15600x18"},
                {"metric": "pg_stat_database_xact_commit", "labels": {"datname": "shop"}, "values": "0+600x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "14 min", "state": "firing", "level": "critical"},
                {"at": "23 min", "state": "ok"}]},
        {"name": "an idle database where half roll back", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_database_xact_rollback", "labels": {"datname": "shop"}, "values": "0+30x30"},
                {"metric": "pg_stat_database_xact_commit", "labels": {"datname": "shop"}, "values": "0+30x30"}],
            "expect": [{"at": "7 min", "state": "ok"}, {"at": "14 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'tps_collapse', 'rule_category', 'statements', 'platform', 'postgresql',
    'title_template', 'Far fewer commits than usual in {{ labels.datname }}: {{ value }} a second ({{ labels }})',
    'metric_name', 'pg_stat_database_xact_commit',
    'condition_type', 'anomaly', 'aggregate', 'rate', 'evaluation_window', '5 min',
    'condition_definition', jsonb '{"direction": "below", "min_deviation": 5, "min_relative_deviation": 0.5}',
    'trend_period', '7 days', 'anomaly_sensitivity', 0.5,
    'warning_for', '5 min',
    'severity', 'high',
    'evaluation_interval', '1 min',
    'rationale',
        'Far fewer commits than the week before: the application is down, or everybody waits for one lock. Five a '
        'second fewer at least, and half: a database that is idle at night does not alert.',
    'suggested_actions', jsonb_build_array(
        'Do sessions wait: select wait_event_type, wait_event, count(*) from pg_stat_activity where state = '
        '''active'' group by 1, 2 order by 3 desc;',
        'Does anybody still come: select count(*), max(backend_start) from pg_stat_activity where backend_type = '
        '''client backend'';',
        'Then ask the application: its log, its pool, what is in front of it.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_activity_count', 'pg_blocked_sessions', 'pg_stat_database_sessions_total'),
    'tests', jsonb $tests$[
        {"name": "fires when commits stop", "interval": "2 min", "step": "85 min",
            "series": [
                {"metric": "pg_stat_database_xact_commit", "labels": {"datname": "shop"},
                    "values": "0+12000x750 9000000x60"}],
            "expect": [
                {"at": "1445 min", "state": "ok"},
                {"at": "1530 min", "state": "firing", "level": "critical"}]},
        {"name": "an idle database falls silent", "interval": "2 min", "step": "85 min",
            "series": [
                {"metric": "pg_stat_database_xact_commit", "labels": {"datname": "shop"},
                    "values": "0+360x750 270000x60"}],
            "expect": [{"at": "1445 min", "state": "ok"}, {"at": "1530 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'read_surge', 'rule_category', 'statements', 'platform', 'postgresql',
    'title_template', 'Far more reads than usual in {{ labels.datname }}: {{ value }} blocks a second ({{ labels }})',
    'metric_name', 'pg_stat_database_blks_read',
    'condition_type', 'anomaly', 'aggregate', 'rate', 'evaluation_window', '5 min',
    'condition_definition', jsonb '{"direction": "above", "min_deviation": 2000, "min_relative_deviation": 1}',
    'trend_period', '7 days', 'anomaly_sensitivity', 0.3,
    'warning_for', '15 min', 'warning_severity', 'low',
    'severity', 'medium',
    'evaluation_interval', '1 min',
    'rationale',
        'Far more blocks read from outside of shared buffers than the week before, 16 MB a second at least: a new '
        'query, a lost index, a cold cache. A fixed hit ratio pages every analytics database instead.',
    'suggested_actions', jsonb_build_array(
        'Who reads: select left(query, 80), calls, shared_blks_read from pg_stat_statements order by '
        'shared_blks_read desc limit 10;',
        'Which tables: select relname, heap_blks_read, idx_blks_read, seq_scan from pg_statio_user_tables join '
        'pg_stat_user_tables using (relid, relname) order by heap_blks_read desc limit 10;',
        'A plan that changed: see statement_regressions.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_database_blks_hit', 'pg_stat_database_blk_read_time', 'pgvigil_regressed_statements'),
    'tests', jsonb $tests$[
        {"name": "fires when reads are ten times as many", "interval": "2 min", "step": "85 min",
            "series": [
                {"metric": "pg_stat_database_blks_read", "labels": {"datname": "shop"},
                    "values": "0+120000x750 90000000+1200000x60"}],
            "expect": [
                {"at": "1445 min", "state": "ok"},
                {"at": "1530 min", "state": "firing", "level": "critical"}]},
        {"name": "a report on an idle server", "interval": "2 min", "step": "85 min",
            "series": [
                {"metric": "pg_stat_database_blks_read", "labels": {"datname": "shop"},
                    "values": "0+6000x750 4500000+180000x60"}],
            "expect": [{"at": "1445 min", "state": "ok"}, {"at": "1530 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'statement_regressions', 'rule_category', 'statements', 'platform', 'postgresql',
    'title_template', 'Statements that became slower: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_regressed_statements',
    'aggregate', 'min', 'evaluation_window', '15 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '15 min',
    'critical_threshold', 10, 'critical_recovery', 3, 'critical_for', '15 min', 'severity', 'high',
    'evaluation_interval', '5 min',
    'rationale',
        'Statements that matter take much longer than at the same hour of the weeks before, beyond what chance '
        'explains: a plan, an index, statistics or a lock. Needs pg_stat_statements and a day of history.',
    'suggested_actions', jsonb_build_array(
        'Which: select server, normalized_query, mean_exec_time, baseline_mean_exec_time, ratio, added_seconds from '
        'monitoring.query_regressions order by regression_rank limit 10;',
        'explain (analyze, buffers) it with real parameters; analyze its tables; look for an index that went: select '
        'name, old_value, new_value, changed_at from monitoring.setting_changes order by changed_at desc limit 10;'),
    'related_metrics', jsonb_build_array('pg_stat_user_tables_analyze_debt_ratio', 'pg_stat_database_blks_read'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pgvigil_regressed_statements", "labels": {"target": "local"}, "values": "0x2 2x12 0x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "65 min", "state": "firing", "level": "warning"},
                {"at": "105 min", "state": "ok"}]},
        {"name": "none", "interval": "5 min", "step": "5 min",
            "series": [{"metric": "pgvigil_regressed_statements", "labels": {"target": "local"}, "values": "0x12"}],
            "expect": [{"at": "30 min", "state": "ok"}, {"at": "55 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'statements_evicted', 'rule_category', 'statements', 'platform', 'postgresql',
    'title_template', 'pg_stat_statements throws entries away ({{ labels }})',
    'metric_name', 'pg_stat_statements_dealloc_total',
    'aggregate', 'increase', 'evaluation_window', '1 h',
    'comparison_operator', 'gt',
    'warning_threshold', 12, 'warning_recovery', 6, 'warning_for', '1 h', 'warning_severity', 'low',
    'evaluation_interval', '5 min',
    'rationale',
        'pg_stat_statements throws entries away several times an hour: its statistics, and what is built on them, '
        'miss statements. Most often many statements differ only in a list of constants or a table''s name.',
    'suggested_actions', jsonb_build_array(
        'select dealloc, stats_reset from pg_stat_statements_info; select count(*), min(calls) from '
        'pg_stat_statements;',
        'Raise pg_stat_statements.max (restart), or have the application use parameters: = any ($1) in place of in '
        '(1, 2, 3).'),
    'related_metrics', jsonb_build_array('pg_stat_statements_entries', 'pg_stat_statements_max_entries'),
    'tests', jsonb $tests$[
        {"name": "fires when they go every minute, clears", "interval": "1 min", "step": "10 min",
            "series": [{"metric": "pg_stat_statements_dealloc_total", "values": "3x10 3+1x120 122x100"}],
            "expect": [
                {"at": "0 min", "state": "ok"},
                {"at": "2 h", "state": "firing", "level": "warning"},
                {"at": "220 min", "state": "ok"}]},
        {"name": "one an hour", "interval": "1 min", "step": "10 min",
            "series": [{"metric": "pg_stat_statements_dealloc_total", "values": "3x50 4x50 5x50"}],
            "expect": [{"at": "70 min", "state": "ok"}, {"at": "140 min", "state": "ok"}]}]$tests$));
