-- Undoes 0027, once the code that uses its tables is gone: messages that were not delivered are lost.
delete from monitoring.settings where name like 'notify.%' or name like 'delivery.%';
delete from monitoring.partition_policies
where table_name in ('monitoring.notification_decisions', 'monitoring.outbox_messages', 'monitoring.delivery_attempts',
    'monitoring.dead_letters');
drop type monitoring_internal.delivery_end;
drop type monitoring_internal.claimed_delivery;
drop type monitoring_internal.notification_send;
drop table monitoring.dead_letters;
drop table monitoring.delivery_attempts;
drop table monitoring.destination_states;
drop table monitoring.deliveries;
drop table monitoring.outbox_messages;
drop table monitoring.notification_decisions;
