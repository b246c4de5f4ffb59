-- policies/wide.sql: who sees which platforms, metrics of them and systems; the triggers behind the wide names.

alter table monitoring.platforms enable row level security;
drop policy if exists platforms_visible on monitoring.platforms;
create policy platforms_visible on monitoring.platforms
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.metric_definitions enable row level security;
drop policy if exists metric_definitions_visible on monitoring.metric_definitions;
create policy metric_definitions_visible on monitoring.metric_definitions
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.systems enable row level security;
drop policy if exists systems_visible on monitoring.systems;
create policy systems_visible on monitoring.systems
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger platforms_update_updated_at
    before update on monitoring.platforms
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger metric_definitions_update_updated_at
    before update on monitoring.metric_definitions
    for each row execute function monitoring_internal.update_updated_at_column();

-- Not for last_seen: a report is no change of the machine.
create or replace trigger systems_update_updated_at
    before update of hostname, cpu_cores, ram_total_gb, gpu_model, location, status, tenant_id on monitoring.systems
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger metric_definitions_describe
    after insert or update of data_type, unit, description on monitoring.metric_definitions
    for each row execute function monitoring_internal.metric_definitions_describe();
comment on trigger metric_definitions_describe on monitoring.metric_definitions is
    'A definition describes its family, as long as nobody else has.';

create or replace trigger performance_metrics_insert
    instead of insert on monitoring.performance_metrics
    for each row execute function monitoring_internal.performance_metrics_insert();
comment on trigger performance_metrics_insert on monitoring.performance_metrics is 'Rows go into the store.';

create or replace trigger platform_metrics_insert
    instead of insert on monitoring.platform_metrics
    for each row execute function monitoring_internal.platform_metrics_insert();
comment on trigger platform_metrics_insert on monitoring.platform_metrics is 'Rows go into the store.';

create or replace trigger usage_metrics_insert
    instead of insert on monitoring.usage_metrics
    for each row execute function monitoring_internal.usage_metrics_insert();
comment on trigger usage_metrics_insert on monitoring.usage_metrics is 'Rows go into the store.';

create or replace trigger system_metrics_insert
    instead of insert on monitoring.system_metrics
    for each row execute function monitoring_internal.system_metrics_insert();
comment on trigger system_metrics_insert on monitoring.system_metrics is 'Rows go into the store.';

create or replace trigger application_metrics_insert
    instead of insert on monitoring.application_metrics
    for each row execute function monitoring_internal.application_metrics_insert();
comment on trigger application_metrics_insert on monitoring.application_metrics is 'Rows go into the store.';
