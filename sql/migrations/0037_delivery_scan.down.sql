-- Undoes 0037, once the code that uses it is gone.
alter table monitoring.destination_states drop column scan_from_at, drop column scanned_at;
