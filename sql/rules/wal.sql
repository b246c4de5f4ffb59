-- rules/wal.sql: alert rules on WAL, checkpoints and archiving.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'archive_failing', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'WAL cannot be archived ({{ labels }})',
    'metric_name', 'pg_archiver_is_failing',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '5 min', 'warning_severity', 'high',
    'critical_threshold', 1, 'critical_recovery', 0, 'critical_for', '30 min',
    'evaluation_interval', '1 min',
    'rationale',
        'The last attempt to archive failed: point-in-time recovery ends here, and WAL piles up until the disk is '
        'full. Silent where archive_mode is off.',
    'suggested_actions', jsonb_build_array(
        'What fails: select last_failed_wal, last_failed_time, failed_count, last_archived_wal, last_archived_time '
        'from pg_stat_archiver;',
        'The server''s log has the command''s own error. Try archive_command by hand as the server''s user: space, '
        'rights, network?',
        'How much waits: select count(*) from pg_ls_archive_statusdir() where name like ''%.ready'';'),
    'related_metrics', jsonb_build_array(
        'pg_archive_ready_files', 'pg_stat_archiver_failed_count', 'pg_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires at five minutes, and worse at thirty", "interval": "30 s", "step": "2 min",
            "series": [{"metric": "pg_archiver_is_failing", "values": "0x8 1x80 0x16"}],
            "expect": [
                {"at": "2 min", "state": "ok"},
                {"at": "14 min", "state": "firing", "level": "warning"},
                {"at": "42 min", "state": "firing", "level": "critical"},
                {"at": "50 min", "state": "ok"}]},
        {"name": "one attempt fails, the next succeeds", "interval": "30 s", "step": "2 min",
            "series": [{"metric": "pg_archiver_is_failing", "values": "0x8 1x4 0x12"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "10 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'archive_backlog', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'WAL files waiting to be archived: {{ value }} ({{ labels }})',
    'metric_name', 'pg_archive_ready_files',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gt',
    'warning_threshold', 30, 'warning_recovery', 15, 'warning_for', '5 min',
    'critical_threshold', 200, 'critical_recovery', 100, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'Files wait to be archived faster than they are: the archive is slower than the writes. The least of five '
        'minutes counts, for a checkpoint readies many at once.',
    'suggested_actions', jsonb_build_array(
        'How it goes: select archived_count, last_archived_time, failed_count from pg_stat_archiver; twice, a minute '
        'apart.',
        'Archive in parallel or in batches (an archive_library or a tool with a spool), or write less: see '
        'checkpoints_forced and full page images.'),
    'related_metrics', jsonb_build_array(
        'pg_stat_archiver_archived_count', 'pg_stat_wal_bytes_total', 'pg_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pg_archive_ready_files", "values": "0x4 400x24 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "13 min", "state": "firing", "level": "critical"},
                {"at": "21 min", "state": "ok"}]},
        {"name": "a batch of a hundred, archived in minutes", "interval": "30 s", "step": "1 min",
            "series": [{"metric": "pg_archive_ready_files", "values": "0x10 100-20x5 0x20"}],
            "expect": [{"at": "8 min", "state": "ok"}, {"at": "990 s", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'checkpoints_forced', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'Checkpoints forced by WAL: {{ value }} % of them ({{ labels }})',
    'metric_name', 'pg_checkpoints_requested_total',
    'condition_type', 'ratio', 'aggregate', 'increase', 'evaluation_window', '1 h',
    'condition_definition', jsonb '{"denominator": "pg_checkpoints_total", "min_denominator": 5, "scale": 100}',
    'comparison_operator', 'gt',
    'warning_threshold', 50, 'warning_recovery', 30, 'warning_for', '30 min', 'warning_severity', 'low',
    'critical_threshold', 80, 'critical_recovery', 50, 'critical_for', '30 min', 'severity', 'medium',
    'evaluation_interval', '5 min',
    'rationale',
        'Most checkpoints come because WAL filled max_wal_size and not because time was up: writes come in bursts, '
        'and full page images multiply the WAL. Below five checkpoints an hour the share says nothing.',
    'suggested_actions', jsonb_build_array(
        'How much WAL an hour: select pg_size_pretty(wal_bytes), wal_fpi, stats_reset from pg_stat_wal;',
        'Raise max_wal_size until checkpoints come by time: alter system set max_wal_size = ''...''; select '
        'pg_reload_conf();',
        'Or it was a backup, a script with CHECKPOINT, or a bulk load: then it passes.'),
    'related_metrics', jsonb_build_array(
        'pg_checkpoints_total', 'pg_stat_wal_bytes_total', 'pg_settings_max_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires when most are forced, clears", "interval": "30 s", "step": "10 min",
            "series": [
                {"metric": "pg_checkpoints_requested_total", "values": "10x120 10+1x240 250x240"},
                {"metric": "pg_checkpoints_total", "values": "100+0.1x120 112+1.1x240 375+0.1x240"}],
            "expect": [
                {"at": "50 min", "state": "ok"},
                {"at": "170 min", "state": "firing", "level": "critical"},
                {"at": "290 min", "state": "ok"}]},
        {"name": "an idle server with one by hand", "interval": "30 s", "step": "10 min",
            "series": [
                {"metric": "pg_checkpoints_requested_total", "values": "10x60 11x180"},
                {"metric": "pg_checkpoints_total", "values": "100x60 101x180"}],
            "expect": [{"at": "1 h", "state": "ok"}, {"at": "110 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'wal_directory_size', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'pg_wal is {{ value }} times max_wal_size ({{ labels }})',
    'metric_name', 'pg_wal_size_bytes',
    'condition_type', 'ratio', 'aggregate', 'last', 'evaluation_window', '10 min',
    'condition_definition', jsonb '{"denominator": "pg_settings_max_wal_size_bytes", "allow_unknown_metric": true}',
    'comparison_operator', 'gt',
    'warning_threshold', 3, 'warning_recovery', 2, 'warning_for', '10 min',
    'critical_threshold', 10, 'critical_recovery', 5, 'critical_for', '10 min', 'severity', 'high',
    'evaluation_interval', '5 min',
    'rationale',
        'pg_wal is several times max_wal_size. Something keeps it: a slot, a failing archiver, wal_keep_size. '
        'Relative to the setting, so that it fits small and large servers.',
    'suggested_actions', jsonb_build_array(
        'What keeps it: select slot_name, active, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) '
        'from pg_replication_slots; select failed_count, last_failed_time from pg_stat_archiver; show wal_keep_size;',
        'Never delete files in pg_wal by hand.'),
    'related_metrics', jsonb_build_array(
        'pg_replication_slots_pg_wal_lsn_diff', 'pg_archive_ready_files', 'pg_wal_segments'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "10 min",
            "series": [
                {"metric": "pg_wal_size_bytes", "values": "1073741824x40 12884901888x80 1073741824x80"},
                {"metric": "pg_settings_max_wal_size_bytes", "values": "1073741824x200"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "50 min", "state": "firing", "level": "critical"},
                {"at": "90 min", "state": "ok"}]},
        {"name": "at max_wal_size and a half", "interval": "30 s", "step": "10 min",
            "series": [
                {"metric": "pg_wal_size_bytes", "values": "1610612736x80"},
                {"metric": "pg_settings_max_wal_size_bytes", "values": "1073741824x80"}],
            "expect": [{"at": "20 min", "state": "ok"}, {"at": "30 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'fsync_off', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'fsync is switched off ({{ labels }})',
    'metric_name', 'pg_settings_fsync',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'condition_definition', jsonb '{"allow_unknown_metric": true}',
    'comparison_operator', 'lt',
    'critical_threshold', 1, 'critical_recovery', 1,
    'evaluation_interval', '5 min',
    'rationale',
        'Without fsync a crash of the machine can destroy the whole cluster. Fine for throw-away servers: disable '
        'the rule there.',
    'suggested_actions', jsonb_build_array(
        'alter system set fsync = on; select pg_reload_conf();',
        'Who switched it off, and when: select * from monitoring.setting_changes where name = ''fsync'' order by '
        'changed_at desc;'),
    'related_metrics', jsonb_build_array('pg_settings_full_page_writes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [{"metric": "pg_settings_fsync", "values": "1x2 0x4 1x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "25 min", "state": "firing", "level": "critical"},
                {"at": "65 min", "state": "ok"}]},
        {"name": "on", "interval": "5 min", "step": "5 min",
            "series": [{"metric": "pg_settings_fsync", "values": "1x8"}],
            "expect": [{"at": "20 min", "state": "ok"}, {"at": "35 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'full_page_writes_off', 'rule_category', 'wal', 'platform', 'postgresql',
    'title_template', 'full_page_writes is switched off ({{ labels }})',
    'metric_name', 'pg_settings_full_page_writes',
    'aggregate', 'last', 'evaluation_window', '15 min',
    'condition_definition', jsonb '{"allow_unknown_metric": true}',
    'comparison_operator', 'lt',
    'critical_threshold', 1, 'critical_recovery', 1, 'severity', 'high',
    'evaluation_interval', '5 min',
    'rationale',
        'Without full page images a crash in the middle of a write leaves torn pages that recovery cannot mend. Only '
        'a file system that never tears pages may do without: disable the rule there.',
    'suggested_actions', jsonb_build_array(
        'alter system set full_page_writes = on; select pg_reload_conf();'),
    'related_metrics', jsonb_build_array('pg_settings_fsync'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "5 min", "step": "5 min",
            "series": [{"metric": "pg_settings_full_page_writes", "values": "1x2 0x4 1x8"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "25 min", "state": "firing", "level": "critical"},
                {"at": "65 min", "state": "ok"}]},
        {"name": "on", "interval": "5 min", "step": "5 min",
            "series": [{"metric": "pg_settings_full_page_writes", "values": "1x8"}],
            "expect": [{"at": "20 min", "state": "ok"}, {"at": "35 min", "state": "ok"}]}]$tests$));
