-- grants.sql: every grant of pgvigil, run last at each upgrade. No other file grants anything.
-- One section an area; what is not named here nobody has but the owner.

-- A right that a release withdrew must not live on where it was once given.
revoke all on all tables in schema monitoring, monitoring_internal, monitoring_partitions from
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
revoke all on all sequences in schema monitoring, monitoring_internal, monitoring_partitions from
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
revoke all on all routines in schema monitoring, monitoring_internal, monitoring_partitions from
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;

-- tenancy -----------------------------------------------------------------------------------------
grant usage on schema monitoring to
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
-- Row policies, views and definer functions call helpers there; each object still needs a grant of its own.
grant usage on schema monitoring_internal to
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
grant select on monitoring.schema_migrations, monitoring.settings to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select on monitoring_internal.reloaded_objects to monitoring_admin, monitoring_service;
grant select on monitoring.tenants to
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
grant select on monitoring.tenant_members to monitoring_admin;
grant execute on function
    monitoring.system_tenant_id(), monitoring.visible_tenant_ids(), monitoring_internal.caller_role() to
    monitoring_admin, monitoring_service, monitoring_collector, monitoring_analyst, monitoring_reader,
    monitoring_exporter;
grant execute on function
    monitoring.create_tenant(text, text), monitoring.add_tenant_member(name, text),
    monitoring.remove_tenant_member(name, text), monitoring.set_setting(text, text) to monitoring_admin;
grant execute on function
    monitoring_internal.setting_text(text), monitoring_internal.setting_interval(text),
    monitoring_internal.setting_integer(text), monitoring_internal.setting_number(text),
    monitoring_internal.setting_boolean(text) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;

-- scheduling --------------------------------------------------------------------------------------
-- Commands and messages may hold data of any tenant: those who only read see neither.
grant select on monitoring.service_instances, monitoring.job_sources, monitoring.jobs, monitoring.job_state,
    monitoring.job_totals, monitoring.job_leases, monitoring.job_runs, monitoring.job_run_attempts,
    monitoring.job_run_rollups, monitoring.job_errors, monitoring.job_status, monitoring.job_history,
    monitoring.job_rollups, monitoring.upcoming_jobs, monitoring.job_slot_balance, monitoring.job_target_totals to
    monitoring_admin, monitoring_service;
grant select on monitoring.job_state, monitoring.job_totals, monitoring.job_run_rollups,
    monitoring.job_rollups, monitoring.upcoming_jobs, monitoring.job_slot_balance to
    monitoring_analyst, monitoring_reader, monitoring_exporter;
-- Where a run runs may be the name of another tenant's server.
grant select (
    run_id, job_id, slot, trigger, planned_at, claimable_at, deadline_at, is_folded, is_transactional, attempt, fence,
    instance_id, backend_pid, backend_started_at, claimed_at, expires_at, signal_count, signalled_at, waits_for,
    retry_count, cancel_reason) on monitoring.job_leases to
    monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select (job_id, name, schedule, mode, time_zone, is_enabled, description, start_delay, source, source_line,
    retired_at) on monitoring.jobs to
    monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select (job_id, first_at, last_at, occurrences, sqlstate, message) on monitoring.job_errors to
    monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select on monitoring.job_status to monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select (job_id, slot, run_id, trigger, status, reason, first_slot_at, slot_count, planned_at, started_at,
    finished_at, attempt, affected_rows, sqlstate) on monitoring.job_runs to
    monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function
    monitoring.schedule_job(
        text, text, text, text, text, interval, interval, interval, interval, text, text, boolean, text, text, text,
        integer, jsonb, text[], text, jsonb, text[]),
    monitoring.unschedule_job(text) to monitoring_admin;
grant execute on function
    monitoring.run_job(text, text), monitoring.pause_job(text, timestamptz, text), monitoring.resume_job(text),
    monitoring.cancel_run(text, timestamptz) to monitoring_admin, monitoring_service;
grant execute on function monitoring.tidy_scheduler() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.list_runs(text, integer), monitoring_internal.describe_job(text),
    monitoring_internal.find_job(text) to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.brief_distance(timestamptz, timestamptz), monitoring_internal.list_jobs(),
    monitoring_internal.list_jobs_at(timestamptz), monitoring_internal.list_upcoming(integer),
    monitoring_internal.list_upcoming_at(integer, timestamptz), monitoring_internal.job_place(integer) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring_internal.apply_jobs(text, bigint, jsonb) to monitoring_admin, monitoring_service;
