-- Undoes 0020, once the code that uses its tables is gone: people, schedules and comments are lost.
drop table monitoring.on_call_assignments;
drop table monitoring.on_call_restrictions;
drop table monitoring.on_call_layer_people;
drop table monitoring.on_call_layers;
drop table monitoring.on_call_schedules;
drop table monitoring.alert_comments;
drop table monitoring.contact_methods;
drop table monitoring.people;
