-- rules/upkeep.sql: alert rules on checks of backups, archives, and data that may not go.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'backup_check_problem', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Backups: the check is {{ labels.problem }} ({{ labels }})',
    'metric_name', 'pgvigil_backup_check_problem',
    'aggregate', 'last', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'critical_threshold', 1, 'critical_recovery', 0, 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'A backup did not restore into a fresh server with all of its rows, or none was seen to do so lately. What '
        'cannot be restored is no backup, and one learns of it when it is needed.',
    'suggested_actions', jsonb_build_array(
        'What it found: select * from monitoring.backup_checks order by started_at desc limit 5;',
        'pgvigil backup check, where backups are kept; does its timer still run?',
        'Checked seldom on purpose: raise setting backup.check_within; no longer at all: disable the rule.'),
    'related_metrics', jsonb_build_array('pgvigil_archive_problems'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_backup_check_problem", "labels": {"problem": "failed"},
                "values": "0x20 1x40 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "critical"},
                {"at": "40 min", "state": "ok"}]},
        {"name": "checks pass", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_backup_check_problem", "labels": {"problem": "overdue"}, "values": "0x60"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'archive_problem', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template',
        'Archive of {{ labels.retention_class }}: {{ value }} days are {{ labels.problem }} ({{ labels }})',
    'metric_name', 'pgvigil_archive_problems',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'critical_threshold', 1, 'critical_recovery', 0, 'critical_for', '10 min', 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'Files of archived days are damaged or missing, or days could not be written three times in a row. Nothing is '
        'dropped meanwhile: what is in the store stays there. A damaged file of a day that left the store is a loss.',
    'suggested_actions', jsonb_build_array(
        'Which and why: pgvigil archive list CLASS',
        'damaged: a day that the store still has is written anew by itself; of another, bring the file back from a '
        'backup and run pgvigil archive verify CLASS DAY.',
        'failing: the reason is in the list: room, rights, credentials, the endpoint; then pgvigil archive run.'),
    'related_metrics', jsonb_build_array('pgvigil_retention_refused_seconds', 'pgvigil_backup_check_problem'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_archive_problems",
                "labels": {"retention_class": "compliance", "problem": "damaged"}, "values": "0x20 2x60 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "35 min", "state": "firing", "level": "critical"},
                {"at": "50 min", "state": "ok"}]},
        {"name": "written anew at once", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_archive_problems",
                "labels": {"retention_class": "compliance", "problem": "damaged"}, "values": "0x20 1x8 0x40"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'retention_refused', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template',
        'Data of {{ labels.retention_class }} ({{ labels.resolution }}) may not go, {{ labels.reason }}: {{ value }} s '
        'past their time ({{ labels }})',
    'metric_name', 'pgvigil_retention_refused_seconds',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '10 min', 'warning_severity', 'medium',
    'critical_threshold', 2592000, 'critical_recovery', 2500000, 'critical_for', '10 min', 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'Data are past their retention for longer than setting retention.refused_within and stay, since what replaces '
        'them is not there: not rolled up, not verified, not packed or not archived. Nothing is lost; the disk fills.',
    'suggested_actions', jsonb_build_array(
        'Which and why, in full: select * from monitoring.retention_status where refusal is not null;',
        'rollups, verification: select * from monitoring.rollup_status; does job refresh-rollups run?',
        'packing: select * from monitoring.packing_status; does job pack-samples run?',
        'archive: pgvigil archive list; does a service have --archive?'),
    'related_metrics', jsonb_build_array(
        'pgvigil_archive_problems', 'pgvigil_rollup_behind_seconds', 'pgvigil_job_consecutive_failures'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_retention_refused_seconds",
                "labels": {"retention_class": "compliance", "resolution": "raw", "reason": "archive"},
                "values": "0x20 300000+30x60 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "35 min", "state": "firing", "level": "warning"},
                {"at": "50 min", "state": "ok"}]},
        {"name": "refused for a day", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_retention_refused_seconds",
                "labels": {"retention_class": "compliance", "resolution": "raw", "reason": "archive"},
                "values": "0x60"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));