grant execute on function monitoring_internal.next_slots(text, integer) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring_internal.register_instance(uuid, text, integer, text), monitoring_internal.drain_instance(uuid),
    monitoring_internal.leave_instance(uuid), monitoring_internal.session_identity(),
    monitoring_internal.extend_leases(uuid), monitoring_internal.settle_orphans(), monitoring_internal.reap_runs(),
    monitoring_internal.tick(integer), monitoring_internal.claim_runs(uuid, integer[], timestamptz[]),
    monitoring_internal.claim_due(uuid, integer[], timestamptz[]), monitoring_internal.release_run(bigint, bigint),
    monitoring_internal.abandon_run(bigint, bigint), monitoring_internal.start_run(bigint, bigint),
    monitoring_internal.bind_run(bigint, bigint, integer, timestamptz), monitoring_internal.held_backends(uuid),
    monitoring_internal.bind_target_run(bigint, bigint, jsonb), monitoring_internal.lost_target_runs(),
    monitoring_internal.settle_target_run(bigint, bigint, jsonb, text), monitoring_internal.cancel_target_runs(uuid),
    monitoring_internal.finish_run(bigint, bigint, bigint, double precision),
    monitoring_internal.fail_run(bigint, bigint, text, text, text, text, double precision) to monitoring_service;


-- schedules ---------------------------------------------------------------------------------------
grant execute on function
    monitoring.cron_next(text, timestamptz, text, text),
    monitoring.cron_explain(text, timestamptz, text, text, integer) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- partitions --------------------------------------------------------------------------------------
grant select on
    monitoring.partition_policies, monitoring.partition_holds, monitoring.partition_maintenance to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant insert, update, delete on monitoring.partition_holds to monitoring_admin;
grant update (mode, partition_interval, premake, lookback, retention, storage_parameters, is_active)
    on monitoring.partition_policies to monitoring_admin;
grant execute on procedure
    monitoring.maintain_partitions(), monitoring_internal.maintain_partitions_at(timestamptz) to
    monitoring_admin, monitoring_service;
grant execute on function monitoring_internal.maintain_next_partition(text[]) to
    monitoring_admin, monitoring_service;
grant execute on function monitoring.create_partitions(text, timestamptz, timestamptz) to monitoring_admin;
grant execute on function
    monitoring_internal.partition_bounds(regclass), monitoring_internal.append_parent(text),
    monitoring_internal.partition_problems() to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select on monitoring.partitions, monitoring.partition_problems to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;


-- store -------------------------------------------------------------------------------------------
-- Samples and staged samples are granted to no reader; COPY into staging needs insert alone.
grant select on
    monitoring.metric_families, monitoring.series, monitoring.rejected_samples, monitoring.rejected_sample_totals to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function
    monitoring.ingest_samples(text[], jsonb[], double precision[], timestamptz[], uuid, uuid),
    monitoring.ingest_points(integer[], timestamptz[], double precision[], uuid, uuid),
    monitoring.register_series(text[], jsonb[], uuid),
    monitoring.ingest_sample(text, jsonb, double precision, timestamptz, uuid),
    monitoring_internal.ingest_staged(uuid) to
    monitoring_admin, monitoring_service, monitoring_collector;
-- Not staged_at: a batch that nobody ingests must grow old.
grant insert (batch_id, metric, labels, value, sampled_at, tenant_id, series_id)
    on monitoring_internal.staged_samples to monitoring_admin, monitoring_service, monitoring_collector;
grant execute on function monitoring.discard_staged() to monitoring_admin, monitoring_service;
grant select on
    monitoring.metric_samples, monitoring.latest_samples, monitoring.rejected_sample_counts,
    monitoring.metric_cardinality to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;

grant select on monitoring.retention_classes, monitoring.rollup_runs, monitoring.rollup_status to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant insert, update, delete on monitoring.retention_classes to monitoring_admin;
grant execute on procedure
    monitoring.refresh_rollups(), monitoring_internal.refresh_rollups_at(timestamptz)
    to monitoring_admin, monitoring_service;
grant execute on function monitoring_internal.rollup_progress() to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function monitoring_internal.refresh_next_rollup(integer, bigint) to
    monitoring_admin, monitoring_service;
grant execute on function monitoring.rebuild_rollups(timestamptz, timestamptz) to monitoring_admin;


-- wide names --------------------------------------------------------------------------------------
-- The views are the owner's and ask for the tenant; credentials of platforms are shown to nobody.
grant select on
    monitoring.performance_metrics, monitoring.platform_metrics, monitoring.usage_metrics, monitoring.system_metrics,
    monitoring.application_metrics to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant insert on
    monitoring.performance_metrics, monitoring.platform_metrics, monitoring.usage_metrics, monitoring.system_metrics,
    monitoring.application_metrics to
    monitoring_admin, monitoring_service, monitoring_collector;
