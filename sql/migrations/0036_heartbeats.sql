-- 0036: signs of life to the outside, for who notices that they stop.

create table monitoring.heartbeats (
    heartbeat_id uuid not null default gen_random_uuid(),
    name text not null,
    sealed_url text not null,
    method text not null default 'POST',
    every interval not null default '1 min',
    is_active boolean not null default true,
    attempted_at timestamptz,
    sent_at timestamptz,
    last_status integer,
    last_error text,
    consecutive_failures integer not null default 0,
    sent_total bigint not null default 0,
    failed_total bigint not null default 0,
    withheld_at timestamptz,
    withheld_reason text,
    fence bigint not null default 0,
    lease_instance_id uuid,
    lease_expires_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint heartbeats_pkey primary key (heartbeat_id),
    constraint heartbeats_name_key unique (name),
    constraint heartbeats_name_check check (length(name) between 1 and 100),
    constraint heartbeats_method_check check (method in ('GET', 'POST')),
    constraint heartbeats_every_check check (every between interval '10 seconds' and interval '1 day')
) with (fillfactor = 50);

comment on table monitoring.heartbeats is
    'Dead man''s switches: told that pgvigil lives while its whole chain works, they tell people when that ends.';
comment on column monitoring.heartbeats.heartbeat_id is 'Key; its URL is sealed for it.';
comment on column monitoring.heartbeats.name is 'Its name.';
comment on column monitoring.heartbeats.sealed_url is
    'Where to, sealed by the service: pgvigil:v1:KEY:BASE64. Who has the URL can feign that all is well.';
comment on column monitoring.heartbeats.method is 'GET or POST.';
comment on column monitoring.heartbeats.every is 'How often it is sent.';
comment on column monitoring.heartbeats.is_active is 'False: it is not sent.';
comment on column monitoring.heartbeats.attempted_at is 'When it was sent last, arrived or not; null: at once.';
comment on column monitoring.heartbeats.sent_at is 'When it arrived last.';
comment on column monitoring.heartbeats.last_status is 'HTTP status of the last answer; null: there was none.';
comment on column monitoring.heartbeats.last_error is 'Why the last one did not arrive; null: it did.';
comment on column monitoring.heartbeats.consecutive_failures is 'How many in a row did not arrive.';
comment on column monitoring.heartbeats.sent_total is 'How many arrived.';
comment on column monitoring.heartbeats.failed_total is 'How many did not.';
comment on column monitoring.heartbeats.withheld_at is 'Since when it is withheld, the chain being broken.';
comment on column monitoring.heartbeats.withheld_reason is 'Which link is broken.';
comment on column monitoring.heartbeats.fence is 'Number of the latest claim; a report with another changes nothing.';
comment on column monitoring.heartbeats.lease_instance_id is 'Which service has it in hand; null: none.';
comment on column monitoring.heartbeats.lease_expires_at is 'Until when.';
comment on column monitoring.heartbeats.created_at is 'When it was made.';
comment on column monitoring.heartbeats.updated_at is 'When it was changed last.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('heartbeat.collection_limit', '5min', '5min', 'interval', '10s', '1day',
        'Heartbeats stop when no collector has ended well on this server for so long.'),
    ('heartbeat.evaluation_limit', '2min', '2min', 'interval', '10s', '1day',
        'Heartbeats stop when no evaluation of the alert rules has ended for so long.'),
    ('heartbeat.claim_limit', '2min', '2min', 'interval', '10s', '1day',
        'Heartbeats stop when a message has been due for so long and nothing was tried at its receiver meanwhile.'),
    ('heartbeat.arrival_limit', '15min', '15min', 'interval', '1min', '7days',
        'Heartbeats stop when messages wait for so long and there is no other receiver that works.');
