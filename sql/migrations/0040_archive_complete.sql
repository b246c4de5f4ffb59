-- 0040: archives hold what rows say beside samples, and files are known by the store that wrote them; checks of
-- backups that were interrupted are no failures; from when on upkeep that does not go on is told.

-- They return more columns.
drop function if exists monitoring_internal.archive_lines(date, integer[]);
drop function if exists monitoring_internal.archive_facts(bigint);

alter table monitoring.archives add column detail_count bigint not null default 0;
alter table monitoring.archives add constraint archives_detail_count_check check (detail_count >= 0);

comment on column monitoring.archives.detail_count is 'Rows in it of what was said beside samples.';

create table monitoring_internal.archive_identity (
    is_only boolean not null default true,
    mark text not null,
    constraint archive_identity_pkey primary key (is_only),
    constraint archive_identity_is_only_check check (is_only),
    constraint archive_identity_mark_check check (mark ~ '^[0-9a-f]{8}$')
);

comment on table monitoring_internal.archive_identity is
    'One row: what the names of files of this store end in, so that several stores may share a place.';
comment on column monitoring_internal.archive_identity.is_only is 'True: there is one row.';
comment on column monitoring_internal.archive_identity.mark is 'Eight hex digits by chance.';

insert into monitoring_internal.archive_identity (mark) values (left(replace(gen_random_uuid()::text, '-', ''), 8));

alter type monitoring_internal.claimed_archive add attribute file_mark text;

alter table monitoring.backup_checks drop constraint backup_checks_state_check;
alter table monitoring.backup_checks add constraint backup_checks_state_check
    check (state in ('running', 'passed', 'failed', 'interrupted'));

comment on column monitoring.backup_checks.state is
    'running, passed, failed, or interrupted by whoever ran it, which says nothing of the backup.';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('archive.orphan_age', '1day', '1day', 'interval', '1hour', '3650days',
        'How old a file of ours that no archive knows must be to be removed by pgvigil archive verify '
        '--remove-orphans.'),
    ('backup.check_within', '14days', '14days', 'interval', '1hour', '3650days',
        'Once backups are checked, a check has to pass within this time; else it is told.'),
    ('retention.refused_within', '3days', '3days', 'interval', '1hour', '3650days',
        'Data that are so long past their retention and may not go are told.');
