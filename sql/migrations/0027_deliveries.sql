-- 0027: the outbox: messages as they are signed, who has which delivery in hand, how attempts ended, what is dead.

create table monitoring.outbox_messages (
    message_id uuid not null,
    created_at timestamptz not null default now(),
    tenant_id uuid not null,
    event_type text not null,
    reason text not null,
    severity text,
    channel_id uuid,
    destination_id uuid not null,
    recipient text,
    dedup_key text not null,
    ordering_key text not null,
    alert_ids uuid[] not null default '{}',
    content_type text not null default 'application/json',
    body text not null,
    constraint outbox_messages_pkey primary key (message_id, created_at),
    constraint outbox_messages_dedup_key_created_at_key unique (dedup_key, created_at),
    constraint outbox_messages_event_type_check check (event_type ~ '^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$'),
    constraint outbox_messages_severity_check check (severity in ('low', 'medium', 'high', 'critical'))
) partition by range (created_at);
create index outbox_messages_tenant_id_created_at_idx on monitoring.outbox_messages (tenant_id, created_at);
create table monitoring_partitions.outbox_messages_default partition of monitoring.outbox_messages default;

comment on table monitoring.outbox_messages is
    'Messages, written in the transaction of what they tell, and never changed: the body is what is signed and sent.';
comment on column monitoring.outbox_messages.message_id is
    'Its id for receivers, msg_ before it: the same in every attempt and every replay.';
comment on column monitoring.outbox_messages.created_at is 'When it was queued.';
comment on column monitoring.outbox_messages.tenant_id is 'Whose message.';
comment on column monitoring.outbox_messages.event_type is 'Such as alert.fired: what endpoints choose by.';
comment on column monitoring.outbox_messages.reason is 'Why it was sent.';
comment on column monitoring.outbox_messages.severity is 'The highest severity of its alerts.';
comment on column monitoring.outbox_messages.channel_id is 'The channel; null: an endpoint was asked for directly.';
comment on column monitoring.outbox_messages.destination_id is 'The endpoint or channel it goes to.';
comment on column monitoring.outbox_messages.recipient is
    'Address of the person it is for; null: whom the channel names.';
comment on column monitoring.outbox_messages.dedup_key is
    'What it is about, with a number: no two messages have it in common.';
comment on column monitoring.outbox_messages.ordering_key is
    'Messages to one destination with one of these arrive in their order; chat and pagers know the incident by it.';
