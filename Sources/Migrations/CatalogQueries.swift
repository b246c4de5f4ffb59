/// The queries that describe our objects; each yields kind, name, definition, rights and comment.
enum CatalogQueries {
    /// In no particular order.
    static let all = [
        schemas, relations, columns, constraints, indexes, views, functions, policies, triggers, types,
        sequences, defaultRights,
    ]

    /// A part with the columns that `Catalog` reads.
    static func complete(_ part: String) -> String {
        """
        with
            ours as (
                select schema.oid, schema.nspname
                from pg_catalog.pg_namespace as schema
                where schema.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
            ),
            -- Partitions other than the default come and go with time.
            stable as (
                select relation.*, relation.oid as relation_oid, relation.oid::regclass::text as relation_name
                from pg_catalog.pg_class as relation
                join ours on ours.oid = relation.relnamespace
                where not relation.relispartition
                    or pg_catalog.pg_get_expr(relation.relpartbound, relation.oid) = 'DEFAULT'
                    or (relation.relkind in ('i', 'I') and not exists (
                        select from pg_catalog.pg_index as index
                        join pg_catalog.pg_class as part on part.oid = index.indrelid
                        where index.indexrelid = relation.oid and part.relispartition
                            and pg_catalog.pg_get_expr(part.relpartbound, part.oid) <> 'DEFAULT'))
            ),
            part as (\(part))
        select kind, name, encode(sha256(convert_to(definition, 'UTF8')), 'hex') as digest,
            definition || coalesce(' | rights ' || rights, '') || coalesce(' | comment ' || comment, '') as details
        from part
        """
    }

    /// A list of rights as text that does not depend on the order of granting.
    private static func rights(_ list: String, _ kind: String, _ owner: String) -> String {
        """
        (select string_agg(item, ',' order by item) from (
            select coalesce(grantee.rolname, 'public') || '=' || given.privilege_type
                || case when given.is_grantable then '*' else '' end as item
            from aclexplode(coalesce(\(list), acldefault('\(kind)', \(owner)))) as given
            left join pg_catalog.pg_roles as grantee on grantee.oid = given.grantee) as rights)
        """
    }

    private static let schemas = """
        select 'schema' as kind, ours.nspname::text as name, 'owner ' || schema.nspowner::regrole as definition,
            \(rights("schema.nspacl", "n", "schema.nspowner")) as rights,
            obj_description(schema.oid, 'pg_namespace') as comment
        from ours join pg_catalog.pg_namespace as schema on schema.oid = ours.oid
        """

    private static let relations = """
        select 'relation' as kind, relation_name as name,
            concat_ws(' ', relkind, relpersistence, 'owner', relowner::regrole, 'rls', relrowsecurity,
                relforcerowsecurity, 'partition by', pg_get_partkeydef(relation_oid), 'identity', relreplident)
            as definition,
            concat_ws(' ', \(rights("relacl", "r", "relowner")), 'options', reloptions::text) as rights,
            obj_description(relation_oid, 'pg_class') as comment
        from stable where relkind in ('r', 'p', 'v', 'm', 'f')
        """

    private static let columns = """
        select 'column' as kind, relation_name || '.' || quote_ident(attname) as name,
            concat_ws(' ', row_number() over (partition by relation_oid order by attnum),
                format_type(atttypid, atttypmod), case when attnotnull then 'not null' end,
                'default ' || pg_get_expr(adbin, adrelid), nullif(attidentity, ''), nullif(attgenerated, ''),
                'collation ' || nullif(attcollation, 0)::regcollation, 'storage ' || attstorage::text) as definition,
            (select string_agg(coalesce(grantee.rolname, 'public') || '=' || given.privilege_type, ','
                    order by grantee.rolname, given.privilege_type)
                from aclexplode(attacl) as given
                left join pg_catalog.pg_roles as grantee on grantee.oid = given.grantee) as rights,
            col_description(relation_oid, attnum) as comment
        from stable
        join pg_catalog.pg_attribute on attrelid = relation_oid and attnum > 0 and not attisdropped
        left join pg_catalog.pg_attrdef on adrelid = relation_oid and adnum = attnum
        where relkind in ('r', 'p', 'v', 'm', 'f', 'c')
        """

