/// The part of the psql file that does what `Reload` does, as one block that needs nothing but the server.
struct ReloadScript {
    /// Everything that is no migration.
    let files: [SQLFile]

    /// One transaction that loads all files and records what they left.
    var text: String {
        let body = declarations + Self.loading + Self.vanishing + recording
        return """
            -- functions, views, policies, collectors, rules, grants
            begin;
            set local lock_timeout = 10000;
            set local role monitoring_owner;
            do \(SQLText.quoted(body));
            commit;

            """
    }

    private func list(_ folders: String...) -> [SQLFile] {
        files.filter { file in folders.contains { file.path.hasPrefix($0) } }
    }

    private var declarations: String {
        let code = list("functions/", "views/")
        let policies = list("policies/")
        let rules = list("rules/")
        let collectors = list("collectors/")
        let last = files.filter { !$0.path.contains("/") }
        return """

            declare
                v_code_paths constant text[] := \(SQLText.array(code.map(\.path)));
                v_code constant text[] := \(SQLText.array(code.map(\.text)));
                v_policies constant text[] := \(SQLText.array(policies.map(\.text)));
                v_rules constant text[] := \(SQLText.array(rules.map(\.text)));
                v_collector_names constant text[] := \(SQLText.array(collectors.map(\.name)));
                v_collectors constant text[] := \(SQLText.array(collectors.map(\.text)));
                v_last constant text[] := \(SQLText.array(last.map(\.text)));
                v_before jsonb;
                v_recorded text[];
                v_stray text[];
                v_waiting integer[];
                v_postponed integer[];
                v_place integer;
                v_text text;
                v_message text;
            """
    }

    /// The routines of ours by signature, with a stamp that changes when one is replaced.
    private static let routines = """
        select routine.oid::regprocedure::text as signature, routine.xmin::text || ':' || routine.ctid::text as stamp
                from pg_catalog.pg_proc as routine
                join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
                where schema.nspname in ('monitoring', 'monitoring_internal')
                    and not exists (
                        select from pg_catalog.pg_depend as link
                        where link.classid = 'pg_proc'::regclass and link.objid = routine.oid and link.deptype = 'e')
        """

    /// Loads what has no written order in passes, then checks every body, then what builds on it.
    private static let loading = """

        begin
            perform set_config('check_function_bodies', 'off', true);
            select coalesce(jsonb_object_agg(present.signature, present.stamp), '{}') into v_before
            from (\(routines)) as present;
            select coalesce(array_agg(record.path), '{}') into v_recorded
            from monitoring_internal.reloaded_objects as record;
            v_waiting := array(select generate_series(1, cardinality(v_code)));
            while cardinality(v_waiting) > 0 loop
                v_postponed := '{}';
                foreach v_place in array v_waiting loop
                    begin
                        execute v_code[v_place];
                    exception
                        when undefined_table or undefined_function or undefined_object or undefined_column
                            or invalid_schema_name then
                            v_postponed := v_postponed || v_place;
                            v_message := v_code_paths[v_place] || ': ' || sqlerrm;
                    end;
                end loop;
                if cardinality(v_postponed) = cardinality(v_waiting) then
                    raise exception '%', v_message;
                end if;
                v_waiting := v_postponed;
            end loop;
            select coalesce(array_agg(present.signature), '{}') into v_stray
            from (\(routines)) as present
            where v_before ->> present.signature = present.stamp;
            perform set_config('check_function_bodies', 'on', true);
            perform case language.lanname
                when 'plpgsql' then plpgsql_validator(routine.oid)
                else fmgr_sql_validator(routine.oid)
            end
            from pg_catalog.pg_proc as routine
            join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
            join pg_catalog.pg_language as language on language.oid = routine.prolang
            where schema.nspname in ('monitoring', 'monitoring_internal') and language.lanname in ('plpgsql', 'sql')
                and pg_has_role(current_user, routine.proowner, 'usage');
            perform set_config('check_function_bodies', 'off', true);
            foreach v_text in array v_policies loop
                execute v_text;
            end loop;
            if cardinality(v_collectors) > 0
                and to_regprocedure('monitoring_internal.load_collector(text, text)') is not null then
                if to_regprocedure('monitoring_internal.forget_collectors(text[])') is not null then
                    execute 'select monitoring_internal.forget_collectors($1)' using v_collector_names;
                end if;
                for v_place in 1 .. cardinality(v_collectors) loop
                    execute 'select monitoring_internal.load_collector($1, $2)'
                        using v_collector_names[v_place], v_collectors[v_place];
                end loop;
            end if;
            foreach v_text in array v_rules loop
                execute v_text;
            end loop;
            if to_regprocedure('monitoring_internal.retire_alert_rules()') is not null then
                execute 'select monitoring_internal.retire_alert_rules()';
            end if;
        """

    /// Drops what an earlier reload made and no file names any longer, unless something depends on it.
    private static let vanishing = """

            foreach v_text in array v_stray loop
                if 'live:function ' || v_text = any (v_recorded) then
                    begin
                        execute 'drop routine ' || v_text || ' restrict';
                    exception
                        when dependent_objects_still_exist then null;
                    end;
                end if;
            end loop;
            foreach v_text in array v_last loop
                execute v_text;
            end loop;
        """

    private var recording: String {
        let objects = CatalogQueries.all.map { part in
            "(select kind::text, name::text, digest from (\(CatalogQueries.complete(part))) as found)"
        }
        let kinds = Catalog.watched.sorted().map(SQLText.literal).joined(separator: ", ")
        let rows = files.map { "(\(SQLText.literal($0.path)), \(SQLText.literal($0.checksum)))" }
        return """

                delete from monitoring_internal.reloaded_objects;
                insert into monitoring_internal.reloaded_objects (path, checksum)
                values \((rows + ["('live:server', (current_setting('server_version_num')::integer / 10000)::text)"])
                    .joined(separator: ",\n"));
                insert into monitoring_internal.reloaded_objects (path, checksum)
                select 'live:' || object.kind || ' ' || object.name, object.digest
                from (
                    \(objects.joined(separator: "\nunion all\n"))
                ) as object
                where object.kind in (\(kinds)) and not (object.kind = 'function' and object.name = any (v_stray));
            end

            """
    }
}
