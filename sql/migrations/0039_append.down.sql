-- Undoes 0039. Samples of open partitions go to samples, each once: the first that was stored.
insert into monitoring.samples (series_id, sampled_at, value)
select distinct on (stored.series_id, stored.sampled_at) stored.series_id, stored.sampled_at, stored.value
from monitoring.appended_samples as stored
order by stored.series_id, stored.sampled_at, age(stored.xmin) desc, stored.ctid
on conflict do nothing;

drop function if exists monitoring.ingest_samples(text[], jsonb[], double precision[], timestamptz[], uuid, uuid);
drop function if exists monitoring_internal.ingest_samples_at(
    text[], jsonb[], double precision[], timestamptz[], uuid, timestamptz, uuid);
delete from monitoring_internal.staged_samples where series_id is not null;
alter table monitoring_internal.staged_samples drop column series_id;
delete from monitoring.settings where name = 'store.append_delay';
delete from monitoring.partition_policies where table_name = 'monitoring_internal.ingest_batches';
drop table monitoring_internal.ingest_batches;
alter table monitoring_internal.packing_state
    drop column appended_since,
    drop column appended_until,
    drop column deduplicated_total;
drop table monitoring.appended_samples;
-- Shorter intervals than an hour there were none.
update monitoring.partition_policies set partition_interval = interval '1 hour'
where partition_interval < interval '1 hour';
alter table monitoring.partition_policies
    drop constraint partition_policies_partition_interval_check,
    drop column mode,
    add constraint partition_policies_partition_interval_check check (
        partition_interval between interval '1 hour' and interval '10 years'
        and date_trunc('minute', partition_interval) = partition_interval
        -- Whole months, or a fixed length without any: the two kinds of grid there are.
        and date_trunc('month', partition_interval) in (interval '0', partition_interval)
    );
comment on column monitoring.partition_policies.partition_interval is
    'Span of one partition: a fixed length of an hour or more, or whole months. Its grid is that of UTC.';
