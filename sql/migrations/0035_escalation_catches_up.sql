-- 0035: when a step of escalation was taken last, and policies that routes name.

alter table monitoring.escalation_states add column taken_at timestamptz;
comment on column monitoring.escalation_states.taken_at is
    'When somebody was paged last: of the steps that a stop has delayed, one is taken in a pass.';

update monitoring.notification_routes as route
set escalation_policy_id = null
where not exists (
    select 1
    from monitoring.escalation_policies as policy
    where policy.escalation_policy_id = route.escalation_policy_id);
alter table monitoring.notification_routes
    add constraint notification_routes_escalation_policy_id_fkey foreign key (escalation_policy_id)
        references monitoring.escalation_policies (escalation_policy_id) on delete set null;
create index notification_routes_escalation_policy_id_idx on monitoring.notification_routes (escalation_policy_id);
