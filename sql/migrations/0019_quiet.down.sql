-- Undoes 0019, once the code that uses its tables is gone: hours, silences, windows and groups are lost.
delete from monitoring.settings
where name in ('alerting.silence_limit', 'alerting.correlation_window', 'alerting.correlation_labels',
    'alerting.correlation_limit', 'alerting.correlation_retention');
drop table monitoring.alert_group_members;
drop table monitoring.alert_correlations;
drop table monitoring.alert_dependencies;
drop table monitoring.alert_inhibitions;
drop table monitoring.maintenance_windows;
drop table monitoring.alert_silences;
drop table monitoring.holidays;
drop table monitoring.business_hours;
