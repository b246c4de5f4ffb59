-- policies/store.sql: who sees which rows of the store, and the stamps on its rows.
-- Samples have no policy: nobody but the owner may read the table, and its views ask for the tenant themselves.

alter table monitoring.series enable row level security;
drop policy if exists series_visible on monitoring.series;
create policy series_visible on monitoring.series for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

-- What an application called its metrics is its tenant's affair until they are registered.
alter table monitoring.metric_families enable row level security;
drop policy if exists metric_families_visible on monitoring.metric_families;
create policy metric_families_visible on monitoring.metric_families for select
    using (
        is_registered
        or exists (
            select 1
            from monitoring.series as series
            where series.tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[])
                and series.metric_family_id = metric_families.metric_family_id
        )
    );

alter table monitoring.rejected_samples enable row level security;
drop policy if exists rejected_samples_visible on monitoring.rejected_samples;
create policy rejected_samples_visible on monitoring.rejected_samples for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.rejected_sample_totals enable row level security;
drop policy if exists rejected_sample_totals_visible on monitoring.rejected_sample_totals;
create policy rejected_sample_totals_visible on monitoring.rejected_sample_totals for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

create or replace trigger metric_families_update_updated_at
    before update on monitoring.metric_families
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger partition_policies_update_updated_at
    before update on monitoring.partition_policies
    for each row execute function monitoring_internal.update_updated_at_column();

create or replace trigger partition_holds_update_updated_at
    before update on monitoring.partition_holds
    for each row execute function monitoring_internal.update_updated_at_column();
