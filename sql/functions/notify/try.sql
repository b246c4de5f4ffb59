-- notify/try.sql: a message to try a receiver with, and what became of it.
-- Owns test_event_at, test_endpoint_at, test_endpoint, message_attempts. Writes outbox_messages, deliveries.
-- Concurrency: any number of callers at once.

-- The event of a test. To pagers it is one that is over, so that nobody is woken.
create or replace function monitoring_internal.test_event_at(
    p_channel monitoring.notification_channels, p_message_id uuid, p_now timestamptz)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'type', 'pgvigil.test', 'timestamp', now.text,
        'data', jsonb_build_object(
            'reason', 'test', 'status', case when is_over then 'resolved' else 'firing' end, 'severity', 'low',
            'channel', p_channel.channel_name,
            'alerts', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                'id', p_message_id, 'rule', 'pgvigil_test', 'title', 'This is a test of pgvigil',
                'message', format('Sent to %s to see whether it arrives.', p_channel.channel_name),
                'severity', 'low', 'status', case when is_over then 'resolved' else 'firing' end,
                'labels', '{}'::jsonb, 'started_at', now.text, 'triggered_at', now.text,
                'resolved_at', case when is_over then now.text end)))))
    from (select monitoring_internal.iso_time(p_now) as text) as now
    cross join (select p_channel.channel_type in ('pagerduty', 'alertmanager') as is_over) as kind;
$$;

comment on function monitoring_internal.test_event_at(monitoring.notification_channels, uuid, timestamptz) is
    'The event by which a receiver is tried.';

-- The deciding form of test_endpoint.
-- Raises: PV982.
create or replace function monitoring_internal.test_endpoint_at(p_name text, p_tenant text, p_now timestamptz)
returns uuid
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_channel constant monitoring.notification_channels := monitoring_internal.require_channel(p_name, p_tenant);
    v_message_id constant uuid := gen_random_uuid();
begin
    insert into monitoring.outbox_messages (
        message_id, created_at, tenant_id, event_type, reason, channel_id, destination_id, dedup_key, ordering_key,
        content_type, body)
    select
        v_message_id, p_now, coalesce(v_channel.tenant_id, monitoring.system_tenant_id()), 'pgvigil.test', 'test',
        v_channel.id, coalesce(v_channel.webhook_endpoint_id, v_channel.id), 'test/' || v_message_id,
        'test/' || v_message_id, rendered.content_type, rendered.body
    from monitoring_internal.render_message(
        v_channel.channel_type, v_channel.configuration,
        monitoring_internal.test_event_at(v_channel, v_message_id, p_now), v_message_id, null, v_message_id::text, null)
        as rendered;
    perform monitoring_internal.queue_deliveries_at(p_now, array[v_message_id]);
    return v_message_id;
end;
$$;

comment on function monitoring_internal.test_endpoint_at(text, text, timestamptz) is
    'test_endpoint as of a time.';

-- Send a message of type pgvigil.test to a receiver, whatever its event types and limits; returns the message's id.
-- Raises: PV982.
create or replace function monitoring.test_endpoint(name text, tenant text default null)
returns uuid
language sql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.test_endpoint_at(test_endpoint.name, test_endpoint.tenant, clock_timestamp());
$$;

comment on function monitoring.test_endpoint(text, text) is
    'Sends a test message to a receiver of messages, and returns its id; monitoring.delivery_attempts shows its end.';

-- What became of a message, attempt by attempt.
create or replace function monitoring_internal.message_attempts(p_message_id uuid)
returns table (
    attempt integer, outcome text, status_code integer, error_class text, response text, milliseconds bigint,
    finished_at timestamptz)
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select
        done.attempt, done.outcome, done.status_code, done.error_class, done.response,
        round(done.duration_seconds * 1000)::bigint, done.finished_at
    from monitoring.delivery_attempts as done
    where done.message_id = p_message_id
    order by done.finished_at, done.attempt;
$$;

comment on function monitoring_internal.message_attempts(uuid) is 'How the attempts to deliver a message ended.';
