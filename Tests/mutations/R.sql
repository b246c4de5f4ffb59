-- Mistakes in the mathematics of rollups, each as the reviewed designs had it; see scripts/try-mutations.

-- R-01: the percentile of an hour is taken of the percentiles of its minutes
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_rollups', 'when part.sketch is not null then part.sketch',
    'when part.sketch is not null then monitoring_internal.sketch_constant(monitoring_internal.sketch_quantile(
        part.sketch, 0.95, part.value_min, part.value_max), 1)');
-- R-01: of a percentile only the side on which it lies is kept
-- fails: Tests/sql/rollup_sketch.sql › R-01: a percentile is within 1 percent of the exact one, whatever the values
create or replace function monitoring_internal.sketch_quantile(
    p_sketch integer[], p_quantile double precision, p_min double precision, p_max double precision)
returns double precision language sql immutable as 'select case when p_quantile < 0.5 then p_min else p_max end';
-- R-01: the 95th percentile of several series is the mean of theirs
-- fails: Tests/sql/query_views.sql › R-01, R-02, R-08: platform_metrics_hourly is what SQL over all samples says: means of samples, percentiles, the live hour
select mutation.edit('monitoring.platform_metrics_hourly', 'monitoring_internal.merge_sketches(COALESCE(part.sketch,',
    'monitoring_internal.merge_sketches(COALESCE(part.sketch[1:1],');
-- R-02: the mean of an hour is the mean of the means of its minutes
-- fails: Tests/sql/downsampling.sql › R-02, row 34: ten seconds become minutes, five minutes and hours, each as SQL over the samples has them
select mutation.edit('monitoring_internal.fold_rollups', 'sum(part.value_sum) as sum',
    'avg(part.value_sum / part.sample_count) * sum(part.sample_count) as sum');
-- R-02: a view shows the mean of the means of its series
-- fails: Tests/sql/query_views.sql › R-01, R-02, R-08: platform_metrics_hourly is what SQL over all samples says: means of samples, percentiles, the live hour
select mutation.edit('monitoring.platform_metrics_hourly', 'sum(part.value_sum) AS total',
    'avg(part.value_sum / part.sample_count::double precision) * sum(part.sample_count)::double precision AS total');
-- R-03: the count of an hour is of the rows it is made of
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_rollups', 'sum(part.sample_count)::bigint as count', 'count(*) as count');
-- R-03: metrics_hourly counts the rows of a finer level
-- fails: Tests/sql/query_views.sql › R-03: metrics_hourly counts samples, not rows of a finer level
select mutation.edit('monitoring.metrics', '(sum(part.sample_count))::bigint AS samples', 'count(*) AS samples');
-- R-03: sums of squares are lost on the way up, and with them the deviation
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_rollups', 'sum(part.value_sum_squares) as sum_squares',
    '0::double precision as sum_squares');
-- R-04: nothing fills the minutes
-- fails: Tests/sql/rollups.sql › R-04, R-14: every metric has the levels of its class, filled
select mutation.edit('monitoring_internal.store_rollups', 'where excluded.sample_count', 'where $1 <> ''5m'' and excluded.sample_count');
select mutation.edit('monitoring_internal.store_rollups', 'folded.* from %s as folded', 'folded.* from %s as folded where $1 <> ''1m''');
-- R-04: the view knows hours only
-- fails: Tests/sql/query_views.sql › R-03, R-04, R-05: metrics at 1m, 5m, 1h and 1d agree with the samples, and two sets of dimensions stay two
select mutation.edit('monitoring.metrics', 'AND (part.labels ? ''asset_id''::text)',
    'AND (part.labels ? ''asset_id''::text) AND part.resolution = ''1h''');
-- R-05: series that differ in a label alone are put together
-- fails: Tests/sql/rollups.sql › R-05: two sets of labels stay two series
select mutation.edit('monitoring_internal.find_series', 'sample.labels', '(sample.labels - ''host'')');
select mutation.edit('monitoring_internal.find_many_series', 'sample.labels', '(sample.labels - ''host'')');
select mutation.edit('monitoring_internal.make_series', 'unnest(p_metric, p_labels)',
    'unnest(p_metric, array(select labels - ''host'' from unnest(p_labels) as labels))');