grant select (platform_id, tenant_id, platform_name, display_name, category, api_endpoint, api_version, auth_method,
    rate_limits, collection_config, priority, is_active, created_at, updated_at) on monitoring.platforms to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant insert, update, delete on monitoring.platforms to monitoring_admin;
grant select on monitoring.metric_definitions, monitoring.systems to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select on monitoring.systems to monitoring_collector;
grant insert, update, delete on monitoring.metric_definitions, monitoring.systems to monitoring_admin;
grant execute on function
    monitoring.search_platform_metrics(jsonb, timestamptz, timestamptz, integer) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- packing -----------------------------------------------------------------------------------------
-- Blocks, times and late samples are granted to no reader, as samples are not. What unpacks them is arithmetic.
grant execute on procedure
    monitoring.pack_samples(), monitoring_internal.pack_samples_at(timestamptz) to monitoring_admin, monitoring_service;
grant execute on function monitoring_internal.pack_next() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.block_time(double precision, integer, integer, bigint, bigint, bigint[], varbit),
    monitoring_internal.block_value(
        smallint, integer, double precision, double precision, integer, bigint, integer[], bigint[], varbit, integer[],
        double precision[]) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function
    monitoring_internal.packed_sizes(), monitoring_internal.block_bytes(monitoring.sample_blocks) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select on monitoring.packed_periods, monitoring.packing_status, monitoring.packing_statistics to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;


-- queries -----------------------------------------------------------------------------------------
-- Each asks for the tenants of its caller itself.
grant execute on function
    monitoring.query_range(text, jsonb, timestamptz, timestamptz, interval, text, text[], text),
    monitoring.query_instant(text, jsonb, timestamptz, text, text[]),
    monitoring.latest_values(jsonb, timestamptz),
    monitoring.samples_between(text, jsonb, timestamptz, timestamptz) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select on
    monitoring.platform_metrics_hourly, monitoring.aggregated_metrics, monitoring.metrics, monitoring.metrics_hourly,
    monitoring.system_metrics_1m, monitoring.system_metrics_5m, monitoring.system_metrics_1h,
    monitoring.hourly_performance_stats, monitoring.hourly_metrics_summary to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
-- What these views call runs with the reader's rights; it computes and reads nothing.
grant execute on function
    monitoring_internal.sketch_key(double precision), monitoring_internal.sketch_value(integer),
    monitoring_internal.sketch_fold(integer[]), monitoring_internal.merge_sketches(integer[]),
    monitoring_internal.sketch_constant(double precision, bigint),
    monitoring_internal.sketch_between(double precision, double precision, double precision),
    monitoring_internal.sketch_quantiles(integer[], double precision[], double precision, double precision),
    monitoring_internal.sketch_quantile(integer[], double precision, double precision, double precision),
    monitoring_internal.summable(double precision), monitoring_internal.squared(double precision),
    monitoring_internal.ratio(double precision, double precision),
    monitoring_internal.folded_value(
        text, double precision, double precision, double precision, double precision, double precision) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- collect -----------------------------------------------------------------------------------------
grant select on
    monitoring.collectors, monitoring.collector_needs, monitoring.collector_queries, monitoring.collector_columns,
    monitoring.collector_variants, monitoring.collector_states, monitoring.collector_runs,
    monitoring.collector_gaps, monitoring.collector_status, monitoring.collector_metrics,
    monitoring.setting_values, monitoring.setting_changes to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring.collect_database_metrics(),
    monitoring_internal.claim_collections(uuid, integer),
    monitoring_internal.claim_named_collections(uuid, text[]),
    monitoring_internal.run_collection(integer, bigint),
    monitoring_internal.finish_collection(integer, bigint, text, text, text, integer),
    monitoring_internal.next_collection_delay() to
    monitoring_admin, monitoring_service;
grant execute on function monitoring.set_collector(text, boolean, interval) to monitoring_admin;

-- targets -----------------------------------------------------------------------------------------
-- The sealed secret is granted to nobody: open_target hands it to the service. Connections name hosts and users.
grant select (target_id, name, tenant_id, is_enabled) on monitoring.targets to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant select (
    conninfo, is_secret_usable, database_include, database_exclude, max_connections, system_identifier, timeline,
    server_version_num, is_in_recovery, facts, clock_offset_seconds, consecutive_failures, next_try_at, last_seen_at,
    last_failed_at, last_error, last_sqlstate, created_at, updated_at) on monitoring.targets to monitoring_admin;
