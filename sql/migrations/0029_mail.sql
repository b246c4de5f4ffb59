-- 0029: mail and text messages: one delivery a recipient, and what a claim says of how to get through.

alter table monitoring.deliveries add column recipient text;
alter table monitoring.dead_letters add column recipient text;

comment on column monitoring.deliveries.recipient is
    'The address this one is for, of those that an email or SMS channel names; null: as the message says.';
comment on column monitoring.dead_letters.recipient is 'The address it was for; null: as the message says.';

alter type monitoring_internal.claimed_delivery
    add attribute method text,
    add attribute auth text,
    add attribute login text,
    add attribute sender text;

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('delivery.mail_timeout', '1min', '1min', 'interval', '1s', '5min',
        'Longest time of one attempt to hand an email to its server; some make new senders wait.');
