-- rules/slots.sql: alert rules on replication slots, which keep WAL for others.

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'slot_retained_wal', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Slot {{ labels.slot_name }} retains {{ value }} of WAL ({{ labels }})',
    'metric_name', 'pg_replication_slots_pg_wal_lsn_diff',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 10737418240, 'warning_recovery', 5368709120, 'warning_for', '5 min',
    'critical_threshold', 53687091200, 'critical_recovery', 26843545600, 'critical_for', '5 min',
    'no_data_policy', 'resolve',
    'rationale',
        'A slot keeps WAL until its consumer has it, and the disk of the primary pays. Change the thresholds to a '
        'fifth and a half of what is free there, or set max_slot_wal_keep_size, which slot_wal_limit watches.',
    'suggested_actions', jsonb_build_array(
        'Which slot: select slot_name, slot_type, active, wal_status, '
        'pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) as retained from pg_replication_slots '
        'order by restart_lsn;',
        'Its consumer is alive but slow: see the lag of that standby or subscription.',
        'Its consumer is gone for good: select pg_drop_replication_slot(''NAME'');'),
    'related_metrics', jsonb_build_array(
        'pg_replication_slots_active', 'pg_wal_size_bytes', 'pg_replication_slots_safe_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_pg_wal_lsn_diff", "labels": {"slot_name": "north"},
                    "values": "1048576x8 85899345920x40 1048576x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "11 min", "state": "firing", "level": "critical"},
                {"at": "19 min", "state": "ok"}]},
        {"name": "two gigabytes in a batch", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_pg_wal_lsn_diff", "labels": {"slot_name": "north"},
                    "values": "1048576x8 2147483648x40"}],
            "expect": [{"at": "6 min", "state": "ok"}, {"at": "11 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'slot_wal_limit', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Slot {{ labels.slot_name }} has used {{ value }} of max_slot_wal_keep_size ({{ labels }})',
    'metric_name', 'pg_replication_slots_retained_ratio',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gt',
    'warning_threshold', 0.5, 'warning_recovery', 0.25, 'warning_for', '5 min',
    'critical_threshold', 0.8, 'critical_recovery', 0.5, 'critical_for', '1 min',
    'no_data_policy', 'resolve',
    'rationale',
        'Past max_slot_wal_keep_size the slot is invalidated and its consumer has to be built anew. Silent where '
        'that setting is -1.',
    'suggested_actions', jsonb_build_array(
        'Which slot: select slot_name, active, wal_status, pg_size_pretty(safe_wal_size) as left from '
        'pg_replication_slots order by safe_wal_size;',
        'Bring its consumer back, or raise max_slot_wal_keep_size if the disk allows: alter system set '
        'max_slot_wal_keep_size = ''...''; select pg_reload_conf();'),
    'related_metrics', jsonb_build_array(
        'pg_replication_slots_pg_wal_lsn_diff', 'pg_replication_slots_safe_wal_size_bytes'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_retained_ratio", "labels": {"slot_name": "north"},
                    "values": "0.01x8 0.9x20 0.01x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "a third of it", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_retained_ratio", "labels": {"slot_name": "north"},
                    "values": "0.33x40"}],
            "expect": [{"at": "5 min", "state": "ok"}, {"at": "9 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'slot_inactive', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Nobody reads from slot {{ labels.slot_name }} ({{ labels }})',
    'metric_name', 'pg_replication_slots_active',
    'aggregate', 'max', 'evaluation_window', '1 min',
    'comparison_operator', 'lt',
    'warning_threshold', 1, 'warning_recovery', 1, 'warning_for', '15 min',
    'critical_threshold', 1, 'critical_recovery', 1, 'critical_for', '2 h', 'severity', 'high',
    'no_data_policy', 'resolve',
    'rationale',
        'Nobody reads from the slot while the primary keeps WAL for it, and for a logical one dead rows of the '
        'catalogues too. A restart takes minutes; two hours are a consumer that is gone.',
    'suggested_actions', jsonb_build_array(
        'Which slot: select slot_name, plugin, slot_type, database, active, '
        'pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) as retained from pg_replication_slots '
        'where not active;',
        'Start its consumer: the standby, the subscription (alter subscription NAME enable;) or the connector.',
        'Gone for good: select pg_drop_replication_slot(''NAME'');'),
    'related_metrics', jsonb_build_array(
        'pg_replication_slots_pg_wal_lsn_diff', 'pg_replication_slots_xmin_age',
        'pg_replication_slots_catalog_xmin_age'),
    'tests', jsonb $tests$[
        {"name": "warns after a quarter of an hour, clears when it is read again", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_active", "labels": {"slot_name": "north"},
                    "values": "1x8 0x72 1x16"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "10 min", "state": "pending"},
                {"at": "19 min", "state": "firing", "level": "warning"},
                {"at": "23 min", "state": "ok"}]},
        {"name": "its consumer restarts", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_active", "labels": {"slot_name": "north"},
                    "values": "1x20 0x20 1x20"}],
            "expect": [{"at": "4 min", "state": "ok"}, {"at": "14 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'slot_unreserved', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Slot {{ labels.slot_name }} is about to lose WAL ({{ labels }})',
    'metric_name', 'pg_replication_slots_wal_status',
    'matchers', jsonb '{"wal_status": "unreserved"}',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gte',
    'warning_threshold', 1, 'warning_recovery', 0, 'warning_severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'The slot lost its claim on WAL that its consumer still needs: the next checkpoint may remove it, and then '
        'the consumer has to be built anew.',
    'suggested_actions', jsonb_build_array(
        'Which slot: select slot_name, wal_status, safe_wal_size, active from pg_replication_slots where wal_status '
        'in (''unreserved'', ''lost'');',
        'Let its consumer catch up at once, or raise max_slot_wal_keep_size: alter system set max_slot_wal_keep_size '
        '= ''...''; select pg_reload_conf();'),
    'related_metrics', jsonb_build_array(
        'pg_replication_slots_retained_ratio', 'pg_replication_slots_pg_wal_lsn_diff'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_wal_status",
                    "labels": {"slot_name": "north", "wal_status": "unreserved"},
                    "values": "_x8 1x20 _x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "warning"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "a slot that is reserved", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_wal_status",
                    "labels": {"slot_name": "north", "wal_status": "reserved"},
                    "values": "1x20"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "4 min", "state": "ok"}]}]$tests$));

