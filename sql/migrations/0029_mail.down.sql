-- Undoes 0029, once the code that uses it is gone: what waits for one of several recipients goes to all of them.
delete from monitoring.settings where name = 'delivery.mail_timeout';
alter type monitoring_internal.claimed_delivery
    drop attribute method, drop attribute auth, drop attribute login, drop attribute sender;
alter table monitoring.dead_letters drop column recipient;
alter table monitoring.deliveries drop column recipient;
