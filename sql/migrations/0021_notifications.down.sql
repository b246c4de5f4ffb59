-- Undoes 0021, once the code that uses its tables is gone: channels, endpoints and routes are lost.
drop table monitoring.held_notifications;
drop table monitoring.notification_log;
drop table monitoring.notification_members;
drop table monitoring.notification_groups;
drop table monitoring.notification_routes;
drop table monitoring.notification_channels;
drop table monitoring.webhook_endpoints;
