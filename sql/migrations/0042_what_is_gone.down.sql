-- Undoes 0042.
drop table monitoring_internal.metric_horizons;
alter table monitoring.retention_states drop column gone_until;