-- R-05: the view puts sets of dimensions together
-- fails: Tests/sql/query_views.sql › R-03, R-04, R-05: metrics at 1m, 5m, 1h and 1d agree with the samples, and two sets of dimensions stay two
select mutation.edit('monitoring_internal.series_rollups', 'series.labels,', '(series.labels - ''region''::text) AS labels,');
-- R-05: what is built again is added to what was built
-- fails: Tests/sql/rollups.sql › R-05: to the same rows, none of them twice
select mutation.edit('monitoring_internal.store_rollups', 'set sample_count = excluded.sample_count, value_sum = excluded.value_sum',
    'set sample_count = rollup.sample_count + excluded.sample_count, value_sum = rollup.value_sum + excluded.value_sum');
-- R-06: a month is a bucket of thirty days
-- fails: Tests/sql/query_views.sql › R-06: a month is as long as it is
select mutation.edit('monitoring.aggregated_metrics', '((month.start_at + ''1 mon''::interval) - month.start_at)', '''30 days''::interval');
-- R-06: and begins every thirty days
-- fails: Tests/sql/query_views.sql › R-07, R-13: aggregated_metrics has days of UTC, weeks from Monday and months of the calendar, percentiles at every level
select mutation.edit('monitoring.aggregated_metrics',
    'date_trunc(''month''::text, (part.bucket_at AT TIME ZONE ''UTC''::text))',
    'date_bin(''30 days'', (part.bucket_at AT TIME ZONE ''UTC''::text), ''2001-01-01'')');
-- R-07: the hour keeps no distribution, so the day has none
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_samples', 'distribution.sketch
    from unnest', 'null::integer[]
    from unnest');
-- R-07: a day is built again from what is left of its samples
-- fails: Tests/sql/rollups.sql › R-07: nor is a bucket made again of what is left of its samples
select mutation.edit('monitoring_internal.store_rollups', 'where excluded.sample_count >= rollup.sample_count', '');
-- R-07: samples go before a month of them is rolled up
-- fails: Tests/sql/rollups.sql › C-16, R-07: samples whose rollups are not complete are not dropped, by whatever else goes wrong
delete from monitoring.partition_holds where name = 'rollups';
-- R-08: what comes later than the window is never looked at
-- fails: Tests/sql/rollups.sql › R-08: what is late is noted, by the finest bucket of its class
select mutation.edit('monitoring_internal.note_late_samples', 'bucket.start_at + level.width <= v_closing',
    'bucket.start_at + level.width <= v_closing and sample.sampled_at >= v_closing - interval ''3 hours''');
-- R-08: a refresh looks at the last three hours alone
-- fails: Tests/sql/rollups.sql › R-08, R-15: its hour, its day and what is made of them change, maximum and all, and nothing else does
select mutation.edit('monitoring_internal.note_late_samples', 'bucket.start_at + level.width <= v_closing',
    'bucket.start_at + level.width <= v_closing and sample.sampled_at >= v_closing - interval ''3 hours''');
-- R-08: the hour that is not over yet is in no view
-- fails: Tests/sql/query_views.sql › R-01, R-02, R-08: platform_metrics_hourly is what SQL over all samples says: means of samples, percentiles, the live hour
select mutation.edit('monitoring_internal.series_rollups', '(class.rollup_1h IS NOT NULL)', '(class.rollup_1h IS NULL)');
-- R-09: only the mean is kept
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_samples', 'min(sample.value) as min, max(sample.value) as max',
    'avg(sample.value) as min, avg(sample.value) as max');
-- R-09: the view shows the mean alone
-- fails: Tests/sql/query_views.sql › R-09, R-10, R-15: system_metrics_%s has each with its tags and peaks, and no mean of a counter
select mutation.edit('monitoring.system_metrics_5m', 'bucket.highest AS max_value', 'bucket.total / bucket.samples::double precision AS max_value');
-- R-10: counters are averaged like gauges
-- fails: Tests/sql/query_views.sql › R-09, R-10, R-15: system_metrics_%s has each with its tags and peaks, and no mean of a counter
select mutation.edit('monitoring.system_metrics_1h', '(bucket.kind <> ''counter''::text)', 'true');
-- R-10: a counter has no increase
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
select mutation.edit('monitoring_internal.fold_samples', 'case when range.is_counter then coalesce(grown.increase, 0) end',
    'null::double precision');