grant select on monitoring.target_databases, monitoring.target_events, monitoring.target_status to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring.add_target(text, text, text, uuid, text, text, integer),
    monitoring.set_target(text, text, text, boolean, text, text, integer),
    monitoring.remove_target(text), monitoring.accept_target(text), monitoring.target_seal_context(text, text) to
    monitoring_admin;
grant execute on function
    monitoring_internal.claim_target_collections(uuid, integer),
    monitoring_internal.next_target_collection_delay(),
    monitoring_internal.main_target_database(text), monitoring_internal.open_target(integer),
    monitoring_internal.target_facts_query(),
    monitoring_internal.report_target_facts(integer, bigint, jsonb),
    monitoring_internal.plan_collection(integer, integer, bigint),
    monitoring_internal.report_candidate(integer, integer, bigint, text, integer, text[], text, text),
    monitoring_internal.store_collection(
        integer, integer, bigint, bigint[], bigint[], bigint[], text[], text[], text[], text[], text[]),
    monitoring_internal.report_target_failure(integer, integer, bigint, text, text) to monitoring_service;
-- What "pgvigil targets" does. No administrator gets a sealed secret: "test" and "rotate --reseal" are the service's.
grant execute on function monitoring_internal.list_targets() to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring_internal.target_connection(text) to monitoring_admin;
grant execute on function monitoring_internal.tenant_id_of(text) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring_internal.target_secret(text) to monitoring_service;
grant execute on function monitoring_internal.describe_target(text) to monitoring_admin, monitoring_service;


-- maintenance -------------------------------------------------------------------------------------
-- Findings name what belongs to every tenant.
grant execute on function
    monitoring.doctor(), monitoring_internal.doctor_query(), monitoring_internal.server_folders() to
    monitoring_admin, monitoring_service;


-- export ------------------------------------------------------------------------------------------
-- Run with the caller's rights: latest_samples decides which tenants the caller sees.
grant select on
    monitoring_internal.exposed_families, monitoring_internal.exposed_points, monitoring_internal.judged_points,
    monitoring_internal.sound_points to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function
    monitoring.export_metrics_prometheus(text, text),
    monitoring.export_metrics_prometheus_lines(text[], text, text), monitoring_internal.choose_page(text),
    monitoring.export_servers(), monitoring.http_sd(text, text, text),
    monitoring_internal.exposition_name(text), monitoring_internal.exposition_number(double precision),
    monitoring_internal.exposition_header(text, text, text), monitoring_internal.exposition_fact_names(),
    monitoring_internal.exposition_facts_at(timestamptz, jsonb),
    monitoring_internal.exposition_blocks(text),
    monitoring_internal.exposition_chunks_at(timestamptz, text[], text),
    monitoring_internal.is_openmetrics_value(text, text, double precision, double precision),
    monitoring_internal.openmetrics_labels(text, double precision),
    monitoring_internal.openmetrics_header(text, text, text, boolean, text[]),
    monitoring_internal.is_distribution(
        text, text, text[], double precision[], double precision[], timestamptz[]) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader, monitoring_exporter;
grant execute on function monitoring_internal.readiness_fault(text) to
    monitoring_admin, monitoring_service, monitoring_exporter;


-- alert pack --------------------------------------------------------------------------------------
grant select on monitoring.alert_pack_rules, monitoring.alert_pack to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring_internal.alert_pack_columns(monitoring.alert_rules) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.reset_alert_rule(text) to monitoring_admin;


-- kpis --------------------------------------------------------------------------------------------
-- A definition is SQL that runs with the owner's rights, if read-only: who reads only, does not see it.
grant select, insert, update, delete on monitoring.kpi_definitions to monitoring_admin;
grant select on monitoring.kpi_definitions to monitoring_service;
grant select on monitoring.kpi_states to monitoring_admin, monitoring_service;
grant select on monitoring.business_metrics, monitoring.kpi_status, monitoring.business_kpi_dashboard to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.set_tenant_profile(text, text, text) to monitoring_admin;
grant execute on function
    monitoring.collect_business_metrics(uuid),
    monitoring_internal.claim_kpis(uuid, integer),
    monitoring_internal.run_kpi(integer, uuid, bigint),
    monitoring_internal.finish_kpi(integer, uuid, bigint, text, text, text),
    monitoring_internal.next_kpi_delay() to
    monitoring_admin, monitoring_service;


