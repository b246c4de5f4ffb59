-- policies/audit.sql: whose changes the audit trail records, and that it is only added to: configuration and alerts.

create or replace trigger audit_logs_only_added
    before update or delete or truncate on monitoring.audit_logs for each statement
    execute function monitoring_internal.refuse_audit_change();
create or replace trigger partition_policies_keep_audit
    before insert or update on monitoring.partition_policies for each row
    when (new.table_name = 'monitoring.audit_logs')
    execute function monitoring_internal.keep_audit_retention();

create or replace trigger collectors_audit_update
    after update of custom_every, is_enabled on monitoring.collectors for each row
    execute function monitoring_internal.audit_row(
        'collector', 'name', 'description,category,scope,tier,every,stale_after,row_cap,source,sink');

create or replace trigger alerts_audit_insert
    after insert on monitoring.alerts referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_alerts_made();
create or replace trigger alerts_audit_update
    after update on monitoring.alerts
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_alerts_changed();
create or replace trigger alerts_audit_delete
    after delete on monitoring.alerts referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_alerts_gone();

create or replace trigger tenants_audit_insert
    after insert on monitoring.tenants
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('tenant', 'tenant_id');
create or replace trigger tenants_audit_update
    after update on monitoring.tenants
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('tenant', 'tenant_id');
create or replace trigger tenants_audit_delete
    after delete on monitoring.tenants
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('tenant', 'tenant_id');

create or replace trigger tenant_members_audit_insert
    after insert on monitoring.tenant_members
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('tenant_member', 'role_name,tenant_id');
create or replace trigger tenant_members_audit_update
    after update on monitoring.tenant_members
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('tenant_member', 'role_name,tenant_id');
create or replace trigger tenant_members_audit_delete
    after delete on monitoring.tenant_members
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('tenant_member', 'role_name,tenant_id');

create or replace trigger settings_audit_insert
    after insert on monitoring.settings
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('setting', 'name');
create or replace trigger settings_audit_update
    after update on monitoring.settings
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('setting', 'name');
create or replace trigger settings_audit_delete
    after delete on monitoring.settings
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('setting', 'name');

create or replace trigger partition_policies_audit_insert
    after insert on monitoring.partition_policies
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('partition_policy', 'table_name');
create or replace trigger partition_policies_audit_update
    after update on monitoring.partition_policies
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('partition_policy', 'table_name');
create or replace trigger partition_policies_audit_delete
    after delete on monitoring.partition_policies
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('partition_policy', 'table_name');

create or replace trigger partition_holds_audit_insert
    after insert on monitoring.partition_holds
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('partition_hold', 'table_name,name');
create or replace trigger partition_holds_audit_update
    after update on monitoring.partition_holds
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('partition_hold', 'table_name,name');
create or replace trigger partition_holds_audit_delete
    after delete on monitoring.partition_holds
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('partition_hold', 'table_name,name');

create or replace trigger kpi_definitions_audit_insert
    after insert on monitoring.kpi_definitions
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('kpi_definition', 'kpi_definition_id');
create or replace trigger kpi_definitions_audit_update
    after update on monitoring.kpi_definitions
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('kpi_definition', 'kpi_definition_id');
create or replace trigger kpi_definitions_audit_delete
    after delete on monitoring.kpi_definitions
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('kpi_definition', 'kpi_definition_id');

create or replace trigger health_rules_audit_insert
    after insert on monitoring.health_rules
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('health_rule', 'name');
create or replace trigger health_rules_audit_update
    after update on monitoring.health_rules
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('health_rule', 'name');
create or replace trigger health_rules_audit_delete
    after delete on monitoring.health_rules
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('health_rule', 'name');

create or replace trigger jobs_audit_insert
    after insert on monitoring.jobs
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('job', 'job_id');
create or replace trigger jobs_audit_update
    after update on monitoring.jobs
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('job', 'job_id');
create or replace trigger jobs_audit_delete
    after delete on monitoring.jobs
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('job', 'job_id');

create or replace trigger alert_rules_audit_insert
    after insert on monitoring.alert_rules
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('alert_rule', 'id', 'last_triggered');
create or replace trigger alert_rules_audit_update
    after update on monitoring.alert_rules
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('alert_rule', 'id', 'last_triggered');
create or replace trigger alert_rules_audit_delete
    after delete on monitoring.alert_rules
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('alert_rule', 'id', 'last_triggered');

