-- Undoes 0035, once the code that uses it is gone: what a stop has delayed is taken at once.
drop index monitoring.notification_routes_escalation_policy_id_idx;
alter table monitoring.notification_routes drop constraint notification_routes_escalation_policy_id_fkey;
alter table monitoring.escalation_states drop column taken_at;