-- statements --------------------------------------------------------------------------------------
-- Texts are stored masked. The counters between two snapshots are the owner's alone.
grant select on
    monitoring.statement_sources, monitoring.statements, monitoring.statement_intervals, monitoring.statement_totals,
    monitoring.query_performance,
    monitoring.slow_queries_dashboard, monitoring.query_regressions to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring_internal.statement_category(double precision) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.tidy_statements() to monitoring_admin, monitoring_service;
grant execute on function monitoring.mark_query_optimized(text) to monitoring_admin;
-- health ------------------------------------------------------------------------------------------
grant select on monitoring.health_rules, monitoring.service_hosts, monitoring.system_health, monitoring.current_health,
    monitoring.system_health_points, monitoring.system_dashboard to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant insert, update, delete on monitoring.health_rules to monitoring_admin;
grant execute on function monitoring_internal.health_level(double precision, double precision, double precision),
    monitoring.explain_system_health(text) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.collect_system_health() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.host_facts(),
    monitoring_internal.store_host_metrics(text, boolean, text, text, text[], jsonb[], double precision[]) to
    monitoring_service;


-- alert rules -------------------------------------------------------------------------------------
-- Plain rows are checked by the same trigger as create_alert_rule.
grant select on monitoring.alert_rules to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant insert, update, delete on monitoring.alert_rules to monitoring_admin;
grant execute on function
    monitoring.create_alert_rule(jsonb), monitoring.update_alert_rule(uuid, jsonb), monitoring.drop_alert_rule(uuid) to
    monitoring_admin;
grant select on monitoring.alert_rule_states, monitoring.alert_bindings to monitoring_admin, monitoring_service;

-- tests and norms of alert rules ---------------------------------------------------------------------
grant select, insert, update, delete on monitoring.alert_rule_tests to monitoring_admin;
grant select on monitoring.alert_rule_tests, monitoring.alert_norms to monitoring_admin, monitoring_service;
grant execute on function
    monitoring.test_alert_rules(uuid, text),
    monitoring.backtest_rule(uuid, timestamptz, timestamptz, interval, jsonb) to monitoring_admin;
grant execute on function
    monitoring.explain_alert(uuid), monitoring.why_not_fired(uuid, jsonb, timestamptz) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- alerting ----------------------------------------------------------------------------------------
grant select on monitoring.alert_conditions, monitoring.alerts, monitoring.alert_transitions to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select on monitoring.alert_passes to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.evaluate_alerts() to monitoring_admin, monitoring_service;


-- What "pgvigil alerts" and "pgvigil oncall" show: with the caller's rights.
grant execute on function
    monitoring_internal.find_alert(text), monitoring_internal.find_alert_rule(text),
    monitoring_internal.label_words(jsonb), monitoring_internal.list_alerts(boolean, text, text, integer),
    monitoring_internal.list_alerts_at(boolean, text, text, integer, timestamptz),
    monitoring_internal.describe_alert(text), monitoring_internal.alert_timeline(text),
    monitoring_internal.matchers_of(jsonb), monitoring_internal.changes_of(jsonb),
    monitoring_internal.list_on_call(), monitoring_internal.known_names(text),
    monitoring_internal.on_call_calendar(text, integer),
    monitoring_internal.on_call_calendar_at(text, integer, timestamptz) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- what keeps an alert quiet --------------------------------------------------------------------------
grant select on
    monitoring.business_hours, monitoring.holidays, monitoring.alert_silences, monitoring.maintenance_windows,
    monitoring.alert_inhibitions, monitoring.alert_dependencies, monitoring.silences, monitoring.maintenance,
    monitoring.alert_correlations, monitoring.alert_group_members, monitoring.alert_groups,
    monitoring.alert_rule_correlations to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant insert, update, delete on
    monitoring.business_hours, monitoring.holidays, monitoring.maintenance_windows, monitoring.alert_inhibitions,
    monitoring.alert_dependencies to monitoring_admin;
-- A silence is ended, never deleted.
grant insert, update on monitoring.alert_silences to monitoring_admin;
grant execute on function
    monitoring.silence_alerts(
        jsonb, text, interval, timestamptz, timestamptz, text, text, uuid, interval, boolean),
    monitoring.unsilence(bigint) to monitoring_admin, monitoring_service, monitoring_analyst;
grant execute on function monitoring.tidy_correlations() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring.silenced_alerts(jsonb), monitoring_internal.silence_matches(timestamptz),
    monitoring_internal.window_state(timestamptz, timestamptz, text, interval, text, timestamptz) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;