    private static let constraints = """
        select 'constraint' as kind, coalesce(relation_name, contypid::regtype::text) || '.' || quote_ident(conname)
            as name,
            pg_get_constraintdef(entry.oid) || case when convalidated then '' else ' not validated' end as definition,
            null::text as rights, obj_description(entry.oid, 'pg_constraint') as comment
        from pg_catalog.pg_constraint as entry
        join ours on ours.oid = entry.connamespace
        left join stable on relation_oid = entry.conrelid
        where (relation_oid is not null or contypid <> 0) and contype <> 't' and conparentid = 0
        """

    private static let indexes = """
        select 'index' as kind, relation_name as name,
            pg_get_indexdef(relation_oid) || case when indisvalid then '' else ' invalid' end
                || case when indisreplident then ' replica identity' else '' end as definition,
            reloptions::text as rights, obj_description(relation_oid, 'pg_class') as comment
        from stable join pg_catalog.pg_index on indexrelid = relation_oid
        """

    private static let views = """
        select 'view' as kind, relation_name as name,
            pg_get_viewdef(relation_oid) || coalesce(' with ' || reloptions::text, '') as definition,
            null::text as rights, null::text as comment
        from stable where relkind in ('v', 'm')
        """

    private static let functions = """
        select 'function' as kind, routine.oid::regprocedure::text as name,
            concat_ws(' ', case when prokind in ('f', 'p') then pg_get_functiondef(routine.oid) else prosrc end,
                'owner', proowner::regrole) as definition,
            \(rights("proacl", "f", "proowner")) as rights, obj_description(routine.oid, 'pg_proc') as comment
        from pg_catalog.pg_proc as routine join ours on ours.oid = routine.pronamespace
        where not exists (
            select from pg_catalog.pg_depend as link
            where link.classid = 'pg_proc'::regclass and link.objid = routine.oid and link.deptype = 'e')
        """

    private static let policies = """
        select 'policy' as kind, relation_name || '.' || quote_ident(polname) as name,
            concat_ws(' ', polcmd, case when polpermissive then 'permissive' else 'restrictive' end,
                (select string_agg(coalesce(member.rolname, 'public'), ',' order by member.rolname)
                    from unnest(polroles) as listed (role_oid)
                    left join pg_catalog.pg_roles as member on member.oid = listed.role_oid),
                'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid)) as definition,
            null::text as rights, obj_description(entry.oid, 'pg_policy') as comment
        from pg_catalog.pg_policy as entry join stable on relation_oid = polrelid
        """

    private static let triggers = """
        select 'trigger' as kind, relation_name || '.' || quote_ident(tgname) as name,
            pg_get_triggerdef(entry.oid) || ' enabled ' || tgenabled::text as definition,
            null::text as rights, obj_description(entry.oid, 'pg_trigger') as comment
        from pg_catalog.pg_trigger as entry join stable on relation_oid = tgrelid
        where not tgisinternal and tgparentid = 0
        """

    private static let types = """
        select 'type' as kind, entry.oid::regtype::text as name,
            concat_ws(' ', typtype, 'owner', typowner::regrole, 'base', format_type(nullif(typbasetype, 0), typtypmod),
                typdefault, case when typnotnull then 'not null' end,
                (select string_agg(quote_literal(enumlabel), ',' order by enumsortorder)
                    from pg_catalog.pg_enum where enumtypid = entry.oid)) as definition,
            \(rights("typacl", "T", "typowner")) as rights, obj_description(entry.oid, 'pg_type') as comment
        from pg_catalog.pg_type as entry
        join ours on ours.oid = entry.typnamespace
        left join pg_catalog.pg_class as shape on shape.oid = entry.typrelid
        where typtype in ('e', 'd', 'r') or (typtype = 'c' and shape.relkind = 'c')
        """

    private static let sequences = """
        select 'sequence' as kind, relation_name as name,
            concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle) as definition,
            \(rights("relacl", "s", "relowner")) as rights, obj_description(relation_oid, 'pg_class') as comment
        from stable join pg_catalog.pg_sequence on seqrelid = relation_oid
        """

    private static let defaultRights = """
        select 'default rights' as kind,
            concat_ws(' ', defaclrole::regrole, defaclobjtype, defaclnamespace::regnamespace) as name,
            (select string_agg(coalesce(grantee.rolname, 'public') || '=' || given.privilege_type, ','
                    order by grantee.rolname, given.privilege_type)
                from aclexplode(defaclacl) as given
                left join pg_catalog.pg_roles as grantee on grantee.oid = given.grantee) as definition,
            null::text as rights, null::text as comment
        from pg_catalog.pg_default_acl
        where defaclrole = to_regrole('monitoring_owner')
        """
}
