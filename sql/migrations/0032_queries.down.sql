-- Undoes 0032.
delete from monitoring.settings where name like 'query.%';
drop index monitoring.series_system_idx;
drop index monitoring.series_host_idx;
drop index monitoring.series_asset_idx;
drop index monitoring.series_platform_idx;
drop index monitoring.series_labels_idx;