comment on column monitoring.outbox_messages.alert_ids is 'The alerts it tells of.';
comment on column monitoring.outbox_messages.content_type is 'Type of the body.';
comment on column monitoring.outbox_messages.body is 'The body, byte for byte as UTF-8.';
comment on table monitoring_partitions.outbox_messages_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.deliveries (
    delivery_id bigint generated always as identity,
    message_id uuid not null,
    message_created_at timestamptz not null,
    tenant_id uuid not null,
    destination_id uuid not null,
    ordering_hash bigint not null,
    state text not null default 'pending',
    due_at timestamptz not null,
    deadline_at timestamptz not null,
    attempt integer not null default 0,
    lease_expires_at timestamptz,
    lease_instance_id uuid,
    fence bigint not null default 0,
    last_status integer,
    last_error text,
    constraint deliveries_pkey primary key (delivery_id),
    constraint deliveries_state_check check (state in ('pending', 'in_flight', 'failed', 'held'))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- A claim changes none of these columns, so it needs no new index entries.
create index deliveries_destination_id_due_at_delivery_id_idx
    on monitoring.deliveries (destination_id, due_at, delivery_id);
create index deliveries_destination_id_ordering_hash_delivery_id_idx
    on monitoring.deliveries (destination_id, ordering_hash, delivery_id);
create index deliveries_message_id_idx on monitoring.deliveries (message_id);

comment on table monitoring.deliveries is
    'What is still to be delivered: a narrow row that goes once it is delivered or dead.';
comment on column monitoring.deliveries.delivery_id is 'Key; grows, so that the lowest of an ordering key goes first.';
comment on column monitoring.deliveries.message_id is 'The message.';
comment on column monitoring.deliveries.message_created_at is 'When that was made: in which partition it is.';
comment on column monitoring.deliveries.tenant_id is 'Whose message.';
comment on column monitoring.deliveries.destination_id is 'The endpoint or channel.';
comment on column monitoring.deliveries.ordering_hash is 'Hash of the ordering key.';
comment on column monitoring.deliveries.state is
    'pending: not tried yet; in_flight: a service has it; failed: it is tried again; held: its receiver is inactive.';
comment on column monitoring.deliveries.due_at is 'When it is to be tried.';
comment on column monitoring.deliveries.deadline_at is 'After this it is not tried any more.';
comment on column monitoring.deliveries.attempt is 'Attempts begun.';
comment on column monitoring.deliveries.lease_expires_at is 'Until when a service has it in hand; null: none has.';
comment on column monitoring.deliveries.lease_instance_id is 'Which one.';
comment on column monitoring.deliveries.fence is 'Number of that claim; reports with an older one are refused.';
comment on column monitoring.deliveries.last_status is 'HTTP status of the last attempt; null: there was no answer.';
comment on column monitoring.deliveries.last_error is 'How the last attempt failed.';

create table monitoring.destination_states (
    destination_id uuid not null,
    tenant_id uuid,
    breaker text not null default 'closed',
    open_until timestamptz not null default '-infinity',
    open_since_at timestamptz,
    consecutive_failures integer not null default 0,
    in_flight_limit integer not null default 16,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_error text,
    constraint destination_states_pkey primary key (destination_id),
    constraint destination_states_breaker_check check (breaker in ('closed', 'open', 'half_open'))
) with (fillfactor = 50);

comment on table monitoring.destination_states is
    'How each endpoint and channel is doing, and whether it is asked now.';
comment on column monitoring.destination_states.destination_id is 'The endpoint or channel.';
comment on column monitoring.destination_states.tenant_id is 'Whose it is; null: every tenant''s.';
comment on column monitoring.destination_states.breaker is
    'closed: it is used; open: not until open_until; half_open: with few requests, to find out.';
comment on column monitoring.destination_states.open_until is 'Not used before this.';
comment on column monitoring.destination_states.open_since_at is 'Since when it does not work; null: it does.';
comment on column monitoring.destination_states.consecutive_failures is 'Failures since the last success.';
comment on column monitoring.destination_states.in_flight_limit is
    'Requests to it at once for now: one after a failure, then twice as many with each success.';
comment on column monitoring.destination_states.last_success_at is 'The latest success.';
comment on column monitoring.destination_states.last_failure_at is 'The latest failure.';
comment on column monitoring.destination_states.last_error is 'What that was.';

create table monitoring.delivery_attempts (
    delivery_id bigint not null,
    attempt integer not null,
    fence bigint not null,
    message_id uuid not null,
    tenant_id uuid not null,
    destination_id uuid not null,
    outcome text not null,
    status_code integer,
    error_class text,
    response text,
    duration_seconds double precision,
    instance_id uuid,
    finished_at timestamptz not null,
    constraint delivery_attempts_pkey primary key (delivery_id, fence, finished_at),
    constraint delivery_attempts_outcome_check
        check (outcome in ('delivered', 'failed', 'dead', 'collapsed', 'unknown')),
    constraint delivery_attempts_response_check check (length(response) <= 4096)
) partition by range (finished_at);
create index delivery_attempts_destination_id_finished_at_idx
    on monitoring.delivery_attempts (destination_id, finished_at);
create index delivery_attempts_message_id_idx on monitoring.delivery_attempts (message_id);
create table monitoring_partitions.delivery_attempts_default partition of monitoring.delivery_attempts default;

comment on table monitoring.delivery_attempts is 'Every attempt and how it ended; a delivery''s last one is its end.';
comment on column monitoring.delivery_attempts.delivery_id is 'The delivery.';
comment on column monitoring.delivery_attempts.attempt is 'Its attempt, from 1; 0: it ended without one.';
comment on column monitoring.delivery_attempts.fence is 'The claim under which it was made.';
comment on column monitoring.delivery_attempts.message_id is 'The message.';
comment on column monitoring.delivery_attempts.tenant_id is 'Whose message.';
comment on column monitoring.delivery_attempts.destination_id is 'The endpoint or channel.';
comment on column monitoring.delivery_attempts.outcome is
    'delivered; failed: it is tried again; dead: it is not; collapsed: its resolution came before it left; unknown: '
    'the service was lost meanwhile, so it may have arrived.';
comment on column monitoring.delivery_attempts.status_code is 'HTTP status; null: there was no answer.';
comment on column monitoring.delivery_attempts.error_class is
    'network, timeout, tls, refused (by our policy), status, expired or endpoint_gone.';
comment on column monitoring.delivery_attempts.response is 'Begin of the answer, or what failed; 4096 characters.';
comment on column monitoring.delivery_attempts.duration_seconds is 'How long it took.';
comment on column monitoring.delivery_attempts.instance_id is 'Which service made it.';
comment on column monitoring.delivery_attempts.finished_at is 'When it ended.';
comment on table monitoring_partitions.delivery_attempts_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.dead_letters (
    delivery_id bigint not null,
    message_id uuid not null,
    message_created_at timestamptz not null,
    tenant_id uuid not null,
    destination_id uuid not null,
    event_type text not null,
    attempts integer not null,
    reason text not null,
    status_code integer,
    died_at timestamptz not null,
    replayed_at timestamptz,
    replayed_by text,
    replayed_as bigint,
    constraint dead_letters_pkey primary key (delivery_id, died_at)
) partition by range (died_at);
create index dead_letters_destination_id_died_at_idx on monitoring.dead_letters (destination_id, died_at);
create table monitoring_partitions.dead_letters_default partition of monitoring.dead_letters default;

comment on table monitoring.dead_letters is 'Deliveries that were given up; replay_delivery() queues one again.';
comment on column monitoring.dead_letters.delivery_id is 'The delivery.';
comment on column monitoring.dead_letters.message_id is 'The message.';
comment on column monitoring.dead_letters.message_created_at is 'When that was made.';
comment on column monitoring.dead_letters.tenant_id is 'Whose message.';
comment on column monitoring.dead_letters.destination_id is 'The endpoint or channel.';
comment on column monitoring.dead_letters.event_type is 'Type of the event.';
comment on column monitoring.dead_letters.attempts is 'Attempts made.';
comment on column monitoring.dead_letters.reason is 'Why it was given up.';
comment on column monitoring.dead_letters.status_code is 'HTTP status of the last attempt.';
comment on column monitoring.dead_letters.died_at is 'When it was given up.';
comment on column monitoring.dead_letters.replayed_at is 'When it was queued again; null: it was not.';
comment on column monitoring.dead_letters.replayed_by is 'The role that did.';
comment on column monitoring.dead_letters.replayed_as is 'The delivery it became.';
comment on table monitoring_partitions.dead_letters_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create table monitoring.notification_decisions (
    decision_id bigint generated always as identity,
    decided_at timestamptz not null,
    tenant_id uuid not null,
    alert_id uuid not null,
    channel_id uuid,
    decision text not null,
    reason text not null,
    detail text,
    message_id uuid,
    constraint notification_decisions_pkey primary key (decision_id, decided_at),
    constraint notification_decisions_decision_check check (decision in ('sent', 'withheld'))
) partition by range (decided_at);
create index notification_decisions_alert_id_idx on monitoring.notification_decisions (alert_id);
create table monitoring_partitions.notification_decisions_default
    partition of monitoring.notification_decisions default;

comment on table monitoring.notification_decisions is
    'What was sent about an alert and why, and what was not and why not.';
comment on column monitoring.notification_decisions.decision_id is 'Key, with decided_at.';
comment on column monitoring.notification_decisions.decided_at is 'Time of the pass.';
comment on column monitoring.notification_decisions.tenant_id is 'Whose alert.';
comment on column monitoring.notification_decisions.alert_id is 'The alert.';
comment on column monitoring.notification_decisions.channel_id is 'The channel; null: no route leads to any.';
comment on column monitoring.notification_decisions.decision is 'sent or withheld.';
comment on column monitoring.notification_decisions.reason is
    'Sent: first, new_alerts, severity_raised, some_resolved, all_resolved, repeat, storm, flapping, no_data, '
    'rate_limit (what was held back) or what an escalation gave. Withheld: no_route, no_channel, suppressed, flapping, '
    'acknowledged, cooldown, rate_limit, group_wait, group_interval, event_type, collapsed, not_told (over before).';
comment on column monitoring.notification_decisions.detail is 'What suppresses it, or until when it waits.';
comment on column monitoring.notification_decisions.message_id is 'The message in outbox_messages.';
comment on table monitoring_partitions.notification_decisions_default is
    'Rows that no partition takes. Kept empty: maintain_partitions() moves them.';

create type monitoring_internal.notification_send as (
    message_id uuid, tenant_id uuid, channel_id uuid, group_id bigint, sequence bigint, reason text, outcome text,
    level smallint, firing uuid[], firing_levels smallint[], told uuid[], resolved uuid[], due_at timestamptz,
    recipient text, detail jsonb
);
comment on type monitoring_internal.notification_send is
    'What is to be told to a channel: why, of which alerts, what becomes of it (sent, or why it is withheld), what the '
    'channel knows after it, and when to look again.';

create type monitoring_internal.claimed_delivery as (
    delivery_id bigint, fence bigint, attempt integer, message_id text, event_type text, content_type text, body text,
    destination_id uuid, channel_type text, recipient text, url text, configuration jsonb, sealed_secret text,
    previous_sealed_secret text, seal_context text, timeout_ms bigint, ordering_key text
);
comment on type monitoring_internal.claimed_delivery is
    'A delivery that was leased, with all that its request is made of.';

create type monitoring_internal.delivery_end as (
    delivery_id bigint, message_id uuid, message_created_at timestamptz, tenant_id uuid, destination_id uuid,
    attempt integer, fence bigint, outcome text, status_code integer, error_class text, response text,
    duration_seconds double precision, due_at timestamptz, throttled_until timestamptz
);
comment on type monitoring_internal.delivery_end is 'How an attempt ended, and what follows from it.';

insert into monitoring.partition_policies (table_name, partition_interval, premake, lookback, retention) values
    ('monitoring.notification_decisions', '7 days', 2, 1, '60 days'),
    ('monitoring.outbox_messages', '7 days', 2, 1, '60 days'),
    ('monitoring.delivery_attempts', '7 days', 2, 1, '60 days'),
    ('monitoring.dead_letters', '7 days', 2, 1, '60 days');

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('notify.group_wait', '30s', '30s', 'interval', '0s', '1day',
        'How long the first message of a group waits for more alerts, where no route says so; critical ones do not.'),
    ('notify.group_interval', '5min', '5min', 'interval', '0s', '7days',
        'Least distance of messages about one group, where no route says so; raised severities do not wait.'),
    ('notify.repeat_critical', '4h', '4h', 'interval', '1min', '365days',
        'After which critical and high alerts that nobody acknowledged are told again.'),
    ('notify.repeat_other', '1day', '1day', 'interval', '1min', '365days',
        'After which other alerts that nobody acknowledged are told again.'),
    ('notify.max_alerts', '50', '50', 'integer', '1', '1000',
        'Most alerts in the body of one message; the rest is counted.'),
    ('notify.collapse', 'true', 'true', 'boolean', null, null,
        'A message that has not left when its alerts are over is not sent, nor their end; never for critical ones.'),
    ('notify.link_base', '', '', 'text', null, null,
        'Begin of the links in messages, such as https://monitoring.example.org; empty: without links.'),
    ('delivery.lease_grace', '10s', '10s', 'interval', '1s', '1h',
        'How long beyond its time limit a claimed delivery is left to its service before another takes it.'),
    ('delivery.timeout', '15s', '15s', 'interval', '1s', '5min',
        'Longest time of one attempt to a channel that is no webhook endpoint.'),
    ('delivery.deadline', '1day', '1day', 'interval', '1min', '30days',
        'How long a message is tried before it is dead.'),
    ('delivery.backoff_base', '5s', '5s', 'interval', '10ms', '1h',
        'Wait after the first failed attempt; each further one waits three times as long.'),
    ('delivery.backoff_limit', '30min', '30min', 'interval', '1s', '1day', 'Longest wait between two attempts.'),
    ('delivery.retry_after_limit', '1h', '1h', 'interval', '1s', '1day',
        'Longest wait that a receiver may ask for by Retry-After.'),
    ('delivery.breaker_failures', '5', '5', 'integer', '1', '1000',
        'Failures in a row after which a destination is left alone for a while.');
