import Postgres

/// The functions and procedures in our schemas.
enum Routines {
    /// Every routine that belongs to no extension: its signature and what tells whether it was replaced since.
    static func present(_ connection: PostgresConnection) async throws(PostgresError) -> [String: String] {
        let rows = try await connection.query(
            """
            select routine.oid::regprocedure::text as signature, routine.xmin::text || ':' || routine.ctid::text as stamp
            from pg_catalog.pg_proc as routine
            join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
            where schema.nspname in ('monitoring', 'monitoring_internal')
                and not exists (
                    select from pg_catalog.pg_depend as link
                    where link.classid = 'pg_proc'::regclass and link.objid = routine.oid and link.deptype = 'e')
            """)
        var found: [String: String] = [:]
        for row in rows { found[try row.decode("signature", as: String.self)] = row["stamp"] }
        return found
    }

    /// Lets the languages check the bodies that were loaded unchecked, now that all they name is there.
    /// - Throws: `MigrationFault` that lists every broken one.
    static func validate(_ connection: PostgresConnection) async throws {
        let rows = try await connection.query(
            """
            select routine.oid::text as oid, routine.oid::regprocedure::text as signature,
                case language.lanname when 'plpgsql' then 'plpgsql_validator' else 'fmgr_sql_validator' end as validator
            from pg_catalog.pg_proc as routine
            join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
            join pg_catalog.pg_language as language on language.oid = routine.prolang
            where schema.nspname in ('monitoring', 'monitoring_internal') and language.lanname in ('plpgsql', 'sql')
                and pg_catalog.pg_has_role(current_user, routine.proowner, 'usage')
            order by 2
            """)
        try await connection.execute("set local check_function_bodies = on")
        var broken: [String] = []
        for row in rows {
            let (validator, oid) = (row["validator"] ?? "", row["oid"] ?? "")
            try await connection.execute("savepoint validation")
            do throws(PostgresError) {
                _ = try await connection.query("select \(validator)(\(oid)::oid)")
            } catch {
                broken.append("\(row["signature"] ?? oid): \(error.message)")
                try await connection.execute("rollback to savepoint validation")
            }
            try await connection.execute("release savepoint validation")
        }
        try await connection.execute("set local check_function_bodies = off")
        guard broken.isEmpty else {
            throw MigrationFault(
                .failed, "\(broken.count) function(s) do not compile: \(broken.joined(separator: "; "))",
                remedy: "the functions and views in force are still the old ones; mend these and run again")
        }
    }
}
