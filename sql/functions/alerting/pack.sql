-- alerting/pack.sql: load the rules of sql/rules, and leave alone what somebody changed.
-- Owns alert_pack_columns, write_pack_rule, note_pack_rule, load_alert_rule, retire_alert_rules, reset_alert_rule.
-- Writes alert_rules, alert_rule_tests, alert_pack_rules. Concurrency: loading runs under the migrations' lock.

-- What a definition decides of a rule, as texts that no session's settings change.
create or replace function monitoring_internal.alert_pack_columns(p_rule monitoring.alert_rules)
returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set intervalstyle = 'postgres'
set extra_float_digits = 1
as $$
    select to_jsonb(p_rule) - array[
        'id', 'rule_no', 'tenant_id', 'is_active', 'source', 'pack_hash', 'created_by', 'last_triggered', 'created_at',
        'updated_at'];
$$;

comment on function monitoring_internal.alert_pack_columns(monitoring.alert_rules) is
    'The columns of a rule that a definition decides, as an object.';

-- Write a rule as its definition says: what that does not name gets the column's default.
-- Raises: PV970, and what alert_rules refuses.
create or replace function monitoring_internal.write_pack_rule(p_definition jsonb, p_rule_id uuid)
returns uuid
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_rule_id uuid := coalesce(p_rule_id, gen_random_uuid());
    v_columns text[] := array(
        select attribute.attname::text
        from pg_attribute as attribute
        where attribute.attrelid = 'monitoring.alert_rules'::regclass and attribute.attnum > 0
            and not attribute.attisdropped
            and attribute.attname <> all (array[
                'id', 'rule_no', 'tenant_id', 'is_active', 'source', 'pack_hash', 'created_by', 'last_triggered',
                'created_at', 'updated_at'])
        order by attribute.attnum);
    v_unknown text := (
        select string_agg(key, ', ' order by key)
        from jsonb_object_keys(p_definition - 'tests') as key
        where key <> all (v_columns));
begin
    if v_unknown is not null then
        raise exception using
            errcode = 'PV970',
            message = format('rule "%s" of the pack: no column %s', p_definition ->> 'rule_name', v_unknown),
            hint = 'The keys of a definition are columns of monitoring.alert_rules, and tests; see docs/rules.md.';
    end if;
    if p_rule_id is null then
        execute (
            select format(
                'insert into monitoring.alert_rules (id, source, %s) '
                'select $2, ''pack'', %s from jsonb_populate_record(null::monitoring.alert_rules, $1) as rule',
                string_agg(format('%I', name), ', '), string_agg(format('rule.%I', name), ', '))
            from unnest(v_columns) as name
            where p_definition ? name) using p_definition, v_rule_id;
    else
        execute (
            select format(
                'update monitoring.alert_rules set %s where id = $2',
                string_agg(
                    case when p_definition ? name
                        then format('%1$I = (jsonb_populate_record(null::monitoring.alert_rules, $1)).%1$I', name)
                        else format('%I = default', name) end, ', '))
            from unnest(v_columns) as name) using p_definition, v_rule_id;
    end if;
    return v_rule_id;
end;
$$;

comment on function monitoring_internal.write_pack_rule(jsonb, uuid) is
    'Inserts a rule of the pack, or writes it over the row of that id; returns its id.';

-- Note what the pack left of a rule, by which a change is known, and give it the tests of its definition.
create or replace function monitoring_internal.note_pack_rule(p_definition jsonb, p_rule_id uuid)
returns void
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns jsonb := (
        select monitoring_internal.alert_pack_columns(rule)
        from monitoring.alert_rules as rule
        where rule.id = p_rule_id);
begin
    update monitoring.alert_rules as rule
    set pack_hash = md5(v_columns::text), source = 'pack'
    where rule.id = p_rule_id
        and (rule.pack_hash is distinct from md5(v_columns::text) or rule.source <> 'pack');
    insert into monitoring.alert_pack_rules as pack (rule_name, definition, rule_id, loaded, loaded_in)
    values (p_definition ->> 'rule_name', p_definition, p_rule_id, v_columns, pg_current_xact_id())
    on conflict (rule_name) do update
    set definition = excluded.definition, rule_id = excluded.rule_id, loaded = excluded.loaded,
        loaded_in = excluded.loaded_in, is_shipped = true;
    delete from monitoring.alert_rule_tests as test where test.alert_rule_id = p_rule_id;
    insert into monitoring.alert_rule_tests (alert_rule_id, test_name, definition)
    select p_rule_id, test.value ->> 'name', test.value - 'name'
    from jsonb_array_elements(p_definition -> 'tests') as test;
end;
$$;