-- people ------------------------------------------------------------------------------------------
-- How people are reached is for those who operate; the audit for those who answer for it. Nobody writes the audit.
grant select, insert, update, delete on
    monitoring.people, monitoring.contact_methods, monitoring.on_call_schedules, monitoring.on_call_layers,
    monitoring.on_call_layer_people, monitoring.on_call_restrictions, monitoring.on_call_assignments,
    monitoring.escalation_policies, monitoring.escalation_steps, monitoring.escalation_targets to monitoring_admin;
grant select on
    monitoring.people, monitoring.on_call_schedules, monitoring.on_call_layers, monitoring.on_call_layer_people,
    monitoring.on_call_restrictions, monitoring.on_call_assignments, monitoring.escalation_policies,
    monitoring.escalation_steps, monitoring.escalation_targets, monitoring.escalation_states,
    monitoring.alert_comments to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select on monitoring.contact_methods, monitoring.audit_logs to
    monitoring_admin, monitoring_service, monitoring_analyst;
grant select on
    monitoring.who_is_on_call, monitoring.alert_response, monitoring.alert_noise, monitoring_internal.answered_alerts to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring.on_call_at(text, timestamptz), monitoring.on_call_shifts(text, timestamptz, timestamptz),
    monitoring.on_call_gaps(text, timestamptz, timestamptz),
    monitoring_internal.visible_on_call(text, timestamptz[]),
    monitoring_internal.visible_on_call_intervals(text, timestamptz, timestamptz) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
-- Triggers and definitions run with the rights of the administrator who writes.
grant execute on function
    monitoring.define_on_call_schedule(jsonb), monitoring_internal.schedule_fault(jsonb),
    monitoring.define_escalation_policy(jsonb), monitoring_internal.escalation_fault(jsonb),
    monitoring_internal.escalation_named(uuid, text), monitoring_internal.check_escalation(uuid, jsonb),
    monitoring_internal.escalation_steps_of(integer, jsonb, uuid),
    monitoring_internal.replace_on_call_layers(integer, uuid, jsonb),
    monitoring_internal.person_id_of(uuid, text), monitoring_internal.future_shift_of(uuid),
    monitoring_internal.check_time_zone(text) to monitoring_admin;
-- Reading is the reader's; acting on alerts the analyst's, within the tenants of its membership.
grant execute on function
    monitoring.acknowledge_alert(uuid, text, timestamptz), monitoring.unacknowledge_alert(uuid, text),
    monitoring.resolve_alert(uuid, text), monitoring.comment_alert(uuid, text) to
    monitoring_admin, monitoring_analyst;
grant execute on function monitoring.override_on_call(text, text, timestamptz, timestamptz, text, text) to
    monitoring_admin, monitoring_analyst;


-- notify ------------------------------------------------------------------------------------------
-- Sealed secrets are granted to nobody: a claim hands them to the service. Readers see neither bodies nor addresses.
grant select (
    id, tenant_id, channel_name, channel_type, configuration, webhook_endpoint_id, is_active, rate_limit_per_hour,
    current_hour_count, last_reset_at, created_at, updated_at) on monitoring.notification_channels to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select (
    id, tenant_id, endpoint_name, webhook_url, previous_secret_until, event_types, is_active, disabled_reason,
    retry_attempts, timeout, max_in_flight, fallback_endpoint_id, total_calls, successful_calls, failed_calls,
    last_success_at, last_failure_at, created_at, updated_at) on monitoring.webhook_endpoints to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant select on monitoring.notification_routes, monitoring.notification_groups, monitoring.notification_members,
    monitoring.notification_log, monitoring.held_notifications, monitoring.notification_decisions,
    monitoring.destination_states to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
-- An answer may repeat what it was sent: it is a body too.
grant select (
    delivery_id, attempt, fence, message_id, tenant_id, destination_id, outcome, status_code, error_class,
    duration_seconds, instance_id, finished_at) on monitoring.delivery_attempts to
    monitoring_analyst, monitoring_reader;
grant select on monitoring.outbox_messages, monitoring.deliveries, monitoring.dead_letters,
    monitoring.delivery_attempts to
    monitoring_admin, monitoring_service;
grant select (
    delivery_id, message_id, message_created_at, tenant_id, destination_id, ordering_hash, state, due_at, deadline_at,
    attempt, lease_expires_at, lease_instance_id, fence, last_status, last_error) on monitoring.deliveries to
    monitoring_analyst, monitoring_reader;