create or replace trigger alert_rule_tests_audit_insert
    after insert on monitoring.alert_rule_tests
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('alert_rule_test', 'alert_rule_test_id');
create or replace trigger alert_rule_tests_audit_update
    after update on monitoring.alert_rule_tests
    referencing old table as former_rows new table as later_rows for each statement
    execute function monitoring_internal.audit_changed('alert_rule_test', 'alert_rule_test_id');
create or replace trigger alert_rule_tests_audit_delete
    after delete on monitoring.alert_rule_tests
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('alert_rule_test', 'alert_rule_test_id');

create or replace trigger targets_audit_insert
    after insert on monitoring.targets
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made(
        'target', 'target_id',
        'sealed_for,is_secret_usable,system_identifier,timeline,server_version_num,is_in_recovery,facts,'
        'clock_offset_seconds,consecutive_failures,next_try_at,last_seen_at,last_failed_at,last_error,'
        'last_sqlstate');
create or replace trigger targets_audit_update
    after update of
        name, tenant_id, conninfo, sealed_secret, is_enabled, database_include, database_exclude, max_connections
    on monitoring.targets for each row
    execute function monitoring_internal.audit_row(
        'target', 'target_id',
        'sealed_for,is_secret_usable,system_identifier,timeline,server_version_num,is_in_recovery,facts,'
        'clock_offset_seconds,consecutive_failures,next_try_at,last_seen_at,last_failed_at,last_error,'
        'last_sqlstate');
create or replace trigger targets_audit_delete
    after delete on monitoring.targets
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone(
        'target', 'target_id',
        'sealed_for,is_secret_usable,system_identifier,timeline,server_version_num,is_in_recovery,facts,'
        'clock_offset_seconds,consecutive_failures,next_try_at,last_seen_at,last_failed_at,last_error,'
        'last_sqlstate');

create or replace trigger notification_channels_audit_insert
    after insert on monitoring.notification_channels
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made(
        'notification_channel', 'id',
        'current_hour_count,last_reset_at');
create or replace trigger notification_channels_audit_update
    after update of
        tenant_id, channel_name, channel_type, configuration, sealed_secret, webhook_endpoint_id, is_active,
        rate_limit_per_hour
    on monitoring.notification_channels for each row
    execute function monitoring_internal.audit_row(
        'notification_channel', 'id',
        'current_hour_count,last_reset_at');
create or replace trigger notification_channels_audit_delete
    after delete on monitoring.notification_channels
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone(
        'notification_channel', 'id',
        'current_hour_count,last_reset_at');

create or replace trigger webhook_endpoints_audit_insert
    after insert on monitoring.webhook_endpoints
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made(
        'webhook_endpoint', 'id',
        'total_calls,successful_calls,failed_calls,last_success_at,last_failure_at');
create or replace trigger webhook_endpoints_audit_update
    after update of
        endpoint_name, webhook_url, sealed_secret, previous_sealed_secret, previous_secret_until, event_types,
        is_active, disabled_reason, retry_attempts, timeout, max_in_flight, fallback_endpoint_id
    on monitoring.webhook_endpoints for each row
    execute function monitoring_internal.audit_row(
        'webhook_endpoint', 'id',
        'total_calls,successful_calls,failed_calls,last_success_at,last_failure_at');
create or replace trigger webhook_endpoints_audit_delete
    after delete on monitoring.webhook_endpoints
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone(
        'webhook_endpoint', 'id',
        'total_calls,successful_calls,failed_calls,last_success_at,last_failure_at');

create or replace trigger heartbeats_audit_insert
    after insert on monitoring.heartbeats
    referencing new table as later_rows for each statement
    execute function monitoring_internal.audit_made('heartbeat', 'heartbeat_id', 'fence,sent_total,failed_total');
create or replace trigger heartbeats_audit_update
    after update of name, sealed_url, method, every, is_active on monitoring.heartbeats for each row
    execute function monitoring_internal.audit_row('heartbeat', 'heartbeat_id');
create or replace trigger heartbeats_audit_delete
    after delete on monitoring.heartbeats
    referencing old table as former_rows for each statement
    execute function monitoring_internal.audit_gone('heartbeat', 'heartbeat_id');
