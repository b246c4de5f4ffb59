-- Undoes 0037, once the code that uses it is gone.
alter table monitoring.destination_states drop column scan_from_at, drop column scanned_at;
comment on column monitoring.destination_states.consecutive_failures is 'Failures since the last success.';
