-- views/alert_pack.sql: the rules that came with pgvigil, and which of them somebody changed.

create or replace view monitoring.alert_pack with (security_invoker = true) as
select
    pack.rule_name,
    pack.definition ->> 'rule_category' as rule_category,
    case
        when not pack.is_shipped then 'left the pack'
        when pack.rule_id is null then 'own rule of that name'
        when rule.id is null then 'deleted'
        when cardinality(changed.columns) > 0 then 'customised'
        when not rule.is_active then 'disabled'
        else 'as shipped'
    end as state,
    changed.columns as changed_columns,
    rule.is_active,
    rule.id as rule_id,
    pack.definition,
    pack.updated_at
from monitoring.alert_pack_rules as pack
left join monitoring.alert_rules as rule on rule.id = pack.rule_id
cross join lateral (
    select array(
        select before.key
        from jsonb_each(pack.loaded) as before
        where before.value is distinct from monitoring_internal.alert_pack_columns(rule) -> before.key
            and rule.id is not null
        order by before.key) as columns
) as changed;

comment on view monitoring.alert_pack is
    'The rules that came with pgvigil: as shipped, customised, disabled, deleted, own rule of that name, or left the '
    'pack. An upgrade leaves customised and deleted ones alone; reset_alert_rule(rule_name) gives one back.';
comment on column monitoring.alert_pack.rule_name is 'Its name in the pack.';
comment on column monitoring.alert_pack.rule_category is 'Group it is listed under.';
comment on column monitoring.alert_pack.state is
    'as shipped, customised, disabled, deleted, own rule of that name, left the pack.';
comment on column monitoring.alert_pack.changed_columns is 'Columns of alert_rules that somebody changed.';
comment on column monitoring.alert_pack.is_active is 'Whether it is evaluated; null when there is no such rule.';
comment on column monitoring.alert_pack.rule_id is 'The rule, of alert_rules.';
comment on column monitoring.alert_pack.definition is 'As it is shipped, its tests included.';
comment on column monitoring.alert_pack.updated_at is 'When it was loaded last.';
