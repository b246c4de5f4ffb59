-- tenancy/settings.sql: read and change the settings of this installation.
-- Owns setting_text, setting_interval, setting_integer, setting_number, setting_boolean, set_setting, is_setting_value.
-- Writes settings. Any number of callers at once.

-- A setting's value as text.
-- Raises: PV003.
create or replace function monitoring_internal.setting_text(p_name text)
returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_value text;
begin
    select setting.value into v_value from monitoring.settings as setting where setting.name = p_name;
    if v_value is null then
        raise exception using
            errcode = 'PV003',
            message = format('setting "%s" does not exist', p_name),
            hint = 'The names are in monitoring.settings.';
    end if;
    return v_value;
end;
$$;

comment on function monitoring_internal.setting_text(text) is 'Value of a setting as text; PV003 when there is none.';

-- A setting that is a length of time.
create or replace function monitoring_internal.setting_interval(p_name text)
returns interval
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.setting_text(p_name)::interval;
end;
$$;

comment on function monitoring_internal.setting_interval(text) is 'Value of a setting of kind interval.';

-- A setting that is a whole number.
create or replace function monitoring_internal.setting_integer(p_name text)
returns bigint
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.setting_text(p_name)::bigint;
end;
$$;

comment on function monitoring_internal.setting_integer(text) is 'Value of a setting of kind integer.';

-- A setting that is a number.
create or replace function monitoring_internal.setting_number(p_name text)
returns double precision
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.setting_text(p_name)::double precision;
end;
$$;

comment on function monitoring_internal.setting_number(text) is 'Value of a setting of kind number.';

-- A setting that is true or false.
create or replace function monitoring_internal.setting_boolean(p_name text)
returns boolean
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return monitoring_internal.setting_text(p_name)::boolean;
end;
$$;

comment on function monitoring_internal.setting_boolean(text) is 'Value of a setting of kind boolean.';

-- Whether a text is a value of the kind and inside the bounds.
create or replace function monitoring_internal.is_setting_value(
    p_value text, p_kind text, p_minimum text, p_maximum text)
returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    case p_kind
        when 'interval' then
            return p_value::interval between coalesce(p_minimum::interval, p_value::interval)
                and coalesce(p_maximum::interval, p_value::interval);
        when 'integer' then
            return p_value::bigint between coalesce(p_minimum::bigint, p_value::bigint)
                and coalesce(p_maximum::bigint, p_value::bigint);
        when 'number' then
            return p_value::double precision between coalesce(p_minimum::double precision, p_value::double precision)
                and coalesce(p_maximum::double precision, p_value::double precision)
                and p_value::double precision <> 'NaN';
        when 'boolean' then
            return p_value::boolean is not null;
        else
            return true;
    end case;
exception
    -- A text that is no value of its kind is an answer here, not a fault.
    when data_exception then
        return false;
end;
$$;

comment on function monitoring_internal.is_setting_value(text, text, text, text) is
    'Whether a text reads as a value of the kind and lies inside the bounds.';

-- Change a setting.
-- Raises: PV003 unknown name, PV005 value of another kind or out of bounds.
create or replace function monitoring.set_setting(name text, value text)
returns void
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_setting monitoring.settings;
begin
    select setting.* into v_setting from monitoring.settings as setting where setting.name = set_setting.name;
    if v_setting.name is null then
        raise exception using
            errcode = 'PV003',
            message = format('setting "%s" does not exist', set_setting.name),
            hint = 'The names are in monitoring.settings.';
    end if;
    if set_setting.value is null or not monitoring_internal.is_setting_value(
        set_setting.value, v_setting.kind, v_setting.minimum, v_setting.maximum)
    then
        raise exception using
            errcode = 'PV005',
            message = format('"%s" is not accepted for setting "%s"', set_setting.value, v_setting.name),
            detail = v_setting.description,
            hint = format(
                'Give a value of kind %s%s%s.', v_setting.kind,
                ' from ' || v_setting.minimum, ' to ' || v_setting.maximum);
    end if;
    update monitoring.settings as setting
    set value = set_setting.value
    where setting.name = set_setting.name;
end;
$$;

comment on function monitoring.set_setting(text, text) is
    'Changes a setting of monitoring.settings after checking its kind and bounds. For monitoring_admin.';

-- Stamp a changed row.
create or replace function monitoring_internal.update_updated_at_column()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := now();
    return new;
end;
$$;

comment on function monitoring_internal.update_updated_at_column() is
    'Trigger: sets updated_at to the transaction''s time whenever the row changes.';
