-- Mistakes in collection and dashboards that the store keeps out; see scripts/try-mutations.

-- L-28: days are all that is summarised
-- fails: Tests/sql/query_views.sql › R-07, R-13: aggregated_metrics has days of UTC, weeks from Monday and months of the calendar, percentiles at every level
select mutation.edit('monitoring.aggregated_metrics', 'part.resolution = ''1d''::text', 'part.resolution = ''1d''::text and span.aggregation = ''daily''');
-- L-31: no key of duplicates
-- fails: Tests/sql/packing.sql › a batch sent again changes nothing, packed or not
alter table monitoring.samples drop constraint samples_pkey;
-- L-31: blocks do not know their samples again
-- fails: Tests/sql/packing.sql › L-31: a batch sent again changes nothing, not even one that was late for its blocks
select mutation.edit('monitoring_internal.store_late_samples', 'where placed.series_id = late.series_id and placed.sampled_at = late.sampled_at', 'where false');
