-- rules/storage.sql: alert rules on disks, files, indexes and sequences, and on the machine.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'checksum_failures', 'rule_category', 'storage', 'platform', 'postgresql',
    'title_template', 'Corrupt pages in {{ labels.datname }}: {{ value }} ({{ labels }})',
    'metric_name', 'pg_stat_database_checksum_failures_total',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gt',
    'critical_threshold', 0, 'critical_recovery', 0,
    'keep_firing_for', '1 day',
    'rationale',
        'A page read from disk was not what was written: the storage, its controller or memory is failing. Every one '
        'counts, and it stays for a day so that nobody misses it.',
    'suggested_actions', jsonb_build_array(
        'Where: select datname, checksum_failures, checksum_last_failure from pg_stat_database where '
        'checksum_failures > 0; the server''s log names file and block.',
        'Stop writing to it if you can, copy the data directory as it is, and look at the storage first.',
        'Check the rest: pg_amcheck --all, and restore the damaged object from a backup that is older than the first '
        'failure.'),
    'related_metrics', jsonb_build_array('pg_stat_database_checksum_last_failure_timestamp_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires at the first one and stays", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_checksum_failures_total", "labels": {"datname": "shop"},
                    "values": "0x20 1x100"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "15 min", "state": "firing", "level": "critical"},
                {"at": "55 min", "state": "recovering"}]},
        {"name": "one of last year", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_checksum_failures_total", "labels": {"datname": "shop"},
                    "values": "1x60"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'sequence_exhaustion', 'rule_category', 'storage', 'platform', 'postgresql',
    'title_template', 'Sequence {{ labels.sequencename }} is used up to {{ value }} ({{ labels }})',
    'metric_name', 'pg_sequence_used_ratio',
    'aggregate', 'last', 'evaluation_window', '3 h',
    'comparison_operator', 'gt',
    'warning_threshold', 0.75, 'warning_recovery', 0.7,
    'critical_threshold', 0.9, 'critical_recovery', 0.85, 'severity', 'high',
    'no_data_policy', 'resolve', 'min_coverage', 0.3, 'evaluation_interval', '5 min',
    'rationale',
        'At its end the sequence refuses and every insert fails. The share is of the narrower of the sequence and '
        'the column it feeds, for it is the integer column that overflows; changing its type takes a rewrite, so '
        'that the warning comes early.',
    'suggested_actions', jsonb_build_array(
        'Which: select schemaname, sequencename, data_type, last_value, max_value from pg_sequences where last_value '
        'is not null order by last_value::numeric / max_value desc limit 10;',
        'New column of type bigint, kept up by a trigger, filled in batches, swapped: no long lock. For small '
        'tables: alter table TABLE alter column id type bigint;',
        'An emergency: the negative half, alter sequence NAME minvalue -2147483648 restart with -2147483648; if '
        'nothing minds negative ids.'),
    'related_metrics', jsonb_build_array('pg_sequence_remaining', 'pg_sequences_highest_used_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires, and clears after the change", "interval": "1 h", "step": "1 h",
            "series": [
                {"metric": "pg_sequence_used_ratio",
                    "labels": {"datname": "shop", "schemaname": "public", "sequencename": "orders_id_seq"},
                    "values": "0.6x4 0.95x4 0.001x6"}],
            "expect": [
                {"at": "3 h", "state": "ok"},
                {"at": "7 h", "state": "firing", "level": "critical"},
                {"at": "13 h", "state": "ok"}]},
        {"name": "two thirds", "interval": "1 h", "step": "1 h",
            "series": [
                {"metric": "pg_sequence_used_ratio",
                    "labels": {"datname": "shop", "schemaname": "public", "sequencename": "orders_id_seq"},
                    "values": "0.66x10"}],
            "expect": [{"at": "5 h", "state": "ok"}, {"at": "9 h", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'invalid_index', 'rule_category', 'storage', 'platform', 'postgresql',
    'title_template', 'Index {{ labels.indexrelname }} is invalid ({{ labels }})',
    'metric_name', 'pg_index_invalid',
    'aggregate', 'last', 'evaluation_window', '45 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '30 min', 'warning_severity', 'low',
    'no_data_policy', 'ok', 'min_coverage', 0.3, 'evaluation_interval', '5 min',
    'rationale',
        'What create index concurrently or reindex concurrently leaves behind when it fails: it costs every write '
        'and serves no query. One that is being built does not count.',
    'suggested_actions', jsonb_build_array(
        'Which: select indexrelid::regclass, indrelid::regclass, indisready from pg_index where not indisvalid;',
        'Name ends in _ccnew or _ccold: drop index concurrently NAME; else: reindex index concurrently NAME;'),
    'related_metrics', jsonb_build_array('pg_invalid_indexes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 min", "step": "15 min",
            "series": [
                {"metric": "pg_index_invalid",
                    "labels": {"datname": "shop", "relname": "orders", "indexrelname": "orders_note_idx"},
                    "values": "_x2 1x6 _x8"}],
            "expect": [
                {"at": "15 min", "state": "ok"},
                {"at": "105 min", "state": "firing", "level": "warning"},
                {"at": "225 min", "state": "ok"}]},
        {"name": "mended within half an hour", "interval": "15 min", "step": "15 min",
            "series": [
                {"metric": "pg_index_invalid",
                    "labels": {"datname": "shop", "relname": "orders", "indexrelname": "orders_note_idx"},
                    "values": "_x2 1x1 _x6"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "2 h", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'temp_spill', 'rule_category', 'storage', 'platform', 'postgresql',
    'title_template', 'Temporary files in {{ labels.datname }}: {{ value }} bytes a second ({{ labels }})',
    'metric_name', 'pg_stat_database_temp_bytes',
    'aggregate', 'rate', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 52428800, 'warning_recovery', 26214400, 'warning_for', '10 min', 'warning_severity', 'low',
    'critical_threshold', 262144000, 'critical_recovery', 131072000, 'critical_for', '10 min', 'severity', 'medium',
    'rationale',
        'Sorts and hashes that do not fit into work_mem go to disk, for ten minutes at a rate that other sessions '
        'feel. Below 50 MB a second nobody does.',
    'suggested_actions', jsonb_build_array(
        'Who: select query, temp_blks_written, calls from pg_stat_statements order by temp_blks_written desc limit '
        '10; and set log_temp_files = ''100MB'';',
        'More work_mem for that role or statement, not for all: alter role NAME set work_mem = ''256MB''; or an '
        'index that spares the sort.',
        'temp_file_limit keeps one session from filling the disk.'),
    'related_metrics', jsonb_build_array('pg_stat_database_temp_files', 'host_filesystem_used_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires while it spills, clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_database_temp_bytes", "labels": {"datname": "shop"},
                    "values": "1000000000x10 1000000000+12000000000x36 450000000000x18"}],
            "expect": [
                {"at": "4 min", "state": "ok"},
                {"at": "22 min", "state": "firing", "level": "critical"},
                {"at": "31 min", "state": "ok"}]},
        {"name": "a report of three minutes", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_database_temp_bytes", "labels": {"datname": "shop"},
                    "values": "1000000000x10 1000000000+3000000000x6 20000000000x18"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "16 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'disk_used', 'rule_category', 'storage', 'platform', 'host',
    'title_template', 'Disk is {{ value }} full ({{ labels }})',
    'metric_name', 'host_filesystem_used_ratio',
    'aggregate', 'last', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0.85, 'warning_recovery', 0.82, 'warning_for', '5 min',
    'critical_threshold', 0.93, 'critical_recovery', 0.9, 'critical_for', '5 min',
    'rationale',
        'A full disk stops the server, and its recovery needs space too. Known for the machines that a service '
        'measures; other servers'' disks are not.',
    'suggested_actions', jsonb_build_array(
        'What is large: select datname, pg_size_pretty(pg_database_size(datname)) from pg_database order by '
        'pg_database_size(datname) desc; select pg_size_pretty(sum(size)) from pg_ls_waldir();',
        'WAL: see slot_retained_wal and archive_failing. Temporary files: see temp_spill. Logs: rotate them.',
        'select c.oid::regclass, pg_size_pretty(pg_total_relation_size(c.oid)) from pg_class as c where relkind in '
        '(''r'', ''m'') order by pg_total_relation_size(c.oid) desc limit 20;'),
    'related_metrics', jsonb_build_array(
        'host_filesystem_available_bytes', 'pg_database_size_bytes', 'pg_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "1 min", "step": "1 min",
            "series": [
                {"metric": "host_filesystem_used_ratio", "labels": {"host": "db1"}, "values": "0.5x2 0.96x9 0.5x8"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "firing", "level": "critical"},
                {"at": "18 min", "state": "ok"}]},
        {"name": "eighty percent", "interval": "1 min", "step": "1 min",
            "series": [{"metric": "host_filesystem_used_ratio", "labels": {"host": "db1"}, "values": "0.8x10"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "9 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'disk_full_forecast', 'rule_category', 'storage', 'platform', 'host',
    'title_template', 'Disk will be full soon ({{ labels }})',
    'metric_name', 'host_filesystem_used_ratio',
    'condition_type', 'trend', 'aggregate', 'avg', 'evaluation_window', '15 min',
    'condition_definition', jsonb '{"trend": "time_to", "limit": 0.95, "min_samples": 24, "min_rise": 0.0005}',
    'trend_period', '3 days',
    'comparison_operator', 'lt',
    'warning_threshold', 345600, 'warning_recovery', 518400, 'warning_for', '2 h',
    'critical_threshold', 86400, 'critical_recovery', 172800, 'critical_for', '2 h', 'severity', 'high',
    'evaluation_interval', '1 h',
    'rationale',
        'At the rate of the last three days the disk is full within four days, or one. That is time to act in, which '
        'a fixed share of a disk of any size is not. Growth of less than 0.05 percent an hour counts as none.',
    'suggested_actions', jsonb_build_array(
        'What grows: select relname, pg_size_pretty(pg_total_relation_size(relid)), n_tup_ins from '
        'pg_stat_user_tables order by pg_total_relation_size(relid) desc limit 20; and compare with '
        'pg_table_total_size_bytes of yesterday.',
        'Old partitions to drop or to move, WAL that something keeps, or a larger disk.'),
    'related_metrics', jsonb_build_array('pg_database_size_bytes', 'pg_table_total_size_bytes', 'pg_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires when it is full within a day", "interval": "450 s", "step": "2 h",
            "series": [
                {"metric": "host_filesystem_used_ratio", "labels": {"host": "db1"}, "values": "0.1+0.002x368"}],
            "expect": [{"at": "2 h", "state": "ok"}, {"at": "44 h", "state": "firing", "level": "critical"}]},
        {"name": "files that come and go within the hour", "interval": "450 s", "step": "2 h",
            "series": [
                {"metric": "host_filesystem_used_ratio", "labels": {"host": "db1"}, "values": "0.6~0.05x368"}],
            "expect": [{"at": "1 day", "state": "ok"}, {"at": "44 h", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'memory_used', 'rule_category', 'storage', 'platform', 'host',
    'title_template', 'Memory is {{ value }} used ({{ labels }})',
    'metric_name', 'host_memory_used_ratio',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0.92, 'warning_recovery', 0.88, 'warning_for', '10 min',
    'critical_threshold', 0.97, 'critical_recovery', 0.94, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'Memory that programs hold, the file cache left out. Beyond it the kernel kills a process, and if that is a '
        'backend the whole server restarts.',
    'suggested_actions', jsonb_build_array(
        'Who: ps -eo pid,rss,cmd --sort=-rss | head -20',
        'Sessions times work_mem: select count(*) from pg_stat_activity where state = ''active''; show work_mem; '
        'show hash_mem_multiplier;',
        'vm.overcommit_memory = 2 makes it an error of one statement instead of a kill.'),
    'related_metrics', jsonb_build_array('pg_stat_activity_count', 'host_memory_total_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "1 min", "step": "1 min",
            "series": [
                {"metric": "host_memory_used_ratio", "labels": {"host": "db1"}, "values": "0.6x2 0.99x13 0.6x8"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "14 min", "state": "firing", "level": "critical"},
                {"at": "22 min", "state": "ok"}]},
        {"name": "ninety percent", "interval": "1 min", "step": "1 min",
            "series": [{"metric": "host_memory_used_ratio", "labels": {"host": "db1"}, "values": "0.9x15"}],
            "expect": [{"at": "7 min", "state": "ok"}, {"at": "14 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'cpu_used', 'rule_category', 'storage', 'platform', 'host',
    'title_template', 'Processors are {{ value }} busy ({{ labels }})',
    'metric_name', 'host_cpu_usage_ratio',
    'aggregate', 'avg', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0.9, 'warning_recovery', 0.8, 'warning_for', '30 min', 'warning_severity', 'low',
    'critical_threshold', 0.97, 'critical_recovery', 0.9, 'critical_for', '1 h', 'severity', 'medium',
    'rationale',
        'The processors are busy for half an hour. A busy database is not a fault by itself: the alert is low, and '
        'tells where to look when something else fires.',
    'suggested_actions', jsonb_build_array(
        'What runs: select pid, now() - query_start as since, wait_event_type, left(query, 120) from '
        'pg_stat_activity where state = ''active'' and backend_type = ''client backend'' order by 2 desc;',
        'What took most: select left(query, 80), calls, total_exec_time from pg_stat_statements order by '
        'total_exec_time desc limit 10;'),
    'related_metrics', jsonb_build_array('host_load1', 'pg_stat_database_active_time_seconds_total'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "1 min", "step": "5 min",
            "series": [
                {"metric": "host_cpu_usage_ratio", "labels": {"host": "db1"}, "values": "0.3x10 0.94x50 0.3x20"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "55 min", "state": "firing", "level": "warning"},
                {"at": "75 min", "state": "ok"}]},
        {"name": "a busy quarter of an hour", "interval": "1 min", "step": "5 min",
            "series": [
                {"metric": "host_cpu_usage_ratio", "labels": {"host": "db1"}, "values": "0.4x10 0.99x15 0.4x15"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "35 min", "state": "ok"}]}]$tests$));
