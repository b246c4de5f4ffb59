-- Undoes 0034, once the code that uses its tables is gone: platforms, systems, and what rows said beside their values,
-- are lost; the samples stay.
delete from monitoring.settings where name = 'store.auto_register_platforms';
delete from monitoring.partition_policies where table_name = 'monitoring.sample_details';
drop table monitoring.sample_details;
drop table monitoring.systems;
drop table monitoring.metric_definitions;
drop table monitoring.platforms;
