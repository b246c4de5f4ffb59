-- Undoes 0025, once the code that uses its table is gone: archived alerts go back among the others.
insert into monitoring.alerts
select (jsonb_populate_record(null::monitoring.alerts, to_jsonb(archived))).*
from monitoring.alerts_archive as archived;
delete from monitoring.settings where name = 'alerting.archive_after';
delete from monitoring.partition_policies where table_name = 'monitoring.alerts_archive';
drop index monitoring.alerts_text_idx;
drop table monitoring.alerts_archive;
