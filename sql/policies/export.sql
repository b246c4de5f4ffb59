-- policies/export.sql: keeps the ready-made label list of each series.

-- A series that comes without its label list gets it here.
create or replace trigger series_set_label_text
before insert on monitoring.series
for each row when (new.label_text = '')
execute function monitoring_internal.set_label_text();
comment on trigger series_set_label_text on monitoring.series is 'Renders the labels once instead of at every scrape.';

create or replace trigger series_reset_label_text
before update of labels, tenant_id on monitoring.series
for each row execute function monitoring_internal.set_label_text();
comment on trigger series_reset_label_text on monitoring.series is 'Renders changed labels anew.';

create or replace trigger tenants_refresh_label_text
after update of name, is_system on monitoring.tenants
for each row when (old.name <> new.name or old.is_system <> new.is_system)
execute function monitoring_internal.refresh_label_text();
comment on trigger tenants_refresh_label_text on monitoring.tenants is
    'Renders the label lists of the tenant''s series anew when its name changes.';