-- R-10: the increase of a counter is its last value less its first, as if it were never reset
-- fails: Tests/sql/rollups.sql › R-01, R-02, R-03, R-09, R-10: every level equals direct SQL over the samples, percentiles within 1 percent
create or replace function monitoring_internal.counter_growth(p_earlier double precision, p_later double precision)
returns double precision language sql immutable as 'select p_later - p_earlier';
-- R-11: a refresh builds everything again
-- fails: Tests/sql/rollups.sql › R-11: a refresh after one late sample reads its hour and its day, however much is stored
select mutation.edit('monitoring_internal.note_late_samples', 'select distinct level.series_id, bucket.start_at, bucket.start_at + level.width',
    'select distinct level.series_id, timestamptz ''2026-05-01 00:00Z'', v_closing');
-- R-11: the summary ends where the last refresh did
-- fails: Tests/sql/query_views.sql › R-11: hourly_metrics_summary has every metric and hour, the current one too
select mutation.edit('monitoring.hourly_metrics_summary', 'part.resolution = ''1h''::text',
    'part.resolution = ''1h''::text and part.bucket_at < (select watermark from monitoring_internal.rollup_levels where resolution = ''1h'')');
-- R-12: a summary that has to be filled first
-- fails: Tests/sql/rollups.sql › R-12: no summary is a view that has to be filled first
create materialized view monitoring.hourly_summary as select * from monitoring.rollups_1h with no data;
-- R-13: hours begin where the session's do
-- fails: Tests/sql/rollups.sql › R-13, P-16: buckets are those of UTC in every session
select mutation.edit('monitoring_internal.fold_samples', 'date_bin(p_width, sample.sampled_at, ''1970-01-01 00:00Z'')',
    '(date_bin(p_width, sample.sampled_at at time zone current_setting(''timezone''), ''1970-01-01 00:00'')
        at time zone current_setting(''timezone''))');
-- R-13: days, weeks and months follow the session
-- fails: Tests/sql/query_views.sql › R-07, R-13: aggregated_metrics has days of UTC, weeks from Monday and months of the calendar, percentiles at every level
select mutation.edit('monitoring.aggregated_metrics',
    'date_trunc(''month''::text, (part.bucket_at AT TIME ZONE ''UTC''::text))',
    '(date_trunc(''month''::text, part.bucket_at) AT TIME ZONE ''UTC''::text)');
-- R-13: weeks begin on Sundays
-- fails: Tests/sql/query_views.sql › R-07, R-13: aggregated_metrics has days of UTC, weeks from Monday and months of the calendar, percentiles at every level
select mutation.edit('monitoring.aggregated_metrics', '''7 days''::interval, part.bucket_at', '''7 days''::interval, part.bucket_at + ''1 day''::interval');
-- R-14: the hourly aggregate has the processor only
-- fails: Tests/sql/query_views.sql › R-14: hourly_performance_stats has memory, graphics, disk and network beside the processor
select mutation.edit('monitoring.hourly_performance_stats', '~~ ''usage\_%''::text', '~~ ''usage\_cpu%''::text');
-- R-15: an hour shows its mean where its peak was
-- fails: Tests/sql/rollups.sql › R-08, R-15: its hour, its day and what is made of them change, maximum and all, and nothing else does
select mutation.edit('monitoring_internal.fold_rollups', 'max(part.value_max) as max', 'avg(part.value_max) as max');
-- R-15: system_metrics has no peak
-- fails: Tests/sql/query_views.sql › R-09, R-10, R-15: system_metrics_%s has each with its tags and peaks, and no mean of a counter
select mutation.edit('monitoring.system_metrics_1m', 'bucket.highest AS max_value', 'bucket.total / bucket.samples::double precision AS max_value');
