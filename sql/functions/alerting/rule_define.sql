-- alerting/rule_define.sql: make, change and drop alert rules.
-- Owns rule_columns, require_rule_tenant, create_alert_rule, update_alert_rule, drop_alert_rule. Writes alert_rules.
-- Any number of callers at once; a rule is changed by one at a time.

-- The columns that a definition names, quoted.
-- Raises: PV902 for a definition that is no object or has a key that is no column to be set.
create or replace function monitoring_internal.rule_columns(p_definition jsonb)
returns text[]
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_settable constant text[] := array(
        select attribute.attname::text
        from pg_attribute as attribute
        where attribute.attrelid = 'monitoring.alert_rules'::regclass and attribute.attnum > 0
            and not attribute.attisdropped and attribute.attname not in (
                'id', 'rule_no', 'source', 'pack_hash', 'last_triggered', 'created_at', 'created_by', 'updated_at')
        order by attribute.attname);
    v_unknown text;
begin
    if jsonb_typeof(p_definition) is distinct from 'object' then
        raise exception using
            errcode = 'PV902',
            message = 'the definition of an alert rule is no json object',
            hint = 'Give one with the columns of monitoring.alert_rules as keys.';
    end if;
    select string_agg(given.key, ', ' order by given.key) into v_unknown
    from jsonb_object_keys(p_definition) as given (key)
    where not given.key = any (v_settable);
    if v_unknown is not null then
        raise exception using
            errcode = 'PV902',
            message = format('an alert rule has no such key to set: %s', v_unknown),
            hint = format('The keys are %s.', array_to_string(v_settable, ', '));
    end if;
    return array(select quote_ident(given.key) from jsonb_object_keys(p_definition) as given (key) order by 1);
end;
$$;

comment on function monitoring_internal.rule_columns(jsonb) is
    'Quoted columns of alert_rules that a definition sets; PV902 when a key is none.';

-- Stop who may not touch the rules of a tenant; null is every tenant.
create or replace function monitoring_internal.require_rule_tenant(p_tenant_id uuid)
returns void
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
    select monitoring_internal.require_visible_tenant(coalesce(p_tenant_id, monitoring.system_tenant_id()));
$$;

comment on function monitoring_internal.require_rule_tenant(uuid) is
    'Raises PV002 unless the caller sees the tenant of a rule; for rules of every tenant, the system''s.';

-- Make a rule from an object whose keys are columns of alert_rules; those left out have their defaults.
-- Raises: PV002, PV901, PV902, 23505 for a name that is taken.
create or replace function monitoring.create_alert_rule(definition jsonb)
returns uuid
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns constant text := array_to_string(
        monitoring_internal.rule_columns(create_alert_rule.definition), ', ');
    v_id uuid;
begin
    perform monitoring_internal.require_rule_tenant((create_alert_rule.definition ->> 'tenant_id')::uuid);
    -- Dynamic, as a column that is not named takes its default. The names are quoted ones of the table.
    execute format(
        'insert into monitoring.alert_rules (%1$s) select %1$s '
            'from jsonb_populate_record(null::monitoring.alert_rules, $1) returning id', v_columns)
    into v_id
    using create_alert_rule.definition;
    return v_id;
end;
$$;

comment on function monitoring.create_alert_rule(jsonb) is
    'Makes an alert rule from an object with the columns of alert_rules as keys; returns its id. A rule that could not '
    'work is refused with all its faults. For monitoring_admin.';

-- Change what an object names of a rule.
-- Raises: PV002, PV901, PV902, PV903 for a rule that is not there.
create or replace function monitoring.update_alert_rule(id uuid, changes jsonb)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns constant text := array_to_string(monitoring_internal.rule_columns(update_alert_rule.changes), ', ');
    v_rule monitoring.alert_rules;
begin
    select rule.* into v_rule from monitoring.alert_rules as rule where rule.id = update_alert_rule.id for update;
    if v_rule.id is null then
        raise exception using
            errcode = 'PV903',
            message = format('alert rule %s does not exist', update_alert_rule.id),
            hint = 'The ids are in monitoring.alert_rules.';
    end if;
    perform monitoring_internal.require_rule_tenant(v_rule.tenant_id);
    v_rule := jsonb_populate_record(v_rule, update_alert_rule.changes);
    perform monitoring_internal.require_rule_tenant(v_rule.tenant_id);
    if v_columns <> '' then
        -- Dynamic as above.
        execute format('update monitoring.alert_rules set (%1$s) = row (%2$s) where id = ($1).id', v_columns,
            (select string_agg(format('($1).%s', named.part), ', ')
             from unnest(string_to_array(v_columns, ', ')) as named (part)))
        using v_rule;
    end if;
end;
$$;

comment on function monitoring.update_alert_rule(uuid, jsonb) is
    'Changes the columns of an alert rule that an object names. For monitoring_admin.';

-- Drop a rule; what it had open is closed.
-- Raises: PV002, PV903.
create or replace function monitoring.drop_alert_rule(id uuid)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule monitoring.alert_rules;
begin
    select rule.* into v_rule from monitoring.alert_rules as rule where rule.id = drop_alert_rule.id for update;
    if v_rule.id is null then
        raise exception using
            errcode = 'PV903',
            message = format('alert rule %s does not exist', drop_alert_rule.id),
            hint = 'The ids are in monitoring.alert_rules.';
    end if;
    perform monitoring_internal.require_rule_tenant(v_rule.tenant_id);
    delete from monitoring.alert_rules as rule where rule.id = v_rule.id;
end;
$$;

comment on function monitoring.drop_alert_rule(uuid) is
    'Removes an alert rule; its alerts stay, and open ones are closed. For monitoring_admin.';
