-- maintenance/demo.sql: what `pgvigil serve --demo` sets up in its private database.
-- Owns prepare_demo. Writes webhook_endpoints, notification_channels, notification_routes, alert_rules.
-- Concurrency: called once at the start of a private server.

-- A receiver of this start, with its new secret, that gets every alert; and a rule on a problem that is quick to plant.
-- Units: p_sealed_secret as sealed for p_id and p_url.
create or replace function monitoring_internal.prepare_demo(p_id uuid, p_url text, p_sealed_secret text)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    update monitoring.webhook_endpoints as endpoint
    set webhook_url = p_url, sealed_secret = p_sealed_secret, is_active = true
    where endpoint.id = p_id;
    if not found then
        perform monitoring.add_endpoint(
            p_id, 'demo', 'webhook', p_url, p_sealed_secret, rate_limit_per_hour => 100);
        -- One route of its own, that lets others have the alerts too, and leaves the default to the first of these.
        delete from monitoring.notification_routes as route where route.channel_ids = array[p_id];
        insert into monitoring.notification_routes (route_name, tenant_id, ordinal, is_continuing, channel_ids)
        values ('demo', monitoring.system_tenant_id(), -1, true, array[p_id]);
    end if;
    update monitoring.destination_states as state
    set open_until = '-infinity', breaker = 'closed', consecutive_failures = 0, open_since_at = null
    where state.destination_id = p_id;
    if not exists (select from monitoring.alert_rules as rule where rule.rule_name = 'demo_forgotten_transaction') then
        perform monitoring.create_alert_rule(jsonb_build_object(
            'rule_name', 'demo_forgotten_transaction',
            'title_template', 'A transaction was begun and forgotten {{ value }} ago ({{ labels }})',
            'metric_name', 'pg_stat_activity_oldest_idle_in_transaction_seconds',
            'aggregate', 'last', 'evaluation_window', '20 s', 'evaluation_interval', '10 s',
            'comparison_operator', 'gt', 'critical_threshold', 5, 'critical_recovery', 1, 'no_data_policy', 'ok',
            'condition_definition', jsonb_build_object('allow_unknown_metric', true),
            'rationale',
                'The problem that pgvigil serve --demo plants. The rule idle_in_transaction waits for minutes.',
            'suggested_actions', jsonb_build_array(
                'End it: select pg_terminate_backend(pid) from pg_stat_activity where application_name = '
                '''demo shop''; then its end arrives as well.',
                'To be rid of this rule: delete from monitoring.alert_rules where '
                'rule_name = ''demo_forgotten_transaction'';')));
    end if;
end;
$$;

comment on function monitoring_internal.prepare_demo(uuid, text, text) is
    'Sets up the receiver and the rule of pgvigil serve --demo. The owner''s alone.';
