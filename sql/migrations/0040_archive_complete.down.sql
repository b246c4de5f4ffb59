-- Undoes 0040. Files written since hold details that what remains does not know: it takes them for damaged.
delete from monitoring.settings
where name in ('archive.orphan_age', 'backup.check_within', 'retention.refused_within');
update monitoring.backup_checks set state = 'failed', error = coalesce(error, 'interrupted')
where state = 'interrupted';
alter table monitoring.backup_checks drop constraint backup_checks_state_check;
alter table monitoring.backup_checks add constraint backup_checks_state_check
    check (state in ('running', 'passed', 'failed'));
comment on column monitoring.backup_checks.state is 'running, passed or failed.';
alter type monitoring_internal.claimed_archive drop attribute file_mark;
drop table monitoring_internal.archive_identity;
alter table monitoring.archives drop column detail_count;
drop function if exists monitoring_internal.archive_lines(date, integer[]);
drop function if exists monitoring_internal.archive_facts(bigint);