select monitoring_internal.load_alert_rule(jsonb_build_object(
    'rule_name', 'slot_lost', 'rule_category', 'replication', 'platform', 'postgresql',
    'title_template', 'Slot {{ labels.slot_name }} is lost ({{ labels }})',
    'metric_name', 'pg_replication_slots_wal_status',
    'matchers', jsonb '{"wal_status": "lost"}',
    'aggregate', 'last', 'evaluation_window', '1 min',
    'comparison_operator', 'gte',
    'critical_threshold', 1, 'critical_recovery', 0, 'severity', 'high',
    'no_data_policy', 'ok',
    'rationale',
        'WAL that the slot''s consumer needs is gone. It can never go on from there: a standby needs the archive or '
        'a new copy, a subscription a new synchronisation.',
    'suggested_actions', jsonb_build_array(
        'Which slot: select slot_name, slot_type, wal_status, database from pg_replication_slots where wal_status = '
        '''lost'';',
        'Build the consumer anew, then drop the slot: select pg_drop_replication_slot(''NAME'');'),
    'related_metrics', jsonb_build_array('pg_replication_slots_invalidated', 'pg_replication_slots_retained_ratio'),
    'tests', jsonb $tests$[
        {"name": "fires and clears", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_wal_status",
                    "labels": {"slot_name": "north", "wal_status": "lost"},
                    "values": "_x8 1x20 _x32"}],
            "expect": [
                {"at": "1 min", "state": "ok"},
                {"at": "6 min", "state": "firing", "level": "critical"},
                {"at": "14 min", "state": "ok"}]},
        {"name": "a slot whose WAL is extended", "interval": "15 s", "step": "1 min",
            "series": [
                {"metric": "pg_replication_slots_wal_status",
                    "labels": {"slot_name": "north", "wal_status": "extended"},
                    "values": "1x20"}],
            "expect": [{"at": "2 min", "state": "ok"}, {"at": "4 min", "state": "ok"}]}]$tests$));
