-- rules/vacuum.sql: alert rules on dead rows, and on who keeps or neglects them.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'xmin_horizon_age', 'rule_category', 'vacuum', 'platform', 'postgresql',
    'title_template', 'Vacuum is held back by a {{ labels.holder }}, {{ value }} old ({{ labels }})',
    'metric_name', 'pg_xmin_horizon_age_xids',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 50000000, 'warning_recovery', 25000000,
    'critical_threshold', 200000000, 'critical_recovery', 100000000, 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'So many transactions ago somebody took a snapshot that vacuum must still respect: dead rows since then '
        'stay, in every table. The label names who: a session, a prepared transaction, a slot, a standby with '
        'feedback.',
    'suggested_actions', jsonb_build_array(
        'Who: select ''session'' as holder, pid::text, age(backend_xmin) from pg_stat_activity where backend_xmin is '
        'not null union all select ''slot'', slot_name, age(coalesce(xmin, catalog_xmin)) from pg_replication_slots '
        'union all select ''prepared'', gid, age(transaction) from pg_prepared_xacts union all select ''standby'', '
        'application_name, age(backend_xmin) from pg_stat_replication order by 3 desc nulls last limit 10;',
        'session: end its transaction. prepared_xact: rollback prepared. slot: bring back or drop its consumer. '
        'standby: end the query there.'),
    'related_metrics', jsonb_build_array(
        'pg_long_running_transactions_oldest_timestamp_seconds', 'pg_prepared_xacts_oldest_seconds',
        'pg_replication_slots_xmin_age'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_xmin_horizon_age_xids", "labels": {"holder": "slot"},
                    "values": "1000x12 300000000x60 1000x48"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "ten million while a dump runs", "interval": "10 s", "step": "1 min",
            "series": [
                {"metric": "pg_xmin_horizon_age_xids", "labels": {"holder": "session"},
                    "values": "1000x12 10000000x60"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'autovacuum_saturated', 'rule_category', 'vacuum', 'platform', 'postgresql',
    'title_template', 'All autovacuum workers are busy ({{ labels }})',
    'metric_name', 'pg_autovacuum_workers_used_ratio',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0.9, 'warning_for', '30 min', 'warning_severity', 'low',
    'critical_threshold', 1, 'critical_recovery', 0.9, 'critical_for', '3 h', 'severity', 'medium',
    'rationale',
        'All workers are busy without a pause for half an hour: other tables wait for their turn and bloat meanwhile.',
    'suggested_actions', jsonb_build_array(
        'On what: select p.datname, p.relid::regclass, p.phase, p.heap_blks_scanned, p.heap_blks_total, now() - '
        'a.xact_start as since from pg_stat_progress_vacuum as p join pg_stat_activity as a using (pid);',
        'Let each do more first: raise autovacuum_vacuum_cost_limit, lower autovacuum_vacuum_cost_delay; then more '
        'autovacuum_max_workers (restart), which share the limit.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_user_tables_vacuum_debt_ratio', 'pg_settings_autovacuum_max_workers'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "10 s", "step": "5 min",
            "series": [{"metric": "pg_autovacuum_workers_used_ratio", "values": "0.4x60 1x300 0.4x120"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "55 min", "state": "firing", "level": "warning"},
                {"at": "75 min", "state": "ok"}]},
        {"name": "all busy for ten minutes", "interval": "10 s", "step": "5 min",
            "series": [{"metric": "pg_autovacuum_workers_used_ratio", "values": "0.3x60 1x60 0.6x60"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'table_vacuum_overdue', 'rule_category', 'vacuum', 'platform', 'postgresql',
    'title_template', 'Table {{ labels.relname }} is not vacuumed ({{ labels }})',
    'metric_name', 'pg_stat_user_tables_vacuum_debt_ratio',
    'aggregate', 'min', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 2, 'warning_recovery', 1, 'warning_for', '1 h', 'warning_severity', 'low',
    'critical_threshold', 2, 'critical_recovery', 1, 'critical_for', '12 h', 'severity', 'medium',
    'no_data_policy', 'resolve', 'evaluation_interval', '5 min', 'max_instances', 20,
    'rationale',
        'Twice the dead rows at which autovacuum comes, and it has not come for an hour: it is off, starved, '
        'cancelled by locks again and again, or cannot remove them. Measured by the table''s own options, where "not '
        'vacuumed for ten days" is wrong for large and for quiet tables.',
    'suggested_actions', jsonb_build_array(
        'The table: select relname, n_live_tup, n_dead_tup, last_autovacuum, autovacuum_count from '
        'pg_stat_user_tables where relname = ''TABLE'';',
        'Once by hand, and read what it says: vacuum (verbose) TABLE; "dead but not yet removable" means that '
        'somebody holds the horizon.',
        'Is it off there: select reloptions from pg_class where oid = ''TABLE''::regclass; else see '
        'autovacuum_saturated.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_user_tables_n_dead_tup', 'pg_stat_user_tables_last_autovacuum', 'pg_xmin_horizon_age_xids'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "10 min",
            "series": [
                {"metric": "pg_stat_user_tables_vacuum_debt_ratio",
                    "labels": {"datname": "shop", "schemaname": "public", "relname": "orders"},
                    "values": "0.4x4 3x24 0.4x12"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "130 min", "state": "firing", "level": "warning"},
                {"at": "190 min", "state": "ok"}]},
        {"name": "three times, and vacuumed within the hour", "interval": "5 min", "step": "10 min",
            "series": [
                {"metric": "pg_stat_user_tables_vacuum_debt_ratio",
                    "labels": {"datname": "shop", "relname": "orders"},
                    "values": "0.5x4 3x8 0.1x6"}],
            "expect": [{"at": "10 min", "state": "ok"}, {"at": "80 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'table_analyze_overdue', 'rule_category', 'vacuum', 'platform', 'postgresql',
    'title_template', 'Table {{ labels.relname }} is not analyzed ({{ labels }})',
    'metric_name', 'pg_stat_user_tables_analyze_debt_ratio',
    'aggregate', 'min', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 5, 'warning_recovery', 1, 'warning_for', '6 h', 'warning_severity', 'low',
    'no_data_policy', 'resolve', 'evaluation_interval', '15 min', 'max_instances', 20,
    'rationale',
        'Five times the changes at which autovacuum analyzes, for six hours: the planner works with figures of '
        'another table. The next plan change is only a matter of time.',
    'suggested_actions', jsonb_build_array(
        'The table: select relname, n_live_tup, n_mod_since_analyze, last_analyze, last_autoanalyze from '
        'pg_stat_user_tables where relname = ''TABLE'';',
        'analyze TABLE; then see why autovacuum does not: see autovacuum_saturated, and reloptions of the table.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_user_tables_n_mod_since_analyze', 'pg_stat_user_tables_last_autoanalyze'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "30 min",
            "series": [
                {"metric": "pg_stat_user_tables_analyze_debt_ratio",
                    "labels": {"datname": "shop", "relname": "orders"},
                    "values": "0.5x12 8x84 0.5x18"}],
            "expect": [
                {"at": "30 min", "state": "ok"},
                {"at": "450 min", "state": "firing", "level": "warning"},
                {"at": "9 h", "state": "ok"}]},
        {"name": "a load of an hour", "interval": "5 min", "step": "30 min",
            "series": [
                {"metric": "pg_stat_user_tables_analyze_debt_ratio",
                    "labels": {"datname": "shop", "relname": "orders"},
                    "values": "0.5x12 9x12 0.1x12"}],
            "expect": [{"at": "30 min", "state": "ok"}, {"at": "150 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'autovacuum_off', 'rule_category', 'vacuum', 'platform', 'postgresql',
    'title_template', 'Autovacuum is switched off ({{ labels }})',
    'metric_name', 'pg_settings_autovacuum',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'condition_definition', jsonb '{"allow_unknown_metric": true}',
    'comparison_operator', 'lt',
    'critical_threshold', 1, 'critical_recovery', 1, 'critical_for', '1 h', 'severity', 'high',
    'evaluation_interval', '5 min',
    'rationale',
        'Switched off for a load and never on again is how servers reach the wraparound. An hour is enough for the '
        'load.',
    'suggested_actions', jsonb_build_array(
        'alter system set autovacuum = on; select pg_reload_conf();',
        'Who switched it off, and when: select * from monitoring.setting_changes where name = ''autovacuum'' order '
        'by changed_at desc;'),
    'related_metrics', jsonb_build_array('pg_database_frozenxid_age'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "10 min",
            "series": [{"metric": "pg_settings_autovacuum", "values": "1x4 0x24 1x8"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "130 min", "state": "firing", "level": "critical"},
                {"at": "170 min", "state": "ok"}]},
        {"name": "off during a load of half an hour", "interval": "5 min", "step": "10 min",
            "series": [{"metric": "pg_settings_autovacuum", "values": "1x4 0x6 1x6"}],
            "expect": [{"at": "10 min", "state": "ok"}, {"at": "70 min", "state": "ok"}]}]$tests$));