grant select (
    delivery_id, message_id, message_created_at, tenant_id, destination_id, event_type, attempts, reason, status_code,
    died_at, replayed_at, replayed_by, replayed_as) on monitoring.dead_letters to
    monitoring_analyst, monitoring_reader;
grant select on monitoring.notification_route_tree, monitoring.pending_notifications, monitoring.notification_history,
    monitoring.delivery_health, monitoring.queue_health to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
-- What the two views of health, and the lists of pgvigil deliveries, call.
grant execute on function
    monitoring_internal.is_sent_to(uuid), monitoring_internal.live_services(),
    monitoring_internal.delivery_horizon(), monitoring_internal.destination_name(uuid),
    monitoring_internal.named_destination(text, text), monitoring_internal.named_or_system_tenant(text),
    monitoring_internal.brief_distance(timestamptz, timestamptz),
    monitoring_internal.list_deliveries(text, text, text, interval, integer),
    monitoring_internal.list_deliveries_at(uuid, uuid, text, interval, integer, timestamptz),
    monitoring_internal.list_dead_letters(text, text, interval, boolean, integer),
    monitoring_internal.list_dead_letters_at(uuid, uuid, interval, boolean, integer, timestamptz),
    monitoring_internal.delivery_backlog(text, text), monitoring_internal.delivery_backlog_at(uuid, uuid, timestamptz),
    monitoring_internal.listed_tenant_id(text, text), monitoring_internal.attempt_answer(bigint, bigint, timestamptz),
    monitoring_internal.find_delivery(text), monitoring_internal.describe_delivery(text),
    monitoring_internal.describe_delivery_at(text, timestamptz), monitoring_internal.delivery_timeline(text) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring.retry_delivery(bigint), monitoring.retry_deliveries(text, text),
    monitoring.replay_deliveries(text, text, interval) to monitoring_admin;
grant select (
    message_id, created_at, tenant_id, event_type, reason, severity, channel_id, destination_id, ordering_key,
    alert_ids)
    on monitoring.outbox_messages to monitoring_analyst, monitoring_reader;
grant insert, delete, update (
    tenant_id, channel_name, channel_type, configuration, sealed_secret, webhook_endpoint_id, is_active,
    rate_limit_per_hour) on monitoring.notification_channels to monitoring_admin;
grant insert, delete, update (
    endpoint_name, webhook_url, sealed_secret, previous_sealed_secret, previous_secret_until, event_types, is_active,
    disabled_reason, retry_attempts, timeout, max_in_flight, fallback_endpoint_id)
    on monitoring.webhook_endpoints to monitoring_admin;
grant insert, update, delete on monitoring.notification_routes to monitoring_admin;
grant execute on function monitoring.send_webhook_notification(uuid, text, jsonb) to
    monitoring_admin, monitoring_service;
-- What the checks of their rows call.
grant execute on function
    monitoring.replay_delivery(bigint), monitoring_internal.clear_secret(jsonb, boolean),
    monitoring_internal.is_sealed(text), monitoring_internal.are_matchers(jsonb),
    monitoring_internal.email_fault(jsonb, boolean), monitoring_internal.sms_fault(jsonb, boolean),
    monitoring_internal.sms_settings(jsonb), monitoring_internal.is_mail_address(text),
    monitoring_internal.recipients(jsonb, text) to monitoring_admin;
grant execute on function
    monitoring_internal.claim_deliveries(uuid, integer),
    monitoring_internal.ack_deliveries(uuid, bigint[], bigint[], integer[], text[], text[], text[], double precision[]),
    monitoring_internal.next_delivery_delay(), monitoring_internal.release_deliveries(uuid) to monitoring_service;


-- endpoints ---------------------------------------------------------------------------------------
grant execute on function
    monitoring_internal.endpoint_seal_context(uuid, text), monitoring_internal.channel_seal_context(uuid, text, text),
    monitoring_internal.named_or_system_tenant(text), monitoring_internal.require_channel(text, text),
    monitoring_internal.endpoint_identity(text, text),
    monitoring.add_endpoint(uuid, text, text, text, text, text, jsonb, integer, jsonb),
    monitoring.rotate_endpoint_secret(text, text, text, interval),
    monitoring.set_endpoint_active(text, boolean, text), monitoring.remove_endpoint(text, text),
    monitoring.test_endpoint(text, text), monitoring_internal.list_endpoints(),
    monitoring_internal.message_attempts(uuid) to monitoring_admin;
-- The checks of their rows run with the writer's rights.
grant execute on function
    monitoring_internal.clear_secret(jsonb, boolean), monitoring_internal.is_sealed(text),
    monitoring_internal.are_matchers(jsonb) to monitoring_admin;


