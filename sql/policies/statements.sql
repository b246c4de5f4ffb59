-- policies/statements.sql: statements and their statistics belong to the tenant of the server they ran on.

alter table monitoring.statement_sources enable row level security;
drop policy if exists statement_sources_visible on monitoring.statement_sources;
create policy statement_sources_visible on monitoring.statement_sources for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.statements enable row level security;
drop policy if exists statements_visible on monitoring.statements;
create policy statements_visible on monitoring.statements for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.statement_intervals enable row level security;
drop policy if exists statement_intervals_visible on monitoring.statement_intervals;
create policy statement_intervals_visible on monitoring.statement_intervals for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));

alter table monitoring.statement_totals enable row level security;
drop policy if exists statement_totals_visible on monitoring.statement_totals;
create policy statement_totals_visible on monitoring.statement_totals for select
    using (tenant_id = any ((select monitoring.visible_tenant_ids())::uuid[]));
