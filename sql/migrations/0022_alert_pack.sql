-- 0022: the rules that come with pgvigil, as they were shipped and as they were loaded.

create table monitoring.alert_pack_rules (
    rule_name text not null,
    definition jsonb not null,
    rule_id uuid,
    loaded jsonb,
    loaded_in xid8 not null,
    is_shipped boolean not null default true,
    is_to_resume boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alert_pack_rules_pkey primary key (rule_name),
    constraint alert_pack_rules_rule_id_key unique (rule_id),
    constraint alert_pack_rules_definition_check check (jsonb_typeof(definition) = 'object'),
    constraint alert_pack_rules_loaded_check check (jsonb_typeof(loaded) = 'object')
);

comment on table monitoring.alert_pack_rules is
    'One row a rule that came with pgvigil, its row of alert_rules deleted or not. Shown by alert_pack.';
comment on column monitoring.alert_pack_rules.rule_name is 'Its name in the pack.';
comment on column monitoring.alert_pack_rules.definition is 'As it was last shipped, its tests included.';
comment on column monitoring.alert_pack_rules.rule_id is
    'The row of alert_rules made for it; no such row any longer: somebody deleted it. Null: none was made, since a '
    'rule of that name was there.';
comment on column monitoring.alert_pack_rules.loaded is
    'The columns of that row as the pack left them: what differs now was changed by somebody.';
comment on column monitoring.alert_pack_rules.loaded_in is 'Transaction that loaded it last.';
comment on column monitoring.alert_pack_rules.is_shipped is 'False: it left the pack.';
comment on column monitoring.alert_pack_rules.is_to_resume is
    'Of one that left the pack: whether it was active, and will be when it comes back.';
comment on column monitoring.alert_pack_rules.created_at is 'When it came.';
comment on column monitoring.alert_pack_rules.updated_at is 'When it was loaded or changed last.';