-- alert history -----------------------------------------------------------------------------------
grant select on
    monitoring.alerts_archive, monitoring.alerts_dashboard, monitoring.alert_history, monitoring.alert_logs,
    monitoring.alert_events to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function
    monitoring.search_alerts(text, timestamptz, timestamptz, text, text, integer) to
    monitoring_admin, monitoring_service, monitoring_analyst, monitoring_reader;
grant execute on function monitoring.archive_alerts() to monitoring_admin, monitoring_service;


-- heartbeats --------------------------------------------------------------------------------------
-- For operators alone; the sealed URL is granted to nobody.
grant select (
    heartbeat_id, name, method, every, is_active, attempted_at, sent_at, last_status, last_error, consecutive_failures,
    sent_total, failed_total, withheld_at, withheld_reason, fence, lease_instance_id, lease_expires_at, created_at,
    updated_at) on monitoring.heartbeats to monitoring_admin, monitoring_service;
grant insert, delete, update (
    name, sealed_url, method, every, is_active, attempted_at, last_status, last_error, consecutive_failures)
    on monitoring.heartbeats to monitoring_admin;
grant select on monitoring.heartbeat_chain, monitoring.heartbeat_status to monitoring_admin, monitoring_service;
grant execute on function monitoring_internal.heartbeat_chain() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.heartbeat_seal_context(uuid), monitoring_internal.heartbeat_identity(text),
    monitoring_internal.heartbeat_id_of(text), monitoring_internal.heartbeat_progress(text, bigint),
    monitoring_internal.list_heartbeats(),
    monitoring.set_heartbeat(uuid, text, text, interval, text), monitoring.remove_heartbeat(text),
    monitoring.hurry_heartbeat(text) to monitoring_admin;
grant execute on function
    monitoring_internal.claim_heartbeats(uuid),
    monitoring_internal.ack_heartbeat(uuid, uuid, bigint, integer, text) to monitoring_service;
-- archive and retention ---------------------------------------------------------------------------
grant select on monitoring.archives, monitoring.retention_states, monitoring.retention_status, monitoring.backup_checks,
    monitoring.table_sizes, monitoring.growth_report, monitoring.index_rebuilds, monitoring.upkeep_signals
    to monitoring_admin, monitoring_service;
grant execute on function
    monitoring.cleanup_old_metrics(), monitoring.archive_old_data(), monitoring.measure_growth(),
    monitoring_internal.retention_status(), monitoring_internal.upkeep_signals(),
    monitoring_internal.list_archives(), monitoring_internal.list_rebuilds(),
    monitoring_internal.find_archives(text, date, date) to monitoring_admin, monitoring_service;
grant execute on procedure monitoring.analyze_parents() to monitoring_admin, monitoring_service;
grant execute on function
    monitoring_internal.claim_archive(uuid, bigint, text), monitoring_internal.hold_archive(bigint, bigint),
    monitoring_internal.finish_archive(bigint, bigint, text, text, jsonb),
    monitoring_internal.check_archive(bigint, bigint, text), monitoring_internal.remove_archive(bigint, bigint),
    monitoring_internal.fail_archive(bigint, bigint, text), monitoring_internal.archive_facts(bigint),
    monitoring_internal.class_day_series(text, date), monitoring_internal.archive_lines(date, integer[]),
    monitoring_internal.begin_restore(bigint, bigint, interval),
    monitoring_internal.restore_series(
        bigint, bigint, uuid, text, text, text, jsonb, bigint[], double precision[]),
    monitoring_internal.restore_details(bigint, bigint, uuid, text, text, text, jsonb, jsonb[]),
    monitoring_internal.archive_orphans(text[], double precision[]), monitoring_internal.archive_orphan_age(),
    monitoring_internal.archive_destinations(), monitoring_internal.interrupt_backup_check(bigint),
    monitoring_internal.finish_restore(bigint, bigint), monitoring_internal.next_archive_delay(),
    monitoring_internal.analyze_parent(text), monitoring_internal.claim_rebuild(),
    monitoring_internal.finish_rebuild(bigint, text), monitoring_internal.begin_backup_check(text),
    monitoring_internal.backup_obstacle(), monitoring_internal.backup_counts(),
    monitoring_internal.backup_check_result(bigint),
    monitoring_internal.finish_backup_check(bigint, bigint, jsonb, jsonb, jsonb, text) to monitoring_service;
grant execute on function monitoring_internal.analyze_parent(text) to monitoring_admin;
