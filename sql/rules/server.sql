-- rules/server.sql: alert rules on the server as a whole and its settings.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'instance_unreachable', 'rule_category', 'server', 'platform', 'postgresql',
    'title_template', 'Server does not answer ({{ labels }})',
    'metric_name', 'pg_up',
    'aggregate', 'max', 'evaluation_window', '45 s',
    'comparison_operator', 'lt',
    'critical_threshold', 1, 'critical_recovery', 1, 'critical_for', '30 s',
    'keep_firing_for', '30 s',
    'rationale',
        'The server has not answered for 45 seconds, three tries in a row at least. Nothing else about it can be '
        'known meanwhile.',
    'suggested_actions', jsonb_build_array(
        'pg_isready -h HOST -p PORT; then the server''s log, the service manager, the machine.',
        'What pgvigil was told: select name, status, reason from monitoring.target_status; a password that changed '
        'looks the same from here.',
        'Too many connections refuse as well: see connections_used.'),
    'related_metrics', jsonb_build_array('pg_postmaster_start_time_seconds', 'pg_connection_slots_used_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "30 s",
            "series": [{"metric": "pg_up", "labels": {"server": "south"}, "values": "1x4 0x12 1x16"}],
            "expect": [
                {"at": "30 s", "state": "ok"},
                {"at": "210 s", "state": "firing", "level": "critical"},
                {"at": "450 s", "state": "ok"}]},
        {"name": "two tries fail", "interval": "15 s", "step": "30 s",
            "series": [{"metric": "pg_up", "labels": {"server": "south"}, "values": "1x8 0x2 1x8"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "4 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'instance_restarted', 'rule_category', 'server', 'platform', 'postgresql',
    'title_template', 'Server was restarted ({{ labels }})',
    'metric_name', 'pg_postmaster_start_time_seconds',
    'aggregate', 'delta', 'evaluation_window', '15 min',
    'comparison_operator', 'gt',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_severity', 'medium',
    'rationale',
        'The server started anew within the last quarter of an hour. In a maintenance window that is silent; else it '
        'was a crash, the kernel, or somebody who told nobody.',
    'suggested_actions', jsonb_build_array(
        'select pg_postmaster_start_time(); and the server''s log before it: "terminated by signal", "out of '
        'memory", "received fast shutdown request".',
        'dmesg -T | grep -i -E ''oom|killed process'''),
    'related_metrics', jsonb_build_array('pg_up', 'host_memory_used_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires after a restart, and is over in a quarter of an hour", "interval": "15 s", "step": "5 min",
            "series": [{"metric": "pg_postmaster_start_time_seconds", "values": "1767600000x60 1767614500x120"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "warning"},
                {"at": "40 min", "state": "ok"}]},
        {"name": "up for a year", "interval": "15 s", "step": "5 min",
            "series": [{"metric": "pg_postmaster_start_time_seconds", "values": "1736000000x120"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'settings_pending_restart', 'rule_category', 'server', 'platform', 'postgresql',
    'title_template', 'A changed setting waits for a restart ({{ labels }})',
    'metric_name', 'pg_settings_pending_restart',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0, 'warning_recovery', 0, 'warning_for', '1 h', 'warning_severity', 'low',
    'evaluation_interval', '5 min',
    'rationale',
        'A setting was changed that only a restart brings into force: the file says one thing, the server does '
        'another, and the next crash is the first test of it.',
    'suggested_actions', jsonb_build_array(
        'Which: select name, setting, sourcefile, sourceline from pg_settings where pending_restart;',
        'Restart in the next maintenance window, or take the change back and reload.'),
    'related_metrics', jsonb_build_array('pg_config_load_timestamp_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "10 min",
            "series": [{"metric": "pg_settings_pending_restart", "values": "0x80 2x320 0x120"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "90 min", "state": "firing", "level": "warning"},
                {"at": "2 h", "state": "ok"}]},
        {"name": "a restart follows within the hour", "interval": "15 s", "step": "10 min",
            "series": [{"metric": "pg_settings_pending_restart", "values": "0x80 1x80 0x120"}],
            "expect": [{"at": "10 min", "state": "ok"}, {"at": "1 h", "state": "ok"}]}]$tests$));