comment on function monitoring_internal.note_pack_rule(jsonb, uuid) is
    'Notes a rule of the pack as loaded, with the columns it has now, and replaces its tests.';

-- Load one rule of the pack. One that somebody changed or deleted stays as it is; one that somebody disabled is
-- brought up to date and stays disabled.
create or replace function monitoring_internal.load_alert_rule(p_definition jsonb)
returns text
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_name constant text := p_definition ->> 'rule_name';
    v_pack monitoring.alert_pack_rules;
    v_rule monitoring.alert_rules;
    v_is_changed boolean;
begin
    select * into v_pack from monitoring.alert_pack_rules as pack where pack.rule_name = v_name for update;
    select * into v_rule
    from monitoring.alert_rules as rule
    where rule.id = v_pack.rule_id or v_pack.rule_id is null and rule.tenant_id is null and rule.rule_name = v_name;
    v_is_changed := case
        when v_rule.id is null then v_pack.rule_id is not null
        when v_pack.rule_id is null
            then v_rule.source <> 'pack'
                or v_rule.pack_hash is distinct from md5(monitoring_internal.alert_pack_columns(v_rule)::text)
        else not monitoring_internal.alert_pack_columns(v_rule) @> v_pack.loaded
    end;
    if v_is_changed then
        insert into monitoring.alert_pack_rules as pack (rule_name, definition, loaded_in)
        values (v_name, p_definition, pg_current_xact_id())
        on conflict (rule_name) do update
        set definition = excluded.definition, loaded_in = excluded.loaded_in, is_shipped = true;
        return 'kept';
    end if;
    if v_pack.definition = p_definition and v_pack.is_shipped and v_rule.id is not null then
        update monitoring.alert_pack_rules as pack set loaded_in = pg_current_xact_id() where pack.rule_name = v_name;
        return 'unchanged';
    end if;
    if not v_pack.is_shipped then
        update monitoring.alert_rules as rule set is_active = v_pack.is_to_resume where rule.id = v_rule.id;
    end if;
    perform monitoring_internal.note_pack_rule(
        p_definition, monitoring_internal.write_pack_rule(p_definition, v_rule.id));
    return case when v_rule.id is null then 'added' else 'updated' end;
end;
$$;

comment on function monitoring_internal.load_alert_rule(jsonb) is
    'Loads a rule of the pack, called by the files of sql/rules: added, updated, unchanged, or kept as somebody '
    'changed or deleted it. PV970 names keys that are no column.';

-- Disable the rules that no file names any longer; called at the end of a load, in its transaction.
create or replace function monitoring_internal.retire_alert_rules()
returns integer
language sql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
    with retired as (
        update monitoring.alert_pack_rules as pack
        set is_shipped = false, is_to_resume = coalesce((
            select rule.is_active from monitoring.alert_rules as rule where rule.id = pack.rule_id), true)
        where pack.is_shipped and pack.loaded_in <> pg_current_xact_id()
        returning pack.rule_id, pack.loaded
    ), disabled as (
        update monitoring.alert_rules as rule
        set is_active = false
        from retired
        where rule.id = retired.rule_id and rule.is_active
            and monitoring_internal.alert_pack_columns(rule) @> retired.loaded
        returning 1
    )
    select count(*)::integer from disabled;
$$;

comment on function monitoring_internal.retire_alert_rules() is
    'Disables the rules that left the pack, but for those that somebody changed; returns how many. For the migrator, '
    'after it loaded the files.';

-- Give a rule of the pack back as it was shipped, whether it was changed, disabled or deleted.
-- Raises: PV971.
create or replace function monitoring.reset_alert_rule(rule_name text)
returns uuid
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_pack monitoring.alert_pack_rules;
    v_rule_id uuid;
begin
    select * into v_pack
    from monitoring.alert_pack_rules as pack
    where pack.rule_name = reset_alert_rule.rule_name and pack.is_shipped
    for update;
    if v_pack.rule_name is null then
        raise exception using
            errcode = 'PV971',
            message = format('no rule "%s" is in the pack', reset_alert_rule.rule_name),
            hint = 'Their names are in monitoring.alert_pack.';
    end if;
    select rule.id into v_rule_id from monitoring.alert_rules as rule where rule.id = v_pack.rule_id;
    v_rule_id := monitoring_internal.write_pack_rule(v_pack.definition, v_rule_id);
    update monitoring.alert_rules as rule set is_active = true where rule.id = v_rule_id and not rule.is_active;
    perform monitoring_internal.note_pack_rule(v_pack.definition, v_rule_id);
    return v_rule_id;
end;
$$;

comment on function monitoring.reset_alert_rule(text) is
    'Gives a rule of the pack back as it was shipped, active; returns its id. PV971 when the pack has none of that '
    'name.';
