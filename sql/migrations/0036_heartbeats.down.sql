-- Undoes 0036, once the code that uses it is gone: the sealed URLs are lost.
delete from monitoring.settings where name like 'heartbeat.%';
drop table monitoring.heartbeats;
