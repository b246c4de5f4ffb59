-- Undoes 0018.
delete from monitoring.settings
where name in ('alerting.norm_period', 'alerting.norm_refresh', 'alerting.norm_min_samples');
drop table monitoring.alert_rule_tests;
drop table monitoring.alert_norms;
