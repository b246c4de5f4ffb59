-- rules/wraparound.sql: alert rules on transaction and multixact ids that run out.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'xid_age', 'rule_category', 'wraparound', 'platform', 'postgresql',
    'title_template', 'Transaction ids in {{ labels.datname }} are {{ value }} old ({{ labels }})',
    'metric_name', 'pg_database_frozenxid_age',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 858993459, 'warning_recovery', 751619277, 'warning_for', '10 min',
    'critical_threshold', 1288490189, 'critical_recovery', 1181116006, 'critical_for', '10 min',
    'evaluation_interval', '1 min',
    'rationale',
        'At 2^31 the server takes no more writes until a vacuum by hand is done, which takes hours. 40 percent say '
        'that freezing is stuck, 60 leave days to act on a busy server; 90 percent, as some have it, leave none.',
    'suggested_actions', jsonb_build_array(
        'Which tables, in that database: select c.oid::regclass, age(c.relfrozenxid), '
        'pg_size_pretty(pg_total_relation_size(c.oid)) from pg_class as c where c.relkind in (''r'', ''m'', ''t'') '
        'order by 2 desc limit 20;',
        'What keeps freezing back comes first: see xmin_horizon_age, prepared_transaction_forgotten, '
        'long_transaction.',
        'Then the oldest tables one by one: vacuum (freeze, verbose, index_cleanup off) TABLE;'),
    'related_metrics', jsonb_build_array(
        'pg_table_frozenxid_age', 'pg_database_freeze_max_age_ratio', 'pg_xmin_horizon_age_xids'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_frozenxid_age", "labels": {"datname": "shop"},
                    "values": "190000000x2 1400000000x8 190000000x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "45 min", "state": "firing", "level": "critical"},
                {"at": "85 min", "state": "ok"}]},
        {"name": "at the default freeze age", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_frozenxid_age", "labels": {"datname": "shop"}, "values": "220000000x12"}],
            "expect": [{"at": "30 min", "state": "ok"}, {"at": "55 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'xid_freeze_overdue', 'rule_category', 'wraparound', 'platform', 'postgresql',
    'title_template', 'Freezing of {{ labels.datname }} is overdue: {{ value }} of the forced age ({{ labels }})',
    'metric_name', 'pg_database_freeze_max_age_ratio',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 1.1, 'warning_recovery', 1.0, 'warning_for', '1 h',
    'critical_threshold', 1.5, 'critical_recovery', 1.1, 'critical_for', '1 h', 'severity', 'high',
    'evaluation_interval', '1 min',
    'rationale',
        'Past autovacuum_freeze_max_age autovacuum freezes by force. That this does not bring the age down within an '
        'hour means that something holds it back or that its workers are too slow: known long before xid_age.',
    'suggested_actions', jsonb_build_array(
        'Are they at it: select pid, datname, relid::regclass, phase, heap_blks_scanned, heap_blks_total from '
        'pg_stat_progress_vacuum;',
        'Who holds the horizon: select ''session'' as holder, pid::text, age(backend_xmin) from pg_stat_activity '
        'where backend_xmin is not null union all select ''slot'', slot_name, age(coalesce(xmin, catalog_xmin)) from '
        'pg_replication_slots union all select ''prepared'', gid, age(transaction) from pg_prepared_xacts order by 3 '
        'desc nulls last limit 10;',
        'Too slow: raise autovacuum_vacuum_cost_limit or lower autovacuum_vacuum_cost_delay.'),
    'related_metrics', jsonb_build_array('pg_database_frozenxid_age', 'pg_autovacuum_workers_used_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_freeze_max_age_ratio", "labels": {"datname": "shop"},
                    "values": "0.9x2 1.7x18 0.9x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "95 min", "state": "firing", "level": "critical"},
                {"at": "135 min", "state": "ok"}]},
        {"name": "just over the age while autovacuum works", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_freeze_max_age_ratio", "labels": {"datname": "shop"},
                    "values": "0.98x4 1.03x18"}],
            "expect": [{"at": "55 min", "state": "ok"}, {"at": "105 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'mxid_age', 'rule_category', 'wraparound', 'platform', 'postgresql',
    'title_template', 'Multixact ids in {{ labels.datname }} are {{ value }} old ({{ labels }})',
    'metric_name', 'pg_database_minmxid_age',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 858993459, 'warning_recovery', 751619277, 'warning_for', '10 min',
    'critical_threshold', 1288490189, 'critical_recovery', 1181116006, 'critical_for', '10 min',
    'evaluation_interval', '1 min',
    'rationale',
        'Multixact ids run out as transaction ids do, through foreign keys and select for share, and stop writes the '
        'same way. Few monitor them.',
    'suggested_actions', jsonb_build_array(
        'Which tables, in that database: select c.oid::regclass, mxid_age(c.relminmxid), '
        'pg_size_pretty(pg_total_relation_size(c.oid)) from pg_class as c where c.relkind in (''r'', ''m'', ''t'') '
        'and c.relminmxid <> ''0'' order by 2 desc limit 20;',
        'vacuum (freeze, verbose) TABLE; one by one, the oldest first.',
        'Long transactions with share locks on hot parent rows make them: see lock_wait and long_transaction.'),
    'related_metrics', jsonb_build_array('pg_table_minmxid_age', 'pg_database_frozenxid_age'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_minmxid_age", "labels": {"datname": "shop"},
                    "values": "1000x2 1400000000x8 1000x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "45 min", "state": "firing", "level": "critical"},
                {"at": "85 min", "state": "ok"}]},
        {"name": "at the default freeze age", "interval": "5 min", "step": "5 min",
            "series": [
                {"metric": "pg_database_minmxid_age", "labels": {"datname": "shop"}, "values": "420000000x12"}],
            "expect": [{"at": "30 min", "state": "ok"}, {"at": "55 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'xid_exhaustion_forecast', 'rule_category', 'wraparound', 'platform', 'postgresql',
    'title_template', 'Transaction ids in {{ labels.datname }} will run out ({{ labels }})',
    'metric_name', 'pg_database_frozenxid_overdue',
    'condition_type', 'trend', 'aggregate', 'avg', 'evaluation_window', '15 min',
    'condition_definition', jsonb '{"trend": "time_to", "limit": 1800000000, "min_samples": 12, "min_rise": 1000000}',
    'trend_period', '12 h',
    'comparison_operator', 'lt',
    'warning_threshold', 259200, 'warning_recovery', 432000, 'warning_for', '1 h',
    'critical_threshold', 86400, 'critical_recovery', 172800, 'critical_for', '1 h',
    'evaluation_interval', '15 min',
    'rationale',
        'Freezing does not keep up, and at the rate of the last twelve hours the ids run out within three days, or '
        'one. A fast server gets there from an age that looks harmless. Read is what is beyond '
        'autovacuum_freeze_max_age, for the age up to there rises and falls with each freeze.',
    'suggested_actions', jsonb_build_array(
        'How fast: select datname, age(datfrozenxid) from pg_database order by 2 desc; twice, ten minutes apart.',
        'Who uses them up: many single-row transactions, savepoints or exception blocks in loops; batch them.',
        'Freeze the oldest tables now, those that are small first: vacuum (freeze, verbose, index_cleanup off) TABLE;'),
    'related_metrics', jsonb_build_array(
        'pg_database_frozenxid_age', 'pg_database_freeze_max_age_ratio', 'pg_table_frozenxid_age'),
    'tests', jsonb $tests$[
        {"name": "fires when they run out within hours", "interval": "5 min", "step": "30 min",
            "series": [
                {"metric": "pg_database_frozenxid_overdue", "labels": {"datname": "shop"},
                    "values": "0x12 0+10000000x96"}],
            "expect": [{"at": "1 h", "state": "ok"}, {"at": "510 min", "state": "firing", "level": "critical"}]},
        {"name": "a large table takes three hours to freeze", "interval": "5 min", "step": "30 min",
            "series": [
                {"metric": "pg_database_frozenxid_overdue", "labels": {"datname": "shop"},
                    "values": "0x24 0+1000000x36 0x36"}],
            "expect": [
                {"at": "2 h", "state": "ok"},
                {"at": "270 min", "state": "ok"},
                {"at": "450 min", "state": "ok"}]}]$tests$));
