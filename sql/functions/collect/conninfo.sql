-- collect/conninfo.sql: read connection strings as libpq does, and keep secrets out of them.
-- Owns decode_percent, conninfo_pairs, conninfo_uri, conninfo_parts, seal_context, check_target. Writes nothing but the
-- row that its trigger is about. Pure: any number of callers at once.

-- Text in which %41 stands for A.
-- Raises: 22023, 22021 for what is no such text.
create or replace function monitoring_internal.decode_percent(p_text text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        convert_from(
            decode(
                string_agg(
                    case
                        when left(part.piece[1], 1) = '%' then substr(part.piece[1], 2)
                        else encode(convert_to(part.piece[1], 'UTF8'), 'hex')
                    end,
                    '' order by part.place),
                'hex'),
            'UTF8'),
        '')
    from regexp_matches(p_text, '%..|[^%]+|%', 'g') with ordinality as part (piece, place);
$$;

comment on function monitoring_internal.decode_percent(text) is 'A part of a URI with its percent signs resolved.';

-- The parts of a connection string of the form key=value key='value'; no row when it is malformed.
create or replace function monitoring_internal.conninfo_pairs(p_conninfo text)
returns table (keyword text, value text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with form as (
        select $re$\s*([a-zA-Z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)$re$ as pattern
    )
    select
        pair.part[1],
        regexp_replace(
            case when pair.part[2] like '''%' then substr(pair.part[2], 2, length(pair.part[2]) - 2)
                else pair.part[2] end,
            '\\(.)', '\1', 'g')
    from form
    cross join lateral regexp_matches(p_conninfo, form.pattern, 'g') as pair (part)
    where regexp_replace(p_conninfo, form.pattern, '', 'g') ~ '^\s*$';
$$;

comment on function monitoring_internal.conninfo_pairs(text) is
    'Keywords and values of a connection string of the form key=value; no row when it is malformed.';

-- The parts of a connection string that is a URI; no row when it is malformed.
create or replace function monitoring_internal.conninfo_uri(p_conninfo text)
returns table (keyword text, value text)
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with uri as materialized (
        select regexp_match(
            p_conninfo, '^postgres(?:ql)?://(?:([^@/]*)@)?([^/?]*)(?:/([^?]*))?(?:\?(.*))?$') as part
    ), server as materialized (
        select
            string_agg(address.part[1], ',' order by listed.place) as hosts,
            string_agg(coalesce(address.part[2], ''), ',' order by listed.place) as ports,
            bool_and(address.part is not null) as is_sound
        from uri
        cross join lateral unnest(string_to_array(uri.part[2], ',')) with ordinality as listed (address, place)
        cross join lateral (
            select case
                when listed.address like '[%' then regexp_match(listed.address, '^\[([^]]*)\](?::([0-9]*))?$')
                else regexp_match(listed.address, '^([^:]*)(?::([0-9]*))?$')
            end as part
        ) as address
    )
    -- A password is refused by its name alone: no error of decoding may show a part of it.
    select part.keyword,
        case when part.keyword ~ 'password' then '' else monitoring_internal.decode_percent(part.value) end
    from (
        select 'user' as keyword, nullif(split_part(uri.part[1], ':', 1), '') as value from uri
        union all
        select 'password', substr(uri.part[1], strpos(uri.part[1], ':') + 1) from uri where strpos(uri.part[1], ':') > 0
        union all
        select 'host', nullif(server.hosts, '') from server
        union all
        select 'port', server.ports from server where server.ports ~ '[0-9]'
        union all
        select 'dbname', nullif(uri.part[3], '') from uri
        union all
        -- Keywords too may be written with percent signs, and libpq reads them. Empty values here overrule what is
        -- before.
        select monitoring_internal.decode_percent(split_part(option.pair, '=', 1)),
            substr(option.pair, strpos(option.pair, '=') + 1)
        from uri
        cross join lateral unnest(string_to_array(uri.part[4], '&')) as option (pair)
        where option.pair <> ''
    ) as part
    where part.value is not null and p_conninfo !~ '%(?![0-9A-Fa-f]{2})'
        and (select uri.part is not null from uri)
        and (select coalesce(server.is_sound, true) from server);
$$;

comment on function monitoring_internal.conninfo_uri(text) is
    'Keywords and values of a connection URI; no row when it is malformed.';

-- The parts of a target's connection string.
-- Raises: PV601 when it is malformed or names no server, PV602 when a secret is in it. Neither shows it.
create or replace function monitoring_internal.conninfo_parts(p_conninfo text)
returns table (keyword text, value text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_keywords text[];
    v_values text[];
    v_fault text;
begin
    select array_agg(part.keyword), array_agg(part.value) into v_keywords, v_values
    from (
        select pair.* from monitoring_internal.conninfo_pairs(p_conninfo) as pair
        where p_conninfo !~ '^postgres(ql)?://'
        union all
        select uri.* from monitoring_internal.conninfo_uri(p_conninfo) as uri
        where p_conninfo ~ '^postgres(ql)?://'
    ) as part;
    if v_keywords && array[
        'password', 'sslpassword', 'oauth_client_secret', 'scram_client_key', 'scram_server_key']
    then
        raise exception using
            errcode = 'PV602',
            message = 'the connection of a target holds a secret',
            hint = 'Leave it out, and let "pgvigil targets add NAME" ask for it: it is stored sealed. '
                'What was sent here may be in the server''s log: change it.';
    end if;
    v_fault := case
        when v_keywords is null or p_conninfo ~ '[[:cntrl:]]' then 'is malformed'
        -- Also what percent signs stood for: a line of its own would be one more part of what a secret is sealed for.
        when exists (
            select 1
            from unnest(v_keywords, v_values) as given (keyword, value)
            where given.keyword !~ '^[a-z_]+$' or given.value ~ '[[:cntrl:]]') then 'is malformed'
        when (select count(distinct given.keyword) from unnest(v_keywords) as given (keyword))
            < cardinality(v_keywords) then 'names something twice'
        when not v_keywords && array['host', 'hostaddr', 'service'] then 'names no host'
        when v_values[array_position(v_keywords, 'dbname')] ~ '=|^postgres(ql)?://'
            then 'has a connection string for a database'
    end;
    if v_fault is not null then
        raise exception using
            errcode = 'PV601',
            message = format('the connection of a target %s', v_fault),
            hint = 'Write it as libpq reads it, without a password: host=db.example dbname=postgres user=pgvigil';
    end if;
    return query select given.* from unnest(v_keywords, v_values) as given;
end;
$$;

comment on function monitoring_internal.conninfo_parts(text) is
    'Keywords and values of a target''s connection string; PV601 malformed, PV602 holds a secret.';

-- What a secret is sealed for: whoever changes where it would be sent to makes it unusable.
create or replace function monitoring_internal.seal_context(p_name text, p_conninfo text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(E'\n', 'target=' || p_name,
        string_agg(format('%s=%s', part.keyword, part.value), E'\n' order by part.keyword collate "C"))
    from monitoring_internal.conninfo_parts(p_conninfo) as part
    where part.keyword in (
        'host', 'hostaddr', 'port', 'user', 'service', 'servicefile', 'sslmode', 'sslrootcert', 'requiressl',
        'gssencmode', 'channel_binding', 'require_auth', 'requirepeer', 'ssl');
$$;

comment on function monitoring_internal.seal_context(text, text) is
    'Name of a target and the parts of its connection that decide where a secret goes: what it is sealed for.';

-- A target's row is checked before anything could print it: the detail of a violated constraint shows the whole row.
create or replace function monitoring_internal.check_target()
returns trigger
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_context constant text := case when new.conninfo is not null
        then monitoring_internal.seal_context(new.name, new.conninfo) end;
begin
    if new.sealed_secret !~ '^pgvigil:v1:[0-9a-f]{8}:[A-Za-z0-9+/]+={0,2}$' then
        raise exception using
            errcode = 'PV603',
            message = 'a secret is not sealed',
            hint = 'Let "pgvigil targets add NAME" seal it. What was sent here may be in the server''s log: change it.';
    end if;
    if new.sealed_secret is null then
        new.sealed_for := null;
    elsif tg_op = 'INSERT' then
        new.sealed_for := v_context;
    elsif new.sealed_secret is distinct from old.sealed_secret then
        new.sealed_for := v_context;
    else
        new.sealed_for := old.sealed_for;
    end if;
    new.is_secret_usable := new.sealed_secret is null or new.sealed_for is not distinct from v_context;
    begin
        perform '' ~ new.database_include, '' ~ new.database_exclude;
    exception
        when invalid_regular_expression then
            raise exception using
                errcode = 'PV608',
                message = format(
                    '%s is no regular expression', concat_ws(' or ', new.database_include, new.database_exclude)),
                hint = 'Which databases are meant is said by a regular expression, such as ^shop_.';
    end;
    return new;
end;
$$;

comment on function monitoring_internal.check_target() is
    'Trigger: refuses connections with a secret, secrets that are not sealed, and expressions that are none.';
