-- rules/pgvigil.sql: alert rules on the collecting and scheduling of pgvigil itself.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'collectors_overdue', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Collectors do not run: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_collectors_overdue',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '5 min',
    'critical_threshold', 5, 'critical_recovery', 1, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'Collectors that should have run did not, for minutes: no service, too few sessions, or one that hangs. What '
        'they measure is not watched meanwhile, and other rules cannot know.',
    'suggested_actions', jsonb_build_array(
        'Which: select name, target, datname, status, reason, next_due_at, running_instance_id from '
        'monitoring.collector_status where next_due_at < now() order by next_due_at;',
        'Is a service there: select * from monitoring.service_instances; and its log; pgvigil doctor.'),
    'related_metrics', jsonb_build_array('pgvigil_collectors_failing', 'pgvigil_service_instances'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_collectors_overdue", "labels": {"target": "local"}, "values": "0x4 9x20 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "one late for two minutes", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_collectors_overdue", "labels": {"target": "local"}, "values": "0x10 1x4 0x10"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'collectors_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Collectors fail: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_collectors_failing',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '10 min',
    'critical_threshold', 5, 'critical_recovery', 1, 'critical_for', '10 min', 'severity', 'high',
    'rationale',
        'A collector failed three times in a row and more: what it measures is missing. One that the server cannot '
        'serve, for lack of a right or an extension, says so elsewhere and does not count.',
    'suggested_actions', jsonb_build_array(
        'Which and why: select name, target, datname, status, reason, remedy from monitoring.collector_status where '
        'consecutive_failures >= 3;',
        'pgvigil collect NAME runs it now and shows the error.'),
    'related_metrics', jsonb_build_array('pgvigil_collectors_overdue'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_collectors_failing", "labels": {"target": "local"}, "values": "0x4 6x28 0x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "15 min", "state": "firing", "level": "critical"},
                {"at": "23 min", "state": "ok"}]},
        {"name": "it recovers within minutes", "interval": "30 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_collectors_failing", "labels": {"target": "local"}, "values": "0x4 1x10 0x10"}],
            "expect": [{"at": "1 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'job_failing', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Job {{ labels.job }} failed {{ value }} in a row ({{ labels }})',
    'metric_name', 'pgvigil_job_consecutive_failures',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gte',
    'warning_threshold', 3, 'warning_recovery', 0,
    'critical_threshold', 10, 'critical_recovery', 0, 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'A scheduled job failed three times in a row: retries did not help, so that it will not mend itself.',
    'suggested_actions', jsonb_build_array(
        'Why: select * from monitoring.job_history where job = ''NAME'' order by started_at desc limit 5; or pgvigil '
        'jobs show NAME',
        'Once it is mended: select monitoring.run_job(''NAME'');'),
    'related_metrics', jsonb_build_array('pgvigil_job_last_success_timestamp_seconds', 'pgvigil_job_slots_total'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_job_consecutive_failures", "labels": {"job": "nightly"},
                    "values": "0x8 12x20 0x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "it failed twice", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pgvigil_job_consecutive_failures", "labels": {"job": "nightly"},
                    "values": "1x12 2x12 0x12"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "8 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'job_waiting', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Job {{ labels.job }} waits ({{ labels }})',
    'metric_name', 'pgvigil_job_waiting',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '10 min',
    'critical_threshold', 1, 'critical_recovery', 0, 'critical_for', '1 h', 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'A run of a job waits for a service or for another run for a quarter of an hour: no service is there, all '
        'are busy, or the run before it hangs.',
    'suggested_actions', jsonb_build_array(
        'What runs: select * from monitoring.job_status where running > 0 or waiting > 0; or pgvigil jobs list',
        'A run that hangs: pgvigil jobs cancel NAME; and give the job a timeout.'),
    'related_metrics', jsonb_build_array('pgvigil_job_running', 'pgvigil_job_last_lateness_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pgvigil_job_waiting", "labels": {"job": "nightly"}, "values": "0x8 1x72 0x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "19 min", "state": "firing", "level": "warning"},
                {"at": "27 min", "state": "ok"}]},
        {"name": "a queue of five minutes", "interval": "15 s", "step": "1 min",
            "series": [{"metric": "pgvigil_job_waiting", "labels": {"job": "nightly"}, "values": "0x20 1x20 0x20"}],
            "expect": [{"at": "7 min", "state": "ok"}, {"at": "14 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'partition_problems', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Partitions need care: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_partition_problems',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_for', '30 min',
    'critical_threshold', 1, 'critical_recovery', 0, 'critical_for', '1 day', 'severity', 'high',
    'rationale',
        'Partitions of pgvigil''s own tables are missing, left behind, or their default partition holds rows: the '
        'job that maintains them does not run or cannot. Nothing is lost yet.',
    'suggested_actions', jsonb_build_array(
        'Which: select * from monitoring.partition_problems;',
        'call monitoring.maintain_partitions(); and read its error, or select * from '
        'monitoring.partition_maintenance order by 1 desc limit 5;'),
    'related_metrics', jsonb_build_array('pgvigil_job_consecutive_failures'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_partition_problems", "values": "0x20 2x120 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "65 min", "state": "firing", "level": "warning"},
                {"at": "85 min", "state": "ok"}]},
        {"name": "a day begins", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_partition_problems", "values": "0x20 1x20 0x20"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'rollups_behind', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Rollups of {{ labels.resolution }} are behind: {{ value }} s ({{ labels }})',
    'metric_name', 'pgvigil_rollup_behind_seconds',
    'aggregate', 'min', 'evaluation_window', '5 min',
    'comparison_operator', 'gte',
    'warning_threshold', 900, 'warning_recovery', 300, 'warning_for', '5 min', 'warning_severity', 'low',
    'critical_threshold', 21600, 'critical_recovery', 900, 'critical_for', '5 min', 'severity', 'high',
    'rationale',
        'Buckets that are over are not rolled up. Answers about them come from samples meanwhile and are slower; '
        'samples are kept until it is done, so space runs out in the end.',
    'suggested_actions', jsonb_build_array(
        'How far each level is: select * from monitoring.rollup_status; what the last runs did: select * from '
        'monitoring.rollup_runs order by started_at desc limit 10;',
        'call monitoring.refresh_rollups(); and read its error; select * from monitoring.job_status where name = '
        '''refresh-rollups''.'),
    'related_metrics', jsonb_build_array('pgvigil_rollup_late_ranges', 'pgvigil_job_consecutive_failures'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_rollup_behind_seconds", "labels": {"resolution": "1h"},
                "values": "0x20 1000+30x60 0x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "35 min", "state": "firing", "level": "warning"},
                {"at": "55 min", "state": "ok"}]},
        {"name": "a few minutes of catching up", "interval": "30 s", "step": "5 min",
            "series": [{"metric": "pgvigil_rollup_behind_seconds", "labels": {"resolution": "1h"},
                "values": "0x20 1000x8 0x40"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'samples_refused', 'rule_category', 'pgvigil', 'platform', 'pgvigil',
    'title_template', 'Samples refused, {{ labels.reason }}: {{ value }} ({{ labels }})',
    'metric_name', 'pgvigil_rejected_samples_total',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gt',
    'warning_threshold', 100, 'warning_recovery', 10, 'warning_severity', 'low',
    'critical_threshold', 10000, 'critical_recovery', 1000, 'severity', 'medium',
    'rationale',
        'The store refuses samples: a clock that is wrong, a metric with too many series, a sender with a fault. '
        'What is refused is watched by no rule.',
    'suggested_actions', jsonb_build_array(
        'What and why: select reason, metric, count(*), max(rejected_at) from monitoring.rejected_samples where '
        'rejected_at > now() - interval ''1 hour'' group by 1, 2 order by 3 desc limit 20;',
        'too_many_series: give the sender fewer label values, or raise the limit of the setting that the reason '
        'names.'),
    'related_metrics', jsonb_build_array('pgvigil_collectors_failing'),
    'tests', jsonb $tests$[
        {"name": "fires when thousands are refused, clears", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pgvigil_rejected_samples_total", "labels": {"reason": "too_many_series"},
                    "values": "5x20 5+2000x30 60000x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "25 min", "state": "firing", "level": "critical"},
                {"at": "40 min", "state": "ok"}]},
        {"name": "a few", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pgvigil_rejected_samples_total", "labels": {"reason": "too_old"},
                    "values": "5x20 5+1x30"}],
            "expect": [{"at": "10 min", "state": "ok"}, {"at": "20 min", "state": "ok"}]}]$tests$));
