-- rules/replication.sql: alert rules on standbys, subscriptions and roles.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'replica_lag_bytes', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Standby {{ labels.application_name }} is {{ value }} of WAL behind ({{ labels }})',
    'metric_name', 'pg_stat_replication_replay_lag_bytes',
    'aggregate', 'min', 'evaluation_window', '3 min',
    'group_by', jsonb_build_array('server', 'application_name', 'client_addr'), 'group_aggregate', 'max',
    'comparison_operator', 'gt',
    'warning_threshold', 268435456, 'warning_recovery', 134217728, 'warning_for', '2 min',
    'critical_threshold', 1073741824, 'critical_recovery', 536870912, 'critical_for', '2 min', 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'WAL that a standby has not replayed: what a failover would lose or wait for. The least value of three '
        'minutes counts, so that a batch that the standby catches up with stays quiet. Bytes tell the truth on an '
        'idle primary as well, where times do not.',
    'suggested_actions', jsonb_build_array(
        'Where it is stuck, on the primary: select application_name, state, sent_lsn, write_lsn, flush_lsn, '
        'replay_lsn, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) as behind from pg_stat_replication;',
        'sent is behind: the network. flush is behind: the standby''s disk. replay is behind: a conflict or one busy '
        'recovery process.',
        'On the standby: select pg_is_wal_replay_paused(), pg_last_wal_replay_lsn(); and select * from '
        'pg_stat_database_conflicts;'),
    'related_metrics', jsonb_build_array(
        'pg_stat_replication_sent_lag_bytes', 'pg_stat_replication_flush_lag_bytes',
        'pg_replication_lag_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_replication_replay_lag_bytes",
                    "labels": {"application_name": "north", "client_addr": "10.0.0.2", "state": "streaming"},
                    "values": "0x8 3221225472x40 0x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "a batch that is caught up with", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_replication_replay_lag_bytes",
                    "labels": {"application_name": "north", "client_addr": "10.0.0.2", "state": "streaming"},
                    "values": "0x20 2147483648x8 0x20"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'replica_lag_time', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Standby is {{ value }} behind ({{ labels }})',
    'metric_name', 'pg_replication_lag_seconds',
    'aggregate', 'min', 'evaluation_window', '2 min',
    'comparison_operator', 'gt',
    'warning_threshold', 60, 'warning_recovery', 30, 'warning_for', '2 min',
    'critical_threshold', 600, 'critical_recovery', 120, 'critical_for', '2 min', 'severity', 'high',
    'rationale',
        'How old the standby''s data is. It is zero while everything received is replayed and the receiver streams, '
        'so that an idle primary does not look like a slow standby.',
    'suggested_actions', jsonb_build_array(
        'On the standby: select now() - pg_last_xact_replay_timestamp() as behind, pg_is_wal_replay_paused(), '
        'status, latest_end_time from (select 1) as one left join pg_stat_wal_receiver on true;',
        'A query on the standby may hold replay up: select pid, now() - xact_start as age, query from '
        'pg_stat_activity where xact_start is not null order by 2 desc;',
        'Keep readers away from it until it has caught up.'),
    'related_metrics', jsonb_build_array(
        'pg_replication_last_replay_seconds', 'pg_wal_receiver_is_streaming',
        'pg_stat_replication_replay_lag_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_lag_seconds", "labels": {"server": "south"},
                    "values": "0x8 650+15x32 0x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "9 min", "state": "firing", "level": "critical"},
                {"at": "17 min", "state": "ok"}]},
        {"name": "half a minute behind", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_lag_seconds", "labels": {"server": "south"}, "values": "0x8 40x24"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "7 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'replica_disconnected', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Standby {{ labels.application_name }} has been gone for {{ value }} ({{ labels }})',
    'metric_name', 'pg_stat_replication_pg_wal_lsn_diff',
    'matchers', jsonb '{"state": {"re": "streaming|catchup"}, "application_name": {"nre": "pg_[0-9]+_sync_.*"}}',
    'condition_type', 'absence', 'aggregate', 'count', 'evaluation_window', '2 min',
    'group_by', jsonb_build_array('server', 'application_name', 'client_addr'), 'group_aggregate', 'sum',
    'condition_definition', jsonb '{"lookback": "1 day"}',
    'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'A standby that was connected within the last day is not any more. Lag says nothing then: the row is gone, '
        'and with it the lag. One that was taken away on purpose is forgotten after a day; base backups and workers '
        'that copy a table are none.',
    'suggested_actions', jsonb_build_array(
        'Who is still there, on the primary: select application_name, client_addr, state, sync_state, reply_time '
        'from pg_stat_replication;',
        'On the standby: select status, last_msg_receipt_time, sender_host from pg_stat_wal_receiver; and the log of '
        'its receiver.',
        'Taken away on purpose: drop its slot, select pg_drop_replication_slot(''NAME''); and silence this for a day.'),
    'related_metrics', jsonb_build_array('pg_replication_slots_active', 'pg_wal_receiver_is_streaming'),
    'tests', jsonb $tests$[
        {"name": "fires when the row is gone, and clears when it is back", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_replication_pg_wal_lsn_diff",
                    "labels": {"application_name": "north", "client_addr": "10.0.0.2", "state": "streaming"},
                    "values": "0x16 _x24 0x20"}],
            "expect": [
                {"at": "3 min", "state": "ok"},
                {"at": "9 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "a reconnection within a minute", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_stat_replication_pg_wal_lsn_diff",
                    "labels": {"application_name": "north", "client_addr": "10.0.0.2", "state": "streaming"},
                    "values": "0x20 _x3 0x20"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "585 s", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'wal_receiver_down', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Standby receives no WAL ({{ labels }})',
    'metric_name', 'pg_wal_receiver_is_streaming',
    'aggregate', 'max', 'evaluation_window', '1 min',
    'comparison_operator', 'lt',
    'critical_threshold', 1, 'critical_recovery', 1, 'critical_for', '2 min', 'severity', 'high',
    'rationale',
        'A standby that is set up to stream does not. Its data stands still, and the time since its last transaction '
        'only tells once the primary writes something.',
    'suggested_actions', jsonb_build_array(
        'On the standby: select status, sender_host, last_msg_receipt_time from pg_stat_wal_receiver; no row means '
        'no connection.',
        'The standby''s log has the reason: requested WAL segment removed, password, pg_hba.conf, slot in use or '
        'gone.',
        'The WAL is gone: restore it from the archive, or take the standby anew with pg_basebackup.'),
    'related_metrics', jsonb_build_array('pg_replication_lag_seconds', 'pg_replication_last_replay_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_wal_receiver_is_streaming", "labels": {"server": "south"},
                    "values": "1x8 0x24 1x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "7 min", "state": "firing", "level": "critical"},
                {"at": "15 min", "state": "ok"}]},
        {"name": "a restart of the primary", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_wal_receiver_is_streaming", "labels": {"server": "south"},
                    "values": "1x12 0x4 1x20"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "8 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'recovery_role_changed', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Server changed between primary and standby ({{ labels }})',
    'metric_name', 'pg_replication_is_replica',
    'aggregate', 'delta', 'evaluation_window', '30 min',
    'comparison_operator', 'ne',
    'critical_threshold', 0, 'severity', 'high',
    'rationale',
        'A primary became a standby or the other way round. Meant or not, whoever is on call should know it: '
        'clients, backups and jobs may still go to the old one. Over by itself after half an hour.',
    'suggested_actions', jsonb_build_array(
        'What it is now: select pg_is_in_recovery(), timeline_id from pg_control_checkpoint();',
        'Was it meant? Make sure that the former primary is fenced: two that take writes drift apart.',
        'Point clients, backups and cron jobs at the new primary; give the old one back as a standby with pg_rewind.'),
    'related_metrics', jsonb_build_array('pg_timeline_id', 'pg_up'),
    'tests', jsonb $tests$[
        {"name": "fires, and is over in half an hour", "interval": "15 s", "step": "5 min",
            "series": [
                {"metric": "pg_replication_is_replica", "labels": {"server": "south"}, "values": "1x40 0x180"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "15 min", "state": "firing", "level": "critical"},
                {"at": "50 min", "state": "ok"}]},
        {"name": "a standby that stays one", "interval": "15 s", "step": "10 min",
            "series": [{"metric": "pg_replication_is_replica", "labels": {"server": "south"}, "values": "1x160"}],
            "expect": [{"at": "20 min", "state": "ok"}, {"at": "30 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'subscription_errors', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Subscription {{ labels.subname }} cannot apply changes ({{ labels }})',
    'metric_name', 'pg_stat_subscription_apply_errors_total',
    'aggregate', 'increase', 'evaluation_window', '15 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0,
    'critical_threshold', 10, 'critical_recovery', 1, 'severity', 'high',
    'rationale',
        'A subscription that cannot apply a change tries the same one again and again: nothing after it arrives, and '
        'its slot keeps WAL on the publisher.',
    'suggested_actions', jsonb_build_array(
        'Which one: select subname, apply_error_count, sync_error_count from pg_stat_subscription_stats;',
        'The subscriber''s log names the table and the row; most often a unique key that was written there as well.',
        'Mend the row, or skip that transaction: alter subscription NAME skip (lsn = ''X/Y'');'),
    'related_metrics', jsonb_build_array(
        'pg_stat_subscription_sync_errors_total', 'pg_replication_slots_pg_wal_lsn_diff'),
    'tests', jsonb $tests$[
        {"name": "fires when errors come, clears when they end", "interval": "15 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_subscription_apply_errors_total", "labels": {"subname": "shop"},
                    "values": "3x60 3+1x20 22x120"}],
            "expect": [
                {"at": "10 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "critical"},
                {"at": "45 min", "state": "ok"}]},
        {"name": "errors of last month", "interval": "15 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_subscription_apply_errors_total", "labels": {"subname": "shop"},
                    "values": "250x120"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'recovery_conflicts', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Queries cancelled on a standby: {{ value }} ({{ labels }})',
    'metric_name', 'pg_stat_database_conflicts',
    'aggregate', 'increase', 'evaluation_window', '10 min',
    'comparison_operator', 'gte',
    'warning_threshold', 5, 'warning_recovery', 1, 'warning_severity', 'low',
    'critical_threshold', 100, 'critical_recovery', 20, 'severity', 'high',
    'rationale',
        'Queries on a standby that were cancelled so that replay could go on. A few are the price of a hot standby; '
        'many mean that its readers and the primary''s vacuum do not fit together.',
    'suggested_actions', jsonb_build_array(
        'Of which kind: select * from pg_stat_database_conflicts;',
        'Snapshots: hot_standby_feedback = on, which keeps dead rows on the primary. Locks: no exclusive locks on '
        'the primary while reports run.',
        'Or let replay wait longer: max_standby_streaming_delay.'),
    'related_metrics', jsonb_build_array('pg_stat_database_conflicts_total', 'pg_replication_lag_seconds'),
    'tests', jsonb $tests$[
        {"name": "fires when many are cancelled, clears", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_conflicts", "labels": {"datname": "shop"},
                    "values": "10x20 10+10x20 200x40"}],
            "expect": [
                {"at": "5 min", "state": "ok"},
                {"at": "20 min", "state": "firing", "level": "critical"},
                {"at": "35 min", "state": "ok"}]},
        {"name": "one in ten minutes", "interval": "30 s", "step": "5 min",
            "series": [
                {"metric": "pg_stat_database_conflicts", "labels": {"datname": "shop"},
                    "values": "10x20 11x20 12x20"}],
            "expect": [{"at": "15 min", "state": "ok"}, {"at": "25 min", "state": "ok"}]}]$tests$));
